"""What is on a piece of paper: lines of styled runs, bitmaps, codes and blank feed, from top to bottom."""

from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from PIL.Image import Image

DOTS_PER_CELL = 12
CELL_HEIGHT = 24
SMALL_WIDTH, SMALL_HEIGHT = 9, 17
"""Font B."""


class Side(IntEnum):
    """Where a line stands, as ESC a numbers it."""

    LEFT = 0
    CENTER = 1
    RIGHT = 2


class Caption(IntEnum):
    """Where a barcode's text stands, as GS H numbers it."""

    NONE = 0
    ABOVE = 1
    BELOW = 2
    BOTH = 3


class Look(msgspec.Struct, frozen=True):
    """How characters look. `width` and `height` are multiples of the normal character; font B is 9 dots wide."""

    width: int = 1
    height: int = 1
    bold: bool = False
    inverted: bool = False
    underlined: bool = False
    small: bool = False


class Run(msgspec.Struct, frozen=True):
    """Characters of one look. `x` and `dots` are its left edge and its breadth within the line, in dots."""

    text: str
    look: Look
    x: int
    dots: int

    @property
    def width(self) -> int:
        """Multiple of the normal character's width."""
        return self.look.width

    @property
    def height(self) -> int:
        """Multiple of the normal character's height."""
        return self.look.height

    @property
    def bold(self) -> bool:
        """Emphasized (ESC E)."""
        return self.look.bold

    @property
    def inverted(self) -> bool:
        """White on black (GS B)."""
        return self.look.inverted

    @property
    def underlined(self) -> bool:
        """Underlined (ESC -, FS -)."""
        return self.look.underlined


class Bitmap(msgspec.Struct, frozen=True):
    """A picture, one bit a dot, rows padded to whole bytes, 1 is black. The scales are multiples."""

    width_dots: int
    height_dots: int
    rows: bytes
    align: Side = Side.LEFT
    x: int = 0
    x_scale: int = 1
    y_scale: int = 1

    @property
    def printed_width(self) -> int:
        """Dots across the paper."""
        return self.width_dots * self.x_scale

    @property
    def printed_height(self) -> int:
        """Dots along the paper."""
        return self.height_dots * self.y_scale

    @property
    def is_blank(self) -> bool:
        """No black dot at all."""
        return not any(self.rows)


class Code(msgspec.Struct, frozen=True):
    """A QR code or a barcode, kept as what a reader says. `module` is its smallest part in dots, `height_dots` the
    symbol's height. A barcode has `bars`, the dots of bars and spaces in turn; a QR code its `level` and `modules` on
    a side.
    """

    kind: str
    data: bytes
    align: Side = Side.LEFT
    module: int = 3
    height_dots: int = 162
    caption: Caption = Caption.NONE
    caption_text: str = ""
    caption_small: bool = False
    bars: tuple[int, ...] = ()
    level: str = ""
    modules: int = 0

    @property
    def text(self) -> str:
        """What a reader says, as UTF-8."""
        return self.data.decode("utf-8", "replace")

    @property
    def printed_width(self) -> int:
        """Dots across the paper, without quiet zones and captions."""
        return sum(self.bars) or self.modules * self.module

    @property
    def caption_height(self) -> int:
        """Dots of one line of caption: font A is 24 high, font B 17."""
        return SMALL_HEIGHT if self.caption_small else CELL_HEIGHT

    @property
    def printed_height(self) -> int:
        """Dots along the paper, captions too."""
        return self.height_dots + (0, 1, 1, 2)[self.caption] * self.caption_height

    @property
    def shown(self) -> str:
        """What it says, fit for a terminal."""
        return "".join(char if char.isprintable() else "?" for char in self.text)


class Line(msgspec.Struct, frozen=True):
    """One printed line. `height_dots` is the feed from its top to the next line's top."""

    runs: tuple[Run, ...] = ()
    align: Side = Side.LEFT
    height_dots: int = 30
    area: tuple[int, int] = (0, 576)
    images: tuple[Bitmap, ...] = ()

    @property
    def dots(self) -> int:
        """The breadth of what is printed, in dots."""
        return max([run.x + run.dots for run in self.runs] + [i.x + i.printed_width for i in self.images], default=0)

    @property
    def offset(self) -> int:
        """Where the line begins, in dots from the left edge of the printable width."""
        left, width = self.area
        spare = max(0, width - self.dots)
        return left + {Side.LEFT: 0, Side.CENTER: spare // 2, Side.RIGHT: spare}[self.align]

    @property
    def text(self) -> str:
        """The characters alone; a jump to a tab or a position shows as spaces."""
        parts: list[str] = []
        end = 0
        for run in self.runs:
            if run.x > end:
                parts.append(" " * max(1, (run.x - end) // DOTS_PER_CELL))
            parts.append(run.text)
            end = run.x + run.dots
        return "".join(parts)

    def grid(self) -> str:
        """The line as a terminal shows it: one column a cell, wide characters followed by blanks."""
        shown, column = "", 0
        for run in self.runs:
            start = round((self.offset + run.x) / DOTS_PER_CELL)
            shown += " " * (start - column)
            column = max(column, start)
            for char in run.text:
                blanks = run.width - 1 if is_narrow(char) else 2 * (run.width - 1)
                shown += char + " " * blanks
                column += run.width * (1 if is_narrow(char) else 2)
        return shown.rstrip()


class Feed(msgspec.Struct, frozen=True):
    """Blank paper, in dots."""

    height_dots: int


Item = Line | Bitmap | Code | Feed


class Piece(msgspec.Struct):
    """What hangs out of the printer between two cuts. `width_dots` is the printable width."""

    width_dots: int
    items: list[Item] = []

    @property
    def lines(self) -> list[Line]:
        """The text lines, blank ones too."""
        return [item for item in self.items if isinstance(item, Line)]

    @property
    def text(self) -> str:
        """All characters, a line each, without the blank lines at the end."""
        return "\n".join(line.text for line in self.lines).rstrip("\n")

    @property
    def underlined(self) -> list[Run]:
        """The underlined runs, from top to bottom."""
        return [run for line in self.lines for run in line.runs if run.underlined]

    @property
    def bitmaps(self) -> list[Bitmap]:
        """The pictures, those within lines (ESC *) too."""
        found: list[Bitmap] = []
        for item in self.items:
            found.extend([item] if isinstance(item, Bitmap) else item.images if isinstance(item, Line) else ())
        return found

    @property
    def codes(self) -> list[Code]:
        """The QR codes and barcodes."""
        return [item for item in self.items if isinstance(item, Code)]

    @property
    def is_blank(self) -> bool:
        """Nothing but white paper."""
        return not self.codes and not self.text.strip() and all(bitmap.is_blank for bitmap in self.bitmaps)

    def grid(self) -> str:
        """The piece as a terminal shows it; what has no characters stands in square brackets."""
        return "\n".join(_shown(item) for item in self.items if not isinstance(item, Feed)).rstrip("\n")

    def image(self) -> "Image":
        """A picture of the paper, 203 dots an inch."""
        from agent.simulator.picture import draw  # Pillow costs 60 ms to import, and few ask for pictures

        return draw(self)

    def png(self, path: str | Path) -> None:
        """Write the picture of the paper to a file."""
        self.image().save(path, format="PNG")


def is_narrow(char: str) -> bool:
    """One cell, as a Chinese printer counts: what is not ASCII is a two-byte character and takes two."""
    return char < "\x80"


def height_of(item: Item) -> int:
    """Dots that an item takes along the paper."""
    return item.printed_height if isinstance(item, Bitmap | Code) else item.height_dots


def _shown(item: Item) -> str:
    match item:
        case Line():
            marks = "".join(f"[bitmap {i.printed_width}x{i.printed_height}]" for i in item.images)
            return item.grid() + marks
        case Bitmap():
            return f"[bitmap {item.printed_width}x{item.printed_height}]"
        case Code():
            return f"[{item.kind} {item.shown}]"
        case _:
            return ""
