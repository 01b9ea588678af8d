"""How one printer is: whether it is there, what it needs a person for, and the alarms that say so."""

import random
from typing import Any

from agent import log
from agent.clock import Clock
from agent.journal import jobs, notes, notices
from agent.journal.file import Tx
from agent.journal.store import Journal
from agent.model.job import Job, JobState
from agent.model.printer import Capabilities, Need, Tier
from agent.model.ticket import Notice
from agent.spool.failover import Roster
from agent.spool.retry import backoff_s

AWAY_ALARM_AFTER_S = 2.0
AWAY_NOTICE_AFTER_S = 3.0
AGAIN_S = 300.0
BRISK_S = 2.0
"""The longest wait between two tries before the alarm is up, so that it is up in time."""

_NOT_ON_PAPER = ("mute", "unheard")
_log = log.get("spool")


class Watch:
    """Owned by the printer's worker. Alarms are in the journal: they stay up over a restart."""

    def __init__(self, printer: str, journal: Journal, clock: Clock, roster: Roster) -> None:
        self._printer = printer
        self._roster = roster
        self._noticed: dict[str, float] = {}
        self._to_notice: set[str] = set()
        self._journal = journal
        self._clock = clock
        self._alarms: set[str] = set()
        self._failures = 0
        self._away_since: float | None = None
        self.need: Need | None = None
        self._released = False
        self.seen: dict[str, Any] = {"state": "connecting"}

    def load(self, reader: Tx) -> None:
        """Take over the alarms that were up when the agent stopped."""
        prefix = f"printer:{self._printer}:"
        self._alarms = {key.removeprefix(prefix) for key in notes.alarms(reader) if key.startswith(prefix)}

    def met(self, seen: Capabilities) -> None:
        """The printer is there, and this is what it can prove."""
        if self._away_since is not None:
            _log.info("spool.printer_back", printer=self._printer)
        self._away_since = None
        self._failures = 0
        self._released = False
        self.set_alarm("away", "")
        self.set_alarm("other", "")
        if self.need is None:
            self._roster.well(self._printer)
        self.set_alarm("unheard", "")
        self.set_alarm("mute", "it never answers: tickets are presumed printed" if seen.tier is Tier.NONE else "")
        self.seen = {"state": "ready", "tier": seen.tier.name.lower()}

    def unheard(self) -> None:
        """A new printer says nothing: its tickets wait a little, in case it is only stuck."""
        self.set_alarm("unheard", "it is new and says nothing yet; soon its tickets will be presumed printed")

    def away(self, reason: str, for_s: float = 0.0) -> float:
        """The printer can't be reached, nor for `for_s` seconds before; returns how long to wait until the next try."""
        now = self._clock.monotonic()
        if self._away_since is None:
            self._away_since = now - for_s
            _log.warning("spool.printer_away", printer=self._printer, reason=reason)
        self._roster.down(self._printer, "away")
        self.seen = {**self.seen, "state": "away", "reason": reason}
        self._failures += 1
        wait_s = backoff_s(self._failures, random.random())
        if now - self._away_since < AWAY_ALARM_AFTER_S:
            return min(wait_s, BRISK_S)
        self.set_alarm("away", f"the printer does not answer: {reason}")
        self.tell_on_paper()
        return wait_s

    def stranger(self, reason: str) -> float:
        """Another device is in the printer's place; returns the seconds to wait before the next look."""
        self._roster.down(self._printer, "other")
        self.seen = {**self.seen, "state": "other", "reason": reason}
        self.set_alarm("away", "")
        self.set_alarm("other", reason)
        return BRISK_S

    def note_need(self, need: Need | None, waiting: Job | None = None) -> None:
        """What the sensors say. Raises or clears the alarm; holds the ticket that waits to be sent, and lets held
        tickets go when all is well again.
        """
        if need is not None:
            self._roster.down(self._printer, str(need))
            for other in set(Need) - {need}:
                self.set_alarm(other, "")
            self.set_alarm(need, f"the printer needs a person: {need}")
            self.tell_on_paper()
            if waiting is not None and waiting.state is JobState.PENDING:
                self._journal.write(lambda tx: jobs.hold(tx, waiting, str(need)))
            self.seen = {**self.seen, "state": "needs_human", "need": str(need)}
        elif self.need is not None or not self._released:
            over = sorted(self._alarms & set(Need))
            self._journal.write(lambda tx: self._let_go(tx, over))
            self._alarms -= set(over)
            self._released = True
            self._roster.well(self._printer)
            self.seen = {**self.seen, "state": "ready", "need": None}
        self.need = need

    def _let_go(self, tx: Tx, over: list[str]) -> None:
        """In one commit: a held ticket whose alarm is down would wait for ever."""
        jobs.release(tx, self._printer)
        for what in over:
            self._clear(tx, f"printer:{self._printer}:{what}", what)

    def silent(self, reason: str) -> None:
        """The printer has a ticket and says nothing."""
        self._roster.down(self._printer, "silent")
        self.set_alarm("silent", f"the printer has a ticket and says nothing: {reason}")

    @property
    def is_silent(self) -> bool:
        """Is that alarm up?"""
        return "silent" in self._alarms

    @property
    def is_mute(self) -> bool:
        """Is it believed to answer nothing?"""
        return "mute" in self._alarms

    def spoke(self) -> None:
        """It said what became of a ticket; or it answers, and has none any more."""
        if self.is_silent:
            self.set_alarm("silent", "")
            if self.need is None:
                self._roster.well(self._printer)

    def set_alarm(self, what: str, reason: str) -> None:
        """Raise (with a reason) or clear (without) this printer's alarm of one kind; nothing happens twice."""
        if bool(reason) == (what in self._alarms):
            return
        key = f"printer:{self._printer}:{what}"
        if reason:
            _log.error("spool.alarm_raised", printer=self._printer, alarm=what, reason=reason)
            self._alarms.add(what)
            self._journal.write(lambda tx: notes.raise_alarm(tx, key, reason))
            if what not in _NOT_ON_PAPER and self._clock.monotonic() - self._noticed.get(what, -AGAIN_S) >= AGAIN_S:
                self._to_notice.add(what)
            self.tell_on_paper()
        else:
            _log.info("spool.alarm_cleared", printer=self._printer, alarm=what)
            self._alarms.discard(what)
            self._journal.write(lambda tx: self._clear(tx, key, what))

    def tell_on_paper(self) -> None:
        """What is new and needs a person is told on another printer's paper, as soon as one is well."""
        neighbour = self._roster.neighbour(self._printer) if self._to_notice else None
        if neighbour is None:
            return
        briefly = self._away_since is None or self._clock.monotonic() - self._away_since < AWAY_NOTICE_AFTER_S
        for what in sorted(self._to_notice - ({"away"} if briefly else set())):
            self._noticed[what] = self._clock.monotonic()
            self._to_notice.discard(what)
            self._journal.write(lambda tx, what=what: notices.post(tx, Notice(self._printer, what), neighbour))  # type: ignore[misc]  # a default
            self._roster.wake(neighbour)

    def _clear(self, tx: Tx, key: str, what: str) -> None:
        notes.clear_alarm(tx, key)
        notices.withdraw(tx, self._printer, what)
        self._to_notice.discard(what)
