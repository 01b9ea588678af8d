"""Commands that were carried out or refused, with their answers: the same one again is answered, and nothing more.
And those that are under way outside the journal: a kill in between means that they are done again, not forgotten.
"""

import msgspec

from agent.journal.file import Tx
from agent.journal.notes import now

KEEP = 5000
"""So many are remembered, the newest. Counted and not dated: a clock may be wrong by years."""
_REFUSED, _DONE, _BEGUN = range(3)


class Answered(msgspec.Struct, frozen=True):
    """What a command said, as a digest, and what became of it; `ok` is None while it is under way."""

    digest: str
    ok: bool | None
    answer: str


class Begun(msgspec.Struct, frozen=True):
    """A command that is carried out outside the journal: its identity and kind, and who gave it."""

    source: str
    id: str
    kind: str
    by: str = ""


def find(tx: Tx, source: str, command_id: str) -> Answered | None:
    """A command by its identity; None when it never came, or so long ago that it is forgotten."""
    row = tx.execute("SELECT digest, ok, answer FROM commands WHERE id = ?", (_key(source, command_id),)).fetchone()
    return None if row is None else Answered(row[0], None if row[1] == _BEGUN else row[1] == _DONE, row[2])


def keep(tx: Tx, source: str, command_id: str, answered: Answered) -> None:
    """Remember a command, and forget the oldest beyond `KEEP`."""
    _enter(tx, source, command_id, answered.digest, _DONE if answered.ok else _REFUSED, answered.answer)


def begin(tx: Tx, command: Begun, digest: str) -> None:
    """It is under way from now on."""
    _enter(tx, command.source, command.id, digest, _BEGUN, msgspec.json.encode([command.kind, command.by]).decode())


def begun(tx: Tx) -> list[Begun]:
    """All that are under way, oldest first."""
    rows = tx.execute("SELECT id, answer FROM commands WHERE ok = ? ORDER BY number", (_BEGUN,))
    return [Begun(*msgspec.json.decode(key), *msgspec.json.decode(what)) for key, what in rows]


def finish(tx: Tx, command: Begun, ok: bool, answer: str) -> bool:
    """What became of it; False when that was known, or is forgotten."""
    values = (_DONE if ok else _REFUSED, answer, _key(command.source, command.id), _BEGUN)
    return tx.execute("UPDATE commands SET ok = ?, answer = ? WHERE id = ? AND ok = ?", values).rowcount == 1


def _enter(tx: Tx, source: str, command_id: str, digest: str, ok: int, answer: str) -> None:
    (last,) = tx.execute("SELECT max(number) FROM commands").fetchone()
    number = (last or 0) + 1
    tx.execute(
        "INSERT INTO commands (id, digest, ok, answer, at, number) VALUES (?, ?, ?, ?, ?, ?)",
        (_key(source, command_id), digest, ok, answer, now(), number),
    )
    tx.execute("DELETE FROM commands WHERE number <= ?", (number - KEEP,))


def _key(source: str, command_id: str) -> str:
    return msgspec.json.encode([source, command_id]).decode()
