"""YAML nodes to frozen structs: each scalar is read as what its field wants, and every fault is collected.

Understands what a configuration needs and no more: structs, lists, words, text, numbers, yes and no, and the
types for which the caller brings a parser.
"""

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
import yaml

from agent.errors import ConfigError
from agent.yaml.marks import Mark, Node, Reading, full_width, mark_of

_NOTHING = ("", "~", "null")
_TRUE = ("true", "yes", "on")
_FALSE = ("false", "no", "off")
_STANDARD_TAG = "tag:yaml.org,2002:"


class Bad(Enum):
    """Stands where a value could not be read; the problem is noted."""

    BAD = 0


BAD = Bad.BAD


class StructReader:
    """Reads nodes into structs. `parsers` read the text of their type and raise ConfigError; `advice` answers
    keys that do not exist but that people write, by path without list numbers."""

    def __init__(
        self, reading: Reading, parsers: Mapping[Any, Callable[[str], Any]], advice: Mapping[str, str]
    ) -> None:
        self._reading = reading
        self._parsers = parsers
        self._advice = advice
        self._top: list[str] = []

    def read(self, node: Node | None, hint: Any, path: str = "") -> Any:
        """The value of `node` as `hint` wants it, or BAD."""
        hint, meta = split_annotated(hint)
        if node is None:
            node = yaml.MappingNode(f"{_STANDARD_TAG}map", [])
        self._reading.marks.setdefault(path, mark_of(node.start_mark))
        if not node.tag.startswith(_STANDARD_TAG):
            return self._bad(path, f"tags such as {node.tag} mean nothing here; write the value itself")
        value = self._value(node, hint, meta, path)
        if value is not BAD:
            self._reading.values[path] = value
        return value

    def _value(self, node: Node, hint: Any, meta: msgspec.Meta | None, path: str) -> Any:
        if get_origin(hint) in (Union, UnionType) and hint not in self._parsers:
            return self._union(node, hint, meta, path)
        if is_struct(hint):
            return self._struct(node, hint, path)
        if get_origin(hint) is list:
            return self._list(node, get_args(hint)[0], path)
        if not isinstance(node, yaml.ScalarNode):
            return self._bad(path, "one value is wanted here, not a list or a group; write name: value")
        try:
            return _check(self._scalar(str(node.value), hint), meta)
        except ConfigError as exc:
            return self._bad(path, (full_width(str(node.value)) if hint is not str else "") or str(exc))

    def _scalar(self, text: str, hint: Any) -> Any:
        if not text.isprintable():
            raise ConfigError("it holds a control character or a line end; write it on one line")
        if hint in self._parsers:
            return self._parsers[hint](text)
        if get_origin(hint) is Literal:
            return _word(text, get_args(hint))
        return _SCALARS[hint](text)

    def _union(self, node: Node, hint: Any, meta: msgspec.Meta | None, path: str) -> Any:
        kinds = [kind for kind in get_args(hint) if kind is not NoneType]
        structs = [kind for kind in kinds if is_struct(kind)]
        others = [kind for kind in kinds if kind not in structs]
        if structs and (isinstance(node, yaml.MappingNode) or not others):
            return self._struct(node, structs[0], path)
        inner, own = split_annotated(others[0])
        if structs and get_origin(inner) is Literal and isinstance(node, yaml.ScalarNode):
            words = get_args(inner)
            if node.value not in words and not did_you_mean(node.value, words):
                example = _example(structs[0], path)
                return self._bad(path, f"'{node.value}' is not possible; write {' or '.join(words)}, or {example}")
        return self._value(node, inner, own or meta, path)

    def _list(self, node: Node, kind: Any, path: str) -> Any:
        if not isinstance(node, yaml.SequenceNode):
            return self._bad(path, "a list is wanted here; write [a, b], or each item on its own line after '- '")
        items = [self.read(item, kind, f"{path}[{index}]") for index, item in enumerate(node.value)]
        return [item for item in items if item is not BAD]

    def _struct(self, node: Node, kind: type[msgspec.Struct], path: str) -> Any:
        fields = msgspec.structs.fields(kind)
        names = [field.name for field in fields]
        if not path:
            self._top = names
        if not isinstance(node, yaml.MappingNode):
            text = f"a group of settings is wanted here ({', '.join(names)}); write name: value"
            return self._bad(path, text)
        found = self._members(node, names, path)
        values = {field.name: self._field(found.get(field.name), field, path) for field in fields}
        if any(values[field.name] is BAD for field in fields if field.required):
            return BAD
        return kind(**{name: value for name, value in values.items() if value is not BAD})

    def _field(self, node: Node | None, field: msgspec.structs.FieldInfo, path: str) -> Any:
        """The field's value; BAD, without a problem, where it is not written and need not be."""
        inner = _join(path, field.name)
        if node is not None or (field.required and is_struct(field.type)):
            return self.read(node, field.type, inner)
        if not field.required:
            return BAD
        meta = split_annotated(field.type)[1]
        example = f"for example {field.name}: {meta.examples[0]}" if meta and meta.examples else f"{field.name}:"
        return self._bad(inner, f"it is missing; write {example}")

    def _members(self, node: yaml.MappingNode, names: list[str], path: str) -> dict[str, Node]:
        """The values by key; a key without a value counts as not written."""
        seen: dict[str, Mark] = {}
        found: dict[str, Node] = {}
        for key, value in node.value:
            mark = mark_of(key.start_mark)
            name = key.value if isinstance(key, yaml.ScalarNode) else "?"
            inner = _join(path, name)
            if name in seen:
                text = f"it is written twice, on line {seen[name].line} and on line {mark.line}; keep one"
                self._reading.add(inner, text, mark)
            elif name not in names:
                self._reading.add(inner, self._unknown(name, names, inner), mark)
            elif not _is_nothing(value):
                found[name] = value
            seen.setdefault(name, mark)
        return found

    def _unknown(self, name: str, names: list[str], path: str) -> str:
        advice = self._advice.get(re.sub(r"\[\d+\]", "", path))
        if advice:
            return advice
        if ":" in name or name.startswith("-"):
            return "there is no such setting; write a space after the : or the -"
        if name in self._top:
            return f"there is no such setting here; it belongs at the top of the file: write {name}: without indent"
        guess = did_you_mean(name, names)
        return f"there is no such setting; {guess or 'there are: ' + ', '.join(names)}"

    def _bad(self, path: str, text: str) -> Bad:
        self._reading.add(path, text)
        return BAD


def did_you_mean(word: str, among: Iterable[str]) -> str:
    """`did you mean 'X'?` for the closest of the words, or nothing when none is close."""
    by_lower = {known.lower(): known for known in among}
    close = difflib.get_close_matches(word.lower(), by_lower, 1)
    return f"did you mean '{by_lower[close[0]]}'?" if close else ""


def _example(kind: type[msgspec.Struct], path: str) -> str:
    """A group as it is written, with what must be in it."""
    wanted = [field for field in msgspec.structs.fields(kind) if field.required]
    metas = [(field.name, split_annotated(field.type)[1]) for field in wanted]
    inner = ", ".join(f"{name}: {meta.examples[0] if meta and meta.examples else '…'}" for name, meta in metas)
    return f"for example {path}: {{{inner}}}"


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def split_annotated(hint: Any) -> tuple[Any, msgspec.Meta | None]:
    """A type and what is said about it: Annotated[int, Meta(ge=1)] → int, Meta(ge=1)."""
    if get_origin(hint) is not Annotated:
        return hint, None
    kind, *said = get_args(hint)
    return kind, next((meta for meta in said if isinstance(meta, msgspec.Meta)), None)


def is_struct(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, msgspec.Struct)


def _is_nothing(node: Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.style is None and node.value in _NOTHING


def _check(value: Any, meta: msgspec.Meta | None) -> Any:
    if meta is None:
        return value
    low, high = meta.ge, meta.le
    if (low is not None and value < low) or (high is not None and value > high):
        raise ConfigError(f"{value} is out of range; write a number from {low} to {high}")
    if meta.max_length is not None and len(value) > meta.max_length:
        raise ConfigError(f"it has {len(value)} characters; at most {meta.max_length} are possible")
    if meta.pattern and not re.search(meta.pattern, value):
        hint = (meta.extra or {}).get("write", f"it must match {meta.pattern}")
        raise ConfigError(f"'{value}' is not possible; {hint}")
    return value


def _text(text: str) -> str:
    if not text:
        raise ConfigError("it is empty; write a value")
    return text


def _whole(text: str) -> int:
    if not re.fullmatch(r"[+-]?[0-9]{1,12}", text):
        raise ConfigError(f"'{text}' is not a whole number; write digits only")
    return int(text)


def _number(text: str) -> float:
    if not re.fullmatch(r"[+-]?[0-9]{1,12}(\.[0-9]{1,12})?", text):
        raise ConfigError(f"'{text}' is not a number; write for example 2 or 0.5")
    return float(text)


def _yes_or_no(text: str) -> bool:
    word = text.lower()
    if word not in _TRUE + _FALSE:
        raise ConfigError(f"'{text}' is neither yes nor no; write true or false")
    return word in _TRUE


def _word(text: str, words: tuple[str, ...]) -> str:
    if text not in words:
        choice = " or ".join(words) if len(words) < 3 else f"one of {', '.join(words)}"
        raise ConfigError(f"'{text}' is not possible; {did_you_mean(text, words) or f'write {choice}'}")
    return text


_SCALARS: dict[Any, Callable[[str], Any]] = {str: _text, int: _whole, float: _number, bool: _yes_or_no}
