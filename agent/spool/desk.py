"""Where a printer's tickets are rendered and claimed. While the worker sleeps beside a printer that is well, the
journal's thread does that here, in the very transaction that brings a ticket: one commit less before paper.
"""

import threading

import msgspec

from agent import log
from agent.checkpoint import checkpoint
from agent.clock import Clock
from agent.config import Printer
from agent.encode.escpos import Encoded
from agent.encode.text import sayable
from agent.journal import jobs, notes, orders
from agent.journal.file import Tx
from agent.journal.jobs import Settlement
from agent.journal.store import Journal
from agent.model.job import Expected, Intent, Job, JobKind, JobState
from agent.printers.session import Session
from agent.spool.failover import Roster
from agent.spool.render import Press

DOTS_A_LINE = 12
SLACK_LINES = 4
QUICK_BYTES = 8192
"""A feed by dots may count as lines, and so may the way to the knife."""
_log = log.get("spool")


class Prepared(msgspec.Struct, frozen=True):
    """A ticket that is rendered and waits for its intent."""

    job: Job
    day: str
    encoded: Encoded


class Claimed(msgspec.Struct):
    """A ticket whose intent is on disk. `job` has it, and is processing. `started`: its first bytes went out."""

    job: Job
    intent: Intent
    encoded: Encoded
    started: bool = False

    @property
    def lines(self) -> int:
        """How many lines it prints, feeds and pictures included."""
        return self.encoded.lines + self.encoded.feed_dots // DOTS_A_LINE

    def start(self, session: Session) -> None:
        """Its intent is on disk: give the printer what it takes at once."""
        checkpoint("spool.after_intent")
        session.start(self.encoded.data, self.intent, self.lines, self.encoded.breaks)
        self.started = True


class Desk:
    """One printer's desk. The worker sits at it; asleep, it leaves it to the journal's thread (`board`, `leave`)."""

    def __init__(self, printer: Printer, journal: Journal, press: Press, clock: Clock, roster: Roster) -> None:
        self._printer = printer
        self._roster = roster
        self._journal = journal
        self._press = press
        self._clock = clock
        self._seat = threading.Lock()
        self._bell = threading.Event()
        self._sleeper: Session | None = None
        self._offer: Claimed | None = None
        self._claimed: Claimed | None = None
        journal.carry(self)

    def ring(self) -> None:
        """There may be something to print."""
        self._bell.set()

    def sleep(self, session: Session, at_most_s: float) -> tuple[Claimed | None, bool]:
        """Sleep until the bell rings; returns what was claimed meanwhile, and whether it rang."""
        with self._seat:
            self._sleeper = session
        rang = self._bell.wait(at_most_s)
        with self._seat:
            self._sleeper = None
            claimed, self._claimed = self._claimed, None
        self._bell.clear()
        return claimed, rang

    def peek(self, reader: Tx) -> Job | None:
        """The oldest ticket that may be printed here: of its own stations, and of those that it stands in for."""
        return jobs.next_pending(reader, self._printer.name, stands_in=self._roster.stands_in(self._printer.name))

    def next(self, reader: Tx) -> Prepared | None:
        """The oldest ticket that may be printed, rendered; one that can't be rendered is set aside with an alarm."""
        job = self.peek(reader)
        if job is None:
            return None
        try:
            return self._render(reader, job)
        except Exception as exc:  # noqa: BLE001  # whatever an order can do to the template, the next ticket prints
            _log.exception("spool.render_failed", order=job.order_id, ticket=job.id, printer=self._printer.name)
            reason = f"the ticket can't be rendered: {type(exc).__name__}: {exc}"
            self._journal.write(lambda tx: _abort(tx, job, reason))
            return None

    def claim(self, tx: Tx, session: Session, prepared: Prepared) -> Claimed | None:
        """Write the ticket's intent; None when it is no longer to be printed as it was rendered."""
        checkpoint("spool.before_intent")
        job, encoded = prepared.job, prepared.encoded
        most_lines = encoded.lines + encoded.feed_dots // DOTS_A_LINE + SLACK_LINES
        expected = Expected(encoded.lines, most_lines, encoded.cuts, encoded.drawn)
        baseline = None if session.in_flight else session.baseline
        claimed = jobs.claim(tx, job, self._printer.name, prepared.day, expected, baseline)
        if claimed is None:
            return None
        number, intent = claimed
        return Claimed(
            msgspec.structs.replace(
                job, intent=intent, print_number=number, printer=self._printer.name, state=JobState.PROCESSING
            ),
            intent,
            encoded,
        )

    # -- on the journal's thread ---------------------------------------------------------------------------------

    def board(self, tx: Tx) -> None:
        """Claim what this transaction brings. The seat is taken until `leave`: the worker can't get up meanwhile."""
        self._seat.acquire()
        self._offer = None
        session = self._sleeper
        if session is None or self._claimed is not None or not session.was_well_lately():
            return
        job = self.peek(tx)
        if jobs.is_torn(tx, self._printer.name):
            return
        if job is None or not _is_quick(job):
            return
        try:
            prepared = self._render(tx, job, quickly=True)
        except Exception:  # noqa: BLE001  # the worker will meet it again, and set it aside
            return
        self._offer = self.claim(tx, session, prepared)

    def leave(self, committed: bool) -> None:
        """Hand the ticket over once its intent is on disk; over a link that never waits its bytes go out first."""
        if committed and self._offer is not None:
            if self._sleeper is not None and self._sleeper.is_prompt:
                self._offer.start(self._sleeper)
            self._claimed = self._offer
            self._bell.set()
        self._offer = None
        self._seat.release()

    def _render(self, tx: Tx, job: Job, *, quickly: bool = False) -> Prepared:
        now = self._clock.utc()
        day = self._press.business_day(now)
        job = msgspec.structs.replace(job, number=jobs.running_number(tx, job, day))
        return Prepared(job, day, self._press.render(tx, job, self._printer, now, quickly=quickly))


def _is_quick(job: Job) -> bool:
    """Can it be rendered while everybody waits? Not ready-made content, nor a long order, nor one with lines that must
    be drawn. What its template makes of it the press sees.
    """
    return job.kind is not JobKind.RAW and len(job.payload) <= QUICK_BYTES and sayable(job.payload.decode())


def _abort(tx: Tx, job: Job, reason: str) -> None:
    if job.state is JobState.HELD:  # for another printer's sake, that this one stands in for
        jobs.settle(tx, job, Settlement(JobState.PENDING, reason="another printer stands in"))
        job = msgspec.structs.replace(job, state=JobState.PENDING)
    if jobs.settle(tx, job, Settlement(JobState.ABORTED, reason=reason)) is JobState.ABORTED:
        notes.raise_alarm(tx, f"ticket:{job.id}", f"order {orders.named(tx, job.order_pk)}: {reason}")
