"""scripts/bench: what an order costs, beside what a shop would run instead. Each table says how to repeat it."""

import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import msgspec

from scripts.benchmarks import (
    backlog,
    burst,
    console,
    fleet,
    fleet_view,
    growth,
    latency,
    line,
    machine,
    memory,
    peerdocs,
    peertables,
    render,
    sidebyside,
)
from scripts.benchmarks.peers import CONTENDERS, EVERYONE, HERE, REAL
from scripts.benchmarks.scenes import SCENES
from scripts.benchmarks.table import markdown

POINTS = (100, 1_000, 10_000, 100_000)
F = Callable[..., None]


class Bench:
    """One run: the machine, the tables as they come, and the numbers for `--json`."""

    def __init__(self, under: Path | None, json: Path | None) -> None:
        self.under = under or Path(tempfile.gettempdir())
        self._json = json
        found = machine.look_at(self.under)
        self.where = machine.describe(found)
        self._numbers: dict[str, Any] = {"machine": found, "command": _command()}

    def show(self, name: str, table: str, numbers: object) -> None:
        """Print a table and keep its numbers."""
        click.echo(f"\n### {name}\n\n{table}\n\n{self.where}  \n`{_command()}`")
        self._numbers[name] = numbers
        if self._json is not None:
            self._json.write_bytes(msgspec.json.format(msgspec.json.encode(self._numbers)) + b"\n")


def _command() -> str:
    return shlex.join(["scripts/bench", *sys.argv[1:]])


def _everywhere(command: F) -> F:
    """The options of every subcommand."""
    for option in (
        click.option("--json", type=click.Path(dir_okay=False, path_type=Path), help="Also write all numbers there."),
        click.option(
            "--under",
            type=click.Path(exists=True, file_okay=False, path_type=Path),
            help="Where journals are written: the disk that is measured.  [default: the temporary folder]",
        ),
    ):
        command = option(command)
    return command


def _who(default: tuple[str, ...]) -> Callable[[F], F]:
    return click.option(
        "--who", multiple=True, type=click.Choice([*CONTENDERS]), default=default, show_default=True, help="Contenders."
    )


ORDERS = click.IntRange(1)
ROUNDS = click.option("--rounds", type=click.IntRange(1), default=3, show_default=True, help="All of them, by turns.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """What an order costs. Only ratios and counts within one run travel; times belong to the machine."""


@main.command("latency")
@click.option("--orders", type=ORDERS, default=100, show_default=True)
@click.option("--rate", type=click.FloatRange(0.1, 1000), default=5.0, show_default=True, help="Orders a second.")
@ROUNDS
@_who(tuple(CONTENDERS))
@_everywhere
def latency_command(
    orders: int, rate: float, rounds: int, who: tuple[str, ...], under: Path | None, json: Path | None
) -> None:
    """Publishing an order to the last byte of its ticket at the printer."""
    bench = Bench(under, json)
    _latency(bench, who, orders, rate, rounds)


@main.command("burst")
@click.option("--orders", type=ORDERS, default=1000, show_default=True)
@ROUNDS
@_who(REAL)
@_everywhere
def burst_command(orders: int, rounds: int, who: tuple[str, ...], under: Path | None, json: Path | None) -> None:
    """Orders that are all published at once: orders a second, lost, doubled, out of order."""
    bench = Bench(under, json)
    _burst(bench, who, orders, rounds)


@main.command("memory")
@click.option("--orders", type=ORDERS, default=1000, show_default=True, help="In the burst.")
@click.option("--idle", type=click.FloatRange(0.1), default=20.0, show_default=True, help="Seconds to watch it idle.")
@ROUNDS
@_who(REAL)
@_everywhere
def memory_command(
    orders: int, idle: float, rounds: int, who: tuple[str, ...], under: Path | None, json: Path | None
) -> None:
    """Start, memory, idle processor, bytes a ticket and processor time an order."""
    bench = Bench(under, json)
    _memory(bench, who, orders, idle, rounds)


@main.command("console")
@click.option("--phones", type=click.IntRange(0, 30), default=10, show_default=True, help="Connected.")
@click.option("--orders", type=ORDERS, default=40, show_default=True)
@click.option("--rounds", type=click.IntRange(1), default=5, show_default=True, help="Loads of each page.")
@_everywhere
def console_command(phones: int, orders: int, rounds: int, under: Path | None, json: Path | None) -> None:
    """The window: how soon a page is there, how soon it shows what happened, and its memory with phones connected."""
    bench = Bench(under, json)
    found = console.measure(phones, orders, rounds, bench.under)
    table = markdown(("", "median", "99 %", "spread"), console.rows(found, phones))
    bench.show("console", table, found)


@main.command("growth")
@click.option("--most", type=ORDERS, default=POINTS[-1], show_default=True, help="Orders in the journal at the end.")
@click.option("--window", type=ORDERS, default=growth.WINDOW, show_default=True, help="Orders measured at each point.")
@_everywhere
def growth_command(most: int, window: int, under: Path | None, json: Path | None) -> None:
    """The journal's cost of an order, as the journal grows."""
    bench = Bench(under, json)
    _growth(bench, most, window)


@main.command("backlog")
@click.option("--pending", type=ORDERS, multiple=True, default=(100, 10_000), show_default=True, help="Tickets.")
@ROUNDS
@_everywhere
def backlog_command(pending: tuple[int, ...], rounds: int, under: Path | None, json: Path | None) -> None:
    """How soon a killed agent is back and prints, with so many tickets pending."""
    bench = Bench(under, json)
    _backlog(bench, pending, rounds)


@main.command("line")
@click.option("--tickets", type=ORDERS, default=30, show_default=True, help="In the burst.")
@click.option("--baud", type=int, multiple=True, default=(9600, 19200), show_default=True)
@ROUNDS
@_everywhere
def line_command(tickets: int, baud: tuple[int, ...], rounds: int, under: Path | None, json: Path | None) -> None:
    """How much of a slow serial line a burst uses, with one and with two tickets in flight."""
    bench = Bench(under, json)
    found = line.measure(baud, tickets, rounds, bench.under)
    bench.show(f"line: a burst of {tickets}, {rounds} rounds", line.table(found), found)


@main.command("render")
@click.option("--tickets", type=ORDERS, default=200, show_default=True)
@ROUNDS
@_everywhere
def render_command(tickets: int, rounds: int, under: Path | None, json: Path | None) -> None:
    """What a ticket's bytes take to make, and how many they are."""
    bench = Bench(under, json)
    _render(bench, tickets, rounds)


@main.command("fleet")
@click.option("--shops", type=ORDERS, default=500, show_default=True, help="All of them.")
@click.option("--agents", type=click.IntRange(0), default=20, show_default=True, help="Real agents among them.")
@click.option(
    "--seconds", type=click.FloatRange(1), default=60.0, show_default=True, help="Idle, and again with orders."
)
@click.option(
    "--rate", type=click.FloatRange(0.1, 1000), default=20.0, show_default=True, help="Orders a second in all."
)
@click.option("--down", type=click.FloatRange(0.1), default=10.0, show_default=True, help="Seconds without the broker.")
@click.option(
    "--beat", type=click.FloatRange(1), default=fleet.BEAT_S, show_default=True, help="Seconds between beats."
)
@_everywhere
def fleet_command(
    shops: int,
    agents: int,
    seconds: float,
    rate: float,
    down: float,
    beat: float,
    under: Path | None,
    json: Path | None,
) -> None:
    """What a shop costs its broker, and how all come back after the broker was away."""
    bench = Bench(under, json)
    found = fleet.measure(fleet.Plan(max(shops, agents), agents, seconds, rate, down, beat), bench.under)
    bench.show(f"fleet: {found.shops:,} shops, {found.agents} of them real agents", fleet.table(found), found)


@main.command("fleet-view")
@click.option("--boxes", type=ORDERS, default=100_000, show_default=True)
@_everywhere
def fleet_view_command(boxes: int, under: Path | None, json: Path | None) -> None:
    """What `shop-agent fleet` itself needs for very many boxes."""
    bench = Bench(under, json)
    found = fleet_view.measure(boxes)
    bench.show(f"fleet-view: {boxes:,} boxes", fleet_view.table(found), found)


@main.command("peers")
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True, help="Some 40 minutes each.")
@click.option("--quick", is_flag=True, help="One round at a tenth of the size: does all of it run?")
@click.option("--scale", type=click.FloatRange(0.01, 1), default=1.0, help="All sizes, times this.")
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--who", multiple=True, type=click.Choice([*EVERYONE]), default=[*EVERYONE], help="Contenders.")
@click.option("--part", multiple=True, type=click.Choice([sidebyside.SPEED, *SCENES]), help="Only these parts.")
@click.option("--fresh", is_flag=True, help="Do again what was done at this commit with this seed and size.")
@click.option("--write", is_flag=True, help="Renew README.md, docs/peers.svg and docs/evidence/peers.md.")
@click.option("--install/--no-install", default=True, help="Fetch the peers that are not there yet.")
@_everywhere
def peers_command(
    rounds: int,
    quick: bool,
    scale: float,
    seed: int,
    who: tuple[str, ...],
    part: tuple[str, ...],
    fresh: bool,
    write: bool,
    install: bool,
    under: Path | None,
    json: Path | None,
) -> None:
    """Everything that goes wrong, for shop-agent and what would run instead. A run that was broken off goes on."""
    if install:
        subprocess.run([HERE / "install"], check=True)
    plan = sidebyside.Plan(*((1, 0.1) if quick else (rounds, scale)), seed, who, part or (sidebyside.SPEED, *SCENES))
    bench = Bench(under, json)
    book = sidebyside.notebook(plan, fresh)
    sidebyside.run(plan, book, bench.under, lambda words: click.echo(words, err=True))
    tables = {"speeds": peertables.speeds} if sidebyside.SPEED in plan.parts else {}
    if set(SCENES) & set(plan.parts):
        tables |= {"faults": peertables.faults, "words": peertables.words, "all": peertables.short}
    for name, table in tables.items():
        bench.show(f"peers, {name}", table(plan, book), peertables.totals(plan, book))
    if write:
        peerdocs.write(plan, book, sidebyside.facts(plan, book, bench.where), _command())


@main.command("all")
@_everywhere
def all_command(under: Path | None, json: Path | None) -> None:
    """Everything, as each subcommand does it by default. Takes some ten minutes."""
    bench = Bench(under, json)
    _latency(bench, tuple(CONTENDERS), 100, 5.0, 3)
    _burst(bench, REAL, 1000, 3)
    _memory(bench, REAL, 1000, 20.0, 3)
    _growth(bench, POINTS[-1], growth.WINDOW)
    _backlog(bench, (100, 10_000), 3)
    _render(bench, 200, 3)


def _backlog(bench: Bench, pending: tuple[int, ...], rounds: int) -> None:
    found = backlog.measure([*pending], rounds, bench.under)
    bench.show(f"backlog: killed with tickets pending, {rounds} rounds", backlog.table(found), found)


def _render(bench: Bench, tickets: int, rounds: int) -> None:
    found = render.measure(tickets, rounds)
    bench.show(f"render: {tickets} tickets, {rounds} rounds", render.table(found), found)


def _latency(bench: Bench, who: tuple[str, ...], orders: int, rate: float, rounds: int) -> None:
    found = latency.measure(who, orders, rate, rounds, bench.under)
    bench.show(f"latency: {orders} orders at {rate:g}/s, {rounds} rounds", latency.table(found), found)


def _burst(bench: Bench, who: tuple[str, ...], orders: int, rounds: int) -> None:
    found = burst.measure(who, orders, rounds, bench.under)
    bench.show(f"burst: {orders:,} orders at once, {rounds} rounds", burst.table(found), found)


def _memory(bench: Bench, who: tuple[str, ...], orders: int, idle_s: float, rounds: int) -> None:
    found = memory.measure(who, orders, idle_s, rounds, bench.under)
    bench.show(f"memory: a burst of {orders:,}, {idle_s:g} s idle, {rounds} rounds", memory.table(found), found)


def _growth(bench: Bench, most: int, window: int) -> None:
    points = [*(point for point in POINTS if point < most), most]
    found = growth.measure(points, window, bench.under)
    bench.show(f"growth: the journal up to {most:,} orders", growth.table(found), found)


if __name__ == "__main__":
    main(prog_name="scripts/bench")
