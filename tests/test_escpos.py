"""The bytes on the wire: only commands that we mean, whatever an order says."""

import re
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.encode import raster
from agent.encode.escpos import Encoded, encode
from agent.encode.typeset import typeset
from agent.model.layout import PLAIN, Align, Bitmap, Cut, Gap, Layout, Line, Printed, Row, Rule, Run, Style
from agent.simulator.paper import Paper
from agent.simulator.piece import Piece
from tests.stream import taken_apart

NO_FONTS = raster.Fonts(())
EMPTY_FEED = b"\n\n\n\n\x1dVB\x00"
# The encoder's whole vocabulary: name, and how many bytes of parameters follow.
COMMANDS = {
    **{b"\x1c&": 0, b"\x1bE": 1, b"\x1ba": 1, b"\x1bJ": 1, b"\x1d!": 1, b"\x1dB": 1, b"\x1dV": 2},
    **{b"\x1b-": 1, b"\x1c-": 1},
}

HOSTILE = st.text(
    st.one_of(st.characters(), st.sampled_from("\x00\x04\x05\x07\x10\x14\x1b\x1c\x1dpq@E(\x7f\x9b豆🌶 ")), max_size=50
)
STYLES = st.builds(Style, st.integers(1, 8), st.integers(1, 8), st.booleans(), st.booleans(), st.booleans())
RUNS = st.lists(st.builds(Run, HOSTILE, STYLES), max_size=3).map(tuple)
BLOCKS = st.one_of(
    st.builds(Line, RUNS, RUNS, st.sampled_from(Align), st.integers(0, 8), st.booleans()),
    st.builds(Rule, st.text(max_size=2)),
    st.builds(Gap, st.integers(0, 300)),
    st.just(Cut()),
)
LAYOUTS = st.lists(BLOCKS, max_size=6).map(lambda blocks: Layout(tuple(blocks)))


def _picture(data: bytes, at: int) -> int:
    """The bytes of a GS v 0 that begins here."""
    if data[at : at + 4] != b"\x1dv0\x00":
        return 0
    return 8 + int.from_bytes(data[at + 4 : at + 6], "little") * data[at + 6]


def _rows_of_pictures(piece: Piece) -> bytes:
    return b"".join(bitmap.rows for bitmap in piece.bitmaps)


tokens = partial(taken_apart, COMMANDS, _picture)


def printed(*blocks: Line | Rule | Gap | Cut, width: int = 32, fonts: raster.Fonts | None = None) -> Encoded:
    return encode(typeset(Layout(blocks), width), width, fonts=fonts)


def paper_of(ticket: Encoded, width: int = 32) -> Paper:
    paper = Paper(width * 12)
    paper.feed(ticket.data)
    return paper


@settings(max_examples=300, deadline=None)
@given(LAYOUTS, st.sampled_from([16, 32, 48]), st.booleans())
def test_no_order_can_put_a_control_byte_on_the_wire(layout: Layout, width: int, fonts: bool) -> None:
    """All that is not one of our own commands, a picture or a line feed is printable text."""
    drawable = None if fonts else (lambda _: False)
    ticket = encode(typeset(layout, width, drawable=drawable), width, fonts=None if fonts else NO_FONTS)
    for token in tokens(ticket.data):
        if token[:2] in COMMANDS or token.startswith(b"\x1dv0\x00") or token == b"\n":
            continue
        assert min(token) >= 0x20
        assert b"\x7f" not in token
        token.decode("gbk")
    assert not re.search(rb"\x10[\x04\x05\x14]", ticket.data)


@settings(max_examples=100, deadline=None)
@given(LAYOUTS, st.sampled_from([32, 48]))
def test_a_printer_obeys_nothing_but_printing(layout: Layout, width: int) -> None:
    """No drawer, no memory, no beep, nothing that the paper did not understand."""
    paper = paper_of(encode(typeset(layout, width), width), width)
    assert paper.events == []
    assert paper.stray == []


@settings(max_examples=100, deadline=None)
@given(LAYOUTS, st.sampled_from([32, 48]))
def test_a_ticket_never_promises_more_lines_than_the_printer_counts(layout: Layout, width: int) -> None:
    """`lines` and `cuts` are evidence: a printer that printed everything has counted at least so many."""
    ticket = encode(typeset(layout, width), width)
    feeds = [token for token in tokens(ticket.data) if token == b"\n"]
    cuts = [token for token in tokens(ticket.data) if token[:2] == b"\x1dV"]
    assert (ticket.lines, ticket.cuts) == (len(feeds), len(cuts))
    assert ticket.cuts >= 1
    assert paper_of(ticket, width).line_feeds >= ticket.lines


@settings(max_examples=100, deadline=None)
@given(LAYOUTS)
def test_a_ticket_leaves_every_style_as_it_found_it(layout: Layout) -> None:
    """The next ticket starts plain: the last word on size, weight, inversion and alignment is nought."""
    last: dict[bytes, int] = {}
    for token in tokens(encode(typeset(layout, 32), 32).data):
        if token[:2] in (b"\x1d!", b"\x1bE", b"\x1dB", b"\x1ba", b"\x1b-", b"\x1c-"):
            last[token[:2]] = token[2]
    assert set(last.values()) <= {0}


def test_plain_text_costs_its_own_bytes_and_a_line_feed() -> None:
    """No command goes out where nothing changes; Chinese is switched on once."""
    assert printed(Line((Run("x2"),))).data == b"x2\n" + EMPTY_FEED
    chinese = "豆浆".encode("gbk")
    ticket = printed(Line((Run("豆浆"),)), Line((Run("豆浆"),)))
    assert ticket.data == b"\x1c&" + chinese + b"\n" + chinese + b"\n" + EMPTY_FEED


def test_styles_change_only_where_they_change() -> None:
    """One size command for two runs of one size, and one to go back."""
    big, bold = Style(2, 2), Style(2, 2, bold=True)
    ticket = printed(Line((Run("a", big), Run("b", bold))), Line((Run("c", bold),)))
    assert ticket.data == b"\x1d!\x11a\x1bE\x01b\nc\n\x1d!\x00\x1bE\x00" + EMPTY_FEED


def test_an_underline_is_below_every_character() -> None:
    """Printers keep two settings, for ASCII and for Chinese: both are told; wrapped and narrowed lines keep it."""
    under = Style(underlined=True)
    ticket = printed(
        Line((Run("a豆", under), Run("b"))), Line((Run("豆浆" * 12, Style(3, 3, underlined=True)),), fit=True)
    )
    assert ticket.data.startswith(b"\x1b-\x02\x1c-\x02\x1c&a" + "豆".encode("gbk") + b"\x1b-\x00\x1c-\x00b\n")
    (piece,) = paper_of(ticket).pieces
    assert "".join(run.text for run in piece.underlined) == "a豆" + "豆浆" * 12
    columns = printed(Line((Run("茶", under),), (Run("x2", under),)))
    assert [run.text for run in paper_of(columns).pieces[0].underlined] == ["茶", "x2"]


def test_an_underlined_row_that_is_drawn_has_its_line() -> None:
    """Two dots at the foot of the characters, from the first cell to the last."""
    plain, under = (printed(Line((Run("½份", Style(underlined=on)),))) for on in (False, True))
    feet = [paper_of(ticket).pieces[0].bitmaps[0].rows[-2 * 5 :] for ticket in (plain, under)]
    assert not any(feet[0])
    assert feet[1] == bytes.fromhex("fffffffff0") * 2


def test_alignment_is_set_at_the_start_of_a_line() -> None:
    """Printers ignore it anywhere else."""
    ticket = printed(Line((Run("a"),), align=Align.CENTER), Line((Run("b"),), align=Align.CENTER), Line((Run("c"),)))
    assert ticket.data == b"\x1ba\x01a\nb\n\x1ba\x00c\n" + EMPTY_FEED


def test_a_ticket_always_ends_with_one_cut() -> None:
    """A missing cut is added, and no blank piece is cut off."""
    assert printed().data == EMPTY_FEED
    assert printed(Line((Run("a"),)), Cut(), Cut()) == Encoded(b"a\n" + EMPTY_FEED, 5, 1, breaks=(2, 10, 10))
    assert printed(Line((Run("a"),)), Cut(), Line((Run("b"),))).cuts == 2


def test_a_rule_reaches_across_the_paper() -> None:
    """It is of wide characters: half the bytes. Anything but one ASCII character is a dash."""
    for char in ("-", "\x1b", "", "＝", "=="):
        (line, *_) = paper_of(printed(Rule(char), width=31), 31).pieces[0].lines
        assert line.dots == 31 * 12
        assert line.text == "-" * 16


def test_rows_that_were_not_typeset_are_refused() -> None:
    """A control character here is a bug of ours: the encoder is the last to see it."""
    with pytest.raises(ValueError, match="control character"):
        encode((Row((Run("a\x1bp"),)),), 32)


def test_a_drawn_row_is_a_picture_in_low_bands() -> None:
    """A half-eaten band swallows at most 24 rows of what follows, and a picture is only as wide as its ink."""
    ticket = printed(Line((Run("½份", Style(1, 3)),)))
    bands = [token for token in tokens(ticket.data) if token.startswith(b"\x1dv0")]
    assert [band[6] for band in bands] == [24, 24, 24]
    assert all(band[4] <= 5 for band in bands)
    (piece,) = paper_of(ticket).pieces
    assert not all(bitmap.is_blank for bitmap in piece.bitmaps)


def test_a_picture_for_a_slow_line_leaves_room_for_a_question_every_so_many_bytes() -> None:
    """A printer that was off for a moment and missed more than that has missed a question. The paper is the same."""
    rows = (*typeset(Layout((Line((Run("½份", Style(1, 3)),)),)), 48), Bitmap(570, 100, bytes(range(72)) * 100))
    fast, slow = encode(rows, 48), encode(rows, 48, most_band=700)
    assert max(low - high for high, low in pairwise((0, *slow.breaks))) <= 700 + 8
    assert max(low - high for high, low in pairwise((0, *fast.breaks))) == 24 * 72 + 8
    assert (slow.lines, slow.cuts, slow.feed_dots) == (fast.lines, fast.cuts, fast.feed_dots)
    (one,), (other,) = paper_of(fast).pieces, paper_of(slow).pieces
    assert _rows_of_pictures(one) == _rows_of_pictures(other)
    assert len(one.bitmaps) < len(other.bitmaps)


@pytest.mark.parametrize("style", [PLAIN, Style(2, 2, True), Style(1, 2, False, True, True), Style(8, 8)])
@pytest.mark.parametrize("align", Align)
def test_a_drawn_row_never_exceeds_the_paper(style: Style, align: Align) -> None:
    """Whatever its size and place."""
    (piece,) = paper_of(printed(Line((Run("½½ 豆浆 x2 ñ", style),), align=align))).pieces
    assert piece.bitmaps
    assert all(bitmap.printed_width <= 32 * 12 for bitmap in piece.bitmaps)


def test_pictures_hold_no_real_time_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """A printer obeys 10 04, 10 05 and 10 14 even inside a picture: one more pixel breaks them."""
    bad = bytes.fromhex("1004 1005 1014 1010 0400")
    monkeypatch.setattr(raster, "draw", lambda *_: (raster.Band(len(bad), 1, bad),))
    data = encode((Row((Run("½"),), drawn=True),), 32).data
    assert bytes.fromhex("1804 1805 1814 1018 0400") in data


def test_without_a_font_the_characters_code_is_printed() -> None:
    """Nothing is silently lost where Pillow or the fonts are missing, and the row still fits."""
    row = Row((Run("少辣🌶🌶 微信", Style(2, 2)), Run("x2", Style(2, 2))), drawn=True)
    ticket = encode((row,), 32, fonts=NO_FONTS)
    (piece,) = paper_of(ticket).pieces
    assert "".join(piece.text.split()) == "少辣〓U+1F336〓U+1F336微信x2"
    assert all(line.dots <= 384 for line in piece.lines)


def test_broken_font_files_are_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A font that can't be opened costs pictures, never a ticket."""
    (tmp_path / "broken-on-purpose.ttc").write_bytes(b"not a font")
    monkeypatch.setattr(raster, "_ROOTS", (tmp_path,))
    monkeypatch.setattr(raster, "_FACES", (("broken-on-purpose.ttc", 0),))  # Pillow looks elsewhere for a known name
    assert not raster.load_fonts.__wrapped__().covers("½")


def test_the_ticket_font_draws_what_gbk_lacks() -> None:
    """WenQuanYi Micro Hei has the accents and signs of a menu; nobody has U+FFFF."""
    fonts = raster.load_fonts()
    assert all(fonts.covers(char) for char in "½€ñ™")
    assert not fonts.covers("\uffff")


def test_text_comes_back_from_paper_as_it_was_meant() -> None:
    """Every run in its style, right column at the right margin."""
    rows: tuple[Printed, ...] = typeset(
        Layout((Line((Run("宫保鸡丁", Style(1, 2, True)),), (Run("x12", Style(2, 2, True)), Run("份", PLAIN))),)), 32
    )
    (line, *_) = paper_of(encode(rows, 32)).pieces[0].lines
    assert line.text.replace(" ", "") == "宫保鸡丁x12份"
    assert line.dots == 32 * 12
    first = line.runs[0]
    assert (first.text, first.width, first.height, first.bold) == ("宫保鸡丁", 1, 2, True)
