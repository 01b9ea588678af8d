"""The printers, as the box tells them, and what a person asks of one: a test, who it is, what it can prove."""

import re
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from contextlib import closing
from typing import Any, Protocol

import msgspec

from agent import log
from agent.answers.finder import Finder
from agent.answers.word import LOOK_S, STOPPING, Word
from agent.clock import Clock
from agent.config import Printer
from agent.control import Handler, Visit
from agent.errors import CommandRefused
from agent.journal import jobs, notes
from agent.journal.file import Tx
from agent.journal.store import Journal
from agent.model.acquaintance import Known
from agent.model.job import FINAL
from agent.model.profile import suggest

PROBE_S, TEST_S = 30.0, 15.0
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


class PrinterAnswers:
    """The handlers for `Control`, by the request's word."""

    def __init__(
        self,
        journal: Journal,
        printers: Sequence[Printer],
        workers: Mapping[str, Hand],
        clock: Clock,
        word: Word,
        finder: Finder,
    ) -> None:
        self._journal = journal
        self._printers = printers
        self._workers = workers
        self._clock = clock
        self._word = word
        self._finder = finder

    def table(self) -> dict[str, Handler]:
        """Each request with what answers it."""
        return {
            "printers": self._tell,
            "probe": self._probe,
            "test": self._test,
            "identify": self._identify,
            "accept": self._accept,
        }

    def _tell(self, _request: dict[str, Any], _visit: Visit) -> dict[str, Any]:
        with closing(self._journal.reader()) as reader:
            waiting = jobs.waiting(reader)
            return {"printers": [self._tell_one(reader, each, waiting) for each in self._printers]}

    def _tell_one(self, reader: Tx, printer: Printer, waiting: dict[str, int]) -> dict[str, Any]:
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

    def _probe(self, request: dict[str, Any], visit: Visit) -> dict[str, Any]:
        """Ask a printer again what it can prove."""
        name, worker = self._find(request)
        if trouble := _trouble(worker.seen()):
            raise CommandRefused(
                f"{name} can't be asked now: {trouble}", f"现在问不了 {name}：{_trouble_zh(worker.seen())}"
            )
        known = self._word.wait(
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
        entered = self._word.perform("command.test", request, visit)
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
