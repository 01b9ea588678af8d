"""`shop-agent setup`: by questions, from a file, from the boot partition; never a broken file over a good one."""

import os
import pwd
import stat
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from agent import atomicfile
from agent.cli import cli, questions
from agent.config import Config, bootfile, load, setupfile
from agent.config.bootfile import ERRORS, FOLDERS, NAMES, find, take
from agent.config.changes import changes
from agent.config.pairing import Pairing, make_token
from agent.config.setupfile import install
from agent.config.words import Fault, faults
from agent.errors import ConfigError
from agent.printers.discovery import Found

ROOT = Path(__file__).parent.parent
GOOD = """\
# 第一家店
shop: s421
data_dir: data
secrets:
  # only here
  broker_password: "p@ss: word #1"
broker: {url: "mqtts://broker.example", username: s421}
printers:
  - {name: kitchen, link: "virtual://kitchen"}   # the big one
"""
FOUND = [
    Found(link="usblp:/dev/usb/lp0", kind="usblp", name="XP-80C", width=48, profile="xprinter"),
    Found(link="usblp:/dev/usb/lp1", kind="usblp", name="busy", in_use="kitchen"),
]
NEAR = Found(link="tcp://192.168.1.50:9100", kind="lan", name="", width=32)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Where the configuration goes."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/data").mkdir()
    return tmp_path / "etc" / "shop-agent.yaml"


@pytest.fixture
def boot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A boot partition of the test's own."""
    folder = tmp_path / "boot"
    folder.mkdir()
    monkeypatch.setattr(bootfile, "FOLDERS", (tmp_path / "none", folder))
    monkeypatch.setattr(find, "__defaults__", (bootfile.FOLDERS,))
    return folder


def run(*words: str | Path, said: str = "") -> Result:
    """The command, with what is typed."""
    return CliRunner().invoke(cli, list(map(str, words)), input=said)


def nothing_more(_: Config) -> list[str]:
    """No fault in other files."""
    return []


# -- from a file -------------------------------------------------------------------------------------------------------


def test_a_file_is_installed_with_its_password_apart(tmp_path: Path, target: Path) -> None:
    """Comments and all; the password in a file that only its owner can read, and nowhere else."""
    source = tmp_path / "shop.yaml"
    source.write_text(GOOD)
    done = run("setup", "--from", source, "--config", target)
    assert done.exit_code == 0, done.output
    text = target.read_text()
    kept = [line for line in GOOD.splitlines() if "secrets" not in line and "only here" not in line]
    assert [line for line in kept if line not in text.splitlines()] == [
        '  broker_password: "p@ss: word #1"',
        'broker: {url: "mqtts://broker.example", username: s421}',
    ]
    config = load(target)
    assert config.broker is not None
    assert config.broker.password() == "p@ss: word #1"
    assert config.broker.password_file is not None
    assert stat.S_IMODE(config.broker.password_file.stat().st_mode) == 0o600
    assert "p@ss" not in text + (target.parent / "data/changes.jsonl").read_text() + done.output
    assert changes(target.parent / "data")[0].by.startswith("setup --from, ")
    assert "shop-agent printers test kitchen" in done.output
    assert source.read_text() == GOOD


def test_a_file_may_carry_the_brokers_certificate(tmp_path: Path, target: Path) -> None:
    """For a broker with a CA of its own: one file on the card is all there is to write."""
    source = tmp_path / "shop.yaml"
    pem = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
    inside = "".join(f"    {line}\n" for line in pem.splitlines())
    source.write_text(f"shop: a\nsecrets:\n  broker_ca: |\n{inside}broker:\n  url: mqtts://b\n")
    assert run("setup", "--from", source, "--config", target).exit_code == 0
    config = load(target)
    assert config.broker is not None
    assert config.broker.ca_file is not None
    assert config.broker.ca_file.parent == target.parent
    assert config.broker.ca_file.read_text() == pem
    name = config.broker.ca_file.name
    assert target.read_text() == f"shop: a\nbroker:\n  url: mqtts://b\n  ca_file: {name}\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("shop: A B\nbrokr: 1\n", [":1:7: shop: 'A B' is not possible", ":2:1: brokr: there is no such setting"]),
        ("shop: a\nsecrets:\n  broker_password: x\n\nlanguage: fr\n", [":5:11: language: 'fr' is not possible"]),
        ("shop: a\nsecrets: {broker_password: x}\n", [": secrets.broker_password: there is no broker"]),
        (
            "shop: a\nsecrets: {password: x}\n",
            [": secrets: it may hold broker_password and broker_ca, and nothing else"],
        ),
        (
            "shop: a\nbroker: {url: mqtt://b, password_file: p}\nsecrets: {broker_password: x}\n",
            [": secrets.broker_password: broker.password_file names its file already"],
        ),
        ("shop: a\nstations: [{name: a, template: nope}]\n", [":2:32: stations[0].template: there is no template"]),
        ("shop: a\nmappings: [{topic: shops/a/dn/x, file: x.yaml}]\n", [":2:40: mappings[0].file: there is no file"]),
        ("shop: [\n", [":2:1: "]),
        ("secrets: *x\n", [":1:10: "]),
    ],
)
def test_a_file_with_errors_changes_nothing(target: Path, tmp_path: Path, text: str, said: list[str]) -> None:
    """Every error by the file's own lines, also behind the secrets; exit 78 for the service."""
    good = "shop: works\n"
    target.write_text(good)
    source = tmp_path / "shop.yaml"
    source.write_text(text)
    command = [sys.executable, "-m", "agent", "setup", "--from", str(source), "--config", str(target)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 78, done.stderr
    for words in said:
        place, _, english = words.rpartition(": ")
        assert any(line.startswith(f"{source}{place}: ") and english in line for line in done.stderr.splitlines())
    assert target.read_text() == good
    assert sorted(path.name for path in target.parent.iterdir()) == ["data", "shop-agent.yaml"]


def test_a_file_in_another_encoding_is_named(tmp_path: Path, target: Path) -> None:
    """Notepad in a Chinese Windows saves GBK."""
    source = tmp_path / "shop.yaml"
    source.write_bytes("# 店\nshop: a\n".encode("gbk"))
    with pytest.raises(ConfigError, match=r"shop\.yaml:1:3: this is not UTF-8 text \(perhaps GBK\)"):
        install(source, target, by="test", look=nothing_more)


def test_what_is_wrong_in_files_that_it_names_counts(tmp_path: Path, target: Path) -> None:
    """A key that is not there: the agent would not start."""
    source = tmp_path / "shop.yaml"
    source.write_text("shop: a\nsignatures: {keys: [{id: k, algorithm: hmac-sha256, key_file: none}]}\n")
    done = run("setup", "--from", source, "--config", target)
    assert isinstance(done.exception, ConfigError)
    assert not target.exists()


def test_a_file_that_is_not_there_is_named_by_its_own_option(tmp_path: Path, target: Path) -> None:
    """Not by --config, which was right."""
    done = run("setup", "--from", tmp_path / "none.yaml", "--config", target)
    assert "name another with --from FILE" in str(done.exception)


def test_from_and_from_boot_are_two_ways() -> None:
    """One at a time."""
    assert run("setup", "--from", "x", "--from-boot").exit_code == 2


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_what_root_installs_the_service_can_read_and_change(
    tmp_path: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder, the configuration and the password belong to the service's user."""
    service = types.SimpleNamespace(pw_uid=12345, pw_gid=23456)
    monkeypatch.setattr(setupfile, "SYSTEM_FOLDER", target.parent)
    monkeypatch.setattr(pwd, "getpwnam", lambda name: {"shop-agent": service}[name])
    source = tmp_path / "shop.yaml"
    source.write_text(GOOD)
    install(source, target, by="test", look=nothing_more)
    (password,) = target.parent.glob("broker-*.pass")
    for path in (target.parent, target, password):
        assert (path.stat().st_uid, path.stat().st_gid) == (12345, 23456)


# -- from the boot partition -------------------------------------------------------------------------------------------


def test_the_boot_file_is_taken_and_then_removed(boot: Path, target: Path) -> None:
    """After a start the card holds neither the file nor its password; the next start has nothing to do."""
    (boot / "shop-agent.yaml").write_text(GOOD)
    (boot / ERRORS).write_text("of last time")
    done = run("setup", "--from-boot", "--config", target)
    assert done.exit_code == 0, done.output
    assert list(boot.iterdir()) == []
    assert load(target).shop == "s421"
    assert changes(target.parent / "data")[0].by == "boot partition"
    again = run("setup", "--from-boot", "--config", target)
    assert again.exit_code == 0
    assert "no shop-agent.yaml on the boot partition" in again.output


@pytest.mark.parametrize("name", NAMES)
def test_names_that_laptops_make_count(boot: Path, target: Path, name: str) -> None:
    """A Windows that hides the ends of names makes .yaml.txt of it."""
    (boot / name).write_text("shop: a\n")
    assert run("setup", "--from-boot", "--config", target).exit_code == 0
    assert load(target).shop == "a"
    assert list(boot.iterdir()) == []


def test_a_boot_file_with_errors_stays_and_says_why(boot: Path, target: Path) -> None:
    """Beside it, for the installer's laptop, in both languages; the shop goes on with what it had."""
    target.write_text("shop: works\n")
    (boot / "shop-agent.yaml").write_text("shop: s421\nlanguage：zh\n")
    done = run("setup", "--from-boot", "--config", target)
    assert isinstance(done.exception, ConfigError)
    assert load(target).shop == "works"
    assert (boot / "shop-agent.yaml").exists()
    data = (boot / ERRORS).read_bytes()
    assert data.startswith(b"\xef\xbb\xbf")
    lines = data.decode("utf-8-sig").split("\r\n")
    assert lines[0].startswith("shop-agent.yaml 没有被采用")
    assert lines[1].startswith("shop-agent.yaml was not taken")
    assert lines[3:6] == [
        "* 第 2 行 line 2",
        "  用了全角冒号：请改成半角 : 再加一个空格",
        "  a full-width colon ：; write an ordinary : and a space",
    ]


def test_a_boot_partition_that_can_not_be_written_installs_nothing(
    boot: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else each start would bring it back, over what was changed since."""
    (boot / "shop-agent.yaml").write_text("shop: a\n")
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(ConfigError, match="mount it read-write"):
        take(boot / "shop-agent.yaml", lambda _: pytest.fail("it was installed"))
    assert not target.exists()


@pytest.mark.parametrize("step", ["create", "remove"])
def test_a_power_cut_on_the_way_loses_nothing(
    boot: Path, target: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut before it is installed, or before it is taken away: the file is still there, and the next start does it."""
    (boot / "shop-agent.yaml").write_text(GOOD)

    def cut(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(atomicfile, step, cut)
        assert run("setup", "--from-boot", "--config", target).exit_code == 1
    assert (boot / "shop-agent.yaml").read_text() == GOOD
    assert target.exists() == (step == "remove")
    assert run("setup", "--from-boot", "--config", target).exit_code == 0
    assert list(boot.iterdir()) == []
    assert load(target).shop == "s421"


def test_the_unit_looks_where_the_command_looks() -> None:
    """Its conditions cover every name in every folder; it runs before the agent."""
    unit = (ROOT / "systemd/shop-agent-boot.service").read_text()
    globs = [Path(line.partition("=|")[2]) for line in unit.splitlines() if line.startswith("ConditionPathExistsGlob")]
    for folder in FOLDERS:
        for name in NAMES:
            assert any((folder / name).match(str(glob)) for glob in globs), folder / name
    assert "Before=shop-agent.service" in unit
    assert "setup --from-boot" in unit


# -- by questions ------------------------------------------------------------------------------------------------------


@pytest.fixture
def shops_printers(monkeypatch: pytest.MonkeyPatch) -> None:
    """One at the USB, one that is in use, and on the network a third."""

    def discover(_known: Any, *, on_network: bool = False, tell: Callable[[str], None] = print) -> list[Found]:
        tell("looked")
        return [*FOUND, NEAR] if on_network else list(FOUND)

    monkeypatch.setattr(questions, "discover", discover)


@pytest.fixture
def answers() -> list[str]:
    """For a shop with two printers and a cloud."""
    return ["s421", "y", "1，2", "炒锅", "", "bar", "", "mqtts://broker.example", "s421", "geheim", "", "Asia/Urumqi"]


def ask(target: Path, answers: list[str]) -> Result:
    """All of them, each with Enter."""
    return run("setup", "--config", target, said="".join(f"{answer}\n" for answer in answers))


@pytest.mark.usefixtures("shops_printers")
def test_answers_become_a_configuration(target: Path, answers: list[str]) -> None:
    """What was found is chosen by numbers, with its own width; the password is never shown."""
    done = ask(target, answers)
    assert done.exit_code == 0, done.output
    config = load(target)
    assert (config.shop, config.data_dir) == ("s421", target.parent / "data")
    printers = [(each.name, str(each.link), each.width, each.profile) for each in config.printers]
    assert printers == [
        ("炒锅", "usblp:/dev/usb/lp0", 48, "xprinter"),
        ("bar", "tcp://192.168.1.50:9100", 32, "generic"),
    ]
    assert config.broker is not None
    assert (config.broker.username, config.broker.password()) == ("s421", "geheim")
    assert config.console != "off"
    assert (config.console.listen, config.timezone) == ("0.0.0.0:8480", "Asia/Urumqi")
    assert f"shop-agent reset-pin --config {target}" in done.output
    assert ("no printer yet" in done.output, "no cloud yet" in done.output) == (False, False)
    assert "geheim" not in done.output + target.read_text()
    assert "busy" not in done.output


@pytest.mark.usefixtures("shops_printers")
def test_a_wrong_answer_is_asked_again(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what is wrong; a printer may be given by its address."""
    monkeypatch.setenv("TZ", "UTC")
    typed = [
        "S 421",
        "s421",
        "n",
        "7",
        "tcp://",
        "tcp://10.0.0.9",
        "a b",
        "kitchen",
        "300",
        "48",
        "broker",
        "off",
        "n",
        "Asia/Beijing",
        "",
    ]
    done = ask(target, typed)
    assert done.exit_code == 0, done.output
    for words in (
        "did you mean 'Asia/Shanghai'",
        "no cloud yet",
        "'S 421' is not possible",
        "there is no number 7",
        "'a b' is not possible",
        "mqtts://",
    ):
        assert words in done.output
    config = load(target)
    assert (config.console, config.timezone) == ("off", "Asia/Shanghai")
    assert (config.broker, config.printers[0].name, str(config.printers[0].link)) == (
        None,
        "kitchen",
        "tcp://10.0.0.9:9100",
    )


@pytest.mark.usefixtures("shops_printers")
def test_enter_changes_nothing(target: Path, answers: list[str]) -> None:
    """A second time, with Enter alone: the file is as it was, byte for byte."""
    ask(target, answers)
    target.write_text(target.read_text() + "# mine\n")
    before = target.read_bytes()
    done = ask(target, ["", "", "", "", "", "", ""])
    assert done.exit_code == 0, done.output
    assert target.read_bytes() == before


@pytest.mark.usefixtures("shops_printers")
def test_a_pairing_token_answers_for_the_cloud(target: Path) -> None:
    """One line brings shop, broker and password."""
    token = make_token(Pairing("s9", "mqtts://b:8883", username="s9", password="geheim", prefix="kitchens"))
    done = ask(target, ["any", "n", "0", token, "", ""])
    assert done.exit_code == 0, done.output
    config = load(target)
    assert config.broker is not None
    assert (config.shop, config.prefix, config.broker.url) == ("s9", "kitchens", "mqtts://b:8883")
    assert config.broker.password() == "geheim"


@pytest.mark.usefixtures("shops_printers")
def test_enter_alone_opens_the_page_and_takes_the_machines_time(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A box whose page nobody can open, or whose tickets are in UTC, is none that a shop can use."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    done = ask(target, ["s1", "n", "0", "", "", ""])
    assert done.exit_code == 0, done.output
    config = load(target)
    assert config.console != "off"
    assert (config.console.listen, config.timezone) == ("0.0.0.0:8480", "Asia/Tokyo")
    assert "no printer yet" in done.output


@pytest.mark.usefixtures("shops_printers")
def test_who_stops_half_way_has_changed_nothing(target: Path) -> None:
    """Ctrl-C, or the end of what is typed: no file, and no password either."""
    done = ask(target, ["s421", "n", "1"])
    assert done.exit_code == 1
    assert sorted(path.name for path in target.parent.iterdir()) == ["data"]


# -- words -------------------------------------------------------------------------------------------------------------


def test_errors_are_said_in_chinese_too() -> None:
    """With their place apart, for a page; what has no words of its own still has its English."""
    text = "/etc/a.yaml:3:5: printers[0].width: '8o' is not a whole number; write digits only\nsomething else"
    assert faults(text) == [
        Fault("printers[0].width", 3, 5, "要写整数", "'8o' is not a whole number; write digits only"),
        Fault("", 0, 0, "写法不对", "something else"),
    ]


@pytest.mark.parametrize(
    ("setting", "zh"),
    [
        ("agent: BOX", "只能用 a-z、0-9 和 -"),
        ("language: cn", "不能这样写；可写：zh、en、both"),
        ("language: enn", "不能这样写；是不是 'en'？"),
        ("brokr: 1", "没有这个设置项；是不是 'broker'？"),
        ("moon: 1", "没有这个设置项；请检查拼写"),
        ("broker: {host: a, url: mqtts://b}", "没有这个设置项；请写 url: mqtts://HOST:PORT"),
        ("broker: {url: mqtts://b, password: p#w: d}", "少了逗号或右括号；值里有 # 或 : 时请加引号"),
        ("broker: {}", "缺少这一项；例如 url: mqtts://broker.example:8883"),
        ("console: 8480", '不能这样写；可写 off，或 console: {listen: "0.0.0.0:8480"}'),
        ("console: {listen: 8480}", '只写了端口；请写 "0.0.0.0:8480"'),
        ("updates: {hours: 3}", '要写从几点到几点，例如 "03:00-05:00"'),
        ("printers: [{name: a, link: tcp://10.0.0.9, confirm: x}]", "不能这样写；可写：auto、process_id、status、none"),
        ("stations: [{name: a, template: moon}]", "没有这个小票模板；可写：expo、kitchen、label、receipt"),
    ],
)
def test_what_to_write_instead_is_said_in_chinese_too(tmp_path: Path, setting: str, zh: str) -> None:
    """Not only in the English behind it."""
    (path := tmp_path / "agent.yaml").write_text(f"shop: s1\n{setting}\n")
    with pytest.raises(ConfigError) as wrong:
        load(path, closely=True)
    assert [fault.zh for fault in faults(str(wrong.value))] == [zh]
