"""The newest lines of the log, kept in memory for the support bundle. The whole log is the machine's."""

import logging
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from agent.log import LineFormatter

MOST_CHARACTERS = 128 * 1024


class LastLines(logging.Handler):
    """Keeps as many of the newest records as fit."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(LineFormatter(service=False))
        self._lines: deque[str] = deque()
        self._size = 0
        self._guard = threading.Lock()

    def emit(self, record: logging.LogRecord) -> None:
        """Called by logging for each record that is logged at all."""
        text = self.format(record)[:MOST_CHARACTERS]
        with self._guard:
            self._lines.append(text)
            self._size += len(text)
            while self._size > MOST_CHARACTERS:
                self._size -= len(self._lines.popleft())

    @contextmanager
    def listening(self) -> Iterator[None]:
        """While this lasts."""
        logging.getLogger().addHandler(self)
        try:
            yield
        finally:
            logging.getLogger().removeHandler(self)

    def text(self) -> str:
        """The lines, oldest first."""
        with self._guard:
            return "\n".join(self._lines)
