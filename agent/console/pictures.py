"""Pictures of tickets, made when somebody looks, one at a time, and kept a little."""

import asyncio
import hashlib
import threading
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from agent.config import Printer
from agent.errors import TooLong
from agent.journal import jobs, tickets
from agent.journal.tickets import Seen
from agent.model.link import parse_link

if TYPE_CHECKING:
    from agent.console.window import View

MOST_KEPT, MOST_BYTES = 60, 1_500_000
_HEADERS = {"cache-control": "private, no-cache", "content-disposition": "inline"}


class Pictures:
    """Those of tickets. A picture has a name for what it shows: as long as that is the same, so is the picture."""

    def __init__(self, view: "View") -> None:
        self._view = view
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._lock = threading.Lock()
        self._book: object = None
        self._edition = 0
        self._artist = ThreadPoolExecutor(1, "console-pictures")  # one thread: its memory is used again

    def name(self, seen: Seen) -> str:
        """Changes with whatever the picture would show."""
        config, book = self._view.window.config(), self._view.window.shelf.book()
        with self._lock:
            if book is not self._book:
                self._book, self._edition = book, self._edition + 1
            facts = (seen.id, seen.order, seen.rev, seen.mark, seen.number, seen.attempt, seen.home, seen.printer)
            said = repr((facts, seen.state, config.language, self._edition, id(self)))
        return hashlib.sha256(said.encode()).hexdigest()[:16]

    async def answer(self, request: Request) -> Response:
        """The picture of the ticket in the path."""
        wanted, ticket = request.headers.get("if-none-match", ""), request.path_params["ticket"]
        loop = asyncio.get_running_loop()
        name, picture = await loop.run_in_executor(self._artist, self._look, ticket, wanted)
        if not name:
            return self._view.pages.said(request, False, "没有这张小票", "there is no such ticket", 404)
        if f'"{name}"' == wanted:
            return Response(status_code=304, headers={**_HEADERS, "etag": wanted})
        if not picture:
            return self._view.pages.said(request, False, "这张小票太长，没有图", "too long for a picture", 404)
        return Response(picture, media_type="image/png", headers={**_HEADERS, "etag": f'"{name}"'})

    def _look(self, ticket: int, wanted: str) -> tuple[str, bytes]:
        """Its name and picture; no name: there is no such ticket; no picture: that is `wanted`, or can't be made."""
        with closing(self._view.rooms.journal.reader()) as reader:
            seen = tickets.find(reader, ticket) if ticket < tickets.NO_TICKET else None
            job = jobs.find(reader, ticket) if seen is not None else None
            if seen is None or job is None:
                return "", b""
            name = self.name(seen)
            if f'"{name}"' == wanted:
                return name, b""
            if name not in self._kept:
                from agent.spool.likeness import likeness  # fonts and pictures: who does not look does not pay

                at = datetime.fromisoformat(tickets.printed_at(reader, ticket) or job.created_at)
                try:
                    picture = likeness(self._view.window.press, reader, job, self._printer(job.printer), at)
                except TooLong:
                    picture = b""
                self._keep(name, picture)
            self._kept.move_to_end(name)
            return name, self._kept[name]

    def _keep(self, name: str, picture: bytes) -> None:
        self._kept[name] = picture
        while len(self._kept) > MOST_KEPT or (sum(map(len, self._kept.values())) > MOST_BYTES and len(self._kept) > 1):
            self._kept.popitem(last=False)

    def _printer(self, name: str) -> Printer:
        """The printer that has it; one that is gone has paper as the others."""
        known = {printer.name: printer for printer in self._view.window.config().printers}
        like = next(iter(known.values()), Printer(name="gone", link=parse_link("virtual://gone")))
        return known.get(name) or msgspec.structs.replace(like, name=name)
