"""Too old, too many, too early: the rules as tables."""

import ctypes
import struct
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.clock import is_synchronised
from agent.intake.guard import Floods, Said, customer_key, judge_age, judge_time
from agent.model.order import Customer, Member

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
QUARTER, LEAD = timedelta(minutes=15), timedelta(minutes=30)


def at(minutes: float) -> datetime:
    """So many minutes after noon."""
    return NOON + timedelta(minutes=minutes)


AGES: list[tuple[dict[str, float], float | None]] = [
    # what the event and its order say, in minutes from now; how old it is, None: not too old
    ({}, None),
    ({"told_at": 0}, None),
    ({"told_at": -15}, None),
    ({"told_at": -15.1}, 15.1),
    ({"told_at": -60 * 24}, 60 * 24),
    ({"told_at": 5}, None),  # this machine's clock is behind
    ({"placed_at": -16}, 16),
    ({"told_at": 0, "placed_at": -16}, 16),
    ({"told_at": -16, "placed_at": 0}, 16),
    # what is still to be ready, or was to be printed just now, is not old
    ({"told_at": -600, "due_at": 1}, None),
    ({"told_at": -600, "release_at": 1}, None),
    ({"told_at": -600, "release_at": -5}, None),
    ({"told_at": -600, "release_at": -16}, 16),
    ({"told_at": -600, "due_at": -16}, 46),
    ({"told_at": -10, "due_at": -600}, None),
    ({"due_at": -600}, 630),
    # expired is expired, however new
    ({"told_at": -1, "expires_at": -0.5}, 1),
    ({"expires_at": -3}, 3),
    ({"told_at": -1, "expires_at": 1}, None),
    ({"told_at": -60, "expires_at": 1}, 60),
    ({"told_at": -60, "expires_at": -1, "due_at": 60}, 60),
]


@pytest.mark.parametrize(("said", "age"), AGES)
def test_age_is_judged_by_what_was_said(said: dict[str, float], age: float | None) -> None:
    """Older than a quarter of an hour, or expired; planned times count instead where they are later."""
    found = judge_age(Said(**{name: at(minutes) for name, minutes in said.items()}), NOON, QUARTER, LEAD)
    assert found == (None if age is None else timedelta(minutes=age))


@pytest.mark.parametrize("said", [said for said, _ in AGES])
def test_nothing_is_old_while_nobody_knows_the_time(said: dict[str, float]) -> None:
    """Paper comes first."""
    assert judge_age(Said(**{name: at(minutes) for name, minutes in said.items()}), None, QUARTER, LEAD) is None


def test_zones_are_compared_by_the_moment() -> None:
    """Half past seven in Shanghai is half past eleven the night before in London."""
    told = datetime(2026, 11, 22, 20, 1, tzinfo=ZoneInfo("Asia/Shanghai"))
    assert judge_age(Said(told_at=told), NOON, QUARTER, LEAD) is None


TIMES: list[tuple[dict[str, float], float | None]] = [
    # in minutes from now; when it is printed, None: now
    ({}, None),
    ({"due_at": -5}, None),
    ({"due_at": 30}, None),
    ({"due_at": 60}, None),  # no more than twice the lead: cooked at once, as ever
    ({"due_at": 61}, 31),
    ({"due_at": 60 * 48}, 60 * 48 - 30),
    ({"release_at": 1}, 1),
    ({"release_at": 0}, None),
    ({"release_at": -1, "due_at": 600}, None),  # who says when, knows
    ({"release_at": 600, "due_at": 10}, 600),
]


@pytest.mark.parametrize(("said", "when"), TIMES)
def test_order_in_advance_has_its_time(said: dict[str, float], when: float | None) -> None:
    """The release time, else a lead before it is due."""
    found = judge_time(Said(**{name: at(minutes) for name, minutes in said.items()}), NOON, LEAD)
    assert found == (None if when is None else at(when))
    assert judge_time(Said(due_at=at(600)), None, LEAD) is None, "rather early than never"


@given(
    *[st.none() | st.datetimes(datetime(1970, 1, 2), datetime(9998, 1, 1), timezones=st.just(UTC)) for _ in range(5)],
    st.integers(0, 1440),
)
def test_any_times_are_judged(told: Any, placed: Any, due: Any, release: Any, expires: Any, lead: int) -> None:
    """No date that an order may bear leads out of the calendar; what is printed later is printed after now."""
    said, ahead = Said(told, placed, due, release, expires), timedelta(minutes=lead)
    age = judge_age(said, NOON, QUARTER, ahead)
    when = judge_time(said, NOON, ahead)
    assert when is None or when > NOON
    assert age is None or when is None or (expires is not None and expires < NOON)


def test_kernel_says_whether_its_clock_is_set() -> None:
    """As its own status word has it: STA_UNSYNC of adjtimex(2), in the struct's layout on 64 bits."""
    timex = ctypes.create_string_buffer(512)
    ctypes.CDLL(None).adjtimex(timex)
    (status,) = struct.unpack_from("i", timex, 40)
    assert is_synchronised() is not bool(status & 0x0040)


# -- floods ------------------------------------------------------------------------------------------------------


def surplus(floods: Floods, *arrivals: tuple[float, str | None]) -> list[bool]:
    """For each arrival, by when and whose: was it one too many?"""
    return [floods.is_surplus(f"{number}", customer, when) for number, (when, customer) in enumerate(arrivals)]


def test_surplus_of_one_customer_is_seen() -> None:
    """Three a minute: the fourth is one too many, others' orders are not, and a minute later there is room again."""
    arrivals = [(0, "a"), (1, "a"), (2, "a"), (3, "a"), (3, "b"), (4, None), (59.9, "a"), (60.0, "a"), (60.5, "a")]
    assert surplus(Floods(3, 0), *arrivals) == [False, False, False, True, False, False, True, False, True]


def test_surplus_in_all_is_seen() -> None:
    """Whoever ordered, also nobody in particular."""
    arrivals = [(0.0, "a"), (1.0, None), (2.0, "b"), (61.0, "b")]
    assert surplus(Floods(0, 2), *arrivals) == [False, False, True, False]


def test_no_limit_is_no_limit() -> None:
    """0 is off."""
    assert not any(surplus(Floods(0, 0), *[(0.0, "a")] * 1000))


def test_an_order_gets_its_answer_again() -> None:
    """The journal may run the same work twice."""
    floods = Floods(1, 0)
    answers = [floods.is_surplus(order, "a", 0.0) for order in ("1", "1", "2", "2", "1")]
    assert answers == [False, False, True, True, False]


@given(st.lists(st.tuples(st.floats(0, 30), st.sampled_from(["a", "b", None])), max_size=60), st.integers(1, 5))
def test_no_more_than_the_limit_pass_in_any_minute(steps: list[tuple[float, str | None]], limit: int) -> None:
    """And nothing is remembered of what is over."""
    floods, now, passed = Floods(limit, 0), 0.0, []
    for number, (pause, customer) in enumerate(steps):
        now += pause
        if not floods.is_surplus(str(number), customer, now):
            passed.append((now, customer))
    for name in ("a", "b"):
        moments = [moment for moment, customer in passed if customer == name]
        assert all(later - first >= 60 for first, later in zip(moments, moments[limit:], strict=False))
    floods.is_surplus("end", None, now + 61)
    assert (len(floods._passed), len(floods._orders), len(floods._counts)) == (1, 1, 1)


CUSTOMERS = [
    (None, None),
    (Customer(), None),
    (Customer(member=Member(visits=3)), None),
    (Customer(name="张"), "alipay\0张\0"),
    (Customer(name="散客"), None),
    (Customer(name=" Guest "), None),
    (Customer(name="散客", phone_tail="8888"), "alipay\0散客\x008888"),
    (Customer(name="张", phone_tail="8888"), "alipay\0张\x008888"),
]


@pytest.mark.parametrize(("customer", "key"), CUSTOMERS)
def test_customers_are_told_apart_by_name_and_telephone(customer: Customer | None, key: str | None) -> None:
    """Nobody in particular is nobody's flood."""
    assert customer_key("alipay", customer) == key


def test_what_is_due_in_the_night_of_the_clocks_is_printed_before_it_is_due() -> None:
    """At 03:10, half an hour after 01:40: there is no 02:40."""
    due = datetime(2026, 3, 29, 3, 10, tzinfo=ZoneInfo("Europe/Berlin"))
    when = judge_time(Said(due_at=due), datetime(2026, 3, 28, 23, tzinfo=UTC), timedelta(minutes=30))
    assert when == datetime(2026, 3, 29, 0, 40, tzinfo=UTC)
