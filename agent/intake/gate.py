"""Where orders that waited go through and become tickets. Runs on the journal's writer, within its transactions."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from agent import log
from agent.config import Intake
from agent.intake.acceptance import Acceptance
from agent.intake.guard import Said, judge_age
from agent.intake.timekeeper import TimeKeeper
from agent.journal import orders, waits
from agent.journal.file import Tx
from agent.journal.store import Journal
from agent.journal.waits import Wait, Why
from agent.model.order import Upsert
from agent.model.station import Station

BATCH = 50
"""So many orders in one transaction: nobody waits long for it."""
_FAULTS = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError, msgspec.MsgspecError)
_log = log.get("release")


class Gate:
    """Lets orders go; one that is overdue by now, as after a long time without power, waits for a person instead."""

    def __init__(self, journal: Journal, stations: Sequence[Station], rules: Intake, times: TimeKeeper) -> None:
        self._acceptance = Acceptance(journal, list(stations))
        self._times = times
        self._asks = rules.old == "ask"
        self._max_age, self._lead = timedelta(minutes=rules.max_age_min), timedelta(minutes=rules.lead_min)

    def let_go(self, tx: Tx, now: datetime | None) -> set[str]:
        """A batch of those whose waiting is over. Returns the printers that have something to print."""
        printers: set[str] = set()
        for wait in waits.next_free(tx, now, BATCH):
            tx.execute("SAVEPOINT gate")
            try:
                printers |= self._let_one_go(tx, wait)
            except _FAULTS as exc:
                tx.execute("ROLLBACK TO gate")
                waits.fail(tx, wait.order_pk)
                order = orders.order_ref(tx, wait.order_pk).id
                _log.error("release.failed", order=order, reason=f"{type(exc).__name__}: {exc}")
            tx.execute("RELEASE gate")
        return printers

    def _let_one_go(self, tx: Tx, wait: Wait) -> set[str]:
        arrival, overdue = wait.arrival, self._overdue_min(tx, wait)
        if overdue and self._asks:
            waits.hold_as_old(tx, wait.order_pk, overdue)
            return set()
        if overdue:
            arrival = msgspec.structs.replace(arrival, old=overdue)
        waits.end(tx, wait.order_pk)
        return self._acceptance.release(tx, wait.order_pk, arrival, wait.mark).printers

    def _overdue_min(self, tx: Tx, wait: Wait) -> int:
        """How many minutes ago an upcoming order should have been printed, where that is past the rule; else 0."""
        data = orders.newest_event(tx, wait.order_pk)[2] if wait.why is Why.UPCOMING else None
        if not isinstance(data, Upsert):
            return 0
        names = ("due_at", "release_at", "expires_at")
        moments = {name: moment for name in names if (moment := getattr(data.order, name)) is not None}
        said = Said(**{name: self._times.local(moment) for name, moment in moments.items()})
        age = judge_age(said, self._times.agreed(), self._max_age, self._lead)
        return 0 if age is None else max(1, int(age.total_seconds() // 60))
