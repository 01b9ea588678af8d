"""One start of one contender: how soon it listens, how soon and how fast tickets are there, and what all that takes."""

from pathlib import Path

import msgspec

from scripts.benchmarks.memory import quiet_cpu_s
from scripts.benchmarks.process import tree_memory_mb
from scripts.benchmarks.trial import running

SLOW_DRAIN_S = 30.0
BURST_DRAIN_S = 300.0


class Speed(msgspec.Struct):
    """What was measured. The peak is that of the processes that stay, summed; the burst counts what was lost in it."""

    latencies_ms: list[float]
    start_ms: float
    per_s: float
    out_of_order: int
    lost: int
    peak_mb: float
    cpu_s_per_1000: float
    bytes_per_ticket: float


def one_round(name: str, orders: int, per_s: float, burst: int, under: Path) -> Speed:
    """Some orders at a shop's pace, then many at once."""
    with running(name, under) as trial:
        trial.warm_up()
        numbers = trial.numbers(orders)
        stamps = trial.publisher.publish_paced(numbers, per_s)
        slow = trial.paper(numbers, SLOW_DRAIN_S)
        before = quiet_cpu_s(trial.pid)
        numbers = trial.numbers(burst)
        began = trial.publisher.publish_at_once(numbers)
        paper = trial.paper(numbers, BURST_DRAIN_S)
        cuts = paper.cuts.values()
        return Speed(
            [(cut.at - stamps[number]) / 1e6 for number, cut in slow.cuts.items()],
            trial.start_ms,
            1e9 * len(cuts) / (max(cut.at for cut in cuts) - began) if cuts else 0.0,
            paper.out_of_order,
            slow.lost + paper.lost,
            tree_memory_mb(trial.pid, "VmHWM"),
            (quiet_cpu_s(trial.pid) - before) / burst * 1000,
            sum(cut.size for cut in cuts) / max(1, len(cuts)),
        )
