"""A station of the kitchen: what it cooks, and which printer tells it so."""

from typing import Literal

import msgspec


class Match(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which items belong to a station. `name` matches anywhere in an item's name, the others match whole."""

    sku: list[str] = []
    category: list[str] = []
    name: list[str] = []


class Station(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a part of an order is made. A station without a printer shows its tickets on the console only.

    `backup` is a printer's name too. The default station takes whatever no rule claims. `template` names what its
    tickets look like. `shows: all` is for the pass or the counter: its tickets hold the whole order, and no item is
    routed there.
    """

    name: str
    printer: str | None = None
    backup: str | None = None
    default: bool = False
    match: Match = Match()
    copies: int = 1
    template: str = "kitchen"
    shows: Literal["own", "all"] = "own"
