"""The access lists that we give away: mosquitto's is tried on a real one, as every shop but one would."""

import json
import os
import queue
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from xml.etree import ElementTree

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from agent.broker.topics import topics
from agent.simulator.stage import Mosquitto, find_mosquitto

LISTS = Path(__file__).parent.parent / "docs/brokers/acl"
USERS = ("s421-box1", "s421-box2", "s422-box1", "cloud", "fleet")
OURS, THEIRS, NEXT_DOOR = (topics("shops", *names) for names in (("s421", "box1"), ("s422", "box1"), ("s421", "box2")))
REFUSED = 135
WAIT_S = 10.0


class Client:
    """Somebody who is logged in, and reads whatever he is given."""

    def __init__(self, port: int, user: str, client_id: str = "") -> None:
        self.heard: queue.Queue[tuple[str, bytes]] = queue.Queue()
        self._words: queue.Queue[int] = queue.Queue()
        up: queue.Queue[int] = queue.Queue()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=client_id or user, protocol=mqtt.MQTTv5)
        self._client.username_pw_set(user, f"password of {user}")
        self._client.on_connect = lambda *said: up.put(said[3].value)
        self._client.on_subscribe = lambda *said: self._words.put(said[3][0].value)
        self._client.on_publish = lambda *said: self._words.put(said[3].value)
        self._client.on_message = lambda _c, _u, message: self.heard.put((message.topic, bytes(message.payload)))
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        assert up.get(timeout=WAIT_S) == 0

    def subscribe(self, topic: str) -> int:
        """The broker's word."""
        self._client.subscribe(topic, 1)
        return self._words.get(timeout=WAIT_S)

    def publish(self, topic: str, payload: bytes) -> int:
        """The broker's word."""
        self._client.publish(topic, payload, 1)
        return self._words.get(timeout=WAIT_S)

    def close(self) -> None:
        """Leave."""
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    """mosquitto with our list and our recipe, as they stand, but without TLS."""
    program = shutil.which("mosquitto_passwd") or str(Path(sys.prefix, "debian/usr/bin/mosquitto_passwd"))
    if not Path(program).exists():
        pytest.skip("mosquitto_passwd is not installed")
    folder = tmp_path_factory.mktemp("acl")
    here = Mosquitto(folder)
    passwords = folder / "passwords"
    passwords.touch()
    environment = {**os.environ, **find_mosquitto()[1]}
    for user in USERS:
        words = [program, "-b", str(passwords), user, f"password of {user}"]
        subprocess.run(words, check=True, env=environment, capture_output=True)
    recipe = (LISTS / "mosquitto.conf").read_text()
    for written, ours in (
        ("/etc/mosquitto/shops.passwords", str(passwords)),
        ("/etc/mosquitto/shops.acl", str(LISTS / "mosquitto.acl")),
        ("listener 8883", f"listener {here.port} 127.0.0.1"),
        ("certfile ", "# "),
        ("keyfile ", "# "),
    ):
        assert recipe.count(written) == 1
        recipe = recipe.replace(written, ours)
    (folder / "mosquitto.conf").write_text(f"user root\npersistence_location {folder}/\n{recipe}")
    with here:
        yield here


def enter(stack: ExitStack, broker: Mosquitto, user: str) -> Client:
    """Log in."""
    client = Client(broker.port, user)
    stack.callback(client.close)
    return client


def test_box_reads_and_writes_all_that_it_needs(broker: Mosquitto, stack: ExitStack) -> None:
    """Every topic that the agent uses is on the list: down to it, up from it to the cloud."""
    box, cloud = enter(stack, broker, "s421-box1"), enter(stack, broker, "cloud")
    assert cloud.subscribe("shops/+/up/#") < 128
    for topic in (OURS.order, OURS.replay, OURS.command):
        assert box.subscribe(topic) < 128
        assert cloud.publish(topic, b"down") < 128
        assert box.heard.get(timeout=WAIT_S) == (topic, b"down")
    for topic in (OURS.report, OURS.request, OURS.beat, OURS.state):
        assert box.publish(topic, b"up") < 128
        assert cloud.heard.get(timeout=WAIT_S) == (topic, b"up")


@pytest.mark.parametrize("wanted", ["#", "shops/#", "shops/+/dn/order", OURS.order, "shops/s421/#", OURS.report])
def test_another_shops_topics_can_not_be_read(broker: Mosquitto, stack: ExitStack, wanted: str) -> None:
    """Whatever one asks for: what comes is one's own."""
    curious, box, cloud = (enter(stack, broker, user) for user in ("s422-box1", "s421-box1", "cloud"))
    curious.subscribe(wanted)
    curious.subscribe(THEIRS.order)
    cloud.publish(OURS.order, b"secret")
    box.publish(OURS.report, b"secret")
    cloud.publish(THEIRS.order, b"yours")
    assert curious.heard.get(timeout=WAIT_S) == (THEIRS.order, b"yours")


def test_another_shops_topics_can_not_be_written(broker: Mosquitto, stack: ExitStack) -> None:
    """No order, no command, no report in another's name, not even to one's own kitchen; the broker says so."""
    forger, box, cloud = (enter(stack, broker, user) for user in ("s422-box1", "s421-box1", "cloud"))
    for topic in (OURS.order, OURS.replay, OURS.command):
        box.subscribe(topic)
    cloud.subscribe("shops/+/up/#")
    for topic in (*(getattr(OURS, name) for name in OURS.__struct_fields__), THEIRS.order, THEIRS.command):
        assert forger.publish(topic, b"forged") == REFUSED
    cloud.publish(OURS.order, b"true")
    box.publish(OURS.report, b"true")
    assert box.heard.get(timeout=WAIT_S) == (OURS.order, b"true")
    assert cloud.heard.get(timeout=WAIT_S) == (OURS.report, b"true")


def test_boxes_of_one_shop_do_not_speak_for_each_other(broker: Mosquitto, stack: ExitStack) -> None:
    """The second box may read the shop's orders, and write its own reports only."""
    second = enter(stack, broker, "s421-box2")
    assert second.publish(NEXT_DOOR.report, b"mine") < 128
    assert second.publish(OURS.report, b"yours") == REFUSED
    assert second.publish(OURS.order, b"order") == REFUSED


def test_nobody_takes_anothers_session(broker: Mosquitto, stack: ExitStack) -> None:
    """Who says another's client id gets his own: the box stays connected, and its orders stay its own."""
    box, cloud = enter(stack, broker, "s421-box1"), enter(stack, broker, "cloud")
    box.subscribe(OURS.order)
    thief = Client(broker.port, "s422-box1", client_id="s421-box1")
    stack.callback(thief.close)
    thief.subscribe(THEIRS.order)
    cloud.publish(OURS.order, b"ours")
    cloud.publish(THEIRS.order, b"theirs")
    assert box.heard.get(timeout=WAIT_S) == (OURS.order, b"ours")
    assert thief.heard.get(timeout=WAIT_S) == (THEIRS.order, b"theirs")


def test_nothing_listens_but_what_the_recipe_names(broker: Mosquitto, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A listener's setting above the first listener would open 1883 to every network."""
    log = tmp_path_factory.getbasetemp() / "acl0/mosquitto.log"
    opened = [line.rpartition(" ")[2] for line in log.read_text().splitlines() if "listen socket on port" in line]
    assert opened == [f"{broker.port}."]


def test_who_looks_at_the_fleet_reads_no_order(broker: Mosquitto, stack: ExitStack) -> None:
    """Statuses and beats, nothing with a customer in it; and nothing is written."""
    fleet, box = enter(stack, broker, "fleet"), enter(stack, broker, "s421-box1")
    for topic in ("shops/+/up/+/state", "shops/+/up/+/beat", "#"):
        fleet.subscribe(topic)
    assert fleet.publish(OURS.state, b"forged") == REFUSED
    box.publish(OURS.report, b"secret")
    box.publish(OURS.beat, b"beat")
    assert fleet.heard.get(timeout=WAIT_S) == (OURS.beat, b"beat")


def test_lists_for_other_brokers_can_be_read_by_a_machine() -> None:
    """No stray comma in what is copied into a production system. (What they do is not tried in this suite.)"""
    policy = json.loads((LISTS / "aws-policy.json").read_text())
    assert {statement["Effect"] for statement in policy["Statement"]} == {"Allow"}
    roles = ElementTree.parse(LISTS / "hivemq.xml").getroot().findall("roles/role")
    assert [role.findtext("id") for role in roles] == ["shop", "cloud"]
    subprocess.run(["sh", "-n", str(LISTS / "rabbitmq.sh")], check=True)
