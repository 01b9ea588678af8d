"""What this port may look at, and hand on to, of the agent around it; and how it turns somebody away."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from agent.clock import Clock
from agent.config import Config
from agent.console.access import Access
from agent.control import Handler
from agent.intake.acceptance import Taken
from agent.journal.store import Journal
from agent.model.wire import Delivery
from agent.overview.state import Overview
from agent.spool.render import Press
from agent.spool.shelf import Shelf

Receive = Callable[[Delivery, Callable[[Taken], None]], None]
"""Hands an event to the intake; what came of it is told on the journal's thread, once it is on disk."""


class Seen(Protocol):
    """A printer's worker, as far as this port looks at it."""

    def seen(self) -> dict[str, Any]:
        """How the printer is."""


@dataclass(frozen=True)
class Rooms:
    """The agent, seen from its port. `stuck` names the threads that do not come round; `last_heard` is empty before
    the cloud's first message. `cloud`: is one configured?
    """

    journal: Journal
    receive: Receive
    workers: Mapping[str, Seen]
    printers_of: Mapping[str, str | None]
    line_up: Callable[[], bool]
    last_heard: Callable[[], str]
    stuck: Callable[[], list[str]]
    synchronised: Callable[[], bool]
    clock: Clock
    cloud: bool = True


@dataclass(frozen=True)
class Window:
    """What a person's pages look at besides, and the hands that do what is asked there: `handlers` are the command
    line's (agent/answers). `config_path` is the file that set-up writes, None where there is none; `restart` starts
    the agent anew, with what was written; `print_code` prints a ticket with the code that it asks for, which makes its
    reader the owner, and returns on which printer (raises Refusal); `alarm` raises one by its key, or clears it without
    a reason.
    """

    access: Access
    overview: Callable[[], Overview]
    handlers: Mapping[str, Handler]
    config: Callable[[], Config]
    config_path: Path | None
    press: Press
    shelf: Shelf
    restart: Callable[[], None]
    print_code: Callable[[Callable[[], str]], str]
    alarm: Callable[[str, str], None]
    stopping: threading.Event


class Refusal(Exception):
    """Somebody is turned away: the HTTP status, why, where in what was sent, and when to try again (seconds)."""

    def __init__(self, status: int, reason: str, path: str = "", again_s: int = 0) -> None:
        super().__init__(reason)
        self.status, self.reason, self.path, self.again_s = status, reason, path, again_s
