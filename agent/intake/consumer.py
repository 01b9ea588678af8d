"""The front door: an event is decoded, judged and entered with its tickets in one transaction; only when that is on
disk it is acknowledged, and the printers are woken.
"""

import hashlib
from collections.abc import Callable
from datetime import datetime

import msgspec

from agent import log
from agent.checkpoint import checkpoint
from agent.errors import DecodeError
from agent.intake.decode import decode_event
from agent.intake.sequence import Verdict, judge_event, judge_revision
from agent.journal import jobs, notes, orders
from agent.journal.store import Journal, Tx
from agent.model.job import JobKind, Mark
from agent.model.order import Cancel, Event, Order, Upsert
from agent.model.report import OrderRef, OrderState, OrderStateName, Pong, Rejected
from agent.model.station import Station
from agent.model.wire import Delivery, ReplayEnd
from agent.tickets.routing import route

_log = log.get("intake")


class Taken(msgspec.Struct):
    """What came of one delivery, for when it is on disk."""

    verdict: str
    printers: set[str] = set()
    gap: bool = False
    order: str = ""


class Consumer:
    """Takes deliveries in. `acknowledge`, `wake` and `on_gap` are called only after the commit."""

    def __init__(
        self,
        journal: Journal,
        stations: list[Station],
        replay_topic: str,
        acknowledge: Callable[[Delivery], None],
        wake: Callable[[set[str]], None],
        on_gap: Callable[[], None],
    ) -> None:
        self._journal = journal
        self._stations = stations
        self._by_name = {station.name: station for station in stations}
        self._replay_topic = replay_topic
        self._acknowledge = acknowledge
        self._wake = wake
        self._on_gap = on_gap

    def receive(self, delivery: Delivery) -> None:
        """Hand a delivery to the journal; returns at once."""
        self._journal.submit(lambda tx: self._take_in(tx, delivery), lambda taken: self._kept(delivery, taken))

    def _kept(self, delivery: Delivery, taken: Taken) -> None:
        checkpoint("intake.after_commit")
        if taken.printers:
            self._wake(taken.printers)
        self._acknowledge(delivery)
        checkpoint("intake.after_ack")
        if taken.gap:
            self._on_gap()
        _log.info(f"intake.{taken.verdict}", order=taken.order, mid=delivery.mid)

    def _take_in(self, tx: Tx, delivery: Delivery) -> Taken:
        if delivery.retain and delivery.topic != self._replay_topic:
            notes.add_report(tx, Rejected(delivery.topic, "$", "a retained message is no order"))
            return Taken("retained_ignored")
        if delivery.topic == self._replay_topic and (end := _replay_end(delivery.payload)) is not None:
            return self._end_replay(tx, end)
        try:
            event, canonical = decode_event(delivery.payload, _attributes(delivery))
        except DecodeError as exc:
            return self._park(tx, delivery, exc.path, exc.reason)
        taken = self._judge(tx, delivery, event, canonical)
        if event.sequence is not None:
            taken.gap = orders.note_sequence(tx, event.source, event.sequence)
        checkpoint("intake.before_commit")
        return taken

    # -- judging -------------------------------------------------------------------------------------------------

    def _judge(self, tx: Tx, delivery: Delivery, event: Event, canonical: bytes) -> Taken:
        seen = orders.find_event(tx, event.source, event.id)
        verdict = judge_event(None if seen is None else seen.digest, event.digest)
        if event.data is None:
            return self._ping(tx, event, canonical, verdict)
        subject = event.data.order
        known = orders.find_order(tx, subject.channel, subject.id)
        if verdict is Verdict.ACCEPT:
            cancel = isinstance(event.data, Cancel)
            same = None if known is None else orders.revision_digest(tx, known.pk, subject.rev, orders.kind_of(event))
            newest = None if known is None else (known.rev, known.canceled)
            verdict = judge_revision(newest, subject.rev, cancel, same, event.digest)
        if verdict is Verdict.CONFLICT:
            reason = f"order {subject.id} revision {subject.rev} came before with other content"
            return self._park(tx, delivery, "$.id" if seen else "$.data.order.rev", reason, event.id)
        if verdict is Verdict.ACCEPT:
            return self._accept(tx, event, canonical, known, delivery.topic == self._replay_topic)
        current = "" if known is None else known.state
        ref = OrderRef(subject.id, subject.channel, subject.number if isinstance(subject, Order) else "")
        state: OrderStateName = "duplicate" if verdict is Verdict.DUPLICATE else "stale"
        notes.add_report(tx, OrderState(ref, subject.rev, state, event=event.id, current=current))
        return Taken(f"{state}_dropped", order=subject.id)

    def _ping(self, tx: Tx, event: Event, canonical: bytes, verdict: Verdict) -> Taken:
        if verdict is Verdict.ACCEPT:
            orders.add_event(tx, event, canonical, None)
        notes.add_report(tx, Pong(event.id))
        return Taken("ping_answered")

    def _park(self, tx: Tx, delivery: Delivery, path: str, reason: str, event_id: str = "") -> Taken:
        digest = hashlib.sha256(delivery.topic.encode() + b"\0" + delivery.payload).hexdigest()
        if orders.park(tx, delivery.topic, delivery.payload, digest, path, reason):
            notes.raise_alarm(tx, "parked", f"an event could not be taken: {reason} - at {path}")
        notes.add_report(tx, Rejected(delivery.topic, path, reason, event_id))
        return Taken("event_parked")

    # -- accepting -----------------------------------------------------------------------------------------------

    def _accept(self, tx: Tx, event: Event, canonical: bytes, known: orders.KnownOrder | None, replayed: bool) -> Taken:
        reached = jobs.stations_reached(tx, known.pk) if known else []
        data = event.data
        reason = "the order was cancelled" if isinstance(data, Cancel) else "replaced by a newer revision"
        mark = jobs.withdraw(tx, known.pk, reason) if known else None
        order_pk = orders.put_order(tx, event, known, "accepted")
        event_pk = orders.add_event(tx, event, canonical, order_pk)
        if isinstance(data, Upsert):
            mark = mark or self._mark_rebuilt(tx, event.time, replayed)
            new = self._tickets(data.order, reached, mark)
        else:
            new = [self._void(station) for station in reached]
        if any(not job.printer for job in new):
            notes.raise_alarm(tx, "no_printer", "a station has no printer: write one into the configuration")
        jobs.add_jobs(tx, order_pk, event_pk, 0 if data is None else data.order.rev, new)
        ref = jobs.order_ref(tx, order_pk)
        notes.add_report(tx, OrderState(ref, 0 if data is None else data.order.rev, "accepted", event=event.id))
        if not new:
            jobs.close_order(tx, order_pk)
        verdict = "order_canceled" if isinstance(data, Cancel) else "order_accepted"
        return Taken(verdict, printers={job.printer for job in new}, order=ref.id)

    def _tickets(self, order: Order, reached: list[str], mark: Mark | None) -> list[jobs.NewJob]:
        new = []
        targets = list(route(order, self._stations))
        for name in targets:
            station = self._by_name[name]
            kind = JobKind.AMEND if name in reached else JobKind.ORDER
            new += [
                jobs.NewJob(name, station.printer or "", kind, copy, station.copies, mark)
                for copy in range(1, station.copies + 1)
            ]
        return new + [self._void(station) for station in reached if station not in targets]

    def _void(self, name: str) -> jobs.NewJob:
        station = self._by_name.get(name) or next(s for s in self._stations if s.default)
        return jobs.NewJob(name, station.printer or "", JobKind.CANCEL)

    def _mark_rebuilt(self, tx: Tx, told_at: datetime | None, replayed: bool) -> Mark | None:
        """An order from before the journal was lost may have been printed by the journal that is gone."""
        rebuilt = notes.get_meta(tx, "rebuilt_at")
        if rebuilt is None:
            return None
        before = replayed if told_at is None else told_at.timestamp() < datetime.fromisoformat(rebuilt).timestamp()
        return Mark.JOURNAL_REBUILT if before else None

    def _end_replay(self, tx: Tx, end: ReplayEnd) -> Taken:
        gone = sorted(int(sequence) for sequence in end.unavailable)
        for sequence in gone:
            orders.note_sequence(tx, end.source, sequence)
        if gone:
            notes.raise_alarm(tx, f"missing:{end.source}", f"the cloud no longer has events {gone[:20]}")
        last = orders.cursors(tx).get(end.source, 0)
        return Taken("replay_ended", gap=last < int(end.last))


def _attributes(delivery: Delivery) -> dict[str, str] | None:
    """The CloudEvents attributes of binary mode, None in structured mode."""
    found = delivery.attributes
    return found if found is not None and "specversion" in found else None


def _replay_end(payload: bytes) -> ReplayEnd | None:
    try:
        end = msgspec.json.decode(payload, type=ReplayEnd)
        _ = [int(number) for number in (end.first, end.last, end.head, *end.unavailable)]
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError, RecursionError):
        return None
    return end
