"""How a page is made: a Jinja template, words in the reader's language, and who reads it.

Templates are ours and see values of customers: everything is escaped. No script stands in a page (see rights.py).
"""

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from agent import __version__
from agent.console.app import read_body
from agent.console.form import read_pairs
from agent.console.rooms import Refusal

HERE = Path(__file__).parent
MOST_BYTES, MOST_FIELDS = 64 * 1024, 500
LANGUAGE = "shop_agent_language"
_FOREVER = {"cache-control": "public, max-age=31536000, immutable"}
_YEAR_S = 365 * 86_400
_KINDS = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".png": "image/png"}
NAV = (
    ("/", "现在", "Now"),
    ("/tickets", "小票", "Tickets"),
    ("/late", "迟到订单", "Late orders"),
    ("/kitchen", "出餐", "Kitchen"),
    ("/printers", "打印机", "Printers"),
    ("/stations", "档口", "Stations"),
    ("/templates", "小票样式", "Templates"),
    ("/day", "今天", "Day"),
    ("/setup", "设置", "Set-up"),
    ("/log", "记录", "Log"),
)


async def fields(request: Request, most_bytes: int = MOST_BYTES) -> list[tuple[str, str]]:
    """What a form of ours sent, in order; a name may stand more than once.

    Raises:
        Refusal: 408, 413 or 422.
    """
    try:
        return read_pairs(await read_body(request, most_bytes), MOST_FIELDS)
    except ValueError as exc:
        raise Refusal(422, f"the form can't be read: {exc}") from exc


def language_of(request: Request) -> str:
    """zh or en: as the reader chose, else as the browser asks, else Chinese."""
    chosen = request.cookies.get(LANGUAGE, "")
    if chosen in ("zh", "en"):
        return chosen
    for wanted in request.headers.get("accept-language", "").lower().split(","):
        if (short := wanted.strip()[:2]) in ("zh", "en"):
            return short
    return "zh"


def words(request: Request) -> Callable[[str, str], str]:
    """Picks of two wordings, Chinese and English, the reader's."""
    english = language_of(request) == "en"
    return lambda zh, en: en if english else zh


class Pages:
    """The templates. `shop` is what the shop is called, `zone` its time zone, "" for one without a name."""

    def __init__(self, shop: Callable[[], str], zone: Callable[[], str]) -> None:
        self._shop, self._zone = shop, zone
        self._environment = Environment(
            loader=FileSystemLoader(HERE / "templates"),
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
            undefined=StrictUndefined,
            auto_reload=False,
        )
        self._environment.globals["static"] = _static
        self._environment.globals["version"] = __version__

    def page(self, request: Request, name: str, status: int = 200, **known: Any) -> Response:
        """A page, or a part of one, as `templates/NAME` makes it of `known`.

        Besides it knows: t(zh, en), lang, shop, zone, path, signed_in, nav.
        """
        text = self._environment.get_template(name).render(
            t=words(request),
            lang=language_of(request),
            shop=self._shop(),
            zone=self._zone(),
            path=request.url.path,
            signed_in=request.scope.get("state", {}).get("signed_in", False),
            nav=NAV,
            **known,
        )
        return HTMLResponse(text, status)

    def said(self, request: Request, ok: bool, zh: str, en: str, status: int = 200) -> Response:
        """What became of something, as a part of a page."""
        return self.page(request, "said.html", status, ok=ok, text=words(request)(zh, en))

    def lost(self, request: Request) -> Response:
        """An address that there is not."""
        return self.page(request, "lost.html", 404)

    def routes(self) -> list[BaseRoute]:
        """For the application: what is the same for everybody."""
        return [
            Route("/static/{name}", self._file),
            Route("/manifest.webmanifest", self._manifest),
            Route("/favicon.ico", lambda _: RedirectResponse(_static("icon.svg"))),
            Route("/language", self._language, methods=["POST"]),
        ]

    def _file(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in _names():
            return Response(status_code=404)
        return FileResponse(HERE / "static" / name, media_type=_KINDS[Path(name).suffix], headers=_FOREVER)

    def _manifest(self, request: Request) -> Response:
        text = self._environment.get_template("manifest.json").render(t=words(request), shop=self._shop())
        return Response(text, media_type="application/manifest+json")

    async def _language(self, request: Request) -> Response:
        wanted = request.query_params.get("to", "")
        answer = Response(status_code=204, headers={"hx-refresh": "true"})
        if wanted in ("zh", "en"):
            answer.set_cookie(LANGUAGE, wanted, max_age=_YEAR_S, samesite="strict")
        return answer


def _names() -> set[str]:
    return {path.name for path in (HERE / "static").iterdir() if path.suffix in _KINDS}


def _static(name: str) -> str:
    """A file's address, with what it holds: a new version is another address."""
    return f"/static/{name}?{_digest(name)}"


@cache
def _digest(name: str) -> str:
    return hashlib.sha256((HERE / "static" / name).read_bytes()).hexdigest()[:12]
