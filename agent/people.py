"""What people did here, kept over restarts in `people.jsonl`: who signed in, and whose hand printed, moved or settled
what. It is picked out of the log, where each such line names who asked. Settings are in `changes.jsonl`.
"""

import contextlib
import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from agent.clock import stamp
from agent.config import changes
from agent.log import plain

FILE = "people.jsonl"
_AT_THE_DOOR = frozenset(
    {"console.signed_in", "console.pin_wrong", "console.code_wrong", "console.pin_chosen", "finder.page_asked"}
)
_WHO = ("by", "address")
_TOO_MANY = frozenset({"control.order_ready", "control.order_recall"})
"""A kitchen does these all day; its own page shows them."""


class Deed(msgspec.Struct, frozen=True):
    """`at` is UTC; `by` is a user of this machine, or an address; `what` the log's word; `fields` are as the log shows
    them, without secrets.
    """

    at: str
    by: str
    what: str
    fields: dict[str, str] = {}


_READ, _WRITE = msgspec.json.Decoder(Deed), msgspec.json.Encoder()


class People(logging.Handler):
    """Keeps what people did in the data directory. That it can't be kept is no error: it is in the log all the same."""

    def __init__(self, data_dir: Path) -> None:
        super().__init__()
        self._data_dir = data_dir

    def filter(self, record: logging.LogRecord) -> bool:
        """Asked before anything is locked: other lines must not wait for this file."""
        event, fields = str(record.msg), getattr(record, "fields", None)
        if fields is None or event in _TOO_MANY:
            return False
        return event in _AT_THE_DOOR or (event.startswith("control.") and "by" in fields)

    def emit(self, record: logging.LogRecord) -> None:
        """Called by logging for each record that the filter lets through."""
        fields: dict[str, Any] = getattr(record, "fields", {})
        by = plain("by", next((fields[name] for name in _WHO if name in fields), ""))
        told = {name: plain(name, value) for name, value in fields.items() if value is not None and name not in _WHO}
        deed = Deed(stamp(datetime.fromtimestamp(record.created, UTC)), by, str(record.msg), told)
        if self._data_dir.is_dir():
            with contextlib.suppress(OSError):
                changes.append(self._data_dir / FILE, _WRITE.encode(deed) + b"\n")


def deeds(data_dir: Path, most: int = 100) -> list[Deed]:
    """The last ones, the newest first. Half a line, of a power cut, is left out."""
    try:
        lines = (data_dir / FILE).read_bytes().splitlines()
    except OSError:
        return []
    found: list[Deed] = []
    for line in reversed(lines):
        with contextlib.suppress(msgspec.MsgspecError):
            found.append(_READ.decode(line))
        if len(found) == most:
            break
    return found
