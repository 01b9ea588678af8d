"""What can be known of a printer, and what became of a ticket. None of it is a bool."""

from enum import IntEnum, StrEnum

import msgspec


class Tier(IntEnum):
    """How a printer can prove that a ticket is on paper."""

    PROCESS_ID = 1
    """GS ( H function 48: it echoes our token when everything before it is printed. Exact."""

    STATUS = 2
    """GS r: a status byte queued behind the data. Strong."""

    NONE = 3
    """It never answers: a ticket that it took whole is presumed printed."""


class Capabilities(msgspec.Struct, frozen=True):
    """What a printer was seen to answer. Found by asking, never by its name. `realtime` has the n of DLE EOT n."""

    tier: Tier
    realtime: tuple[int, ...] = ()
    counters: bool = False


class Need(StrEnum):
    """What a person must do before the printer goes on."""

    PAPER = "paper"
    COVER = "cover"
    CUTTER = "cutter"
    ERROR = "error"
    OFFLINE = "offline"


class PrinterStatus(msgspec.Struct, frozen=True):
    """One look at the printer's sensors."""

    needs: frozenset[Need] = frozenset()
    paper_low: bool = False

    @property
    def need(self) -> Need | None:
        """The first thing that a person must see to, or None when the printer is well."""
        return next((need for need in Need if need in self.needs), None) if self.needs else None


class Confirmed(msgspec.Struct, frozen=True):
    """The printer said so. `evidence` says how: process_id, status, late_process_id or counters."""

    evidence: str


class Presumed(msgspec.Struct, frozen=True):
    """A printer that can't answer took every byte. That is all that is known."""


class NotPrinted(msgspec.Struct, frozen=True):
    """Certainly not on paper: it may be sent again, unmarked."""

    reason: str


class NeedsHuman(msgspec.Struct, frozen=True):
    """The printer waits for a person. The ticket may be in its buffer: it is not sent again."""

    need: Need


class Unknown(msgspec.Struct, frozen=True):
    """Bytes went out and nothing proves what became of them. `headless`: the printer was asked before the ticket, and
    did not answer. Its head may be missing, which counters, exact to some lines only, do not tell.
    """

    evidence: str
    headless: bool = False


Outcome = Confirmed | Presumed | NotPrinted | NeedsHuman | Unknown


class Identity(msgspec.Struct, frozen=True):
    """Which printer is at the other end of a cable, as far as the cable knows; "" where it does not.

    `port` is the place that it is plugged into: `1-1.2` for USB, the MAC address on a network. `device` is what it is:
    USB numbers, serial number, maker and model.
    """

    port: str = ""
    device: str = ""
