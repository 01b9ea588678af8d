"""A line that only listens, to many boxes at once: nothing is published, and the broker keeps no session for it.

All at QoS 0: a broker's queue for QoS 1 is short (mosquitto's holds 1,000), and what does not fit is dropped in
silence, also of the retained messages that a new subscription brings. What is missed comes again with the next beat.
"""

import socket
import sys
from collections.abc import Callable
from typing import Any, cast
from uuid import uuid4

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from agent import log
from agent.broker.backoff import Backoff
from agent.broker.presets import client_id, password
from agent.broker.trust import Trust, tls_context
from agent.clock import Clock
from agent.config import Broker
from agent.errors import ConfigError

LARGEST_PACKET = 256 * 1024
CONNECT_TIMEOUT_S = 10.0
_PROTOCOLS = {"5": mqtt.MQTTv5, "3.1.1": mqtt.MQTTv311}
_log = log.get("broker")


class Listener:
    """`on_message` is given topic, payload and whether it was retained; `on_line` whether we hear, and why not. Both
    are called on the network thread.
    """

    def __init__(
        self,
        settings: Broker,
        clock: Clock,
        filters: tuple[str, ...],
        on_message: Callable[[str, bytes, bool], None],
        on_line: Callable[[bool, str], None],
        backoff: Backoff | None = None,
    ) -> None:
        self._settings = settings
        self._address = settings.address
        self._filters = filters
        self._on_message = on_message
        self._on_line = on_line
        self._backoff = backoff or Backoff()
        self._client_id = client_id(settings) if settings.client_id else f"fleet-{uuid4().hex[:12]}"
        self._trust = Trust(settings, clock) if self._address.tls else None
        self._stopped = False
        self._refusal = ""
        self._client = self._build()

    def start(self) -> None:
        """Start the network thread; it connects by itself, again and again."""
        self._client.loop_start()

    def tend(self) -> None:
        """Build the client anew when its thread has died. To be called now and then, from one thread."""
        thread = self._client._thread
        if not self._stopped and (thread is None or not thread.is_alive()):
            self._on_line(False, "its thread died")
            self._client = self._build()
            self._client.loop_start()

    def stop(self) -> None:
        """Hang up."""
        self._stopped = True
        self._client.disconnect()
        self._client.loop_stop()

    def _build(self) -> mqtt.Client:
        protocol = _PROTOCOLS[self._settings.protocol]
        client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=self._client_id, protocol=protocol)
        client.suppress_exceptions = True
        client.connect_timeout = CONNECT_TIMEOUT_S
        if self._trust is not None:
            client.tls_set_context(tls_context())  # trusts nobody; each connection gets its own
        client.on_pre_connect = self._pre_connect
        client.on_socket_open = self._socket_opened
        client.on_connect = self._connected
        client.on_connect_fail = self._connect_failed
        client.on_subscribe = self._subscribed
        client.on_disconnect = self._disconnected
        client.on_message = self._message
        host, port, keepalive_s = self._address.host, self._address.port, self._settings.keepalive_s
        if protocol == mqtt.MQTTv5:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho has no type here
            properties.MaximumPacketSize = LARGEST_PACKET
            client.connect_async(host, port, keepalive_s, clean_start=True, properties=properties)
        else:
            client.connect_async(host, port, keepalive_s)
        return client

    # -- callbacks, on the network thread ------------------------------------------------------------------------

    def _pre_connect(self, client: mqtt.Client, _userdata: Any) -> None:
        if self._trust is not None:
            client._ssl_context = self._trust.context()
        try:
            secret = self._settings.password()
        except ConfigError as exc:
            secret = None
            _log.error("broker.password_unreadable", reason=str(exc))
        client.username_pw_set(self._settings.username or None, password(self._settings, secret))

    def _socket_opened(self, _client: mqtt.Client, _userdata: Any, opened: Any) -> None:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)  # a whole fleet's status comes in one gush

    def _connected(self, client: mqtt.Client, _userdata: Any, _flags: Any, reason: ReasonCode, _: Any) -> None:
        self._refusal = f"the broker refuses us: {reason}" if reason.is_failure else ""
        if not reason.is_failure:
            client.subscribe([(each, 0) for each in self._filters])

    def _subscribed(self, _client: mqtt.Client, _data: Any, _mid: int, reasons: list[ReasonCode], _: Any) -> None:
        denied = [
            f"{each} ({reason})" for each, reason in zip(self._filters, reasons, strict=False) if reason.is_failure
        ]
        self._on_line(not denied, f"the broker does not let us read {', '.join(denied)}" if denied else "")

    def _connect_failed(self, client: mqtt.Client, _userdata: Any) -> None:
        exc = sys.exception()
        refused = self._trust.refused(exc) if self._trust is not None else ""
        self._on_line(False, refused or str(exc or "no connection"))
        self._wait(client)

    def _disconnected(self, client: mqtt.Client, _userdata: Any, _flags: Any, reason: ReasonCode, _: Any) -> None:
        if not self._stopped:
            self._on_line(False, self._refusal or (str(reason) if reason.value != 128 else "the connection broke"))
            self._wait(client)

    def _message(self, _client: mqtt.Client, _userdata: Any, message: mqtt.MQTTMessage) -> None:
        self._backoff.failures = 0
        try:
            topic = message.topic
        except UnicodeDecodeError:
            return
        self._on_message(topic, bytes(message.payload), message.retain)

    def _wait(self, client: mqtt.Client) -> None:
        again_s = cast(int, self._backoff.failed())  # any number of seconds will do
        client.reconnect_delay_set(again_s, again_s)
