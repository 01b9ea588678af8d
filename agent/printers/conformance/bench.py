"""What a check works with: fresh links with a meter on them, sessions, and what was learned of the printer so far."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec

from agent.clock import Clock
from agent.errors import LinkBroken, Unavailable
from agent.model.job import token
from agent.model.printer import Capabilities, Confirmed, Identity, NeedsHuman, Outcome, Presumed, Tier
from agent.printers.conformance.slip import Slip
from agent.printers.conformance.talk import RESET, TOKEN_ANSWER_BYTES, Talk, realtime, token_request
from agent.printers.conformance.tap import Meter, Tap
from agent.printers.conformance.verdict import Failed, Passed, Person, Verdict, Words
from agent.printers.dialogue import STATUS_FENCE
from agent.printers.link import Connector, Link
from agent.printers.meeting import Patience
from agent.printers.session import Session

_TRY_EACH_S = 0.05


class Pace(msgspec.Struct, frozen=True):
    """How long things may take, in seconds, and how much is sent."""

    quiet_s: float = 0.3
    """After so much silence nothing more is expected."""
    silence_s: float = 1.2
    """A long read."""
    open_s: float = 10.0
    reopen_s: float = 5.0
    """What a printer may need after the last link was closed."""
    grace_s: float = 0.5
    """The machine's own slowness."""
    hang_s: float = 10.0
    """A call that is so late never returns."""
    drain_s: float = 10.0
    """By then the cable has given on what it took."""
    away_s: float = 5.0
    """How long a printer is left alone with a ticket."""
    return_s: float = 90.0
    """How long it may take until it prints again after a person was at it."""
    long_bytes: int = 160_000
    long_s: float = 60.0
    """A long ticket is so large, or what the cable carries in this time."""
    hands_bytes_per_s: float = 120.0
    """How slowly a ticket goes out that a person shall disturb."""


class _Slow:
    """A connector whose cable carries only so much: what a session has to know of one."""

    def __init__(self, connector: Connector, bytes_per_s: float) -> None:
        self._connector = connector
        self.bytes_per_s = bytes_per_s
        self.notices_power_cycle = connector.notices_power_cycle

    def forget(self) -> None:
        """See `Connector.forget`."""
        self._connector.forget()

    def open(self) -> Link:
        """See `Connector.open`."""
        return self._connector.open()


class Bench:
    """One printer under test. `known` and `facts` are what the first checks found out."""

    def __init__(
        self,
        connector: Connector,
        other: Connector | None,
        clock: Clock,
        patience: Patience,
        pace: Pace,
        dots: int,
        person: Person | None,
    ) -> None:
        self.connector = connector
        self.other = other
        self.clock = clock
        self.patience = patience
        self.pace = pace
        self.dots = dots
        self.identity = Identity()
        self.known: Capabilities | None = None
        self.facts: tuple[str, ...] = ()
        self.reachable = True
        self.stopped = False
        self.meter = Meter(clock, pace.grace_s)
        self.looks: list[Words] = []
        self._person = person
        self._tokens = int(clock.utc().timestamp())
        self._give_up_at = float("inf")

    def begin(self) -> None:
        """A new check: nothing is measured and nothing to be looked at."""
        self.meter = Meter(self.clock, self.pace.grace_s)
        self.looks = []

    @property
    def person(self) -> Person:
        """Only for checks that are run with one."""
        assert self._person is not None
        return self._person

    @property
    def capabilities(self) -> Capabilities:
        """Only for checks that are run when they are known."""
        assert self.known is not None
        return self.known

    def look(self, zh: str, en: str) -> None:
        """Something on paper that only a person can judge, as a question whose good answer is yes."""
        self.looks.append(Words(zh, en))

    def token(self) -> str:
        """One that no ticket of the last days had, so that a late answer to one is not taken for ours."""
        self._tokens += 1
        return token(self._tokens)

    def question(self, *, every: bool = False) -> tuple[bytes, int]:
        """What this printer answers, or `every` such question that it does, and with how many bytes."""
        known = self.capabilities
        if known.realtime:
            asked = known.realtime if every else known.realtime[:1]
            return b"".join(map(realtime, asked)), len(asked)
        match known.tier:
            case Tier.PROCESS_ID:
                return token_request(self.token()), TOKEN_ANSWER_BYTES
            case Tier.STATUS:
                return STATUS_FENCE, 1
            case Tier.NONE:
                return b"", 0

    def wait(self, for_s: float) -> None:
        """Do nothing for so long."""
        time.sleep(for_s)

    # -- links ---------------------------------------------------------------------------------------------------

    def connect(self, connector: Connector | None = None) -> Tap:
        """Open a link once; through `connector`, if that is to be another one.

        Raises:
            Unavailable: it can't be opened.
        """
        with self.meter.call("open", self.pace.open_s):
            link = (connector or self.connector).open()
        return Tap(link, self.clock, self.meter)

    def reconnect(self, within_s: float) -> Tap:
        """Open a link, again and again if need be: a printer may need a moment after the last one."""
        deadline = self.clock.monotonic() + within_s
        while True:
            try:
                return self.connect()
            except Unavailable:
                if self.clock.monotonic() > deadline or self.stopped:
                    raise
            self.wait(_TRY_EACH_S)

    @contextmanager
    def link(self) -> Iterator[Tap]:
        """A link that is closed afterwards, whatever happens."""
        link = self.reconnect(self.pace.reopen_s)
        try:
            yield link
        finally:
            link.close()

    @contextmanager
    def talk(self) -> Iterator[Talk]:
        """A link to a printer that was reset, has nothing more to say, and reports nothing by itself."""
        with self.link() as link:
            talk = Talk(link, self.clock)
            talk.say(RESET)
            talk.calm(min(self.pace.quiet_s, 0.1))
            yield talk

    # -- tickets -------------------------------------------------------------------------------------------------

    @contextmanager
    def session(self, slow_bytes_per_s: float | None = None) -> Iterator[tuple[Session, Tap]]:
        """A session with the printer, which is closed afterwards; over a cable that carries only so much, if told.

        Raises:
            Unavailable: it answers more than it used to.
        """
        link = self.reconnect(self.pace.reopen_s)
        session = self.session_over(link, slow_bytes_per_s)
        try:
            if not session.trust(self.capabilities):
                raise Unavailable("it answers now what it did not answer before")
            if slow_bytes_per_s is not None:
                link.slow_down(slow_bytes_per_s)
            yield session, link
        finally:
            session.close()

    def session_over(self, link: Link, slow_bytes_per_s: float | None = None) -> Session:
        """The same over a link that is open, without a word said."""
        cable = self.connector if slow_bytes_per_s is None else _Slow(self.connector, slow_bytes_per_s)
        return Session(link, self.clock, cable, self.gives_up, lambda _: None, self.patience, dots=self.dots)

    def gives_up(self) -> bool:
        """Has a ticket taken so long that nothing more will come of it?"""
        return self.stopped or self.clock.monotonic() > self._give_up_at

    def wire_s(self, size: int) -> float:
        """How long so many bytes take on the cable at best."""
        return size / self.connector.bytes_per_s

    def allow(self, slip: Slip) -> None:
        """Set the time after which a session gives up on this ticket."""
        self._give_up_at = self.clock.monotonic() + 60.0 + 3 * self.wire_s(len(slip.data)) + 0.5 * slip.most_lines

    def print_slip(self, session: Session, slip: Slip) -> Outcome:
        """Print it as the agent does: preflight, send, settle.

        Raises:
            Unavailable, LinkBroken: as a session does.
        """
        self.allow(slip)
        if need := session.preflight():
            return NeedsHuman(need)
        unsent = session.send(slip.data, slip.intent(self.token(), session.baseline), slip.most_lines, slip.breaks)
        return session.settle() if unsent is None else unsent

    def resync(self) -> None:
        """Make an end of whatever a ticket left half done, and cut it off; who can't be reached stays as they are."""
        try:
            with self.session() as (session, _):
                session.resync()
                session.separate()
        except (Unavailable, LinkBroken):
            return


def judge(outcome: Outcome, detail: str) -> Verdict:
    """A ticket that should have been printed."""
    match outcome:
        case Confirmed(evidence):
            return Passed(f"confirmed ({evidence}): {detail}")
        case Presumed():
            return Passed(f"presumed, it can prove nothing: {detail}")
        case _:
            return Failed(f"{say(outcome)}: {detail}")


def say(outcome: Outcome) -> str:
    """An outcome in words."""
    match outcome:
        case NeedsHuman(need):
            return f"it needs a person ({need})"
        case Confirmed(evidence):
            return f"confirmed ({evidence})"
        case Presumed():
            return "presumed printed"
        case _:
            return f"in doubt ({outcome.reason if hasattr(outcome, 'reason') else outcome.evidence})"


Run = Callable[[Bench], Verdict]
