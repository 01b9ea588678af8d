"""Rows as plain text, for a terminal: what stands where, without sizes."""

from collections.abc import Iterator, Sequence

from agent.encode.text import cells
from agent.encode.typeset import say
from agent.model.layout import Align, Bitmap, Code, Cut, Gap, Printed, Row, Rule, Style, Symbology

_PLAIN = "\x1b[0m"


def render(rows: Sequence[Printed], width: int, *, styled: bool = False) -> str:
    """The ticket as lines of text. Large characters are written once; what stands right still does.

    A code is its text in brackets, a picture its size. `styled` shows bold, underlined and white on black as a
    terminal does (ECMA-48), for one that is there to show them.
    """
    return "\n".join(line for row in rows for line in _lines(row, width, styled)) + "\n"


def _lines(row: Printed, width: int, styled: bool) -> Iterator[str]:
    match row:
        case Row():
            yield _line(row, width, styled)
        case Rule():
            yield row.char * width
        case Cut():
            yield "- " * (width // 2 - 2) + "✂"
        case Code():
            name = "QR" if row.symbology is Symbology.QR else row.symbology.value
            yield from (_line(said, width, styled) for said in say(f"[{name}: {row.text}]", width, row.align))
        case Bitmap():
            said = f"[picture {row.width}x{row.height}]"
            yield " " * _offset(row.align, width - len(said)) + said
        case Gap():
            pass


def _line(row: Row, width: int, styled: bool) -> str:
    texts = _stretched(row)
    room = width - sum(map(cells, texts))
    if styled:
        texts = [_styled(text, run.style) for text, run in zip(texts, row.runs, strict=True)]
    return " " * _offset(row.align, room) + "".join(texts)


def _offset(align: Align, room: int) -> int:
    return {Align.LEFT: 0, Align.CENTER: room // 2, Align.RIGHT: room}[align]


def _stretched(row: Row) -> list[str]:
    """The row's runs; the widest gap between two of them takes up the cells that large characters would."""
    texts = [run.text for run in row.runs]
    gaps = [i for i, text in enumerate(texts) if text.isspace() and 0 < i < len(texts) - 1]
    if gaps:
        missing = sum(cells(run.text) * (run.style.width - 1) for run in row.runs)
        texts[max(gaps, key=lambda i: len(texts[i]))] += " " * missing
    return texts


def _styled(text: str, style: Style) -> str:
    numbers = [n for n, on in (("1", style.bold), ("4", style.underlined), ("7", style.inverted)) if on]
    return f"\x1b[{';'.join(numbers)}m{text}{_PLAIN}" if numbers else text
