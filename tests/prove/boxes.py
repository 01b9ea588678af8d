"""Rows 16 to 19, 34, 37 and 38: the machine around the agent, its clock, its updates, and a second agent."""

import os
import resource
import signal
import time
from pathlib import Path

from agent.simulator.stage import AgentProcess
from tests.prove.disks import TAMPERED
from tests.prove.keeper import WATCHDOG_S
from tests.prove.row import Row
from tests.prove.stage import Needs, Stage

TEN_YEARS_S = 10 * 365.25 * 86400
SINCE_2001_S = time.time() - 981_158_400
LARGE = 230_000
BUSY = 75


def _begin(stage: Stage) -> None:
    stage.order(3)
    stage.wait_printed(2)


def memory_cap(stage: Stage) -> None:
    """It may take no more memory than it has, and large orders come: it dies or does without, and all is printed."""
    keeper = stage.keep()
    _begin(stage)
    has = int(Path(f"/proc/{stage.agent.pid}/statm").read_text().split()[5]) * resource.getpagesize()
    cap = has + stage.chance.choice((0, 0, 1)) * 2**20
    resource.prlimit(stage.agent.pid, resource.RLIMIT_DATA, (cap, resource.RLIM_INFINITY))
    stage.order(40, padding="x" * LARGE)
    stage.wait_printed(20, 20)
    if stage.agent.running():  # the cap of this life only
        resource.prlimit(stage.agent.pid, resource.RLIMIT_DATA, (resource.RLIM_INFINITY,) * 2)
    stage.say(f"the agent ended with {keeper.ends}, the watchdog bit {keeper.bites} times")
    stage.order(3)


def hang(stage: Stage) -> None:
    """It stands still in the middle of its work: the watchdog ends it, and it starts again."""
    keeper = stage.keep()
    _begin(stage)
    for at in range(stage.chance.randint(1, 2)):
        stage.wait_printed(2)  # it has started
        stage.order(5)
        time.sleep(stage.chance.uniform(0, 1))
        os.kill(stage.agent.pid, signal.SIGSTOP)
        bitten = stage.until(lambda n=at: keeper.bites > n, WATCHDOG_S + 5)  # type: ignore[misc]  # bound at once
        stage.must(bitten, f"the watchdog bites within {WATCHDOG_S + 5:.0f} s")
    stage.order(2)


def crash_loop(stage: Stage) -> None:
    """It dies at each start, many times over: nobody gives up."""
    stage.start()
    _begin(stage)
    stage.agent.kill()
    stage.order(5)
    points = ("intake.before_commit:1", "intake.after_commit:1", "spool.after_intent:1", "report.before_publish:1")
    count = stage.chance.randint(5, 8)
    keeper = stage.keep(crashes=[stage.chance.choice(points) for _ in range(count)])
    stage.order(2)
    stage.until(lambda: len(keeper.ends) >= count, 30)
    stage.say(f"{len(keeper.ends)} starts that died")
    stage.order(2)


def _set(clock: Path, off_s: float) -> None:
    """At once: who reads the file while it is written must not find it empty."""
    part = clock.with_suffix(".part")
    part.write_text(str(off_s))
    part.replace(clock)


def clock_jumps(stage: Stage) -> None:
    """The wall clock is wrong by ten years, one way and the other, amid orders."""
    stage.cut_times_count = False
    clock = stage.folder / "clock"
    _set(clock, 0.0)
    stage.start({"PROVE_CLOCK": str(clock)})
    _begin(stage)
    for _ in range(stage.chance.randint(2, 4)):
        off_s = stage.chance.choice((-TEN_YEARS_S, TEN_YEARS_S, 0.0, -3600.0, 86400.0))
        _set(clock, off_s)
        stage.say(f"the clock is {off_s / 86400:.0f} days off")
        stage.order(4)
        stage.wait_printed(3, 10)
    _set(clock, 0.0)


def boot_in_2001(stage: Stage) -> None:
    """A box without a battery starts in 2001, and the clock is set while orders come."""
    stage.cut_times_count = False
    clock = stage.folder / "clock"
    _set(clock, -SINCE_2001_S)
    stage.start({"PROVE_CLOCK": str(clock)})
    _begin(stage)
    stage.order(3)
    if stage.chance.random() < 0.5:
        stage.agent.kill()
        stage.start({"PROVE_CLOCK": str(clock)})
    _set(clock, 0.0)
    stage.order(3)
    stage.wait_printed(2)


def two_agents(stage: Stage) -> None:
    """A second one on the same data directory refuses, and the first goes on."""
    stage.start()
    _begin(stage)
    stage.order(4)
    second = AgentProcess(stage.config, stage.folder / "second.log")
    second.start()
    code = second.wait(20)
    second.kill()
    stage.must(code == BUSY, f"the second ends with {BUSY}, not {code}")
    stage.must(stage.agent.running(), "the first goes on")
    stage.order(2)


_CLOCK = Needs(module=TAMPERED, trust_clock=False)

ROWS = (
    Row(16, "memory cap", memory_cap),
    Row(17, "hang", hang),
    Row(18, "crash loop at start", crash_loop),
    Row(19, "kernel panic", tests=("tests/vm", "-k", "panic or (every_night and 1-11)"), asked="SHOP_AGENT_VM"),
    Row(34, "clock jumps of ten years", clock_jumps, _CLOCK),
    Row(34, "2001 at boot", boot_in_2001, _CLOCK),
    Row(37, "update killed at every step", tests=("tests/test_update.py", "-k", "cut")),
    Row(38, "two agents on one data directory", two_agents),
)
