"""What can be made to go wrong with a printer's answers and its line, on command and for so many times."""

from enum import StrEnum

from msgspec import Struct


class Reply(StrEnum):
    """The classes of what a printer says."""

    PROCESS_ID = "process_id"
    OFFLINE = "offline"
    STATUS = "status"
    REALTIME = "realtime"
    ASB = "asb"
    COUNTER = "counter"
    IDENTITY = "identity"
    CLEARED = "cleared"
    DOCUMENT = "document"


class Trouble(StrEnum):
    """What becomes of an answer."""

    LOSE = "lose"
    GARBLE = "garble"
    DELAY = "delay"
    DUPLICATE = "duplicate"


class ReplyFault(Struct):
    """One trouble for one class of answers, or for all where `reply` is None; `count` None goes on for ever."""

    trouble: Trouble
    reply: Reply | None = None
    count: int | None = None
    delay_s: float = 0.0

    def hits(self, reply: Reply) -> bool:
        """Does it befall this answer? Uses up one of `count`."""
        if self.count == 0 or (self.reply is not None and self.reply is not reply):
            return False
        if self.count is not None:
            self.count -= 1
        return True


class Delivery(Struct, frozen=True):
    """An answer as it goes out: `copies` times, after `delay_s`."""

    data: bytes
    copies: int = 1
    delay_s: float = 0.0


class ReplyFaults:
    """All troubles in force, in the order they were set."""

    def __init__(self) -> None:
        self.active: list[ReplyFault] = []

    def deliver(self, reply: Reply, data: bytes) -> Delivery:
        """What becomes of an answer under the troubles in force."""
        copies, delay_s = 1, 0.0
        for fault in self.active:
            if not fault.hits(reply):
                continue
            match fault.trouble:
                case Trouble.LOSE:
                    copies = 0
                case Trouble.DUPLICATE:
                    copies *= 2
                case Trouble.DELAY:
                    delay_s += fault.delay_s
                case Trouble.GARBLE:
                    data = garbled(data)
        self.active = [fault for fault in self.active if fault.count != 0]
        return Delivery(data, copies, delay_s)


def garbled(data: bytes) -> bytes:
    """Each byte with its bits turned: no class of answer stays what it was, and no token survives."""
    return bytes(byte ^ 0xA5 for byte in data)


class LineFaults(Struct):
    """What is wrong between the host and the printer. `cut_at` counts bytes since the printer was made.

    `unnoticed`: a loss of power that the line does not show. `swallow_left`: so many bytes more; None for ever.
    """

    refuse: bool = False
    stall: bool = False
    swallow: bool = False
    swallow_left: int | None = None
    mute: bool = False
    unnoticed: bool = False
    cut_at: int | None = None
    cut_reset: bool = False
