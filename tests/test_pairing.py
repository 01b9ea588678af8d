"""A pairing token: made, read, refused when it is damaged, and put where its parts belong."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from agent import atomicfile
from agent.cli import cli
from agent.config import load
from agent.config.pairing import PREFIX, Pairing, make_token, read_token, wanted
from agent.config.write import edit
from agent.console.access import Access
from agent.errors import ConfigError

FULL = Pairing("s421", "mqtts://broker.example:8883", "s421-box1", "p@ss:wörd", "emqx", "shops", "box2")


def pair(path: Path, pairing: Pairing) -> None:
    """Put it to use, as the console and the command line do."""
    how = wanted(pairing)
    edit(path, how.change, by="test", beside=how.beside)


@given(st.builds(Pairing, *[st.text(max_size=30)] * 8))
def test_what_is_made_is_read(pairing: Pairing) -> None:
    assert read_token(make_token(pairing)) == pairing


@given(st.text(max_size=200) | st.text(max_size=60).map(lambda text: "SAP1." + text))
def test_whatever_else_is_refused_in_words(text: str) -> None:
    with pytest.raises(ConfigError, match="配对码"):
        read_token(text)


@given(st.integers(0, 200), st.integers(0, 200))
def test_a_piece_of_a_token_is_no_token(start: int, end: int) -> None:
    token = make_token(FULL)
    piece = token[min(start, end) : max(start, end)]
    if piece != token:
        with pytest.raises(ConfigError):
            read_token(piece)


def test_it_survives_a_chat_and_an_address() -> None:
    token = make_token(FULL)
    assert read_token(f"  {token[:20]}\n{token[20:]} \n") == FULL
    assert read_token(f"http://shop-agent.local:8480/setup#pair={token}") == FULL


def test_its_password_goes_into_a_file_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "shop-agent.yaml"
    path.write_text("# ours\nshop: new  # to be changed\nprinters: []\n")
    pair(path, FULL)
    config = load(path, closely=True)
    assert config.broker is not None
    assert (config.shop, config.agent, config.broker.username, config.broker.preset) == (
        "s421", "box2", "s421-box1", "emqx"
    )  # fmt: skip
    assert config.broker.password() == "p@ss:wörd"
    assert "p@ss" not in path.read_text()
    assert path.read_text().startswith("# ours\n")
    assert config.broker.password_file is not None
    assert config.broker.password_file.parent == tmp_path
    assert config.broker.password_file.stat().st_mode & 0o777 == 0o600


def test_one_for_another_broker_changes_nothing_where_it_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "shop-agent.yaml"
    path.write_text("shop: s1\n")
    (tmp_path / "broker.pass").write_text("old\n")
    with pytest.raises(ConfigError, match="url"):
        pair(path, Pairing("s1", "nonsense://", password="new"))
    assert path.read_text() == "shop: s1\n"
    assert (tmp_path / "broker.pass").read_text() == "old\n", "the line that works goes on working"


_KILLED = """
import os, signal, sys
from pathlib import Path
from agent.config import write, pairing
write._write = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
how = pairing.wanted(pairing.Pairing("s1", "mqtts://new.example", password="new", ca="-- new --"))
write.edit(Path(sys.argv[1]), how.change, by="test", beside=how.beside)
"""


def test_cut_half_way_the_old_line_has_its_old_secrets(tmp_path: Path) -> None:
    """Killed between the secrets and the configuration; what was left over goes with the next change."""
    path = tmp_path / "shop-agent.yaml"
    path.write_text("shop: s1\n")
    pair(path, Pairing("s1", "mqtts://old.example", password="old", ca="-- old --"))
    killed = subprocess.run([sys.executable, "-c", _KILLED, str(path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert secrets_of(path) == ("mqtts://old.example", "old", "-- old --")
    assert len(list(tmp_path.glob("broker-*"))) == 4
    pair(path, Pairing("s1", "mqtts://new.example", password="new", ca="-- new --"))
    assert secrets_of(path) == ("mqtts://new.example", "new", "-- new --")
    assert len(list(tmp_path.glob("broker-*"))) == 2, "the old ones are gone"


def test_two_configurations_in_one_folder_keep_their_own_password(tmp_path: Path) -> None:
    """What one names no longer goes; what the other names stays."""
    first, second = tmp_path / "one.yaml", tmp_path / "two.yaml"
    for path, password in ((first, "a"), (second, "b"), (second, "c")):
        pair(path, Pairing("s1", "mqtts://broker.example", password=password))
    assert (secrets_of(first)[1], secrets_of(second)[1]) == ("a", "c")
    assert len(list(tmp_path.glob("broker-*"))) == 2


def test_a_hand_that_edits_meanwhile_keeps_its_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused in the last moment: nothing new is left, and what a person put there stays in any case."""
    path = tmp_path / "shop-agent.yaml"
    (tmp_path / "broker.pass").write_text("typed\n")
    path.write_text("shop: s1\nbroker: {url: 'mqtts://old.example', password_file: broker.pass}\n")
    there = atomicfile.replace

    def too_late(where: Path, data: bytes, **how: Any) -> None:
        if where.name == path.name:
            path.write_text(path.read_text() + "language: zh\n")
        there(where, data, **how)

    with monkeypatch.context() as patch:
        patch.setattr(atomicfile, "replace", too_late)
        with pytest.raises(ConfigError, match="at the same time"):
            pair(path, FULL)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["broker.pass", "shop-agent.yaml"]
    pair(path, FULL)
    assert (tmp_path / "broker.pass").read_text() == "typed\n"
    assert secrets_of(path)[1] == FULL.password


def secrets_of(path: Path) -> tuple[str, str | None, str | None]:
    """Of the line that is configured: where it leads, with which password, and whom it trusts."""
    broker = load(path, closely=True).broker
    assert broker is not None
    return broker.url, broker.password(), broker.ca_file.read_text() if broker.ca_file else None


def test_the_command_line_makes_and_takes_one(tmp_path: Path) -> None:
    path, secret = tmp_path / "shop-agent.yaml", tmp_path / "secret"
    path.write_text("shop: new\n")
    secret.write_text("hush\n")
    make = ["pair", "--make", "--shop", "s9", "--url", "mqtt://127.0.0.1", "--password-file", str(secret)]
    made = CliRunner().invoke(cli, make)
    assert made.exit_code == 0, made.output
    took = CliRunner().invoke(cli, ["pair", "-", "--config", str(path)], input=made.output)
    assert took.exit_code == 0, took.output
    broker = load(path).broker
    assert broker is not None
    assert broker.password() == "hush"


def test_no_token_is_made_of_what_no_box_would_take() -> None:
    """By the configuration's own rules; each fault is told by its option."""
    wrong = ["--shop", "S421", "--url", "127.0.0.1:18833", "--preset", "foo", "--agent", "box 1"]
    made = CliRunner().invoke(cli, ["pair", "--make", *wrong])
    assert made.exit_code == 2
    assert PREFIX not in made.output
    for words in (
        "--shop: 只能用 a-z、0-9 和 - 'S421'",
        "--url: 地址要以 mqtts://",
        "--preset: 不能这样写；可写：",
        "--agent: ",
    ):
        assert words in made.output


def test_reset_pin_makes_a_code_that_counts(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "shop-agent.yaml").write_text("shop: s1\ndata_dir: data\n")
    said = CliRunner().invoke(cli, ["reset-pin", "--config", str(tmp_path / "shop-agent.yaml")])
    assert said.exit_code == 0, said.output
    code = said.output.split()[2]
    assert Access(tmp_path / "data").choose_pin(code, "274859")
