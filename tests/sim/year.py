"""A compressed year: each day so many orders within minutes, and at night the clock jumps to the next morning."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import msgspec

from agent.config import Limits
from agent.simulator.printer import PrinterSpec
from agent.simulator.verdict import judge_paper
from agent.simulator.word import judge_word
from tests.sim.baton import Baton
from tests.sim.life import wired
from tests.sim.plan import BAR, HOMES, KITCHEN, Plan, Trouble, a_crash, a_trouble
from tests.sim.run import heard
from tests.sim.stand_ins import in_virtual_time
from tests.sim.troubles import befall
from tests.sim.world import World

OPEN_S, CLOSE_AFTER_S = 60.0, 70.0
AN_ORDER_S = 1.5
"""So much longer is open for each order of a busy day."""
KEEP = 1000
ROLL_DAYS, UPDATE_DAYS, MONTH = 9, 30, 30
ZONE = "Europe/Berlin"


class Month(msgspec.Struct):
    """How it was at a month's end. `journal_kib` with its log, `tasks` are the agent's threads."""

    day: int
    orders: int
    tickets: int
    lives: int
    journal_kib: int
    tasks: int


class Year(World):
    """Paper rolls end, updates restart the agent, clocks are set wrong, the box is switched off at night or is not."""

    def __init__(self, seed: int, days: int, busy: int, baton: Baton) -> None:
        specs = {KITCHEN: PrinterSpec(), BAR: PrinterSpec(tier=2, counters=False)}
        super().__init__(_calm_plan(seed, specs), baton)
        self.config = msgspec.structs.replace(self.config, timezone=ZONE, limits=Limits(keep_orders=KEEP))
        self.months: list[Month] = []
        self._days, self._day, self._busy = days, 0, busy
        self._open_s = max(OPEN_S, AN_ORDER_S * busy)
        self._luck = random.Random(f"year {seed}")

    def begin(self) -> None:
        """The first morning."""
        self._morning()

    def _morning(self) -> None:
        luck, at = self._luck, self.baton.at
        self._day += 1
        self.start()
        at(2.0, self.customers.order)
        for _ in range(luck.randint(self._busy // 4, self._busy)):
            at(luck.uniform(3.0, self._open_s), self.customers.next)
        if luck.random() < 0.3:
            at(0.0, partial(befall, self, a_trouble(luck, self._open_s, (KITCHEN, BAR), 20.0)))
        if self._day % ROLL_DAYS == 0:
            befall(self, Trouble(0.0, "paper", luck.choice((KITCHEN, BAR)), 20.0, luck.randint(1, 200)))
        if self._day % UPDATE_DAYS == 0:
            at(luck.uniform(5.0, self._open_s), self.restart)
        if luck.random() < 0.1:
            self.crashes_to_come[:] = [a_crash(luck)]
        if luck.random() < 0.05:
            befall(self, Trouble(0.0, "clock", "", self._open_s, luck.randint(0, 2000)))
        at(self._open_s + 1.0, self.customers.order)  # nothing is lost on the way after it
        at(self._open_s + 5.0, self.mend_all)
        at(self._open_s + 40.0, self.people.see_to_things)
        at(self._open_s + CLOSE_AFTER_S, self._night)

    def _night(self) -> None:
        if self._day % MONTH == 0 or self._day == self._days:
            self.months.append(self._month())
        if self._day == self._days:
            self.heal()
            return
        if self._luck.random() < 0.6:
            self.crash(self.life, power=True, down_s=0.0)
        self.baton.now += 86_400.0 - self._open_s - CLOSE_AFTER_S
        self.baton.at(0.5, self._morning)

    def _month(self) -> Month:
        size = sum(file.stat().st_size for file in self.disk.folder.glob("journal.db*") if file.suffix != ".db-shm")
        tickets = sum(len(device.paper.pieces) for device in self.devices.values())
        return Month(self._day, len(self.cloud.events), tickets, self.lives, size // 1024, self.baton.tasks(self.life))


class Lived(msgspec.Struct):
    """What came of a year."""

    seed: int
    days: int
    findings: list[str]
    months: list[Month]


def live_through(seed: int, days: int, busy: int) -> Lived:
    """From its first morning to its last night, judged at the end; `busy` orders on the best of days."""
    with _staged(seed, days, busy) as year:
        year.play()
        found = judge_paper(year.cloud.events, year.paper, year.plan.stations, HOMES).findings
        found += judge_word(year.cloud.reports, year.paper)
        findings = [str(finding) for finding in found] + year.cloud.untold() + year.baton.failures
    return Lived(seed, days, findings, year.months)


@contextmanager
def _staged(seed: int, days: int, busy: int) -> Iterator[Year]:
    baton = Baton(seed, restless=0.05)
    with in_virtual_time(baton, seed):
        year = Year(seed, days, busy, baton)
        with wired(year), heard(year, False):
            yield year


def _calm_plan(seed: int, specs: dict[str, PrinterSpec]) -> Plan:
    return Plan(
        seed=seed,
        events=0,
        span_s=0.0,
        unruly=0.15,
        trusting=False,
        restless=0.05,
        latency_s=0.02,
        backup=False,
        attentive=True,
        unconfirmed="reprint",
        lead_min=120,
        serial=False,
        holds=65536,
        specs=specs,
        confirm={KITCHEN: "auto", BAR: "auto"},
        crashes=[],
        troubles=[],
    )
