"""Rings when a commit brought reports: they need not wait until somebody looks."""

from collections.abc import Callable

from agent.journal import notes
from agent.journal.file import Tx
from agent.journal.store import Journal


class Bell:
    """A rider of the journal. It rings once, and again only after `heard`: call that before looking at the reports."""

    def __init__(self, journal: Journal, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._newest = self._rung_for = 0
        self._rings = False
        journal.carry(self)

    def heard(self) -> None:
        """Somebody is about to look. Any thread."""
        self._rings = False

    def board(self, tx: Tx) -> None:
        """The newest report that will be there. On the journal's thread, as is `leave`."""
        self._newest = notes.newest_report(tx)

    def leave(self, committed: bool) -> None:
        """It is there."""
        if not committed or self._newest <= self._rung_for:
            return
        self._rung_for = self._newest
        if not self._rings:
            self._rings = True
            self._ring()
