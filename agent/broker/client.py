"""paho's client as this house wants it: bounded in what it keeps, with credentials that are read anew for each
connection, and with our own delays between them.
"""

import socket
from collections.abc import Callable
from typing import Any, Literal, ParamSpec, cast

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from agent import log
from agent.broker.presets import client_id, password
from agent.broker.trust import Trust, tls_context
from agent.config import Broker
from agent.errors import ConfigError
from agent.model.address import BrokerAddress

MOST_UNACKED_IN = 200
LARGEST_PACKET = 300 * 1024
CONNECT_TIMEOUT_S = 10.0
READ_AT_ONCE = 64 * 1024
MOST_QOS_2 = 20
MOST_UNREAD = 20_000
PROTOCOLS = {"5": mqtt.MQTTv5, "3.1.1": mqtt.MQTTv311}
TAKEN_OVER = 142
P = ParamSpec("P")
_TAKEN = (b"\0", b"\0\0", b"\x10", b"\x10\0")
"""What may stand behind the number of a PUBACK of MQTT 5: success, or nobody listens (16); and no properties."""
_SUCCESS = ReasonCode(PacketTypes.PUBACK)
_NO_PROPERTIES = Properties(PacketTypes.PUBACK)  # type: ignore[no-untyped-call]  # paho has no type here
_log = log.get("broker")


class Client(mqtt.Client):
    """paho believes every packet: one of 256 MB goes into memory, so do any number of QoS 2 deliveries that are never
    finished, and of answers that the broker does not read. Of a large packet only the beginning is kept, and a broker
    that floods us is left.

    paho asks the kernel three times for each packet, and again whether there is one: what came is read at once, and
    handed on as paho asks for it.
    """

    _unread = memoryview(b"")
    _drains = False

    def _sock_recv(self, bufsize: int) -> bytes:
        if not self._unread:
            if self._drains:
                raise BlockingIOError
            self._unread = memoryview(super()._sock_recv(READ_AT_ONCE))
        taken, self._unread = self._unread[:bufsize], self._unread[bufsize:]
        return bytes(taken)

    def loop_read(self, max_packets: int = 1) -> MQTTErrorCode:
        """All packets that came at once: nothing says a second time that they are there."""
        result = super().loop_read(max_packets)
        self._drains = True
        while result == MQTTErrorCode.MQTT_ERR_SUCCESS and self._unread:
            result = super().loop_read(max_packets)
        self._drains = False
        return result

    def _sock_close(self) -> None:
        self._unread = memoryview(b"")
        super()._sock_close()

    def _handle_pubackcomp(self, cmd: Literal["PUBACK", "PUBCOMP"]) -> MQTTErrorCode:
        """paho makes a hundred objects to read that a report was taken. Any other word is paho's to read."""
        packet = bytes(self._in_packet["packet"])
        number, word = packet[:2], packet[2:]
        plain = word == b"" or (word in _TAKEN and self._protocol == mqtt.MQTTv5)
        if cmd != "PUBACK" or len(number) < 2 or not plain:
            return super()._handle_pubackcomp(cmd)
        mid = int.from_bytes(number, "big")
        with self._out_message_mutex:
            if mid in self._out_messages:
                return self._do_on_publish(mid, _SUCCESS, _NO_PROPERTIES)
        return MQTTErrorCode.MQTT_ERR_SUCCESS

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


def new_client(settings: Broker, tls: bool) -> Client:
    """A client whose session the broker keeps; nothing is acknowledged by itself, and nothing queued."""
    client = Client(
        CallbackAPIVersion.VERSION2,
        client_id=client_id(settings),
        clean_session=None if settings.protocol == "5" else False,
        protocol=PROTOCOLS[settings.protocol],
        manual_ack=True,
        reconnect_on_failure=True,
    )
    client.suppress_exceptions = True
    client.connect_timeout = CONNECT_TIMEOUT_S
    client.max_inflight_messages_set(0)  # paho's own queue must never hold anything: the outbox counts
    if tls:
        client.tls_set_context(tls_context())  # trusts nobody; each connection gets its own
    # With a hook here paho never writes the socket on the thread that publishes or acknowledges, not even when
    # its own is dead: an error would there come back to us as a disconnection, under our lock.
    client.on_socket_register_write = lambda *_: None
    return client


def aim(client: Client, settings: Broker, address: BrokerAddress) -> None:
    """Where to connect, and what to ask for there; the network thread does it."""
    host, port, keepalive_s = address.host, address.port, settings.keepalive_s
    if settings.protocol != "5":
        client.connect_async(host, port, keepalive_s)
        return
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho has no type here
    properties.SessionExpiryInterval = settings.session_expiry_s
    properties.ReceiveMaximum = MOST_UNACKED_IN
    properties.MaximumPacketSize = LARGEST_PACKET
    client.connect_async(host, port, keepalive_s, clean_start=False, properties=properties)


def log_in(client: mqtt.Client, settings: Broker, trust: Trust | None) -> None:
    """Before each connection: certificates and password may be others than at the last."""
    if trust is not None:
        client._ssl_context = trust.context()
    try:
        secret = settings.password()
    except ConfigError as exc:
        secret = None
        _log.error("broker.password_unreadable", reason=str(exc))
    client.username_pw_set(settings.username or None, password(settings, secret))


def shut(client: mqtt.Client) -> None:
    """Break its connection, if it has one; its network thread then finds it broken."""
    broken = client.socket()
    try:
        if broken is not None:
            cast(socket.socket, broken).shutdown(socket.SHUT_RDWR)
    except OSError as exc:
        _log.debug("broker.hang_up_failed", reason=str(exc))


def wait(client: mqtt.Client, again_s: float) -> None:
    """paho's own back-off starts anew at each CONNACK and has no jitter: it waits as we say."""
    client.reconnect_delay_set(cast(int, again_s), cast(int, again_s))  # any number of seconds will do


def watch_socket(opened: Any, keepalive_s: int) -> None:
    """The broker may switch MQTT's own keepalive off; then the kernel still finds a line that is half open."""
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, keepalive_s)
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, max(1, keepalive_s // 3))
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)


def caught(callback: Callable[P, None]) -> Callable[P, None]:
    """paho swallows what a callback raises, without a word; we say it. A delivery is then sent again later."""

    def call(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            callback(*args, **kwargs)
        except Exception:  # noqa: BLE001  the outermost frame of ours on a thread that must live
            _log.exception("broker.callback_failed", callback=callback.__name__)

    return call


def topic_of(message: mqtt.MQTTMessage) -> str:
    """Its topic; `?` where that is no text."""
    try:
        return message.topic
    except UnicodeDecodeError:
        return "?"


def user_properties(properties: Properties | None) -> dict[str, str] | None:
    """Those of MQTT 5, or None; of a name that stands twice the last."""
    pairs = getattr(properties, "UserProperty", None)
    return None if not pairs else dict(pairs)
