"""Tickets that were taken as printed because their printer never answers, and that printer answers after all: it may
have been stuck, and have thrown them away. What holds of their orders is printed once more, marked.
"""

from collections.abc import Callable, Collection, Iterator
from datetime import datetime, timedelta

import msgspec

from agent.clock import stamp
from agent.journal import jobs, notes, orders, reprints
from agent.journal.closing import reopen_order
from agent.journal.file import Tx
from agent.journal.jobs import NewJob
from agent.journal.moves import move, tell
from agent.journal.reprints import Known
from agent.model.job import Intent, JobKind, JobState, Mark

LATELY = timedelta(minutes=30)
"""Whoever was believed for longer was missed by somebody: nobody wants yesterday's dishes cooked."""

MOST = 20
"""So many are printed at once; a person must say which of the others are to be."""

REASON = "its printer seemed to answer nothing, and does"
Part = tuple[int, str]
"""An order, and a station of it."""


class _Presumed(msgspec.Struct, frozen=True):
    id: int
    order_pk: int
    station: str
    copy: int


def doubt(tx: Tx, printer: str, remembered: Collection[int], home: Callable[[str], str], *, ask: bool) -> list[int]:
    """What this printer was believed to have printed lately is in doubt: `remembered`, and what the clock says. Returns
    the tickets that are made for it, oldest first; with `ask` a person must say of each.

    Not where the kitchen has said since that the dishes are ready.
    """
    found = _presumed(tx, printer, remembered)
    tx.executemany("UPDATE jobs SET evidence = 'unconfirmed' WHERE id = ?", [(each.id,) for each in found])
    parts: dict[Part, list[_Presumed]] = {}
    for each in found:
        parts.setdefault((each.order_pk, each.station), []).append(each)
    made: list[int] = []
    for (order_pk, station), lost in parts.items():
        for known in _to_repeat(tx, order_pk, station, lost):
            made.append(_enter(tx, order_pk, known, home(station), printer, ask=ask or len(made) >= MOST))
    return made


def _presumed(tx: Tx, printer: str, remembered: Collection[int]) -> list[_Presumed]:
    since = stamp(datetime.fromisoformat(notes.now()) - LATELY)
    rows = tx.execute(  # tickets found by their moves: there is no index by printer
        "SELECT j.id, j.order_pk, j.station, j.copy FROM jobs j WHERE j.id IN (SELECT value FROM json_each(?) "
        "UNION SELECT job_id FROM moves WHERE new = 'completed' AND at >= ?) AND j.printer = ? "
        "AND j.state = 'completed' AND j.evidence = 'presumed' AND j.order_pk IS NOT NULL "
        "AND NOT EXISTS (SELECT 1 FROM bumps b WHERE b.order_pk = j.order_pk AND b.station = j.station "
        "AND b.rev >= j.rev) ORDER BY j.id",
        (msgspec.json.encode([*remembered]).decode(), since, printer),
    )
    return [_Presumed(*row) for row in rows]


def _to_repeat(tx: Tx, order_pk: int, station: str, lost: list[_Presumed]) -> Iterator[Known]:
    """The last words at this station that are on no paper now, or only as a change of what is on none."""
    ids = {each.id for each in lost}
    for known in reprints.newest(tx, order_pk, voids=True):
        first = min((each.id for each in lost if each.copy == known.copy), default=min(ids))
        if known.station != station or known.id < first:
            continue
        if known.id in ids:
            yield known
        elif known.state is JobState.PENDING or (known.state is JobState.HELD and not known.sent):
            tx.execute(  # compared with what is uncertain now, it will be whole
                "UPDATE jobs SET mark = ? WHERE id = ? AND mark IS NULL", (Mark.POSSIBLE_DUPLICATE, known.id)
            )
        elif known.kind is JobKind.AMEND:
            yield known


def _enter(tx: Tx, order_pk: int, known: Known, home: str, printer: str, *, ask: bool) -> int:
    kind = JobKind.ORDER if known.kind is JobKind.AMEND else known.kind
    mark = None if ask else Mark.POSSIBLE_DUPLICATE
    copy = NewJob(known.station, home, kind, known.share, known.copy, known.copies, mark, known.number)
    jobs.add_jobs(tx, order_pk, known.event_pk, known.rev, [copy])
    (job_id,) = tx.execute("SELECT max(id) FROM jobs").fetchone()
    tx.execute("UPDATE jobs SET reason = ? WHERE id = ?", (REASON, job_id))
    if ask:  # as one whose bytes went out, and nobody knows more
        intent = msgspec.json.encode(Intent("", 0, 0, 0)).decode()
        move(tx, job_id, JobState.PROCESSING, REASON)
        move(tx, job_id, JobState.UNCONFIRMED, REASON, "evidence = 'unconfirmed', intent = ?", (intent,))
    tell(tx, job_id, "unconfirmed" if ask else "")
    reopen_order(tx, order_pk, REASON)
    about = f"order {orders.named(tx, order_pk)} at printer {printer} in doubt"
    notes.raise_alarm(tx, f"ticket:{job_id}", f"{about}: {REASON}")
    return int(job_id)
