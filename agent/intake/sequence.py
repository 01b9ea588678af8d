"""What to do with an event, from what is known; and its place in the counting. Pure tables: no ledger, no clock.

Revisions rule. A cancel at a revision comes after the order at that revision; a cancel that comes first leaves a
tombstone, so that the order, when it comes, is stale.
"""

from enum import Enum, StrEnum

import msgspec

MOST_NUMBERS = 20
"""A daily number that jumps by more than this, forwards or backwards, begins a new counting."""


class Verdict(StrEnum):
    """What becomes of an event."""

    ACCEPT = "accept"
    DUPLICATE = "duplicate"
    STALE = "stale"
    CONFLICT = "conflict"


def judge_event(known_digest: str | None, digest: str) -> Verdict:
    """By the event's identity (source, id): the same content again is a duplicate, other content a conflict."""
    if known_digest is None:
        return Verdict.ACCEPT
    return Verdict.DUPLICATE if known_digest == digest else Verdict.CONFLICT


def judge_revision(
    known: tuple[int, bool] | None, rev: int, cancel: bool, same_revision_digest: str | None, digest: str
) -> Verdict:
    """By the order's revision. `known` is the newest one (revision, was it a cancel), None for a new order;
    `same_revision_digest` is what an accepted event of this very revision and kind said. Two cancels of one revision
    mean the same, whatever reason they give.
    """
    if same_revision_digest is not None:
        return Verdict.DUPLICATE if cancel else judge_event(same_revision_digest, digest)
    if known is None or (rev, cancel) > known:
        return Verdict.ACCEPT
    return Verdict.STALE


class Place(Enum):
    """Where an event stands in its source's counting."""

    NEXT = "next"
    """Nothing is missing before it, or nobody counts."""

    BEHIND_GAP = "behind_gap"
    """Something before it is missing, or waits itself: it waits too."""

    LATE = "late"
    """What follows it was let through already."""


def judge_place(sequence: int | None, passed: int | None, queued: int | None) -> Place:
    """By the sequence. `passed` is the number up to which everything came or was waited for in vain, None for a source
    that is new; `queued` the lowest one of those that wait behind a gap, None without.
    """
    if sequence is None or passed is None:
        return Place.NEXT
    if sequence <= passed:
        return Place.LATE
    waits = sequence > passed + 1 or (queued is not None and queued < sequence)
    return Place.BEHIND_GAP if waits else Place.NEXT


class Numbers(msgspec.Struct, frozen=True):
    """The daily numbers of a channel that were seen: the highest, and those below it that were not."""

    day: str
    last: int
    missing: tuple[int, ...] = ()


def note_number(seen: Numbers | None, number: int, day: str) -> Numbers:
    """A number was seen. On another day, after a 1, or after a jump the counting begins anew."""
    if seen is None or seen.day != day or number == 1 or abs(number - seen.last) > MOST_NUMBERS:
        return Numbers(day, number)
    if number > seen.last:
        missing = (*seen.missing, *range(seen.last + 1, number))[-MOST_NUMBERS:]
        return Numbers(day, number, missing)
    return Numbers(day, seen.last, tuple(each for each in seen.missing if each != number))
