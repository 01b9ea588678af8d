"""A person's word is carried out by the journal's writer, and answered once it is on disk."""

from collections.abc import Callable
from concurrent import futures
from concurrent.futures import Future
from typing import Any, TypeVar

from agent.clock import Clock
from agent.control import Visit
from agent.errors import CommandRefused
from agent.intake.commands import Commands, Done
from agent.journal.store import Journal

KEPT_S = 20.0
LOOK_S = 0.1
STOPPING = ("the agent is stopping: ask again once it runs", "程序正在停止：请稍后再试")
T = TypeVar("T")


class Word:
    """Carries out commands for visitors, and waits for what others promised them."""

    def __init__(self, journal: Journal, commands: Commands, clock: Clock) -> None:
        self._journal = journal
        self._commands = commands
        self._clock = clock

    def perform(self, kind: str, request: dict[str, Any], visit: Visit) -> str:
        """What became of a command, in words. `by` is the user who asks, whatever the request says."""
        kept: Future[Done] = Future()
        command = {**request, "by": visit.by}
        self._journal.submit(lambda tx: self._commands.perform(tx, kind, command), kept.set_result, kept.set_exception)
        late = "it is not on disk yet, which is full or very slow: look at the queue again later, it may still be kept"
        return _accepted(self.wait(kept, visit, KEPT_S, late))

    def run(self, kind: str, request: dict[str, Any], visit: Visit) -> str:
        """The same for a command that the journal has no part in."""
        return _accepted(self._commands.run(kind, {**request, "by": visit.by}))

    def wait(
        self, future: "Future[T]", visit: Visit, limit_s: float, late: str, trouble: Callable[[], str] = lambda: ""
    ) -> T:
        """Its result, unless there is trouble, the agent stops, or it takes too long."""
        ends_at = self._clock.monotonic() + limit_s
        while not future.done():
            if why := trouble():
                raise CommandRefused(why, "打印机现在用不了：请看打印机页")
            if visit.stopping.is_set():
                raise CommandRefused(*STOPPING)
            if self._clock.monotonic() > ends_at:
                raise CommandRefused(late, "还没有完成，可能稍后完成：请过一会儿再看")
            futures.wait([future], LOOK_S)
        return future.result()


def _accepted(done: Done) -> str:
    if not done.ok:
        raise CommandRefused(done.answer, done.zh)
    return done.answer
