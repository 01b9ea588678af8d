"""All rows of the matrix, in their order, and the table of a run."""

import os
import platform
import re
import subprocess
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.prove import boxes, clouds, disks, kills, lines, printers
from tests.prove.row import Outcome, Row

ROWS: tuple[Row, ...] = tuple(
    sorted(
        (*kills.ROWS, *disks.ROWS, *boxes.ROWS, *lines.ROWS, *printers.ROWS, *clouds.ROWS), key=lambda row: row.number
    )
)
LAST = 38


def numbers(text: str) -> set[int]:
    """`1-5,27` as numbers. Raises ValueError."""
    found: set[int] = set()
    if not re.fullmatch(r"\d+(-\d+)?(,\d+(-\d+)?)*", text):
        raise ValueError(f"{text!r} names no rows; write them as 1-5,27")
    for part in text.split(","):
        first, _, last = part.partition("-")
        if not (some := set(range(int(first), int(last or first) + 1))):
            raise ValueError(f"{part} names no row; the smaller number comes first")
        found |= some
    if strange := found - {row.number for row in ROWS}:
        raise ValueError(f"there is no row {min(strange)}; there are 1 to {LAST}")
    return found


def table(outcomes: Sequence[Outcome]) -> str:
    """By row: how often it was played, how often the invariant held, seconds."""
    lines = ["| # | fault | played | invariant held | seconds | |", "|---:|---|---:|---:|---:|---|"]
    for row in ROWS:
        mine = [outcome for outcome in outcomes if outcome.row is row]
        if not mine:
            continue
        played = [outcome for outcome in mine if not outcome.skipped]
        seconds = sum(outcome.seconds for outcome in played) / max(1, len(played))
        held = sum(not outcome.findings for outcome in played)
        note = f"skipped: {mine[0].skipped}" if not played else "" if held == len(played) else "**FAILED**"
        lines.append(f"| {row.number} | {row.name} | {len(played)} | {held} | {seconds:.0f} | {note} |")
    return "\n".join(lines)


def replay(outcome: Outcome) -> str:
    """The command that plays it again."""
    return f"scripts/prove --rows {outcome.row.number} --seed {outcome.seed}"


def story(outcome: Outcome) -> str:
    """A failure in full."""
    lines = [f"FAILED {outcome.row.title}: {replay(outcome)}", f"  files: {outcome.log}"]
    return "\n".join([*lines, *(f"  {words}" for words in outcome.words), *(f"  !! {f}" for f in outcome.findings)])


def summary(outcomes: Iterable[Outcome]) -> str:
    """How much was judged."""
    verdicts = [outcome.verdict for outcome in outcomes if outcome.verdict is not None]
    orders, whole = sum(v.orders for v in verdicts), sum(v.whole for v in verdicts)
    marked, partials = sum(v.reprints for v in verdicts), sum(v.partials for v in verdicts)
    return f"{orders} orders, {whole} whole tickets, {marked} of them marked 补打, {partials} torn pieces taken back"


def machine() -> str:
    """Date, commit and machine class."""
    said = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
    cpu = next((line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                if line.startswith("model name")), platform.machine())  # fmt: skip
    now = datetime.now(UTC)
    on = f"{os.cpu_count()} cores of {cpu}, Python {platform.python_version()}"
    return f"{now:%Y-%m-%d}, commit {said.stdout.strip()}, {on}"


def write_section(path: Path, title: str, text: str) -> None:
    """Put `text` under `## title` of a Markdown file, in the place of what stood there."""
    before = path.read_text("utf-8") if path.exists() else "# The proof\n"
    sections = before.split("\n## ")
    kept = [section for section in sections if section.partition("\n")[0] != title]
    place = next((at for at, section in enumerate(sections) if section.partition("\n")[0] == title), len(kept))
    kept.insert(place, f"{title}\n\n{text}\n")
    path.write_text("\n## ".join(section.rstrip("\n") + "\n" for section in kept), "utf-8")
