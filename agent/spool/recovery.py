"""From evidence to verdict: what to do with a ticket whose bytes may have gone out. A pure table.

Exactly once is impossible across a printer's loss of power. What can be had: never lost, never silently twice.
"""

from enum import Enum

import msgspec

from agent.model.job import Counters, Intent
from agent.model.printer import Tier


class Epoch(Enum):
    """Has the printer been powered all the time since the intent?"""

    SAME = "same"
    UNKNOWN = "unknown"


class Evidence(msgspec.Struct, frozen=True):
    """What is known of a ticket in doubt.

    `sent`: bytes of it went out. `late_answer`: the printer gave its token after all.
    `offline`: it waits for a person. `answers`: it answers a fence now, so it got past all that it held. `counters` are
    its counters now, None where it has none or stays silent. `alone`: no other ticket was in the printer. `line_stays`
    when the printer loses its power: then it may have forgotten a ticket's head, and answer for its tail.
    """

    tier: Tier
    intent: Intent
    sent: bool = True
    late_answer: bool = False
    offline: bool = False
    answers: bool = False
    counters: Counters | None = None
    epoch: Epoch = Epoch.UNKNOWN
    alone: bool = True
    line_stays: bool = False


class Verdict(Enum):
    """What to do."""

    WAIT = "wait"
    """It waits for a person, or is silent: its buffer may print yet. Look again."""

    DONE = "done"
    """On paper."""

    SEND_AGAIN = "send_again"
    """Certainly not on paper: send it unmarked."""

    REPRINT = "reprint"
    """Perhaps on paper: print it again, marked as a possible duplicate."""

    REPRINT_PARTIAL = "reprint_partial"
    """A piece of it is on paper: cut that off, and print it again, marked: discard the piece above."""


def judge(evidence: Evidence) -> Verdict:
    """The verdict on a ticket in doubt. What a person said of it goes before this."""
    if not evidence.sent:
        return Verdict.SEND_AGAIN
    if evidence.late_answer and _is_believable(evidence):
        return Verdict.DONE
    if evidence.offline or not evidence.answers:
        return Verdict.WAIT
    before, now = evidence.intent.baseline, evidence.counters
    if evidence.tier is not Tier.PROCESS_ID or before is None or now is None:
        return Verdict.REPRINT
    cuts, lines = now.cuts - before.cuts, now.lines - before.lines
    if _is_counted(evidence):  # once the link was gone, a till's receipt or a self-test may be what was counted
        return Verdict.DONE if evidence.epoch is Epoch.SAME else Verdict.REPRINT
    if cuts != 0 or lines < 0 or (lines > 0 and not evidence.alone):
        return Verdict.REPRINT
    if lines > 0:
        return Verdict.REPRINT_PARTIAL
    return Verdict.SEND_AGAIN if evidence.epoch is Epoch.SAME and not evidence.intent.drawn else Verdict.REPRINT


def _is_believable(evidence: Evidence) -> bool:
    """Is its late answer enough? Not when its counters say that lines are missing; and where the printer may have lost
    its power unseen, or was opened (many cut when they are closed), only when they fit.
    """
    intent, now = evidence.intent, evidence.counters
    if evidence.line_stays or intent.opened:
        return _is_counted(evidence)
    return now is None or not intent.misses(now)


def _is_counted(evidence: Evidence) -> bool:
    """Do the counters say that it is on paper, all of it? Not of a picture, where the printer may have lost its power
    in the middle of it unseen: its dots are no lines. Nor of a ticket whose head it may have missed: a line or two.
    """
    intent, now = evidence.intent, evidence.counters
    unseen = intent.headless or (intent.drawn and evidence.line_stays)
    return now is not None and evidence.alone and intent.fits(now) and not unseen
