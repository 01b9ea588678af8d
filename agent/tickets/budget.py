"""What a template may cost: it pays for each run of a body, for each character that it makes, and for what its lists
hold. Pure.

The charges are put into the template's tree before it is compiled, so that no loop, however it is written, runs free.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from decimal import Decimal
from types import GeneratorType
from typing import Any

from jinja2 import Environment, TemplateSyntaxError, nodes, pass_context
from jinja2.runtime import Context, Undefined
from markupsafe import Markup

from agent.errors import AgentError

STEPS_A_CHARACTER = 4
TOO_LONG = "it makes more than a ticket can be; look at its loops and what they repeat"
MAX_NUMBER = 10**18
SPEND, JOIN, WEIGH = "spend!", "join!", "weigh!"
"""Filters whose names no template can write."""
_STRING_STEPS = 256
_ITERATORS: tuple[Any, ...] = (GeneratorType, reversed, type(reversed([])))

_left: ContextVar[list[int]] = ContextVar("_left")


class TooMuch(AgentError):
    """The template makes more than its budget allows."""


@contextmanager
def allowance(characters: int) -> Iterator[None]:
    """Within it a template may make so many characters."""
    token = _left.set([characters * STEPS_A_CHARACTER])
    try:
        yield
    finally:
        _left.reset(token)


def pay(steps: int) -> None:
    """Raises TooMuch when the allowance is used up. Without one nothing is paid: that is the compiler's own work."""
    left = _left.get(None)
    if left is not None:
        left[0] -= steps
        if left[0] < 0:
            raise TooMuch(TOO_LONG)


@pass_context  # or else the compiler would spend it, once
def spend(_: Context, steps: int) -> bool:
    """A body begins. True, so that it can stand in a condition."""
    pay(steps)
    return True


def paid(made: Any) -> Any:
    """What was just made, paid for by its length."""
    if isinstance(made, str | list | tuple):
        pay(len(made))
    elif isinstance(made, int) and abs(made) > MAX_NUMBER:
        raise ValueError("a number has at most 18 digits")
    return made


def weighed(value: Any) -> Any:
    """The value, paid for by all that it holds, as often as it holds it: whoever compares or sorts it walks that.

    A list that holds another one twice, and so on, would else take no room and all the time there is.
    """
    if isinstance(value, _ITERATORS):
        value = [*value]
    pending = [value]
    while pending:
        part = pending.pop()
        if isinstance(part, str):
            pay(len(part) // _STRING_STEPS)
        elif isinstance(part, list | tuple | dict):
            pay(len(part))
            pending += [*part, *part.values()] if isinstance(part, dict) else part
    return value


@pass_context  # or else the compiler would pay for it, once
def weigh(_: Context, value: Any) -> Any:
    """The same, as a filter."""
    return weighed(value)


def text_of(value: Any) -> str:
    """A text, a number, yes or no, as a text; None is nothing. Raises TypeError for what no ticket can show."""
    if type(value) is str:
        return value
    if isinstance(value, str):  # what is remembered of a text is its own, not that of one that only equals it
        return value if isinstance(value, Markup) else str(value)
    if value is None:
        return ""
    if isinstance(value, int | float | Decimal | Undefined):  # what is undefined says so itself
        return str(value)
    advice = "loop over it, or |join it" if isinstance(value, list | tuple | dict) else "print a part of it"
    advice = "use |time" if isinstance(value, datetime) else advice
    raise TypeError(f"a {type(value).__name__} can't be printed: {advice}")


@pass_context
def join(_: Context, parts: list[Any]) -> str:
    """The `~` of a template."""
    texts = [text_of(part) for part in parts]
    pay(sum(map(len, texts)))
    return Markup("").join(texts) if any(isinstance(text, Markup) for text in texts) else "".join(texts)


def charge(tree: nodes.Template, environment: Environment) -> None:
    """Let each body pay for itself whenever it runs, `~` for what it makes, and lists and comparisons by weight."""
    if modifier := tree.find(nodes.EvalContextModifier):
        raise TemplateSyntaxError("every value is escaped: take {% autoescape %} out", modifier.lineno)
    for node in [tree, *_bodies(tree)]:
        text = sum(len(data.data) for data in node.find_all(nodes.TemplateData))
        price = _filter(SPEND, nodes.Const(1 + text), node.lineno)
        node.body.insert(0, nodes.ExprStmt(price, lineno=node.lineno))
        if isinstance(node, nodes.For) and node.test is not None:
            node.test = nodes.And(_filter(SPEND, nodes.Const(1), node.lineno), node.test, lineno=node.lineno)
    _replace(tree)
    tree.set_environment(environment)


def _bodies(tree: nodes.Template) -> list[nodes.For | nodes.Macro | nodes.CallBlock | nodes.Block]:
    return [
        *tree.find_all(nodes.For),
        *tree.find_all(nodes.Macro),
        *tree.find_all(nodes.CallBlock),
        *tree.find_all(nodes.Block),
    ]


def _replace(node: nodes.Node) -> None:
    for name, value in node.iter_fields():
        if isinstance(value, list):
            setattr(node, name, [_replaced(item) for item in value])
        else:
            setattr(node, name, _replaced(value))


def _replaced(value: Any) -> Any:
    if isinstance(value, nodes.Node):
        _replace(value)
    if isinstance(value, nodes.Concat):
        return _filter(JOIN, nodes.List(value.nodes, lineno=value.lineno), value.lineno)
    is_made = isinstance(value, nodes.List | nodes.Dict) or (isinstance(value, nodes.Tuple) and value.ctx == "load")
    if is_made and any(not isinstance(part, nodes.Const) for part in value.iter_child_nodes()):
        return _filter(WEIGH, value, value.lineno)
    if isinstance(value, nodes.Compare):
        value.expr = _compared(value.expr)
        for operand in value.ops:
            operand.expr = _compared(operand.expr)
    return value


def _compared(value: nodes.Expr) -> nodes.Expr:
    return value if isinstance(value, nodes.Const) else _filter(WEIGH, value, value.lineno)


def _filter(name: str, value: nodes.Expr, line: int) -> nodes.Filter:
    value.lineno = line
    return nodes.Filter(value, name, [], [], None, None, lineno=line)
