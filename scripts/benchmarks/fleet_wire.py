"""Just enough MQTT 5 to be thousands of clients in one process: packets to bytes, bytes to packets, and their count."""

import asyncio
import struct
from collections.abc import Callable, Iterator

import msgspec

CONNACK, PUBLISH, PUBACK, SUBACK = 2, 3, 4, 9
_RECEIVE_MAXIMUM, _SESSION_EXPIRY = 0x21, 0x11


class Packet(msgspec.Struct, frozen=True):
    """What came: `mid` of a PUBLISH at QoS 1, PUBACK or SUBACK; `reason` of a CONNACK."""

    kind: int
    topic: str = ""
    payload: bytes = b""
    mid: int = 0
    reason: int = 0


def connect(client_id: str, keepalive_s: int, will_topic: str, will: bytes, session_expiry_s: int) -> bytes:
    """CONNECT as our agent's: the session is kept, the last will is retained, at QoS 1."""
    properties = struct.pack(">BIBH", _SESSION_EXPIRY, session_expiry_s, _RECEIVE_MAXIMUM, 200)
    flags = 0b0010_1100 if will_topic else 0
    body = _text(b"MQTT") + bytes((5, flags)) + struct.pack(">H", keepalive_s) + _length(len(properties)) + properties
    body += _text(client_id.encode())
    return _packet(0x10, body + (b"\0" + _text(will_topic.encode()) + _text(will) if will_topic else b""))


def subscribe(mid: int, filters: tuple[str, ...]) -> bytes:
    """SUBSCRIBE at QoS 1, without retained messages."""
    return _packet(0x82, struct.pack(">HB", mid, 0) + b"".join(_text(each.encode()) + b"\x21" for each in filters))


def publish(topic: str, payload: bytes, mid: int, retain: bool = False) -> bytes:
    """PUBLISH at QoS 1."""
    return _packet(0x33 if retain else 0x32, _text(topic.encode()) + struct.pack(">HB", mid, 0) + payload)


def puback(mid: int) -> bytes:
    """PUBACK: success."""
    return struct.pack(">BBH", 0x40, 2, mid)


PINGREQ = b"\xc0\0"


def packets(buffer: bytearray) -> Iterator[Packet]:
    """The whole packets at the buffer's beginning, which are taken out of it."""
    while (head := _head(buffer)) is not None:
        start, size = head
        if len(buffer) < start + size:
            return
        body = bytes(buffer[start : start + size])
        first = buffer[0]
        del buffer[: start + size]
        yield _read(first, body)


class Connection(asyncio.Protocol):
    """One TCP connection. `on_packet` is given what comes, `on_lost` is called once at its end."""

    def __init__(self, on_packet: Callable[[Packet], None], on_lost: Callable[[], None]) -> None:
        self._on_packet = on_packet
        self._on_lost = on_lost
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self._mid = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is open."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Something came."""
        self._buffer += data
        for packet in packets(self._buffer):
            self._on_packet(packet)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  asyncio's name
        """It is over."""
        self._transport = None
        self._on_lost()

    def send(self, data: bytes) -> int:
        """Send, unless it is over; returns the bytes."""
        if self._transport is not None:
            self._transport.write(data)
        return len(data)

    def next_mid(self) -> int:
        """A packet id; they are never so many that one is used twice at a time."""
        self._mid = self._mid % 65_535 + 1
        return self._mid

    def close(self) -> None:
        """Hang up without a word: the last will is due."""
        if self._transport is not None:
            self._transport.abort()


def _read(first: int, body: bytes) -> Packet:
    kind = first >> 4
    if kind == PUBLISH:
        size = int.from_bytes(body[:2], "big")
        at = 2 + size
        mid = int.from_bytes(body[at : at + 2], "big") if first & 0b110 else 0
        at += 2 if first & 0b110 else 0
        properties, width = _variable(body, at)
        return Packet(kind, body[2 : 2 + size].decode(), body[at + width + properties :], mid)
    if kind == CONNACK:
        return Packet(kind, reason=body[1])
    return Packet(kind, mid=int.from_bytes(body[:2], "big") if len(body) >= 2 else 0)


def _head(buffer: bytearray) -> tuple[int, int] | None:
    if len(buffer) < 2 or (buffer[1] > 127 and len(buffer) < 6 and all(byte > 127 for byte in buffer[1:])):
        return None
    size, width = _variable(buffer, 1)
    return 1 + width, size


def _variable(data: bytes | bytearray, at: int) -> tuple[int, int]:
    value = shift = width = 0
    while True:
        byte = data[at + width]
        value |= (byte & 127) << shift
        shift += 7
        width += 1
        if byte < 128:
            return value, width


def _packet(first: int, body: bytes) -> bytes:
    return bytes((first,)) + _length(len(body)) + body


def _length(size: int) -> bytes:
    found = bytearray()
    while True:
        size, byte = divmod(size, 128)
        found.append(byte | (128 if size else 0))
        if not size:
            return bytes(found)


def _text(data: bytes) -> bytes:
    return struct.pack(">H", len(data)) + data
