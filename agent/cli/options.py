"""Options and arguments that several commands share."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from agent.config import Config, Printer

DEFAULT_CONFIG = Path("/etc/shop-agent/shop-agent.yaml")

config_option = click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    default=DEFAULT_CONFIG,
    envvar="SHOP_AGENT_CONFIG",
    show_default=True,
    show_envvar=True,
    help="The shop's configuration.",
)


def named(path: Path) -> str:
    """` --config FILE` behind a command that a person is told to run; nothing where it is the usual one."""
    return "" if path == DEFAULT_CONFIG else f" --config {path}"


def configured(config: "Config", name: str, param_hint: str = "NAME") -> "Printer":
    """The printer of that name. Raises BadParameter, which names those that there are."""
    try:
        return config.printer(name)
    except KeyError:
        there = ", ".join(printer.name for printer in config.printers) or "none"
        text = f"没有打印机 {name}，现有 {there} there is no printer '{name}'; there is {there}"
        raise click.BadParameter(text, param_hint=param_hint) from None
