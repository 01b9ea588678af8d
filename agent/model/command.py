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
