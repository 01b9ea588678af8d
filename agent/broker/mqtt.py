"""The line to the broker: the only importer of paho. It connects for ever, hands deliveries up, and acknowledges a
delivery only on the connection that brought it.

Everything is QoS 1: paho acknowledges QoS 2 on arrival, whatever it is told. paho's network thread is the broker
thread; a callback only hands on, because a lock taken or an exception raised in it could stop the line for good.
"""

import queue
import random
import socket
import threading
from collections.abc import Callable
from typing import Any, cast

import msgspec
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from agent import log
from agent.clock import Clock
from agent.config import Broker
from agent.errors import ConfigError
from agent.model.wire import Delivery

MOST_UNACKED_IN = 200
MOST_UNACKED_OUT = 10
LARGEST_PACKET = 300 * 1024
SLOWEST_RETRY_S = 30.0
STEADY_AFTER_S = 20.0
CONNECT_TIMEOUT_S = 10.0
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
    ) -> None:
        self._settings = settings
        self._address = settings.address
        self._subscriptions = subscriptions
        self._will = will
        self._clock = clock
        self._on_delivery = on_delivery
        self._on_up = on_up
        self._lock = threading.Lock()
        self._generation = 0
        self._up = False
        self._up_at = 0.0
        self._failures = 0
        self._stopped = False
        self.most_unacked_out = MOST_UNACKED_OUT
        self.acknowledged: queue.SimpleQueue[Acknowledged] = queue.SimpleQueue()
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

    def acknowledge(self, delivery: Delivery) -> bool:
        """Send the PUBACK, unless the connection that brought the delivery is gone: then the broker sends it again."""
        if delivery.qos == 0:
            return True
        with self._lock:
            if not self._up or delivery.generation != self._generation:
                return False
            return self._client.ack(delivery.mid, 1) == mqtt.MQTT_ERR_SUCCESS

    def publish(self, topic: str, payload: bytes, retain: bool = False) -> int | None:
        """Send at QoS 1; returns the message's id, to be met again in `acknowledged`, or None while the line is down.

        At most `most_unacked_out` may be on the way. What was on the way when the line broke must be sent again.
        """
        if not self._up:
            return None
        info = self._client.publish(topic, payload, 1, retain)
        return info.mid if info.rc == mqtt.MQTT_ERR_SUCCESS else None

    # -- a service -----------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the network thread; it connects by itself."""
        self._client.loop_start()

    def stop(self, deadline_s: float) -> None:
        """Disconnect cleanly and end the network thread."""
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

    def revive(self) -> None:
        """Build the client anew when its network thread died: a dead one still claims to be connected."""
        if self._stopped or self.alive():
            return
        _log.error("broker.thread_died")
        self._lost()
        self._client = self._build()
        self._client.loop_start()

    # -- the client ----------------------------------------------------------------------------------------------

    def _build(self) -> mqtt.Client:
        s = self._settings
        v5 = s.protocol == "5"
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=s.client_id,
            clean_session=None if v5 else False,
            protocol=mqtt.MQTTv5 if v5 else mqtt.MQTTv311,
            manual_ack=True,
            reconnect_on_failure=True,
        )
        client.suppress_exceptions = True
        client.connect_timeout = CONNECT_TIMEOUT_S
        client.max_inflight_messages_set(MOST_UNACKED_OUT)
        client.will_set(self._will.topic, self._will.payload, 1, retain=True)
        if self._address.tls:
            client.tls_set(ca_certs=_path(s.ca_file), certfile=_path(s.cert_file), keyfile=_path(s.key_file))
        client.on_pre_connect = self._pre_connect
        client.on_connect = self._connected
        client.on_connect_fail = self._connect_failed
        client.on_disconnect = self._disconnected
        client.on_message = self._message
        client.on_publish = self._published
        client.on_subscribe = self._subscribed
        client.on_socket_open = self._socket_opened
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

    def _lost(self) -> bool:
        """Nothing of the connection that was may be acknowledged any more. True when it had been up."""
        with self._lock:
            was_up, self._up = self._up, False
            self._generation += 1
        return was_up

    def _wait_before_retry(self) -> None:
        """paho waits as we say: longer with each failure, never in step with other boxes."""
        self._failures += 1
        longest_s = min(SLOWEST_RETRY_S, 0.5 * 2 ** min(self._failures, 10))
        delay_s = random.uniform(longest_s / 4, longest_s)
        self._client.reconnect_delay_set(cast(int, delay_s), cast(int, delay_s))  # any number of seconds will do

    # -- callbacks, on the network thread ------------------------------------------------------------------------

    def _pre_connect(self, client: mqtt.Client, _userdata: Any) -> None:
        self._lost()
        client.drop_out_messages()
        try:
            password = self._settings.password()
        except ConfigError as exc:
            password = None
            _log.error("broker.password_unreadable", reason=str(exc))
        client.username_pw_set(self._settings.username or None, password)

    def _connected(
        self,
        client: mqtt.Client,
        _userdata: Any,
        flags: mqtt.ConnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if reason.is_failure:
            _log.error("broker.refused", reason=str(reason))
            return
        self.most_unacked_out = min(MOST_UNACKED_OUT, getattr(properties, "ReceiveMaximum", MOST_UNACKED_OUT))
        if self._settings.protocol == "5":
            client.subscribe([(topic, SubscribeOptions(qos=1, retainHandling=2)) for topic in self._subscriptions])
        else:
            client.subscribe([(topic, 1) for topic in self._subscriptions])
        with self._lock:
            self._up = True
            self._up_at = self._clock.monotonic()
        expiry_s = getattr(properties, "SessionExpiryInterval", self._settings.session_expiry_s)
        _log.info("broker.connected", session_present=flags.session_present, session_expiry_s=expiry_s)
        self._on_up(flags.session_present)

    def _connect_failed(self, _client: mqtt.Client, _userdata: Any) -> None:
        if self._failures == 0:
            _log.warning("broker.unreachable", host=self._address.host, port=self._address.port)
        self._wait_before_retry()

    def _disconnected(
        self,
        _client: mqtt.Client,
        _userdata: Any,
        _flags: mqtt.DisconnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        was_up = self._lost()
        if was_up and self._clock.monotonic() - self._up_at > STEADY_AFTER_S:
            self._failures = 0
        if was_up and not self._stopped:
            _log.warning("broker.lost", reason=str(reason))
        self._wait_before_retry()

    def _message(self, _client: mqtt.Client, _userdata: Any, message: mqtt.MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = "?"
        if topic not in self._subscriptions:
            _log.warning("broker.alien_topic", topic=topic)
        if message.qos > 1:
            _log.warning("broker.wrong_qos", topic=topic, qos=message.qos)
        self._on_delivery(
            Delivery(
                self._generation,
                message.mid,
                topic,
                bytes(message.payload),
                message.qos,
                message.retain,
                _user_properties(message.properties),
            )
        )

    def _published(
        self,
        _client: mqtt.Client,
        _userdata: Any,
        mid: int,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        self.acknowledged.put(Acknowledged(self._generation, mid, not reason.is_failure))

    def _subscribed(
        self,
        _client: mqtt.Client,
        _userdata: Any,
        _mid: int,
        reasons: list[ReasonCode],
        _properties: Properties | None,
    ) -> None:
        for topic, reason in zip(self._subscriptions, reasons, strict=False):
            if reason.is_failure:
                _log.error("broker.subscription_refused", topic=topic, reason=str(reason))
            else:
                _log.info("broker.subscribed", topic=topic)

    def _socket_opened(self, _client: mqtt.Client, _userdata: Any, opened: Any) -> None:
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _path(path: object | None) -> str | None:
    return None if path is None else str(path)


def _user_properties(properties: Properties | None) -> dict[str, str] | None:
    pairs = getattr(properties, "UserProperty", None)
    return None if not pairs else dict(pairs)
