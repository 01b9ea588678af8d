"""threading, queue and time as tasks of a Baton see them. They stand in for the real ones while a seed is played."""

import queue
import random
import secrets
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

from tests.sim.baton import Baton, Task, baton, played_by
from tests.sim.locks import Condition, Event, Lock, RLock, Semaphore


class Queue:
    """queue.SimpleQueue."""

    def __init__(self) -> None:
        self._items: deque[Any] = deque()
        self._waiting: deque[Task] = deque()

    def put(self, item: Any) -> None:
        """See queue.SimpleQueue."""
        baton().live()
        self._items.append(item)
        if self._waiting:
            baton().wake(self._waiting.popleft())
        baton().breathe()

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """See queue.SimpleQueue."""
        ends_at = None if timeout is None else baton().now + timeout
        while not self._items:
            left_s = None if ends_at is None else ends_at - baton().now
            if not block or (left_s is not None and left_s <= 0):
                raise queue.Empty
            task = baton().me()
            self._waiting.append(task)
            baton().park(left_s)
            if task in self._waiting:
                self._waiting.remove(task)
        return self._items.popleft()

    def empty(self) -> bool:
        """See queue.SimpleQueue."""
        baton().live()
        return not self._items


class Thread:
    """threading.Thread; of the life of whoever makes it."""

    def __init__(
        self,
        group: None = None,  # noqa: ARG002  as threading has it
        target: Callable[..., object] | None = None,
        name: str = "thread",
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
        *,
        daemon: bool | None = None,
    ) -> None:
        self.name = name
        self.daemon = bool(daemon)
        self._work = (lambda: target(*args, **(kwargs or {}))) if target is not None else lambda: None
        self._task: Task | None = None
        self._ended: Event | None = None

    @property
    def ident(self) -> int | None:
        """See threading.Thread."""
        return None if self._task is None else 1

    def start(self) -> None:
        """See threading.Thread."""
        self._ended = Event()
        self._task = baton().spawn(self.name, self._work, baton().life)
        self._task.on_done.append(self._ended.set)
        baton().breathe()

    def is_alive(self) -> bool:
        """See threading.Thread."""
        return self._task is not None and not self._task.done

    def join(self, timeout: float | None = None) -> None:
        """See threading.Thread."""
        assert self._ended is not None, "join before start"
        self._ended.wait(timeout)


@contextmanager
def in_virtual_time(player: Baton, seed: int) -> Iterator[None]:
    """Until the end of the block threads are tasks of this baton, time is its clock, and chance is the seed's."""
    chance = random.Random(f"ids {seed}")
    stand_ins: list[tuple[Any, dict[str, Any]]] = [
        (threading, {"Thread": Thread, "Event": Event, "Lock": Lock, "RLock": RLock, "Condition": Condition}),
        (threading, {"Semaphore": Semaphore, "BoundedSemaphore": Semaphore}),
        (queue, {"SimpleQueue": Queue}),
        (time, {"monotonic": lambda: player.now, "sleep": player.park}),
        (uuid, {"uuid4": lambda: uuid.UUID(int=chance.getrandbits(128), version=4)}),
        (secrets, {"randbelow": chance.randrange}),
    ]
    before = random.getstate()
    random.seed(f"agent {seed}")
    with ExitStack() as stack:
        stack.callback(random.setstate, before)
        stack.enter_context(played_by(player))
        for room, names in stand_ins:
            stack.enter_context(mock.patch.multiple(room, **names))
        yield
