"""The print room: one worker a printer. It takes the oldest ticket, writes the intent, prints, and writes what became
of it. A dead printer delays nobody else, and is tried for ever.
"""

import threading
from functools import partial
from typing import Any

from agent import log
from agent.checkpoint import checkpoint
from agent.clock import Clock
from agent.config import Printer
from agent.errors import JournalError, LinkBroken, Unavailable
from agent.journal import jobs, notes
from agent.journal.file import Tx
from agent.journal.jobs import Settlement
from agent.journal.store import Journal
from agent.model.job import FINAL, Job, JobState
from agent.model.printer import Capabilities, Confirmed, NeedsHuman, Outcome, Presumed, Tier, Unknown
from agent.printers.link import Connector
from agent.printers.session import Patience, Session
from agent.spool.desk import DOTS_A_LINE, Claimed, Desk, Prepared
from agent.spool.recovery import Epoch, Evidence, Verdict, judge
from agent.spool.render import Press
from agent.spool.settlements import VERDICTS, settlement_of
from agent.spool.watch import Watch

POLL_S = 1.0
LOOK_EACH_S = 2.0
GRACE_S = 3.0
"""How long a stop waits for the printer's word on a ticket under way."""

COUNTING_SHARE = 0.1
"""How much of a ticket's time may go into reading the counters before the next one, when tickets wait."""

PATIENCE = Patience()
_TIERS = {"process_id": Tier.PROCESS_ID, "status": Tier.STATUS, "none": Tier.NONE}
_log = log.get("spool")


class Worker:
    """One printer's thread."""

    limit_s = 60.0

    def __init__(
        self,
        printer: Printer,
        connector: Connector,
        journal: Journal,
        press: Press,
        clock: Clock,
        patience: Patience = PATIENCE,
    ) -> None:
        self._patience = patience
        self.name = f"printer-{printer.name}"
        self._printer = printer
        self._connector = connector
        self._journal = journal
        self._clock = clock
        self._watch = Watch(printer.name, journal, clock)
        self._met = False
        self._torn = False
        self._torn_key = f"torn:{printer.name}"
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        self._desk = Desk(printer, journal, press, clock)
        self._stopping = threading.Event()
        self._stop_at = float("inf")
        self._progress = clock.monotonic()
        self._looked_at = 0.0

    # -- a service -----------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, deadline_s: float) -> None:
        """Finish the ticket under way if its printer answers soon, then stop."""
        self._stop_at = self._clock.monotonic() + min(GRACE_S, deadline_s * 0.8)
        self._stopping.set()
        self._desk.ring()
        if self._thread.is_alive():
            self._thread.join(deadline_s)

    def alive(self) -> bool:
        """Does the thread run?"""
        return self._thread.is_alive()

    def progress(self) -> float:
        """When the worker last came round."""
        return self._progress

    def wake(self) -> None:
        """There may be something to print."""
        self._desk.ring()

    def seen(self) -> dict[str, Any]:
        """How the printer is, for the beat."""
        return self._watch.seen

    # -- the thread ----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        reader = self._journal.reader()
        try:
            self._watch.load(reader)
            self._torn = bool(notes.get_meta(reader, self._torn_key))
            while not self._stopping.is_set():
                try:
                    self._serve(reader)
                except (Unavailable, LinkBroken) as exc:
                    self._progress = self._clock.monotonic()
                    self._stopping.wait(self._watch.away(str(exc)))
        except JournalError as exc:
            _log.error("spool.stopped", printer=self._printer.name, reason=str(exc))
        finally:
            reader.close()

    def _serve(self, reader: Tx) -> None:
        """One link, from opening it to its end."""
        link = self._connector.open()
        session = Session(
            link, self._clock, self._connector.bytes_per_s, self._give_up, self._watch.silent, self._patience
        )
        try:
            doubt = jobs.in_doubt(reader, self._printer.name)
            if doubt is not None and doubt.intent is not None:
                session.listen(doubt.intent.token)
            self._meet(session, reader, doubt)
            if doubt is not None and not self._stopping.is_set():
                self._settle_doubt(session, doubt, Epoch.UNKNOWN)
            while not self._stopping.is_set():
                self._turn(session, reader)
        finally:
            session.close()

    def _turn(self, session: Session, reader: Tx) -> None:
        self._progress = self._clock.monotonic()
        job = jobs.next_pending(reader, self._printer.name)
        quiet = job is None and not self._torn and self._watch.need is None
        if quiet and (session.blind or session.fresh()):
            session.refresh_counters()
            self._remember(session, reader)
            self._pause(session, reader)
        elif not session.fresh() and not self._is_well(session, job):
            self._stopping.wait(POLL_S)
        elif self._torn:
            session.separate()
            self._torn = False
            self._journal.write(lambda tx: notes.set_meta(tx, self._torn_key, ""))
        elif (prepared := self._desk.next(reader)) is not None:
            claim = partial(self._desk.claim, session=session, prepared=prepared)
            self._print_on(session, reader, self._journal.write(claim))

    def _pause(self, session: Session, reader: Tx) -> None:
        """Nothing to print: sleep until woken, and look at the printer now and then."""
        claimed, rang = self._desk.sleep(session, POLL_S)
        if claimed is not None:
            self._print_on(session, reader, claimed)
        elif rang:
            return
        elif self._printer.confirm == "auto" and session.woke_up():
            self._probe(session, reader, None)
        elif self._clock.monotonic() - self._looked_at > LOOK_EACH_S:
            self._looked_at = self._clock.monotonic()
            self._watch.note_need(session.look())

    # -- the printer ---------------------------------------------------------------------------------------------

    def _meet(self, session: Session, reader: Tx, doubt: Job | None) -> None:
        """Know what the printer can prove: from the journal, else by asking it once it is well."""
        known = notes.known_capabilities(reader, self._printer.name, str(self._printer.link))
        wanted = _TIERS.get(self._printer.confirm)
        self._met = False
        if known is None or wanted not in (None, known.tier) or not session.trust(known):
            self._probe(session, reader, doubt)
        elif session.blind:
            self._answered(known)

    def _probe(self, session: Session, reader: Tx, doubt: Job | None) -> None:
        name, link = self._printer.name, str(self._printer.link)
        while (found := session.probe(_TIERS.get(self._printer.confirm))) is None:
            self._watch.note_need(session.status.need, doubt)
            if self._stopping.wait(POLL_S):
                return
        if found != notes.known_capabilities(reader, name, link):
            _log.info("spool.printer_met", printer=name, tier=found.tier.name.lower(), realtime=found.realtime)
            self._journal.write(lambda tx: notes.keep_capabilities(tx, name, link, found))
        self._answered(found)

    def _answered(self, seen: Capabilities) -> None:
        """It is there: not because a connection opened, but because it said something, or never does."""
        if not self._met:
            self._met = True
            self._watch.met(seen)

    def _remember(self, session: Session, reader: Tx) -> None:
        """Keep what was learned since: that its counters count, or that they do not."""
        name, link, seen = self._printer.name, str(self._printer.link), session.capabilities
        if not session.blind and seen != notes.known_capabilities(reader, name, link):
            self._journal.write(lambda tx: notes.keep_capabilities(tx, name, link, seen))

    def _is_well(self, session: Session, job: Job | None) -> bool:
        """May a ticket go out now? If a person is needed, `job` is held."""
        need = session.preflight()
        self._answered(session.capabilities)
        self._watch.note_need(need, job)
        return need is None

    def _give_up(self) -> bool:
        self._progress = self._clock.monotonic()
        return self._clock.monotonic() > self._stop_at

    # -- tickets -------------------------------------------------------------------------------------------------

    def _print_on(self, session: Session, reader: Tx, claimed: Claimed | None) -> None:
        """Print this ticket and those that follow while the printer keeps confirming: the word on one and the intent
        of the next are one commit.
        """
        while claimed is not None:
            checkpoint("spool.after_intent")
            job, started = claimed.job, self._clock.monotonic()
            outcome: Outcome | None = session.send(claimed.encoded.data, claimed.intent.token)
            ahead = self._desk.next(reader)
            if outcome is None:
                outcome = self._await(session, claimed)
            checkpoint("print.after_confirm")
            if isinstance(outcome, Unknown) and self._stopping.is_set():
                _log.warning("spool.left_in_doubt", ticket=job.id, reason=outcome.evidence)
                return
            settlement = settlement_of(outcome)
            follow = isinstance(outcome, Confirmed | Presumed) and not self._stopping.is_set() and ahead is not None
            if not follow or not self._goes_on(session, self._clock.monotonic() - started):
                ahead = None
            claimed = self._finish(session, job, settlement, ahead)
            if settlement.state is JobState.UNCONFIRMED:
                self._settle_doubt(session, job, self._epoch())

    def _goes_on(self, session: Session, ticket_s: float) -> bool:
        """May the next ticket follow at once? Whatever happens to the link now, the word on the last one stands."""
        try:
            session.refresh_counters(ticket_s * COUNTING_SHARE)
        except (LinkBroken, Unavailable):
            return False
        return session.was_well_lately()

    def _finish(self, session: Session, job: Job, settlement: Settlement, ahead: Prepared | None) -> Claimed | None:
        def work(tx: Tx) -> Claimed | None:
            state = jobs.settle(tx, job, settlement)
            if settlement.mark is not None:  # whatever is printed next, and if that order is off by now
                notes.set_meta(tx, self._torn_key, "torn")
            if state in FINAL:
                if job.attempt > 0:
                    notes.clear_alarm(tx, f"ticket:{job.id}")
            elif settlement.mark is not None or state is JobState.UNCONFIRMED:
                notes.raise_alarm(tx, f"ticket:{job.id}", f"order {job.order_id} in doubt: {settlement.reason}")
            return None if ahead is None else self._desk.claim(tx, session, ahead)

        checkpoint("spool.before_outcome")
        claimed = self._journal.write(work)
        checkpoint("spool.after_outcome")
        _log.info(
            f"spool.ticket_{settlement.state}",
            order=job.order_id,
            ticket=job.id,
            printer=self._printer.name,
            evidence=settlement.evidence,
            reason=settlement.reason,
        )
        self._watch.set_alarm("silent", "")
        self._torn |= settlement.mark is not None
        return claimed

    def _await(self, session: Session, claimed: Claimed) -> Outcome:
        """The printer's word. While it needs a person, the ticket is held and the clock stands still."""
        job, token, encoded = claimed.job, claimed.intent.token, claimed.encoded
        lines = encoded.lines + encoded.feed_dots // DOTS_A_LINE
        try:
            while isinstance(outcome := session.settle(token, len(encoded.data), lines), NeedsHuman):
                need = outcome.need
                held = Settlement(JobState.HELD, reason=str(need), keep_intent=True)
                self._journal.write(partial(jobs.settle, job=job, outcome=held))
                self._watch.note_need(need)
                if not self._wait_until_well(session, token):
                    return Unknown(f"stopped while the printer needs a person: {need}")
                self._journal.write(lambda tx: jobs.resume(tx, job))
                session.ask_again(token)
        except (LinkBroken, Unavailable) as exc:
            return Unknown(f"link lost before the answer: {exc}")
        return outcome

    def _wait_until_well(self, session: Session, token: str) -> bool:
        """False when the agent stops first."""
        while (need := session.look()) is not None and not session.heard(token):
            self._progress = self._clock.monotonic()
            self._watch.note_need(need)
            if self._stopping.wait(POLL_S):
                return False
        self._watch.note_need(None)
        return True

    def _epoch(self) -> Epoch:
        return Epoch.SAME if self._connector.notices_power_cycle else Epoch.UNKNOWN

    # -- doubt ---------------------------------------------------------------------------------------------------

    def _settle_doubt(self, session: Session, job: Job, epoch: Epoch) -> None:
        """Find out what became of a ticket whose bytes may have gone out; waits while the printer needs a person."""
        intent = job.intent
        if intent is None:
            raise JournalError(f"ticket {job.id} is in doubt without an intent")
        verdict = Verdict.WAIT
        while verdict is Verdict.WAIT:
            if not self._wait_until_well(session, intent.token):
                return
            answers = session.resync()
            evidence = Evidence(
                session.capabilities.tier,
                intent,
                session.heard(intent.token),
                answers,
                session.counters,
                epoch,
            )
            verdict = judge(evidence)
            if verdict is Verdict.WAIT and session.look() is None:
                raise Unavailable("no answer to a fence after a ticket in doubt")
        settlement = VERDICTS[verdict]
        current = self._journal.write(lambda tx: jobs.in_doubt(tx, self._printer.name))
        if current is None or current.id != job.id:
            raise JournalError(f"ticket {job.id} was settled behind its printer's back")
        if current.state not in (JobState.PROCESSING, JobState.UNCONFIRMED):
            self._journal.write(lambda tx: jobs.resume(tx, current))
        self._finish(session, current, settlement, None)
