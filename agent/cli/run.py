"""`shop-agent run`: what the service runs."""

import sys
from pathlib import Path

import click

from agent import log
from agent.cli.options import config_option
from agent.config import load
from agent.configwarnings import warnings

_log = log.get("config")


@click.command()
@config_option
@click.option("--log-level", type=click.Choice(log.LEVELS), default="info", show_default=True)
def run(config_path: Path, log_level: str) -> None:
    """Take orders and print them, until stopped."""
    log.configure(log_level)
    config = load(config_path)
    for text in warnings(config):
        _log.warning("config.doubt_found", text=text)
    from agent.app import run_agent  # after the configuration is known to be right: it loads every room

    sys.exit(run_agent(config, lambda: load(config_path)))
