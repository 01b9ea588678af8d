"""Yilianyun (易联云): content as it is sent to its text interface. Lines end with a line feed; `<BR>` is a barcode.

Its 1.33-fold sizes are no printer's own: high ones become twice as high, wide ones bold, so that lines which were laid
out for them still fit.
"""

from agent.model.layout import Align, Symbology
from agent.tickets.markup.tags import Action, Attrs, Dialect, Held, Point, Span
from agent.tickets.markup.tags_actions import TWO, alert, code, idle, known, picture, place, print_code, reach, styled
from agent.tickets.markup.tags_sheet import Sheet, TagError
from agent.tickets.markup.tags_table import CELL, ROW, TABLE

_STOP = 4
"""Tab stops are this many cells apart."""


def _value(attrs: Attrs, content: str, least: int, most: int) -> int:
    known(attrs)
    text = content.strip()
    if not (len(text) == 1 and text.isdecimal() and least <= int(text) <= most):
        raise TagError(f"{least} to {most}")
    return int(text)


def _copies(sheet: Sheet, attrs: Attrs, content: str) -> None:
    sheet.copies = _value(attrs, content, 1, 9)


def _cut(_sheet: Sheet, attrs: Attrs, content: str) -> None:
    """How the ticket is cut at its end, where it is cut anyway."""
    _value(attrs, content, 0, 3)


def _alert(sheet: Sheet, attrs: Attrs, content: str) -> None:
    sheet.beep = sheet.beep or _value(attrs, content, 0, 3) > 0


def _sound(sheet: Sheet, attrs: Attrs, content: str) -> None:
    """<MS>mode,volume</MS>: volume 0 is silent."""
    known(attrs)
    sheet.beep = sheet.beep or not content.strip().endswith(",0")


def _speech(sheet: Sheet, attrs: Attrs, _content: str) -> None:
    """What they say is a sound here."""
    alert(sheet, attrs)


def _logo(sheet: Sheet, attrs: Attrs, content: str) -> None:
    if _value(attrs, content, 0, 1):
        picture(sheet, "logo", 0, Align.CENTER)


def _idle(name: str) -> Held:
    say = idle(name)
    return Held(lambda sheet, attrs, _content: say(sheet, attrs))


def _ean13(sheet: Sheet, attrs: Attrs, content: str) -> None:
    """Thirteen digits; there are zeros before fewer."""
    known(attrs)
    text = content.strip()
    print_code(sheet, Symbology.EAN13, text.zfill(13) if text.isdecimal() else text, align=place(sheet, {}, _LEFT))


def _comma(sheet: Sheet, _attrs: Attrs) -> None:
    """The first comma of a line in two parts stands between them; any other is text."""
    if sheet.side is sheet.left and any(scope.name == "lr" for scope, *_ in sheet.opened):
        sheet.side = sheet.right
    else:
        sheet.text(",")


def _tab(sheet: Sheet, _attrs: Attrs) -> None:
    reach(sheet, lambda column: column + _STOP - column % _STOP)


_LEFT = Align.LEFT

TAGS: dict[str, Action] = {
    "fb": styled(bold=True),
    "fh": styled(height=2),
    "fh2": styled(height=2),
    "fw": styled(bold=True),
    "fw2": styled(width=2),
    "fs": styled(height=2, bold=True),
    "fs2": styled(2, 2),
    "@@2": Span(styled(2, 2).change, line=True),
    "center": styled(align=Align.CENTER),
    "right": styled(align=Align.RIGHT),
    "lr": TWO,
    ",": Point(_comma),
    "\t": Point(_tab),
    "table": TABLE,
    "tr": ROW,
    "td": CELL,
    "qr": code(Symbology.QR),
    "br": Held(_ean13),
    "br2": code(Symbology.CODE128, _LEFT),
    "br3": code(Symbology.CODE128, _LEFT),
    "mn": Held(_copies),
    "mk": Held(_cut),
    "ml": Held(_logo),
    "ma": Held(_alert),
    "ms": Held(_sound),
    **{name: Held(_speech) for name in ("audio", "tts", "vn", "vd", "va", "vi")},
    **{name: _idle(name.upper()) for name in ("mc", "mr", "mp", "rs", "pw")},
}

DIALECT = Dialect(TAGS, marks=r"(?m:^@@2)|,|\t")
