"""Play a seed and judge it: by what was published, acknowledged and told, and by the paper. Never by the journal."""

import logging
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import msgspec

from agent.log import body
from agent.simulator.verdict import judge_paper
from agent.simulator.word import judge_word
from tests.sim.baton import Baton, Stuck
from tests.sim.life import wired
from tests.sim.plan import HOMES, Plan, draw
from tests.sim.stand_ins import in_virtual_time
from tests.sim.world import World


class Played(msgspec.Struct):
    """What came of a seed. `trace` is a digest of every turn and every byte; `cpu_s` is what it cost; `paper` counts
    whole tickets and those marked, torn pieces, and tickets from a printer that stood in.
    """

    seed: int
    findings: list[str]
    trace: str
    orders: int
    lives: int
    crashes: int
    paper: Counter[str]
    power_cuts: int
    turns: int
    virtual_s: float
    cpu_s: float


def play(seed: int, verbose: bool = False) -> Played:
    """Play it to its end, and judge."""
    began = time.process_time()
    with _stage(draw(seed), verbose) as world:
        try:
            world.play()
            findings = judge(world)
        except Stuck as exc:
            findings = [f"stuck: {exc}"]
        verdict = judge_paper(world.cloud.events, world.paper, world.plan.stations, HOMES)
        findings += world.baton.failures
        return Played(
            seed=seed,
            findings=findings,
            trace=world.baton.trace,
            orders=len(world.cloud.events),
            lives=world.lives,
            crashes=world.crashes,
            paper=Counter({name: getattr(verdict, name) for name in ("whole", "reprints", "partials", "stood_in")}),
            power_cuts=world.wall.boot - 1,
            turns=world.baton.turns,
            virtual_s=world.baton.lasted,
            cpu_s=time.process_time() - began,
        )


def judge(world: World) -> list[str]:
    """All that is wrong."""
    found = judge_paper(world.cloud.events, world.paper, world.plan.stations, HOMES).findings
    wrong = any(trouble.what == "clock" for trouble in world.plan.troubles)  # then reports tell another time than paper
    cut_times = None if wrong else {name: device.cut_times for name, device in world.devices.items()}
    found += judge_word(world.cloud.reports, world.paper, cut_times)
    unanswered = [] if world.broker.idle else ["unanswered: the broker has deliveries that were never acknowledged"]
    return [str(finding) for finding in found] + world.cloud.untold() + unanswered


@contextmanager
def _stage(plan: Plan, verbose: bool) -> Iterator[World]:
    baton = Baton(plan.seed, plan.restless)
    with in_virtual_time(baton, plan.seed):
        world = World(plan, baton)
        with wired(world), heard(world, verbose):
            yield world


class _Aloud(logging.Handler):
    """The agent's log with the time of its world."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    def createLock(self) -> None:
        """None: whoever takes a lock may be interrupted, and a seed that is listened to must take the same turns."""
        self.lock = None

    def emit(self, record: logging.LogRecord) -> None:
        """One line."""
        at = timedelta(seconds=round(self._world.baton.lasted, 3))
        print(f"{at} life {self._world.lives} {record.levelname.lower()} {body(record)}", file=sys.stderr)


@contextmanager
def heard(world: World, verbose: bool) -> Iterator[None]:
    """The agent's log on stderr, or nothing of it."""
    logger = logging.getLogger("agent")
    kept, level = logger.handlers, logger.level
    logger.handlers = [_Aloud(world)] if verbose else [logging.NullHandler()]
    logger.setLevel(logging.INFO if verbose else logging.CRITICAL)
    if verbose:
        print(world.plan, file=sys.stderr)
        world.baton.on_note = lambda *facts: print("=" * 20, *facts, file=sys.stderr)
    try:
        yield
    finally:
        logger.handlers = kept
        logger.setLevel(level)
