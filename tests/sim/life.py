"""The real agent as a life: its composition root with the world's cables, broker and clock put in, and its ends."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Protocol, Self
from unittest import mock

import jinja2

import agent.app
import agent.broker.mqtt
import agent.checkpoint
import agent.intake.timekeeper
import agent.journal.file
import agent.journal.notes
import agent.report.publisher
import agent.tickets.engine
import agent.wiring.printroom
from agent.config import Config, Printer
from agent.errors import JournalError
from agent.printers.link import Connector
from tests.sim.baton import Baton
from tests.sim.broker import Broker, Client

_compiled: dict[str, tuple[Any, str | None]] = {}


class Wall:
    """The shop's clock: time passes as the baton's does, and somebody may set it wrong."""

    def __init__(self, baton: Baton, began: datetime) -> None:
        self._baton, self._began = baton, began
        self.wrong = timedelta()
        self.synchronised = True
        self.boot = 1

    def monotonic(self) -> float:
        """See Clock."""
        return self._baton.now

    def utc(self) -> datetime:
        """See Clock."""
        return self.true() + self.wrong

    def set_wrong(self, by: timedelta, *, known: bool) -> None:
        """From now on; `known`: NTP knows it."""
        self.wrong, self.synchronised = by, not known

    def set_right(self) -> None:
        """As it should be."""
        self.wrong, self.synchronised = timedelta(), True

    def true(self) -> datetime:
        """What time it really is."""
        return self._began + timedelta(seconds=self._baton.now)


class Truth:
    """The clock of those who have the right time."""

    def __init__(self, wall: Wall) -> None:
        self.monotonic, self.utc = wall.monotonic, wall.true


class Place(Protocol):
    """What a life meets."""

    baton: Baton
    broker: Broker
    wall: Wall

    def cable(self, printer: str) -> Connector:
        """The way to a printer."""

    def passed(self, checkpoint: str) -> None:
        """The agent passes a named point; may end its life."""

    def armed(self, checkpoint: str) -> bool:
        """Shall it end at that point?"""


class _Idle:
    """Stands for the control socket."""

    name, limit_s = "control", 60.0

    def __init__(self, *_: object) -> None:
        self._alive = False

    def start(self) -> None:
        self._alive = True

    def stop(self, _deadline_s: float) -> None:
        self._alive = False

    def alive(self) -> bool:
        return self._alive

    def progress(self) -> float:
        return time.monotonic()


def live(config: Config, place: Place, on_stop: Callable[[Any], None]) -> int:
    """One life, from start to end; returns its exit code. `on_stop` is given what asks it to stop."""
    stop = threading.Event()
    on_stop(stop)
    try:
        return agent.app.Agent(config, place.wall).run(stop)
    except JournalError:
        return agent.app.EXIT_JOURNAL


@contextmanager
def wired(place: Place) -> Iterator[None]:
    """Until the end of the block every agent lives in this place."""

    class Now(datetime):
        """datetime as the agent's modules see it."""

        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return cls.fromtimestamp(place.wall.utc().timestamp(), tz or UTC)

    def cable(printer: Printer, _: object) -> Connector:
        return place.cable(printer.name)

    replaced: list[tuple[Any, str, Any]] = [
        (agent.app, "Control", _Idle),
        (agent.wiring.printroom, "connector", cable),
        (agent.app, "is_synchronised", lambda: place.wall.synchronised),
        (agent.report.publisher, "is_synchronised", lambda: place.wall.synchronised),
        (agent.intake.timekeeper, "_boot_id", lambda: f"boot {place.wall.boot}"),
        (agent.broker.mqtt, "new_client", lambda *_, **__: Client(place.broker)),
        (agent.tickets.engine._Environment, "compile", _compile),
        (agent.journal.notes, "datetime", Now),
        (agent.journal.file, "datetime", Now),
        *((room, "checkpoint", place.passed) for room in _rooms_with("checkpoint")),
        *((room, "armed", place.armed) for room in _rooms_with("armed")),
    ]
    patches = [mock.patch.object(room, name, new) for room, name, new in replaced]
    for patch in patches:
        patch.start()
    try:
        yield
    finally:
        for patch in reversed(patches):
            patch.stop()


def _compile(engine: Any, source: str, name: str, file: str) -> Any:
    """A template is compiled once, not in each life."""
    if source not in _compiled:
        code = jinja2.Environment.compile(engine, source, name, file)
        _compiled[source] = code, engine._parent.get(name)
    code, parent = _compiled[source]
    if parent is not None:
        engine.get_template(parent)
        engine._parent[name] = parent
    return code


def _rooms_with(name: str) -> list[Any]:
    original = getattr(agent.checkpoint, name)
    rooms = [room for title, room in sys.modules.items() if title.startswith("agent.") and room is not agent.checkpoint]
    return [room for room in rooms if vars(room).get(name) is original]
