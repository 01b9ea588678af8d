"""Finding printers by a real kernel's files: with its driver and without it, configured and not, and while one prints.

Runs inside the guest, on its two USB sockets.
"""

from pathlib import Path

import pytest

from agent.model.link import parse_link
from agent.printers.discovery import discover
from agent.simulator.printer import PrinterSpec
from tests.vm.configfs import SOCKETS
from tests.vm.usb_kitchen import usb_kitchen

pytestmark = pytest.mark.in_guest
DONE_S = 60.0


@pytest.mark.parametrize(("cable", "links"), [("usblp", "usblp:port/{}"), ("usb", "usb:port/{}")])
def test_what_is_plugged_in_is_found_by_its_port_and_left_alone(tmp_path: Path, cable: str, links: str) -> None:
    """Two of one model: each at its port; the configured one is marked, and prints on while it is looked at."""
    ours, other = (links.format(port) for port in ("1-1", "2-1"))
    with (
        usb_kitchen(tmp_path / "a", cable, PrinterSpec(), ours, name="a") as here,
        usb_kitchen(tmp_path / "b", cable, PrinterSpec(), other, name="b", socket=SOCKETS[1]) as there,
    ):
        known = {"wok": parse_link(ours)}
        for number in range(1, 6):
            here.order(number)
            found = {each.link: each for each in discover(known)}
            assert set(found) == {ours, other}
        assert [found[link].in_use for link in (ours, other)] == ["wok", ""]
        assert found[other].kind == cable
        assert found[other].name
        assert found[other].note == ""
        for number in range(1, 6):
            here.wait_told(number, DONE_S)
        assert [ticket.number for ticket in here.tickets()] == ["1", "2", "3", "4", "5"]
        assert there.tickets() == []
        assert here.alarms() == there.alarms() == {}
        there.unplug()
        assert [each.link for each in discover(known)] == [ours]
