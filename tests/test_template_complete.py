"""A shop's own template that leaves a dish out is found out, also where its words stand elsewhere."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from agent.model.job import JobKind
from agent.model.order import Item, Modifier, Order
from agent.model.ticket import Change, ChangeKind, Language, Portion, Ticket
from agent.tickets.changes import changed_facts, compare
from agent.tickets.sample import samples
from tests.menu import NOON, of, order, own, pieces
from tests.test_shelf import Hands

LINE = "{{ d.name }} {{ d.qty }} {{ d.mods }}\n{% for l in d.note %}\n{{ l }}\n{% endfor %}"
TWICE = (Item("豆浆", 1), Item("小笼包", 2), Item("豆浆", 1), Item("小笼包", 2))
WITHIN = (*(Item(f"菜{number}", 1) for number in range(10, 18)), Item("菜1", 1), Item("菜10", 1))
IN_A_NOTE = (Item("粥", 1, note="豆浆 x1 另放", mods=[Modifier("加豆浆")]), Item("豆浆", 1))
LEAVES_OUT = {
    "the same again": ("{% for d in dishes|unique(attribute='name') %}" + LINE + "{% endfor %}", TWICE),
    "what was seen": (
        "{% set ns = namespace(seen='') %}{% for d in dishes %}{% if d.name not in ns.seen %}"
        + LINE
        + "{% set ns.seen = ns.seen ~ d.name %}{% endif %}{% endfor %}",
        TWICE,
    ),
    "whatever is beyond the eighth": ("{% for d in dishes[:8] %}" + LINE + "{% endfor %}", WITHIN),
    "what a note speaks of": ("{% for d in dishes if d.name != '豆浆' %}" + LINE + "{% endfor %}", IN_A_NOTE),
    "all but the first one's number": (
        "{% for d in dishes %}{{ d.name }} {{ dishes[0].qty }}\n{% endfor %}x2 x2",
        TWICE,
    ),
    "a long name's end": (
        "{% for d in dishes %}{{ d.name[:3] }} {{ d.qty }}\n{% endfor %}小笼包子",
        (Item("小笼包子", 1),),
    ),
}
SAYS_ALL = {
    "ours": "{% include 'shipped/kitchen.j2' %}",
    "columns": "#{{ number }}\n{% for d in dishes %}{{ d.name|pad(20) }}{{ d.qty|pad(6, 'right') }}\n{% endfor %}",
    "a macro": "#{{ number }}{% macro l(n, q) %}{{ n|trim ~ ' ' ~ q }}\n{% endmacro %}"
    "{% for d in dishes %}{{ l(d.name, d.qty) }}{% endfor %}",
    "a captured line": "#{{ number }}\n{% for d in dishes %}{% set l %}{{ d.qty }} {{ d.name|lower }}{% endset %}"
    "{{ l }}\n{% endfor %}",
    "sorted": "#{{ number }}\n{% for d in dishes|sort(attribute='name') %}{{ d.qty }} {{ d.name }}\n{% endfor %}",
    "groups": "#{{ number }}\n{% for g in groups %}{% for d in g.dishes %}{{ [d.name, d.qty]|join(' ') }}\n"
    "{% endfor %}{% endfor %}",
    "by what it is": "#{{ number }}\n{% for d in dishes %}{% if d.name == '豆浆' %}* {{ d.name }}{% else %}{{ d.name }}"
    "{% endif %} {{ d.qty }}\n{% endfor %}",
}
NAMES = st.sampled_from(["菜1", "菜10", "菜", "1", "x1", "豆浆", "豆浆油条", "A&B", "A"])
ITEMS = st.lists(st.builds(Item, NAMES, st.sampled_from(["1", "2", "12"])), min_size=1, max_size=8)


@pytest.mark.parametrize("what", LEAVES_OUT)
def test_a_ticket_that_leaves_out_a_dish_is_not_printed_so(what: str) -> None:
    """The plain one prints instead, with every dish, and the fault is told."""
    text, items = LEAVES_OUT[what]
    layout, error = own("#{{ number }}\n" + text).layout("kitchen", of(order(*items)), 48)
    assert error is not None
    assert "the ticket lacks" in str(error)
    paper = pieces(layout)[0].text
    assert "TEMPLATE ERROR" in paper
    assert all(paper.count(item.name) >= [each.name for each in items].count(item.name) for item in items)


@pytest.mark.parametrize("what", SAYS_ALL)
@pytest.mark.parametrize("items", [TWICE, WITHIN])
def test_a_template_that_says_all_of_it_prints(what: str, items: tuple[Item, ...]) -> None:
    """In whatever way, with no trace of how it was tried."""
    book, ticket = own(SAYS_ALL[what]), of(order(*items))
    first, second = (book.layout("kitchen", ticket, 48) for _ in range(2))
    assert (first[1], second) == (None, first)
    paper = pieces(first[0])[0].text
    assert all(item.name in paper for item in items)
    assert not any(0x13000 <= ord(letter) < 0x13400 for letter in paper)


@settings(deadline=None, max_examples=150)
@given(ITEMS, st.integers(0, 9), st.integers(0, 9))
@example([Item("菜10", "1"), Item("菜1", "1")], 1, 9)
def test_whichever_is_left_out_is_missed(items: list[Item], name: int, number: int) -> None:
    """A dish's name or number that is not printed, wherever its words stand besides; and nothing else is."""
    text = f"#{{{{ number }}}}\n{{% for d in dishes %}}{{% if loop.index0 != {name} %}}{{{{ d.name }}}}{{% endif %}}"
    text += f" {{% if loop.index0 != {number} %}}{{{{ d.qty }}}}{{% endif %}}\n{{% endfor %}}"
    text += "豆浆油条 菜10 x12 x2 x1 A&amp;B\n"
    error = own(text).layout("kitchen", of(order(*items)), 48)[1]
    assert (error is None) == (name >= len(items) and number >= len(items))


def test_a_change_that_is_left_out_is_missed() -> None:
    """Also where the same dish is added twice."""
    ticket = samples("changes")[0]
    portions = (Portion(Item("豆浆", "1")), Portion(Item("豆浆", "1")))
    twice = replace(ticket, changes=tuple(Change(ChangeKind.ADDED, portion, by="1") for portion in portions))
    assert own("{% include 'shipped/changes.j2' %}", "changes.j2").layout("changes", twice, 48)[1] is None
    once = "{% include 'shipped/_head.j2' %}{% include 'shipped/_warnings.j2' %}"
    once += "{% for c in changes|unique(attribute='sign') %}"
    error = own(once + "{{ c.sign }} {{ c.dish.name }} {{ c.by }}\n{% endfor %}", "changes.j2").layout(
        "changes", twice, 48
    )[1]
    assert error is not None
    assert "豆浆" in str(error)


TERSE = "#{{ number }}\n{% for c in changes %}{{ c.sign }} {{ c.by }} {{ c.dish.name }}\n"
TERSE += "{% for p in c.parts %}{{ p.dish.name }} {{ p.now or p.by }}\n{% endfor %}{% endfor %}"
TERSE += "{% for line in note %}{{ line }}\n{% endfor %}{{ allergies }}\n"
BELOW = "{% for c in changes %}\n{{ c.sign }} {{ c.by or c.now }} {{ c.dish.name }} {{ c.dish.mods }}\n"
BELOW += "{% for line in c.dish.note %}\n{{ line }}\n{% endfor %}\n{% for p in c.parts %}\n"
BELOW += "{{ p.dish.name }} {{ p.now or p.by }} {{ p.dish.mods }}\n{% for line in p.dish.note %}\n{{ line }}\n"
BELOW += "{% endfor %}\n{% endfor %}\n{% endfor %}\n{{ allergies }}\n{{ note|join(' ') }}\n"
SAYS_WHAT_CHANGED = (
    "{% include 'shipped/changes.j2' %}",
    "#{{ number }} {{ place }} {{ facts }} {{ due }} {{ pickup_code }} {{ held_until }}\n" + BELOW,
    "#{{ number }}\n{% for f in changed %}\n{{ f.label }} {{ f.was }} → {{ f.now }}\n{% endfor %}\n" + BELOW,
)
NOODLES = Item("牛肉面", 1, id="1")
SET = Item("套餐", 1, id="1", children=[Item("奶茶", 1, id="2")])


def revision(before: Order, after: Order) -> Ticket:
    was, now = (tuple(map(Portion, each.items)) for each in (before, after))
    facts = changed_facts(before, after)
    return of(after, kind=JobKind.AMEND, before=before, changes=compare(was, now), changed_facts=facts)


@pytest.mark.parametrize(
    ("was", "now", "words"),
    [
        (NOODLES, replace(NOODLES, mods=[Modifier("不要香菜")]), "不要香菜"),
        (NOODLES, replace(NOODLES, note="不要花生"), "不要花生"),
        (NOODLES, replace(NOODLES, qty=3, seat=2), "x1 → x3"),
        (NOODLES, replace(NOODLES, unit="斤"), "x1斤"),
        (replace(NOODLES, qty=2, note="不辣"), replace(NOODLES, note="不辣"), "不辣"),
        (SET, replace(SET, children=[Item("奶茶", 1, id="2", mods=[Modifier("去冰")])]), "去冰"),
        (SET, replace(SET, children=[Item("奶茶", 1, id="2", note="热")]), "※热"),
    ],
)
def test_a_revision_that_leaves_out_what_is_other_is_not_printed_so(was: Item, now: Item, words: str) -> None:
    """The plain one prints instead: a modifier, a note, a number, a unit, also of a part."""
    ticket = revision(order(was), order(now, rev=2))
    layout, error = own(TERSE, "changes.j2").layout("changes", ticket, 48)
    assert "the ticket lacks" in str(error)
    paper = pieces(layout)[0].text
    assert "TEMPLATE ERROR" in paper
    assert words in paper
    for text in SAYS_WHAT_CHANGED:
        layout, error = own(text, "changes.j2").layout("changes", ticket, 48)
        assert error is None
        assert words.removeprefix("※").rpartition(" ")[2] in pieces(layout)[0].text


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"table": "7"}, {"table": "9"}),
        ({"table": "7"}, {"table": "4"}),
        ({"table": "7"}, {"table": "2"}),
        ({"fulfil": "dine_in"}, {"fulfil": "pickup"}),
        ({}, {"due_at": NOON + timedelta(hours=1)}),
        ({}, {"release_at": NOON + timedelta(hours=1)}),
        ({"guests": 2}, {"guests": 3}),
        ({"pickup_code": "A1"}, {"pickup_code": "B7"}),
        ({"cutlery": 2}, {"cutlery": 5}),
    ],
)
def test_a_revision_that_leaves_out_a_field_of_the_order_is_not_printed_so(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    """Nor does the order's number 42 say that it is for table 4, or a tag h=2 that it is for table 2."""
    ticket = revision(order(NOODLES, **before), order(NOODLES, rev=2, **after))
    layout, error = own("<S h=2 w=2>" + TERSE.replace("\n", "</S>\n", 1), "changes.j2").layout("changes", ticket, 48)
    assert "{{ f.now }} of `changed`" in str(error)
    assert next(iter(after)) in pieces(layout)[0].text
    assert [own(text, "changes.j2").layout("changes", ticket, 48)[1] for text in SAYS_WHAT_CHANGED] == [None] * 3


FIELD = st.none() | st.text(st.sampled_from("豆7<&'2 \n/"), min_size=1, max_size=4)
TIMES = st.sampled_from([None, NOON, NOON + timedelta(hours=1), NOON - timedelta(days=1)])
LINES = {
    "name": NAMES,
    "qty": st.sampled_from(["1", "2", "1.5", "x"]),
    "id": st.sampled_from([None, "1", "2"]),
    "unit": st.sampled_from([None, "杯", "2人份"]),
    "note": FIELD,
    "mods": st.lists(st.builds(Modifier, NAMES, st.sampled_from([1, 2])), max_size=2),
}
SETS = st.builds(Item, **LINES, children=st.lists(st.builds(Item, **LINES), max_size=2))
FACTS = dict.fromkeys(("table", "fulfil", "note", "pickup_code", "cutlery", "no"), FIELD) | {
    "rush": st.booleans(),
    "release_at": TIMES,
    "due_at": TIMES,
    "guests": st.none() | st.integers(0, 20),
    "allergies": st.lists(NAMES, max_size=2),
    "unread": st.lists(NAMES, max_size=1),
}
ORDERS = st.builds(
    lambda items, facts: order(*items, **facts), st.lists(SETS, max_size=3), st.fixed_dictionaries(FACTS)
)


@settings(deadline=None, max_examples=100)
@given(ORDERS, ORDERS, st.sampled_from(Language), st.sampled_from(SAYS_WHAT_CHANGED))
@example(order(note="少辣"), order(unread=["到付"]), Language.BOTH, SAYS_WHAT_CHANGED[0])
@example(order(), order(allergies=["虾 "]), Language.BOTH, SAYS_WHAT_CHANGED[0])
def test_a_template_that_says_what_changed_prints_any_revision(
    before: Order, after: Order, language: Language, text: str
) -> None:
    """Ours, one that says how all is now, and one that lists what is other."""
    ticket = replace(revision(before, after), language=language)
    assert own(text, "changes.j2").layout("changes", ticket, 48)[1] is None


@pytest.mark.parametrize("how", ["dishes|unique(attribute='name')", "dishes[:8]"])
def test_the_samples_find_it_before_an_order_does(tmp_path: Path, how: str) -> None:
    """What is tried on them holds a dish twice, and many: such a file is never used."""
    hands = Hands(tmp_path)
    whole = "{% include '_head.j2' %}{% include '_warnings.j2' %}{% for d in dishes %}" + LINE + "{% endfor %}"
    hands.write("kitchen.j2", whole)
    assert "TEMPLATE" not in hands.prints()
    assert hands.alarms == {}
    hands.write("kitchen.j2", "LATER" + whole.replace("in dishes", f"in {how}"))
    assert "LATER" not in hands.prints()
    assert "the ticket lacks" in hands.alarms["kitchen"]
