"""A ticket before it meets a width: logical lines of styled text. Typesetting wraps, encoders draw the rows.

One Layout has several outputs (ESC/POS, picture, text grid), so that what is previewed is what is printed.
"""

from enum import Enum, StrEnum

import msgspec


class Align(Enum):
    """Where a line stands."""

    LEFT = 0
    CENTER = 1
    RIGHT = 2


class Style(msgspec.Struct, frozen=True):
    """How a run looks. `width` and `height` are multiples of the normal character, 1 to 8."""

    width: int = 1
    height: int = 1
    bold: bool = False
    inverted: bool = False
    underlined: bool = False


PLAIN = Style()


class Run(msgspec.Struct, frozen=True):
    """Text of one style. The text is a customer's: anything at all may be in it."""

    text: str
    style: Style = PLAIN


class Line(msgspec.Struct, frozen=True):
    """A logical line. `right` stands at the right margin and is never cut; `left` wraps around it.

    `indent` is the number of cells by which wrapped lines stand further in than the first.
    `fit`: the left is set narrower rather than wrapped, as far as that goes (order numbers, banners).
    """

    left: tuple[Run, ...] = ()
    right: tuple[Run, ...] = ()
    align: Align = Align.LEFT
    indent: int = 0
    fit: bool = False


class Rule(msgspec.Struct, frozen=True):
    """A line across the paper, of one repeated ASCII character."""

    char: str = "-"


class Gap(msgspec.Struct, frozen=True):
    """White paper between two lines, at most 255 dots of it."""

    dots: int = 10


class Cut(msgspec.Struct, frozen=True):
    """Feed to the knife and cut: what follows is another piece of paper."""


class Symbology(StrEnum):
    """What kind of machine-readable symbol."""

    QR = "qr"
    CODE128 = "code128"
    CODE93 = "code93"
    CODE39 = "code39"
    CODABAR = "codabar"
    ITF = "itf"
    EAN13 = "ean13"
    EAN8 = "ean8"
    UPC_A = "upca"


class Code(msgspec.Struct, frozen=True):
    """A QR code or a barcode. The text is a customer's, or the platform's: what can't be encoded prints as text.

    `module` is the width of the narrowest bar or of a QR cell, in dots, 0 for what fits well; `height` is a barcode's,
    in dots; `level` a QR code's error correction, l m q h; `caption`: a barcode's text stands below it.
    """

    symbology: Symbology
    text: str
    module: int = 0
    height: int = 80
    level: str = "m"
    caption: bool = True
    align: Align = Align.CENTER


class Image(msgspec.Struct, frozen=True):
    """A picture file (PNG, JPEG, GIF or BMP bytes): dithered, and made narrower where the paper is.

    `width` is in dots, 0 for its own.
    """

    data: bytes
    width: int = 0
    align: Align = Align.CENTER


class Border(StrEnum):
    """What parts columns: nothing, a blank cell, two, or a bar."""

    NONE = "none"
    SPACE = "space"
    WIDE = "wide"
    LINE = "line"


class Column(msgspec.Struct, frozen=True):
    """One cell of a row of columns. `width` is in cells of paper; 0 takes a share of what is left.

    A line feed in a run begins a new line. Without `wrap` only the first line is printed. `break_words`: a line ends
    where the column does, whatever stands there; else where a break is good.
    """

    runs: tuple[Run, ...] = ()
    width: int = 0
    align: Align = Align.LEFT
    wrap: bool = True
    break_words: bool = False


class Columns(msgspec.Struct, frozen=True):
    """Text side by side. With Border.LINE there are bars at the margins too.

    `align` is where columns stand that are narrower than the paper.
    """

    columns: tuple[Column, ...]
    border: Border = Border.SPACE
    align: Align = Align.LEFT


class Frame(msgspec.Struct, frozen=True):
    """The horizontal line of a table, with joints where the columns above and below it have bars. None: no table."""

    above: Columns | None = None
    below: Columns | None = None


Block = Line | Rule | Gap | Cut | Code | Image | Columns | Frame


class Layout(msgspec.Struct, frozen=True):
    """A whole ticket, from top to bottom. It ends with a Cut that the encoder adds where it is missing."""

    blocks: tuple[Block, ...]


class Row(msgspec.Struct, frozen=True):
    """One printed line after typesetting: it fits the width, and holds no character that is a command.

    `drawn` rows hold characters that the charset can't say: the whole line goes to the printer as a bitmap.
    """

    runs: tuple[Run, ...]
    align: Align = Align.LEFT
    drawn: bool = False


class Bitmap(msgspec.Struct, frozen=True):
    """A picture ready for paper, in dots: rows padded to whole bytes, leftmost bit first, 1 is black."""

    width: int
    height: int
    data: bytes
    align: Align = Align.LEFT


Printed = Row | Rule | Gap | Cut | Code | Bitmap
"""What typesetting leaves: the ticket from top to bottom, ready to be encoded."""
