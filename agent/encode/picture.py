"""A typeset ticket as a picture, line by line what comes out of the printer: 12 dots a cell, 203 dots an inch.

The printer's own characters are played by the fonts of this machine; what is sent as a picture is the very same here.
"""

from collections.abc import Sequence
from functools import lru_cache
from io import BytesIO

from PIL import Image, ImageDraw

from agent.encode import images, raster
from agent.encode.flat import Flat, flatten, height
from agent.encode.text import cell, cells, clean
from agent.encode.typeset import spell_out
from agent.model.layout import Bitmap, Cut, Printed, Row, Run
from agent.model.profile import KNIFE_FEED

MARGIN = 32
"""White around the print in a PNG, in dots: 4 mm, as on paper of 80 mm."""

_WHITE, _BLACK = 1, 0
_CLEARANCE = 24
"""Dots between the line of a cut and what stands on the next piece."""

_Place = tuple[int, int]
# Size and baseline within 24 dots: Latin letters are set smaller and higher, or what hangs below would be cut off.
_FACES = {1: (22, 19), 2: (24, 20)}


def png(rows: Sequence[Printed], width: int, *, feed: int = KNIFE_FEED, fonts: raster.Fonts | None = None) -> bytes:
    """The ticket as a PNG of one bit a dot, black on white paper. `width` is in cells, `feed` in lines before a cut."""
    with images.ONE_AT_A_TIME:
        return _file(draw(rows, width, feed=feed, fonts=fonts, margin=MARGIN))


def draw(
    rows: Sequence[Printed],
    width: int,
    *,
    feed: int = KNIFE_FEED,
    fonts: raster.Fonts | None = None,
    margin: int = 0,
) -> Image.Image:
    """The printed area, black is 0, and `margin` dots around it. Each piece of paper ends with a dashed line where it
    is cut.
    """
    fonts = fonts or raster.load_fonts()
    flats = [flat for row in flatten(rows, width) for flat in _printable(row, width, fonts)]
    broad, tall = width * raster.CELL_DOTS, sum(height(flat, feed) for flat in flats)
    paper = Image.new("1", (broad + 2 * margin, tall + 2 * margin), _WHITE)
    y = margin
    for flat in flats:
        taken = height(flat, feed)
        if isinstance(flat, Row):
            _draw_row(paper, flat, (margin, y), width, fonts)
        elif isinstance(flat, Bitmap):
            _draw_bands(paper, raster.strips(flat, width), (margin, y))
        elif isinstance(flat, Cut) and taken:
            clear = 0 if y + taken == margin + tall else min(_CLEARANCE, taken // 2)
            _draw_cut(paper, (margin, y + taken - 1 - clear), broad)
        y += taken
    return paper


def png_of(bitmap: Bitmap) -> bytes:
    """A single bitmap as a PNG."""
    ink = Image.frombytes("1", (bitmap.width, bitmap.height), bitmap.data)
    paper = Image.new("1", ink.size, _WHITE)
    paper.paste(_BLACK, (0, 0), ink)
    return _file(paper)


def _printable(flat: Flat, width: int, fonts: raster.Fonts) -> Sequence[Flat]:
    """A row that no font can draw is spelled out, as on paper."""
    if isinstance(flat, Row) and flat.drawn and raster.draw(flat, width, fonts) is None:
        return spell_out(flat, width)
    return (flat,)


def _draw_row(paper: Image.Image, row: Row, corner: _Place, width: int, fonts: raster.Fonts) -> None:
    bands = raster.draw(row, width, fonts) if row.drawn else None
    if bands is not None:
        _draw_bands(paper, bands, corner)
        return
    taken = sum(cells(run.text) * run.style.width for run in row.runs)
    tallest = max([run.style.height for run in row.runs], default=1)
    x, y = corner
    x += raster.offset(row.align, taken, width) * raster.CELL_DOTS
    for run in row.runs:
        strip = _run(run, fonts)
        paper.paste(_BLACK, (x, y + raster.LINE_DOTS * (tallest - run.style.height)), strip)
        x += strip.width


def _run(run: Run, fonts: raster.Fonts) -> Image.Image:
    """The ink of one run: characters of 24 dots, enlarged as a printer does."""
    text, style = clean(run.text), run.style
    ink = Image.new("1", (max(1, cells(text)) * raster.CELL_DOTS, raster.LINE_DOTS))
    x = 0
    for char in text:
        if char != " ":
            ink.paste(1, (x, 0), _glyph(char, style.bold, fonts))
        x += cell(char) * raster.CELL_DOTS
    ink = ink.resize((ink.width * style.width, ink.height * style.height), Image.Resampling.NEAREST)
    if style.underlined and not style.inverted:
        ink.paste(1, (0, ink.height - raster.UNDERLINE_DOTS, ink.width, ink.height))
    return ink.point(lambda dot: not dot) if style.inverted else ink


@lru_cache(maxsize=4096)
def _glyph(char: str, bold: bool, fonts: raster.Fonts) -> Image.Image:
    taken = max(1, cell(char))
    box = taken * raster.CELL_DOTS
    size, baseline = _FACES[taken]
    glyph = Image.new("1", (box, raster.LINE_DOTS))
    font = fonts.font(char, box + 1, size)  # the advance may be a dot too broad: that is white
    if font is not None:
        pen = ImageDraw.Draw(glyph)
        for shift in (0, 1) if bold else (0,):
            pen.text((box / 2 + shift, baseline), char, fill=1, font=font, anchor="ms")
    return glyph


def _draw_bands(paper: Image.Image, bands: Sequence[raster.Band], corner: _Place) -> None:
    x, y = corner
    for band in bands:
        paper.paste(_BLACK, (x, y), Image.frombytes("1", (8 * band.width_bytes, band.rows), band.data))
        y += band.rows


def _draw_cut(paper: Image.Image, start: _Place, broad: int) -> None:
    pen = ImageDraw.Draw(paper)
    left, y = start
    for x in range(left, left + broad, 16):
        pen.line((x, y, x + 7, y), fill=_BLACK)


def _file(picture: Image.Image) -> bytes:
    file = BytesIO()
    picture.save(file, format="PNG", optimize=True, dpi=(203, 203))
    return file.getvalue()
