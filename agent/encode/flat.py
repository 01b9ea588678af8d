"""A typeset ticket without codes and rules: only what a picture of the paper shows. For previews, not for printers."""

from collections.abc import Iterator, Sequence

from agent.encode import codes, raster
from agent.encode.typeset import below, ruled, say_code
from agent.errors import TooLong
from agent.model.layout import Bitmap, Code, Cut, Gap, Printed, Row, Rule
from agent.model.profile import KNIFE_FEED

LINE_DOTS = 30
"""The pitch of text lines; higher characters take what they need."""
PICTURE_GAP = 6
MOST_GAP = 255
MOST_DOTS = 1 << 26
"""Of a preview: on paper of 80 mm 14 m of it."""

Flat = Row | Gap | Bitmap | Cut


def flatten(rows: Sequence[Printed], width: int) -> Iterator[Flat]:
    """Codes drawn, rules as rows, and one cut at the end of each piece, as a printer is told.

    Raises: TooLong when a picture of it would have more than MOST_DOTS.
    """
    most = left = MOST_DOTS // (width * raster.CELL_DOTS)
    for flat in _pieces(rows, width):
        left -= height(flat, KNIFE_FEED)
        if left < 0:
            raise TooLong(f"it is longer than {most // 8000} m: too long to be shown")
        yield flat


def _pieces(rows: Sequence[Printed], width: int) -> Iterator[Flat]:
    is_open = has_cut = False
    for row in rows:
        if isinstance(row, Cut):
            if is_open or not has_cut:
                yield row
            is_open, has_cut = False, True
            continue
        for flat in _flat(row, width):
            is_open = is_open or not isinstance(flat, Gap)
            yield flat
    if is_open or not has_cut:
        yield Cut()


def height(flat: Flat, feed: int) -> int:
    """Dots along the paper; `feed` is the number of lines before a cut."""
    match flat:
        case Gap():
            return max(0, min(flat.dots, MOST_GAP))
        case Bitmap():
            return flat.height + PICTURE_GAP
        case Cut():
            return feed * LINE_DOTS
    tallest = raster.LINE_DOTS * max([run.style.height for run in flat.runs], default=1)
    return tallest + PICTURE_GAP if flat.drawn else max(LINE_DOTS, tallest)


def _flat(row: Row | Rule | Gap | Code | Bitmap, width: int) -> Iterator[Row | Gap | Bitmap]:
    if isinstance(row, Rule):
        yield ruled(row, width)
    elif isinstance(row, Code):
        yield from _code(row, width)
    elif not isinstance(row, Bitmap) or (row.width > 0 and row.height > 0):
        yield row


def _code(code: Code, width: int) -> Iterator[Row | Gap | Bitmap]:
    dots = width * raster.CELL_DOTS
    try:
        code = codes.fit(code, dots)
    except codes.CodeError:
        yield from say_code(code, width)
        return
    white = Gap(codes.quiet(code))
    yield white
    yield codes.draw(code, dots)
    yield from below(code, width)
    yield white
