"""Orders that wait: behind a gap, too old, too many, in advance. The paper is the judge."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.journal import notes
from tests.queueing import SOURCE, Queueing, iso, queueing
from tests.test_doubtful import lose


@pytest.fixture
def kitchen(tmp_path: Path) -> Iterator[Queueing]:
    """With the usual rules, but for a short patience with gaps."""
    with queueing(tmp_path) as here:
        yield here


@pytest.fixture
def patient(tmp_path: Path) -> Iterator[Queueing]:
    """A gap is waited for as long as the test likes."""
    with queueing(tmp_path, gap_hold_s=30) as here:
        yield here


# -- gaps --------------------------------------------------------------------------------------------------------


def test_what_follows_a_gap_comes_out_in_order_once_it_closes(patient: Queueing) -> None:
    """42 is missing: 44 and 43 wait for it, the cloud is asked at once, and all come out as they were told."""
    patient.tell(41, 41)
    patient.tell(44, 44)
    patient.tell(43, 43)
    assert sorted(patient.waiting()) == [("43", "gap"), ("44", "gap")]
    assert (patient.gaps, patient.acknowledged) == (2, [1, 2, 3])
    patient.tell(42, 42, topic="replay")
    assert patient.wait_for(44)
    assert patient.numbers() == ["41", "42", "43", "44"]
    assert not [ticket for ticket in patient.tickets() if "MISSING" in ticket.text or "LATE" in ticket.text]
    assert (patient.waiting(), patient.alarms()) == ([], {})
    assert patient.order_states(43)[:2] == [("held", "gap"), ("accepted", "")]


def test_a_number_far_beyond_all_others_is_not_counted(kitchen: Queueing) -> None:
    """It prints and its report says so; what comes after it is not late, and a gap is seen as ever."""
    kitchen.tell(1, 41)
    kitchen.tell(2, 2**62)
    kitchen.one(2)
    assert any("4611686018427387904, after 41" in reason for _, reason in kitchen.order_states(2))
    for number in (42, 43):
        kitchen.tell(number, number)
        assert "LATE" not in kitchen.one(number).text
    kitchen.tell(45, 45)
    assert "缺单 MISSING #44" in kitchen.one(45).text
    assert kitchen.gaps == 1


def test_gap_that_stays_is_said_on_paper_and_what_comes_then_is_late(kitchen: Queueing) -> None:
    """After its time the later ones print with 缺单 MISSING #42, the alarm is up, and 42 says 迟到 LATE in the end."""
    kitchen.tell(41, 41)
    kitchen.tell(43, 43)
    assert "缺单 MISSING #42" in kitchen.one(43).text
    assert "events 42 did not come in time" in kitchen.alarms()[f"missing:{SOURCE}"]
    kitchen.tell(44, 44)
    assert "MISSING" not in kitchen.one(44).text
    kitchen.tell(42, 42, topic="replay")
    assert "迟到 LATE" in kitchen.one(42).text
    kitchen.wait_no_alarm(f"missing:{SOURCE}")
    kitchen.tell(45, 45)
    assert "LATE" not in kitchen.one(45).text


def test_several_gaps_are_named(kitchen: Queueing) -> None:
    """A ticket names what is missing before it, in short."""
    kitchen.tell(1, 1)
    kitchen.tell(7, 7)
    kitchen.tell(9, 9)
    assert "MISSING #2-6" in kitchen.one(7).text
    assert "#8" in kitchen.one(9).text


def test_no_patience_is_no_wait_and_still_says_what_is_missing(tmp_path: Path) -> None:
    """`gap_hold_s: 0`."""
    with queueing(tmp_path, gap_hold_s=0) as kitchen:
        kitchen.tell(1, 1)
        kitchen.tell(3, 3)
        assert "MISSING #2" in kitchen.one(3).text


def test_only_what_lies_behind_the_gap_waits(patient: Queueing) -> None:
    """Another source, an order that is not counted, and news of an order that the kitchen has."""
    patient.tell(41, 41)
    assert patient.wait_for(41)
    patient.tell(43, 43)
    patient.tell(1, 7, source=SOURCE + "2")
    patient.tell(2)
    patient.tell(41, 44, rev=2, note="快")
    assert patient.wait_for(1)
    assert patient.wait_for(2)
    assert patient.wait_for(41, times=2)
    assert patient.waiting() == [("43", "gap")]


@pytest.mark.parametrize("found_out_first", (True, False))
def test_change_of_an_order_that_the_disk_forgot_is_marked(patient: Queueing, found_out_first: bool) -> None:
    """The change waits behind the gap that the forgotten order left; whichever comes first, what was printed before
    the card forgot it may not be on paper twice unmarked.
    """
    patient.tell(8, 8)
    begin = {"source": SOURCE, "from": 9, "had": 9}
    if found_out_first:
        patient.deliver(begin, topic="replay")
    patient.tell(43, 10, rev=2)
    if not found_out_first:
        patient.deliver(begin, topic="replay")
    patient.tell(43, 9, topic="replay")
    assert patient.one(43).marked


def test_cancel_that_the_disk_forgot_is_marked(patient: Queueing) -> None:
    """Its 作废 may be on paper already, as whatever else was told and forgotten."""
    patient.tell(8, 8)
    patient.one(8)
    patient.deliver({"source": SOURCE, "from": 9, "had": 9}, topic="replay")
    patient.take_back(8, 9)
    assert patient.wait_for(8, times=2)
    assert [ticket.marked for ticket in patient.whole(8)] == [False, True]


def test_what_was_dropped_as_old_and_may_be_on_paper_is_taken_back_by_its_cancel(
    tmp_path: Path, patient: Queueing
) -> None:
    """The journal was lost, the staff has the ticket and drops its order; the cook goes by the paper."""
    dropped_after_the_loss(tmp_path, patient)
    patient.take_back(42, 2, rev=2)
    patient.wait_told(42, kind="order.state", states=("canceled",))
    assert any("作废" in ticket.text for ticket in patient.tickets())


def test_what_was_dropped_as_old_and_may_be_on_paper_is_amended_by_its_change(
    tmp_path: Path, patient: Queueing
) -> None:
    """Paid is nothing to a cook; other dishes are, and replace the earlier ticket."""
    dropped_after_the_loss(tmp_path, patient)
    patient.tell(42, 2, rev=2, told=20, paid=True)
    patient.wait_told(42, kind="order.state", states=("rejected",), times=2)
    assert len(patient.whole(42)) == 1
    patient.tell(42, 3, rev=3, told=20, items=[{"name": "豆浆", "qty": "3"}])
    assert patient.wait_for(42, times=2)
    assert "改单" in patient.whole(42)[-1].text


def dropped_after_the_loss(folder: Path, here: Queueing) -> None:
    """#42 is on paper; the replay brings it once more to a new journal, which holds it as too old."""
    here.tell(42, 1)
    here.one(42)
    lose(here, folder)
    here.pass_s(20 * 60)
    here.tell(42, 1, topic="replay")
    assert here.waiting() == [("42", "old")]
    assert here.say("command.drop", orders=["id-42"]).ok


def begin(had: int, source: str = SOURCE) -> dict[str, Any]:
    return {"source": source, "from": 9, "had": had}


def test_a_number_that_the_cloud_itself_never_reached_is_believed_no_further(patient: Queueing) -> None:
    """The begin says a thousand million, the end of the same replay that 9 is the newest: what comes then is news."""
    patient.tell(8, 8)
    patient.deliver(begin(10**9), topic="replay")
    patient.tell(9, 9, topic="replay")
    patient.deliver({"source": SOURCE, "from": 9, "to": 9, "head": 9}, topic="replay")
    patient.tell(10, 10)
    assert (patient.one(9).marked, patient.one(10).marked) == (True, False)


def test_a_person_ends_the_doubt_about_a_card(patient: Queueing) -> None:
    """A wrong begin and no end of it: after the dismissal what comes live is news, what a replay brings is marked, and
    the same begin accuses nobody again.
    """
    patient.tell(8, 8)
    patient.one(8)
    patient.deliver(begin(10**9), topic="replay")
    patient.tell(9, 9)
    assert patient.one(9).marked
    assert patient.say("command.dismiss", alarm="card").ok
    patient.deliver(begin(10**9), topic="replay")
    patient.tell(10, 10)
    patient.tell(11, 11, topic="replay")
    assert (patient.one(10).marked, patient.one(11).marked) == (False, True)
    assert "card" not in patient.alarms()


def test_a_source_that_was_never_heard_accuses_no_card(patient: Queueing) -> None:
    """Another box may have told of it, or a mistake: what its replay brings may be on paper and says so, nothing else
    is in doubt.
    """
    patient.tell(8, 8)
    patient.tell(43, 10)
    patient.deliver(begin(10**9, "//other"), topic="replay")
    patient.tell(9, 9)
    assert [patient.one(number).marked for number in (8, 9, 43)] == [False] * 3
    patient.tell(1, 1, source="//other", topic="replay")
    patient.tell(2, 2, source="//other")
    assert [patient.one(number).marked for number in (1, 2)] == [True, False]
    assert patient.alarms() == {}


def test_no_two_lives_count_their_reports_from_the_same_place(tmp_path: Path) -> None:
    """A card that forgot a life: the next one's reports, from the first on, have numbers that the cloud never saw."""
    lives: list[set[int]] = []
    data = tmp_path / "data"
    data.mkdir()
    with queueing(data) as kitchen:
        kitchen.tell(1, 1)
        kitchen.one(1)
        kitchen.close()
        shutil.copytree(data, tmp_path / "kept")
        for _ in range(2):
            shutil.rmtree(data)
            shutil.copytree(tmp_path / "kept", data)
            kitchen.open()
            before = numbers_of_reports(kitchen)
            kitchen.tell(2, 2)
            lives.append(numbers_of_reports(kitchen) - before)
            kitchen.close()
        kitchen.open()
    assert all(lives)
    assert not lives[0] & lives[1]


def numbers_of_reports(kitchen: Queueing) -> set[int]:
    """Those that wait for the broker."""
    return {row.pk for row in kitchen.journal.write(lambda tx: notes.waiting_reports(tx, 0, 1000))}


def test_gap_at_a_restart_is_not_waited_for(tmp_path: Path) -> None:
    """Nobody knows how long it waited: it prints, and says what is missing."""
    with queueing(tmp_path, gap_hold_s=30) as kitchen:
        kitchen.tell(41, 41)
        kitchen.tell(44, 44)
        kitchen.tell(43, 43)
        kitchen.wall.ahead_s = -1e8  # and the clock is another one
        kitchen.close()
        kitchen.open()
        assert "MISSING #42" in kitchen.one(44).text
        assert kitchen.numbers() == ["41", "43", "44"]


def test_what_the_cloud_no_longer_has_is_missing_on_paper(patient: Queueing) -> None:
    """The end of a replay says so: nobody waits any longer."""
    patient.tell(41, 41)
    patient.tell(43, 43)
    patient.deliver({"source": SOURCE, "from": 42, "to": 43, "head": 43, "unavailable": [42]}, "replay")
    assert "MISSING #42" in patient.one(43).text
    assert "no longer has" in patient.alarms()[f"missing:{SOURCE}"]


def test_hole_that_a_replay_left_twice_is_not_waited_for(patient: Queueing) -> None:
    """Asked for twice in vain."""
    patient.tell(41, 41)
    patient.tell(43, 43)
    for _ in range(2):
        patient.deliver({"source": SOURCE, "from": 42, "to": 43, "head": 43}, "replay")
    assert "MISSING #42" in patient.one(43).text


def test_newer_revision_takes_the_place_of_one_that_waits(patient: Queueing) -> None:
    """One ticket, with what was said last, at the place of the first."""
    patient.tell(41, 41)
    patient.tell(43, 43)
    patient.tell(44, 44)
    patient.tell(43, 45, rev=2, note="不要糖")
    patient.tell(42, 42)
    assert "不要糖" in patient.one(43).text
    assert patient.wait_for(44)
    assert patient.numbers() == ["41", "42", "43", "44"]


def test_cancel_ends_the_waiting_and_nothing_is_printed(patient: Queueing) -> None:
    """Neither the order nor its void: the kitchen never knew."""
    patient.tell(41, 41)
    patient.tell(43, 43)
    patient.take_back(43, 44)
    assert patient.waiting() == []
    patient.tell(42, 42)
    patient.tell(45, 45)
    assert patient.wait_for(45)
    assert patient.numbers() == ["41", "42", "45"]
    assert patient.order_states(43)[-1] == ("canceled", "")
    patient.tell(43, 46, rev=2)  # and reinstated
    assert patient.wait_for(43)


def test_duplicate_of_an_order_that_waits_is_told_so(patient: Queueing) -> None:
    """Its present state, and it waits once."""
    patient.tell(41, 41)
    for _ in range(2):
        patient.tell(43, 43)
    (again,) = [report for report in patient.reports() if report.get("state") == "duplicate"]
    assert again["current"] == "held"
    assert patient.waiting() == [("43", "gap")]


def test_thousands_behind_a_gap_come_out_soon(tmp_path: Path) -> None:
    """A replay of a long history with a hole in it: bounded by the printer, not by us."""
    with queueing(tmp_path, gap_hold_s=0.2) as kitchen:
        kitchen.device.power_off()
        kitchen.tell(1, 1)
        for number in range(3, 1003):
            kitchen._mid += 1
            kitchen.tell(number, number, topic="replay")
        kitchen._wait(lambda: not kitchen.waiting(), 20, "all to be let go")
        rows = kitchen.journal.write(
            lambda tx: tx.execute(
                "SELECT order_id FROM orders o JOIN jobs j ON j.order_pk = o.pk ORDER BY j.id"
            ).fetchall()
        )
        assert [row[0] for row in rows] == [f"id-{number}" for number in (1, *range(3, 1003))]


# -- age ---------------------------------------------------------------------------------------------------------


def test_after_an_outage_nothing_floods_the_kitchen(kitchen: Queueing) -> None:
    """Orders that are too old wait; one summary ticket lists them, and a person lets them go."""
    for number in range(1, 7):
        kitchen.tell(number, number, told=-60)
    kitchen.tell(7, 7, told=-60, items=[{"name": "豆浆", "qty": "2"}, {"name": "牛肉", "qty": "2", "unit": "500g"}])
    kitchen.tell(8, 8)
    assert kitchen.wait_for(8)
    assert kitchen.waiting() == [(str(number), "old") for number in range(1, 8)]
    assert kitchen.order_states(1) == [("held", "old")]
    assert "waiting:old" in kitchen.alarms()
    kitchen.pass_s(6)
    kitchen._wait(lambda: bool(kitchen.summaries()), 10, "a summary")
    (summary,) = kitchen.summaries()
    assert all(f"#{number}" in summary for number in range(1, 8))
    assert "豆浆 x2" in summary
    assert "牛肉 x2 500g" in summary
    assert kitchen.say("command.release", all=True).answer == "7 orders will be printed: #1, #2, #3, #4, #5, #6, #7"
    assert kitchen.wait_for(7)
    assert kitchen.numbers() == ["8", *map(str, range(1, 8))]
    assert "旧单 OLD 60 min" in kitchen.one(1).text
    kitchen.wait_no_alarm("waiting:old")


def test_a_burst_has_one_summary_and_another_one_only_a_minute_later(kitchen: Queueing) -> None:
    """What came since is on the second one, and only that."""
    kitchen.tell(1, told=-60)
    kitchen.pass_s(4)
    kitchen.tell(2, told=-60)
    kitchen.settled()
    kitchen.pass_s(4)
    kitchen.tell(3, told=-60)
    kitchen.pass_s(6)
    kitchen._wait(lambda: len(kitchen.summaries()) == 1, 10, "a summary")
    kitchen.tell(4, told=-60)
    kitchen.pass_s(30)
    kitchen.tell(5, told=0)
    assert kitchen.wait_for(5)
    assert len(kitchen.summaries()) == 1
    kitchen.pass_s(30)
    kitchen._wait(lambda: len(kitchen.summaries()) == 2, 10, "a second summary")
    first, second = kitchen.summaries()
    assert all(f"#{number}" in first for number in (1, 2, 3))
    assert "#4" in second
    assert "#1" not in second


def test_summary_survives_a_restart(kitchen: Queueing) -> None:
    """What no summary told yet is told by the next process, what was told is not told again."""
    kitchen.tell(1, told=-60)
    kitchen.close()
    kitchen.open()
    kitchen.pass_s(0)
    kitchen._wait(lambda: bool(kitchen.release._summaries._bursts), 5, "the service")
    kitchen.journal.write(lambda _: None)
    kitchen.device.wait_for(lambda _: False, 0.2)
    kitchen.pass_s(10)
    kitchen._wait(lambda: len(kitchen.summaries()) == 1, 10, "a summary")
    kitchen.close()
    kitchen.open()
    kitchen.device.wait_for(lambda _: False, 0.2)
    kitchen.pass_s(100)
    kitchen.tell(2)
    assert kitchen.wait_for(2)
    assert len(kitchen.summaries()) == 1
    assert kitchen.waiting() == [("1", "old")]


def test_chosen_ones_are_printed_or_dropped(kitchen: Queueing) -> None:
    """By number or by id; one that does not wait refuses all of it."""
    for number in (1, 2, 3):
        kitchen.tell(number, told=-60)
    refused = kitchen.say("command.release", orders=["1", "9"])
    assert (refused.ok, "order 9 does not wait" in refused.answer) == (False, True)
    assert len(kitchen.waiting()) == 3
    assert kitchen.say("command.release", orders=["id-2"]).ok
    assert kitchen.say("command.drop", orders=["#3"], by="小王").answer == "1 order dropped: #3"
    assert kitchen.wait_for(2)
    assert kitchen.waiting() == [("1", "old")]
    assert kitchen.order_states(3) == [("held", "old"), ("rejected", "not printed, dropped by 小王")]
    assert kitchen.numbers() == ["2"]


def test_same_number_of_two_channels_must_be_told_apart(kitchen: Queueing) -> None:
    """A person who says 7 may mean another 7."""
    kitchen.tell(7, told=-60)
    kitchen.deliver(
        {
            "specversion": "1.0",
            "id": "m",
            "source": SOURCE,
            "type": "order.upsert",
            "time": iso(-60),
            "data": {
                "order": {"id": "m7", "rev": 1, "channel": "meituan", "no": "7", "items": [{"name": "粥", "qty": 1}]}
            },
        }
    )
    assert "2 orders are called 7" in kitchen.say("command.release", orders=["7"]).answer
    assert kitchen.say("command.release", orders=["7"], channel="meituan").ok
    assert kitchen.wait_for(7)
    assert kitchen.waiting() == [("7", "old")]


WRONG = [
    ({}, "name the orders"),
    ({"all": True, "orders": ["1"]}, "name the orders"),
    ({"all": True}, "no order waits"),
]


@pytest.mark.parametrize(("data", "answer"), [*WRONG, ({"orders": "1"}, "$.data.orders")])
def test_senseless_command_is_refused(kitchen: Queueing, data: dict[str, object], answer: str) -> None:
    """With what to do instead."""
    for kind in ("command.release", "command.drop"):
        done = kitchen.say(kind, **data)
        assert not done.ok
        assert answer in done.answer


def test_cloud_lets_go_by_a_command(kitchen: Queueing) -> None:
    """From the staff's own application; answered, and the same one again changes nothing."""
    kitchen.tell(1, told=-60)
    command = {
        "specversion": "1.0",
        "id": "c",
        "source": "//staff",
        "type": "command.release",
        "data": {"orders": ["1"]},
    }
    for _ in range(2):
        kitchen.deliver(command, "cmd")
    assert kitchen.wait_for(1)
    assert [report["ok"] for report in kitchen.reports() if report["type"] == "command.answer"] == [True, True]
    assert kitchen.order_states(1)[:2] == [("held", "old"), ("accepted", "")]


def test_old_orders_may_be_printed_with_a_banner(tmp_path: Path) -> None:
    """`old: print`."""
    with queueing(tmp_path, old="print") as kitchen:
        kitchen.tell(1, told=-60)
        assert "旧单 OLD 60 min" in kitchen.one(1).text
        kitchen.tell(2, told=-14)
        assert "OLD" not in kitchen.one(2).text


def test_revision_of_an_old_order_waits_with_it_and_a_cancel_ends_it(kitchen: Queueing) -> None:
    """One decision for the order, whatever its newest revision is."""
    for number in (1, 2):
        kitchen.tell(number, told=-60)
        kitchen.tell(number, rev=2, told=0, note="不要糖")
    kitchen.take_back(2, rev=2)
    assert kitchen.waiting() == [("1", "old")]
    assert not kitchen.say("command.release", orders=["2"]).ok
    assert kitchen.say("command.release", orders=["1"]).ok
    assert "不要糖" in kitchen.one(1).text
    assert kitchen.numbers() == ["1"]


def test_amendment_of_what_the_kitchen_has_is_never_held(kitchen: Queueing) -> None:
    """However old it is: the kitchen cooks something else just now. It says how old it is."""
    kitchen.tell(1)
    assert kitchen.wait_for(1)
    kitchen.tell(1, rev=2, told=-60, items=[{"name": "豆浆", "qty": "5"}])
    assert kitchen.wait_for(1, times=2)
    assert "旧单 OLD" in kitchen.whole(1)[1].text
    kitchen.take_back(1, rev=2)
    assert kitchen.device.wait_for(lambda _: any("作废" in ticket.text for ticket in kitchen.tickets()), 10)


def test_ready_made_content_that_is_old_waits_too(kitchen: Queueing) -> None:
    """Whoever made the ticket: it was made an hour ago."""
    raw = {"dialect": "native", "content": "<B>外卖</B>"}
    event = {"specversion": "1.0", "source": SOURCE, "type": "print.raw", "data": {"raw": raw}}
    kitchen.deliver({**event, "id": "r1", "time": iso(-60)})
    kitchen.deliver({**event, "id": "r2", "time": iso(0)})
    assert kitchen.waiting() == [("r1", "old")]
    kitchen.pass_s(6)
    kitchen._wait(lambda: bool(kitchen.summaries()), 10, "a summary")
    assert "r1" in kitchen.summaries()[0]
    assert kitchen.say("command.release", orders=["r1"]).ok
    kitchen._wait(lambda: sum("外卖" in ticket.text for ticket in kitchen.tickets()) == 2, 10, "both")


def test_expired_order_waits(kitchen: Queueing) -> None:
    """Told a moment ago, and over nevertheless."""
    kitchen.tell(1, expires_at=iso(-0.5))
    assert kitchen.waiting() == [("1", "old")]


# -- clocks ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ahead_s", [-1.8e9, -7 * 86_400.0, 7 * 86_400.0])
def test_clock_that_nobody_set_holds_nothing_up(tmp_path: Path, ahead_s: float) -> None:
    """1970, last week, next week: the cloud's own times count. What is older than they are is old all the same."""
    with queueing(tmp_path) as kitchen:
        kitchen.synchronised = False
        kitchen.wall.ahead_s = ahead_s
        kitchen.tell(1, 1)
        assert kitchen.wait_for(1)
        kitchen.tell(2, 2, told=-60)
        assert kitchen.waiting() == [("2", "old")]
        kitchen.pass_s(1800)
        kitchen.tell(3, 3, told=1)
        assert kitchen.waiting() == [("2", "old"), ("3", "old")]
        kitchen.tell(4, 4, told=20)
        assert kitchen.wait_for(4)


def test_clock_that_is_set_again_counts(kitchen: Queueing) -> None:
    """Once it is synchronised, its own word rules."""
    kitchen.synchronised = False
    kitchen.tell(1, told=-60)
    assert kitchen.wait_for(1)
    kitchen.synchronised = True
    kitchen.tell(2, told=-59)
    assert kitchen.waiting() == [("2", "old")]


def test_clouds_time_outlives_the_process_but_not_the_boot(kitchen: Queueing) -> None:
    """What never jumps begins anew with the machine."""
    kitchen.synchronised = False
    kitchen.tell(1)
    assert kitchen.wait_for(1)
    kitchen.close()
    kitchen.pass_s(3600)
    kitchen.open()
    kitchen.tell(2, told=10)
    assert kitchen.waiting() == [("2", "old")]
    kitchen.close()
    kitchen.boot = "another"
    kitchen.open()
    kitchen.tell(3, told=10)
    assert kitchen.wait_for(3)


def test_one_orders_wrong_time_makes_no_other_order_old(kitchen: Queueing) -> None:
    """Nothing sets the clock, and a till's is a day ahead: two orders that agree outvote it, also after a restart."""
    kitchen.synchronised = False
    kitchen.tell(1, told=24 * 60)
    assert kitchen.wait_for(1)
    kitchen.tell(1, rev=2, told=24 * 60 + 1, note="不要香菜")  # the same order's word again
    kitchen.tell(2)
    assert kitchen.waiting() == [("2", "old")]  # one word against another: a person is asked
    for number in (3, 4):
        kitchen.tell(number, told=1)
        assert kitchen.wait_for(number)
    kitchen.close()
    kitchen.open()
    kitchen.tell(5, told=2)
    assert kitchen.wait_for(5)
    kitchen.tell(6, told=-60)  # it is old all the same
    assert kitchen.waiting() == [("2", "old"), ("6", "old")]


def test_one_orders_wrong_time_after_others_holds_nothing(kitchen: Queueing) -> None:
    """Nobody is asked where two orders said what time it is."""
    kitchen.synchronised = False
    for number, told in enumerate((0, 1, 10 * 365 * 24 * 60, 2, 3), 1):
        kitchen.tell(number, told=told)
        assert kitchen.wait_for(number)


def test_a_replays_old_orders_do_not_agree_on_the_time(kitchen: Queueing) -> None:
    """They are many, and all of one hour that is over."""
    kitchen.synchronised = False
    kitchen.tell(1)
    assert kitchen.wait_for(1)
    for number in (2, 3, 4):
        kitchen.tell(number, told=-60, topic="replay")
    assert kitchen.waiting() == [("2", "old"), ("3", "old"), ("4", "old")]


@pytest.mark.parametrize(
    "year", ["0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-12:00", "9999-12-31T23:59:59Z"]
)
def test_times_at_the_ends_of_the_calendar_hold_up_nothing(kitchen: Queueing, year: str) -> None:
    """Where they are an hour further there is no date for them any more."""
    kitchen.synchronised = False
    times = dict.fromkeys(("placed_at", "due_at", "release_at", "expires_at"), year)
    for number, (name, moment) in enumerate(times.items(), 1):
        moments: dict[str, Any] = {name: moment}
        kitchen.tell(number, told=None, **moments)
    item = {"name": "豆浆", "qty": "1"}
    order = {"id": "id-8", "rev": 1, "channel": "test", "no": "8", "items": [item], **times}
    event = {"specversion": "1.0", "id": "8", "source": SOURCE, "type": "order.upsert", "time": year}
    kitchen.deliver({**event, "data": {"order": order}})
    kitchen.pass_s(3600)
    kitchen.tell(9, told=61)
    kitchen.tell(10, told=61)
    assert kitchen.wait_for(10)
    assert "9" in {*kitchen.numbers(), *(no for no, _ in kitchen.waiting())}


# -- floods ------------------------------------------------------------------------------------------------------

CUSTOMER = {"name": "张", "phone_tail": "8888"}


def test_flood_of_one_customer_is_held_and_nothing_is_lost(tmp_path: Path) -> None:
    """The first three print, the rest waits for the staff with an alarm and a summary; others are not concerned."""
    with queueing(tmp_path, flood_per_customer_min=3) as kitchen:
        for number in range(1, 7):
            kitchen.tell(number, customer=CUSTOMER)
        kitchen.tell(7, customer={"name": "李"})
        kitchen.tell(8)
        assert kitchen.wait_for(8)
        assert kitchen.numbers() == ["1", "2", "3", "7", "8"]
        assert kitchen.waiting() == [("4", "flood"), ("5", "flood"), ("6", "flood")]
        assert "waiting:flood" in kitchen.alarms()
        kitchen.tell(4, rev=2, customer=CUSTOMER)  # a revision does not slip through
        kitchen.pass_s(70)
        kitchen._wait(lambda: bool(kitchen.summaries()), 10, "a summary")
        kitchen.tell(9, customer=CUSTOMER)
        assert kitchen.wait_for(9)
        kitchen.say("command.release", all=True, why="flood")
        assert kitchen.wait_for(6)
        assert kitchen.numbers()[-3:] == ["4", "5", "6"]


def test_flood_in_all_is_held(tmp_path: Path) -> None:
    """`flood_total_min`."""
    with queueing(tmp_path, flood_total_min=2) as kitchen:
        for number in range(1, 5):
            kitchen.tell(number)
        assert kitchen.wait_for(2)
        assert kitchen.waiting() == [("3", "flood"), ("4", "flood")]


def test_replays_and_repetitions_are_no_flood(tmp_path: Path) -> None:
    """What was lost on the way comes all at once."""
    with queueing(tmp_path, flood_per_customer_min=2) as kitchen:
        for number in range(1, 7):
            kitchen.tell(number, topic="replay", customer=CUSTOMER)
        for _ in range(5):
            kitchen.tell(7, customer=CUSTOMER)
        kitchen.tell(8, customer=CUSTOMER)
        assert kitchen.wait_for(8)
        assert kitchen.waiting() == []


def test_flood_of_orders_in_advance_keeps_their_time(tmp_path: Path) -> None:
    """Let go by a person they wait on, until their time comes."""
    with queueing(tmp_path, flood_per_customer_min=1) as kitchen:
        for number in (1, 2):
            kitchen.tell(number, customer=CUSTOMER, due_at=iso(600))
        assert kitchen.waiting() == [("2", "flood"), ("1", "upcoming")]
        kitchen.say("command.release", all=True)
        assert kitchen.waiting() == [("1", "upcoming"), ("2", "upcoming")]


# -- orders in advance -------------------------------------------------------------------------------------------


def test_order_in_advance_is_printed_when_its_time_comes(kitchen: Queueing) -> None:
    """Half an hour before it is due; until then it is shown as upcoming, and the cloud knows when."""
    kitchen.tell(1, due_at=iso(120))
    kitchen.tell(2, due_at=iso(45))
    kitchen.tell(3, release_at=iso(100), due_at=iso(130))
    kitchen.tell(4, due_at=None)
    kitchen.tell(5, due_at=iso(-5))
    assert kitchen.wait_for(5)
    assert kitchen.numbers() == ["2", "4", "5"]
    assert kitchen.waiting() == [("1", "upcoming"), ("3", "upcoming")]
    (held,) = [report for report in kitchen.reports() if report.get("until") and report["order"]["no"] == "1"]
    assert (held["state"], held["reason"], held["until"]) == ("held", "upcoming", "2026-11-22T13:30:00.000Z")
    kitchen.pass_s(85 * 60)
    kitchen.tell(6, told=85)
    assert kitchen.wait_for(6)
    assert "1" not in kitchen.numbers()
    kitchen.pass_s(6 * 60)
    assert kitchen.wait_for(1)
    assert "3" not in kitchen.numbers()
    kitchen.pass_s(10 * 60)
    assert kitchen.wait_for(3)


def test_upcoming_orders_survive_a_restart(kitchen: Queueing) -> None:
    """The box was off when they should have been printed: what is still to be ready, or was to be printed just now,
    prints at once; what should have been ready long ago waits for a person.
    """
    for number, due in ((1, 130), (2, 170), (3, 90), (4, 600)):
        kitchen.tell(number, due_at=iso(due))
    kitchen.tell(5, release_at=iso(118))
    kitchen.close()
    kitchen.wall.pushed_s += 128 * 60
    kitchen.open()
    assert "OLD" not in kitchen.one(5).text
    assert kitchen.wait_for(1)
    assert kitchen.numbers() == ["1", "5"]
    kitchen._wait(lambda: kitchen.waiting() == [("3", "old"), ("2", "upcoming"), ("4", "upcoming")], 5, "the rest")
    assert kitchen.order_states(3) == [("held", "upcoming"), ("held", "old")]
    kitchen.say("command.release", all=True)
    assert "旧单 OLD 68 min" in kitchen.one(3).text


def test_overdue_orders_may_be_printed_with_a_banner(tmp_path: Path) -> None:
    """`old: print`."""
    with queueing(tmp_path, old="print") as kitchen:
        kitchen.tell(1, due_at=iso(90))
        kitchen.pass_s(2 * 3600)
        assert "旧单 OLD 60 min" in kitchen.one(1).text


def test_changes_of_an_upcoming_order_are_silent(kitchen: Queueing) -> None:
    """The kitchen knows nothing of it: a revision moves it, or brings it out now; a cancel ends it."""
    for number in (1, 2, 3):
        kitchen.tell(number, due_at=iso(240))
    kitchen.tell(1, rev=2, due_at=iso(90), note="快")
    kitchen.tell(2, rev=2, due_at=iso(20))
    kitchen.take_back(3, rev=2)
    assert kitchen.wait_for(2)
    assert kitchen.waiting() == [("1", "upcoming")]
    kitchen.pass_s(61 * 60)
    assert "快" in kitchen.one(1).text
    assert kitchen.numbers() == ["2", "1"]


def test_person_may_print_an_upcoming_order_now(kitchen: Queueing) -> None:
    """By name; `all` means only those that wait for a person."""
    kitchen.tell(1, due_at=iso(240))
    kitchen.tell(2, due_at=iso(240))
    assert not kitchen.say("command.release", all=True).ok
    assert kitchen.say("command.release", orders=["2"]).ok
    assert kitchen.wait_for(2)
    assert kitchen.waiting() == [("1", "upcoming")]


def test_unset_clock_goes_by_the_clouds_time(kitchen: Queueing) -> None:
    """The box believes in 1970: an order in advance comes out when the cloud's clock says so."""
    kitchen.synchronised = False
    kitchen.wall.ahead_s = -1.7e9
    kitchen.tell(1, due_at=iso(120))
    assert kitchen.waiting() == [("1", "upcoming")]
    kitchen.pass_s(91 * 60)
    assert kitchen.wait_for(1)


def test_nobody_knows_the_time_rather_early_than_never(kitchen: Queueing) -> None:
    """No clock, no word of the cloud since the machine was booted: what comes prints, and so does, in the end, what
    waited.
    """
    kitchen.tell(1, due_at=iso(600))
    kitchen.close()
    kitchen.synchronised, kitchen.boot = False, "another"
    kitchen.open()
    kitchen.tell(2, told=None, due_at=iso(600))
    assert kitchen.wait_for(2)
    kitchen.pass_s(500)
    kitchen.tell(3, told=None)
    assert kitchen.wait_for(3)
    assert kitchen.waiting() == [("1", "upcoming")]
    kitchen.pass_s(200)
    assert kitchen.wait_for(1)


# -- daily numbers -----------------------------------------------------------------------------------------------


def test_daily_number_that_nobody_saw_is_asked_for(tmp_path: Path) -> None:
    """A soft warning for channels that count, which clears itself."""
    with queueing(tmp_path, daily_numbers=["test"]) as kitchen:
        kitchen.tell(41)
        kitchen.tell(43)
        assert kitchen.wait_for(43)
        assert "#42 not seen" in kitchen.alarms()["number:test"]
        kitchen.tell(43, rev=2)
        kitchen.tell(42)
        kitchen.wait_no_alarm("number:test")


def test_channels_that_do_not_count_are_not_asked(kitchen: Queueing) -> None:
    """Off unless the shop says which ones do."""
    kitchen.tell(41)
    kitchen.tell(43)
    assert kitchen.alarms() == {}


# -- what must hold anyhow ---------------------------------------------------------------------------------------


def test_order_that_waits_is_not_forgotten(kitchen: Queueing) -> None:
    """However many come after it."""
    from agent.journal.retention import prune

    kitchen.tell(1, due_at=iso(600))
    for number in range(2, 6):
        kitchen.tell(number)
        kitchen.wait_told(number)
    assert kitchen.journal.write(lambda tx: prune(tx, 1)) == 3
    assert kitchen.waiting() == [("1", "upcoming")]


def test_order_that_breaks_our_own_code_keeps_nobody_waiting(
    kitchen: Queueing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits for a person then, with an alarm; the others come out."""
    acceptance = kitchen.release._gate._acceptance
    real = acceptance._tickets

    def fragile(order: object, *rest: object) -> object:
        if getattr(order, "id", "") == "id-1":
            raise KeyError("a fault of ours")
        return real(order, *rest)  # type: ignore[arg-type]  # handed on as they came

    monkeypatch.setattr(acceptance, "_tickets", fragile)
    for number in (1, 2):
        kitchen.tell(number, due_at=iso(120))
    kitchen.pass_s(100 * 60)
    assert kitchen.wait_for(2)
    assert kitchen.waiting() == [("1", "failed")]
    kitchen.wait_alarm("waiting:failed")
    monkeypatch.undo()
    assert kitchen.say("command.release", all=True).ok
    assert kitchen.wait_for(1)
    kitchen.wait_no_alarm("waiting:failed")


def test_an_order_behind_a_gap_that_is_put_off_waits_for_its_time(kitchen: Queueing) -> None:
    """Its newer revision says tomorrow: the gap's end does not print it, its time does."""
    kitchen.tell(1, 1)
    kitchen.one(1)
    kitchen.tell(3, 3)
    kitchen.tell(3, 4, rev=2, release_at=iso(24 * 60))
    assert kitchen.waiting() == [("3", "upcoming")]
    kitchen.tell(4, 5)
    kitchen.one(4)
    assert kitchen.numbers() == ["1", "4"]
    kitchen.wall.ahead_s = 24 * 3600
    kitchen.release.ring()
    kitchen.one(3)


def test_where_nobody_knows_the_time_the_ticket_says_until_when(tmp_path: Path) -> None:
    """It prints at once, and who cooks must not take it for now."""
    with queueing(tmp_path) as kitchen:
        kitchen.close()
        kitchen.synchronised, kitchen.boot = False, "another"
        kitchen.open()
        kitchen.tell(1, told=None, release_at="2099-12-24T18:00:00Z")
        assert "暂缓至 hold until 12-24 18:00" in kitchen.one(1).text


def test_an_epoch_for_no_time_holds_no_order(kitchen: Queueing) -> None:
    """Second 0 of Unix is no age."""
    kitchen.tell(1, placed_at="1970-01-01T00:00:00Z", expires_at="1970-01-01T00:00:00Z")
    assert "1970" not in kitchen.one(1).text
    assert kitchen.waiting() == []
