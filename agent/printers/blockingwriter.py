"""A device that says only by a write that blocks whether it took the bytes: the write waits in a thread of its own."""

import os
import signal
import threading
from contextlib import suppress

from agent.errors import LinkBroken

PIECE = 4096
"""Less than what usblp hands over at once (8192): then no error can hide behind a count that is only short."""

CLOSING_S = 0.2


class BlockingWriter:
    """Owns a descriptor and closes it, after `close`, once the last write is over: when the device took the bytes, or
    is gone. Until then it `hangs`.
    """

    def __init__(self, descriptor: int, name: str) -> None:
        os.set_blocking(descriptor, True)
        self._descriptor = descriptor
        self._piece = b""
        self._error: OSError | None = None
        self._closing = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def put(self, data: bytes, timeout_s: float) -> int:
        """Hand over the next piece; how many bytes of it were taken, 0 while the last one still waits.

        Raises:
            LinkBroken: an earlier piece failed.
        """
        with self._changed:
            self._changed.wait_for(lambda: not self._piece or self._error, timeout_s)
            self.check()
            if self._piece:
                return 0
            self._piece = data[:PIECE]
            self._changed.notify_all()
            return len(self._piece)

    def held(self) -> int:
        """How many bytes the device has not taken; some of them it may have."""
        return len(self._piece)

    def check(self) -> None:
        """Raises LinkBroken where a write failed."""
        if self._error is not None:
            raise LinkBroken(f"write: {self._error}") from self._error

    def hangs(self) -> bool:
        """Is the descriptor still open?"""
        return self._thread.is_alive()

    def close(self) -> None:
        """Take nothing more. Returns at once, also while a write hangs."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(CLOSING_S)

    def _run(self) -> None:
        # A signal would end usblp's write with an unknown part of the piece sent, and Python would send it again.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            while piece := self._next():
                self._write(piece)
        finally:
            with suppress(OSError):
                os.close(self._descriptor)

    def _next(self) -> bytes:
        with self._changed:
            self._changed.wait_for(lambda: self._closing or (self._piece and self._error is None))
            return b"" if self._closing else self._piece

    def _write(self, piece: bytes) -> None:
        error = None
        try:
            while piece and not self._closing:
                piece = piece[os.write(self._descriptor, piece) :]
        except OSError as exc:
            error = exc
        with self._changed:
            self._error = error
            self._piece = piece if error else b""
            self._changed.notify_all()
