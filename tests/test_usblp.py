"""Printers of the kernel's driver usblp, stood in for by ptys: what a write that hangs may and may not do."""

import errno
import os
import signal
import struct
import termios
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.errors import LinkBroken, Unavailable
from agent.model.link import UsblpLink as Settings
from agent.model.link import parse_link
from agent.model.printer import Need
from agent.printers.usblp import LPGETSTATUS, LPIOC_GET_DEVICE_ID, LPIOC_GET_VID_PID, UsblpConnector
from agent.simulator.ports import serve_pty
from agent.simulator.printer import VirtualPrinter
from tests.plugged import Machine
from tests.wire import TEXT, Line, answer, hear, say, ticket


class Kernel:
    """Answers the driver's questions: a port status, a device ID, and whether the printer is still there."""

    def __init__(self) -> None:
        self.status: int | None = 0x18
        self.printer_id = b""
        self.there = True
        self.asked_status = 0

    def __call__(self, descriptor: int, request: int, data: bytes) -> bytes:
        """As fcntl.ioctl."""
        assert descriptor >= 0
        if not self.there:
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
        match request:
            case value if value == LPGETSTATUS:
                self.asked_status += 1
                if self.status is None:
                    raise OSError(errno.EIO, os.strerror(errno.EIO))
                return struct.pack("i", self.status)
            case value if value == LPIOC_GET_DEVICE_ID and self.printer_id:
                return (struct.pack(">H", len(self.printer_id) + 2) + self.printer_id).ljust(len(data), b"\0")
            case value if value == LPIOC_GET_VID_PID:
                return data
        raise OSError(errno.ENOTTY, os.strerror(errno.ENOTTY))


@pytest.fixture
def line() -> Iterator[Line]:
    """A printer that takes only what the test makes it take."""
    line = Line()
    yield line
    line.unplug()
    assert comes_true(lambda: writers() == 0), "a thread was left behind"


@pytest.fixture
def kernel() -> Kernel:
    """The driver."""
    return Kernel()


def connector(line: Line, kernel: Kernel) -> UsblpConnector:
    """To the printer at this path."""
    return UsblpConnector(Settings(line.path), ioctl=kernel)


def writers() -> int:
    """How many threads wait for printers."""
    return sum(thread.name == "usblp-writer" for thread in threading.enumerate())


def comes_true(what: Callable[[], bool], within_s: float = 5.0) -> bool:
    """Wait for something that another thread does."""
    deadline = time.monotonic() + within_s
    pause = threading.Event()
    while not what() and time.monotonic() < deadline:
        pause.wait(0.01)
    return what()


def fill(link: object, limit: int = 1_000_000) -> int:
    """Write until the printer takes no more; how much it took."""
    taken = 0
    while count := link.write(b"x" * 5000, 0.3):  # type: ignore[attr-defined]  # any link
        taken += count
        assert taken < limit
    return taken


def test_a_ticket_is_printed_whole_and_confirmed() -> None:
    """Bytes out and the answer in, over one descriptor."""
    with VirtualPrinter() as printer, serve_pty(printer) as port:
        link = UsblpConnector(Settings(port.path)).open()
        say(link, ticket(TEXT, "00A1"))
        hear(link, answer("00A1"))
        link.close()
        (piece,) = printer.paper.pieces
        assert piece.text.split() == TEXT.decode().split()


def test_a_write_that_hangs_takes_nothing_more_and_says_so_in_time(line: Line, kernel: Kernel) -> None:
    """One piece is handed over at a time, and known as unsent until the printer has it."""
    link = connector(line, kernel).open()
    taken = fill(link)
    started = time.monotonic()
    assert link.write(b"more", 0.2) == 0
    assert 0.1 < time.monotonic() - started < 1
    assert 0 < link.unsent() <= 4096
    assert len(line.hears(taken)) == taken
    assert comes_true(lambda: link.unsent() == 0)
    assert link.write(b"more", 1) == 4
    assert line.hears(4) == b"more"
    link.close()


def test_a_printer_whose_write_hangs_can_still_be_heard(line: Line, kernel: Kernel) -> None:
    """It says why it takes nothing."""
    link = connector(line, kernel).open()
    fill(link)
    line.says(b"\x1a")
    assert link.read(10, 1) == b"\x1a"
    kernel.there = False
    assert link.read(10, 0.01) == b""  # a stuck printer is not asked whether it is there
    link.close()


def test_closing_returns_at_once_and_reopening_is_refused_while_a_write_hangs(line: Line, kernel: Kernel) -> None:
    """However often it is tried: one thread hangs, and not one a try; when the printer goes on, so does the shop."""
    cable = connector(line, kernel)
    link = cable.open()
    taken = fill(link)
    started = time.monotonic()
    link.close()
    assert time.monotonic() - started < 1
    for _ in range(5):
        with pytest.raises(Unavailable, match="busy"):
            cable.open()
    assert writers() == 1
    assert len(line.hears(taken, 2)) > 0
    assert comes_true(lambda: writers() == 0)
    again = cable.open()
    assert again.write(b"x", 1) == 1
    again.close()


def test_no_thread_and_no_descriptor_is_left_by_links_that_were_closed(line: Line, kernel: Kernel) -> None:
    """A flapping cable must not eat the box."""
    cable = connector(line, kernel)
    cable.open().close()
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(20):
        link = cable.open()
        assert link.write(b"x", 1) == 1
        link.close()
        assert comes_true(lambda: not link.hangs())  # noqa: B023  # called within the turn
    assert writers() == 0
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_an_unplugged_printer_ends_a_write_that_hangs(line: Line, kernel: Kernel) -> None:
    """It is told at the next call, whichever that is, and the thread goes with the link."""
    cable = connector(line, kernel)
    link = cable.open()
    fill(link)
    line.unplug()
    with pytest.raises(LinkBroken):
        link.write(b"more", 2)
    with pytest.raises(LinkBroken):
        link.unsent()
    with pytest.raises(LinkBroken):
        link.read(1, 0)
    link.close()
    assert comes_true(lambda: writers() == 0)
    with pytest.raises(Unavailable, match="check the printer's cable"):
        cable.open()


def test_a_printer_unplugged_after_its_link_was_closed_frees_the_thread(line: Line, kernel: Kernel) -> None:
    """Paper out, given up, and then switched off: nothing is left behind."""
    link = connector(line, kernel).open()
    fill(link)
    link.close()
    assert writers() == 1
    line.unplug()
    assert comes_true(lambda: writers() == 0)


def test_unplugging_is_noticed_while_nothing_is_printed(line: Line, kernel: Kernel) -> None:
    """By a printer that talks, and by one that never answers, of which the driver's poll tells nothing."""
    link = connector(line, kernel).open()
    assert link.read(1, 0.01) == b""
    kernel.there = False
    with pytest.raises(LinkBroken):
        link.read(1, 0.01)
    kernel.there = True
    line.unplug()
    with pytest.raises(LinkBroken):
        link.read(1, 0.01)
    link.close()


def test_a_read_of_no_bytes_is_not_the_end(line: Line, kernel: Kernel) -> None:
    """usblp hands on empty packets. A pty does it with an end-of-file character."""
    mode = termios.tcgetattr(line._slave)
    mode[3] |= termios.ICANON
    termios.tcsetattr(line._slave, termios.TCSANOW, mode)
    link = connector(line, kernel).open()
    line.says(b"\x04")
    started = time.monotonic()
    assert link.read(10, 0.2) == b""
    assert 0.15 < time.monotonic() - started < 1
    line.says(b"\x04\x04ok\n")
    assert link.read(10, 2) == b"ok\n"
    link.close()


@pytest.mark.parametrize(
    ("status", "need"),
    [
        (0x18, None),
        (0x58, None),
        (0x38, Need.PAPER),
        (0x20, Need.PAPER),
        (0x08, Need.OFFLINE),
        (0x10, Need.OFFLINE),
        (0, Need.OFFLINE),
    ],
)
def test_trouble_that_the_port_tells_is_believed_of_a_printer_that_was_well(
    line: Line, kernel: Kernel, status: int, need: Need | None
) -> None:
    """Paper before all else."""
    link = connector(line, kernel).open()
    assert link.needs() == frozenset()
    kernel.status = status
    assert link.needs() == (frozenset() if need is None else {need})
    link.close()


def test_a_printer_that_always_tells_nonsense_is_not_believed(line: Line, kernel: Kernel) -> None:
    """Nor when another link to it was well before: it may be another printer now."""
    cable = connector(line, kernel)
    link = cable.open()
    assert link.needs() == frozenset()
    link.close()
    kernel.status = 0x20
    link = cable.open()
    assert [link.needs() for _ in range(3)] == [frozenset()] * 3
    link.close()


def test_a_printer_that_does_not_answer_for_its_status_is_asked_once(line: Line, kernel: Kernel) -> None:
    """The kernel waits 5 s for such an answer."""
    link = connector(line, kernel).open()
    kernel.status = None
    assert [link.needs(), link.needs()] == [frozenset()] * 2
    assert kernel.asked_status == 1
    link.close()


def test_the_status_of_an_unplugged_printer_is_a_broken_link(line: Line, kernel: Kernel) -> None:
    """And not a printer that is well."""
    link = connector(line, kernel).open()
    kernel.there = False
    with pytest.raises(LinkBroken):
        link.needs()
    link.close()


PRINTER_ID = "MFG:EPSON;CMD:ESC/POS;MDL:TM-T20II;CLS:PRINTER;"


def test_a_printer_is_found_by_its_port_whatever_its_number(tmp_path: Path, line: Line, kernel: Kernel) -> None:
    """And is known by place and make; the one at the other port is never opened instead."""
    machine, other = Machine(tmp_path), Line()
    machine.usb("1-1.2", "04b8:0e15", "J4XF012345", "EPSON", "TM-T20II")
    machine.usb("1-1.3", "04b8:0e15", "J4XF067890", "EPSON", "TM-T20II")
    machine.printer("1-1.3", "lp0", other.path, PRINTER_ID)
    machine.printer("1-1.2", "lp1", line.path, PRINTER_ID)
    settings = parse_link("usblp:port/1-1.2")
    assert isinstance(settings, Settings)
    cable = UsblpConnector(settings, machine.sys, machine.dev, kernel)
    link = cable.open()
    say(link, b"here")
    assert line.hears(4) == b"here"
    assert link.identity.port == "1-1.2"
    assert link.identity.device == "04b8:0e15 J4XF012345 EPSON TM-T20II ESC/POS"
    link.close()
    machine.unplug("lp1")
    with pytest.raises(Unavailable, match=r"USB port 1-1.2.*usblp:port/1-1.3"):
        cable.open()
    other.unplug()


def test_a_printer_is_found_by_the_name_that_udev_gave_its_port(tmp_path: Path, line: Line, kernel: Kernel) -> None:
    """Without the rule, the answer says what can be written instead."""
    machine = Machine(tmp_path)
    machine.usb("1-2", "0416:5011", maker="STMicroelectronics", product="POS80 Printer USB")
    machine.printer("1-2", "lp3", line.path)
    cable = UsblpConnector(Settings("by-path/pci-0-usb-0:2:1.0"), machine.sys, machine.dev, kernel)
    with pytest.raises(Unavailable, match="usblp:port/1-2"):
        cable.open()
    (machine.dev / "usb" / "by-path").mkdir()
    (machine.dev / "usb" / "by-path" / "pci-0-usb-0:2:1.0").symlink_to("../lp3")
    kernel.printer_id = b"MFG:XP;MDL:XP-80;"
    link = cable.open()
    assert (link.identity.port, link.identity.device) == ("1-2", "0416:5011 XP XP-80")
    link.close()


@pytest.mark.parametrize("kind", ("file", "tty"))
def test_what_is_no_printer_is_not_printed_on(tmp_path: Path, line: Line, kernel: Kernel, kind: str) -> None:
    """A file takes anything, and every ticket would be presumed printed."""
    machine = Machine(tmp_path)
    machine.usb("1-1.2", "1a86:7523")
    path = machine.tty("1-1.2", "ttyUSB0", line.path) if kind == "tty" else tmp_path / "lp0"
    if kind == "file":
        path.touch()
    with pytest.raises(Unavailable, match="no printer of the driver usblp"):
        UsblpConnector(Settings(str(path)), machine.sys, machine.dev, kernel).open()


def test_no_signal_disturbs_the_thread_that_writes(line: Line, kernel: Kernel) -> None:
    """A write that is broken off would be sent again from its start, though a part of it went out."""
    link = connector(line, kernel).open()
    fill(link)
    (thread,) = (thread for thread in threading.enumerate() if thread.name == "usblp-writer")
    status = Path(f"/proc/self/task/{thread.native_id}/status").read_text()
    (blocked,) = (int(row.split()[1], 16) for row in status.splitlines() if row.startswith("SigBlk"))
    assert all(blocked >> number - 1 & 1 for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD, signal.SIGUSR1))
    link.close()


def test_what_can_not_be_opened_says_what_to_do(tmp_path: Path, kernel: Kernel) -> None:
    """To an installer, who may have no printer there, or no right to it."""
    with pytest.raises(Unavailable, match="check the printer's cable and its switch; no USB printer is seen"):
        UsblpConnector(Settings(str(tmp_path / "lp0")), tmp_path, tmp_path, kernel).open()
