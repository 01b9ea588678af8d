"""Orders that are accepted and wait before they become tickets: why, and until when. Rows, so that a power cut does not
end the waiting.

Only an order that has no tickets yet waits: what the kitchen was told once is amended and taken back at once.
"""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import msgspec

from agent.clock import stamp
from agent.journal import notes, orders, sequences
from agent.journal.file import Tx
from agent.model.job import Mark
from agent.model.report import OrderRef, OrderState
from agent.model.ticket import Arrival


class Why(StrEnum):
    """What an order waits for."""

    GAP = "gap"
    """Something before it in the cloud's counting is missing. At most some seconds."""

    OLD = "old"
    """Too old to be cooked without a word: a person decides."""

    FLOOD = "flood"
    """One of too many a minute: a person decides."""

    UPCOMING = "upcoming"
    """Ordered in advance: until its time comes."""

    FAILED = "failed"
    """It could not be made into tickets, for a fault of ours: a person decides."""

    FREED = "freed"
    """A person let it go, or what it waited for is over: it becomes tickets at once."""


FOR_A_PERSON = (Why.OLD, Why.FLOOD, Why.FAILED)
_ALARMS = {
    Why.OLD: "orders came too late to be printed unasked",
    Why.FLOOD: "more orders came in a minute than are printed unasked",
    Why.FAILED: "orders could not be made into tickets",
}
ASKED = "did not come in time; the cloud is asked for them"
_DROPPED = "dropped:"
_COLUMNS = "n, order_pk, why, until, source, sequence, late, missing, old, mark"


class Wait(msgspec.Struct, frozen=True):
    """An order that waits. `until` is set where it was ordered in advance; `arrival` and `mark` go onto its tickets."""

    order_pk: int
    why: Why
    until: datetime | None = None
    source: str = ""
    sequence: int | None = None
    arrival: Arrival = Arrival()
    mark: Mark | None = None
    n: int = 0


class Listed(msgspec.Struct, frozen=True):
    """An order that waits, as a person sees it. `no` is what people call it."""

    order: str
    channel: str
    no: str
    why: Why
    until: str | None


def enter(tx: Tx, wait: Wait) -> None:
    """From now on this order waits; one that waits already keeps its place and its time of arrival."""
    until = None if wait.until is None else stamp(wait.until)
    arrival = wait.arrival
    tx.execute(
        "INSERT INTO waits (order_pk, why, until, source, sequence, late, missing, old, mark) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (order_pk) DO UPDATE SET why = excluded.why, until = excluded.until",
        (
            *(wait.order_pk, wait.why, until, wait.source, wait.sequence),
            *(arrival.late, " ".join(arrival.missing), arrival.old, wait.mark),
        ),
    )
    _tell_staff(tx)


def end(tx: Tx, order_pk: int) -> None:
    """It waits no longer, if it did."""
    if tx.execute("DELETE FROM waits WHERE order_pk = ?", (order_pk,)).rowcount:
        _tell_staff(tx)


def find(tx: Tx, order_pk: int) -> Wait | None:
    """Does this order wait?"""
    row = tx.execute(f"SELECT {_COLUMNS} FROM waits WHERE order_pk = ?", (order_pk,)).fetchone()
    return None if row is None else _wait(row)


def first_queued(tx: Tx, source: str) -> int | None:
    """The lowest sequence of the orders that wait behind a gap; None when none does."""
    (sequence,) = tx.execute("SELECT min(sequence) FROM waits WHERE why = 'gap' AND source = ?", (source,)).fetchone()
    return None if sequence is None else int(sequence)


def next_free(tx: Tx, now: datetime | None, most: int) -> list[Wait]:
    """Those whose waiting is over, in the order in which they are to be printed. `now` None: nobody knows the time."""
    moment = "" if now is None else stamp(now)
    found = [
        *tx.execute(f"SELECT {_COLUMNS} FROM waits WHERE why = 'freed' ORDER BY n LIMIT ?", (most,)),
        *tx.execute(
            f"SELECT {_COLUMNS} FROM waits WHERE why = 'upcoming' AND until <= ? ORDER BY until, n LIMIT ?",
            (moment, most),
        ),
        *tx.execute(
            f"SELECT {_COLUMNS} FROM waits w WHERE why = 'gap' AND sequence <= "
            "(SELECT max(c.last, c.passed) FROM cursors c WHERE c.source = w.source) ORDER BY source, sequence LIMIT ?",
            (most,),
        ),
    ]
    return [_wait(row) for row in found[:most]]


def next_release(tx: Tx) -> datetime | None:
    """When the next upcoming order is to be printed."""
    (until,) = tx.execute("SELECT min(until) FROM waits WHERE why = 'upcoming'").fetchone()
    return None if until is None else datetime.fromisoformat(until)


def behind_gaps(tx: Tx, after_n: int) -> list[tuple[int, str, int]]:
    """Orders behind a gap that arrived after number `after_n`: number of arrival, source, sequence."""
    return tx.execute(
        "SELECT n, source, sequence FROM waits WHERE why = 'gap' AND n > ? ORDER BY n", (after_n,)
    ).fetchall()


def pass_over(tx: Tx, source: str, sequence: int) -> tuple[str, ...]:
    """Wait no longer for what is missing before this one: what waits behind it says so on paper, and a person is told.
    Returns what is missing.
    """
    before = sequences.passed(tx, source) or 0
    missing = sequences.pass_over(tx, source, sequence)
    if missing:
        note_missing(tx, source, before, missing)
        names = ", ".join(missing)
        notes.raise_alarm(tx, f"missing:{source}", f"events {names} {ASKED}")
    return missing


def note_missing(tx: Tx, source: str, before: int, missing: tuple[str, ...]) -> None:
    """Orders that come out now although these, which follow `before`, are missing, shall say so."""
    tx.execute(
        "UPDATE waits SET missing = ? WHERE why = 'gap' AND source = ? AND sequence > ? AND sequence <= ?",
        (" ".join(missing), source, before, sequences.passed(tx, source)),
    )


def free_upcoming(tx: Tx) -> None:
    """Nobody knows the time, and did not for long: rather early than never."""
    tx.execute("UPDATE waits SET why = 'freed' WHERE why = 'upcoming'")


def fail(tx: Tx, order_pk: int) -> None:
    """It can't be made into tickets."""
    tx.execute("UPDATE waits SET why = 'failed', told = 0 WHERE order_pk = ?", (order_pk,))
    _tell_staff(tx)


def hold_as_old(tx: Tx, order_pk: int, minutes: int) -> None:
    """Its time is long over: a person decides."""
    tx.execute("UPDATE waits SET why = 'old', old = ?, told = 0 WHERE order_pk = ?", (minutes, order_pk))
    row = tx.execute("SELECT order_id, channel, number, rev FROM orders WHERE pk = ?", (order_pk,)).fetchone()
    notes.add_report(tx, OrderState(OrderRef(*row[:3]), row[3], "held", reason=Why.OLD))
    _tell_staff(tx)


def newest_untold(tx: Tx, why: Why) -> int:
    """The arrival of the newest order that waits for a person and is on no summary ticket yet; 0 without one."""
    (n,) = tx.execute("SELECT max(n) FROM waits WHERE why = ? AND told = 0", (why,)).fetchone()
    return int(n or 0)


def untold(tx: Tx, why: Why) -> list[int]:
    """Orders that wait for a person and are on no summary ticket yet, as keys, in order of arrival."""
    rows = tx.execute("SELECT order_pk FROM waits WHERE why = ? AND told = 0 ORDER BY n", (why,))
    return [int(order_pk) for (order_pk,) in rows]


def note_told(tx: Tx, why: Why) -> None:
    """All of these are on a summary ticket."""
    tx.execute("UPDATE waits SET told = 1 WHERE why = ?", (why,))


def listed(tx: Tx, most: int) -> list[Listed]:
    """Every order that waits, those for a person first, then by their time."""
    rows = tx.execute(
        "SELECT o.order_id, o.channel, o.number, w.why, w.until FROM waits w JOIN orders o ON o.pk = w.order_pk "
        "ORDER BY w.why NOT IN ('old', 'flood', 'failed'), w.until, w.n LIMIT ?",
        (most,),
    )
    return [Listed(order, channel, no, Why(why), until) for order, channel, no, why, until in rows]


def count(tx: Tx) -> int:
    """How many wait."""
    return int(tx.execute("SELECT count(*) FROM waits").fetchone()[0])


def by_why(tx: Tx) -> dict[str, int]:
    """How many wait, by what for."""
    return {str(why): int(number) for why, number in tx.execute("SELECT why, count(*) FROM waits GROUP BY why")}


def free(tx: Tx, order_pk: int) -> None:
    """A person wants it printed. One that was held for a flood and is ordered in advance has its time still."""
    tx.execute(
        "UPDATE waits SET why = CASE WHEN why = 'flood' AND until IS NOT NULL THEN 'upcoming' ELSE 'freed' END "
        "WHERE order_pk = ?",
        (order_pk,),
    )
    _tell_staff(tx)


def drop(tx: Tx, order_pk: int, reason: str) -> None:
    """A person does not want it printed. That it may be on paper already is kept for its cancel, or its change."""
    waiting = find(tx, order_pk)
    if waiting is not None and waiting.mark is not None:
        notes.set_meta(tx, f"{_DROPPED}{order_pk}", waiting.mark)
    end(tx, order_pk)
    orders.set_order_state(tx, order_pk, "rejected")
    row = tx.execute("SELECT order_id, channel, number, rev FROM orders WHERE pk = ?", (order_pk,)).fetchone()
    notes.add_report(tx, OrderState(OrderRef(*row[:3]), row[3], "rejected", reason=reason))


def take_dropped(tx: Tx, order_pk: int) -> Mark | None:
    """The mark of an order that was dropped although it may be on paper; asked once."""
    found = notes.get_meta(tx, f"{_DROPPED}{order_pk}")
    tx.execute("DELETE FROM meta WHERE key = ?", (f"{_DROPPED}{order_pk}",))
    return Mark(found) if found else None


def _tell_staff(tx: Tx) -> None:
    """The alarms stay while somebody must decide. Their words do not count: a flood of orders is none of alarms."""
    for why, what in _ALARMS.items():
        if tx.execute("SELECT 1 FROM waits WHERE why = ? LIMIT 1", (why,)).fetchone():
            notes.raise_alarm(tx, f"waiting:{why}", f"{what}: see shop-agent queue waiting")
        else:
            notes.clear_alarm(tx, f"waiting:{why}")


def _wait(row: tuple[Any, ...]) -> Wait:
    n, order_pk, why, until, source, sequence, late, missing, old, mark = row
    return Wait(
        order_pk=int(order_pk),
        why=Why(why),
        until=None if until is None else datetime.fromisoformat(until).astimezone(UTC),
        source=source,
        sequence=sequence,
        arrival=Arrival(bool(late), tuple(missing.split()), int(old)),
        mark=None if mark is None else Mark(mark),
        n=n,
    )
