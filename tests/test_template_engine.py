"""What a bad template costs: no ticket, ever. And what a good one may do."""

import re
import threading
import time
import tracemalloc
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agent import templates
from agent.model.job import JobKind, Mark
from agent.model.layout import Line
from agent.model.order import Charge, Customer, Item, Member, Modifier
from agent.model.ticket import Portion, Ticket
from agent.tickets.context import Group, Label, values
from agent.tickets.dishes import Dish
from agent.tickets.engine import THEIRS, Engine, Source, TemplateError
from agent.tickets.filters import FILTERS
from agent.tickets.markup import parse
from agent.tickets.news import Altered, Earlier, Fact
from agent.tickets.sample import samples
from agent.tickets.subject import Expo
from agent.tickets.template import Book, shipped
from tests.menu import MEAL, MILK, NAMES, NOON, STICK, inverted, of, order, own, pieces

NESTED = (
    "{% set ns = namespace(x=[1], y=[1]) %}{% for a in range(40) %}{% set ns.x = [ns.x, ns.x] %}"
    "{% set ns.y = [ns.y, ns.y] %}{% endfor %}"
)
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
    "a rounding": "{{ 1.5|round(10000000, 'ceil') }}",
    "a rounding of what is known later": "{{ order.rev|round(10000000, 'floor') }}",
    "a list": "{{ order.items }}",
    "a struct": "{{ order }}",
    "a moment": "{{ now }}",
    "a list twice in a list": NESTED + "{{ ns.x }}",
    "such a list compared": NESTED + "{{ ns.x == ns.y }}",
    "such a list compared by a test": NESTED + "{{ ns.x is eq(ns.y) }}",
    "such a list sorted": NESTED + "{{ [ns.x, ns.y]|sort|length }}",
    "such a tuple in a set": NESTED.replace("[", "(").replace("]", ")") + "{{ [ns.x, ns.y]|unique|list|length }}",
    "such a list joined": NESTED + "{{ 'x' ~ ns.x }}",
    "such a list in capitals": NESTED + "{{ ns.x|upper }}",
    "such a list said": NESTED + "{{ ns.x|say('x') }}",
    "such a list padded": NESTED + "{{ ns.x|pad(9) }}",
    "a list compared all day": "{% set x = range(1000)|list %}{% set y = range(1000)|list %}"
    "{% for a in range(1000) %}{% for b in range(1000) %}{% if x == y %}{% endif %}{% endfor %}{% endfor %}",
    "a constant join": "{{ '" + "x" * 30000 + "'|join('" + "y" * 30000 + "') }}",
    "a growing number": "{% set ns = namespace(x=1) %}{% for a in range(1000) %}{% set ns.x = ns.x - (0 - ns.x) %}"
    "{% endfor %}",
    "a long number": "{{ '" + "9" * 4000 + "'|int }}",
    "a format by a test": "{{ '%999999999d' is odd }}",
    "a format by another": "{{ '%999999999d' is divisibleby(1) }}",
    "a list as a key": "{{ order[(1, 2)] }}",
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
    began = time.thread_time()
    try:
        layout, error = book.layout("kitchen", subject, 48)
        took_s, (_, peak) = time.thread_time() - began, tracemalloc.get_traced_memory()
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


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("{{ 1.25|round(1) }} {{ 2.5|round }} {{ 7|round(2, 'ceil') }}", "1.2 2.0 7.0"),
        ("{{ 1.21|round(1, 'ceil') }} {{ 1.29|round(1, 'floor') }}", "1.3 1.2"),
        ("{{ order.note }}{{ order.rush }} {{ order.rev }} {{ order.rev / 2 }}", "False 1 0.5"),
        ("{% if 'rush' in ['rush', number] %}yes{% endif %} {{ [1, number]|length }}", "yes 2"),
        ("{% if (1, number) == (1, '42') %}yes{% endif %} {{ [3, 1]|sort|join('-') }}", "yes 1-3"),
        ("{{ 3 is odd }} {{ number is defined }} {{ nobody is defined }}", "True True False"),
        ("{% for a in [1] %}{% if loop is defined %}{{ loop.index }}{% endif %}{% endfor %}", "1"),
        ("{% for s in [1, 2, 3]|select('in', [number, 2]) %}{{ s }}{% endfor %}", "2"),
        ("{{ ((order.due_at - now).seconds / 60)|int }}", "30"),
    ],
)
def test_what_a_template_may_count_and_compare(text: str, shown: str) -> None:
    """A budget takes nothing from who stays within it."""
    known = values(of(order(MILK, due_at=NOON + timedelta(minutes=30))), 48)
    made = Engine({"a.j2": Source("a.j2", text)}).render("a.j2", known)
    assert made.strip() == shown


def test_an_error_in_an_included_file_names_that_file() -> None:
    """The line is the included file's own."""
    book = own("{# the shop's #}\n{{ d.nome }}\n", "_details.j2")
    with pytest.raises(TemplateError, match=r"templates/_details\.j2:2: .*nome"):
        book.checked("changes", samples("changes")[0], 48)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{% extends 'shipped/kitchen.j2' %}\n{% block footer %}x{% endblock %}", "head, warnings, dishes, foot"),
        ("{% extends 'bill.j2' %}\n{% block lines %}{% endblock %}\n", "bill.j2 has no block lines"),
        ("{% extends '_foot.j2' %}\n{% block foot %}{% endblock %}\n", "it has none"),
        ("{# ours #}\n{% extends 'kitchen.j2' %}", "write 'shipped/kitchen.j2'"),
    ],
)
def test_a_block_that_would_never_print_is_an_error(text: str, message: str) -> None:
    """It names the line and the blocks that there are; so does a template that extends itself."""
    bill = "{% extends 'shipped/kitchen.j2' %}{% block foot %}{% block mine %}{% endblock %}{% endblock %}"
    with pytest.raises(TemplateError, match=re.escape(message)) as caught:
        own(text, bill=bill).checked("kitchen", of(order(MILK)), 48)
    assert (caught.value.file, caught.value.line) == ("templates/kitchen.j2", 2)


def test_a_block_may_stand_in_a_block_and_be_filled_further_down() -> None:
    """What the shop's own template adds within a block of ours is a block as ours are."""
    bill = "{% extends 'shipped/kitchen.j2' %}{% block foot %}{% block mine %}{% endblock %}{% endblock %}"
    book = own(
        "{% extends 'bill.j2' %}{% block mine %}WELL{% endblock %}{% block head %}#{{ number }}{% endblock %}",
        bill=bill,
    )
    assert "WELL" in pieces(book.checked("kitchen", of(order(MILK)), 48))[0].text


RECEIPT = "{% extends 'shipped/receipt.j2' %}{% block foot %}{{ super() -}}BYE\n{% endblock %}"


def test_what_is_built_on_the_receipt_or_a_label_is_as_free() -> None:
    """A bill needs no allergies; the kitchen's own template needs them whatever it is built on."""
    subject = of(order(MILK, allergies=["花生"]))
    book = own(
        RECEIPT, "bill.j2", cup="{% extends 'shipped/label.j2' %}", copy="{% extends 'bill.j2' %}", odd=RECEIPT[35:]
    )
    for name, base in (
        ("bill", "receipt"),
        ("copy", "receipt"),
        ("cup", "label"),
        ("kitchen", "kitchen"),
        ("odd", "odd"),
    ):
        assert book.base(name) == base
    for name, words in (("bill", "BYE"), ("copy", "BYE"), ("cup", "1/2"), ("kitchen", "花生")):
        layout, error = book.layout(name, subject, 48)
        assert error is None
        assert words in pieces(layout)[0].text
    error = own(RECEIPT).layout("kitchen", subject, 48)[1]
    assert error is not None
    assert "lacks 花生" in error.message


def test_the_receipts_blocks_hold_all_that_it_prints() -> None:
    """Emptied one after the other nothing is left but its lines."""
    text = "".join(f"{{% block {name} %}}{{% endblock %}}" for name in ("head", "lines", "total", "foot"))
    subject = of(order(MILK, total=600, pickup_code="A1"))
    layout = own("{% extends 'shipped/receipt.j2' %}" + text, "bill.j2").checked("bill", subject, 48)
    assert pieces(layout)[0].text.strip("- \n") == ""


def test_the_examples_of_the_documentation_leave_no_hole() -> None:
    """As they stand there, on paper: no blank line before what they add, nor after it."""
    text = (Path(__file__).parents[1] / "docs/templates.md").read_text("utf-8")
    examples = re.findall(r"```\n(\{% extends 'shipped/(\w+)\.j2'.*?)```", text, flags=re.DOTALL)
    assert [name for _, name in examples] == ["kitchen", "receipt"]
    for example, name in examples:
        (piece,) = pieces(own(example, f"{name}.j2").checked(name, of(order(MILK, rush=True, placed_at=NOON)), 48))
        assert re.search("慢走|老王早餐", piece.text)
        assert all(line.strip() for line in piece.text.rstrip().splitlines())


def test_no_amount_prints_nothing() -> None:
    """None is nothing, through the filter too."""
    book = own(
        "{{ number }}[{{ order.total|money }}]{% for d in dishes %}{{ d.name }}{{ d.qty }}{{ d.mods }}{% endfor %}"
    )
    assert "42[]" in pieces(book.checked("kitchen", of(order(MILK)), 48))[0].text


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
    book = own("{% for d in dishes %}{{ number }} {{ d.name }} {{ d.qty }} {{ d.mods }} {{ note|join }}{% endfor %}")
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
    made = {field for struct in (Dish, Altered, Earlier, Fact, Label, Group) for field in struct.__struct_fields__}
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


def test_the_plain_ticket_is_written_as_people_do() -> None:
    """Amounts, times and quantities of parts as on any ticket; nothing looks like a program's data."""
    facts = {"fees": [Charge("打包费", 100)], "total": 1_350_000, "paid": False, "rush": True}
    due = NOON.astimezone(UTC) + timedelta(minutes=30)
    told = order(MEAL, customer=Customer("张", "8888", Member("金卡", 12)), due_at=due, **facts)
    piece = pieces(own("{{ nobody }}").layout("kitchen", of(told), 48)[0])[0]
    for words in ("total: 13500.00", "fees: name 打包费  amount 1.00", "paid: no", "due_at: 12:30", "每套 each x3"):
        assert words in piece.text
    customer = "customer: name 张 phone_tail 8888 member level 金卡 visits 12"
    assert customer in " ".join(piece.text.split())
    assert re.search(r"包子 +x6个", piece.text)
    assert "加急 RUSH" in inverted(piece)
    assert [sign for sign in "{}[]'" if sign in piece.text] == []


def test_the_plain_ticket_of_a_revision_says_only_what_changed() -> None:
    """As its banner does: a dish that stays would be made again."""
    layout, error = own("{{ nobody }}", "changes.j2").layout("changes", samples("changes")[0], 48)
    assert error is not None
    text = pieces(layout)[0].text
    for words in ("退 VOID -1", "油条", "原 was: +不切", "x4笼 → x6笼", "x1 → x2", "+3笼"):
        assert words in text
    assert "豆浆" not in text


TOMORROW = NOON + timedelta(days=1)


def whole_order(ticket: Ticket) -> Expo:
    return Expo(ticket, (("wok", ticket.portions),))


@pytest.mark.parametrize(
    ("facts", "held"),
    [
        ({"printed_at": NOON}, True),
        ({"printed_at": TOMORROW + timedelta(hours=1)}, False),
        ({"printed_at": TOMORROW + timedelta(hours=1), "timeless": True}, True),
        ({"printed_at": None}, True),
    ],
)
def test_what_is_held_back_says_until_when(facts: dict[str, Any], held: bool) -> None:
    """While that is to come, or nobody knows the time: at the station, at the pass, and without the template."""
    told = order(MILK, release_at=TOMORROW)
    known = {"station": "wok", **facts}
    ticket = Ticket(told, (Portion(MILK),), **known)
    revised = msgspec.structs.replace(ticket, kind=JobKind.AMEND, before=order(MILK, STICK, release_at=TOMORROW))
    for name, subject in (("kitchen", ticket), ("expo", whole_order(ticket)), ("changes", revised)):
        layout, error = shipped().layout(name, subject, 48)
        assert error is None
        assert ("暂缓至 hold until" in inverted(pieces(layout)[0])) is held, name
    text = inverted(pieces(own("{{ nobody }}").layout("kitchen", ticket, 48)[0])[0])
    assert ("暂缓至 hold until" in text) is held
