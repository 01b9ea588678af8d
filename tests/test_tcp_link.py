"""Which printer is at an address: its MAC address, as the neighbour table has it."""

import socket
from pathlib import Path

import pytest

from agent.errors import LinkBroken
from agent.printers.tcp import TcpConnector
from tests.wire import hear, say

TABLE = """IP address       HW type     Flags       HW address            Mask     Device
127.0.0.1        0x1         0x2         00:26:AB:12:34:56     *        eth0
127.0.0.2        0x1         0x0         00:00:00:00:00:00     *        eth0
"""


@pytest.mark.parametrize(("host", "port"), [("127.0.0.1", "00:26:ab:12:34:56"), ("127.0.0.2", ""), ("127.0.0.3", "")])
def test_a_network_printer_is_known_by_its_mac_address(tmp_path: Path, host: str, port: str) -> None:
    """Where the table has it: a neighbour that answered."""
    table = tmp_path / "arp"
    table.write_text(TABLE)
    with socket.create_server((host, 0)) as server:
        link = TcpConnector(host, server.getsockname()[1], neighbours=table).open()
        assert (link.identity.port, link.identity.device, link.needs()) == (port, "", frozenset())
        link.close()


def test_a_table_that_can_not_be_read_keeps_nobody_from_printing(tmp_path: Path) -> None:
    """Who it is, is a hint; that it prints is the point."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        link = TcpConnector("127.0.0.1", server.getsockname()[1], neighbours=tmp_path / "none").open()
        peer, _ = server.accept()
        with peer:
            say(link, b"ticket")
            assert peer.recv(10) == b"ticket"
            peer.sendall(b"done")
            assert hear(link, b"done") == b"done"
        assert link.identity.port == ""
        with pytest.raises(LinkBroken):
            link.read(1, 1)
        link.close()
