"""The ticket that prints when its template can't: everything that the order says, and which line is at fault."""

from collections.abc import Iterable, Iterator

import msgspec

from agent.model.layout import Block, Cut, Layout, Line, Rule, Run, Style
from agent.model.ticket import Change, Portion, Ticket
from agent.tickets.banner import TALL, TALL_BAR, banner, bar, number_of
from agent.tickets.dishes import modifier, paragraph, said, shortened
from agent.tickets.subject import Expo, Subject
from agent.tickets.words import amount, visible

_BIG = Style(2, 2, True)
_SKIPPED = {"items", "id", "rev", "no", "allergies", "note", "courier", "placed_at", "expires_at"}


def plain(subject: Subject, fault: str) -> Layout:
    """Any subject, in the order's own words. `fault` is the template's file and line."""
    blocks: list[Block] = [bar("模板出错 TEMPLATE ERROR", TALL_BAR), Line((Run(fault, Style(inverted=True)),))]
    if isinstance(subject, Expo):
        blocks += [*_ticket(subject.ticket), Rule()]
        for station, portions in subject.shares:
            blocks += [Line((Run(station, TALL),)), *_portions(portions, "")]
    elif isinstance(subject, Ticket):
        blocks += [*_ticket(subject), Rule(), *_changes(subject.changes), *_portions(subject.portions, ""), Rule()]
        blocks.append(Line((Run(f"{subject.station}  No.{subject.number:03d}", TALL),)))
    else:
        blocks += _facts(msgspec.to_builtins(subject))
    return Layout((*blocks, Cut()))


def _ticket(ticket: Ticket) -> Iterator[Block]:
    order = ticket.order
    yield from banner(ticket)
    yield Line((Run(f"#{number_of(ticket)}", _BIG), Run(f" {said(order.table)}", TALL)), fit=True)
    for allergy in order.allergies:
        yield bar(f"过敏 ALLERGY: {shortened(allergy)}", TALL_BAR)
    for line in paragraph(order.note or ""):
        yield Line((Run(f"※{line}", TALL),))
    for name in ticket.changed_facts:
        yield Line((Run(f"改 changed: {name}", TALL),))
    yield from _facts({k: v for k, v in msgspec.to_builtins(order).items() if k not in _SKIPPED})


def _facts(facts: dict[str, object]) -> Iterator[Block]:
    for name, value in facts.items():
        if value not in (None, "", False, 0, []):
            yield Line((Run(f"{name}: {shortened(str(value))}"),), indent=2)


def _changes(changes: Iterable[Change]) -> Iterator[Block]:
    for change in changes:
        sign = {"added": "加 +", "removed": "退 -", "altered": "改 "}[change.kind]
        yield Line((Run(f"{sign}{change.by} {change.elsewhere}", _BIG),))
        yield from _portions((change.portion,), "")


def _portions(portions: Iterable[Portion], margin: str) -> Iterator[Block]:
    for portion in portions:
        item = portion.item
        sets = "".join(f" x{amount(parent.qty)}" for parent in portion.parents)
        right = Run(f"x{amount(item.qty)}{sets}{item.unit or ''}", _BIG)
        name = item.name if visible(item.name) else "无名 no name"
        yield Line((Run(f"{margin}{shortened(name)} {shortened(item.name2 or '')}", TALL),), (right,), indent=2)
        for mod in item.mods:
            yield Line((Run(f"{margin}  {modifier(mod)}"),), indent=4)
        for line in paragraph(item.note or ""):
            yield Line((Run(f"{margin}  ※{line}", TALL),), indent=4)
        yield from _portions(portion.parts, margin + "  ")
