"""The customers: orders for one or two stations at a time, as fast as the printers take them and no faster."""

import random
import threading
from copy import deepcopy
from typing import Any

from agent.simulator.cloud import Cloud
from tests.campaign.chronicle import Chronicle

DISHES = ("豆浆", "鲜肉小笼包", "油条", "豆腐脑", "Soy milk", "葱油饼", "皮蛋瘦肉粥", "茶叶蛋", "生煎馒头", "Congee")
NOTES = ("不要糖", "少辣", "no onions", "打包", "加热")
LONG, LONG_ITEMS = 0.08, 25
TWO_STATIONS = 0.25
CANCELS = 0.35
"""How many of the changes take the whole order back."""

OF_LATE = 12
Told = tuple[str, dict[str, Any]]
"""An event's type and the whole order that it is about."""


class OrderPad:
    """Orders by dice, and what becomes of them: what the next event says, its type and its data."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._open: list[dict[str, Any]] = []
        self.orders = 0

    def order(self, places: list[str]) -> Told:
        """A new order with something for each of these stations."""
        self.orders += 1
        number = str(self.orders)
        items = [item for place in places for item in self._items(place)]
        order: dict[str, Any] = {"id": f"id-{number}", "rev": 1, "channel": "test", "no": number, "items": items}
        if self._chance.random() < 0.3:
            order["note"] = self._chance.choice(NOTES)
        self._open = [*self._open[1 - OF_LATE :], order]
        return "order.upsert", order

    def change(self) -> Told | None:
        """More of everything of an order of late, or nothing at all: whoever makes a part of it hears of it. None when
        there is none.
        """
        if not self._open:
            return None
        order = self._chance.choice(self._open)
        if self._chance.random() < CANCELS:
            self._open.remove(order)
            return "order.cancel", order
        order["rev"] += 1
        for item in order["items"]:
            item["qty"] = str(int(item["qty"]) + 1)
        return "order.upsert", order

    def _items(self, place: str) -> list[dict[str, Any]]:
        count = LONG_ITEMS if self._chance.random() < LONG else self._chance.randint(1, 4)
        return [
            {"name": self._chance.choice(DISHES), "qty": str(self._chance.randint(1, 12)), "category": place}
            for _ in range(count)
        ]


def told(kind: str, order: dict[str, Any]) -> dict[str, Any]:
    """The data of an event."""
    if kind == "order.cancel":
        return {"order": {key: order[key] for key in ("id", "rev", "channel")}, "reason": "客人取消"}
    return {"order": deepcopy(order)}


class Customers:
    """Publishes `count` tickets' worth of orders. No station is ever owed more than a few tickets."""

    def __init__(self, cloud: Cloud, chronicle: Chronicle, count: int, per_s: float, changes: float, seed: int) -> None:
        self._cloud, self._chronicle, self._count, self._pause_s = cloud, chronicle, count, 1 / per_s
        self._changes = changes
        self._chance = random.Random(f"{seed}-orders")
        self._pad = OrderPad(self._chance)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="customers", daemon=True)
        self._depth = dict.fromkeys(chronicle.desks, 1)
        self.tickets = 0

    def start(self) -> None:
        """Begin to order."""
        self._thread.start()

    def wait(self, timeout_s: float) -> bool:
        """Wait until all was ordered."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def stop(self) -> None:
        """No more orders."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while self.tickets < self._count and not self._stopping.wait(self._pause_s):
            free = [name for name, depth in self._depth.items() if self._chronicle.owed_at(name) < depth]
            if not free:
                owed = self._chronicle.owed()
                self._chronicle.wait_for(lambda before=owed: self._chronicle.owed() < before, 0.5)  # type: ignore[misc]  # bound at once
                continue
            places = [self._chance.choice(free)]
            if self._chance.random() < TWO_STATIONS:
                places = sorted({*places, self._chance.choice(free)})
            for name in places:
                self._depth[name] = self._chance.choice((1, 2, 3, 5))
            change = self._pad.change() if self._chance.random() < self._changes else None
            self._tell(*(change or self._pad.order(places)))

    def _tell(self, kind: str, order: dict[str, Any]) -> None:
        places = sorted({item["category"] for item in order["items"]})
        for place in places:
            self._chronicle.order((order["no"], place))
        self.tickets += len(places)
        self._cloud.publish(kind, told(kind, order))
