"""Tickets as a person looks them up: the newest, those that wait, and all of an order that is called so. Each by an
index, and no more than is shown, however many orders there ever were.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from agent.journal.file import Tx
from agent.model.job import JobKind, JobState, Mark

LOOK_BACK = 2000
"""Orders: a pickup number is looked for in the newest ones; it stands in no index."""
SHORTEST_ID = 4
"""Characters of an order's id by which it is found without the rest."""
NO_TICKET = 2**62
"""No ticket has so high a number."""
_OPEN = "j.state IN ('pending', 'held', 'processing', 'unconfirmed')"
"""As the index jobs_open has it, word for word."""
_COLUMNS = (
    "SELECT j.id, j.order_pk, coalesce(o.order_id, ''), coalesce(o.channel, ''), coalesce(o.number, ''), j.rev, "
    "j.kind, j.station, j.home, j.printer, j.copy, j.copies, j.state, j.evidence, j.reason, j.mark, j.number, "
    "j.attempt, j.intent IS NOT NULL, j.created_at FROM jobs j"
)
_ORDER = "LEFT JOIN orders o ON o.pk = j.order_pk"
_AFTER = "\U0010ffff"
"""Sorts behind whatever begins with what stands before it."""
_BY_ID = (
    "WITH RECURSIVE c (name) AS (SELECT min(channel) FROM orders UNION ALL "
    "SELECT (SELECT min(channel) FROM orders WHERE channel > c.name) FROM c WHERE c.name IS NOT NULL) "
    "SELECT o.pk FROM c CROSS JOIN orders o ON o.channel = c.name WHERE o.order_id >= ? AND o.order_id <= ? LIMIT ?"
)
"""Channel by channel, because that is how the index of identities goes."""


class Seen(msgspec.Struct, frozen=True):
    """A ticket. `order` is the order's identity and `no` what people call it, both empty for a notice; `sent`: bytes of
    it went out, and nobody knows what became of them; `number` is its station's running number, 0 for none yet.
    """

    id: int
    order_pk: int | None
    order: str
    channel: str
    no: str
    rev: int
    kind: JobKind
    station: str
    home: str
    printer: str
    copy: int
    copies: int
    state: JobState
    evidence: str
    reason: str
    mark: Mark | None
    number: int
    attempt: int
    sent: bool
    created_at: str


class FoundOrder(msgspec.Struct, frozen=True):
    """An order. `why`: it waits, and what for; empty for one that does not."""

    pk: int
    order: str
    channel: str
    no: str
    rev: int
    canceled: bool
    state: str
    why: str


class Move(msgspec.Struct, frozen=True):
    """A ticket's way from one state to another."""

    ticket: int
    old: JobState
    new: JobState
    reason: str
    at: str


class Told(msgspec.Struct, frozen=True):
    """What the cloud said of an order: an upsert, a cancel, or raw."""

    rev: int
    kind: str
    at: str


def newest(tx: Tx, before: int | None, most: int) -> list[Seen]:
    """The newest tickets, newest first; only those with a lower number than `before`."""
    sql = f"{_COLUMNS} {_ORDER} WHERE j.id < ? ORDER BY j.id DESC LIMIT ?"
    return _tickets(tx, sql, (before or NO_TICKET, most))


def waiting(tx: Tx, before: int | None, most: int) -> list[Seen]:
    """As `newest`, of those that are not settled."""
    sql = f"{_COLUMNS} INDEXED BY jobs_open {_ORDER} WHERE {_OPEN} AND j.id < ? ORDER BY j.id DESC LIMIT ?"
    return _tickets(tx, sql, (before or NO_TICKET, most))


def doubted(tx: Tx, most: int) -> list[Seen]:
    """Those that a person must look at, newest first."""
    doubt = "j.state IN ('held', 'unconfirmed')"
    sql = f"{_COLUMNS} INDEXED BY jobs_open {_ORDER} WHERE {_OPEN} AND {doubt} ORDER BY j.id DESC LIMIT ?"
    return _tickets(tx, sql, (most,))


def of_order(tx: Tx, order_pk: int) -> list[Seen]:
    """All tickets of an order, newest first."""
    return _tickets(
        tx, f"{_COLUMNS} INDEXED BY jobs_of_order {_ORDER} WHERE j.order_pk = ? ORDER BY j.id DESC", (order_pk,)
    )


def find(tx: Tx, ticket: int) -> Seen | None:
    """A ticket by its number."""
    found = _tickets(tx, f"{_COLUMNS} {_ORDER} WHERE j.id = ?", (ticket,))
    return found[0] if found else None


def find_order(tx: Tx, order_pk: int) -> FoundOrder | None:
    """An order by its key."""
    row = tx.execute(
        "SELECT o.pk, o.order_id, o.channel, o.number, o.rev, o.canceled, o.state, coalesce(w.why, '') "
        "FROM orders o LEFT JOIN waits w ON w.order_pk = o.pk WHERE o.pk = ?",
        (order_pk,),
    ).fetchone()
    return None if row is None else msgspec.convert(_named(FoundOrder, row), FoundOrder, strict=False)


def search(tx: Tx, said: str, most: int) -> list[FoundOrder]:
    """Orders that people call so, whose id or pickup number it is; then those that begin so. Newest first of each."""
    if not said:
        return []
    keys: dict[int, None] = {}
    for found in (_called(tx, said, most), _pickup(tx, said, most), _by_id(tx, said, said, most)):
        keys.update(dict.fromkeys(found))
    if len(keys) < most:
        keys.update(dict.fromkeys(_called_like(tx, said, most)))
        if len(said) >= SHORTEST_ID:
            keys.update(dict.fromkeys(_by_id(tx, said, said + _AFTER, most)))
    orders = (find_order(tx, pk) for pk in list(keys)[:most])
    return [order for order in orders if order is not None]


def moves(tx: Tx, tickets: Sequence[int]) -> list[Move]:
    """What these tickets went through, oldest first."""
    marks = ",".join("?" * len(tickets))
    sql = f"SELECT job_id, old, new, reason, at FROM moves WHERE job_id IN ({marks}) ORDER BY pk"
    rows = tx.execute(sql, tuple(tickets))
    return [Move(int(ticket), JobState(old), JobState(new), reason, at) for ticket, old, new, reason, at in rows]


def told(tx: Tx, order_pk: int) -> list[Told]:
    """Every revision of an order that came, oldest first."""
    sql = "SELECT rev, kind, received_at FROM events WHERE order_pk = ? ORDER BY rev, pk"
    return [Told(int(rev or 0), str(kind), str(at)) for rev, kind, at in tx.execute(sql, (order_pk,))]


def printed_at(tx: Tx, ticket: int) -> str:
    """When it was last sent to its printer; empty for one that never was."""
    row = tx.execute(
        "SELECT at FROM moves WHERE job_id = ? AND new = 'processing' ORDER BY pk DESC LIMIT 1", (ticket,)
    ).fetchone()
    return "" if row is None else str(row[0])


def _called(tx: Tx, said: str, most: int) -> list[int]:
    rows = tx.execute("SELECT pk FROM orders WHERE number = ? ORDER BY pk DESC LIMIT ?", (said, most))
    return [int(pk) for (pk,) in rows]


def _called_like(tx: Tx, said: str, most: int) -> list[int]:
    sql = "SELECT pk FROM orders WHERE number >= ? AND number <= ? LIMIT ?"
    return sorted((int(pk) for (pk,) in tx.execute(sql, (said, said + _AFTER, 10 * most))), reverse=True)


def _by_id(tx: Tx, first: str, last: str, most: int) -> list[int]:
    return sorted((int(pk) for (pk,) in tx.execute(_BY_ID, (first, last, most))), reverse=True)


def _pickup(tx: Tx, said: str, most: int) -> list[int]:
    rows = tx.execute(
        "SELECT DISTINCT o.pk FROM orders o JOIN events e ON e.order_pk = o.pk AND e.kind = 'upsert' "
        "WHERE o.pk > (SELECT max(pk) FROM orders) - ? "
        "AND CAST(json_extract(CAST(e.payload AS TEXT), '$.order.pickup_code') AS TEXT) = ? ORDER BY o.pk DESC LIMIT ?",
        (LOOK_BACK, said, most),
    )
    return [int(pk) for (pk,) in rows]


def _tickets(tx: Tx, sql: str, values: tuple[object, ...]) -> list[Seen]:
    return [msgspec.convert(_named(Seen, row), Seen, strict=False) for row in tx.execute(sql, values)]


def _named(kind: type[msgspec.Struct], row: tuple[Any, ...]) -> dict[str, Any]:
    return dict(zip(kind.__struct_fields__, row, strict=True))
