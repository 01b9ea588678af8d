"""A whole agent as its own process with a real broker and virtual printers, and its command line."""

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import msgspec
from click.testing import CliRunner, Result

from agent.cli import cli
from agent.errors import AgentError
from agent.simulator.ports import serve_tcp
from agent.simulator.printer import PrinterSpec, VirtualPrinter
from agent.simulator.stage import AgentProcess, Mosquitto

WAIT_S = 20.0
NOBODY = 65534


def run_cli(config: Path, *words: str, stdin: str | None = None) -> Result:
    """A command of the command line, with this configuration."""
    return CliRunner().invoke(cli, [*words, "--config", str(config)], input=stdin)


def as_somebody_else(config: Path, *words: str) -> Result:
    """A command of a user who is neither root nor the service's, and may read the configuration. Only root can become
    him.
    """
    for path in (config, *config.parents):
        path.chmod(path.stat().st_mode | 0o055)
    run_cli(config, *words)  # what it imports is read as root
    os.seteuid(NOBODY)
    try:
        return run_cli(config, *words)
    finally:
        os.seteuid(0)


class Shopfront:
    """The agent's process, its printers by name, and what one asks it."""

    def __init__(self, folder: Path, config: Path, devices: dict[str, VirtualPrinter]) -> None:
        self.folder, self.config, self.devices = folder, config, devices
        self.process = AgentProcess(config, folder / "agent.log")

    @property
    def device(self) -> VirtualPrinter:
        """The first printer."""
        return next(iter(self.devices.values()))

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self.process.start()
        self.until(lambda: self.run("status").exit_code == 0, "an answer")

    def run(self, *words: str, stdin: str | None = None) -> Result:
        """A command."""
        return run_cli(self.config, *words, stdin=stdin)

    def json(self, *words: str, stdin: str | None = None) -> Any:
        """What a command says for programs. Raises what it raised."""
        done = self.run(*words, "--json", stdin=stdin)
        if isinstance(done.exception, AgentError):
            raise done.exception
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    def status(self) -> Any:
        """How all is."""
        return self.json("status")

    def until(self, done: Callable[[], bool], what: str, timeout_s: float = WAIT_S) -> None:
        """Wait for something that nobody signals."""
        deadline = time.monotonic() + timeout_s
        while not done():
            log = self.process.log.read_text()[-2000:] if self.process.log.exists() else ""
            assert time.monotonic() < deadline, f"waited in vain for {what}\n{log}"
            self.process.wait(0.05)


@contextmanager
def shopfront(
    folder: Path,
    broker: str | dict[str, Any],
    printers: tuple[str, ...] = ("wok",),
    spec: PrinterSpec | None = None,
    *,
    start: bool = True,
    **more: Any,
) -> Iterator[Shopfront]:
    """An agent on `broker`, a URL or its settings, with a virtual printer of each name on a cable of TCP."""
    with ExitStack() as stack:
        devices = {name: stack.enter_context(VirtualPrinter(spec or PrinterSpec())) for name in printers}
        links = {name: stack.enter_context(serve_tcp(device)).link for name, device in devices.items()}
        settings = {
            "shop": "s1",
            "data_dir": str(folder / "data"),
            "broker": {"url": broker} if isinstance(broker, str) else broker,
            "printers": [{"name": name, "link": link} for name, link in links.items()],
            **more,
        }
        config = folder / "agent.yaml"
        config.write_bytes(msgspec.json.encode(settings))  # which is YAML
        here = Shopfront(folder, config, devices)
        stack.callback(here.process.kill)
        if start:
            here.start()
        yield here


def no_broker() -> str:
    """Where nobody is."""
    return "mqtt://127.0.0.1:1"


@contextmanager
def brokered(folder: Path, **how: Any) -> Iterator[tuple[Shopfront, Mosquitto]]:
    """A shop on a broker of its own."""
    (folder / "broker").mkdir()
    with (
        Mosquitto(folder / "broker") as mosquitto,
        shopfront(folder, f"mqtt://127.0.0.1:{mosquitto.port}", **how) as here,
    ):
        yield here, mosquitto
