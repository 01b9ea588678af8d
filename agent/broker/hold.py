"""How much may wait for the journal: a broker that floods us, or a disk that is full, must not eat the memory."""

import threading
from collections.abc import Callable

MOST_DELIVERIES = 2000
MOST_BYTES = 32 * 1024 * 1024
LOOK_EACH_S = 0.5


class Hold:
    """Counts what was handed up and is not settled. When full the network thread waits, and TCP stops the broker."""

    def __init__(self, most: int = MOST_DELIVERIES, most_bytes: int = MOST_BYTES) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._count = 0
        self._bytes = 0
        self._changed = threading.Condition()

    @property
    def count(self) -> int:
        """Deliveries that wait."""
        return self._count

    def enter(self, size: int, stopped: Callable[[], bool]) -> bool:
        """Take one in; waits while there is no room, unless `stopped`. True when it had to wait."""
        with self._changed:
            waited = False
            while not self._has_room(size) and not stopped():
                waited = True
                self._changed.wait(LOOK_EACH_S)
            self._count += 1
            self._bytes += size
        return waited

    def leave(self, size: int) -> None:
        """One is settled."""
        with self._changed:
            self._count = max(0, self._count - 1)
            self._bytes = max(0, self._bytes - size)
            self._changed.notify_all()

    def _has_room(self, size: int) -> bool:
        return self._count == 0 or (self._count < self._most and self._bytes + size <= self._most_bytes)
