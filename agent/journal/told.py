"""What the stations were told of an order: that is what a revision is compared with, and what a void takes back."""

from collections.abc import Collection

import msgspec

from agent.journal.closing import DISCARDED
from agent.journal.file import Tx
from agent.journal.notes import get_meta, set_meta
from agent.model.job import Job, JobKind

_PRINTERS = "printers"
_MAY_BE_ON_PAPER = "(j.state = 'completed' OR j.intent IS NOT NULL OR j.mark <> 'asked')"
"""A mark says that bytes went out, but for that of a copy that a person wants."""


class Told(msgspec.Struct, frozen=True):
    """A ticket that is, or may be, on paper: its revision, its station's share, and the event's data, both as JSON.

    `given_up`: it may be, but was withdrawn before that was known or mended, or was only presumed of a printer that
    answers after all: nobody will print it again.
    """

    station: str
    copy: int
    rev: int
    share: bytes
    payload: bytes
    given_up: bool = False


def told(tx: Tx, order_pk: int) -> dict[tuple[str, int], Told]:
    """By station and copy the newest ticket of this order that may be on paper and was not voided since."""
    rows = tx.execute(
        "SELECT j.station, j.copy, j.rev, j.share, coalesce(e.payload, x''), j.state = 'canceled' "
        f"AND j.reason NOT LIKE '{DISCARDED}%' OR j.state = 'completed' AND j.evidence = 'unconfirmed' FROM jobs j "
        "LEFT JOIN events e ON e.pk = j.event_pk "
        f"WHERE j.order_pk = ? AND j.kind <> 'cancel' AND {_MAY_BE_ON_PAPER} "
        "AND NOT EXISTS (SELECT 1 FROM jobs c WHERE c.order_pk = j.order_pk AND c.station = j.station "
        "                AND c.kind = 'cancel' AND c.state <> 'canceled' AND c.id > j.id) ORDER BY j.id",
        (order_pk,),
    )
    return {(str(row[0]), int(row[1])): Told(*row) for row in rows}


def made(tx: Tx, order_pk: int) -> set[tuple[str, int]]:
    """Station and copy of every ticket that there ever was."""
    rows = tx.execute("SELECT DISTINCT station, copy FROM jobs WHERE order_pk = ? AND kind <> 'cancel'", (order_pk,))
    return {(str(station), int(copy)) for station, copy in rows}


def doubted(tx: Tx, order_pk: int) -> set[str]:
    """Stations where a void of this order may be on paper, and nobody knows."""
    rows = tx.execute(
        "SELECT DISTINCT station FROM jobs v WHERE order_pk = ? AND kind = 'cancel' AND state <> 'completed' "
        "AND (intent IS NOT NULL OR mark IS NOT NULL) AND NOT EXISTS (SELECT 1 FROM jobs n WHERE "
        "n.order_pk = v.order_pk AND n.station = v.station AND n.id > v.id AND n.state = 'completed')",
        (order_pk,),
    )
    return {str(station) for (station,) in rows}


def refused(tx: Tx, order_pk: int) -> dict[tuple[str, int], Told]:
    """By station and copy what a person discarded of this order before it was printed: it comes back only changed."""
    rows = tx.execute(
        "SELECT j.station, j.copy, j.rev, j.share, coalesce(e.payload, x'') FROM jobs j "
        "LEFT JOIN events e ON e.pk = j.event_pk WHERE j.order_pk = ? AND j.kind <> 'cancel' "
        "AND j.state = 'canceled' AND j.mark IS NULL AND j.reason LIKE ? ORDER BY j.id",
        (order_pk, f"{DISCARDED}%"),
    )
    return {(str(row[0]), int(row[1])): Told(*row) for row in rows}


def end_refusals(tx: Tx, order_pk: int, but: Collection[tuple[str, int]]) -> None:
    """A newer revision says other than what a person discarded, unless at `but`: should the same come back, it is news.
    A void that was discarded is settled with it.
    """
    rows = tx.execute(
        "SELECT id, station, copy, kind FROM jobs WHERE order_pk = ? AND state = 'canceled' "
        "AND (mark IS NULL OR mark = 'asked' OR kind = 'cancel') AND reason LIKE ?",
        (order_pk, f"{DISCARDED}%"),
    ).fetchall()
    for job_id, station, copy, kind in rows:
        if kind == JobKind.CANCEL or (station, copy) not in but:
            tx.execute("UPDATE jobs SET reason = 'replaced after it was ' || reason WHERE id = ?", (job_id,))


def base(tx: Tx, job: Job) -> tuple[Told | None, bool]:
    """What is on paper at this ticket's station of its order, from the time before it; and whether that is certain.
    A copy that there was not before is compared with the first one.

    None with certainty: nothing is, or it was taken back. Not certain: an older ticket is in a printer, or in doubt, or
    was overtaken when a piece of it may have been on paper, or was presumed of a printer that answers after all.
    """
    row = tx.execute(
        "SELECT j.station, j.copy, j.rev, j.share, coalesce(e.payload, x''), j.kind, "
        "j.state = 'completed' AND j.evidence <> 'unconfirmed' FROM jobs j LEFT JOIN events e ON e.pk = j.event_pk "
        "WHERE j.order_pk = ? AND j.station = ? AND (j.copy = ? OR j.kind = 'cancel' OR (j.copy = 1 AND NOT EXISTS ("
        "SELECT 1 FROM jobs b WHERE b.order_pk = j.order_pk AND b.station = j.station AND b.copy = ? AND b.id < ?))) "
        "AND j.id < ? "
        "AND j.rev < ? AND j.state <> 'aborted' AND (j.state <> 'canceled' OR j.mark IS NOT NULL) "
        "ORDER BY j.copy = ? OR j.kind = 'cancel' DESC, j.id DESC LIMIT 1",
        (job.order_pk, job.station, job.copy, job.copy, job.id, job.id, job.rev, job.copy),
    ).fetchone()
    if row is None:
        return None, True
    *values, kind, certain = row
    if kind == JobKind.CANCEL:
        return None, bool(certain)
    return (Told(*values), True) if certain else (None, False)


def shares(tx: Tx, order_pk: int, rev: int) -> dict[str, bytes]:
    """By station what it makes of an order at a revision; a station that nothing was left for is not in it."""
    rows = tx.execute(
        "SELECT station, share, kind FROM jobs WHERE order_pk = ? AND rev <= ? ORDER BY id", (order_pk, rev)
    )
    found: dict[str, bytes] = {}
    for station, share, kind in rows:
        found.pop(station, None)
        if kind != JobKind.CANCEL:
            found[str(station)] = bytes(share)
    return found


def paper_at(tx: Tx, order_pk: int | None, station: str) -> str:
    """The printer that has the newest paper of an order from this station; empty where there is none, or that printer
    is no more.
    """
    row = tx.execute(
        f"SELECT j.printer FROM jobs j WHERE j.order_pk = ? AND j.station = ? AND {_MAY_BE_ON_PAPER} "
        "ORDER BY j.id DESC LIMIT 1",
        (order_pk, station),
    ).fetchone()
    return str(row[0]) if row is not None and row[0] in configured(tx) else ""


def configured(tx: Tx) -> list[str]:
    """The printers that there were at the last start."""
    return msgspec.json.decode(get_meta(tx, _PRINTERS) or "[]", type=list[str])


def keep_configured(tx: Tx, printers: Collection[str]) -> None:
    """These are the printers that there are."""
    set_meta(tx, _PRINTERS, msgspec.json.encode(sorted(printers)).decode())


def last_share(tx: Tx, order_pk: int, station: str) -> bytes:
    """What this station was told last of an order: that is what a void takes back."""
    row = tx.execute(
        "SELECT share FROM jobs WHERE order_pk = ? AND station = ? "
        "ORDER BY state = 'completed' OR intent IS NOT NULL OR mark IS NOT NULL DESC, id DESC LIMIT 1",
        (order_pk, station),
    ).fetchone()
    return bytes(row[0])


def last_order(tx: Tx, void: Job) -> bytes | None:
    """The event's data, as JSON, of what this void takes back: its paper bears that number. None where nothing was
    told, as after the loss of the journal.
    """
    row = tx.execute(
        "SELECT e.payload FROM jobs j JOIN events e ON e.pk = j.event_pk WHERE j.order_pk = ? AND j.station = ? "
        "AND j.id < ? AND j.kind <> 'cancel' AND e.kind = 'upsert' "
        f"ORDER BY {_MAY_BE_ON_PAPER} DESC, j.id DESC LIMIT 1",
        (void.order_pk, void.station, void.id),
    ).fetchone()
    return None if row is None else bytes(row[0])
