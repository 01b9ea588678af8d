"""Printers on the network, port 9100. One client at a time: connecting is not being ready."""

import socket

from agent.errors import Unavailable
from agent.printers.descriptor import DescriptorLink

CONNECT_TIMEOUT_S = 5.0
DEAD_PEER_MS = 20_000


class TcpLink(DescriptorLink):
    """A connected socket."""

    def __init__(self, connection: socket.socket) -> None:
        super().__init__(connection.fileno(), "the printer closed the connection")
        self._socket = connection

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
