"""The configuration and what it names: is it right, may the agent's user read it, may he write where he must."""

import os
from collections.abc import Iterable

from agent.config.warnings import warnings
from agent.config.words import WRONG, faults
from agent.doctor.case import Case
from agent.doctor.disk import no_writing
from agent.doctor.finding import Finding, bad, look, well
from agent.errors import ConfigError
from agent.unixuser import may

_NAME_IT = (
    "用 --config 指定配置文件，或先运行 sudo shop-agent setup",
    "Name the file with --config, or begin: sudo shop-agent setup",
)
_DATA_DIR = "data_dir: "


def config(case: Case) -> Iterable[Finding]:
    """Every error of the file, each with its place."""
    check = f"shop-agent config check{case.option}"
    mend = (f"请改这一行，再运行 {check}", f"Mend this line, then: {check}")
    perhaps = (
        f"本来就要这样，就不用管；否则改配置，再运行 {check}",
        f"If it is meant so, leave it; else change it, then: {check}",
    )
    for text in case.faults:
        (fault,) = faults(text)
        place = " ".join(filter(None, (f"第 {fault.line} 行" if fault.line else "", fault.field)))
        zh = f"{place}：{fault.zh}" if place else fault.zh
        if case.config is None or case.spoilt:
            what = zh if fault.line else zh.partition("；")[0]
            yield bad("config", (f"配置有错，{what}", text), mend if fault.line else _NAME_IT)
        else:
            yield look("config", (f"配置有问题，{zh}", text), mend)
    if case.config is None:
        return
    if not case.barred:
        yield from _closed(case)
    for text in () if case.barred else warnings(case.config):
        if not (text.startswith(_DATA_DIR) and no_writing(case.config.data_dir)):  # the disk's check says it
            (fault,) = faults(text)
            yield look("config", ("配置提醒" + (f"，{fault.zh}" if fault.zh != WRONG else ""), text), perhaps)
    if not case.faults:
        yield well("config", f"{case.path} 没有错", f"{case.path} is right")


def _closed(case: Case) -> Iterable[Finding]:
    """Copied by root from another box, it is root's: the service, which is not, runs with the last good one."""
    who, folder = case.user.name, case.path.absolute().parent
    if os.path.exists(case.path) and not all(may(case.user, path) for path in (folder, case.path)):  # noqa: PTH110
        why = (f"用户 {who} 读不了 {case.path}", f"the user {who} may not read {case.path}")
        command = f"sudo chown -R {who}: {folder}"
        yield bad("config", why, (f"运行：{command}", f"Run: {command}"))


def secrets(case: Case) -> Iterable[Finding]:
    """The password's file, as the agent's user sees it."""
    broker = case.config.broker if case.config is not None else None
    file = broker.password_file if broker is not None else None
    if broker is None or file is None:
        return
    name, who = "secrets", case.user.name
    try:
        if not may(case.user, file):
            why = (f"用户 {who} 读不了密码文件 {file}", f"the user {who} may not read the password file {file}")
            command = f"sudo chown -h {who} {file} && sudo chmod 600 {file}"
            yield bad(name, why, (f"运行：{command}", f"Run: {command}"))
        elif not (broker.password() or "").strip():
            yield bad(
                name,
                (f"密码文件 {file} 是空的", f"the password file {file} is empty"),
                ("把云端给的密码写进去", "Write the password into it that the cloud gave you"),
            )
        else:
            yield well(name, "密码文件可读", "the password file can be read")
    except (OSError, ConfigError) as exc:
        why = (f"密码文件 {file} 打不开：{exc}", f"the password file {file} can't be opened: {exc}")
        yield bad(name, why, ("请核对 broker.password_file", "Check broker.password_file"))


def data_dir(case: Case) -> Iterable[Finding]:
    """Where the journal lives: there, the agent's, and nobody else's business."""
    if case.config is None:
        return
    folder, who, name = case.config.data_dir, case.user.name, "data_dir"
    if no_writing(folder):  # the check of the disk says so
        return
    try:
        about = folder.stat()
    except OSError as exc:
        why = (
            f"数据目录 {folder} 还没有（{exc.strerror}）",
            f"the data directory {folder} is not there ({exc.strerror})",
        )
        yield look(name, why, ("启动一次就会建好", "It is made when the agent starts"))
        return
    if not folder.is_dir() or not (may(case.user, folder, write=True) and os.access(folder, os.X_OK)):
        command = f"sudo chown -R {who} {folder} && sudo chmod 700 {folder}"
        why = (f"用户 {who} 写不了数据目录 {folder}", f"the user {who} may not write in the data directory {folder}")
        yield bad(name, why, (f"运行：{command}", f"Run: {command}"))
    elif strangers := [file.name for file in folder.glob("journal.db*") if file.stat().st_uid != about.st_uid]:
        command = f"sudo chown -R {who} {folder}"
        what = ", ".join(strangers)
        why = (
            f"{what} 不属于用户 {who}（用 sudo 运行过？）",
            f"{what} is not the user {who}'s (was it run with sudo?)",
        )
        yield bad(name, why, (f"运行：{command}", f"Run: {command}"))
    else:
        yield well(name, f"{folder} 可写", f"{folder} can be written")
