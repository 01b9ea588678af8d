"""`shop-agent templates`: which there are, and whether the shop's own are right."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from click.core import ParameterSource

from agent import templates as shipped
from agent.cli.options import config_option
from agent.cli.talk import json_option, show_json
from agent.clock import SystemClock
from agent.config import Config, load
from agent.errors import ConfigError
from agent.spool.shelf import Shelf
from agent.tickets.template import Book

templates_option = click.option(
    "--templates",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The folder of the shop's own templates, instead of the configuration's.",
)


@contextmanager
def _said_once() -> Iterator[None]:
    """What is wrong with a template is said here in plain words, and not by the log besides."""

    def keep(record: logging.LogRecord) -> bool:
        return record.msg != "spool.template_failed"

    logger = logging.getLogger("agent.spool")
    logger.addFilter(keep)
    try:
        yield
    finally:
        logger.removeFilter(keep)


def open_book(folder: Path | None) -> Book:
    """The templates that the agent would print with; what is wrong with the shop's own is said."""
    book, problems = _opened(folder)
    for problem in problems:
        click.echo(f"{problem}\nuntil that is mended the agent prints without this file, as is shown here", err=True)
    return book


def faults(config: Config) -> list[str]:
    """What is wrong with the shop's own templates."""
    return _opened(config.templates)[1]


def _opened(folder: Path | None) -> tuple[Book, list[str]]:
    with _said_once():
        shelf = Shelf(folder, SystemClock())
        return shelf.book(), list(shelf.problems().values())


def _folder(templates: Path | None, config_path: Path) -> Path | None:
    """The one that is named; else the configuration's. A configuration that nobody named need not be there."""
    source = click.get_current_context().get_parameter_source("config_path")
    if templates is not None or (source is ParameterSource.DEFAULT and not config_path.exists()):
        return templates
    return load(config_path).templates


@click.group()
def templates() -> None:
    """List and check the templates of tickets."""


@templates.command("list")
@templates_option
@config_option
@json_option
def list_all(templates: Path | None, config_path: Path, as_json: bool) -> None:
    """Name every template, and whose it is."""
    book = open_book(_folder(templates, config_path))
    ours = shipped.read()
    if as_json:
        names = [file for file in sorted(book.names) if not file.startswith("_")]
        files = {file: book.own[file].file if file in book.own else None for file in names}
        show_json({"templates": [{"name": name.removesuffix(".j2"), "file": file} for name, file in files.items()]})
        return
    for file in sorted(book.names):
        if not file.startswith("_"):
            own = book.own.get(file)
            note = f"{own.file}, instead of the agent's" if own and file in ours else own.file if own else "the agent's"
            click.echo(f"{file.removesuffix('.j2')}: {note}")


@templates.command()
@templates_option
@config_option
@json_option
def check(templates: Path | None, config_path: Path, as_json: bool) -> None:
    """Print sample tickets with every template. Exit 78 when one fails; file and line are named."""
    book, problems = _opened(_folder(templates, config_path))
    count = sum(not name.startswith("_") for name in book.names)
    if as_json:
        show_json({"ok": not problems, "errors": problems, "templates": count, "own": len(book.own)})
    if problems:
        raise ConfigError("\n".join(problems))
    if as_json:
        return
    click.echo(f"templates: ok ({count}, {len(book.own)} of them the shop's own)")
