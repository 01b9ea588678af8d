"""The command line as a whole: --json wherever something is shown, exit codes that stay, completion, and a page that
knows every command.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from agent import __version__
from agent.__main__ import EXIT_CODES
from agent.cli import cli
from agent.config.words import bilingual
from agent.datadir import locked
from agent.errors import AgentError, AgentNotRunning, CommandRefused, ConfigError
from agent.templates import read
from tests.shopfront import as_somebody_else, run_cli

PAGE = (Path(__file__).parent.parent / "docs/cli.md").read_text()
WITHOUT_JSON = {
    "completion",  # a script for a shell
    "config schema",  # is JSON
    "mappings test",  # is JSON
    "pair",  # a QR code, for a person
    "preview",  # a picture
    "run",
    "setup",  # asks a person
    "sign",  # is JSON
    "simulate printer",
}


def commands(group: click.Group = cli, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """Every command with its words."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


def options(command: click.Command) -> set[str]:
    """The names of its options."""
    return {name for option in command.params if isinstance(option, click.Option) for name in option.opts}


@pytest.mark.parametrize(
    ("words", "zh", "en"),
    [
        (["nope"], "没有命令 nope，加 --help 看有哪些。", "No such command"),
        (["staus"], "没有命令 staus，是不是 status", "'status'"),
        (["config", "chek"], "是不是 check、schema？", "'check'"),
        (["status", "--nope"], "没有选项 --nope", "No such option"),
        (["queue", "again"], "还要写 NUMBER", "Missing argument"),
        (["queue", "again", "xx"], "NUMBER 写得不对", "Invalid value"),
        (["preview", "--width", "9"], "--width 写得不对", "not in the range"),
        (["preview", "--before", "setup.py"], "", "does not exist"),
        (["setup", "--from", "x", "--from-boot"], "只能给一个", "give one of them"),
    ],
)
def test_wrong_usage_is_told_in_both_languages(words: list[str], zh: str, en: str) -> None:
    """Click's own English comes after the Chinese; the exit code stays 2."""
    said = CliRunner().invoke(cli, words)
    assert said.exit_code == 2
    assert zh in said.output
    assert en in said.output


@pytest.mark.parametrize("words", [[], ["queue"]])
def test_a_bare_command_shows_the_help_and_no_error(words: list[str]) -> None:
    """What `--help` shows; the exit code stays 2."""
    bare, asked = CliRunner().invoke(cli, words), CliRunner().invoke(cli, [*words, "--help"])
    assert (bare.exit_code, bare.output) == (2, asked.output)


def test_whatever_shows_something_has_json() -> None:
    """For programs; those without are named here, with why."""
    without = {words for words, command in commands() if "--json" not in options(command)}
    assert without == WITHOUT_JSON


def test_every_command_says_what_it_does_and_is_on_the_page() -> None:
    """Nobody reads the code to find one."""
    for words, command in commands():
        assert command.help, words
        assert re.search(rf"`{words}[` ]", PAGE), f"docs/cli.md does not know: {words}"


def test_the_issue_promises_are_there() -> None:
    """The commands by which people know this program."""
    promised = [
        "run",
        "setup",
        "status",
        "doctor",
        "preview",
        "print",
        "reprint",
        "tail",
        "support-bundle",
        "reset-pin",
        "version",
    ]
    promised += [f"printers {name}" for name in ("scan", "add", "test", "identify", "probe")]
    promised += [f"queue {name}" for name in ("list", "retry", "discard", "move")]
    promised += [f"config {name}" for name in ("check", "show", "schema")]
    there = {words for words, _ in commands()}
    assert set(promised) <= there
    assert any(words.startswith("simulate") for words in there)


def test_exit_codes_are_those_of_the_page() -> None:
    """What the table says and what the code does; every error of ours has one."""
    said = {int(code) for code in re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)}
    assert set(EXIT_CODES.values()) <= said
    assert said == {0, 1, 2, 3, 69, 70, 74, 75, 78}
    assert list(EXIT_CODES)[-1] is AgentError


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["version"], 0),
        (["moon"], 2),
        (["queue", "printed", "none"], 2),
        (["status", "--config", "/nowhere.yaml"], 78),
        (["mappings", "check", "nothing"], 78),
    ],
)
def test_exit_codes_of_the_program(words: list[str], code: int) -> None:
    """As a shell sees them; what went wrong is on standard error."""
    done = subprocess.run([sys.executable, "-m", "agent", *words], capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    assert bool(done.stdout) is (code == 0)
    assert bool(done.stderr) is (code != 0)


def test_nobody_there_is_69(tmp_path: Path) -> None:
    """Of each command that wants the agent."""
    config = tmp_path / "agent.yaml"
    config.write_text(f"shop: s1\ndata_dir: {tmp_path}/data\n")
    for words in (["status"], ["tail"], ["queue", "list"], ["queue", "retry", "1"], ["reprint", "1"]):
        done = subprocess.run(
            [sys.executable, "-m", "agent", *words, "--config", str(config)], capture_output=True, text=True
        )
        assert (done.returncode, done.stdout) == (69, ""), done.stderr
        zh, en = done.stderr.splitlines()
        assert zh == "程序没有运行：sudo systemctl start shop-agent"
        assert en.startswith(f"the agent is not running here ({tmp_path}/data): start it")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_another_user_is_told_to_use_sudo(tmp_path: Path) -> None:
    """Whether or not the agent runs: its folder is closed to him."""
    (config := tmp_path / "agent.yaml").write_text(f"shop: s1\ndata_dir: {tmp_path}/data\n")
    (tmp_path / "data").mkdir(mode=0o700)
    for words in (["status"], ["tail"], ["queue", "list"], ["printers", "list"]):
        refused = as_somebody_else(config, *words).exception
        assert isinstance(refused, AgentNotRunning)
        assert (refused.zh, "run it with sudo" in str(refused)) == ("没有权限，请用 sudo 运行", True)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize("mode", [0o700, 0o755])
def test_a_bundle_is_not_made_by_another_user(tmp_path: Path, mode: int) -> None:
    """However open the folder is; exit 1."""
    (config := tmp_path / "agent.yaml").write_text(f"shop: s1\ndata_dir: {tmp_path}/data\n")
    (tmp_path / "data").mkdir()
    (tmp_path / "data/journal.db").touch(0o600)
    (tmp_path / "data").chmod(mode)
    refused = as_somebody_else(config, "support-bundle").exception
    assert isinstance(refused, CommandRefused)
    assert (refused.zh, str(refused)) == ("没有权限，请用 sudo 运行", "this user may not read it: run it with sudo")


def test_a_bundle_without_a_journal_says_so_and_is_made(tmp_path: Path) -> None:
    """An agent that never came so far leaves a folder and no more."""
    (config := tmp_path / "agent.yaml").write_text(f"shop: s1\ndata_dir: {tmp_path}/data\n")
    (tmp_path / "data").mkdir()
    assert "诊断包已写好" in run_cli(config, "support-bundle").output


def test_a_folder_in_use_is_said_with_the_process_that_has_it(tmp_path: Path) -> None:
    """As a second `run` meets it."""
    (config := tmp_path / "agent.yaml").write_text(f"shop: s1\ndata_dir: {tmp_path}/data\n")
    with locked(tmp_path / "data"):
        done = subprocess.run(
            [sys.executable, "-m", "agent", "run", "--config", str(config)], capture_output=True, text=True
        )
    zh, en = done.stderr.splitlines()[-2:]
    assert done.returncode == 75
    assert zh.startswith(f"已有一个程序在用这个目录（进程 {os.getpid()}）：")
    assert f"is in use by shop-agent, process {os.getpid()}; " in en


def test_a_new_box_is_told_how_to_begin(tmp_path: Path) -> None:
    """Whatever is asked of it first."""
    refused = str(run_cli(tmp_path / "none.yaml", "status").exception)
    assert refused.endswith("name another with --config FILE, or begin: sudo shop-agent setup")
    assert "文件不存在；用 --config 指定，或先运行 sudo shop-agent setup  there is" in bilingual(refused)


@pytest.mark.parametrize(
    ("words", "code", "zh", "en"),
    [
        (["printers", "add", "tcp://10.0.0.8", "--name", "a"], 78, "已有同名打印机", "there is a printer 'a' already"),
        (["print", "/etc/hostname"], 78, "/etc/hostname: 不是 JSON", "not JSON: "),
        (["print", "-", "--printer", "bars"], 1, "没有档口在 bars 上打印，可写：a", "no station prints on bars"),
        (["notices", "test"], 1, "还没有设置通知", "nobody is under notices"),
        (["notices", "test", "wecom"], 1, "还没有设置 wecom 通知", "no wecom is under notices"),
        (["setup"], 1, "已中止，没有写任何东西", "stopped, nothing was written"),
        (["support-bundle"], 1, "程序还没用这个配置运行过", "no agent ever ran"),
        (["printers", "probe", "b"], 1, "请先启动程序", "lives in the agent"),
    ],
)
def test_what_is_refused_is_said_in_chinese_first(
    tmp_path: Path, words: list[str], code: int, zh: str, en: str
) -> None:
    """At a terminal, with nothing typed in."""
    config = tmp_path / "agent.yaml"
    printers = "[{name: a, link: tcp://10.0.0.9}, {name: b, link: 'virtual://b'}]"
    config.write_text(
        f"shop: s1\ndata_dir: {tmp_path}/data\nprinters: {printers}\nstations: [{{name: k, printer: a}}]\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "agent", *words, "--config", str(config)], capture_output=True, text=True, input=""
    )
    assert done.returncode == code, done.stderr
    assert -1 < done.stderr.find(zh) < done.stderr.find(en), done.stderr


# -- json ----------------------------------------------------------------------------------------------------------


def told(*words: str) -> Any:
    """What a command says for programs."""
    done = CliRunner().invoke(cli, [*words, "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_version_mappings_and_templates_for_programs() -> None:
    """One object, and nothing else on standard output."""
    assert told("version")["version"] == __version__
    assert set(told("mappings", "list")["mappings"]) >= {"meituan", "eleme", "square"}
    assert told("mappings", "check", "meituan")["ok"] is True
    names = [each["name"] for each in told("templates", "list")["templates"]]
    assert {"kitchen", "receipt"} <= set(names)
    assert told("templates", "check")["ok"] is True


def test_config_check_for_programs(tmp_path: Path) -> None:
    """Right, with warnings; and wrong, with every error."""
    file = tmp_path / "agent.yaml"
    file.write_text("shop: s1\ndata_dir: ./data\nprinters: [{name: wok, link: tcp://10.0.0.9, width: 80}]\n")
    done = run_cli(file, "config", "check", "--json")
    said = json.loads(done.stdout)
    assert (said["ok"], said["errors"], done.exit_code) == (True, [], 0)
    (text,) = (text for text in said["warnings"] if "millimetres" in text)
    assert "宽度是字符数" in text
    file.write_text("shop: S 1\nbrokr: 1\n")
    done = run_cli(file, "config", "check", "--json")
    said = json.loads(done.stdout)
    assert (said["ok"], len(said["errors"])) == (False, 2)
    assert isinstance(done.exception, ConfigError)


def test_templates_are_the_configurations(tmp_path: Path) -> None:
    """As for every command; --templates names others; a file that was named and is not there is an error."""
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates/own.j2").write_text(read()["kitchen.j2"])
    (tmp_path / "agent.yaml").write_text("shop: a\n")
    (tmp_path / "other").mkdir()
    config = ["--config", str(tmp_path / "agent.yaml")]

    def own(*words: str) -> int:
        done = CliRunner().invoke(cli, ["templates", "check", "--json", *words])
        assert done.exit_code == 0, done.output
        return int(json.loads(done.stdout)["own"])

    assert (own(*config), own(*config, "--templates", str(tmp_path / "other"))) == (1, 0)
    listed = CliRunner().invoke(cli, ["templates", "list", *config]).stdout
    assert "own: templates/own.j2" in listed.splitlines()
    nowhere = CliRunner().invoke(cli, ["templates", "list", "--config", str(tmp_path / "none.yaml")])
    assert isinstance(nowhere.exception, ConfigError)


def test_templates_that_are_wrong_for_programs(tmp_path: Path) -> None:
    """File and line; the exit code is that of a wrong file."""
    (tmp_path / "kitchen.j2").write_text("{{ moon }")
    done = CliRunner().invoke(cli, ["templates", "check", "--templates", str(tmp_path), "--json"])
    said = json.loads(done.stdout)
    assert said["ok"] is False
    assert "kitchen.j2:1" in said["errors"][0]
    assert isinstance(done.exception, ConfigError)


# -- completion ----------------------------------------------------------------------------------------------------


def completed(words: str) -> set[str]:
    """What bash would be offered behind these words."""
    environment = {**os.environ, "_SHOP_AGENT_COMPLETE": "bash_complete", "COMP_WORDS": words}
    environment["COMP_CWORD"] = str(len(words.split(" ")) - 1)
    done = subprocess.run([sys.executable, "-m", "agent"], env=environment, capture_output=True, text=True, check=True)
    return {line.partition(",")[2] for line in done.stdout.splitlines()}


def test_commands_and_options_are_completed() -> None:
    """Also of commands whose modules are loaded when they are called."""
    assert {"reload", "reprint"} <= completed("shop-agent re")
    assert completed("shop-agent queue re") >= {"release", "reprint", "retry"}
    assert completed("shop-agent status --wat") == {"--watch"}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_one_that_the_shell_takes(shell: str) -> None:
    """bash is asked whether it does; the others where they are installed."""
    done = CliRunner().invoke(cli, ["completion", shell])
    assert done.exit_code == 0
    assert "_SHOP_AGENT_COMPLETE" in done.stdout
    if (program := shutil.which(shell)) is not None:
        subprocess.run([program, "-n"], input=done.stdout, text=True, check=True)
