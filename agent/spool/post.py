"""One printer's post in the print room: what its worker and the worker's helpers share. Its own thread owns it."""

import threading

from agent.clock import Clock
from agent.config import Printer, Printing
from agent.journal.store import Journal
from agent.printers.link import Connector
from agent.printers.meeting import Patience
from agent.spool.desk import Desk
from agent.spool.failover import Roster
from agent.spool.render import Press
from agent.spool.watch import Watch

GRACE_S = 3.0
"""How long a stop waits for the printer's word on a ticket under way."""


class Shop:
    """What all posts share."""

    def __init__(
        self, journal: Journal, press: Press, clock: Clock, roster: Roster, printing: Printing, patience: Patience
    ) -> None:
        self.journal = journal
        self.press = press
        self.clock = clock
        self.roster = roster
        self.printing = printing
        self.patience = patience


class Post:
    """One printer, and when to stop."""

    def __init__(self, printer: Printer, connector: Connector, shop: Shop) -> None:
        self.printer = printer
        self.name = printer.name
        self.connector = connector
        self.shop = shop
        self.journal = shop.journal
        self.clock = shop.clock
        self.roster = shop.roster
        self.watch = Watch(printer.name, shop.journal, shop.clock, shop.roster)
        self.desk = Desk(printer, shop.journal, shop.press, shop.clock, shop.roster)
        self.stopping = threading.Event()
        self._hurry = threading.Event()
        self.progress = shop.clock.monotonic()
        self._stop_at = float("inf")

    def stop(self, deadline_s: float) -> None:
        """Finish the ticket under way if its printer answers soon."""
        self._stop_at = self.clock.monotonic() + min(GRACE_S, deadline_s * 0.8)
        self.stopping.set()
        self.hurry()

    def hurry(self) -> None:
        """Whatever is waited for, try it now: somebody stands at the printer."""
        self._hurry.set()
        self.desk.ring()

    def give_up(self) -> bool:
        """Must a ticket under way be left now? Asked while waiting, so that it counts as progress."""
        self.progress = self.clock.monotonic()
        return self.clock.monotonic() > self._stop_at

    def pause(self, seconds: float) -> bool:
        """Wait; true when it is time to stop."""
        self.progress = self.clock.monotonic()
        self._hurry.wait(seconds)
        if not self.stopping.is_set():
            self._hurry.clear()
        return self.stopping.is_set()
