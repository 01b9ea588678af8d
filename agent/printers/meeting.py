"""Meeting a printer: what it can prove, how it is, its counters. Over one open link, before any ticket."""

import msgspec
from msgspec.structs import replace

from agent.clock import Clock
from agent.errors import Unavailable
from agent.model.job import Counters, Intent
from agent.model.printer import Capabilities, Need, PrinterStatus, Tier
from agent.model.profile import Profile
from agent.printers.dialogue import QUIET_S, REALTIME_QUESTIONS, STATUS_FENCE, Dialogue
from agent.printers.fences import Noise
from agent.printers.link import Connector, Link
from agent.printers.star import StarDialogue

RESET = b"\x1b@"

FRESH_S = 2.5
PROBE_FENCES = 3
"""A status byte has no name, and a line that crackles says one now and then."""

MOST_LATE = 100
"""Of the GS r that a stuck printer was asked: it answers them late, or threw them away. It is asked as many more."""


QUESTION_END = bytes(16)
"""The link before may have been cut within a question: the printer would eat the beginning of what comes next."""


class Patience(msgspec.Struct, frozen=True):
    """How long a printer is waited for, in seconds. The field's printers take up to 8 s for a ticket's answer.

    `first_meeting_s`: one that is new and says nothing may be stuck, and is asked again for so long before it is
    believed to be mute. `listen_s`: one whose status bytes shall count says none for so long that was not asked for.
    """

    fence_s: float = 3.0
    probe_s: float = 1.5
    late_answer_s: float = 0.5
    silence_said_s: float = 7.0
    answer_s: float = 15.0
    first_meeting_s: float = 0.0
    listen_s: float = 3.0


class Meeting:
    """One open link and what was learned over it. Owned by one thread; dies with its link."""

    def __init__(
        self,
        link: Link,
        clock: Clock,
        cable: Connector,
        patience: Patience,
        profile: Profile,
        noise: Noise | None = None,
    ) -> None:
        self._patience = patience
        speak = StarDialogue if profile.language == "star" else Dialogue
        self._dialogue = speak(link, clock, patience.silence_said_s, noise)
        self._link = link
        self._clock = clock
        self._bytes_per_s = cable.bytes_per_s
        self._notices_power_cycle = cable.notices_power_cycle
        self._well_at: float | None = None
        self._counting_s = 0.0
        self._counts = False
        self._trial: Intent | None = None
        self._hears_heads: bool | None = None
        self.capabilities = Capabilities(Tier.NONE)
        self.counters: Counters | None = None

    # -- meeting the printer -------------------------------------------------------------------------------------

    def trust(self, known: Capabilities) -> bool:
        """Take up with a printer that was met before; false when it answers more than it used to: then `probe`.

        A printer that never answered is asked one thing only, for half a second.
        """
        self.capabilities = known
        self._counts = known.tier is Tier.PROCESS_ID
        self._dialogue.questions = known.realtime or REALTIME_QUESTIONS
        if known.tier is not Tier.NONE:
            self._dialogue.say(QUESTION_END)
            self._listen_once()
            return True
        return self._dialogue.ask_status(once=True) is None

    def probe(self, wanted: Tier | None = None) -> Capabilities | None:
        """Find by asking what the printer can prove; `wanted` names the tier and saves that question.

        None when it waits for a person: then it answers no fence, and nothing can be said of it. Takes some five
        seconds with a printer that answers nothing at all.
        """
        self._dialogue.forget()
        self._dialogue.say(QUESTION_END)
        realtime = self._dialogue.find_questions()
        if realtime and self._dialogue.status.need:
            return None
        self._dialogue.say(RESET)
        tier = wanted or self._probe_tier()
        self._counts, self._hears_heads = tier is Tier.PROCESS_ID, None
        self.capabilities = Capabilities(tier, realtime)
        self._listen_once()
        return self.capabilities

    def _listen_once(self) -> None:
        """Is the line of a printer that shall prove itself by status bytes quiet? Nobody knows, after a start."""
        if self.capabilities.tier is Tier.STATUS and not self._dialogue.fences.noise.listened:
            self._dialogue.is_quiet_for(self._patience.listen_s)

    def _probe_tier(self) -> Tier:
        if self._dialogue.process_fence(self._patience.probe_s):
            return Tier.PROCESS_ID
        late = min(self._dialogue.fences.give_up(), MOST_LATE)
        if all(self._dialogue.status_fence(self._patience.probe_s) for _ in range(late + PROBE_FENCES)):
            for _ in range(late):
                self._dialogue.hear(QUIET_S)
            return Tier.STATUS if self._dialogue.is_quiet_for(self._patience.listen_s) else Tier.NONE
        self._dialogue.fences.expect_again(late)
        return Tier.NONE

    def facts(self) -> tuple[str, ...] | None:
        """What it says of itself: firmware, maker, model, serial number; None where it says nothing."""
        return None if self.capabilities.tier is Tier.NONE else self._dialogue.ask_facts()

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

    def speaks(self) -> bool:
        """Does a printer that proves nothing answer a status request? Then it may prove more than was found."""
        if not self._dialogue.questions:
            return self._dialogue.answers_status()
        return self._dialogue.ask_status(once=True) is not None

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
            if self._well_at is not None:  # who swallows all that is to be printed says that it is well, too
                self._well_at = self._clock.monotonic()
            self.counters = None  # whoever stood at the printer since may have fed and cut
        elif self._dialogue.status.need:
            before, self._dialogue.status = self._dialogue.status, PrinterStatus()  # who answers is not offline
            if not self._fence(self._patience.fence_s):
                self._dialogue.status = before
        return self._need()

    def _need(self) -> Need | None:
        """From its own sensors, or where it has no voice from what the cable says."""
        if self.capabilities.realtime or self.capabilities.tier is not Tier.NONE:
            return self._dialogue.status.need
        return self._dialogue.status.need or PrinterStatus(self._link.needs()).need

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
        self._dialogue.fences.paper_out = False
        if not self._is_listening():
            raise Unavailable("no answer to a fence")
        if self.capabilities.realtime and self._dialogue.fences.paper_out:
            if need := self.look():
                return need
            self._dialogue.fences.tells_paper = False  # its sensors say otherwise
        reports = self._dialogue.report_by_itself if self.capabilities.tier is Tier.PROCESS_ID else b""
        self._dialogue.say(RESET + reports)  # and what it made of half a question is forgotten
        self._counts |= self.capabilities.counters
        self.refresh_counters()
        self._well_at = self._clock.monotonic()
        return self._dialogue.status.need

    def _is_listening(self) -> bool:
        """Does it answer a fence? Two at once when it was just met: who answers both can be asked before a ticket, too.
        Some know only the last process ID, and some answer GS r only when nothing comes behind it.
        """
        if self._hears_heads is not None:
            return self._fence(self._patience.fence_s) > 0
        answered = self._fence(self._patience.fence_s, count=2)
        if answered:
            self._hears_heads = answered == 2
            self._dialogue.fences.give_up()
        return answered > 0

    def refresh_counters(self, spare_s: float = float("inf")) -> None:
        """Read the maintenance counters where there are any, so that the next intent has a baseline; unless that
        took longer, the last time, than there is to spare. They are sound when they moved by the last ticket: some
        clones' never move, and some count something else.
        """
        if not self._counts or self.counters is not None or self._counting_s > spare_s:
            return
        started = self._clock.monotonic()
        self.counters = self._dialogue.ask_counters()
        self._counting_s = self._clock.monotonic() - started
        self._counts = self.counters is not None
        if not self._counts:
            self._well_at = None  # it did not get that far: a fence must say whether it does
        if self._trial is not None and self.counters is not None:
            self.capabilities = replace(self.capabilities, counters=self._trial.fits(self.counters))
        self._trial = None

    @property
    def baseline(self) -> Counters | None:
        """The counters as they are now, where they were seen to count: some clones answer the same for ever."""
        return self.counters if self.capabilities.counters else None

    def separate(self) -> None:
        """Cut off what a torn ticket left, so that it is a piece of its own; the counters moved, and are read again."""
        self._dialogue.say(self._dialogue.separate)
        self.counters = None
        self.refresh_counters()

    def close(self) -> None:
        """Let the link go."""
        self._link.close()

    # -- by tier -------------------------------------------------------------------------------------------------

    def _question(self, token: str) -> bytes:
        match self.capabilities.tier:
            case Tier.PROCESS_ID:
                return self._dialogue.question(token)
            case Tier.STATUS:
                return STATUS_FENCE
            case Tier.NONE:
                return b""

    def _fence(self, timeout_s: float, count: int = 1) -> int:
        match self.capabilities.tier:
            case Tier.PROCESS_ID:
                return self._dialogue.process_fence(timeout_s, count)
            case Tier.STATUS:
                return self._dialogue.status_fence(timeout_s, count)
            case Tier.NONE:
                return count
