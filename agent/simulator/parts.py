"""Parts of tickets on paper: does anything take them back, so that no cook is misled? Pure."""

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from agent.simulator.reading import Banner, Printed


def misleading(printed: Sequence[Printed], everywhere: Sequence[Printed], guests: set[str]) -> Iterator[Printed]:
    """Parts on a printer's paper that nothing takes back: no later ticket there, nor one of a printer that stands in
    for it, or for which it stood in (it did for the orders of `guests`), nor the part itself, where it copies what came
    out there before.
    """
    owner: Printed | None = None
    for at, part in enumerate(printed):
        owner = _owner(part, owner)
        if owner is None or any(_answers(later, owner) for later in printed[at + 1 :]):
            continue
        if any(_is_copied_by(owner, earlier) for earlier in printed[:at]):
            continue
        guest = bool(owner.printed_for) or owner.number in guests
        elsewhere = (other for other in everywhere if other.printer != owner.printer and (guest or other.printed_for))
        if not any(_answers(other, owner) for other in elsewhere):
            yield part


def _owner(part: Printed, before: Printed | None) -> Printed | None:
    """The part, as far as paper tells whose it is; None for what is no part. One without a number, right behind a part,
    is its rest: many printers cut when their cover is closed.
    """
    if part.whole or part.notice:
        return None
    return part if part.number or before is None else replace(before, words=part.words)


def _is_copied_by(part: Printed, whole: Printed) -> bool:
    """Is this the whole ticket of which the part says by its banner that it is a copy? Then whoever finds the part has
    the ticket, and reads that it came twice.
    """
    same = not part.has_head or (part.banner, part.rev) == (whole.banner, whole.rev)
    return part.marked and whole.whole and whole.number == part.number and same


def _answers(later: Printed, part: Printed) -> bool:
    """Is this a whole ticket that tells the cook to throw that part away?"""
    if not later.whole or (part.number and later.number != part.number):
        return False
    replaces = later.banner is Banner.AMEND and later.rev > part.rev and not later.only_changes
    return later.marked or later.banner is Banner.VOID or replaces
