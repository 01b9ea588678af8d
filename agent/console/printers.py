"""Printers: how each one is and what it can prove, a person's hands on it, and looking for others."""

from contextlib import closing
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from agent import log
from agent.console.app import address_of
from agent.console.pages import fields
from agent.console.twowords import parted
from agent.control import Visit
from agent.errors import AgentError
from agent.journal.queue import Waiting, waiting_tickets
from agent.model.job import JobKind
from agent.model.station import Station

if TYPE_CHECKING:
    from agent.console.window import View

_MOST = 1000
_DO: dict[str, tuple[str, dict[str, str], str, str]] = {
    "test": ("test", {}, "测试页", "test page"),
    "identify": ("identify", {}, "名字", "its name"),
    "paper": ("test", {"page": "paper"}, "试纸", "paper test"),
    "probe": ("probe", {}, "询问", "asked"),
    "accept": ("accept", {}, "认下新设备", "another device"),
    "pause": ("pause", {}, "已暂停", "paused"),
    "resume": ("resume", {}, "继续打印", "goes on"),
}
"""What a button asks: which handler, with what, and what it is called."""
TIERS = {
    "process_id": ("能确认出纸", "says of each ticket that it is on paper"),
    "status": ("只报状态", "tells how it is, not that a ticket is out"),
    "none": ("不应答", "never answers: tickets are presumed printed"),
}
_log = log.get("console")


class Printers:
    """The page, its buttons, and the search."""

    def __init__(self, view: "View") -> None:
        self._view = view

    def routes(self) -> list[BaseRoute]:
        """For the application."""
        return [
            Route("/printers", self._page, methods=["GET"]),
            Route("/printers/list", self._list, methods=["GET"]),
            Route("/printers/do", self._do, methods=["POST"]),
            Route("/printers/find", self._find, methods=["GET"]),
            Route("/printers/found", self._found, methods=["GET"]),
            Route("/printers/search", self._search, methods=["POST"]),
        ]

    # -- looking -------------------------------------------------------------------------------------------------------

    def _page(self, request: Request) -> Response:
        return self._view.pages.page(request, "printers.html", **self._known(request))

    def _list(self, request: Request) -> Response:
        """The part that is asked for again with each change."""
        return self._view.pages.page(request, "printers-list.html", **self._known(request))

    def _known(self, request: Request) -> dict[str, Any]:
        config, overview = self._view.window.config(), self._view.window.overview()
        now = {each.name: each for each in overview.printers}
        alarms = {name: [each for each in overview.alarms if each.key.startswith(f"printer:{name}:")] for name in now}
        told = {each["name"]: each for each in self._ask(request, "printers", {})["printers"]}
        stations = config.effective_stations()
        shown = [
            {
                "printer": each,
                "now": now[each.name],
                "told": told[each.name],
                "uses": uses(stations, each.name),
                "alarms": alarms[each.name],
            }
            for each in config.printers
        ]
        return {"shown": shown, "tiers": TIERS}

    def _ask(self, request: Request, name: str, asked: dict[str, Any]) -> dict[str, Any]:
        """What one of the command line's handlers answers. Blocks."""
        visit = Visit(f"console {address_of(request)}", self._view.window.stopping)
        return self._view.window.handlers[name](asked, visit)

    # -- a person's hands ----------------------------------------------------------------------------------------------

    async def _do(self, request: Request) -> Response:
        """`what` of `_DO`, to a `printer`, or to what is at a `link`."""
        said, sent = self._view.pages.said, dict(await fields(request))
        if sent.get("what") not in _DO:
            return said(request, False, "没有这个操作", "there is no such thing to do", 404)
        handler, more, zh, en = _DO[sent["what"]]
        aim = {name: sent[name] for name in ("printer", "link") if sent.get(name)}
        try:
            answer = await self._view.acts.run(request, handler, {**aim, **more})
        except AgentError as exc:
            _log.info("console.refused", what=handler, reason=str(exc), address=address_of(request))
            return said(request, False, f"{zh}：{getattr(exc, 'zh', '') or exc}", str(exc), 409)
        name = str(answer.get("name") or sent.get("printer", ""))
        if "state" in answer and answer["state"] != "completed":
            why = answer.get("why") or answer["state"]
            return said(request, False, f"{name}：{zh}还没打出来（{why}）", f"{name}: {en} is not printed yet ({why})")
        if "state" in answer:
            who = f" ({answer['model']})" if answer.get("model") else ""
            return said(request, True, f"{name}：{zh}已打印{who}", f"{name}: {en}, printed{who}")
        if (tier := TIERS.get(str(answer.get("tier")))) is not None:
            return said(request, True, f"{name}：{tier[0]}", f"{name}: it {tier[1]}")
        return said(request, True, f"{name}：{zh}", f"{name}: {en}")

    # -- the search ----------------------------------------------------------------------------------------------------

    def _find(self, request: Request) -> Response:
        """What is plugged in is known at once; a search that is under way goes on."""
        self._ask(request, "scan", {"start": True})
        return self._tell(request, "printers-find.html")

    def _found(self, request: Request) -> Response:
        """The part that is asked for again while a search is under way."""
        return self._tell(request, "printers-found.html")

    async def _search(self, request: Request) -> Response:
        """Look on the network, too."""
        state = await self._view.acts.run(request, "scan", {"start": True, "lan": True})
        return self._view.pages.page(request, "printers-found.html", state=state, parted=parted)

    def _tell(self, request: Request, template: str) -> Response:
        state = self._ask(request, "scan", {"start": False})
        return self._view.pages.page(request, template, state=state, parted=parted)


def uses(stations: list[Station], name: str) -> dict[str, list[str]]:
    """The stations that print on this printer, and those whose backup it is."""
    return {
        "prints": [each.name for each in stations if each.printer == name],
        "stands_in": [each.name for each in stations if each.backup == name],
    }


def waiting_for(view: "View", name: str) -> list[Waiting]:
    """Tickets of orders that this printer has, or is to print. Blocks."""
    with closing(view.rooms.journal.reader()) as reader:
        tickets = waiting_tickets(reader, _MOST)
    return [each for each in tickets if name in (each.home, each.printer) and each.kind is not JobKind.NOTICE]
