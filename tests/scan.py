"""A scanner for tests: reads QR codes and barcodes back from the dots of a picture, as a phone's camera would."""

from pathlib import Path

import msgspec
from PIL import Image

from agent.simulator.piece import Bitmap, Piece

QUIET_DOTS = 48
"""White around a bitmap that fills its paper: the quiet zone that paper has."""


class Read(msgspec.Struct, frozen=True):
    """A symbol: `kind` as our paper names it, and what it says. UPC-A is read as EAN-13 with a zero in front."""

    kind: str
    data: bytes

    @property
    def text(self) -> str:
        """What it says, as UTF-8."""
        return self.data.decode()


def scan(picture: Image.Image) -> list[Read]:
    """Every symbol in a picture, from top to bottom."""
    import zxingcpp  # few tests need it

    found = zxingcpp.read_barcodes(picture.convert("L"), try_downscale=False)
    found = sorted(found, key=lambda symbol: symbol.position.top_left.y)
    return [Read(_kind(str(symbol.format)), bytes(symbol.bytes)) for symbol in found]


def scan_piece(piece: Piece) -> list[Read]:
    """Every symbol on a piece of paper: native ones and those in its bitmaps."""
    return scan(piece.image())


def scan_bitmaps(piece: Piece) -> list[Read]:
    """The symbols that were sent as dots. Bitmaps that follow each other on paper may be bands of one picture: all
    are put together, each where it stands.
    """
    bitmaps = piece.bitmaps
    if not bitmaps:
        return []
    height = sum(bitmap.printed_height for bitmap in bitmaps)
    width = max(bitmap.printed_width for bitmap in bitmaps)
    picture = Image.new("L", (width + 2 * QUIET_DOTS, height + 2 * QUIET_DOTS), 255)
    y = QUIET_DOTS
    for bitmap in bitmaps:
        dots = _dots(bitmap)
        spare = width - bitmap.printed_width
        picture.paste(dots, (QUIET_DOTS + bitmap.x + (0, spare // 2, spare)[bitmap.align], y))
        y += bitmap.printed_height
    return scan(picture)


def scan_png(path: Path) -> list[Read]:
    """Every symbol in a file."""
    with Image.open(path) as picture:
        return scan(picture)


def _dots(bitmap: Bitmap) -> Image.Image:
    ink = Image.frombytes("1", (bitmap.width_dots, bitmap.height_dots), bitmap.rows)
    size = (bitmap.printed_width, bitmap.printed_height)
    return ink.convert("L").point(lambda dot: 255 - dot).resize(size, Image.Resampling.NEAREST)


def _kind(name: str) -> str:
    plain = name.casefold().replace("-", "").replace(" ", "")
    return {"qrcode": "QR", "upca": "upc-a", "upce": "upc-e"}.get(plain, plain)
