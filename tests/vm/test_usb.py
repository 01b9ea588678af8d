"""A printer on a real USB: Debian's own kernel, its usblp and libusb; the paper is the judge. Runs inside the guest."""

from pathlib import Path

import pytest

from agent.simulator.printer import PrinterSpec
from tests.kitchen import Kitchen
from tests.vm.usb_kitchen import LP0, usb_kitchen, wait_until

pytestmark = pytest.mark.in_guest
every_cable = pytest.mark.parametrize("cable", ("usblp", "usb"))
DONE_S = 60.0


def settled(here: Kitchen, number: int) -> tuple[str, str]:
    """Wait until the cloud would be told that the ticket is done; the last that it was told."""
    here.wait_told(number, DONE_S)
    return here.ticket_states(number)[-1]


def begun(here: Kitchen, number: int) -> None:
    """Wait until this order's ticket hangs out of the printer, not cut off yet."""
    text = f"#{number}"
    assert here.device.wait_for(lambda it: text in "".join(line.text for line in it.paper.current.lines), 30)


def marks(here: Kitchen, number: int) -> list[bool]:
    """Of each whole ticket of this order: is it marked as a reprint?"""
    return [ticket.marked for ticket in here.whole(number)]


@every_cable
@pytest.mark.parametrize("tier", (1, 2, 3))
def test_an_order_is_on_paper_once(tmp_path: Path, cable: str, tier: int) -> None:
    """Over both ways to a USB printer, with what each kind of printer can prove."""
    with usb_kitchen(tmp_path, cable, PrinterSpec(tier=tier)) as here:
        for number in (1, 2, 3):
            here.order(number)
        for number in (1, 2, 3):
            assert settled(here, number) == ("completed", "presumed" if tier == 3 else "confirmed")
        assert [(ticket.number, ticket.marked, ticket.whole) for ticket in here.tickets()] == [
            ("1", False, True),
            ("2", False, True),
            ("3", False, True),
        ]


@every_cable
@pytest.mark.parametrize("cut_at", (100, 250))
def test_a_cable_pulled_within_a_ticket_is_followed_by_a_marked_whole_one(
    tmp_path: Path, cable: str, cut_at: int
) -> None:
    """Plugged in again at once: a piece that is not whole is never the last word, and never unmarked after it."""
    with usb_kitchen(tmp_path, cable, PrinterSpec(reserve_replies=False)) as here:
        here.order(1)
        settled(here, 1)
        here.idle()
        here.device.cut_link(after=cut_at)
        here.order(2)
        settled(here, 2)
        pieces = [ticket for ticket in here.tickets() if ticket.number != "1"]
        assert pieces[-1].whole
        assert all(piece.marked for piece in pieces[1:])


@every_cable
def test_a_cable_that_is_out_for_a_while_is_told_and_its_printer_is_found_again(tmp_path: Path, cable: str) -> None:
    """The alarm is up while it is out; what was ordered meanwhile comes unmarked, and what was in doubt marked."""
    with usb_kitchen(tmp_path, cable, PrinterSpec(tier=2, line_time_s=0.05)) as here:
        here.order(1)
        begun(here, 1)
        here.unplug()
        here.order(2)
        here.wait_alarm("printer:wok:away", 30)
        here.plug()
        assert settled(here, 1)[0] == settled(here, 2)[0] == "completed"
        assert all(marks(here, 1)[1:])
        assert marks(here, 2) == [False]


def test_the_alarm_of_a_cable_that_was_out_goes_when_it_is_in_again(tmp_path: Path) -> None:
    """A printer that prints is not away."""
    with usb_kitchen(tmp_path, "usblp", PrinterSpec(tier=2, line_time_s=0.05)) as here:
        here.order(1)
        begun(here, 1)
        here.unplug()
        here.wait_alarm("printer:wok:away", 30)
        here.plug()
        assert settled(here, 1)[0] == "completed"
        here.wait_no_alarm("printer:wok:away", 5)


@every_cable
def test_a_printer_that_stops_taking_bytes_is_waited_for(tmp_path: Path, cable: str) -> None:
    """A ticket larger than all buffers of the cable: said, not given up on, and whole when it goes on."""
    items = [{"name": f"鲜肉小笼包 {n}", "qty": 1, "note": "不要糖，多放醋，分开装" * 6} for n in range(250)]
    with usb_kitchen(tmp_path, cable, q_len=5) as here:
        here.order(1)
        settled(here, 1)
        here.idle()
        here.device.stall()
        here.order(2, items=items)
        here.wait_alarm("printer:wok:silent", 30)
        assert here.whole(2) == []
        here.device.stall(False)
        assert settled(here, 2)[0] == "completed"
        here.order(3)
        assert settled(here, 3)[0] == "completed"
        assert marks(here, 2)
        assert all(marks(here, 2)[1:])
        assert marks(here, 3) == [False]


@every_cable
def test_a_ticket_that_only_the_cable_has_is_not_believed_to_be_printed(tmp_path: Path, cable: str) -> None:
    """The kernel took every byte and nobody read them: not completed, until the printer goes on and says so."""
    with usb_kitchen(tmp_path, cable) as here:
        here.order(1)
        settled(here, 1)
        here.idle()
        here.device.stall()
        here.order(2)
        here.wait_alarm("printer:wok:silent", 30)
        assert ("completed", "confirmed") not in here.ticket_states(2)
        here.device.stall(False)
        assert settled(here, 2)[0] == "completed"
        assert marks(here, 2)
        assert all(marks(here, 2)[1:])


@every_cable
@pytest.mark.parametrize("tier", (1, 3))
def test_paper_that_ends_within_a_ticket_holds_it_and_its_buffer_prints_on(
    tmp_path: Path, cable: str, tier: int
) -> None:
    """A printer without a voice still has the port status of its USB socket; nothing is sent a second time."""
    with usb_kitchen(tmp_path, cable, PrinterSpec(tier=tier, realtime=tier == 1, line_time_s=0.01)) as here:
        here.order(1)
        settled(here, 1)
        here.device.run_out_of_paper(after_lines=4)
        here.order(7)
        here.wait_alarm("printer:wok:paper", 30)
        here.wait_told(7, states=("held",))
        assert here.whole(7) == []
        here.device.load_paper()
        assert settled(here, 7) == ("completed", "confirmed" if tier == 1 else "presumed")
        assert here.wait_for(7)
        assert [(ticket.number, ticket.marked) for ticket in here.tickets()] == [("1", False), ("7", False)]


@every_cable
@pytest.mark.parametrize("tier", (1, 2))
def test_a_power_cut_within_a_ticket_leaves_a_slip_and_a_marked_whole_ticket(
    tmp_path: Path, cable: str, tier: int
) -> None:
    """The printer vanishes from the bus, forgets its buffer and comes back."""
    with usb_kitchen(tmp_path, cable, PrinterSpec(tier=tier, line_time_s=0.05)) as here:
        here.order(1)
        settled(here, 1)
        here.idle()
        here.order(2)
        begun(here, 2)
        here.device.power_off()
        wait_until(lambda: not LP0.exists(), 10, "the device to vanish")
        here.device.power_on()
        settled(here, 2)
        assert marks(here, 2) == [True]
