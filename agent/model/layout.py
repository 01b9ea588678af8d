"""A ticket before it meets a width: logical lines of styled text. Typesetting wraps, encoders draw the rows.

One Layout has several outputs (ESC/POS, picture, text grid), so that what is previewed is what is printed.
"""

from enum import Enum

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


Block = Line | Rule | Gap | Cut


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


Printed = Row | Rule | Gap | Cut
"""What typesetting leaves: the ticket from top to bottom, ready to be encoded."""
