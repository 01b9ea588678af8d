"""From publishing an order to the last byte of its ticket at the printer, at a shop's pace."""

from pathlib import Path

import msgspec

from scripts.benchmarks.peers import BASE, CONTENDERS
from scripts.benchmarks.table import markdown, median, percentile, ratio, spread
from scripts.benchmarks.trial import running

DRAIN_S = 30.0
COLUMNS = ("", "p50, ms", "p99, ms", "p50 of the rounds", f"p50 to {BASE}", f"p99 to {BASE}", "tickets", "lost")


class Latency(msgspec.Struct):
    """One contender's milliseconds, round by round."""

    name: str
    rounds: list[list[float]] = []
    lost: int = 0

    @property
    def pooled(self) -> list[float]:
        """All rounds together."""
        return [ms for one in self.rounds for ms in one]


def measure(names: tuple[str, ...], orders: int, per_s: float, rounds: int, under: Path) -> list[Latency]:
    """Every contender once a round, by turns."""
    found = {name: Latency(name) for name in names}
    for _ in range(rounds):
        for name in names:
            _one_round(found[name], orders, per_s, under)
    return list(found.values())


def _one_round(latency: Latency, orders: int, per_s: float, under: Path) -> None:
    with running(latency.name, under) as trial:
        trial.warm_up()
        numbers = trial.numbers(orders)
        stamps = trial.publisher.publish_paced(numbers, per_s)
        paper = trial.paper(numbers, DRAIN_S)
    latency.rounds.append([(cut.at - stamps[number]) / 1e6 for number, cut in paper.cuts.items()])
    latency.lost += paper.lost


def table(results: list[Latency]) -> str:
    """The results as Markdown."""
    base = next((result.pooled for result in results if result.name == BASE), [])
    rows = []
    for result in results:
        p50, p99 = median(result.pooled), percentile(result.pooled, 0.99)
        rows.append(
            (
                f"{result.name}: {CONTENDERS[result.name]}",
                f"{p50:.2f}",
                f"{p99:.2f}",
                spread([median(one) for one in result.rounds], 2),
                ratio(p50, median(base)),
                ratio(p99, percentile(base, 0.99)),
                str(len(result.pooled)),
                str(result.lost),
            )
        )
    return markdown(COLUMNS, rows)
