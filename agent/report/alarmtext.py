"""An alarm in words for a chat on a telephone: which shop, what is wrong, what to do. Pure.

What came from outside (an order's id, a platform's complaint) can't call anybody: robots read <…> as a mention.
"""

import re
from collections.abc import Mapping, Sequence

import msgspec

from agent.config.notices import Topic
from agent.model.ticket import Language
from agent.tickets.words import remedy, said_in, trouble

MOST_BYTES = 2000
"""WeCom cuts a text off at 2,048 bytes; the others take more."""

_LONGEST_REASON = 120
_LINE, _DISK = "line", "disk"
_TOPICS: dict[str, Topic] = {
    "printer": "printer",
    "waiting": "waiting",
    "ticket": "ticket",
    "missing": "missing",
    "number": "missing",
    _LINE: "line",
    "broker": "line",
    "session": "line",
}
_AFTER_S: dict[Topic, float] = {"printer": 30, "waiting": 5, "ticket": 60, "missing": 30, "line": 120, "box": 5}
_SAID_ALREADY = ("session", "no_printer")
_GROW = ("parked", "missing", "number")
_NAME = "{name}"
_OF_PRINTER = {
    "mute": (
        ("从不应答，小票只能算作已打", "it never answers, tickets are only presumed printed"),
        (
            "无需处理；请自己看纸。换能应答的打印机更稳妥。",
            "Nothing to do; look at the paper. A printer that answers is safer.",
        ),
    ),
    "unheard": (
        ("是新的，还没有应答", "it is new and has not answered yet"),
        ("请看它是否通电、联机。", "See that it is switched on and online."),
    ),
}
"""Besides what is wrong with a printer on paper (`tickets.words`)."""
_NOBODY_CAN_HELP = ("mute", "unheard")


class Sentence(msgspec.Struct, frozen=True):
    """What is wrong, and what a person does about it, in Chinese and English."""

    what: tuple[str, str]
    do: tuple[str, str] = ("", "")


_SENTENCES = {
    _LINE: Sentence(
        ("云端连接断开，收不到新订单", "no line to the cloud, new orders do not come"),
        (
            "请检查网络和路由器；刚设置的，请核对云端地址。",
            "Check the network and the router; where it is new, the cloud's address.",
        ),
    ),
    _DISK: Sentence(
        ("磁盘已满，收不到新订单", "the disk is full, new orders are not taken"),
        ("请清理磁盘。", "Make room on the disk."),
    ),
    "session": Sentence(
        ("服务器忘记了这台盒子，正在追要漏掉的订单", "the broker forgot this box; missed orders are asked for"),
        ("请与平台核对订单。", "Compare the orders with the platform."),
    ),
    "waiting:old": Sentence(
        ("有订单来得太晚，没有打印", "orders came too late and are not printed"),
        ("请决定打不打：手机页面“迟到订单”，或云端。", "Decide: on the page Late orders, or in the cloud."),
    ),
    "waiting:flood": Sentence(
        ("一下来了太多订单，没有打印", "too many orders at once, not printed"),
        ("请看是否真单：手机页面“迟到订单”，或云端。", "Are they real? On the page Late orders, or in the cloud."),
    ),
    "waiting:failed": Sentence(
        ("有订单做不成小票，没有打印", "orders could not be made into tickets"),
        ("请手工处理：手机页面“迟到订单”。", "Handle them by hand: on the page Late orders."),
    ),
    "no_printer": Sentence(
        ("没有打印机，或档口没选打印机", "there is no printer, or a station has none"),
        (
            "请在手机页面“打印机”里添加，在“档口”里选它。",
            "Add it on the page Printers; choose it on the page Stations.",
        ),
    ),
}
_UNREACHED = (
    (
        ("Name or service not known", "No address associated", "getaddrinfo"),
        ("找不到云端的主机", "the cloud's host is not found"),
        ("请核对云端地址的拼写，再看网络。", "Check the spelling of the cloud's address, then the network."),
    ),
    (
        ("Connection refused",),
        ("云端拒绝连接", "the cloud refuses the connection"),
        (
            "稍后会自动重试；刚设置的，请核对端口（加密 8883，不加密 1883）。",
            "It is tried again; where it is new, check the port (8883 encrypted, 1883 plain).",
        ),
    ),
    (
        ("encrypted port", "WRONG_VERSION_NUMBER", "record layer failure"),
        ("云端不应答：加密和端口可能不配", "the cloud does not answer: encryption and port may not match"),
        ("请核对端口：加密 mqtts 8883，不加密 mqtt 1883。", "Check the port: mqtts 8883, mqtt 1883."),
    ),
)
"""By what the last try to connect said: what is wrong, and what to do."""
_NO_PRINTER_AT = "no printer for station "
_SEEN = ("再点“知道了”（命令行：shop-agent alarms）", "then say that it was seen: the button, or shop-agent alarms")
_BY_KIND = {
    "ticket": (
        ("小票 {name} 没有确认打出", "ticket {name} is not known to be printed"),
        (
            "请看纸，再在手机页面“小票”里选（或 shop-agent queue list）",
            "Look at the paper, then choose on the page Tickets (or shop-agent queue list)",
        ),
    ),
    "missing": (
        ("有订单没有送达", "orders did not come"),
        (f"请与平台核对，{_SEEN[0]}", f"Compare with the platform; {_SEEN[1]}"),
    ),
    "number": (
        ("{name} 有单号没出现", "{name}: order numbers not seen"),
        (f"请与平台核对，{_SEEN[0]}", f"Ask the platform; {_SEEN[1]}"),
    ),
    "broker": (("云端连接有问题", "trouble with the line to the cloud"), ("请联系安装方。", "Tell the installer.")),
    "broker:tls": (
        ("云端的加密连接建不起来", "no encrypted line to the cloud"),
        ("请看括号里的原因，常见是时钟或证书：shop-agent doctor", "Clock or certificate, mostly: shop-agent doctor"),
    ),
    "broker:certificate": (
        ("本机的证书快到期或已到期", "this box's certificate ends soon, or has ended"),
        ("请换上新证书，不用重启。", "Put a new one in its place; no restart is needed."),
    ),
    "broker:refused": (
        ("云端不让本机登录", "the cloud refuses this box"),
        ("请核对云端的用户名和密码：手机页面“设置”。", "Check the cloud's user and password: on the page Set-up."),
    ),
    "broker:keys": (
        ("签名密钥读不了，先不连云端，订单在云端等着", "signature keys can't be read: the line is shut, orders wait"),
        ("请核对 signatures.keys，改好后一分钟内自动恢复。", "Check signatures.keys; looked at again each minute."),
    ),
    "broker:topics": (
        ("云端不让本机用它的主题，收不到订单", "the cloud does not let this box use its topics, orders do not come"),
        (
            "请核对店铺编号：手机页面“设置”；编号没错，就请云端放行。",
            "Check prefix, shop, agent; ask the cloud to allow these topics.",
        ),
    ),
    "broker:packet": (
        ("有回报太大，云端不收", "a report is too large for the cloud's broker, and waits"),
        ("请联系安装方：放宽服务器的消息大小限制。", "Tell the installer: the broker's limit is too low."),
    ),
    "broker:client_id": (
        ("另一台盒子用了同一个编号", "another box uses this one's client id"),
        ("给每台盒子写不同的 agent。", "Give each box an agent name of its own."),
    ),
    "parked": (
        ("有消息用不了，没有打印", "events could not be taken and are not printed"),
        (f"请与平台核对，并联系对接方，{_SEEN[0]}", f"Compare with the platform, tell the integrator; {_SEEN[1]}"),
    ),
    "template": (
        ("小票模板 {name} 有错，先用简单样式打印", "template {name} is wrong; tickets print plainly"),
        ("请修改模板。", "Mend the template."),
    ),
    "journal": (
        ("账本损坏，已重建", "the journal was broken and begun anew"),
        (f"请与平台核对，{_SEEN[0]}", f"Compare the orders with the platform; {_SEEN[1]}"),
    ),
    "update": (
        ("更新到 {name} 不成功，已退回旧版", "the update to {name} was undone, the version of before runs"),
        (f"不影响出票。请联系安装方，{_SEEN[0]}", f"Tickets print. Tell the installer; {_SEEN[1]}"),
    ),
    "card": (
        ("存储卡丢数据，重打的小票都有标记", "the memory card loses data; what prints again is marked"),
        (f"请尽快换卡，并与平台核对，{_SEEN[0]}", f"Exchange the card; compare with the platform; {_SEEN[1]}"),
    ),
    "console:guessed": (
        ("有人在试本机的密码", "somebody is guessing this box's PIN"),
        ("看看谁连着店里的 Wi-Fi；可在设置里换密码。", "See who is on the shop's Wi-Fi; choose another PIN in set-up."),
    ),
    "config": (
        ("配置文件有错，正用上一份好的配置", "the configuration is wrong; the last good one is in use"),
        (
            "请改正它：shop-agent config check，改好后一分钟内自动恢复。",
            "Mend it: shop-agent config check; a minute later it is in use.",
        ),
    ),
    "console": (("本机端口没有打开", "the box's own port is not open"), ("请检查配置。", "Check the configuration.")),
}

_OF_ORDER = re.compile(r"order (#\S+) \(")
_CONFLICT = re.compile(
    r"an event could not be taken: (?:order (.+) revision \d+|event .+) came before with other content"
)
_ASK = ("请联系安装方：shop-agent support-bundle", "Ask the installer: shop-agent support-bundle")


def topic_of(key: str) -> Topic:
    """What an alarm is about, by its key."""
    return _TOPICS.get(key.partition(":")[0], "box")


def after_s(key: str) -> float | None:
    """How long an alarm is up before it is told: what ends by itself is told to nobody. None: never."""
    return None if key.startswith("printer:") and key.endswith(_NOBODY_CAN_HELP) else _AFTER_S[topic_of(key)]


def grows(key: str) -> bool:
    """Do its words change when more of the same happens while it is up?"""
    return key.partition(":")[0] in _GROW


def sentence(key: str, reason: str = "") -> Sentence:
    """An alarm's words, with its reason where that says more."""
    said = brief(key, reason)
    if not reason or key in _SENTENCES or key.startswith("printer:"):
        return said
    why = f" ({_plain(reason)})"
    return Sentence((said.what[0] + why, said.what[1] + why), said.do)


def brief(key: str, reason: str) -> Sentence:
    """An alarm's words without its reason, where that stands beside it."""
    if (known := _SENTENCES.get(key)) is not None:
        return _closer(known, key, reason)
    kind, _, name = key.partition(":")
    if kind == "printer":
        return _of_printer(*name.rpartition(":")[::2])
    fallback = ((_plain(key), _plain(key)), _ASK)
    (zh, en), do = _BY_KIND.get(key) or _BY_KIND.get(kind, fallback)
    if kind == "ticket" and (order := _OF_ORDER.match(reason)):
        name = order[1]
    elif kind == "parked" and (twice := _CONFLICT.match(reason)):
        zh, en = (
            "{name} 来了两次，内容不同；后来的没打印",
            "{name} came twice, with other content; the later is not printed",
        )
        name = twice[1] or ""
        zh, en = (f"订单 {zh}", f"order {en}") if name else (f"一条消息{zh}", f"an event{en}")
    name = _plain(name)
    return Sentence((zh.replace(_NAME, name), en.replace(_NAME, name)), do)


def more(key: str, reason: str) -> str:
    """The reason, beside the sentence; "" where it only says the same in other words."""
    return "" if key in _SAID_ALREADY else reason


def text(where: str, language: Language, raised: Mapping[str, str], over: Sequence[str]) -> str:
    """The whole message, at most 2,000 bytes as UTF-8. It always holds 报警 or ALARM: a robot may want a word."""
    count = len(raised)
    head = (f"【报警】{where}", f"ALARM {where}") if raised else (f"【报警解除】{where}", f"ALARM OVER {where}")
    more = (f"：{count} 条", f": {count} alarms") if count > 1 else ("", "")
    lines = [said_in(language, head[0] + more[0], head[1] + more[1])]
    for key, reason in raised.items():
        said = sentence(key, reason)
        zh, en = f"⚠ {said.what[0]}。{said.do[0]}", f"⚠ {said.what[1]}. {said.do[1]}"
        lines.append(said_in(language, zh.rstrip(), en.rstrip()))
    for key in over:
        said = sentence(key)
        lines.append(said_in(language, f"✓ 已恢复：{said.what[0]}", f"✓ over: {said.what[1]}"))
    return _within(lines)


def trial(where: str, language: Language) -> str:
    """What a test says."""
    zh, en = f"【测试】{where} 的报警会发到这里。", f"TEST: ALARMs of {where} come here."
    return "\n".join(said_in(language, zh, en))


def _closer(known: Sentence, key: str, reason: str) -> Sentence:
    """What the reason says more exactly."""
    if key == "no_printer" and reason.startswith(_NO_PRINTER_AT):
        names = _plain(reason.removeprefix(_NO_PRINTER_AT).partition(":")[0])
        return Sentence(
            (f"档口 {names} 没有打印机，小票在等", f"station {names} has no printer, its tickets wait"),
            known.do,
        )
    if key == _LINE:
        for signs, what, do in _UNREACHED:
            if any(sign in reason for sign in signs):
                return Sentence((f"{what[0]}，收不到新订单", f"{what[1]}, new orders do not come"), do)
    return known


def _of_printer(name: str, what: str) -> Sentence:
    name = _plain(name)
    if what == "paused":
        how = f"shop-agent printers resume {name}"
        return Sentence((f"打印机 {name} 已暂停", f"printer {name} is paused"), (f"继续：{how}", f"Go on: {how}"))
    (zh, en), do = _OF_PRINTER.get(what, ((trouble(Language.ZH, what), trouble(Language.EN, what)), remedy(what)))
    return Sentence((f"打印机 {name} {zh}", f"printer {name}: {en}"), do)


def _within(lines: list[list[str]]) -> str:
    """As many alarms as fit, and how many do not."""
    said, size = "", 0
    for at, each in enumerate(lines):
        more = "\n".join(each)
        size += len(more.encode()) + 1
        if size > MOST_BYTES - 16:
            return f"{said}\n… +{len(lines) - at}"
        said = f"{said}\n{more}" if said else more
    return said


def _plain(text: str) -> str:
    text = "".join(char if char.isprintable() else " " for char in text)
    text = text.replace("<", "‹").replace(">", "›").replace("@", "＠")
    return text if len(text) <= _LONGEST_REASON else f"{text[:_LONGEST_REASON]}…"
