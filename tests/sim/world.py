"""One shop under one seed: the agent's lives, its disk, its printers, the broker, the people; and what befalls them."""

import random
import shutil
import tempfile
from collections import Counter
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from agent.simulator.printer import VirtualPrinter
from agent.simulator.shop import Shop
from agent.simulator.verdict import Finding, judge_paper
from tests.disk.disk import Fault, Op
from tests.paper import all_pieces
from tests.sim.baton import Baton
from tests.sim.broker import Broker
from tests.sim.cloud import Customers, SimCloud
from tests.sim.disks import first_disk, next_disk, remove
from tests.sim.life import Truth, Wall, live
from tests.sim.people import People
from tests.sim.plan import BREATH, DISK, HOMES, Crash, Plan, config_of
from tests.sim.printers import Cable
from tests.sim.troubles import befall, mend

BEGAN = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
RESTART_S = 1.0
LOOK_S, CALM_S, PATIENCE_S = 12.0, 30.0, 800.0
_MEMORY = Path("/dev/shm")
_REPLIES = {"lose": "lose", "garble": "garble", "delay": "delay", "double": "duplicate"}


class World:
    """`play` it once, then look at `paper`, `cloud` and `lives`."""

    def __init__(self, plan: Plan, baton: Baton) -> None:
        self.plan = plan
        self.baton = baton
        self.wall = Wall(baton, BEGAN)
        self.dice = random.Random(f"world {plan.seed}")
        self.config = config_of(plan)
        self.broker = Broker(baton, plan.latency_s)
        self.cloud = SimCloud(baton, self.broker, plan.trusting)
        shop = Shop(plan.seed, source=self.cloud.source, now=self.wall.true)
        self.customers = Customers(self.cloud, baton, shop, random.Random(f"way {plan.seed}"), plan.unruly)
        self.devices = {name: VirtualPrinter(spec, name, Truth(self.wall)) for name, spec in plan.specs.items()}
        self._cables = {
            name: Cable(baton, name, device, serial=plan.serial, holds=plan.holds)
            for name, device in self.devices.items()
        }
        self.folder = Path(tempfile.mkdtemp(prefix="shop-sim-", dir=_MEMORY if _MEMORY.is_dir() else None))
        self.disk = first_disk(self.folder / "0")
        self._fault: Fault | None = None
        self.lives = 0
        self.crashes = 0
        self.life = 0
        self._stop: Any = None
        self.crashes_to_come = list(plan.crashes)
        self._passed: Counter[str] = Counter()
        self.over = False
        self._fine_since: float | None = None
        self._healed_at = 0.0
        self.people = People(self.cloud, plan.stations, lambda: self.paper, random.Random(f"people {plan.seed}"))
        baton.on_breath = partial(self.passed, BREATH)

    # -- the whole ------------------------------------------------------------------------------------------------

    def play(self) -> None:
        """From the first start to the last ticket."""
        self.begin()
        try:
            self.baton.run(lambda: self.over)
        finally:
            self._end_all()

    def begin(self) -> None:
        """All that will happen is in the diary."""
        plan, baton = self.plan, self.baton
        arrivals = random.Random(f"arrivals {plan.seed}")
        self.customers.order()  # an event that is lost before any other came, or after all others, is lost
        for _ in range(plan.events):
            baton.at(arrivals.uniform(0.0, plan.span_s), self.customers.next)
        for trouble in plan.troubles:
            baton.at(trouble.at, partial(befall, self, trouble))
        if plan.attentive:
            for at in range(10, int(plan.span_s), 15):
                baton.at(at, self.people.see_to_things)
        baton.at(plan.span_s, self.heal)
        self.start()

    def _end_all(self) -> None:
        self.baton.end()
        remove(self.disk)
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def paper(self) -> dict[str, list[Any]]:
        """All pieces by printer, with what still hangs out of it; what a till printed is not there."""
        return {name: all_pieces(device) for name, device in self.devices.items()}

    # -- the agent's lives ----------------------------------------------------------------------------------------

    def start(self) -> None:
        """The agent starts, on what the disk has."""
        if self.life:
            return
        self.lives += 1
        self.life = self.lives
        self._passed.clear()
        config = msgspec.structs.replace(self.config, data_dir=self.disk.folder)
        self.disk.before = partial(self._on_disk, self.life)
        self.baton.say("start of life", self.life)
        self.baton.spawn("main", partial(self._main, config, self.life), self.life)

    def _main(self, config: Any, life: int) -> None:
        code = live(config, self, partial(setattr, self, "_stop"))
        if life == self.life:
            self.baton.say("exit", code)
            self.baton.at(0.0, partial(self.crash, life, power=False, down_s=RESTART_S))

    def crash(self, life: int, *, power: bool, down_s: float) -> None:
        """This life ends, now. The next one finds what is on the disk."""
        if life != self.life:
            return
        self.baton.say("end of life", life, "with the power" if power else "")
        self.life, self._stop = 0, None
        self.disk = next_disk(self.disk, self.folder / str(life), self.dice if power else None)
        with self.baton.as_world():
            for cable in self._cables.values():
                cable.leave(power=power)
        if power:
            self.wall.boot += 1
            self.baton.at(20.0, partial(self._hang_up, self.broker.connection))
        else:
            self.baton.at(
                self.plan.latency_s * self.dice.choice((0, 2)), partial(self._hang_up, self.broker.connection)
            )
        self.baton.at(down_s + (15.0 if power else 0.0), self.start)
        self.baton.kill(life)

    def _hang_up(self, connection: Any) -> None:
        if connection is not None and connection is self.broker.connection:
            self.broker.kick()

    def passed(self, point: str) -> None:
        """See Place: the plan may end a life here."""
        self.baton.live()
        if not self.crashes_to_come or self.baton.life != self.life or not self.life:
            return
        self._passed[point] += 1
        crash = self.crashes_to_come[0]
        if crash.point == point and self._passed[point] == crash.count:
            self._crash(crash)
            self.baton.live()
        if point != BREATH:
            self.baton.breathe()

    def _crash(self, crash: Crash) -> None:
        self.crashes_to_come.pop(0)
        self.crashes += 1
        self.crash(self.life, power=crash.power, down_s=crash.down_s)

    def _on_disk(self, life: int, op: Op) -> Fault | None:
        """SQLite is about to do something: the plan may end the life before it, or have it fail."""
        if life != self.life:
            return None
        if self.crashes_to_come and self.crashes_to_come[0].point == DISK:
            self._passed[DISK] += 1
            if self._passed[DISK] == self.crashes_to_come[0].count:
                self._crash(self.crashes_to_come[0])
                return None
        if self._fault is None or op.what not in ("write", "sync", "truncate"):
            return None
        fault = self._fault
        if fault is Fault.BROKEN:
            self._fault = None
        return fault

    def armed(self, point: str) -> bool:
        """See Place."""
        return bool(self.crashes_to_come) and self.crashes_to_come[0].point == point

    def cable(self, printer: str) -> Cable:
        """See Place."""
        return self._cables[printer]

    # -- what goes wrong, and how it ends -------------------------------------------------------------------------

    def disk_fails(self, fault: Fault | None) -> None:
        """From now on; a broken one once, None never."""
        self._fault = fault

    def restart(self) -> None:
        """Somebody asks it to end in good order."""
        if self._stop is not None:
            self._stop.set()

    def mend_all(self) -> None:
        """Everything works again."""
        self.crashes_to_come.clear()
        self._fault = None
        for device in self.devices.values():
            mend(self, device)
        if self.broker.deaf:
            self.broker.found_out()
        self.broker.come_up()
        self.wall.set_right()
        self.people.resume()

    def heal(self) -> None:
        """Everything works again, and somebody sees to what the agent asks about."""
        self.baton.say("healed")
        self._healed_at = self.baton.now
        self.mend_all()
        self.customers.order()
        self.baton.at(LOOK_S, self._look)

    def _look(self) -> None:
        """Is all on paper? People see to what waits for them."""
        if self._is_fine():
            self._fine_since = self.baton.now if self._fine_since is None else self._fine_since
        else:
            self._fine_since = None
        calm = self._fine_since is not None and self.baton.now - self._fine_since >= CALM_S
        if calm or self.baton.now - self._healed_at > PATIENCE_S:
            self.over = True
            return
        self.people.go_on()
        self.people.see_to_things()
        self.baton.at(LOOK_S, self._look)

    def _is_fine(self) -> bool:
        if not self.life or not self.broker.idle or self.broker.connection is None:
            return False
        return not self.judge_paper() and not self.cloud.untold()

    def judge_paper(self) -> list[Finding]:
        """What the paper says, as it is now."""
        return judge_paper(self.cloud.events, self.paper, self.plan.stations, HOMES).findings
