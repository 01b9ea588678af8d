"""A broker and the line to it, without a network: one session with QoS 1, as the agent's MQTT client meets it.

`Client` stands where paho's client does, below the real `agent.broker.mqtt.Line`. What travels takes time, and what
travels when the connection breaks is lost: deliveries, PUBACKs, reports.
"""

import threading
from collections import deque
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import msgspec
import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

from tests.sim.baton import Baton
from tests.sim.stand_ins import Queue, Thread

MOST_UNACKED = 200
_ACCEPTED = ReasonCode(PacketTypes.CONNACK, "Success")
_GRANTED = ReasonCode(PacketTypes.SUBACK, "Granted QoS 1")
_TAKEN = ReasonCode(PacketTypes.PUBACK, "Success")
_BROKE = ReasonCode(PacketTypes.DISCONNECT, "Unspecified error")
_TAKEN_OVER = ReasonCode(PacketTypes.DISCONNECT, "Session taken over")
_SUCCESS = mqtt.MQTT_ERR_SUCCESS


class Message(msgspec.Struct, frozen=True):
    """What the broker has for the agent. `key` is the cloud's own: what it says once the PUBACK was seen."""

    topic: str
    payload: bytes
    key: int


class Broker:
    """The broker. `heard` gets what the agent publishes; `acknowledged` the key of what its PUBACK was seen for."""

    def __init__(self, baton: Baton, latency_s: float) -> None:
        self._baton = baton
        self._latency_s = latency_s
        self._queue: deque[Message] = deque()
        self._unacked: dict[int, Message] = {}
        self._mid = 0
        self._session = True  # the box was here before
        self.connection: Connection | None = None
        self.up = True
        self.deaf = False
        """It takes what comes and says nothing: a line that is half open."""
        self.heard: Callable[[str, bytes], None] = lambda _topic, _payload: None
        self.acknowledged: Callable[[int], None] = lambda _key: None

    @property
    def idle(self) -> bool:
        """Nothing waits for the agent."""
        return not self._queue and not self._unacked

    def send(self, message: Message) -> None:
        """Keep it for the agent's session; without one it is gone, as QoS 1 has it."""
        if self._session:
            self._queue.append(message)
            self._deliver()

    # -- troubles ------------------------------------------------------------------------------------------------

    def kick(self, reason: ReasonCode = _BROKE) -> None:
        """The connection breaks. What was under way in it is lost."""
        if self.connection is not None:
            connection, self.connection = self.connection, None
            connection.broke(reason)

    def take_over(self) -> None:
        """Another client came with the agent's id."""
        self.kick(_TAKEN_OVER)

    def go_down(self, forgetful: bool = False) -> None:
        """Nobody listens any more; `forgetful`: nor will it know the session."""
        self.up = False
        self.kick()
        if forgetful:
            self._session = False
            self._queue.clear()
            self._unacked.clear()

    def found_out(self) -> None:
        """The line that was half open breaks."""
        self.deaf = False
        self.kick()

    def come_up(self) -> None:
        """It listens again."""
        self.up, self.deaf = True, False

    # -- a connection's other end --------------------------------------------------------------------------------

    def later(self, act: Callable[[], None]) -> None:
        """After the time that a packet takes."""
        self._baton.at(self._latency_s * (0.5 + self._baton.dice.random()), act)

    def connect(self, connection: "Connection") -> bool:
        """A client comes; was its session there?"""
        self.kick(_TAKEN_OVER)
        self.connection = connection
        present, self._session = self._session, True
        self._queue.extendleft(reversed(self._unacked.values()))  # in their order, before everything else
        self._unacked.clear()
        return present

    def subscribed(self) -> None:
        """What waits for it goes out."""
        self._deliver()

    def puback(self, connection: "Connection", mid: int) -> None:
        """The agent acknowledges a delivery."""
        if connection is self.connection and (message := self._unacked.pop(mid, None)) is not None:
            self._baton.note("puback", mid)
            self.acknowledged(message.key)
            self._deliver()

    def _deliver(self) -> None:
        connection = self.connection
        while connection is not None and connection.open and self._queue and len(self._unacked) < MOST_UNACKED:
            self._mid = self._mid % 65_535 + 1
            message = self._unacked[self._mid] = self._queue.popleft()
            delivery = SimpleNamespace(
                topic=message.topic, payload=message.payload, qos=1, mid=self._mid, retain=False, properties=None
            )
            connection.down(("message", delivery))


class Connection:
    """One connection. Packets arrive in their order, and only while it lives."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self.packets = Queue()
        self.open = False
        self.dead = False
        self._down_at = self._up_at = 0.0

    def down(self, packet: tuple[str, Any]) -> None:
        """To the agent."""
        self._carry(lambda: self.packets.put(packet))

    def up(self, act: Callable[[], None]) -> None:
        """To the broker, which does this when the packet arrives."""
        if not self._broker.deaf:
            self._carry(act)

    def _carry(self, act: Callable[[], None]) -> None:
        baton, latency_s = self._broker._baton, self._broker._latency_s
        self._down_at = max(self._down_at, baton.now + latency_s * (0.5 + baton.dice.random()))  # TCP keeps the order
        baton.at(self._down_at - baton.now, lambda: None if self.dead else act())

    def broke(self, reason: ReasonCode) -> None:
        """Whatever is under way is lost."""
        self.dead = True
        self.packets.put(("closed", reason))


class Client:
    """What `agent.broker.mqtt.Line` uses of paho's client, on this broker. Callbacks come on a thread of its own."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._mids = 0
        self._again_s = 1.0
        self._connection: Connection | None = None
        self._ending = threading.Event()
        self._thread: Thread | None = None
        self.protocol = mqtt.MQTTv5

    def __getattr__(self, name: str) -> Any:
        """paho's settings that mean nothing here: will_set, username_pw_set, connect_async, drop_out_messages."""
        if name in ("will_set", "username_pw_set", "connect_async", "drop_out_messages"):
            return lambda *_, **__: None
        raise AttributeError(name)

    def reconnect_delay_set(self, least: float, _most: float) -> None:
        """How long it waits before it connects again."""
        self._again_s = least

    def loop_start(self) -> None:
        """The network thread."""
        self._thread = Thread(target=self._loop, name="broker")
        self._thread.start()

    def loop_stop(self) -> None:
        """It ends."""
        self._ending.set()
        if self._connection is not None:
            self._connection.packets.put(("closed", _BROKE))
        if self._thread is not None:
            self._thread.join()

    def disconnect(self) -> None:
        """A clean end: what was sent before it arrives."""
        self._ending.set()
        if (connection := self._connection) is not None:
            connection.up(lambda: self._closed(connection))

    def socket(self) -> Any:
        """What `shutdown` is called of."""
        connection = self._connection
        return connection and SimpleNamespace(shutdown=lambda _how: self._closed(connection))

    def ack(self, mid: int, _qos: int) -> int:
        """Send a PUBACK."""
        self._broker._baton.breathe()
        if (connection := self._connection) is not None:
            connection.up(lambda: self._broker.puback(connection, mid))
        return _SUCCESS

    def publish(self, topic: str, payload: bytes, _qos: int, _retain: bool) -> Any:
        """Send at QoS 1."""
        self._broker._baton.breathe()
        self._mids += 1
        mid, connection = self._mids, self._connection
        if connection is not None:
            connection.up(lambda: self._arrived(connection, mid, topic, payload))
        return SimpleNamespace(mid=mid, rc=_SUCCESS)

    def subscribe(self, topics: list[Any]) -> None:
        """Subscribe to all of them."""
        if (connection := self._connection) is not None:
            connection.up(lambda: self._subscribed(connection, len(topics)))

    # -- at the broker -------------------------------------------------------------------------------------------

    def _arrived(self, connection: Connection, mid: int, topic: str, payload: bytes) -> None:
        if connection is self._broker.connection:
            self._broker.heard(topic, payload)
            connection.down(("published", mid))

    def _subscribed(self, connection: Connection, count: int) -> None:
        if connection is self._broker.connection:
            connection.down(("subscribed", [_GRANTED] * count))
            self._broker.subscribed()

    def _closed(self, connection: Connection) -> None:
        if connection is self._broker.connection:
            self._broker.connection = None
        connection.broke(_BROKE)

    # -- the network thread --------------------------------------------------------------------------------------

    def _loop(self) -> None:
        mine: Any = self
        while not self._ending.is_set():
            mine.on_pre_connect(self, None)
            self._ending.wait(self._broker._latency_s)
            if not self._broker.up:
                mine.on_connect_fail(self, None)
            else:
                self._converse(mine)
            self._ending.wait(self._again_s)

    def _converse(self, mine: Any) -> None:
        connection = self._connection = Connection(self._broker)
        present = self._broker.connect(connection)
        connection.open = True
        mine.on_connect(self, None, SimpleNamespace(session_present=present), _ACCEPTED, None)
        reason = _BROKE
        while True:
            kind, what = connection.packets.get()
            if kind == "closed":
                reason = what
                break
            if kind == "message":
                mine.on_message(self, None, what)
            elif kind == "published":
                mine.on_publish(self, None, what, _TAKEN, None)
            else:
                mine.on_subscribe(self, None, 0, what, None)
        connection.dead = True
        self._connection = None
        if self._broker.connection is connection:
            self._broker.connection = None
        said = SimpleNamespace(is_disconnect_packet_from_server=reason is _TAKEN_OVER)
        mine.on_disconnect(self, None, said, reason, None)
