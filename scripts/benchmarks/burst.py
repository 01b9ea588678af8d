"""Many orders at once: how fast they come out, and whether all, once, and in order."""

from pathlib import Path

import msgspec

from scripts.benchmarks.peers import BASE, CONTENDERS
from scripts.benchmarks.table import markdown, median, ratio, spread
from scripts.benchmarks.trial import running

DRAIN_S = 180.0
COLUMNS = ("", "orders/s", "of the rounds", f"to {BASE}", "out of order", "lost", "doubled")


class Burst(msgspec.Struct):
    """One contender's orders a second, round by round, and its mistakes in all rounds."""

    name: str
    per_s: list[float] = []
    out_of_order: int = 0
    lost: int = 0
    doubled: int = 0


def measure(names: tuple[str, ...], orders: int, rounds: int, under: Path) -> list[Burst]:
    """Every contender once a round, by turns."""
    found = {name: Burst(name) for name in names}
    for _ in range(rounds):
        for name in names:
            _one_round(found[name], orders, under)
    return list(found.values())


def _one_round(burst: Burst, orders: int, under: Path) -> None:
    with running(burst.name, under) as trial:
        trial.warm_up()
        numbers = trial.numbers(orders)
        started = trial.publisher.publish_at_once(numbers)
        paper = trial.paper(numbers, DRAIN_S)
    if paper.cuts:
        burst.per_s.append(len(paper.cuts) / (max(cut.at for cut in paper.cuts.values()) - started) * 1e9)
    burst.out_of_order += paper.out_of_order
    burst.lost += paper.lost
    burst.doubled += paper.doubled


def table(results: list[Burst]) -> str:
    """The results as Markdown."""
    base = next((median(result.per_s) for result in results if result.name == BASE), None)
    rows = [
        (
            f"{result.name}: {CONTENDERS[result.name]}",
            f"{median(result.per_s):,.0f}",
            spread(result.per_s, 0),
            ratio(median(result.per_s), base),
            str(result.out_of_order),
            str(result.lost),
            str(result.doubled),
        )
        for result in results
    ]
    return markdown(COLUMNS, rows)
