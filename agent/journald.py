"""systemd's journal in its own language: each record as one datagram of fields, so that `journalctl ORDER=42` finds it.

Where the journal can't be reached (it starts anew, a container has none) the record goes to stderr as a line instead.
A full socket counts as that too: nothing here waits. (systemd.io/JOURNAL_NATIVE_PROTOCOL)
"""

import logging
import os
import socket
from collections.abc import Iterator

from agent.log import body, plain, priority, quote, traceback_lines

IDENTIFIER = "shop-agent"
_OURS = frozenset(
    {"MESSAGE", "MESSAGE_ID", "PRIORITY", "SYSLOG_IDENTIFIER", "SYSLOG_PID", "ROOM", "ERRNO", "TRACEBACK"}
)
_NAMED = {"event": "EVENT_ID"}
"""A field that is called otherwise there: EVENT is what happened, EVENT_ID the cloud's name of its event."""

_LONGEST_NAME = 64


class JournalHandler(logging.Handler):
    """Sends records to the journal's socket at `path`, and those that it does not take to `otherwise`."""

    def __init__(self, path: str, otherwise: logging.Handler) -> None:
        super().__init__()
        self._path = path
        self._otherwise = otherwise
        self._line = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)

    def emit(self, record: logging.LogRecord) -> None:
        """Called by logging, one record at a time."""
        try:
            self._line.sendto(datagram(record), self._path)
        except OSError:
            self._otherwise.handle(record)

    def close(self) -> None:
        """Leave; a record that comes later goes to the other handler."""
        self._line.close()
        super().close()


def datagram(record: logging.LogRecord) -> bytes:
    """The record as the journal takes it: NAME=value lines; what has several lines goes with its length before it."""
    return b"".join(_field(name, value) for name, value in _fields(record))


def _fields(record: logging.LogRecord) -> Iterator[tuple[str, str]]:
    trace = traceback_lines(record)
    said = getattr(record, "fields", None)
    yield "MESSAGE", body(record) + (f" error={quote(trace[-1])}" if trace else "")
    yield "PRIORITY", str(priority(record.levelno))
    yield "SYSLOG_IDENTIFIER", IDENTIFIER
    yield "SYSLOG_PID", str(os.getpid())
    yield "ROOM", plain("room", record.name)
    if trace:
        yield "TRACEBACK", "\n".join(trace)
    if said is not None:
        yield "EVENT", plain("event", record.msg)
        for name, value in said.items():
            if value is not None and value != "":
                yield field_name(name), plain(name, value)


def field_name(name: str) -> str:
    """A field's name as the journal takes it: A-Z, 0-9 and _, at most 64, not one that has another meaning."""
    upper = "".join(char if char.isascii() and char.isalnum() else "_" for char in name.upper())
    upper = _NAMED.get(name, upper)[: _LONGEST_NAME - len("FIELD_")]
    return f"FIELD_{upper}" if upper in _OURS or not upper[:1].isalpha() else upper


def _field(name: str, value: str) -> bytes:
    data = value.encode("utf-8", "backslashreplace")
    if b"\n" in data:
        return b"%s\n%s%s\n" % (name.encode(), len(data).to_bytes(8, "little"), data)
    return b"%s=%s\n" % (name.encode(), data)
