"""A row of the matrix, and one run of it."""

import random
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from agent.simulator.verdict import Verdict
from tests.prove.stage import Needs, Stage


class Skip(Exception):
    """It can't be played here; the reason."""


class Row(msgspec.Struct, frozen=True):
    """A fault of the matrix and how it is played. A number may have several; `name` tells them apart.

    `play` plays it on a shop with `needs`, whose agent is not started yet; what is judged afterwards is the same for
    all.
    """

    number: int
    name: str
    play: Callable[[Stage], None]
    needs: Needs = Needs()

    @property
    def title(self) -> str:
        """As it is said."""
        return f"{self.number} {self.name}"


class Outcome(msgspec.Struct, frozen=True):
    """One run: what was wrong (empty: the invariant held), or why it was not played."""

    row: Row
    seed: int
    seconds: float
    findings: list[str] = []
    words: list[str] = []
    skipped: str = ""
    log: str = ""
    verdict: Verdict | None = None


def run(row: Row, seed: int) -> Outcome:
    """Play it once. The files are kept where anything is wrong."""
    began = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix=f"prove-{row.number}-"))
    stage = Stage(folder, random.Random(f"{seed}-{row.title}"), row.needs)
    findings: list[str] = []
    verdict, skipped = None, ""
    try:
        with stage:
            row.play(stage)
            verdict = stage.finish()
            findings = [str(each) for each in stage.all_findings(verdict)]
    except Skip as exc:
        skipped = str(exc)
    except Exception as exc:  # noqa: BLE001  the table tells
        findings = [f"the run broke: {type(exc).__name__}: {exc}"]
    if not findings:
        shutil.rmtree(folder, ignore_errors=True)
    log = str(folder) if findings else ""
    return Outcome(row, seed, time.monotonic() - began, findings, stage.words, skipped, log, verdict)
