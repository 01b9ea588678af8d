"""What the cloud hears besides reports, one struct a kind of message: that the box is there, how it is, and what it
missed. They go up as plain JSON, without an envelope.
"""

from typing import Annotated, Literal

import msgspec

from agent.broker.word import Session

_Printer = msgspec.Meta(examples=["connecting", "ready", "away", "other", "needs_human"])
_Tier = msgspec.Meta(examples=["process_id", "status", "none"])


class State(msgspec.Struct, frozen=True, omit_defaults=True):
    """Birth and death, retained; a death is also the last will, and counts only for its own `boot`."""

    online: bool
    boot: str
    version: str
    at: str = ""


class ReplayRequest(msgspec.Struct, frozen=True, rename={"first": "from"}):
    """Send the original events from this sequence on again; of every source, where it is null: a journal was lost."""

    source: str | None
    first: int
    type: Literal["replay"] = "replay"


class PrinterSeen(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a printer is. `tier`: what it can prove of a ticket; `need`: what a person must do; `reason`: why away."""

    state: Annotated[str, _Printer]
    tier: Annotated[str | None, _Tier] = None
    need: str | None = None
    reason: str | None = None


class Beat(msgspec.Struct, frozen=True):
    """How the box is. `sequences`: by source up to where nothing is missing; `waiting`: tickets by printer;
    `orders_held`: orders that wait and are no tickets yet; `alarms`: what needs a person, by key, and
    `alarms_in_all` how many there are: of those about tickets the oldest are told.
    """

    at: str
    boot: str
    version: str
    sequences: dict[str, int]
    printers: dict[str, PrinterSeen]
    waiting: dict[str, int]
    orders_held: int
    oldest_ticket: str | None
    last_order_heard: str | None
    clock_synchronised: bool
    session: Session | None
    alarms: dict[str, str]
    alarms_in_all: int = 0


_BEFORE_THREADS = msgspec.json.Decoder(Beat)
"""msgspec builds what it knows of a type at first use, and crashes when two threads do."""
