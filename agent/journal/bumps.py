"""What the kitchen has finished: rows a station and order, and whether that makes the whole order ready.

A part is finished at a revision: news for its station opens it again, a copy of its ticket does not. An order is ready
when every station that makes something of it now has finished that; what was taken back does not count.
"""

from typing import Any

import msgspec

from agent.journal.file import Tx
from agent.journal.notes import add_report, now
from agent.model.job import JobKind, JobState
from agent.model.kitchen import Part, Where
from agent.model.report import OrderRef, OrderState

AGAIN = "again"
"""The reason of a `ready` that the cloud has heard before of this revision."""


class _Slip(msgspec.Struct, frozen=True):
    """A ticket of the order that is not withdrawn."""

    id: int
    station: str
    kind: str
    state: str
    copy: int
    rev: int
    stations: str | None


def parts(tx: Tx, order_pk: int) -> dict[str, Part]:
    """By station what there is to make now, whether or not it is finished."""
    held: dict[str, list[_Slip]] = {}
    newest: _Slip | None = None
    for slip in _slips(tx, order_pk):
        if slip.kind == JobKind.CANCEL:
            held.pop(slip.station, None)
            continue
        held.setdefault(slip.station, []).append(slip)
        if newest is None or slip.rev >= newest.rev:
            newest = slip
    if newest is None:
        return {}
    makers = None if newest.stations is None else msgspec.json.decode(newest.stations, type=list[str])
    done = dict(tx.execute("SELECT station, rev FROM bumps WHERE order_pk = ?", (order_pk,)).fetchall())
    return {
        station: _part(slips, done.get(station), makers is None or station in makers) for station, slips in held.items()
    }


def is_finished(tx: Tx, order_pk: int) -> bool:
    """Has every station finished what it makes of this order now? Not where none makes anything."""
    if not _has_any(tx, order_pk):
        return False
    made = [part for part in parts(tx, order_pk).values() if part.makes]
    return bool(made) and all(part.finished for part in made)


def enter(tx: Tx, order_pk: int, part: Part, who: str) -> None:
    """This part is finished as it is now."""
    forget(tx, order_pk, part.station)
    tx.execute(
        "INSERT INTO bumps (order_pk, station, rev, bumped_at, who) VALUES (?, ?, ?, ?, ?)",
        (order_pk, part.station, part.rev, now(), who),
    )


def forget(tx: Tx, order_pk: int, station: str) -> None:
    """It is not, after all."""
    tx.execute("DELETE FROM bumps WHERE order_pk = ? AND station = ?", (order_pk, station))


def tell_if_finished(tx: Tx, order_pk: int) -> bool:
    """An order of which everything is finished is ready, and the cloud is told: once a revision, and `again` after a
    recall. True when it became so just now.
    """
    if not _has_any(tx, order_pk):
        return False
    *ref, rev, canceled, state = tx.execute(
        "SELECT order_id, channel, number, rev, canceled, state FROM orders WHERE pk = ?", (order_pk,)
    ).fetchone()
    if canceled or state == "ready" or not is_finished(tx, order_pk):
        return False
    told = tx.execute("SELECT 1 FROM readies WHERE order_pk = ? AND rev = ?", (order_pk, rev)).fetchone()
    tx.execute("INSERT OR REPLACE INTO readies VALUES (?, ?)", (order_pk, rev))
    tx.execute("UPDATE orders SET state = 'ready' WHERE pk = ?", (order_pk,))
    add_report(tx, OrderState(OrderRef(*ref), rev, "ready", reason=AGAIN if told else ""))
    return True


def _has_any(tx: Tx, order_pk: int) -> bool:
    """In most shops nobody ever says so."""
    return tx.execute("SELECT 1 FROM bumps WHERE order_pk = ?", (order_pk,)).fetchone() is not None


def _slips(tx: Tx, order_pk: int) -> list[_Slip]:
    rows: list[tuple[Any, ...]] = tx.execute(
        "SELECT id, station, kind, state, copy, rev, CASE WHEN kind <> 'cancel' THEN "
        "json_extract(CAST(share AS TEXT), '$.stations') END FROM jobs INDEXED BY jobs_of_order "
        "WHERE order_pk = ? AND kind IN ('order', 'amend', 'cancel') AND state <> 'canceled' ORDER BY id",
        (order_pk,),
    ).fetchall()
    return [_Slip(*row) for row in rows]


def _part(slips: list[_Slip], finished_rev: int | None, makes: bool) -> Part:
    """Of a station's tickets that hold, oldest first. A finished one that has changed waits since its change."""
    last = slips[-1]
    current = [slip for slip in slips if slip.rev == last.rev]
    since = current[0] if finished_rev is not None else slips[0]
    finished = finished_rev == last.rev
    return Part(
        last.station,
        current[0].id,
        last.rev,
        _where(current),
        makes,
        since.id,
        finished,
        finished_rev is not None and not finished,
    )


def _where(current: list[_Slip]) -> Where:
    """A copy that is on paper stays there, whatever becomes of a reprint of it."""
    states: dict[int, str] = {}
    for slip in current:
        if states.get(slip.copy) != JobState.COMPLETED:
            states[slip.copy] = slip.state
    found = set(states.values())
    if JobState.UNCONFIRMED in found:
        return "unconfirmed"
    if JobState.ABORTED in found:
        return "failed"
    return "printed" if found == {JobState.COMPLETED} else "waiting"
