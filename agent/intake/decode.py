"""Bytes from the wire become an Event, or a DecodeError that names the path of the fault. Pure.

CloudEvents 1.0 in structured mode (one JSON object) and, on MQTT 5, in binary mode (attributes as user properties).
What JSON leaves open is refused here: NaN, a key twice in an object, lone surrogates, too deep, too large.
"""

import hashlib
import json
import math
import re
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from agent.errors import DecodeError
from agent.model.order import MAX_ITEMS, Cancel, Event, Item, Upsert, quantity

MAX_BYTES = 256 * 1024
MAX_DEPTH = 32
T = TypeVar("T")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_VALIDATION = re.compile(r"^(.*?)(?: - at `(.*)`)?$", re.DOTALL)


class _Envelope(msgspec.Struct, frozen=True):
    specversion: str
    id: str
    source: str
    type: str
    data: Any = None
    time: datetime | None = None
    sequence: str | int | None = None


class _DuplicateKey(ValueError):
    pass


def decode_event(payload: bytes, attributes: dict[str, str] | None = None) -> tuple[Event, bytes]:
    """The event and its data as canonical JSON, for the ledger.

    `attributes` are the CloudEvents attributes of binary mode; the payload is then the data alone.

    Raises:
        DecodeError: park the message.
    """
    tree = _parse(payload)
    if attributes is not None:
        tree = {**attributes, "data": tree}
    envelope = _convert(tree, _Envelope, "$")
    _check_envelope(envelope)
    sequence = _sequence(envelope.sequence)
    data = _data(envelope)
    canonical = msgspec.json.encode(envelope.data, order="sorted")
    digest = hashlib.sha256(envelope.type.encode() + b"\0" + canonical).hexdigest()
    event = Event(envelope.id, envelope.source, envelope.type, data, digest, envelope.time, sequence)
    return event, canonical


def _check_envelope(envelope: _Envelope) -> None:
    if envelope.specversion != "1.0":
        raise DecodeError("$.specversion", f"CloudEvents 1.0 is understood, not {envelope.specversion!r}")
    for name, value in (("id", envelope.id), ("source", envelope.source)):
        if not value or len(value) > 500:
            raise DecodeError(f"$.{name}", "must have 1 to 500 characters")


def _sequence(value: str | int | None) -> int | None:
    if value is None:
        return None
    if isinstance(value, str) and not (value.isascii() and value.isdigit()):
        raise DecodeError("$.sequence", "must be a decimal number, zero-padded to 20 digits")
    number = int(str(value)[:40])
    if not 0 <= number < 2**63:
        raise DecodeError("$.sequence", "must fit 63 bits")
    return number


def _data(envelope: _Envelope) -> Upsert | Cancel | None:
    match envelope.type:
        case "order.upsert":
            upsert = _convert(envelope.data, Upsert, "$.data")
            _check_items(upsert.order.items, "$.data.order.items")
            return upsert
        case "order.cancel":
            return _convert(envelope.data, Cancel, "$.data")
        case "ping":
            return None
    raise DecodeError("$.type", f"{envelope.type!r} is not known here: order.upsert, order.cancel or ping")


def _check_items(items: list[Item], path: str) -> None:
    if not items:
        raise DecodeError(path, "an order without items; to take it back send order.cancel")
    total = 0
    pending = [(item, f"{path}[{index}]") for index, item in enumerate(items)]
    while pending:
        item, where = pending.pop()
        total += 1 + len(item.mods)
        if total > MAX_ITEMS:
            raise DecodeError(path, f"more than {MAX_ITEMS} items and modifiers")
        if quantity(item.qty) is None:
            raise DecodeError(f"{where}.qty", "must be a decimal number, such as 2 or 0.5")
        for index, modifier in enumerate(item.mods):
            if quantity(modifier.qty) is None:
                raise DecodeError(f"{where}.mods[{index}].qty", "must be a decimal number, such as 1")
        pending += [(child, f"{where}.children[{index}]") for index, child in enumerate(item.children)]


def _parse(payload: bytes) -> Any:
    """JSON, strictly."""
    if len(payload) > MAX_BYTES:
        raise DecodeError("$", f"{len(payload)} bytes; at most {MAX_BYTES} are taken")
    try:
        text = payload.decode("utf-8")
        tree = json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_no_constant,
            parse_int=_integer,
            parse_float=_real,
        )
    except UnicodeDecodeError as exc:
        raise DecodeError("$", f"not UTF-8 at byte {exc.start}") from exc
    except RecursionError as exc:
        raise DecodeError("$", f"nested deeper than {MAX_DEPTH}") from exc
    except json.JSONDecodeError as exc:
        raise DecodeError("$", f"not JSON: {exc.msg} at character {exc.pos}") from exc
    except ValueError as exc:
        raise DecodeError("$", str(exc)) from exc
    _check_tree(tree, "\\u" in text)
    return tree


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise _DuplicateKey(f"the key {twice!r} stands twice in one object")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _real(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"the number {digits[:20]} is too large")
    return value


def _integer(digits: str) -> int:
    if len(digits) > 20:
        raise ValueError(f"the number {digits[:20]}… is too long")
    return int(digits)


def _check_tree(tree: Any, escapes: bool) -> None:
    """Depth, and characters that no text may hold: a lone surrogate can only come from an escape."""
    pending = [(tree, "$", 1)]
    while pending:
        node, path, depth = pending.pop()
        if depth > MAX_DEPTH:
            raise DecodeError(path, f"nested deeper than {MAX_DEPTH}")
        if type(node) is dict:
            for key, value in node.items():
                if escapes and _SURROGATE.search(key):
                    raise DecodeError(path, "a key holds half a character (a lone surrogate)")
                if type(value) is str:
                    if escapes and _SURROGATE.search(value):
                        raise DecodeError(f"{path}.{key}", "half a character (a lone surrogate)")
                elif type(value) is dict or type(value) is list:
                    pending.append((value, f"{path}.{key}", depth + 1))
        elif type(node) is list:
            for index, value in enumerate(node):
                if type(value) is str:
                    if escapes and _SURROGATE.search(value):
                        raise DecodeError(f"{path}[{index}]", "half a character (a lone surrogate)")
                elif type(value) is dict or type(value) is list:
                    pending.append((value, f"{path}[{index}]", depth + 1))


def _convert(tree: Any, kind: type[T], path: str) -> T:
    try:
        return msgspec.convert(tree, kind)
    except msgspec.ValidationError as exc:
        match = _VALIDATION.match(str(exc))
        reason, where = match.groups() if match else (str(exc), None)
        raise DecodeError(path + (where or "$")[1:], reason) from exc
