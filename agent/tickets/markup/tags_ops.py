"""Tokens of a tag dialect, understood once and done many times."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from agent.tickets.markup.tags_sheet import MAX_OPEN, Look, Sheet, TagError

if TYPE_CHECKING:
    from agent.tickets.markup.tags import Attrs, Held, Point, Reader, Span

BREAKS = ("\n", "\r\n", "\r")
REMEMBERED = 256
"""As many steps from look to look are kept for each tag."""


class Op(Protocol):
    """A token, understood."""

    def do(self, reader: Reader) -> None: ...


class Newline:
    """A line feed makes an empty line only where there is nothing on the line, not even a tag."""

    def __init__(self, broken: bool = False) -> None:
        self.broken = broken

    def do(self, reader: Reader) -> None:
        sheet = reader.sheet
        before = reader.tokens[reader.at - 3] if reader.at > 2 else "\n"
        sheet.end_line(self.broken or before in BREAKS, self.broken)
        if sheet.opened:
            reader.end_unclosed()
        if not self.broken:
            sheet.number += 1


class Tag:
    """A tag of the table, with its attributes."""

    def __init__(self, name: str, attrs: Attrs, token: str) -> None:
        self.name = name
        self.attrs = attrs
        self.token = token

    def refuse(self, reader: Reader) -> None:
        """It is text, and somebody should know."""
        reader.sheet.text(reader.dialect.plain(self.token))
        reader.sheet.report(self.token)


class Unknown(Tag):
    """A tag that the dialect does not have."""

    def __init__(self, token: str) -> None:
        super().__init__("", {}, token)

    def do(self, reader: Reader) -> None:
        self.refuse(reader)


class Open(Tag):
    """A tag that is open from here on."""

    def __init__(self, name: str, span: Span, attrs: Attrs, token: str) -> None:
        super().__init__(name, attrs, token)
        self.span = span
        self.box = span.box
        self.line = span.line
        self.quiet = span.leave is None
        self.enter = span.enter
        self.steps: dict[Look, Look] = {}

    def do(self, reader: Reader) -> None:
        sheet = reader.sheet
        try:
            if len(sheet.opened) >= MAX_OPEN:
                raise TagError(self.token)
            if self.enter is not None:
                self.enter(sheet, self.attrs)
            look = self.steps.get(sheet.look) or self.turned(sheet.look)
        except TagError:
            self.refuse(reader)
        else:
            sheet.opened.append((self, sheet.look, reader.at - 1))
            if look.stand is not sheet.look.stand:
                sheet.turned = True
            sheet.look = look

    def turned(self, look: Look) -> Look:
        """What this tag makes of a look. Raises TagError if its attributes are not understood."""
        step = look if self.span.change is None else self.span.change(look, self.attrs)
        if len(self.steps) >= REMEMBERED:  # other threads may do the same at any time
            self.steps.clear()
        self.steps[look] = step
        return step

    def leave(self, sheet: Sheet) -> None:
        if self.span.leave is not None:
            self.span.leave(sheet)


class Close(Tag):
    """A closing tag."""

    def __init__(self, name: str, token: str) -> None:
        super().__init__(name, {}, token)

    def do(self, reader: Reader) -> None:
        sheet = reader.sheet
        opened = sheet.opened
        if opened and opened[-1][0].name == self.name:
            scope, look, _ = opened.pop()
            if not scope.quiet:
                scope.leave(sheet)
            sheet.set_look(look)
        elif not sheet.close(self.name):
            self.refuse(reader)


class Do(Tag):
    """A tag that does something here."""

    def __init__(self, name: str, point: Point, attrs: Attrs, token: str) -> None:
        super().__init__(name, attrs, token)
        self.act = point.act

    def do(self, reader: Reader) -> None:
        try:
            self.act(reader.sheet, self.attrs)
        except TagError:
            self.refuse(reader)


class Hold(Tag):
    """A tag that takes all up to its closing tag."""

    def __init__(self, name: str, held: Held, attrs: Attrs, token: str) -> None:
        super().__init__(name, attrs, token)
        self.act = held.act

    def do(self, reader: Reader) -> None:
        end = reader.end_of(reader.at - 1)
        within = [place for place in reader.refused if place > reader.at]
        try:
            if not end or len(within) >= MAX_OPEN:
                raise TagError(self.token)
            content = "".join(reader.tokens[reader.at : end])
            self.act(reader.sheet, self.attrs, reader.dialect.plain(content))
        except TagError:
            self.refuse(reader)
            reader.refused = [*within, end][:MAX_OPEN]
        else:
            reader.at = end + 1
            reader.sheet.number += content.count("\n")
