"""What a contender's paper and words come to, by rules that need no banner of ours; pure.

An order is *whole* where one ticket bears its number and every dish with its quantity. A *part* is any other print that
is no notice to the staff. What says 补打 REPRINT is marked; only the agent has such a word.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec

from agent.simulator.piece import Item, Line, Piece
from agent.simulator.reading import Printed, read_paper
from agent.simulator.share import Stations, shares, shows


class Score(msgspec.Struct):
    """Counts for one scene. `false`: orders said to be printed that were on no paper; -1 where nothing is ever said.

    `told`: orders of which it was said that they are not, or perhaps not, on paper.
    """

    orders: int
    lost: int = 0
    doubled: int = 0
    partial: int = 0
    out_of_order: int = 0
    marked: int = 0
    false: int = 0
    told: int = 0
    seconds: float = 0.0

    @property
    def wrong(self) -> int:
        """Tickets that a kitchen would stumble over."""
        return self.lost + self.doubled + self.partial


def judge(orders: Mapping[int, Any], pieces: Sequence[Piece], said: Collection[int] | None, told: int = 0) -> Score:
    """Judge a printer's paper by the orders that were published, by number, and by what was `said` to be printed."""
    tickets = [ticket for ticket in read_paper("printer", map(_unglued, pieces)) if not ticket.notice]
    score = Score(len(orders), told=told)
    first: list[int] = []
    for at, ticket in enumerate(tickets):
        number = whole_order(orders, ticket)
        if number is None:
            score.partial += not any(_takes_back(orders, later, ticket) for later in tickets[at + 1 :])
            continue
        score.marked += ticket.marked
        score.doubled += number in first and not ticket.marked
        if number not in first:
            score.out_of_order += number < max(first, default=0)
            first.append(number)
    score.lost = len(orders) - len(first)
    score.false = -1 if said is None else len(set(said) - set(first))
    return score


def whole_order(orders: Mapping[int, Any], ticket: Printed) -> int | None:
    """The order that a ticket says in full; None for a part of one."""
    number = int(ticket.number) if ticket.number.isdecimal() else 0
    dishes = shares(orders[number], Stations("")).get("", ()) if number in orders else ()
    return number if dishes and all(shows(ticket.words, dish) for dish in dishes) else None


def _unglued(piece: Piece) -> Piece:
    """A head that was printed onto the rest of a torn line can be read, so it begins a line here."""
    items: list[Item] = []
    for item in piece.items:
        runs = item.runs if isinstance(item, Line) else ()
        heads = [at for at, run in enumerate(runs) if at and run.width > 1 and run.text.startswith("#")]
        if isinstance(item, Line) and heads:
            items.append(msgspec.structs.replace(item, runs=runs[: heads[0]]))
            item = msgspec.structs.replace(item, runs=runs[heads[0] :])
        items.append(item)
    return Piece(piece.width_dots, items)


def _takes_back(orders: Mapping[int, Any], later: Printed, part: Printed) -> bool:
    same = part.number in ("", later.number)
    return later.marked and same and whole_order(orders, later) is not None
