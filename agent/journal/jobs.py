"""Jobs: the tickets on their way. Every move is checked against the table of transitions; a move that matches no row
raises, so that two owners of one printer, or a bug, can't print behind the journal's back.
"""

from typing import Any

import msgspec

from agent.errors import IllegalTransition
from agent.journal.closing import close_order
from agent.journal.file import Tx
from agent.journal.notes import add_report, clear_alarm, get_meta, keep_number, next_number, now, set_meta
from agent.journal.pauses import is_paused
from agent.model.job import (
    FINAL,
    READ_INTENT,
    TRANSITIONS,
    Counters,
    Expected,
    Intent,
    Job,
    JobKind,
    JobState,
    Mark,
    token,
)
from agent.model.report import Evidence, OrderRef, TicketState

_COLUMNS = """
    SELECT j.id, j.order_pk, coalesce(o.channel, ''), coalesce(o.order_id, ''), j.rev, j.kind, j.station, j.home,
           j.printer, j.copy, j.copies, j.state, j.attempt, j.mark, j.number, j.print_number, j.intent, j.reason,
           coalesce(e.payload, x''), j.created_at, j.share
    FROM jobs j {index} LEFT JOIN orders o ON o.pk = j.order_pk LEFT JOIN events e ON e.pk = j.event_pk
"""
_OPEN = "state IN ('pending', 'held', 'processing', 'unconfirmed')"
"""As the index jobs_open has it, word for word: without it SQLite reads every ticket that there ever was."""
_FIRST = (
    "NOT EXISTS (SELECT 1 FROM jobs b INDEXED BY jobs_of_order WHERE b.order_pk = j.order_pk AND b.station = j.station "
    "AND b.id < j.id AND b.intent IS NOT NULL)"
)
"""Nothing older of its order is in a printer: what takes it back must come out after it, and there."""

_NOT_BEFORE = (
    "NOT EXISTS (SELECT 1 FROM jobs b INDEXED BY jobs_of_order WHERE b.order_pk = j.order_pk AND b.station = j.station "
    "AND b.id < j.id AND b.flight IS NOT NULL AND b.printer <> j.home AND (b.rev < j.rev OR j.kind = 'cancel'))"
)
"""Nothing that it takes back or amends lies in a stand-in's buffer: that would come out after it."""

_PRINTS = "prints"
_KIND, _STATE, _MARK, _INTENT = map(Job.__struct_fields__.index, ("kind", "state", "mark", "intent"))
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
    number: int = 0


class Settlement(msgspec.Struct, frozen=True):
    """Where a job goes after an attempt, and on what grounds.

    `keep_intent` while the ticket may still be in the printer, or in doubt; `leaves` when it is in doubt, and the
    printer goes on with others.
    """

    state: JobState
    evidence: Evidence = ""
    reason: str = ""
    mark: Mark | None = None
    keep_intent: bool = False
    leaves: bool = False


class Route(msgspec.Struct, frozen=True):
    """A station and the printer that is its own."""

    station: str
    home: str


def add_jobs(tx: Tx, order_pk: int | None, event_pk: int | None, rev: int, jobs: list[NewJob]) -> None:
    """Enter tickets, pending, in this order. Notices have no order."""
    at = now()
    tx.executemany(
        "INSERT INTO jobs "
        "(order_pk, event_pk, rev, kind, station, home, printer, copy, copies, mark, number, share, created_at, state) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'pending')",
        [
            (order_pk, event_pk, rev, j.kind, j.station, j.printer, j.printer, *_entered(j), at)  # home and printer
            for j in jobs
        ],
    )


def _entered(job: NewJob) -> tuple[object, ...]:
    return job.copy, job.copies, job.mark, job.number, job.share


def next_pending(tx: Tx, printer: str, *, after_id: int = 0, stands_in: tuple[Route, ...] = ()) -> Job | None:
    """The oldest ticket that this printer may print, or None: of its own stations, and of those that it stands in for.

    Its own held tickets wait for `release`; a held one of another printer is what standing in is for. Those of a paused
    printer wait for it; only notices are printed there.
    """
    if is_paused(tx, printer):
        return _next(tx, "j.home = ? AND j.state = 'pending' AND j.kind = 'notice'", (printer,), after_id)
    found = [_next(tx, f"j.home = ? AND j.state = 'pending' AND {_NOT_BEFORE}", (printer,), after_id)]
    for route in stands_in:
        if is_paused(tx, route.home):
            continue
        waits = "j.home = ? AND j.station = ? AND j.kind <> 'notice' AND j.state IN ('pending', 'held')"
        found.append(_next(tx, f"{waits} AND j.intent IS NULL AND {_FIRST}", (route.home, route.station), after_id))
    return min((job for job in found if job is not None), key=lambda job: job.id, default=None)


def _next(tx: Tx, waits: str, values: tuple[str, ...], after_id: int) -> Job | None:
    columns = _COLUMNS.format(index="INDEXED BY jobs_open")
    sql = f"{columns} WHERE {waits} AND j.{_OPEN} AND j.id > ? ORDER BY j.id LIMIT 1"
    return _job(tx.execute(sql, (*values, after_id)).fetchone())


def in_flight(tx: Tx, printer: str) -> list[Job]:
    """The tickets whose bytes may have gone out to this printer without a settled outcome, as they were sent."""
    columns = _COLUMNS.format(index="INDEXED BY jobs_in_flight")
    rows = tx.execute(f"{columns} WHERE j.printer = ? AND j.flight IS NOT NULL ORDER BY j.print_number", (printer,))
    return [job for row in rows if (job := _job(row)) is not None]


def find(tx: Tx, job_id: int) -> Job | None:
    """A ticket by its number."""
    return _job(tx.execute(f"{_COLUMNS.format(index='')} WHERE j.id = ?", (job_id,)).fetchone())


def unsettled(tx: Tx) -> list[Job]:
    """Every ticket that is not settled, oldest first."""
    rows = tx.execute(f"{_COLUMNS.format(index='INDEXED BY jobs_open')} WHERE j.{_OPEN} ORDER BY j.id")
    return [job for row in rows if (job := _job(row)) is not None]


def open_notices(tx: Tx) -> list[Job]:
    """Of these the notices to the staff, which are few however many orders wait."""
    columns = _COLUMNS.format(index="INDEXED BY jobs_open")
    rows = tx.execute(f"{columns} WHERE j.kind = 'notice' AND j.{_OPEN} ORDER BY j.id")
    return [job for row in rows if (job := _job(row)) is not None]


def of_order(tx: Tx, order_pk: int) -> list[Job]:
    """All tickets of an order, oldest first."""
    columns = _COLUMNS.format(index="INDEXED BY jobs_of_order")
    rows = tx.execute(f"{columns} WHERE j.order_pk = ? ORDER BY j.id", (order_pk,))
    return [job for row in rows if (job := _job(row)) is not None]


def is_open(tx: Tx, job: Job) -> bool:
    """Is this print of it still without an outcome, or did a person settle it meanwhile?"""
    sql = "SELECT 1 FROM jobs WHERE id = ? AND print_number = ? AND intent IS NOT NULL"
    return tx.execute(sql, (job.id, job.print_number)).fetchone() is not None


def note_opened(tx: Tx, job: Job) -> None:
    """The printer's cover was open while it had this ticket."""
    sql = "UPDATE jobs SET intent = json_set(intent, '$.opened', json('true')) WHERE id = ? AND intent IS NOT NULL"
    tx.execute(sql, (job.id,))


def claim(
    tx: Tx, job: Job, printer: str, day: str, expected: Expected, baseline: Counters | None
) -> tuple[int, Intent] | None:
    """Write the intent: from here on bytes may go out to `printer`. None when the ticket is no longer to be printed as
    it was read. Returns the number of this print, and the intent.

    Gives the ticket its station's running number (`job.number` must be the one that it has, or the next one) and a
    token of its own.
    """
    found = tx.execute(
        "SELECT number FROM jobs "
        "WHERE id = ? AND state IN ('pending', 'held') AND intent IS NULL AND mark IS ? AND home = ?",
        (job.id, job.mark, job.home),
    ).fetchone()
    if found is None or job.number != running_number(tx, job, day, int(found[0])):
        return None
    if job.kind is not JobKind.NOTICE and any(is_paused(tx, name) for name in {printer, job.home}):
        return None
    print_number = next_number(tx, _PRINTS, "")
    keep_number(tx, _PRINTS, "", print_number)
    if job.number and not found[0]:
        keep_number(tx, counter(job.station), day, job.number)
    has = tx.execute("SELECT flight FROM jobs WHERE printer = ? AND flight IS NOT NULL", (printer,)).fetchall()
    intent = Intent(token(print_number), expected.lines, expected.most_lines, expected.cuts, baseline)
    also = "flight = ?, print_number = ?, printer = ?, intent = ?, attempt = attempt + 1, number = ?"
    values = (int((0,) in has), print_number, printer, msgspec.json.encode(intent).decode(), job.number)
    _move(tx, job.id, JobState.PROCESSING, "", also, values)
    return print_number, intent


def running_number(tx: Tx, job: Job, day: str, has: int | None = None) -> int:
    """The running number that this ticket has, or would get now: a repeated ticket's own, none for one of no order."""
    if job.order_pk is None:
        return 0
    return (job.number if has is None else has) or next_number(tx, counter(job.station), day)


def counter(station: str) -> str:
    """The name under which a station's running number is kept: no station counts the prints of all."""
    return f"{station} station" if station == _PRINTS else station


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
    also = (
        "mark = coalesce(?, mark), intent = CASE WHEN ? THEN intent END, flight = CASE WHEN ? THEN flight END, "
        "printer = CASE WHEN ? THEN home ELSE printer END, evidence = ?"
    )
    in_flight = outcome.keep_intent and not outcome.leaves
    evidence = outcome.evidence or _EVIDENCE.get(state, "")
    values = (outcome.mark, outcome.keep_intent, in_flight, state is JobState.PENDING, evidence)
    _move(tx, job.id, state, reason, also, values)
    _report(tx, job.id, evidence)
    if state is JobState.CANCELED and outcome.mark is None:
        _drop_needless_void(tx, job)
    if state in FINAL and job.order_pk is not None:
        close_order(tx, job.order_pk)
    return state


def hold(tx: Tx, job: Job, reason: str) -> None:
    """A person is needed before this ticket can be sent; nothing of it went out."""
    settle(tx, job, Settlement(JobState.HELD, reason=reason))


def release(tx: Tx, printer: str) -> None:
    """The printer is well again: its held tickets that were never sent may go."""
    rows = tx.execute(
        f"SELECT id FROM jobs INDEXED BY jobs_open WHERE home = ? AND {_OPEN} AND state = 'held' AND intent IS NULL",
        (printer,),
    )
    for (job_id,) in rows.fetchall():
        _move(tx, job_id, JobState.PENDING, "the printer is well again")


def resume(tx: Tx, job: Job) -> None:
    """A ticket that was held in the printer's buffer goes on."""
    _move(tx, job.id, JobState.PROCESSING, "the printer is well again")


def note_torn(tx: Tx, printer: str, torn: bool = True) -> None:
    """A piece of a ticket may hang out of this printer: whatever is printed next is to be cut off from it first."""
    set_meta(tx, f"torn:{printer}", "torn" if torn else "")


def is_torn(tx: Tx, printer: str) -> bool:
    """May a piece of a ticket hang out of this printer?"""
    return bool(get_meta(tx, f"torn:{printer}"))


def withdraw(tx: Tx, order_pk: int, reason: str) -> dict[tuple[str, int], Mark]:
    """Cancel an order's tickets that are still to be printed. Returns the marks that they bore, by station and copy:
    there a piece of one may be on paper.
    """
    rows = tx.execute(
        "SELECT id, station, copy, mark FROM jobs "
        "WHERE order_pk = ? AND state IN ('pending', 'held') AND intent IS NULL ORDER BY id",
        (order_pk,),
    ).fetchall()
    for job_id, _, _, _ in rows:
        _move(tx, job_id, JobState.CANCELED, reason)
        _report(tx, job_id, "")
        clear_alarm(tx, f"ticket:{job_id}")
    return {(str(station), int(copy)): Mark(mark) for _, station, copy, mark in rows if mark is not None}


def move_home(tx: Tx, job: Job, home: str) -> None:
    """Its station has another printer now. What may be in a printer stays with that one until it is settled."""
    if job.state is JobState.HELD and job.intent is None:  # for the old printer's sake
        _move(tx, job.id, JobState.PENDING, "its station has another printer now")
    tx.execute("UPDATE jobs SET home = ? WHERE id = ?", (home, job.id))
    tx.execute("UPDATE jobs SET printer = ? WHERE id = ? AND intent IS NULL", (home, job.id))


def waiting(tx: Tx) -> dict[str, int]:
    """How many tickets wait for each printer."""
    rows = tx.execute(f"SELECT home, count(*) FROM jobs INDEXED BY jobs_open WHERE {_OPEN} GROUP BY home")
    return {str(printer): int(count) for printer, count in rows}


def first_made(tx: Tx, job: Job) -> str:
    """When this ticket was entered; of a copy that a person asked for, when the first of its kind was."""
    row = tx.execute(
        "SELECT created_at FROM jobs INDEXED BY jobs_of_order WHERE order_pk = ? AND station = ? AND copy = ? "
        "AND rev = ? AND state <> 'canceled' ORDER BY id LIMIT 1",
        (job.order_pk, job.station, job.copy, job.rev),
    ).fetchone()
    return job.created_at if row is None else str(row[0])


def oldest_waiting(tx: Tx) -> str | None:
    """When the oldest ticket that is not settled was entered."""
    row = tx.execute(f"SELECT created_at FROM jobs INDEXED BY jobs_open WHERE {_OPEN} ORDER BY id LIMIT 1").fetchone()
    return None if row is None else str(row[0])


def _overtaken(tx: Tx, job: Job) -> bool:
    """Has its order moved on? Not where a newer revision left this station alone: then this ticket still holds."""
    if job.order_pk is None:
        return False
    if job.kind is JobKind.CANCEL:  # it voids what came before it; once something newer may be out, it would void that
        sql = "SELECT 1 FROM jobs WHERE order_pk = ? AND station = ? AND kind <> 'cancel' AND id > ? "
        newer = f"{sql} AND (state = 'completed' OR intent IS NOT NULL) LIMIT 1"
        return tx.execute(newer, (job.order_pk, job.station, job.id)).fetchone() is not None
    row = tx.execute(
        "SELECT 1 FROM orders WHERE pk = ? AND canceled UNION ALL SELECT 1 FROM jobs WHERE order_pk = ? "
        "AND station = ? AND (copy = ? OR kind = 'cancel') AND id > ? AND state <> 'canceled' LIMIT 1",
        (job.order_pk, job.order_pk, job.station, job.copy, job.id),
    ).fetchone()
    return row is not None


def _hand_on_mark(tx: Tx, job: Job, mark: Mark) -> None:
    """What may be on paper of an overtaken ticket is said by the one that takes its place."""
    tx.execute(
        "UPDATE jobs SET mark = ? WHERE order_pk = ? AND station = ? AND copy = ? AND id > ? AND kind <> 'cancel' "
        "AND mark IS NULL AND state IN ('pending', 'held') AND intent IS NULL",
        (mark, job.order_pk, job.station, job.copy, job.id),
    )


def _drop_needless_void(tx: Tx, job: Job) -> None:
    """Nothing of this ticket is on paper: a void that waits to take it back, and nothing else, is not printed."""
    rows = tx.execute(
        "SELECT id FROM jobs v WHERE order_pk = ? AND station = ? AND kind = 'cancel' AND id > ? "
        "AND state IN ('pending', 'held') AND intent IS NULL AND NOT EXISTS (SELECT 1 FROM jobs j "
        "WHERE j.order_pk = v.order_pk AND j.station = v.station AND j.kind <> 'cancel' AND j.id < v.id "
        "AND (j.state = 'completed' OR j.intent IS NOT NULL OR j.mark IS NOT NULL))",
        (job.order_pk, job.station, job.id),
    ).fetchall()
    for (job_id,) in rows:
        _move(tx, job_id, JobState.CANCELED, "there is nothing on paper to take back")
        _report(tx, job_id, "")


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


def _job(row: tuple[Any, ...] | None) -> Job | None:
    if row is None:
        return None
    values = [*row]
    values[_KIND], values[_STATE] = JobKind(row[_KIND]), JobState(row[_STATE])
    values[_MARK] = None if row[_MARK] is None else Mark(row[_MARK])
    values[_INTENT] = None if row[_INTENT] is None else READ_INTENT.decode(row[_INTENT])
    return Job(*values)
