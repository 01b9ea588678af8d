"""The port, as a service: one thread with uvicorn on it. Tickets are printed also where the port can't be opened; it
is tried again.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable

import anyio.to_thread
import uvicorn
from starlette.types import ASGIApp

from agent import log
from agent.clock import Clock
from agent.console.guard import Guarded
from agent.service import ServiceThread

OPEN_AGAIN_S = 5.0
TURN_S = 1.0
GOODBYE_S = 1
THREADS = 6
"""For answers that read the journal: a box is small."""
LONGEST_HEAD = 16 * 1024
_log = log.get("console")


class Console(ServiceThread):
    """The thread. `tell` gets the reason why the port is not open, and an empty one once it is; `hang_up` ends what
    never ends by itself.
    """

    name = "console"

    def __init__(
        self,
        host: str,
        port: int,
        app: ASGIApp,
        clock: Clock,
        tell: Callable[[str], None],
        hang_up: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(clock)
        self._host, self._port = host, port
        self._hang_up = hang_up
        self._app = app
        self._tell = tell
        self._trouble: str | None = None
        self._listener: socket.socket | None = None
        self._server: _Server | None = None

    def start(self) -> None:
        """Open the port, so that it is there once the agent says that it is ready, and start the thread."""
        self._open()
        super().start()

    def _rouse(self) -> None:
        """Nobody is let in any more, and what is under way ends."""
        if self._hang_up is not None:
            self._hang_up()
        if self._server is not None:
            self._server.end()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._turned()
            if self._listener is None and not self._open():
                self._stopping.wait(OPEN_AGAIN_S)
            elif self._listener is not None:
                self._serve(self._listener)
                self._listener = None
        if self._listener is not None:
            self._listener.close()

    def _serve(self, listener: socket.socket) -> None:
        try:
            self._server = _Server(self._app, self._turned)
            if not self._stopping.is_set():
                self._server.run(sockets=[listener])
        except Exception:  # noqa: BLE001  the thread's outermost loop: the port is opened anew
            _log.exception("console.failed")
            self._stopping.wait(OPEN_AGAIN_S)
        finally:
            listener.close()

    def _open(self) -> bool:
        """Listen; what keeps us from it is told once, and so is that it is over."""
        trouble = ""
        try:
            family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
            dual = self._host == "::" and socket.has_dualstack_ipv6()
            where = (self._host, self._port)
            self._listener = socket.create_server(where, family=family, backlog=64, dualstack_ipv6=dual)
            # Handed on to each connection; an answer leaves in two pieces, and the second would wait 40 ms.
            self._listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as exc:
            trouble = f"port {self._port} of {self._host} can't be opened: {exc.strerror or exc}"
        if trouble != self._trouble:
            self._trouble = trouble
            if trouble:
                _log.error("console.not_open", reason=trouble)
            else:
                _log.info("console.opened", host=self._host, port=self._port)
            self._tell(trouble)
        return not trouble


class _Server(uvicorn.Server):
    """uvicorn, that turns once a second and says so."""

    def __init__(self, app: ASGIApp, turned: Callable[[], None]) -> None:
        config = uvicorn.Config(
            app,
            http=Guarded,
            ws="none",
            loop="asyncio",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            log_level="error",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            h11_max_incomplete_event_size=LONGEST_HEAD,
            timeout_graceful_shutdown=GOODBYE_S,
        )
        super().__init__(config)
        self._turned = turned
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ending = asyncio.Event()

    def end(self) -> None:
        """Stop soon. From any thread."""
        self.should_exit = True
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # it has closed
                self._loop.call_soon_threadsafe(self._ending.set)

    async def main_loop(self) -> None:
        """Until it is to end."""
        self._loop = asyncio.get_running_loop()
        anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
        while not await self.on_tick(0):
            self._turned()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), TURN_S)
