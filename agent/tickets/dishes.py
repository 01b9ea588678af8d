"""What to make: a ticket's portions as plain values, one after the other, the parts of a set meal below it.

Names and notes are capped, visibly; a quantity never is.
"""

from collections.abc import Iterable, Iterator
from decimal import ROUND_HALF_UP, Decimal

import msgspec

from agent.model.order import Item, Modifier, Quantity, quantity
from agent.model.ticket import Language, Portion
from agent.tickets.words import amount, is_one, lines, sets, table, total, unit, visible

STEP = 2
"""Cells by which each level of a set meal stands further in."""
MAX_FIELD = 2000
MAX_LINES = 30
_CUT_SHORT = "…(截断 cut, see console)"
_MAX_INDENT = 12
_MAX_PRICE = 10**12


class Extra(msgspec.Struct, frozen=True):
    """A modifier, with what it costs on the whole line, in minor units; None where the order does not say."""

    text: str
    amount: int | None


class Dish(msgspec.Struct, frozen=True):
    """A dish as a ticket shows it. Empty is what the order does not say; texts are in the ticket's language.

    `qty` is what stands at the right margin (x2), `unit` what follows it at once, with a blank where it needs one;
    `depth` is 1 for the parts of a set meal. `indent` is the cells that what is said of it stands in, `hang` two more,
    `margin` as many blanks as `indent`, `branch` what stands before a part's name. `note`: its own, and of a part that
    is made elsewhere what is said of its set meals. `rare`: it has one of the following. `unrouted`: no station claims
    it; `part_of`: the set meals that it was taken out of; `elsewhere`: the stations that make its other parts; `each`:
    how the quantity of a part of several sets comes about, `sets`: how many of these; `places`: seat, course, basket.
    """

    item: Item
    sets: tuple[Quantity, ...]
    name: str
    name2: str
    qty: str
    unit: str
    depth: int
    indent: int
    hang: int
    margin: str
    branch: str
    mods: str
    note: list[str]
    rare: bool = False
    places: str = ""
    unrouted: str = ""
    part_of: str = ""
    each: str = ""
    elsewhere: str = ""

    @property
    def price(self) -> int | None:
        """What one costs, without extras, in minor units."""
        return self.item.price

    @property
    def amount(self) -> int | None:
        """What the line costs, without extras, in minor units."""
        return times(self.item.price, self.item.qty, *self.sets)

    @property
    def extras(self) -> list[Extra]:
        """The modifiers one by one, each with its own amount."""
        return [Extra(modifier(mod), self._extra(mod)) for mod in self.item.mods]

    def _extra(self, mod: Modifier) -> int | None:
        return times(mod.price, mod.qty, self.item.qty, *self.sets) if mod.price else None


def dishes(portions: Iterable[Portion], language: Language, depth: int = 0) -> list[Dish]:
    """The portions and their parts, from top to bottom."""
    found: list[Dish] = []
    for portion in portions:
        found.append(dish(portion, language, depth))
        if portion.children is not None or portion.item.children:
            found += dishes(portion.parts, language, depth + 1)
    return found


def dish(portion: Portion, language: Language, depth: int = 0) -> Dish:
    """One portion, without its parts."""
    item = portion.item
    indent = min(STEP * (depth + 1), _MAX_INDENT)
    plain = Dish(
        item,
        tuple(sets(portion.parents)) if portion.parents else (),
        shortened(item.name.strip()) if visible(item.name) else table(language)["no_name"],
        shortened(item.name2.strip()) if item.name2 else "",
        _quantity(portion),
        unit(said(item.unit)),
        depth,
        indent,
        indent + STEP,
        " " * indent,
        " " * (indent - 2 * STEP) + "└" if depth else "",
        "  ".join([modifier(mod) for mod in item.mods]) if item.mods else "",
        paragraph(item.note) if item.note else [],
    )
    nowhere = item.seat is None and item.course is None and item.basket is None
    if nowhere and not (portion.parents or portion.unrouted or portion.elsewhere):
        return plain
    return _placed(plain, portion, table(language))


def paragraph(text: str) -> list[str]:
    """A note's own lines, as far as they don't waste paper; it is capped, visibly."""
    said = lines(shortened(text))
    if len(said) > MAX_LINES:
        said[MAX_LINES:] = [" / ".join(said[MAX_LINES:])]
    return said


def shortened(text: str, most: int = MAX_FIELD) -> str:
    """A name or a note of a sane length. The whole of it is on the console."""
    return text if len(text) <= most else text[:most] + _CUT_SHORT


def modifier(mod: Modifier) -> str:
    """A choice beside a dish, with its number where that is not one; none of it is what the guest does not want."""
    name = shortened(mod.name).strip()
    if quantity(mod.qty) == 0:
        return f"不要 NO {name}"
    return f"+{name}" if is_one(mod.qty) else f"+{name} x{amount(mod.qty)}"


def times(price: int | None, *counts: Quantity) -> int | None:
    """A price, as often as the quantities say, rounded to the minor unit; None where one of them is unknown."""
    if price is None:
        return None
    product = Decimal(price)
    for count in counts:
        number = quantity(count)
        if abs(product) > _MAX_PRICE or number is None:
            return None
        if abs(number.adjusted()) > 9 or len(number.as_tuple().digits) > 12:
            return None
        product *= number
    return int(product.quantize(Decimal(1), ROUND_HALF_UP))


def _placed(plain: Dish, portion: Portion, words: dict[str, str]) -> Dish:
    """With what only some dishes have."""
    item = portion.item
    wanted = f": {shortened(portion.wanted)}" if portion.wanted else ""
    whole = " > ".join([f"{shortened(parent.name)} x{amount(parent.qty)}" for parent in portion.parents])
    places = [("seat", item.seat), ("course", item.course), ("basket", item.basket)]
    return msgspec.structs.replace(
        plain,
        rare=True,
        note=plain.note if plain.depth else [*plain.note, *_wishes(portion.parents)],
        unrouted=words["unrouted"] + wanted if portion.unrouted else "",
        part_of=whole if not plain.depth else "",
        each=_shares(portion, words),
        elsewhere=", ".join(portion.elsewhere),
        places="  ".join([f"{words[what]} {text}" for what, value in places if (text := said(value))]),
    )


def _wishes(meals: Iterable[Item]) -> Iterator[str]:
    """What is said of the set meals that a part was taken out of holds for the part as well."""
    for meal in meals:
        wishes = [*(modifier(mod) for mod in meal.mods), *(paragraph(meal.note) if meal.note else [])]
        if wishes:
            yield f"{shortened(meal.name.strip())}: {'  '.join(wishes)}"


def said(value: str | int | None) -> str:
    """A short fact as a text, of a sane length."""
    return "" if value is None else shortened(str(value).strip())


def _quantity(portion: Portion) -> str:
    """What stands at the right margin: for a part of several sets the total, as far as it can be told."""
    whole = total(portion)
    if whole is not None:
        return f"x{whole}"
    return " ".join([f"x{amount(number)}" for number in (portion.item.qty, *sets(portion.parents))])


def _shares(portion: Portion, words: dict[str, str]) -> str:
    """How the quantity of a part of several sets comes about."""
    multiples = sets(portion.parents)
    if not multiples:
        return ""
    each = f"{words['each']} x{amount(portion.item.qty)}"
    return "  ".join([each, *(f"{words['sets']} x{amount(number)}" for number in multiples)])
