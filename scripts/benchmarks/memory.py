"""What it takes to run one: start, memory, the idle processor, bytes to the printer and processor time an order."""

import time
from pathlib import Path

import msgspec

from scripts.benchmarks.peers import BASE, CONTENDERS
from scripts.benchmarks.process import memory_mb, tree_cpu_s
from scripts.benchmarks.table import markdown, median, ratio, spread
from scripts.benchmarks.trial import Trial, running

DRAIN_S = 180.0
QUIET_S = 1.0
QUIET_CPU_S = 0.03
QUIET_TIMEOUT_S = 60.0
SETTLE_S = 3.0
COLUMNS = (
    "",
    "start, ms",
    "of the rounds",
    "idle RSS, MB",
    "peak RSS, MB",
    f"to {BASE}",
    "idle CPU, % of a core",
    "bytes/ticket",
    "CPU-s per 1,000",
    f"to {BASE}",
    "lost",
)


class Footprint(msgspec.Struct):
    """One contender's needs, round by round. Peak and CPU are over a burst, until all is reported and quiet."""

    name: str
    start_ms: list[float] = []
    idle_mb: list[float] = []
    peak_mb: list[float] = []
    idle_percent: list[float] = []
    bytes_per_ticket: list[float] = []
    cpu_s_per_1000: list[float] = []
    lost: int = 0


def measure(names: tuple[str, ...], orders: int, idle_s: float, rounds: int, under: Path) -> list[Footprint]:
    """Every contender once a round, by turns."""
    found = {name: Footprint(name) for name in names}
    for _ in range(rounds):
        for name in names:
            with running(name, under) as trial:
                _one_round(found[name], trial, orders, idle_s)
    return list(found.values())


def _one_round(footprint: Footprint, trial: Trial, orders: int, idle_s: float) -> None:
    footprint.start_ms.append(trial.start_ms)
    time.sleep(min(SETTLE_S, idle_s))
    footprint.idle_mb.append(memory_mb(trial.pid, "VmRSS"))
    before, started = tree_cpu_s(trial.pid), time.monotonic()
    time.sleep(idle_s)
    footprint.idle_percent.append((tree_cpu_s(trial.pid) - before) / (time.monotonic() - started) * 100)
    trial.warm_up()
    before = quiet_cpu_s(trial.pid)
    numbers = trial.numbers(orders)
    trial.publisher.publish_at_once(numbers)
    paper = trial.paper(numbers, DRAIN_S)
    footprint.cpu_s_per_1000.append((quiet_cpu_s(trial.pid) - before) / orders * 1000)
    footprint.peak_mb.append(memory_mb(trial.pid, "VmHWM"))
    footprint.bytes_per_ticket.append(sum(cut.size for cut in paper.cuts.values()) / max(1, len(paper.cuts)))
    footprint.lost += paper.lost


def quiet_cpu_s(pid: int) -> float:
    """Its processor time once it does next to nothing: reports are still sent when the last ticket is out."""
    deadline = time.monotonic() + QUIET_TIMEOUT_S
    last = tree_cpu_s(pid)
    while time.monotonic() < deadline:
        time.sleep(QUIET_S)
        if (now := tree_cpu_s(pid)) - last <= QUIET_CPU_S:
            return now
        last = now
    return last


def table(results: list[Footprint]) -> str:
    """The results as Markdown."""
    base = next((result for result in results if result.name == BASE), None)
    rows = [
        (
            f"{result.name}: {CONTENDERS[result.name]}",
            f"{median(result.start_ms):.0f}",
            spread(result.start_ms, 0),
            f"{median(result.idle_mb):.1f}",
            f"{median(result.peak_mb):.1f}",
            ratio(median(result.peak_mb), median(base.peak_mb) if base else None),
            f"{median(result.idle_percent):.2f}",
            f"{median(result.bytes_per_ticket):.0f}",
            f"{median(result.cpu_s_per_1000):.2f}",
            ratio(median(result.cpu_s_per_1000), median(base.cpu_s_per_1000) if base else None),
            str(result.lost),
        )
        for result in results
    ]
    return markdown(COLUMNS, rows)
