"""The bytes of Star Line Mode. Source: Star's "STAR Line Mode Command Specifications", rev. 1.12.

Chinese models read two-byte characters without being told, by a memory switch: the manual's kanji modes (ESC p, ESC $)
are for Japanese ones. Nothing of ESC/POS may slip in: FS opens the drawer here, ESC a feeds, and ESC B eats what
follows up to the next NUL.
"""

import re
from collections.abc import Sequence

from agent.encode import code128, codes, raster
from agent.encode.press import LINE_FEED, Fed
from agent.model.layout import Align, Code, Style, Symbology
from agent.model.profile import Profile

_MOST = 6
"""Characters grow to six times their size; ESC i ignores more."""

_FEED_4_MM = b"\x1bz\x01"
_FEED_3_MM = b"\x1b0"  # 24 dots: one band of a picture joins the next
_CUTS = {"full": b"\x1bd\x02", "partial": b"\x1bd\x03"}
# No manual says that these are obeyed inside pictures (status and reset in real time), nor that they are not.
_REAL_TIME = re.compile(rb"\x1b(?=\x06[\x01\x18])")
_MORE_PIXEL = b"\x1f"
_PULSE_UNIT_MS = 10
_LEVELS = "lmqh"
_QR_MODULE, _BAR_MODULE = 8, 4
_CAPTION_DOTS = 64  # characters and their line feed
_SYMBOLOGIES = {
    Symbology.UPC_A: "1",
    Symbology.EAN8: "2",
    Symbology.EAN13: "3",
    Symbology.CODE39: "4",
    Symbology.ITF: "5",
    Symbology.CODE128: "6",
    Symbology.CODE93: "7",
    Symbology.CODABAR: "8",
}


class Star:
    """Star's own language. A line is 4 mm, 32 dots, whatever the memory switch says."""

    opening = _FEED_4_MM
    kanji_mode = b""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile

    def style(self, now: Style, then: Style) -> bytes:
        """ESC i for the size (height first), ESC E and F for the weight, ESC 4 and 5 for white on black, ESC -."""
        data = b""
        if (then.width, then.height) != (now.width, now.height):
            data += bytes((0x1B, 0x69, min(then.height, _MOST) - 1, min(then.width, _MOST) - 1))
        if then.bold is not now.bold:
            data += b"\x1bE" if then.bold else b"\x1bF"
        if then.inverted is not now.inverted:
            data += b"\x1b4" if then.inverted else b"\x1b5"
        if then.underlined is not now.underlined:
            data += b"\x1b-\x01" if then.underlined else b"\x1b-\x00"
        return data

    def align(self, align: Align) -> bytes:
        """ESC GS a n."""
        return bytes((0x1B, 0x1D, 0x61, align.value))

    def gap(self, dots: int) -> Fed:
        """ESC J n, in units of 1/4 mm, two dots."""
        units = (dots + 1) // 2
        return Fed(bytes((0x1B, 0x4A, units)), dots=2 * units)

    def picture(self, bands: Sequence[raster.Band]) -> list[Fed]:
        """ESC k n1 0, a line of 24 dots a band. It must not be wider than the paper: what is would print as text."""
        lines = [Fed(self._band(band) + LINE_FEED, lines=1) for band in bands]
        if len(lines) > 1:
            lines.insert(0, Fed(_FEED_3_MM))
            lines.insert(-1, Fed(_FEED_4_MM))
        return lines

    def code(self, code: Code, dots: int) -> Fed | None:
        """ESC GS y for QR codes, ESC b for the rest."""
        is_qr = code.symbology is Symbology.QR
        if not (self._profile.prints_qr if is_qr else self._profile.prints_barcodes):
            return None
        data = _qr(code) if is_qr else _bars(code, dots)
        if data is None:
            return None
        return Fed(data, dots=codes.breadth(code) if is_qr else 2 * code.height + _CAPTION_DOTS)

    def cut(self) -> bytes:
        """ESC d 3 feeds to the knife and cuts but for one point, ESC d 2 cuts through."""
        return _CUTS[self._profile.cut]

    def drawer(self) -> bytes:
        """ESC BEL n1 n2, in units of 10 ms, and BEL; SUB for the other drawer, which always takes 200 ms."""
        pulse = self._profile.drawer
        if pulse is None:
            return b""
        if pulse.pin == 5:
            return b"\x1a"
        times = (max(1, min(127, ms // _PULSE_UNIT_MS)) for ms in (pulse.on_ms, pulse.off_ms))
        return bytes((0x1B, 0x07, *times, 0x07))

    def beep(self) -> bytes:
        """Nothing: Star's buzzer commands drive the drawer's socket, and a drawer there may burn."""
        return b""

    def _band(self, band: raster.Band) -> bytes:
        data = band.data.ljust(band.width_bytes * raster.BAND_ROWS, b"\0")
        return bytes((0x1B, 0x6B, band.width_bytes, 0)) + _REAL_TIME.sub(_MORE_PIXEL, data)


def _qr(code: Code) -> bytes | None:
    """S 0 model 2, S 1 error correction, S 2 module, D 1 data, P print."""
    text = code.text.encode()
    if min(text) < 0x20:
        return None
    level, module = _LEVELS.index(code.level), min(code.module, _QR_MODULE)
    settings = b"\x1b\x1dyS0\x02\x1b\x1dyS1" + bytes((level,)) + b"\x1b\x1dyS2" + bytes((module,))
    return settings + b"\x1b\x1dyD1\x00" + len(text).to_bytes(2, "little") + text + b"\x1b\x1dyP"


def _bars(code: Code, dots: int) -> bytes | None:
    """ESC b n1 n2 n3 n4 data RS: symbology, caption and line feed, module (and 1 to 3 for wide bars), height."""
    text = code.text
    if code.symbology is Symbology.CODE128:
        if code128.modules_in_b(text) * code.module > dots:
            return None
        # % begins a special character. Without a start code the printer takes set C where more than 4 digits begin.
        text = text if text.isdigit() and len(text) > 4 else "%7" + text.replace("%", "%0")
    elif code.symbology is Symbology.CODE93 and "%" in text:
        return None
    module = min(code.module, _BAR_MODULE) - 1 + (6 if code.symbology is Symbology.ITF else 0)
    head = _SYMBOLOGIES[code.symbology] + ("2" if code.caption else "1") + str(module)
    return b"\x1bb" + head.encode("ascii") + bytes((code.height,)) + text.encode("ascii") + b"\x1e"
