"""One thread a printer: waits for a moment amid things, lets something happen, puts it right, waits again."""

import random
import threading
import time
from collections.abc import Callable, Sequence

from agent.simulator.printer import VirtualPrinter
from tests.campaign.chronicle import Chronicle
from tests.campaign.fleet import Member
from tests.campaign.mishaps import Kind, Mishap, Scene, put_right

MOMENT_S = 20.0
"""How long a moment is waited for that may not come."""

RECOVERY_S = 60.0
TWO_AT_ONCE = 0.25
WHILE_RECOVERING = 0.25
"""How often the next mishap does not wait until the printer has recovered from the last one."""


class Director:
    """Plays mishaps at one printer. The same seed makes the same plan, though not the same moments."""

    def __init__(self, member: Member, chronicle: Chronicle, kinds: Sequence[Kind], seed: int, calm: int) -> None:
        self._member, self._chronicle, self._calm = member, chronicle, calm
        self._kinds = [kind for kind in kinds if kind.suits(member.cable, member.tier)]
        self._chance = random.Random(f"{seed}-{member.name}-mishaps")
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"director-{member.name}", daemon=True)
        self.failure: BaseException | None = None

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Put everything right and leave the printer alone."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._pause()
                if not self._stopping.is_set():
                    self._incident()
        except Exception as exc:  # noqa: BLE001  the campaign tells, and fails
            self.failure = exc
        finally:
            put_right(self._member.device)

    def _pause(self) -> None:
        """Some tickets come out as they should."""
        name, device = self._member.name, self._member.device
        goal = self._chronicle.whole_at(name) + self._chance.randint(0, self._calm)
        self._wait(lambda _: self._chronicle.whole_at(name) >= goal, MOMENT_S + self._calm)
        moment, size = self._chance.choice(("bytes", "lines", "time")), self._chance.random()
        if moment == "bytes":
            at = device.received + int(size * 1500)
            self._wait(lambda it: it.received >= at, MOMENT_S)
        elif moment == "lines":
            line = device.paper.line_feeds + int(size * 40)
            self._wait(lambda it: it.paper.line_feeds >= line, MOMENT_S)
        else:
            self._stopping.wait(size * 3)

    def _incident(self) -> None:
        count = 1 + (self._chance.random() < TWO_AT_ONCE)
        met = self._chronicle.whole_at(self._member.name) > 0
        possible = [kind for kind in self._kinds if met or not kind.alone]  # who was never met can't be told apart
        if not possible:
            return
        kinds = self._chance.choices(possible, [kind.weight for kind in possible], k=count)
        kinds = next(([kind] for kind in kinds if kind.alone), kinds)
        lasts_s = self._chance.choice((0.3, 3.0, 3.0, 8.0, 14.0, 22.0)) * self._chance.uniform(0.4, 1.1)
        incident = self._chronicle.befall(self._member.name, tuple(kind.name for kind in kinds))
        played: list[Mishap] = []
        try:
            for kind in kinds:
                mishap = kind.play(Scene(self._member, self._chance, lasts_s))
                played.append(mishap)
                self._chronicle.say(incident, next(mishap))
                self._stopping.wait(self._chance.uniform(0, min(lasts_s, 2.0)))
            self._stopping.wait(lasts_s)
        finally:
            self._chance.shuffle(played)
            for mishap in played:
                next(mishap, None)
        put_right(self._member.device)
        self._chronicle.put_right(incident)
        if self._chance.random() >= WHILE_RECOVERING:
            self._wait(lambda _: incident.paper_at is not None, RECOVERY_S)

    def _wait(self, done: Callable[[VirtualPrinter], bool], timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s

        def over(device: VirtualPrinter) -> bool:
            return self._stopping.is_set() or done(device)

        while not self._stopping.is_set() and (left_s := deadline - time.monotonic()) > 0:
            if self._member.device.wait_for(over, min(left_s, 0.25)):
                return
