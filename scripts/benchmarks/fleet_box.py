"""A light shop: no journal, no printer, but on the wire what an agent is. It connects with a last will, subscribes, is
born, beats, acknowledges orders and reports on them, pings, and comes back after a loss by the agent's own backoff.
"""

import asyncio
import time
from collections.abc import Callable

import msgspec

from agent import __version__
from agent.broker.backoff import SETTLED_AFTER_S, Backoff
from agent.broker.topics import topics
from agent.clock import SystemClock, stamp
from scripts.benchmarks import fleet_wire as wire

KEEPALIVE_S = 30
SESSION_EXPIRY_S = 604_800
CONNACK_S = 10.0
_clock = SystemClock()


class Tally(msgspec.Struct):
    """What all boxes did: moments in seconds of CLOCK_MONOTONIC, bytes of MQTT without TCP's."""

    attempts: list[float] = []
    connected: list[float] = []
    beats: int = 0
    beat_bytes: int = 0
    bytes_up: int = 0
    orders: int = 0


class LightBox:
    """One shop's session."""

    def __init__(self, shop: str, port: int, beat_s: float, tally: Tally, backoff: Callable[[], Backoff]) -> None:
        self.shop = shop
        self._port = port
        self._beat_s = beat_s
        self._tally = tally
        self._make_backoff = backoff
        self._backoff = backoff()
        self._topics = topics("shops", shop, "box1")
        self._boot = f"{hash(shop) & 0xFFFFFFFF:032x}"
        self._connection: wire.Connection | None = None
        self._timers: list[asyncio.TimerHandle] = []
        self._sent_at = 0.0
        self._up_at: float | None = None
        self._stopped = False
        self._sequence = 0
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def up(self) -> bool:
        """Did the broker accept it?"""
        return self._up_at is not None

    def start(self) -> None:
        """Connect, and again whenever the line is lost."""
        task = asyncio.get_running_loop().create_task(self._connect())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def forget_failures(self, backoff: Callable[[], Backoff]) -> None:
        """As if the line had been good for long."""
        self._backoff = backoff()
        if self._up_at is not None:
            self._up_at -= SETTLED_AFTER_S

    def stop(self) -> None:
        """Hang up for good."""
        self._stopped = True
        self._cancel()
        if self._connection is not None:
            self._connection.close()

    # -- the line ------------------------------------------------------------------------------------------------

    async def _connect(self) -> None:
        self._tally.attempts.append(time.monotonic())
        connection = wire.Connection(self._packet, self._lost)
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(lambda: connection, "127.0.0.1", self._port)
        except OSError:
            self._later(self._backoff.failed(), self.start)
            return
        self._connection = connection
        will = msgspec.json.encode({"online": False, "boot": self._boot, "version": __version__})
        self._send(wire.connect(f"{self.shop}-box1", KEEPALIVE_S, self._topics.state, will, SESSION_EXPIRY_S))
        self._later(CONNACK_S, self._no_answer)

    def _no_answer(self) -> None:
        if not self.up and self._connection is not None:
            self._connection.close()

    def _lost(self) -> None:
        self._connection = None
        self._cancel()
        if self._stopped:
            return
        now = time.monotonic()
        away_s = self._backoff.lost(now, now - self._up_at) if self._up_at is not None else self._backoff.failed()
        self._up_at = None
        self._later(away_s, self.start)

    def _packet(self, packet: wire.Packet) -> None:
        if packet.kind == wire.CONNACK and packet.reason == 0:
            self._up_at = time.monotonic()
            self._tally.connected.append(self._up_at)
            self._cancel()
            self._greet()
        elif packet.kind == wire.PUBLISH:
            self._send(wire.puback(packet.mid))
            if packet.topic == self._topics.order:
                self._report(packet.payload)

    def _greet(self) -> None:
        t = self._topics
        self._send(wire.subscribe(self._mid(), (t.order, t.replay, t.command)))
        born = {"online": True, "boot": self._boot, "version": __version__, "at": stamp(_clock.utc())}
        self._send(wire.publish(t.state, msgspec.json.encode(born), self._mid(), retain=True))
        if self._sequence:
            asked = {"type": "replay", "source": f"//orders.example/shops/{self.shop}/e1", "from": self._sequence + 1}
            self._send(wire.publish(t.request, msgspec.json.encode(asked), self._mid()))
        self._beat()
        self._later(KEEPALIVE_S, self._ping)

    def _beat(self) -> None:
        now = stamp(_clock.utc())
        beat = {
            "at": now,
            "boot": self._boot,
            "version": __version__,
            "sequences": {f"//orders.example/shops/{self.shop}/e1": self._sequence} if self._sequence else {},
            "printers": {"kitchen": {"state": "ready", "tier": "process_id", "need": None}},
            "waiting": {},
            "orders_held": 0,
            "oldest_ticket": None,
            "last_order_heard": now if self._sequence else None,
            "clock_synchronised": True,
            "alarms": {},
        }
        self._tally.beats += 1
        self._tally.beat_bytes += self._send(wire.publish(self._topics.beat, msgspec.json.encode(beat), self._mid()))
        self._later(self._beat_s, self._beat)

    def _report(self, payload: bytes) -> None:
        """Accepted, completed, printed: what an agent says of an order with one ticket."""
        event = msgspec.json.decode(payload)
        self._sequence = int(event["sequence"])
        self._tally.orders += 1
        order = event["data"]["order"]
        about = {"order": {"id": order["id"], "channel": order["channel"], "no": order["no"]}, "rev": order["rev"]}
        ticket = {**about, "ticket": self._sequence, "kind_of_ticket": "order", "station": "kitchen"}
        ticket |= {"printer": "kitchen", "state": "completed", "evidence": "confirmed", "attempt": 1, "number": 1}
        said = (("order.state", {**about, "state": "accepted", "event": event["id"]}), ("ticket.state", ticket))
        for number, (kind, data) in enumerate((*said, ("order.state", {**about, "state": "printed"}))):
            report = {
                "specversion": "1.0",
                "id": f"{self._boot}-{self._sequence * 3 + number}",
                "source": f"//shop-agent/{self.shop}/box1",
                "type": kind,
                "time": stamp(_clock.utc()),
                "datacontenttype": "application/json",
                "data": data,
            }
            self._send(wire.publish(self._topics.report, msgspec.json.encode(report), self._mid()))

    def _ping(self) -> None:
        quiet_s = time.monotonic() - self._sent_at
        if quiet_s >= KEEPALIVE_S - 0.5:
            self._send(wire.PINGREQ)
            quiet_s = 0.0
        self._later(KEEPALIVE_S - quiet_s, self._ping)

    def _send(self, data: bytes) -> int:
        self._sent_at = time.monotonic()
        self._tally.bytes_up += len(data)
        return self._connection.send(data) if self._connection is not None else 0

    def _mid(self) -> int:
        return self._connection.next_mid() if self._connection is not None else 1

    def _later(self, after_s: float, what: Callable[[], None]) -> None:
        self._timers = [timer for timer in self._timers if not timer.cancelled() and timer.when() > _now()]
        self._timers.append(asyncio.get_running_loop().call_later(after_s, what))

    def _cancel(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()


def _now() -> float:
    return asyncio.get_running_loop().time()
