"""What the box answers to whoever stands at it: its printers, its queue, and a person's word on a ticket or a printer.

Runs on the visitor's thread: it reads through a connection of its own, and what it changes goes through the journal's
writer. It waits for nothing without an end, nor while the agent stops.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from concurrent import futures
from concurrent.futures import Future
from contextlib import closing
from datetime import datetime
from typing import Any, Protocol, TypeVar

import msgspec

from agent import log
from agent.clock import Clock
from agent.config import Printer
from agent.control import Handler, Visit
from agent.errors import CommandRefused
from agent.finder import Finder
from agent.intake.commands import Commands, Done
from agent.journal import jobs, kitchen, notes, waits
from agent.journal.dismissals import can_be_dismissed
from agent.journal.file import Tx
from agent.journal.queue import waiting_tickets
from agent.journal.store import Journal
from agent.model.acquaintance import Known
from agent.model.job import FINAL
from agent.model.profile import suggest
from agent.model.ticket import Language
from agent.tickets.kitchenboard import board, day_began

MOST_TICKETS = 1000
SETTLE_S, PROBE_S, TEST_S = 20.0, 30.0, 15.0
LOOK_S = 0.1
STOPPING = ("the agent is stopping: ask again once it runs", "程序正在停止：请稍后再试")
T = TypeVar("T")
_USB_NUMBERS = re.compile(r"([0-9a-f]{4}):[0-9a-f]{4}")
_log = log.get("control")


class Hand(Protocol):
    """A printer's worker, as far as a person may direct it."""

    def seen(self) -> dict[str, Any]:
        """How the printer is."""

    def wake(self) -> None:
        """There may be something to print."""

    def probe(self) -> "Future[Known]":
        """Ask the printer again what it can prove, once it is idle."""

    def accept(self) -> None:
        """Whatever is found in the printer's place is the printer from now on."""


class _Named(msgspec.Struct, frozen=True):
    printer: str


class Answers:
    """The handlers for `Control`, by the request's word."""

    def __init__(
        self,
        journal: Journal,
        printers: Sequence[Printer],
        workers: Mapping[str, Hand],
        clock: Clock,
        stir: Callable[[], None] = lambda: None,
        commands: Commands | None = None,
        finder: Finder | None = None,
    ) -> None:
        self._stir = stir
        self._finder = finder or Finder(printers)
        self._commands = commands or Commands(printers=[printer.name for printer in printers])
        self._journal = journal
        self._printers = printers
        self._workers = workers
        self._clock = clock

    def table(self) -> dict[str, Handler]:
        """Each request with what answers it."""
        return {
            "printers": self._tell_printers,
            "queue": self._tell_queue,
            "settle": self._settle,
            "waiting": self._tell_waiting,
            "release": self._release,
            "drop": self._drop,
            "reprint": self._reprint,
            "move": self._move,
            "kitchen": self._tell_kitchen,
            "ready": self._bump("ready"),
            "recall": self._bump("recall"),
            "pause": self._pause,
            "resume": self._resume,
            "alarms": self._tell_alarms,
            "dismiss": self._dismiss,
            "test": self._test,
            "identify": self._identify,
            **self._finder.table(),
            "reload": self._errand("reload"),
            "bundle": self._errand("bundle"),
            "probe": self._probe,
            "accept": self._accept,
        }

    # -- looking -------------------------------------------------------------------------------------------------

    def _tell_printers(self, _request: dict[str, Any], _visit: Visit) -> dict[str, Any]:
        with closing(self._journal.reader()) as reader:
            waiting = jobs.waiting(reader)
            return {"printers": [self._tell_printer(reader, each, waiting) for each in self._printers]}

    def _tell_printer(self, reader: Tx, printer: Printer, waiting: dict[str, int]) -> dict[str, Any]:
        seen = self._workers[printer.name].seen()
        known = notes.known_printer(reader, printer.name, str(printer.link))
        prefix = f"printer:{printer.name}:"
        alarms = {key.removeprefix(prefix): why for key, why in notes.alarms(reader).items() if key.startswith(prefix)}
        return {
            "name": printer.name,
            "link": str(printer.link),
            "state": seen["state"],
            "why": _trouble(seen),
            "waiting": waiting.get(printer.name, 0),
            "alarms": alarms,
            **(introduce(known) if known is not None else {}),
        }

    def _tell_queue(self, _request: dict[str, Any], _visit: Visit) -> dict[str, Any]:
        now = self._clock.utc()
        with closing(self._journal.reader()) as reader:
            tickets = waiting_tickets(reader, MOST_TICKETS)
            count = sum(jobs.waiting(reader).values())
        told = [{**msgspec.to_builtins(each), "age_s": _age_s(each.created_at, now)} for each in tickets]
        return {"tickets": told, "count": max(count, len(told))}

    def _tell_waiting(self, _request: dict[str, Any], _visit: Visit) -> dict[str, Any]:
        """Orders that are accepted and no tickets yet, with what they wait for."""
        with closing(self._journal.reader()) as reader:
            listed = waits.listed(reader, MOST_TICKETS)
            return {"orders": [msgspec.to_builtins(each) for each in listed], "count": waits.count(reader)}

    # -- deciding ------------------------------------------------------------------------------------------------

    def _settle(self, request: dict[str, Any], visit: Visit) -> dict[str, Any]:
        """A person's word on a ticket."""
        answer = self._perform("command.settle", request, visit)
        _log.info("control.ticket_settled", by=visit.by, decision=request.get("decision"), ticket=request.get("ticket"))
        self._wake()
        return {"answer": answer}

    def _release(self, request: dict[str, Any], visit: Visit) -> dict[str, Any]:
        """Orders that wait shall be printed."""
        answer = self._perform("command.release", request, visit)
        _log.info("control.orders_released", by=visit.by)
        self._stir()
        return {"answer": answer}

    def _drop(self, request: dict[str, Any], visit: Visit) -> dict[str, Any]:
        """Orders that wait shall not be printed."""
        answer = self._perform("command.drop", request, visit)
        _log.info("control.orders_dropped", by=visit.by)
        return {"answer": answer}

    def _reprint(self, request: dict[str, Any], visit: Visit) -> dict[str, Any]:
        """What was printed, once more."""
        answer = self._perform("command.reprint", request, visit)
        _log.info("control.reprint_asked", by=visit.by, order=request.get("order"), ticket=request.get("ticket"))
        self._wake()
        return {"answer": answer}

    def _move(self, request: dict[str, Any], visit: Visit) -> dict[str, Any]:
        """A ticket is printed on another printer."""
        answer = self._perform("command.move", request, visit)
        _log.info("control.ticket_moved", by=visit.by, ticket=request.get("ticket"), printer=request.get("printer"))
        self._wake()
        return {"answer": answer}

    def _tell_kitchen(self, request: dict[str, Any], _visit: Visit) -> dict[str, Any]:
        """What is to be made, and what was finished last; of one station where the request names it."""
        now = self._clock.utc().astimezone()
        with closing(self._journal.reader()) as reader:
            seen = kitchen.look(reader, day_began(now))
        told: dict[str, Any] = msgspec.to_builtins(board(seen, now, Language.BOTH, str(request.get("station") or "")))
        return told

    def _bump(self, what: str) -> Handler:
        """Something is finished, or is not after all."""

        def answer(request: dict[str, Any], visit: Visit) -> dict[str, Any]:
            said = self._perform(f"command.{what}", request, visit)
            _log.info(f"control.order_{what}", by=visit.by, order=request.get("order"), ticket=request.get("ticket"))
            return {"answer": said}

        return answer

    def _pause(self, request: dict[str, Any], visit: Visit) -> dict[str, Any]:
        """A printer's tickets wait until it is resumed."""
        answer = self._perform("command.pause", request, visit)
        _log.info("control.printer_paused", by=visit.by, printer=request.get("printer"))
        return {"answer": answer}

    def _resume(self, request: dict[str, Any], visit: Visit) -> dict[str, Any]:
        """They are printed."""
        answer = self._perform("command.resume", request, visit)
        _log.info("control.printer_resumed", by=visit.by, printer=request.get("printer"))
        self._wake()
        return {"answer": answer}

    def _tell_alarms(self, _request: dict[str, Any], _visit: Visit) -> dict[str, Any]:
        """What needs a person, oldest first, and which of it a person may end."""
        with closing(self._journal.reader()) as reader:
            up = notes.alarms_since(reader)
        told = [(key, {"key": key, "reason": reason, "since": since}) for key, reason, since in up]
        return {"alarms": [{**about, "dismissable": can_be_dismissed(key)} for key, about in told]}

    def _dismiss(self, request: dict[str, Any], visit: Visit) -> dict[str, Any]:
        """Somebody has seen an alarm that nothing else ends."""
        answer = self._perform("command.dismiss", request, visit)
        _log.info("control.alarm_dismissed", by=visit.by, alarm=request.get("alarm"))
        return {"answer": answer}

    def _errand(self, name: str) -> Handler:
        def answer(request: dict[str, Any], visit: Visit) -> dict[str, Any]:
            done = self._commands.run(f"command.{name}", {**request, "by": visit.by})
            if not done.ok:
                raise CommandRefused(done.answer, done.zh)
            _log.info("control.errand_done", by=visit.by, what=name)
            return {"answer": done.answer}

        return answer

    def _wake(self) -> None:
        for worker in self._workers.values():
            worker.wake()

    def _perform(self, kind: str, request: dict[str, Any], visit: Visit) -> str:
        """What became of a command, in words. `by` is the user who asks, whatever the request says."""
        kept: Future[Done] = Future()
        command = {**request, "by": visit.by}
        self._journal.submit(lambda tx: self._commands.perform(tx, kind, command), kept.set_result, kept.set_exception)
        late = "it is not on disk yet, which is full or very slow: look at the queue again later, it may still be kept"
        done = self._wait(kept, visit, SETTLE_S, late)
        if not done.ok:
            raise CommandRefused(done.answer, done.zh)
        return done.answer

    # -- the printers --------------------------------------------------------------------------------------------

    def _probe(self, request: dict[str, Any], visit: Visit) -> dict[str, Any]:
        """Ask a printer again what it can prove."""
        name, worker = self._find(request)
        if trouble := _trouble(worker.seen()):
            raise CommandRefused(
                f"{name} can't be asked now: {trouble}", f"现在问不了 {name}：{_trouble_zh(worker.seen())}"
            )
        known = self._wait(
            worker.probe(),
            visit,
            PROBE_S,
            f"{name} is busy with a ticket; it will be asked once that is settled",
            lambda: _trouble(worker.seen()),
        )
        return {"name": name, **introduce(known)}

    def _test(self, request: dict[str, Any], visit: Visit) -> dict[str, Any]:
        """A test page; the answer says what became of it, or after a while that it waits, and why."""
        name, worker = self._find(request)
        entered = self._perform("command.test", request, visit)
        ticket = int(entered.removeprefix("ticket ").partition(":")[0])
        worker.wake()
        ends_at = self._clock.monotonic() + TEST_S
        with closing(self._journal.reader()) as reader:
            while (job := jobs.find(reader, ticket)) is not None and job.state not in FINAL:
                if self._clock.monotonic() > ends_at or visit.stopping.wait(LOOK_S):
                    why = _trouble(worker.seen()) or job.reason or "the printer is busy"
                    return {"name": name, "ticket": ticket, "state": str(job.state), "why": why}
        state = "completed" if job is None else str(job.state)
        return {"name": name, "ticket": ticket, "state": state, "why": "" if job is None else job.reason}

    def _identify(self, request: dict[str, Any], visit: Visit) -> dict[str, Any]:
        """A `printer`'s name on its own paper, in large letters; or that of whatever is at a `link`."""
        link = str(request.get("link") or "")
        if not link:
            return self._test({**request, "page": "identify"}, visit)
        if owner := self._finder.owner(link):
            return self._test({"printer": owner, "page": "identify"}, visit)
        return self._finder.identify(link, by=visit.by, stopping=visit.stopping)

    def _accept(self, request: dict[str, Any], visit: Visit) -> dict[str, Any]:
        """Whatever stands in the printer's place is the printer from now on."""
        name, worker = self._find(request)
        if worker.seen()["state"] not in ("away", "other"):
            return self._probe(request, visit)
        _log.info("control.printer_accepted", by=visit.by, printer=name)
        worker.accept()
        self._until_met(name, worker, visit)
        with closing(self._journal.reader()) as reader:
            link = next(str(printer.link) for printer in self._printers if printer.name == name)
            known = notes.known_printer(reader, name, link)
        return {"name": name, **(introduce(known) if known is not None else {})}

    def _until_met(self, name: str, worker: Hand, visit: Visit) -> None:
        ends_at = self._clock.monotonic() + PROBE_S
        while trouble := _trouble(worker.seen()):
            if self._clock.monotonic() > ends_at:
                raise CommandRefused(
                    f"what is found next as {name} will be taken for it; but now {trouble}",
                    f"下次找到的就当作 {name}；但现在：{_trouble_zh(worker.seen())}",
                )
            if visit.stopping.wait(LOOK_S):
                raise CommandRefused(*STOPPING)

    def _find(self, request: dict[str, Any]) -> tuple[str, Hand]:
        try:
            name = msgspec.convert(request, _Named).printer
        except msgspec.ValidationError as exc:
            raise CommandRefused(f"name a printer: {exc}", "请指定打印机") from exc
        if name not in self._workers:
            raise CommandRefused(
                f"there is no printer {name[:50]!r}; there is {', '.join(self._workers) or 'none'}",
                f"没有打印机 {name[:50]}：请刷新页面",
            )
        return name, self._workers[name]

    def _wait(
        self, future: "Future[T]", visit: Visit, limit_s: float, late: str, trouble: Callable[[], str] = lambda: ""
    ) -> T:
        """Its result, unless there is trouble, the agent stops, or it takes too long."""
        ends_at = self._clock.monotonic() + limit_s
        while not future.done():
            if why := trouble():
                raise CommandRefused(why, "打印机现在用不了：请看打印机页")
            if visit.stopping.is_set():
                raise CommandRefused(*STOPPING)
            if self._clock.monotonic() > ends_at:
                raise CommandRefused(late, "还没有完成，可能稍后完成：请过一会儿再看")
            futures.wait([future], LOOK_S)
        return future.result()


def introduce(known: Known) -> dict[str, Any]:
    """A printer as far as it is known, and the profile that a person should look at first."""
    can, facts = known.capabilities, known.facts
    numbers = _USB_NUMBERS.match(facts.device)
    return {
        "tier": can.tier.name.lower(),
        "realtime": list(can.realtime),
        "counters": can.counters,
        "port": facts.port,
        "device": facts.device,
        "model": facts.model,
        "firmware": facts.firmware,
        "profile": suggest("", f"{facts.model} {facts.device}", int(numbers[1], 16) if numbers else None),
    }


def _trouble(seen: dict[str, Any]) -> str:
    """Why a printer can't be asked anything now; "" when it can."""
    why = str(seen.get("reason") or "")
    match seen["state"]:
        case "away":
            return f"it is away ({why})"
        case "other":
            return f"another device is in its place ({why}); take it with: shop-agent printers accept"
        case "needs_human":
            return f"it needs a person ({seen.get('need')})"
        case "connecting":
            return "it was not met yet; try again in a moment"
    return ""


def _trouble_zh(seen: dict[str, Any]) -> str:
    """The same in Chinese."""
    match seen["state"]:
        case "away":
            return "连不上：请看电源和线"
        case "other":
            return "换了设备：请在打印机页认下它"
        case "needs_human":
            return "需要人：请看缺纸、开盖、切刀"
    return "还没连上：请稍后再试"


def _age_s(created_at: str, now: datetime) -> int:
    """Seconds since then; 0 where the clock went back meanwhile."""
    return max(0, int((now - datetime.fromisoformat(created_at)).total_seconds()))
