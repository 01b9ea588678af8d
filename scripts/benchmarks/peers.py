"""Who is measured: the agent, and what a shop would run instead. Each one is a process of its own."""

import select
import subprocess
import sys
from pathlib import Path

from agent.simulator.stage import AgentProcess
from scripts.benchmarks.orders import order_topic
from scripts.benchmarks.publisher import Publisher

BASE = "usual"
CONTENDERS = {
    "agent": "shop-agent: journaled, in order, confirmed by the printer, reported",
    "usual": "paho-mqtt + python-escpos as usually written",
    "careful": "the same with a persistent session, acknowledged after printing",
    "floor": "with nothing: paho, bytes that are ready, a socket",
}
REAL = ("agent", "usual", "careful")
START_TIMEOUT_S = 20.0
CONFIG = """\
shop: {shop}
data_dir: {folder}/data
broker: {{url: 'mqtt://127.0.0.1:{broker}'}}
printers: [{{name: kitchen, link: 'tcp://127.0.0.1:{printer}'}}]
"""


class Contender:
    """One of them, to be started for one shop, one broker and one printer."""

    def __init__(self, name: str, folder: Path, shop: str, broker: int, printer: int) -> None:
        self.pid = 0
        self._peer: subprocess.Popen[bytes] | None = None
        self._agent: AgentProcess | None = None
        self._log = folder / "contender.log"
        if name == "agent":
            config = folder / "agent.yaml"
            config.write_text(CONFIG.format(shop=shop, folder=folder, broker=broker, printer=printer))
            self._agent = AgentProcess(config, self._log)
        self._command = [f"scripts.benchmarks.peer_{name}", str(broker), str(printer), order_topic(shop)]

    def start(self, publisher: Publisher) -> None:
        """Start it and wait until it has subscribed."""
        if self._agent is not None:
            self._agent.start()
            self.pid = self._agent.pid
            publisher.wait_online()
            return
        with self._log.open("ab") as log:
            self._peer = subprocess.Popen(
                [sys.executable, "-m", *self._command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log
            )
        self.pid = self._peer.pid
        out = self._peer.stdout
        if out is None or not select.select([out], [], [], START_TIMEOUT_S)[0] or out.readline() != b"ready\n":
            raise RuntimeError(f"{self._command[0]} did not start; see {self._log}")

    def stop(self) -> None:
        """End it. It has nothing left to do."""
        if self._agent is not None:
            self._agent.kill()
        if self._peer is not None:
            self._peer.kill()
            self._peer.wait()
            if self._peer.stdout is not None:
                self._peer.stdout.close()
