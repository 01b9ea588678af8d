"""What the cloud is told, one struct a kind of report. They leave as CloudEvents, in order, at least once."""

from typing import Literal

import msgspec

from agent.model.job import JobKind, JobState, Mark

OrderStateName = Literal[
    "accepted", "duplicate", "stale", "held", "rejected", "canceled", "printed", "partly_printed", "ready"
]


Evidence = Literal["", "confirmed", "presumed", "unconfirmed", "held", "witnessed"]


class OrderRef(msgspec.Struct, frozen=True):
    """Which order."""

    id: str
    channel: str
    no: str


class TicketState(msgspec.Struct, frozen=True, tag_field="kind", tag="ticket.state", omit_defaults=True):
    """Where a ticket is, and what that rests on.

    `evidence`: confirmed (the printer said so), presumed (it can't say), unconfirmed, held, witnessed (a person said
    so); empty while under way.
    """

    order: OrderRef
    rev: int
    ticket: int
    kind_of_ticket: JobKind
    station: str
    printer: str
    state: JobState
    attempt: int
    evidence: Evidence = ""
    reason: str = ""
    marked: Mark | None = None
    number: int = 0


class OrderState(msgspec.Struct, frozen=True, tag_field="kind", tag="order.state", omit_defaults=True):
    """Where an order is. For a duplicate or a stale event `current` is the order's present state; for one that is held
    `reason` says what for (gap, old, flood, upcoming) and `until` when an upcoming one will be printed. For one that
    was ready and is not after all the reason is `recalled`, and `again` once it is so again.
    """

    order: OrderRef
    rev: int
    state: OrderStateName
    event: str = ""
    current: str = ""
    reason: str = ""
    until: str = ""


class Rejected(msgspec.Struct, frozen=True, tag_field="kind", tag="event.rejected", omit_defaults=True):
    """An event that was parked or ignored: its bytes are in the shop's journal, and a person was told."""

    topic: str
    path: str
    reason: str
    event: str = ""


class AlarmState(msgspec.Struct, frozen=True, tag_field="kind", tag="alarm", omit_defaults=True):
    """Something needs a person, or no longer does."""

    key: str
    state: Literal["raised", "cleared"]
    reason: str = ""


class Pong(msgspec.Struct, frozen=True, tag_field="kind", tag="pong"):
    """The answer to a ping event, after a trip through the journal."""

    event: str


class CommandAnswer(msgspec.Struct, frozen=True, tag_field="kind", tag="command.answer", omit_defaults=True):
    """What became of a command. The same command again gets the same answer, and is not carried out again."""

    command: str
    ok: bool
    answer: str


Report = TicketState | OrderState | Rejected | AlarmState | Pong | CommandAnswer
