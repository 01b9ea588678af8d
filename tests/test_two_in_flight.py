"""Two tickets in one printer: on a slow line the second follows before the word on the first, and then doubt."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent.simulator.ports import serve_pty
from agent.simulator.printer import PrinterSpec, VirtualPrinter
from tests.kitchen import Kitchen

BAUD = 19200


@contextmanager
def slow_kitchen(folder: Path, spec: PrinterSpec | None = None) -> Iterator[Kitchen]:
    """One printer on a line of 19,200 baud that is known already, and whose first ticket is on paper."""
    spec = spec or PrinterSpec(bytes_per_s=BAUD / 10, line_time_s=0.01, buffer_bytes=4096)
    with VirtualPrinter(spec) as device, serve_pty(device) as port:
        here = Kitchen(folder, device, f"{port.link.partition('?')[0]}?baud={BAUD}", "auto")
        try:
            here.order(1)
            here.wait_told(1)
            here.idle()
            yield here
        finally:
            here.close()


def flying(here: Kitchen) -> int:
    """How many tickets the printer has, by the journal."""
    rows = here.journal.write(lambda tx: tx.execute("SELECT count(*) FROM jobs WHERE flight IS NOT NULL").fetchone())
    return int(rows[0])


def burst(here: Kitchen, count: int = 4) -> list[int]:
    """So many orders at once, and wait until two tickets are under way."""
    numbers = list(range(2, 2 + count))
    for number in numbers:
        here.order(number)
    here._wait(lambda: flying(here) == 2, 10, "two tickets under way")
    return numbers


def on_paper(here: Kitchen, numbers: list[int]) -> list[tuple[str, bool]]:
    """The whole tickets of these orders as they came out: number and mark."""
    for number in numbers:
        here.wait_told(number, 60)
    return [(ticket.number, ticket.marked) for ticket in here.tickets() if ticket.whole and ticket.number != "1"]


def test_a_burst_comes_out_whole_once_and_in_order(tmp_path: Path) -> None:
    """Two under way, never three, and every one confirmed by its own answer."""
    with slow_kitchen(tmp_path) as here:
        numbers = burst(here, 6)
        assert on_paper(here, numbers) == [(str(number), False) for number in numbers]
        assert all(here.ticket_states(number)[-1] == ("completed", "confirmed") for number in numbers)
        assert flying(here) == 0


def test_a_lost_answer_is_not_made_good_by_the_next_one(tmp_path: Path) -> None:
    """Over a line that stays when the printer loses its power, the end of one ticket and the head of the next may be
    lost together: both are in doubt.
    """
    with slow_kitchen(tmp_path) as here:
        here.device.trouble_replies("lose", "process_id", count=2)  # type: ignore[arg-type]  # words of the enums
        numbers = burst(here)
        came = on_paper(here, numbers)
        assert [number for number, marked in came if not marked] == [str(number) for number in numbers]
        assert {number for number, marked in came if marked} <= {"2", "3"}
        assert ("2", True) in came


def test_both_are_in_doubt_when_the_line_breaks(tmp_path: Path) -> None:
    """Nobody knows which lines are whose: each is printed again, marked, and then they go one by one."""
    with slow_kitchen(tmp_path, PrinterSpec(bytes_per_s=BAUD / 10, line_time_s=0.01, reserve_replies=False)) as here:
        numbers = burst(here)
        here.device.power_off()
        here.device.power_on()
        came = on_paper(here, numbers)
        last = dict(came)
        assert set(last) == {str(number) for number in numbers}
        unmarked = [number for number, marked in came if not marked]
        assert len(unmarked) == len(set(unmarked)), "an unmarked second ticket"
        assert any(marked for _, marked in came)


def test_paper_that_ends_holds_both_and_the_buffer_prints_on(tmp_path: Path) -> None:
    """No second ticket: the printer has both."""
    with slow_kitchen(tmp_path) as here:
        numbers = burst(here)
        here.device.run_out_of_paper(after_lines=2)
        here.wait_alarm("printer:wok:paper")
        here.device.load_paper()
        assert on_paper(here, numbers) == [(str(number), False) for number in numbers]


@pytest.mark.parametrize("off_s", [1.05, 2.6])
@pytest.mark.parametrize("counters", [True, False])
@pytest.mark.parametrize("note", ["加急 " * 380, "½加急 " * 60], ids=["text", "pictures"])
def test_a_printer_that_lost_its_power_on_a_line_that_stayed_is_not_believed(
    tmp_path: Path, note: str, counters: bool, off_s: float
) -> None:
    """A serial line does not break with the printer's power: the rest of a ticket prints, and its answer comes. What is
    missing shows in the counters, or in its silence while it was off.
    """
    spec = PrinterSpec(bytes_per_s=BAUD / 10, line_time_s=0.01, counters=counters, reserve_replies=False)
    with slow_kitchen(tmp_path, spec) as here:
        begun = here.device.received
        here.order(2, note=note)  # some seconds on the wire
        here.device.wait_for(lambda device: device.received > begun + 900, 5)
        here.device.power_off(keep_line=True)
        here.device.wait_for(lambda _: False, off_s)
        here.device.power_on()
        here.wait_told(2, 60)
        assert [ticket.marked for ticket in here.whole(2)][-1:] == [True]
