"""Printers on the network, port 9100. One client at a time: connecting is not being ready."""

import socket
from pathlib import Path

from agent.errors import Unavailable
from agent.model.printer import Identity
from agent.printers.descriptor import DescriptorLink

CONNECT_TIMEOUT_S = 5.0
DEAD_PEER_MS = 20_000
NEIGHBOURS = Path("/proc/self/net/arp")
"""Not /proc/net/arp: a service that sees only its processes in /proc (ProcSubset=pid) sees this one still."""

_COMPLETE = 0x02


class TcpLink(DescriptorLink):
    """A connected socket."""

    def __init__(self, connection: socket.socket, identity: Identity) -> None:
        super().__init__(connection.fileno(), "the printer closed the connection", identity)
        self._socket = connection

    def write_now(self, data: bytes) -> int:
        """See `Prompt.write_now`."""
        return self.write(data, 0.0)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


class TcpConnector:
    """Opens a connection to `host:port`. `line_bytes_per_s`: what a serial line behind it carries, 0 without one."""

    bytes_per_s = 100_000.0
    notices_power_cycle = True

    def __init__(
        self,
        host: str,
        port: int,
        timeout_s: float = CONNECT_TIMEOUT_S,
        neighbours: Path = NEIGHBOURS,
        line_bytes_per_s: float = 0.0,
    ) -> None:
        if line_bytes_per_s:
            self.bytes_per_s, self.notices_power_cycle = line_bytes_per_s, False
        self._address = (host, port)
        self._timeout_s = timeout_s
        self._neighbours = neighbours

    def forget(self) -> None:
        """See `Connector.forget`: nothing is remembered."""

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
        return TcpLink(connection, Identity(port=hardware_address(_peer(connection), self._neighbours)))


def hardware_address(host: str, neighbours: Path = NEIGHBOURS) -> str:
    """The MAC address of a neighbour; "" beyond a router, for IPv6, and where the table can't be read."""
    try:
        lines = neighbours.read_text("ascii", "replace").splitlines()
    except OSError:
        return ""
    for line in lines[1:]:
        fields = line.split()
        if len(fields) >= 4 and fields[0] == host and int(fields[2], 16) & _COMPLETE:
            return fields[3].lower()
    return ""


def _peer(connection: socket.socket) -> str:
    try:
        return str(connection.getpeername()[0])
    except OSError:  # gone already: the first read will tell
        return ""
