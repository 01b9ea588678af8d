"""threading's locks, conditions and events, for tasks of the baton that is played by."""

from collections import deque
from collections.abc import Callable
from typing import Any

from tests.sim.baton import Task, baton, is_playing


class Lock:
    """One at a time. May be released by another task than the one that took it."""

    def __init__(self) -> None:
        self._owner: Task | str | None = None
        self._depth = 0
        self._waiting: deque[Task] = deque()

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """See threading.Lock."""
        if not is_playing():  # a log handler of a life that is over is looked after when the process ends
            return True
        baton().breathe()
        who: Task | str = baton().current or "world"
        if self._again(who):
            return True
        while self._owner is not None:
            if not blocking:
                return False
            self._waiting.append(baton().me())
            if not baton().park(None if timeout < 0 else timeout) and timeout >= 0:
                return False
        self._owner, self._depth = who, 1
        return True

    def _again(self, who: Task | str) -> bool:  # noqa: ARG002  an RLock asks who
        return False

    def release(self) -> None:
        """See threading.Lock."""
        self._depth -= 1
        if self._depth > 0:
            return
        self._owner = None
        while self._waiting:
            if not (task := self._waiting.popleft()).done and not task.doomed:
                baton().wake(task)
                break

    def locked(self) -> bool:
        """See threading.Lock."""
        return self._owner is not None

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


class RLock(Lock):
    """The same task may take it again."""

    def _again(self, who: Task | str) -> bool:
        if self._owner is not who:
            return False
        self._depth += 1
        return True

    def let_go(self) -> tuple[Task | str | None, int]:
        """Release it whatever its depth; give the result to `take_again`."""
        kept = self._owner, self._depth
        self._depth = 1
        self.release()
        return kept

    def take_again(self, kept: tuple[Task | str | None, int]) -> None:
        """As it was."""
        self.acquire()
        self._depth = kept[1]


class Condition:
    """See threading.Condition."""

    def __init__(self, lock: Any = None) -> None:
        self._lock = RLock() if lock is None else lock
        self._waiting: deque[Task] = deque()
        self.acquire, self.release = self._lock.acquire, self._lock.release

    def __enter__(self) -> bool:
        return bool(self._lock.acquire())

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def wait(self, timeout: float | None = None) -> bool:
        """See threading.Condition."""
        task = baton().me()
        self._waiting.append(task)
        kept = self._lock.let_go() if isinstance(self._lock, RLock) else self._lock.release()
        try:
            woken = baton().park(timeout)
        finally:
            if task in self._waiting:
                self._waiting.remove(task)
            if not task.doomed:
                if isinstance(self._lock, RLock):
                    self._lock.take_again(kept)
                else:
                    self._lock.acquire()
        return woken

    def wait_for(self, predicate: Callable[[], Any], timeout: float | None = None) -> Any:
        """See threading.Condition."""
        ends_at = None if timeout is None else baton().now + timeout
        while not (result := predicate()):
            left_s = None if ends_at is None else ends_at - baton().now
            if left_s is not None and left_s <= 0:
                break
            self.wait(left_s)
        return result

    def notify(self, n: int = 1) -> None:
        """See threading.Condition."""
        while self._waiting and n > 0:
            baton().wake(self._waiting.popleft())
            n -= 1

    def notify_all(self) -> None:
        """See threading.Condition."""
        self.notify(len(self._waiting))


class Event:
    """See threading.Event."""

    def __init__(self) -> None:
        self._set = False
        self._waiting: list[Task] = []

    def is_set(self) -> bool:
        """See threading.Event."""
        return self._set

    def set(self) -> None:
        """See threading.Event."""
        baton().live()
        self._set = True
        waiting, self._waiting = self._waiting, []
        for task in waiting:
            baton().wake(task)
        baton().breathe()

    def clear(self) -> None:
        """See threading.Event."""
        self._set = False

    def wait(self, timeout: float | None = None) -> bool:
        """See threading.Event."""
        if not self._set:
            task = baton().me()
            self._waiting.append(task)
            baton().park(timeout)
            if task in self._waiting:
                self._waiting.remove(task)
        return self._set


class Semaphore:
    """See threading.Semaphore."""

    def __init__(self, value: int = 1) -> None:
        self._value = value
        self._changed = Condition()

    def acquire(self, blocking: bool = True, timeout: float | None = None) -> bool:
        """See threading.Semaphore."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._value > 0, timeout if blocking else 0.0):
                return False
            self._value -= 1
        return True

    def release(self) -> None:
        """See threading.Semaphore."""
        with self._changed:
            self._value += 1
            self._changed.notify()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()
