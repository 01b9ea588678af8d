"""Which dishes the shop sells, as far as its newest orders tell. Bounded, however many orders there ever were."""

from collections.abc import Iterator

import msgspec

from agent.journal.file import Tx
from agent.model.dish import Dish, as_dish
from agent.model.order import READ_UPSERT, Item

MOST_DISHES = 300
MOST_ORDERS = 500
_LOOK_BACK = 3000
"""Events."""


def recent_dishes(tx: Tx, most: int = MOST_DISHES) -> list[Dish]:
    """The dishes of the newest orders and their set meals' parts, those that are ordered most first."""
    rows = tx.execute(
        "SELECT order_pk, payload FROM events WHERE pk > (SELECT max(pk) FROM events) - ? AND kind = 'upsert' "
        "ORDER BY pk DESC",
        (_LOOK_BACK,),
    )
    found: dict[str, Dish] = {}
    counts: dict[str, int] = {}
    orders: set[int] = set()
    for order_pk, payload in rows:
        if order_pk in orders:
            continue  # an older revision
        orders.add(order_pk)
        of_this = {dish.key: dish for item in READ_UPSERT.decode(payload).order.items for dish in _dishes(item)}
        for key, dish in of_this.items():
            if key not in found or found[key].within is not None:
                found[key] = dish
            counts[key] = counts.get(key, 0) + 1
        if len(found) >= most or len(orders) >= MOST_ORDERS:
            break
    dishes = [msgspec.structs.replace(dish, orders=counts[key]) for key, dish in found.items()]
    return sorted(dishes[:most], key=lambda dish: (-dish.orders, dish.name))


def _dishes(item: Item, within: Dish | None = None) -> Iterator[Dish]:
    """A line, after its parts: one that is also sold alone counts as that."""
    dish = as_dish(item, within)
    for child in item.children:
        yield from _dishes(child, dish)
    yield dish
