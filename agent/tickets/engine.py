"""The template engine: Jinja2 in a sandbox, with a budget. A template costs at most a few milliseconds, never a ticket.

A template reads values, loops, includes and calls macros; it calls no methods and opens no files. What it does is
charged to a budget: each run of a loop's, macro's, block's or file's body, and each character that it makes.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec
from jinja2 import StrictUndefined, TemplateNotFound, TemplateSyntaxError, nodes
from jinja2 import Template as Compiled
from jinja2.exceptions import SecurityError
from jinja2.runtime import BlockReference, Context, LoopContext, Macro, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace
from markupsafe import Markup, escape

from agent.errors import AgentError
from agent.tickets.budget import (
    JOIN,
    MAX_NUMBER,
    SPEND,
    TOO_LONG,
    WEIGH,
    TooMuch,
    allowance,
    charge,
    join,
    paid,
    pay,
    spend,
    text_of,
    weigh,
)
from agent.tickets.filters import FILTERS
from agent.tickets.guards import guarded_filters, guarded_tests
from agent.tickets.lineage import check_blocks, parent_of

MAX_SOURCE = 1 << 16
MAX_OUTPUT = 1 << 16
MAX_RANGE = 1000
_MARKED = re.compile("[&<>'\"]").search

_MISSING = object()


class Source(msgspec.Struct, frozen=True):
    """A template as it stands in a file. `file` is what errors call it."""

    file: str
    text: str


class TemplateError(AgentError):
    """A template that can't be used: tell the shop which file and line, print with another one."""

    def __init__(self, file: str, line: int, message: str, *, too_much: bool = False) -> None:
        super().__init__(f"{file}:{line}: {message}")
        self.too_much = too_much
        self.file = file
        self.line = line
        self.message = message


class Engine:
    """A set of templates that may include each other. It is never changed: other sources are another engine."""

    def __init__(self, sources: Mapping[str, Source]) -> None:
        self._environment = _Environment(sources)

    def parents(self, name: str) -> list[str]:
        """What the template builds on, the nearest first. Raises TemplateError."""
        self._compiled(name)
        return self._environment.parents(name)

    def render(self, name: str, values: Mapping[str, Any], limit: int = MAX_OUTPUT) -> str:
        """The markup that a template makes of the values: at most `limit` characters. Raises TemplateError."""
        template = self._compiled(name)
        try:
            with allowance(limit):
                made = "".join(template.root_render_func(template.new_context(dict(values))))
            if len(made) > limit:
                raise TooMuch(TOO_LONG)
            return made
        except Exception as exc:  # a template may raise anything
            raise self._environment.blame(exc, name) from exc

    def _compiled(self, name: str) -> Compiled:
        try:
            return self._environment.get_template(name)
        except Exception as exc:  # nor is there anything that its parser may not raise
            raise self._environment.blame(exc, name) from exc


def _whole(render: Callable[[Context], Iterator[str]]) -> Callable[[Context], Iterator[str]]:
    """A file's output in one piece: what is included need not pass through every file above it bit by bit."""

    def whole(context: Context) -> Iterator[str]:
        yield "".join(render(context))

    return whole


def _shown(value: Any) -> str:
    """A value as it is put on the ticket: None is nothing, a text stays on one line, and what is in it is no tag."""
    text = text_of(value)
    pay(len(text))
    if not text.isprintable() and not isinstance(text, Markup):
        text = " ".join(text.splitlines())
    return text if _MARKED(text) is None else escape(text)


def _range(*limits: int) -> range:
    numbers = range(*limits)
    if len(numbers) > MAX_RANGE:
        raise TooMuch(f"a range has at most {MAX_RANGE} numbers")
    return numbers


class _Environment(ImmutableSandboxedEnvironment):
    """Jinja2's sandbox, narrower: no methods, our filters only, and everything that can grow is charged."""

    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "**", "%"})

    def __init__(self, sources: Mapping[str, Source]) -> None:
        super().__init__(
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )
        theirs = {name: self.filters[their] for name, their in THEIRS.items()}
        self.filters = guarded_filters(theirs | FILTERS) | {SPEND: spend, JOIN: join, WEIGH: weigh}
        self.tests = guarded_tests(self.tests)
        self.globals = {"range": _range, "namespace": Namespace}
        self._sources = sources
        self._ready: dict[str, Compiled] = {}
        self._parent: dict[str, str] = {}

    def get_template(self, name: Any, parent: str | None = None, globals: Any = None) -> Compiled:  # noqa: ARG002
        if isinstance(name, Compiled):
            return name
        ready = self._ready.get(name)
        return ready or self._build(str(name))

    def _build(self, name: str) -> Compiled:
        source = self._sources.get(name)
        if source is None:
            raise TemplateNotFound(name, f"there is no template {name}; the names are in docs/templates.md")
        if len(source.text) > MAX_SOURCE:
            raise TemplateSyntaxError(f"a template has at most {MAX_SOURCE} characters", 1, name, source.file)
        with allowance(MAX_SOURCE):  # what is constant is worked out here
            code = self.compile(source.text, name, source.file)
        template = Compiled.from_code(self, code, self.globals)
        template.root_render_func.__globals__["escape"] = _shown
        template.root_render_func = _whole(template.root_render_func)
        self._ready[name] = template
        return template

    def blame(self, exc: Exception, name: str) -> TemplateError:
        """The innermost line of a template that an error comes from."""
        if isinstance(exc, TemplateError):
            return exc
        source = self._sources.get(name)
        file, line = (source.file if source else name), 1
        trace = exc.__traceback__
        while trace is not None:
            template = trace.tb_frame.f_globals.get("__jinja_template__")
            if template is not None and trace.tb_frame.f_code.co_filename == template.filename:
                file, line = template.filename, template.get_corresponding_lineno(trace.tb_lineno)
            trace = trace.tb_next
        if isinstance(exc, TemplateSyntaxError):
            file, line = exc.filename or file, exc.lineno
        return TemplateError(file, line, _said(exc), too_much=isinstance(exc, TooMuch))

    def _generate(
        self, source: nodes.Template, name: str | None, filename: str | None, defer_init: bool = False
    ) -> str:
        """Jinja2's hook between parsing and compiling: here the tree gets its charges."""
        parent = parent_of(source, name, filename, self._sources)
        if parent is not None:
            self.get_template(parent)
            known = [block for above in (parent, *self.parents(parent)) for block in self._ready[above].blocks]
            check_blocks(source, filename, parent, known)
            self._parent[str(name)] = parent
        charge(source, self)
        return super()._generate(source, name, filename, defer_init)

    def parents(self, name: str) -> list[str]:
        """Of a template that is compiled."""
        found: list[str] = []
        while name in self._parent:
            found.append(name := self._parent[name])
        return found

    def getattr(self, obj: Any, attribute: str) -> Any:
        """A value's part. Our own structs are most of what is asked, and plain."""
        if isinstance(obj, msgspec.Struct) and attribute[0] != "_":
            value = getattr(obj, attribute, _MISSING)
            if value is not _MISSING:
                return value
        elif type(obj) is dict and attribute in obj:
            return obj[attribute]
        return super().getattr(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        if not isinstance(argument, str | int):
            raise SecurityError("what stands in brackets is a text or a number")
        return super().getitem(obj, argument)

    def is_safe_callable(self, obj: Any) -> bool:
        return isinstance(obj, Macro | LoopContext | BlockReference | Undefined) or obj is _range or obj is Namespace

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # as theirs
        if not __self.is_safe_callable(__obj):
            raise SecurityError("a template calls no methods; use a filter")
        return __context.call(__obj, *args, **kwargs)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        numbers = isinstance(left, int | float) and isinstance(right, int | float)
        if operator == "+" and not numbers:
            paid(left)
            paid(right)
        elif operator in ("-", "/", "//") and not numbers:  # of times
            pass
        elif operator == "**" or not numbers or max(abs(left), abs(right)) > MAX_NUMBER:
            raise SecurityError(f"{operator} is for numbers of a sane size only")
        return super().call_binop(context, operator, left, right)

    def call_filter(self, *args: Any, **kwargs: Any) -> Any:
        pay(1)
        return super().call_filter(*args, **kwargs)


THEIRS = {
    **{name: name for name in ("first", "last", "length", "upper", "lower", "trim", "int", "float", "abs")},
    **{name: name for name in ("default", "list", "sort", "reverse", "unique", "max", "min", "escape")},
    **{name: name for name in ("map", "select", "reject", "selectattr", "rejectattr")},
    "count": "length",
    "d": "default",
    "e": "escape",
}


def _said(exc: Exception) -> str:
    if isinstance(exc, RecursionError):
        return "it goes in circles: a macro or a file that calls itself; the agent's own files are under 'shipped/'"
    text = str(exc) or type(exc).__name__
    return (
        text if isinstance(exc, TooMuch | TemplateSyntaxError | TemplateNotFound) else f"{text} ({type(exc).__name__})"
    )
