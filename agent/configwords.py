"""What is wrong with a configuration, in Chinese besides: for who reads it on a page, or on the boot partition."""

import re

import msgspec

_PLACE = re.compile(r"(?P<file>.*?):(?P<line>\d+):(?P<column>\d+): (?:(?P<field>[\w.\[\]-]+): )?(?P<said>.*)")
_WORDS = (
    ("there is no such setting", "没有这个设置项，请检查拼写"),
    ("there is no such file", "文件不存在"),
    ("is missing", "缺少这一项"),
    ("it is empty", "是空的，请填写"),
    ("is written twice", "写了两遍，请只留一个"),
    ("neither yes nor no", "只能写 true 或 false"),
    ("is not a whole number", "要写整数"),
    ("is not a number", "要写数字"),
    ("is out of range", "超出了允许的范围"),
    ("characters; at most", "太长了"),
    ("a full-width colon", "用了全角冒号：请改成半角 : 再加一个空格"),
    ("no space after the colon", "冒号后面缺一个空格"),
    ("no space after the dash", "减号后面缺一个空格"),
    ("a tab; indent", "缩进用了 Tab，请改成空格"),
    ("it is not aligned", "没有和上面的行对齐"),
    ("a second ': '", "多了一个冒号，或没有对齐；请给值加引号"),
    ("has no ': '", "这一行缺少冒号"),
    ("a quote is opened", "引号没有成对"),
    ("the closing bracket is missing", "缺少逗号或右括号"),
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
    ("at the same time", "同时有别人改了它，请看一下再试"),
    ("is not possible", "不能这样写"),
)


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


def _fault(line: str) -> Fault:
    zh = next((words for part, words in _WORDS if part in line), "写法不对")
    if (found := _PLACE.fullmatch(line)) is None:
        return Fault("", 0, 0, zh, line)
    return Fault(found["field"] or "", int(found["line"]), int(found["column"]), zh, found["said"])
