"""Inside the guest: a kitchen that is told orders by their numbers: python -m tests.vm.shop LINK FOLDER

They come from the lines of the file ORDERS, which may grow. It says `acknowledged N` when the cloud would be told that
it need not send that order again, and `done N` when its ticket is settled.
"""

import sys
import time
from pathlib import Path

from agent.simulator.printer import VirtualPrinter
from tests.kitchen import Kitchen
from tests.vm.usb_kitchen import PATIENCE

ORDERS = Path("/run/orders")
PACE_S = 0.2


def main(link: str, folder: str) -> None:
    """Runs until the power is cut."""
    Path(folder).mkdir(exist_ok=True)
    here = Kitchen(Path(folder), VirtualPrinter(), link, "auto", PATIENCE)  # the real printer stands outside
    told, acknowledged, done = 0, 0, set[str]()
    print("open", flush=True)
    while True:
        orders = ORDERS.read_text().split()
        if told < len(orders):
            here.order(orders[told])
            told += 1
        time.sleep(PACE_S)
        for number in orders[acknowledged : len(here.acknowledged)]:
            print("acknowledged", number, flush=True)
            acknowledged += 1
        for number in _completed(here) - done:
            done.add(number)
            print("done", number, flush=True)


def _completed(here: Kitchen) -> set[str]:
    reports = (report for report in here.reports() if report["type"] == "ticket.state")
    return {report["order"]["no"] for report in reports if report["state"] == "completed"}


if __name__ == "__main__":
    main(*sys.argv[1:])
