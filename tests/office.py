"""A line with nobody behind it, for tests: what it hands up and what it logs is kept, and can be waited for."""

import logging
import queue
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from agent.broker.backoff import Backoff
from agent.broker.mqtt import Line
from agent.broker.word import Will
from agent.clock import Clock, SystemClock
from agent.config import Broker
from agent.model.wire import Delivery
from tests.scripted_broker import TIMEOUT_S, Packet, Peer

TOPICS = ("shops/s1/dn/order", "shops/s1/dn/replay/box1")
ORDER, REPLAY = TOPICS
WILL = Will("shops/s1/up/box1/state", b'{"online":false,"boot":"b1"}')


class Said(logging.Handler):
    """The log, as it comes."""

    def __init__(self) -> None:
        super().__init__()
        self._records: queue.Queue[tuple[str, dict[str, Any]]] = queue.Queue()
        self.events: list[str] = []
        self.fields: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record."""
        self.events.append(str(record.msg))
        self.fields.append(getattr(record, "fields", {}))
        self._records.put((str(record.msg), getattr(record, "fields", {})))

    def wait(self, event: str) -> dict[str, Any]:
        """The fields of the next record of this event."""
        while True:
            try:
                said, fields = self._records.get(timeout=TIMEOUT_S)
            except queue.Empty:
                raise AssertionError(f"{event} was never said; what was: {self.events[-20:]}") from None
            if said == event:
                return fields


@contextmanager
def listening() -> Iterator[Said]:
    """All that the agent logs, at info."""
    said, logger = Said(), logging.getLogger("agent")
    level = logger.level
    logger.addHandler(said)
    logger.setLevel(logging.INFO)
    try:
        yield said
    finally:
        logger.removeHandler(said)
        logger.setLevel(level)


class HandClock:
    """Time that passes only when told to."""

    def __init__(self) -> None:
        self._now = 1000.0

    def monotonic(self) -> float:
        """Seconds."""
        return self._now

    def utc(self) -> datetime:
        """A date long ago, and as many seconds."""
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self._now)

    def pass_s(self, seconds: float) -> None:
        """Let time pass."""
        self._now += seconds


class Office:
    """The line and what came over it."""

    def __init__(self, port: int, clock: Clock | None = None, backoff: Backoff | None = None, **settings: Any) -> None:
        self.deliveries: queue.Queue[Delivery] = queue.Queue()
        self.ups: queue.Queue[bool] = queue.Queue()
        self.backoff = backoff or Backoff(pace=0.001)
        broker = Broker(**{"url": f"mqtt://127.0.0.1:{port}", "client_id": "s1-box1", **settings})
        self.line = Line(broker, TOPICS, WILL, clock or SystemClock(), self.deliveries.put, self.ups.put, self.backoff)
        self._fences = 0

    def delivery(self) -> Delivery:
        """The next delivery."""
        return self.deliveries.get(timeout=TIMEOUT_S)

    def fence(self, peer: Peer) -> None:
        """Whatever the line had to send before this has arrived."""
        self._fences += 1
        mark = str(self._fences).encode()
        assert self.line.publish("fence", mark) is not None
        peer.expect("PUBLISH", lambda packet: packet.topic == "fence" and packet.payload == mark)

    def up(self) -> bool:
        """Wait until the line is up; was the session still there?"""
        return self.ups.get(timeout=TIMEOUT_S)

    def pubacks(self, peer: Peer) -> list[int]:
        """The ids that were acknowledged on this connection until now."""
        self.fence(peer)
        return [packet.mid for packet in peer.seen if packet.kind == "PUBACK"]


def kinds(packets: list[Packet]) -> list[str]:
    """Their kinds."""
    return [packet.kind for packet in packets]


@contextmanager
def office(port: int, **settings: Any) -> Iterator[Office]:
    """A line that runs."""
    here = Office(port, **settings)
    here.line.start()
    try:
        yield here
    finally:
        here.line.stop(5)
