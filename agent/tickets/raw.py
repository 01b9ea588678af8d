"""Content that came ready-made, with what a ticket must say besides: that it is printed again, or for whom."""

from collections.abc import Mapping

import msgspec

from agent.model.layout import Align, Layout, Line, Run
from agent.model.order import Raw
from agent.model.ticket import Ticket
from agent.tickets.banner import TALL_BAR, bannered
from agent.tickets.markup import Marked, parse
from agent.tickets.words import say


def ready_made(raw: Raw, ticket: Ticket, width: int, images: Mapping[str, bytes]) -> Marked:
    """The content as it came, on paper of `width` cells, below its banners."""
    marked = parse(raw.content, raw.dialect, width=width, images=images)
    blocks = marked.layout.blocks
    if raw.station and raw.station != ticket.station:
        words = say(ticket.language, "未分派", "unrouted")
        blocks = (Line((Run(f" {words}: {raw.station} ", TALL_BAR),), align=Align.CENTER, fit=True), *blocks)
    return msgspec.structs.replace(marked, layout=Layout(bannered(ticket, blocks)))
