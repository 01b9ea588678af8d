"""The command line: exit codes, `config check`, `show` and `schema`, and what `run` does not import."""

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from agent import __version__
from agent.__main__ import main
from agent.cli import cli
from agent.config import load
from agent.errors import AgentError, AgentNotRunning, CommandRefused, ConfigError, DataDirLocked, Unavailable

EXAMPLE = Path(__file__).parent.parent / "config/shop-agent.example.yaml"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("a\nb"), 78),
        (DataDirLocked("by 42"), 75),
        (AgentNotRunning("start it"), 69),
        (CommandRefused("it is settled"), 1),
        (Unavailable("no route"), 1),
    ],
)
def test_exit_code_says_who_must_act(
    error: AgentError, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """78: a person must change the file, systemd does not restart; 75: the directory is in use, try again; 69: nobody
    answers here; 1: it was refused.
    """

    @click.command()
    def boom() -> None:
        raise error

    monkeypatch.setitem(cli.commands, "boom", boom)
    monkeypatch.setattr(sys, "argv", ["shop-agent", "boom"])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == code
    assert capsys.readouterr().err == f"{error}\n"


def test_errors_of_the_file_are_said_in_chinese_first(tmp_path: Path) -> None:
    """Behind the place, which editors and programs read; also of a file that is not there."""
    path = tmp_path / "shop.yaml"
    path.write_text("shop: A B\nbrokr: 1\n")

    def said(*words: str) -> list[str]:
        done = subprocess.run([sys.executable, "-m", "agent", *words], capture_output=True, text=True)
        assert done.returncode == 78
        return done.stderr.splitlines()

    first, second = said("config", "check", "--config", str(path))
    assert first.startswith(f"{path}:1:7: shop: 只能用 a-z、0-9 和 -  'A B' is not possible; ")
    assert second.startswith(f"{path}:2:1: brokr: 没有这个设置项；是不是 'broker'？  there is no such setting; ")
    (missing,) = said("setup", "--from", str(tmp_path / "none"), "--config", str(path))
    assert missing.endswith("none: 文件不存在  there is no such file; name another with --from FILE")


def test_run_with_a_wrong_file_exits_78_and_names_every_error(tmp_path: Path) -> None:
    """The service does not start on a wrong file, and its journal says all that is wrong."""
    path = tmp_path / "shop.yaml"
    path.write_text("shop: A B\nbrokr: 1\n")
    done = subprocess.run([sys.executable, "-m", "agent", "run", "--config", str(path)], capture_output=True, text=True)
    assert done.returncode == 78
    assert [line.removeprefix(f"{path}:").partition(": ")[0] for line in done.stderr.splitlines()] == [
        "1:7",
        "2:1",
    ]


@pytest.mark.parametrize("place", ["file", "file/below", "locked"])
def test_data_directory_that_can_not_be_used_is_a_fault_of_the_file(tmp_path: Path, place: str) -> None:
    """`run` ends with 78 and says where and what to write; `config check` warns before."""
    (tmp_path / "file").write_text("")
    (tmp_path / "locked/lock").mkdir(parents=True)
    path = tmp_path / "shop.yaml"
    path.write_text(f"shop: s1\ndata_dir: ./{place}\nbroker: {{url: mqtt://localhost}}\n")
    done = subprocess.run([sys.executable, "-m", "agent", "run", "--config", str(path)], capture_output=True, text=True)
    assert (done.returncode, "Traceback" in done.stderr) == (78, False)
    assert done.stderr.splitlines()[-1].startswith(
        f"{path}:2:11: data_dir: 数据目录用不了  {tmp_path / place} can't be used ("
    )
    assert done.stderr.endswith("write a folder that this user may write, such as data_dir: ./data\n")
    checked = CliRunner().invoke(cli, ["config", "check", "--config", str(path)])
    assert (checked.exit_code, "can't be used" in checked.output) == (0, place != "locked")


def test_check_says_ok() -> None:
    """A right file gets one line that shows what was understood."""
    result = CliRunner().invoke(cli, ["config", "check", "--config", str(EXAMPLE)])
    assert result.exit_code == 0
    assert f"{EXAMPLE}: ok (shop s421, broker mqtts://broker.example:8883, printers: kitchen, bar)" in result.output


def test_shown_configuration_means_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `show` prints can be loaded again and changes nothing; the password is not in it."""
    monkeypatch.setenv("SHOP_AGENT_BROKER_PASSWORD", "hunter2")
    result = CliRunner().invoke(cli, ["config", "show", "--config", str(EXAMPLE)])
    assert "hunter2" not in result.output
    assert result.output.startswith("# broker password: from $SHOP_AGENT_BROKER_PASSWORD")
    shown = tmp_path / "shown.yaml"
    shown.write_text(result.output, "utf-8")
    assert load(shown) == load(EXAMPLE)


def test_version_is_said_both_ways() -> None:
    """As a command and as the option that everybody tries."""
    said = [CliRunner().invoke(cli, [words]) for words in ("version", "--version")]
    assert [result.exit_code for result in said] == [0, 0]
    assert said[0].output == said[1].output
    assert said[0].output.startswith(f"shop-agent {__version__} (Python 3.")


def test_show_is_for_programs_too() -> None:
    """The same in JSON, defaults filled in."""
    shown = json.loads(CliRunner().invoke(cli, ["config", "show", "--json", "--config", str(EXAMPLE)]).output)
    assert shown["stations"][1]["match"]["sku"] == ["0421", "DJ01"]
    assert (shown["printers"][1]["link"], shown["printers"][1]["dots"]) == (
        "serial:///dev/ttyUSB0?baud=19200&flow=rtscts",
        384,
    )


def test_schema_knows_every_setting() -> None:
    """The schema is JSON, names what is required and closes every group."""
    schema = json.loads(CliRunner().invoke(cli, ["config", "schema"]).output)
    assert schema["required"] == ["shop"]
    assert schema["properties"]["broker"]["required"] == ["url"]
    assert schema["properties"]["printers"]["items"]["properties"]["link"]["type"] == "string"
    on, off = schema["properties"]["console"]["anyOf"]
    assert (on["type"], on["required"], on["additionalProperties"]) == ("object", ["listen"], False)
    assert on["properties"]["listen"]["type"] == "string"
    assert off == {"enum": ["off"]}
    assert schema["properties"]["console"]["default"] == "off"


def test_run_does_not_import_the_simulator() -> None:
    """A shop's service loads nothing that only the demo needs."""
    foreign = "('agent.simulator', 'PIL', 'starlette')"
    code = f"import sys, agent.cli.run; print([m for m in sys.modules if m.startswith({foreign})])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
