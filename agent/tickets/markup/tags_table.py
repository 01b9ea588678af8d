"""Tables in tag dialects: <TABLE border=line><TR><TD w=10 align=right>. What is in a table but in no cell is a line."""

from agent.model.layout import Block, Border, Column, Columns, Frame
from agent.tickets.markup.tags import Attrs, Span
from agent.tickets.markup.tags_actions import ALIGNS, choice, known, number
from agent.tickets.markup.tags_sheet import Cell, Sheet, TagError

MAX_COLUMNS = 24
_BORDERS = {border.value: border for border in Border}


def _table(sheet: Sheet, attrs: Attrs) -> None:
    known(attrs, "border")
    border = choice(attrs, "border", _BORDERS, Border.SPACE)
    if sheet.border is not None:
        sheet.close("table")
    sheet.flush()
    sheet.border, sheet.out = border, []


def _end_table(sheet: Sheet) -> None:
    sheet.flush()
    rows, framed = sheet.out, sheet.border is Border.LINE
    sheet.border, sheet.out = None, sheet.blocks
    sheet.blocks += _framed(rows) if framed else rows
    sheet.solid = True


def _framed(rows: list[Block]) -> list[Block]:
    """The rows with lines at the top and at the bottom, each line knowing the columns that it joins."""
    rows = [Frame(), *rows, Frame()]
    for place, row in enumerate(rows):
        if isinstance(row, Frame):
            above = rows[place - 1] if place else None
            below = rows[place + 1] if place + 1 < len(rows) else None
            rows[place] = Frame(
                above if isinstance(above, Columns) else None, below if isinstance(below, Columns) else None
            )
    return rows


def _row(sheet: Sheet, attrs: Attrs) -> None:
    known(attrs)
    if sheet.border is None:
        raise TagError("outside of a table")
    if sheet.cells is not None:
        sheet.close("tr")
    sheet.flush()
    sheet.cells = []


def _end_row(sheet: Sheet) -> None:
    if sheet.cells and sheet.border is not None:
        sheet.out.append(Columns(tuple(sheet.cells), sheet.border))
    sheet.out += sheet.below
    sheet.cells, sheet.below = None, []
    sheet.flush()


def _cell(sheet: Sheet, attrs: Attrs) -> None:
    known(attrs, "w", "align")
    if sheet.cells is None or len(sheet.cells) >= MAX_COLUMNS:
        raise TagError("outside of a row, or too many")
    cell = Cell(number(attrs, "w", 0, 0, 255), choice(attrs, "align", ALIGNS, None))
    if sheet.cell is not None:
        sheet.close("td")
    sheet.flush()
    sheet.cell = cell


def _end_cell(sheet: Sheet) -> None:
    cell = sheet.cell or Cell()
    runs, align = sheet.take()
    if sheet.cells is not None:
        sheet.cells.append(Column(runs, cell.width, cell.align or align))


TABLE = Span(enter=_table, leave=_end_table, box=True)
ROW = Span(enter=_row, leave=_end_row, box=True, line=True)
CELL = Span(enter=_cell, leave=_end_cell, box=True, line=True)
