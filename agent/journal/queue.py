"""The queue as a person sees it: every ticket that is not settled, with what it waits for and where."""

from typing import Any

import msgspec

from agent.journal.file import Tx
from agent.model.job import JobKind, JobState, Mark

_OPEN = "state IN ('pending', 'held', 'processing', 'unconfirmed')"
"""As the index jobs_open has it, word for word."""


class Waiting(msgspec.Struct, frozen=True):
    """A ticket that is not settled. `order` is the order's identity and `no` what people call it, both empty for a
    notice; `sent`: bytes of it went out, and nobody knows what became of them.
    """

    ticket: int
    order: str
    channel: str
    no: str
    kind: JobKind
    station: str
    home: str
    printer: str
    state: JobState
    reason: str
    mark: Mark | None
    sent: bool
    created_at: str


def waiting_tickets(tx: Tx, most: int) -> list[Waiting]:
    """The oldest ones, at most so many."""
    rows = tx.execute(
        "SELECT j.id, coalesce(o.order_id, ''), coalesce(o.channel, ''), coalesce(o.number, ''), j.kind, j.station, "
        "j.home, j.printer, j.state, j.reason, j.mark, j.intent IS NOT NULL, j.created_at "
        f"FROM jobs j INDEXED BY jobs_open LEFT JOIN orders o ON o.pk = j.order_pk WHERE j.{_OPEN} "
        "ORDER BY j.id LIMIT ?",
        (most,),
    )
    return [_waiting(row) for row in rows]


def open_states(tx: Tx) -> dict[str, int]:
    """How many tickets are not settled, by state."""
    rows = tx.execute(f"SELECT state, count(*) FROM jobs INDEXED BY jobs_open WHERE {_OPEN} GROUP BY state")
    return {str(state): int(count) for state, count in rows}


def _waiting(row: tuple[Any, ...]) -> Waiting:
    values = dict(zip(Waiting.__struct_fields__, row, strict=True))
    return msgspec.convert({**values, "sent": bool(values["sent"])}, Waiting)
