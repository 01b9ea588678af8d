"""Commands that were carried out or refused, with their answers: the same one again is answered, and nothing more."""

import msgspec

from agent.journal.file import Tx
from agent.journal.notes import now

KEEP = 5000
"""So many are remembered, the newest. Counted and not dated: a clock may be wrong by years."""


class Answered(msgspec.Struct, frozen=True):
    """What a command said, as a digest, and what became of it."""

    digest: str
    ok: bool
    answer: str


def find(tx: Tx, source: str, command_id: str) -> Answered | None:
    """A command by its identity; None when it never came, or so long ago that it is forgotten."""
    row = tx.execute("SELECT digest, ok, answer FROM commands WHERE id = ?", (_key(source, command_id),)).fetchone()
    return None if row is None else Answered(row[0], bool(row[1]), row[2])


def keep(tx: Tx, source: str, command_id: str, answered: Answered) -> None:
    """Remember a command, and forget the oldest beyond `KEEP`."""
    (last,) = tx.execute("SELECT max(number) FROM commands").fetchone()
    number = (last or 0) + 1
    tx.execute(
        "INSERT INTO commands (id, digest, ok, answer, at, number) VALUES (?, ?, ?, ?, ?, ?)",
        (_key(source, command_id), answered.digest, answered.ok, answered.answer, now(), number),
    )
    tx.execute("DELETE FROM commands WHERE number <= ?", (number - KEEP,))


def _key(source: str, command_id: str) -> str:
    return msgspec.json.encode([source, command_id]).decode()
