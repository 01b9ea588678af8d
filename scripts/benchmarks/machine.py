"""The machine that was measured on, in a line: numbers without it mean nothing."""

import os
import platform
import sqlite3
import statistics
import tempfile
import time
from pathlib import Path

import msgspec

SYNCS = 200
BLOCK = 4096


class Machine(msgspec.Struct, frozen=True):
    """Facts that the numbers depend on. The load is that of the last minute, before anything was measured."""

    cores: int
    processor: str
    python: str
    sqlite: str
    kernel: str
    filesystem: str
    fdatasync_ms: float
    load: float


def look_at(folder: Path) -> Machine:
    """This machine, and how long its disk takes under `folder`."""
    return Machine(
        os.cpu_count() or 1,
        _processor(),
        platform.python_version(),
        sqlite3.sqlite_version,
        platform.release(),
        _filesystem(folder),
        fdatasync_ms(folder),
        os.getloadavg()[0],
    )


def describe(machine: Machine) -> str:
    """The facts in one line."""
    return (
        f"{machine.cores} cores ({machine.processor}), load {machine.load:.1f} before; Python {machine.python}, "
        f"SQLite {machine.sqlite}, Linux {machine.kernel}; {machine.filesystem}, "
        f"4 KB write + fdatasync {machine.fdatasync_ms:.2f} ms (median of {SYNCS})"
    )


def fdatasync_ms(folder: Path) -> float:
    """The median time that appending 4 KB and having it on disk takes."""
    times = []
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        for _ in range(SYNCS):
            started = time.perf_counter()
            file.write(b"\0" * BLOCK)
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - started)
    return statistics.median(times) * 1000


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return " ".join(value.split())
    return platform.machine()


def _filesystem(folder: Path) -> str:
    """The kind of file system under a folder: the mount whose point is the longest beginning of its path."""
    mounts = [line.split()[1:3] for line in Path("/proc/self/mounts").read_text().splitlines()]
    above = {str(folder.resolve()), *map(str, folder.resolve().parents)}
    found = [(len(point), kind) for point, kind in mounts if point in above]
    return max(found)[1] if found else "unknown file system"
