"""The line against a broker that does what it likes."""

import random
import socket
import threading
from bisect import bisect_left
from concurrent.futures import ThreadPoolExecutor, wait
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.client import Client

from agent.broker import backoff as rules
from agent.broker.backoff import Backoff, delay_s
from agent.broker.hold import Hold
from agent.broker.mqtt import Line
from agent.model.address import BrokerAddress
from agent.model.wire import Delivery
from tests.office import ORDER, TOPICS, WILL, HandClock, Office, Said, kinds, office
from tests.scripted_broker import TIMEOUT_S, Peer, ScriptedBroker, framed

VERSIONS = ("5", "3.1.1")


@pytest.fixture
def _threads_may_die(monkeypatch: pytest.MonkeyPatch) -> None:
    """The network thread's death is what is tested."""
    monkeypatch.setattr(threading, "excepthook", lambda _: None)


# -- connecting -------------------------------------------------------------------------------------------------------


def test_mqtt_5_asks_for_a_session_that_lasts(broker: ScriptedBroker) -> None:
    """Rule 5: clean start false always and an expiry; a limit on what may be unacknowledged and on a packet's size."""
    with office(broker.port):
        for _ in range(2):
            peer = broker.accept()
            asked = peer.expect("CONNECT")
            assert (asked.protocol, asked.client_id, asked.keepalive) == (("MQTT", 5), "s1-box1", 30)
            assert not asked.clean
            expected = {"session_expiry": 604_800, "receive_maximum": 200, "maximum_packet_size": 300 * 1024}
            assert asked.properties == expected
            peer.connack(session_present=True)
            assert peer.expect("SUBSCRIBE").filters == [(topic, 0x21) for topic in TOPICS]  # QoS 1, nothing retained
            peer.drop()


def test_mqtt_3_1_1_asks_for_a_session_that_lasts(broker: ScriptedBroker) -> None:
    """Rule 5: brokers that refuse MQTT 5 are spoken to in 3.1.1, with clean session false."""
    with office(broker.port, protocol="3.1.1"):
        for _ in range(2):
            peer = broker.accept()
            asked = peer.expect("CONNECT")
            assert (asked.protocol, asked.clean, asked.keepalive) == (("MQTT", 4), False, 30)
            peer.connack(session_present=True)
            assert peer.expect("SUBSCRIBE").filters == [(topic, 1) for topic in TOPICS]
            peer.drop()


@pytest.mark.parametrize("protocol", VERSIONS)
def test_last_will_says_offline_retained_with_the_boot_id(broker: ScriptedBroker, protocol: str) -> None:
    """A death that nobody could announce is announced by the broker."""
    with office(broker.port, protocol=protocol):
        asked = broker.accept().expect("CONNECT")
        assert (asked.has_will, asked.topic, asked.payload) == (True, WILL.topic, WILL.payload)
        assert (asked.qos, asked.retain) == (1, True)


def test_password_is_read_anew_at_each_connection(
    broker: ScriptedBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Credentials come from a function called at each connection: a changed password needs no restart."""
    monkeypatch.delenv("SHOP_AGENT_BROKER_PASSWORD", raising=False)
    secret = tmp_path / "pass"
    secret.write_text("one\n")
    with office(broker.port, username="s1", password_file=secret):
        first = broker.accept()
        asked = first.expect("CONNECT")
        secret.write_text("two\n")
        first.drop()
        again = broker.accept().expect("CONNECT")
    assert (asked.username, asked.password, again.password) == ("s1", b"one", b"two")


def test_unreadable_password_is_said_and_the_line_goes_on_trying(
    broker: ScriptedBroker, tmp_path: Path, said: Said
) -> None:
    """The file may come back; until then the broker refuses us."""
    with office(broker.port, username="s1", password_file=tmp_path / "none"):
        assert broker.accept().expect("CONNECT").password is None
        said.wait("broker.password_unreadable")


def test_nagle_is_off_and_the_kernel_watches_the_line(broker: ScriptedBroker) -> None:
    """Rule 10: with Nagle a round trip of acknowledgement and publish took 44 ms."""
    with office(broker.port) as here:
        broker.welcome()
        here.up()
        ours: Any = here.line._client.socket()
        assert ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 30


@pytest.mark.parametrize("present", [True, False])
def test_what_the_broker_says_of_the_session_is_handed_up(broker: ScriptedBroker, present: bool) -> None:
    """Rule 7: session present is told, and trusted by nobody."""
    with office(broker.port) as here:
        broker.welcome(session_present=present)
        assert here.up() is present


def test_granted_session_expiry_is_logged(broker: ScriptedBroker, said: Said) -> None:
    """What was asked for is not always what was granted."""
    with office(broker.port):
        broker.welcome(session_expiry=3600)
        assert said.wait("broker.connected")["session_expiry_s"] == 3600


# -- acknowledging ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", VERSIONS)
def test_delivery_is_acknowledged_only_when_told(broker: ScriptedBroker, protocol: str) -> None:
    """Rule 4: paho acknowledges nothing by itself."""
    with office(broker.port, protocol=protocol) as here:
        peer = broker.welcome()
        here.up()
        peer.publish(ORDER, b"one", 7)
        delivery = here.delivery()
        assert here.pubacks(peer) == []
        assert here.line.acknowledge(delivery)
        assert here.pubacks(peer) == [7]


@pytest.mark.parametrize("protocol", VERSIONS)
def test_late_acknowledgement_never_hits_another_message(broker: ScriptedBroker, protocol: str) -> None:
    """Rule 4: after a reconnect the same id may belong to another message, which the broker would drop."""
    with office(broker.port, protocol=protocol) as here:
        peer = broker.welcome()
        here.up()
        peer.publish(ORDER, b"old", 7)
        old = here.delivery()
        peer.drop()
        again = broker.welcome(session_present=True)
        here.up()
        again.publish(ORDER, b"new", 7)
        new = here.delivery()
        assert not here.line.acknowledge(old)
        assert here.pubacks(again) == []
        assert here.line.acknowledge(new)
        assert here.pubacks(again) == [7]


def test_no_acknowledgement_leaves_before_connect_or_connack(broker: ScriptedBroker) -> None:
    """Rule 4: inside a reconnect a PUBACK would go out before CONNECT."""
    with office(broker.port) as here:
        peer = broker.welcome()
        here.up()
        peer.publish(ORDER, b"old", 7)
        old = here.delivery()
        peer.drop()
        again = broker.accept()
        assert not here.line.acknowledge(old)
        again.expect("CONNECT")
        assert not here.line.acknowledge(old)
        assert here.line.publish("any", b"") is None
        again.connack()
        here.up()
        assert not here.line.acknowledge(old)
        here.fence(again)
        assert kinds(again.seen) == ["CONNECT", "SUBSCRIBE", "PUBLISH"]


def test_generation_grows_with_every_attempt_and_every_loss(broker: ScriptedBroker) -> None:
    """Rule 4: what belongs to which connection can always be told."""
    with office(broker.port) as here:
        seen = []
        for _ in range(3):
            peer = broker.welcome()
            here.up()
            seen.append(here.line.generation)
            peer.drop()
    assert seen == sorted(set(seen))


# -- hostile deliveries -----------------------------------------------------------------------------------------------

HOSTILE = {
    "a topic that is no UTF-8": {"topic": b"shops/\xff\xfe", "mid": 3},
    "a wildcard in the topic": {"topic": "shops/+/dn/#", "mid": 3},
    "a topic that is not ours": {"topic": "shops/other/dn/order", "mid": 3},
    "no topic at all": {"topic": "", "mid": 3},
    "a NUL in the topic": {"topic": b"shops/s1\x00", "mid": 3},
    "an empty payload": {"topic": ORDER, "mid": 3, "payload": b""},
    "retained": {"topic": ORDER, "mid": 3, "retain": True},
    "a duplicate that never came": {"topic": ORDER, "mid": 3, "dup": True},
    "the largest id": {"topic": ORDER, "mid": 65535},
    "the same property twice": {"topic": ORDER, "mid": 3, "user": [("id", "a"), ("id", "b")]},
    "an alias that we never allowed": {"topic": ORDER, "mid": 3, "topic_alias": 1},
}


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_delivery_is_handed_up_and_the_line_lives(broker: ScriptedBroker, what: str) -> None:
    """Rule 9: nothing in a delivery stops the thread; what can't be an order is for the front door to say."""
    packet: dict[str, Any] = {"payload": b"x", **HOSTILE[what]}
    with office(broker.port) as here:
        peer = broker.welcome()
        here.up()
        peer.publish(**packet)
        hostile = here.delivery()
        peer.publish(ORDER, b"fine", 9)
        assert here.delivery().payload == b"fine"
        assert here.line.acknowledge(hostile)
        assert here.pubacks(peer) == [packet["mid"]]


@pytest.mark.parametrize("packet", [{"qos": 0}, {"mid": 0}], ids=["QoS 0", "mid 0"])
def test_what_can_not_be_acknowledged_is_taken_and_said(
    broker: ScriptedBroker, said: Said, packet: dict[str, Any]
) -> None:
    """An acknowledgement for id 0 would be an error of ours; at QoS 0 there is none."""
    with office(broker.port) as here:
        peer = broker.welcome()
        here.up()
        peer.publish(ORDER, b"x", **packet)
        assert here.line.acknowledge(here.delivery())
        assert here.pubacks(peer) == []
        said.wait("broker.wrong_delivery")


def test_qos_2_is_finished_as_qos_2_and_said(broker: ScriptedBroker, said: Said) -> None:
    """Rule 1: we subscribe at QoS 1, so it may not be; paho says PUBREC on arrival, and a kill then loses it."""
    with office(broker.port) as here:
        peer = broker.welcome()
        here.up()
        peer.publish(ORDER, b"x", 5, qos=2)
        peer.expect("PUBREC")
        assert here.deliveries.empty()
        peer.pubrel(5)
        here.line.acknowledge(here.delivery())
        assert peer.expect("PUBCOMP").mid == 5
        assert here.pubacks(peer) == []
        assert said.wait("broker.wrong_delivery")["qos"] == 2


def test_delivery_before_the_suback_is_taken(broker: ScriptedBroker) -> None:
    """A broker with our session sends at once what it kept."""
    with office(broker.port) as here:
        peer = broker.accept()
        peer.expect("CONNECT")
        peer.connack(session_present=True)
        subscribe = peer.expect("SUBSCRIBE")
        peer.publish(ORDER, b"kept", 1)
        assert here.line.acknowledge(here.delivery())
        peer.suback(subscribe)
        assert here.pubacks(peer) == [1]


def test_payload_beyond_any_order_is_cut(broker: ScriptedBroker) -> None:
    """On 3.1.1 nothing limits a delivery's size: what goes on is capped before anybody parses or keeps it."""
    with office(broker.port, protocol="3.1.1") as here:
        peer = broker.welcome()
        here.up()
        peer.publish(ORDER, b"x" * 1_000_000, 1)
        assert len(here.delivery().payload) == 300 * 1024


MALFORMED = {
    "a kind that does not exist": b"\x00\x00",
    "a length without an end": b"\x30\xff\xff\xff\xff\xff",
    "a topic longer than its packet": framed(0x32, b"\xff\xffab"),
    "QoS 3": framed(0x36, b"\x00\x01a\x00\x01\x00"),
    "a SUBACK without its id": framed(0x90, b"\x00"),
    "a CONNACK of one byte": framed(0x20, b"\x00"),
    "a property that does not exist": framed(0x32, b"\x00\x01a\x00\x01\x02\x7f\x00"),
    "a SUBSCRIBE from the broker": framed(0x82, b"\x00\x01\x00\x00\x01a\x01"),
    "a ping with a body": framed(0xD0, b"\x01"),
    "a DISCONNECT of unknown reason": framed(0xE0, b"\x77\x00"),
}


@pytest.mark.parametrize("what", MALFORMED)
def test_malformed_packet_costs_a_connection_and_no_more(broker: ScriptedBroker, what: str) -> None:
    """Rule 2: of 54 hostile packets 16 killed the thread of an older paho."""
    with office(broker.port) as here:
        peer = broker.welcome()
        here.up()
        peer.send(MALFORMED[what])
        peer.expect_end()
        again = broker.welcome()
        here.up()
        again.publish(ORDER, b"fine", 1)
        assert here.line.acknowledge(here.delivery())
        assert here.pubacks(again) == [1]


@pytest.mark.parametrize("protocol", VERSIONS)
def test_connection_lost_in_mid_packet_delivers_nothing_of_it(broker: ScriptedBroker, protocol: str) -> None:
    """Half a delivery is none; the broker sends it again."""
    with office(broker.port, protocol=protocol) as here:
        peer = broker.welcome()
        here.up()
        packet = peer.publish_packet(ORDER, b"x" * 50_000, 1)
        peer.send(packet[:-20_000])
        here.fence(peer)
        peer.drop()
        again = broker.welcome(session_present=True)
        here.up()
        again.send(packet[:40])
        here.fence(again)
        again.send(packet[40:])
        assert len(here.delivery().payload) == 50_000
        assert here.deliveries.empty()


def test_callback_that_raises_is_said_and_the_line_lives(broker: ScriptedBroker, said: Said) -> None:
    """Rule 9: paho swallows an exception without a word."""
    with office(broker.port) as here:
        here.line._on_delivery = {}.__getitem__  # type: ignore[assignment]  # it shall raise
        peer = broker.welcome()
        here.up()
        peer.publish(ORDER, b"x", 1)
        said.wait("broker.callback_failed")
        assert here.pubacks(peer) == []


# -- losing and coming back -------------------------------------------------------------------------------------------


def test_delay_grows_with_each_failure_and_jitters() -> None:
    """From a quarter of a second to half a minute, never in step with other boxes."""
    assert [delay_s(n, 1.0) for n in (1, 2, 3, 4, 5, 6, 7, 1000)] == [1, 2, 4, 8, 16, 30, 30, 30]
    assert [delay_s(n, 0.0) for n in (1, 2, 6)] == [0.25, 0.5, 7.5]
    assert delay_s(3, 0.5) == 2.5


def test_only_a_connection_that_lasted_makes_us_quick_again() -> None:
    """paho's own back-off resets at each CONNACK: accept-then-kick would be a loop of one second."""
    away = Backoff(chance=lambda: 1.0)
    assert [away.lost(now, up_s=0.1) for now in range(0, 600, 100)] == [1, 2, 4, 8, 16, 30]
    assert away.lost(600, up_s=rules.STEADY_AFTER_S + 1) == 1
    assert [away.failed() for _ in range(3)] == [2, 4, 8]


def test_first_try_after_a_long_session_is_spread_and_the_next_are_as_ever() -> None:
    """A broker that restarts meets its shops within five seconds, not one; a young line's blip is over at once."""
    for chance, young_s, old_s in ((0.0, 0.25, 0.0), (0.5, 0.625, 2.5), (1.0, 1.0, 5.0)):
        away = Backoff(chance=lambda chance=chance: chance)  # type: ignore[misc]  # a default
        assert away.lost(0.0, rules.SETTLED_AFTER_S - 1) == young_s
        assert away.lost(1.0, rules.SETTLED_AFTER_S) == old_s
        assert [away.failed(), away.failed()] == [delay_s(2, chance), delay_s(3, chance)]


def test_a_whole_fleet_is_not_back_within_one_second() -> None:
    """Of 5,000 shops that lose their broker at once, no second sees many more than a fifth."""
    chance = random.Random(7).random
    tries = sorted(Backoff(chance=chance).lost(0.0, 86_400.0) for _ in range(5000))
    busiest = max(bisect_left(tries, at + 1.0) - number for number, at in enumerate(tries))
    assert busiest < 0.23 * len(tries)
    assert tries[-1] <= rules.SPREAD_S


def test_three_takeovers_in_a_minute_are_a_contest() -> None:
    """Two with one client id kick each other for ever: away for minutes, until we were left in peace for long."""
    away = Backoff(chance=lambda: 0.5)
    delays = [away.taken_over(now, 1.0) for now in (0.0, 20.0, 50.0)]
    assert delays[:2] == [delay_s(1, 0.5), delay_s(2, 0.5)]
    assert (delays[2], away.contested) == (rules.TAKEN_OVER_S, True)
    assert away.taken_over(300.0, 60.0) == rules.TAKEN_OVER_S
    away.lasted(rules.CALM_AFTER_S + 1)
    assert not away.contested


def test_takeovers_far_apart_are_no_contest() -> None:
    """A half-open connection of our own that the broker replaces is no enemy."""
    away = Backoff(chance=lambda: 0.5)
    for now in (0.0, 100.0, 200.0, 300.0):
        away.taken_over(now, 90.0)
    assert not away.contested


def test_three_kicks_in_two_minutes_are_perhaps_a_contest() -> None:
    """Not every broker says that a client id was taken over: suspected, and told, until a connection lasted."""
    away = Backoff(chance=lambda: 0.5)
    assert [away.lost(now, 1.0) for now in (0.0, 20.0)] == [delay_s(1, 0.5), delay_s(2, 0.5)]
    assert (away.lost(50.0, 19.0), away.suspected) == (delay_s(3, 0.5), True)
    away.lasted(rules.RIVAL_AWAY_S + 1)
    assert not away.suspected
    assert away.lost(1000.0, 1.0) == delay_s(1, 0.5)


@pytest.mark.parametrize("between", ["nothing", "an hour", "a refusal", "a connection that lasted"])
def test_kicks_with_something_between_are_no_contest(between: str) -> None:
    """A broker that restarts, or that is far away on a bad line, refuses or lasts now and then."""
    away, now = Backoff(), 0.0
    for _ in range(3):
        now += 3600.0 if between == "an hour" else 1.0
        away.lost(now, 0.5)
        if between == "a refusal":
            away.failed()
        elif between == "a connection that lasted":
            away.lost(now, rules.STEADY_AFTER_S + 1)
    assert away.suspected is (between == "nothing")


def test_accept_then_kick_is_met_with_growing_delays(broker: ScriptedBroker) -> None:
    """The delay that paho is given grows although each CONNACK was a success."""
    with office(broker.port) as here:
        for turn in range(1, 6):
            peer = broker.welcome()
            here.up()
            assert here.backoff.failures == turn - 1
            peer.drop()


REFUSALS = [("5", 135), ("5", 134), ("5", 136), ("5", 133), ("5", 132), ("3.1.1", 5), ("3.1.1", 4), ("3.1.1", 3)]


@pytest.mark.parametrize(("protocol", "code"), REFUSALS)
def test_refused_connection_is_tried_for_ever_and_needs_a_person(
    broker: ScriptedBroker, said: Said, protocol: str, code: int
) -> None:
    """Bad credentials may be mended at the other end: said once, an alarm, and going on by itself."""
    with office(broker.port, protocol=protocol) as here:
        for _ in range(3):
            peer = broker.accept()
            peer.expect("CONNECT")
            peer.connack(reason=code)
            peer.expect_end()
        broker.accept().expect("CONNECT")
        assert list(here.line.faults) == ["broker:refused"]
        assert ("3.1.1" in here.line.faults["broker:refused"]) is (code == 132)
        assert ("without a password; check both" in here.line.faults["broker:refused"]) is (code in (134, 135, 4, 5))
        assert said.events.count("broker.refused") == 1
        broker.peers[-1].connack()
        here.up()
        assert here.line.faults == {}


def test_no_listener_is_tried_until_there_is_one(said: Said) -> None:
    """A connection that is refused is tried again for ever; it is said once."""
    reserved = socket.socket()
    reserved.bind(("127.0.0.1", 0))  # nobody listens there, and nobody else gets it
    port = reserved.getsockname()[1]
    with office(port) as here:
        said.wait("broker.unreachable")
        assert "refused" in here.line.why
        reserved.close()
        with ScriptedBroker(port=port) as broker:
            broker.welcome()
            here.up()
            assert here.line.why == ""
    assert said.events.count("broker.unreachable") == 1


def test_downgrade_by_paho_is_undone(broker: ScriptedBroker) -> None:
    """Refused once for its version, paho would speak MQTT 3.1 for the rest of its life."""
    with office(broker.port, protocol="3.1.1") as here:
        first = broker.accept()
        first.expect("CONNECT")
        first.connack(reason=1)
        old = broker.accept()
        assert old.expect("CONNECT").protocol == ("MQIsdp", 3)
        old.drop()
        while (asked := tend_until_connecting(here.line, broker).expect("CONNECT")).protocol == ("MQIsdp", 3):
            broker.peers[-1].drop()
        assert asked.protocol == ("MQTT", 4)


def test_broker_that_hangs_up_before_connack_is_said(broker: ScriptedBroker, said: Said) -> None:
    """RabbitMQ 3.10 drops MQTT 5 without a word: nobody must have to guess."""
    with office(broker.port):
        peer = broker.accept()
        peer.expect("CONNECT")
        peer.drop()
        reason = said.wait("broker.never_answered")["reason"]
        assert f"is {broker.port} its encrypted port? then write mqtts://" in reason


@pytest.mark.parametrize("source", ["environment", "file", "credential"])
def test_refused_login_says_where_the_password_came_from(
    broker: ScriptedBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    """A password that lies somewhere else than one thinks; the password itself is never said."""
    monkeypatch.delenv("SHOP_AGENT_BROKER_PASSWORD", raising=False)
    (tmp_path / "broker-password").write_text("s3cret-word")
    wanted: dict[str, Any] = {}
    if source == "environment":
        monkeypatch.setenv("SHOP_AGENT_BROKER_PASSWORD", "s3cret-word")
    elif source == "file":
        wanted = {"password_file": tmp_path / "broker-password"}
    else:
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    with office(broker.port, username="s421-box1", **wanted) as here:
        peer = broker.accept()
        assert peer.expect("CONNECT").password == b"s3cret-word"
        peer.connack(reason=135)
        peer.expect_end()
        broker.accept().expect("CONNECT")
        reason = here.line.faults["broker:refused"]
    named = {
        "environment": "$SHOP_AGENT_BROKER_PASSWORD",
        "file": f"password_file {tmp_path}/broker-password",
        "credential": "the systemd credential broker-password",
    }
    assert f"the user s421-box1, with the password from {named[source]}" in reason
    assert "s3cret" not in reason


@pytest.mark.parametrize("when", ["before CONNACK", "after", "in mid-packet"])
def test_silent_broker_is_left(broker: ScriptedBroker, when: str) -> None:
    """A half-open line is noticed by the keepalive, also when it died inside a packet."""
    with office(broker.port, keepalive_s=1) as here:
        peer = broker.accept()
        peer.deaf = True
        peer.expect("CONNECT")
        if when != "before CONNACK":
            peer.connack()
            here.up()
        if when == "in mid-packet":
            peer.send(peer.publish_packet(ORDER, b"x" * 1000, 1)[:500])
        peer.expect_end()
        broker.welcome()
        here.up()


def test_takeover_is_said_and_three_need_a_person(broker: ScriptedBroker, said: Said) -> None:
    """Only MQTT 5 says that somebody else has our client id."""
    with office(broker.port, backoff=Backoff(pace=0.00001)) as here:
        for _ in range(3):
            peer = broker.welcome()
            here.up()
            peer.disconnect(142)
            assert said.wait("broker.taken_over")["client_id"] == "s1-box1"
        broker.welcome()
        here.up()
        assert "s1-box1" in here.line.faults["broker:client_id"]


def test_kicks_without_a_word_are_said_and_need_a_person(broker: ScriptedBroker, said: Said) -> None:
    """mosquitto 2.0 hangs up on whoever was taken over and gives no reason; peace for some minutes ends the alarm."""
    clock = HandClock()
    with office(broker.port, clock=clock, backoff=Backoff(pace=0.00001)) as here:
        for _ in range(3):
            assert here.line.faults == {}
            peer = broker.welcome()
            here.up()
            peer.drop()
            said.wait("broker.lost")
        assert said.wait("broker.contested_perhaps")["client_id"] == "s1-box1"
        broker.welcome()
        here.up()
        assert "perhaps another box uses our client id s1-box1" in here.line.faults["broker:client_id"]
        clock.pass_s(rules.RIVAL_AWAY_S + 1)
        assert here.line.faults == {}


def tend_until_connecting(line: Line, broker: ScriptedBroker) -> Peer:
    """Look after the line, as the publisher does, until it calls again."""
    with ThreadPoolExecutor(1) as pool:
        calling = pool.submit(broker.accept)
        while not wait([calling], timeout=0.02).done:
            line.tend()
        return calling.result()


@pytest.mark.usefixtures("_threads_may_die")
def test_dead_network_thread_is_noticed_and_the_client_built_anew(broker: ScriptedBroker, said: Said) -> None:
    """Rule 9: a dead thread leaves the client "connected" and calls nobody."""
    with office(broker.port) as here:
        peer = broker.welcome()
        here.up()
        peer.publish(ORDER, b"old", 1)
        old = here.delivery()
        dead = kill_thread(here.line)
        assert (here.line.alive(), dead.is_connected()) == (False, True)
        again = tend_until_connecting(here.line, broker)
        said.wait("broker.thread_died")
        peer.expect_end()
        again.expect("CONNECT")
        again.connack()
        here.up()
        assert here.line._client is not dead
        assert here.line.alive()
        assert not here.line.acknowledge(old)
        assert here.pubacks(again) == []


@pytest.mark.usefixtures("_threads_may_die")
def test_nobody_else_writes_the_socket_when_the_thread_is_dead(broker: ScriptedBroker) -> None:
    """paho would then write it on the journal's thread, and call us back under our own lock: for ever."""
    with office(broker.port) as here:
        peer = broker.welcome()
        here.up()
        for mid in (1, 2, 3):
            peer.publish(ORDER, b"x", mid)
        deliveries = [here.delivery() for _ in range(3)]
        kill_thread(here.line)
        peer.close()
        writer = threading.Thread(target=lambda: [here.line.acknowledge(one) for one in deliveries], daemon=True)
        writer.start()
        writer.join(TIMEOUT_S)
        assert not writer.is_alive()
        assert peer.count("PUBACK") == 0


@pytest.mark.usefixtures("_threads_may_die")
def test_host_that_kills_the_thread_each_time_is_tried_ever_slower(said: Said) -> None:
    """A name that can't be encoded raises UnicodeError inside paho; configuration refuses such a name, DNS may not."""
    clock = HandClock()
    here = Office(1, clock=clock, backoff=Backoff(chance=lambda: 1.0))
    here.line._address = BrokerAddress("a..b", 1, False)
    here.line._client = here.line._build()
    here.line.start()
    delays = []
    for _ in range(3):
        if (thread := here.line._client._thread) is not None:
            thread.join(TIMEOUT_S)
        clock.pass_s(60)
        here.line.tend()
        delays.append(said.wait("broker.thread_died")["again_in_s"])
        here.line.tend()  # too early
    if (thread := here.line._client._thread) is not None:
        thread.join(TIMEOUT_S)
    assert delays == [1, 2, 4]
    assert said.events.count("broker.thread_died") == 3
    here.line.stop(1)


def kill_thread(line: Line) -> Client:
    """Let the network thread die of an exception that paho does not catch."""
    client: Client = line._client
    thread = client._thread
    assert thread is not None

    def die() -> None:
        raise RuntimeError("the network thread is killed by a test")

    client.loop_misc = die  # type: ignore[assignment, method-assign]  # a fault that paho itself had
    thread.join(TIMEOUT_S)
    assert not thread.is_alive()
    return client


# -- subscriptions ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("protocol", "code"), [("5", 135), ("3.1.1", 128), ("5", 0)])
def test_refused_topic_needs_a_person_and_is_asked_for_again(
    broker: ScriptedBroker, said: Said, protocol: str, code: int
) -> None:
    """Connected and deaf would look like a quiet day; QoS 0 would lose orders."""
    clock = HandClock()
    with office(broker.port, protocol=protocol, clock=clock) as here:
        peer = broker.accept()
        peer.expect("CONNECT")
        peer.connack()
        peer.suback(peer.expect("SUBSCRIBE"), [code, 1])
        assert ORDER in said.wait("broker.subscription_refused")["topics"]
        assert list(here.line.faults) == ["broker:topics"]
        here.line.tend()
        clock.pass_s(61)
        here.line.tend()
        peer.suback(peer.expect("SUBSCRIBE"))
        said.wait("broker.subscribed")
        assert here.line.faults == {}


# -- upwards ----------------------------------------------------------------------------------------------------------


def test_nothing_is_published_while_down_and_nothing_is_queued(broker: ScriptedBroker) -> None:
    """Rule 8: paho's offline queue would send it later, out of order and past every limit."""
    with office(broker.port) as here:
        assert here.line.publish("t", b"early") is None
        peer = broker.welcome()
        here.up()
        peer.drop()
        again = broker.accept()
        again.expect("CONNECT")
        assert here.line.publish("t", b"late") is None
        again.connack()
        here.up()
        here.fence(again)
        assert [packet.payload for packet in again.seen if packet.kind == "PUBLISH"] == [b"1"]


def test_what_was_under_way_is_dropped_and_not_sent_again_by_paho(broker: ScriptedBroker) -> None:
    """Rule 8: a burst at a reconnect ignores ReceiveMaximum, and brokers hang up for it; the outbox drives."""
    with office(broker.port) as here:
        broker.acks = False
        peer = broker.welcome()
        here.up()
        for number in range(10):
            assert here.line.publish("t", str(number).encode()) is not None
        peer.expect("PUBLISH", lambda packet: packet.payload == b"9")
        peer.drop()
        again = broker.welcome(session_present=True)
        here.up()
        here.fence(again)
        assert kinds(again.seen) == ["CONNECT", "SUBSCRIBE", "PUBLISH"]


@pytest.mark.parametrize(("granted", "most"), [({}, 10), ({"receive_maximum": 3}, 3), ({"receive_maximum": 65535}, 10)])
def test_at_most_ten_or_what_the_broker_allows_may_be_under_way(
    broker: ScriptedBroker, granted: dict[str, Any], most: int
) -> None:
    """Rule 8: min(10, ReceiveMaximum), anew at each connection."""
    with office(broker.port) as here:
        broker.welcome(**granted).drop()
        here.up()
        broker.welcome(**granted)
        here.up()
        assert here.line.most_unacked_out == most


@pytest.mark.parametrize(("reason", "taken"), [(0, True), (16, True), (128, False), (135, False), (151, False)])
def test_word_on_what_was_published_tells_refusal_from_success(
    broker: ScriptedBroker, reason: int, taken: bool
) -> None:
    """Rule 8: delete only on a reason that is no failure; "nobody listens" is none."""
    broker.acks = False
    with office(broker.port) as here:
        peer = broker.welcome()
        here.up()
        mid = here.line.publish("t", b"")
        peer.expect("PUBLISH")
        assert mid is not None
        peer.puback(mid, reason)
        word = here.line.acknowledged.get(timeout=TIMEOUT_S)
        assert word is not None
        assert (word.mid, word.taken, word.generation) == (mid, taken, here.line.generation)


@pytest.mark.parametrize("more", [b"", b"\0", b"\0\0", b"\x10\0", b"\0\x05\x1f\0\x02ok", b"\x97\0"])
def test_word_is_read_in_every_form_that_mqtt_5_has(broker: ScriptedBroker, more: bytes) -> None:
    """A reason may be left out, and have properties behind it; a number that we did not send is nobody's."""
    broker.acks = False
    with office(broker.port) as here:
        peer = broker.welcome()
        here.up()
        mid = here.line.publish("t", b"")
        peer.expect("PUBLISH")
        assert mid is not None
        peer.send(framed(0x40, (mid + 1).to_bytes(2, "big") + more) + framed(0x40, mid.to_bytes(2, "big") + more))
        word = here.line.acknowledged.get(timeout=TIMEOUT_S)
        assert word is not None
        assert (word.mid, word.taken) == (mid, not more.startswith(b"\x97"))
        assert here.line.acknowledged.empty()


# -- a flood ----------------------------------------------------------------------------------------------------------


def test_flood_stops_at_the_hold_and_loses_nothing(broker: ScriptedBroker, said: Said) -> None:
    """A broker without a limit of its own is stopped by TCP, not by our memory."""
    with office(broker.port, protocol="3.1.1") as here:
        here.line._hold = Hold(most=10)
        peer = broker.welcome()
        here.up()
        packets = [peer.publish_packet(ORDER, str(number).encode(), number) for number in range(1, 101)]
        peer.send(b"".join(packets))
        first: list[Delivery] = [here.delivery() for _ in range(10)]
        thread_waits(here.line._hold)
        assert here.deliveries.empty()
        for delivery in first:
            here.line.acknowledge(delivery)
        for number in range(11, 101):
            delivery = here.delivery()
            assert delivery.payload == str(number).encode()
            here.line.acknowledge(delivery)
        assert here.pubacks(peer) == list(range(1, 101))
        said.wait("broker.held_back")


def thread_waits(hold: Hold) -> None:
    """Wait until a thread waits for room."""
    while True:
        with hold._changed:
            if hold._changed._waiters:  # type: ignore[attr-defined]  # no public way to see a waiter
                return


def test_hold_counts_bytes_and_lets_one_of_any_size_through() -> None:
    """Large deliveries fill it sooner; a single one always passes, or it would wait for ever."""
    hold = Hold(most=10, most_bytes=100)
    assert not hold.enter(1000, lambda: False)
    answers = iter([False, True])
    assert hold.enter(1, lambda: next(answers))
    hold.leave(1000)
    assert not hold.enter(99, lambda: False)
    assert hold.count == 2


def test_stop_frees_a_thread_that_waits_for_room(broker: ScriptedBroker) -> None:
    """A full disk must not keep the agent from stopping."""
    with office(broker.port) as here:
        here.line._hold = Hold(most=1)
        peer = broker.welcome()
        here.up()
        peer.publish(ORDER, b"1", 1)
        peer.publish(ORDER, b"2", 2)
        here.delivery()
        thread_waits(here.line._hold)
        here.line.stop(4)
        assert not here.line.alive()


# -- stopping ---------------------------------------------------------------------------------------------------------


def test_stop_sends_what_was_published_and_then_disconnects(broker: ScriptedBroker) -> None:
    """disconnect() before loop_stop(), else it may never return; a clean disconnection sends no will."""
    with office(broker.port) as here:
        peer = broker.welcome()
        here.up()
        here.line.publish("state", b"offline", retain=True)
        here.line.stop(5)
        peer.expect("DISCONNECT")
        peer.expect_end()
        assert kinds(peer.seen)[-2:] == ["PUBLISH", "DISCONNECT"]
        assert not here.line.alive()


@pytest.mark.timeout(30)
@pytest.mark.parametrize("broker_is", ["gone", "mute", "hung"])
def test_stop_returns_whatever_the_broker_does(broker_is: str) -> None:
    """A dead broker, one that never answered CONNECT, one that hangs with ten publications under way."""
    with ScriptedBroker(acks=False) as broker:
        if broker_is == "gone":
            broker.__exit__()
        with office(broker.port) as here:
            if broker_is != "gone":
                peer = broker.accept()
                peer.deaf = True
                peer.expect("CONNECT")
            if broker_is == "hung":
                peer.connack()
                here.up()
                for _ in range(10):
                    here.line.publish("t", b"")
            here.line.stop(4)
            assert not here.line.alive()
            here.line.tend()
            assert not here.line.alive()


def test_stop_before_start_and_twice_is_harmless(broker: ScriptedBroker) -> None:
    """The contract of a service."""
    with office(broker.port) as here:
        here.line.stop(1)
        here.line.stop(1)


def test_paho_is_one_that_hostile_packets_do_not_kill() -> None:
    """Before 2.2 a malformed packet could end its network thread: the lock file must not go back."""
    assert tuple(map(int, version("paho-mqtt").split(".")[:2])) >= (2, 2)
