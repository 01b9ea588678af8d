"""`/healthz`: does the process live and do its threads come round? `/readyz`: can an order come in, and from where?"""

from contextlib import closing

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from agent import __version__
from agent.console.app import say
from agent.console.rooms import Rooms
from agent.journal import notes

_NO_LINE = ("broker:refused", "broker:topics")


class Health:
    """Free to anybody who can reach the port: names of threads, and yes or no."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    def routes(self) -> list[BaseRoute]:
        """For the application."""
        return [Route("/healthz", self._live), Route("/readyz", self._ready)]

    async def _live(self, _request: Request) -> Response:
        stuck = self._rooms.stuck()
        return say({"ok": not stuck, "stuck": stuck, "version": __version__}, 503 if stuck else 200)

    def _ready(self, _request: Request) -> Response:
        """On a thread: the journal is read, to see that it can be."""
        journal = self._rooms.journal.failed is None and not self._rooms.journal.full
        alarms: dict[str, str] = {}
        try:
            with closing(self._rooms.journal.reader()) as reader:
                alarms = notes.alarms(reader)
        except Exception:  # noqa: BLE001  whatever it is, the journal can't be read
            journal = False
        line = self._rooms.line_up() and not any(key in alarms for key in _NO_LINE)
        ready = journal and (line or not self._rooms.cloud)
        said = line if self._rooms.cloud else "no cloud configured"
        return say({"ready": ready, "journal": journal, "line": said}, 200 if ready else 503)
