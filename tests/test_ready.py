"""What the kitchen finishes: by ticket, by order, by the barcode on its paper; and what the cloud is told of it."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from agent.intake.commands import Done
from agent.journal import finishing
from agent.journal.retention import prune
from agent.model.readycode import is_ready_code
from tests.floor import Floor, code


@pytest.fixture
def floor(tmp_path: Path) -> Iterator[Floor]:
    """A kitchen with two stations and a pass."""
    here = Floor(tmp_path)
    yield here
    here.close()


# -- when an order is ready ------------------------------------------------------------------------------------------


def test_an_order_is_ready_when_every_station_has_finished_its_part(floor: Floor) -> None:
    """The cloud is told once, by the last of them; the pass makes nothing. A duplicate is then answered with it."""
    floor.order(1)
    floor.print_all()
    assert floor.shown() == [("1", "wok"), ("1", "bar")]
    assert floor.ready(1, "wok") == Done(True, "order id-1 (#1) at wok: finished; still to come from bar")
    assert (floor.state(1), floor.shown()) == ("printed", [("1", "bar")])
    assert floor.ready(1, "bar") == Done(True, "order id-1 (#1) at bar: finished; the order is ready")
    assert floor.told() == [("accepted", 1, ""), ("printed", 1, ""), ("ready", 1, "")]
    assert (floor.see().orders, floor.state(1)) == ((), "ready")
    floor.order(1)
    assert floor.told() == [("duplicate", 1, "")]


def test_the_same_word_twice_changes_nothing(floor: Floor) -> None:
    """A finger that trembles, a ticket that is scanned twice: it was finished already, and nothing is reported."""
    floor.order(1, bar=0)
    assert floor.ready(1).ok
    floor.told()
    before = floor.see()
    assert floor.ready(1) == Done(True, "order id-1 (#1) at wok: was finished already")
    assert (floor.told(), floor.see()) == ([], before)


def test_a_whole_order_is_finished_by_its_number_or_at_the_pass(floor: Floor) -> None:
    """Whoever names no station, or the one that shows the whole order, means all that is made of it."""
    floor.order(1)
    floor.order(2)
    assert floor.do("ready", order="#1").answer == "order id-1 (#1) at wok, bar: finished; the order is ready"
    assert floor.do("ready", ticket=floor.ticket(2, "pass")).answer.endswith(
        "at wok, bar: finished; the order is ready"
    )
    assert (floor.state(1), floor.state(2)) == ("ready", "ready")


def test_what_is_cooked_before_it_is_printed_is_ready_all_the_same(floor: Floor) -> None:
    """A printer may be away while the kitchen cooks from its screen; the paper that comes later takes nothing back."""
    floor.order(1)
    assert floor.ready(1).ok
    assert floor.told() == [("accepted", 1, ""), ("ready", 1, "")]
    floor.print_all()
    assert (floor.told(), floor.state(1)) == ([], "ready")


def test_a_reprint_opens_nothing(floor: Floor) -> None:
    """A copy of what was finished is the same dish."""
    floor.order(1)
    floor.print_all()
    floor.ready(1)
    floor.told()
    assert floor.do("reprint", order="1").ok
    assert (floor.shown(), floor.state(1)) == ([], "ready")
    floor.print_all()
    assert (floor.shown(), floor.state(1), floor.told()) == ([], "ready", [])
    assert floor.do("ready", ticket=floor.ticket(1, "wok")).answer.endswith("was finished already")


# -- changes and cancels ---------------------------------------------------------------------------------------------


def test_an_amendment_brings_back_the_station_that_it_changes(floor: Floor) -> None:
    """And only that one. The order is ready again, at its new revision, once that is finished too."""
    floor.order(1)
    floor.print_all()
    floor.ready(1)
    floor.told()
    floor.order(1, rev=2, wok=3)
    assert floor.shown() == [("1", "wok")]
    (order,) = floor.see().orders
    assert [(each.part.station, each.part.again, each.part.finished) for each in order.parts] == [
        ("wok", True, False),
        ("bar", False, True),
    ]
    floor.print_all()
    assert floor.ready(1, "wok").ok
    assert floor.told() == [("accepted", 2, ""), ("printed", 2, ""), ("ready", 2, "")]


def test_a_revision_that_the_kitchen_need_not_know_of_leaves_it_ready(floor: Floor) -> None:
    """The cloud hears where its new revision is: there."""
    floor.order(1)
    floor.print_all()
    floor.ready(1)
    floor.told()
    floor.order(1, rev=2, customer={"name": "张"})
    assert (floor.shown(), floor.state(1)) == ([], "ready")
    assert floor.told() == [("accepted", 2, ""), ("printed", 2, ""), ("ready", 2, "")]


def test_an_order_is_ready_when_what_was_left_of_it_is_taken_back(floor: Floor) -> None:
    """A void makes nothing: with the only open station gone, nothing is to be waited for."""
    floor.order(1)
    floor.print_all()
    floor.ready(1, "wok")
    floor.told()
    floor.order(1, rev=2, bar=0)
    assert (floor.shown(), floor.state(1)) == ([], "ready")
    assert floor.told() == [("accepted", 2, ""), ("ready", 2, "")]


def test_a_ticket_of_before_a_change_finishes_nothing(floor: Floor) -> None:
    """Whoever holds it has not seen the change: it is refused, by number and by barcode, and the newest counts."""
    floor.order(1)
    floor.print_all()
    old = floor.ticket(1, "wok")
    floor.order(1, rev=2, wok=5)
    floor.print_all()
    for refused in (floor.do("ready", ticket=old), floor.do("ready", code=code(1, "wok", 1))):
        assert not refused.ok
        assert "has changed at wok since this ticket" in refused.answer
    assert floor.shown() == [("1", "wok"), ("1", "bar")]
    assert floor.do("ready", code=code(1, "bar", 1)).ok
    assert floor.do("ready", code=code(1, "wok", 2)).answer.endswith("the order is ready")


def test_a_change_that_is_taken_back_again_is_another_change(floor: Floor) -> None:
    """Five were cooked, and now it is one again: that is not what was finished."""
    floor.order(1, bar=0)
    floor.print_all()
    floor.order(1, rev=2, wok=5, bar=0)
    floor.ready(1)
    floor.order(1, rev=3, bar=0)
    assert floor.shown() == [("1", "wok")]


def test_a_cancelled_order_leaves_the_screen(floor: Floor) -> None:
    """Nothing of it can be finished or called back, and a later revision begins anew."""
    floor.order(1)
    floor.print_all()
    floor.ready(1, "wok")
    floor.cancel(1, 2)
    assert (floor.shown(), floor.see().done) == ([], ())
    for refused in (floor.ready(1), floor.recall(1)):
        assert (refused.ok, refused.zh) == (False, "订单 #1 已取消：不用做了")
    floor.print_all()
    assert floor.state(1) == "canceled"
    floor.order(1, rev=3)
    assert floor.shown() == [("1", "wok"), ("1", "bar")]


def test_what_a_person_discarded_is_not_waited_for(floor: Floor) -> None:
    """A ticket that shall not be printed is a dish that nobody makes."""
    floor.order(1)
    floor.ready(1, "wok")
    assert floor.do("settle", decision="discard", ticket=floor.ticket(1, "bar")).ok
    assert (floor.shown(), floor.state(1)) == ([], "ready")
    floor.print_all()
    assert floor.state(1) == "ready"


# -- recall ----------------------------------------------------------------------------------------------------------


def test_what_is_called_back_is_told_and_told_again(floor: Floor) -> None:
    """The reason says so, for who has told the customer already: `recalled`, and then `again`."""
    floor.order(1)
    floor.print_all()
    floor.ready(1)
    assert floor.recall(1, "bar") == Done(True, "order id-1 (#1) at bar: back on the screen")
    assert (floor.shown(), floor.state(1)) == ([("1", "bar")], "printed")
    assert floor.recall(1, "bar").answer.endswith("is not finished, it is on the screen")
    floor.ready(1, "bar")
    assert floor.told()[2:] == [("ready", 1, ""), ("printed", 1, "recalled"), ("ready", 1, "again")]


def test_only_the_newest_can_be_called_back(floor: Floor) -> None:
    """So many as the screen lists; what was finished long ago is printed again instead."""
    for number in range(finishing.RECALLABLE + 1):
        floor.order(number, bar=0)
        floor.ready(number)
    assert [each.no for each in floor.see().done] == [str(number) for number in range(finishing.RECALLABLE, 0, -1)]
    refused = floor.recall(0)
    assert not refused.ok
    assert "only the 20 finished last" in refused.answer
    assert (floor.state(0), floor.recall(1).ok) == ("ready", True)


# -- the barcode -----------------------------------------------------------------------------------------------------


def test_a_code_is_found_again_after_the_journal_is_lost(tmp_path: Path) -> None:
    """The cloud sends its orders again, in another order; the paper from before finishes the right one, or nothing."""
    other = Floor(tmp_path)
    for number in (3, 2, 1):
        other.order(number)
    assert other.do("ready", code=code(1, "bar")).answer.startswith("order id-1 (#1) at bar: finished")
    assert other.shown().count(("1", "bar")) == 0
    refused = other.do("ready", code=code(4, "wok"))
    assert not refused.ok
    assert "no order of the newest 2000 has the barcode" in refused.answer
    assert len(other.shown()) == 5
    other.close()


@pytest.mark.parametrize("said", ["6901234567892", "", " ", "R123", "0" * 16, "9" * 16, "１" * 16, "id-1", "x" * 100])
def test_another_barcode_is_no_ticket(floor: Floor, said: str) -> None:
    """A carton of milk, a slip of the hand."""
    floor.order(1)
    refused = floor.do("ready", code=said)
    assert not refused.ok
    assert len(floor.shown()) == 2


@pytest.mark.parametrize("place", range(16))
def test_a_digit_that_is_wrong_is_noticed(place: int) -> None:
    """Each single one, by the check pair or because no pair is below 32."""
    right = code(1, "wok")
    assert is_ready_code(right)
    for digit in "0123456789":
        wrong = right[:place] + digit + right[place + 1 :]
        assert is_ready_code(wrong) is (wrong == right)


def test_a_ticket_and_another_order_do_not_go_together(floor: Floor) -> None:
    """A command that was delayed must not meet a number that has begun anew."""
    floor.order(1)
    floor.order(2)
    for named in ({"order": "id-2"}, {"station": "bar"}, {"channel": "other"}):
        refused = floor.do("ready", ticket=floor.ticket(1, "wok"), **named)
        assert not refused.ok
        assert "another one" in refused.answer


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ({}, "name the ticket, its order, or the code of its barcode - at $.data.ticket"),
        ({"ticket": 99}, "there is no ticket 99"),
        ({"order": "99"}, "there is no order 99 here; only the newest are kept"),
        ({"order": "1", "station": "grill"}, "order id-1 (#1) has nothing to make at grill, only at wok, bar"),
    ],
)
def test_what_is_not_there_is_refused_with_the_reason(floor: Floor, data: dict[str, Any], why: str) -> None:
    """And changes nothing."""
    floor.order(1)
    refused = floor.do("ready", **data)
    assert (refused.ok, refused.answer) == (False, why)
    assert len(floor.shown()) == 2


def test_a_ticket_that_there_is_not_and_one_that_is_not_made_are_two_things(floor: Floor) -> None:
    """The first is a slip of the finger; the second is asked for by its order."""
    floor.order(1)
    floor.print_all()
    floor.cancel(1, rev=2)
    assert floor.do("ready", ticket=99).zh == "没有小票 99"
    assert floor.do("ready", ticket=floor.ticket(1, "wok")).zh.endswith("不是做菜的小票：请指定订单")


# -- the ledger ------------------------------------------------------------------------------------------------------


def test_retention_forgets_what_was_finished_with_its_order(floor: Floor) -> None:
    """And nothing else."""
    for number in range(5):
        floor.order(number, bar=0)
        floor.ready(number)
    floor.print_all()
    assert floor.journal.write(lambda tx: prune(tx, keep_orders=2)) == 3
    for table in ("bumps", "readies"):
        sql = f"SELECT count(*) FROM {table}"
        assert floor.journal.write(lambda tx, sql=sql: tx.execute(sql).fetchone()[0]) == 2  # type: ignore[misc]  # bound now
    assert [each.no for each in floor.see().done] == ["4", "3"]


# -- any order of things ---------------------------------------------------------------------------------------------


class Corner(msgspec.Struct):
    """What a station has of an order: on paper, on its way there, and what somebody finished. Each with its
    revision.
    """

    paper: tuple[int, int] | None = None
    waits: tuple[int, int] | None = None
    voids: bool = False
    done_rev: int = 0

    @property
    def now(self) -> tuple[int, int] | None:
        """What there is to make: how many, and since which revision."""
        return None if self.voids else self.waits or self.paper

    @property
    def done(self) -> bool:
        """Is that finished?"""
        return self.now is not None and self.now[1] == self.done_rev

    def change(self, qty: int, rev: int) -> None:
        """A revision wants so many."""
        self.waits, self.voids = None, qty == 0 and self.paper is not None
        if qty and (self.paper is None or self.paper[0] != qty):
            self.waits = (qty, rev)

    def print(self) -> None:
        """What waits is on paper."""
        self.paper = None if self.voids else self.waits or self.paper
        self.waits, self.voids = None, False


class Told(msgspec.Struct):
    """An order, as simply as it can be told."""

    stations: dict[str, Corner]
    rev: int = 0
    off: bool = False

    @property
    def made(self) -> dict[str, Corner]:
        """Who has something to make."""
        return {} if self.off else {name: each for name, each in self.stations.items() if each.now is not None}

    @property
    def ready(self) -> bool:
        """Is all of that finished?"""
        return bool(self.made) and all(each.done for each in self.made.values())


NUMBERS, PLACES = st.integers(1, 2), st.sampled_from(["wok", "bar", ""])
QTYS = st.tuples(st.integers(0, 2), st.integers(0, 2)).filter(any)


class Evening(RuleBasedStateMachine):
    """Orders, changes, cancels, prints, bumps and recalls in any order, against that."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.floor = Floor(Path(self.folder.name))
        self.orders = {number: Told({"wok": Corner(), "bar": Corner()}) for number in (1, 2)}
        self.cloud: dict[int, list[tuple[str, int, str]]] = {1: [], 2: []}
        self.heard = 0

    def teardown(self) -> None:
        """Put it away."""
        self.floor.close()
        self.folder.cleanup()

    @rule(number=NUMBERS, qtys=QTYS)
    def upsert(self, number: int, qtys: tuple[int, int]) -> None:
        """An order, or its next revision, also after its cancel."""
        order = self.orders[number]
        order.rev, order.off = order.rev + 1, False
        for station, qty in zip(order.stations.values(), qtys, strict=True):
            station.change(qty, order.rev)
        self.floor.order(number, order.rev, *qtys)

    @rule(number=NUMBERS)
    def cancel(self, number: int) -> None:
        """It is off."""
        order = self.orders[number]
        if order.rev:
            order.rev, order.off = order.rev + 1, True
            for station in order.stations.values():
                station.change(0, order.rev)
            self.floor.cancel(number, order.rev)

    @rule()
    def print(self) -> None:
        """The printer is well."""
        for order in self.orders.values():
            for station in order.stations.values():
                station.print()
        self.floor.print_all()

    @rule(number=NUMBERS, place=PLACES)
    def bump(self, number: int, place: str) -> None:
        """By the order's number."""
        made = self.orders[number].made
        for name in [place] if place else list(made):
            if name in made and made[name].now is not None:
                made[name].done_rev = made[name].now[1]  # type: ignore[index]  # it is not None
        assert self.floor.ready(number, place).ok is bool(made.get(place) if place else made)

    @rule(number=NUMBERS, place=st.sampled_from(["wok", "bar"]), back=st.integers(0, 2))
    def scan(self, number: int, place: str, back: int) -> None:
        """A paper of now, or of an earlier revision."""
        made = self.orders[number].made
        now = made[place].now if place in made else None
        rev = (self.orders[number].rev if now is None else now[1]) - back
        done = self.floor.do("ready", code=code(number, place, rev))
        assert done.ok is (now is not None and back == 0)
        if done.ok and now is not None:
            made[place].done_rev = now[1]

    @rule(number=NUMBERS, place=PLACES)
    def recall(self, number: int, place: str) -> None:
        """It was not finished."""
        made = self.orders[number].made
        for name in [place] if place else list(made):
            if name in made and made[name].done:
                made[name].done_rev = 0
        assert self.floor.recall(number, place).ok is bool(made.get(place) if place else made)

    @invariant()
    def the_screen_shows_what_is_to_be_made(self) -> None:
        """Just what the model has, and the order is ready when nothing is left."""
        wanted = {
            (str(number), name)
            for number, order in self.orders.items()
            for name, each in order.made.items()
            if not each.done
        }
        assert set(self.floor.shown()) == wanted
        for number, order in self.orders.items():
            if order.rev:
                assert (self.floor.state(number) == "ready") is order.ready

    @invariant()
    def the_cloud_knows(self) -> None:
        """The last that it heard is so; `ready` without a reason comes once a revision at most."""
        rows = self.floor.journal.write(
            lambda tx: tx.execute(
                "SELECT pk, body FROM outbox WHERE type = 'order.state' AND pk > ? ORDER BY pk", (self.heard,)
            ).fetchall()
        )
        for pk, body in rows:
            self.heard, said = pk, json.loads(body)
            self.cloud[int(said["order"]["no"])].append((said["state"], said["rev"], said.get("reason", "")))
        for number, told in self.cloud.items():
            fresh = [rev for state, rev, reason in told if state == "ready" and not reason]
            assert len(fresh) == len(set(fresh)), told
            if told:
                assert told[-1][0] == self.floor.state(number), told


TestEvening = Evening.TestCase
TestEvening.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
