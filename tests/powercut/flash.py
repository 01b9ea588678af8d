"""How many bytes an order costs the card, counted at the block device: `python -m tests.powercut.flash`.

The live agent on ext4, orders from a broker, reports taken by it, until the last ticket is confirmed and all is quiet.
"""

import os
import time
from contextlib import ExitStack
from pathlib import Path

import click
import msgspec

from agent.simulator.ports import serve_tcp
from agent.simulator.printer import PrinterSpec, VirtualPrinter
from agent.simulator.stage import AgentProcess, Mosquitto
from tests.powercut.device import missing, recorded
from tests.powercut.shop import configured, on_paper, published, workplace
from tests.powercut.states import SECTOR

WARM = 25
"""Orders before it counts: until then the WAL grows, which ext4 writes down with each commit."""
QUIET_S = 3.0
"""The kernel and the journal's checkpoint have time to write what they put off."""


class Cost(msgspec.Struct, frozen=True):
    """What so many orders cost: bytes at the device, and how often it was flushed."""

    orders: int
    written: int
    flushes: int

    def __str__(self) -> str:
        each = self.written / self.orders / 1024
        return f"{self.orders} orders: {each:.1f} KiB and {self.flushes / self.orders:.1f} flushes an order"


def measure(work: Path, orders: int, per_s: float) -> Cost:
    """The cost of orders at a pace, once the WAL has been moved into the file for the first time."""
    with ExitStack() as stack:
        disk = stack.enter_context(recorded(work))
        broker = stack.enter_context(Mosquitto(work / "broker"))
        device = stack.enter_context(VirtualPrinter(PrinterSpec(line_time_s=0.002)))
        port = stack.enter_context(serve_tcp(device))
        agent = AgentProcess(configured(work, disk.folder / "data", broker.port, port.link), work / "agent.log")
        stack.callback(agent.kill)
        agent.start()
        published(broker.port, range(1, WARM + 1), 4.0)
        on_paper(device, WARM)
        sectors, flushes = _settled(disk.device)
        published(broker.port, range(WARM + 1, WARM + orders + 1), per_s)
        on_paper(device, WARM + orders)
        sectors_after, flushes_after = _settled(disk.device)
    return Cost(orders, (sectors_after - sectors) * SECTOR, flushes_after - flushes)


def _settled(device: str) -> tuple[int, int]:
    time.sleep(QUIET_S)
    os.sync()
    numbers = Path(f"/sys/block/{Path(device).name}/stat").read_text().split()
    return int(numbers[6]), int(numbers[15])


@click.command()
@click.option("--calm", default=20, show_default=True, help="Orders at the calm pace.")
@click.option("--pause", default=3.0, show_default=True, help="Seconds between them.")
@click.option("--burst", default=200, show_default=True, help="Orders at once.")
def main(calm: int, pause: float, burst: int) -> None:
    """Measure a calm morning and a rush."""
    if why := missing():
        raise click.ClickException(f"nothing can be measured here: {why}")
    for name, orders, per_s in (("calm", calm, 1 / pause), ("burst", burst, 1000.0)):
        with workplace() as work:
            click.echo(f"{name}: {measure(work, orders, per_s)}")


if __name__ == "__main__":
    main()
