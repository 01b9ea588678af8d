"""The command line: click, one file per group of commands, each imported only when it is called."""

import importlib
import json
import platform
from typing import Any

import click
from click.exceptions import NoSuchCommand

from agent import __version__
from agent.cli.usage import in_both

COMMANDS = {
    "alarms": "agent.cli.alarms:alarms",
    "run": "agent.cli.run:run",
    "reload": "agent.cli.support:reload",
    "support-bundle": "agent.cli.support:support_bundle",
    "config": "agent.cli.config:config",
    "doctor": "agent.cli.doctor:doctor",
    "fleet": "agent.cli.fleet:fleet",
    "mappings": "agent.cli.mappings:mappings",
    "notices": "agent.cli.notices:notices",
    "pair": "agent.cli.access:pair",
    "print": "agent.cli.print:print_",
    "preview": "agent.cli.preview:preview",
    "printers": "agent.cli.printers:printers",
    "queue": "agent.cli.queue:queue",
    "setup": "agent.cli.setup:setup",
    "reprint": "agent.cli.queue:reprint",
    "reset-pin": "agent.cli.access:reset_pin",
    "sign": "agent.cli.sign:sign",
    "status": "agent.cli.status:status",
    "tail": "agent.cli.status:tail",
    "simulate": "agent.cli.simulate:simulate",
    "templates": "agent.cli.templates:templates",
    "update": "agent.cli.update:update",
}


class LazyGroup(click.Group):
    """Imports a command when it is wanted: `run` shall not load what only `simulate` needs. Wrong usage is told in two
    languages.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Click's."""
        with in_both():
            return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Click's."""
        with in_both():
            return super().invoke(ctx)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Click's, which suggests no command that is not loaded."""
        try:
            return super().resolve_command(ctx, args)
        except NoSuchCommand as exc:
            raise NoSuchCommand(exc.command_name, possibilities=self.list_commands(ctx), ctx=ctx) from None

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every command, the lazy ones included."""
        return sorted({*super().list_commands(ctx), *COMMANDS})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name; imports its module."""
        place = COMMANDS.get(cmd_name)
        if place is None:
            return super().get_command(ctx, cmd_name)
        module, _, name = place.partition(":")
        command = getattr(importlib.import_module(module), name)
        assert isinstance(command, click.Command)
        return command


_VERSION = f"shop-agent {__version__} (Python {platform.python_version()}, {platform.machine()})"


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message=_VERSION)
def cli() -> None:
    """Prints a shop's online orders on its kitchen printers: never lost, never silently twice."""


@cli.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print what completes this program's commands in a SHELL: eval "$(shop-agent completion bash)"."""
    from click.shell_completion import get_completion_class

    make = get_completion_class(shell)
    assert make is not None
    click.echo(make(cli, {}, "shop-agent", "_SHOP_AGENT_COMPLETE").source())


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="One line of JSON, for programs.")
def version(as_json: bool) -> None:
    """Say which version this is."""
    facts = {"version": __version__, "python": platform.python_version(), "machine": platform.machine()}
    click.echo(json.dumps(facts) if as_json else _VERSION)
