"""What a revision changes for one station: 加 what is new, 退 what is off, 改 what is other than it was. Pure.

Both sides are whole: what the station was told, and what it makes now. A dish is the same one when it has the same
line number; else when it reads the same on paper; else, where lines have no numbers, when it has the same name.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from decimal import Decimal

import msgspec

from agent.model.order import Item, Order, quantity
from agent.model.ticket import Change, ChangeKind, Portion

FACTS = (
    "table",
    "fulfil",
    "rush",
    "release_at",
    "due_at",
    "note",
    "allergies",
    "guests",
    "pickup_code",
    "cutlery",
    "number",
)
"""What a kitchen reads of an order besides its dishes."""

_ORDER = (ChangeKind.REMOVED, ChangeKind.ALTERED, ChangeKind.ADDED)
"""First what must not be cooked any more."""


def changed_facts(before: Order, after: Order) -> tuple[str, ...]:
    """The names of those FACTS that are other than they were; blank and absent are the same."""
    return tuple(name for name in FACTS if _fact(before, name) != _fact(after, name))


def compare(before: Sequence[Portion], after: Sequence[Portion]) -> tuple[Change, ...]:
    """The dishes that are other than they were; none when both read the same."""
    pairs, gone, new = _match(before, after)
    changes = [change for was, now in pairs if (change := _change(was, now)) is not None]
    changes += [Change(ChangeKind.REMOVED, portion, by=_number(portion)) for portion in gone]
    changes += [Change(ChangeKind.ADDED, portion, by=_number(portion)) for portion in new]
    return tuple(sorted(changes, key=lambda change: _ORDER.index(change.kind)))


def trace(
    changes: Iterable[Change],
    station: str,
    before: Mapping[str, Sequence[Portion]],
    after: Mapping[str, Sequence[Portion]],
) -> tuple[Change, ...]:
    """The changes with the station that a dish moved to, or came from, as far as the others' shares tell."""
    arrived = {name: _Known(_match(before.get(name, ()), after.get(name, ()))[2]) for name in after if name != station}
    left = {name: _Known(_match(before.get(name, ()), after.get(name, ()))[1]) for name in before if name != station}
    traced = []
    for change in changes:
        if change.before is None:
            others = arrived if change.kind is ChangeKind.REMOVED else left
            names = (name for name, known in others.items() if known.has_like(change.portion))
            change = msgspec.structs.replace(change, elsewhere=next(names, ""))
        traced.append(change)
    return tuple(traced)


class _Known:
    """Portions, looked up by line where both have numbers, else by what is cooked."""

    def __init__(self, portions: Iterable[Portion]) -> None:
        self._lines: set[Hashable] = set()
        self._unnumbered: set[Hashable] = set()
        self._dishes: set[Hashable] = set()
        for portion in portions:
            dish, line = _dish(portion), _line(portion)
            self._dishes.add(dish)
            (self._unnumbered if line is None else self._lines).add(dish if line is None else line)

    def has_like(self, portion: Portion) -> bool:
        if not self._dishes:
            return False
        dish, line = _dish(portion), _line(portion)
        return dish in self._dishes if line is None else line in self._lines or dish in self._unnumbered


def _match(
    before: Sequence[Portion], after: Sequence[Portion]
) -> tuple[list[tuple[Portion, Portion]], list[Portion], list[Portion]]:
    """Pairs of the same dish in the order in which they stand now, then what is gone, then what is new."""
    gone, new = dict(enumerate(before)), dict(enumerate(after))
    found: dict[int, Portion] = {}
    for key in (_line, _reading, _dish, _name):
        for there, here in _pairs(gone, new, key):
            found[here] = gone.pop(there)
            del new[here]
    return [(found[here], after[here]) for here in sorted(found)], list(gone.values()), list(new.values())


def _pairs(
    gone: Mapping[int, Portion], new: Mapping[int, Portion], key: Callable[[Portion], Hashable]
) -> list[tuple[int, int]]:
    """What has the same key, first come first served. None is no key, nor is a line's number that stands twice."""
    waiting: dict[Hashable, list[int]] = {}
    for there, portion in gone.items():
        waiting.setdefault(key(portion), []).append(there)
    usable = {k: places for k, places in waiting.items() if k is not None and (key is not _line or len(places) == 1)}
    return [(usable[key(p)].pop(0), here) for here, p in new.items() if usable.get(key(p))]


def _change(was: Portion, now: Portion) -> Change | None:
    before, after = _count(was), _count(now)
    if _dish(was) != _dish(now) or before is None or after is None:
        if _reading(was) == _reading(now):
            return None
        by = "" if before is None or after is None or before == after else _plain(abs(after - before))
        return Change(ChangeKind.ALTERED, now, was, by)
    if before == after:
        return None
    kind = ChangeKind.ADDED if after > before else ChangeKind.REMOVED
    return Change(kind, now, was, _plain(abs(after - before)))


def _line(portion: Portion) -> Hashable:
    """The line's number, with those of the set meals around it."""
    numbers = [item.id for item in (*portion.parents, portion.item)]
    return None if any(number in (None, "") for number in numbers) else tuple(map(str, numbers))


def _reading(portion: Portion) -> Hashable:
    """All that paper says of it."""
    return _dish(portion), _count(portion) if _count(portion) is not None else portion.item.qty


def _dish(portion: Portion) -> Hashable:
    """What is cooked, without how many; what is said of a set meal holds for each part of it."""
    return _own(portion), tuple(_wishes(meal) for meal in portion.parents)


def _own(portion: Portion) -> Hashable:
    item = portion.item
    places = tuple(_text(value) for value in (item.seat, item.course, item.basket))
    parts = tuple((_own(part), quantity(part.item.qty) or part.item.qty) for part in portion.parts)
    return _called(item), _text(item.unit), _wishes(item), places, parts


def _wishes(item: Item) -> Hashable:
    return tuple((mod.name.strip(), quantity(mod.qty) or mod.qty) for mod in item.mods), _text(item.note)


def _name(portion: Portion) -> Hashable:
    """Its name, where lines have no numbers to be told apart by."""
    return None if _line(portion) is not None else _called(portion.item)


def _called(item: Item) -> tuple[str, str]:
    return item.name.strip(), _text(item.name2)


def _count(portion: Portion) -> Decimal | None:
    """How many are made, those of the set meals around it counted in; None where one is no number."""
    product = Decimal(1)
    for item in (*portion.parents, portion.item):
        number = quantity(item.qty)
        if number is None:
            return None
        product *= number
    return product


def _number(portion: Portion) -> str:
    count = _count(portion)
    return str(portion.item.qty) if count is None else _plain(count)


def _plain(number: Decimal) -> str:
    return f"{number.normalize():f}"


def _text(value: object) -> str:
    return "" if value is None else str(value).strip()


def _fact(order: Order, name: str) -> object:
    value = getattr(order, name)
    if isinstance(value, bool):
        return value
    if isinstance(value, list):
        return sorted(_text(each) for each in value)
    return value if hasattr(value, "utcoffset") else _text(value)
