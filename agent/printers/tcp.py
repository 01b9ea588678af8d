"""Printers on the network, port 9100. One client at a time: connecting is not being ready."""

import fcntl
import select
import socket
import struct
import termios

from agent.errors import LinkBroken, Unavailable

CONNECT_TIMEOUT_S = 5.0
DEAD_PEER_MS = 20_000
_SIOCOUTQ = termios.TIOCOUTQ


class TcpLink:
    """A connected socket."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._poll_in = select.poll()
        self._poll_in.register(connection, select.POLLIN)
        self._poll_out = select.poll()
        self._poll_out.register(connection, select.POLLOUT)

    def write(self, data: bytes, timeout_s: float) -> int:
        """Send; see `Link.write`."""
        try:
            try:
                return self._socket.send(data)
            except BlockingIOError:
                if not self._poll_out.poll(timeout_s * 1000):
                    return 0
                return self._socket.send(data)
        except BlockingIOError:
            return 0
        except OSError as exc:
            raise LinkBroken(f"write: {exc}") from exc

    def read(self, max_bytes: int, timeout_s: float) -> bytes:
        """Receive; see `Link.read`."""
        try:
            if not self._poll_in.poll(timeout_s * 1000):
                return b""
            data = self._socket.recv(max_bytes)
        except BlockingIOError:
            return b""
        except OSError as exc:
            raise LinkBroken(f"read: {exc}") from exc
        if not data:
            raise LinkBroken("the printer closed the connection")
        return data

    def unsent(self) -> int:
        """Bytes that the printer's network side has not acknowledged."""
        try:
            answer = fcntl.ioctl(self._socket.fileno(), _SIOCOUTQ, b"\0\0\0\0")
        except OSError as exc:
            raise LinkBroken(f"ioctl: {exc}") from exc
        count: int = struct.unpack("i", answer)[0]
        return count

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


class TcpConnector:
    """Opens a connection to `host:port`."""

    bytes_per_s = 100_000.0
    notices_power_cycle = True

    def __init__(self, host: str, port: int, timeout_s: float = CONNECT_TIMEOUT_S) -> None:
        self._address = (host, port)
        self._timeout_s = timeout_s

    def open(self) -> TcpLink:
        """Connect; a peer that vanishes is noticed within 20 s."""
        try:
            connection = socket.create_connection(self._address, self._timeout_s)
        except (OSError, UnicodeError) as exc:
            raise Unavailable(f"connect {self._address[0]}:{self._address[1]}: {exc}") from exc
        connection.setblocking(False)
        for level, option, value in (
            (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
            (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
            (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 10),
            (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 3),
            (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
            (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, DEAD_PEER_MS),
        ):
            connection.setsockopt(level, option, value)
        return TcpLink(connection)
