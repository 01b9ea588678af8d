"""What the kitchen's screen shows: orders that are not finished, and what was finished last. Bounded, however many
orders there ever were: only the newest are looked at, by their keys.
"""

from datetime import UTC, datetime

from agent.journal import bumps
from agent.journal.file import Tx
from agent.model.kitchen import Bumped, OpenOrder, OpenPart, Part, Seen
from agent.model.report import OrderRef

LOOK_BACK = 2000
"""Orders: older ones are on no screen, and their barcodes are not known any more."""
MOST_ORDERS = 200
MOST_DONE = 20
_MOST_STALE = 100
"""Orders in a row that nobody finished and that are past: what is before them is, too."""
_CLOCK_SET = datetime(2024, 1, 1, tzinfo=UTC)


def look(tx: Tx, since: datetime | None = None) -> Seen:
    """The newest MOST_ORDERS open orders that have a ticket of after `since` (None: any), in the order of tickets."""
    if tx.in_transaction:
        return _look(tx, since)
    tx.execute("BEGIN")  # one moment for all of it
    try:
        return _look(tx, since)
    finally:
        tx.execute("ROLLBACK")


def _look(tx: Tx, since: datetime | None) -> Seen:
    rows = tx.execute(
        "SELECT pk, order_id, channel, number FROM orders WHERE pk > (SELECT max(pk) FROM orders) - ? "
        "AND canceled = 0 AND state NOT IN ('ready', 'held', 'rejected') ORDER BY pk DESC",
        (LOOK_BACK,),
    ).fetchall()
    found: list[OpenOrder] = []
    stale = looked = 0
    for pk, *names in rows:
        looked += 1
        if since is not None and _is_past(tx, pk, since):
            stale += 1
        elif (order := _open(tx, pk, OrderRef(*names))) is not None:
            found.append(order)
            stale = 0
        if len(found) == MOST_ORDERS or stale == _MOST_STALE:
            break
    found.sort(key=lambda order: min((each.part.since for each in order.parts if not each.part.finished), default=0))
    return Seen(tuple(found), _done(tx), len(rows) - looked if len(found) == MOST_ORDERS else 0)


def _is_past(tx: Tx, pk: int, since: datetime) -> bool:
    """Was its last ticket entered before? Not where the clock was not set."""
    row = tx.execute(
        "SELECT created_at FROM jobs INDEXED BY jobs_of_order WHERE order_pk = ? ORDER BY id DESC LIMIT 1", (pk,)
    ).fetchone()
    if row is None:
        return True
    entered = datetime.fromisoformat(row[0])
    return _CLOCK_SET <= entered < since


def _open(tx: Tx, pk: int, ref: OrderRef) -> OpenOrder | None:
    made = [part for part in bumps.parts(tx, pk).values() if part.makes]
    if not made:
        return None
    newest = max(made, key=lambda part: part.rev)
    (payload,) = tx.execute(
        "SELECT e.payload FROM jobs j JOIN events e ON e.pk = j.event_pk WHERE j.id = ?", (newest.ticket,)
    ).fetchone()
    parts = tuple(_opened(tx, part) for part in made)
    return OpenOrder(ref.id, ref.channel, ref.no, newest.rev, bytes(payload), parts)


def _opened(tx: Tx, part: Part) -> OpenPart:
    (share,) = tx.execute("SELECT share FROM jobs WHERE id = ?", (part.ticket,)).fetchone()
    (since,) = tx.execute(
        "SELECT coalesce((SELECT at FROM moves WHERE job_id = ? AND new = 'completed' LIMIT 1), "
        "(SELECT created_at FROM jobs WHERE id = ?))",
        (part.since, part.since),
    ).fetchone()
    return OpenPart(part, bytes(share), str(since))


def _done(tx: Tx) -> tuple[Bumped, ...]:
    """What was finished last and is so still, newest first: that much can be called back."""
    rows = tx.execute(
        "SELECT b.order_pk, o.order_id, o.channel, o.number, b.station, b.bumped_at, b.who FROM bumps b "
        "CROSS JOIN orders o ON o.pk = b.order_pk WHERE o.canceled = 0 ORDER BY b.n DESC LIMIT ?",
        (MOST_DONE,),
    ).fetchall()
    found = []
    for order_pk, order, channel, no, station, at, who in rows:
        part = bumps.parts(tx, order_pk).get(station)
        if part is not None and part.finished:
            found.append(Bumped(order, channel, no, station, part.ticket, at, who))
    return tuple(found)
