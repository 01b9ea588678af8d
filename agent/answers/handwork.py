"""What a person at the box has printed: an order of their own, through the same intake as every other; or a ticket that
waits, tried now instead of later.
"""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TookTooLong
from contextlib import closing
from typing import Any, Protocol

import msgspec

from agent import log
from agent.control import Handler, Visit
from agent.errors import CommandRefused
from agent.intake.acceptance import Taken
from agent.intake.consumer import LOCAL
from agent.journal import jobs, orders
from agent.journal.file import Tx
from agent.journal.store import Journal
from agent.model.job import FINAL, Job, JobState
from agent.model.order import raw_channel
from agent.model.wire import Delivery

KEEP_S, PRINT_S = 15.0, 15.0
HOPE_S = 1.5
"""So long a printer that needs a person may take to get well, before the answer says that its ticket waits."""
_DOWN = ("away", "other", "needs_human")
LOOK_S = 0.1
_LATE = "it is not on disk yet, which is full or very slow: send it again, with the same --id, it is taken once"
_RAW = "print.raw"
_log = log.get("control")

Receive = Callable[[Delivery, Callable[[Taken], None]], None]


class Hand(Protocol):
    """A printer's worker, as far as a person may hurry it."""

    def seen(self) -> dict[str, Any]:
        """How the printer is."""

    def hurry(self) -> None:
        """Try it now."""


class _Bring(msgspec.Struct, frozen=True):
    event: dict[str, Any]


class _Retry(msgspec.Struct, frozen=True):
    ticket: int


class Handwork:
    """The handlers for `Control`, by the request's word."""

    def __init__(self, journal: Journal, receive: Receive, workers: Mapping[str, Hand]) -> None:
        self._journal = journal
        self._receive = receive
        self._workers = workers

    def table(self) -> dict[str, Handler]:
        """Each request with what answers it."""
        return {"print": self._print, "retry": self._retry}

    # -- an order --------------------------------------------------------------------------------------------------

    def _print(self, request: dict[str, Any], visit: Visit) -> dict[str, Any]:
        """Take an event in as if a till had brought it; the answer says what became of it and of its tickets."""
        try:
            event = msgspec.convert(request, _Bring).event
        except msgspec.ValidationError as exc:
            raise CommandRefused(f"give an event: {exc}", "订单格式有误") from exc
        kept: Future[Taken] = Future()
        self._receive(Delivery(0, 0, LOCAL, msgspec.json.encode(event), 1, False, None), kept.set_result)
        try:
            taken = kept.result(KEEP_S)
        except TookTooLong:
            raise CommandRefused(_LATE, "还没写进磁盘，可能稍后完成：请过一会儿再看") from None
        about = {"event": str(event.get("id")), "verdict": taken.verdict, "path": (taken.trouble or {}).get("path")}
        _log.info("control.order_brought", by=visit.by, **about)
        if taken.trouble is not None:
            raise CommandRefused(
                f"{taken.trouble['reason']} - at {taken.trouble['path']}", f"订单有误：{taken.trouble['path']}"
            )
        channel = raw_channel(str(event.get("source"))) if event.get("type") == _RAW else _channel(event)
        tickets = self._until_settled(taken.order, channel, visit) if taken.verdict == "order_accepted" else []
        return {
            "verdict": taken.verdict,
            "event": str(event.get("id")),
            "order": taken.order,
            "current": taken.current,
            "remark": taken.reason,
            "tickets": tickets,
        }

    def _until_settled(self, order: str, channel: str, visit: Visit) -> list[dict[str, Any]]:
        """Its tickets, once each has ended, or as they are after a while."""
        ends_at = time.monotonic() + PRINT_S
        hopes_until = time.monotonic() + HOPE_S
        with closing(self._journal.reader()) as reader:
            known = orders.find_order(reader, channel, order)
            if known is None:
                return []
            while True:
                found = jobs.of_order(reader, known.pk)
                hoping = time.monotonic() < hopes_until
                waits = any(job.state not in FINAL and (hoping or not self._is_down(job)) for job in found)
                if not waits or time.monotonic() > ends_at or visit.stopping.wait(LOOK_S):
                    return [self._told(job) for job in found]

    def _is_down(self, job: Job) -> bool:
        worker = self._workers.get(job.printer or job.home)
        return worker is None or worker.seen().get("state") in _DOWN

    # -- a ticket --------------------------------------------------------------------------------------------------

    def _retry(self, request: dict[str, Any], visit: Visit) -> dict[str, Any]:
        """Try a ticket that waits, now."""
        try:
            number = msgspec.convert(request, _Retry).ticket
        except msgspec.ValidationError as exc:
            raise CommandRefused(f"name a ticket: {exc}", "请指定小票") from exc
        with closing(self._journal.reader()) as reader:
            job = _find(reader, number)
            _refuse(job)
            worker = self._workers.get(job.home)
            if worker is None:
                raise CommandRefused(
                    f"ticket {number} has no printer; give it one: shop-agent queue move {number} PRINTER",
                    f"小票 {number} 没有打印机：请点“换打印机”",
                )
            _log.info("control.ticket_retried", by=visit.by, ticket=number)
            worker.hurry()
            began = time.monotonic()
            while job.state not in FINAL and not visit.stopping.wait(LOOK_S):
                job, waited_s = _find(reader, number), time.monotonic() - began
                if waited_s > PRINT_S or (waited_s > HOPE_S and self._is_down(job)):
                    break
            return self._told(job)

    def _told(self, job: Job) -> dict[str, Any]:
        """A ticket, and why it is not on paper yet."""
        why = job.reason
        if job.state not in FINAL and (worker := self._workers.get(job.home)) is not None:
            seen = worker.seen()
            why = str(seen.get("need") or seen.get("reason") or why or "the printer is busy")
        return {
            "ticket": job.id,
            "station": job.station,
            "printer": job.printer or job.home,
            "state": str(job.state),
            "why": why,
        }


def _channel(event: Mapping[str, Any]) -> str:
    """The order's channel, as the event says it."""
    data: Any = event.get("data")
    order = data.get("order") if isinstance(data, dict) else None
    return str(order.get("channel", "")) if isinstance(order, dict) else ""


def _find(reader: Tx, number: int) -> Job:
    job = jobs.find(reader, number)
    if job is None:
        raise CommandRefused(
            f"there is no ticket {number}; see: shop-agent queue list", f"没有小票 {number}：请看小票页"
        )
    return job


def _refuse(job: Job) -> None:
    """Trying again is for what waits: what may be on paper is decided by who looks at it."""
    number = job.id
    if job.state in FINAL:
        raise CommandRefused(
            f"ticket {number} is settled: {job.state}; to print it once more: shop-agent reprint",
            f"小票 {number} 已经有结果：要再打请用“补打”",
        )
    if job.state is JobState.PROCESSING:
        raise CommandRefused(
            f"ticket {number} is being printed now; wait until its printer has answered",
            f"小票 {number} 正在打印：请等打印机应答",
        )
    if job.intent is not None:
        choices = " | ".join(f"shop-agent queue {word} {number}" for word in ("printed", "again", "discard"))
        raise CommandRefused(
            f"ticket {number} may be on paper: look at the printer, then say: {choices}",
            f"小票 {number} 可能已打出：请看纸，再选“在纸上”或“重打”",
        )
