"""ReceiptLine: the same lines as the reference renderer prints, on our paper too; and nothing of a document is lost.

tests/receiptline holds a document for every rule of the language (NAME.receipt) and what the reference prints for it at
32 and 48 characters a line (NAME.txt, written by `python -m tests.receiptline_reference`). Where node and npm are here,
the reference itself is asked as well: for the corpus, the specification's examples and random documents.

Both sides are compared as lines of characters with their looks. Normalised: blanks after the last character; blanks and
bars have no look; the reference's yen sign is the full-width one that GBK has; a cut with nothing above it is none.
"""

import json
import random
import re
import time
from base64 import b64encode
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.encode import grid
from agent.encode.escpos import encode
from agent.encode.text import cell, clean
from agent.encode.typeset import typeset
from agent.model.layout import Align, Block, Code, Cut, Image, Layout, Row, Rule, Run, Style, Symbology
from agent.simulator.paper import Paper
from agent.tickets.markup.receiptline import escape, parse_receiptline
from tests import receiptline_reference as reference
from tests.receiptline_writer import Writer

Look = tuple[tuple[str, str], ...]
"""The characters of a line that are neither blanks nor bars, each with its look."""

CUT = "⟦cut⟧"
CORPUS = sorted(reference.CORPUS.glob("*.receipt"))
EACH_DOCUMENT = pytest.mark.parametrize("document", CORPUS, ids=lambda path: path.stem)
EACH_WIDTH = pytest.mark.parametrize("width", reference.WIDTHS)
_MARK = re.compile(r"⟦(\w+):(.*?)⟧")


def draw_all(_char: str) -> bool:
    """A font that has everything."""
    return True


def looks(line: str) -> tuple[str, Look]:
    """A marked line of the reference's: its text, and how each character looks."""
    if line.startswith((CUT, "⟦image ", "⟦qrcode ", "⟦barcode ")):
        return line, ()
    line = line.replace("¥", "￥")
    parts = _MARK.split(line)
    styled = [("", text) if n % 3 == 0 else (parts[n - 1], text) for n, text in enumerate(parts) if n % 3 != 1]
    text = "".join([text for _, text in styled])
    return text.rstrip(" "), tuple([(c, look) for look, text in styled for c in text if c not in " |"])


def expected(text: str) -> list[tuple[str, Look]]:
    """The lines that the reference printed, without cuts where there is nothing to cut off."""
    lines = [looks(line) for line in text.split("\n")[:-1]]
    return [line for before, line in pairwise([(CUT, ()), *lines]) if line[0] != CUT or before[0] != CUT]


def look(style: Style) -> str:
    size = f"{style.width}x{style.height}" if (style.width, style.height) != (1, 1) else ""
    return size + "b" * style.bold + "i" * style.inverted + "u" * style.underlined


def row_looks(row: Row) -> tuple[str, Look]:
    """A row of ours in the same form: a large character is followed by the blanks that it covers."""
    text = "".join([c + " " * (cell(c) * (run.style.width - 1)) for run in row.runs for c in run.text])
    return text.rstrip(" "), tuple([(c, look(run.style)) for run in row.runs for c in run.text if c not in " |"])


def named(block: Block) -> str | None:
    """Cuts, codes and pictures as the marked reference names them. Types and check digits are normalised by `alike`."""
    match block:
        case Cut():
            return CUT
        case Image():
            return f"⟦image {block.align.value} {b64encode(block.data).decode()}⟧"
        case Code(symbology=Symbology.QR):
            said = json.dumps(block.text, ensure_ascii=False)
            return f"⟦qrcode {block.align.value} {block.module} {block.level} {said}⟧"
        case Code():
            said = json.dumps(block.text, ensure_ascii=False)
            shown = f"{block.module} {block.height} {json.dumps(block.caption)}"
            return f"⟦barcode {block.align.value} {block.symbology.value} {shown} {said}⟧"
        case _:
            return None


def printed(layout: Layout, width: int) -> list[tuple[str, Look]]:
    """A layout's lines, typeset."""
    lines: list[tuple[str, Look]] = []
    for block in layout.blocks:
        if name := named(block):
            lines.append((name, ()))
            continue
        for row in typeset(Layout((block,)), width, drawable=draw_all):
            assert isinstance(row, Row | Rule), row
            lines.append(row_looks(row) if isinstance(row, Row) else looks(row.char * width))
    return lines


def alike(lines: list[tuple[str, Look]]) -> list[tuple[str, Look]]:
    """The reference's names of symbologies, as ours."""
    names = {"jan": "ean13", "ean": "ean13", "nw7": "codabar", "upc": "upca"}
    short = re.compile(r'^(⟦barcode \d) ean13( .* "\d{7,8}"⟧)$')
    found = [re.sub(r"^(⟦barcode \d) (\w+)", lambda m: f"{m[1]} {names.get(m[2], m[2])}", text) for text, _ in lines]
    return [(short.sub(r"\1 ean8\2", text), look) for text, (_, look) in zip(found, lines, strict=True)]


def ask(asked: list[tuple[str, int]]) -> list[str]:
    """The reference's answers, or why there are none."""
    try:
        return reference.render(asked)
    except reference.MissingError as exc:
        pytest.skip(str(exc))


@EACH_WIDTH
@EACH_DOCUMENT
def test_a_document_prints_as_the_reference_prints_it(document: Path, width: int) -> None:
    """Line for line, character for character, look for look."""
    layout, unknown = parse_receiptline(reference.read(document), width)
    assert printed(layout, width) == alike(expected(reference.golden(document)[width]))
    assert not unknown


@EACH_WIDTH
@EACH_DOCUMENT
def test_the_paper_says_what_the_reference_says(document: Path, width: int) -> None:
    """The same lines are read from virtual ESC/POS paper; blank ones aside, as the knife needs some too."""
    layout, _ = parse_receiptline(reference.read(document), width)
    blocks = [block for block in layout.blocks if not isinstance(block, Code | Image)]
    paper = Paper(width * 12)
    paper.feed(encode(typeset(Layout(tuple(blocks)), width), width).data)
    lines = [line for piece in paper.pieces for line in piece.lines if line.text.strip()]
    texts = ["-" * width if set(line.text) == {"-"} and line.dots == width * 12 else line.grid() for line in lines]
    told = [text for text, _ in expected(reference.golden(document)[width]) if text and text[0] != "⟦"]
    assert texts == told


@EACH_WIDTH
@pytest.mark.parametrize("document", [path for path in CORPUS if b"^" not in path.read_bytes()], ids=lambda p: p.stem)
def test_the_preview_says_what_the_reference_says(document: Path, width: int) -> None:
    """So does the text grid, which writes large characters once: documents without them."""
    layout, _ = parse_receiptline(reference.read(document), width)
    blocks = [block for block in layout.blocks if not isinstance(block, Code | Image | Cut)]
    lines = grid.render(typeset(Layout(tuple(blocks)), width), width).split("\n")[:-1] if blocks else []
    told = [text for text, _ in expected(reference.golden(document)[width]) if text[:1] != "⟦"]
    assert [line.rstrip(" ") for line in lines] == told


def test_the_golden_files_are_what_the_reference_prints() -> None:
    """The kept outputs are the reference's own, of the version that is named."""
    asked = [(reference.read(document), width) for document in CORPUS for width in reference.WIDTHS]
    kept = [reference.golden(document)[width] for document in CORPUS for width in reference.WIDTHS]
    assert ask(asked) == kept
    assert len(CORPUS) >= 60


EXAMPLES_DIFFER = {
    "en/column_width5": "a column beyond the widths is set beneath, not left out",
    "ja/column_width5": "a column beyond the widths is set beneath, not left out",
    "en/column_width6": "large text in a column of one cell is set narrower, not left out",
    "ja/column_width6": "text in columns that are too narrow for it is set beneath, not left out",
    "ja/guest": "half-width kana are drawn in one cell each; the reference counts two where the charset is Chinese",
}


@EACH_WIDTH
def test_the_examples_of_the_specification_print_as_the_reference_prints_them(width: int) -> None:
    """Those that come with the reference, but for the few that lose text there."""
    ask([])
    documents = [(f"{path.parent.name}/{path.stem}", reference.read(path)) for path in reference.examples()]
    assert len(documents) >= 40
    answers = ask([(text, width) for _, text in documents])
    differ = []
    for (name, text), answer in zip(documents, answers, strict=True):
        if printed(parse_receiptline(text, width)[0], width) != alike(expected(answer)):
            differ.append(name)
    assert differ == sorted(EXAMPLES_DIFFER)


DIFFERENT = [
    ("a\\qb", ["a\\qb"], ("line 1: \\q",), "an escape that is none is printed, not dropped with its character"),
    ("\\xZZ", ["\\xZZ"], ("line 1: \\x",), "so is a hexadecimal one without its digits"),
    ("a\\;b", ["a;b"], (), "a semicolon may be escaped in text too: one way of escaping does for both"),
    (
        "豆浆 {大} | 3.00",
        ["豆浆 {大}                   3.00"],
        ("line 1: 豆浆 {大}",),
        "a brace is text, not the line's end",
    ),
    (
        "a | {width:5}",
        ["a                      {width:5}"],
        ("line 1: {width:5}",),
        "properties beside text are text",
    ),
    ("{width:5;x}", ["{width:5;x}"], ("line 1: {width:5;x}",), "a property line that is not understood is printed"),
    ("{name:Bob}", ["{name:Bob}"], ("line 1: {name:Bob}",), "so is one with a word that is no property"),
    ("{text:Hello}", ["{text:Hello}"], ("line 1: {text:Hello}",), "`text` means how to wrap; a text there is not lost"),
    (
        "{width:6 6;align:left}\na | b | c",
        ["a         b", "c"],
        ("line 2: | c",),
        "a column beyond the widths is set beneath",
    ),
    ("{width: 6, 6;align:left}\na | b", ["a           b"], (), "a comma with a blank is one separator"),
    ("{width:6 wide}\na | b |", ["a                  b"], ("line 1: {width:wide}",), "a width that is none shares"),
    ("{width:1 5;align:left}\n豆 | b", ["      b", "豆"], (), "a character too wide for its column is set beneath"),
    ("{width:2 5;align:left}\n^^^豆 | b", ["豆     b"], (), "a large one that is too wide is set narrower"),
    ("{command:\\x1bp0}", [], ("line 1: {command}",), "bytes for a printer are refused"),
]
"""Where ours is not the reference's, and why: the document, our lines, what is reported."""


@pytest.mark.parametrize(("doc", "lines", "unknown", "why"), DIFFERENT, ids=[why for *_, why in DIFFERENT])
def test_where_we_differ_nothing_is_lost_and_it_is_reported(
    doc: str, lines: list[str], unknown: tuple[str, ...], why: str
) -> None:
    """Each deliberate difference, as it stands on the paper."""
    layout, reported = parse_receiptline(doc, 32)
    texts = [text for text, _ in printed(layout, 32)]
    assert [text.strip() for text in texts] == [text.strip() for text in lines], why
    assert reported == unknown


def test_where_we_differ_the_reference_does() -> None:
    """The list of differences is honest: each of them is one (but for bytes, that no text output has)."""
    documents = [doc for doc, *_ in DIFFERENT if "command" not in doc]
    for doc, answer in zip(documents, ask([(doc, 32) for doc in documents]), strict=True):
        assert printed(parse_receiptline(doc, 32)[0], 32) != alike(expected(answer)), doc


def test_random_documents_print_as_the_reference_prints_them() -> None:
    """What no one thought of: the whole grammar, mixed. Documents of which we report something are left out."""
    seed = 20261122
    chance = random.Random(seed)
    asked = [(Writer(chance).document() + "\nend", chance.choice([32, 42, 48])) for _ in range(600)]
    compared = 0
    for (doc, width), answer in zip(asked, ask(asked), strict=True):
        layout, unknown = parse_receiptline(doc, width)
        if not unknown:
            compared += 1
            assert printed(layout, width) == alike(expected(answer)), (seed, doc, width)
    assert compared > 400


@given(st.text(st.one_of(st.characters(), st.sampled_from('|{}\\^_"`~-=:;,\n\r\t \x00\x1b豆🌶'))), st.integers(8, 48))
def test_any_text_is_a_document(doc: str, width: int) -> None:
    """Nothing raises, and every row fits the paper and holds nothing that a printer obeys."""
    layout, _ = parse_receiptline(doc, width)
    for row in typeset(layout, width, drawable=draw_all):
        if isinstance(row, Row):
            assert sum([cell(c) * run.style.width for run in row.runs for c in run.text]) <= width
            assert [run.text for run in row.runs] == [clean(run.text) for run in row.runs]


MARKS = '\\|{}-=~"`^;, \t\n'


@settings(max_examples=300)
@given(st.one_of(st.text(MARKS + "_豆QZ"), st.text(MARKS + ":豆QZ")), st.integers(8, 48))
def test_no_letter_of_a_document_is_lost(doc: str, width: int) -> None:
    """Whatever the marks around them (no comment, no nowrap, no property that is one): every letter is on paper."""
    layout, _ = parse_receiptline(doc, width)
    texts = [run.text for row in typeset(layout, width) if isinstance(row, Row) for run in row.runs]
    assert Counter(c for c in "".join(texts) if c in "豆QZ") == Counter(c for c in doc if c in "豆QZ")


@given(st.text(st.one_of(st.characters(), st.sampled_from('|{}\\^_"`~-=:;,xn41\n\t \x1b豆')), max_size=40))
def test_an_escaped_value_is_itself_on_paper(value: str) -> None:
    """A customer's words are words: alone, beside a bar, and in a code."""
    said, text = escape(value), clean(value)
    documents = [said, f"|{said}|", f"|^{said}|"] + [f"{{code:{said};option:qrcode}}"] * bool(text)
    for doc in documents:
        layout, unknown = parse_receiptline(doc, 48)
        assert not unknown
        found = [block.text for block in layout.blocks if isinstance(block, Code)] or [
            "".join([run.text for run in column.runs])
            for block in layout.blocks
            for column in getattr(block, "columns", ())
        ]
        assert found == [text]


@given(st.text(st.sampled_from('|{}\\^_"`~-=:;, 豆浆ax1'), min_size=1, max_size=14))
def test_an_escaped_value_is_read_back_from_the_paper(value: str) -> None:
    """The characters that ReceiptLine and the printer know, between two brackets, in one line."""
    layout, _ = parse_receiptline(f"[{escape(value)}] | #", 48)
    paper = Paper(48 * 12)
    paper.feed(encode(typeset(layout, 48), 48).data)
    assert paper.pieces[0].text.split("\n")[0].removesuffix("#").strip() == f"[{clean(value)}]"[:24].strip()


def test_an_escaped_value_is_itself_on_the_reference_too() -> None:
    """The way of escaping is the language's own: a document is as good elsewhere."""
    chance = random.Random(7)
    values = ["".join(chance.choices('|{}\\^_"`~-=:; 豆浆ax1n', k=12)) for _ in range(200)] + ["---", "===", "{}"]
    answers = ask([(f"|{escape(value)}|", 48) for value in values])
    assert [answer.strip() for answer in answers] == [value.strip() for value in values]


HOSTILE = {
    "bars": "|" * 100_000,
    "columns": "a|" * 50_000,
    "sizes": "^" * 100_000,
    "sizes one by one": "^a" * 50_000,
    "marks": '_"`' * 30_000,
    "backslashes": "\\" * 100_000,
    "open braces": "{" * 100_000,
    "braces in columns": "{|" * 50_000,
    "members": "{" + "a:b;" * 25_000 + "}",
    "blanks in a member": "{code:" + "x " * 50_000 + "}",
    "blanks in a key": "{" + " " * 100_000 + ":x}",
    "widths": "{width:" + "* " * 2_000 + "}\n" + "a\n" * 20_000,
    "wide widths": "{width:" + "9" * 50_000 + " " + "48 " * 500 + "}\n" + "a | b\n" * 5_000,
    "rules in a table": "{border:line}\n" + "a | b\n-\n" * 15_000,
    "lines": "\n" * 100_000,
    "one long line": "豆" * 100_000,
    "blanks": " a" + " " * 100_000 + "b",
    "newlines": "\\n" * 50_000,
    "base64": "{image:" + "=" * 50_000 + "A" * 50_000 + "}",
}


@pytest.mark.parametrize("doc", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_document_is_parsed_in_bounded_time(doc: str) -> None:
    """100,000 characters of the worst take a second or so, not minutes."""
    start = time.process_time()
    parse_receiptline(doc, 48)
    assert time.process_time() - start < 3


@pytest.mark.parametrize(
    ("doc", "code"),
    [
        ("{code:201234567890;option:ean}", Code(Symbology.EAN13, "2012345678903", 2, 72, caption=False)),
        ("{code:2012345678901;option:ean}", Code(Symbology.EAN13, "2012345678901", 2, 72, caption=False)),
        ("{code:2012345;option:jan,hri}", Code(Symbology.EAN8, "20123451", 2, 72)),
        ("{code:01234567890;option:upc}", Code(Symbology.UPC_A, "012345678905", 2, 72, caption=False)),
        ("{code:0425261;option:upc}", Code(Symbology.UPC_A, "042100005264", 2, 72, caption=False)),
        ("{code:04252614;option:upc}", Code(Symbology.UPC_A, "042100005264", 2, 72, caption=False)),
        ("{code:0123453;option:upc}", Code(Symbology.UPC_A, "012300000451", 2, 72, caption=False)),
        ("{code:0123454;option:upc}", Code(Symbology.UPC_A, "012340000053", 2, 72, caption=False)),
        ("{code:0123455;option:upc}", Code(Symbology.UPC_A, "012345000058", 2, 72, caption=False)),
        ("{code:A1;option:code39,3,48,hri}", Code(Symbology.CODE39, "A1", 3, 48)),
        ("{code:豆浆;option:qrcode,6,m}", Code(Symbology.QR, "豆浆", 6, level="m")),
        ("{code:x}", Code(Symbology.CODE128, "x", 2, 72, caption=False)),
    ],
)
def test_codes(doc: str, code: Code) -> None:
    """A missing check digit is added, a wrong one is left for the typesetter to show; UPC-E is written out as UPC-A."""
    layout, unknown = parse_receiptline(doc, 48)
    assert layout.blocks == (code,)
    assert not unknown


@pytest.mark.parametrize(
    ("doc", "unknown"),
    [
        ("{border:thick}\n{border:3}", ("line 1: {border:thick}", "line 2: {border:3}")),
        ("a\n{align:middle}", ("line 2: {align:middle}",)),
        ("{option:pdf417,2,900}", ("line 1: {option:pdf417}", "line 1: {option:900}")),
        ("{image:====}", ("line 1: {image:====}",)),
        ("\\q\\q\n\\q", ("line 1: \\q", "line 2: \\q")),
        ("{" + "colour" * 30 + ":red}", ("line 1: {" + ("colour" * 30)[:59] + "…",)),
    ],
)
def test_what_is_not_understood_is_reported_once_with_its_line(doc: str, unknown: tuple[str, ...]) -> None:
    """With the number of the line, no more than once for each, and not at length."""
    assert parse_receiptline(doc, 48)[1] == unknown


def test_a_command_never_reaches_the_wire() -> None:
    """Not by a property, not by its short name, not in the text of one that is not understood."""
    doc = "{command:\\x1b\\x70\\x00}\n{x:\\x10\\x14}\n{command:\\x1bp;y}\n\\x1bp"
    layout, unknown = parse_receiptline(doc, 48)
    data = encode(typeset(layout, 48), 48).data
    assert b"\x1bp" not in data
    assert b"\x10" not in data
    assert unknown[:2] == ("line 1: {command}", "line 2: {command}")


def test_bars_are_as_tall_as_the_text_between_them() -> None:
    """A table's upright lines have no gaps beside large text."""
    layout, _ = parse_receiptline("{border:line}\n^^^A | b", 32)
    row = typeset(layout, 32)[1]
    assert isinstance(row, Row)
    assert [run.style.height for run in row.runs for c in run.text if c == "|"] == [2, 2, 2]
    assert Run("A", Style(2, 2)) in row.runs


@pytest.mark.parametrize(
    "doc",
    ["===\na\n===\nb", "a\n=\n=\nb", "a\n===\nb\n===\n", "{border:line}\na\n=\nb\n=\n", "=\n=\na\n=\nb\n=\n=\n"],
)
def test_no_slip_is_blank(doc: str) -> None:
    """A cut at the top, a second cut, and a line end after the last one: two pieces of paper and no more."""
    paper = Paper(48 * 12)
    data = encode(typeset(parse_receiptline(doc, 48)[0], 48), 48).data
    paper.feed(data)
    assert data.count(b"\x1dV") == 2
    assert ["a" in paper.pieces[0].text, "b" in paper.pieces[1].text] == [True, True]


def test_a_picture_stands_where_its_bars_put_it() -> None:
    """Base64 in, a picture's bytes out, aligned as text would be."""
    blocks = parse_receiptline("|{image:R0lGODlh}\n{image:R0lGODlh}|", 48)[0].blocks
    assert blocks == (Image(b"GIF89a", align=Align.LEFT), Image(b"GIF89a", align=Align.RIGHT))
