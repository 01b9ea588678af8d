"""The agent as a whole against a broker that does what it likes: the rules of the line and of the reports."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from agent.broker.topics import topics
from agent.clock import SystemClock
from agent.journal import notes
from agent.journal.file import Tx
from agent.journal.store import Journal
from agent.model.report import Pong
from agent.report import publisher as publisher_module
from agent.report.bell import Bell
from agent.report.envelope import new_identity
from agent.report.publisher import Publisher
from tests.house import ORDER, REPLAY, SOURCE, UP, House, house, order, replay_end, told, until
from tests.office import HandClock, Said
from tests.scripted_broker import Packet, Peer, ScriptedBroker

VERSIONS = ("5", "3.1.1")


def is_report(packet: Packet) -> bool:
    """From the outbox?"""
    return packet.topic == f"{UP}/report"


def is_request(packet: Packet) -> bool:
    """For a replay?"""
    return packet.topic == f"{UP}/request"


def report_of(kind: str, **facts: Any) -> Any:
    """Matches a report by its type and data."""

    def matches(packet: Packet) -> bool:
        if not is_report(packet) or told(packet)["type"] != kind:
            return False
        return all(told(packet)["data"].get(key) == value for key, value in facts.items())

    return matches


def put_reports(here: House, *names: str) -> None:
    """Reports go into the outbox."""

    def work(tx: Tx) -> None:
        for name in names:
            notes.add_report(tx, Pong(name))

    here.journal.write(work)


def pongs(peer: Peer, count: int) -> list[tuple[str, str]]:
    """The next so many reports: id and name."""
    packets = [peer.expect("PUBLISH", is_report) for _ in range(count)]
    return [(told(packet)["id"], told(packet)["data"]["event"]) for packet in packets]


# -- in: nothing is acknowledged before it is on disk -----------------------------------------------------------------


@pytest.mark.parametrize("protocol", VERSIONS)
def test_no_puback_before_the_commit(broker: ScriptedBroker, tmp_path: Path, protocol: str) -> None:
    """An event whose PUBACK we sent is on disk."""
    with house(tmp_path, broker.port, protocol=protocol) as here:
        peer = broker.welcome()
        until(lambda: here.line.up, "the line")
        with here.writer_held():
            peer.publish(ORDER, order(1), 7)
            here.waiting(1)
            assert here.pubacks(peer) == []
        assert peer.expect("PUBACK").mid == 7
        assert here.count("orders") == 1


def test_one_commit_acknowledges_many(broker: ScriptedBroker, tmp_path: Path) -> None:
    """Group commit: what is waiting is committed once, and then each is acknowledged."""
    here = House(tmp_path, broker.port)
    commits: list[str] = []
    here.journal._connection.set_trace_callback(lambda said: commits.append(said) if said == "COMMIT" else None)
    here.start()
    try:
        peer = broker.welcome()
        with here.writer_held():
            commits.clear()
            for number in range(1, 101):
                peer.publish(ORDER, order(number), number)
            here.waiting(100)
        for number in range(1, 101):
            assert peer.expect("PUBACK").mid == number
        assert here.count("orders") == 100
        assert len(commits) <= 4  # the held one, the hundred, the count, a report's
    finally:
        here.stop()


@pytest.mark.parametrize("dup", [True, False], ids=["DUP", "no DUP"])
@pytest.mark.parametrize("mid", [1, 9], ids=["same id", "other id"])
def test_redelivery_is_known_by_its_event_and_acknowledged(
    broker: ScriptedBroker, tmp_path: Path, dup: bool, mid: int
) -> None:
    """Rule 6: source and id decide; aedes never sets DUP, RabbitMQ gives other ids."""
    with house(tmp_path, broker.port) as here:
        peer = broker.welcome()
        with here.writer_held():
            peer.publish(ORDER, order(1), 1)
            here.waiting(1)
            peer.drop()
            again = broker.welcome(session_present=True)
            until(lambda: here.line.up, "the line")
            again.publish(ORDER, order(1), mid, dup=dup)
            here.waiting(2)
            assert here.pubacks(again) == []
        again.expect("PUBLISH", report_of("order.state", state="duplicate"))
        assert here.pubacks(again) == [mid]
        assert (here.count("orders"), here.count("jobs")) == (1, 1)


def test_late_puback_never_settles_another_order(broker: ScriptedBroker, tmp_path: Path) -> None:
    """Rule 4: the id of an order that waited over a reconnect now belongs to another one."""
    with house(tmp_path, broker.port) as here:
        peer = broker.welcome()
        with here.writer_held():
            peer.publish(ORDER, order("old"), 7)
            here.waiting(1)
            peer.drop()
            again = broker.welcome(session_present=True)
            until(lambda: here.line.up, "the line")
        until(lambda: here.count("orders") == 1, "the old order on disk")
        assert here.pubacks(again) == []
        again.publish(ORDER, order("new"), 7)
        again.expect("PUBACK")
        assert here.pubacks(again) == [7]
        assert here.count("orders") == 2


def test_redelivery_every_time_is_acknowledged_every_time(broker: ScriptedBroker, tmp_path: Path) -> None:
    """NATS sends again each 30 s what it believes unacknowledged, with new messages before old ones."""
    with house(tmp_path, broker.port) as here:
        peer = broker.welcome()
        sent = [(3, 1), (2, 2), (1, 3), (3, 4), (1, 5), (2, 6), (3, 7)]
        for number, mid in sent:
            peer.publish(ORDER, order(number), mid)
        assert [peer.expect("PUBACK").mid for _ in sent] == [mid for _, mid in sent]
        assert here.count("jobs") == 3


def test_qos_2_delivery_is_completed_after_the_commit(broker: ScriptedBroker, tmp_path: Path) -> None:
    """Rule 1: nobody may send it, as we subscribe at QoS 1; it is taken all the same, PUBCOMP waits for the disk."""
    with house(tmp_path, broker.port) as here:
        peer = broker.welcome()
        with here.writer_held():
            peer.publish(ORDER, order(1), 5, qos=2)
            peer.expect("PUBREC")
            peer.pubrel(5)
            here.waiting(1)
            assert peer.count("PUBCOMP") == 0
        assert peer.expect("PUBCOMP").mid == 5
        assert here.count("orders") == 1


@pytest.mark.parametrize("protocol", VERSIONS)
def test_retained_order_is_acknowledged_ignored_and_reported(
    broker: ScriptedBroker, tmp_path: Path, protocol: str
) -> None:
    """A retained message comes at every connection: it can't be an order."""
    with house(tmp_path, broker.port, protocol=protocol) as here:
        peer = broker.welcome()
        peer.publish(ORDER, order(1), 3, retain=True)
        assert peer.expect("PUBACK").mid == 3
        peer.expect("PUBLISH", report_of("event.rejected", topic=ORDER))
        assert (here.count("orders"), here.count("parked")) == (0, 0)


@pytest.mark.parametrize(
    ("attributes", "flaw"),
    [({"sequence": "7a"}, "a gap before it is not seen"), ({"time": "gestern"}, "old it is")],
)
def test_what_guards_nothing_is_told_with_the_accepted_order(
    broker: ScriptedBroker, tmp_path: Path, said: Said, attributes: dict[str, str], flaw: str
) -> None:
    """The order prints; the integrator hears that its number or its time was not understood, and so does the log."""
    with house(tmp_path, broker.port):
        peer = broker.welcome()
        peer.publish(ORDER, json.dumps({**json.loads(order(1)), **attributes}).encode(), 1)
        accepted = told(peer.expect("PUBLISH", report_of("order.state", state="accepted")))["data"]
        assert flaw in accepted["reason"]
        assert flaw in said.wait("intake.event_flawed")["reason"]


@pytest.mark.parametrize("topic", ["shops/other/dn/order", "shops/s1/dn/+", b"shops/\xff", "", f"{UP}/report"])
def test_order_on_a_wrong_topic_is_kept_and_never_printed(
    broker: ScriptedBroker, tmp_path: Path, topic: str | bytes
) -> None:
    """An old subscription may live on in the session: another shop's orders are not ours."""
    with house(tmp_path, broker.port) as here:
        peer = broker.welcome()
        peer.publish(topic, order(1), 3)
        assert peer.expect("PUBACK").mid == 3
        peer.expect("PUBLISH", report_of("event.rejected"))
        assert (here.count("orders"), here.count("parked")) == (0, 1)


def test_both_overlapping_deliveries_are_acknowledged_and_one_is_taken(broker: ScriptedBroker, tmp_path: Path) -> None:
    """Overlapping filters deliver twice, and so does a replay."""
    with house(tmp_path, broker.port) as here:
        peer = broker.welcome()
        peer.publish(ORDER, order(1, 1), 3)
        peer.publish(REPLAY, order(1, 1), 4)
        assert [peer.expect("PUBACK").mid for _ in range(2)] == [3, 4]
        assert here.count("jobs") == 1


def test_binary_mode_is_understood_on_mqtt_5(broker: ScriptedBroker, tmp_path: Path) -> None:
    """CloudEvents attributes as user properties."""
    with house(tmp_path, broker.port) as here:
        peer = broker.welcome()
        user = [("specversion", "1.0"), ("id", "e1"), ("source", SOURCE), ("type", "ping")]
        peer.publish(ORDER, b"{}", 3, user=user)
        peer.expect("PUBLISH", report_of("pong", event="e1"))
        assert here.pubacks(peer) == [3]


# -- coming up --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", VERSIONS)
def test_birth_and_goodbye_are_retained_and_bear_the_boot_of_the_will(
    broker: ScriptedBroker, tmp_path: Path, protocol: str
) -> None:
    """A clean disconnection sends no will, so "offline" is said first; a death counts only for its own boot."""
    with house(tmp_path, broker.port, protocol=protocol) as here:
        peer = broker.accept()
        will = peer.expect("CONNECT")
        peer.connack()
        peer.suback(peer.expect("SUBSCRIBE"))
        birth = peer.expect("PUBLISH")
        assert (birth.topic, birth.retain, birth.qos) == (f"{UP}/state", True, 1)
        assert (told(birth)["online"], told(will)["online"]) == (True, False)
        assert told(birth)["boot"] == told(will)["boot"]
        assert will.topic == birth.topic
        assert here.stop()
        goodbye = peer.expect("PUBLISH", lambda packet: packet.topic == f"{UP}/state")
        assert (told(goodbye)["online"], told(goodbye)["boot"], goodbye.retain) == (False, told(birth)["boot"], True)
        peer.expect("DISCONNECT")


@pytest.mark.parametrize("protocol", VERSIONS)
def test_disconnect_waits_for_the_brokers_word_on_the_goodbye(
    broker: ScriptedBroker, tmp_path: Path, protocol: str
) -> None:
    """A socket closed with an unread PUBACK is reset, and mosquitto then sends the last will on top."""
    with house(tmp_path, broker.port, protocol=protocol) as here:
        peer = broker.welcome()
        peer.expect("PUBLISH", lambda packet: packet.topic == f"{UP}/beat")
        here.turns()
        peer.acks = False
        with ThreadPoolExecutor(1) as pool:
            stopping = pool.submit(here.stop)
            goodbye = peer.expect(
                "PUBLISH", lambda packet: packet.topic == f"{UP}/state" and not told(packet)["online"]
            )
            assert not wait([stopping], timeout=0.3).done
            assert peer.count("DISCONNECT") == 0
            peer.puback(goodbye.mid)
            assert stopping.result()
        peer.expect("DISCONNECT")


def test_goodbye_is_sent_although_the_broker_owes_us_ten_words(broker: ScriptedBroker, tmp_path: Path) -> None:
    """Behind a full window it would wait in a queue, and the shop would be online for ever."""
    broker.acks = False
    with house(tmp_path, broker.port) as here:
        peer = broker.welcome()
        put_reports(here, *(str(number) for number in range(20)))
        until(lambda: peer.count("PUBLISH") == 10, "a full window")
        assert here.stop()
        peer.expect("PUBLISH", lambda packet: packet.topic == f"{UP}/state" and not told(packet)["online"])
        peer.expect("DISCONNECT")


def test_beat_says_how_the_shop_is(broker: ScriptedBroker, tmp_path: Path) -> None:
    """Liveness comes from beats: not every broker has a last will."""
    clock = HandClock()
    with house(tmp_path, broker.port, clock=clock) as here:
        peer = broker.welcome()

        def beat() -> Any:
            return told(peer.expect("PUBLISH", lambda packet: packet.topic == f"{UP}/beat"))

        first = beat()
        assert (first["last_order_heard"], first["oldest_ticket"], first["sequences"]) == (None, None, {})
        peer.publish(ORDER, order(1, 41), 1)
        peer.expect("PUBACK")
        here.turns()
        assert sum(packet.topic == f"{UP}/beat" for packet in peer.seen) == 1
        clock.pass_s(60)
        second = beat()
    assert second["sequences"] == {SOURCE: 41}
    assert second["waiting"] == {"": 1}
    assert "no_printer" in second["alarms"]
    assert (second["boot"], second["printers"]) == (first["boot"], {})
    assert second["last_order_heard"]
    assert second["oldest_ticket"]


def test_beat_stays_small_however_many_tickets_are_in_doubt(broker: ScriptedBroker, tmp_path: Path) -> None:
    """A broker breaks the line for a message that is too large, and the beat is the first on each line."""
    reason = "豆浆" * 200

    def doubts(tx: Tx) -> None:
        for number in range(600):
            notes.raise_alarm(tx, f"ticket:{1000 + number}", f"order {number} in doubt")
        notes.raise_alarm(tx, "printer:kitchen:away", "no route to host")

    def many(tx: Tx) -> None:
        for number in range(600):
            notes.raise_alarm(tx, f"missing:{number}", reason)

    clock = HandClock()
    with house(tmp_path, broker.port, clock=clock) as here:
        peer = broker.welcome()

        def beat() -> tuple[Any, int]:
            packet = peer.expect("PUBLISH", lambda packet: packet.topic == f"{UP}/beat")
            return told(packet), len(packet.payload)

        beat()
        sizes = []
        here.journal.write(doubts)
        clock.pass_s(60)
        first, size = beat()
        sizes.append(size)
        here.journal.write(many)
        clock.pass_s(60)
        second, size = beat()
        sizes.append(size)
    assert first["alarms"]["printer:kitchen:away"] == "no route to host"
    assert [key for key in first["alarms"] if "ticket:" in key] == [f"ticket:{1000 + number}" for number in range(100)]
    assert first["alarms_in_all"] >= 601
    assert second["alarms"]["missing:0"] == reason[:300]
    assert second["alarms_in_all"] == first["alarms_in_all"] + 600
    assert max(sizes) < 32 * 1024


def test_replay_is_asked_for_on_every_connect_for_every_source(broker: ScriptedBroker, tmp_path: Path) -> None:
    """Rule 7: whatever the broker says of the session, from the last sequence without a gap before it."""
    other = "//orders.example/shops/s1/e2"
    with house(tmp_path, broker.port):
        peer = broker.welcome()
        for mid, event in enumerate((order(1, 5), order(2, 6), order(3, 8), order(4, 1, other)), 1):
            peer.publish(ORDER, event, mid)
            peer.expect("PUBACK")
        for present in (True, False):
            broker.peers[-1].drop()
            peer = broker.welcome(session_present=present)
            asked = [told(peer.expect("PUBLISH", is_request)) for _ in range(2)]
            assert sorted((each["source"], each["from"]) for each in asked) == [(SOURCE, 7), (other, 2)]


def test_only_the_sources_that_were_heard_last_are_asked_for(broker: ScriptedBroker, tmp_path: Path) -> None:
    """A cloud that begins a new epoch each day leaves many: the eight newest, also in the beat."""
    with house(tmp_path, broker.port) as here:
        peer = broker.welcome()
        names = [f"{SOURCE}{number}" for number in range(12)]
        for number, source in enumerate([*names, names[0]], 1):  # the first one lives again
            peer.publish(ORDER, order(number, number, source), number)
            peer.expect("PUBACK")
        peer.drop()
        again = broker.welcome()
        asked = {told(again.expect("PUBLISH", is_request))["source"] for _ in range(8)}
        here.turns()
        here.fence(again)
        assert asked == {names[0], *names[-7:]}
        assert sum(map(is_request, again.seen)) == 8
        beat = told(again.expect("PUBLISH", lambda packet: packet.topic == f"{UP}/beat"))
        assert set(beat["sequences"]) == asked


@pytest.mark.parametrize("gap", [False, True])
def test_end_marker_without_a_source_ends_the_alarm_unless_something_is_missing(
    broker: ScriptedBroker, tmp_path: Path, gap: bool
) -> None:
    """The answer to a request that names none, as after a lost journal."""
    with house(tmp_path, broker.port) as here:
        broker.welcome().drop()
        peer = broker.welcome(session_present=False)
        until(lambda: "session" in here.alarms(), "the alarm")
        for mid, number in enumerate((1, 3) if gap else (1, 2), 1):
            peer.publish(ORDER, order(number, number), mid)
        marker: dict[str, Any] = {"source": None, "from": 1, "to": 2, "head": 2, "unavailable": []}
        peer.publish(REPLAY, json.dumps(marker).encode(), 3)
        here.pubacks(peer)
        until(lambda: ("session" in here.alarms()) is gap, "the end of the alarm")
        assert "parked" not in here.alarms()
        peer.publish(REPLAY, json.dumps({**marker, "unavailable": [2]}).encode(), 4)
        until(lambda: "parked" in here.alarms(), "an alarm: unavailable of which source?")


def test_fresh_box_asks_for_nothing(broker: ScriptedBroker, tmp_path: Path) -> None:
    """Where the counting has not begun there is nothing to ask from."""
    with house(tmp_path, broker.port) as here:
        peer = broker.welcome()
        here.turns()
        here.fence(peer)
        assert [packet.topic for packet in peer.seen if packet.kind == "PUBLISH"][:2] == [f"{UP}/state", f"{UP}/beat"]
        assert not any(is_request(packet) for packet in peer.seen)


def test_gap_is_asked_for_ever_slower_while_that_is_in_vain(broker: ScriptedBroker, tmp_path: Path) -> None:
    """At most every five seconds, and not for ever at that pace for an event that nobody has."""
    clock = HandClock()
    with house(tmp_path, broker.port, clock=clock) as here:
        peer = broker.welcome()
        peer.expect("PUBLISH", lambda packet: packet.topic == f"{UP}/beat")
        peer.publish(ORDER, order(1, 1), 1)
        peer.expect("PUBACK")
        here.settled()
        here.turns()

        def ask_again(sequence: int, after_s: float) -> bool:
            before = sum(map(is_request, peer.seen))
            clock.pass_s(after_s)
            peer.publish(ORDER, order(sequence, sequence), sequence)
            peer.expect("PUBACK", lambda packet: packet.mid == sequence)
            here.settled()
            here.turns()
            here.fence(peer)
            return sum(map(is_request, peer.seen)) > before

        # Asked at once, then held back for 5 s, then for 10 s as the last answer brought nothing.
        assert [ask_again(number, after_s) for number, after_s in ((3, 6), (4, 1), (5, 5), (6, 5), (7, 6))] == [
            *(True, False, True, False, True)
        ]
        assert {told(packet)["from"] for packet in peer.seen if is_request(packet)} == {2}


def test_request_that_nobody_heard_is_made_again(broker: ScriptedBroker, tmp_path: Path) -> None:
    """After a broker's crash the cloud may come back later than we do."""
    clock = HandClock()
    with house(tmp_path, broker.port, clock=clock) as here:
        peer = broker.welcome()
        peer.publish(ORDER, order(1, 1), 1)
        peer.expect("PUBACK")
        peer.drop()
        again = broker.welcome()
        for passing_s in (5, 10, 20):
            assert told(again.expect("PUBLISH", is_request))["from"] == 2
            here.turns()
            clock.pass_s(passing_s)
        again.expect("PUBLISH", is_request)
        again.publish(REPLAY, replay_end(1, 2), 1)
        again.expect("PUBACK")
        here.turns()
        clock.pass_s(1000)
        here.turns()
        here.fence(again)
        assert sum(map(is_request, again.seen)) == 4


def test_gap_that_was_filled_is_over(broker: ScriptedBroker, tmp_path: Path) -> None:
    """The replay brings what was missed; the end marker closes it, and the next request starts behind it."""
    with house(tmp_path, broker.port) as here:
        peer = broker.welcome()
        for mid, event in enumerate((order(1, 1), order(3, 3)), 1):
            peer.publish(ORDER, event, mid)
        assert told(peer.expect("PUBLISH", is_request))["from"] == 2
        for mid, event in enumerate((order(2, 2), order(3, 3), replay_end(3, 2)), 3):
            peer.publish(REPLAY, event, mid)
        peer.expect("PUBACK", lambda packet: packet.mid == 5)
        deadline = time.monotonic() + 10  # what waited behind the gap is let go by another thread
        while here.count("jobs") < 3 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert here.count("jobs") == 3
        peer.drop()
        assert told(broker.welcome().expect("PUBLISH", is_request))["from"] == 4


def test_lost_tail_is_asked_for_when_the_end_marker_knows_more(broker: ScriptedBroker, tmp_path: Path) -> None:
    """Rule 7: a lost tail shows no gap; the head in the marker does."""
    clock = HandClock()
    with house(tmp_path, broker.port, clock=clock):
        peer = broker.welcome()
        peer.publish(ORDER, order(1, 1), 1)
        peer.expect("PUBACK")
        clock.pass_s(6)
        peer.publish(REPLAY, replay_end(4), 2)
        assert told(peer.expect("PUBLISH", is_request))["from"] == 2


def test_forgotten_session_needs_a_person_until_the_replay_ended(broker: ScriptedBroker, tmp_path: Path) -> None:
    """Rule 7: session present = 0 on a box that was connected before."""
    with house(tmp_path, broker.port) as here:
        peer = broker.welcome(session_present=False)
        peer.publish(ORDER, order(1, 1), 1)
        peer.expect("PUBACK")
        assert "session" not in here.alarms()
        peer.drop()
        again = broker.welcome(session_present=False)
        again.expect("PUBLISH", report_of("alarm", key="session", state="raised"))
        again.publish(REPLAY, replay_end(1, 2), 1)
        again.expect("PUBLISH", report_of("alarm", key="session", state="cleared"))


def test_forgotten_session_is_over_with_a_connection_that_kept_it(broker: ScriptedBroker, tmp_path: Path) -> None:
    """A cloud that does not count sends no end marker."""
    with house(tmp_path, broker.port) as here:
        raised = []
        for present in (False, False, True):
            peer = broker.welcome(session_present=present)
            peer.expect("PUBLISH", lambda packet: packet.topic == f"{UP}/beat")
            raised.append("session" in here.alarms())
            peer.drop()
        assert raised == [False, True, False]


def test_refusal_is_an_alarm_until_the_broker_takes_us(broker: ScriptedBroker, tmp_path: Path) -> None:
    """Wrong credentials must be seen in the shop: the cloud can't be told."""
    with house(tmp_path, broker.port) as here:
        refused = broker.accept()
        refused.expect("CONNECT")
        refused.connack(reason=134)
        until(lambda: "broker:refused" in here.alarms(), "the alarm")
        peer = broker.welcome()
        peer.expect("PUBLISH", report_of("alarm", key="broker:refused", state="cleared"))
        assert here.alarms() == {}


def test_alarm_of_the_line_from_an_earlier_run_is_cleared(broker: ScriptedBroker, tmp_path: Path) -> None:
    """What is no longer so is not said."""
    here = House(tmp_path, broker.port)
    here.journal._connection.execute("INSERT INTO alarms VALUES ('broker:topics', 'old', 'then')")
    here.start()
    try:
        broker.welcome().expect("PUBLISH", report_of("alarm", key="broker:topics", state="cleared"))
    finally:
        here.stop()


# -- up: the outbox ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("most", [1, 2, 10])
def test_never_more_under_way_than_the_broker_allows(broker: ScriptedBroker, tmp_path: Path, most: int) -> None:
    """Rule 8: birth, beat and requests count as well; brokers hang up on whoever sends more."""
    broker.acks = False
    with house(tmp_path, broker.port) as here:
        put_reports(here, *(str(number) for number in range(25)))
        peer = broker.welcome(receive_maximum=most)
        reports = 0
        for taken in range(27):
            until(lambda taken=taken: peer.count("PUBLISH") >= min(27, taken + most), "a full window")  # type: ignore[misc]  # mypy can't see a default
            here.turns(2)
            assert peer.count("PUBLISH") == min(27, taken + most)
            packet = peer.expect("PUBLISH")
            reports += is_report(packet)
            peer.puback(packet.mid)
        assert reports == 25


def test_paho_queues_nothing(broker: ScriptedBroker, tmp_path: Path) -> None:
    """Rule 8: what paho holds back itself would come late, out of order, and behind the goodbye."""
    broker.acks = False
    with house(tmp_path, broker.port) as here:
        peer = broker.welcome()
        put_reports(here, *(str(number) for number in range(40)))
        until(lambda: peer.count("PUBLISH") == 10, "a full window")
        here.turns()
        assert len(here.line._client._out_messages) == 10


def test_reports_come_again_after_a_reconnect_in_order_with_the_same_id(broker: ScriptedBroker, tmp_path: Path) -> None:
    """At least once; the cloud tells repetitions by their id."""
    broker.acks = False
    names = [str(number) for number in range(5)]
    with house(tmp_path, broker.port) as here:
        put_reports(here, *names)
        peer = broker.welcome()
        first = pongs(peer, 5)
        assert [name for _, name in first] == names
        peer.drop()
        again = broker.welcome(session_present=True)
        assert pongs(again, 5) == first
        for packet in again.seen:
            if packet.kind == "PUBLISH":
                again.puback(packet.mid)
        until(lambda: here.count("outbox") == 0, "an empty outbox")


def test_reports_survive_a_restart_with_the_same_id(broker: ScriptedBroker, tmp_path: Path) -> None:
    """The outbox is on disk."""
    broker.acks = False
    with house(tmp_path, broker.port) as here:
        put_reports(here, "one", "two")
        first = pongs(broker.welcome(), 2)
    with house(tmp_path, broker.port):
        assert pongs(broker.welcome(), 2) == first


def test_word_of_an_earlier_connection_deletes_nothing(broker: ScriptedBroker, tmp_path: Path) -> None:
    """A PUBACK belongs to the connection that it came on."""
    broker.acks = False
    with house(tmp_path, broker.port) as here:
        put_reports(here, "one")
        peer = broker.welcome()
        sent = peer.expect("PUBLISH", is_report)
        peer.drop()
        again = broker.welcome(session_present=True)
        again.puback(sent.mid)
        assert pongs(again, 1)[0][1] == "one"
        here.turns()
        assert here.count("outbox") == 1


def test_refused_report_is_kept_and_tried_again_while_others_pass(
    broker: ScriptedBroker, tmp_path: Path, said: Said
) -> None:
    """Rule 8: deleted only on a reason that is no failure; one that nobody wants must not stop the others."""
    broker.acks = False
    clock = HandClock()
    with house(tmp_path, broker.port, clock=clock) as here:
        peer = broker.welcome()
        put_reports(here, *(str(number) for number in range(20)))
        for _ in range(22):
            packet = peer.expect("PUBLISH")
            peer.puback(packet.mid, 153 if is_report(packet) and told(packet)["data"]["event"] == "3" else 0)
        assert said.wait("report.refused")["reason"] == "Payload format invalid"
        here.turns()
        clock.pass_s(2)
        until(lambda: here.count("outbox") == 1, "all but one taken")
        assert sum(map(is_report, peer.seen)) == 20
        clock.pass_s(61)
        packet = peer.expect("PUBLISH", is_report)
        assert told(packet)["data"]["event"] == "3"
        peer.puback(packet.mid)
        here.turns()
        clock.pass_s(2)
        until(lambda: here.count("outbox") == 0, "an empty outbox")


def test_report_that_the_broker_could_not_take_breaks_no_line(broker: ScriptedBroker, tmp_path: Path) -> None:
    """It waits for a broker that takes more, the others go on, and a person is told."""
    large = "x" * 4000
    with house(tmp_path, broker.port) as here:
        peer = broker.welcome(maximum_packet_size=2048)
        put_reports(here, large, "small")
        assert pongs(peer, 1)[0][1] == "small"
        peer.expect("PUBLISH", report_of("alarm", key="broker:packet", state="raised"))
        here.turns()
        assert not any(large.encode() in packet.payload for packet in peer.seen)
        peer.drop()
        again = broker.welcome(maximum_packet_size=8192)
        assert pongs(again, 1)[0][1] == large
        again.expect("PUBLISH", report_of("alarm", key="broker:packet", state="cleared"))


def test_broker_that_refuses_all_is_left_in_peace_for_a_minute(broker: ScriptedBroker, tmp_path: Path) -> None:
    """No right to the topic, or a quota: one window is enough to see it."""
    broker.acks = False
    clock = HandClock()
    with house(tmp_path, broker.port, clock=clock) as here:
        peer = broker.welcome()
        put_reports(here, *(str(number) for number in range(30)))
        for _ in range(2):
            refused: list[Packet] = []
            while len(refused) < 10:
                packet = peer.expect("PUBLISH")
                if is_report(packet):
                    refused.append(packet)
                else:
                    peer.puback(packet.mid)
            assert [told(packet)["data"]["event"] for packet in refused] == [str(number) for number in range(10)]
            for packet in refused:
                peer.puback(packet.mid, 151)
            here.turns()
            clock.pass_s(61)
        assert here.count("outbox") == 30


def test_refused_request_is_made_again(broker: ScriptedBroker, tmp_path: Path) -> None:
    """A replay that was never asked for would leave a hole for ever."""
    broker.acks = False
    clock = HandClock()
    with house(tmp_path, broker.port, clock=clock) as here:
        peer = broker.welcome()
        peer.publish(ORDER, order(1, 1), 1)
        peer.expect("PUBACK")
        peer.drop()
        again = broker.welcome()
        again.puback(again.expect("PUBLISH", is_request).mid, 151)
        here.turns()
        clock.pass_s(61)
        assert told(again.expect("PUBLISH", is_request))["from"] == 2


@pytest.mark.parametrize("reason", (135, 144))
def test_box_that_may_not_write_its_topics_needs_a_person_until_it_may(
    broker: ScriptedBroker, tmp_path: Path, said: Said, reason: int
) -> None:
    """The subscription is granted, nothing is taken: that is all that a wrong prefix looks like. The alarm names the
    topics, who we are, and the right that is missing; it ends when the broker takes what it denied, birth included.
    """
    broker.acks = False
    clock = HandClock()
    with house(tmp_path, broker.port, clock=clock, username="s9-box1") as here:
        peer = broker.welcome()
        for _ in range(2):
            peer.puback(peer.expect("PUBLISH").mid, reason)
        until(lambda: "/beat" in here.alarms().get("broker:topics", ""), "the alarm")
        for words in (f"{UP}/state", f"let the user s9-box1 read {ORDER.removesuffix('order')}# and write {UP}/#"):
            assert words in here.alarms()["broker:topics"]
        assert said.wait("report.topic_denied")["topic"] == f"{UP}/state"
        peer.acks = True
        here.turns()
        clock.pass_s(61)
        birth = peer.expect("PUBLISH", lambda packet: packet.topic == f"{UP}/state")
        assert (told(birth)["online"], birth.retain) == (True, True)
        until(lambda: "broker:topics" not in here.alarms(), "the end of the alarm")
        peer.expect("PUBLISH", report_of("alarm", key="broker:topics", state="cleared"))
        assert said.wait("report.topic_allowed")


def test_a_quota_is_no_missing_right(broker: ScriptedBroker, tmp_path: Path) -> None:
    """What the broker refuses for the moment is tried again; nobody is called for it."""
    broker.acks = False
    clock = HandClock()
    with house(tmp_path, broker.port, clock=clock) as here:
        peer = broker.welcome()
        for _ in range(2):
            peer.puback(peer.expect("PUBLISH").mid, 151)
        here.turns()
        assert here.alarms() == {}


def test_broker_that_never_says_a_word_is_left_for_a_new_connection(
    broker: ScriptedBroker, tmp_path: Path, said: Said
) -> None:
    """On one connection a publication may not be sent twice, so the window would stay full for ever."""
    broker.acks = False
    clock = HandClock()
    with house(tmp_path, broker.port, clock=clock) as here:
        peer = broker.welcome()
        peer.expect("PUBLISH")
        here.turns()
        clock.pass_s(121)
        peer.expect_end()
        said.wait("broker.hung_up")
        broker.welcome()


def test_burst_of_reports_drains_in_order(broker: ScriptedBroker, tmp_path: Path) -> None:
    """Woken by each word of the broker, not by the clock."""
    names = [str(number) for number in range(600)]
    with house(tmp_path, broker.port) as here:
        put_reports(here, *names)
        peer = broker.welcome()
        assert [name for _, name in pongs(peer, 600)] == names
        until(lambda: here.count("outbox") == 0, "an empty outbox")
        assert sum(map(is_report, peer.seen)) == 600


def test_a_report_leaves_with_its_commit(
    broker: ScriptedBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each commit that brings one wakes the publisher: it does not wait until it would look by itself."""
    monkeypatch.setattr(publisher_module, "POLL_S", 600.0)
    with house(tmp_path, broker.port) as here:
        peer = broker.welcome()
        until(lambda: here.line.up, "the line")
        for name in ("one", "two", "three"):
            put_reports(here, name)
            assert pongs(peer, 1)[0][1] == name


def test_a_lost_signal_costs_a_moment_and_no_report(
    broker: ScriptedBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The publisher looks by itself, too."""
    monkeypatch.setattr(Bell, "leave", lambda _bell, _committed: None)
    with house(tmp_path, broker.port) as here:
        peer = broker.welcome()
        until(lambda: here.line.up, "the line")
        for name in ("one", "two"):
            put_reports(here, name)
            assert pongs(peer, 1)[0][1] == name


def test_reports_wait_in_peace_where_there_is_no_line(tmp_path: Path) -> None:
    """A box that has no broker yet: the publisher is there and never starts, and the journal goes on."""
    journal = Journal(tmp_path / "journal.db")
    publisher = Publisher(journal, topics("shops", "s1", "box1"), new_identity("s1", "box1"), SystemClock(), 60.0, dict)
    journal.start()
    for name in ("one", "two"):
        journal.write(lambda tx, name=name: notes.add_report(tx, Pong(name)))  # type: ignore[misc]  # a default
    publisher.stop(1)
    with closing(journal.reader()) as reader:
        assert len(notes.waiting_reports(reader, 0, 10)) == 2
    journal.stop(5)
    assert journal.failed is None


def test_beats_go_on_while_the_journal_can_not_write(broker: ScriptedBroker, tmp_path: Path) -> None:
    """A full disk is when they are needed most; and the watchdog must not kill us for it."""
    clock = HandClock()
    with house(tmp_path, broker.port, clock=clock) as here:
        peer = broker.welcome()
        put_reports(here, "one", "two")
        pongs(peer, 2)
        with here.writer_held():
            for _ in range(3):
                clock.pass_s(60)
                peer.expect("PUBLISH", lambda packet: packet.topic == f"{UP}/beat")
                here.turns(1)


def test_publisher_survives_a_reader_that_fails(
    broker: ScriptedBroker, tmp_path: Path, said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal's file may be busy or its card slow: the thread opens it anew."""
    monkeypatch.setattr(publisher_module, "FAILED_AGAIN_S", 0.01)
    here = House(tmp_path, broker.port)
    open_reader, opened = here.journal.reader, 0

    def reader() -> Tx:
        nonlocal opened
        opened += 1
        connection = open_reader()
        if opened <= 2:
            connection.close()
        return connection

    here.journal.reader = reader  # type: ignore[method-assign]  # the first two fail
    here.start()
    try:
        put_reports(here, "one")
        assert pongs(broker.welcome(), 1)[0][1] == "one"
        said.wait("report.turn_failed")
    finally:
        here.stop()


# -- the thread and the end -------------------------------------------------------------------------------------------


def test_dead_network_thread_is_replaced_while_the_agent_runs(
    broker: ScriptedBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rule 9: a supervisor builds the client anew, and the unacknowledged order comes again."""
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    with house(tmp_path, broker.port) as here:
        peer = broker.welcome()
        peer.expect("PUBLISH")

        def die() -> None:
            raise RuntimeError("killed by a test")

        here.line._client.loop_misc = die  # type: ignore[assignment, method-assign]  # a fault that paho itself had
        again = broker.welcome(session_present=True)
        again.publish(ORDER, order(1), 1)
        assert again.expect("PUBACK").mid == 1


@pytest.mark.timeout(60)
@pytest.mark.parametrize("broker_is", ["gone", "mute", "hung"])
def test_agent_stops_in_five_seconds_whatever_the_broker_does(tmp_path: Path, broker_is: str) -> None:
    """systemd would kill us: disconnect() before loop_stop(), and never wait for a word of the broker."""
    with ScriptedBroker(acks=False) as broker, house(tmp_path, broker.port) as here:
        if broker_is == "gone":
            broker.__exit__()
        else:
            peer = broker.accept()
            peer.deaf = True
            peer.expect("CONNECT")
            if broker_is == "hung":
                peer.connack()
                put_reports(here, *(str(number) for number in range(30)))
                until(lambda: peer.count("PUBLISH") == 10, "a full window")
        assert here.stop(timeout_s=5)
        assert here.exit_code == 0
