"""ReceiptLine's barcodes, QR codes and pictures: from a property's value to a block."""

import binascii
import re

import msgspec

from agent.model.layout import Align, Code, Image, Symbology
from agent.tickets.markup.receiptlinetext import Note

_SYMBOLOGIES = {
    "qrcode": Symbology.QR,
    "code128": Symbology.CODE128,
    "code93": Symbology.CODE93,
    "code39": Symbology.CODE39,
    "codabar": Symbology.CODABAR,
    "nw7": Symbology.CODABAR,
    "itf": Symbology.ITF,
    "ean": Symbology.EAN13,
    "jan": Symbology.EAN13,
    "upc": Symbology.UPC_A,
}
_DIGITS = {Symbology.EAN13: 13, Symbology.EAN8: 8, Symbology.UPC_A: 12}
_SHORT = 8
"""Digits up to which `ean` means EAN-8, and `upc` UPC-E."""

MODULE, HEIGHT, CELL = range(2, 5), range(24, 241), range(3, 9)
_NOT_BASE64 = re.compile(r"=.*|[^A-Za-z0-9+/]", re.DOTALL)


class Option(msgspec.Struct, frozen=True):
    """How codes look until the next `option`: `module` and `height` are a barcode's, `cell` a QR code's, in dots."""

    symbology: Symbology = Symbology.CODE128
    module: int = 2
    height: int = 72
    caption: bool = False
    cell: int = 3
    level: str = "l"


def option_of(value: str, note: Note) -> Option:
    """What an `option` says; words and sizes that it does not know are noted, and stay at their defaults."""
    found: dict[str, Symbology | int | bool | str] = {}
    for word in re.split(r"[\t ]+|,", value.lower()):
        if word in _SYMBOLOGIES:
            found.setdefault("symbology", _SYMBOLOGIES[word])
        elif word in ("l", "m", "q", "h"):
            found.setdefault("level", word)
        elif word == "hri":
            found["caption"] = True
        elif word and word != "nohri":
            number = int(word) if re.fullmatch("[0-9]{1,6}", word) else 0
            sizes = [
                name for name, sizes in (("module", MODULE), ("height", HEIGHT), ("cell", CELL)) if number in sizes
            ]
            for name in sizes:
                found.setdefault(name, number)
            if not sizes:
                note(f"{{option:{word}}}")
    return msgspec.convert(found, Option)


def code_of(text: str, option: Option, align: Align) -> Code:
    """The barcode or QR code that says this text. A check digit that is left out is added; a wrong one stays."""
    if option.symbology is Symbology.QR:
        return Code(Symbology.QR, text, option.cell, level=option.level, align=align)
    symbology = option.symbology
    if symbology is Symbology.EAN13 and len(text) <= _SHORT:
        symbology = Symbology.EAN8
    elif symbology is Symbology.UPC_A and re.fullmatch("0[0-9]{6,7}", text):
        text = _upc_a(text)
    if len(text) == _DIGITS.get(symbology, 0) - 1 and re.fullmatch("[0-9]+", text):
        text += _check_digit(text)
    return Code(symbology, text, option.module, option.height, caption=option.caption, align=align)


def image_of(value: str, align: Align) -> Image | None:
    """The picture file in a base64 value; what is not base64 in it is skipped. None: there is nothing in it."""
    letters = _NOT_BASE64.sub("", value)
    letters = letters[: len(letters) - (len(letters) % 4 == 1)]
    data = binascii.a2b_base64(letters + "=" * (-len(letters) % 4))
    return Image(data, align=align) if data else None


def _upc_a(text: str) -> str:
    """The number that a UPC-E code (0, six digits, perhaps a check digit) stands for, with its zeros written out."""
    a, b, c, d, e, f = list(text[1:7])
    if f in "012":
        body = f"{a}{b}{f}0000{c}{d}{e}"
    elif f == "3":
        body = f"{a}{b}{c}00000{d}{e}"
    elif f == "4":
        body = f"{a}{b}{c}{d}00000{e}"
    else:
        body = f"{a}{b}{c}{d}{e}0000{f}"
    return f"0{body}{text[7:]}"


def _check_digit(digits: str) -> str:
    """GS1's: weights 3 and 1 in turn from the right."""
    total = sum(int(digit) * (1 if i % 2 else 3) for i, digit in enumerate(reversed(digits)))
    return str(-total % 10)
