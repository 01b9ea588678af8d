"""Secrets are planted wherever a shop keeps one, and then everything that is said is read: none may be in it."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import click
import msgspec
import paho.mqtt.client as mqtt
import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from paho.mqtt.enums import CallbackAPIVersion

from agent.cli import cli
from agent.config import PASSWORD_VARIABLE, Config
from agent.simulator.stage import Mosquitto, find_mosquitto, free_port
from agent.yaml.structs import is_struct, split_annotated

MARK = "canary"
PLANTED = {
    "broker.password_file",
    "broker.key_file",
    "console.token_file",
    "console.feie.ukey_file",
    "notices.secret_file",
    "notices.url_file",
    "signatures.keys.key_file",
}
"""Every setting that leads to a secret; a new one is planted below, or this test fails."""
PUBLIC = {"broker.ca_file", "broker.cert_file", "mappings.file", "printers.profile"}
LONG = {("run",), ("simulate", "printer"), ("fleet",)}
"""Commands that do not end by themselves; each has its own test here, but for the simulator, which knows no secret."""
BRIEFLY: dict[tuple[str, ...], tuple[str, ...]] = {("tail",): ("--no-follow", "-n", "1000")}
PATIENT = {("printers", "check")}
"""Takes its time with a printer: here it is given one that there is not."""
TEXTS = ("broker-password", "hmac", "token", "ukey", "notice-secret")
WAIT_S = 30.0


def secret(name: str) -> str:
    """One that is easily found."""
    return f"{MARK}-{name}-{MARK}-0123456789"


def settings_of(kind: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every setting, by path, lists without their numbers."""
    for field in msgspec.structs.fields(kind):
        hint, _ = split_annotated(field.type)
        here = f"{path}.{field.name}" if path else field.name
        inner = [hint, *getattr(hint, "__args__", ())]
        structs = [each for each in inner if is_struct(split_annotated(each)[0])]
        for struct in structs:
            yield from settings_of(split_annotated(struct)[0], here)
        if not structs:
            yield here, hint


def leaves(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command there is."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from leaves(command, (*path, name))
        elif command is not None:
            yield (*path, name), command


class Box:
    """A shop with a secret in every place, and all that was ever said there."""

    def __init__(self, folder: Path, port: int, console_port: int) -> None:
        self.folder = folder
        self.said: list[tuple[str, str]] = []
        self.secrets: set[str] = set()
        for name in (*TEXTS, "notice-url"):
            self.plant(name)
        robot = f"http://127.0.0.1:{free_port()}/robot/{secret('notice-url')}?access_token={secret('notice-url')}\n"
        (folder / "notice-url").write_text(robot)
        key = folder / "tls.key"
        pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        self.secrets.add(pem.splitlines()[1])
        key.write_text(pem)
        key.chmod(0o600)
        self.config = folder / "shop.yaml"
        self.config.write_text(
            f"shop: s1\ndata_dir: {folder}/data\n"
            f"broker: {{url: 'mqtt://127.0.0.1:{port}', username: s1, password_file: broker-password}}\n"
            "printers: [{name: wok, link: 'virtual://wok'}]\n"
            f"console: {{listen: '127.0.0.1:{console_port}', token_file: token, "
            "feie: {user: u, ukey_file: ukey, printers: [{sn: '1', station: kitchen}]}}\n"
            "notices: [{kind: generic, url_file: notice-url, secret_file: notice-secret}]\n"
            "signatures: {require: false, keys: [{id: h, algorithm: hmac-sha256, key_file: hmac}]}\n"
        )

    def plant(self, name: str) -> str:
        """A secret in a file of its own."""
        planted = secret(name)
        self.secrets.add(planted)
        (self.folder / name).write_text(planted + "\n")
        (self.folder / name).chmod(0o600)
        return planted

    def call(self, *words: str) -> str:
        """A command in this process; whatever it says, and whatever went wrong in it."""
        result = CliRunner().invoke(cli, list(words))
        said = f"{result.output}\n{result.exception!r}"
        self.said.append((" ".join(words), said))
        return said

    def every_command(self) -> None:
        """Each command, with the configuration and something in every place that wants something."""
        event = self.folder / "event.json"
        event.write_text('{"specversion":"1.0","id":"1","source":"s","type":"ping"}')
        options = {
            "config_path": str(self.config),
            "key_file": str(self.folder / "hmac"),
            "keyid": "h",
            "shop": "s1",
        }
        places = {"event": str(event), "name": "wok", "target": "wok", "number": "1", "orders": "1", "order": "1"}
        for path, command in leaves(cli):
            if path in LONG:
                continue
            words = [*path, *BRIEFLY.get(path, ())]
            for option in command.params:
                if isinstance(option, click.Argument):
                    words.append("nobody" if path in PATIENT else places.get(option.name or "", "wok"))
                elif (option.name or "") in options and (option.required or option.name == "config_path"):
                    words += [option.opts[0], options[option.name or ""]]
            self.call(*words)

    def check(self) -> None:
        """None of the secrets is in anything that was said, nor in what the agent keeps."""
        kept = [(str(file), text) for file in (self.folder / "data").rglob("*") for text in texts(file)]
        assert self.said
        for where, text in (*self.said, *kept):
            for planted in self.secrets:
                assert planted not in text, f"{where} says a secret"
            assert MARK not in text, f"{where} says part of a secret: {text[text.index(MARK) - 80 :][:200]}"


def texts(file: Path) -> list[str]:
    """What is in a file, also in one that is packed."""
    if not file.is_file():
        return []
    if file.suffix == ".zip":
        with zipfile.ZipFile(file) as archive:
            return [archive.read(name).decode("utf-8", "replace") for name in archive.namelist()]
    return [file.read_bytes().decode("utf-8", "replace")]


@pytest.fixture(autouse=True)
def nothing_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """No password but ours."""
    monkeypatch.delenv(PASSWORD_VARIABLE, raising=False)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder whose own name says nothing that is looked for (a test's own folder bears the test's name)."""
    with tempfile.TemporaryDirectory(prefix="box") as name:
        yield Path(name)


def test_every_setting_that_leads_to_a_secret_is_planted() -> None:
    """Whoever adds one is told to add it here."""
    words = ("file", "secret", "password", "token", "ukey", "webhook", "private")
    found = {path for path, _ in settings_of(Config) if any(word in path.rpartition(".")[2] for word in words)}
    assert found - PUBLIC == PLANTED


def test_no_command_says_a_secret_while_no_agent_runs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every command that there is; and again with the password from the environment and from systemd."""
    box = Box(folder, free_port(), free_port())
    assert "password_file" in box.call("config", "show", "--config", str(box.config))
    box.every_command()
    monkeypatch.setenv(PASSWORD_VARIABLE, secret("environment"))
    box.call("config", "show", "--config", str(box.config))
    box.call("config", "check", "--config", str(box.config))
    monkeypatch.delenv(PASSWORD_VARIABLE)
    (folder / "systemd").mkdir()
    (folder / "systemd/broker-password").write_text(secret("credential"))
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(folder / "systemd"))
    box.config.write_text(box.config.read_text().replace(", password_file: broker-password", ""))
    assert "from the systemd credential" in box.call("config", "show", "--config", str(box.config))
    box.every_command()
    box.check()


@pytest.mark.parametrize(
    "broker",
    [
        "{url: 'mqtts://u:SECRET@b.example'}",
        "{url: 'SECRET@b.example'}",
        "{url: 'mqtts://b.example', password: SECRET}",
        "{url: 'mqtts://b.example', pasword: SECRET}",
        "{url: 'mqtts://b.example', passwort: [SECRET]}",
        "{url: 'mqtts://b.example', tls: SECRET}",
        "{url: 'mqtts://b.example', username: u, password_file: {SECRET: SECRET}}",
        "{url: 'mqtts://b.example', username: u, password_file: [SECRET]}",
    ],
)
def test_secret_in_the_wrong_place_is_refused_without_being_repeated(folder: Path, broker: str) -> None:
    """In the URL, under a name that does not exist, as a list: the error names the place and not what stands there."""
    box = Box(folder, free_port(), free_port())
    box.config.write_text(f"shop: s1\nbroker: {broker.replace('SECRET', secret('misplaced'))}\n")
    for words in (("config", "check"), ("config", "show"), ("run",), ("queue", "list"), ("support-bundle",)):
        if words != ("run",):
            said = box.call(*words, "--config", str(box.config))
            assert "broker." in said, said
    done = subprocess.run(
        [sys.executable, "-m", "agent", "run", "--config", str(box.config)], capture_output=True, check=False
    )
    assert done.returncode == 78
    box.said.append(("run", (done.stdout + done.stderr).decode()))
    box.check()


def test_file_that_can_not_be_a_secret_is_not_shown(folder: Path) -> None:
    """Bytes that are no text, keys that are none: what is wrong is said, not what is there."""
    box = Box(folder, free_port(), free_port())
    for name in (*TEXTS, "notice-url", "tls.key"):
        (folder / name).write_bytes(MARK.encode() + b"\xff\xfe\n")
        box.call("config", "check", "--config", str(box.config))
        box.call("config", "show", "--config", str(box.config))
    text = box.config.read_text()
    box.config.write_text(
        text.replace("algorithm: hmac-sha256, key_file: hmac", "algorithm: ed25519, key_file: tls.key")
    )
    box.call("config", "check", "--config", str(box.config))
    event = folder / "event.json"
    event.write_text('{"specversion":"1.0","id":"1","source":"s","type":"ping"}')
    for body in (MARK, "-----BEGIN PRIVATE KEY-----\n" + MARK, "-----BEGIN PRIVATE KEY-----\n" + MARK * 20):
        (folder / "tls.key").write_text(body)
        box.call("sign", "--key", str(folder / "tls.key"), "--keyid", "h", "--shop", "s1", str(event))
    box.check()


def mosquitto(folder: Path, port: int, password: str, stack: ExitStack) -> Mosquitto:
    """A broker that wants this password of the user s1."""
    program = shutil.which("mosquitto_passwd") or str(Path(sys.prefix, "debian/usr/bin/mosquitto_passwd"))
    if not Path(program).exists():
        pytest.skip("mosquitto_passwd is not installed")
    folder.mkdir()
    environment = {**os.environ, **find_mosquitto()[1]}
    users = [program, "-b", "-c", str(folder / "users"), "s1", password]
    subprocess.run(users, check=True, env=environment, capture_output=True)
    settings = f"allow_anonymous false\npassword_file {folder}/users\n"
    broker = Mosquitto(folder, port=port, settings=settings)
    broker.start()
    stack.callback(broker.stop)
    return broker


class Agent:
    """The agent as its own process, which says all that it has to say."""

    def __init__(self, config: Path, log: Path) -> None:
        self.log = log
        words = [sys.executable, "-m", "agent", "run", "--config", str(config), "--log-level", "debug"]
        with log.open("wb") as file:
            self.process = subprocess.Popen(words, stdout=file, stderr=file, stdin=subprocess.DEVNULL)

    def stop(self) -> int:
        """Its exit code."""
        self.process.terminate()
        return self.process.wait(WAIT_S)


def wait_log(agent: Agent, words: str) -> None:
    """Until the agent's log says this."""
    deadline = time.monotonic() + WAIT_S
    while words not in agent.log.read_text():
        assert time.monotonic() < deadline, agent.log.read_text()
        assert agent.process.poll() is None, agent.log.read_text()
        time.sleep(0.05)


def test_agent_says_no_secret_whatever_happens(folder: Path, stack: ExitStack) -> None:
    """Refused, let in, asked by every command, given wrong signatures and tokens; at the level debug, and all that it
    keeps and reports. Then with files that can't be read.
    """
    port, console = free_port(), free_port()
    box = Box(folder, port, console)
    right = (folder / "broker-password").read_text().strip()
    (folder / "broker-password").write_text(secret("wrong"))
    broker = mosquitto(folder / "mosquitto", port, right, stack)
    process = Agent(box.config, folder / "agent.log")
    stack.callback(process.stop)
    wait_log(process, "broker.refused")
    (folder / "broker-password").write_text(right)
    wait_log(process, "broker.subscribed")
    heard = publish(port, right)
    visit(console, secret("other-token"), (folder / "token").read_text().strip(), (folder / "ukey").read_text().strip())
    wait_log(process, "evidence=confirmed")
    box.every_command()
    for name in ("broker-password", "token", "ukey", "notice-url", "notice-secret"):
        (folder / name).write_bytes(MARK.encode() + b"\xff")
    broker.stop()
    broker.start()
    wait_log(process, "broker.password_unreadable")
    box.every_command()
    assert process.stop() == 0
    box.said.append(("the log", process.log.read_text()))
    box.said.append(("the reports", heard()))
    assert list((folder / "data/bundles").glob("*.zip")), "no support bundle was made"
    box.check()


def publish(port: int, password: str) -> Any:
    """Orders that are unsigned, wrongly signed, and of an unknown key; and what the agent says to the cloud."""
    said: list[str] = []
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
    client.username_pw_set("s1", password)
    client.on_message = lambda _client, _data, message: said.append(message.payload.decode())
    client.connect("127.0.0.1", port)
    client.loop_start()
    client.subscribe("shops/s1/up/#", 1)
    data = {"order": {"id": "1", "rev": 1, "channel": "t", "items": [{"name": "x", "qty": "1"}]}}
    head = {"specversion": "1.0", "source": "s", "type": "order.upsert", "data": data}
    for number, more in enumerate(({}, {"keyid": "h", "signature": "AAAA"}, {"keyid": "other", "signature": "AAAA"})):
        payload = msgspec.json.encode({**head, "id": str(number), **more})
        client.publish("shops/s1/dn/order", payload, 1).wait_for_publish(10)

    def heard() -> str:
        client.disconnect()
        client.loop_stop()
        return "\n".join(said)

    return heard


def visit(port: int, *tokens: str) -> None:
    """The box's own port, with tokens that are right and wrong."""
    for token in tokens:
        for path in ("/v1/orders", "/Api/Open/", "/healthz", "/metrics"):
            request = Request(f"http://127.0.0.1:{port}{path}", data=b"{}" if "z" not in path else None)
            request.add_header("Authorization", f"Bearer {token}")
            request.add_header("Content-Type", "application/cloudevents+json")
            said = read_answer(request)
            assert token.encode() not in said
            assert MARK.encode() not in said


def read_answer(request: Request) -> bytes:
    """Whatever is answered, also to what is refused."""
    try:
        with urlopen(request, timeout=10) as answer:
            return bytes(answer.read())
    except HTTPError as exc:
        with exc:
            return exc.read()


def test_fleet_says_no_secret(folder: Path) -> None:
    """It has a password of its own."""
    (folder / "pass").write_text(secret("fleet"))
    words = ["fleet", "--broker", f"mqtt://127.0.0.1:{free_port()}", "--username", "u", "--for", "0.2", "--json"]
    box = Box(folder, free_port(), free_port())
    box.call(*words, "--password-file", str(folder / "pass"))
    box.check()


def test_sweep_finds_a_secret_where_there_is_one(folder: Path) -> None:
    """A search that finds nothing proves something only when it can find."""
    box = Box(folder, free_port(), free_port())
    box.said.append(("a command", f"password={secret('token')}"))
    with pytest.raises(AssertionError, match="says a secret"):
        box.check()
    box.said[:] = [("a command", "fine")]
    (folder / "data").mkdir()
    with zipfile.ZipFile(folder / "data/b.zip", "w") as archive:
        archive.writestr("log.txt", f"x{MARK}x")
    with pytest.raises(AssertionError, match="part of a secret"):
        box.check()
