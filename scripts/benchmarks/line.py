"""How much of a slow serial line a burst of tickets uses, with one and with two tickets in flight.

The line is a pseudo terminal whose other end takes bytes at the baud rate; the printer on it prints at 500 mm/s, as
fast as they come, and answers process IDs: a slower head is what a burst waits for, not the line. The use is what came
over the line, questions included, against what it could have carried from the first byte of the burst to the last.
"""

import tempfile
import time
from pathlib import Path

import msgspec

from agent.model.link import parse_link
from agent.printers import sending
from agent.printers.meeting import Patience
from agent.simulator.ports import serve_pty
from agent.simulator.printer import PrinterSpec, VirtualPrinter
from scripts.benchmarks.table import markdown, median, spread
from tests.kitchen import Kitchen

LINE_TIME_S = 3.75 / 500
COLUMNS = ("baud", "in flight", "line use", "of the rounds", "tickets/min", "bytes a ticket")


class Use(msgspec.Struct):
    """One way of sending at one baud rate, round by round."""

    baud: int
    in_flight: int
    use: list[float] = []
    per_minute: list[float] = []
    bytes_a_ticket: list[float] = []


def measure(bauds: tuple[int, ...], tickets: int, rounds: int, under: Path) -> list[Use]:
    """Both ways at every rate, by turns."""
    found = [Use(baud, in_flight) for baud in bauds for in_flight in (1, 2)]
    for _ in range(rounds):
        for use in found:
            with tempfile.TemporaryDirectory(dir=under) as folder:
                _one_round(use, tickets, Path(folder))
    return found


def _one_round(use: Use, tickets: int, folder: Path) -> None:
    slow = sending.SLOW_BYTES_PER_S
    sending.SLOW_BYTES_PER_S = slow if use.in_flight == 2 else 0
    spec = PrinterSpec(bytes_per_s=use.baud / 10, line_time_s=LINE_TIME_S, buffer_bytes=4096)
    try:
        with VirtualPrinter(spec) as device, serve_pty(device) as port:
            link = f"{parse_link(port.link)}".replace("baud=9600", f"baud={use.baud}")
            kitchen = Kitchen(folder, device, link, "auto", Patience())
            try:
                _burst(kitchen, use, tickets)
            finally:
                kitchen.close()
    finally:
        sending.SLOW_BYTES_PER_S = slow


def _burst(kitchen: Kitchen, use: Use, tickets: int) -> None:
    device = kitchen.device
    kitchen.order("warm")
    kitchen.wait_told("warm", 60)
    device.wait_for(lambda _: False, 1.0)
    arrivals: list[tuple[float, int]] = []
    device.on_change(lambda: arrivals.append((time.monotonic(), device.received)))
    begun = device.received
    dishes = ("鲜肉小笼包", "豆浆", "皮蛋瘦肉粥", "油条")
    items = [{"name": name, "qty": "2", "note": "少辣 不要香菜"} for name in dishes]
    for number in range(tickets):
        kitchen.order(number, items=items)
    kitchen.wait_told(tickets - 1, 60 + 3.0 * tickets)
    first = next(at for at, received in arrivals if received > begun)
    last, received = next(arrival for arrival in arrivals if arrival[1] == arrivals[-1][1])
    assert len(device.paper.pieces) == tickets + 1, "a ticket is missing or doubled"
    use.use.append((received - begun) / (use.baud / 10) / (last - first))
    use.per_minute.append(60 * tickets / (last - first))
    use.bytes_a_ticket.append((received - begun) / tickets)


def table(results: list[Use]) -> str:
    """The results as Markdown."""
    rows = [
        (
            f"{result.baud:,}",
            str(result.in_flight),
            f"{100 * median(result.use):.1f}%",
            spread([100 * use for use in result.use], 1),
            f"{median(result.per_minute):.0f}",
            f"{median(result.bytes_a_ticket):.0f}",
        )
        for result in results
    ]
    return markdown(COLUMNS, rows)
