"""A template that somebody is writing: tried on sample tickets before it is anybody's, and shown as it would print."""

from collections.abc import Sequence
from datetime import datetime
from functools import cache

import msgspec

from agent import templates
from agent.config import Printer
from agent.journal import tickets
from agent.journal.file import Tx
from agent.journal.tickets import Seen
from agent.model.job import Job, JobKind
from agent.model.station import Station
from agent.model.ticket import Language
from agent.spool.render import Press
from agent.spool.shelf import trial
from agent.tickets.engine import Source, TemplateError
from agent.tickets.sample import samples
from agent.tickets.template import SHIPPED, Book

MOST_SOURCE = 20_000
"""Characters: our longest has an eighth of it, and more would take seconds to read on a small box."""
SHOWN_IN = "kitchen"
"""A part is seen in this one."""
_LOOK_BACK, _MOST_REAL = 300, 5
_KIND_OF = {"changes": JobKind.AMEND, "cancel": JobKind.CANCEL}
_EXAMPLE = "{# 要加的字写在这里，例如 what shall stand below, such as: <C>谢谢光临</C> #}"
_OF_NO_ORDER = ("summary", "alarm", "welcome")
_WITH_BLOCKS = ("kitchen", "receipt")

shipped = cache(templates.read)
"""Our own templates by file name."""


class Draft(msgspec.Struct, frozen=True):
    """A template's name, without `.j2`, and its text. `file` is what errors call it."""

    name: str
    text: str
    file: str

    @property
    def is_part(self) -> bool:
        """Does it print nothing by itself?"""
        return self.name.startswith("_")


def book_with(book: Book, draft: Draft) -> Book:
    """The shop's templates, as they would be with this one."""
    return Book(shipped(), {**book.own, f"{draft.name}.j2": Source(draft.file, draft.text)}, book.images)


def book_without(book: Book, file: str) -> Book:
    """The shop's templates, as they would be without this file: a template, or a picture."""
    own = {name: source for name, source in book.own.items() if name != file}
    gone = (file, file.rpartition(".")[0])
    return Book(shipped(), own, {name: data for name, data in book.images.items() if name not in gone})


def fault(book: Book, draft: Draft) -> TemplateError | None:
    """What is wrong with it, found by printing samples. `book` is the one with it."""
    if len(draft.text) > MOST_SOURCE:
        return TemplateError(draft.file, 1, f"it has {len(draft.text)} characters: make it {MOST_SOURCE} at most")
    return trial(book, None if draft.is_part else [f"{draft.name}.j2"])


def start_of(name: str, like: str, *, copy: bool) -> str:
    """What somebody begins with who makes a template like one of ours: a copy of that, or some lines that build on it,
    where it has blocks to fill, or bears another name.
    """
    ours = shipped().get(f"{like}.j2", "")
    if copy or not ours or (like not in _WITH_BLOCKS and name == like):
        return ours
    text = f"{{% extends '{SHIPPED}{like}.j2' %}}\n"
    if like in _WITH_BLOCKS:
        text += f"{{% block foot %}}\n{{{{ super() -}}}}\n{_EXAMPLE}\n{{% endblock %}}\n"
    return text


def sample(book: Book, draft: Draft, which: int, language: Language, width: int) -> bytes:
    """Its picture, of one of the samples that it is tried on, as a PNG.

    Raises:
        TemplateError: it fails.
        TooLong: there is no picture of so long a ticket.
    """
    from agent.encode import picture  # fonts and pictures: who does not look does not pay
    from agent.encode.typeset import typeset

    name = SHOWN_IN if draft.is_part else draft.name
    known = samples(name)
    subject = msgspec.structs.replace(known[which % len(known)], language=language)
    return picture.png(typeset(book.checked(name, subject, width), width), width)


def real(press: Press, book: Book, draft: Draft, tx: Tx, job: Job, printer: Printer, language: Language) -> bytes:
    """Its picture, of a ticket that was made, as a PNG. Raises as `sample` does."""
    from agent.spool.likeness import likeness

    name = SHOWN_IN if draft.is_part else draft.name
    faults: list[TemplateError] = []
    station = Station(job.station, template=name, shows="all" if book.base(name) == "expo" else "own")
    at = datetime.fromisoformat(tickets.printed_at(tx, job.id) or job.created_at)
    shown = likeness(press.trying(book, faults.append, station, language), tx, job, printer, at)
    if faults:
        raise faults[0]
    return shown


def real_tickets(tx: Tx, book: Book, draft: Draft) -> Sequence[Seen]:
    """The newest tickets that it could be tried on."""
    like = book.base(draft.name)
    if like in _OF_NO_ORDER:
        return []
    kind = _KIND_OF.get(like, JobKind.ORDER)
    return [seen for seen in tickets.newest(tx, None, _LOOK_BACK) if seen.kind is kind][:_MOST_REAL]
