"""The store: one SQLite file, one connection that writes, one thread that owns it. Only it and file.py import sqlite3.

Work comes as functions; the writer takes what is waiting, commits once, and only then says that it is done. What is
done survives a power cut (WAL, synchronous=FULL). Readers open their own connection, read-only: another writing
connection could corrupt the WAL in SQLite before 3.51.3.
"""

import contextlib
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar, cast
from urllib.parse import quote

from agent import log
from agent.errors import JournalBroken, JournalError, JournalFull
from agent.journal.file import MIGRATIONS, WORKS_OWN, Tx, code, is_corrupt, open_journal, suspect, translate

T = TypeVar("T")
MOST_PER_COMMIT = 200
LONGEST_WORK_S = 0.25
"""After so long what is done so far is committed: nobody waits for the slow work of all that came after."""
RETRY_FULL_S = 1.0
IDLE_CHECKPOINT, LATEST_CHECKPOINT = 50, 1000
"""Commits (some ten pages each) after which the WAL is moved into the file: when idle, and in any case."""
_log = log.get("journal")


class _Task(Generic[T]):
    """One piece of work for the writer. It may run more than once, but only its last run is committed.

    Who waits for it waits for `gate`, which the writer opens.
    """

    def __init__(
        self,
        work: Callable[[Tx], T],
        after: Callable[[T], None] | None = None,
        otherwise: Callable[[Exception], None] | None = None,
        gate: "threading.Lock | None" = None,
    ) -> None:
        self.work = work
        self.after = after
        self.otherwise = otherwise
        self.gate = gate
        self.done = False
        self.result: T | None = None
        self.error: Exception | None = None

    def finish(self) -> None:
        """It is done, or never will be. Once."""
        self.done = True
        if self.gate is not None:
            self.gate.release()


class Rider(Protocol):
    """Somebody who does his work within whatever transaction goes next, instead of waiting for one of his own."""

    def board(self, tx: Tx) -> None:
        """Called on the writer's thread after the work of a transaction, before its commit; `leave` always follows."""

    def leave(self, committed: bool) -> None:
        """The transaction is on disk, or nothing of it is."""


class Journal:
    """The ledger's file and its writer thread."""

    def __init__(self, path: Path, migrations: Path = MIGRATIONS) -> None:
        self._path = path
        self._tasks: queue.SimpleQueue[_Task[Any] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._stopping = threading.Event()
        self._door = threading.Lock()
        self._closed = False
        self._progress = time.monotonic()
        self.failed: JournalError | None = None
        self.full = False
        self._riders: list[Rider] = []
        self._since_checkpoint = 0
        opened = open_journal(path, migrations)
        self._connection = opened.connection
        self.id, self.rebuilt, self.rebuilt_at = opened.id, opened.rebuilt, opened.rebuilt_at

    # -- for everybody -------------------------------------------------------------------------------------------

    def write(self, work: Callable[[Tx], T]) -> T:
        """Run `work` in a transaction; returns its result once that is on disk. Blocks while the disk is full.

        `work` may run more than once and must change nothing but the journal.

        Raises:
            JournalError: it is not on disk, and won't be.
            Exception: whatever `work` raised; nothing of it is on disk.
        """
        gate = threading.Lock()
        gate.acquire()
        task: _Task[T] = _Task(work, gate=gate)
        self._put(task)
        gate.acquire()
        if task.error is not None:
            raise task.error
        return cast(T, task.result)

    def submit(
        self,
        work: Callable[[Tx], T],
        after: Callable[[T], None],
        otherwise: Callable[[Exception], None] | None = None,
    ) -> None:
        """Like `write` without waiting: `after` gets the result, on the writer's thread, once it is on disk.

        `otherwise` gets what `work` raised. When the journal fails or stops first, neither is ever called.
        """
        self._put(_Task(work, after, otherwise))

    def carry(self, rider: Rider) -> None:
        """Take somebody along from now on. Call it before `start`."""
        self._riders.append(rider)

    def reader(self) -> Tx:
        """A connection of the caller's own that can only read. The caller's thread closes it."""
        return reader_of(self._path)

    # -- a service -----------------------------------------------------------------------------------------------

    name = "journal"
    limit_s = 30.0

    def start(self) -> None:
        """Start the writer."""
        self._thread.start()

    def stop(self, deadline_s: float) -> None:
        """Commit what is waiting, then close. What comes later is refused; so is what waits for room on the disk."""
        with self._door:
            self._closed = True
        self._stopping.set()
        self._tasks.put(None)
        if self._thread.is_alive():
            self._thread.join(deadline_s)
        elif self._thread.ident is None:  # never started
            self._close()

    def alive(self) -> bool:
        """Does the writer run?"""
        return self._thread.is_alive()

    def progress(self) -> float:
        """When the writer last came round, on the monotonic clock."""
        return self._progress

    # -- the writer ----------------------------------------------------------------------------------------------

    def _put(self, task: _Task[Any]) -> None:
        with self._door:  # nothing may slip in behind the writer's last look, nobody would ever answer it
            if not self._closed:
                self._tasks.put(task)
                return
        _fail([task], self.failed or JournalError("the journal is closed"))

    def _run(self) -> None:
        batch: list[_Task[Any]] = []
        try:
            while batch := self._next_batch():
                self._commit_until_kept(batch)
                self._tidy(LATEST_CHECKPOINT)
        except Exception as exc:  # noqa: BLE001  # the thread's outermost loop: whatever it is, nobody may wait for ever
            self.failed = exc if isinstance(exc, JournalError) else JournalBroken(f"{type(exc).__name__}: {exc}")
            _log.exception("journal.broken", reason=str(exc))
            if is_corrupt(exc):
                with contextlib.suppress(OSError):
                    suspect(self._path)
        finally:
            self._close()
            _fail(batch, self.failed or JournalError("the journal is closed"))

    def _close(self) -> None:
        with self._door:
            self._closed = True
        try:
            self._connection.close()
        except sqlite3.Error as exc:
            _log.warning("journal.close_failed", reason=str(exc))
        while not self._tasks.empty():
            if (task := self._tasks.get()) is not None:
                _fail([task], self.failed or JournalError("the journal is closed"))

    def _next_batch(self) -> list[_Task[Any]]:
        """What is waiting, at least one; nothing once the last was done after a stop."""
        batch: list[_Task[Any]] = []
        while len(batch) < MOST_PER_COMMIT:
            self._progress = time.monotonic()
            patience_s = 0.05 if self._since_checkpoint > IDLE_CHECKPOINT else 1.0
            try:
                task = self._tasks.get(block=not batch and not self._stopping.is_set(), timeout=patience_s)
            except queue.Empty:
                if batch or self._stopping.is_set():
                    break
                self._tidy(IDLE_CHECKPOINT)
                continue
            if task is not None:
                batch.append(task)
        return batch

    def _tidy(self, after: int) -> None:
        """Move the WAL into the file: when nobody waits, or when it has grown too long to wait for that."""
        if self._since_checkpoint > after:
            self._since_checkpoint = 0
            try:
                self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
            except sqlite3.Error as exc:
                if isinstance(trouble := translate(exc), JournalBroken):
                    raise trouble from exc

    def _commit_until_kept(self, batch: list[_Task[Any]]) -> None:
        while True:
            self._progress = time.monotonic()
            try:
                self._commit(batch)
            except JournalFull as exc:
                if not self.full:
                    self.full = True
                    _log.error("journal.disk_full", reason=str(exc))
                if self._stopping.wait(RETRY_FULL_S):
                    return _fail(batch, exc)
                continue
            if self.full:
                self.full = False
                _log.info("journal.disk_has_room")
            return None

    def _commit(self, batch: list[_Task[Any]]) -> None:
        """All in one transaction, or in several when their work is slow. Those whose own work fails are told, and the
        others are kept. Whoever has been told is no longer in the batch.
        """
        while batch:
            count, spoiler = self._transaction(batch)
            if spoiler is not None:
                batch.remove(spoiler)
                self._tell_failed(spoiler)
            for task in batch[:count]:
                task.finish()
                if task.after is not None:
                    _call(task.after, task.result)
            del batch[:count]

    def _transaction(self, batch: list[_Task[Any]]) -> tuple[int, _Task[Any] | None]:
        """Commit the first so many, at least one, and return their number; or none, when the work of one raised, and
        that one.
        """
        under_way: _Task[Any] | None = None
        aboard: list[Rider] = []
        committed, count = False, 0
        ends_at = time.monotonic() + LONGEST_WORK_S
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            for under_way in batch:
                under_way.result = under_way.work(self._connection)
                count += 1
                self._progress = time.monotonic()
                if self._progress >= ends_at:
                    break
            under_way = None
            for rider in self._riders:
                aboard.append(rider)
                rider.board(self._connection)
            self._connection.execute("COMMIT")
            committed = True
            self._since_checkpoint += 1
        except Exception as exc:
            count = 0
            self._rollback()
            if isinstance(exc, sqlite3.Error) and (under_way is None or code(exc) not in WORKS_OWN):
                raise translate(exc) from exc
            if under_way is None:
                raise
            under_way.error = exc
        finally:
            for rider in aboard:
                rider.leave(committed)
        return count, under_way

    def _rollback(self) -> None:
        if self._connection.in_transaction:
            try:
                self._connection.execute("ROLLBACK")
            except sqlite3.Error as exc:
                raise translate(exc) from exc

    def _tell_failed(self, task: _Task[Any]) -> None:
        error = task.error
        task.finish()
        if error is not None and task.after is not None:  # nobody waits for it
            _log.error("journal.work_failed", reason=f"{type(error).__name__}: {error}")
            if task.otherwise is not None:
                _call(task.otherwise, error)


def reader_of(path: Path) -> Tx:
    """A connection that can only read, whether or not an agent works there. sqlite3's errors come with its use."""
    return sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, isolation_level=None, timeout=5.0)


def look_into(path: Path, look: Callable[[Tx], T]) -> T:
    """What a journal says, whether or not an agent works there. Raises JournalError."""
    try:
        with contextlib.closing(reader_of(path)) as reader:
            return look(reader)
    except sqlite3.Error as exc:
        raise translate(exc) from exc


def _call(told: Callable[[Any], None], what: object) -> None:
    """Tell somebody, whose mistakes must not stop the ledger."""
    try:
        told(what)
    except Exception:  # noqa: BLE001  # it is on disk; an order that is not acknowledged is sent again
        _log.exception("journal.callback_failed")


def _fail(batch: list[_Task[Any]], error: Exception) -> None:
    for task in batch:
        if not task.done:
            task.error = error
            task.finish()
