"""`shop-agent status` and `tail`: what the box says of itself is so, and every alarm says what to do."""

import ast
import json
import logging
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

import agent
from agent import log
from agent.answers.standing import Standing
from agent.cli.status import lines_of
from agent.config import Config, Printer
from agent.control import Visit, ask
from agent.errors import AgentNotRunning
from agent.journal.waits import Listed, Why
from agent.lastlines import LastLines
from agent.model.link import parse_link
from agent.model.printer import Need
from agent.overview.state import Around, LineNow, Overview, Stored, assemble
from agent.report.alarmtext import sentence
from agent.simulator.stage import Mosquitto
from tests.house import until
from tests.shopfront import WAIT_S, Shopfront, no_broker, shopfront
from tests.test_app import publish

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
WOK = Printer(name="wok", link=parse_link("tcp://127.0.0.1:9100"))


def seen(
    stored: Stored | None = None, line: str = "up", up_s: float = 60, full: bool = False, why: str = ""
) -> Overview:
    """One printer that is well, and what the journal says."""
    around = Around(
        "s1",
        "box1",
        NOW,
        up_s,
        LineNow(line, why=why),  # type: ignore[arg-type]  # tests' own words
        {"wok": {"state": "ready", "tier": "status"}},
        True,
        1 << 30,
        full,
    )
    return assemble([WOK], stored, around)


# -- the rule ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("alarms", "well"),
    [
        ([], "well"),
        (["printer:wok:mute"], "well"),
        (["printer:wok:paused"], "look"),
        (["waiting:old"], "look"),
        (["ticket:7"], "look"),
        (["template:kitchen"], "look"),
        (["broker:certificate"], "look"),
        (["broker:packet"], "look"),
        (["printer:wok:paper"], "trouble"),
        (["printer:wok:away", "ticket:7"], "trouble"),
        (["broker:refused"], "trouble"),
        (["journal"], "trouble"),
    ],
)
def test_well_is_what_a_person_need_not_look_at(alarms: list[str], well: str) -> None:
    """Red is for orders that don't come in or are not printed, yellow for whatever waits for a person."""
    stored = Stored(alarms=[(key, "why", "2026-11-22T07:00:00.000Z") for key in alarms])
    assert seen(stored).well == well


def test_grave_alarms_come_first_and_then_the_oldest() -> None:
    """Whoever reads only one line reads the worst."""
    times = {"ticket:1": "07:00", "printer:wok:paper": "07:30", "broker:refused": "07:10"}
    found = seen(Stored(alarms=[(key, "", f"2026-11-22T{at}:00.000Z") for key, at in times.items()])).alarms
    assert [alarm.key for alarm in found] == ["broker:refused", "printer:wok:paper", "ticket:1"]


@pytest.mark.parametrize(
    ("line", "up_s", "shown", "well"),
    [
        ("up", 60, "up", "well"),
        ("off", 60, "off", "well"),
        ("down", 60, "down", "trouble"),
        ("down", 5, "connecting", "well"),
    ],
)
def test_a_line_that_is_down_is_trouble_and_none_at_all_is_not(line: str, up_s: float, shown: str, well: str) -> None:
    """A box that just started connects; a shop without a cloud lacks nothing."""
    found = seen(Stored(), line, up_s)
    assert (found.line.state, found.well) == (shown, well)
    assert [alarm.key for alarm in found.alarms] == (["line"] if shown == "down" else [])


def test_a_line_that_still_connects_is_not_called_well() -> None:
    """Orders don't come in yet: that is what it says first."""
    said = next(lines_of(seen(Stored(), "down", 5), Config(shop="s1")))
    assert said == "s1/box1  正在连接云端 not connected to the cloud yet"
    assert "一切正常 all is well" in next(lines_of(seen(Stored(), "up", 5), Config(shop="s1")))


@pytest.mark.parametrize(("stored", "full"), [(None, False), (Stored(), True)])
def test_a_journal_that_can_not_be_used_is_trouble(stored: Stored | None, full: bool) -> None:
    """No order can come in."""
    found = seen(stored, full=full)
    assert (found.journal_ok, found.well) == (False, "trouble")


def test_what_waits_is_counted() -> None:
    """Tickets by state with the oldest one's age, orders by what a person must decide."""
    listed = [Listed("id-1", "web", "1", Why.OLD, None), Listed("id-2", "web", "2", Why.UPCOMING, None)]
    stored = Stored(
        waiting={"wok": 3},
        states={"pending": 1, "held": 1, "unconfirmed": 1},
        oldest="2026-11-22T07:58:30.000Z",
        orders={"old": 1, "upcoming": 1},
        listed=listed,
    )
    found = seen(stored)
    assert msgspec.structs.astuple(found.tickets) == (3, 1, 1, 90)
    assert (found.orders.waiting, found.orders.for_a_person, found.orders.listed) == (2, {"old": 1}, listed[:1])
    assert found.printers[0].waiting == 3


def test_a_clock_that_went_back_makes_no_ticket_from_the_future() -> None:
    """An age is never negative."""
    assert seen(Stored(states={"pending": 1}, oldest="2026-11-22T09:00:00.000Z")).tickets.oldest_s == 0


# -- the words -----------------------------------------------------------------------------------------------------

DYNAMIC = {
    "agent/spool/watch.py": "of a printer: PRINTER_ALARMS",
    "agent/report/publisher.py": "of the line: LINE_ALARMS",
    "agent/app.py": "_set_alarm",
    "agent/intake/admission.py": "number:CHANNEL",
    "agent/journal/pauses.py": "printer:NAME:paused",
    "agent/journal/gone.py": "missing:SOURCE",
    "agent/journal/notes.py": "any of the others",
}
"""Where an alarm's key is not written beside `raise_alarm`; each is looked for below."""
PRINTER_ALARMS = [*map(str, Need), "away", "other", "unheard", "mute", "silent", "paused"]
LINE_ALARMS = ["refused", "topics", "packet", "client_id", "tls", "certificate"]


def raised() -> Iterator[tuple[str, str]]:
    """File and beginning of the key of every alarm that the code raises, "" where it is not written there."""
    root = Path(agent.__file__).parent
    for file in sorted(root.rglob("*.py")):
        tree = ast.parse(file.read_text())
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute | ast.Name):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
            place = {"raise_alarm": 1, "renew_alarm": 1, "set_alarm": 0, "_set_alarm": 0, "show_alarm": 1}.get(name)
            if place is not None:
                yield f"agent/{file.relative_to(root)}", _begins(_meant(node.args[place], tree))


def _meant(key: ast.expr, module: ast.Module) -> ast.expr:
    """What a constant of the module stands for."""
    names = {
        target.id: each.value
        for each in module.body
        if isinstance(each, ast.Assign)
        for target in each.targets
        if isinstance(target, ast.Name)
    }
    return names.get(key.id, key) if isinstance(key, ast.Name) else key


def _begins(key: ast.expr) -> str:
    if isinstance(key, ast.JoinedStr):
        key = key.values[0]
    return str(key.value) if isinstance(key, ast.Constant) else ""


def named() -> set[str]:
    """An example of every key that the code raises."""
    found = {f"printer:wok:{what}" for what in PRINTER_ALARMS} | {f"broker:{what}" for what in LINE_ALARMS}
    found |= {"waiting:old", "waiting:flood", "waiting:failed", "number:web", "line", "disk"}
    found |= {"missing:web", "console:guessed"}
    for file, begins in raised():
        if not begins:
            assert file in DYNAMIC, f"{file} raises an alarm of which nobody knows the key"
        elif file != "agent/spool/watch.py":
            found.add(f"{begins}NAME" if begins.endswith(":") and begins != "waiting:" else begins.rstrip(":"))
        else:
            assert begins in PRINTER_ALARMS, begins
    return found - {"waiting"}


def test_every_alarm_has_words_and_the_one_thing_to_do() -> None:
    """In Chinese and in English; a key that nobody put into words would show as it is."""
    keys = named()
    assert {"parked", "journal", "console", "no_printer", "template:NAME", "ticket:NAME", "session"} <= keys
    for key in keys:
        said = sentence(key)
        assert all((*said.what, *said.do)), f"{key} has no words"
        assert key not in said.what, f"{key} is shown as it is"
        for words in (said.what[0].removeprefix("打印机"), said.do[0]):
            assert any("一" <= char <= "鿿" for char in words), f"{key} has no Chinese words"


def test_the_lists_of_keys_are_complete() -> None:
    """The line's keys are those that its modules make; the printer's are looked for above."""
    root = Path(agent.__file__).parent
    text = "".join(file.read_text() for file in (root / "broker").glob("*.py"))
    assert {word.partition('"')[0] for word in text.split('"broker:')[1:]} == set(LINE_ALARMS)


def test_an_alarm_that_nobody_knows_still_says_whom_to_ask() -> None:
    """From a newer journal, perhaps."""
    said = sentence("moon:full")
    assert "moon:full" in said.what[0]
    assert "support-bundle" in said.do[1]


# -- the whole agent -----------------------------------------------------------------------------------------------


@pytest.fixture
def here(tmp_path: Path, mosquitto: Mosquitto) -> Iterator[Shopfront]:
    """A shop that works."""
    with shopfront(tmp_path, f"mqtt://127.0.0.1:{mosquitto.port}") as shop:
        shop.until(
            lambda: shop.status()["well"] == "well" and shop.status()["line"]["state"] == "up", "a shop that is well"
        )
        yield shop


def test_status_tells_of_paper_out_with_what_to_do_and_that_it_is_over(here: Shopfront, mosquitto: Mosquitto) -> None:
    """From well to trouble, with the waiting ticket and its age, and back."""
    here.device.run_out_of_paper()
    here.until(lambda: here.status()["well"] == "trouble", "trouble")
    publish(mosquitto.port, 1)
    here.until(lambda: here.status()["tickets"]["waiting"] == 1, "a ticket that waits")
    told = here.status()
    assert (told["printers"][0]["state"], told["printers"][0]["need"]) == ("needs_human", "paper")
    assert told["line"]["heard"]
    (alarm,) = told["alarms"]
    assert (alarm["key"], alarm["grave"]) == ("printer:wok:paper", True)
    assert alarm["do"]["zh"].startswith("请装纸")
    words = here.run("status").stdout
    for said in ("有故障 trouble", "缺纸 paper", "等待 waiting 1", "→ 请装纸", "最后收到 last heard"):
        assert said in words, words
    here.device.load_paper()
    here.until(lambda: here.status()["well"] == "well" and not here.status()["tickets"]["waiting"], "all well")
    assert "一切正常 all is well" in here.run("status").stdout


def test_status_is_what_the_types_say(here: Shopfront) -> None:
    """The page of the console is made of the same."""
    here.until(lambda: here.status()["printers"][0]["state"] == "ready", "the printer to be met")
    told = msgspec.convert(ask(here.folder / "data", {"do": "status"}, WAIT_S), Overview, strict=True)
    assert (told.shop, told.agent, told.printers[0].tier) == ("s1", "box1", "process_id")
    assert told.disk_free is not None
    assert told.disk_free > 0
    assert 0 <= told.up_s < 60


def test_watch_shows_it_again_until_ctrl_c(here: Shopfront) -> None:
    """A line a second for programs; Ctrl-C is no error."""
    words = [sys.executable, "-m", "agent", "status", "--watch", "--json", "--config", str(here.config)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        frames = [json.loads(watching.stdout.readline()) for _ in range(2)]
        watching.send_signal(signal.SIGINT)
        watching.communicate(timeout=WAIT_S)
    assert watching.returncode == 0
    assert frames[0]["up_s"] < frames[1]["up_s"]


def test_tail_shows_what_happens_as_it_happens(here: Shopfront, mosquitto: Mosquitto) -> None:
    """An object a line, with the fields of the log; it outlives a restart of the agent; Ctrl-C is no error."""
    words = [sys.executable, "-m", "agent", "tail", "-n", "3", "--json", "--config", str(here.config)]
    with (
        subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as tailing,
        ExitStack() as stack,
    ):
        out = tailing.stdout
        assert out is not None
        stack.callback(tailing.kill)

        def wait_for(event: str) -> dict[str, str]:
            return next(line for line in map(json.loads, out) if line["event"] == event)["fields"]  # type: ignore[no-any-return]  # JSON

        out.readline()
        publish(mosquitto.port, 2)
        assert wait_for("intake.order_accepted")["order"]
        assert wait_for("spool.ticket_completed")["printer"] == "wok"
        assert here.process.stop() == 0
        here.start()
        assert wait_for("app.started")["shop"] == "s1"
        tailing.send_signal(signal.SIGINT)
        tailing.communicate(timeout=WAIT_S)
    assert tailing.returncode == 0


def test_tail_of_the_past_ends_by_itself(here: Shopfront) -> None:
    """As the console's log page asks."""
    done = here.run("tail", "-n", "2", "--no-follow")
    assert (done.exit_code, len(done.stdout.splitlines())) == (0, 2)


def test_without_an_agent_the_exit_code_is_69(tmp_path: Path) -> None:
    """For programs; people read what to do."""
    with shopfront(tmp_path, no_broker(), start=False) as shop:
        for command in (("status",), ("tail",)):
            done = shop.run(*command)
            assert isinstance(done.exception, AgentNotRunning)
            assert "start it" in str(done.exception)


def test_a_line_that_does_not_come_up_says_why(tmp_path: Path) -> None:
    """Who stands at the box need not read the log for it."""
    with shopfront(tmp_path, no_broker()) as shop:
        until(lambda: "Connection refused" in shop.run("status").output, "the reason")


# -- waiting for lines ---------------------------------------------------------------------------------------------


def test_a_watcher_waits_for_the_next_line_and_not_for_ever() -> None:
    """After a line, after a restart, and with nothing new."""
    lines, said = LastLines(), log.get("test")
    logging.getLogger("agent").setLevel("INFO")
    with lines.listening():
        assert lines.after(0, 0.01) == []
        threading.Timer(0.05, lambda: said.info("test.came", number=1, password="x1y2z3")).start()
        (line,) = lines.after(0, 10)
        assert (line.event, line.fields) == ("test.came", {"number": "1", "password": "***"})
        assert "x1y2z3" not in line.text
        assert lines.after(line.n, 0.01) == []
        assert lines.after(line.n + 99, 10) == [line], "a number from before a restart of the machine"
    again = LastLines()
    with again.listening():
        said.info("test.came", number=2)
        (newer,) = again.after(line.n, 10)
        assert newer.fields["number"] == "2", "a restarted agent's first line comes after the old one's first"
        assert newer.n > line.n + 1


@pytest.mark.parametrize(
    ("why", "what", "do"),
    [
        ("[Errno -2] Name or service not known", "找不到云端的主机", "拼写"),
        ("[Errno 111] Connection refused", "云端拒绝连接", "端口"),
        ("hung up; is 1883 its encrypted port? then write mqtts:// in broker.url", "加密和端口可能不配", "mqtts 8883"),
        ("timed out", "云端连接断开", "网络和路由器"),
    ],
)
def test_the_alarm_of_the_line_is_the_same_everywhere_and_says_what_to_check(why: str, what: str, do: str) -> None:
    """In `status` and in `alarms list`; not beside the alarm that says that the broker refuses us."""
    found = seen(Stored(), "down", 600, why=why)
    told = Standing(lambda: found, LastLines()).table()["alarms"]({}, Visit("me", threading.Event()))
    (alarm,) = found.alarms
    assert told == {"alarms": [{"key": "line", "reason": why, "since": "", "dismissable": False}]}
    assert (what in alarm.what.zh, do in alarm.do.zh) == (True, True)
    refused = Stored(alarms=[("broker:refused", "Not authorized", "2026-11-22T07:58:30.000Z")])
    assert [alarm.key for alarm in seen(refused, "down", 600, why=why).alarms] == ["broker:refused"]


def test_a_station_without_a_printer_is_named() -> None:
    """It is which one that matters."""
    stored = Stored(
        alarms=[("no_printer", "no printer for station cold, pass: choose one", "2026-11-22T07:58:30.000Z")]
    )
    assert seen(stored).alarms[0].what.zh == "档口 cold, pass 没有打印机，小票在等"


def test_too_many_watchers_are_answered_at_once() -> None:
    """The door's seats are few: others want something done."""
    lines = LastLines()
    standing = Standing(lambda: seen(Stored()), lines)
    tail, stopping = standing.table()["tail"], threading.Event()
    visit = Visit("me", stopping)
    threads = [threading.Thread(target=tail, args=({"after": 0, "wait_s": 10}, visit)) for _ in range(3)]
    for thread in threads:
        thread.start()
    until(lambda: standing._watchers._value == 0, "three watchers")
    assert tail({"after": 0, "wait_s": 10}, visit) == {"lines": [], "newest": 0}
    stopping.set()
    for thread in threads:
        thread.join(WAIT_S)
        assert not thread.is_alive()
