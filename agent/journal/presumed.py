"""Tickets that were taken as printed because their printer never answers, and that printer answers after all: it may
have been stuck, and have thrown them away.
"""

from datetime import datetime, timedelta

import msgspec

from agent.clock import stamp
from agent.errors import IllegalTransition
from agent.journal import jobs
from agent.journal.file import Tx
from agent.journal.notes import now
from agent.model.job import Intent, Job, JobState, token

LATELY = timedelta(minutes=30)
MOST = 20
"""Whoever was believed for longer, and for more tickets than that, was missed by somebody."""
LOOK_BACK = 1000


def reopen(tx: Tx, printer: str) -> list[Job]:
    """What this printer was believed to have printed lately is in doubt, oldest first: with an intent as if it had just
    been sent, and not where the kitchen has said since that the dishes are ready.
    """
    rows = tx.execute(
        "SELECT j.id, j.print_number FROM jobs j WHERE j.printer = ? AND j.id > (SELECT max(id) FROM jobs) - ? "
        "AND j.state = 'completed' AND j.evidence = 'presumed' AND j.order_pk IS NOT NULL AND j.created_at >= ? "
        "AND NOT EXISTS (SELECT 1 FROM bumps b WHERE b.order_pk = j.order_pk AND b.station = j.station "
        "AND b.rev >= j.rev) ORDER BY j.id DESC LIMIT ?",
        (printer, LOOK_BACK, stamp(datetime.fromisoformat(now()) - LATELY), MOST),
    ).fetchall()
    rows.reverse()
    for job_id, print_number in rows:
        _refute(tx, job_id, Intent(token(print_number), 0, 0, 0))
    return [job for job_id, _ in rows if (job := jobs.find(tx, job_id)) is not None]


def _refute(tx: Tx, job_id: int, intent: Intent) -> None:
    """The one way out of *completed*: what was only presumed."""
    moved = tx.execute(
        "UPDATE jobs SET state = ?, evidence = 'unconfirmed', reason = ?, intent = ? "
        "WHERE id = ? AND state = ? AND evidence = 'presumed'",
        (
            JobState.UNCONFIRMED,
            "its printer answers after all",
            msgspec.json.encode(intent).decode(),
            job_id,
            JobState.COMPLETED,
        ),
    ).rowcount
    if moved != 1:
        raise IllegalTransition(f"ticket {job_id} was not presumed")
