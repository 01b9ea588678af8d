"""An older journal on a recorded disk, brought up to date by a newer agent; and a new box's first one."""

import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path

from agent.journal.file import MIGRATIONS, open_journal
from tests.powercut.device import recorded
from tests.powercut.shop import Run
from tests.powercut.states import read_log, sectors_of

OLD, NEW = 3, len(list(MIGRATIONS.glob("*.sql")))
"""Steps of the older schema, and of this agent's."""
ROWS = 400
_OPEN = "import sys, pathlib; from agent.journal.file import open_journal; open_journal(pathlib.Path(sys.argv[1]))"


def live(work: Path) -> Run:
    """Make an older journal with something in it, and then open it with all that this agent knows."""
    with recorded(work) as disk:
        older = work / "older"
        older.mkdir()
        for step in sorted(MIGRATIONS.glob("*.sql"))[:OLD]:
            shutil.copy(step, older)
        path = disk.folder / "journal.db"
        with closing(open_journal(path, older).connection) as connection:
            connection.execute("BEGIN")
            rows = ((str(number), "x" * 300) for number in range(ROWS))
            connection.executemany("INSERT INTO meta VALUES ('n' || ?, ?)", rows)
            connection.execute("COMMIT")
            acknowledged = {1: disk.position()}
            subprocess.run([sys.executable, "-c", _OPEN, str(path)], check=True, stdout=subprocess.DEVNULL)
        before, count = sectors_of(disk.before), disk.position()
    return Run(before, read_log(disk.log, count), acknowledged, [], 0)


def first(work: Path) -> Run:
    """Make a journal where there was none."""
    with recorded(work) as disk:
        subprocess.run([sys.executable, "-c", _OPEN, str(disk.folder / "journal.db")], check=True, capture_output=True)
        before, count = sectors_of(disk.before), disk.position()
    return Run(before, read_log(disk.log, count), {}, [], 0)


def wrong_first(folder: Path, seen: Counter[bool]) -> str:
    """What is wrong after a cut while the first journal was made: it is not there, or has its schema, and the next
    start accuses nobody. `seen` counts both.
    """
    path = folder / "journal.db"
    seen[path.exists()] += 1
    if path.exists():
        with closing(sqlite3.connect(path)) as connection:
            if connection.execute("PRAGMA user_version").fetchone()[0] != NEW:
                return "a journal without its schema"
    opened = open_journal(path)
    opened.connection.close()
    return "the journal was set aside" if opened.rebuilt_at is not None else ""


def wrong(folder: Path, seen: Counter[int]) -> str:
    """What is wrong with the journal after a cut since its rows were committed; `seen` counts the schemas."""
    path = folder / "journal.db"
    with closing(sqlite3.connect(path)) as connection:
        seen[connection.execute("PRAGMA user_version").fetchone()[0]] += 1
    for copy in folder.glob("journal.v*.db"):
        with closing(sqlite3.connect(copy)) as connection:
            if connection.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok" or _rows(connection) != ROWS:
                return f"the copy {copy.name} is not whole"
    opened = open_journal(path)
    with closing(opened.connection) as connection:
        if opened.rebuilt or (rows := _rows(connection)) != ROWS:
            return "the journal was set aside" if opened.rebuilt else f"{rows} of {ROWS} rows are left"
    return ""


def _rows(connection: sqlite3.Connection) -> int:
    return int(
        connection.execute("SELECT count(*) FROM meta WHERE key LIKE 'n%' AND length(value) = 300").fetchone()[0]
    )
