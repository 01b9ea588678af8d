"""What the kitchen's screen is made of: orders with what each station makes of them, as the ledger has it."""

from typing import Literal

import msgspec

Where = Literal["waiting", "printed", "unconfirmed", "failed"]
"""Where a part's paper is: it waits for its printer; it is there; nobody knows; it can't be printed as it is."""


class Part(msgspec.Struct, frozen=True):
    """What one station makes of an order now, named by its first ticket at the newest revision there.

    `makes`: it cooks a part; else it shows the whole order (the pass, the counter). `since` is the ticket that it has
    waited with since it was last finished. `finished`: somebody said so of this revision.
    """

    station: str
    ticket: int
    rev: int
    where: Where
    makes: bool
    since: int
    finished: bool = False
    again: bool = False
    """It was finished, and has changed since."""


class OpenPart(msgspec.Struct, frozen=True):
    """A part with what is to be made (a `Share` as JSON), and since when: the time of its print, or of its entry."""

    part: Part
    share: bytes
    since: str


class OpenOrder(msgspec.Struct, frozen=True):
    """An order that is not finished. `payload` is its event's data as JSON."""

    order: str
    channel: str
    no: str
    rev: int
    payload: bytes
    parts: tuple[OpenPart, ...]


class Bumped(msgspec.Struct, frozen=True):
    """A part that was finished. `ticket` names it, for a recall."""

    order: str
    channel: str
    no: str
    station: str
    ticket: int
    bumped_at: str
    who: str


class Seen(msgspec.Struct, frozen=True):
    """Everything for the screen: open orders, oldest first, perhaps `more` besides; what was finished last, newest
    first.
    """

    orders: tuple[OpenOrder, ...]
    done: tuple[Bumped, ...]
    more: int = 0
