"""The ticket that prints when its template can't: everything that the order says, and which line is at fault."""

from collections.abc import Iterable, Iterator
from datetime import datetime

import msgspec

from agent.model.layout import Block, Cut, Layout, Line, Rule, Run, Style
from agent.model.ticket import Language, Portion, Ticket
from agent.tickets.banner import TALL, TALL_BAR, banner, bar, number_of
from agent.tickets.dishes import Dish, dishes, modifier, paragraph, said, shortened
from agent.tickets.filters import money
from agent.tickets.news import Altered, altered
from agent.tickets.subject import Expo, Subject
from agent.tickets.words import held_until, when

_BIG = Style(2, 2, True)
_SKIPPED = {"items", "unread", "id", "rev", "no", "rush", "allergies", "note", "courier", "placed_at", "expires_at"}
_AMOUNTS = {"total", "amount", "price"}


def plain(subject: Subject, fault: str) -> Layout:
    """Any subject, in the order's own words. `fault` is the template's file and line."""
    blocks: list[Block] = [bar("模板出错 TEMPLATE ERROR", TALL_BAR), Line((Run(fault, Style(inverted=True)),))]
    ticket = subject.ticket if isinstance(subject, Expo) else subject
    if not isinstance(ticket, Ticket):
        blocks += _facts(msgspec.to_builtins(ticket, builtin_types=(datetime,)), ticket)
        return Layout((*blocks, Cut()))
    blocks += [*_ticket(ticket), Rule()]
    if ticket.before is not None:
        blocks += [line for change in ticket.changes for line in _change(altered(change, Language.BOTH))]
    elif isinstance(subject, Expo):
        for station, portions in subject.shares:
            blocks += [Line((Run(f"[{station}]", TALL),)), *_portions(portions)]
    else:
        blocks += _portions(ticket.portions)
    return Layout((*blocks, Rule(), Line((Run(f"{ticket.station}  No.{ticket.number:03d}", TALL),)), Cut()))


def _ticket(ticket: Ticket) -> Iterator[Block]:
    order = ticket.order
    yield from banner(ticket)
    yield Line((Run(f"#{number_of(ticket)}", _BIG), Run(f" {said(order.table)}", TALL)), fit=True)
    if order.rush:
        yield bar("加急 RUSH", TALL_BAR)
    release = order.release_at if isinstance(order.release_at, datetime) else None
    if held := held_until(release, ticket.printed_at, timeless=ticket.timeless):
        yield bar(f"暂缓至 hold until {held}", TALL_BAR)
    for allergy in order.allergies:
        yield bar(f"过敏 ALLERGY: {shortened(allergy)}", TALL_BAR)
    for line in paragraph("\n".join([order.note or "", *order.unread])):
        yield Line((Run(f"※{line}", TALL),))
    for name in ticket.changed_facts:
        yield Line((Run(f"改 changed: {name}", TALL),))
    known = msgspec.to_builtins(order, builtin_types=(datetime,))
    yield from _facts({name: value for name, value in known.items() if name not in _SKIPPED}, ticket)


def _facts(facts: dict[str, object], subject: object) -> Iterator[Block]:
    now = getattr(subject, "printed_at", None)
    currency = facts.get("currency")
    for name, value in facts.items():
        if text := _text(name, value, currency if isinstance(currency, str) else None, now):
            yield Line((Run(f"{name}: {shortened(text)}"),), indent=2)


def _text(name: str, value: object, currency: str | None, now: datetime | None) -> str:
    """A fact as people write it; what says nothing is empty."""
    if isinstance(value, dict):
        each = ((key, _text(key, part, currency, now)) for key, part in value.items())
        return "  ".join(f"{key} {text}" for key, text in each if text)
    if isinstance(value, list | tuple):
        return "; ".join(text for part in value if (text := _text(name, part, currency, now)))
    if isinstance(value, bool):
        return "yes" if value else "no" if name == "paid" else ""
    if isinstance(value, int) and name in _AMOUNTS:
        return money(value, currency)
    if isinstance(value, datetime):
        return when(value, now)
    return "" if value in (None, "", 0) else str(value)


def _change(change: Altered) -> Iterator[Block]:
    yield Line((Run(f"{change.sign} {change.by}  {change.moved}", _BIG),))
    for each in (change, *change.parts):
        count = f"{each.was} → {each.now}" if each.was != each.now else (each.by or each.dish.qty) + each.dish.unit
        yield from _dish(each.dish, count)
        before = each.before
        was = [text for text in (before.name, before.mods, before.note, before.places) if text]
        if was:
            yield Line((Run(f"{each.dish.margin}原 was: {'  '.join(was)}"),), indent=4)


def _portions(portions: Iterable[Portion]) -> Iterator[Block]:
    for dish in dishes(portions, Language.BOTH):
        yield from _dish(dish, dish.qty + dish.unit)


def _dish(dish: Dish, count: str) -> Iterator[Block]:
    margin = "  " * dish.depth
    yield Line((Run(f"{margin}{dish.name} {dish.name2}", TALL),), (Run(count, _BIG),), indent=2)
    part_of = f"属 part of: {dish.part_of}" if dish.part_of else ""
    elsewhere = f"部分另见 parts at: {dish.elsewhere}" if dish.elsewhere else ""
    for fact in (dish.unrouted, part_of, dish.each, elsewhere, dish.places):
        if fact:
            yield Line((Run(f"{margin}  {fact}"),), indent=4)
    for mod in dish.item.mods:
        yield Line((Run(f"{margin}  {modifier(mod)}", TALL),), indent=4)
    for line in dish.note:
        yield Line((Run(f"{margin}  ※{line}", TALL),), indent=4)
