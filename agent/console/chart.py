"""A chart of a day's orders, hour by hour, as the places of its bars. Pure: the page draws it."""

from collections.abc import Sequence

import msgspec

WIDTH, HEIGHT = 360, 160
_TOP, _BOTTOM, _LEAST_HOURS = 16, 18, 8
_GAP = 0.2


class Bar(msgspec.Struct, frozen=True):
    """One hour. `x` and `y` are the bar's upper left corner, `middle` is where its words stand."""

    hour: int
    orders: int
    x: float
    y: float
    width: float
    height: float
    middle: float
    named: bool


def bars(hours: Sequence[int], first_hour: int) -> list[Bar]:
    """The hours from the first order to the last; `hours[0]` is `first_hour`. None for a day without orders."""
    busy = [at for at, orders in enumerate(hours) if orders]
    if not busy:
        return []
    start, end = busy[0], busy[-1] + 1
    while end - start < _LEAST_HOURS:
        start, end = max(0, start - 1), min(len(hours), end + 1)
    most, each = max(hours), WIDTH / (end - start)
    room = HEIGHT - _TOP - _BOTTOM
    every = 1 if end - start <= 12 else 3
    found = []
    for at in range(start, end):
        tall, left = _tall(room, hours[at], most), each * (at - start)
        hour = (first_hour + at) % 24
        corner = left + each * _GAP / 2, _TOP + room - tall
        size = each * (1 - _GAP), tall
        x, y, width, height, middle = (round(value, 1) for value in (*corner, *size, left + each / 2))
        found.append(Bar(hour, hours[at], x, y, width, height, middle, named=hour % every == 0))
    return found


def _tall(room: float, orders: int, most: int) -> float:
    """One order among thousands is seen too."""
    return max(1.0, room * orders / most) if orders else 0.0
