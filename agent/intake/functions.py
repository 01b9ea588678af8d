"""The functions that order payloads need beyond JMESPath's own: money, times, lists in texts, names with choices. Pure.

Nothing goes in, nothing comes out: None and "" give None (or an empty list). What makes no sense raises ValueError.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from agent.model import money

_MONEY = re.compile(r"[-+]?([0-9]{1,15}|[0-9]{1,3}(,[0-9]{3})+)(\.[0-9]{1,20})?([eE][-+]?[0-9]{1,2})?", re.ASCII)
_MOST_OUTER = 60
_BEFORE_MILLISECONDS = 100_000_000_000
_EARLIEST = 86_400 * 365
"""An epoch number below a year is no time: platforms write 1 or -1 for "none", or a number of minutes."""


def cents(value: Any, decimals: Any = 2) -> int | None:
    """Money as integer minor units. `decimals` is how many digits the minor unit has, or the currency (CNY 2, JPY 0);
    0 for what is in minor units already. More digits than that are rounded half up.
    """
    if value is None or value == "":
        return None
    places = money.decimals(decimals) if isinstance(decimals, str) else decimals
    if type(places) is not int or not 0 <= places <= 4:
        raise ValueError(f"{str(decimals)[:20]!r} is neither a number of decimals from 0 to 4 nor a currency")
    return int((_decimal(value) * 10**places).to_integral_value(ROUND_HALF_UP))


def times(value: Any, by: Any) -> float | None:
    """A product, such as of a fee and how often it is paid."""
    if value in (None, "") or by in (None, ""):
        return None
    return float(_decimal(value) * _decimal(by))


def _decimal(value: Any) -> Decimal:
    """A float is taken as the digits that it is written with: 0.1 is a tenth."""
    text = "" if isinstance(value, bool) else repr(value) if isinstance(value, float) else str(value)
    text = text.strip().strip("¥￥$€£元 ")
    if len(text) > 40 or not _MONEY.fullmatch(text):
        raise ValueError(f"{str(value)[:40]!r} is no amount of money")
    number = Decimal(text.replace(",", ""))
    if number.adjusted() > 13:
        raise ValueError(f"{text} is too much money")
    return number


def ts(value: Any, where: tzinfo | None) -> str | None:
    """A time in RFC 3339: from epoch seconds or milliseconds, or from a text, whose zone is `where` unless it says.

    0 and "" mean none. A text without a zone, where none is known, is the shop's own time. What can't be read stays
    as it came, and is printed with the order.
    """
    if value in (None, "", 0, "0"):
        return None
    moment = _moment(value, where)
    if moment is None:
        return str(value) if isinstance(value, str | int | float) else None
    return moment.isoformat()


def millis(value: Any, where: tzinfo | None) -> int | None:
    """A time as epoch milliseconds, for a revision that grows; a text without any zone counts as UTC."""
    moment = None if value in (None, "", 0, "0") else _moment(value, where)
    if moment is None:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def day(value: Any, where: tzinfo | None, begins: Any = 0) -> str | None:
    """The business day of a time as YYYY-MM-DD; the day begins at the hour `begins`."""
    if type(begins) is not int or not 0 <= begins < 24:
        raise ValueError(f"{str(begins)[:20]!r} is no hour at which a day can begin")
    moment = None if value in (None, "", 0, "0") else _moment(value, where)
    if moment is None:
        return None
    local = moment.astimezone(where) if where and moment.tzinfo else moment
    return (local - timedelta(hours=begins)).date().isoformat()


@lru_cache(maxsize=100)
def zone(name: str) -> tzinfo:
    """A time zone by its IANA name. Raises ValueError."""
    try:
        return UTC if name == "UTC" else ZoneInfo(name)
    except (ZoneInfoNotFoundError, OSError) as exc:
        raise ValueError(f"there is no time zone {name[:50]!r}") from exc


def _moment(value: Any, where: tzinfo | None) -> datetime | None:
    if isinstance(value, str):
        text = value.strip()[:40]
        if not re.fullmatch(r"[0-9]{9,16}(\.0*)?", text, re.ASCII):
            return _written(text, where)
        value = int(text.partition(".")[0])
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    seconds = value / 1000 if abs(value) >= _BEFORE_MILLISECONDS else value
    if not _EARLIEST <= seconds < 2**36:
        return None
    return datetime.fromtimestamp(seconds, where or UTC)


def _written(text: str, where: tzinfo | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text.replace("/", "-"))
    except ValueError:
        return None
    if not 1970 < moment.year < 9999 or len(text) < 10:
        return None
    return moment if moment.tzinfo or where is None else moment.replace(tzinfo=where)


def split(value: Any, separator: Any = None) -> list[Any]:
    """The parts of a text, without empty ones; at commas of either kind unless a separator is given. A list stays."""
    if value is None or value == "":
        return []
    if isinstance(value, list):
        return value
    if not isinstance(value, str):
        raise ValueError(f"{str(value)[:40]!r} is no text that could be split")
    parts = re.split(r"[,，]", value) if not separator else value.split(separator)
    return [part.strip() for part in parts if part.strip()]


def glue(values: Any, separator: Any = " ") -> str | None:
    """The texts of a list as one text, without empty ones; a list or an object in it is written out."""
    if values is None:
        return None
    texts = [", ".join(flat(value)) for value in values if value is not False]
    return str(separator).join(text for text in texts if text) or None


def flat(value: Any) -> list[str]:
    """The texts and numbers in lists and objects, however deep; in an object each has its name: `sauce: Garlic`."""
    if isinstance(value, dict):
        return [f"{name}: {', '.join(inner)}" for name, part in value.items() if (inner := flat(part))]
    if isinstance(value, list):
        return [text for part in value for text in flat(part)]
    text = "" if value is None else str(value).lower() if isinstance(value, bool) else str(value).strip()
    return [text] if text else []


def pick(value: Any, table: Any) -> Any:
    """The table's entry for a value, None where it has none: `pick(type, `{"1": "dine_in"}`)`."""
    if not isinstance(table, Mapping):
        raise ValueError('pick() wants a table such as `{"1": "dine_in"}`')
    key = str(value).lower() if isinstance(value, bool) else str(value)
    return table.get(key)


def bracketed(name: Any) -> list[str]:
    """The choices at the end of a name: `奶茶[去冰+半糖]` → 去冰, 半糖."""
    inner = _cut_name(name)[1]
    return [part.strip() for part in re.split(r"[+＋,，、;；]", inner) if part.strip()]


def unbracketed(name: Any) -> str | None:
    """The name without the choices at its end: `奶茶[去冰+半糖]` → 奶茶."""
    return _cut_name(name)[0] or None


def _cut_name(name: Any) -> tuple[str, str]:
    if not isinstance(name, str):
        return "", ""
    text = name.strip()
    for opening, closing in ("[]", "［］"):
        at = text.rfind(opening)
        if text.endswith(closing) and at > 0:
            return text[:at].strip(), text[at + 1 : -1]
    return text, ""


def phone_tail(value: Any) -> str | None:
    """The last four digits of a phone number, without its extension."""
    if not isinstance(value, str | int):
        return None
    digits = re.sub(r"[^0-9]", "", re.split(r"[_,，;#转x]", str(value), maxsplit=1)[0])
    return digits[-4:] if len(digits) >= 4 else None


def deep(values: Any, key: Any, name: Any, outer: str = "") -> list[dict[str, Any]]:
    """Every element of a list and, behind each, what is nested in it under `key`, however deep; the nested ones'
    `name` is `outer: inner`, so that a cook sees what belongs to what.
    """
    found = []
    for element in values if isinstance(values, list) else []:
        if isinstance(element, dict):
            whole = glue([outer, element.get(name)], ": ") if outer else element.get(name)
            found.append({**element, name: whole} if outer else element)
            found += deep(element.get(key), key, name, _shortened(whole))
    return found


def _shortened(name: Any) -> str:
    """What is chosen before another choice stands whole on its own line already."""
    words = str(name or "")
    return words if len(words) <= _MOST_OUTER else words[:_MOST_OUTER] + "…"


def share(values: Any, key: Any, by: Any) -> list[Any]:
    """A list whose elements' `key` counts for all pieces of a dish, as what each piece gets, where that divides."""
    found = []
    for element in values if isinstance(values, list) else []:
        number = element.get(key) if isinstance(element, dict) else None
        if _is_number(number) and _is_number(by) and by > 0 and number % by == 0:
            element = {**element, key: number // by}
        found.append(element)
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
