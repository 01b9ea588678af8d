"""The port's manners: who opens a connection and says nothing, drips, or never listens is cut off.

uvicorn bounds neither the time until a request is there nor the number of connections. Timers and counts, nothing else.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

MOST_CONNECTIONS, MOST_OF_ONE, FEWEST = 100, 20, 4
"""In all; of one address; and of one address when room gets short: then it is half of what is free. Whoever takes what
he can get, one address or a few, leaves room for others; and where many have taken all, who has asked nothing for
longest makes room.
"""
HEAD_S, LISTEN_S = 10.0, 10.0
"""How long one may take to say what one wants, and to take the answer."""


class Guarded(H11Protocol):
    """One connection with an end."""

    _slow: asyncio.TimerHandle | None = None
    _deaf: asyncio.TimerHandle | None = None
    _since = 0.0

    def connection_made(self, transport: Any) -> None:
        """Let somebody in, if there is room."""
        super().connection_made(transport)
        self._since = self.loop.time()
        open_ = [each for each in self.connections if isinstance(each, Guarded) and not each.transport.is_closing()]
        free = MOST_CONNECTIONS - len(open_)
        of_one = sum(_address(each) == _address(self) for each in open_)
        silent = [each for each in open_ if each is not self and each._asks_nothing()]
        if of_one > min(MOST_OF_ONE, max(FEWEST, free // 2)) or (free < 0 and not silent):
            transport.abort()
            return
        if free < 0:
            min(silent, key=lambda each: each._since).transport.abort()
        self._slow = self.loop.call_later(HEAD_S, transport.abort)

    def _asks_nothing(self) -> bool:
        """Is no request under way, since `_since`?"""
        return self.cycle is None or self.cycle.response_complete

    def data_received(self, data: bytes) -> None:
        """From a request's first byte to its last header the clock runs; the body has a clock of its own."""
        super().data_received(data)
        if not self._asks_nothing():
            _end(self._slow)
        elif self._slow is None or self._slow.cancelled():
            self._slow = self.loop.call_later(HEAD_S, self.transport.abort)

    def on_response_complete(self) -> None:
        """An answer is written; on a connection that is closed with it somebody may still not take it."""
        super().on_response_complete()
        self._since = self.loop.time()
        if self.transport.is_closing():
            self.loop.call_later(LISTEN_S, self.transport.abort)

    def pause_writing(self) -> None:
        """The other one does not listen."""
        super().pause_writing()
        _end(self._deaf)
        self._deaf = self.loop.call_later(LISTEN_S, self.transport.abort)

    def resume_writing(self) -> None:
        """It does again."""
        super().resume_writing()
        _end(self._deaf)

    def timeout_keep_alive_handler(self) -> None:
        """Nothing more is wanted; what is left of an answer has a while to be taken."""
        super().timeout_keep_alive_handler()
        self.loop.call_later(LISTEN_S, self.transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        _end(self._slow)
        _end(self._deaf)
        super().connection_lost(exc)


def _address(connection: Any) -> object:
    return connection.client[0] if connection.client else None


def _end(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()
