"""What stands above a ticket that is not a plain order. The agent prints it: no template can leave it out.

What says that paper is a second copy, or void, is in both languages whatever the ticket's: that must never be missed.
"""

from agent.model.job import JobKind, Mark
from agent.model.layout import Align, Block, Cut, Gap, Line, Run, Style
from agent.model.ticket import Language, Ticket
from agent.tickets.dishes import paragraph, shortened
from agent.tickets.words import say, trouble, when

TALL = Style(1, 2, True)
TALL_BAR = Style(1, 2, False, True)
BIG_BAR = Style(2, 2, False, True)
HUGE_BAR = Style(3, 3, False, True)

_MINUTES = {Language.ZH: "分钟", Language.EN: "min", Language.BOTH: "min"}
_MARKS = {
    Mark.POSSIBLE_DUPLICATE: "(可能重复 possible duplicate)",
    Mark.DISCARD_PIECE_ABOVE: "(上面残单作废 discard the piece above)",
    Mark.JOURNAL_REBUILT: "(可能重复 possible duplicate)",
    Mark.ASKED: "(应要求再打一张 a copy, asked for)",
}


def banner(ticket: Ticket) -> list[Block]:
    """The banners of a ticket; most have none."""
    blocks: list[Block] = []
    if ticket.mark is not None:
        blocks += _reprint(ticket, ticket.mark)
    if ticket.kind is not JobKind.ORDER:
        blocks += _news(ticket)
    if ticket.old:
        blocks.append(bar(say(ticket.language, "旧单", "OLD") + f" {ticket.old} {_MINUTES[ticket.language]}"))
    if ticket.late:
        blocks.append(bar(say(ticket.language, "迟到", "LATE")))
    if ticket.missing:
        numbers = " ".join(f"#{shortened(number).removeprefix('#')}" for number in ticket.missing)
        blocks.append(bar(f"{say(ticket.language, '缺单', 'MISSING')} {numbers}"))
        blocks.append(bar(say(ticket.language, "前面的单没到，请查问", "not received: ask for it"), TALL_BAR))
    if ticket.printed_for:
        blocks += _stand_in(ticket)
    return blocks


def bannered(ticket: Ticket, blocks: tuple[Block, ...]) -> tuple[Block, ...]:
    """A ticket's blocks below its banners. What may be on paper twice, or lies at another printer, says so at the end
    of each piece too: a cook hangs each by itself, and a printer whose cover was opened may cut its head off.
    """
    foot: list[Block] = []
    if ticket.mark is not None:
        foot.append(bar(f"补打 REPRINT #{number_of(ticket)}", TALL_BAR))
    if ticket.printed_for:
        foot.append(_printed_for(ticket))
    if not foot:
        return (*banner(ticket), *blocks)
    whole, bare = banner(ticket), False
    for block in blocks:
        if isinstance(block, Cut):
            whole += [block] if bare else [*foot, block]
            bare = True
        else:
            whole.append(block)
            bare = bare and _is_white(block)
    return (*whole, *(() if bare else foot))


def _is_white(block: Block) -> bool:
    """Paper with nothing on it."""
    if isinstance(block, Line):
        return not "".join(run.text for run in (*block.left, *block.right)).strip()
    return isinstance(block, Gap)


def bar(text: str, style: Style = BIG_BAR) -> Line:
    """A black bar across the paper."""
    return Line((Run(text, style),), align=Align.CENTER, fit=True)


def number_of(ticket: Ticket) -> str:
    """What people call the order, without a # of its own."""
    return shortened(ticket.order.number.strip().removeprefix("#") or ticket.order.id)


def _reprint(ticket: Ticket, mark: Mark) -> list[Block]:
    facts: list[str] = []
    if ticket.original_at is not None:
        facts.append(f"原打印 first printed {when(ticket.original_at, ticket.printed_at, seconds=True)}")
    if ticket.attempt > 1:
        facts.append(f"第{ticket.attempt}次 attempt {ticket.attempt}")
    if ticket.copies > 1:
        facts.append(f"{say(ticket.language, '联', 'copy')} {ticket.copy}/{ticket.copies}")
    blocks: list[Block] = [bar(f"补打 REPRINT #{number_of(ticket)}"), bar(_MARKS[mark], TALL_BAR)]
    return [*blocks, Line((Run("  ".join(facts)),))] if facts else blocks


def _news(ticket: Ticket) -> list[Block]:
    rev = ticket.order.rev
    if ticket.kind is JobKind.AMEND:
        only = ticket.before is not None
        both = ("只列变动", "only what changed") if only else ("以此单为准", "replaces the earlier ticket")
        words = say(ticket.language, *both)
        heads = (say(ticket.language, "改单", "AMENDED"), say(ticket.language, f"第{rev}版", f"rev {rev}"))
        return [bar(" ".join(heads)), bar(words, TALL_BAR)]
    if ticket.kind is not JobKind.CANCEL:
        return []
    blocks: list[Block] = [bar("作废 CANCELLED", HUGE_BAR)]
    label = say(ticket.language, "原因", "reason") + ": "
    for place, line in enumerate(paragraph(ticket.reason)):
        blocks.append(Line((Run(("  " if place else label) + line, TALL),), indent=2))
    return blocks


def _stand_in(ticket: Ticket) -> list[Block]:
    blocks: list[Block] = [_printed_for(ticket)]
    if ticket.printed_for_why:
        why = trouble(ticket.language, ticket.printed_for_why)
        words = say(ticket.language, "它的打印机", "its printer")
        blocks.append(Line((Run(f"{words}: {why}"),), align=Align.CENTER))
    return blocks


def _printed_for(ticket: Ticket) -> Line:
    return bar(f"{say(ticket.language, '代打', 'printed for')}: {ticket.printed_for}", TALL_BAR)
