"""One ticket for a burst of orders that wait for a person, instead of a flood of tickets: which, and what to do."""

import msgspec

from agent.clock import Clock
from agent.journal import jobs, orders, waits
from agent.journal.file import Tx
from agent.journal.jobs import NewJob
from agent.journal.waits import Why
from agent.model.job import JobKind
from agent.model.order import Upsert
from agent.model.station import Station
from agent.model.ticket import Summary, Upcoming
from agent.tickets.words import unit

QUIET_S, LONGEST_S, EACH_S = 5.0, 30.0, 60.0
"""A summary comes so long after the last order of a burst, or after the first, and at most one a minute of a kind."""
MOST_ORDERS, MOST_ITEMS = 60, 6
_KINDS = (Why.OLD, Why.FLOOD)


class _Burst:
    def __init__(self) -> None:
        self.newest = 0
        self.began_at = self.grew_at = 0.0
        self.posted_at = float("-inf")

    def due_at(self) -> float:
        """When its summary is due; never without a burst."""
        if not self.newest:
            return float("inf")
        return max(min(self.grew_at + QUIET_S, self.began_at + LONGEST_S), self.posted_at + EACH_S)


class Summaries:
    """When the staff is told, and what. It knows bursts; what was told already stands with the orders."""

    def __init__(self, station: Station, clock: Clock) -> None:
        self._station = station
        self._clock = clock
        self._bursts = {why: _Burst() for why in _KINDS}

    def due(self, reader: Tx) -> Why | None:
        """Of what kind of orders a summary is due now; None of none."""
        now = self._clock.monotonic()
        for why, burst in self._bursts.items():
            newest = waits.newest_untold(reader, why)
            if newest != burst.newest:
                burst.began_at = burst.began_at if burst.newest else now
                burst.newest, burst.grew_at = newest, now
        return next((why for why, burst in self._bursts.items() if burst.due_at() <= now), None)

    def pause_s(self) -> float:
        """Seconds until the next one is due, as far as is known."""
        return min(burst.due_at() for burst in self._bursts.values()) - self._clock.monotonic()

    def post(self, tx: Tx, why: Why) -> set[str]:
        """Enter the ticket, for the default station; returns its printer. None when nothing waits any more."""
        self._bursts[why].newest = 0
        waiting = waits.untold(tx, why)
        if not waiting:
            return set()
        listed = tuple(_listed(tx, order_pk) for order_pk in waiting[:MOST_ORDERS])
        summary = Summary(why, listed, more=len(waiting) - len(listed), station=self._station.name)
        printer = self._station.printer or ""
        job = NewJob(self._station.name, printer, JobKind.SUMMARY, msgspec.json.encode(summary))
        jobs.add_jobs(tx, None, None, 0, [job])
        waits.note_told(tx, why)
        self._bursts[why].posted_at = self._clock.monotonic()
        return {printer}


def _listed(tx: Tx, order_pk: int) -> Upcoming:
    _, _, data = orders.newest_event(tx, order_pk)
    if not isinstance(data, Upsert):
        ref = orders.order_ref(tx, order_pk)
        return Upcoming(ref.no, ref.channel, None, ())
    order = data.order
    items = [f"{item.name} x{item.qty}{unit(item.unit)}" for item in order.items[:MOST_ITEMS]]
    items += ["…"] if len(order.items) > MOST_ITEMS else []
    return Upcoming(order.number, order.channel, order.placed_at or order.due_at, tuple(items))
