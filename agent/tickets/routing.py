"""Which station makes what. Pure; no item is ever dropped.

The law: an item goes to the station that it names; else to the station with a rule for its sku, else its
category, else its name; else to the default station. A set meal goes whole, except the parts that another
station claims.
"""

from collections.abc import Sequence

from agent.model.order import Item, Order
from agent.model.station import Station
from agent.model.ticket import Portion

Routed = dict[str, list[Portion]]


def route(order: Order, stations: Sequence[Station]) -> Routed:
    """Each station's share of an order, in the configuration's order; who has none is left out. Last come those that
    show the whole of it.

    An item that named an unknown station, and that no rule claims, is marked `unrouted` at the default
    station. Without one that is the first station, and whatever falls to it is marked.
    Raises: ValueError without any station.
    """
    own = [station for station in stations if station.shows == "own"]
    if not own:
        raise ValueError("an order can't be routed without stations")
    map_ = _Map(own)
    for item in order.items:
        map_.place(item)
    routed = {station.name: map_.routed[station.name] for station in own if map_.routed[station.name]}
    whole = {station.name: [Portion(item) for item in order.items] for station in stations if station.shows == "all"}
    return routed | {name: portions for name, portions in whole.items() if portions}


def claims(items: Sequence[Item], stations: Sequence[Station]) -> list[str | None]:
    """For each item the station that it names or that has a rule for it, None where nobody claims it. Its parts may
    have homes of their own.
    """
    map_ = _Map([station for station in stations if station.shows == "own"])
    return [map_.claim(item) for item in items]


class _Map:
    """The stations' rules, indexed, and the shares so far."""

    def __init__(self, stations: Sequence[Station]) -> None:
        self.routed: Routed = {station.name: [] for station in stations}
        self._default = next((station.name for station in stations if station.default), None)
        self._last_resort = stations[0].name
        self._skus: dict[str, str] = {}
        self._categories: dict[str, str] = {}
        self._names: list[tuple[str, str]] = []
        for station in stations:
            for sku in station.match.sku:
                self._skus.setdefault(sku, station.name)
            for category in station.match.category:
                self._categories.setdefault(category, station.name)
            self._names += [(name.casefold(), station.name) for name in station.match.name if name]

    def place(self, item: Item) -> None:
        home = self.claim(item)
        lost = home is None and (bool(item.station) or self._default is None)
        here = home or self._default or self._last_resort
        self.routed[here].append(self._share(item, here, (), lost))

    def _share(self, item: Item, here: str, parents: tuple[Item, ...], lost: bool) -> Portion:
        """The item as station `here` sees it; the parts that others claim are placed on the way."""
        wanted = (item.station or "") if lost else ""
        if not item.children:
            return Portion(item, parents=parents, unrouted=lost, wanted=wanted)
        kept: list[Portion] = []
        elsewhere: dict[str, None] = {}
        family = (*parents, item.alone)
        for child in item.children:
            home = self.claim(child)
            if home in (None, here):
                kept.append(self._share(child, here, family, home is None and bool(child.station)))
            else:
                assert home is not None
                elsewhere[home] = None
                self.routed[home].append(self._share(child, home, family, False))
        return Portion(item, tuple(kept), tuple(elsewhere), parents, lost, wanted)

    def claim(self, item: Item) -> str | None:
        """The station that the item names or that has a rule for it."""
        if item.station and item.station in self.routed:
            return item.station
        if item.sku and item.sku in self._skus:
            return self._skus[item.sku]
        if item.category and item.category in self._categories:
            return self._categories[item.category]
        names = f"{item.name}\n{item.name2 or ''}".casefold()
        return next((station for part, station in self._names if part in names), None)
