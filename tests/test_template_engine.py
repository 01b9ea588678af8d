"""What a bad template costs: no ticket, ever. And what a good one may do."""

import re
import threading
import time
import tracemalloc
from datetime import UTC
from pathlib import Path

import pytest

from agent import templates
from agent.model.job import Mark
from agent.model.layout import Line
from agent.model.order import Item, Modifier
from agent.tickets.context import Group, Label, values
from agent.tickets.dishes import Dish
from agent.tickets.engine import THEIRS, Engine, Source, TemplateError
from agent.tickets.filters import FILTERS
from agent.tickets.markup import parse
from agent.tickets.news import Altered, Fact
from agent.tickets.sample import samples
from agent.tickets.template import Book, shipped
from tests.menu import MEAL, MILK, NAMES, NOON, STICK, inverted, of, order, own, pieces

HOSTILE = {
    "an endless loop": "{% for a in range(1000) %}{% for b in range(1000) %}{% for c in range(1000) %}{% endfor %}"
    "{% endfor %}{% endfor %}",
    "a loop that skips": "{% for a in range(1000) %}{% for b in range(1000) if false %}{% endfor %}{% endfor %}" * 9,
    "huge output": "{% for a in range(1000) %}" + "x" * 1000 + "{% endfor %}",
    "a captured output": "{% set x %}{% for a in range(999) %}" + "x" * 9000 + "{% endfor %}{% endset %}",
    "a range": "{% for a in range(10**12) %}x{% endfor %}",
    "a long range": "{% for a in range(1000000) %}x{% endfor %}",
    "a product": "{{ 'x' * 10000000000 }}",
    "a power": "{{ 9 ** 9 ** 9 }}",
    "a format": "{{ '%9999999999d' % 1 }}",
    "a width": "{{ '{:9999999999}'.format(1) }}",
    "doubling": "{% set x = 'xxxxxxxx' %}" + "{% set x = x ~ x %}" * 40 + "{{ x }}",
    "doubling by addition": "{% set x = ['x'] %}" + "{% set x = x + x %}" * 40 + "{{ x }}",
    "doubling in a namespace": "{% set n = namespace(x='xx') %}{% for a in range(99) %}{% set n.x = n.x ~ n.x %}"
    "{% endfor %}",
    "joining": "{% set x = order.note * 1 %}",
    "a join of many": "{% set x %}" + "x" * 60000 + "{% endset %}{{ [" + "x," * 1000 + "]|join }}",
    "recursion": "{% macro a() %}{{ a() }}{{ a() }}{% endmacro %}{{ a() }}",
    "an include of itself": "{% include 'kitchen.j2' %}{% include 'kitchen.j2' %}",
    "itself extended": "{% extends 'kitchen.j2' %}",
    "a class": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "a class by filter": "{{ ''|attr('__class__') }}",
    "globals": "{{ range.__globals__ }}",
    "a method": "{{ order.items.append(1) }}",
    "a change of the order": "{% set order.items = [] %}",
    "another file": "{% include '/etc/passwd' %}",
    "a file above": "{% include '../secrets.j2' %}",
    "no escaping": "{% autoescape false %}{{ order.note }}{% endautoescape %}",
    "a safe value": "{{ order.note|safe }}",
    "an undefined name": "{{ nobody }}",
    "an undefined part": "{{ order.nobody }}",
    "a missing filter": "{{ order.note|nothing }}",
    "a division": "{{ 1 / 0 }}",
    "a syntax error": "{% for d in dishes %}",
    "deep parentheses": "{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}",
    "deep loops": "{% for a in [1] %}" * 60 + "{% endfor %}" * 60,
    "too large": "x" * 70_000,
    "a refund": "{{ -999999|spend }}",
    "nothing": "",
    "half of it": "{{ number }} {% for d in dishes %}{{ d.name }}{% endfor %}",
    "null": "{{ none.x }}",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_template_costs_no_ticket(kind: str) -> None:
    """The plain ticket prints, soon, without much memory, and the error names file and line."""
    book, subject = own(HOSTILE[kind]), of(order(MILK, MEAL, STICK, note="少辣"))
    tracemalloc.start()
    began = time.monotonic()
    try:
        layout, error = book.layout("kitchen", subject, 48)
        took_s, (_, peak) = time.monotonic() - began, tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert error is not None
    assert (error.file, error.line) == ("templates/kitchen.j2", 1)
    assert took_s < 3
    assert peak < 20_000_000
    (piece,) = pieces(layout)
    assert "templates/kitchen.j2:1" in inverted(piece)
    for words in ("#42", "豆浆", "x2", "+加热", "+加珍珠 x2", "包子", "奶茶", "油条", "※脆", "※少辣"):
        assert words in piece.text


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a\nb\n{{ nobody }}\n", 3),
        ("a\n{% if x %}\n\n{{ y }}\n", 4),
        ("a\n\n{% for d in dishes %}\n{{ d.name }}\n{{ d.nome }}\n{% endfor %}", 5),
        ("{% macro m(d) %}\n{{ d.nome }}\n{% endmacro %}\n{{ m(dishes[0]) }}", 2),
        ("{# a\n b #}\n{{ 1 / 0 }}", 3),
    ],
)
def test_an_error_names_the_line(text: str, line: int) -> None:
    """Of syntax as of values, in loops and macros too."""
    with pytest.raises(TemplateError) as caught:
        own(text).checked("kitchen", of(order(MILK)), 48)
    assert (caught.value.file, caught.value.line) == ("templates/kitchen.j2", line)


def test_an_error_in_an_included_file_names_that_file() -> None:
    """The line is the included file's own."""
    book = own("{# the shop's #}\n{{ d.nome }}\n", "_details.j2")
    with pytest.raises(TemplateError, match=r"templates/_details\.j2:2: .*nome"):
        book.checked("changes", samples("changes")[0], 48)


def test_a_value_never_becomes_a_tag_nor_a_line() -> None:
    """A note that says <CUT> or begins a new line is text."""
    note = "<CUT><B>x9</B>\n#43 &lt;CUT&gt;"
    book = own(
        "{{ number }}<BR>{{ order.note }}|{{ order.note ~ '<CUT>' }}|{{ [order.note]|join }}\n"
        "{% macro m(x) %}{{ x }}{% endmacro %}{{ m(order.note) }}\n"
        "{% for line in note %}{{ line }}{% endfor %}"
    )
    layout = book.checked("kitchen", of(order(note=note)), 48)
    texts = [["".join(run.text for run in line.left)] for line in layout.blocks if isinstance(line, Line)]
    flatly = "<CUT><B>x9</B> #43 &lt;CUT&gt;"
    assert texts == [
        ["42"],
        [f"{flatly}|{flatly}<CUT>|{flatly}"],
        [flatly],
        ["<CUT><B>x9</B>#43 &lt;CUT&gt;"],
    ]


def test_no_template_takes_the_banner_off() -> None:
    """A second copy is marked whatever the shop's template says."""
    book = own("{% for d in dishes %}{{ number }} {{ d.name }} {{ d.qty }} {{ d.mods }} {{ note }}{% endfor %}")
    for name in ("kitchen", "receipt", "label"):
        subject = of(order(MILK), mark=Mark.DISCARD_PIECE_ABOVE, late=True, missing=("41", "44-47"), old=20)
        layout, error = book.layout(name, subject, 32)
        assert error is None
        black = inverted(pieces(layout, 32)[0])
        for words in ("补打 REPRINT #42", "上面残单作废", "迟到 LATE", "缺单 MISSING #41 #44-47", "旧单 OLD 20 min"):
            assert words in black


@pytest.mark.parametrize("part", ["number", "d.name", "d.qty", "d.mods", "line", "allergies"])
def test_a_ticket_that_leaves_something_out_is_not_printed_so(part: str) -> None:
    """What a cook must know is on it, or the plain ticket prints."""
    text = "{{ number }} {{ allergies }}{% for d in dishes %}{{ d.name }} {{ d.qty }} {{ d.mods }}\n" \
           "{% for line in d.note %}{{ line }}{% endfor %}\n{% endfor %}"  # fmt: skip
    subject = of(order(MILK, STICK, no="77", allergies=["花生"]))
    assert own(text).layout("kitchen", subject, 48)[1] is None
    error = own(text.replace("{{ " + part + " }}", "")).layout("kitchen", subject, 48)[1]
    assert error is not None
    assert "the ticket lacks" in error.message


def test_a_large_order_prints_with_its_template() -> None:
    """The cap is for templates: five hundred dishes with long notes are an order."""
    many = [Item(f"菜{n}", n, note="不要辣" * 100, mods=[Modifier("加" * 50)]) for n in range(1, 501)]
    layout, error = shipped().layout("kitchen", of(order(*many)), 48)
    assert error is None
    assert sum("菜" in run.text for block in layout.blocks for run in getattr(block, "left", ())) == 500


def test_a_shops_template_builds_on_ours() -> None:
    """It extends the shipped one, block by block, and uses the filters."""
    text = ("{% extends 'shipped/kitchen.j2' %}{% block foot %}{{ super() }}{{ '早餐店'|pad(10, 'right') }}|"
            "{{ '欢迎'|say('Welcome') }} {{ 1250|money }} {{ order.placed_at|time }}\n{% endblock %}")  # fmt: skip
    layout, error = own(text).layout("kitchen", of(order(MILK, placed_at=NOON.astimezone(UTC), currency="JPY")), 48)
    assert error is None
    assert "    早餐店|欢迎 Welcome 1250 12:00" in pieces(layout)[0].text
    assert "x2杯" in pieces(layout)[0].text


def test_threads_share_a_book() -> None:
    """Each printer's thread renders with the same templates, at the same time."""
    subjects = [of(order(*[Item(f"菜{n}", n)] * 20, no=str(n))) for n in range(1, 5)]
    wanted = [shipped().layout("kitchen", subject, 48)[0] for subject in subjects]
    wrong: list[int] = []

    def work(place: int) -> None:
        for _ in range(20):
            if book.layout("kitchen", subjects[place], 48) != (wanted[place], None):
                wrong.append(place)

    book = Book(templates.read())
    threads = [threading.Thread(target=work, args=(place,)) for place in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert wrong == []


def test_the_engine_is_pure_markup() -> None:
    """What it makes is markup: parsed, it is the layout."""
    made = Engine({"a.j2": Source("a.j2", "<B>{{ x }}</B>\n<CUT>\n")}).render("a.j2", {"x": "<&>"})
    assert made == "<B>&lt;&amp;&gt;</B>\n<CUT>\n"
    assert len(parse(made).layout.blocks) == 2


def test_the_documentation_names_everything() -> None:
    """Each value that a template is given, and each filter, is in docs/templates.md."""
    text = re.sub(
        "```.*?```", "", (Path(__file__).parents[1] / "docs/templates.md").read_text("utf-8"), flags=re.DOTALL
    )
    named = set(re.findall(r"[a-z_]+[a-z0-9_]*", " ".join(re.findall(r"`([^`]+)`", text))))
    given = {key for name in NAMES for subject in samples(name) for key in values(subject, 48)}
    made = {field for struct in (Dish, Altered, Fact, Label, Group) for field in struct.__struct_fields__}
    internal = {"alarm", "summary"}
    assert (given | made | set(FILTERS)) - internal - named == set()
    theirs = set(re.findall(r"\w+", re.search(r"From Jinja2: `([^`]+)`", text)[1]))  # type: ignore[index]  # it is there
    assert theirs == set(THEIRS)


def test_a_fault_of_our_own_costs_no_ticket_either() -> None:
    """What can't be understood is printed as it came, and the error says whose fault it is."""
    odd = of(order(MILK, due_at="tomorrow"))
    layout, error = shipped().layout("kitchen", odd, 32)
    assert error is not None
    assert "the agent is at fault" in error.message
    (piece,) = pieces(layout, 32)
    for words in ("#42", "豆浆", "x2", "+加珍珠 x2", "due_at: tomorrow"):
        assert words in piece.text
