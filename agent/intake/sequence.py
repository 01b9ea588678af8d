"""What to do with an event, from what is known. A pure table: no ledger, no clock.

Revisions rule. A cancel at a revision comes after the order at that revision; a cancel that comes first leaves a
tombstone, so that the order, when it comes, is stale.
"""

from enum import StrEnum


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
