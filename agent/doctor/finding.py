"""What a check found: a sign, why, and the one thing to do. In Chinese and English."""

from collections.abc import Callable, Iterable
from enum import StrEnum

import msgspec

from agent.overview.state import Words

NOTHING = Words("", "")


class Sign(StrEnum):
    """`look`: it works, or nobody can tell; a person should know. `bad`: something does not work."""

    WELL = "well"
    LOOK = "look"
    BAD = "bad"


MARKS = {Sign.WELL: "✓", Sign.LOOK: "!", Sign.BAD: "✗"}


class Finding(msgspec.Struct, frozen=True):
    """One row. `name` is the check's, and after a colon of what, as in `printer:kitchen`."""

    name: str
    sign: Sign
    why: Words
    fix: Words = NOTHING


def well(name: str, zh: str, en: str) -> Finding:
    """All is well."""
    return Finding(name, Sign.WELL, Words(zh, en))


def look(name: str, why: tuple[str, str], fix: tuple[str, str]) -> Finding:
    """A person should know."""
    return Finding(name, Sign.LOOK, Words(*why), Words(*fix))


def bad(name: str, why: tuple[str, str], fix: tuple[str, str]) -> Finding:
    """It does not work."""
    return Finding(name, Sign.BAD, Words(*why), Words(*fix))


class Check(msgspec.Struct, frozen=True):
    """One check, which may find several things. It is given up after `limit_s`; what it found by then counts."""

    name: str
    run: Callable[[], Iterable[Finding]]
    limit_s: float = 5.0
