"""The durable outbox: which report is next, which were taken, refused, or wait to be deleted. No thread, no line.

In order and at least once: a report leaves the journal only when the broker took it. One that the broker would not
have is tried again later, and does not stop the others.
"""

from collections.abc import Container, Iterator

from agent import log
from agent.checkpoint import checkpoint
from agent.clock import Clock
from agent.journal import notes
from agent.journal.file import Tx
from agent.journal.store import Journal

DELETE_MOST = 100
DELETE_AFTER_S = 1.0
REFUSED_AGAIN_S = 60.0
_NEVER = float("inf")
_log = log.get("report")


class Outbox:
    """What is known of the reports in the journal beyond their rows. For one thread."""

    def __init__(self, journal: Journal, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock
        self._last_pk = 0
        self._pause_until = 0.0
        self._refused: set[int] = set()
        self._refused_in_a_row = 0
        self._retry_at = _NEVER
        self._taken: list[int] = []
        self._taken_at = 0.0
        self._deleting: set[int] = set()

    def start_over(self) -> None:
        """A new connection: what was under way is to be sent again."""
        self._last_pk = 0

    def next(self, reader: Tx, most: int, under_way: Container[int]) -> Iterator[notes.OutboxRow]:
        """The oldest reports that may be sent now. Asking for the next one says that the last one was sent."""
        now = self._clock.monotonic()
        if now >= self._retry_at:
            self._retry_at, self._last_pk = _NEVER, 0
            self._refused.clear()
        if most <= 0 or now < self._pause_until:
            return
        for row in notes.waiting_reports(reader, self._last_pk, most):
            if row.pk not in self._deleting and row.pk not in self._refused and row.pk not in under_way:
                yield row
            self._last_pk = row.pk

    def taken(self, pk: int) -> None:
        """The broker has it."""
        self._refused_in_a_row = 0
        if not self._taken:
            self._taken_at = self._clock.monotonic()
        self._taken.append(pk)
        self._deleting.add(pk)

    def refused(self, pk: int, reason: str, window: int) -> None:
        """The broker would not have it. When a whole window of them is refused, none is sent for a while."""
        now = self._clock.monotonic()
        if not self._refused:
            _log.error("report.refused", what="report", report=pk, reason=reason, again_in_s=REFUSED_AGAIN_S)
            self._retry_at = now + REFUSED_AGAIN_S
        self._refused.add(pk)
        self._refused_in_a_row += 1
        if self._refused_in_a_row >= window:
            self._pause_until = self._retry_at = now + REFUSED_AGAIN_S

    def delete_taken(self, at_once: bool = False) -> None:
        """Many at a time: each commit costs the card a write, and a report sent twice does no harm. Never waits."""
        late = self._clock.monotonic() - self._taken_at >= DELETE_AFTER_S
        if not self._taken or not (at_once or late or len(self._taken) >= DELETE_MOST):
            return
        pks, self._taken = self._taken, []
        checkpoint("report.before_delete")
        self._journal.submit(lambda tx: notes.delete_reports(tx, pks), lambda _: self._deleting.difference_update(pks))
