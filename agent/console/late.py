"""Orders that wait: after an outage those that came too late, and those of too many at once; and those for later. A
person says which are printed.
"""

from collections import defaultdict
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from agent import log
from agent.clock import stamp
from agent.console.app import address_of
from agent.console.pages import fields, words
from agent.console.rooms import Refusal
from agent.errors import AgentError
from agent.journal import undecided, waits
from agent.journal.undecided import Undecided
from agent.journal.waits import Why
from agent.model.order import READ_UPSERT, Order
from agent.overview.state import age_s
from agent.tickets.words import unit

if TYPE_CHECKING:
    from agent.console.window import View

MOST, MOST_UPCOMING, MOST_ITEMS = 200, 100, 6
WHY = {
    Why.OLD: ("来得太晚", "came too late"),
    Why.FLOOD: ("一下来得太多", "one of too many at once"),
    Why.FAILED: ("做不成小票", "can’t be made into tickets"),
    Why.UPCOMING: ("预订", "ordered in advance"),
}
_DONE = {"release": ("将打印", "will be printed"), "drop": ("不打印", "will not be printed")}
_READ_PICK = msgspec.json.Decoder(tuple[str, str])
_log = log.get("console")


class Row(msgspec.Struct, frozen=True):
    """An order as a person decides about it. `pick` names it, `at` is when it was placed (or came), `age_s` how long
    ago that was; `facts` are where it goes to, and what its guest says.
    """

    pick: str
    no: str
    channel: str
    why: Why
    at: str
    age_s: int
    until: str
    items: tuple[str, ...]
    more: int
    facts: tuple[str, ...]


class Late:
    """The page, and what its buttons do."""

    def __init__(self, view: "View") -> None:
        self._view = view

    def routes(self) -> list[BaseRoute]:
        """For the application."""
        return [
            Route("/late", self._page, methods=["GET"]),
            Route("/late/board", self._page, methods=["GET"]),
            Route("/late/print", self._print, methods=["POST"]),
            Route("/late/drop", self._drop, methods=["POST"]),
        ]

    def _page(self, request: Request) -> Response:
        now, t = self._view.rooms.clock.utc(), words(request)
        with closing(self._view.rooms.journal.reader()) as reader:
            rows = [row_of(each, now, t) for each in undecided.for_a_person(reader, MOST)]
            later = [row_of(each, now, t) for each in undecided.upcoming(reader, MOST_UPCOMING)]
            counts = waits.by_why(reader)
        name = "late.html" if request.url.path == "/late" else "late-board.html"
        count = sum(counts.get(why, 0) for why in waits.FOR_A_PERSON)
        return self._view.pages.page(
            request,
            name,
            rows=rows,
            later=later,
            count=count,
            more=count - len(rows),
            more_later=counts.get(Why.UPCOMING, 0) - len(later),
            why=WHY,
        )

    async def _print(self, request: Request) -> Response:
        return await self._decide(request, "release")

    async def _drop(self, request: Request) -> Response:
        return await self._decide(request, "drop")

    async def _decide(self, request: Request, what: str) -> Response:
        """Of each channel in one stroke, whatever becomes of another's; answered once it is on disk."""
        said = self._view.pages.said
        chosen = picks(await fields(request))
        if not chosen:
            return said(request, False, "请先勾选订单", "choose orders first", 422)
        zh, en = _DONE[what]
        done, refused_zh, refused = 0, [], []
        for asked in chosen:
            try:
                await self._view.acts.run(request, what, asked)
                done += len(asked.get("orders", ()))
            except AgentError as exc:
                _log.info("console.refused", what=what, reason=str(exc), address=address_of(request))
                refused_zh.append(getattr(exc, "zh", "") or str(exc))
                refused.append(str(exc))
        if "all" in chosen[0] and not refused:
            return said(request, True, f"全部{zh}", f"all of them {en}")
        parts_zh = [*([f"{done} 张订单{zh}"] if done else []), *refused_zh]
        parts = [*([f"{done} order{'s' if done > 1 else ''} {en}"] if done else []), *refused]
        return said(request, not refused, "；".join(parts_zh), "; ".join(parts), 409 if refused else 200)


def picks(sent: list[tuple[str, str]]) -> list[dict[str, Any]]:
    """What the handlers are asked, by channel: `all`, or each `pick` as a row has it. It means an id, and never another
    order that people call so. Raises Refusal 422.
    """
    if ("all", "1") in sent:
        return [{"all": True}]
    by_channel: dict[str, list[str]] = defaultdict(list)
    for name, value in sent:
        if name == "pick":
            try:
                channel, order = _READ_PICK.decode(value)
            except msgspec.MsgspecError as exc:
                raise Refusal(422, "an order is named by its channel and id") from exc
            by_channel[channel].append(order)
    return [{"orders": orders, "exact": True, "channel": channel} for channel, orders in by_channel.items()]


def row_of(waiting: Undecided, now: datetime, t: Callable[[str, str], str]) -> Row:
    """An order that waits, in short; `t` picks of two wordings."""
    order = READ_UPSERT.decode(waiting.payload).order if waiting.kind == "upsert" else None
    placed = order.placed_at if order is not None and order.placed_at is not None else None
    at = stamp(placed.astimezone(UTC)) if placed is not None else _told_at(waiting)
    items = [f"{item.name} ×{item.qty}{unit(item.unit)}" for item in order.items] if order is not None else []
    return Row(
        pick=msgspec.json.encode((waiting.channel, waiting.order)).decode(),
        no=waiting.no,
        channel=waiting.channel,
        why=waiting.why,
        at=at,
        age_s=age_s(at, now),
        until=waiting.until or "",
        items=tuple(items[:MOST_ITEMS]),
        more=max(0, len(items) - MOST_ITEMS),
        facts=tuple(_facts(order, t)) if order is not None else (),
    )


def _told_at(waiting: Undecided) -> str:
    """When an order was placed that does not say so: it came, and was so old then. One for later has its own time."""
    if not waiting.old or waiting.until is not None:
        return waiting.received_at
    return stamp(datetime.fromisoformat(waiting.received_at) - timedelta(minutes=waiting.old))


def _facts(order: Order, t: Callable[[str, str], str]) -> list[str]:
    table = "" if order.table in (None, "") else f"{t('桌', 'table')} {order.table}"
    pickup = "" if order.pickup_code in (None, "") else f"{t('取餐', 'pickup')} {order.pickup_code}"
    return [fact for fact in (table, pickup, *order.allergies, order.note or "") if fact]
