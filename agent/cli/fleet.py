"""`shop-agent fleet`: how all the shops are, for whoever looks after them."""

import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import click
import msgspec

from agent import log
from agent.clock import SystemClock
from agent.config import Broker
from agent.fleet.changes import Changes
from agent.fleet.exporter import Exporter
from agent.fleet.look import Look
from agent.fleet.table import Language, frame, line_down, plain, snapshot
from agent.fleet.trouble import Trouble
from agent.fleet.view import BEAT_S, SLOW_S, STALE_BEATS
from agent.fleet.watch import CONNECTING, Watch
from agent.model.address import parse_host_port
from agent.model.preset import PRESETS
from agent.service import Signalled

UNREACHABLE = 69
NOT_HEARD = 3
EXPORTER_PORT = 9108
TURN_S = 1.0
_FIRST, _LAST = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
_HOME, _TO_END, _REST = "\x1b[H", "\x1b[K", "\x1b[J"
_COLOURS: dict[str, dict[str, Any]] = {"bad": {"fg": "red"}, "note": {"fg": "yellow"}, "head": {"bold": True}}
_file = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.option("--broker", required=True, envvar="SHOP_AGENT_FLEET_BROKER", metavar="URL", help="mqtts://HOST[:PORT]")
@click.option("--username", default="", help="The password is in $SHOP_AGENT_BROKER_PASSWORD or:")
@click.option("--password-file", type=_file)
@click.option("--ca-file", type=_file, help="Trust only this CA.")
@click.option("--cert-file", type=_file, help="Our certificate, and")
@click.option("--key-file", type=_file, help="its key.")
@click.option("--client-id", default="", help="Where the broker wants a certain one.  [default: a random one]")
@click.option("--protocol", type=click.Choice(["auto", "5", "3.1.1"]), default="auto", show_default=True)
@click.option("--preset", type=click.Choice(list(PRESETS)), help="The broker's make, where it wants something special.")
@click.option("--prefix", default="shops", show_default=True, help="Of the topics.")
@click.option("--beat-s", type=click.FloatRange(1), default=BEAT_S, show_default=True, help="How often boxes beat.")
@click.option("--slow-s", type=click.FloatRange(1), default=SLOW_S, show_default=True, help="A ticket waits too long.")
@click.option("--expect", type=_file, help="Shops that must be there, one name a line.")
@click.option("--language", type=click.Choice(["zh", "en", "both"]), default="both", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="All of it once, for programs.")
@click.option(
    "--check", is_flag=True, help="Once, for monitoring: exit 0 all well, 1 a box needs a person, 3 one is not heard."
)
@click.option(
    "--for", "for_s", type=click.FloatRange(0.1), help="With --json, --check: listen at most so many seconds."
)
@click.option("--all", "everything", is_flag=True, help="With --check: also show the boxes that are well.")
@click.option(
    "--listen", metavar="HOST:PORT", help=f"Serve /metrics for Prometheus, such as 127.0.0.1:{EXPORTER_PORT}."
)
@click.option("--box-series", type=click.IntRange(0, 1000), default=0, help="Metrics of single boxes, at most so many.")
def fleet(
    prefix: str,
    beat_s: float,
    slow_s: float,
    expect: Path | None,
    language: Language,
    as_json: bool,
    check: bool,
    for_s: float | None,
    everything: bool,
    listen: str | None,
    box_series: int,
    **line: Any,
) -> None:
    """Show every shop's box, those in trouble first: a table that lives on a terminal, else a line for each change.

    Exit codes: with --check 1 when a box needs a person, 3 when of a box no beat was heard in the time, so that nobody
    knows; 69 when the broker can't be heard.
    """
    log.configure("error")
    settings = Broker(url=line.pop("broker"), **line)
    expected = frozenset(expect.read_text("utf-8", "replace").split()) if expect else frozenset()
    with ExitStack() as stack:
        stop = stack.enter_context(_until_told())
        watch = stack.enter_context(Watch(settings, SystemClock(), prefix, beat_s, slow_s, expected))
        if listen:
            host, port = parse_host_port(listen, EXPORTER_PORT)
            exporter = stack.enter_context(_exporter(host, port, watch, box_series))
            click.echo(f"http://{listen.rpartition(':')[0] or host}:{exporter.port}/metrics", err=True)
        if as_json or check:
            longest_s = for_s or STALE_BEATS * beat_s + 5
            sys.exit(_once(watch, stop, longest_s, language, as_json, check, everything))
        (_live if sys.stdout.isatty() else _lines)(watch, stop, language)


@contextmanager
def _until_told() -> Iterator[Signalled]:
    """Set by SIGINT and SIGTERM."""
    stop = Signalled()
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _exporter(host: str, port: int, watch: Watch, box_series: int) -> Exporter:
    try:
        return Exporter(host, port, watch.look, box_series)
    except OSError as exc:
        raise click.BadParameter(
            f"端口打不开 can't listen on {host}:{port}: {exc.strerror}", param_hint="--listen"
        ) from exc


def _once(
    watch: Watch, stop: Signalled, longest_s: float, language: Language, as_json: bool, check: bool, all_: bool
) -> int:
    """Listen until every box that is there has sent a beat, or the time is over; the exit code."""
    deadline = time.monotonic() + longest_s
    while not watch.settled() and time.monotonic() < deadline:
        if stop.wait(0.1):
            break
    look = watch.look()
    if as_json:
        click.echo(msgspec.json.encode(look))
    else:
        for each in snapshot(look, language, all_):
            click.echo(each.text)
    if not look.line.up:
        if as_json:
            click.echo(line_down(look.line, language), err=True)
        return UNREACHABLE
    if check and not look.boxes:
        click.echo(
            "没有听到任何店 no shop was heard: 请检查 --prefix 和读取权限 check --prefix and the right to read",
            err=True,
        )
        return 1
    if not check:
        return 0
    return 1 if look.summary.need_a_person else NOT_HEARD if look.summary.boxes[Trouble.UNKNOWN] else 0


def _live(watch: Watch, stop: Signalled, language: Language) -> None:
    """Redraw in place; what stood there before is back at the end, and the last table below it."""
    last = ""
    sys.stdout.write(_FIRST)
    try:
        while True:
            began = time.monotonic()
            size = shutil.get_terminal_size()
            lines = frame(watch.look(), size.columns, size.lines, language)
            last = "\n".join(click.style(each.text, **_COLOURS.get(each.level, {})) for each in lines)
            sys.stdout.write(_HOME + last.replace("\n", f"{_TO_END}\n") + _TO_END + _REST)
            sys.stdout.flush()
            if stop.wait(_pause_s(time.monotonic() - began)):
                return
    finally:
        sys.stdout.write(f"{_LAST}{last}\n")
        sys.stdout.flush()


def _lines(watch: Watch, stop: Signalled, language: Language) -> None:
    """One line for each change: of the line, of a box. Those that are well from the beginning are not mentioned."""
    changes = Changes(language)
    up: bool | None = None
    while not stop.is_set():
        began = time.monotonic()
        look = watch.look()
        if look.line.up is not up and look.line.why != CONNECTING:
            up = look.line.up
            _say(look, line_down(look.line, language) if not up else f"{look.line.broker}  ok")
        for each in changes.turn(look.boxes):
            _say(look, each)
        if stop.wait(_pause_s(time.monotonic() - began)):
            return


def _say(look: Look, text: str) -> None:
    click.echo(f"{look.at}  {plain(text)}")


def _pause_s(took_s: float) -> float:
    """A fleet that takes long to look at is looked at less often."""
    return max(TURN_S, 5 * took_s)
