"""A shop's own template that leaves a dish out is found out, also where its words stand elsewhere."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agent.model.order import Item, Modifier
from agent.model.ticket import Change, ChangeKind, Portion
from agent.tickets.sample import samples
from tests.menu import of, order, own, pieces
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
    twice = msgspec.structs.replace(
        ticket, changes=tuple(Change(ChangeKind.ADDED, portion, by="1") for portion in portions)
    )
    assert own("{% include 'shipped/changes.j2' %}", "changes.j2").layout("changes", twice, 48)[1] is None
    once = "{% include 'shipped/_head.j2' %}{% include 'shipped/_warnings.j2' %}"
    once += "{% for c in changes|unique(attribute='sign') %}"
    error = own(once + "{{ c.sign }} {{ c.dish.name }} {{ c.by }}\n{% endfor %}", "changes.j2").layout(
        "changes", twice, 48
    )[1]
    assert error is not None
    assert "豆浆" in str(error)


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
