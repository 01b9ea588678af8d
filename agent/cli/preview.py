"""`shop-agent preview`: a ticket as it would be printed, without a printer."""

import sys
from pathlib import Path
from typing import Any

import click
import msgspec

from agent.cli.templates import open_book, templates_option
from agent.clock import SystemClock
from agent.encode import svg
from agent.encode.grid import render
from agent.encode.picture import png
from agent.encode.typeset import typeset
from agent.errors import ConfigError, DecodeError
from agent.intake.decode import decode_data, decode_envelope, decode_tree
from agent.model.job import JobKind
from agent.model.layout import Layout
from agent.model.order import DIALECTS, Cancel, Order, PrintRaw, Raw, Upsert
from agent.model.ticket import Language, Portion, Ticket
from agent.tickets.changes import changed_facts, compare
from agent.tickets.raw import ready_made
from agent.tickets.sample import samples
from agent.tickets.subject import Expo, Subject
from agent.tickets.template import Book

_FILE = click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path)
Told = Upsert | Cancel | PrintRaw


@click.command()
@click.option("--order", "order_file", type=_FILE, help="An order or its event, as JSON; - reads it from the pipe.")
@click.option("--before", type=_FILE, help="The order as it was: then what changed is printed.")
@click.option("--raw", "raw_file", type=_FILE, help="Ready-made content instead of an order.")
@click.option(
    "--dialect", type=click.Choice(DIALECTS), default="native", show_default=True, help="The content's markup."
)
@click.option("--template", default="kitchen", show_default=True, help="See: shop-agent templates list.")
@click.option(
    "--width", type=click.IntRange(16, 96), default=48, show_default=True, help="Of the paper: 48 is 80 mm, 32 is 58."
)
@click.option(
    "--language",
    type=click.Choice([language.value for language in Language]),
    default=Language.BOTH.value,
    show_default=True,
)
@click.option("--station", default="kitchen", show_default=True, help="The station whose ticket it is.")
@templates_option
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write a picture: .png or .svg.")
def preview(
    order_file: Path | None,
    before: Path | None,
    raw_file: Path | None,
    dialect: str,
    template: str,
    width: int,
    language: str,
    station: str,
    templates: Path | None,
    out: Path | None,
) -> None:
    """Show a ticket in the terminal, or write it as a picture. Without --order a made-up one is shown."""
    book = open_book(templates)
    if raw_file is not None:
        data: Told | None = PrintRaw(Raw(dialect, _read(raw_file).decode("utf-8", "replace")))
    else:
        data = None if order_file is None else _told(order_file)
    was = None if before is None else _told(before)
    if isinstance(data, PrintRaw):
        layout = _raw(data.raw, station, width, book)
    else:
        layout = _set(book, template, _subject(data, was, template, station, Language(language)), width)
    _show(layout, width, out)


def _show(layout: Layout, width: int, out: Path | None) -> None:
    rows = typeset(layout, width)
    if out is None:
        click.echo(render(rows, width), nl=False)
        return
    if out.suffix not in (".png", ".svg"):
        raise ConfigError(f"{out}: a picture is written as .png or .svg; name it so")
    try:
        out.write_bytes(png(rows, width) if out.suffix == ".png" else svg.render(rows, width).encode())
    except OSError as exc:
        raise ConfigError(f"{out}: it can't be written ({exc.strerror}); name another file") from exc
    click.echo(str(out))


def _set(book: Book, template: str, subject: Subject, width: int) -> Layout:
    if f"{template}.j2" not in book.names:
        names = ", ".join(sorted(name.removesuffix(".j2") for name in book.names if not name.startswith("_")))
        raise ConfigError(f"there is no template '{template}'; there are: {names}")
    layout, error = book.layout(template, subject, width)
    if error is not None:
        click.echo(f"{error}\nthe agent would print this instead:", err=True)
    return layout


def _raw(raw: Raw, station: str, width: int, book: Book) -> Layout:
    ticket = Ticket(Order("preview", 0, "print.raw", []), (), station, kind=JobKind.RAW)
    marked = ready_made(raw, ticket, width, book.images)
    for what in marked.unknown:
        click.echo(f"no tag of {raw.dialect}, printed as text: {what}", err=True)
    return marked.layout


def _subject(data: Told | None, was: Told | None, template: str, station: str, language: Language) -> Subject:
    """What the template is given; a made-up one where no order is."""
    now = SystemClock().utc().astimezone()
    if data is None:
        return msgspec.structs.replace(samples(template)[0], language=language)
    if isinstance(data, Cancel):
        void = was.order if isinstance(was, Upsert) else Order(data.order.id, data.order.rev, data.order.channel, [])
        portions = tuple(map(Portion, void.items))
        kind, reason = JobKind.CANCEL, data.reason or ""
        return Ticket(void, portions, station, kind, reason, number=1, language=language, printed_at=now)
    assert isinstance(data, Upsert)
    portions = tuple(map(Portion, data.order.items))
    ticket = Ticket(data.order, portions, station, number=1, language=language, printed_at=now)
    if isinstance(was, Upsert):
        changes = compare(tuple(map(Portion, was.order.items)), portions)
        facts = changed_facts(was.order, data.order)
        return msgspec.structs.replace(
            ticket, kind=JobKind.AMEND, before=was.order, changes=changes, changed_facts=facts
        )
    return Expo(ticket, ((station, portions),)) if template == "expo" else ticket


def _told(file: Path) -> Told:
    """What a file says: an event as it comes over the line, its data alone, or an order alone."""
    try:
        tree = decode_tree(_read(file))
        data = decode_data(decode_envelope(msgspec.json.encode(_event(tree))))[0].data
    except DecodeError as exc:
        raise ConfigError(f"{file}: {exc.reason} - at {exc.path}") from exc
    if data is None:
        raise ConfigError(f"{file}: a ping is never printed; give an order")
    return data


def _event(tree: Any) -> Any:
    if not isinstance(tree, dict) or "specversion" in tree:
        return tree
    data = tree if {"order", "raw"} & tree.keys() else {"order": {"id": "preview", "rev": 1, "channel": "", **tree}}
    kind = "print.raw" if "raw" in data else "order.upsert" if "items" in data["order"] else "order.cancel"
    return {"specversion": "1.0", "id": "preview", "source": "preview", "type": kind, "data": data}


def _read(file: Path) -> bytes:
    return sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
