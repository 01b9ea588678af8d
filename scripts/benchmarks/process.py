"""What the kernel knows of a process: its memory and its processor time (proc(5))."""

import os
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
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / _TICKS_PER_S
