"""Real-time commands are found in the bytes as they arrive, in front of the buffer and even inside pictures."""

from collections.abc import Iterator

from agent.simulator.grammar import DLE, UNKNOWN, measure

CLEAR = b"\x10\x14\x08"
CLEAR_PARAMS = b"\x01\x03\x14\x01\x06\x02\x08"

Found = tuple[int, bytes, bytes]
"""Where the command ends in the bytes given (never below 0), its key, its parameters."""


class Scanner:
    """Finds DLE commands, however they are split over arrivals."""

    def __init__(self) -> None:
        self._tail = b""

    def scan(self, data: bytes) -> Iterator[Found]:
        """The commands that are complete with `data`, in order."""
        if not self._tail and DLE not in data:
            return
        held = len(self._tail)
        work, self._tail = self._tail + data, b""
        pos = work.find(DLE)
        while pos >= 0:
            key, end = measure(work, pos)
            if end > len(work):
                self._tail = work[pos:]
                return
            if key != UNKNOWN:
                yield max(0, end - held), key, work[pos + len(key) : end]
            # The byte after an unknown DLE may begin a command itself.
            pos = work.find(DLE, end if key != UNKNOWN else pos + 1)

    def reset(self) -> None:
        """Power was cut: forget half a command."""
        self._tail = b""
