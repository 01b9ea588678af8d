"""One column of the matrix: a broker and a version of MQTT, measured by bare clients and then played by the agent."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from agent.simulator.verdict import Fault
from tests.matrix.child import BrokerChild
from tests.matrix.facts import FACTS, Bench, begin_withheld, retained, survives, withheld
from tests.matrix.scenes import SCENES, Scene, Shop

Say = Callable[[str], None]


class Paper(msgspec.Struct, frozen=True):
    """What the agent made of it."""

    orders: int = 0
    tickets: int = 0
    lost: int = 0
    doubled: int = 0
    other: int = 0
    marked: int = 0


class Column(msgspec.Struct, frozen=True):
    """What was found. `refusal`: it does not speak this version; then there is nothing else."""

    kind: str
    title: str
    version: str
    protocol: str
    date: str
    settings: dict[str, str] = {}
    refusal: str = ""
    facts: dict[str, str] = {}
    scenes: dict[str, str] = {}
    paper: Paper = Paper()
    faults: list[str] = []

    @property
    def name(self) -> str:
        """Unique in the matrix."""
        return f"{self.kind}/{self.protocol}"

    @property
    def fine(self) -> bool:
        """The agent did all that it should."""
        return not self.faults and not (self.paper.lost or self.paper.doubled or self.paper.other)


def column(kind: type[BrokerChild], protocol: str, folder: Path, say: Say) -> Column:
    """Measure and play all of it; its files are in `folder`, which exists."""
    facts: dict[str, str] = {}
    with kind(_new(folder / "facts")) as broker:
        broker.start()
        refusal = _refusal(Bench(broker, protocol))
        if not refusal:
            measure(Bench(broker, protocol), facts, say)
    found = Column(
        kind.kind,
        kind.title,
        kind.version(),
        protocol,
        datetime.now(UTC).date().isoformat(),
        {setup: kind.settings(setup) for setup in kind.setups},
        refusal,
        facts,
    )
    if refusal:
        say(f"{found.name}: not spoken: {refusal}")
        return found
    with kind(_new(folder / "scenes")) as broker:
        scenes, paper, faults = play(broker, protocol, [scene for _, scene in SCENES], say)
    return msgspec.structs.replace(found, scenes=scenes, paper=paper, faults=faults)


def measure(bench: Bench, facts: dict[str, str], say: Say) -> None:
    """Every fact of a broker that runs with its default settings."""

    def note(row: str, fact: Callable[[], str]) -> None:
        began = time.monotonic()
        try:
            facts[row] = fact()
        except (RuntimeError, OSError) as exc:
            facts[row] = f"**can't be measured**: {exc}"
        say(f"{bench.broker.kind}/{bench.protocol}: {row}: {facts[row]} ({time.monotonic() - began:.1f} s)")

    waiting = begin_withheld(bench)
    for row, fact in FACTS:
        note(row, lambda fact=fact: fact(bench))  # type: ignore[misc]  # bound now, on purpose
    note("One PUBACK withheld", lambda: withheld(waiting))
    for how, words in (("stop", "restart"), ("kill", "kill -9")):
        note(f"100 waiting, broker {words}", lambda how=how: survives(bench, how, "default"))  # type: ignore[misc]
        note(f"Retained, broker {words}", lambda how=how: retained(bench, how, "default"))  # type: ignore[misc]
    if "safest" in bench.broker.setups:
        note("100 waiting, kill -9, safest settings", lambda: survives(bench, "kill", "safest"))


def play(broker: BrokerChild, protocol: str, scenes: list[Scene], say: Say) -> tuple[dict[str, str], Paper, list[str]]:
    """What each scene says, the paper of all of them, and what the agent did wrong."""
    told: dict[str, str] = {}
    rows = {scene: row for row, scene in SCENES}
    with Shop(broker, protocol, broker.folder) as shop:
        for scene in scenes:
            began = time.monotonic()
            told[rows[scene]] = scene(shop)
            say(f"{broker.kind}/{protocol}: {rows[scene]}: {told[rows[scene]]} ({time.monotonic() - began:.1f} s)")
        verdict = shop.verdict()
        lost, doubled = verdict.count(Fault.LOST), verdict.count(Fault.DOUBLED)
        other = len(verdict.findings) - lost - doubled
        paper = Paper(verdict.orders, verdict.owed, lost, doubled, other, verdict.reprints)
        say(f"{broker.kind}/{protocol}: {paper}")
        return told, paper, [*shop.faults, *map(str, verdict.findings)]


def _refusal(bench: Bench) -> str:
    probe = bench.probe("speaks")
    spoken = probe.connect()
    probe.close()
    return "" if spoken else probe.why


def _new(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder
