"""What a ticket may be about, besides an order at one station: an alarm, a printer's first page, a whole order."""

from datetime import datetime

import msgspec

from agent.model.ticket import Language, Notice, Portion, Summary, Ticket


class Alarm(msgspec.Struct, frozen=True):
    """A printer needs a person: the `orders` that are in it, by number, and how many tickets wait for it."""

    notice: Notice
    orders: tuple[str, ...] = ()
    waiting: int = 0
    language: Language = Language.BOTH
    printed_at: datetime | None = None


class Expo(msgspec.Struct, frozen=True):
    """A whole order for the pass: the ticket, and each station's share of it.

    With a ticket that says only what changed, `earlier` is each station's share as it was.
    """

    ticket: Ticket
    shares: tuple[tuple[str, tuple[Portion, ...]], ...]
    earlier: tuple[tuple[str, tuple[Portion, ...]], ...] = ()


class Welcome(msgspec.Struct, frozen=True):
    """A printer's test page. `link` is its window's address, for a QR code; `code` is in it too: its reader may
    own the box; `checks` are lines.
    """

    shop: str
    printer: str
    link: str = ""
    code: str = ""
    checks: tuple[str, ...] = ()
    language: Language = Language.BOTH
    printed_at: datetime | None = None


Subject = Ticket | Expo | Summary | Alarm | Notice | Welcome
