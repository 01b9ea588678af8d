"""Rows become bytes, and the bytes of ESC/POS. Only languages emit control bytes, and none of them comes from an order.

A ticket starts on a printer that was just reset (ESC @, the session's) and leaves every style as it found it.
Sources: Epson's ESC/POS command reference; the Chinese models' kanji mode (FS &) and buzzer (ESC B).
"""

import re
from collections.abc import Sequence
from functools import lru_cache

from agent.encode import code128, codes, raster
from agent.encode.press import Encoded, Fed, Language, Press
from agent.model.layout import Align, Code, Printed, Style, Symbology
from agent.model.profile import GENERIC, Profile

__all__ = ["Encoded", "EscPos", "encode"]

_CAPTION_DOTS = 34
_PICTURE_GAP = 6  # a text line is 30 dots high, a picture 24: 6 more keep the lines apart
# Real-time commands are obeyed even inside pictures: one more pixel breaks them.
_REAL_TIME = re.compile(rb"\x10(?=[\x04\x05\x14])")
_MORE_PIXEL = b"\x18"
_CUTS = {"partial": b"\x1dVB\x00", "full": b"\x1dVA\x00"}
# Three beeps of 100 ms. ESC B n t: n times t * 50 ms; ESC ( A function 97: c times t1 * 100 ms on, t2 * 100 ms off.
_BEEPS = {"none": b"", "esc_b": b"\x1bB\x03\x02", "esc_paren_a": b"\x1b(A\x05\x00\x61\x64\x03\x01\x01"}
_PULSE_UNIT_MS = 2
_LEVELS = "lmqh"  # 48 to 51, in GS ( k function 169
_SYMBOLOGIES = {
    Symbology.UPC_A: 65,
    Symbology.EAN13: 67,
    Symbology.EAN8: 68,
    Symbology.CODE39: 69,
    Symbology.ITF: 70,
    Symbology.CODABAR: 71,
    Symbology.CODE93: 72,
    Symbology.CODE128: 73,
}


def encode(
    rows: Sequence[Printed],
    width: int,
    *,
    dots: int | None = None,
    fonts: raster.Fonts | None = None,
    feed: int | None = None,
    profile: Profile = GENERIC,
    beep: bool = False,
    drawer: bool = False,
    most_band: int | None = None,
) -> Encoded:
    """A typeset ticket as bytes, in the language that the printer's profile names. It always ends with a cut.

    `width` is in cells and `dots` the printable width, 12 a cell by default; pictures are never wider. `feed` is in
    lines before each cut, the profile's by default. `beep` and `drawer` come after the last cut, as far as the profile
    has them: a kitchen's ticket never asks for `drawer`. `most_band` is how many bytes a band of a picture may take,
    for a slow line; Star's have always 24 rows.
    Raises: ValueError when a row holds a control character (typeset leaves none in).
    """
    language: Language = EscPos(profile, most_band)
    if profile.language == "star":
        from agent.encode.star import Star  # the only one of them in most shops is ESC/POS

        language = Star(profile)
    cells = min(width, (dots or width * raster.CELL_DOTS) // raster.CELL_DOTS)
    press = Press(language, cells, fonts, profile.knife_feed if feed is None else feed)
    press.run(rows, width)
    return press.finish(drawer=drawer, beep=beep)


class EscPos:
    """ESC/POS, as Epson defined it and most others speak it."""

    opening = b""
    kanji_mode = b"\x1c&"

    def __init__(self, profile: Profile, most_band: int | None = None) -> None:
        self._profile = profile
        self._most_band = most_band

    def style(self, now: Style, then: Style) -> bytes:
        """GS ! for the size, ESC E for the weight, GS B for white on black; ESC - and FS - for lines below."""
        return _change(now, then)

    def align(self, align: Align) -> bytes:
        """ESC a n."""
        return bytes((0x1B, 0x61, align.value))

    def gap(self, dots: int) -> Fed:
        """ESC J n."""
        return Fed(bytes((0x1B, 0x4A, dots)), dots=dots)

    def picture(self, bands: Sequence[raster.Band]) -> list[Fed]:
        """GS v 0, a command a band."""
        lower = [part for band in bands for part in band.parts(self._most_band)]
        return [*map(_band, lower), self.gap(_PICTURE_GAP)]

    def code(self, code: Code, dots: int) -> Fed | None:
        """GS ( k for QR codes, GS k in its counted form for the rest."""
        is_qr = code.symbology is Symbology.QR
        if not (self._profile.prints_qr if is_qr else self._profile.prints_barcodes):
            return None
        data = _qr(code) if is_qr else _bars(code, dots)
        # A length may look like a real-time command, too: a drawn code never does.
        if data is None or _REAL_TIME.search(data):
            return None
        return Fed(data, dots=codes.breadth(code) if is_qr else code.height + _CAPTION_DOTS * code.caption)

    def cut(self) -> bytes:
        """GS V 66 0 feeds to the knife and cuts but for one point; GS V 65 0 cuts through."""
        return _CUTS[self._profile.cut]

    def drawer(self) -> bytes:
        """ESC p m t1 t2, in units of 2 ms."""
        pulse = self._profile.drawer
        if pulse is None:
            return b""
        times = (min(255, ms // _PULSE_UNIT_MS) for ms in (pulse.on_ms, pulse.off_ms))
        return bytes((0x1B, 0x70, pulse.pin == 5, *times))

    def beep(self) -> bytes:
        """As the profile says; nothing where it says nothing."""
        return _BEEPS[self._profile.buzzer]


def _band(band: raster.Band) -> Fed:
    size = bytes((band.width_bytes & 0xFF, band.width_bytes >> 8, band.rows, 0))
    return Fed(b"\x1dv0\x00" + size + _REAL_TIME.sub(_MORE_PIXEL, band.data), dots=band.rows)


@lru_cache(maxsize=1024)
def _change(now: Style, then: Style) -> bytes:
    data = b""
    if (then.width, then.height) != (now.width, now.height):
        data += bytes((0x1D, 0x21, (then.width - 1) << 4 | (then.height - 1)))
    if then.bold is not now.bold:
        data += b"\x1bE\x01" if then.bold else b"\x1bE\x00"
    if then.inverted is not now.inverted:
        data += b"\x1dB\x01" if then.inverted else b"\x1dB\x00"
    if then.underlined is not now.underlined:
        data += b"\x1b-\x02\x1c-\x02" if then.underlined else b"\x1b-\x00\x1c-\x00"
    return data


def _qr(code: Code) -> bytes | None:
    """Functions 165 model 2, 167 module, 169 error correction, 180 store, 181 print."""
    text = code.text.encode()
    if min(text) < 0x20:
        return None
    level = 48 + _LEVELS.index(code.level)
    stored = (len(text) + 3).to_bytes(2, "little") + b"\x31\x50\x30" + text
    return b"".join(
        (
            b"\x1d(k\x04\x00\x31\x41\x32\x00",
            bytes((0x1D, 0x28, 0x6B, 3, 0, 0x31, 0x43, code.module)),
            bytes((0x1D, 0x28, 0x6B, 3, 0, 0x31, 0x45, level)),
            b"\x1d(k" + stored,
            b"\x1d(k\x03\x00\x31\x51\x30",
        )
    )


def _bars(code: Code, dots: int) -> bytes | None:
    """GS h, GS w, GS H, GS k m n."""
    text = code.text.encode("ascii")
    if code.symbology is Symbology.CODE128:
        if not (data := _code128(code, dots)):
            return None
        text = data
    if len(text) > 255:
        return None
    settings = bytes((0x1D, 0x68, code.height, 0x1D, 0x77, code.module, 0x1D, 0x48, 2 if code.caption else 0))
    return settings + bytes((0x1D, 0x6B, _SYMBOLOGIES[code.symbology], len(text))) + text


def _code128(code: Code, dots: int) -> bytes:
    """Set C sends two digits as one byte: only where that is no control character. Nothing where B is too broad."""
    text = code.text
    if text.isdigit() and len(text) % 2 == 0:
        pairs = bytes([int(text[at : at + 2]) for at in range(0, len(text), 2)])
        if min(pairs) >= 0x20:
            return b"{C" + pairs
    fits = code128.modules_in_b(text) * code.module <= dots
    return b"{B" + text.replace("{", "{{").encode("ascii") if fits else b""
