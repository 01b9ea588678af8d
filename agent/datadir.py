"""Whose a data directory is: one agent works in it, for as long as it lives."""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TextIO

from agent import atomicfile
from agent.config.warnings import data_dir_unusable
from agent.errors import ConfigError, DataDirLocked, JournalBroken


def _lock_file(data_dir: Path) -> TextIO:
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        return os.fdopen(atomicfile.open_own(data_dir / "lock"), "a+")
    except OSError as exc:
        if exc.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO):  # nothing that the configuration could mend
            raise
        if exc.errno == errno.EROFS and (data_dir / "journal.db").exists():
            raise JournalBroken(
                f"{data_dir}: the disk has turned read-only, as it does after an error; nothing is lost, the cloud has "
                "the orders. Restart the box; if that does not help, or it comes again, replace its card or disk",
                f"{data_dir}：硬盘（存储卡）出错，变成只读了；订单还在云端，不会丢。请重启盒子；不行或再出现，就换卡（硬盘）",
            ) from exc
        raise ConfigError(data_dir_unusable(data_dir, str(exc.strerror))) from exc


@contextmanager
def locked(data_dir: Path) -> Iterator[None]:
    """One agent a data directory, for as long as it lives: the kernel lets go when the process dies.

    The folder itself is locked, because a file in it may be deleted; the file says who holds it.
    """
    with _lock_file(data_dir) as file, _opened(data_dir) as folder:
        _lock(folder, data_dir)
        file.truncate(0)
        file.write(f"shop-agent, process {os.getpid()}\n")
        file.flush()
        yield


@contextmanager
def unattended(data_dir: Path) -> Iterator[None]:
    """As long as no agent works here, so that its printers may be asked by somebody else; none starts meanwhile.

    Nothing is made: what root made here the service's user could not use.

    Raises:
        DataDirLocked: one does.
    """
    with ExitStack() as stack:
        try:
            _lock(stack.enter_context(_opened(data_dir)), data_dir)
        except FileNotFoundError:
            pass  # then none ever did
        except OSError as exc:
            raise ConfigError(data_dir_unusable(data_dir, str(exc.strerror))) from exc
        yield


def _lock(folder: int, data_dir: Path) -> None:
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as exc:
        holder = (data_dir / "lock").read_text().strip() if (data_dir / "lock").exists() else ""
        number = f"（进程 {holder.rpartition(' ')[2]}）" if holder else ""
        raise DataDirLocked(
            f"{data_dir} is in use by {holder or 'another process'}; "
            "stop that one first, or give this one its own data_dir",
            f"已有一个程序在用这个目录{number}：先停掉它，或给这个写自己的 data_dir",
        ) from exc


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
