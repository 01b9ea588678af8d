"""Orders that wait, with what is in them, so that a person can decide."""

import msgspec

from agent.journal.file import Tx
from agent.journal.waits import FOR_A_PERSON, Why

_FOR_A_PERSON = ", ".join(f"'{why}'" for why in FOR_A_PERSON)
_SQL = (
    "SELECT o.order_id, o.channel, o.number, w.why, w.until, w.old, e.kind, e.payload, (SELECT min(f.received_at) "
    "FROM events f WHERE f.order_pk = w.order_pk AND f.kind IN ('upsert', 'raw')) "
    "FROM waits w JOIN orders o ON o.pk = w.order_pk JOIN events e ON e.pk = (SELECT n.pk FROM events n "
    "WHERE n.order_pk = w.order_pk AND n.kind IN ('upsert', 'raw') ORDER BY n.rev DESC LIMIT 1) "
)


class Undecided(msgspec.Struct, frozen=True):
    """An order that waits. `old`: by how many minutes it came too late, 0 where that is not why; `payload`: the newest
    event's data as JSON, an upsert's or, by `kind`, that of ready-made content (raw); `received_at`: when its first
    event came.
    """

    order: str
    channel: str
    no: str
    why: Why
    until: str | None
    old: int
    kind: str
    payload: bytes
    received_at: str


def for_a_person(tx: Tx, most: int) -> list[Undecided]:
    """Those that a person must decide about, in order of arrival."""
    return _read(tx, f"{_SQL} WHERE w.why IN ({_FOR_A_PERSON}) ORDER BY w.n LIMIT ?", most)


def upcoming(tx: Tx, most: int) -> list[Undecided]:
    """Those that were ordered in advance, by their time."""
    return _read(tx, f"{_SQL} WHERE w.why = 'upcoming' ORDER BY w.until, w.n LIMIT ?", most)


def _read(tx: Tx, sql: str, most: int) -> list[Undecided]:
    rows = tx.execute(sql, (most,))
    names = Undecided.__struct_fields__
    return [msgspec.convert(dict(zip(names, row, strict=True)), Undecided) for row in rows]
