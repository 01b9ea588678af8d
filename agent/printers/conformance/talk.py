"""Bytes out and bytes in, without anything in between that could hide an answer too many."""

from collections.abc import Callable

from agent.clock import Clock
from agent.errors import Unavailable
from agent.printers.link import Link
from agent.printers.status import Block, ReplyParser, process_id

RESET = b"\x1b@"
TOKEN_ANSWER_BYTES = 7
_FLOW = b"\x11\x13"
_SAY_S = 10.0
_SLICE_S = 0.5
_ADAPTER_LOOKS = 5
_MOST_BYTES = 1_000_000


def realtime(n: int) -> bytes:
    """DLE EOT n."""
    return bytes((0x10, 0x04, n))


def token_request(token: str) -> bytes:
    """GS ( H function 48."""
    return b"\x1d(H\x06\x0000" + token.encode("ascii")


def token_answer(token: str) -> bytes:
    """What a printer says to it."""
    return b"\x37\x22" + token.encode("ascii") + b"\0"


def tokens_in(heard: bytes) -> list[str]:
    """The process IDs in what was heard, in order."""
    replies = ReplyParser().feed(heard.translate(None, _FLOW))
    found = (process_id(reply) for reply in replies if isinstance(reply, Block))
    return [token for token in found if token is not None]


class Talk:
    """Raw questions over one open link."""

    def __init__(self, link: Link, clock: Clock) -> None:
        self.link = link
        self._clock = clock

    def say(self, data: bytes, within_s: float = _SAY_S) -> None:
        """Write all of it.

        Raises:
            Unavailable: it was not taken in time.
            LinkBroken: the link is gone.
        """
        deadline = self._clock.monotonic() + within_s
        while data:
            data = data[self.link.write(data, 0.5) :]
            if data and self._clock.monotonic() > deadline:
                raise Unavailable(f"{len(data)} bytes were not taken within {within_s:.0f} s")

    def hear(self, enough: Callable[[bytes], bool], within_s: float, quiet_s: float = 0.0) -> bytes:
        """What comes until it is enough or the time is over, and in `quiet_s` after that; without XON and XOFF."""
        heard = b""
        deadline = self._clock.monotonic() + within_s
        while not enough(heard) and (left_s := deadline - self._clock.monotonic()) > 0 and len(heard) < _MOST_BYTES:
            heard += self._read(min(left_s, _SLICE_S))
        deadline = self._clock.monotonic() + quiet_s
        while (left_s := deadline - self._clock.monotonic()) > 0 and len(heard) < _MOST_BYTES:
            heard += self._read(min(left_s, _SLICE_S))
        return heard

    def hear_bytes(self, count: int, within_s: float, quiet_s: float = 0.0) -> bytes:
        """So many, and what comes in the `quiet_s` after."""
        return self.hear(lambda heard: len(heard) >= count, within_s, quiet_s)

    def ask(self, question: bytes, count: int, within_s: float, quiet_s: float = 0.0) -> bytes:
        """Say it and hear so many bytes."""
        self.say(question)
        return self.hear_bytes(count, within_s, quiet_s)

    def calm(self, quiet_s: float, at_most_s: float = 10.0) -> bytes:
        """Hear until nothing came for `quiet_s`; all that came."""
        heard = b""
        deadline = self._clock.monotonic() + at_most_s
        while self._clock.monotonic() < deadline and (more := self._read(quiet_s)):
            heard += more
        return heard

    def drain(self, within_s: float) -> bytes:
        """Hear until the cable holds nothing of ours any more, or the time is over; what came meanwhile."""
        heard = b""
        deadline = self._clock.monotonic() + within_s
        while self.link.unsent() > 0 and self._clock.monotonic() < deadline:
            heard += self._read(0.005)
        for _ in range(_ADAPTER_LOOKS):  # what an adapter or a pty holds itself is in no count
            heard += self._read(0.01)
        return heard

    def _read(self, timeout_s: float) -> bytes:
        return self.link.read(4096, timeout_s).translate(None, _FLOW)
