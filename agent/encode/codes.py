"""QR codes and barcodes: what may stand in one, how broad it comes out, and its dots for printers that draw none.

Which characters, lengths and check digits a symbology has: ISO/IEC 18004, 15417, 15420, 16388, 16390, AIM's USS-93.
The libraries that draw are loaded with the first code that is drawn.
"""

import importlib
import re
from functools import lru_cache
from typing import Any

import msgspec

from agent.encode import code93, code128
from agent.encode.qrsize import side_of
from agent.model.layout import Bitmap, Code, Symbology

QR_QUIET, BAR_QUIET = 4, 10
"""The white that a reader wants around a code, in modules. Beside it, the paper's own margin may be part of it."""

_QR_BREADTH = 240  # dots, 30 mm: what a telephone reads at arm's length
_QR_MODULES, _BAR_MODULES = (2, 16), (2, 6)
_HEIGHTS = (24, 255)
_BAR_AIR = 12
_UNREADABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_ALPHABETS = {
    Symbology.CODE128: re.compile(r"[ -~]+"),
    Symbology.CODE93: re.compile(r"[ -~]+"),
    Symbology.CODE39: re.compile(r"[0-9A-Z $%+\-./]+"),
    Symbology.CODABAR: re.compile(r"[A-D][0-9$+\-./:]+[A-D]|[0-9$+\-./:]+"),
    Symbology.ITF: re.compile(r"[0-9]+"),
    Symbology.EAN13: re.compile(r"[0-9]{12,13}"),
    Symbology.EAN8: re.compile(r"[0-9]{7,8}"),
    Symbology.UPC_A: re.compile(r"[0-9]{11,12}"),
}
_DIGITS = {Symbology.EAN13: 13, Symbology.EAN8: 8, Symbology.UPC_A: 12}
_TRADE_MODULES = {Symbology.EAN13: 95, Symbology.EAN8: 67, Symbology.UPC_A: 95}


class CodeError(ValueError):
    """The text can't stand in such a code, or the code not on such paper. The message says why."""


def fit(code: Code, dots: int) -> Code:
    """The code as it goes on paper of so many dots: the text whole, with its check digit, and the module decided.

    Raises: CodeError when the text can't be encoded or its code is broader than the paper; print the text then.
    """
    text = _spelled(code)
    count = modules(code.symbology, text, code.level)
    most = dots // count
    least, top = _QR_MODULES if code.symbology is Symbology.QR else _BAR_MODULES
    if most < least:
        raise CodeError(f"it takes {least * count} dots, the paper has {dots}")
    if code.module:
        wanted = max(least, min(code.module, top))
    elif code.symbology is Symbology.QR:
        wanted = max(3, min(8, _QR_BREADTH // count))
    else:
        wanted = 3 if 3 * (count + 2 * BAR_QUIET) <= dots else 2
    height = max(_HEIGHTS[0], min(code.height, _HEIGHTS[1]))
    level = code.level if code.level in ("l", "m", "q", "h") else "m"
    return msgspec.structs.replace(code, text=text, module=min(wanted, most), height=height, level=level)


def modules(symbology: Symbology, text: str, level: str = "m") -> int:
    """How many modules across the code takes, without the white beside it. A QR code may come out smaller."""
    match symbology:
        case Symbology.QR:
            side = side_of(len(text.encode()), level)
            if side is None:
                raise CodeError("more than a QR code holds")
            return side
        case Symbology.CODE128:
            return 11 * len(code128.characters(text)) + 13
        case Symbology.CODE93:
            return len(code93.pattern(text))
        case Symbology.CODE39:
            return 16 * (len(text) + 2) - 1
        case Symbology.CODABAR:
            return sum(13 if char in ":/.+ABCD" else 11 for char in text) + len(text) - 1
        case Symbology.ITF:
            return 9 * len(text) + 9
    return _TRADE_MODULES[symbology]


def quiet(code: Code) -> int:
    """Dots of white above and below a fitted code: a QR code's quiet zone, and a barcode's air."""
    return QR_QUIET * code.module if code.symbology is Symbology.QR else _BAR_AIR


def breadth(code: Code) -> int:
    """Dots across a fitted code, as it is drawn."""
    return modules(code.symbology, code.text, code.level) * code.module


def caption(code: Code) -> str:
    """What stands below a fitted code; empty for none."""
    return code.text if code.caption and code.symbology is not Symbology.QR else ""


@lru_cache(maxsize=16)
def draw(code: Code, dots: int) -> Bitmap:
    """A fitted code in dots, with white beside it as far as paper of so many dots has room."""
    if code.symbology is Symbology.QR:
        rows, times, margin = _qr(code), code.module, QR_QUIET
    else:
        rows, times, margin = [_bars(code.symbology, code.text)], code.height, BAR_QUIET
    breadth = len(rows[0]) * code.module
    beside = max(0, min(margin * code.module, (dots - breadth) // 2))
    width = breadth + 2 * beside
    stride = (width + 7) // 8
    data = bytearray()
    for row in rows:
        bits = "0" * beside + "".join([bit * code.module for bit in row])
        data += int(bits.ljust(8 * stride, "0"), 2).to_bytes(stride, "big") * times
    return Bitmap(width, len(rows) * times, bytes(data), code.align)


def _spelled(code: Code) -> str:
    """The text as the symbology has it; what it can't say is refused, not replaced."""
    if code.symbology is Symbology.QR:
        return _qr_text(code.text)
    text = code.text.strip()
    if not _ALPHABETS[code.symbology].fullmatch(text):
        raise CodeError(f"{code.symbology.value} can't say that")
    match code.symbology:
        case Symbology.ITF:
            return "0" + text if len(text) % 2 else text
        case Symbology.CODABAR:
            return text if text[0] in "ABCD" else f"A{text}A"
        case Symbology.EAN13 | Symbology.EAN8 | Symbology.UPC_A:
            return _checked(text, _DIGITS[code.symbology])
    return text


def _qr_text(text: str) -> str:
    if not text:
        raise CodeError("there is nothing in it")
    if _UNREADABLE.search(text):
        raise CodeError("there is a control character in it")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise CodeError("there is half a character in it") from None
    return text


def _checked(text: str, digits: int) -> str:
    """A trade number with its check digit: 3 times every second digit, counted from the right."""
    body = text[: digits - 1]
    total = sum(int(digit) * (3 if place % 2 == 0 else 1) for place, digit in enumerate(reversed(body)))
    check = str(-total % 10)
    if text != body and text[-1] != check:
        raise CodeError(f"its check digit is {text[-1]}, it should be {check}")
    return body + check


def _qr(code: Code) -> list[str]:
    segno = importlib.import_module("segno")
    symbol: Any = segno.make_qr(code.text, error=code.level, encoding="utf-8", boost_error=False)
    return ["".join(map(str, row)) for row in symbol.matrix]


def _bars(symbology: Symbology, text: str) -> str:
    """The bars of a symbology from left to right, 1 is black."""
    if symbology is Symbology.CODE93:
        return code93.pattern(text)
    if symbology is Symbology.CODE128:
        return code128.pattern(text)
    return str(_library()[symbology](text).build()[0])


@lru_cache(maxsize=1)
def _library() -> dict[Symbology, Any]:
    barcode: Any = importlib.import_module("barcode")
    return {
        Symbology.CODE39: lambda text: barcode.Code39(text, add_checksum=False),
        Symbology.CODABAR: lambda text: barcode.CODABAR(text, narrow=1, wide=3),
        Symbology.ITF: lambda text: barcode.ITF(text, narrow=1, wide=3),
        Symbology.EAN13: barcode.EAN13,
        Symbology.EAN8: barcode.EAN8,
        Symbology.UPC_A: barcode.UPCA,
    }
