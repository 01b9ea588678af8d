"""Questions and answers over a link, each question with its timeout. No ticket is known here.

Sources: Epson's ESC/POS command reference for DLE EOT, GS r, GS ( H, GS a, GS g 2.
"""

import itertools

from agent.clock import Clock
from agent.model.job import Counters
from agent.model.printer import PrinterStatus
from agent.printers.exchange import MOST_READS, Exchange
from agent.printers.fences import Noise
from agent.printers.link import Link
from agent.printers.status import Block, RealTime, counter, status_from_realtime

STATUS_FENCE = b"\x1dr\x01"
REALTIME_QUESTIONS = (1, 2, 3, 4)
REALTIME_WELL = 0x12
"""What DLE EOT n answers when nothing is wrong: taken for a question that a printer does not know."""
REALTIME_TIMEOUT_S = 0.5
SLOWEST_REALTIME_S = 1.5
"""Some printers, and some boxes in between, take longer: twice as long as an answer took is waited, this at most."""
COUNTER_TIMEOUT_S = 1.0
CUTS, LINES = 178, 148
FACT_TIMEOUT_S = 3.0
FACTS = (65, 66, 67, 68)
CLEAR_BUFFERS = b"\x10\x14\x08\x01\x03\x14\x01\x06\x02\x08"
QUIET_S = 0.1
LATE_ANSWERS = 3
"""To the questions around a ticket, at two moments, and then it must be quiet."""


class Dialogue(Exchange):
    """What is said on one link, in ESC/POS.

    `report_by_itself` makes the printer tell each change of its sensors (ASB), `separate` cuts off what hangs out.
    """

    report_by_itself = b"\x1da\x0e"
    separate = b"\n\x1dVB\0"

    def __init__(self, link: Link, clock: Clock, silence_said_s: float, noise: Noise | None = None) -> None:
        super().__init__(link, clock, silence_said_s, noise)
        self.questions: tuple[int, ...] = REALTIME_QUESTIONS
        self._realtime_s = REALTIME_TIMEOUT_S
        self._marks = itertools.count(int(clock.monotonic() * 1000))  # a link before may have asked, too

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

    def heard_cover_open(self) -> bool | None:
        """The oldest answer to `cover_question`, taken; None where there is none."""
        reply = self.take(RealTime)
        return None if reply is None else bool(reply.byte & 0x04)

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
