"""Markup: content in a declared dialect becomes a Layout. Pure; nothing raises, and nothing is swallowed."""

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

import msgspec

from agent.model.layout import Layout
from agent.model.order import DIALECTS
from agent.tickets.markup import feie, native
from agent.tickets.markup.tags import Dialect

__all__ = ["DIALECTS", "Marked", "parse"]

_NO_IMAGES: Mapping[str, bytes] = MappingProxyType({})


class Marked(msgspec.Struct, frozen=True):
    """Content, understood. `unknown` is what was not, with its line: it is printed as text.

    `copies`, `beep` and `drawer` are what the content asks for; whether it gets it is for the caller to say.
    """

    layout: Layout
    unknown: tuple[str, ...] = ()
    copies: int = 1
    beep: bool = False
    drawer: bool = False


def parse(
    content: str, dialect: str = "native", *, width: int = 48, images: Mapping[str, bytes] = _NO_IMAGES
) -> Marked:
    """Read content in one of DIALECTS. `width` is the paper's, in cells; `images` are picture files by name.

    Raises KeyError for a dialect that there is not; nothing for any content.
    """
    if dialect == "receiptline":
        from agent.tickets.markup.receiptline import parse_receiptline

        layout, unknown = parse_receiptline(content, width)
        return Marked(layout, unknown)
    sheet = _tagged(dialect).set(content, images, width)
    return Marked(Layout(tuple(sheet.blocks)), tuple(sheet.unknown.values()), sheet.copies, sheet.beep, sheet.drawer)


@cache
def _tagged(dialect: str) -> Dialect:
    """The table of one dialect; a shop does not pay for those of the other vendors."""
    match dialect:
        case "native":
            return native.DIALECT
        case "feie":
            return feie.DIALECT
        case "xpyun":
            from agent.tickets.markup import xpyun

            return xpyun.DIALECT
        case "yilian":
            from agent.tickets.markup import yilian

            return yilian.DIALECT
    raise KeyError(dialect)
