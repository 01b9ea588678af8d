"""Targets: what comes over the wire, from the broker or from whoever may publish."""

import json
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import paho.mqtt.client as mqtt
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from paho.mqtt.client import _ConnectionState  # type: ignore[attr-defined]  # paho does not export it

from agent.broker.certificate import ends_at
from agent.broker.mqtt import Line, Will
from agent.clock import SystemClock
from agent.config import Broker
from agent.console.form import read_form
from agent.errors import DecodeError
from agent.fleet.beat import read_beat, read_status
from agent.intake import foreign
from agent.intake.commands import _read_id
from agent.intake.counting import read_begin, read_end
from agent.intake.decode import convert, decode_data, decode_envelope, decode_event
from agent.intake.mapping import Mapping
from agent.intake.mappingfile import find, load, shipped
from agent.model.command import Aim, Ask, Pick, Reprint, Settle
from agent.model.wire import Delivery
from tests.fuzz.target import Target
from tests.house import order, replay_end
from tests.scripted_broker import framed, packed

MQTT_LENGTHS = [
    b"\xff\xff\xff\x7f",
    b"\xff\xff\xff\xff\x01",
    b"\0\0",
    b"\x26\0\x01a\0\x01b",
    b"\x23\0\x01",
    b"\x0b\x01",
]
_RAW = json.dumps({"raw": {"dialect": "feie", "content": "<CB>豆浆</CB>", "station": "wok", "copies": 1}})
JSON_WORDS = [
    *(
        b'"',
        b"\\",
        b"\\u0000",
        b"\\ud83d",
        b"{",
        b"}",
        b"[",
        b"]",
        b":",
        b",",
        b"null",
        b"NaN",
        b"-",
        b"1e999",
        b"\xef\xbb\xbf",
    ),
    *(b'{"id":', b'"id":"1",', b'"qty":0,', b"\xff", b"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", b"9" * 5000),
]
"""And hundreds of digits, which Python refuses to read by a ValueError of its own."""
_HOME = Path(__file__).parents[2]
_COMMANDS: dict[str, type[Any]] = {
    "settle": Settle,
    "release": Pick,
    "drop": Pick,
    "reprint": Reprint,
    "pause": Aim,
    "bundle": Ask,
}


def fixtures(name: str) -> list[bytes]:
    """The payloads that lie beside a shipped mapping."""
    return [file.read_bytes() for file in load(find(name)).fixtures]


def _sound(event: Any, said: bytes) -> str:
    """What the ledger keeps is JSON that reads back, and the text of it can be written anywhere."""
    msgspec.json.decode(said)
    said.decode()
    assert len(event.digest) == 64
    return f"{event.type} {event.sequence is None} {event.time is None}"


def _event(data: bytes) -> str:
    event, said = decode_event(data)
    assert decode_event(data)[0].digest == event.digest
    return _sound(event, said)


def _binary_event(data: bytes) -> str:
    """The first line holds the attributes."""
    head, _, body = data.partition(b"\n")
    words = head.decode("utf-8", "replace").split("\t")
    attributes = dict(zip(words[::2], words[1::2], strict=False))
    return _sound(*decode_event(body, attributes))


def _command(data: bytes) -> str:
    try:
        envelope = decode_envelope(data)
    except DecodeError as exc:
        return f"id {len(_read_id(data, None, exc)) > 0}"
    envelope.canonical()
    kind = envelope.type.removeprefix("command.")
    return type(convert(envelope.data, _COMMANDS.get(kind, Ask), "$.data")).__name__


def _end(data: bytes) -> str:
    end = read_end(data)
    if end is None:
        begin = read_begin(data)
        return "none" if begin is None else f"begin {int(begin.had) >= int(begin.first)}"
    assert all(0 <= int(number) < 2**62 for number in (end.first, end.last, end.head))
    return f"end {len(end.unavailable)}"


def _mapped(mapping: Mapping, data: bytes) -> str:
    envelope = foreign.envelope(data, mapping, "platform/orders")
    return _sound(*decode_data(envelope))


def _told(data: bytes) -> str:
    status, why = read_status(data)
    beat, why_not = read_beat(data)
    assert (status is None) == bool(why), why
    assert (beat is None) == bool(why_not), why_not
    return f"{why} {why_not}"


def _form(data: bytes) -> str:
    kind, _, body = data.partition(b"\n")
    found = read_form(kind.decode("latin-1"), body)
    assert all(type(value) is str for value in found.values())
    return f"{len(found)}"


class _Socket:
    """A socket that holds what a broker said and takes whatever is said to it."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def recv(self, size: int) -> bytes:
        found = self._data[self._at : self._at + size]
        self._at += len(found)
        return found

    def send(self, data: bytes) -> int:
        return len(data)

    def fileno(self) -> int:
        return -1

    def close(self) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        if name in ("setsockopt", "shutdown", "setblocking"):
            return lambda *_: None
        raise AttributeError(name)


class _Ear:
    """Our line on paho's reader, without a thread: what escapes `loop_read` would end the network thread."""

    def __init__(self, protocol: str) -> None:
        settings = Broker(url="mqtt://127.0.0.1:1", client_id="fuzz", protocol=protocol)  # type: ignore[arg-type]  # a word of the setting's
        self._heard: list[Delivery] = []
        will = Will("up/state", b"{}")
        self._line = Line(settings, ("dn/order",), will, SystemClock(), self._heard.append, lambda _: None)
        # Refused for its version, paho connects again from within its reader; nobody listens here.
        self._line._client.reconnect = lambda: mqtt.MQTT_ERR_NO_CONN  # type: ignore[method-assign]  # no socket in a fuzzer

    def feed(self, data: bytes) -> str:
        """Read it all, or until the line is given up."""
        line, client = self._line, self._line._client
        line._pre_connect(client, None)
        client._in_messages.clear()
        client._out_packet.clear()
        client._reset_sockets()
        client._sock = _Socket(data)  # type: ignore[assignment]  # as much of one as paho uses
        client._state = _ConnectionState.MQTT_CS_CONNECTING
        client._in_packet = {**client._in_packet, "command": 0, "have_remaining": 0, "remaining_count": []}
        client._in_packet |= {"remaining_mult": 1, "remaining_length": 0, "packet": bytearray(), "to_process": 0}
        client._in_packet["pos"] = 0
        self._heard.clear()
        reason, turns = 0, 0
        while client._sock is not None and reason == 0:
            reason = int(client.loop_read())
            turns += 1
            assert turns <= len(data) + 2, "it reads without end"
        for delivery in self._heard:
            assert len(delivery.payload) <= len(data)
            line.acknowledge(delivery)
        client.reconnect_delay_set(1, 1)
        while not line.acknowledged.empty():
            line.acknowledged.get()
        return f"{reason} {len(self._heard)} {line.up}"


def _packets(v5: bool) -> list[bytes]:
    """Whole conversations of a broker."""
    none = b"\0" if v5 else b""
    granted = packed({"session_expiry": 60, "receive_maximum": 5, "reason_string": "ok"}) if v5 else b""
    said = packed({"content_type": "application/json", "user": [("a", "b")], "topic_alias": 1}) if v5 else b""
    connack, topic = framed(0x20, b"\0\0" + granted), b"\0\x08dn/order"
    suback = framed(0x90, b"\0\x01" + none + b"\x01")
    first = framed(0x32, topic + b"\0\x07" + said + order(1))
    second = framed(0x34, topic + b"\0\x08" + none + b"{}") + framed(0x62, b"\0\x08")
    zero = framed(0x31, topic + none + b"x")
    words = [framed(kind << 4 | (2 if kind in (6, 8, 10) else 0), b"\0\x01" + none) for kind in range(1, 16)]
    return [
        connack + suback + first,
        connack + second + zero,
        *(connack + word + first for word in words),
        framed(0x20, b"\0\x05" + none),
        connack + framed(0xE0, b"\x8e\0" if v5 else b""),
    ]


def _certificate() -> list[bytes]:
    key, name = Ed25519PrivateKey.generate(), x509.Name([])
    begins, ends = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, begins, ends).sign(key, None)
    return [made.public_bytes(Encoding.PEM)]


def _envelope(kind: str, data: Any) -> bytes:
    """An event, or a command."""
    head = {"specversion": "1.0", "id": "c1", "source": "//s", "time": datetime(2026, 1, 1, tzinfo=UTC).isoformat()}
    return json.dumps({**head, "type": kind, "data": data}).encode()


def _events() -> list[bytes]:
    cancel = {"order": {"id": "1", "rev": 2, "channel": "c"}, "reason": "x", "by": "y"}
    example = (_HOME / "docs/wire.md").read_bytes().partition(b"```json\n")[2].partition(b"```")[0]
    kinds = (("order.cancel", cancel), ("print.raw", json.loads(_RAW)), ("ping", None))
    return [order(1), order("x", 41), example, *(_envelope(kind, data) for kind, data in kinds)]


def _commands() -> list[bytes]:
    asks: list[tuple[str, Any]] = [
        ("settle", {"decision": "printed", "ticket": 12, "order": "8812", "channel": "alipay", "by": "王"}),
        ("release", {"orders": ["1"], "why": "old", "all": True}),
        ("reprint", {"order": "1"}),
        ("pause", {"printer": "wok"}),
        ("bundle", None),
    ]
    return [_envelope(f"command.{kind}", data) for kind, data in asks]


def targets() -> list[Target]:
    """All of them."""
    unread = (DecodeError,)
    binary = [b"specversion\t1.0\tid\te1\tsource\t//s\ttype\tping\n{}"]
    binary += [b"specversion\t1.0\tid\te2\tsource\t//s\ttype\tprint.raw\tsequence\t7\n" + _RAW.encode()]
    beats = [
        b'{"online":true,"boot":"b","version":"1"}',
        b'{"at":"2026-01-01T00:00:00Z","boot":"b","printers":{"wok":{"state":"well"}},"waiting":{"wok":2},"alarms":{"a":"b"}}',
    ]
    forms = [
        b"application/x-www-form-urlencoded\nuser=a&stime=1&sig=%E8&apiname=Open_printMsg&content=%3CCB%3E",
        b'multipart/form-data; boundary=x\n--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n--x--\r\n',
    ]
    found = [
        Target("event", _event, _events(), JSON_WORDS, unread, 4),
        Target("event, binary mode", _binary_event, binary, JSON_WORDS, unread, 2),
        Target("command", _command, _commands(), JSON_WORDS, unread, 2),
        Target("replay's end", _end, [replay_end(9), replay_end(2**40)], JSON_WORDS, weight=2),
        Target("beat and status", _told, beats, JSON_WORDS),
        Target("form of a till", _form, forms, [b"%", b"=", b"&", b"--x", b"\r\n"], (ValueError,)),
        Target("certificate", lambda data: str(ends_at(data.decode("latin-1"))), _certificate(), [], (ValueError,), 1),
    ]
    for name in shipped():
        mapped = partial(_mapped, load(find(name), zone="Asia/Shanghai").mapping)
        found.append(Target(f"mapping {name}", mapped, [*fixtures(name), order(1)], JSON_WORDS, unread))
    for protocol in ("5", "3.1.1"):
        ear = _Ear(protocol)
        found.append(Target(f"MQTT {protocol}", ear.feed, _packets(protocol == "5"), MQTT_LENGTHS, (), 3))
    return found
