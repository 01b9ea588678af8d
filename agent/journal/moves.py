"""Where a ticket goes: the only way to a new state, and what the cloud is told of it."""

from agent.errors import IllegalTransition
from agent.journal.file import Tx
from agent.journal.notes import add_report
from agent.model.job import TRANSITIONS, JobKind, JobState, Mark
from agent.model.report import Evidence, OrderRef, TicketState

_TO_STATES = {new: ", ".join(f"'{old}'" for old, after in TRANSITIONS.items() if new in after) for new in TRANSITIONS}


def state_of(tx: Tx, job_id: int) -> JobState:
    """Where it is."""
    return JobState(tx.execute("SELECT state FROM jobs WHERE id = ?", (job_id,)).fetchone()[0])


def move(
    tx: Tx, job_id: int, state: JobState, reason: str, also: str = "mark = mark", values: tuple[object, ...] = ()
) -> None:
    """Give a ticket a new state; `also` are the columns that change with it.

    Raises:
        IllegalTransition: it can't go there from where it is.
    """
    again = state if state in (JobState.HELD, JobState.UNCONFIRMED) else ""
    moved = tx.execute(
        f"UPDATE jobs SET {also}, state = ?, reason = ? WHERE id = ? AND (state = ? OR state IN ({_TO_STATES[state]}))",
        (*values, state, reason, job_id, again),
    ).rowcount
    if moved != 1:
        raise IllegalTransition(f"ticket {job_id} can't become {state}")


def tell(tx: Tx, job_id: int, evidence: Evidence) -> None:
    """Tell the cloud where a ticket is now."""
    row = tx.execute(  # a notice has no order, and is nothing to the cloud
        "SELECT o.order_id, o.channel, o.number, j.rev, j.id, j.kind, j.station, j.printer, j.state, j.attempt, "
        "j.reason, j.mark, j.number FROM jobs j JOIN orders o ON o.pk = j.order_pk WHERE j.id = ?",
        (job_id,),
    ).fetchone()
    if row is None:
        return
    rev, ticket, kind, station, printer, state, attempt, reason, mark, number = row[3:]
    add_report(
        tx,
        TicketState(
            order=OrderRef(*row[:3]),
            rev=rev,
            ticket=ticket,
            kind_of_ticket=JobKind(kind),
            station=station,
            printer=printer,
            state=JobState(state),
            attempt=attempt,
            evidence=evidence,
            reason=reason,
            marked=None if mark is None else Mark(mark),
            number=number,
        ),
    )
