"""Now: is everything well? In one glance, from two metres; and what is wrong, and what to do."""

from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from agent.config.edits import NEW_SHOP

if TYPE_CHECKING:
    from agent.console.window import View


class Now:
    """The first page; of an unclaimed box, and for who is not signed in, it shows how things are and no order."""

    def __init__(self, view: "View") -> None:
        self._view = view

    def routes(self) -> list[BaseRoute]:
        """For the application."""
        return [Route("/", self._page), Route("/now/board", self._board)]

    def _page(self, request: Request) -> Response:
        return self._show(request, "now.html")

    def _board(self, request: Request) -> Response:
        """The part that is asked for again with each change."""
        return self._show(request, "now-board.html")

    def _show(self, request: Request, name: str) -> Response:
        now = self._view.window.overview()
        claimed = self._view.window.access.claimed
        new = now.shop == NEW_SHOP
        return self._view.pages.page(request, name, now=now, claimed=claimed, new=new)
