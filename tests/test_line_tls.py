"""The encrypted line, and user and password, against a real mosquitto."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.simulator.stage import Mosquitto, find_mosquitto
from tests.office import Said, listening, office
from tests.scripted_broker import ScriptedBroker

PASSWORD = "s3cret 字"
# paho leaves the socket of a handshake that failed to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")


@pytest.fixture
def said() -> Iterator[Said]:
    """The log."""
    with listening() as here:
        yield here


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a CA, the broker's certificate for localhost, ours, and a stranger's CA."""
    folder = tmp_path_factory.mktemp("papers")

    def openssl(words: str) -> None:
        subprocess.run(["openssl", *words.split()], cwd=folder, check=True, capture_output=True)

    new_key = "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"

    def authority(name: str) -> None:
        openssl(f"{new_key} -x509 -keyout {name}.key -out {name}.pem -subj /CN={name}")

    def certificate(name: str, subject: str, extension: str) -> None:
        (folder / f"{name}.ext").write_text(extension)
        openssl(f"{new_key} -keyout {name}.key -out {name}.csr -subj /CN={subject}".replace("-days 2", ""))
        sign = f"x509 -req -days 2 -CA ca.pem -CAkey ca.key -CAcreateserial -extfile {name}.ext"
        openssl(f"{sign} -in {name}.csr -out {name}.pem")

    authority("ca")
    authority("stranger")
    certificate("broker", "localhost", "subjectAltName=DNS:localhost\n")
    certificate("box", "s1-box1", "extendedKeyUsage=clientAuth\n")
    return folder


def tls_settings(papers: Path, more: str = "") -> str:
    """mosquitto's listener with TLS."""
    return f"cafile {papers}/ca.pem\ncertfile {papers}/broker.pem\nkeyfile {papers}/broker.key\n{more}"


@pytest.fixture(scope="module")
def broker(papers: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    """mosquitto with TLS."""
    with Mosquitto(tmp_path_factory.mktemp("mosquitto"), settings=tls_settings(papers)) as here:
        yield here


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_line_is_encrypted_with_a_pinned_ca(broker: Mosquitto, papers: Path, protocol: str) -> None:
    """A broker whose certificate our CA signed, for the name that we call it by."""
    with office(
        broker.port, url=f"mqtts://localhost:{broker.port}", ca_file=papers / "ca.pem", protocol=protocol
    ) as here:
        here.up()
        assert here.line.publish("t", b"x") is not None
        word = here.line.acknowledged.get(timeout=10)
        assert word is not None
        assert word.taken


@pytest.mark.parametrize(
    ("host", "ca", "why"),
    [
        ("127.0.0.1", "ca.pem", "IP address mismatch"),
        ("localhost", "stranger.pem", "certificate verify failed"),
        ("localhost", None, "certificate verify failed"),
        ("localhost", "not-there.pem", "certificate"),
    ],
    ids=["another name", "another CA", "the system's CAs", "a CA file that is missing"],
)
def test_broker_that_can_not_prove_itself_is_refused_and_said(
    broker: Mosquitto, papers: Path, said: Said, host: str, ca: str | None, why: str
) -> None:
    """Not one byte of ours goes to a stranger; the log says what is wrong, and it is tried for ever."""
    with office(broker.port, url=f"mqtts://{host}:{broker.port}", ca_file=ca and papers / ca) as here:
        assert why in said.wait("broker.unreachable")["reason"]
        assert here.line.alive()
        assert not here.line.up


def test_ca_file_that_comes_late_needs_no_restart(broker: Mosquitto, papers: Path, tmp_path: Path, said: Said) -> None:
    """Files are read at each connection, so is a renewed certificate."""
    late = tmp_path / "ca.pem"
    with office(broker.port, url=f"mqtts://localhost:{broker.port}", ca_file=late) as here:
        said.wait("broker.certificate_unreadable")
        shutil.copy(papers / "ca.pem", late)
        here.up()


def test_client_certificate_is_shown(papers: Path, tmp_path: Path, said: Said) -> None:
    """A broker that wants one refuses us without and takes us with it."""
    settings = tls_settings(papers, "require_certificate true\nuse_identity_as_username true\n")
    with Mosquitto(tmp_path, settings=settings) as broker:
        url, ca = f"mqtts://localhost:{broker.port}", papers / "ca.pem"
        with office(broker.port, url=url, ca_file=ca):
            said.wait("broker.never_answered")
        with office(
            broker.port, url=url, ca_file=ca, cert_file=papers / "box.pem", key_file=papers / "box.key"
        ) as here:
            here.up()


def test_tls_that_says_nothing_is_left(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    """A listener that takes the connection and never shakes hands: connect_timeout."""
    monkeypatch.setattr("agent.broker.mqtt.CONNECT_TIMEOUT_S", 0.2)
    with ScriptedBroker() as mute, office(mute.port, url=f"mqtts://localhost:{mute.port}"):
        assert "timed out" in said.wait("broker.unreachable")["reason"]


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_user_and_password_open_the_door_and_a_wrong_one_is_said(
    tmp_path: Path, said: Said, monkeypatch: pytest.MonkeyPatch, protocol: str
) -> None:
    """Refused, an alarm, tried on; with the right password in the file the next attempt gets in."""
    monkeypatch.delenv("SHOP_AGENT_BROKER_PASSWORD", raising=False)
    program = shutil.which("mosquitto_passwd") or str(Path(sys.prefix, "debian/usr/bin/mosquitto_passwd"))
    if not Path(program).exists():
        pytest.skip("mosquitto_passwd is not installed")
    users, secret = tmp_path / "users", tmp_path / "secret"
    environment = {**os.environ, **find_mosquitto()[1]}
    subprocess.run([program, "-b", "-c", str(users), "s1", PASSWORD], check=True, env=environment, capture_output=True)
    secret.write_text("wrong")
    with (
        Mosquitto(tmp_path / "broker", settings=f"allow_anonymous false\npassword_file {users}\n") as broker,
        office(broker.port, protocol=protocol, username="s1", password_file=secret) as here,
    ):
        assert "uthori" in said.wait("broker.refused")["reason"]
        assert "broker:refused" in here.line.faults
        secret.write_text(PASSWORD)
        here.up()
        assert here.line.faults == {}
    assert PASSWORD not in str(said.fields)
