"""Pictures for tickets: a logo is sent from a phone, becomes dots as on paper, and is in use at once."""

import asyncio
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from agent.console.app import READ_S, address_of
from agent.console.form import read_parts
from agent.console.pages import fields
from agent.console.rooms import Refusal
from agent.errors import CommandRefused
from agent.model.layout import Image
from agent.tickets.engine import TemplateError

if TYPE_CHECKING:
    from agent.console.editor import Editor
    from agent.console.window import View

MOST_BYTES = 1 << 20
_ROUND = 4096
"""What a form has besides the file."""
_MOST_SENT = 16 << 20
"""So much is let come in and is thrown away, as a photo is: who is cut off while sending hears no reason."""
_LEAST_DOTS = 384
_ANEW = {"hx-refresh": "true"}


class Logos:
    """They are beside the templates: `<LOGO>` is `logo.png`, `<IMG src=map>` is `map.png`."""

    def __init__(self, view: "View", editor: "Editor") -> None:
        self._view = view
        self._files = editor.files
        self._limit: anyio.CapacityLimiter | None = None

    def routes(self) -> list[BaseRoute]:
        """For the application."""
        return [
            Route("/templates/picture", self._look, methods=["GET"]),
            Route("/templates/picture", self._put, methods=["POST"]),
            Route("/templates/picture/remove", self._remove, methods=["POST"]),
        ]

    def _look(self, request: Request) -> Response:
        """As it prints, whatever kind of file it is."""
        data = self._view.window.shelf.book().images.get(request.query_params.get("file", ""))
        png = b"" if data is None else self._dots(data)
        if not png:
            return self._view.pages.said(request, False, "没有这张图片", "there is no such picture", 404)
        return Response(png, media_type="image/png", headers={"cache-control": "private, max-age=86400"})

    async def _put(self, request: Request) -> Response:
        """A file, and what it is called."""
        body = await _received(request)
        if len(body) > MOST_BYTES + _ROUND:
            zh, en = (
                "图片太大：请用 1 MB 以内的，截一张图就行",
                "the picture is too large: 1 MB at most; a screenshot will do",
            )
            return self._view.pages.said(request, False, zh, en, 413)
        self._limit = self._limit or anyio.CapacityLimiter(1)
        return await anyio.to_thread.run_sync(self._kept, request, body, limiter=self._limit)

    def _kept(self, request: Request, body: bytes) -> Response:
        said = self._view.pages.said
        try:
            parts = read_parts(request.headers.get("content-type", ""), body)
            name = parts.get("name", b"").decode("utf-8").strip().lower()
        except ValueError as exc:
            return said(request, False, f"收到的内容读不懂：{exc}", f"it can't be read: {exc}", 422)
        if not (data := parts.get("file", b"")):
            return said(request, False, "请先选一张图片", "choose a picture first", 422)
        try:
            from agent.encode.images import ImageError

            png = self._dots(data, ImageError)
            self._files.put_picture(name, png, f"console {address_of(request)}")
        except ImageError as exc:
            zh = f"这张图片用不了（{exc}）：请用 PNG 或 JPG，1 MB 以内，宽不超过 2000 点"
            return said(request, False, zh, f"it can't be used ({exc}): PNG or JPEG, 1 MB and 2000 dots at most", 422)
        except CommandRefused as exc:
            return said(request, False, exc.zh, str(exc), 409)
        return Response(status_code=204, headers=_ANEW)

    async def _remove(self, request: Request) -> Response:
        file = dict(await fields(request)).get("file", "")
        said, by = self._view.pages.said, f"console {address_of(request)}"
        try:
            await anyio.to_thread.run_sync(self._files.remove_picture, file, by)
        except TemplateError as exc:
            return said(request, False, f"没有删除：有样式要用它：{exc}", f"not removed, it is shown: {exc}", 409)
        except CommandRefused as exc:
            return said(request, False, exc.zh, str(exc), 409)
        return Response(status_code=204, headers=_ANEW)

    def _dots(self, data: bytes, raises: type[Exception] | None = None) -> bytes:
        """As the shop's broadest paper shows it, a PNG; empty, or raised, for what is no picture."""
        from agent.encode.images import ImageError, decode  # who has no picture does not pay
        from agent.encode.picture import png_of

        dots = max((printer.dots for printer in self._view.window.config().printers), default=0)
        try:
            return png_of(decode(Image(data), max(dots, _LEAST_DOTS)))
        except ImageError:
            if raises:
                raise
            return b""


async def _received(request: Request) -> bytes:
    """What was sent; of too much a little more than is taken. Raises Refusal: 413 or 408."""
    body, sent = bytearray(), 0
    try:
        async with asyncio.timeout(READ_S):
            async for part in request.stream():
                sent += len(part)
                if len(body) <= MOST_BYTES + _ROUND:
                    body += part
                if sent > _MOST_SENT:
                    raise Refusal(413, "the picture is too large: 1 MB at most")
    except TimeoutError:
        raise Refusal(408, f"the picture did not come within {READ_S:.0f} s") from None
    return bytes(body)
