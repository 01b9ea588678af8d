"""Kitchen: what is to be made, on a tablet on the wall. A touch or a scanner says that it is finished."""

from contextlib import closing
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import anyio.to_thread
import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from agent.console.act import as_request
from agent.console.pages import fields, language_of
from agent.errors import AgentError
from agent.journal import finishing, kitchen
from agent.model.command import Ready
from agent.model.ticket import Language
from agent.tickets.kitchenboard import Board, board, day_began

if TYPE_CHECKING:
    from agent.console.window import View

_LONGEST = 64


class Kitchen:
    """The page; `?station=` shows what one station makes. A touch goes the way of the command line (act.py)."""

    def __init__(self, view: "View") -> None:
        self._view = view

    def routes(self) -> list[BaseRoute]:
        """For the application."""
        return [
            Route("/kitchen", self._page),
            Route("/kitchen/board", self._board),
            Route("/kitchen/ready", self._ready, methods=["POST"]),
            Route("/kitchen/recall", self._recall, methods=["POST"]),
        ]

    def _page(self, request: Request) -> Response:
        return self._show(request, "kitchen.html")

    def _board(self, request: Request) -> Response:
        """The part that is asked for again with each change."""
        return self._show(request, "kitchen-board.html")

    async def _ready(self, request: Request) -> Response:
        """A ticket, or what a scanner read: it is finished."""
        return await self._done(request, "ready", "做好了", "ready")

    async def _recall(self, request: Request) -> Response:
        return await self._done(request, "recall", "已撤回", "back on the screen")

    async def _done(self, request: Request, what: str, zh: str, en: str) -> Response:
        """Whoever scans looks at no card: the answer says which order it was."""
        try:
            asked = as_request(await fields(request))
            await self._view.acts.run(request, what, asked)
            name = await anyio.to_thread.run_sync(self._name, asked)
        except ValueError as exc:
            return self._view.pages.said(request, False, f"填写有误：{exc}", f"wrong value: {exc}", 422)
        except AgentError as exc:
            return self._view.pages.said(request, False, getattr(exc, "zh", "") or str(exc), str(exc), 409)
        return self._view.pages.said(request, True, f"{name} {zh}", f"{name} {en}")

    def _name(self, asked: dict[str, Any]) -> str:
        with closing(self._view.rooms.journal.reader()) as reader:
            return finishing.named(reader, msgspec.convert(asked, Ready))

    def _show(self, request: Request, name: str) -> Response:
        config = self._view.window.config()
        station = request.query_params.get("station", "")[:_LONGEST]
        language = Language.EN if language_of(request) == "en" else Language.ZH
        seen = self._look(station, config.timezone, language)
        stations = [each.name for each in config.effective_stations() if each.shows == "own"]
        stations += [name for name in (*seen.stations, station) if name and name not in stations]
        return self._view.pages.page(
            request, name, board=seen, station=station, stations=stations, barcodes=config.printing.ready_code
        )

    def _look(self, station: str, timezone: str, language: Language) -> Board:
        now = self._view.rooms.clock.utc().astimezone(ZoneInfo(timezone) if timezone else None)
        with closing(self._view.rooms.journal.reader()) as reader:
            return board(kitchen.look(reader, day_began(now)), now, language, station)
