"""Jobs: the tickets on their way. Every move is checked against the table of transitions; a move that matches no row
raises, so that two owners of one printer, or a bug, can't print behind the journal's back.
"""

from typing import Any

import msgspec

from agent.errors import IllegalTransition
from agent.journal.file import Tx
from agent.journal.notes import add_report, keep_number, next_number, now
from agent.model.job import FINAL, TRANSITIONS, Counters, Expected, Intent, Job, JobKind, JobState, Mark, token
from agent.model.report import Evidence, OrderRef, OrderState, OrderStateName, TicketState

_COLUMNS = """
    SELECT j.id, j.order_pk, o.channel, o.order_id, j.rev, j.kind, j.station, j.printer, j.copy, j.copies, j.state,
           j.attempt, j.mark, j.number, j.intent, j.reason, e.payload, j.created_at,
           j.share
    FROM jobs j {index} JOIN orders o ON o.pk = j.order_pk JOIN events e ON e.pk = j.event_pk
"""
_OPEN = "state IN ('pending', 'held', 'processing', 'unconfirmed')"
"""As the index jobs_open has it, word for word: without it SQLite reads every ticket that there ever was."""
_TO_STATES = {new: ", ".join(f"'{old}'" for old, after in TRANSITIONS.items() if new in after) for new in TRANSITIONS}
_EVIDENCE: dict[JobState, Evidence] = {JobState.HELD: "held", JobState.UNCONFIRMED: "unconfirmed"}


class NewJob(msgspec.Struct, frozen=True):
    """A ticket to be printed."""

    station: str
    printer: str
    kind: JobKind
    share: bytes
    copy: int = 1
    copies: int = 1
    mark: Mark | None = None


class Settlement(msgspec.Struct, frozen=True):
    """Where a job goes after an attempt, and on what grounds.

    `keep_intent` while the ticket may still be in the printer, or in doubt.
    """

    state: JobState
    evidence: Evidence = ""
    reason: str = ""
    mark: Mark | None = None
    keep_intent: bool = False


def add_jobs(tx: Tx, order_pk: int, event_pk: int, rev: int, jobs: list[NewJob]) -> None:
    """Enter tickets, pending, in this order."""
    at = now()
    tx.executemany(
        "INSERT INTO jobs "
        "(order_pk, event_pk, rev, kind, station, printer, copy, copies, mark, share, created_at, state) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'pending')",
        [
            (order_pk, event_pk, rev, job.kind, job.station, job.printer, job.copy, job.copies, job.mark, job.share, at)
            for job in jobs
        ],
    )


def last_share(tx: Tx, order_pk: int, station: str) -> bytes:
    """What this station was told last of an order: that is what a void takes back."""
    row = tx.execute(
        "SELECT share FROM jobs WHERE order_pk = ? AND station = ? "
        "ORDER BY state = 'completed' OR intent IS NOT NULL OR mark IS NOT NULL DESC, id DESC LIMIT 1",
        (order_pk, station),
    ).fetchone()
    return bytes(row[0])


def next_pending(tx: Tx, printer: str, after_id: int = 0) -> Job | None:
    """The oldest ticket that this printer may print, or None. Held tickets wait for `release`."""
    row = tx.execute(
        f"{_COLUMNS.format(index='INDEXED BY jobs_open')} "
        f"WHERE j.printer = ? AND j.{_OPEN} AND j.state = 'pending' AND j.id > ? ORDER BY j.id LIMIT 1",
        (printer, after_id),
    ).fetchone()
    return _job(row)


def in_doubt(tx: Tx, printer: str) -> Job | None:
    """The ticket whose bytes may have gone out to this printer without a settled outcome."""
    columns = _COLUMNS.format(index="INDEXED BY jobs_one_in_flight")
    return _job(tx.execute(f"{columns} WHERE j.printer = ? AND j.intent IS NOT NULL", (printer,)).fetchone())


def claim(tx: Tx, job: Job, day: str, expected: Expected, baseline: Counters | None) -> Intent | None:
    """Write the intent: from here on bytes may go out. None when the ticket is no longer to be printed as it was read.

    Gives the ticket its station's running number (`job.number` must be the one that it has, or the next one) and a
    token of its own.
    """
    found = tx.execute("SELECT number FROM jobs WHERE id = ? AND state = 'pending'", (job.id,)).fetchone()
    if found is None or job.number != (found[0] or next_number(tx, job.station, day)):
        return None
    print_number = next_number(tx, "prints", "")
    keep_number(tx, "prints", "", print_number)
    if not found[0]:
        keep_number(tx, job.station, day, job.number)
    intent = Intent(token(print_number), expected.lines, expected.most_lines, expected.cuts, baseline)
    also = "intent = ?, attempt = attempt + 1, number = ?"
    _move(tx, job.id, JobState.PROCESSING, "", also, (msgspec.json.encode(intent).decode(), job.number))
    return intent


def running_number(tx: Tx, job: Job, day: str) -> int:
    """The running number that this ticket has, or would get now. A repeated ticket keeps its own."""
    return job.number or next_number(tx, job.station, day)


def settle(tx: Tx, job: Job, outcome: Settlement) -> JobState:
    """Close an attempt. A ticket that would be printed again is canceled instead when its order has moved on.

    `job` is as the caller knows it. One that was not under way may have been withdrawn since: then nothing happens.
    Returns where the ticket is now.
    """
    if job.state is JobState.PENDING and (now_is := _state(tx, job.id)) is not JobState.PENDING:
        return now_is
    state, reason = outcome.state, outcome.reason
    if state is JobState.PENDING and _overtaken(tx, job):
        _move(tx, job.id, state, reason)
        state, reason = JobState.CANCELED, "replaced by a newer revision"
        if outcome.mark is not None:
            _hand_on_mark(tx, job, outcome.mark)
    also = "mark = coalesce(?, mark), intent = CASE WHEN ? THEN intent END"
    _move(tx, job.id, state, reason, also, (outcome.mark, outcome.keep_intent))
    _report(tx, job.id, outcome.evidence or _EVIDENCE.get(state, ""))
    if state in FINAL:
        close_order(tx, job.order_pk)
    return state


def hold(tx: Tx, job: Job, reason: str) -> None:
    """A person is needed before this ticket can be sent; nothing of it went out."""
    settle(tx, job, Settlement(JobState.HELD, reason=reason))


def release(tx: Tx, printer: str) -> None:
    """The printer is well again: its held tickets that were never sent may go."""
    rows = tx.execute(
        f"SELECT id FROM jobs INDEXED BY jobs_open WHERE printer = ? AND {_OPEN} AND state = 'held' AND intent IS NULL",
        (printer,),
    )
    for (job_id,) in rows.fetchall():
        _move(tx, job_id, JobState.PENDING, "the printer is well again")


def resume(tx: Tx, job: Job) -> None:
    """A ticket that was held in the printer's buffer goes on."""
    _move(tx, job.id, JobState.PROCESSING, "the printer is well again")


def withdraw(tx: Tx, order_pk: int, reason: str) -> dict[str, Mark]:
    """Cancel an order's tickets that are still to be printed. Returns the marks that they bore, by station: there a
    piece of one may be on paper.
    """
    rows = tx.execute(
        "SELECT id, station, mark FROM jobs "
        "WHERE order_pk = ? AND state IN ('pending', 'held') AND intent IS NULL ORDER BY id",
        (order_pk,),
    ).fetchall()
    for job_id, _, _ in rows:
        _move(tx, job_id, JobState.CANCELED, reason)
        _report(tx, job_id, "")
    return {str(station): Mark(mark) for _, station, mark in rows if mark is not None}


def stations_reached(tx: Tx, order_pk: int) -> list[str]:
    """The stations where something of this order is, or may be, on paper and was not voided since."""
    rows = tx.execute(
        "SELECT station FROM jobs j WHERE order_pk = ? AND kind <> 'cancel' "
        "AND (state = 'completed' OR intent IS NOT NULL OR mark IS NOT NULL) "
        "AND NOT EXISTS (SELECT 1 FROM jobs c WHERE c.order_pk = j.order_pk AND c.station = j.station "
        "                AND c.kind = 'cancel' AND c.state <> 'canceled' AND c.id > j.id) "
        "GROUP BY station ORDER BY min(id)",
        (order_pk,),
    )
    return [str(station) for (station,) in rows]


def reroute(tx: Tx, printers: dict[str, str], fallback: str, configured: set[str]) -> int:
    """After a change of configuration: tickets go to the printer that their station has now. Returns how many moved.

    `printers` maps station to printer; `fallback` is the default station's; `configured` are all there are. A ticket
    in doubt stays with its printer; where that printer is gone for good nobody can ask it, so that the ticket is
    printed again, marked.
    """
    moved = 0
    rows = tx.execute(
        f"SELECT id, station, printer, intent FROM jobs INDEXED BY jobs_open WHERE {_OPEN} ORDER BY id"
    ).fetchall()
    for job_id, station, printer, intent in rows:
        wanted = printers.get(station, fallback)
        if wanted == printer or (intent is not None and printer in configured):
            continue
        if intent is not None and (job := in_doubt(tx, printer)) is not None:
            _unconfirmed_again(tx, job)
        if _state(tx, job_id) is JobState.HELD:  # for the old printer's sake
            _move(tx, job_id, JobState.PENDING, "its station has another printer now")
        tx.execute("UPDATE jobs SET printer = ? WHERE id = ?", (wanted, job_id))
        moved += 1
    return moved


def _unconfirmed_again(tx: Tx, job: Job) -> None:
    reason = f"printer {job.printer} is no longer configured"
    if job.state is not JobState.UNCONFIRMED:
        settle(tx, job, Settlement(JobState.UNCONFIRMED, reason=reason, keep_intent=True))
    settle(tx, job, Settlement(JobState.PENDING, reason=reason, mark=Mark.POSSIBLE_DUPLICATE))


def waiting(tx: Tx) -> dict[str, int]:
    """How many tickets wait for each printer."""
    rows = tx.execute(f"SELECT printer, count(*) FROM jobs INDEXED BY jobs_open WHERE {_OPEN} GROUP BY printer")
    return {str(printer): int(count) for printer, count in rows}


def oldest_waiting(tx: Tx) -> str | None:
    """When the oldest ticket that is not settled was entered."""
    row = tx.execute(f"SELECT created_at FROM jobs INDEXED BY jobs_open WHERE {_OPEN} ORDER BY id LIMIT 1").fetchone()
    return None if row is None else str(row[0])


def close_order(tx: Tx, order_pk: int) -> None:
    """When an order's last ticket is settled, say what became of the order. The last word at each station counts."""
    rows = tx.execute("SELECT station, copy, state FROM jobs WHERE order_pk = ? ORDER BY id", (order_pk,)).fetchall()
    if any(JobState(state) not in FINAL for _, _, state in rows):
        return
    last = {(station, copy): JobState(state) for station, copy, state in rows if state != JobState.CANCELED}
    rev, canceled = tx.execute("SELECT rev, canceled FROM orders WHERE pk = ?", (order_pk,)).fetchone()
    state: OrderStateName = "canceled" if canceled else "printed"
    if not canceled and JobState.ABORTED in last.values():
        state = "partly_printed" if JobState.COMPLETED in last.values() else "rejected"
    tx.execute("UPDATE orders SET state = ? WHERE pk = ?", (state, order_pk))
    add_report(tx, OrderState(order_ref(tx, order_pk), rev, state))


def order_ref(tx: Tx, order_pk: int) -> OrderRef:
    """An order as reports name it."""
    return OrderRef(*tx.execute("SELECT order_id, channel, number FROM orders WHERE pk = ?", (order_pk,)).fetchone())


def _overtaken(tx: Tx, job: Job) -> bool:
    if job.kind is JobKind.CANCEL:
        return False
    rev, canceled = tx.execute("SELECT rev, canceled FROM orders WHERE pk = ?", (job.order_pk,)).fetchone()
    return bool(canceled) or int(rev) > job.rev


def _hand_on_mark(tx: Tx, job: Job, mark: Mark) -> None:
    """What may be on paper of an overtaken ticket is said by the one that takes its place."""
    tx.execute(
        "UPDATE jobs SET mark = ? WHERE order_pk = ? AND station = ? AND id > ? AND kind <> 'cancel' AND mark IS NULL "
        "AND state IN ('pending', 'held') AND intent IS NULL",
        (mark, job.order_pk, job.station, job.id),
    )


def _state(tx: Tx, job_id: int) -> JobState:
    return JobState(tx.execute("SELECT state FROM jobs WHERE id = ?", (job_id,)).fetchone()[0])


def _move(
    tx: Tx, job_id: int, state: JobState, reason: str, also: str = "mark = mark", values: tuple[object, ...] = ()
) -> None:
    """The only way to a new state; `also` are the columns that change with it."""
    again = state if state in (JobState.HELD, JobState.UNCONFIRMED) else ""
    moved = tx.execute(
        f"UPDATE jobs SET {also}, state = ?, reason = ? WHERE id = ? AND (state = ? OR state IN ({_TO_STATES[state]}))",
        (*values, state, reason, job_id, again),
    ).rowcount
    if moved != 1:
        raise IllegalTransition(f"ticket {job_id} can't become {state}")


def _report(tx: Tx, job_id: int, evidence: Evidence) -> None:
    """Tell the cloud where a ticket is now."""
    row = tx.execute(
        "SELECT o.order_id, o.channel, o.number, j.rev, j.id, j.kind, j.station, j.printer, j.state, j.attempt, "
        "j.reason, j.mark, j.number FROM jobs j JOIN orders o ON o.pk = j.order_pk WHERE j.id = ?",
        (job_id,),
    ).fetchone()
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


def _job(row: tuple[Any, ...] | None) -> Job | None:
    if row is None:
        return None
    values = dict(zip(Job.__struct_fields__, row, strict=True))
    values["kind"] = JobKind(values["kind"])
    values["state"] = JobState(values["state"])
    values["mark"] = None if values["mark"] is None else Mark(values["mark"])
    values["intent"] = None if values["intent"] is None else msgspec.json.decode(values["intent"], type=Intent)
    return Job(**values)
