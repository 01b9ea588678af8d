"""Rows as pictures, for characters that the printer's own font lacks: 1-bit bands on the 12 by 24 dot grid.

Marks are drawn with the character that bears them; Arabic, Hebrew and the scripts of India and Southeast Asia are
shaped and set in their own direction by Pillow's raqm, where it has that (its wheels do).

The only I/O is to look for font files, once, when the first such character is met. Without a font or without
Pillow nothing is drawn: the caller prints the character's code instead.
"""

import re
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from agent.encode.text import cell, cells
from agent.model.layout import Align, Bitmap, Row, Run

if TYPE_CHECKING:
    from PIL import Image, ImageFont

CELL_DOTS = 12
LINE_DOTS = 24
BAND_ROWS = 24
"""No band is higher: after a broken link a printer swallows at most one band's worth of what follows."""

UNDERLINE_DOTS = 2
_BASELINE = 20  # dots from the top of a line, where WenQuanYi's characters stand centred
_ROOTS = (Path("/usr/share/fonts"), Path(sys.prefix) / "debian/usr/share/fonts")
_FACES = (  # in the order in which they are asked; the number is the face within a collection
    ("truetype/wqy/wqy-microhei.ttc", 1),
    ("truetype/dejavu/DejaVuSansMono.ttf", 0),
    ("truetype/dejavu/DejaVuSans.ttf", 0),
    ("opentype/unifont/unifont.otf", 0),
    ("truetype/unifont/unifont.ttf", 0),
    ("opentype/unifont/unifont_upper.otf", 0),
    ("truetype/unifont/unifont_upper.ttf", 0),
    ("truetype/ancient-scripts/Symbola_hint.ttf", 0),
)
_NOT_A_CHARACTER = "\uffff"
_MOST_FONTS = 48  # open at once: each is an open file

# Letters that join, change places or run from right to left: a phrase of them is drawn at once. Hebrew, Arabic and
# their like; India's scripts; Tibetan, Burmese, Khmer, Mongolian. What stands between two such letters goes along, but
# for what parts two phrases, a wide gap, an arrow or a column's bar, and for what no face has together with letters.
_JOINED = "\u0590-\u08ff\u0900-\u0dff\u0f00-\u109f\u1780-\u18af\ufb1d-\ufdff\ufe70-\ufefe"
_APART = "\u0e00-\u0eff\u2600-\u27bf\u2b00-\U0010ffff"
_PHRASE = re.compile(f"[{_JOINED}](?:(?:(?!  |[|\u2190-\u21ff])[^{_APART}])*[{_JOINED}])?")


class Band(NamedTuple):
    """A strip of the picture: `width_bytes` bytes a row, most significant bit left, 1 is black."""

    width_bytes: int
    rows: int
    data: bytes

    def parts(self, most: int | None) -> "Iterator[Band]":
        """In lower bands of so many bytes at most, but for a row that is longer; None: as it is."""
        rows = self.rows if most is None else max(1, most // self.width_bytes)
        for top in range(0, self.rows, rows):
            data = self.data[top * self.width_bytes : (top + rows) * self.width_bytes]
            yield Band(self.width_bytes, min(rows, self.rows - top), data)


class Fonts:
    """The faces at hand: (file, face number) in the order in which they are asked for a character."""

    def __init__(self, faces: Sequence[tuple[str, int]]) -> None:
        self._faces = faces
        self._sized: dict[tuple[int, int, bool], ImageFont.FreeTypeFont] = {}
        self._chosen: dict[str, int | None] = {}

    def covers(self, char: str) -> bool:
        """Whether some face has a picture of the character. It is remembered."""
        return self._choose(char) is not None

    def font(self, text: str, box: int, size: int) -> "ImageFont.FreeTypeFont | None":
        """The font to draw a character or a phrase with: `size` dots high, or smaller so that it is `box` dots wide.

        None when no single face has all of it.
        """
        face = self._choose(text) if len(text) == 1 else self._choose_for_all(text)
        if face is None:
            return None
        shaped = len(text) > 1
        font = self._open(face, size, shaped)
        advance = font.getlength(text)
        return font if advance <= box else self._open(face, max(8, int(size * box / advance)), shaped)

    def has_together(self, text: str) -> bool:
        """Whether a single face has all of it, so that it can be drawn at once."""
        return self._choose_for_all(text) is not None

    def _choose(self, char: str) -> int | None:
        if char not in self._chosen:
            candidates = (face for face in range(len(self._faces)) if self._has(face, char))
            self._chosen[char] = next(candidates, None)
        return self._chosen[char]

    def _choose_for_all(self, text: str) -> int | None:
        chars = set(text) - {" "}
        return next((face for face in range(len(self._faces)) if all(self._has(face, char) for char in chars)), None)

    def _has(self, face: int, char: str) -> bool:
        font = self._open(face, LINE_DOTS, False)
        picture, missing = font.getmask(char, "1"), font.getmask(_NOT_A_CHARACTER, "1")
        if picture.getbbox() is None:
            return char.isspace()
        return picture.size != missing.size or bytes(picture) != bytes(missing)

    def _open(self, face: int, size: int, shaped: bool) -> "ImageFont.FreeTypeFont":
        if (face, size, shaped) not in self._sized:
            from PIL import ImageFont, features

            if len(self._sized) >= _MOST_FONTS:
                self._sized.clear()
            path, index = self._faces[face]
            engine = ImageFont.Layout.RAQM if shaped and features.check("raqm") else ImageFont.Layout.BASIC
            self._sized[face, size, shaped] = ImageFont.truetype(path, size, index, layout_engine=engine)
        return self._sized[face, size, shaped]


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


def strips(bitmap: Bitmap, width: int) -> tuple[Band, ...]:
    """A bitmap in bands, with the margin that its alignment needs on paper of so many cells; to 8 dots exactly."""
    stride, paper = (bitmap.width + 7) // 8, width * CELL_DOTS // 8
    margin = offset(bitmap.align, bitmap.width, width * CELL_DOTS) // 8
    broad = min(margin + stride, paper)
    rows = [(bytes(margin) + bitmap.data[at : at + stride])[:broad] for at in range(0, stride * bitmap.height, stride)]
    bands = (rows[top : top + BAND_ROWS] for top in range(0, len(rows), BAND_ROWS))
    return tuple([Band(broad, len(band), b"".join(band)) for band in bands])


def offset(align: Align, breadth: int, width: int) -> int:
    """Where something of this breadth begins on paper of this width, in the same unit; 0 when it is too broad."""
    spare = max(0, width - breadth)
    return {Align.LEFT: 0, Align.CENTER: spare // 2, Align.RIGHT: spare}[align]


def _opens(path: str, face: int) -> bool:
    from PIL import ImageFont

    try:
        ImageFont.truetype(path, LINE_DOTS, face, layout_engine=ImageFont.Layout.BASIC)
    except OSError:
        return False
    return True


def _picture(row: Row, width: int, fonts: Fonts) -> "Image.Image":
    from PIL import Image

    taken = max(1, sum(cells(run.text) * run.style.width for run in row.runs))
    shift = offset(row.align, taken, width)
    height = LINE_DOTS * max(run.style.height for run in row.runs)
    picture = Image.new("1", ((shift + taken) * CELL_DOTS, height))
    x = shift * CELL_DOTS
    for run in row.runs:
        image = _run(run, fonts)
        picture.paste(image, (x, height - image.height))
        x += cells(run.text) * run.style.width * CELL_DOTS
    return picture


def _run(run: Run, fonts: Fonts) -> "Image.Image":
    """One run: drawn at its height, stretched to its width, as a printer does."""
    from PIL import Image, ImageChops, ImageDraw

    style, times = run.style, run.style.height
    breadth = max(1, cells(run.text)) * CELL_DOTS
    image = Image.new("1", (breadth * times, LINE_DOTS * times))
    pen = ImageDraw.Draw(image)
    x = 0
    for part in _parts(run.text, fonts):
        taken = cells(part) * CELL_DOTS * times
        box = taken or CELL_DOTS * times
        font = fonts.font(part, box, LINE_DOTS * times)
        if font is not None and part != " ":
            inset = max(0, box - int(font.getlength(part))) // 2
            pen.text((x + inset, _BASELINE * times), part, fill=1, font=font, anchor="ls")
        x += taken
    if style.bold:
        image = ImageChops.logical_or(image, ImageChops.offset(image, times, 0))
    if style.underlined and not style.inverted:  # as printers do
        image.paste(1, (0, image.height - UNDERLINE_DOTS, image.width, image.height))
    if style.inverted:
        image = ImageChops.logical_xor(image, Image.new("1", image.size, 1))
    return image.resize((breadth * style.width, image.height), Image.Resampling.NEAREST)


def _parts(text: str, fonts: Fonts) -> Iterator[str]:
    """What is drawn at once: a phrase of joined letters, a character with its marks, a character."""
    at = 0
    while at < len(text):
        phrase = _PHRASE.match(text, at)
        end = phrase.end() if phrase else at + 1
        while end < len(text) and cell(text[end]) == 0:
            end += 1
        part = text[at:end]
        at = end
        if len(part) == 1 or fonts.has_together(part):
            yield part
        else:
            yield from part


def _bands(picture: "Image.Image") -> Iterator[Band]:
    box = picture.getbbox()
    width_bytes = (box[2] + 7) // 8 if box else 1
    for top in range(0, picture.height, BAND_ROWS):
        band = picture.crop((0, top, width_bytes * 8, min(top + BAND_ROWS, picture.height)))
        yield Band(width_bytes, band.height, band.tobytes())
