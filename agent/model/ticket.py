"""A ticket: what one station is told about an order, with everything that the paper says of it."""

from datetime import datetime
from enum import StrEnum

import msgspec

from agent.model.job import JobKind, Mark
from agent.model.order import Item, Order


class Language(StrEnum):
    """Which language a ticket's fixed words are in. The order's own words stay as they came."""

    ZH = "zh"
    EN = "en"
    BOTH = "both"


class Portion(msgspec.Struct, frozen=True):
    """One item as one station sees it.

    `children` are those parts of a set meal that this station makes; None means all, as the item has them.
    `elsewhere` names the stations that make the others. `parents` are the set meals, outermost first and without
    their parts, that a part was taken out of. `unrouted`: no station and no rule claims it; `wanted` is the unknown
    station that the order named.
    """

    item: Item
    children: tuple["Portion", ...] | None = None
    elsewhere: tuple[str, ...] = ()
    parents: tuple[Item, ...] = ()
    unrouted: bool = False
    wanted: str = ""

    @property
    def parts(self) -> tuple["Portion", ...]:
        """The parts of the set meal that are made here."""
        if self.children is None:
            family = (*self.parents, self.item.alone)
            return tuple(Portion(child, parents=family) for child in self.item.children)
        return self.children


class Arrival(msgspec.Struct, frozen=True, omit_defaults=True):
    """How an order came. `late`: what follows it was printed before; `missing`: what should have come before it, as
    numbers and ranges of the cloud's counting ("42", "44-47"); `old`: its age in minutes where that was past the rule.
    """

    late: bool = False
    missing: tuple[str, ...] = ()
    old: int = 0


class Share(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one station makes of an order, as it was routed when the order came. It is kept with the ticket, so that a
    change of the stations moves no dish of an order that is under way. `stations` are all that make a part of it.
    """

    portions: tuple[Portion, ...]
    stations: tuple[str, ...]
    arrival: Arrival = Arrival()


class ChangeKind(StrEnum):
    """What a revision does to a dish: 加, 退, 改."""

    ADDED = "added"
    REMOVED = "removed"
    ALTERED = "altered"


class Change(msgspec.Struct, frozen=True):
    """One dish that is other than it was.

    `portion` is the dish as it is now; of a removed one as it was. `before` is what it was, where it is still there.
    `by` is how many more or fewer as a decimal, empty when the number is what it was. `elsewhere` is the station that
    it moved to, or came from.
    """

    kind: ChangeKind
    portion: Portion
    before: Portion | None = None
    by: str = ""
    elsewhere: str = ""


class Ticket(msgspec.Struct, frozen=True):
    """One station's part of an order, ready to be typeset.

    `number` is the station's running number of the day, 0 for none yet; `part` of `parts` counts the order's
    tickets; `attempt` counts sendings, from 1. `printed_for` names the station that it is for, when another
    printer than the station's prints it, and `printed_for_why` is that one's trouble, an alarm's word.
    `original_at` is when it was first sent, for a reprint. `printed_at` is in the shop's time zone: every
    other time is shown in that zone too.

    `timeless`: nobody knows whether `printed_at` is right.

    `late`: it came after what follows it was printed; `missing`: what should have come before it and has not, as in an
    `Arrival`; `old`: how many minutes old it was when it came, 0 where that is no matter. A ticket
    that says only what changed has `before`, the order as it was when this station was last told, its `changes`, and
    `changed_facts`: the names of the order's fields that are other than they were.
    """

    order: Order
    portions: tuple[Portion, ...]
    station: str
    kind: JobKind = JobKind.ORDER
    reason: str = ""
    mark: Mark | None = None
    attempt: int = 1
    copy: int = 1
    copies: int = 1
    number: int = 0
    part: int = 1
    parts: int = 1
    also_at: tuple[str, ...] = ()
    printed_for: str = ""
    printed_for_why: str = ""
    language: Language = Language.BOTH
    printed_at: datetime | None = None
    original_at: datetime | None = None
    timeless: bool = False
    late: bool = False
    missing: tuple[str, ...] = ()
    old: int = 0
    before: Order | None = None
    changes: tuple[Change, ...] = ()
    changed_facts: tuple[str, ...] = ()
    ready_code: str = ""
    """What its barcode says, by which the kitchen says that it is finished; empty for none."""


class Upcoming(msgspec.Struct, frozen=True):
    """An order as a summary lists it: what people call it, when it was placed or is due, what is in it, in short."""

    number: str
    channel: str
    at: datetime | None
    items: tuple[str, ...]


class Summary(msgspec.Struct, frozen=True):
    """Orders that wait for a person: `why` is a word (old, flood, upcoming), and they are listed, oldest first; `more`
    wait besides.
    """

    why: str
    orders: tuple[Upcoming, ...]
    more: int = 0
    station: str = ""
    language: Language = Language.BOTH
    printed_at: datetime | None = None


TEST, WELCOME, IDENTIFY, PAPER = "test", "welcome", "identify", "paper_test"


class Notice(msgspec.Struct, frozen=True):
    """What the staff is told on paper: the printer `about` has a `trouble` (an alarm's word, such as paper or away).
    With the trouble `TEST` it has none: a person wants its test page; with `WELCOME` it is that page with the code
    that makes a person the box's owner, where to type it in, and what was found (zh and en in a line each). `IDENTIFY`
    is its name in large letters, and `PAPER` a page for the width of its paper and its characters.
    """

    about: str
    trouble: str
    order: str = ""
    code: str = ""
    link: str = ""
    checks: tuple[str, ...] = ()


READ_SHARE = msgspec.json.Decoder(Share)
READ_NOTICE = msgspec.json.Decoder(Notice)
READ_SUMMARY = msgspec.json.Decoder(Summary)
