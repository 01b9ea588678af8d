"""`shop-agent preview`: a ticket as it would be printed, without a printer."""

from pathlib import Path

import click
import msgspec

from agent.cli.setting import Asked, Setting, settle
from agent.cli.templates import open_book, templates_option
from agent.cli.told import FILE, read, read_told
from agent.config.warnings import width_warning
from agent.config.words import bilingual
from agent.encode import svg
from agent.encode.grid import render
from agent.encode.picture import png
from agent.encode.typeset import typeset
from agent.errors import ConfigError, TooLong
from agent.model.job import JobKind
from agent.model.layout import Layout
from agent.model.order import DIALECTS, MAX_RAW_COPIES, Cancel, Order, Raw, Upsert
from agent.model.readycode import ready_code
from agent.model.ticket import Language, Ticket
from agent.spool.render import Press
from agent.tickets.changes import changed_facts, compare, trace
from agent.tickets.engine import TemplateError
from agent.tickets.raw import ready_made
from agent.tickets.sample import samples
from agent.tickets.template import Book

_NOT_OF_ORDERS = ("alarm", "summary", "welcome")


@click.command()
@click.option("--order", "order_file", type=FILE, help="An order or its event, as JSON; - reads it from the pipe.")
@click.option("--before", type=FILE, help="The order as it was: then what changed is printed.")
@click.option("--raw", "raw_file", type=FILE, help="Ready-made content instead of an order.")
@click.option("--dialect", type=click.Choice(DIALECTS), show_default="native", help="The markup of --raw.")
@click.option("--config", "config", type=click.Path(path_type=Path), help="Take what is not given here from this file.")
@click.option("--printer", help="On which printer of --config: its width.")
@click.option("--station", help="Whose ticket; with --config: its printer, template and share of the order.")
@click.option("--template", show_default="kitchen", help="See: shop-agent templates list.")
@click.option("--width", type=click.IntRange(16, 96), show_default="48", help="In cells: 48 on 80 mm paper, 32 on 58.")
@click.option("--language", type=click.Choice([language.value for language in Language]), show_default="both")
@click.option("--timezone", show_default="this machine's", help="Such as Asia/Shanghai.")
@templates_option
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write a picture: .png or .svg.")
def preview(
    order_file: Path | None,
    before: Path | None,
    raw_file: Path | None,
    dialect: str | None,
    out: Path | None,
    **asked: object,
) -> None:
    """Show a ticket in the terminal, or write it as a picture. Without --order a made-up one is shown.

    An order with --before, and a cancelled one, are shown with the templates that the agent takes for them.
    """
    for wrong, words in (
        (raw_file and order_file, "--raw 和 --order 只能给一个 --raw is shown instead of --order; give one of them"),
        (dialect and not raw_file, "--dialect 要和 --raw 一起用 --dialect is the markup of --raw; give that too"),
        (before and not order_file, "--before 要和 --order 一起用 --before is what --order was; give that too"),
    ):
        if wrong:
            raise click.UsageError(words)
    setting = settle(msgspec.convert(asked, Asked))
    if text := width_warning(setting.width):
        click.echo(f"warning: {bilingual(text)}", err=True)
    book = open_book(setting.templates)
    if raw_file is not None:
        content = read(raw_file).decode("utf-8", "replace")
        layout: Layout | None = _raw(Raw(dialect or "native", content), setting, book)
    else:
        layout = _layout(order_file, before, setting, book)
    if layout is not None:
        _show(layout, setting, out)


def _show(layout: Layout, setting: Setting, out: Path | None) -> None:
    try:
        _show_whole(layout, setting, out)
    except TooLong as exc:
        raise ConfigError(f"the ticket is not shown: {exc}") from exc


def _show_whole(layout: Layout, setting: Setting, out: Path | None) -> None:
    rows = typeset(layout, setting.width, charset=setting.charset)
    if out is None:
        click.echo(render(rows, setting.width), nl=False)
        return
    if out.suffix not in (".png", ".svg"):
        raise ConfigError(f"{out}: a picture is written as .png or .svg; name it so")
    try:
        picture = png(rows, setting.width) if out.suffix == ".png" else svg.render(rows, setting.width).encode()
        out.write_bytes(picture)
    except OSError as exc:
        raise ConfigError(f"{out}: it can't be written ({exc.strerror}); name another file") from exc
    click.echo(str(out))


def _raw(raw: Raw, setting: Setting, book: Book) -> Layout:
    ticket = Ticket(Order("preview", 0, "print.raw", []), (), setting.here.name, kind=JobKind.RAW)
    marked = ready_made(raw, ticket, setting.width, book.images)
    for what in marked.unknown:
        click.echo(f"{raw.dialect}: not printed as meant: {what}", err=True)
    copies = min(max(raw.copies, marked.copies), MAX_RAW_COPIES)
    if copies > 1:
        click.echo(f"it is printed {copies} times", err=True)
    return marked.layout


def _layout(order_file: Path | None, before: Path | None, setting: Setting, book: Book) -> Layout | None:
    """The ticket of an order, or a sample; None where the agent would print nothing."""
    template = setting.here.template
    if f"{template}.j2" not in book.names:
        names = ", ".join(sorted(name.removesuffix(".j2") for name in book.names if not name.startswith("_")))
        raise ConfigError(f"there is no template '{template}'; there are: {names}")
    data = None if order_file is None else read_told(order_file)
    if data is None or template in _NOT_OF_ORDERS:
        if data is not None:
            click.echo(f"{template} is not about orders: here is its sample, without yours", err=True)
        return _sample(template, setting, book)
    if isinstance(data, Upsert | Cancel):
        ticket = _ticket(data, None if before is None else _order_before(before), setting)
        press = Press(setting.language, setting.zone, stations=setting.stations, book=lambda: book, failed=_tell)
        return None if ticket is None else press.page(ticket, setting.width).layout
    return _raw(data.raw, setting, book)


def _sample(template: str, setting: Setting, book: Book) -> Layout:
    subject = msgspec.structs.replace(samples(template)[0], language=setting.language)
    layout, error = book.layout(template, subject, setting.width)
    if error is not None:
        _tell(error)
    return layout


def _tell(error: TemplateError) -> None:
    click.echo(f"{error}\nthe agent would print this instead:", err=True)


def _order_before(file: Path) -> Order:
    told = read_told(file)
    if not isinstance(told, Upsert):
        raise ConfigError(f"{file}: give the order as it was, with its items")
    return told.order


def _ticket(data: Upsert | Cancel, was: Order | None, setting: Setting) -> Ticket | None:
    """What the station is told; None, and why, where that is nothing."""
    here, order = setting.here.name, data.order if isinstance(data, Upsert) else None
    before, now = setting.shares(was), setting.shares(order)
    if order is None or setting.here.template == "cancel" or (here in before and here not in now):
        return _void(data, was, setting)
    if setting.here.template == "changes" and was is None:
        raise click.UsageError(
            "--template changes 还要 --before 文件 --template changes compares; give --before FILE too"
        )
    if here not in now:
        click.echo(f"station {here} makes nothing of this order: nothing is printed", err=True)
        return None
    makers = [station.name for station in setting.stations if station.shows == "own" and station.name in now]
    ticket = Ticket(
        order,
        tuple(now[here]),
        here,
        copies=setting.here.copies,
        number=1,
        part=makers.index(here) + 1 if here in makers else 1,
        parts=len(makers) if here in makers else 1,
        also_at=tuple(name for name in makers if here in makers and name != here),
        language=setting.language,
        printed_at=setting.now(),
        ready_code=ready_code(order.channel, order.id, here, order.rev) if setting.ready_code else "",
    )
    if was is None or here not in before:
        return ticket
    changes, facts = trace(compare(before[here], now[here]), here, before, now), changed_facts(was, order)
    if not (changes or facts):
        click.echo("nothing that is read here has changed: nothing is printed", err=True)
        return None
    return msgspec.structs.replace(ticket, kind=JobKind.AMEND, before=was, changes=changes, changed_facts=facts)


def _void(data: Upsert | Cancel, was: Order | None, setting: Setting) -> Ticket | None:
    """The order is off, or this station's part of it."""
    here = setting.here.name
    known = was or (data.order if isinstance(data, Upsert) else None)
    portions = tuple(setting.shares(known).get(here, ()))
    if known is not None and not portions:
        click.echo(f"station {here} was told nothing of this order: nothing is printed", err=True)
        return None
    void = known or Order(data.order.id, data.order.rev, data.order.channel, [])
    reason = data.reason or "" if isinstance(data, Cancel) else ""
    now, language = setting.now(), setting.language
    return Ticket(void, portions, here, JobKind.CANCEL, reason, number=1, language=language, printed_at=now)
