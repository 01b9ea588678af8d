"""What every port does: wait for a host, hand its bytes to the printer as fast as the printer takes them, hang up."""

import contextlib
import os
import select
import threading
import time
from abc import ABC, abstractmethod
from typing import Protocol, Self

from agent.simulator.machine import Machine

_NOTHING = 0
_LATE_S = 0.1


class Wire(Protocol):
    """One connection. `send` and `drop` are the printer's side of it (see mouth.Host)."""

    dropped: bool

    def fileno(self) -> int:
        """What to poll."""

    def recv(self, size: int) -> bytes:
        """What came; nothing is the end."""

    def send(self, data: bytes) -> bool:
        """Without blocking; False when it did not go out."""

    def drop(self, reset: bool) -> None:
        """Mark as dropped: the port's thread hangs up."""

    def close(self) -> None:
        """Hang up."""


class Doorbell:
    """Wakes a thread out of poll(); ringing never blocks."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(self._write, False)

    def fileno(self) -> int:
        """What to poll for reading."""
        return self._read

    def ring(self) -> None:
        """Wake the sleeper, now or when it next sleeps."""
        with contextlib.suppress(BlockingIOError):
            os.write(self._write, b"!")

    def hush(self) -> None:
        """Forget the rings so far."""
        with contextlib.suppress(BlockingIOError):
            os.read(self._read, 4096)

    def close(self) -> None:
        """Give the descriptors back."""
        os.close(self._read)
        os.close(self._write)


class Port(ABC):
    """The loop of a port. `listen` and `vanish` are called from two threads: repeating them does no harm."""

    def __init__(self, printer: Machine) -> None:
        self.printer = printer
        self._bell = Doorbell()
        self._closing = False
        self._thread = threading.Thread(target=self._serve, name=f"port-{printer.name}", daemon=True)

    @property
    @abstractmethod
    def link(self) -> str:
        """The address as a configuration says it."""

    @abstractmethod
    def listen(self) -> int | None:
        """Be reachable; what to poll for a host, or None where hosts can't be seen coming."""

    @abstractmethod
    def vanish(self) -> None:
        """Be unreachable."""

    @abstractmethod
    def accept(self) -> Wire | None:
        """The next host."""

    @abstractmethod
    def release(self) -> None:
        """Give back what was held while unreachable."""

    def start(self) -> Self:
        """Be reachable before this returns, and serve in a thread of its own."""
        self._attend()
        self.printer.on_attention(self._attend)
        self._thread.start()
        return self

    def close(self) -> None:
        """Hang up, stop listening, join the thread. Repeating does no harm."""
        if not self._closing:
            self._closing = True
            self.printer.forget_attention(self._attend)
            self._bell.ring()
            self._thread.join()
            self.release()
            self._bell.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _attend(self) -> None:
        """In the thread that changed the printer, so that a refusal is in force when its command returns."""
        if self.printer.reachable:
            self.listen()
        else:
            self.vanish()
        self._bell.ring()

    def _serve(self) -> None:
        try:
            while not self._closing:
                wire = self._await_host()
                if wire is not None:
                    self._serve_host(wire)
        finally:
            self.vanish()

    def _await_host(self) -> Wire | None:
        listening = self.listen() if self.printer.reachable else None
        if self.printer.reachable and listening is None:
            return self.accept()
        return self.accept() if self._sleep(listening, select.POLLIN, None) else None

    def _serve_host(self, wire: Wire) -> None:
        self.printer.attach(wire)
        try:
            self._pump(wire)
        finally:
            self.printer.detach(wire)
            wire.close()

    def _pump(self, wire: Wire) -> None:
        rate, not_before, asked, was_idle = self.printer.spec.bytes_per_s, 0.0, False, False
        while not self._closing and not wire.dropped and self.printer.reachable:
            room = self.printer.appetite()
            early_s = not_before - time.monotonic() if rate else 0.0
            hungry = room > 0 and early_s <= 0
            events = select.POLLIN if hungry else _NOTHING
            if hungry and not asked:
                asked, was_idle = True, not select.select([wire], [], [], 0)[0]
            if not self._sleep(wire.fileno(), events, early_s if early_s > 0 else None) or wire.dropped:
                continue
            # An event that was not asked for is a hang-up or an error: there is nothing more to read.
            data = wire.recv(room) if hungry else b""
            if not data:
                return
            self.printer.receive(data)
            if rate:
                now = time.monotonic()
                # Waking late is made good, being idle is not.
                not_before = (now if was_idle or now - not_before > _LATE_S else not_before) + len(data) / rate
                asked = False

    def _sleep(self, watched: int | None, events: int, timeout_s: float | None) -> bool:
        """Until something happens on `watched`, the bell rings or time is over; True when it was `watched` alone.

        After a ring the caller looks at the printer again before it reads: it may have been told to stall.
        """
        poll = select.poll()
        poll.register(self._bell, select.POLLIN)
        if watched is not None:
            poll.register(watched, events)
        ready = [fd for fd, _ in poll.poll(None if timeout_s is None else max(1, round(timeout_s * 1000)))]
        if self._bell.fileno() in ready:
            self._bell.hush()
            return False
        return watched in ready
