"""The agent with something wrong in the machine below it: `python -m tests.prove.tamper run --config FILE`.

$PROVE_CLOCK names a file with the seconds by which the wall clock is wrong, read whenever somebody asks the time.
$PROVE_DISK names a file with a `Trouble`, which one life takes with it. $PROVE_MIGRATIONS is a folder with the schema
of another version. $PROVE_HASTY plants a bug: whatever arrives is acknowledged before it is on disk.
"""

import functools
import os
import random
import signal
import threading
import time
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any, Literal

import msgspec

import agent.app
import agent.clock
import agent.journal.file
import agent.journal.notes
from agent.__main__ import main
from agent.intake.consumer import Consumer
from agent.journal import store
from agent.journal.store import Journal
from agent.model.wire import Delivery
from tests.disk.disk import Disk, Fault, Op
from tests.disk.platter import File


class Trouble(msgspec.Struct, frozen=True):
    """What the disk does in one life of the agent. It begins with the `at`-th operation of those that match `what` and
    `name` (all where empty) and lasts for `count` of them: they fail, take `seconds`, or the power is cut, which leaves
    what `seed` says. `lies`: the disk says of a FLUSH that it is done, and does nothing.
    """

    folder: str
    act: Literal["fail", "slow", "cut"]
    what: tuple[str, ...] = ()
    name: str = ""
    at: int = 1
    count: int = 1
    fault: Fault = Fault.BROKEN
    seconds: float = 0.0
    seed: int = 0
    lies: bool = False


class BadDisk:
    """A `Trouble` at work."""

    def __init__(self, trouble: Trouble) -> None:
        self._trouble, self._seen = trouble, 0
        self._disk = Disk(Path(trouble.folder))
        self._disk.before = self._before
        if trouble.lies:
            File.sync = lambda _: None  # type: ignore[method-assign,assignment]  # that is the lie
        else:
            store.IDLE_CHECKPOINT = 2  # checkpoints are a part of every run, however short
        self._disk.__enter__()

    def _before(self, op: Op) -> Fault | None:
        trouble = self._trouble
        if (trouble.what and op.what not in trouble.what) or (trouble.name and op.path.name != trouble.name):
            return None
        self._seen += 1
        if not trouble.at <= self._seen < trouble.at + trouble.count:
            return None
        if trouble.act == "fail":
            return trouble.fault
        if trouble.act == "slow":
            time.sleep(trouble.seconds)
            return None
        self._disk.cut(random.Random(trouble.seed))
        os.kill(os.getpid(), signal.SIGKILL)
        return None


class WrongClock(datetime):
    """A wall clock that is off."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]  # a plain one, as everybody expects
        """The time as this machine has it."""
        off = float(Path(os.environ["PROVE_CLOCK"]).read_text())
        return datetime.now(tz) + timedelta(seconds=off)


_receive = Consumer.receive


def _hasty(self: Consumer, delivery: Delivery, *rest: Any) -> None:
    self._acknowledge(delivery)  # which goes out once this thread is free again
    threading.Timer(0.5, _receive, (self, delivery, *rest)).start()


def tamper() -> None:
    """What the environment asks for."""
    if "PROVE_CLOCK" in os.environ:
        for module in (agent.clock, agent.journal.file, agent.journal.notes):
            module.datetime = WrongClock  # type: ignore[attr-defined]
    if "PROVE_MIGRATIONS" in os.environ:
        agent.app.Journal = functools.partial(Journal, migrations=Path(os.environ["PROVE_MIGRATIONS"]))  # type: ignore[assignment,attr-defined]
    if "PROVE_HASTY" in os.environ:
        Consumer.receive = _hasty  # type: ignore[assignment,method-assign]
    told = Path(os.environ.get("PROVE_DISK", ""))
    if told.is_file():
        trouble = msgspec.json.decode(told.read_bytes(), type=Trouble)
        told.unlink()
        BadDisk(trouble)


if __name__ == "__main__":
    tamper()
    main()
