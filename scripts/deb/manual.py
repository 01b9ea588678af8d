"""The manual page and the shells' completion, made of what `--help` says."""

import re
import textwrap
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import click
from click.shell_completion import get_completion_class

from agent import __main__ as codes
from agent.cli import cli

NAME = "shop-agent"
COMPLETIONS = {
    "bash": Path("usr/share/bash-completion/completions/shop-agent"),
    "zsh": Path("usr/share/zsh/vendor-completions/_shop-agent"),
    "fish": Path("usr/share/fish/vendor_completions.d/shop-agent.fish"),
}
_FILES = (
    (
        "/etc/shop-agent/shop-agent.yaml",
        "the shop's configuration; /usr/share/doc/shop-agent/examples has every setting",
    ),
    ("/etc/shop-agent/templates", "the shop's own templates and logos"),
    ("/var/lib/shop-agent", "the journal of all orders and tickets, and the log of changes of the configuration"),
    ("/var/lib/shop-agent/last-good.yaml", "what the agent runs with while the configuration is wrong"),
    ("/etc/credstore/shop-agent.broker-password", "the broker's password, where it is not in a password_file"),
)
_EXITS = (
    (0, "all is well"),
    (codes.REFUSED, "refused, or not well"),
    (2, "wrong usage"),
    (3, "fleet --check: a box was not heard in time, nobody knows"),
    (codes.EX_UNAVAILABLE, "nobody answers: the agent does not run"),
    (70, "run: a thread ended; systemd starts it afresh"),
    (codes.EX_IOERR, "the disk failed"),
    (codes.EX_TEMPFAIL, "another agent works in the data directory"),
    (codes.EX_CONFIG, "the configuration is wrong; the text names the line and what to write instead"),
)


def completion(shell: str) -> str:
    """What a shell reads to complete this program's commands."""
    make = get_completion_class(shell)
    assert make is not None
    return make(cli, {}, NAME, "_SHOP_AGENT_COMPLETE").source()


def man_page(version: str, epoch: int) -> str:
    """shop-agent(1), as troff: every command with its options."""
    day = datetime.fromtimestamp(epoch, UTC).date().isoformat()
    context = click.Context(cli, info_name=NAME)
    lines = [f'.TH SHOP-AGENT 1 {day} "{NAME} {version}" "User Commands"', ".SH NAME"]
    lines += [f"{NAME} \\- {_text(_first_line(cli)).rstrip('.')}", ".SH SYNOPSIS", f".B {NAME}"]
    lines += ["[OPTIONS] COMMAND [ARGS]...", ".SH DESCRIPTION"]
    lines += [
        "The service is",
        ".BR shop-agent.service ;",
        "this program also talks to it while it runs. Begin with",
        ".B shop-agent status",
        "(how is it),",
        ".B shop-agent doctor",
        "(what is wrong, and what to do), and",
        ".B shop-agent setup",
        "(the configuration, by questions). What it says is in Chinese and English.",
        ".SH COMMANDS",
    ]
    for path, command in commands(context, cli):
        lines += _section(path, command)
    lines += [".SH EXIT STATUS", *(line for code, text in _EXITS for line in (".TP", f".B {code}", _text(text)))]
    lines += [".SH FILES", *(line for name, text in _FILES for line in (".TP", f".I {_text(name)}", _text(text)))]
    lines += [".SH SEE ALSO", ".BR journalctl (1),", "/usr/share/doc/shop\\-agent/docs/README.md"]
    return "\n".join(lines) + "\n"


def commands(context: click.Context, group: click.Group) -> Iterator[tuple[click.Context, click.Command]]:
    """Every command of a group and of those in it, with its path."""
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None or command.hidden:
            continue
        below = click.Context(command, info_name=name, parent=context)
        if isinstance(command, click.Group):
            yield from commands(below, command)
        else:
            yield below, command


def _section(context: click.Context, command: click.Command) -> Iterator[str]:
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    yield from (f".SS {_text(usage)}", *_paragraphs(command.help or ""))
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if isinstance(parameter, click.Option) and record is not None and "--help" not in parameter.opts:
            yield from (".TP", f".B {_text(record[0])}", _text(" ".join(record[1].split())))


def _paragraphs(text: str) -> Iterator[str]:
    for number, paragraph in enumerate(re.split(r"\n\s*\n", textwrap.dedent(text).strip())):
        if number:
            yield ".PP"
        yield _text(" ".join(paragraph.replace("\b", "").split()))


def _first_line(command: click.Command) -> str:
    return (command.help or "").strip().splitlines()[0]


def _text(text: str) -> str:
    """Plain text for troff: nothing in it is a request or an escape."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{escaped}" if escaped[:1] in (".", "'") else escaped
