"""Orders that waited become tickets: a gap closed or was waited for long enough, an upcoming order's time came, or a
person said so. And the staff is told on paper what waits for them.

One thread. It wakes when something stirs, and by itself at least twice a minute, because clocks jump.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent import futures
from concurrent.futures import Future
from datetime import datetime
from functools import partial
from typing import TypeVar

from agent import log
from agent.checkpoint import checkpoint
from agent.clock import Clock
from agent.config import Intake
from agent.errors import JournalError
from agent.intake.gate import Gate
from agent.intake.summary import Summaries
from agent.intake.timekeeper import TimeKeeper
from agent.journal import sequences, waits
from agent.journal.file import Tx
from agent.journal.store import Journal
from agent.model.station import Station
from agent.service import ServiceThread

POLL_S = 20.0
AGAIN_S = 5.0
TIMELESS_S = 600.0
"""Nobody knows the time for so long: upcoming orders are printed, with their time, rather than never."""
T = TypeVar("T")
_log = log.get("release")


class Release(ServiceThread):
    """The service. `wake` is told the printers that have something to print."""

    name = "release"
    limit_s = 60.0

    def __init__(
        self,
        journal: Journal,
        stations: Sequence[Station],
        rules: Intake,
        times: TimeKeeper,
        clock: Clock,
        wake: Callable[[set[str]], None],
    ) -> None:
        super().__init__(clock)
        self._journal = journal
        self._gate = Gate(journal, stations, rules, times)
        self._hold_s = rules.gap_hold_s
        self._times = times
        self._wake = wake
        self._summaries = Summaries(next(station for station in stations if station.default), clock)
        self._held: deque[tuple[float, str, int]] = deque()
        self._seen_n = 0
        self._started = False
        self._timeless_since: float | None = None
        self._bell = threading.Event()

    def ring(self) -> None:
        """Orders wait, or need not wait any longer. Any thread."""
        self._bell.set()

    # -- the thread ----------------------------------------------------------------------------------------------

    def _rouse(self) -> None:
        self._bell.set()

    def _run(self) -> None:
        while not self._stopping.is_set():
            reader: Tx | None = None
            try:
                reader = self._journal.reader()
                while not self._stopping.is_set():
                    self._bell.wait(self.turn(reader))
                    self._bell.clear()
            except JournalError as exc:
                if not self._stopping.is_set():
                    _log.error("release.stopped", reason=str(exc))
                return
            except Exception:  # noqa: BLE001  the thread's outermost loop: what waits is tried again
                _log.exception("release.turn_failed")
                self._stopping.wait(AGAIN_S)
            finally:
                if reader is not None:
                    reader.close()

    def turn(self, reader: Tx) -> float:
        """Let go whatever need not wait any longer. Returns seconds until the next look."""
        self._turned()
        self._end_holds(reader)
        now = self._time(reader)
        while waits.next_free(reader, now, 1) and not self._stopping.is_set():
            self._turned()
            self._wake(self._write(partial(self._let_go, now=now)))
            checkpoint("release.after_commit")
        if (posted := self._summaries.due(reader)) is not None:
            self._wake(self._write(partial(self._summaries.post, why=posted)))
        return self._pause_s(reader, now)

    def _pause_s(self, reader: Tx, now: datetime | None) -> float:
        sleep_s = [POLL_S, self._summaries.pause_s()]
        if self._held:
            sleep_s.append(self._held[0][0] - self._clock.monotonic())
        if now is not None and (until := waits.next_release(reader)) is not None:
            sleep_s.append((until - now).total_seconds())
        return max(0.0, min(sleep_s))

    # -- gaps ----------------------------------------------------------------------------------------------------

    def _end_holds(self, reader: Tx) -> None:
        """Each order behind a gap is held for some seconds at most; one that was held at a restart, no longer."""
        now = self._clock.monotonic()
        for n, source, sequence in waits.behind_gaps(reader, self._seen_n):
            self._seen_n = n
            self._held.append((now + self._hold_s if self._started else now, source, sequence))
        self._started = True
        over: dict[str, int] = {}
        for ends_at, source, sequence in self._held:
            if ends_at > now:
                break
            over[source] = max(sequence, over.get(source, 0))
        for source, sequence in over.items():
            if sequence > (sequences.passed(reader, source) or 0):
                missing = self._write(partial(waits.pass_over, source=source, sequence=sequence))
                _log.warning("release.gap_passed", source=source, missing=list(missing))
        while self._held and self._held[0][0] <= now:
            self._held.popleft()

    # -- time ----------------------------------------------------------------------------------------------------

    def _time(self, reader: Tx) -> datetime | None:
        now = self._times.now()
        if now is not None:
            self._timeless_since = None
        elif self._timeless_since is None:
            self._timeless_since = self._clock.monotonic()
        elif self._clock.monotonic() - self._timeless_since > TIMELESS_S and waits.next_release(reader) is not None:
            _log.warning("release.time_unknown")
            self._write(waits.free_upcoming)
        return now

    # -- the journal ---------------------------------------------------------------------------------------------

    def _let_go(self, tx: Tx, now: datetime | None) -> set[str]:
        printers = self._gate.let_go(tx, now)
        checkpoint("release.before_commit")
        return printers

    def _write(self, work: Callable[[Tx], T]) -> T:
        """Its result, once it is on disk. While that is full it waits, and lives."""
        kept: Future[T] = Future()
        self._journal.submit(work, kept.set_result, kept.set_exception)
        while not kept.done():
            if self._stopping.is_set() or self._journal.failed is not None:
                raise self._journal.failed or JournalError("stopped meanwhile")
            self._turned()
            futures.wait([kept], 0.5)
        return kept.result()
