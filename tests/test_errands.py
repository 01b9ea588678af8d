"""Commands that work outside the journal: reload and bundle. Done once, answered once, also over a kill; and which
commands the cloud may give at all.
"""

import json
import logging
import os
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from agent import log
from agent.bundle import KEEP, make_bundle, redacted
from agent.cli import cli
from agent.clock import SystemClock
from agent.config import Config, load
from agent.errors import ConfigError
from agent.journal import commands
from agent.journal.store import Journal
from agent.lastlines import MOST_CHARACTERS, LastLines
from agent.model.command import Ask
from agent.reload import Reload
from tests.test_commands import SOURCE, Door, Event

WAIT_S = 10.0
FILE = "shop: s1\ndata_dir: ./data\nbroker: {url: 'mqtt://127.0.0.1:1883'}\n"


class Work:
    """An errand that counts, and waits where the test wants it to."""

    def __init__(self) -> None:
        self.runs: list[str] = []
        self.may_end = threading.Event()
        self.may_end.set()
        self.began = threading.Event()

    def __call__(self, ask: Ask) -> str:
        """Carry it out."""
        self.runs.append(ask.by)
        self.began.set()
        assert self.may_end.wait(WAIT_S)
        return f"done for {ask.by}"


@pytest.fixture
def work() -> Work:
    """What `reload` does here."""
    return Work()


@pytest.fixture
def door(tmp_path: Path, work: Work) -> Iterator[Door]:
    """A front door that knows one errand."""
    here = Door(tmp_path, None, {"reload": work})
    yield here
    here.journal.stop(5)


def errand(command_id: str = "c-1", **data: Any) -> Event:
    """As the cloud sends it."""
    return {"specversion": "1.0", "id": command_id, "source": SOURCE, "type": "command.reload", "data": data}


def until(done: Callable[[], bool]) -> None:
    """Wait for something that nobody signals."""
    for _ in range(1000):
        if done():
            return
        threading.Event().wait(0.01)
    raise AssertionError("waited in vain")


def test_an_errand_is_acknowledged_before_and_answered_after(door: Door, work: Work) -> None:
    """It is on disk, so that the broker may forget it; orders go on meanwhile."""
    work.may_end.clear()
    door.send(errand(by="小王"))
    assert work.began.wait(WAIT_S)
    assert (door.acknowledged, door.answers()) == ([1], [])
    door.held_ticket()
    assert door.acknowledged == [1, 2]
    work.may_end.set()
    until(lambda: bool(door.answers()))
    assert door.answers() == [{"command": "c-1", "ok": True, "answer": "done for 小王"}]


def test_the_same_errand_again_is_not_run_again(door: Door, work: Work) -> None:
    """While it is under way nothing is said; after that the same answer."""
    work.may_end.clear()
    door.send(errand(by="a"))
    door.send(errand(by="a"))
    assert (len(work.runs), door.acknowledged) == (1, [1, 2])
    other = door.send(errand(by="b"))
    assert [(each["ok"], "$.id" in each["answer"]) for each in other] == [(False, True)]
    work.may_end.set()
    until(lambda: len(door.answers()) == 2)
    (again,) = door.send(errand(by="a"))
    assert (again["answer"], work.runs) == ("done for a", ["a"])


def test_an_errand_that_a_kill_broke_off_is_done_at_the_next_start(tmp_path: Path) -> None:
    """The answer comes once."""
    hangs = Work()
    hangs.may_end.clear()
    first = Door(tmp_path, None, {"reload": hangs})
    first.send(errand(by="a"))
    assert hangs.began.wait(WAIT_S)
    first.journal.stop(5)  # whatever the errand says now is kept nowhere, as after a kill
    hangs.may_end.set()
    work = Work()
    second = Door(tmp_path, None, {"reload": work})
    second.consumer.resume()
    until(lambda: bool(second.answers()))
    second.consumer.resume()
    assert (work.runs, [each["answer"] for each in second.answers()]) == (["a"], ["done for a"])
    assert second.journal.write(commands.begun) == []
    second.journal.stop(5)


def test_an_errand_that_fails_is_answered(tmp_path: Path) -> None:
    """Refused with its reason; a fault of ours is named, and the door lives."""

    def refuse(_: Ask) -> str:
        raise ConfigError("agent.yaml:3:1: shop: it is missing")

    def fail(_: Ask) -> str:
        raise ZeroDivisionError("oh")

    here = Door(tmp_path, None, {"reload": refuse, "bundle": fail})
    here.send(errand("c-1"))
    until(lambda: len(here.answers()) == 1)
    here.send({**errand("c-2"), "type": "command.bundle", "data": None})
    until(lambda: len(here.answers()) == 2)
    assert [(each["ok"], each["answer"]) for each in here.answers()] == [
        (False, "agent.yaml:3:1: shop: it is missing"),
        (False, "it failed: ZeroDivisionError: oh"),
    ]
    here.journal.stop(5)


def test_errands_do_not_pile_up(door: Door, work: Work) -> None:
    """A few may be under way; more are refused."""
    work.may_end.clear()
    for number in range(12):
        door.send(errand(f"c-{number}"))
    refused = [each["command"] for each in door.answers()]
    assert refused == ["c-8", "c-9", "c-10", "c-11"]
    work.may_end.set()
    until(lambda: len(door.answers()) == 12)
    assert len(work.runs) == 8


def test_what_the_cloud_may_not_do_is_refused_and_the_box_may(tmp_path: Path) -> None:
    """The refusal names the setting, and nothing is done."""
    work = Work()
    here = Door(tmp_path, ["settle"], {"reload": work})
    ticket = here.held_ticket()
    (answer,) = here.send(errand())
    assert (answer["ok"], "commands.allow" in answer["answer"], work.runs) == (False, True, [])
    pause = {**errand("c-2"), "type": "command.pause", "data": {"printer": "kitchen"}}
    assert not here.send(pause)[0]["ok"]
    assert here.desk.run("command.reload", {"by": "me"}).ok
    assert here.journal.write(lambda tx: here.desk.perform(tx, "command.pause", {"printer": "kitchen"})).ok
    settle = {**errand("c-3"), "type": "command.settle", "data": {"decision": "again", "ticket": ticket}}
    assert here.send(settle)[0]["ok"]
    here.journal.stop(5)


def test_by_default_the_cloud_may_do_all_but_write_bundles(tmp_path: Path) -> None:
    """A bundle stays on the box: whoever wants it is there anyway."""
    (tmp_path / "a.yaml").write_text(FILE)
    allowed = set(load(tmp_path / "a.yaml").commands.allow)
    assert allowed == {"settle", "release", "drop", "reprint", "move", "test", "pause", "resume", "reload", "dismiss"}
    (tmp_path / "b.yaml").write_text(FILE + "commands: {allow: []}\n")
    assert load(tmp_path / "b.yaml").commands.allow == []
    (tmp_path / "c.yaml").write_text(FILE + "commands: {allow: [reprnt]}\n")
    with pytest.raises(ConfigError, match="did you mean 'reprint'"):
        load(tmp_path / "c.yaml")


# -- reload ------------------------------------------------------------------------------------------------------------


def test_reload_takes_what_it_can_and_names_the_rest(tmp_path: Path) -> None:
    """Until the agent was started anew the rest stays named; what is in use is not said again."""
    file = tmp_path / "a.yaml"
    file.write_text(FILE)
    applied: list[Config] = []
    problems: dict[str, str] = {}
    reload = Reload(load(file), lambda: load(file), applied.append, lambda: ["kitchen"], lambda: problems)
    assert reload(Ask()) == "templates: kitchen; the configuration is as it was"
    file.write_text(FILE + "language: zh\nagent: box2\ncommands: {allow: []}\n")
    said = reload(Ask())
    assert "in use now: language, commands" in said
    assert "restart needed for: agent" in said
    assert (applied[-1].language, applied[-1].commands.allow, applied[-1].agent) == ("zh", [], "box1")
    problems["kitchen"] = "kitchen.j2:3: oh"
    again = reload(Ask())
    assert "in use now" not in again
    assert "kitchen.j2:3: oh" in again
    assert len(applied) == 1


def test_the_first_template_of_a_shop_needs_no_restart(tmp_path: Path) -> None:
    """The folder beside the file is in use before it is there; another one that the file names is not."""
    file, beside = tmp_path / "a.yaml", tmp_path / "templates"
    file.write_text(FILE)
    reload = Reload(load(file), lambda: load(file), lambda _: None, list, dict, beside)
    beside.mkdir()
    assert reload(Ask()) == "templates: none of the shop; the configuration is as it was"
    (tmp_path / "other").mkdir()
    file.write_text(FILE + "templates: other\n")
    assert "restart needed for: templates" in reload(Ask())


def test_a_wrong_file_changes_nothing(tmp_path: Path) -> None:
    """The answer is what `config check` says."""
    file = tmp_path / "a.yaml"
    file.write_text(FILE)
    applied: list[Config] = []
    reload = Reload(load(file), lambda: load(file), applied.append, list, dict)
    file.write_text(FILE + "language: fr\n")
    with pytest.raises(ConfigError, match="language"):
        reload(Ask())
    assert applied == []


# -- the bundle --------------------------------------------------------------------------------------------------------

CANARY, OTHER = "c4nary-password", "0ther-s3cret-line"


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """With secrets wherever one may be written."""
    (tmp_path / "broker.pass").write_text(CANARY + "\n")
    (tmp_path / "data").mkdir()
    text = FILE.replace(
        "{url: 'mqtt://127.0.0.1:1883'}", "{url: 'mqtt://127.0.0.1:1883', password_file: ./broker.pass}"
    )
    (tmp_path / "agent.yaml").write_text(text)
    return load(tmp_path / "agent.yaml")


def contents(path: Path) -> dict[str, str]:
    """A bundle's parts."""
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name).decode() for name in archive.namelist()}


def test_a_bundle_tells_how_the_box_is(config: Config) -> None:
    """Versions, settings, the journal in numbers, alarms, the last lines of the log."""
    here = Door(config.data_dir)
    here.held_ticket()
    here.send(b"not JSON")
    more = {"log.txt": lambda: "intake.order_accepted order=id-1"}
    parts = contents(make_bundle(config, SystemClock(), here.journal.reader, more))
    assert set(parts) == {"about.json", "config.json", "journal.json", "log.txt"}
    journal = json.loads(parts["journal.json"])
    assert journal["tickets_by_state"] == {"held": 1}
    assert "parked" in journal["alarms"]
    assert journal["rows"]["orders"] == 1
    assert json.loads(parts["config.json"])["shop"] == "s1"
    assert json.loads(parts["about.json"])["packages"]["msgspec"]
    assert "豆浆" not in "".join(parts.values())
    here.journal.stop(5)


def test_no_secret_is_in_a_bundle(config: Config, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Not of a file, the environment or a credential, wherever it slipped in."""
    (tmp_path / "creds").mkdir()
    (tmp_path / "creds" / "broker-password").write_text(OTHER)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "creds"))
    monkeypatch.setenv("SHOP_AGENT_BROKER_PASSWORD", "env1ronment-word")
    journal = Journal(config.data_dir / "journal.db")
    more = {"log.txt": lambda: f"a library said {CANARY} {OTHER} env1ronment-word and lives"}
    parts = contents(make_bundle(config, SystemClock(), journal.reader, more))
    told = "".join(parts.values())
    for secret in (CANARY, OTHER, "env1ronment-word"):
        assert secret not in told
    assert parts["log.txt"] == "a library said *** *** *** and lives"
    journal.stop(5)


def test_settings_that_speak_of_secrets_are_black() -> None:
    """By their names, whoever adds one; and a URL's user and query."""
    told = redacted(
        {
            "password": "a",
            "api_key": "b",
            "webhooks": ["https://x.example/send?key=c"],
            "url": "https://user:d@x.example/send?key=e",
            "password_file": "/etc/p",
            "ukey": "",
        }
    )
    assert told == {
        "password": "***",
        "api_key": "***",
        "webhooks": ["***"],
        "url": "https://***@x.example/send?***",
        "password_file": "/etc/p",
        "ukey": "",
    }


def test_bundles_are_few_small_and_private(config: Config) -> None:
    """Nobody finds the disk full of them; only the service's user may read them."""
    journal = Journal(config.data_dir / "journal.db")
    noise = os.urandom(4_000_000).hex()
    paths = [
        make_bundle(config, SystemClock(), journal.reader, {"log.txt": lambda: noise + "the end"})
        for _ in range(KEEP + 2)
    ]
    left = sorted((config.data_dir / "bundles").iterdir())
    assert len(left) == KEEP
    assert paths[-1] in left
    assert all(file.stat().st_mode & 0o777 == 0o600 and file.stat().st_size < 1_600_000 for file in left)
    assert contents(paths[-1])["log.txt"].endswith("the end")
    journal.stop(5)


def test_a_part_that_can_not_be_made_costs_no_bundle(config: Config) -> None:
    """It is wanted most when something is broken: the journal, for one."""
    (config.data_dir / "journal.db").write_bytes(b"no database at all" * 100)
    runner = CliRunner().invoke(cli, ["support-bundle", "--config", str(config.data_dir.parent / "agent.yaml")])
    assert runner.exit_code == 0, runner.output
    (path,) = (config.data_dir / "bundles").iterdir()
    assert str(path) in runner.output
    parts = contents(path)
    assert "could not be made" in parts["journal.json"]
    assert "not running" in parts["agent.txt"]


def test_the_last_lines_are_kept_and_no_more() -> None:
    """As a person would read them, newest last."""
    lines = LastLines()
    said = log.get("test")
    with lines.listening():
        logging.getLogger("agent").setLevel("INFO")
        for number in range(5000):
            said.info("test.line_said", number=number, filler="x" * 50)
    said.info("test.line_said", number=5000)
    text = lines.text()
    assert len(text) <= 2 * MOST_CHARACTERS
    assert text.endswith("number=4999 filler=" + "x" * 50)
    assert "number=0 " not in text
