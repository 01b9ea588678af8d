"""The disk that forgets: what was synced stays, what was not may go, and errors arrive as the kernel says them."""

import contextlib
import itertools
import random
import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from agent.errors import JournalBroken, JournalError, JournalFull
from agent.journal import notes
from agent.journal.file import Tx
from agent.journal.store import Journal, _Task
from tests.disk.disk import Disk, Fault, Op
from tests.disk.platter import PAGE, SECTOR, File, Write
from tests.disk.sqlitevfs import reachable

pytestmark = pytest.mark.skipif(not reachable(), reason="SQLite is linked into this Python: nothing fits below it")
COMMITS = 60


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


def journal_at(folder: Path, *, synchronous: str = "FULL") -> Journal:
    """A journal of the agent's own, at work."""
    journal = Journal(folder / "journal.db")
    journal._connection.execute(f"PRAGMA synchronous={synchronous}")
    journal.start()
    return journal


def known(folder: Path) -> set[str]:
    """The notes that a journal holds when the agent opens it after a cut; it must be sound."""
    if not (folder / "journal.db").exists():
        return set()
    journal = Journal(folder / "journal.db")
    assert not list(folder.glob("broken-*")), "a power cut broke the file"
    journal.start()
    try:
        return set(journal.write(lambda tx: [key for (key,) in tx.execute("SELECT key FROM meta WHERE key LIKE 'n%'")]))
    finally:
        journal.stop(10)


def tables(path: Path) -> set[str]:
    """What a journal's file holds as it lies there."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}


def states_that_lost(folder: Path, tmp_path: Path, synchronous: str) -> int:
    """See what power cuts would leave of a journal at work; returns how many states lack what was acknowledged."""
    chance, lost, states = random.Random(7), 0, 0
    with Disk(folder) as disk:
        journal = journal_at(folder, synchronous=synchronous)
        acknowledged: set[str] = set()

        def state(op: Op) -> None:
            nonlocal lost, states
            if chance.random() < 0.15:
                states += 1
                left = tmp_path / f"left-{op.number}"
                disk.leave(left, chance)
                lost += not acknowledged <= known(left)

        disk.after = state
        for number in range(COMMITS):
            key = f"n{number}"
            journal.write(partial(notes.set_meta, key=key, value="x" * 300))
            acknowledged.add(key)
            if number % 20 == 19:
                journal._since_checkpoint = 10**6  # the next commit is followed by a checkpoint
        journal.stop(10)
    assert states > 40
    return lost


def test_what_was_committed_with_full_survives_every_cut(folder: Path, tmp_path: Path) -> None:
    """synchronous=FULL: whatever becomes of the sectors that were not synced, an acknowledged row is there."""
    assert states_that_lost(folder, tmp_path, "FULL") == 0


@pytest.mark.parametrize("number", range(9, 15))
def test_what_is_committed_after_a_cut_within_the_first_start_survives_the_next_cut(
    tmp_path: Path, number: int
) -> None:
    """A rollback journal that the disk brings back would make SQLite empty the file, and delete its log."""
    for seed in range(12):
        chance = random.Random(seed)
        new, cut_once, cut_twice = (tmp_path / f"{name}-{seed}" for name in ("new", "once", "twice"))
        new.mkdir()
        with Disk(new) as disk:
            disk.before = partial(leave_at, number, partial(disk.leave, cut_once, chance))
            journal_at(new).stop(10)
        with Disk(cut_once) as disk:
            journal = journal_at(cut_once)
            journal.write(lambda tx: notes.set_meta(tx, "n1", "x"))
            disk.leave(cut_twice, chance)
            journal.stop(10)
        assert known(cut_twice) == {"n1"}


def leave_at(number: int, leave: Callable[[], None], op: Op) -> None:
    """Before the `number`-th operation, see what a cut would leave."""
    if op.number == number:
        leave()


def test_with_normal_acknowledged_rows_go_missing(folder: Path, tmp_path: Path) -> None:
    """synchronous=NORMAL loses rows at a cut; a rig that finds none would prove nothing about FULL."""
    assert states_that_lost(folder, tmp_path, "NORMAL") > 0


def test_a_cut_takes_the_power_of_what_is_open(folder: Path) -> None:
    """After a cut the old journal fails and touches nothing; a new one goes on with what was acknowledged."""
    with Disk(folder) as disk:
        journal = journal_at(folder)
        journal.write(lambda tx: notes.set_meta(tx, "n1", "x"))
        disk.cut(random.Random(1))
        with pytest.raises(JournalBroken):
            journal.write(lambda tx: notes.set_meta(tx, "n2", "x"))
        second = journal_at(folder)
        second.write(lambda tx: notes.set_meta(tx, "n3", "x"))
        journal.stop(10)
        second.stop(10)
        assert known(folder) == {"n1", "n3"}


@pytest.mark.parametrize("number", range(1, 25))
def test_a_cut_within_a_commit_leaves_all_or_nothing_of_it(folder: Path, number: int) -> None:
    """The hook may cut the power at any operation: a transaction is there or is not, and an acknowledged one is."""
    kept: set[str] = set()
    with Disk(folder) as disk:
        journal = journal_at(folder)
        first = disk.operations

        def cut(op: Op) -> None:
            if op.number == first + number:
                disk.cut(random.Random(number))

        disk.before = cut
        with contextlib.suppress(JournalError):
            for key in ("n1", "n2", "n3"):
                journal.write(partial(two_notes, key=key))
                kept |= {key, f"{key}b"}
        journal.stop(10)
        disk.before = lambda _: None
        left = known(folder)
    assert kept <= left
    assert {key for key in left if not key.endswith("b")} == {key[:-1] for key in left if key.endswith("b")}


def test_a_cut_while_the_journal_is_made_breaks_none(tmp_path: Path) -> None:
    """A new box loses its power within its first start, at any of its operations (every other): the next start finds
    no journal or a whole one, and accuses nobody.
    """
    for number in itertools.count(1, 2):
        folder = tmp_path / str(number)
        folder.mkdir()
        with Disk(folder) as disk:

            def cut(op: Op, number: int = number, disk: Disk = disk) -> None:
                if op.number == number:
                    disk.cut(random.Random(number))

            disk.before = cut
            with contextlib.suppress(JournalError):
                Journal(folder / "journal.db").stop(10)
            assert not (folder / "journal.db").exists() or "numbers" in tables(folder / "journal.db")
            was_cut, disk.before = disk.operations >= number, lambda _: None
            again = Journal(folder / "journal.db")
            again.stop(10)
            assert again.rebuilt_at is None
        if not was_cut:
            break
    assert number > 50


def test_a_wal_without_its_journal_is_set_aside(folder: Path) -> None:
    """Somebody removed journal.db and left its WAL: no page of the lost journal gets into the new one."""
    journal = journal_at(folder)
    journal.write(lambda tx: notes.set_meta(tx, "n1", "x"))
    left = (folder / "journal.db-wal").read_bytes()
    journal.stop(10)
    (folder / "journal.db").unlink()
    (folder / "journal.db-wal").write_bytes(left)
    again = journal_at(folder)
    again.stop(10)
    assert again.rebuilt
    (aside,) = folder.glob("broken-*")
    assert (aside / "journal.db-wal").read_bytes() == left


def test_a_failed_sync_is_forgotten_by_the_next() -> None:
    """As Linux does it: what a failed sync did not write is taken for written, and no later sync writes it."""
    file = File(b"", entered=True)
    file.write(Write(0, b"a" * PAGE))
    file.sync_failed()
    file.write(Write(PAGE, b"b" * PAGE))
    file.sync()
    assert file.durable == bytes(PAGE) + b"b" * PAGE
    file.write(Write(10, b"c"))
    file.sync()
    assert file.durable == b"a" * 10 + b"c" + b"a" * (PAGE - 11) + b"b" * PAGE


def test_what_is_left_of_a_write_are_whole_sectors() -> None:
    """Each sector is old or new; in many states both are seen, and some lie before others that did not land."""
    seen = set()
    for seed in range(200):
        file = File(b"-" * 4 * SECTOR, entered=True)
        file.write(Write(100, b"+" * 3 * SECTOR))
        left = file.after_a_cut(random.Random(seed))
        sectors = [left[start : start + SECTOR] for start in range(0, 4 * SECTOR, SECTOR)]
        new = [bytearray(b"-" * 100 + b"+" * 412), *[b"+" * SECTOR] * 2, b"+" * 100 + b"-" * 412]
        assert all(sector in (b"-" * SECTOR, wanted) for sector, wanted in zip(sectors, new, strict=True))
        seen.add(tuple(b"+" in sector for sector in sectors))
    assert {(False,) * 4, (True,) * 4, (False, True, False, True)} <= seen


def two_notes(tx: Tx, key: str) -> None:
    """Two rows in one transaction."""
    notes.set_meta(tx, key, "x" * 3000)
    notes.set_meta(tx, f"{key}b", "x" * 3000)


@pytest.mark.parametrize(
    ("what", "fault", "error"),
    (
        ("write", Fault.FULL, JournalFull),
        ("write", Fault.BROKEN, JournalBroken),
        ("write", Fault.READ_ONLY, JournalBroken),
        ("sync", Fault.BROKEN, JournalBroken),
        ("sync", Fault.FULL, JournalBroken),
    ),
)
def test_a_failing_operation_is_told_as_the_kernel_would(
    folder: Path, what: str, fault: Fault, error: type[JournalError]
) -> None:
    """ENOSPC at a write is a full disk; everything else means that this handle is used no more."""
    with Disk(folder) as disk:
        journal = Journal(folder / "journal.db")
        disk.before = lambda op: fault if op.what == what else None
        with pytest.raises(error):
            journal._transaction([_Task(partial(two_notes, key="n1"))])
        disk.before = lambda _: None
        journal.stop(10)
