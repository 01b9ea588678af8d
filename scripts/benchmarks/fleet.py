"""What a shop costs its broker: thousands of light sessions and some real agents on one mosquitto; how long an order
takes among them; and how they all come back after the broker was away.
"""

import asyncio
import random
import resource
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path

import msgspec

from agent.broker.backoff import Backoff
from agent.simulator.stage import AgentProcess, Mosquitto, free_port
from scripts.benchmarks.fleet_box import LightBox, Tally
from scripts.benchmarks.fleet_cloud import Cloud, Times
from scripts.benchmarks.printing import MeasuringPrinter
from scripts.benchmarks.process import cpu_s, memory_mb
from scripts.benchmarks.table import markdown, median, percentile

RAMP_PER_S = 250
SETTLE_S = 3.0
PATIENCE_S = 120.0
AFTERWARDS = 100
BEAT_S = 60.0
SHORTEST_BEAT_S = 5.0
"""Of a real agent."""


class Plan(msgspec.Struct, frozen=True):
    """What to run. `shops` are all, `agents` of them real; `orders_per_s` go half to these and half to the others."""

    shops: int = 500
    agents: int = 20
    seconds: float = 60.0
    orders_per_s: float = 20.0
    down_s: float = 10.0
    beat_s: float = BEAT_S


class Storm(msgspec.Struct):
    """A broker's restart: seconds from when it listened again until so many were back; the busiest seconds."""

    attempts_while_down: int = 0
    back_s: dict[str, float] = {}
    peak_attempts_per_s: int = 0
    peak_connects_per_s: int = 0
    agents_back_s: float = 0.0
    lost: int = 0


class Found(msgspec.Struct):
    """All numbers of one run."""

    shops: int = 0
    agents: int = 0
    broker_kb_per_shop: float = 0.0
    broker_fds_per_shop: float = 0.0
    idle_cpu_percent: float = 0.0
    load_cpu_percent: float = 0.0
    beats: int = 0
    light_beat_bytes: float = 0.0
    real_beat_bytes: float = 0.0
    bytes_up_per_shop_minute: float = 0.0
    orders: int = 0
    lost: int = 0
    accepted_ms: dict[str, list[float]] = {}
    paper_ms: list[float] = []
    watcher_cpu_percent: float = 0.0
    watcher_mb: float = 0.0
    watcher_sees: int = 0
    storm: Storm | None = None
    lockstep: Storm | None = None


def measure(plan: Plan, under: Path) -> Found:
    """Run it all."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-fleet-", dir=under)))
            broker = stack.enter_context(Mosquitto(folder / "broker"))
            printer = stack.enter_context(closing(MeasuringPrinter()))
            return asyncio.run(_Run(plan, folder, broker, printer, stack).run())
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class _Run:
    """One run, step by step."""

    def __init__(
        self, plan: Plan, folder: Path, broker: Mosquitto, printer: MeasuringPrinter, stack: ExitStack
    ) -> None:
        self._plan = plan
        self._folder = folder
        self._broker = broker
        self._printer = printer
        self._stack = stack
        self._tally = Tally()
        self._cloud = Cloud(broker.port)
        self._real = tuple(f"real{number:03}" for number in range(plan.agents))
        light = max(0, plan.shops - plan.agents)
        self._boxes = [LightBox(f"s{n:05}", broker.port, plan.beat_s, self._tally, Backoff) for n in range(light)]
        self._found = Found(shops=plan.shops, agents=plan.agents)

    async def run(self) -> Found:
        """All of it, in order."""
        plan, found = self._plan, self._found
        await self._cloud.start(self._real)
        watcher, metrics_port = self._watcher()
        agents = [self._agent(shop) for shop in self._real]
        await _until(lambda: len(self._cloud.births) == len(agents), "the agents to come up")
        await asyncio.sleep(SETTLE_S)
        kb, fds = 1024 * memory_mb(_pid(self._broker), "VmRSS"), _fds(_pid(self._broker))
        await self._ramp()
        await asyncio.sleep(SETTLE_S)
        if self._boxes:
            found.broker_kb_per_shop = (1024 * memory_mb(_pid(self._broker), "VmRSS") - kb) / len(self._boxes)
            found.broker_fds_per_shop = (_fds(_pid(self._broker)) - fds) / len(self._boxes)
        await self._idle(watcher.pid)
        await self._load()
        found.watcher_mb = memory_mb(watcher.pid, "VmRSS")
        found.watcher_sees = await asyncio.to_thread(_seen, metrics_port)
        found.storm = await self._storm(Backoff)
        found.lockstep = await self._storm(lambda: Backoff(chance=lambda: 1.0))
        for box in self._boxes:
            box.stop()
        self._cloud.stop()
        sizes = [size for each in self._cloud.beat_bytes.values() for size in each]
        found.real_beat_bytes = median(sizes)
        found.light_beat_bytes = self._tally.beat_bytes / max(1, self._tally.beats)
        assert plan.shops == len(self._boxes) + len(self._real)
        return found

    def _agent(self, shop: str) -> AgentProcess:
        config = self._folder / f"{shop}.yaml"
        config.write_text(
            f"shop: {shop}\ndata_dir: {self._folder}/{shop}\nbroker: {{url: 'mqtt://127.0.0.1:{self._broker.port}'}}\n"
            f"report: {{beat_s: {int(max(SHORTEST_BEAT_S, self._plan.beat_s))}}}\n"
            f"printers: [{{name: kitchen, link: 'tcp://127.0.0.1:{self._printer.port}'}}]\n"
        )
        process = AgentProcess(config, self._folder / f"{shop}.log")
        self._stack.callback(process.kill)
        process.start()
        return process

    def _watcher(self) -> tuple[subprocess.Popen[bytes], int]:
        port = free_port()
        words = [sys.executable, "-m", "agent", "fleet", "--broker", f"mqtt://127.0.0.1:{self._broker.port}"]
        options = ["--listen", f"127.0.0.1:{port}", "--beat-s", str(max(SHORTEST_BEAT_S, self._plan.beat_s))]
        log = self._stack.enter_context((self._folder / "watcher.log").open("wb"))
        process = subprocess.Popen([*words, *options], stdout=log, stderr=log)
        self._stack.callback(process.wait)
        self._stack.callback(process.terminate)
        return process, port

    async def _ramp(self) -> None:
        """All light boxes, at a pace: this is no storm yet, and beats are then spread."""
        for box in self._boxes:
            box.start()
            await asyncio.sleep(1 / RAMP_PER_S)
        await _until(lambda: all(box.up for box in self._boxes), "the light boxes to come up")

    async def _idle(self, watcher: int) -> None:
        """Nothing but beats and pings."""
        beats, sent = self._tally.beats, self._tally.bytes_up
        broker, watching, began = cpu_s(_pid(self._broker)), cpu_s(watcher), time.monotonic()
        await asyncio.sleep(self._plan.seconds)
        took_s = time.monotonic() - began
        self._found.idle_cpu_percent = 100 * (cpu_s(_pid(self._broker)) - broker) / took_s
        self._found.watcher_cpu_percent = 100 * (cpu_s(watcher) - watching) / took_s
        self._found.beats = self._tally.beats - beats
        light = max(1, len(self._boxes))
        self._found.bytes_up_per_shop_minute = (self._tally.bytes_up - sent) / light * 60 / took_s

    async def _load(self) -> None:
        """Orders at a pace, beside the beats."""
        chance, names = random.Random(7), list[str]()
        began, broker = time.monotonic(), cpu_s(_pid(self._broker))
        light = [box.shop for box in self._boxes] or list(self._real)
        while (passed_s := time.monotonic() - began) < self._plan.seconds:
            if len(names) < passed_s * self._plan.orders_per_s:
                real = self._real and len(names) % 2 == 0
                names.append(self._cloud.order(chance.choice(self._real if real else light)))
            await asyncio.sleep(0.5 / self._plan.orders_per_s)
        self._found.load_cpu_percent = 100 * (cpu_s(_pid(self._broker)) - broker) / (time.monotonic() - began)
        self._found.orders, self._found.lost = len(names), await self._cloud.printed(names, 30)
        cuts = {cut.number: cut.at / 1e9 for cut in await asyncio.to_thread(self._printer.drain)}
        of: dict[str, list[Times]] = {"light": [], "real": []}
        for name in names:
            times = self._cloud.orders[name]
            of["real" if times.shop in self._real else "light"].append(times)
        for who, orders in of.items():
            self._found.accepted_ms[who] = [1000 * (order.accepted - order.sent) for order in orders if order.accepted]
        self._found.paper_ms = [1000 * (cuts[order.no] - order.sent) for order in of["real"] if order.no in cuts]

    async def _storm(self, backoff: Callable[[], Backoff]) -> Storm:
        """Stop the broker, wait, start it, and watch all come back; then an order to every agent and to some others."""
        for box in self._boxes:
            box.forget_failures(backoff)
        self._tally.attempts.clear()
        self._tally.connected.clear()
        await asyncio.to_thread(self._broker.stop)
        await asyncio.sleep(self._plan.down_s)
        refused = len(self._tally.attempts)
        await asyncio.to_thread(self._broker.start)
        began = time.monotonic()
        await _until(lambda: all(box.up for box in self._boxes), "the light boxes to come back")
        await self._cloud.back()
        await _until(lambda: all(self._cloud.births[shop] > began for shop in self._real), "the agents to come back")
        storm = Storm(attempts_while_down=refused)
        back = sorted(at - began for at in self._tally.connected)
        for share in (0.5, 0.9, 0.99, 1.0):
            storm.back_s[f"{share:.0%}"] = percentile(back, share)
        storm.peak_connects_per_s = _busiest(back)
        storm.peak_attempts_per_s = _busiest(self._tally.attempts)
        storm.agents_back_s = max((self._cloud.births[shop] - began for shop in self._real), default=0.0)
        shops = [*self._real, *(box.shop for box in self._boxes[:AFTERWARDS])]
        storm.lost = await self._cloud.printed([self._cloud.order(shop) for shop in shops], 60)
        return storm


def _pid(broker: Mosquitto) -> int:
    assert broker._process is not None
    return broker._process.pid


def _fds(pid: int) -> int:
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


def _busiest(moments: list[float]) -> int:
    """The most of them within one second."""
    ranked, first, most = sorted(moments), 0, 0
    for number, at in enumerate(ranked):
        while at - ranked[first] >= 1.0:
            first += 1
        most = max(most, number - first + 1)
    return most


def _seen(port: int) -> int:
    """How many boxes the watcher's exporter knows to be there."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
        lines = answer.read().decode().splitlines()
    counts = [line for line in lines if line.startswith("shop_agent_fleet_boxes{")]
    return sum(int(float(line.split()[1])) for line in counts if '"offline"' not in line and '"doubtful"' not in line)


async def _until(done: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not done():
        if time.monotonic() > deadline:
            raise RuntimeError(f"waited in vain for {what}")
        await asyncio.sleep(0.05)


def table(found: Found) -> str:
    """The results as Markdown."""
    rows = [
        ("shops, real agents among them", f"{found.shops:,}", f"{found.agents}"),
        (
            "broker: memory a shop, KB; file descriptors",
            f"{found.broker_kb_per_shop:.1f}",
            f"{found.broker_fds_per_shop:.2f}",
        ),
        (
            "broker: CPU, % of a core: idle; with orders",
            f"{found.idle_cpu_percent:.2f}",
            f"{found.load_cpu_percent:.2f}",
        ),
        (
            "bytes a beat: light (packet); real (payload)",
            f"{found.light_beat_bytes:.0f}",
            f"{found.real_beat_bytes:.0f}",
        ),
        ("idle: beats; bytes up a shop and minute", f"{found.beats:,}", f"{found.bytes_up_per_shop_minute:.0f}"),
        ("orders; not reported as printed", f"{found.orders:,}", f"{found.lost}"),
        _latency("light: publish → its report is heard", found.accepted_ms["light"]),
        _latency("real: publish → its report is heard", found.accepted_ms["real"]),
        _latency("real: publish → the last byte at the printer", found.paper_ms),
        (
            "`shop-agent fleet`: CPU, % of a core; memory, MB",
            f"{found.watcher_cpu_percent:.2f}",
            f"{found.watcher_mb:.1f}",
        ),
        ("`shop-agent fleet`: shops that it knows to be there", f"{found.watcher_sees:,}", ""),
    ]
    storms = [("jitter, as it is", found.storm), ("without jitter", found.lockstep)]
    columns = (
        "broker restarted",
        "back: 50%, s",
        "90%",
        "99%",
        "all",
        "agents",
        "tries while down",
        "tries/s, peak",
        "connects/s, peak",
        "orders lost after",
    )
    return (
        markdown(("", "", ""), rows)
        + "\n\n"
        + markdown(columns, [_storm_row(name, storm) for name, storm in storms if storm is not None])
    )


def _latency(name: str, ms: list[float]) -> tuple[str, str, str]:
    return f"{name}, ms: p50; p99", f"{median(ms):.1f}", f"{percentile(ms, 0.99):.1f}"


def _storm_row(name: str, storm: Storm) -> tuple[str, ...]:
    back = [f"{storm.back_s[share]:.1f}" for share in ("50%", "90%", "99%", "100%")]
    counts = (storm.attempts_while_down, storm.peak_attempts_per_s, storm.peak_connects_per_s, storm.lost)
    return (name, *back, f"{storm.agents_back_s:.1f}", *(f"{count:,}" for count in counts))
