"""The ticket being set by a tag dialect: the line that is open, the tags that are open, the blocks so far.

A line takes the alignment of its first text. Text under another alignment begins a new line, except that what comes
under RIGHT after text on the left stands at the right margin of the same line.
"""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from agent.model.layout import Align, Block, Border, Column, Line, Run, Style

MAX_UNKNOWN = 50
"""As many complaints as a person would read."""
MAX_OPEN = 16
"""As deep as tags may stand in each other."""

_BLANK = Line()


class TagError(Exception):
    """A tag that can't be done as it is written: it prints as text, and is listed."""


class Stand(NamedTuple):
    """What a line takes from its text: alignment, cells of hanging indent, and whether it is set narrower to fit."""

    align: Align = Align.LEFT
    indent: int = 0
    fit: bool = False


class Look:
    """How text is set from here on. Compared by identity, so that the step from one to the next can be remembered."""

    __slots__ = ("stand", "style")

    def __init__(self, style: Style, stand: Stand) -> None:
        self.style = style
        self.stand = stand


PLAIN = Look(Style(), Stand())


class Scope(Protocol):
    """A tag that is open until its closing tag. A box ends with all that stands open in it; a quiet one just ends."""

    name: str
    token: str
    box: bool
    line: bool
    quiet: bool

    def turned(self, look: Look) -> Look: ...
    def leave(self, sheet: "Sheet") -> None: ...


class Cell(NamedTuple):
    """A cell of a table that is open. `align` None: that of its text."""

    width: int = 0
    align: Align | None = None


Runs = tuple[Run, ...]


class Sheet:
    """One ticket being set, from top to bottom."""

    def __init__(self, images: Mapping[str, bytes], width: int) -> None:
        self.images, self.width = images, width
        self.blocks: list[Block] = []
        self.unknown: dict[str, str] = {}
        self.copies, self.beep, self.drawer = 1, False, False
        self.number = 1
        self.look = PLAIN
        self.opened: list[tuple[Scope, Look, int]] = []
        self.left: list[Run] = []
        self.right: list[Run] = []
        self.side = self.left
        self.align = self.latest = Align.LEFT
        self.indent, self.fit = 0, False
        self.turned = False
        self.solid = False
        self.out = self.blocks
        self.border: Border | None = None
        self.cells: list[Column] | None = None
        self.cell: Cell | None = None
        self.below: list[Block] = []
        self.stops: tuple[int, ...] = ()
        self.reached: tuple[Run | None, int] = (None, 0)

    def text(self, text: str) -> None:
        """Text, in the look of the open tags."""
        if self.turned or self.border is not None:
            if self.border is not None and self.cell is None and text.isspace():
                return
            self._turn()
        self.side.append(Run(text, self.look.style))

    def _turn(self) -> None:
        """The look that the next text has concerns its whole line."""
        self.turned = False
        align, indent, fit = self.look.stand
        if not (self.left or self.right):
            self.align, self.indent, self.fit = align, indent, fit
        elif align is self.latest or self.cell is not None:
            self.indent, self.fit = max(self.indent, indent), self.fit or fit
        elif align is Align.RIGHT and self.latest is Align.LEFT and self.side is self.left:
            self.side = self.right
        else:
            self.flush()
            self._turn()
        self.latest = align

    def flush(self) -> None:
        """End the line that is open, if anything is on it. In a cell there are no lines."""
        left, right = self.left, self.right
        if self.cell is not None:
            return
        if left or right:
            self.out.append(Line(tuple(left), tuple(right), self.align, self.indent, self.fit))
            left.clear()
            right.clear()
            self.indent, self.fit = 0, False
        self.side = left
        self.align = self.latest = Align.LEFT
        self.turned = self.look.stand is not PLAIN.stand

    def part(self) -> None:
        """End the line, so that a line break behind it makes no empty one."""
        self.solid = self.solid or bool(self.left or self.right)
        self.flush()

    def take(self) -> tuple[Runs, Align]:
        """What stands in the open cell, and where. It ends, and a line break before its end is none."""
        if self.left and self.left[-1].text in (" ", "\n"):
            self.left.pop()
        runs, align = (*self.left, *self.right), self.align
        self.left.clear()
        self.right.clear()
        self.cell = None
        self.flush()
        return runs, align

    def block(self, block: Block) -> None:
        """Something that is not a line of text. What is met in a cell comes below its row."""
        self.flush()
        self.solid = True
        (self.out if self.cell is None else self.below).append(block)

    def end_line(self, blank: bool, hard: bool = False) -> None:
        """A line break. `blank`: it makes an empty line where nothing is on this one; `hard`: also in a cell."""
        if self.left or self.right:
            if self.cell is not None:
                self.text("\n" if hard else " ")
            else:
                self.flush()
        elif blank and not self.solid and self.border is None:
            self.blocks.append(_BLANK)
        else:
            self.side = self.left
        self.solid = False

    def report(self, what: str, why: str = "") -> None:
        """Something that was not understood: said once, with its line."""
        if what not in self.unknown and len(self.unknown) < MAX_UNKNOWN:
            self.unknown[what] = f"line {self.number}: {what}{why}"

    def set_look(self, look: Look) -> None:
        """The look of the next text."""
        if look.stand is not self.look.stand:
            self.turned = True
        self.look = look

    def close(self, name: str) -> bool:
        """The innermost open tag of this name closes. False if there is none."""
        opened = self.opened
        for place in range(len(opened) - 1, -1, -1):
            if opened[place][0].name == name:
                self.end(place)
                return True
        return False

    def end(self, place: int) -> None:
        """An open tag ends: a box with all in it, any other tag by itself."""
        scope, look, _ = self.opened[place]
        above = self.opened[place + 1 :]
        del self.opened[place:]
        if scope.box:
            for inner, _, _ in reversed(above):
                inner.leave(self)
            scope.leave(self)
        else:
            scope.leave(self)
            for inner, _, token in above:
                self.opened.append((inner, look, token))
                look = inner.turned(look)
        self.set_look(look)
