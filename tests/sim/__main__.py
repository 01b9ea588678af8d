"""python -m tests.sim --seeds 500: so many shop-days under a virtual clock; each is played again by its seed alone.

python -m tests.sim --seed 17 --verbose plays one, with the agent's log and what befell it.
python -m tests.sim --mutants plants each fault of tests/sim/mutants.py into a copy of the agent: each must be found.
"""

import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path
from typing import NoReturn

import click

from tests.prove.table import machine, write_section
from tests.sim import mutants
from tests.sim.run import Played, play
from tests.sim.year import Lived, live_through

EVIDENCE = Path(__file__).parents[2] / "docs/evidence/proof-simulation.md"


@click.command()
@click.option("--seed", type=int, help="play this one only")
@click.option("--seeds", type=int, default=500, show_default=True, help="how many")
@click.option("--from", "first", type=int, default=1, show_default=True, help="the first seed")
@click.option("--jobs", type=int, default=os.cpu_count(), show_default=True, help="how many at once")
@click.option("--until-found", is_flag=True, help="stop at the first finding; the exit code stays 1")
@click.option("--mutant", help="plant this fault first; the exit code is 0 when it is found")
@click.option("--mutants", "all_mutants", is_flag=True, help="plant each of them, one after the other")
@click.option("--year", type=int, help="live through so many days of one seed instead, with their nights")
@click.option("--busy", type=int, default=8, show_default=True, help="orders on the best days of a year")
@click.option("--evidence", is_flag=True, help=f"write what came of it to docs/evidence/{EVIDENCE.name}")
@click.option("--trace", is_flag=True, help="print a digest of all that happened in each seed")
@click.option("--verbose", is_flag=True, help="the agent's log and what happens, on stderr")
def main(
    seed: int | None,
    seeds: int,
    first: int,
    jobs: int,
    until_found: bool,
    mutant: str | None,
    all_mutants: bool,
    year: int | None,
    busy: int,
    evidence: bool,
    trace: bool,
    verbose: bool,
) -> None:
    """Play seeds and judge them."""
    if mutant or all_mutants:
        lines, all_found = mutants.hunt([mutant] if mutant else list(mutants.TABLE), first, jobs)
        if evidence:
            write_section(EVIDENCE, "Planted faults", f"{_command()}, {machine()}:\n\n" + "\n".join(lines))
        sys.exit(0 if all_found else 1)
    if year:
        text, code = _tell_year(live_through(seed or first, year, busy))
        print(text)
        if evidence:
            write_section(EVIDENCE, "A year", f"{_command()}, {machine()}:\n\n{text}")
        _leave(code)
    wanted = [seed] if seed is not None else list(range(first, first + seeds))
    began, played = time.monotonic(), []
    for one in _play_all(wanted, jobs, verbose):
        played.append(one)
        _tell(one, trace)
        if one.findings and until_found:
            break
    failed = [one for one in played if one.findings]
    text = _summary(played, failed, time.monotonic() - began)
    print(text)
    if evidence:
        seen = "\n".join(f"- seed {one.seed}: {one.findings[0]}" for one in failed)
        write_section(EVIDENCE, "Shop-days", f"{_command()}, {machine()}:\n\n{text}.\n{seen}")
    _leave(1 if failed else 0)


def _leave(code: int) -> NoReturn:
    """At once: seeds that are still being played end with it, and no life's SQLite is closed without its disk."""
    sys.stdout.flush()
    os._exit(code)


def _play_all(seeds: list[int], jobs: int, verbose: bool) -> Iterator[Played]:
    if len(seeds) == 1:  # one life of a process; many in one would use up its descriptors
        yield play(seeds[0], verbose)
        return
    with get_context("spawn").Pool(jobs, maxtasksperchild=50) as pool:
        yield from pool.imap(play, seeds)


def _tell(one: Played, trace: bool) -> None:
    if trace:
        print(f"seed {one.seed}: trace {one.trace}")
    if not one.findings:
        return
    print(f"seed {one.seed}: again by  scripts/prove --simulate 1 --seed {one.seed}")
    for finding in one.findings:
        print(f"  {finding}")


def _tell_year(lived: Lived) -> tuple[str, int]:
    lines = ["| day | events | pieces of paper | lives | journal KiB | threads |", "|---|---|---|---|---|---|"]
    for at in lived.months:
        lines.append(f"| {at.day} | {at.orders} | {at.tickets} | {at.lives} | {at.journal_kib} | {at.tasks} |")
    lines += ["", f"{lived.days} days of seed {lived.seed}, {len(lived.findings)} findings.", *lived.findings]
    return "\n".join(lines), 1 if lived.findings else 0


def _command() -> str:
    return f"`python -m tests.sim {' '.join(word for word in sys.argv[1:] if word != '--evidence')}`"


def _summary(played: list[Played], failed: list[Played], took_s: float) -> str:
    days, cpu_s = sum(one.virtual_s for one in played) / 86_400, sum(one.cpu_s for one in played)
    paper: Counter[str] = sum((one.paper for one in played), Counter())
    return (
        f"simulation: {len(played)} seeds, {len(failed)} with findings; {sum(one.orders for one in played)} events, "
        f"{sum(one.lives for one in played)} lives, {sum(one.crashes for one in played)} crashes, "
        f"{sum(one.power_cuts for one in played)} of them power cuts; {paper['whole']} whole tickets, "
        f"{paper['reprints']} of them marked, {paper['stood_in']} from another printer, {paper['partials']} torn "
        f"pieces taken back; {days:.2f} days in {took_s:.0f} s, {days / cpu_s:.4f} simulated days a CPU second"
    )


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":  # sets of words have an order, and so has what the agent does by it
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, "-m", "tests.sim", *sys.argv[1:]])
    main()
