"""What a person can tell the box: from the cloud, or at the box itself."""

from typing import Annotated, Literal

import msgspec

Decision = Literal["printed", "again", "discard"]


class Settle(msgspec.Struct, frozen=True):
    """A person looked: the ticket is on paper, shall be printed again, or shall not be printed.

    Named by its number, or by its order (and station, where the order has tickets at several that wait for this).
    """

    decision: Decision
    ticket: Annotated[int, msgspec.Meta(ge=1, le=2**62)] | None = None
    order: str = ""
    channel: str = ""
    station: str = ""
    by: str = ""


class Pick(msgspec.Struct, frozen=True):
    """Orders that wait, to be printed now or not at all.

    `orders` are their ids, or what people call them; `all` are those that wait for a person, or with `why` all that
    wait for that.
    """

    orders: list[str] = []
    all: bool = False
    why: Literal["", "old", "flood", "failed", "upcoming", "gap"] = ""
    channel: str = ""
    by: str = ""


class Reprint(msgspec.Struct, frozen=True):
    """What was settled shall be printed once more, marked: an order's tickets, those of one station, or one ticket.

    `order` is its id, or what people call it.
    """

    ticket: Annotated[int, msgspec.Meta(ge=1, le=2**62)] | None = None
    order: str = ""
    channel: str = ""
    station: str = ""
    by: str = ""


class Aim(msgspec.Struct, frozen=True):
    """A printer by its name; for pause and resume also `all`."""

    printer: str
    by: str = ""


class Ask(msgspec.Struct, frozen=True):
    """A command that says all by its type."""

    by: str = ""


_BEFORE_THREADS = [msgspec.json.Decoder(each) for each in (Settle, Pick, Reprint, Aim, Ask)]
"""msgspec builds what it knows of a type at first use, and crashes when two threads do."""
