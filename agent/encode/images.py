"""Picture files become dots: PNG, JPEG, GIF and BMP, guarded, dithered, no broader than the paper.

The file is somebody's upload. Pillow is loaded with the first picture.
"""

from functools import lru_cache
from io import BytesIO
from typing import TYPE_CHECKING

from agent.model.layout import Bitmap, Image

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

MOST_BYTES = 1 << 20
MOST_WIDTH, MOST_HEIGHT = 2000, 4000
"""Of a file in pixels, and of what is printed in dots."""

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
        with PillowImage.open(BytesIO(image.data), formats=_FORMATS) as file:
            if file.width > MOST_WIDTH or file.height > MOST_HEIGHT:
                raise ImageError(f"{file.width}x{file.height} pixels, at most {MOST_WIDTH}x{MOST_HEIGHT}")
            width, height = _size(file.width, file.height, image.width, dots)
            black = _black(file).resize((width, height)).convert("1")
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


def _black(file: "Picture") -> "Picture":
    """How black each pixel is, 0 to 255, over white paper."""
    from PIL import ImageChops

    if file.mode.startswith("I"):  # 16 bits a pixel
        file = file.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    if "A" not in file.getbands() and "transparency" not in file.info:
        return ImageChops.invert(file.convert("L"))
    file = file.convert("RGBA")
    return ImageChops.multiply(ImageChops.invert(file.convert("L")), file.getchannel("A"))
