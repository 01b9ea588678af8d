"""What is wrong with a configuration, in Chinese besides: for who reads it on a page, or on the boot partition."""

import re

import msgspec

_PLACE = re.compile(r"(?P<file>.*?):(?P<line>\d+):(?P<column>\d+): (?:(?P<field>[\w.\[\]-]+): )?(?P<said>.*)")
_FILE = re.compile(r"(?P<place>[^\s:]+: )(?P<said>.*)")
_WORDS = (
    ("it belongs at the top", "位置不对：它要写在最外层，前面不空格"),
    ("there is no such setting", "没有这个设置项"),
    ("there is no such file", "文件不存在"),
    ("there is no file", "文件不存在"),
    ("is not an IPv4 address", "地址要写四个 0 到 255 的数字，例如 192.168.1.50"),
    ("is not an IPv6 address", "IPv6 地址不对，例如 [fd00::5]"),
    ("is not a number from 1 to 65535", "端口要写 1 到 65535 的数字"),
    ("the host is missing", "缺少地址，例如 192.168.1.50"),
    ("is not a host", "只写地址或 地址:端口，后面不要别的"),
    ("host name", "地址写法不对，例如 192.168.1.50"),
    ("the closing bracket is missing", "少了逗号或右括号；值里有 # 或 : 时请加引号"),
    ("a value is missing or begins", "少了值，或它以特殊字符开头：请加引号"),
    ("is missing", "缺少这一项"),
    ("it is empty", "是空的，请填写"),
    ("is written twice", "写了两遍，请只留一个"),
    ("neither yes nor no", "只能写 true 或 false"),
    ("is not a whole number", "要写整数"),
    ("is not a number", "要写数字"),
    ("is out of range", "超出了允许的范围"),
    ("characters; at most", "太长了"),
    (" is the most", "太长了"),
    ("one value is wanted here", "这里只要一个值"),
    ("a group of settings is wanted", "这里要写一组设置"),
    ("a list is wanted here", "这里要写一个列表"),
    ("an ordinary : and a space", "用了全角冒号：请改成半角 : 再加一个空格"),
    ("a full-width colon", "用了全角冒号：请改成半角 :"),
    ("a full-width comma", "用了全角逗号：请改成半角 ,"),
    ("a Chinese comma", "用了顿号：请改成半角逗号 ,"),
    ("Chinese quotes", "用了中文引号：请改成英文引号，或不写引号"),
    ("a full-width bracket", "用了全角括号：请改成半角括号"),
    ("has the default station already", "只能有一个默认档口：其他的去掉 default: true"),
    ("it is the station's own printer", "备用打印机不能是它自己：请换一台，或不写"),
    ("8883 is the port of encrypted lines", "8883 是加密端口：请用 mqtts://"),
    ("no dish comes here by itself", "没有菜会自动到这个档口：请写 match"),
    ("no space after the colon", "冒号后面缺一个空格"),
    ("no space after the dash", "减号后面缺一个空格"),
    ("a tab; indent", "缩进用了 Tab，请改成空格"),
    ("it is not aligned", "没有和上面的行对齐"),
    ("a second ': '", "多了一个冒号，或没有对齐；请给值加引号"),
    ("has no ': '", "这一行缺少冒号"),
    ("a quote is opened", "引号没有成对"),
    ("not UTF-8 text", "文件编码不是 UTF-8（可能是 GBK）：请另存为 UTF-8"),
    ("control character", "含有看不见的控制字符，请删掉"),
    ("there is no printer", "没有这个名字的打印机"),
    ("there is no station", "没有这个名字的档口"),
    ("there is no time zone", "没有这个时区，例如 Asia/Shanghai"),
    ("there is no template", "没有这个小票模板"),
    ("there is no folder", "文件夹不存在"),
    ("no user and password in the URL", "地址里不能写用户名和密码"),
    ("no password in this file", "密码不能写在这里"),
    ("does not begin with mqtt", "地址要以 mqtts:// 或 mqtt:// 开头"),
    ("leads to the same device", "和另一台打印机是同一个设备"),
    ("has this name too", "名字重复了"),
    ("can't be read", "文件读不了"),
    ("may not read it", "没有权限读这个文件"),
    ("may not write", "没有权限写这个文件夹"),
    ("can't be written", "写不进去：请检查磁盘空间，是不是只读"),
    ("root follows no link", "这是一个链接，root 不跟着走：请换成文件本身"),
    ("at the same time", "同时有别人改了它，请看一下再试"),
    ("use only the characters a-z, 0-9 and -", "只能用 a-z、0-9 和 -"),
    ("0-9, - and / between two words", "只能用 a-z、0-9 和 -，词之间用 /"),
    ("write one whole topic", "要写一个完整的主题，不带 +、# 和空格"),
    ("write from when until when", '要写从几点到几点，例如 "03:00-05:00"'),
    ("use letters, digits, ., - and _", "只能用字母、数字、.、- 和 _，不带空格"),
    ("use letters a-z, digits, ., - and _", "只能用字母 a-z、数字、.、- 和 _"),
    ("use only letters and digits", "只能用字母和数字"),
    ("is not possible", "不能这样写"),
    ("is a port alone", "只写了端口"),
    ("there is a printer '", "已有同名打印机"),
    (" can't be used (", "数据目录用不了"),
    ("not JSON: ", "不是 JSON"),
    ("broker: there is none", "没有配置云端"),
    ("printers: there is none", "还没有打印机，订单会等着"),
    ("has no printer, its tickets wait", "这个档口没写打印机，小票会一直等"),
    ("not millimetres", "宽度是字符数，不是毫米：80 mm 纸写 48，58 mm 纸写 32"),
    ("is not a link", "打印机要写成 tcp://地址 或 serial:///dev/ttyUSB0?baud=19200"),
    ("it can't be looked at", "文件不在，或服务用户看不了"),
    ("is not there; put it there", "文件不在"),
    ("in clear text", "密码在网络上是明文：请用 mqtts://"),
    ("everybody on this machine can read it", "这个文件谁都能读"),
)
_REMEDIES = (
    (re.compile(r"did you mean '(.+)'\?"), "是不是 '{}'？"),
    (re.compile(r"there is no such setting; write (url: \S+)"), "请写 {}"),
    (re.compile(r'is a port alone; write ("[^"]+")'), "请写 {}"),
    (re.compile(r", or begin: (sudo shop-agent setup)"), "用 --config 指定，或先运行 {}"),
    (re.compile(r"it is missing; write for example (.+)"), "例如 {}"),
    (re.compile(r"is not possible; write (\w+), or for example (.+)"), "可写 {}，或 {}"),
    (re.compile(r"(there is no such setting; there are)"), "请检查拼写"),
)
"""What to write instead, where that is a name or an example."""
_CHOICE = re.compile(r"(?:is not possible; write (?:one of )?|there are: )([\w.-]+(?:(?:, | or )[\w.-]+){,9})$")

WRONG = "写法不对"
"""Of what has no words of its own here."""


class Fault(msgspec.Struct, frozen=True):
    """One error of `agent.config.load`. `line` and `column` from 1, 0 where there is no place; `zh` says the kind of
    mistake, `en` all of it.
    """

    field: str
    line: int
    column: int
    zh: str
    en: str


def faults(text: str) -> list[Fault]:
    """What a ConfigError says, line by line."""
    return [_fault(line) for line in text.splitlines() if line.strip()]


def bilingual(text: str) -> str:
    """A ConfigError for a terminal: each line with its place as it is, and then Chinese before English."""
    return "\n".join(map(_bilingual, text.splitlines()))


def _bilingual(line: str) -> str:
    found = _PLACE.fullmatch(line)
    zh = _zh(line, WRONG if found else "")
    if not zh or zh in line:
        return line
    if (found := found or _FILE.fullmatch(line)) is None:
        return f"{zh}  {line}"
    return f"{line[: found.start('said')]}{zh}  {found['said']}"


def _zh(line: str, other: str) -> str:
    """What kind of mistake it is, and what to write instead."""
    kind = next((words for part, words in _WORDS if part in line), other)
    remedy = _remedy(line)
    return f"{kind}；{remedy}" if kind and remedy else kind


def _remedy(line: str) -> str:
    if choice := _CHOICE.search(line):
        return "可写：" + re.sub(", | or ", "、", choice[1])
    return next((words.format(*found.groups()) for said, words in _REMEDIES if (found := said.search(line))), "")


def _fault(line: str) -> Fault:
    zh = _zh(line, WRONG)
    if (found := _PLACE.fullmatch(line)) is None:
        return Fault("", 0, 0, zh, line)
    return Fault(found["field"] or "", int(found["line"]), int(found["column"]), zh, found["said"])
