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

    `orders` are their ids, or what people call them; with `exact` their ids alone. `all` are those that wait for a
    person, or with `why` all that wait for that.
    """

    orders: list[str] = []
    exact: bool = False
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


class Ready(msgspec.Struct, frozen=True):
    """What the kitchen has finished, or (recalled) has not: a ticket's part of its order; what the scanner read from
    its barcode, as `code`; or an order at one station or, without one, at all.
    """

    ticket: Annotated[int, msgspec.Meta(ge=1, le=2**62)] | None = None
    order: str = ""
    channel: str = ""
    station: str = ""
    code: Annotated[str, msgspec.Meta(max_length=100)] = ""
    by: str = ""


class Move(msgspec.Struct, frozen=True):
    """A ticket shall be printed on another printer than its station's."""

    ticket: Annotated[int, msgspec.Meta(ge=1, le=2**62)]
    printer: str
    by: str = ""


class Aim(msgspec.Struct, frozen=True):
    """A printer by its name; for pause and resume also `all`."""

    printer: str
    by: str = ""


class Dismiss(msgspec.Struct, frozen=True):
    """A person has seen an alarm that nothing else ends: its key, as in the beat's `alarms`."""

    alarm: str
    by: str = ""


class Page(msgspec.Struct, frozen=True):
    """A page for a printer: all that it can do; its name in large letters, so that a person sees which one it is; or
    rulers and lines of Chinese, for the width of its paper and its characters.
    """

    printer: str
    page: Literal["test", "identify", "paper"] = "test"
    by: str = ""


class Ask(msgspec.Struct, frozen=True):
    """A command that says all by its type."""

    by: str = ""


_BEFORE_THREADS = [msgspec.json.Decoder(each) for each in (Settle, Pick, Reprint, Move, Ready, Aim, Dismiss, Page, Ask)]
"""msgspec builds what it knows of a type at first use, and crashes when two threads do."""
