"""ReceiptLine, the receipt language of the Open Foodservice System Consortium: from a document to a Layout.

A line is columns parted by bars; text stands where the blanks beside its bars leave it. Properties in braces set
widths, borders and codes. What a document can't have meant is printed as text and reported; only `comment`, a width
of 0 and `text:nowrap` hide anything, and `command` (raw bytes for a printer) is refused.
"""

import re
from enum import Enum

from agent.encode.columns import room_for
from agent.encode.text import composed
from agent.model.layout import Align, Block, Border, Column, Columns, Cut, Frame, Layout, Line, Rule, Run
from agent.tickets.markup.receiptlinecodes import Option, code_of, image_of, option_of
from agent.tickets.markup.receiptlinetext import BLANKS, cells_of, escape, split, spoken, styled

__all__ = ["escape", "parse_receiptline"]

_LINES = re.compile(r"\r\n|\n|\r")
_PROPERTY = re.compile(r"\{((?:\\.|[^{}\\])*)\}", re.DOTALL)
_NAMES = {
    "a": "align",
    "b": "border",
    "c": "code",
    "i": "image",
    "o": "option",
    "t": "text",
    "w": "width",
    "x": "command",
    "_": "comment",
}
_KEYS = frozenset(_NAMES.values())
_BORDERS = {
    "line": Border.LINE,
    "space": Border.SPACE,
    "none": Border.NONE,
    "0": Border.NONE,
    "1": Border.SPACE,
    "2": Border.WIDE,
}
_ALIGNS = {"left": Align.LEFT, "center": Align.CENTER, "right": Align.RIGHT}
_WRAPS = {"wrap": True, "nowrap": False}
_SHARE, _HIDDEN = -1, 0
_MOST_WIDTHS = 128
_SHOWN = 60

Cell = tuple[tuple[Run, ...], Align]


class _Table(Enum):
    """How far the table with bars is that the document is in."""

    NONE = 0
    TO_OPEN = 1
    OPEN = 2
    RULED = 3


def parse_receiptline(doc: str, width: int) -> tuple[Layout, tuple[str, ...]]:
    """The layout of a document for paper so many cells wide, and what was not understood: `line 3: {colour:red}`."""
    reader = _Reader(width)
    *lines, last = _LINES.split(composed(doc.removeprefix("\ufeff")))
    for line in lines:
        reader.read(line.strip(BLANKS))
    if last.strip(BLANKS) or not reader.is_cut():
        reader.read(last.strip(BLANKS))
    reader.close_table()
    return Layout(tuple(reader.blocks)), tuple(reader.unknown)


class _Reader:
    """Reads line after line; holds the properties that stay set, and the blocks so far."""

    def __init__(self, width: int) -> None:
        self.paper = width
        self.wrap = True
        self.border = Border.SPACE
        self.align = Align.CENTER
        self.widths: tuple[int, ...] = ()
        self.option = Option()
        self.table = _Table.NONE
        self.above = Columns(())
        self.blocks: list[Block] = []
        self.unknown: dict[str, None] = {}
        self.number = 0

    def note(self, what: str) -> None:
        shown = what if len(what) <= _SHOWN else what[:_SHOWN] + "…"
        self.unknown.setdefault(f"line {self.number}: {shown}")

    def read(self, line: str) -> None:
        self.number += 1
        cells = cells_of(line)
        text, align = cells[0]
        if len(cells) == 1 and text:
            if not text.strip("-"):
                return self.rule()
            if not text.strip("="):
                return self.cut()
            if found := _PROPERTY.fullmatch(text):
                if not self.obey(found[1], align):
                    self.put([Column(styled(text, self.note), align=Align.CENTER, break_words=True)])
                return None
        for text, _ in cells:
            if "{" in text or "}" in text:
                self.note_braces(text)
        return self.read_columns([(styled(text, self.note), align) for text, align in cells])

    def note_braces(self, text: str) -> None:
        if re.search(r"[{}]", re.sub(r"\\.", "", text, flags=re.DOTALL)):
            self.note(text)

    def read_columns(self, cells: list[Cell]) -> None:
        """A line of text at the widths that are set; what is beyond them stands beneath."""
        widths = self.widths or (_SHARE,) * len(cells)
        room = room_for(self.border, self.paper)
        placed = [(cell, width) for cell, width in zip(cells, widths, strict=False) if width != _HIDDEN]
        more = [width for width in widths[len(cells) :] if width != _HIDDEN]
        placed += [(((), Align.CENTER), width) for width in more[: max(0, room - len(placed))]]
        columns = [Column(runs, max(0, width), align, self.wrap, True) for (runs, align), width in placed]
        for column in columns[room:]:
            self.note_column(column.runs)
        self.put(columns)
        for runs, _ in cells[len(widths) :]:
            if runs:
                self.note_column(runs)
                self.blocks.append(Line(runs))

    def put(self, columns: list[Column]) -> None:
        """A line, with the line of the table above it where one is due."""
        block = Columns(tuple(columns), self.border, self.align)
        if self.table is _Table.TO_OPEN:
            self.blocks.append(Frame(below=block))
        elif self.table is _Table.RULED:
            self.blocks.append(Frame(self.above, block))
        if self.table is not _Table.NONE:
            self.table, self.above = _Table.OPEN, block
        self.blocks.append(block)

    def note_column(self, runs: tuple[Run, ...]) -> None:
        if runs:
            self.note("| " + "".join([run.text for run in runs]))

    def rule(self) -> None:
        if self.table is _Table.OPEN:
            self.table = _Table.RULED
        elif self.table is _Table.NONE:
            self.blocks.append(self.rule_block())

    def rule_block(self) -> Block:
        dashes = self.breadth()
        if dashes >= self.paper:
            return Rule()
        column = Column((Run("-" * dashes),) if dashes else (), dashes, break_words=True)
        return Columns((column,), Border.NONE, self.align)

    def breadth(self) -> int:
        """The cells that columns of the set widths take, with what is between them."""
        if not self.widths or _SHARE in self.widths:
            return self.paper
        fixed = [width for width in self.widths if width]
        between = {Border.NONE: 0, Border.WIDE: 2}.get(self.border, 1)
        edges = 2 if self.border is Border.LINE else 0
        return min(self.paper, sum(fixed) + between * (len(fixed) - 1) + edges) if fixed else 0

    def is_cut(self) -> bool:
        """Whether the last thing was a cut: another, or the end of the document's last line, makes no blank slip."""
        return bool(self.blocks) and isinstance(self.blocks[-1], Cut)

    def cut(self) -> None:
        reopen = self.table in (_Table.OPEN, _Table.RULED)
        self.close_table()
        if self.blocks and not self.is_cut():
            self.blocks.append(Cut())
        if reopen:
            self.table = _Table.TO_OPEN

    def close_table(self) -> None:
        if self.table in (_Table.OPEN, _Table.RULED):
            self.blocks.append(Frame(above=self.above))
            self.table = _Table.NONE

    def obey(self, members: str, align: Align) -> bool:
        """Do what a line of properties says. False: not all of it was understood, and the line prints as text."""
        known = True
        properties: dict[str, str] = {}
        for member in split(members, ";"):
            key, _, value = (part.strip(BLANKS) for part in member.partition(":"))
            name = _NAMES.get(key, key)
            if name in _KEYS and value:
                properties[name] = spoken(value, self.note)
            elif member.strip(BLANKS):
                known = False
        if not known or properties.get("text", "wrap").lower() not in _WRAPS:
            self.note("{" + members + "}")
            known = False
        self.set(properties)
        self.draw(properties, align)
        return known

    def set(self, properties: dict[str, str]) -> None:
        """The properties that stay set."""
        if "text" in properties:
            self.wrap = _WRAPS.get(properties["text"].lower(), True)
        if "border" in properties:
            self.set_border(_BORDERS.get(properties["border"].lower()), properties["border"])
        if "width" in properties:
            self.set_widths(properties["width"])
        if "align" in properties:
            if (word := properties["align"].lower()) not in _ALIGNS:
                self.note(f"{{align:{word}}}")
            self.align = _ALIGNS.get(word, Align.CENTER)
        if "option" in properties:
            self.option = option_of(properties["option"], self.note)

    def set_border(self, border: Border | None, word: str) -> None:
        if border is None:
            self.note(f"{{border:{word}}}")
        self.border = border or Border.SPACE
        if self.border is not Border.LINE:
            self.close_table()
            self.table = _Table.NONE
        elif self.table is _Table.NONE:
            self.table = _Table.TO_OPEN

    def set_widths(self, value: str) -> None:
        words = re.split(r"[\t ]*,[\t ]*|[\t ]+", value.lower())[:_MOST_WIDTHS]
        self.widths = () if "auto" in words else tuple([self.width_of(word) for word in words])

    def width_of(self, word: str) -> int:
        if word == "*":
            return _SHARE
        if re.fullmatch("[0-9]*", word):
            return int(word.lstrip("0")[:4] or _HIDDEN)
        self.note(f"{{width:{word}}}")
        return _SHARE

    def draw(self, properties: dict[str, str], align: Align) -> None:
        """Pictures and codes, which are printed once."""
        if self.breadth() < self.paper:
            align = self.align
        if "image" in properties:
            image = image_of(properties["image"], align)
            if image is None:
                self.note("{image:" + properties["image"] + "}")
            else:
                self.blocks.append(image)
        if "code" in properties:
            self.blocks.append(code_of(properties["code"], self.option, align))
        if "command" in properties:
            self.note("{command}")
