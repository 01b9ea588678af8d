"""A line that only listens, to many boxes at once: nothing is published, and the broker keeps no session for it.

All at QoS 0: a broker's queue for QoS 1 is short (mosquitto's holds 1,000), and what does not fit is dropped in
silence, also of the retained messages that a new subscription brings. What is missed comes again with the next beat.
"""

import socket
import sys
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from agent.broker.backoff import Backoff
from agent.broker.client import CONNECT_TIMEOUT_S, PROTOCOLS, TAKEN_OVER, log_in, topic_of, wait
from agent.broker.presets import client_id
from agent.broker.trust import Trust, tls_context
from agent.clock import Clock
from agent.config import Broker

LARGEST_PACKET = 256 * 1024
TWO_OF_US = (
    ", again and again. Perhaps another program has our client id or, where the broker makes the user name the client"
    " id, our user: it takes one connection of each. Give each a user and a client id of its own"
)


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
        self._clock = clock
        self._address = settings.address
        self._filters = filters
        self._on_message = on_message
        self._on_line = on_line
        self._backoff = backoff or Backoff()
        self._client_id = client_id(settings) if settings.client_id else f"fleet-{uuid4().hex[:12]}"
        self._trust = Trust(settings, clock) if self._address.tls else None
        self._stopped = False
        self._refusal = ""
        self._up_at: float | None = None
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
        protocol = PROTOCOLS[self._settings.protocol]
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
        log_in(client, self._settings, self._trust)

    def _socket_opened(self, _client: mqtt.Client, _userdata: Any, opened: Any) -> None:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)  # a whole fleet's status comes in one gush

    def _connected(self, client: mqtt.Client, _userdata: Any, _flags: Any, reason: ReasonCode, _: Any) -> None:
        self._refusal = f"the broker refuses us: {reason}" if reason.is_failure else ""
        if not reason.is_failure:
            self._up_at = self._clock.monotonic()
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
        wait(client, self._backoff.failed())

    def _disconnected(self, client: mqtt.Client, _userdata: Any, _flags: Any, reason: ReasonCode, _: Any) -> None:
        if self._stopped:
            return
        again_s = self._lost(reason)
        why = self._refusal or (str(reason) if reason.value != 128 else "the connection broke")
        self._on_line(False, f"{why}{TWO_OF_US if self._backoff.contested or self._backoff.suspected else ''}")
        wait(client, again_s)

    def _lost(self, reason: ReasonCode) -> float:
        up_at, self._up_at = self._up_at, None
        if up_at is None:
            return self._backoff.failed()
        now = self._clock.monotonic()
        left = self._backoff.taken_over if reason.value == TAKEN_OVER else self._backoff.lost
        return left(now, now - up_at)

    def _message(self, _client: mqtt.Client, _userdata: Any, message: mqtt.MQTTMessage) -> None:
        self._backoff.failures = 0
        self._on_message(topic_of(message), bytes(message.payload), message.retain)
