"""What boxes say of themselves (agent/report/presence.py), read field by field: one that another version writes
otherwise hides no other.

A box is not trusted here: what it says is cut short, so that none can fill the watcher's memory or its screen.
"""

from typing import Any

import msgspec

MOST_BYTES = 64 * 1024
MOST_NAMES = 40
MOST_CHARS = 300


class Status(msgspec.Struct, frozen=True):
    """The retained status: birth, goodbye or last will. `boot` names the run of the process that it is about."""

    online: bool
    boot: str = ""
    version: str = ""


class PrinterSeen(msgspec.Struct, frozen=True):
    """A printer: `state` is ready, connecting, away, other or needs_human, and then `need` says what for."""

    state: str = ""
    need: str = ""
    reason: str = ""


class Beat(msgspec.Struct, frozen=True):
    """A beat. Times are RFC 3339 by the box's own clock; `waiting` is tickets by printer, `orders_held` orders that
    are no tickets yet, `alarms` key and reason.
    """

    at: str = ""
    boot: str = ""
    version: str = ""
    printers: dict[str, PrinterSeen] = {}
    waiting: int = 0
    orders_held: int = 0
    oldest_ticket: str = ""
    last_order_heard: str = ""
    clock_synchronised: bool | None = None
    alarms: dict[str, str] = {}


def read_status(payload: bytes) -> tuple[Status | None, str]:
    """The status, or None and why it can't be read."""
    fields, fault = _fields(payload)
    online = fields.get("online")
    if not isinstance(online, bool):
        return None, fault or "$.online is not true or false"
    return Status(online, _text(fields, "boot"), _text(fields, "version")), ""


def read_beat(payload: bytes) -> tuple[Beat | None, str]:
    """The beat, or None and why it can't be read."""
    fields, fault = _fields(payload)
    if fault:
        return None, fault
    synchronised = fields.get("clock_synchronised")
    return Beat(
        at=_text(fields, "at"),
        boot=_text(fields, "boot"),
        version=_text(fields, "version"),
        printers={
            name[:MOST_CHARS]: PrinterSeen(_text(seen, "state"), _text(seen, "need"), _text(seen, "reason"))
            for name, seen in _named(fields, "printers", dict)
        },
        waiting=sum(count for _, count in _named(fields, "waiting", int)),
        orders_held=_count(fields, "orders_held"),
        oldest_ticket=_text(fields, "oldest_ticket"),
        last_order_heard=_text(fields, "last_order_heard"),
        clock_synchronised=synchronised if isinstance(synchronised, bool) else None,
        alarms={key[:MOST_CHARS]: reason[:MOST_CHARS] for key, reason in _named(fields, "alarms", str)},
    ), ""


def _fields(payload: bytes) -> tuple[dict[str, Any], str]:
    if len(payload) > MOST_BYTES:
        return {}, f"{len(payload)} bytes are too many"
    try:
        content = msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}, "it is not JSON"
    return (content, "") if isinstance(content, dict) else ({}, "it is not a JSON object")


def _text(fields: dict[str, Any], name: str) -> str:
    found = fields.get(name)
    return found[:MOST_CHARS] if isinstance(found, str) else ""


def _count(fields: dict[str, Any], name: str) -> int:
    found = fields.get(name)
    return found if type(found) is int and 0 <= found < 1_000_000_000 else 0


def _named(fields: dict[str, Any], name: str, kind: type[Any]) -> list[tuple[str, Any]]:
    found = fields.get(name)
    pairs = found.items() if isinstance(found, dict) else ()
    return [(key, value) for key, value in pairs if type(value) is kind][:MOST_NAMES]
