"""What the printers' forms offer and send, and what is wrong with it, in Chinese and English. Pure."""

import re
from collections.abc import Sequence

import msgspec

from agent.config import Printer
from agent.console.twowords import parted
from agent.errors import ConfigError
from agent.model.link import parse_link
from agent.model.papertest import RULERS
from agent.model.profile import PROFILES

NAME = re.compile(r"[\w.-]{1,32}")
NAMES = ("后厨", "厨房", "吧台", "前台", "打包", "凉菜", "面点", "饮料")
FAMILIES = {
    "generic": ("不清楚 / 其他", "not known"),
    "xprinter": ("芯烨 Xprinter", "Xprinter"),
    "gprinter": ("佳博 Gprinter", "Gprinter"),
    "hprt": ("汉印 HPRT", "HPRT"),
    "rongta": ("容大 Rongta", "Rongta"),
    "epson": ("爱普生 Epson", "Epson"),
    "star": ("Star", "Star"),
}
CHOICES = {
    "width": {str(ruler) for ruler in RULERS},
    "charset": {"gbk", "gb2312", "ascii"},
    "profile": set(PROFILES),
    "role": {"kitchen", "counter"},
    "beep": {"true", "false"},
    "drawer": {"true", "false"},
}
"""What each setting may be."""
Problem = tuple[str, str] | None
"""Why not, in Chinese and English."""


def as_sent(printer: Printer) -> dict[str, str]:
    """A printer's settings as a form has them."""
    found = {}
    for name in ("width", "charset", "profile", "role", "beep", "drawer"):
        value = getattr(printer, name)
        found[name] = msgspec.json.encode(value).decode() if isinstance(value, bool) else str(value)
    return found


def chosen_name(sent: dict[str, str]) -> str:
    """One that was typed counts before one that was tapped."""
    return sent.get("name", "").strip() or sent.get("pick", "").strip()


def name_problem(name: str) -> Problem:
    """Why it can't be a name, in Chinese and English."""
    if not name:
        return ("请选一个名字，或者输入一个", "choose a name, or type one")
    if not NAME.fullmatch(name):
        return (
            "名字只用汉字、字母、数字、. - _，最多 32 个，不要空格",
            "use letters, digits, . - _, at most 32, no spaces",
        )
    return None


def link_problem(link: str, others: Sequence[Printer]) -> Problem:
    """Why it can't be the link of one more printer."""
    try:
        device = parse_link(link).device
    except ConfigError as exc:
        zh, en = parted(str(exc))
        return (f"地址不对：{zh}", f"wrong address: {en}")
    there = next((each.name for each in others if each.link.device == device), "")
    return (f"这台打印机已经有了，叫 {there}", f"this printer is there already: {there}") if there else None


def link_of(sent: dict[str, str]) -> str:
    """As the configuration writes it; what is typed is a network address. A serial one has its switches' settings."""
    link = sent.get("link", "").strip()
    if link.startswith("serial://") and "?" not in link and sent.get("baud"):
        flow = sent.get("flow", "none")
        return f"{link}?baud={sent['baud']}&flow={flow}"
    if link and ":/" not in link and not link.startswith(("usb:", "usblp:")):
        return f"tcp://{link}"
    return link


def wrong_value(wanted: dict[str, str], is_set: dict[str, str]) -> Problem:
    """What no form offers; a setting that was typed by hand may stay."""
    for name, value in wanted.items():
        if value not in CHOICES[name] and value != is_set.get(name):
            return (f"填写有误：{name}", f"wrong value: {name}")
    return None


def extras_problem(wanted: dict[str, str]) -> Problem:
    """The buzzer and the drawer are only asked of families that have them; no kitchen opens the drawer."""
    profile = PROFILES[wanted["profile"]]
    if wanted["beep"] == "true" and profile.buzzer == "none":
        return ("要响铃请先选品牌：这个品牌没有已知的蜂鸣器", "for the buzzer choose a family that has one")
    if wanted["drawer"] == "true" and wanted["role"] != "counter":
        return ("只有收银台的打印机可以开钱箱：先把用途改为收银台", "only a counter's printer opens the drawer")
    if wanted["drawer"] == "true" and profile.drawer is None:
        return ("要开钱箱请先选品牌", "for the drawer choose a family that has one")
    return None
