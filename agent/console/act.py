"""`POST /do/NAME`: what a person does on a page goes the way of the command line's requests, to the same handlers, and
is answered once the journal has it.
"""

import threading
from collections.abc import Mapping
from typing import Any

import anyio
import anyio.to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from agent import log
from agent.console.app import address_of
from agent.console.pages import Pages, fields
from agent.console.ticketwords import reason_words
from agent.control import Handler, Visit
from agent.errors import AgentError

AT_ONCE = 8
"""Of the quick ones, and so many again of those that wait for a printer: these never hold up a kitchen's tap."""
DONE = {
    "settle": ("已记下", "done"),
    "release": ("将打印", "will be printed"),
    "drop": ("不再打印", "will not be printed"),
    "reprint": ("将补打", "will be printed again, marked"),
    "retry": ("正在重试", "tried again"),
    "move": ("已换打印机", "moved"),
    "pause": ("已暂停", "paused"),
    "resume": ("继续打印", "goes on"),
    "test": ("测试页", "test page"),
    "identify": ("正在打印名字", "it prints its name"),
    "probe": ("已询问", "asked"),
    "accept": ("已认下", "taken for it"),
    "ready": ("已出餐", "ready"),
    "recall": ("已取回", "back on the screen"),
    "dismiss": ("知道了", "seen"),
    "bundle": ("支持包", "support bundle"),
    "reload": ("已重新读取", "read anew"),
}
"""What may be done here, by the handler's name, and what is said of it."""
_PRINTS = {"test", "identify", "retry"}
"""These wait a while for the paper, and say where it is."""
_WAITS = {*_PRINTS, "probe", "accept"}
_NUMBERS = {"ticket"}
_LISTS = {"orders"}
_FLAGS = {"all"}
_log = log.get("console")


class Acts:
    """`handlers` are those of the command line (agent/answers)."""

    def __init__(self, handlers: Mapping[str, Handler], pages: Pages, stopping: threading.Event) -> None:
        self._handlers = handlers
        self._pages = pages
        self._stopping = stopping
        self._limits: dict[bool, anyio.CapacityLimiter] = {}

    def routes(self) -> list[BaseRoute]:
        """For the application."""
        return [Route("/do/{name}", self._do, methods=["POST"])]

    async def run(self, request: Request, name: str, asked: dict[str, Any]) -> dict[str, Any]:
        """What the handler answers; on a thread, at most `AT_ONCE` of them. Raises AgentError where it refuses."""
        waits = name in _WAITS
        if waits not in self._limits:
            self._limits[waits] = anyio.CapacityLimiter(AT_ONCE)
        visit = Visit(f"console {address_of(request)}", self._stopping)
        return await anyio.to_thread.run_sync(self._handlers[name], asked, visit, limiter=self._limits[waits])

    async def _do(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in DONE or name not in self._handlers:
            return self._pages.said(request, False, "没有这个操作", "there is no such thing to do", 404)
        try:
            asked = as_request(await fields(request))
            answer = await self.run(request, name, asked)
        except ValueError as exc:
            return self._pages.said(request, False, f"填写有误：{exc}", f"wrong value: {exc}", 422)
        except AgentError as exc:
            _log.info("console.refused", what=name, reason=str(exc), address=address_of(request))
            return self._pages.said(request, False, getattr(exc, "zh", "") or str(exc), str(exc), 409)
        zh, en = DONE[name]
        if name in _PRINTS and answer.get("state", "completed") != "completed":
            why_zh, why = reason_words(str(answer.get("why") or ""))
            return self._pages.said(request, False, f"还没有打出来：{why_zh}", f"not printed yet: {why}")
        detail = str(answer.get("answer") or "")
        return self._pages.said(request, True, zh, f"{en}: {detail}" if detail else en)


def as_request(sent: list[tuple[str, str]]) -> dict[str, Any]:
    """A form's fields as a request of the command line has them. Raises ValueError for a number that is none."""
    asked: dict[str, Any] = {}
    for name, text in sent:
        if name in _LISTS:
            asked.setdefault(name, []).append(text)
        elif name in _NUMBERS:
            if not (text.isascii() and text.isdigit() and len(text) < 16):
                raise ValueError(name)
            asked[name] = int(text)
        elif name in _FLAGS:
            asked[name] = text in ("1", "true", "on")
        elif name != "do":
            asked[name] = text
    return asked
