"""The simulated cloud: it counts, keeps, replays and listens, over a real broker."""

import queue
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from agent.intake.decode import decode_event
from agent.simulator.cloud import Cloud
from agent.simulator.shop import Shop
from agent.simulator.stage import Mosquitto

WAIT_S = 10
SUBSCRIBED = "subscribed"


class Box:
    """A bare MQTT client where the agent would be."""

    def __init__(self, port: int) -> None:
        self.heard: queue.Queue[tuple[str, dict[str, Any]]] = queue.Queue()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
        self._client.on_message = lambda *a: self.heard.put((a[2].topic, msgspec.json.decode(a[2].payload)))
        self._client.on_subscribe = lambda *_: self.heard.put((SUBSCRIBED, {}))
        self._client.connect("127.0.0.1", port)
        self._client.subscribe("shops/s421/dn/#", 1)
        self._client.loop_start()
        assert self.next()[0] == SUBSCRIBED

    def next(self) -> tuple[str, dict[str, Any]]:
        return self.heard.get(timeout=WAIT_S)

    def say(self, kind: str, message: dict[str, Any]) -> None:
        self._client.publish(f"shops/s421/up/box1/{kind}", msgspec.json.encode(message), 1)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture(params=["5", "3.1.1"])
def ends(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Cloud, Box]]:
    with Mosquitto(tmp_path) as broker:
        box = Box(broker.port)
        with Cloud("127.0.0.1", broker.port, protocol=request.param) as cloud:
            yield cloud, box
        box.close()


def test_events_are_counted_without_a_gap(ends: tuple[Cloud, Box]) -> None:
    """Contiguous, padded to 20 digits; the same event again bears its old number and is no new one."""
    cloud, box = ends
    first = cloud.publish("ping", None)
    cloud.publish("ping", None)
    cloud.send(first)
    heard = [box.next() for _ in range(3)]
    assert [event["sequence"] for _, event in heard] == ["0" * 19 + digit for digit in "121"]
    assert heard[0] == heard[2] == ("shops/s421/dn/order", first)
    assert len(cloud.events) == 2
    assert cloud.flush(WAIT_S)


def test_replay_brings_the_originals_and_an_end_marker(ends: tuple[Cloud, Box]) -> None:
    """What was lost on the way comes again; what is gone is named."""
    cloud, box = ends
    sent = [cloud.publish("ping", None, deliver=False) for _ in range(4)]
    cloud.forget(3)
    box.say("request", {"type": "replay", "source": cloud.source, "from": 2})
    topic = "shops/s421/dn/replay/box1"
    assert [box.next(), box.next()] == [(topic, sent[1]), (topic, sent[3])]
    assert box.next() == (topic, {"source": cloud.source, "from": 2, "to": 4, "head": 4, "unavailable": [3]})


def test_what_the_agent_says_is_collected_once(ends: tuple[Cloud, Box]) -> None:
    """Reports come at least once and are kept once; alarms and order states are kept as they stand."""
    cloud, box = ends
    order = {"id": "8812", "channel": "alipay", "no": "42"}
    raised = {"key": "printer:kitchen:paper", "state": "raised", "reason": "no paper"}
    for number, (kind, data) in enumerate(
        [
            ("order.state", {"order": order, "state": "accepted"}),
            ("order.state", {"order": order, "state": "accepted"}),
            ("order.state", {"order": order, "state": "duplicate"}),
            ("alarm", raised),
        ]
    ):
        box.say("report", {"id": f"r{max(number, 1)}", "type": kind, "data": data})
    box.say("state", {"online": True})
    assert cloud.wait_for(lambda c: c.online, WAIT_S)
    assert len(cloud.reports) == 3
    assert cloud.order_states == {("alipay", "8812"): "accepted"}
    assert len(cloud.reported("order.state", state="duplicate")) == 1
    assert cloud.alarms == {"printer:kitchen:paper": "no paper"}
    box.say("report", {"id": "r9", "type": "alarm", "data": {**raised, "state": "cleared"}})
    assert cloud.wait_for(lambda c: not c.alarms, WAIT_S)


def test_events_told_while_the_broker_is_away_arrive_later(tmp_path: Path) -> None:
    """The cloud waits for its broker, as a shop's does; nothing that it told is lost, and its order stays."""
    with Mosquitto(tmp_path) as broker, Cloud("127.0.0.1", broker.port) as cloud:
        broker.stop()
        told = [cloud.publish("ping", None) for _ in range(3)]
        assert not cloud.flush(0.1)
        broker.start()
        box = Box(broker.port)
        assert cloud.flush(WAIT_S)
        box.close()
        assert [event["sequence"][-1] for event in told] == ["1", "2", "3"]


def test_every_event_of_the_shop_is_what_the_agent_takes() -> None:
    """300 events of the made-up morning, amended and cancelled ones too, decode; the same seed tells the same."""
    shop = Shop(seed=7)
    events = [shop.next_event() for _ in range(300)]
    for event in events:
        decode_event(msgspec.json.encode({**event, "sequence": "1"}))
    assert {event["type"] for event in events} == {"order.upsert", "order.cancel"}
    assert len({event["id"] for event in events}) < len(events)
    again = Shop(seed=7)
    assert [again.next_event()["id"] for _ in events] == [event["id"] for event in events]
