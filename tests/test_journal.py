"""The ledger's file: what is said to be on disk is there, whatever happens; and what happens when there is no room."""

import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from agent.errors import IllegalTransition, JournalBroken, JournalError, JournalFull, JournalNewer
from agent.journal import closing, jobs, notes, routes, store
from agent.journal.file import MIGRATIONS, Tx, newest_schema, oldest_writer
from agent.journal.jobs import Settlement
from agent.journal.store import Journal
from agent.journal.told import told
from agent.model.job import JobKind, JobState

WAIT_S = 20
SCHEMA = len(list(MIGRATIONS.glob("*.sql")))


@contextlib.contextmanager
def opened(path: Path, migrations: Path = MIGRATIONS) -> Iterator[Journal]:
    """A journal that runs."""
    journal = Journal(path, migrations)
    journal.start()
    try:
        yield journal
    finally:
        journal.stop(WAIT_S)
        assert not journal.alive()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    with opened(path) as journal:
        yield journal


def note(key: str, value: str = "x") -> Callable[[Tx], str]:
    """Work that writes one fact and returns its key."""

    def work(tx: Tx) -> str:
        notes.set_meta(tx, key, value)
        return key

    return work


def known(path: Path) -> set[str]:
    """The facts in a journal's file, read by somebody else."""
    with contextlib.closing(store.reader_of(path)) as reader:
        return {key for (key,) in reader.execute("SELECT key FROM meta")} - {
            "id",
            "rebuilt_at",
            "opened_at",
            "oldest_schema",
        }


def fill_some(tx: Tx) -> None:
    """Work that writes a hundred kilobytes."""
    for number in range(200):
        notes.set_meta(tx, f"k{number}", "x" * 500)


def ask(journal: Journal, sql: str, values: tuple[object, ...] = ()) -> object:
    """What the journal answers to one statement."""

    def work(tx: Tx) -> object:
        row = tx.execute(sql, values).fetchone()
        return None if row is None else row[0]

    return journal.write(work)


def enter_job(tx: Tx, printer: str = "kitchen") -> int:
    """An order with one ticket; returns the ticket's id."""
    at = tx.execute("SELECT count(*) FROM orders").fetchone()[0]
    order = tx.execute("INSERT INTO orders VALUES (NULL, 'c', ?, '1', 1, 0, 'accepted')", (str(at),)).lastrowid
    event = tx.execute("INSERT INTO events VALUES (NULL, 's', ?, '', ?, 1, 'upsert', x'7b7d', '')", (str(at), order))
    jobs.add_jobs(tx, order or 0, event.lastrowid or 0, 1, [jobs.NewJob("wok", printer, JobKind.ORDER, b"{}")])
    return int(tx.execute("SELECT max(id) FROM jobs").fetchone()[0])


# -- guards ------------------------------------------------------------------------------------------------------


def test_every_commit_is_synced(journal: Journal) -> None:
    """WAL with synchronous FULL: anything less loses acknowledged orders at a power cut."""
    wanted = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
    assert {name: ask(journal, f"PRAGMA {name}") for name in wanted} == wanted


def test_event_is_unique(journal: Journal) -> None:
    """The file itself refuses an event that it has, and a revision that it has."""
    journal.write(enter_job)
    same_id = "INSERT INTO events VALUES (NULL, 's', '0', '', NULL, NULL, 'ping', '', '')"
    same_revision = "INSERT INTO events VALUES (NULL, 's', 'new', '', 1, 1, 'upsert', '', '')"
    for statement in (same_id, same_revision):
        with pytest.raises(sqlite3.IntegrityError):
            ask(journal, statement)


def test_printer_has_two_tickets_in_flight_at_most(journal: Journal) -> None:
    """A third intent for one printer is refused by the file, whatever the code believes."""
    ids = journal.write(lambda tx: [enter_job(tx), enter_job(tx), enter_job(tx), enter_job(tx, "bar")])
    fly = "UPDATE jobs SET flight = ? WHERE id = ?"
    journal.write(lambda tx: [tx.execute(fly, values) for values in ((0, ids[0]), (1, ids[1]), (0, ids[3]))])
    for flight in (0, 1, 2):
        with pytest.raises(sqlite3.IntegrityError):
            journal.write(lambda tx, flight=flight: tx.execute(fly, (flight, ids[2])))  # type: ignore[misc]  # a default


def test_illegal_transition_raises_and_keeps_nothing(journal: Journal) -> None:
    """A move that the table of transitions does not know is a bug: it raises, and its transaction is undone."""
    journal.write(enter_job)
    job = journal.write(lambda tx: jobs.next_pending(tx, "kitchen"))
    assert job is not None

    def work(tx: Tx) -> None:
        notes.set_meta(tx, "undone", "x")
        jobs.settle(tx, msgspec.structs.replace(job, state=JobState.PROCESSING), Settlement(JobState.COMPLETED))

    with pytest.raises(IllegalTransition):
        journal.write(work)
    assert journal.write(lambda tx: notes.get_meta(tx, "undone")) is None


def test_every_move_is_recorded(journal: Journal) -> None:
    """Who wants to know what became of a ticket finds every move with its reason."""
    job_id = journal.write(enter_job)
    job = journal.write(lambda tx: jobs.next_pending(tx, "kitchen"))
    assert job is not None
    journal.write(lambda tx: jobs.hold(tx, job, "paper_out"))
    journal.write(lambda tx: jobs.release(tx, "kitchen"))
    moves = journal.write(lambda tx: tx.execute("SELECT job_id, old, new, reason FROM moves ORDER BY pk").fetchall())
    assert moves == [(job_id, "pending", "held", "paper_out"), (job_id, "held", "pending", "the printer is well again")]


def test_reader_can_not_write(journal: Journal) -> None:
    """Only one connection ever writes: a second one could corrupt the WAL."""
    with contextlib.closing(journal.reader()) as reader, pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader.execute("INSERT INTO meta VALUES ('a', 'b')")


# -- group commit ------------------------------------------------------------------------------------------------


def test_what_waits_is_committed_at_once(path: Path) -> None:
    """One sync for all that wait; whoever is told that it is done finds it with another connection."""
    journal = Journal(path)
    seen: list[tuple[str, bool]] = []
    commits: list[None] = []
    done = threading.Event()
    for number in range(450):
        journal.submit(note(f"k{number}"), lambda key: seen.append((key, key in known(path))))
    journal.submit(note("last"), lambda _: done.set())
    journal._connection.set_trace_callback(lambda text: commits.append(None) if text == "COMMIT" else None)
    journal.start()
    assert done.wait(WAIT_S)
    journal.stop(WAIT_S)
    assert seen == [(f"k{number}", True) for number in range(450)]
    assert len(commits) == 3


def test_slow_work_is_committed_before_what_comes_after_it(path: Path) -> None:
    """A batch is bounded by time, too: a ticket does not wait for the slow work of orders that came after it."""
    journal = Journal(path)
    told, in_time, done = threading.Event(), [], threading.Event()
    journal.submit(lambda _: threading.Event().wait(1.2 * store.LONGEST_WORK_S), lambda _: told.set())
    journal.submit(lambda _: in_time.append(told.wait(WAIT_S)), lambda _: done.set())
    journal.start()
    assert done.wait(WAIT_S)
    journal.stop(WAIT_S)
    assert in_time == [True]


def test_each_piece_of_work_is_progress(path: Path) -> None:
    """Many that are a little slow are no thread that hangs: the watchdog goes by one of them, not by the batch."""
    journal = Journal(path)
    seen: list[float] = []
    commits: list[None] = []
    for _ in range(50):
        journal.submit(lambda _: seen.append(journal.progress()), lambda _: None)
    journal._connection.set_trace_callback(lambda text: commits.append(None) if text == "COMMIT" else None)
    journal.start()
    journal.stop(WAIT_S)
    assert len(commits) == 1
    assert len(set(seen)) == 50
    assert seen == sorted(seen)


@pytest.mark.parametrize("longest_s", [store.LONGEST_WORK_S, 0.0], ids=["one commit", "a commit each"])
@pytest.mark.parametrize("fault", [ValueError, IllegalTransition, sqlite3.IntegrityError, UnicodeEncodeError])
def test_one_failing_work_spoils_no_other(
    path: Path, fault: type[Exception], longest_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever one piece of work raises: the others are kept in their order, it is undone, and its owner is told."""
    monkeypatch.setattr(store, "LONGEST_WORK_S", longest_s)
    journal = Journal(path)
    kept: list[str] = []
    told: list[type[Exception]] = []

    def bad(tx: Tx) -> str:
        notes.set_meta(tx, "bad", "x")
        if fault is sqlite3.IntegrityError:
            tx.execute("INSERT INTO meta VALUES ('bad', 'again')")
        elif fault is UnicodeEncodeError:
            notes.set_meta(tx, "bad", "\ud800")
        raise fault("as the test wants it")

    for number in range(5):
        journal.submit(note(f"k{number}"), kept.append)
        journal.submit(bad, kept.append, lambda exc: told.append(type(exc)))
    journal.start()
    journal.stop(WAIT_S)
    assert kept == [f"k{number}" for number in range(5)]
    assert told == [fault] * 5
    assert known(path) == set(kept)
    assert journal.failed is None


def test_statement_at_fault_is_not_a_broken_file(journal: Journal) -> None:
    """A mistake in SQL, or a value that no column takes, fails its own work; the ledger goes on."""
    faults: list[tuple[str, tuple[object, ...]]] = [("SELECT nonsense", ()), ("SELECT ?", (2**70,)), ("SELECT ?", ())]
    for text, values in faults:
        with pytest.raises((sqlite3.Error, OverflowError)):
            ask(journal, text, values)
    assert journal.write(note("after")) == "after"


def test_callback_at_fault_stops_nothing(journal: Journal, path: Path) -> None:
    """What is on disk is on disk; an acknowledgement that fails concerns nobody else."""
    done = threading.Event()
    journal.submit(note("a"), lambda _: [][0])
    journal.submit(note("b"), lambda _: done.set())
    assert done.wait(WAIT_S)
    assert known(path) == {"a", "b"}


def test_after_a_stop_everything_is_refused(path: Path) -> None:
    """What waited is committed, what comes later is refused at once: nobody waits for ever."""
    journal = Journal(path)
    told: list[str] = []
    journal.submit(note("before"), told.append)
    journal.start()
    journal.stop(WAIT_S)
    journal.submit(note("after"), told.append)
    with pytest.raises(JournalError, match="closed"):
        journal.write(note("after"))
    assert (told, known(path)) == (["before"], {"before"})
    journal.stop(WAIT_S)


def test_stop_before_start_closes(path: Path) -> None:
    """A start that failed elsewhere leaves no writer waiting and no file open."""
    journal = Journal(path)
    journal.stop(WAIT_S)
    with pytest.raises(JournalError, match="closed"):
        journal.write(note("a"))


def test_nobody_is_left_waiting_at_a_stop(path: Path) -> None:
    """Many threads write while the journal stops: each is answered, and what was promised is kept."""
    journal = Journal(path)
    journal.start()
    kept: list[str] = []

    def write_on(name: str) -> None:
        with contextlib.suppress(JournalError):
            for number in range(100_000):
                kept.append(journal.write(note(f"{name}.{number}")))

    writers = [threading.Thread(target=write_on, args=(str(number),), daemon=True) for number in range(4)]
    for writer in writers:
        writer.start()
    for number in range(20):
        journal.write(note(f"main.{number}"))
    journal.stop(WAIT_S)
    for writer in writers:
        writer.join(WAIT_S)
        assert not writer.is_alive()
    assert known(path) >= set(kept)


# -- opening -----------------------------------------------------------------------------------------------------


@pytest.fixture
def migrations(tmp_path: Path) -> Path:
    """A second step of the schema, as a later version would bring it."""
    folder = tmp_path / "migrations"
    shutil.copytree(MIGRATIONS, folder)
    (folder / "9999_more.sql").write_text("CREATE TABLE more (x);\nINSERT INTO more SELECT value FROM meta;\n")
    return folder


def test_migration_keeps_a_copy(path: Path, migrations: Path) -> None:
    """The file as it was stays beside the new one; what a crash left of an earlier copy is no hindrance."""
    with opened(path) as journal:
        journal.write(note("old"))
        before = journal.id
    path.with_suffix(f".v{SCHEMA}.db").write_text("an older copy")
    path.with_suffix(f".v{SCHEMA}.growing").write_text("a copy that a crash interrupted")
    with opened(path, migrations) as journal:
        assert journal.write(lambda tx: tx.execute("SELECT count(*) FROM more").fetchone()) == (3,)
        assert journal.id == before
    assert known(path.with_suffix(f".v{SCHEMA}.db")) == {"old"}
    assert not path.with_suffix(f".v{SCHEMA}.growing").exists()


def test_migration_is_all_or_nothing(path: Path, migrations: Path) -> None:
    """A step that fails leaves the schema and the number as they were; the older version still runs."""
    with opened(path) as journal:
        journal.write(note("old"))
    step = migrations / "9999_more.sql"
    step.write_text(step.read_text() + "INSERT INTO nowhere VALUES (1);\n")
    with pytest.raises(JournalBroken, match="nowhere"):
        Journal(path, migrations)
    assert not list(path.parent.glob("broken-*"))
    with opened(path) as journal:
        tables = journal.write(lambda tx: tx.execute("SELECT name FROM sqlite_master WHERE name = 'more'").fetchall())
        assert (tables, known(path)) == ([], {"old"})


def test_newer_schema_is_refused_in_clear_words(path: Path, migrations: Path) -> None:
    """An older version does not touch a newer one's file, and says what to do."""
    with opened(path, migrations) as journal:
        journal.write(note("new"))
    with pytest.raises(
        JournalNewer, match=rf"newer shop-agent \(schema {SCHEMA + 1}, this one knows {SCHEMA}\); install the newer"
    ):
        Journal(path)
    assert known(path) == {"new"}


def _additive(migrations: Path) -> None:
    """The later step says of itself that the version of now may go on after it."""
    step = migrations / "9999_more.sql"
    step.write_text(f"-- oldest: {SCHEMA}\nALTER TABLE cursors ADD COLUMN more TEXT NOT NULL DEFAULT 'new';\n")


def test_an_older_version_goes_on_where_the_newer_one_allows_it(path: Path, migrations: Path) -> None:
    """After an update is undone what came meanwhile is there, and what the old one adds is there for the new one."""
    _additive(migrations)
    with opened(path, migrations) as journal:
        journal.write(note("by the new one"))
    with opened(path) as journal:
        journal.write(note("by the old one"))
        journal.write(lambda tx: tx.execute("INSERT INTO cursors (source, last) VALUES ('cloud', 1)"))
    with opened(path, migrations) as journal:
        journal.write(note("by the new one again"))
        assert journal.write(lambda tx: tx.execute("SELECT more FROM cursors").fetchall()) == [("new",)]
    assert known(path) == {"by the new one", "by the old one", "by the new one again"}


def test_one_step_without_a_way_back_is_enough(path: Path, migrations: Path) -> None:
    """Whatever the steps around it say: the journal stands for all of them."""
    _additive(migrations)
    (migrations / "9998_taken_away.sql").write_text("CREATE TABLE taken_away (x);\n")
    assert (newest_schema(migrations), oldest_writer(migrations)) == (SCHEMA + 2, SCHEMA + 1)
    with opened(path, migrations) as journal:
        journal.write(note("new"))
    with pytest.raises(JournalNewer):
        Journal(path)
    assert known(path) == {"new"}


def test_who_can_go_on_is_told_by_each_step(path: Path, migrations: Path) -> None:
    """A version in between, cut off after its first step, lets back only whom that step lets back."""
    _additive(migrations)
    with opened(path, migrations):
        pass
    (migrations / "9999_x_taken_away.sql").write_text("CREATE TABLE taken_away (x);\n")
    (migrations / "9999_y_fails.sql").write_text(f"-- oldest: {SCHEMA}\nINSERT INTO nowhere VALUES (1);\n")
    with pytest.raises(JournalBroken, match="nowhere"):
        Journal(path, migrations)
    with pytest.raises(JournalNewer):
        Journal(path)


def test_the_agent_of_an_older_version_ends_with_78_and_words(tmp_path: Path, migrations: Path) -> None:
    """A wrong version is no broken disk: it is tried once a minute, and says in two languages what to install."""
    with opened(tmp_path / "journal.db", migrations) as journal:
        journal.write(note("new"))
    config = tmp_path / "shop-agent.yaml"
    config.write_text(f"shop: s421\ndata_dir: {tmp_path}\n")
    command = [sys.executable, "-m", "agent", "run", "--config", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S)
    assert done.returncode == 78
    assert "请装回新版本" in done.stderr
    assert "install the newer version again: sudo apt install shop-agent" in done.stderr
    assert known(tmp_path / "journal.db") == {"new"}


def test_without_room_for_a_copy_the_schema_stays(
    path: Path, migrations: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk is no time for a migration: nothing is changed, and the version of before goes on."""
    with opened(path) as journal:
        journal.write(note("old"))
    usage = shutil.disk_usage(path.parent)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1 << 20))
        with pytest.raises(JournalFull, match=r"1 MB are free, and the copy .* needs 16 MB: make room"):
            Journal(path, migrations)
    assert [file.name for file in path.parent.glob("journal.v*")] == []
    with opened(path):
        pass
    assert known(path) == {"old"}


def test_only_the_newest_copy_is_kept(path: Path, migrations: Path) -> None:
    """Each has the orders of customers in it, and is as large as the journal."""
    with opened(path):
        pass
    for version in (2, SCHEMA - 1):
        path.with_suffix(f".v{version}.db").write_text("an older copy")
    with opened(path, migrations):
        pass
    assert [file.name for file in path.parent.glob("journal.v*")] == [f"journal.v{SCHEMA}.db"]


def test_journal_keeps_its_name(path: Path) -> None:
    """Reports are told apart by the journal's id: the same over a restart, another for another file."""
    names = []
    for _ in range(2):
        with opened(path) as journal:
            names.append(journal.id)
    with opened(path.with_name("other.db")) as journal:
        names.append(journal.id)
    assert names[0] == names[1] != names[2]


def fill(path: Path) -> None:
    """A journal of some pages, closed without its WAL being put away: as after a power cut."""
    with opened(path) as journal, contextlib.closing(journal.reader()) as reader:
        journal.write(fill_some)
        reader.execute("SELECT count(*) FROM meta").fetchone()
        saved = {file: file.read_bytes() for file in (path, path.with_name(path.name + "-wal"))}
    for file, content in saved.items():
        file.write_bytes(content)


def settled(path: Path) -> None:
    """Everything in the file itself, nothing in a WAL."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()


def overwrite(path: Path) -> None:
    settled(path)
    content = bytearray(path.read_bytes())
    content[4096:-4096] = b"\xa5" * (len(content) - 8192)
    path.write_bytes(content)


def garbage(path: Path) -> None:
    settled(path)
    path.write_bytes(b"this is no database " * 1000)


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def shortened(path: Path) -> None:
    settled(path)
    path.write_bytes(path.read_bytes()[: 4096 * 5])


def bits(path: Path) -> None:
    settled(path)
    content = bytearray(path.read_bytes())
    for page in range(1, len(content) // 4096):
        content[page * 4096 + 4] ^= 0x42
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [overwrite, garbage, emptied, shortened, bits])
def test_broken_file_is_set_aside_whole(path: Path, damage: Callable[[Path], None]) -> None:
    """It is never deleted: it goes away with its WAL, and a new journal knows since when it counts. What is written
    then survives a power cut.
    """
    fill(path)
    damage(path)
    damaged = path.read_bytes()
    before = datetime.now(UTC)
    with opened(path) as journal:
        assert journal.rebuilt
        assert journal.rebuilt_at is not None
        assert journal.rebuilt_at >= before
        journal.write(note("new"))
        copy = path.with_name("after-power-cut.db")
        for suffix in ("", "-wal"):
            shutil.copy(path.with_name(path.name + suffix), copy.with_name(copy.name + suffix))
    assert known(copy) == {"new"}
    (folder,) = path.parent.glob("broken-*")
    assert (folder / path.name).stat().st_size == len(damaged)
    if damage is emptied:
        assert (folder / f"{path.name}-wal").stat().st_size > 0
    with opened(path) as journal:
        assert not journal.rebuilt  # said once
        assert journal.rebuilt_at is not None


def test_power_cut_while_a_file_is_set_aside(path: Path) -> None:
    """Moved away, but the new one was not there yet: it still counts as rebuilt."""
    folder = path.with_name("broken-20261122T000000000000")
    folder.mkdir()
    (folder / path.name).write_bytes(b"broken")
    with opened(path) as journal:
        assert journal.rebuilt


@pytest.mark.parametrize("empty", [True, False])
def test_what_a_lost_file_left_behind_gets_into_no_new_one(path: Path, tmp_path: Path, empty: bool) -> None:
    """Its rollback journal would be played into the journal that takes its place."""
    old = tmp_path / "old.db"
    with contextlib.closing(sqlite3.connect(old, isolation_level=None)) as writer:
        writer.execute("CREATE TABLE old(a)")
        writer.execute("PRAGMA cache_size=1")
        writer.execute("BEGIN")
        for _ in range(100):
            writer.execute("INSERT INTO old VALUES (zeroblob(500))")
        left = path.with_name(f"{path.name}-journal")
        shutil.copy(old.with_name("old.db-journal"), left)
    if empty:
        path.touch()
    with opened(path) as journal:
        assert journal.rebuilt
    (folder,) = path.parent.glob("broken-*")
    assert (folder / left.name).stat().st_size > 0
    assert not left.exists()


def test_a_link_to_a_journal_stays_a_link(path: Path, tmp_path: Path) -> None:
    """On a disk of its own: while that is away nothing is made in its place, for what was printed stands there."""
    disk = tmp_path / "disk"
    path.symlink_to(disk / "here.db")
    with pytest.raises(JournalError, match="mount its disk"):
        Journal(path)
    assert path.is_symlink()
    disk.mkdir()
    with opened(path) as journal:
        journal.write(note("kept"))
    assert known(disk / "here.db") == {"kept"}
    emptied(disk / "here.db")
    with opened(path) as journal:
        assert journal.rebuilt
    assert path.is_symlink()


def test_rebuilt_is_not_before_the_broken_file(path: Path) -> None:
    """A box whose clock went back since takes the broken file's last change."""
    folder = path.with_name("broken-20261122T000000000000")
    folder.mkdir()
    late = datetime(2031, 1, 1, tzinfo=UTC)
    (folder / path.name).write_bytes(b"broken")
    os.utime(folder / path.name, (late.timestamp(), late.timestamp()))
    with opened(path) as journal:
        assert journal.rebuilt_at == late


def test_corruption_met_at_work_is_examined_at_the_next_start(path: Path) -> None:
    """The quick check does not compare an index with its table; a journal that failed at work is checked to the end."""
    with opened(path) as journal:
        journal.write(lambda tx: [enter_job(tx) for _ in range(50)])
        root = journal.write(
            lambda tx: tx.execute("SELECT rootpage FROM sqlite_master WHERE name = 'jobs_of_order'").fetchone()[0]
        )
    content = bytearray(path.read_bytes())
    start = (root - 1) * int.from_bytes(content[16:18], "big")  # the page's size, as the file says it
    cells = int.from_bytes(content[start + 3 : start + 5], "big")
    content[start + 3 : start + 5] = (cells - 1).to_bytes(2, "big")  # one entry is gone
    path.write_bytes(content)
    path.with_suffix(".suspect").touch()
    with opened(path) as journal:
        assert journal.rebuilt
    assert not path.with_suffix(".suspect").exists()


def test_data_directory_that_can_not_be_written(path: Path, tmp_path: Path) -> None:
    """No place for the file is an error of the journal, and nothing is set aside."""
    with pytest.raises(JournalError):
        Journal(tmp_path / "nowhere" / "journal.db")
    path.mkdir()
    with pytest.raises(JournalError):
        Journal(path)
    assert not list(tmp_path.glob("broken-*"))


WRITER = """
import sys
from pathlib import Path
from agent.journal import notes
from agent.journal.file import MIGRATIONS
from agent.journal.store import Journal
journal = Journal(Path(sys.argv[1]))
journal.start()
for number in range(1_000_000):
    for part in range(3):
        key = f"{number}.{part}"
        work = lambda tx, key=key: notes.set_meta(tx, key, "x" * 3000)
        journal.submit(work, lambda _, key=key: print(key, flush=True))
    journal.write(lambda tx: None)
"""


@pytest.mark.parametrize("reported", [2, 50, 333])
def test_kill_loses_nothing_that_was_reported(path: Path, reported: int) -> None:
    """kill -9 at any moment: the file is sound, and everything that was said to be on disk is there."""
    command = [sys.executable, "-c", WRITER, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = {process.stdout.readline().strip() for _ in range(reported)}
        process.send_signal(signal.SIGKILL)
        said |= {line.strip() for line in process.stdout if line.endswith("\n")}
    with opened(path) as journal:
        assert not journal.rebuilt
        assert said <= known(path)


# -- no room, and I/O errors -------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"no small file system can be mounted here: {mounted.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def fill_disk(folder: Path) -> Path:
    """Take all the room there is."""
    ballast = folder / "ballast"
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 512)
    return ballast


def wait_for(true: Callable[[], bool]) -> None:
    """Until it is so."""
    turn = threading.Event()
    for _ in range(WAIT_S * 100):
        if true():
            return
        turn.wait(0.01)
    raise AssertionError("it never came")


def test_full_disk_acknowledges_nothing_and_recovers(small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While there is no room nothing is said to be kept, and nothing is forgotten; with room it goes on by itself."""
    monkeypatch.setattr("agent.journal.store.RETRY_FULL_S", 0.02)
    path = small_disk / "journal.db"
    with opened(path) as journal:
        journal.write(note("before"))
        ballast = fill_disk(small_disk)
        kept: list[str] = []
        for number in range(60):
            journal.submit(note(f"k{number}", "x" * 10_000), kept.append)
        wait_for(lambda: journal.full)
        while_full = list(kept)
        assert journal.alive()
        assert known(path) == {"before", *while_full}
        assert len(while_full) < 60
        ballast.unlink()
        journal.write(note("last"))
        assert not journal.full
        assert journal.failed is None
        assert kept == [f"k{number}" for number in range(60)]
        assert known(path) == {"before", "last", *kept}


def test_stop_while_the_disk_is_full(small_disk: Path) -> None:
    """A writer that waits for room is told at the stop that there is none; it does not hang."""
    path = small_disk / "journal.db"
    journal = Journal(path)
    journal.start()
    journal.write(note("before"))
    fill_disk(small_disk)
    told: list[Exception] = []

    def write_much() -> None:
        with pytest.raises(JournalFull) as caught:
            journal.write(note("much", "x" * 200_000))
        told.append(caught.value)

    writer = threading.Thread(target=write_much, daemon=True)
    writer.start()
    wait_for(lambda: journal.full)
    journal.stop(WAIT_S)
    writer.join(WAIT_S)
    assert len(told) == 1
    assert not journal.alive()
    assert known(path) == {"before"}


def test_a_disk_that_has_turned_read_only_is_no_wrong_configuration(small_disk: Path) -> None:
    """There is no other folder to be named: the disk is at fault, and the exit code says so."""
    (small_disk / "journal.db").touch()
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    config = small_disk.parent / "shop.yaml"
    config.write_text(f"shop: s1\ndata_dir: {small_disk}\nprinters: [{{name: kitchen, link: 'tcp://127.0.0.1:9'}}]\n")
    ran = subprocess.run(
        [sys.executable, "-m", "agent", "run", "--config", config], capture_output=True, text=True, check=False
    )
    assert (ran.returncode, "Restart the box" in ran.stderr, "请重启盒子" in ran.stderr) == (74, True, True)


def test_a_readers_path_is_a_path_and_no_option(tmp_path: Path) -> None:
    """A folder named by the service may be read by root: it opens nothing for writing, whatever its name is."""
    folder = tmp_path / "x?mode=rwc&y="
    folder.mkdir()
    with opened(folder / "journal.db") as journal:
        journal.write(note("before"))
    assert known(folder / "journal.db") == {"before"}
    with pytest.raises(JournalError):
        store.look_into(tmp_path / "new?mode=rwc&y=" / "journal.db", lambda tx: tx.execute("SELECT 1").fetchone())
    assert [each.name for each in tmp_path.iterdir()] == ["x?mode=rwc&y="]


def test_full_disk_at_the_start_sets_nothing_aside(small_disk: Path) -> None:
    """A journal that has no room to open is not a broken one; with room it is there again."""
    path = small_disk / "journal.db"
    with opened(path) as journal:
        journal.write(note("before"))
    ballast = fill_disk(small_disk)
    with contextlib.suppress(JournalError):
        Journal(path).stop(WAIT_S)
    ballast.unlink()
    with opened(path) as journal:
        assert not journal.rebuilt
        assert known(path) == {"before"}


def test_page_limit_is_a_full_disk(journal: Journal, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever the limit comes from: nothing is said to be kept until there is room."""
    monkeypatch.setattr("agent.journal.store.RETRY_FULL_S", 0.02)
    pages = journal.write(lambda tx: tx.execute("PRAGMA page_count").fetchone()[0])
    journal.write(lambda tx: tx.execute(f"PRAGMA max_page_count={pages}").fetchall())
    room = threading.Event()

    def work(tx: Tx) -> str:
        if room.is_set():
            tx.execute("PRAGMA max_page_count=1000000").fetchall()
        return note("much", "x" * 50_000)(tx)

    done = threading.Event()
    journal.submit(work, lambda _: done.set())
    wait_for(lambda: journal.full)
    assert not done.is_set()
    assert known(path) == set()
    room.set()
    assert done.wait(WAIT_S)
    assert known(path) == {"much"}


LIMITED = """
import resource, signal, sys
from pathlib import Path
from agent.errors import JournalError
from agent.journal import notes
from agent.journal.file import MIGRATIONS
from agent.journal.store import Journal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
journal = Journal(Path(sys.argv[1]))
journal.start()
journal.write(lambda tx: notes.set_meta(tx, "before", "x"))
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
for key in ("much", "after"):
    try:
        journal.write(lambda tx, key=key: notes.set_meta(tx, key, "x" * 300_000))
    except JournalError as exc:
        print(type(exc).__name__, journal.failed is not None)
journal.stop(10)
print(journal.alive())
"""


def test_io_error_ends_the_journal(path: Path) -> None:
    """A write that the kernel refuses (EFBIG) is an I/O error: this handle is given up, every later write is refused,
    and a new process finds what was promised.
    """
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(path)], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.split() == ["JournalBroken", "True", "JournalBroken", "True", "False"]
    assert known(path) == {"before"}
    with opened(path) as journal:
        assert not journal.rebuilt


def run(*command: object) -> str:
    """What a command complains of; empty when it did its work."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stderr.strip() or f"exit {done.returncode}"


def test_file_system_that_turns_read_only_ends_the_journal(tmp_path: Path) -> None:
    """As ext4 does when the card below it fails: the journal says that it failed, and keeps what it promised."""
    image, folder = tmp_path / "image", tmp_path / "mounted"
    image.write_bytes(b"")
    os.truncate(image, 8 << 20)
    folder.mkdir()
    mkfs = shutil.which("mkfs.ext4") or "/usr/sbin/mkfs.ext4"
    if fault := (run(mkfs, "-q", image) if Path(mkfs).exists() else "no mkfs.ext4") or run(
        "mount", "-o", "loop", image, folder
    ):
        pytest.skip(f"no file system can be made to fail here: {fault}")
    try:
        journal = Journal(folder / "journal.db")
        journal.start()
        journal.write(note("before"))
        assert run("mount", "-o", "remount,abort", folder) == ""
        with pytest.raises(JournalError):
            journal.write(note("after"))
        with pytest.raises(JournalError):
            journal.write(note("later"))
        assert isinstance(journal.failed, JournalBroken)
        journal.stop(WAIT_S)
        with pytest.raises(JournalBroken):  # for a new process too; it is not taken for broken
            Journal(folder / "journal.db")
        assert not list(folder.glob("broken-*"))
        assert [run("umount", folder), run("mount", "-o", "loop", image, folder)] == ["", ""]
        with opened(folder / "journal.db") as journal:
            assert not journal.rebuilt
            assert "before" in known(folder / "journal.db")
    finally:
        run("umount", "-l", folder)


def test_file_corrupted_at_work_ends_the_journal(path: Path) -> None:
    """What SQLite calls corrupt while it works: the journal fails, and the next start examines all of it."""
    with opened(path) as journal:
        journal.write(fill_some)
    with opened(path) as journal:
        content = bytearray(path.read_bytes())
        content[4096:] = b"\xa5" * (len(content) - 4096)
        journal.write(lambda tx: (tx.execute("PRAGMA shrink_memory"), note("wal")(tx)))
        with path.open("r+b") as file:  # the same inode
            file.write(content)
        with pytest.raises(JournalBroken):
            journal.write(lambda tx: tx.execute("SELECT count(*) FROM jobs, outbox, moves, meta").fetchall())
        assert journal.failed is not None
        with pytest.raises(JournalBroken):
            journal.write(note("after"))
    with opened(path) as journal:
        assert journal.rebuilt


# -- cost --------------------------------------------------------------------------------------------------------


def test_no_question_reads_the_whole_ledger(journal: Journal) -> None:
    """What is asked for every order costs the same with a hundred thousand orders: each query goes by an index."""
    journal.write(enter_job)
    asked: list[str] = []

    def ask(tx: Tx) -> list[str]:
        tx.set_trace_callback(asked.append)
        jobs.next_pending(tx, "kitchen")
        jobs.in_flight(tx, "kitchen")
        jobs.unsettled(tx)
        jobs.next_pending(tx, "bar", stands_in=(jobs.Route("wok", "kitchen"),))
        jobs.release(tx, "kitchen")
        jobs.withdraw(tx, 7, "")
        told(tx, 7)
        jobs.waiting(tx)
        jobs.oldest_waiting(tx)
        routes.reroute(tx, {"wok": "kitchen"}, "kitchen", {"kitchen"})
        closing.close_order(tx, 1)
        tx.set_trace_callback(None)
        queries = [text for text in asked if text.lstrip().startswith("SELECT")]
        return [str(row[3]) for text in queries for row in tx.execute(f"EXPLAIN QUERY PLAN {text}")]

    plans = journal.write(ask)
    assert len(plans) > 10
    assert [plan for plan in plans if plan.startswith("SCAN") and "jobs_open" not in plan] == []
    assert [plan for plan in plans if "PRIMARY KEY (rowid>?)" in plan] == []
