"""The walk over a ticket's rows, once for all languages: what goes where, and which command is needed at all.

A printer's language supplies only bytes (`Language`). No byte of an order reaches a printer but as text: the walk
refuses control characters, whatever the language.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import msgspec

from agent.encode import codes, raster
from agent.encode.text import in_gbk
from agent.encode.typeset import below, ruled, say_code, spell_out
from agent.errors import TooLong
from agent.model.layout import PLAIN, Align, Bitmap, Code, Gap, Printed, Row, Rule, Run, Style

LINE_FEED = b"\n"
MOST_BYTES = 1 << 23
"""Of one ticket: 14 m of nothing but dots on paper of 80 mm. While it is made it takes three times as much memory."""
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")


class Encoded(msgspec.Struct, frozen=True):
    """A ticket's bytes, and what a printer's own counters will have counted at least when it is on paper.

    `breaks` are the places between two rows, where another command may stand. `drawn`: a part of it is a picture, of
    which no printer counts what is missing.
    """

    data: bytes
    lines: int
    cuts: int
    feed_dots: int = 0
    breaks: tuple[int, ...] = ()
    drawn: bool = False


class Fed(NamedTuple):
    """Bytes that move paper, and what the printer counts for them: line feeds, and dots of blank feed or picture."""

    data: bytes
    lines: int = 0
    dots: int = 0


class Language(Protocol):
    """The bytes of one printer language, for a printer that was just reset (ESC @, the session's)."""

    opening: bytes
    """What every ticket begins with."""

    kanji_mode: bytes
    """What goes before the first Chinese character."""

    def style(self, now: Style, then: Style) -> bytes:
        """From one style to another, with a command only for what changes."""

    def align(self, align: Align) -> bytes:
        """Where lines stand from now on; it is said at the start of a line."""

    def gap(self, dots: int) -> Fed:
        """White paper, 1 to 255 dots of it."""

    def picture(self, bands: Sequence[raster.Band]) -> Sequence[Fed]:
        """A row's picture, on lines of its own, and a little white below it: piece by piece, a question may go between
        two of them.
        """

    def code(self, code: Code, dots: int) -> Fed | None:
        """A fitted QR code or barcode on paper of so many dots; None where it has to be drawn.

        `Fed.dots` are what it takes at most.
        """

    def cut(self) -> bytes:
        """Cut at once; the lines before the knife were fed."""

    def drawer(self) -> bytes:
        """Open the cash drawer; nothing where there is none."""

    def beep(self) -> bytes:
        """Three short beeps; nothing where no buzzer is known."""


class Press:
    """The printer's state as far as it matters: a command goes out only where something changes."""

    def __init__(self, language: Language, width: int, fonts: raster.Fonts | None, feed: int) -> None:
        self._language = language
        self._out = bytearray(language.opening)
        self._lines = self._cuts = self._feed_dots = 0
        self._width = width
        self._fonts = fonts
        self._feed = feed
        self._style = PLAIN
        self._align = Align.LEFT
        self._kanji = False
        self._open = False
        self._breaks: list[int] = []
        self._drawn = False

    def run(self, rows: Sequence[Printed], width: int) -> None:
        """Set all rows; `width` is the ticket's, in cells. Raises TooLong as soon as they make too many bytes."""
        for row in rows:
            if len(self._out) > MOST_BYTES:
                raise TooLong(f"it makes more than {MOST_BYTES >> 20} MiB for the printer: send less of it")
            if isinstance(row, Row):
                self._row(row)
            elif isinstance(row, Rule):
                self._row(ruled(row, width))
            elif isinstance(row, Gap):
                self._gap(row.dots)
            elif isinstance(row, Bitmap):
                self._bitmap(row)
            elif isinstance(row, Code):
                self._code(row)
            else:
                self._cut()
            self._breaks.append(len(self._out))

    def finish(self, *, drawer: bool, beep: bool) -> Encoded:
        """Cut what was not cut. Drawer and beep come last, when there is paper to be taken: what a printer does not
        know of them stays in its print buffer, and the next ticket's ESC @ drops it.
        """
        if self._open or not self._cuts:
            self._cut()
        if drawer:
            self._out += self._language.drawer()
        if beep:
            self._out += self._language.beep()
        return Encoded(bytes(self._out), self._lines, self._cuts, self._feed_dots, tuple(self._breaks), self._drawn)

    def _row(self, row: Row) -> None:
        texts = [in_gbk(run.text) for run in row.runs]
        if row.drawn or None in texts:
            self._draw(row)
            return
        if row.runs and row.align is not self._align:
            self._set_align(row.align)
        for run, text in zip(row.runs, texts, strict=True):
            if text:
                self._text(run, text)
        self._end_line()

    def _gap(self, dots: int) -> None:
        if dots > 0:
            self._move(self._language.gap(min(dots, 255)))

    def _cut(self) -> None:
        if self._cuts and not self._open:
            return
        self._set_style(PLAIN)
        if self._align is not Align.LEFT:
            self._set_align(Align.LEFT)
        self._out += LINE_FEED * self._feed + self._language.cut()
        self._lines += self._feed
        self._cuts += 1
        self._open = False

    def _end_line(self) -> None:
        self._out += LINE_FEED
        self._lines += 1
        self._open = True

    def _text(self, run: Run, text: bytes) -> None:
        if run.style is not self._style:
            self._set_style(run.style)
        if not self._kanji and len(text) > len(run.text):
            self._out += self._language.kanji_mode
            self._kanji = True
        if not run.text.isprintable() and _CONTROL.search(text):
            raise ValueError("a control character reached the encoder: rows must come from typeset")
        self._out += text

    def _set_style(self, style: Style) -> None:
        if style != self._style:
            self._out += self._language.style(self._style, style)
        self._style = style

    def _set_align(self, align: Align) -> None:
        self._out += self._language.align(align)
        self._align = align

    def _move(self, fed: Fed) -> None:
        self._out += fed.data
        self._lines += fed.lines
        self._feed_dots += fed.dots

    def _draw(self, row: Row) -> None:
        """The row as a picture; as text with the character's code where there is no font for it."""
        bands = raster.draw(row, self._width, self._fonts or raster.load_fonts())
        if bands is None:
            for spelled in spell_out(row, self._width):
                self._row(spelled)
            return
        self._picture(bands)

    def _bitmap(self, bitmap: Bitmap) -> None:
        if bitmap.width > 0 and bitmap.height > 0:
            self._picture(raster.strips(bitmap, self._width))

    def _picture(self, bands: Sequence[raster.Band]) -> None:
        if self._align is not Align.LEFT:  # the picture holds its own margin
            self._set_align(Align.LEFT)
        for fed in self._language.picture(bands):
            self._move(fed)
            self._breaks.append(len(self._out))
        self._open = self._drawn = True

    def _code(self, code: Code) -> None:
        """A code as the printer draws it, else as a picture with its caption; as text where the paper is too narrow."""
        dots = self._width * raster.CELL_DOTS
        try:
            code = codes.fit(code, dots)
        except codes.CodeError:
            for row in say_code(code, self._width):
                self._row(row)
            return
        self._gap(codes.quiet(code))
        native = self._language.code(code, dots)
        if native is None:
            self._bitmap(codes.draw(code, dots))
            for row in below(code, self._width):
                self._row(row)
        else:
            if self._align is not code.align:
                self._set_align(code.align)
            self._set_style(PLAIN)
            self._move(native)
            self._open = True
        self._gap(codes.quiet(code))
