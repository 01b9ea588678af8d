"""Tickets to try a template on: everything that an order can say is in one of them."""

from datetime import datetime, timedelta, timezone
from typing import Any

import msgspec

from agent.model.job import JobKind, Mark
from agent.model.order import Charge, Customer, Footer, Item, Member, Modifier, Order
from agent.model.ticket import Change, ChangeKind, Language, Notice, Portion, Summary, Ticket, Upcoming
from agent.tickets.subject import Alarm, Expo, Subject, Welcome

_NOON = datetime(2026, 11, 22, 12, 0, 9, tzinfo=timezone(timedelta(hours=8)))
_BOX = "http://shop.local:8480/claim?code=AB2CD3EF"
_MILK = Item("豆浆", "2", id="1", name2="Soy milk", unit="杯", mods=[Modifier("加热", 1, 0)], note="不要糖", price=300)
_MEAL = Item("双人套餐", "2", id="2", price=3980, children=[Item("小笼包", "3", unit="笼"), Item("奶茶", 2)])
_BEEF = Item("酱牛肉", "1.5", id="3", unit="斤", mods=[Modifier("切薄片")], seat="2", course=1, price=9800)
_ORDER = Order(
    id="8812",
    rev=2,
    channel="alipay",
    items=[_MILK, _MEAL, _BEEF],
    no="42",
    fulfil="dine_in",
    table="7",
    guests=2,
    placed_at=_NOON - timedelta(minutes=1),
    due_at=_NOON + timedelta(minutes=30),
    rush=True,
    customer=Customer("张", "8888", Member("金卡", 12)),
    courier={"name": "李"},
    cutlery=2,
    pickup_code="A123",
    note="少辣 <CUT>\n分开装",
    allergies=["花生", "虾"],
    fees=[Charge("打包费", 100)],
    discounts=[Charge("新客减", 300)],
    total=23_060,
    currency="CNY",
    paid=True,
    footer=Footer("收藏有礼", "https://shop.example/s421"),
)
_BEFORE = msgspec.structs.replace(
    _ORDER, rev=1, table="9", note=None, rush=False, allergies=[], due_at=_NOON + timedelta(minutes=15)
)
_OTHER_MEAL = msgspec.structs.replace(
    _MEAL, children=[Item("小笼包", "2", unit="笼"), Item("米饭", 1, mods=[Modifier("大份")]), Item("奶茶", 2)]
)
_PORTIONS = (Portion(_MILK), Portion(_MEAL), Portion(_BEEF, unrouted=True, wanted="grill"))
_CHANGES = (
    Change(ChangeKind.REMOVED, Portion(Item("油条", 1)), by="1", elsewhere="bar"),
    Change(ChangeKind.ALTERED, Portion(_BEEF), Portion(msgspec.structs.replace(_BEEF, mods=[Modifier("不切")]))),
    Change(ChangeKind.ALTERED, Portion(msgspec.structs.replace(_MEAL, id="4")), Portion(_OTHER_MEAL)),
    Change(ChangeKind.ADDED, Portion(_MEAL), Portion(msgspec.structs.replace(_MEAL, qty="1")), by="1"),
)
_MANY = tuple(Portion(Item(name, number)) for name in ("豆浆", "豆浆油条", "豆浆", "粥") for number in ("1", "2", "1"))
"""More than fit a short list, some of them twice, and one within another one's name."""


def ticket(language: Language = Language.BOTH) -> Ticket:
    """An order's ticket with everything on it."""
    return Ticket(
        _ORDER,
        _PORTIONS,
        "wok",
        number=17,
        part=1,
        parts=2,
        copies=2,
        also_at=("bar",),
        language=language,
        printed_at=_NOON,
    )


def samples(name: str) -> tuple[Subject, ...]:
    """What template `name` is tried on: a full ticket, a bare one and a long one, in each language it matters for."""
    bare = Ticket(Order("9", 1, "", [Item("油条", 1)]), (Portion(Item("油条", 1)),), "wok", language=Language.EN)
    full = ticket()
    pass_ = msgspec.structs.replace(full, station="pass", part=1, parts=1, also_at=())
    shares = (("wok", _PORTIONS[:1]), ("bar", _PORTIONS[1:]))
    earlier = (("wok", (Portion(msgspec.structs.replace(_MILK, qty="1")),)), ("bar", (Portion(_OTHER_MEAL),)))
    many = msgspec.structs.replace(full, portions=_MANY)
    added = tuple(Change(ChangeKind.ADDED, portion, by=str(portion.item.qty)) for portion in _MANY)
    off: dict[str, Any] = {"kind": JobKind.CANCEL, "reason": "售完"}
    known: dict[str, tuple[Subject, ...]] = {
        "expo": (full, Expo(pass_, shares), Expo(pass_, (("wok", _MANY[:6]), ("bar", _MANY[6:])))),
        "changes": (
            _changed(full),
            Expo(_changed(pass_), shares, earlier),
            msgspec.structs.replace(_changed(many), changes=added),
        ),
        "cancel": (msgspec.structs.replace(full, **off), msgspec.structs.replace(many, **off)),
        "summary": (Summary("old", (Upcoming("41", "alipay", _NOON, ("豆浆 x2",)),), more=3, printed_at=_NOON),),
        "alarm": (Alarm(Notice("kitchen", "paper"), ("41",), 3, printed_at=_NOON), Notice("kitchen", "away")),
        "welcome": (Welcome("s421", "kitchen", _BOX, "AB2CD3EF", ("✓ USB",), printed_at=_NOON), Welcome("s421", "bar")),
    }
    again = msgspec.structs.replace(full, mark=Mark.POSSIBLE_DUPLICATE, language=Language.ZH, late=True)
    return known.get(name, (full, again, bare, many))


def _changed(full: Ticket) -> Ticket:
    facts = ("table", "rush", "note", "allergies", "due_at")
    return msgspec.structs.replace(
        full, kind=JobKind.AMEND, before=_BEFORE, changes=_CHANGES, changed_facts=facts, portions=_PORTIONS
    )
