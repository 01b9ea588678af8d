"""The host's end of the control channel: commands in the guest, their output as it comes, their exit codes."""

import base64
import queue
import signal
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

CONNECT_TIMEOUT_S = 10.0


class GuestGone(Exception):
    """The channel ended: the guest was killed, or crashed."""


class Running:
    """A command in the guest. Read `output` to its end, then `exit_code` is known."""

    def __init__(self, channel: "Channel", number: int) -> None:
        self._channel, self._number = channel, number
        self._said: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self.exit_code: int | None = None

    def take(self, message: dict[str, Any] | None) -> None:
        """For the channel: something came, or nothing will come any more."""
        self._said.put(message)

    def output(self, timeout_s: float) -> Iterator[bytes]:
        """What it says, chunk by chunk, until it ends.

        Raises:
            GuestGone: the guest ended before it.
            TimeoutError: it did not end in time; it still runs.
        """
        deadline = time.monotonic() + timeout_s
        while self.exit_code is None:
            try:
                message = self._said.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise TimeoutError(f"a command in the guest did not end within {timeout_s} s") from None
            if message is None:
                raise GuestGone("the guest ended while a command ran")
            if "out" in message:
                yield base64.b64decode(message["out"])
            else:
                self.exit_code = message.get("exit", 127)
                if "error" in message:
                    yield f"{message['error']}\n".encode()

    def lines(self, timeout_s: float) -> Iterator[str]:
        """Its output, line by line."""
        rest = b""
        for chunk in self.output(timeout_s):
            *whole, rest = (rest + chunk).split(b"\n")
            yield from (line.decode(errors="replace") for line in whole)
        if rest:
            yield rest.decode(errors="replace")

    def signal(self, number: int = signal.SIGTERM) -> None:
        """Send a signal to it and its children."""
        self._channel.send({"id": self._number, "signal": int(number)})


class Channel:
    """One channel, any number of commands at once."""

    def __init__(self, path: Path) -> None:
        self._socket = _connect(path)
        self._ready: threading.Event = threading.Event()
        self._lock = threading.Lock()
        self._commands: dict[int, Running] = {}
        self._last = 0
        self._ended = False
        self.python: tuple[int, ...] = ()
        self._thread = threading.Thread(target=self._read, name="guest-channel", daemon=True)
        self._thread.start()

    def wait_ready(self, timeout_s: float) -> bool:
        """Wait until the guest's program serves; False when it ended or time is over."""
        return self._ready.wait(timeout_s) and not self._ended

    def start(
        self,
        command: Sequence[str],
        env: Mapping[str, str] | None = None,
        cwd: str = "/",
        stdin: bytes = b"",
    ) -> Running:
        """Start a command in the guest."""
        given = base64.b64encode(stdin).decode()
        return self._ask(run=list(command), env=dict(env or {}), cwd=cwd, stdin=given)

    def wake(self, now: float, timeout_s: float = 60.0) -> None:
        """Let a guest that goes on from a kept memory begin its day, at this time: seconds since 1970."""
        b"".join(self._ask(wake=now).output(timeout_s))

    def run(
        self,
        command: Sequence[str],
        timeout_s: float = 60.0,
        env: Mapping[str, str] | None = None,
        cwd: str = "/",
        stdin: bytes = b"",
    ) -> tuple[int, str]:
        """Run a command to its end: its exit code and its output."""
        running = self.start(command, env, cwd, stdin)
        said = b"".join(running.output(timeout_s)).decode(errors="replace")
        return running.exit_code or 0, said

    def send(self, message: dict[str, Any]) -> None:
        """One line to the guest."""
        try:
            with self._lock:
                self._socket.sendall(msgspec.json.encode(message) + b"\n")
        except OSError as exc:
            raise GuestGone(f"the guest is gone: {exc}") from exc

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def _ask(self, **what: Any) -> Running:
        with self._lock:
            if self._ended:
                raise GuestGone("there is no guest any more")
            self._last += 1
            number = self._last
            running = self._commands[number] = Running(self, number)
        self.send({"id": number, **what})
        return running

    def _read(self) -> None:
        rest = b""
        try:
            while data := self._socket.recv(65536):
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    self._hear(msgspec.json.decode(line))
        except OSError:
            pass
        with self._lock:
            self._ended = True
            waiting = list(self._commands.values())
        for running in waiting:
            running.take(None)
        self._ready.set()

    def _hear(self, message: dict[str, Any]) -> None:
        if "ready" in message:
            self.python = tuple(message["python"])
            self._ready.set()
        elif (running := self._commands.get(message["id"])) is not None:
            running.take(message)


def _connect(path: Path) -> socket.socket:
    deadline = time.monotonic() + CONNECT_TIMEOUT_S
    while True:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(str(path))
            return connection
        except OSError:
            connection.close()
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
