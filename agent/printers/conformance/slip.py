"""What the checks print: short, narrow enough for 58 mm, with its name on it so that a person can tell it."""

from collections.abc import Callable, Sequence

import msgspec

from agent.model.job import Counters, Intent
from agent.printers.conformance.talk import token_request

CELL_DOTS = 12
BAND_ROWS = 24
KNIFE_FEED = 4
CUT = b"\x1dVB\0"
_DOTS_A_LINE = 12
_SLACK_LINES = 4
_TEXT_CELLS = 30


class Slip(msgspec.Struct, frozen=True):
    """A ticket's bytes, the lines that it feeds at least, and the dots of its pictures besides.

    `marks` are process IDs that are asked for within it: a byte that is lost before one swallows it.
    """

    data: bytes
    lines: int
    dots: int = 0
    marks: tuple[str, ...] = ()

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
    numbered = [f"{n:03} of {count:03} ".ljust(_TEXT_CELLS, ".") for n in range(1, count + 1)]
    return _slip([title_of(name).encode(), *(line.encode() for line in numbered)])


def short_slip(name: str, count: int) -> Slip:
    """The same with lines of one character: much paper for few bytes."""
    return _slip([title_of(name).encode(), *[b"-"] * count])


def chinese_slip(name: str, words: Sequence[str]) -> Slip:
    """Lines of Chinese and ASCII, in kanji mode and GBK."""
    return _slip([title_of(name).encode(), *(b"\x1c&" + line.encode("gbk") + b"\x1c." for line in words)])


def picture_slip(name: str, size: int, dots: int, mark: Callable[[], str] | None = None) -> Slip:
    """A slanted line of pictures, of about `size` bytes; a byte that is lost breaks it. Each picture gets a `mark`."""
    width = dots // 8
    bands = max(1, -(-size // (BAND_ROWS * width + 8)))
    marks = tuple(mark() for _ in range(bands)) if mark is not None else ()
    asked = [token_request(token) for token in marks] or [b""] * bands
    picture = b"".join(_band(band * BAND_ROWS, width) + asked[band] for band in range(bands))
    head = title_of(name).encode() + b"\n"
    feed = b"\n" * KNIFE_FEED
    end = b"end of " + name.encode() + b"\n" + feed + CUT
    return Slip(head + picture + end, 2 + KNIFE_FEED, bands * BAND_ROWS, marks)


def half_picture(dots: int) -> bytes:
    """A band whose last bytes never come: the printer takes what follows for them."""
    return _band(0, dots // 8)[:100]


def _band(row: int, width: int) -> bytes:
    """GS v 0: in each row two dots next to each other, one byte further every four rows."""
    rows = b"".join(
        bytes(0x60 if column == (row + n) // 4 % width else 0 for column in range(width)) for n in range(BAND_ROWS)
    )
    return b"\x1dv0\0" + bytes((width & 0xFF, width >> 8, BAND_ROWS, 0)) + rows


def _slip(lines: Sequence[bytes]) -> Slip:
    return Slip(b"".join(line + b"\n" for line in lines) + b"\n" * KNIFE_FEED + CUT, len(lines) + KNIFE_FEED)
