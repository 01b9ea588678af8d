"""The store: one SQLite file, one connection that writes, one thread that owns it. The only importer of sqlite3.

Work comes as functions; the writer takes what is waiting, commits once, and only then says that it is done. What is
done survives a power cut (WAL, synchronous=FULL). Readers open their own connection, read-only: another writing
connection could corrupt the WAL in SQLite before 3.51.3.
"""

import queue
import shutil
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

from agent import log
from agent.errors import AgentError, JournalBroken, JournalError, JournalFull

Tx = sqlite3.Connection
T = TypeVar("T")
MOST_PER_COMMIT = 200
RETRY_FULL_S = 1.0
_MIGRATIONS = Path(__file__).parent / "migrations"
_log = log.get("journal")


class _Task(Generic[T]):
    """One piece of work for the writer. It may run more than once, but only its last run is committed."""

    def __init__(self, work: Callable[[Tx], T], after: Callable[[T], None] | None) -> None:
        self.work = work
        self.after = after
        self.done = threading.Event()
        self.result: T | None = None
        self.error: BaseException | None = None


class Journal:
    """The ledger's file and its writer thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._tasks: queue.SimpleQueue[_Task[Any] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._stopping = threading.Event()
        self._progress = time.monotonic()
        self.failed: JournalError | None = None
        self.full = False
        self.rebuilt = False
        self.id = ""
        self._connection = self._open_or_quarantine()

    # -- for everybody -------------------------------------------------------------------------------------------

    def write(self, work: Callable[[Tx], T]) -> T:
        """Run `work` in a transaction; returns its result once that is on disk. Blocks while the disk is full.

        `work` may run more than once and must change nothing but the journal.

        Raises:
            JournalError: it is not on disk, and won't be.
            AgentError: whatever `work` raised; nothing of it is on disk.
        """
        task: _Task[T] = _Task(work, None)
        self._put(task)
        task.done.wait()
        if task.error is not None:
            raise task.error
        return cast(T, task.result)

    def submit(self, work: Callable[[Tx], T], after: Callable[[T], None]) -> None:
        """Like `write` without waiting: `after` gets the result, on the writer's thread, once it is on disk.

        If it never gets there, `after` is never called.
        """
        self._put(_Task(work, after))

    def reader(self) -> Tx:
        """A connection of the caller's own that can only read. The caller's thread closes it."""
        return sqlite3.connect(f"file:{self._path}?mode=ro", uri=True, isolation_level=None, timeout=5.0)

    # -- a service -----------------------------------------------------------------------------------------------

    name = "journal"
    limit_s = 30.0

    def start(self) -> None:
        """Start the writer."""
        self._thread.start()

    def stop(self, deadline_s: float) -> None:
        """Commit what is waiting, then close. What comes later is refused."""
        self._stopping.set()
        self._tasks.put(None)
        self._thread.join(deadline_s)

    def alive(self) -> bool:
        """Does the writer run?"""
        return self._thread.is_alive()

    def progress(self) -> float:
        """When the writer last came round, on the monotonic clock."""
        return self._progress

    # -- the writer ----------------------------------------------------------------------------------------------

    def _put(self, task: _Task[Any]) -> None:
        if self.failed or (self._stopping.is_set() and not self._thread.is_alive()):
            task.error = self.failed or JournalError("the journal is closed")
            task.done.set()
            return
        self._tasks.put(task)

    def _run(self) -> None:
        try:
            while batch := self._next_batch():
                self._commit_until_kept(batch)
        finally:
            try:
                self._connection.close()
            except sqlite3.Error as exc:
                _log.warning("journal.close_failed", reason=str(exc))
            self._refuse_waiting()

    def _next_batch(self) -> list[_Task[Any]]:
        """What is waiting, at least one; nothing once the last was done after a stop."""
        batch: list[_Task[Any]] = []
        while True:
            self._progress = time.monotonic()
            try:
                task = self._tasks.get(block=not batch, timeout=1.0)
            except queue.Empty:
                if batch or self._stopping.is_set():
                    return batch
                continue
            if task is not None:
                batch.append(task)
            elif not batch and self._tasks.empty():
                return batch
            if len(batch) >= MOST_PER_COMMIT:
                return batch

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
            except JournalError as exc:
                self.failed = exc
                _log.error("journal.broken", reason=str(exc))
                _fail(batch, exc)
                raise
            if self.full:
                self.full = False
                _log.info("journal.disk_has_room")
            return None

    def _commit(self, batch: list[_Task[Any]]) -> None:
        """All in one transaction; if one of them fails, each in its own, so that the others are kept."""
        try:
            self._transaction(batch)
        except (AgentError, sqlite3.IntegrityError) as exc:
            if isinstance(exc, JournalFull | JournalBroken):
                raise
            if len(batch) == 1:
                batch[0].error = exc
                batch[0].done.set()
                return
            for task in batch:
                self._commit([task])
            return
        for task in batch:
            task.done.set()
            if task.after is not None:
                task.after(task.result)

    def _transaction(self, batch: list[_Task[Any]]) -> None:
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            for task in batch:
                task.result = task.work(connection)
            connection.execute("COMMIT")
        except sqlite3.IntegrityError:
            self._rollback()
            raise
        except sqlite3.Error as exc:
            self._rollback()
            raise _translate(exc) from exc
        except AgentError:
            self._rollback()
            raise

    def _rollback(self) -> None:
        if self._connection.in_transaction:
            try:
                self._connection.execute("ROLLBACK")
            except sqlite3.Error as exc:
                raise _translate(exc) from exc

    def _refuse_waiting(self) -> None:
        error = self.failed or JournalError("the journal is closed")
        while not self._tasks.empty():
            if (task := self._tasks.get()) is not None:
                _fail([task], error)

    # -- opening -------------------------------------------------------------------------------------------------

    def _open_or_quarantine(self) -> Tx:
        try:
            return self._open()
        except JournalBroken as exc:
            if not _is_corrupt(exc):
                raise
            aside = _set_aside(self._path)
            _log.error("journal.set_aside", reason=str(exc), file=str(aside))
            self.rebuilt = True
            return self._open()

    def _open(self) -> Tx:
        existed = self._path.exists()
        try:
            connection = sqlite3.connect(
                self._path, isolation_level=None, check_same_thread=False, timeout=5.0, cached_statements=256
            )
            mode = connection.execute("PRAGMA journal_mode=WAL").fetchone()[0]
            if mode != "wal":
                raise JournalError(f"SQLite keeps this file in {mode} mode; the data directory must be on a local disk")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA foreign_keys=ON")
            connection.execute("PRAGMA busy_timeout=5000")
            connection.execute("PRAGMA journal_size_limit=4194304")
            if existed and (fault := connection.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
                connection.close()
                raise sqlite3.DatabaseError(f"malformed: {fault}")
            self._migrate(connection)
            self.id = self._identify(connection)
        except sqlite3.Error as exc:
            raise _translate(exc) from exc
        _log.info("journal.opened", file=str(self._path), sqlite=sqlite3.sqlite_version)
        return connection

    def _identify(self, connection: Tx) -> str:
        """A journal has a name of its own; one that replaces a broken one also knows since when."""
        connection.execute("INSERT OR IGNORE INTO meta VALUES ('id', ?)", (uuid.uuid4().hex[:12],))
        if self.rebuilt:
            connection.execute("INSERT OR IGNORE INTO meta VALUES ('rebuilt_at', ?)", (datetime.now(UTC).isoformat(),))
        return str(connection.execute("SELECT value FROM meta WHERE key = 'id'").fetchone()[0])

    def _migrate(self, connection: Tx) -> None:
        """Bring the schema up to date, one transaction a step, after a copy of the file as it was."""
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        steps = sorted(_MIGRATIONS.glob("*.sql"))
        if version > len(steps):
            raise JournalError(
                f"{self._path} was written by a newer shop-agent (schema {version}, this one knows {len(steps)}); "
                "install the newer version again"
            )
        if 0 < version < len(steps):
            connection.execute("VACUUM INTO ?", (str(self._path.with_suffix(f".v{version}.db")),))
        for number, step in enumerate(steps[version:], version + 1):
            connection.executescript(f"BEGIN IMMEDIATE;\n{step.read_text()}\nPRAGMA user_version={number};\nCOMMIT;")
            _log.info("journal.migrated", schema=number)


def _fail(batch: list[_Task[Any]], error: BaseException) -> None:
    for task in batch:
        task.error = error
        task.done.set()


def _translate(exc: sqlite3.Error) -> JournalError:
    code = getattr(exc, "sqlite_errorcode", None)
    if code is not None and code & 0xFF == sqlite3.SQLITE_FULL:
        return JournalFull(str(exc))
    return JournalBroken(str(exc))


def _is_corrupt(exc: JournalBroken) -> bool:
    cause = exc.__cause__
    code = getattr(cause, "sqlite_errorcode", None)
    if code is None:
        return "malformed" in str(exc)
    return code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _set_aside(path: Path) -> Path:
    """Move a broken journal with its WAL away together; it is never deleted."""
    folder = path.with_name(f"broken-{datetime.now(UTC):%Y%m%dT%H%M%S%f}")
    folder.mkdir()
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            shutil.move(part, folder / part.name)
    return folder
