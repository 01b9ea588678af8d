"""Rows as plain text, for a terminal: what stands where, without sizes and styles."""

from collections.abc import Sequence

from agent.encode.text import cells
from agent.model.layout import Align, Bitmap, Code, Cut, Gap, Printed, Row, Rule


def render(rows: Sequence[Printed], width: int) -> str:
    """The ticket as lines of text. Large characters are written once; what stands right still does."""
    return "\n".join(_line(row, width) for row in rows if not isinstance(row, Gap | Code | Bitmap)) + "\n"


def _line(row: Row | Rule | Cut, width: int) -> str:
    if isinstance(row, Rule):
        return row.char * width
    if isinstance(row, Cut):
        return "- " * (width // 2 - 2) + "✂"
    text = "".join(_stretched(row))
    room = width - cells(text)
    return " " * {Align.LEFT: 0, Align.CENTER: room // 2, Align.RIGHT: room}[row.align] + text


def _stretched(row: Row) -> list[str]:
    """The row's runs; the widest gap between two of them takes up the cells that large characters would."""
    texts = [run.text for run in row.runs]
    gaps = [i for i, text in enumerate(texts) if text.isspace() and 0 < i < len(texts) - 1]
    if gaps:
        missing = sum(cells(run.text) * (run.style.width - 1) for run in row.runs)
        texts[max(gaps, key=lambda i: len(texts[i]))] += " " * missing
    return texts
