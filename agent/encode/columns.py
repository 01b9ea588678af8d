"""Columns side by side, and the lines of a table: blocks become rows that fit the paper.

Widths are shared out as ReceiptLine defines it. No character is lost but by a column's own `wrap: False`: a column
that is beyond the paper, or too narrow for one of its characters, is set beneath the others instead.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import groupby
from operator import attrgetter, itemgetter
from typing import NamedTuple
from unicodedata import combining

from msgspec.structs import replace

from agent.encode.text import cell, cells
from agent.model.layout import Align, Border, Column, Columns, Frame, Line, Row, Run, Style

SetLine = Callable[[Line, int], list[Row]]
"""Sets one line at a width in cells."""

Runs = tuple[Run, ...]
_BETWEEN = {Border.NONE: 0, Border.SPACE: 1, Border.WIDE: 2, Border.LINE: 1}
_ENDLESS = 1 << 30


class _Area(NamedTuple):
    """Where columns stand, in cells from the left edge of the paper. `bars` is empty without Border.LINE."""

    left: int
    end: int
    starts: tuple[int, ...]
    widths: tuple[int, ...]
    bars: tuple[int, ...]


class _Text(NamedTuple):
    """A line of one column, and the cells that it takes."""

    runs: Runs
    cells: int


_NOTHING = _Text((), 0)


def set_columns(block: Columns, paper: int, set_line: SetLine) -> list[Row]:
    """The rows of one block of columns, on paper so many cells wide."""
    area = _area_of(block, paper)
    beside: list[list[_Text]] = []
    beneath: list[Runs] = []
    drawn = False
    for i, column in enumerate(block.columns):
        width = area.widths[i] if i < len(area.widths) else 0
        text = any(run.text for run in column.runs)
        lines, is_drawn = _lines(column, width, set_line) if width and text else ([], False)
        if text and (not width or max([line.cells for line in lines], default=0) > width):
            beneath += _paragraphs(column.runs)
            lines = []
        beside.append(lines)
        drawn |= is_drawn
    rows: list[Row] = []
    for j in range(max([0 if beneath else 1, *map(len, beside)])):
        texts = [lines[j] if j < len(lines) else _NOTHING for lines in beside[: len(area.widths)]]
        runs = _side_by_side(texts, block, area)
        rows += set_line(Line(runs), paper) if drawn else (Row(runs),)
    for runs in beneath:
        rows += set_line(Line(runs, align=block.align), paper)
    return rows


def set_frame(frame: Frame, paper: int, set_line: SetLine) -> list[Row]:
    """The row of a table's horizontal line, on paper so many cells wide."""
    above, below = [_area_of(block, paper) if block else None for block in (frame.above, frame.below)]
    text = _joints(above, below)
    return set_line(Line((Run(text),)), paper) if text else []


def share_out(widths: Sequence[int], free: int) -> tuple[int, ...]:
    """The cells of each column, where `free` are left between the borders: at least one for each.

    Fixed columns keep their width, and the rest is shared by those whose width is 0, the later ones getting the odd
    cells. What is too much is taken from the widest fixed column, cell by cell.
    """
    found = [max(0, min(width, free)) for width in widths]
    shares = [i for i, width in enumerate(found) if not width]
    while free - sum(found) < len(shares):
        widest = max(found)
        found[len(found) - 1 - found[::-1].index(widest)] -= 1
    rest = free - sum(found)
    for order, i in enumerate(shares):
        found[i] = (rest + order) // len(shares)
    return tuple(found)


def room_for(border: Border, paper: int) -> int:
    """How many columns fit on paper so many cells wide."""
    between, edge = _BETWEEN[border], int(border is Border.LINE)
    return max(0, (paper + between - 2 * edge) // (between + 1))


def _area_of(block: Columns, paper: int) -> _Area:
    beside = block.columns[: room_for(block.border, paper)]
    return _area(tuple([min(column.width, paper) for column in beside]), block.border, block.align, paper)


@lru_cache(maxsize=1024)
def _area(widths: tuple[int, ...], border: Border, align: Align, paper: int) -> _Area:
    """Where the columns stand that the paper has room for."""
    between, edge = _BETWEEN[border], int(border is Border.LINE)
    borders = 2 * edge + between * (len(widths) - 1) if widths else 0
    found = share_out(widths, paper - borders)
    taken = sum(found) + borders
    left = (paper - taken) * align.value // 2
    starts, at = [], left + edge
    for width in found:
        starts.append(at)
        at += width + between
    bars = [left, *[start + width for start, width in zip(starts, found, strict=True)]] if edge and found else []
    return _Area(left, left + taken, tuple(starts), found, tuple(bars))


def _lines(column: Column, width: int, set_line: SetLine) -> tuple[list[_Text], bool]:
    """The lines of one column, and whether there is something to draw in them."""
    lines: list[_Text] = []
    drawn = False
    paragraphs = _paragraphs(column.runs)
    for n, runs in enumerate(paragraphs, 1):
        rows = set_line(Line(runs), _ENDLESS if column.break_words else width)
        drawn = drawn or any(row.drawn for row in rows)
        if column.break_words:
            broken = list(_broken(rows[0].runs, width))
            lines += broken if broken[-1].runs or n < len(paragraphs) else broken[:-1]
        else:
            lines += [_Text(row.runs, _taken(row.runs)) for row in rows]
    return lines if column.wrap else lines[:1], drawn


def _paragraphs(runs: Runs) -> list[Runs]:
    """The runs, parted at line feeds."""
    if not any("\n" in run.text for run in runs):
        return [runs]
    found: list[list[Run]] = [[]]
    for run in runs:
        first, *rest = run.text.split("\n")
        found[-1].append(Run(first, run.style))
        found += [[Run(text, run.style)] for text in rest]
    return [tuple(paragraph) for paragraph in found]


def _broken(runs: Runs, width: int) -> Iterator[_Text]:
    """Lines that end where the column does. The last is what is left: empty where the one before it was filled."""
    taken = _taken(runs)
    if taken < width:
        yield _Text(runs, taken)
        return
    line: list[Run] = []
    room = width
    for char, style in _glyphs(runs):
        needed = cell(char[0]) * style.width
        if needed > width:
            style = replace(style, width=max(1, width // cell(char[0])))
            needed = cell(char[0]) * style.width
        if needed > room:
            yield _Text(_joined(line), width - room)
            line, room = [], width
        line.append(Run(char, style))
        room -= needed
        if room <= 0:
            yield _Text(_joined(line), width - room)
            line, room = [], width
    yield _Text(_joined(line), width - room)


def _glyphs(runs: Runs) -> Iterator[tuple[str, Style]]:
    """Characters with the marks that stand on them."""
    for run in runs:
        glyph = ""
        for char in run.text:
            if glyph and not combining(char) and cell(char):
                yield glyph, run.style
                glyph = char
            else:
                glyph += char
        if glyph:
            yield glyph, run.style


def _side_by_side(texts: Sequence[_Text], block: Columns, area: _Area) -> Runs:
    """One row: the columns' texts, aligned each in its own, with bars as tall as the text."""
    style = _tall(max([run.style.height for text in texts for run in text.runs], default=1))
    bar = _Text((Run("|", style),), 1)
    placed = [(at, bar) for at in area.bars]
    for text, column, start, width in zip(texts, block.columns, area.starts, area.widths, strict=False):
        if text.runs:
            placed.append((start + ((width - text.cells) * column.align.value + 1) // 2, text))
    placed.sort(key=itemgetter(0))
    row: list[Run] = []
    x = 0
    for at, text in placed:
        if at > x:
            row.append(Run(" " * (at - x), style))
        row += text.runs
        x = at + text.cells
    return _joined(row)


@lru_cache(maxsize=8)
def _tall(height: int) -> Style:
    return Style(height=height)


def _joined(runs: Sequence[Run]) -> Runs:
    """The same text in as few runs as there are changes of style."""
    joined: list[Run] = []
    for style, same in groupby(runs, _STYLE_OF):
        text = "".join([run.text for run in same])
        if text:
            joined.append(Run(text, style))
    return tuple(joined)


_STYLE_OF = attrgetter("style")


def _taken(runs: Sequence[Run]) -> int:
    return sum([cells(run.text) * run.style.width for run in runs])


@lru_cache(maxsize=256)
def _joints(above: _Area | None, below: _Area | None) -> str:
    """A line over all that is above and below, with a joint wherever one of them has a bar."""
    areas = [area for area in (above, below) if area is not None]
    line = [" "] * max([area.end for area in areas], default=0)
    for area in areas:
        line[area.left : area.end] = ["-"] * (area.end - area.left)
    for area in areas:
        for bar in area.bars:
            line[bar] = "+"
    return "".join(line)
