"""The alarm about events that could not be taken and are kept with their bytes. A person ends it."""

from agent.journal import notes
from agent.journal.file import Tx

KEY = "parked"
AGAIN_S = 60.0
"""Each new one is counted; it is reported as an alarm, and dated anew, only so often."""
_SEEN = "parked_seen"


def tell(tx: Tx, reason: str) -> None:
    """One more was parked."""
    count = _newest(tx) - int(notes.get_meta(tx, _SEEN) or 0)
    what = "an event could not be taken" if count <= 1 else f"{count} events could not be taken, the newest"
    notes.renew_alarm(tx, KEY, f"{what}: {reason}", AGAIN_S)


def note_seen(tx: Tx) -> None:
    """A person knows of all that are parked now."""
    notes.set_meta(tx, _SEEN, str(_newest(tx)))


def _newest(tx: Tx) -> int:
    """Parked events are numbered without holes, and only the oldest are ever forgotten."""
    return int(tx.execute("SELECT coalesce(max(pk), 0) FROM parked").fetchone()[0])
