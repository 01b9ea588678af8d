"""The cloud's counting, as far as it is on disk: an event takes its place, and the end of a replay says what will never
come. Within the transaction of whoever asks.
"""

import msgspec

from agent.intake.acceptance import Taken
from agent.intake.decode import Envelope
from agent.journal import forgotten, gone, notes, sequences, waits
from agent.journal.file import Tx
from agent.model.wire import ReplayBegin, ReplayEnd

MOST_BETWEEN = 1_000_000
"""Events that a box may miss: a shop tells fewer in a year."""


class Counting:
    """`rebuilt`: the journal was lost, and of every source everything is missing."""

    def __init__(self, rebuilt: bool) -> None:
        self._rebuilt = rebuilt

    def note(self, tx: Tx, envelope: Envelope) -> bool:
        """Its place is taken, also by one that was parked: asking for it again would not mend it. True when something
        before it is missing.
        """
        if envelope.number is not None:
            return sequences.note(tx, envelope.source, envelope.number, self._rebuilt)
        return False

    def believed(self, tx: Tx, envelope: Envelope) -> Envelope:
        """One slip of the cloud's, a number far beyond all others, would make whatever comes after it late."""
        number, newest = envelope.number, sequences.newest(tx, envelope.source)
        if number is None or newest is None or number - newest <= MOST_BETWEEN:
            return envelope
        return msgspec.structs.replace(envelope, sequence=f"{number}, after {newest}")

    def passed(self, tx: Tx, source: str) -> int | None:
        """As far as the counting was let through; of a journal that was lost everything is missing."""
        passed = sequences.passed(tx, source)
        return 0 if passed is None and self._rebuilt else passed

    def marked(self, tx: Tx, marker: bytes) -> Taken | None:
        """A replay begins or ends; None when this is no such marker."""
        if (end := read_end(marker)) is not None:
            return self.end_replay(tx, end)
        return None if (begin := read_begin(marker)) is None else self.begin_replay(tx, begin)

    def begin_replay(self, tx: Tx, begin: ReplayBegin) -> Taken:
        """Is there less than this box has told of? Of a journal that was rebuilt everybody knows."""
        had, rebuilt = int(begin.had), self._rebuilt and notes.get_meta(tx, "replayed_since_rebuilt") is None
        if rebuilt or not sequences.not_here(tx, begin.source, [had]):
            return Taken("replay_begun")
        return Taken("disk_forgot" if forgotten.found_out(tx, begin.source, had) else "replay_begun")

    def end_replay(self, tx: Tx, end: ReplayEnd) -> Taken:
        """What is gone is no longer waited for; what else is missing is asked for once more."""
        if end.source is None:
            return self._end_all(tx)
        before, queued = sequences.passed(tx, end.source) or 0, waits.first_queued(tx, end.source)
        lost = sequences.not_here(tx, end.source, map(int, end.unavailable))
        for sequence in lost:
            sequences.note(tx, end.source, sequence, self._rebuilt)
        if lost:
            ranges = (range(sequence, sequence + 1) for sequence in lost)
            gone.give_up(tx, end.source, ranges, f"the cloud no longer has events {lost[:20]}")
            names = tuple(str(sequence) for sequence in lost if sequence > before)
            waits.note_missing(tx, end.source, before, names[: sequences.MOST_HOLES])
        last, head = sequences.cursors(tx).get(end.source), max(int(end.last), int(end.head))
        forgotten.replayed(tx, end.source, head)
        if last is None and not self._rebuilt:
            return Taken("replay_ended")  # of a source that we never heard of: its counting has not begun
        missing = _still_missing(tx, end.source, (last or 0) + 1, head)
        if not missing:
            _all_came(tx)
        return Taken("replay_ended", gap=missing, stirred=queued is not None)

    def _end_all(self, tx: Tx) -> Taken:
        """The answer to a request that named no source: there is nothing to compare but what came with it."""
        missing = sequences.has_gap(tx)
        if not missing:
            _all_came(tx)
        return Taken("replay_ended", gap=missing)


def _all_came(tx: Tx) -> None:
    notes.clear_alarm(tx, "session")
    notes.set_meta(tx, "replayed_since_rebuilt", notes.now())


def is_marker(payload: bytes) -> bool:
    """Does it say that a replay begins or ends?"""
    return read_end(payload) is not None or read_begin(payload) is not None


def read_begin(payload: bytes) -> ReplayBegin | None:
    """The beginning of a replay, or None: it is something else."""
    try:
        begin = msgspec.json.decode(payload, type=ReplayBegin)
        numbers = (int(begin.first), int(begin.had))
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError, RecursionError):
        return None
    return begin if all(0 <= number < 2**62 for number in numbers) else None


def read_end(payload: bytes) -> ReplayEnd | None:
    """The end of a replay, or None: it is something else."""
    try:
        end = msgspec.json.decode(payload, type=ReplayEnd)
        numbers = [int(number) for number in (end.first, end.last, end.head, *end.unavailable)]
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError, RecursionError):
        return None
    if end.source is None and end.unavailable:
        return None  # of which source?
    return end if all(0 <= number < 2**62 for number in numbers) else None


def _still_missing(tx: Tx, source: str, first: int, head: int) -> bool:
    """Shall we ask again for what a replay did not bring? Once; then a person is told, and the counting goes on."""
    if first > head:
        return False
    key = f"hole:{source}"
    if notes.get_meta(tx, key) != str(first):
        notes.set_meta(tx, key, str(first))
        return True
    last = (sequences.first_ahead(tx, source) or head + 1) - 1
    before = sequences.passed(tx, source) or 0
    sequences.skip_to(tx, source, last)
    if before < last:
        waits.note_missing(tx, source, before, (str(first) if first == last else f"{first}-{last}",))
    reason = f"events {first} to {last} did not come, though asked for twice"
    gone.give_up(tx, source, [range(first, last + 1)], reason)
    return sequences.cursors(tx)[source] < head
