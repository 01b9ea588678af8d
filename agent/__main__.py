"""`shop-agent`, or `python -m agent`."""

import sys

import click

from agent.cli import cli
from agent.errors import ConfigError, DataDirLocked

EX_TEMPFAIL = 75
EX_CONFIG = 78


def main() -> None:
    """Run the command line. Exit codes of sysexits(3): 78 wrong configuration, 75 data directory in use."""
    try:
        cli(prog_name="shop-agent")
    except ConfigError as exc:
        click.echo(str(exc), err=True)
        sys.exit(EX_CONFIG)
    except DataDirLocked as exc:
        click.echo(str(exc), err=True)
        sys.exit(EX_TEMPFAIL)


if __name__ == "__main__":
    main()
