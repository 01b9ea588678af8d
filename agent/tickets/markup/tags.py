"""The machine that all tag dialects share: content is cut at its tags, and each is looked up in the dialect's table.

A dialect is data: which name does what. What is not in the table is text, and is reported. Nothing is swallowed; time
is linear in the content.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import NamedTuple

from agent.tickets.markup.tags_ops import BREAKS, Close, Do, Hold, Newline, Op, Open, Unknown
from agent.tickets.markup.tags_sheet import Look, Sheet

Attrs = dict[str, str]
"""A tag's attributes, by name in small letters. A value may be empty."""

TAG = r"</?[A-Za-z][^<>\r\n]{0,200}>"
"""What looks like a tag: 3 < 5 and <3 do not."""

_TAG = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9_-]*)(?:\s+([^<>]*?))?\s*/?>")
_ATTR = re.compile(r"([A-Za-z]+)(?:=(?:\"([^\"]*)\"|'([^']*)'|([^\s\"']+)))?(?:\s+|$)")
_ENTITY = re.compile("&(?:lt|gt|amp|#34|#39);")
_ENTITIES = {"&lt;": "<", "&gt;": ">", "&amp;": "&", "&#34;": '"', "&#39;": "'"}


class Span(NamedTuple):
    """A tag with an end. `change`: what it makes of text; `enter` and `leave`: what it does on the way in and out.

    Functions of attributes raise TagError for what they don't understand. `box`: it ends with all that stands open
    in it. `line`: it needs no closing tag.
    """

    change: Callable[[Look, Attrs], Look] | None = None
    enter: Callable[[Sheet, Attrs], None] | None = None
    leave: Callable[[Sheet], None] | None = None
    box: bool = False
    line: bool = False


class Point(NamedTuple):
    """A tag without an end, or whose end says nothing."""

    act: Callable[[Sheet, Attrs], None]


class Held(NamedTuple):
    """A tag whose content is not for reading: a code's text, a number of copies."""

    act: Callable[[Sheet, Attrs, str], None]


class Break(NamedTuple):
    """A tag that ends the line, and makes an empty one where there is nothing on it."""


Action = Span | Point | Held | Break


class Dialect:
    """A table of tags, by name in small letters; `sized` are those that may carry a number: <QR110>.

    `marks`: a pattern of what else is a tag, by its own text. `entities`: text was HTML-escaped.
    """

    def __init__(
        self,
        tags: Mapping[str, Action],
        *,
        sized: frozenset[str] = frozenset(),
        marks: str = "",
        entities: bool = False,
    ) -> None:
        self.tags = tags
        self.sized = sized
        self.entities = entities
        self.split = re.compile(f"({TAG}|\r\n|[\r\n]{'|' if marks else ''}{marks})").split
        self.read = lru_cache(maxsize=1024)(self._read)

    def set(self, content: str, images: Mapping[str, bytes], width: int) -> Sheet:
        """Set a whole ticket."""
        reader = Reader(self, content, Sheet(images, width))
        reader.run()
        return reader.sheet

    def plain(self, text: str) -> str:
        """Text as it was before it was escaped."""
        return _ENTITY.sub(_entity, text) if self.entities and "&" in text else text

    def _read(self, token: str) -> Op:
        if token in BREAKS:
            return Newline()
        found = _TAG.fullmatch(token)
        end, name, attrs = found.groups(default="") if found else ("", token, "")
        name = name.lower()
        if end:
            return Unknown(token) if attrs else Close(name, token)
        action = self.tags.get(name)
        size = name.lstrip("abcdefghijklmnopqrstuvwxyz_")
        if action is None and size.isdecimal() and (stem := name.removesuffix(size)) in self.sized:
            name, action, attrs = stem, self.tags.get(stem), f"{attrs} size={size}"
        values = self._attrs(attrs.strip())
        if action is None or values is None:
            return Unknown(token)
        if isinstance(action, Break):
            return Newline(True)
        if isinstance(action, Span):
            return Open(name, action, values, token)
        return Do(name, action, values, token) if isinstance(action, Point) else Hold(name, action, values, token)

    def _attrs(self, text: str) -> Attrs | None:
        values: Attrs = {}
        at = 0
        while at < len(text):
            found = _ATTR.match(text, at)
            if found is None:
                return None
            name, *value = found.groups(default="")
            values[name.lower()] = self.plain("".join(value))
            at = found.end()
        return values


def _entity(found: re.Match[str]) -> str:
    return _ENTITIES[found.group()]


class Reader:
    """One pass over the tokens: text at the even places, tags and line breaks at the odd ones.

    `refused`: where held tags close that were refused and are not over yet, MAX_OPEN at most. What stands in so many is
    not looked at once more for each.
    """

    def __init__(self, dialect: Dialect, content: str, sheet: Sheet) -> None:
        self.dialect = dialect
        self.sheet = sheet
        self.tokens = dialect.split(content)
        self.at = 0
        self.refused: list[int] = []
        self._ends: dict[int, int] | None = None

    def run(self) -> None:
        tokens, sheet, read, escaped = self.tokens, self.sheet, self.dialect.read, self.dialect.entities
        last = len(tokens) - 1
        while True:
            if text := tokens[self.at]:
                sheet.text(_ENTITY.sub(_entity, text) if escaped and "&" in text else text)
            if self.at >= last:
                break
            self.at += 2
            read(tokens[self.at - 1]).do(self)
        while sheet.opened:
            self.lost(len(sheet.opened) - 1)
        sheet.flush()

    def end_of(self, place: int) -> int:
        """The place of the closing tag of the tag at this place; 0 if it has none."""
        if self._ends is None:
            self._ends = self._pairs()
        return self._ends.get(place, 0)

    def _pairs(self) -> dict[int, int]:
        """Where each tag closes: a closing tag belongs to the last one of its name that is open."""
        pairs: dict[int, int] = {}
        waiting: dict[str, list[int]] = {}
        for place in range(1, len(self.tokens), 2):
            op = self.dialect.read(self.tokens[place])
            if isinstance(op, Open | Hold):
                waiting.setdefault(op.name, []).append(place)
            elif isinstance(op, Close) and waiting.get(op.name):
                pairs[waiting[op.name].pop()] = place
        return pairs

    def end_unclosed(self) -> None:
        """At the end of a line: what is never closed was meant for that line."""
        opened = self.sheet.opened
        for place in range(len(opened) - 1, -1, -1):
            if place < len(opened) and not self.end_of(opened[place][2]):
                self.lost(place)

    def lost(self, place: int) -> None:
        """An open tag ends without a closing tag."""
        scope = self.sheet.opened[place][0]
        if not scope.line:
            self.sheet.report(scope.token, " is not closed")
        self.sheet.end(place)
