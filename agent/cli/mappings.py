"""`shop-agent mappings`: which ones there are, and what one makes of a payload."""

from pathlib import Path

import click
import msgspec

from agent.cli.talk import json_option, show_json
from agent.cli.told import FILE, read
from agent.errors import ConfigError
from agent.intake.mappingfile import MappingFile, find, load, shipped
from agent.intake.rehearsal import outcome, rehearse


@click.group()
def mappings() -> None:
    """Try how a platform's own JSON becomes an order."""


@mappings.command("list")
@json_option
def list_all(as_json: bool) -> None:
    """Name the mappings that come with the agent."""
    about = {name: load(find(name)).about for name in shipped()}
    if as_json:
        show_json({"mappings": about})
        return
    for name, text in about.items():
        click.echo(f"{name}: {text}")


@mappings.command()
@click.argument("name")
@json_option
def check(name: str, as_json: bool) -> None:
    """Try a mapping (a name, or a .yaml file) on its fixtures. Exit 78 when one comes out otherwise."""
    file = load(find(name))
    findings = rehearse(file)
    if as_json:
        told = {"errors": findings.errors, "warnings": findings.warnings, "fixtures": findings.fixtures}
        show_json({"ok": not findings.errors, "file": str(file.path), **told})
    for text in findings.warnings:
        click.echo(f"warning: {text}", err=True)
    if findings.errors:
        raise ConfigError("\n".join(findings.errors))
    if not as_json:
        click.echo(f"{file.path}: ok ({findings.fixtures} fixtures)")


@mappings.command()
@click.argument("name")
@click.argument("payload", type=FILE)
def test(name: str, payload: Path) -> None:
    """Print what a mapping makes of a payload (- reads it here), as a fixture. Exit 78 when it would be parked.

    Read it well before you keep it: every dish, number, modifier, note and price must be there.
    """
    file: MappingFile = load(find(name))
    found = outcome(read(payload), file)
    click.echo(msgspec.json.format(msgspec.json.encode(found.told), indent=1).decode())
    if found.fault:
        raise ConfigError(found.fault)
