"""Bytes out over a link, and replies in, of which the latest are kept. What is asked, and why, is not known here."""

from collections.abc import Callable
from typing import TypeVar

from msgspec.structs import replace

from agent.clock import Clock
from agent.errors import Unavailable
from agent.model.printer import Need, PrinterStatus
from agent.printers.fences import Fences, Noise
from agent.printers.link import Link, Prompt
from agent.printers.status import (
    Asb,
    Block,
    Fence,
    RealTime,
    Reply,
    ReplyParser,
    out_of_paper,
    process_id,
    says_paper_out,
    status_from_asb,
)

SHORT_WRITE_TIMEOUT_S = 3.0
CHUNK = 4096
MOST_TOKENS = 512
MOST_READS = 64

R = TypeVar("R", RealTime, Block)


class Exchange:
    """What goes over one link. `status` is the latest look at the sensors, `tokens` the process IDs heard."""

    def __init__(self, link: Link, clock: Clock, silence_said_s: float, noise: Noise | None = None) -> None:
        self._silence_said_s = silence_said_s
        self.link = link
        self._prompt = link if isinstance(link, Prompt) else None
        self._status = PrinterStatus()
        self.seen: set[Need] = set()
        self.replies = 0
        self.tokens: set[str] = set()
        self.poured = 0
        self.stalled_s = 0.0
        self.fences = Fences(noise or Noise(clock))
        self._clock = clock
        self._unsent: int | None = None
        self._moved_at = clock.monotonic()
        self._parser = ReplyParser()
        self._inbox: list[Reply] = []

    @property
    def status(self) -> PrinterStatus:
        """The latest look at the sensors. `seen` has all that they told since it was cleared."""
        return self._status

    @status.setter
    def status(self, now: PrinterStatus) -> None:
        self._status = now
        self.seen |= now.needs

    @property
    def heard_something(self) -> bool:
        """Did the printer say anything that nobody has taken?"""
        return bool(self._inbox or self.tokens or self.fences.heard)

    @property
    def babbles(self) -> bool:
        """Was most of what was heard no answer at all? Then what looks like one is none either."""
        return self._parser.rubbish > self.replies

    # -- bytes out -----------------------------------------------------------------------------------------------

    def say(self, data: bytes) -> None:
        """Write something short that is no ticket.

        Raises:
            Unavailable: the printer takes no bytes.
            LinkBroken: the link is gone.
        """
        deadline = self._clock.monotonic() + SHORT_WRITE_TIMEOUT_S
        while data:
            data = data[self.link.write(data, 0.5) :]
            if data and self._clock.monotonic() > deadline:
                raise Unavailable("it takes no bytes")

    @property
    def is_prompt(self) -> bool:
        """Can it be given bytes without waiting?"""
        return self._prompt is not None

    def pour_now(self, data: bytes) -> bytes:
        """Write as much of a ticket as goes without waiting, and count it as `pour` does; returns the rest."""
        taken = 0 if self._prompt is None else self._prompt.write_now(data)
        self.poured += taken
        return data[taken:]

    def pour(self, data: bytes, give_up: Callable[[], bool], on_stall: Callable[[str], None]) -> bool:
        """Write a ticket, for as long as the link lives; true when all was taken, false when told to give up.

        `poured` grows by what is taken, so that it is known also when the link breaks. A printer that takes nothing is
        waited for: to break off would turn a late ticket into a doubtful one. `stalled_s` is the longest time, since it
        was set to 0, in which nothing moved.
        """
        sent = 0
        self._moved(None)
        said = False
        while sent < len(data):
            taken = self.link.write(data[sent : sent + CHUNK], 0.5)
            sent += taken
            self.poured += taken
            self.hear()
            if taken:
                self._moved(None)
                continue
            if give_up():
                break
            if self.note_stall() > self._silence_said_s and not said:
                said = True
                on_stall("it takes no more bytes")
        return sent == len(data)

    def note_stall(self) -> float:
        """For how many seconds now has nothing moved on this side of the cable?"""
        left = self.link.unsent()
        if left != self._unsent:
            self._moved(left)
        still_s = self._clock.monotonic() - self._moved_at
        self.stalled_s = max(self.stalled_s, still_s)
        return still_s

    def _moved(self, left: int | None) -> None:
        self._unsent, self._moved_at = left, self._clock.monotonic()

    # -- bytes in ------------------------------------------------------------------------------------------------

    def hear(self, timeout_s: float = 0.0) -> bool:
        """Take what came and note what it says; True when something came.

        Raises:
            LinkBroken: the link is gone.
        """
        data = self.link.read(4096, timeout_s)
        for reply in self._parser.feed(data) if data else ():
            self.replies += 1
            self._note(reply)
        return bool(data)

    def wait(self, done: Callable[[], bool], timeout_s: float) -> bool:
        """Hear until `done` or the time is over; is it done?"""
        deadline = self._clock.monotonic() + timeout_s
        while not done():
            left_s = deadline - self._clock.monotonic()
            if left_s <= 0:
                return False
            self.hear(left_s)
        return True

    def take(self, kind: type[R]) -> R | None:
        """The oldest answer of this kind, taken out; None when there is none."""
        for position, reply in enumerate(self._inbox):
            if isinstance(reply, kind):
                del self._inbox[position]
                return reply
        return None

    def forget(self) -> None:
        """Take and forget all that came, so that a stale answer is not taken for a fresh one."""
        for _ in range(MOST_READS):
            if not self.hear():
                break
        else:
            raise Unavailable("it never stops talking")
        self._parser.reset()
        self._inbox.clear()
        self.fences.heard = False

    def _note(self, reply: Reply) -> None:
        if isinstance(reply, Asb):
            self.status = status_from_asb(reply.data)
        elif isinstance(reply, Block) and (token := process_id(reply)) is not None:
            if len(self.tokens) >= MOST_TOKENS:
                self.tokens.clear()
            self.tokens.add(token)
        elif isinstance(reply, Block) and out_of_paper(reply):
            self.status = PrinterStatus(frozenset({Need.PAPER}))
        elif isinstance(reply, Fence):
            self.fences.came(reply.byte)
            if self.fences.tells_paper:
                out = {Need.PAPER} if says_paper_out(reply.byte) else set()
                self.status = replace(self.status, needs=self.status.needs - {Need.PAPER} | out)
        elif len(self._inbox) < MOST_TOKENS:
            self._inbox.append(reply)

    def _count(self, kind: type[Reply]) -> int:
        return sum(isinstance(reply, kind) for reply in self._inbox)

    def _forget(self, kind: type[Reply]) -> None:
        self._inbox = [reply for reply in self._inbox if not isinstance(reply, kind)]
