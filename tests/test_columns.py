"""Columns and tables: shared out as the language says, wrapped as Chinese is, and no character lost."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.encode.columns import room_for, share_out
from agent.encode.escpos import encode
from agent.encode.text import cell, cells
from agent.encode.typeset import typeset
from agent.model.layout import Align, Block, Border, Column, Columns, Frame, Layout, Row, Run, Style
from agent.simulator.paper import Paper

TEXTS = st.text(st.sampled_from("豆浆油条少辣，。！（）《》abc xyz 12.5×°é🌶龘\n"), max_size=40)
STYLES = st.builds(Style, st.integers(1, 8), st.integers(1, 8), st.booleans(), st.booleans(), st.booleans())
RUNS = st.lists(st.builds(Run, TEXTS, STYLES), max_size=3).map(tuple)
COLUMNS = st.builds(
    Column, RUNS, st.one_of(st.just(0), st.integers(1, 60)), st.sampled_from(Align), st.just(True), st.booleans()
)
BLOCKS = st.builds(Columns, st.lists(COLUMNS, max_size=30).map(tuple), st.sampled_from(Border), st.sampled_from(Align))


def draw_all(_char: str) -> bool:
    """A font that has everything."""
    return True


def column(text: str, width: int = 0, align: Align = Align.LEFT, *, wrap: bool = True, broken: bool = False) -> Column:
    return Column((Run(text),), width, align, wrap, broken)


def lines_of(*blocks: Block, width: int = 32) -> list[str]:
    """The lines as they are read from virtual paper, without blanks at their ends."""
    paper = Paper(width * 12)
    paper.feed(encode(typeset(Layout(blocks), width), width).data)
    return "\n".join([line.grid() for line in paper.pieces[0].lines]).rstrip("\n").split("\n")


def ink(text: str) -> Counter[str]:
    return Counter(text.replace(" ", "").replace("\n", ""))


@pytest.mark.parametrize(
    ("widths", "free", "found"),
    [
        ((), 32, ()),
        ((0,), 32, (32,)),
        ((0, 0), 31, (15, 16)),
        ((0, 0, 0), 32, (10, 11, 11)),
        ((0, 5), 31, (26, 5)),
        ((5, 0, 8, 0), 29, (5, 8, 8, 8)),
        ((5, 6), 31, (5, 6)),
        ((100,), 32, (32,)),
        ((100, 100), 31, (16, 15)),
        ((100, 20, 5), 30, (13, 12, 5)),
        ((0, 100), 31, (1, 30)),
        ((0, 0, 100), 30, (1, 1, 28)),
        ((-3, 40), 31, (1, 30)),
    ],
)
def test_widths_are_shared_out(widths: tuple[int, ...], free: int, found: tuple[int, ...]) -> None:
    """Fixed ones stay, the rest is shared, the widest gives way."""
    assert share_out(widths, free) == found


@given(st.lists(st.integers(0, 100), max_size=30), st.sampled_from(Border), st.integers(1, 64))
def test_columns_always_fit(widths: list[int], border: Border, paper: int) -> None:
    """As many as there is room for have a cell each, and all of them no more than the paper."""
    widths = widths[: room_for(border, paper)]
    line, between = border is Border.LINE, {Border.NONE: 0, Border.WIDE: 2}.get(border, 1)
    free = paper - (between * (len(widths) - 1) + 2 * line if widths else 0)
    found = share_out(widths, free)
    assert all(width >= 1 for width in found)
    assert sum(found) <= free
    if 0 in widths:
        assert sum(found) == free
    else:
        assert all(cells <= width for cells, width in zip(found, widths, strict=True))


@settings(max_examples=200)
@given(BLOCKS, st.integers(8, 48))
def test_no_character_is_lost_and_every_row_fits(block: Columns, width: int) -> None:
    """Whatever the widths, sizes and borders."""
    rows = [row for row in typeset(Layout((block,)), width, drawable=draw_all) if isinstance(row, Row)]
    for row in rows:
        assert sum([cells(run.text) * run.style.width for run in row.runs]) <= width
        assert row.drawn == any("🌶" in run.text for run in row.runs)
    found = ink("".join([run.text for row in rows for run in row.runs]))
    del found["|"]
    assert found == ink("".join([run.text for column in block.columns for run in column.runs]))


def test_text_stands_side_by_side() -> None:
    """Each column aligned in its own cells, a blank between them."""
    block = Columns((column("豆浆"), column("x2", 4, Align.RIGHT), column("12.50", 7, Align.CENTER)))
    assert lines_of(block) == ["豆浆                  x2  12.50"]


@pytest.mark.parametrize(
    ("border", "line"),
    [
        (Border.NONE, "a  b  c"),
        (Border.SPACE, "a   b   c"),
        (Border.WIDE, "a    b    c"),
        (Border.LINE, "|a  |b  |c  |"),
    ],
)
def test_borders(border: Border, line: str) -> None:
    """Nothing, a blank, two, or bars at the margins too."""
    assert lines_of(Columns((column("a", 3), column("b", 3), column("c", 3)), border)) == [line]


@pytest.mark.parametrize(("align", "left"), [(Align.LEFT, 0), (Align.CENTER, 11), (Align.RIGHT, 23)])
def test_narrow_columns_stand_where_they_are_told(align: Align, left: int) -> None:
    """All lines of a table alike."""
    block = Columns((column("abcd", 3), column("b", 3)), Border.LINE, align)
    lines = lines_of(Frame(below=block), block, Frame(above=block))
    assert lines == [" " * left + text for text in ("+---+---+", "|abc|b  |", "|d  |   |", "+---+---+")]


def test_each_column_wraps_as_chinese_does() -> None:
    """No comma begins a line, and no word is parted."""
    block = Columns((column("咸豆浆，油条，", 7), column("fried stick", 8), column("x")))
    assert lines_of(block) == ["咸豆    fried    x", "浆，油  stick", "条，"]


def test_words_are_broken_where_that_is_asked_for() -> None:
    """A line ends where the column does, whatever stands there."""
    block = Columns((column("咸豆浆，油条", 6, broken=True), column("fried stick", 8, broken=True)))
    assert lines_of(block) == ["咸豆浆 fried st", "，油条 ick"]


def test_a_line_feed_begins_a_new_line() -> None:
    """In both ways of wrapping; blank lines stay."""
    for broken in (False, True):
        assert lines_of(Columns((column("a\n\nb", 3, broken=broken), column("c\nd", 3)))) == ["a   c", "    d", "b"]


def test_only_nowrap_cuts() -> None:
    """The column that says so, and no other."""
    block = Columns((column("one two three", 7, wrap=False), column("four five", 5)))
    assert lines_of(block) == ["one two four", "        five"]


def test_joints_follow_the_bars_above_and_below() -> None:
    """A line of a table has a joint wherever one of its neighbours has a bar."""
    above = Columns((column("a", 3), column("b", 7)), Border.LINE)
    below = Columns((column("c", 7), column("d", 7)), Border.LINE)
    plain = Columns((column("e", 4),), Border.NONE)
    assert lines_of(Frame(above, below)) == ["+---+---+---+---+"]
    assert lines_of(Frame(plain, below)) == ["+-------+-------+"]
    assert lines_of(Frame(plain)) == ["----"]
    assert typeset(Layout((Frame(),)), 32) == ()


def test_bars_are_as_tall_as_the_text() -> None:
    """No gaps in the bar beside large text, and large text keeps its column."""
    block = Columns((Column((Run("豆", Style(2, 2)),), 8), column("x", 3)), Border.LINE)
    paper = Paper(384)
    paper.feed(encode(typeset(Layout((block,)), 32), 32).data)
    (line,) = [line for line in paper.pieces[0].lines if line.text.strip()]
    assert line.grid() == "|豆      |x  |"
    assert [(run.height, run.width) for run in line.runs if "|" in run.text] == [(2, 1)] * 3


def test_what_has_no_room_beside_stands_beneath() -> None:
    """Columns beyond the paper, and a character that is wider than its column."""
    many = Columns(tuple([column(str(n % 10)) for n in range(20)]), Border.LINE)
    assert lines_of(many) == ["|" + "|".join("01234567890123") + "|4 |", *"56789"]
    assert lines_of(Columns((column("豆浆", 1), column("b", 3)))) == ["  b", "豆浆"]
    assert lines_of(Columns((column("a", 3),), Border.LINE), width=2) == ["a"]


def test_large_text_is_set_narrower_where_its_column_is_narrow() -> None:
    """Rather than lost; its height stays."""
    big = Run("豆", Style(4, 4))
    for broken in (False, True):
        (row,) = typeset(Layout((Columns((Column((big,), 5, break_words=broken),)),)), 32)
        assert isinstance(row, Row)
        assert [(run.text, run.style.width, run.style.height) for run in row.runs] == [("豆", 2, 4)]


def test_only_the_rows_that_need_it_are_drawn() -> None:
    """A row that the printer has no characters for is drawn; the other rows of the same columns are not."""
    block = Columns((column("豆浆\n🌶\n油条", 8), column("a\nb\nc", 3)))
    rows = [row for row in typeset(Layout((block,)), 32, drawable=draw_all) if isinstance(row, Row)]
    assert [row.drawn for row in rows] == [False, True, False]
    spelled = [row for row in typeset(Layout((block,)), 32, drawable=lambda _: False) if isinstance(row, Row)]
    assert "".join([run.text for row in spelled for run in row.runs]).count("U+1F33") == 1
    assert not any(row.drawn for row in spelled)


def test_marks_stay_on_their_letters() -> None:
    """A combining mark is never parted from what it stands on."""
    text = "ก\u0e48" * 6
    rows = typeset(Layout((Columns((column(text, 3, broken=True),)),)), 32, drawable=draw_all)
    texts = ["".join([run.text for run in row.runs]) for row in rows if isinstance(row, Row)]
    assert "".join(texts) == text
    assert not any(line.startswith("\u0e48") for line in texts)
    assert max(sum(cell(c) for c in line if c != "\u0e48") for line in texts) <= 3


def test_an_empty_row_of_columns_is_a_blank_line() -> None:
    """No columns, or none that say anything."""
    assert typeset(Layout((Columns(()),)), 32) == (Row(()),)
    assert lines_of(Columns((column(""), column("")), Border.LINE)) == ["|" + " " * 14 + "|" + " " * 15 + "|"]
