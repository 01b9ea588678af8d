"""What of the fleet is worth a line in a log: each change of a box. Pure, but for what was there at the last look."""

from collections.abc import Iterable

from agent.fleet.table import Language, change, gone
from agent.fleet.trouble import Trouble
from agent.fleet.view import Row

Who = tuple[str, str]


class Changes:
    """Boxes that are well from the beginning are not mentioned, and no box before something is known of it."""

    def __init__(self, language: Language) -> None:
        self._language = language
        self._before: dict[Who, str] = {}

    def turn(self, rows: Iterable[Row]) -> list[str]:
        """A line for each box that changed since the last look, and for each that was taken off the broker."""
        before, present, lines = self._before, dict[Who, str](), list[str]()
        rows = list(rows)
        for row in reversed(rows):
            who, missed = (row.shop, row.agent), (row.shop, "")
            if row.trouble is Trouble.UNKNOWN:
                present |= {key: before[key] for key in (who, missed) if key in before}
                continue
            present[who] = change(row, self._language)
            if present[who] != before.get(who) and (row.needs or who in before or missed in before):
                lines.append(present[who])
        there = {(row.shop, row.agent) for row in rows}
        lines += [gone(*who, self._language) for who in sorted(set(before) - there) if who[1]]
        self._before = present
        return lines
