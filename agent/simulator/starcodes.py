"""Star's ESC b and ESC GS y: barcodes and QR codes of Line Mode. From the command specifications, 3-3-10 and 5.1."""

from agent.simulator import bars, qr
from agent.simulator.barcodes import checked, codabar, symbol_value
from agent.simulator.bars import START, Bars, RefusedError
from agent.simulator.graphics import QrStore
from agent.simulator.piece import Caption, Code, Side

_KINDS = ("upc-e", "upc-a", "ean8", "ean13", "code39", "itf", "code128", "code93", "codabar")
_MODULES = {1: 2, 2: 3, 3: 4}
_NARROW_WIDE = {1: (2, 6), 2: (3, 9), 3: (4, 12), 4: (2, 5), 5: (3, 8), 6: (4, 10), 7: (2, 4), 8: (3, 6), 9: (4, 8)}
_ITF_NARROW_WIDE = dict(enumerate(((2, 5), (4, 10), (6, 15), (2, 4), (4, 8), (6, 12), (2, 6), (3, 9), (4, 12)), 1))
"""Dots of narrow and wide elements by mode n3."""

_DIGITS = frozenset(b"0123456789")
_CODE39 = frozenset(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%+-./")
_NW7 = frozenset(b"0123456789ABCDabcd$+-./:")


def barcode(params: bytes, align: Side) -> Code:
    """ESC b n1 n2 n3 n4 d... RS: kind, caption and line feed, mode, height in dots; `params` from n1.

    Raises:
        RefusedError: nothing is printed.
    """
    kind_at, under, mode = (n - 48 if n >= 48 else n for n in params[:3])
    height, data = params[3], params[4:].rstrip(b"\x1e")
    if kind_at >= len(_KINDS) or not 1 <= under <= 4 or not height:
        raise RefusedError("n1, n2 or n4 is out of range")
    kind = _KINDS[kind_at]
    sizes = {"itf": _ITF_NARROW_WIDE, "code39": _NARROW_WIDE, "codabar": _NARROW_WIDE}.get(kind)
    if mode not in (sizes or _MODULES):
        raise RefusedError(f"{kind} has no mode {mode}")
    module, wide = sizes[mode] if sizes else (_MODULES[mode], 0)
    symbol = _symbol(kind, data)
    caption = Caption.BELOW if under in (2, 4) else Caption.NONE
    return Code(kind, symbol.data, align, module, height, caption, symbol.caption, bars=symbol.widths(module, wide))


def set_qr(store: QrStore, name: bytes, value: int) -> None:
    """ESC GS y S name n: 0 model, 1 level, 2 module.

    Raises:
        RefusedError: the printer ignores it.
    """
    match name, value:
        case b"0", 1 | 2:
            store.model = value
        case b"1", 0 | 1 | 2 | 3:
            store.level = qr.LEVELS[value]
        case b"2", module if 1 <= module <= 8:
            store.module = module
        case _:
            raise RefusedError(f"QR setting {name!r} does not take {value}")


def store_qr(store: QrStore, params: bytes) -> None:
    """ESC GS y D 1 m nL nH d...: `params` from m.

    Raises:
        RefusedError: the data is dropped; what was stored before stays.
    """
    if params[0] != 0 or not 1 <= len(params) - 3 <= 7089:
        raise RefusedError("QR data wants m 0 and 1 to 7089 bytes")
    store.data = params[3:]


def _symbol(kind: str, data: bytes) -> Bars:
    alphabet = {"code39": _CODE39, "codabar": _NW7, "code128": None, "code93": None}.get(kind, _DIGITS)
    wrong = next((byte for byte in data if byte > 127 or (alphabet is not None and byte not in alphabet)), None)
    if wrong is not None or not data:
        raise RefusedError(f"{kind} without data" if wrong is None else f"the byte {wrong:02X}h is none of {kind}")
    match kind:
        case "upc-e" | "upc-a" | "ean8" | "ean13":
            return _fixed(kind, data.decode())
        case "code39":
            return bars.code39(data.decode())
        case "itf":
            return bars.itf("0" * (len(data) % 2) + data.decode())
        case "code93":
            return bars.code93(b"".join(said for said in _unescaped(data) if isinstance(said, bytes)))
        case "codabar":
            return codabar(data)
        case _:
            return _code128(data)


def _fixed(kind: str, digits: str) -> Bars:
    """A check digit that the host sends is dropped, and made anew."""
    full = {"ean8": 8, "ean13": 13}.get(kind, 12)
    if len(digits) not in (full - 1, full):
        raise RefusedError(f"{kind} takes {full - 1} or {full} digits")
    whole = checked(digits[: full - 1], full)
    if kind == "upc-e":
        if digits[0] != "0":
            raise RefusedError("UPC-E begins with 0")
        return bars.upc_e(whole[:11])
    draw = {"upc-a": bars.upc_a, "ean8": bars.ean8, "ean13": bars.ean13}[kind]
    return draw(whole)


def _unescaped(data: bytes) -> list[bytes | int]:
    """Characters, and the digits 1 to 8 of %1 to %4 (functions) and %6 to %8 (start codes)."""
    found: list[bytes | int] = []
    at = 0
    while at < len(data):
        byte = data[at : at + 1]
        if byte != b"%":
            found.append(byte)
            at += 1
            continue
        sign = data[at + 1] if at + 1 < len(data) else 0
        if 0x40 <= sign <= 0x5F:
            found.append(bytes((sign - 0x40,)))
        elif sign in b"05":
            found.append(b"%" if sign == ord("0") else b"\x7f")
        elif sign in b"1234678":
            found.append(sign - 48)
        else:
            raise RefusedError("a percent sign is sent as %0")
        at += 2
    return found


def _code128(data: bytes) -> Bars:
    """Without a start code: C while digits lead, A for a control character, else B."""
    found = _unescaped(data)
    code_set = ""
    if isinstance(found[0], int) and found[0] >= 6:
        code_set = "ABC"[found[0] - 6]
        del found[0]
    if any(isinstance(sign, int) for sign in found) or not found:
        raise RefusedError("function codes and a second start code are not played")
    text = b"".join(sign for sign in found if isinstance(sign, bytes))
    leading = len(text) - len(text.lstrip(b"0123456789"))
    code_set = code_set or ("C" if leading >= 4 else "A" if text[0] < 0x20 else "B")
    pairs = leading & ~1 if code_set == "C" else 0
    values = [START[code_set], *(int(text[at : at + 2]) for at in range(0, pairs, 2))]
    rest = text[pairs:]
    if rest and code_set == "C":
        values.append(100)
        code_set = "B"
    return bars.code128(values + [symbol_value(byte, code_set)[0] for byte in rest], text)
