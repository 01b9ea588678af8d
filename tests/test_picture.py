"""Pictures: uploaded ones on paper, and the ticket itself as PNG and SVG, line by line as the printer prints it."""

import base64
import re
import subprocess
import sys
from io import BytesIO
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as PillowImage
from PIL import ImageChops, ImageFilter, features

from agent.encode import images, picture, raster, svg
from agent.encode.escpos import Encoded, encode
from agent.encode.text import clean
from agent.encode.typeset import typeset
from agent.model.layout import (
    PLAIN,
    Align,
    Block,
    Code,
    Cut,
    Gap,
    Image,
    Layout,
    Line,
    Printed,
    Row,
    Rule,
    Run,
    Style,
    Symbology,
)
from agent.model.profile import PROFILES
from agent.simulator.paper import Paper
from agent.simulator.piece import Piece, height_of
from agent.simulator.starpaper import StarPaper
from tests.scan import Read, scan
from tests.test_escpos import HOSTILE, LAYOUTS

BIG, BAR = Style(2, 2, True), Style(1, 2, inverted=True)
TICKET: tuple[Block, ...] = (
    Line((Run("#A017", Style(3, 3, True)),), (Run("堂食 桌7", BIG),), fit=True),
    Line((Run("过敏 ALLERGY: 花生", BAR),), align=Align.CENTER, fit=True),
    Rule(),
    Gap(10),
    Line((Run("宫保鸡丁 Kung Pao", Style(1, 2, True)),), (Run("x12", BIG),), indent=2),
    Line((Run("  ※少辣，不要花生", Style(underlined=True)),)),
    Line((Run("1½份 ñ 🌶", Style(1, 2)),), (Run("x1", BIG),)),
    Line((Run("谢谢"),), align=Align.RIGHT),
    Line(),
    Rule("="),
    Line((Run("打印 printed 07:31:09"),)),
)


def file_of(image: PillowImage.Image, kind: str = "PNG") -> bytes:
    file = BytesIO()
    image.save(file, format=kind)
    return file.getvalue()


def ticket_of(*blocks: Block, width: int = 48) -> Encoded:
    return encode(typeset(Layout(blocks), width), width)


def piece_of(ticket: Encoded, width: int = 48) -> Piece:
    paper = Paper(width * 12)
    paper.feed(ticket.data)
    assert (paper.stray, paper.events) == ([], [])
    return paper.pieces[0]


def dots_of(piece: Piece) -> PillowImage.Image:
    """The bands of all pictures put together, 255 is black."""
    height = sum(bitmap.height_dots for bitmap in piece.bitmaps)
    whole, y = PillowImage.new("L", (piece.width_dots, height)), 0
    for bitmap in piece.bitmaps:
        whole.paste(PillowImage.frombytes("1", (bitmap.width_dots, bitmap.height_dots), bitmap.rows), (0, y))
        y += bitmap.height_dots
    return whole


# --- pictures that somebody uploaded ---


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP"])
@pytest.mark.parametrize(("align", "left"), [(Align.LEFT, 0), (Align.CENTER, 184), (Align.RIGHT, 376)])
def test_a_picture_is_printed_where_it_should_stand(kind: str, align: Align, left: int) -> None:
    """Black is black and white is white, at its own size, in low bands."""
    image = PillowImage.new("L", (200, 70), 255)
    image.paste(0, (0, 0, 100, 70))
    piece = piece_of(ticket_of(Image(file_of(image, kind), align=align)))
    assert [bitmap.height_dots for bitmap in piece.bitmaps] == [24, 24, 22]
    assert dots_of(piece).getbbox() == (left, 0, left + 100, 70)
    assert piece.text == ""


def test_a_picture_is_never_broader_than_the_paper() -> None:
    """It is made smaller as a whole; a wanted width is granted as far as the paper is wide."""
    data = file_of(PillowImage.new("L", (1000, 100)))
    assert dots_of(piece_of(ticket_of(Image(data), width=32), 32)).getbbox() == (0, 0, 384, 38)
    assert dots_of(piece_of(ticket_of(Image(data, 200)))).size[1] == 20
    assert dots_of(piece_of(ticket_of(Image(data, 9999)))).size == (576, 58)


def test_a_picture_set_for_broader_paper_is_cut_at_the_margin() -> None:
    """A printer that is narrower than its cells gets no dot that it would print as text or on the next line."""
    rows = typeset(Layout((Image(file_of(PillowImage.new("L", (576, 30)))),)), 48)
    for name in ("generic", "star"):
        paper = (StarPaper if name == "star" else Paper)(240)
        paper.feed(encode(rows, 48, dots=240, profile=PROFILES[name]).data)
        assert paper.stray == []
        assert {bitmap.printed_width for bitmap in paper.pieces[0].bitmaps} == {240}


def test_grey_is_dithered_and_what_is_transparent_is_white() -> None:
    """Half the dots of a mid grey, none of nothing."""
    image = PillowImage.new("LA", (80, 48), (128, 255))
    image.paste((0, 0), (40, 0, 80, 48))
    bitmap = images.decode(Image(file_of(image)), 576)
    black = PillowImage.frombytes("1", (80, 48), bitmap.data)
    count = black.crop((0, 0, 40, 48)).histogram()[255]
    assert 0.4 < count / (40 * 48) < 0.6
    assert black.crop((40, 0, 80, 48)).getbbox() is None
    deep = PillowImage.new("I;16", (8, 8), 65535)
    assert not any(images.decode(Image(file_of(deep)), 576).data)


BOMB = file_of(PillowImage.new("1", (2001, 10)))
TALL = file_of(PillowImage.new("1", (1, 4000)))


@pytest.mark.parametrize(
    ("image", "why"),
    [
        (Image(b""), "no PNG, JPEG, GIF or BMP file"),
        (Image(b"GIF89a"), "no PNG"),
        (Image(b"<svg xmlns='http://www.w3.org/2000/svg'/>"), "no PNG"),
        (Image(file_of(PillowImage.linear_gradient("L"), "JPEG")[:400]), "broken file"),
        (Image(BOMB), "2001x10 pixels, at most 2000x4000"),
        (Image(file_of(PillowImage.new("1", (30000, 30000)))), "broken file|pixels"),
        (Image(TALL, 100), "at most 4000 high"),
        (Image(bytes(images.MOST_BYTES + 1)), "at most 1048576"),
    ],
)
def test_a_bad_picture_is_a_visible_line(image: Image, why: str) -> None:
    """It costs a line that says why, never the ticket."""
    piece = piece_of(ticket_of(image, Line((Run("宫保鸡丁 x2"),))))
    assert piece.bitmaps == []
    assert piece.text.startswith("〓图片 picture: ")
    assert re.search(why, piece.text.replace("\n", " "))
    assert piece.text.endswith("宫保鸡丁 x2")


LARGEST = """
import sys, threading
from io import BytesIO
from PIL import Image as PillowImage
from agent.encode import images, picture
from agent.encode.typeset import typeset
from agent.model.layout import Image, Layout
from agent.service import keep_heaps_few

def file(number):
    out = BytesIO()
    PillowImage.new("RGBA", (images.MOST_WIDTH, images.MOST_HEIGHT), (number, 0, 0, 255)).save(out, "PNG")
    return Image(out.getvalue())

def run(work, *each):
    threads = [threading.Thread(target=work, args=(one,)) for one in each]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]

def most():
    return int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]) // 1024

def decoded():
    files = [file(number) for number in range(4)]
    PillowImage.init()
    return lambda: run(lambda one: images.decode(one, 576), *files)

def shown():
    rows = typeset(Layout((file(1),) * 98), 48)
    picture.png(rows[:1], 48)
    return lambda: run(lambda _: picture.png(rows, 48), 1, 2)

keep_heaps_few(2)
make = {"decoded": decoded, "shown": shown}[sys.argv[1]]()
open("/proc/self/clear_refs", "w").write("5")
before = most()
make()
print(most() - before)
"""


@pytest.mark.parametrize(("what", "most_mib"), [("decoded", 100), ("shown", 120)])
def test_several_printers_and_phones_take_no_more_than_one(what: str, most_mib: int) -> None:
    """Four files of the most pixels, two previews of the most paper: the agent may have 256 MiB in all."""
    done = subprocess.run([sys.executable, "-c", LARGEST, what], capture_output=True, text=True, check=True)
    assert int(done.stdout) < most_mib


SAMPLES = [file_of(PillowImage.linear_gradient("L").resize((40, 30)), kind) for kind in ("PNG", "JPEG", "GIF", "BMP")]


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(SAMPLES), st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 255)), max_size=8))
def test_a_damaged_file_never_stops_a_ticket(data: bytes, damage: list[tuple[int, int]]) -> None:
    """Whatever the decoder meets: a picture or a line of text, and the order below it."""
    broken = bytearray(data)
    for at, value in damage:
        broken[at % len(broken)] = value
    piece = piece_of(ticket_of(Image(bytes(broken)), Line((Run("x2"),))))
    assert piece.text.endswith("x2")
    assert piece.bitmaps or "〓图片 picture" in piece.text


# --- what a font draws ---


def ink_of(text: str, style: Style = PLAIN) -> PillowImage.Image:
    return dots_of(piece_of(ticket_of(Line((Run(text, style),)))))


def test_a_mark_is_drawn_over_its_character_and_takes_no_room() -> None:
    """Thai: the same breadth with vowel and tone as without, and more ink."""
    bare, marked = ink_of("กกก"), ink_of("กิ่กกี")
    assert marked.size == bare.size
    assert marked.getbbox()[2] <= 36  # type: ignore[index]
    assert ImageChops.difference(bare, marked).getbbox() is not None
    assert sum(marked.histogram()[1:]) > sum(bare.histogram()[1:])


@pytest.mark.skipif(not features.check("raqm"), reason="this Pillow has no raqm")
def test_arabic_is_joined_and_runs_from_right_to_left() -> None:
    """The slim alif that comes first stands at the right; joined letters look other than single ones."""
    box = raster.CELL_DOTS
    phrase = ink_of("ا ب")
    assert phrase.getbbox() is not None
    right = phrase.crop((2 * box, 0, 3 * box, 24)).getbbox()
    left = phrase.crop((0, 0, box, 24)).getbbox()
    assert left is not None
    assert right is not None
    assert right[2] - right[0] < left[2] - left[0]
    joined, single = ink_of("ببب"), ink_of("ب ب ب")
    assert sum(joined.histogram()[1:]) != sum(single.histogram()[1:])


def test_emoji_and_rare_characters_are_drawn_and_not_spelled() -> None:
    """Unifont has what WenQuanYi lacks."""
    piece = piece_of(ticket_of(Line((Run("少辣🌶😀"),))))
    assert (piece.text, bool(piece.bitmaps)) == ("", True)


def test_a_mark_without_a_character_is_drawn_all_the_same() -> None:
    """Nothing that an order says vanishes, even where it makes no sense."""
    assert ink_of("\u0e34").getbbox() is not None
    assert ink_of("ab\u0301\u0301\u20dd", Style(2, 2, True, True, True)).getbbox() is not None


# --- the ticket as a picture ---


def paper_ink(piece: Piece) -> PillowImage.Image:
    """What is black on the virtual printer's paper."""
    return piece.image().convert("L").point(lambda grey: 255 if grey < 100 else 0)


def our_ink(rows: tuple[Printed, ...], width: int) -> PillowImage.Image:
    drawn = picture.draw(rows, width).convert("L").point(lambda grey: 255 - grey)
    drawn.paste(0, (0, drawn.height - 1, drawn.width, drawn.height))  # the dashed line of the cut
    return drawn


def inked_rows(ink: PillowImage.Image) -> list[bool]:
    return [any(ink.crop((0, y, ink.width, y + 1)).tobytes()) for y in range(ink.height)]


def covered(ink: PillowImage.Image, by: PillowImage.Image) -> float:
    """Which part of the ink has ink within two dots of it in the other picture."""
    near = ImageChops.multiply(ink, by.filter(ImageFilter.MaxFilter(5)))
    return near.histogram()[255] / max(1, ink.histogram()[255])


@pytest.mark.parametrize("width", [32, 42, 48])
def test_the_picture_is_the_paper(width: int) -> None:
    """The same height in all, every line at the same place, ink where the printer has ink."""
    rows = typeset(Layout(TICKET), width)
    piece = piece_of(encode(rows, width), width)
    ours, theirs = our_ink(rows, width), paper_ink(piece)
    assert ours.height == sum(height_of(item) for item in piece.items)
    ours, theirs = ours.crop(ours.getbbox()), theirs.crop(theirs.getbbox())
    assert abs(ours.width - theirs.width) <= 2
    assert abs(ours.height - theirs.height) <= 2
    theirs = theirs.crop((0, 0, *ours.size))
    assert covered(ours, theirs) > 0.98
    assert covered(theirs, ours) > 0.98
    agree = [a == b for a, b in zip(inked_rows(ours), inked_rows(theirs), strict=True)]
    assert agree.count(False) <= 2 * len(rows)


def test_a_line_out_of_place_would_be_seen() -> None:
    """The comparison above can fail: one more gap of 12 dots, and it does."""
    rows = typeset(Layout(TICKET), 32)
    moved = typeset(Layout((*TICKET[:4], Gap(12), *TICKET[4:])), 32)
    ours, theirs = our_ink(moved, 32), paper_ink(piece_of(encode(rows, 32), 32))
    ours, theirs = ours.crop(ours.getbbox()), theirs.crop(theirs.getbbox())
    assert abs(ours.height - theirs.height) > 2
    assert covered(ours, theirs.crop((0, 0, *ours.size))) < 0.9


@settings(max_examples=60, deadline=None)
@given(LAYOUTS, st.sampled_from([16, 32, 48]))
def test_any_ticket_is_as_long_as_its_paper(layout: Layout, width: int) -> None:
    """Wrapped, drawn, high, with many cuts: the picture's height is that of all pieces."""
    rows = typeset(layout, width)
    paper = Paper(width * 12)
    paper.feed(encode(rows, width).data)
    printed = [*paper.pieces, paper.current]
    assert picture.draw(rows, width).height == sum(height_of(item) for piece in printed for item in piece.items)


def test_a_png_is_one_bit_black_on_white_with_a_readable_code() -> None:
    """What the console shows can be scanned."""
    rows = typeset(Layout((*TICKET, Code(Symbology.QR, "https://x.example/豆"))), 48)
    image = PillowImage.open(BytesIO(picture.png(rows, 48)))
    assert (image.format, image.mode, image.width) == ("PNG", "1", 48 * 12 + 2 * picture.MARGIN)
    assert image.getpixel((0, 0)) == 255
    assert scan(image) == [Read("QR", "https://x.example/豆".encode())]


def test_without_fonts_the_picture_spells_what_it_can_not_draw() -> None:
    """As on paper: 〓U+1F336, on a text line."""
    rows = (Row((Run("🌶"),), drawn=True),)
    nothing = raster.Fonts(())
    assert picture.draw(rows, 32, fonts=nothing).height == 5 * 30


# --- the ticket as a page's picture ---


def texts(document: str) -> list[str]:
    root = ElementTree.fromstring(document)
    return [element.text or "" for element in root.iter("{http://www.w3.org/2000/svg}text")]


def test_an_svg_says_what_the_ticket_says() -> None:
    """Every run is a text of its own, placed on the grid; what is inverted stands on black."""
    rows = typeset(Layout(TICKET), 48)
    document = svg.render(rows, 48)
    flat = "".join(run.text for row in rows if isinstance(row, Row) for run in row.runs)
    assert "".join(texts(document)).replace("-", "").replace("=", "") == flat
    root = ElementTree.fromstring(document)
    high = sum(height_of(item) for item in piece_of(encode(rows, 48)).items)
    assert root.get("viewBox") == f"0 0 {48 * 12 + 2 * svg.MARGIN} {high + 2 * svg.MARGIN}"
    (number, *_) = root.iter("{http://www.w3.org/2000/svg}text")
    assert (number.text, number.get("transform"), number.get("textLength")) == (
        "#A017",
        "translate(32 32) scale(3 3)",
        "60",
    )
    bars = [rect for rect in root.iter("{http://www.w3.org/2000/svg}rect") if rect.get("fill") is None]
    assert sum(int(bar.get("width", 0)) for bar in bars) == 48 * 12


def test_an_svg_carries_codes_and_pictures_with_it() -> None:
    """As data: nothing is fetched from anywhere, and the code can be scanned."""
    rows = typeset(Layout((Code(Symbology.QR, "https://x.example/1"), Line((Run("x"),)))), 32)
    (image,) = ElementTree.fromstring(svg.render(rows, 32)).iter("{http://www.w3.org/2000/svg}image")
    head, _, data = image.attrib["href"].partition(",")
    assert head == "data:image/png;base64"
    assert scan(PillowImage.open(BytesIO(base64.b64decode(data)))) == [Read("QR", b"https://x.example/1")]


MARKUP = st.text(st.sampled_from("<>&\"'/=]-![CDATA script onload x豆\x00\u202e{}"), max_size=40)
ALLOWED = {"svg", "g", "rect", "text", "image", "path"}
ATTRIBUTES = {
    *("viewBox", "width", "height", "fill", "font-family", "font-size", "font-weight", "image-rendering", "x", "y"),
    *("transform", "textLength", "lengthAdjust", "text-decoration", "href", "d", "stroke", "stroke-dasharray"),
    "{http://www.w3.org/XML/1998/namespace}space",
}


@settings(max_examples=200, deadline=None)
@given(MARKUP | HOSTILE, st.sampled_from(Symbology))
def test_nothing_of_an_order_becomes_markup(text: str, symbology: Symbology) -> None:
    """Whatever it says comes back as text, in a document of our own elements and attributes alone."""
    blocks = (Line((Run(text, Style(2, 2, True, True, True)),)), Code(symbology, text), Cut())
    rows = typeset(Layout(blocks), 48, drawable=lambda _: True)
    document = svg.render(rows, 48)
    root = ElementTree.fromstring(document)
    for element in root.iter():
        assert element.tag.removeprefix("{http://www.w3.org/2000/svg}") in ALLOWED
        assert set(element.attrib) <= ATTRIBUTES
        assert element.get("href", "data:image/png;base64,").startswith("data:image/png;base64,")
    shown = "".join("".join(texts(document)).split())
    assert shown.startswith("".join(clean(text).split()))
