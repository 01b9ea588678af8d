"""Typesetting: a Layout meets a width and becomes rows. No font is asked unless a character needs drawing.

Laws: a row never exceeds the width; no character is lost; what stands right is never cut, and not split while
the paper is wide enough for it; 。，）、！？ do not begin a row where that can be avoided.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import NamedTuple
from unicodedata import combining

from agent.encode import raster
from agent.encode.text import cell, cells, clean, sayable, spell
from agent.model.layout import PLAIN, Align, Columns, Frame, Image, Layout, Line, Printed, Row, Run, Style

Drawable = Callable[[str], bool]
MIN_LEFT = 10
"""A left column narrower than this is not worth having: the right part gets a row of its own."""

_NEVER_FIRST = frozenset("。，、；：？！）】》〉」』〗〕”’…—～·％℃.,;:?!)]}%")
_NEVER_LAST = frozenset("（【《〈「『〖〔“‘￥＃〓([{#")

_SECOND_LANGUAGE = re.compile(r"(?<=[^ -~]) (?=[ -~]+$)")


class _Piece(NamedTuple):
    """A cleaned run, measured: its cells on paper, and whether it must be drawn."""

    text: str
    style: Style
    cells: int
    drawn: bool


class _Glyph(NamedTuple):
    char: str
    style: Style
    cells: int


def typeset(
    layout: Layout, width: int, *, charset: str = "gbk", drawable: Drawable | None = None
) -> tuple[Printed, ...]:
    """Wrap every line of a layout to a width in cells.

    `charset` is what the printer's own font has: gbk, gb2312 or ascii. `drawable` says whether a character
    that it lacks can be drawn; by default the installed fonts are asked. What can't be is spelled: 〓U+1F336.
    """
    press = _Press(width, charset, drawable or _installed)
    rows: list[Printed] = []
    for block in layout.blocks:
        if isinstance(block, Line):
            rows += press.set_line(block)
        elif not isinstance(block, Image | Columns | Frame):
            rows.append(block)
    return tuple(rows)


def spell_out(row: Row, width: int) -> tuple[Row, ...]:
    """The same row where it can't be drawn: what GBK can't say is spelled out, and the row wrapped again."""
    line = Line(left=row.runs, align=row.align)
    return tuple(_Press(width, "gbk", lambda _: False).set_line(line))


def _installed(char: str) -> bool:
    return raster.load_fonts().covers(char)


class _Press:
    """One width and one charset."""

    def __init__(self, width: int, charset: str, drawable: Drawable) -> None:
        self.width = width
        self.charset = charset
        self.drawable = drawable

    def set_line(self, line: Line) -> list[Row]:
        left = [self.piece(run) for run in line.left]
        if line.right:
            return self.set_two(left, [self.piece(run) for run in line.right], line)
        return self.set_one(left, line)

    def set_one(self, left: list[_Piece], line: Line, align: Align | None = None) -> list[Row]:
        align = align or line.align
        if line.fit:
            left = _narrowed(left, self.width)
        taken = _taken(left)
        if align is Align.CENTER and left and all(piece.style.inverted for piece in left):
            return self.bars(left)
        if taken > self.width:
            return [self.row(runs, align) for runs in _wrap(left, self.width, line.indent)]
        return [_row(left, align)]

    def bars(self, pieces: list[_Piece]) -> list[Row]:
        """A centred inverted line becomes black bars from margin to margin, parted between its languages."""
        if _taken(pieces) > self.width and len(pieces) == 1:
            zh, _, en = _SECOND_LANGUAGE.sub("\n", pieces[0].text, count=1).partition("\n")
            halves = [self.piece(Run(text, pieces[0].style)) for text in (zh, en) if text]
            if max(half.cells for half in halves) <= self.width:
                return [_row(_bar([half], self.width - half.cells)) for half in halves]
        rows = [[self.piece(run) for run in runs] for runs in _wrap(pieces, self.width, 0)]
        return [_row(_bar(row, self.width - _taken(row))) for row in rows if row]

    def set_two(self, left: list[_Piece], right: list[_Piece], line: Line) -> list[Row]:
        right = _narrowed(right, self.width)
        taken, edge = _taken(left), _taken(right)
        if taken + edge + bool(taken) <= self.width:
            return [_row([*left, *_gap(left, right, self.width - taken - edge), *right])]
        column = self.width - edge - 1
        least = max([min(MIN_LEFT, self.width // 2), *(2 * piece.style.width for piece in left)])
        if line.fit or column < least:
            rows = self.set_one(left, line, Align.LEFT) if taken else []
            return rows + self.set_one(right, Line(), Align.RIGHT)
        first, *rest = _wrap(left, column, line.indent)
        beside = [self.piece(run) for run in first]
        gap = _gap(beside, right, self.width - _taken(beside) - edge)
        return [_row([*beside, *gap, *right]), *(self.row(runs, Align.LEFT) for runs in rest)]

    def piece(self, run: Run) -> _Piece:
        text, style = clean(run.text), run.style
        widest = max(1, min(8, self.width // 2))
        if not (1 <= style.width <= widest and 1 <= style.height <= 8):
            style = _sized(style, max(1, min(style.width, widest)), max(1, min(style.height, 8)))
        if sayable(text, self.charset):
            return _Piece(text, style, cells(text) * style.width, False)
        text = "".join(map(self.character, text))
        return _Piece(text, style, cells(text) * style.width, not sayable(text, self.charset))

    def character(self, char: str) -> str:
        return char if sayable(char, self.charset) or self.drawable(char) else spell(char)

    def row(self, runs: Sequence[Run], align: Align) -> Row:
        return Row(tuple(runs), align, any(not sayable(run.text, self.charset) for run in runs))


def _row(pieces: Iterable[_Piece], align: Align = Align.LEFT) -> Row:
    kept = [piece for piece in pieces if piece.text]
    runs = tuple([Run(piece.text, piece.style) for piece in kept])
    return Row(runs, align, any(piece.drawn for piece in kept))


def _taken(pieces: Iterable[_Piece]) -> int:
    return sum([piece.cells for piece in pieces])


def _blank(count: int, style: Style) -> _Piece:
    return _Piece(" " * count, style, count * style.width, False)


def _gap(left: Sequence[_Piece], right: Sequence[_Piece], size: int) -> list[_Piece]:
    """Blanks between the columns, in the styles beside them where possible: a change of style costs bytes."""
    before = left[-1].style if left else PLAIN
    after = right[0].style
    if before.inverted or before.width > 1:
        before = PLAIN
    if after.inverted:
        return [_blank(size, before)]
    return [_blank(size % after.width, before), _blank(size // after.width, after)]


def _bar(pieces: list[_Piece], room: int) -> list[_Piece]:
    first, last = pieces[0].style, pieces[-1].style
    before = room // 2 // first.width
    return [_blank(before, first), *pieces, _blank((room - before * first.width) // last.width, last)]


def _narrowed(pieces: list[_Piece], width: int) -> list[_Piece]:
    """The pieces, set narrower step by step until they fit the width or are at normal size."""
    while _taken(pieces) > width and (widest := max(piece.style.width for piece in pieces)) > 1:
        pieces = [_narrower(piece) if piece.style.width == widest else piece for piece in pieces]
    return pieces


def _narrower(piece: _Piece) -> _Piece:
    times = piece.style.width - 1
    style = _sized(piece.style, times, min(piece.style.height, times + 1))
    return piece._replace(style=style, cells=piece.cells // piece.style.width * times)


def _sized(style: Style, width: int, height: int) -> Style:
    return Style(width, height, style.bold, style.inverted)


def _wrap(pieces: list[_Piece], width: int, indent: int) -> list[list[Run]]:
    glyphs = [_Glyph(c, p.style, cell(c) * p.style.width) for p in pieces for c in p.text]
    indent = max(0, min(indent, width // 3, width - max([glyph.cells for glyph in glyphs], default=0)))
    rows: list[list[Run]] = []
    start, room = 0, width
    while start < len(glyphs):
        end = _break(glyphs, start, _reach(glyphs, start, room))
        margin = [Run(" " * indent)] if rows and indent else []
        rows.append(margin + _runs(glyphs[start:end]))
        start, room = end, width - indent
        while start < len(glyphs) and glyphs[start].char == " ":
            start += 1
    return rows or [[]]


def _reach(glyphs: list[_Glyph], start: int, room: int) -> int:
    end = start
    while end < len(glyphs) and glyphs[end].cells <= room:
        room -= glyphs[end].cells
        end += 1
    return max(end, start + 1)


def _break(glyphs: list[_Glyph], start: int, end: int) -> int:
    """Where the row ends: after two spaces if it has them, as they part facts; else where a break is good."""
    if end == len(glyphs):
        return end
    places = range(end, start, -1)
    for i in places:
        if i > start + 2 and glyphs[i - 1].char == glyphs[i - 2].char == " " != glyphs[start].char:
            return i
    return next((i for i in places if _may_break(glyphs[i - 1].char, glyphs[i].char)), end)


def _may_break(before: str, after: str) -> bool:
    if before == " " or after == " ":
        return True
    if after in _NEVER_FIRST or before in _NEVER_LAST or combining(after):
        return False
    return not (_in_word(before) and _in_word(after))


def _in_word(char: str) -> bool:
    return char < "\u2e80"


def _runs(glyphs: list[_Glyph]) -> list[Run]:
    while glyphs and glyphs[-1].char == " ":
        glyphs = glyphs[:-1]
    return [Run("".join([g.char for g in group]), style) for style, group in groupby(glyphs, lambda g: g.style)]
