"""Xpyun (芯烨云): content as it is sent to its print interface. `<L>` is left, `<BR>` a line.

Pictures have no names there: `<IMG>` is the logo, its number taken for the percentage of the paper's width.
"""

from agent.model.layout import Align, Symbology
from agent.tickets.markup.tags import Action, Attrs, Break, Dialect, Held, Point, Span
from agent.tickets.markup.tags_actions import (
    ALIGNS,
    CUT,
    LEVELS,
    choice,
    idle,
    known,
    number,
    picture,
    print_code,
    reach,
    styled,
    turned,
)
from agent.tickets.markup.tags_sheet import Look, Sheet, TagError

_CELL_DOTS = 12
_QR_CELLS = 29
"""The cells of a usual QR code, by which its width in dots becomes the width of a cell."""
_SYMBOLOGIES = {symbology.value: symbology for symbology in Symbology if symbology is not Symbology.QR}


def _qr(sheet: Sheet, attrs: Attrs, content: str) -> None:
    known(attrs, "size")
    print_code(sheet, Symbology.QR, content, module=number(attrs, "size", 0, 0, 999) // _QR_CELLS, align=_at(sheet))


def _qrcode(sheet: Sheet, attrs: Attrs, content: str) -> None:
    known(attrs, "s", "e", "l")
    module, level = number(attrs, "s", 6, 0, 16), choice(attrs, "e", LEVELS, "l")
    print_code(sheet, Symbology.QR, content, module=module, level=level, align=choice(attrs, "l", ALIGNS, Align.CENTER))


def _barcode(sheet: Sheet, attrs: Attrs, content: str) -> None:
    known(attrs, "t", "w", "h", "p")
    print_code(
        sheet,
        choice(attrs, "t", _SYMBOLOGIES, Symbology.CODE128),
        content,
        module=number(attrs, "w", 2, 2, 6),
        height=number(attrs, "h", 100, 1, 255),
        caption=number(attrs, "p", 2, 0, 3) > 0,
        align=_at(sheet),
    )


def _at(sheet: Sheet) -> Align:
    return sheet.look.stand.align


def _logo(sheet: Sheet, attrs: Attrs, content: str) -> None:
    known(attrs, "size")
    if content.strip():
        raise TagError("a picture has no content")
    width = sheet.width * _CELL_DOTS * min(100, number(attrs, "size", 40, 1, 200)) // 100
    picture(sheet, "logo", width, _at(sheet))


def _font(look: Look, attrs: Attrs) -> Look:
    known(attrs, "w", "h")
    return turned(look, number(attrs, "w", 0, 0, 7) + 1, number(attrs, "h", 0, 0, 7) + 1)


def _stops(sheet: Sheet, attrs: Attrs) -> None:
    known(attrs, "p")
    places = attrs.get("p", "").split(",")
    if not all(place.strip().isdecimal() and len(place.strip()) <= 3 for place in places):
        raise TagError("p is a list of places")
    sheet.stops = tuple(sorted(int(place) for place in places))


def _stop(sheet: Sheet, attrs: Attrs) -> None:
    known(attrs)
    reach(sheet, lambda column: next((stop for stop in sheet.stops if stop > column), column + 1))


TAGS: dict[str, Action] = {
    "br": Break(),
    "l": styled(align=Align.LEFT),
    "c": styled(align=Align.CENTER),
    "r": styled(align=Align.RIGHT),
    "n": styled(1, 1),
    "hb": styled(height=2),
    "wb": styled(width=2),
    "b": styled(2, 2),
    "cb": styled(2, 2, align=Align.CENTER),
    "hb2": styled(height=3),
    "wb2": styled(width=3),
    "b2": styled(3, 3),
    "font": Span(_font),
    "bold": styled(bold=True),
    "line": Point(_stops),
    "ht": Point(_stop),
    "rh": Span(enter=idle("RH")),
    "qr": Held(_qr),
    "qrcode": Held(_qrcode),
    "barcode": Held(_barcode),
    "img": Held(_logo),
    "cut": CUT,
}

DIALECT = Dialect(TAGS, sized=frozenset({"qr", "img"}))
