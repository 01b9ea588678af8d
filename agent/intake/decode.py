"""Bytes from the wire become an Event, or a DecodeError that names the path of the fault. Pure.

CloudEvents 1.0 in structured mode (one JSON object) and, on MQTT 5, in binary mode (attributes as user properties).
What the kitchen cooks from must be sound, or the event is parked. A time that can't be read is not worth an order's
paper: it is taken out, and what was written there is printed in the order's note, so that nobody loses it. A null is
what many serializers write for a field that is not there: it is taken out too.
"""

import hashlib
import re
from collections import deque
from collections.abc import Iterator
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from agent.errors import DecodeError
from agent.intake.faultwords import in_words
from agent.intake.strictjson import check_tree, parse
from agent.model.order import (
    DIALECTS,
    MAX_ITEMS,
    Cancel,
    CanceledOrder,
    Event,
    Item,
    PrintRaw,
    Quantity,
    Upsert,
    raw_channel,
)

MOST_REPEATED = 1 << 22
"""Bytes: what is said of a set meal is kept with each of its parts."""

T = TypeVar("T")
_TIMES = ("due_at", "release_at", "expires_at", "placed_at")
_NO_TIME = ("0001-", "1970-01-01", "1969-12-31")
"""How the times begin that platforms write for "none": year 1, and second 0 of Unix in any zone."""
_QUANTITY = re.compile(r"[0-9]{1,7}(\.[0-9]{1,6})?", re.ASCII)
_VALIDATION = re.compile(r"(.*?)(?: - at `(.*)`)?", re.DOTALL)


class Envelope(msgspec.Struct, frozen=True):
    """An event whose attributes are sound, and whose data nobody has read yet."""

    specversion: str
    id: str
    source: str
    type: str
    data: Any = None
    time: Any = None
    sequence: Any = None

    @property
    def number(self) -> int | None:
        """The sequence; None where the cloud does not count, or not in decimal numbers: then nobody can see a gap."""
        value = self.sequence
        if type(value) is str and value.isascii() and value.isdigit() and len(value) <= 40:
            value = int(value)
        return value if type(value) is int and 0 <= value < 2**63 else None

    def canonical(self) -> tuple[bytes, str]:
        """The data as it came, as canonical JSON, and the digest of type and data."""
        said = msgspec.json.encode(self.data, order="sorted")
        return said, hashlib.sha256(self.type.encode() + b"\0" + said).hexdigest()


def decode_event(payload: bytes, attributes: dict[str, str] | None = None) -> tuple[Event, bytes]:
    """The event and its data as canonical JSON, for the ledger.

    `attributes` are the CloudEvents attributes of binary mode; the payload is then the data alone.

    Raises:
        DecodeError: park the message.
    """
    return decode_data(decode_envelope(payload, attributes))


def decode_envelope(payload: bytes, attributes: dict[str, str] | None = None) -> Envelope:
    """The first half of `decode_event`: who sent what kind of event.

    Raises:
        DecodeError: park the message.
    """
    tree, sound = parse(payload)
    if attributes is not None:
        tree, sound = {**attributes, "data": tree}, False
    if not sound:
        check_tree(tree)
    envelope = convert(tree, Envelope, "$")
    if envelope.specversion != "1.0":
        raise DecodeError("$.specversion", f"CloudEvents 1.0 is understood, not {envelope.specversion[:20]!r}")
    for name, value in (("id", envelope.id), ("source", envelope.source)):
        if not value or len(value) > 500:
            raise DecodeError(f"$.{name}", "must have 1 to 500 characters")
    return envelope


def decode_data(envelope: Envelope) -> tuple[Event, bytes]:
    """The second half: what the event says. The digest is that of the data as it came.

    Raises:
        DecodeError: park the message.
    """
    tree = envelope.data
    said, digest = envelope.canonical()
    mended = _without_nulls(tree) if b"null" in said else tree
    if envelope.type == "order.upsert":
        mended = _without_bad_times(mended)
    if mended is not tree:
        tree, said = mended, msgspec.json.encode(mended, order="sorted")
    data = _data(envelope, tree)
    time, number = _moment(envelope.time), envelope.number
    flaws = tuple(_flaws(envelope, time is None, number is None))
    return Event(envelope.id, envelope.source, envelope.type, data, digest, time, number, flaws), said


def _data(envelope: Envelope, tree: Any) -> Upsert | Cancel | PrintRaw | None:
    match envelope.type:
        case "order.upsert":
            upsert = convert(tree, Upsert, "$.data")
            _check_items(upsert.order.items, "$.data.order.items")
            return upsert
        case "order.cancel":
            return convert(tree, Cancel, "$.data")
        case "print.raw":
            return _raw(tree, envelope)
        case "ping":
            return None
    raise DecodeError("$.type", f"{envelope.type[:50]!r} is none of order.upsert, order.cancel, print.raw, ping")


def _raw(tree: Any, envelope: Envelope) -> PrintRaw:
    raw = convert(tree, PrintRaw, "$.data").raw
    if raw.dialect not in DIALECTS:
        raise DecodeError("$.data.raw.dialect", f"{raw.dialect[:50]!r} is not known here: {', '.join(DIALECTS)}")
    name = envelope.id if len(envelope.id) <= 200 else hashlib.sha256(envelope.id.encode()).hexdigest()
    return PrintRaw(raw, CanceledOrder(name, 0, raw_channel(envelope.source)))


def _check_items(items: list[Item], path: str) -> None:
    if not items:
        raise DecodeError(path, "an order without items; to take it back send order.cancel")
    total = 0
    pending = deque((item, f"{path}[{index}]") for index, item in enumerate(items))
    while pending:
        item, where = pending.popleft()
        total += 1 + len(item.mods)
        if total > MAX_ITEMS:
            raise DecodeError(path, f"more than {MAX_ITEMS} items and modifiers")
        _check_quantity(item.qty, where)
        for index, modifier in enumerate(item.mods):
            _check_quantity(modifier.qty, f"{where}.mods[{index}]")
        pending.extend((child, f"{where}.children[{index}]") for index, child in enumerate(item.children))
    if sum(_repeated(item)[1] for item in items) > MOST_REPEATED:
        raise DecodeError(path, "set meals that say too much for so many parts: send the parts as items of their own")


def _repeated(item: Item) -> tuple[int, int]:
    """The parts below it, and the bytes that a ticket keeps of the set meals around each of them."""
    if not item.children:
        return 0, 0
    below = [_repeated(child) for child in item.children]
    parts = len(below) + sum(count for count, _ in below)
    return parts, parts * len(msgspec.json.encode(item.alone)) + sum(size for _, size in below)


def _check_quantity(value: Quantity, where: str) -> None:
    """Plain digits, as it will stand on paper: a cook must not have to read 1e5, .5 or ２, nor make -1 of a dish."""
    if not _QUANTITY.fullmatch(str(value)):
        raise DecodeError(f"{where}.qty", "must be a plain decimal number of at most 7 digits, such as 2 or 0.5")


def _without_nulls(tree: Any) -> Any:
    """The data without the fields that are null: they take their default, and one that has none is named as missing."""
    if type(tree) is dict:
        return {
            name: value if type(value) is str else _without_nulls(value)
            for name, value in tree.items()
            if value is not None
        }
    return [_without_nulls(value) for value in tree] if type(tree) is list else tree


def _without_bad_times(tree: Any) -> Any:
    """The data with every time that can't be read moved into the order's note; the same object where there is none.

    The paper comes first: an order parked for a time would not be cooked until somebody sees the alarm, and an order
    on paper with the words as they came is right. What platforms write for "no time" is not worth a word.
    """
    order = tree.get("order") if type(tree) is dict else None
    if type(order) is not dict:
        return tree
    bad = {name: order[name] for name in _TIMES if order.get(name) is not None and _moment(order[name]) is None}
    if not bad or type(order.get("note")) not in (str, type(None)):
        return tree
    words = [f"{name}: {value}" for name, value in bad.items() if value not in ("", 0) and not _is_no_time(value)]
    note = "; ".join([*filter(None, [order.get("note")]), *words])
    return {**tree, "order": {**order, **dict.fromkeys(bad), "note": note}}


def _flaws(envelope: Envelope, no_time: bool, no_number: bool) -> Iterator[str]:
    """What is written and guards nothing, because it can't be read."""
    if envelope.sequence is not None and no_number:
        yield f"sequence {_shown(envelope.sequence)} can't be counted: a gap before it is not seen"
    if envelope.time is not None and no_time:
        yield f"time {_shown(envelope.time)} is no RFC 3339 time: how old it is is not seen"


def _shown(value: object) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= 60 else f"{text[:60]}…"


def _moment(value: object) -> datetime | None:
    """An RFC 3339 time of our era, else None."""
    if _is_no_time(value):
        return None
    try:
        moment = msgspec.convert(value, datetime)
    except msgspec.ValidationError:
        return None
    return moment if 1970 <= moment.year < 9999 else None


def _is_no_time(value: object) -> bool:
    return type(value) is str and value.startswith(_NO_TIME)


def convert(tree: Any, kind: type[T], path: str) -> T:
    """A tree of JSON that stands at `path` as a struct.

    Raises:
        DecodeError: it names the field.
    """
    try:
        return msgspec.convert(tree, kind)
    except msgspec.ValidationError as exc:
        match = _VALIDATION.fullmatch(str(exc))
        reason, where = match.groups() if match else (str(exc), None)
        said, missing = in_words(reason, kind, where)
        raise DecodeError(path + (where or "$")[1:] + (f".{missing}" if missing else ""), said) from exc
