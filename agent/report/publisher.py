"""What the cloud is told: reports from the outbox, in order and at least once; whether the shop is there; a beat each
minute; and the request for what was missed. One thread, which also looks after the line.
"""

import threading
import uuid
from collections.abc import Callable
from typing import Any

import msgspec

from agent import __version__, log
from agent.broker.mqtt import Line
from agent.broker.topics import Topics
from agent.checkpoint import checkpoint
from agent.clock import Clock, stamp
from agent.errors import JournalError
from agent.journal import jobs, notes, orders
from agent.journal.store import Journal, Tx

TURN_S = 0.1
REQUEST_AGAIN_S = 5.0
REFUSED_AGAIN_S = 60.0
_log = log.get("report")


class Identity(msgspec.Struct, frozen=True):
    """Who speaks: `source` of everything that goes up, and which boot this is."""

    source: str
    boot: str


def new_identity(shop: str, agent: str) -> Identity:
    """An identity for this run of the process."""
    return Identity(f"//shop-agent/{shop}/{agent}", uuid.uuid4().hex)


def state_payload(identity: Identity, online: bool, at: str = "") -> bytes:
    """The retained status: birth, or death (also as the last will). A death counts only for its own boot."""
    data: dict[str, Any] = {"online": online, "boot": identity.boot, "version": __version__}
    if at:
        data["at"] = at
    return msgspec.json.encode(data)


class Publisher:
    """The thread that talks up. `line` is set before `start`."""

    name = "report"
    limit_s = 30.0
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
        self._journal = journal
        self._topics = topics
        self._identity = identity
        self._clock = clock
        self._beat_s = beat_s
        self._printers = printers
        self._thread = threading.Thread(target=self._run, name="report", daemon=True)
        self._stopping = threading.Event()
        self._wake = threading.Event()
        self._connected = threading.Event()
        self._asked_at: float | None = None
        self._ask = False
        self._beat_at = 0.0
        self._send_after = 0.0
        self._generation = -1
        self._under_way: dict[int, int] = {}
        self._last_pk = 0
        self._taken: list[int] = []
        self._progress = clock.monotonic()
        self.last_heard = ""

    # -- told by others ------------------------------------------------------------------------------------------

    def connected(self) -> None:
        """The line is up: say so, and ask for what was missed."""
        self._connected.set()
        self._wake.set()

    def ask_replay(self) -> None:
        """Something is missing: ask the cloud for it, at most every five seconds."""
        self._ask = True

    # -- a service -----------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, deadline_s: float) -> None:
        """Say goodbye and stop; reports that did not leave stay in the outbox."""
        self._stopping.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(deadline_s)

    def alive(self) -> bool:
        """Does the thread run?"""
        return self._thread.is_alive()

    def progress(self) -> float:
        """When the loop last turned."""
        return self._progress

    def _run(self) -> None:
        reader = self._journal.reader()
        try:
            while not self._stopping.is_set():
                self._progress = self._clock.monotonic()
                self._wake.wait(TURN_S)
                self._wake.clear()
                self.line.revive()
                self._turn(reader)
            self._goodbye()
        except JournalError as exc:
            _log.error("report.stopped", reason=str(exc))
        finally:
            reader.close()

    def _turn(self, reader: Tx) -> None:
        if not self.line.up:
            return
        if self.line.generation != self._generation:
            self._generation = self.line.generation
            self._under_way.clear()
            self._last_pk = 0
        if self._connected.is_set():
            self._connected.clear()
            self._birth(reader)
        self._request_missing(reader)
        self._collect()
        self._send(reader)
        if self._clock.monotonic() - self._beat_at >= self._beat_s:
            self._beat(reader)

    # -- the outbox ----------------------------------------------------------------------------------------------

    def _collect(self) -> None:
        """Note what the broker took, and delete it from the outbox when there is nothing better to do."""
        while not self.line.acknowledged.empty():
            word = self.line.acknowledged.get()
            if word.generation != self._generation:
                continue
            pk = self._under_way.pop(word.mid, None)
            if pk is not None and word.taken:
                self._taken.append(pk)
            elif pk is not None:
                self._refused(pk)
        if self._taken and (not self._under_way or len(self._taken) >= 100):
            pks, self._taken = self._taken, []
            checkpoint("report.before_delete")
            self._journal.write(lambda tx: notes.delete_reports(tx, pks))

    def _refused(self, pk: int) -> None:
        """The broker would not have it (no right to the topic, a quota): keep it, and try all of them again later."""
        if self._clock.monotonic() >= self._send_after:
            _log.error("report.refused", report=pk, again_in_s=REFUSED_AGAIN_S)
        self._send_after = self._clock.monotonic() + REFUSED_AGAIN_S
        self._last_pk = 0

    def _send(self, reader: Tx) -> None:
        room = self.line.most_unacked_out - len(self._under_way)
        if room <= 0 or self._clock.monotonic() < self._send_after:
            return
        for row in notes.waiting_reports(reader, self._last_pk, room):
            if row.pk in self._taken:
                continue
            checkpoint("report.before_publish")
            mid = self.line.publish(self._topics.report, self._envelope(row))
            if mid is None:
                return
            checkpoint("report.after_publish")
            self._under_way[mid] = row.pk
            self._last_pk = row.pk

    def _envelope(self, row: notes.OutboxRow) -> bytes:
        return msgspec.json.encode(
            {
                "specversion": "1.0",
                "id": f"{self._journal.id}-{row.pk}",
                "source": self._identity.source,
                "type": row.type,
                "time": row.at,
                "datacontenttype": "application/json",
                "data": msgspec.Raw(row.body),
            }
        )

    # -- presence ------------------------------------------------------------------------------------------------

    def _birth(self, reader: Tx) -> None:
        at = stamp(self._clock.utc())
        self.line.publish(self._topics.state, state_payload(self._identity, True, at), retain=True)
        self._ask, self._asked_at = True, None
        self._beat(reader)

    def _goodbye(self) -> None:
        if self.line.up:
            at = stamp(self._clock.utc())
            self.line.publish(self._topics.state, state_payload(self._identity, False, at), retain=True)

    def _request_missing(self, reader: Tx) -> None:
        """From the last sequence without a gap before it, for every source; all of it after a journal was lost."""
        now = self._clock.monotonic()
        if not self._ask or (self._asked_at is not None and now - self._asked_at < REQUEST_AGAIN_S):
            return
        self._ask, self._asked_at = False, now
        wanted = [{"source": source, "from": last + 1} for source, last in orders.cursors(reader).items()]
        if not wanted and notes.get_meta(reader, "rebuilt_at"):
            wanted = [{"source": None, "from": 1}]
        for request in wanted:
            self.line.publish(self._topics.request, msgspec.json.encode({"type": "replay", **request}))

    def _beat(self, reader: Tx) -> None:
        self._beat_at = self._clock.monotonic()
        beat = {
            "at": stamp(self._clock.utc()),
            "boot": self._identity.boot,
            "version": __version__,
            "sequences": orders.cursors(reader),
            "printers": self._printers(),
            "waiting": jobs.waiting(reader),
            "oldest_ticket": jobs.oldest_waiting(reader),
            "last_order_heard": self.last_heard or None,
            "alarms": notes.alarms(reader),
        }
        self.line.publish(self._topics.beat, msgspec.json.encode(beat))
