"""`shop-agent queue`: the tickets that are not settled, and a person's word on one of them."""

from pathlib import Path
from typing import Any

import click

from agent.cli.kitchen import kitchen, ready, recall
from agent.cli.options import config_option
from agent.cli.talk import (
    LOOK_S,
    NEEDS,
    PRINTER_STATES,
    SETTLE_S,
    ask_agent,
    in_use,
    json_option,
    local,
    plain,
    show_json,
)
from agent.config import Config
from agent.control import ask

STATES = {
    "pending": "等待 pending",
    "processing": "打印中 processing",
    "held": "需要人 held",
    "unconfirmed": "待确认 unconfirmed",
}
DECISIONS = {"printed": "记为已打印", "again": "将打印", "discard": "不再打印", "release": "将打印", "drop": "不打印"}
REPRINTED = "补打"
WHY = {
    "old": "旧单 too old",
    "flood": "下单过多 too many",
    "failed": "无法出票 can't be made into tickets",
    "upcoming": "预订单 upcoming",
    "gap": "等待前单 waits for the one before",
    "freed": "即将打印 about to be printed",
}
_HELP = (
    "请看一眼纸，再告诉本机 look at the paper, then say:\n"
    "  shop-agent queue printed N   在纸上 it is on paper\n"
    "  shop-agent queue again N     重打，带补打 print it again, marked\n"
    "  shop-agent queue discard N   不打了 do not print it"
)
_HELP_WAITING = (
    "请决定 please decide:\n"
    "  shop-agent queue release N ...   打印 print these; all 全部\n"
    "  shop-agent queue drop N ...      不打印 do not print these"
)
_DAY_S = 86_400
_number = click.argument("number", type=click.IntRange(min=1))
_orders = click.argument("orders", nargs=-1, required=True, metavar="ORDERS...|all")
_channel = click.option("--channel", default="", help="Where two channels use the same number.")


@click.group()
def queue() -> None:
    """See the tickets that wait, and settle those in doubt."""


@queue.command("list")
@config_option
@json_option
def list_(config_path: Path, as_json: bool) -> None:
    """Show every ticket that is not settled, oldest first, and what it waits for."""
    config = in_use(config_path)
    answer = ask(config.data_dir, {"do": "queue"}, LOOK_S)
    if as_json:
        show_json(answer)
        return
    printers = ask(config.data_dir, {"do": "printers"}, LOOK_S)["printers"] if answer["tickets"] else []
    states = {printer["name"]: _state(printer) for printer in printers}
    for ticket in answer["tickets"]:
        click.echo(plain(_line(ticket), _waits_for(ticket, states, config)))
    if (more := answer["count"] - len(answer["tickets"])) > 0:
        click.echo(f"还有 and {more} more")
    if not answer["tickets"]:
        click.echo("没有未完成的小票 no ticket waits")
    if any(ticket["state"] == "unconfirmed" for ticket in answer["tickets"]):
        click.echo(_HELP)


@queue.command()
@_number
@config_option
@json_option
def printed(number: int, config_path: Path, as_json: bool) -> None:
    """Ticket NUMBER is on paper: somebody saw it."""
    _settle("printed", number, config_path, as_json)


@queue.command()
@_number
@config_option
@json_option
def again(number: int, config_path: Path, as_json: bool) -> None:
    """Ticket NUMBER shall be printed; marked 补打 REPRINT where it may be on paper already."""
    _settle("again", number, config_path, as_json)


@queue.command()
@_number
@config_option
@json_option
def discard(number: int, config_path: Path, as_json: bool) -> None:
    """Ticket NUMBER shall not be printed."""
    _settle("discard", number, config_path, as_json)


@queue.command()
@config_option
@json_option
def waiting(config_path: Path, as_json: bool) -> None:
    """Show every order that waits and is no ticket yet: too late, too many, or ordered in advance."""
    config = in_use(config_path)
    answer = ask(config.data_dir, {"do": "waiting"}, LOOK_S)
    if as_json:
        show_json(answer)
        return
    for each in answer["orders"]:
        when = local(each["until"], config) if each["why"] == "upcoming" and each["until"] else ""
        click.echo(plain(f"#{each['no']}", each["channel"], WHY[each["why"]], when, each["order"]))
    if (more := answer["count"] - len(answer["orders"])) > 0:
        click.echo(f"还有 and {more} more")
    if not answer["orders"]:
        click.echo("没有等待的订单 no order waits")
    if any(each["why"] in ("old", "flood", "failed") for each in answer["orders"]):
        click.echo(_HELP_WAITING)


@queue.command()
@_orders
@_channel
@config_option
@json_option
def release(orders: tuple[str, ...], channel: str, config_path: Path, as_json: bool) -> None:
    """Print waiting ORDERS now, by number or id; `all`: those that wait for a person."""
    _pick("release", orders, channel, config_path, as_json)


@queue.command()
@_orders
@_channel
@config_option
@json_option
def drop(orders: tuple[str, ...], channel: str, config_path: Path, as_json: bool) -> None:
    """Do not print waiting ORDERS, by number or id; `all`: those that wait for a person."""
    _pick("drop", orders, channel, config_path, as_json)


@queue.command()
@click.argument("order")
@_channel
@click.option("--station", default="", help="Only this station's tickets.")
@config_option
@json_option
def reprint(order: str, channel: str, station: str, config_path: Path, as_json: bool) -> None:
    """Print ORDER, by number or id, once more: what holds now at each station, always marked 补打 REPRINT."""
    request = {"do": "reprint", "order": order, "channel": channel, "station": station}
    answer = ask_agent(config_path, request, SETTLE_S)
    if as_json:
        show_json(answer)
    else:
        click.echo(plain(REPRINTED, answer["answer"]))


@queue.command()
@_number
@config_option
@json_option
def retry(number: int, config_path: Path, as_json: bool) -> None:
    """Try ticket NUMBER now, instead of when its printer is tried next. For one in doubt: printed, again or discard."""
    answer = ask_agent(config_path, {"do": "retry", "ticket": number}, SETTLE_S)
    if as_json:
        show_json(answer)
        return
    words = "已打印 printed" if answer["state"] == "completed" else STATES.get(answer["state"], answer["state"])
    click.echo(plain(number, answer["station"], answer["printer"], words, answer["why"]))


@queue.command()
@_number
@click.argument("printer")
@config_option
@json_option
def move(number: int, printer: str, config_path: Path, as_json: bool) -> None:
    """Print ticket NUMBER on PRINTER instead; marked 补打 REPRINT where it may be on paper already."""
    answer = ask_agent(config_path, {"do": "move", "ticket": number, "printer": printer}, SETTLE_S)
    if as_json:
        show_json(answer)
    else:
        click.echo(plain("换打印机", answer["answer"]))


def _pick(what: str, orders: tuple[str, ...], channel: str, config_path: Path, as_json: bool) -> None:
    chosen: dict[str, Any] = {"all": True} if orders == ("all",) else {"orders": list(orders)}
    answer = ask_agent(config_path, {"do": what, "channel": channel, **chosen}, SETTLE_S)
    if as_json:
        show_json(answer)
    else:
        click.echo(plain(DECISIONS[what], answer["answer"]))


def _settle(decision: str, number: int, config_path: Path, as_json: bool) -> None:
    answer = ask_agent(config_path, {"do": "settle", "decision": decision, "ticket": number}, SETTLE_S)
    if as_json:
        show_json(answer)
    else:
        click.echo(plain(DECISIONS[decision], answer["answer"]))


def _line(ticket: dict[str, Any]) -> str:
    """`12  order 42  wok  kitchen  待确认 unconfirmed  3 min  perhaps printed: a person must say`"""
    about = f"order {ticket['no']}" if ticket["order"] else "告示 notice"
    where = ticket["printer"] or ticket["home"] or "没有打印机 no printer"
    if ticket["printer"] != ticket["home"]:
        where += f" (代 for {ticket['home']})"
    marked = "补打 REPRINT" if ticket["mark"] else ""
    state = STATES[ticket["state"]]
    return plain(
        ticket["ticket"], about, ticket["station"], where, state, age(ticket["age_s"]), marked, ticket["reason"]
    )


def _state(printer: dict[str, Any]) -> str:
    """Why a printer prints nothing now; "" for one that does."""
    if printer["state"] == "ready" and "paused" not in printer["alarms"]:
        return ""
    needs = [words for need, words in NEEDS.items() if need in printer["alarms"]]
    return ", ".join(needs) or PRINTER_STATES.get(printer["state"], printer["state"])


def _waits_for(ticket: dict[str, Any], states: dict[str, str], config: Config) -> str:
    """`kitchen: 连不上 away  15 s 后由 bar 代打 then bar stands in`; "" for one that waits for no printer."""
    home, why = ticket["home"], states.get(ticket["home"], "")
    if ticket["state"] not in ("pending", "held") or not why:
        return ""
    stations = config.effective_stations() if ticket["order"] else []
    backup = next((station.backup for station in stations if station.name == ticket["station"]), None)
    if not backup:
        return f"{home}: {why}"
    if states.get(backup):
        return plain(f"{home}: {why}", f"{backup}: {states[backup]}")
    after = f"{config.printing.failover_after_s:g} s"
    return plain(f"{home}: {why}", f"坏 {after} 后由 {backup} 代打 {backup} stands in once it is down for {after}")


def age(seconds: int) -> str:
    """As a person says it."""
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min"
    if seconds < _DAY_S:
        return f"{seconds // 3600} h {seconds % 3600 // 60} min"
    return f"{seconds // _DAY_S} d"


for command in (kitchen, ready, recall):
    queue.add_command(command)
