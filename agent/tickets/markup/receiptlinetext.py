"""ReceiptLine's text: escape sequences, decorations and sizes; and how a value is put into such a document.

What is not an escape sequence of ReceiptLine is printed as it stands, and noted.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from itertools import groupby
from operator import itemgetter

from agent.encode.text import clean
from agent.model.layout import PLAIN, Align, Run, Style

Note = Callable[[str], None]
"""Takes what was not understood."""

BLANKS = "\t "
_SPECIAL = re.compile(r'[\\_"`~^]')
_TOKENS = re.compile(r'\\x[0-9A-Fa-f]{2}|\\.?|[_"`~]|\^+|[^\\_"`~^]+', re.DOTALL)
_ESCAPES = re.compile(r"\\x[0-9A-Fa-f]{2}|\\.?", re.DOTALL)
_SPOKEN = {"\\n": "\n", "~": " "} | {f"\\{char}": char for char in '\\|{}-=~_"`^;'}
_CONTROLS = dict.fromkeys([*range(0x20), 0x7F])
_ESCAPED_CONTROLS = re.compile(r"\\(?:x[01][0-9A-Fa-f]|x7[Ff]|(.))", re.DOTALL)
_SIZES = ((1, 1), (2, 1), (1, 2), (2, 2), (3, 3), (4, 4), (5, 5), (6, 6))
_UNDERLINE, _EMPHASIS, _INVERT = 1, 2, 4
_TOGGLES = {"_": _UNDERLINE, '"': _EMPHASIS, "`": _INVERT}
_ESCAPED = {ord(char): f"\\{char}" for char in '\\|{}~_"`^=-'} | {ord(";"): r"\x3b"}


def escape(value: str) -> str:
    r"""The value as a ReceiptLine document says it, in text and in a property alike.

    Line breaks become spaces, other control characters are dropped. Blanks at the edges become \x20, as a blank
    beside a bar would align the column.
    """
    text = clean(value)
    inner = text.strip(" ")
    before = len(text) - len(text.lstrip(" "))
    after = len(text) - len(inner) - before if inner else 0
    return r"\x20" * before + inner.translate(_ESCAPED) + r"\x20" * after


def split(text: str, char: str) -> list[str]:
    """The parts between the given characters; one with a backslash before it parts nothing."""
    if "\\" not in text:
        return text.split(char)
    parts, start = [], 0
    for match in re.finditer(rf"\\.|{re.escape(char)}", text, re.DOTALL):
        if match.group() == char:
            parts.append(text[start : match.start()])
            start = match.end()
    return [*parts, text[start:]]


def cells_of(line: str) -> list[tuple[str, Align]]:
    """The columns of a line. A column stands at the bar that it touches, between two alike in the middle."""
    parts = split(line, "|")
    if len(parts) == 1:
        return [(line, Align.CENTER)]
    opened = not parts[0]
    parts = parts[opened:]
    closed = len(parts) > 1 and not parts[-1]
    parts = parts[: len(parts) - closed]
    cells = []
    for i, part in enumerate(parts):
        before, after = part.startswith(tuple(BLANKS)), part.endswith(tuple(BLANKS))
        if i == 0 and not opened:
            before = not after
        if i == len(parts) - 1 and not closed and (i > 0 or opened):
            after = not before
        cells.append((part.strip(BLANKS), Align(1 + before - after)))
    return cells


def styled(text: str, note: Note) -> tuple[Run, ...]:
    """The runs of one column's text, in which a line feed is a new line."""
    text = text.translate(_CONTROLS)
    if not _SPECIAL.search(text):
        return (Run(text),) if text else ()
    text = _ESCAPED_CONTROLS.sub(lambda match: match[0] if match[1] else "", text)
    size = marks = 0
    said: list[tuple[Style, str]] = []
    for token in _TOKENS.findall(text):
        if token[0] == "^":
            times = min(len(token), len(_SIZES) - 1)
            size = 0 if size == times else times
        elif token in _TOGGLES:
            marks ^= _TOGGLES[token]
        else:
            said.append((_style(size, marks), _said(token, note)))
    return tuple([Run("".join([text for _, text in same]), style) for style, same in groupby(said, itemgetter(0))])


def spoken(value: str, note: Note) -> str:
    """A property's value without its escape sequences."""
    return _ESCAPES.sub(lambda match: _said(match.group(), note), value) if "\\" in value else value


def _said(token: str, note: Note) -> str:
    if token in _SPOKEN:
        return _SPOKEN[token]
    if token[0] != "\\":
        return token
    if len(token) == 4:
        return chr(int(token[2:], 16))
    note(token)
    return token


@lru_cache(maxsize=64)
def _style(size: int, marks: int) -> Style:
    if not (size or marks):
        return PLAIN
    width, height = _SIZES[size]
    return Style(width, height, bool(marks & _EMPHASIS), bool(marks & _INVERT), bool(marks & _UNDERLINE))
