"""`shop-agent`, or `python -m agent`."""

import sys
from io import TextIOWrapper

import click

from agent.cli import cli
from agent.errors import AgentError, AgentNotRunning, ConfigError, DataDirLocked, JournalError, JournalNewer

REFUSED = 1
EX_UNAVAILABLE = 69
EX_IOERR = 74
EX_TEMPFAIL = 75
EX_CONFIG = 78
EXIT_CODES: dict[type[AgentError], int] = {
    AgentNotRunning: EX_UNAVAILABLE,
    DataDirLocked: EX_TEMPFAIL,
    ConfigError: EX_CONFIG,
    JournalNewer: EX_CONFIG,
    JournalError: EX_IOERR,
    AgentError: REFUSED,
}
"""The first that fits; docs/cli.md has them in words."""


def main() -> None:
    """Run the command line. Exit codes: 1 refused, or not well, 2 wrong usage (click's); and of sysexits(3): 69 nobody
    answers, 74 the disk failed, 75 data directory in use, 78 wrong configuration, or a journal of a newer version.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without Chinese, or without ✓
    try:
        cli(prog_name="shop-agent")
    except tuple(EXIT_CODES) as exc:
        if exc.zh:
            click.echo(exc.zh, err=True)
        click.echo(_in_both(exc), err=True)
        sys.exit(next(code for kind, code in EXIT_CODES.items() if isinstance(exc, kind)))


def _in_both(exc: AgentError) -> str:
    from agent.config.words import bilingual

    return bilingual(str(exc)) if isinstance(exc, ConfigError) else str(exc)


if __name__ == "__main__":
    main()
