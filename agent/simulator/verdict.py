"""The judge: what was published, against what is on paper. Pure, and deaf to what the agent says of itself.

The law: at every station that an order concerns its newest revision stands on paper, whole, and once, or again only
under the banner 补打 REPRINT; a revision may say only what it changes, where the one before it stands on paper; what is
off was taken back by 作废; a part of a ticket is followed by what replaces it.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any

import msgspec

from agent.simulator.parts import misleading
from agent.simulator.piece import Piece
from agent.simulator.reading import Banner, Printed, read_paper
from agent.simulator.share import Dish, Stations, named, of_others, remarks, says, says_all, shares, shows_changes

Event = Mapping[str, Any]


class Fault(StrEnum):
    """What can be wrong with the paper."""

    LOST = "lost"
    """An order, its newest revision, or the word that it is off, is not on paper where it should be."""

    DOUBLED = "doubled"
    """The same ticket twice, and the second one does not say so."""

    PARTIAL = "partial"
    """A piece of a ticket that nothing on a later piece takes back."""

    STRANGER = "stranger"
    """A ticket that nobody ordered, at a station that the order does not concern, or on another station's printer
    without the word 代打."""

    OUTDATED = "outdated"
    """An older revision after a newer one, or an order after it was taken back."""

    WRONG = "wrong"
    """A ticket that says something else than the order."""

    FALSE = "false"
    """The cloud was told *confirmed* of a ticket that was not whole on paper by then."""

    UNTAKEN = "untaken"
    """An event that was never taken, though nothing stood in its way any more."""

    UNORDERED = "unordered"
    """An order's first ticket after that of an order that came later, and it does not say that it is late."""

    FOREIGN = "foreign"
    """Something on a ticket that neither the order says nor a ticket says of itself."""


class Finding(msgspec.Struct, frozen=True):
    """One fault, where, and in words."""

    fault: Fault
    order: str
    where: str
    words: str

    def __str__(self) -> str:
        return f"{self.fault}: order #{self.order or '?'} at {self.where}: {self.words}"


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


class Story(msgspec.Struct):
    """An order as it was told: the snapshots by revision, what else its newest one says to each station, which dishes
    it leaves to others, and the newest cancel (-1 for none).
    """

    number: str
    snapshots: dict[int, dict[str, tuple[Dish, ...]]] = {}
    remarks: dict[str, tuple[str, ...]] = {}
    of_others: dict[str, tuple[str, ...]] = {}
    canceled_at: int = -1

    @property
    def newest(self) -> int:
        """The newest revision that is an order; -1 when only a cancel was told."""
        return max(self.snapshots, default=-1)

    @property
    def wanted(self) -> dict[str, tuple[Dish, ...]]:
        """What shall stand on paper in the end, by station."""
        return {} if self.canceled_at >= self.newest else self.snapshots[self.newest]

    def concerns(self, station: str) -> bool:
        """Did any revision have something for this station?"""
        return any(station in share for share in self.snapshots.values())


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
        verdict.owed += len(story.wanted)
        places = {station for share in story.snapshots.values() for station in share}
        for station in sorted(places):
            verdict.findings += _judge_file(story, station, files.get((number, station), []))
    return verdict


def tell(events: Iterable[Event], stations: Stations) -> dict[str, Story]:
    """The orders by number, each with all that was said of it. Other events are no orders."""
    by_identity: dict[tuple[str, str], Story] = {}
    for event in events:
        if event["type"] not in ("order.upsert", "order.cancel"):
            continue
        order = event["data"]["order"]
        story = by_identity.setdefault((order["channel"], order["id"]), Story(""))
        if event["type"] == "order.cancel":
            story.canceled_at = max(story.canceled_at, order["rev"])
        else:
            story.number = str(order.get("no") or order["id"])
            if order["rev"] >= story.newest:
                story.remarks, story.of_others = remarks(order, stations), of_others(order, stations)
            story.snapshots[order["rev"]] = shares(order, stations)
    told = [story for story in by_identity.values() if story.snapshots]
    by_number = {story.number: story for story in told}
    if len(by_number) != len(told):
        raise ValueError("two orders share a number: paper can't tell them apart")
    return by_number


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


def _in_time(tickets: list[Printed]) -> list[Printed]:
    """As one printer printed them; of several printers the paper tells the time, to the second, and the number."""
    if len({ticket.printer for ticket in tickets}) < 2:
        return tickets
    return sorted(tickets, key=lambda ticket: (ticket.at, ticket.running, ticket.marked))


def _judge_file(story: Story, station: str, tickets: list[Printed]) -> list[Finding]:
    """All whole tickets of one order at one station, in the order they were printed."""
    findings: list[Finding] = []
    seen: set[tuple[Banner, int, str]] = set()
    standing: Printed | None = None
    before: Printed | None = None
    newest = 0
    in_time = _in_time(tickets)
    for at, ticket in enumerate(in_time):
        if any(_repeats(later, ticket) for later in in_time[at + 1 :]):
            continue
        key = (ticket.banner, ticket.rev, ticket.copy)
        if key in seen and not ticket.marked:
            findings.append(Finding(Fault.DOUBLED, story.number, station, f"No.{ticket.running} bears no REPRINT"))
        if ticket.banner is Banner.VOID:
            seen, standing, before = {key}, None, None
            continue
        if standing is not None and (standing.banner, standing.rev) != (ticket.banner, ticket.rev):
            before = standing
        if ticket.only_changes and not _says_changes(ticket, before, story, station):
            words = f"No.{ticket.running} does not say all that revision {ticket.rev} changes"
            findings.append(Finding(Fault.WRONG, story.number, station, words))
        again_after_void = any(banner is Banner.VOID for banner, _, _ in seen)
        copy = _is_copy(ticket, in_time[:at], newest)
        older = ticket.rev < newest and not (copy and _holds(ticket, story, station, newest))
        if older or (again_after_void and story.newest <= story.canceled_at):
            findings.append(Finding(Fault.OUTDATED, story.number, station, f"No.{ticket.running} came too late"))
        seen.add(key)
        newest, standing = max(newest, ticket.rev), ticket
    return findings + _judge_standing(story, station, standing)


def _repeats(later: Printed, ticket: Printed) -> bool:
    """Is this the end of a ticket whose head is on the piece before, and which came again, whole and marked?"""
    same = ticket.behind_part and later.running == ticket.running and later.marked and not ticket.marked
    return same and (later.banner, later.rev) != (ticket.banner, ticket.rev)


def _judge_standing(story: Story, station: str, standing: Printed | None) -> list[Finding]:
    """Is the last ticket that was not taken back the one that the order wants?"""
    dishes = story.wanted.get(station)
    fault: Fault | None = None
    words = ""
    if dishes is None:
        if standing is not None:
            fault, words = Fault.LOST, "the order is off here, and no 作废 says so"
    elif standing is None:
        fault, words = Fault.LOST, "it is not on paper"
    elif standing.only_changes:
        if story.snapshots.get(standing.rev, {}).get(station) != dishes:
            fault, words = Fault.LOST, f"revision {story.newest} is not on paper"
    elif not _says(standing, dishes):
        earlier = [share.get(station, ()) for share in story.snapshots.values()]
        if standing.rev != story.newest and any(_says(standing, share) for share in earlier):
            fault, words = Fault.LOST, f"revision {story.newest} is not on paper"
        else:
            missing = ", ".join(str(dish) for dish in dishes if not _says(standing, (dish,))) or "a dish as often"
            fault, words = Fault.WRONG, f"No.{standing.running} does not say {missing}"
    elif unsaid := [remark for remark in story.remarks[station] if not says(standing.words, remark)]:
        fault, words = Fault.WRONG, f"No.{standing.running} does not say {', '.join(unsaid)}"
    elif alien := [dish for dish in story.of_others[station] if f"{dish}x" in standing.words]:
        fault, words = Fault.WRONG, f"No.{standing.running} says {', '.join(alien)}, which others make"
    return [] if fault is None else [Finding(fault, story.number, station, words)]


def _says(ticket: Printed, dishes: tuple[Dish, ...]) -> bool:
    return bool(dishes) and says_all(ticket.words, dishes)


def _is_copy(ticket: Printed, before: Sequence[Printed], newest: int) -> bool:
    """Did somebody want it? One that came again in doubt says only that; its number is the newest revision's."""
    numbers = {known.running for known in before if known.rev == newest}
    return ticket.asked or (ticket.marked and not ticket.rev and ticket.running in numbers)


def _holds(ticket: Printed, story: Story, station: str, newest: int) -> bool:
    """Is a copy that somebody wanted, and that says of no revision that it is one, of this one or a newer one?"""
    shares = {rev: share.get(station, ()) for rev, share in story.snapshots.items()}
    names = {dish.name for share in shares.values() for dish in share}
    return any(
        _says(ticket, share) and not any(named(ticket.words, name) for name in names if _is_gone(name, share))
        for rev, share in shares.items()
        if rev >= newest
    )


def _is_gone(name: str, share: tuple[Dish, ...]) -> bool:
    """Has this revision no such dish, nor one whose name has that in it?"""
    return not any(name in dish.name for dish in share)


def _says_changes(ticket: Printed, before: Printed | None, story: Story, station: str) -> bool:
    """With what was on paper before, does this ticket, which says only changes, say its whole revision?"""
    if before is None:
        return False
    known = {rev: share.get(station, ()) for rev, share in story.snapshots.items()}
    bases = [
        share
        for rev, share in known.items()
        if rev < ticket.rev and (rev == before.rev if before.rev else _says(before, share))
    ]
    return any(shows_changes(ticket.words, base, known.get(ticket.rev, ())) for base in bases)


def _partial(part: Printed) -> Finding:
    words = f"a part is on paper and nothing marked follows: {part.words[:40]}"
    return Finding(Fault.PARTIAL, part.number, part.printer, words)
