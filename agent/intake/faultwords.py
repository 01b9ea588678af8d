"""What msgspec finds wrong in JSON, in words for whoever wrote it, who need not know Python. Pure."""

import re
from enum import Enum
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

import msgspec

_MISSING = re.compile(r"Object missing required field `(.*)`")
_CHOICE = re.compile(r"Invalid enum value (.*)", re.DOTALL)
_KIND = re.compile(r"Expected `([^`]*)`(?: (>=|<=) (\S+?))?(?: of length (>=|<=) (\d+))?(?:, got `([^`]*)`)?")
_STEP = re.compile(r"\.([^.\[\]]+)|\[")
_NAMES = {
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}
_GOT = {"float": "a number with decimals", "int": "a number"}
_BOUND = {">=": "at least", "<=": "at most"}


def in_words(reason: str, kind: Any, where: str | None) -> tuple[str, str]:
    """What is wrong, and the name of the field that is missing, "" where none is. `where` is msgspec's path in a value
    that was to be a `kind`.
    """
    if found := _MISSING.fullmatch(reason):
        return f"the field `{found[1]}` is missing", found[1]
    if found := _CHOICE.fullmatch(reason):
        choices = ", ".join(_choices(kind, where or "$"))
        return f"{found[1]} is not possible" + (f"; there is {choices}" if choices else ""), ""
    if found := _KIND.fullmatch(reason):
        return _of_kind(*found.groups()), ""
    return reason, ""


def _of_kind(
    wanted: str, bound: str | None, number: str | None, length: str | None, most: str | None, got: str | None
) -> str:
    names = [_NAMES.get(each, each) for each in wanted.split(" | ") if each != "null"]
    said = f"must be {' or '.join(names)}"
    if bound:
        said += f", {_BOUND[bound]} {number}"
    if length:
        said += f" of {_BOUND[length]} {most} {'members' if 'array' in wanted else 'characters'}"
    return f"{said}, not {_GOT.get(got, _NAMES.get(got, got))}" if got else said


def _choices(kind: Any, where: str) -> list[str]:
    """The words that are possible at a path; none where that is not known."""
    for step in _STEP.finditer(where):
        kind = _within(kind, step[1])
        if kind is None:
            return []
    for each in _kinds(kind):
        if get_origin(each) is Literal:
            return [str(word) for word in get_args(each) if word != ""]
        if isinstance(each, type) and issubclass(each, Enum):
            return [str(word.value) for word in each]
    return []


def _within(kind: Any, name: str | None) -> Any:
    """The type of a field by its name, or of a list's members."""
    for each in _kinds(kind):
        if name is None and get_origin(each) is list:
            return get_args(each)[0]
        if name is not None and isinstance(each, type) and issubclass(each, msgspec.Struct):
            return next((field.type for field in msgspec.structs.fields(each) if field.encode_name == name), None)
    return None


def _kinds(kind: Any) -> list[Any]:
    """A type's alternatives, without what is said about them."""
    if hasattr(kind, "__metadata__"):
        return _kinds(kind.__origin__)
    if get_origin(kind) in (Union, UnionType):
        return [inner for each in get_args(kind) for inner in _kinds(each)]
    return [kind]
