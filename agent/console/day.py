"""Day: how it went today, and in the last two weeks; as tables for a spreadsheet too."""

import csv
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import closing
from datetime import date, datetime, timedelta
from io import StringIO
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from agent.console.chart import HEIGHT, WIDTH, bars
from agent.console.daybook import Day, Daybook, limits, waits
from agent.console.pages import words
from agent.console.ticketwords import ORDERS
from agent.journal import days
from agent.journal.days import Came, Made, Raised
from agent.model.job import Mark
from agent.overview.state import Words
from agent.tickets.kitchenboard import DAY_BEGINS

if TYPE_CHECKING:
    from agent.console.window import View

BEFORE = 14
_FIRST_HOUR = int(DAY_BEGINS.total_seconds()) // 3600
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_BOM = "\ufeff"


class Fault(msgspec.Struct, frozen=True):
    """What needed a person, in words; times are as the journal has them, `until` is "" while it still does."""

    what: Words
    since: str
    until: str
    minutes: int | None


class DayPage:
    """The page; `?day=2026-11-22` shows a day that is over."""

    def __init__(self, view: "View") -> None:
        self._view = view
        self._book = Daybook(view.rooms.journal.reader, view.rooms.clock)

    def routes(self) -> list[BaseRoute]:
        """For the application."""
        return [
            Route("/day", self._page, methods=["GET"]),
            Route("/day/board", self._page, methods=["GET"]),
            Route("/day/before", self._before, methods=["GET"]),
            Route("/day/orders.csv", self._orders, methods=["GET"]),
            Route("/day/days.csv", self._days, methods=["GET"]),
        ]

    def _page(self, request: Request) -> Response:
        zone, today = self._zone(), self._book.today(self._zone())
        asked = self._asked(request)
        day = self._book.look(asked, zone)
        whole = request.url.path == "/day"
        return self._view.pages.page(
            request,
            "day.html" if whole else "day-board.html",
            day=day,
            today=today,
            earlier=asked - timedelta(days=1),
            later=asked + timedelta(days=1) if asked < today else None,
            bars=bars(day.hours, _FIRST_HOUR),
            chart=(WIDTH, HEIGHT),
            faults=[_fault(alarm) for alarm in day.alarms],
        )

    def _before(self, request: Request) -> Response:
        """The days before: it may take a moment to count them for the first time."""
        return self._view.pages.page(request, "day-before.html", days=self._last(BEFORE + 1)[1:])

    def _orders(self, request: Request) -> Response:
        """Each order of a day, a line each."""
        day, zone, t = self._asked(request), self._zone(), words(request)
        since, until = limits(day, zone)
        with closing(self._view.rooms.journal.reader()) as reader:
            orders = list(days.orders(reader, since, until))
            tickets = defaultdict[int, list[Made]](list)
            for ticket in days.tickets(reader, since, until):
                tickets[ticket.order_pk].append(ticket)
        head = [t("来单时间", "received"), t("渠道", "channel"), t("单号", "number"), t("订单编号", "order id")]
        head += [
            t("状态", "state"),
            t("小票", "tickets"),
            t("补打", "reprints"),
            t("出纸用时（秒）", "seconds to paper"),
        ]
        rows = [self._row(order, tickets[order.pk], zone, request) for order in orders]
        return _csv(f"orders-{day}.csv", [head, *rows])

    def _row(self, order: Came, tickets: Sequence[Made], zone: ZoneInfo | None, request: Request) -> list[object]:
        came = datetime.fromisoformat(order.at).astimezone(zone)
        state = words(request)(*ORDERS.get(order.state, (order.state, order.state)))
        printed = [ticket for ticket in tickets if ticket.printed]
        again = sum(ticket.mark is not None for ticket in printed)
        all_there = waits(ticket for ticket in printed if ticket.mark is not Mark.ASKED).most
        facts = [f"{came:%Y-%m-%d %H:%M:%S}", order.channel, order.no, order.order, state]
        return [*facts, len(printed), again, _seconds(all_there)]

    def _days(self, request: Request) -> Response:
        """The last two weeks, a line a day."""
        t = words(request)
        head = [t("日期", "day"), t("订单", "orders"), t("取消", "cancelled"), t("菜品", "items"), t("小票", "tickets")]
        head += [t("出纸中位（秒）", "median seconds to paper"), t("95%（秒）", "95 % (seconds)")]
        head += [t("有人要求补打", "reprints asked for"), t("自动补打", "reprinted in doubt"), t("存疑", "doubts")]
        rows = [
            [
                *(day.day, day.orders, day.canceled, day.items, day.tickets),
                *(_seconds(day.waits.median), _seconds(day.waits.most)),
                *(day.asked, day.again, day.doubts, day.faults),
            ]
            for day in self._last(BEFORE + 1)
        ]
        return _csv("days.csv", [[*head, t("报警", "alarms")], *rows])

    def _last(self, most: int) -> list[Day]:
        zone = self._zone()
        today = self._book.today(zone)
        return [self._book.look(today - timedelta(days=back), zone) for back in range(most)]

    def _zone(self) -> ZoneInfo | None:
        """The shop's; None is the machine's own."""
        name = self._view.window.config().timezone
        return ZoneInfo(name) if name else None

    def _asked(self, request: Request) -> date:
        """The day in the address; today, where it says none, or one to come."""
        today = self._book.today(self._zone())
        try:
            asked = date.fromisoformat(request.query_params.get("day", ""))
        except ValueError:
            return today
        return min(asked, today) if asked.year >= 2000 else today


def _fault(alarm: Raised) -> Fault:
    from agent.report.alarmtext import sentence  # only who looks pays for it

    minutes = None
    if alarm.until:
        took = datetime.fromisoformat(alarm.until) - datetime.fromisoformat(alarm.since)
        minutes = max(0, round(took.total_seconds() / 60))
    return Fault(Words(*sentence(alarm.key).what), alarm.since, alarm.until, minutes)


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def _csv(name: str, rows: Iterable[Sequence[object]]) -> Response:
    """A table that a spreadsheet opens: what it would take for a formula, from a customer's hand, is text."""
    text = StringIO()
    writer = csv.writer(text)
    for row in rows:
        cells = map(str, row)
        writer.writerow(f"'{cell}" if cell.startswith(_FORMULA) else cell for cell in cells)
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return Response((_BOM + text.getvalue()).encode(), media_type="text/csv; charset=utf-8", headers=headers)
