"""The judge: what was published, against what is on paper. Pure, and deaf to what the agent says of itself.

The law: at every station that an order concerns its newest revision stands on paper, whole, and once, or again only
under the banner 补打 REPRINT; a revision may say only what it changes, where the one before it stands on paper; what is
off was taken back by 作废; a part of a ticket is followed by what replaces it. Of each copy by itself, where a station
has several; but 作废 takes back all.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from agent.simulator.finding import Fault, Finding
from agent.simulator.parts import misleading
from agent.simulator.piece import Piece
from agent.simulator.rail import judge_rail
from agent.simulator.reading import Banner, Printed, read_paper
from agent.simulator.share import Stations
from agent.simulator.story import Event, Story, tell

__all__ = ["Event", "Fault", "Finding", "Story", "Verdict", "judge_paper", "tell"]


class Verdict(msgspec.Struct):
    """Everything found, and how much was looked at. `owed` is the number of tickets that must stand on paper."""

    findings: list[Finding] = []
    orders: int = 0
    owed: int = 0
    whole: int = 0
    amended: int = 0
    voids: int = 0
    reprints: int = 0
    partials: int = 0
    stood_in: int = 0
    notices: int = 0

    @property
    def fine(self) -> bool:
        """The paper is as it should be."""
        return not self.findings

    def count(self, fault: Fault) -> int:
        """How many findings there are of one kind."""
        return sum(finding.fault is fault for finding in self.findings)


def judge_paper(
    events: Iterable[Event],
    paper: Mapping[str, Sequence[Piece]],
    stations: Stations,
    homes: Mapping[str, str] | None = None,
) -> Verdict:
    """Judge the `paper`, pieces by printer in the order they came out, by the events that were published.

    Orders must have different numbers (`no`, else the id), because that is what paper tells them apart by. With
    `homes`, the printer of each station, a ticket on another one must say that it stands in.

    Raises:
        ValueError: two orders share a number.
    """
    stories = tell(events, stations)
    verdict = Verdict(orders=len(stories))
    files: dict[tuple[str, str], list[Printed]] = {}
    printed = {printer: read_paper(printer, pieces) for printer, pieces in paper.items()}
    everywhere = [ticket for tickets in printed.values() for ticket in tickets]
    for ticket in everywhere:
        ticket.whole = stations.is_whole(ticket)
    for printer, tickets in printed.items():
        own = [station for station, home in (homes or {}).items() if home == printer]
        guests = {number for number, story in stories.items() if own and not any(map(story.concerns, own))}
        verdict.findings += map(_partial, misleading(tickets, everywhere, guests))
        for ticket in tickets:
            _count(verdict, ticket)
            if not ticket.whole:
                continue
            verdict.findings += _strange(stories.get(ticket.number), ticket, homes or {})
            files.setdefault((ticket.number, ticket.station), []).append(ticket)
    for number, story in stories.items():
        verdict.owed += sum(stations.copies.get(station, 1) for station in story.wanted)
        places = {station for share in story.snapshots.values() for station in share}
        for station in sorted(places):
            tickets = files.get((number, station), [])
            for copy in stations.copies_at(station) or ("",):
                verdict.findings += judge_rail(story, station, tickets, copy)
    return verdict


def _count(verdict: Verdict, ticket: Printed) -> None:
    verdict.notices += ticket.notice
    verdict.whole += ticket.whole
    verdict.partials += not ticket.whole and not ticket.notice
    verdict.stood_in += ticket.whole and bool(ticket.printed_for)
    verdict.reprints += ticket.whole and ticket.marked
    verdict.amended += ticket.whole and ticket.banner is Banner.AMEND
    verdict.voids += ticket.whole and ticket.banner is Banner.VOID


def _strange(story: Story | None, ticket: Printed, homes: Mapping[str, str]) -> list[Finding]:
    """Is this ticket where nobody would look for it?"""
    words = ""
    if story is None:
        words = "nobody ordered it"
    elif not story.concerns(ticket.station):
        words = "the order has nothing for this station"
    elif not ticket.printed_for and homes.get(ticket.station, ticket.printer) != ticket.printer:
        words = f"it lies at the printer {ticket.printer}, and nothing on it says why"
    return [Finding(Fault.STRANGER, ticket.number, ticket.station, words)] if words else []


def _partial(part: Printed) -> Finding:
    words = f"a part is on paper and nothing marked follows: {part.words[:40]}"
    return Finding(Fault.PARTIAL, part.number, part.printer, words)
