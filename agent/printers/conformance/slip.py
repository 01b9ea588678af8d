"""What the checks print: short, narrow enough for 58 mm, with its name on it so that a person can tell it."""

import itertools
from collections.abc import Callable, Iterable, Sequence

import msgspec

from agent.model.job import Counters, Intent
from agent.printers.conformance.talk import token_request

CELL_DOTS = 12
BAND_ROWS = 24
KNIFE_FEED = 4
CUT = b"\x1dVB\0"
_DOTS_A_LINE = 12
_SLACK_LINES = 4
_FEED_AND_CUT = b"\n" * KNIFE_FEED + CUT
_TEXT_CELLS = 30


class Slip(msgspec.Struct, frozen=True):
    """A ticket's rows as bytes, the lines that it feeds at least, and the dots of its pictures besides.

    `marks` are process IDs that are asked for within it: a byte that is lost before one swallows it.
    """

    rows: tuple[bytes, ...]
    lines: int
    dots: int = 0
    marks: tuple[str, ...] = ()

    @property
    def data(self) -> bytes:
        """All of it, from the title to the cut."""
        return b"".join(self.rows)

    @property
    def breaks(self) -> tuple[int, ...]:
        """The places between two rows."""
        return tuple(itertools.accumulate(map(len, self.rows[:-1])))

    @property
    def most_lines(self) -> int:
        """What a printer counts for it at most: pictures may count as lines, and so may the way to the knife."""
        return self.lines + self.dots // _DOTS_A_LINE + _SLACK_LINES

    def intent(self, token: str, baseline: Counters | None = None) -> Intent:
        """As the agent writes it down before it prints."""
        return Intent(token, self.lines, self.most_lines, 1, baseline)


def title_of(name: str) -> str:
    """The line that a slip begins with."""
    return f"shop-agent check: {name}"


def text_slip(name: str, count: int) -> Slip:
    """`count` numbered lines under the title."""
    return _slip(name, (_line(f"{n:03} of {count:03} ".ljust(_TEXT_CELLS, ".")) for n in range(1, count + 1)))


def short_slip(name: str, count: int) -> Slip:
    """The same with lines of one character: much paper for few bytes."""
    return _slip(name, [_line("-")] * count)


def chinese_slip(name: str, words: Sequence[str]) -> Slip:
    """Lines of Chinese and ASCII, in kanji mode and GBK."""
    return _slip(name, (b"\x1c&" + line.encode("gbk") + b"\x1c.\n" for line in words))


def picture_slip(name: str, size: int, dots: int, mark: Callable[[], str] | None = None) -> Slip:
    """A slanted line of pictures, of about `size` bytes; a byte that is lost breaks it. Each picture gets a `mark`."""
    width = dots // 8
    bands = max(1, -(-size // (BAND_ROWS * width + 8)))
    marks = tuple(mark() for _ in range(bands)) if mark is not None else ()
    asked = [token_request(token) for token in marks] or [b""] * bands
    picture = (_band(band * BAND_ROWS, width) + asked[band] for band in range(bands))
    rows = (_line(title_of(name)), *picture, _line(f"end of {name}"), _FEED_AND_CUT)
    return Slip(rows, 2 + KNIFE_FEED, bands * BAND_ROWS, marks)


def half_picture(dots: int) -> bytes:
    """A band whose last bytes never come: the printer takes what follows for them."""
    return _band(0, dots // 8)[:100]


def _band(row: int, width: int) -> bytes:
    """GS v 0: in each row two dots next to each other, one byte further every four rows."""
    rows = b"".join(
        bytes(0x60 if column == (row + n) // 4 % width else 0 for column in range(width)) for n in range(BAND_ROWS)
    )
    return b"\x1dv0\0" + bytes((width & 0xFF, width >> 8, BAND_ROWS, 0)) + rows


def _line(text: str) -> bytes:
    return text.encode("ascii") + b"\n"


def _slip(name: str, lines: Iterable[bytes]) -> Slip:
    rows = (_line(title_of(name)), *lines, _FEED_AND_CUT)
    return Slip(rows, len(rows) - 1 + KNIFE_FEED)
