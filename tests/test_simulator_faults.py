"""What a line does not show, and what it makes up: power that goes unnoticed, and noise."""

import socket
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import serial

from agent.simulator.ports import PtyPort, serve_pty, serve_tcp
from agent.simulator.printer import PrinterSpec, VirtualPrinter

STATUS = b"\x10\x04\x01"
SOON_S = 5.0


@pytest.fixture
def printer() -> Iterator[VirtualPrinter]:
    with VirtualPrinter() as printer:
        yield printer


@pytest.fixture
def port(printer: VirtualPrinter) -> Iterator[PtyPort]:
    with serve_pty(printer) as port:
        yield port


@pytest.fixture
def line(port: PtyPort) -> Iterator[serial.Serial]:
    with serial.Serial(port.path, 115200, timeout=SOON_S) as line:
        yield line


def test_a_serial_line_does_not_show_that_the_power_is_gone(printer: VirtualPrinter, line: serial.Serial) -> None:
    """It stays open; what was buffered and what is sent meanwhile is lost, and nothing is answered."""
    printer.open_cover()
    line.write(b"in the buffer\n")
    assert printer.wait_for(lambda it: it.buffered > 0, SOON_S)
    printer.power_off(keep_line=True)
    line.timeout = 0.2
    line.write(b"into the void\n" + STATUS)
    assert line.read(1) == b""
    printer.close_cover()
    printer.power_on()
    line.timeout = SOON_S
    line.write(b"after it\n" + STATUS)
    assert line.read(1) == b"\x12"
    assert printer.paper.text.strip() == "after it"
    assert printer.power_cycles == 1


def test_flow_control_holds_the_bytes_of_a_printer_without_power(printer: VirtualPrinter, line: serial.Serial) -> None:
    """They come when it is on again, to a printer that remembers nothing of what came before."""
    printer.stall()
    printer.power_off(keep_line=True)
    line.write(b"held\n" + STATUS)
    printer.power_on()
    printer.stall(False)
    assert line.read(1) == b"\x12"
    assert printer.paper.text.strip() == "held"


def test_a_network_printer_that_starts_knows_no_connection(printer: VirtualPrinter) -> None:
    """Its power went unnoticed; the reset comes when it is back."""
    with serve_tcp(printer) as port, socket.create_connection((port.host, port.port), SOON_S) as host:
        assert printer.wait_for(lambda it: it.connected, SOON_S)
        printer.power_off(keep_line=True)
        host.sendall(b"lost\n")
        host.settimeout(0.2)
        with pytest.raises(TimeoutError):
            host.recv(1)
        printer.power_on(reset_line=True)
        host.settimeout(SOON_S)
        with pytest.raises(ConnectionResetError):
            host.recv(1)
        assert printer.paper.text == ""


def test_noise_reaches_the_host_and_is_no_answer(printer: VirtualPrinter, line: serial.Serial) -> None:
    """The printer never said it."""
    assert printer.wait_for(lambda it: it.connected, SOON_S)
    printer.babble(b"\x00\xff\x12")
    assert line.read(3) == b"\x00\xff\x12"
    assert printer.said == []


def test_a_mute_printer_has_a_line_that_may_be_noisy() -> None:
    """Noise is the line's."""
    with (
        VirtualPrinter(PrinterSpec(tier=3)) as mute,
        serve_pty(mute) as port,
        serial.Serial(port.path, timeout=SOON_S) as line,
    ):
        assert mute.wait_for(lambda it: it.connected, SOON_S)
        mute.babble(b"!")
        assert line.read(1) == b"!"


@pytest.mark.parametrize("line_time_s", (0.0, 0.002))
def test_a_piece_has_the_time_of_its_cut_before_the_answer_behind_it(line_time_s: float) -> None:
    """Whoever hears the answer may rely on it."""
    before = datetime.now(UTC)
    with VirtualPrinter(PrinterSpec(line_time_s=line_time_s)) as printer:
        for count in (1, 2, 3):
            printer.receive(b"one\ntwo\n\x1dVB\0" + b"\x1dr\x01")
            assert printer.wait_for(lambda it, n=count: len(it.paper.pieces) == n, SOON_S)  # type: ignore[misc]
            assert len(printer.cut_times) == count
        printer.open_cover()
        assert before <= printer.cut_times[0] <= printer.cut_times[2] <= datetime.now(UTC)
