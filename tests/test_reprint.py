"""A person wants an order once more: what holds now, always marked, and never on top of what is on its way."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.intake.commands import Commands, Done
from agent.journal import jobs
from agent.model.station import Station
from tests.kitchen import Kitchen, kitchen

STATIONS = [Station(name="wok", printer="wok", default=True)]
DESK = Commands(STATIONS, ["wok"])


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Kitchen]:
    """One station, one printer."""
    with kitchen(tmp_path) as one:
        yield one


def ask(here: Kitchen, kind: str = "reprint", **data: Any) -> Done:
    """A person's command, at the box."""
    done = here.journal.write(lambda tx: DESK.perform(tx, f"command.{kind}", data))
    here.worker.wake()
    return done


def printed(here: Kitchen, number: int, **fields: Any) -> None:
    """An order is on paper, and the cloud knows."""
    here.order(number, **fields)
    here.wait_told(number)


def test_an_order_is_printed_once_more_marked(here: Kitchen) -> None:
    """The same dishes under the same running number, with when it was printed first; and marked as a copy."""
    printed(here, 42)
    done = ask(here, order="id-42", by="小王")
    assert done == Done(True, "order id-42 (#42) is printed again, marked: ticket 2 at wok")
    assert here.wait_for(42, times=2)
    first, copy = here.whole(42)
    assert (first.marked, copy.marked) == (False, True)
    assert "补打 REPRINT #42" in copy.text.replace("  ", " ")
    assert "应要求再打一张" in copy.text.replace("\n", "")
    assert "first printed" in copy.text
    for word in ("豆浆", "鲜肉小笼包", "不要糖", "流水"):
        assert word in copy.text
    running = [next(line for line in each.text.splitlines() if "流水" in line) for each in (first, copy)]
    assert running[0] == running[1]


def test_the_cloud_hears_of_the_copy_and_not_twice_of_the_order(here: Kitchen) -> None:
    """A customer is told once that the order is made."""
    printed(here, 1)
    ask(here, order="1")
    here.wait_told(1, times=2)
    told = [each for each in here.reports() if each["type"] == "ticket.state"]
    assert [(each["ticket"], each["state"], each.get("marked")) for each in told] == [
        (1, "completed", None),
        (2, "completed", "asked"),
    ]
    assert [each["state"] for each in here.reports() if each["type"] == "order.state"] == ["accepted", "printed"]


def test_what_is_printed_again_is_what_holds_now(here: Kitchen) -> None:
    """After an amendment the copy is the whole newest order; an old ticket's number leads there too."""
    printed(here, 5, items=[{"name": "豆浆", "qty": "2", "id": "a"}])
    here.order(5, 2, items=[{"name": "豆浆", "qty": "2", "id": "a"}, {"name": "油条", "qty": "3", "id": "b"}])
    here.wait_told(5, times=2)
    assert ask(here, ticket=1).ok
    assert here.wait_for(5, times=3)
    copy = here.whole(5)[-1]
    assert copy.marked
    assert "豆浆" in copy.text
    assert "油条" in copy.text
    assert "改单" not in copy.text


def test_of_a_canceled_order_the_void_is_printed_again(here: Kitchen) -> None:
    """Nobody shall cook it."""
    printed(here, 6)
    here.cancel(6)
    here.wait_told(6, times=2)
    assert ask(here, order="6").ok
    assert here.device.wait_for(lambda it: sum("作废" in piece.text for piece in it.paper.pieces) == 2, 20)
    assert [ticket.marked for ticket in here.tickets() if "作废" in ticket.text] == [False, True]


def test_an_amendment_after_a_copy_says_what_changed(here: Kitchen) -> None:
    """The copy is what the cook has: it is compared with that."""
    printed(here, 7, items=[{"name": "豆浆", "qty": "2", "id": "a"}])
    ask(here, order="7")
    here.wait_told(7, times=2)
    here.order(7, 2, items=[{"name": "豆浆", "qty": "3", "id": "a"}])
    here.wait_told(7, times=3)
    amended = here.tickets()[-1]
    assert "改单 AMENDED" in amended.text.replace("  ", " ")
    assert not amended.marked


def test_a_copy_that_waits_gives_way_to_news_which_is_no_copy(here: Kitchen) -> None:
    """Who throws copies away must not throw the change away; nothing of the copy was ever sent."""
    printed(here, 8)
    ask(here, "pause", printer="wok")
    ask(here, order="8")
    here.order(8, 2, items=[{"name": "油条", "qty": "1"}])
    here.journal.write(lambda _: None)
    ask(here, "resume", printer="wok")
    here.wait_told(8, states=("completed",), times=2)
    assert [ticket.marked for ticket in here.whole(8)] == [False, False]
    assert "油条" in here.whole(8)[-1].text


def test_a_copy_that_is_discarded_changes_nothing(here: Kitchen) -> None:
    """The order is printed, as before."""
    printed(here, 9)
    ask(here, "pause", printer="wok")
    assert ask(here, order="9").ok
    assert ask(here, "settle", ticket=2, decision="discard").ok
    states = [each["state"] for each in here.reports() if each["type"] == "order.state"]
    assert states == ["accepted", "printed"]


def test_ready_made_content_is_printed_again_too(here: Kitchen) -> None:
    """By the event's id, which is its order's."""
    here.event("print.raw", {"raw": {"dialect": "feie", "content": "<CB>外卖 88</CB>"}}, "raw-1")
    here.wait_told("raw-1")
    assert ask(here, order="raw-1").ok
    assert here.device.wait_for(lambda it: sum("外卖" in piece.text for piece in it.paper.pieces) == 2, 20)
    assert [ticket.marked for ticket in here.tickets()] == [False, True]


def test_what_is_on_its_way_is_not_printed_on_top(here: Kitchen) -> None:
    """Twice asked is one copy; one in doubt is settled first."""
    printed(here, 10)
    ask(here, "pause", printer="wok")
    assert ask(here, order="10").ok
    second = ask(here, order="10")
    assert (second.ok, "on its way" in second.answer) == (False, True)

    def doubt(tx: Any) -> None:
        job = jobs.find(tx, 2)
        assert job is not None
        jobs.hold(tx, job, "paper")

    here.journal.write(doubt)
    third = ask(here, order="10")
    assert (third.ok, "queue again" in third.answer) == (False, True)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"order": "nowhere"}, "there is no order nowhere"),
        ({"ticket": 99}, "there is no ticket 99"),
        ({"ticket": 1, "order": "other"}, "another one"),
        ({"ticket": 1, "station": "bar"}, "another one"),
        ({"order": "id-1", "station": "bar"}, "at bar"),
        ({"order": "id-1", "channel": "other"}, "there is no order"),
        ({}, "$.data.order"),
        ({"order": 5}, "$.data.order"),
    ],
)
def test_what_can_not_be_printed_again_is_refused(here: Kitchen, data: dict[str, Any], words: str) -> None:
    """With the reason, and nothing is entered."""
    printed(here, 1)
    done = ask(here, **data)
    assert (done.ok, words in done.answer) == (False, True), done.answer
    assert here.journal.write(lambda tx: jobs.find(tx, 2)) is None


def test_one_number_in_two_channels_wants_the_channel(here: Kitchen) -> None:
    """Of one channel it is the newest that bears the number."""
    items = [{"name": "豆浆", "qty": "1"}]
    for name, channel in (("a", "meituan"), ("b", "eleme"), ("c", "eleme")):
        order = {"id": name, "rev": 1, "channel": channel, "no": "7", "items": items}
        here.event("order.upsert", {"order": order}, f"e-{name}")
    here.wait_told("7", times=3)
    done = ask(here, order="7")
    assert (done.ok, "a (meituan)" in done.answer, "c (eleme)" in done.answer) == (False, True, True)
    assert "order c " in ask(here, order="#7", channel="eleme").answer
