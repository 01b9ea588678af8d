"""A block device with ext4 that records every sector and every flush of a live program; and images of it, mounted.

Root, /dev/fuse, loop devices and qemu-storage-daemon. Mounts are this process's own: they end with it, whatever
happens, and nobody who copies the machine's mounts meanwhile (a chroot, a container) keeps ours alive.
"""

import ctypes
import errno
import fcntl
import os
import shutil
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache, partial
from pathlib import Path

import msgspec

SIZE = 160 << 20
"""Two groups of blocks, so that there is a second superblock as on a true card."""
_READY_S = 10.0
_PROGRAMS = ("qemu-storage-daemon", "mke2fs", "e2fsck", "losetup")
_LIBC = ctypes.CDLL(None, use_errno=True)
_NOATIME, _PRIVATE, _BLKFLSBUF, _CLONE_NEWNS = 0x400, 0x44000, 0x1261, 0x20000


def missing() -> str:
    """Why nothing can be recorded here, empty where it can."""
    if os.geteuid() != 0:
        return "only root may mount"
    for path in (Path("/dev/fuse"), Path("/dev/loop-control")):
        if not path.exists():
            return f"{path} is not there"
    return next((f"{name} is not installed" for name in _PROGRAMS if shutil.which(name) is None), "")


class Recording(msgspec.Struct):
    """`folder` is the mounted file system, `before` the image as it was, `log` what is done to it since."""

    folder: Path
    before: Path
    log: Path
    device: str

    def position(self) -> int:
        """How many entries the log has by now."""
        with self.log.open("rb") as file:
            number: int = struct.unpack_from("<Q", file.read(24), 16)[0]
        return number


@cache
def alone() -> None:
    """What is mounted from now on only this process and its children see."""
    _call(_LIBC.unshare, _CLONE_NEWNS)
    _call(_LIBC.mount, b"none", b"/", None, _PRIVATE, None)


@contextmanager
def recorded(work: Path) -> Iterator[Recording]:
    """A fresh file system whose writes are recorded. `work` is better in memory."""
    image, before, log, exported, folder = (work / name for name in ("disk", "before", "log", "exported", "mnt"))
    _make(image)
    shutil.copyfile(image, before)
    log.touch()
    os.truncate(log, 8 << 30)  # it takes only what is written
    exported.touch()
    alone()
    with ExitStack() as stack:
        stack.enter_context(_daemon(image, log, exported))
        device = stack.enter_context(attached(exported))
        stack.enter_context(mounted(device, folder))
        yield Recording(folder, before, log, device)


def _make(image: Path) -> None:
    image.touch()
    os.truncate(image, SIZE)
    _run("mke2fs", "-q", "-F", "-t", "ext4", "-b", "4096", str(image))


@contextmanager
def _daemon(image: Path, log: Path, exported: Path) -> Iterator[None]:
    drives = (
        f"driver=file,node-name=f,filename={image},cache.no-flush=on",
        "driver=raw,node-name=r,file=f",
        f"driver=file,node-name=l,filename={log},cache.no-flush=on",
        "driver=blklogwrites,node-name=lw,file=r,log=l,log-sector-size=512,log-super-update-interval=1",
    )
    export = f"type=fuse,id=e,node-name=lw,mountpoint={exported},writable=on"
    command = ["qemu-storage-daemon", *(word for drive in drives for word in ("--blockdev", drive)), "--export", export]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + _READY_S
        while exported.stat().st_size != SIZE:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("qemu-storage-daemon exports nothing")
            time.sleep(0.02)
        yield
    finally:
        process.terminate()
        process.wait(_READY_S)


@contextmanager
def attached(image: Path) -> Iterator[str]:
    """A block device that is this file."""
    device = _run("losetup", "--find", "--show", str(image))
    try:
        yield device
    finally:
        _run("losetup", "--detach", device)


@contextmanager
def mounted(device: str, folder: Path) -> Iterator[Path]:
    """Its file system, checked first where ext4 itself was torn, as a box does when it starts. What the kernel
    remembers of the device from before is forgotten.

    Raises:
        OSError: it can't be mounted; or afterwards not be unmounted, and what is found from now on proves nothing.
    """
    alone()
    _unused(device)
    folder.mkdir(exist_ok=True)
    mount = partial(_call, _LIBC.mount, device.encode(), bytes(folder), b"ext4", _NOATIME, None)
    try:
        mount()
    except OSError as exc:
        if exc.errno not in (errno.EBADMSG, errno.EUCLEAN):
            raise
        subprocess.run(["e2fsck", "-fy", device], capture_output=True, check=False)  # its code says what it mended
        mount()
    try:
        yield folder
    finally:
        _call(_LIBC.umount2, bytes(folder), 0)
        _unused(device)


def _unused(device: str) -> None:
    """Nobody has it mounted; or what is found on it would be another state's. Raises OSError."""
    descriptor = os.open(device, os.O_RDONLY | os.O_EXCL)
    try:
        fcntl.ioctl(descriptor, _BLKFLSBUF)
    finally:
        os.close(descriptor)


def _call(function: Callable[..., int], *given: object) -> None:
    if function(*given):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(given))


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout.strip()
