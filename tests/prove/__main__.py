"""The proof from the command line; exit 1 when anything was found."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click

from tests.prove.row import Outcome, Row, run
from tests.prove.soak import soak
from tests.prove.table import LAST, ROWS, machine, numbers, story, summary, table, write_section

EVIDENCE = Path(__file__).parents[2] / "docs/evidence/proof.md"


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--rows", "wanted", default=f"1-{LAST}", show_default=True, help="Only these rows, as 1-5,27.")
@click.option(
    "--times",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="How often each, each time with the next seed.",
)
@click.option("--seed", default=1, show_default=True, help="The first seed: the same one makes the same choices.")
@click.option(
    "--at-once", default=2 * (os.cpu_count() or 1), show_default="twice the cores", help="How many at a time."
)
@click.option("--evidence", is_flag=True, help=f"Write the table to docs/evidence/{EVIDENCE.name}.")
@click.option("--simulate", type=click.IntRange(1), help="Instead: so many seeds under a virtual clock (tests.sim).")
@click.option("--mutants", is_flag=True, help="Instead: planted bugs, each of which the simulation must find.")
@click.option("--cuts", type=click.IntRange(1), help="Instead: so many power cuts at a block device (tests.powercut).")
@click.option("--soak", "soak_minutes", type=float, help="Instead: a busy shop for so many minutes that must not grow.")
def main(
    wanted: str,
    times: int,
    seed: int,
    at_once: int,
    evidence: bool,
    simulate: int | None,
    mutants: bool,
    cuts: int | None,
    soak_minutes: float | None,
) -> None:
    """Break a shop in every way of docs/faults.md, and judge it by its paper, its reports and its line."""
    if simulate is not None or mutants:
        how = ("--mutants",) if mutants else ("--seeds", str(simulate))
        raise SystemExit(_module("tests.sim", *how, "--from", str(seed)))
    if cuts is not None:
        raise SystemExit(_module("tests.powercut", "--states", str(cuts), "--seed", str(seed)))
    if soak_minutes is not None:
        raise SystemExit(_soak(soak_minutes, seed, evidence))
    try:
        chosen = [row for row in ROWS if row.number in numbers(wanted)]
    except ValueError as exc:
        raise click.BadParameter(str(exc), param_hint="--rows") from None
    raise SystemExit(_rows(chosen, times, seed, at_once, evidence))


def _module(name: str, *words: str) -> int:
    return subprocess.run([sys.executable, "-m", name, *words], check=False).returncode


def _rows(rows: Sequence[Row], times: int, seed: int, at_once: int, evidence: bool) -> int:
    outcomes = []
    for outcome in _play(rows, range(seed, seed + times), at_once):
        outcomes.append(outcome)
        said = outcome.skipped and f"skipped: {outcome.skipped}"
        click.echo(f"{outcome.seconds:5.0f} s  {outcome.row.title}, seed {outcome.seed}: {said or _fine(outcome)}")
    failed = [outcome for outcome in outcomes if outcome.findings]
    for outcome in failed:
        click.echo("\n" + story(outcome))
    text = f"{machine()}; seeds {seed} to {seed + times - 1}.\n\n{table(outcomes)}\n\n{summary(outcomes)}."
    click.echo("\n" + text)
    if evidence:
        words = "\n".join(f"- {outcome.row.title}, seed {outcome.seed}: {outcome.findings[0]}" for outcome in failed)
        chosen = ",".join(str(number) for number in sorted({row.number for row in rows}))
        only = "" if len(rows) == len(ROWS) else f" --rows {chosen}"
        command = f"`scripts/prove{only} --times {times} --seed {seed}`"
        write_section(EVIDENCE, "The fault matrix", f"{command}: {text}\n{words}")
    return int(bool(failed))


def _fine(outcome: Outcome) -> str:
    return f"{len(outcome.findings)} FINDINGS" if outcome.findings else "held"


def _play(rows: Sequence[Row], seeds: range, at_once: int) -> Iterator[Outcome]:
    with ThreadPoolExecutor(at_once) as pool:
        yield from pool.map(lambda each: run(*each), [(row, seed) for row in rows for seed in seeds])


def _soak(minutes: float, seed: int, evidence: bool) -> int:
    done = soak(minutes, seed, lambda words: click.echo(words))
    text = f"{machine()}; seed {seed}, {minutes:.0f} minutes: {done.words}.\n\n{done.table()}\n\n"
    text += "\n".join(f"- {finding}" for finding in done.findings) or "Flat, and nothing was wrong with the paper."
    click.echo(text)
    if evidence:
        write_section(EVIDENCE, "Soak", f"`scripts/prove --soak {minutes:.0f} --seed {seed}`: {text}")
    return int(bool(done.findings))


if __name__ == "__main__":
    main(prog_name="scripts/prove")
