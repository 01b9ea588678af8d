"""Feieyun (飞鹅): content as it is sent to Open_printMsg. `<L>` is tall, `<BR>` a line. Nothing in it is escaped."""

from agent.model.layout import Align, Symbology
from agent.tickets.markup.tags import Action, Break, Dialect
from agent.tickets.markup.tags_actions import ALERT, CUT, DRAWER, LOGO, code, styled

TAGS: dict[str, Action] = {
    "br": Break(),
    "b": styled(2, 2),
    "cb": styled(2, 2, align=Align.CENTER),
    "l": styled(height=2),
    "w": styled(width=2),
    "c": styled(align=Align.CENTER),
    "right": styled(align=Align.RIGHT),
    "bold": styled(bold=True),
    "qr": code(Symbology.QR),
    "bc128_a": code(Symbology.CODE128),
    "bc128_b": code(Symbology.CODE128),
    "bc128_c": code(Symbology.CODE128),
    "cut": CUT,
    "logo": LOGO,
    "plugin": DRAWER,
    "audio-refund": ALERT,
    "audio-cancel": ALERT,
}

DIALECT = Dialect(TAGS)
