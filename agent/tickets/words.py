"""The fixed words of a ticket, in Chinese, English or both, and how its numbers and times are written."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from agent.encode.text import clean
from agent.model.order import Item, Quantity, quantity
from agent.model.ticket import Language, Portion

NO_QUANTITY = "数量未知 qty unknown"

_FULFILMENTS = {
    "dine_in": ("堂食", "Dine-in"),
    "pickup": ("自取", "Pickup"),
    "takeaway": ("外带", "Takeaway"),
    "takeout": ("外带", "Takeaway"),
    "delivery": ("外卖", "Delivery"),
}


def say(language: Language, zh: str, en: str) -> str:
    """A fixed phrase in the ticket's language."""
    if language is Language.BOTH:
        return zh if zh == en else f"{zh} {en}"
    return zh if language is Language.ZH else en


_WORDS = {
    "allergy": ("过敏", "ALLERGY"),
    "also_at": ("另见", "also at"),
    "basket": ("篮", "basket"),
    "copy": ("联", "copy"),
    "courier": ("骑手", "courier"),
    "course": ("道", "course"),
    "cutlery": ("餐具", "cutlery"),
    "due": ("要求", "due"),
    "each": ("每套", "each"),
    "fire": ("起菜", "FIRE"),
    "fulfil": ("取餐方式", "served as"),
    "guests": ("人数", "guests"),
    "held_until": ("暂缓至", "hold until"),
    "member": ("会员", "member"),
    "moved_from": ("转自", "moved from"),
    "moved_to": ("转到", "moved to"),
    "no_mods": ("不加料", "no extras"),
    "no_name": ("无名", "no name"),
    "no_place": ("无座", "no seat"),
    "none": ("无", "none"),
    "not_finished": ("没打完", "not finished"),
    "not_paid": ("未付款", "NOT PAID"),
    "note": ("备注", "note"),
    "number": ("单号", "number"),
    "ordered": ("下单", "ordered"),
    "paid": ("已付款", "paid"),
    "part_of": ("属", "part of"),
    "parts_at": ("部分另见", "parts at"),
    "pickup_code": ("取餐码", "pickup code"),
    "printed": ("打印", "printed"),
    "printer": ("打印机", "printer"),
    "claim": ("用手机扫码，或打开网址后输入代码", "Scan it with a phone, or open the address and type the code"),
    "open_page": ("手机须连本店 Wi-Fi", "with the phone on this shop's Wi-Fi"),
    "keep_secret": ("有此代码者可管理本机，用后即废", "Who has this code manages this box; it works once"),
    "reads_well": ("全都看得清，打印机就没问题", "If you can read all of this, the printer is fine"),
    "ruler": ("每行字宽", "cells a line"),
    "running": ("流水 No.", "No."),
    "rush": ("加急", "RUSH"),
    "rush_off": ("不再加急", "no rush any more"),
    "seat": ("座", "seat"),
    "sets": ("套数", "sets"),
    "table": ("桌", "table"),
    "thanks": ("谢谢惠顾", "Thank you"),
    "total": ("合计", "total"),
    "unrouted": ("未分派", "unrouted"),
    "void": ("作废", "VOID"),
    "waiting": ("等待打印", "tickets waiting"),
    "was": ("原", "was"),
}
_WHY_LISTED = {
    "old": ("旧单待定", "OLD ORDERS"),
    "flood": ("订单太多", "TOO MANY ORDERS"),
    "upcoming": ("预订单", "UPCOMING ORDERS"),
}
_WHAT_NOW = {
    "old": (
        "这些单来晚了，还没打印。请决定：打印，还是不打印。",
        "They came late. Not printed yet: print them or not?",
    ),
    "flood": ("一下来了太多单，还没打印。请先看是否真单。", "Too many at once, not printed yet. Are they real?"),
    "upcoming": ("到时间会自动打印，请先备料。", "They print by themselves when it is time. Get ready."),
}
_WHERE = (
    "请决定：手机页面“迟到订单”，或云端",
    "Decide: on the page Late orders, or in the cloud",
)
_DECIDED_BY_PEOPLE = ("old", "flood")
_TROUBLES = {
    "paper": ("缺纸", "out of paper"),
    "cover": ("盖子没关", "cover open"),
    "cutter": ("切刀卡住", "cutter jammed"),
    "error": ("故障", "printer error"),
    "offline": ("脱机", "offline"),
    "away": ("连不上", "not reachable"),
    "silent": ("没有回应", "says nothing"),
    "other": ("换成了别的设备", "another device is in its place"),
    "doubt": ("有一张单不知是否打出", "a ticket is in doubt"),
}
_REMEDIES = {
    "paper": ("请装纸。装好后自动继续。", "Load paper. It goes on by itself."),
    "cover": ("请关好盖子。关好后自动继续。", "Close the cover. It goes on by itself."),
    "cutter": ("请清理切刀，再开关一次盖子。", "Free the cutter, then open and close the cover."),
    "error": ("请关机再开机。", "Switch it off and on."),
    "offline": ("请看打印机，按联机键。", "Look at the printer; put it online."),
    "away": ("请检查电源和连接线。", "Check its power and its cable."),
    "silent": ("请看单子是否打出；不行就关机再开机。", "See whether the ticket came out; else switch it off and on."),
    "other": ("请接回原来的打印机；如已更换请确认。", "Put the right printer back, or accept the new one."),
    "doubt": ("请看这张单是否已打出，再回复。", "See whether it was printed, then say so."),
}


_ONCE = ("running", "void")
"""Words that a ticket in both languages has in Chinese only: there is no room."""
_TABLES = {language: {name: say(language, *both) for name, both in _WORDS.items()} for language in Language}
_TABLES[Language.BOTH] |= {name: _WORDS[name][0] for name in _ONCE}


def table(language: Language) -> dict[str, str]:
    """All of a template's words by name, in one language."""
    return _TABLES[language]


def listed(language: Language, why: str) -> str:
    """Why a summary lists its orders."""
    return say(language, *_WHY_LISTED.get(why, (why, why)))


def what_now(language: Language, why: str) -> list[str]:
    """What a person does about a summary's orders, and where."""
    where = said_in(language, *_WHERE) if why in _DECIDED_BY_PEOPLE else []
    return said_in(language, *_WHAT_NOW.get(why, _WHAT_NOW["old"])) + where


def said_in(language: Language, zh: str, en: str) -> list[str]:
    """A sentence, a line for each language that the ticket speaks."""
    return {Language.ZH: [zh], Language.EN: [en], Language.BOTH: [zh, en]}[language]


def comma(language: Language) -> str:
    """What stands between the words of a list."""
    return ", " if language is Language.EN else "、"


def trouble(language: Language, word: str) -> str:
    """What is wrong with a printer, by the alarm's word."""
    return say(language, *_TROUBLES.get(word, (word, word)))


def remedy(word: str) -> tuple[str, str]:
    """What a person does about it, in Chinese and English."""
    return _REMEDIES.get(word, _REMEDIES["offline"])


def fulfilment(language: Language, fulfil: str | None) -> str:
    """How the order leaves the kitchen; a word that we don't know is printed as it came."""
    if not fulfil:
        return ""
    known = _FULFILMENTS.get(fulfil.lower().replace("-", "_"))
    return say(language, *known) if known else fulfil


def visible(text: str) -> bool:
    """Whether there is anything to see in it."""
    if text.isprintable():
        return bool(text.strip(" "))
    return bool(clean(text).strip())


def lines(text: str) -> list[str]:
    """A text's own lines, without those that show nothing."""
    if text.isprintable():
        return [line] if (line := text.strip(" ")) else []
    return [line.strip() for line in text.splitlines() if visible(line)]


def amount(value: Quantity) -> str:
    """A quantity as the order has it, never shortened."""
    text = str(value).strip()
    return text if visible(text) else NO_QUANTITY


def unit(text: str | None) -> str:
    """A unit as it stands behind a number: 杯 at once, 500g after a blank, so that two of them are no 2500g."""
    said = (text or "").strip()
    return said if said[:1].isalpha() else " " + said if said else ""


def is_one(value: Quantity) -> bool:
    """Whether it goes without saying."""
    return value in (1, "1") or quantity(value) == 1


def total(portion: Portion) -> str | None:
    """The quantity as it is, times those of the set meals around it; None when that is not a plain number."""
    if not portion.parents or not sets(portion.parents):
        return amount(portion.item.qty)
    product = Decimal(1)
    for value in (portion.item.qty, *sets(portion.parents)):
        number = quantity(value)
        if number is None or len(number.as_tuple().digits) > 9 or abs(number.adjusted()) > 9:
            return None
        product *= number
    return f"{product.normalize():f}"


def sets(parents: Iterable[Item]) -> list[Quantity]:
    """The quantities of the set meals around a part that are not one."""
    return [parent.qty for parent in parents if not is_one(parent.qty)]


def when(moment: datetime | None, now: datetime | None, *, seconds: bool = False) -> str:
    """A time of day in the zone of `now`, with the date where that is another day."""
    if moment is None:
        return ""
    if now is not None and now.tzinfo is not None and moment.tzinfo is not None:
        moment = _in_zone(moment, now)
    clock = f"{moment.hour:02}:{moment.minute:02}" + (f":{moment.second:02}" if seconds else "")
    if now is None or moment.date() != now.date():
        clock = f"{moment:%m-%d} {clock}"
    if now is None and moment.tzinfo is not None:
        clock += f"{moment:%z}"
    return clock


def held_until(moment: datetime | None, now: datetime | None, *, timeless: bool) -> str:
    """The time that an order is held back until, as `when` writes it; empty where that is past for certain."""
    if moment is None or now is None or timeless:
        return when(moment, now)
    release = moment if moment.tzinfo is not None else moment.replace(tzinfo=now.tzinfo)
    return when(moment, now) if release > now else ""


def _in_zone(moment: datetime, now: datetime) -> datetime:
    try:
        return moment.astimezone(now.tzinfo)
    except OverflowError:  # the first or the last day of all
        return moment
