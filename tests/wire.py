"""What a test says over a link: all of something, and what came back."""

import os
import select
import time
import tty

from agent.printers.link import Link

TEXT = b"".join(f"dish {number:03}\n".encode() for number in range(400))
CUT = b"\x1dVB\0"


def ticket(text: bytes, token: str) -> bytes:
    """A ticket with its question for proof behind it."""
    return b"\x1b@" + text + CUT + b"\x1d(H\x06\x0000" + token.encode()


def answer(token: str) -> bytes:
    """The printer's word that all before the question is on paper."""
    return b"\x37\x22" + token.encode() + b"\0"


def say(link: Link, data: bytes, within_s: float = 10.0) -> None:
    """Write all of it."""
    deadline = time.monotonic() + within_s
    while data:
        data = data[link.write(data, 0.2) :]
        assert time.monotonic() < deadline, f"{len(data)} bytes were not taken"


def hear(link: Link, wanted: bytes, within_s: float = 10.0) -> bytes:
    """Read until it came; all that came."""
    heard = b""
    deadline = time.monotonic() + within_s
    while wanted not in heard:
        heard += link.read(512, 0.2)
        assert time.monotonic() < deadline, f"heard {heard!r}"
    return heard


class Line:
    """The other end of a pty: a printer of few words. `path` is the device."""

    def __init__(self) -> None:
        self.master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.path = os.ttyname(self._slave)

    def hears(self, size: int, within_s: float = 5.0) -> bytes:
        """Take so many bytes, or what comes in time."""
        heard = b""
        deadline = time.monotonic() + within_s
        while len(heard) < size and (left_s := deadline - time.monotonic()) > 0:
            if select.select([self.master], [], [], left_s)[0]:
                heard += os.read(self.master, size - len(heard))
        return heard

    def says(self, data: bytes) -> None:
        """Answer."""
        os.write(self.master, data)

    def unplug(self) -> None:
        """Hang up."""
        if self.master >= 0:
            os.close(self._slave)
            os.close(self.master)
            self.master = -1
