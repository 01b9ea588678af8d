"""`shop-agent queue kitchen|ready|recall`: what is to be made, and a person's word that it is."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from agent.cli.options import config_option
from agent.cli.talk import LOOK_S, SETTLE_S, ask_agent, json_option, plain, show_json

WHERE = {
    "waiting": "等待打印 waits for its printer",
    "unconfirmed": "待确认 perhaps printed",
    "failed": "打不出 can't be printed",
}
WORDS = {"ready": "已做好", "recall": "已撤回"}
Command = Callable[..., None]
_station = click.option("--station", default="", help="Only what this station makes.")


def _which(command: Command) -> Command:
    """What is spoken of: a ticket by its number, or by what else a person has before him."""
    for option in reversed(
        (
            click.argument("number", type=click.IntRange(min=1), required=False),
            click.option("--order", default="", help="An order, by its number or id, instead of a ticket."),
            click.option("--channel", default="", help="Where two channels use the same number."),
            _station,
            click.option("--code", default="", help="What a scanner reads from a ticket's barcode."),
            config_option,
            json_option,
        )
    ):
        command = option(command)
    return command


@click.command("kitchen")
@_station
@config_option
@json_option
def kitchen(station: str, config_path: Path, as_json: bool) -> None:
    """Show what the kitchen has to make, oldest first, and what was finished last."""
    board = ask_agent(config_path, {"do": "kitchen", "station": station}, LOOK_S)
    if as_json:
        show_json(board)
        return
    for card in board["cards"]:
        for corner in card["corners"]:
            if not corner["finished"] and station in ("", corner["station"]):
                click.echo(_line(card, corner))
    if not board["cards"]:
        click.echo("没有要做的 nothing is to be made")
    for done in board["done"]:
        click.echo(plain("做好了 finished", done["ticket"], f"#{done['no']}", done["station"], _ago(done["age_s"])))


@click.command("ready")
@_which
def ready(number: int | None, config_path: Path, as_json: bool, **named: str) -> None:
    """Ticket NUMBER is finished: what it says is cooked. An order is ready when all its tickets are."""
    _tell("ready", number, named, config_path, as_json)


@click.command("recall")
@_which
def recall(number: int | None, config_path: Path, as_json: bool, **named: str) -> None:
    """Ticket NUMBER is not finished after all."""
    _tell("recall", number, named, config_path, as_json)


def _tell(what: str, number: int | None, named: dict[str, str], config_path: Path, as_json: bool) -> None:
    if number is None and not named["order"] and not named["code"]:
        raise click.UsageError(
            f"请指明小票，如 shop-agent queue {what} 12，或 --order 单号，或 --code 条码 "
            f"name a ticket, as in: shop-agent queue {what} 12; or --order NUMBER, or --code CODE"
        )
    request: dict[str, Any] = {"do": what, **named, **({} if number is None else {"ticket": number})}
    answer = ask_agent(config_path, request, SETTLE_S)
    if as_json:
        show_json(answer)
    else:
        click.echo(plain(WORDS[what], answer["answer"]))


def _line(card: dict[str, Any], corner: dict[str, Any]) -> str:
    """`12  #42  堂食 桌7  wok  豆浆 x2, 油条 x1  3 min`"""
    dishes = ", ".join(f"{line['name']} {line['qty']}" for line in corner["lines"] if not line["depth"])
    due = f"要求 due {card['due']}" if card["due"] else ""
    flags = ["加急 RUSH"] if card["rush"] else []
    flags += ["改单 changed"] if corner["again"] else []
    head = (corner["ticket"], f"#{card['no']}", card["place"], corner["station"], dishes, due)
    return plain(*head, *flags, WHERE.get(corner["where"], ""), _ago(corner["age_s"]))


def _ago(seconds: int) -> str:
    return f"{seconds} s" if seconds < 60 else f"{seconds // 60} min"
