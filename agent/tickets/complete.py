"""Does a shop's own template say what a cook must know? Each text as often as the order has it; and each dish
by itself, also where its words stand in another one's. Pure.

The second question is asked of a trial print, in which every dish's name and number bear signs that no order has.
"""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec
from markupsafe import escape

from agent.model.ticket import Ticket
from agent.tickets.context import Labels, Values, how_of
from agent.tickets.dishes import Dish, modifier, shortened
from agent.tickets.engine import Source, TemplateError
from agent.tickets.news import Altered

_FIRST_SIGN, _SIGNS = 0x13000, 1024
"""Egyptian hieroglyphs: letters, so that every filter keeps them."""
_TAG = re.compile("<[^<>]*>")


class Signed(str):
    """A text between two signs of its own. It equals what the text alone does."""

    bare: str
    sign: str

    def __new__(cls, bare: str, sign: str) -> "Signed":
        made = super().__new__(cls, sign + bare + sign)
        made.bare, made.sign = bare, sign
        return made

    def __eq__(self, other: object) -> bool:
        return self.bare == (other.bare if isinstance(other, Signed) else other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(self.bare)

    def lower(self) -> str:
        return Signed(self.bare.lower(), self.sign)


class _Signs:
    """Gives each text another sign."""

    def __init__(self) -> None:
        self._given = 0

    def on(self, text: str) -> str:
        number, self._given = self._given, self._given + 1
        return Signed(text, "".join(chr(_FIRST_SIGN + digit) for digit in divmod(number, _SIGNS))) if text else text

    def dish(self, dish: Dish) -> Dish:
        return msgspec.structs.replace(dish, name=self.on(dish.name), qty=self.on(dish.qty))

    def change(self, change: Altered) -> Altered:
        dish = msgspec.structs.replace(change.dish, name=self.on(change.dish.name))
        return msgspec.structs.replace(
            change, dish=dish, by=self.on(change.by), parts=[*map(self.change, change.parts)]
        )


def signed(known: Values) -> Values:
    """The values of a ticket for the trial print."""
    signs = _Signs()
    dishes = {id(dish): signs.dish(dish) for dish in known["dishes"]}
    changes = {id(change): signs.change(change) for change in known["changes"]}

    def of(group: Any) -> Any:
        return msgspec.structs.replace(
            group,
            dishes=[dishes.get(id(dish), dish) for dish in group.dishes],
            changes=[changes.get(id(change), change) for change in group.changes],
        )

    made = list(dishes.values())
    return known | {
        "dishes": made,
        "changes": list(changes.values()),
        "groups": [of(group) for group in known["groups"]],
        "labels": Labels(made, whole=not changes),
    }


def check(source: Source, content: str, known: Values) -> None:
    """Raises TemplateError when the ticket does not say what a cook must know, as the order says it and as often."""
    wanted = [(name, " ".join(text.splitlines()), getattr(text, "bare", text)) for name, text in _wanted(known)]
    often = Counter(shown for _, shown, _ in wanted)
    for name, shown, said in wanted:
        times = content.count(escape(shown))
        if times < often[shown]:
            has = f" (has {times} of {often[shown]})" if times else ""
            raise TemplateError(source.file, 1, f"the ticket lacks {_short(said)}{has}; print {{{{ {name} }}}}")
    paper = _TAG.sub(" ", content)
    for fact in _changed(known):
        if not _stands(fact, paper):
            raise TemplateError(source.file, 1, f"the ticket lacks {_short(fact)}; print {{{{ f.now }}}} of `changed`")


def _stands(text: str, paper: str) -> bool:
    """Whether it is there: a number not within a longer one, for a table 4 is not said by an order 42."""
    shown = re.escape(str(escape(" ".join(text.splitlines()))))
    before, after = (r"(?<!\d)" if text[:1].isdigit() else ""), (r"(?!\d)" if text[-1:].isdigit() else "")
    return re.search(before + shown + after, paper) is not None


def _short(text: str) -> str:
    return " ".join(text.splitlines())[:40]


def _wanted(known: Values) -> list[tuple[str, str]]:
    """What has to be on the ticket, with what a template calls it. An empty text always is."""
    ticket: Ticket = known["ticket"]
    wanted = [("number", known["number"])]
    if not known["void"]:
        wanted += [("allergies", shortened(allergy.strip())) for allergy in ticket.order.allergies]
        wanted += [("note", line) for line in known["note"]]
    for change in known["changes"]:
        wanted += [("c.dish.name", change.dish.name), ("c.by", change.by), *_wishes("c.dish", change.dish)]
        if not change.by and change.now != change.was:
            wanted += [("c.now", change.dish.qty), ("c.now", change.dish.unit.strip())]
        for part in change.parts:
            wanted += [("p.dish.name", part.dish.name), ("p.now", part.now) if part.now else ("p.by", part.by)]
            wanted += _wishes("p.dish", part.dish)
    for dish in known["dishes"] if ticket.before is None else ():
        wanted += [("d.name", dish.name), ("d.qty", dish.qty)]
        wanted += [] if known["void"] else _wishes("d", dish)
    return wanted


def _wishes(name: str, dish: Dish) -> list[tuple[str, str]]:
    notes, mods = dish.note, dish.item.mods
    return [*((f"{name}.note", line) for line in notes), *((f"{name}.mods", modifier(mod)) for mod in mods)]


def _changed(known: Values) -> Iterator[str]:
    """What the order's changed fields are now, each as whichever value of the ticket says it. Rush may be in any words;
    note and allergies are wanted anyway.
    """
    for fact in known["changed"]:
        if fact.name == "release_at":
            yield known["held_until"]
        elif fact.name == "fulfil":
            yield how_of(known["order"], known["language"])
        elif fact.name not in ("rush", "note", "allergies"):
            yield from fact.now.split(" / ")
