"""Three dishes, orders of them, and how their tickets are read back from paper."""

from datetime import datetime, timedelta, timezone
from typing import Any

from agent import templates
from agent.encode.escpos import encode
from agent.encode.typeset import typeset
from agent.model.layout import Layout
from agent.model.order import Item, Modifier, Order
from agent.model.station import Match, Station
from agent.model.ticket import Portion, Ticket
from agent.simulator.paper import Paper
from agent.simulator.piece import Piece
from agent.tickets.engine import Source
from agent.tickets.subject import Subject
from agent.tickets.template import Book, shipped

SHOP_TIME = timezone(timedelta(hours=8))
NOON = datetime(2026, 11, 22, 12, 0, 9, tzinfo=SHOP_TIME)
NAMES = sorted(file.removesuffix(".j2") for file in templates.read() if not file.startswith("_"))
STATIONS = (Station("wok", default=True), Station("bar", match=Match(category=["冷饮"])))

MILK = Item("豆浆", "2", id="1", unit="杯", mods=[Modifier("加热", 1, 0), Modifier("加珍珠", 2, 200)], price=300)
MEAL = Item("套餐", 2, id="2", price=1850, children=[Item("包子", "3", unit="个"), Item("奶茶", 1)])
STICK = Item("油条", "1", id="3", note="脆", price=250)


def order(*items: Item, **facts: Any) -> Order:
    known: dict[str, Any] = {"id": "8812", "rev": 1, "channel": "alipay", "no": "42", "items": list(items)}
    return Order(**known | facts)


def of(printed: Order, **facts: Any) -> Ticket:
    portions = tuple(Portion(item) for item in printed.items)
    known: dict[str, Any] = {"station": "wok", "printed_at": NOON}
    return Ticket(printed, portions, **known | facts)


def pieces(layout: Layout, width: int = 48) -> list[Piece]:
    roll = Paper(width * 12)
    roll.feed(encode(typeset(layout, width), width).data)
    assert (roll.stray, roll.events) == ([], [])
    return [piece for piece in roll.pieces if not piece.is_blank]


def printed(name: str, subject: Subject, width: int = 48) -> Piece:
    layout, error = shipped().layout(name, subject, width)
    assert error is None
    (piece,) = pieces(layout, width)
    return piece


def own(text: str, name: str = "kitchen.j2", **more: str) -> Book:
    sources = {name: text} | {f"{other}.j2": body for other, body in more.items()}
    return Book(templates.read(), {file: Source(f"templates/{file}", body) for file, body in sources.items()})


def said(piece: Piece) -> str:
    return "".join(piece.text.split())


def inverted(piece: Piece) -> str:
    return "\n".join("".join(run.text for run in line.runs if run.inverted) for line in piece.lines)


def large(piece: Piece) -> str:
    """What is printed tall, piece by piece."""
    return "|".join(
        run.text.strip() for line in piece.lines for run in line.runs if run.height >= 2 and run.text.strip()
    )
