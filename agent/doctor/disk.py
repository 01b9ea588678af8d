"""The disk: is there room, may it be written, how large are the journal and the machine's log, how worn is the card."""

import os
from collections.abc import Iterable
from pathlib import Path

from agent.doctor.case import Case
from agent.doctor.finding import Finding, bad, look, well
from agent.overview.state import size as shown

LEAST_FREE, LITTLE_FREE = 64 << 20, 512 << 20
LARGE_WAL, LARGE_LOG = 64 << 20, 512 << 20
_SECTOR = 512
_WORN_OUT, _WORN = 0x0B, 0x09
"""JEDEC's DEVICE_LIFE_TIME_EST: 1 is up to 10 % used, 10 up to 100 %, 11 more. PRE_EOL_INFO: 2 warns, 3 urges."""


def room(case: Case) -> Iterable[Finding]:
    """Is there room, and may it be written at all?"""
    if case.config is None:
        return
    folder = _there(case.config.data_dir)
    about, name = os.statvfs(folder), "disk"
    free = about.f_bavail * about.f_frsize
    if not about.f_blocks:
        why = (f"{folder} 不在磁盘上", f"{folder} is on no disk")
        fix = ("data_dir 换成磁盘上的文件夹", "Write a folder of a disk as data_dir, such as ./data")
        yield bad(name, why, fix)
    elif about.f_flag & os.ST_RDONLY:
        why = (f"{folder} 所在的盘是只读的（多半是卡坏了）", f"the disk of {folder} is read-only; most likely it fails")
        fix = (
            "备份并换一张卡；先试 sudo mount -o remount,rw /",
            "Replace the card; try first: sudo mount -o remount,rw /",
        )
        yield bad(name, why, fix)
    elif free < LEAST_FREE or not about.f_favail > 0:
        why = (f"磁盘满了，只剩 {shown(free)}", f"the disk is full: {shown(free)} free")
        yield bad(name, why, _make_room(folder))
    elif free < LITTLE_FREE:
        why = (f"磁盘快满了，只剩 {shown(free)}", f"the disk is nearly full: {shown(free)} free")
        yield look(name, why, _make_room(folder))
    else:
        yield well(name, f"剩 {shown(free)}", f"{shown(free)} free")
    if not case.barred:
        yield from _journal(case.config.data_dir)


def _make_room(folder: Path) -> tuple[str, str]:
    command = f"sudo journalctl --vacuum-size=100M; sudo apt clean; sudo du -xh -d 2 {folder.anchor} | sort -h | tail"
    return f"清理磁盘：{command}", f"Make room: {command}"


def _journal(folder: Path) -> Iterable[Finding]:
    wal = folder / "journal.db-wal"
    size = wal.stat().st_size if wal.exists() else 0
    if size > LARGE_WAL:
        why = (f"账本的 WAL 有 {shown(size)}", f"the journal's WAL has {shown(size)}")
        yield look("journal", why, ("重启程序：sudo systemctl restart shop-agent", "Start the agent anew"))
    elif (folder / "journal.db").exists():
        yield well("journal", f"WAL {shown(size)}", f"WAL {shown(size)}")
    aside = [each.name for each in folder.glob("broken-*")]
    if aside:
        why = (f"账本坏过：{', '.join(aside)}", f"the journal was broken before: {', '.join(aside)}")
        yield look("journal", why, ("检查这张卡，备份后可删除", "Check the card; may be deleted once it is saved"))


def wear(case: Case) -> Iterable[Finding]:
    """What an eMMC says of its life, and how much was written since the machine started."""
    if case.config is None or (disk := block_device(_there(case.config.data_dir), case.roots.sys)) is None:
        return
    name, written = "wear", _written(disk)
    life, ending = _numbers(disk / "device/life_time"), _numbers(disk / "device/pre_eol_info")
    how = f"{disk.name}，开机后写了 {shown(written)}", f"{disk.name}, {shown(written)} written since the start"
    replace = ("备份，尽快换卡", "Save what is on it, and replace the card soon")
    if max(life, default=0) >= _WORN_OUT or max(ending, default=0) >= 3:
        yield bad(name, (f"存储寿命已用完：{how[0]}", f"the storage is worn out: {how[1]}"), replace)
    elif max(life, default=0) >= _WORN or max(ending, default=0) == 2:
        yield look(name, (f"存储寿命快用完：{how[0]}", f"the storage is nearly worn out: {how[1]}"), replace)
    elif life:
        used = f"{min(max(life), 10) * 10} %"
        yield well(name, f"寿命最多用了 {used}；{how[0]}", f"at most {used} of its life used; {how[1]}")
    else:
        yield well(name, f"它不报告寿命；{how[0]}", f"it does not tell its life; {how[1]}")


def block_device(folder: Path, sys: Path) -> Path | None:
    """The folder in sysfs of the whole disk that this is on; None where it is on none, as for a tmpfs."""
    try:
        number = folder.stat().st_dev
        found = (sys / "dev/block" / f"{os.major(number)}:{os.minor(number)}").resolve(strict=True)
    except OSError:
        return None
    return found.parent if (found / "partition").exists() else found


def _written(disk: Path) -> int:
    fields = _text(disk / "stat").split()
    return int(fields[6]) * _SECTOR if len(fields) > 6 and fields[6].isdigit() else 0


def _numbers(file: Path) -> list[int]:
    try:
        return [int(word, 16) for word in _text(file).split()]
    except ValueError:
        return []


def _text(file: Path) -> str:
    try:
        return file.read_text("ascii", "replace")
    except OSError:
        return ""


def logs(case: Case) -> Iterable[Finding]:
    """How much the machine's own log takes."""
    folder = case.roots.logs
    if not folder.is_dir():
        return
    size = sum(file.stat().st_size for file in folder.glob("*/*.journal"))
    if size > LARGE_LOG:
        limit = "SystemMaxUse=200M → /etc/systemd/journald.conf.d/size.conf; sudo systemctl restart systemd-journald"
        why = (f"系统日志占了 {shown(size)}", f"the machine's log takes {shown(size)}")
        yield look("logs", why, (f"限制它：{limit}", f"Limit it: {limit}"))
    else:
        yield well("logs", f"系统日志 {shown(size)}", f"the machine's log takes {shown(size)}")


def no_writing(folder: Path) -> bool:
    """Is the disk such that nobody at all could write there?"""
    about = os.statvfs(_there(folder))
    return not about.f_blocks or bool(about.f_flag & os.ST_RDONLY)


def _there(folder: Path) -> Path:
    """It, or the nearest folder above that exists."""
    return next(each for each in (folder, *folder.absolute().parents) if os.path.exists(each))  # noqa: PTH110  it may be closed
