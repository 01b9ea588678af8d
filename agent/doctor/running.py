"""What the running agent says of itself: that it runs, and every alarm that no other check is about."""

from collections.abc import Iterable

from agent.doctor.case import Case
from agent.doctor.finding import Finding, Sign, bad, look, well
from agent.overview.state import AlarmNow, Words
from agent.report.alarmtext import more

_ELSEWHERE = ("line", "broker", "printer", "console", "disk")
"""Alarms that other checks speak of; `console:guessed` is another than `console`."""


def barred(case: Case) -> Iterable[Finding]:
    """Who may not look finds nothing, and can blame nothing."""
    why = ("没有权限，查不全", "this user may not look")
    command = f"sudo shop-agent doctor{case.option}"
    yield bad("agent", why, (f"请用 sudo 再运行一次：{command}", f"Run it with sudo: {command}"))


def agent(case: Case) -> Iterable[Finding]:
    """Does one run here?"""
    if case.config is None:
        return
    if case.overview is None:
        how = ("启动它：sudo systemctl start shop-agent", "Start it: sudo systemctl start shop-agent")
        if case.alone:
            yield look("agent", ("程序没有运行，不会打印", f"no agent runs here, nothing prints: {case.silent}"), how)
        else:
            again = ("重启它：sudo systemctl restart shop-agent", "Start it anew: sudo systemctl restart shop-agent")
            yield bad("agent", ("程序在运行，但不回答", f"the agent gives no answer: {case.silent}"), again)
        return
    seen = case.overview
    yield well("agent", f"{seen.version} 已运行 {seen.up_s} 秒", f"{seen.version}, up for {seen.up_s} s")
    if not seen.journal_ok:
        why = ("账本写不了，收不了订单", "the journal can't be written, no order is taken")
        yield bad("agent", why, ("请看 disk 和 data_dir 两项", "See disk and data_dir"))


def alarms(case: Case) -> Iterable[Finding]:
    """What needs a person and is no fault of a cable, a printer or the line."""
    for alarm in case.overview.alarms if case.overview is not None else ():
        kind, _, rest = alarm.key.partition(":")
        if kind not in _ELSEWHERE or (kind == "console" and rest):
            yield finding_of("alarm:" + alarm.key, alarm)


def finding_of(name: str, alarm: AlarmNow) -> Finding:
    """An alarm as a row, with its reason where that says more."""
    reason = more(alarm.key, alarm.reason)
    why = Words(alarm.what.zh, alarm.what.en + (f" ({reason})" if reason else ""))
    return Finding(name, Sign.BAD if alarm.grave else Sign.LOOK, why, alarm.do)
