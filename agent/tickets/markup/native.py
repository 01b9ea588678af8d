"""Our own dialect: Feieyun's tags, and what a kitchen ticket needs besides. Text and attributes come HTML-escaped."""

from agent.model.layout import Align, Symbology
from agent.tickets.markup import feie
from agent.tickets.markup.tags import Action, Attrs, Dialect, Point, Span
from agent.tickets.markup.tags_actions import (
    ALERT,
    TWO,
    YES,
    choice,
    code,
    gap,
    known,
    number,
    picture,
    place,
    rule,
    styled,
    tab,
    turned,
)
from agent.tickets.markup.tags_sheet import Look, Sheet, Stand
from agent.tickets.markup.tags_table import CELL, ROW, TABLE


def _size(look: Look, attrs: Attrs) -> Look:
    known(attrs, "w", "h", "bold", "inv", "u", "fit")
    bold, inverted, underlined = (choice(attrs, name, YES, None) for name in ("bold", "inv", "u"))
    width, height = number(attrs, "w", 0, 1, 8), number(attrs, "h", 0, 1, 8)
    return turned(look, width, height, bold, inverted, underlined, fit=choice(attrs, "fit", YES, False))


def _bar(look: Look, attrs: Attrs) -> Look:
    return turned(_size(look, attrs), inverted=True, align=Align.CENTER, fit=True)


def _indent(look: Look, attrs: Attrs) -> Look:
    known(attrs, "n")
    return Look(look.style, Stand(look.stand.align, number(attrs, "n", 2, 0, 9999), look.stand.fit))


def _picture(sheet: Sheet, attrs: Attrs) -> None:
    known(attrs, "src", "w", "align")
    picture(sheet, attrs.get("src", ""), number(attrs, "w", 0, 0, 2000), place(sheet, attrs, Align.CENTER))


TAGS: dict[str, Action] = {
    **feie.TAGS,
    "left": styled(align=Align.LEFT),
    "s": Span(_size),
    "inv": styled(inverted=True),
    "u": styled(underlined=True),
    "bar": Span(_bar, leave=Sheet.part),
    "ind": Span(_indent),
    "fit": styled(fit=True),
    "lr": TWO,
    "tab": Point(tab),
    "hr": Point(rule),
    "gap": Point(gap),
    "img": Point(_picture),
    "beep": ALERT,
    "table": TABLE,
    "tr": ROW,
    "td": CELL,
    "bc_ean13": code(Symbology.EAN13),
    "bc_ean8": code(Symbology.EAN8),
    "bc_upca": code(Symbology.UPC_A),
    "bc_code39": code(Symbology.CODE39),
    "bc_code93": code(Symbology.CODE93),
    "bc_codabar": code(Symbology.CODABAR),
    "bc_itf": code(Symbology.ITF),
}

DIALECT = Dialect(TAGS, entities=True)
