"""A shop with several printers: the real intake, journal and print room, as in tests.kitchen."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Literal

from agent.clock import SystemClock
from agent.config import Printer, Printing
from agent.connectors import connector
from agent.intake.consumer import Consumer
from agent.journal.store import Journal
from agent.model.link import parse_link
from agent.model.station import Station
from agent.printers.meeting import Patience
from agent.simulator.ports import serve_tcp
from agent.simulator.printer import PrinterSpec, VirtualPrinter
from agent.spool.failover import Roster
from agent.spool.post import Shop
from agent.spool.render import Press
from agent.spool.worker import Worker
from tests.kitchen import IMPATIENT, Kitchen, Ticket, read


class Brigade(Kitchen):
    """Several stations and printers. `device` is the first printer; orders name their items' station."""

    def __init__(
        self,
        folder: Path,
        devices: dict[str, VirtualPrinter],
        printers: Sequence[Printer],
        stations: Sequence[Station],
        printing: Printing,
        patience: Patience = IMPATIENT,
    ) -> None:
        self.devices = devices
        self.device = next(iter(devices.values()))
        self.acknowledged: list[int] = []
        self.printing = printing
        self._patience = patience
        self._folder = folder
        self._printers = printers
        self._stations = list(stations)
        self._mid = 0
        self.open()

    def open(self) -> None:
        """Open the journal and start printing, as the agent does when it starts."""
        self.journal = Journal(self._folder / "journal.db")
        clock = SystemClock()
        roster = Roster(self._stations, [p.name for p in self._printers], self.printing.failover_after_s, clock)
        press = Press("both", clock.utc().astimezone().tzinfo, roster.reason, self._stations)  # type: ignore[arg-type]  # never None here
        room = Shop(self.journal, press, clock, roster, self.printing, self._patience)
        self.workers = {p.name: Worker(p, connector(p, self._folder), room) for p in self._printers}
        self.worker = next(iter(self.workers.values()))
        self.journal.start()
        self.consumer = Consumer(
            self.journal,
            self._stations,
            "replay",
            lambda delivery: self.acknowledged.append(delivery.mid),
            self._wake,
            lambda: None,
        )
        for worker in self.workers.values():
            worker.start()

    def _wake(self, printers: set[str]) -> None:
        for name in printers:
            self.workers[name].wake()

    def close(self) -> None:
        """Stop in order."""
        for worker in self.workers.values():
            worker.stop(5)
        self.journal.stop(5)

    def order_at(self, number: int | str, *stations: str, rev: int = 1) -> None:
        """An order with a dish for each of these stations."""
        self.order(number, rev, items=[{"name": f"菜{name}", "qty": "2", "station": name} for name in stations])

    def at(self, printer: str) -> list[Ticket]:
        """One printer's paper."""
        return [ticket for piece in self.devices[printer].paper.pieces if (ticket := read(piece)).text.strip()]

    def wait_text(self, printer: str, text: str, timeout_s: float = 20.0, times: int = 1) -> list[Ticket]:
        """Wait until so many pieces of a printer's paper say this; returns them."""

        def said() -> list[Ticket]:
            return [ticket for ticket in self.at(printer) if text in ticket.text]

        self._wait(lambda: len(said()) >= times, timeout_s, f"{text} at {printer}; there is {self.at(printer)}")
        return said()


@contextmanager
def brigade(
    folder: Path,
    specs: dict[str, PrinterSpec],
    backups: dict[str, str] | None = None,
    printing: Printing | None = None,
    profiles: dict[str, str] | None = None,
    templates: dict[str, str] | None = None,
    shows: dict[str, Literal["own", "all"]] | None = None,
) -> Iterator[Brigade]:
    """A station for each printer, of the same name; `profiles` are the printers', the others the stations'."""
    with ExitStack() as stack:
        devices, printers = {}, []
        for name, spec in specs.items():
            device = devices[name] = stack.enter_context(VirtualPrinter(spec, name))
            port = stack.enter_context(serve_tcp(device))
            profile = (profiles or {}).get(name, "star" if spec.language == "star" else "generic")
            printers.append(Printer(name=name, link=parse_link(port.link), profile=profile))  # type: ignore[arg-type]  # a word of its type
        stations = [
            Station(
                name=name,
                printer=name,
                backup=(backups or {}).get(name),
                default=not at,
                template=(templates or {}).get(name, "kitchen"),
                shows=(shows or {}).get(name, "own"),
            )
            for at, name in enumerate(specs)
        ]
        here = Brigade(
            folder, devices, printers, stations, printing or Printing(reprint_after_s=0.5, failover_after_s=1)
        )
        stack.callback(here.close)
        yield here
