"""What a ticket's bytes take: template and markup, typesetting, encoding; and how many bytes there are.

The tickets are the kitchen's, of the usual orders (`orders`), with one station. Bytes are compared with what their
text, line feeds and changes of size, weight and place need, told from the virtual printer's paper alone.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec

from agent.encode.escpos import encode
from agent.encode.typeset import typeset
from agent.model.order import READ_UPSERT
from agent.model.ticket import Language, Portion, Ticket
from agent.simulator.paper import Paper
from agent.tickets.template import shipped
from scripts.benchmarks.orders import order_event
from scripts.benchmarks.table import markdown, median, percentile
from tests.test_bytes import needed

COLUMNS = (
    "paper, language",
    "all, µs: median, p95",
    "template and markup",
    "typeset",
    "encode",
    "bytes",
    "needed",
    "drawn lines",
)


class Cost(msgspec.Struct):
    """One width and language: seconds a ticket by step, bytes, what the paper needs, and lines that were drawn."""

    width: int
    language: str
    seconds: dict[str, list[float]] = {}
    sizes: list[int] = []
    least: list[int] = []
    drawn: int = 0

    def timed(self, step: str, work: Callable[[], Any]) -> Any:
        """Do it, and keep how long it took."""
        began = time.perf_counter()
        made = work()
        self.seconds.setdefault(step, []).append(time.perf_counter() - began)
        return made


def measure(tickets: int, rounds: int) -> list[Cost]:
    """Every width and language by turns, each ticket once a round; a first round is not counted."""
    costs = [Cost(width, language.value) for width in (32, 48) for language in (Language.ZH, Language.BOTH)]
    events = [msgspec.json.decode(order_event("s1", number)) for number in range(tickets)]
    orders = [READ_UPSERT.decode(msgspec.json.encode(event["data"])).order for event in events]
    for at in range(rounds + 1):
        for place, cost in enumerate(costs):
            for order in orders:
                portions = tuple(map(Portion, order.items))
                facts: dict[str, Any] = {
                    "number": 7,
                    "language": Language(cost.language),
                    "printed_at": datetime.now(UTC),
                }
                _one(cost, Ticket(order, portions, "kitchen", **facts))
            if at == 0:
                costs[place] = Cost(cost.width, cost.language)
    return costs


def _one(cost: Cost, ticket: Ticket) -> None:
    book, width = shipped(), cost.width
    layout, error = cost.timed("layout", lambda: book.layout("kitchen", ticket, width))
    assert error is None, error
    rows = cost.timed("typeset", lambda: typeset(layout, width))
    made = cost.timed("encode", lambda: encode(rows, width))
    paper = Paper(12 * width)
    paper.feed(made.data)
    (piece,) = paper.pieces
    cost.drawn += len(piece.bitmaps)
    cost.sizes.append(len(made.data))
    cost.least.append(needed(piece))


def table(costs: list[Cost]) -> str:
    """One row a width and language."""
    rows = []
    for cost in costs:
        whole = [sum(steps) for steps in zip(*cost.seconds.values(), strict=True)]
        steps = [f"{1e6 * median(cost.seconds[step]):.0f}" for step in ("layout", "typeset", "encode")]
        size, least = sum(cost.sizes) / len(cost.sizes), sum(cost.least) / len(cost.least)
        name = f"{'58 mm' if cost.width == 32 else '80 mm'}, {cost.language}"
        speed = f"{1e6 * median(whole):.0f}, {1e6 * percentile(whole, 0.95):.0f}"
        rows.append((name, speed, *steps, f"{size:.0f}", f"{least:.0f} ({size / least:.3f}×)", str(cost.drawn)))
    return markdown(COLUMNS, rows)
