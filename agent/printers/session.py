"""The confirmed print, over any link: a ticket counts as printed only when the printer says so.

T1 asks for a process ID, answered when everything before it is printed; T2 for a status byte queued behind the data;
T3 can ask nothing. No retry happens here: a session says what it knows, and the spool decides.
"""

from collections.abc import Callable

import msgspec

from agent.checkpoint import armed, checkpoint
from agent.clock import Clock
from agent.errors import LinkBroken, Unavailable
from agent.model.job import Counters
from agent.model.printer import (
    Capabilities,
    Confirmed,
    Need,
    NeedsHuman,
    NotPrinted,
    Outcome,
    Presumed,
    PrinterStatus,
    Tier,
    Unknown,
)
from agent.printers.dialogue import REALTIME_QUESTIONS, STATUS_FENCE, Dialogue, process_id_request
from agent.printers.link import Link

RESET = b"\x1b@"
ASB_ON = b"\x1da\x0e"
RESYNC = b"\0" * 2048
SEPARATE = b"\n\x1dVB\0"

FRESH_S = 2.5
LINE_S = 0.05
"""A printed line of 3.75 mm at 80 mm/s."""
SLOWEST_LINE_S = 0.2


class Patience(msgspec.Struct, frozen=True):
    """How long a printer is waited for, in seconds. The field's printers take up to 8 s for a ticket's answer."""

    fence_s: float = 3.0
    probe_s: float = 1.5
    late_answer_s: float = 0.5
    silence_said_s: float = 8.0
    answer_s: float = 15.0


class Session:
    """One open link and what was learned over it. Owned by one thread; dies with its link.

    `give_up` is asked while waiting: true once the agent must stop. `on_silence` is told what is odd after 8 s.
    """

    def __init__(
        self,
        link: Link,
        clock: Clock,
        bytes_per_s: float,
        give_up: Callable[[], bool],
        on_silence: Callable[[str], None],
        patience: Patience,
    ) -> None:
        self._patience = patience
        self._dialogue = Dialogue(link, clock, patience.silence_said_s)
        self._link = link
        self._clock = clock
        self._bytes_per_s = bytes_per_s
        self._give_up = give_up
        self._on_silence = on_silence
        self._well_at: float | None = None
        self._counting_s = 0.0
        self._counts = False
        self._trial: Counters | None = None
        self._before: Counters | None = None
        self.capabilities = Capabilities(Tier.NONE)
        self.counters: Counters | None = None

    # -- meeting the printer -------------------------------------------------------------------------------------

    def listen(self, token: str) -> bool:
        """Hear for half a second what a printer kept for us; did it echo this ticket's token?"""
        return self._dialogue.wait(lambda: token in self._dialogue.tokens, self._patience.late_answer_s)

    def trust(self, known: Capabilities) -> bool:
        """Take up with a printer that was met before; false when it answers more than it used to: then `probe`.

        A printer that never answered is asked one thing only, for half a second.
        """
        self.capabilities = known
        self._counts = known.tier is Tier.PROCESS_ID
        self._dialogue.questions = known.realtime or REALTIME_QUESTIONS
        if known.tier is not Tier.NONE:
            return True
        return self._dialogue.ask_status(tries=1) is None

    def probe(self, wanted: Tier | None = None) -> Capabilities | None:
        """Find by asking what the printer can prove; `wanted` names the tier and saves that question.

        None when it waits for a person: then it answers no fence, and nothing can be said of it. Takes some five
        seconds with a printer that answers nothing at all.
        """
        self._dialogue.forget()
        realtime = self._dialogue.find_questions()
        if realtime and self._dialogue.status.need:
            return None
        self._dialogue.say(RESET)
        tier = wanted or self._probe_tier()
        self._counts = tier is Tier.PROCESS_ID
        self.capabilities = Capabilities(tier, realtime)
        return self.capabilities

    def _probe_tier(self) -> Tier:
        if self._dialogue.process_fence(self._patience.probe_s):
            return Tier.PROCESS_ID
        if self._dialogue.status_fence(self._patience.probe_s):
            return Tier.STATUS
        return Tier.NONE

    # -- before a ticket -----------------------------------------------------------------------------------------

    @property
    def status(self) -> PrinterStatus:
        """The latest look at the sensors."""
        return self._dialogue.status

    @property
    def blind(self) -> bool:
        """Is there nothing that this printer could be asked?"""
        return self.capabilities.tier is Tier.NONE and not self.capabilities.realtime

    def woke_up(self) -> bool:
        """Did a printer that was taken for mute say something? Then it is worth a `probe`."""
        self._dialogue.hear()
        return self.capabilities.tier is Tier.NONE and self._dialogue.heard_something

    def look(self) -> Need | None:
        """The printer's sensors, now. None when it is well, or can't say.

        Raises:
            Unavailable: it is silent though it used to answer.
            LinkBroken: the link is gone.
        """
        self._dialogue.hear()
        if self.capabilities.realtime:
            if self._dialogue.ask_status() is None:
                raise Unavailable("no answer to a status request")
            self._well_at = self._clock.monotonic()
            self.counters = None  # whoever stood at the printer since may have fed and cut
        elif self._dialogue.status.need and self._fence(self._patience.fence_s):
            self._dialogue.status = PrinterStatus()  # who answers a fence is not offline
        return self._dialogue.status.need

    def fresh(self) -> bool:
        """Was the printer heard to be well so lately that a ticket may follow at once?

        Raises:
            LinkBroken: the link is gone.
        """
        self._dialogue.hear()
        return self.was_well_lately()

    def was_well_lately(self) -> bool:
        """The same from memory, without listening to the link."""
        if self._well_at is None or self._dialogue.status.need:
            return False
        return self._clock.monotonic() - self._well_at < FRESH_S

    def preflight(self) -> Need | None:
        """Make sure that the printer is there, well and listening before a byte of a ticket goes out.

        Raises:
            Unavailable: it is silent. No ticket byte was sent.
            LinkBroken: the link is gone. No ticket byte was sent.
        """
        if need := self.look():
            return need
        self._dialogue.say(RESET + (ASB_ON if self.capabilities.tier is Tier.PROCESS_ID else b""))
        if not self._fence(self._patience.fence_s):
            raise Unavailable("no answer to a fence")
        self.refresh_counters()
        self._well_at = self._clock.monotonic()
        return self._dialogue.status.need

    def refresh_counters(self, spare_s: float = float("inf")) -> None:
        """Read the maintenance counters where there are any, so that the next intent has a baseline; unless that
        took longer, the last time, than there is to spare.
        """
        if not self._counts or self.counters is not None or self._counting_s > spare_s:
            return
        started = self._clock.monotonic()
        self.counters = self._dialogue.ask_counters()
        self._counting_s = self._clock.monotonic() - started
        self._counts = self.counters is not None
        if self._trial is not None and self.counters is not None:
            counted = self.counters.cuts > self._trial.cuts and self.counters.lines > self._trial.lines
            self.capabilities = msgspec.structs.replace(self.capabilities, counters=counted)
        self._trial = None

    @property
    def baseline(self) -> Counters | None:
        """The counters as they are now, where they were seen to count: some clones answer the same for ever."""
        return self.counters if self.capabilities.counters else None

    # -- the ticket ----------------------------------------------------------------------------------------------

    def send(self, ticket: bytes, token: str) -> Unknown | NotPrinted | None:
        """Give the printer a ticket and the question behind it. None: all was taken, now `settle`."""
        self._before, self.counters = self.counters, None
        self._well_at = None
        checkpoint("print.before_write")
        self._dialogue.tokens.discard(token)  # one of a journal that is gone
        data = ticket + self._question(token)
        sent = 0
        self._dialogue.poured = 0
        try:
            self._dialogue.forget()
            for name, end in (("print.mid_ticket", len(ticket) // 2), ("print.before_fence", len(ticket))):
                if armed(name):
                    self._pour(data[sent:end])
                    sent = end
                    checkpoint(name)
            complete = self._pour(data[sent:])
            self._dialogue.fences_owed += self.capabilities.tier is Tier.STATUS
        except LinkBroken as exc:
            reason = f"link lost while sending: {exc}"
            return Unknown(reason) if self._dialogue.poured else NotPrinted(reason)
        checkpoint("print.after_write")
        if complete:
            return None
        reason = "stopped while it took no bytes"
        return Unknown(reason) if self._dialogue.poured else NotPrinted(reason)

    def settle(self, token: str, size: int, lines: int) -> Outcome:
        """Wait for the printer's word on the ticket just sent, of `size` bytes and so many printed lines.

        `NeedsHuman`: it waits for a person with the ticket in its buffer; once `look` says that it is well,
        `ask_again` and call this again. Asks for the status after each second of silence.

        Raises:
            LinkBroken: the link is gone; what became of the ticket is unknown.
        """
        if self.capabilities.tier is Tier.NONE:
            return self._settle_presumed(size, lines)
        budget_s = max(self._patience.answer_s, 7.0 + size / self._bytes_per_s + lines * SLOWEST_LINE_S)
        began = started = self._clock.monotonic()
        silence_said = False
        asked_in_vain = False
        while self._clock.monotonic() - started < budget_s:
            if self._link.unsent() > 0:
                started = self._clock.monotonic()  # it can't answer what it has not got
            if self._heard_answer(token, 1.0):
                return self._after_answer(asked_in_vain)
            if self._give_up():
                return Unknown("stopped while waiting for its answer")
            if self.capabilities.realtime:
                asked_in_vain |= self._dialogue.ask_status(tries=1) is None
            if self._dialogue.status.need:
                return NeedsHuman(self._dialogue.status.need)
            if self._clock.monotonic() - began > self._patience.silence_said_s and not silence_said:
                silence_said = True
                self._on_silence("no answer after the ticket")
        return Unknown("no answer in time")

    def ask_again(self, token: str) -> None:
        """After a person saw to the printer: put the question again, in case that it swallowed the first.

        Raises:
            LinkBroken: the link is gone.
        """
        if token not in self._dialogue.tokens:
            self._dialogue.forget()
            self._dialogue.say(self._question(token))
            self._dialogue.fences_owed = int(self.capabilities.tier is Tier.STATUS)

    def _heard_answer(self, token: str, timeout_s: float) -> bool:
        if self.capabilities.tier is Tier.STATUS:
            return self._dialogue.wait(self._dialogue.fences_answered, timeout_s)
        tokens = self._dialogue.tokens
        return self._dialogue.wait(lambda: token in tokens or self._dialogue.status.need is not None, timeout_s) and (
            token in tokens
        )

    def _after_answer(self, asked_in_vain: bool) -> Outcome:
        """The question behind the ticket was answered. A process ID stands for itself. A status byte has no name, and
        a line that breaks or a printer that starts may look like one: the sensors must answer at once, the same
        question must be answered again, and no status request may have gone unanswered before.
        """
        if self.capabilities.tier is Tier.STATUS:
            if self.capabilities.realtime:
                if asked_in_vain or self._dialogue.ask_status(tries=1) is None:
                    return Unknown("a fence was answered, but not every status request around it")
                if self._dialogue.status.need:
                    return NeedsHuman(self._dialogue.status.need)
            if not self._dialogue.status_fence(self._patience.fence_s):
                return Unknown("a fence was answered, but not the one after it")
        if self._before is not None and self._trial is None:
            self._trial = self._before
        self._well_at = self._clock.monotonic()
        return Confirmed(self.capabilities.tier.name.lower())

    def _settle_presumed(self, size: int, lines: int) -> Outcome:
        """A printer that answers nothing: the most that can be seen is that the cable took it all, and did not break
        while it was printed.
        """
        deadline = self._clock.monotonic() + self._patience.answer_s + 2 * size / self._bytes_per_s
        while self._link.unsent() > 0:
            if self._clock.monotonic() > deadline or self._give_up():
                return Unknown("the cable still holds a part of the ticket")
            self._dialogue.hear(0.02)
        self._dialogue.wait(self._give_up, lines * LINE_S)
        if self.capabilities.realtime:
            if self._dialogue.ask_status() is None:
                return Unknown("it used to answer status requests, and is silent")
            if self._dialogue.status.need:
                return NeedsHuman(self._dialogue.status.need)
        return Presumed()

    # -- after a doubt -------------------------------------------------------------------------------------------

    def resync(self) -> bool:
        """Flush a half-eaten command and wait until the printer got past all that it still held.

        True when it answered (or never does); False when it waits for a person or stays silent.

        Raises:
            Unavailable: it takes no bytes.
            LinkBroken: the link is gone.
        """
        self._dialogue.say(RESYNC + RESET)
        deadline = self._clock.monotonic() + self._patience.answer_s
        while not self._fence(self._patience.fence_s):
            if self.capabilities.realtime and self._dialogue.ask_status() and self._dialogue.status.need:
                return False
            if self._clock.monotonic() > deadline or self._give_up():
                return False
        self.refresh_counters()
        return True

    def heard(self, token: str) -> bool:
        """Has the printer echoed this ticket's token?"""
        return token in self._dialogue.tokens

    def separate(self) -> None:
        """Cut off what a torn ticket left, so that it is a piece of its own; the counters moved, and are read again."""
        self._dialogue.say(SEPARATE)
        self.counters = None
        self.refresh_counters()

    def close(self) -> None:
        """Let the link go."""
        self._link.close()

    # -- by tier -------------------------------------------------------------------------------------------------

    def _question(self, token: str) -> bytes:
        match self.capabilities.tier:
            case Tier.PROCESS_ID:
                return process_id_request(token)
            case Tier.STATUS:
                return STATUS_FENCE
            case Tier.NONE:
                return b""

    def _fence(self, timeout_s: float) -> bool:
        match self.capabilities.tier:
            case Tier.PROCESS_ID:
                return self._dialogue.process_fence(timeout_s)
            case Tier.STATUS:
                return self._dialogue.status_fence(timeout_s)
            case Tier.NONE:
                return True

    def _pour(self, data: bytes) -> bool:
        return self._dialogue.pour(data, self._give_up, self._on_silence)
