"""The encrypted line, and user and password, against a real mosquitto."""

import contextlib
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from agent.broker.certificate import ends_at
from agent.broker.trust import Trust
from agent.clock import SystemClock
from agent.config import Broker
from agent.simulator.stage import Mosquitto, find_mosquitto
from tests.house import until
from tests.office import Said, office
from tests.scripted_broker import ScriptedBroker

PASSWORD = "s3cret 字"
# paho leaves the socket of a handshake that failed to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")


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


def make_papers(folder: Path, days: tuple[float, float]) -> None:
    """own.pem and own.key: a certificate for localhost that nobody else signed, valid between these days from now."""
    key, now = generate_private_key(SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(IPv4Address("127.0.0.9"))])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=days[0]))
        .not_valid_after(now + timedelta(days=days[1]))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    (folder / "own.pem").write_bytes(made.public_bytes(Encoding.PEM))
    (folder / "own.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


class LaterClock(SystemClock):
    """The machine's clock, with monotonic seconds that can be told to pass."""

    def __init__(self) -> None:
        self.later_s = 0.0

    def monotonic(self) -> float:
        """So much later."""
        return super().monotonic() + self.later_s


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
        ("127.0.0.1", "ca.pem", "it is for another name (IP address mismatch"),
        ("localhost", "stranger.pem", "put the broker's CA there"),
        ("localhost", None, "write the file of its CA as broker.ca_file"),
        ("localhost", "not-there.pem", "not-there.pem can't be read (No such file or directory); put the CA's"),
        ("localhost", "box.key", "box.key can't be read (NO_CERTIFICATE_OR_CRL_FOUND); put the CA's certificate there"),
    ],
    ids=["another name", "another CA", "the system's CAs", "a CA file that is missing", "a CA file that is none"],
)
def test_broker_that_can_not_prove_itself_is_refused_and_said(
    broker: Mosquitto, papers: Path, said: Said, host: str, ca: str | None, why: str
) -> None:
    """Not one byte of ours goes to a stranger; the log says what is wrong, and it is tried for ever."""
    with office(broker.port, url=f"mqtts://{host}:{broker.port}", ca_file=ca and papers / ca) as here:
        assert why in said.wait("broker.unreachable")["reason"]
        assert why in here.line.faults["broker:tls"]
        assert here.line.alive()
        assert not here.line.up


def test_ca_file_that_comes_late_needs_no_restart(broker: Mosquitto, papers: Path, tmp_path: Path, said: Said) -> None:
    """Files are read at each connection, so is a renewed certificate."""
    late = tmp_path / "ca.pem"
    with office(broker.port, url=f"mqtts://localhost:{broker.port}", ca_file=late) as here:
        said.wait("broker.certificate_unreadable")
        shutil.copy(papers / "ca.pem", late)
        here.up()
        until(lambda: here.line.faults == {}, "the end of the alarm")


def test_ca_that_is_taken_out_is_believed_no_longer(
    broker: Mosquitto, papers: Path, tmp_path: Path, said: Said
) -> None:
    """A pinned CA that was changed: the old one's word ends with the connection that it vouched for."""
    pinned = tmp_path / "ca.pem"
    shutil.copy(papers / "ca.pem", pinned)
    with office(broker.port, url=f"mqtts://localhost:{broker.port}", ca_file=pinned) as here:
        here.up()
        shutil.copy(papers / "stranger.pem", pinned)
        here.line.hang_up("the test says so")
        assert "its CA is not in" in said.wait("broker.unreachable")["reason"]


@pytest.mark.parametrize(
    ("days", "why"),
    [
        ((-9, -1), "it has expired; renew it at the broker, if this box's clock is right"),
        ((1, 9), "it is not valid yet"),
    ],
    ids=["expired", "not valid yet"],
)
def test_broker_whose_certificate_is_out_of_its_time_is_refused_and_said(
    tmp_path: Path, said: Said, days: tuple[int, int], why: str
) -> None:
    """It may be this box's clock that is wrong. The words are the same at each try: one alarm, one line in the log."""
    make_papers(tmp_path, days)
    settings = f"certfile {tmp_path}/own.pem\nkeyfile {tmp_path}/own.key\n"
    with (
        Mosquitto(tmp_path / "broker", settings=settings) as broker,
        office(broker.port, url=f"mqtts://localhost:{broker.port}", ca_file=tmp_path / "own.pem") as here,
    ):
        assert why in said.wait("broker.unreachable")["reason"]
        first = here.line.faults["broker:tls"]
        assert why in first
        until(lambda: here.backoff.failures >= 4, "some more tries")
        assert here.line.faults["broker:tls"] == first
        assert said.events.count("broker.unreachable") == 1


def test_self_signed_certificate_is_refused_until_it_is_pinned(tmp_path: Path, said: Said) -> None:
    """It may be its own CA, for who says so."""
    make_papers(tmp_path, (-1, 9))
    settings = f"certfile {tmp_path}/own.pem\nkeyfile {tmp_path}/own.key\n"
    with Mosquitto(tmp_path / "broker", settings=settings) as broker:
        url = f"mqtts://localhost:{broker.port}"
        with office(broker.port, url=url):
            assert "(self-signed certificate); write the file" in said.wait("broker.unreachable")["reason"]
        with office(broker.port, url=url, ca_file=tmp_path / "own.pem") as here:
            here.up()


def test_open_port_is_no_encrypted_one(tmp_path: Path, papers: Path, said: Said) -> None:
    """mqtts:// to the open port: the usual slip, named."""
    with (
        Mosquitto(tmp_path) as broker,
        office(broker.port, url=f"mqtts://localhost:{broker.port}", ca_file=papers / "ca.pem") as here,
    ):
        reason = said.wait("broker.unreachable")["reason"]
        assert f"is {broker.port} its encrypted port?" in reason
        assert here.line.faults == {}


def test_what_answers_in_clear_speaks_no_tls(said: Said, papers: Path) -> None:
    """A listener that says something of its own to our hello."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        served = threading.Thread(target=answer_in_clear, args=(listener,))
        served.start()
        with office(port, url=f"mqtts://localhost:{port}", ca_file=papers / "ca.pem") as here:
            assert f"localhost speaks no TLS on port {port}" in said.wait("broker.unreachable")["reason"]
            assert "broker:tls" in here.line.faults
        served.join(10)


def answer_in_clear(listener: socket.socket) -> None:
    """As a web server does."""
    listener.settimeout(10)
    line, _ = listener.accept()
    with line:
        line.recv(4096)
        line.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


@pytest.mark.filterwarnings("ignore:ssl:DeprecationWarning")
def test_tls_older_than_1_2_is_refused(tmp_path: Path, said: Said) -> None:
    """A server that knows nothing newer; Python's own, as mosquitto has no such setting any more."""
    make_papers(tmp_path, (-1, 9))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "own.pem", tmp_path / "own.key")
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.options |= ssl.OP_NO_TLSv1_2 | ssl.OP_NO_TLSv1_3
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        served = threading.Thread(target=shake_hands, args=(listener, context))
        served.start()
        with office(port, url=f"mqtts://localhost:{port}", ca_file=tmp_path / "own.pem"):
            reason = said.wait("broker.unreachable")["reason"]
            # The server's reset may overtake its own word.
            assert "knows only TLS older than 1.2" in reason or "closed the line in the TLS handshake" in reason
        served.join(10)


def shake_hands(listener: socket.socket, context: ssl.SSLContext) -> None:
    """Try it once."""
    listener.settimeout(10)
    line, _ = listener.accept()
    with line, contextlib.suppress(OSError):
        context.wrap_socket(line, server_side=True).close()


@pytest.mark.parametrize(
    ("days", "alarm"),
    [(15, ""), (13, "ends on"), (0.0001, "ends on"), (-1, "ended on")],
    ids=["two weeks and a day", "less than two weeks", "seconds", "over"],
)
def test_own_certificate_that_ends_soon_needs_a_person(tmp_path: Path, days: float, alarm: str) -> None:
    """Two weeks before, while the line is still up; a new one in its place ends the alarm within the hour."""
    make_papers(tmp_path, (-30, days))
    settings = Broker(url="mqtts://localhost", cert_file=tmp_path / "own.pem", key_file=tmp_path / "own.key")
    clock = LaterClock()
    trust = Trust(settings, clock)
    trust.context()
    found = trust.faults.get("broker:certificate", "")
    assert alarm in found
    assert (found == "") is (alarm == "")
    make_papers(tmp_path, (-1, 300))
    clock.later_s = 3601
    assert trust.faults == {}


def test_end_of_a_certificate_is_what_openssl_reads(papers: Path, tmp_path: Path) -> None:
    """Our few lines of DER against the library, also beyond 2049, where the form of a time changes."""
    make_papers(tmp_path, (0, 40_000))
    for file in (papers / "box.pem", papers / "ca.pem", tmp_path / "own.pem"):
        words = ["openssl", "x509", "-in", str(file), "-noout", "-enddate", "-dateopt", "iso_8601"]
        said = subprocess.run(words, check=True, capture_output=True).stdout.decode().strip()
        assert said == f"notAfter={ends_at(file.read_text()):%Y-%m-%d %H:%M:%SZ}"


@pytest.mark.parametrize("cut", [0, 1, 30, 60, 100, 200])
def test_file_that_is_no_certificate_is_named(papers: Path, cut: int) -> None:
    """Whatever is in it, never an exception that nobody expects."""
    head, body, foot = (papers / "box.pem").read_text().partition("-----BEGIN CERTIFICATE-----\n")
    der = ssl.PEM_cert_to_DER_cert(body + foot if body.startswith("-----") else (papers / "box.pem").read_text())
    with pytest.raises(ValueError, match="certificate"):
        ends_at(ssl.DER_cert_to_PEM_cert(der[:cut]))
    with pytest.raises(ValueError, match="holds no certificate"):
        ends_at(head + foot[:cut])


def test_key_of_another_certificate_is_named(papers: Path, broker: Mosquitto, said: Said) -> None:
    """The two halves do not belong together: said, and nothing is shown to the broker."""
    url, ca = f"mqtts://localhost:{broker.port}", papers / "ca.pem"
    pair = {"cert_file": papers / "box.pem", "key_file": papers / "broker.key"}
    with office(broker.port, url=url, ca_file=ca, **pair) as here:
        said.wait("broker.certificate_unreadable")
        until(lambda: "is not the key of" in here.line.faults.get("broker:tls", ""), "the alarm")


def test_client_certificate_is_shown(papers: Path, tmp_path: Path, said: Said) -> None:
    """A broker that wants one refuses us without and takes us with it."""
    settings = tls_settings(papers, "require_certificate true\nuse_identity_as_username true\n")
    with Mosquitto(tmp_path, settings=settings) as broker:
        url, ca = f"mqtts://localhost:{broker.port}", papers / "ca.pem"
        with office(broker.port, url=url, ca_file=ca):
            assert "perhaps it wants a certificate of ours" in said.wait("broker.never_answered")["reason"]
        stranger = {"cert_file": papers / "stranger.pem", "key_file": papers / "stranger.key"}
        with office(broker.port, url=url, ca_file=ca, **stranger):
            assert "perhaps it does not accept our certificate" in said.wait("broker.never_answered")["reason"]
        with office(
            broker.port, url=url, ca_file=ca, cert_file=papers / "box.pem", key_file=papers / "box.key"
        ) as here:
            here.up()


def test_tls_that_says_nothing_is_left(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    """A listener that takes the connection and never shakes hands: connect_timeout."""
    monkeypatch.setattr("agent.broker.client.CONNECT_TIMEOUT_S", 0.2)
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
