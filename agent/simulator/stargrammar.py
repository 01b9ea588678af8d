"""Where a Star Line Mode command ends: lengths only, no meaning. From Star's command specifications, rev. 1.12.

Many letters mean something else than in ESC/POS: ESC a feeds, ESC d cuts, ESC B lists tabs up to a NUL. An undefined
code from 00h to 1Fh is dropped; ESC, GS or DLE take the byte after them along.
"""

from agent.simulator.grammar import DLE, ESC, GS, NUL, UNKNOWN, Measured

RS = 0x1E
LEADS = frozenset((ESC, GS, DLE))
PICTURE = b"\x1bk"
BARCODE, QR = b"\x1bb", b"\x1b\x1dy"
DOCUMENT = b"\x1b\x1d\x03"
ETB, CLEAR_ETB, SEND_STATUS = b"\x17", b"\x1b\x1eE", b"\x1b\x1ea"
ASK_STATUS, RESET = b"\x1b\x06\x01", b"\x1b\x06\x18"
ENQ, EOT = b"\x05", b"\x04"

_ESC_FIXED = {
    **dict.fromkeys(b"@EF45MP:g01pq\x0e\x14", 0),
    **dict.fromkeys(b"-_Wh/ RazJIlQd$", 1),
    **dict.fromkeys(b"i\x07st?", 2),
}
_ESC_GS_FIXED = {
    **dict.fromkeys(b"at", 1),
    **dict.fromkeys(b"AR", 2),
    **dict.fromkeys(b"\x03\x07", 3),
    ord("#"): 8,
}
_ESC_RS_FIXED = dict.fromkeys(b"FaEdrCA", 1)
_BUZZER = b"\x1b\x1d\x19"
_COLUMNS = {ord("K"): 1, ord("L"): 1, ord("X"): 3}


def measure(data: bytes | bytearray, pos: int, width_bytes: int) -> Measured:
    """The key of the command at `pos` and where it ends; an end beyond the data means: at least so much is needed.

    A picture wider than the paper (`width_bytes`) is none: its bytes are read as text and commands. UNKNOWN is what
    the specifications do not name.
    """
    if len(data) < pos + 2:
        return b"", pos + 2
    key = bytes(data[pos : pos + 2])
    if key[0] != ESC:
        return UNKNOWN, pos + 2
    match key[1]:
        case 0x1D:
            return _esc_gs(data, pos)
        case 0x1E:
            return _three(data, pos, _ESC_RS_FIXED)
        case 0x06:
            return _three(data, pos, {0x01: 0, 0x18: 0})
        case 0x42 | 0x44:  # ESC B, ESC D: tabs, up to NUL
            return key, _after(data, pos + 2, NUL)
        case 0x62:  # ESC b n1 n2 n3 n4 data RS: a barcode
            return key, _after(data, pos + 6, RS)
        case 0x43:  # ESC C n, or ESC C NUL n
            return key, pos + (4 if data[pos + 2 : pos + 3] == b"\0" else 3)
        case 0x6B:
            return _picture(data, pos, width_bytes)
        case letter if letter in _COLUMNS:
            return key, _counted(data, pos + 2, _COLUMNS[letter])
        case letter:
            count = _ESC_FIXED.get(letter)
            return (UNKNOWN, pos + 2) if count is None else (key, pos + 2 + count)


def _three(data: bytes | bytearray, pos: int, lengths: dict[int, int]) -> Measured:
    """A command of three bytes, and how many follow each."""
    if len(data) < pos + 3:
        return b"", pos + 3
    key = bytes(data[pos : pos + 3])
    count = lengths.get(key[2])
    return (UNKNOWN, pos + 3) if count is None else (key, pos + 3 + count)


def _esc_gs(data: bytes | bytearray, pos: int) -> Measured:
    if len(data) < pos + 4:
        return b"", pos + 4
    key = bytes(data[pos : pos + 3])
    if key == _BUZZER:  # ESC GS EM DC1 or DC2, m n1 n2
        return key + bytes((data[pos + 3],)), pos + 7
    if key[2] == ord("S"):
        return key, _raster(data, pos)
    if key == QR:
        return key, _qr(data, pos)
    return _three(data, pos, _ESC_GS_FIXED)


def _qr(data: bytes | bytearray, pos: int) -> int:
    """ESC GS y S n1 n2, ESC GS y D 1 m nL nH d..., ESC GS y P, ESC GS y I."""
    if data[pos + 3] == ord("S"):
        return pos + 6
    if data[pos + 3] != ord("D"):
        return pos + 4
    return _counted(data, pos + 6, 1) if data[pos + 4 : pos + 5] in (b"", b"1") else pos + 5


def _raster(data: bytes | bytearray, pos: int) -> int:
    """ESC GS S m xL xH yL yH n: x bytes a row, y rows."""
    if len(data) < pos + 9:
        return pos + 9
    return pos + 9 + (data[pos + 4] + 256 * data[pos + 5]) * (data[pos + 6] + 256 * data[pos + 7])


def _picture(data: bytes | bytearray, pos: int, width_bytes: int) -> Measured:
    """ESC k n1 n2: n1 bytes a row, 24 rows."""
    if len(data) < pos + 4:
        return PICTURE, pos + 4
    if data[pos + 3] or not 1 <= data[pos + 2] <= width_bytes:
        return UNKNOWN, pos + 4
    return PICTURE, pos + 4 + 24 * data[pos + 2]


def _counted(data: bytes | bytearray, at: int, times: int) -> int:
    if len(data) < at + 2:
        return at + 2
    return at + 2 + times * (data[at] + 256 * data[at + 1])


def _after(data: bytes | bytearray, start: int, last: int) -> int:
    at = data.find(last, start)
    return max(start, len(data)) + 1 if at < 0 else at + 1
