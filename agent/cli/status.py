"""`shop-agent status` and `shop-agent tail`: how all is, and what happens just now."""

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import msgspec

from agent.cli.options import config_option
from agent.cli.queue import age
from agent.cli.talk import LOOK_S, NEEDS, PRINTER_STATES, in_use, json_option, local, plain, show_json
from agent.config import Config
from agent.control import ask
from agent.errors import AgentNotRunning
from agent.overview.state import AlarmNow, Overview, PrinterNow, size
from agent.report.alarmtext import more

EACH_S = 1.0
WAIT_S = 5.0
AGAIN_S = 0.5
WELL = {
    "well": "一切正常 all is well",
    "connecting": "正在连接云端 not connected to the cloud yet",
    "look": "请看一眼 something waits for a person",
    "trouble": "有故障 trouble",
}
LINE = {
    "off": "未配置 no cloud is configured",
    "connecting": "连接中 connecting",
    "up": "已连接 up",
    "down": "断开 down",
}
_WHY = {"old": "太晚 too late", "flood": "太多 too many", "failed": "出不了票 can't be made into tickets"}
_CLEAR = "\x1b[H\x1b[2J"
_MOST_NUMBERS = 10


@click.command()
@config_option
@click.option("--watch", is_flag=True, help="Again each second, until Ctrl-C.")
@json_option
def status(config_path: Path, watch: bool, as_json: bool) -> None:
    """Say how all is: line, printers, tickets, alarms and what to do."""
    config = in_use(config_path)

    def look() -> str:
        answer = ask(config.data_dir, {"do": "status"}, LOOK_S)
        if as_json:
            return msgspec.json.encode(answer).decode()
        return "\n".join(lines_of(msgspec.convert(answer, Overview), config))

    if not watch:
        click.echo(look())
        return
    try:
        _watch(look, clear=sys.stdout.isatty() and not as_json, apart="" if as_json else "\n")
    except KeyboardInterrupt:
        click.echo()


def _watch(look: Callable[[], str], *, clear: bool, apart: str) -> None:
    """For ever; an agent that is not there is waited for."""
    while True:
        try:
            said = look()
        except AgentNotRunning as exc:
            said = plain(exc.zh, exc)
        click.echo((_CLEAR if clear else "") + said + ("" if clear else apart))
        time.sleep(EACH_S)


@click.command()
@click.option(
    "-n", "lines", default=10, show_default=True, type=click.IntRange(0, 1000), help="The newest so many first."
)
@click.option("--follow/--no-follow", default=True, show_default=True, help="Go on until Ctrl-C.")
@config_option
@json_option
def tail(lines: int, follow: bool, config_path: Path, as_json: bool) -> None:
    """Show what happens, live: the lines of the running agent's log; with --json an object a line."""
    folder = in_use(config_path).data_dir

    def show(answer: dict[str, Any]) -> int:
        for line in answer["lines"]:
            if as_json:
                show_json(line)
            else:
                click.echo(line["text"])
        return int(answer["newest"])

    newest = show(ask(folder, {"do": "tail", "last": lines}, LOOK_S))
    try:
        if follow:
            _follow(folder, newest, show)
    except KeyboardInterrupt:
        click.echo(err=True)


def _follow(folder: Path, newest: int, show: Callable[[dict[str, Any]], int]) -> None:
    """What came after that line, for ever; an agent that ends is waited for."""
    away = False
    while True:
        began = time.monotonic()
        try:
            newest = show(ask(folder, {"do": "tail", "after": newest, "wait_s": WAIT_S}, LOOK_S + WAIT_S))
            away = False
        except AgentNotRunning as exc:
            if not away:
                click.echo(plain(exc.zh, exc), err=True)
            away = True
        time.sleep(max(0.0, AGAIN_S - (time.monotonic() - began)))  # where too many watch we are not waited for


def lines_of(seen: Overview, config: Config) -> Iterator[str]:
    """As people read it, a line for each thing."""
    yield plain(f"{seen.shop}/{seen.agent}", WELL["connecting" if seen.is_only_connecting else seen.well])
    yield plain("程序 agent", seen.version, f"已运行 up {age(seen.up_s)}")
    session = {True: "会话保留 session kept", False: "会话新建 new session", None: ""}[seen.line.session]
    heard = (
        f"最后收到 last heard {local(seen.line.heard, config)}" if seen.line.heard else "还没收到过 nothing heard yet"
    )
    off = seen.line.state == "off"
    yield plain("云端 line", LINE[seen.line.state], *(() if off else (session, heard)))
    if seen.line.why:
        yield "  " + plain(seen.line.why)
    if not seen.printers:
        yield "打印机 printers  没有配置 none is configured"
    for printer in seen.printers:
        yield plain("打印机 printer", printer.name, _how(printer), f"等待 waiting {printer.waiting}", printer.why)
    oldest = "" if seen.tickets.oldest_s is None else f"最久 oldest {age(seen.tickets.oldest_s)}"
    held = f"需要人 held {seen.tickets.held}" if seen.tickets.held else ""
    doubt = f"待确认 unconfirmed {seen.tickets.unconfirmed}" if seen.tickets.unconfirmed else ""
    yield plain("小票 tickets", f"等待 waiting {seen.tickets.waiting}", oldest, held, doubt)
    yield from _orders(seen)
    yield plain("时钟 clock", "已同步 synchronised" if seen.clock_synchronised else "未同步 nobody sets it")
    free = "不明 unknown" if seen.disk_free is None else f"剩 free {size(seen.disk_free)}"
    yield plain("磁盘 disk", free, "" if seen.journal_ok else "账本写不了 the journal can't be used")
    for alarm in seen.alarms:
        yield from _alarm(alarm)


def _how(printer: PrinterNow) -> str:
    needs = [words for need, words in NEEDS.items() if need in (printer.need, *printer.alarms)]
    silent = ["没有回应 silent"] if "silent" in printer.alarms else []
    return ", ".join([*needs, *silent]) or PRINTER_STATES.get(printer.state, printer.state)


def _orders(seen: Overview) -> Iterator[str]:
    if not seen.orders.waiting:
        return
    yield plain("订单 orders", f"等待 waiting {seen.orders.waiting}")
    for why, count in seen.orders.for_a_person.items():
        numbers = [f"#{each.no}" for each in seen.orders.listed if each.why == why][:_MOST_NUMBERS]
        more = [f"+{count - len(numbers)}"] if count > len(numbers) else []
        yield "  " + plain(_WHY[why], " ".join([*numbers, *more]), "shop-agent queue waiting")


def _alarm(alarm: AlarmNow) -> Iterator[str]:
    yield plain("报警 alarm", alarm.what.zh, alarm.what.en)
    if reason := more(alarm.key, alarm.reason):
        yield "  " + plain(reason)
    if do := plain(alarm.do.zh, alarm.do.en):
        yield "  → " + do
