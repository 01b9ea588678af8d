"""Rows as pictures, for characters that the printer's own font lacks: 1-bit bands on the 12 by 24 dot grid.

The only I/O is to look for font files, once, when the first such character is met. Without a font or without
Pillow nothing is drawn: the caller prints the character's code instead.
"""

import sys
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from agent.encode.text import cell, cells
from agent.model.layout import Align, Row, Run

if TYPE_CHECKING:
    from PIL import Image, ImageFont

CELL_DOTS = 12
LINE_DOTS = 24
BAND_ROWS = 24
"""No band is higher: after a broken link a printer swallows at most one band's worth of what follows."""

_BASELINE = 20  # dots from the top of a line, where WenQuanYi's characters stand centred
_ROOTS = (Path("/usr/share/fonts"), Path(sys.prefix) / "debian/usr/share/fonts")
_FACES = (  # in the order in which they are asked; the number is the face within a collection
    ("truetype/wqy/wqy-microhei.ttc", 1),
    ("opentype/unifont/unifont.otf", 0),
    ("truetype/unifont/unifont.ttf", 0),
    ("opentype/unifont/unifont_upper.otf", 0),
    ("truetype/unifont/unifont_upper.ttf", 0),
    ("truetype/dejavu/DejaVuSansMono.ttf", 0),
    ("truetype/dejavu/DejaVuSans.ttf", 0),
    ("truetype/ancient-scripts/Symbola_hint.ttf", 0),
)
_NOT_A_CHARACTER = "\uffff"


class Band(NamedTuple):
    """A strip of the picture: `width_bytes` bytes a row, most significant bit left, 1 is black."""

    width_bytes: int
    rows: int
    data: bytes


class Fonts:
    """The faces at hand: (file, face number) in the order in which they are asked for a character."""

    def __init__(self, faces: Sequence[tuple[str, int]]) -> None:
        self._faces = faces
        self._sized: dict[tuple[int, int], ImageFont.FreeTypeFont] = {}
        self._chosen: dict[str, int | None] = {}

    def covers(self, char: str) -> bool:
        """Whether some face has a picture of the character. It is remembered."""
        return self._choose(char) is not None

    def font(self, char: str, box: int, size: int) -> "ImageFont.FreeTypeFont | None":
        """The font to draw a character with: `size` dots high, or smaller so that it is `box` dots wide."""
        face = self._choose(char)
        if face is None:
            return None
        font = self._open(face, size)
        advance = font.getlength(char)
        return font if advance <= box else self._open(face, max(8, int(size * box / advance)))

    def _choose(self, char: str) -> int | None:
        if char not in self._chosen:
            candidates = (face for face in range(len(self._faces)) if self._has(face, char))
            self._chosen[char] = next(candidates, None)
        return self._chosen[char]

    def _has(self, face: int, char: str) -> bool:
        font = self._open(face, LINE_DOTS)
        picture, missing = font.getmask(char, "1"), font.getmask(_NOT_A_CHARACTER, "1")
        if picture.getbbox() is None:
            return char.isspace()
        return picture.size != missing.size or bytes(picture) != bytes(missing)

    def _open(self, face: int, size: int) -> "ImageFont.FreeTypeFont":
        if (face, size) not in self._sized:
            from PIL import ImageFont

            path, index = self._faces[face]
            self._sized[face, size] = ImageFont.truetype(path, size, index, layout_engine=ImageFont.Layout.BASIC)
        return self._sized[face, size]


@cache
def load_fonts() -> Fonts:
    """The fonts of this machine. None at all, where Pillow is missing: then nothing is drawn."""
    try:
        from PIL import ImageFont  # noqa: F401 - asked whether it is there
    except ImportError:
        return Fonts(())
    found = [(str(root / name), face) for name, face in _FACES for root in _ROOTS if (root / name).is_file()]
    return Fonts([(path, face) for path, face in found if _opens(path, face)])


def draw(row: Row, width: int, fonts: Fonts) -> tuple[Band, ...] | None:
    """The row's picture in bands, only as wide as its ink, or None when some character has no font."""
    if not all(fonts.covers(char) for run in row.runs for char in run.text if char != " "):
        return None
    return tuple(_bands(_picture(row, width, fonts)))


def _opens(path: str, face: int) -> bool:
    from PIL import ImageFont

    try:
        ImageFont.truetype(path, LINE_DOTS, face, layout_engine=ImageFont.Layout.BASIC)
    except OSError:
        return False
    return True


def _picture(row: Row, width: int, fonts: Fonts) -> "Image.Image":
    from PIL import Image

    taken = sum(cells(run.text) * run.style.width for run in row.runs)
    shift = {Align.LEFT: 0, Align.CENTER: (width - taken) // 2, Align.RIGHT: width - taken}[row.align]
    height = LINE_DOTS * max(run.style.height for run in row.runs)
    picture = Image.new("1", ((shift + taken) * CELL_DOTS, height))
    x = shift * CELL_DOTS
    for run in row.runs:
        image = _run(run, fonts)
        picture.paste(image, (x, height - image.height))
        x += image.width
    return picture


def _run(run: Run, fonts: Fonts) -> "Image.Image":
    """One run: drawn at its height, stretched to its width, as a printer does."""
    from PIL import Image, ImageChops, ImageDraw

    style, times = run.style, run.style.height
    image = Image.new("1", (cells(run.text) * CELL_DOTS * times, LINE_DOTS * times))
    pen = ImageDraw.Draw(image)
    x = 0
    for char in run.text:
        box = cell(char) * CELL_DOTS * times
        font = fonts.font(char, box, LINE_DOTS * times)
        if font is not None and char != " ":
            inset = max(0, box - int(font.getlength(char))) // 2
            pen.text((x + inset, _BASELINE * times), char, fill=1, font=font, anchor="ls")
        x += box
    if style.bold:
        image = ImageChops.logical_or(image, ImageChops.offset(image, times, 0))
    if style.inverted:
        image = ImageChops.logical_xor(image, Image.new("1", image.size, 1))
    return image.resize((cells(run.text) * CELL_DOTS * style.width, image.height), Image.Resampling.NEAREST)


def _bands(picture: "Image.Image") -> Iterator[Band]:
    box = picture.getbbox()
    width_bytes = (box[2] + 7) // 8 if box else 1
    for top in range(0, picture.height, BAND_ROWS):
        band = picture.crop((0, top, width_bytes * 8, min(top + BAND_ROWS, picture.height)))
        yield Band(width_bytes, band.height, band.tobytes())
