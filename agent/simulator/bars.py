"""Barcodes as bars and spaces: nine symbologies from their standards, with start, stop and check characters.

`elements` are the widths of bars and spaces in turn, from the first bar: 1 to 4 modules, or n and w (narrow, wide).
"""

from collections.abc import Iterable

import msgspec


class RefusedError(Exception):
    """No printer prints this. The words say why."""


class Bars(msgspec.Struct, frozen=True):
    """A symbol: what a reader says when it reads it, what stands below it, and its elements."""

    data: bytes
    caption: str
    elements: str

    def widths(self, module: int, wide: int) -> tuple[int, ...]:
        """In dots, for these widths of a narrow and a wide element."""
        return tuple(wide if part == "w" else module if part == "n" else int(part) * module for part in self.elements)


# -- UPC and EAN: digits of seven modules --------------------------------------------------------------------------

_DIGITS = ("3211", "2221", "2122", "1411", "1132", "1231", "1114", "1312", "1213", "3112")
_EAN13_PARITY = ("LLLLLL", "LLGLGG", "LLGGLG", "LLGGGL", "LGLLGG", "LGGLLG", "LGGGLL", "LGLGLG", "LGLGGL", "LGGLGL")
_UPC_E_PARITY = ("GGGLLL", "GGLGLL", "GGLLGL", "GGLLLG", "GLGGLL", "GLLGGL", "GLLLGG", "GLGLGL", "GLGLLG", "GLLGLG")


def check_digit(digits: str) -> str:
    """Modulo 10 with weights 3 and 1 from the right."""
    total = sum((3 if at % 2 == 0 else 1) * int(digit) for at, digit in enumerate(reversed(digits)))
    return str(-total % 10)


def ean13(digits: str) -> Bars:
    """13 digits with a true check digit."""
    left = _parity(digits[1:7], _EAN13_PARITY[int(digits[0])])
    return Bars(digits.encode(), digits, f"111{left}11111{''.join(map(_digit, digits[7:]))}111")


def upc_a(digits: str) -> Bars:
    """12 digits with a true check digit."""
    return Bars(digits.encode(), digits, ean13("0" + digits).elements)


def ean8(digits: str) -> Bars:
    """8 digits with a true check digit."""
    return Bars(
        digits.encode(), digits, f"111{''.join(map(_digit, digits[:4]))}11111{''.join(map(_digit, digits[4:]))}111"
    )


def upc_e(digits: str) -> Bars:
    """11 digits of number system 0, without the check digit, shortened to six."""
    short = shortened(digits)
    check = check_digit(digits)
    said = f"0{short}{check}"
    return Bars(said.encode(), said, f"111{_parity(short, _UPC_E_PARITY[int(check)])}111111")


def shortened(digits: str) -> str:
    """UPC-E's six digits for eleven of UPC-A.

    Raises:
        RefusedError: these can't be shortened.
    """
    maker, product = digits[1:6], digits[6:]
    if maker[2:] in ("000", "100", "200") and product[:2] == "00":
        return maker[:2] + product[2:] + maker[2]
    if maker[3:] == "00" and product[:3] == "000":
        return maker[:3] + product[3:] + "3"
    if maker[4] == "0" and product[:4] == "0000":
        return maker[:4] + product[4] + "4"
    if product[:4] == "0000" and product[4] >= "5":
        return maker + product[4]
    raise RefusedError("these digits can't be shortened to UPC-E")


def lengthened(short: str) -> str:
    """UPC-A's eleven digits for six of UPC-E."""
    last = short[5]
    if last <= "2":
        return f"0{short[:2]}{last}0000{short[2:5]}"
    if last == "3":
        return f"0{short[:3]}00000{short[3:5]}"
    if last == "4":
        return f"0{short[:4]}00000{short[4]}"
    return f"0{short[:5]}0000{last}"


def _digit(digit: str) -> str:
    return _DIGITS[int(digit)]


def _parity(digits: str, parity: str) -> str:
    return "".join(_digit(d) if set_ == "L" else _digit(d)[::-1] for d, set_ in zip(digits, parity, strict=True))


# -- narrow and wide: CODE39, ITF, CODABAR -----------------------------------------------------------------------------

_CODE39_WIDE = (
    "000110100 100100001 001100001 101100000 000110001 100110000 001110000 000100101 100100100 001100100 "
    "100001001 001001001 101001000 000011001 100011000 001011000 000001101 100001100 001001100 000011100 "
    "100000011 001000011 101000010 000010011 100010010 001010010 000000111 100000110 001000110 000010110 "
    "110000001 011000001 111000000 010010001 110010000 011010000 010000101 110000100 011000100 010010100 "
    "010101000 010100010 010001010 000101010"
)
_CODE39 = dict(zip("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-. *$/+%", _CODE39_WIDE.split(), strict=True))
_CODABAR_WIDE = (
    "0000011 0000110 0001001 1100000 0010010 1000010 0100001 0100100 0110000 1001000 "
    "0001100 0011000 1000101 1010001 1010100 0010101 0011010 0101001 0001011 0001110"
)
_CODABAR = dict(zip("0123456789-$:/.+ABCD", _CODABAR_WIDE.split(), strict=True))
_ITF = ("00110", "10001", "01001", "11000", "00101", "10100", "01100", "00011", "10010", "01010")


def code39(text: str) -> Bars:
    """Start and stop are added; one narrow space between characters."""
    return Bars(text.encode(), text, _spaced(_CODE39[char] for char in f"*{text}*"))


def codabar(text: str) -> Bars:
    """NW-7, with its start and stop characters A to D, which a reader says too."""
    return Bars(text.upper().encode(), text, _spaced(_CODABAR[char] for char in text.upper()))


def itf(digits: str) -> Bars:
    """Interleaved 2 of 5: an even number of digits."""
    pairs = zip(digits[::2], digits[1::2], strict=True)
    body = "".join(bar + space for a, b in pairs for bar, space in zip(_ITF[int(a)], _ITF[int(b)], strict=True))
    return Bars(digits.encode(), digits, _narrow_wide(f"0000{body}100"))


def _spaced(characters: Iterable[str]) -> str:
    return _narrow_wide("0".join(characters))


def _narrow_wide(bits: str) -> str:
    return bits.translate({ord("0"): "n", ord("1"): "w"})


# -- CODE93 --------------------------------------------------------------------------------------------------------

_CODE93_SIGNS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-. $/+%"
_DOLLAR, _PERCENT, _SLASH, _PLUS = 43, 44, 45, 46
_CODE93_WIDTHS = (
    "131112 111213 111312 111411 121113 121212 121311 111114 131211 141111 211113 211212 211311 221112 221211 231111 "
    "112113 112212 112311 122112 132111 111123 111222 111321 121122 131121 212112 212211 211122 211221 221121 222111 "
    "112122 112221 122121 123111 121131 311112 311211 321111 112131 113121 211131 121221 312111 311121 122211"
)
_CODE93 = _CODE93_WIDTHS.split()
_CODE93_START = "111141"


def code93(data: bytes) -> Bars:
    """All of ASCII, what has no character of its own as a pair; both check characters are added."""
    values = [value for byte in data for value in _code93_values(chr(byte))]
    for weights in (20, 15):
        total = sum((at % weights + 1) * value for at, value in enumerate(reversed(values)))
        values.append(total % 47)
    body = "".join(_CODE93[value] for value in values)
    return Bars(data, _readable(data), f"{_CODE93_START}{body}{_CODE93_START}1")


def _code93_values(char: str) -> tuple[int, ...]:
    if char in _CODE93_SIGNS:
        return (_CODE93_SIGNS.index(char),)
    code = ord(char)
    shift, first, letter = next(row for row in reversed(_CODE93_PAIRS) if code >= row[1])
    return (shift, _CODE93_SIGNS.index(chr(ord(letter) + code - first)))


_CODE93_PAIRS = (
    (_PERCENT, 0x00, "U"),
    (_DOLLAR, 0x01, "A"),
    (_PERCENT, 0x1B, "A"),
    (_SLASH, 0x21, "A"),
    (_PERCENT, 0x3B, "F"),
    (_PERCENT, 0x40, "V"),
    (_PERCENT, 0x5B, "K"),
    (_PERCENT, 0x60, "W"),
    (_PLUS, 0x61, "A"),
    (_PERCENT, 0x7B, "P"),
)
"""Which shift, from which ASCII code on, and the letter that goes with that code."""


# -- CODE128 -----------------------------------------------------------------------------------------------------------

START = {"A": 103, "B": 104, "C": 105}
_STOP = 106
_CODE128_WIDTHS = (
    "212222 222122 222221 121223 121322 131222 122213 122312 132212 221213 221312 231212 112232 122132 122231 113222 "
    "123122 123221 223211 221132 221231 213212 223112 312131 311222 321122 321221 312212 322112 322211 212123 212321 "
    "232121 111323 131123 131321 112313 132113 132311 211313 231113 231311 112133 112331 132131 113123 113321 133121 "
    "313121 211331 231131 213113 213311 213131 311123 311321 331121 312113 312311 332111 314111 221411 431111 111224 "
    "111422 121124 121421 141122 141221 112214 112412 122114 122411 142112 142211 241211 221114 413111 241112 134111 "
    "111242 121142 121241 114212 124112 124211 411212 421112 421211 212141 214121 412121 111143 111341 131141 114113 "
    "114311 411113 411311 113141 114131 311141 411131 211412 211214 211232 2331112"
)
_CODE128 = _CODE128_WIDTHS.split()


def code128(values: list[int], data: bytes) -> Bars:
    """Symbol characters from the start character on; check and stop are added. `data` is what they say."""
    check = sum(max(1, at) * value for at, value in enumerate(values)) % 103
    return Bars(data, _readable(data), "".join(_CODE128[value] for value in (*values, check, _STOP)))


def _readable(data: bytes) -> str:
    """Control characters stand as spaces below a barcode."""
    return "".join(chr(byte) if 0x20 <= byte < 0x7F else " " for byte in data)
