"""A bare MQTT client that does what it is told and writes down everything: paho, without our line above it."""

import socket
import threading
import time
from collections.abc import Callable
from typing import Any, cast

import msgspec
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

ASKED_EXPIRY_S = 604_800
ANSWER_S = 10.0


class Got(msgspec.Struct, frozen=True):
    """A delivery: when it came, by the monotonic clock, and as what."""

    at: float
    mid: int
    dup: bool
    retain: bool
    payload: bytes
    topic: str

    @property
    def number(self) -> int:
        """What `publish_numbers` wrote; -1 for anything else."""
        word = self.payload.split(b" ", 1)[0]
        return int(word) if word.isdigit() else -1


class Wishes(msgspec.Struct, frozen=True):
    """How to connect. `acks`: acknowledge what comes, at once."""

    clean: bool = False
    acks: bool = True
    receive_maximum: int = 0
    packet_maximum: int = 0
    will: tuple[str, bytes] | None = None


class Probe:
    """One client id on one broker. `connect` again and again; what came on every connection is in `got`."""

    def __init__(self, port: int, client_id: str, protocol: str, wishes: Wishes | None = None) -> None:
        self._port, self._id, self._protocol = port, client_id, protocol
        self._client: mqtt.Client | None = None
        self._changed = threading.Condition()
        self._subscribed = False
        self._wishes = wishes or Wishes()
        self.got: list[Got] = []
        self.told: dict[int, str] = {}
        """The broker's word on each message id."""
        self.granted: dict[str, int] = {}
        """What an MQTT 5 broker said when it took us."""
        self.session_present: bool | None = None
        self.refused = ""
        self.ended = ""
        """Why the connection ended; empty while it lasts."""

    # -- the connection ------------------------------------------------------------------------------------------

    def connect(self, wishes: Wishes | None = None, timeout_s: float = ANSWER_S) -> bool:
        """Connect; false when the broker refuses, or says nothing in time. What came earlier is forgotten."""
        wishes = self._wishes = wishes or self._wishes
        self.session_present, self.refused, self.ended, self.granted = None, "", "", {}
        self._subscribed = False
        self.got = []
        v5 = self._protocol == "5"
        client = self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._id,
            clean_session=None if v5 else wishes.clean,
            protocol=mqtt.MQTTv5 if v5 else mqtt.MQTTv311,
            manual_ack=True,
            reconnect_on_failure=False,
        )
        client.max_inflight_messages_set(500)
        client.connect_timeout = timeout_s
        client.on_connect, client.on_disconnect = self._connected, self._disconnected
        client.on_message, client.on_publish, client.on_subscribe = self._message, self._published, self._suback
        if wishes.will is not None:
            client.will_set(wishes.will[0], wishes.will[1], 1, retain=True)
        try:
            if v5:
                client.connect(
                    "127.0.0.1", self._port, 60, clean_start=wishes.clean, properties=self._properties(wishes)
                )
            else:
                client.connect("127.0.0.1", self._port, 60)
        except OSError as exc:
            self.ended = str(exc)
            return False
        client.loop_start()
        self.wait(lambda: self.session_present is not None or bool(self.refused or self.ended), timeout_s)
        return self.session_present is not None

    @property
    def why(self) -> str:
        """Why there is no connection."""
        return self.refused or (f"hangs up {self.ended}" if self.ended else "says nothing")

    def subscribe(self, topic: str) -> bool:
        """Subscribe at QoS 1; false without an answer."""
        self._subscribed = False
        self._line.subscribe(topic, 1)
        return self.wait(lambda: self._subscribed)

    def cut(self) -> None:
        """Break the connection without a word, as a power cut does."""
        client, self._client = self._line, None
        broken = client.socket()
        if broken is not None:
            cast(socket.socket, broken).shutdown(socket.SHUT_RDWR)
        client.loop_stop()

    def close(self) -> None:
        """Disconnect as one should; harmless when there is no connection."""
        client, self._client = self._client, None
        if client is not None:
            client.disconnect()
            client.loop_stop()

    # -- messages ------------------------------------------------------------------------------------------------

    def publish(self, topic: str, payload: bytes, retain: bool = False) -> int:
        """Publish at QoS 1; returns the message id, to be met in `told`."""
        return self._line.publish(topic, payload, 1, retain).mid

    def publish_numbers(self, topic: str, count: int, first: int = 1, timeout_s: float = 60.0) -> dict[int, str]:
        """So many numbered messages, and the broker's word on each; fewer when the time is over."""
        mids = {self.publish(topic, b"%d " % number + b"x" * 50): number for number in range(first, first + count)}
        self.wait(lambda: all(mid in self.told for mid in mids), timeout_s)
        return {number: self.told[mid] for mid, number in mids.items() if mid in self.told}

    def acknowledge(self, got: Got) -> None:
        """Send its PUBACK."""
        self._line.ack(got.mid, 1)

    # -- waiting -------------------------------------------------------------------------------------------------

    def wait(self, done: Callable[[], bool], timeout_s: float = ANSWER_S) -> bool:
        """Wait until that holds, looking at each packet; false when the time is over."""
        with self._changed:
            return self._changed.wait_for(done, timeout_s)

    def wait_quiet(self, quiet_s: float = 1.5, most_s: float = 30.0, enough: int = 1 << 30) -> list[Got]:
        """What came on this connection, once nothing came for so long, or it is enough."""
        ends_at = time.monotonic() + most_s
        before = -1
        while before != len(self.got) and time.monotonic() < ends_at:
            before = len(self.got)
            if self.wait(lambda: len(self.got) >= enough, 0) or before >= enough:
                break
            self.wait(lambda seen=before: len(self.got) > seen, quiet_s)  # type: ignore[misc]  # bound now, on purpose
        return list(self.got)

    # -- callbacks -----------------------------------------------------------------------------------------------

    @property
    def _line(self) -> mqtt.Client:
        if self._client is None:
            raise RuntimeError("the probe is not connected")
        return self._client

    def _properties(self, wishes: Wishes) -> Properties:
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho has no type here
        properties.SessionExpiryInterval = ASKED_EXPIRY_S
        if wishes.receive_maximum:
            properties.ReceiveMaximum = wishes.receive_maximum
        if wishes.packet_maximum:
            properties.MaximumPacketSize = wishes.packet_maximum
        return properties

    def _connected(
        self, client: mqtt.Client, _data: Any, flags: mqtt.ConnectFlags, reason: ReasonCode, properties: Any
    ) -> None:
        with self._changed:
            if client is self._client and reason.is_failure:
                self.refused = str(reason)
            elif client is self._client:
                self.session_present = flags.session_present
                if properties is not None:
                    self.granted = {name: value for name, value in vars(properties).items() if isinstance(value, int)}
            self._changed.notify_all()

    def _disconnected(
        self, client: mqtt.Client, _data: Any, flags: mqtt.DisconnectFlags, reason: ReasonCode, _properties: Any
    ) -> None:
        with self._changed:
            if client is self._client:
                told = flags.is_disconnect_packet_from_server
                self.ended = f"{reason.value} {reason}" if told else "without a word"
            self._changed.notify_all()

    def _message(self, client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        if self._wishes.acks:
            client.ack(message.mid, message.qos)
        found = Got(time.monotonic(), message.mid, message.dup, message.retain, bytes(message.payload), message.topic)
        with self._changed:
            if client is self._client:
                self.got.append(found)
            self._changed.notify_all()

    def _published(self, client: mqtt.Client, _data: Any, mid: int, reason: ReasonCode, _properties: Any) -> None:
        with self._changed:
            if client is self._client:
                self.told[mid] = str(reason)
            self._changed.notify_all()

    def _suback(self, *_: Any) -> None:
        with self._changed:
            self._subscribed = True
            self._changed.notify_all()
