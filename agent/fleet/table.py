"""The fleet as lines for a person, in Chinese, English or both. Pure: text and how bad it is, no colours, no screen."""

import unicodedata
from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from agent.fleet.look import Line, Look, Summary
from agent.fleet.trouble import NEED_A_PERSON, Need, Trouble
from agent.fleet.view import Row

Language = Literal["zh", "en", "both"]
Level = Literal["head", "bad", "note", "well"]

TROUBLES = {
    Trouble.OFFLINE: ("离线", "offline"),
    Trouble.NEVER: ("从未上线", "never heard"),
    Trouble.DOUBTFUL: ("存疑", "doubtful"),
    Trouble.PRINTER: ("打印机", "printer"),
    Trouble.SLOW: ("出票慢", "slow"),
    Trouble.ALARM: ("报警", "alarm"),
    Trouble.UNKNOWN: ("还没听到", "not heard yet"),
    Trouble.NOTE: ("注意", "note"),
    Trouble.WELL: ("正常", "well"),
}
WHAT = {
    "paper": ("缺纸", "paper"),
    "cover": ("开盖", "cover"),
    "cutter": ("切刀", "cutter"),
    "error": ("故障", "error"),
    "offline": ("脱机", "printer offline"),
    "away": ("打印机不通", "printer away"),
    "other": ("换了打印机", "other printer"),
    "silent": ("打印机不应答", "printer silent"),
    "mute": ("打印机从不应答", "printer never answers"),
    "clock": ("时钟", "clock"),
    "message": ("消息读不懂", "unreadable"),
}
COLUMNS = (
    ("店", "shop"),
    ("机", "box"),
    ("情况", "trouble"),
    ("多久", "for"),
    ("等待", "waiting"),
    ("最久", "oldest"),
    ("上一单", "last order"),
    ("版本", "version"),
    ("时钟", "clock"),
)
_CLOCK_SHOWN_S = 60.0
_MIN_TROUBLE = 12


class TextLine(msgspec.Struct, frozen=True):
    """A line and how bad it is."""

    text: str
    level: Level = "head"


def frame(look: Look, columns: int, lines: int, language: Language) -> list[TextLine]:
    """The table as it fits into a window: the worst first; those that do not fit are counted."""
    head = [*_head(look, language), TextLine("")]
    room = lines - len(head) - 2
    shown = look.boxes if len(look.boxes) <= room else look.boxes[: max(0, room - 1)]
    found = head + _table(shown, columns, language)
    if left := len(look.boxes) - len(shown):
        found.append(TextLine(f"… {say(('还有', 'and'), language)} {left:,} {say(('台', 'more'), language)}"))
    return [TextLine(_cut(line.text, columns), line.level) for line in found]


def snapshot(look: Look, language: Language, everything: bool) -> list[TextLine]:
    """For a pipe: the summary, and the boxes that need a person or of which nothing is known, or all of them."""
    rows = [row for row in look.boxes if everything or row.trouble in NEED_A_PERSON or row.trouble is Trouble.UNKNOWN]
    return _head(look, language) + (_table(rows, 10_000, language) if rows else [])


def change(row: Row, language: Language) -> str:
    """`s421 box1  缺纸 paper: kitchen`, for a log."""
    return f"{name(row)}  {troubles(row.needs, language)}"


def gone(shop: str, agent: str, language: Language) -> str:
    """A box that was taken off the broker."""
    return f"{shop} {agent}  {say(('已移除', 'removed'), language)}"


def name(row: Row) -> str:
    """Shop and box."""
    return f"{row.shop} {row.agent}".rstrip()


def line_down(line: Line, language: Language) -> str:
    """Why nothing is heard."""
    return plain(f"{say(('听不到', 'not connected to'), language)} {line.broker}: {line.why}")


def troubles(needs: Sequence[Need], language: Language) -> str:
    """All that is the matter with a box, the worst first."""
    return ", ".join(_need(need, language) for need in needs) or say(TROUBLES[Trouble.WELL], language)


def say(words: tuple[str, str], language: Language) -> str:
    """In the language wanted."""
    return " ".join(words) if language == "both" else words[0 if language == "zh" else 1]


def age(seconds: float | None) -> str:
    """Short and rounded down: 40s, 12m, 3h05, 6d."""
    if seconds is None:
        return ""
    whole = int(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m"
    return f"{whole // 3600}h{whole % 3600 // 60:02}" if whole < 86_400 else f"{whole // 86_400}d"


def cells(text: str) -> int:
    """How wide it is on a terminal: a Chinese character takes two."""
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def plain(text: str) -> str:
    """What came from outside can't move the cursor."""
    return "".join(char if char.isprintable() else " " for char in text)


def _head(look: Look, language: Language) -> list[TextLine]:
    lines = [] if look.line.up else [TextLine(line_down(look.line, language), "bad")]
    bad = look.summary.need_a_person
    lines.append(TextLine(_totals(look.summary, language), "bad" if bad else "head"))
    return lines


def _totals(found: Summary, language: Language) -> str:
    total = sum(found.boxes.values())
    words = [f"{total:,} {say(('台', 'boxes'), language)}"]
    words.append(f"{found.need_a_person:,} {say(('需要人', 'need a person'), language)}")
    words += [f"{say(TROUBLES[trouble], language)} {count:,}" for trouble, count in found.boxes.items() if count]
    words.append(f"{say(('等待', 'waiting'), language)} {found.waiting:,}")
    if found.oldest_s is not None:
        words.append(f"{say(('最久', 'oldest'), language)} {age(found.oldest_s)}")
    if len(found.versions) > 1:
        words.append(", ".join(f"{plain(version)} ×{count:,}" for version, count in found.versions.items()))
    return " · ".join(words)


def _table(rows: Sequence[Row], columns: int, language: Language) -> list[TextLine]:
    body = [_cells(row, language) for row in rows]
    head = [say(words, language) for words in COLUMNS]
    widths = [max(map(cells, column)) for column in zip(head, *body, strict=True)]
    if (over := sum(widths) + 2 * (len(widths) - 1) - columns) > 0:
        widths[2] = max(_MIN_TROUBLE, widths[2] - over)
    levels: list[Level] = [_level(row.trouble) for row in rows]
    return [TextLine(_joined(head, widths))] + [
        TextLine(_joined(line, widths), level) for line, level in zip(body, levels, strict=True)
    ]


def _level(trouble: Trouble) -> Level:
    return "bad" if trouble in NEED_A_PERSON else "well" if trouble is Trouble.WELL else "note"


def _cells(row: Row, language: Language) -> list[str]:
    return [
        row.shop,
        row.agent,
        plain(troubles(row.needs, language)),
        (">" if row.at_least else "") + age(row.since_s),
        "" if row.waiting is None else f"{row.waiting}" + (f"+{row.held}" if row.held else ""),
        age(row.oldest_s),
        age(row.last_order_s),
        plain(row.version[:12]),
        _clock(row, language),
    ]


def _clock(row: Row, language: Language) -> str:
    if row.clock_off_s is not None and abs(row.clock_off_s) > _CLOCK_SHOWN_S:
        return ("+" if row.clock_off_s > 0 else "-") + age(abs(row.clock_off_s))
    if row.clock_set is None:
        return ""
    return "ok" if row.clock_set else say(("未校准", "not set"), language)


def _need(need: Need, language: Language) -> str:
    if need.trouble in (Trouble.PRINTER, Trouble.NOTE):
        words = say(WHAT[need.what], language)
        return f"{words}: {need.where}" if need.where else words
    words = say(TROUBLES[need.trouble], language)
    return f"{words} {need.what}: {need.reason}" if need.what else words


def _joined(line: Iterable[str], widths: Sequence[int]) -> str:
    return "  ".join(_fit(text, width) for text, width in zip(line, widths, strict=True)).rstrip()


def _fit(text: str, width: int) -> str:
    cut = _cut(text, width)
    return cut + " " * (width - cells(cut))


def _cut(text: str, width: int) -> str:
    if cells(text) <= width:
        return text
    while text and cells(text) > width - 1:
        text = text[:-1]
    return text + "…"
