"""A job becomes bytes: the order as the ledger has it, laid out, typeset and encoded for its printer."""

from collections.abc import Callable, Sequence
from copy import copy
from datetime import datetime, timedelta, tzinfo
from typing import Any, NamedTuple

import msgspec

from agent.config import Printer
from agent.encode.escpos import Encoded, encode
from agent.encode.typeset import typeset
from agent.errors import AgentError
from agent.journal import jobs, orders
from agent.journal.file import Tx
from agent.journal.told import base, last_order, shares
from agent.model.job import Job, JobKind, Mark
from agent.model.layout import Code, Image, Layout, Printed
from agent.model.link import SerialLink, TcpLink
from agent.model.order import READ_RAW, READ_UPSERT, CanceledOrder, Order
from agent.model.profile import PROFILES
from agent.model.readycode import ready_code
from agent.model.station import Station
from agent.model.ticket import (
    IDENTIFY,
    PAPER,
    READ_NOTICE,
    READ_SHARE,
    READ_SUMMARY,
    TEST,
    WELCOME,
    Arrival,
    ChangeKind,
    Language,
    Notice,
    Portion,
    Share,
    Ticket,
)
from agent.tickets.changes import changed_facts, compare, trace
from agent.tickets.engine import TemplateError
from agent.tickets.news import only
from agent.tickets.pages import NARROW, identify_page, paper_page
from agent.tickets.raw import ready_made
from agent.tickets.routing import route
from agent.tickets.subject import Alarm, Expo, Subject, Welcome
from agent.tickets.template import Book, shipped

_WHOLE_ANEW = ("receipt",)
"""Whoever holds one of these holds all that counts: a revision of it is another whole one."""

BAND_S = 0.7
"""On a serial line a band of a picture takes no longer: a question fits between two within `sending.MARK_EACH_S`."""

_LABEL = "label"
_QUICK_BLOCKS = 300


class NotQuick(AgentError):
    """Somebody waits who must not wait for this ticket: render it elsewhere."""


class _Page(NamedTuple):
    layout: Layout
    drawer: bool = False
    beep: bool = False


class Press:
    """What every ticket of the shop is rendered with."""

    def __init__(
        self,
        language: str,
        timezone: tzinfo,
        troubled: Callable[[str], str] = lambda _: "",
        stations: Sequence[Station] = (),
        book: Callable[[], Book] = shipped,
        failed: Callable[[TemplateError], None] = lambda _: None,
        shop: str = "",
        timeless: Callable[[], bool] = lambda: False,
        ready_code: bool = False,
    ) -> None:
        self.ready_code = ready_code
        self._shop = shop
        self._timeless = timeless
        self._language = Language(language)
        self._timezone = timezone
        self._troubled = troubled
        self._stations = {station.name: station for station in stations}
        self._book = book
        self._failed = failed

    def render(self, tx: Tx, job: Job, printer: Printer, now: datetime, *, quickly: bool = False) -> Encoded:
        """The ticket's bytes, from feed to cut. Reads the ledger and, where one changed, a template's file.

        `quickly`: only what takes no time; NotQuick for what has to be drawn or is long. Raises TooLong.
        """
        if job.kind is JobKind.NOTICE and READ_NOTICE.decode(job.share).trouble == PAPER:
            return paper_test(printer, quickly=quickly)
        page = self._page(tx, job, printer, now)
        rows = (quick_rows if quickly else typeset)(page.layout, printer.width, charset=printer.charset)
        profile = PROFILES[printer.profile]
        beep, drawer = printer.beep or page.beep, page.drawer and printer.drawer and printer.role == "counter"
        line = printer.link.bytes_per_s if isinstance(printer.link, SerialLink | TcpLink) else 0.0
        most_band = int(BAND_S * line) or None
        return encode(
            rows, printer.width, dots=printer.dots, profile=profile, beep=beep, drawer=drawer, most_band=most_band
        )

    def layout(self, tx: Tx, job: Job, printer: Printer, now: datetime) -> Layout:
        """The ticket as a person reads it, but for a `PAPER` page, which is no layout. Reads as `render` does."""
        return self._page(tx, job, printer, now).layout

    def business_day(self, now: datetime) -> str:
        """The day whose running numbers count now: it ends at four in the morning, when the last shop is closed."""
        return (now.astimezone(self._timezone) - timedelta(hours=4)).date().isoformat()

    def speak(self, language: str) -> None:
        """From now on in this language."""
        self._language = Language(language)

    def trying(self, book: Book, failed: Callable[[TemplateError], None], station: Station, language: str) -> "Press":
        """Another one, with other templates and a station that prints by them: for who only looks."""
        other = copy(self)
        other._book, other._failed, other._language = lambda: book, failed, Language(language)
        other._stations = {**self._stations, station.name: station}
        return other

    def _page(self, tx: Tx, job: Job, printer: Printer, now: datetime) -> _Page:
        here, width = now.astimezone(self._timezone), printer.width
        match job.kind:
            case JobKind.NOTICE:
                notice = READ_NOTICE.decode(job.share)
                if notice.trouble == IDENTIFY:
                    return _Page(identify_page(printer.name, str(printer.link), here, self._language), beep=True)
                if notice.trouble in (TEST, WELCOME):
                    page = Welcome(
                        self._shop or "shop-agent",
                        printer.name,
                        notice.link,
                        notice.code,
                        notice.checks,
                        self._language,
                        here,
                    )
                    return _Page(self._set("welcome", page, width))
                return _Page(self._set("alarm", self._alarm(tx, notice, here), width))
            case JobKind.SUMMARY:
                summary = READ_SUMMARY.decode(job.share)
                summary = msgspec.structs.replace(summary, language=self._language, printed_at=here)
                return _Page(self._set("summary", summary, width))
            case JobKind.RAW:
                ticket = self._ticket(tx, job, printer, here, Share((), ()))
                marked = ready_made(READ_RAW.decode(job.share), ticket, width, self._book().images)
                return _Page(marked.layout, marked.drawer and job.mark is None, marked.beep)
        return self._order_page(tx, job, self._ticket(tx, job, printer, here, READ_SHARE.decode(job.share)), width)

    def _order_page(self, tx: Tx, job: Job, ticket: Ticket, width: int) -> _Page:
        if job.kind is JobKind.AMEND and self._like(self._station(job.station).template) not in _WHOLE_ANEW:
            ticket = self._compared(tx, job, ticket)
        return self.page(ticket, width)

    def page(self, ticket: Ticket, width: int) -> _Page:
        """An order's ticket, with the template that its station or what became of the order asks for."""
        station = self._station(ticket.station)
        template, like = station.template, self._like(station.template)
        if like in _WHOLE_ANEW:
            ticket = msgspec.structs.replace(ticket, before=None, changes=(), changed_facts=())
        if ticket.kind is JobKind.CANCEL:
            template = "cancel"
        elif ticket.before is not None and like == _LABEL:
            return _Page(self._relabelled(ticket, template, width))
        elif ticket.before is not None:
            return _Page(self._set("changes", self._of_pass(ticket) if station.shows == "all" else ticket, width))
        elif station.shows == "all" and like not in _WHOLE_ANEW:
            return _Page(self._set(template, self._of_pass(ticket), width))
        return _Page(self._set(template, ticket, width), ticket.kind is JobKind.ORDER and ticket.mark is None)

    def _station(self, name: str) -> Station:
        return self._stations.get(name, Station(name))

    def _like(self, template: str) -> str:
        """The agent's own template that a shop's one is, or builds on."""
        return self._book().base(template)

    def _of_pass(self, ticket: Ticket) -> Expo:
        earlier = () if ticket.before is None else self._shares(ticket.before)
        return Expo(ticket, self._shares(ticket.order), earlier)

    def _relabelled(self, ticket: Ticket, template: str, width: int) -> Layout:
        """What changed, and a label for each cup or box that is new or other than it was."""
        said = self._set("changes", ticket, width)
        portions = tuple(
            only(c.portion, c.by) if c.kind is ChangeKind.ADDED and c.by else c.portion
            for c in ticket.changes
            if c.kind is not ChangeKind.REMOVED
        )
        if not portions:
            return said
        labels = msgspec.structs.replace(ticket, kind=JobKind.ORDER, portions=portions, before=None, changed_facts=())
        return Layout((*said.blocks, *self._set(template, labels, width).blocks))

    def _set(self, template: str, subject: Subject, width: int) -> Layout:
        layout, error = self._book().layout(template, subject, width)
        if error is not None:
            self._failed(error)
        return layout

    def _shares(self, order: Order) -> tuple[tuple[str, tuple[Portion, ...]], ...]:
        makers = [station for station in self._stations.values() if station.shows == "own"]
        return tuple((name, tuple(portions)) for name, portions in route(order, makers).items())

    def _alarm(self, tx: Tx, notice: Notice, here: datetime) -> Alarm:
        held = [orders.order_ref(tx, job.order_pk) for job in jobs.in_flight(tx, notice.about) if job.order_pk]
        numbers = [notice.order] if notice.order else [ref.no or ref.id for ref in held]
        return Alarm(notice, tuple(numbers), jobs.waiting(tx).get(notice.about, 0), self._language, here)

    def _ticket(
        self,
        tx: Tx,
        job: Job,
        printer: Printer,
        here: datetime,
        share: Share,
    ) -> Ticket:
        order, reason = self._order(tx, job)
        arrival = Arrival() if job.kind is JobKind.CANCEL else share.arrival
        home = self._stations[job.station].printer if job.station in self._stations else None
        home = home or job.home  # a person may have moved it away from its station's printer
        away, makes = home != printer.name, job.station in share.stations
        return Ticket(
            order=order,
            portions=share.portions,
            station=job.station,
            kind=job.kind,
            reason=reason,
            mark=_mark(tx, job, printer),
            attempt=job.attempt + 1,
            copy=job.copy,
            copies=job.copies,
            number=job.number,
            part=share.stations.index(job.station) + 1 if makes else 1,
            parts=len(share.stations) if makes else 1,
            printed_for=job.station if away else "",
            printed_for_why=self._troubled(home) if away else "",
            also_at=tuple(name for name in share.stations if makes and name != job.station),
            language=self._language,
            printed_at=here,
            original_at=datetime.fromisoformat(_first_made(tx, job)).astimezone(self._timezone),
            timeless=order.release_at is not None and self._timeless(),
            late=arrival.late,
            missing=arrival.missing,
            old=arrival.old,
            ready_code=self._ready_code(job),
        )

    def _ready_code(self, job: Job) -> str:
        """The same on every copy and reprint of what a station makes at a revision."""
        if not self.ready_code or job.kind not in (JobKind.ORDER, JobKind.AMEND):
            return ""
        return ready_code(job.channel, job.order_id, job.station, job.rev)

    def _compared(self, tx: Tx, job: Job, ticket: Ticket) -> Ticket:
        """A revision against what is on paper at its station. Where that is not certain the whole order is printed."""
        known, certain = base(tx, job)
        if not certain:
            return ticket
        if known is None:
            return msgspec.structs.replace(ticket, kind=JobKind.ORDER)
        before = READ_UPSERT.decode(known.payload).order
        changes = compare(READ_SHARE.decode(known.share).portions, ticket.portions)
        facts = changed_facts(before, ticket.order)
        if not (changes or facts):
            return ticket
        was, now = (
            _by_station(shares(tx, job.order_pk or 0, known.rev)),
            _by_station(shares(tx, job.order_pk or 0, job.rev)),
        )
        return msgspec.structs.replace(
            ticket, before=before, changes=trace(changes, job.station, was, now), changed_facts=facts
        )

    def _order(self, tx: Tx, job: Job) -> tuple[Order, str]:
        """What the ticket speaks of: the job's own snapshot, or for a void the one that it takes back."""
        if job.kind in (JobKind.ORDER, JobKind.AMEND):
            return READ_UPSERT.decode(job.payload).order, ""
        event = msgspec.json.decode(job.payload, type=dict[str, Any])
        if job.kind is JobKind.RAW:
            return Order(id=job.order_id, rev=0, channel=job.channel, items=[]), ""
        is_cancel = job.kind is JobKind.CANCEL and orders.is_cancel(tx, job.id)
        told = last_order(tx, job)
        newest = job.rev + is_cancel
        before = READ_UPSERT.decode(told).order if told else orders.snapshot(tx, job.order_pk or 0, newest)
        reason = str(event.get("reason") or "") if is_cancel else ""
        if before is None:
            subject = msgspec.convert(event["order"], CanceledOrder)
            before = Order(id=subject.id, rev=subject.rev, channel=subject.channel, items=[])
        return before, reason


def paper_test(printer: Printer, *, quickly: bool = False) -> Encoded:
    """The page for the width of its paper and its characters: of neither setting is anything believed."""
    if quickly:
        raise NotQuick
    return encode(paper_page(printer.name), NARROW, profile=PROFILES[printer.profile])


def quick_rows(layout: Layout, width: int, *, charset: str) -> tuple[Printed, ...]:
    """The layout's rows; raises NotQuick where something of it has to be drawn, or it is long."""
    if len(layout.blocks) > _QUICK_BLOCKS or any(isinstance(block, Code | Image) for block in layout.blocks):
        raise NotQuick
    return typeset(layout, width, charset=charset, drawable=_not_quickly)


def _not_quickly(_: str) -> bool:
    raise NotQuick


def _by_station(found: dict[str, bytes]) -> dict[str, tuple[Portion, ...]]:
    return {station: READ_SHARE.decode(share).portions for station, share in found.items()}


def _first_made(tx: Tx, job: Job) -> str:
    return job.created_at if job.mark is None else jobs.first_made(tx, job)


def _mark(tx: Tx, job: Job, printer: Printer) -> Mark | None:
    """The piece to be thrown away hangs at the ticket's own printer, and only if nothing came out there since."""
    if job.mark is not Mark.DISCARD_PIECE_ABOVE:
        return job.mark
    (last,) = tx.execute("SELECT max(print_number) FROM jobs WHERE printer = ?", (printer.name,)).fetchone()
    elsewhere = job.home != printer.name or job.print_number != last
    return Mark.POSSIBLE_DUPLICATE if elsewhere else job.mark
