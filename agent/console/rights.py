"""What stands before every page: nobody comes in without the right to, and no other site's page acts for somebody.

Whatever is not named as free needs a session, also a path that there is not.
"""

import re
from collections.abc import Callable, Collection
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent.console.access import Access
from agent.console.app import say, wants_page

COOKIE = "shop_agent"
SIGN_IN, CLAIM = "/sign-in", "/claim"
_STATIC = "/static/"
_ANYONE = {SIGN_IN, CLAIM, "/claim/code", "/language", "/manifest.webmanifest", "/favicon.ico"}
PUBLIC = {"/", "/now/board", "/live"}
"""The state page, which anybody on the shop's network may read where the shop has not closed it."""
_SAFE = ("GET", "HEAD", "OPTIONS")
_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": _CSP,
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


class Rights:
    """`machines` are the paths, as their routes match them, that have rules of their own (a token, a signature);
    `public` says whether the state page is free.
    """

    def __init__(
        self, app: ASGIApp, access: Access, machines: Collection[re.Pattern[str]], public: Callable[[], bool]
    ) -> None:
        self._app = app
        self._access = access
        self._machines = machines
        self._public = public

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or any(path.match(scope["path"]) for path in self._machines):
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        signed_in = self._access.is_session(request.cookies.get(COOKIE, ""))
        scope.setdefault("state", {})["signed_in"] = signed_in
        refusal = self._refusal(request, signed_in)

        async def dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("cache-control", "no-store")
            await send(message)

        await (refusal or self._app)(scope, receive, dressed)

    def _refusal(self, request: Request, signed_in: bool) -> Response | None:
        if request.method not in _SAFE and not is_own(request.headers):
            return say({"error": "this was sent by a page of another site, and is refused"}, 403)
        path = str(request.scope["path"])  # what is routed; an address is made of the Host header, too
        if signed_in or path in _ANYONE or path.startswith(_STATIC):
            return None
        if path in PUBLIC and request.method in _SAFE and self._public():
            return None
        where = SIGN_IN if self._access.claimed else CLAIM
        if wants_page(request):
            query = request.scope["query_string"].decode("latin-1")
            asked = path + (f"?{query}" if query else "")
            return RedirectResponse(f"{where}?next={quote(asked, safe='')}", 303)
        return say(
            {"error": "请先登录 sign in first"}, 401, {"hx-redirect": where} if "hx-request" in request.headers else {}
        )


def is_own(headers: Headers) -> bool:
    """Does a page of this very address ask, or no browser at all?"""
    site = headers.get("sec-fetch-site", "same-origin")
    origin = headers.get("origin")
    if site not in ("same-origin", "none"):
        return False
    if origin is None:
        return True
    try:
        return urlsplit(origin).scheme in ("http", "https") and urlsplit(origin).netloc == headers.get("host", "")
    except ValueError:
        return False


def local(where: str) -> str:
    """A path of ours to go on to; never another site."""
    safe = where.startswith("/") and not where.startswith("//") and where.isprintable() and "\\" not in where
    return where if safe else "/"
