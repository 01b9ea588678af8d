"""Between the agent and its broker: all that passes is seen, and what a test wants comes late, altered or never.

It understands MQTT as far as packets go. What the agent acknowledged is known from here and from nowhere else.
"""

import contextlib
import json
import random
import socket
import struct
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import IO, Self

import msgspec

from tests.scripted_broker import Packet, framed, parse

REFUSED = 0x97
"""The MQTT 5 reason "quota exceeded"."""
_READ = (3, 4)
"""Kinds of packets that are looked into: PUBLISH and PUBACK."""
_JOIN_S = 5.0


class Word(msgspec.Struct, frozen=True):
    """A PUBACK of the agent's that was seen: for which event (its id, empty where it had none), and when."""

    event: str
    at: datetime


class Relay:
    """Listens on `port`; every fault may be set and lifted at any time, from any thread."""

    def __init__(self, broker_port: int) -> None:
        self._broker = broker_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._wires: list[Wire] = []
        self._threads = [threading.Thread(target=self._accept, name="relay", daemon=True)]
        self.words: list[Word] = []
        """What the agent acknowledged, in the order of the wire, from the time it was said."""
        self.connections = 0
        self.on_puback: Callable[[str], None] = lambda _: None
        """Called with the event's id before a PUBACK goes on to the broker."""
        self.heal()
        self._threads[0].start()

    def heal(self) -> None:
        """Nothing is wrong any more; connections that were black holes stay so, as they do."""
        self.closed = False
        self.lose_pubacks = 0
        """So many of the agent's next PUBACKs never arrive."""
        self.refuse_reports = 0
        """So many of the agent's next reports are refused in the broker's name."""
        self.delay_s: Callable[[], float] | None = None
        """How long each packet takes, in either direction."""

    def lossy(self, chance: random.Random, worst_s: float) -> None:
        """A line that loses: TCP repeats, so that packets come late, up to so many seconds."""
        self.delay_s = lambda: worst_s * chance.random() ** 4

    def cut(self) -> None:
        """Every connection breaks, by RST."""
        for wire in self._wires:
            wire.close()

    def close(self, closed: bool = True) -> None:
        """Nobody reaches the broker."""
        self.closed = closed
        if closed:
            self.cut()

    def half_open(self) -> None:
        """The connections of now become black holes for good: they stay open, and nothing comes through."""
        for wire in self._wires:
            wire.dead = True

    @property
    def acknowledged(self) -> set[str]:
        """The ids of the events that the agent acknowledged."""
        return {word.event for word in list(self.words)}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join(_JOIN_S)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                agent, _ = self._listener.accept()
                if self.closed:
                    _reset(agent)
                    continue
                with contextlib.suppress(ConnectionRefusedError):
                    wire = Wire(self, agent, socket.create_connection(("127.0.0.1", self._broker)))
                    self._wires.append(wire)
                    self.connections += 1
                    self._threads += wire.start()
                    continue
                _reset(agent)


class Wire:
    """One connection of the agent's."""

    def __init__(self, relay: Relay, agent: socket.socket, broker: socket.socket) -> None:
        self._relay, self._agent, self._broker = relay, agent, broker
        self._v5 = True
        self._events: dict[int, str] = {}
        self.dead = False
        for end in (agent, broker):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def start(self) -> list[threading.Thread]:
        """Begin to carry; the threads end with the connection."""
        ways = ((self._agent, self._broker, self._up), (self._broker, self._agent, self._down))
        threads = [threading.Thread(target=self._carry, args=way, name="relay", daemon=True) for way in ways]
        for thread in threads:
            thread.start()
        return threads

    def close(self) -> None:
        """Break it."""
        for end in (self._agent, self._broker):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            _reset(end)

    def _carry(self, source: socket.socket, sink: socket.socket, look: Callable[[int, bytes], bytes]) -> None:
        with contextlib.suppress(OSError, IndexError, ValueError), source.makefile("rb") as stream:
            while True:
                first, body = read_packet(stream)
                if self._relay.delay_s is not None:
                    time.sleep(self._relay.delay_s())
                packet = b"" if self.dead else look(first, body)
                if packet:
                    sink.sendall(packet)
        if not self.dead:
            self.close()

    def _up(self, first: int, body: bytes) -> bytes:
        if first >> 4 == 1:
            self._v5 = body[2 + body[1]] == 5
        elif first >> 4 in _READ:
            packet = parse(first, body, self._v5)
            if packet.kind == "PUBACK":
                event = self._events.get(packet.mid, "")
                self._relay.on_puback(event)
                self._relay.words.append(Word(event, datetime.now(UTC)))
                if self._relay.lose_pubacks:
                    self._relay.lose_pubacks -= 1
                    return b""
            elif packet.topic.endswith("/report") and packet.qos and self._relay.refuse_reports:
                self._relay.refuse_reports -= 1
                self._refuse(packet)
                return b""
        return framed(first, body)

    def _down(self, first: int, body: bytes) -> bytes:
        if first >> 4 in _READ and (packet := parse(first, body, self._v5)).kind == "PUBLISH" and packet.qos:
            self._events[packet.mid] = _event_id(packet.payload)
        return framed(first, body)

    def _refuse(self, packet: Packet) -> None:
        if self._v5:
            self._agent.sendall(framed(0x40, struct.pack("!HB", packet.mid, REFUSED)))
        else:
            self.close()


def read_packet(stream: IO[bytes]) -> tuple[int, bytes]:
    """One packet's first byte and body.

    Raises:
        IndexError: the stream is over.
    """
    first, length, shift = stream.read(1)[0], 0, 0
    while True:
        byte = stream.read(1)[0]
        length |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return first, stream.read(length)


def _event_id(payload: bytes) -> str:
    try:
        return str(json.loads(payload)["id"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""


def _reset(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    end.close()
