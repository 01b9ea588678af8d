"""What a printer can do to a ticket, on every cable and tier; the paper is the judge."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from unittest import mock

import msgspec
import pytest

from agent.journal.decisions import decide
from agent.model.command import Settle
from agent.printers import dialogue
from agent.printers.meeting import Patience
from agent.simulator.faults import Reply, Trouble
from agent.simulator.ports import serve_tcp
from agent.simulator.printer import PrinterSpec, VirtualPrinter
from agent.spool import worker
from tests.kitchen import IMPATIENT, Kitchen, kitchen

CABLES = ("tcp", "pty")
TIERS = (1, 2, 3)
every_tier = pytest.mark.parametrize("tier", TIERS)
every_cable = pytest.mark.parametrize("cable", CABLES)


def settled(here: Kitchen, number: int, timeout_s: float = 30.0) -> list[tuple[str, str]]:
    """Wait until the cloud would be told that the ticket is done; what it was told."""
    here.wait_told(number, timeout_s)
    return here.ticket_states(number)


@every_cable
@every_tier
def test_an_order_is_on_paper_once_and_the_cloud_is_told_what_that_rests_on(
    tmp_path: Path, cable: str, tier: int
) -> None:
    """Confirmed where the printer can say so, presumed where it can't."""
    with kitchen(tmp_path, cable, PrinterSpec(tier=tier)) as here:
        here.order(42)
        assert settled(here, 42) == [("completed", "presumed" if tier == 3 else "confirmed")]
        (ticket,) = here.tickets()
        assert (ticket.number, ticket.marked, ticket.whole) == ("42", False, True)
        assert ("printer:wok:mute" in here.alarms()) == (tier == 3)


@every_cable
@pytest.mark.parametrize("tier", (1, 2))
@pytest.mark.parametrize("trouble", ("paper", "cover", "cutter"))
def test_nothing_is_sent_to_a_printer_that_needs_a_person(tmp_path: Path, cable: str, tier: int, trouble: str) -> None:
    """Held with an alarm, and going on by itself, unmarked, once somebody saw to it."""
    with kitchen(tmp_path, cable, PrinterSpec(tier=tier)) as here:
        here.order(1)
        settled(here, 1)
        device = here.device
        {"paper": device.run_out_of_paper, "cover": device.open_cover, "cutter": device.jam_cutter}[trouble]()
        here.order(2)
        here.wait_alarm(f"printer:wok:{trouble}")
        here.wait_told(2, states=("held",))
        {"paper": device.load_paper, "cover": device.close_cover, "cutter": device.clear_jam}[trouble]()
        assert settled(here, 2)[-1] == ("completed", "confirmed")
        assert [(ticket.number, ticket.marked) for ticket in here.tickets()] == [("1", False), ("2", False)]
        here.wait_no_alarm(f"printer:wok:{trouble}")


@every_cable
@pytest.mark.parametrize("tier", (1, 2))
def test_paper_that_ends_within_a_ticket_holds_it_and_its_buffer_prints_on(
    tmp_path: Path, cable: str, tier: int
) -> None:
    """Never sent again: the printer still has it."""
    with kitchen(tmp_path, cable, PrinterSpec(tier=tier, line_time_s=0.01)) as here:
        here.device.run_out_of_paper(after_lines=4)
        here.order(7)
        here.wait_told(7, states=("held",))
        here.wait_alarm("printer:wok:paper")
        assert here.whole(7) == []
        here.device.load_paper()
        assert settled(here, 7)[-1] == ("completed", "confirmed")
        assert [(ticket.number, ticket.marked) for ticket in here.tickets()] == [("7", False)]


@every_tier
@pytest.mark.parametrize("counters", (True, False))
@pytest.mark.parametrize("cut_at", (1, 60, 200, 300))
def test_a_link_cut_within_a_ticket_is_followed_by_a_marked_whole_one(
    tmp_path: Path, tier: int, counters: bool, cut_at: int
) -> None:
    """A piece of paper that is not whole is never the last word, and never unmarked after it."""
    with kitchen(tmp_path, "tcp", PrinterSpec(tier=tier, counters=counters, reserve_replies=False)) as here:
        here.order(1)
        settled(here, 1)
        here.idle()
        here.device.cut_link(after=cut_at)
        here.order(2)
        settled(here, 2)
        pieces = [ticket for ticket in here.tickets() if ticket.number != "1"]
        assert pieces[-1].whole
        assert all(piece.marked for piece in pieces[1:])


@pytest.mark.parametrize("cable", ["pty", "tcp"])
def test_after_a_link_that_broke_no_counter_says_that_a_ticket_is_on_paper(tmp_path: Path, cable: str) -> None:
    """They may have counted a till's receipt, or the page that FEED prints when it is switched on."""
    with kitchen(tmp_path, cable, PrinterSpec(reserve_replies=False, line_time_s=0.005)) as here:
        here.order(1)
        settled(here, 1)
        here.idle()
        here.order(2)
        assert here.device.wait_for(lambda device: "#2" in device.paper.current.text, 5)
        here.device.trouble_replies(Trouble.LOSE, Reply.PROCESS_ID, count=1)
        assert here.wait_for(2)
        here.device.cut_link()
        assert settled(here, 2)[-1] == ("completed", "confirmed")
        assert [(ticket.number, ticket.marked) for ticket in here.tickets()] == [
            ("1", False),
            ("2", False),
            ("2", True),
        ]


@contextmanager
def crackling(device: VirtualPrinter, each_s: float) -> Iterator[None]:
    """A line that says a NUL now and then, as some bridges do: it looks like a printer's status byte."""
    over = threading.Event()

    def crackle() -> None:
        while not over.wait(each_s):
            device.babble(b"\0")

    thread = threading.Thread(target=crackle, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.mark.parametrize("tier", (2, 3))
def test_a_line_that_crackles_proves_nothing(tmp_path: Path, tier: int) -> None:
    """The printer takes the bytes and prints nothing; what the line says meanwhile is no answer of its."""
    with kitchen(tmp_path, "tcp", PrinterSpec(tier=tier)) as here, crackling(here.device, 0.15):
        here.order(1)
        assert settled(here, 1)[-1] == ("completed", "presumed")
        here.wait_alarm("printer:wok:mute")
        here.device.swallow()
        here.order(2)
        assert ("completed", "confirmed") not in settled(here, 2)


def test_a_line_that_begins_to_crackle_proves_nothing_any_more(tmp_path: Path) -> None:
    """It was quiet when the printer was met."""
    with kitchen(tmp_path, "tcp", PrinterSpec(tier=2)) as here:
        here.order(1)
        assert settled(here, 1)[-1] == ("completed", "confirmed")
        with crackling(here.device, 0.55):
            here.device.wait_for(lambda _: False, 1.5)
            here.device.swallow()
            here.order(2)
            here.wait_told(2, states=("unconfirmed",))
            assert ("completed", "confirmed") not in here.ticket_states(2)


def test_a_mute_printer_that_hangs_up_now_and_then_is_not_new_each_time(tmp_path: Path) -> None:
    """It is waited for once, and then its tickets are presumed to be printed."""
    with ExitStack() as stack:
        device = stack.enter_context(VirtualPrinter(PrinterSpec(tier=3)))
        port = stack.enter_context(serve_tcp(device))
        patience = msgspec.structs.replace(IMPATIENT, first_meeting_s=5.0)
        here = stack.enter_context(closing(Kitchen(tmp_path, device, port.link, "auto", patience)))
        here.order(1)
        for _ in range(2):
            device.wait_for(lambda _: False, 3.0)
            device.cut_link()
        assert settled(here, 1)[-1] == ("completed", "presumed")
        assert [ticket.number for ticket in here.tickets()] == ["1"]


@pytest.mark.parametrize("late_s", (0.6, 0.75, 0.9, 1.2))
def test_a_printer_whose_answers_take_long_prints_each_order_once(tmp_path: Path, late_s: float) -> None:
    """Longer than others' ever do: it is waited for as long as it needs."""
    with ExitStack() as stack:
        device = stack.enter_context(VirtualPrinter(PrinterSpec(tier=2)))
        device.trouble_replies(Trouble.DELAY, delay_s=late_s)
        port = stack.enter_context(serve_tcp(device))
        here = stack.enter_context(closing(Kitchen(tmp_path, device, port.link, "auto", Patience())))
        for number in (1, 2):
            here.order(number)
            assert settled(here, number)[-1] == ("completed", "confirmed")
        assert [(ticket.number, ticket.marked) for ticket in here.tickets()] == [("1", False), ("2", False)]


def test_a_power_cut_behind_a_serial_device_server_is_found_out(tmp_path: Path) -> None:
    """The connection stays and the printer answers for the ticket's end: with the line's speed in the link the agent
    looks out for what lies between.
    """
    spec = PrinterSpec(bytes_per_s=960.0, counters=False)
    with (
        VirtualPrinter(spec) as device,
        serve_tcp(device) as port,
        closing(Kitchen(tmp_path, device, f"{port.link}?baud=9600", "auto")) as here,
    ):
        here.order(1, items=[{"name": f"第 {number} 道菜", "qty": "1"} for number in range(60)])
        assert device.wait_for(lambda it: "第 9 道菜" in it.paper.current.text, 20)
        device.power_off(keep_line=True)
        device.wait_for(lambda _: False, 1.0)
        device.power_on()
        assert settled(here, 1)[-1] == ("completed", "confirmed")
        (whole,) = (ticket for ticket in here.tickets() if all(f"第 {n} 道菜" in ticket.text for n in range(60)))
        assert whole.marked


@pytest.mark.parametrize("lines", (14, 17, 20))
def test_a_tills_receipt_is_not_counted_as_our_ticket(tmp_path: Path, lines: int) -> None:
    """It is as long as ours, and was printed on the same printer when that had forgotten ours."""
    with kitchen(tmp_path, "tcp", PrinterSpec(reserve_replies=False, line_time_s=0.05)) as here:
        here.order(1)
        settled(here, 1)
        here.idle()
        here.order(2)
        assert here.device.wait_for(lambda device: device.buffered > 100, 5)
        here.device.refuse()
        here.device.power_cycle()
        here.device.receive(b"\x1b@" + b"till\n" * lines + b"\x1dVB\0")  # it was quicker than we are
        assert here.device.wait_for(lambda device: "till" in device.paper.pieces[-1].text, 5)
        here.device.refuse(False)
        assert settled(here, 2)[-1] == ("completed", "confirmed")
        assert [ticket.marked for ticket in here.whole(2)] == [True]


@pytest.mark.parametrize("tier", (2, 3))
def test_without_evidence_a_doubtful_ticket_is_printed_again_marked(tmp_path: Path, tier: int) -> None:
    """Tier 2 and 3: any doubt is a marked reprint, with an alarm while it lasts."""
    with kitchen(tmp_path, "tcp", PrinterSpec(tier=tier, line_time_s=0.02)) as here:
        here.order(1)
        settled(here, 1)
        here.order(2)
        here.device.wait_for(lambda device: "#2" in "".join(line.text for line in device.paper.current.lines), 10)
        here.device.cut_link()
        assert here.wait_for(2)
        settled(here, 2)
        assert [ticket.marked for ticket in here.whole(2)] in ([True], [False, True])


@every_cable
@pytest.mark.parametrize("lag", (False, True))
@pytest.mark.parametrize("tier", (1, 2))
def test_a_power_cut_within_a_ticket_leaves_a_slip_and_a_marked_whole_ticket(
    tmp_path: Path, cable: str, tier: int, lag: bool
) -> None:
    """Even with counters that forgot what was not saved."""
    with kitchen(tmp_path, cable, PrinterSpec(tier=tier, line_time_s=0.02, counters_lag=lag)) as here:
        here.order(1)
        settled(here, 1)
        here.idle()
        here.order(2)
        here.device.wait_for(lambda device: "#2" in "".join(line.text for line in device.paper.current.lines), 10)
        here.device.power_cycle()
        settled(here, 2)
        assert [ticket.marked for ticket in here.whole(2)] == [True]


@pytest.mark.parametrize("tier", (1, 2))
def test_a_printer_that_takes_bytes_and_never_prints_is_never_believed(tmp_path: Path, tier: int) -> None:
    """Not completed, and an alarm. Its counters may prove that nothing was printed; else the next one is marked."""
    with kitchen(tmp_path, "tcp", PrinterSpec(tier=tier)) as here:
        here.order(1)
        settled(here, 1)
        here.idle()
        here.device.swallow()
        here.order(2)
        here.wait_alarm("printer:wok:silent")
        here.wait_told(2, states=("unconfirmed",))
        assert ("completed", "confirmed") not in here.ticket_states(2)
        here.device.swallow(False)
        assert settled(here, 2)[-1] == ("completed", "confirmed")
        assert [ticket.marked for ticket in here.whole(2)] == [tier == 2]


@pytest.mark.parametrize("power", (False, True))
def test_a_printer_that_answers_and_has_nothing_in_doubt_any_more_is_not_silent(tmp_path: Path, power: bool) -> None:
    """A person settled what it had, while it was stuck: the alarm goes once it answers, with no ticket's help."""
    with kitchen(tmp_path, "tcp", PrinterSpec(tier=1)) as here:
        here.order(1)
        settled(here, 1)
        here.idle()
        here.device.swallow()
        here.order(2)
        here.wait_alarm("printer:wok:silent")
        here.wait_told(2, states=("unconfirmed",))
        said = Settle("printed", ticket=2, by="cook")
        here.journal.write(lambda tx: decide(tx, said))
        here.device.swallow(False)
        if power:
            here.device.power_cycle()
        here.wait_no_alarm("printer:wok:silent")
        assert here.alarms() == {}
        here.order(3)
        assert settled(here, 3)[-1] == ("completed", "confirmed")


@every_cable
@every_tier
def test_a_printer_that_stops_taking_bytes_is_waited_for(tmp_path: Path, cable: str, tier: int) -> None:
    """To break off would turn a late ticket into a doubtful one; an alarm says why it is late."""
    with kitchen(tmp_path, cable, PrinterSpec(tier=tier)) as here:
        here.order(1)
        settled(here, 1)
        here.device.stall()
        here.order(2, note="很长" * 900)
        if tier < 3:
            here.wait_any_alarm()
        here.device.stall(False)
        assert settled(here, 2)[-1][0] == "completed"
        pieces = [ticket for ticket in here.tickets() if ticket.number == "2"]
        assert [piece.whole for piece in pieces][-1]
        assert [piece.marked for piece in pieces if piece.whole] in ([False], [True], [False, True])


@every_tier
def test_a_printer_that_is_away_is_tried_until_it_is_back(tmp_path: Path, tier: int) -> None:
    """Orders wait in order, unmarked; the alarm goes up and down again."""
    with kitchen(tmp_path, "tcp", PrinterSpec(tier=tier)) as here:
        here.order(1)
        settled(here, 1)
        here.device.refuse()
        for number in (2, 3, 4):
            here.order(number)
        here.wait_alarm("printer:wok:away")
        here.device.refuse(False)
        for number in (2, 3, 4):
            settled(here, number)
        assert [(ticket.number, ticket.marked) for ticket in here.tickets()] == [(str(n), False) for n in (1, 2, 3, 4)]
        here.wait_no_alarm("printer:wok:away")


@pytest.mark.parametrize("tier", (1, 2))
@pytest.mark.parametrize("trouble", (Trouble.DUPLICATE, Trouble.GARBLE, Trouble.LOSE, Trouble.DELAY))
def test_troubled_answers_never_lead_to_a_false_word_or_an_unmarked_second_ticket(
    tmp_path: Path, tier: int, trouble: Trouble
) -> None:
    """Garbage, late, doubled and lost answers: whatever is on paper twice is marked, and nothing is lost."""
    with kitchen(tmp_path, "tcp", PrinterSpec(tier=tier)) as here:
        here.order(1)
        settled(here, 1)
        here.device.trouble_replies(trouble, count=6, delay_s=0.7)
        for number in (2, 3, 4):
            here.order(number)
        for number in (2, 3, 4):
            assert settled(here, number, 60)[-1] == ("completed", "confirmed")
            assert here.whole(number)
            assert all(ticket.marked for ticket in here.whole(number)[1:])


def test_a_newer_revision_wins_over_a_ticket_in_doubt(tmp_path: Path) -> None:
    """An older revision never prints after a newer one, not even as a reprint."""
    with kitchen(tmp_path, "tcp", PrinterSpec(tier=2, line_time_s=0.02)) as here:
        here.order(1)
        settled(here, 1)
        here.order(5, note="第一版")
        here.device.wait_for(lambda device: "#5" in "".join(line.text for line in device.paper.current.lines), 10)
        here.device.refuse()
        here.order(5, rev=2, note="第二版")
        here.wait_told(5, kind="order.state", states=("accepted",), times=2)
        here.device.refuse(False)
        assert here.device.wait_for(lambda _: any("第二版" in ticket.text for ticket in here.whole(5)), 30)
        last = here.whole(5)[-1]
        assert "改单" in last.text
        assert "第二版" in last.text


def test_a_cancel_voids_only_what_may_be_on_paper(tmp_path: Path) -> None:
    """作废 where something was printed; nothing at all where the order had not been printed yet."""
    with kitchen(tmp_path) as here:
        here.order(1)
        settled(here, 1)
        here.cancel(1)
        assert here.device.wait_for(lambda _: any("作废" in ticket.text for ticket in here.tickets()), 20)
        here.idle()
        here.device.open_cover()
        here.wait_alarm("printer:wok:cover")
        here.order(2)
        here.cancel(2)
        here.order(3)
        here.device.close_cover()
        settled(here, 3)
        assert [ticket.number for ticket in here.tickets()] == ["1", "1", "3"]


def test_orders_print_in_the_order_of_their_arrival_with_running_numbers(tmp_path: Path) -> None:
    """One station's tickets come out in order, and its running numbers leave no gap."""
    with kitchen(tmp_path) as here:
        for number in range(1, 41):
            here.order(number)
        assert here.wait_for(40)
        assert [ticket.number for ticket in here.tickets()] == [str(n) for n in range(1, 41)]
        assert [f"No.{n:03}" in ticket.text for n, ticket in enumerate(here.tickets(), 1)] == [True] * 40


def test_a_stop_waits_for_the_word_on_the_ticket_under_way(tmp_path: Path) -> None:
    """SIGTERM leaves nothing in doubt that need not be."""
    with kitchen(tmp_path, "tcp", PrinterSpec(line_time_s=0.05)) as here:
        here.order(1)
        here.device.wait_for(lambda device: "#1" in "".join(line.text for line in device.paper.current.lines), 10)
        here.close()
        here.open()
        assert settled(here, 1) == [("completed", "confirmed")]
        assert [ticket.marked for ticket in here.tickets()] == [False]


def test_a_held_ticket_goes_on_whatever_was_killed_between(tmp_path: Path) -> None:
    """A ticket held without an alarm (the process died between the two) goes when the printer is seen to be well."""
    with kitchen(tmp_path) as here:
        here.order(1)
        settled(here, 1)
        here.device.open_cover()
        here.wait_alarm("printer:wok:cover")
        here.order(2)
        here.wait_told(2, states=("held",))
        here.close()
        here.device.close_cover()
        here.open()
        here.worker.stop(5)
        here.journal.write(lambda tx: tx.execute("DELETE FROM alarms"))
        here.journal.write(lambda tx: tx.execute("UPDATE jobs SET state = 'held' WHERE state = 'pending'"))
        here.journal.stop(5)
        here.open()
        assert settled(here, 2)[-1] == ("completed", "confirmed")


def test_what_follows_a_torn_ticket_is_a_piece_of_its_own(tmp_path: Path) -> None:
    """Also when the torn one was cancelled meanwhile: its slip is cut off before anything else is printed."""
    with kitchen(tmp_path, "tcp", PrinterSpec(tier=2, line_time_s=0.02)) as here:
        here.order(1)
        settled(here, 1)
        here.order("AAA")
        here.device.wait_for(lambda device: "#AAA" in "".join(line.text for line in device.paper.current.lines), 10)
        here.device.refuse()
        here.cancel("AAA")
        here.order("BBB")
        here.wait_told("BBB", kind="order.state", states=("accepted",))
        here.device.refuse(False)
        assert here.wait_for("BBB", 30)
        for ticket in here.tickets():
            assert ("#AAA" in ticket.text) + ("#BBB" in ticket.text) <= 1, ticket.text


def test_what_follows_a_ticket_that_a_person_settled_is_a_piece_of_its_own(tmp_path: Path) -> None:
    """Its copy was torn, and somebody says that it is on paper: the slip that hangs there is cut off all the same."""
    with kitchen(tmp_path, "tcp", PrinterSpec(tier=2, line_time_s=0.02)) as here:
        here.order(1)
        settled(here, 1)
        here.order("AAA")
        here.device.wait_for(lambda device: "#AAA" in "".join(line.text for line in device.paper.current.lines), 10)
        here.device.power_off()
        here.wait_told("AAA", states=("unconfirmed",))
        here.journal.write(lambda tx: decide(tx, Settle("printed", ticket=2)))
        here.order("BBB")
        here.device.power_on()
        assert here.wait_for("BBB", 30)
        assert [("#AAA" in ticket.text, "#BBB" in ticket.text) for ticket in here.tickets()[1:]] == [
            (True, False),
            (False, True),
        ]


def test_a_printer_that_does_not_tell_its_counters_any_more_gets_no_ticket_until_it_answers_a_fence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It swallows all that is to be printed and says in real time that it is well; then it prints a ticket's tail."""
    monkeypatch.setattr(worker, "LOOK_EACH_S", 0.2)
    monkeypatch.setattr(dialogue, "COUNTER_TIMEOUT_S", 0.2)
    with kitchen(tmp_path, "pty", PrinterSpec(bytes_per_s=1920)) as here:
        for number in (1, 2):
            here.order(number)
            settled(here, number)
        here.idle()
        here.device.swallow()
        asked = here.device.received + 60
        assert here.device.wait_for(lambda device: device.received > asked, 10)  # a look, the counters, a look again
        here.order(3)
        sent = here.device.received + 200
        here.device.wait_for(lambda device: device.received > sent, 2)
        here.device.swallow(False)
        assert settled(here, 3, 60)[-1] == ("completed", "confirmed")
        assert [ticket.marked for ticket in here.whole(3)] == [False]


@pytest.mark.parametrize("tier", (1, 2))
def test_a_ticket_whose_head_is_thrown_away_is_not_believed(tmp_path: Path, tier: int) -> None:
    """The link holds and the printer answers for the ticket's end; it did not for its head."""
    with kitchen(tmp_path, "tcp", PrinterSpec(tier=tier, counters=False)) as here:
        here.order(1)
        settled(here, 1)
        here.device.swallow(next_bytes=100)
        here.order(2)
        assert settled(here, 2, 60)[-1] == ("completed", "confirmed")
        assert [ticket.marked for ticket in here.whole(2)] == [True]


@pytest.mark.parametrize("counters", (False, True))
def test_a_kept_answer_for_the_end_is_none_for_the_head(tmp_path: Path, counters: bool) -> None:
    """The link breaks before it is heard, and the printer says it to the next one."""
    with kitchen(tmp_path, "tcp", PrinterSpec(counters=counters, line_time_s=0.02)) as here:
        here.order(1)
        settled(here, 1)
        here.device.swallow(next_bytes=40)
        begins = here.device.received
        here.order(2)
        assert here.device.wait_for(lambda device: device.received > begins + 200, 5)
        here.device.cut_link()
        assert settled(here, 2)[-1] == ("completed", "confirmed")
        assert [ticket.marked for ticket in here.whole(2)] == [True]


def test_counters_that_never_count_prove_nothing(tmp_path: Path) -> None:
    """A clone that answers the same for ever: a lost answer leads to a marked ticket, not to a second unmarked one."""
    with kitchen(tmp_path, "tcp", PrinterSpec(counters=False)) as here:
        here.order(1)
        settled(here, 1)
        here.idle()
        here.device.trouble_replies(Trouble.LOSE, Reply.PROCESS_ID, count=2)  # of its head and its end
        here.order(2)
        settled(here, 2)
        assert [ticket.marked for ticket in here.whole(2)] == [False, True]


def test_a_printer_that_was_used_by_somebody_else_meanwhile_proves_nothing(tmp_path: Path) -> None:
    """Counters moved by another's receipt are no evidence that ours is on paper."""
    with kitchen(tmp_path, "tcp", PrinterSpec(reserve_replies=False)) as here:
        here.order(1)
        settled(here, 1)
        here.idle()
        here.device.swallow()
        here.order(2)
        here.wait_told(2, states=("unconfirmed",))
        here.device.swallow(False)
        here.device.receive(b"somebody else's receipt\n" * 40 + b"\x1dVB\0")
        assert here.wait_for(2, 30)
        assert settled(here, 2)[-1] == ("completed", "confirmed")


@pytest.mark.parametrize("after", range(1, 14))
def test_a_question_that_was_cut_leaves_nothing_on_paper(tmp_path: Path, after: int) -> None:
    """The link breaks while the idle printer is asked something: it waits for the rest, and must not eat the reset."""
    with kitchen(tmp_path, spec=PrinterSpec(realtime=False, counters_lag=True, line_time_s=0.004)) as here:
        here.order(1)
        assert here.wait_for(1)
        here.device.cut_link(after, True)
        here.wait_told(1)
        here.device.wait_for(lambda _: False, 0.5)
        here.order(2)
        here.wait_told(2)
        assert {ticket.text.lstrip()[:1] for ticket in here.tickets()} <= {"#", "补"}


def test_a_closed_cover_is_seen_without_a_busy_loop(tmp_path: Path) -> None:
    """The printer says by itself that it is well, before it is looked at: the worker looks, and goes back to sleep."""
    with kitchen(tmp_path) as here:
        here.order(1)
        assert here.wait_for(1)
        here.idle()
        here.device.open_cover()
        here.wait_alarm("printer:wok:cover")
        with mock.patch.object(here.worker, "_turn", wraps=here.worker._turn) as turn:
            here.device.close_cover()
            here.wait_no_alarm("printer:wok:cover")
        assert turn.call_count < 30


@pytest.mark.parametrize("tier", (1, 2))
def test_a_cover_that_is_opened_while_a_ticket_is_on_a_slow_wire_is_seen(tmp_path: Path, tier: int) -> None:
    """And the two pieces of the ticket that a knife made when it was closed are not the last word."""
    spec = PrinterSpec(tier=tier, asb=False, buffer_bytes=65536, cuts_on_cover_close=True, bytes_per_s=960.0)
    with kitchen(tmp_path, "pty", spec, patience=Patience()) as here:
        here.order(1)
        settled(here, 1)
        here.idle()
        here.order(2, items=[{"name": f"菜{j}号", "qty": "1"} for j in range(120)])
        assert here.device.wait_for(lambda device: "菜9号" in device.paper.current.text, 20)
        here.device.open_cover()
        assert not here.device.wait_for(lambda device: not device.sensors.cover_open, 1.5)
        here.device.close_cover()
        settled(here, 2, 60)
        *torn, last = [ticket for ticket in here.tickets() if ticket.number == "2"]
        assert (last.marked, last.whole) == (True, True)
        assert torn


class InTheAir(VirtualPrinter):
    """Goes on, and answers what stands behind a ticket, when the roll has ended: what it prints then is on no paper."""

    def __init__(self, spec: PrinterSpec) -> None:
        super().__init__(spec)
        air = type("Air", (type(self.sensors),), {"offline": property(lambda sensors: sensors.cover_open)})
        self.sensors = self._responder._sensors = air()


def test_a_printer_that_says_behind_a_ticket_that_it_has_no_paper_has_not_printed_it(tmp_path: Path) -> None:
    """It answers GS r and no status request: what it answers tells its paper, too."""
    device = InTheAir(PrinterSpec(tier=2, realtime=False, asb=False))
    with kitchen(tmp_path, "tcp", device) as here:
        here.order(1)
        settled(here, 1)
        here.idle()
        device.run_out_of_paper(after_lines=4)
        here.order(2)
        here.order(3)
        here.wait_alarm("printer:wok:paper")
        device.load_paper()
        settled(here, 2)
        settled(here, 3)
        said = [(ticket.number, ticket.marked) for ticket in here.tickets()]
        assert said == [("1", False), ("2", False), ("2", True), ("3", False)], "the first 2 is in the air"


def test_a_status_request_that_waits_behind_a_long_ticket_makes_no_doubt(tmp_path: Path) -> None:
    """A small buffer without room for status requests: they are answered once the ticket is printed."""
    spec = PrinterSpec(tier=2, buffer_bytes=600, margin_bytes=0, line_time_s=0.03)
    with kitchen(tmp_path, "tcp", spec, patience=Patience()) as here:
        here.order(1)
        settled(here, 1)
        here.idle()
        here.order(2, items=[{"name": f"菜{j}号", "qty": "1"} for j in range(60)])
        assert settled(here, 2)[-1] == ("completed", "confirmed")
        assert [(ticket.number, ticket.marked) for ticket in here.tickets()] == [("1", False), ("2", False)]


@pytest.mark.parametrize("lines", (12, 14, 16, 18))
def test_a_self_test_page_is_no_ticket(tmp_path: Path, lines: int) -> None:
    """Switched off in the middle of a ticket, and on with FEED held: it moves the counters as the ticket would."""
    with kitchen(tmp_path, "pty", PrinterSpec(line_time_s=0.03)) as here:
        here.order(1)
        settled(here, 1)
        here.idle()
        printed = here.device.paper.line_feeds
        here.order(2)
        assert here.device.wait_for(lambda device: device.buffered > 100 or device.paper.line_feeds > printed, 5)
        here.device.power_off(keep_line=True)
        here.device.power_on()
        here.device.receive(b"SELF TEST\n" * lines + b"\x1dVB\0")
        settled(here, 2)
        assert [(ticket.marked, ticket.whole) for ticket in here.tickets() if ticket.number == "2"][-1] == (True, True)
