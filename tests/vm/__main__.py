"""python -m tests.vm run [--drive FILE] [--memory MB] [--timeout S] -- COMMAND…

Boots a guest and runs the command in the project's folder there: its output comes as it is said, and its exit code is
ours. `python -m tests.vm build [amd64|arm64]` only fills the cache; arm64 takes minutes, and only this builds it.
"""

import sys
import time
from pathlib import Path

import click

from tests.vm.box import booted
from tests.vm.image import BENCH, NotHere, built
from tests.vm.qemu import Hardware
from tests.vm.system import base

EXIT_NOT_HERE = 69


@click.group()
def main() -> None:
    """A guest machine for one command."""


@main.command(context_settings={"ignore_unknown_options": True})
@click.option("--drive", "drives", multiple=True, type=click.Path(exists=True, path_type=Path), help="a raw disk")
@click.option("--memory", "memory_mb", default=768, help="megabytes")
@click.option("--timeout", "timeout_s", default=3600.0, help="seconds that the command may take")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def run(drives: tuple[Path, ...], memory_mb: int, timeout_s: float, command: tuple[str, ...]) -> None:
    """Run COMMAND in a fresh guest."""
    started = time.monotonic()
    with booted(hardware=Hardware(drives=drives, memory_mb=memory_mb)) as box:
        click.echo(f"vm: up after {time.monotonic() - started:.1f} s", err=True)
        running = box.start(command)
        try:
            for chunk in running.output(timeout_s):
                sys.stdout.buffer.write(chunk)
                sys.stdout.buffer.flush()
        except TimeoutError as exc:
            raise click.ClickException(str(exc)) from exc
    sys.exit(running.exit_code)


@main.command()
@click.argument("arch", type=click.Choice(["amd64", "arm64"]), default="amd64")
def build(arch: str) -> None:
    """Build the images, if they are not there yet."""
    if arch == "amd64":
        click.echo(str(built(BENCH).folder))
    click.echo(str(base(arch)))


if __name__ == "__main__":
    try:
        main()
    except NotHere as reason:
        click.echo(f"vm: {reason}", err=True)
        sys.exit(EXIT_NOT_HERE)
