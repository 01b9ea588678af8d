"""A YAML text changed at just the places that a change of its data touches: every other byte stays as it was typed.

The data is plain dicts and lists whose scalars are text, as typed (`0421`, `no`, `11:30`), or None where nothing is.
Comments within what is taken away go with it; every other one stays.
"""

import copy
from collections.abc import Callable
from difflib import SequenceMatcher
from typing import Any

import yaml

from agent.errors import ConfigError
from agent.yaml.marks import Node, Reading, parse
from agent.yaml.text import as_block, as_flow, as_item, as_items, as_scalar, stands_in_lines, worded

_NAMES = ("name", "id", "sn", "topic")
_BY_HAND = "it can't be changed by machine; change it by hand"


class Edited:
    """`text` is the new text; `was` and `now` are the data before and after."""

    def __init__(self, text: str, was: Any, now: Any) -> None:
        self.text = text
        self.was = was
        self.now = now


def edit(text: str, change: Callable[[Any], None], file: str) -> Edited:
    """Change the data of a YAML text. `file` is for errors. A value of None takes its key away.

    Raises:
        ConfigError: it is not YAML, or is written in a way that only a person can change.
    """
    root = _root(text, file)
    was = plain(root) if root is not None else {}
    if not isinstance(was, dict):
        raise ConfigError(f"{file}: a group of settings is wanted here; write name: value")
    now = copy.deepcopy(was)
    change(now)
    now = worded(now)
    new = _Splicer(text).apply(root, was, now)
    if worded(plain(_root(new, file)) or {}) != now:
        raise ConfigError(f"{file}: {_BY_HAND}")
    return Edited(new, worded(was), now)


def plain(node: Node | None) -> Any:
    """The data of a node. Raises ConfigError for references, and for a key that stands twice or is no word."""
    return _plain(node, set())


def _root(text: str, file: str) -> Node | None:
    reading = Reading(file)
    root = parse(text.encode("utf-8", "surrogatepass"), reading)
    if lines := reading.lines():
        raise ConfigError("\n".join(lines))
    return None if isinstance(root, yaml.ScalarNode) and _nothing(root) else root


def _plain(node: Node | None, seen: set[int]) -> Any:
    if node is None or _nothing(node):
        return None
    if id(node) in seen:
        raise ConfigError(f"line {node.start_mark.line + 1}: a reference (& and *); {_BY_HAND}")
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, seen) for item in node.value]
    if not isinstance(node, yaml.MappingNode):
        return str(node.value)
    found: dict[str, Any] = {}
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode) or key.value in found:
            raise ConfigError(f"line {key.start_mark.line + 1}: this key stands twice, or is no word; keep one")
        found[str(key.value)] = _plain(value, seen)
    return found


def _nothing(node: Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.style is None and node.value in ("", "~", "null")


def identity(item: Any) -> str:
    """By what an item of a list is known again after it was changed."""
    if isinstance(item, dict):
        return next((f"{name}={item[name]}" for name in _NAMES if name in item), repr(item))
    return repr(item)


class _Splicer:
    """Collects what is to be replaced, as (start, end, text) by position, and does it at once."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._newline = "\r\n" if "\r\n" in text else "\n"
        self._edits: list[tuple[int, int, str]] = []

    def apply(self, root: Node | None, was: dict[str, Any], now: dict[str, Any]) -> str:
        if root is None:
            self._add_lines(len(self._text), as_block(now, 0) if now else [])
        else:
            self._change(root, was, now)
        return self._spliced(0, len(self._text))

    def _spliced(self, at: int, until: int) -> str:
        """The text of that place with its edits; every one of them lies within."""
        parts = []
        for start, end, text in sorted(self._edits, key=lambda edit: edit[:2]):
            parts += [self._text[at:start], text]
            at = max(at, end)
        return "".join([*parts, self._text[at:until]])

    # -- what differs --------------------------------------------------------------------------------------------

    def _change(self, node: Node, was: Any, now: Any, key: Node | None = None) -> None:
        """`key` is that of a block mapping whose value the node is."""
        if worded(was) == now:
            return
        if isinstance(node, yaml.MappingNode) and was and now and isinstance(now, dict):
            self._mapping(node, was, now)
        elif isinstance(node, yaml.SequenceNode) and was and now and isinstance(now, list):
            self._sequence(node, was, now)
        else:
            self._replace(node, now, key)

    def _mapping(self, node: yaml.MappingNode, was: dict[str, Any], now: dict[str, Any]) -> None:
        children = [(key, value) for key, value in node.value]
        kept = [(key, value) for key, value in children if str(key.value) in now or was[str(key.value)] is None]
        for key, value in kept:
            name = str(key.value)
            self._change(value, was[name], now.get(name), None if node.flow_style else key)
        spans = [(key.start_mark.index, self._end(value, key)) for key, value in children]
        gone = [at for at, child in enumerate(children) if child not in kept]
        added = {name: value for name, value in now.items() if name not in was}
        if node.flow_style:
            self._flow(spans, gone, {len(spans): [as_flow({name: value})[1:-1] for name, value in added.items()]})
            return
        for at in gone:
            self._take_entry(*spans[at])
        if added:
            self._add_lines(self._line_end(spans[-1][1]), as_block(added, node.start_mark.column))

    def _sequence(self, node: yaml.SequenceNode, was: list[Any], now: list[Any]) -> None:
        """Items are known by their name, so that one that is changed, or moved, keeps its comments."""
        gone: list[int] = []
        added: dict[int, list[Any]] = {}
        old, new = [identity(worded(item)) for item in was], [identity(item) for item in now]
        for _, i1, i2, j1, j2 in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
            same = old[i1:i2] == new[j1:j2] or (not {*old} & {*new[j1:j2]} and not {*new} & {*old[i1:i2]})
            if same and _pairs(was[i1:i2], now[j1:j2]):
                for i, j in zip(range(i1, i2), range(j1, j2), strict=True):
                    self._change(node.value[i], was[i], now[j])
            else:
                gone += range(i1, i2)
                added[i2] = now[j1:j2]
        if node.flow_style:
            spans = [(item.start_mark.index, self._end(item)) for item in node.value]
            self._flow(spans, gone, {at: [as_flow(item) for item in items] for at, items in added.items()})
        else:
            self._items(node, was, gone, added)

    # -- what is to be replaced ----------------------------------------------------------------------------------

    def _replace(self, node: Node, now: Any, key: Node | None) -> None:
        """One value by another of another kind, or a scalar by a scalar."""
        start, end = node.start_mark.index, self._end(node)
        style = node.style if isinstance(node, yaml.ScalarNode) else None
        inline = as_flow(now) if isinstance(now, dict | list) else as_scalar(now, style, in_flow=key is None)
        in_lines = isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value
        if key is None:
            self._put(start, end, inline if end > start else f" {inline}")
        elif in_lines:
            self._put(self._colon(key), self._colon(key), f" {inline}")
            self._put(self._line_start(start), self._line_end(end), "")
        elif now and (isinstance(now, dict) or stands_in_lines(now)):
            self._put(self._colon(key), max(end, self._colon(key)), "")
            indent = key.start_mark.column + 2
            lines = as_block(now, indent) if isinstance(now, dict) else as_items(now, indent)
            self._add_lines(self._line_end(end), lines)
        else:
            self._put(start, end, inline if end > start else f" {inline}")

    def _flow(self, spans: list[tuple[int, int]], gone: list[int], added: dict[int, list[str]]) -> None:
        """Take from and add to what stands in brackets. `added` by the position before which it comes."""
        tail = max((at + 1 for at in range(len(spans)) if at not in gone), default=0)
        for at in gone:
            if at < tail:
                self._put(spans[at][0], spans[at + 1][0], "")
        if tail < len(spans):
            self._put(spans[tail - 1][1] if tail else spans[0][0], spans[-1][1], "")
        for at, texts in added.items():
            if texts and at < tail:
                self._put(spans[at][0], spans[at][0], "".join(f"{text}, " for text in texts))
            elif texts:
                self._put(spans[-1][1], spans[-1][1], (", " if tail else "") + ", ".join(texts))

    def _items(self, node: yaml.SequenceNode, was: list[Any], gone: list[int], added: dict[int, list[Any]]) -> None:
        """The same for a list with an item a line. One that moved is taken with its lines, and changed in them."""
        column = node.start_mark.column
        spans = [(self._dash(item, column), self._line_end(self._end(item))) for item in node.value]
        for at in gone:
            self._put(*spans[at], "")
        moving = {identity(worded(was[at])): at for at in gone if isinstance(was[at], dict)}
        flow = any(isinstance(item, yaml.MappingNode) and item.flow_style for item in node.value)
        for at, items in added.items():
            lines = []
            for item in items:
                if (old := moving.pop(identity(item), None)) is not None and _pairs([was[old]], [item]):
                    inner = _Splicer(self._text)
                    inner._change(node.value[old], was[old], item)
                    lines.append(inner._spliced(*spans[old]).rstrip("\r\n"))
                else:
                    lines += as_item(item, column, flow=flow)
            if lines:
                self._add_lines(spans[at - 1][1] if at else spans[0][0], lines)

    def _take_entry(self, start: int, end: int) -> None:
        """A setting with its line; after the dash of an item only what stands behind the dash."""
        line = self._line_start(start)
        if self._text[line:start].isspace() or line == start:
            self._put(line, self._line_end(end), "")
        else:
            self._put(len(self._text[:start].rstrip(" ")), end, "")

    def _add_lines(self, at: int, lines: list[str]) -> None:
        open_end = at == len(self._text) and self._text and not self._text.endswith("\n")
        text = "".join(f"{line}{self._newline}" for line in lines)
        self._put(at, at, (self._newline if open_end else "") + text)

    def _put(self, start: int, end: int, text: str) -> None:
        self._edits.append((start, end, text))

    # -- where it stands -----------------------------------------------------------------------------------------

    def _end(self, node: Node, key: Node | None = None) -> int:
        """Where the value ends; PyYAML ends a block only where the next one begins."""
        if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
            last = node.value[-1]
            return self._end(last[1], last[0]) if isinstance(node, yaml.MappingNode) else self._end(last)
        start, end = node.start_mark.index, node.end_mark.index
        end = start + len(self._text[start:end].rstrip())
        return max(end, key.end_mark.index) if key is not None else end

    def _colon(self, key: Node) -> int:
        """Behind it."""
        return self._text.index(":", key.end_mark.index) + 1

    def _dash(self, item: Node, column: int) -> int:
        """The beginning of the line with the item's dash."""
        start = self._line_start(item.start_mark.index)
        while self._text[start : start + column + 1] != " " * column + "-":
            if start == 0:
                raise ConfigError(f"line {item.start_mark.line + 1}: {_BY_HAND}")
            start = self._line_start(start - 1)
        return start

    def _line_start(self, at: int) -> int:
        return self._text.rfind("\n", 0, at) + 1

    def _line_end(self, at: int) -> int:
        return self._text.find("\n", at) + 1 or len(self._text)


def _pairs(was: list[Any], now: list[Any]) -> bool:
    """May each item stay in its place, with its comments, and only what is in it change?"""
    return len(was) == len(now) and all(
        worded(a) == b or (isinstance(a, type(b)) and bool(a) and bool(b)) for a, b in zip(was, now, strict=True)
    )
