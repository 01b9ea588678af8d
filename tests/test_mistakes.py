"""An installer's script: the typical mistakes, each made on purpose with real sockets, ptys, a real broker and virtual
printers; `shop-agent doctor` names each with its fix, with the agent running and without.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from agent.broker import probe
from agent.broker.topics import topics
from agent.config import load
from agent.connectors import connector
from agent.doctor.case import open_case
from agent.doctor.finding import Finding, Sign
from agent.doctor.table import run_all
from agent.errors import ConfigError
from agent.simulator.ports import serve_pty, serve_tcp
from agent.simulator.printer import VirtualPrinter
from agent.simulator.stage import Mosquitto, find_mosquitto, free_port
from tests.shopfront import NOBODY, as_somebody_else, no_broker, run_cli, shopfront
from tests.test_app import publish
from tests.test_line_tls import make_papers
from tests.wire import Line

PASSWORD = "s3cret"


def write(folder: Path, **settings: Any) -> Path:
    """A configuration file."""
    file = folder / "agent.yaml"
    told = {"shop": "s1", "data_dir": str(folder / "data"), "broker": {"url": no_broker()}, **settings}
    file.write_bytes(msgspec.json.encode(told))
    return file


def examine(config: Path, *, failed: bool | None = True) -> dict[str, dict[str, Any]]:
    """All that the doctor says, by name; a `failed` one has exit code 1."""
    done = run_cli(config, "doctor", "--json")
    told = json.loads(done.stdout)
    assert done.exit_code == (0 if told["ok"] else 1)
    if failed is not None:
        assert told["ok"] is not failed, told
    found: dict[str, dict[str, Any]] = {}
    for finding in told["findings"]:
        assert all(finding["why"].values())
        assert finding["sign"] == "well" or all(finding["fix"].values()), finding
        if found.get(finding["name"], {}).get("sign") != "bad":
            found[finding["name"]] = finding
    return found


def names(finding: dict[str, Any], sign: str, why: str, fix: str) -> None:
    """This is what is wrong, and that is what to do."""
    assert finding["sign"] == sign, finding
    assert why in finding["why"]["zh"] + finding["why"]["en"], finding
    assert fix in finding["fix"]["zh"] + finding["fix"]["en"], finding


# -- 1: the cable ----------------------------------------------------------------------------------------------------


def test_a_network_printer_that_is_not_there(tmp_path: Path) -> None:
    """Both ways: the agent's word, and a call of the doctor's own."""
    with shopfront(tmp_path, no_broker()) as here:
        assert examine(here.config)["printer:wok"]["sign"] == "well"
        here.device.refuse()
        here.device.cut_link()
        here.until(lambda: "refused" in here.status()["printers"][0]["why"], "a printer that is away")
        names(examine(here.config)["printer:wok"], "bad", "Connection refused", "自检页上的 IP")
        here.process.stop()
        names(examine(here.config)["printer:wok"], "bad", "Connection refused", "Compare its IP")


def test_a_serial_cable_that_is_not_plugged_in(tmp_path: Path) -> None:
    """The device is not there: what is there is listed."""
    config = write(tmp_path, printers=[{"name": "bar", "link": "serial:///dev/ttyUSB93?baud=19200"}])
    names(examine(config)["printer:bar"], "bad", "there is no /dev/ttyUSB93", "its cable")


# -- 2: permission ---------------------------------------------------------------------------------------------------


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file to somebody else")
def test_a_device_that_the_service_may_not_open(tmp_path: Path) -> None:
    """Whoever runs the doctor: what counts is the user whose the data directory is."""
    line = Line()
    Path(line.path).chmod(0o600)
    config = write(tmp_path, printers=[{"name": "bar", "link": f"serial://{line.path}?baud=9600"}])
    (tmp_path / "data").mkdir(mode=0o700)
    os.chown(tmp_path / "data", NOBODY, NOBODY)
    names(examine(config)["printer:bar"], "bad", "没有权限", "usermod -aG dialout nobody")
    os.chown(line.path, NOBODY, -1)
    assert "没有权限" not in examine(config, failed=None)["printer:bar"]["why"]["zh"]
    line.unplug()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file to somebody else")
def test_a_configuration_that_root_copied_is_named_as_closed_to_the_service(tmp_path: Path) -> None:
    """From another box, by root: the service can't read it, though root can."""
    config = write(tmp_path)
    config.chmod(0o600)
    tmp_path.chmod(0o755)
    (tmp_path / "data").mkdir(mode=0o700)
    os.chown(tmp_path / "data", NOBODY, NOBODY)
    found = run_cli(config, "doctor", "--json")
    assert f"sudo chown -R nobody: {tmp_path}" in found.stdout
    os.chown(config, NOBODY, -1)
    found = run_cli(config, "doctor", "--json")
    assert "chown -R" not in found.stdout


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize("runs", [True, False])
def test_who_forgot_sudo_is_told_so_and_nothing_is_blamed(tmp_path: Path, runs: bool) -> None:
    """Neither the agent, nor the owner of its folder, nor the port that it holds itself."""
    listen = f"127.0.0.1:{free_port()}"
    with shopfront(tmp_path, no_broker(), console={"listen": listen}, start=runs) as here:
        (tmp_path / "data").mkdir(mode=0o700, exist_ok=True)
        done = as_somebody_else(here.config, "doctor")
    first, fix, *others = done.stdout.splitlines()
    assert (done.exit_code, first) == (1, "✗  程序 agent  没有权限，查不全  this user may not look")
    command = f"sudo shop-agent doctor --config {here.config}"
    assert fix == f"    → 请用 sudo 再运行一次：{command}  Run it with sudo: {command}"
    assert not [line for line in others if "✗" in line]
    seen = {line.split()[2] for line in others if line[0] in "✓!"}
    assert seen <= {"config", "clock", "timezone", "disk", "wear", "fonts", "memory"}
    assert {"config", "clock", "disk"} <= seen


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_a_configuration_that_is_closed_to_who_asks_is_no_fault_of_it(tmp_path: Path) -> None:
    """As the package has it: only root and the service read it."""
    config = write(tmp_path)
    as_somebody_else(config, "doctor")
    config.chmod(0o600)
    os.seteuid(NOBODY)
    try:
        done = run_cli(config, "doctor")
    finally:
        os.seteuid(0)
    assert [line for line in done.stdout.splitlines() if line[0] == "✗"] == [
        "✗  程序 agent  没有权限，查不全  this user may not look"
    ]
    assert "配置 config" not in done.stdout


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_a_first_run_that_may_not_look_says_so(tmp_path: Path) -> None:
    """A folder that is closed to the service is no new box, and no traceback."""
    config = write(tmp_path)
    tmp_path.chmod(0o700)
    run_cli(config, "run", "--help")  # what it imports is read as root
    os.seteuid(NOBODY)
    try:
        done = run_cli(config, "run", "--first-run")
    finally:
        os.seteuid(0)
    assert isinstance(done.exception, ConfigError)
    assert "may not read it" in str(done.exception)


# -- 3: wrong baud ---------------------------------------------------------------------------------------------------


@contextmanager
def babbling() -> Iterator[str]:
    """A serial printer of another speed: what it hears and says is garbage. The path of its device."""
    line, over = Line(), threading.Event()

    def babble() -> None:
        while not over.is_set():
            if heard := line.hears(16, 0.1):
                line.says(bytes(byte & 0x70 | 0x80 for byte in heard))

    thread = threading.Thread(target=babble)
    thread.start()
    try:
        yield line.path
    finally:
        over.set()
        thread.join()
        line.unplug()


def test_a_wrong_baud_is_heard_as_garbage(tmp_path: Path) -> None:
    """The installer is told where the right one stands."""
    with babbling() as path:
        config = write(tmp_path, printers=[{"name": "bar", "link": f"serial://{path}?baud=9600"}])
        names(examine(config)["printer:bar"], "bad", "乱码", "?baud=")


@pytest.mark.parametrize(
    "banner",
    [
        b"HTTP/1.1 400 Bad Request\r\nServer: nginx/1.22.1\r\nConnection: close\r\n\r\n<html>\r\n",
        b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u7\r\n",
    ],
)
def test_what_is_no_printer_is_not_out_of_paper(tmp_path: Path, banner: bytes) -> None:
    """Some letters look like a status: most of what comes is none."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            line, _ = server.accept()
            with line:
                line.sendall(banner)
                while line.recv(64):
                    line.sendall(banner)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        config = write(tmp_path, printers=[{"name": "wok", "link": f"tcp://127.0.0.1:{server.getsockname()[1]}"}])
        names(examine(config)["printer:wok"], "bad", "乱码", "Is a printer at that address?")
        thread.join(5)
        assert not thread.is_alive()


def test_a_serial_printer_that_says_nothing_may_have_another_baud(tmp_path: Path) -> None:
    """Silence is no proof: it is only a hint."""
    line = Line()
    config = write(tmp_path, printers=[{"name": "bar", "link": f"serial://{line.path}?baud=9600"}])
    names(examine(config)["printer:bar"], "look", "不应答", "?baud=")
    line.unplug()


# -- 4, 5: paper and cover -------------------------------------------------------------------------------------------


def test_no_paper_and_an_open_cover(tmp_path: Path) -> None:
    """With the agent and without; the doctor prints nothing on the way."""
    with shopfront(tmp_path, no_broker(), ("wok", "bar")) as here:
        here.devices["wok"].run_out_of_paper()
        here.devices["bar"].open_cover()

        def needs() -> list[str]:
            return [printer["need"] for printer in here.status()["printers"]]

        here.until(lambda: needs() == ["paper", "cover"], "what they need")
        for _ in ("with the agent", "without"):
            found = examine(here.config)
            names(found["printer:wok"], "bad", ["缺纸", "out", "of", "paper"][0], "Load paper")
            names(found["printer:bar"], "bad", "盖子没关", "Close the cover")
            here.process.stop()


@pytest.mark.parametrize("cable", ["tcp", "pty"])
def test_a_well_printer_is_asked_and_nothing_is_printed(tmp_path: Path, cable: str) -> None:
    """Over each cable: its paper stays clean."""
    with VirtualPrinter() as device, serve_tcp(device) if cable == "tcp" else serve_pty(device) as port:
        config = write(tmp_path, printers=[{"name": "wok", "link": port.link}])
        assert "会应答" in examine(config)["printer:wok"]["why"]["zh"]
        assert not [piece for piece in device.paper.pieces if piece.text.strip()]
        assert device.buffered == 0


# -- 6, 7, 8, 10: the broker -----------------------------------------------------------------------------------------


@contextmanager
def guarded(folder: Path, more: str = "") -> Iterator[Mosquitto]:
    """A broker with passwords, and what else it is told."""
    program = shutil.which("mosquitto_passwd") or str(Path(sys.prefix, "debian/usr/bin/mosquitto_passwd"))
    if not Path(program).exists():
        pytest.skip("mosquitto_passwd is not installed")
    folder.mkdir()
    (folder / "passwords").touch()
    environment = {**os.environ, **find_mosquitto()[1]}
    for user in ("s1-box1", "cloud"):
        words = [program, "-b", str(folder / "passwords"), user, PASSWORD]
        subprocess.run(words, check=True, env=environment, capture_output=True)
    settings = f"allow_anonymous false\npassword_file {folder / 'passwords'}\nsys_interval 1\n{more}"
    with Mosquitto(folder, settings=settings) as here:
        yield here


def member(folder: Path, port: int, password: str = PASSWORD, **more: Any) -> dict[str, Any]:
    """The settings of somebody who has an account."""
    file = folder / "broker.pass"
    file.write_text(password)
    file.chmod(0o600)
    return {"url": f"mqtt://127.0.0.1:{port}", "username": "s1-box1", "password_file": str(file), **more}


def test_a_right_login_is_well(tmp_path: Path) -> None:
    """The same steps without a mistake."""
    with guarded(tmp_path / "broker") as broker:
        found = examine(write(tmp_path, broker=member(tmp_path, broker.port)), failed=False)
        assert [found[step]["sign"] for step in ("network", "login", "topics")] == ["well"] * 3


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_a_wrong_password(tmp_path: Path, protocol: str) -> None:
    """Without an agent by the doctor's own login, with one by its alarm too."""
    with guarded(tmp_path / "broker") as broker:
        settings = member(tmp_path, broker.port, "wrong", protocol=protocol)
        with shopfront(tmp_path, settings, start=False) as here:
            names(examine(here.config)["login"], "bad", "拒绝登录", "password file")
            here.start()
            here.until(lambda: bool(here.status()["alarms"]), "the alarm")
            found = examine(here.config)
            names(found["login"], "bad", "the broker refuses us", "Wrong user or password")
            names(found["line:refused"], "bad", "云端不让本机登录", "用户名")


def test_an_empty_or_unreadable_password_file(tmp_path: Path) -> None:
    """Before anybody is called."""
    settings = member(tmp_path, 1, "")
    names(examine(write(tmp_path, broker=settings))["secrets"], "bad", "是空的", "Write the password")
    (tmp_path / "broker.pass").unlink()
    names(examine(write(tmp_path, broker=settings))["secrets"], "bad", "打不开", "broker.password_file")


@contextmanager
def encrypted(folder: Path, days: tuple[float, float] = (-1, 30)) -> Iterator[Mosquitto]:
    """A broker whose certificate is for localhost and 127.0.0.9, and holds between these days from now."""
    make_papers(folder, days)
    settings = f"cafile {folder}/own.pem\ncertfile {folder}/own.pem\nkeyfile {folder}/own.key\n"
    with Mosquitto(folder / "broker", settings=settings) as here:
        yield here


@pytest.mark.parametrize(
    ("host", "days", "ca", "why", "fix"),
    [
        ("127.0.0.1", (-1, 30), True, "证书上的", "write the name that it bears in broker.url"),
        ("localhost", (5, 30), True, "没生效", "timedatectl set-ntp"),
        ("localhost", (-30, -5), True, "过期", "timedatectl set-ntp"),
        ("localhost", (-1, 30), False, "签发机构", "broker.ca_file"),
    ],
)
def test_a_certificate_that_is_not_accepted(
    tmp_path: Path, host: str, days: tuple[float, float], ca: bool, why: str, fix: str
) -> None:
    """Another name, a wrong clock (or a late operator), an unknown CA."""
    with encrypted(tmp_path, days) as broker:
        settings = {"url": f"mqtts://{host}:{broker.port}", **({"ca_file": str(tmp_path / "own.pem")} if ca else {})}
        names(examine(write(tmp_path, broker=settings))["tls"], "bad", why, fix)


def test_a_certificate_that_ends_soon_and_one_that_holds(tmp_path: Path) -> None:
    """Two weeks before, a person should know."""
    for days, sign in (((-1, 5), "look"), ((-1, 60), "well")):
        folder = tmp_path / sign
        folder.mkdir()
        with encrypted(folder, days) as broker:
            settings = {"url": f"mqtts://localhost:{broker.port}", "ca_file": str(folder / "own.pem")}
            found = examine(write(folder, broker=settings), failed=False)
            assert (found["tls"]["sign"], found["login"]["sign"]) == (sign, "well")


def test_tls_at_a_port_that_has_none_and_none_at_one_that_has(tmp_path: Path) -> None:
    """The port's number and the URL's beginning go together."""
    with Mosquitto(tmp_path / "plain") as plain:
        settings = {"url": f"mqtts://localhost:{plain.port}"}
        names(examine(write(tmp_path, broker=settings))["tls"], "bad", "TLS", "8883")
    with encrypted(tmp_path) as broker:
        settings = {"url": f"mqtt://localhost:{broker.port}"}
        names(examine(write(tmp_path, broker=settings))["login"], "bad", "不说话", "mqtts://")


def test_a_name_that_nobody_knows(tmp_path: Path) -> None:
    """RFC 6761: .invalid never exists."""
    config = write(tmp_path, broker={"url": "mqtt://broker.invalid"})
    names(examine(config)["dns"], "bad", "broker.invalid", "spelled")


@pytest.mark.parametrize(("protocol", "shop"), [("5", "s2"), ("3.1.1", "s2"), ("5", "s1")])
def test_a_wrong_shop_is_named_by_its_topics(tmp_path: Path, protocol: str, shop: str) -> None:
    """mosquitto lets everybody subscribe to everything and then brings nothing; what it does not take says so. MQTT
    3.1.1 has no word for that: there the doctor can't know.
    """
    acl = tmp_path / "acl"
    acl.write_text("user s1-box1\ntopic read shops/s1/dn/#\ntopic write shops/s1/up/box1/#\n")
    with guarded(tmp_path / "broker", f"acl_file {acl}\n") as broker:
        config = write(tmp_path, shop=shop, broker=member(tmp_path, broker.port, protocol=protocol))
        found = examine(config, failed=None)["topics"]
        if protocol == "5" and shop == "s2":
            names(found, "bad", "ACL", "reading shops/s2/dn/# and writing shops/s2/up/box1/#")
        else:
            assert found["sign"] == "well"


def test_a_wrong_shop_is_named_while_the_agent_runs(tmp_path: Path) -> None:
    """The doctor does not log in beside it: the agent's log knows that its birth was not taken."""
    acl = tmp_path / "acl"
    acl.write_text("user s1-box1\ntopic read shops/s1/dn/#\ntopic write shops/s1/up/box1/#\n")
    with guarded(tmp_path / "broker", f"acl_file {acl}\n") as broker:
        settings = member(tmp_path, broker.port)
        with shopfront(tmp_path, settings, shop="s2") as here:
            here.until(lambda: "report.refused" in here.process.log.read_text(), "a refusal")
            names(examine(here.config)["topics"], "bad", "does not take what we send", "shops/s2/dn/#")


# -- 8: the clock ----------------------------------------------------------------------------------------------------


class Stopped:
    """A clock that shows one moment."""

    def __init__(self, moment: datetime) -> None:
        self._moment = moment

    def monotonic(self) -> float:
        """Seconds."""
        return 1.0

    def utc(self) -> datetime:
        """The moment."""
        return self._moment


def look_at_clock(config: Path, moment: datetime, *, synchronised: bool = False) -> Finding:
    """What the doctor says of it."""
    case = open_case(config, connector, clock=Stopped(moment), synchronised=lambda: synchronised)
    return next(each for each in run_all(case) if each.name == "clock")


def test_a_clock_of_2001_one_that_went_back_and_one_that_nobody_sets(tmp_path: Path) -> None:
    """A box without a battery; a machine that was set by hand."""
    config = write(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data/journal.db").touch()
    now = datetime.now(UTC)
    for moment, sign, why in (
        (datetime(2001, 1, 1, tzinfo=UTC), Sign.BAD, "2001-01-01"),
        (now.replace(year=now.year - 1) if (now.month, now.day) != (2, 29) else now, Sign.BAD, "倒退"),
        (now, Sign.LOOK, "没有对时"),
    ):
        found = look_at_clock(config, moment)
        assert (found.sign, why in found.why.zh) == (sign, True), found
        assert "timedatectl set-ntp true" in found.fix.en
    assert look_at_clock(config, now, synchronised=True).sign is Sign.WELL


# -- 9: the file -----------------------------------------------------------------------------------------------------


def test_what_to_run_after_mending_names_the_file(tmp_path: Path) -> None:
    """Where it is not the usual one."""
    config = write(tmp_path, prnters=[])
    names(examine(config)["config"], "bad", "prnters", f"shop-agent config check --config {config}")


def test_a_typo_in_the_file(tmp_path: Path) -> None:
    """The doctor says what `config check` says, with line and column, and goes on with what it can look at."""
    file = tmp_path / "agent.yaml"
    file.write_text("shop: s1\nbroker: {url: mqtt://localhost}\nprinters:\n  - {name: wok, lnk: tcp://10.0.0.5}\n")
    checked = run_cli(file, "config", "check")
    assert isinstance(checked.exception, ConfigError)
    found = examine(file)
    assert f"{file}:4:17" in str(checked.exception)
    names(found["config"], "bad", f"{file}:4:", "config check")
    assert "did you mean 'link'" in str(checked.exception)
    assert found["clock"]["sign"] in ("well", "look")
    file.write_text("shop: s1\n  broker: {url: mqtt://localhost\n")
    names(examine(file)["config"], "bad", f"{file}:2", "config check")


# -- 11: the disk ----------------------------------------------------------------------------------------------------


@contextmanager
def small_disk(folder: Path, size: str, how: str = "rw") -> Iterator[None]:
    """A disk of its own, where this machine lets us mount one."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size},{how}", "tmpfs", str(folder)]
    if os.getuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount a disk")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize(
    ("size", "how", "why", "fix"),
    [("4m", "rw", "磁盘满了", "journalctl --vacuum-size"), ("1g", "ro", "只读", "remount,rw")],
)
def test_a_full_disk_and_one_that_can_not_be_written(tmp_path: Path, size: str, how: str, why: str, fix: str) -> None:
    """Real ones."""
    with small_disk(tmp_path / "data", size, how):
        found = examine(write(tmp_path))
        names(found["disk"], "bad", why, fix)


# -- 12: the port ----------------------------------------------------------------------------------------------------


def test_a_port_that_another_program_has(tmp_path: Path) -> None:
    """Without the agent, and with one that could not open it; and well, where it is the agent's own."""
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        number = other.getsockname()[1]
        with shopfront(tmp_path, no_broker(), console={"listen": f"127.0.0.1:{number}"}, start=False) as here:
            names(examine(here.config)["port"], "bad", f"端口 {number} 打不开", "ss -ltnp")
            here.start()
            here.until(lambda: any(each["key"] == "console" for each in here.status()["alarms"]), "the alarm")
            names(examine(here.config)["port"], "bad", f"端口 {number} 打不开", "console.listen")
            other.close()
            here.until(lambda: not any(each["key"] == "console" for each in here.status()["alarms"]), "a port")
            assert examine(here.config, failed=None)["port"]["sign"] == "well"


# -- 13: two boxes ---------------------------------------------------------------------------------------------------


def test_two_boxes_with_one_client_id(tmp_path: Path) -> None:
    """Each kicks the other out; both are told that it is the name."""
    with Mosquitto(tmp_path / "broker") as broker, ExitStack() as stack:
        url = f"mqtt://127.0.0.1:{broker.port}"
        boxes = []
        for name in ("one", "other"):
            (tmp_path / name).mkdir()
            boxes.append(stack.enter_context(shopfront(tmp_path / name, url)))

        def known() -> bool:
            told = [alarm["key"] for box in boxes for alarm in box.status()["alarms"]]
            return "broker:client_id" in told

        boxes[0].until(known, "the alarm", 60)
        found = [examine(box.config, failed=None).get("line:client_id") for box in boxes]
        named = [each for each in found if each]
        assert named
        names(named[0], "bad", "同一个编号", "an agent name of its own")


# -- and it does no harm ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_orders_that_wait_in_the_session_still_come_after_the_doctor_was_there(tmp_path: Path, protocol: str) -> None:
    """A broker that names clients after their users makes the doctor's login the agent's own session: the order that
    waits in it must not be lost, nor taken for delivered.
    """
    with guarded(tmp_path / "broker", "use_username_as_clientid true\n") as broker:
        settings = member(tmp_path, broker.port, protocol=protocol)
        with shopfront(tmp_path, settings) as here:
            here.until(lambda: here.status()["line"]["state"] == "up", "the line")
            here.process.stop()
            send(broker.port, "shops/s1/dn/order")
            for _ in range(2):
                assert examine(here.config, failed=False)["login"]["sign"] == "well"
            here.start()
            here.until(lambda: any("#7" in piece.text for piece in here.device.paper.pieces), "the order on paper")


def send(port: int, topic: str) -> None:
    """An order from the cloud."""
    from tests.crash import order_event

    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="cloud", protocol=mqtt.MQTTv5)
    client.username_pw_set("cloud", PASSWORD)
    client.connect("127.0.0.1", port)
    client.loop_start()
    client.publish(topic, msgspec.json.encode(order_event(7)), 1).wait_for_publish(10)
    client.disconnect()
    client.loop_stop()


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_the_doctor_leaves_no_session_behind(tmp_path: Path, protocol: str) -> None:
    """The broker would keep orders for nobody."""
    with Mosquitto(tmp_path / "broker", settings="sys_interval 1") as broker:
        config = load(write(tmp_path, broker={"url": f"mqtt://127.0.0.1:{broker.port}", "protocol": protocol}))
        assert config.broker is not None
        ours = topics("shops", "s1", "box1")
        found = probe.visit(config.broker, None, [ours.order, ours.replay], "shops/s1/up/box1/doctor", 8)
        assert (found.let_in, found.subscribed, found.unread, found.unwritten) == (True, True, {}, "")
        assert sessions(broker.port) == 1, "only who asks"


def sessions(port: int) -> int:
    """How many clients the broker knows, connected or not: its newest count."""
    counts: list[int] = []
    came = threading.Condition()

    def heard(_client: Any, _data: Any, message: mqtt.MQTTMessage) -> None:
        with came:
            counts.append(int(message.payload))
            came.notify_all()

    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="counter", protocol=mqtt.MQTTv5)
    client.on_message = heard
    client.connect("127.0.0.1", port)
    client.subscribe("$SYS/broker/clients/total")
    client.loop_start()
    with came:
        came.wait_for(lambda: 1 in counts, 4)
    client.disconnect()
    client.loop_stop()
    return counts[-1]


def test_the_running_agent_is_not_kicked_out(tmp_path: Path) -> None:
    """Its line stays up, on the same connection."""
    with Mosquitto(tmp_path / "broker") as broker, shopfront(tmp_path, f"mqtt://127.0.0.1:{broker.port}") as here:
        here.until(lambda: here.status()["line"]["state"] == "up", "the line")
        examine(here.config, failed=None)
        publish(broker.port, 8)
        here.until(lambda: any("#8" in piece.text for piece in here.device.paper.pieces), "an order on paper")
        assert here.process.log.read_text().count("broker.connected") == 1


def test_a_free_port_is_named_free(tmp_path: Path) -> None:
    """And a shop that wants none hears nothing of it."""
    number = free_port()
    found = examine(write(tmp_path, console={"listen": f"127.0.0.1:{number}"}))
    assert "空闲" in found["port"]["why"]["zh"]
    assert "port" not in examine(write(tmp_path))
