"""Code 128 (ISO/IEC 15417): which characters a text becomes. Set B says all of ASCII, set C two digits a character."""

import importlib
import re
from typing import Any

_START_B, _START_C, _TO_B, _TO_C = 104, 105, 100, 99
_STOP = "1100011101011"
_PARTS = re.compile(r"((?:[0-9]{2}){2,}|^[0-9]{2}$)|((?:(?![0-9]{4})[ -~])+)")


def characters(text: str) -> list[int]:
    """The values of all characters of a printable ASCII text, from start to check: four and more digits are paired."""
    values: list[int] = []
    for pairs, singles in _PARTS.findall(text):
        if pairs:
            values.append(_TO_C if values else _START_C)
            values += [int(pairs[at : at + 2]) for at in range(0, len(pairs), 2)]
        else:
            values.append(_TO_B if values else _START_B)
            values += [ord(char) - 32 for char in singles]
    check = values[0] + sum(place * value for place, value in enumerate(values))
    return [*values, check % 103]


def pattern(text: str) -> str:
    """The bars from left to right, one digit a module, 1 is black: 11 modules a character, 13 for the stop."""
    # python-barcode has the table, but its own encoder drops a leading "99": it takes the pair for a switch.
    table: Any = importlib.import_module("barcode.charsets.code128")
    return "".join([table.CODES[value] for value in characters(text)]) + _STOP


def modules_in_b(text: str) -> int:
    """How broad the text is in set B alone."""
    return 11 * (len(text) + 2) + len(_STOP)
