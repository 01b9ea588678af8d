"""Orders and events as the ledger knows them: what came, and which revision is the newest."""

import msgspec

from agent.journal.file import Tx
from agent.journal.notes import now
from agent.model.order import READ_PRINT_RAW, READ_UPSERT, Cancel, Event, Order, PrintRaw, Upsert
from agent.model.report import OrderRef

KEEP_WHOLE = 1000
"""So many parked events are kept with all their bytes, then only their beginning: a flood must not fill the disk."""


class KnownOrder(msgspec.Struct, frozen=True):
    """What the ledger knows of an order. `canceled` with a revision is the tombstone of a cancel."""

    pk: int
    rev: int
    canceled: bool
    state: str


class KnownEvent(msgspec.Struct, frozen=True):
    """An event that is in the ledger."""

    digest: str
    order_pk: int | None


def has_tickets(tx: Tx, order_pk: int) -> bool:
    """Did this order ever become tickets?"""
    return tx.execute("SELECT 1 FROM jobs WHERE order_pk = ? LIMIT 1", (order_pk,)).fetchone() is not None


def order_ref(tx: Tx, order_pk: int) -> OrderRef:
    """An order as reports name it."""
    return OrderRef(*tx.execute("SELECT order_id, channel, number FROM orders WHERE pk = ?", (order_pk,)).fetchone())


def named(tx: Tx, order_pk: int | None) -> str:
    """An order as the staff is told of it: `#51 (2603…)`, or its id where it has no number."""
    if order_pk is None:
        return ""
    ref = order_ref(tx, order_pk)
    return f"#{ref.no} ({ref.id})" if ref.no else ref.id


def find_event(tx: Tx, source: str, event_id: str) -> KnownEvent | None:
    """An event by its identity."""
    row = tx.execute("SELECT digest, order_pk FROM events WHERE source = ? AND id = ?", (source, event_id)).fetchone()
    return None if row is None else KnownEvent(*row)


def find_order(tx: Tx, channel: str, order_id: str) -> KnownOrder | None:
    """An order by its identity."""
    row = tx.execute(
        "SELECT pk, rev, canceled, state FROM orders WHERE channel = ? AND order_id = ?", (channel, order_id)
    ).fetchone()
    return None if row is None else KnownOrder(row[0], row[1], bool(row[2]), row[3])


def revision_digest(tx: Tx, order_pk: int, rev: int, kind: str) -> str | None:
    """What an accepted revision said, as a digest."""
    row = tx.execute(
        "SELECT digest FROM events WHERE order_pk = ? AND rev = ? AND kind = ?", (order_pk, rev, kind)
    ).fetchone()
    return None if row is None else str(row[0])


def snapshot(tx: Tx, order_pk: int, below_rev: int) -> Order | None:
    """The order's newest snapshot under this revision, for a ticket that voids it; None when only a cancel is known."""
    row = tx.execute(
        "SELECT payload FROM events WHERE order_pk = ? AND kind = 'upsert' AND rev < ? ORDER BY rev DESC LIMIT 1",
        (order_pk, below_rev),
    ).fetchone()
    return None if row is None else READ_UPSERT.decode(row[0]).order


def add_event(tx: Tx, event: Event, payload: bytes, order_pk: int | None) -> int:
    """Enter an accepted event; returns its key.

    Raises:
        sqlite3.IntegrityError: it, or another event of the same revision, is there already.
    """
    rev = None if event.data is None else event.data.order.rev
    cursor = tx.execute(
        "INSERT INTO events (source, id, digest, order_pk, rev, kind, payload, received_at) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (event.source, event.id, event.digest, order_pk, rev, kind_of(event), payload, now()),
    )
    return int(cursor.lastrowid or 0)


def is_cancel(tx: Tx, job_id: int) -> bool:
    """Does this ticket come of a cancel, not of a revision?"""
    sql = "SELECT e.kind = 'cancel' FROM jobs j JOIN events e ON e.pk = j.event_pk WHERE j.id = ?"
    return bool(tx.execute(sql, (job_id,)).fetchone()[0])


def kind_of(event: Event) -> str:
    """The event's kind as stored: upsert, cancel, raw or ping."""
    match event.data:
        case Upsert():
            return "upsert"
        case Cancel():
            return "cancel"
        case PrintRaw():
            return "raw"
        case None:
            return "ping"


def put_order(tx: Tx, event: Event, known: KnownOrder | None, state: str) -> int:
    """Enter an order, or move it on to this event's revision; returns its key."""
    data = event.data
    if data is None:
        raise ValueError("a ping has no order")
    order, canceled = data.order, isinstance(data, Cancel)
    if known is not None:
        tx.execute(
            "UPDATE orders SET rev = ?, canceled = ?, state = ? WHERE pk = ?",
            (order.rev, canceled, state, known.pk),
        )
        if isinstance(order, Order):
            name_order(tx, known.pk, order.number)
        return known.pk
    number = order.number if isinstance(order, Order) else order.id
    cursor = tx.execute(
        "INSERT INTO orders (channel, order_id, number, rev, canceled, state) VALUES (?, ?, ?, ?, ?, ?)",
        (order.channel, order.id, number, order.rev, canceled, state),
    )
    return int(cursor.lastrowid or 0)


def name_order(tx: Tx, order_pk: int, number: str) -> None:
    """What people call it."""
    tx.execute("UPDATE orders SET number = ? WHERE pk = ?", (number, order_pk))


def set_order_state(tx: Tx, order_pk: int, state: str) -> None:
    """Where the order is now."""
    tx.execute("UPDATE orders SET state = ? WHERE pk = ?", (state, order_pk))


def park(tx: Tx, topic: str, payload: bytes, digest: str, path: str, reason: str) -> bool:
    """Keep what can't be taken, with its bytes, for a person; True when these bytes are new."""
    (parked,) = tx.execute("SELECT count(*) FROM parked").fetchone()
    kept = payload[: 256 * 1024 if parked < KEEP_WHOLE else 1024]
    cursor = tx.execute(
        "INSERT OR IGNORE INTO parked (topic, payload, digest, path, reason, received_at) VALUES (?, ?, ?, ?, ?, ?)",
        (topic, kept, digest, path, reason, now()),
    )
    return cursor.rowcount == 1


def newest_cancel(tx: Tx, order_pk: int) -> int:
    """The key of the event that cancelled an order last."""
    sql = "SELECT pk FROM events WHERE order_pk = ? AND kind = 'cancel' ORDER BY rev DESC LIMIT 1"
    return int(tx.execute(sql, (order_pk,)).fetchone()[0])


def newest_event(tx: Tx, order_pk: int) -> tuple[int, str, Upsert | PrintRaw]:
    """An order as it was told last: the event's key, its id, and what it said."""
    pk, event_id, kind, payload = tx.execute(
        "SELECT pk, id, kind, payload FROM events WHERE order_pk = ? AND kind IN ('upsert', 'raw') "
        "ORDER BY rev DESC LIMIT 1",
        (order_pk,),
    ).fetchone()
    data = READ_PRINT_RAW.decode(payload) if kind == "raw" else READ_UPSERT.decode(payload)
    return int(pk), str(event_id), data


def was_one_printed(tx: Tx) -> bool:
    """Did ever an order come onto paper?"""
    sql = "SELECT 1 FROM orders WHERE state IN ('printed', 'partly_printed', 'ready') LIMIT 1"
    return tx.execute(sql).fetchone() is not None


def last_received(tx: Tx) -> str:
    """When the newest event of an order came, UTC; "" before the first. By key."""
    row = tx.execute("SELECT received_at FROM events WHERE order_pk IS NOT NULL ORDER BY pk DESC LIMIT 1").fetchone()
    return "" if row is None else str(row[0])
