"""Who is measured: the agent, and what a shop would run instead. Each one's set-up is a small file beside this one.

A peer is told the broker's port, the printer and the topic, and may say `done 42` or `held 42` when it holds that order
42 is printed, or can't be. Whatever ends by itself is started again after 0.1 s, as systemd's Restart=always does.
"""

import os
import re
import shutil
import subprocess
import sys
import threading
import time
from importlib.metadata import version
from pathlib import Path

from agent.simulator.stage import Mosquitto
from scripts.benchmarks.orders import order_topic
from scripts.benchmarks.process import kill_tree

BASE = "usual"
CONTENDERS = {
    "agent": "shop-agent: journaled, in order, confirmed by the printer, reported",
    "usual": "paho-mqtt + python-escpos as usually written",
    "careful": "paho-mqtt + python-escpos, made careful: a persistent session, acknowledged after printing",
    "floor": "the floor, with nothing: paho, bytes that are ready, a socket",
}
REAL = ("agent", "usual", "careful")
INSTALLED = {
    "shell": "mosquitto_sub in a shell loop, jq, nc",
    "node-red": "Node-RED, mqtt in → tcp out",
    "thermal": "Node.js, MQTT.js + node-thermal-printer",
    "receiptio": 'Node.js, MQTT.js + ReceiptIO: acknowledged after its "success"',
    "cups": "paho-mqtt + CUPS raw queue",
}
EVERYONE = {**CONTENDERS, **INSTALLED}
"""In words; what stands before a colon is the name."""

HERE = Path(__file__).parent
START_TIMEOUT_S = 60.0
RESTART_S = 0.1
SUBSCRIPTIONS = "log_type error\nlog_type subscribe"
"""Settings of a broker that says in its log who has subscribed to what: so each contender is known to be there."""
CONFIG = """\
shop: {shop}
data_dir: {folder}/data
broker: {{url: 'mqtt://127.0.0.1:{broker}'}}
printers: [{{name: kitchen, link: '{link}'}}]
printing: {{reprint_after_s: 2}}
"""
_WORD = re.compile(r"^(done|held) (\d+)\b", re.MULTILINE)


def cache() -> Path:
    """Where the peers are installed, and what was measured is kept."""
    return Path(os.environ.get("SHOP_AGENT_PEER_CACHE", Path.home() / ".cache/shop-agent/peers"))


def missing(name: str) -> str:
    """What a peer lacks to run here; empty where it can."""
    if name in ("shell", "cups") and not (cache() / "debian/usr/bin/mosquitto_sub").exists():
        return "its Debian packages could not be had"
    if name == "cups" and os.getuid():
        return "cupsd wants root"
    if name in ("node-red", "thermal", "receiptio") and not ((cache() / "npm/.installed").exists() and _node()):
        return "there is no Node.js or npm here"
    return ""


def versions() -> list[str]:
    """What was installed, and what of Python is used, each with its version."""
    debian, packages = cache() / "debian/packages", cache() / "npm/.installed"
    names = ("mosquitto-clients", "jq", "netcat-openbsd", "cups-daemon")
    files = [file.split("_") for file in debian.read_text().split()] if debian.exists() else []
    found = [f"{name} {number}" for name, number, *_ in files if name in names]
    found += [each.replace("@", " ") for each in packages.read_text().split()] if packages.exists() else []
    return [f"{name} {version(name)}" for name in ("paho-mqtt", "python-escpos")] + found


def address(name: str) -> tuple[str, int]:
    """Where the printer of a contender shall listen: anywhere, but that ReceiptIO knows only port 9100."""
    return (f"127.0.{os.getpid() % 250 + 1}.91", 9100) if name == "receiptio" else ("127.0.0.1", 0)


def _node() -> str | None:
    return shutil.which("node") or shutil.which("nodejs")


def _environment(printer: str, broker: int, topic: str) -> dict[str, str]:
    """Everything that a peer may need besides its arguments."""
    debian = cache() / "debian"
    libraries = ":".join(map(str, [*debian.glob("usr/lib/*-linux-gnu"), *debian.glob("lib/*-linux-gnu")]))
    host, _, port = printer.partition(":")
    return {
        **os.environ,
        "PATH": f"{os.environ['PATH']}:/usr/sbin:{debian}/usr/bin:{debian}/usr/sbin",
        "LD_LIBRARY_PATH": f"{libraries}:{os.environ.get('LD_LIBRARY_PATH', '')}",
        "NODE_PATH": str(cache() / "npm/node_modules"),
        "CUPS_ROOT": str(debian),
        "BROKER_PORT": str(broker),
        "TOPIC": topic,
        "PRINTER_HOST": host,
        "PRINTER_PORT": port,
    }


class Contender:
    """One of them, for one shop, one broker and one printer (`host:port`, or a serial line's path)."""

    def __init__(self, name: str, folder: Path, shop: str, broker: Mosquitto, printer: str) -> None:
        self.pid = 0
        self.log = folder / "contender.log"
        self._broker_log = broker.log
        self._topic = order_topic(shop)
        self._process: subprocess.Popen[bytes] | None = None
        self._keeper: threading.Thread | None = None
        self._wanted = False
        self._environment = os.environ.copy()
        arguments = [str(broker.port), printer, self._topic]
        if name == "agent":
            config = folder / "agent.yaml"
            link = f"serial://{printer}?baud=19200" if printer.startswith("/") else f"tcp://{printer}"
            config.write_text(CONFIG.format(shop=shop, folder=folder, broker=broker.port, link=link))
            self._command = [sys.executable, "-m", "agent", "run", "--config", str(config)]
            return
        if name not in CONTENDERS:
            self._environment = _environment(printer, broker.port, self._topic)
        node = _node() or "node"
        red = [node, str(cache() / "npm/node_modules/node-red/red.js"), "--userDir", str(folder / "node-red")]
        self._command = {
            "shell": ["bash", str(HERE / "shell.sh"), *arguments],
            "node-red": [*red, "--settings", str(HERE / "node-red.js"), str(folder / "flows.json")],
            "thermal": [node, str(HERE / "thermal.js"), *arguments],
            "receiptio": [node, str(HERE / "receiptio.js"), *arguments],
            "cups": [sys.executable, "-m", f"{__name__}.cups", *arguments, str(folder)],
        }.get(name, [sys.executable, "-m", f"{__name__}.{name}", *arguments])
        shutil.copy(HERE / "node-red.json", folder / "flows.json")  # Node-RED writes to it
        if name == "cups":
            subprocess.run([*self._command, "set-up"], env=self._environment, check=True)

    def start(self) -> None:
        """Start it and wait until the broker says that it has subscribed."""
        before = self._subscriptions()
        self._wanted = True
        self._spawn()
        self._keeper = threading.Thread(target=self._keep, daemon=True)
        self._keeper.start()
        deadline = time.monotonic() + START_TIMEOUT_S
        while self._subscriptions() == before:
            if time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"{self._command[:3]} did not subscribe: {self.log.read_text()[-2000:]}")
            time.sleep(0.002)

    def stop(self) -> None:
        """SIGKILL to it and all its children, as a power cut; what it has on disk stays."""
        self._wanted = False
        if self._process is not None:
            kill_tree(self._process.pid)
            self._process.wait()
        if self._keeper is not None:
            self._keeper.join()
            self._keeper = None

    def said(self, word: str) -> set[int]:
        """The orders of which it said `done` or `held`."""
        found = _WORD.findall(self.log.read_text(errors="replace")) if self.log.exists() else []
        return {int(number) for each, number in found if each == word}

    def _spawn(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.pid = self._process.pid

    def _keep(self) -> None:
        while self._process is not None:
            self._process.wait()
            kill_tree(self._process.pid)  # what it left behind
            time.sleep(RESTART_S)
            if not self._wanted:
                return
            self._spawn()

    def _subscriptions(self) -> int:
        return self._broker_log.read_bytes().count(f" {self._topic}\n".encode())
