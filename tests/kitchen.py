"""A shop without a broker: the real intake, journal and print room, with virtual printers on real cables."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import msgspec

from agent.clock import SystemClock
from agent.config import Printer, Printing
from agent.connectors import connector
from agent.intake.consumer import Consumer
from agent.intake.mappingfile import find, load
from agent.journal import notes
from agent.journal.store import Journal
from agent.model.link import parse_link
from agent.model.station import Station
from agent.model.wire import Delivery
from agent.printers.meeting import Patience
from agent.simulator.piece import Piece
from agent.simulator.ports import serve_pty, serve_tcp
from agent.simulator.printer import PrinterSpec, VirtualPrinter
from agent.spool.failover import Roster
from agent.spool.post import Shop
from agent.spool.render import Press
from agent.spool.worker import Worker

IMPATIENT = Patience(fence_s=0.6, probe_s=0.3, late_answer_s=0.3, silence_said_s=1.0, answer_s=2.5, listen_s=0.2)
HASTY = Printing(reprint_after_s=0.5)
ENDS = "流水"
"""Only a whole ticket bears its running number, which stands in its last lines."""


class Ticket(msgspec.Struct, frozen=True):
    """A piece of paper as a cook sees it."""

    number: str
    marked: bool
    whole: bool
    text: str


class Kitchen:
    """One station, one printer. `start` and `stop` the print room at will: the journal and the printer stay."""

    pace_s = 0.02
    """How often it is looked whether what is waited for is there."""

    def __init__(
        self,
        folder: Path,
        device: VirtualPrinter,
        link: str,
        confirm: str,
        patience: Patience = IMPATIENT,
        printing: Printing = HASTY,
    ) -> None:
        self.device = device
        self._patience = patience
        self.acknowledged: list[int] = []
        self._folder = folder
        self._settings = Printer(name="wok", link=parse_link(link), confirm=confirm)  # type: ignore[arg-type]  # tests' own words
        self._stations = [Station(name="wok", printer="wok", default=True)]
        self._mid = 0
        self.printing = printing
        self.open()

    def open(self) -> None:
        """Open the journal and start printing, as the agent does when it starts."""
        self.journal = Journal(self._folder / "journal.db")
        self.journal.start()
        clock = SystemClock()
        roster = Roster(self._stations, ["wok"], 15, clock)
        press = Press("both", clock.utc().astimezone().tzinfo, roster.reason, self._stations)  # type: ignore[arg-type]  # never None here
        room = Shop(self.journal, press, clock, roster, self.printing, self._patience)
        self.worker = Worker(self._settings, connector(self._settings, self._folder), room)
        self.consumer = Consumer(
            self.journal,
            self._stations,
            "replay",
            lambda delivery: self.acknowledged.append(delivery.mid),
            lambda _printers: self.worker.wake(),
            lambda: None,
            mappings={"meituan": load(find("meituan")).mapping},
        )
        self.worker.start()

    def close(self) -> None:
        """Stop in order."""
        self.worker.stop(5)
        self.journal.stop(5)

    def order(self, number: int | str, rev: int = 1, **fields: Any) -> None:
        """An order comes in."""
        items = fields.pop("items", [{"name": "豆浆", "qty": "2", "note": "不要糖"}, {"name": "鲜肉小笼包", "qty": 12}])
        order = {"id": f"id-{number}", "rev": rev, "channel": "test", "no": str(number), "items": items, **fields}
        self.event("order.upsert", {"order": order}, f"{number}-{rev}")

    def cancel(self, number: int | str, rev: int = 1) -> None:
        """An order is taken back."""
        data = {"order": {"id": f"id-{number}", "rev": rev, "channel": "test"}, "reason": "客人取消"}
        self.event("order.cancel", data, f"{number}-{rev}-cancel")

    def event(self, kind: str, data: dict[str, Any], event_id: str) -> None:
        """Any event comes in."""
        self._mid += 1
        event = {"specversion": "1.0", "id": event_id, "source": "//test", "type": kind, "data": data}
        self.consumer.receive(Delivery(1, self._mid, "order", json.dumps(event).encode(), 1, False))

    # -- what can be seen ----------------------------------------------------------------------------------------

    def tickets(self) -> list[Ticket]:
        """The paper, piece by piece, but for blank ones."""
        pieces = [read(piece) for piece in self.device.paper.pieces]
        return [ticket for ticket in pieces if ticket.text.strip()]

    def whole(self, number: int | str) -> list[Ticket]:
        """The whole tickets of this order, oldest first."""
        return [ticket for ticket in self.tickets() if ticket.number == str(number) and ticket.whole]

    def wait_for(self, number: int | str, timeout_s: float = 20.0, times: int = 1) -> bool:
        """Wait until this order is on paper so many times."""
        came: bool = self.device.wait_for(lambda _: len(self.whole(number)) >= times, timeout_s)
        return came

    def reports(self) -> list[dict[str, Any]]:
        """What the cloud would be told, oldest first."""
        rows = self.journal.write(lambda tx: notes.waiting_reports(tx, 0, 10_000))
        return [{"type": row.type, **json.loads(row.body)} for row in rows]

    def ticket_states(self, number: int | str) -> list[tuple[str, str]]:
        """State and evidence of an order's tickets, as told to the cloud."""
        return [
            (report["state"], report.get("evidence", ""))
            for report in self.reports()
            if report["type"] == "ticket.state" and report["order"]["no"] == str(number)
        ]

    def wait_told(
        self,
        number: int | str,
        timeout_s: float = 30.0,
        *,
        kind: str = "ticket.state",
        states: tuple[str, ...] = ("completed", "canceled", "aborted"),
        times: int = 1,
    ) -> None:
        """Wait until the cloud would have been told one of these states of an order."""

        def told() -> bool:
            reports = [report for report in self.reports() if report["type"] == kind]
            return times <= sum(
                bool(report["order"]["no"] == str(number) and report["state"] in states) for report in reports
            )

        self._wait(told, timeout_s, f"order {number} to be {states}")

    def wait_alarm(self, key: str, timeout_s: float = 15.0) -> None:
        """Wait until this alarm is up."""
        self._wait(lambda: key in self.alarms(), timeout_s, f"the alarm {key}")

    def wait_any_alarm(self, timeout_s: float = 15.0) -> None:
        """Wait until something is up."""
        self._wait(lambda: bool(self.alarms()), timeout_s, "any alarm")

    def wait_no_alarm(self, key: str, timeout_s: float = 15.0) -> None:
        """Wait until this alarm is down."""
        self._wait(lambda: key not in self.alarms(), timeout_s, f"no alarm {key}")

    def _wait(self, done: Callable[[], bool], timeout_s: float, what: str) -> None:
        deadline = time.monotonic() + timeout_s
        while not done():
            assert time.monotonic() < deadline, f"waited in vain for {what}; told {self.reports()}, {self.alarms()}"
            self.device.wait_for(lambda _: False, self.pace_s)

    def idle(self) -> None:
        """Wait until the worker has read the counters after its last ticket, as it does when nothing waits."""
        self._wait(lambda: self.device.buffered == 0, 5, "an empty buffer")
        self.device.wait_for(lambda _: False, 0.2)

    def alarms(self) -> dict[str, str]:
        """What needs a person."""
        return self.journal.write(notes.alarms)


def read(piece: Piece) -> Ticket:
    """A piece as a cook reads it: the number is big, and the mark is white on black."""
    text = piece.text
    runs = [run for line in piece.lines for run in line.runs]
    inverted = "".join(run.text for run in runs if run.inverted)
    numbers = [word[1:] for run in runs if run.width > 1 for word in run.text.split() if word.startswith("#")]
    marked = "补打" in inverted and "REPRINT" in inverted
    return Ticket(numbers[-1] if numbers else "", marked, ENDS in text, text)


@contextmanager
def kitchen(
    folder: Path,
    cable: str = "tcp",
    spec: PrinterSpec | VirtualPrinter | None = None,
    confirm: str = "auto",
    patience: Patience = IMPATIENT,
) -> Iterator[Kitchen]:
    """A kitchen with its printer on `tcp` or `pty`."""
    with ExitStack() as stack:
        device = spec if isinstance(spec, VirtualPrinter) else VirtualPrinter(spec or PrinterSpec())
        stack.enter_context(device)
        port = stack.enter_context(serve_tcp(device) if cable == "tcp" else serve_pty(device))
        here = Kitchen(folder, device, port.link, confirm, patience=patience)
        stack.callback(here.close)
        yield here
