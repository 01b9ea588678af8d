"""QR codes, model 2, as a printer's firmware makes them (ISO/IEC 18004): which version holds the data, and its modules.

One segment in the tightest of three modes (digits, 45 capitals and signs, bytes). The mask is always the same: a reader
takes any of the eight.
"""

from collections.abc import Iterator
from functools import lru_cache

LEVELS = "LMQH"
_FORMAT_BITS = {"L": 1, "M": 0, "Q": 3, "H": 2}
_ALPHANUMERIC = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"

# ISO/IEC 18004, table 9, by version from 1: codewords for correction in each block, and the number of blocks.
_CORRECTION = {
    "L": "7 10 15 20 26 18 20 24 30 18 20 24 26 30 22 24 28 30 28 28 28 28 30 30 26 28" + " 30" * 14,
    "M": "10 16 26 18 24 16 18 22 22 26 30 22 22 24 24 28 28 26 26 26 26" + " 28" * 19,
    "Q": "13 22 18 26 18 24 18 22 20 24 28 26 24 20 30 24 28 28 26 30 28 30 30 30 30 28" + " 30" * 14,
    "H": "17 28 22 16 22 28 26 26 24 28 24 28 22 24 24 30 28 28 26 28 30 24" + " 30" * 18,
}
_BLOCKS = {
    "L": "1 1 1 1 1 2 2 2 2 4 4 4 4 4 6 6 6 6 7 8 8 9 9 10 12 12 12 13 14 15 16 17 18 19 19 20 21 22 24 25",
    "M": "1 1 1 2 2 4 4 4 5 5 5 8 9 9 10 10 11 13 14 16 17 17 18 20 21 23 25 26 28 29 31 33 35 37 38 40 43 45 47 49",
    "Q": "1 1 2 2 4 4 6 6 8 8 8 10 12 16 12 17 16 18 21 20 23 23 25 27 29 34 34 35 38 40 43 45 48 51 53 56 59 62 65 68",
    "H": "1 1 2 4 4 4 5 6 8 8 11 11 16 16 18 16 19 21 25 25 25 34 30 32 35 37 40 42 45 48 51 54 57 60 63 66"
    " 70 74 77 81",
}
_PER_BLOCK = {level: [int(word) for word in words.split()] for level, words in _CORRECTION.items()}
_COUNT = {level: [int(word) for word in words.split()] for level, words in _BLOCKS.items()}

Modules = list[list[bool]]


def side(data: bytes, level: str) -> int | None:
    """Modules along the side of the smallest QR code that holds `data` at this level; None where none does."""
    version = _version(data, level)
    return None if version is None else 17 + 4 * version


@lru_cache(maxsize=32)
def modules(data: bytes, level: str) -> Modules:
    """The code, row by row; True is black. No quiet zone.

    Raises:
        ValueError: no QR code holds so much.
    """
    version = _version(data, level)
    if version is None:
        raise ValueError(f"{len(data)} bytes are more than a QR code of level {level} holds")
    size = 17 + 4 * version
    grid: list[list[bool | None]] = [[None] * size for _ in range(size)]
    _draw_patterns(grid, version, _FORMAT_BITS[level])
    _draw_data(grid, _interleaved(_codewords(data, version, level), version, level))
    return [[bool(dot) for dot in row] for row in grid]


# -- data ----------------------------------------------------------------------------------------------------------


def _version(data: bytes, level: str) -> int | None:
    fits = (version for version in range(1, 41) if len(_bits(data, version)) <= 8 * _capacity(version, level))
    return next(fits, None) if len(data) <= 7089 else None


def _capacity(version: int, level: str) -> int:
    """Codewords of data."""
    at = version - 1
    return _raw_bits(version) // 8 - _PER_BLOCK[level][at] * _COUNT[level][at]


def _raw_bits(version: int) -> int:
    bits = (16 * version + 128) * version + 64
    if version >= 2:
        marks = version // 7 + 2
        bits -= (25 * marks - 10) * marks - 55
    return bits - (36 if version >= 7 else 0)


def _bits(data: bytes, version: int) -> str:
    """Mode, count and data, without the terminator."""
    group = 0 if version < 10 else 1 if version < 27 else 2
    text = data.decode("latin-1")
    if data.isdigit():
        parts = (text[at : at + 3] for at in range(0, len(text), 3))
        body = "".join(f"{int(part):0{(0, 4, 7, 10)[len(part)]}b}" for part in parts)
        return f"0001{len(data):0{(10, 12, 14)[group]}b}{body}"
    if all(char in _ALPHANUMERIC for char in text):
        values = [_ALPHANUMERIC.index(char) for char in text]
        body = "".join(f"{a * 45 + b:011b}" for a, b in zip(values[::2], values[1::2], strict=False))
        body += f"{values[-1]:06b}" if len(values) % 2 else ""
        return f"0010{len(data):0{(9, 11, 13)[group]}b}{body}"
    return f"0100{len(data):0{(8, 16, 16)[group]}b}" + "".join(f"{byte:08b}" for byte in data)


def _codewords(data: bytes, version: int, level: str) -> bytes:
    capacity = _capacity(version, level)
    bits = _bits(data, version)
    bits += "0" * min(4, 8 * capacity - len(bits))
    bits += "0" * (-len(bits) % 8)
    words = bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits), 8))
    return (words + b"\xec\x11" * capacity)[:capacity]


def _interleaved(words: bytes, version: int, level: str) -> bytes:
    """Blocks with their Reed-Solomon codewords, a word of each in turn."""
    count, correction = _COUNT[level][version - 1], _PER_BLOCK[level][version - 1]
    short, longer = divmod(len(words), count)
    blocks, at = [], 0
    for block in range(count):
        size = short + (block >= count - longer)
        blocks.append(words[at : at + size])
        at += size
    divisor = _divisor(correction)
    ends = [_remainder(block, divisor) for block in blocks]
    data = bytes(block[i] for i in range(short + 1) for block in blocks if i < len(block))
    return data + bytes(end[i] for i in range(correction) for end in ends)


def _times(a: int, b: int) -> int:
    """In GF(256) modulo 11Dh."""
    product = 0
    while b:
        product ^= a * (b & 1)
        a = (a << 1) ^ (0x11D if a & 0x80 else 0)
        b >>= 1
    return product


@lru_cache(maxsize=32)
def _divisor(degree: int) -> bytes:
    poly, root = [1], 1
    for _ in range(degree):
        poly = [a ^ _times(b, root) for a, b in zip([*poly, 0], [0, *poly], strict=True)]
        root = _times(root, 2)
    return bytes(poly[1:])


def _remainder(block: bytes, divisor: bytes) -> bytes:
    rest = [0] * len(divisor)
    for byte in block:
        factor = byte ^ rest[0]
        rest = [a ^ _times(b, factor) for a, b in zip([*rest[1:], 0], divisor, strict=True)]
    return bytes(rest)


# -- the square ----------------------------------------------------------------------------------------------------


def _draw_patterns(grid: list[list[bool | None]], version: int, level_bits: int) -> None:
    size = len(grid)
    for i in range(size):
        grid[6][i] = grid[i][6] = i % 2 == 0
    for x, y in ((3, 3), (size - 4, 3), (3, size - 4)):
        for dx in range(-4, 5):
            for dy in range(-4, 5):
                if 0 <= x + dx < size and 0 <= y + dy < size:
                    grid[y + dy][x + dx] = max(abs(dx), abs(dy)) not in (2, 4)
    marks = _alignment(version)
    corners = {(6, 6), (6, size - 7), (size - 7, 6)}
    for x, y in ((x, y) for x in marks for y in marks if (x, y) not in corners):
        for dx in range(-2, 3):
            for dy in range(-2, 3):
                grid[y + dy][x + dx] = max(abs(dx), abs(dy)) != 1
    _draw_format(grid, level_bits << 3)
    if version >= 7:
        bits = version << 12 | _check(version, 12, 0x1F25)
        for i in range(18):
            dark = bool(bits >> i & 1)
            grid[i // 3][size - 11 + i % 3] = grid[size - 11 + i % 3][i // 3] = dark


def _alignment(version: int) -> list[int]:
    if version == 1:
        return []
    count = version // 7 + 2
    step = 26 if version == 32 else (version * 4 + count * 2 + 1) // (count * 2 - 2) * 2
    return [6, *(17 + 4 * version - 7 - step * i for i in range(count - 1))]


def _check(value: int, degree: int, poly: int) -> int:
    """BCH bits."""
    rest = value
    for _ in range(degree):
        rest = rest << 1 ^ (rest >> degree - 1) * poly
    return rest


def _draw_format(grid: list[list[bool | None]], value: int) -> None:
    """Level and mask 0, twice."""
    size, bits = len(grid), (value << 10 | _check(value, 10, 0x537)) ^ 0x5412
    rows = [0, 1, 2, 3, 4, 5, 7, 8, *range(size - 7, size)]
    columns = [*range(size - 1, size - 9, -1), 7, 5, 4, 3, 2, 1, 0]
    for i in range(15):
        dark = bool(bits >> i & 1)
        grid[rows[i]][8] = grid[8][columns[i]] = dark
    grid[size - 8][8] = True


def _path(grid: list[list[bool | None]]) -> Iterator[tuple[int, int]]:
    """The free modules in zigzag from the lower right."""
    size = len(grid)
    for step, right in enumerate((*range(size - 1, 6, -2), 5, 3, 1)):
        for i in range(size):
            y = i if step % 2 else size - 1 - i
            yield from ((x, y) for x in (right, right - 1) if grid[y][x] is None)


def _draw_data(grid: list[list[bool | None]], words: bytes) -> None:
    bits = "".join(f"{word:08b}" for word in words)
    for at, (x, y) in enumerate(list(_path(grid))):
        dark = at < len(bits) and bits[at] == "1"
        grid[y][x] = dark != ((x + y) % 2 == 0)
