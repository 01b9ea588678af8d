"""A link with a meter on it: counts bytes, and notes each call that does not keep what `Link` promises."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from agent.clock import Clock
from agent.model.printer import Identity, Need
from agent.printers.link import Link

NEEDS_S = 6.0
"""The kernel gives a USB printer 5 s to tell its port status."""
CLOSE_S = 1.0
_SLICE_S = 0.1
_KEPT = 20_000


class Meter:
    """What was measured during one check: bytes, and promises that were not kept. Read by another thread too."""

    def __init__(self, clock: Clock, grace_s: float) -> None:
        self.bytes_out = 0
        self.bytes_in = 0
        self.faults: list[str] = []
        self._clock = clock
        self._grace_s = grace_s
        self._calling: tuple[str, float] | None = None

    @contextmanager
    def call(self, what: str, allowed_s: float) -> Iterator[None]:
        """Something that must be over within `allowed_s`, give or take the machine's own slowness."""
        started = self._clock.monotonic()
        self._calling = (what, started + allowed_s)
        try:
            yield
        finally:
            self._calling = None
            took_s = self._clock.monotonic() - started
            if took_s > allowed_s + self._grace_s:
                self.faults.append(f"{what} had {allowed_s:.1f} s and took {took_s:.1f} s")

    def overdue(self, hang_s: float) -> str:
        """The call that should have been over for `hang_s`; "" where there is none."""
        calling = self._calling
        if calling is None or self._clock.monotonic() < calling[1] + hang_s:
            return ""
        return calling[0]


class Tap:
    """A `Link` around another. `slow_down` makes it carry fewer bytes a second, to give a person time to act.
    `heard` is all that came, `longest_stop_s` how long it took nothing.
    """

    def __init__(self, link: Link, clock: Clock, meter: Meter) -> None:
        self._link = link
        self._clock = clock
        self._meter = meter
        self._bytes_per_s: float | None = None
        self._stopped_at: float | None = None
        self.longest_stop_s = 0.0
        self.heard = b""

    def write(self, data: bytes, timeout_s: float) -> int:
        """See `Link.write`."""
        if self._bytes_per_s is not None:
            pause_s = min(_SLICE_S, timeout_s)
            data = data[: max(1, int(self._bytes_per_s * pause_s))]
            time.sleep(pause_s)
        began = self._clock.monotonic() if self._stopped_at is None else self._stopped_at
        with self._meter.call("write", timeout_s):
            taken = self._link.write(data, timeout_s)
        self.longest_stop_s = max(self.longest_stop_s, self._clock.monotonic() - began)
        self._stopped_at = None if taken else began
        if not 0 <= taken <= len(data):
            self._meter.faults.append(f"write says that it took {taken} of {len(data)} bytes")
        self._meter.bytes_out += taken
        return taken

    def read(self, max_bytes: int, timeout_s: float) -> bytes:
        """See `Link.read`."""
        with self._meter.call("read", timeout_s):
            data = self._link.read(max_bytes, timeout_s)
        if len(data) > max_bytes:
            self._meter.faults.append(f"read returned {len(data)} bytes and was asked for {max_bytes}")
        self._meter.bytes_in += len(data)
        self.heard = (self.heard + data)[-_KEPT:]
        return data

    def unsent(self) -> int:
        """See `Link.unsent`."""
        with self._meter.call("unsent", 0.0):
            return self._link.unsent()

    def needs(self) -> frozenset[Need]:
        """See `Link.needs`."""
        with self._meter.call("needs", NEEDS_S):
            return self._link.needs()

    @property
    def identity(self) -> Identity:
        """See `Link.identity`."""
        return self._link.identity

    def close(self) -> None:
        """See `Link.close`."""
        with self._meter.call("close", CLOSE_S):
            self._link.close()

    def slow_down(self, bytes_per_s: float) -> None:
        """From now on."""
        self._bytes_per_s = bytes_per_s
