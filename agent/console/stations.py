"""Stations: what prints where, by tapping or dragging dishes that were seen in real orders.

What is tapped is a plan, which the page carries along; nothing is written before it is saved, all at once.
"""

from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from agent.config import edits
from agent.config.edits import Claim
from agent.console.change import Changes
from agent.console.pages import fields
from agent.journal.dishes import recent_dishes
from agent.model.dish import Dish
from agent.model.station import Match, Station
from agent.tickets.sorting import Plan, plan

if TYPE_CHECKING:
    from agent.console.window import View

PAGE = "/stations"
_KINDS: tuple[Claim, ...] = ("sku", "category", "name")


class Stations:
    """The board, and what is planned on it."""

    def __init__(self, view: "View") -> None:
        self._view = view
        self._changes = Changes(view)

    def routes(self) -> list[BaseRoute]:
        """For the application."""
        return [
            Route(PAGE, self._page, methods=["GET"]),
            Route("/stations/plan", self._plan, methods=["POST"]),
            Route("/stations/save", self._save, methods=["POST"]),
        ]

    def _page(self, request: Request) -> Response:
        dishes, stations = self._dishes(), self._stations
        return self._view.pages.page(request, "stations.html", **self._board(dishes, stations, {}))

    async def _plan(self, request: Request) -> Response:
        """The board as it would be: what was planned, and `dish`es and `category`s that go `to` a station now."""
        sent = await fields(request)
        dishes, stations = await anyio.to_thread.run_sync(self._dishes), self._stations
        wanted = _moves(sent)
        if to := dict(sent).get("to", ""):
            homes = plan(dishes, stations, wanted).homes
            chosen = {value for name, value in sent if name == "dish"}
            groups = {value for name, value in sent if name == "category"}
            chosen |= {each.key for each in dishes if f"{homes.get(each.key, '')}/{each.category}" in groups}
            wanted |= {each.key: to for each in dishes if each.key in chosen}
        return self._view.pages.page(request, "stations-board.html", **self._board(dishes, stations, wanted))

    async def _save(self, request: Request) -> Response:
        """Write the rules that the plan needs."""
        wanted = _moves(await fields(request))
        dishes, stations = await anyio.to_thread.run_sync(self._dishes), self._stations
        planned = plan(dishes, stations, wanted)
        if not planned.moved:
            return self._view.pages.said(request, False, "没有要移动的菜", "nothing is to be moved", 422)
        rules = planned.rules
        return await self._changes.save(request, lambda tree: write_rules(tree, stations, rules), PAGE)

    # -- what there is -------------------------------------------------------------------------------------------------

    @property
    def _stations(self) -> list[Station]:
        return self._view.window.config().effective_stations()

    def _dishes(self) -> list[Dish]:
        """Blocks."""
        with closing(self._view.rooms.journal.reader()) as reader:
            return recent_dishes(reader)

    def _board(self, dishes: Sequence[Dish], stations: Sequence[Station], wanted: dict[str, str]) -> dict[str, Any]:
        planned = plan(dishes, stations, wanted)
        own = [each for each in stations if each.shows == "own"]
        default = next(each for each in stations if each.default)
        groups = [(default, True, _by_category(dishes, planned, ""))]
        groups += [(each, False, _by_category(dishes, planned, each.name)) for each in own]
        return {
            "groups": [group for group in groups if group[2] or not group[1]],
            "own": own,
            "whole": [each for each in stations if each.shows == "all"],
            "forever": _claimed(stations, planned),
            "names": {each.name for each in own},
            "plan": planned,
            "moves": {each.key: wanted[each.key] for each in planned.moved},
            "goes": _by_target(planned, wanted),
            "moving": {each.key for each in (*planned.moved, *planned.along)},
            "default": default,
            "count": len(dishes),
        }


def write_rules(tree: Any, stations: Sequence[Station], rules: dict[str, Match]) -> None:
    """The difference between the stations' rules and these, in the configuration's tree. What stood at two stations
    stands at one.
    """
    now = {station.name: rules.get(station.name, station.match) for station in stations}
    for kind in _KINDS:
        before = {(station.name, word) for station in stations for word in getattr(station.match, kind)}
        after = {(name, word): None for name, match in now.items() for word in getattr(match, kind)}
        changed = {word for _, word in before.symmetric_difference(after)}
        for word in sorted(changed - {word for _, word in after}):
            edits.release(tree, kind, word)
        for name, word in after:
            if word in changed:
                edits.claim(tree, name, kind, word)


def _moves(sent: list[tuple[str, str]]) -> dict[str, str]:
    """What was planned, as the page carries it: KEY:STATION."""
    moves = (value.partition(":") for name, value in sent if name == "move")
    return {key: to for key, _, to in moves}


def _by_category(dishes: Sequence[Dish], planned: Plan, home: str) -> list[tuple[str, list[Dish]]]:
    """A station's dishes; those without a category come last."""
    found: dict[str, list[Dish]] = {}
    for dish in dishes:
        if planned.homes.get(dish.key, "") == home:
            found.setdefault(dish.category, []).append(dish)
    return sorted(found.items(), key=lambda group: (not group[0], -sum(dish.orders for dish in group[1])))


def _claimed(stations: Sequence[Station], planned: Plan) -> list[tuple[str, str]]:
    """Categories that go to another station as a whole, with what is yet to come of them; and that station."""
    before = {(word, each.name) for each in stations for word in each.match.category}
    after = {(word, name): None for name, match in planned.rules.items() for word in match.category}
    return [each for each in after if each not in before]


def _by_target(planned: Plan, wanted: dict[str, str]) -> list[tuple[str, list[Dish]]]:
    found: dict[str, list[Dish]] = {}
    for dish in planned.moved:
        found.setdefault(wanted[dish.key], []).append(dish)
    return list(found.items())
