"""What a revision changes, as a ticket shows it: dishes with a sign and a large number, facts as they were and are."""

import msgspec

from agent.model.order import Item, Order
from agent.model.ticket import Change, ChangeKind, Language, Portion, Ticket
from agent.tickets.changes import compare
from agent.tickets.dishes import Dish, dish, paragraph, said
from agent.tickets.words import comma, fulfilment, table, when

_SIGNS = {
    ChangeKind.ADDED: ("加", "ADD", "+"),
    ChangeKind.REMOVED: ("退", "VOID", "-"),
    ChangeKind.ALTERED: ("改", "CHANGE", ""),
}


class Earlier(msgspec.Struct, frozen=True):
    """What the earlier ticket said of a dish, where that is other now; 无 none where it said nothing."""

    name: str = ""
    mods: str = ""
    note: str = ""
    places: str = ""


class Altered(msgspec.Struct, frozen=True):
    """One dish that is other than it was.

    `sign` is 加 退 改, `by` how many more or fewer (+2), empty for 改. `now` and `was` are the quantities where it is
    still there; `before` what a dish that reads otherwise read like. `parts` are those of a set meal, one below the
    other at any depth: of more or fewer sets how many more or fewer of each, of an altered one what is other in it.
    `moved`: to or from which station.
    """

    kind: ChangeKind
    sign: str
    by: str
    dish: Dish
    parts: list["Altered"]
    now: str = ""
    was: str = ""
    before: Earlier = Earlier()
    moved: str = ""


class Fact(msgspec.Struct, frozen=True):
    """A fact of the order that is other than it was; `name` is the order's field. Empty: it has none."""

    name: str
    label: str
    was: str
    now: str


def altered(change: Change, language: Language, depth: int = 0) -> Altered:
    """A change as the ticket shows it."""
    words = table(language)
    zh, en, sign = _SIGNS[change.kind]
    shown = dish(change.portion, language, depth)
    before = None if change.before is None else dish(change.before, language, depth)
    moved = words["moved_to" if change.kind is ChangeKind.REMOVED else "moved_from"]
    return Altered(
        kind=change.kind,
        sign={Language.ZH: zh, Language.EN: en, Language.BOTH: f"{zh} {en}"}[language],
        by=sign + (change.by.strip() or shown.qty.removeprefix("x")) if sign else "",
        dish=shown,
        parts=_parts(change, language, depth + 1),
        now="" if before is None else shown.qty + shown.unit,
        was="" if before is None else before.qty + before.unit,
        before=_earlier(before, shown, words["none"]) if before is not None and not sign else Earlier(),
        moved=f"{moved} {change.elsewhere}" if change.elsewhere else "",
    )


def facts(ticket: Ticket) -> list[Fact]:
    """The order's changed facts, in the order in which they were named."""
    if ticket.before is None:
        return []
    words = table(ticket.language)
    found = []
    for name in ticket.changed_facts:
        was, now = _text(ticket.before, name, ticket), _text(ticket.order, name, ticket)
        found.append(Fact(name, words.get(_LABELS.get(name, name), name), was, now))
    return found


_LABELS = {"allergies": "allergy", "due_at": "due", "release_at": "held_until"}


def _text(order: Order, name: str, ticket: Ticket) -> str:
    value = getattr(order, name, None)
    if name == "fulfil":
        return fulfilment(ticket.language, said(order.fulfil))
    if name == "note":
        value = "\n".join([order.note or "", *order.unread])
    if hasattr(value, "astimezone"):
        return when(value, ticket.printed_at)
    if isinstance(value, list):
        return comma(ticket.language).join([said(each) for each in value])
    if isinstance(value, bool):
        return "✓" if value else ""
    return " / ".join(paragraph(str(value))) if value is not None else ""


def _earlier(before: Dish, now: Dish, none: str) -> Earlier:
    """What the earlier ticket said of it, as far as it is other now."""
    pairs = (
        (f"{before.name} {before.name2}".strip(), f"{now.name} {now.name2}".strip()),
        (before.mods, now.mods),
        (" / ".join(before.note), " / ".join(now.note)),
        (before.places, now.places),
    )
    return Earlier(*["" if was == is_ else was or none for was, is_ in pairs])


def _parts(change: Change, language: Language, depth: int) -> list[Altered]:
    if change.kind is ChangeKind.ALTERED and change.before is not None:
        changes = compare(change.before.parts, change.portion.parts)
    else:
        portion = change.portion if change.before is None else only(change.portion, change.by)
        changes = tuple(Change(change.kind, part) for part in portion.parts)
    found = [altered(each, language, depth) for each in changes]
    return [each for part in found for each in (part, *part.parts)]


def only(portion: Portion, by: str) -> Portion:
    """The portion, as if only so many of it were ordered as are added or taken off, its set meals counted in."""
    item = msgspec.structs.replace(portion.item, qty=by)
    parents = tuple(msgspec.structs.replace(meal, qty=1) for meal in portion.parents)
    return Portion(item, _moved(portion.children, portion.item, item), portion.elsewhere, parents)


def _moved(children: tuple[Portion, ...] | None, old: Item, new: Item) -> tuple[Portion, ...] | None:
    if children is None:
        return None
    moved = []
    for child in children:
        family = [meal.alone for meal in child.parents]  # an older journal has them with their parts
        at = family.index(old.alone) if old.alone in family else -1
        parents = (new, *child.parents[at + 1 :])
        moved.append(msgspec.structs.replace(child, parents=parents, children=_moved(child.children, old, new)))
    return tuple(moved)
