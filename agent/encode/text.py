"""Characters: what may reach a printer, what GBK can say, and how many cells of paper it takes.

A cell is half a Chinese character: 12 dots. A GBK byte is a cell, whatever East Asian Width says
(they differ for × ° ① and 443 others).
"""

import re
import unicodedata
from functools import lru_cache
from itertools import pairwise

# Look-alikes that GBK has, for what it lacks. Nothing that would change a number: 1½ must not become 11/2.
_LOOK_ALIKES = {
    "¥": "￥",
    "£": "￡",
    "¢": "￠",
    "•": "·",
    "・": "·",
    "〜": "～",
    "−": "-",
    "‑": "-",
    "✓": "√",
}
_SELECTORS = (*range(0x180B, 0x180E), 0x180F, *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))
_MAP: dict[int, str | None] = str.maketrans(_LOOK_ALIKES) | dict.fromkeys(_SELECTORS)
_CODEC_LACKS = dict.fromkeys(map(ord, "·—"))  # printers have them; Python's gb2312 maps the two otherwise
_MARKS = {"Mn", "Me"}
_DROPPED = {"Cc", "Cf", "Cs"}
_NO_CHARACTERS = {0x2065, *range(0xFDD0, 0xFDF0), *range(0xFFF0, 0xFFF9), *range(0xE0000, 0xE1000)}
"""Unicode says that nothing is ever to be seen of these, nor of the last two of each plane."""

MOST_MARKS = 30
"""As many are put in order at once: as in Unicode's stream-safe text."""

_TOO_MANY = re.compile(rb"[^\0]{%d}(?=[^\0])" % MOST_MARKS)
_TWO_MARKS = {"\u0f73": "\u0f71\u0f72", "\u0f75": "\u0f71\u0f74", "\u0f81": "\u0f71\u0f80"}
"""What is no mark by its class, but always two in NFC."""

_UNKNOWN = {"Cn", "Co"}
_BREAKS = "\t\n\v\f\r\x1c\x1d\x1e\x1f\x85"
_STAND_IN = "〓"
REMEMBERED = 40
"""The longest text, in characters, whose answers are kept: a menu's words come again, a customer's notes do not."""


def clean(text: str) -> str:
    """The text, in NFC, without anything that a printer could take for a command.

    Line breaks, tabs and odd blanks become spaces. Every control, format and surrogate is dropped, and every variation
    selector. What this Python does not know stays: it is a character of a newer Unicode, or of a phone's own.
    """
    if text.isascii() and text.isprintable():
        return text
    return _clean_again(text) if len(text) <= REMEMBERED else _clean(text)


def _clean(text: str) -> str:
    if not text.isprintable():
        text = "".join(map(_printable, text))
    return composed(text.translate(_MAP))


def composed(text: str) -> str:
    """The text in NFC, in time linear in it.

    Python puts marks in a row in order in quadratic time, and lets nobody else run meanwhile. Of more than 30, which no
    language writes, each 30 are put in order by themselves.
    """
    if len(text) > MOST_MARKS:
        for two, apart in _TWO_MARKS.items():
            text = text.replace(two, apart)
        classes = bytes(map(unicodedata.combining, text))
        ends = [found.end() for found in _TOO_MANY.finditer(classes)]
        if ends:
            return "".join([unicodedata.normalize("NFC", text[a:b]) for a, b in pairwise([0, *ends, len(text)])])
    return unicodedata.normalize("NFC", text)


_clean_again = lru_cache(maxsize=2048)(_clean)


def sayable(text: str, charset: str = "gbk") -> bool:
    """Whether a printer with this charset (gbk, gb2312 or ascii) has a character for all of it."""
    return text.isascii() or (_has_again if len(text) <= REMEMBERED else _has)(charset, text)


def _has(charset: str, text: str) -> bool:
    if charset == "gb2312":
        text = text.translate(_CODEC_LACKS)
    try:
        text.encode(charset)
    except UnicodeEncodeError:
        return False
    return True


_has_again = lru_cache(maxsize=2048)(_has)


def in_gbk(text: str) -> bytes | None:
    """The text in GBK, a byte a cell, or None where that lacks a character."""
    if text.isascii():
        return text.encode()
    return _in_gbk_again(text) if len(text) <= REMEMBERED else _in_gbk(text)


def _in_gbk(text: str) -> bytes | None:
    try:
        return text.encode("gbk")
    except UnicodeEncodeError:
        return None


_in_gbk_again = lru_cache(maxsize=2048)(_in_gbk)


def cells(text: str) -> int:
    """How many cells the text takes at normal size.

    What GBK can't say is drawn: in 1 cell below U+2000 (alphabets) and for half-width forms, else in 2. A mark
    that stands over or under another character (Thai vowels and tones, accents) takes none of its own.
    """
    said = in_gbk(text)
    return sum(map(cell, text)) if said is None else len(said)


@lru_cache(maxsize=16384)
def cell(char: str) -> int:
    """The cells of one character: 0, 1 or 2."""
    try:
        return len(char.encode("gbk"))
    except UnicodeEncodeError:
        if unicodedata.category(char) in _MARKS:
            return 0
        return 1 if ord(char) < 0x2000 or unicodedata.east_asian_width(char) == "H" else 2


def spell(char: str) -> str:
    """What is printed for a character that can be neither said nor drawn: 〓U+1F336."""
    return f"{_STAND_IN}U+{ord(char):04X}"


def _printable(char: str) -> str:
    if char.isprintable():
        return char
    if char in _BREAKS:
        return " "
    category = unicodedata.category(char)
    if category in _DROPPED or ord(char) in _NO_CHARACTERS or ord(char) & 0xFFFE == 0xFFFE:
        return ""
    if category in _UNKNOWN:
        return char
    return char if char == "\u3000" else " "  # the ideographic space is GBK's own; the other blanks are not
