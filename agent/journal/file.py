"""The ledger's file: opened, proved sound, brought up to date; and set aside, never deleted, when it is broken."""

import os
import secrets
import shutil
import sqlite3
import uuid
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from agent import log
from agent.errors import JournalBroken, JournalError, JournalFull

Tx = sqlite3.Connection
MIGRATIONS = Path(__file__).parent / "migrations"
WORKS_OWN = frozenset(
    {sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_MISMATCH, None}
)
"""What SQLite says when a statement is at fault; everything else is the file's or the disk's."""
_CORRUPT = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_log = log.get("journal")


class Opened(msgspec.Struct, frozen=True):
    """An open journal. `rebuilt_at` is when it took the place of a broken one, `rebuilt` says that it was just now."""

    connection: Tx
    id: str
    rebuilt: bool
    rebuilt_at: datetime | None


def open_journal(path: Path, migrations: Path = MIGRATIONS) -> Opened:
    """Open the journal, or make a new one where there is none or where the one there is broken.

    Raises:
        JournalError: it is newer than this program, or the disk can't be used.
    """
    try:
        return _open(path, migrations)
    except JournalBroken as exc:
        if not is_corrupt(exc):
            raise
        reason = str(exc)
    aside = _set_aside(path)
    _suspect(path).unlink(missing_ok=True)
    _log.error("journal.set_aside", reason=reason, file=str(aside))
    return _open(path, migrations)


def suspect(path: Path) -> None:
    """SQLite called the journal corrupt while it worked: it is examined to the last index when it is opened next."""
    _suspect(path).touch()


def _suspect(path: Path) -> Path:
    return path.with_suffix(".suspect")


def _open(path: Path, migrations: Path) -> Opened:
    existed = path.exists()
    if existed and path.stat().st_size == 0:  # SQLite would take it for a new one, and delete its WAL
        raise JournalBroken("malformed: the file is empty")
    try:
        connection = sqlite3.connect(
            path, isolation_level=None, check_same_thread=False, timeout=5.0, cached_statements=256
        )
    except sqlite3.Error as exc:
        raise translate(exc) from exc
    try:
        opened = _prepare(path, connection, existed, migrations)
    except BaseException as exc:
        # Left open it would, when it is collected, delete the WAL of the journal that takes its place.
        connection.close()
        if isinstance(exc, sqlite3.Error):
            raise translate(exc) from exc
        raise
    _log.info("journal.opened", file=str(path), sqlite=sqlite3.sqlite_version)
    return opened


def _prepare(path: Path, connection: Tx, existed: bool, migrations: Path) -> Opened:
    connection.execute("PRAGMA busy_timeout=5000")
    connection.execute("PRAGMA page_size=1024")  # of a new file: a commit is many pages and few bytes, and flash wears
    mode = connection.execute("PRAGMA journal_mode=WAL").fetchone()[0]
    if mode != "wal":
        raise JournalError(f"SQLite keeps this file in {mode} mode; the data directory must be on a local disk")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute("PRAGMA wal_autocheckpoint=0")  # the writer does that, when nobody waits
    connection.execute("PRAGMA journal_size_limit=4194304")
    check = "integrity_check" if _suspect(path).exists() else "quick_check"
    if existed and (fault := connection.execute(f"PRAGMA {check}(1)").fetchone()[0]) != "ok":
        raise JournalBroken(f"malformed: {fault}")
    _suspect(path).unlink(missing_ok=True)
    _migrate(path, connection, migrations)
    opened = _identify(path, connection)
    _prove_writable(connection)
    return opened


def _identify(path: Path, connection: Tx) -> Opened:
    """A journal has a name of its own; one that replaces a broken one also knows since when."""
    facts = dict(connection.execute("SELECT key, value FROM meta WHERE key IN ('id', 'rebuilt_at')"))
    rebuilt = False
    if "id" not in facts:
        facts["id"] = uuid.uuid4().hex[:12]
        if (broken := _last_set_aside(path)) is not None:
            facts["rebuilt_at"] = broken.isoformat()
            rebuilt = True
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO meta VALUES (?, ?)", list(facts.items()))
        # A printer may still answer for a ticket of the journal that was here before: its tokens must not come again.
        connection.execute("INSERT OR IGNORE INTO numbers VALUES ('prints', '', ?)", (secrets.randbelow(36**4),))
        connection.execute("COMMIT")
    since = datetime.fromisoformat(facts["rebuilt_at"]) if "rebuilt_at" in facts else None
    return Opened(connection, str(facts["id"]), rebuilt, since)


def _migrate(path: Path, connection: Tx, migrations: Path) -> None:
    """Bring the schema up to date, one transaction a step, after a copy of the file as it was."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    steps = sorted(migrations.glob("*.sql"))
    if version > len(steps):
        raise JournalError(
            f"{path} was written by a newer shop-agent (schema {version}, this one knows {len(steps)}); "
            "install the newer version again"
        )
    if 0 < version < len(steps):
        _copy(connection, path.with_suffix(f".v{version}.db"))
    for number, step in enumerate(steps[version:], version + 1):
        connection.executescript(f"BEGIN IMMEDIATE;\n{step.read_text()}\nPRAGMA user_version={number};\nCOMMIT;")
        _log.info("journal.migrated", schema=number)


def code(exc: sqlite3.Error) -> int | None:
    """SQLite's primary result code, None where Python itself complains."""
    code: int | None = getattr(exc, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def translate(exc: sqlite3.Error) -> JournalError:
    """SQLite's complaint in our words: the disk is full, or this handle must not be used again."""
    return JournalFull(str(exc)) if code(exc) == sqlite3.SQLITE_FULL else JournalBroken(str(exc))


def is_corrupt(exc: Exception) -> bool:
    """Is the file's content broken, and not only the disk?"""
    cause = exc.__cause__
    if isinstance(cause, sqlite3.Error):
        return code(cause) in _CORRUPT
    return isinstance(exc, JournalBroken) and str(exc).startswith("malformed")


def _prove_writable(connection: Tx) -> None:
    """SQLite opens a file on a read-only or failing disk without a word. A full one is let pass: it gets room again."""
    try:
        connection.execute("INSERT OR REPLACE INTO meta VALUES ('opened_at', ?)", (datetime.now(UTC).isoformat(),))
    except sqlite3.Error as exc:
        if code(exc) != sqlite3.SQLITE_FULL:
            raise


def _copy(connection: Tx, to: Path) -> None:
    """A copy of the journal that is either whole or not there."""
    growing = to.with_suffix(".growing")
    growing.unlink(missing_ok=True)
    connection.execute("VACUUM INTO ?", (str(growing),))
    with growing.open("rb") as file:
        os.fsync(file.fileno())
    growing.replace(to)


def _set_aside(path: Path) -> Path:
    """Move a broken journal with its WAL away together; it is never deleted."""
    folder = path.with_name(f"broken-{datetime.now(UTC):%Y%m%dT%H%M%S%f}")
    folder.mkdir()
    for suffix in ("", "-wal", "-shm"):  # the file itself first: without its WAL it would look whole, and be too old
        part = path.with_name(path.name + suffix)
        if part.exists():
            shutil.move(part, folder / part.name)
    return folder


def _last_set_aside(path: Path) -> datetime | None:
    """When the last broken journal was given up, None without one. Not before its last change: the clock may have
    gone back since.
    """
    folders = list(path.parent.glob("broken-*"))
    if not folders:
        return None
    changed = max(file.stat().st_mtime for folder in folders for file in (folder, *folder.iterdir()))
    return max(datetime.now(UTC), datetime.fromtimestamp(changed, UTC))
