"""Tag dialects: the vendors' tables are replayed from tests/markup, and no content is hostile enough.

`python -m tests.test_markup <dialect>` shows what each case of a file is now, to be read before it is written there.
"""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from markupsafe import escape

from agent.encode.escpos import encode
from agent.encode.typeset import typeset
from agent.model.layout import (
    Align,
    Block,
    Code,
    Column,
    Columns,
    Cut,
    Frame,
    Gap,
    Image,
    Layout,
    Line,
    Rule,
    Run,
    Style,
)
from agent.model.profile import PROFILES
from agent.simulator import piece
from agent.simulator.paper import Paper
from agent.tickets.markup import DIALECTS, Marked, feie, native, parse, xpyun, yilian
from agent.tickets.markup.tags import Dialect

FOLDER = Path(__file__).parent / "markup"
TAGGED = {"native": native.TAGS, "feie": feie.TAGS, "xpyun": xpyun.TAGS, "yilian": yilian.TAGS}
WIDTH = 32
PIXEL = bytes.fromhex(  # a black dot, as PNG
    "89504e470d0a1a0a0000000d4948445200000001000000010100000000376ef9240000000a49444154789c636000000002000148afa471"
    "0000000049454e44ae426082"
)
IMAGES = {"logo": PIXEL, "stamp": PIXEL}


def load(dialect: str) -> dict[str, Any]:
    """A conformance file: `tags`, the vendor's table, and `cases`."""
    found: dict[str, Any] = yaml.safe_load((FOLDER / f"{dialect}.yaml").read_text(encoding="utf-8"))
    return found


FILES = {dialect: load(dialect) for dialect in TAGGED}
CASES = [pytest.param(name, case, id=f"{name}: {case['says']}") for name in FILES for case in FILES[name]["cases"]]
ON_PAPER = [
    pytest.param(name, case, id=f"{name}: {case['says']}")
    for name in FILES
    for case in FILES[name]["cases"]
    if "paper" in case
]


def style_of(style: Style) -> str:
    words = [f"{style.width}x{style.height}"] if (style.width, style.height) != (1, 1) else []
    words += [word for word in ("bold", "inverted", "underlined") if getattr(style, word)]
    return "{" + " ".join(words) + "}"


def runs_of(runs: tuple[Run, ...]) -> str:
    """The text, with each change of style in braces."""
    shown, before = "", Style()
    for run in runs:
        shown += (style_of(run.style) if run.style != before else "") + run.text
        before = run.style
    return shown


def shown(block: Block) -> str:
    """A block in one line, the same for the same block."""
    match block:
        case Line():
            facts = [block.align.name.lower()] if block.align is not Align.LEFT else []
            facts += [f"indent {block.indent}"] if block.indent else []
            facts += ["fit"] if block.fit else []
            right = f" >> {runs_of(block.right)}" if block.right else ""
            return f"line {runs_of(block.left)}{right}" + (f" ({', '.join(facts)})" if facts else "")
        case Rule():
            return f"rule {block.char}"
        case Gap():
            return f"gap {block.dots}"
        case Cut():
            return "cut"
        case Code():
            caption = "" if block.caption else " uncaptioned"
            size = f"module {block.module} height {block.height} level {block.level}"
            return f"{block.symbology} {block.text} ({size}{caption}, {block.align.name.lower()})"
        case Image():
            return f"picture of {len(block.data)} bytes (width {block.width}, {block.align.name.lower()})"
        case Columns():
            return f"columns {block.border}: " + " | ".join(map(column_of, block.columns))
        case Frame():
            parts = [len(part.columns) if part else 0 for part in (block.above, block.below)]
            return f"frame {parts[0]}/{parts[1]}"


def column_of(column: Column) -> str:
    return f"{runs_of(column.runs)} ({column.width} {column.align.name.lower()})"


def facts_of(marked: Marked) -> dict[str, Any]:
    """What a case says of content, without what goes without saying."""
    facts: dict[str, Any] = {"blocks": [shown(block) for block in marked.layout.blocks]}
    for name, usual in (("unknown", ()), ("copies", 1), ("beep", False), ("drawer", False)):
        value = getattr(marked, name)
        if value != usual:
            facts[name] = list(value) if isinstance(value, tuple) else value
    return facts


def on_paper(layout: Layout) -> list[str]:
    """What stands on virtual paper, a row each, with a line of scissors between two pieces."""
    roll = Paper(WIDTH * 12)
    roll.feed(encode(typeset(layout, WIDTH), WIDTH, profile=PROFILES["xprinter"]).data)
    rows: list[str] = []
    for part in roll.pieces:
        items = [on_piece(item) for item in part.items if not isinstance(item, piece.Feed)]
        while items and not items[-1]:  # the feed to the knife
            items.pop()
        rows += [*items, "8<"]
    return rows[:-1]


def on_piece(item: piece.Item) -> str:
    if isinstance(item, piece.Line):
        return item.grid()
    return f"[{item.kind} {item.shown}]" if isinstance(item, piece.Code) else "[picture]"


@pytest.mark.parametrize(("dialect", "case"), CASES)
def test_content_means_what_the_vendor_says(dialect: str, case: dict[str, Any]) -> None:
    """Every case of a vendor's table gives the blocks that are written down for it, and the same requests."""
    marked = parse(case["content"], dialect, width=WIDTH, images=IMAGES)
    expected = {name: value for name, value in case.items() if name not in ("says", "content", "paper")}
    assert facts_of(marked) == expected


@pytest.mark.parametrize(("dialect", "case"), ON_PAPER)
def test_content_reaches_paper(dialect: str, case: dict[str, Any]) -> None:
    """What a case shows stands on the virtual printer's paper, where it says, in 32 cells."""
    assert on_paper(parse(case["content"], dialect, width=WIDTH, images=IMAGES).layout) == case["paper"]


@pytest.mark.parametrize("dialect", TAGGED)
def test_every_tag_of_a_vendor_has_a_case(dialect: str) -> None:
    """What a vendor documents is in the dialect's table and is used by a case; the table has nothing else."""
    used = " ".join(case["content"] for case in FILES[dialect]["cases"]).lower()
    assert sorted(FILES[dialect]["tags"]) == sorted(TAGGED[dialect])
    assert [tag for tag in FILES[dialect]["tags"] if f"<{tag}" not in used and tag not in used] == []


WORDS = [f"字{number}x" for number in range(40)]
SETTINGS = {*("mk", "ml", "ms", "audio", "tts", "vn", "vd", "va", "vi", "mc", "mr", "mp", "rs", "pw")}
"""Yilianyun's tags whose content is not for paper."""


def tokens(dialect: str) -> st.SearchStrategy[list[str]]:
    names = [name for name in TAGGED[dialect] if name.isalnum() and name not in SETTINGS]
    tags = [f"<{name}>" for name in names] + [f"</{name}>" for name in names]
    odd = [
        "<TD w=3 align=right>",
        "<S w=3 h=2 bold>",
        "<FOO>",
        "\n",
        "\n\n",
        "\t",
        ",",
        "@@2",
        "&lt;",
        "<",
        ">",
        "<QR110>",
    ]
    return st.lists(st.sampled_from(tags + odd + ["<B>", "<C>", "\n"] * 3), max_size=39)


def told(blocks: tuple[Block, ...]) -> Iterator[str]:
    """All text of a layout, that of codes too."""
    for block in blocks:
        match block:
            case Line():
                yield from (run.text for run in (*block.left, *block.right))
            case Columns():
                yield from (run.text for column in block.columns for run in column.runs)
            case Code():
                yield block.text


@pytest.mark.parametrize("dialect", TAGGED)
@settings(deadline=None)
@given(data=st.data())
def test_no_word_is_lost(dialect: str, data: st.DataObject) -> None:
    """However tags open, close and cross: every word between them is in the layout, once."""
    marks = data.draw(tokens(dialect))
    content = "".join(f"{word}{mark}" for word, mark in zip(WORDS, [*marks, ""], strict=False))
    text = " ".join(told(parse(content, dialect, images=IMAGES).layout.blocks))
    assert [word for word in WORDS[: len(marks) + 1] if text.count(word) != 1] == []


@pytest.mark.parametrize("dialect", DIALECTS)
@settings(deadline=None)
@given(content=st.text(st.one_of(st.characters(), st.sampled_from("<>/BQRTDbqr =\"'\n\t,@2&;")), max_size=200))
def test_no_content_fails(dialect: str, content: str) -> None:
    """Anything at all becomes a layout that can be typeset, in every dialect."""
    layout = parse(content, dialect, width=WIDTH).layout
    assert typeset(layout, WIDTH, drawable=lambda _: True) is not None


@settings(deadline=None)
@given(
    values=st.lists(st.text(st.characters(exclude_characters="\r\n"), min_size=1, max_size=40), min_size=1, max_size=5)
)
def test_an_escaped_value_is_text(values: list[str]) -> None:
    """A value that Jinja2 has escaped comes back as itself: no tag, no entity, nothing to report."""
    content = "".join(f"<B>{escape(value)}</B>\n" for value in [*values, "<CUT><PLUGIN>&lt;&amp;</B>"])
    marked = parse(content)
    assert [run.text for run in marked.layout.blocks[0].left] == [values[0]]  # type: ignore[union-attr]  # a line
    assert list(told(marked.layout.blocks)) == [*values, "<CUT><PLUGIN>&lt;&amp;</B>"]
    assert (marked.unknown, marked.drawer) == ((), False)


HOSTILE = [
    "<B>",
    "</B>",
    "<B>\n",
    "<QR>",
    "<TABLE><TR><TD>",
    "<TD>",
    "<",
    "<a ",
    "<S w=",
    "<RIGHT>x<C>y",
    "x\t",
    "<LR>,",
]


@pytest.mark.parametrize("dialect", TAGGED)
@pytest.mark.parametrize(
    "unit", [*HOSTILE, "<HT>x", "</QR", "@@2\n", "&lt;", "<IND>x\n", "<BR>x", "<C>a</B>", "<TABLE>"]
)
def test_time_is_linear_in_the_content(dialect: str, unit: str) -> None:
    """Eighty thousand repetitions of anything take a few seconds at the worst, not the hours of a quadratic rule."""
    before = time.process_time()
    parse(unit * 40_000 + "\n" * 20_000 + "</B></QR></TABLE></IND></C>", dialect)
    assert time.process_time() - before < 5


@pytest.mark.parametrize(
    ("dialect", "opening", "closing"),
    [
        ("yilian", "<MK>", "</MK>"),
        ("feie", "<QR x>", "</QR>"),
        ("xpyun", "<QR x><IMG>", "</QR></IMG>"),
        ("native", "<QR x>", "</QR>"),
    ],
)
def test_tags_that_are_refused_in_each_other_are_not_read_for_each(
    dialect: str, opening: str, closing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a tag holds is read once more where it is refused, for sixteen of them at most; nothing is swallowed."""
    plain, read = Dialect.plain, 0

    def noted(self: Dialect, text: str) -> str:
        nonlocal read
        read += len(text)
        return plain(self, text)

    monkeypatch.setattr(Dialect, "plain", noted)
    content = opening * 2000 + "x" + closing * 2000
    marked = parse(content, dialect)
    assert read < 20 * len(content)
    assert "".join(run.text for block in marked.layout.blocks for run in getattr(block, "left", ())) == content


def test_a_code_within_a_few_refused_tags_is_a_code() -> None:
    """As deep as tags may stand in each other; behind them it is one again."""
    within = "<MK>" * 15 + "<QR>1</QR>" + "</MK>" * 15
    assert [block.text for block in parse(within * 3, "yilian").layout.blocks if isinstance(block, Code)] == ["1"] * 3


@pytest.mark.parametrize("dialect", TAGGED)
def test_complaints_are_few(dialect: str) -> None:
    """Each unknown tag is listed once, with its line, and at most fifty of them."""
    assert parse("<X><X>\n<Y><X>", dialect).unknown == ("line 1: <X>", "line 2: <Y>")
    assert len(parse("".join(f"<X{number}>" for number in range(200)), dialect).unknown) == 50


def test_a_dialect_is_declared() -> None:
    """The same tag means what its dialect says, and a dialect that there is not is an error."""
    first = {name: shown(parse("<L>a</L>", name).layout.blocks[0]) for name in TAGGED}
    assert first == {"native": "line {1x2}a", "feie": "line {1x2}a", "xpyun": "line a", "yilian": "line <L>a</L>"}
    assert list(told(parse("a | b", "receiptline").layout.blocks)) == ["a", "b"]
    with pytest.raises(KeyError):
        parse("a", "esc/pos")


if __name__ == "__main__":
    for known in FILES[sys.argv[1]]["cases"]:
        now = parse(known["content"], sys.argv[1], width=WIDTH, images=IMAGES)
        entry = {"says": known["says"], "content": known["content"], **facts_of(now)}
        if "paper" in known:
            entry["paper"] = on_paper(now.layout)
        print(yaml.safe_dump([entry], allow_unicode=True, sort_keys=False, width=500))
