"""Characters and typesetting: nothing lost, nothing cut, nothing that a printer could obey."""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable
from typing import Literal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agent.encode import grid
from agent.encode import typeset as typesetting
from agent.encode.text import MOST_MARKS, cells, clean, composed, sayable, spell
from agent.encode.typeset import spell_out, typeset
from agent.model.layout import (
    PLAIN,
    Align,
    Bitmap,
    Code,
    Cut,
    Gap,
    Layout,
    Line,
    Printed,
    Row,
    Rule,
    Run,
    Style,
    Symbology,
)
from agent.tickets.markup import parse

DROPPED = {"Cc", "Cf", "Cs"}
HOSTILE = st.text(st.one_of(st.characters(), st.sampled_from("\x00\x07\x10\x1b\x1c\x1d\x7f\x9b\ud83d豆，。🌶 \n")))
WORDS = st.text(st.sampled_from("豆浆油条少辣，。！（）《》abc xyz 12.5×°é🌶龘กิ่"), max_size=60)
STYLES = st.builds(Style, st.integers(1, 3), st.integers(1, 3), st.booleans(), st.booleans(), st.booleans())
RUNS = st.lists(st.builds(Run, WORDS, STYLES), max_size=3).map(tuple)
LINES = st.builds(Line, RUNS, RUNS, st.sampled_from(Align), st.integers(0, 60), st.booleans())


def draw_all(_char: str) -> bool:
    """A font that has everything."""
    return True


def rows_of(*blocks: Line, width: int = 32) -> list[Row]:
    return [row for row in typeset(Layout(blocks), width, drawable=draw_all) if isinstance(row, Row)]


def text_of(row: Row) -> str:
    return "".join(run.text for run in row.runs)


def breadth(row: Row) -> int:
    return sum(cells(run.text) * run.style.width for run in row.runs)


def ink(texts: list[str]) -> Counter[str]:
    return Counter("".join(texts).replace(" ", ""))


@given(HOSTILE)
def test_clean_text_holds_nothing_that_a_printer_obeys(text: str) -> None:
    """No control, format or surrogate, and no blank but the two that print."""
    cleaned = clean(text)
    assert not [c for c in cleaned if unicodedata.category(c) in DROPPED]
    assert not [c for c in cleaned if c.isspace() and c not in " \u3000"]
    assert unicodedata.is_normalized("NFC", cleaned)
    assert clean(cleaned) == cleaned


@given(st.text(st.sampled_from("豆浆abc é×°①🌶龘ñ½"), max_size=40))
def test_clean_keeps_every_printable_character(text: str) -> None:
    """Cleaning loses no character that can be seen."""
    assert clean(text) == unicodedata.normalize("NFC", text)


MARKS = "".join(chr(code) for code in range(0x300, 0x500) if unicodedata.combining(chr(code)))
PARTS = st.sampled_from("aéขी่े豆각\u1100\u1161\u11a8ệिकো\u09be\u0f40\u0f73\u0f75\u0f81\u0344\u0301\u0316\u031b")


@given(st.text(PARTS, max_size=5 * MOST_MARKS))
@example("เด็กกินข้าวผัดใส่ไข่เผ็ดน้อยไม่ใส่ผักชีนะครับ" * 2)
@example("हिन्दी में ज़्यादा मिर्च मत डालना, धन्यवाद " * 2)
@example(unicodedata.normalize("NFD", "Không hành, ít ớt, nước mắm để riêng, cảm ơn nhiều! " * 2))
@example(unicodedata.normalize("NFD", "고추는 빼고 파를 많이 넣어 주세요 " * 4))
@example("a" + MARKS[::-1])
def test_no_mark_is_lost_and_what_people_write_is_in_nfc(text: str) -> None:
    """In every script; of more marks in a row than any has, each stays with its character."""
    apart = unicodedata.normalize("NFD", text)
    assert unicodedata.normalize("NFD", composed(text)) == apart or longest_row(apart) > MOST_MARKS
    assert sorted(unicodedata.normalize("NFD", composed(text))) == sorted(apart)
    assert composed(text) == unicodedata.normalize("NFC", text) or longest_row(apart) > MOST_MARKS


def longest_row(text: str) -> int:
    """Of marks."""
    return max(map(len, re.split(b"\0", bytes(map(unicodedata.combining, text)))))


@pytest.mark.parametrize("read", [clean, lambda text: parse(text, "receiptline")])
@pytest.mark.parametrize("marks", [MARKS[::-1], "\u0301\u0316", "\u0f73"])
def test_marks_in_a_row_are_put_in_order_a_few_at_a_time(
    read: Callable[[str], object], marks: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python takes the square of their number, and nobody else comes to a turn: 250 KB of them would be a minute."""
    normalize = unicodedata.normalize
    rows = []

    def noted(form: Literal["NFC"], text: str) -> str:
        rows.append(longest_row(normalize("NFD", text)))
        return normalize(form, text)

    monkeypatch.setattr(unicodedata, "normalize", noted)
    read("豆" + marks * 200)
    assert max(rows) <= 2 * MOST_MARKS


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("¥12", "￥12"),
        ("a\u00a0b\tc", "a b c"),
        ("少\u200b辣\ufeff\ufe0f", "少辣"),
        ("e\u0301", "é"),
        ("1½份", "1½份"),
        ("a\r\nb", "a  b"),
        ("\x1bp\x00drawer", "pdrawer"),
        ("全\u3000角", "全\u3000角"),
        ("不要\U0001fadb no \uf8ff", "不要\U0001fadb no \uf8ff"),  # ginger of Unicode 15, and a telephone's own
        ("少\U0001fffe\ufdd0\U000e0080辣", "少辣"),
    ],
)
def test_clean_maps_look_alikes_and_drops_the_invisible(text: str, expected: str) -> None:
    """What a printer lacks becomes its look-alike; what nobody sees disappears; a number never changes."""
    assert clean(text) == expected


def test_cells_are_gbk_bytes_for_every_character_that_gbk_has() -> None:
    """East Asian Width is wrong for hundreds of characters; the number of bytes is not."""
    said = [chr(code) for code in range(0x20, 0x10000) if sayable(chr(code))]
    assert len(said) > 21_000
    assert [c for c in said if cells(c) != len(c.encode("gbk"))] == []
    assert cells("".join(said)) == sum(len(c.encode("gbk")) for c in said)


@pytest.mark.parametrize(
    ("text", "expected"), [("🌶", 2), ("ñ", 1), ("ｱ", 1), ("½", 1), ("龘🌶a", 5), ("가", 2), ("กิ่", 1)]
)
def test_a_drawn_character_takes_one_cell_in_alphabets_and_else_two(text: str, expected: int) -> None:
    """The rule for what GBK can't say; marks over and under a character take no cell of their own."""
    assert cells(text) == expected


def test_an_old_printers_charset_is_smaller() -> None:
    """GB2312 lacks rare characters, and a printer without Chinese lacks them all."""
    assert sayable("豆浆，x2", "gb2312")
    assert not sayable("喆", "gb2312")
    assert sayable("喆", "gbk")
    assert sayable("x2", "ascii")
    assert not sayable("豆", "ascii")


@settings(max_examples=300)
@given(LINES, st.sampled_from([16, 32, 42, 48]))
def test_every_row_fits_the_paper_and_no_character_is_lost(line: Line, width: int) -> None:
    """Typesetting may only move characters and add blanks."""
    rows = rows_of(line, width=width)
    assert all(breadth(row) <= width for row in rows)
    wanted = ink([clean(run.text) for run in (*line.left, *line.right)])
    assert ink([text_of(row) for row in rows]) == wanted
    assert all(row.drawn != all(sayable(run.text) for run in row.runs) for row in rows)


@given(WORDS, st.sampled_from(["x2", "x1.35斤", "x12份"]), st.sampled_from([32, 48]))
def test_a_quantity_stands_whole_at_the_right_margin(name: str, quantity: str, width: int) -> None:
    """However long the name is, its quantity is on one row, at the margin, whole."""
    rows = rows_of(Line((Run(name, Style(1, 2)),), (Run(quantity, Style(2, 2)),), indent=2), width=width)
    beside = [row for row in rows if row.runs and row.runs[-1] == Run(quantity, Style(2, 2))]
    assert len(beside) == 1
    assert breadth(beside[0]) == width or beside[0].align is Align.RIGHT


@given(st.text(st.sampled_from("0123456789"), min_size=1, max_size=150), st.sampled_from([32, 48]))
def test_a_quantity_wider_than_the_paper_loses_no_digit(quantity: str, width: int) -> None:
    """It is set narrower, then over several rows, but all of it is there and in order."""
    rows = rows_of(Line((Run("豆浆"),), (Run(quantity, Style(3, 3)),)), width=width)
    assert "".join(text_of(row) for row in rows).replace(" ", "") == "豆浆" + quantity


@given(st.text(st.sampled_from("豆浆油条，。、！？）"), max_size=80))
def test_no_row_begins_with_closing_punctuation_where_avoidable(text: str) -> None:
    """。，）、！？ stay with the character before them, unless nothing else is left to break before."""
    closing = set("，。、！？）")
    before = ""
    for row in rows_of(Line((Run(text),)), width=20):
        said = text_of(row)
        assert said[:1] not in closing or not set(before[1:]) - closing
        before = said


def test_latin_words_stay_whole_and_a_longer_one_is_broken() -> None:
    """Words break at blanks; one that is wider than the paper is broken, never lost."""
    said = [text_of(row) for row in rows_of(Line((Run("hot and sour soup " + "x" * 40),), indent=2), width=16)]
    assert said[:2] == ["hot and sour", "  soup"]
    assert "".join(said).count("x") == 40


@given(st.text(st.sampled_from("กข่ิ้ x"), max_size=60), st.integers(4, 20))
def test_a_mark_stays_with_its_character(text: str, width: int) -> None:
    """No row begins with a Thai vowel or tone that belongs to the row above, unless the text itself begins so."""
    marks = "่ิ้"
    began = ""
    for row in rows_of(Line((Run(text),)), width=width):
        said = text_of(row)
        assert said[:1] not in set(marks) or not began.strip()
        began += said


def test_facts_are_parted_between_double_blanks() -> None:
    """Two blanks part facts: a row breaks there rather than within one."""
    said = [text_of(row) for row in rows_of(Line((Run("下单 ordered 07:31  打印 printed 07:31:09"),)))]
    assert said == ["下单 ordered 07:31", "打印 printed 07:31:09"]


def test_a_fitted_line_is_set_narrower_before_it_is_broken() -> None:
    """An order number stays in one piece as long as the paper has room for it at any size."""
    (row,) = rows_of(Line((Run("#88123456789012", Style(3, 3)),), fit=True))
    assert row.runs == (Run("#88123456789012", Style(2, 3)),)
    two = rows_of(Line((Run("#8812345678", Style(3, 3)),), (Run("堂食 桌7", Style(2, 2)),), fit=True))
    assert [text_of(row) for row in two] == ["#8812345678", "堂食 桌7"]


def test_a_centred_inverted_line_is_a_black_bar() -> None:
    """Warnings reach from margin to margin, one bar for each language where both don't fit."""
    black = Style(1, 2, inverted=True)
    (bar,) = rows_of(Line((Run("加急 RUSH", black),), align=Align.CENTER))
    assert breadth(bar) == 32
    assert all(run.style.inverted for run in bar.runs)
    text = "以此单为准 replaces the earlier ticket"
    bars = rows_of(Line((Run(text, black),), align=Align.CENTER))
    assert [text_of(row).strip() for row in bars] == ["以此单为准", "replaces the earlier ticket"]


def test_a_row_with_an_unsayable_character_is_drawn_as_a_whole() -> None:
    """Only the rows that need it: a picture costs a hundred times the bytes."""
    rows = rows_of(Line((Run("少辣🌶"),)), Line((Run("谢谢"),)))
    assert [row.drawn for row in rows] == [True, False]


def test_what_no_font_has_is_spelled_out() -> None:
    """Neither said nor drawn, a character is still told."""
    layout = Layout((Line((Run("少辣🌶"),), (Run("x2"),)),))
    (row,) = typeset(layout, 32, drawable=lambda _: False)
    assert isinstance(row, Row)
    assert not row.drawn
    assert text_of(row) == "少辣〓U+1F336" + " " * 17 + "x2"
    assert spell("🌶") == "〓U+1F336"
    assert text_of(spell_out(Row((Run("少辣🌶"),), drawn=True), 32)[0]) == "少辣〓U+1F336"


def test_rules_gaps_and_cuts_pass_through() -> None:
    """Only lines depend on the width."""
    blocks = (Rule("="), Gap(10), Cut())
    assert typeset(Layout(blocks), 32) == blocks


def test_a_preview_shows_what_stands_where() -> None:
    """A terminal has one size of characters: the right column is still at the right."""
    big = Line((Run("#42", Style(3, 3)),), (Run("x2", Style(2, 2)),))
    rows: tuple[Printed, ...] = (*rows_of(big, Line((Run("中"),), align=Align.CENTER)), Rule(), Cut())
    shown = grid.render(rows, 32).splitlines()
    assert shown[0] == "#42" + " " * 27 + "x2"
    assert shown[1] == " " * 15 + "中"
    assert shown[2] == "-" * 32


def test_a_preview_names_codes_and_pictures_and_shows_styles_where_it_may() -> None:
    """A terminal can't draw them: what they say, or how large they are, stands in their place."""
    rows: tuple[Printed, ...] = (
        Code(Symbology.QR, "https://x.example/豆"),
        Code(Symbology.EAN8, "12345670", align=Align.LEFT),
        Bitmap(120, 48, bytes(15 * 48), Align.CENTER),
        Row((Run("a", Style(underlined=True)), Run("b"), Run("c", Style(bold=True, inverted=True)))),
    )
    shown = grid.render(rows, 32).splitlines()
    assert shown == ["   [QR: https://x.example/豆]", "[ean8: 12345670]", "        [picture 120x48]", "abc"]
    assert grid.render(rows, 32, styled=True).splitlines()[3] == "\x1b[4ma\x1b[0mb\x1b[1;7mc\x1b[0m"
    assert "".join(grid.render((Code(Symbology.QR, "x" * 60),), 32).split()) == "[QR:" + "x" * 60 + "]"


def test_an_empty_line_is_an_empty_row() -> None:
    """A blank line is kept."""
    assert rows_of(Line(), Line((Run("", PLAIN),))) == [Row(()), Row(())]


def test_a_line_of_many_empty_pieces_is_not_remembered() -> None:
    """What is kept of lines is bounded, however little stands in one."""
    kept = typesetting._rows_of.cache_info().currsize
    rows_of(Line((Run("x"),) + (Run("", Style(bold=True)), Run("")) * 1000))
    assert typesetting._rows_of.cache_info().currsize == kept
