"""Threads that take turns: greenlets, a virtual clock, and a dice that says whose turn it is.

Only one task runs at a time. It hands the baton over where it blocks, and, an agent's task, now and then where it takes
a lock, puts something into a queue or talks to a printer. When all wait the clock jumps to the next timer, so that an
hour of waiting costs nothing. The same seed makes the same choices.
"""

import hashlib
import heapq
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import greenlet  # type: ignore[import-untyped]  # it brings no types

BEGAN = 1000.0
STEP_S = 0.00002
"""Every turn takes a moment: who looks for the time again and again sees it pass."""
MOST_TURNS = 3_000_000
MOST_BREATHS = 5_000


class Killed(BaseException):
    """This task's process is no more. No `except Exception` stops it."""


class Stuck(AssertionError):
    """Turn after turn, and no end: something spins."""


class Task:
    """One thread of an agent, or of the world around it. `life` is which agent's it is, 0 for the world's."""

    def __init__(self, name: str, life: int, work: Callable[[], object]) -> None:
        self.name = name
        self.life = life
        self.work = work
        self.done = self.doomed = self.woken = self.parked = False
        self.token = 0
        self.breaths = 0
        self.on_done: list[Callable[[], None]] = []
        self.green: greenlet.greenlet | None = None


class Baton:
    """The scheduler. `now` is the monotonic clock; `restless` is how often, from 0 to 1, an agent's task is interrupted
    where it could be.
    """

    def __init__(self, seed: int, restless: float) -> None:
        self.dice = random.Random(f"baton {seed}")
        self.now = BEGAN
        self.current: Task | None = None
        self.turns = 0
        self.failures: list[str] = []
        self.on_note: Callable[..., None] = lambda *_: None
        self.on_breath: Callable[[], None] = lambda: None
        self._restless = restless
        self._ready: list[Task] = []
        self._timers: list[tuple[float, int, Task | None, int, Callable[[], None] | None]] = []
        self._serial = 0
        self._tasks: dict[int, list[Task]] = {}
        self._hub: greenlet.greenlet | None = None
        self._trace = hashlib.sha256()

    # -- for whoever stands around -------------------------------------------------------------------------------

    def at(self, delay_s: float, act: Callable[[], None]) -> None:
        """The world does this in so many seconds. It must not block."""
        self._push(delay_s, None, 0, act)

    def note(self, *facts: object) -> None:
        """Something that a run of the same seed must do again at this moment."""
        self._trace.update(f"{self.now:.5f} {facts}\n".encode())

    def say(self, *facts: object) -> None:
        """The same, for whoever reads along."""
        self.note(*facts)
        self.on_note(*facts)

    @property
    def lasted(self) -> float:
        """Seconds since the beginning."""
        return self.now - BEGAN

    @property
    def trace(self) -> str:
        """A digest of all that happened, and when."""
        return self._trace.hexdigest()[:16]

    def run(self, until: Callable[[], bool]) -> None:
        """Let everybody take turns until this holds (it is asked after each of the world's acts).

        Raises:
            Stuck: far too many turns.
        """
        self._hub = greenlet.getcurrent()
        over = False
        while not over:
            if self._ready:
                self._turn()
            elif not self._timers:
                raise Stuck("everybody waits for ever")
            else:
                self.now = max(self.now, self._timers[0][0])
            over = self._ring_timers(until)

    def spawn(self, name: str, work: Callable[[], object], life: int) -> Task:
        """A new task, that runs when its turn comes."""
        task = Task(name, life, work)
        task.green = greenlet.greenlet(lambda: self._live(task), self._hub or greenlet.getcurrent())
        self._tasks.setdefault(life, []).append(task)
        self._ready.append(task)
        return task

    def kill(self, life: int) -> None:
        """All tasks of this life end, wherever they are; nothing that they still do has any effect. The one that runs
        ends where it next meets the baton.
        """
        for task in self._tasks.pop(life, []):
            task.doomed = True
            if task is not self.current and not task.done and task.green is not None:
                self.at(0.0, lambda task=task: self._reap(task))  # type: ignore[misc]  # a default

    def end(self) -> None:
        """Every task ends, here and now."""
        self.current = None
        for tasks in self._tasks.values():
            for task in tasks:
                task.doomed = True
                self._reap(task)
        self._tasks.clear()

    def tasks(self, life: int) -> int:
        """How many threads this life has."""
        return sum(not task.done for task in self._tasks.get(life, ()))

    # -- for tasks -----------------------------------------------------------------------------------------------

    def park(self, timeout_s: float | None) -> bool:
        """Wait for `wake`; False when the time is over. Where nobody can wait (the world's acts) it is an error."""
        task = self.me()
        task.token += 1
        task.breaths = 0
        task.woken, task.parked = False, True
        if timeout_s is not None:
            self._push(max(0.0, timeout_s), task, task.token, None)
        self._switch(task)
        return task.woken

    def wake(self, task: Task) -> None:
        """It need not wait any longer."""
        if task.parked and not task.doomed:
            task.parked, task.woken = False, True
            self._ready.append(task)

    def breathe(self) -> None:
        """Somebody else may be faster, here."""
        task = self.current
        if task is None or not task.life:
            return
        self.on_breath()
        self.live()
        task.breaths += 1
        if task.breaths == MOST_BREATHS:
            self.failures.append(f"{task.name} spins: it did {MOST_BREATHS} things without ever waiting")
        self.now += STEP_S
        due = bool(self._timers) and self._timers[0][0] <= self.now
        if due or (self._ready and self.dice.random() < self._restless):
            self._ready.append(task)
            self._switch(task)

    def live(self) -> None:
        """Raises Killed in a task whose process is no more."""
        if self.current is not None and self.current.doomed:
            raise Killed

    def me(self) -> Task:
        """The task that runs."""
        self.live()
        assert self.current is not None, "the world's acts must not block"
        return self.current

    @contextmanager
    def as_world(self) -> Iterator[None]:
        """What is done within is the world's act, whoever sets it off: nobody's turn comes, and no end stops it."""
        task, self.current = self.current, None
        try:
            yield
        finally:
            self.current = task

    @property
    def life(self) -> int:
        """Which agent runs now; 0 for the world."""
        return 0 if self.current is None else self.current.life

    # -- the parts -----------------------------------------------------------------------------------------------

    def _push(self, delay_s: float, task: Task | None, token: int, act: Callable[[], None] | None) -> None:
        self._serial += 1
        heapq.heappush(self._timers, (self.now + delay_s, self._serial, task, token, act))

    def _switch(self, task: Task) -> None:
        assert self._hub is not None
        self.current = None
        self._hub.switch()
        self.current = task
        self.live()

    def _turn(self) -> None:
        at = self.dice.randrange(len(self._ready)) if len(self._ready) > 1 else 0
        self._ready[at], self._ready[-1] = self._ready[-1], self._ready[at]
        task = self._ready.pop()
        if task.done or task.doomed:
            return
        self.now += STEP_S
        self.turns += 1
        if self.turns > MOST_TURNS:
            raise Stuck(f"{self.turns} turns, and no end")
        self._trace.update(f"{self.now:.5f} {task.name}\n".encode())
        assert task.green is not None
        task.green.switch()

    def _ring_timers(self, until: Callable[[], bool]) -> bool:
        while self._timers and self._timers[0][0] <= self.now:
            _, _, task, token, act = heapq.heappop(self._timers)
            if act is not None:
                act()
                if until():
                    return True
            elif task is not None and task.parked and task.token == token and not task.doomed:
                task.parked = False
                self._ready.append(task)
        return False

    def _live(self, task: Task) -> None:
        self.current = task
        try:
            if not task.doomed:
                task.work()
        except Killed:
            pass
        except Exception as exc:  # noqa: BLE001  what would be a thread's traceback on stderr
            self.failures.append(f"{task.name} ended: {type(exc).__name__}: {exc}")
        finally:
            task.done = True
            self.current = None
            if not task.doomed:
                for act in task.on_done:
                    act()

    def _reap(self, task: Task) -> None:
        if not task.done and task.green is not None:
            if task.green:  # it has begun
                self.current = task
                task.green.throw(Killed)
            self.current = None
            task.done = True


_playing: list[Baton] = []


@contextmanager
def played_by(player: Baton) -> Iterator[None]:
    """Until the end of the block this is the baton."""
    _playing.append(player)
    try:
        yield
    finally:
        _playing.pop()


def is_playing() -> bool:
    """Is a seed being played?"""
    return bool(_playing)


def baton() -> Baton:
    """The one that is played by."""
    assert _playing, "no seed is being played"
    return _playing[-1]
