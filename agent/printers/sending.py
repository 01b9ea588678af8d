"""Tickets on their way into a printer: given to it with the question behind them, and in flight from then on.

What it says of them is `session.py`'s.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

import msgspec

from agent.checkpoint import armed, checkpoint
from agent.clock import Clock
from agent.errors import LinkBroken
from agent.model.job import Counters, Intent
from agent.model.printer import Need, NotPrinted, Tier, Unknown
from agent.model.profile import Profile
from agent.printers.fences import Noise
from agent.printers.link import Connector, Link
from agent.printers.meeting import Meeting, Patience

SLOW_BYTES_PER_S = 4000
"""Up to 38,400 baud the wire, not the head, is what a ticket waits for."""

MARK_EACH_S = 0.8
"""No printer starts faster: what it forgets or misses when it loses its power is more than the line carries in this."""

STALL_S = 1.5
"""A printer that takes nothing for so long may have been off meanwhile. One that does so again is only slow."""


class Sent(msgspec.Struct, frozen=True):
    """A ticket that the printer has."""

    intent: Intent
    size: int
    lines: int
    at: float
    marks: tuple[str, ...] = ()
    head: str = ""
    """The first of them, where there is one before its head."""


class Sending(Meeting):
    """One open link, and the tickets that were given to it. `give_up` and `on_silence` are as `Session` has them."""

    def __init__(
        self,
        link: Link,
        clock: Clock,
        cable: Connector,
        give_up: Callable[[], bool],
        on_silence: Callable[[str], None],
        patience: Patience,
        profile: Profile,
        noise: Noise | None = None,
    ) -> None:
        super().__init__(link, clock, cable, patience, profile, noise)
        self._give_up = give_up
        self._on_silence = on_silence
        self._before: Counters | None = None
        self._flight: list[Sent] = []
        self._asked_in_vain = self._doubted = False
        self._opened_before = self._cover_asked = self._cover_known = False
        self._discredited: set[str] = set()
        self._stall_s = STALL_S
        self._rest, self._size = b"", 0
        self._fault: Exception | None = None

    @property
    def in_flight(self) -> int:
        """How many tickets the printer has without having said what became of them."""
        return len(self._flight)

    def may_send_ahead(self) -> bool:
        """May a second ticket follow before the word on the first? Only where the answers bear names and the line is
        slow enough to be worth it, and never once something was odd.
        """
        slow = self._bytes_per_s <= SLOW_BYTES_PER_S and self.capabilities.tier is Tier.PROCESS_ID
        odd = self._doubted or self._dialogue.status.need or self._is_shaken()
        return slow and len(self._flight) == 1 and not odd

    @property
    def is_prompt(self) -> bool:
        """Can `start` be called where nobody may wait?"""
        return self._dialogue.is_prompt and not armed("print.mid_ticket") and not armed("print.before_fence")

    def send(
        self, ticket: bytes, intent: Intent, lines: int, breaks: Sequence[int] = ()
    ) -> Unknown | NotPrinted | None:
        """Give the printer a ticket and the question behind it. None: all was taken, now `settle`.

        `lines` is how many it prints, feeds and pictures included; `breaks` are the places between two rows.
        """
        self.start(ticket, intent, lines, breaks)
        return self.send_rest()

    def start(self, ticket: bytes, intent: Intent, lines: int, breaks: Sequence[int] = ()) -> None:
        """The first half of `send`: over a prompt link what it takes at once, else nothing. It neither waits nor
        raises: `send_rest` says what went wrong.
        """
        self._before, self.counters = (None if self._flight else self.counters), None
        self._trial = None
        self._well_at = None
        checkpoint("print.before_write")
        self._dialogue.tokens.discard(intent.token)  # one of a journal that is gone
        head = intent.head if self._hears_heads else ""
        self._dialogue.tokens.discard(intent.head)
        cover = self._dialogue.cover_question() if self.capabilities.realtime and not self._flight else b""
        ticket, marks = self._marked(ticket, breaks, head, cover)
        self._rest, self._size, self._fault = cover + ticket + self._question(intent.token), len(ticket), None
        self._dialogue.poured = 0
        try:
            if not self._flight:
                self._dialogue.forget()
                self._dialogue.stalled_s, self._asked_in_vain, self._opened_before = 0.0, False, False
                self._cover_asked, self._cover_known = True, False
                self._dialogue.seen.clear()
                self._dialogue.fences.paper_out = False
            if self.capabilities.tier is Tier.STATUS:  # its answers bear no name: all must come
                self._dialogue.fences.owed += 1 + len(marks)
                head, marks = "", ()
            self._flight.append(Sent(intent, len(ticket), lines, self._clock.monotonic(), marks, head))
            if self.is_prompt:
                self._rest = self._dialogue.pour_now(self._rest)
        except Exception as exc:  # noqa: BLE001  # it is raised by `send_rest`, on the thread whose link it is
            self._fault = exc

    def send_rest(self) -> Unknown | NotPrinted | None:
        """The second half of `send`, which waits for as long as the link lives."""
        try:
            if self._fault is not None:
                raise self._fault
            complete = self._pour_with_checkpoints(self._rest)
        except LinkBroken as exc:
            return self._unsent(f"link lost while sending: {exc}")
        checkpoint("print.after_write")
        return None if complete else self._unsent("stopped while it took no bytes")

    def _marked(self, ticket: bytes, breaks: Sequence[int], head: str, cover: bytes) -> tuple[bytes, tuple[str, ...]]:
        """A question goes before a ticket, too: who answers the one behind it may have missed its head. Over a line
        that stays when the printer loses its power another one goes with every second of a long ticket: what a printer
        misses while it starts then holds at least one, whose answer will be missing. Its `cover` is asked for there,
        too: nobody else would see it open while the ticket is on the wire.
        """
        if self.capabilities.tier is Tier.NONE:
            return ticket, ()
        out, last, marks = bytearray(), 0, [head] * bool(head)
        out += self._question(head) if head else b""
        if not self._notices_power_cycle:
            for at, following in pairwise((*breaks, len(ticket))):
                if last < at < len(ticket) and following - last > self._bytes_per_s * MARK_EACH_S:
                    marks.append(self._dialogue.name_mark())
                    out += ticket[last:at] + self._question(marks[-1]) + cover
                    last = at
        return bytes(out) + ticket[last:], tuple(marks)

    @property
    def opened(self) -> bool:
        """Was the cover open since the first ticket in flight went out, and not before?"""
        self._hear_cover()
        return Need.COVER in self._dialogue.seen and not self._opened_before

    def _hear_cover(self) -> None:
        """Of the answers to `cover_question` the first is of before the ticket, the others of while it came in. Once
        all sensors are asked an answer may be theirs.
        """
        while self._cover_asked and (is_open := self._dialogue.heard_cover_open()) is not None:
            if not self._cover_known:
                self._opened_before, self._cover_known = is_open, True
            elif is_open:
                self._dialogue.seen.add(Need.COVER)

    @property
    def headless(self) -> bool:
        """Did the printer not say yet that it got the head of the first ticket in flight?"""
        return bool(self._flight and self._flight[0].head) and self._flight[0].head not in self._dialogue.tokens

    def discredit(self) -> None:
        """What the tickets in flight answer from now on is no proof where the printer may have lost its memory."""
        self._doubted = True
        if not self._notices_power_cycle:
            self._discredited |= {sent.intent.token for sent in self._flight}

    def _pour_with_checkpoints(self, data: bytes) -> bool:
        sent = 0
        for name, end in (("print.mid_ticket", self._size // 2), ("print.before_fence", self._size)):
            if armed(name):
                self._pour(data[sent:end])
                sent = end
                checkpoint(name)
        return self._pour(data[sent:])

    def _unsent(self, reason: str) -> Unknown | NotPrinted:
        self._doubted = True
        return Unknown(reason, self.headless) if self._dialogue.poured else NotPrinted(reason)

    def _is_shaken(self) -> bool:
        """Did it take nothing for so long, since the first ticket in flight, that it may have been off?"""
        return self._dialogue.stalled_s > self._stall_s

    def _pour(self, data: bytes) -> bool:
        return self._dialogue.pour(data, self._give_up, self._on_silence)
