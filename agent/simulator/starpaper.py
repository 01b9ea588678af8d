"""A roll of paper that reads Star Line Mode: the same pieces, lines and runs as from ESC/POS. Pure; it never replies.

Written from Star's command specifications, rev. 1.12, for a Chinese model: two-byte characters are read without being
told. What only a machine can answer (the document counter, ETB, what status is sent) goes to `on_device`.
"""

from collections.abc import Callable

from agent.simulator import graphics, starcodes
from agent.simulator.bars import RefusedError
from agent.simulator.grammar import CR, HT, LF, NUL, UNKNOWN
from agent.simulator.paper import DRAWER, Event, OnDevice, Paper
from agent.simulator.piece import CELL_HEIGHT, Bitmap, Feed, Side
from agent.simulator.stargrammar import (
    ASK_STATUS,
    BARCODE,
    CLEAR_ETB,
    DOCUMENT,
    ENQ,
    EOT,
    ETB,
    LEADS,
    PICTURE,
    QR,
    RESET,
    SEND_STATUS,
    measure,
)

LINE_DOTS, TIGHT_DOTS = 32, 24
"""Line feeds of 4 mm (ESC z 1; the memory switch's default) and of 3 mm (ESC 0, ESC 1)."""

_DEVICE = frozenset((DOCUMENT, CLEAR_ETB, SEND_STATUS))
_PRINTS_FIRST = (1, 4)
_MOST = 6

_CODE_EVENTS = {0x07: DRAWER, 0x1C: DRAWER, 0x19: DRAWER, 0x1A: DRAWER}
_EVENTS = {b"\x1b\x1d\x07": "beep", b"\x1b\x1d\x19\x12": "beep", b"\x1b\x1d#": "setup", b"\x1b?": "setup"}
# ESC ACK is obeyed on arrival, where there is a device; in the queue it is nothing.
_QUIET = frozenset(
    (ASK_STATUS, RESET, b"\x1b\x07", b"\x1b\x1d\x19\x11", b"\x1b\x1ed", b"\x1b\x1er", b"\x1bM", b"\x1b/")
)
_IGNORED_CODES = frozenset((NUL, CR, ENQ[0], EOT[0]))


class StarPaper(Paper):
    """The interpreter. `stray` holds each byte and command that it did not know, as on ESC/POS paper."""

    qr_commands, barcode_commands = frozenset((QR,)), frozenset((BARCODE,))

    def __init__(
        self,
        width_dots: int = 576,
        kanji: bool = True,
        knife_dots: int = 0,
        on_device: OnDevice | None = None,
        prints_qr: bool = True,
        prints_barcodes: bool = True,
    ) -> None:
        super().__init__(width_dots, kanji, knife_dots, on_device, prints_qr, prints_barcodes)
        self.reset()

    def reset(self) -> None:
        """ESC @, or power coming back."""
        super().reset()
        self.settings.spacing, self.settings.tabs = LINE_DOTS, ()

    def print_line(self) -> None:
        """LF. A picture that has the line to itself is a picture as from ESC/POS, with the rest of the feed below."""
        picture = self.line.lone_image
        if picture is None:
            super().print_line()
            return
        spacing, side = self.settings.spacing, self.settings.align
        self.line.take(self.settings, spacing)
        self.current.items.append(Bitmap(picture.width_dots, picture.height_dots, picture.rows, side))
        if spacing > picture.height_dots:
            self.current.items.append(Feed(spacing - picture.height_dots))
        self.line_feeds += 1

    def _step(self, data: bytes, pos: int) -> int:
        byte = data[pos]
        if byte >= 0x20 and byte != 0x7F:
            return self._text(data, pos)
        if byte in LEADS:
            return self._command(data, pos)
        if byte == LF:
            self.print_line()
        elif byte == HT:
            self.tab()
        elif byte == ETB[0]:
            self._tell_device(ETB, b"")
        elif byte in _CODE_EVENTS:
            self.events.append(Event(_CODE_EVENTS[byte], data[pos : pos + 1]))
        elif byte in (0x0E, 0x14):
            self._grow(width=2 if byte == 0x0E else 1)
        elif byte not in _IGNORED_CODES:
            self.stray.append(data[pos : pos + 1])
        return pos + 1

    def _command(self, data: bytes, pos: int) -> int:
        key, end = measure(data, pos, self.width_dots // 8)
        if key in self._lacks:
            self.stray.append(key)
            return pos + len(key)
        if end > len(data):
            return end
        command = data[pos:end]
        if key == UNKNOWN:
            # Half a command that a host's NULs flushed is not one that we don't know; a picture too wide is.
            if command[-1] != NUL or command[2:3] > b"\0":
                self.stray.append(command)
            return end
        self._act(key, command[len(key) :], command)
        return end

    def _act(self, key: bytes, params: bytes, command: bytes) -> None:
        action = _ACTIONS.get(key)
        if action:
            action(self, params)
        elif key in _DEVICE:
            if key == DOCUMENT and params[0] in _PRINTS_FIRST:
                self.end_line()
            self._tell_device(key, params)
        elif key in _EVENTS:
            self.events.append(Event(_EVENTS[key], command))
        elif key not in _QUIET:
            self.stray.append(command)

    def _size(self, params: bytes) -> None:
        """ESC i n1 n2: height, then width, 0 to 5 or "0" to "5"; ignored whole where one is out of range."""
        high, wide = (n - 48 if 48 <= n < 48 + _MOST else n for n in params)
        if high < _MOST and wide < _MOST:
            self._grow(wide + 1, high + 1)

    def _grow(self, width: int | None = None, height: int | None = None) -> None:
        wide, high = self.settings.ank_size
        self.settings.ank_size = self.settings.kanji_size = (width or wide, height or high)
        self.settings.touch()

    def _embolden(self, on: bool) -> None:
        self.settings.bold = on
        self.settings.touch()

    def _invert(self, on: bool) -> None:
        self.settings.inverted = on
        self.settings.touch()

    def _underline(self, params: bytes) -> None:
        self.settings.ank_underlined = self.settings.kanji_underlined = params[0] in (1, 49)
        self.settings.touch()

    def _align(self, params: bytes) -> None:
        """ESC GS a n, at the start of a line only."""
        n = params[0] % 48
        if self.line.is_empty and n <= 2:
            self.settings.align = Side(n)

    def _space(self, dots: int) -> None:
        self.settings.spacing = dots

    def _cut(self, params: bytes) -> None:
        """ESC d n: 0 and 1 where the paper is, 2 and 3 after feeding it to the knife."""
        n = params[0] % 48
        if n <= 3:
            self.cut(0 if n >= 2 else None)

    def _picture(self, params: bytes) -> None:
        wide = params[0]
        self.add_image(Bitmap(wide * 8, CELL_HEIGHT, params[2:], x=self.line.x))

    def _raster(self, params: bytes) -> None:
        """ESC GS S m xL xH yL yH n d...: m is always 1."""
        self.add_picture(graphics.raster(b"\0" + params[1:5] + params[6:], self.settings.align))

    def _qr_code(self, params: bytes) -> None:
        """ESC GS y: S sets, D 1 stores, P prints; asking for its size and other ways to store are not played."""
        command = QR + params
        try:
            match params[:1], params[1:2]:
                case b"S", name:
                    starcodes.set_qr(self._qr, name, params[2])
                case b"D", b"1":
                    starcodes.store_qr(self._qr, params[2:])
                case b"P", b"":
                    self.add_code(self._qr.print(self.settings.align), command)
                case _:
                    self.stray.append(command)
        except RefusedError as refused:
            self.refuse(command, str(refused))

    def _star_barcode(self, params: bytes) -> None:
        try:
            code = starcodes.barcode(params, self.settings.align)
        except RefusedError as refused:
            self.refuse(BARCODE + params, str(refused))
            return
        self.add_code(code, BARCODE + params)


_ACTIONS: dict[bytes, Callable[[StarPaper, bytes], None]] = {
    b"\x1b@": StarPaper._initialize,
    b"\x1bi": StarPaper._size,
    b"\x1bW": lambda paper, params: paper._grow(width=1 + params[0] % 48),
    b"\x1bh": lambda paper, params: paper._grow(height=1 + params[0] % 48),
    b"\x1b\x0e": lambda paper, _: paper._grow(height=2),
    b"\x1b\x14": lambda paper, _: paper._grow(height=1),
    b"\x1bE": lambda paper, _: paper._embolden(True),
    b"\x1bF": lambda paper, _: paper._embolden(False),
    b"\x1b4": lambda paper, _: paper._invert(True),
    b"\x1b5": lambda paper, _: paper._invert(False),
    b"\x1b-": StarPaper._underline,
    b"\x1ba": lambda paper, params: paper.feed_lines(params[0]),
    b"\x1bz": lambda paper, _: paper._space(LINE_DOTS),
    b"\x1b0": lambda paper, _: paper._space(TIGHT_DOTS),
    b"\x1b1": lambda paper, _: paper._space(TIGHT_DOTS),
    b"\x1bJ": lambda paper, params: paper.feed_dots(2 * params[0]),
    b"\x1bI": lambda paper, params: paper.feed_dots(params[0]),
    b"\x1bd": StarPaper._cut,
    b"\x1b\x1da": StarPaper._align,
    b"\x1b\x1dA": lambda paper, params: paper.go_to(int.from_bytes(params, "little")),
    b"\x1b\x1dR": StarPaper._move,
    b"\x1b\x1dS": StarPaper._raster,
    PICTURE: StarPaper._picture,
    QR: StarPaper._qr_code,
    BARCODE: StarPaper._star_barcode,
}
