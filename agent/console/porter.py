"""Takes what came over HTTP to the journal and waits until it is on disk. Lives on the port's event loop."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from agent.console.rooms import Receive, Refusal
from agent.intake.acceptance import Taken
from agent.intake.consumer import LOCAL
from agent.journal.file import Tx
from agent.journal.store import Journal
from agent.model.wire import Delivery

T = TypeVar("T")
MOST_UNDER_WAY = 200
PATIENCE_S = 10.0
AGAIN_S = 5
_FULL = "the journal can't take it now: the disk is full or broken; try again, and call the shop"
_LATE = "it is not on disk yet, and may still be kept: send it again, unchanged"


class Porter:
    """At most so many events are under way to the disk; what the disk does not take in time is answered with 503."""

    def __init__(self, journal: Journal, receive: Receive) -> None:
        self._journal = journal
        self._receive = receive
        self._under_way = 0

    async def bring(self, events: Sequence[tuple[bytes, dict[str, str] | None]]) -> list[Taken]:
        """What came of each event, once all are on disk. An event is its payload and, in binary mode, its attributes.

        Raises:
            Refusal: 503 or 429; the same again later is safe, an event is taken once.
        """
        deliveries = [Delivery(0, 0, LOCAL, payload, 1, False, attributes) for payload, attributes in events]
        self._check_room(len(deliveries))
        told = [self._ask(partial(self._receive, delivery)) for delivery in deliveries]
        return [await each for each in await self._wait(told)]

    async def write(self, work: Callable[[Tx], T]) -> T:
        """Run `work` on the journal's writer; its result once it is on disk.

        Raises:
            Refusal: 503 or 429.
        """
        self._check_room(1)
        told: asyncio.Future[T] = self._ask(partial(self._journal.submit, work))
        (done,) = await self._wait([told])
        return await done

    def _check_room(self, count: int) -> None:
        if self._journal.failed is not None or self._journal.full:
            raise Refusal(503, _FULL, again_s=AGAIN_S)
        if self._under_way + count > MOST_UNDER_WAY:
            raise Refusal(429, "too many events are waiting for the disk; try again", again_s=1)

    def _ask(self, submit: Callable[[Callable[[Any], None]], None]) -> "asyncio.Future[Any]":
        """Hand something on; the future gets the answer, wherever it comes from."""
        loop = asyncio.get_running_loop()
        told: asyncio.Future[Any] = loop.create_future()
        self._under_way += 1

        def answer(what: object) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended: nobody listens any more
                loop.call_soon_threadsafe(self._settle, told, what)

        submit(answer)
        return told

    def _settle(self, told: "asyncio.Future[Any]", what: object) -> None:
        self._under_way -= 1
        if not told.done():
            told.set_result(what)

    async def _wait(self, told: "list[asyncio.Future[T]]") -> "list[asyncio.Future[T]]":
        """All of them, answered."""
        if not told:
            return []
        _, late = await asyncio.wait(told, timeout=PATIENCE_S)
        if late:
            raise Refusal(503, _LATE, again_s=AGAIN_S)
        return told
