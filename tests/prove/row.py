"""A row of the matrix, and one run of it."""

import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
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
    all. Or `tests` play it, which judge for themselves: pytest's arguments. They are played only where `asked`, a
    variable of the environment, is set.
    """

    number: int
    name: str
    play: Callable[[Stage], None] | None = None
    needs: Needs = Needs()
    tests: tuple[str, ...] = ()
    asked: str = ""

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
    return _run_play(row, seed, row.play) if row.play is not None else _run_tests(row, seed)


def _run_play(row: Row, seed: int, play: Callable[[Stage], None]) -> Outcome:
    began = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix=f"prove-{row.number}-"))
    stage = Stage(folder, random.Random(f"{seed}-{row.title}"), row.needs)
    findings: list[str] = []
    verdict, skipped = None, ""
    try:
        with stage:
            play(stage)
            verdict = stage.finish()
            findings = [str(each) for each in stage.all_findings(verdict)]
    except Skip as exc:
        skipped = str(exc)
    except Exception as exc:  # noqa: BLE001  the table tells
        findings = [f"the run broke: {exc}", *traceback.format_exc().splitlines()[-6:]]
    if not findings:
        shutil.rmtree(folder, ignore_errors=True)
    log = str(folder) if findings else ""
    return Outcome(row, seed, time.monotonic() - began, findings, stage.words, skipped, log, verdict)


def _run_tests(row: Row, seed: int) -> Outcome:
    began = time.monotonic()
    if row.asked and not os.environ.get(row.asked):
        return Outcome(row, seed, 0.0, skipped=f"played where {row.asked}=1 is set: {' '.join(row.tests)}")
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", *row.tests]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    findings = done.stdout.splitlines()[-15:] if done.returncode else []
    return Outcome(row, seed, time.monotonic() - began, findings, [done.stdout.strip().splitlines()[-1]])
