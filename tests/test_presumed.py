"""A printer that seemed to answer nothing was only stuck, and threw its tickets away: what becomes of those."""

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from agent.config import Printer, Printing
from agent.journal import notes
from agent.journal.decisions import decide
from agent.journal.file import Tx
from agent.journal.finishing import finish
from agent.journal.presumed import MOST
from agent.journal.store import Journal
from agent.model.command import Ready, Settle
from agent.model.link import parse_link
from agent.model.station import Station
from agent.simulator.ports import serve_tcp
from agent.simulator.printer import PrinterSpec, VirtualPrinter
from agent.spool import acquaintance
from tests.brigade import Brigade
from tests.kitchen import IMPATIENT, Kitchen


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked again soon."""
    monkeypatch.setattr(acquaintance, "PROBE_AGAIN_S", 0.5)


def test_what_was_presumed_of_a_printer_that_answers_after_all_is_printed_again_marked(tmp_path: Path) -> None:
    """It was met while it threw everything away without a word: its tickets were taken as printed, and are lost."""
    with thrown_away(tmp_path, Printing(reprint_after_s=0.5)) as here:
        here.device.heal()
        here.wait_no_alarm("printer:wok:mute")
        here.wait_for(2)
        assert [(ticket.number, ticket.marked) for ticket in here.tickets()] == [("1", True), ("2", True)]
        here.wait_told(2, times=2)
        states = [("completed", "presumed"), ("pending", ""), ("completed", "confirmed")]
        assert (here.ticket_states(1), here.ticket_states(2)) == (states, states)
        assert here.alarms() == {}
        assert order_states(here) == [("1", "printed"), ("2", "printed")]
        told = [report["state"] for report in here.reports() if report["type"] == "order.state"]
        assert told.count("printed") == 4, "each was printed, was not, and is"


def test_who_can_only_say_how_it_is_is_found_to_answer_too(tmp_path: Path) -> None:
    """The questions of when it was stuck were thrown away: no answer to them is still to come."""
    with thrown_away(tmp_path, Printing(reprint_after_s=0.5), PrinterSpec(tier=2)) as here:
        here.device.heal()
        here.wait_no_alarm("printer:wok:mute")
        here.wait_for(2)
        assert [(ticket.number, ticket.marked) for ticket in here.tickets()] == [("1", True), ("2", True)]


def test_where_the_staff_is_asked_what_was_presumed_of_a_printer_that_answers_after_all_is_asked_for(
    tmp_path: Path,
) -> None:
    """Nothing comes out before somebody has looked; and then it is marked."""
    with thrown_away(tmp_path, Printing(unconfirmed="ask")) as here:
        here.device.heal()
        here.wait_alarm("ticket:4")
        assert here.tickets() == []
        assert order_states(here) == [("1", "accepted"), ("2", "accepted")]
        here.journal.write(lambda tx: decide(tx, Settle("printed", order="id-1")))
        here.journal.write(lambda tx: decide(tx, Settle("again", order="id-2")))
        here.worker.wake()
        here.wait_for(2)
        assert [(ticket.number, ticket.marked) for ticket in here.tickets()] == [("2", True)]
        assert here.ticket_states(1)[-1] == ("completed", "witnessed")


def test_of_what_was_presumed_only_the_newest_word_is_printed_again(tmp_path: Path) -> None:
    """An order that was changed, one that was taken back, and one that the kitchen has finished."""
    with thrown_away(tmp_path, Printing(reprint_after_s=0.5)) as here:
        here.order(1, 2, items=[{"name": "红茶", "qty": 3}])
        here.cancel(2, 2)
        here.order(3)
        here.wait_told(3)
        here.journal.write(lambda tx: finish(tx, Ready(order="id-3")))
        here.device.heal()
        here.wait_no_alarm("printer:wok:mute")
        here.wait_for(2)
        here.idle()
        first, second = here.tickets()
        assert ("红茶" in first.text, "作废" in second.text) == (True, True)
        assert (first.marked, second.marked) == (True, True)


def test_none_of_what_was_lost_is_displaced_by_what_came_out_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It printed again for a while before it was asked: the oldest come first, and the staff is asked for the rest."""
    monkeypatch.setattr(acquaintance, "PROBE_AGAIN_S", 1000.0)
    with thrown_away(tmp_path, Printing(reprint_after_s=0.5)) as here:
        here.device.heal()
        numbers = range(3, 3 + MOST)
        for number in numbers:
            here.order(number)
        here.wait_told(numbers[-1], 60)
        here.worker._curiosity._each_s = 0.1
        here.wait_no_alarm("printer:wok:mute", 60)
        here.wait_for(MOST, times=2)
        marked = [ticket.number for ticket in here.tickets() if ticket.marked]
        assert marked == [str(number) for number in range(1, MOST + 1)]
        here.idle()
        assert len([key for key in here.alarms() if key.startswith("ticket:")]) == 2, "the last two wait for a person"


def test_what_waited_for_long_and_was_presumed_just_now_is_in_doubt(tmp_path: Path) -> None:
    """What counts is when it was sent, whatever the clock says of when it was made."""
    with thrown_away(tmp_path, Printing(reprint_after_s=0.5)) as here:
        here.journal.write(lambda tx: tx.execute("UPDATE jobs SET created_at = '2001-01-01T00:00:00.000Z'"))
        here.journal.write(lambda tx: tx.execute("UPDATE moves SET at = '2001-01-01T00:00:00.000Z'"))
        here.device.heal()
        here.wait_for(2)
        assert [(ticket.number, ticket.marked) for ticket in here.tickets()] == [("1", True), ("2", True)]


def test_what_was_presumed_is_in_doubt_though_other_printers_were_busy(tmp_path: Path) -> None:
    """What counts is when it was printed, not how many tickets the whole shop printed since."""
    with thrown_away(tmp_path, Printing(reprint_after_s=0.5)) as here:
        here.journal.write(lambda tx: others(tx, 1100))
        here.device.heal()
        here.wait_for(2)
        assert [(ticket.number, ticket.marked) for ticket in here.tickets()] == [("1", True), ("2", True)]


def others(tx: Tx, count: int) -> None:
    """Tickets that the bar's printer confirmed since."""
    sql = (
        "INSERT INTO jobs (order_pk, event_pk, rev, kind, station, home, printer, copy, copies, share, created_at, "
        "state, evidence) SELECT order_pk, event_pk, rev, kind, 'bar', 'bar', 'bar', 1, 1, share, created_at, "
        "'completed', 'confirmed' FROM jobs WHERE id = 1"
    )
    for _ in range(count):
        tx.execute(sql)


def test_what_was_presumed_is_in_doubt_after_a_restart_too(tmp_path: Path) -> None:
    """Also where its alarm is gone, because somebody gave it another name meanwhile."""
    with thrown_away(tmp_path, Printing(reprint_after_s=0.5)) as here:
        here.close()
        here.device.heal()
        journal = Journal(tmp_path / "journal.db")
        journal.start()
        journal.write(lambda tx: notes.clear_alarm(tx, "printer:wok:mute"))
        journal.stop(5)
        here.open()
        here.wait_for(2)
        assert [(ticket.number, ticket.marked) for ticket in here.tickets()] == [("1", True), ("2", True)]


def test_a_change_that_another_printer_made_of_what_was_lost_comes_out_whole(tmp_path: Path) -> None:
    """The backup's paper said only what had changed, of dishes that were on no paper."""
    with backed(tmp_path) as here:
        wok = here.devices["wok"]
        here.order(1, 1, items=[{"name": "宫保鸡丁", "qty": "2"}, {"name": "米饭", "qty": 2}])
        here.wait_told(1)
        wok.refuse()
        here.wait_alarm("printer:wok:away")
        here.order(1, 2, items=[{"name": "宫保鸡丁", "qty": "2"}, {"name": "米饭", "qty": 3}])
        (change,) = here.wait_text("cold", "#1")
        assert "宫保鸡丁" not in change.text
        wok.heal()
        here._wait(lambda: "宫保鸡丁" in str([*here.at("wok"), *here.at("cold")]), 20, "the whole order")
        (whole,) = [ticket for name in ("wok", "cold") for ticket in here.at(name) if "宫保鸡丁" in ticket.text]
        assert whole.marked


def test_a_change_that_waits_while_its_printer_is_found_to_answer_comes_out_whole(tmp_path: Path) -> None:
    """It would have been compared with what is on no paper."""
    with backed(tmp_path, backup=None) as here:
        wok = here.devices["wok"]
        here.order(1, 1, items=[{"name": "宫保鸡丁", "qty": "2"}, {"name": "米饭", "qty": 2}])
        here.wait_told(1)
        wok.refuse()
        here.wait_alarm("printer:wok:away")
        here.order(1, 2, items=[{"name": "宫保鸡丁", "qty": "2"}, {"name": "米饭", "qty": 3}])
        wok.heal()
        (whole,) = here.wait_text("wok", "宫保鸡丁")
        assert (whole.marked, "米饭" in whole.text) == (True, True)


def order_states(here: Kitchen) -> list[tuple[str, str]]:
    """As the journal has them."""
    return here.journal.write(lambda tx: tx.execute("SELECT number, state FROM orders ORDER BY pk").fetchall())


def test_a_void_that_a_stuck_printer_threw_away_comes_again(tmp_path: Path) -> None:
    """A revision left nothing for this station: its cook goes by the paper of before."""
    stations = [Station(name="wok", printer="wok", default=True), Station(name="cold", printer="cold")]
    with two_printers(tmp_path, stations, failover_after_s=60) as here:
        noodles = {"name": "牛肉面", "qty": 1, "station": "wok"}
        tea = {"name": "红茶", "qty": 1, "station": "cold"}
        here.order(42, 1, items=[noodles, tea])
        here.wait_told(42, kind="order.state", states=("printed",), timeout_s=60)
        here.device.swallow()
        here.order(42, 2, items=[tea])
        here.wait_told(42, kind="order.state", states=("printed",), times=2, timeout_s=60)
        here.device.heal()
        here.wait_no_alarm("printer:wok:mute", 60)
        here.wait_text("wok", "作废")


@contextmanager
def backed(folder: Path, backup: str | None = "cold") -> Iterator[Brigade]:
    """A station whose printer takes all without a word and without paper, and whose backup is well."""
    stations = [Station(name="wok", printer="wok", backup=backup, default=True)]
    with two_printers(folder, stations, failover_after_s=1, swallows=True) as here:
        yield here


@contextmanager
def two_printers(
    folder: Path, stations: list[Station], failover_after_s: float, *, swallows: bool = False
) -> Iterator[Brigade]:
    """The wok's says nothing from the start; the cold one is well."""
    with ExitStack() as stack:
        devices, printers = {}, []
        for name in ("wok", "cold"):
            devices[name] = stack.enter_context(VirtualPrinter(PrinterSpec(), name))
            port = stack.enter_context(serve_tcp(devices[name]))
            printers.append(Printer(name=name, link=parse_link(port.link)))
        if swallows:
            devices["wok"].swallow()
        devices["wok"].mute()
        quick = Printing(reprint_after_s=0.5, failover_after_s=failover_after_s)
        yield stack.enter_context(closing(Brigade(folder, devices, printers, stations, quick)))


@contextmanager
def thrown_away(folder: Path, printing: Printing, spec: PrinterSpec | None = None) -> Iterator[Kitchen]:
    """A new printer took orders 1 and 2 without a word and without paper."""
    with VirtualPrinter(spec or PrinterSpec()) as device, serve_tcp(device) as port:
        device.swallow()
        device.mute()
        with closing(Kitchen(folder, device, port.link, "auto", IMPATIENT, printing)) as here:
            for number in (1, 2):
                here.order(number)
                here.wait_told(number)
                assert here.ticket_states(number) == [("completed", "presumed")]
            assert "printer:wok:mute" in here.alarms()
            yield here
