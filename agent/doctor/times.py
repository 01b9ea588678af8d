"""The clock and the time zone: TLS, the age of orders and the times on tickets hang on them."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from agent.clock import machine_zone
from agent.doctor.case import Case
from agent.doctor.finding import Finding, bad, look, well

_FIRST_YEAR, _LAST_YEAR = 2025, 2100
_AHEAD = timedelta(days=1)
_SET = (
    "接上网络并打开对时：sudo timedatectl set-ntp true；UDP 123 要放行",
    "Connect it and turn NTP on: sudo timedatectl set-ntp true; let UDP 123 through",
)


def clock(case: Case) -> Iterable[Finding]:
    """Does somebody set it, and can it be right at all?"""
    now, name = case.clock.utc(), "clock"
    shown = f"{now:%Y-%m-%d %H:%M} UTC"
    if not _FIRST_YEAR <= now.year <= _LAST_YEAR:
        why = (f"时钟不对：{shown}", f"the clock is wrong: {shown}")
        yield bad(name, why, _SET)
        return
    if (newest := _newest_file(case)) is not None and newest > now + _AHEAD:
        why = (
            f"时钟倒退了：现在 {shown}，账本却写于 {newest:%Y-%m-%d}",
            f"the clock went back: it is {shown}, and the journal was written on {newest:%Y-%m-%d}",
        )
        yield bad(name, why, _SET)
        return
    trusted = case.config is not None and case.config.intake.clock == "trust"
    if case.synchronised():
        yield well(name, f"已同步，{shown}", f"synchronised, {shown}")
    elif trusted:
        yield well(name, f"按配置信任本机时钟，{shown}", f"trusted, as the configuration says, {shown}")
    else:
        yield look(name, (f"没有对时，现在 {shown}", f"nobody sets it; it is {shown}"), _SET)


def _newest_file(case: Case) -> datetime | None:
    """When the journal was written last, by the clock of then."""
    if case.config is None:
        return None
    try:
        times = [file.stat().st_mtime for file in case.config.data_dir.glob("journal.db*")]
        return datetime.fromtimestamp(max(times), UTC) if times else None
    except (OSError, OverflowError, ValueError):
        return None


def timezone(case: Case) -> Iterable[Finding]:
    """Which times stand on the tickets?"""
    if case.config is None:
        return
    now, name = case.clock.utc(), "timezone"
    if case.config.timezone:
        there = now.astimezone(ZoneInfo(case.config.timezone))
        yield well(name, f"{case.config.timezone}，现在 {there:%H:%M}", f"{case.config.timezone}, it is {there:%H:%M}")
        return
    here = now.astimezone()
    shown = f"{here:%H:%M} ({machine_zone() or here.tzname()})"
    if here.utcoffset() == timedelta(0) and case.config.language != "en":
        why = (f"小票时间是 UTC：{shown}", f"times on tickets are in UTC: {shown}")
        yield look(
            name, why, ("在配置里写 timezone: Asia/Shanghai", "Write timezone: Asia/Shanghai into the configuration")
        )
    else:
        yield well(name, f"本机时区，现在 {shown}", f"the machine's own, it is {shown}")
