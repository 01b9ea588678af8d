"""The plug of the whole box is pulled in the middle of a ticket; the printer outside keeps its paper.

Runs on the host, which plays the printer; each life of the box is a boot of the guest on the same drive.
"""

from pathlib import Path

import pytest

from agent.simulator.ports import serve_tcp
from agent.simulator.printer import PrinterSpec, VirtualPrinter
from tests.vm.box import booted
from tests.vm.image import ext4
from tests.vm.life import Life, papers
from tests.vm.qemu import Hardware

ORDERS = [str(number) for number in range(101, 111)]
BEGUN_S = 120.0


@pytest.mark.parametrize(("tier", "cuts"), ((1, {"103": False, "106": True}), (2, {"104": True})))
def test_a_box_whose_plug_is_pulled_within_a_ticket_loses_and_doubles_nothing(
    tmp_path: Path, tier: int, cuts: dict[str, bool]
) -> None:
    """Also when the printer's plug is pulled with it: each order is on paper whole, and again only under the banner."""
    disk, acknowledged = ext4(tmp_path / "data.img", 64, "data"), set[str]()
    with VirtualPrinter(PrinterSpec(tier=tier, line_time_s=0.05)) as device, serve_tcp(device) as port:
        for cut_at in (*cuts, None):
            with booted(hardware=Hardware(drives=(disk,), ports={"printer": port.port})) as box:
                life = Life(box)
                life.order(*(number for number in ORDERS if number not in acknowledged))
                life.run("tests.vm.relay")
                life.run("tests.vm.shop", "usblp:/dev/usb/lp0", "/data/shop")
                if cut_at is not None:
                    begun(device, cut_at)
                    box.pull_the_plug()
                    if cuts[cut_at]:
                        device.power_cycle()
                else:
                    for number in ORDERS:
                        life.wait_said(f"done {number}")
            acknowledged |= life.acknowledged()
        judge(device)


def begun(device: VirtualPrinter, number: str) -> None:
    """Wait until this order's ticket hangs out of the printer."""
    text = f"#{number}"
    assert device.wait_for(lambda it: text in "".join(line.text for line in it.paper.current.lines), BEGUN_S)


def judge(device: VirtualPrinter) -> None:
    """Nothing lost, nothing doubled unmarked, nothing torn as the last word."""
    for number in ORDERS:
        pieces = [ticket for ticket in papers(device) if f"#{number}" in ticket.text]
        assert pieces, f"order {number} is lost"
        assert pieces[-1].whole, f"order {number} is torn: {pieces}"
        assert all(piece.marked for piece in pieces[1:]), f"order {number} is doubled: {pieces}"
