"""A broker as a child process on a free loopback port: start, stop, kill -9, start again with what it kept.

Only processes that were started here are ever ended, by their process group.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar, Literal, Self

from agent.simulator.stage import free_port

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0
_ESTABLISHED = "01"

Setup = Literal["default", "safest", "limited"]
"""`default`: sessions on disk, all else as its makers ship it. `safest`: as little as it can lose when it is killed.
`limited`: as `safest`, with a short queue for whoever is away."""

MOST_QUEUED = 20


def cache() -> Path:
    """Where scripts/matrix --install puts the brokers."""
    named = os.environ.get("SHOP_AGENT_BROKER_CACHE")
    return Path(named) if named else Path.home() / ".cache/shop-agent/brokers"


class BrokerChild(ABC):
    """One broker, its files in `folder`. The port stays the same over restarts."""

    kind: ClassVar[str]
    title: ClassVar[str]
    protocols: ClassVar[tuple[str, ...]] = ("3.1.1",)
    setups: ClassVar[tuple[Setup, ...]] = ("default",)
    """Those in which it differs."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.folder = folder
        self.data = folder / "data"
        self._children: list[subprocess.Popen[bytes]] = []

    @classmethod
    @abstractmethod
    def missing(cls) -> str:
        """Why it can't run here; empty when it can."""

    @classmethod
    @abstractmethod
    def version(cls) -> str:
        """As the program says it."""

    @classmethod
    def settings(cls, setup: Setup) -> str:
        """In words for the table, what `setup` says to it beyond its defaults."""
        return "" if setup == "default" else "as default"

    @abstractmethod
    def _launch(self, setup: Setup, /) -> None:
        """Write the settings and spawn its processes."""

    def start(self, setup: Setup = "default") -> None:
        """Start it with what it kept, and wait until it listens.

        Raises:
            RuntimeError: it ended, or does not listen; the message names its log.
        """
        self.data.mkdir(parents=True, exist_ok=True)
        self._launch(setup)
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline and self.running():
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.05)
        self.kill()
        raise RuntimeError(f"{self.kind} did not start; see {self._log}")

    def stop(self) -> None:
        """End it cleanly; by force when it does not end."""
        for child in self._children:
            child.terminate()
        for child in self._children:
            try:
                child.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                break
        self.kill()

    def kill(self) -> None:
        """SIGKILL to all of it."""
        for child in self._children:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait(STOP_TIMEOUT_S)
        self._children.clear()

    def forget(self) -> None:
        """Take everything from it that it kept on disk; it must not run."""
        shutil.rmtree(self.data, ignore_errors=True)

    def running(self) -> bool:
        """Do all of its processes run?"""
        return bool(self._children) and all(child.poll() is None for child in self._children)

    def clients(self) -> int:
        """How many connections it has, as the kernel counts them."""
        lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
        lines += Path("/proc/net/tcp6").read_text().splitlines()[1:]
        rows = [line.split() for line in lines]
        return sum(row[3] == _ESTABLISHED and int(row[1].rpartition(":")[2], 16) == self.port for row in rows)

    @property
    def _log(self) -> Path:
        return self.folder / "broker.log"

    def _spawn(self, command: list[str], **environment: str) -> None:
        with self._log.open("ab") as log:
            child = subprocess.Popen(
                command,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                start_new_session=True,
            )
        self._children.append(child)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def said(command: list[str], **environment: str) -> str:
    """What a program prints, both channels."""
    found = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=20, check=False
    )
    return found.stdout + found.stderr
