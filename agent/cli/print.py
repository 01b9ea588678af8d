"""`shop-agent print`: an order of one's own, through the same intake as every other."""

from pathlib import Path
from typing import Any
from uuid import uuid4

import click

from agent.cli.options import config_option
from agent.cli.talk import ERRAND_S, in_use, json_option, plain, show_json
from agent.cli.told import FILE, event_of, name_of, read
from agent.config import Config
from agent.control import ask
from agent.errors import CommandRefused, ConfigError
from agent.model.order import DIALECTS, MAX_RAW_COPIES

VERDICTS = {
    "order_accepted": "已收下 accepted",
    "order_canceled": "已作废 canceled",
    "order_held": "已收下，先等着 held: shop-agent queue waiting",
    "duplicate_dropped": "收过了，不再打 a duplicate, not printed again; to print it once more: shop-agent reprint",
    "stale_dropped": "旧版本，不打 stale: a newer revision is here",
    "order_refused_again": "这单被取消过 refused before",
    "ping_answered": "收到 pong",
}
ENDS = {
    "completed": "已打印 printed",
    "canceled": "不打印 not printed",
    "aborted": "打不出 can't be printed",
    "pending": "等待 waits",
    "held": "需要人 needs a person",
    "processing": "打印中 is being printed",
    "unconfirmed": "待确认 perhaps printed",
}


@click.command("print")
@click.argument("file", type=FILE)
@click.option("--raw", is_flag=True, help="FILE is ready-made content, not JSON.")
@click.option("--dialect", type=click.Choice(list(DIALECTS)), default="native", show_default=True, help="Of --raw.")
@click.option("--station", default="", help="All of it there.  [default: where each dish belongs]")
@click.option("--printer", default="", help="Instead of --station: the station that prints there.")
@click.option("--copies", type=click.IntRange(1, MAX_RAW_COPIES), default=1, help="Of --raw.")
@click.option("--id", "event_id", default="", help="The event's id; the same one again is printed once.")
@config_option
@json_option
def print_(
    file: Path,
    raw: bool,
    dialect: str,
    station: str,
    printer: str,
    copies: int,
    event_id: str,
    config_path: Path,
    as_json: bool,
) -> None:
    """Print FILE (- is standard input): an order or an event as JSON; or with --raw content in a DIALECT.

    It is taken in like an order from the cloud, kept and reported, and the answer says what became of it. Exit 1 when
    it is refused.
    """
    config = in_use(config_path)
    where = _station(config, printer) if printer else station
    if raw:
        content = {
            "dialect": dialect,
            "content": _content(file),
            "copies": copies,
            **({"station": where} if where else {}),
        }
        event: dict[str, Any] = {"type": "print.raw", "data": {"raw": content}}
    else:
        event = _at(event_of(file, name_of(file)), where)
    event |= {"specversion": "1.0", "source": f"//{config.shop}/{config.agent}/cli", "id": event_id or str(uuid4())}
    answer = ask(config.data_dir, {"do": "print", "event": _named(event)}, ERRAND_S)
    if as_json:
        show_json(answer)
    else:
        _tell(answer)


def _content(file: Path) -> str:
    try:
        return read(file).decode("utf-8")
    except UnicodeDecodeError as exc:
        raise ConfigError(f"{name_of(file)}: it is not UTF-8 text (byte {exc.start}); save it as UTF-8") from exc


def _station(config: Config, printer: str) -> str:
    """The first station that prints there: what is printed belongs to a station."""
    stations = config.effective_stations()
    found = [each.name for each in stations if each.printer == printer]
    if not found:
        there = sorted({each.printer for each in stations if each.printer})
        raise CommandRefused(
            f"no station prints on {printer}; there is: {', '.join(there) or 'none'}",
            f"没有档口在 {printer} 上打印，可写：{'、'.join(there) or '（还没有）'}",
        )
    return found[0]


def _at(event: dict[str, Any], station: str) -> dict[str, Any]:
    """Every dish of an order is made there."""
    order = event.get("data", {}).get("order")
    if not station or not isinstance(order, dict) or not isinstance(order.get("items"), list):
        return event
    items = [{**item, "station": station} if isinstance(item, dict) else item for item in order["items"]]
    return {**event, "data": {**event["data"], "order": {**order, "items": items}}}


def _named(event: dict[str, Any]) -> dict[str, Any]:
    """An order that does not say who it is gets the event's name."""
    order = event.get("data", {}).get("order")
    if event.get("type") == "order.upsert" and isinstance(order, dict):
        given = {"id": event["id"], "rev": 1, "channel": "cli"}
        return {**event, "data": {**event["data"], "order": {**given, **order}}}
    return event


def _tell(answer: dict[str, Any]) -> None:
    """`已收下 accepted  id-42`, and a line for each ticket."""
    current = f"现在 now: {answer['current']}" if answer["current"] else ""
    click.echo(plain(VERDICTS.get(answer["verdict"], answer["verdict"]), answer["order"], current))
    if answer.get("remark"):
        click.echo(f"  注意 note: {plain(answer['remark'])}")
    for ticket in answer["tickets"]:
        state = ENDS.get(ticket["state"], ticket["state"])
        why = "" if ticket["state"] == "completed" else ticket["why"]
        click.echo("  " + plain(ticket["ticket"], ticket["station"], ticket["printer"], state, why))
