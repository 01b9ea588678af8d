"""What happens is on every open page at once: a rider of the journal rings after each commit, and streams tell it.

A stream carries no data but that something changed, and what is to be said aloud; the page asks for what it shows.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import BaseRoute, Route

from agent.journal import notes
from agent.journal.file import Tx

BREATH_S = 0.06
"""Pages are told at most so often."""
LOOK_S = 1.0
"""How a printer is, is no commit: it is looked at."""
ALIVE_S = 5.0
"""A page that hears nothing for twice as long says that it is old."""
MOST_STREAMS, MOST_STRANGERS = 60, 20
MOST_READ, MOST_NEWS = 200, 20


class News(msgspec.Struct, frozen=True):
    """Something that may be said aloud. `kind`: order, or alarm; `what`: the order's number, or the alarm's key."""

    kind: str
    what: str


class _Said(msgspec.Struct):
    """Of any report, what is news."""

    state: str = ""
    order: dict[str, Any] | None = None
    key: str = ""


_READ = msgspec.json.Decoder(_Said)


class Live:
    """`board` and `leave` belong to the journal's writer, everything else to the port's event loop. `look` tells how
    things are that are not in the journal; whenever its answer differs, the pages are told.
    """

    def __init__(self, reader: Tx, look: Callable[[], object]) -> None:
        row = reader.execute("SELECT seq FROM sqlite_sequence WHERE name = 'outbox'").fetchone()
        self._last = self._new_last = int(row[0]) if row else 0
        self._aboard: list[News] = []
        self._look = look
        self._loop: asyncio.AbstractEventLoop | None = None
        self._streams: set[_Stream] = set()
        self._changed = asyncio.Event()
        self._news: list[News] = []
        self._telling: asyncio.Task[None] | None = None
        self._ended = False

    def routes(self) -> list[BaseRoute]:
        """For the application."""
        return [Route("/live", self._open)]

    # -- with the journal --------------------------------------------------------------------------------------------

    def board(self, tx: Tx) -> None:
        """What this transaction says. Never in the way of a commit."""
        self._new_last, self._aboard = self._last, []
        with contextlib.suppress(Exception):  # what is wrong with the file the commit itself says
            for row in notes.waiting_reports(tx, self._last, MOST_READ):
                self._new_last = row.pk
                if self._streams and (news := news_of(row.type, row.body)) is not None:
                    self._aboard.append(news)

    def leave(self, committed: bool) -> None:
        """It is on disk, and counts; or it does not."""
        if committed:
            self._last = self._new_last
            self.ring(self._aboard)

    def ring(self, news: "list[News] | None" = None) -> None:
        """Something changed. From any thread."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # it has closed
                self._loop.call_soon_threadsafe(self._rung, news or [])

    # -- on the loop ---------------------------------------------------------------------------------------------------

    def hang_up(self) -> None:
        """End every stream. From any thread."""
        self._ended = True
        self.ring()

    def _rung(self, news: list[News]) -> None:
        self._news = [*self._news, *news][-MOST_NEWS:]
        self._changed.set()

    async def _open(self, request: Request) -> StreamingResponse:
        if self._telling is None or self._telling.done():
            self._loop = asyncio.get_running_loop()
            self._changed = asyncio.Event()
            self._telling = asyncio.create_task(self._tell())
        stream = _Stream(known := request.scope.get("state", {}).get("signed_in", False))
        alike = sum(1 for each in self._streams if each.known == known)
        if alike < (MOST_STREAMS if known else MOST_STRANGERS):
            self._streams.add(stream)
        else:
            stream.end()
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        return StreamingResponse(self._run(stream), media_type="text/event-stream", headers=headers)

    async def _run(self, stream: "_Stream") -> AsyncIterator[bytes]:
        try:
            yield b"retry: 2000\nevent: changed\ndata: {}\n\n"
            async for said in stream.said():
                yield said
        finally:
            self._streams.discard(stream)

    async def _tell(self) -> None:
        """While anybody listens: each change once, to all."""
        seen = self._look()
        while not self._ended and self._streams:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), LOOK_S)
            now = self._look()
            if self._changed.is_set() or now != seen:
                seen = now
                await asyncio.sleep(BREATH_S)
                self._changed.clear()
                news, self._news = self._news, []
                for stream in self._streams:
                    stream.tell(news)
        for stream in self._streams:
            stream.end()
        self._telling = None


class _Stream:
    """One page's. A page that does not listen is owed one change, not many. Who is not `known` hears no number."""

    def __init__(self, known: bool) -> None:
        self.known = known
        self._waits = asyncio.Event()
        self._news: list[News] = []
        self._ended = False

    def tell(self, news: list[News]) -> None:
        """Something changed."""
        heard = news if self.known else [News(each.kind, "") for each in news]
        self._news = [*self._news, *heard][-MOST_NEWS:]
        self._waits.set()

    def end(self) -> None:
        """No more."""
        self._ended = True
        self._waits.set()

    async def said(self) -> AsyncIterator[bytes]:
        """What goes over the wire, until the end; now and then a sign of life."""
        while not self._ended:
            try:
                await asyncio.wait_for(self._waits.wait(), ALIVE_S)
            except TimeoutError:
                yield b"event: alive\ndata: {}\n\n"
                continue
            self._waits.clear()
            if not self._ended:
                news, self._news = self._news, []
                yield b"event: changed\ndata: " + msgspec.json.encode({"news": news}) + b"\n\n"


def news_of(kind: str, body: bytes) -> News | None:
    """What of a report is to be said aloud."""
    if kind not in ("order.state", "alarm"):
        return None
    said = _READ.decode(body)
    if kind == "order.state" and said.state == "accepted":
        return News("order", str((said.order or {}).get("no") or (said.order or {}).get("id") or ""))
    if kind == "alarm" and said.state == "raised":
        return News("alarm", said.key)
    return None
