"""Where the remote control's lines come from: a TCP port and standard input. One thread for all of them."""

import contextlib
import os
import selectors
import socket
import threading
from collections.abc import Callable
from typing import Self

import msgspec

from agent.simulator.control import perform
from agent.simulator.printer import VirtualPrinter
from agent.simulator.pump import Doorbell

Send = Callable[[bytes], object]
_LONGEST_LINE = 65536


class _Lines:
    """Bytes from one source, cut into lines; answers go out by `send`."""

    def __init__(self, read: Callable[[], bytes], send: Send, close: Callable[[], object]) -> None:
        self.read, self.send, self.close = read, send, close
        self._rest = b""

    def lines(self, data: bytes) -> list[bytes]:
        """The lines that are complete with `data`, without blank ones."""
        *whole, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _LONGEST_LINE:
            self._rest = b""
        return [line for line in whole if line.strip()]


class Remote:
    """Serves the remote control until closed. `port` is 0 without an address to listen at."""

    def __init__(self, printer: VirtualPrinter, address: tuple[str, int] | None, stdin: int | None, out: Send) -> None:
        self._printer = printer
        self._bell = Doorbell()
        self._closing = False
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._bell, selectors.EVENT_READ, None)
        self._listener = socket.create_server(address) if address else None
        self.port = self._listener.getsockname()[1] if self._listener else 0
        if self._listener:
            self._selector.register(self._listener, selectors.EVENT_READ, None)
        if stdin is not None:
            # A file or /dev/null can't be waited for: then there is no standard input to listen to.
            with contextlib.suppress(OSError):
                lines = _Lines(lambda: os.read(stdin, 4096), out, lambda: None)
                self._selector.register(stdin, selectors.EVENT_READ, lines)
        self._thread = threading.Thread(target=self._serve, name="remote-control", daemon=True)

    def start(self) -> Self:
        """Serve in a thread of its own."""
        self._thread.start()
        return self

    def close(self) -> None:
        """Stop, join the thread, hang up."""
        self._closing = True
        self._bell.ring()
        self._thread.join()
        for key in list(self._selector.get_map().values()):
            if isinstance(key.data, _Lines):
                key.data.close()
        self._selector.close()
        self._bell.close()
        if self._listener:
            self._listener.close()

    def _serve(self) -> None:
        while not self._closing:
            for key, _ in self._selector.select():
                if isinstance(key.data, _Lines):
                    self._hear(key.data, key.fd)
                elif self._listener and key.fileobj is self._listener:
                    self._accept(self._listener)

    def _accept(self, listener: socket.socket) -> None:
        connection, _ = listener.accept()
        source = _Lines(lambda: connection.recv(4096), connection.sendall, connection.close)
        self._selector.register(connection, selectors.EVENT_READ, source)

    def _hear(self, source: _Lines, fd: int) -> None:
        try:
            data = source.read()
            for line in source.lines(data):
                source.send(msgspec.json.encode(perform(self._printer, line)) + b"\n")
        except OSError:
            data = b""
        if not data:
            self._selector.unregister(fd)
            source.close()


def serve_control(
    printer: VirtualPrinter,
    address: tuple[str, int] | None = ("127.0.0.1", 0),
    stdin: int | None = None,
    out: Send = lambda _: None,
) -> Remote:
    """Serve JSON lines at `address` and on the descriptor `stdin`, whose answers go to `out`."""
    return Remote(printer, address, stdin, out).start()
