"""Rules that bring dishes to stations: what they move is what was asked, as the kitchen itself routes orders."""

import copy
from collections.abc import Sequence
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from agent.console.stations import write_rules
from agent.model.dish import Dish
from agent.model.order import Item, Order
from agent.model.station import Match, Station
from agent.tickets.routing import route
from agent.tickets.sorting import homes, plan

WOK = Station("wok", default=True)
BAR = Station("bar", match=Match(category=["热饮"], sku=["X1"]))
PASTRY = Station("pastry")
SOY = Dish("豆浆", sku="D1", category="热饮")
TEA = Dish("奶茶", sku="D2", category="热饮")
BUN = Dish("包子", category="点心")
ROLL = Dish("花卷", category="点心")
STICK = Dish("油条")

_words = st.sampled_from(["a", "b", "ab", "bc", "c"])
_lists = st.lists(_words, max_size=2, unique=True)
_matches = st.builds(Match, sku=_lists, category=_lists, name=_lists)


@st.composite
def shops(draw: st.DrawFn) -> list[Station]:
    """Stations with any rules; the first is the default."""
    names = ["one", "two", "three"][: draw(st.integers(1, 3))]
    return [Station(name, default=name == "one", match=draw(_matches)) for name in names]


_dishes = st.lists(
    st.builds(
        Dish,
        _words,
        sku=_words | st.just(""),
        category=_words | st.just(""),
        station=st.sampled_from(["", "", "", "two", "gone"]),
    ),
    max_size=6,
    unique_by=lambda dish: dish.key,
)


def cooks(dish: Dish, stations: Sequence[Station]) -> str:
    """The station whose ticket has it."""
    item = Item(dish.name, 1, sku=dish.sku, category=dish.category, station=dish.station or None)
    (home,) = route(Order("1", 1, "test", [item]), stations)
    return home


def after(stations: Sequence[Station], rules: dict[str, Match]) -> list[Station]:
    """The stations with these rules."""
    return [msgspec.structs.replace(each, match=rules.get(each.name, each.match)) for each in stations]


@given(shops(), _dishes, st.lists(st.sampled_from(["one", "two", "three"]), min_size=6, max_size=6))
def test_what_is_planned_is_what_the_kitchen_does(
    stations: list[Station], dishes: list[Dish], targets: list[str]
) -> None:
    """Moved dishes are cooked where they shall be; along says all others that move; nothing else does."""
    known = {each.name for each in stations}
    wanted = {dish.key: to for dish, to in zip(dishes[::2], targets, strict=False) if to in known}
    planned = plan(dishes, stations, wanted)
    changed = after(stations, planned.rules)
    moved = {dish.key for dish in planned.moved}
    assert not moved & {dish.key for dish in planned.stuck}
    for dish in dishes:
        was, now = cooks(dish, stations), cooks(dish, changed)
        assert now == planned.homes.get(dish.key, "one")
        if dish.key in moved:
            assert now == wanted[dish.key]
        elif dish not in planned.along:
            assert now == was
    if not planned.moved:
        assert not planned.rules


@given(shops(), _dishes, st.sampled_from(["one", "two", "three"]))
def test_what_is_written_is_what_was_planned(stations: list[Station], dishes: list[Dish], to: str) -> None:
    """The file's tree gets just these rules, without an entry that stands at two stations."""
    if to not in {each.name for each in stations}:
        return
    planned = plan(dishes, stations, {dish.key: to for dish in dishes[:3]})
    match = [{kind: list(getattr(each.match, kind)) for kind in Match.__struct_fields__} for each in stations]
    tree: Any = {"stations": [{"name": each.name, "match": rules} for each, rules in zip(stations, match, strict=True)]}
    before = copy.deepcopy(tree)
    write_rules(tree, stations, planned.rules)
    written = [
        msgspec.structs.replace(
            each, match=Match(**{kind: found or [] for kind, found in (entry.get("match") or {}).items()})
        )
        for each, entry in zip(stations, tree["stations"], strict=True)
    ]
    for dish in dishes:
        assert cooks(dish, written) == planned.homes.get(dish.key, "one")
    if not planned.rules:
        assert tree == before


def test_a_category_goes_as_a_whole_where_all_of_it_moves() -> None:
    """Then what comes later in it goes along; else each dish by its number, else by its name."""
    dishes = [SOY, TEA, BUN, ROLL, STICK]
    both = plan(dishes, [WOK, BAR, PASTRY], {BUN.key: "pastry", ROLL.key: "pastry"})
    assert both.rules == {"pastry": Match(category=["点心"])}
    one = plan(dishes, [WOK, BAR, PASTRY], {BUN.key: "pastry", STICK.key: "pastry"})
    assert one.rules == {"pastry": Match(name=["包子", "油条"])}
    numbered = plan(dishes, [WOK, BAR, PASTRY], {SOY.key: "wok"})
    assert numbered.rules == {"wok": Match(sku=["D1"])}
    assert (numbered.moved, numbered.along, numbered.stuck) == ((SOY,), (), ())


def test_the_rest_of_a_category_makes_it_whole() -> None:
    """One by one or at once, it ends as the same rule, and single numbers are cleared away."""
    dishes = [SOY, TEA]
    first = plan(dishes, [WOK, BAR, PASTRY], {SOY.key: "pastry"})
    stations = after([WOK, BAR, PASTRY], first.rules)
    second = plan(dishes, stations, {TEA.key: "pastry"})
    assert second.rules["pastry"].category == ["热饮"]
    assert second.rules["bar"] == Match(sku=["X1"])
    assert homes(dishes, after(stations, second.rules)) == {SOY.key: "pastry", TEA.key: "pastry"}


def test_what_no_rule_can_tell_apart_stays_and_is_told() -> None:
    """A dish without a number, in a category that goes elsewhere: only the whole category can move."""
    plain = Dish("咖啡", category="热饮")
    planned = plan([plain, TEA], [WOK, BAR], {plain.key: "wok"})
    assert (planned.stuck, planned.moved, planned.rules) == ((plain,), (), {})
    named = Dish("米饭", station="bar")
    assert plan([named], [WOK, BAR], {named.key: "wok"}).stuck == (named,)


def test_what_goes_along_is_told() -> None:
    """A name is found in other names, too."""
    cake = Dish("油条夹心饼")
    planned = plan([STICK, cake], [WOK, PASTRY], {STICK.key: "pastry"})
    assert planned.rules == {"pastry": Match(name=["油条"])}
    assert planned.along == (cake,)


def test_a_part_of_a_set_meal_goes_with_it_unless_it_is_claimed() -> None:
    """It has a home of its own only where a rule says so."""
    meal = Dish("早餐套餐", sku="S1")
    part = Dish("饭团", within=meal)
    drink = msgspec.structs.replace(SOY, within=meal)
    stations = [WOK, BAR, PASTRY]
    assert homes([meal, part, drink], stations) == {drink.key: "bar"}
    planned = plan([meal, part, drink], stations, {meal.key: "pastry"})
    assert planned.homes == {meal.key: "pastry", part.key: "pastry", drink.key: "bar"}
    assert planned.along == (part,)
