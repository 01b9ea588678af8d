"""The virtual printer answers, stops, goes on and fails as a real one does, over real wires."""

import json
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import serial
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.simulator.control import perform
from agent.simulator.ports import TcpPort, serve_pty, serve_tcp
from agent.simulator.printer import PrinterSpec, Reply, Trouble, VirtualPrinter
from agent.simulator.remote import serve_control

TICKET = b"\x1b@" + "宫保鸡丁 x2\n".encode("gbk") + b"\x1dVB\x00"
SOON_S = 5.0


def fence(token: bytes = b"A017") -> bytes:
    return b"\x1d(H\x06\x0000" + token


def echo(token: bytes = b"A017") -> bytes:
    return b"\x37\x22" + token + b"\0"


def counter(number: int) -> bytes:
    return b"\x1dg2\x00" + number.to_bytes(2, "little")


@contextmanager
def connected(port: TcpPort) -> Iterator[socket.socket]:
    with socket.create_connection((port.host, port.port), SOON_S) as host:
        yield host


@contextmanager
def plugged(spec: PrinterSpec | None = None) -> Iterator[tuple[VirtualPrinter, TcpPort, socket.socket]]:
    with VirtualPrinter(spec) as printer, serve_tcp(printer) as port, connected(port) as host:
        yield printer, port, host


def read(host: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = host.recv(size - len(data))
        if not more:
            break
        data += more
    return data


def open_descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def silent(host: socket.socket) -> bool:
    """Nothing was said: a process ID sent now is the very next thing that is heard."""
    host.sendall(fence(b"????"))
    return read(host, 7) == echo(b"????")


# --- answers -----------------------------------------------------------------------------------------------------


def test_process_id_comes_when_everything_before_it_is_printed() -> None:
    """GS ( H 48 echoes the token, and the ticket is on paper by then."""
    with plugged() as (printer, _, host):
        host.sendall(TICKET + fence())
        assert read(host, 7) == echo()
        assert [piece.text for piece in printer.paper.pieces] == ["宫保鸡丁 x2"]


def test_process_id_waits_for_slow_paper() -> None:
    """With a line time the answer comes after the lines, not before."""
    with plugged(PrinterSpec(line_time_s=0.02)) as (_, _, host):
        started = time.monotonic()
        host.sendall(b"x\n" * 10 + fence())
        assert read(host, 7) == echo()
        assert time.monotonic() - started >= 0.18


def test_tier_2_answers_status_and_no_process_id() -> None:
    """A status fence is queued behind the data; process IDs are parsed and ignored."""
    with plugged(PrinterSpec(tier=2)) as (printer, _, host):
        host.sendall(TICKET + fence() + b"\x1dr\x01")
        assert read(host, 1) == b"\x00"
        assert printer.paper.text == "宫保鸡丁 x2"
        assert printer.paper.stray == []


def test_tier_3_never_says_a_word() -> None:
    """A mute printer prints."""
    with plugged(PrinterSpec(tier=3)) as (printer, _, host):
        host.sendall(b"\x10\x04\x01\x1dr\x01\x1da\xff\x1dIA" + counter(178) + TICKET + fence())
        assert printer.wait_for(lambda p: len(p.paper.pieces) == 1, SOON_S)
        assert printer.said == []


@pytest.mark.parametrize(
    ("upset", "answers"),
    [
        ("load_paper", b"\x12\x12\x12\x12"),
        ("run_out_of_paper", b"\x1a\x32\x12\x7e"),
        ("open_cover", b"\x1a\x16\x12\x12"),
        ("jam_cutter", b"\x1a\x52\x1a\x12"),
        ("break_down", b"\x1a\x52\x32\x12"),
        ("set_paper_low", b"\x12\x12\x12\x1e"),
        ("press_feed", b"\x5a\x1a\x12\x12"),
        ("go_offline", b"\x1a\x12\x12\x12"),
    ],
)
def test_realtime_status_tells_the_sensors(upset: str, answers: bytes) -> None:
    """DLE EOT 1 to 4 in the bits of the manuals."""
    with plugged() as (printer, _, host):
        getattr(printer, upset)()
        host.sendall(b"\x10\x04\x01\x10\x04\x02\x10\x04\x03\x10\x04\x04")
        assert read(host, 4) == answers


def test_realtime_status_overtakes_a_full_buffer() -> None:
    """It is executed on arrival, though the buffer is full of what can't be printed."""
    with plugged(PrinterSpec(buffer_bytes=1000, margin_bytes=500)) as (printer, _, host):
        printer.open_cover()
        host.sendall(b"x" * 1200 + b"\x10\x04\x02")
        assert read(host, 1) == b"\x16"
        assert printer.paper.unprinted == ""


def test_realtime_status_acts_within_a_picture() -> None:
    """Inside raster data it is answered, and is still pixels."""
    with plugged() as (printer, _, host):
        host.sendall(b"\x1dv0\x00\x03\x00\x01\x00\x10\x04\x01" + fence())
        assert read(host, 8) == b"\x12" + echo()
        assert printer.paper.current.bitmaps[0].rows == b"\x10\x04\x01"


def test_realtime_status_can_be_missing() -> None:
    """Some printers don't know it: no answer, nothing on paper."""
    with plugged(PrinterSpec(realtime=False)) as (printer, _, host):
        host.sendall(b"\x10\x04\x01")
        assert silent(host)
        assert printer.paper.stray == []


def test_status_fence_is_not_answered_offline() -> None:
    """GS r waits in the buffer until the printer is well."""
    with plugged() as (printer, _, host):
        printer.open_cover()
        host.sendall(b"\x1dr\x01\x10\x04\x01")
        assert read(host, 1) == b"\x1a"
        printer.close_cover()
        assert read(host, 1) == b"\x00"


def test_automatic_status_comes_at_once_and_on_change() -> None:
    """GS a enables four bytes; ESC @ turns them off."""
    with plugged() as (printer, _, host):
        host.sendall(b"\x1da\x0e")
        assert read(host, 4) == b"\x10\x00\x00\x00"
        printer.open_cover()
        assert read(host, 4) == b"\x38\x00\x00\x00"
        printer.close_cover()
        printer.run_out_of_paper()
        assert read(host, 8) == b"\x10\x00\x00\x00\x18\x00\x0f\x00"
        printer.load_paper()
        host.sendall(b"\x1b@")
        assert read(host, 4) == b"\x10\x00\x00\x00"
        assert silent(host)
        printer.open_cover()
        printer.close_cover()
        assert silent(host)


def test_offline_response_names_the_moment() -> None:
    """GS ( H 49 asks for a word when the printer goes offline."""
    with plugged() as (printer, _, host):
        host.sendall(b"\x1d(H\x03\x00101")
        assert silent(host)
        printer.open_cover()
        assert read(host, 3) == b"\x37\x23\x00"


def test_counters_count_lines_and_cuts() -> None:
    """GS g 2 answers 5Fh, digits, NUL; GS g 0 resets only the lower numbers."""
    with plugged() as (_, _, host):
        host.sendall(
            b"a\nb\n\x1dVB\x00" + counter(148) + counter(178) + b"\x1dg0\x00\x14\x00" + counter(20) + counter(148)
        )
        assert read(host, 12) == b"_2\0_1\0_0\0_2\0"
        host.sendall(counter(99) + fence())
        assert read(host, 7) == echo()


def test_identity_is_text() -> None:
    """GS I 65 to 69 answer with header, text and NUL."""
    with plugged() as (_, _, host):
        host.sendall(b"\x1dIC")
        assert read(host, 12) == b"_VIRTUAL-80\0"


def test_drawer_pulse_within_a_picture_is_noticed() -> None:
    """A real-time drawer kick acts wherever it stands, and is recorded once."""
    with plugged() as (printer, _, host):
        host.sendall(b"\x1dv0\x00\x05\x00\x01\x00\x10\x14\x01\x00\x01" + b"\x10\x14\x01\x00\x01" + fence())
        assert read(host, 7) == echo()
        assert printer.paper.drawer_kicks == 2


# --- trouble in the shop -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("upset", "mend"),
    [
        ("open_cover", "close_cover"),
        ("run_out_of_paper", "load_paper"),
        ("jam_cutter", "clear_jam"),
        ("break_down", "heal_breakdown"),
        ("go_offline", "go_online"),
    ],
)
def test_offline_keeps_the_buffer_and_prints_it_when_well(upset: str, mend: str) -> None:
    """The classic: after the refill the ticket comes out by itself, and its answer too."""
    with plugged() as (printer, _, host):
        getattr(printer, upset)()
        host.sendall(TICKET + fence())
        assert printer.wait_for(lambda p: p.buffered == len(TICKET + fence()), SOON_S)
        assert printer.paper.text == ""
        if mend == "heal_breakdown":
            printer.break_down(False)
        else:
            getattr(printer, mend)()
        assert read(host, 7) == echo()
        assert len(printer.paper.pieces) == 1


def test_paper_runs_out_in_the_middle_of_a_ticket() -> None:
    """After n lines the roll ends; the rest comes out on the new roll, once."""
    with plugged() as (printer, _, host):
        printer.run_out_of_paper(after_lines=2)
        host.sendall(b"one\ntwo\nthree\n\x1dVB\x00" + fence())
        assert printer.wait_for(lambda p: p.sensors.paper_out, SOON_S)
        assert printer.paper.text == "one\ntwo"
        printer.load_paper()
        assert read(host, 7) == echo()
        assert printer.paper.text == "one\ntwo\nthree"


def test_cover_close_may_cut() -> None:
    """Some printers cut when the cover closes: a cut is no proof of a ticket."""
    with plugged(PrinterSpec(cuts_on_cover_close=True)) as (printer, _, _host):
        printer.open_cover()
        printer.close_cover()
        assert printer.paper.cuts == 1


def test_clear_buffer_cancels_while_offline() -> None:
    """DLE DC4 8 drops what was not printed, answers, and the next ticket is whole."""
    with plugged() as (printer, _, host):
        printer.open_cover()
        host.sendall(TICKET + b"\x10\x14\x08\x01\x03\x14\x01\x06\x02\x08" + b"next\n" + fence())
        assert read(host, 3) == b"\x37\x25\x00"
        printer.close_cover()
        assert read(host, 7) == echo()
        assert printer.paper.text == "next"


@pytest.mark.parametrize(("n", "text"), [(1, "宫保鸡丁 x2"), (2, "")])
def test_enquiry_recovers_from_a_jam(n: int, text: str) -> None:
    """DLE ENQ 1 goes on, DLE ENQ 2 drops what was buffered."""
    with plugged() as (printer, _, host):
        printer.jam_cutter()
        host.sendall(TICKET)
        host.sendall(b"\x10\x05" + bytes((n,)) + fence())
        assert read(host, 7) == echo()
        assert printer.paper.text == text


def test_power_cycle_loses_the_buffer_and_keeps_the_paper() -> None:
    """Buffer, half a line and the connection are gone; paper and counters stay."""
    with plugged() as (printer, port, host):
        host.sendall(b"kept\nhalf")
        assert printer.wait_for(lambda p: p.paper.unprinted == "half", SOON_S)
        printer.open_cover()
        host.sendall(TICKET)
        assert printer.wait_for(lambda p: p.buffered > 0, SOON_S)
        printer.power_cycle()
        with pytest.raises(ConnectionResetError):
            host.recv(1)
        printer.close_cover()
        with connected(port) as again:
            again.sendall(counter(148) + b"new\n" + fence())
            assert read(again, 10) == b"_1\0" + echo()
        assert printer.paper.text == "kept\nnew"


def test_lagging_counters_only_under_report() -> None:
    """What was not saved before a power cut is missing afterwards."""
    with plugged(PrinterSpec(counters_lag=True)) as (printer, port, host):
        host.sendall(TICKET + fence())
        assert read(host, 7) == echo()
        printer.save_counters()
        host.sendall(TICKET + TICKET + fence())
        assert read(host, 7) == echo()
        printer.power_cycle()
        with connected(port) as again:
            again.sendall(counter(178) + TICKET + counter(178))
            assert read(again, 6) == b"_1\0_2\0"


# --- the line ----------------------------------------------------------------------------------------------------


def test_a_second_host_waits_for_the_first() -> None:
    """Port 9100 accepts a second connection and leaves it waiting: connected is not ready."""
    with plugged() as (printer, port, host), connected(port) as second:
        second.sendall(fence(b"2nd."))
        host.sendall(fence(b"1st."))
        assert read(host, 7) == echo(b"1st.")
        assert [data for _, data in printer.said] == [echo(b"1st.")]
        host.close()
        assert read(second, 7) == echo(b"2nd.")


def test_an_answer_is_reserved_for_the_next_connection() -> None:
    """A process ID whose host is gone goes to the next one, before anything else."""
    with plugged() as (printer, port, host):
        printer.open_cover()
        host.sendall(TICKET + fence())
        assert printer.wait_for(lambda p: p.buffered > 0, SOON_S)
        host.close()
        assert printer.wait_for(lambda p: not p.connected, SOON_S)
        printer.close_cover()
        with connected(port) as again:
            assert read(again, 7) == echo()


def test_a_printer_may_not_reserve_answers() -> None:
    """Then an answer without a host is lost."""
    with plugged(PrinterSpec(reserve_replies=False)) as (printer, port, host):
        printer.open_cover()
        host.sendall(TICKET + fence())
        assert printer.wait_for(lambda p: p.buffered > 0, SOON_S)
        host.close()
        assert printer.wait_for(lambda p: not p.connected, SOON_S)
        printer.close_cover()
        with connected(port) as again:
            assert silent(again)


def test_a_full_buffer_is_felt_by_the_host() -> None:
    """While nothing is printed the host can send no more than the buffers on the way hold."""
    spec = PrinterSpec(buffer_bytes=4096, margin_bytes=0)
    with plugged(spec) as (printer, _, host):
        printer.open_cover()
        host.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        host.settimeout(0.2)
        with pytest.raises(TimeoutError):
            host.sendall(b"x\n" * 1_000_000)
        assert printer.buffered == 4096
        host.settimeout(SOON_S)
        printer.close_cover()
        assert printer.wait_for(lambda p: p.paper.line_feeds > 4096, SOON_S)


def test_a_stalled_line_takes_nothing_until_it_moves() -> None:
    """Stuck flow control: bytes stay on the wire, and come in order later."""
    with plugged() as (printer, _, host):
        printer.stall()
        host.sendall(TICKET + fence())
        assert not printer.wait_for(lambda p: p.received > 0, 0.05)
        printer.stall(False)
        assert read(host, 7) == echo()


def test_bytes_take_their_time_on_a_slow_wire() -> None:
    """1920 bytes a second is 19200 baud."""
    with plugged(PrinterSpec(bytes_per_s=1920)) as (_, _, host):
        started = time.monotonic()
        host.sendall(b"x" * 377 + fence())
        assert read(host, 7) == echo()
        assert 0.15 < time.monotonic() - started < 1.0


@pytest.mark.parametrize("reset", [False, True])
def test_the_link_is_cut_at_a_byte(reset: bool) -> None:
    """Exactly n bytes arrive; the rest is lost with the connection, and the printer goes on with what it has."""
    with plugged() as (printer, port, host):
        printer.cut_link(after=9, reset=reset)
        host.sendall(b"one\ntwo\nthree\n")
        assert printer.wait_for(lambda p: p.received == 9 and not p.connected, SOON_S)
        with connected(port) as again:
            again.sendall(b"\0" * 100 + b"\x1b@next\n" + fence())
            assert read(again, 7) == echo()
        assert printer.paper.text == "one\ntwo\nnext"


def test_refused_connections_are_refused_at_once() -> None:
    """When `refuse` returns nobody listens; afterwards the same address is there again."""
    with plugged() as (printer, port, host):
        printer.refuse()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((port.host, port.port), SOON_S)
        with pytest.raises(ConnectionResetError):
            host.recv(1)
        printer.refuse(False)
        with connected(port) as again:
            assert silent(again)


def test_a_swallowing_printer_says_it_is_well_and_prints_nothing() -> None:
    """Bytes are accepted and vanish; real-time status is answered."""
    with plugged() as (printer, _, host):
        printer.swallow()
        host.sendall(TICKET + fence() + b"\x10\x04\x01")
        assert read(host, 1) == b"\x12"
        assert printer.paper.text == ""
        assert printer.received == len(TICKET + fence()) + 3


# --- answers gone wrong ------------------------------------------------------------------------------------------


def test_one_lost_answer_is_one_lost_answer() -> None:
    """A count-limited fault of one class touches nothing else."""
    with plugged() as (printer, _, host):
        printer.trouble_replies(Trouble.LOSE, Reply.PROCESS_ID, count=1)
        host.sendall(fence(b"lost") + b"\x10\x04\x01")
        assert read(host, 1) == b"\x12"
        host.sendall(fence(b"kept"))
        assert read(host, 7) == echo(b"kept")


def test_garbled_and_doubled_answers() -> None:
    """Garbled bytes are other bytes; duplicates come twice; `heal` ends both."""
    with plugged() as (printer, _, host):
        printer.trouble_replies(Trouble.GARBLE, Reply.PROCESS_ID, count=1)
        host.sendall(fence())
        assert read(host, 7) not in (b"", echo())
        printer.trouble_replies(Trouble.DUPLICATE)
        host.sendall(fence())
        assert read(host, 14) == echo() * 2
        printer.heal()
        assert silent(host)


def test_a_late_answer_comes_later() -> None:
    """A delayed answer is overtaken by others, and a mute printer says nothing."""
    with plugged() as (printer, _, host):
        printer.trouble_replies(Trouble.DELAY, Reply.PROCESS_ID, count=1, delay_s=0.05)
        host.sendall(fence() + b"\x1dr\x01")
        assert read(host, 8) == b"\x00" + echo()
        printer.mute()
        host.sendall(TICKET + fence())
        assert printer.wait_for(lambda p: len(p.paper.pieces) == 1, SOON_S)
        assert len(printer.said) == 2


# --- a serial line -----------------------------------------------------------------------------------------------


def test_a_serial_line_prints_and_answers() -> None:
    """The pty behaves like a raw serial port: no echo, no translation."""
    with VirtualPrinter() as printer, serve_pty(printer) as port, serial.Serial(port.path, timeout=SOON_S) as host:
        host.write(TICKET + b"\x1dv0\x00\x04\x00\x01\x00\x03\x04\x0d\x11" + fence())
        assert host.read(7) == echo()
        assert printer.paper.current.bitmaps[0].rows == b"\x03\x04\x0d\x11"
        assert port.link == f"serial://{port.path}"


def test_a_stalled_serial_line_is_the_same_line_afterwards() -> None:
    """Stuck flow control does not unplug the cable."""
    with VirtualPrinter() as printer, serve_pty(printer) as port, serial.Serial(port.path, timeout=SOON_S) as host:
        printer.stall()
        host.write(TICKET + fence())
        assert not printer.wait_for(lambda p: p.received > 0, 0.05)
        printer.stall(False)
        assert host.read(7) == echo()


def test_a_cut_serial_line_can_be_opened_again() -> None:
    """After the cut the open line is dead, and the path leads to a fresh one."""
    with VirtualPrinter() as printer, serve_pty(printer) as port:
        with serial.Serial(port.path, timeout=SOON_S) as host:
            host.write(fence())
            assert host.read(7) == echo()
            printer.cut_link(after=4)
            host.write(b"one\ntwo\n")
            with pytest.raises(serial.SerialException):
                host.read(1)
        assert printer.wait_for(lambda p: p.connected, SOON_S)
        with serial.Serial(port.path, timeout=SOON_S) as again:
            again.write(fence())
            assert again.read(7) == echo()
        assert printer.paper.text == "one"


def test_an_unplugged_serial_line_comes_back_under_its_name() -> None:
    """Unplugged, the path is gone and the open line dead; plugged in, the same path works."""
    with VirtualPrinter() as printer, serve_pty(printer) as port:
        host = serial.Serial(port.path, timeout=SOON_S)
        printer.refuse()
        with pytest.raises(serial.SerialException):
            host.read(1)
        host.close()
        with pytest.raises(serial.SerialException):
            serial.Serial(port.path)
        printer.refuse(False)
        with serial.Serial(port.path, timeout=SOON_S) as again:
            again.write(fence())
            assert again.read(7) == echo()


def test_closing_leaves_no_thread_and_no_descriptor() -> None:
    """Ports and printers own their threads and join them."""
    threads, descriptors = threading.active_count(), open_descriptors()
    spec = PrinterSpec(line_time_s=0.001)
    with VirtualPrinter(spec) as printer, serve_pty(printer), serve_tcp(printer) as tcp, connected(tcp) as host:
        host.sendall(b"x\n" * 3)
        assert printer.wait_for(lambda p: p.paper.line_feeds == 3, SOON_S)
    assert threading.active_count() == threads
    assert open_descriptors() == descriptors


# --- the remote control ------------------------------------------------------------------------------------------


def test_json_commands_work_the_printer() -> None:
    """What Python can do to the printer, a JSON line can."""
    with VirtualPrinter() as printer:
        assert perform(printer, '{"do": "paper_out"}') == {"ok": True}
        assert perform(printer, '{"do": "state"}')["online"] is False
        assert perform(printer, '{"do": "paper_in"}') == {"ok": True}
        printer.receive(TICKET)
        assert perform(printer, '{"do": "paper"}')["pieces"][0]["text"] == "宫保鸡丁 x2"
        assert perform(printer, '{"do": "cut_link", "at": 100}') == {"ok": True}
        assert printer.wire.cut_at == 100
        assert perform(printer, '{"do": "replies", "trouble": "lose", "reply": "process_id"}') == {"ok": True}
        assert [fault.trouble for fault in printer.reply_faults] == [Trouble.LOSE]


@pytest.mark.parametrize(
    "line", ["", "{", "[]", '{"do": "dance"}', '{"do": "stall", "onn": true}', '{"do": "stall", "on": 3}']
)
def test_a_wrong_command_says_what_is_wrong(line: str) -> None:
    """Nothing is done and nothing is guessed."""
    with VirtualPrinter() as printer:
        answer = perform(printer, line)
        assert answer["ok"] is False
        assert answer["error"]
        assert not printer.wire.stall


def test_the_control_port_answers_line_by_line() -> None:
    """Commands may come split or together; each is answered by one line."""
    with VirtualPrinter() as printer:
        remote = serve_control(printer, ("127.0.0.1", 0))
        with socket.create_connection(("127.0.0.1", remote.port), SOON_S) as host, host.makefile("rb") as answers:
            host.sendall(b'{"do": "cover_o')
            host.sendall(b'pen"}\n{"do": "state"}\n')
            assert json.loads(answers.readline()) == {"ok": True}
            assert json.loads(answers.readline())["sensors"]["cover_open"] is True
        remote.close()


@given(st.lists(st.binary(max_size=200), max_size=10))
@settings(max_examples=150, deadline=None)
def test_random_bytes_never_stop_the_printer(chunks: list[bytes]) -> None:
    """Whatever a host sends, enough NULs and ESC @ bring the printer back in step."""
    with VirtualPrinter() as printer:
        for chunk in chunks:
            printer.receive(chunk)
        printer.receive(b"\0" * 2048)
        assert printer.buffered == 0


def test_a_host_that_resets_does_no_harm() -> None:
    """RST from the host in the middle of a ticket: the printer waits for the next one."""
    with plugged() as (printer, port, host):
        host.sendall(b"one\ntw")
        assert printer.wait_for(lambda p: p.paper.unprinted == "tw", SOON_S)
        host.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        host.close()
        with connected(port) as again:
            again.sendall(b"o\n" + fence())
            assert read(again, 7) == echo()
        assert printer.paper.text == "one\ntwo"
