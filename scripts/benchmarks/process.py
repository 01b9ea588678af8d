"""What the kernel knows of a process and its children: memory, processor time (proc(5)), and how to end them all."""

import contextlib
import os
import signal
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def memory_mb(pid: int, what: str) -> float:
    """`VmRSS`, its memory now, or `VmHWM`, the most that it ever was, in MB of 2^20 bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == what:
            return int(value.split()[0]) / 1024
    raise ValueError(f"/proc/{pid}/status has no {what}")


def cpu_s(pid: int) -> float:
    """Processor time since it started, of all its threads, its own and the kernel's for it."""
    return sum(_times(pid)[:2]) / _TICKS_PER_S


def tree(pid: int) -> list[int]:
    """A process and all its descendants, it first."""
    found = [pid]
    for each in found:
        found += _children(each)
    return found


def tree_memory_mb(pid: int, what: str) -> float:
    """Memory of a process and of all its children that live."""
    total = 0.0
    for each in tree(pid):
        with contextlib.suppress(OSError, ValueError):  # it is gone, or a zombie
            total += memory_mb(each, what)
    return total


def tree_cpu_s(pid: int) -> float:
    """Processor time of a process and of all its children, also of those that ended."""
    total = 0
    for each in tree(pid):
        with contextlib.suppress(OSError):
            total += sum(_times(each))
    return total / _TICKS_PER_S


def kill_tree(pid: int) -> None:
    """SIGKILL to a process, all its descendants, and the group that it leads.

    Each is halted before its children are listed, so that none slips away.
    """
    halted = [pid]
    for each in halted:
        with contextlib.suppress(ProcessLookupError):
            os.kill(each, signal.SIGSTOP)
        halted += _children(each)
    for each in halted:
        with contextlib.suppress(ProcessLookupError):
            os.kill(each, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _children(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        return [
            int(child) for task in Path(f"/proc/{pid}/task").glob("*/children") for child in task.read_text().split()
        ]
    return []


def _times(pid: int) -> list[int]:
    """In ticks: in user mode, in the kernel, and the same of the children that ended and were waited for."""
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return [int(value) for value in after_name[11:15]]
