"""python -m tests.histories 1000: random histories of one order between intake, journal and paper, made up from seeds.

Real are the intake, the commands and the journal. The printers are stood in for: each ticket comes out or does not, and
what the agent learns of that is drawn too. In the end the cooks must have what the order says.
"""

import json
import random
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from agent.errors import CommandRefused
from agent.intake.commands import Commands
from agent.intake.consumer import Consumer
from agent.journal import jobs, presumed
from agent.journal.decisions import decide
from agent.journal.file import Tx
from agent.journal.jobs import Route, Settlement
from agent.journal.store import Journal
from agent.model.command import Decision, Settle
from agent.model.job import Expected, Job, JobKind, JobState, Mark
from agent.model.order import READ_UPSERT
from agent.model.station import Match, Station
from agent.model.wire import Delivery
from agent.tickets.routing import route
from tests.cook import Cooks, Page, Sheet, rendered

STEPS, MOST_STEPS = 25, 400
DAY, EXPECTED = "2026-11-23", Expected(1, 2, 1)
PRINTERS = ("wok", "bar")
DISHES = {"noodles": "food", "cake": "food", "tea": "drinks"}
MENUS = [(), ("noodles",), ("noodles",), ("cake",), ("noodles", "cake")]
"""Few, so that an order often goes back to what it was."""
S = JobState
T = TypeVar("T")
DOUBT, LEFT = (Settlement(S.UNCONFIRMED, keep_intent=True, leaves=leaves) for leaves in (False, True))
PRINTED, NOT_PRINTED = Settlement(S.COMPLETED, "confirmed"), Settlement(S.PENDING, reason="not printed")
PIECE = Settlement(S.PENDING, reason="a piece", mark=Mark.DISCARD_PIECE_ABOVE)
PERHAPS = Settlement(S.PENDING, reason="perhaps", mark=Mark.POSSIBLE_DUPLICATE)


class Came(StrEnum):
    """What came out of the printer."""

    WHOLE = "whole"
    PIECE = "piece"
    NOTHING = "nothing"
    LATER = "later"
    """It lies in the printer until there is paper."""


class Sent(msgspec.Struct):
    """A ticket whose bytes went out."""

    job: Job
    page: Page
    came: Came


class History:
    """One order's life. What it may meet is drawn from the seed."""

    def __init__(self, seed: int, folder: Path) -> None:
        self._dice = random.Random(seed)
        self.discards, self.moves, self._mute = (self._dice.random() < 0.5 for _ in range(3))
        copies = self._dice.choice((1, 2, 3))
        self.stations = [
            Station("wok", printer="wok", backup="bar", default=True, copies=copies),
            Station("bar", printer="bar", match=Match(category=["drinks"])),
        ]
        self.journal = Journal(folder / f"{seed}.db")
        self.journal.start()
        self._consumer = Consumer(self.journal, self.stations, "replay", lambda _: None, lambda _: None, lambda: None)
        self._commands = Commands(self.stations, PRINTERS)
        self.cooks = Cooks()
        self.cooks.trusting = self._mute
        self.story: list[str] = []
        self._sent: dict[str, Sent] = {}
        self._asked: dict[int, Sent] = {}
        self._down: set[str] = set()
        self._rev = self._events = 0
        self._canceled = False

    def play(self) -> list[str]:
        """Live through it; returns what was wrong in the end."""
        self.revise()
        acts = self._acts()
        for _ in range(STEPS):
            self._dice.choices([act for act, _ in acts], [weight for _, weight in acts])[0]()
        self._down.clear()
        while self._mute:
            self.learn("wok")
            self.speak()
        for _ in range(MOST_STEPS):
            self._dice.choice([*self._work(), self.decide])()
            if not self._sent and not self.journal.write(jobs.unsettled):
                return self._judge()
        return [*self.cooks.faults, "it never ends"]

    def _work(self) -> list[Callable[[], None]]:
        return [partial(act, printer) for act in (self.send, self.learn) for printer in PRINTERS]

    def _acts(self) -> list[tuple[Callable[[], None], float]]:
        acts: list[tuple[Callable[[], None], float]] = [
            (self.revise, 3),
            (self.cancel, 1.2),
            (self.reprint, 1),
            (self.toggle, 1.2),
            (self.decide, 1),
            (self.speak if self._mute else self.run_out, 1),
        ]
        acts += [(act, 4) for act in self._work()]
        acts += [(self.discard, 1.2)] * self.discards + [(self.move, 0.8)] * self.moves
        return acts

    def _judge(self) -> list[str]:
        found = self.journal.write(_order)
        order, routed = READ_UPSERT.decode(found[0]).order, {}
        if not self._canceled:
            routed = route(order, self.stations)
        told = "canceled" if self._canceled else "printed"
        if found[1] != told and not (self.discards and found[1] in ("partly_printed", "rejected")):
            self.cooks.faults.append(f"the cloud is told {found[1]}, not {told}")
        for station in self.stations if found[1] == told else ():
            wanted = Sheet(order, tuple(routed[station.name])) if station.name in routed else None
            for copy in range(1, station.copies + 1):
                self.cooks.look(station.name, copy, wanted)
        return self.cooks.faults

    # -- the cloud -----------------------------------------------------------------------------------------------

    def revise(self) -> None:
        """The order, or its next revision."""
        self._rev += 1
        menu = self._dice.choice(MENUS)
        names = (*menu, "tea") if not menu or self._dice.random() < 0.5 else menu
        items = [{"id": name, "name": name, "qty": 1, "category": DISHES[name]} for name in names]
        facts: dict[str, Any] = {"paid": self._dice.random() < 0.5}
        if self._dice.random() < 0.15:
            facts["table"] = self._dice.choice("79")
        self._tell("order.upsert", {**facts, "no": "42", "items": items}, *names, *map(str, facts.values()))
        self._canceled = False

    def cancel(self) -> None:
        """The order is off, with or without a number of its own."""
        if not self._canceled:
            self._rev += self._dice.random() < 0.5
            self._tell("order.cancel", {})
            self._canceled = True

    def _tell(self, kind: str, facts: dict[str, Any], *words: str) -> None:
        self._note(kind, self._rev, *words)
        self._events += 1
        data = {"order": {"id": "42", "rev": self._rev, "channel": "test", **facts}}
        event = {"specversion": "1.0", "id": str(self._events), "source": "//test", "type": kind, "data": data}
        self._consumer.receive(Delivery(1, self._events, "order", json.dumps(event).encode(), 1, False))
        self.journal.write(lambda _: None)

    # -- the printers --------------------------------------------------------------------------------------------

    def send(self, printer: str) -> None:
        """The next ticket's bytes go out."""
        if printer in self._sent or printer in self._down:
            return
        stands_in = (Route("wok", "wok"),) if printer == "bar" and "wok" in self._down else ()
        sent = self.journal.write(partial(self._claim, printer=printer, stands_in=stands_in))
        if sent is not None:
            self._note(f"{printer} is sent", _name(sent.job), sent.page.kind, "of which comes", sent.came)
            self._sent[printer] = sent
            self._come_out(sent)

    def _claim(self, tx: Tx, printer: str, stands_in: tuple[Route, ...]) -> Sent | None:
        job = jobs.next_pending(tx, printer, stands_in=stands_in)
        if job is None:
            return None
        page, job = rendered(tx, job), msgspec.structs.replace(job, number=jobs.running_number(tx, job, DAY))
        if jobs.claim(tx, job, printer, DAY, EXPECTED, None) is None:
            return None
        (sent,) = jobs.in_flight(tx, printer)
        came = self._dice.choice((Came.WHOLE, Came.WHOLE, Came.WHOLE, Came.PIECE, Came.NOTHING))
        return Sent(sent, page, came)

    def _come_out(self, sent: Sent) -> None:
        if sent.came is Came.WHOLE:
            self.cooks.take(sent.job, sent.page)

    def run_out(self) -> None:
        """There is no paper any more: what it has comes out when there is."""
        for printer, sent in self._sent.items():
            job = self._now(sent)
            if sent.came is not Came.WHOLE and job is not None and job.state is S.PROCESSING:
                self._settle(job, Settlement(S.HELD, reason="paper", keep_intent=True))
                self._sent[printer] = Sent(sent.job, sent.page, Came.LATER)
                return

    def learn(self, printer: str) -> None:
        """What the agent learns of the ticket that this printer has."""
        sent = self._sent.get(printer)
        if sent is None:
            return
        job = self._now(sent)
        if job is None:  # a person settled it meanwhile
            del self._sent[printer]
        elif job.state is S.HELD and sent.came is Came.LATER:
            self._note(printer, "has paper again:", _name(job))
            self.journal.write(lambda tx: jobs.resume(tx, job))
            sent.came = Came.WHOLE
            self._come_out(sent)
        else:
            said = self._evidence(sent, job, believed=self._mute and printer == "wok")
            if said is LEFT:
                self._asked[job.id] = sent
            if said is not DOUBT:
                del self._sent[printer]
            self._settle(job, said)

    def _evidence(self, sent: Sent, job: Job, *, believed: bool) -> Settlement:
        """What the printer, its counters and the agent's patience say; never what is not so."""
        if believed:
            return Settlement(S.COMPLETED, "presumed", "it took every byte")
        certain = {Came.WHOLE: PRINTED, Came.NOTHING: NOT_PRINTED}
        if job.state is S.PROCESSING:
            return certain.get(sent.came, DOUBT) if self._dice.random() < 0.5 else DOUBT
        if self._dice.random() < 0.4:
            return certain.get(sent.came, PIECE)
        return self._dice.choice((LEFT, PERHAPS, PERHAPS))

    def toggle(self) -> None:
        """A printer is away, or back."""
        self._down ^= {self._dice.choice(PRINTERS)}
        self._note("away:", *sorted(self._down))

    def speak(self) -> None:
        """The printer that never answered answers after all."""
        if self._mute and "wok" not in self._sent:
            self._mute = self.cooks.trusting = False
            ask = self._dice.random() < 0.4
            made = self.journal.write(lambda tx: presumed.doubt(tx, "wok", [], lambda name: name, ask=ask))
            self._note("the wok's printer speaks:", *made)

    # -- people --------------------------------------------------------------------------------------------------

    def decide(self) -> None:
        """Somebody looks at the paper, and says what became of a ticket."""
        job = self._one(S.UNCONFIRMED)
        if job is None:
            return
        sent = next((each for each in (*self._sent.values(), *self._asked.values()) if each.job.id == job.id), None)
        seen = sent is not None and sent.came is Came.WHOLE and self._dice.random() < 0.5
        self._say(job, "printed" if seen else "again")

    def discard(self) -> None:
        """Somebody does not want a ticket that waits."""
        job = self._one(S.PENDING)
        if job is not None:
            self._say(job, "discard")
            if job.kind is JobKind.CANCEL:
                self.cooks.tell(job.station, self.journal.write(_prints))

    def _say(self, job: Job, decision: Decision) -> None:
        self._asked.pop(job.id, None)
        try:
            said = self.journal.write(lambda tx: decide(tx, Settle(decision, ticket=job.id)))
        except CommandRefused as exc:
            said = str(exc)
        self._note(decision, said)

    def reprint(self) -> None:
        """Somebody wants the order once more."""
        self._order("reprint", order="42")

    def move(self) -> None:
        """Somebody wants a ticket at the other printer."""
        job = self._one()
        if job is None or (job.state is S.HELD and job.intent is not None):
            return
        if self._order("move", ticket=job.id, printer="bar" if job.home == "wok" else "wok"):
            self._asked.pop(job.id, None)

    def _order(self, kind: str, **data: Any) -> bool:
        done = self.journal.write(lambda tx: self._commands.perform(tx, f"command.{kind}", data))
        self._note(kind, done.answer)
        return done.ok

    # -- the journal ---------------------------------------------------------------------------------------------

    def _one(self, *states: JobState) -> Job | None:
        found = [job for job in self.journal.write(jobs.unsettled) if not states or job.state in states]
        return self._dice.choice(found) if found else None

    def _now(self, sent: Sent) -> Job | None:
        """The ticket as it is; None where that print of it is settled."""
        return self.journal.write(lambda tx: jobs.find(tx, sent.job.id) if jobs.is_open(tx, sent.job) else None)

    def _settle(self, job: Job, outcome: Settlement) -> None:
        state = self.journal.write(lambda tx: jobs.settle(tx, job, outcome))
        self._note(_name(job), outcome.state, outcome.reason, "->", state)

    def _note(self, *words: object) -> None:
        self.story.append(" ".join(map(str, words)))


def _name(job: Job) -> str:
    mark = f" {job.mark}" if job.mark else ""
    return f"ticket {job.id} ({job.kind} {job.rev} for {job.station}/{job.copy}{mark})"


def _order(tx: Tx) -> tuple[bytes, str]:
    """The newest revision, and what the cloud was told last."""
    (payload,) = tx.execute("SELECT payload FROM events WHERE kind = 'upsert' ORDER BY rev DESC LIMIT 1").fetchone()
    return bytes(payload), str(tx.execute("SELECT state FROM orders").fetchone()[0])


def _prints(tx: Tx) -> int:
    return int(tx.execute("SELECT coalesce(max(print_number), 0) FROM jobs").fetchone()[0])


def findings(seeds: range) -> Iterator[tuple[int, list[str], list[str]]]:
    """The seeds whose order ended wrongly: what was wrong, and its story."""
    for seed in seeds:
        with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
            history = History(seed, Path(folder))
            try:
                faults = history.play()
            except Exception:  # noqa: BLE001  # a crash of the agent is a finding too
                faults = [traceback.format_exc()]
            history.journal.stop(5)
        if faults:
            yield seed, faults, history.story


@click.command()
@click.argument("seeds", type=int, default=1000)
@click.option("--from", "first", type=int, default=1, show_default=True, help="the first seed")
def main(seeds: int, first: int) -> None:
    """Play so many histories; tell those that end wrongly."""
    found = 0
    for seed, faults, story in findings(range(first, first + seeds)):
        found += 1
        print(f"seed {seed}", *(f"    {line}" for line in story), *faults, sep="\n", flush=True)
    print(f"{seeds} histories, {found} end wrongly")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
