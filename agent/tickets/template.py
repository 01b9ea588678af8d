"""The built-in kitchen ticket. A cook reads it at arm's length: number, warnings, dishes, quantities.

Black bars are warnings only. Nothing that an order says is left out, and no quantity is ever shortened.
"""

from agent.model.job import JobKind, Mark
from agent.model.layout import Align, Block, Cut, Gap, Layout, Line, Rule, Run, Style
from agent.model.ticket import Language, Ticket
from agent.tickets.dishes import dishes, paragraph, shortened
from agent.tickets.words import fulfilment, say, trouble, when

BIG = Style(2, 2, True)
HUGE = Style(3, 3, True)
TALL = Style(1, 2, True)
TALL_BAR = Style(1, 2, False, True)
BIG_BAR = Style(2, 2, False, True)
HUGE_BAR = Style(3, 3, False, True)

BAR_GAP = 6
DISH_GAP = 10

_MARKS = {
    Mark.POSSIBLE_DUPLICATE: "(可能重复 possible duplicate)",
    Mark.DISCARD_PIECE_ABOVE: "(上面残单作废 discard the piece above)",
    Mark.JOURNAL_REBUILT: "(可能重复 possible duplicate)",
}


def kitchen(ticket: Ticket) -> Layout:
    """What a station's printer prints for a ticket, at any width."""
    blocks: list[Block] = []
    if ticket.mark is not None:
        blocks += _reprint(ticket, ticket.mark)
    blocks += _news(ticket)
    blocks += _head(ticket)
    blocks += _warnings(ticket)
    blocks.append(Rule())
    for portion in ticket.portions:
        blocks.append(Gap(DISH_GAP))
        blocks += dishes(portion, ticket.language, void=ticket.kind is JobKind.CANCEL)
    blocks += [Gap(DISH_GAP), Rule()]
    blocks += _foot(ticket)
    blocks.append(Cut())
    return Layout(tuple(blocks))


def _bar(text: str, style: Style = BIG_BAR) -> Line:
    return Line((Run(text, style),), align=Align.CENTER, fit=True)


def _reprint(ticket: Ticket, mark: Mark) -> list[Block]:
    """The banner is in both languages whatever the ticket's: it must never be missed."""
    facts = [_copy(ticket)]
    if ticket.original_at is not None:
        facts.insert(0, f"原打印 first printed {when(ticket.original_at, ticket.printed_at, seconds=True)}")
    if ticket.attempt > 1:
        facts.insert(1, f"第{ticket.attempt}次 attempt {ticket.attempt}")
    blocks: list[Block] = [_bar(f"补打 REPRINT #{_number(ticket)}"), _bar(_MARKS[mark], TALL_BAR)]
    text = "  ".join(fact for fact in facts if fact)
    return [*blocks, Line((Run(text),))] if text else blocks


def _news(ticket: Ticket) -> list[Block]:
    """What makes this ticket other than a plain order."""
    rev = ticket.order.rev
    blocks: list[Block] = []
    if ticket.kind is JobKind.AMEND:
        blocks.append(_bar(f"改单 AMENDED 第{rev}版 rev {rev}"))
        blocks.append(_bar("以此单为准 replaces the earlier ticket", TALL_BAR))
    elif ticket.kind is JobKind.CANCEL:
        blocks.append(_bar("作废 CANCELLED", HUGE_BAR))
        if ticket.reason:
            blocks += paragraph(say(ticket.language, "原因", "reason") + ": ", ticket.reason, TALL)
    if ticket.late:
        blocks.append(_bar("迟到 LATE"))
    if ticket.printed_for:
        words = say(ticket.language, "代打", "printed for")
        blocks.append(_bar(f"{words}: {ticket.printed_for}", TALL_BAR))
        if ticket.printed_for_why:
            why = trouble(ticket.language, ticket.printed_for_why)
            words = say(ticket.language, "它的打印机", "its printer")
            blocks.append(Line((Run(f"{words}: {why}"),), align=Align.CENTER))
    return blocks


def _head(ticket: Ticket) -> list[Block]:
    order, language = ticket.order, ticket.language
    number, place = Run(f"#{_number(ticket)}", HUGE), _place(ticket)
    blocks: list[Block] = [Line((number,), (Run(place, BIG),) if place else (), fit=True)]
    if code := _text(order.pickup_code):
        words = say(language, "取餐码", "pickup code")
        blocks.append(Line((Run(f"{words} ", TALL), Run(code, BIG)), fit=True))
    how = fulfilment(Language.EN, order.fulfil) if language is Language.BOTH else ""
    facts = [order.channel, how if how not in place else "", _guests(ticket), _cutlery(ticket)]
    if text := "  ".join(fact for fact in facts if fact):
        blocks.append(Line((Run(text),)))
    return blocks


def _place(ticket: Ticket) -> str:
    """What stands large beside the number: how the order leaves the kitchen, and the table."""
    language = Language.EN if ticket.language is Language.EN else Language.ZH
    table = _text(ticket.order.table)
    how = fulfilment(language, ticket.order.fulfil)
    return " ".join(part for part in (how, say(language, "桌", "Table ") + table if table else "") if part)


def _guests(ticket: Ticket) -> str:
    guests = ticket.order.guests
    return "" if guests is None else say(ticket.language, f"{guests}人", f"{guests} guests")


def _cutlery(ticket: Ticket) -> str:
    cutlery = _text(ticket.order.cutlery)
    return f"{say(ticket.language, '餐具', 'cutlery')} {cutlery}" if cutlery else ""


def _warnings(ticket: Ticket) -> list[Block]:
    order, language = ticket.order, ticket.language
    blocks: list[Block] = []
    if order.rush:
        blocks.append(_bar(say(language, "加急", "RUSH")))
    if order.due_at is not None:
        words = say(language, "要求", "due")
        due = Run(when(order.due_at, ticket.printed_at), BIG)
        blocks.append(Line((Run(f"{words} ", TALL), due)))
    comma = ", " if language is Language.EN else "、"
    if allergies := comma.join(shortened(allergy) for allergy in order.allergies):
        blocks += [Gap(BAR_GAP), _bar(f"{say(language, '过敏', 'ALLERGY')}: {allergies}"), Gap(BAR_GAP)]
    if order.note:
        blocks += paragraph(say(language, "备注", "note") + ": ", order.note, TALL)
    return blocks


def _foot(ticket: Ticket) -> list[Block]:
    language, order = ticket.language, ticket.order
    station = [Run(ticket.station, TALL)]
    if ticket.number:
        station.append(Run(f"  流水 No.{ticket.number:03d}", TALL))
    part = f"{ticket.part}/{ticket.parts}" if ticket.parts > 1 else ""
    blocks: list[Block] = [Line(tuple(station), (Run(part, TALL),) if part else ())]
    if ticket.also_at:
        blocks.append(Line((Run(f"{say(language, '另见', 'also at')}: {', '.join(ticket.also_at)}"),)))
    times = (
        (say(language, "下单", "ordered"), when(order.placed_at, ticket.printed_at)),
        (say(language, "打印", "printed"), when(ticket.printed_at, ticket.printed_at, seconds=True)),
    )
    facts = [f"{words} {clock}" for words, clock in times if clock]
    if ticket.mark is None:
        facts.append(_copy(ticket))
    people = _customer(ticket)
    for text in ("  ".join(fact for fact in facts if fact), people):
        if text:
            blocks.append(Line((Run(text),)))
    return blocks


def _customer(ticket: Ticket) -> str:
    """The customer, as far as the kitchen may know."""
    customer = ticket.order.customer
    if customer is None:
        return ""
    facts = [_text(customer.name), _text(customer.phone_tail)]
    if customer.member is not None and customer.member.level:
        facts.append(f"{say(ticket.language, '会员', 'member')} {customer.member.level}")
    return "  ".join(fact for fact in facts if fact)


def _copy(ticket: Ticket) -> str:
    if ticket.copies <= 1:
        return ""
    return say(ticket.language, "联", "copy") + f" {ticket.copy}/{ticket.copies}"


def _number(ticket: Ticket) -> str:
    return shortened(ticket.order.number.strip().removeprefix("#") or ticket.order.id)


def _text(value: str | int | None) -> str:
    return "" if value is None else shortened(str(value).strip())
