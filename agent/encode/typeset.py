"""Typesetting: a Layout meets a width and becomes rows. No font is asked unless a character needs drawing.

Laws: a row never exceeds the width; no character is lost; what stands right is never cut, and not split while
the paper is wide enough for it; 。，）、！？ do not begin a row where that can be avoided.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache

import msgspec

from agent.encode import codes, images, raster
from agent.encode.columns import set_columns, set_frame
from agent.encode.text import cells, clean, sayable, spell
from agent.encode.wrap import wrap
from agent.errors import TooLong
from agent.model.layout import (
    PLAIN,
    Align,
    Bitmap,
    Code,
    Columns,
    Frame,
    Image,
    Layout,
    Line,
    Printed,
    Row,
    Rule,
    Run,
    Style,
)

Drawable = Callable[[str], bool]
MOST_ROWS = 100_000
MOST_DOTS = 1 << 26
"""Of all its pictures: what a ticket has of them is no more than it may make for the printer."""
MIN_LEFT = 10
"""A left column narrower than this is not worth having: the right part gets a row of its own."""

_REMEMBERED = 80
"""The longest line, in characters and pieces, whose rows are kept: a menu's dishes come again."""
_WIDE = Style(2, 1)
_SECOND_LANGUAGE = re.compile(r"(?<=[^ -~]) (?=[ -~]+$)")


class _Drawn(Exception):
    """A character that the printer does not have."""


class _Piece(msgspec.Struct, frozen=True, gc=False):
    """A cleaned run, measured: its cells on paper, and whether it must be drawn."""

    text: str
    style: Style
    cells: int
    drawn: bool


def typeset(
    layout: Layout, width: int, *, charset: str = "gbk", drawable: Drawable | None = None
) -> tuple[Printed, ...]:
    """Wrap every line of a layout to a width in cells.

    `charset` is what the printer's own font has: gbk, gb2312 or ascii. `drawable` says whether a character
    that it lacks can be drawn; by default the installed fonts are asked. What can't be is spelled: 〓U+1F336.
    Raises: TooLong when that makes more than MOST_ROWS rows, or pictures of more than MOST_DOTS.
    """
    press = _Press(width, charset, drawable or _installed)
    rows: list[Printed] = []
    dots = 0
    for block in layout.blocks:
        if isinstance(block, Line):
            rows += _set_again(block, width, charset) or press.set_line(block)
        elif isinstance(block, Columns):
            rows += set_columns(block, width, press.set_at)
        elif isinstance(block, Frame):
            rows += set_frame(block, width, press.set_at)
        elif isinstance(block, Image):
            image = press.set_image(block)
            dots += sum(each.width * each.height for each in image if isinstance(each, Bitmap))
            rows += image
        elif isinstance(block, Code):
            rows += press.set_code(block)
        else:
            rows.append(block)
        if len(rows) > MOST_ROWS or dots > MOST_DOTS:
            raise TooLong(f"it has more than {MOST_ROWS} lines, or too many pictures: send less at a time")
    return tuple(rows)


def _set_again(line: Line, width: int, charset: str) -> tuple[Row, ...]:
    """The rows of a line that need nothing drawn, from memory where it was set before; else nothing."""
    if sum([1 + len(run.text) for run in (*line.left, *line.right)]) > _REMEMBERED:
        return ()
    try:
        return _rows_of(line, width, charset)
    except _Drawn:
        return ()


@lru_cache(maxsize=512)
def _rows_of(line: Line, width: int, charset: str) -> tuple[Row, ...]:
    return tuple(_Press(width, charset, _draws_nothing).set_line(line))


def _draws_nothing(_: str) -> bool:
    raise _Drawn


def spell_out(row: Row, width: int) -> tuple[Row, ...]:
    """The same row where it can't be drawn: what GBK can't say is spelled out, and the row wrapped again."""
    line = Line(left=row.runs, align=row.align)
    return tuple(_Press(width, "gbk", lambda _: False).set_line(line))


def say_code(code: Code, width: int) -> tuple[Row, ...]:
    """A code's text, for where the code itself can't be: 〓ean13: 1234."""
    return tuple(_Press(width, "gbk", _installed).set_line(_said(code)))


def _said(code: Code) -> Line:
    return Line((Run(f"〓{code.symbology.value}: {code.text}"),), align=code.align)


def say(text: str, width: int, align: Align) -> tuple[Row, ...]:
    """A plain text on paper of this width."""
    return tuple(_Press(width, "gbk", _installed).set_line(Line((Run(text),), align=align)))


def ruled(rule: Rule, width: int) -> Row:
    """A rule as a row, of wide characters: half the bytes. Anything but one ASCII character is a dash."""
    char = rule.char if len(rule.char) == 1 and "!" <= rule.char <= "~" else "-"
    wide = Run(char * (width // 2), _WIDE)
    return Row((wide,) if width % 2 == 0 else (wide, Run(char)))


def below(code: Code, width: int) -> tuple[Row, ...]:
    """The caption of a fitted code that is drawn: it stands in the middle below it."""
    text = codes.caption(code)
    if not text:
        return ()
    spare = max(0, codes.draw(code, width * raster.CELL_DOTS).width // raster.CELL_DOTS - cells(text)) // 2
    before, after = (spare if code.align is side else 0 for side in (Align.LEFT, Align.RIGHT))
    return say(" " * before + text + " " * after, width, code.align)


def _installed(char: str) -> bool:
    return raster.load_fonts().covers(char)


class _Press:
    """One width and one charset."""

    def __init__(self, width: int, charset: str, drawable: Drawable) -> None:
        self.width = width
        self.charset = charset
        self.drawable = drawable

    def set_at(self, line: Line, width: int) -> list[Row]:
        """The line as it would be on other paper: a column of it."""
        return _Press(width, self.charset, self.drawable).set_line(line)

    def set_line(self, line: Line) -> list[Row]:
        left = [self.piece(run) for run in line.left]
        if line.right:
            return self.set_two(left, [self.piece(run) for run in line.right], line)
        return self.set_one(left, line)

    def set_image(self, image: Image) -> Sequence[Row | Bitmap]:
        try:
            return (images.decode(image, self.width * raster.CELL_DOTS),)
        except images.ImageError as exc:
            return self.set_line(Line((Run(f"〓图片 picture: {exc}"),), align=image.align))

    def set_code(self, code: Code) -> Sequence[Row | Code]:
        try:
            return (codes.fit(code, self.width * raster.CELL_DOTS),)
        except codes.CodeError:
            return self.set_line(_said(code))

    def set_one(self, left: list[_Piece], line: Line, align: Align | None = None) -> list[Row]:
        align = align or line.align
        if line.fit:
            left = _narrowed(left, self.width)
        taken = _taken(left)
        if align is Align.CENTER and left and all(piece.style.inverted for piece in left):
            return self.bars(left)
        if taken > self.width:
            return [self.row(runs, align) for runs in wrap(left, self.width, line.indent)]
        return [_row(left, align)]

    def bars(self, pieces: list[_Piece]) -> list[Row]:
        """A centred inverted line becomes black bars from margin to margin, parted between its languages."""
        if _taken(pieces) > self.width and len(pieces) == 1:
            zh, _, en = _SECOND_LANGUAGE.sub("\n", pieces[0].text, count=1).partition("\n")
            halves = [self.piece(Run(text, pieces[0].style)) for text in (zh, en) if text]
            if max(half.cells for half in halves) <= self.width:
                return [_row(_bar([half], self.width - half.cells)) for half in halves]
        rows = [[self.piece(run) for run in runs] for runs in wrap(pieces, self.width, 0)]
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
        first, *rest = wrap(left, column, line.indent)
        beside = [self.piece(run) for run in first]
        gap = _gap(beside, right, self.width - _taken(beside) - edge)
        return [_row([*beside, *gap, *right]), *(self.row(runs, Align.LEFT) for runs in rest)]

    def piece(self, run: Run) -> _Piece:
        text, style = clean(run.text), run.style
        widest = max(1, min(8, self.width // 2))
        if not (1 <= style.width <= widest and 1 <= style.height <= 8):
            style = _sized(style, max(1, min(style.width, widest)), max(1, min(style.height, 8)))
        if text.isascii():
            return _Piece(text, style, len(text) * style.width, False)
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
    runs = [Run(piece.text, piece.style) for piece in kept]
    return Row(tuple(runs), align, True in [piece.drawn for piece in kept])


def _taken(pieces: Iterable[_Piece]) -> int:
    return sum([piece.cells for piece in pieces])


def _blank(count: int, style: Style) -> _Piece:
    return _Piece(" " * count, style, count * style.width, False)


def _gap(left: Sequence[_Piece], right: Sequence[_Piece], size: int) -> list[_Piece]:
    """Blanks between the columns, in the styles beside them where possible: a change of style costs bytes."""
    before = left[-1].style if left else PLAIN
    after = right[0].style
    if before.inverted or before.underlined or before.width > 1:
        before = PLAIN
    if after.inverted or after.underlined:
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
    return _Piece(piece.text, style, piece.cells // piece.style.width * times, piece.drawn)


def _sized(style: Style, width: int, height: int) -> Style:
    return Style(width, height, style.bold, style.inverted, style.underlined)
