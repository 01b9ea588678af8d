"""Where a line breaks: after blanks, between Chinese characters, not before 。，）、！？ where that can be avoided."""

from collections.abc import Iterable
from itertools import groupby
from typing import NamedTuple, Protocol

from agent.encode.text import cell
from agent.model.layout import Run, Style

_NEVER_FIRST = frozenset("。，、；：？！）】》〉」』〗〕”’…—～·％℃.,;:?!)]}%")
_NEVER_LAST = frozenset("（【《〈「『〖〔“‘￥＃〓([{#")


class Styled(Protocol):
    """Text of one style."""

    @property
    def text(self) -> str: ...

    @property
    def style(self) -> Style: ...


class _Glyph(NamedTuple):
    char: str
    style: Style
    cells: int


def wrap(text: Iterable[Styled], width: int, indent: int) -> list[list[Run]]:
    """Styled text in rows of at most `width` cells, all but the first `indent` cells further in.

    Only blanks at a break are left out; a character that is broader than the paper has a row of its own.
    """
    glyphs = [_Glyph(c, p.style, cell(c) * p.style.width) for p in text for c in p.text]
    indent = max(0, min(indent, width // 3, width - max([glyph.cells for glyph in glyphs], default=0)))
    rows: list[list[Run]] = []
    start, room = 0, width
    while start < len(glyphs):
        end = _break(glyphs, start, _reach(glyphs, start, room))
        margin = [Run(" " * indent)] if rows and indent else []
        rows.append(margin + _runs(glyphs[start:end]))
        start, room = end, width - indent
        while start < len(glyphs) and _is_blank(glyphs, start):
            start += 1
    return rows or [[]]


def _is_blank(glyphs: list[_Glyph], at: int) -> bool:
    """A blank that may be left out at a break: one that bears a mark is none."""
    return glyphs[at].char == " " and not (at + 1 < len(glyphs) and glyphs[at + 1].cells == 0)


def _reach(glyphs: list[_Glyph], start: int, room: int) -> int:
    end = start
    while end < len(glyphs) and glyphs[end].cells <= room:
        room -= glyphs[end].cells
        end += 1
    end = max(end, start + 1)
    while end < len(glyphs) and not glyphs[end].cells:
        end += 1
    return end


def _break(glyphs: list[_Glyph], start: int, end: int) -> int:
    """Where the row ends: after two spaces if it has them, as they part facts; else where a break is good.

    A mark is never parted from its character.
    """
    if end == len(glyphs):
        return end
    places = [i for i in range(end, start, -1) if glyphs[i].cells]
    for i in places:
        if i > start + 2 and glyphs[i - 1].char == glyphs[i - 2].char == " " != glyphs[start].char:
            return i
    return next((i for i in places if _may_break(glyphs[i - 1].char, glyphs[i].char)), end)


def _may_break(before: str, after: str) -> bool:
    if before == " " or after == " ":
        return True
    if after in _NEVER_FIRST or before in _NEVER_LAST:
        return False
    return not (_in_word(before) and _in_word(after))


def _in_word(char: str) -> bool:
    return char < "\u2e80"


def _runs(glyphs: list[_Glyph]) -> list[Run]:
    while glyphs and glyphs[-1].char == " ":
        glyphs = glyphs[:-1]
    return [Run("".join([g.char for g in group]), style) for style, group in groupby(glyphs, lambda g: g.style)]
