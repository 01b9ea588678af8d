"""A breakfast shop's orders, made up: the same seed tells the same morning. Yields CloudEvents as dicts.

Most events are new orders. Some amend one (the whole order again, a revision higher), some cancel one, and some are an
earlier event a second time, word for word.
"""

import random
from collections import deque
from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import datetime, timedelta
from typing import Any

from agent.simulator import menu
from agent.simulator.menu import BY_SKU, DISHES, SET_MEALS, Dish, SetMeal

Event = dict[str, Any]
REMEMBERED = 12


def local_now() -> datetime:
    """The time, in this machine's zone."""
    return datetime.now().astimezone()


class Shop:
    """The customers of one morning. `amend`, `cancel` and `repeat` are the shares of those events among all."""

    def __init__(
        self,
        seed: int = 1,
        source: str = "//orders.example/shops/s421/e1",
        now: Callable[[], datetime] = local_now,
        amend: float = 0.1,
        cancel: float = 0.06,
        repeat: float = 0.08,
    ) -> None:
        self._random = random.Random(seed)
        self._source = source
        self._now = now
        self._shares = (amend, cancel, repeat)
        self._orders = 0
        self._events = 0
        self._open: deque[Event] = deque(maxlen=REMEMBERED)
        self._told: deque[Event] = deque(maxlen=REMEMBERED)

    def __iter__(self) -> Iterator[Event]:
        while True:
            yield self.next_event()

    def next_event(self) -> Event:
        """What happens next: an order, an amendment, a cancel, or an earlier event once more."""
        amend, cancel, repeat = self._shares
        chance = self._random.random()
        if self._told and chance < repeat:
            return self._random.choice(self._told)
        if self._open and chance < repeat + cancel:
            return self.cancel()
        if self._open and chance < repeat + cancel + amend:
            return self.amend()
        return self.order()

    def order(self, busy: bool = False) -> Event:
        """A new order; a busy one has something of everything."""
        self._orders += 1
        order = self._new_order(busy)
        self._open.append(order)
        return self._tell("order.upsert", {"order": deepcopy(order)})

    def amend(self, *, last: bool = False) -> Event:
        """One more dish, or more of one, for an order of late, or for the last one."""
        order = self._open[-1] if last else self._random.choice(self._open)
        order["rev"] += 1
        if self._random.random() < 0.5:
            order["items"].append(self._dish_item(order))
        else:
            item = self._random.choice(order["items"])
            item["qty"] = str(int(float(item["qty"])) + 1)
        _add_up(order)
        return self._tell("order.upsert", {"order": deepcopy(order)})

    def undo(self, told: Event) -> Event:
        """The last order is to be what it was when that was told."""
        order = self._open[-1]
        order["rev"] += 1
        order["items"] = deepcopy(told["data"]["order"]["items"])
        _add_up(order)
        return self._tell("order.upsert", {"order": deepcopy(order)})

    def cancel(self) -> Event:
        """An order of late is off."""
        order = self._random.choice(self._open)
        self._open.remove(order)
        reason, by = self._random.choice(menu.REASONS)
        subject = {key: order[key] for key in ("id", "rev", "channel")}
        return self._tell("order.cancel", {"order": subject, "reason": reason, "by": by})

    # -- an order ------------------------------------------------------------------------------------------------

    def _new_order(self, busy: bool) -> dict[str, Any]:
        pick = self._random
        at = self._now()
        channel = pick.choice(menu.CHANNELS)
        order: dict[str, Any] = {
            "id": f"{at:%y%m%d}{pick.randrange(10**8):08d}{self._orders:05d}",
            "rev": 1,
            "channel": channel,
            "no": str(self._orders),
            "placed_at": at.isoformat(timespec="seconds"),
            "rush": busy or pick.random() < 0.06,
            "paid": True,
            "currency": "CNY",
            "items": [],
            "discounts": [],
            **self._way_out(channel, at),
        }
        if customer := self._customer(busy or pick.random() < 0.6):
            order["customer"] = customer
        if busy or pick.random() < 0.25:
            order["note"] = pick.choice(menu.ORDER_NOTES)
        if busy or pick.random() < 0.07:
            order["allergies"] = pick.sample(menu.ALLERGIES, pick.choice((1, 1, 2)))
        self._fill(order, busy)
        _add_up(order)
        return order

    def _way_out(self, channel: str, at: datetime) -> dict[str, Any]:
        """Dine in, take away or delivery, with what belongs to it."""
        pick = self._random
        if channel in ("meituan", "eleme"):
            due = at + timedelta(minutes=pick.randrange(20, 45))
            return {
                "fulfil": "delivery",
                "due_at": due.isoformat(timespec="seconds"),
                "cutlery": pick.randrange(1, 5),
                "fees": [{"name": "打包费", "amount": 100}, {"name": "配送费", "amount": 350}],
            }
        if pick.random() < 0.4:
            code = f"{pick.choice('ABC')}{pick.randrange(100, 1000)}"
            return {"fulfil": "takeaway", "pickup_code": code, "fees": [{"name": "打包费", "amount": 100}]}
        return {"fulfil": "dine_in", "table": str(pick.randrange(1, 19)), "guests": pick.randrange(1, 5), "fees": []}

    def _customer(self, known: bool) -> dict[str, Any] | None:
        pick = self._random
        if not known:
            return None
        customer: dict[str, Any] = {"name": pick.choice(menu.SURNAMES), "phone_tail": f"{pick.randrange(10000):04d}"}
        if pick.random() < 0.4:
            customer["member"] = {"level": pick.choice(menu.LEVELS), "visits": pick.randrange(2, 200)}
        return customer

    def _fill(self, order: dict[str, Any], busy: bool) -> None:
        pick = self._random
        if busy or pick.random() < 0.3:
            order["items"].append(self._set_item(order, pick.choice(SET_MEALS)))
        wanted = pick.choice((4, 5)) if busy else pick.choice((1, 1, 2, 2, 3, 4))
        for dish in pick.sample(DISHES, wanted):
            order["items"].append(self._dish_item(order, dish))

    def _dish_item(self, order: dict[str, Any], dish: Dish | None = None) -> dict[str, Any]:
        pick = self._random
        dish = dish or pick.choice(DISHES)
        item = _item(dish, f"L{len(order['items']) + 1}", self._how_many(dish))
        if dish.mods and pick.random() < 0.45:
            names = pick.sample(dish.mods, pick.choice((1, 1, 2)) if len(dish.mods) > 1 else 1)
            item["mods"] = [{"name": name, "qty": 1, "price": 200 if name.startswith("加") else 0} for name in names]
        if dish.notes and pick.random() < 0.25:
            item["note"] = pick.choice(dish.notes)
        return item

    def _how_many(self, dish: Dish) -> str:
        if dish.weighed:
            return self._random.choice(("0.35", "0.5", "1.2"))
        return str(self._random.choice((1, 1, 1, 2, 2, 3, 4, 12)))

    def _set_item(self, order: dict[str, Any], meal: SetMeal) -> dict[str, Any]:
        children = [_item(BY_SKU[sku], f"P{at}", str(count)) for at, (sku, count) in enumerate(meal.parts, 1)]
        return {
            "id": f"L{len(order['items']) + 1}",
            "sku": meal.sku,
            "category": "套餐",
            "name": meal.name,
            "name2": meal.name2,
            "qty": str(self._random.choice((1, 1, 2))),
            "unit": "份",
            "price": meal.price,
            "children": children,
        }

    def _tell(self, kind: str, data: dict[str, Any]) -> Event:
        self._events += 1
        event: Event = {
            "specversion": "1.0",
            "id": f"{self._random.getrandbits(64):016x}-{self._events}",
            "source": self._source,
            "type": kind,
            "time": self._now().isoformat(timespec="milliseconds"),
            "datacontenttype": "application/json",
            "data": data,
        }
        self._told.append(event)
        return event


def _item(dish: Dish, name: str, quantity: str) -> dict[str, Any]:
    return {
        "id": name,
        "sku": dish.sku,
        "category": dish.category,
        "name": dish.name,
        "name2": dish.name2,
        "qty": quantity,
        "unit": dish.unit,
        "price": dish.price,
    }


def _add_up(order: dict[str, Any]) -> None:
    """The total, from what the lines cost."""
    dishes = sum(round(float(item["qty"]) * (item["price"] + _extras(item))) for item in order["items"])
    order["total"] = dishes + sum(fee["amount"] for fee in order["fees"])


def _extras(item: dict[str, Any]) -> int:
    return sum(int(mod["price"]) for mod in item.get("mods", ()))
