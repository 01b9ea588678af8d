"""What the journal forgets: settled orders, and tickets of none, beyond the newest so many. Counted and not dated,
because a box without a clock battery may believe in any year.
"""

from datetime import datetime

from agent.journal import gone, notes, sequences, waits
from agent.journal.file import Tx

KEEP_UNHEARD = 1000
"""So many reports are kept where no cloud is configured: one that is found later hears of the last days."""
A_SITTING = 100
"""Orders forgotten in one transaction, so that nobody waits for it."""
_UNTIL = "pruned_until"


def prune(tx: Tx, keep_orders: int) -> int:
    """Forget the oldest settled orders with their events, tickets and moves, at most a sitting; returns how many.

    An order that waits, or has a ticket that is not settled or has an alarm up, stays, however old; so does one that
    was made far ahead, while it has one of the newest so many tickets. Parked events beyond the same number go too.
    """
    newest, newest_job = tx.execute("SELECT (SELECT max(pk) FROM orders), (SELECT max(id) FROM jobs)").fetchone()
    newest, newest_job = newest or 0, newest_job or 0
    old = [
        pk
        for (pk,) in tx.execute(
            "SELECT pk FROM orders o WHERE pk <= ? AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.order_pk = o.pk "
            "AND (j.state IN ('pending', 'held', 'processing', 'unconfirmed') "
            "OR EXISTS (SELECT 1 FROM alarms a WHERE a.key = 'ticket:' || j.id))) "
            "AND NOT EXISTS (SELECT 1 FROM waits w WHERE w.order_pk = o.pk) "
            "AND NOT EXISTS (SELECT 1 FROM jobs n WHERE n.order_pk = o.pk AND n.id > ?) ORDER BY pk LIMIT ?",
            (newest - keep_orders, newest_job - keep_orders, A_SITTING),
        )
    ]
    if old:
        tx.execute("INSERT OR IGNORE INTO meta VALUES ('pruned', 'yes')")
        _note_forgotten(tx, old)
    for pk in old:
        tx.execute("DELETE FROM moves WHERE job_id IN (SELECT id FROM jobs WHERE order_pk = ?)", (pk,))
        tx.execute("DELETE FROM jobs WHERE order_pk = ?", (pk,))
        tx.execute("DELETE FROM bumps WHERE order_pk = ?", (pk,))
        tx.execute("DELETE FROM readies WHERE order_pk = ?", (pk,))
        tx.execute("DELETE FROM events WHERE order_pk = ?", (pk,))
        tx.execute("DELETE FROM orders WHERE pk = ?", (pk,))
        waits.take_dropped(tx, pk)
    tx.execute("DELETE FROM parked WHERE pk <= (SELECT max(pk) FROM parked) - ?", (keep_orders,))
    tx.execute("DELETE FROM events WHERE order_pk IS NULL AND pk <= (SELECT max(pk) FROM events) - ?", (keep_orders,))
    _prune_notices(tx, newest_job - keep_orders)
    _prune_holes(tx, keep_orders)
    return len(old)


def _prune_notices(tx: Tx, last: int) -> None:
    """Settled tickets of no order, at most a sitting."""
    old = tx.execute(
        "SELECT id FROM jobs j INDEXED BY jobs_of_order WHERE order_pk IS NULL AND id <= ? AND state NOT IN "
        "('pending', 'held', 'processing', 'unconfirmed') AND flight IS NULL "
        "AND NOT EXISTS (SELECT 1 FROM alarms a WHERE a.key = 'ticket:' || j.id) ORDER BY id LIMIT ?",
        (last, A_SITTING),
    ).fetchall()
    tx.executemany("DELETE FROM moves WHERE job_id = ?", old)
    tx.executemany("DELETE FROM jobs WHERE id = ?", old)


def _prune_holes(tx: Tx, keep: int) -> None:
    """What is missing before more events than are kept comes no more; whom that alarms is told so."""
    for (source,) in tx.execute("SELECT source FROM ahead GROUP BY source HAVING count(*) > ?", (keep,)).fetchall():
        missing = sequences.close_holes(tx, source, keep)
        if missing and gone.alarm_key(source) in notes.alarms(tx):
            names = f"{missing[0].start} to {missing[-1].stop - 1}"
            gone.give_up(tx, source, missing, f"of events {names} some never came, and are asked for no more")


def forgot(tx: Tx) -> bool:
    """Was any order ever forgotten?"""
    return notes.get_meta(tx, "pruned") is not None


def forgotten_until(tx: Tx) -> datetime | None:
    """When the last of what is forgotten came; None where that was not kept, or nothing is forgotten."""
    kept = notes.get_meta(tx, _UNTIL)
    return None if kept is None else datetime.fromisoformat(kept)


def _note_forgotten(tx: Tx, order_pks: list[int]) -> None:
    """It only grows: a clock that was ahead marks too much, not too little."""
    newest = notes.get_meta(tx, _UNTIL) or ""
    for pk in order_pks:
        (came,) = tx.execute("SELECT max(received_at) FROM events WHERE order_pk = ?", (pk,)).fetchone()
        newest = max(newest, came or "")
    if newest:
        notes.set_meta(tx, _UNTIL, newest)


def forget_cloud(tx: Tx, keep: int = KEEP_UNHEARD) -> None:
    """No cloud is configured: nobody takes reports, and no alarm is about the line."""
    tx.execute("DELETE FROM alarms WHERE key = 'session' OR key LIKE 'broker:%'")
    sql = "DELETE FROM outbox WHERE pk <= (SELECT pk FROM outbox ORDER BY pk DESC LIMIT 1 OFFSET ?)"
    tx.execute(sql, (keep,))  # counted: each start skips numbers
