"""What a template is given: plain values, ready to be placed. The names are listed in docs/templates.md."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec

from agent.model.job import JobKind
from agent.model.order import Customer, Order
from agent.model.ticket import Language, Notice, Summary, Ticket
from agent.tickets import news, words
from agent.tickets.banner import number_of
from agent.tickets.changes import compare, trace
from agent.tickets.dishes import Dish, dishes, paragraph, said, shortened
from agent.tickets.filters import sign
from agent.tickets.subject import Alarm, Expo, Subject, Welcome
from agent.tickets.words import say, trouble, when

Values = dict[str, Any]
MAX_LABELS = 20
"""As many labels as one dish may have; of more there is one, with the number on it."""
MAX_ALL_LABELS = 200
MAX_NOTE, MAX_WISHES = 100, 300
"""Characters of what is said of a whole order, and of a set meal, on each of many labels."""


class Group(msgspec.Struct, frozen=True):
    """One station's part of a whole order, and what changed of it."""

    station: str
    dishes: list[Dish]
    changes: list[news.Altered] = []


class Label(msgspec.Struct, frozen=True):
    """One cup or box: its dish, and which of how many of that dish it is. `each`: its quantity, on a label for all.

    `nth` of `all`: which of the ticket's labels it is; 0 where they are only some of them. `meal`: the set that it
    belongs to; what is said of that is in the dish's note.
    """

    dish: Dish
    index: int
    count: int
    each: str = ""
    meal: str = ""
    nth: int = 0
    all: int = 0


class Labels:
    """A label for each cup or box, of set meals for their parts. Made when a template asks for them.

    `whole`: they are all that the ticket has.
    """

    def __init__(self, dishes: list[Dish], whole: bool) -> None:
        self._dishes = dishes
        self._whole = whole

    def __len__(self) -> int:
        return sum(1 for _ in self._labels())

    def __iter__(self) -> Iterator[Label]:
        labels = list(self._labels())
        for nth, label in enumerate(labels, 1):
            yield msgspec.structs.replace(label, nth=nth, all=len(labels)) if self._whole else label

    def _labels(self) -> Iterator[Label]:
        left, deeper = MAX_ALL_LABELS, [dish.depth for dish in self._dishes[1:]]
        family: list[Dish] = []
        for dish, below in zip(self._dishes, [*deeper, 0], strict=False):
            family[dish.depth :] = [dish]
            if below > dish.depth:
                continue
            meals = family[:-1]
            meal = " > ".join(each.name for each in meals) or dish.part_of
            dish = msgspec.structs.replace(dish, note=[*dish.note, *_wishes(meals)])
            digits = dish.qty[1:]
            count = int(digits) if digits.isascii() and digits.isdecimal() and len(digits) < 4 else 0
            if 0 < count <= min(MAX_LABELS, left):
                left -= count
                yield from (Label(dish, index, count, meal=meal) for index in range(1, count + 1))
            else:
                yield Label(dish, 1, 1, dish.qty + dish.unit, meal)


def _wishes(meals: list[Dish]) -> Iterator[str]:
    """What is said of the set meals around a part holds for its cup as well."""
    for meal in meals:
        if wishes := [text for text in (meal.mods, *meal.note) if text]:
            yield f"{meal.name}: {shortened('  '.join(wishes), MAX_WISHES)}"


def values(subject: Subject, width: int) -> Values:
    """The values for a ticket of any kind on paper of `width` cells."""
    if isinstance(subject, Ticket):
        return _ticket(subject, width)
    if isinstance(subject, Expo):
        return _ticket(subject.ticket, width) | _by_station(subject)
    if isinstance(subject, Summary):
        return _summary(subject, width)
    if isinstance(subject, Welcome):
        code, known = subject.code, _page(subject.language, subject.printed_at, width)
        known |= {"code": f"{code[:4]}-{code[4:]}", "address": subject.link.partition("?")[0]}
        return known | {"welcome": subject, "ruler": _ruler(width)}
    return _alarm(Alarm(subject) if isinstance(subject, Notice) else subject, width)


def _by_station(expo: Expo) -> Values:
    """What each station makes of the whole order; of a revision what changes at each, as far as that is known."""
    was, now, language = dict(expo.earlier), dict(expo.shares), expo.ticket.language
    groups = [Group(name, dishes(share, language)) for name, share in now.items()]
    if expo.ticket.before is None:
        return {"groups": groups, "dishes": [dish for group in groups for dish in group.dishes]}
    groups += [Group(name, []) for name in was if name not in now]
    changed: list[Group] = []
    for group in groups if was else ():
        changes = compare(was.get(group.station, ()), now.get(group.station, ()))
        shown = [news.altered(change, language) for change in trace(changes, group.station, was, now)]
        changed += [msgspec.structs.replace(group, changes=shown)] if shown else []
    shown_all = [change for group in changed for change in group.changes]
    return {"groups": changed, "changes": shown_all} if changed else {}


def _page(language: Language, now: datetime | None, width: int) -> Values:
    """What every template has."""
    return {
        "w": words.table(language),
        "language": language,
        "now": now,
        "width": width,
        "today": "" if now is None else f"{now:%Y-%m-%d}",
        "printed": when(now, now, seconds=True),
    }


def _ticket(ticket: Ticket, width: int) -> Values:
    order, language, now = ticket.order, ticket.language, ticket.printed_at
    place = place_of(order, language)
    made = dishes(ticket.portions, language)
    note = paragraph("\n".join([order.note or "", *order.unread])) if order.note or order.unread else []
    known = _page(language, now, width)
    changes = [news.altered(change, language) for change in ticket.changes] if ticket.changes else []
    return known | {
        "ticket": ticket,
        "order": order,
        "currency": order.currency,
        "sign": sign(order.currency),
        "number": number_of(ticket),
        "place": place,
        "pickup_code": said(order.pickup_code),
        "facts": _facts(order, language, place),
        "rush": order.rush,
        "due": when(order.due_at, now),
        "held_until": words.held_until(order.release_at, now, timeless=ticket.timeless),
        "allergies": allergies_of(order, language) if order.allergies else "",
        "note": note,
        "short_note": shortened(" / ".join(note), MAX_NOTE),
        "dishes": made,
        "groups": [Group(ticket.station, made, changes)],
        "labels": Labels(made, whole=not changes),
        "void": ticket.kind is JobKind.CANCEL,
        "mark": ticket.mark is not None,
        "station": ticket.station,
        "running": f"{ticket.number:03d}" if ticket.number else "",
        "part": f"{ticket.part}/{ticket.parts}" if ticket.parts > 1 else "",
        "also_at": ", ".join(ticket.also_at),
        "times": _times(ticket, known),
        "customer": _customer(order.customer, language) if order.customer is not None else "",
        "visits": _visits(order.customer, language) if order.customer is not None else "",
        "courier": _courier(order.courier) if order.courier else "",
        "changes": changes,
        "changed": news.facts(ticket) if ticket.changed_facts else [],
        "said": ticket.changed_facts,
        "ready_code": ticket.ready_code,
    }


def _times(ticket: Ticket, known: Values) -> str:
    """When it was ordered and printed, and which of its copies it is."""
    words, placed = known["w"], when(ticket.order.placed_at, ticket.printed_at)
    facts = [f"{words['ordered']} {placed}"] if placed else []
    if known["printed"]:
        facts.append(f"{words['printed']} {known['printed']}")
    if ticket.copies > 1 and ticket.mark is None:
        facts.append(f"{words['copy']} {ticket.copy}/{ticket.copies}")
    return "  ".join(facts)


def how_of(order: Order, language: Language) -> str:
    """How the order leaves the kitchen, in one language."""
    return words.fulfilment(Language.EN if language is Language.EN else Language.ZH, said(order.fulfil))


def place_of(order: Order, language: Language) -> str:
    """What stands large beside the number: how the order leaves the kitchen, and the table."""
    short = Language.EN if language is Language.EN else Language.ZH
    table = said(order.table)
    how = how_of(order, language)
    return " ".join([part for part in (how, say(short, "桌", "Table ") + table if table else "") if part])


def _facts(order: Order, language: Language, place: str) -> str:
    """Channel, guests and cutlery."""
    facts = [order.channel]
    if language is Language.BOTH and (how := words.fulfilment(Language.EN, said(order.fulfil))) not in place:
        facts.append(how)
    if order.guests is not None:
        facts.append(say(language, f"{order.guests}人", f"{order.guests} guests"))
    if cutlery := said(order.cutlery):
        facts.append(f"{words.table(language)['cutlery']} {cutlery}")
    return "  ".join([fact for fact in facts if fact])


def allergies_of(order: Order, language: Language) -> str:
    """What somebody must not eat, on one line."""
    return words.comma(language).join([shortened(allergy) for allergy in order.allergies])


def _customer(customer: Customer, language: Language) -> str:
    """The customer, as far as the kitchen may know."""
    facts = [said(customer.name), said(customer.phone_tail)]
    member = customer.member
    if member is not None and member.level:
        facts.append(f"{words.table(language)['member']} {said(member.level)}")
    return "  ".join([fact for fact in facts if fact])


def _visits(customer: Customer, language: Language) -> str:
    """How often the customer came. It is for the staff."""
    visits = customer.member.visits if customer.member is not None else None
    return say(language, f"到店{visits}次", f"visits {visits}") if visits else ""


def _courier(courier: Any) -> str:
    """Who fetches it, as far as it can be told from what the platform sends."""
    known = courier if isinstance(courier, dict) else {"name": courier}
    return "  ".join([said(known[key]) for key in ("name", "phone_tail") if isinstance(known.get(key), str | int)])


def _ruler(width: int) -> str:
    """The cells counted: each tenth has its number."""
    marks = ["".join(f"{ten:.>10}" for ten in range(10, width + 1, 10)), "." * width]
    return (marks[0] + marks[1])[:width]


def _summary(summary: Summary, width: int) -> Values:
    language, now = summary.language, summary.printed_at
    orders = [
        {
            "number": shortened(o.number),
            "channel": o.channel,
            "at": when(o.at, now),
            "items": [*map(shortened, o.items)],
        }
        for o in summary.orders
    ]
    return _page(language, now, width) | {
        "summary": summary,
        "title": words.listed(language, summary.why),
        "what_now": words.what_now(language, summary.why),
        "orders": orders,
        "more": summary.more,
        "station": summary.station,
    }


def _alarm(alarm: Alarm, width: int) -> Values:
    notice, language = alarm.notice, alarm.language
    orders = alarm.orders or ((notice.order,) if notice.order else ())
    return _page(language, alarm.printed_at, width) | {
        "alarm": alarm,
        "about": notice.about,
        "trouble": trouble(language, notice.trouble),
        "remedy": words.said_in(language, *words.remedy(notice.trouble)),
        "orders": " ".join([f"#{number}" for number in orders]),
        "waiting": alarm.waiting,
    }
