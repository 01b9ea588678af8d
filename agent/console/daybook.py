"""A day in numbers: how many orders, how soon on paper, and what went wrong. Pure, but for the days that are kept."""

import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from math import ceil

import msgspec

from agent.clock import Clock, stamp
from agent.journal import days
from agent.journal.days import Came, Made, Raised
from agent.journal.file import Tx
from agent.model.job import FINAL, JobState, Mark
from agent.model.order import quantity
from agent.tickets.kitchenboard import DAY_BEGINS

MOST_TOP = 20
FRESH_S, KEPT_S = 5.0, 600.0
"""So long today's numbers, and those of a day that is over, are good for everybody who asks."""


class Waits(msgspec.Struct, frozen=True):
    """How long tickets took to be on paper, in seconds; None where none did."""

    median: float | None
    most: float | None
    """19 of 20 were sooner."""


class Place(msgspec.Struct, frozen=True):
    """What one station had printed on one printer."""

    station: str
    printer: str
    tickets: int
    waits: Waits
    reprints: int
    doubts: int


class Dish(msgspec.Struct, frozen=True):
    """How much of it was ordered, in how many orders."""

    name: str
    qty: Decimal
    unit: str
    orders: int


class Day(msgspec.Struct, frozen=True, kw_only=True):
    """One business day. `hours` counts orders from the hour in which the day begins on; `reprints` are those that were
    asked for, and those that the agent made in doubt; `unprinted`: tickets that wait, and that can't be printed;
    `rejected`: orders that a person did not want printed, which are not among `orders`. `items` and `dishes` are what
    was sold: nothing of an order that was cancelled, or that still waits to be printed or not.
    """

    day: date
    orders: int
    canceled: int
    rejected: int
    items: int
    tickets: int
    unprinted: int
    waits: Waits
    asked: int
    again: int
    doubts: int
    faults: int
    hours: list[int]
    places: list[Place]
    dishes: list[Dish]
    alarms: list[Raised]


class _Item(msgspec.Struct):
    name: str
    qty: str | int
    unit: str | None = None


class _Order(msgspec.Struct):
    items: list[_Item] = []


class _Told(msgspec.Struct):
    order: _Order


_READ = msgspec.json.Decoder(_Told)


class Daybook:
    """The days as everybody who looks sees them: each is counted once for all of them."""

    def __init__(self, reader: Callable[[], Tx], clock: Clock) -> None:
        self._reader = reader
        self._clock = clock
        self._kept: dict[date, tuple[float, tzinfo | None, Day]] = {}
        self._lock = threading.Lock()

    def today(self, zone: tzinfo | None) -> date:
        """It ends at four in the morning, when the last shop is closed."""
        return (self._clock.utc().astimezone(zone) - DAY_BEGINS).date()

    def look(self, day: date, zone: tzinfo | None) -> Day:
        """The numbers of a day."""
        with self._lock:
            now = self._clock.monotonic()
            counted_at, of_zone, known = self._kept.get(day, (0.0, None, None))
            good_for = FRESH_S if day >= self.today(zone) else KEPT_S
            if known is not None and of_zone == zone and now - counted_at < good_for:
                return known
            since, until = limits(day, zone)
            with closing(self._reader()) as reader:
                came, made = days.orders(reader, since, until), days.tickets(reader, since, until)
                counted = count(day, zone, came, made, days.alarms(reader, since, until))
            self._kept[day] = (now, zone, counted)
            for old in sorted(self._kept)[:-40]:
                del self._kept[old]
            return counted


def limits(day: date, zone: tzinfo | None) -> tuple[str, str]:
    """When a business day begins and ends, in UTC, as the journal writes it."""

    def begins(which: date) -> str:
        local = datetime.combine(which, time(), zone) + DAY_BEGINS  # on the wall, whatever summer time does
        return stamp(local.astimezone(UTC))

    return begins(day), begins(day + timedelta(days=1))


def count(
    day: date, zone: tzinfo | None, orders: Iterable[Came], tickets: Iterable[Made], alarms: Sequence[Raised]
) -> Day:
    """One pass over a day's orders, and one over their tickets."""
    hours, dishes = [0] * 24, _Dishes()
    total = canceled = rejected = 0
    first_hour = int(DAY_BEGINS.total_seconds()) // 3600
    for order in orders:
        if order.state == "rejected":
            rejected += 1
            continue
        total += 1
        canceled += order.canceled
        hours[(datetime.fromisoformat(order.at).astimezone(zone).hour - first_hour) % 24] += 1
        if order.payload is not None and not order.canceled and order.state != "held":
            dishes.add(order.payload)
    places, unprinted = _by_place(tickets)
    made = [ticket for group in places.values() for ticket in group]
    again = Counter(ticket.mark is Mark.ASKED for ticket in made if ticket.mark is not None and ticket.printed)
    since, _ = limits(day, zone)
    return Day(
        day=day,
        orders=total,
        canceled=canceled,
        rejected=rejected,
        items=dishes.items,
        tickets=sum(bool(ticket.printed) for ticket in made),
        unprinted=unprinted,
        waits=waits(made),
        asked=again[True],
        again=again[False],
        doubts=sum(ticket.doubted for ticket in made),
        faults=sum(alarm.since >= since for alarm in alarms),
        hours=hours,
        places=[_place(*name, group) for name, group in sorted(places.items())],
        dishes=dishes.top(),
        alarms=list(alarms),
    )


def _by_place(tickets: Iterable[Made]) -> tuple[dict[tuple[str, str], list[Made]], int]:
    """What was or may have been printed, by station and printer; and how many tickets nobody has."""
    places, unprinted = defaultdict[tuple[str, str], list[Made]](list), 0
    for ticket in tickets:
        unprinted += ticket.state not in FINAL or ticket.state is JobState.ABORTED
        if ticket.printed or ticket.doubted:
            places[ticket.station, ticket.printer].append(ticket)
    return places, unprinted


def waits(tickets: Iterable[Made]) -> Waits:
    """From when a ticket was due until it was printed. A copy that was asked for counts for nothing, nor does what only
    a person saw; nor does one whose clock was set meanwhile.
    """
    took = sorted(
        seconds
        for ticket in tickets
        if ticket.printed and ticket.mark is not Mark.ASKED and ticket.evidence != "witnessed"
        if (seconds := _seconds(ticket.made, ticket.printed)) >= 0
    )
    if not took:
        return Waits(None, None)
    middle = len(took) // 2
    median = took[middle] if len(took) % 2 else (took[middle - 1] + took[middle]) / 2
    return Waits(median, took[ceil(0.95 * len(took)) - 1])


class _Dishes:
    """What was ordered. What is sold by weight is one item, however much of it."""

    def __init__(self) -> None:
        self.items = 0
        self._found: dict[tuple[str, str], tuple[Decimal, int]] = {}

    def add(self, payload: bytes) -> None:
        seen: set[tuple[str, str]] = set()
        for item in _READ.decode(payload).order.items:
            qty = quantity(item.qty) or Decimal(1)
            self.items += int(qty) if qty == qty.to_integral_value() else 1
            name = (item.name, item.unit or "")
            so_far, orders = self._found.get(name, (Decimal(0), 0))
            self._found[name] = (so_far + qty, orders + (name not in seen))
            seen.add(name)

    def top(self) -> list[Dish]:
        """Those of which most was ordered."""
        best = sorted(self._found.items(), key=lambda each: (-each[1][0], each[0]))[:MOST_TOP]
        return [Dish(name, qty, unit, orders) for (name, unit), (qty, orders) in best]


def _place(station: str, printer: str, tickets: Sequence[Made]) -> Place:
    printed = sum(bool(ticket.printed) for ticket in tickets)
    reprints = sum(ticket.mark is not None and bool(ticket.printed) for ticket in tickets)
    return Place(station, printer, printed, waits(tickets), reprints, sum(ticket.doubted for ticket in tickets))


def _seconds(since: str, until: str) -> float:
    return (datetime.fromisoformat(until) - datetime.fromisoformat(since)).total_seconds()
