"""A disk that said that something is on it, and has not got it after a power cut. The journal can't know; the cloud,
which was told of it, does.
"""

import msgspec

from agent.journal import notes, sequences
from agent.journal.file import Tx

ALARM = "card"
_PREFIX = "forgotten:"


class Doubt(msgspec.Struct):
    """What the cloud says that this box told of a source: up to `had`, and it is believed up to `until`. `seen`: a
    person knows, or nobody need know; then only what a replay brings is in doubt.
    """

    had: int
    until: int
    seen: bool = False


def found_out(tx: Tx, source: str, had: int) -> bool:
    """Up to `had` this box told of the events of a source, and has not got that one. What comes of them again is
    marked; so is what waits to be printed: that it was may be forgotten too. True when it is the card that forgot: it
    is not known of a source that was never heard here, and what a person has dismissed is no news.
    """
    known = sequences.cursors(tx).get(source) is not None
    doubt = _doubt(tx, source)
    if doubt is not None and doubt.seen and doubt.had == had:
        return False
    _keep(tx, source, Doubt(had, had, seen=not known))
    if not known:
        return False
    tx.execute(
        "UPDATE jobs SET mark = 'journal_rebuilt' "
        "WHERE state IN ('pending', 'held') AND intent IS NULL AND mark IS NULL"
    )
    tx.execute("UPDATE waits SET mark = 'journal_rebuilt' WHERE mark IS NULL")
    notes.raise_alarm(tx, ALARM, f"events up to {had} were on the disk and are gone; the cloud sends them again")
    return True


def was_known(tx: Tx, source: str, sequence: int | None, replayed: bool, *, follows: bool = False) -> bool:
    """Is it an event that this box knew before its disk forgot it, or does it follow one that may be? `follows`: it
    changes an order that is not known here.
    """
    doubt = None if sequence is None else _doubt(tx, source)
    if doubt is None or sequence is None or (doubt.seen and not replayed):
        return False
    return follows or sequence <= doubt.until


def replayed(tx: Tx, source: str, head: int) -> None:
    """A replay is over, and `head` the cloud's newest: this box was told of nothing beyond. Once all is here again
    another loss is news, whatever the cloud's number for it.
    """
    if (doubt := _doubt(tx, source)) is not None:
        came = not sequences.not_here(tx, source, [doubt.had])
        _keep(tx, source, Doubt(-1 if came else doubt.had, min(doubt.until, head), doubt.seen))


def seen(tx: Tx) -> None:
    """A person knows that the card forgets: what comes live from now on is news, whatever its number."""
    for (key,) in tx.execute("SELECT key FROM meta WHERE key LIKE ?", (f"{_PREFIX}%",)).fetchall():
        source = str(key).removeprefix(_PREFIX)
        if (doubt := _doubt(tx, source)) is not None:
            _keep(tx, source, msgspec.structs.replace(doubt, seen=True))


def _doubt(tx: Tx, source: str) -> Doubt | None:
    kept = notes.get_meta(tx, _PREFIX + source)
    if kept is None:
        return None
    found = msgspec.json.decode(kept, type=Doubt | int)  # a number, where an older program kept it
    return Doubt(found, found) if isinstance(found, int) else found


def _keep(tx: Tx, source: str, doubt: Doubt) -> None:
    notes.set_meta(tx, _PREFIX + source, msgspec.json.encode(doubt).decode())
