"""A dish as it was seen in real orders: what the rules of the stations can tell it by."""

import hashlib

import msgspec

from agent.model.order import Item


class Dish(msgspec.Struct, frozen=True):
    """`station` is the one that the platform names; `orders` how many of the orders that were looked at had it.
    `within` is the set meal that it was a part of, where it was never seen alone.
    """

    name: str
    name2: str = ""
    sku: str = ""
    category: str = ""
    station: str = ""
    orders: int = 0
    within: "Dish | None" = None

    @property
    def key(self) -> str:
        """Which dish it is, for a form: sixteen hexadecimal digits. A second name makes no other dish: some orders have
        it, some do not, and what the page writes does not look at it.
        """
        parts = (self.name, self.sku, self.category, self.station)
        return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:16]

    @property
    def item(self) -> Item:
        """As an order has it."""
        return Item(
            self.name, 1, sku=self.sku, category=self.category, name2=self.name2 or None, station=self.station or None
        )


def as_dish(item: Item, within: Dish | None = None) -> Dish:
    """The dish of an order's line."""
    return Dish(
        item.name,
        name2=item.name2 or "",
        sku=item.sku or "",
        category=item.category or "",
        station=item.station or "",
        within=within,
    )
