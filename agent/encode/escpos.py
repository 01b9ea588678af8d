"""Rows become ESC/POS bytes. Only this module emits control bytes, and none of them comes from an order.

A ticket starts on a printer that was just reset (ESC @, the session's) and leaves every style as it found it.
Sources: Epson's ESC/POS command reference; the Chinese models' kanji mode (FS &).
"""

import re
from collections.abc import Sequence

import msgspec

from agent.encode import raster
from agent.encode.text import sayable
from agent.encode.typeset import spell_out
from agent.model.layout import PLAIN, Align, Gap, Printed, Row, Rule, Run, Style

KNIFE_FEED = 4
"""Lines fed before a cut: printers that ignore the feed of GS V 66 would cut through the last line."""

_KANJI_MODE = b"\x1c&"
_CUT = b"\x1dVB\x00"
_LINE_FEED = b"\n"
_FEED_DOTS = b"\x1bJ"
_PICTURE_GAP = 6  # a text line is 30 dots high, a picture 24: 6 more keep the lines apart
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
# Real-time commands are obeyed even inside pictures: one more pixel breaks them.
_REAL_TIME = re.compile(rb"\x10(?=[\x04\x05\x14])")
_MORE_PIXEL = b"\x18"


class Encoded(msgspec.Struct, frozen=True):
    """A ticket's bytes, and what a printer's own counters will have counted at least when it is on paper."""

    data: bytes
    lines: int
    cuts: int
    feed_dots: int = 0


def encode(
    rows: Sequence[Printed],
    width: int,
    *,
    dots: int | None = None,
    fonts: raster.Fonts | None = None,
    feed: int = KNIFE_FEED,
) -> Encoded:
    """A typeset ticket as bytes. It always ends with a cut.

    `width` is in cells and `dots` the printable width, 12 a cell by default; pictures are never wider.
    Raises: ValueError when a row holds a control character (typeset leaves none in).
    """
    press = _Press(min(width, (dots or width * raster.CELL_DOTS) // raster.CELL_DOTS), fonts, feed)
    for row in rows:
        if isinstance(row, Row):
            press.row(row)
        elif isinstance(row, Rule):
            press.rule(row, width)
        elif isinstance(row, Gap):
            press.gap(row.dots)
        else:
            press.cut()
    press.finish()
    return Encoded(bytes(press.out), press.lines, press.cuts, press.feed_dots)


class _Press:
    """The printer's state as far as it matters: a command goes out only where something changes."""

    def __init__(self, width: int, fonts: raster.Fonts | None, feed: int) -> None:
        self.out = bytearray()
        self.lines = 0
        self.feed_dots = 0
        self.cuts = 0
        self._width = width
        self._fonts = fonts
        self._feed = feed
        self._style = PLAIN
        self._align = Align.LEFT
        self._kanji = False
        self._open = False

    def row(self, row: Row) -> None:
        if row.drawn or not all(sayable(run.text) for run in row.runs):
            self._draw(row)
            return
        if row.runs and row.align is not self._align:
            self._set_align(row.align)
        for run in row.runs:
            self._text(run.text, run.style)
        self._end_line()

    def rule(self, rule: Rule, width: int) -> None:
        char = rule.char if len(rule.char) == 1 and "!" <= rule.char <= "~" else "-"
        wide = Run(char * (width // 2), Style(2, 1))  # half the bytes
        self.row(Row((wide,) if width % 2 == 0 else (wide, Run(char))))

    def gap(self, dots: int) -> None:
        if dots > 0:
            self.out += _FEED_DOTS + bytes((min(dots, 255),))
            self.feed_dots += min(dots, 255)

    def cut(self) -> None:
        if self.cuts and not self._open:
            return
        self._set_style(PLAIN)
        if self._align is not Align.LEFT:
            self._set_align(Align.LEFT)
        self.out += _LINE_FEED * self._feed + _CUT
        self.lines += self._feed
        self.cuts += 1
        self._open = False

    def finish(self) -> None:
        if self._open or not self.cuts:
            self.cut()

    def _end_line(self) -> None:
        self.out += _LINE_FEED
        self.lines += 1
        self._open = True

    def _text(self, text: str, style: Style) -> None:
        if not text:
            return
        if style is not self._style:
            self._set_style(style)
        if not self._kanji and not text.isascii():
            self.out += _KANJI_MODE
            self._kanji = True
        data = text.encode("gbk")
        if _CONTROL.search(data):
            raise ValueError("a control character reached the encoder: rows must come from typeset")
        self.out += data

    def _set_style(self, style: Style) -> None:
        now = self._style
        if (style.width, style.height) != (now.width, now.height):
            self.out += bytes((0x1D, 0x21, (style.width - 1) << 4 | (style.height - 1)))
        if style.bold is not now.bold:
            self.out += b"\x1bE\x01" if style.bold else b"\x1bE\x00"
        if style.inverted is not now.inverted:
            self.out += b"\x1dB\x01" if style.inverted else b"\x1dB\x00"
        self._style = style

    def _set_align(self, align: Align) -> None:
        self.out += bytes((0x1B, 0x61, align.value))
        self._align = align

    def _draw(self, row: Row) -> None:
        """The row as a picture; as text with the character's code where there is no font for it."""
        bands = raster.draw(row, self._width, self._fonts or raster.load_fonts())
        if bands is None:
            for spelled in spell_out(row, self._width):
                self.row(spelled)
            return
        if self._align is not Align.LEFT:  # the picture holds its own margin
            self._set_align(Align.LEFT)
        for band in bands:
            size = bytes((band.width_bytes & 0xFF, band.width_bytes >> 8, band.rows, 0))
            self.feed_dots += band.rows
            self.out += b"\x1dv0\x00" + size + _REAL_TIME.sub(_MORE_PIXEL, band.data)
        self.gap(_PICTURE_GAP)
        self._open = True
