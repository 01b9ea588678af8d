"""The configuration's shape as JSON Schema, for editors: what may be written, not what it becomes."""

from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

import msgspec

from agent.model.link import Link
from agent.yaml.structs import is_struct, split_annotated

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_SCALARS: dict[Any, dict[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    Path: {"type": "string"},
    Link: {"type": "string", "pattern": "^((tcp|serial|usb|virtual)://|usblp:|usb:port/)"},
}
_FROM_META = (
    ("ge", "minimum"),
    ("le", "maximum"),
    ("pattern", "pattern"),
    ("max_length", "maxLength"),
    ("examples", "examples"),
)


def schema(kind: type[msgspec.Struct]) -> dict[str, Any]:
    """The schema of one struct and of everything in it."""
    return {"$schema": DIALECT, "title": f"shop-agent {kind.__name__.lower()}", **_of(kind)}


def _of(hint: Any) -> dict[str, Any]:
    kind, meta = split_annotated(hint)
    said = {word: getattr(meta, name) for name, word in _FROM_META if meta and getattr(meta, name) is not None}
    return {**_kind(kind), **said}


def _kind(kind: Any) -> dict[str, Any]:
    if kind in _SCALARS:
        return _SCALARS[kind]
    if is_struct(kind):
        return _struct(kind)
    if get_origin(kind) is Literal:
        return {"enum": list(get_args(kind))}
    if get_origin(kind) is list:
        return {"type": "array", "items": _of(get_args(kind)[0])}
    assert get_origin(kind) in (Union, UnionType), kind
    options = [_of(option) for option in get_args(kind) if option is not NoneType]
    return options[0] if len(options) == 1 else {"anyOf": options}


def _struct(kind: type[msgspec.Struct]) -> dict[str, Any]:
    fields = msgspec.structs.fields(kind)
    shape: dict[str, Any] = {
        "type": "object",
        "properties": {field.name: _field(field) for field in fields},
        "additionalProperties": False,
    }
    if kind.__doc__:
        shape["description"] = kind.__doc__.partition("\n")[0]
    required = [field.name for field in fields if field.required]
    return {**shape, "required": required} if required else shape


def _field(field: msgspec.structs.FieldInfo) -> dict[str, Any]:
    shape = _of(field.type)
    if isinstance(field.default, str | int | float | Path) and field.default not in ("", 0, -1):
        return {
            **shape,
            "default": field.default if not isinstance(field.default, Path) else str(field.default),
        }
    return shape
