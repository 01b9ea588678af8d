"""Counts what the agent reports, and how long commits take: a rider of the journal, so that only what is on disk
counts, and once. Counts of one run of the process.
"""

import threading
import time
from collections import Counter

import msgspec

from agent import log
from agent.journal import notes
from agent.journal.file import Tx

BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
MOST = 1000
"""So many reports of one commit are looked at."""
Labels = tuple[tuple[str, str], ...]
_log = log.get("console")


class _Said(msgspec.Struct):
    """Of any report, what is counted."""

    state: str = ""
    evidence: str = ""
    printer: str = ""
    marked: str | None = None


_READ = msgspec.json.Decoder(_Said)


class Tally:
    """`board` and `leave` belong to the journal's writer; any thread may `count` and look. What `reader` finds in the
    outbox is of an earlier run, and does not count.
    """

    def __init__(self, reader: Tx) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[tuple[str, Labels]] = Counter()
        self._aboard: list[tuple[str, Labels]] = []
        row = reader.execute("SELECT seq FROM sqlite_sequence WHERE name = 'outbox'").fetchone()
        self._last = self._new_last = int(row[0]) if row else 0
        self._broken = False
        self._began = 0.0
        self._commits = [0] * (len(BUCKETS_S) + 1)
        self._seconds = 0.0

    def count(self, name: str, **labels: str) -> None:
        """One more."""
        with self._lock:
            self._counts[name, tuple(labels.items())] += 1

    def counts(self) -> dict[tuple[str, Labels], int]:
        """All of them, by name and labels."""
        with self._lock:
            return dict(self._counts)

    def commits(self) -> tuple[list[int], float]:
        """Commits by `BUCKETS_S`, each with those of the buckets below, and the last with all; and their seconds."""
        with self._lock:
            return [sum(self._commits[: at + 1]) for at in range(len(self._commits))], self._seconds

    # -- with the journal ------------------------------------------------------------------------------------------

    def board(self, tx: Tx) -> None:
        """The reports that this transaction adds. Never in the way of a commit."""
        self._aboard = []
        try:
            self._read(tx)
        except Exception:  # noqa: BLE001  figures are not worth an order; what is wrong with the file the commit says
            if not self._broken:
                self._broken = True
                _log.exception("console.tally_failed")
        self._began = time.monotonic()

    def leave(self, committed: bool) -> None:
        """It is on disk, and counts; or it does not."""
        if not committed:
            return
        spent_s = time.monotonic() - self._began
        self._last = self._new_last
        with self._lock:
            self._counts.update(self._aboard)
            self._commits[next((at for at, most in enumerate(BUCKETS_S) if spent_s <= most), len(BUCKETS_S))] += 1
            self._seconds += spent_s

    def _read(self, tx: Tx) -> None:
        self._new_last = self._last
        for row in notes.waiting_reports(tx, self._last, MOST):
            self._new_last = row.pk
            self._aboard += _counted(row.type, row.body)


def _counted(kind: str, body: bytes) -> list[tuple[str, Labels]]:
    if kind == "event.rejected":
        return [("orders", (("result", "parked"),))]
    if kind not in ("order.state", "ticket.state"):
        return []
    said = _READ.decode(body)
    if kind == "order.state":
        return [("orders", (("result", said.state),))]
    where = ("printer", said.printer)
    found: list[tuple[str, Labels]] = [("tickets", (where, ("state", said.state), ("evidence", said.evidence)))]
    if said.state == "completed" and said.marked is not None:
        found.append(("marked", (where,)))
    return found
