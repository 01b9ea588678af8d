"""The doctor's rules and its bounds: what is worn, what is large, and a check that hangs or fails costs no other."""

import json
import os
import socket
import threading
import time
import types
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agent.broker.probe import Visit
from agent.cli.doctor import NAMES
from agent.config import Broker, Printer, load
from agent.doctor import disk, files, line, login, place, printers, running, table, times
from agent.doctor.case import Case, Roots, open_case
from agent.doctor.finding import MARKS, Finding, Sign, well
from agent.model.link import parse_link
from agent.overview.state import AlarmNow, LineNow, OrdersNow, Overview, PrinterNow, TicketsNow, Words
from agent.printers.link import Connector
from agent.unixuser import User, may, service_user
from tests.office import HandClock
from tests.shopfront import run_cli

ME = User("me", os.getuid(), frozenset(os.getgroups()), os.getgid())
SERIAL = Printer(name="bar", link=parse_link("serial:///dev/null?baud=9600"))
NETWORK = Printer(name="wok", link=parse_link("tcp://10.0.0.9"))


def nobody(_printer: Printer) -> Connector:
    """No printer is opened in these tests."""
    raise AssertionError


def case(folder: Path, **more: Any) -> Case:
    """A shop in this folder."""
    file = folder / "agent.yaml"
    settings = more.pop("settings", {})
    told = {"shop": "s1", "data_dir": str(folder), "broker": {"url": "mqtt://127.0.0.1:1"}, **settings}
    file.write_bytes(msgspec.json.encode(told))
    facts: dict[str, Any] = {
        "path": file,
        "config": load(file),
        "faults": [],
        "overview": None,
        "silent": "",
        "alone": True,
        "refused": "",
        "user": ME,
        "clock": HandClock(),
        "connect": nobody,
        "synchronised": lambda: True,
        "roots": Roots(folder / "sys", folder / "logs"),
    }
    return Case(**{**facts, **more})


def overview(*alarms: AlarmNow, **more: Any) -> Overview:
    """A running agent that is well but for these alarms."""
    facts: dict[str, Any] = {
        "well": "well",
        "version": "1",
        "shop": "s1",
        "agent": "box1",
        "at": "",
        "started": "",
        "up_s": 60,
        "line": LineNow("up"),
        "printers": [],
        "tickets": TicketsNow(),
        "orders": OrdersNow(),
        "alarms": list(alarms),
        "clock_synchronised": True,
        "disk_free": 1 << 30,
        "journal_ok": True,
        "last_order": "",
    }
    return Overview(**{**facts, **more})


def one(found: Any) -> Finding:
    """The only thing that was found."""
    (finding,) = found
    assert isinstance(finding, Finding)
    return finding


# -- bounds --------------------------------------------------------------------------------------------------------


def test_a_check_that_hangs_or_fails_costs_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a finding too; what it found before counts."""
    for_ever = threading.Event()

    def hangs(_case: Case) -> Iterator[Finding]:
        yield well("disk", "先查到的", "found before")
        for_ever.wait(60)

    def fails(_case: Case) -> Iterator[Finding]:
        raise OSError("the moon is full")

    monkeypatch.setattr(
        table, "CHECKS", {"disk": hangs, "clock": fails, "config": files.config, "alarms": running.alarms}
    )
    monkeypatch.setattr(table, "LIMITS_S", {"disk": 0.3})
    began = time.monotonic()
    found = table.run_all(case(tmp_path))
    assert time.monotonic() - began < 5
    assert [(each.name, each.sign) for each in found[:3]] == [
        ("disk", Sign.WELL),
        ("disk", Sign.LOOK),
        ("clock", Sign.LOOK),
    ]
    assert "the moon is full" in found[2].why.en
    assert found[3].name == "config"
    for_ever.set()


def test_no_check_may_take_longer_than_all() -> None:
    """Half a minute in all; each is said by its name in both languages."""
    assert max(5.0, printers.LIMIT_S, *table.LIMITS_S.values()) <= table.ALL_S
    assert set(table.LIMITS_S) <= set(table.CHECKS)
    names = {*table.CHECKS, "printer", "alarm"} - {"alarms"}
    assert names <= set(NAMES)
    assert set(MARKS) == set(Sign)
    assert "".join(MARKS.values()) == "✓!✗"


def test_a_name_server_that_does_not_answer_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """getaddrinfo may take half a minute, and nobody can stop it."""
    over = threading.Event()
    monkeypatch.setattr(line, "STEP_S", 0.2)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_a, **_k: over.wait(30))
    there = case(tmp_path, settings={"broker": {"url": "mqtt://broker.example"}})
    found = one(line.line(there))
    over.set()
    assert (found.name, found.sign) == ("dns", Sign.BAD)
    assert "no answer" in found.why.en


# -- the file and the user -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "who", "reads", "writes"),
    [
        (0o600, User("owner", 1, frozenset(), 2), True, True),
        (0o400, User("owner", 1, frozenset({2}), 2), True, False),
        (0o660, User("member", 9, frozenset({2}), 2), True, True),
        (0o640, User("member", 9, frozenset({2}), 2), True, False),
        (0o600, User("member", 9, frozenset({2}), 2), False, False),
        (0o066, User("owner", 1, frozenset({2}), 2), False, False),
        (0o666, User("other", 9, frozenset(), 2), True, True),
        (0o000, User("root", 0, frozenset(), 2), True, True),
    ],
)
@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file to somebody else")
def test_who_may(tmp_path: Path, mode: int, who: User, reads: bool, writes: bool) -> None:
    """By owner, else by group, else as everybody: the first that fits decides, as in the kernel."""
    file = tmp_path / "file"
    file.touch()
    os.chown(file, 1, 2)
    file.chmod(mode)
    assert (may(who, file), may(who, file, write=True)) == (reads, writes)


def test_the_service_user_is_whose_the_data_directory_is(tmp_path: Path) -> None:
    """And who asks, where there is none."""
    assert service_user(tmp_path).uid == tmp_path.stat().st_uid
    assert service_user(tmp_path / "nothing").name


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file to somebody else")
def test_what_sudo_left_behind_is_named(tmp_path: Path) -> None:
    """The journal of an agent that ran as root once can't be written by the service."""
    (tmp_path / "journal.db").touch()
    os.chown(tmp_path, 65534, 65534)
    found = one(files.data_dir(case(tmp_path, user=User("nobody", 65534, frozenset({65534}), 2))))
    assert found.sign is Sign.BAD
    assert "chown -R nobody" in found.fix.en
    os.chown(tmp_path, 0, 0)
    found = one(files.data_dir(case(tmp_path, user=User("nobody", 65534, frozenset({65534}), 2))))
    assert (found.sign, "chmod 700" in found.fix.en) == (Sign.BAD, True)


def test_a_warning_of_the_file_is_no_failure(tmp_path: Path) -> None:
    """The agent prints with it."""
    there = case(tmp_path, settings={"printers": [{"name": "wok", "link": "tcp://10.0.0.9", "width": 80}]})
    found = list(files.config(there))
    assert {each.sign for each in found} == {Sign.LOOK, Sign.WELL}
    assert any("宽度是字符数，不是毫米" in each.why.zh for each in found)


def test_what_is_wrong_with_the_file_is_said_once_in_each_language(tmp_path: Path) -> None:
    """The Chinese row has the place and the kind of mistake, not the English words once more."""
    (tmp_path / "wrong.yaml").write_text("shop: s1\nbroker: {url: mqtt://b, prefix: shops}\n")
    there = open_case(tmp_path / "wrong.yaml", lambda printer, _: nobody(printer))
    found = one(files.config(there))
    assert found.why.zh == "配置有错，第 2 行 broker.prefix：位置不对：它要写在最外层，前面不空格"
    assert found.why.en.endswith("it belongs at the top of the file: write prefix: without indent")
    (missing,) = files.config(open_case(tmp_path / "none.yaml", lambda printer, _: nobody(printer)))
    assert (missing.why.zh, "sudo shop-agent setup" in missing.fix.en) == ("配置有错，文件不存在", True)


def test_a_disk_that_nobody_can_write_is_one_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read-only disk is no fault of the file's owner, and a folder that is on no disk is not full."""
    whole = os.statvfs(tmp_path)

    def statvfs(_path: Any) -> Any:
        return types.SimpleNamespace(f_bavail=1 << 20, f_frsize=4096, f_favail=9, f_blocks=1 << 21, f_flag=os.ST_RDONLY)

    assert not whole.f_flag & os.ST_RDONLY
    with monkeypatch.context() as patch:
        patch.setattr(os, "statvfs", statvfs)
        patch.setattr(os, "access", lambda _path, mode: mode != os.W_OK | os.X_OK)
        there = case(tmp_path, settings={"printers": [{"name": "wok", "link": "virtual://wok"}]})
        found = [*files.config(there), *files.data_dir(there), *disk.room(there)]
    assert [each.name for each in found if each.sign is not Sign.WELL] == ["disk"]
    assert [each.name for each in found if each.sign is Sign.WELL] == ["config"]
    there = case(tmp_path, settings={"data_dir": "/proc/nowhere"})
    nowhere = [*files.data_dir(there), *disk.room(there)]
    assert [(each.name, each.sign, each.why.en) for each in nowhere] == [("disk", Sign.BAD, "/proc is on no disk")]


# -- the disk ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("life", "ending", "sign"),
    [
        ("0x01 0x02", "0x01", Sign.WELL),
        ("0x08 0x01", "0x01", Sign.WELL),
        ("0x09 0x01", "0x01", Sign.LOOK),
        ("0x01 0x01", "0x02", Sign.LOOK),
        ("0x0b 0x01", "0x01", Sign.BAD),
        ("0x01 0x01", "0x03", Sign.BAD),
        ("0x00 0x00", "0x00", Sign.WELL),
        ("garbage", "", Sign.WELL),
        ("", "", Sign.WELL),
    ],
)
def test_wear_is_what_an_emmc_says(tmp_path: Path, life: str, ending: str, sign: Sign) -> None:
    """A card that says nothing is not blamed; a partition's disk is asked."""
    number = tmp_path.stat().st_dev
    whole = tmp_path / "sys/devices/mmcblk0"
    part = whole / "mmcblk0p2"
    part.mkdir(parents=True)
    (part / "partition").write_text("2\n")
    (whole / "device").mkdir()
    (whole / "stat").write_text("1 2 3 4 5 6 2097152 8\n")
    if life:
        (whole / "device/life_time").write_text(f"{life}\n")
        (whole / "device/pre_eol_info").write_text(f"{ending}\n")
    link = tmp_path / f"sys/dev/block/{os.major(number)}:{os.minor(number)}"
    link.parent.mkdir(parents=True)
    link.symlink_to(part)
    found = one(disk.wear(case(tmp_path)))
    assert found.sign is sign
    assert "1.0 GB" in found.why.en
    assert "mmcblk0," in found.why.en


def test_a_disk_that_is_no_block_device_has_no_wear(tmp_path: Path) -> None:
    """A tmpfs, a container."""
    assert not list(disk.wear(case(tmp_path)))


def test_large_files_are_named(tmp_path: Path) -> None:
    """The WAL, the machine's log, a journal that was set aside. Sparse files: nothing is written."""
    (tmp_path / "broken-2026").mkdir()
    (tmp_path / "logs/id").mkdir(parents=True)
    for name, size in (("journal.db", 1), ("journal.db-wal", disk.LARGE_WAL + 1), ("logs/id/system.journal", 1 << 30)):
        with (tmp_path / name).open("wb") as file:
            file.truncate(size)
    there = case(tmp_path)
    journal = [each for each in disk.room(there) if each.name == "journal"]
    assert [each.sign for each in journal] == [Sign.LOOK, Sign.LOOK]
    assert one(disk.logs(there)).sign is Sign.LOOK
    (tmp_path / "logs/id/system.journal").unlink()
    assert one(disk.logs(there)).sign is Sign.WELL


# -- time ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "setting", "language", "sign"),
    [
        ("UTC", "", "both", Sign.LOOK),
        ("UTC", "", "en", Sign.WELL),
        ("UTC", "Asia/Shanghai", "both", Sign.WELL),
        ("Asia/Shanghai", "", "zh", Sign.WELL),
    ],
)
def test_a_kitchen_in_utc_is_asked_about(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zone: str, setting: str, language: str, sign: Sign
) -> None:
    """Eight hours off on every ticket."""
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        there = case(tmp_path, settings={"language": language, **({"timezone": setting} if setting else {})})
        assert one(times.timezone(there)).sign is sign
    finally:
        monkeypatch.delenv("TZ")
        time.tzset()


def test_a_clock_that_shall_be_trusted_is(tmp_path: Path) -> None:
    """Where the configuration says so nobody need set it."""
    there = case(tmp_path, settings={"intake": {"clock": "trust"}}, synchronised=lambda: False)
    there = msgspec.structs.replace(there, clock=Now())
    assert one(times.clock(there)).sign is Sign.WELL


class Now:
    """The machine's clock."""

    def monotonic(self) -> float:
        """Seconds."""
        return 0.0

    def utc(self) -> datetime:
        """Now."""
        return datetime.now(UTC)


# -- the running agent ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "sign", "why", "fix"),
    [
        (PrinterNow("bar", "", "ready", tier="process_id"), Sign.WELL, "就绪", ""),
        (PrinterNow("bar", "", "needs_human", need="cutter"), Sign.BAD, "切刀", "Free the cutter"),
        (PrinterNow("bar", "", "other", why="x"), Sign.BAD, "换成了别的设备", "接回原来的打印机"),
        (PrinterNow("bar", "", "ready", alarms=["silent"]), Sign.BAD, "没有回应", "关机再开机"),
        (PrinterNow("bar", "", "away", why="no answer to a fence"), Sign.BAD, "连不上", "?baud="),
        (PrinterNow("bar", "", "ready", tier="none"), Sign.LOOK, "不应答", "?baud="),
        (PrinterNow("bar", "", "connecting"), Sign.LOOK, "还在连接", "Look again"),
    ],
)
def test_a_printer_as_the_agent_tells_of_it(tmp_path: Path, now: PrinterNow, sign: Sign, why: str, fix: str) -> None:
    """It is not opened a second time."""
    there = case(tmp_path, overview=overview(printers=[now]))
    found = one(printers.look_at(SERIAL, there))
    assert found.sign is sign
    assert why in found.why.zh
    assert fix in found.fix.zh + found.fix.en


def test_a_paused_printer_is_named_beside_how_it_is(tmp_path: Path) -> None:
    """Somebody forgot it."""
    now = PrinterNow("wok", "", "ready", tier="status", paused=True, alarms=["paused"])
    found = list(printers.look_at(NETWORK, case(tmp_path, overview=overview(printers=[now]))))
    assert [each.sign for each in found] == [Sign.WELL, Sign.LOOK]
    assert "printers resume wok" in found[1].fix.en


@pytest.mark.parametrize(
    ("said", "fix"),
    [
        ("connect 10.0.0.9:9100: [Errno 111] Connection refused", "not at that port"),
        ("connect 10.0.0.9:9100: timed out", "network cable"),
        ("connect 10.0.0.9:9100: [Errno 113] No route to host", "network cable"),
    ],
)
def test_why_a_network_printer_is_away(said: str, fix: str) -> None:
    """Somebody refuses, or nobody is there."""
    assert fix in printers.unreachable("printer:wok", NETWORK, said).fix.en


def test_the_port_that_nobody_listens_at_is_named() -> None:
    """The link's own, which need not be 9100."""
    there = msgspec.structs.replace(NETWORK, link=parse_link("tcp://10.0.0.9:9999"))
    found = printers.unreachable("printer:wok", there, "connect 10.0.0.9:9999: [Errno 111] Connection refused")
    assert "没人听 9999" in found.fix.zh


def test_another_program_and_a_missing_right_are_named() -> None:
    """As the drivers say it."""
    usb = msgspec.structs.replace(NETWORK, link=parse_link("usblp:/dev/usb/lp0"))
    busy = "another program holds /dev/usb/lp0; stop it (systemctl disable --now cups, if it is CUPS)"
    assert "disable --now cups" in printers.unreachable("printer:wok", usb, busy).fix.en
    right = "this user may not open /dev/usb/lp0: install 60-shop-agent-printers.rules"
    assert "60-shop-agent-printers.rules" in printers.unreachable("printer:wok", usb, right).fix.zh


def test_alarms_that_no_other_check_is_about_are_named(tmp_path: Path) -> None:
    """Each once; those of printers and of the line stand at their own rows."""
    alarms = [
        AlarmNow(key, "box", "", Words("坏", "bad"), Words("修", "mend"), grave=key == "journal")
        for key in (
            "journal",
            "waiting:old",
            "printer:wok:paper",
            "broker:refused",
            "console",
            "console:guessed",
            "line",
            "disk",
        )
    ]
    found = list(running.alarms(case(tmp_path, overview=overview(*alarms))))
    assert [(each.name, each.sign) for each in found] == [
        ("alarm:journal", Sign.BAD),
        ("alarm:waiting:old", Sign.LOOK),
        ("alarm:console:guessed", Sign.LOOK),
    ]


def test_an_alarm_says_its_sentence_once(tmp_path: Path) -> None:
    """A reason that only says it again is left out; one that says more stands there once."""
    again = AlarmNow(
        "session", "line", "the broker has forgotten this box", Words("忘记了", "forgot"), Words("修", "mend")
    )
    more = AlarmNow("journal", "box", "bad sector", Words("坏", "bad"), Words("修", "mend"))
    found = list(running.alarms(case(tmp_path, overview=overview(again, more))))
    assert [(each.why.zh, each.why.en) for each in found] == [("忘记了", "forgot"), ("坏", "bad (bad sector)")]


def test_an_agent_that_does_not_answer_is_worse_than_none(tmp_path: Path) -> None:
    """Its printers are left alone."""
    assert one(running.agent(case(tmp_path))).sign is Sign.LOOK
    stuck = case(tmp_path, alone=False, silent="it did not answer within 5 s")
    assert one(running.agent(stuck)).sign is Sign.BAD
    assert one(printers.look_at(NETWORK, stuck)).sign is Sign.LOOK


# -- the login -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "sign", "fix"),
    [
        (135, Sign.BAD, "Wrong user or password"),
        (4, Sign.BAD, "Wrong user or password"),
        (132, Sign.BAD, "protocol: '3.1.1'"),
        (1, Sign.BAD, "protocol: '3.1.1'"),
        (133, Sign.LOOK, "client id"),
        (136, Sign.BAD, "operator"),
        (None, Sign.BAD, "mqtts://"),
    ],
)
def test_why_a_broker_keeps_us_out(code: int | None, sign: Sign, fix: str) -> None:
    """By its word (MQTT 5.0 section 3.2.2.2, 3.1.1 section 3.2.2.3)."""
    found = login._kept_out(Visit(code=code, reason="why"), Broker(url="mqtt://10.0.0.1"))
    assert found.sign is sign
    assert fix in found.fix.en


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"preset": "aws", "cert_file": "c.pem", "key_file": "k.pem"}, "lets nobody else in"),
        ({"username": "s1-box1"}, "can't be seen"),
    ],
)
def test_a_login_that_can_not_be_tried_is_not_blamed(tmp_path: Path, settings: dict[str, Any], words: str) -> None:
    """Brokers that know only the box's own client id, and a password that only systemd gives the service."""
    there = case(tmp_path, settings={"broker": {"url": "mqtts://10.0.0.1", **settings}})
    assert there.config is not None
    assert there.config.broker is not None
    found = one(login.log_in(there.config, there.config.broker, there))
    assert (found.sign, words in found.why.en) == (Sign.LOOK, True)


def test_a_shop_without_a_cloud_lacks_nothing(tmp_path: Path) -> None:
    """No name, no port, no login."""
    there = case(tmp_path)
    assert there.config is not None
    alone = msgspec.structs.replace(there, config=msgspec.structs.replace(there.config, broker=None))
    found = one(line.line(alone))
    assert (found.name, found.sign) == ("line", Sign.WELL)


# -- the command ---------------------------------------------------------------------------------------------------


def test_lines_survive_a_copy_into_a_chat(tmp_path: Path) -> None:
    """A sign, what, why; and below it the one thing to do."""
    there = case(tmp_path)
    done = run_cli(there.path, "doctor")
    assert done.exit_code == 1
    lines = done.stdout.splitlines()
    assert all(line[0] in "✓!✗" or line.startswith("    → ") for line in lines)
    assert not any(char in done.stdout for char in "\x1b\t")
    (network,) = [at for at, line in enumerate(lines) if line.startswith("✗  网络 network")]
    assert lines[network + 1].startswith("    → 核对端口")
    told = json.loads(run_cli(there.path, "doctor", "--json").stdout)
    assert told["ok"] is False
    assert {each["sign"] for each in told["findings"]} <= {"well", "look", "bad"}


@pytest.mark.parametrize(
    ("controllers", "sign"),
    [("cpuset cpu io memory pids\n", Sign.WELL), ("cpuset cpu io pids\n", Sign.LOOK), (None, None)],
)
def test_a_kernel_that_can_not_limit_memory_is_named(
    tmp_path: Path, controllers: str | None, sign: Sign | None
) -> None:
    """A Raspberry Pi's, without a word in its cmdline.txt; where there are no control groups nobody can tell."""
    if controllers is not None:
        told = tmp_path / "sys/fs/cgroup/cgroup.controllers"
        told.parent.mkdir(parents=True)
        told.write_text(controllers)
    found = list(place.memory(case(tmp_path)))
    assert [each.sign for each in found] == ([] if sign is None else [sign])
    assert all("cgroup_enable=memory" in each.fix.en for each in found if each.sign is Sign.LOOK)
