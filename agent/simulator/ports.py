"""Where a host plugs in: TCP 9100, as a network printer does it, and a serial line, as a pty.

One thread for each port. It sleeps until bytes come or the printer rings; when the printer's buffer is full it
stops reading, and the host feels that.
"""

import contextlib
import os
import socket
import struct
import tempfile
import threading
import tty
from pathlib import Path

from agent.simulator.machine import Machine
from agent.simulator.pump import Port, Wire

WINDOW_BYTES = 16384
"""Receive window of the TCP port: a printer's interface board holds little, so that a full buffer is felt early."""

_ABORT = struct.pack("ii", 1, 0)
"""SO_LINGER on, 0 s: close() sends RST."""


class Socket:
    """A TCP connection as a Wire."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connection = connection
        self.dropped = False

    def fileno(self) -> int:
        """What to poll."""
        return self._connection.fileno()

    def recv(self, size: int) -> bytes:
        """What came; nothing when the host is gone."""
        try:
            return self._connection.recv(size)
        except OSError:
            return b""

    def send(self, data: bytes) -> bool:
        """An answer goes out whole or not at all: it is smaller than any send buffer."""
        try:
            return self._connection.send(data, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL) == len(data)
        except OSError:
            return False

    def drop(self, reset: bool) -> None:
        """Mark it; RST or FIN goes out when the port's thread closes it."""
        self.dropped = True
        if reset:
            self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)

    def close(self) -> None:
        """Hang up."""
        self._connection.close()


class TcpPort(Port):
    """One host at a time. A second connection is accepted by the kernel and waits, as at a TM's port 9100."""

    def __init__(self, printer: Machine, host: str, port: int, backlog: int, window_bytes: int) -> None:
        super().__init__(printer)
        self._backlog, self._window_bytes = backlog, window_bytes
        # A bound socket that never listens keeps the number ours while the printer refuses connections.
        self._reserved = socket.socket()
        self._reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._reserved.bind((host, port))
        self.host, self.port = self._reserved.getsockname()
        self._listener: socket.socket | None = None
        self._opening = threading.Lock()

    @property
    def link(self) -> str:
        """The address as a configuration says it: tcp://HOST:PORT."""
        return f"tcp://{self.host}:{self.port}"

    def listen(self) -> int | None:
        """Be reachable; what to poll for a host."""
        with self._opening:
            if self._listener is None:
                self._listener = socket.socket()
                self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._window_bytes)
                self._listener.setblocking(False)
                self._listener.bind((self.host, self.port))
                self._listener.listen(self._backlog)
            return self._listener.fileno()

    def vanish(self) -> None:
        """Refuse connections from now on, also those that wait."""
        with self._opening:
            if self._listener is not None:
                # close() alone would leave it listening for as long as the port's thread polls it.
                with contextlib.suppress(OSError):
                    self._listener.shutdown(socket.SHUT_RDWR)
                self._listener.close()
                self._listener = None

    def accept(self) -> Wire | None:
        """The next host, if it still waits."""
        with self._opening, contextlib.suppress(OSError):
            if self._listener is not None:
                connection, _ = self._listener.accept()
                connection.setblocking(True)
                return Socket(connection)
        return None

    def release(self) -> None:
        """Give the number back."""
        self._reserved.close()


class Pty:
    """The master side of a pty as a Wire. We keep the slave open too: a host that closes it only unplugs nothing."""

    def __init__(self) -> None:
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.path = os.ttyname(self._slave)
        self.dropped = self.served = self.closed = False

    def fileno(self) -> int:
        """What to poll."""
        return self._master

    def recv(self, size: int) -> bytes:
        """What came; nothing when the line is gone."""
        try:
            return os.read(self._master, size)
        except OSError:
            return b""

    def send(self, data: bytes) -> bool:
        """An answer; lost when the host lets its input overflow."""
        try:
            return os.write(self._master, data) == len(data)
        except OSError:
            return False

    def drop(self, reset: bool) -> None:  # noqa: ARG002  a serial line knows one way to be unplugged
        """Mark it; the host reads EIO when the port's thread closes it."""
        self.dropped = True

    def close(self) -> None:
        """Unplug: a host that still holds the line gets EIO."""
        if not self.closed:
            self.closed = True
            os.close(self._slave)
            os.close(self._master)


class PtyPort(Port):
    """A serial line. `path` stays the same when it is unplugged and back, as a udev link does."""

    def __init__(self, printer: Machine) -> None:
        super().__init__(printer)
        self._folder = tempfile.TemporaryDirectory(prefix="virtual-printer-")
        self.path = str(Path(self._folder.name) / "ttyPRN")
        self._pty: Pty | None = None
        self._opening = threading.Lock()

    @property
    def link(self) -> str:
        """The address as a configuration says it: serial://PATH."""
        return f"serial://{self.path}"

    def listen(self) -> int | None:
        """Plug in; hosts of a serial line can't be seen coming."""
        with self._opening:
            if self._pty is None or self._pty.closed:
                self._pty = Pty()
                self._unlink()
                Path(self.path).symlink_to(self._pty.path)
        return None

    def vanish(self) -> None:
        """The device file is gone; the line that is served is closed by the port's thread."""
        with self._opening:
            self._unlink()
            if self._pty is not None and not self._pty.served:
                self._pty.close()

    def accept(self) -> Wire | None:
        """The line itself is the host."""
        with self._opening:
            if self._pty is None or self._pty.closed:
                return None
            self._pty.served = True
            return self._pty

    def release(self) -> None:
        """Remove the folder of the link."""
        self._folder.cleanup()

    def _unlink(self) -> None:
        Path(self.path).unlink(missing_ok=True)


def serve_tcp(
    printer: Machine,
    host: str = "127.0.0.1",
    port: int = 0,
    backlog: int = 5,
    window_bytes: int = WINDOW_BYTES,
) -> TcpPort:
    """Plug a printer into the network; port 0 takes a free one. The caller closes what it gets."""
    return TcpPort(printer, host, port, backlog, window_bytes).start()


def serve_pty(printer: Machine) -> PtyPort:
    """Plug a printer into a serial line. The caller closes what it gets."""
    return PtyPort(printer).start()
