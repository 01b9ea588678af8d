"""A disk that said that something is on it, and has not got it after a power cut. The journal can't know; the cloud,
which was told of it, does.
"""

from agent.journal import notes
from agent.journal.file import Tx

ALARM = "card"
_SKIPPED = 1_000_000


def found_out(tx: Tx, source: str, had: int) -> None:
    """Up to `had` this box knew the events of a source, and no longer does. What comes of them again is marked, and so
    is what waits to be printed: that it was may be forgotten too. Reports get numbers that the cloud has never seen.
    """
    notes.set_meta(tx, _key(source), str(had))
    tx.execute(
        "UPDATE jobs SET mark = 'journal_rebuilt' "
        "WHERE state IN ('pending', 'held') AND intent IS NULL AND mark IS NULL"
    )
    tx.execute("UPDATE waits SET mark = 'journal_rebuilt' WHERE mark IS NULL")
    _skip_numbers(tx)
    notes.raise_alarm(tx, ALARM, f"events up to {had} were on the disk and are gone; the cloud sends them again")


def was_known(tx: Tx, source: str, sequence: int | None, *, follows: bool = False) -> bool:
    """Is it an event that this box knew before its disk forgot it, or does it follow one that may be? `follows`: it
    changes an order that is not known here.
    """
    known = None if sequence is None else notes.get_meta(tx, _key(source))
    return known is not None and sequence is not None and (follows or sequence <= int(known))


def _skip_numbers(tx: Tx) -> None:
    """Of the reports: for those to come, and for those that are here and that the cloud may take for known ones."""
    tx.execute(
        "INSERT INTO sqlite_sequence SELECT 'outbox', 0 "
        "WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'outbox')"
    )
    tx.execute("UPDATE sqlite_sequence SET seq = seq + ? WHERE name = 'outbox'", (_SKIPPED,))
    tx.execute("UPDATE outbox SET pk = pk + ?", (_SKIPPED,))


def _key(source: str) -> str:
    return f"forgotten:{source}"
