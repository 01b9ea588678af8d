"""Presets: what a make of broker wants is filled in, what it does not take is an error, and how one logs in there."""

import base64
import subprocess
from pathlib import Path
from typing import Any

import pytest

from agent.broker.presets import alpn, client_id, iot_password, password
from agent.config import Broker, Config, load
from agent.config.warnings import warnings
from agent.errors import ConfigError
from agent.model.preset import PRESETS, preset_of
from tests.office import WILL, office
from tests.scripted_broker import ScriptedBroker

DAY_S = 86_400
APSARA = "username: Signature|LTAI5t|mqtt-cn-1, client_id: GID_kitchen@@@s421-box1"
IOT = "username: box1&a1BekCto7zj"
LOGIN = {"aws": "cert_file: c, key_file: k", "alibaba": APSARA, "alibaba-iot": IOT}


@pytest.fixture(autouse=True)
def no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    """None from outside."""
    monkeypatch.delenv("SHOP_AGENT_BROKER_PASSWORD", raising=False)


def read(folder: Path, line: str, more: str = "") -> Config:
    """The configuration with this line to the broker."""
    file = folder / "shop.yaml"
    file.write_text(f"shop: s421\nbroker: {{{line}}}\n{more}\n")
    return load(file)


def faults(folder: Path, line: str, more: str = "") -> str:
    """What is wrong with it."""
    with pytest.raises(ConfigError) as caught:
        read(folder, line, more)
    return str(caught.value)


def line_of(preset: str, more: str = "") -> str:
    """The shortest line to a broker of this make."""
    parts = (f"url: mqtts://b.example, preset: {preset}", LOGIN.get(preset, ""), more)
    return ", ".join(part for part in parts if part)


@pytest.mark.parametrize(
    ("preset", "protocol", "keepalive_s", "days", "port"),
    [
        ("mosquitto", "5", 30, 7, 8883),
        ("emqx", "5", 30, 7, 8883),
        ("hivemq", "5", 30, 7, 8883),
        ("aws", "5", 30, 7, 8883),
        ("alibaba", "3.1.1", 30, 3, 8883),
        ("alibaba-iot", "3.1.1", 60, 7, 443),
        ("nats", "3.1.1", 30, 7, 8883),
        ("rabbitmq", "3.1.1", 30, 1, 8883),
    ],
)
def test_preset_fills_in_what_is_not_written(
    tmp_path: Path, preset: str, protocol: str, keepalive_s: int, days: int, port: int
) -> None:
    """One word, and the line has what that broker wants; url and login are all that is left to write."""
    more = "prefix: /a1BekCto7zj/box1/user" if preset == "alibaba-iot" else ""
    broker = read(tmp_path, line_of(preset), more).broker
    assert broker is not None
    assert (broker.protocol, broker.keepalive_s, broker.session_expiry_s) == (protocol, keepalive_s, days * DAY_S)
    assert (broker.address.port, broker.address.tls) == (port, True)


@pytest.mark.parametrize("preset", ["alibaba", "alibaba-iot", "emqx"])
def test_a_login_that_is_made_of_a_secret_wants_one(
    tmp_path: Path, preset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without it `config check` says so; elsewhere a user may be without a password."""
    more = "prefix: /a1BekCto7zj/box1/user" if preset == "alibaba-iot" else ""
    bare = read(tmp_path, line_of(preset, "" if preset != "emqx" else "username: s421"), more)
    assert any("made of a secret" in text for text in warnings(bare)) is (preset != "emqx")
    monkeypatch.setenv("SHOP_AGENT_BROKER_PASSWORD", "x")
    assert not any("made of a secret" in text for text in warnings(bare))


def test_every_preset_is_tried_here() -> None:
    """A new one gets its row above."""
    assert set(PRESETS) == {"mosquitto", "emqx", "hivemq", "aws", "alibaba", "alibaba-iot", "nats", "rabbitmq"}
    for preset in PRESETS.values():
        assert preset.least_keepalive_s <= preset.keepalive_s <= preset.most_keepalive_s
        assert not preset.most_session_expiry_s or preset.session_expiry_s <= preset.most_session_expiry_s


def test_what_is_written_counts_more(tmp_path: Path) -> None:
    """A newer RabbitMQ speaks MQTT 5; who knows better writes it."""
    broker = read(
        tmp_path, "url: mqtts://b:1234, preset: rabbitmq, protocol: 5, keepalive_s: 60, session_expiry_s: 0"
    ).broker
    assert broker is not None
    assert (broker.protocol, broker.keepalive_s, broker.session_expiry_s, broker.address.port) == ("5", 60, 0, 1234)


def test_without_a_preset_all_is_as_ever(tmp_path: Path) -> None:
    """Nothing is guessed from the broker's name."""
    broker = read(tmp_path, "url: mqtt://x.iot.eu-west-1.amazonaws.com").broker
    assert broker is not None
    assert (broker.protocol, broker.keepalive_s, broker.session_expiry_s) == ("5", 30, 7 * DAY_S)
    assert preset_of(broker.preset).wills


@pytest.mark.parametrize(
    ("line", "more", "why"),
    [
        (line_of("mosquito"), "", "broker.preset: 'mosquito' is not possible; did you mean 'mosquitto'?"),
        (line_of("aws", "keepalive_s: 20"), "", "broker.keepalive_s: aws takes 30 to 1200 seconds; write 30"),
        (line_of("aws", "session_expiry_s: 700000"), "", "aws keeps a session for at most 604800 seconds"),
        (line_of("aws", f"client_id: {'x' * 129}"), "", "it has 129 characters, aws takes 128"),
        ("url: mqtts://b, preset: aws", "", "aws wants to know who we are; write broker.cert_file and key_file"),
        ("url: mqtt://b, preset: aws, username: u", "", "broker.url: aws takes encrypted lines only; write mqtts://"),
        (line_of("aws"), "prefix: a/b/c/d/e", "prefix: a/b/c/d/e/s421/up/box1/request has 8 slashes, aws takes 7"),
        (
            line_of("aws"),
            "mappings: [" + ", ".join(f"{{topic: x/{n}, name: flat}}" for n in range(6)) + "]",
            "mappings[5].topic: aws takes 5 mapped topics at once",
        ),
        (line_of("nats", "protocol: 5"), "", "broker.protocol: nats speaks 3.1.1 only; write auto"),
        (line_of("rabbitmq", "session_expiry_s: 604800"), "", "rabbitmq keeps a session for at most 86400 seconds"),
        (
            "url: mqtts://b, preset: alibaba",
            "",
            "broker.username: alibaba wants three parts; write DeviceCredential|ACCESS",
        ),
        (
            "url: mqtts://b, preset: alibaba",
            "",
            "broker.client_id: alibaba wants GROUP@@@DEVICE; write for example",
        ),
        (line_of("alibaba").replace("Signature", "Sign"), "", "alibaba wants three parts"),
        (line_of("alibaba").replace("s421-box1", "x" * 60), "", "it has 74 characters, alibaba takes 64"),
        ("url: mqtts://b, preset: alibaba-iot", "", "broker.username: alibaba-iot wants two parts"),
        (line_of("alibaba-iot"), "", "write prefix: /a1BekCto7zj/box1/user"),
        (
            line_of("alibaba-iot"),
            "prefix: /a1BekCto7zj/box1/user\nagent: box-1",
            "agent: alibaba-iot takes no -",
        ),
        (line_of("alibaba-iot", "keepalive_s: 10"), "", "alibaba-iot takes 30 to 1200 seconds; write 60"),
        (line_of("emqx"), "prefix: Shops", "prefix: 'Shops' is not possible; use only the characters a-z"),
        (line_of("emqx"), "prefix: /shops", "prefix: '/shops' is not possible"),
        ("url: mqtt://b", "prefix: my_shops", "prefix: 'my_shops' is not possible"),
    ],
)
def test_what_a_broker_does_not_take_is_an_error_with_the_fix(tmp_path: Path, line: str, more: str, why: str) -> None:
    """The installer learns it from the check, and not from a line that is refused for ever."""
    assert why in faults(tmp_path, line, more)


# -- logging in -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("secret", "said", "published"),
    [
        (
            "oLyaKqVxtRvjH284LdhqVgVUx1UPy6zq",
            {
                "clientId": "SN1928339",
                "deviceName": "light1983432",
                "productKey": "a14Xib5kdYd",
                "timestamp": "1539421321846",
            },
            "b2488041f64f425016b467ee1c94959ebd592ad1",
        ),
        (
            "secret",
            {"timestamp": "789", "productKey": "pk", "deviceName": "device", "clientId": "12345"},
            "fafd82a3d602b37fb0fa8b7892f24a477f851a14",
        ),
        (
            "OQzK9z8XoWrnH9LeeO4kIMFHk1WEu5ov",
            {
                "clientId": "12345",
                "deviceName": "Norra_Device_000001",
                "productKey": "a1BekCto7zj",
                "timestamp": "10",
            },
            "72770e19f50540d4a17b376808630ecd5c9a0fc9",
        ),
    ],
    ids=["a device", "from the maker's manual", "another device"],
)
def test_iot_password_is_the_published_one(secret: str, said: dict[str, str], published: str) -> None:
    """Examples that were published with their result, for HMAC-SHA1."""
    assert iot_password(secret, "sha1", **said) == published


@pytest.mark.parametrize(("scheme", "mode"), [("mqtts", 2), ("mqtt", 3)])
def test_iot_platform_login(scheme: str, mode: int) -> None:
    """Client id with its mode, and the password of SHA-256, as openssl makes it. No time is in it."""
    broker = Broker(url=f"{scheme}://b", preset="alibaba-iot", client_id="s421-box1", username="box1&a1BekCto7zj")
    assert client_id(broker) == f"s421-box1|securemode={mode},signmethod=hmacsha256|"
    text = b"clientIds421-box1deviceNamebox1productKeya1BekCto7zj"
    words = ["openssl", "dgst", "-sha256", "-hmac", "device secret", "-hex"]
    made = subprocess.run(words, input=text, capture_output=True, check=True).stdout.decode().split()[-1]
    assert password(broker, "device secret") == made


@pytest.mark.parametrize("mode", ["Signature", "DeviceCredential"])
def test_apsara_login(mode: str) -> None:
    """The maker's example, client id GID_Test@@@0001 under the key XXXXX, as openssl makes it: Base64 of HMAC-SHA1."""
    broker = Broker(url="mqtts://b", preset="alibaba", client_id="GID_Test@@@0001", username=f"{mode}|YYYYY|mqtt-xxxxx")
    words = ["openssl", "dgst", "-sha1", "-hmac", "XXXXX", "-binary"]
    made = subprocess.run(words, input=b"GID_Test@@@0001", capture_output=True, check=True).stdout
    assert password(broker, "XXXXX") == base64.b64encode(made).decode()
    assert client_id(broker) == "GID_Test@@@0001"


def test_apsara_token_goes_as_it_is() -> None:
    """A token is made by the shop's server, and read from the file at each connection."""
    broker = Broker(url="mqtts://b", preset="alibaba", client_id="G@@@d", username="Token|YYYYY|mqtt-xxxxx")
    assert password(broker, "RW|token") == "RW|token"
    assert password(broker, None) is None


@pytest.mark.parametrize(
    ("url", "more", "protocols"),
    [
        ("mqtts://b:443", {"cert_file": Path("c")}, ["x-amzn-mqtt-ca"]),
        ("mqtts://b:443", {"username": "u"}, ["mqtt"]),
        ("mqtts://b:8883", {"cert_file": Path("c")}, []),
        ("mqtt://b:443", {"cert_file": Path("c")}, []),
    ],
)
def test_aws_on_443_is_asked_for_by_name(url: str, more: dict[str, Any], protocols: list[str]) -> None:
    """With a certificate one name, with a custom authorizer another, on 8883 none."""
    assert alpn(Broker(url=url, preset="aws", **more)) == protocols
    assert alpn(Broker(url=url, **more)) == []


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_broker_without_wills_and_retained_messages_gets_none(
    broker: ScriptedBroker, tmp_path: Path, protocol: str
) -> None:
    """What CONNECT and PUBLISH really say: the login of that make, no will, nothing retained."""
    secret = tmp_path / "secret"
    secret.write_text("XXXXX\n")
    login = {"client_id": "GID_Test@@@0001", "username": "Signature|YYYYY|mqtt-xxxxx", "password_file": secret}
    with office(broker.port, preset="alibaba", protocol=protocol, **login) as here:
        peer = broker.accept()
        asked = peer.expect("CONNECT")
        assert (asked.has_will, asked.client_id) == (False, "GID_Test@@@0001")
        wanted = base64.b64encode(
            subprocess.run(
                ["openssl", "dgst", "-sha1", "-hmac", "XXXXX", "-binary"],
                input=b"GID_Test@@@0001",
                capture_output=True,
                check=True,
            ).stdout
        )
        assert (asked.username, asked.password) == ("Signature|YYYYY|mqtt-xxxxx", wanted)
        peer.connack()
        here.up()
        here.line.publish("state", b"on", retain=True)
        assert not peer.expect("PUBLISH").retain


def test_other_brokers_get_will_and_retained_status(broker: ScriptedBroker) -> None:
    """Where they are known they are used."""
    with office(broker.port, preset="hivemq") as here:
        peer = broker.accept()
        asked = peer.expect("CONNECT")
        assert (asked.has_will, asked.topic, asked.retain) == (True, WILL.topic, True)
        peer.connack()
        here.up()
        here.line.publish("state", b"on", retain=True)
        assert peer.expect("PUBLISH").retain
