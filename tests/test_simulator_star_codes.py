"""Barcodes and QR codes in Star Line Mode, from bytes put together by hand from Star's command specifications."""

import pytest

from agent.simulator.piece import Caption, Code, Side, height_of
from agent.simulator.printer import PrinterSpec, VirtualPrinter
from agent.simulator.starpaper import StarPaper
from tests.scan import Read, scan_piece


def printed(data: bytes, width_dots: int = 576, prints_qr: bool = True, prints_barcodes: bool = True) -> StarPaper:
    paper = StarPaper(width_dots, prints_qr=prints_qr, prints_barcodes=prints_barcodes)
    paper.feed(data)
    return paper


def one(data: bytes) -> Code:
    """The only code, and nothing else said."""
    paper = printed(data)
    assert (paper.refused, paper.stray) == ([], [])
    (code,) = paper.current.codes
    return code


def barcode(kind: int, data: bytes, under: int = 1, mode: int = 1, height: int = 64) -> bytes:
    """ESC b n1 n2 n3 n4 d1...dk RS."""
    return bytes((0x1B, 0x62, kind, under, mode, height)) + data + b"\x1e"


def qr(data: bytes, level: int = 1, module: int = 4, model: int = 2) -> bytes:
    """ESC GS y S 0, S 1, S 2, D 1, P."""
    size = len(data).to_bytes(2, "little")
    settings = bytes((27, 29, 121, 83, 48, model, 27, 29, 121, 83, 49, level, 27, 29, 121, 83, 50, module))
    return settings + b"\x1b\x1dyD1\x00" + size + data + b"\x1b\x1dyP"


@pytest.mark.parametrize(
    ("command", "kind", "said"),
    [
        (barcode(0, b"01230000045"), "upc-e", b"0012300000451"),
        (barcode(48, b"012300000451", 49, 49), "upc-e", b"0012300000451"),
        (barcode(1, b"03600029145"), "ean13", b"0036000291452"),
        (barcode(2, b"9638507"), "ean8", b"96385074"),
        (barcode(3, b"6901234567890"), "ean13", b"6901234567892"),
        (barcode(4, b"A-17 $/+%."), "code39", b"A-17 $/+%."),
        (barcode(5, b"12345"), "itf", b"012345"),
        (barcode(6, b"A-17"), "code128", b"A-17"),
        (barcode(6, b"123456x"), "code128", b"123456x"),
        (barcode(6, b"%8123456"), "code128", b"123456"),
        (barcode(6, b"%6A%A%0"), "code128", b"A\x01%"),
        (barcode(6, b"50%0"), "code128", b"50%"),
        (barcode(7, b"a%0b"), "code93", b"a%b"),
        (barcode(8, b"A0123-$B"), "codabar", b"A0123-$B"),
    ],
)
def test_every_kind_of_barcode_is_read_back(command: bytes, kind: str, said: bytes) -> None:
    """3-3-10: check digits, start and stop are the printer's, one that is sent is ignored; 5.1.4: what % stands for."""
    paper = printed(command + b"after\n")
    assert scan_piece(paper.current) == [Read(kind, said)]
    assert (paper.current.text, paper.refused, paper.stray) == ("after", [], [])


@pytest.mark.parametrize(
    ("kind", "mode", "dots"),
    [(6, 1, (2, 4, 6, 8)), (6, 3, (4, 8, 12, 16)), (4, 1, (2, 6)), (4, 8, (3, 6)), (5, 1, (2, 5)), (5, 6, (6, 12))],
)
def test_mode_says_how_wide_bars_are(kind: int, mode: int, dots: tuple[int, ...]) -> None:
    """3-3-10, n3: modules of 2, 3 and 4 dots; narrow and wide by nine modes, other ones for ITF."""
    assert set(one(barcode(kind, b"004217", mode=mode)).bars) <= set(dots)
    assert min(one(barcode(kind, b"004217", mode=mode)).bars) == dots[0]


def test_height_caption_and_alignment_are_kept() -> None:
    """3-3-10, n2 and n4: the text below takes paper too."""
    code = one(b"\x1b\x1da\x01" + barcode(6, b"A-17", under=2, height=80))
    assert (code.caption, code.caption_text, code.align) == (Caption.BELOW, "A-17", Side.CENTER)
    assert height_of(code) == 80 + 24
    assert height_of(one(barcode(6, b"A-17", under=3))) == 64


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (barcode(9, b"1"), "out of range"),
        (barcode(6, b"A", under=5), "out of range"),
        (barcode(6, b"A", height=0), "out of range"),
        (barcode(6, b"A", mode=4), "no mode 4"),
        (barcode(4, b"A", mode=10), "no mode 10"),
        (barcode(3, b"123"), "takes 12 or 13 digits"),
        (barcode(3, b"69012345678x"), "78h is none of ean13"),
        (barcode(0, b"11111111111"), "begins with 0"),
        (barcode(0, b"01111111111"), "can't be shortened"),
        (barcode(4, b"abc"), "61h is none of code39"),
        (barcode(6, b"50%"), "%0"),
        (barcode(6, b""), "without data"),
        (barcode(6, b"A" * 60), "wider than the line"),
        (barcode(8, b"0123"), "begins and ends"),
    ],
)
def test_barcode_out_of_range_is_dropped_up_to_its_rs(command: bytes, why: str) -> None:
    """3-3-10: data up to RS is discarded; a barcode beyond the right margin is not printed."""
    paper = printed(command + b"after\n")
    assert (paper.current.codes, paper.current.text) == ([], "after")
    assert [why in event.reason for event in paper.refused] == [True]


@pytest.mark.parametrize("level", range(4))
@pytest.mark.parametrize("data", [b"0123456789", "订单 42".encode(), b"x" * 150])
def test_qr_code_is_read_back(data: bytes, level: int) -> None:
    """ESC GS y: model, level, cell size, data, print; what waits in the line is printed before."""
    paper = printed(b"No.42" + qr(data, level) + b"after\n")
    assert scan_piece(paper.current) == [Read("QR", data)]
    assert [getattr(item, "text", "") for item in paper.current.items] == ["No.42", data.decode(), "after"]
    assert (paper.current.codes[0].level, paper.current.codes[0].module) == ("LMQH"[level], 4)


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (qr(b"x" * 3000, 0, 1), "more than a QR code of level L holds"),
        (qr(b"x" * 200, 3, 8), "wider than the line"),
        (qr(b"x", model=1), "model 2"),
        (b"\x1b\x1dyP", "no data"),
        (b"\x1b\x1dyS\x32\x09", "does not take 9"),
        (b"\x1b\x1dyS\x31\x04", "does not take 4"),
        (b"\x1b\x1dyD1\x01\x01\x00x", "QR data wants"),
    ],
)
def test_qr_code_that_can_not_be_made_is_refused(command: bytes, why: str) -> None:
    """ESC GS y: errors of each setting; ESC GS y P is ignored where there is one."""
    paper = printed(command + b"after\n")
    assert (paper.current.codes, paper.current.text) == ([], "after")
    assert [why in event.reason for event in paper.refused] == [True]


def test_data_out_of_range_leaves_what_was_stored() -> None:
    """ESC GS y D 1: it is received and discarded, the data before is not cleared."""
    paper = printed(b"\x1b\x1dyD1\x00\x01\x00a" + b"\x1b\x1dyD1\x09\x01\x00b" + b"\x1b\x1dyP")
    assert [code.text for code in paper.current.codes] == ["a"]


def test_underline_is_for_all_characters() -> None:
    """ESC - n: one setting for single-byte and Chinese characters."""
    paper = printed(b"a\x1b-\x01b" + "好".encode("gbk") + b"\x1b-\x00c\n")
    assert [run.text for run in paper.current.underlined] == ["b好"]


def test_printer_without_codes_prints_garbage() -> None:
    """Commands that it does not know lose their names, and the rest is text."""
    without = printed(qr(b"hello") + barcode(6, b"A-17") + b"\n", prints_qr=False, prints_barcodes=False)
    assert without.current.codes == []
    assert "hello" in without.current.text
    assert "A-17" in without.current.text
    assert b"\x1b\x1dy" in without.stray
    assert b"\x1bb" in without.stray


def test_codes_may_be_split_at_any_byte() -> None:
    """The same paper, however the bytes arrive, also through a machine that looks for real-time commands."""
    data = qr(b"\x05\x04hello") + barcode(6, b"A-17") + b"after\n"
    with VirtualPrinter(PrinterSpec(language="star")) as printer:
        for byte in data:
            printer.receive(bytes((byte,)))
        assert printer.paper.current == printed(data).current
        assert printer.said == []
