"""Options that several commands share."""

from pathlib import Path

import click

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
