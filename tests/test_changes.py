"""What a revision changes for a station: the truth table, and laws for any two orders."""

import time
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.model.order import Item, Modifier, Order, quantity
from agent.model.ticket import Change, ChangeKind, Portion
from agent.tickets.changes import FACTS, changed_facts, compare, trace

ADDED, REMOVED, ALTERED = ChangeKind.ADDED, ChangeKind.REMOVED, ChangeKind.ALTERED
Row = tuple[str, ChangeKind, str, str | None]


def dish(name: str, qty: str | int = 1, **rest: Any) -> Portion:
    return Portion(Item(name, qty, **rest))


def row(change: Change) -> Row:
    """Dish, kind, by how many, and how many there were."""
    return change.portion.item.name, change.kind, change.by, str(change.before.item.qty) if change.before else None


SET = Item("套餐", 2, id="S")
LESS_ICE, MORE_ICE = [Modifier("少冰")], [Modifier("多冰")]
NOODLES = dish("面", 2, id="L1")

TABLE: list[tuple[str, list[Portion], list[Portion], list[Row]]] = [
    ("nothing", [NOODLES], [NOODLES], []),
    ("a new dish", [NOODLES], [NOODLES, dish("饼", 3, id="L2")], [("饼", ADDED, "3", None)]),
    ("a dish less", [NOODLES, dish("饼", 3, id="L2")], [NOODLES], [("饼", REMOVED, "3", None)]),
    ("more of it", [NOODLES], [dish("面", 5, id="L1")], [("面", ADDED, "3", "2")]),
    ("fewer of it", [NOODLES], [dish("面", 1, id="L1")], [("面", REMOVED, "1", "2")]),
    ("weighed more", [dish("鱼", "0.75", id="F")], [dish("鱼", "1.20", id="F")], [("鱼", ADDED, "0.45", "0.75")]),
    ("the same number written otherwise", [NOODLES], [dish("面", "2.0", id="L1")], []),
    (
        "another modifier",
        [dish("茶", 1, id="T", mods=LESS_ICE)],
        [dish("茶", 1, id="T", mods=MORE_ICE)],
        [("茶", ALTERED, "", "1")],
    ),
    (
        "another modifier and more of it",
        [dish("茶", 1, id="T", mods=LESS_ICE)],
        [dish("茶", 3, id="T", mods=MORE_ICE)],
        [("茶", ALTERED, "2", "1")],
    ),
    ("a note", [NOODLES], [dish("面", 2, id="L1", note="不要葱")], [("面", ALTERED, "", "2")]),
    ("a blank note is no note", [NOODLES], [dish("面", 2, id="L1", note=" ")], []),
    ("another seat", [dish("面", 1, id="L1", seat=1)], [dish("面", 1, id="L1", seat="2")], [("面", ALTERED, "", "1")]),
    ("another dish on the same line", [NOODLES], [dish("饭", 2, id="L1")], [("饭", ALTERED, "", "2")]),
    ("a price is not the kitchen's", [dish("面", 2, price=100)], [dish("面", 2, price=200)], []),
    ("its line has another number", [NOODLES], [dish("面", 2, id="X9")], []),
    ("other numbers and one more", [NOODLES], [dish("面", 3, id="X9")], [("面", ADDED, "1", "2")]),
    (
        "other numbers and other modifiers are another dish",
        [dish("茶", 1, id="A", mods=LESS_ICE)],
        [dish("茶", 1, id="B", mods=MORE_ICE)],
        [("茶", REMOVED, "1", None), ("茶", ADDED, "1", None)],
    ),
    ("lines without numbers", [dish("面", 2)], [dish("面", 3)], [("面", ADDED, "1", "2")]),
    (
        "lines without numbers, another modifier",
        [dish("茶", 1, mods=LESS_ICE), dish("面", 1)],
        [dish("茶", 1, mods=MORE_ICE), dish("面", 1)],
        [("茶", ALTERED, "", "1")],
    ),
    (
        "two of the same name without numbers: what reads the same stays",
        [dish("茶", 1, mods=LESS_ICE), dish("茶", 1, mods=MORE_ICE)],
        [dish("茶", 1, mods=MORE_ICE)],
        [("茶", REMOVED, "1", None)],
    ),
    (
        "a number that stands twice is none",
        [dish("面", 1, id="L"), dish("饼", 1, id="L")],
        [dish("饼", 1, id="L")],
        [("面", REMOVED, "1", None)],
    ),
    ("only their order", [NOODLES, dish("饼", id="L2")], [dish("饼", id="L2"), NOODLES], []),
    (
        "first what is off",
        [dish("甲", id=1), dish("乙", id=2)],
        [dish("丙", id=3), dish("乙", id=2, note="x")],
        [("甲", REMOVED, "1", None), ("乙", ALTERED, "", "1"), ("丙", ADDED, "1", None)],
    ),
    (
        "more of the set meals around a part",
        [Portion(Item("汤", 1, id="P"), parents=(SET,))],
        [Portion(Item("汤", 1, id="P"), parents=(Item("套餐", 3, id="S"),))],
        [("汤", ADDED, "1", "1")],
    ),
    (
        "another part in a set meal",
        [dish("套餐", 1, id="S", children=[Item("汤", 1)])],
        [dish("套餐", 1, id="S", children=[Item("面", 1)])],
        [("套餐", ALTERED, "", "1")],
    ),
    (
        "a part that another station makes now",
        [Portion(SET, (dish("汤"), dish("茶")))],
        [Portion(SET, (dish("汤"),), ("bar",))],
        [("套餐", ALTERED, "", "2")],
    ),
]


@pytest.mark.parametrize(("before", "after", "rows"), [case[1:] for case in TABLE], ids=[case[0] for case in TABLE])
def test_what_a_revision_changes(before: list[Portion], after: list[Portion], rows: list[Row]) -> None:
    assert [row(change) for change in compare(before, after)] == rows


ORDER = Order("8812", 1, "alipay", [], no="42", table="7")
LATER = datetime.fromisoformat("2026-11-22T12:30:00+08:00")


@pytest.mark.parametrize(
    ("fact", "value"),
    [
        ("table", "9"),
        ("fulfil", "takeaway"),
        ("rush", True),
        ("release_at", LATER),
        ("due_at", LATER),
        ("note", "快"),
        ("allergies", ["花生"]),
        ("guests", 3),
        ("pickup_code", "A1"),
        ("cutlery", 2),
        ("no", "43"),
    ],
)
def test_facts_that_a_kitchen_reads(fact: str, value: object) -> None:
    changed = Order(**{name: getattr(ORDER, name) for name in Order.__struct_fields__} | {fact: value})
    assert changed_facts(ORDER, changed) == ("number" if fact == "no" else fact,)
    assert changed_facts(ORDER, ORDER) == ()
    assert len(FACTS) == 11


def test_facts_that_read_the_same_have_not_changed() -> None:
    one = Order("1", 1, "a", [], note=" ", table=7, allergies=["蛋", "奶"], total=100)
    other = Order("1", 2, "a", [], table="7", allergies=["奶", "蛋"], total=200, paid=True)
    assert changed_facts(one, other) == ()


def test_a_dish_that_moved_names_the_other_station() -> None:
    tea, soup = dish("茶", 2, id="T"), dish("汤", 1, id="P")
    before = {"wok": [tea, soup], "bar": [dish("水", id="W")]}
    after = {"wok": [soup], "bar": [dish("水", id="W"), tea]}
    (off,) = trace(compare(before["wok"], after["wok"]), "wok", before, after)
    (new,) = trace(compare(before["bar"], after["bar"]), "bar", before, after)
    assert (off.kind, off.elsewhere, new.kind, new.elsewhere) == (REMOVED, "bar", ADDED, "wok")


def test_a_dish_that_others_had_before_did_not_move() -> None:
    before = {"wok": [dish("茶")], "bar": [dish("茶")]}
    after: dict[str, list[Portion]] = {"wok": [], "bar": [dish("茶")]}
    (off,) = trace(compare(before["wok"], after["wok"]), "wok", before, after)
    assert off.elsewhere == ""


NAMES = st.sampled_from(["面", "茶", "饼"])
MODS = st.lists(st.builds(Modifier, st.sampled_from(["少冰", "多冰"])), max_size=1)
DISHES = st.builds(
    Item,
    NAMES,
    st.integers(1, 5),
    id=st.none() | st.sampled_from(["1", "2", "3", "4"]),
    mods=MODS,
    note=st.none() | st.just("辣"),
)
LISTS = st.lists(st.builds(Portion, DISHES), max_size=5)


def cooked(portions: list[Portion]) -> dict[tuple[str, str, str], Decimal]:
    """How many of what a kitchen makes of it."""
    made: dict[tuple[str, str, str], Decimal] = {}
    for portion in portions:
        key = portion.item.name, str(portion.item.mods), portion.item.note or ""
        made[key] = made.get(key, Decimal(0)) + (quantity(portion.item.qty) or 0)
    return {key: number for key, number in made.items() if number}


@settings(max_examples=400, deadline=None)
@given(LISTS, LISTS)
def test_who_follows_the_changes_cooks_what_the_order_says(before: list[Portion], after: list[Portion]) -> None:
    """A cook who knows only the first ticket and the changes ends up with the order as it is."""
    made = cooked(before)

    def cook(portion: Portion, number: Decimal) -> None:
        key = portion.item.name, str(portion.item.mods), portion.item.note or ""
        made[key] = made.get(key, Decimal(0)) + number

    for change in compare(before, after):
        if change.kind is ALTERED:
            assert change.before is not None
            cook(change.before, -Decimal(change.before.item.qty))
            cook(change.portion, Decimal(change.portion.item.qty))
        else:
            cook(change.portion, Decimal(change.by) * (1 if change.kind is ADDED else -1))
    assert {key: number for key, number in made.items() if number} == cooked(after)


@settings(max_examples=200, deadline=None)
@given(LISTS)
def test_nothing_changed_says_nothing(portions: list[Portion]) -> None:
    assert compare(portions, portions) == ()


def test_a_long_order_that_moves_is_traced_at_once() -> None:
    """Each dish is looked up, not compared with every other one."""
    many = [dish(f"菜{number}", note="x" * 100) for number in range(3000)]
    before, after = {"wok": many, "bar": []}, {"wok": [], "bar": [dish("茶"), *reversed(many)]}
    changes = compare(many, [])
    began = time.monotonic()
    traced = trace(changes, "wok", before, after)
    assert time.monotonic() - began < 3
    assert {change.elsewhere for change in traced} == {"bar"}


@pytest.mark.parametrize(
    ("off", "new", "moved"),
    [
        (dish("茶", id="T"), dish("茶", id="T"), True),
        (dish("茶", id="T"), dish("茶", id="U"), False),
        (dish("茶", id="T"), dish("红茶", id="T"), True),
        (dish("茶", id="T"), dish("茶"), True),
        (dish("茶"), dish("茶", id="T"), True),
        (dish("茶"), dish("茶", note="x"), False),
    ],
)
def test_the_same_dish_elsewhere(off: Portion, new: Portion, moved: bool) -> None:
    """By its line where both have a number, else by what is cooked."""
    before: dict[str, list[Portion]] = {"wok": [off], "bar": [dish("水", id="W")]}
    after: dict[str, list[Portion]] = {"wok": [], "bar": [dish("水", id="W"), new]}
    (change,) = trace(compare(before["wok"], []), "wok", before, after)
    assert change.elsewhere == ("bar" if moved else "")
