"""The other end of sink.py: starts the measuring printer, waits for tickets, fetches what it saw."""

import contextlib
import select
import subprocess
import sys
import time
from types import TracebackType

import msgspec

START_TIMEOUT_S = 20.0
END_TIMEOUT_S = 10.0


class Cut(msgspec.Struct, frozen=True):
    """A ticket on paper: when its last byte came (CLOCK_MONOTONIC, ns), for which order, and all bytes that it took."""

    at: int
    number: int
    size: int


class MeasuringPrinter:
    """A sink process that is ours to ask and to end."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        command = [sys.executable, "-m", "scripts.benchmarks.sink", host, str(port)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        self._heard = b""
        try:
            self.port = int(self._hear(time.monotonic() + START_TIMEOUT_S) or "0")
        except BaseException:
            self.close()
            raise

    def expect(self, tickets: int, timeout_s: float) -> bool:
        """Wait until so many were cut since the start; False when the time is over first."""
        self._say(f"expect {tickets}")
        return self._hear(time.monotonic() + timeout_s) == "reached"

    def drain(self) -> list[Cut]:
        """All tickets so far, in the order in which they came out."""
        self._say("drain")
        deadline = time.monotonic() + END_TIMEOUT_S
        cuts: list[Cut] = []
        while line := self._hear(deadline):
            if line != "reached":  # an expectation that was given up
                cuts.append(msgspec.json.decode(line, type=Cut))
        return cuts

    def close(self) -> None:
        """End it."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        self._process.wait(END_TIMEOUT_S)

    def _say(self, line: str) -> None:
        if self._process.stdin is not None:
            self._process.stdin.write(line.encode() + b"\n")

    def _hear(self, deadline: float) -> str | None:
        """The next line, or None when it does not come in time."""
        out = self._process.stdout
        while out is not None and b"\n" not in self._heard:
            if not select.select([out], [], [], max(0.0, deadline - time.monotonic()))[0]:
                return None
            if not (data := out.read(65536)):
                raise RuntimeError("the measuring printer is gone")
            self._heard += data
        line, _, self._heard = self._heard.partition(b"\n")
        return line.decode()

    def __enter__(self) -> "MeasuringPrinter":
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()
