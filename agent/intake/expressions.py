"""JMESPath for order payloads: an expression is checked when it is read, and a reader knows which words it has read.
Pure.
"""

import re
from collections.abc import Callable
from datetime import tzinfo
from typing import Any

from jmespath.exceptions import JMESPathError
from jmespath.functions import Functions
from jmespath.parser import Parser
from jmespath.visitor import Options, TreeInterpreter

from agent.errors import ConfigError, DecodeError
from agent.intake import functions
from agent.intake.strictjson import decode_tree
from agent.yaml.structs import did_you_mean

MOST_CHARACTERS = 2000
_FAULTS = (JMESPathError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError, RecursionError)
"""What evaluating can raise: JMESPath's own, and Python's where JMESPath lets the wrong types meet."""

_OUTSIDE_QUOTES = re.compile(r"\"[^\"]*\"|'[^']*'|`[^`]*`")


class Unreadable(Exception):
    """An expression can't be evaluated for this payload, or gives what its field can't hold."""


class Expression:
    """A JMESPath expression that is sound; two are never equal, so that each can be told apart."""

    __slots__ = ("node", "text")

    def __init__(self, text: str, node: Any) -> None:
        self.text = text
        self.node = node

    def __repr__(self) -> str:
        return f"Expression({self.text!r})"


def parse_expression(text: str) -> Expression:
    """Compile an expression, and look up the functions in it.

    Raises:
        ConfigError: `what; what instead`.
    """
    if not text or len(text) > MOST_CHARACTERS:
        raise ConfigError(f"an expression has 1 to {MOST_CHARACTERS} characters; write for example name: food_name")
    try:
        node = Parser().parse(text).parsed
    except (JMESPathError, RecursionError) as exc:
        if not _OUTSIDE_QUOTES.sub("", text).isascii():
            raise ConfigError(
                f"'{text}' is not JMESPath; put a field's name that is not a-z into double quotes, as in '\"口味\"'"
            ) from exc
        where = getattr(exc, "lex_position", None)
        at = "" if where is None else f" (see character {where + 1})"
        advice = "a name that is not a-z, 0-9 and _ goes into double quotes, a text into single ones"
        raise ConfigError(f"'{text}' is not JMESPath{at}; {advice}") from exc
    for name, count in _calls(node):
        _check_call(name, count)
    return Expression(text, node)


def _calls(node: Any) -> list[tuple[str, int]]:
    """The functions that an expression calls, with how many arguments."""
    own = [(node["value"], len(node["children"]))] if node["type"] == "function_expression" else []
    children = [child for child in node.get("children", ()) if isinstance(child, dict)]
    return own + [call for child in children for call in _calls(child)]


def _check_call(name: str, count: int) -> None:
    known = {**{name: (low, high) for name, (_, low, high) in _OWN.items()}, **_standard()}
    if name not in known:
        guess = did_you_mean(name, known) or f"there are: {', '.join(sorted(known))}"
        raise ConfigError(f"there is no function {name}(); {guess}")
    low, high = known[name]
    if not low <= count <= high:
        wanted = str(low) if low == high else f"{low} to {high}" if high < 99 else f"{low} or more"
        raise ConfigError(f"{name}() takes {wanted} arguments, not {count}; see docs/mappings.md")


def _standard() -> dict[str, tuple[int, int]]:
    table = Functions.FUNCTION_TABLE
    return {
        name: (
            len(row["signature"]),
            99 if row["signature"] and row["signature"][-1].get("variadic") else len(row["signature"]),
        )
        for name, row in table.items()
    }


class Reader(TreeInterpreter):
    """Evaluates expressions over one payload.

    `read` holds every text of the payload that an expression looked at, by identity: the same words elsewhere in the
    payload are another text. `inner` holds what from_json made of a text, and `matched` which expressions found
    something. Texts, and what is `kept`, live as long as this, so that no identity is used twice. `top` is where
    the order is.
    """

    def __init__(self, zone: tzinfo | None = None) -> None:
        super().__init__(Options(custom_functions=_Table(self)))
        self.zone = zone
        self.top: Any = None
        self.kept: list[Any] = []
        self.read: dict[int, str] = {}
        self.inner: dict[int, Any] = {}
        self.matched: set[Expression] = set()

    def evaluate(self, expression: Expression, scope: Any) -> Any:
        """What the expression finds in `scope`; None for nothing.

        Raises:
            Unreadable: a function in it was given what it can't take.
        """
        try:
            found = self.visit(expression.node, scope)
        except _FAULTS as exc:
            raise Unreadable(f"{expression.text!r} can't be evaluated: {str(exc)[:200]}") from exc
        if found is not None and found != [] and found != "":
            self.matched.add(expression)
        return found

    def mark(self, found: Any) -> None:
        """Everything in a result counts as read."""
        pending = [found]
        while pending:
            node = pending.pop()
            if type(node) is str:
                self.read[id(node)] = node
            elif type(node) is dict:
                pending += node.values()
            elif type(node) is list:
                pending += node

    def unpack(self, text: Any) -> Any:
        """JSON inside a text; what is no text is returned as it is, "" as None. Raises ValueError."""
        if type(text) is not str or not text.strip():
            return text or None
        if id(text) not in self.inner:
            self.read[id(text)] = text
            try:
                self.inner[id(text)] = decode_tree(text.encode())
            except DecodeError as exc:
                raise ValueError(f"the JSON inside it can't be read: {exc.reason}") from exc
        return self.inner[id(text)]

    def visit_field(self, node: Any, value: Any) -> Any:
        """A member of an object."""
        if type(value) is not dict:
            return None
        found = value.get(node["value"])
        if type(found) is str:
            self.read[id(found)] = found
        return found

    def visit_index(self, node: Any, value: Any) -> Any:
        """An element of a list."""
        found = super().visit_index(node, value)
        if type(found) is str:
            self.read[id(found)] = found
        return found

    def visit_current(self, node: Any, value: Any) -> Any:  # noqa: ARG002 - the visitor's signature
        """`@`; and each element that a projection goes through."""
        if type(value) is str:
            self.read[id(value)] = value
        return value

    def visit_identity(self, node: Any, value: Any) -> Any:
        """What a projection without more to it takes of each element."""
        return self.visit_current(node, value)


class _Table(Functions):
    """JMESPath's own functions, and ours."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def call_function(self, function_name: str, resolved_args: Any) -> Any:
        """Whatever a function is given counts as read: its texts, and the texts in its lists."""
        for value in resolved_args:
            for text in value if type(value) is list else (value,):
                if type(text) is str:
                    self._reader.read[id(text)] = text
        own = _OWN.get(function_name)
        if own is None:
            return super().call_function(function_name, resolved_args)
        return own[0](self._reader, *resolved_args)


def _pure(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda _reader, *values: function(*values)


def _zoned(function: Callable[..., Any]) -> Callable[..., Any]:
    """For a function of a time: the zone that the expression names, else the mapping's."""

    def call(reader: Reader, value: Any, zone: Any = None, *more: Any) -> Any:
        return function(value, functions.zone(zone) if zone else reader.zone, *more)

    return call


def _deep(reader: Reader, values: Any, key: Any, name: Any) -> list[Any]:
    """Nested names end up in new texts, and so the old ones count as read here."""
    pending = [values if type(values) is list else []]
    while pending:
        for element in pending.pop():
            if type(element) is dict:
                reader.mark(element.get(name))
                pending.append(element[key] if type(element.get(key)) is list else [])
    return functions.deep(values, key, name)


def _glue(reader: Reader, values: Any, separator: Any = " ") -> str | None:
    """Whatever is in its lists and objects is written out, and counts as read."""
    reader.mark(values)
    return functions.glue(values, separator)


def _leave_out(reader: Reader, values: Any) -> None:
    """Nothing; the words in it are for nobody, and count as read."""
    reader.mark(values)


def _top(reader: Reader, name: Any) -> Any:
    """A member of the order itself, from within a dish: the currency of its price."""
    found = reader.top.get(name) if type(reader.top) is dict else None
    if type(found) is str:
        reader.mark(found)
    return found


_OWN: dict[str, tuple[Callable[..., Any], int, int]] = {
    "bracketed": (_pure(functions.bracketed), 1, 1),
    "cents": (_pure(functions.cents), 1, 2),
    "day": (_zoned(functions.day), 1, 3),
    "deep": (_deep, 3, 3),
    "from_json": (Reader.unpack, 1, 1),
    "glue": (_glue, 1, 2),
    "leave_out": (_leave_out, 1, 1),
    "millis": (_zoned(functions.millis), 1, 2),
    "phone_tail": (_pure(functions.phone_tail), 1, 1),
    "pick": (_pure(functions.pick), 2, 2),
    "share": (_pure(functions.share), 3, 3),
    "split": (_pure(functions.split), 1, 2),
    "times": (_pure(functions.times), 2, 2),
    "top": (_top, 1, 1),
    "ts": (_zoned(functions.ts), 1, 2),
    "unbracketed": (_pure(functions.unbracketed), 1, 1),
}
"""Our functions: what carries each out, and how many arguments it takes at least and at most."""
