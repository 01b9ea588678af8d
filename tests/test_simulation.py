"""The real agent through shop-days made up from seeds, in virtual time; and whether that would find a fault."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from agent.simulator.printer import PrinterSpec, VirtualPrinter
from tests.disk.sqlitevfs import reachable
from tests.sim import mutants
from tests.sim.baton import Baton
from tests.sim.printers import LATENCY_S, Cable
from tests.sim.stand_ins import in_virtual_time

ROOT = Path(__file__).parents[1]
SEEDS = int(os.environ.get("SHOP_AGENT_SEEDS", "500"))
PARTS = 10
PLANTED = (
    "a reprint bears no mark",
    "NORMAL instead of FULL",
    "a first copy counts for the second, which a revision took back",
)

pytestmark = [
    pytest.mark.skipif(not reachable(), reason="SQLite is linked into this Python: no disk can be put under it"),
    pytest.mark.timeout(600),
]


def simulate(*options: str) -> subprocess.CompletedProcess[str]:
    """Play seeds in a process of their own, whose threads and clock are replaced."""
    command = [sys.executable, "-m", "tests.sim", "--jobs=1", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("part", range(PARTS))
def test_whatever_happens_no_order_is_lost_doubled_unmarked_or_falsely_confirmed(part: int) -> None:
    """Crashes, power cuts, a failing disk, printers and broker: in the end the paper is right, and the cloud knows."""
    count = SEEDS // PARTS
    ran = simulate(f"--seeds={count}", f"--from={1 + part * count}")
    assert ran.returncode == 0, ran.stdout + ran.stderr[-2000:]


def test_a_seed_is_played_again_to_the_last_byte() -> None:
    """Every turn of every thread, every byte and every moment is the seed's: what was found can be looked at, and
    looking on changes nothing.
    """
    first, second = simulate("--seed=23", "--trace"), simulate("--seed=23", "--trace", "--verbose")
    assert "trace " in first.stdout
    assert first.stdout.split("trace ")[1].split()[0] == second.stdout.split("trace ")[1].split()[0]


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_is_found(name: str) -> None:
    """A simulation that finds nothing must be one that could have; `--mutants` plants all of them."""
    ran = simulate("--mutant", name)
    assert ran.returncode == 0, ran.stdout + ran.stderr[-2000:]


@pytest.mark.parametrize("name", mutants.TABLE)
def test_each_planted_fault_still_fits_the_agent(name: str, tmp_path: Path) -> None:
    """One whose place has changed would plant nothing, and prove nothing."""
    mutants.plant(mutants.TABLE[name], tmp_path)


@pytest.mark.parametrize("seed", range(20))
def test_a_life_that_ends_while_it_opens_a_cable_holds_no_printer(seed: int) -> None:
    """What a printer does when a cable is plugged in is done at once: a process that dies then leaves it as it is."""
    baton = Baton(seed, restless=1.0)
    with in_virtual_time(baton, seed):
        cable = Cable(baton, "kitchen", VirtualPrinter(PrinterSpec()), serial=False, holds=256)
        opened: list[object] = []

        def die() -> None:
            baton.park(LATENCY_S)
            cable.leave(power=True)
            baton.kill(1)
            opened.append(cable.open())  # the next life finds it free

        baton.spawn("worker", lambda: opened.append(cable.open()), life=1)
        baton.spawn("killer", die, life=2)
        baton.at(1.0, lambda: None)
        baton.run(lambda: baton.lasted >= 1.0)
    assert baton.failures == []
    assert opened
    assert None not in opened
