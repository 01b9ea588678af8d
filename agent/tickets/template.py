"""The book of templates: a ticket and a template's name become a Layout, whatever the template does.

The agent's own templates may be overridden, file by file, by the shop's. A shop's template that fails, or that leaves
out a dish, costs no ticket: the plain one prints.
"""

from collections.abc import Mapping
from functools import cache

from agent import templates
from agent.model.layout import Layout
from agent.model.ticket import Ticket
from agent.tickets.banner import bannered
from agent.tickets.complete import check, signed
from agent.tickets.context import Values, values
from agent.tickets.engine import MAX_OUTPUT, Engine, Source, TemplateError
from agent.tickets.markup import parse
from agent.tickets.plain import plain
from agent.tickets.subject import Expo, Subject

SHIPPED = "shipped/"
"""Under this folder's name a template finds the agent's own: {% extends 'shipped/kitchen.j2' %}."""
_NOT_COOKED_FROM = frozenset({"receipt", "label"})
"""The templates of orders, and what is built on them, that need not say everything that a cook must know."""
_OUTPUT_A_CHARACTER, _OUTPUT_A_LABEL = 4, 1 << 10
"""What a template may make for each character of the subject, and for each label, where that is more than usual."""


class Book:
    """The templates as they are now. It is never changed: other files are another book. Safe for several threads."""

    def __init__(
        self,
        shipped: Mapping[str, str],
        own: Mapping[str, Source] | None = None,
        images: Mapping[str, bytes] | None = None,
    ) -> None:
        ours = self._ours = {name: Source(name, text) for name, text in shipped.items()}
        self.images = dict(images or {})
        self.own = dict(own or {})
        self.names = frozenset(ours | self.own)
        self._engine = Engine({SHIPPED + name: source for name, source in ours.items()} | ours | self.own)

    def layout(self, name: str, subject: Subject, width: int) -> tuple[Layout, TemplateError | None]:
        """The ticket that template `name` makes of the subject, on paper of `width` cells.

        It never fails: with an error comes the plain ticket, which says everything too.
        """
        try:
            return self.checked(name, subject, width), None
        except TemplateError as exc:
            error = exc
        except Exception as exc:  # noqa: BLE001  # a fault of our own: the plain ticket needs less of us
            error = TemplateError(f"{name}.j2", 1, f"the agent is at fault, tell its makers: {exc!r}")
        return plain(subject, f"{error.file}:{error.line}"), error

    def checked(self, name: str, subject: Subject, width: int) -> Layout:
        """The same, but a template that fails raises TemplateError."""
        known = self._values(subject, width)
        content = self._render(f"{name}.j2", known, subject)
        if self.own and "dishes" in known and self.base(name) not in _NOT_COOKED_FROM:
            trial = signed(known)
            check(self._source(name), content, known)
            check(self._source(name), self._render(f"{name}.j2", trial, subject, 2 * MAX_OUTPUT), trial)
        layout = parse(content, "native", width=width, images=self.images).layout
        ticket = subject.ticket if isinstance(subject, Expo) else subject
        return Layout(bannered(ticket, layout.blocks)) if isinstance(ticket, Ticket) else layout

    def base(self, name: str) -> str:
        """The agent's own template of that name, else the one that the shop's template of that name builds on."""
        if f"{name}.j2" in self._ours or f"{name}.j2" not in self.own:
            return name
        try:
            parents = self._engine.parents(f"{name}.j2")
        except TemplateError:
            return name
        known = (parent.removeprefix(SHIPPED) for parent in parents)
        return next((parent.removesuffix(".j2") for parent in known if parent in self._ours), name)

    def proof(self, name: str, subject: Subject, width: int) -> None:
        """A trial: raises TemplateError for what would only look wrong, too, such as a tag that there is not."""
        self.checked(name, subject, width)
        content = self._engine.render(f"{name}.j2", self._values(subject, width))
        for what in parse(content, "native", width=width, images=self.images).unknown:
            raise self._misspelt(name, what.partition(": ")[2])

    def _misspelt(self, name: str, what: str) -> TemplateError:
        """Where a template's text has what the markup does not understand: <FOO>, or a picture that is not there."""
        wrong = f"there is no {what}" if what.endswith(">") else what
        token = what.removeprefix("picture ").removesuffix(" is not there").partition(">")[0].casefold()
        sources = [self._source(name), *self.own.values()]
        for source in sources:
            for number, line in enumerate(source.text.splitlines(), 1):
                if token in line.casefold():
                    return TemplateError(source.file, number, f"{wrong}; the tags are in docs/markup.md")
        return TemplateError(sources[0].file, 1, f"{wrong}; the tags are in docs/markup.md")

    def _render(self, file: str, known: Values, subject: Subject, limit: int = MAX_OUTPUT) -> str:
        try:
            return self._engine.render(file, known, limit)
        except TemplateError as exc:
            size = len(repr(subject)) * _OUTPUT_A_CHARACTER + len(known.get("labels", ())) * _OUTPUT_A_LABEL
            if not exc.too_much or size <= MAX_OUTPUT:
                raise
        return self._engine.render(file, known, limit + size)

    def _values(self, subject: Subject, width: int) -> Values:
        return values(subject, width) | {"images": self.images}

    def _source(self, name: str) -> Source:
        return self.own.get(f"{name}.j2", self._ours.get(f"{name}.j2", Source(f"{name}.j2", "")))


@cache
def shipped() -> Book:
    """The agent's own templates, alone."""
    return Book(templates.read())


def kitchen(ticket: Ticket, width: int = 48) -> Layout:
    """What a station's printer prints for a ticket, with the agent's own template."""
    return shipped().layout("kitchen", ticket, width)[0]
