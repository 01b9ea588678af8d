"""JSON from outside, strictly. What the standard leaves open is refused: NaN, a key twice in an object, half
characters (lone surrogates), too deep, too large. Pure.
"""

import json
import math
import re
from typing import Any

import msgspec

from agent.errors import DecodeError

MAX_BYTES = 256 * 1024
MAX_DEPTH = 32
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_BLANK_AFTER_QUOTE = (b'" ', b'"\n', b'"\r', b'"\t')
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)


_Place = tuple["_Place | None", str | int]
"""A node of a tree: the place above it, and its key or its index there."""


def decode_tree(payload: bytes) -> Any:
    """Any JSON, as strictly as an event is read.

    Raises:
        DecodeError: it names the path of the fault.
    """
    tree, sound = parse(payload)
    if not sound:
        check_tree(tree)
    return tree


def parse(payload: bytes) -> tuple[Any, bool]:
    """JSON, strictly; and whether `check_tree` need not look at it. A byte order mark is passed over (RFC 8259
    section 8.1).

    Raises:
        DecodeError: it is none, or more than anybody sends.
    """
    if len(payload) > MAX_BYTES:
        raise DecodeError("$", f"{len(payload)} bytes; at most {MAX_BYTES} are taken")
    if b"\\u" not in payload:
        try:
            tree = msgspec.json.decode(payload)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return _parse_slowly(payload), False
        if _written_keys(payload) == _count_keys(tree):
            return tree, True
    return _parse_slowly(payload), False


def check_tree(tree: Any) -> None:
    """Depth, and characters that no text may hold: a lone surrogate can only come from an escape.

    Raises:
        DecodeError: it names the path of the fault.
    """
    if type(tree) is str and _SURROGATE.search(tree):
        raise DecodeError("$", "half a character (a lone surrogate)")
    pending: list[tuple[Any, _Place | None, int]] = [(tree, None, 1)]
    while pending:
        node, place, depth = pending.pop()
        if depth > MAX_DEPTH:
            raise DecodeError(_path(place), f"nested deeper than {MAX_DEPTH}")
        if type(node) is dict:
            for key, value in node.items():
                if _SURROGATE.search(key):
                    raise DecodeError(_path(place), "a key holds half a character (a lone surrogate)")
                if type(value) is str:
                    if _SURROGATE.search(value):
                        raise DecodeError(_path((place, key)), "half a character (a lone surrogate)")
                elif type(value) is dict or type(value) is list:
                    pending.append((value, (place, key), depth + 1))
        elif type(node) is list:
            for index, value in enumerate(node):
                if type(value) is str:
                    if _SURROGATE.search(value):
                        raise DecodeError(_path((place, index)), "half a character (a lone surrogate)")
                elif type(value) is dict or type(value) is list:
                    pending.append((value, (place, index), depth + 1))


def _path(place: "_Place | None") -> str:
    """Written only where there is a fault: a long key above many others would take all memory."""
    steps: list[str] = []
    while place is not None:
        place, step = place
        steps.append(f".{step}" if type(step) is str else f"[{step}]")
    return "$" + "".join(reversed(steps))


def _written_keys(payload: bytes) -> int:
    """Keys in the text of sound JSON, or more. Without blanks behind a quote each key ends with `":`, which within a
    text can only be an escaped quote.
    """
    if any(blank in payload for blank in _BLANK_AFTER_QUOTE):
        return _STRING.sub(b"", payload).count(b":")
    return payload.count(b'":')


def _count_keys(tree: Any) -> int:
    """Keys in all objects; fewer than were written when one stands twice in an object, and -1 with a number beyond
    63 bits, or where it is nested too deeply.
    """
    count, level = 0, [tree]
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for node in level:
            kind = type(node)
            if kind is dict:
                count += len(node)
                below += node.values()
            elif kind is list:
                below += node
            elif (kind is int or kind is float) and not abs(node) < 2**63:
                return -1
        if not below:
            return count
        level = below
    return -1


def _parse_slowly(payload: bytes) -> Any:
    """The same, three times slower; it names the fault, and takes what the fast way is too strict for."""
    try:
        text = payload.decode("utf-8").removeprefix("\ufeff")
        tree: Any = json.loads(
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
    return tree


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]  # None
        raise ValueError(f"the key {twice!r} stands twice in one object")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _real(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"the number {digits[:20]} is too large")
    return value


def _integer(digits: str) -> int | float:
    """An integer past 64 bits becomes a float: no field of ours takes it, but one that we ignore may hold it."""
    value = int(digits) if len(digits) <= 20 else 2**63
    return value if abs(value) < 2**63 else _real(digits)
