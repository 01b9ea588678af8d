"""The print room: one worker a printer. It takes the oldest ticket, writes the intent, prints, and writes what became
of it. A dead printer delays nobody else, and is tried for ever.
"""

import queue
import threading
from concurrent.futures import Future
from functools import partial
from typing import Any

from agent import log
from agent.config import Printer
from agent.errors import JournalError, LinkBroken, Stranger, Unavailable
from agent.journal import jobs
from agent.journal.file import Tx
from agent.model.acquaintance import Known
from agent.model.job import Job
from agent.model.printer import Capabilities, Tier
from agent.model.profile import PROFILES
from agent.printers.fences import Noise
from agent.printers.link import Connector, Link
from agent.printers.session import Session
from agent.spool.acquaintance import Acquaintance, Curiosity
from agent.spool.attempt import Attempts
from agent.spool.post import Post, Shop
from agent.spool.recovery import Epoch

POLL_S = 1.0
LOOK_EACH_S = 2.0
SILENCE_S = 2.0
ASK_AGAIN_S = 4.0
_TIERS = {"process_id": Tier.PROCESS_ID, "status": Tier.STATUS, "none": Tier.NONE}
_log = log.get("spool")


class Worker:
    """One printer's thread."""

    limit_s = 60.0

    def __init__(self, printer: Printer, connector: Connector, shop: Shop) -> None:
        self.name = f"printer-{printer.name}"
        self._post = post = Post(printer, connector, shop)
        self._printer, self._journal, self._clock = printer, shop.journal, shop.clock
        self._watch, self._desk = post.watch, post.desk
        self._wanted = _TIERS.get(printer.confirm)
        self._attempts = Attempts(post)
        self._who, self._curiosity = Acquaintance(printer, shop.journal), Curiosity(shop.clock)
        self._noise = Noise(shop.clock)
        self._met = False
        self._looked_at, self._patient_until = 0.0, float("-inf")
        self._asked: queue.SimpleQueue[Future[Known]] = queue.SimpleQueue()
        self._accepted = threading.Event()
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        shop.roster.enlist(printer.name, self.wake)

    # -- a service -----------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, deadline_s: float) -> None:
        """Finish the ticket under way if its printer answers soon, then stop."""
        self._post.stop(deadline_s)
        if self._thread.is_alive():
            self._thread.join(deadline_s)

    def alive(self) -> bool:
        """Does the thread run?"""
        return self._thread.is_alive()

    def progress(self) -> float:
        """When the worker last came round."""
        return self._post.progress

    # -- for others ----------------------------------------------------------------------------------------------

    def wake(self) -> None:
        """There may be something to print."""
        self._desk.ring()

    def hurry(self) -> None:
        """Try it now, however long it would be stayed away from."""
        self._post.hurry()

    def seen(self) -> dict[str, Any]:
        """How the printer is, for the beat."""
        return self._watch.seen

    def accept(self) -> None:
        """A person says that whatever is found in the printer's place is the printer from now on."""
        self._accepted.set()
        self.wake()

    def probe(self) -> "Future[Known]":
        """Ask the printer again what it can prove, once it is idle; it is taken for a new one from then on."""
        future: Future[Known] = Future()
        self._asked.put(future)
        self.wake()
        return future

    # -- the thread ----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        reader = self._journal.reader()
        try:
            self._watch.load(reader)
            self._attempts.doubts.take_over(reader)
            while not self._post.stopping.is_set():
                self._again(reader)
        except JournalError as exc:
            _log.error("spool.stopped", printer=self._printer.name, reason=str(exc))
        finally:
            reader.close()

    def _again(self, reader: Tx) -> None:
        began, self._met = self._clock.monotonic(), False
        try:
            self._serve(reader)
            return
        except Stranger as exc:
            wait_s = self._watch.stranger(str(exc))
        except LinkBroken as exc:
            wait_s = self._watch.away(str(exc))
        except Unavailable as exc:  # it was waited for, longer than this
            wait_s = self._watch.away(str(exc), SILENCE_S if self._met else self._clock.monotonic() - began)
        self._attempts.doubts.settle_elsewhere(reader)
        if not self._accepted.is_set():
            self._post.pause(wait_s)

    def _serve(self, reader: Tx) -> None:
        """One link, from opening it to its end."""
        post = self._post
        if self._accepted.is_set():
            self._accepted.clear()
            post.connector.forget()
            self._who.forget()
        link = post.connector.open()
        session = Session(
            link,
            self._clock,
            post.connector,
            post.give_up,
            self._watch.silent,
            post.shop.patience,
            dots=self._printer.dots,
            profile=PROFILES[self._printer.profile],
            noise=self._noise,
        )
        self._curiosity.connected()
        try:
            doubts = jobs.in_flight(reader, self._printer.name)
            if doubts:
                session.listen({job.intent.token for job in doubts if job.intent is not None})
            self._meet(session, link, reader, doubts[0] if doubts else None)
            if (doubts or jobs.is_torn(reader, self._printer.name)) and not post.stopping.is_set():
                self._attempts.doubts.settle(session, reader, Epoch.UNKNOWN, partial(self._who.verify, reader=reader))
                self._answered(session.capabilities)
            while not post.stopping.is_set():
                self._turn(session, reader)
        finally:
            session.close()

    def _turn(self, session: Session, reader: Tx) -> None:
        self._post.progress = self._clock.monotonic()
        self._attempts.doubts.note_late_answers(session, reader)
        if self._watch.is_silent and session.fresh() and not jobs.in_flight(reader, self._printer.name):
            self._watch.spoke()  # a person settled what it had, and it answers
        job = self._desk.peek(reader)
        torn = jobs.is_torn(reader, self._printer.name)
        quiet = job is None and not torn and self._watch.need is None
        if not self._asked.empty():
            self._probe_again(session, reader)
        elif quiet and (session.blind or (session.fresh() and self._who.is_verified)):
            session.refresh_counters()
            self._remember(session, reader)
            self._pause(session, reader)
        elif not self._may_print(session) and not self._is_well(session, reader, job):
            self._post.pause(POLL_S)
        elif torn:
            session.separate()
            self._journal.write(lambda tx: jobs.note_torn(tx, self._printer.name, torn=False))
        elif (prepared := self._desk.next(reader)) is not None:
            claim = partial(self._desk.claim, session=session, prepared=prepared)
            self._attempts.print_on(session, reader, self._journal.write(claim))

    def _pause(self, session: Session, reader: Tx) -> None:
        """Nothing to print: sleep until woken, and look at the printer now and then."""
        claimed, rang = self._desk.sleep(session, POLL_S)
        if claimed is not None:
            self._attempts.print_on(session, reader, claimed)
        elif rang:
            return
        elif self._wanted is None and (session.woke_up() or self._curiosity.wants_a_probe(session)):
            self._probe(session, reader, None)
        elif self._clock.monotonic() - self._looked_at > LOOK_EACH_S:
            self._looked_at = self._clock.monotonic()
            self._watch.note_need(session.look())

    # -- the printer ---------------------------------------------------------------------------------------------

    def _meet(self, session: Session, link: Link, reader: Tx, doubt: Job | None) -> None:
        """Know who the printer is and what it can prove: from the journal, else by asking it once it is well."""
        known = self._who.meet(link, reader)
        can = None if known is None else known.capabilities
        if can is None or self._wanted not in (None, can.tier) or not session.trust(can):
            self._probe(session, reader, doubt)
        elif session.blind:
            self._answered(can)

    def _probe(self, session: Session, reader: Tx, doubt: Job | None) -> None:
        known = self._who.known(reader)
        patience_s = self._post.shop.patience.first_meeting_s if known is None and self._wanted is None else 0.0
        if (now := self._clock.monotonic()) > self._patient_until + patience_s:  # else its connection did not last
            self._patient_until = now + patience_s
        while (found := session.probe(self._wanted)) is None or found.tier is Tier.NONE:
            if found is None:
                self._watch.note_need(session.status.need, doubt)
            elif self._clock.monotonic() >= self._patient_until:
                break
            else:
                self._watch.unheard()
            if self._post.pause(POLL_S if found is None else ASK_AGAIN_S):
                return
        self._who.is_verified = False
        self._who.verify(session, reader)
        was_mute = self._watch.is_mute or (known is not None and known.capabilities.tier is Tier.NONE)
        if was_mute and found.tier is not Tier.NONE:
            self._attempts.doubt_presumed()
        if known is None or found != known.capabilities:
            _log.info(
                "spool.printer_met", printer=self._printer.name, tier=found.tier.name.lower(), facts=self._who.facts
            )
        self._who.keep(found, reader)
        self._met = False  # what is known of it is new
        self._answered(found)

    def _probe_again(self, session: Session, reader: Tx) -> None:
        """A person asks: whatever stands here is the printer from now on."""
        future = self._asked.get()
        if not future.set_running_or_notify_cancel():
            return
        try:
            self._who.forget()
            self._probe(session, reader, None)
            known = self._who.known(reader)
        except BaseException as exc:
            future.set_exception(exc)
            raise
        if known is None:
            future.set_exception(Unavailable("it waits for a person: paper, cover or an error"))
        else:
            future.set_result(known)

    def _remember(self, session: Session, reader: Tx) -> None:
        """Keep what was learned since: that its counters count, or that they do not."""
        if not session.blind:
            self._who.keep(session.capabilities, reader)

    def _answered(self, seen: Capabilities) -> None:
        """It is there: not because a connection opened, but because it said something, or never does."""
        if not self._met:
            self._met = True
            self._accepted.clear()  # what was meant is there
            self._watch.met(seen)

    def _may_print(self, session: Session) -> bool:
        """Is it known by now to be well, and to be the printer that it was?"""
        return session.fresh() and self._who.is_verified and self._watch.need is None

    def _is_well(self, session: Session, reader: Tx, job: Job | None) -> bool:
        """May a ticket go out now? If a person is needed, `job` is held."""
        if session.capabilities.tier is Tier.NONE and self._wanted is None and self._curiosity.hears(session):
            self._probe(session, reader, None)
        try:
            need = session.preflight()
        except Unavailable:
            self._who.verify(session, reader, silent=True)  # it may be another one, that knows other questions
            raise
        if need is None:
            self._who.verify(session, reader)
        self._answered(session.capabilities)
        mine = job is not None and job.home == self._printer.name
        self._watch.note_need(need, job if mine else None)
        return need is None
