"""`shop-agent run`: what the service runs."""

import gc
import os
import sys
from pathlib import Path

import click

from agent import log
from agent.cli.options import config_option
from agent.config import load
from agent.config.file import place_of
from agent.config.lastgood import load_or_last
from agent.config.warnings import warnings
from agent.errors import ConfigError

_log = log.get("config")


@click.command()
@config_option
@click.option(
    "--first-run", is_flag=True, help="Without a configuration make one, print a welcome; a phone does the rest."
)
@click.option("--printer", "printers", multiple=True, metavar="LINK", help="With --first-run: a printer besides.")
@click.option("--listen", default="", metavar="HOST:PORT", help="With --first-run: the port for phones.")
@click.option("--log-level", type=click.Choice(log.LEVELS), default="info", show_default=True)
def run(config_path: Path, first_run: bool, printers: tuple[str, ...], listen: str, log_level: str) -> None:
    """Take orders and print them, until stopped."""
    gc.disable()  # until it is ready: what is loaded stays
    log.configure(log_level)
    if first_run and _is_missing(config_path):
        from agent.firstrun import LISTEN, begin  # a box is new once

        begin(config_path, printers, listen or LISTEN)
    elif printers or listen:
        ignored = f"{config_path} 已经有了，--printer 和 --listen 不用了：请改文件，或 shop-agent printers add"
        click.echo(f"{ignored}  it is there, --printer and --listen are not used: change it there", err=True)
    config, wrong = load_or_last(config_path)
    if wrong:
        _log.error("config.last_good_used", reason=wrong)
    for text in warnings(config):
        _log.warning("config.doubt_found", text=text)
    from agent.app import AGAIN, run_agent  # after the configuration is known to be right: it loads every room

    try:
        code = run_agent(config, lambda: load(config_path), config_path, wrong)
    except ConfigError as exc:
        where = f"{place_of('data_dir', config_path)}: " if str(exc).startswith("data_dir: ") else ""
        raise ConfigError(f"{where}{exc}") from exc
    if code == AGAIN:
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # a fresh process under the same number
    sys.exit(code)


def _is_missing(path: Path) -> bool:
    """Where nobody may look, reading says what is wrong."""
    try:
        path.stat()
    except FileNotFoundError:
        return True
    except OSError:
        pass
    return False
