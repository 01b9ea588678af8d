"""Where an ESC/POS command ends: lengths only, no meaning. Written from the printers' command manuals.

A key is the command's name as bytes: two, or three where the manuals say so (`GS ( H`, `GS g 2`, `ESC c 5`).
"""

from collections.abc import Callable

from agent.simulator import barcodes

NUL, HT, LF, CR = 0x00, 0x09, 0x0A, 0x0D
DLE, ESC, FS, GS = 0x10, 0x1B, 0x1C, 0x1D
LEADS = frozenset({DLE, ESC, FS, GS})
UNKNOWN = b""

_ESC_FIXED = {
    **dict.fromkeys(b"2@LSimv<", 0),
    **dict.fromkeys(b" !%-3=?EGJKMRTUVadert{u", 1),
    **dict.fromkeys(b"$\\B", 2),
    **dict.fromkeys(b"pC", 3),
    ord("W"): 8,
}
_FS_FIXED = {**dict.fromkeys(b"&.", 0), **dict.fromkeys(b"!-CW", 1), **dict.fromkeys(b"S?p", 2), ord("2"): 74}
_GS_FIXED = {
    **dict.fromkeys(b":", 0),
    **dict.fromkeys(b"!/BEHITabfhrw", 1),
    **dict.fromkeys(b"$LPW\\", 2),
    **dict.fromkeys(b"^", 3),
}
_FIXED = {
    bytes((lead, letter)): count
    for lead, table in ((ESC, _ESC_FIXED), (FS, _FS_FIXED), (GS, _GS_FIXED))
    for letter, count in table.items()
}

Measured = tuple[bytes, int]


def measure(data: bytes | bytearray, pos: int) -> Measured:
    """The key of the command at `pos` and where it ends; an end beyond the data means: at least so much is needed.

    UNKNOWN is a command that no manual we read names; its end is then past the bytes that named it, and what a
    host meant as its parameters prints as text, as it does on a real printer.
    """
    if len(data) < pos + 2:
        return b"", pos + 2
    key = bytes(data[pos : pos + 2])
    count = _FIXED.get(key)
    if count is not None:
        return key, pos + 2 + count
    variable = _VARIABLE.get(key)
    return variable(data, pos, key) if variable else (UNKNOWN, pos + 2)


def _word(data: bytes | bytearray, pos: int) -> int:
    return data[pos] + 256 * data[pos + 1]


def _counted(data: bytes | bytearray, pos: int, key: bytes) -> Measured:
    """ESC ( x, FS ( x, GS ( x: pL pH say how many bytes follow."""
    if len(data) < pos + 5:
        return key, pos + 5
    return key + bytes((data[pos + 2],)), pos + 5 + _word(data, pos + 3)


def _long_graphics(data: bytes | bytearray, pos: int, key: bytes) -> Measured:
    """GS 8 L p1 p2 p3 p4."""
    if len(data) < pos + 7:
        return key, pos + 7
    if data[pos + 2] != ord("L"):
        return UNKNOWN, pos + 3
    return key + b"L", pos + 7 + int.from_bytes(data[pos + 3 : pos + 7], "little")


def _columns(data: bytes | bytearray, pos: int, key: bytes) -> Measured:
    """ESC * m nL nH: 8-dot columns are one byte, 24-dot columns (m 32, 33) three."""
    if len(data) < pos + 5:
        return key, pos + 5
    return key, pos + 5 + _word(data, pos + 3) * (3 if data[pos + 2] in (32, 33) else 1)


def _raster(data: bytes | bytearray, pos: int, key: bytes) -> Measured:
    """GS v 0 m xL xH yL yH: x bytes a row, y rows."""
    if len(data) < pos + 3:
        return key, pos + 3
    if data[pos + 2] != ord("0"):
        return UNKNOWN, pos + 3
    if len(data) < pos + 8:
        return key, pos + 8
    return key, pos + 8 + _word(data, pos + 4) * _word(data, pos + 6)


def _downloaded(data: bytes | bytearray, pos: int, key: bytes) -> Measured:
    """GS * x y: x * y * 8 bytes of a picture kept in RAM."""
    if len(data) < pos + 4:
        return key, pos + 4
    return key, pos + 4 + data[pos + 2] * data[pos + 3] * 8


def _cut(data: bytes | bytearray, pos: int, key: bytes) -> Measured:
    """GS V: m alone, or m n."""
    if len(data) < pos + 3:
        return key, pos + 3
    mode = data[pos + 2]
    if mode in (0, 1, 48, 49):
        return key, pos + 3
    return (key, pos + 4) if mode in (65, 66, 97, 98, 103, 104) else (UNKNOWN, pos + 3)


def _barcode(data: bytes | bytearray, pos: int, key: bytes) -> Measured:
    """GS k m: up to NUL for m 0-6, counted by n for m 65-79; a byte that its system does not take ends it too."""
    if len(data) < pos + 4:
        return key, pos + 4
    mode = data[pos + 2]
    if mode <= 6:
        return key, barcodes.end_of_nul_form(data, pos + 3, mode)
    return (key, barcodes.end_of_counted_form(data, pos + 3, mode)) if 65 <= mode <= 79 else (UNKNOWN, pos + 3)


def _tabs(data: bytes | bytearray, pos: int, key: bytes) -> Measured:
    """ESC D n1..nk NUL: columns in ascending order; the first that is not ends the list, as the manuals say."""
    last = 0
    for at in range(pos + 2, min(len(data), pos + 2 + 32)):
        if data[at] == NUL:
            return key, at + 1
        if data[at] <= last:
            return key, at
        last = data[at]
    return key, pos + 2 + 32 if len(data) >= pos + 2 + 32 else len(data) + 1


def _third(lengths: dict[int, int]) -> Callable[[bytes | bytearray, int, bytes], Measured]:
    """A command whose third byte decides its whole length."""

    def measured(data: bytes | bytearray, pos: int, key: bytes) -> Measured:
        if len(data) < pos + 3:
            return key, pos + 3
        third = data[pos + 2]
        if third in lengths:
            return key + bytes((third,)), pos + lengths[third]
        return UNKNOWN, pos + (3 if third == NUL else 2)

    return measured


_VARIABLE: dict[bytes, Callable[[bytes | bytearray, int, bytes], Measured]] = {
    b"\x1b(": _counted,
    b"\x1c(": _counted,
    b"\x1d(": _counted,
    b"\x1d8": _long_graphics,
    b"\x1b*": _columns,
    b"\x1dv": _raster,
    b"\x1d*": _downloaded,
    b"\x1dV": _cut,
    b"\x1dk": _barcode,
    b"\x1bD": _tabs,
    b"\x1bc": _third({ord("3"): 4, ord("4"): 4, ord("5"): 4}),
    b"\x1dg": _third({ord("0"): 6, ord("2"): 6}),
    b"\x1dz": _third({ord("0"): 5}),
    b"\x10\x04": _third({1: 3, 2: 3, 3: 3, 4: 3, 5: 3, 6: 3, 7: 4, 8: 4}),
    b"\x10\x05": _third({0: 3, 1: 3, 2: 3}),
    b"\x10\x14": _third({1: 5, 2: 5, 3: 8, 7: 4, 8: 10}),
}
