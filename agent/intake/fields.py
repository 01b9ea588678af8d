"""What an order's fields can hold, from what a platform has: 2, 2.0 and "2" are all two. Pure.

Each reader takes what an expression found and returns the field's value, None for nothing, or raises Unreadable.
"""

from collections.abc import Callable
from datetime import tzinfo
from decimal import Decimal
from typing import Any

from agent.intake import functions
from agent.intake.expressions import Unreadable

_YES, _NO = ("true", "yes", "y", "1", "paid"), ("false", "no", "n", "0", "unpaid")


def text(value: Any) -> str | None:
    """Words; a number as it is written."""
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _plain(value)
    _must_be_nothing(value, "a text")
    return None


def identity(value: Any) -> str | None:
    """An id. A number with a fraction, or past 2^53 as a float, is no longer the one that the platform wrote."""
    if isinstance(value, float) and (not value.is_integer() or abs(value) > 2**53):
        raise Unreadable(f"{value} is no id")
    return text(value)


def label(value: Any) -> str | int | None:
    """A number or words: a table, a daily number."""
    return value if type(value) is int else text(value)


def whole(value: Any) -> int | None:
    """A whole number."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, str) and value.strip():
        digits = value.strip()
        if len(digits) <= 18 and digits.removeprefix("-").isascii() and digits.removeprefix("-").isdigit():
            return int(digits)
        raise Unreadable(f"{value[:40]!r} is no whole number")
    _must_be_nothing(value, "a whole number")
    return None


def revision(value: Any) -> int | None:
    """A whole number that is not negative."""
    number = whole(value)
    if number is not None and number < 0:
        raise Unreadable(f"{number} is no revision")
    return number


def time_revision(zone: tzinfo | None) -> Callable[[Any], int | None]:
    """A reader of a time as a revision: epoch milliseconds."""
    return lambda value: functions.millis(value, zone)


def quantity(value: Any) -> str | int | None:
    """A number as it will stand on paper: 2.0 and "2.000" are 2, 0.350 is 0.35."""
    if isinstance(value, bool) or (value is not None and not isinstance(value, str | int | float)):
        raise Unreadable("it is no number")
    if isinstance(value, str):
        digits = value.strip()
        if len(digits) > 20 or not digits.replace(".", "", 1).isdigit() or not digits.isascii():
            return digits or None  # as it came: whether it is a number is judged where the event is decoded
        if digits.startswith(".") or digits.endswith("."):
            return digits
        return _plain(Decimal(digits))
    return None if value is None else _plain(value)


def flag(value: Any) -> bool | None:
    """Yes or no."""
    word = str(value).strip().lower() if isinstance(value, str | int) else ""
    if word in _YES or word in _NO:
        return word in _YES
    _must_be_nothing(value, "yes or no")
    return None


def mark(value: Any) -> bool:
    """Whether something is cancelled or voided: a time or a reason says so too, neither 0 nor "false"."""
    return bool(value) and not (isinstance(value, str) and value.strip().lower() in ("false", "0"))


def present(value: Any) -> bool:
    """Whether it is anything but nothing, false, an empty text or an empty list; 0 may be a kind of event."""
    return not (value is None or value is False or value in ("", [], {}))


def words(value: Any) -> list[str]:
    """A list of words; a text is split at its commas."""
    try:
        found = [text(part) for part in functions.split(value)]
    except ValueError as exc:
        raise Unreadable(str(exc)) from exc
    return [part for part in found if part is not None]


def note(value: Any) -> str | None:
    """Words; of a list of texts those that are there."""
    return "; ".join(filter(None, map(text, value))) or None if isinstance(value, list) else text(value)


def anything(value: Any) -> Any:
    """Whatever it is."""
    return value


def elements(value: Any) -> list[Any]:
    """A list; one element alone is a list too."""
    if value is None or value == "" or value is False:
        return []
    return value if isinstance(value, list) else [value]


def _plain(number: int | float | Decimal) -> str:
    """Digits without an exponent and without zeros at the end."""
    if isinstance(number, int):
        return str(number)
    digits = format(number if isinstance(number, Decimal) else Decimal(repr(number)), "f")
    return digits.rstrip("0").rstrip(".") if "." in digits else digits


def _must_be_nothing(value: Any, wanted: str) -> None:
    if value not in (None, "", [], {}):
        raise Unreadable(f"{str(value)[:40]!r} is not {wanted}")


_Readers = dict[str, Callable[[Any], Any]]

ORDER: _Readers = {
    "no": label,
    "fulfil": text,
    "table": label,
    "guests": whole,
    "placed_at": text,
    "due_at": text,
    "release_at": text,
    "expires_at": text,
    "rush": flag,
    "courier": anything,
    "cutlery": label,
    "pickup_code": label,
    "note": note,
    "allergies": words,
    "total": whole,
    "currency": text,
    "paid": flag,
}
CUSTOMER: _Readers = {"name": text, "phone_tail": text}
MEMBER: _Readers = {"level": text, "visits": whole}
FOOTER: _Readers = {"text": text, "qr": text}
ITEM: _Readers = {
    "id": label,
    "sku": text,
    "category": text,
    "name2": text,
    "unit": text,
    "station": text,
    "course": label,
    "seat": label,
    "basket": label,
    "note": note,
    "price": whole,
}
MOD: _Readers = {"qty": quantity, "price": whole}
