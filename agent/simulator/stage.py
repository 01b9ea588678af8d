"""The stage's machinery: a mosquitto of one's own and the agent as its own process, as children on free ports.

Only processes started here are ever stopped, by their pid.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

START_TIMEOUT_S = 20.0


def free_port() -> int:
    """A TCP port of the loopback interface that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def find_mosquitto() -> tuple[Path, dict[str, str]]:
    """Debian's broker, installed or unpacked by scripts/setup, and the environment that it needs.

    Raises:
        FileNotFoundError: it is nowhere; the message says what to do.
    """
    installed = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if installed:
        return Path(installed), dict(os.environ)
    unpacked = Path(sys.prefix, "debian")
    program = unpacked / "usr/sbin/mosquitto"
    if not program.exists():
        raise FileNotFoundError("mosquitto is missing: run scripts/setup, or install the Debian package mosquitto")
    libraries = [*unpacked.glob("usr/lib/*-linux-gnu*"), *unpacked.glob("lib/*-linux-gnu*")]
    return program, {**os.environ, "LD_LIBRARY_PATH": ":".join(map(str, libraries))}


class Mosquitto:
    """A broker on the loopback interface that can be stopped, killed and started again on the same port.

    With `keep_sessions` a clean stop saves sessions to disk; a kill never does.
    """

    def __init__(self, folder: Path, *, keep_sessions: bool = True, port: int = 0, settings: str = "") -> None:
        self.port = port or free_port()
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / "mosquitto.conf"
        self.log = folder / "mosquitto.log"
        self._file.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\nuser root\n"
            f"persistence {str(keep_sessions).lower()}\npersistence_location {folder}/\nautosave_interval 0\n"
            f"max_queued_messages 65000\nset_tcp_nodelay true\n{settings}\n"
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it listens."""
        program, environment = find_mosquitto()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [str(program), "-c", str(self._file)], env=environment, stdout=log, stderr=log
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.02)
        raise RuntimeError(f"mosquitto did not start; see {self.log}")

    def stop(self) -> None:
        """End it cleanly: sessions are saved where they are kept."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a power cut would: sessions are lost."""
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(START_TIMEOUT_S)
            self._process = None

    def __enter__(self) -> "Mosquitto":
        self.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.stop()


class AgentProcess:
    """`shop-agent run` as its own process, its log in a file. `module` may be one that spoils something first."""

    def __init__(self, config: Path, log: Path, module: str = "agent") -> None:
        self.config = config
        self.log = log
        self._module = module
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, crash: str = "", **environment: str) -> None:
        """Start it; `crash` names a checkpoint, as `name:n`, where it shall kill itself."""
        env = {**os.environ, **environment, "SHOP_AGENT_CRASH": crash}
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", self._module, "run", "--config", str(self.config)],
                env=env,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )

    @property
    def pid(self) -> int:
        """Its process id; it must have been started."""
        if self._process is None:
            raise RuntimeError("the agent was not started")
        return self._process.pid

    def running(self) -> bool:
        """Does it run?"""
        return self._process is not None and self._process.poll() is None

    def wait(self, timeout_s: float) -> int | None:
        """Its exit code once it ended, negative for a signal; None when it still runs."""
        if self._process is None:
            return None
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def kill(self) -> None:
        """SIGKILL, as a power cut."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self, timeout_s: float = 10.0) -> int:
        """SIGTERM, and its exit code."""
        if self._process is None:
            return 0
        self._process.terminate()
        return self._process.wait(timeout_s)
