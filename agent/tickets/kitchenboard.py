"""The kitchen's screen as plain values, ready to be placed: a card an order, and what was finished last. Pure.

Dishes, modifiers and notes read as they do on paper.
"""

from datetime import UTC, datetime, timedelta

import msgspec

from agent.model.kitchen import OpenOrder, OpenPart, Seen, Where
from agent.model.order import READ_UPSERT, Order
from agent.model.ticket import READ_SHARE, Arrival, Language, Share
from agent.tickets.context import allergies_of, place_of
from agent.tickets.dishes import Dish, dishes, paragraph
from agent.tickets.words import held_until, table, when

DAY_BEGINS = timedelta(hours=4)
"""After midnight: when the last shop is closed."""
LATEST = timedelta(hours=6)
"""Also after that an order of so recently is still to be made."""
HOT_S, WARM_S = 600, 300
"""After so long an order without a time of its own is late; so long before that somebody should look."""


class Line(msgspec.Struct, frozen=True):
    """A dish, or with `depth` a part of one. `more` is what only some have: seat, set meal, other stations."""

    name: str
    name2: str
    qty: str
    depth: int
    mods: str
    note: list[str]
    more: list[str]


class Corner(msgspec.Struct, frozen=True):
    """What one station makes of an order. `again`: it was finished, and has changed since."""

    station: str
    ticket: int
    where: Where
    finished: bool
    again: bool
    since: str
    age_s: int
    lines: list[Line]


class Card(msgspec.Struct, frozen=True):
    """An order. `old` is its age in minutes when it came, where that was past the rule; `missing` is what should have
    come before it. At the age `warm_s` somebody should look, at `hot_s` it is late.
    """

    order: str
    channel: str
    no: str
    place: str
    rush: bool
    due: str
    held_until: str
    late: bool
    old: int
    missing: str
    allergies: str
    note: list[str]
    corners: list[Corner]
    age_s: int
    warm_s: int
    hot_s: int


class Done(msgspec.Struct, frozen=True):
    """A part that was finished; `ticket` calls it back."""

    order: str
    channel: str
    no: str
    station: str
    ticket: int
    at: str
    age_s: int
    who: str


class Board(msgspec.Struct, frozen=True):
    """The whole screen. `stations` are those that have something to make; `more` orders may not be on it."""

    cards: list[Card]
    done: list[Done]
    stations: list[str]
    more: int


def board(seen: Seen, now: datetime, language: Language, station: str = "") -> Board:
    """All cards, or those with something to make at one station. `now` is in the shop's time zone."""
    cards = [_card(order, now, language) for order in seen.orders]
    stations = sorted({corner.station for card in cards for corner in card.corners if not corner.finished})
    if station:
        cards = [card for card in cards if any(c.station == station and not c.finished for c in card.corners)]
    done = [
        Done(
            each.order,
            each.channel,
            each.no,
            each.station,
            each.ticket,
            each.bumped_at,
            _age_s(each.bumped_at, now),
            each.who,
        )
        for each in seen.done
        if station in ("", each.station)
    ]
    return Board(cards, done, stations, seen.more)


def day_began(now: datetime) -> datetime:
    """What was told before this is not cooked any more. `now` is in the shop's time zone."""
    local = now - DAY_BEGINS
    began = local.replace(hour=0, minute=0, second=0, microsecond=0) + DAY_BEGINS
    return min(began, now - LATEST).astimezone(UTC)


def _card(open_order: OpenOrder, now: datetime, language: Language) -> Card:
    order = READ_UPSERT.decode(open_order.payload).order
    shares = [READ_SHARE.decode(each.share) for each in open_order.parts]
    arrival = _arrival(shares)
    corners = [_corner(part, share, now, language) for part, share in zip(open_order.parts, shares, strict=True)]
    age_s = max((corner.age_s for corner in corners if not corner.finished), default=0)
    hot_s = HOT_S if order.due_at is None else age_s + _seconds_to(order.due_at, now)
    return Card(
        order=open_order.order,
        channel=open_order.channel,
        no=open_order.no,
        place=place_of(order, language),
        rush=order.rush,
        due=when(order.due_at, now),
        held_until=held_until(order.release_at, now, timeless=False),
        late=arrival.late,
        old=arrival.old,
        missing=", ".join(arrival.missing),
        allergies=allergies_of(order, language) if order.allergies else "",
        note=_note(order),
        corners=corners,
        age_s=age_s,
        warm_s=hot_s - WARM_S,
        hot_s=hot_s,
    )


def _corner(each: OpenPart, share: Share, now: datetime, language: Language) -> Corner:
    part = each.part
    return Corner(
        part.station,
        part.ticket,
        part.where,
        part.finished,
        part.again,
        each.since,
        _age_s(each.since, now),
        [_line(dish, table(language)) for dish in dishes(share.portions, language)],
    )


def _line(dish: Dish, words: dict[str, str]) -> Line:
    meal = dish.part_of and f"{words['part_of']}: {dish.part_of}"
    elsewhere = dish.elsewhere and f"{words['parts_at']}: {dish.elsewhere}"
    more = [dish.unrouted, meal, dish.each, elsewhere, dish.places]
    qty = dish.qty + dish.unit
    return Line(dish.name, dish.name2, qty, dish.depth, dish.mods, dish.note, [text for text in more if text])


def _note(order: Order) -> list[str]:
    return paragraph("\n".join([order.note or "", *order.unread])) if order.note or order.unread else []


def _arrival(shares: list[Share]) -> Arrival:
    """How any of its tickets came: a later revision comes on time."""
    return next((share.arrival for share in shares if share.arrival != Arrival()), Arrival())


def _seconds_to(moment: datetime, now: datetime) -> int:
    """Seconds until then, below 0 when it is past. A time without a zone is the shop's."""
    return int(((moment if moment.tzinfo else moment.replace(tzinfo=now.tzinfo)) - now).total_seconds())


def _age_s(at: str, now: datetime) -> int:
    """Seconds since then; 0 where the clock went back meanwhile."""
    return max(0, int((now - datetime.fromisoformat(at)).total_seconds()))
