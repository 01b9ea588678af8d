"""A platform's own JSON, without an envelope, from its topic to paper."""

import json
from importlib import resources
from pathlib import Path

from agent.model.wire import Delivery
from tests.kitchen import Kitchen, kitchen

FIXTURES = resources.files("agent.mappings") / "meituan"


def deliver(here: Kitchen, payload: bytes, mid: int) -> None:
    here.consumer.receive(Delivery(1, mid, "meituan", payload, 1, False))


def given(case: str) -> bytes:
    return FIXTURES.joinpath(f"{case}.input.json").read_bytes()


def test_a_foreign_order_prints_once_and_is_taken_back(tmp_path: Path) -> None:
    """The same payload again is a duplicate; the platform's cancel voids what was printed."""
    with kitchen(tmp_path) as here:
        for mid in (1, 2):
            deliver(here, given("new"), mid)
        here._wait(lambda: bool(here.tickets()), 20, "paper")
        deliver(here, given("cancelled"), 3)
        here._wait(lambda: len(here.tickets()) == 2, 20, "a void")
        first, void = here.tickets()
        assert "作废" not in first.text
        assert "作废" in void.text
        assert here.acknowledged == [1, 2, 3]
        told = [report["state"] for report in here.reports() if report["type"] == "order.state"]
        assert told.count("duplicate") == 1


def test_what_is_no_order_is_parked_and_reported(tmp_path: Path) -> None:
    with kitchen(tmp_path) as here:
        deliver(here, b'{"hello": 1}', 1)
        here.wait_alarm("parked")
        assert here.tickets() == []
        assert here.acknowledged == [1]


def test_an_event_of_ours_can_not_speak_as_a_mapping(tmp_path: Path) -> None:
    """On a platform's topic its own source is the mapping's: who claims it is parked."""
    order = {"id": "1", "rev": 1, "channel": "x", "items": [{"name": "豆浆", "qty": 1}]}
    event = {
        "specversion": "1.0",
        "id": "e",
        "source": "foreign:meituan",
        "type": "order.upsert",
        "data": {"order": order},
    }
    with kitchen(tmp_path) as here:
        deliver(here, json.dumps(event).encode(), 1)
        here.wait_alarm("parked")
        deliver(here, json.dumps({**event, "source": "//cloud"}).encode(), 2)
        here._wait(lambda: len(here.tickets()) == 1, 20, "the cloud's own event")
