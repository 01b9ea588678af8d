"""`shop-agent config`: is the file right, what does it mean, what may be in it."""

from pathlib import Path
from typing import Any

import click
import msgspec
import yaml

from agent.broker.topics import topics
from agent.cli.options import config_option
from agent.cli.talk import json_option, show_json
from agent.cli.templates import faults
from agent.config import Config, load
from agent.config.schema import schema as schema_of
from agent.config.warnings import warnings
from agent.config.words import bilingual
from agent.errors import ConfigError
from agent.intake.keyfile import load_keyring
from agent.intake.mappingfile import load_all
from agent.intake.rehearsal import rehearse
from agent.model.link import Link


@click.group()
def config() -> None:
    """Check and show the configuration."""


@config.command()
@config_option
@json_option
def check(config_path: Path, as_json: bool) -> None:
    """Say whether the file is right; name every error at once. Exit 78 when there is one.

    The mappings that it names are tried on their fixtures, the shop's own templates on sample tickets.
    """
    try:
        loaded, errors = _loaded(config_path)
        more, unwise = look_closely(loaded)
    except ConfigError as exc:
        if as_json:
            show_json({"ok": False, "errors": str(exc).splitlines(), "warnings": []})
        raise
    unwise = [*(f"{config_path}: warning: {bilingual(text)}" for text in warnings(loaded)), *unwise]
    errors += more
    if as_json:
        show_json({"ok": not errors, "errors": errors, "warnings": unwise})
    for text in () if as_json else unwise:
        click.echo(text, err=True)
    if errors:
        raise ConfigError("\n".join(errors))
    if as_json:
        return
    printers = ", ".join(printer.name for printer in loaded.printers) or "none"
    cloud = f"broker {loaded.broker.url}" if loaded.broker else "no cloud"
    click.echo(f"{config_path}: ok (shop {loaded.shop}, {cloud}, printers: {printers})")


@config.command()
@config_option
@json_option
def show(config_path: Path, as_json: bool) -> None:
    """Print every setting as it works, with the defaults filled in, as a file that could be loaded."""
    loaded = load(config_path)
    effective = msgspec.structs.replace(loaded, stations=loaded.effective_stations())
    if as_json:
        show_json(_plain(effective))
        return
    click.echo(f"# broker password: {_password_source(loaded)} (never shown)")
    click.echo(yaml.safe_dump(_plain(effective), allow_unicode=True, sort_keys=False), nl=False)


@config.command()
def schema() -> None:
    """Print the JSON Schema of the file, for editors."""
    click.echo(msgspec.json.format(msgspec.json.encode(schema_of(Config)), indent=2).decode())


def look_closely(loaded: Config) -> tuple[list[str], list[str]]:
    """What is wrong with the files that it names, and what is unwise in them. Raises ConfigError for what can't be
    read at all.
    """
    found = [rehearse(file) for file in {file.path: file for file in load_all(loaded).values()}.values()]
    load_keyring(loaded, topics(loaded.prefix, loaded.shop, loaded.agent))
    errors = [*(text for findings in found for text in findings.errors), *faults(loaded)]
    return errors, [f"warning: {text}" for findings in found for text in findings.warnings]


def _loaded(path: Path) -> tuple[Config, list[str]]:
    """The configuration, and what is wrong with it though the agent would start. Raises ConfigError where it can't."""
    try:
        return load(path, closely=True), []
    except ConfigError as exc:
        try:
            return load(path), [str(exc)]
        except ConfigError:
            raise exc from None


def _password_source(loaded: Config) -> str:
    if loaded.broker is None:
        return "no cloud is configured"
    source = loaded.broker.password_source()
    return source if source == "none" else f"from {source}"


def _plain(value: Any) -> Any:
    """As it would be written in the file: links and paths as text, settings that say nothing left out."""
    if isinstance(value, Link | Path):
        return str(value)
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, msgspec.Struct):
        members = msgspec.structs.asdict(value).items()
        return {name: _plain(member) for name, member in members if member is not None and member != ""}
    return value
