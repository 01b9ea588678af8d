"""`shop-agent templates`: which there are, and whether the shop's own are right."""

from pathlib import Path

import click

from agent import templates as shipped
from agent.clock import SystemClock
from agent.config import Config
from agent.errors import ConfigError
from agent.spool.shelf import Shelf
from agent.tickets.template import Book

templates_option = click.option(
    "--templates",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The folder of the shop's own templates, as in the configuration.",
)


def open_book(folder: Path | None) -> Book:
    """The templates that the agent would print with; what is wrong with the shop's own is said."""

    def tell(_name: str, problem: str) -> None:
        if problem:
            click.echo(problem, err=True)

    return Shelf(folder, SystemClock(), tell).book()


def faults(config: Config) -> list[str]:
    """What is wrong with the shop's own templates, and which template a station names that there is not."""
    shelf = Shelf(config.templates, SystemClock())
    names = shelf.book().names
    known = ", ".join(sorted(name.removesuffix(".j2") for name in names if not name.startswith("_")))
    found = list(shelf.problems().values())
    for at, station in enumerate(config.stations):
        if f"{station.template}.j2" not in names:
            found.append(f"stations[{at}].template: there is no template '{station.template}'; there are: {known}")
    return found


@click.group()
def templates() -> None:
    """List and check the templates of tickets."""


@templates.command("list")
@templates_option
def list_all(templates: Path | None) -> None:
    """Name every template, and whose it is."""
    book = open_book(templates)
    ours = shipped.read()
    for file in sorted(book.names):
        if not file.startswith("_"):
            own = book.own.get(file)
            note = f"{own.file}, instead of the agent's" if own and file in ours else own.file if own else "the agent's"
            click.echo(f"{file.removesuffix('.j2')}: {note}")


@templates.command()
@templates_option
def check(templates: Path | None) -> None:
    """Print sample tickets with every template. Exit 78 when one fails; file and line are named."""
    problems: list[str] = []
    book = Shelf(templates, SystemClock(), lambda _name, problem: problems.append(problem)).book()
    problems = [problem for problem in problems if problem]
    if problems:
        raise ConfigError("\n".join(problems))
    count = sum(not name.startswith("_") for name in book.names)
    click.echo(f"templates: ok ({count}, {len(book.own)} of them the shop's own)")
