"""An event that is news becomes tickets: routed, compared with what its stations were told before, and entered."""

from datetime import UTC, datetime

import msgspec

from agent.journal import jobs, notes, orders
from agent.journal.file import Tx
from agent.journal.store import Journal
from agent.model.job import JobKind, Mark
from agent.model.order import Cancel, Event, Order, Upsert
from agent.model.report import OrderState
from agent.model.station import Station
from agent.model.ticket import Share
from agent.tickets.routing import route


class Taken(msgspec.Struct):
    """What came of one delivery, for when it is on disk."""

    verdict: str
    printers: set[str] = set()
    gap: bool = False
    order: str = ""
    command: str = ""
    trouble: dict[str, str] | None = None


class Acceptance:
    """Makes tickets of orders, for the stations of this shop."""

    def __init__(self, journal: Journal, stations: list[Station]) -> None:
        self._journal = journal
        self._stations = stations
        self._by_name = {station.name: station for station in stations}

    def accept(self, tx: Tx, event: Event, canonical: bytes, known: orders.KnownOrder | None, replayed: bool) -> Taken:
        """Enter an event that is news, with its tickets."""
        data = event.data
        reason = "the order was cancelled" if isinstance(data, Cancel) else "replaced by a newer revision"
        marks = jobs.withdraw(tx, known.pk, reason) if known else {}
        reached = jobs.stations_reached(tx, known.pk) if known else []  # a void that was withdrawn voids nothing
        order_pk = orders.put_order(tx, event, known, "accepted")
        event_pk = orders.add_event(tx, event, canonical, order_pk)
        if isinstance(data, Upsert):
            mark = self._mark_rebuilt(tx, event.time, replayed) or self._mark_pruned(tx, event, known)
            new = self._tickets(data.order, reached, marks, mark)
            new += [self._void(tx, order_pk, name) for name in reached if name not in {job.station for job in new}]
        else:
            new = [self._void(tx, order_pk, station) for station in reached]
        if any(not job.printer for job in new):
            notes.raise_alarm(tx, "no_printer", "a station has no printer: write one into the configuration")
        jobs.add_jobs(tx, order_pk, event_pk, 0 if data is None else data.order.rev, new)
        ref = jobs.order_ref(tx, order_pk)
        notes.add_report(tx, OrderState(ref, 0 if data is None else data.order.rev, "accepted", event=event.id))
        if not new:
            jobs.close_order(tx, order_pk)
        verdict = "order_canceled" if isinstance(data, Cancel) else "order_accepted"
        return Taken(verdict, printers={job.printer for job in new}, order=ref.id)

    def _tickets(
        self, order: Order, reached: list[str], marks: dict[str, Mark], mark: Mark | None
    ) -> list[jobs.NewJob]:
        new = []
        routed = route(order, self._stations)
        for name, portions in routed.items():
            station = self._by_name[name]
            kind = JobKind.AMEND if name in reached else JobKind.ORDER
            share = msgspec.json.encode(Share(tuple(portions), tuple(routed)))
            new += [
                jobs.NewJob(name, station.printer or "", kind, share, copy, station.copies, marks.get(name, mark))
                for copy in range(1, station.copies + 1)
            ]
        return new

    def _void(self, tx: Tx, order_pk: int, name: str) -> jobs.NewJob:
        station = self._by_name.get(name) or next(s for s in self._stations if s.default)
        return jobs.NewJob(name, station.printer or "", JobKind.CANCEL, jobs.last_share(tx, order_pk, name))

    def _mark_rebuilt(self, tx: Tx, told_at: datetime | None, replayed: bool) -> Mark | None:
        """An order from before the journal was lost may have been printed by the journal that is gone: whatever comes
        by a replay until the first one is over, because this box's clock may be wrong, and whatever is dated before.
        """
        rebuilt_at = self._journal.rebuilt_at
        if rebuilt_at is None:
            return None
        if told_at is not None and told_at.tzinfo is None:
            told_at = told_at.replace(tzinfo=UTC)
        before = told_at is not None and told_at < rebuilt_at
        before = before or (replayed and notes.get_meta(tx, "replayed_since_rebuilt") is None)
        return Mark.JOURNAL_REBUILT if before else None

    def _mark_pruned(self, tx: Tx, event: Event, known: orders.KnownOrder | None) -> Mark | None:
        """An unknown order with a sequence that is behind us may be one that the journal has forgotten."""
        if known is not None or event.sequence is None or notes.get_meta(tx, "pruned") is None:
            return None
        return Mark.POSSIBLE_DUPLICATE if event.sequence <= orders.cursors(tx).get(event.source, -1) else None
