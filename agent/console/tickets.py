"""Tickets, as paper: the newest, those that wait, and an order's by its number; and what a person does about them."""

import unicodedata
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import msgspec
from starlette.convertors import IntegerConvertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from agent.console import ticketwords
from agent.console.pictures import Pictures
from agent.console.ticketwords import Act, Said, Tone
from agent.journal import jobs, tickets
from agent.journal.file import Tx
from agent.journal.tickets import FoundOrder, Seen
from agent.model.job import FINAL, JobKind, JobState
from agent.model.ticket import READ_NOTICE
from agent.overview.state import Overview, PrinterNow, age_s

if TYPE_CHECKING:
    from agent.console.window import View

A_PAGE, MOST_ORDERS, MOST_OF_ORDER, MOST_DOUBTED = 24, 12, 6, 50
LONGEST_WORD = 200
_MOVABLE = (JobState.PENDING, JobState.HELD, JobState.UNCONFIRMED)


class _Key(IntegerConvertor):
    """Of a ticket or an order: Python reads no number of thousands of digits, and none has so many."""

    def convert(self, value: str) -> int:
        return int(value) if len(value) < 20 else tickets.NO_TICKET


register_url_convertor("key", _Key())


class Card(msgspec.Struct, frozen=True):
    """A ticket as it is shown. `at` is when it was printed, of one that is not when it was made; `picture` the name of
    its picture, `what` what it is besides an order's ticket.
    """

    ticket: Seen
    at: str
    state: Said
    tone: Tone
    why: Said
    what: Said
    mark: Said
    picture: str
    age_s: int | None
    acts: list[Act]
    movable: bool


class Group(msgspec.Struct, frozen=True):
    """Cards under an order's name, a title, or neither. `more`: so many are not shown."""

    order: FoundOrder | None
    cards: list[Card]
    more: int = 0
    title: Said = ("", "")


class Step(msgspec.Struct, frozen=True):
    """Something that happened to an order or a ticket."""

    at: str
    what: Said
    where: str = ""
    why: Said = ("", "")


class Tickets:
    """The pages: the list, and one order or ticket with all that happened to it."""

    def __init__(self, view: "View") -> None:
        self._view = view
        self._pictures = Pictures(view)

    def routes(self) -> list[BaseRoute]:
        """For the application."""
        return [
            Route("/tickets", self._list, methods=["GET"]),
            Route("/tickets/board", self._list, methods=["GET"]),
            Route("/tickets/{ticket:key}.png", self._pictures.answer, methods=["GET"]),
            Route("/tickets/order/{order:key}", self._order, methods=["GET"]),
            Route("/tickets/order/{order:key}/board", self._order, methods=["GET"]),
            Route("/tickets/{ticket:key}", self._ticket, methods=["GET"]),
            Route("/tickets/{ticket:key}/board", self._ticket, methods=["GET"]),
        ]

    # -- the list ------------------------------------------------------------------------------------------------

    def _list(self, request: Request) -> Response:
        asked = request.query_params
        said, only, before = asked_for(asked.get("q", "")), asked.get("only", ""), asked.get("before", "")
        start = int(before) if before.isascii() and before.isdigit() and len(before) < 16 else None
        now = self._view.window.overview()
        with closing(self._view.rooms.journal.reader()) as reader:
            if said:
                groups = [self._group(reader, order, now) for order in tickets.search(reader, said, MOST_ORDERS)]
                shown: list[Seen] = []
            else:
                look = tickets.waiting if only == "open" else tickets.newest
                shown = look(reader, start, A_PAGE + 1)
                groups = self._newest(reader, shown[:A_PAGE], now, first=start is None)
        filters = urlencode({"q": said, "only": only, "before": before})
        return self._view.pages.page(
            request,
            "tickets.html" if request.url.path == "/tickets" else "tickets-board.html",
            groups=groups,
            said=said,
            only=only,
            start=start,
            older=shown[A_PAGE - 1].id if len(shown) > A_PAGE else None,
            filters=filters,
            troubled=[printer for printer in now.printers if _is_stuck(printer)],
            **self._known(now),
        )

    def _newest(self, reader: Tx, shown: list[Seen], now: Overview, *, first: bool) -> list[Group]:
        """On the first page what a person must look at stands before all else, however old."""
        doubted = tickets.doubted(reader, MOST_DOUBTED) if first else []
        if not doubted:
            return [Group(None, self._cards(reader, shown, now))]
        others = [ticket for ticket in shown if ticket not in doubted]
        look, rest = ("请看这些", "Please look at these"), ("最新的", "Newest")
        groups = [Group(None, self._cards(reader, doubted, now), title=look)]
        return [*groups, Group(None, self._cards(reader, others, now), title=rest)] if others else groups

    def _group(self, reader: Tx, order: FoundOrder, now: Overview) -> Group:
        found = tickets.of_order(reader, order.pk)
        return Group(order, self._cards(reader, found[:MOST_OF_ORDER], now), max(0, len(found) - MOST_OF_ORDER))

    # -- one of them ---------------------------------------------------------------------------------------------

    def _order(self, request: Request) -> Response:
        key = request.path_params["order"]
        with closing(self._view.rooms.journal.reader()) as reader:
            order = tickets.find_order(reader, key) if key < tickets.NO_TICKET else None
            found = tickets.of_order(reader, key) if order is not None else []
            return self._one(request, reader, order, found)

    def _ticket(self, request: Request) -> Response:
        """Of an order's ticket its order is shown."""
        ticket = request.path_params["ticket"]
        with closing(self._view.rooms.journal.reader()) as reader:
            seen = tickets.find(reader, ticket) if ticket < tickets.NO_TICKET else None
            if seen is not None and seen.order_pk is not None:
                return RedirectResponse(f"/tickets/order/{seen.order_pk}#ticket-{ticket}", 303)
            return self._one(request, reader, None, [] if seen is None else [seen])

    def _one(self, request: Request, reader: Tx, order: FoundOrder | None, found: list[Seen]) -> Response:
        now = self._view.window.overview()
        whole = not request.url.path.endswith("/board")
        return self._view.pages.page(
            request,
            "ticket.html" if whole else "ticket-board.html",
            200 if order is not None or found else 404,
            here=request.url.path.removesuffix("/board"),
            order=order,
            cards=self._cards(reader, found, now),
            steps=steps(reader, order, found),
            again=any(ticket.state in FINAL and ticket.kind is not JobKind.NOTICE for ticket in found),
            **self._known(now),
        )

    # -- what both show ------------------------------------------------------------------------------------------

    def _known(self, now: Overview) -> dict[str, Any]:
        return {
            "orders": ticketwords.ORDERS,
            "printers": [printer.name for printer in now.printers],
            "needs": ticketwords.NEEDS,
        }

    def _cards(self, reader: Tx, found: Sequence[Seen], now: Overview) -> list[Card]:
        alarms = {alarm.key for alarm in now.alarms}
        return [self._card(reader, ticket, now, f"ticket:{ticket.id}" in alarms) for ticket in found]

    def _card(self, reader: Tx, ticket: Seen, now: Overview, alarmed: bool) -> Card:
        handlers = self._view.window.handlers
        state, tone = ticketwords.state_words(ticket)
        movable = ticket.state in _MOVABLE and bool(ticket.order) and len(now.printers) > 1 and "move" in handlers
        printed_at = tickets.printed_at(reader, ticket.id) if ticket.state is JobState.COMPLETED else ""
        return Card(
            ticket=ticket,
            at=printed_at or ticket.created_at,
            state=state,
            tone=tone,
            why=ticketwords.reason_words(ticket.reason),
            what=_what(reader, ticket),
            mark=("", "") if ticket.mark is None else ticketwords.MARKS[ticket.mark],
            picture=self._pictures.name(ticket),
            age_s=None if ticket.state in FINAL else age_s(ticket.created_at, datetime.fromisoformat(now.at)),
            acts=ticketwords.acts(ticket, handlers, alarmed),
            movable=movable,
        )


def asked_for(said: str) -> str:
    """What somebody typed to be looked for: as a telephone's Chinese keyboard writes it, or as it stands on paper."""
    return unicodedata.normalize("NFKC", said[:LONGEST_WORD]).strip().removeprefix("#").strip()


def steps(reader: Tx, order: FoundOrder | None, found: Sequence[Seen]) -> list[Step]:
    """All that happened, oldest first."""
    told = tickets.told(reader, order.pk) if order is not None else []
    known = {ticket.id: ticket for ticket in found}
    came = [
        Step(each.at, ticketwords.CAME.get(each.kind, ("", each.kind)), why=_revision(each.rev, each.kind))
        for each in told
    ]
    entered = [Step(each.created_at, ("小票排队", "ticket queued"), _where(each)) for each in found]
    went = [
        Step(
            move.at,
            ticketwords.move_words(move, known[move.ticket].evidence),
            _where(known[move.ticket]),
            ticketwords.reason_words(move.reason),
        )
        for move in tickets.moves(reader, list(known))
    ]
    return sorted([*came, *reversed(entered), *went], key=lambda step: step.at)


def _revision(rev: int, kind: str) -> Said:
    return ("", "") if kind == "raw" else (f"第 {rev} 版", f"revision {rev}")


def _where(ticket: Seen) -> str:
    return f"{ticket.station} → {ticket.printer}" if ticket.printer not in ("", ticket.station) else ticket.station


def _what(reader: Tx, ticket: Seen) -> Said:
    """What it is, where it is no plain ticket of an order."""
    if ticket.kind is not JobKind.NOTICE:
        return ticketwords.KINDS[ticket.kind]
    job = jobs.find(reader, ticket.id)
    trouble = READ_NOTICE.decode(job.share).trouble if job is not None else ""
    return ticketwords.NOTICES.get(trouble, ticketwords.KINDS[JobKind.NOTICE])


def _is_stuck(printer: PrinterNow) -> bool:
    """Do tickets wait there for something that a person can mend?"""
    return printer.waiting > 0 and (printer.paused or bool(printer.need) or printer.state in ("away", "other"))
