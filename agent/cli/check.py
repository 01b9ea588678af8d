"""`shop-agent printers check`: what a printer at a link can do, as a report that an installer can send."""

import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click
import msgspec

from agent.cli.options import config_option
from agent.cli.talk import json_option
from agent.config import Config, Printer, load
from agent.errors import ConfigError, DataDirLocked
from agent.model.link import VirtualLink, parse_link
from agent.printers.conformance.verdict import Act, Answer, Words

_STOP_IT = (
    "程序正在用这台打印机，先停掉：systemctl stop shop-agent "
    "shop-agent is running and prints on this printer; stop it first: systemctl stop shop-agent"
)
_ANSWERS = {"y": Answer.YES, "n": Answer.NO, "?": Answer.UNSURE}


class Terminal:
    """The person at this terminal. Everything is said on standard error: standard output is the report's."""

    def gets_ready(self, act: Act) -> None:
        """See `Person.gets_ready`."""
        zh, en = act.value
        click.echo(f"\n纸一出来就：{zh}。准备好后按回车。\nAs soon as paper comes out: {en}.", err=True)
        _hear("回车 Enter", default="", show_default=False)

    def does(self, act: Act) -> None:
        """See `Person.does`."""
        zh, en = act.value
        click.echo(f"\n现在请：{zh}。完成后按回车。\nNow: {en}.", err=True)
        _hear("回车 Enter", default="", show_default=False)

    def says(self, question: Words) -> Answer:
        """See `Person.says`."""
        click.echo(f"\n{question.zh}\n{question.en}", err=True)
        return _ANSWERS[_hear("y 是 yes / n 否 no / ? 不清楚 unsure", type=click.Choice(list(_ANSWERS)))]


@click.command()
@click.argument("target", metavar="LINK|NAME")
@config_option
@click.option("--interactive", is_flag=True, help="Somebody stands at the printer: ask them, and try what needs them.")
@click.option("--paper/--no-paper", default=True, show_default=True, help="Print about a metre of slips, or nothing.")
@click.option("--width", default=48, show_default=True, type=click.IntRange(16, 96), help="Cells, for a LINK.")
@json_option
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the report into this file too.")
def check(
    target: str, config_path: Path, interactive: bool, paper: bool, width: int, as_json: bool, out: Path | None
) -> None:
    """Try all that the agent relies on at one printer, and report. Exit 1 when something failed.

    LINK is a link as in the configuration, such as tcp://192.168.1.50:9100; NAME is a printer of --config.
    """
    from agent.connectors import connector
    from agent.datadir import unattended
    from agent.printers.conformance import run_checks

    with ExitStack() as stack:
        printer, config = _find(target, config_path, width)
        if printer.profile == "star":
            raise click.ClickException(
                "只能检验 ESC/POS 打印机 these checks speak ESC/POS; a printer with the profile star can't be checked"
            )
        if config is not None:
            try:
                stack.enter_context(unattended(config.data_dir))
            except DataDirLocked as exc:
                raise DataDirLocked(_STOP_IT) from exc
        folder = config.data_dir if config is not None else None
        if folder is None and isinstance(printer.link, VirtualLink):
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        is_virtual = isinstance(printer.link, VirtualLink)  # a second one would be another printer
        report = run_checks(
            connector(printer, folder or Path()),
            other=None if is_virtual else connector(printer, folder or Path()),
            link=str(printer.link),
            paper=paper,
            person=Terminal() if interactive else None,
            dots=printer.dots,
            on_start=lambda each: click.echo(f"… {each.name} {each.zh}", err=True),
        )
    text = report.json() + "\n" if as_json else report.text()
    if out is not None:
        out.write_text(text, encoding="utf-8")
    click.echo(text, nl=False)
    sys.exit(1 if report.failed or report.ended_by else 0)


def _hear(text: str, **how: Any) -> str:
    """What is typed; Ctrl-C ends the checks and not their report."""
    try:
        return str(click.prompt(text, err=True, show_choices=False, **how))
    except click.Abort as exc:
        raise KeyboardInterrupt from exc


def _find(target: str, config_path: Path, width: int) -> tuple[Printer, Config | None]:
    """The printer, and the configuration that has it: a LINK need not be in one."""
    if ":" not in target:
        config = load(config_path)
        try:
            return config.printer(target), config
        except KeyError:
            names = ", ".join(printer.name for printer in config.printers) or "none"
            raise ConfigError(f"{config_path}: there is no printer {target}; there are: {names}") from None
    link = parse_link(target)
    try:
        found = load(config_path) if config_path.exists() else None
    except ConfigError:
        found = None
    for printer in found.printers if found is not None else ():
        if printer.link.device == link.device:
            return msgspec.structs.replace(printer, link=link), found
    return Printer(name="check", link=link, width=width), None
