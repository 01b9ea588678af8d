"""What this port may look at, and hand on to, of the agent around it; and how it turns somebody away."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from agent.clock import Clock
from agent.intake.acceptance import Taken
from agent.journal.store import Journal
from agent.model.wire import Delivery

Receive = Callable[[Delivery, Callable[[Taken], None]], None]
"""Hands an event to the intake; what came of it is told on the journal's thread, once it is on disk."""


class Seen(Protocol):
    """A printer's worker, as far as this port looks at it."""

    def seen(self) -> dict[str, Any]:
        """How the printer is."""


@dataclass(frozen=True)
class Rooms:
    """The agent, seen from its port. `stuck` names the threads that do not come round; `last_heard` is empty before
    the cloud's first message.
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


class Refusal(Exception):
    """Somebody is turned away: the HTTP status, why, where in what was sent, and when to try again (seconds)."""

    def __init__(self, status: int, reason: str, path: str = "", again_s: int = 0) -> None:
        super().__init__(reason)
        self.status, self.reason, self.path, self.again_s = status, reason, path, again_s
