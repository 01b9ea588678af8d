"""The description of the wire is what the code says: the files in docs/protocol, the decoders, and a running agent."""

import json
import queue
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import paho.mqtt.client as mqtt
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator, ValidationError
from paho.mqtt.enums import CallbackAPIVersion

from agent.broker.mqtt import UNLIMITED
from agent.broker.topics import topics
from agent.broker.word import Acknowledged, Session
from agent.clock import SystemClock
from agent.errors import DecodeError
from agent.intake.commands import Commands
from agent.intake.decode import decode_event
from agent.journal import commands, notes
from agent.journal.file import Tx
from agent.journal.store import Journal
from agent.model.station import Station
from agent.report.publisher import Publisher
from agent.simulator.ports import serve_tcp
from agent.simulator.printer import PrinterSpec, VirtualPrinter
from agent.simulator.stage import AgentProcess, Mosquitto
from scripts.wire import examples as wire_examples
from scripts.wire.__main__ import FOLDER, drift
from scripts.wire.examples import BOX, JOURNAL, examples
from scripts.wire.schemas import CHANNELS, asyncapi, messages, schemas
from tests.test_commands import Door

WAIT_S = 30.0
SCHEMAS = {name: Draft7Validator(schema) for name, schema in schemas().items()}
EXAMPLES = {name: (kind, payload) for kind, each in examples().items() for name, payload in each.items()}
DOWN = {name for name, (_, down) in messages().items() if down}
EVENTS = [name for name, (kind, _) in EXAMPLES.items() if kind in DOWN and not kind.startswith(("command", "replay"))]
ORDERS = [name for name, (kind, _) in EXAMPLES.items() if kind in DOWN and not kind.startswith("command")]
COMMANDS = [name for name, (kind, _) in EXAMPLES.items() if kind.startswith("command.") and kind in DOWN]


def test_the_files_are_what_the_code_says() -> None:
    """Else run scripts/protocol."""
    assert drift() == []


def test_a_file_that_is_other_missing_or_too_many_is_found(tmp_path: Path) -> None:
    """The check must be able to fail."""
    for file in FOLDER.rglob("*.*"):
        target = tmp_path / file.relative_to(FOLDER)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.read_bytes())
    (tmp_path / "schemas/beat.json").unlink()
    (tmp_path / "schemas/more.json").write_text("{}")
    (tmp_path / "asyncapi.yaml").write_text("asyncapi: 2.6.0")
    assert drift(tmp_path) == ["asyncapi.yaml", "schemas/beat.json", "schemas/more.json"]


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_every_schema_is_one(name: str) -> None:
    """Of draft 7, complete in itself, with an example that fits it."""
    schema = schemas()[name]
    Draft7Validator.check_schema(schema)
    for ref in _refs(schema):
        assert ref.removeprefix("#/definitions/") in schema["definitions"]
    assert any(kind == name for kind, _ in EXAMPLES.values())


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_fits_its_schema(name: str) -> None:
    """And no other kind of event's."""
    kind, payload = EXAMPLES[name]
    SCHEMAS[kind].validate(payload)
    if "type" in payload and "specversion" in payload:
        others = [other for other in SCHEMAS if other != kind and other not in ("replay.marker", "beat", "state")]
        assert not [other for other in others if SCHEMAS[other].is_valid(payload)]


# -- down --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EVENTS)
def test_every_event_is_understood(name: str) -> None:
    """By the decoder that works in the shop, in structured and in binary mode."""
    kind, payload = EXAMPLES[name]
    event, _ = decode_event(json.dumps(payload).encode())
    assert (event.type, event.id, event.sequence) == (kind, payload["id"], int(payload["sequence"]))
    attributes = {key: value for key, value in payload.items() if key != "data"}
    again, _ = decode_event(json.dumps(payload.get("data")).encode(), attributes)
    assert again == event


@pytest.mark.parametrize("name", ["order.upsert", "order.cancel", "print.raw"])
def test_what_the_schema_requires_the_decoder_requires(name: str) -> None:
    """Each field that is taken away is missed by both, or by neither."""
    _, payload = EXAMPLES[name]
    seen = 0
    for path in _paths(payload):
        changed = _without(payload, path)
        fits = SCHEMAS[name].is_valid(changed)
        try:
            decode_event(json.dumps(changed).encode())
        except DecodeError:
            assert not fits, path
            seen += 1
        else:
            assert fits, path
    assert seen >= 6


@given(
    st.one_of(st.text("0123456789.-+e １", max_size=12), st.integers(-5, 10**9), st.from_regex(r"[0-9]{1,8}\.?[0-9]*"))
)
def test_the_schema_and_the_decoder_agree_on_quantities(qty: str | int) -> None:
    """Plain digits."""
    payload = json.loads(json.dumps(EXAMPLES["order.upsert-smallest"][1]))
    payload["data"]["order"]["items"][0]["qty"] = qty
    try:
        decode_event(json.dumps(payload).encode())
    except DecodeError:
        assert not SCHEMAS["order.upsert"].is_valid(payload)
    else:
        SCHEMAS["order.upsert"].validate(payload)


@pytest.mark.parametrize(
    ("name", "path", "value"),
    [
        ("print.raw", ("data", "raw", "dialect"), "zpl"),
        ("print.raw", ("data", "raw", "copies"), 51),
        ("order.upsert", ("data", "order", "items"), []),
        ("order.upsert", ("data", "order", "rev"), -1),
        ("order.upsert", ("specversion",), "0.3"),
        ("order.upsert", ("type",), "order.dance"),
        ("order.cancel", ("data", "order", "id"), ""),
        ("order.cancel", ("source",), ""),
    ],
)
def test_what_the_decoder_refuses_fits_no_schema(name: str, path: tuple[str, ...], value: Any) -> None:
    """Rules that no type can say."""
    payload = json.loads(json.dumps(EXAMPLES[name][1]))
    node = payload
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value
    assert not SCHEMAS[name].is_valid(payload)
    with pytest.raises(DecodeError):
        decode_event(json.dumps(payload).encode())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_understood(tmp_path: Path, name: str) -> None:
    """It may be refused, for want of what it speaks of, but never for its form; an errand begins."""
    _, payload = EXAMPLES[name]
    door = Door(tmp_path, None, {"reload": lambda ask: ask.by, "bundle": lambda ask: ask.by})
    door.send(payload)
    while door.journal.write(commands.begun):
        pass
    (answer,) = door.answers()
    assert answer["command"] == payload["id"]
    assert " - at $" not in answer["answer"]
    door.journal.stop(5)


def test_the_description_knows_every_command_and_no_other() -> None:
    """A new one must be described."""
    desk = Commands([Station("wok")], errands={"reload": lambda _: "", "bundle": lambda _: ""})
    known = {f"command.{name}" for name in (*desk._rows, *desk._errands)}
    assert known == {name for name in DOWN if name.startswith("command.")}


@pytest.mark.parametrize("name", ["replay.end", "replay.marker"])
def test_the_end_of_a_replay_is_understood(tmp_path: Path, name: str) -> None:
    """In both forms: what is gone for good is named in an alarm."""
    door = Door(tmp_path)
    for example in ("order.upsert-ahead", "order.upsert-smallest"):
        door.send(EXAMPLES[example][1], "order")
    door.send(EXAMPLES[name][1], "replay")
    assert not door.reports("event.rejected")
    assert any(key.startswith("missing:") for key in door.journal.write(notes.alarms))
    door.journal.stop(5)


# -- up ----------------------------------------------------------------------------------------------------------------


class Ear:
    """A line that is up and takes whatever is said."""

    def __init__(self) -> None:
        self.acknowledged: queue.SimpleQueue[Acknowledged | None] = queue.SimpleQueue()
        self.said: queue.SimpleQueue[tuple[str, bytes, bool]] = queue.SimpleQueue()
        self.up, self.generation, self.most_unacked_out, self.login = True, 1, 20, "the user s421"
        self.faults: dict[str, str] = {}
        self.session = Session(True, 604_800)
        self.largest_out = UNLIMITED
        self._mid = 0

    def tend(self) -> None:
        """Nothing to do."""

    def hang_up(self, reason: str) -> None:
        """Never."""
        raise AssertionError(reason)

    def fits(self, _topic: str, _payload: bytes) -> bool:
        """Always."""
        return True

    def publish(self, topic: str, payload: bytes, retain: bool = False) -> int:
        """Take it."""
        self._mid += 1
        self.said.put((topic, payload, retain))
        self.acknowledged.put(Acknowledged(self._mid, self.generation, True, ""))
        return self._mid


def test_every_report_is_what_the_publisher_says(journal: Journal) -> None:
    """Byte for byte but for what a journal gives: its id, its numbers and its times."""
    ear, topic = Ear(), topics("shops", "s421", "box1")
    publisher = Publisher(journal, topic, BOX, SystemClock(), 60.0, dict)
    publisher.line = ear  # type: ignore[assignment]  # as much of a line as a publisher sees

    def enter(tx: Tx) -> None:
        for _, report in wire_examples._UP:
            notes.add_report(tx, report)

    journal.write(enter)
    publisher.start()
    said: list[dict[str, Any]] = []
    while len(said) < len(wire_examples._UP):
        where, payload, retain = ear.said.get(timeout=WAIT_S)
        if where == topic.report:
            assert not retain
            said.append(json.loads(payload))
    publisher.stop(5)
    described = [payload for kind, payload in EXAMPLES.values() if str(payload.get("id", "")).startswith(JOURNAL)]
    described.sort(key=lambda event: int(event["id"].rpartition("-")[2]))
    for real, example in zip(said, described, strict=True):
        assert list(real) == list(example)
        assert {**real, "id": "", "time": ""} == {**example, "id": "", "time": ""}


def test_birth_beat_and_request_are_what_the_publisher_says(journal: Journal) -> None:
    """With every field of the examples, and no other."""
    ear, topic = Ear(), topics("shops", "s421", "box1")
    seen = {"kitchen": {"state": "ready", "tier": "process_id", "need": None}, "bar": {"state": "away", "reason": "x"}}
    publisher = Publisher(journal, topic, BOX, SystemClock(), 60.0, lambda: seen)
    publisher.line = ear  # type: ignore[assignment]  # as much of a line as a publisher sees
    journal.write(lambda tx: tx.execute("INSERT INTO cursors VALUES (?, 42, 42)", (wire_examples.CLOUD,)))
    publisher.start()
    publisher.connected(True)
    said: dict[str, tuple[dict[str, Any], bool]] = {}
    while {topic.state, topic.beat, topic.request} - said.keys():
        where, payload, retain = ear.said.get(timeout=WAIT_S)
        said[where] = (json.loads(payload), retain)
    publisher.stop(5)
    for where, name, retained in ((topic.state, "state", True), (topic.beat, "beat", False)):
        real, retain = said[where]
        SCHEMAS[name].validate(real)
        assert (list(real), retain) == (list(EXAMPLES[name][1]), retained)
    assert said[topic.request] == (EXAMPLES["replay.request"][1], False)
    assert said[topic.beat][0]["printers"] == {
        "kitchen": {"state": "ready", "tier": "process_id"},
        "bar": {"state": "away", "reason": "x"},
    }


# -- the document ------------------------------------------------------------------------------------------------------


def test_the_document_holds_together() -> None:
    """AsyncAPI 3: what it requires is there, every reference leads somewhere, every parameter stands in its address."""
    document = yaml.safe_load((FOLDER / "asyncapi.yaml").read_text("utf-8"))
    assert document == json.loads(json.dumps(asyncapi(examples())))
    assert (document["asyncapi"], *document["info"]) == ("3.0.0", "title", "version", "description", "license")
    for ref in _refs(document):
        assert _leads_somewhere(document, ref), ref
    for channel in document["channels"].values():
        assert set(channel["parameters"]) == {part[1:-1] for part in channel["address"].split("/") if part[0] == "{"}
        assert len(channel["address"]) <= 64
    for name, operation in document["operations"].items():
        assert operation["channel"]["$ref"] == f"#/channels/{name}"
        assert operation["action"] == ("receive" if "/dn/" in document["channels"][name]["address"] else "send")
        assert operation["bindings"]["mqtt"]["qos"] == 1
        assert operation["bindings"]["mqtt"]["retain"] is (name == "state")


def test_the_topics_are_those_that_the_agent_uses() -> None:
    """One table."""
    used = topics("shops", "s421", "box1")
    filled = {c.name: c.address.format(prefix="shops", shop="s421", agent="box1") for c in CHANNELS}
    assert filled == msgspec.structs.asdict(used)


# -- and a running agent -----------------------------------------------------------------------------------------------


class Cloud:
    """Sends examples to an agent, and hears all that it says."""

    def __init__(self, port: int, shop: str) -> None:
        self.root, self.heard = f"shops/{shop}", queue.SimpleQueue[tuple[str, bytes]]()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
        self._client.on_message = lambda _c, _d, message: self.heard.put((message.topic, bytes(message.payload)))
        self._client.connect("127.0.0.1", port)
        self._client.subscribe(f"{self.root}/up/#", 1)
        self._client.loop_start()

    def send(self, topic: str, payload: dict[str, Any]) -> None:
        """Once the broker has it."""
        self._client.publish(f"{self.root}/dn/{topic}", json.dumps(payload), 1).wait_for_publish(WAIT_S)

    def next(self) -> tuple[str, dict[str, Any]]:
        """What the agent says next: the last word of its topic, and the message, which fits its schema."""
        topic, payload = self.heard.get(timeout=WAIT_S)
        word, said = topic.rpartition("/")[2], json.loads(payload)
        kind = {"report": said.get("type"), "request": "replay.request"}.get(word, word)
        try:
            SCHEMAS[kind].validate(said)
        except ValidationError as exc:
            raise AssertionError(f"{kind}: {exc.message} in {said}") from exc
        return word, said

    def close(self) -> None:
        """Hang up."""
        self._client.disconnect()
        self._client.loop_stop()


def test_an_agent_takes_every_example_and_says_only_what_is_described(tmp_path: Path) -> None:
    """Orders come out, each event and each command is answered, and all that goes up fits its schema."""
    now = datetime.now(UTC).isoformat()
    with (
        Mosquitto(tmp_path / "broker") as broker,
        VirtualPrinter(PrinterSpec()) as device,
        serve_tcp(device) as port,
    ):
        config = tmp_path / "agent.yaml"
        config.write_text(
            f"shop: s421\ndata_dir: {tmp_path}/data\nbroker: {{url: 'mqtt://127.0.0.1:{broker.port}'}}\n"
            f"printers: [{{name: kitchen, link: '{port.link}'}}]\n"
        )
        agent, cloud = AgentProcess(config, tmp_path / "agent.log"), Cloud(broker.port, "s421")
        agent.start()
        while cloud.next()[0] != "state":
            pass
        for name in ORDERS:
            kind, payload = EXAMPLES[name]
            cloud.send("replay/box1" if kind.startswith("replay") else "order", _as_of(payload, now))
        for name in COMMANDS:
            cloud.send("cmd/box1", EXAMPLES[name][1])
        waited = {EXAMPLES[name][1]["id"] for name in COMMANDS}
        pong = False
        while waited or not pong:
            word, said = cloud.next()
            if word == "report" and said["type"] == "command.answer":
                waited.discard(said["data"]["command"])
                assert " - at $" not in said["data"]["answer"]
            pong |= word == "report" and said["type"] == "pong"
            assert said.get("type") != "event.rejected", said
        assert device.wait_for(lambda it: any("PRINT TEST" in piece.text for piece in it.paper.pieces), WAIT_S)
        assert agent.stop() == 0
        while said.get("online") is not False:
            _, said = cloud.next()
        cloud.close()
    assert any("8813" in piece.text for piece in device.paper.pieces)


def _as_of(payload: dict[str, Any], now: str) -> dict[str, Any]:
    """The same, told just now: this morning's orders would wait for a person."""
    told = {**payload, "time": now} if "time" in payload else payload
    order = told.get("data", {}).get("order", {})
    if "placed_at" in order:
        told = {**told, "data": {**told["data"], "order": {**order, "placed_at": now}}}
    return told


def _refs(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for member in node.values():
            yield from _refs(member)
    elif isinstance(node, list):
        for member in node:
            yield from _refs(member)


def _leads_somewhere(document: dict[str, Any], ref: str) -> bool:
    if not ref.startswith("#/"):
        return (FOLDER / ref).is_file()
    node: Any = document
    for key in ref[2:].split("/"):
        node = node.get(key) if isinstance(node, dict) else None
    return node is not None


def _paths(node: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, member in items:
        if isinstance(node, dict):
            yield (*path, key)
        yield from _paths(member, (*path, key))


def _without(payload: Any, path: tuple[str | int, ...]) -> Any:
    changed = json.loads(json.dumps(payload))
    node = changed
    for key in path[:-1]:
        node = node[key]
    del node[path[-1]]
    return changed
