"""What becomes of an order as a whole, by what became of its tickets."""

import msgspec

from agent.journal.bumps import tell_if_finished
from agent.journal.file import Tx
from agent.journal.notes import add_report
from agent.model.job import FINAL, JobState
from agent.model.report import OrderRef, OrderState, OrderStateName

DISCARDED = "discarded"
"""What the reason of a ticket begins with that a person did not want any more."""


def close_order(tx: Tx, order_pk: int) -> None:
    """When an order's last ticket is settled, say what became of the order; and that it is ready, when nothing that is
    left of it is still to be made.
    """
    *ref, rev, before, canceled = tx.execute(
        "SELECT order_id, channel, number, rev, state, canceled FROM orders WHERE pk = ?", (order_pk,)
    ).fetchone()
    state = _outcome(tx, order_pk, canceled)
    late = before == "ready" and state != "canceled"  # paper that comes after the dish changes nothing
    if state is not None and state != before and not late:
        tx.execute("UPDATE orders SET state = ? WHERE pk = ?", (state, order_pk))
        add_report(tx, OrderState(OrderRef(*ref), rev, state))
    tell_if_finished(tx, order_pk)


def reopen_order(tx: Tx, order_pk: int, reason: str) -> None:
    """It is not known to be printed, after all."""
    *ref, rev, state = tx.execute(
        "SELECT order_id, channel, number, rev, state FROM orders WHERE pk = ?", (order_pk,)
    ).fetchone()
    if state in ("printed", "partly_printed"):
        tx.execute("UPDATE orders SET state = 'accepted' WHERE pk = ?", (order_pk,))
        add_report(tx, OrderState(OrderRef(*ref), rev, "accepted", reason=reason))


def outcome(tx: Tx, order_pk: int) -> OrderStateName | None:
    """What an order's tickets make of it, None while one is not settled. The last word at each station counts; a copy
    of what is on paper that was not printed after all is none.
    """
    (canceled,) = tx.execute("SELECT canceled FROM orders WHERE pk = ?", (order_pk,)).fetchone()
    return _outcome(tx, order_pk, canceled)


def _outcome(tx: Tx, order_pk: int, canceled: int) -> OrderStateName | None:
    rows = tx.execute(
        "SELECT station, copy, state, reason, rev, evidence = 'unconfirmed' FROM jobs WHERE order_pk = ? ORDER BY id",
        (order_pk,),
    ).fetchall()
    if any(JobState(state) not in FINAL for _, _, state, *_ in rows):
        return None
    if canceled:
        return "canceled"
    last: dict[tuple[str, int], JobState] = {}
    discarded: dict[tuple[str, int], bool] = {}
    on_paper: dict[tuple[str, int], int] = {}
    for station, copy, state, reason, rev, in_doubt in rows:
        here = (station, copy)
        if on_paper.get(here) == rev:
            continue
        if state == JobState.COMPLETED and not in_doubt:
            on_paper[here] = rev
        if state != JobState.CANCELED:
            last[here] = JobState(state)
        if (off := reason.startswith(DISCARDED)) or state != JobState.CANCELED:
            discarded[here] = off
    if any(discarded.values()) or JobState.ABORTED in last.values():
        gone = _left_out(tx, order_pk)
        last = {here: state for here, state in last.items() if here[0] not in gone}
        discarded = {here: off for here, off in discarded.items() if here[0] not in gone}
    if JobState.ABORTED not in last.values() and not any(discarded.values()):
        return "printed"
    return "partly_printed" if JobState.COMPLETED in last.values() else "rejected"


def _left_out(tx: Tx, order_pk: int) -> set[str]:
    """The stations that make no part of the order any more."""
    rows = tx.execute(
        "SELECT json_extract(CAST(share AS TEXT), '$.stations') FROM jobs WHERE order_pk = ? AND kind IN ('order', "
        "'amend') ORDER BY rev, id",
        (order_pk,),
    )
    makers = [set(msgspec.json.decode(stations, type=list[str])) for (stations,) in rows if stations]
    return set().union(*makers) - makers[-1] if makers else set()
