"""The measuring printer, a process of its own: answers at once like a healthy one, and notes when each ticket was cut.

Run as `python -m scripts.benchmarks.sink HOST PORT`. Its first line of output is its port. It takes a line at a time on
stdin: `expect N` is answered `reached` once N tickets were cut, `drain` by the tickets as JSON, a line each, and an
empty line. It ends with its stdin.
"""

import json
import re
import selectors
import socket
import sys
import time
from collections.abc import Callable

# What matters of ESC/POS, and what must be passed over because its parameters could look like it.
_COMMAND = re.compile(
    rb"\x1dV(?:[\x41\x42\x61\x62\x67\x68].|[\x00\x01\x30\x31])"  # GS V: a cut
    rb"|\x1d\(H\x06\x0000(?P<token>.{4})"  # GS ( H: echo a process ID
    rb"|\x10\x04(?P<look>[\x01-\x08])"  # DLE EOT: a sensor
    rb"|\x1dr(?P<fence>.)"  # GS r: a status behind the data
    rb"|\x1da(?P<asb>.)"  # GS a: automatic status
    rb"|\x1dg2\x00(?P<counter>..)"  # GS g 2: a maintenance counter
    rb"|\x1dI(?P<fact>[ABCD])"  # GS I: who it is
    rb"|\x1dv0.(?P<raster>....)"  # GS v 0: a picture
    rb"|\x1d[!B].|\x1b[aEMJdt!3-].|\n",
    re.DOTALL,
)
_NUMBER = re.compile(rb"#(\d+)")
_TAIL = 10
"""The longest command, less a byte: so many bytes may be the beginning of one."""
_INTRODUCERS = b"\x10\x1b\x1d"
CUTS, LINES = 178, 148


class Tickets:
    """The bytes of one connection, cut into tickets. Pure but for `clock_ns`."""

    def __init__(self, say: Callable[[bytes], object], clock_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self.cut: list[tuple[int, int, int]] = []
        """Of each ticket: when its last byte came in ns, its order's number (0 without one), all its bytes."""
        self._say = say
        self._clock_ns = clock_ns
        self._pending = bytearray()
        self._ticket = 0
        self._number = 0
        self._skip = 0
        self._lines = 0

    def feed(self, data: bytes) -> None:
        """What came in now."""
        at = self._clock_ns()
        self._pending += data
        start = 0
        while True:
            start = self._pass_picture(start)
            found = _COMMAND.search(self._pending, start)
            if found is None:
                break
            self._take(start, found.end())
            self._obey(found, at)
            start = found.end()
        end = self._whole(start)
        self._take(start, end)
        del self._pending[:end]

    def _pass_picture(self, start: int) -> int:
        taken = min(self._skip, len(self._pending) - start)
        self._skip -= taken
        self._ticket += taken
        return start + taken

    def _whole(self, start: int) -> int:
        """Up to where the rest can't be the beginning of a command or of a number."""
        first = max(start, len(self._pending) - _TAIL)
        places = [at for mark in _INTRODUCERS if (at := self._pending.find(mark, first)) >= 0]
        if not self._number and (at := self._pending.find(b"#", start)) >= 0:
            places.append(at)
        return min(places, default=len(self._pending))

    def _take(self, start: int, end: int) -> None:
        piece = self._pending[start:end]
        if not self._number and (found := _NUMBER.search(piece)):
            self._number = int(found[1])
        self._ticket += len(piece)

    def _obey(self, found: re.Match[bytes], at: int) -> None:
        command = found[0]
        if command == b"\n":
            self._lines += 1
        elif command[:2] == b"\x1dV":
            self.cut.append((at, self._number, self._ticket))
            self._ticket = self._number = 0
        elif found["raster"] is not None:
            size = found["raster"]
            self._skip = int.from_bytes(size[:2], "little") * int.from_bytes(size[2:], "little")
        elif (answer := self._answer(found)) is not None:
            self._say(answer)

    def _answer(self, found: re.Match[bytes]) -> bytes | None:
        if found["token"] is not None:
            return b"\x37\x22" + found["token"] + b"\0"
        if found["look"] is not None:
            return b"\x12"
        if found["fence"] is not None:
            return b"\0"
        if found["asb"] is not None:
            return b"\x10\0\0\0"
        if found["fact"] is not None:
            return b"\x5fBENCH\0"
        if found["counter"] is not None:
            counts = {CUTS: len(self.cut), LINES: self._lines}
            return b"\x5f%d\0" % counts.get(int.from_bytes(found["counter"], "little"), 0)
        return None


class Sink:
    """The listening printer. It remembers every connection's tickets, so that a contender may connect anew."""

    def __init__(self, host: str, port: int) -> None:
        self._listener = socket.create_server((host, port))
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
        self._selector.register(sys.stdin.buffer, selectors.EVENT_READ, self._told)
        self._all: list[Tickets] = []
        self._expected = 0
        self._open = True

    def run(self) -> None:
        """Serve until stdin ends."""
        self._answer(str(self._listener.getsockname()[1]))
        while self._open:
            for key, _ in self._selector.select():
                key.data()

    def _accept(self) -> None:
        connection, _ = self._listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        tickets = Tickets(connection.sendall)
        self._all.append(tickets)
        self._selector.register(connection, selectors.EVENT_READ, lambda: self._receive(connection, tickets))

    def _receive(self, connection: socket.socket, tickets: Tickets) -> None:
        try:
            data = connection.recv(65536)
            tickets.feed(data)
        except ConnectionError:
            data = b""
        if not data:
            self._selector.unregister(connection)
            connection.close()
        self._tell_reached()

    def _told(self) -> None:
        match sys.stdin.buffer.readline().split():
            case [b"expect", count]:
                self._expected = int(count)
                self._tell_reached()
            case [b"drain"]:
                cuts = sorted(cut for tickets in self._all for cut in tickets.cut)
                lines = [json.dumps({"at": at, "number": number, "size": size}) for at, number, size in cuts]
                self._answer("\n".join([*lines, ""]) if lines else "")
            case _:
                self._open = False

    def _tell_reached(self) -> None:
        if self._expected and sum(len(tickets.cut) for tickets in self._all) >= self._expected:
            self._expected = 0
            self._answer("reached")

    def _answer(self, text: str) -> None:
        print(text, flush=True)


if __name__ == "__main__":
    Sink(sys.argv[1], int(sys.argv[2])).run()
