"""What a template may do with a value: money, times, the shop's language, and columns that are aligned in cells."""

import math
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from jinja2 import pass_context
from jinja2.runtime import Context

from agent.encode.text import cells, clean
from agent.model.money import decimals
from agent.model.order import Quantity
from agent.model.ticket import Language
from agent.tickets import words
from agent.tickets.budget import pay, text_of

_MAX_CELLS = 96
_MAX_DIGITS = 9
_SIGNS = {"CNY": "￥", "USD": "$", "EUR": "€", "GBP": "￡", "JPY": "￥", "HKD": "HK$", "TWD": "NT$", "SGD": "S$"}


def money(amount: int, currency: str | None = "CNY") -> str:
    """An amount of minor units (分) as people write it: 1250 is 12.50, in yen 1250."""
    places = decimals(currency or "CNY")
    if not places:
        return str(amount)
    whole, cents = divmod(abs(amount), 10**places)
    return f"{'-' if amount < 0 else ''}{whole}.{cents:0{places}}"


def sign(currency: str | None) -> str:
    """What stands before an amount, such as ￥; a currency without a sign of its own is named."""
    code = (currency or "CNY").upper()
    return _SIGNS.get(code, f"{code} ")


@pass_context
def _money(context: Context, amount: int | None) -> str:
    return "" if amount is None else money(amount, context.get("currency"))


def pad(text: object, width: int, align: str = "left") -> str:
    """The text with blanks to `width` cells of paper (a Chinese character takes two); longer ones stay as they are."""
    shown = clean(text_of(text))
    room = max(0, min(width, _MAX_CELLS) - cells(shown))
    before = {"left": 0, "center": room // 2, "right": room}[align]
    return " " * before + shown + " " * (room - before)


@pass_context
def _say(context: Context, zh: str, en: str) -> str:
    return words.say(context.get("language", Language.BOTH), text_of(zh), text_of(en))


@pass_context
def _time(context: Context, moment: datetime | None, seconds: bool = False) -> str:
    return words.when(moment, context.get("now"), seconds=seconds)


def _join(values: Iterable[Any], between: str = "") -> str:
    texts = [text for value in values if (text := text_of(value))]
    pay(sum(map(len, texts)) + len(between) * len(texts))
    return between.join(texts)


def _lines(text: str | None) -> list[str]:
    return words.lines(text_of(text))


def _amount(value: Quantity) -> str:
    return words.amount(text_of(value))


def _round(value: float, precision: int = 0, method: str = "common") -> float:
    """As Jinja2's, but to 9 digits at most: it works out ten to the power of them."""
    if type(precision) is not int or not 0 <= precision <= _MAX_DIGITS:
        raise ValueError(f"round takes 0 to {_MAX_DIGITS} digits")
    if method == "common":
        return round(value, precision)
    times: int = 10**precision
    return {"ceil": math.ceil, "floor": math.floor}[method](value * times) / times


FILTERS: dict[str, Callable[..., Any]] = {
    "money": _money,
    "say": _say,
    "time": _time,
    "amount": _amount,
    "pad": pad,
    "join": _join,
    "lines": _lines,
    "round": _round,
}
