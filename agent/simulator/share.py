"""What each station must be told of an order, worked out once more and on its own, to judge the paper by."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from agent.simulator.reading import PICTURE, Banner, Printed

_QUANTITY = re.compile(r"x(\d+(?:\.\d+)?)")
CELLS_AT_MOST_IN_ONE_LINE = 48
CELLS_SURELY_IN_ONE_LINE = 14
"""A name up to this length is never broken, even on 58 mm paper within a set meal."""


class Stations(msgspec.Struct, frozen=True):
    """Who makes what: the default station, and the claims of the others by category, sku or a part of the name; and
    how many copies of each ticket those get that get more than one.
    """

    default: str
    category: dict[str, str] = {}
    sku: dict[str, str] = {}
    name: dict[str, str] = {}
    copies: dict[str, int] = {}

    def copies_at(self, station: str) -> tuple[str, ...]:
        """What its copies say that they are; nothing where there is only one."""
        count = self.copies.get(station, 1)
        return tuple(f"{copy}/{count}" for copy in range(1, count + 1)) if count > 1 else ()

    def is_whole(self, ticket: Printed) -> bool:
        """Has it its end? Which copy it is stands last, or in a reprint's banner; a void takes back all."""
        copies = self.copies_at(ticket.station)
        return ticket.whole and (ticket.banner is Banner.VOID or not copies or ticket.copy in copies)

    def claim(self, item: Mapping[str, Any]) -> str | None:
        """The station that an item names, or that claims it."""
        known = {self.default, *self.category.values(), *self.sku.values(), *self.name.values()}
        if item.get("station") in known:
            return str(item["station"])
        found = self.sku.get(item.get("sku") or "") or self.category.get(item.get("category") or "")
        words = f"{item['name']}\n{item.get('name2') or ''}".casefold()
        return found or next((station for part, station in self.name.items() if part.casefold() in words), None)


class Dish(msgspec.Struct, frozen=True):
    """What must be read on paper: a name, and one of these quantities."""

    name: str
    quantities: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name} x{self.quantities[-1]}"


def shares(order: Mapping[str, Any], stations: Stations) -> dict[str, tuple[Dish, ...]]:
    """Each concerned station's dishes. A set meal goes whole to its station, but for the parts that others claim."""
    found: dict[str, list[Dish]] = {}
    for item in order["items"]:
        for station, each, sets in _walk(item, stations.claim(item) or stations.default, Decimal(1), stations):
            found.setdefault(station, []).append(_dish(each, sets))
    return {station: tuple(dishes) for station, dishes in found.items()}


def remarks(order: Mapping[str, Any], stations: Stations) -> dict[str, tuple[str, ...]]:
    """What else each of them must be told: the choices and notes of its dishes, the order's own note, allergies."""
    found: dict[str, list[str]] = {}
    for item in order["items"]:
        for station, each, _ in _walk(item, stations.claim(item) or stations.default, Decimal(1), stations):
            said = [*(choice["name"] for choice in each.get("mods") or ()), each.get("note")]
            found.setdefault(station, []).extend(str(word) for word in said if word)
    common = [str(word) for word in (order.get("note"), *(order.get("allergies") or ())) if word]
    return {station: (*said, *common) for station, said in found.items()}


def of_others(order: Mapping[str, Any], stations: Stations) -> dict[str, tuple[str, ...]]:
    """The dishes that each of them must not be told to make: with both their names, as they stand before a number. A
    set meal is no dish: its parts say what they belong to.
    """
    found: dict[str, set[str]] = {}
    for item in order["items"]:
        for station, each, _ in _walk(item, stations.claim(item) or stations.default, Decimal(1), stations):
            names = "".join(f"{each['name']}{each.get('name2') or ''}".split())
            found.setdefault(station, set()).update([names] if not each.get("children") else [])
    everything = set().union(*found.values())
    return {station: tuple(sorted(everything - own)) for station, own in found.items()}


def _dish(item: Mapping[str, Any], sets: Decimal) -> Dish:
    each = str(item["qty"]).strip()
    total = Decimal(each) * sets
    return Dish(str(item["name"]), (each,) if sets == 1 else (f"{total.normalize():f}", each))


def _walk(
    item: Mapping[str, Any], here: str, sets: Decimal, stations: Stations
) -> Iterator[tuple[str, Mapping[str, Any], Decimal]]:
    """Each item with its station, and the number of set meals that it is within."""
    yield here, item, sets
    total = Decimal(str(item["qty"]).strip()) * sets
    for child in item.get("children", ()):
        yield from _walk(child, stations.claim(child) or here, total, stations)


def says_all(words: str, dishes: Sequence[Dish]) -> bool:
    """Does a ticket, as its characters without blanks, name each dish with its quantity, as often as it was ordered?"""
    return all(_times(words, dish) >= times or _drawn(words, dish) for dish, times in Counter(dishes).items())


def says(words: str, remark: str) -> bool:
    """Does a ticket say it, in signs or, from a sign outside GBK on, in a picture?"""
    return named(words, remark) or any(True for _ in _drawn_starts(words, "".join(remark.split())))


def shows(words: str, dish: Dish) -> bool:
    """Does any ticket, also one that is not laid out as ours are, name the dish, and somewhere its quantity?"""
    counted = any(_counted(words, quantity) for quantity in dish.quantities)
    return (counted and named(words, dish.name)) or _drawn(words, dish)


def _times(words: str, dish: Dish) -> int:
    """How often the dish stands there; its number is the first one behind its name, or behind the name's first line."""
    name = "".join(dish.name.split())
    if not named(words, dish.name):
        return 0
    if not name or not all(map(_printable, name)):
        return len(words) if any(_counted(words, quantity) for quantity in dish.quantities) else 0
    starts = re.finditer(re.escape(_longest_start(words, name)), words)
    numbers = (_QUANTITY.search(words, start.end()) for start in starts)
    return sum(number is not None and number[1] in dish.quantities for number in numbers)


def _drawn(words: str, dish: Dish) -> bool:
    """Is its name in a picture, or a part of it?"""
    counted = any(_counted(words, quantity) for quantity in dish.quantities)
    return any(counted or not start for start in _drawn_starts(words, "".join(dish.name.split())))


def shows_changes(words: str, was: Sequence[Dish], now: Sequence[Dish]) -> bool:
    """Does a ticket that says only what changed name each dish that is other than it was, and by how many? Of one that
    stands several times anything but its name may be said.
    """
    old, new = Counter(map(_known_by, was)), Counter(map(_known_by, now))
    gone, come = old - new, new - old
    return all(
        named(words, name)
        and (
            max(len(_counts(old, name)), len(_counts(new, name))) > 1
            or _shows_change(words, _counts(gone, name), _counts(come, name))
        )
        for name in {name for name, _ in (*gone, *come)}
    )


def _counts(dishes: Counter[tuple[str, Decimal]], name: str) -> list[Decimal]:
    return [count for other, count in dishes.elements() if other == name]


def _known_by(dish: Dish) -> tuple[str, Decimal]:
    return dish.name, Decimal(dish.quantities[0])


def _shows_change(words: str, was: list[Decimal], now: list[Decimal]) -> bool:
    """The new number, or how many come or go."""
    by = sum(now, Decimal(0)) - sum(was, Decimal(0))
    signs = ("+", "x") if by > 0 else ("-", "x")
    return any(_counted(words, _plain(abs(by)), sign) for sign in signs) or (
        bool(now) and _counted(words, _plain(now[0]))
    )


def _plain(number: Decimal) -> str:
    return f"{number.normalize():f}"


def _drawn_starts(words: str, name: str) -> Iterator[str]:
    """What of the name stands before each picture that may hold a sign outside GBK, with the whole of its line.

    Where nothing does, the quantity is in the picture too, where nobody can read it.
    """
    unknown = [at for at, char in enumerate(name) if not _printable(char)]
    for at, char in enumerate(words):
        if unknown and char == PICTURE:
            start = _longest_start(words[:at], name[: unknown[0]])
            end = _longest_start(words[:at:-1], name[: unknown[-1] : -1])
            missing = name[len(start) : len(name) - len(end)]
            if sum(1 if char < "" else 2 for char in missing) <= CELLS_AT_MOST_IN_ONE_LINE:
                yield start


def named(words: str, name: str) -> bool:
    """Does a ticket name it? Signs outside GBK are printed otherwise: only what is between them is looked for."""
    known = "".join(char if _printable(char) else " " for char in "".join(name.split()))
    return all(_found(words, part) for part in known.split())


def _found(words: str, part: str) -> bool:
    """A long name may be broken over lines, with the quantity in between."""
    breaks = sum(1 if char < "\x80" else 2 for char in part) // CELLS_SURELY_IN_ONE_LINE
    for _ in range(breaks + 1):
        part = part[len(_longest_start(words, part)) :]
    return not part


def _longest_start(words: str, part: str) -> str:
    return next((part[:end] for end in range(len(part), 0, -1) if part[:end] in words), "")


def _printable(char: str) -> bool:
    try:
        char.encode("gbk")
    except UnicodeEncodeError:
        return False
    return True


def _counted(words: str, quantity: str, sign: str = "x") -> bool:
    """`x12` counts for 12 only: neither x120 nor x12.5."""
    at = words.find(f"{sign}{quantity}")
    while at >= 0:
        after = words[at + 1 + len(quantity) :][:2]
        if not after[:1].isdigit() and not (after[:1] == "." and after[1:].isdigit()):
            return True
        at = words.find(f"{sign}{quantity}", at + 1)
    return False
