"""`scripts/bench peers`: every contender through every scene, round by round. What was done is not done again."""

import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from scripts.benchmarks.peers import EVERYONE, HERE, cache, missing, versions
from scripts.benchmarks.scenes import SCENES
from scripts.benchmarks.score import Score
from scripts.benchmarks.speeds import Speed, one_round

SPEED = "speed"
PACE_PER_S = 5.0
ORDERS, BURST = 100, 1000
ONLY_SPEED = ("floor",)
"""Nobody would run it: it is there to say what the line and the broker take."""


class Plan(msgspec.Struct, frozen=True):
    """What to run. `scale` makes all sizes smaller."""

    rounds: int
    scale: float
    seed: int
    who: tuple[str, ...] = tuple(EVERYONE)
    parts: tuple[str, ...] = (SPEED, *SCENES)

    @property
    def sizes(self) -> tuple[int, int]:
        """Orders at a shop's pace, and in the burst."""
        return max(5, round(ORDERS * self.scale)), max(20, round(BURST * self.scale))

    @property
    def times(self) -> str:
        """How often it is run, as the tables say it."""
        return f"medians of {self.rounds} rounds" if self.rounds > 1 else "one round"

    def plays(self, name: str, part: str) -> bool:
        """Is this part for this contender?"""
        if part == SPEED:
            return True
        return name not in ONLY_SPEED and (not SCENES[part].who or name in SCENES[part].who)


class Entry(msgspec.Struct):
    """What came of one part in one round for one contender: a score, a speed, or why there is none."""

    round: int
    part: str
    name: str
    score: Score | None = None
    speed: Speed | None = None
    error: str = ""
    at: str = ""
    commit: str = ""


class Notebook:
    """All entries of a plan, in a file, a line each. An entry with an error is tried again by the next run."""

    def __init__(self, file: Path, fresh: bool) -> None:
        self._file = file
        file.parent.mkdir(parents=True, exist_ok=True)
        if fresh:
            file.unlink(missing_ok=True)
        lines = file.read_bytes().splitlines() if file.exists() else []
        found = [msgspec.json.decode(line, type=Entry) for line in lines]
        self._entries = {(entry.round, entry.part, entry.name): entry for entry in found}

    def has(self, number: int, part: str, name: str) -> bool:
        """Was it played, and to the end?"""
        entry = self._entries.get((number, part, name))
        return entry is not None and not entry.error

    def add(self, entry: Entry) -> None:
        """Keep it, and on disk."""
        self._entries[entry.round, entry.part, entry.name] = entry
        with self._file.open("ab") as file:
            file.write(msgspec.json.encode(entry) + b"\n")

    def of(self, name: str, part: str) -> list[Entry]:
        """All rounds of one contender in one part, that came to an end."""
        return [
            entry for (_, p, n), entry in sorted(self._entries.items()) if (n, p) == (name, part) and not entry.error
        ]

    @property
    def errors(self) -> list[Entry]:
        """What did not come to an end."""
        return [entry for entry in self._entries.values() if entry.error]

    @property
    def commits(self) -> str:
        """What was measured."""
        return ", ".join(sorted({entry.commit for entry in self._entries.values() if entry.commit}))

    @property
    def day(self) -> str:
        """The day of the first entry."""
        return min((entry.at for entry in self._entries.values()), default="")[:10]


def commit() -> str:
    """The commit that is measured; `+` where the agent or a script was changed since."""
    said = [
        subprocess.run(["git", *words], cwd=HERE.parents[2], capture_output=True, text=True, check=False).stdout.strip()
        for words in (("rev-parse", "--short", "HEAD"), ("status", "--porcelain", "--", "agent", "scripts"))
    ]
    return (said[0] or "unknown") + ("+" if said[1] else "")


def notebook(plan: Plan, fresh: bool) -> Notebook:
    """The notebook of this commit with these sizes and this seed."""
    return Notebook(cache() / "runs" / f"{commit()}-{plan.scale:g}-{plan.seed}.jsonl", fresh)


def run(plan: Plan, book: Notebook, under: Path, say: Callable[[str], object]) -> None:
    """Play what is not in the notebook yet."""
    for name in plan.who:
        if reason := missing(name):
            say(f"{name} is left out: {reason}")
    who = [name for name in plan.who if not missing(name)]
    todo = [
        (number, part, name)
        for number in range(1, plan.rounds + 1)
        for part in plan.parts
        for name in who
        if plan.plays(name, part) and not book.has(number, part, name)
    ]
    version = commit()
    for at, (number, part, name) in enumerate(todo, 1):
        began = time.monotonic()
        entry = Entry(number, part, name, at=datetime.now(UTC).isoformat(timespec="seconds"), commit=version)
        try:
            _play(plan, entry, under)
        except (RuntimeError, OSError, subprocess.SubprocessError) as error:
            entry.error = f"{type(error).__name__}: {error}"
        book.add(entry)
        took_s = time.monotonic() - began
        say(f"{at}/{len(todo)}: round {number}, {part}, {name}: {took_s:.0f} s {entry.error}")


def _play(plan: Plan, entry: Entry, under: Path) -> None:
    if entry.part == SPEED:
        entry.speed = one_round(entry.name, plan.sizes[0], PACE_PER_S, plan.sizes[1], under)
    else:
        seed = f"{plan.seed}-{entry.round}-{entry.part}"
        entry.score = SCENES[entry.part].score(entry.name, plan.scale, seed, under)


def facts(plan: Plan, book: Notebook, where: str) -> str:
    """What was run, when, on which machine and with what, in a paragraph."""
    return (
        f"{book.day}, commit {book.commits}, seed {plan.seed}, sizes ×{plan.scale:g}, {plan.times}; {where}. "
        f"{'; '.join(versions())}."
    )
