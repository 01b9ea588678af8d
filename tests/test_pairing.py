"""A pairing token: made, read, refused when it is damaged, and put where its parts belong."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from agent.cli import cli
from agent.config import load
from agent.configwrite import edit
from agent.console.access import Access
from agent.errors import ConfigError
from agent.pairing import Pairing, make_token, read_token, wanted

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
    assert (tmp_path / "broker.pass").stat().st_mode & 0o777 == 0o600


def test_one_for_another_broker_changes_nothing_where_it_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "shop-agent.yaml"
    path.write_text("shop: s1\n")
    (tmp_path / "broker.pass").write_text("old\n")
    with pytest.raises(ConfigError, match="url"):
        pair(path, Pairing("s1", "nonsense://", password="new"))
    assert path.read_text() == "shop: s1\n"
    assert (tmp_path / "broker.pass").read_text() == "old\n", "the line that works goes on working"


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


def test_reset_pin_makes_a_code_that_counts(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "shop-agent.yaml").write_text("shop: s1\ndata_dir: data\n")
    said = CliRunner().invoke(cli, ["reset-pin", "--config", str(tmp_path / "shop-agent.yaml")])
    assert said.exit_code == 0, said.output
    code = said.output.split()[2]
    assert Access(tmp_path / "data").choose_pin(code, "274859")
