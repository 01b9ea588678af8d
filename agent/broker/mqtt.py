"""The line to the broker: the only importer of paho. It connects for ever, hands deliveries up, and acknowledges a
delivery only on the connection that brought it.

Everything is QoS 1: paho answers a QoS 2 delivery with PUBREC on arrival, whatever it is told, and a kill then loses
it. We subscribe at QoS 1, so no broker may send one; one that does is logged, and the sequence finds what it lost.
paho's network thread is the broker thread and the only one that touches the socket; a callback only hands on, because
a lock taken or an exception raised in it could stop the line for good.
"""

import queue
import socket
import sys
import threading
from collections.abc import Callable
from typing import Any, ParamSpec, cast

import msgspec
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from agent import log
from agent.broker.backoff import Backoff
from agent.broker.hold import Hold
from agent.broker.presets import client_id, password
from agent.broker.trust import Trust, tls_context
from agent.clock import Clock
from agent.config import Broker
from agent.errors import ConfigError
from agent.model.preset import preset_of
from agent.model.wire import Delivery

MOST_UNACKED_IN = 200
MOST_UNACKED_OUT = 10
LARGEST_PACKET = 300 * 1024
CONNECT_TIMEOUT_S = 10.0
SUBSCRIBE_AGAIN_S = 60.0
READ_AT_ONCE = 64 * 1024
MOST_QOS_2 = 20
MOST_UNREAD = 20_000
TAKEN_OVER = 142
OLD_PROTOCOL = 132
_PROTOCOLS = {"5": mqtt.MQTTv5, "3.1.1": mqtt.MQTTv311}
P = ParamSpec("P")
_log = log.get("broker")


class Will(msgspec.Struct, frozen=True):
    """What the broker says, retained, when the line breaks."""

    topic: str
    payload: bytes


class Acknowledged(msgspec.Struct, frozen=True):
    """The broker's word on something published: `taken` is false when it refused it."""

    generation: int
    mid: int
    taken: bool
    reason: str = ""


class Session(msgspec.Struct, frozen=True):
    """What the broker keeps for us while we are away: whether it still had it when we came, and for how many seconds
    it says that it does; None where it does not say, as on MQTT 3.1.1.
    """

    present: bool
    expiry_s: int | None


class _Client(mqtt.Client):
    """paho believes every packet: one of 256 MB goes into memory, so do any number of QoS 2 deliveries that are never
    finished, and of answers that the broker does not read. Of a large packet only the beginning is kept, and a broker
    that floods us is left.
    """

    def _sock_recv(self, bufsize: int) -> bytes:
        return super()._sock_recv(min(bufsize, READ_AT_ONCE))

    def _packet_read(self) -> MQTTErrorCode:
        result = super()._packet_read()
        packet = self._in_packet["packet"]
        if len(packet) > 2 * LARGEST_PACKET:
            del packet[2 * LARGEST_PACKET :]
        if len(self._in_messages) <= MOST_QOS_2 and len(self._out_packet) <= MOST_UNREAD:
            return result
        _log.warning("broker.flooded", qos_2=len(self._in_messages), unread=len(self._out_packet))
        self._in_messages.clear()
        return MQTTErrorCode.MQTT_ERR_PROTOCOL


def _caught(callback: Callable[P, None]) -> Callable[P, None]:
    """paho swallows what a callback raises, without a word; we say it. A delivery is then sent again later."""

    def call(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            callback(*args, **kwargs)
        except Exception:  # noqa: BLE001  the outermost frame of ours on a thread that must live
            _log.exception("broker.callback_failed", callback=callback.__name__)

    return call


class Line:
    """One agent's connection. `on_delivery` and `on_up` (argument: was the session still there) are called on the
    network thread and must only hand on.
    """

    name = "broker"
    limit_s = 60.0

    def __init__(
        self,
        settings: Broker,
        subscriptions: tuple[str, ...],
        will: Will,
        clock: Clock,
        on_delivery: Callable[[Delivery], None],
        on_up: Callable[[bool], None],
        backoff: Backoff | None = None,
    ) -> None:
        self._settings = settings
        self._address = settings.address
        self._subscriptions = subscriptions
        self._will = will
        self._clock = clock
        self._on_delivery = on_delivery
        self._on_up = on_up
        self._backoff = backoff or Backoff()
        self._hold = Hold()
        self._lock = threading.Lock()
        self._generation = 0
        self._up = False
        self._up_at = 0.0
        self._open = False
        self._answered = self._downgraded = False
        self._refusal = ""
        self._trouble = ""
        self._denied = ""
        self._subscribe_at = float("inf")
        self._revive_at = 0.0
        self._aliens: set[str] = set()
        self._stopped = False
        self.most_unacked_out = MOST_UNACKED_OUT
        self.session: Session | None = None
        self.acknowledged: queue.SimpleQueue[Acknowledged | None] = queue.SimpleQueue()
        self._preset = preset_of(settings.preset)
        self._trust = Trust(settings, clock) if self._address.tls else None
        self._client = self._build()

    # -- for the rooms above -------------------------------------------------------------------------------------

    @property
    def generation(self) -> int:
        """Which connection this is; it grows with every attempt and every loss."""
        return self._generation

    @property
    def up(self) -> bool:
        """Did the broker accept this connection, and is it not known to be lost?"""
        return self._up

    @property
    def faults(self) -> dict[str, str]:
        """What needs a person: alarm key and reason."""
        if self._up:
            self._backoff.lasted(self._clock.monotonic() - self._up_at)
        found = dict(self._trust.faults) if self._trust is not None else {}
        if self._refusal:
            found["broker:refused"] = f"the broker refuses us: {self._refusal}"
        if self._denied:
            found["broker:topics"] = f"the broker does not let us read our orders: {self._denied}"
        if self._backoff.contested:
            found["broker:client_id"] = (
                f"another program uses our client id {self._settings.client_id}; give one of them another"
            )
        elif self._backoff.suspected:
            found["broker:client_id"] = (
                f"perhaps another box uses our client id {self._settings.client_id}: the broker takes us and hangs up, "
                "again and again; give each box an agent name of its own"
            )
        return found

    def acknowledge(self, delivery: Delivery) -> bool:
        """Settle a delivery: send its PUBACK, unless the connection that brought it is gone; then the broker sends it
        again. Every delivery that was handed up comes here once.
        """
        self._hold.leave(len(delivery.payload))
        if delivery.qos == 0 or delivery.mid == 0:
            return True
        with self._lock:
            if not self._up or delivery.generation != self._generation:
                return False
            return self._client.ack(delivery.mid, delivery.qos) == mqtt.MQTT_ERR_SUCCESS

    def publish(self, topic: str, payload: bytes, retain: bool = False) -> int | None:
        """Send at QoS 1; returns the message's id, to be met again in `acknowledged`, or None while the line is down.

        At most `most_unacked_out` may be on the way. What was on the way when the line broke must be sent again.
        """
        if not self._up:
            return None
        info = self._client.publish(topic, payload, 1, retain and self._preset.retains)
        return info.mid if info.rc == mqtt.MQTT_ERR_SUCCESS else None

    def hang_up(self, reason: str) -> None:
        """Break this connection, because nothing good can come of it; a new one is made by itself."""
        _log.warning("broker.hung_up", reason=reason)
        broken = self._client.socket()
        try:
            if broken is not None:
                cast(socket.socket, broken).shutdown(socket.SHUT_RDWR)
        except OSError as exc:
            _log.debug("broker.hang_up_failed", reason=str(exc))

    # -- a service -----------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the network thread; it connects by itself."""
        self._client.loop_start()

    def stop(self, deadline_s: float) -> None:
        """Disconnect cleanly and end the network thread, or leave it behind when the broker does not let go."""
        self._stopped = True
        client = self._client
        client.disconnect()
        ender = threading.Thread(target=client.loop_stop, name="broker-stop", daemon=True)
        ender.start()
        ender.join(deadline_s)

    def alive(self) -> bool:
        """Does the network thread run?"""
        thread = self._client._thread
        return thread is not None and thread.is_alive()

    def progress(self) -> float:
        """paho's thread has no pulse of its own to read; whether it lives is what can be known."""
        return self._clock.monotonic()

    def tend(self) -> None:
        """Look after the line, several times a second, from one thread: build the client anew when its network thread
        died (a dead one still claims to be connected), ask again for topics that were refused.
        """
        now = self._clock.monotonic()
        if self._stopped:
            return
        if not self.alive():
            if now >= self._revive_at:
                self._revive(now)
        elif self._downgraded:
            self._downgraded = False
            self._client.disconnect()  # its thread ends
        elif now >= self._subscribe_at and self._up:
            if not self._denied:
                self._denied = f"it has not answered for {SUBSCRIBE_AGAIN_S:.0f} s"
                _log.error("broker.subscription_unanswered", again_in_s=SUBSCRIBE_AGAIN_S)
            self._subscribe(self._client)

    def _revive(self, now: float) -> None:
        again_s = self._backoff.failed()
        self._revive_at = now + again_s
        _log.error("broker.thread_died", again_in_s=again_s)
        self._lost()
        self.hang_up("its thread is gone")
        self._client = self._build()
        self._client.loop_start()

    # -- the client ----------------------------------------------------------------------------------------------

    def _build(self) -> mqtt.Client:
        s = self._settings
        v5 = s.protocol == "5"
        client = _Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id(s),
            clean_session=None if v5 else False,
            protocol=_PROTOCOLS[s.protocol],
            manual_ack=True,
            reconnect_on_failure=True,
        )
        client.suppress_exceptions = True
        client.connect_timeout = CONNECT_TIMEOUT_S
        client.max_inflight_messages_set(0)  # paho's own queue must never hold anything: the outbox counts
        if self._preset.wills:
            client.will_set(self._will.topic, self._will.payload, 1, retain=self._preset.retains)
        if self._trust is not None:
            client.tls_set_context(tls_context())  # trusts nobody; each connection gets its own
        client.on_pre_connect = self._pre_connect
        client.on_connect = self._connected
        client.on_connect_fail = self._connect_failed
        client.on_disconnect = self._disconnected
        client.on_message = self._message
        client.on_publish = self._published
        client.on_subscribe = self._subscribed
        client.on_socket_open = self._socket_opened
        # With a hook here paho never writes the socket on the thread that publishes or acknowledges, not even when
        # its own is dead: an error would there come back to us as a disconnection, under our lock.
        client.on_socket_register_write = lambda *_: None
        if v5:
            client.connect_async(
                self._address.host,
                self._address.port,
                s.keepalive_s,
                clean_start=False,
                properties=self._connect_properties(),
            )
        else:
            client.connect_async(self._address.host, self._address.port, s.keepalive_s)
        return client

    def _connect_properties(self) -> Properties:
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho has no type here
        properties.SessionExpiryInterval = self._settings.session_expiry_s
        properties.ReceiveMaximum = MOST_UNACKED_IN
        properties.MaximumPacketSize = LARGEST_PACKET
        return properties

    def _subscribe(self, client: mqtt.Client) -> None:
        self._subscribe_at = self._clock.monotonic() + SUBSCRIBE_AGAIN_S
        if self._settings.protocol == "5":
            client.subscribe([(topic, SubscribeOptions(qos=1, retainHandling=2)) for topic in self._subscriptions])
        else:
            client.subscribe([(topic, 1) for topic in self._subscriptions])

    def _lost(self) -> bool:
        """Nothing of the connection that was may be acknowledged any more. True when it had been up."""
        with self._lock:
            was_up, self._up = self._up, False
            self._generation += 1
        return was_up

    def _say_trouble(self, event: str, reason: str, again_s: float) -> None:
        """Once for each reason, until the line was up again."""
        if reason != self._trouble:
            self._trouble = reason
            _log.warning(event, reason=reason, host=self._address.host, port=self._address.port, again_in_s=again_s)

    # -- callbacks, on the network thread ------------------------------------------------------------------------

    @_caught
    def _pre_connect(self, client: mqtt.Client, _userdata: Any) -> None:
        self._lost()
        self._open, self._answered = True, False
        client.drop_out_messages()
        if self._trust is not None:
            client._ssl_context = self._trust.context()
        try:
            secret = self._settings.password()
        except ConfigError as exc:
            secret = None
            _log.error("broker.password_unreadable", reason=str(exc))
        client.username_pw_set(self._settings.username or None, password(self._settings, secret))

    @_caught
    def _socket_opened(self, _client: mqtt.Client, _userdata: Any, opened: Any) -> None:
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # The broker may switch MQTT's own keepalive off; then the kernel still finds a line that is half open.
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, self._settings.keepalive_s)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, max(1, self._settings.keepalive_s // 3))
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)

    @_caught
    def _connected(
        self,
        client: mqtt.Client,
        _userdata: Any,
        flags: mqtt.ConnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        self._answered = True
        if reason.is_failure:
            advice = "; write protocol: '3.1.1'" if reason.value == OLD_PROTOCOL else ""
            self._refusal = f"{reason}{advice}"
            return
        self.most_unacked_out = max(1, min(MOST_UNACKED_OUT, getattr(properties, "ReceiveMaximum", MOST_UNACKED_OUT)))
        self._trouble = self._refusal = ""
        if self._trust is not None:
            self._trust.accepted()
        self._subscribe(client)
        with self._lock:
            self._up = True
            self._up_at = self._clock.monotonic()
        self._note_session(flags.session_present, properties)
        self._on_up(flags.session_present)

    def _note_session(self, present: bool, properties: Properties | None) -> None:
        """A broker of MQTT 5 that says nothing grants what was asked; one of 3.1.1 never says."""
        asked_s = self._settings.session_expiry_s
        granted_s = getattr(properties, "SessionExpiryInterval", asked_s) if self._settings.protocol == "5" else None
        self.session = Session(present, granted_s)
        _log.info("broker.connected", session_present=present, session_expiry_s=granted_s, asked_s=asked_s)
        if granted_s is not None and granted_s < asked_s:
            _log.warning("broker.session_shortened", session_expiry_s=granted_s, asked_s=asked_s)

    @_caught
    def _connect_failed(self, client: mqtt.Client, _userdata: Any) -> None:
        again_s = self._backoff.failed()
        exc = sys.exception()
        refused = self._trust.refused(exc) if self._trust is not None else ""
        self._say_trouble("broker.unreachable", refused or str(exc or "no connection"), again_s)
        _wait(client, again_s)

    @_caught
    def _disconnected(
        self,
        client: mqtt.Client,
        _userdata: Any,
        flags: mqtt.DisconnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        was_up = self._lost()
        was_open, self._open = self._open, False
        if self._stopped or not was_open:  # paho may say it twice
            return
        why = str(reason) if flags.is_disconnect_packet_from_server or reason.value != 128 else "the connection broke"
        now = self._clock.monotonic()
        if was_up and reason.value == TAKEN_OVER:
            again_s = self._backoff.taken_over(now, now - self._up_at)
            _log.warning("broker.taken_over", client_id=self._settings.client_id, again_in_s=again_s)
        elif was_up:
            suspected = self._backoff.suspected
            again_s = self._backoff.lost(now, now - self._up_at)
            _log.warning("broker.lost", reason=why, again_in_s=again_s)
            if self._backoff.suspected and not suspected:
                _log.warning("broker.contested_perhaps", client_id=self._settings.client_id, again_in_s=again_s)
        else:
            again_s = self._backoff.failed()
            event = "broker.refused" if self._answered else "broker.never_answered"
            if not self._answered and self._settings.protocol == "5":
                why += "; a broker that speaks no MQTT 5 may do so: write protocol: '3.1.1'"
            if self._trust is not None and not self._answered:
                why += self._trust.hung_up()
            self._say_trouble(event, self._refusal if self._answered else why, again_s)
        # paho goes down to MQTT 3.1 on its own when 3.1.1 is refused, and would stay there.
        self._downgraded = client.protocol != _PROTOCOLS[self._settings.protocol]
        _wait(client, again_s)

    @_caught
    def _message(self, _client: mqtt.Client, _userdata: Any, message: mqtt.MQTTMessage) -> None:
        topic = _topic(message)
        if topic not in self._subscriptions and topic not in self._aliens and len(self._aliens) < 100:
            self._aliens.add(topic)
            _log.warning("broker.alien_topic", topic=topic)
        if message.qos != 1 or message.mid == 0:
            _log.warning("broker.wrong_delivery", topic=topic, qos=message.qos, mid=message.mid)
        payload = bytes(message.payload[:LARGEST_PACKET])  # no order is as large; the front door refuses it
        delivery = Delivery(
            self._generation,
            message.mid,
            topic,
            payload,
            message.qos,
            message.retain,
            _user_properties(message.properties),
        )
        if self._hold.enter(len(payload), lambda: self._stopped):
            _log.warning("broker.held_back", waiting=self._hold.count)
        self._on_delivery(delivery)

    @_caught
    def _published(
        self,
        _client: mqtt.Client,
        _userdata: Any,
        mid: int,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        self.acknowledged.put(Acknowledged(self._generation, mid, not reason.is_failure, str(reason)))

    @_caught
    def _subscribed(
        self,
        _client: mqtt.Client,
        _userdata: Any,
        _mid: int,
        reasons: list[ReasonCode],
        _properties: Properties | None,
    ) -> None:
        denied = [
            f"{topic} ({reason})"
            for topic, reason in zip(self._subscriptions, reasons, strict=False)
            if reason.is_failure or reason.value == 0
        ]
        self._denied = ", ".join(denied)
        if denied:
            _log.error("broker.subscription_refused", topics=self._denied, again_in_s=SUBSCRIBE_AGAIN_S)
        else:
            self._subscribe_at = float("inf")
            _log.info("broker.subscribed", topics=", ".join(self._subscriptions))


def _wait(client: mqtt.Client, again_s: float) -> None:
    """paho's own back-off starts anew at each CONNACK and has no jitter: it waits as we say."""
    client.reconnect_delay_set(cast(int, again_s), cast(int, again_s))  # any number of seconds will do


def _topic(message: mqtt.MQTTMessage) -> str:
    try:
        return message.topic
    except UnicodeDecodeError:
        return "?"


def _user_properties(properties: Properties | None) -> dict[str, str] | None:
    pairs = getattr(properties, "UserProperty", None)
    return None if not pairs else dict(pairs)
