"""What the agent needs of its machine besides clock and disk: fonts, a limit to its memory, and its own port."""

import socket
from collections.abc import Iterable

from agent.config.console import PORT
from agent.doctor.case import Case
from agent.doctor.finding import Finding, bad, look, well
from agent.model.address import parse_host_port

_CHINESE = "豆镕"


def fonts(_case: Case) -> Iterable[Finding]:
    """Can a character be drawn that the printer lacks?"""
    from agent.encode.raster import load_fonts  # loads Pillow

    found = load_fonts()
    if all(map(found.covers, _CHINESE)):
        yield well("fonts", "有中文字体", "there is a font for Chinese")
    else:
        why = ("没有中文字体，生僻字打不出来", "no font for Chinese: rare characters can't be drawn")
        command = "sudo apt install fonts-wqy-microhei fonts-unifont"
        yield look("fonts", why, (f"运行：{command}", f"Run: {command}"))


def memory(case: Case) -> Iterable[Finding]:
    """Can systemd limit the agent's memory? Raspberry Pi OS leaves that out of the kernel's control groups."""
    told = case.roots.sys / "fs/cgroup/cgroup.controllers"
    if not told.exists():
        return
    if "memory" in told.read_text().split():
        yield well("memory", "内存上限有效", "the limit of memory holds")
        return
    why = ("内核没有打开内存上限", "the kernel does not limit memory: a leak would take all of it")
    where = "/boot/firmware/cmdline.txt"
    fix = (
        f"在 {where} 那一行末尾加 cgroup_enable=memory，再重启盒子",
        f"Add cgroup_enable=memory to the end of the line in {where}, and restart the box",
    )
    yield look("memory", why, fix)


def port(case: Case) -> Iterable[Finding]:
    """Is the box's own port ours, or free?"""
    if case.config is None or case.config.console == "off":
        return
    host, number = parse_host_port(case.config.console.listen, PORT)
    alarm = [each for each in case.overview.alarms if each.key == "console"] if case.overview is not None else []
    if case.overview is not None and not alarm:
        yield well("port", f"端口 {number} 已打开", f"port {number} is open")
        return
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.create_server((host, number), family=family):
            pass
    except OSError as exc:
        look_at = f"sudo ss -ltnp 'sport = :{number}'"
        why = (f"端口 {number} 打不开：{exc.strerror}", f"port {number} of {host} can't be opened: {exc.strerror}")
        fix = (
            f"看谁占着：{look_at}；或在 console.listen 换个端口",
            f"See who has it: {look_at}; or write another one as console.listen",
        )
        yield bad("port", why, fix)
        return
    yield well("port", f"端口 {number} 空闲", f"port {number} is free")
