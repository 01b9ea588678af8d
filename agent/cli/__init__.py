"""The command line: click, one file per group of commands, each imported only when it is called."""

import importlib
import platform

import click

from agent import __version__

COMMANDS = {
    "run": "agent.cli.run:run",
    "reload": "agent.cli.support:reload",
    "support-bundle": "agent.cli.support:support_bundle",
    "config": "agent.cli.config:config",
    "fleet": "agent.cli.fleet:fleet",
    "mappings": "agent.cli.mappings:mappings",
    "notices": "agent.cli.notices:notices",
    "preview": "agent.cli.preview:preview",
    "printers": "agent.cli.printers:printers",
    "queue": "agent.cli.queue:queue",
    "sign": "agent.cli.sign:sign",
    "simulate": "agent.cli.simulate:simulate",
    "templates": "agent.cli.templates:templates",
}


class LazyGroup(click.Group):
    """Imports a command when it is wanted: `run` shall not load what only `simulate` needs."""

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
def version() -> None:
    """Say which version this is."""
    click.echo(_VERSION)
