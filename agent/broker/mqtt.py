"""The line to the broker. It connects for ever, hands deliveries up, and acknowledges a delivery only on the
connection that brought it. Nobody outside this room knows paho.

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
from typing import Any, cast

import msgspec
import paho.mqtt.client as mqtt
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from agent import log
from agent.broker.backoff import Backoff
from agent.broker.client import (
    LARGEST_PACKET,
    PROTOCOLS,
    TAKEN_OVER,
    Client,
    aim,
    caught,
    log_in,
    new_client,
    topic_of,
    user_properties,
    wait,
    watch_socket,
)
from agent.broker.hold import Hold
from agent.broker.trust import Trust
from agent.clock import Clock
from agent.config import Broker
from agent.model.preset import preset_of
from agent.model.wire import Delivery

MOST_UNACKED_OUT = 10
SUBSCRIBE_AGAIN_S = 60.0
OLD_PROTOCOL = 132
BAD_LOGIN = (134, 135)
NO_RIGHT = (135, 144)
"""Not authorized; topic name invalid."""
_log = log.get("broker")


class Will(msgspec.Struct, frozen=True):
    """What the broker says, retained, when the line breaks."""

    topic: str
    payload: bytes


class Acknowledged(msgspec.Struct, frozen=True):
    """The broker's word on something published: `taken` is false when it refused it, `denied` true when we may not
    write to that topic at all.
    """

    generation: int
    mid: int
    taken: bool
    reason: str = ""
    denied: bool = False


class Session(msgspec.Struct, frozen=True):
    """What the broker keeps for us while we are away: whether it still had it when we came, and for how many seconds
    it says that it does; None where it does not say, as on MQTT 3.1.1.
    """

    present: bool
    expiry_s: int | None


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
    def login(self) -> str:
        """As whom we come, for a person; no secret."""
        if self._settings.username:
            return f"the user {self._settings.username}"
        file = self._settings.cert_file
        return f"who comes with the certificate {file}" if file is not None else "who comes without a user name"

    @property
    def faults(self) -> dict[str, str]:
        """What needs a person: alarm key and reason."""
        if self._up:
            self._backoff.lasted(self._clock.monotonic() - self._up_at)
        found = dict(self._trust.faults) if self._trust is not None else {}
        if self._refusal:
            found["broker:refused"] = f"the broker refuses us: {self._refusal}"
        if self._denied:
            found["broker:topics"] = (
                f"the broker does not let us read our orders: {self._denied}; "
                f"correct prefix, shop and agent here, or let {self.login} read these topics there"
            )
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
        """Look after the line, each second, from one thread: build the client anew when its network thread
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

    def _build(self) -> Client:
        client = new_client(self._settings, tls=self._trust is not None)
        if self._preset.wills:
            client.will_set(self._will.topic, self._will.payload, 1, retain=self._preset.retains)
        client.on_pre_connect = self._pre_connect
        client.on_connect = self._connected
        client.on_connect_fail = self._connect_failed
        client.on_disconnect = self._disconnected
        client.on_message = self._message
        client.on_publish = self._published
        client.on_subscribe = self._subscribed
        client.on_socket_open = self._socket_opened
        aim(client, self._settings, self._address)
        return client

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

    @caught
    def _pre_connect(self, client: mqtt.Client, _userdata: Any) -> None:
        self._lost()
        self._open, self._answered = True, False
        client.drop_out_messages()
        log_in(client, self._settings, self._trust)

    @caught
    def _socket_opened(self, _client: mqtt.Client, _userdata: Any, opened: Any) -> None:
        watch_socket(opened, self._settings.keepalive_s)

    @caught
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
            self._refusal = f"{reason}{self._advice(reason.value)}"
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

    def _advice(self, code: int) -> str:
        if code == OLD_PROTOCOL:
            return "; write protocol: '3.1.1'"
        if code not in BAD_LOGIN:
            return ""
        source = self._settings.password_source()
        word = "without a password" if source == "none" else f"with the password from {source}"
        return f": {self.login}, {word}; check both with whoever runs the broker"

    def _note_session(self, present: bool, properties: Properties | None) -> None:
        """A broker of MQTT 5 that says nothing grants what was asked; one of 3.1.1 never says."""
        asked_s = self._settings.session_expiry_s
        granted_s = getattr(properties, "SessionExpiryInterval", asked_s) if self._settings.protocol == "5" else None
        self.session = Session(present, granted_s)
        _log.info("broker.connected", session_present=present, session_expiry_s=granted_s, asked_s=asked_s)
        if granted_s is not None and granted_s < asked_s:
            _log.warning("broker.session_shortened", session_expiry_s=granted_s, asked_s=asked_s)

    @caught
    def _connect_failed(self, client: mqtt.Client, _userdata: Any) -> None:
        again_s = self._backoff.failed()
        exc = sys.exception()
        refused = self._trust.refused(exc) if self._trust is not None else ""
        self._say_trouble("broker.unreachable", refused or str(exc or "no connection"), again_s)
        wait(client, again_s)

    @caught
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
            if not self._answered:
                why += self._guess()
            self._say_trouble(event, self._refusal if self._answered else why, again_s)
        # paho goes down to MQTT 3.1 on its own when 3.1.1 is refused, and would stay there.
        self._downgraded = client.protocol != PROTOCOLS[self._settings.protocol]
        wait(client, again_s)

    def _guess(self) -> str:
        """Why a broker hangs up before it says a word."""
        said = ""
        if self._trust is None:
            said += f"; is {self._address.port} its encrypted port? then write mqtts:// in broker.url"
        if self._settings.protocol == "5":
            said += "; a broker that speaks no MQTT 5 may do so: write protocol: '3.1.1'"
        return said + (self._trust.hung_up() if self._trust is not None else "")

    @caught
    def _message(self, _client: mqtt.Client, _userdata: Any, message: mqtt.MQTTMessage) -> None:
        topic = topic_of(message)
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
            user_properties(message.properties),
        )
        if self._hold.enter(len(payload), lambda: self._stopped):
            _log.warning("broker.held_back", waiting=self._hold.count)
        self._on_delivery(delivery)

    @caught
    def _published(
        self,
        _client: mqtt.Client,
        _userdata: Any,
        mid: int,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        denied = reason.value in NO_RIGHT
        self.acknowledged.put(Acknowledged(self._generation, mid, not reason.is_failure, str(reason), denied))

    @caught
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
