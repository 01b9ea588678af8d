"""Targets: what becomes paper, and what a printer says."""

import random
from functools import partial
from pathlib import Path

import yaml

from agent import templates
from agent.encode.escpos import encode
from agent.encode.typeset import typeset
from agent.printers.star import _first as first_of_star
from agent.printers.star import status
from agent.printers.status import (
    Asb,
    Block,
    RealTime,
    ReplyParser,
    counter,
    out_of_paper,
    process_id,
    status_from_asb,
    status_from_realtime,
)
from agent.simulator.paper import Paper
from agent.simulator.starpaper import StarPaper
from agent.tickets.engine import Source, TemplateError
from agent.tickets.markup import DIALECTS, parse
from agent.tickets.sample import ticket
from agent.tickets.template import Book
from tests.fuzz.target import Target

_HOME = Path(__file__).parents[1]
_SUBJECT = ticket()
_TEMPLATES = templates.read()
_TAG_WORDS = [
    *(
        b"<",
        b">",
        b"</",
        b"<B>",
        b"</B>",
        b"<CB>",
        b"<BR>",
        b"<QR>",
        b"</QR>",
        b"<CUT>",
        b"<C>",
        b"<RIGHT>",
        b"<BC128_A>",
    ),
    *(
        b"<table>",
        b"<tr>",
        b"<td>",
        b"</td>",
        b"<HR>",
        b"&lt;",
        b"<L w=9>",
        b"\0",
        b"\x1b@",
        b"\x10\x14",
        b"\xf0\x9f\x91\xa9",
    ),
    *(b"<FS2>", b"<FW>", b"<MS>1,2</MS>", b"<center>", b"<QRCODE s=6 e=L l=center>", b"\xe2\x80\xae", b"\xe8\xb1\x86"),
]
_LINE_WORDS = [
    *(
        b"|",
        b"{",
        b"}",
        b"\\",
        b"~",
        b"^",
        b"_",
        b'"',
        b"`",
        b"-",
        b"=",
        b"{w:4,*;b:line}",
        b"{c:123;o:code128,2,72,hri}",
    ),
    *(b"\n", b"{a:right}", b"{i:iVBORw0KGgo=}", b"\\x41", b"{w:0,0}", b"{b:space;t:nowrap}", b"\xe8\xb1\x86", b"\0"),
]
_TEMPLATE_WORDS = [
    *(
        b"{{",
        b"}}",
        b"{%",
        b"%}",
        b"{#",
        b"#}",
        b"{{ order.id }}",
        b"{% for d in dishes %}",
        b"{% endfor %}",
        b"{% if x %}",
    ),
    *(b"{% endif %}", b"{% include 'kitchen.j2' %}", b"{% extends 'shipped/kitchen.j2' %}", b"{% macro m() %}"),
    *(
        b"{% endmacro %}",
        b"|join",
        b"range(999)",
        b"* 999",
        b"** 99999",
        b".__class__",
        b"{% set a = a ~ a %}",
        b"|fit(9)",
    ),
    *(b"{% block a %}", b"{% endblock %}", b"loop.index", b"namespace(a=1)", b"{% raw %}", b"'x' * 9999", b"<CUT>"),
]
_COMMANDS = [
    *(
        b"\x1b@",
        b"\x1b!\x30",
        b"\x1da\xff",
        b"\x1d!\x77",
        b"\x1dV\x42\x00",
        b"\x1d(k\x04\0\x31\x41\x32\0",
        b"\x1dv0\0\x02\0\x02\0",
    ),
    *(
        b"\x1b*\x21\x04\0",
        b"\x1dk\x49\x05{B123",
        b"\x10\x04\x01",
        b"\x10\x14\x08",
        b"\x1c.",
        b"\x1c&",
        b"\x1bD\x08\x10\0",
    ),
    *(
        b"\x1d(L\x06\0\x30\x70\x30\x01\x01\x31",
        b"\x1b\x1dy",
        b"\x1bb\x06\x02\x02\x40",
        b"\x1bd\x03",
        b"\x1b\x1d\x03\x01ab\0\0",
    ),
    *(
        b"\xff\xff",
        b"\x1b{\x01",
        b"\x1bV\x01",
        b"\x1bJ\xff",
        b"\x1b3\0",
        b"\x1dL\xff\xff",
        b"\x1dW\0\0",
        b"\n",
        b"\x0c",
    ),
]


def _markup(dialect: str, data: bytes) -> str:
    """Markup never fails, and what it makes is typeset, encoded, and printed without a stray byte."""
    content = data.decode("utf-8", "replace")
    width = 48 if len(data) & 1 else 32
    marked = parse(content, dialect, width=width)
    rows = typeset(marked.layout, width)
    if len(data) % 8 == 0:
        roll = Paper(width * 12)
        roll.feed(encode(rows, width).data)
        assert roll.stray == [], roll.stray[:3]
        assert not roll.drawer_kicks, "a ticket must not open the drawer by itself"
    return f"{len(marked.unknown)} {len(rows)} {marked.beep} {marked.drawer}"


def _template(data: bytes) -> str:
    """A shop's template fails in one way only, and the ticket is printed all the same."""
    book = Book(_TEMPLATES, {"kitchen.j2": Source("kitchen.j2", data.decode("utf-8", "replace"))})
    layout, error = book.layout("kitchen", _SUBJECT, 48)
    assert layout.blocks
    if error is not None:
        assert "the agent is at fault" not in error.message, error.message
        raise error
    return f"{len(layout.blocks)}"


def _replies(data: bytes) -> str:
    """The same replies in whatever pieces the bytes come."""
    whole = ReplyParser().feed(data)
    parser = ReplyParser()
    chance = random.Random(len(data))
    pieces, at = [], 0
    while at < len(data):
        step = chance.randrange(1, 9)
        pieces += parser.feed(data[at : at + step])
        at += step
    assert pieces == whole, (pieces, whole)
    for reply in whole:
        if isinstance(reply, Asb):
            status_from_asb(reply.data)
        elif isinstance(reply, Block):
            token, number = process_id(reply), counter(reply)
            assert token is None or len(token) == 4
            assert number is None or number >= 0
            out_of_paper(reply)
    numbers = [reply.byte for reply in whole if isinstance(reply, RealTime)]
    if len(numbers) >= 4:
        status_from_realtime(*numbers[:4])
    return "".join(type(reply).__name__[0] for reply in whole[:8])


def _star_replies(data: bytes) -> str:
    whole = ReplyParser(first_of_star).feed(data)
    parser = ReplyParser(first_of_star)
    assert [reply for at in range(len(data)) for reply in parser.feed(data[at : at + 1])] == whole
    for reply in whole:
        if isinstance(reply, Asb):
            status(reply.data)
    return "".join(type(reply).__name__[0] for reply in whole[:8])


def _paper(kind: type[Paper], data: bytes) -> str:
    """The same pieces of paper wherever the bytes are split."""
    whole = kind()
    whole.feed(data)
    half = kind()
    half.feed(data[: len(data) // 2])
    half.feed(data[len(data) // 2 :])
    texts = [piece.text for piece in whole.pieces]
    assert texts == [piece.text for piece in half.pieces]
    assert whole.stray == half.stray, (whole.stray, half.stray)
    return f"{len(texts)} {len(whole.stray)} {[event.kind for event in whole.events[:4]]}"


def _content(name: str) -> list[bytes]:
    cases = yaml.safe_load((_HOME / "markup" / f"{name}.yaml").read_text("utf-8"))["cases"]
    return [case["content"].encode() for case in cases]


def targets() -> list[Target]:
    """All of them."""
    receipts = [file.read_bytes() for file in sorted((_HOME / "receiptline").glob("*.receipt"))]
    found = [
        Target(
            f"markup {name}",
            partial(_markup, name),
            receipts if name == "receiptline" else _content(name),
            _LINE_WORDS if name == "receiptline" else _TAG_WORDS,
            weight=2,
        )
        for name in DIALECTS
    ]
    made = [encode(typeset(parse(text.decode(), "native").layout, 48), 48).data for text in _content("native")[:40]]
    small = [each for each in made if len(each) < 4000]
    kitchen = [text.encode() for name, text in _TEMPLATES.items() if name in ("kitchen.j2", "changes.j2", "label.j2")]
    lines = [b"#{{ number }} {% for d in dishes %}{{ d.qty }} {{ d.name }}<BR>{% endfor %}", b"{{ note|join(' ') }}"]
    said = [b"\x16\x12\x12\x12\x14\0\0\x0f", b"\x37\x220001\0\x5f123\0\x3bEPSON\0", b"\x10\0\0\0\0\x37\x33a\0\x11\x13"]
    star = [b"\x23\x86\0\0\0\0\0\0\0", b"\x1b\x1d\x03\x01ab\0\0", b"\x2f\x86\0\0\0\0\0\0\0\0\0"]
    found += [
        Target("template", _template, [*kitchen, *lines], _TEMPLATE_WORDS, (TemplateError,), 6),
        Target("replies", _replies, said, _COMMANDS, weight=2),
        Target("replies of Star", _star_replies, star, _COMMANDS),
        Target("paper", lambda data: _paper(Paper, data), [*small, *_COMMANDS], _COMMANDS, weight=3),
        Target("paper of Star", lambda data: _paper(StarPaper, data), [*small, *_COMMANDS], _COMMANDS, weight=2),
    ]
    return found
