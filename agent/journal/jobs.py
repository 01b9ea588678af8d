"""Jobs: the tickets on their way. Every move (`moves.py`) is checked against the table of transitions; one that matches
no row raises, so that two owners of one printer, or a bug, can't print behind the journal's back.
"""

from typing import Any

import msgspec

from agent.journal.closing import close_order
from agent.journal.file import Tx
from agent.journal.moves import move, state_of, tell
from agent.journal.notes import clear_alarm, get_meta, keep_number, next_number, now, set_meta
from agent.journal.overtaken import drop_needless_void, hand_on_mark, is_overtaken
from agent.journal.pauses import is_paused
from agent.model.job import (
    FINAL,
    READ_INTENT,
    Counters,
    Expected,
    Intent,
    Job,
    JobKind,
    JobState,
    Mark,
    token,
)
from agent.model.report import Evidence

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
    printer goes on with others. `headless` is kept in the intent.
    """

    state: JobState
    evidence: Evidence = ""
    reason: str = ""
    mark: Mark | None = None
    keep_intent: bool = False
    leaves: bool = False
    headless: bool = False


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
    if job.kind is JobKind.CANCEL and is_overtaken(tx, job):
        move(tx, job.id, JobState.CANCELED, "what it takes back was ordered again")
        tell(tx, job.id, "")
        clear_alarm(tx, f"ticket:{job.id}")
        close_order(tx, job.order_pk or 0)
        return None
    if job.kind is not JobKind.NOTICE and any(is_paused(tx, name) for name in {printer, job.home}):
        return None
    print_number = next_number(tx, _PRINTS, "")
    keep_number(tx, _PRINTS, "", print_number)
    if job.number and not found[0]:
        keep_number(tx, counter(job.station), day, job.number)
    has = tx.execute("SELECT flight FROM jobs WHERE printer = ? AND flight IS NOT NULL", (printer,)).fetchall()
    lines, most_lines, cuts, drawn = msgspec.structs.astuple(expected)
    intent = Intent(token(print_number), lines, most_lines, cuts, baseline, drawn=drawn)
    also = "flight = ?, print_number = ?, printer = ?, intent = ?, attempt = attempt + 1, number = ?"
    values = (int((0,) in has), print_number, printer, msgspec.json.encode(intent).decode(), job.number)
    move(tx, job.id, JobState.PROCESSING, "", also, values)
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
    if job.state is JobState.PENDING and (now_is := state_of(tx, job.id)) is not JobState.PENDING:
        return now_is
    state, reason = outcome.state, outcome.reason
    if state is JobState.PENDING and is_overtaken(tx, job):
        move(tx, job.id, state, reason)
        state, reason = JobState.CANCELED, "replaced by a newer revision"
        if outcome.mark is not None:
            hand_on_mark(tx, job, outcome.mark)
    also = (
        "mark = coalesce(?, mark), "
        "intent = CASE WHEN ? THEN CASE WHEN ? THEN json_set(intent, '$.headless', json('true')) ELSE intent END END, "
        "flight = CASE WHEN ? THEN flight END, "
        "printer = CASE WHEN ? THEN home ELSE printer END, evidence = ?"
    )
    in_flight = outcome.keep_intent and not outcome.leaves
    evidence = outcome.evidence or _EVIDENCE.get(state, "")
    kept = outcome.keep_intent
    values = (outcome.mark, kept, outcome.headless, in_flight, state is JobState.PENDING, evidence)
    move(tx, job.id, state, reason, also, values)
    tell(tx, job.id, evidence)
    if state is JobState.CANCELED and outcome.mark is None:
        drop_needless_void(tx, job)
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
        move(tx, job_id, JobState.PENDING, "the printer is well again")


def resume(tx: Tx, job: Job) -> None:
    """A ticket that was held in the printer's buffer goes on."""
    move(tx, job.id, JobState.PROCESSING, "the printer is well again")


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
        move(tx, job_id, JobState.CANCELED, reason)
        tell(tx, job_id, "")
        clear_alarm(tx, f"ticket:{job_id}")
    return {(str(station), int(copy)): Mark(mark) for _, station, copy, mark in rows if mark is not None}


def move_home(tx: Tx, job: Job, home: str) -> None:
    """Its station has another printer now. What may be in a printer stays with that one until it is settled."""
    if job.state is JobState.HELD and job.intent is None:  # for the old printer's sake
        move(tx, job.id, JobState.PENDING, "its station has another printer now")
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


def _job(row: tuple[Any, ...] | None) -> Job | None:
    if row is None:
        return None
    values = [*row]
    values[_KIND], values[_STATE] = JobKind(row[_KIND]), JobState(row[_STATE])
    values[_MARK] = None if row[_MARK] is None else Mark(row[_MARK])
    values[_INTENT] = None if row[_INTENT] is None else READ_INTENT.decode(row[_INTENT])
    return Job(*values)
