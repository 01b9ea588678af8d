"""Barcodes and QR codes on the virtual paper, from bytes put together by hand from Epson's command reference.

What it prints is read back from the picture by a scanner that knows nothing of ours; what a printer refuses is refused.
"""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.simulator.paper import Paper
from agent.simulator.piece import Caption, Code, Side, height_of
from agent.simulator.printer import PrinterSpec, VirtualPrinter
from tests.scan import Read, scan, scan_bitmaps, scan_piece, scan_png

STORE, PRINT = 80, 81


def printed(data: bytes, width_dots: int = 576, prints_qr: bool = True, prints_barcodes: bool = True) -> Paper:
    paper = Paper(width_dots, prints_qr=prints_qr, prints_barcodes=prints_barcodes)
    paper.feed(data)
    return paper


def one(data: bytes, width_dots: int = 576) -> Code:
    """The only code, and nothing else said."""
    paper = printed(data, width_dots)
    assert paper.refused == []
    assert paper.stray == []
    (code,) = paper.current.codes
    return code


def refusal(data: bytes, width_dots: int = 576) -> str:
    """Why nothing was printed as a code."""
    paper = printed(data, width_dots)
    assert paper.current.codes == []
    (event,) = paper.refused
    return event.reason


def qr_function(function: int, *values: int, data: bytes = b"") -> bytes:
    """GS ( k pL pH cn fn ..., cn 49."""
    body = bytes((49, function, *values)) + data
    return b"\x1d(k" + len(body).to_bytes(2, "little") + body


def qr(data: bytes, module: int = 4, level: int = 48) -> bytes:
    settings_ = qr_function(65, 50, 0) + qr_function(67, module) + qr_function(69, level)
    return settings_ + qr_function(STORE, 48, data=data) + qr_function(PRINT, 48)


def counted(system: int, data: bytes) -> bytes:
    """GS k m n d1...dn."""
    return bytes((0x1D, 0x6B, system, len(data))) + data


# -- barcodes: GS k, GS h, GS w, GS H, GS f ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "kind", "said"),
    [
        (b"\x1dk\x0003600029145\x00", "ean13", b"0036000291452"),
        (counted(65, b"036000291452"), "ean13", b"0036000291452"),
        (b"\x1dk\x02690123456789\x00", "ean13", b"6901234567892"),
        (counted(67, b"6901234567892"), "ean13", b"6901234567892"),
        (b"\x1dk\x039638507\x00", "ean8", b"96385074"),
        (counted(68, b"96385074"), "ean8", b"96385074"),
        (b"\x1dk\x04A-17 $/+%.\x00", "code39", b"A-17 $/+%."),
        (counted(69, b"*A17*"), "code39", b"A17"),
        (b"\x1dk\x05012345\x00", "itf", b"012345"),
        (counted(70, b"12345678"), "itf", b"12345678"),
        (b"\x1dk\x06A0123456789-$B\x00", "codabar", b"A0123456789-$B"),
        (counted(71, b"C:/.+12D"), "codabar", b"C:/.+12D"),
        (counted(72, b"A-17#\x01~"), "code93", b"A-17#\x01~"),
        (counted(73, b"{BA-17"), "code128", b"A-17"),
    ],
)
def test_every_bar_code_system_is_read_back(command: bytes, kind: str, said: bytes) -> None:
    """GS k, tables of m and d: both forms; check digits, start and stop are the printer's."""
    paper = printed(command + b"after\n")
    assert scan_piece(paper.current) == [Read(kind, said)]
    assert (paper.current.text, paper.refused, paper.stray) == ("after", [], [])


@pytest.mark.parametrize(
    ("digits", "said"),
    [
        (b"01234500006", "0012345000065"),
        (b"04210000526", "0042100005264"),
        (b"01230000045", "0012300000451"),
        (b"01234000005", "0012340000053"),
        (b"042100005264", "0042100005264"),
        (b"425261", "0042100005264"),
        (b"0425261", "0042100005264"),
        (b"04252614", "0042100005264"),
    ],
)
def test_upc_e_is_shortened_and_read_as_the_long_number(digits: bytes, said: str) -> None:
    """GS k m=66: 6, 7, 8, 11 or 12 digits that begin with 0; a reader says all digits of UPC-A."""
    paper = printed(counted(66, digits))
    assert [(read.kind, read.text) for read in scan_piece(paper.current)] == [("upc-e", said)]
    assert len(paper.current.codes[0].data) == 8


def test_code128_changes_its_sets_as_told() -> None:
    """GS k m=73, the example for "No. 123456": {B, text, {C, then a byte for each two digits."""
    command = b"\x1dk\x49\x0a{BNo.{C\x0c\x22\x38"
    code = one(command)
    assert (code.data, code.caption_text) == (b"No.123456", "No.123456")
    assert [read.text for read in scan_piece(printed(command).current)] == ["No.123456"]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"{AX\x01Y", b"X\x01Y"),
        (b"{Bx{S\x01y", b"x\x01y"),
        (b"{B{{x", b"{x"),
        (b"{C\x00\x63{Ax".replace(b"x", b"X"), b"0099X"),
        (b"{AX{Bx{AX", b"XxX"),
        (b"{AX{SxX", b"XxX"),
    ],
)
def test_code128_special_characters_are_read_back(data: bytes, said: bytes) -> None:
    """GS k m=73, table of special characters: {A {B {C {S {{."""
    assert one(counted(73, data)).data == said
    assert [read.data for read in scan_piece(printed(counted(73, data)).current)] == [said]


@given(st.binary(min_size=1, max_size=12).map(lambda data: bytes(byte & 0x7F for byte in data)))
@settings(max_examples=40, deadline=None)
def test_any_ascii_is_read_back_from_code93(data: bytes) -> None:
    """GS k m=72 takes 0 to 127; its modules are set to 2 dots, so that twelve pairs fit."""
    paper = printed(b"\x1dw\x02" + counted(72, data))
    assert [read.data for read in scan(paper.current.image())] == [data]


def test_code_says_how_it_stands_on_paper() -> None:
    """GS w module, GS h height, GS H caption, GS f its font, ESC a alignment; kept in order with the lines."""
    data = b"top\n\x1dw\x02\x1dh\x50\x1dH\x02\x1df\x01\x1ba\x01" + counted(73, b"{BA-17") + b"\x1ba\x00end\n"
    code = one(data)
    assert (code.kind, code.text, code.module, code.height_dots) == ("code128", "A-17", 2, 80)
    assert (code.caption, code.caption_small, code.align) == (Caption.BELOW, True, Side.CENTER)
    items = printed(data).current.items
    assert [getattr(item, "text", "") for item in items] == ["top", "A-17", "end"]
    assert code.printed_width == (11 * 6 + 13) * 2


@pytest.mark.parametrize(("where", "lines"), [(0, 0), (1, 1), (2, 1), (3, 2), (48, 0), (49, 1), (50, 1), (51, 2)])
def test_caption_takes_paper(where: int, lines: int) -> None:
    """GS H n: not printed, above, below, both; font A is 24 dots high and font B 17."""
    for font, high in ((b"\x00", 24), (b"\x01", 17)):
        command = b"\x1dh\x64\x1dH" + bytes((where,)) + b"\x1df" + font + counted(69, b"A17")
        assert height_of(one(command)) == 100 + lines * high


def test_settings_out_of_range_change_nothing() -> None:
    """GS w 2 to 6, GS H 0 to 3, GS f 0 and 1."""
    code = one(b"\x1dw\x01\x1dw\x07\x1dH\x04\x1dH\x34\x1df\x02" + counted(69, b"A17"))
    assert (code.module, code.caption, code.caption_small) == (3, Caption.NONE, False)
    assert one(b"\x1dw\x06\x1dh\x28\x1dH\x02\x1b@" + counted(69, b"A")) == one(counted(69, b"A"))


def test_wide_elements_are_as_wide_as_the_table_says() -> None:
    """GS w n, barcodes of narrow and wide elements: 2 and 5 dots up to 6 and 15."""
    for module, wide in ((2, 5), (3, 8), (4, 10), (5, 13), (6, 15)):
        command = b"\x1ba\x01\x1dw" + bytes((module,)) + counted(70, b"420042")
        assert set(one(command).bars) == {module, wide}
        assert scan_piece(printed(command).current) == [Read("itf", b"420042")]


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (counted(67, b"6901234567890"), "check digit is 0 and should be 2"),
        (counted(68, b"96385070"), "check digit"),
        (counted(65, b"036000291450"), "check digit"),
        (counted(66, b"04252610"), "check digit"),
        (counted(66, b"12345600006"), "begins with 0"),
        (counted(66, b"01234567890"), "can't be shortened"),
        (b"\x1dk\x02690123\x00", "takes no 6 bytes"),
        (b"\x1dk\x04\x00", "takes no 0 bytes"),
        (counted(69, b"A*17"), "asterisk"),
        (counted(71, b"0123"), "begins and ends"),
        (counted(71, b"A0B1C"), "begins and ends"),
        (counted(73, b"A-17"), "begins with {A"),
        (counted(73, b"{DA-17"), "begins with {A"),
        (counted(73, b"{B"), "without data"),
        (counted(73, b"{Ba\x01"), "01h is none of CODE128's set B"),
        (counted(73, b"{AX~"), "7Eh is none of CODE128's set A"),
        (counted(73, b"{C\x0c\x70"), "70h is none of CODE128's set C"),
        (counted(73, b"{Ba{x"), "{x has no meaning"),
        (counted(73, b"{Ba{"), "{ has no meaning"),
        (counted(75, b"0101234567890"), "system 75 is not played"),
    ],
)
def test_a_barcode_that_says_nothing_is_refused(command: bytes, why: str) -> None:
    """GS k, ranges of d and notes on each system: nothing is printed, and it can be seen why."""
    paper = printed(command + b"after\n")
    assert why in refusal(command + b"after\n")
    assert paper.current.text == "after"
    assert paper.refused[0].command == command


@pytest.mark.parametrize(
    ("command", "text"),
    [
        (counted(69, b"ABcde"), "cde"),
        (b"\x1dk\x04ABcde\x00", "cde"),
        (counted(67, b"69012345678-9"), "-9"),
        (counted(67, b"6901234"), "6901234"),
        (counted(70, b"12345"), "12345"),
        (counted(73, b"{BA\x80"), ""),
        (counted(71, b"A"), "A"),
    ],
)
def test_what_a_barcode_does_not_take_prints_as_text(command: bytes, text: str) -> None:
    """GS k: data or n out of range ends the command, and what follows is normal data."""
    paper = printed(command + b"\n")
    assert (paper.current.codes, len(paper.refused), paper.current.lines[0].text) == ([], 1, text)


def test_nul_form_of_fixed_length_ends_without_its_nul() -> None:
    """GS k m=2: after 13 bytes it is printed, and what follows is normal data."""
    paper = printed(b"\x1dk\x0269012345678921\x00\n")
    assert [code.data for code in paper.current.codes] == [b"6901234567892"]
    assert paper.current.text == "1"


def test_last_of_an_odd_number_of_itf_digits_is_lost_and_noticed() -> None:
    """GS k m=5: an odd number of data, and the last is ignored."""
    paper = printed(b"\x1dk\x051234567\x00")
    assert scan_piece(paper.current) == [Read("itf", b"123456")]
    assert "odd" in paper.refused[0].reason


def test_barcode_that_is_wider_than_the_line_only_feeds_paper() -> None:
    """GS k: where the horizontal size exceeds the print area."""
    command = b"\x1dh\x48" + counted(69, b"0123456789ABCDEF")
    assert "wider than the line of 384" in refusal(command, 384)
    assert one(command, 1200).printed_width > 384
    narrow = printed(command, 384)
    assert [height_of(item) for item in narrow.current.items] == [72]
    assert narrow.line_feeds == 3


def test_barcode_within_a_line_is_no_barcode() -> None:
    """GS k is only for the start of a line: else what follows m is normal data."""
    paper = printed(b"No." + counted(69, b"A17") + b"\n")
    assert "start of a line" in paper.refused[0].reason
    assert paper.current.lines[0].text == "No.A17"
    assert paper.stray == [b"\x03"]


# -- QR codes: GS ( k, cn 49 -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", range(48, 52))
@pytest.mark.parametrize(
    "data", [b"0123456789", b"A-17 $%*+./:", "订单 42 号，https://a.example/?q=1".encode(), b"x" * 180]
)
def test_qr_code_is_read_back(data: bytes, level: int) -> None:
    """GS ( k functions 165, 167, 169, 180, 181: digits, capitals and bytes at every level."""
    paper = printed(qr(data, 3, level) + b"after\n")
    assert scan_piece(paper.current) == [Read("QR", data)]
    assert paper.current.codes[0].level == "LMQH"[level - 48]
    assert (paper.refused, paper.current.text) == ([], "after")


@pytest.mark.parametrize(
    ("data", "level", "modules"),
    [
        (b"x" * 17, 48, 21),
        (b"x" * 18, 48, 25),
        (b"x" * 7, 51, 21),
        (b"x" * 8, 51, 25),
        (b"9" * 41, 48, 21),
        (b"A" * 25, 48, 21),
        (b"x" * 62, 49, 33),
        (b"x" * 2953, 48, 177),
    ],
)
def test_qr_code_is_as_large_as_the_standard_says(data: bytes, level: int, modules: int) -> None:
    """ISO/IEC 18004, table 7; the side in dots is modules times function 167's size."""
    code = one(qr(data, 2, level), 832)
    assert (code.modules, code.printed_width, height_of(code)) == (modules, 2 * modules, 2 * modules)


def test_qr_data_stays_until_it_is_stored_anew() -> None:
    """Function 181 prints as often as it is sent; ESC @ clears data and settings."""
    paper = printed(qr(b"one") + qr_function(PRINT, 48) + b"\x1b@" + qr_function(PRINT, 48))
    assert [(code.data, code.module) for code in paper.current.codes] == [(b"one", 4), (b"one", 4)]
    assert "no data" in paper.refused[0].reason


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (qr(b"x" * 2954, 1), "more than a QR code of level L holds"),
        (qr(b"x" * 1274, 1, 51), "more than a QR code of level H holds"),
        (qr(b"x" * 100, 16), "wider than the line"),
        (qr_function(PRINT, 48), "no data"),
        (qr_function(67, 17), "function 167 does not take 17"),
        (qr_function(69, 52), "function 169"),
        (qr_function(69, 1), "function 169"),
        (qr_function(STORE, 49, data=b"x"), "function 180"),
        (qr_function(65, 49, 0) + qr_function(STORE, 48, data=b"x") + qr_function(PRINT, 48), "model 2"),
        (b"\x1d(k\x03\x00\x30\x51\x30", "than QR"),
        (b"text" + qr_function(STORE, 48, data=b"x") + qr_function(PRINT, 48) + b"\n", "start of a line"),
    ],
)
def test_qr_code_that_is_refused_leaves_no_mark(command: bytes, why: str) -> None:
    """GS ( k, ranges and notes of each function: nothing is printed, no paper is fed."""
    assert why in refusal(command)
    assert all(hasattr(item, "runs") for item in printed(command).current.items)


# -- printers that know no codes ---------------------------------------------------------------------------------------


def test_printer_without_qr_codes_prints_garbage() -> None:
    """As a cheap clone does: the name is dropped, the parameters are text."""
    paper = printed(qr(b"https://a.example") + b"\n", prints_qr=False)
    assert paper.current.codes == []
    assert "https://a.example" in paper.current.text
    assert b"\x1d(" in paper.stray


def test_printer_without_barcodes_prints_garbage() -> None:
    """GS k and its settings GS h, GS w, GS H alike; QR codes are another matter."""
    paper = printed(b"\x1dh\x50\x1dw\x02\x1dH\x02" + counted(73, b"{BA-17") + b"\n" + qr(b"x"), prints_barcodes=False)
    assert [code.kind for code in paper.current.codes] == ["QR"]
    assert "{BA-17" in paper.current.text
    assert paper.stray.count(b"\x1dk") == 1


def test_a_printer_is_made_without_codes_by_its_specification() -> None:
    """PrinterSpec hands its word on to the paper, in both languages."""
    for language, command in (("escpos", qr(b"hello")), ("star", b"\x1b\x1dyD1\x00\x05\x00hello\x1b\x1dyP")):
        for able in (True, False):
            with VirtualPrinter(PrinterSpec(language=language, prints_qr=able)) as printer:  # type: ignore[arg-type]
                printer.receive(command + b"\n")
                assert len(printer.paper.current.codes) == able
                assert ("hello" in printer.paper.text) is not able


# -- the picture -------------------------------------------------------------------------------------------------------


def test_the_picture_of_a_ticket_holds_every_code_where_it_stands(tmp_path: Path) -> None:
    """A photo of the paper is read by a scanner, in order; captions cost no code."""
    data = b"\x1ba\x01No.42\n" + qr("订单42".encode(), 5) + b"\x1dH\x02\x1dh\x40\n"
    data += counted(73, b"{BA-17") + b"\n" + counted(67, b"690123456789") + b"\x1dVB\x00"
    piece = printed(data, 384).pieces[0]
    piece.png(tmp_path / "piece.png")
    said = [Read("QR", "订单42".encode()), Read("code128", b"A-17"), Read("ean13", b"6901234567892")]
    assert scan_png(tmp_path / "piece.png") == said
    assert piece.image().height == 28 + sum(height_of(item) for item in piece.items) + 36 + 32


def test_a_code_that_was_sent_as_dots_is_read_from_its_bands() -> None:
    """The scanner puts bands of one picture together."""
    picture = printed(qr(b"drawn", 6)).current.image().convert("L").point(lambda grey: 255 * (grey < 128)).convert("1")
    dots = picture.crop((16 + 32, 16 + 28, 16 + 32 + 128, 16 + 28 + 126))
    rows = dots.tobytes()
    bands = [rows[at : at + 16 * 24] for at in range(0, len(rows), 16 * 24)]
    paper = printed(b"".join(b"\x1dv0\x00\x10\x00" + (len(b) // 16).to_bytes(2, "little") + b for b in bands))
    assert len(paper.current.bitmaps) == 6
    assert scan_bitmaps(paper.current) == [Read("QR", b"drawn")]


@given(st.lists(st.sampled_from([qr(b"q"), counted(69, b"A1"), counted(69, b"a1"), counted(73, b"{Bx"), b"x", b"\n"])))
@settings(max_examples=100, deadline=None)
def test_codes_are_the_same_byte_for_byte(parts: list[bytes]) -> None:
    """However their bytes arrive."""
    data, slow = b"".join(parts), Paper()
    for byte in data:
        slow.feed(bytes((byte,)))
    whole = printed(data)
    assert (slow.current, slow.events, slow.stray) == (whole.current, whole.events, whole.stray)
