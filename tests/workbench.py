"""Virtual printers on every cable, for the checks; and a person at one of them."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from agent.model.link import SerialLink, UsbLink, UsblpLink
from agent.printers.conformance import CHECKS, Check, Report, run_checks
from agent.printers.conformance.bench import Pace
from agent.printers.conformance.verdict import Act, Answer, Passed, Person, Words
from agent.printers.link import Connector
from agent.printers.meeting import Patience
from agent.printers.serial import SerialConnector
from agent.printers.tcp import TcpConnector
from agent.printers.usb import UsbConnector
from agent.printers.usblp import UsblpConnector
from agent.simulator.ports import serve_pty, serve_tcp
from agent.simulator.printer import PrinterSpec, VirtualPrinter
from tests.fakeusb import Bus, Device
from tests.test_usblp import Kernel

CABLES = ("tcp", "pty", "usblp", "usb")
LINE_S = 0.004
IMPATIENT = Patience(fence_s=0.6, probe_s=0.15, late_answer_s=0.1, silence_said_s=1.0, answer_s=2.0, listen_s=0.2)
QUICK = Pace(
    quiet_s=0.05,
    silence_s=0.3,
    reopen_s=1.0,
    grace_s=1.0,
    hang_s=1.0,
    drain_s=1.0,
    long_s=0.3,
    long_bytes=30_000,
    return_s=3.0,
    away_s=0.25,
    hands_bytes_per_s=3000.0,
)
ALL = tuple(check.name for check in CHECKS)
BY_HAND = tuple(check.name for check in CHECKS if check.needs_person)
PROVED = {
    1: {name for name in ALL if name not in BY_HAND},
    2: {name for name in ALL if name not in (*BY_HAND, "tokens", "counters", "late-answer")},
    3: {"open", "probe", "silence", "write", "port-status", "ticket", "chinese", "resync", "long", "reopen"},
}


def spec(tier: int = 1, **more: Any) -> PrinterSpec:
    """A printer whose paper takes time and whose buffer is small."""
    return PrinterSpec(tier=tier, line_time_s=LINE_S, buffer_bytes=4096, margin_bytes=512, **more)


class Usb(Bus):
    """Closing one handle of a device lets go of nothing that another one has claimed."""

    def close_device(self, dev_handle: Device) -> None:
        """As libusb does."""
        self.handles.remove(dev_handle)
        if dev_handle not in self.handles:
            dev_handle.claimed.clear()


@contextmanager
def plugged(printer: VirtualPrinter, cable: str) -> Iterator[Connector]:
    """A way to this printer over such a cable."""
    with ExitStack() as stack:
        match cable:
            case "tcp":
                port = stack.enter_context(serve_tcp(printer, window_bytes=4096))
                yield TcpConnector(port.host, port.port)
            case "pty":
                line = stack.enter_context(serve_pty(printer))
                yield SerialConnector(SerialLink(line.path, 115200))
            case "usblp":
                line = stack.enter_context(serve_pty(printer))
                yield UsblpConnector(UsblpLink(line.path), ioctl=Kernel())
            case _:
                yield UsbConnector(UsbLink("04b8:0202"), Path("/nowhere"), Usb(Device(printer)))


def check(
    cable: Connector,
    *names: str,
    person: Person | None = None,
    paper: bool = True,
    without: tuple[str, ...] = (),
    other: Connector | None = None,
    pace: Pace = QUICK,
) -> Report:
    """Run these checks, or all but `without`, quickly. What must be known first is always found out."""
    chosen: list[Check] = [each for each in CHECKS if each.name not in without]
    if names:
        chosen = [each for each in CHECKS if each.name in ("open", "probe", *names)]
    return run_checks(cable, checks=chosen, pace=pace, patience=IMPATIENT, person=person, paper=paper, other=other)


def passed(report: Report) -> set[str]:
    """The names of the checks that passed."""
    return {result.name for result in report.results if isinstance(result.verdict, Passed)}


def why(report: Report) -> str:
    """For a test that fails."""
    return "\n".join(f"{result.name}: {result.verdict}" for result in report.results)


class Hands:
    """A person at a virtual printer, who is quick: they act when paper comes out. `instead` is what they do wrong."""

    def __init__(self, printer: VirtualPrinter) -> None:
        self._printer = printer
        self.answers: dict[str, Answer] = {}
        self.instead: dict[Act, Callable[[], None]] = {}
        self.off_s = 1.0
        self._waiting: list[threading.Thread] = []
        self.asked: list[Words] = []

    def gets_ready(self, act: Act) -> None:
        """Act after some lines."""
        before = self._printer.paper.line_feeds

        def when_paper_comes() -> None:
            if self._printer.wait_for(lambda it: it.paper.line_feeds >= before + 10, 20):
                self.does(act)

        self._waiting.append(threading.Thread(target=when_paper_comes, name="person", daemon=True))
        self._waiting[-1].start()

    def does(self, act: Act) -> None:
        """At once."""
        it = self._printer
        if act in self.instead:
            self.instead[act]()
            return
        match act:
            case Act.OPEN_COVER:
                it.open_cover()
            case Act.CLOSE_COVER:
                it.close_cover()
            case Act.TAKE_PAPER:
                it.run_out_of_paper()
            case Act.LOAD_PAPER:
                it.load_paper()
            case Act.POWER_OFF:
                it.power_off()
            case Act.POWER_CYCLE:
                it.power_off(keep_line=True)
                it.wait_for(lambda _: False, self.off_s)
                it.power_on()
            case Act.POWER_ON:
                it.power_on()
            case Act.PULL_CABLE:
                it.refuse()
            case Act.PLUG_CABLE:
                it.refuse(False)

    def says(self, question: Words) -> Answer:
        """Yes, if nothing else was agreed on."""
        self.asked.append(question)
        return next((answer for word, answer in self.answers.items() if word in question.en), Answer.YES)

    def close(self) -> None:
        """Go home."""
        for thread in self._waiting:
            thread.join()


@contextmanager
def attended(cable: str, what: PrinterSpec) -> Iterator[tuple[VirtualPrinter, Connector, Hands]]:
    """A printer with a person at it."""
    with VirtualPrinter(what) as printer, plugged(printer, cable) as way:
        hands = Hands(printer)
        try:
            yield printer, way, hands
        finally:
            hands.close()
