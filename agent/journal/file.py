"""The ledger's file: opened, proved sound, brought up to date; and set aside, never deleted, when it is broken."""

import contextlib
import errno
import os
import re
import secrets
import shutil
import sqlite3
import uuid
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from agent import atomicfile, log
from agent.errors import JournalBroken, JournalError, JournalFull, JournalNewer

Tx = sqlite3.Connection
MIGRATIONS = Path(__file__).parent / "migrations"
WORKS_OWN = frozenset(
    {sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_MISMATCH, None}
)
"""What SQLite says when a statement is at fault; everything else is the file's or the disk's."""
_OLDEST = "oldest_schema"
_DECLARED = re.compile(r"^-- oldest: (\d+)$", re.M)
_COPY = re.compile(r"\.v(\d+)\.db$")
_MARGIN_BYTES = 16 << 20
"""What stays free beside the copy, for the step itself and for the orders of meanwhile."""
_FARTHEST = 1 << 32
"""So far the numbers of reports skip at a start: two lives meet once in a million times, and the file has room for two
thousand million lives.
"""
_CORRUPT = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_log = log.get("journal")


class Opened(msgspec.Struct, frozen=True):
    """An open journal. `rebuilt_at` is when it took the place of a broken one, `rebuilt` says that it was just now."""

    connection: Tx
    id: str
    rebuilt: bool
    rebuilt_at: datetime | None


def open_journal(path: Path, migrations: Path = MIGRATIONS) -> Opened:
    """Open the journal, or make a new one where there is none or where the one there is broken. A link to it stays one:
    a new journal is made where it leads to, and not in its place.

    Raises:
        JournalNewer: a newer program left it in a shape that this one can't go on with.
        JournalError: the disk can't be used, or is not the one that a link leads to.
    """
    if path.is_symlink():
        path = path.resolve()
        if not path.parent.is_dir():
            raise JournalBroken(
                f"the link to the journal leads to {path}, and that folder is not there: mount its disk"
            )
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
    return path.resolve().with_suffix(".suspect")


def _open(path: Path, migrations: Path) -> Opened:
    _require_whole(path)
    if not path.exists():
        _make(path, migrations)
    try:
        connection = sqlite3.connect(
            path, isolation_level=None, check_same_thread=False, timeout=5.0, cached_statements=256
        )
    except sqlite3.Error as exc:
        raise translate(exc) from exc
    try:
        opened = _prepare(path, connection, migrations)
    except BaseException as exc:
        # Left open it would, when it is collected, delete the WAL of the journal that takes its place.
        connection.close()
        if isinstance(exc, sqlite3.Error):
            raise translate(exc) from exc
        raise
    _log.info("journal.opened", file=str(path), sqlite=sqlite3.sqlite_version)
    return opened


def _require_whole(path: Path) -> None:
    """A journal is made under another name: one that is empty, or of which there is only the WAL or a rollback journal,
    was lost since.
    """
    if not path.exists():
        for left in (path.with_name(path.name + suffix) for suffix in ("-wal", "-journal")):
            if left.exists() and left.stat().st_size:  # its pages would get into the new one
                raise JournalBroken(f"malformed: the file is gone, and {left.name} is here")
    elif path.stat().st_size == 0:  # SQLite would take it for a new one, and delete its WAL
        raise JournalBroken("malformed: the file is empty")


def _make(path: Path, migrations: Path) -> None:
    """A new journal: after a power cut it is there with its whole schema, or not at all."""
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as blank:
        try:
            blank.execute("PRAGMA page_size=1024")  # a commit is many pages and few bytes, and flash wears
            _migrate(path, blank, migrations)
            _write_out(blank, path)
        except sqlite3.Error as exc:
            raise translate(exc) from exc


def _prepare(path: Path, connection: Tx, migrations: Path) -> Opened:
    connection.execute("PRAGMA busy_timeout=5000")
    connection.execute("PRAGMA synchronous=EXTRA")  # a rollback journal that a power cut brings back empties the file
    mode = connection.execute("PRAGMA journal_mode=WAL").fetchone()[0]
    if mode != "wal":
        raise JournalError(f"SQLite keeps this file in {mode} mode; the data directory must be on a local disk")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute("PRAGMA wal_autocheckpoint=0")  # the writer does that, when nobody waits
    connection.execute("PRAGMA journal_size_limit=4194304")
    check = "integrity_check" if _suspect(path).exists() else "quick_check"
    if (fault := connection.execute(f"PRAGMA {check}(1)").fetchone()[0]) != "ok":
        raise JournalBroken(f"malformed: {fault}")
    _suspect(path).unlink(missing_ok=True)
    _migrate(path, connection, migrations)
    opened = _identify(path, connection)
    _note_opening(connection)
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


def newest_schema(migrations: Path = MIGRATIONS) -> int:
    """The schema that this program leaves a journal in."""
    return len(_steps(migrations))


def oldest_writer(migrations: Path = MIGRATIONS) -> int:
    """The oldest schema whose program may go on with a journal that this one leaves."""
    return _oldest(_steps(migrations))


def _oldest(steps: list[Path]) -> int:
    """A step says of itself, in a line such as `-- oldest: 7`, that it takes nothing away and changes no meaning, and
    that who does not know what it adds may leave that out. A step without that line lets nobody back.
    """
    declared = [_DECLARED.search(step.read_text()) for step in steps]
    return max(int(found[1]) if found else number for number, found in enumerate(declared, 1))


def _steps(migrations: Path) -> list[Path]:
    return sorted(migrations.glob("*.sql"))


def _migrate(path: Path, connection: Tx, migrations: Path) -> None:
    """Bring the schema up to date, one transaction a step, after a copy of the file as it was. A journal that is ahead
    of this program stays as it is, and is gone on with where the steps that brought it there allow that.
    """
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    steps = _steps(migrations)
    if version > len(steps):
        oldest = dict(connection.execute("SELECT key, value FROM meta WHERE key = ?", (_OLDEST,))).get(_OLDEST, version)
        if int(oldest) > len(steps):
            raise JournalNewer(path, version, len(steps))
        _log.warning("journal.ahead", schema=version, known=len(steps))
        return
    if 0 < version < len(steps):
        _copy(connection, path.with_suffix(f".v{version}.db"))
    for number, step in enumerate(steps[version:], version + 1):
        noted = f"DELETE FROM meta WHERE key = '{_OLDEST}';"
        if (oldest := _oldest(steps[:number])) < number:
            noted += f"INSERT INTO meta VALUES ('{_OLDEST}', '{oldest}');"
        script = f"BEGIN IMMEDIATE;\n{step.read_text()}\n{noted}\nPRAGMA user_version={number};\nCOMMIT;"
        connection.executescript(script)
        _log.info("journal.migrated", schema=number)
    _forget_copies(path)


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


def _note_opening(connection: Tx) -> None:
    """Proves that it can be written: SQLite opens a file on a read-only or failing disk without a word. A full one is
    let pass: it gets room again.
    """
    try:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT OR REPLACE INTO meta VALUES ('opened_at', ?)", (datetime.now(UTC).isoformat(),))
        _skip_numbers(connection)
        connection.execute("COMMIT")
    except sqlite3.Error as exc:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        if code(exc) != sqlite3.SQLITE_FULL:
            raise


def _skip_numbers(tx: Tx) -> None:
    """A card may have forgotten reports that the cloud knows by their numbers: those to come are counted from where no
    other life of the agent has counted.
    """
    name = "outbox"
    tx.execute(
        "INSERT INTO sqlite_sequence SELECT ?, 0 WHERE ? NOT IN (SELECT name FROM sqlite_sequence)", (name, name)
    )
    tx.execute("UPDATE sqlite_sequence SET seq = seq + ? WHERE name = ?", (secrets.randbelow(_FARTHEST), name))


def _copy(connection: Tx, to: Path) -> None:
    """A copy of the journal that is either whole, and on the disk, or not there.

    Raises:
        JournalFull: there is no room for it; nothing was changed, and the program of before can go on.
    """
    pages, page = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
    needed, free = pages * page + _MARGIN_BYTES, shutil.disk_usage(to.parent).free
    if free < needed:
        raise JournalFull(
            f"{to.parent}: {free >> 20} MB are free, and the copy of the journal before a new schema needs "
            f"{needed >> 20} MB: make room, or install the version of before again"
        )
    _write_out(connection, to)


def _write_out(connection: Tx, to: Path) -> None:
    """What the connection holds, as a file that is whole and on the disk, or not there."""
    growing = to.with_suffix(".growing")
    try:
        for left in (growing, growing.with_name(f"{growing.name}-journal")):  # of a power cut
            left.unlink(missing_ok=True)
        connection.execute("VACUUM INTO ?", (str(growing),))
        with growing.open("rb") as file:
            os.fsync(file.fileno())
        growing.replace(to)
        atomicfile.sync_folder(to.parent)
    except OSError as exc:
        raise (JournalFull if exc.errno == errno.ENOSPC else JournalBroken)(str(exc)) from exc
    finally:
        with contextlib.suppress(OSError):  # of a disk that can't be written
            growing.unlink(missing_ok=True)


def _forget_copies(path: Path) -> None:
    """Only the newest is kept: each is as large as the journal, and has customers' orders in it."""
    copies = {
        int(found[1]): copy for copy in path.parent.glob(f"{path.stem}.v*.db") if (found := _COPY.search(copy.name))
    }
    for version in sorted(copies)[:-1]:
        copies[version].unlink(missing_ok=True)


def _set_aside(path: Path) -> Path:
    """Move a broken journal away with its WAL, or what else SQLite would play into the new one; none is deleted."""
    folder = path.with_name(f"broken-{datetime.now(UTC):%Y%m%dT%H%M%S%f}")
    folder.mkdir()
    for suffix in (
        "",
        "-wal",
        "-shm",
        "-journal",
    ):  # the file itself first: without its WAL it would look whole, and be too old
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
