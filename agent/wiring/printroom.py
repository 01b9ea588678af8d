"""Where tickets are printed: a worker for each printer, and what all of them share."""

from collections.abc import Callable
from contextlib import closing
from datetime import tzinfo
from pathlib import Path
from typing import Any

from agent.clock import Clock
from agent.config import Config, Printer
from agent.connectors import connector
from agent.intake.timekeeper import TimeKeeper
from agent.journal import notes
from agent.journal.store import Journal
from agent.model.link import SerialLink
from agent.printers.link import Connector
from agent.printers.meeting import Patience
from agent.spool.failover import Roster
from agent.spool.post import Shop
from agent.spool.render import Press
from agent.spool.shelf import Shelf
from agent.spool.worker import Worker

FIRST_MEETING_S = 25.0


class PrintRoom:
    """`templates` is the shop's own folder of them, where it has one; `set_alarm` raises one by its key, or clears it
    without a reason.
    """

    def __init__(
        self,
        config: Config,
        journal: Journal,
        clock: Clock,
        times: TimeKeeper,
        zone: tzinfo,
        templates: Path | None,
        set_alarm: Callable[[str, str], None],
    ) -> None:
        stations, names = config.effective_stations(), [printer.name for printer in config.printers]
        self._roster = Roster(stations, names, config.printing.failover_after_s, clock)
        self.shelf = Shelf(templates, clock, lambda name, problem: set_alarm(f"template:{name}", problem))
        self.press = Press(
            config.language,
            zone,
            self._roster.reason,
            stations,
            self.shelf.book,
            self.shelf.failed,
            config.shop,
            lambda: times.now() is None,
            config.printing.ready_code,
        )
        patience = Patience(first_meeting_s=FIRST_MEETING_S)
        self.shop = Shop(journal, self.press, clock, self._roster, config.printing, patience)
        self.workers = {
            printer.name: Worker(printer, _connector(printer, config, journal), self.shop)
            for printer in config.printers
        }

    def take_over(self, config: Config) -> None:
        """What may change while tickets print."""
        self.shop.printing = config.printing
        self.press.speak(config.language)
        self.press.ready_code = config.printing.ready_code
        self._roster.give_up_after(config.printing.failover_after_s)

    def wake(self, printers: set[str]) -> None:
        """These have something to print."""
        for name in printers:
            if (worker := self.workers.get(name)) is not None:
                worker.wake()

    def seen(self) -> dict[str, Any]:
        """How each printer is, by its name."""
        return {name: worker.seen() for name, worker in self.workers.items()}


def _connector(printer: Printer, config: Config, journal: Journal) -> Connector:
    """A serial adapter is looked for where it was last; one that is the only one, anywhere."""
    if not isinstance(printer.link, SerialLink):
        return connector(printer, config.data_dir)
    from agent.printers.serial import SerialConnector  # who has none does not pay for it

    serial = [other for other in config.printers if isinstance(other.link, SerialLink)]
    with closing(journal.reader()) as reader:
        port = notes.known_port(reader, printer.name, str(printer.link))
    return SerialConnector(printer.link, port, alone=len(serial) == 1)
