"""The orders that are printed: events of 1 to 3 KB in Chinese, two to four dishes each. A number makes one order."""

import random
from datetime import UTC, datetime
from typing import Any

import msgspec

from agent.simulator.menu import ALLERGIES, CHANNELS, DISHES, LEVELS, ORDER_NOTES, SURNAMES, Dish


def order_topic(shop: str) -> str:
    """Where a shop's orders come in."""
    return f"shops/{shop}/dn/order"


def order_event(shop: str, number: int) -> bytes:
    """The event of order `number`, as it goes over the wire. The same number gives the same order."""
    chance = random.Random(number)
    placed = datetime.now(UTC).isoformat()  # an order of yesterday would wait for a person
    items = [_item(chance, f"L{n}", dish) for n, dish in enumerate(chance.sample(DISHES, chance.randint(2, 4)), 1)]
    order: dict[str, Any] = {
        "id": f"{shop}-{number:08}",
        "rev": 1,
        "channel": chance.choice(CHANNELS),
        "no": str(number),
        "fulfil": chance.choice(("dine_in", "takeaway", "delivery")),
        "table": str(chance.randint(1, 30)),
        "guests": chance.randint(1, 6),
        "placed_at": placed,
        "due_at": None,
        "expires_at": None,
        "rush": False,
        "customer": {
            "name": chance.choice(SURNAMES),
            "phone_tail": f"{chance.randint(0, 9999):04}",
            "member": {"level": chance.choice(LEVELS), "visits": chance.randint(1, 99)},
        },
        "note": _on_paper(chance.choice(ORDER_NOTES)),
        "allergies": chance.sample(ALLERGIES, 1),
        "items": items,
        "fees": [{"name": "打包费", "amount": 100}],
        "discounts": [],
        "total": sum(item["price"] for item in items) + 100,
        "currency": "CNY",
        "paid": True,
        "footer": {"text": "收藏本店，下次九折", "qr": f"https://orders.example/{shop}/{number}"},
    }
    return msgspec.json.encode(
        {
            "specversion": "1.0",
            "id": f"{shop}-event-{number:012}",
            "source": f"//orders.example/shops/{shop}/e1",
            "type": "order.upsert",
            "time": placed,
            "sequence": f"{number:020}",
            "datacontenttype": "application/json",
            "data": {"order": order},
        }
    )


def _item(chance: random.Random, name: str, dish: Dish) -> dict[str, Any]:
    count = chance.randint(1, 3)
    return {
        "id": name,
        "sku": dish.sku,
        "category": dish.category,
        "name": dish.name,
        "name2": dish.name2,
        "qty": f"{count}.5" if dish.weighed else str(count),
        "unit": dish.unit,
        "station": None,
        "course": None,
        "seat": None,
        "note": chance.choice(dish.notes) if dish.notes else None,
        "mods": [{"name": mod, "qty": 1, "price": 0} for mod in dish.mods[: chance.randint(0, 2)]],
        "children": [],
        "price": dish.price * count,
    }


def _on_paper(note: str) -> str:
    """Without what GBK can't say: the peers' scripts would fail at it, and the agent would draw it."""
    return note.encode("gbk", "ignore").decode("gbk")
