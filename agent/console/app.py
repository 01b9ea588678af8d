"""The routes of the port, and what holds for all of them: which names it answers to, how much it reads and how long.

A room of the port brings its routes as a list; `build` makes one application of them.
"""

import asyncio
import ipaddress
import re
import socket
from collections.abc import Callable, Iterable, Sequence
from functools import partial

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent.console.rooms import Refusal

READ_S = 10.0
_HOST = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<name>[0-9A-Za-z._-]+))(?::[0-9]{1,5})?")
_HEADERS = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
_SHUT = {**_HEADERS, "connection": "close"}


def build(
    routes: Sequence[BaseRoute],
    hosts: Iterable[str],
    count: Callable[[str, int], None] = lambda _path, _status: None,
    inner: Sequence[Middleware] = (),
    lost: Callable[[Request], Response] | None = None,
) -> ASGIApp:
    """The application. `hosts` are names that it answers to besides addresses, localhost and this machine's own name.
    `count` is told each answer's path, empty for one that there is not, and its status; `inner` stands before the
    routes, behind all that holds for everybody. `lost` is the page of an address that there is not, for a browser.
    """
    own = socket.gethostname().lower()
    names = {"localhost", own, f"{own}.local", *(name.lower() for name in hosts)}
    paths = {path for route in routes if isinstance(path := getattr(route, "path", None), str)}
    return Starlette(
        routes=routes,
        middleware=[Middleware(_Counted, paths=paths, count=count), Middleware(_Named, names=names), *inner],
        exception_handlers={Refusal: _refused, HTTPException: partial(_no_such, lost), ClientDisconnect: _gone},
    )


def say(what: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """An answer in JSON."""
    return Response(msgspec.json.encode(what), status, {**_HEADERS, **(headers or {})}, "application/json")


async def read_body(request: Request, most: int) -> bytes:
    """All that was sent.

    Raises:
        Refusal: 413 or 408.
    """
    length = request.headers.get("content-length", "0")
    if length.isascii() and length.isdigit() and int(length[:20]) > most:
        raise Refusal(413, f"at most {most} bytes are taken")
    body = bytearray()
    try:
        async with asyncio.timeout(READ_S):
            async for part in request.stream():
                body += part
                if len(body) > most:
                    raise Refusal(413, f"at most {most} bytes are taken")
    except TimeoutError:
        raise Refusal(408, f"the body did not come within {READ_S:.0f} s") from None
    return bytes(body)


def wants_page(request: Request) -> bool:
    """Does a browser ask for a page?"""
    return request.method == "GET" and "text/html" in request.headers.get("accept", "")


def address_of(request: Request) -> str:
    """Who asks."""
    return request.client.host if request.client else ""


class _Named:
    """Answers only to names that are ours: a page from elsewhere must not reach this port by a name of its own.

    An address is no name, and who sends no Host is no browser.
    """

    def __init__(self, app: ASGIApp, names: set[str]) -> None:
        self._app = app
        self._names = names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        hosts = [value.decode("latin-1") for name, value in scope.get("headers", ()) if name == b"host"]
        if all(self._is_ours(host) for host in hosts):
            await self._app(scope, receive, send)
        else:
            error = {"error": "this box does not answer to that name; write it into console.hosts"}
            await say(error, 421, _SHUT)(scope, receive, send)

    def _is_ours(self, host: str) -> bool:
        if (parts := _HOST.fullmatch(host)) is None:
            return not host
        name = parts["six"] or parts["name"]
        if name.lower().removesuffix(".") in self._names:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


class _Counted:
    """Counts answers by route and status."""

    def __init__(self, app: ASGIApp, paths: set[str], count: Callable[[str, int], None]) -> None:
        self._app = app
        self._paths = paths
        self._count = count

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def note(message: Message) -> None:
            if message["type"] == "http.response.start":
                path = str(scope.get("path", ""))
                self._count(path if path in self._paths else "", int(message["status"]))
            await send(message)

        await self._app(scope, receive, note)


def _refused(_request: Request, exc: Exception) -> Response:
    assert isinstance(exc, Refusal)
    headers = {"connection": "close"} if exc.status in (408, 413) else {}  # the rest of the body is not read
    if exc.again_s:
        headers["retry-after"] = str(exc.again_s)
    if exc.status == 401:
        headers["www-authenticate"] = "Bearer"
    return say({"error": exc.reason, **({"path": exc.path} if exc.path else {})}, exc.status, headers)


def _no_such(lost: Callable[[Request], Response] | None, request: Request, exc: Exception) -> Response:
    assert isinstance(exc, HTTPException)
    if lost is not None and exc.status_code == 404 and wants_page(request):
        return lost(request)
    return say({"error": exc.detail}, exc.status_code, dict(exc.headers or {}))


def _gone(_request: Request, _exc: Exception) -> Response:
    return Response(status_code=400)  # nobody hears it
