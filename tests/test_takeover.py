"""Two boxes with one client id on a real broker: seen, named, and calmer and calmer."""

import time
from pathlib import Path

import pytest

from agent.broker import backoff as rules
from agent.broker.backoff import Backoff
from agent.simulator.stage import Mosquitto
from tests.house import until
from tests.office import office
from tests.scripted_broker import ScriptedBroker

PACE = 0.01


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_two_boxes_with_one_client_id_are_seen_and_named(tmp_path: Path, protocol: str) -> None:
    """Each kicks the other out, whether the broker says why or not; both alarms name the client id."""
    with (
        Mosquitto(tmp_path) as broker,
        office(broker.port, protocol=protocol, client_id="s1-box1", backoff=Backoff(pace=PACE)) as one,
        office(broker.port, protocol=protocol, client_id="s1-box1", backoff=Backoff(pace=PACE)) as other,
    ):
        until(lambda: all("broker:client_id" in line.faults for line in (one.line, other.line)), "both alarms")
        for line in (one.line, other.line):
            assert "s1-box1" in line.faults["broker:client_id"]


def test_kicks_that_go_on_for_ever_cost_ever_less() -> None:
    """A broker that says who was taken over: after the third time, minutes; the connections of an hour stay few."""
    now, calls = 0.0, 0
    away = Backoff(chance=lambda: 0.5)
    while now < 3600:
        calls += 1
        now += 1.0 + away.taken_over(now, 1.0)
    assert away.contested
    assert calls <= 3 + 3600 / rules.TAKEN_OVER_S + 1


def test_kicks_without_a_word_stay_bounded_too() -> None:
    """Few a minute, and never away for longer than half a minute: it may be a bad line, and orders wait."""
    now, calls, longest_s = 0.0, 0, 0.0
    away = Backoff(chance=lambda: 0.5)
    while now < 3600:
        calls += 1
        again_s = away.lost(now, 1.0)
        longest_s = max(longest_s, again_s)
        now += 1.0 + again_s
    assert away.suspected
    assert longest_s <= rules.LONGEST_S
    assert calls <= 3600 / 15


def test_peace_ends_the_alarm_and_the_long_waits() -> None:
    """Once the other box has its own client id, a quarter of an hour later nothing is left of it."""
    with ScriptedBroker() as broker, office(broker.port, backoff=Backoff(pace=0.00001)) as here:
        for _ in range(rules.TAKEOVERS):
            peer = broker.welcome()
            here.up()
            peer.disconnect(142)
        broker.welcome()
        here.up()
        until(lambda: "broker:client_id" in here.line.faults, "the alarm")
        here.line._up_at = time.monotonic() - rules.CALM_AFTER_S - 1
        assert here.line.faults == {}
        assert not here.backoff.contested
