"""Printers that a person paused: their tickets wait. The alarm that says so is the pause itself, so that nobody forgets
one, and it survives a restart.
"""

from collections.abc import Iterable

from agent.journal import notes
from agent.journal.file import Tx


def is_paused(tx: Tx, printer: str) -> bool:
    """Does it wait for a person's word?"""
    return tx.execute("SELECT 1 FROM alarms WHERE key = ?", (_key(printer),)).fetchone() is not None


def pause(tx: Tx, printers: Iterable[str], by: str) -> str:
    """From this commit on no ticket of theirs begins; one that a printer has is finished. Returns what was done."""
    reason = f"paused{f' by {by}' if by else ''}: its tickets wait; go on with: shop-agent printers resume"
    fresh = [
        name for name in printers if not is_paused(tx, name) and notes.raise_alarm(tx, _key(name), f"{reason} {name}")
    ]
    return f"paused: {', '.join(fresh)}" if fresh else "paused already"


def resume(tx: Tx, printers: Iterable[str]) -> str:
    """What waits is printed. Returns what was done."""
    gone_on = [name for name in printers if notes.clear_alarm(tx, _key(name))]
    return f"goes on: {', '.join(gone_on)}" if gone_on else "not paused"


def _key(printer: str) -> str:
    return f"printer:{printer}:paused"
