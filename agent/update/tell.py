"""An update that was undone, said as an alarm: a version that is not tried again needs a person."""

from agent.journal import notes
from agent.journal.file import Tx
from agent.update.back import State

_TOLD = "update_told"


def follow(tx: Tx, state: State) -> None:
    """Raise it once for a version that is refused, so that a person may end it; one that goes well ends it too."""
    last = state.last
    if last is None or (last.result == "done" and not notes.get_meta(tx, _TOLD)):
        return
    if last.result == "done":
        for key in [key for key in notes.alarms(tx) if key.startswith("update:")]:
            notes.clear_alarm(tx, key)
        notes.set_meta(tx, _TOLD, "")
    elif last.new in state.refused and notes.get_meta(tx, _TOLD) != last.at:
        notes.raise_alarm(tx, f"update:{last.new}", last.why)
        notes.set_meta(tx, _TOLD, last.at)
