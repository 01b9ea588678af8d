"""Alarms that nothing ends but a person, or the very event that was missing; and what happens anew is heard anew."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from agent.clock import stamp
from agent.config import Intake
from agent.errors import CommandRefused
from agent.journal import gone, notes, sequences
from agent.journal.dismissals import ENDED_BY_A_PERSON, GUESSED
from agent.simulator.stage import Mosquitto, free_port
from tests.queueing import SOURCE, queueing
from tests.shopfront import shopfront
from tests.test_commands import Door


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    """The front door over a real journal."""
    here = Door(tmp_path)
    yield here
    here.journal.stop(5)


def dismiss(door: Door, key: str, command_id: str) -> dict[str, Any]:
    """The answer to a person's word from the cloud."""
    event = {"specversion": "1.0", "id": command_id, "source": "//staff", "type": "command.dismiss"}
    (answer,) = door.send({**event, "data": {"alarm": key, "by": "王店长"}})
    return answer


def alarms(door: Door) -> dict[str, str]:
    """What is up."""
    return door.journal.write(notes.alarms)


def told(door: Door, key: str) -> list[tuple[str, str]]:
    """What the cloud heard of an alarm: state and reason."""
    return [(each["state"], each.get("reason", "")) for each in door.reports("alarm") if each["key"] == key]


def test_parked_ends_when_a_person_has_seen_it_and_a_new_one_raises_it_again(door: Door) -> None:
    """Counted from then on; the cloud hears who ended it."""
    door.send(b"{1", "order", wait=False)
    assert alarms(door)["parked"].startswith("an event could not be taken: ")
    assert dismiss(door, "parked", "d1") == {"command": "d1", "ok": True, "answer": "dismissed: parked"}
    assert alarms(door) == {}
    assert told(door, "parked")[-1] == ("cleared", "seen by 王店长")
    door.send(b"{1", "order", wait=False)
    assert alarms(door) == {}, "the same bytes again are the same fault, and seen"
    door.send(b"{2", "order", wait=False)
    assert alarms(door)["parked"].startswith("an event could not be taken: ")


def test_each_new_parked_event_counts_and_is_an_alarm_again_after_a_minute(door: Door) -> None:
    """Not a report for each of a flood; but one that comes later is told, with a new moment."""
    for number in range(5):
        door.send(b"{%d" % number, "order", wait=False)
    assert alarms(door)["parked"].startswith("5 events could not be taken, the newest: ")
    assert len(told(door, "parked")) == 1
    old = stamp(datetime.now(UTC) - timedelta(seconds=61))
    door.journal.write(lambda tx: tx.execute("UPDATE alarms SET since = ?", (old,)))
    door.send(b"{6", "order", wait=False)
    assert [state for state, _ in told(door, "parked")] == ["raised", "raised"]
    assert told(door, "parked")[-1][1].startswith("6 events")
    ((_, _, since),) = door.journal.write(notes.alarms_since)
    assert since > old


@pytest.mark.parametrize(
    ("key", "advice"),
    [
        ("printer:kitchen:paper", "ends by itself"),
        ("printer:kitchen:paused", "printers resume kitchen"),
        ("broker:tls", "ends by itself"),
        ("ticket:12", "queue printed|again|discard 12"),
        ("waiting:old", "queue release|drop"),
    ],
)
def test_what_stands_for_the_present_can_not_be_dismissed(door: Door, key: str, advice: str) -> None:
    """A printer without paper is without paper: the answer says what ends the alarm."""
    door.journal.write(lambda tx: notes.raise_alarm(tx, key, "so it is"))
    answer = dismiss(door, key, "d1")
    assert (answer["ok"], advice in answer["answer"]) == (False, True)
    assert key in alarms(door)


def test_an_alarm_that_is_not_up_is_refused_with_those_that_are(door: Door) -> None:
    """A mistyped key is not taken for done."""
    door.journal.write(lambda tx: notes.raise_alarm(tx, "journal", "begun anew"))
    answer = dismiss(door, "jurnal", "d1")
    assert (answer["ok"], "journal" in answer["answer"]) == (False, True)
    assert dismiss(door, "journal", "d2")["ok"]


def test_numbers_that_were_looked_for_are_asked_for_no_more(tmp_path: Path) -> None:
    """After the word of a person only a new hole raises the alarm."""
    with queueing(tmp_path, Intake(daily_numbers=["test"])) as kitchen:
        for number in (41, 43):
            kitchen.tell(number)
        assert "#42" in kitchen.alarms()["number:test"]
        done = kitchen.journal.write(
            lambda tx: kitchen.consumer._commands.perform(tx, "command.dismiss", {"alarm": "number:test"})
        )
        assert done.ok
        kitchen.tell(44)
        assert kitchen.alarms() == {}
        kitchen.tell(46)
        assert kitchen.alarms()["number:test"].startswith("#45 ")


# -- what was missing comes after all ------------------------------------------------------------------------------


def test_given_up_and_come_after_all_is_late_and_the_alarm_is_over(tmp_path: Path) -> None:
    """The cloud said that it no longer has 42 and 43; they come: 迟到 LATE on paper, and with the last one no alarm."""
    with queueing(tmp_path) as kitchen:
        kitchen.tell(41, 41)
        kitchen.tell(44, 44)
        kitchen.deliver({"source": SOURCE, "from": 42, "to": 44, "head": 44, "unavailable": [42, 43]}, "replay")
        assert kitchen.wait_for(44)
        kitchen.tell(43, 43)
        assert "迟到 LATE" in kitchen.one(43).text
        assert "no longer has" in kitchen.alarms()[f"missing:{SOURCE}"]
        kitchen.tell(42, 42)
        assert "迟到 LATE" in kitchen.one(42).text
        kitchen.wait_no_alarm(f"missing:{SOURCE}")


def test_asked_for_twice_in_vain_and_come_after_all(tmp_path: Path) -> None:
    """The same, where the replay only left a hole."""
    with queueing(tmp_path) as kitchen:
        kitchen.tell(41, 41)
        kitchen.tell(44, 44)
        for _ in range(2):
            kitchen.deliver({"source": SOURCE, "from": 42, "to": 44, "head": 44, "unavailable": []}, "replay")
        assert "asked for twice" in kitchen.alarms()[f"missing:{SOURCE}"]
        for number in (42, 43):
            kitchen.tell(number, number)
        kitchen.wait_no_alarm(f"missing:{SOURCE}")


def test_the_same_end_of_a_replay_again_raises_nothing(tmp_path: Path) -> None:
    """A cloud may say on every connect what it no longer has: a person who has seen that is left in peace."""
    with queueing(tmp_path) as kitchen:
        kitchen.tell(41, 41)
        kitchen.tell(43, 43)
        marker = {"source": SOURCE, "from": 42, "to": 43, "head": 43, "unavailable": [42]}
        kitchen.deliver(marker, "replay")
        key = f"missing:{SOURCE}"
        perform = kitchen.consumer._commands.perform
        assert kitchen.journal.write(lambda tx: perform(tx, "command.dismiss", {"alarm": key})).ok
        kitchen.deliver(marker, "replay")
        assert kitchen.alarms() == {}
        kitchen.deliver({**marker, "unavailable": [43]}, "replay")
        assert kitchen.alarms() == {}, "43 is here, whatever the cloud says"


def test_ranges_that_are_given_up_are_joined_and_split(door: Door) -> None:
    """What is left of them is known, however they come; and they are bounded."""

    def left() -> str | None:
        return door.journal.write(lambda tx: notes.get_meta(tx, "gone:s"))

    write = door.journal.write
    write(lambda tx: sequences.note(tx, "s", 60))
    write(lambda tx: gone.give_up(tx, "s", [range(40, 43), range(43, 50)], "gone"))
    assert left() == "[[40,49]]"
    for number in (40, 45, 49, 30):
        write(partial(gone.note_came, source="s", number=number, asked="asked"))
    assert left() == "[[41,44],[46,48]]"
    for number in (41, 42, 43, 44, 46, 47):
        write(partial(gone.note_came, source="s", number=number, asked="asked"))
    assert "missing:s" in alarms(door)
    write(lambda tx: gone.note_came(tx, "s", 48, "asked"))
    assert (left(), alarms(door)) == (None, {})
    write(lambda tx: gone.give_up(tx, "s", (range(n, n + 1) for n in range(0, 5000, 2)), "many"))
    assert len(left() or "") < 10_000


def test_alarms_at_the_box_are_listed_with_what_ends_them(tmp_path: Path) -> None:
    """A whole agent on a real broker under whose access list it has no name of its own: the broker grants what it asks,
    and takes nothing. The port says that the line is no line; what is over can be dismissed, what is so now can't.
    """
    acl, port = tmp_path / "acl", free_port()
    acl.write_text("user cloud\ntopic readwrite #\nuser s1-box1\ntopic read shops/s1/dn/#\n")
    (tmp_path / "broker").mkdir()
    with Mosquitto(tmp_path / "broker", settings=f"acl_file {acl}") as broker:
        line = {"url": f"mqtt://127.0.0.1:{broker.port}", "username": "s1-box1"}
        with shopfront(tmp_path, line, console={"listen": f"127.0.0.1:{port}"}) as here:
            cloud = mqtt.Client(CallbackAPIVersion.VERSION2)
            cloud.username_pw_set("cloud")
            cloud.connect("127.0.0.1", broker.port)
            cloud.publish("shops/s1/dn/order", b"{", 1)
            cloud.loop_start()
            here.until(lambda: here.run("alarms", "list").stdout.count("\n  → ") >= 3, "both alarms, and an advice")
            cloud.loop_stop()
            cloud.disconnect()
            up = {each["key"]: each for each in here.json("alarms", "list")["alarms"]}
            assert "the user s1-box1 read shops/s1/dn/# and write shops/s1/up/box1/#" in up["broker:topics"]["reason"]
            assert {key: each["dismissable"] for key, each in up.items()} == {"broker:topics": False, "parked": True}
            with pytest.raises(urllib.error.HTTPError) as unready:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=10)
            with unready.value:
                assert json.loads(unready.value.read()) == {"ready": False, "journal": True, "line": False}
            refused = here.run("alarms", "dismiss", "broker:topics")
            assert isinstance(refused.exception, CommandRefused)
            assert "shop-agent alarms dismiss parked" in here.run("alarms", "list").stdout
            assert "dismissed: parked" in here.run("alarms", "dismiss", "parked").stdout
            assert [each["key"] for each in here.json("alarms", "list")["alarms"]] == ["broker:topics"]


def test_every_alarm_that_stays_up_is_in_the_table_of_the_documents() -> None:
    """docs/operations.md names what a person ends, and how."""
    lines = Path(__file__).parents[1].joinpath("docs/operations.md").read_text("utf-8").splitlines()
    rows = {line.split("`")[1] for line in lines if "*dismiss*" in line and line.startswith("| ")}
    kinds = {key if key == GUESSED else key.partition(":")[0] for key in rows}
    assert kinds == {*ENDED_BY_A_PERSON, GUESSED}
