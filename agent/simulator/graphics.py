"""Pictures and codes: from the bytes of GS v 0, ESC *, GS ( L and GS ( k to Bitmap and Code."""

from agent.simulator.piece import Bitmap, Code, Side
from agent.simulator.settings import Settings

_BARCODES = {
    **dict(enumerate(("upc-a", "upc-e", "ean13", "ean8", "code39", "itf", "codabar"))),
    **dict(enumerate(("upc-a", "upc-e", "ean13", "ean8", "code39", "itf", "codabar", "code93", "code128"), 65)),
}
_QR_BYTES = (
    *(17, 32, 53, 78, 106, 134, 154, 192, 230, 271, 321, 367, 425, 458, 520, 586, 644, 718, 792, 858),
    *(929, 1003, 1091, 1171, 1273, 1367, 1465, 1528, 1628, 1732, 1840, 1952, 2068, 2188, 2303, 2431, 2563),
    *(2699, 2809, 2953),
)
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


def barcode(params: bytes, settings: Settings) -> Code:
    """GS k m d... NUL, or GS k m n d...: `params` from m."""
    data = params[1:].rstrip(b"\0") if params[0] <= 6 else params[2:]
    if data.startswith((b"{A", b"{B", b"{C")):
        data = data[2:]
    kind = _BARCODES.get(params[0], "barcode")
    module, height = settings.barcode_module, settings.barcode_height
    return Code(kind, data, settings.align, module, height, settings.barcode_caption)


def qr_modules(length: int) -> int:
    """Modules along a QR code's side that holds so many bytes at level L (ISO/IEC 18004, table 7)."""
    version = next((index for index, most in enumerate(_QR_BYTES, 1) if length <= most), 40)
    return 17 + 4 * version


class QrStore:
    """GS ( k for QR codes: what was stored until it is printed."""

    def __init__(self) -> None:
        self._data = b""
        self._module = 3

    def command(self, params: bytes, align: Side) -> Code | None:
        """`params` from cn (49 is QR): fn 67 module size, 80 store, 81 print; others make no difference here."""
        if len(params) < 3 or params[0] != 49:
            return None
        match params[1]:
            case 67:
                self._module = min(16, max(1, params[2]))
            case 80:
                self._data = params[3:]
            case 81 if self._data:
                return Code("QR", self._data, align, self._module, self._module * qr_modules(len(self._data)))
        return None


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
