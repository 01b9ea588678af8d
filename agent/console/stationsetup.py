"""Setting a station up: adding one, its name, its printer and what its tickets look like, its rules, taking it away."""

from contextlib import closing
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from agent.config import Config, edits
from agent.config.console import Console
from agent.config.rules import MAX_COPIES, NO_STATIONS_OWN
from agent.console.change import Changes
from agent.console.designs import TEMPLATES
from agent.console.pages import fields
from agent.console.printerforms import Problem, chosen_name, name_problem
from agent.console.stations import PAGE
from agent.journal import renames
from agent.journal.queue import waiting_tickets
from agent.model.job import JobKind
from agent.model.station import Match, Station

if TYPE_CHECKING:
    from agent.console.window import View

NAMES = ("炒锅", "面点", "凉菜", "烧烤", "吧台", "饮料", "打包", "传菜", "收银")
_MOST = 1000


class StationSetup:
    """Each form with what it does."""

    def __init__(self, view: "View") -> None:
        self._view = view
        self._changes = Changes(view)

    def routes(self) -> list[BaseRoute]:
        """For the application."""
        return [
            Route("/stations/add", self._new, methods=["GET"]),
            Route("/stations/add", self._add, methods=["POST"]),
            Route("/stations/edit", self._edit, methods=["GET"]),
            Route("/stations/set", self._set, methods=["POST"]),
            Route("/stations/rename", self._rename, methods=["POST"]),
            Route("/stations/remove", self._remove, methods=["POST"]),
        ]

    # -- looking -------------------------------------------------------------------------------------------------------

    def _new(self, request: Request) -> Response:
        printers = self._config.printers
        fresh = Station("", printer=printers[0].name if printers else None)
        return self._view.pages.page(request, "stations-add.html", station=fresh, **self._known())

    def _edit(self, request: Request) -> Response:
        station = self._named(request.query_params.get("station", ""))
        if station is None:
            return self._view.pages.page(request, "gone.html", 404, back=PAGE)
        stations = self._config.effective_stations()
        last = station.shows == "own" and sum(each.shows == "own" for each in stations) == 1
        known: dict[str, Any] = {"waiting": self._waiting(station.name), "last": last, "feie": self._feie(station.name)}
        return self._view.pages.page(request, "stations-edit.html", station=station, **known, **self._known())

    def _known(self) -> dict[str, Any]:
        """What a form offers."""
        stations = self._config.effective_stations()
        away = {each.name for each in self._view.window.overview().printers if each.state != "ready"}
        files = sorted(self._view.window.shelf.book().names)
        templates = [name.removesuffix(".j2") for name in files if not name.startswith("_")]
        taken = {each.name for each in stations}
        return {
            "printers": self._config.printers,
            "away": away,
            "kinds": TEMPLATES,
            "templates": [name for name in templates if name not in NO_STATIONS_OWN],
            "copies": range(1, MAX_COPIES + 1),
            "names": [name for name in NAMES if name not in taken],
            "default": next(each.name for each in stations if each.default),
        }

    # -- doing ---------------------------------------------------------------------------------------------------------

    async def _add(self, request: Request) -> Response:
        sent = dict(await fields(request))
        name = chosen_name(sent)
        if problem := self._name_problem(name):
            return self._view.pages.said(request, False, *problem, 422)
        return await self._put(request, Station(name), sent)

    async def _set(self, request: Request) -> Response:
        """The form's settings; `rule`s that it showed and does not send any more are gone."""
        sent = await fields(request)
        station = self._named(dict(sent).get("station", ""))
        if station is None:
            return self._gone(request)
        gone = {value for name, value in sent if name == "rule_was"} - {value for name, value in sent if name == "rule"}
        rules = [(kind, word) for kind in Match.__struct_fields__ for word in getattr(station.match, kind)]
        return await self._put(request, station, dict(sent), [rule for rule in rules if f"{rule[0]}:{rule[1]}" in gone])

    async def _put(
        self, request: Request, station: Station, sent: dict[str, str], gone: list[tuple[Any, str]] | None = None
    ) -> Response:
        """Only what differs is written."""
        wanted = {
            "printer": sent.get("printer") or None,
            "backup": sent.get("backup") or None,
            "copies": sent.get("copies") or "1",
            "template": sent.get("template") or "kitchen",
            "shows": "all" if sent.get("shows") == "all" else "own",
        }
        if problem := self._problem(station, wanted, bool(sent.get("default")), bool(gone)):
            return self._view.pages.said(request, False, *problem, 422)
        differ = {name: value for name, value in wanted.items() if value != _as_sent(station, name)}
        more = {"default": True} if sent.get("default") and not station.default else {}

        def change(tree: Any) -> None:
            edits.put_station(tree, station.name, **{**differ, **more})
            for kind, word in gone or ():
                edits.release(tree, kind, word)

        return await self._changes.save(request, change, PAGE)

    async def _rename(self, request: Request) -> Response:
        sent = dict(await fields(request))
        old, new = sent.get("station", ""), chosen_name(sent)
        if self._named(old) is None:
            return self._gone(request)
        if problem := self._name_problem(new):
            return self._view.pages.said(request, False, *problem, 409)

        def change(tree: Any) -> None:
            edits.rename_station(tree, old, new)
            self._view.rooms.journal.write(lambda tx: renames.note(tx, "station", old, new))

        return await self._changes.save(request, change, PAGE)

    async def _remove(self, request: Request) -> Response:
        name = dict(await fields(request)).get("station", "")
        station = self._named(name)
        if station is None:
            return self._gone(request)
        problem: Problem = None
        if station.default:
            problem = ("默认档口不能删：先把另一个设为默认", "make another one the default station first")
        elif sns := self._feie(name):
            problem = (
                f"飞鹅接口的打印机 {sns} 用这个档口：先在配置文件里改",
                f"Feieyun's printer {sns} prints here: change that in the configuration first",
            )
        if problem:
            return self._view.pages.said(request, False, *problem, 409)
        return await self._changes.save(request, lambda tree: edits.remove_station(tree, name), PAGE)

    # -- what all of them need -----------------------------------------------------------------------------------------

    @property
    def _config(self) -> Config:
        return self._view.window.config()

    def _named(self, name: str) -> Station | None:
        return next((each for each in self._config.effective_stations() if each.name == name), None)

    def _waiting(self, name: str) -> int:
        """Tickets of a station that are not settled. Blocks."""
        with closing(self._view.rooms.journal.reader()) as reader:
            tickets = waiting_tickets(reader, _MOST)
        return sum(each.station == name and each.kind is not JobKind.NOTICE for each in tickets)

    def _feie(self, name: str) -> str:
        """The numbers of Feieyun's interface that print at a station."""
        console = self._config.console
        feie = console.feie if isinstance(console, Console) else None
        return ", ".join(each.sn for each in feie.printers if each.station == name) if feie is not None else ""

    def _gone(self, request: Request) -> Response:
        return self._view.pages.said(request, False, "没有这个档口，请刷新", "no such station; reload the page", 404)

    def _name_problem(self, name: str) -> Problem:
        if self._named(name) is not None:
            return (f"已经有一个叫 {name}，换个名字", f"one is called {name} already; choose another name")
        return name_problem(name)

    def _problem(self, station: Station, wanted: dict[str, Any], default: bool, gone: bool) -> Problem:
        """What the configuration would refuse, in words of the page."""
        if wanted["backup"] and wanted["backup"] == wanted["printer"]:
            return ("备用打印机要选另一台", "choose another printer as the backup")
        if wanted["shows"] == "own":
            return None
        if default or station.default:
            return ("默认档口要做菜，不能印整单", "the default station makes dishes: it can't print whole orders")
        if any(getattr(station.match, kind) for kind in Match.__struct_fields__) and not gone:
            return ("它还有做菜的规则：先去掉规则再改成印整单", "it has rules for dishes: take them away first")
        return None


def _as_sent(station: Station, name: str) -> str | None:
    value = getattr(station, name)
    return None if value is None else str(value)
