"""Where the counting of each source stands: up to which number everything came, and what came ahead of a gap."""

from collections.abc import Iterable

from agent.journal.file import Tx

MOST_SOURCES = 8
"""Of so many sources, those that were heard last, something is asked for and told."""
MOST_HOLES = 12
"""So many numbers and ranges that are missing are named; a ticket has no room for more."""


def cursors(tx: Tx) -> dict[str, int]:
    """For each source the sequence up to which nothing is missing."""
    return {str(source): int(last) for source, last in tx.execute("SELECT source, last FROM cursors")}


def not_here(tx: Tx, source: str, numbers: Iterable[int]) -> list[int]:
    """Those of the numbers that are neither in the journal nor were given up before, in their order."""
    last, sql = cursors(tx).get(source, -1), "SELECT 1 FROM ahead WHERE source = ? AND sequence = ?"
    new = sorted({number for number in numbers if number > last})
    return [number for number in new if tx.execute(sql, (source, number)).fetchone() is None]


def heard_lately(tx: Tx, most: int = MOST_SOURCES) -> dict[str, int]:
    """As `cursors`, of the sources that were heard last: a cloud that begins a new epoch each day leaves many."""
    rows = tx.execute(
        "SELECT source, last FROM cursors c "
        "ORDER BY coalesce((SELECT max(pk) FROM events e WHERE e.source = c.source), 0) DESC LIMIT ?",
        (most,),
    )
    return {str(source): int(last) for source, last in rows}


def has_gap(tx: Tx) -> bool:
    """Is something of any source missing before something that came?"""
    return tx.execute("SELECT 1 FROM ahead LIMIT 1").fetchone() is not None


def passed(tx: Tx, source: str) -> int | None:
    """The sequence up to which everything came or was waited for in vain; None for a source that is new."""
    row = tx.execute("SELECT max(last, passed) FROM cursors WHERE source = ?", (source,)).fetchone()
    return None if row is None else int(row[0])


def newest(tx: Tx, source: str) -> int | None:
    """The highest that came of a source, or was waited for in vain; None for one that is new."""
    row = tx.execute(
        "SELECT max(last, passed, coalesce((SELECT max(sequence) FROM ahead a WHERE a.source = c.source), 0)) "
        "FROM cursors c WHERE source = ?",
        (source,),
    ).fetchone()
    return None if row is None else int(row[0])


def note(tx: Tx, source: str, sequence: int, from_start: bool = False) -> bool:
    """A sequence number was taken in; True when one before it is missing.

    The first number ever seen of a source is where its counting starts for us, unless we knew it before (`from_start`)
    and lost the journal: then everything before it is missing.
    """
    row = tx.execute("SELECT last, max(last, passed) FROM cursors WHERE source = ?", (source,)).fetchone()
    last, done = row if row is not None else (0, 0) if from_start else (sequence - 1, sequence - 1)
    if sequence > last + 1:
        tx.execute("INSERT OR IGNORE INTO ahead VALUES (?, ?)", (source, sequence))
    if row is not None and sequence not in (last + 1, done + 1):
        return bool(sequence > last + 1)
    reached = _reach(tx, source, sequence) if sequence in (last + 1, done + 1) else 0
    if sequence == last + 1 < reached:
        _forget_ahead(tx, source, reached)
    _keep(tx, source, reached if sequence == last + 1 else last, reached if sequence == done + 1 else done)
    return bool(sequence > last + 1)


def skip_to(tx: Tx, source: str, sequence: int) -> None:
    """Everything up to `sequence` was sent, or is no longer to be had. One that comes after all is still taken."""
    row = tx.execute("SELECT last, passed FROM cursors WHERE source = ?", (source,)).fetchone()
    if row is None or int(row[0]) < sequence:
        reached = _reach(tx, source, sequence)
        _forget_ahead(tx, source, reached)
        _keep(tx, source, reached, 0 if row is None else int(row[1]))


def pass_over(tx: Tx, source: str, sequence: int) -> tuple[str, ...]:
    """What is missing before `sequence`, which came, was waited for long enough; it is still asked for and taken.

    Returns what is missing, as numbers and ranges ("42", "44-47"), at most MOST_HOLES of them; empty when nothing is.
    """
    last, done = tx.execute("SELECT last, max(last, passed) FROM cursors WHERE source = ?", (source,)).fetchone()
    if sequence <= done:
        return ()
    missing: list[str] = []
    before = int(done)
    rows = tx.execute(
        "SELECT sequence FROM ahead WHERE source = ? AND sequence > ? AND sequence <= ? ORDER BY sequence",
        (source, done, sequence),
    )
    for (here,) in rows:
        if here > before + 1 and len(missing) < MOST_HOLES:
            missing.append(f"{before + 1}" if here == before + 2 else f"{before + 1}-{here - 1}")
        before = here
    rows.close()
    _keep(tx, source, int(last), _reach(tx, source, sequence))
    return tuple(missing)


def close_holes(tx: Tx, source: str, keep: int) -> list[range]:
    """Count on behind more than the newest `keep` that came ahead, as far as they were let through: what is missing
    there, and returned, is asked for no more. One of those that comes after all is still taken, as late.
    """
    row = tx.execute(
        "SELECT a.sequence FROM ahead a JOIN cursors c ON c.source = a.source WHERE a.source = ? "
        "AND a.sequence <= c.passed AND a.sequence <= (SELECT sequence FROM ahead WHERE source = ? "
        "ORDER BY sequence DESC LIMIT 1 OFFSET ?) ORDER BY a.sequence DESC LIMIT 1",
        (source, source, keep),
    ).fetchone()
    if row is None:
        return []
    before, missing = cursors(tx)[source], []
    rows = tx.execute("SELECT sequence FROM ahead WHERE source = ? AND sequence <= ? ORDER BY sequence", (source, *row))
    for (here,) in rows:
        if here > before + 1:
            missing.append(range(before + 1, here))
        before = here
    rows.close()
    skip_to(tx, source, row[0])
    return missing


def first_ahead(tx: Tx, source: str) -> int | None:
    """The lowest sequence that came although one before it is missing; None without a gap."""
    row = tx.execute("SELECT min(sequence) FROM ahead WHERE source = ?", (source,)).fetchone()
    return None if row[0] is None else int(row[0])


def _reach(tx: Tx, source: str, start: int) -> int:
    """From `start` on over what is there already without a gap."""
    last = start
    rows = tx.execute("SELECT sequence FROM ahead WHERE source = ? AND sequence > ? ORDER BY sequence", (source, last))
    for (sequence,) in rows:  # not all at once: there may be thousands behind the next gap
        if sequence != last + 1:
            break
        last = sequence
    rows.close()
    return last


def _forget_ahead(tx: Tx, source: str, last: int) -> None:
    tx.execute("DELETE FROM ahead WHERE source = ? AND sequence <= ?", (source, last))


def _keep(tx: Tx, source: str, last: int, done: int) -> None:
    tx.execute(
        "INSERT INTO cursors (source, last, passed) VALUES (?, ?, ?) "
        "ON CONFLICT (source) DO UPDATE SET last = excluded.last, passed = excluded.passed",
        (source, last, max(last, done)),
    )
