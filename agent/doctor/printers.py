"""Printers: is the device there, may the agent use it, does it answer, has it paper, is it shut? Nothing is printed.

A running agent holds its printers, and is asked; where none runs each is opened for a moment, and asked in real time.
"""

import errno
import re
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

import msgspec

from agent.config import Printer
from agent.doctor.case import Case
from agent.doctor.finding import Finding, Sign, bad, look, well
from agent.errors import PrinterError
from agent.model.link import SerialLink, TcpLink, UsblpLink, VirtualLink
from agent.model.printer import Identity, Need, PrinterStatus
from agent.model.profile import PROFILES
from agent.model.ticket import Language
from agent.overview.state import PrinterNow, Words
from agent.printers.dialogue import Dialogue
from agent.printers.link import Link
from agent.printers.star import StarDialogue
from agent.report.alarmtext import sentence
from agent.tickets.words import remedy, trouble
from agent.unixuser import may

CONNECT_S = 2.5
LIMIT_S = 12.0
_ERRNO = re.compile(r"\[Errno (-?\d+)\]")
_SWITCHES = (
    "波特率不对：按住走纸键开机打自检页，把上面的波特率写进 link（?baud=）",
    "Wrong baud: hold FEED while switching on, and write the baud of that page into the link (?baud=)",
)
_RULES = "sudo udevadm trigger (60-shop-agent-printers.rules)"
_PLUG = ("检查打印机电源、数据线和插口", "Check the printer's power, its cable and the plug")


def look_at(printer: Printer, case: Case) -> Iterable[Finding]:
    """One printer; the first thing that is wrong."""
    name = f"printer:{printer.name}"
    if (found := _device(name, printer, case)) is not None:
        yield found
        return
    if case.overview is not None:
        now = [each for each in case.overview.printers if each.name == printer.name]
        if now:
            yield from _as_told(name, printer, now[0])
            return
        restart = ("重启程序：sudo systemctl restart shop-agent", "Start the agent anew: it does not know this one yet")
        yield look(name, ("程序还不认识它", "the running agent has another configuration"), restart)
    elif not case.alone:
        yield look(name, ("程序占着它，却不回答", "the agent holds it, and gives no answer"), _PLUG)
    elif isinstance(printer.link, VirtualLink):
        yield well(name, "虚拟打印机", "a virtual printer, it lives in the agent")
    else:
        yield _asked(name, printer, case)


# -- the device ----------------------------------------------------------------------------------------------------


def _device(name: str, printer: Printer, case: Case) -> Finding | None:
    """Is its file there, and may the agent's user open it?"""
    path = _path(printer)
    if path is None:
        return None
    try:
        allowed = may(case.user, path, write=True)
    except OSError:
        there = ", ".join(map(str, _devices(path))) or "没有 none"
        why = (f"没有这个设备 {path}", f"there is no {path}")
        return bad(name, why, (f"{_PLUG[0]}；现在有：{there}", f"{_PLUG[1]}; there is now: {there}"))
    if allowed:
        return None
    who = case.user.name
    why = (f"用户 {who} 没有权限用 {path}", f"the user {who} may not use {path}")
    group = "dialout" if isinstance(printer.link, SerialLink) else "lp"
    command = f"sudo usermod -aG {group} {who} && sudo systemctl restart shop-agent"
    return bad(name, why, (f"运行 {_RULES}；不行再：{command}", f"Run {_RULES}; if that is not enough: {command}"))


def _path(printer: Printer) -> Path | None:
    """The file of its device, where it has one that can be known without asking the kernel."""
    link = printer.link
    if isinstance(link, SerialLink):
        return Path(link.path)
    if isinstance(link, UsblpLink) and not link.place.startswith("port/"):
        return Path("/dev/usb", link.place) if link.place.startswith("by-path/") else Path(link.place)
    return None


def _devices(path: Path) -> list[Path]:
    """What is plugged in of its kind."""
    if path.parts[:3] == ("/", "dev", "usb"):
        return sorted(Path("/dev/usb").glob("lp*"))
    by_id = sorted(Path("/dev/serial/by-id").glob("*"))
    return by_id or sorted([*Path("/dev").glob("ttyUSB*"), *Path("/dev").glob("ttyACM*")])


# -- the running agent's word --------------------------------------------------------------------------------------


def _as_told(name: str, printer: Printer, now: PrinterNow) -> Iterator[Finding]:
    if now.state == "away":
        yield unreachable(name, printer, now.why)
    elif now.state == "needs_human":
        yield needs(name, now.need)
    elif now.state == "other" or "silent" in now.alarms:
        yield _by_alarm(name, printer.name, "other" if now.state == "other" else "silent", Sign.BAD)
    elif now.state == "connecting":
        yield look(name, ("还在连接", "it was not met yet"), ("过一会儿再看", "Look again in a moment"))
    elif now.tier == "none" or "unheard" in now.alarms:
        yield _mute(name, printer)
    else:
        yield well(name, f"就绪，等待 {now.waiting}", f"ready, {now.waiting} waiting")
    if now.paused:
        yield _by_alarm(name, printer.name, "paused", Sign.LOOK)


def _by_alarm(name: str, printer: str, what: str, sign: Sign) -> Finding:
    said = sentence(f"printer:{printer}:{what}")
    return Finding(name, sign, Words(*said.what), Words(*said.do))


def needs(name: str, need: str) -> Finding:
    """Paper, cover, cutter and the like."""
    return bad(name, (trouble(Language.ZH, need), trouble(Language.EN, need)), remedy(need))


def _mute(name: str, printer: Printer) -> Finding:
    why = ("它不应答", "it never answers")
    if isinstance(printer.link, SerialLink):
        return look(
            name, why, (f"{_SWITCHES[0]}；线也可能接错（要交叉线）", f"{_SWITCHES[1]}; or the cable is no null modem")
        )
    fix = (
        "打测试页看看：shop-agent printers test " + printer.name,
        "See a page: shop-agent printers test " + printer.name,
    )
    return look(name, why, fix)


def unreachable(name: str, printer: Printer, said: str) -> Finding:
    """Why it can't be opened, by the words of the link."""
    why = (f"连不上：{said}", f"it can't be reached: {said}")
    found = _ERRNO.search(said)
    number = int(found[1]) if found else 0
    if isinstance(printer.link, TcpLink):
        if number == errno.ECONNREFUSED:
            fix = (
                f"地址对但没人听 {printer.link.port}：打印机关着、忙着，或地址换了机器；核对自检页上的 IP",
                "Somebody is there, but not at that port: is it off or busy, or another machine? Compare its IP",
            )
        else:
            fix = (
                "检查电源和网线；IP 可能变了：核对自检页上的 IP，在路由器里固定它",
                "Check power and network cable; its IP may have changed: see its self-test, and fix it in the router",
            )
        return bad(name, why, fix)
    if "no answer" in said and isinstance(printer.link, SerialLink):
        return bad(name, why, (f"开着吗？{_SWITCHES[0]}", f"Is it on? {_SWITCHES[1]}"))
    if "may not open" in said or number in (errno.EACCES, errno.EPERM):
        return bad(name, why, (f"运行 {_RULES}", f"Run {_RULES}"))
    if "another program" in said or number == errno.EBUSY:
        command = "sudo systemctl disable --now cups cups-browsed; sudo fuser -v DEVICE"
        return bad(name, why, (f"别的程序占着它：{command}", f"Another program holds it: {command}"))
    return bad(name, why, _PLUG)


# -- asked directly ------------------------------------------------------------------------------------------------


class _Tap:
    """A link that remembers whether anything came over it."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self.heard = b""

    def write(self, data: bytes, timeout_s: float) -> int:
        return self._link.write(data, timeout_s)

    def read(self, max_bytes: int, timeout_s: float) -> bytes:
        data = self._link.read(max_bytes, timeout_s)
        self.heard = (self.heard + data)[-64:]
        return data

    def unsent(self) -> int:
        return self._link.unsent()

    def needs(self) -> frozenset[Need]:
        return self._link.needs()

    @property
    def identity(self) -> Identity:
        return self._link.identity

    def close(self) -> None:
        self._link.close()


def _asked(name: str, printer: Printer, case: Case) -> Finding:
    """Real-time questions only: nothing that a printer could take for text."""
    brisk = msgspec.structs.replace(printer, connect_timeout_s=min(CONNECT_S, printer.connect_timeout_s))
    try:
        with closing(case.connect(brisk).open()) as link:
            tap = _Tap(link)
            speak = StarDialogue if PROFILES[printer.profile].language == "star" else Dialogue
            dialogue = speak(tap, case.clock, CONNECT_S)
            answers = dialogue.find_questions()
            if answers and dialogue.babbles and speak is Dialogue:
                return _garbage(name, printer, tap)
            if not answers:
                return _unanswered(name, printer, tap)
            need = dialogue.status.need
    except PrinterError as exc:
        return unreachable(name, printer, str(exc))
    return well(name, "就绪，会应答", "ready, it answers") if need is None else needs(name, str(need))


def _unanswered(name: str, printer: Printer, tap: _Tap) -> Finding:
    if need := PrinterStatus(tap.needs()).need:
        return needs(name, str(need))
    if not tap.heard:
        tap.read(64, 0.4)
    if tap.heard:
        return _garbage(name, printer, tap)
    return _mute(name, printer)


def _garbage(name: str, printer: Printer, tap: _Tap) -> Finding:
    why = ("它答的是乱码", f"it answers with garbage: {tap.heard[:8].hex(' ')}")
    other = (
        "这个地址真是打印机吗？核对自检页上的 IP 和端口；是的话核对 profile",
        "Is a printer at that address? Compare the IP and port of its self-test page; if it is one, check profile",
    )
    return bad(name, why, _SWITCHES if isinstance(printer.link, SerialLink) else other)
