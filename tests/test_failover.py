"""When one printer can't print: another stands in, another's paper says so, and the doubtful ticket has its policy."""

from pathlib import Path

import pytest

from agent.config import Printing
from agent.journal.decisions import decide
from agent.model.command import Decision, Settle
from agent.simulator.faults import Reply
from agent.simulator.printer import PrinterSpec
from agent.spool import doubt
from tests.brigade import Brigade, brigade

TWO = {"wok": PrinterSpec(), "bar": PrinterSpec()}
BACKED = {"wok": "bar"}


def orders(here: Brigade, printer: str) -> list[tuple[str, bool]]:
    """The order tickets on a printer's paper: number, and whether it bears REPRINT."""
    return [(ticket.number, ticket.marked) for ticket in here.at(printer) if ticket.whole]


@pytest.mark.parametrize("trouble", ["open_cover", "run_out_of_paper", "refuse"])
def test_the_backup_prints_while_the_printer_can_not_and_says_so(tmp_path: Path, trouble: str) -> None:
    """Unmarked, because nothing was sent; and the station's own printer goes on by itself once it is well."""
    with brigade(tmp_path, TWO, BACKED) as here:
        here.order_at(1, "wok")
        here.wait_told(1)
        here.idle()
        getattr(here.devices["wok"], trouble)()
        here.wait_any_alarm()
        here.order_at(2, "wok")
        (ticket,) = here.wait_text("bar", "#2")
        assert "代打 printed for: wok" in ticket.text
        assert "No.002" in ticket.text
        assert not ticket.marked
        {"open_cover": here.device.close_cover, "run_out_of_paper": here.device.load_paper}.get(
            trouble, here.device.heal
        )()
        here.wait_no_alarm("printer:wok:away")
        here.wait_no_alarm("printer:wok:cover")
        here.wait_no_alarm("printer:wok:paper")
        here.order_at(3, "wok")
        assert here.wait_for(3)
        assert orders(here, "wok") == [("1", False), ("3", False)]
        assert orders(here, "bar") == [("2", False)]
        assert here.ticket_states(2)[-1] == ("completed", "confirmed")


def test_without_a_backup_a_ticket_waits_for_its_own_printer(tmp_path: Path) -> None:
    """A cook at another station can't cook it."""
    with brigade(tmp_path, TWO) as here:
        here.device.refuse()
        here.order_at(1, "wok")
        here.wait_text("bar", "ALARM")
        here.device.heal()
        assert here.wait_for(1)
        assert orders(here, "bar") == []


def test_a_ticket_in_doubt_is_printed_by_the_backup_marked(tmp_path: Path) -> None:
    """The printer that may have printed it stays away: nobody can ask it."""
    with brigade(tmp_path, TWO, BACKED) as here:
        here.order_at(1, "wok")
        assert here.wait_for(1)
        here.idle()
        here.device.cut_link(after=60)
        here.device.wait_for(lambda device: not device.wire.refuse, 1)
        here.order_at(2, "wok")
        here.device.wait_for(lambda device: device.wire.cut_at is None, 5)
        here.device.refuse()
        (ticket,) = here.wait_text("bar", "#2")
        assert ticket.marked
        assert "代打 printed for: wok" in ticket.text
        here.device.heal()
        assert here.device.wait_for(lambda device: device.connected, 15)
        here.idle()
        here.order_at(3, "wok")
        assert here.wait_for(3)
        assert orders(here, "wok")[-1] == ("3", False)
        assert [ticket.number for ticket in here.at("wok") if not ticket.whole] in ([], ["2"], [""])


def test_a_ticket_in_the_printers_buffer_stays_there(tmp_path: Path) -> None:
    """Paper that ends within a ticket: the buffer prints on; a copy elsewhere would be a second one without a mark."""
    with brigade(tmp_path, TWO, BACKED) as here:
        here.order_at(1, "wok")
        assert here.wait_for(1)
        here.idle()
        here.device.run_out_of_paper(after_lines=3)
        here.order_at(2, "wok")
        here.order_at(3, "wok")
        (third,) = here.wait_text("bar", "#3")
        assert not third.marked
        here.device.load_paper()
        assert here.wait_for(2)
        here.wait_told(2)
        assert orders(here, "wok") == [("1", False), ("2", False)]
        assert orders(here, "bar") == [("3", False)]


def test_another_printer_tells_the_staff_what_to_do(tmp_path: Path) -> None:
    """Once for each trouble; an alarm that is over before it was printed is not."""
    with brigade(tmp_path, TWO) as here:
        here.order_at(1, "wok")
        assert here.wait_for(1)
        here.device.run_out_of_paper()
        (alarm,) = here.wait_text("bar", "ALARM")
        assert "wok" in alarm.text
        assert "缺纸 out of paper" in alarm.text
        assert "请装纸" in alarm.text
        here.device.load_paper()
        here.wait_no_alarm("printer:wok:paper")
        here.order_at(2, "bar")
        here.wait_text("bar", "#2")
        assert len(here.wait_text("bar", "ALARM")) == 1


def test_asked_staff_decide_and_the_printer_goes_on_meanwhile(tmp_path: Path) -> None:
    """`unconfirmed: ask`: nothing is printed twice by itself, the next tickets go out, and paper asks."""
    printing = Printing(unconfirmed="ask", failover_after_s=60)
    with brigade(tmp_path, {"wok": PrinterSpec(tier=2), "bar": PrinterSpec()}, printing=printing) as here:
        here.order_at(1, "wok")
        assert here.wait_for(1)
        here.idle()
        here.device.cut_link(after=60)
        here.order_at(2, "wok")
        here.order_at(3, "wok")
        assert here.wait_for(3)
        (asked,) = here.wait_text("bar", "ALARM")
        assert "有一张单不知是否打出" in asked.text
        assert "#2" in asked.text
        assert here.ticket_states(2)[-1] == ("unconfirmed", "unconfirmed")
        assert here.whole(2) == []
        assert any(key.startswith("ticket:") for key in here.alarms())


def test_a_late_answer_settles_a_ticket_that_was_left_in_doubt(tmp_path: Path) -> None:
    """The printer kept its process ID for the next connection, or said it much later."""
    printing = Printing(unconfirmed="ask", failover_after_s=60)
    spec = PrinterSpec(counters=False)
    with brigade(tmp_path, {"wok": spec, "bar": PrinterSpec()}, printing=printing) as here:
        here.order_at(1, "wok")
        assert here.wait_for(1)
        here.idle()
        here.device.trouble_replies("delay", "process_id", count=2, delay_s=12.0)  # type: ignore[arg-type]  # words of the enums
        here.order_at(2, "wok")
        here.wait_told(2, states=("unconfirmed",))
        here.wait_told(2, timeout_s=20)
        assert here.ticket_states(2)[-1] == ("completed", "confirmed")
        assert orders(here, "wok") == [("1", False), ("2", False)]


def test_a_doubt_waits_for_the_policys_time(tmp_path: Path) -> None:
    """A marked copy costs paper and a cook's doubt: a late answer or a person may come first."""
    printing = Printing(reprint_after_s=2.5, failover_after_s=60)
    with brigade(tmp_path, {"wok": PrinterSpec(tier=2)}, printing=printing) as here:
        here.order_at(1, "wok")
        assert here.wait_for(1)
        here.idle()
        here.device.cut_link(after=60)
        here.order_at(2, "wok")
        here.wait_told(2, states=("unconfirmed",))
        assert not here.device.wait_for(lambda _: bool(here.whole(2)), 1.5)
        assert here.wait_for(2)
        (ticket,) = here.whole(2)
        assert ticket.marked


def test_a_star_printer_confirms_by_its_document_counter(tmp_path: Path) -> None:
    """Its own language, its own question, the same promise."""
    with brigade(tmp_path, {"wok": PrinterSpec(language="star"), "bar": PrinterSpec()}) as here:
        here.order_at(1, "wok")
        here.wait_told(1)
        assert here.ticket_states(1)[-1] == ("completed", "confirmed")
        assert orders(here, "wok") == [("1", False)]
        here.device.run_out_of_paper(after_lines=2)
        here.order_at(2, "wok")
        here.wait_alarm("printer:wok:paper")
        assert here.whole(2) == []
        here.device.load_paper()
        assert here.wait_for(2)
        here.wait_told(2)
        assert orders(here, "wok") == [("1", False), ("2", False)]
        here.idle()
        here.device.power_off()
        here.order_at(3, "wok")
        here.device.power_on()
        assert here.wait_for(3)


def test_a_ticket_that_is_ever_in_doubt_is_not_printed_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A printer that prints and loses every answer: after some marked copies a person is asked."""
    monkeypatch.setattr(doubt, "MOST_ATTEMPTS", 3)
    printing = Printing(reprint_after_s=0, failover_after_s=60)
    with brigade(tmp_path, {"wok": PrinterSpec(counters=False), "bar": PrinterSpec()}, printing=printing) as here:
        here.order_at(1, "wok")
        here.wait_told(1)
        here.idle()
        real = here.device._responder._say  # answers to tickets only
        here.device._responder._say = lambda reply, data: (
            None if data[:2] == b'7"' and data[2:3] != b"~" else real(reply, data)
        )
        here.order_at(2, "wok")
        here.wait_text("bar", "有一张单不知是否打出", timeout_s=60)
        copies = here.whole(2)
        assert [ticket.marked for ticket in copies] == [False, True, True]
        here.device.wait_for(lambda _: False, 3)
        assert len(here.whole(2)) == len(copies)
        assert here.ticket_states(2)[-1] == ("unconfirmed", "unconfirmed")


@pytest.mark.parametrize("profile", ["epson", "generic"])
@pytest.mark.parametrize("decision", ["again", "discard", "printed"])
def test_a_person_settles_what_the_printer_still_holds(tmp_path: Path, profile: str, decision: Decision) -> None:
    """Paper ended within the ticket. A printer that can is told to drop what it holds; then comes the marked copy, or
    nothing. Whatever follows is a piece of its own.
    """
    with brigade(tmp_path, {"wok": PrinterSpec()}, profiles={"wok": profile}) as here:
        here.order_at(1, "wok")
        here.wait_told(1)
        here.idle()
        here.device.run_out_of_paper(after_lines=2)
        here.order_at(2, "wok")
        here.wait_told(2, states=("held",))
        here.journal.write(lambda tx: decide(tx, Settle(decision, ticket=2)))
        dropped = profile == "epson" and decision != "printed"
        cleared = here.device.wait_for(lambda it: Reply.CLEARED in dict(it.said), 20.0 if dropped else 2.5)
        assert cleared == dropped
        here.device.load_paper()
        here.order_at(3, "wok")
        here.wait_told(3)
        here.wait_told(2)
        wanted = [] if dropped else [("2", False)]
        wanted += [("2", True)] if decision == "again" else []
        assert sorted(each for each in orders(here, "wok") if each[0] == "2") == wanted
        assert orders(here, "wok")[-1] == ("3", False)
        assert here.whole(3)[0].text.lstrip().startswith("#3")


def test_a_void_comes_out_where_the_order_is_and_after_it(tmp_path: Path) -> None:
    """The order lies in its printer's buffer: a void on the backup's paper would come before what it takes back."""
    with brigade(tmp_path, TWO, BACKED) as here:
        here.order_at(1, "wok")
        here.wait_told(1)
        here.idle()
        here.device.run_out_of_paper(after_lines=2)
        here.order_at(2, "wok")
        here.wait_told(2, states=("held",))
        here.cancel(2, rev=2)
        here.device.wait_for(lambda _: False, 2.0)
        assert "作废" not in "".join(ticket.text for ticket in here.at("bar"))
        here.device.load_paper()
        here.wait_text("wok", "作废")
        texts = [ticket.text for ticket in here.at("wok") if "#2" in ticket.text]
        assert ["作废" in text for text in texts] == [False, True]


def test_what_was_under_way_when_the_agent_ended_is_not_stuck(tmp_path: Path) -> None:
    """The printer is dead after the restart: a person is told and may decide, and the backup prints it, marked."""
    with brigade(tmp_path, TWO, BACKED) as here:
        here.order_at(1, "wok")
        here.wait_told(1)
        here.idle()
        here.device.swallow()
        here.order_at(2, "wok")
        here.device.wait_for(lambda device: device.received > 0, 1)
        here.device.wait_for(lambda _: False, 0.5)
        here.close()
        here.device.refuse()
        here.open()
        here.wait_alarm("ticket:2")
        (ticket,) = here.wait_text("bar", "代打 printed for: wok")
        assert ticket.marked


def test_a_discarded_ticket_may_be_on_paper_all_the_same(tmp_path: Path) -> None:
    """The printer could not drop it, and prints it: a cancel still voids it; the cloud was told that it is off."""
    with brigade(tmp_path, {"wok": PrinterSpec()}) as here:
        here.order_at(1, "wok")
        here.wait_told(1)
        here.idle()
        here.device.run_out_of_paper(after_lines=2)
        here.order_at(2, "wok")
        here.wait_told(2, states=("held",))
        here.journal.write(lambda tx: decide(tx, Settle("discard", ticket=2)))
        here.wait_told(2, kind="order.state", states=("rejected",))
        here.device.load_paper()
        here.device.wait_for(lambda _: False, 2.0)
        here.cancel(2, rev=2)
        (void,) = here.wait_text("wok", "作废")
        assert "#2" in void.text
