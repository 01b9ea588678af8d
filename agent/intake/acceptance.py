"""An event that is news becomes tickets: routed, compared with what its stations were told before, and entered."""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta

import msgspec

from agent.intake import foreign
from agent.intake.sequence import Place
from agent.journal import closing, forgotten, jobs, notes, orders, retention, routes, sequences
from agent.journal.bumps import tell_if_finished
from agent.journal.commands import Begun
from agent.journal.file import Tx
from agent.journal.store import Journal
from agent.journal.told import Told, doubted, end_refusals, last_share, made, paper_at, refused, told
from agent.model.job import JobKind, Mark
from agent.model.order import MAX_RAW_COPIES, READ_UPSERT, Cancel, Event, Order, PrintRaw, Raw, Upsert
from agent.model.report import OrderState
from agent.model.station import Station
from agent.model.ticket import READ_SHARE, Arrival, Share
from agent.tickets.changes import changed_facts, compare
from agent.tickets.markup import Marked, parse
from agent.tickets.routing import Routed, route

SENT_AGAIN = timedelta(hours=1)
MOST_CHANGES = 1_000_000
"""A higher revision is no count, but a time."""
_ON_TIME = Arrival()


class Taken(msgspec.Struct):
    """What came of one delivery, for when it is on disk."""

    verdict: str
    printers: set[str] = set()
    gap: bool = False
    order: str = ""
    no: str = ""
    """The order's number, as people call it."""
    event: str = ""
    current: str = ""
    """The order's present state, for a duplicate or a late one."""
    reason: str = ""
    """What of an accepted one was not understood."""
    command: str = ""
    trouble: dict[str, str] | None = None
    errand: Begun | None = None
    stirred: bool = False
    """Orders wait, or need not wait any longer."""


class Came(msgspec.Struct, frozen=True):
    """How an event came: `at` on the monotonic clock, whether by a replay, its place in the counting, and whether from
    the shop itself, where clocks are no better than ours.
    """

    at: float
    replayed: bool = False
    place: Place = Place.NEXT
    local: bool = False


Slip = tuple[str, int]
"""A station's copy of a ticket."""
_WITHOUT_PRICES = ("kitchen", "expo", "label")


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
        came: Came,
        arrival: Arrival = _ON_TIME,
    ) -> Taken:
        """Enter an event that is news, with its tickets."""
        data = event.data
        reason = "the order was cancelled" if isinstance(data, Cancel) else "replaced by a newer revision"
        marks = jobs.withdraw(tx, known.pk, reason) if known else {}
        past = self._past(tx, known, data, marks)  # a void that was withdrawn voids nothing
        reached = list(dict.fromkeys(station for station, _ in past.told))
        order_pk = orders.put_order(tx, event, known, "accepted")
        event_pk = orders.add_event(tx, event, canonical, order_pk)
        mark = self.mark(tx, event, known, came)
        remarks = event.flaws
        if isinstance(data, Upsert):
            routed = route(data.order, self._stations)
            new = self._tickets(data.order, routed, past, mark, arrival)
            new += [self._void(tx, order_pk, name, mark) for name in reached if name not in routed]
        elif isinstance(data, PrintRaw):
            marked = parse(data.raw.content, data.raw.dialect)
            new = self._ready_made(data.raw, marked, mark)
            remarks = (*_not_understood(data.raw, marked), *remarks)
        else:
            new = [self._void(tx, order_pk, station, mark) for station in reached]
        end_refusals(tx, order_pk, past.upheld)
        rev = 0 if data is None else data.order.rev
        if not new and isinstance(data, Upsert) and known is not None and known.state == "rejected":
            return self._refused_again(tx, order_pk, rev, event.id)
        verdict = "order_canceled" if isinstance(data, Cancel) else "order_accepted"
        return self._enter(tx, verdict, order_pk, event_pk, rev, new, event.id, "; ".join(remarks))

    def release(self, tx: Tx, order_pk: int, arrival: Arrival, mark: Mark | None) -> Taken:
        """An order that waited, and never had a ticket, becomes tickets, as it was told last."""
        event_pk, event_id, data = orders.newest_event(tx, order_pk)
        if isinstance(data, PrintRaw):
            new = self._ready_made(data.raw, parse(data.raw.content, data.raw.dialect), mark)
        else:
            routed = route(data.order, self._stations)
            new = self._tickets(data.order, routed, _Past(), mark, arrival)
            was = None if mark is None else orders.snapshot(tx, order_pk, data.order.rev)
            new += [] if was is None else self._voids_of(was, mark, but=routed)
        orders.set_order_state(tx, order_pk, "accepted")
        return self._enter(tx, "order_released", order_pk, event_pk, data.order.rev, new, event_id)

    def void_unseen(self, tx: Tx, event: Event, canonical: bytes, known: orders.KnownOrder) -> Taken:
        """Void what another journal may have printed of an order that was cancelled since."""
        assert isinstance(event.data, Upsert)
        orders.add_event(tx, event, canonical, known.pk)
        new = self._voids_of(event.data.order, Mark.JOURNAL_REBUILT)
        cancel_pk = orders.newest_cancel(tx, known.pk)
        orders.name_order(tx, known.pk, event.data.order.number)  # a cancel does not say what people call it
        orders.set_order_state(tx, known.pk, "accepted")  # it is off once its voids are settled
        return self._enter(tx, "order_canceled", known.pk, cancel_pk, known.rev, new, event.id)

    def _voids_of(self, order: Order, mark: Mark | None, but: Collection[str] = ()) -> list[jobs.NewJob]:
        """For what another journal may have printed: a void for each of its stations."""
        routed = route(order, self._stations)
        return [
            jobs.NewJob(
                name,
                self._by_name[name].printer or "",
                JobKind.CANCEL,
                msgspec.json.encode(Share(tuple(portions), tuple(routed))),
                mark=mark,
            )
            for name, portions in routed.items()
            if name not in but
        ]

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
        jobs.add_jobs(tx, order_pk, event_pk, rev, new)
        if any(not job.printer for job in new):
            routes.tell_homeless(tx)
        ref = orders.order_ref(tx, order_pk)
        notes.add_report(tx, OrderState(ref, rev, "accepted", event=event_id, reason=reason))
        if not new:
            closing.close_order(tx, order_pk)
        tell_if_finished(tx, order_pk)
        return Taken(verdict, printers={job.printer for job in new}, order=ref.id, no=ref.no, reason=reason)

    def mark(self, tx: Tx, event: Event, known: orders.KnownOrder | None, came: Came) -> Mark | None:
        """Why this event's tickets may be on paper already, from before the journal knew it; None: they are not."""
        follows = known is None and isinstance(event.data, Upsert) and event.data.order.rev > 1
        if forgotten.was_known(tx, event.source, event.sequence, came.replayed, follows=follows):
            return Mark.JOURNAL_REBUILT
        return self._mark_rebuilt(tx, event, known, came) or self._mark_pruned(tx, event, known)

    def _past(self, tx: Tx, known: orders.KnownOrder | None, data: object, marks: dict[Slip, Mark]) -> "_Past":
        if known is None:
            return _Past()
        off = refused(tx, known.pk)
        if known.state == "rejected" and not off and isinstance(data, Upsert):  # dropped while it waited
            was = orders.snapshot(tx, known.pk, data.order.rev)
            off = {} if was is None else self._as_told(was)
        return _Past(told(tx, known.pk), off, marks, doubted(tx, known.pk), made(tx, known.pk))

    def _as_told(self, order: Order) -> dict[Slip, Told]:
        """What its stations would have been told of an order."""
        payload = msgspec.json.encode(Upsert(order))
        return {
            (name, copy): Told(name, copy, order.rev, msgspec.json.encode(Share(tuple(portions), ())), payload)
            for name, portions in route(order, self._stations).items()
            for copy in range(1, self._by_name[name].copies + 1)
        }

    def _refused_again(self, tx: Tx, order_pk: int, rev: int, event_id: str) -> Taken:
        orders.set_order_state(tx, order_pk, "rejected")
        ref = orders.order_ref(tx, order_pk)
        reason = "a person refused it, and nothing that a cook reads has changed"
        notes.add_report(tx, OrderState(ref, rev, "rejected", event=event_id, reason=reason))
        return Taken("order_refused_again", order=ref.id)

    def _tickets(
        self, order: Order, routed: Routed, past: "_Past", mark: Mark | None, arrival: Arrival
    ) -> list[jobs.NewJob]:
        """A ticket for each station and copy that has something to learn."""
        new = []
        makers = tuple(name for name in routed if self._by_name[name].shows == "own")
        for name, portions in routed.items():
            station = self._by_name[name]
            share = Share(tuple(portions), makers, arrival)
            said = msgspec.json.encode(share)
            for copy in range(1, station.copies + 1):
                kind = past.kind(station, copy, order, share)
                if kind is not None:
                    has = past.mark(station, copy, order, share) or mark
                    new.append(jobs.NewJob(name, station.printer or "", kind, said, copy, station.copies, has))
        return new

    def _station(self, name: str | None) -> Station:
        """The station of that name, or the default one."""
        return self._by_name.get(name or "") or next(station for station in self._stations if station.default)

    def _ready_made(self, raw: Raw, marked: Marked, mark: Mark | None) -> list[jobs.NewJob]:
        station = self._station(raw.station)
        copies = min(max(raw.copies, marked.copies), MAX_RAW_COPIES)
        share = msgspec.json.encode(raw)
        return [
            jobs.NewJob(station.name, station.printer or "", JobKind.RAW, share, copy, copies, mark)
            for copy in range(1, copies + 1)
        ]

    def _void(self, tx: Tx, order_pk: int, name: str, mark: Mark | None) -> jobs.NewJob:
        home = "" if name in self._by_name else paper_at(tx, order_pk, name)  # its station may be no more
        share = last_share(tx, order_pk, name)
        try:
            READ_SHARE.decode(share)
        except msgspec.ValidationError:  # of ready-made content
            share = msgspec.json.encode(Share((), (name,)))
        return jobs.NewJob(name, home or self._station(name).printer or "", JobKind.CANCEL, share, mark=mark)

    def _mark_rebuilt(self, tx: Tx, event: Event, known: orders.KnownOrder | None, came: Came) -> Mark | None:
        """An order from before the journal was lost may have been printed by the journal that is gone: whatever is
        dated before, and until the first replay is over, because this box's clock may be wrong, whatever comes by one,
        and each order whose first revision we have not seen. What has no date is marked for an hour: brokers bring
        again what was not acknowledged, tills send again what they are not sure of.
        """
        rebuilt_at = self._journal.rebuilt_at
        if rebuilt_at is None:
            return None
        placed_at = event.data.order.placed_at if isinstance(event.data, Upsert) else None
        dates = [_aware(moment) for moment in (event.time, placed_at) if moment]
        before = any(moment < rebuilt_at for moment in dates)
        undated = known is None and not dates
        changed = known is None and isinstance(event.data, Upsert) and event.data.order.rev > 1 and placed_at is None
        replay_is_to_come = notes.get_meta(tx, "replayed_since_rebuilt") is None
        if replay_is_to_come:
            before = before or came.replayed or changed
        if undated and (replay_is_to_come or came.local):
            before = before or abs(datetime.fromisoformat(notes.now()) - rebuilt_at) < SENT_AGAIN
        return Mark.JOURNAL_REBUILT if before else None

    def _mark_pruned(self, tx: Tx, event: Event, known: orders.KnownOrder | None) -> Mark | None:
        """An unknown order may be one that the journal has forgotten: its sequence was here, or it was changed since it
        was first told. Where revisions are times the first one says nothing: then when it was placed does.
        """
        if known is not None or not retention.forgot(tx):
            return None
        if event.sequence is not None and not sequences.not_here(tx, event.source, [event.sequence]):
            return Mark.POSSIBLE_DUPLICATE
        if not isinstance(event.data, Upsert) or event.data.order.rev <= 1:
            return None
        if event.data.order.rev <= MOST_CHANGES and not foreign.is_mapped(event.source):
            return Mark.POSSIBLE_DUPLICATE
        placed_at, until = event.data.order.placed_at, retention.forgotten_until(tx)
        if placed_at is None or until is None:
            return None
        return Mark.POSSIBLE_DUPLICATE if _aware(placed_at) <= until else None


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _not_understood(raw: Raw, marked: Marked) -> list[str]:
    """What of ready-made content is printed otherwise than its writer meant, or not at all."""
    unknown = ", ".join(marked.unknown)
    return [f"{raw.dialect}, not printed as meant: {unknown}"[:500]] if unknown else []


class _Past(msgspec.Struct):
    """What the stations know of an order: what may be on paper, what a person refused, the marks of what was withdrawn,
    and where a void may be on paper.
    """

    told: dict[Slip, Told] = {}
    refused: dict[Slip, Told] = {}
    marks: dict[Slip, Mark] = {}
    unsure: set[str] = set()
    made: set[Slip] = set()
    upheld: set[Slip] = set()
    """Where `kind` found that a person refused just this."""

    def kind(self, station: Station, copy: int, order: Order, share: Share) -> JobKind | None:
        """What a station is told with this copy; None where there is nothing to tell. A copy that there was not before
        knows what the first one does.
        """
        here = (station.name, copy)
        known = self.told.get(here) or (None if here in self.made else self.told.get((station.name, 1)))
        in_doubt = here in self.marks or station.name in self.unsure
        off = self.refused.get(here)
        open_ = known.given_up if known is not None else not in_doubt
        if open_ and off is not None and not _differs(off, order, share, station):
            self.upheld.add(here)
            return None
        if known is None:
            return JobKind.AMEND if station.name in self.unsure else JobKind.ORDER
        return JobKind.AMEND if known.given_up or in_doubt or _differs(known, order, share, station) else None

    def mark(self, station: Station, copy: int, order: Order, share: Share) -> Mark | None:
        """What a withdrawn ticket hands on. A copy that was asked for and never sent has no paper: news is no copy."""
        found, known = self.marks.get((station.name, copy)), self.told.get((station.name, copy))
        if found is Mark.ASKED and (known is None or _differs(known, order, share, station)):
            return None
        return found


def _differs(known: Told, order: Order, share: Share, station: Station) -> bool:
    """Would somebody who has the ticket that is known do anything otherwise? Only cooks' tickets have no prices."""
    was = READ_UPSERT.decode(known.payload).order
    if station.template not in _WITHOUT_PRICES and _account(was) != _account(order):
        return True
    return bool(changed_facts(was, order) or compare(READ_SHARE.decode(known.share).portions, share.portions))


def _account(order: Order) -> tuple[object, ...]:
    return order.items, order.fees, order.discounts, order.total, order.paid
