"""Power cuts under the live agent, as a table; exit 1 when an acknowledged order is gone, or nothing is found where
something must be.
"""

import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import click

from tests.powercut import migration, shop
from tests.powercut.device import SIZE, attached, missing, mounted
from tests.powercut.shop import Run, workplace
from tests.powercut.states import states, write_image


def examine(
    work: Path, run: Run, cuts: list[int], chance: random.Random, look: Callable[[Path, int], str], enough: int = 0
) -> list[str]:
    """What is wrong after these cuts of a run, by `look(folder, position)`; stops after `enough` findings."""
    found: list[str] = []
    image = work / "state"
    write_image(image, run.before, SIZE)
    with attached(image) as device:
        for number, state in enumerate(states(run.before, run.entries, cuts, chance), 1):
            write_image(image, state.sectors, SIZE)
            with mounted(device, work / "after") as folder:
                if words := look(folder, state.position):
                    found.append(f"state {number}, cut at {state.position}: {words}")
            if enough and len(found) >= enough:
                break
    return found


def drawn(chance: random.Random, count: int, run: Run, first: int = 1) -> list[int]:
    """So many moments for a cut, from the `first` entry on."""
    return [chance.randint(first, len(run.entries)) for _ in range(count)]


def after_cuts(work: Path, count: int, papers: int, chance: random.Random, orders: int = 40) -> list[str]:
    """The agent as it is: nothing may be wrong in any state, nor with the paper after some of them."""
    run = shop.live(work, orders, 12.0)
    silent = orders - len(run.acknowledged)
    found = [f"{silent} orders were never acknowledged"] if silent else []
    found += examine(
        work,
        run,
        drawn(chance, count, run),
        chance,
        lambda at, cut: shop.lost_orders(at / "data", run.acknowledged_by(cut)),
    )
    return found + examine(
        work,
        run,
        drawn(chance, papers, run),
        chance,
        lambda at, cut: "; ".join(map(str, shop.paper_after(work, at / "data", run, cut).findings)),
    )


def planted(work: Path, chance: random.Random) -> list[str]:
    """The agent with synchronous=NORMAL: the first states that lack an acknowledged order."""
    run = shop.live(work, 20, 12.0, "tests.powercut.normal")
    cuts = drawn(chance, 200, run, min(run.acknowledged.values()))
    return examine(
        work,
        run,
        cuts,
        chance,
        lambda at, cut: shop.lost_orders(at / "data", run.acknowledged_by(cut)),
        enough=3,
    )


def migrated(work: Path, count: int, chance: random.Random) -> list[str]:
    """An older journal that is brought up to date: in every state it is old or new, whole, and both are seen."""
    run = migration.live(work)
    seen: Counter[int] = Counter()
    cuts = drawn(chance, count, run, run.acknowledged[1])
    found = examine(work, run, cuts, chance, lambda at, _: migration.wrong(at, seen))
    print(f"  schemas seen after the cuts: {dict(sorted(seen.items()))}")
    return found if {migration.OLD, migration.NEW} <= set(seen) else [*found, "not both schemas were seen"]


def began(work: Path, count: int, chance: random.Random) -> list[str]:
    """A new box's first journal: in every state it is not there or whole, and both are seen."""
    run = migration.first(work)
    seen: Counter[bool] = Counter()
    found = examine(work, run, drawn(chance, count, run), chance, lambda at, _: migration.wrong_first(at, seen))
    print(f"  there or not after the cuts: {dict(sorted(seen.items()))}")
    return found if {False, True} <= set(seen) else [*found, "not both were seen"]


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--states", "count", default=300, show_default=True, help="So many cuts.")
@click.option("--seed", default=1, show_default=True, help="Of the moments and of what survives.")
@click.option("--orders", default=40, show_default=True, help="That the agent prints meanwhile.")
@click.option(
    "--papers", default=5, show_default=True, help="After so many of the cuts the agent starts and its paper is judged."
)
def main(count: int, seed: int, orders: int, papers: int) -> None:
    """Record a live agent on a block device, cut its power in so many legal ways, and look at what is left. As root."""
    if why := missing():
        raise click.ClickException(f"no power can be cut here: {why}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # loop devices do not go by themselves
    chance, bad = random.Random(seed), 0
    jobs: list[tuple[str, bool, Callable[[Path], list[str]]]] = [
        (f"{count} cuts, {papers} papers", False, lambda work: after_cuts(work, count, papers, chance, orders)),
        ("planted NORMAL", True, lambda work: planted(work, chance)),
        (f"{count // 5} cuts of a migration", False, lambda work: migrated(work, count // 5, chance)),
        (f"{count // 5} cuts of a first start", False, lambda work: began(work, count // 5, chance)),
    ]
    for name, must_find, job in jobs:
        begun = time.monotonic()
        with workplace() as work:
            found = job(work)
        bad += bool(found) != must_find
        click.echo(f"{name}: {len(found)} findings in {time.monotonic() - begun:.0f} s (seed {seed})")
        for words in found[:5]:
            click.echo(f"    {words}")
    raise SystemExit(bool(bad))


if __name__ == "__main__":
    main()
