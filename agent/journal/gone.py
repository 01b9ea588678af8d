"""Events of a source that were given up: the cloud no longer has them, or did not send them though asked for twice.

The alarm `missing:SOURCE` speaks of them, and ends by itself if they all come after all.
"""

from collections.abc import Iterable

import msgspec

from agent.journal import notes, sequences
from agent.journal.file import Tx

MOST_RANGES = 500
"""Beyond so many nobody counts any more: then only a person ends the alarm."""
_READ = msgspec.json.Decoder(list[tuple[int, int]])


def give_up(tx: Tx, source: str, numbers: Iterable[range], reason: str) -> None:
    """These will not come: a person is told, with the reason."""
    kept = [*_given_up(tx, source), *((each.start, each.stop - 1) for each in numbers)]
    _keep(tx, source, _joined(kept)[: MOST_RANGES + 1])
    notes.raise_alarm(tx, alarm_key(source), reason)


def note_came(tx: Tx, source: str, number: int, asked: str) -> None:
    """One that was missing came: once all have, nobody needs to look for them any more. `asked` is how the words end
    that say: missing, and asked for.
    """
    reason = notes.alarms(tx).get(alarm_key(source))
    if reason is None:
        return
    given_up = _given_up(tx, source)
    left = [part for first, last in given_up for part in _without(first, last, number)]
    if left != given_up:
        _keep(tx, source, left)
    reached = sequences.cursors(tx).get(source)
    if left or reached is None or reached < (sequences.passed(tx, source) or 0):
        return
    if given_up or reason.endswith(asked):
        notes.clear_alarm(tx, alarm_key(source))


def forget(tx: Tx, source: str) -> None:
    """A person knows of them."""
    tx.execute("DELETE FROM meta WHERE key = ?", (_meta_key(source),))


def alarm_key(source: str) -> str:
    """The alarm about what is missing of a source."""
    return f"missing:{source}"


def _meta_key(source: str) -> str:
    return f"gone:{source}"


def _given_up(tx: Tx, source: str) -> list[tuple[int, int]]:
    kept = notes.get_meta(tx, _meta_key(source))
    return _READ.decode(kept) if kept else []


def _keep(tx: Tx, source: str, ranges: list[tuple[int, int]]) -> None:
    if ranges:
        notes.set_meta(tx, _meta_key(source), msgspec.json.encode(ranges).decode())
    else:
        forget(tx, source)


def _without(first: int, last: int, number: int) -> list[tuple[int, int]]:
    if not first <= number <= last:
        return [(first, last)]
    return [each for each in ((first, number - 1), (number + 1, last)) if each[0] <= each[1]]


def _joined(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(last, found[-1][1]))
        else:
            found.append((first, last))
    return found
