"""Settings as a shopkeeper calls them, and the log's commonest events: Chinese and English. Pure."""

import re

import msgspec

from agent.config.changes import Setting

Words = tuple[str, str]
_OF = re.compile(r"(?P<kind>printers|stations)\[(?P<name>[^\]]*)\](?:\.(?P<rest>.+))?")
_KINDS: dict[str, Words] = {"printers": ("打印机", "printer"), "stations": ("档口", "station")}
_FIELDS: dict[str, Words] = {
    "shop": ("店铺编号", "shop"),
    "language": ("小票语言", "language of tickets"),
    "timezone": ("时区", "time zone"),
    "printers": ("打印机", "printers"),
    "stations": ("档口", "stations"),
    "broker": ("云端", "cloud"),
    "broker.url": ("云端地址", "cloud’s address"),
    "broker.username": ("云端用户名", "cloud’s user"),
    "broker.password_file": ("云端密码", "cloud’s password"),
    "broker.preset": ("云端类型", "kind of cloud"),
    "data_dir": ("数据文件夹", "data folder"),
    "console": ("手机页面", "pages for phones"),
    "console.listen": ("手机页面的端口", "port of the pages"),
    "console.public": ("不登录能看什么", "what is seen without signing in"),
    "printing.unconfirmed": ("不确定是否打出时", "when a ticket is in doubt"),
    "printing.ready_code": ("小票上的出餐码", "code on paper to mark as ready"),
    "intake.old": ("迟到订单", "late orders"),
    "name": ("名字", "name"),
    "link": ("接口", "link"),
    "width": ("纸宽（字）", "paper width (characters)"),
    "charset": ("汉字编码", "characters"),
    "profile": ("品牌", "family"),
    "role": ("用途", "used in"),
    "beep": ("响铃", "buzzer"),
    "drawer": ("钱箱", "drawer"),
    "printer": ("打印机", "printer"),
    "backup": ("备用打印机", "backup"),
    "copies": ("份数", "copies"),
    "template": ("小票样式", "template"),
    "shows": ("印什么", "prints"),
    "default": ("默认档口", "default station"),
    "match": ("做哪些菜", "dishes"),
    "match.category": ("做这些分类", "categories"),
    "match.sku": ("做这些编号的菜", "skus"),
    "match.name": ("做这些菜", "dishes"),
}
_VALUES: dict[str, Words] = {
    "zh": ("中文", "Chinese"),
    "en": ("英文", "English"),
    "both": ("中文和英文", "Chinese and English"),
    "true": ("是", "yes"),
    "false": ("否", "no"),
    "ask": ("问人", "ask"),
    "print": ("直接打印", "print"),
    "reprint": ("补打", "reprint"),
    "kitchen": ("后厨", "kitchen"),
    "counter": ("收银台", "counter"),
    "own": ("只印它做的菜", "what it makes"),
    "all": ("整张单", "whole orders"),
}
_PLAIN = ("name", "link", "shop", "printer", "backup")
"""What these say is somebody's own word."""
_ADDED, _GONE, _NEW = ("新增", "added"), ("删去", "taken away"), ("改了", "changed")
EVENTS: dict[str, Words] = {
    "app.started": ("程序启动", "the agent started"),
    "app.stopped": ("程序停止", "the agent stopped"),
    "app.starts_anew": ("程序重新启动", "the agent starts anew"),
    "broker.connected": ("连上云端", "the cloud is there"),
    "broker.lost": ("云端断开", "the cloud is gone"),
    "broker.subscribed": ("开始接单", "orders come from now on"),
    "intake.order_accepted": ("来单", "an order came"),
    "intake.order_held": ("来单，先等着", "an order came, and waits"),
    "intake.duplicate_dropped": ("重复的消息，不再打印", "told again: not printed again"),
    "intake.stale_dropped": ("过时的消息，不打印", "out of date: not printed"),
    "intake.event_parked": ("读不懂的消息", "could not be read"),
    "spool.ticket_completed": ("小票已打出", "a ticket is on paper"),
    "spool.ticket_pending": ("小票重新排队", "a ticket waits again"),
    "spool.ticket_held": ("小票在等打印机", "a ticket waits for its printer"),
    "spool.ticket_unconfirmed": ("不确定是否打出", "a ticket is in doubt"),
    "spool.printer_met": ("认识了打印机", "a printer was met"),
    "spool.printer_away": ("打印机连不上", "a printer is away"),
    "spool.printer_back": ("打印机回来了", "a printer is back"),
    "spool.alarm_raised": ("报警", "an alarm"),
    "spool.alarm_cleared": ("报警解除", "an alarm is over"),
    "notices.told": ("已通知店主", "the owner was told"),
    "notices.not_told": ("通知没发出去", "the owner was not told"),
    "console.opened": ("手机页面已打开", "the pages are open"),
    "console.refused": ("没有照办", "was refused"),
    "console.not_changed": ("设置没有保存", "settings were not saved"),
    "config.changed": ("改了设置", "settings were changed"),
    "journal.opened": ("打开账本", "the journal was opened"),
    "journal.disk_full": ("磁盘满了", "the disk is full"),
}
"""Another event stands as it is."""


class Said(msgspec.Struct, frozen=True):
    """A setting that was changed: what it is called, what it was and is now; empty where it had no value."""

    field: Words
    was: Words = ("", "")
    now: Words = ("", "")


def said(setting: Setting) -> Said:
    """In words; a name and a value that have none stand as they are."""
    if setting.field in ("printers", "stations") or "{" in setting.was + setting.now:
        word = _ADDED if not setting.was else _GONE if not setting.now else _NEW
        return Said(_named(setting.field), now=word)
    last = setting.field.rpartition(".")[2]
    return Said(_named(setting.field), _value(last, setting.was), _value(last, setting.now))


def _named(field: str) -> Words:
    if (of := _OF.fullmatch(field)) is None:
        return _FIELDS.get(field, (field, field))
    zh, en = (f"{kind} {of['name']}" for kind in _KINDS[of["kind"]])
    if of["rest"] is None:
        return zh, en
    rest = _FIELDS.get(of["rest"], (of["rest"], of["rest"]))
    return f"{zh}：{rest[0]}", f"{en}: {rest[1]}"


def _value(name: str, text: str) -> Words:
    if name in _PLAIN:
        return text, text
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
        return text.replace(", ", "、"), text
    return _VALUES.get(text, (text, text))
