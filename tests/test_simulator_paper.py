"""The virtual paper reads ESC/POS as the manuals say, however the bytes arrive."""

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.simulator.paper import Paper
from agent.simulator.piece import Piece, Side

INIT = b"\x1b@"
CUT = b"\x1dVB\x00"


def printed(data: bytes, width_dots: int = 576, knife_dots: int = 0) -> Paper:
    paper = Paper(width_dots, knife_dots=knife_dots)
    paper.feed(data)
    return paper


def first_line(data: bytes) -> Piece:
    return printed(data).current


def test_ascii_and_gbk_text_becomes_lines() -> None:
    """Text is printed at LF; a Chinese model reads two-byte characters without being told."""
    assert printed("宫保鸡丁 x2\nTable 7\n".encode("gbk")).current.text == "宫保鸡丁 x2\nTable 7"


def test_text_without_line_feed_is_not_on_paper() -> None:
    """What is in the print buffer is not printed yet."""
    paper = printed(b"printed\nnot yet")
    assert paper.current.text == "printed"
    assert paper.unprinted == "not yet"


def test_kanji_mode_off_reads_single_bytes() -> None:
    """After FS . high bytes come from the code page; FS & brings Chinese back."""
    data = b"\x1c.\x1bt\x10" + "é".encode("cp1252") + b"\n\x1c&" + "好".encode("gbk") + b"\n"
    assert printed(data).current.text == "é\n好"


def test_chinese_nation_prints_yen_for_dollar() -> None:
    """ESC R 15 replaces $ in the single-byte set, and nothing else."""
    assert printed(b"\x1bR\x0f$5 " + "元".encode("gbk") + b"\n").current.text == "¥5 元"


@pytest.mark.parametrize(("width_dots", "cells"), [(576, 48), (384, 32)])
def test_a_line_wraps_at_the_paper_width(width_dots: int, cells: int) -> None:
    """A line holds width/12 cells; the next character goes to a new line, a full line alone does not."""
    assert [line.text for line in printed(b"x" * cells + b"\n", width_dots).current.lines] == ["x" * cells]
    wrapped = printed(b"x" * (cells + 1) + b"\n", width_dots)
    assert [line.text for line in wrapped.current.lines] == ["x" * cells, "x"]
    assert wrapped.line_feeds == 2


def test_a_wide_character_is_never_split_by_the_margin() -> None:
    """A two-cell character that has one cell left goes to the next line whole."""
    data = b"x" * 47 + "好".encode("gbk") + b"\n"
    assert [line.text for line in printed(data).current.lines] == ["x" * 47, "好"]


def test_sizes_count_for_the_width() -> None:
    """GS ! with double width leaves room for 24 cells."""
    lines = printed(b"\x1d!\x10" + b"x" * 25 + b"\n").current.lines
    assert [line.text for line in lines] == ["x" * 24, "x"]
    assert lines[0].runs[0].width == 2


def test_runs_carry_size_emphasis_and_inversion() -> None:
    """A run ends where the look changes, and says how it looks."""
    data = b"a\x1d!\x21b\x1d!\x00\x1bE\x01c\x1bE\x00\x1dB\x01d\x1dB\x00e\n"
    runs = first_line(data).lines[0].runs
    assert [(r.text, r.width, r.height, r.bold, r.inverted) for r in runs] == [
        ("a", 1, 1, False, False),
        ("b", 3, 2, False, False),
        ("c", 1, 1, True, False),
        ("d", 1, 1, False, True),
        ("e", 1, 1, False, False),
    ]


def test_print_mode_enlarges_single_bytes_and_kanji_mode_the_rest() -> None:
    """ESC ! is for single-byte characters, FS ! for two-byte ones, GS ! for both."""
    data = b"\x1b!\x30A" + "好".encode("gbk") + b"\x1b!\x00\x1c!\x0cB" + "好".encode("gbk") + b"\n"
    runs = first_line(data).lines[0].runs
    assert [(run.text, run.width, run.height) for run in runs] == [("A", 2, 2), ("好B", 1, 1), ("好", 2, 2)]


def test_alignment_belongs_to_the_line() -> None:
    """ESC a moves the line within the printable area."""
    lines = printed(b"\x1ba\x01ab\n\x1ba\x02ab\n\x1ba\x00ab\n").current.lines
    assert [line.align for line in lines] == [Side.CENTER, Side.RIGHT, Side.LEFT]
    assert [line.offset for line in lines] == [276, 552, 0]


def test_margin_and_area_shrink_the_line() -> None:
    """GS L and GS W set the printable area in dots."""
    lines = printed(b"\x1dL\x18\x00\x1dW\x78\x00" + b"x" * 11 + b"\n").current.lines
    assert [line.text for line in lines] == ["x" * 10, "x"]
    assert lines[0].offset == 24


def test_tabs_and_positions_leave_gaps() -> None:
    """HT goes to the next stop of ESC D, ESC $ to a dot."""
    data = b"\x1bD\x04\x0a\x00a\tb\tc\n" + b"\x1b$\x78\x00d\n"
    assert [line.text for line in printed(data).current.lines] == ["a   b     c", " " * 10 + "d"]


def test_a_tall_line_takes_more_paper_than_the_spacing() -> None:
    """Line spacing is a minimum: four times 24 dots of height feed 96 dots."""
    lines = printed(b"\x1b3\x20a\n\x1d!\x03a\n").current.lines
    assert [line.height_dots for line in lines] == [32, 96]


@pytest.mark.parametrize(
    "cut",
    [b"\x1dV\x00", b"\x1dV\x01", b"\x1dV0", b"\x1dV1", b"\x1dVA\x03", b"\x1dVB\x00", b"\x1bi", b"\x1bm"],
)
def test_every_cut_ends_a_piece(cut: bytes) -> None:
    """GS V in all its forms, ESC i and ESC m cut the paper and leak no parameter."""
    paper = printed(b"one\n" + cut + b"two\n")
    assert [piece.text for piece in paper.pieces] == ["one"]
    assert paper.current.text == "two"
    assert paper.cuts == 1


def test_a_knife_above_the_head_cuts_through_unfed_text() -> None:
    """A cut without feed leaves the last lines on the next piece; GS V 66 feeds them past the knife."""
    unfed = printed(b"one\ntwo\n\x1dV\x00three\n", knife_dots=30)
    assert [unfed.pieces[0].text, unfed.current.text] == ["one", "two\nthree"]
    fed = printed(b"one\ntwo\n\x1dVB\x00three\n", knife_dots=30)
    assert [fed.pieces[0].text, fed.current.text] == ["one\ntwo", "three"]


def test_line_feeds_are_counted() -> None:
    """LF, ESC d and 24 dots of blank feed or picture each count as the printer's own counter does."""
    paper = printed(b"a\nb\n\x1bd\x03\x1bJ\x30" + b"\x1dv0\x00\x01\x00\x18\x00" + b"\xff" * 24)
    assert paper.line_feeds == 2 + 3 + 2 + 1


def test_feed_of_lines_prints_the_line_first() -> None:
    """ESC d n prints what is in the buffer and feeds n lines in all."""
    paper = printed(b"a\x1bd\x03b\n")
    assert [line.text for line in paper.current.lines] == ["a", "", "", "b"]


def test_raster_becomes_a_bitmap() -> None:
    """GS v 0 is a picture of x bytes by y rows; commands inside it are pixels."""
    rows = b"\x1b@\x0a\x1dV\x00!!"
    paper = printed(b"\x1dv0\x03\x02\x00\x04\x00" + rows + b"after\n")
    bitmap = paper.current.bitmaps[0]
    assert (bitmap.width_dots, bitmap.height_dots, bitmap.rows) == (16, 4, rows)
    assert (bitmap.printed_width, bitmap.printed_height) == (32, 8)
    assert paper.current.text == "after"
    assert paper.cuts == 0


def test_column_pictures_stand_within_the_line() -> None:
    """ESC * with 24 dots: the high bit of each column's first byte is the top row."""
    paper = printed(b"a\x1b*\x21\x02\x00\x80\x00\x00\x00\x00\x01b\n")
    line = paper.current.lines[0]
    assert line.text == "a b"
    assert line.images[0].rows == b"\x80" + b"\x00" * 22 + b"\x40"


def test_graphics_are_stored_and_then_printed() -> None:
    """GS ( L function 112 keeps a picture, function 50 prints it."""
    data = b"\x30\x70\x30\x01\x01\x31\x08\x00\x02\x00\xf0\x0f"
    stored = b"\x1d(L" + len(data).to_bytes(2, "little") + data
    assert printed(stored).current.bitmaps == []
    assert printed(stored + b"\x1d(L\x02\x00\x30\x32").current.bitmaps[0].rows == b"\xf0\x0f"
    long_form = b"\x1d8L" + len(data).to_bytes(4, "little") + data
    assert printed(long_form + b"\x1d(L\x02\x00\x30\x32").current.bitmaps[0].rows == b"\xf0\x0f"


def qr(text: bytes) -> bytes:
    size = (len(text) + 3).to_bytes(2, "little")
    return b"\x1d(k\x03\x00\x31\x43\x06\x1d(k" + size + b"\x31\x50\x30" + text + b"\x1d(k\x03\x00\x31\x51\x30"


def test_codes_keep_what_they_say() -> None:
    """QR codes and both forms of GS k are on the paper as codes with their data."""
    paper = printed(qr(b"https://a.example/17") + b"\x1dk\x04A17\x00" + b"\x1dkI\x06{BA-17" + b"after\n")
    assert [(code.kind, code.data) for code in paper.current.codes] == [
        ("QR", b"https://a.example/17"),
        ("code39", b"A17"),
        ("code128", b"A-17"),
    ]
    assert paper.current.text == "after"


def test_the_drawer_is_an_event_and_not_text() -> None:
    """ESC p and DLE DC4 1 are recorded with all their bytes: a test can say that they never happen."""
    paper = printed(b"\x1bp\x00\x19\xfa" + b"\x10\x14\x01\x00\x01" + b"\x1bB\x03\x02" + b"ok\n")
    assert [event.kind for event in paper.events] == ["drawer", "drawer", "beep"]
    assert paper.events[0].command == b"\x1bp\x00\x19\xfa"
    assert paper.drawer_kicks == 2
    assert paper.current.text == "ok"


def test_what_is_unknown_is_recorded() -> None:
    """Unknown control bytes and commands are stray, and what was meant as their parameters prints."""
    paper = printed(b"a\x07\x1b\x01\x1d\x02b\x1c\x7f\x7fc\x1bLd\n")
    assert paper.stray == [b"\x07", b"\x1b\x01", b"\x1d\x02", b"\x1c\x7f", b"\x7f", b"\x1bL"]
    assert paper.current.text == "abcd"


def test_bytes_that_are_no_character_are_stray() -> None:
    """A lone lead byte, 80h, FFh and pairs outside GBK are recorded."""
    paper = printed(b"a\x80\xff\xb0\n" + b"\xff\xaa\xa1b\n")
    assert paper.stray == [b"\x80", b"\xff", b"\xb0", b"\xff", b"\xaa\xa1"]
    assert paper.current.text == "a\n\ufffdb"


def test_a_strange_pair_is_stray_once() -> None:
    """Also where it is read again because the line before it was full."""
    paper = printed("好".encode("gbk") * 24 + b"\xac\xa1\n")
    assert paper.stray == [b"\xac\xa1"]
    assert [line.text for line in paper.current.lines] == ["好" * 24, "\ufffd"]


def test_beeps_are_counted() -> None:
    """ESC B, ESC ( A and DLE DC4 3, each command once; their parameters are not text."""
    paper = printed(b"\x1bB\x03\x02\x1b(A\x05\x00\x61\x64\x03\x01\x01" + b"\x10\x14\x03\x01\x02\x03\x04\x05a\n")
    assert (paper.beeps, paper.text, paper.stray) == (3, "a", [])


@pytest.mark.parametrize(
    "half",
    [
        b"\x1b",
        b"\x1d(",
        b"\x1d(k\x40\x00\x31\x50",
        b"\x1dv0\x00\x08\x00\x18\x00\xff",
        b"\x1ba",
        b"\x1c",
        b"\xb0",
        b"\x10\x04",
    ],
)
def test_nuls_flush_a_half_eaten_command(half: bytes) -> None:
    """After enough NULs a printer is in step again and nothing strange is on paper."""
    paper = printed(half + b"\0" * 2048 + INIT + b"whole\n")
    assert paper.current.text == "whole"
    assert paper.stray == []


def test_initialize_resets_looks_and_drops_the_line() -> None:
    """ESC @ loses the line in the print buffer and every setting; the paper stays."""
    paper = printed(b"kept\n\x1d!\x11\x1ba\x01lost" + INIT + b"plain\n")
    assert paper.current.text == "kept\nplain"
    last = paper.current.lines[-1]
    assert (last.runs[0].width, last.align) == (1, Side.LEFT)


def test_forget_loses_half_a_command() -> None:
    """A power cut forgets what was not printed, also within a picture."""
    paper = printed(b"a\nb\x1dv0\x00\x08\x00\x18\x00\xff")
    paper.forget()
    paper.feed(b"c\n")
    assert paper.current.text == "a\nc"


def test_grid_shows_alignment_sizes_and_pictures() -> None:
    """The text for a terminal has one column for each cell."""
    data = b"\x1ba\x01\x1d!\x10ab\x1d!\x00\n\x1ba\x00" + "好".encode("gbk") + b"x\n" + qr(b"q")
    assert printed(data).current.grid() == " " * 22 + "a b\n好x\n[QR q]"


def test_png_is_a_picture_of_the_receipt(tmp_path: Path) -> None:
    """The picture is as wide as 80 mm paper and a desk's edge, and has ink where text is and inverted blocks."""
    data = "补打".encode("gbk") + b"\x1dB\x01 REPRINT \x1dB\x00\n" + qr(b"q") + b"\x1dk\x04A17\x00" + CUT
    piece = printed(data).pieces[0]
    piece.png(tmp_path / "piece.png")
    picture = piece.image()
    assert picture.width == 640 + 32
    assert (tmp_path / "piece.png").read_bytes().startswith(b"\x89PNG")
    block = picture.crop((16 + 32 + 48, 16 + 28, 16 + 32 + 48 + 9 * 12, 16 + 28 + 24))
    dark = sum(block.histogram()[:128])
    assert dark > block.width * block.height // 2


@given(st.binary(min_size=1, max_size=40), st.sampled_from([*range(7), *range(65, 74)]))
@settings(max_examples=60, deadline=None)
def test_any_barcode_can_be_drawn(data: bytes, kind: int) -> None:
    """A code that no library can draw is a box that says what it is."""
    body = data.replace(b"\0", b"") + b"\0" if kind <= 6 else bytes((len(data),)) + data
    printed(b"\x1dk" + bytes((kind,)) + body + qr(data)).current.image()


_COMMANDS = st.sampled_from(
    [
        *(b"\n", b"\r", b"\t", b"\0", b"\x1b@", b"\x1bE\x01", b"\x1d!\x11", b"\x1d!\x00", b"\x1ba\x01", b"\x1bd\x02"),
        *(b"\x1dVB\x00", b"\x1dV\x01", b"\x1bi", b"\x1c&", b"\x1c.", b"\x1dv0\x00\x02\x00\x03\x00\x1b@\n\x1dV\x00"),
        *(b"\x1b*\x21\x02\x00abcdef", b"\x1bp\x00\x19\xfa", b"\x1d(H\x06\x0000ABCD", b"\x1dr\x01", b"\x10\x04\x01"),
        *(b"\x1bD\x04\x08\x00", b"\x1dk\x04A17\x00", b"\x1b$\x30\x00", b"\x1b!\x20", b"\x1c!\x04", b"\x1bR\x0f"),
        qr(b"q"),
    ]
)
_TEXT = st.text("abc $宫保鸡丁，：·一", max_size=60).map(lambda text: text.encode("gbk"))
_STREAMS = st.lists(st.one_of(_COMMANDS, _TEXT, st.binary(max_size=4)), max_size=25).map(b"".join)


def seen(paper: Paper) -> tuple[object, ...]:
    return (paper.pieces, paper.current, paper.unprinted, paper.stray, paper.events, paper.line_feeds, paper.cuts)


@given(_STREAMS, st.lists(st.integers(0, 400), max_size=12))
@settings(max_examples=300, deadline=None)
def test_chunks_make_no_difference(data: bytes, cuts: list[int]) -> None:
    """The same bytes give the same paper wherever they are split."""
    chunked = Paper()
    edges = [0, *sorted(cuts), len(data)]
    for start, end in pairwise(edges):
        chunked.feed(data[start:end])
    assert seen(chunked) == seen(printed(data))


@given(_STREAMS, st.integers(1, 40))
@settings(max_examples=200, deadline=None)
def test_stopping_after_each_line_makes_no_difference(data: bytes, size: int) -> None:
    """A printer that takes line after line, in chunks, prints what one that takes all at once prints."""
    slow = Paper()
    for start in range(0, len(data), size):
        rest = data[start : start + size]
        while rest:
            rest = rest[slow.feed(rest, max_lines=1) :]
    whole = printed(data)
    assert (slow.text, slow.stray, slow.line_feeds) == (whole.text, whole.stray, whole.line_feeds)


@given(st.binary(max_size=2000))
@settings(max_examples=300, deadline=None)
def test_random_bytes_never_crash_it(data: bytes) -> None:
    """Whatever comes, the paper can be read and shown."""
    paper = printed(data)
    for piece in [*paper.pieces, paper.current]:
        piece.grid()
    assert paper.cuts == len(paper.pieces)
