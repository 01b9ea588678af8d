"""The newest lines of the log, kept in memory: for the support bundle, and for whoever watches. The whole log is the
machine's.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import msgspec

from agent.clock import stamp
from agent.log import LineFormatter, plain

MOST_CHARACTERS = 128 * 1024


class Line(msgspec.Struct, frozen=True):
    """One line. `n` counts on from the microsecond at which the agent was started, so that no number from before a
    restart is one of this agent's; `fields` are as the log shows them, without secrets; `text` is all of it, with time,
    level and any traceback.
    """

    n: int
    at: str
    level: str
    event: str
    fields: dict[str, str]
    text: str


class LastLines(logging.Handler):
    """Keeps as many of the newest records as fit. `beside`: others that listen as long as this does."""

    def __init__(self, *beside: logging.Handler) -> None:
        super().__init__()
        self._beside = beside
        self.setFormatter(LineFormatter(service=False))
        self._lines: deque[Line] = deque()
        self._size = 0
        self._count = time.monotonic_ns() // 1000  # the machine's own, which nobody sets
        self._news = threading.Condition()

    def emit(self, record: logging.LogRecord) -> None:
        """Called by logging for each record that is logged at all."""
        text = self.format(record)[:MOST_CHARACTERS]
        said = getattr(record, "fields", None)
        event = str(record.msg) if said is not None else "log.library_said"  # another library's words are in the text
        fields = {name: plain(name, value) for name, value in (said or {}).items() if value is not None}
        at, level = stamp(datetime.fromtimestamp(record.created, UTC)), record.levelname.lower()
        with self._news:
            self._count += 1
            self._lines.append(Line(self._count, at, level, event, fields, text))
            self._size += len(text)
            while self._size > MOST_CHARACTERS:
                self._size -= len(self._lines.popleft().text)
            self._news.notify_all()

    @contextmanager
    def listening(self) -> Iterator[None]:
        """While this lasts."""
        for handler in (self, *self._beside):
            logging.getLogger().addHandler(handler)
        try:
            yield
        finally:
            for handler in (self, *self._beside):
                logging.getLogger().removeHandler(handler)

    def text(self) -> str:
        """The lines, oldest first."""
        with self._news:
            return "\n".join(line.text for line in self._lines)

    def last(self, most: int) -> list[Line]:
        """The newest so many, oldest first."""
        with self._news:
            return list(self._lines)[-most:] if most > 0 else []

    def after(self, n: int, wait_s: float) -> list[Line]:
        """What came after the line `n`, oldest first; waits for it at most so long. A number past the newest is from
        before a restart of the machine: then all that is there came after it.
        """
        ends_at = time.monotonic() + wait_s
        with self._news:
            while not (found := [line for line in self._lines if line.n > n or n > self._count]):
                if (left_s := ends_at - time.monotonic()) <= 0:
                    break
                self._news.wait(left_s)
            return found
