"""QR codes and barcodes: a scanner reads from paper what was meant; what can't be encoded is there as text."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.encode import codes
from agent.encode.code128 import characters
from agent.encode.escpos import Encoded, encode
from agent.encode.typeset import typeset
from agent.model.layout import Align, Code, Layout, Line, Run, Symbology
from agent.model.profile import PROFILES, Profile
from agent.simulator.paper import Paper
from agent.simulator.piece import Piece
from agent.simulator.starpaper import StarPaper
from tests.scan import Read, scan_bitmaps, scan_piece
from tests.test_escpos import HOSTILE

DRAWN, NATIVE = PROFILES["generic"], PROFILES["epson"]
STAR = PROFILES["star"]
SLACK_LINES = 4
KINDS = {Symbology.QR: "QR", Symbology.UPC_A: "upc-a"}

# A code, and what a scanner reads: check digits and start characters included.
CASES = [
    (Symbology.QR, "https://shop.example/o/8812?t=豆浆", "https://shop.example/o/8812?t=豆浆"),
    (Symbology.QR, "0123456789" * 20, "0123456789" * 20),
    (Symbology.CODE128, "A12{B%c", "A12{B%c"),
    (Symbology.CODE128, "404142434445", "404142434445"),
    (Symbology.CODE128, "160427641", "160427641"),
    (Symbology.CODE128, "99120", "99120"),
    (Symbology.CODE93, "Ab-1*", "Ab-1*"),
    (Symbology.CODE39, "AB-1 $", "AB-1 $"),
    (Symbology.CODABAR, "B12:3D", "B12:3D"),
    (Symbology.CODABAR, "12-3", "A12-3A"),
    (Symbology.ITF, "12345", "012345"),
    (Symbology.EAN13, "690123456789", "6901234567892"),
    (Symbology.EAN13, "6901234567892", "6901234567892"),
    (Symbology.EAN8, "1234567", "12345670"),
    (Symbology.UPC_A, "03600029145", "036000291452"),
]
REFUSED = [
    (Symbology.EAN13, "6901234567890"),
    (Symbology.EAN13, "69012345"),
    (Symbology.EAN8, "1234567a"),
    (Symbology.UPC_A, "０３６０００２９１４５"),
    (Symbology.ITF, "12a4"),
    (Symbology.CODE39, "abc"),
    (Symbology.CODABAR, "A12"),
    (Symbology.CODE128, "豆浆"),
    (Symbology.CODE93, "x，y"),
    (Symbology.CODE128, "x" * 80),
    (Symbology.QR, "y" * 2954),
    (Symbology.QR, ""),
]


def printed(code: Code, width: int = 48, profile: Profile = DRAWN) -> Encoded:
    return encode(typeset(Layout((code, Line((Run("next"),)))), width), width, profile=profile)


def paper_of(ticket: Encoded, width: int = 48, profile: Profile = DRAWN) -> Paper:
    play = StarPaper if profile.language == "star" else Paper
    paper = play(width * 12, prints_qr=profile.prints_qr, prints_barcodes=profile.prints_barcodes)
    paper.feed(ticket.data)
    assert (paper.stray, paper.events) == ([], [])
    return paper


def reads(symbology: Symbology, said: str) -> Read:
    if symbology is Symbology.UPC_A:
        return Read("ean13", b"0" + said.encode())
    return Read(KINDS.get(symbology, symbology.value), said.encode())


@pytest.mark.parametrize(("symbology", "text", "said"), CASES)
@pytest.mark.parametrize("width", [32, 48])
def test_a_drawn_code_reads_back_from_paper(symbology: Symbology, text: str, said: str, width: int) -> None:
    """For a printer that draws none, every symbology goes as dots, in low bands, no broader than the paper."""
    (piece,) = paper_of(printed(Code(symbology, text), width), width).pieces
    assert piece.codes == []
    assert scan_bitmaps(piece) == [reads(symbology, said)]
    assert all(b.printed_width <= 12 * width and b.printed_height <= 24 for b in piece.bitmaps)
    caption = [] if symbology is Symbology.QR else [said]
    assert piece.text.split("\n")[:2] == [*caption, "next"][:2]


@pytest.mark.parametrize(("symbology", "text", "said"), CASES)
@pytest.mark.parametrize("profile", [NATIVE, STAR])
def test_a_native_code_says_the_same(symbology: Symbology, text: str, said: str, profile: Profile) -> None:
    """A printer that draws codes gets their text, not their dots; on paper the scanner reads the same."""
    (piece,) = paper_of(printed(Code(symbology, text, module=2), profile=profile), profile=profile).pieces
    (code,) = piece.codes
    assert (code.kind, code.text) == (KINDS.get(symbology, symbology.value), said)
    assert code.module == 2
    assert piece.bitmaps == []
    found = scan_piece(piece)
    assert [read.text.lstrip("0") for read in found] == [said.lstrip("0")]


@pytest.mark.parametrize(("symbology", "text"), REFUSED)
@pytest.mark.parametrize("profile", [DRAWN, NATIVE, STAR])
def test_what_can_not_be_encoded_is_printed_as_text(symbology: Symbology, text: str, profile: Profile) -> None:
    """A wrong check digit, a character that the symbology lacks, too long: never nothing, never another number."""
    (piece,) = paper_of(printed(Code(symbology, text), 32, profile), 32, profile).pieces
    assert (piece.codes, piece.bitmaps) == ([], [])
    assert "".join(piece.text.split()) == f"〓{symbology.value}:{text}next"


@settings(max_examples=300, deadline=None)
@given(
    st.builds(
        Code,
        st.sampled_from(Symbology),
        HOSTILE | st.text("0123456789", max_size=20) | st.text("0123456789ABCD$%{ \n", max_size=12),
        st.integers(-1, 300),
        st.integers(-1, 300),
        st.sampled_from(["l", "m", "q", "h", "", "x"]),
        st.booleans(),
        st.sampled_from(Align),
    ),
    st.sampled_from([16, 32, 48]),
    st.sampled_from(list(PROFILES.values())),
)
def test_no_text_breaks_out_of_its_code(code: Code, width: int, profile: Profile) -> None:
    """Any text, any size, any family, as much as it can draw itself: the paper understands every byte, obeys nothing,
    and has a code or the text on it.
    """
    ticket = printed(code, width, profile)
    paper = paper_of(ticket, width, profile)
    (piece,) = paper.pieces
    assert piece.codes or piece.bitmaps or f"〓{code.symbology.value}:" in piece.text
    assert piece.text.endswith("next")
    assert not re.search(rb"\x10[\x04\x05\x14]", ticket.data)
    assert paper.line_feeds >= ticket.lines
    assert paper.line_feeds <= ticket.lines + ticket.feed_dots // 12 + SLACK_LINES
    assert (
        max([code.printed_width for code in piece.codes] + [b.printed_width for b in piece.bitmaps] + [0]) <= 12 * width
    )


@settings(max_examples=60, deadline=None)
@given(st.text("0123456789aB{~ ", min_size=1, max_size=20).filter(lambda text: text == text.strip()))
def test_code_128_is_read_as_it_was_written(text: str) -> None:
    """With digits in pairs or not, however they stand: a pair 99 is no switch."""
    code = codes.fit(Code(Symbology.CODE128, text), 600)
    assert codes.draw(code, 600).width >= 11 * len(characters(text)) * code.module
    (piece,) = paper_of(printed(code, 50), 50).pieces
    assert scan_bitmaps(piece) == [Read("code128", text.encode())]


@given(st.text("0123456789", min_size=1, max_size=20))
def test_no_digit_pair_becomes_a_control_character(digits: str) -> None:
    """Set C sends 27 64 as ESC @: such numbers go in set B."""
    data = printed(Code(Symbology.CODE128, digits, height=80), 48, NATIVE).data
    for match in re.finditer(rb"\x1dk\x49(.)", data, re.DOTALL):
        said = data[match.end() : match.end() + match[1][0]]
        assert said[:2] in (b"{B", b"{C")
        assert min(said) >= 0x20


@pytest.mark.parametrize(("module", "wanted"), [(0, 5), (1, 2), (3, 3), (16, 9)])
def test_a_qr_codes_module_is_what_fits(module: int, wanted: int) -> None:
    """By itself 30 mm across at most; a wish is granted as far as the paper is wide. 41 modules on 384 dots here."""
    text = "x" * 100
    assert codes.modules(Symbology.QR, text) == 41
    assert codes.fit(Code(Symbology.QR, text, module), 384).module == wanted


def test_a_code_that_fits_one_paper_only_is_text_on_the_other() -> None:
    """Set for 48 cells, printed where only 20 are: the number can still be read."""
    rows = typeset(Layout((Code(Symbology.CODE128, "pickup code 42"),)), 48)
    for profile in (DRAWN, NATIVE, STAR):
        (piece,) = paper_of(encode(rows, 48, dots=240, profile=profile), 20, profile).pieces
        assert "".join(piece.text.split()) == "〓code128:pickupcode42"


def test_line_breaks_in_a_qr_code_are_drawn_and_other_controls_refused() -> None:
    """A business card has lines; no control character goes to a printer as it is."""
    card = Code(Symbology.QR, "BEGIN:VCARD\nFN:王\nEND:VCARD")
    for profile in (NATIVE, STAR):
        (piece,) = paper_of(printed(card, 48, profile), 48, profile).pieces
        assert scan_bitmaps(piece) == [Read("QR", card.text.encode())]
        (piece,) = paper_of(printed(Code(Symbology.QR, "a\x1bp\x00"), 48, profile), 48, profile).pieces
        assert piece.text.startswith("〓qr: ap\n")


def test_a_length_that_looks_like_a_real_time_command_is_drawn() -> None:
    """GS ( k with 1037 bytes would carry 10 04: the printer would answer, in the middle of a ticket."""
    ticket = printed(Code(Symbology.QR, "z" * 1037, level="l"), 48, NATIVE)
    assert b"\x1d(k" not in ticket.data
    assert b"\x1d(k" in printed(Code(Symbology.QR, "z" * 1036, level="l"), 48, NATIVE).data


@pytest.mark.parametrize("align", Align)
@pytest.mark.parametrize("profile", [DRAWN, NATIVE, STAR])
def test_a_code_stands_where_it_should(align: Align, profile: Profile) -> None:
    """Left, in the middle or right; the line after it is at the left again."""
    (piece,) = paper_of(printed(Code(Symbology.ITF, "1234", align=align), 48, profile), 48, profile).pieces
    left, right = ink_columns(piece)
    assert {Align.LEFT: right < 0.4, Align.CENTER: abs(left + right - 1) < 0.05, Align.RIGHT: left > 0.6}[align]
    assert next(line for line in piece.lines if line.text == "next").align == 0


def ink_columns(piece: Piece) -> tuple[float, float]:
    """Where the ink of the upper half begins and ends, as parts of the breadth."""
    ink = piece.image().convert("L").point(lambda grey: 255 if grey < 100 else 0)
    box = ink.crop((0, 0, ink.width, 120)).getbbox()
    assert box
    return box[0] / ink.width, box[2] / ink.width
