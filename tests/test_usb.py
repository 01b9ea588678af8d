"""Printers over libusb: pyusb itself, on a USB that is made up, with virtual printers on it."""

import errno
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.errors import LinkBroken, Unavailable
from agent.model.link import UsbLink as Settings
from agent.model.link import parse_link
from agent.model.printer import Need
from agent.printers import libusb
from agent.printers.usb import UsbConnector
from agent.simulator.printer import PrinterSpec, VirtualPrinter
from tests.fakeusb import IN, OUT, PRINTER, VENDOR, Bus, Device, Interface
from tests.plugged import Machine
from tests.wire import TEXT, answer, hear, say, ticket


@pytest.fixture
def printer() -> Iterator[VirtualPrinter]:
    """One that answers everything."""
    with VirtualPrinter() as printer:
        yield printer


def connector(bus: Bus, link: str = "usb://04b8:0202", machine: Machine | None = None) -> UsbConnector:
    """A way to what this link names."""
    settings = parse_link(link)
    assert isinstance(settings, Settings)
    return UsbConnector(settings, machine.sys if machine else Path("/nowhere"), bus)


@pytest.mark.parametrize("most", (10_000, 37, 1))
def test_a_ticket_is_printed_whole_and_confirmed_however_short_the_writes(printer: VirtualPrinter, most: int) -> None:
    """What a write did not take is written next: nothing is lost, nothing is doubled."""
    text = TEXT if most > 1 else TEXT[:200]
    device = Device(printer)
    device.most = most
    link = connector(Bus(device)).open()
    data = ticket(text, "00A1")
    while data:
        data = data[link.write(data, 0.001) :]
    hear(link, answer("00A1"))
    link.close()
    (piece,) = printer.paper.pieces
    assert piece.text.split() == text.decode().split()


def test_a_printer_that_takes_nothing_is_waited_for_no_longer_than_asked() -> None:
    """And once it goes on, every byte that counted as taken is on paper once."""
    with VirtualPrinter(PrinterSpec(buffer_bytes=2048, margin_bytes=0)) as printer:
        link = connector(Bus(Device(printer))).open()
        printer.open_cover()
        data = ticket(TEXT, "00A1")
        while taken := link.write(data, 0.05):
            data = data[taken:]
        assert data, "it took all"
        started = time.monotonic()
        assert link.write(data, 0.2) == 0
        assert 0.1 < time.monotonic() - started < 1
        assert link.unsent() == 0
        printer.close_cover()
        say(link, data)
        hear(link, answer("00A1"))
        (piece,) = printer.paper.pieces
        assert piece.text.split() == TEXT.decode().split()
        link.close()


def test_silence_takes_as_long_as_asked_and_empty_packets_are_not_the_end(printer: VirtualPrinter) -> None:
    """Some printers send empty packets for ever while they have nothing to say."""
    device = Device(printer)
    link = connector(Bus(device)).open()
    for _ in range(2):
        started = time.monotonic()
        assert link.read(10, 0.1) == b""
        assert 0.05 < time.monotonic() - started < 1
        device.answers.extend([b""] * 3)
    assert link.read(10, 0.0) == b""
    device.answers.extend([b"", b"word"])
    assert link.read(10, 1) == b"word"
    link.close()


def test_an_answer_longer_than_asked_for_is_read_in_pieces(printer: VirtualPrinter) -> None:
    """On the USB less than a whole packet can't be asked for: the rest is kept."""
    device = Device(printer)
    link = connector(Bus(device)).open()
    device.send(bytes(range(100)))
    assert b"".join(link.read(7, 0.2) for _ in range(15)) == bytes(range(100))
    link.close()


@pytest.mark.parametrize("endpoint", (OUT, IN))
def test_a_stall_breaks_the_link_and_the_next_one_works(printer: VirtualPrinter, endpoint: int) -> None:
    """What was under way is in doubt; the endpoint is freed."""
    device = Device(printer)
    cable = connector(Bus(device))
    link = cable.open()
    device.stalled.add(endpoint)
    with pytest.raises(LinkBroken):
        link.write(b"x", 0.1) if endpoint == OUT else link.read(1, 0.1)
    link.close()
    link = cable.open()
    say(link, ticket(b"x\n", "00A1"))
    hear(link, answer("00A1"))
    link.close()


def test_an_unplugged_printer_breaks_the_link_and_can_be_opened_when_it_is_back(printer: VirtualPrinter) -> None:
    """Whatever is asked of it; closing never raises."""
    device = Device(printer)
    bus = Bus(device)
    cable = connector(bus)
    link = cable.open()
    printer.power_off()
    with pytest.raises(LinkBroken):
        link.write(b"x", 0.1)
    with pytest.raises(LinkBroken):
        link.read(1, 0.1)
    with pytest.raises(LinkBroken):
        link.needs()
    link.close()
    link.close()
    assert not bus.handles
    with pytest.raises(Unavailable, match="check the printer's cable and its switch"):
        cable.open()
    printer.power_on()
    bus.devices[:] = [Device(printer)]
    link = cable.open()
    say(link, ticket(b"x\n", "00A1"))
    hear(link, answer("00A1"))
    link.close()


def test_a_closed_link_stays_closed(printer: VirtualPrinter) -> None:
    """pyusb would open it again by itself, and hold the printer for ever."""
    bus = Bus(Device(printer))
    link = connector(bus).open()
    link.close()
    with pytest.raises(LinkBroken):
        link.write(b"x", 0.1)
    with pytest.raises(LinkBroken):
        link.read(1, 0.1)
    link.needs()
    assert not bus.handles


def test_an_answer_that_nobody_has_read_survives_the_next_opening(printer: VirtualPrinter) -> None:
    """It may be the word on a ticket in doubt: a printer is neither reset nor configured anew."""
    cable = connector(Bus(Device(printer)))
    link = cable.open()
    say(link, ticket(b"x\n", "00A1"))
    link.close()
    link = cable.open()
    hear(link, answer("00A1"))
    link.close()


def test_a_printer_that_is_not_configured_is_configured(printer: VirtualPrinter) -> None:
    """The kernel does it as a rule."""
    device = Device(printer)
    device.configured = False
    link = connector(Bus(device)).open()
    say(link, ticket(b"x\n", "00A1"))
    hear(link, answer("00A1"))
    link.close()


@pytest.mark.parametrize(
    ("interfaces", "chosen"),
    [
        ([Interface(0, PRINTER)], (0, 0)),
        ([Interface(0, VENDOR)], (0, 0)),
        ([Interface(0, VENDOR), Interface(1, PRINTER)], (1, 0)),
        ([Interface(0, PRINTER, protocol=4), Interface(1, PRINTER, protocol=1, talks=False)], (1, 0)),
        ([Interface(0, PRINTER, 1, talks=False), Interface(0, PRINTER, 2, alternate=1)], (0, 1)),
        ([Interface(0, 0x08), Interface(1, VENDOR)], (1, 0)),
    ],
)
def test_the_interface_is_chosen_by_what_it_says_of_itself(
    printer: VirtualPrinter, interfaces: list[Interface], chosen: tuple[int, int]
) -> None:
    """The printer class before a vendor's own, both ways before one, and never IPP over USB."""
    device = Device(printer, "04b8:0202", "1-1", *interfaces)
    link = connector(Bus(device)).open()
    assert (device.claimed, device.alternate) == ({chosen[0]}, chosen[1])
    say(link, ticket(b"x\n", "00A1"))
    talks = next(i.talks for i in interfaces if (i.number, i.alternate) == chosen)
    if talks:
        hear(link, answer("00A1"))
    else:
        assert link.read(10, 0.05) == b""
    assert len(printer.paper.pieces) == 1
    link.close()
    assert not device.claimed


@pytest.mark.parametrize("interface", (Interface(0, 0x08), Interface(0, VENDOR, talks=False)))
def test_what_is_no_printer_is_not_printed_on(printer: VirtualPrinter, interface: Interface) -> None:
    """A wrong number in the configuration may lead to a disk."""
    bus = Bus(Device(printer, "04b8:0202", "1-1", interface))
    with pytest.raises(Unavailable, match="lsusb"):
        connector(bus).open()
    assert not bus.handles


def test_a_printer_of_the_kernels_is_left_alone_unless_asked_for(printer: VirtualPrinter) -> None:
    """And given back afterwards."""
    device = Device(printer)
    device.drivers.add(0)
    bus = Bus(device)
    with pytest.raises(Unavailable, match=r"usblp:port/1-1.2, or \?detach=yes"):
        connector(bus).open()
    assert (device.drivers, bus.handles) == ({0}, [])
    link = connector(bus, "usb://04b8:0202?detach=yes").open()
    say(link, ticket(b"x\n", "00A1"))
    hear(link, answer("00A1"))
    assert device.drivers == set()
    link.close()
    assert (device.drivers, bus.handles) == ({0}, [])


def test_a_printer_that_somebody_else_holds_goes_back_to_the_kernel(printer: VirtualPrinter) -> None:
    """Nothing is left half taken."""
    device = Device(printer)
    device.drivers.add(0)
    device.taken = True
    bus = Bus(device)
    with pytest.raises(Unavailable, match="another program holds"):
        connector(bus, "usb://04b8:0202?detach=yes").open()
    assert not bus.handles
    assert device.drivers == {0}


def test_of_two_printers_of_one_model_it_must_be_said_which(tmp_path: Path, printer: VirtualPrinter) -> None:
    """By port or by serial number; the other one's paper stays white."""
    machine = Machine(tmp_path)
    machine.usb("1-1.1", "04b8:0202", "AAA", "EPSON", "TM-T88")
    machine.usb("1-1.2", "04b8:0202", "BBB", "EPSON", "TM-T88")
    with VirtualPrinter() as other:
        bus = Bus(Device(other, port="1-1.1"), Device(printer, port="1-1.2"))
        with pytest.raises(Unavailable, match=r"2 printers: write one of usb:port/1-1.1, usb:port/1-1.2"):
            connector(bus, machine=machine).open()
        for turn, text in enumerate(("usb://04b8:0202/BBB", "usb:port/1-1.2"), 1):
            link = connector(bus, text, machine).open()
            say(link, ticket(b"x\n", "00A1"))
            hear(link, answer("00A1"))
            assert link.identity.port == "1-1.2"
            assert link.identity.device == "04b8:0202 BBB EPSON TM-T20II ESC/POS"
            link.close()
            assert (len(printer.paper.pieces), len(other.paper.pieces)) == (turn, 0)
        with pytest.raises(Unavailable, match="there is no usb://04b8:0202/CCC"):
            connector(bus, "usb://04b8:0202/CCC", machine).open()


@pytest.mark.parametrize(
    ("refused", "says"), [(errno.EACCES, "60-shop-agent-printers.rules"), (errno.ENODEV, "went away"), (5, "1-1.2")]
)
def test_what_can_not_be_opened_says_what_to_do(printer: VirtualPrinter, refused: int, says: str) -> None:
    """To an installer."""
    device = Device(printer)
    device.refused = refused
    with pytest.raises(Unavailable, match=says):
        connector(Bus(device)).open()


def test_without_libusb_the_answer_is_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """pyusb comes with the agent, libusb from Debian."""
    monkeypatch.setattr(libusb, "LIBRARY", "libusb-of-no-machine.so.0")
    with pytest.raises(Unavailable, match=r"apt install libusb-1.0-0"):
        UsbConnector(Settings("04b8:0202")).open()


def test_nothing_of_the_usb_is_loaded_before_a_link_is_opened() -> None:
    """A shop without such a printer pays nothing."""
    import subprocess

    code = "import sys, agent.app; print([m for m in sys.modules if m == 'usb' or m.startswith(('usb.', 'ctypes'))])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert run.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("status", "need"), [(0x18, None), (0x38, Need.PAPER), (0x08, Need.OFFLINE), (0x10, Need.OFFLINE)]
)
def test_trouble_that_the_port_tells_is_believed_of_a_printer_that_was_well(
    printer: VirtualPrinter, status: int, need: Need | None
) -> None:
    """By the printer class's own request."""
    device = Device(printer)
    cable = connector(Bus(device))
    link = cable.open()
    assert link.needs() == frozenset()
    device.port_status = status
    assert link.needs() == (frozenset() if need is None else {need})
    link.close()
    link = cable.open()
    assert link.needs() == frozenset(), "this link has not heard it to be well"
    link.close()


def test_a_printer_that_refuses_the_status_request_is_not_asked_again(printer: VirtualPrinter) -> None:
    """Nor is one of a vendor's own class, which need not know it."""
    device = Device(printer)
    link = connector(Bus(device)).open()
    assert link.needs() == frozenset()
    device.port_status = None
    assert link.needs() == frozenset()
    device.port_status = 0x38
    assert link.needs() == frozenset()
    link.close()
    device.interfaces = (Interface(0, VENDOR),)
    device.port_status = 0x18
    link = connector(Bus(device)).open()
    assert link.needs() == frozenset()
    device.port_status = 0x38
    assert link.needs() == frozenset()
    link.close()
