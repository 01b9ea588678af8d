"""What can be the matter with a box, how bad it is, and what of it a beat tells. Pure rules."""

from collections.abc import Iterator
from datetime import UTC, datetime
from enum import StrEnum

import msgspec

from agent.fleet.beat import Beat

CLOCK_OFF_S = 60.0
NO_TICKET_WAITS_S = 366 * 86_400.0
PRINTER_NEEDS = ("paper", "cover", "cutter", "error", "offline", "away", "other", "silent")
"""What is the matter with a printer, as beats and alarms call it."""

_ALWAYS_SO = "mute"
"""A printer that never answers: its tickets are presumed, and nobody can do anything about it."""


class Trouble(StrEnum):
    """The worst first. All before UNKNOWN need a person."""

    OFFLINE = "offline"
    """It said goodbye, or its last will was heard."""

    NEVER = "never"
    """It is expected, and was never heard."""

    DOUBTFUL = "doubtful"
    """It says that it is there, but no beat came for three periods."""

    PRINTER = "printer"
    """A printer is away, is another one, is silent, or waits for paper, a cover, a cutter."""

    SLOW = "slow"
    """A ticket has waited for long."""

    ALARM = "alarm"
    """Another alarm is up: orders wait for a decision, events could not be read."""

    UNKNOWN = "unknown"
    """It says that it is there, and no beat of it has been heard or could be read: nobody knows how it is."""

    NOTE = "note"
    """It prints, but its clock is wrong or not set, a printer never answers, or what it says can't be read."""

    WELL = "well"


RANK = {trouble: rank for rank, trouble in enumerate(Trouble)}
NEED_A_PERSON = frozenset(trouble for trouble in Trouble if RANK[trouble] < RANK[Trouble.UNKNOWN])


class Need(msgspec.Struct, frozen=True):
    """One thing that is the matter: `what` is a printer's need or an alarm's key, `where` is the printer."""

    trouble: Trouble
    what: str = ""
    where: str = ""
    reason: str = ""


def of_beat(beat: Beat, aged_s: float, clock_off_s: float | None, slow_s: float) -> Iterator[Need]:
    """All that a beat tells, `aged_s` after it came; `clock_off_s` is how far its clock is ahead of ours."""
    yield from _of_printers(beat)
    oldest_s = age_s(beat.at, beat.oldest_ticket, aged_s)
    if oldest_s is not None and oldest_s > slow_s:
        yield Need(Trouble.SLOW)
    for key, reason in beat.alarms.items():
        printer, what = _printer_alarm(key)
        if what == _ALWAYS_SO:
            yield Need(Trouble.NOTE, what, printer, reason)
        elif what not in PRINTER_NEEDS:
            yield Need(Trouble.ALARM, key, "", reason)
    if beat.clock_synchronised is False or abs(clock_off_s or 0.0) > CLOCK_OFF_S:
        yield Need(Trouble.NOTE, "clock")


def age_s(made: str, began: str, aged_s: float) -> float | None:
    """How old something was when the beat was made, and older since; None where nothing is or the clock jumped."""
    start, end = moment(began), moment(made)
    if start is None or end is None:
        return None
    found_s = (end - start).total_seconds()
    return max(0.0, found_s) + aged_s if -1.0 <= found_s < NO_TICKET_WAITS_S else None


def moment(text: str) -> datetime | None:
    """A time as boxes write it; None where it is none."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _of_printers(beat: Beat) -> list[Need]:
    """From the printers' states, and from the alarms, which know more: a silent one says that it is ready."""
    found: dict[tuple[str, str], Need] = {}
    for name, printer in beat.printers.items():
        what = printer.need or "error" if printer.state == "needs_human" else printer.state
        if what in PRINTER_NEEDS:
            found[name, what] = Need(Trouble.PRINTER, what, name, printer.reason)
    for key, reason in beat.alarms.items():
        name, what = _printer_alarm(key)
        if what in PRINTER_NEEDS:
            found.setdefault((name, what), Need(Trouble.PRINTER, what, name, reason))
    return sorted(found.values(), key=lambda need: (PRINTER_NEEDS.index(need.what), need.where))


def _printer_alarm(key: str) -> tuple[str, str]:
    """`printer:kitchen:paper` is ("kitchen", "paper"); another alarm is ("", "")."""
    kind, _, rest = key.partition(":")
    name, _, what = rest.rpartition(":")
    return (name, what) if kind == "printer" else ("", "")
