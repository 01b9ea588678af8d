"""The alarm ticket: one printer tells the staff that another one needs them."""

from collections.abc import Sequence
from datetime import datetime

from agent.model.layout import Align, Block, Cut, Layout, Line, Rule, Run, Style
from agent.model.ticket import Language, Notice
from agent.tickets.words import remedy, say, trouble, when

_BAR = Style(2, 2, False, True)
_BIG = Style(2, 2, True)
_TALL = Style(1, 2, True)


def alarm(notice: Notice, language: Language, orders: Sequence[str], waiting: int, at: datetime) -> Layout:
    """What is wrong, where, what to do, the `orders` that are in that printer, and how many tickets wait for it."""
    blocks: list[Block] = [
        Line((Run("报警 ALARM", _BAR),), align=Align.CENTER, fit=True),
        Line((Run(notice.about, _BIG),), align=Align.CENTER, fit=True),
        Line((Run(trouble(language, notice.trouble), _BIG),), align=Align.CENTER, fit=True),
        Rule(),
    ]
    zh, en = remedy(notice.trouble)
    words = {Language.ZH: [zh], Language.EN: [en], Language.BOTH: [zh, en]}[language]
    blocks += [Line((Run(text, _TALL),)) for text in words]
    if orders:
        numbers = " ".join(f"#{number}" for number in orders)
        blocks.append(Line((Run(f"{say(language, '没打完', 'not finished')}: {numbers}", _TALL),)))
    if waiting:
        blocks.append(Line((Run(f"{say(language, '等待打印', 'tickets waiting')}: {waiting}", _TALL),)))
    blocks += [Rule(), Line((Run(f"{say(language, '打印', 'printed')} {when(at, at, seconds=True)}"),)), Cut()]
    return Layout(tuple(blocks))
