"""Picture files become dots: PNG, JPEG, GIF and BMP, guarded, dithered, no broader than the paper.

The file is somebody's upload. Pillow is loaded with the first picture.
"""

import threading
from functools import lru_cache
from io import BytesIO
from typing import TYPE_CHECKING

from agent.model.layout import Bitmap, Image

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

MOST_BYTES = 1 << 20
MOST_WIDTH, MOST_HEIGHT = 2000, 4000
"""Of a file in pixels, and of what is printed in dots."""

ONE_AT_A_TIME = threading.Lock()
"""For whoever makes or reads a picture: the largest takes 50 MiB for a moment, and each printer has a thread."""

_STRIP = 256
_FORMATS = ("PNG", "JPEG", "GIF", "BMP")


class ImageError(ValueError):
    """The file is no picture that can be printed. The message says why."""


@lru_cache(maxsize=4)
def decode(image: Image, dots: int) -> Bitmap:
    """The picture in dots, Floyd-Steinberg dithered; transparent is white; only its first frame.

    `dots` is the paper's width. Raises: ImageError, whatever is wrong with the file.
    """
    if len(image.data) > MOST_BYTES:
        raise ImageError(f"{len(image.data)} bytes, at most {MOST_BYTES}")
    try:
        from PIL import Image as PillowImage
        from PIL import UnidentifiedImageError
    except ImportError:
        raise ImageError("Pillow is not installed") from None
    try:
        with ONE_AT_A_TIME, PillowImage.open(BytesIO(image.data), formats=_FORMATS) as file:
            if file.width > MOST_WIDTH or file.height > MOST_HEIGHT:
                raise ImageError(f"{file.width}x{file.height} pixels, at most {MOST_WIDTH}x{MOST_HEIGHT}")
            width, height = _size(file.width, file.height, image.width, dots)
            file.draft("L", (width, height))  # a photograph is decoded no larger than it need be
            black = _in_strips(file).resize((width, height)).convert("1")
    except ImageError:
        raise
    except UnidentifiedImageError:
        raise ImageError("no PNG, JPEG, GIF or BMP file") from None
    except Exception as exc:  # a broken file may bring anything out of a decoder
        raise ImageError(f"broken file ({type(exc).__name__})") from exc
    return Bitmap(width, height, black.tobytes(), image.align)


def _size(width: int, height: int, wanted: int, dots: int) -> tuple[int, int]:
    printed = max(1, min(wanted if wanted > 0 else width, dots))
    tall = max(1, round(height * printed / width))
    if tall > MOST_HEIGHT:
        raise ImageError(f"{printed}x{tall} dots on paper, at most {MOST_HEIGHT} high")
    return printed, tall


def _in_strips(file: "Picture") -> "Picture":
    """How black each pixel is. All at once, what is made on the way would take more than the file itself."""
    from PIL import Image as PillowImage

    black = PillowImage.new("L", file.size)
    for top in range(0, file.height, _STRIP):
        black.paste(_black(file.crop((0, top, file.width, min(top + _STRIP, file.height)))), (0, top))
    return black


def _black(file: "Picture") -> "Picture":
    """How black each pixel is, 0 to 255, over white paper."""
    from PIL import ImageChops

    if file.mode.startswith("I"):  # 16 bits a pixel
        file = file.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    if "A" not in file.getbands() and "transparency" not in file.info:
        return ImageChops.invert(file.convert("L"))
    file = file.convert("RGBA")
    return ImageChops.multiply(ImageChops.invert(file.convert("L")), file.getchannel("A"))
