"""What systemd does for the agent, as its unit asks: starts it again when it ends, and when it is no longer heard."""

import os
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

from agent.simulator.stage import AgentProcess

AGAIN_S = 0.2
WRONG_CONFIGURATION = 78
START_S, WATCHDOG_S = 60.0, 8.0


class Keeper:
    """Keeps `agent` running. `ends` are its exit codes, `bites` how often the watchdog bit. `environment` holds for
    every start; `crashes` are the checkpoints of the first ones, one each.
    """

    def __init__(self, agent: AgentProcess, crashes: Sequence[str], environment: Mapping[str, str]) -> None:
        self._agent, self._crashes, self._environment = agent, list(crashes), environment
        self._folder = tempfile.TemporaryDirectory(prefix="keeper-")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._address = str(Path(self._folder.name, "notify"))
        self._socket.bind(self._address)
        self._socket.settimeout(0.1)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="keeper", daemon=True)
        self.ends: list[int] = []
        self.bites = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.let_go()
        self._socket.close()
        self._folder.cleanup()

    def let_go(self) -> None:
        """Keep it no longer; it runs on."""
        self._stopping.set()
        self._thread.join()

    def _keep(self) -> None:
        while not self._stopping.is_set():
            if not self._agent.running():
                crash = self._crashes.pop(0) if self._crashes else ""
                watchdog = {"NOTIFY_SOCKET": self._address, "WATCHDOG_USEC": str(int(WATCHDOG_S * 1e6))}
                self._agent.start(crash, **watchdog, **self._environment)
            code = self._watch()
            if code == WRONG_CONFIGURATION:
                return
            if code is not None:
                self.ends.append(code)
                self._stopping.wait(AGAIN_S)

    def _watch(self) -> int | None:
        """Until it ends: the exit code. None when it shall not be watched any more. Before it says that it is ready it
        may be silent for as long as a start may take.
        """
        heard_at, may_s = time.monotonic(), START_S
        while not self._stopping.is_set():
            code = self._agent.wait(0)
            if code is not None:
                return code
            with suppress(TimeoutError):
                said = self._socket.recv(4096)
                heard_at = time.monotonic()
                may_s = WATCHDOG_S if b"READY=1" in said else may_s
            if time.monotonic() - heard_at > may_s:
                self.bites += 1
                os.kill(self._agent.pid, signal.SIGKILL)
                heard_at = time.monotonic()
        return None
