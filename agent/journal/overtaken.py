"""A ticket whose order has moved on before it was printed: what that does to the tickets behind it."""

from agent.journal.closing import DISCARDED
from agent.journal.file import Tx
from agent.journal.moves import move, tell
from agent.model.job import Job, JobKind, JobState, Mark


def is_overtaken(tx: Tx, job: Job) -> bool:
    """Has its order moved on? Not where a newer revision left this station alone, or this copy of it: then this
    ticket still holds. But where the station has fewer copies now. A void of the newest revision that a person
    discarded is not printed, and says all the same that nothing is left for this station.
    """
    if job.order_pk is None:
        return False
    if job.kind is JobKind.CANCEL:  # it voids what came before it; once something newer may be out, it would void that
        sql = "SELECT 1 FROM jobs WHERE order_pk = ? AND station = ? AND kind <> 'cancel' AND id > ? "
        newer = f"{sql} AND (state = 'completed' OR intent IS NOT NULL) LIMIT 1"
        return tx.execute(newer, (job.order_pk, job.station, job.id)).fetchone() is not None
    row = tx.execute(
        "SELECT 1 FROM orders WHERE pk = ? AND canceled UNION ALL SELECT 1 FROM jobs WHERE order_pk = ? "
        "AND station = ? AND (copy = ? OR kind = 'cancel' OR (rev > ? AND copies < ?)) AND id > ? "
        "AND (state <> 'canceled' OR (kind = 'cancel' AND reason LIKE ? AND rev = "
        "(SELECT rev FROM orders WHERE pk = order_pk))) LIMIT 1",
        (job.order_pk, job.order_pk, job.station, job.copy, job.rev, job.copy, job.id, f"{DISCARDED}%"),
    ).fetchone()
    return row is not None


def hand_on_mark(tx: Tx, job: Job, mark: Mark) -> None:
    """What may be on paper of an overtaken ticket is said by the one that takes its place."""
    tx.execute(
        "UPDATE jobs SET mark = ? WHERE order_pk = ? AND station = ? AND copy = ? AND id > ? AND kind <> 'cancel' "
        "AND mark IS NULL AND state IN ('pending', 'held') AND intent IS NULL",
        (mark, job.order_pk, job.station, job.copy, job.id),
    )


def drop_needless_void(tx: Tx, job: Job) -> None:
    """Nothing of this ticket is on paper: a void that waits to take it back, and nothing else, is not printed."""
    rows = tx.execute(
        "SELECT id FROM jobs v WHERE order_pk = ? AND station = ? AND kind = 'cancel' AND id > ? "
        "AND state IN ('pending', 'held') AND intent IS NULL AND NOT EXISTS (SELECT 1 FROM jobs j "
        "WHERE j.order_pk = v.order_pk AND j.station = v.station AND j.kind <> 'cancel' AND j.id < v.id "
        "AND (j.state = 'completed' OR j.intent IS NOT NULL OR j.mark IS NOT NULL))",
        (job.order_pk, job.station, job.id),
    ).fetchall()
    for (job_id,) in rows:
        move(tx, job_id, JobState.CANCELED, "there is nothing on paper to take back")
        tell(tx, job_id, "")
