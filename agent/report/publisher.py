"""What the cloud is told: reports from the outbox, in order and at least once; whether the shop is there; a beat each
minute; and the request for what was missed. One thread, which also looks after the line.

It never waits for the journal's writer: while the disk is full it must go on saying so. In a burst it sends a handful,
waits for the broker's word, and leaves the processor to the printers in between.
"""

import contextlib
import queue
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Literal

import msgspec

from agent import __version__, log
from agent.broker.mqtt import Line
from agent.broker.topics import Topics
from agent.broker.word import Acknowledged
from agent.checkpoint import checkpoint
from agent.clock import Clock, is_synchronised, stamp
from agent.journal import jobs, notes, sequences, waits
from agent.journal.file import Tx
from agent.journal.store import Journal
from agent.report.alarmlist import MOST_BYTES, told_alarms
from agent.report.bell import Bell
from agent.report.denied import Denied
from agent.report.envelope import Identity, envelope_of, state_payload
from agent.report.outbox import REFUSED_AGAIN_S, Outbox
from agent.report.presence import Beat, PrinterSeen
from agent.report.requests import Requests
from agent.service import ServiceThread

POLL_S = 1.0
PACE_S = 0.02
"""After whatever wakes it but a new line: printers come first, and what is committed meanwhile goes with it."""
UNANSWERED_S = 120.0
FAILED_AGAIN_S = 5.0
GOODBYE_S = 1.0
LINE_ALARMS = "broker:"
TOPICS_ALARM = "broker:topics"
_log = log.get("report")

What = Literal["report", "state", "request", "beat"]


class Sent(msgspec.Struct, frozen=True):
    """Something under way to the broker. `pk` is a report's."""

    what: What
    at: float
    pk: int = 0


class Publisher(ServiceThread):
    """The thread that talks up. `line` is set before `start`."""

    name = "report"
    line: Line

    def __init__(
        self,
        journal: Journal,
        topics: Topics,
        identity: Identity,
        clock: Clock,
        beat_s: float,
        printers: Callable[[], dict[str, Any]],
    ) -> None:
        super().__init__(clock)
        self._journal = journal
        self._topics = topics
        self._identity = identity
        self.beat_s = beat_s
        self._printers = printers
        self._bell = Bell(journal, self._rouse)
        self._came_up: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._requests = Requests(clock)
        self._beat_at = 0.0
        self._generation = -1
        self._urgent: deque[tuple[What, str, bytes, bool]] = deque()
        self._under_way: dict[int, Sent] = {}
        self._outbox = Outbox(journal, clock)
        self._denied = Denied(topics)
        self._faults: dict[str, str] | None = None
        self.last_heard = ""

    # -- told by others ------------------------------------------------------------------------------------------

    def connected(self, session_present: bool) -> None:
        """The line is up: say so, and ask for what was missed. Only hands on."""
        self._came_up.put(session_present)
        self.line.acknowledged.put(None)

    def ask_replay(self) -> None:
        """Something is missing: ask the cloud for it."""
        self._requests.ask()
        self._rouse()

    def answered(self) -> None:
        """The cloud heard a request: something came on the replay topic."""
        self._requests.answered()

    # -- the thread ----------------------------------------------------------------------------------------------

    def _rouse(self) -> None:
        if self.alive():  # without a broker there is no line, and nobody to wake
            self.line.acknowledged.put(None)

    def _run(self) -> None:
        while not self._stopping.is_set():
            reader: Tx | None = None
            try:
                reader = self._journal.reader()
                self._serve(reader)
            except Exception:  # noqa: BLE001  the thread's outermost loop: a reader that fails is opened anew
                _log.exception("report.turn_failed")
                self._turned()
                self._stopping.wait(FAILED_AGAIN_S)
            finally:
                if reader is not None:
                    reader.close()
        self._goodbye()

    def _serve(self, reader: Tx) -> None:
        while not self._stopping.is_set():
            self._turned()
            self._rest()
            self._bell.heard()
            self.line.tend()
            self._turn(reader)

    def _rest(self) -> None:
        """Sleep until the broker says something, the line comes up, there are new reports, or a moment has passed."""
        try:
            word = self.line.acknowledged.get(timeout=POLL_S)
        except queue.Empty:
            return
        if word is not None:
            self._note(word)
        if self._came_up.empty():
            self._stopping.wait(PACE_S)

    def _turn(self, reader: Tx) -> None:
        self._tell_faults()
        if self.line.up:
            self._meet(reader)
            while not self.line.acknowledged.empty():
                if (word := self.line.acknowledged.get()) is not None:
                    self._note(word)
            for request in self._requests.due(reader):
                self._say("request", self._topics.request, msgspec.json.encode(request))
            if self._clock.monotonic() - self._beat_at >= self.beat_s:
                self._beat(reader)
            self._send(reader)
            self._doubt_line()
        self._outbox.delete_taken()

    # -- the line ------------------------------------------------------------------------------------------------

    def _meet(self, reader: Tx) -> None:
        """On a new connection whatever was under way is sent again, after the birth."""
        if self.line.generation != self._generation:
            self._generation = self.line.generation
            self._under_way.clear()
            self._urgent.clear()
            self._outbox.start_over()
        came_up = False
        while not self._came_up.empty():  # a line that broke before we looked counts, too
            came_up = True
            self._note_session(self._came_up.get())
        if came_up:
            self._say("state", self._topics.state, state_payload(self._identity, True, self._now()), retain=True)
            self._requests.connected()
            self._beat(reader)

    def _note_session(self, present: bool) -> None:
        """A broker that forgot us forgot our orders too: a person should know, until they have all come."""

        def work(tx: Tx) -> None:
            met_before = notes.get_meta(tx, "met_broker") is not None
            if present:
                notes.clear_alarm(tx, "session")
            elif met_before:
                notes.raise_alarm(
                    tx, "session", "the broker has forgotten this box; the cloud is asked for orders that were missed"
                )
            if not met_before:
                notes.set_meta(tx, "met_broker", "yes")

        self._journal.submit(work, lambda _: None)

    def _tell_faults(self) -> None:
        """The line's faults are alarms; those of an earlier run that are over are cleared."""
        faults = dict(self.line.faults)
        if denied := self._denied.fault(self.line.login):
            faults[TOPICS_ALARM] = "; ".join(filter(None, (faults.get(TOPICS_ALARM), denied)))
        if faults == self._faults:
            return
        self._faults = faults

        def work(tx: Tx) -> None:
            for key in notes.alarms(tx):
                if key.startswith(LINE_ALARMS) and key not in faults:
                    notes.clear_alarm(tx, key)
            for key, reason in faults.items():
                notes.raise_alarm(tx, key, reason)

        self._journal.submit(work, lambda _: None)

    def _doubt_line(self) -> None:
        """A broker that takes and never answers: only a new connection allows to send again."""
        oldest = next(iter(self._under_way.values()), None)
        if oldest is not None and self._clock.monotonic() - oldest.at > UNANSWERED_S:
            self._under_way.clear()
            self.line.hang_up(f"a {oldest.what} was not acknowledged for {UNANSWERED_S:.0f} s")

    # -- sending -------------------------------------------------------------------------------------------------

    def _send(self, reader: Tx) -> None:
        """As much as the broker allows under way: presence and requests first, then reports in their order."""
        while self._urgent and self._room() > 0:
            what, topic, payload, retain = self._urgent[0]
            fits = self.line.fits(topic, payload)
            if fits and not self._publish(Sent(what, self._clock.monotonic()), topic, payload, retain):
                return
            self._urgent.popleft()
        under_way = {sent.pk for sent in self._under_way.values()}
        for row in self._outbox.next(reader, self._room(), under_way):
            envelope = self._envelope(row)
            if not self.line.fits(self._topics.report, envelope):  # it stays until a connection takes it
                continue
            checkpoint("report.before_publish")
            sent = Sent("report", self._clock.monotonic(), row.pk)
            if not self._publish(sent, self._topics.report, envelope):
                return
            checkpoint("report.after_publish")

    def _room(self) -> int:
        return self.line.most_unacked_out - len(self._under_way)

    def _publish(self, sent: Sent, topic: str, payload: bytes, retain: bool = False) -> bool:
        mid = self.line.publish(topic, payload, retain)
        if mid is not None:
            self._under_way[mid] = sent
        return mid is not None

    def _say(self, what: What, topic: str, payload: bytes, retain: bool = False) -> None:
        """Before the reports, as soon as there is room. A newer beat replaces one that still waits."""
        if what == "beat":
            self._urgent = deque(waiting for waiting in self._urgent if waiting[0] != "beat")
        self._urgent.append((what, topic, payload, retain))

    def _envelope(self, row: notes.OutboxRow) -> bytes:
        return envelope_of(self._journal.id, self._identity, row)

    # -- the broker's word ---------------------------------------------------------------------------------------

    def _note(self, word: Acknowledged) -> None:
        """A word from an earlier connection counts for nothing: what it speaks of is sent again."""
        sent = self._under_way.pop(word.mid, None) if word.generation == self._generation else None
        if sent is None:
            return
        topic: str = getattr(self._topics, sent.what)
        if word.taken or word.denied:
            self._denied.note(topic, "" if word.taken else word.reason, self.line.login)
        if word.taken and sent.what == "report":
            self._outbox.taken(sent.pk)
        elif not word.taken and sent.what == "report":
            self._outbox.refused(sent.pk, word.reason, self.line.most_unacked_out)
        elif not word.taken:
            _log.error("report.refused", what=sent.what, topic=topic, login=self.line.login, reason=word.reason)
            if sent.what == "request":
                self._requests.refused(REFUSED_AGAIN_S)

    # -- presence ------------------------------------------------------------------------------------------------

    def _now(self) -> str:
        return stamp(self._clock.utc())

    def _goodbye(self) -> None:
        """At once, whatever is under way: a clean disconnection sends no will.

        Then a moment for the broker's word on it: a socket that is closed with something unread is reset, and a broker
        that can't answer takes the line for broken and sends the will after all.
        """
        said = None
        if self.line.up:
            payload = state_payload(self._identity, False, self._now())
            said = self.line.publish(self._topics.state, payload, retain=True)
        ends_at = time.monotonic() + GOODBYE_S
        while said is not None and self.line.up and (left_s := ends_at - time.monotonic()) > 0:
            with contextlib.suppress(queue.Empty):
                word = self.line.acknowledged.get(timeout=left_s)
                if word is None:
                    continue
                self._note(word)
                if word.mid == said and word.generation == self.line.generation:
                    break
        self._outbox.delete_taken(at_once=True)

    def _beat(self, reader: Tx) -> None:
        self._beat_at = self._clock.monotonic()
        up = notes.alarms(reader)
        beat = Beat(
            at=self._now(),
            boot=self._identity.boot,
            version=__version__,
            sequences=sequences.heard_lately(reader),
            printers=msgspec.convert(self._printers(), dict[str, PrinterSeen]),
            waiting=jobs.waiting(reader),
            orders_held=waits.count(reader),
            oldest_ticket=jobs.oldest_waiting(reader),
            last_order_heard=self.last_heard or None,
            clock_synchronised=is_synchronised(),
            session=self.line.session,
            alarms=told_alarms(up, min(MOST_BYTES, self.line.largest_out // 2)),
            alarms_in_all=len(up),
        )
        if self._topics.state in self._denied:  # it may be allowed by now
            self._say("state", self._topics.state, state_payload(self._identity, True, beat.at), retain=True)
        self._say("beat", self._topics.beat, msgspec.json.encode(beat))
