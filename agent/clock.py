"""Time comes from here and from nowhere else. Durations are monotonic; stored times are UTC."""

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import Protocol


class Clock(Protocol):
    """What a room may ask about time."""

    def monotonic(self) -> float:
        """Seconds that never jump; only differences mean anything."""

    def utc(self) -> datetime:
        """The wall clock, timezone-aware, in UTC. It may be wrong by years on a box without a battery."""


class SystemClock:
    """The machine's own clocks."""

    def monotonic(self) -> float:
        """Seconds that never jump."""
        return time.monotonic()

    def utc(self) -> datetime:
        """The wall clock in UTC."""
        return datetime.now(UTC)


def stamp(moment: datetime) -> str:
    """RFC 3339 in UTC with milliseconds, as stored in the journal and sent in reports."""
    utc = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    return utc.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def machine_zone() -> str:
    """The machine's time zone by name, "" where it has none."""
    if zone := os.environ.get("TZ", "").removeprefix(":"):
        return zone
    try:
        return str(Path("/etc/localtime").resolve()).partition("zoneinfo/")[2]
    except OSError:
        return ""


_TIMEX_BYTES, _TIME_ERROR = 512, 5


def is_synchronised() -> bool:
    """Does the kernel believe that the wall clock is right? Then NTP or the like looks after it (adjtimex(2))."""
    return 0 <= _adjtimex()() != _TIME_ERROR


@cache
def _adjtimex() -> Callable[[], int]:
    """To open a library takes longer than all else that is asked of an order's time."""
    import ctypes  # only who asks pays for it

    timex = ctypes.create_string_buffer(_TIMEX_BYTES)  # all zero: nothing is to be changed
    return partial(ctypes.CDLL(None).adjtimex, timex)
