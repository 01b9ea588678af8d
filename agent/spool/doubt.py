"""Tickets in doubt: their bytes may have gone out, and nobody said what became of them. Evidence first, then policy."""

from collections.abc import Callable

from agent.errors import Unavailable
from agent.journal import jobs, notices, orders
from agent.journal.file import Tx
from agent.journal.jobs import Settlement
from agent.model.job import Job, JobKind, JobState
from agent.model.ticket import Notice
from agent.printers.link import Connector
from agent.printers.session import Session
from agent.spool.post import Post
from agent.spool.recovery import Epoch, Evidence, Verdict, judge
from agent.spool.settlements import ASK, VERDICTS

LOOK_S = 0.5
MOST_ATTEMPTS = 6
"""Whatever makes a ticket doubtful so often won't be mended by more paper: the staff is asked."""


class Doubts:
    """What one printer's tickets in doubt come to. `finish` writes down where a ticket goes."""

    def __init__(self, post: Post, finish: Callable[[Job, Settlement], object]) -> None:
        self._post = post
        self._finish = finish
        self._since: float | None = None

    def arose(self) -> None:
        """From now on the policy's clock runs."""
        if self._since is None:
            self._since = self._post.clock.monotonic()

    def take_over(self, reader: Tx) -> None:
        """At the start: what was under way when the last agent ended is in doubt, and a person is told."""
        for job in self._doubts(reader):
            self.arose()
            if job.state is JobState.PROCESSING:
                reason = "the agent ended before its answer"
                self._finish(job, Settlement(JobState.UNCONFIRMED, reason=reason, keep_intent=True))

    def settle(
        self, session: Session, reader: Tx, epoch: Epoch, verify: Callable[[Session], None] = lambda _: None
    ) -> None:
        """Find out what became of the tickets in flight; waits while the printer needs a person.

        `verify` raises when it is another printer. Returns early when the agent stops.

        Raises:
            Unavailable: the printer is silent.
            LinkBroken: the link is gone.
        """
        self.arose()
        if not self._resync(session, reader):
            return
        verify(session)
        doubts = self._doubts(reader)
        verdicts = {job.id: _judge(session, job, doubts, epoch, self._post.connector) for job in doubts}
        for job in doubts:
            if job.attempt >= MOST_ATTEMPTS and verdicts[job.id] in (Verdict.REPRINT, Verdict.REPRINT_PARTIAL):
                self._ask(job)
            elif verdicts[job.id] is Verdict.REPRINT:
                if not self._reprint(session, reader, job):
                    return
            else:
                self._finish(job, VERDICTS[verdicts[job.id]])
        self._since = None

    def settle_elsewhere(self, reader: Tx) -> None:
        """The printer stays away: where its backup is well a ticket goes there, marked, by the policy's time."""
        post = self._post
        if not post.roster.is_given_up(post.name) or not self._may_reprint():
            return
        for job in self._doubts(reader):
            elsewhere = job.home != post.name and post.roster.is_well(job.home)
            if job.state is JobState.UNCONFIRMED and (elsewhere or post.roster.has_stand_in(job.station)):
                self._finish(job, VERDICTS[Verdict.REPRINT])

    def note_late_answers(self, session: Session, reader: Tx) -> None:
        """A printer may say much later what became of a ticket that was left in doubt."""
        if tokens := session.take_tokens():
            for job in jobs.unsettled(reader):
                left = job.state is JobState.UNCONFIRMED and job.printer == self._post.name
                if left and job.intent is not None and job.intent.token in tokens and self._is_believable(job, session):
                    self._finish(job, VERDICTS[Verdict.DONE])

    def _is_believable(self, job: Job, session: Session) -> bool:
        """Is its late answer alone enough? See `recovery.judge`."""
        intent = job.intent
        if intent is None or intent.opened or not self._post.connector.notices_power_cycle:
            return False
        return not intent.headless or session.heard(intent.head)

    # -- the parts -----------------------------------------------------------------------------------------------

    def _doubts(self, reader: Tx) -> list[Job]:
        return jobs.in_flight(reader, self._post.name)

    def _resync(self, session: Session, reader: Tx) -> bool:
        """Until the printer got past all that it held; false when the agent stops first."""
        while True:
            if not self.wait_until_well(session, reader):
                return False
            if session.resync():
                return True
            if session.look() is None:
                raise Unavailable("no answer to a fence after a ticket in doubt")

    def wait_until_well(self, session: Session, reader: Tx) -> bool:
        """While the printer needs a person; false when the agent stops first."""
        waited = self._doubts(reader)
        while (need := session.look()) is not None and not _heard(session, waited):
            self._post.watch.note_need(need)
            if self._post.pause(1.0):
                return False
            still = self._doubts(reader)
            settled = {job.id for job in waited} - {job.id for job in still}
            if any(_is_unwanted(reader, job_id) for job_id in settled):
                session.clear()
            waited = still
        self._post.watch.note_need(None)
        return not self._post.stopping.is_set()

    def _may_reprint(self) -> bool:
        """Does the policy allow to print again now what may be on paper?"""
        printing = self._post.shop.printing
        if printing.unconfirmed == "ask" or self._since is None:
            return False
        return self._post.clock.monotonic() - self._since >= printing.reprint_after_s

    def _reprint(self, session: Session, reader: Tx, job: Job) -> bool:
        """By the policy; false when the agent stops first."""
        if self._post.shop.printing.unconfirmed == "ask" and job.kind is not JobKind.NOTICE:
            self._ask(job)
            return True
        token = "" if job.intent is None else job.intent.token
        while not self._may_reprint() and job.kind is not JobKind.NOTICE:  # for an alarm no order waits
            if session.listen({token}) and self._is_believable(job, session):
                self._finish(job, VERDICTS[Verdict.DONE])
                return True
            if self._post.pause(LOOK_S):
                return False
            if not jobs.is_open(reader, job):
                return True
        self._finish(job, VERDICTS[Verdict.REPRINT])
        return True

    def _ask(self, job: Job) -> None:
        """The staff must say; the printer goes on with other tickets meanwhile, and another one's paper asks too."""
        if job.kind is JobKind.NOTICE:
            self._finish(job, Settlement(JobState.CANCELED, reason="in doubt again and again"))
            return
        self._finish(job, ASK)
        post = self._post
        target = post.roster.neighbour(post.name) or post.name

        def work(tx: Tx) -> None:
            number = "" if job.order_pk is None else orders.order_ref(tx, job.order_pk).no
            notices.post(tx, Notice(post.name, "doubt", number or job.order_id), target)

        post.journal.write(work)
        post.roster.wake(target)


def _judge(session: Session, job: Job, doubts: list[Job], epoch: Epoch, cable: Connector) -> Verdict:
    assert job.intent is not None
    evidence = Evidence(
        session.capabilities.tier,
        job.intent,
        late_answer=_heard(session, [job]),
        answers=True,
        counters=session.counters,
        epoch=epoch,
        alone=len(doubts) == 1,
        line_stays=not cable.notices_power_cycle,
    )
    return judge(evidence)


def _is_unwanted(reader: Tx, job_id: int) -> bool:
    """Did a person say that what the printer has of it shall not be printed?"""
    job = jobs.find(reader, job_id)
    return job is not None and job.state is not JobState.COMPLETED


def _heard(session: Session, doubts: list[Job]) -> bool:
    """Did the printer answer for one of these?"""
    intents = [job.intent for job in doubts if job.intent is not None]
    return any(session.heard(it.token) and (not it.headless or session.heard(it.head)) for it in intents)
