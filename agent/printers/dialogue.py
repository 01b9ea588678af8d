"""Questions and answers over a link: bytes out, replies in, each question with its timeout. No ticket is known here.

Sources: Epson's ESC/POS command reference for DLE EOT, GS r, GS ( H, GS a, GS g 2.
"""

import itertools
from collections.abc import Callable
from typing import TypeVar

from agent.clock import Clock
from agent.errors import Unavailable
from agent.model.job import Counters
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
    counter,
    out_of_paper,
    process_id,
    status_from_asb,
    status_from_realtime,
)

STATUS_FENCE = b"\x1dr\x01"
REALTIME_QUESTIONS = (1, 2, 3, 4)
REALTIME_WELL = 0x12
"""What DLE EOT n answers when nothing is wrong: taken for a question that a printer does not know."""
REALTIME_TIMEOUT_S = 0.5
SLOWEST_REALTIME_S = 1.5
"""Some printers, and some boxes in between, take longer: twice as long as an answer took is waited, this at most."""
SHORT_WRITE_TIMEOUT_S = 3.0
COUNTER_TIMEOUT_S = 1.0
CUTS, LINES = 178, 148
FACT_TIMEOUT_S = 3.0
FACTS = (65, 66, 67, 68)
CLEAR_BUFFERS = b"\x10\x14\x08\x01\x03\x14\x01\x06\x02\x08"
CHUNK = 4096
MOST_TOKENS = 512
MOST_READS = 64
QUIET_S = 0.1
LATE_ANSWERS = 3
"""To the questions around a ticket, at two moments, and then it must be quiet."""

R = TypeVar("R", RealTime, Block)


class Dialogue:
    """What is said on one link, in ESC/POS. `status` is the latest look at the sensors, `tokens` the process IDs heard.

    `report_by_itself` makes the printer tell each change of its sensors (ASB), `separate` cuts off what hangs out.
    """

    report_by_itself = b"\x1da\x0e"
    separate = b"\n\x1dVB\0"

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
        self.questions: tuple[int, ...] = REALTIME_QUESTIONS
        self._realtime_s = REALTIME_TIMEOUT_S
        self._clock = clock
        self._unsent: int | None = None
        self._moved_at = clock.monotonic()
        self._parser = ReplyParser()
        self._inbox: list[Reply] = []
        self._marks = itertools.count()

    @property
    def status(self) -> PrinterStatus:
        """The latest look at the sensors. `seen` has all that they told since it was cleared."""
        return self._status

    @status.setter
    def status(self, now: PrinterStatus) -> None:
        self._status = now
        self.seen |= now.needs

    # -- questions -----------------------------------------------------------------------------------------------

    def ask_status(self, *, once: bool = False) -> PrinterStatus | None:
        """All DLE EOT `questions` at once; answers come in the order asked. None when one stays away.

        Twice, first with all patience, where it is not asked `once`: who asks again too soon can't tell whose answer
        it is that comes. Answers that came before are forgotten first; a fence that came is kept.
        """
        asked, began = self.questions, self._clock.monotonic()
        for again, wait_s in enumerate(self._status_waits(once)):
            for _ in range(MOST_READS if again else 1):  # late answers must not be taken for those to come
                if not self.hear(QUIET_S if again else 0.0):
                    break
            self._forget(RealTime)
            self.say(b"".join(bytes((0x10, 0x04, n)) for n in asked))
            if self.wait(lambda: self._count(RealTime) >= len(asked), wait_s):
                took_s = self._clock.monotonic() - began
                self._realtime_s = max(self._realtime_s, min(2 * took_s, SLOWEST_REALTIME_S))
                answers = [reply.byte for reply in self._inbox if isinstance(reply, RealTime)]
                self._forget(RealTime)
                told = dict(zip(asked, answers, strict=False))
                self.status = status_from_realtime(*(told.get(n, REALTIME_WELL) for n in REALTIME_QUESTIONS))
                return self.status
        return None

    def _status_waits(self, once: bool) -> tuple[float, ...]:
        return (self._realtime_s,) if once else (SLOWEST_REALTIME_S, self._realtime_s)

    def cover_question(self) -> bytes:
        """Real time: is the cover open when this arrives? Nothing where the printer does not answer it."""
        return b"\x10\x04\x02" if 2 in self.questions else b""

    def heard_cover_open(self) -> bool:
        """The answer to `cover_question`, taken; False where there is none."""
        reply = self.take(RealTime)
        return reply is not None and bool(reply.byte & 0x04)

    def answers_status(self) -> bool:
        """Does one that answered none of DLE EOT 1 to 4 answer the first one now?"""
        self.questions = REALTIME_QUESTIONS[:1]
        answered = self.ask_status(once=True) is not None
        self.questions = ()
        return answered

    def find_questions(self) -> tuple[int, ...]:
        """Which of DLE EOT 1 to 4 the printer answers; some clones know only two. They are `questions` from now on."""
        self.questions = REALTIME_QUESTIONS
        if self.ask_status() is None:
            known = []
            for n in REALTIME_QUESTIONS:
                self.questions = (n,)
                if self.ask_status(once=True) is not None:
                    known.append(n)
                elif not known:
                    break  # who does not know the first one knows none
            self.questions = tuple(known)
            if known:
                self.ask_status()
        return self.questions

    def question(self, token: str) -> bytes:
        """GS ( H function 48: asks for `token`, four printable characters, once all before it is printed."""
        return b"\x1d(H\x06\x0000" + token.encode("ascii")

    @property
    def heard_something(self) -> bool:
        """Did the printer say anything that nobody has taken?"""
        return bool(self._inbox or self.tokens or self.fences.heard)

    @property
    def babbles(self) -> bool:
        """Was most of what was heard no answer at all? Then what looks like one is none either."""
        return self._parser.rubbish > self.replies

    def name_mark(self) -> str:
        """A fresh process ID that is no ticket's."""
        token = f"~{next(self._marks) % 1000:03}"
        self.tokens.discard(token)
        return token

    def process_fence(self, timeout_s: float, count: int = 1) -> int:
        """How many of so many fresh process IDs did the printer echo? With one all before it is printed."""
        asked = {self.name_mark() for _ in range(count)}
        self.say(b"".join(map(self.question, sorted(asked))))
        self.wait(lambda: asked <= self.tokens, timeout_s)
        answered = len(asked & self.tokens)
        self.tokens -= asked
        return answered

    def status_fence(self, timeout_s: float, count: int = 1) -> int:
        """How many of so many GS r did the printer answer? The answers carry no name, so what came before is forgotten
        first, and what is still owed from before must come, too.
        """
        self.forget()
        self.say(STATUS_FENCE * count)
        self.fences.owed += count
        self.wait(self.fences.answered, timeout_s)
        return max(0, count - self.fences.owed)

    def is_quiet_for(self, listen_s: float) -> bool:
        """Does it say no status byte for so long, asked for nothing? Late answers, which it may owe to a life before,
        end once.
        """
        for _ in range(LATE_ANSWERS):
            self.forget()
            if quiet := not self.wait(lambda: self.fences.heard, listen_s):
                break
        self.fences.noise.listened_to(quiet=quiet)
        return quiet

    def ask_counters(self) -> Counters | None:
        """The cumulative cut and line counters (GS g 2), or None where there are none."""
        cuts = self._ask_counter(CUTS)
        lines = self._ask_counter(LINES) if cuts is not None else None
        return None if cuts is None or lines is None else Counters(cuts, lines)

    def ask_facts(self) -> tuple[str, ...] | None:
        """What it says of itself (GS I): firmware, maker, model and serial number, "" where it does not say; None where
        it stays silent. Hints: a clone may call itself by another's name.
        """
        facts = [self._ask_fact(FACTS[0])]
        if facts[0] is None:
            return None
        facts += [self._ask_fact(n) for n in FACTS[1:]]
        return tuple(fact or "" for fact in facts)

    def _ask_fact(self, n: int) -> str | None:
        self.hear()
        self._forget(Block)
        self.say(bytes((0x1D, 0x49, n)))
        self.wait(lambda: self._count(Block) > 0, FACT_TIMEOUT_S)
        block = self.take(Block)
        return None if block is None or block.data[:1] != b"\x5f" else block.data[1:].decode("ascii").strip()

    def _ask_counter(self, which: int) -> int | None:
        self.hear()
        self._forget(Block)
        self.say(bytes((0x1D, 0x67, 0x32, 0, which, 0)))
        if not self.wait(lambda: self._count(Block) > 0, COUNTER_TIMEOUT_S):
            return None
        block = self.take(Block)
        return counter(block) if block is not None else None

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
            self.fences.came()
        elif len(self._inbox) < MOST_TOKENS:
            self._inbox.append(reply)

    def _count(self, kind: type[Reply]) -> int:
        return sum(isinstance(reply, kind) for reply in self._inbox)

    def _forget(self, kind: type[Reply]) -> None:
        self._inbox = [reply for reply in self._inbox if not isinstance(reply, kind)]
