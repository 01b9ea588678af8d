"""An event that is news becomes tickets: routed, compared with what its stations were told before, and entered."""

from datetime import UTC, datetime

import msgspec

from agent.journal import jobs, notes, orders
from agent.journal.file import Tx
from agent.journal.store import Journal
from agent.journal.told import Told, last_share, told
from agent.model.job import JobKind, Mark
from agent.model.order import MAX_RAW_COPIES, READ_UPSERT, Cancel, Event, Order, PrintRaw, Raw, Upsert
from agent.model.report import OrderState
from agent.model.station import Station
from agent.model.ticket import READ_SHARE, Arrival, Share
from agent.tickets.changes import changed_facts, compare
from agent.tickets.markup import parse
from agent.tickets.routing import Routed, route

_ON_TIME = Arrival()


class Taken(msgspec.Struct):
    """What came of one delivery, for when it is on disk."""

    verdict: str
    printers: set[str] = set()
    gap: bool = False
    order: str = ""
    command: str = ""
    trouble: dict[str, str] | None = None
    stirred: bool = False
    """Orders wait, or need not wait any longer."""


class Acceptance:
    """Makes tickets of orders, for the stations of this shop."""

    def __init__(self, journal: Journal, stations: list[Station]) -> None:
        self._journal = journal
        self._stations = stations
        self._by_name = {station.name: station for station in stations}

    def accept(
        self,
        tx: Tx,
        event: Event,
        canonical: bytes,
        known: orders.KnownOrder | None,
        replayed: bool,
        arrival: Arrival = _ON_TIME,
    ) -> Taken:
        """Enter an event that is news, with its tickets."""
        data = event.data
        reason = "the order was cancelled" if isinstance(data, Cancel) else "replaced by a newer revision"
        marks = jobs.withdraw(tx, known.pk, reason) if known else {}
        before = told(tx, known.pk) if known else {}  # a void that was withdrawn voids nothing
        reached = list(dict.fromkeys(station for station, _ in before))
        order_pk = orders.put_order(tx, event, known, "accepted")
        event_pk = orders.add_event(tx, event, canonical, order_pk)
        if isinstance(data, Upsert):
            mark = self.mark(tx, event, known, replayed)
            routed = route(data.order, self._stations)
            new = self._tickets(data.order, routed, before, marks, mark, arrival)
            new += [self._void(tx, order_pk, name) for name in reached if name not in routed]
        elif isinstance(data, PrintRaw):
            new = self._ready_made(data.raw)
        else:
            new = [self._void(tx, order_pk, station) for station in reached]
        verdict = "order_canceled" if isinstance(data, Cancel) else "order_accepted"
        rev = 0 if data is None else data.order.rev
        return self._enter(tx, verdict, order_pk, event_pk, rev, new, event.id, _not_understood(data))

    def release(self, tx: Tx, order_pk: int, arrival: Arrival, mark: Mark | None) -> Taken:
        """An order that waited, and never had a ticket, becomes tickets, as it was told last."""
        event_pk, event_id, data = orders.newest_event(tx, order_pk)
        if isinstance(data, PrintRaw):
            new = self._ready_made(data.raw)
        else:
            new = self._tickets(data.order, route(data.order, self._stations), {}, {}, mark, arrival)
        orders.set_order_state(tx, order_pk, "accepted")
        return self._enter(tx, "order_released", order_pk, event_pk, data.order.rev, new, event_id)

    def _enter(
        self,
        tx: Tx,
        verdict: str,
        order_pk: int,
        event_pk: int,
        rev: int,
        new: list[jobs.NewJob],
        event_id: str,
        reason: str = "",
    ) -> Taken:
        if any(not job.printer for job in new):
            notes.raise_alarm(tx, "no_printer", "a station has no printer: write one into the configuration")
        jobs.add_jobs(tx, order_pk, event_pk, rev, new)
        ref = jobs.order_ref(tx, order_pk)
        notes.add_report(tx, OrderState(ref, rev, "accepted", event=event_id, reason=reason))
        if not new:
            jobs.close_order(tx, order_pk)
        return Taken(verdict, printers={job.printer for job in new}, order=ref.id)

    def mark(self, tx: Tx, event: Event, known: orders.KnownOrder | None, replayed: bool) -> Mark | None:
        """Why this event's tickets may be on paper already, from before the journal knew it; None: they are not."""
        return self._mark_rebuilt(tx, event.time, replayed) or self._mark_pruned(tx, event, known)

    def _tickets(
        self,
        order: Order,
        routed: Routed,
        before: dict[tuple[str, int], Told],
        marks: dict[tuple[str, int], Mark],
        mark: Mark | None,
        arrival: Arrival,
    ) -> list[jobs.NewJob]:
        """A ticket for each station and copy that has something to learn."""
        new = []
        makers = tuple(name for name in routed if self._by_name[name].shows == "own")
        for name, portions in routed.items():
            station = self._by_name[name]
            share = Share(tuple(portions), makers, arrival)
            said = msgspec.json.encode(share)
            for copy in range(1, station.copies + 1):
                here, known = (name, copy), before.get((name, copy))
                if known is None or here in marks or _differs(known, order, share):
                    kind = JobKind.ORDER if known is None else JobKind.AMEND
                    has = marks.get(here, mark)
                    new.append(jobs.NewJob(name, station.printer or "", kind, said, copy, station.copies, has))
        return new

    def _station(self, name: str | None) -> Station:
        """The station of that name, or the default one."""
        return self._by_name.get(name or "") or next(station for station in self._stations if station.default)

    def _ready_made(self, raw: Raw) -> list[jobs.NewJob]:
        station = self._station(raw.station)
        copies = min(max(raw.copies, parse(raw.content, raw.dialect).copies), MAX_RAW_COPIES)
        share = msgspec.json.encode(raw)
        return [
            jobs.NewJob(station.name, station.printer or "", JobKind.RAW, share, copy, copies)
            for copy in range(1, copies + 1)
        ]

    def _void(self, tx: Tx, order_pk: int, name: str) -> jobs.NewJob:
        station = self._station(name)
        return jobs.NewJob(name, station.printer or "", JobKind.CANCEL, last_share(tx, order_pk, name))

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


def _not_understood(data: object) -> str:
    """What a printer will print as text, because its dialect has no such tag."""
    if not isinstance(data, PrintRaw):
        return ""
    unknown = parse(data.raw.content, data.raw.dialect).unknown
    return f"printed as text, {data.raw.dialect} has no such tag: {', '.join(unknown)}"[:500] if unknown else ""


def _differs(known: Told, order: Order, share: Share) -> bool:
    """Would a cook who has the ticket that is known do anything otherwise?"""
    was = READ_UPSERT.decode(known.payload).order
    return bool(changed_facts(was, order) or compare(READ_SHARE.decode(known.share).portions, share.portions))
