"""One message of each kind and more, as they go over the wire. They are in the documents, and the tests send them.

What goes up is said by the code that says it in a shop.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from agent.broker.word import Session
from agent.journal.notes import OutboxRow
from agent.model.job import JobKind, JobState, Mark
from agent.model.readycode import ready_code
from agent.model.report import (
    AlarmState,
    CommandAnswer,
    OrderRef,
    OrderState,
    Pong,
    Rejected,
    Report,
    TicketState,
)
from agent.report.envelope import Identity, envelope_of
from agent.report.presence import Beat, PrinterSeen, ReplayRequest, State

CLOUD, STAFF = "//orders.example/shops/s421/e1", "//staff.example/s421"
BOX = Identity("//shop-agent/s421/box1", "5f0c2a7b9d3e4f61a8b7c6d5e4f30211")
JOURNAL = "0d9b6c1e-5a52-4c33-9d58-1f6f1c0a7e42"
AT = "2026-11-22T07:31:06.120Z"
_TEA = {"name": "豆浆", "qty": "2"}
_ORDER = {
    "id": "8812",
    "rev": 1,
    "channel": "alipay",
    "no": "42",
    "fulfil": "dine_in",
    "table": "7",
    "guests": 2,
    "placed_at": "2026-11-22T07:31:04+08:00",
    "customer": {"name": "张", "phone_tail": "8888", "member": {"level": "金卡", "visits": 12}},
    "note": "少辣",
    "allergies": ["花生"],
    "items": [
        {
            "id": "L1",
            "sku": "DJ01",
            "category": "热饮",
            "name": "豆浆",
            "name2": "Soy milk",
            "qty": "2",
            "unit": "杯",
            "note": "不要糖",
            "mods": [{"name": "加热", "qty": 1, "price": 0}],
            "price": 300,
        },
        {"id": "L2", "name": "早餐套餐", "qty": "1", "children": [{"name": "油条", "qty": "2"}, _TEA], "price": 1200},
    ],
    "fees": [{"name": "打包费", "amount": 100}],
    "total": 1900,
    "currency": "CNY",
    "paid": True,
    "footer": {"text": "收藏有礼", "qr": "https://shop.example/s421"},
}
_UPSERT = {"order": _ORDER}
_CANCEL = {"order": {"id": "8812", "rev": 2, "channel": "alipay"}, "reason": "客人取消", "by": "客服"}
_AMENDED = {"order": {**_ORDER, "rev": 2, "note": "不辣"}}
_SMALLEST = {"order": {"id": "8813", "rev": 1, "channel": "alipay", "items": [_TEA]}}
_AHEAD = {"order": {**_ORDER, "id": "8814", "no": "43", "due_at": "2026-11-22T12:00:00+08:00"}}
_RAW = {"raw": {"dialect": "feie", "content": "<CB>外卖 88</CB><BR>豆浆 x2<BR>", "station": "wok", "copies": 1}}
_BEGIN = {"source": CLOUD, "from": 40, "had": 41}
_END = {"source": CLOUD, "from": 40, "to": 42, "head": 42, "unavailable": [41]}
_SETTLE = {"decision": "printed", "ticket": 12, "order": "8812", "channel": "alipay", "by": "王店长"}
_REF, _PRINT = OrderRef("8812", "alipay", "42"), ("wok", "kitchen")

_DOWN: tuple[tuple[str, str, Any], ...] = (
    ("order.upsert", "", _UPSERT),
    ("order.upsert", "amended", _AMENDED),
    ("order.upsert", "smallest", _SMALLEST),
    ("order.upsert", "ahead", _AHEAD),
    ("order.cancel", "", _CANCEL),
    ("print.raw", "", _RAW),
    ("ping", "", None),
    ("replay.end", "", _END),
    ("command.settle", "", _SETTLE),
    ("command.release", "", {"orders": ["8814"], "by": "王店长"}),
    ("command.release", "all", {"all": True, "why": "old"}),
    ("command.drop", "", {"orders": ["43"], "channel": "alipay", "by": "王店长"}),
    ("command.reprint", "", {"order": "8812", "channel": "alipay", "by": "王店长"}),
    ("command.reprint", "ticket", {"ticket": 12, "order": "8812"}),
    ("command.move", "", {"ticket": 12, "printer": "kitchen", "by": "王店长"}),
    ("command.ready", "", {"order": "8812", "channel": "alipay", "station": "wok", "by": "王店长"}),
    ("command.ready", "scanned", {"code": ready_code("alipay", "8812", "wok", 1)}),
    ("command.recall", "", {"ticket": 12, "order": "8812"}),
    ("command.test", "", {"printer": "kitchen"}),
    ("command.pause", "", {"printer": "kitchen", "by": "王店长"}),
    ("command.resume", "", {"printer": "all"}),
    ("command.dismiss", "", {"alarm": "parked", "by": "王店长"}),
    ("command.reload", "", {"by": "王店长"}),
    ("command.bundle", "", None),
    ("replay.begin", "", _BEGIN),
)
_UP: tuple[tuple[str, Report], ...] = (
    ("", OrderState(_REF, 1, "accepted", event="01JD3Z41")),
    ("duplicate", OrderState(_REF, 1, "duplicate", event="01JD3Z41", current="printed")),
    ("held", OrderState(OrderRef("8814", "alipay", "43"), 1, "held", reason="upcoming", until="2026-11-22T03:30:00Z")),
    ("printed", OrderState(_REF, 1, "printed")),
    ("ready", OrderState(_REF, 1, "ready")),
    ("recalled", OrderState(_REF, 1, "printed", reason="recalled")),
    ("", TicketState(_REF, 1, 12, JobKind.ORDER, *_PRINT, JobState.COMPLETED, 1, "confirmed", "process_id", number=17)),
    ("held", TicketState(_REF, 1, 12, JobKind.ORDER, *_PRINT, JobState.HELD, 1, "held", "paper", number=17)),
    (
        "asked",
        TicketState(
            _REF, 1, 13, JobKind.ORDER, *_PRINT, JobState.COMPLETED, 1, "confirmed", "process_id", Mark.ASKED, 17
        ),
    ),
    (
        "",
        Rejected("shops/s421/dn/order", "$.data.order.items[0].qty", "the field `qty` is missing", "01JD3Z9"),
    ),
    ("", AlarmState("printer:kitchen:paper", "raised", "the printer needs a person: paper")),
    ("cleared", AlarmState("printer:kitchen:paper", "cleared")),
    ("", Pong("01JD3Z7")),
    ("", CommandAnswer("c-8", True, "ticket 12 (order 8812): taken as printed")),
    ("refused", CommandAnswer("c-9", False, "there is no ticket 99; see: shop-agent queue list")),
)
_BEAT = Beat(
    at=AT,
    boot=BOX.boot,
    version="0.1.0",
    sequences={CLOUD: 42},
    printers={"kitchen": PrinterSeen("ready", "process_id"), "bar": PrinterSeen("away", reason="no route to host")},
    waiting={"bar": 2},
    orders_held=1,
    oldest_ticket="2026-11-22T07:30:41.002Z",
    last_order_heard=AT,
    clock_synchronised=True,
    session=Session(True, 604_800),
    alarms={"printer:bar:away": "the printer does not answer: no route to host"},
    alarms_in_all=1,
)
_PLAIN: tuple[tuple[str, str, msgspec.Struct], ...] = (
    ("replay.request", "", ReplayRequest(CLOUD, 43)),
    ("replay.request", "everything", ReplayRequest(None, 1)),
    ("beat", "", _BEAT),
    ("state", "", State(True, BOX.boot, "0.1.0", AT)),
    ("state", "will", State(False, BOX.boot, "0.1.0")),
)


def examples() -> dict[str, dict[str, Any]]:
    """Payloads by message, and then by a name of their own; the first is the usual one."""
    found: dict[str, dict[str, Any]] = {}
    for message, variant, payload in (*_down(), *_reports(), *_presence()):
        found.setdefault(message, {})[f"{message}-{variant}" if variant else message] = payload
    return found


def _down() -> Iterator[tuple[str, str, Any]]:
    for number, (kind, variant, data) in enumerate(_DOWN):
        command = kind.startswith("command.")
        event = {"specversion": "1.0", "id": f"c-{number}" if command else f"01JD3Z4{number}"}
        event |= {"source": STAFF if command else CLOUD, "type": kind}
        if not command and kind not in ("replay.begin", "replay.end"):
            event |= {"time": "2026-11-22T07:31:05+08:00", "sequence": f"{number + 36:020}"}
        yield kind, variant, event if data is None else {**event, "data": data}
    yield "replay.start", "", _BEGIN
    yield "replay.marker", "", _END


def _reports() -> Iterator[tuple[str, str, Any]]:
    for number, (variant, report) in enumerate(_UP, 101):
        body = msgspec.to_builtins(report)
        kind = body.pop("kind")
        row = OutboxRow(number, kind, msgspec.json.encode(body), AT)
        yield kind, variant, msgspec.json.decode(envelope_of(JOURNAL, BOX, row))


def _presence() -> Iterator[tuple[str, str, Any]]:
    for kind, variant, message in _PLAIN:
        yield kind, variant, msgspec.to_builtins(message)
