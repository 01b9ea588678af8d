"""Serial lines: XON/XOFF, a printer that is switched off and on, and cables that come back under another name."""

import errno
import os
import struct
import termios
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from agent.errors import LinkBroken, Unavailable
from agent.model.link import Flow
from agent.model.link import SerialLink as Settings
from agent.printers.link import Link
from agent.printers.serial import SerialConnector
from agent.simulator.ports import serve_pty
from agent.simulator.printer import VirtualPrinter
from tests.plugged import Machine
from tests.wire import TEXT, Line, answer, hear, say, ticket

XON, XOFF = b"\x11", b"\x13"


class ModemLines:
    """Answers for the lines that a pty lacks."""

    def __init__(self, dsr: bool) -> None:
        self.dsr = dsr
        self.there = True

    def __call__(self, descriptor: int, request: int, data: bytes) -> bytes:
        """As fcntl.ioctl."""
        assert descriptor >= 0
        if not self.there:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        assert (request, len(data)) == (termios.TIOCMGET, 4)
        return struct.pack("I", termios.TIOCM_DSR if self.dsr else 0)


@pytest.fixture
def line() -> Iterator[Line]:
    """A printer that the test plays."""
    line = Line()
    yield line
    line.unplug()


def xonxoff(line: Line, baud: int = 9600) -> SerialConnector:
    """To a printer that says stop and go on."""
    return SerialConnector(Settings(line.path, baud, "xonxoff"))


def turn(link: Link, line: Line, seconds: float) -> bytes:
    """Let the link work for a while; what arrived."""
    arrived = b""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert link.read(1, 0.01) == b""
        arrived += line.hears(10_000, 0.001)
    return arrived


@pytest.mark.parametrize("flow", ("none", "xonxoff", "rtscts"))
def test_a_ticket_is_printed_whole_and_confirmed(flow: Flow) -> None:
    """Whatever the flow control."""
    with VirtualPrinter() as printer, serve_pty(printer) as port:
        link = SerialConnector(Settings(port.path, 115200, flow)).open()
        say(link, ticket(TEXT, "00A1"))
        hear(link, answer("00A1"))
        link.close()
        (piece,) = printer.paper.pieces
        assert piece.text.split() == TEXT.decode().split()


def test_a_break_is_no_byte(line: Line) -> None:
    """Which a printer says when it is switched off or on. A pty can't say one: the line's settings must do."""
    with closing(SerialConnector(Settings(line.path, 9600, "none")).open()), Path(line.path).open("rb", 0) as same:
        assert termios.tcgetattr(same)[0] & termios.IGNBRK


def test_flow_bytes_are_no_part_of_an_answer(line: Line) -> None:
    """XOFF may interrupt one; and where there is no such flow control, these bytes are bytes."""
    link = xonxoff(line).open()
    line.says(b"\x37" + XOFF + b"\x2200A1" + XON + b"\0")
    assert hear(link, b"\0") == answer("00A1")
    link.close()
    link = SerialConnector(Settings(line.path)).open()
    line.says(XOFF + XON)
    assert hear(link, XON) == XOFF + XON
    link.close()


def test_a_printer_that_says_stop_gets_no_more_than_it_has_room_for(line: Line) -> None:
    """Even the smallest reserve of 128 bytes is not overrun; and on XON all the rest comes."""
    link = xonxoff(line).open()
    data = bytes(range(32, 127)) * 10
    assert link.write(data, 1) == len(data)
    arrived = b""
    while len(arrived) < 300:
        arrived += turn(link, line, 0.02)
    line.says(XOFF)
    after = turn(link, line, 0.3)
    assert len(after) <= 64
    assert link.unsent() == len(data) - len(arrived) - len(after)
    line.says(XON)
    rest = b""
    while link.unsent():
        rest += turn(link, line, 0.05)
    rest += line.hears(10_000, 0.1)
    assert arrived + after + rest == data
    link.close()


def test_what_is_given_to_the_kernel_is_never_far_ahead_of_the_wire(line: Line) -> None:
    """Or a stop would come too late for all that the kernel and the adapter hold."""
    link = xonxoff(line, 2400).open()
    started = time.monotonic()
    assert link.write(b"x" * 4000, 1) == 4000
    arrived = len(turn(link, line, 0.5))
    assert 60 <= arrived <= 64 + 240 * (time.monotonic() - started)
    link.close()


def test_a_stopped_printer_takes_no_more_in_time_and_a_new_link_starts_afresh(line: Line) -> None:
    """A lost XON ends with the link; what was held back is dropped with it."""
    cable = xonxoff(line)
    link = cable.open()
    line.says(XOFF)
    assert link.read(1, 0.05) == b""
    assert link.write(b"x" * 5000, 0.1) == 4096
    started = time.monotonic()
    assert link.write(b"x", 0.2) == 0
    assert 0.1 < time.monotonic() - started < 1
    assert link.unsent() == 4096
    assert line.hears(1, 0.1) == b""
    link.close()
    link = cable.open()
    assert link.write(b"y", 1) == 1
    assert line.hears(10, 0.2) == b"y"
    link.close()


def test_an_xon_that_nobody_waits_for_says_that_the_printer_was_off(line: Line) -> None:
    """Its memory is empty: whatever was under way is in doubt."""
    link = xonxoff(line).open()
    say(link, b"half a ticket")
    line.says(XON)
    with pytest.raises(LinkBroken, match="switched off and on"):
        link.read(10, 1)
    with pytest.raises(LinkBroken):
        link.write(b"the other half", 0.1)
    link.close()


def test_an_xon_is_expected_after_a_stop_and_before_the_first_byte(line: Line) -> None:
    """A printer may have been stopped when the link was opened, or have just been switched on."""
    link = xonxoff(line).open()
    line.says(XON)
    assert link.read(10, 0.1) == b""
    say(link, b"x")
    line.says(XOFF + XON)
    assert link.read(10, 0.1) == b""
    assert link.write(b"y", 0.5) == 1
    assert line.hears(2) == b"xy"
    link.close()


def test_a_clone_that_says_xon_at_every_reset_prints_in_the_end(line: Line) -> None:
    """Three links are given up for it, then it is known."""
    cable = xonxoff(line)
    for _ in range(3):
        link = cable.open()
        say(link, b"\x1b@")
        line.says(XON)
        with pytest.raises(LinkBroken):
            link.read(1, 1)
        link.close()
    for _ in range(2):
        link = cable.open()
        say(link, b"\x1b@")
        line.says(XON + b"ok")
        assert hear(link, b"ok") == b"ok"
        link.close()


@pytest.mark.parametrize("flow", ("none", "xonxoff"))
def test_a_dsr_line_that_drops_says_that_the_printer_is_off(line: Line, flow: Flow) -> None:
    """Told at the next call, whichever that is."""
    lines = ModemLines(dsr=True)
    link = SerialConnector(Settings(line.path, flow=flow), ioctl=lines).open()
    say(link, b"x")
    assert link.read(1, 0.01) == b""
    lines.dsr = False
    with pytest.raises(LinkBroken, match="DSR"):
        link.write(b"x", 0.1)
    with pytest.raises(LinkBroken, match="DSR"):
        link.read(1, 0.1)
    link.close()


@pytest.mark.parametrize(("flow", "dsr"), [("none", False), ("xonxoff", False), ("rtscts", True)])
def test_a_dsr_line_that_tells_nothing_is_not_watched(line: Line, flow: Flow, dsr: bool) -> None:
    """It is not wired, or with RTS/CTS may say busy as well."""
    lines = ModemLines(dsr)
    link = SerialConnector(Settings(line.path, flow=flow), ioctl=lines).open()
    lines.dsr = False
    say(link, b"x")
    assert link.read(1, 0.01) == b""
    link.close()


def test_a_cable_whose_lines_can_not_be_read_any_more_was_unplugged(line: Line) -> None:
    """The adapter answers no more."""
    lines = ModemLines(dsr=True)
    link = SerialConnector(Settings(line.path), ioctl=lines).open()
    lines.there = False
    with pytest.raises(LinkBroken):
        link.read(1, 0.1)
    link.close()


@pytest.mark.parametrize("flow", ("none", "xonxoff"))
def test_an_unplugged_cable_breaks_the_link_and_closing_takes_no_time(line: Line, flow: Flow) -> None:
    """Even with a ticket in the queue: the kernel would wait for it half a minute."""
    link = SerialConnector(Settings(line.path, flow=flow)).open()
    line.says(XOFF if flow == "xonxoff" else b"")
    link.read(1, 0.05)
    while link.write(b"x" * 4096, 0.05):
        pass
    unplug = threading.Timer(0.1, line.unplug)
    unplug.start()
    started = time.monotonic()
    with pytest.raises(LinkBroken):
        link.read(1, 5)
    with pytest.raises(LinkBroken):
        link.write(b"x", 1)
    link.close()
    assert time.monotonic() - started < 2
    unplug.join()


def test_a_line_is_one_programs(line: Line) -> None:
    """And is free again when that one closes it."""
    link = SerialConnector(Settings(line.path)).open()
    with pytest.raises(Unavailable, match="another program holds"):
        SerialConnector(Settings(line.path)).open()
    link.close()
    SerialConnector(Settings(line.path)).open().close()


# -- where it is plugged in --------------------------------------------------------------------------------------------


def to(machine: Machine, device: Path, port: str = "", *, alone: bool = False) -> SerialConnector:
    """To this device of the machine."""
    return SerialConnector(Settings(str(device)), port, alone=alone, sys=machine.sys, dev=machine.dev)


def arrives(link: Link, line: Line) -> bool:
    """Does this link lead to that printer?"""
    say(link, b"hello")
    return line.hears(5, 0.3) == b"hello"


def adapter(machine: Machine, port: str) -> None:
    """A clone's cable: without a serial number, like all its brothers."""
    machine.usb(port, "1a86:7523", product="USB Serial")


def test_a_cable_that_comes_back_under_another_name_is_the_same_printer(tmp_path: Path, line: Line) -> None:
    """By its port; what now has its old name is another printer, and gets nothing."""
    machine, other = Machine(tmp_path), Line()
    adapter(machine, "1-1.2")
    device = machine.tty("1-1.2", "ttyUSB0", line.path)
    cable = to(machine, device)
    link = cable.open()
    assert (link.identity.port, link.identity.device) == ("1-1.2", "1a86:7523 USB Serial")
    link.close()
    machine.unplug("ttyUSB0")
    adapter(machine, "1-1.3")
    assert machine.tty("1-1.3", "ttyUSB0", other.path) == device
    with pytest.raises(Unavailable, match=r"ttyUSB0 is at USB port 1-1.3 now, and this printer was at 1-1.2: plug"):
        cable.open()
    machine.tty("1-1.2", "ttyUSB1", line.path)
    link = cable.open()
    assert arrives(link, line)
    assert other.hears(1, 0.05) == b""
    link.close()
    other.unplug()


def test_an_only_printer_may_move_to_another_port(tmp_path: Path, line: Line) -> None:
    """Nothing else could be meant by it; as soon as two adapters look alike it is asked for."""
    machine, other, third = Machine(tmp_path), Line(), Line()
    adapter(machine, "1-1.2")
    device = machine.tty("1-1.2", "ttyUSB0", line.path)
    cable = to(machine, device, alone=True)
    cable.open().close()
    machine.unplug("ttyUSB0")
    adapter(machine, "1-1.4")
    machine.tty("1-1.4", "ttyUSB1", line.path)
    link = cable.open()
    assert link.identity.port == "1-1.4"
    assert arrives(link, line)
    link.close()
    machine.unplug("ttyUSB1")
    for port, name, path in (("1-1.5", "ttyUSB2", other.path), ("1-1.3", "ttyUSB3", third.path)):
        adapter(machine, port)
        machine.tty(port, name, path)
    with pytest.raises(Unavailable, match=r"plug the printer's cable into USB port 1-1\.4"):
        cable.open()
    cable.forget()
    adapter(machine, "1-1.6")
    machine.tty("1-1.6", "ttyUSB0", line.path)
    cable.open().close()
    other.unplug()
    third.unplug()


def test_the_port_is_known_from_before_the_start(tmp_path: Path, line: Line) -> None:
    """The names may have been given out anew while the agent was away."""
    machine, other = Machine(tmp_path), Line()
    for port in ("1-1.2", "1-1.3"):
        adapter(machine, port)
    device = machine.tty("1-1.3", "ttyUSB0", other.path)
    machine.tty("1-1.2", "ttyUSB1", line.path)
    link = to(machine, device, "1-1.2").open()
    assert arrives(link, line)
    link.close()
    machine.unplug("ttyUSB1")
    machine.unplug("ttyUSB0")
    with pytest.raises(Unavailable, match=r"plug the printer's cable into USB port 1-1.2 again"):
        to(machine, device, "1-1.2").open()
    other.unplug()


def test_two_lines_of_one_adapter_are_two_places(tmp_path: Path, line: Line) -> None:
    """An adapter with two plugs is at one port."""
    machine, other = Machine(tmp_path), Line()
    machine.usb("1-1", "0403:6010", "FT123", "FTDI", "Dual RS232")
    first = machine.tty("1-1", "ttyUSB0", line.path)
    second = machine.tty("1-1", "ttyUSB1", other.path, line="1")
    links = [to(machine, device).open() for device in (first, second)]
    assert [link.identity.port for link in links] == ["1-1", "1-1:1.0"]
    assert {link.identity.device for link in links} == {"0403:6010 FT123 FTDI Dual RS232"}
    for link in links:
        link.close()
    link = to(machine, first, "1-1:1.0").open()
    assert arrives(link, other)
    link.close()
    other.unplug()


def test_a_link_that_names_its_port_and_a_line_of_the_board_are_not_bound(tmp_path: Path, line: Line) -> None:
    """A by-path name holds when the buses are numbered anew; a board's line can't move."""
    machine, board = Machine(tmp_path), Line()
    adapter(machine, "1-1.2")
    machine.tty("1-1.2", "ttyUSB0", line.path)
    name = machine.dev / "serial" / "by-path" / "pci-0000:00:14.0-usb-0:1.2:1.0-port0"
    name.parent.mkdir(parents=True)
    name.symlink_to("../../ttyUSB0")
    link = to(machine, name, "3-1.2").open()
    assert link.identity.port == "1-1.2"
    assert arrives(link, line)
    link.close()
    device = machine.chip("fe201000.serial", "ttyAMA0", board.path)
    link = to(machine, device, "uart0/ttyAMA0").open()
    assert (link.identity.port, link.identity.device) == ("fe201000.serial/ttyAMA0", "")
    assert arrives(link, board)
    link.close()
    board.unplug()


def test_a_cable_that_was_never_there_is_asked_for_by_its_name(tmp_path: Path) -> None:
    """No port is known yet."""
    machine = Machine(tmp_path)
    with pytest.raises(Unavailable, match=r"there is no .*ttyUSB0: plug the printer's cable in"):
        to(machine, machine.dev / "ttyUSB0").open()
