"""The confirmed print, over any link: a ticket counts as printed only when the printer says so.

T1 asks for a process ID, answered when everything before it is printed; T2 for a status byte queued behind the data;
T3 can ask nothing. No retry happens here: a session says what it knows, and the spool decides.
"""

from collections.abc import Callable
from contextlib import suppress

from msgspec.structs import replace

from agent.clock import Clock
from agent.errors import LinkBroken, Unavailable
from agent.model.job import HEAD
from agent.model.printer import Confirmed, NeedsHuman, Outcome, Presumed, Tier, Unknown
from agent.model.profile import GENERIC, Profile
from agent.printers.dialogue import CLEAR_BUFFERS, QUIET_S, STATUS_FENCE
from agent.printers.fences import Noise
from agent.printers.link import Connector, Link
from agent.printers.meeting import RESET, Patience
from agent.printers.sending import STALL_S, Sending, Sent

RESYNC_LEAST = 2048
_BAND_ROWS = 24
"""As many NULs as the longest command that may be half eaten: one band of a picture."""

LINE_S = 0.05
"""A printed line of 3.75 mm at 80 mm/s."""
SLOWEST_LINE_S = 0.2

FENCES_AFTER = 2
"""No line that crackles now and then says a byte twice in so short a time; a faster one was heard before."""

COUNTING_SHARE = 0.1
"""How much of a ticket's time may go into reading the counters after it."""


class Session(Sending):
    """One open link, and the tickets that go over it.

    `give_up` is asked while waiting: true once the agent must stop. `on_silence` is told what is odd after 8 s.
    `dots` is the paper's width, `noise` what the printer's line was heard to say over the links before.
    """

    def __init__(
        self,
        link: Link,
        clock: Clock,
        cable: Connector,
        give_up: Callable[[], bool],
        on_silence: Callable[[str], None],
        patience: Patience,
        *,
        dots: int = 576,
        profile: Profile = GENERIC,
        noise: Noise | None = None,
    ) -> None:
        super().__init__(link, clock, cable, give_up, on_silence, patience, profile, noise)
        self._resync = b"\0" * max(RESYNC_LEAST, _BAND_ROWS * dots // 8 + 64)
        self._clears_buffer = profile.clears_buffer
        self._alive = ""
        self._asked_again: set[str] = set()
        self._line_s = SLOWEST_LINE_S

    # -- the ticket ----------------------------------------------------------------------------------------------

    def settle(self) -> Outcome:
        """Wait for the printer's word on the first ticket in flight.

        `NeedsHuman`: it waits for a person with the ticket in its buffer; once `look` says that it is well,
        `ask_again` and call this again. Asks for the status after each second of silence.

        Raises:
            LinkBroken: the link is gone; what became of the ticket is unknown.
        """
        outcome = self._settle_presumed() if self.capabilities.tier is Tier.NONE else self._settle_answered()
        if isinstance(outcome, Confirmed | Presumed):
            del self._flight[0]
        elif isinstance(outcome, Unknown):
            outcome = replace(outcome, headless=self.headless)
            answered = {sent.intent.token for sent in self._flight} & self._dialogue.tokens
            self._discredited |= answered  # they were heard, and that was not enough
            self.discredit()
        return outcome

    def _settle_answered(self) -> Outcome:
        first = self._flight[0]
        budget_s = max(self._patience.answer_s, 7.0 + first.size / self._bytes_per_s + first.lines * SLOWEST_LINE_S)
        began = started = quiet_since = self._clock.monotonic()
        carried_s = sum(sent.size for sent in self._flight) / self._bytes_per_s
        patience_s = self._patience.silence_said_s + (0.0 if len(first.marks) > bool(first.head) else carried_s)
        expected_s = max(carried_s, first.lines * self._line_s)
        progress = (self._link.unsent(), len(self._dialogue.tokens))
        heard, heard_at = self._dialogue.replies, began
        silence_said = False
        while self._clock.monotonic() - started < budget_s:
            if self._link.unsent() > 0:
                started = self._clock.monotonic()  # it can't answer what it has not got
                self._dialogue.note_stall()
            answered = self._heard_answer(1.0)
            overdue_s = self._clock.monotonic() - max(began + expected_s, heard_at)
            self._dialogue.stalled_s = max(self._dialogue.stalled_s, overdue_s)
            self._hear_cover()
            if answered:
                return self._after_answer(first)
            if self._give_up():
                return Unknown("stopped while waiting for its answer")
            if self.capabilities.realtime and self._clock.monotonic() - began > carried_s and not self._link.unsent():
                self._cover_asked = False  # from here on an answer may be to another question
                silent = self._dialogue.ask_status(once=True) is None
                self._asked_in_vain |= silent and not self._notices_power_cycle  # else it waits behind the ticket
            if need := self._need():
                return NeedsHuman(need)
            if heard != (heard := self._dialogue.replies):
                heard_at = self._clock.monotonic()
            if progress != (progress := (self._link.unsent(), len(self._dialogue.tokens))):
                quiet_since = self._clock.monotonic()
            if self._clock.monotonic() - quiet_since > patience_s and not silence_said:
                silence_said = True
                self._on_silence("no answer after the ticket")
        return Unknown("no answer in time")

    def ask_again(self) -> None:
        """After a person saw to the printer: one more question behind those of the tickets. Who answers it and not
        theirs has lost or swallowed them.

        Raises:
            LinkBroken: the link is gone.
        """
        if self.capabilities.tier is Tier.PROCESS_ID:
            self._alive = self._dialogue.name_mark()
            self._asked_again = {sent.intent.token for sent in self._flight}
            self._dialogue.say(self._question(self._alive))
        elif self.capabilities.tier is Tier.STATUS:
            self._dialogue.fences.owed += 1
            self._dialogue.say(STATUS_FENCE)

    def _heard_answer(self, timeout_s: float) -> bool:
        if self.capabilities.tier is Tier.STATUS:
            return self._dialogue.wait(self._dialogue.fences.answered, timeout_s)
        self._dialogue.wait(lambda: self._heard_any() or self._dialogue.status.need is not None, timeout_s)
        return self._heard_any()

    def _heard_any(self) -> bool:
        tokens = {sent.intent.token for sent in self._flight}
        if self._flight[0].intent.token in self._asked_again:
            tokens.add(self._alive)
        return bool(tokens & self._dialogue.tokens)

    def _after_answer(self, first: Sent) -> Outcome:
        """A question behind the ticket was answered. A process ID stands for itself, as long as the printer can't have
        lost its memory meanwhile. A status byte has no name, and a line that breaks or a printer that starts may
        look like one: the sensors must answer at once, the same question must be answered again, and no status
        request may have gone unanswered before.
        """
        if (doubtful := self._doubt_answer(first)) is not None:
            return doubtful
        self._well_at = self._clock.monotonic()
        took_s = self._well_at - first.at
        if len(self._flight) == 1:
            self._trial = None if self._before is None else replace(first.intent, baseline=self._before)
            with suppress(LinkBroken, Unavailable):  # then the answer must do
                self.refresh_counters(took_s * COUNTING_SHARE)
        fits = False
        if self.counters is not None:
            if first.intent.misses(self.counters):
                return Unknown("it answered, but its counters say that a part is not on paper")
            if first.intent.is_cut_up(self.counters):
                return Unknown("it answered, but it cut more often than the ticket does: it may lie in pieces")
            fits = first.intent.fits(self.counters)
        if not self._dialogue.wait(lambda: self._dialogue.tokens.issuperset(first.marks), self._patience.late_answer_s):
            return Unknown("it answered for the end of the ticket, and not for all of it")
        may_have_slept = not self._notices_power_cycle and self._is_shaken()
        if may_have_slept and (first.intent.drawn or not fits):
            self._stall_s = max(STALL_S, 2 * self._dialogue.stalled_s)
            return Unknown("it answered, but not all the time: it may have lost its power meanwhile")
        if self.opened and not fits:  # many cut when it is closed
            return Unknown("it answered, but its cover was open meanwhile: the ticket may lie in two pieces")
        self._dialogue.tokens.difference_update((first.intent.token, *first.marks))
        if self._dialogue.stalled_s <= STALL_S:
            self._stall_s = STALL_S
        if first.lines > 0:  # how long it takes; twice that is slow
            self._line_s = min(SLOWEST_LINE_S, 2 * took_s / first.lines)
        return Confirmed(self.capabilities.tier.name.lower())

    def _doubt_answer(self, first: Sent) -> Outcome | None:
        """Does what was heard not answer for the ticket? None when it does, as far as can be asked."""
        if self.capabilities.tier is not Tier.STATUS:
            heard = first.intent.token in self._dialogue.tokens
            return None if heard else Unknown("what came behind it was answered, and it was not")
        if self.capabilities.realtime:
            if self._asked_in_vain or self._dialogue.ask_status(once=True) is None:
                return Unknown("a fence was answered, but not every status request around it")
            if need := self._need():
                return NeedsHuman(need)
        if not all(self._dialogue.status_fence(self._patience.fence_s) for _ in range(FENCES_AFTER)):
            return Unknown("a fence was answered, but not those after it")
        if self._dialogue.fences.paper_out:
            return Unknown("a fence was answered, but the printer had no paper")
        if self._dialogue.fences.noise.crackles:
            return Unknown("a fence was answered, but the line says such bytes unasked, too")
        return None

    def _settle_presumed(self) -> Outcome:
        """A printer that answers nothing: the most that can be seen is that the cable took it all, and did not break
        while it was printed.
        """
        sent = self._flight[0]
        deadline = self._clock.monotonic() + self._patience.answer_s + 2 * sent.size / self._bytes_per_s
        while self._link.unsent() > 0:
            if need := self._need():
                return NeedsHuman(need)
            if self._clock.monotonic() > deadline or self._give_up():
                return Unknown("the cable still holds a part of the ticket")
            self._dialogue.hear(0.02)
        self._dialogue.wait(self._give_up, sent.lines * LINE_S)
        if self.capabilities.realtime and self._dialogue.ask_status() is None:
            return Unknown("it used to answer status requests, and is silent")
        if need := self._need():
            return NeedsHuman(need)
        return Presumed()

    # -- after a doubt -------------------------------------------------------------------------------------------

    def resync(self) -> bool:
        """Flush a half-eaten command and wait until the printer got past all that it still held.

        True when it answered (or never does); False when it waits for a person or stays silent.

        Raises:
            Unavailable: it takes no bytes.
            LinkBroken: the link is gone.
        """
        self._flight.clear()
        self._doubted = True
        self._dialogue.fences.give_up()
        self._dialogue.say(self._resync + RESET)
        began = self._clock.monotonic()
        deadline = began + self._patience.answer_s
        while not self._fence(self._patience.fence_s):
            if self._clock.monotonic() - began > self._patience.silence_said_s / 2:
                self._on_silence("no answer to a fence after a ticket in doubt")
            if self.capabilities.realtime and self._dialogue.ask_status() and self._dialogue.status.need:
                return False
            if self._clock.monotonic() > deadline or self._give_up():
                return False
        self.refresh_counters()
        return True

    def clear(self) -> None:
        """Drop what is in the printer's buffer, where its profile says that it can (DLE DC4 8)."""
        self._flight.clear()
        if self._clears_buffer:
            self._dialogue.say(CLEAR_BUFFERS)
            self._dialogue.hear(QUIET_S)

    def listen(self, tokens: set[str]) -> bool:
        """Hear for half a second what a printer kept for us; did it answer for one of these tickets?"""
        return self._dialogue.wait(lambda: any(map(self.heard, tokens)), self._patience.late_answer_s)

    def take_tokens(self) -> set[str]:
        """The process IDs that were heard since, and that nobody waits for: late answers."""
        tokens = {token for token in self._dialogue.tokens if not token.startswith(HEAD)}
        tokens -= {sent.intent.token for sent in self._flight}
        self._dialogue.tokens -= tokens
        return tokens - self._discredited

    def heard(self, token: str) -> bool:
        """Has the printer answered for this ticket, or its head, in a way that can be believed?"""
        return token in self._dialogue.tokens - self._discredited
