"""Pages that help to set a printer up: which one is it, how wide is its paper, which characters does it have. Pure."""

from datetime import datetime

from agent.encode.typeset import typeset
from agent.model.layout import Align, Gap, Layout, Line, Printed, Row, Rule, Run, Style
from agent.model.papertest import RULERS, SAMPLES
from agent.model.ticket import Language
from agent.tickets.words import say

NARROW = RULERS[0]
"""What every paper bears: on the page that asks for the width only the rulers are longer."""

_LARGEST = Style(8, 8, bold=True)
_TITLE = Style(2, 2, bold=True, inverted=True)
_BOLD = Style(bold=True)


def identify_page(
    name: str, detail: str = "", at: datetime | None = None, language: Language = Language.BOTH
) -> Layout:
    """The printer's name, as large as the paper bears."""
    foot = "  ".join(filter(None, (detail, f"{at:%m-%d %H:%M:%S}" if at is not None else "")))
    return Layout(
        (
            Line((Run(say(language, "这台是", "THIS IS"), _TITLE),), align=Align.CENTER, fit=True),
            Gap(24),
            Line((Run(name, _LARGEST),), align=Align.CENTER, fit=True),
            Gap(24),
            Line((Run(foot),), align=Align.CENTER),
        )
    )


def paper_page(name: str) -> tuple[Printed, ...]:
    """Rulers and samples, for the narrowest paper whatever is configured; a ruler that is too long for it breaks."""
    return (
        *_set(
            Line((Run("纸宽和汉字 PAPER TEST", Style(1, 2, bold=True, inverted=True)),), align=Align.CENTER, fit=True)
        ),
        *_set(Line((Run(name),), align=Align.CENTER)),
        *_set(
            Rule(),
            Line((Run("1. 两头都有数字、没有断行的，最大是几？", _BOLD),)),
            Line((Run("Largest number at both ends of one unbroken line?"),)),
        ),
        *(row for ruler in RULERS for row in (Gap(12), Row((Run(_ruler(ruler)),)))),
        *_set(
            Rule(),
            Line((Run("2. 哪几行汉字正确？", _BOLD),)),
            Line((Run("Which lines are right Chinese?"),)),
        ),
        *(_sample(letter) for letter in SAMPLES),
        *_set(Rule(), Line((Run("B: gbk   A: gb2312   C: ascii"),))),
    )


def _ruler(cells: int) -> str:
    """So many cells: 32 ------ 32."""
    number = str(cells)
    return f"{number} {'-' * (cells - 2 * len(number) - 2)} {number}"


def _sample(letter: str) -> Row:
    return Row((Run(f"{letter}  {SAMPLES[letter]}"),), drawn=letter == "C")


def _set(*blocks: Line | Rule) -> tuple[Printed, ...]:
    return typeset(Layout(blocks), NARROW)
