"""Commands from the cloud: carried out once, answered always, and never silently dropped."""

import contextlib
import json
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from agent.broker.topics import topics
from agent.errors import CommandRefused
from agent.intake import commands as table
from agent.intake.commands import Commands
from agent.intake.consumer import Consumer
from agent.journal import commands, jobs, notes
from agent.journal.file import Tx
from agent.journal.store import Journal
from agent.model.command import Ask, Settle
from agent.model.job import Job, JobState
from agent.model.station import Station
from agent.model.wire import Delivery

COMMAND = "shops/s1/dn/cmd/box1"
SOURCE = "//cloud.example/staff"
Event = dict[str, Any]


def settle(command_id: str = "c-1", source: str = SOURCE, **data: Any) -> Event:
    """A person's word, as the cloud sends it."""
    return {"specversion": "1.0", "id": command_id, "source": source, "type": "command.settle", "data": data}


class Door:
    """The front door over a real journal, without a printer."""

    def __init__(
        self,
        folder: Path,
        allow: Collection[str] | None = None,
        errands: Mapping[str, Callable[[Ask], str]] | None = None,
    ) -> None:
        self.journal = Journal(folder / "journal.db")
        self.journal.start()
        self.acknowledged: list[int] = []
        self.woken: list[str] = []
        self.on_ack: Callable[[], None] = lambda: None
        self._mid = 0
        stations = [Station(name="wok", printer="kitchen", default=True)]
        self.desk = Commands(stations, ["kitchen"], allow, errands)
        self.consumer = Consumer(
            self.journal,
            stations,
            "replay",
            self._ack,
            self.woken.extend,
            lambda: None,
            COMMAND,
            commands=self.desk,
        )

    def _ack(self, delivery: Delivery) -> None:
        self.on_ack()
        self.acknowledged.append(delivery.mid)

    def send(self, event: Event | bytes, topic: str = COMMAND, *, wait: bool = True, **fields: Any) -> list[Event]:
        """A message comes in; the command answers that it leads to."""
        before = 0 if not wait else len(self.answers())
        payload = event if isinstance(event, bytes) else json.dumps(event).encode()
        self._mid += 1
        values = {"qos": 1, "retain": False, **fields}
        self.consumer.receive(Delivery(1, self._mid, topic, payload, **values))
        return self.answers()[before:] if wait else []

    def held_ticket(self, number: int = 1) -> int:
        """An order whose ticket waits for a person; the ticket's number."""
        order = {"id": f"id-{number}", "rev": 1, "channel": "test", "no": str(number), "items": []}
        order["items"] = [{"name": "豆浆", "qty": "2"}]
        event = {"specversion": "1.0", "id": f"e-{number}", "source": "//test", "type": "order.upsert"}
        self.send({**event, "data": {"order": order}}, "order")
        return self.hold()

    def hold(self) -> int:
        """The next ticket is held, for a person's sake."""

        def work(tx: Tx) -> int:
            job = jobs.next_pending(tx, "kitchen")
            assert job is not None
            jobs.hold(tx, job, "paper")
            return job.id

        return self.journal.write(work)

    def job(self, number: int) -> Job:
        """A ticket as it is."""
        found = self.journal.write(lambda tx: jobs.find(tx, number))
        assert found is not None
        return found

    def reports(self, kind: str) -> list[Event]:
        """What the cloud would be told, oldest first."""
        rows = self.journal.write(lambda tx: notes.waiting_reports(tx, 0, 10_000))
        return [json.loads(row.body) for row in rows if row.type == kind]

    def answers(self) -> list[Event]:
        """To commands."""
        return self.reports("command.answer")

    def count(self, name: str) -> int:
        """Rows of a table."""
        return int(self.journal.write(lambda tx: tx.execute(f"SELECT count(*) FROM {name}").fetchone()[0]))


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    here = Door(tmp_path)
    yield here
    here.journal.stop(5)


def test_commands_have_a_topic_of_their_own_for_each_agent() -> None:
    """As the wire's description has it."""
    assert topics("shops", "s1", "box1").command == COMMAND


@pytest.mark.parametrize(
    ("decision", "state", "evidence", "words"),
    [
        ("printed", JobState.COMPLETED, "witnessed", "taken as printed"),
        ("again", JobState.PENDING, "", "will be printed"),
        ("discard", JobState.CANCELED, "", "discarded"),
    ],
)
def test_a_persons_word_settles_a_ticket(door: Door, decision: str, state: JobState, evidence: str, words: str) -> None:
    """What was done is reported as the ticket's state, with who said so, and the command is answered."""
    ticket = door.held_ticket()
    (answer,) = door.send(settle(decision=decision, ticket=ticket, by="小王"))
    assert answer == {"command": "c-1", "ok": True, "answer": f"ticket {ticket} (order id-1): {words}"}
    told = door.reports("ticket.state")[-1]
    assert (told["state"], told.get("evidence", ""), told["reason"].endswith("by 小王")) == (state, evidence, True)
    assert door.job(ticket).state is state
    assert door.acknowledged == [1, 2]


def test_the_printers_are_woken_once_it_is_kept(door: Door) -> None:
    """Those for which something waits: the ticket's own among them."""
    ticket = door.held_ticket()
    door.woken.clear()
    door.send(settle(decision="again", ticket=ticket))
    assert door.woken == ["kitchen"]
    door.woken.clear()
    door.send(settle(decision="again", ticket=ticket))
    assert door.woken == []


def test_the_same_command_again_is_answered_and_not_carried_out(door: Door) -> None:
    """However it is written: a ticket that is in doubt anew stays where it is."""
    ticket = door.held_ticket()
    command = settle(decision="again", ticket=ticket)
    (first,) = door.send(command)
    assert door.hold() == ticket
    (second,) = door.send(json.dumps({**command, "time": "2026-11-22T07:31:05Z"}, indent=2).encode())
    assert second == first
    assert door.job(ticket).state is JobState.HELD
    assert door.acknowledged == [1, 2, 3]


def test_a_refused_command_stays_refused(door: Door) -> None:
    """Its answer was given; what changed since needs a command of its own."""
    (first,) = door.send(settle(decision="printed", ticket=1))
    assert first == {"command": "c-1", "ok": False, "answer": "there is no ticket 1; see: shop-agent queue list"}
    ticket = door.held_ticket()
    assert door.send(settle(decision="printed", ticket=ticket)) == [first]
    assert door.job(ticket).state is JobState.HELD


def test_one_identity_with_another_content_is_refused(door: Door) -> None:
    """And the first answer stands."""
    ticket = door.held_ticket()
    (first,) = door.send(settle(decision="again", ticket=ticket))
    door.hold()
    (other,) = door.send(settle(decision="discard", ticket=ticket))
    assert (other["command"], other["ok"], "$.id" in other["answer"]) == ("c-1", False, True)
    assert door.job(ticket).state is JobState.HELD
    assert door.send(settle(decision="again", ticket=ticket)) == [first]


def test_an_identity_is_source_and_id(door: Door) -> None:
    """Two who count by themselves do not get into each other's way, wherever one's name ends."""
    ticket = door.held_ticket()
    for source, command_id in (("//a", "b"), ("//a b", "c"), ("//a", "b c"), ("//ab", "c")):
        (answer,) = door.send(settle(command_id, source, decision="again", ticket=ticket))
        assert answer["ok"]
        door.hold()
    assert door.count("commands") == 4


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"type": "command.dance"}, "$.type"),
        ({"data": {"decision": "burn", "ticket": 1}}, "$.data.decision"),
        ({"data": {"ticket": 1}}, "$.data.decision"),
        ({"data": {"decision": "printed", "ticket": "1"}}, "$.data.ticket"),
        ({"data": {"decision": "printed", "ticket": 1.5}}, "$.data.ticket"),
        ({"data": {"decision": "printed", "ticket": True}}, "$.data.ticket"),
        ({"data": {"decision": "printed", "ticket": 2**70}}, "$.data.ticket"),
        ({"data": {"decision": "printed"}}, "$.data.ticket"),
        ({"data": {"decision": "printed", "order": 8812}}, "$.data.order"),
        ({"data": None}, "$.data"),
        ({"data": ["printed"]}, "$.data"),
        ({"specversion": "0.3"}, "$.specversion"),
        ({"source": ""}, "$.source"),
        ({"source": 7}, "$.source"),
        ({"type": None}, "$.type"),
    ],
)
def test_what_can_not_be_understood_is_answered_with_the_field(door: Door, change: Event, path: str) -> None:
    """ok is false, the reason names the field, nothing is parked, and nothing is done."""
    ticket = door.held_ticket()
    (answer,) = door.send({**settle(decision="printed", ticket=ticket), **change})
    assert (answer["command"], answer["ok"]) == ("c-1", False)
    assert answer["answer"].endswith(f"- at {path}")
    assert (door.count("parked"), door.job(ticket).state) == (0, JobState.HELD)
    assert door.acknowledged == [1, 2]


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"not JSON",
        b"\xff{}",
        b"[1]",
        b'{"specversion":"1.0","source":"//x","type":"command.settle","data":{}}',
        b'{"id":7,"specversion":"1.0","source":"//x","type":"command.settle","data":{}}',
        b'{"id":"","specversion":"1.0","source":"//x","type":"command.settle","data":{}}',
        b'{"id":"' + b"x" * 501 + b'","specversion":"1.0","source":"//x","type":"command.settle","data":{}}',
        b"[" * 100_000,
    ],
)
def test_without_an_id_it_is_parked_like_any_event(door: Door, payload: bytes) -> None:
    """Its bytes are kept, the alarm goes up, and the cloud is told."""
    assert door.send(payload) == []
    (rejected,) = door.reports("event.rejected")
    assert (rejected["topic"], door.count("parked"), door.acknowledged) == (COMMAND, 1, [1])
    assert "parked" in door.journal.write(notes.alarms)


def test_a_retained_command_is_ignored_and_reported(door: Door) -> None:
    """It would come again at every start."""
    ticket = door.held_ticket()
    assert door.send(settle(decision="printed", ticket=ticket), retain=True) == []
    assert door.reports("event.rejected") == [
        {"topic": COMMAND, "path": "$", "reason": "a retained message is no command"}
    ]
    assert (door.job(ticket).state, door.acknowledged) == (JobState.HELD, [1, 2])


def test_binary_mode_is_understood(door: Door) -> None:
    """The attributes are user properties, the payload is the data."""
    ticket = door.held_ticket()
    attributes = {"specversion": "1.0", "id": "c-9", "source": SOURCE, "type": "command.settle"}
    data = json.dumps({"decision": "printed", "ticket": ticket}).encode()
    (answer,) = door.send(data, attributes=attributes)
    assert (answer["command"], answer["ok"]) == ("c-9", True)
    (answer,) = door.send(b"not JSON", attributes={**attributes, "id": "c-10"})
    assert (answer["command"], answer["ok"]) == ("c-10", False)


def test_it_is_acknowledged_only_when_it_is_on_disk(door: Door) -> None:
    """Decision, answer and memory are one commit, and the PUBACK comes after it."""
    ticket = door.held_ticket()
    held, release = threading.Event(), threading.Event()

    def busy(_tx: Tx) -> None:
        held.set()
        release.wait(10)

    door.journal.submit(busy, lambda _: None)
    assert held.wait(10)
    door.send(settle(decision="printed", ticket=ticket), wait=False)
    assert door.acknowledged == [1]
    seen: list[tuple[int, str]] = []

    def look() -> None:
        with contextlib.closing(door.journal.reader()) as reader:
            remembered = reader.execute("SELECT count(*) FROM commands").fetchone()[0]
            seen.append((remembered, reader.execute("SELECT state FROM jobs").fetchone()[0]))

    door.on_ack = look
    release.set()
    assert door.answers()[-1]["ok"]
    assert (seen, door.acknowledged) == ([(1, "completed")], [1, 2])


def test_a_fault_of_ours_is_answered_and_parked(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the broker would send it for ever, and whoever gave it would wait for ever."""

    def broken(_tx: Tx, _command: Settle) -> str:
        raise ZeroDivisionError("oh")

    monkeypatch.setitem(door.desk._rows, "settle", table._Row(Settle, broken))
    door.send(settle(decision="printed", ticket=1))  # its work fails; then it is given up in another transaction
    (answer,) = door.answers()
    assert (answer["command"], answer["ok"], "ZeroDivisionError" in answer["answer"]) == ("c-1", False, True)
    assert (door.count("parked"), door.count("commands"), door.acknowledged) == (1, 0, [1])


def test_what_is_refused_changes_nothing(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when a command finds out late that it can't be carried out. A new kind of command is a row of the table."""

    def halfway(tx: Tx, _command: Settle) -> str:
        notes.raise_alarm(tx, "half", "done")
        raise CommandRefused("no")

    monkeypatch.setitem(door.desk._rows, "half", table._Row(Settle, halfway))
    (answer,) = door.send({**settle(decision="printed"), "type": "command.half"})
    assert answer == {"command": "c-1", "ok": False, "answer": "no"}
    assert door.journal.write(notes.alarms) == {}
    assert door.count("commands") == 1


def test_the_newest_commands_are_remembered(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the order in which they came, whatever the clock says."""
    monkeypatch.setattr(commands, "KEEP", 3)
    years = iter(("2026", "1970", "2099", "2026", "2026"))
    monkeypatch.setattr(commands, "now", lambda: f"{next(years)}-01-01T00:00:00.000Z")
    for number in range(5):
        door.send(settle(f"c-{number}", decision="printed", ticket=1))
    rows = door.journal.write(lambda tx: tx.execute("SELECT id FROM commands ORDER BY number").fetchall())
    assert [json.loads(row[0])[1] for row in rows] == ["c-2", "c-3", "c-4"]


def test_a_ticket_is_not_taken_for_another_orders(door: Door) -> None:
    """Numbers begin anew when a journal is lost: whoever names the order too is safe from that."""
    ticket = door.held_ticket()
    for number, other in enumerate(({"order": "id-9"}, {"channel": "shop"}, {"station": "bar"})):
        (answer,) = door.send(settle(f"c-{number}", decision="printed", ticket=ticket, **other))
        assert not answer["ok"]
        assert "order id-1 at wok" in answer["answer"]
    data = {"order": "id-1", "channel": "test", "station": "wok"}
    (answer,) = door.send(settle("c-9", decision="printed", ticket=ticket, **data))
    assert answer["ok"]


def test_a_ticket_may_be_named_by_its_order(door: Door) -> None:
    """As the cloud knows it."""
    ticket = door.held_ticket(7)
    (answer,) = door.send(settle(decision="discard", order="id-7"))
    assert answer["ok"]
    assert door.job(ticket).state is JobState.CANCELED


def test_a_name_of_any_length_does_no_harm(door: Door) -> None:
    """It goes into reports, onto screens and into the journal."""
    ticket = door.held_ticket()
    (answer,) = door.send(settle(decision="printed", ticket=ticket, by="x" * 100_000))
    assert answer["ok"]
    assert len(door.job(ticket).reason) < 200
    (answer,) = door.send(settle("c-2", decision="printed", order="y" * 100_000))
    assert len(answer["answer"]) <= table.MOST_ANSWER
