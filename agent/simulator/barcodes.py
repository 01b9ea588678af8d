"""GS k: how many bytes of which kind each barcode takes, where a command with others ends, and what is not printed.

From Epson's command reference: a byte outside the range ends the command and prints as text with all that follows, and
so does a count outside the range. Where models differ the strict one is played: a wrong check digit prints nothing.
"""

import re
from collections.abc import Callable

import msgspec

from agent.simulator import bars
from agent.simulator.bars import START, Bars, RefusedError

_DIGITS = frozenset(b"0123456789")
_CODE39 = frozenset(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./")
_CODABAR = frozenset(b"0123456789ABCDabcd$+-./:")
_ASCII = frozenset(range(128))


class Symbol(msgspec.Struct, frozen=True):
    """A barcode to be printed; `note` says what of the data is not."""

    kind: str
    bars: Bars
    note: str = ""


class System(msgspec.Struct, frozen=True):
    """A bar code system: the bytes it takes, how many of them, what it makes of them."""

    kind: str
    alphabet: frozenset[int]
    counts: frozenset[int]
    draw: Callable[[bytes], Bars]
    fixed: bool = False

    @property
    def most(self) -> int:
        """After so many bytes the form that ends in NUL ends without it."""
        return max(self.counts) if self.fixed else 1 << 30


def system_of(mode: int) -> System | None:
    """The bar code system for m: 0 to 6, or 65 to 73."""
    return _SYSTEMS.get(mode - 65 if mode >= 65 else mode if mode <= 6 else -1)


def end_of_nul_form(data: bytes | bytearray, start: int, mode: int) -> int:
    """Where GS k m d1...dk NUL ends; beyond the data when that is not known yet."""
    system = _SYSTEMS[mode]
    for at in range(start, len(data)):
        if data[at] == 0:
            return at + 1
        if data[at] not in system.alphabet:
            return at
        if at + 1 - start == system.most:
            return at + 1
    return len(data) + 1


def end_of_counted_form(data: bytes | bytearray, start: int, mode: int) -> int:
    """Where GS k m n d1...dn ends, with n at `start`."""
    system, count = system_of(mode), data[start]
    if system is None:
        return start + 1 + count
    if count not in system.counts:
        return start + 1
    body = data[start + 1 : start + 1 + count]
    wrong = next((at for at, byte in enumerate(body) if byte not in system.alphabet), None)
    if wrong is not None:
        return start + 1 + wrong
    return start + 1 + count if len(body) == count else len(data) + 1


def read(params: bytes) -> Symbol:
    """The barcode of GS k; `params` from m, as long as the functions above say.

    Raises:
        RefusedError: nothing is printed.
    """
    system = system_of(params[0])
    if system is None:
        raise RefusedError(f"bar code system {params[0]} is not played")
    counted = params[0] >= 65
    data = params[2:] if counted else params[1:].rstrip(b"\0")
    if (params[1] not in system.counts) if counted else (len(data) not in system.counts and system.kind != "itf"):
        raise RefusedError(f"{system.kind} takes no {params[1] if counted else len(data)} bytes")
    complete = len(data) == params[1] if counted else len(data) == system.most or params[-1] == 0
    if not complete:
        raise RefusedError(f"the next byte is none of {system.kind}")
    odd = system.kind == "itf" and len(data) % 2
    return Symbol(system.kind, system.draw(data), "ITF: the last of an odd number of digits is not printed" * odd)


# -- what each system makes of its bytes -------------------------------------------------------------------------------


def checked(digits: str, full: int) -> str:
    """`full` digits: the check digit is added where it is missing, and must be right where it is not."""
    body, given = digits[: full - 1], digits[full - 1 :]
    right = bars.check_digit(body)
    if given not in ("", right):
        raise RefusedError(f"the check digit is {given} and should be {right}")
    return body + right


def _upc_e(data: bytes) -> Bars:
    """Six digits of the symbol itself, with 0 before and the check digit behind or not, or UPC-A's eleven or twelve."""
    digits = data.decode()
    if len(digits) == 6:
        return bars.upc_e(bars.lengthened(digits))
    if digits[0] != "0":
        raise RefusedError("UPC-E begins with 0")
    if len(digits) <= 8:
        return bars.upc_e(checked(bars.lengthened(digits[1:7]) + digits[7:], 12)[:11])
    return bars.upc_e(checked(digits, 12)[:11])


def _code39(data: bytes) -> Bars:
    """Asterisks at both ends are the start and stop that a printer adds anyway."""
    text = data.decode().removeprefix("*").removesuffix("*")
    if "*" in text or not text:
        raise RefusedError("an asterisk ends CODE39")
    return bars.code39(text)


def codabar(data: bytes) -> Bars:
    """Its start and stop characters come with the data, and stand nowhere else."""
    text = data.decode()
    if not re.fullmatch(r"[A-Da-d][^A-Da-d]*[A-Da-d]", text):
        raise RefusedError("CODABAR begins and ends with one of A to D, and has none of them between")
    return bars.codabar(text)


def _itf(data: bytes) -> Bars:
    """Of an odd number the last digit is not printed."""
    digits = data.decode()
    even = digits[: len(digits) & ~1]
    if not even:
        raise RefusedError("ITF takes two digits at least")
    return bars.itf(even)


def _code128(data: bytes) -> Bars:
    """{A, {B or {C first, and wherever the set changes; {S, {1 to {4 and {{; a byte of set C is two digits."""
    code_set = chr(data[1]) if data[:1] == b"{" else ""
    if code_set not in START or not code_set:
        raise RefusedError("CODE128 begins with {A, {B or {C")
    if len(data) == 2:
        raise RefusedError("CODE128 without data")
    values, said = [START[code_set]], b""
    shifted, at = False, 2
    while at < len(data):
        byte = data[at]
        if byte == ord("{"):
            value, code_set, shifting, words = _special(data[at + 1 : at + 2], code_set)
            at += 2
        else:
            value, words = symbol_value(byte, _OTHER[code_set] if shifted else code_set)
            shifting, at = False, at + 1
        values.append(value)
        said, shifted = said + words, shifting
    return bars.code128(values, said)


_OTHER = {"A": "B", "B": "A", "C": "C"}
_SWITCH = {"A": 101, "B": 100, "C": 99}


def _special(letter: bytes, code_set: str) -> tuple[int, str, bool, bytes]:
    """The symbol of { and a letter, the set from there on, whether it is for one character, and what it says."""
    name = letter.decode("latin-1")
    if name in ("A", "B", "C") and name != code_set:
        return _SWITCH[name], name, False, b""
    if name == "1":
        return 102, code_set, False, b""
    if code_set != "C":
        functions = {"2": 97, "3": 96, "4": 101 if code_set == "A" else 100}
        if name in functions:
            return functions[name], code_set, False, b""
        if name == "S":
            return 98, code_set, True, b""
        if name == "{" and code_set == "B":
            return ord("{") - 32, code_set, False, b"{"
    raise RefusedError(f"{{{name} has no meaning in set {code_set}")


def symbol_value(byte: int, code_set: str) -> tuple[int, bytes]:
    """The symbol character of a byte in a set, and what it says.

    Raises:
        RefusedError: it has none there.
    """
    if code_set == "C" and byte < 100:
        return byte, f"{byte:02}".encode()
    if code_set == "A" and byte < 0x60:
        return (byte - 32 if byte >= 32 else byte + 64), bytes((byte,))
    if code_set == "B" and 0x20 <= byte < 0x80:
        return byte - 32, bytes((byte,))
    raise RefusedError(f"the byte {byte:02X}h is none of CODE128's set {code_set}")


_EVEN = frozenset(range(2, 255, 2))
_ANY = frozenset(range(1, 256))
_SYSTEMS = {
    0: System("upc-a", _DIGITS, frozenset((11, 12)), lambda data: bars.upc_a(checked(data.decode(), 12)), True),
    1: System("upc-e", _DIGITS, frozenset((6, 7, 8, 11, 12)), _upc_e, True),
    2: System("ean13", _DIGITS, frozenset((12, 13)), lambda data: bars.ean13(checked(data.decode(), 13)), True),
    3: System("ean8", _DIGITS, frozenset((7, 8)), lambda data: bars.ean8(checked(data.decode(), 8)), True),
    4: System("code39", _CODE39, _ANY, _code39),
    5: System("itf", _DIGITS, _EVEN, _itf),
    6: System("codabar", _CODABAR, _ANY - {1}, codabar),
    7: System("code93", _ASCII, _ANY, bars.code93),
    8: System("code128", _ASCII, _ANY - {1}, _code128),
}
