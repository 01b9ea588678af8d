"""What goes wrong in a shop, as scenes that each contender plays on a printer of its own. Sizes are at scale 1."""

import math
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec

from agent.simulator.printer import PrinterSpec
from scripts.benchmarks.rig import Rig, rigged
from scripts.benchmarks.score import Score

PACE_PER_S = 10.0
RUSH_PER_S = 20.0
AWAY_S = 5.0
BURST = 10
WINDOW = 10
SILENCE_S = 5.0
OUT_AFTER_LINES = 7
SLOW = PrinterSpec(line_time_s=0.012, buffer_bytes=4096, margin_bytes=512)
SERIAL = PrinterSpec(bytes_per_s=1920, buffer_bytes=4096, margin_bytes=512)


class Scene(msgspec.Struct, frozen=True):
    """One row of the table: its heading, how many orders and faults at scale 1, and what happens."""

    title: str
    orders: int
    faults: int
    play: Callable[[Rig, int, int], None]
    spec: PrinterSpec = PrinterSpec()
    serial: bool = False
    who: tuple[str, ...] = ()
    """Only these can play it; empty for all."""

    def sizes(self, scale: float) -> tuple[int, int]:
        """Orders and faults."""
        faults = max(1, round(self.faults * scale))
        return max(faults * math.ceil(self.orders / self.faults), 2), faults

    def heading(self, scale: float) -> str:
        """With the sizes."""
        orders, faults = self.sizes(scale)
        return self.title.format(orders=orders, faults=faults)

    def score(self, name: str, scale: float, seed: str, under: Path) -> Score:
        """Play it with one contender."""
        with rigged(name, self.spec, self.serial, seed, under) as rig:
            self.play(rig, *self.sizes(scale))
            return rig.finish()


def _kill_steadily(rig: Rig, orders: int, kills: int) -> None:
    """Orders come in all the time, also while it starts; it is killed at any moment."""
    killed: list[float] = []

    def kill() -> None:
        while len(killed) < kills:
            pause_s = rig.chance.uniform(0.2, 0.9)
            if stop.wait(pause_s):
                return
            rig.contender.stop()
            rig.contender.start()
            killed.append(pause_s)

    stop = threading.Event()
    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    per_kill = orders // kills
    pace = per_kill / (rig.start_s + 0.6)
    for number in range(1, orders + 1):
        while number > per_kill * (len(killed) + 1) and killer.is_alive():
            rig.publisher.listen(0.02)
        rig.publish([number], pace)
    killer.join(60)
    stop.set()
    if len(killed) < kills:
        raise RuntimeError(f"{rig.name} did not come up after {len(killed)} kills; see {rig.contender.log}")


def _kill_in_bursts(rig: Rig, orders: int, kills: int) -> None:
    """Some orders at once, and a kill 2 to 100 ms later, short waits as often as long ones."""
    per_kill = orders // kills
    for first in range(1, orders + 1, per_kill):
        for number in range(first, first + per_kill):
            rig.publisher.send(rig.event(number))
        rig.publisher.listen(0.002 * 50 ** rig.chance.random())
        rig.contender.stop()
        rig.contender.start()


def _away(rig: Rig, orders: int, _faults: int) -> None:
    """The printer is off the network for a while, and nobody is at its port."""
    before, during = orders // 4, int(AWAY_S * PACE_PER_S)
    rig.publish(range(1, before + 1), PACE_PER_S)
    rig.device.refuse()
    rig.publish(range(before + 1, before + during + 1), PACE_PER_S)
    rig.device.refuse(False)
    rig.publish(range(before + during + 1, orders + 1), PACE_PER_S)


def _cut(rig: Rig, orders: int, cuts: int) -> None:
    """The connection breaks within a ticket: its beginning is on paper."""
    per_cut = orders // cuts
    for first in range(1, orders + 1, per_cut):
        half = first + per_cut // 2
        rig.publish(range(first, half), RUSH_PER_S)
        rig.device.cut_link(rig.chance.randint(60, 330), reset=True)
        rig.publish(range(half, first + per_cut), RUSH_PER_S)


def _twice(rig: Rig, orders: int, _faults: int) -> None:
    """A broker and a cloud that deliver at least once: each event twice, shuffled among its neighbours.

    The first one comes alone, so that where the cloud's counting stands is known.
    """
    rig.publish([1, 1], RUSH_PER_S)
    for first in range(2, orders + 1, WINDOW):
        numbers = 2 * list(range(first, min(first + WINDOW, orders + 1)))
        rig.chance.shuffle(numbers)
        rig.publish(numbers, 2 * RUSH_PER_S)


def _swallow(rig: Rig, orders: int, _faults: int) -> None:
    """A printer (or the box between) takes every byte for a while and prints none."""
    third = orders // 3
    rig.publish(range(1, third + 1), RUSH_PER_S / 4)
    rig.device.swallow()
    rig.publish(range(third + 1, 2 * third + 1), RUSH_PER_S / 4)
    rig.publisher.listen(SILENCE_S)
    rig.watch_words()
    rig.device.heal()
    rig.publish(range(2 * third + 1, orders + 1), RUSH_PER_S / 4)


def _paper_out(rig: Rig, orders: int, _faults: int) -> None:
    """The roll ends within a ticket; somebody comes some time after the last order."""
    rig.publish(range(1, orders // 3 + 1), RUSH_PER_S / 4)
    rig.device.run_out_of_paper(OUT_AFTER_LINES)
    rig.publish(range(orders // 3 + 1, orders + 1), RUSH_PER_S / 4)
    rig.publisher.listen(SILENCE_S)
    rig.watch_words()
    rig.device.load_paper()


SCENES = {
    "kill": Scene("kill -9 ×{faults}, {orders} orders", 200, 20, _kill_steadily),
    "bursts": Scene("kill -9 in bursts ×{faults}, {orders} orders", 200, 20, _kill_in_bursts),
    "away": Scene("printer away 5 s, {orders} orders", 200, 1, _away),
    "cut": Scene("link cut mid-ticket ×{faults}, {orders} orders", 200, 5, _cut),
    "slow": Scene("the same with a slow printer ×{faults}, {orders} orders", 99, 3, _cut, SLOW),
    "twice": Scene("each event twice, shuffled, {orders} orders", 200, 20, _twice),
    "swallow": Scene("printer takes bytes and prints none, a third of {orders} orders", 30, 1, _swallow),
    "paper": Scene("paper out and loaded, {orders} orders", 30, 1, _paper_out),
    "serial": Scene(
        "serial 19,200 baud, kill -9 ×{faults}, {orders} orders",
        100,
        20,
        _kill_steadily,
        SERIAL,
        serial=True,
        who=("agent", "usual", "careful", "shell", "thermal"),
    ),
}
