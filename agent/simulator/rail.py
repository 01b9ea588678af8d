"""The rail of one station: do the whole tickets of one order on it say, in the end, what that order says? Pure."""

from collections.abc import Sequence

from msgspec.structs import replace

from agent.simulator.finding import Fault, Finding
from agent.simulator.reading import Banner, Printed
from agent.simulator.share import Dish, named, says, says_all, shows_changes
from agent.simulator.story import Story


def judge_rail(story: Story, station: str, tickets: list[Printed], copy: str = "") -> list[Finding]:
    """All whole tickets of one order at one station, in the order they were printed; with `copy` only those that say
    that they are it, and what takes back all.
    """
    own = [ticket for ticket in tickets if copy in ("", ticket.copy) or ticket.banner is Banner.VOID]
    found = _judge_own(story, station, own)
    return [replace(each, words=f"{each.words} (copy {copy})") for each in found] if copy else found


def _judge_own(story: Story, station: str, tickets: list[Printed]) -> list[Finding]:
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
        wanted = _is_copy(ticket, in_time[:at], newest)
        older = ticket.rev < newest and not (wanted and _holds(ticket, story, station, newest))
        if older or (again_after_void and story.newest <= story.canceled_at):
            findings.append(Finding(Fault.OUTDATED, story.number, station, f"No.{ticket.running} came too late"))
        seen.add(key)
        newest, standing = max(newest, ticket.rev), ticket
    return findings + _judge_standing(story, station, standing)


def _in_time(tickets: list[Printed]) -> list[Printed]:
    """As one printer printed them; of several printers the paper tells the time, to the second, and the number."""
    if len({ticket.printer for ticket in tickets}) < 2:
        return tickets
    return sorted(tickets, key=lambda ticket: (ticket.at, ticket.running, ticket.marked))


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
