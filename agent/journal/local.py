"""What came over the box's own port, and is to be taken back there."""

from agent.journal import closing, jobs
from agent.journal.file import Tx


def discard_waiting(tx: Tx, source: str, station: str, who: str) -> int:
    """Ready-made tickets of a source that wait for a station's printer, nothing of them sent, are not printed; a ticket
    that may be on paper is left alone. Returns how many.
    """
    rows = tx.execute(
        "SELECT j.order_pk, count(*) FROM jobs j INDEXED BY jobs_open JOIN events e ON e.pk = j.event_pk "
        "WHERE j.state IN ('pending', 'held', 'processing', 'unconfirmed') AND j.state IN ('pending', 'held') "
        "AND j.intent IS NULL AND j.mark IS NULL AND j.kind = 'raw' AND j.station = ? AND e.source = ? "
        "GROUP BY j.order_pk",
        (station, source),
    ).fetchall()
    for order_pk, _ in rows:
        jobs.withdraw(tx, order_pk, f"{closing.DISCARDED}: {who}")
        closing.close_order(tx, order_pk)
    return sum(int(count) for _, count in rows)
