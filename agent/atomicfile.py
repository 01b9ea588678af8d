"""A file replaced as a whole: after a power cut there is the old one or the new one, never half of one."""

import contextlib
import errno
import os
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path

_SUFFIX = ".new"


def replace(path: Path, data: bytes, *, mode: int | None = None, before: Callable[[], None] = lambda: None) -> None:
    """Put `data` into the file, and onto the disk. A file that is there keeps its owner, and its mode where none is
    given; a new one belongs to whom its folder belongs. `before` is called last of all before it, and may raise.

    Raises:
        OSError: nothing has changed; or, from the very last step, it has and may not survive a power cut.
    """
    growing = _grown(path, data, mode)
    try:
        before()
        growing.replace(path)
    finally:
        growing.unlink(missing_ok=True)
    sync_folder(path.parent)


def create(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Make a file that is not there yet. Raises FileExistsError when it is, and OSError as `replace` does."""
    growing = _grown(path, data, mode)
    try:
        os.link(growing, path)
    except PermissionError:  # a FAT has no links
        if path.exists():
            raise FileExistsError(path) from None
        growing.replace(path)
    finally:
        growing.unlink(missing_ok=True)
    sync_folder(path.parent)


def remove(path: Path) -> None:
    """Take the file away, for good. Raises OSError."""
    path.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """What was made, renamed or removed there survives a power cut. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def open_own(path: Path) -> int:
    """Open a file to read it and to add to it, or make it; it is given to whom its folder belongs. Root may do so in
    another's folder: no link is followed, and a stranger's file with a second name elsewhere is not touched.

    Raises:
        OSError: it can't be opened, or is such a file.
    """
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o600)
    try:
        about, folder = os.fstat(descriptor), path.parent.stat()
        if not stat.S_ISREG(about.st_mode) or (about.st_nlink > 1 and about.st_uid != folder.st_uid):
            raise OSError(errno.EINVAL, "Not a file of its own", str(path))
        own_like(descriptor, folder)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def own_like(descriptor: int, there: os.stat_result) -> None:
    """Give a file to another's owner, as far as this user may: root may, and others keep what they make."""
    mine = os.fstat(descriptor)
    if (mine.st_uid, mine.st_gid) != (there.st_uid, there.st_gid):
        with contextlib.suppress(PermissionError):
            os.fchown(descriptor, -1, there.st_gid)
        with contextlib.suppress(PermissionError):
            os.fchown(descriptor, there.st_uid, -1)


def _grown(path: Path, data: bytes, mode: int | None) -> Path:
    """The new content in a file beside it, on the disk."""
    there = path.lstat() if os.path.lexists(path) else None
    if there is not None and stat.S_ISLNK(there.st_mode):
        there = None  # the link is replaced: what it leads to may be another's
    if there is not None:
        for left in path.parent.glob(f".{path.name}.*{_SUFFIX}"):  # of a power cut
            left.unlink(missing_ok=True)
    if mode is None:
        mode = 0o600 if there is None else there.st_mode & 0o7777
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=_SUFFIX, dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            own_like(file.fileno(), there or path.parent.stat())
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return Path(name)
