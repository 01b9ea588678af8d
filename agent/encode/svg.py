"""A typeset ticket as one SVG that stands alone, for a page in a browser: text stays text, pictures go along.

Whatever an order says is text in it: every character is escaped, and nothing refers to anything outside.
"""

import base64
from collections.abc import Iterator, Sequence
from html import escape

from agent.encode import raster
from agent.encode.flat import flatten, height
from agent.encode.picture import png_of
from agent.encode.text import cells, clean
from agent.model.layout import Bitmap, Cut, Printed, Row, Run
from agent.model.profile import KNIFE_FEED

MARGIN = 32
_BASELINE = 20
_FONTS = "'WenQuanYi Micro Hei Mono','Noto Sans Mono CJK SC','Source Han Mono SC',monospace"


def render(rows: Sequence[Printed], width: int, *, feed: int = KNIFE_FEED) -> str:
    """The ticket as SVG; a unit is a dot, `width` is in cells, `feed` in lines before a cut."""
    y = MARGIN
    body: list[str] = []
    breadth = width * raster.CELL_DOTS + 2 * MARGIN
    for flat in flatten(rows, width):
        taken = height(flat, feed)
        if isinstance(flat, Row):
            body += _row(flat, width, y)
        elif isinstance(flat, Bitmap):
            body.append(_image(flat, width, y))
        elif isinstance(flat, Cut):
            body.append(f'<path d="M0 {y + taken}H{breadth}" stroke="#888" stroke-dasharray="8"/>')
        y += taken
    high = y + MARGIN
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {breadth} {high}" width="{breadth}" height="{high}">'
        f'<rect width="{breadth}" height="{high}" fill="#fff"/>'
        f'<g font-family="{_FONTS}" font-size="24">'
        f"{''.join(body)}</g></svg>\n"
    )


def _row(row: Row, width: int, y: int) -> Iterator[str]:
    taken = sum(cells(run.text) * run.style.width for run in row.runs)
    tallest = max([run.style.height for run in row.runs], default=1)
    x = MARGIN + raster.offset(row.align, taken, width) * raster.CELL_DOTS
    for run in row.runs:
        yield from _run(run, x, y + raster.LINE_DOTS * (tallest - run.style.height))
        x += cells(run.text) * run.style.width * raster.CELL_DOTS


def _run(run: Run, x: int, y: int) -> Iterator[str]:
    style, text = run.style, clean(run.text)
    length = cells(text) * raster.CELL_DOTS
    if style.inverted:
        yield f'<rect x="{x}" y="{y}" width="{length * style.width}" height="{raster.LINE_DOTS * style.height}"/>'
    look = ' fill="#fff"' if style.inverted else ""
    look += ' font-weight="bold"' if style.bold else ""
    look += ' text-decoration="underline"' if style.underlined and not style.inverted else ""
    scale = f" scale({style.width} {style.height})" if (style.width, style.height) != (1, 1) else ""
    yield (
        f'<text xml:space="preserve" y="{_BASELINE}" transform="translate({x} {y}){scale}" textLength="{length}"'
        f' lengthAdjust="spacingAndGlyphs"{look}>{escape(text)}</text>'
    )


def _image(bitmap: Bitmap, width: int, y: int) -> str:
    x = MARGIN + raster.offset(bitmap.align, bitmap.width, width * raster.CELL_DOTS) // 8 * 8
    data = base64.b64encode(png_of(bitmap)).decode("ascii")
    return (
        f'<image x="{x}" y="{y}" width="{bitmap.width}" height="{bitmap.height}" image-rendering="pixelated"'
        f' href="data:image/png;base64,{data}"/>'
    )
