"""What a template may cost: it pays for each run of a body, and for each character that it makes. Pure.

The charges are put into the template's tree before it is compiled, so that no loop, however it is written, runs free.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from jinja2 import Environment, TemplateSyntaxError, nodes, pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from agent.errors import AgentError

STEPS_A_CHARACTER = 4
TOO_LONG = "it makes more than a ticket can be; look at its loops and what they repeat"
SPEND, JOIN = "spend!", "join!"
"""Filters whose names no template can write."""

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
    return made


@pass_context
def join(_: Context, parts: list[Any]) -> str:
    """The `~` of a template."""
    texts = [part if isinstance(part, str) else "" if part is None else str(part) for part in parts]
    pay(sum(map(len, texts)))
    return Markup("").join(texts) if any(isinstance(text, Markup) for text in texts) else "".join(texts)


def charge(tree: nodes.Template, environment: Environment) -> None:
    """Let each body pay for itself whenever it runs, and let `~` pay for what it makes."""
    if modifier := tree.find(nodes.EvalContextModifier):
        raise TemplateSyntaxError("every value is escaped: take {% autoescape %} out", modifier.lineno)
    for node in [tree, *_bodies(tree)]:
        text = sum(len(data.data) for data in node.find_all(nodes.TemplateData))
        price = _filter(SPEND, nodes.Const(1 + text), node.lineno)
        node.body.insert(0, nodes.ExprStmt(price, lineno=node.lineno))
        if isinstance(node, nodes.For) and node.test is not None:
            node.test = nodes.And(_filter(SPEND, nodes.Const(1), node.lineno), node.test, lineno=node.lineno)
    _replace_joins(tree)
    tree.set_environment(environment)


def _bodies(tree: nodes.Template) -> list[nodes.For | nodes.Macro | nodes.CallBlock | nodes.Block]:
    return [
        *tree.find_all(nodes.For),
        *tree.find_all(nodes.Macro),
        *tree.find_all(nodes.CallBlock),
        *tree.find_all(nodes.Block),
    ]


def _replace_joins(node: nodes.Node) -> None:
    for name, value in node.iter_fields():
        if isinstance(value, list):
            setattr(node, name, [_joined(item) for item in value])
        else:
            setattr(node, name, _joined(value))


def _joined(value: Any) -> Any:
    if isinstance(value, nodes.Node):
        _replace_joins(value)
    if isinstance(value, nodes.Concat):
        return _filter(JOIN, nodes.List(value.nodes, lineno=value.lineno), value.lineno)
    return value


def _filter(name: str, value: nodes.Expr, line: int) -> nodes.Filter:
    value.lineno = line
    return nodes.Filter(value, name, [], [], None, None, lineno=line)
