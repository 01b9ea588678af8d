"""Data as the YAML that a person would have typed: for settings that are put into a file."""

import json
import re
from typing import Any

from agent.errors import ConfigError

_PLAIN = re.compile(r"(?!-+(?:\s|$))[\w./-](?:[\w./@+%=&?-]|:(?=[\w/])| (?=[\w(]))*")
_IN_FLOW = re.compile(r"[\w./@+%=& -]+")
_NOTHING = ("", "~", "null")


def worded(value: Any) -> Any:
    """As the file has it: every scalar as text, keys without a value left out."""
    if isinstance(value, dict):
        return {str(key): worded(member) for key, member in value.items() if member is not None}
    if isinstance(value, list | tuple):
        return [worded(item) for item in value]
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if value is None else str(value)


def as_scalar(value: str | None, style: str | None = None, *, in_flow: bool = False) -> str:
    """One value, in quotes where it needs them or had them (`style`). Raises ConfigError for control characters."""
    if value is None:
        return "null"
    if not value.isprintable():
        raise ConfigError(f"{value!r}: it holds a control character or a line end; write it on one line")
    if style == "'":
        return "'" + value.replace("'", "''") + "'"
    bare = value not in _NOTHING and _PLAIN.fullmatch(value) and (not in_flow or _IN_FLOW.fullmatch(value))
    return value if bare and style != '"' else json.dumps(value, ensure_ascii=False)


def as_flow(value: Any) -> str:
    """Anything on one line: `{name: bar, width: 32}`, `[a, b]`."""
    if isinstance(value, dict):
        members = (f"{as_scalar(key, in_flow=True)}: {as_flow(member)}" for key, member in value.items())
        return "{" + ", ".join(members) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(as_flow(item) for item in value) + "]"
    return as_scalar(value, in_flow=True)


def as_block(group: dict[str, Any], indent: int) -> list[str]:
    """A group, a line for each setting."""
    lines = []
    for name, value in group.items():
        head = f"{' ' * indent}{as_scalar(name)}:"
        if value and isinstance(value, dict):
            lines += [head, *as_block(value, indent + 2)]
        elif stands_in_lines(value):
            lines += [head, *as_items(value, indent + 2)]
        else:
            lines.append(f"{head} {as_flow(value) if isinstance(value, dict | list) else as_scalar(value)}")
    return lines


def as_items(items: list[Any], indent: int) -> list[str]:
    """A list, each item in its own lines."""
    return [line for item in items for line in as_item(item, indent)]


def as_item(item: Any, indent: int, *, flow: bool = False) -> list[str]:
    """An item of a list, after its dash."""
    dash = f"{' ' * indent}- "
    if flow or not (item and isinstance(item, dict)):
        return [dash + (as_flow(item) if isinstance(item, dict | list) else as_scalar(item))]
    first, *others = as_block(item, indent + 2)
    return [dash + first.lstrip(" "), *others]


def stands_in_lines(value: Any) -> bool:
    """Does a list take a line, or several, for each item?"""
    return isinstance(value, list) and any(isinstance(item, dict | list) for item in value)
