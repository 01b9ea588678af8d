"""A person gives a station or a printer another name, or a printer's work to another one: the journal follows.

What is meant is noted before the configuration is written, and carried out at the next start, in one transaction, where
the configuration then has the new name and no longer the old one. Killed in between, one of both happens, never half.
"""

from collections.abc import Callable, Collection
from typing import Literal

import msgspec

from agent.journal import jobs, notes, transfers
from agent.journal.file import Tx
from agent.model.job import JobKind
from agent.model.order import READ_RAW
from agent.model.ticket import READ_SHARE, Portion, Share

What = Literal["station", "printer", "heir"]
"""`heir`: a printer goes, and another one takes over what it was to print."""

_NOTED, _WAS = "renaming:", "was:"
_ALIKE: dict[What, tuple[What, ...]] = {
    "station": ("station",),
    "printer": ("printer", "heir"),
    "heir": ("printer", "heir"),
}


def note(tx: Tx, what: What, old: str, new: str) -> None:
    """This is about to stand in the configuration."""
    for alike in _ALIKE[what]:  # one that was noted just before goes on to the newest name
        sql = "UPDATE meta SET value = ? WHERE key GLOB ? AND value = ?"
        tx.execute(sql, (new, f"{_NOTED}{alike}:*", old))
    notes.set_meta(tx, f"{_NOTED}{what}:{old}", new)


def follow(tx: Tx, stations: Collection[str], printers: Collection[str], *, stand_in: bool = False) -> list[str]:
    """At a start: carry out what was noted and stands in the configuration now, and forget the rest; where an older
    configuration is a `stand_in` for one that is wrong, the rest waits for that. `stations` and `printers` are those
    that there are. Returns what was done, in words.
    """
    done = []
    for key, new in tx.execute("SELECT key, value FROM meta WHERE key GLOB ?", (f"{_NOTED}*",)).fetchall():
        what, _, old = str(key).removeprefix(_NOTED).partition(":")
        there = stations if what == "station" else printers
        if new in there and old not in there:
            _CARRY[what](tx, old, str(new))
            done.append(f"{what} {old}: {new}")
        elif stand_in:
            continue
        tx.execute("DELETE FROM meta WHERE key = ?", (key,))
    tx.executemany("DELETE FROM meta WHERE key = ?", [(f"{_WAS}{name}",) for name in stations])  # the name is used anew
    return done


def former(tx: Tx, station: str) -> list[str]:
    """What a station was called before: on older paper it still is."""
    rows = tx.execute("SELECT key FROM meta WHERE key GLOB ? AND value = ?", (f"{_WAS}*", station))
    return [str(key).removeprefix(_WAS) for (key,) in rows]


# -- printers ----------------------------------------------------------------------------------------------------------


def _printer(tx: Tx, old: str, new: str) -> None:
    transfers.hand_over(tx, old, new)
    tx.execute("UPDATE jobs SET home = ? WHERE home = ?", (new, old))
    tx.execute("UPDATE OR IGNORE jobs SET printer = ? WHERE printer = ?", (new, old))
    tx.execute("UPDATE OR REPLACE printers SET name = ? WHERE name = ?", (new, old))
    jobs.note_torn(tx, new, jobs.is_torn(tx, old))
    jobs.note_torn(tx, old, torn=False)


# -- stations ----------------------------------------------------------------------------------------------------------


def _station(tx: Tx, old: str, new: str) -> None:
    ours = _orders(tx, old)
    for order_pk in sorted(ours & _orders(tx, new)):  # of a station that was called so, and is no more
        _rename(tx, order_pk, new, f"{new} (旧 former)")
    for order_pk in sorted(ours):
        _rename(tx, order_pk, old, new)
    _carry_number(tx, old, new)
    tx.execute("UPDATE meta SET value = ? WHERE key GLOB ? AND value = ?", (new, f"{_WAS}*", old))
    notes.set_meta(tx, f"{_WAS}{old}", new)


def _orders(tx: Tx, station: str) -> set[int]:
    """Those of which it has a ticket, or is spoken of in another's."""
    sql = "SELECT DISTINCT order_pk FROM jobs WHERE order_pk IS NOT NULL AND (station = ? OR instr(share, ?))"
    return {int(order_pk) for (order_pk,) in tx.execute(sql, (station, msgspec.json.encode(station)))}


def _rename(tx: Tx, order_pk: int, old: str, new: str) -> None:
    sql = "SELECT id, kind, share FROM jobs INDEXED BY jobs_of_order WHERE order_pk = ?"
    for job_id, kind, share in tx.execute(sql, (order_pk,)).fetchall():
        carried = _share(JobKind(kind), bytes(share), old, new)
        if carried != share:
            tx.execute("UPDATE jobs SET share = ? WHERE id = ?", (carried, job_id))
    tx.execute("UPDATE jobs SET station = ? WHERE order_pk = ? AND station = ?", (new, order_pk, old))
    tx.execute("UPDATE OR REPLACE bumps SET station = ? WHERE order_pk = ? AND station = ?", (new, order_pk, old))


def _share(kind: JobKind, share: bytes, old: str, new: str) -> bytes:
    """What a ticket says, with the other name; as it is where it can't be read."""

    def named(names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(new if name == old else name for name in names)

    def carried(portion: Portion) -> Portion:
        children = None if portion.children is None else tuple(map(carried, portion.children))
        return msgspec.structs.replace(portion, children=children, elsewhere=named(portion.elsewhere))

    try:
        if kind is JobKind.RAW:
            raw = READ_RAW.decode(share)
            return msgspec.json.encode(msgspec.structs.replace(raw, station=new)) if raw.station == old else share
        said = READ_SHARE.decode(share)
    except msgspec.DecodeError:
        return share
    return msgspec.json.encode(Share(tuple(map(carried, said.portions)), named(said.stations), said.arrival))


def _carry_number(tx: Tx, old: str, new: str) -> None:
    """The running number goes on, and none of this day is given twice."""
    old, new = jobs.counter(old), jobs.counter(new)
    row = tx.execute("SELECT max(day) FROM numbers WHERE name IN (?, ?)", (old, new)).fetchone()
    if row[0] is not None:
        last = max(notes.next_number(tx, name, row[0]) for name in (old, new)) - 1
        notes.keep_number(tx, new, row[0], last)
        tx.execute("DELETE FROM numbers WHERE name = ?", (old,))


_CARRY: dict[str, Callable[[Tx, str, str], None]] = {
    "station": _station,
    "printer": _printer,
    "heir": transfers.hand_over,
}
