"""A picture of a piece of paper, dot for dot on the 12 x 24 grid: what a photo of the receipt would show."""

import sys
from functools import lru_cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from agent.simulator import qr
from agent.simulator.piece import (
    CELL_HEIGHT,
    DOTS_PER_CELL,
    SMALL_WIDTH,
    Bitmap,
    Caption,
    Code,
    Line,
    Look,
    Piece,
    Run,
    Side,
    height_of,
    is_narrow,
)

PAPER_DOTS = {576: 640, 384: 464}
"""The paper's breadth for a printable width: 80 mm and 58 mm at 8 dots a millimetre."""

_TOP, _BOTTOM, _TOOTH = 28, 36, 8
_WHITE, _INK, _DESK, _FOLD = 252, 24, 196, 150
_FONT = Path("usr/share/fonts/truetype/wqy/wqy-microhei.ttc")
_MONO_FACE = 1


def draw(piece: Piece) -> Image.Image:
    """The piece on a grey desk, cut straight at the top and torn at the bottom."""
    breadth = PAPER_DOTS.get(piece.width_dots, piece.width_dots + 64)
    margin = (breadth - piece.width_dots) // 2
    height = _TOP + sum(height_of(item) for item in piece.items) + _BOTTOM
    dots = Image.new("1", (breadth, height), 0)
    y = _TOP
    for item in piece.items:
        if isinstance(item, Line):
            _draw_line(dots, item, margin, y)
        elif isinstance(item, Bitmap):
            _draw_bitmap(dots, item, margin + _offset(item.align, item.printed_width, piece.width_dots), y)
        elif isinstance(item, Code):
            picture = _code(item, piece.width_dots)
            dots.paste(1, (margin + _offset(item.align, picture.width, piece.width_dots), y), picture)
        y += height_of(item)
    return _on_desk(dots)


def font_path() -> Path | None:
    """WenQuanYi Micro Hei, from Debian's package or from the copy beside the virtual environment."""
    repository = Path(__file__).parents[2]
    roots = (Path("/"), Path(sys.prefix) / "debian", repository / ".venv" / "debian")
    return next((root / _FONT for root in roots if (root / _FONT).is_file()), None)


@lru_cache(maxsize=8)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    path = font_path()
    return (
        ImageFont.truetype(path, size, _MONO_FACE, layout_engine=ImageFont.Layout.BASIC)
        if path
        else ImageFont.load_default(size)
    )


@lru_cache(maxsize=4096)
def _glyph(char: str, cell: int, bold: bool) -> Image.Image:
    """One character in a cell of 24 dots' height, as a printer's font ROM holds it."""
    glyph = Image.new("1", (cell, CELL_HEIGHT), 0)
    pen = ImageDraw.Draw(glyph)
    pen.fontmode = "1"
    # Latin letters are set smaller and higher, or their descenders would leave the cell.
    size, baseline = {9: (17, 19), DOTS_PER_CELL: (22, 19)}.get(cell, (24, 20))
    for shift in (0, 1) if bold else (0,):
        pen.text((cell / 2 + shift, baseline), char, fill=1, font=_font(size), anchor="ms")
    return glyph


def _draw_line(dots: Image.Image, line: Line, margin: int, y: int) -> None:
    tallest = max([CELL_HEIGHT * run.height for run in line.runs], default=CELL_HEIGHT)
    tallest = max([tallest] + [image.printed_height for image in line.images])
    left = margin + line.offset
    for run in line.runs:
        _draw_run(dots, run, left + run.x, y + tallest - CELL_HEIGHT * run.height)
    for image in line.images:
        _draw_bitmap(dots, image, left + image.x, y + tallest - image.printed_height)


def _draw_run(dots: Image.Image, run: Run, x: int, y: int) -> None:
    strip = Image.new("1", (run.dots, CELL_HEIGHT * run.height), 0)
    ank = SMALL_WIDTH if run.look.small else DOTS_PER_CELL
    units = sum(ank if is_narrow(char) else 2 * DOTS_PER_CELL for char in run.text) * run.width
    # What the characters themselves don't fill is spacing (ESC SP, FS S), shared out evenly.
    gap = (run.dots - units) / max(1, len(run.text))
    at = 0.0
    for char in run.text:
        cell = ank if is_narrow(char) else 2 * DOTS_PER_CELL
        glyph = _glyph(char, cell, run.bold)
        if run.width > 1 or run.height > 1:
            glyph = glyph.resize((cell * run.width, CELL_HEIGHT * run.height), Image.Resampling.NEAREST)
        strip.paste(1, (round(at), 0), glyph)
        at += cell * run.width + gap
    if run.look.underlined:
        ImageDraw.Draw(strip).line((0, strip.height - 2, strip.width, strip.height - 2), fill=1, width=2)
    if run.inverted:
        strip = strip.point(lambda dot: not dot)
    dots.paste(strip, (x, y))


def _draw_bitmap(dots: Image.Image, bitmap: Bitmap, x: int, y: int) -> None:
    if not bitmap.width_dots or not bitmap.height_dots:
        return
    size = (bitmap.width_dots, bitmap.height_dots)
    picture = Image.frombytes("1", size, bitmap.rows)
    if bitmap.x_scale > 1 or bitmap.y_scale > 1:
        picture = picture.resize((bitmap.printed_width, bitmap.printed_height), Image.Resampling.NEAREST)
    dots.paste(picture, (x, y))


def _offset(side: Side, breadth: int, width: int) -> int:
    spare = max(0, width - breadth)
    return {Side.LEFT: 0, Side.CENTER: spare // 2, Side.RIGHT: spare}[side]


def _code(code: Code, paper_dots: int) -> Image.Image:
    """The symbol dot for dot, and a barcode's text above or below it."""
    symbol = _bars(code) if code.bars else _qr(code)
    if not code.caption:
        return symbol
    caption = _caption(code)
    picture = Image.new("1", (min(paper_dots, max(symbol.width, caption.width)), code.printed_height), 0)
    above = code.caption_height if code.caption in (Caption.ABOVE, Caption.BOTH) else 0
    picture.paste(symbol, ((picture.width - symbol.width) // 2, above))
    x = (picture.width - caption.width) // 2
    if above:
        picture.paste(caption, (x, 0))
    if code.caption in (Caption.BELOW, Caption.BOTH):
        picture.paste(caption, (x, above + symbol.height))
    return picture


def _qr(code: Code) -> Image.Image:
    rows = qr.modules(code.data, code.level)
    picture = Image.new("1", (len(rows), len(rows)), 0)
    picture.putdata([int(dark) for row in rows for dark in row])
    return picture.resize((code.printed_width, code.height_dots), Image.Resampling.NEAREST)


def _bars(code: Code) -> Image.Image:
    picture = Image.new("1", (code.printed_width, code.height_dots), 0)
    x = 0
    for at, dots in enumerate(code.bars):
        if at % 2 == 0:
            picture.paste(1, (x, 0, x + dots, code.height_dots))
        x += dots
    return picture


def _caption(code: Code) -> Image.Image:
    look = Look(small=code.caption_small)
    cell = SMALL_WIDTH if code.caption_small else DOTS_PER_CELL
    dots = cell * len(code.caption_text)
    strip = Image.new("1", (dots, CELL_HEIGHT), 0)
    _draw_run(strip, Run(code.caption_text, look, 0, dots), 0, 0)
    top = CELL_HEIGHT - code.caption_height
    return strip.crop((0, top // 2, dots, top // 2 + code.caption_height))


def _on_desk(dots: Image.Image) -> Image.Image:
    """Black dots to ink on white paper; the paper's edges: a cut at the top, teeth at the bottom, a faint outline."""
    border = 16
    desk = Image.new("L", (dots.width + 2 * border, dots.height + 2 * border), _DESK)
    paper = Image.new("L", dots.size, _WHITE)
    paper.paste(_INK, (0, 0), dots)
    mask = Image.new("1", dots.size, 0)
    bottom = dots.height - 1
    teeth = [(x, bottom - _TOOTH * (x // _TOOTH % 2)) for x in range(0, dots.width + _TOOTH, _TOOTH)]
    outline = [(0, 0), (dots.width - 1, 0), *reversed(teeth)]
    ImageDraw.Draw(mask).polygon(outline, fill=1)
    shadow = Image.new("L", dots.size, _FOLD)
    desk.paste(shadow, (border + 3, border + 3), mask)
    desk.paste(paper, (border, border), mask)
    return desk
