"""The orders as they were told, by the number that paper tells them apart by."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from agent.simulator.share import Dish, Stations, of_others, remarks, shares

Event = Mapping[str, Any]


class Story(msgspec.Struct):
    """An order as it was told: the snapshots by revision, what else its newest one says to each station, which dishes
    it leaves to others, and the newest cancel (-1 for none).
    """

    number: str
    snapshots: dict[int, dict[str, tuple[Dish, ...]]] = {}
    remarks: dict[str, tuple[str, ...]] = {}
    of_others: dict[str, tuple[str, ...]] = {}
    canceled_at: int = -1

    @property
    def newest(self) -> int:
        """The newest revision that is an order; -1 when only a cancel was told."""
        return max(self.snapshots, default=-1)

    @property
    def wanted(self) -> dict[str, tuple[Dish, ...]]:
        """What shall stand on paper in the end, by station."""
        return {} if self.canceled_at >= self.newest else self.snapshots[self.newest]

    def concerns(self, station: str) -> bool:
        """Did any revision have something for this station?"""
        return any(station in share for share in self.snapshots.values())


def tell(events: Iterable[Event], stations: Stations) -> dict[str, Story]:
    """The orders by number, each with all that was said of it. Other events are no orders."""
    by_identity: dict[tuple[str, str], Story] = {}
    for event in events:
        if event["type"] not in ("order.upsert", "order.cancel"):
            continue
        order = event["data"]["order"]
        story = by_identity.setdefault((order["channel"], order["id"]), Story(""))
        if event["type"] == "order.cancel":
            story.canceled_at = max(story.canceled_at, order["rev"])
        else:
            story.number = str(order.get("no") or order["id"])
            if order["rev"] >= story.newest:
                story.remarks, story.of_others = remarks(order, stations), of_others(order, stations)
            story.snapshots[order["rev"]] = shares(order, stations)
    told = [story for story in by_identity.values() if story.snapshots]
    by_number = {story.number: story for story in told}
    if len(by_number) != len(told):
        raise ValueError("two orders share a number: paper can't tell them apart")
    return by_number
