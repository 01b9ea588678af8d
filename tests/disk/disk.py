"""A disk under the journal's SQLite: it counts what is done, fails when told to, and after a power cut it holds what a
true one may hold.

    with Disk(folder) as disk:      # what SQLite does below this folder, in this process, from now on
        disk.before = at(7, Fault.FULL)
        ...
        disk.cut(random.Random(1))  # every file is now as the power cut left it; what was open fails for ever

SQLite's files only: what else is in the folder stays as it is. Nothing here is by chance but by the given Random.
"""

import random
import threading
from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from enum import Enum
from pathlib import Path
from types import TracebackType

import msgspec

from tests.disk.platter import File, Write
from tests.disk.sqlitevfs import CREATE, JOURNALS, READONLY, READWRITE, Call, shim

_IOERR, _FULL, _CANTOPEN = 10, 13, 14
_IOERR_OF = {"write": 778, "sync": 1034, "truncate": 1546, "delete": 2570, "lock": 3850}


class Fault(Enum):
    """Why an operation fails, as the kernel would say it."""

    FULL = "ENOSPC"
    BROKEN = "EIO"
    READ_ONLY = "EROFS"


class Op(msgspec.Struct, frozen=True):
    """One thing that SQLite does: the `number`-th, from 1. `what`: open, create, write, truncate, sync, delete."""

    number: int
    what: str
    path: Path
    length: int = 0


class Handle(msgspec.Struct):
    """An open file. The first sync of a new `journal` syncs its folder too."""

    path: Path
    file: File
    journal: bool


def at(number: int, fault: Fault, *, lasting: bool = False) -> Callable[[Op], Fault | None]:
    """The `number`-th operation fails; or it and all that follow."""
    return lambda op: fault if op.number == number or (lasting and op.number > number) else None


class Disk:
    """What lies below `folder`. `before` may fail an operation, or cut the power; so may `after`, which only looks."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.before: Callable[[Op], Fault | None] = lambda _: None
        self.after: Callable[[Op], None] = lambda _: None
        self.count: Counter[tuple[str, str]] = Counter()
        """By what, and the file's name."""
        self.operations = 0
        self.written = 0
        """Bytes."""
        self._door = threading.RLock()
        self._files: dict[Path, File] = {}
        self._gone: dict[Path, File] = {}
        """Deleted, which the folder may forget."""

    def __enter__(self) -> "Disk":
        shim().layers.append(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        shim().layers.remove(self)
        shim().reraise()

    # -- power ---------------------------------------------------------------------------------------------------

    @property
    def touched(self) -> set[Path]:
        """The files that something was done to."""
        return {*self._files, *self._gone}

    def leave(self, to: Path, chance: random.Random) -> None:
        """Write into another folder what a power cut at this moment may leave; nothing changes here."""
        with self._door:
            for path, content in self._after_a_cut(chance).items():
                kept = to / path.relative_to(self.folder)
                kept.parent.mkdir(parents=True, exist_ok=True)
                kept.write_bytes(content)

    def carried(self, to: Path) -> "Disk":
        """This disk, where the folder was copied meanwhile: whoever worked in it is gone, the power is not."""
        other = Disk(to)
        for mine, its in ((self._files, other._files), (self._gone, other._gone)):
            its.update({to / path.relative_to(self.folder): deepcopy(file) for path, file in mine.items()})
        return other

    def cut(self, chance: random.Random) -> None:
        """Cut the power: the folder holds what is left, and whatever was open fails from now on."""
        with self._door:
            left = self._after_a_cut(chance)
            for path, file in (*self._files.items(), *self._gone.items()):
                file.dead = True
                path.unlink(missing_ok=True)  # who has it open keeps it to himself
                path.with_name(f"{path.name}-shm").unlink(missing_ok=True)
            for path, content in left.items():
                path.write_bytes(content)
            self._files, self._gone = {}, {}

    def _after_a_cut(self, chance: random.Random) -> dict[Path, bytes]:
        left: dict[Path, bytes] = {}
        for path in sorted({*self._files, *self._gone}):
            file, gone = self._files.get(path), self._gone.get(path)
            if file is not None and path.exists() and (file.entered or chance.random() < 0.5):
                left[path] = file.after_a_cut(chance)
            elif gone is not None and chance.random() < 0.5:
                left[path] = gone.after_a_cut(chance)
        return left

    # -- what SQLite does (tests.disk.sqlitevfs.Layer) -----------------------------------------------------------

    def concerns(self, path: Path) -> bool:
        """Is it below the folder?"""
        return self.folder in path.parents

    def opening(self, path: Path, flags: int, real: Callable[[int], int]) -> tuple[int, Handle | None]:
        """A file is opened, or made; to be read only it is none of ours."""
        if not flags & READWRITE:
            return real(flags), None
        new = not path.exists()
        op, fault = self._begin("create" if new else "open", path)
        if fault is Fault.READ_ONLY and not new:
            return real(flags & ~(READWRITE | CREATE) | READONLY), None
        if fault is not None and (new or fault is Fault.BROKEN):
            return _CANTOPEN, None
        if code := real(flags):
            return code, None
        with self._door:
            if new or path not in self._files:
                self._files[path] = File(b"" if new else path.read_bytes(), entered=not new)
            handle = Handle(path, self._files[path], bool(flags & JOURNALS))
        self.after(op)
        return 0, handle

    def writing(self, handle: Handle, offset: int, data: bytes, real: Call) -> int:
        """Bytes are written."""

        def keep() -> None:
            handle.file.write(Write(offset, data))
            self.written += len(data)

        return self._do("write", handle, real, keep, len(data))

    def truncating(self, handle: Handle, size: int, real: Call) -> int:
        """A file is cut or grown to a size."""
        return self._do("truncate", handle, real, lambda: handle.file.write(Write(size, None)), size)

    def syncing(self, handle: Handle, real: Call) -> int:
        """What was written shall be on the disk."""

        def keep() -> None:
            handle.file.sync()
            if handle.journal and not handle.file.entered:
                self._enter(handle.path.parent)

        code = self._do("sync", handle, real, keep)
        if code and not handle.file.dead:
            handle.file.sync_failed()
        return code

    def locking(self, handle: Handle, real: Call) -> int:
        """A lock is wanted. Who lost his power gets none, or he would clear away another's files when he closes."""
        return _IOERR_OF["lock"] if handle.file.dead else real()

    def deleting(self, path: Path, sync_folder: bool, real: Call) -> int:
        """A file is deleted."""
        if not path.exists():
            return real()
        op, fault = self._begin("delete", path)
        if fault is not None and fault is not Fault.FULL:
            return _IOERR_OF["delete"]
        if code := real():
            return code
        with self._door:
            if (file := self._files.pop(path, None)) is not None and file.entered:
                self._gone[path] = file
            if sync_folder:
                self._enter(path.parent)
        self.after(op)
        return 0

    def _do(self, what: str, handle: Handle, real: Call, keep: Callable[[], None], length: int = 0) -> int:
        if handle.file.dead:
            return _IOERR_OF[what]
        op, fault = self._begin(what, handle.path, length)
        if fault is not None or handle.file.dead:
            return _FULL if fault is Fault.FULL and what == "write" else _IOERR_OF[what]
        if code := real():
            return code
        with self._door:
            keep()
        self.after(op)
        return _IOERR_OF[what] if handle.file.dead else 0

    def _begin(self, what: str, path: Path, length: int = 0) -> tuple[Op, Fault | None]:
        with self._door:
            self.operations += 1
            self.count[what, path.name] += 1
            op = Op(self.operations, what, path, length)
        return op, self.before(op)

    def _enter(self, folder: Path) -> None:
        """The folder is on the disk as it is now."""
        for path in [path for path in self._gone if path.parent == folder]:
            del self._gone[path]
        for path, file in self._files.items():
            file.entered |= path.parent == folder
