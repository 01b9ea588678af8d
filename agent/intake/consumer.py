"""The front door: an event is decoded, judged and entered with its tickets in one transaction; only when that is on
disk it is acknowledged, and the printers are woken.
"""

import hashlib
from collections.abc import Callable, Mapping
from datetime import UTC
from typing import TYPE_CHECKING

import msgspec

from agent import log
from agent.checkpoint import checkpoint
from agent.clock import SystemClock
from agent.config import Intake
from agent.errors import DecodeError
from agent.intake import foreign, signature
from agent.intake.acceptance import Acceptance, Came, Taken
from agent.intake.admission import Admission
from agent.intake.commands import Commands, Done, answer_failed
from agent.intake.counting import Counting, is_marker
from agent.intake.decode import Envelope, decode_data, decode_envelope
from agent.intake.errands import Errands
from agent.intake.sequence import Place, Verdict, judge_event, judge_place, judge_revision
from agent.intake.signature import NO_KEYS, Keyring
from agent.intake.timekeeper import TimeKeeper
from agent.journal import gone, jobs, notes, orders, parked, waits
from agent.journal.commands import Begun, begun
from agent.journal.file import Tx
from agent.journal.store import Journal
from agent.model.order import Cancel, Event, Order
from agent.model.report import OrderRef, OrderState, OrderStateName, Pong, Rejected
from agent.model.station import Station
from agent.model.wire import Delivery

if TYPE_CHECKING:
    from agent.intake.mapping import Mapping as ForeignMapping

REPLAY_BEGIN, REPLAY_END = "replay.begin", "replay.end"
LOCAL = "local"
"""Stands for the topic of what did not come over the line: whoever brought it waits for the answer."""
_RULES = Intake()
_log = log.get("intake")


class Consumer:
    """Takes deliveries in. `acknowledge`, `wake`, `on_gap` and `stir` are called only after the commit.

    `stir`: orders wait, or need not wait any longer; somebody should look.
    """

    def __init__(
        self,
        journal: Journal,
        stations: list[Station],
        replay_topic: str,
        acknowledge: Callable[[Delivery], None],
        wake: Callable[[set[str]], None],
        on_gap: Callable[[], None],
        command_topic: str = "",
        rules: Intake = _RULES,
        times: TimeKeeper | None = None,
        stir: Callable[[], None] = lambda: None,
        mappings: "Mapping[str, ForeignMapping] | None" = None,
        commands: Commands | None = None,
        keyring: Keyring = NO_KEYS,
    ) -> None:
        self._keyring = keyring
        self._commands = commands or Commands(stations)
        self._errands = Errands(journal, self._commands, self._concluded)
        self._journal = journal
        self._times = times or TimeKeeper(SystemClock(), UTC)
        self._admission = Admission(Acceptance(journal, stations), rules, self._times)
        self._counting = Counting(journal.rebuilt_at is not None)
        self._stir = stir
        self._mappings = mappings or {}
        self._replay_topic = replay_topic
        self._command_topic = command_topic
        self._acknowledge = acknowledge
        self._wake = wake
        self._on_gap = on_gap

    def receive(self, delivery: Delivery, answer: Callable[[Taken], None] | None = None) -> None:
        """Hand a delivery to the journal; returns at once. `answer` is told what came of it instead of an
        acknowledgement, on the journal's thread, after the commit.
        """
        at = self._times.monotonic()
        self._journal.submit(
            lambda tx: self._take_in(tx, delivery, at),
            lambda taken: self._kept(delivery, taken, answer),
            lambda exc: self._failed(delivery, exc, answer),
        )

    def _failed(self, delivery: Delivery, exc: Exception, answer: Callable[[Taken], None] | None) -> None:
        """A fault of ours in taking it in: park it, else the broker sends it again for ever and nothing after it."""
        reason = f"it could not be taken in: {type(exc).__name__}: {exc}"
        self._journal.submit(
            lambda tx: self._give_up(tx, delivery, reason), lambda taken: self._kept(delivery, taken, answer)
        )

    def refuse(self, delivery: Delivery, reason: str) -> None:
        """A delivery that is not for us: kept with its bytes for a person, never printed."""
        self._journal.submit(
            lambda tx: self._park(tx, delivery, "$", reason), lambda taken: self._kept(delivery, taken)
        )

    def _kept(self, delivery: Delivery, taken: Taken, answer: Callable[[Taken], None] | None = None) -> None:
        checkpoint("intake.after_commit")
        if taken.printers:
            self._wake(taken.printers)
        if taken.stirred:
            self._stir()
        if answer is None:
            self._acknowledge(delivery)
        else:
            answer(taken)
        if taken.errand is not None:
            self._errands.start(taken.errand)
        checkpoint("intake.after_ack")
        if taken.gap:
            self._on_gap()
        if taken.trouble is not None:
            _log.error(f"intake.{taken.verdict}", **taken.trouble)
        elif taken.command:
            _log.info(f"intake.{taken.verdict}", command=taken.command, mid=delivery.mid)
        else:
            about = {"order": taken.order, "event": taken.event, "no": taken.no}
            _log.info(f"intake.{taken.verdict}", **{k: v for k, v in about.items() if v}, mid=delivery.mid)

    def _marker(self, tx: Tx, delivery: Delivery) -> Taken | None:
        """The begin or end of a replay as plain JSON; None when it is something else."""
        if not is_marker(delivery.payload):
            return None
        if self._keyring.wants(delivery.topic):
            words = f"sign it too, as an event of the type {REPLAY_BEGIN} or {REPLAY_END}"
            return self._park(tx, delivery, "$.signature", words)
        return self._counting.marked(tx, delivery.payload)

    def _take_in(self, tx: Tx, delivery: Delivery, at: float) -> Taken:
        if delivery.retain:
            what = "command" if delivery.topic == self._command_topic else "order"
            notes.add_remark(tx, Rejected(delivery.topic, "$", f"a retained message is no {what}"))
            return Taken("retained_ignored")
        if delivery.topic == self._command_topic:
            return self._command(tx, delivery)
        if delivery.topic == self._replay_topic and (taken := self._marker(tx, delivery)) is not None:
            return taken
        try:
            envelope = self._envelope(delivery)
        except foreign.NotAnOrder:
            return Taken("foreign_skipped")
        except DecodeError as exc:
            return self._turn_away(tx, delivery, exc.path, exc.reason)
        if (doubt := self._doubt(delivery, envelope)) is not None:  # nor does it count: asked for, a true one may come
            return self._turn_away(tx, delivery, doubt.path, doubt.reason, envelope.id)
        if envelope.type in (REPLAY_BEGIN, REPLAY_END) and delivery.topic == self._replay_topic:
            taken = self._counting.marked(tx, msgspec.json.encode(envelope.data))
            return taken or self._park(tx, delivery, "$.data", "no begin or end of a replay")
        if local := delivery.topic == LOCAL:  # nobody could be asked for what is missing in its counting
            envelope = msgspec.structs.replace(envelope, sequence=None)
        envelope = self._counting.believed(tx, envelope)
        queued = None if envelope.number is None else waits.first_queued(tx, envelope.source)
        place = judge_place(envelope.number, self._counting.passed(tx, envelope.source), queued)
        try:
            event, canonical = decode_data(envelope)
        except DecodeError as exc:
            taken = self._turn_away(tx, delivery, exc.path, exc.reason, envelope.id)
        else:
            if event.flaws:
                _log.warning("intake.event_flawed", source=event.source, event=event.id, reason="; ".join(event.flaws))
            came = Came(at, delivery.topic == self._replay_topic, place, local)
            taken = self._judge(tx, delivery, event, canonical, came)
        taken.gap = self._counting.note(tx, envelope)
        if place is Place.LATE and envelope.number is not None:
            gone.note_came(tx, envelope.source, envelope.number, waits.ASKED)
        taken.stirred, taken.event = taken.stirred or queued is not None, envelope.id
        checkpoint("intake.before_commit")
        return taken

    def _envelope(self, delivery: Delivery) -> Envelope:
        """The event as it came; on a platform's own topic, what its mapping makes of it."""
        mapping, attributes = self._mappings.get(delivery.topic), _attributes(delivery)
        if mapping is None:
            return decode_envelope(delivery.payload, attributes)
        if attributes is None and not foreign.is_event(delivery.payload):
            return foreign.envelope(delivery.payload, mapping, delivery.topic)
        envelope = decode_envelope(delivery.payload, attributes)
        if envelope.source == foreign.source_of(delivery.topic):
            raise DecodeError("$.source", "this source is the mapping's own; an event names its sender")
        return envelope

    def _doubt(self, delivery: Delivery, envelope: Envelope) -> DecodeError | None:
        """Why its signature does not count; None when it may be taken."""
        if delivery.topic not in self._keyring.audiences:
            return None
        now, attributes, keyring = self._times.now(), _attributes(delivery), self._keyring
        if envelope.source != foreign.source_of(delivery.topic):  # only what a mapping made may come unsigned there
            keyring = msgspec.structs.replace(keyring, lax=frozenset())
        try:
            signature.check(keyring, delivery.topic, delivery.payload, attributes, envelope, now)
        except DecodeError as exc:
            return exc
        return None

    def _command(self, tx: Tx, delivery: Delivery) -> Taken:
        attributes = _attributes(delivery)
        try:
            if delivery.topic in self._keyring.audiences:
                envelope = decode_envelope(delivery.payload, attributes)
                if (doubt := self._doubt(delivery, envelope)) is not None:
                    return self._park(tx, delivery, doubt.path, doubt.reason, envelope.id)
            reply = self._commands.answer(tx, delivery.payload, attributes)
        except DecodeError as exc:
            return self._park(tx, delivery, exc.path, exc.reason)
        checkpoint("intake.before_commit")
        if reply.done is None:
            verdict = "command_begun" if reply.fresh else "command_under_way"
            return Taken(verdict, command=reply.command, errand=reply.errand)
        verdict = "command_refused" if not reply.done.ok else "command_done" if reply.fresh else "command_repeated"
        printers = set(jobs.waiting(tx)) if reply.fresh else set()
        return Taken(verdict, printers=printers, command=reply.command, stirred=reply.fresh)

    def resume(self) -> None:
        """Commands that were under way when the agent ended are carried out now."""
        for errand in self._journal.write(begun):
            self._errands.start(errand)

    def _concluded(self, errand: Begun, done: Done) -> None:
        verdict = "command_done" if done.ok else "command_refused"
        _log.info(f"intake.{verdict}", command=errand.id, kind=errand.kind)

    def _give_up(self, tx: Tx, delivery: Delivery, reason: str) -> Taken:
        if delivery.topic == self._command_topic:
            answer_failed(tx, delivery.payload, _attributes(delivery), reason)
        return self._park(tx, delivery, "$", reason)

    # -- judging -------------------------------------------------------------------------------------------------

    def _judge(self, tx: Tx, delivery: Delivery, event: Event, canonical: bytes, came: Came) -> Taken:
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
            what = f"event {event.id}" if seen else f"order {subject.id} revision {subject.rev}"
            reason = f"{what} came before with other content"
            path = "$.id" if seen else "$.data.order.rev"
            return self._turn_away(tx, delivery, path, reason, event.id, "event_conflict")
        if verdict is Verdict.ACCEPT:
            return self._admission.admit(tx, event, canonical, known, came)
        if verdict is Verdict.STALE and known is not None and known.canceled:
            voided = self._admission.void_unseen(tx, event, canonical, known, came)
            if voided is not None:
                return voided
        current = "" if known is None else known.state
        ref = OrderRef(subject.id, subject.channel, subject.number if isinstance(subject, Order) else "")
        state: OrderStateName = "duplicate" if verdict is Verdict.DUPLICATE else "stale"
        notes.add_remark(tx, OrderState(ref, subject.rev, state, event=event.id, current=current))
        return Taken(f"{state}_dropped", order=subject.id, current=current)

    def _ping(self, tx: Tx, event: Event, canonical: bytes, verdict: Verdict) -> Taken:
        if verdict is Verdict.ACCEPT:
            orders.add_event(tx, event, canonical, None)
        notes.add_remark(tx, Pong(event.id))
        return Taken("ping_answered")

    def _turn_away(
        self, tx: Tx, delivery: Delivery, path: str, reason: str, event_id: str = "", verdict: str = "event_refused"
    ) -> Taken:
        """It can't be taken: what came over the line is parked, whoever brought it otherwise is told."""
        if delivery.topic != LOCAL:
            return self._park(tx, delivery, path, reason, event_id)
        return Taken(verdict, trouble={"event": event_id, "reason": reason[:500], "path": path[:200]})

    def _park(self, tx: Tx, delivery: Delivery, path: str, reason: str, event_id: str = "") -> Taken:
        path, reason = path[:200], reason[:500]  # keys come from outside, and this goes into a report
        digest = hashlib.sha256(delivery.topic.encode() + b"\0" + delivery.payload).hexdigest()
        if orders.park(tx, delivery.topic, delivery.payload, digest, path, reason):
            parked.tell(tx, f"{reason} - at {path}")
        notes.add_remark(tx, Rejected(delivery.topic, path, reason, event_id))
        return Taken("event_parked", trouble={"event": event_id, "reason": reason, "path": path})


def _attributes(delivery: Delivery) -> dict[str, str] | None:
    """The CloudEvents attributes of binary mode, None in structured mode."""
    found = delivery.attributes
    return found if found is not None and "specversion" in found else None
