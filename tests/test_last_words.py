"""What a station was told last: several copies, voids and doubts that cross with changes. Paper has the last word."""

from pathlib import Path

import pytest

from agent.config import Printing
from agent.journal.decisions import decide
from agent.journal.transfers import move
from agent.model.command import Move, Settle
from agent.model.station import Station
from agent.simulator.printer import PrinterSpec, VirtualPrinter
from tests.brigade import Brigade, brigade
from tests.kitchen import kitchen
from tests.test_doubtful import C, N, T, restart, told

TWO = [Station("wok", printer="wok", default=True, copies=2)]
SLOW = {"wok": PrinterSpec(line_time_s=0.03), "bar": PrinterSpec(serial="VP000002")}
PATIENT = Printing(reprint_after_s=0.5, failover_after_s=60)
QUIET_S = 3.0


def says(device: VirtualPrinter, words: str) -> bool:
    """Does the piece that hangs out of the printer say so?"""
    return words in "".join(line.text for line in device.paper.current.lines)


def quiet(here: Brigade, seconds: float = QUIET_S) -> None:
    """Whatever else comes out comes out."""
    here.device.wait_for(lambda _: False, seconds)


def torn_and_off(here: Brigade) -> None:
    """#42 is torn by a power cut, and the printer stays off."""
    here.order(41, items=[C])
    here.wait_told(41)
    here.idle()
    here.order(42, 1, items=[N])
    here.device.wait_for(lambda device: says(device, "#42"), 10)
    here.device.power_off()
    here.wait_told(42, states=("unconfirmed",))


def the_first_copy_prints(here: Brigade) -> None:
    """Of two of #42."""
    restart(here, TWO)
    here.order(40, items=[C])
    here.wait_told(40, times=2)
    here.order(42, 1, items=[N])
    here.device.wait_for(lambda device: says(device, "#42"), 10)


# -- several copies ------------------------------------------------------------------------------------------------


def test_the_second_copy_comes_out_though_the_order_is_paid_meanwhile(tmp_path: Path) -> None:
    """A revision that no cook reads withdraws a copy that waits; nobody had that one."""
    with brigade(tmp_path, {"wok": PrinterSpec(line_time_s=0.03)}) as here:
        the_first_copy_prints(here)
        here.order(42, 2, items=[N], paid=True)
        here.wait_told(42, kind="order.state", states=("printed",))
        quiet(here)
        assert len(here.whole(42)) == 2


@pytest.mark.parametrize("items", [[N], [N, C]], ids=["paid", "changed"])
def test_the_second_copy_is_whole_where_paper_ended_before_it(tmp_path: Path, items: list[dict[str, object]]) -> None:
    """Its reader never had what a list of changes would be against."""
    with brigade(tmp_path, {"wok": PrinterSpec(line_time_s=0.01)}) as here:
        the_first_copy_prints(here)
        here.device.run_out_of_paper(after_lines=40)
        assert here.wait_for(42)
        here.device.run_out_of_paper()
        here.wait_alarm("printer:wok:paper")
        here.order(42, 2, items=items, paid=True)
        quiet(here, 0.5)
        here.device.load_paper()
        quiet(here)
        assert sum("牛肉面" in ticket.text for ticket in here.at("wok") if ticket.number == "42") == 2


# -- what was given up and is wanted again -------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["cancelled and ordered again", "at the bar and back", "again after the cancel"])
def test_a_doubtful_ticket_that_was_given_up_is_printed_when_it_is_wanted_again(tmp_path: Path, how: str) -> None:
    """It may be on paper; but nobody says so, and nobody prints it any more."""
    with brigade(tmp_path, SLOW, printing=PATIENT) as here:
        torn_and_off(here)
        if how == "again after the cancel":
            here.cancel(42, 2)
            here.journal.write(lambda tx: decide(tx, Settle("again", order="id-42", station="wok", ticket=2)))
        else:
            here.journal.write(lambda tx: decide(tx, Settle("again", order="id-42")))
            if how == "at the bar and back":
                here.order(42, 2, items=[{**N, "station": "bar"}])
                here.wait_text("bar", "牛肉面")
            else:
                here.cancel(42, 2)
        here.order(42, 3, items=[N])
        here.device.power_on()
        quiet(here, 8)
        assert any(ticket.whole and ticket.number == "42" and "牛肉面" in ticket.text for ticket in here.at("wok"))


def test_what_a_person_discarded_and_the_order_says_anew_is_told_as_printed_when_it_is(tmp_path: Path) -> None:
    """#42 is discarded, changed, and changed back before anything of it is on paper: the refusal ended in between."""
    with kitchen(tmp_path) as here:
        here.device.run_out_of_paper()
        here.order(41)
        here.wait_alarm("printer:wok:paper")
        here.order(42, 1)
        here.journal.write(lambda tx: decide(tx, Settle("discard", order="id-42", ticket=2)))
        here.order(42, 2, items=[{"name": "油条", "qty": 1}])
        here.order(42, 3)
        here.device.load_paper()
        here.wait_for(41)
        here.device.wait_for(lambda _: False, 2)
        states = [r["state"] for r in here.reports() if r["type"] == "order.state" and r["order"]["no"] == "42"]
        assert (len(here.whole(42)), states[-1]) == (1, "printed")


def test_a_void_does_not_come_after_the_order_that_it_was_for(tmp_path: Path) -> None:
    """It is to be printed again; the order is back meanwhile, and a person sent that to another printer."""
    with brigade(tmp_path, SLOW, printing=PATIENT) as here:
        told(here, 1, N)
        here.idle()
        here.cancel(42, 2)
        here.device.wait_for(lambda device: says(device, "作废"), 10)
        here.device.power_off()
        here.wait_told(42, states=("unconfirmed",))
        here.order(42, 3, items=[N, C], table="7")
        here.journal.write(lambda tx: decide(tx, Settle("again", ticket=2)))
        here.journal.write(lambda tx: move(tx, Move(ticket=3, printer="bar"), "bar"))
        here.workers["bar"].wake()
        here.wait_text("bar", "葱油饼")
        here.device.power_on()
        quiet(here, 8)
        assert not [ticket for ticket in here.at("wok") if "作废" in ticket.text and ticket.whole]


# -- discard the piece above: which one? -------------------------------------------------------------------------------


def test_the_piece_above_is_not_another_orders_ticket(tmp_path: Path) -> None:
    """#42 is torn, and changed; #43 comes out before it is printed again."""
    with brigade(tmp_path, SLOW) as here:
        here.order(41, items=[C])
        here.wait_told(41)
        here.idle()
        here.order(42, 1, items=[N, C])
        here.device.wait_for(lambda device: says(device, "牛肉面"), 10)
        here.device.power_off()
        here.wait_told(42, states=("unconfirmed",))
        here.order(43, items=[C])
        here.order(42, 2, items=[N])
        here.device.power_on()
        here.wait_told(43)
        here.wait_told(42, kind="order.state", states=("printed",))
        here.idle()
        assert_nothing_whole_is_discarded([ticket.text for ticket in here.at("wok")], "#43")


def test_the_piece_above_is_not_what_a_stand_in_printed(tmp_path: Path) -> None:
    """The bar tears #42; when it is back it prints the wok's older #41 first."""
    specs = {"wok": PrinterSpec(), "bar": PrinterSpec(serial="B", line_time_s=0.03)}
    with brigade(tmp_path, specs, {"wok": "bar"}, Printing(reprint_after_s=0.5, failover_after_s=8)) as here:
        bar = here.devices["bar"]
        here.order(40, items=[T])
        here.wait_told(40)
        here.idle()
        here.device.run_out_of_paper()
        here.wait_alarm("printer:wok:paper")
        here.order(41, items=[C])
        here.order(42, items=[T, {**T, "id": "x", "name": "咖啡"}])
        bar.wait_for(lambda device: says(device, "红茶"), 10)
        bar.power_off()
        here.wait_told(42, states=("unconfirmed",))
        quiet(here, 9)
        bar.power_on()
        here.wait_text("bar", "葱油饼", timeout_s=30)
        here.wait_told(42, kind="order.state", states=("printed",))
        assert_nothing_whole_is_discarded([t.text for t in here.at("bar") if "ALARM" not in t.text], "#41")


def assert_nothing_whole_is_discarded(texts: list[str], whole: str) -> None:
    """The ticket that says "discard the piece above" does not follow this one."""
    says_so = [at for at, text in enumerate(texts) if "discard the piece above" in text]
    assert [texts[at - 1] for at in says_so if whole in texts[at - 1]] == []
