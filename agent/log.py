"""One plain line for each thing that happened: `intake.duplicate_dropped order=42 printer=kitchen`.

A person at a terminal sees the time and the level before it; under systemd the journal adds those itself,
from the `<N>` priority prefix (sd-daemon(3)). Values may come from customers: whatever is in one, it stays
inside its quotes on its line. Customers' names, phones and addresses are never given to a log.
"""

import logging
import os
import sys
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TextIO

from agent.clock import stamp

LEVELS = ("debug", "info", "warning", "error")
MAX_VALUE = 400
_ROOT = "agent"
_PLAIN_BREAKERS = frozenset(" \"'=\\")
_PRIORITY = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}


class Logger:
    """What a room says. `event` is room.verb_past; the fields say of what. Costs nothing below the level."""

    __slots__ = ("_inner",)

    def __init__(self, inner: logging.Logger) -> None:
        self._inner = inner

    def debug(self, event: str, /, **fields: object) -> None:
        """For whoever looks for a fault: off in a shop."""
        if self._inner.isEnabledFor(logging.DEBUG):
            self._say(logging.DEBUG, event, fields)

    def info(self, event: str, /, **fields: object) -> None:
        """The ordinary course of the day."""
        if self._inner.isEnabledFor(logging.INFO):
            self._say(logging.INFO, event, fields)

    def warning(self, event: str, /, **fields: object) -> None:
        """Something is not as it should be, and the agent copes."""
        if self._inner.isEnabledFor(logging.WARNING):
            self._say(logging.WARNING, event, fields)

    def error(self, event: str, /, **fields: object) -> None:
        """Somebody must do something."""
        if self._inner.isEnabledFor(logging.ERROR):
            self._say(logging.ERROR, event, fields)

    def exception(self, event: str, /, **fields: object) -> None:
        """An error with the traceback of the exception being handled: for a thread's outermost loop."""
        if self._inner.isEnabledFor(logging.ERROR):
            self._say(logging.ERROR, event, fields, sys.exception())

    def _say(self, level: int, event: str, fields: Mapping[str, object], error: BaseException | None = None) -> None:
        info = (type(error), error, error.__traceback__) if error else None
        record = logging.LogRecord(self._inner.name, level, "", 0, event, None, info)
        record.fields = fields
        self._inner.handle(record)


class LineFormatter(logging.Formatter):
    """A record as one line, plus one marked line for each line of a traceback."""

    def __init__(self, *, service: bool) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        """The line or lines, without the last newline; none holds a control character."""
        prefix = f"<{_priority(record.levelno)}>" if self._service else ""
        lines = [self._head(record) + _body(record)]
        if record.exc_info and record.exc_info[1]:
            text = "".join(traceback.format_exception(record.exc_info[1]))
            lines += [f"    | {_printable(line)}" for line in text.splitlines()]
        return "\n".join(prefix + line for line in lines)

    def _head(self, record: logging.LogRecord) -> str:
        if self._service:
            return ""
        moment = datetime.fromtimestamp(record.created, UTC)
        return f"{stamp(moment)} {record.levelname.lower()} "


def get(room: str) -> Logger:
    """The logger of a room; to be called once, when its module is imported."""
    return Logger(logging.getLogger(f"{_ROOT}.{room}"))


def configure(level: str = "info", stream: TextIO | None = None, *, service: bool | None = None) -> None:
    """Send our lines at `level` and above, and other libraries' warnings, to stderr. May be called again."""
    if service is None:
        service = stream is None and _stderr_is_journal()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(LineFormatter(service=service))
    logging.getLogger().handlers[:] = [handler]
    logging.getLogger(_ROOT).setLevel(level.upper())


def quote(value: object) -> str:
    """A value as a field shows it: bare where it is one plain word, else in quotes; shortened at 400."""
    text = _text(value)
    if len(text) > MAX_VALUE:
        text = f"{text[:MAX_VALUE]}…(+{len(text) - MAX_VALUE})"
    if text and text.isprintable() and not _PLAIN_BREAKERS.intersection(text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{_printable(escaped)}"'


def _text(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3f}".rstrip("0").rstrip(".")
    return str(value)


def _printable(text: str) -> str:
    """Line ends, escape sequences, bidirectional overrides and lone surrogates show as their code."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escape(char) for char in text)


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


def _body(record: logging.LogRecord) -> str:
    fields: Mapping[str, object] | None = getattr(record, "fields", None)
    if fields is None:  # another library's record
        return f"log.library_said library={quote(record.name)} text={quote(record.getMessage())}"
    return " ".join([_printable(str(record.msg)), *(f"{key}={quote(value)}" for key, value in fields.items())])


def _priority(level: int) -> int:
    return _PRIORITY.get(level, 5)


def _stderr_is_journal() -> bool:
    """$JOURNAL_STREAM names the journal's socket, but terminals inherit it: is it our stderr?"""
    try:
        stat = os.fstat(2)
    except OSError:
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{stat.st_dev}:{stat.st_ino}"
