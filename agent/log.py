"""One plain line for each thing that happened: `intake.duplicate_dropped order=42 printer=kitchen`.

A person at a terminal sees the time and the level before it; under systemd the journal gets the fields as its own
(agent/journald.py), or where its socket is not there, a line with the `<N>` priority prefix (sd-daemon(3)). Values may
come from customers: whatever is in one, it stays inside its quotes on its line. Customers' names, phones and addresses
are never given to a log; what is named like a secret, and what a URL hides, is black.
"""

import logging
import os
import re
import sys
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import TextIO

from agent.clock import stamp

LEVELS = ("debug", "info", "warning", "error")
MAX_VALUE = 400
MAX_LINE = 4000
MAX_TRACEBACK_LINES = 60
BLACK = "***"
JOURNAL_SOCKET = "/run/systemd/journal/socket"
_ROOT = "agent"
_PLAIN_BREAKERS = frozenset(" \"'=\\")
_PRIORITY = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}
_COLOURS = {logging.DEBUG: "2", logging.INFO: "32", logging.WARNING: "33", logging.ERROR: "1;31"}
_SECRET_NAME = re.compile(r"password|passwd|secret|token|ukey|api_?key|private_?key|credential|authorization", re.I)
_WORD = re.compile(r"\S+")
_IN_QUERY = re.compile(r"(?<=[?&])([^\s=&?]*(?:key|token|secret|sign|password))=[^\s&\"]+", re.I)


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
    """A record as one line, plus one marked line for each line of a traceback. `colour` is for terminals."""

    def __init__(self, *, service: bool, colour: bool = False) -> None:
        super().__init__()
        self._service = service
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        """The line or lines, without the last newline; none holds a control character but our own colours."""
        prefix = f"<{priority(record.levelno)}>" if self._service else ""
        lines = [self._head(record) + body(record)]
        lines += [f"    | {line}" for line in traceback_lines(record)]
        return "\n".join(prefix + line for line in lines)

    def _head(self, record: logging.LogRecord) -> str:
        if self._service:
            return ""
        moment, level = stamp(datetime.fromtimestamp(record.created, UTC)), record.levelname.lower()
        if self._colour:
            return f"\x1b[2m{moment}\x1b[0m \x1b[{_COLOURS.get(record.levelno, '1')}m{level}\x1b[0m "
        return f"{moment} {level} "


def get(room: str) -> Logger:
    """The logger of a room; to be called once, when its module is imported."""
    return Logger(logging.getLogger(f"{_ROOT}.{room}"))


def configure(
    level: str = "info", stream: TextIO | None = None, *, service: bool | None = None, journal: str = JOURNAL_SOCKET
) -> None:
    """Send our lines at `level` and above, and other libraries' warnings, to stderr, or to the `journal` whose stderr
    is. May be called again.
    """
    if service is None:
        service = stream is None and _stderr_is_journal()
    lines = logging.StreamHandler(stream)
    lines.setFormatter(LineFormatter(service=service, colour=not service and _shows_colours(stream or sys.stderr)))
    handler: logging.Handler = lines
    if service and stream is None:
        from agent.journald import JournalHandler  # a person's terminal has no use for it

        handler = JournalHandler(journal, lines)
    root = logging.getLogger()
    before, root.handlers[:] = root.handlers[:], [handler]
    for each in before:
        if type(each).__module__ == "agent.journald":
            each.close()
    logging.getLogger(_ROOT).setLevel(level.upper())


def quote(value: object) -> str:
    """A value as a field shows it: bare where it is one plain word, else in quotes; shortened at 400."""
    text = _shortened(_text(value))
    if text and text.isprintable() and not _PLAIN_BREAKERS.intersection(text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{_printable(escaped)}"'


def plain(name: str, value: object) -> str:
    """A value without quotes, on one line, shortened at 400; black where its name is a secret's."""
    return _printable(_shortened(_text(_seen(name, value))))


def body(record: logging.LogRecord) -> str:
    """The event and its fields, on one line of bounded length. It is kept: a record has several readers."""
    said: str | None = getattr(record, "body", None)
    if said is None:
        said = record.body = _body(record)
    return said


def _body(record: logging.LogRecord) -> str:
    fields: Mapping[str, object] | None = getattr(record, "fields", None)
    if fields is None:  # another library's record
        return f"log.library_said library={quote(record.name)} text={quote(_without_secrets(record.getMessage()))}"
    line = " ".join([_printable(str(record.msg)), *[f"{key}={quote(_seen(key, fields[key]))}" for key in fields]])
    return line if len(line) <= MAX_LINE else f"{line[:MAX_LINE]}…(+{len(line) - MAX_LINE})"


def traceback_lines(record: logging.LogRecord) -> list[str]:
    """The lines of the record's traceback, without control characters; the last ones, where there are too many."""
    if not record.exc_info or not record.exc_info[1]:
        return []
    lines = "".join(traceback.format_exception(record.exc_info[1])).splitlines()
    left_out = len(lines) - MAX_TRACEBACK_LINES
    kept = lines if left_out <= 0 else [f"(+{left_out} lines)", *lines[left_out:]]
    return [_printable(_shortened(_without_secrets(line))) for line in kept]


def priority(level: int) -> int:
    """syslog(3)'s number for one of logging's levels."""
    return _PRIORITY.get(level, 5)


def without_user(text: str) -> str:
    """With the user and password of each URL black, up to the last `@` before a blank: a password may hold an `@`, a
    `/` or a `?` that should have been escaped. Rather too much is black than the end of one left.
    """
    return _WORD.sub(lambda word: _user_black(word[0]), text) if "://" in text else text


def _seen(name: str, value: object) -> object:
    if value is None:
        return None
    return BLACK if _is_secret(name) else _without_secrets(_text(value))


@cache
def _is_secret(name: str) -> bool:
    """Of a field; there are as many as our own code names."""
    return _SECRET_NAME.search(name) is not None


def _without_secrets(text: str) -> str:
    """The user in a URL, and what it calls key, token, secret or sign, is black."""
    if "://" not in text:
        return text
    return _IN_QUERY.sub(rf"\1={BLACK}", without_user(text))


def _user_black(word: str) -> str:
    scheme, mark, rest = word.partition("://")
    user, at, host = rest.rpartition("@")
    return f"{scheme}{mark}{BLACK}{at}{host}" if user else word


def _shortened(text: str) -> str:
    return text if len(text) <= MAX_VALUE else f"{text[:MAX_VALUE]}…(+{len(text) - MAX_VALUE})"


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


def _stderr_is_journal() -> bool:
    """$JOURNAL_STREAM names the journal's socket, but terminals inherit it: is it our stderr?"""
    try:
        stat = os.fstat(2)
    except OSError:
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{stat.st_dev}:{stat.st_ino}"


def _shows_colours(stream: TextIO) -> bool:
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
