"""A file that has become wrong costs no ticket: the agent goes on with the configuration that it last ran well with."""

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from agent import app
from agent.app import AGAIN, Agent
from agent.cli import cli
from agent.clock import SystemClock
from agent.config import Config, load
from agent.config.lastgood import FILE, keep, load_or_last
from agent.errors import ConfigError
from agent.journal import notes
from agent.overview.lookout import Lookout
from agent.overview.state import LineNow, Overview, PrinterNow, TicketsNow
from agent.overview.statusline import EACH_S, StatusLine, line_of
from agent.simulator.ports import serve_tcp
from agent.simulator.printer import PrinterSpec, VirtualPrinter
from agent.simulator.stage import AgentProcess
from tests.house import until

WAIT_S = 20.0
GOOD = "shop: s421\ndata_dir: ./data\n"
WRONG = "shop: s421\ndata_dir: ./data   # here\nprinters: [{name: wok, link: 'tcp//1'\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A configuration with which an agent ran well."""
    path = tmp_path / "shop-agent.yaml"
    path.write_text(GOOD)
    (tmp_path / "data").mkdir()
    keep(path, load(path))
    return path


def test_a_file_that_is_right_is_used(file: Path) -> None:
    """Whatever was kept."""
    file.write_text(GOOD.replace("s421", "s9"))
    config, wrong = load_or_last(file)
    assert (config.shop, wrong) == ("s9", "")


@pytest.mark.parametrize(
    "text", [WRONG, "data_dir: './data'\n", "data_dir: ./data\nshop: [\x00", "data_dir: ./data\n\t"]
)
def test_a_file_that_is_wrong_is_stood_in_for(file: Path, text: str) -> None:
    """By the last good one, as if it stood there; and it is said where the mistake is."""
    good = load(file)
    file.write_text(text)
    config, wrong = load_or_last(file)
    assert config == good
    assert wrong.startswith(f"{file}:")
    assert "\n" not in wrong


def test_more_than_one_mistake_is_counted(file: Path) -> None:
    """An alarm is one line."""
    file.write_text(f"{GOOD}language: fr\nprinterz: []\n")
    assert load_or_last(file)[1].endswith(" (+1)")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.unlink(),
        lambda path: (path.parent / "data" / FILE).unlink(),
        lambda path: (path.parent / "data" / FILE).write_text("shop: [\n"),
        lambda path: (path.parent / "data" / FILE).write_text("shop: s1\n"),
        lambda path: path.write_text("shop: s421\ndata_dir: ./elsewhere\nwidth: 1\n"),
    ],
    ids=["file taken away", "nothing kept", "kept, and wrong", "kept, of another folder", "nothing kept there"],
)
def test_without_a_good_one_the_mistake_is_told(file: Path, spoil: Callable[[Path], object]) -> None:
    """Nobody prints by a configuration that nobody meant."""
    file.write_text(WRONG)
    spoil(file)
    with pytest.raises(ConfigError):
        load_or_last(file)


def test_only_what_the_agent_runs_with_is_kept(file: Path) -> None:
    """A change that is not in use yet is no good one yet, nor is a file that is wrong by now."""
    copy, running = file.parent / "data" / FILE, load(file)
    for text in (GOOD.replace("s421", "s9"), WRONG):
        file.write_text(text)
        keep(file, running)
        assert copy.read_text() == GOOD
    file.write_text(f"# mine\n{GOOD}")
    keep(file, running)
    assert copy.read_text() == f"# mine\n{GOOD}"
    assert copy.stat().st_mode & 0o777 == 0o600


@contextmanager
def running(config: Path, log: Path) -> Iterator[AgentProcess]:
    """The agent as its own process, up."""
    process = AgentProcess(config, log)
    process.start()
    try:
        deadline = time.monotonic() + WAIT_S
        while shop_agent(config, "status").exit_code:
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield process
        assert process.stop() == 0
    finally:
        process.kill()


def shop_agent(config: Path, *words: str, **more: str) -> Result:
    """A command at the box."""
    return CliRunner().invoke(cli, [*words, "--config", str(config)], **more)  # type: ignore[arg-type]


def order(number: int) -> str:
    """What a till gives."""
    return msgspec.json.encode({"no": str(number), "items": [{"name": "豆浆", "qty": "2"}]}).decode()


def test_orders_print_with_a_file_that_was_spoilt(tmp_path: Path) -> None:
    """On paper, at the printer of before, under an alarm with line and column; a strict check still fails."""
    config, log = tmp_path / "shop-agent.yaml", tmp_path / "log"
    with VirtualPrinter(PrinterSpec()) as device, serve_tcp(device) as port:
        good = f"shop: s421\ndata_dir: ./data\nprinters: [{{name: wok, link: '{port.link}'}}]\n"
        config.write_text(good)
        with running(config, log):
            assert shop_agent(config, "print", "-", input=order(41)).exit_code == 0
        config.write_text(good.replace("link:", "lnik:"))
        assert shop_agent(config, "config", "check").exit_code
        with running(config, log):
            assert shop_agent(config, "print", "-", input=order(42)).exit_code == 0
            said = shop_agent(config, "status").output
            assert "shop-agent.yaml:3:" in said
            assert "配置文件有错" in said
            found = json.loads(shop_agent(config, "doctor", "--json").stdout)["findings"]
            rows = [(each["name"], each["sign"]) for each in found]
            assert {("config", "bad"), ("agent", "well"), ("printer:wok", "well")} <= set(rows)
        papers = ["".join(piece.text.split()) for piece in device.paper.pieces]
        assert [number for number in ("#41", "#42") if any(number in text for text in papers)] == ["#41", "#42"]
        config.write_text(good)
        with running(config, log):
            assert "配置文件有错" not in shop_agent(config, "status").output


def test_a_first_start_with_a_wrong_file_ends_with_78(tmp_path: Path) -> None:
    """There is nothing to fall back on: systemd tries again each minute."""
    config = tmp_path / "shop-agent.yaml"
    config.write_text(WRONG)
    command = [sys.executable, "-m", "agent", "run", "--config", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S)
    assert done.returncode == 78
    assert "shop-agent.yaml:" in done.stderr


def test_a_mended_file_is_put_to_use_by_itself(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looked at each minute: the agent starts anew with it, and nobody need restart anything."""
    monkeypatch.setattr(app, "TIDY_EACH_S", 0.05)
    good = load(file)
    file.write_text(WRONG)
    agent, stop, codes = Agent(good, SystemClock(), None, file, "line 3"), threading.Event(), list[int]()
    thread = threading.Thread(target=lambda: codes.append(agent.run(stop)))
    thread.start()
    try:
        until(lambda: "config" in agent._journal.write(notes.alarms), "the alarm")
        file.write_text(GOOD)
        thread.join(WAIT_S)
        assert codes == [AGAIN]
    finally:
        stop.set()
        thread.join(WAIT_S)


# -- what systemd shows --------------------------------------------------------------------------------------------


def overview(folder: Path) -> Overview:
    """A box where all is well."""
    journal = Agent(Config(shop="s1", data_dir=folder), SystemClock())._journal
    return Lookout(Config(shop="s1"), journal, SystemClock(), dict, lambda: LineNow("up"), lambda: True).now()


def test_systemd_is_told_how_it_is_when_that_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`systemctl status` has one line: the line, printers that print, tickets that wait, alarms; said once."""
    well = msgspec.structs.replace(overview(tmp_path), alarms=[])
    seen = [msgspec.structs.replace(well, tickets=TicketsNow(waiting=waits)) for waits in (0, 0, 2)]
    wok, bar = (PrinterNow(name, "tcp://1", state) for name, state in (("wok", "ready"), ("bar", "away")))
    seen = [msgspec.structs.replace(each, printers=[wok, bar]) for each in seen]
    told, looks = list[str](), iter(seen)

    class Later(SystemClock):
        now = 0.0

        def monotonic(self) -> float:
            self.now += EACH_S
            return self.now

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        line = StatusLine(lambda: next(looks), Later(), told.append)
        line.turn()  # without systemd nothing is looked at
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        for _ in seen:
            line.turn()
    assert told == [
        "STATUS=云端已连接 line up · 打印机就绪 printers ready 1/2 · 等待 tickets waiting 0",
        "STATUS=云端已连接 line up · 打印机就绪 printers ready 1/2 · 等待 tickets waiting 2",
    ]


def test_alarms_are_in_the_line(tmp_path: Path) -> None:
    """With where to read on."""
    assert line_of(overview(tmp_path)).endswith("报警 alarms 1: shop-agent status")
