"""What a command changes without printing anything: sizes, emphasis, alignment, margins, tabs, character sets."""

from collections.abc import Callable
from functools import lru_cache

from msgspec import Struct

from agent.simulator.piece import DOTS_PER_CELL, Caption, Look, Side

DEFAULT_SPACING = 30
_CODE_PAGES = {
    0: "cp437",
    2: "cp850",
    3: "cp860",
    4: "cp863",
    5: "cp865",
    16: "cp1252",
    17: "cp866",
    18: "cp852",
}
_NATIONAL = {
    n: str.maketrans(pair) for n, pair in {3: {"#": "£"}, 8: {"\\": "¥"}, 13: {"\\": "₩"}, 15: {"$": "¥"}}.items()
}
"""ESC R, where a kitchen could notice: the sets that change a currency or number sign."""

_NO_DIFFERENCE = (
    *(b"\x1bS", b"\x1bT", b"\x1bU", b"\x1bV", b"\x1b{", b"\x1br", b"\x1bc3", b"\x1bc4", b"\x1bc5", b"\x1b=", b"\x1b%"),
    *(b"\x1b?", b"\x1b<", b"\x1cC", b"\x1dP", b"\x1db", b"\x1dT", b"\x1dE", b"\x1dz0", b"\x1d:", b"\x1d^"),
)
"""Directions, colours, sensor and panel selection, units: parsed, and our paper stays the same."""


class Type(Struct, frozen=True):
    """Looks, advances and the printable area, in dots. `even`: both kinds look alike and two bytes take two cells."""

    ank_look: Look
    ank_advance: int
    kanji_look: Look
    kanji_advance: int
    even: bool
    left: int
    width: int


def _choice(n: int, most: int, otherwise: int) -> int:
    """0 to `most`, which the manuals let a host say as a digit too; what is neither changes nothing."""
    n = n - 48 if n >= 48 else n
    return n if n <= most else otherwise


@lru_cache(maxsize=256)
def _look(width: int, height: int, bold: bool, inverted: bool, underlined: bool, small: bool) -> Look:
    return Look(width, height, bold, inverted, underlined, small)


class Settings:
    """The printer's modes between ESC @ and ESC @; `kanji` is on at start in Chinese models."""

    def __init__(self, width_dots: int, kanji: bool) -> None:
        self.paper_width = width_dots
        self.kanji = kanji
        self.ank_size = (1, 1)
        self.kanji_size = (1, 1)
        self.bold = self.inverted = self.small = False
        self.ank_underlined = self.kanji_underlined = False
        self.ank_gap = 0
        self.kanji_gap = (0, 0)
        self.align = Side.LEFT
        self.spacing = DEFAULT_SPACING
        self.left = 0
        self.width = width_dots
        self.tabs = tuple(range(8, 256, 8))
        self.code_page = "cp437"
        self.national: dict[int, str] = {}
        self.barcode_height = 162
        self.barcode_module = 3
        self.barcode_caption = Caption.NONE
        self.barcode_caption_small = False
        self._type: Type | None = None

    @property
    def type(self) -> "Type":
        """What the settings make of a character; kept until a setting changes."""
        if self._type is None:
            self._type = self._make_type()
        return self._type

    def touch(self) -> None:
        """A setting was changed from outside: characters may look different from now on."""
        self._type = None

    def apply(self, key: bytes, params: bytes) -> bool:
        """Take over a command that changes a setting; False when it is not one of those."""
        setter = _SETTERS.get(key)
        if setter is None:
            return False
        setter(self, params)
        self._type = None
        return True

    def _make_type(self) -> "Type":
        # White on black is never underlined.
        ank_emphasis = (self.bold, self.inverted, self.ank_underlined and not self.inverted)
        kanji_emphasis = (self.bold, self.inverted, self.kanji_underlined and not self.inverted)
        ank = ((9 if self.small else DOTS_PER_CELL) + self.ank_gap) * self.ank_size[0]
        kanji = (2 * DOTS_PER_CELL + sum(self.kanji_gap)) * self.kanji_size[0]
        # GS W can't reach past the paper, and an area always holds one character.
        width = max(DOTS_PER_CELL, min(self.width, self.paper_width - self.left))
        ank_look = _look(*self.ank_size, *ank_emphasis, self.small)
        kanji_look = _look(*self.kanji_size, *kanji_emphasis, False)
        even = ank_look == kanji_look and kanji == 2 * ank and not self.national
        return Type(ank_look, ank, kanji_look, kanji, even, self.left, width)

    def _print_mode(self, params: bytes) -> None:
        """ESC ! n: 01h font B, 08h bold, 10h double height, 20h double width, 80h underline; single-byte only."""
        n = params[0]
        self.small, self.bold, self.ank_underlined = bool(n & 0x01), bool(n & 0x08), bool(n & 0x80)
        self.ank_size = (2 if n & 0x20 else 1, 2 if n & 0x10 else 1)

    def _kanji_mode(self, params: bytes) -> None:
        """FS ! n: 04h double width, 08h double height, 80h underline; two-byte characters only."""
        n = params[0]
        self.kanji_size = (2 if n & 0x04 else 1, 2 if n & 0x08 else 1)
        self.kanji_underlined = bool(n & 0x80)

    def _kanji_quadruple(self, params: bytes) -> None:
        self.kanji_size = (2, 2) if params[0] & 1 else (1, 1)

    def _size(self, params: bytes) -> None:
        """GS ! n: width in the high half, height in the low half, each 0-7 for 1 to 8; both kinds of characters."""
        wide, high = (params[0] >> 4) & 0x0F, params[0] & 0x0F
        if wide <= 7 and high <= 7:
            self.ank_size = self.kanji_size = (wide + 1, high + 1)

    def _bold(self, params: bytes) -> None:
        self.bold = bool(params[0] & 1)

    def _invert(self, params: bytes) -> None:
        self.inverted = bool(params[0] & 1)

    def _underline(self, params: bytes) -> None:
        """ESC - n, single-byte characters; 1 and 2 dots thick are one look here."""
        self.ank_underlined = bool(_choice(params[0], 2, self.ank_underlined))

    def _underline_kanji(self, params: bytes) -> None:
        """FS - n, two-byte characters."""
        self.kanji_underlined = bool(_choice(params[0], 2, self.kanji_underlined))

    def _font(self, params: bytes) -> None:
        self.small = params[0] in (1, 49)

    def _align(self, params: bytes) -> None:
        side = {0: 0, 48: 0, 1: 1, 49: 1, 2: 2, 50: 2}.get(params[0])
        if side is not None:
            self.align = Side(side)

    def _default_spacing(self, _params: bytes) -> None:
        self.spacing = DEFAULT_SPACING

    def _spacing(self, params: bytes) -> None:
        self.spacing = params[0]

    def _kanji_on(self, _params: bytes) -> None:
        self.kanji = True

    def _kanji_off(self, _params: bytes) -> None:
        self.kanji = False

    def _ank_gap(self, params: bytes) -> None:
        self.ank_gap = params[0]

    def _kanji_gap(self, params: bytes) -> None:
        self.kanji_gap = (params[0], params[1])

    def _left_margin(self, params: bytes) -> None:
        self.left = min(int.from_bytes(params, "little"), self.paper_width - DOTS_PER_CELL)

    def _area_width(self, params: bytes) -> None:
        self.width = int.from_bytes(params, "little")

    def _tabs(self, params: bytes) -> None:
        self.tabs = tuple(params.rstrip(b"\0"))

    def _code_page(self, params: bytes) -> None:
        self.code_page = _CODE_PAGES.get(params[0], "cp437")

    def _nation(self, params: bytes) -> None:
        self.national = _NATIONAL.get(params[0], {})

    def _barcode_height(self, params: bytes) -> None:
        self.barcode_height = max(1, params[0])

    def _barcode_module(self, params: bytes) -> None:
        if 2 <= params[0] <= 6:
            self.barcode_module = params[0]

    def _barcode_caption(self, params: bytes) -> None:
        self.barcode_caption = Caption(_choice(params[0], 3, self.barcode_caption))

    def _barcode_caption_font(self, params: bytes) -> None:
        self.barcode_caption_small = bool(_choice(params[0], 1, self.barcode_caption_small))

    def _accept(self, _params: bytes) -> None:
        """A command that is understood and makes no difference on our paper."""


_SETTERS: dict[bytes, Callable[[Settings, bytes], None]] = {
    b"\x1b!": Settings._print_mode,
    b"\x1c!": Settings._kanji_mode,
    b"\x1cW": Settings._kanji_quadruple,
    b"\x1d!": Settings._size,
    b"\x1bE": Settings._bold,
    b"\x1bG": Settings._bold,
    b"\x1dB": Settings._invert,
    b"\x1b-": Settings._underline,
    b"\x1c-": Settings._underline_kanji,
    b"\x1bM": Settings._font,
    b"\x1ba": Settings._align,
    b"\x1b2": Settings._default_spacing,
    b"\x1b3": Settings._spacing,
    b"\x1c&": Settings._kanji_on,
    b"\x1c.": Settings._kanji_off,
    b"\x1b ": Settings._ank_gap,
    b"\x1cS": Settings._kanji_gap,
    b"\x1dL": Settings._left_margin,
    b"\x1dW": Settings._area_width,
    b"\x1bD": Settings._tabs,
    b"\x1bt": Settings._code_page,
    b"\x1bR": Settings._nation,
    b"\x1dh": Settings._barcode_height,
    b"\x1dw": Settings._barcode_module,
    b"\x1dH": Settings._barcode_caption,
    b"\x1df": Settings._barcode_caption_font,
}
_SETTERS |= dict.fromkeys(_NO_DIFFERENCE, Settings._accept)
