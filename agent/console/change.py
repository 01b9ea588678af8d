"""A person changes the configuration: it is written, and in use at once where that can be; else the agent starts anew,
and the page waits until it is back.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from agent import log
from agent.config import Config, write
from agent.config.words import faults
from agent.console.app import address_of
from agent.console.rights import local
from agent.errors import AgentError, ConfigError
from agent.reload import needs_start, try_start

if TYPE_CHECKING:
    from agent.console.window import View

_NOTHING: Mapping[str, bytes] = MappingProxyType({})
_log = log.get("console")


class Changes:
    """What the pages of set-up write with."""

    def __init__(self, view: "View") -> None:
        self._view = view

    def routes(self) -> list[BaseRoute]:
        """For the application."""
        return [Route("/restarted", self._look, methods=["GET"])]

    async def save(
        self, request: Request, change: Callable[[Any], None], to: str, beside: Mapping[str, bytes] = _NOTHING
    ) -> Response:
        """Change the file as write.edit does, and put it into use; `to` is the page that is shown after a new
        start. Answered with what became of it, as a part of a page.
        """
        said = self._view.pages.said
        try:
            differ = await self._write(request, change, beside)
        except AgentError as exc:
            _log.info("console.not_changed", reason=str(exc), address=address_of(request))
            found = faults(str(exc)) if isinstance(exc, ConfigError) else []
            zh = "；".join(f"{fault.field} {fault.zh}（{fault.en}）".strip() for fault in found)
            return said(request, False, f"没有保存：{zh or exc}", f"not saved: {exc}", 409)
        if not differ:
            return said(request, True, "本来就对，没有变化", "it was so already: nothing was changed")
        if not needs_start(differ):
            await self._view.acts.run(request, "reload", {})
            return said(request, True, "已保存", "saved")
        self._view.window.restart()
        return self._view.pages.page(request, "restarting.html", boot=self._view.boot, to=to)

    async def _write(self, request: Request, change: Callable[[Any], None], beside: Mapping[str, bytes]) -> list[str]:
        path = self._view.window.config_path
        if path is None:
            raise ConfigError("本机没有配置文件 this agent was started without a configuration file")
        by = f"console {address_of(request)}"

        def look(config: Config, differ: list[str]) -> None:
            if needs_start(differ):
                try_start(config)

        return await anyio.to_thread.run_sync(lambda: write.edit(path, change, by=by, beside=beside, look=look))

    def _look(self, request: Request) -> Response:
        """Is it another agent than the one that was asked before? Then the page goes on."""
        if request.query_params.get("was") == self._view.boot:
            return Response(status_code=204)
        to = local(request.query_params.get("to", ""))
        return Response(status_code=204, headers={"hx-redirect": to if to.isascii() else "/"})
