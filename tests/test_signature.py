"""Signed events: what is signed, whose word counts, and that nothing else is ever printed."""

import base64
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from agent.app import Agent
from agent.broker.topics import topics
from agent.cli.sign import sign as sign_command
from agent.clock import SystemClock
from agent.config import Broker, Config, MappedTopic, Printer, SignatureKey, Signatures, load
from agent.errors import ConfigError, DecodeError
from agent.intake import signature
from agent.intake.decode import decode_envelope
from agent.intake.keyfile import load_keyring
from agent.intake.signature import Keyring
from agent.journal import notes
from agent.model.link import parse_link
from agent.simulator.ports import serve_tcp
from agent.simulator.printer import VirtualPrinter
from tests.house import ORDER, REPLAY, SOURCE, UP, told, until
from tests.scripted_broker import Peer, ScriptedBroker
from tests.signer import SECRET, public, sign
from tests.signer import signature as signature_of

ROOT = Path(__file__).parent.parent
KNOWN = json.loads((ROOT / "docs/signing-vectors.json").read_text("utf-8"))
OLD, NEW = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
COMMAND = "shops/s1/dn/cmd/box1"
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def key(name: str, private: Ed25519PrivateKey, **more: Any) -> SignatureKey:
    """A key in the configuration."""
    return SignatureKey(id=name, algorithm="ed25519", public_key=public(private), **more)


def config(*keys: SignatureKey, shop: str = "s1", require: bool = True, **more: Any) -> Config:
    """A shop's configuration."""
    signatures = Signatures(keys=list(keys), require=require)
    return Config(shop=shop, broker=Broker(url="mqtt://127.0.0.1"), signatures=signatures, **more)


def ring(*keys: SignatureKey, shop: str = "s1", **more: Any) -> Keyring:
    """Its keyring."""
    settings = config(*keys, shop=shop, **more)
    return load_keyring(settings, topics("shops", shop, "box1"))


def event(number: int = 1, **more: Any) -> dict[str, Any]:
    """An order."""
    items = [{"name": "豆浆", "qty": "2"}]
    data = {"order": {"id": f"id-{number}", "rev": 1, "channel": "test", "no": str(number), "items": items}}
    head = {"specversion": "1.0", "id": f"event-{number}", "source": SOURCE, "type": "order.upsert"}
    return {**head, "data": data, **more}


def judge(
    keyring: Keyring,
    payload: bytes,
    topic: str = ORDER,
    attributes: dict[str, str] | None = None,
    now: datetime | None = NOON,
) -> str:
    """Where and why it is refused, "" when it is taken."""
    try:
        envelope = decode_envelope(payload, attributes)
        signature.check(keyring, topic, payload, attributes, envelope, now)
    except DecodeError as exc:
        return str(exc)
    return ""


# -- what is signed ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def known_ring(tmp_path_factory: pytest.TempPathFactory) -> Keyring:
    """The keys of the published vectors."""
    secret = tmp_path_factory.mktemp("keys") / "secret"
    keys = []
    for known in KNOWN["keys"]:
        if "secret" in known:
            secret.write_text(known["secret"] + "\n")
            keys.append(SignatureKey(id=known["id"], algorithm=known["algorithm"], key_file=secret))
        else:
            keys.append(SignatureKey(id=known["id"], algorithm=known["algorithm"], public_key=known["public_key"]))
    return ring(*keys, shop="s421")


@pytest.mark.parametrize("vector", KNOWN["vectors"], ids=[vector["name"] for vector in KNOWN["vectors"]])
def test_published_vectors_are_accepted_and_their_data_may_not_change(
    known_ring: Keyring, vector: dict[str, str]
) -> None:
    """Each as it stands; and not on another shop's topic, nor when one byte of it is another."""
    payload = vector["event"].encode()
    envelope = decode_envelope(payload)
    data = bytes(msgspec.json.decode(payload, type=dict[str, msgspec.Raw]).get("data", b""))
    assert signature.signed_bytes(vector["audience"], vector["keyid"], envelope, data).decode() == vector["signed"]
    assert judge(known_ring, payload, vector["topic"]) == ""
    other = next(topic for topic in known_ring.audiences if known_ring.audiences[topic] != vector["audience"])
    assert "does not fit" in judge(known_ring, payload, other)
    assert "does not fit" in judge(known_ring, payload.replace(b'"id":"', b'"id":"x', 1), vector["topic"])


def test_vectors_are_what_openssl_makes(tmp_path: Path) -> None:
    """An implementation that shares nothing with ours agrees on every signature."""
    seed, secret = KNOWN["keys"][0]["private_seed_hex"], KNOWN["keys"][1]["secret"]
    der = tmp_path / "key.der"
    der.write_bytes(bytes.fromhex("302e020100300506032b657004220420" + seed))  # RFC 8410: PKCS 8 around the seed
    for vector in KNOWN["vectors"]:
        said = tmp_path / "said"
        said.write_bytes(vector["signed"].encode())
        if vector["keyid"] == "2026-a":
            words = ["openssl", "pkeyutl", "-sign", "-keyform", "DER", "-inkey", str(der), "-rawin", "-in", str(said)]
        else:
            words = ["openssl", "dgst", "-sha256", "-hmac", secret, "-binary", str(said)]
        made = subprocess.run(words, check=True, capture_output=True).stdout
        assert base64.b64encode(made).decode() == vector["signature"]


def test_recipe_in_the_docs_makes_what_a_box_takes(tmp_path: Path) -> None:
    """The ten lines that we give to integrators run as they stand."""
    text = (ROOT / "docs/security.md").read_text("utf-8")
    recipe = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert recipe is not None
    assert len(recipe[1].strip().splitlines()) <= 10
    program = recipe[1] + "\nprint(signed(json.loads(sys.argv[1]), 's1', 'h', sys.argv[2].encode()))\n"
    words = [sys.executable, "-c", "import sys\n" + program, json.dumps(event(sequence="0" * 20)), SECRET.decode()]
    payload = subprocess.run(words, check=True, capture_output=True).stdout
    (tmp_path / "secret").write_bytes(SECRET)
    keyring = ring(SignatureKey(id="h", algorithm="hmac-sha256", key_file=tmp_path / "secret"))
    assert judge(keyring, payload) == ""


TEXTS = st.text(
    st.characters(min_codepoint=32, exclude_categories=["Cs"], exclude_characters="\x7f"), min_size=1, max_size=20
)


@given(
    TEXTS, TEXTS, st.dictionaries(TEXTS, TEXTS | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, width=32))
)
def test_any_event_fits_as_it_was_signed(name: str, source: str, data: dict[str, Any]) -> None:
    """Whatever is in it, and however its JSON is written."""
    data = {key: value for key, value in data.items() if value not in (float("inf"), float("-inf"))}
    made = {"specversion": "1.0", "id": name, "source": source, "type": "order.upsert", "data": data}
    assert judge(ring(key("a", OLD)), sign(made, "s1", "a", OLD)) == ""


@given(st.data())
def test_no_byte_of_a_signed_event_may_change(data: st.DataObject) -> None:
    """Whatever is altered on the way: it is not JSON any more, not ours to read, or the signature does not fit.

    A space between two members, and what nobody reads, are not signed: the event still says the same.
    """
    payload = bytearray(sign(event(sequence="7", time="2026-11-22T07:31:05+08:00"), "s1", "a", OLD))
    at, value = data.draw(st.integers(0, len(payload) - 1)), data.draw(st.integers(0, 255))
    before = decode_envelope(bytes(payload))
    payload[at] = value
    if judge(ring(key("a", OLD)), bytes(payload)) == "":
        after = decode_envelope(bytes(payload))
        assert (after.id, after.source, after.type, after.time, after.sequence) == (
            before.id,
            before.source,
            before.type,
            before.time,
            before.sequence,
        )
        assert after.canonical() == before.canonical()


def test_binary_mode_signs_the_payload_as_it_is() -> None:
    """Attributes and signature as user properties; the data is the payload."""
    made = event()
    data = json.dumps(made.pop("data"), indent=2).encode()
    text = "\n".join(["shop-agent-1", "s1", "a", made["id"], SOURCE, "order.upsert", "", "", ""]).encode() + data
    attributes = {**made, "keyid": "a", "signature": signature_of(text, OLD)}
    assert judge(ring(key("a", OLD)), data, attributes=attributes) == ""
    assert "does not fit" in judge(ring(key("a", OLD)), data + b" ", attributes=attributes)
    assert "not signed" in judge(ring(key("a", OLD)), data, attributes=made)


def test_key_named_with_escapes_is_the_same_key() -> None:
    """JSON may write data as d\\u0061ta: both readers of the message must mean the same member."""
    payload = sign(event(), "s1", "a", OLD).replace(b'"data"', b'"d\\u0061ta"')
    assert judge(ring(key("a", OLD)), payload) == ""


# -- whose word counts ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"signature": None, "keyid": None}, "it is not signed, and this box takes signed events only"),
        ({"signature": None}, "keyid and signature belong together"),
        ({"keyid": None}, "keyid and signature belong together"),
        ({"keyid": 7}, "keyid and signature belong together"),
        ({"keyid": "b"}, "does not know the key 'b'; it knows a - at $.keyid"),
        ({"signature": "!"}, "it is not Base64"),
        ({"signature": ""}, "does not fit"),
        ({"signature": "AAAA"}, "does not fit"),
        ({"type": "order.cancel"}, "does not fit"),
        ({"source": "//elsewhere"}, "does not fit"),
        ({"sequence": "00000000000000000009"}, "does not fit"),
        ({"time": "2030-01-01T00:00:00Z"}, "does not fit"),
        ({"id": "event-2"}, "does not fit"),
        ({"id": "event\n1"}, "control character"),
        ({"time": 1.5}, "must be text"),
    ],
    ids=str,
)
def test_what_is_not_rightly_signed_is_refused_with_the_reason(change: dict[str, Any], why: str) -> None:
    """Everything that we act upon is under the signature."""
    made = json.loads(sign(event(sequence="7"), "s1", "a", OLD))
    payload = json.dumps({name: value for name, value in {**made, **change}.items() if value is not None}).encode()
    assert why in judge(ring(key("a", OLD)), payload)


def test_hmac_secret_is_no_public_key(tmp_path: Path) -> None:
    """Who knows the public key can't pass it off as a secret: the key's owner chose the algorithm, not the message."""
    forged = sign(event(), "s1", "a", public(OLD).encode())
    assert "does not fit" in judge(ring(key("a", OLD)), forged)
    secret = tmp_path / "secret"
    secret.write_bytes(SECRET)
    keyring = ring(SignatureKey(id="a", algorithm="hmac-sha256", key_file=secret))
    assert judge(keyring, sign(event(), "s1", "a", SECRET)) == ""
    assert "does not fit" in judge(keyring, sign(event(), "s1", "a", SECRET + b"x"))


def test_two_keys_hold_while_they_are_changed_over() -> None:
    """The new one is added, the cloud changes over, the old one is taken out: no order is refused in between."""
    old, new = sign(event(1), "s1", "old", OLD), sign(event(2), "s1", "new", NEW)
    before, during, after = ring(key("old", OLD)), ring(key("old", OLD), key("new", NEW)), ring(key("new", NEW))
    assert [judge(each, old) == "" for each in (before, during, after)] == [True, True, False]
    assert [judge(each, new) == "" for each in (before, during, after)] == [False, True, True]
    assert "does not fit" in judge(during, sign(event(3), "s1", "new", OLD))


@pytest.mark.parametrize(
    ("now", "why"),
    [
        (NOON, ""),
        (NOON - timedelta(days=2), "holds only from"),
        (NOON + timedelta(days=2), "held until"),
        (None, ""),
    ],
    ids=["in its time", "too early", "too late", "nobody knows the time"],
)
def test_key_holds_in_its_time(now: datetime | None, why: str) -> None:
    """A box that does not know the time takes it: an order on paper is worth more than a calendar."""
    span = {"not_before": "2026-11-22T00:00:00+00:00", "not_after": "2026-11-23T00:00:00Z"}
    found = judge(ring(key("a", OLD, **span)), sign(event(), "s1", "a", OLD), now=now)
    assert why in found
    assert (found == "") is (why == "")


def test_what_is_not_required_may_be_unsigned_but_never_wrongly_signed() -> None:
    """`require: false` is for the weeks in which the cloud learns to sign."""
    keyring = ring(key("a", OLD), require=False)
    assert judge(keyring, json.dumps(event()).encode()) == ""
    assert judge(keyring, sign(event(), "s1", "a", OLD)) == ""
    assert "does not fit" in judge(keyring, sign(event(), "s2", "a", OLD))
    assert "does not know" in judge(keyring, sign(event(), "s1", "b", OLD))


def test_mapped_topic_may_be_left_out() -> None:
    """A platform's own JSON has no signature of ours: with unsigned it is taken, without it is not."""
    taken = MappedTopic(topic="shops/s1/dn/woo", name="woocommerce", unsigned=True)
    wanted = MappedTopic(topic="shops/s1/dn/flat", name="flat")
    keyring = ring(key("a", OLD), mappings=[taken, wanted])
    assert [keyring.wants(topic) for topic in (taken.topic, wanted.topic, ORDER)] == [False, True, True]


def test_without_keys_nothing_is_asked_for() -> None:
    """A shop that writes no signatures is as it was, whatever a message calls itself."""
    plain = Config(shop="s1", broker=Broker(url="mqtt://127.0.0.1"))
    keyring = load_keyring(plain, topics("shops", "s1", "box1"))
    assert judge(keyring, json.dumps(event(signature="x", keyid="y")).encode()) == ""


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ("{id: a, algorithm: ed25519}", "the key itself is missing; write key_file: its PEM file, or public_key"),
        ("{id: a, algorithm: hmac-sha256}", "the key itself is missing; write key_file: the secret's file"),
        ("{id: a, algorithm: hmac-sha256, public_key: x}", "no secret in this file"),
        ("{id: a, algorithm: ed25519, public_key: x, key_file: y}", "keep one of them"),
        ("{id: a b, algorithm: ed25519, public_key: x}", "use letters a-z, digits, ., - and _"),
        ("{id: a, algorithm: rsa, public_key: x}", "write ed25519 or hmac-sha256"),
        ("{id: a, algorithm: ed25519, public_key: x, not_after: tomorrow}", "'tomorrow' is no time with a zone"),
        ("{id: a, algorithm: ed25519, public_key: x, not_after: 2026-01-01}", "is no time with a zone"),
        (
            "{id: a, algorithm: ed25519, public_key: x, not_before: 2027-01-01T00:00:00Z, "
            "not_after: 2026-01-01T00:00:00Z}",
            "it lies before not_before",
        ),
        (
            "{id: a, algorithm: ed25519, public_key: x}, {id: a, algorithm: ed25519, public_key: y}",
            "another key has this id",
        ),
        ("", "there is no key; write one, or leave signatures out"),
    ],
)
def test_keys_that_can_not_be_are_named(tmp_path: Path, keys: str, why: str) -> None:
    """The installer learns it from the configuration's check, not from the first order."""
    file = tmp_path / "shop.yaml"
    file.write_text(f"shop: s1\nbroker: {{url: mqtt://b}}\nsignatures: {{keys: [{keys}]}}\n")
    with pytest.raises(ConfigError, match=r"signatures\.keys") as caught:
        load(file)
    assert why in str(caught.value)


def test_keys_that_can_not_be_read_are_named_and_stop_the_start(tmp_path: Path) -> None:
    """An agent that could verify nothing would print nothing: it says so before it starts. All at once."""
    (tmp_path / "short").write_text("abc")
    (tmp_path / "private.pem").write_bytes(OLD.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (tmp_path / "public.pem").write_bytes(
        OLD.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    keys = [
        SignatureKey(id="gone", algorithm="hmac-sha256", key_file=tmp_path / "gone"),
        SignatureKey(id="short", algorithm="hmac-sha256", key_file=tmp_path / "short"),
        SignatureKey(id="base64", algorithm="ed25519", public_key="AAAA"),
        SignatureKey(id="private", algorithm="ed25519", key_file=tmp_path / "private.pem"),
    ]
    with pytest.raises(ConfigError) as caught:
        ring(*keys)
    said = str(caught.value).splitlines()
    assert [line.split(": ")[1] for line in said] == ["gone", "short", "base64", "private"]
    assert "abc" not in str(caught.value)
    assert "openssl pkey" in said[3]
    good = ring(SignatureKey(id="a", algorithm="ed25519", key_file=tmp_path / "public.pem"))
    assert judge(good, sign(event(), "s1", "a", OLD)) == ""


# -- the command line -------------------------------------------------------------------------------------------------


def test_sign_command_makes_what_a_box_takes(tmp_path: Path) -> None:
    """For an integrator who compares: an event with its signature, and what was signed."""
    secret, file = tmp_path / "secret", tmp_path / "event.json"
    secret.write_bytes(SECRET + b"\n")
    (tmp_path / "key.pem").write_bytes(OLD.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    file.write_text(json.dumps(event(), indent=2))
    keyring = ring(key("a", OLD), SignatureKey(id="h", algorithm="hmac-sha256", key_file=secret))
    for keyid, path in (("a", tmp_path / "key.pem"), ("h", secret)):
        words = ["--key", str(path), "--keyid", keyid, "--shop", "s1", str(file)]
        made = CliRunner().invoke(sign_command, words)
        assert judge(keyring, made.output.encode()) == "", made.output
        shown = CliRunner().invoke(sign_command, ["--show-signed", *words]).output
        assert shown.startswith(f"shop-agent-1\ns1\n{keyid}\nevent-1\n")
        assert SECRET.decode() not in made.output + shown


@pytest.mark.parametrize(
    ("kind", "agent", "warned"),
    [
        ("command.pause", "", True),
        ("command.pause", "box1", False),
        ("order.upsert", "box1", True),
        ("ping", "", False),
    ],
)
def test_signing_for_the_wrong_audience_is_a_warning(tmp_path: Path, kind: str, agent: str, warned: bool) -> None:
    """A command is for one box, an order for the shop; the signature itself stays on standard output alone."""
    (tmp_path / "secret").write_bytes(SECRET)
    (tmp_path / "event.json").write_text(json.dumps({**event(), "type": kind}))
    words = ["--key", str(tmp_path / "secret"), "--keyid", "h", "--shop", "s1", str(tmp_path / "event.json")]
    made = CliRunner().invoke(sign_command, [*words, "--agent", agent] if agent else words)
    assert ("warning" in made.stderr, made.exit_code) == (warned, 0)
    assert json.loads(made.stdout)["keyid"] == "h"


# -- the whole agent: the paper is the judge --------------------------------------------------------------------------


class Shop:
    """An agent that takes signed events only, a broker that anybody may write to, and a printer."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.broker = stack.enter_context(ScriptedBroker())
        self.device = stack.enter_context(VirtualPrinter())
        printer = Printer(name="wok", link=parse_link(stack.enter_context(serve_tcp(self.device)).link))
        broker = Broker(url=f"mqtt://127.0.0.1:{self.broker.port}")
        signatures = Signatures(keys=[key("a", OLD)])
        settings = Config(shop="s1", data_dir=folder, broker=broker, printers=[printer], signatures=signatures)
        self.agent = Agent(settings, SystemClock())
        self.mid = 0

    @contextmanager
    def running(self) -> Iterator[Peer]:
        """The agent runs; its connection at the broker's end."""
        stop = threading.Event()
        thread = threading.Thread(target=self.agent.run, args=(stop,))
        thread.start()
        try:
            yield self.broker.welcome()
        finally:
            stop.set()
            thread.join(20)
            assert not thread.is_alive()

    def send(self, peer: Peer, topic: str, payload: bytes) -> None:
        """A delivery, until it is acknowledged."""
        self.mid += 1
        peer.publish(topic, payload, self.mid)
        assert peer.expect("PUBACK").mid == self.mid

    def alarms(self) -> dict[str, str]:
        """What needs a person."""
        return self.agent._journal.write(notes.alarms)

    def parked(self) -> int:
        """What was set aside."""
        return int(self.agent._journal.write(lambda tx: tx.execute("SELECT count(*) FROM parked").fetchone()[0]))


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    """A shop."""
    with ExitStack() as stack:
        yield Shop(tmp_path, stack)


def test_only_what_is_signed_for_this_shop_reaches_paper(shop: Shop) -> None:
    """Forged, altered and strange orders are acknowledged, set aside with their bytes, reported, and never printed."""
    forged = {
        "event-2": json.dumps(event(2)).encode(),
        "event-3": sign(event(3), "s1", "a", NEW),
        "event-4": sign(event(4), "s2", "a", OLD),
        "event-5": sign(event(5), "s1", "a", OLD).replace("豆浆".encode(), "砒霜".encode()),
    }
    with shop.running() as peer:
        for number, payload in forged.items():
            shop.send(peer, ORDER, payload)
            report = peer.expect("PUBLISH", lambda packet: b"event.rejected" in packet.payload)
            assert told(report)["data"]["event"] == number
        assert "signature" in shop.alarms()["parked"]
        shop.send(peer, ORDER, sign(event(1), "s1", "a", OLD))
        assert shop.device.wait_for(lambda device: len(device.paper.pieces) == 1, 20)
        assert shop.parked() == len(forged)
        assert "#1" in shop.device.paper.pieces[0].text
        assert len(shop.device.paper.pieces) == 1


def test_forged_event_takes_no_place_in_the_counting(shop: Shop) -> None:
    """Number 2 was forged: the true one is asked for, and prints when it comes."""
    with shop.running() as peer:
        shop.send(peer, ORDER, sign(event(1, sequence=f"{1:020}"), "s1", "a", OLD))
        shop.send(peer, ORDER, json.dumps(event(9, sequence=f"{2:020}")).encode())
        shop.send(peer, ORDER, sign(event(3, sequence=f"{3:020}"), "s1", "a", OLD))
        request = peer.expect(
            "PUBLISH", lambda packet: packet.topic == f"{UP}/request" and told(packet).get("from") == 2
        )
        assert told(request)["source"] == SOURCE
        shop.send(peer, REPLAY, sign(event(2, sequence=f"{2:020}"), "s1", "a", OLD))
        assert shop.device.wait_for(lambda device: len(device.paper.pieces) >= 3, 20)
        text = "".join(piece.text for piece in shop.device.paper.pieces)
        assert all(f"#{number}" in text for number in (1, 2, 3))
        assert "#9" not in text


def test_forged_command_is_never_carried_out(shop: Shop) -> None:
    """Nor is one that was signed for another box of the same shop, nor an order where commands come."""
    command = {"specversion": "1.0", "id": "c-1", "source": "//staff", "type": "command.drop", "data": {"all": True}}
    with shop.running() as peer:
        for payload in (
            json.dumps(command).encode(),
            sign(command, "s1", "a", OLD),
            sign(command, "s1/box2", "a", OLD),
            sign(event(1), "s1", "a", OLD),
        ):
            shop.send(peer, COMMAND, payload)
            peer.expect("PUBLISH", lambda packet: b"event.rejected" in packet.payload)
        assert not [packet for packet in peer.seen if b"command.answer" in packet.payload]
        shop.send(peer, COMMAND, sign(command, "s1/box1", "a", OLD))
        answer = peer.expect("PUBLISH", lambda packet: b"command.answer" in packet.payload)
        assert told(answer)["data"]["command"] == "c-1"


def test_end_of_a_replay_is_signed_too(shop: Shop) -> None:
    """Who could say that events are no longer to be had could make a box forget them."""
    marker = {"source": SOURCE, "from": 1, "to": 3, "head": 3, "unavailable": [2, 3]}
    wrapped = {"specversion": "1.0", "id": "end-1", "source": "//orders", "type": "replay.end", "data": marker}
    with shop.running() as peer:
        shop.send(peer, ORDER, sign(event(1, sequence=f"{1:020}"), "s1", "a", OLD))
        shop.send(peer, REPLAY, json.dumps(marker).encode())
        rejected = peer.expect("PUBLISH", lambda packet: b"event.rejected" in packet.payload)
        assert "replay.end" in told(rejected)["data"]["reason"]
        assert f"missing:{SOURCE}" not in shop.alarms()
        shop.send(peer, REPLAY, sign(wrapped, "s1", "a", OLD))
        until(lambda: f"missing:{SOURCE}" in shop.alarms(), "the alarm")


def test_library_is_loaded_by_those_who_use_it_only() -> None:
    """A shop without signatures pays nothing for them, one with a shared secret does not either."""
    program = "import sys, agent.app, agent.intake.keyfile; sys.exit('cryptography' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
