"""A box whose plug is pulled every night, by who locks up: orders come all the time, and the paper is the judge."""

import os
import random
import time
from pathlib import Path

import pytest

from agent.simulator.printer import PrinterSpec
from tests.vm.box import Box, powered
from tests.vm.evening import Evening, evening, night
from tests.vm.outside import PATIENCE_S, Outside, outside, plug_in
from tests.vm.packages import package
from tests.vm.system import system

NIGHTS_EACH = int(os.environ.get("SHOP_AGENT_VM_NIGHTS", "25"))
ORDER_EVERY_S = 4.0
BOOTED = "ro systemd.unit=multi-user.target"


@pytest.mark.parametrize(("tier", "seed"), ((1, 11), (2, 12)))
def test_a_box_whose_plug_is_pulled_every_night_loses_and_doubles_nothing(tmp_path: Path, tier: int, seed: int) -> None:
    """Cut while it starts, while it takes orders and in the middle of tickets, at times together with the printer: at
    last every order is on paper, and again only under the banner. The kept memory never saw the disk; the last time it
    boots.
    """
    chance = random.Random(seed)
    image = system("amd64", package())
    with outside(tmp_path, PrinterSpec(tier=tier, line_time_s=0.03)) as around:
        kept, disk = evening(image, around), around.data_disk(image)
        with night(kept, around, disk):  # the broker keeps nothing for a box that it does not know
            around.wait_online()
        with around.orders_flow(ORDER_EVERY_S):
            for at in range(NIGHTS_EACH):
                when = a_night(kept, around, disk, chance)
                print(f"night {at + 1}: {when}", flush=True)
        with powered(image, around.hardware(disk, words=BOOTED)) as box:
            plug_in(box)
            around.wait_all_printed()
        verdict = around.verdict()
    told = f"{verdict.reprints} marked again, {verdict.partials} torn and said so"
    print(
        f"tier {tier}, seed {seed}: {NIGHTS_EACH} cuts, {verdict.orders} orders, {told}: {verdict.findings or 'fine'}"
    )
    assert verdict.fine, verdict.findings


def a_night(kept: Evening, around: Outside, disk: Path, chance: random.Random) -> str:
    """The box from its power's on to its plug's pull; when that was."""
    with night(kept, around, disk) as box:
        if chance.random() < 0.3:
            after_s = chance.uniform(0.0, 20.0)
            time.sleep(after_s)  # how far it got is the night's luck
            when = f"{after_s:.0f} s after its power came"
        else:
            when = cut_while_printing(around, chance)
        pull(box, around, chance)
    return when


def cut_while_printing(around: Outside, chance: random.Random) -> str:
    """Wait until one of this night's first tickets hangs out of the printer, or has just left it."""
    before, more = len(around.device.paper.pieces), chance.randint(0, 3)
    assert around.device.wait_for(
        lambda it: len(it.paper.pieces) >= before + more and not it.paper.current.is_blank, PATIENCE_S
    ), "nothing is printed"
    later_s = chance.uniform(0.0, 1.2)
    time.sleep(later_s)
    return f"{later_s:.1f} s into ticket {more + 1}"


def pull(box: Box, around: Outside, chance: random.Random) -> None:
    """The plug; the printer hangs on the same wall at times."""
    box.pull_the_plug()
    if chance.random() < 0.25:
        around.device.power_cycle()
