"""The demo's page: one HTML file, server-sent events, tickets as pictures, buttons to break things. Loopback only."""

import asyncio
import contextlib
import socket
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import click
import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, Response, StreamingResponse
from starlette.routing import Route

from agent.simulator.board import Board, Message, blank, picture
from agent.simulator.piece import Piece
from agent.simulator.play import NAMES, Play
from agent.simulator.scene import SHOP, Scene

PAGE = Path(__file__).parent / "static" / "demo.html"
ACCIDENT_EACH_S, MEND_AFTER_S = 20.0, 7.0
BREATH_S = 0.12
"""The page is told of changes at most so often: paper moves line by line."""

_DONE = {
    "paper_out": ("纸没了", "out of paper"),
    "refill": ("换好纸了", "paper refilled"),
    "cover_open": ("盖子开了", "cover open"),
    "cover_close": ("盖子合上了", "cover closed"),
    "power_cycle": ("断电又来电", "power cut, and back"),
    "cut_link": ("网线要断了", "the cable breaks in mid-ticket"),
}


def serve(seed: int, rate: float, port: int) -> None:
    """Show the demo on 127.0.0.1 until Ctrl-C."""
    with socket.create_server(("127.0.0.1", port)) as door, tempfile.TemporaryDirectory() as folder:
        click.echo(f"http://127.0.0.1:{door.getsockname()[1]}/")
        click.echo("Open it in a browser. Ctrl-C ends the demo.")
        scene = Scene(Path(folder))
        play = Play(scene, seed, rate, ACCIDENT_EACH_S, MEND_AFTER_S)
        page = Page(scene, play)
        with contextlib.closing(scene):
            scene.start()
            click.echo(
                f"For a cloud of yours, as in docs/integrators.md: MQTT 127.0.0.1:{scene.broker_port}, shop {SHOP}"
            )
            play.start()
            try:
                # uvicorn raises the signal again once it is down.
                with contextlib.suppress(KeyboardInterrupt):
                    page.run(door)
            finally:
                play.stop()
        click.echo("The demo is over; everything that it started has ended.")


class Page:
    """The web server and its listeners. Changes ring from any thread; the loop then asks the board what is new."""

    def __init__(self, scene: Scene, play: Play) -> None:
        self._scene, self._play = scene, play
        self._board = Board(scene, play)
        self._pages: set[asyncio.Queue[Message | None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._rung = asyncio.Event()
        scene.on_change(self._ring)
        play.on_note(self._board.note)
        self.app = Starlette(
            routes=[
                Route("/", lambda _: FileResponse(PAGE)),
                Route("/events", self._events),
                Route("/paper/{printer}/{number:int}.png", self._paper),
                Route("/live/{printer}.png", self._live),
                Route("/do/{act}", self._do, methods=["POST"]),
            ],
            # A page from elsewhere must not reach this one by a name of its own.
            middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])],
            lifespan=self._lifespan,
        )

    def run(self, door: socket.socket) -> None:
        """Serve until SIGINT or SIGTERM."""
        config = uvicorn.Config(self.app, log_level="warning", timeout_graceful_shutdown=2)
        _Server(config, self).run(sockets=[door])

    def hang_up(self) -> None:
        """End every open stream: a server waits for them."""
        for page in self._pages:
            page.put_nowait(None)

    def _ring(self) -> None:
        if self._loop is not None and not self._loop.is_closed():
            with contextlib.suppress(RuntimeError):  # it closed this very moment
                self._loop.call_soon_threadsafe(self._rung.set)

    @contextlib.asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        self._loop = asyncio.get_running_loop()
        telling = asyncio.create_task(self._tell())
        yield
        telling.cancel()

    async def _tell(self) -> None:
        while True:
            for message in self._board.changes():
                for page in self._pages:
                    page.put_nowait(message)
            await asyncio.sleep(BREATH_S)
            await self._rung.wait()
            self._rung.clear()

    async def _events(self, _request: Request) -> StreamingResponse:
        return StreamingResponse(self._stream(), media_type="text/event-stream", headers={"Cache-Control": "no-store"})

    async def _stream(self) -> AsyncIterator[bytes]:
        page: asyncio.Queue[Message | None] = asyncio.Queue()
        for message in self._board.snapshot():
            page.put_nowait(message)
        self._pages.add(page)
        try:
            while (news := await page.get()) is not None:
                yield b"data: " + msgspec.json.encode(news) + b"\n\n"
        finally:
            self._pages.discard(page)

    def _paper(self, request: Request) -> Response:
        printer = self._scene.printers.get(request.path_params["printer"])
        number = request.path_params["number"]
        if printer is None or number >= len(printer.paper.pieces):
            return Response(status_code=404)
        return _png(picture(printer.paper.pieces[number]), "max-age=3600, immutable")

    def _live(self, request: Request) -> Response:
        printer = self._scene.printers.get(request.path_params["printer"])
        if printer is None:
            return Response(status_code=404)
        piece = Piece(printer.paper.width_dots, list(printer.paper.current.items))
        return _png(blank() if piece.is_blank else picture(piece, hanging=True), "no-store")

    def _do(self, request: Request) -> Response:
        act, printer = request.path_params["act"], request.query_params.get("printer", "")
        if act == "order":
            self._play.order(busy=True)
        elif act == "kill":
            self._play.befall("kill", "", "代理被 kill -9", "The agent was killed (kill -9)")
        elif act in _DONE and printer in NAMES:
            (zh, en), (zh_name, en_name) = _DONE[act], NAMES[printer]
            self._play.befall(act, printer, f"{zh_name}{zh}", f"{en_name}: {en}")
        else:
            return Response(status_code=404)
        return Response(status_code=204)


class _Server(uvicorn.Server):
    """uvicorn, that tells the page's streams to end before it waits for them."""

    def __init__(self, config: uvicorn.Config, page: Page) -> None:
        super().__init__(config)
        self._page = page

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._page.hang_up()
        await super().shutdown(sockets)


def _png(data: bytes, caching: str) -> Response:
    return Response(data, media_type="image/png", headers={"Cache-Control": caching})
