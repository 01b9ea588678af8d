"""Alarms about what is over and can't be mended here: they end when a person says that he has seen them. All others end
with their cause.
"""

from typing import Any

import msgspec

from agent.errors import CommandRefused
from agent.journal import forgotten, gone, notes, parked
from agent.journal.file import Tx
from agent.model.command import Dismiss

ENDED_BY_A_PERSON = ("parked", "missing", "number", "journal", "card", "session", "update")
GUESSED = "console:guessed"
"""Somebody tried PINs; the right one ends it too."""
_NUMBERS = "number"


def can_be_dismissed(key: str) -> bool:
    """Does nothing else end it, or not for certain?"""
    return key == GUESSED or key.partition(":")[0] in ENDED_BY_A_PERSON


def dismiss(tx: Tx, command: Dismiss) -> str:
    """A person has seen it: it ends. What happens from now on raises it anew.

    Raises:
        CommandRefused: it is not up, or ends with its cause.
    """
    key, up = command.alarm, notes.alarms(tx)
    if key not in up:
        there = ", ".join(filter(can_be_dismissed, up)) or "none"
        raise CommandRefused(
            f"there is no alarm {key[:100]!r}; what can be dismissed now: {there}",
            f"没有报警 {key[:100]}：可能已经解除",
        )
    if not can_be_dismissed(key):
        raise CommandRefused(*_ends_otherwise(key))
    kind, _, name = key.partition(":")
    if kind == parked.KEY:
        parked.note_seen(tx)
    elif kind == "missing":
        gone.forget(tx, name)
    elif kind == _NUMBERS:
        _forget_numbers(tx, key)
    elif kind == forgotten.ALARM:
        forgotten.seen(tx)
    notes.clear_alarm(tx, key, f"seen{f' by {command.by}' if command.by else ''}")
    return f"dismissed: {key}"


def _ends_otherwise(key: str) -> tuple[str, str]:
    kind, _, name = key.partition(":")
    if kind == "ticket":
        how = f"shop-agent queue printed|again|discard {name}"
        return f"a person's word on the ticket ends it: {how}", f"请先看纸，再告诉本机：{how}"
    if kind == "waiting":
        how = "shop-agent queue release|drop"
        return f"deciding on the orders ends it: {how}", f"请决定这些订单打不打：{how}"
    if kind == "printer" and name.endswith(":paused"):
        how = f"shop-agent printers resume {name.removesuffix(':paused')}"
        return f"resuming the printer ends it: {how}", f"继续打印就会解除：{how}"
    return (
        f"{key} ends by itself once its cause is mended, and stands for what is so now: mend that",
        f"{key} 说的是现在的情况，修好后自动解除：请先处理",
    )


def _forget_numbers(tx: Tx, key: str) -> None:
    """The numbers that a person looked for are asked for no more."""
    kept: dict[str, Any] = msgspec.json.decode(notes.get_meta(tx, key) or "{}")
    if kept:
        notes.set_meta(tx, key, msgspec.json.encode({**kept, "missing": []}).decode())
