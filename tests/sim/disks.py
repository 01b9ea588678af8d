"""The agent's disk from one life to the next: a folder each, because nobody can close what a dead process had open."""

import random
import shutil
from contextlib import nullcontext
from pathlib import Path

from tests.disk.disk import Disk
from tests.disk.sqlitevfs import shim


def first_disk(folder: Path) -> Disk:
    """An empty one."""
    folder.mkdir()
    return _put_in(Disk(folder))


def next_disk(last: Disk, folder: Path, power_cut: random.Random | None) -> Disk:
    """What the next life finds: all that the last one wrote, or what a power cut left of it."""
    remove(last)
    shutil.copytree(last.folder, folder, ignore=shutil.ignore_patterns("*-shm"))
    if power_cut is None:
        return _put_in(last.carried(folder))
    for path in last.touched:
        (folder / path.relative_to(last.folder)).unlink(missing_ok=True)
    last.leave(folder, power_cut)
    return _put_in(Disk(folder))


def remove(disk: Disk) -> None:
    """Nothing goes through it any more."""
    if disk in shim().layers:
        shim().layers.remove(disk)


def _put_in(disk: Disk) -> Disk:
    disk._door = nullcontext()  # type: ignore[assignment]  # within SQLite no task may hand over
    shim().layers.append(disk)
    return disk
