"""Words that run from right to left or whose letters join, read from the dots on paper."""

import re

import pytest
from PIL import Image

from agent.encode.escpos import encode
from agent.encode.typeset import typeset
from agent.model.layout import Layout, Line, Run
from agent.simulator.paper import Paper
from agent.tickets.markup import parse


def picture(layout: Layout, width: int = 48) -> Image.Image:
    """The first row of a ticket, which is drawn."""
    roll = Paper(12 * width)
    roll.feed(encode(typeset(layout, width), width).data)
    bitmap = next(bitmap for piece in roll.pieces for bitmap in piece.bitmaps)
    return Image.frombytes("1", ((bitmap.width_dots + 7) // 8 * 8, bitmap.height_dots), bitmap.rows)


def ink(text: str) -> Image.Image:
    return picture(Layout((Line((Run(text),)),)))


def places(image: Image.Image, part: Image.Image) -> list[int]:
    """Where (dots from the left) the ink of a part stands within a picture."""
    box = part.getbbox()
    assert box is not None
    part = part.crop(box)
    row = image.crop((0, box[1], image.width, box[3]))
    wanted, last = part.tobytes(), row.width - part.width
    return [x for x in range(last + 1) if row.crop((x, 0, x + part.width, row.height)).tobytes() == wanted]


def shaft(image: Image.Image) -> int:
    """Where (dots from the left) the longest horizontal stroke begins: an arrow's."""
    rows = ("".join("#" if image.getpixel((x, y)) else "." for x in range(image.width)) for y in range(image.height))
    return max((len(found[0]), found.start()) for row in rows for found in re.finditer("#+", row))[1]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("بدون بصل", " 🍔 بدون خردل"),
        ("مرحبا", " 🙂 شكرا"),
        ("בלי בצל", " 🌶 בלי חומוס"),
        ("कम मिर्च", " 🍛 बिना प्याज"),
    ],
    ids=["Arabic", "Arabic, smiling", "Hebrew", "Hindi"],
)
def test_words_beside_an_emoji_are_written_as_they_are_alone(first: str, second: str) -> None:
    """No face has both; the letters are joined and in their order all the same."""
    alone = ink(first)
    box = alone.getbbox()
    assert ink(first + second).crop(box).tobytes() == alone.crop(box).tobytes()


def test_the_number_of_a_choice_stands_beside_it() -> None:
    """+tahini  +hot x3: hot is to be there three times."""
    tahini, hot = "טחינה", "חריף"
    line, cell = ink(f"+{tahini}  +{hot} x3"), 12
    (number,) = places(line, ink(f"{tahini} x3").crop((cell * (len(tahini) + 1), 0, cell * (len(tahini) + 3), 24)))
    (at_tahini,), (at_hot,) = places(line, ink(tahini)), places(line, ink(hot))
    assert abs(number - at_hot) < abs(number - at_tahini)


def test_what_changed_reads_from_the_old_to_the_new() -> None:
    """As 7 → 9 does: the arrow stands beside the old name, which is short."""
    line = ink("א → גגגגגגגג")
    assert shaft(line) < line.width / 2


def test_columns_stay_where_they_are() -> None:
    """Two cells with bars: one letter at the left, eight at the right."""
    text = "<TABLE border=line><TR><TD w=20>א</TD><TD>גגגגגגגג</TD></TR></TABLE>"
    line = picture(parse(text, width=32).layout, 32)
    left, right = line.crop((18, 0, 21 * 12 - 6, 24)), line.crop((21 * 12 + 14, 0, 31 * 12 - 6, 24))
    assert left.histogram()[255] < right.histogram()[255]
