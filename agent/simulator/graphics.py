"""Pictures and codes: from the bytes of GS v 0, ESC *, GS ( L and GS ( k to Bitmap and Code."""

from agent.simulator import barcodes, qr
from agent.simulator.bars import RefusedError
from agent.simulator.piece import Bitmap, Code, Side
from agent.simulator.settings import Settings

_WIDE = {2: 5, 3: 8, 4: 10, 5: 13, 6: 15}
"""GS w n, for barcodes of narrow and wide elements: the wide ones, as Epson's table says in millimetres, in dots."""
_SPREAD = tuple(int("".join(f"{bit}" * 3 for bit in f"{byte:08b}"), 2).to_bytes(3, "big") for byte in range(256))
"""A byte of 8 dots as 24: the old 8-dot modes print each dot three times as high."""


def raster(params: bytes, align: Side) -> Bitmap:
    """GS v 0 m xL xH yL yH d...: `params` from m; m 1 and 3 double the width, 2 and 3 the height."""
    mode, wide = params[0] & 3, params[1] + 256 * params[2]
    high = params[3] + 256 * params[4]
    return Bitmap(wide * 8, high, params[5:], align, x_scale=1 + (mode & 1), y_scale=1 + (mode >> 1))


def columns(params: bytes, x: int) -> Bitmap:
    """ESC * m nL nH d...: `params` from m; columns from left to right, the high bit on top."""
    mode, count = params[0], params[1] + 256 * params[2]
    data = params[3:]
    if mode not in (32, 33):
        data = b"".join(_SPREAD[byte] for byte in data)
    stride = (count + 7) // 8
    rows = bytearray(stride * 24)
    for column in range(count):
        mask = 0x80 >> (column & 7)
        bits = int.from_bytes(data[column * 3 : column * 3 + 3], "big")
        for row in range(24) if bits else ():
            if bits & (0x800000 >> row):
                rows[row * stride + (column >> 3)] |= mask
    return Bitmap(count, 24, bytes(rows), x=x, x_scale=2 if mode in (0, 32) else 1)


def barcode(params: bytes, settings: Settings) -> tuple[Code, str]:
    """GS k m d... NUL, or GS k m n d...: `params` from m; and a note on what of the data is not printed.

    Raises:
        RefusedError: nothing is printed.
    """
    symbol = barcodes.read(params)
    module = settings.barcode_module
    code = Code(
        symbol.kind,
        symbol.bars.data,
        settings.align,
        module,
        settings.barcode_height,
        settings.barcode_caption,
        symbol.bars.caption,
        settings.barcode_caption_small,
        symbol.bars.widths(module, _WIDE[module]),
    )
    return code, symbol.note


class QrStore:
    """What was told of the next QR code, by GS ( k or by Star's ESC GS y, and its data until it is printed."""

    def __init__(self) -> None:
        self.data = b""
        self.module, self.level, self.model = 3, "L", 2

    def command(self, params: bytes, align: Side) -> Code | None:
        """GS ( k, `params` from cn: functions 165 model, 167 module, 169 level, 180 store, 181 print, 182 ask its size.

        Raises:
            RefusedError: the printer ignores it.
        """
        if len(params) < 3 or params[0] != 49:
            raise RefusedError("no other two-dimensional code is played than QR")
        match params[1], params[2]:
            case 65, 49 | 50 | 51 as model:
                self.model = model - 48
            case 67, module if 1 <= module <= 16:
                self.module = module
            case 69, level if 48 <= level <= 51:
                self.level = qr.LEVELS[level - 48]
            case 80, 48 if 4 <= len(params) <= 3 + 7089:
                self.data = params[3:]
            case 81, 48:
                return self.print(align)
            case 82, 48:
                return None
            case function, value:
                raise RefusedError(f"QR function {function + 100} does not take {value}")
        return None

    def print(self, align: Side) -> Code:
        """The code of what is stored.

        Raises:
            RefusedError: there is nothing, or too much of it.
        """
        if not self.data:
            raise RefusedError("no data is stored for a QR code")
        if self.model != 2:
            raise RefusedError("only QR codes of model 2 are played")
        modules = qr.side(self.data, self.level)
        if modules is None:
            raise RefusedError(f"{len(self.data)} bytes are more than a QR code of level {self.level} holds")
        dots = self.module * modules
        return Code("QR", self.data, align, self.module, dots, level=self.level, modules=modules)


class PictureStore:
    """GS ( L and GS 8 L: a raster kept in the print buffer (fn 112) until fn 50 prints it."""

    def __init__(self) -> None:
        self._kept: Bitmap | None = None

    def command(self, params: bytes, align: Side) -> Bitmap | None:
        """`params` from m: m fn a bx by c xL xH yL yH d..."""
        function = params[1] if len(params) > 1 else 0
        if function == 112 and len(params) >= 10:
            self._kept = self._raster(params)
        if function not in (2, 50) or self._kept is None:
            return None
        kept, self._kept = self._kept, None
        return Bitmap(kept.width_dots, kept.height_dots, kept.rows, align, x_scale=kept.x_scale, y_scale=kept.y_scale)

    def _raster(self, params: bytes) -> Bitmap | None:
        wide, high = params[6] + 256 * params[7], params[8] + 256 * params[9]
        rows = params[10:]
        if len(rows) != (wide + 7) // 8 * high:
            return None
        return Bitmap(wide, high, rows, x_scale=2 if params[3] == 2 else 1, y_scale=2 if params[4] == 2 else 1)
