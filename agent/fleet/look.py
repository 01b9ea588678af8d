"""How the whole fleet is at one moment: every box, the sums, and the watcher's own line. Pure."""

from collections import Counter
from collections.abc import Iterable

import msgspec

from agent.fleet.trouble import NEED_A_PERSON, Trouble
from agent.fleet.view import Row


class Summary(msgspec.Struct, frozen=True):
    """The whole fleet in a few numbers: boxes by their worst trouble, printers by what they need, tickets that wait and
    orders that are held in all, the oldest ticket's age, boxes by version (the 20 commonest).
    """

    boxes: dict[Trouble, int]
    printers: dict[str, int]
    waiting: int
    held: int
    oldest_s: float | None
    versions: dict[str, int]

    @property
    def need_a_person(self) -> int:
        """How many boxes do."""
        return sum(self.boxes[trouble] for trouble in NEED_A_PERSON)


class Line(msgspec.Struct, frozen=True):
    """The watcher's own line: where to, whether it is up, since when, and what is wrong with it. While it is down all
    that is shown is old.
    """

    broker: str
    up: bool
    since_s: float
    why: str


class Look(msgspec.Struct, frozen=True):
    """How everything is at one moment. `refused` messages were from no possible box."""

    at: str
    line: Line
    summary: Summary
    boxes: list[Row]
    messages: int
    refused: int


def summary(rows: Iterable[Row]) -> Summary:
    """Count."""
    rows = list(rows)
    troubles = Counter(row.trouble for row in rows)
    needs = [need for row in rows for need in row.needs if need.trouble is Trouble.PRINTER]
    return Summary(
        boxes={trouble: troubles[trouble] for trouble in Trouble},
        printers=dict(Counter(need.what for need in needs)),
        waiting=sum(row.waiting or 0 for row in rows),
        held=sum(row.held or 0 for row in rows),
        oldest_s=max((row.oldest_s for row in rows if row.oldest_s is not None), default=None),
        versions=dict(Counter(row.version for row in rows if row.version).most_common(20)),
    )
