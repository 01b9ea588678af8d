"""A job becomes bytes: the order as the ledger has it, laid out, typeset and encoded for its printer."""

from collections.abc import Callable
from datetime import datetime, timedelta, tzinfo
from typing import Any

import msgspec

from agent.config import Printer
from agent.encode.escpos import Encoded, encode
from agent.encode.typeset import typeset
from agent.journal import jobs, orders
from agent.journal.file import Tx
from agent.model.job import Job, JobKind, Mark
from agent.model.layout import Layout
from agent.model.order import READ_UPSERT, CanceledOrder, Order
from agent.model.profile import PROFILES
from agent.model.ticket import READ_NOTICE, READ_SHARE, Language, Notice, Ticket
from agent.tickets.notice import alarm
from agent.tickets.template import kitchen


class Press:
    """What every ticket of the shop is rendered with."""

    def __init__(self, language: str, timezone: tzinfo, troubled: Callable[[str], str] = lambda _: "") -> None:
        self._language = Language(language)
        self._timezone = timezone
        self._troubled = troubled

    def render(self, tx: Tx, job: Job, printer: Printer, now: datetime) -> Encoded:
        """The ticket's bytes, from feed to cut. Reads the ledger; the rest is pure."""
        if job.kind is JobKind.NOTICE:
            notice = READ_NOTICE.decode(job.share)
            return self.typeset(self._notice(tx, notice, now), printer)
        first = job.kind is JobKind.ORDER and job.mark is None
        drawer = printer.drawer and printer.role == "counter" and first
        return self.typeset(kitchen(self._ticket(tx, job, printer, now)), printer, drawer=drawer)

    def _notice(self, tx: Tx, notice: Notice, now: datetime) -> Layout:
        waiting = jobs.waiting(tx).get(notice.about, 0)
        held = [jobs.order_ref(tx, job.order_pk) for job in jobs.in_flight(tx, notice.about) if job.order_pk]
        orders_held = [notice.order] if notice.order else [ref.no or ref.id for ref in held]
        return alarm(notice, self._language, orders_held, waiting, now.astimezone(self._timezone))

    def typeset(self, layout: Layout, printer: Printer, *, drawer: bool = False) -> Encoded:
        """A ticket for a printer's paper."""
        rows = typeset(layout, printer.width, charset=printer.charset)
        profile = PROFILES[printer.profile]
        return encode(rows, printer.width, dots=printer.dots, profile=profile, beep=printer.beep, drawer=drawer)

    def business_day(self, now: datetime) -> str:
        """The day whose running numbers count now: it ends at four in the morning, when the last shop is closed."""
        return (now.astimezone(self._timezone) - timedelta(hours=4)).date().isoformat()

    def _ticket(self, tx: Tx, job: Job, printer: Printer, now: datetime) -> Ticket:
        order, reason = self._order(tx, job)
        share = READ_SHARE.decode(job.share)
        return Ticket(
            order=order,
            portions=share.portions,
            station=job.station,
            kind=job.kind,
            reason=reason,
            mark=_mark(job, printer),
            attempt=job.attempt + 1,
            copy=job.copy,
            copies=job.copies,
            number=job.number,
            part=share.stations.index(job.station) + 1,
            parts=len(share.stations),
            printed_for="" if job.home == printer.name else job.station,
            printed_for_why="" if job.home == printer.name else self._troubled(job.home),
            also_at=tuple(name for name in share.stations if name != job.station),
            language=self._language,
            printed_at=now.astimezone(self._timezone),
            original_at=datetime.fromisoformat(job.created_at).astimezone(self._timezone),
        )

    def _order(self, tx: Tx, job: Job) -> tuple[Order, str]:
        """What the ticket speaks of: the job's own snapshot, or for a void the one that it takes back."""
        if job.kind is not JobKind.CANCEL:
            return READ_UPSERT.decode(job.payload).order, ""
        event = msgspec.json.decode(job.payload, type=dict[str, Any])
        is_cancel = "items" not in event["order"]
        before = None if job.order_pk is None else orders.snapshot(tx, job.order_pk, job.rev + is_cancel)
        reason = str(event.get("reason") or "") if is_cancel else ""
        if before is None:
            subject = msgspec.convert(event["order"], CanceledOrder)
            before = Order(id=subject.id, rev=subject.rev, channel=subject.channel, items=[])
        return before, reason


def _mark(job: Job, printer: Printer) -> Mark | None:
    """The piece to be thrown away hangs at the ticket's own printer: elsewhere what lies above is another ticket."""
    elsewhere = job.mark is Mark.DISCARD_PIECE_ABOVE and job.home != printer.name
    return Mark.POSSIBLE_DUPLICATE if elsewhere else job.mark
