"""Which rules bring dishes to other stations, and what else these rules would move. Pure.

A category goes as a whole where all that was seen of it goes to one station; else a dish goes by its sku, and one
without by its name. The rules are those of routing.py, which has the last word: what a rule would not move as asked is
told, and left alone.
"""

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from agent.model.dish import Dish
from agent.model.station import Match, Station
from agent.tickets.routing import claims

_Rules = dict[str, dict[str, list[str]]]
"""By station: sku, category and name, each with its entries."""


class Plan(msgspec.Struct, frozen=True):
    """`rules` are those of the stations where they change; `homes` the station of each dish afterwards, by its key,
    without those that nobody claims. `moved` are the dishes that go as asked; `along` go too, though nobody asked;
    `stuck` can't be told from others by any rule, and stay.
    """

    rules: dict[str, Match] = {}
    homes: dict[str, str] = {}
    moved: tuple[Dish, ...] = ()
    along: tuple[Dish, ...] = ()
    stuck: tuple[Dish, ...] = ()


def homes(dishes: Sequence[Dish], stations: Sequence[Station]) -> dict[str, str]:
    """The station that has a claim to each dish, by the dish's key; a part of a set meal goes with the meal."""
    family = list(_with_parents(dishes))
    claimed = dict(zip((dish.key for dish in family), claims([dish.item for dish in family], stations), strict=True))
    found = {}
    for dish in dishes:
        each: Dish | None = dish
        while each is not None and claimed[each.key] is None:
            each = each.within
        if each is not None and (home := claimed[each.key]) is not None:
            found[dish.key] = home
    return found


def plan(dishes: Sequence[Dish], stations: Sequence[Station], wanted: Mapping[str, str]) -> Plan:
    """The rules by which each dish of `wanted` (by key) goes to the station named there."""
    before = homes(dishes, stations)
    own = {station.name for station in stations if station.shows == "own"}
    movable = {dish.key for dish in dishes if dish.station not in own}
    wish = {key: to for key, to in wanted.items() if key in movable and to in own and before.get(key) != to}
    refused: set[str] = {key for key in wanted if key not in movable}
    while True:
        changed = _changed(dishes, stations, wish, before)
        after = homes(dishes, changed)
        stuck = {key for key, to in wish.items() if after.get(key) != to}
        if not stuck:
            break
        refused |= stuck
        wish = {key: to for key, to in wish.items() if key not in stuck}
    was = {station.name: station.match for station in stations}
    return Plan(
        rules={each.name: each.match for each in changed if each.match != was[each.name]},
        homes=after,
        moved=tuple(dish for dish in dishes if dish.key in wish),
        along=tuple(dish for dish in dishes if dish.key not in wish and after.get(dish.key) != before.get(dish.key)),
        stuck=tuple(dish for dish in dishes if dish.key in refused),
    )


def _changed(
    dishes: Sequence[Dish], stations: Sequence[Station], wish: Mapping[str, str], before: Mapping[str, str]
) -> list[Station]:
    """The stations with rules that should do it."""
    rules: _Rules = {
        station.name: {name: list(getattr(station.match, name)) for name in Match.__struct_fields__}
        for station in stations
    }
    whole = _whole_categories(dishes, wish, before)
    for category, home in whole.items():
        _claim(rules, "category", category, home)
    for dish in dishes:
        to = wish.get(dish.key)
        if (home := whole.get(dish.category, "")) and home in (to, before.get(dish.key)):
            _release_elsewhere(rules, "sku", dish.sku, home)
        elif to is not None:
            _claim(rules, *(("sku", dish.sku) if dish.sku else ("name", dish.name)), to)
    return [msgspec.structs.replace(each, match=Match(**rules[each.name])) for each in stations]


def _whole_categories(dishes: Sequence[Dish], wish: Mapping[str, str], before: Mapping[str, str]) -> dict[str, str]:
    """Categories of which something moves, and all ends at one station. Parts of set meals follow either way."""
    ends: dict[str, set[str]] = {}
    moving = set()
    for dish in dishes:
        if dish.category and not dish.station and (dish.within is None or dish.key in wish):
            ends.setdefault(dish.category, set()).add(wish.get(dish.key) or before.get(dish.key, ""))
            moving |= {dish.category} if dish.key in wish else set()
    return {category: next(iter(to)) for category, to in ends.items() if category in moving and len(to) == 1}


def _claim(rules: _Rules, kind: str, value: str, to: str) -> None:
    """The entry stands at this station, and at no other."""
    if value not in rules[to][kind]:
        rules[to][kind].append(value)
    _release_elsewhere(rules, kind, value, to)


def _release_elsewhere(rules: _Rules, kind: str, value: str, to: str) -> None:
    for name, kinds in rules.items():
        if name != to and value in kinds[kind]:
            kinds[kind].remove(value)


def _with_parents(dishes: Sequence[Dish]) -> Iterator[Dish]:
    for dish in dishes:
        each: Dish | None = dish
        while each is not None:
            yield each
            each = each.within
