"""Tickets on their way through one printer: sent, waited for, and written down. One at a time; two where the wire is
slow and the printer's answers bear names.
"""

from collections import deque
from functools import partial

import msgspec

from agent import log
from agent.checkpoint import checkpoint
from agent.errors import LinkBroken, Unavailable
from agent.journal import jobs, notes, orders, presumed
from agent.journal.file import Tx
from agent.journal.jobs import Settlement
from agent.model.job import FINAL, Job, JobState, Mark
from agent.model.printer import Confirmed, NeedsHuman, NotPrinted, Outcome, Presumed, Unknown
from agent.printers.session import Session
from agent.spool.desk import Claimed, Prepared
from agent.spool.doubt import Doubts
from agent.spool.post import Post
from agent.spool.recovery import Epoch
from agent.spool.settlements import settlement_of

MOST_PRESUMED = 5000
"""More than a printer takes in `presumed.LATELY`."""
_log = log.get("spool")


class Attempts:
    """What one printer's worker does with tickets that are claimed."""

    def __init__(self, post: Post) -> None:
        self._post = post
        self._presumed: deque[tuple[float, int]] = deque(maxlen=MOST_PRESUMED)
        self.doubts = Doubts(post, partial(self._finish, ahead=None, session=None))

    def print_on(self, session: Session, reader: Tx, claimed: Claimed | None) -> None:
        """Print this ticket and those that follow while the printer keeps confirming: the word on one and the intent
        of the next are one commit.
        """
        flying: list[Claimed] = []
        while claimed is not None or flying:
            outcome: Outcome | None = None
            if claimed is not None:
                if not claimed.started:
                    claimed.start(session)
                flying.append(claimed)
                outcome = session.send_rest()
                claimed = None
            ahead = None if self._post.stopping.is_set() or outcome is not None else self._post.desk.next(reader)
            if ahead is not None and session.may_send_ahead():
                claimed = self._claim(session, ahead)
                continue
            if outcome is None:
                outcome = self._await(session, reader, flying)
            checkpoint("print.after_confirm")
            if not isinstance(outcome, Confirmed | Presumed):
                self._fall_back(session, reader, flying, outcome)
                return
            if ahead is None or self._post.stopping.is_set() or not self._goes_on(session):
                ahead = None
            claimed = self._finish(flying.pop(0).job, settlement_of(outcome), ahead, session)

    def _claim(self, session: Session, ahead: Prepared) -> Claimed | None:
        return self._post.journal.write(lambda tx: self._post.desk.claim(tx, session, ahead))

    def _goes_on(self, session: Session) -> bool:
        """May the next ticket follow at once? Whatever happens to the link now, the word on the last one stands."""
        if session.in_flight:
            return session.may_send_ahead()
        try:
            session.refresh_counters()
        except (LinkBroken, Unavailable):
            return False
        return session.was_well_lately()

    def _finish(
        self, job: Job, settlement: Settlement, ahead: Prepared | None, session: Session | None
    ) -> Claimed | None:
        """Write down where a ticket goes, unless a person did so meanwhile; and claim the one `ahead`."""

        if settlement.mark is Mark.DISCARD_PIECE_ABOVE and job.home != self._post.name:
            settlement = msgspec.structs.replace(
                settlement, mark=Mark.POSSIBLE_DUPLICATE
            )  # its copy comes out elsewhere

        def work(tx: Tx) -> Claimed | None:
            if jobs.is_open(tx, job):
                state = jobs.settle(tx, job, settlement)
                if settlement.mark is not None or settlement.leaves:  # whatever is printed next, cut it off first
                    jobs.note_torn(tx, self._post.name)
                if state in FINAL:
                    notes.clear_alarm(tx, f"ticket:{job.id}")
                elif job.order_pk is not None and (settlement.mark is not None or state is JobState.UNCONFIRMED):
                    about = f"order {orders.named(tx, job.order_pk)} at printer {self._post.name} in doubt"
                    notes.raise_alarm(tx, f"ticket:{job.id}", f"{about}: {settlement.reason}")
            return None if ahead is None or session is None else self._post.desk.claim(tx, session, ahead)

        checkpoint("spool.before_outcome")
        claimed = self._post.journal.write(work)
        checkpoint("spool.after_outcome")
        _log.info(
            f"spool.ticket_{settlement.state}",
            order=job.order_id,
            ticket=job.id,
            printer=self._post.name,
            evidence=settlement.evidence,
            reason=settlement.reason,
        )
        if settlement.evidence == "presumed":
            self._presumed.append((self._post.clock.monotonic(), job.id))
        if settlement.state is not JobState.UNCONFIRMED:
            self._post.watch.spoke()
        return claimed

    def doubt_presumed(self) -> None:
        """This printer was believed to answer nothing, and answers: what it took meanwhile it may have thrown away."""
        name, ask = self._post.name, self._post.shop.printing.unconfirmed == "ask"
        since = self._post.clock.monotonic() - presumed.LATELY.total_seconds()
        lately = [job_id for at, job_id in self._presumed if at >= since]

        def home(station: str) -> str:
            return self._post.roster.home(station) or name

        made = self._post.journal.write(lambda tx: presumed.doubt(tx, name, lately, home, ask=ask))
        self._presumed.clear()
        if made:
            _log.warning("spool.presumed_in_doubt", printer=name, tickets=made)

    # -- waiting for the word ------------------------------------------------------------------------------------

    def _await(self, session: Session, reader: Tx, flying: list[Claimed]) -> Outcome:
        """The printer's word on the first. While it needs a person the tickets are held and the clock stands still."""
        try:
            while isinstance(outcome := session.settle(), NeedsHuman):
                need = outcome.need
                held = Settlement(JobState.HELD, reason=str(need), keep_intent=True)
                self._post.journal.write(partial(self._settle_all, flying=flying, outcome=held, opened=session.opened))
                self._post.watch.note_need(need)
                if not self.doubts.wait_until_well(session, reader):
                    return Unknown(f"stopped while the printer needs a person: {need}")
                if session.opened:
                    self._post.journal.write(partial(self._note_opened, flying=flying))
                if not self._post.journal.write(partial(self._resume_all, flying=flying)):
                    session.discredit()
                    return Unknown("a person settled a ticket that the printer had")
                session.ask_again()
        except (LinkBroken, Unavailable) as exc:
            session.discredit()
            if session.opened:
                self._post.journal.write(partial(self._note_opened, flying=flying))
            return Unknown(f"link lost before the answer: {exc}", session.headless)
        return outcome

    def _settle_all(self, tx: Tx, flying: list[Claimed], outcome: Settlement, *, opened: bool) -> None:
        for each in flying:
            if jobs.is_open(tx, each.job):
                jobs.settle(tx, each.job, outcome)
                if opened:
                    jobs.note_opened(tx, each.job)

    def _note_opened(self, tx: Tx, flying: list[Claimed]) -> None:
        for each in flying:
            jobs.note_opened(tx, each.job)

    def _resume_all(self, tx: Tx, flying: list[Claimed]) -> bool:
        """False when a person settled one of them meanwhile."""
        if not all(jobs.is_open(tx, each.job) for each in flying):
            return False
        for each in flying:
            jobs.resume(tx, each.job)
        return True

    # -- when the word is not good -------------------------------------------------------------------------------

    def _fall_back(self, session: Session, reader: Tx, flying: list[Claimed], outcome: Outcome) -> None:
        """What was in flight is in doubt, and so is whatever stood before a ticket of which nothing went out."""
        if isinstance(outcome, Unknown) and self._post.stopping.is_set():
            for each in flying:
                about = {"order": each.job.order_id, "ticket": each.job.id, "printer": self._post.name}
                _log.warning("spool.left_in_doubt", **about, reason=outcome.evidence)
            return
        if isinstance(outcome, NotPrinted):
            self._finish(flying.pop().job, settlement_of(outcome), None, None)
            outcome = Unknown(outcome.reason, session.headless)
        for each in flying:
            self._finish(each.job, settlement_of(outcome), None, None)
        if flying:
            self.doubts.arose()
            cable = self._post.connector
            self.doubts.settle(session, reader, Epoch.SAME if cable.notices_power_cycle else Epoch.UNKNOWN)
