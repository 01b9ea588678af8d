"""Parts of tickets on paper: does anything take them back, so that no cook is misled? Pure."""

import re
from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from agent.simulator.reading import Banner, Printed

_TIME_AND_AFTER = re.compile(r"(打印|printed)+(\d\d-\d\d)?\d\d:\d\d:\d\d.*$")
_TROUBLE = re.compile("notreachable|offline|saysnothing|cutterjammed|aticketisindoubt")
_RULE = re.compile("-{3,}")
_COUNT = re.compile(r"(?<=waiting:)\d+")
_DISH = re.compile(r"x\d")


def misleading(printed: Sequence[Printed], everywhere: Sequence[Printed], guests: set[str]) -> Iterator[Printed]:
    """Parts on a printer's paper that nothing takes back: no later ticket there, nor one of a printer that stands in
    for it, or for which it stood in (it did for the orders of `guests`), nor the part itself, where it copies what came
    out there before.
    """
    owner: Printed | None = None
    for at, part in enumerate(printed):
        owner = _owner(part, owner, everywhere)
        if owner is None:
            continue
        stations = _stations(owner, everywhere)
        if any(_answers(later, owner, stations) for later in printed[at + 1 :]):
            continue
        if owner.marked and any(_begins_or_ends(part, whole) for whole in _newest(owner.number, printed[:at])):
            continue
        guest = bool(owner.printed_for) or owner.number in guests
        elsewhere = (other for other in everywhere if other.printer != owner.printer and (guest or other.printed_for))
        if not any(_answers(other, owner, stations) for other in elsewhere):
            yield part


def _owner(part: Printed, before: Printed | None, everywhere: Sequence[Printed]) -> Printed | None:
    """The part, as far as paper tells whose it is; None for what is no part. One without a number, right behind a part,
    is its rest (many printers cut when their cover is closed), unless it is word for word the end of another order's.
    """
    if part.whole or part.notice:
        return None
    if part.number:
        return part
    if not part.running and _is_of_a_notice(part, everywhere):
        return None
    ends = {other.number for other in everywhere if other.whole and part.running and _ends(part, other)}
    if ends and (before is None or before.number not in ends):
        return replace(part, number=min(ends))
    return part if before is None else replace(before, words=part.words)


def _newest(number: str, printed: Sequence[Printed]) -> list[Printed]:
    """The last whole ticket of an order, of each station and copy; a void takes back all copies of its station."""
    found: dict[tuple[str, str], Printed] = {}
    for ticket in printed:
        if ticket.whole and ticket.number == number:
            if ticket.banner is Banner.VOID:
                found = {here: each for here, each in found.items() if here[0] != ticket.station}
            found[ticket.station, ticket.copy] = ticket
    return list(found.values())


def _begins_or_ends(part: Printed, whole: Printed) -> bool:
    """Is this the whole ticket of which the part, or its head, says by its banner that it is a copy? Then whoever finds
    the part has the ticket, and reads that it came twice.
    """
    if not part.number:
        return _ends(part, whole)
    same = (part.banner, part.rev) == (whole.banner, whole.rev) and whole.body.startswith(part.body)
    return same or not part.has_head


def _ends(rest: Printed, whole: Printed) -> bool:
    """Does the ticket say it too, but for the time? With its running number, where the rest has one."""
    return _TIME_AND_AFTER.sub("", rest.words) in whole.words and rest.running in (0, whole.running)


def _is_of_a_notice(rest: Printed, everywhere: Sequence[Printed]) -> bool:
    """Does it name a printer's trouble, or is it made of words of a notice, which may count what waits otherwise?"""
    before = _COUNT.sub("", _TIME_AND_AFTER.sub("", rest.words))
    said = [words for words in _RULE.split(before) if words] or [before]  # a rule right before the time: a notice's
    trouble = _TROUBLE.search(rest.words) is not None and not _DISH.search(rest.words)
    notices = [_COUNT.sub("", other.words) for other in everywhere if other.notice]
    return trouble or any(all(words and words in notice for words in said) for notice in notices)


def _stations(part: Printed, everywhere: Sequence[Printed]) -> set[str]:
    """Whose tickets of its order begin as the part does; none where it has no dish yet, by its number: the heads of all
    are alike. A rule across the paper is as long as that is wide.
    """
    begins = part.body.replace("-", "")
    if not _DISH.search(begins):
        return set()
    same = (ticket for ticket in everywhere if ticket.whole and part.number and ticket.number == part.number)
    return {ticket.station for ticket in same if ticket.body.replace("-", "").startswith(begins)}


def _answers(later: Printed, part: Printed, stations: set[str]) -> bool:
    """Is this a whole ticket that tells the cook to throw that part away? Another station's tells that to others."""
    if not later.whole or (part.number and later.number != part.number):
        return False
    if stations and later.station not in stations:
        return False
    replaces = later.banner is Banner.AMEND and later.rev > part.rev and not later.only_changes
    return later.marked or later.banner is Banner.VOID or replaces
