"""The tables of `scripts/bench peers`, from its notebook: medians of the rounds."""

from collections.abc import Callable, Sequence

import msgspec

from scripts.benchmarks.peers import BASE, EVERYONE
from scripts.benchmarks.scenes import SCENES
from scripts.benchmarks.score import Score
from scripts.benchmarks.sidebyside import ONLY_SPEED, SPEED, Notebook, Plan
from scripts.benchmarks.speeds import Speed
from scripts.benchmarks.table import markdown, median, percentile, ratio, spread

COMMON = tuple(name for name, scene in SCENES.items() if not scene.who)
"""Scenes that everyone plays: only these are added up."""


class Total(msgspec.Struct, frozen=True):
    """All common scenes of one contender together: medians of the rounds. `false` is -1: it says nothing."""

    name: str
    orders: int
    lost: int
    doubled: int
    partial: int
    out_of_order: int
    marked: int
    false: int

    @property
    def wrong(self) -> int:
        """Tickets that a kitchen would stumble over."""
        return self.lost + self.doubled + self.partial


def totals(plan: Plan, book: Notebook) -> list[Total]:
    """Of everyone who played all common scenes of the plan in at least one round."""
    found = []
    parts = [part for part in COMMON if part in plan.parts]
    for name in _players(plan):
        rounds = [_scores(book, name, part) for part in parts]
        whole = min((len(scores) for scores in rounds), default=0)
        if whole:
            sums = [[scores[at] for scores in rounds] for at in range(whole)]
            fields = ("orders", "lost", "doubled", "partial", "out_of_order", "marked", "false")
            counts = {field: round(median([_add(scores, field) for scores in sums])) for field in fields}
            found.append(Total(name, **counts))
    return found


def short(plan: Plan, book: Notebook) -> str:
    """The table of the README."""
    rows = []
    for total in totals(plan, book):
        speeds = _speeds(book, total.name)
        rows.append(
            (
                title(total.name),
                *(_bold(count) for count in (total.lost, total.doubled, total.partial, total.out_of_order)),
                "–" if total.false < 0 else _bold(total.false),
                str(total.marked),
                f"{_p50(speeds):.1f}",
                f"{_mid(speeds, lambda speed: speed.per_s):,.0f}",
                f"{_mid(speeds, lambda speed: speed.peak_mb):.0f}",
            )
        )
    columns = (
        "",
        "lost",
        "twice, unmarked",
        "in part, unmarked",
        "out of order",
        "“printed”, and was not",
        "again, marked 补打",
        "p50, ms",
        "burst, orders/s",
        "peak RSS, MB",
    )
    return markdown(columns, rows)


def title(name: str) -> str:
    """A contender's name in a picture and a small table."""
    return EVERYONE[name].partition(":")[0]


def faster(plan: Plan, book: Notebook) -> str:
    """Who is faster than the agent, in so many words."""
    found = {name: _speeds(book, name) for name in _players(plan) if _speeds(book, name)}
    if "agent" not in found:
        return ""
    p50 = {name: _p50(speeds) for name, speeds in found.items()}
    per_s = {name: _mid(speeds, lambda speed: speed.per_s) for name, speeds in found.items()}
    sooner = [f"{title(name)} ({p50[name]:.1f} ms)" for name in found if p50[name] < p50["agent"]]
    more = [f"{title(name)} ({per_s[name]:,.0f}/s)" for name in found if per_s[name] > per_s["agent"]]
    return (
        f"Sooner on paper than shop-agent ({p50['agent']:.1f} ms): {', '.join(sooner) or 'none'}. "
        f"Faster in a burst ({per_s['agent']:,.0f}/s): {', '.join(more) or 'none'}."
    )


def faults(plan: Plan, book: Notebook) -> str:
    """Lost / doubled unmarked / in part unmarked, scene by scene."""
    parts = [part for part in plan.parts if part in SCENES]
    rows = [(title(name), *(_cell(_scores(book, name, part)) for part in parts)) for name in _players(plan)]
    return markdown(("", *(SCENES[part].heading(plan.scale) for part in parts)), rows)


def words(plan: Plan, book: Notebook) -> str:
    """What was said to be printed and was on no paper; in brackets, of how many it was said that they are not."""
    parts = [part for part in plan.parts if part in SCENES]

    def cell(scores: Sequence[Score]) -> str:
        if not scores:
            return "–"
        false = _count(scores, "false")
        said = "says nothing" if false < 0 else f"{false}"
        return said + (f" ({told} told)" if (told := _count(scores, "told")) else "")

    rows = [(title(name), *(cell(_scores(book, name, part)) for part in parts)) for name in _players(plan)]
    return markdown(("", *(SCENES[part].heading(plan.scale) for part in parts)), rows)


def speeds(plan: Plan, book: Notebook) -> str:
    """Latency, burst, start, memory, processor and bytes."""
    base = _p50(_speeds(book, BASE))
    rows = []
    for name in plan.who:
        found = _speeds(book, name)
        if not found:
            continue
        pooled = [ms for speed in found for ms in speed.latencies_ms]
        rows.append(
            (
                title(name),
                f"{_p50(found):.2f}",
                spread([median(speed.latencies_ms) for speed in found], 2),
                ratio(_p50(found), base),
                f"{percentile(pooled, 0.99):.2f}",
                f"{_mid(found, lambda speed: speed.per_s):,.0f}",
                spread([speed.per_s for speed in found], 0),
                f"{_mid(found, lambda speed: speed.out_of_order):.0f}",
                f"{_mid(found, lambda speed: speed.lost):.0f}",
                f"{_mid(found, lambda speed: speed.start_ms):.0f}",
                f"{_mid(found, lambda speed: speed.peak_mb):.0f}",
                f"{_mid(found, lambda speed: speed.cpu_s_per_1000):.2f}",
                f"{_mid(found, lambda speed: speed.bytes_per_ticket):.0f}",
            )
        )
    columns = ("", "p50, ms", "of the rounds", f"to {BASE}", "p99, ms", "burst, orders/s", "of the rounds")
    rest = ("out of order", "lost", "start, ms", "peak RSS, MB", "CPU-s per 1,000", "bytes/ticket")
    return markdown((*columns, *rest), rows)


def _players(plan: Plan) -> list[str]:
    return [name for name in plan.who if name not in ONLY_SPEED]


def _scores(book: Notebook, name: str, part: str) -> list[Score]:
    return [entry.score for entry in book.of(name, part) if entry.score is not None]


def _speeds(book: Notebook, name: str) -> list[Speed]:
    return [entry.speed for entry in book.of(name, SPEED) if entry.speed is not None]


def _count(scores: Sequence[Score], field: str) -> int:
    return round(median([getattr(score, field) for score in scores]))


def _add(scores: Sequence[Score], field: str) -> int:
    values = [int(getattr(score, field)) for score in scores]
    return -1 if min(values) < 0 else sum(values)


def _cell(scores: Sequence[Score]) -> str:
    if not scores:
        return "–"
    counts = " / ".join(_bold(_count(scores, field)) for field in ("lost", "doubled", "partial"))
    more = [f"{count} {word}" for field, word in _MORE if (count := _count(scores, field))]
    return counts + (f" ({', '.join(more)})" if more else "")


_MORE = (("marked", "marked"), ("out_of_order", "out of order"))


def _bold(count: int) -> str:
    return f"**{count}**" if count else "0"


def _p50(found: Sequence[Speed]) -> float:
    return median([ms for speed in found for ms in speed.latencies_ms])


def _mid(found: Sequence[Speed], what: Callable[[Speed], float]) -> float:
    return median([what(speed) for speed in found])
