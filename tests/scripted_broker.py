"""A broker that does what a test says, packet by packet: MQTT 3.1.1 and 5 over a raw socket, its own reader and writer.

with ScriptedBroker() as broker:
    peer = broker.accept()                      # the client's TCP connection
    connect = peer.expect("CONNECT")
    peer.connack(session_present=True)

A thread per connection reads. It answers pings (unless `deaf`) and, with `acks`, each QoS 1 PUBLISH. What it read is
for ever in `seen`: "nothing was sent" is asserted by a later packet that arrived without it.
"""

import contextlib
import queue
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, Self

import msgspec

TIMEOUT_S = 10.0
KINDS = (
    *("", "CONNECT", "CONNACK", "PUBLISH", "PUBACK", "PUBREC", "PUBREL", "PUBCOMP", "SUBSCRIBE", "SUBACK"),
    *("UNSUBSCRIBE", "UNSUBACK", "PINGREQ", "PINGRESP", "DISCONNECT", "AUTH"),
)
_BYTE, _TWO, _FOUR, _VAR, _BYTES, _TEXT, _PAIR = range(7)
_PROPERTIES = {
    1: ("payload_format", _BYTE),
    2: ("message_expiry", _FOUR),
    3: ("content_type", _TEXT),
    8: ("response_topic", _TEXT),
    9: ("correlation", _BYTES),
    11: ("subscription_id", _VAR),
    17: ("session_expiry", _FOUR),
    18: ("assigned_client_id", _TEXT),
    19: ("server_keepalive", _TWO),
    23: ("request_problem", _BYTE),
    24: ("will_delay", _FOUR),
    25: ("request_response", _BYTE),
    28: ("server_reference", _TEXT),
    31: ("reason_string", _TEXT),
    33: ("receive_maximum", _TWO),
    34: ("topic_alias_maximum", _TWO),
    35: ("topic_alias", _TWO),
    36: ("maximum_qos", _BYTE),
    37: ("retain_available", _BYTE),
    38: ("user", _PAIR),
    39: ("maximum_packet_size", _FOUR),
}
_IDS = {name: (number, form) for number, (name, form) in _PROPERTIES.items()}
Properties = dict[str, Any]


class Packet(msgspec.Struct, kw_only=True):
    """What the client sent. Only what its kind has is filled in."""

    kind: str
    properties: Properties = {}
    mid: int = 0
    reason: int = 0
    # PUBLISH, and the will of a CONNECT
    topic: str = ""
    payload: bytes = b""
    qos: int = 0
    retain: bool = False
    dup: bool = False
    # CONNECT
    protocol: tuple[str, int] = ("", 0)
    clean: bool = False
    keepalive: int = 0
    client_id: str = ""
    has_will: bool = False
    username: str | None = None
    password: bytes | None = None
    # SUBSCRIBE: topic and options
    filters: list[tuple[str, int]] = []


class Reader:
    """A cursor over the bytes of one packet."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, count: int) -> bytes:
        """So many bytes."""
        found = self._data[self._at : self._at + count]
        if len(found) != count:
            raise ValueError("the packet is too short")
        self._at += count
        return found

    def number(self, size: int) -> int:
        """A big-endian number."""
        return int.from_bytes(self.take(size), "big")

    def binary(self) -> bytes:
        """Bytes after their length."""
        return self.take(self.number(2))

    def text(self) -> str:
        """UTF-8 after its length."""
        return self.binary().decode()

    def variable(self) -> int:
        """A variable byte integer."""
        value = shift = 0
        while True:
            byte = self.number(1)
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    def rest(self) -> bytes:
        """What is left."""
        return self.take(len(self._data) - self._at)

    def more(self) -> bool:
        """Is anything left?"""
        return self._at < len(self._data)

    def properties(self) -> Properties:
        """MQTT 5 properties."""
        inner = Reader(self.take(self.variable()))
        found: Properties = {}
        while inner.more():
            name, form = _PROPERTIES[inner.variable()]
            if form == _PAIR:
                found.setdefault("user", []).append((inner.text(), inner.text()))
            elif form == _TEXT:
                found[name] = inner.text()
            elif form == _BYTES:
                found[name] = inner.binary()
            else:
                found[name] = inner.variable() if form == _VAR else inner.number((1, 2, 4)[form])
        return found


def variable(value: int) -> bytes:
    """A variable byte integer."""
    found = bytearray()
    while True:
        value, low = value >> 7, value & 127
        found.append(low | (128 if value else 0))
        if not value:
            return bytes(found)


def binary(data: bytes | str) -> bytes:
    """Bytes or text after their length."""
    data = data.encode() if isinstance(data, str) else data
    return struct.pack("!H", len(data)) + data


def packed(properties: Properties) -> bytes:
    """MQTT 5 properties on the wire."""
    inner = bytearray()
    for name, value in properties.items():
        number, form = _IDS[name]
        if form == _PAIR:
            for key, text in value:
                inner += bytes((number,)) + binary(key) + binary(text)
        elif form in (_TEXT, _BYTES):
            inner += bytes((number,)) + binary(value)
        else:
            inner += bytes((number,)) + (variable(value) if form == _VAR else value.to_bytes((1, 2, 4)[form], "big"))
    return variable(len(inner)) + bytes(inner)


def framed(first: int, body: bytes) -> bytes:
    """A whole packet."""
    return bytes((first,)) + variable(len(body)) + body


def parse(first: int, body: bytes, v5: bool) -> Packet:
    """One packet of a client."""
    kind, reader = KINDS[first >> 4], Reader(body)
    match kind:
        case "CONNECT":
            return _connect(reader)
        case "PUBLISH":
            qos = first >> 1 & 3
            topic, mid = reader.text(), reader.number(2) if qos else 0
            properties = reader.properties() if v5 else {}
            retain, dup = bool(first & 1), bool(first & 8)
            return Packet(
                kind=kind,
                topic=topic,
                mid=mid,
                qos=qos,
                retain=retain,
                dup=dup,
                properties=properties,
                payload=reader.rest(),
            )
        case "SUBSCRIBE" | "UNSUBSCRIBE":
            mid, properties, filters = reader.number(2), reader.properties() if v5 else {}, []
            while reader.more():
                filters.append((reader.text(), reader.number(1) if kind == "SUBSCRIBE" else 0))
            return Packet(kind=kind, mid=mid, properties=properties, filters=filters)
        case "PUBACK" | "PUBREC" | "PUBREL" | "PUBCOMP":
            return Packet(kind=kind, mid=reader.number(2), reason=reader.number(1) if reader.more() else 0)
        case "DISCONNECT":
            return Packet(kind=kind, reason=reader.number(1) if reader.more() else 0)
    return Packet(kind=kind)


def _connect(reader: Reader) -> Packet:
    name, level, flags, keepalive = reader.text(), reader.number(1), reader.number(1), reader.number(2)
    v5 = level == 5
    found = Packet(
        kind="CONNECT", protocol=(name, level), clean=bool(flags & 2), keepalive=keepalive, has_will=bool(flags & 4)
    )
    found.properties = reader.properties() if v5 else {}
    found.client_id = reader.text()
    if found.has_will:
        found.qos, found.retain = flags >> 3 & 3, bool(flags & 32)
        if v5:
            reader.properties()
        found.topic, found.payload = reader.text(), reader.binary()
    found.username = reader.text() if flags & 128 else None
    found.password = reader.binary() if flags & 64 else None
    return found


class Peer:
    """One connection of the client."""

    def __init__(self, connection: socket.socket, acks: bool) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connection = connection
        self._packets: queue.Queue[Packet] = queue.Queue()
        self._passed_over: list[Packet] = []
        self._sending = threading.Lock()
        self.acks = acks
        self.deaf = False
        self.v5 = True
        self.seen: list[Packet] = []
        self._thread = threading.Thread(target=self._read, name="scripted-peer", daemon=True)
        self._thread.start()

    # -- what comes ----------------------------------------------------------------------------------------------

    def expect(self, kind: str, where: Callable[[Packet], bool] = lambda _: True) -> Packet:
        """The first packet of this kind for which `where` holds and that was not expected before; it may be late."""
        for packet in self._passed_over:
            if packet.kind == kind and where(packet):
                self._passed_over.remove(packet)
                return packet
        deadline = time.monotonic() + TIMEOUT_S
        while True:
            try:
                packet = self._packets.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no {kind} came; {self}") from None
            if packet.kind == kind and where(packet):
                return packet
            if packet.kind == "END":
                raise AssertionError(f"the client hung up before {kind}; {self}")
            self._passed_over.append(packet)

    def expect_end(self) -> None:
        """The client closes the connection."""
        self.expect("END")

    def count(self, kind: str) -> int:
        """How many packets of this kind came until now."""
        return sum(packet.kind == kind for packet in self.seen)

    def __str__(self) -> str:
        return f"seen: {[(packet.kind, packet.mid, packet.topic) for packet in self.seen[-30:]]}"

    def _read(self) -> None:
        try:
            stream = self._connection.makefile("rb")
            while first := stream.read(1):
                length = shift = 0
                while True:
                    byte = stream.read(1)[0]
                    length |= (byte & 127) << shift
                    shift += 7
                    if byte < 128:
                        break
                packet = parse(first[0], stream.read(length), self.v5)
                if packet.kind == "CONNECT":
                    self.v5 = packet.protocol[1] == 5
                self._take(packet)
        except (OSError, ValueError, IndexError):
            pass
        finally:
            self._packets.put(Packet(kind="END"))

    def _take(self, packet: Packet) -> None:
        self.seen.append(packet)
        self._packets.put(packet)
        if self.deaf:
            return
        if packet.kind == "PINGREQ":
            self.send(b"\xd0\x00")
        if packet.kind == "PUBLISH" and packet.qos == 1 and self.acks:
            self.puback(packet.mid)

    # -- what goes -----------------------------------------------------------------------------------------------

    def send(self, data: bytes) -> None:
        """Any bytes; to a client that is gone they are lost."""
        with self._sending, contextlib.suppress(OSError):
            self._connection.sendall(data)

    def connack(self, session_present: bool = False, reason: int = 0, **properties: Any) -> None:
        """Accept, or refuse with a reason."""
        body = bytes((session_present, reason))
        self.send(framed(0x20, body + packed(properties) if self.v5 else body))

    def suback(self, packet: Packet, reasons: Iterable[int] | None = None) -> None:
        """Grant what was asked for, or answer with these codes."""
        codes = bytes(reasons) if reasons is not None else bytes([1] * len(packet.filters))
        self.send(framed(0x90, struct.pack("!H", packet.mid) + (b"\0" if self.v5 else b"") + codes))

    def publish(
        self,
        topic: str | bytes,
        payload: bytes,
        mid: int = 1,
        *,
        qos: int = 1,
        dup: bool = False,
        retain: bool = False,
        **properties: Any,
    ) -> None:
        """A delivery."""
        self.send(self.publish_packet(topic, payload, mid, qos=qos, dup=dup, retain=retain, **properties))

    def publish_packet(
        self,
        topic: str | bytes,
        payload: bytes,
        mid: int = 1,
        *,
        qos: int = 1,
        dup: bool = False,
        retain: bool = False,
        **properties: Any,
    ) -> bytes:
        """The bytes of a delivery, to be sent in pieces."""
        body = binary(topic) + (struct.pack("!H", mid) if qos else b"") + (packed(properties) if self.v5 else b"")
        return framed(0x30 | dup << 3 | qos << 1 | retain, body + payload)

    def puback(self, mid: int, reason: int = 0) -> None:
        """Take what the client published, or refuse it."""
        body = struct.pack("!H", mid)
        self.send(framed(0x40, body + bytes((reason,)) if self.v5 and reason else body))

    def pubrel(self, mid: int) -> None:
        """The second half of a QoS 2 delivery."""
        self.send(framed(0x62, struct.pack("!H", mid)))

    def disconnect(self, reason: int) -> None:
        """MQTT 5: say why, and hang up."""
        self.send(framed(0xE0, bytes((reason,)) + b"\0"))
        self.drop()

    def drop(self) -> None:
        """Break the connection."""
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()

    def close(self) -> None:
        """Drop it and wait for its reader."""
        self.drop()
        self._thread.join(TIMEOUT_S)


class ScriptedBroker:
    """A listener on a free loopback port, or on one that was seen to be free. `acks`: its connections acknowledge on
    their own what is published.
    """

    def __init__(self, acks: bool = True, port: int = 0) -> None:
        self.acks = acks
        self._listener = socket.create_server(("127.0.0.1", port))
        self._listener.settimeout(TIMEOUT_S)
        self.port: int = self._listener.getsockname()[1]
        self.peers: list[Peer] = []

    def accept(self) -> Peer:
        """The next TCP connection."""
        try:
            connection, _ = self._listener.accept()
        except TimeoutError:
            raise AssertionError("the client did not connect") from None
        connection.settimeout(None)
        self.peers.append(Peer(connection, self.acks))
        return self.peers[-1]

    def welcome(self, session_present: bool = False, **properties: Any) -> Peer:
        """Accept the next connection with all that belongs to it, as a friendly broker does."""
        peer = self.accept()
        peer.expect("CONNECT")
        peer.connack(session_present, **properties)
        peer.suback(peer.expect("SUBSCRIBE"))
        return peer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        for peer in self.peers:
            peer.close()
