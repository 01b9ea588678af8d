"""A roll of paper that reads ESC/POS: bytes in, pieces of paper out. Pure: no time, no wire, no replies.

Commands may be split at any byte. What only a machine can answer (status, counters, process IDs) goes to `on_device`.
A line is printed when LF comes or when a character no longer fits, not when it is full, as the manuals say.
"""

import re
from collections.abc import Callable

import msgspec

from agent.simulator import graphics
from agent.simulator.bars import RefusedError
from agent.simulator.grammar import CR, DLE, HT, LEADS, LF, NUL, UNKNOWN, measure
from agent.simulator.piece import Code, Feed
from agent.simulator.roll import Roll

OnDevice = Callable[[bytes, bytes], None]

_ASCII = re.compile(rb"[\x20-\x7e]+")
_PAIRS = re.compile(rb"(?:[\x81-\xfe][\x40-\x7e\x80-\xfe])+")
_MIXED = re.compile(rb"(?:[\x20-\x7e]+|[\x81-\xfe][\x40-\x7e\x80-\xfe])+")
_SINGLES = re.compile(rb"[\x20-\x7e\x80-\xff]+")
_NULS = re.compile(rb"\0+")
_NO_CHARACTER = "\ufffd"

DRAWER, BEEP, REFUSED = "drawer", "beep", "refused"
_EVENTS = {
    b"\x1bp": DRAWER,
    b"\x1bB": BEEP,
    b"\x1bC": BEEP,
    b"\x1b(A": BEEP,
    b"\x1cp": "logo",
    b"\x1d/": "logo",
    b"\x1c2": "glyph",
    b"\x1d*": "download",
    b"\x1d(A": "test_print",
    b"\x1d(C": "nv_write",
    b"\x1d(E": "setup",
    b"\x1d(M": "setup",
}
REALTIME_EVENTS = {b"\x10\x14\x01": DRAWER, b"\x10\x14\x02": "power_off", b"\x10\x14\x03": BEEP}
_DEVICE = frozenset((b"\x1dr", b"\x1da", b"\x1dI", b"\x1dg0", b"\x1dg2", b"\x1d(H", b"\x1bu", b"\x1bv"))
_QR, _BARCODE = b"\x1d(k", b"\x1dk"
_QR_COMMANDS = frozenset((_QR,))
_BARCODE_COMMANDS = frozenset((_BARCODE, b"\x1dh", b"\x1dw", b"\x1dH", b"\x1df"))
_QUIET = frozenset((b"\x1d(D", b"\x1d(K", b"\x1d(N", b"\x1d(Q", b"\x1c(A", b"\x1c(E"))


class Event(msgspec.Struct, frozen=True):
    """Something that is not print: a drawer kick, a beep, a write to memory, a code that was refused.

    `command` is the whole command, `reason` why it was refused.
    """

    kind: str
    command: bytes
    reason: str = ""


class Paper(Roll):
    """The interpreter and everything that it printed. `stray` holds each byte or command that it did not know.

    Without `prints_qr` or `prints_barcodes` it knows no such command, and prints the bytes as text.
    """

    qr_commands, barcode_commands = _QR_COMMANDS, _BARCODE_COMMANDS

    def __init__(
        self,
        width_dots: int = 576,
        kanji: bool = True,
        knife_dots: int = 0,
        on_device: OnDevice | None = None,
        prints_qr: bool = True,
        prints_barcodes: bool = True,
    ) -> None:
        super().__init__(width_dots, kanji, knife_dots)
        self.events: list[Event] = []
        self.stray: list[bytes] = []
        self._on_device = on_device
        self._held, self._need = bytearray(), 0
        self._qr, self._pictures = graphics.QrStore(), graphics.PictureStore()
        self._lacks = frozenset[bytes]()
        self._lacks |= frozenset() if prints_qr else self.qr_commands
        self._lacks |= frozenset() if prints_barcodes else self.barcode_commands

    @property
    def refused(self) -> list[Event]:
        """Barcodes and QR codes that were not printed as they were told, each with its reason."""
        return [event for event in self.events if event.kind == REFUSED]

    @property
    def drawer_kicks(self) -> int:
        """How often the cash drawer was opened: a kitchen's printer never should."""
        return sum(event.kind == DRAWER for event in self.events)

    @property
    def beeps(self) -> int:
        """How often it was told to beep, whatever the number of tones."""
        return sum(event.kind == BEEP for event in self.events)

    def forget(self) -> None:
        """Lose what was not printed: half a command, half a line. The paper stays as it is."""
        self._held, self._need = bytearray(), 0
        self._qr, self._pictures = graphics.QrStore(), graphics.PictureStore()
        self.reset()

    def feed(self, data: bytes | bytearray | memoryview, max_lines: int | None = None) -> int:
        """Interpret `data` and return how much of it was taken: less than all only once `max_lines` were fed."""
        held = len(self._held)
        if held:
            self._held += data
            if len(self._held) < self._need:
                return len(data)
            work = bytes(self._held)
        else:
            work = bytes(data)
        goal = None if max_lines is None else self.line_feeds + max_lines
        pos, end = 0, len(work)
        while pos < end and (goal is None or self.line_feeds < goal):
            after = self._step(work, pos)
            if after > end:
                self._held, self._need = bytearray(work[pos:]), after - pos
                return len(data)
            pos = after
        self._held, self._need = bytearray(work[pos:held]), 0
        return max(0, pos - held)

    def _step(self, data: bytes, pos: int) -> int:
        """Do one thing, feeding at most one line of text; an end beyond the data means that more is needed."""
        byte = data[pos]
        if byte >= 0x20 and byte != 0x7F:
            return self._text(data, pos)
        if byte in LEADS:
            return self._command(data, pos)
        if byte == LF:
            self.print_line()
        elif byte == HT:
            self.tab()
        elif byte == NUL:
            return _end(_NULS, data, pos)
        elif byte != CR:
            self.stray.append(data[pos : pos + 1])
        return pos + 1

    def _text(self, data: bytes, pos: int) -> int:
        settings = self.settings
        form = settings.type
        if not settings.kanji:
            raw = data[pos : _end(_SINGLES, data, pos)]
            return pos + self._put_singles(raw.decode(settings.code_page, "replace"))
        if form.even:
            end = _end(_MIXED, data, pos)
            if self._put_all(data[pos:end]):
                return end
        if data[pos] < 0x80:
            return pos + self._put_singles(data[pos : _end(_ASCII, data, pos)].decode("ascii"))
        pairs = _PAIRS.match(data, pos)
        if pairs:
            text = _decode(pairs.group())
            taken = self.put(text, form.kanji_look, form.kanji_advance)
            unknown = [pos + 2 * at for at in range(taken) if text[at] == _NO_CHARACTER]
            self.stray += [data[at : at + 2] for at in unknown]
            return pos + 2 * taken
        return self._half(data, pos)

    def _put_all(self, raw: bytes) -> bool:
        """The usual case, quickly: whole characters of one look that fit on the line; else nothing is put."""
        form = self.settings.type
        dots = len(raw) * form.ank_advance
        if self.line.x + dots > form.width:
            return False
        try:
            text = raw.decode("gbk")
        except UnicodeDecodeError:
            return False
        self.line.put(text, form.ank_look, dots)
        return True

    def _half(self, data: bytes, pos: int) -> int:
        """A byte that begins no character. NULs flush a half character (a host resynchronising); else it is stray."""
        is_lead = 0x81 <= data[pos] <= 0xFE
        if is_lead and pos + 1 == len(data):
            return pos + 2
        if not is_lead or data[pos + 1] != NUL:
            self.stray.append(data[pos : pos + 1])
        return pos + 1

    def _put_singles(self, text: str) -> int:
        settings = self.settings
        if settings.national:
            text = text.translate(settings.national)
        return self.put(text, settings.type.ank_look, settings.type.ank_advance)

    def _command(self, data: bytes, pos: int) -> int:
        key, end = measure(data, pos)
        if key in self._lacks:
            self.stray.append(key[:2])
            return pos + 2
        if end > len(data):
            return end
        if key == _BARCODE and not self.line.is_empty:
            self.refuse(data[pos:end], "a barcode begins at the start of a line")
            return pos + 3
        command = data[pos:end]
        if key == UNKNOWN:
            # A name that ends in NUL is half a command flushed by a host's NULs, not one that we don't know.
            if command[-1] != NUL:
                self.stray.append(command)
            return end
        params = command[len(key) :]
        if not self.settings.apply(key, params):
            self._act(key, params, command)
        return end

    def _act(self, key: bytes, params: bytes, command: bytes) -> None:
        action = _ACTIONS.get(key)
        if action:
            action(self, params)
        elif key in _DEVICE or key[0] == DLE:
            self._tell_device(key, params)
        elif key in _EVENTS:
            self.events.append(Event(_EVENTS[key], command))
        elif key not in _QUIET and key[-1] != NUL:
            self.stray.append(command)

    def _tell_device(self, key: bytes, params: bytes) -> None:
        # Real-time commands were obeyed on arrival, where there is a device; in the queue they are nothing.
        if self._on_device is not None:
            self._on_device(key, params)
        elif key in REALTIME_EVENTS:
            self.events.append(Event(REALTIME_EVENTS[key], key + params))

    def _initialize(self, params: bytes) -> None:
        """ESC @: the device hears of it too, it turns status sending off."""
        self.reset()
        self._qr = graphics.QrStore()
        self._tell_device(b"\x1b@", params)

    def _cut(self, params: bytes) -> None:
        """GS V m [n]: two-byte forms feed to the knife first."""
        self.cut(params[1] if len(params) > 1 else None)

    def _move(self, params: bytes) -> None:
        self.go_to(self.line.x + int.from_bytes(params, "little", signed=True))

    def _columns(self, params: bytes) -> None:
        self.add_image(graphics.columns(params, self.line.x))

    def _raster(self, params: bytes) -> None:
        self.add_picture(graphics.raster(params[1:], self.settings.align))

    def _graphics(self, params: bytes) -> None:
        self.add_picture(self._pictures.command(params[2:], self.settings.align))

    def _long_graphics(self, params: bytes) -> None:
        self.add_picture(self._pictures.command(params[4:], self.settings.align))

    def _qr_code(self, params: bytes) -> None:
        """GS ( k: a printing one wants the start of a line."""
        try:
            code = self._qr.command(params[2:], self.settings.align)
            if code is not None and not self.line.is_empty:
                raise RefusedError("a QR code begins at the start of a line")
        except RefusedError as refused:
            self.refuse(_QR + params, str(refused))
            return
        self.add_code(code, _QR + params)

    def _barcode(self, params: bytes) -> None:
        try:
            code, note = graphics.barcode(params, self.settings)
        except RefusedError as refused:
            self.refuse(_BARCODE + params, str(refused))
            return
        if note:
            self.refuse(_BARCODE + params, note)
        self.add_code(code, _BARCODE + params)

    def add_code(self, code: Code | None, command: bytes) -> None:
        """A code on lines of its own. One wider than the paper is not printed; a barcode then feeds its height."""
        if code is None or code.printed_width <= self.settings.type.width:
            self.add_picture(code)
            return
        self.refuse(command, f"{code.printed_width} dots are wider than the line of {self.settings.type.width}")
        if code.bars:
            self.add_picture(Feed(code.printed_height))

    def refuse(self, command: bytes, reason: str) -> None:
        """Nothing is printed, and whoever watches is told why."""
        self.events.append(Event(REFUSED, command, reason))


def _decode(raw: bytes) -> str:
    """Two-byte characters, one for each pair, whether GBK knows it or not."""
    try:
        return raw.decode("gbk")
    except UnicodeDecodeError:
        if len(raw) > 2:
            return "".join(_decode(raw[at : at + 2]) for at in range(0, len(raw), 2))
        return _NO_CHARACTER


def _end(pattern: re.Pattern[bytes], data: bytes, pos: int) -> int:
    """Where a run of such bytes ends; at least one byte on, so that reading always goes on."""
    match = pattern.match(data, pos)
    return match.end() if match else pos + 1


_ACTIONS: dict[bytes, Callable[[Paper, bytes], None]] = {
    b"\x1b@": Paper._initialize,
    b"\x1bd": lambda paper, params: paper.feed_lines(params[0]),
    b"\x1bJ": lambda paper, params: paper.feed_dots(params[0]),
    b"\x1b$": lambda paper, params: paper.go_to(int.from_bytes(params, "little")),
    b"\x1b\\": Paper._move,
    b"\x1b*": Paper._columns,
    b"\x1bi": lambda paper, _: paper.cut(),
    b"\x1bm": lambda paper, _: paper.cut(),
    b"\x1dV": Paper._cut,
    b"\x1dv": Paper._raster,
    b"\x1d(L": Paper._graphics,
    b"\x1d8L": Paper._long_graphics,
    _QR: Paper._qr_code,
    _BARCODE: Paper._barcode,
}
