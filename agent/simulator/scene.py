"""A whole shop on one machine: a broker, the cloud, two printers, and the agent as its own process.

scene.start() ... scene.act("paper_out", "kitchen") ... scene.close()
"""

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from datetime import datetime, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from agent.simulator.cloud import Cloud
from agent.simulator.menu import DRINKS
from agent.simulator.piece import Piece
from agent.simulator.ports import serve_tcp
from agent.simulator.printer import PrinterSpec, VirtualPrinter
from agent.simulator.share import Stations
from agent.simulator.stage import AgentProcess, Mosquitto
from agent.simulator.verdict import Verdict, judge_paper

SHOP, ZONE = "s421", "Asia/Shanghai"
RESTART_S = 1.0
"""systemd's Restart=always, with RestartSec=1."""

SPECS = {
    # A line of text is 3.75 mm: 150 mm a second, and 90 of the cheaper one.
    "kitchen": PrinterSpec(tier=1, width_dots=576, line_time_s=0.025, model="80 mm, T1"),
    "drinks": PrinterSpec(tier=2, width_dots=384, line_time_s=0.04, asb=False, counters=False, model="58 mm, T2"),
}
STATIONS = Stations("kitchen", category=dict.fromkeys(DRINKS, "drinks"))

_ACTS: dict[str, Callable[[VirtualPrinter], None]] = {
    "paper_out": VirtualPrinter.run_out_of_paper,
    "paper_out_soon": lambda printer: printer.run_out_of_paper(after_lines=5),
    "refill": VirtualPrinter.load_paper,
    "cover_open": VirtualPrinter.open_cover,
    "cover_close": VirtualPrinter.close_cover,
    "power_cycle": VirtualPrinter.power_cycle,
    "cut_link": lambda printer: printer.cut_link(after=300, reset=True),
}


class Scene:
    """The shop. Its files are in `folder`; only processes started here are ended, by their pid."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = contextlib.ExitStack()
        self._closing = threading.Event()
        self._listeners: list[Callable[[], None]] = []
        self._agent = AgentProcess(folder / "shop-agent.yaml", folder / "agent.log")
        self._nurse = threading.Thread(target=self._restart_for_ever, name="restart", daemon=True)
        self.printers = {name: VirtualPrinter(spec, name) for name, spec in SPECS.items()}
        self.cloud: Cloud
        self.broker_port = 0
        self.restarts = 0

    def start(self, timeout_s: float = 20.0) -> None:
        """Start everything and wait until the agent says hello.

        Raises:
            TimeoutError: it did not; its log is in the folder.
        """
        broker = self._stack.enter_context(Mosquitto(self._folder / "broker"))
        links = {}
        for name, printer in self.printers.items():
            port = serve_tcp(printer)
            links[name] = port.link
            self._stack.callback(printer.close)
            self._stack.callback(port.close)
        self.broker_port = broker.port
        self.cloud = self._stack.enter_context(Cloud("127.0.0.1", broker.port, shop=SHOP))
        self._agent.config.write_text(_config(self._folder, broker.port, links), encoding="utf-8")
        self._agent.start()
        self._stack.callback(self._stop_agent)
        self._nurse.start()
        self._stack.callback(self._end_nurse)
        for listener in self._listeners:
            self._listen(listener)
        if not self.cloud.wait_for(lambda cloud: cloud.online, timeout_s):
            raise TimeoutError(f"the agent did not start; see {self._agent.log}")

    def close(self) -> None:
        """End everything, in reverse."""
        self._stack.close()

    def on_change(self, listener: Callable[[], None]) -> None:
        """Before `start`: call `listener` when paper, printer, agent or its word changed. It must only hand on."""
        self._listeners.append(listener)

    # -- what happens --------------------------------------------------------------------------------------------

    def act(self, what: str, printer: str = "") -> None:
        """Do something to a printer, or to the agent.

        Raises:
            KeyError: there is no such act, or no such printer.
        """
        if what == "kill":
            self.kill_agent()
        else:
            _ACTS[what](self.printers[printer])

    def kill_agent(self) -> None:
        """SIGKILL, as a power cut; it is started again after a second."""
        if self._agent.running():
            os.kill(self._agent.pid, signal.SIGKILL)

    @property
    def agent_runs(self) -> bool:
        """Is the agent's process there?"""
        return self._agent.running()

    # -- what is to be seen --------------------------------------------------------------------------------------

    def paper(self) -> dict[str, list[Piece]]:
        """All that came out of the printers, with what still hangs out of them."""
        return {
            name: [*printer.paper.pieces, Piece(printer.paper.width_dots, list(printer.paper.current.items))]
            for name, printer in self.printers.items()
        }

    def verdict(self) -> Verdict:
        """What the judge says of the paper as it is now."""
        return judge_paper(list(self.cloud.events), self.paper(), STATIONS)

    def unsettled(self) -> list[str]:
        """The numbers of the orders whose end the agent has not reported."""
        states = dict(self.cloud.order_states)
        orders = [event["data"]["order"] for event in list(self.cloud.events)]
        numbers = {(order["channel"], order["id"]): order["no"] for order in orders if "no" in order}
        return [no for order, no in numbers.items() if states.get(order) in (None, "accepted", "held")]

    def wait_until_quiet(self, timeout_s: float, calm_s: float = 2.0) -> bool:
        """Block until all is settled and nothing was printed or reported for `calm_s`; False when the time is over."""
        moved = threading.Event()
        self._listen(moved.set)
        last, since, deadline = self._trace(), time.monotonic(), time.monotonic() + timeout_s
        while (now := time.monotonic()) < deadline:
            if (trace := self._trace()) != last:
                last, since = trace, now
            elif now - since >= calm_s and not self.unsettled() and self.verdict().fine:
                return True
            moved.wait(calm_s / 2)
            moved.clear()
        return False

    def _trace(self) -> tuple[int, ...]:
        return len(self.cloud.reports), *(printer.paper.line_feeds for printer in self.printers.values())

    # -- the agent's keeper --------------------------------------------------------------------------------------

    def _listen(self, listener: Callable[[], None]) -> None:
        self.cloud.on_change(listener)
        for printer in self.printers.values():
            printer.on_change(listener)

    def _restart_for_ever(self) -> None:
        while not self._closing.is_set():
            if self._agent.wait(0.5) is None:
                continue
            self._tell()
            if not self._closing.wait(RESTART_S):
                self._agent.start()
                self.restarts += 1
                self._tell()

    def _tell(self) -> None:
        for listener in self._listeners:
            listener()

    def _stop_agent(self) -> None:
        try:
            self._agent.stop()
        except subprocess.TimeoutExpired:
            self._agent.kill()

    def _end_nurse(self) -> None:
        self._closing.set()
        self._nurse.join()


def shop_zone() -> tzinfo | None:
    """The shop's time zone; None is this machine's own, where it knows no other."""
    try:
        return ZoneInfo(ZONE)
    except ZoneInfoNotFoundError:
        return None


def shop_time() -> datetime:
    """What the clock in the shop says."""
    return datetime.now(shop_zone()).astimezone(shop_zone())


def _config(folder: Path, broker_port: int, links: dict[str, str]) -> str:
    """The agent's settings file, as an installer would write it."""
    zone = shop_zone()
    timezone = zone.key if isinstance(zone, ZoneInfo) else ""
    printers = "\n".join(
        f'  - {{name: {name}, link: "{link}", width: {SPECS[name].cells}}}' for name, link in links.items()
    )
    return f"""shop: {SHOP}
data_dir: {folder}/data
timezone: "{timezone}"
broker: {{url: "mqtt://127.0.0.1:{broker_port}"}}
report: {{beat_s: 5}}
printers:
{printers}
stations:
  - {{name: kitchen, printer: kitchen, default: true}}
  - {{name: drinks, printer: drinks, match: {{category: [{", ".join(DRINKS)}]}}}}
"""
