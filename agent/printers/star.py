"""Questions to a Star printer in its own language, and its answers: status, and the document counter as evidence.

Source: Star's Line Mode command specifications, rev. 1.12: ESC GS ETX (document counter), ESC ACK SOH (status in real
time), appendix 2 (the status' bytes), 5.2.4 (how a network board wraps answers: what is not known is skipped).
"""

from agent.clock import Clock
from agent.model import job
from agent.model.job import Counters
from agent.model.printer import Need, PrinterStatus
from agent.printers.dialogue import Dialogue
from agent.printers.exchange import MOST_TOKENS
from agent.printers.fences import Noise
from agent.printers.link import Link
from agent.printers.status import Asb, Block, Reply, ReplyParser

PRINTED = b"\x1b\x1d\x03\x01"
ASK_STATUS = b"\x1b\x06\x01"
ANSWER = 8


def _first(data: bytes) -> tuple[int, Reply | None]:
    """An echo of the document counter is a `Block` of the two bytes asked with, status is an `Asb`."""
    if PRINTED.startswith(data[: len(PRINTED)]):
        if len(data) < ANSWER:
            return 0, None
        return (ANSWER, Block(data[4:6])) if data[7] == 0 else (1, None)
    if data[0] & 0x91 != 0x01:
        return 1, None
    size = data[0] >> 2 & 0x08 | data[0] >> 1 & 0x07
    if size < 7 or len(data) < size:
        return (1, None) if size < 7 else (0, None)
    if data[1] & 0x11 or any(byte & 0x91 for byte in data[2:size]):
        return 1, None
    return size, Asb(data[:size])


def status(data: bytes) -> PrinterStatus:
    """Star's automatic status: two headers, then printer, error, (unused), paper."""
    needs = set()
    if data[5] & 0x08:
        needs.add(Need.PAPER)
    if data[2] & 0x20:
        needs.add(Need.COVER)
    if data[3] & 0x08:
        needs.add(Need.CUTTER)
    if data[3] & 0x60:
        needs.add(Need.ERROR)
    if data[2] & 0x08 and not needs:
        needs.add(Need.OFFLINE)
    return PrinterStatus(frozenset(needs), paper_low=bool(data[5] & 0x04))


class StarDialogue(Dialogue):
    """As `Dialogue`. A document's name has two bytes here: the last two characters of a token."""

    report_by_itself = b""
    separate = b"\n\x1bd\x03"

    def __init__(self, link: Link, clock: Clock, silence_said_s: float, noise: Noise | None = None) -> None:
        super().__init__(link, clock, silence_said_s, noise)
        self._parser = ReplyParser(_first)
        self._asked: dict[bytes, str] = {}
        self._heard_status = False

    def question(self, token: str) -> bytes:
        """ESC GS ETX 1: wait for the end of printing, count, and echo these two bytes."""
        match token[0]:  # two digits or capitals would be a ticket's
            case "~":
                row, column = divmod(int(token[1:]), 90)
                name = bytes((0x61 + row, 0x21 + column))
            case job.HEAD:
                name = (job.HEAD + token[-1]).encode("ascii")
            case _:
                name = token[-2:].encode("ascii")
        self._asked[name] = token
        return PRINTED + name

    def ask_status(self, *, once: bool = False) -> PrinterStatus | None:
        """ESC ACK SOH."""
        for wait_s in self._status_waits(once):
            self.hear()
            self._heard_status = False
            self.say(ASK_STATUS)
            if self.wait(lambda: self._heard_status, wait_s):
                return self.status
        return None

    def cover_question(self) -> bytes:
        """It tells its cover with everything else."""
        return b""

    def find_questions(self) -> tuple[int, ...]:
        """One stands for all that it tells."""
        self.questions = (1,) if self.ask_status() is not None else ()
        return self.questions

    def status_fence(self, timeout_s: float, count: int = 1) -> int:  # noqa: ARG002  # as the others have it
        """It has none: nothing comes."""
        self.wait(lambda: False, timeout_s)
        return 0

    def ask_counters(self) -> Counters | None:
        """None that could be asked."""
        return None

    def ask_facts(self) -> tuple[str, ...] | None:
        """It is not asked who it is."""
        return None

    def _note(self, reply: Reply) -> None:
        if isinstance(reply, Asb):
            self._heard_status = True
            self.status = status(reply.data)
        elif isinstance(reply, Block):
            if len(self.tokens) >= MOST_TOKENS:
                self.tokens.clear()
            self.tokens.add(self._asked.get(reply.data, reply.data.decode("latin-1")))
