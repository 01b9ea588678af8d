"""The door at the box: whoever comes in is answered, and nobody who comes in can hold the agent up."""

import contextlib
import json
import os
import pwd
import socket
import stat
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from agent import control
from agent.answers import answers, printers, queue, word
from agent.cli import cli
from agent.clock import SystemClock
from agent.config import Printer
from agent.control import Control, Handler, Visit, ask
from agent.errors import AgentNotRunning, CommandRefused, Unavailable
from agent.journal import notes
from agent.journal.store import Journal
from agent.model.acquaintance import Facts, Known
from agent.model.link import parse_link
from agent.model.printer import Capabilities, Tier
from agent.overview.state import LineNow
from tests.house import until
from tests.office import listening
from tests.shopfront import run_cli
from tests.test_doctor import overview

ME = pwd.getpwuid(os.getuid()).pw_name
WAIT_S = 20.0


def echo(request: dict[str, Any], visit: Visit) -> dict[str, Any]:
    """Says what it was asked, and by whom."""
    return {"asked": request, "by": visit.by}


@contextlib.contextmanager
def door(folder: Path, handlers: Mapping[str, Handler] | None = None) -> Iterator[Control]:
    """A door that is open, and shut in time whatever happened at it."""
    here = Control(folder, {"echo": echo, **(handlers or {})}, SystemClock())
    here.start()
    try:
        yield here
    finally:
        started = time.monotonic()
        here.stop(5)
        assert not here.alive()
        assert time.monotonic() - started < 2.5
        assert not (folder / "control").exists()


@contextlib.contextmanager
def caller(folder: Path) -> Iterator[socket.socket]:
    """Somebody at the door who has said nothing yet."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        line.connect(str(folder / "control"))  # waits while the queue before the door is full
        line.settimeout(WAIT_S)
        yield line


def says(line: socket.socket, request: bytes) -> dict[str, Any]:
    """The answer to a request that is no better than it is."""
    line.sendall(request)
    answer = json.loads(control.read_line(line, 1 << 20, SystemClock(), WAIT_S))
    assert isinstance(answer, dict)
    return answer


def test_a_line_in_a_line_out(tmp_path: Path) -> None:
    """The handler sees what was asked, and the user that the kernel names, not the one that the request does."""
    with door(tmp_path):
        assert ask(tmp_path, {"do": "echo", "by": "the boss", "n": 1}, WAIT_S) == {
            "asked": {"by": "the boss", "n": 1},
            "by": ME,
        }


def test_only_the_service_and_root_may_come_in(tmp_path: Path) -> None:
    """Whatever the umask is: there are customers' orders behind it."""
    before = os.umask(0)
    try:
        with door(tmp_path):
            assert stat.S_IMODE((tmp_path / "control").stat().st_mode) == 0o600
    finally:
        os.umask(before)


def test_a_path_of_any_length_will_do(tmp_path: Path) -> None:
    """A socket's address has 108 bytes; data directories have more."""
    deep = tmp_path / ("a" * 100) / ("b" * 100)
    deep.mkdir(parents=True)
    with door(deep):
        assert ask(deep, {"do": "echo"}, WAIT_S)["by"] == ME


def test_what_a_kill_left_is_replaced(tmp_path: Path) -> None:
    """The file of a socket outlives its process."""
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "control"))
    with pytest.raises(AgentNotRunning, match="not running here"):
        ask(tmp_path, {"do": "echo"}, WAIT_S)
    with door(tmp_path):
        assert ask(tmp_path, {"do": "echo"}, WAIT_S)["by"] == ME


def test_without_a_door_the_agent_runs_and_the_door_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tickets are worth more than questions; it is said once."""
    monkeypatch.setattr(control, "OPEN_AGAIN_S", 0.02)
    (tmp_path / "control").mkdir()
    with listening() as said, door(tmp_path) as here:
        assert here.alive()
        before = here.progress()
        until(lambda: here.progress() > before + 0.1, "some turns")
        assert said.events.count("control.not_opened") == 1
        (tmp_path / "control").rmdir()
        until(lambda: (tmp_path / "control").is_socket(), "the door")
        assert ask(tmp_path, {"do": "echo"}, WAIT_S)["by"] == ME


@pytest.mark.parametrize("place", ["nothing", "no folder", "a file in its place"])
def test_nobody_there_is_said_with_what_to_do(tmp_path: Path, place: str) -> None:
    """As people without a service unit meet it."""
    folder = tmp_path if place == "nothing" else tmp_path / "data"
    if place == "a file in its place":
        folder.write_text("")
    with pytest.raises(AgentNotRunning, match=r"start it, or name its configuration with --config"):
        ask(folder, {"do": "echo"}, WAIT_S)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"hello\n", "one JSON object is wanted"),
        (b'"hello"\n', "one JSON object is wanted"),
        (b"\xff\n", "one JSON object is wanted"),
        (b"[" * 60_000 + b"\n", "one JSON object is wanted"),
        (b'{"do":"echo"}\n{"do":"echo"}\n', "one JSON object is wanted"),
        (b"{}\n", "nothing is called 'None' here; there is echo"),
        (b'{"do":["echo"]}\n', "there is echo"),
        (b'{"do":"dance"}\n', "nothing is called 'dance' here; there is echo"),
        (b'{"do":"' + b"x" * 70_000, "at most 65536 bytes"),
    ],
)
def test_nonsense_is_answered(tmp_path: Path, line: bytes, words: str) -> None:
    """In words, and the next one is served."""
    with door(tmp_path), caller(tmp_path) as visitor:
        answer = says(visitor, line)
        assert (answer["ok"], words in answer["error"]) == (False, True)
        assert ask(tmp_path, {"do": "echo"}, WAIT_S)["by"] == ME


def test_a_refusal_comes_as_one_and_a_fault_of_ours_in_words(tmp_path: Path) -> None:
    """Both leave the door open; only the fault is in the log."""

    def refuse(_request: dict[str, Any], _visit: Visit) -> dict[str, Any]:
        raise CommandRefused("not today")

    def fail(_request: dict[str, Any], _visit: Visit) -> dict[str, Any]:
        raise ZeroDivisionError("oh")

    handlers: dict[str, Handler] = {"no": refuse, "oh": fail, "odd": lambda *_: {"x": object()}}
    with listening() as said, door(tmp_path, handlers):
        with pytest.raises(CommandRefused, match=r"^not today$"):
            ask(tmp_path, {"do": "no"}, WAIT_S)
        assert said.events == []
        with pytest.raises(CommandRefused, match="ZeroDivisionError: oh"):
            ask(tmp_path, {"do": "oh"}, WAIT_S)
        with pytest.raises(CommandRefused, match="TypeError"):
            ask(tmp_path, {"do": "odd"}, WAIT_S)
        assert said.events == ["control.request_failed", "control.request_failed"]
        assert ask(tmp_path, {"do": "echo"}, WAIT_S)["by"] == ME


def test_who_never_speaks_is_sent_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After some seconds, also who drips a byte now and then; meanwhile the others are served."""
    monkeypatch.setattr(control, "SPEAK_S", 0.3)
    with door(tmp_path), caller(tmp_path) as silent, caller(tmp_path) as dripping:
        dripping.sendall(b"{")
        assert ask(tmp_path, {"do": "echo"}, WAIT_S)["by"] == ME
        assert silent.recv(1) == b""
        assert b"within 0.3 s" in dripping.recv(1000)


def test_more_visitors_than_seats_are_served_in_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Silent ones in every seat, and as many again before the door: whoever asks is answered in the end."""
    monkeypatch.setattr(control, "SPEAK_S", 0.2)
    with contextlib.ExitStack() as stack:
        stack.enter_context(door(tmp_path))
        for _ in range(control.MOST_VISITORS * 2):
            stack.enter_context(caller(tmp_path))
        assert sum(thread.name == "control-visitor" for thread in threading.enumerate()) <= control.MOST_VISITORS
        assert ask(tmp_path, {"do": "echo"}, WAIT_S)["by"] == ME


def test_who_never_listens_holds_one_seat_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that nobody takes is given up."""
    monkeypatch.setattr(control, "LISTEN_S", 0.3)
    with door(tmp_path, {"much": lambda *_: {"x": "y" * 5_000_000}}) as here, caller(tmp_path) as deaf:
        deaf.sendall(b'{"do":"much"}\n')
        assert ask(tmp_path, {"do": "echo"}, WAIT_S)["by"] == ME
        until(lambda: not here._visitors, "the seat")
        monkeypatch.setattr(control, "LISTEN_S", WAIT_S)
        assert len(ask(tmp_path, {"do": "much"}, WAIT_S)["x"]) == 5_000_000


def test_stopping_waits_for_no_visitor(tmp_path: Path) -> None:
    """Neither for a silent one, nor a deaf one, nor one whose handler takes its time."""
    entered = threading.Event()

    def slow(_request: dict[str, Any], visit: Visit) -> dict[str, Any]:
        entered.set()
        visit.stopping.wait(60)
        return {}

    with contextlib.ExitStack() as stack:
        stack.enter_context(door(tmp_path, {"slow": slow, "much": lambda *_: {"x": "y" * 5_000_000}}))
        stack.enter_context(caller(tmp_path))
        stack.enter_context(caller(tmp_path)).sendall(b'{"do":"much"}\n')
        stack.enter_context(caller(tmp_path)).sendall(b'{"do":"slow"}\n')
        assert entered.wait(WAIT_S)


def test_an_agent_that_stops_meanwhile_is_said(tmp_path: Path) -> None:
    """The asker does not take silence for an answer."""
    entered, release = threading.Event(), threading.Event()

    def slow(_request: dict[str, Any], _visit: Visit) -> dict[str, Any]:
        entered.set()
        release.wait(60)
        return {}

    said: list[str] = []

    def visit() -> None:
        with pytest.raises(AgentNotRunning) as refused:
            ask(tmp_path, {"do": "slow"}, WAIT_S)
        said.append(str(refused.value))

    visitor = threading.Thread(target=visit)
    with door(tmp_path, {"slow": slow}):
        visitor.start()
        assert entered.wait(WAIT_S)
    release.set()
    visitor.join(WAIT_S)
    assert "look what was done" in said[0]


def test_an_agent_that_hangs_is_waited_for_so_long_and_no_longer(tmp_path: Path) -> None:
    """A listener that never answers, and one whose door nobody opens."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "control"))
        listener.listen(0)
        started = time.monotonic()
        with pytest.raises(AgentNotRunning):
            ask(tmp_path, {"do": "echo"}, 0.3)
        with pytest.raises(AgentNotRunning, match="did not answer within 0 s"):
            ask(tmp_path, {"do": "echo"}, 0.3)
        assert time.monotonic() - started < 5


# -- what is answered ----------------------------------------------------------------------------------------------

LINK = "tcp://192.0.2.1:9100"
KNOWN = Known(Capabilities(Tier.PROCESS_ID, (1, 2, 3, 4), True), Facts("1-1.2", "04b8:0202 EPSON TM-T20II", "x", "1.0"))


class Hand:
    """A worker who does as a test says."""

    def __init__(self, state: str = "ready", **seen: Any) -> None:
        self.state: dict[str, Any] = {"state": state, **seen}
        self.future: Future[Known] = Future()
        self.asked = threading.Event()
        self.accepted = threading.Event()
        self.woken = 0

    def seen(self) -> dict[str, Any]:
        """How the printer is."""
        return self.state

    def wake(self) -> None:
        """Count."""
        self.woken += 1

    def probe(self) -> "Future[Known]":
        """Note it."""
        self.asked.set()
        return self.future

    def accept(self) -> None:
        """Note it."""
        self.accepted.set()


class Box:
    """The answers of a box with one printer."""

    def __init__(self, journal: Journal, hand: Hand) -> None:
        self.hand = hand
        self.visit = Visit("lao-wang", threading.Event())
        printer = Printer(name="wok", link=parse_link(LINK))
        self.table = answers(journal, [printer], {"wok": hand}, SystemClock())

    def ask(self, what: str, **request: Any) -> dict[str, Any]:
        """The answer."""
        return self.table[what](request, self.visit)

    def in_the_background(self, what: str, **request: Any) -> "Future[dict[str, Any]]":
        """The answer, once there is one."""
        future: Future[dict[str, Any]] = Future()

        def run() -> None:
            try:
                future.set_result(self.ask(what, **request))
            except Exception as exc:  # noqa: BLE001  # handed on
                future.set_exception(exc)

        threading.Thread(target=run, daemon=True).start()
        return future


def test_a_printer_is_shown_with_all_that_is_known_of_it(journal: Journal) -> None:
    """Met before or not, with its own alarms only."""
    box = Box(journal, Hand("needs_human", need="paper", tier="process_id"))
    (before,) = box.ask("printers")["printers"]
    assert (before["name"], before["link"], before["state"], before["waiting"]) == ("wok", LINK, "needs_human", 0)
    assert "tier" not in before
    journal.write(lambda tx: notes.keep_printer(tx, "wok", LINK, KNOWN))
    journal.write(lambda tx: [notes.raise_alarm(tx, f"printer:{who}:paper", "x") for who in ("wok", "wok2")])
    (now,) = box.ask("printers")["printers"]
    assert now["alarms"] == {"paper": "x"}
    assert now["why"] == "it needs a person (paper)"
    wanted = {"tier": "process_id", "counters": True, "port": "1-1.2", "firmware": "1.0", "profile": "epson"}
    assert {name: now[name] for name in wanted} == wanted


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        ({"state": "away", "reason": "no route"}, r"wok can't be asked now: it is away \(no route\)"),
        ({"state": "other", "reason": "an XP"}, r"another device .*\(an XP\).*printers accept"),
        ({"state": "needs_human", "need": "paper"}, r"needs a person \(paper\)"),
        ({"state": "connecting"}, r"was not met yet"),
    ],
)
def test_a_printer_that_can_not_be_asked_now_is_said_at_once(
    journal: Journal, seen: dict[str, Any], words: str
) -> None:
    """And the question does not stay behind, to be asked of whatever is there later."""
    box = Box(journal, Hand(**seen))
    with pytest.raises(CommandRefused, match=words):
        box.ask("probe", printer="wok")
    assert not box.hand.asked.is_set()


def test_a_probe_is_waited_for(journal: Journal) -> None:
    """Its result is what the printer said."""
    box = Box(journal, Hand())
    answer = box.in_the_background("probe", printer="wok")
    assert box.hand.asked.wait(WAIT_S)
    assert not answer.done()
    box.hand.future.set_result(KNOWN)
    told = answer.result(WAIT_S)
    assert (told["name"], told["tier"], told["realtime"]) == ("wok", "process_id", [1, 2, 3, 4])


@pytest.mark.parametrize("end", ["away meanwhile", "fails", "stopping", "late"])
def test_a_probe_that_comes_to_nothing_ends(journal: Journal, monkeypatch: pytest.MonkeyPatch, end: str) -> None:
    """In words: the printer went away, it was another's fault, the agent stops, or a ticket takes its time."""
    monkeypatch.setattr(printers, "PROBE_S", 0.2 if end == "late" else 30)
    box = Box(journal, Hand())
    answer = box.in_the_background("probe", printer="wok")
    assert box.hand.asked.wait(WAIT_S)
    if end == "away meanwhile":
        box.hand.state = {"state": "away", "reason": "unplugged"}
    elif end == "fails":
        box.hand.future.set_exception(Unavailable("it takes no bytes"))
    elif end == "stopping":
        box.visit.stopping.set()
    error = answer.exception(WAIT_S)
    words = {"away meanwhile": "unplugged", "fails": "no bytes", "stopping": "is stopping", "late": "busy"}
    assert isinstance(error, CommandRefused | Unavailable)
    assert words[end] in str(error)


@pytest.mark.parametrize("state", ["other", "away"])
def test_an_exchanged_printer_is_accepted(journal: Journal, state: str) -> None:
    """Also where the new one never answers, so that it seems to be away."""
    box = Box(journal, Hand(state, reason="another"))
    answer = box.in_the_background("accept", printer="wok")
    assert box.hand.accepted.wait(WAIT_S)
    journal.write(lambda tx: notes.keep_printer(tx, "wok", LINK, KNOWN))
    box.hand.state = {"state": "ready"}
    assert answer.result(WAIT_S)["tier"] == "process_id"
    assert not box.hand.asked.is_set()


def test_accepting_a_printer_that_is_there_is_asking_it_again(journal: Journal) -> None:
    """It is taken for a new one then."""
    box = Box(journal, Hand())
    box.hand.future.set_result(KNOWN)
    assert box.ask("accept", printer="wok")["tier"] == "process_id"
    assert (box.hand.asked.is_set(), box.hand.accepted.is_set()) == (True, False)


@pytest.mark.parametrize("end", ["stopping", "late"])
def test_accepting_what_is_not_there_ends(journal: Journal, monkeypatch: pytest.MonkeyPatch, end: str) -> None:
    """It is said that the word stands."""
    monkeypatch.setattr(printers, "PROBE_S", 0.2 if end == "late" else 30)
    box = Box(journal, Hand("away", reason="no route"))
    answer = box.in_the_background("accept", printer="wok")
    assert box.hand.accepted.wait(WAIT_S)
    if end == "stopping":
        box.visit.stopping.set()
    error = answer.exception(WAIT_S)
    assert isinstance(error, CommandRefused)
    assert {"stopping": "is stopping", "late": "will be taken for it; but now it is away"}[end] in str(error)


@pytest.mark.parametrize(("request_", "words"), [({}, "name a printer"), ({"printer": "bar"}, "there is wok")])
@pytest.mark.parametrize("what", ["probe", "accept"])
def test_a_printer_must_be_named(journal: Journal, what: str, request_: dict[str, Any], words: str) -> None:
    """As the configuration has it."""
    with pytest.raises(CommandRefused, match=words):
        Box(journal, Hand()).ask(what, **request_)


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({"decision": "printed", "ticket": 7}, "there is no ticket 7"),
        ({"decision": "burn", "ticket": 7}, r"\$\.data\.decision"),
        ({"decision": "printed"}, r"\$\.data\.ticket"),
        ({}, r"\$\.data\.decision"),
    ],
)
def test_a_decision_that_can_not_be_is_refused(journal: Journal, request_: dict[str, Any], words: str) -> None:
    """As from the cloud; the log has no error for it."""
    with listening() as said, pytest.raises(CommandRefused, match=words):
        Box(journal, Hand()).ask("settle", **request_)
    assert said.events == []


def test_a_decision_is_not_waited_for_without_end(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the disk takes nothing, it is said that nothing is known."""
    monkeypatch.setattr(word, "KEPT_S", 0.2)
    release = threading.Event()
    journal.submit(lambda _: release.wait(WAIT_S), lambda _: None)
    try:
        with pytest.raises(CommandRefused, match="not on disk yet"):
            Box(journal, Hand()).ask("settle", decision="printed", ticket=1)
    finally:
        release.set()


def test_the_queue_is_shown_to_a_limit(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a night without a printer there may be thousands: the oldest, and how many there are."""
    monkeypatch.setattr(queue, "MOST_TICKETS", 2)
    sql = (
        "INSERT INTO jobs (rev, kind, station, home, printer, copy, copies, state, share, created_at) "
        "VALUES (0, 'notice', 'wok', 'wok', 'wok', 1, 1, ?, x'', '2026-11-22T07:31:05.000Z')"
    )
    journal.write(lambda tx: tx.executemany(sql, [(state,) for state in ("completed", "pending", "held", "pending")]))
    told = Box(journal, Hand()).ask("queue")
    assert [ticket["ticket"] for ticket in told["tickets"]] == [2, 3]
    assert told["count"] == 3
    assert all(ticket["age_s"] >= 0 for ticket in told["tickets"])


WAITS = [
    ({"state": "ready"}, {"state": "ready"}, ""),
    ({"state": "away", "reason": "x"}, {"state": "ready"}, "wok: 连不上 away  坏 15 s 后由 bar 代打 bar stands in"),
    ({"state": "away", "reason": "x"}, {"state": "other"}, "wok: 连不上 away  bar: 换了机器 another device"),
    ({"state": "needs_human", "need": "paper"}, {"state": "ready"}, "wok: 缺纸 paper  坏 15 s 后由 bar 代打"),
]


@pytest.mark.parametrize(("wok", "bar", "words"), WAITS)
def test_a_ticket_that_waits_says_for_what(
    tmp_path: Path, journal: Journal, wok: dict[str, Any], bar: dict[str, Any], words: str
) -> None:
    """Its printer's trouble, and who stands in; a notice is printed by nobody else."""
    config = tmp_path / "shop.yaml"
    config.write_text(
        f"shop: s1\ndata_dir: {tmp_path}\nbroker: {{url: mqtt://localhost}}\n"
        "printers: [{name: wok, link: 'virtual://wok'}, {name: bar, link: 'virtual://bar'}]\n"
        "stations: [{name: hot, printer: wok, backup: bar}]\n"
    )
    order = "INSERT INTO orders (pk, channel, order_id, number, rev, state) VALUES (1, 'c', 'o', '42', 1, 'accepted')"
    job = (
        "INSERT INTO jobs (order_pk, rev, kind, station, home, printer, copy, copies, state, share, created_at) "
        "VALUES (?, 1, ?, ?, 'wok', 'wok', 1, 1, 'pending', x'', '2026-11-22T07:31:05.000Z')"
    )
    journal.write(lambda tx: tx.execute(order))
    journal.write(lambda tx: tx.executemany(job, [(1, "order", "hot"), (None, "notice", "wok")]))
    if wok.get("need"):
        journal.write(lambda tx: notes.raise_alarm(tx, "printer:wok:paper", "it needs a person"))
    printers = [Printer(name=name, link=parse_link(f"virtual://{name}")) for name in ("wok", "bar")]
    hands = {"wok": Hand(**wok), "bar": Hand(**bar)}
    with door(tmp_path, answers(journal, printers, hands, SystemClock())):
        done = CliRunner().invoke(cli, ["queue", "list", "--config", str(config)])
    first, second = done.output.splitlines()
    assert first.startswith("1  order 42  hot  wok  等待 pending  ")
    assert words in first
    assert "代打" not in second
    assert [("wok: " in line) for line in (first, second)] == [bool(words)] * 2


@pytest.fixture
def in_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine whose clock is in UTC."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("in_utc")
def test_times_are_those_of_the_shop(tmp_path: Path) -> None:
    """As on its tickets, whatever the machine's zone is; UTC is named."""
    alarm = {"key": "parked", "since": "2026-11-22T05:35:10.000Z", "reason": "x", "dismissable": True}
    seen = msgspec.to_builtins(overview(line=LineNow("up", True, "2026-11-22T16:10:00.000Z")))
    told = []
    for zone in ("timezone: Asia/Shanghai\n", ""):
        config = tmp_path / "shop.yaml"
        config.write_text(f"shop: s1\ndata_dir: {tmp_path}\n{zone}")
        with door(tmp_path, {"alarms": lambda *_: {"alarms": [alarm]}, "status": lambda *_: seen}):
            told += [run_cli(config, *words).output for words in (("alarms", "list"), ("status",))]
    assert told[0].startswith("parked  11-22 13:35  ")
    assert "last heard 11-23 00:10\n" in told[1]
    assert told[2].startswith("parked  11-22 05:35 UTC  ")
    assert "last heard 11-22 16:10 UTC\n" in told[3]


def test_what_works_without_the_agent_is_said_where_it_does_not_run(tmp_path: Path) -> None:
    """`printers test` needs it, `identify` does not."""
    config = tmp_path / "shop.yaml"
    config.write_text(f"shop: s1\ndata_dir: {tmp_path}\nprinters: [{{name: wok, link: 'virtual://wok'}}]\n")
    done = CliRunner().invoke(cli, ["printers", "test", "wok", "--config", str(config)])
    assert isinstance(done.exception, AgentNotRunning)
    assert "not running here" in str(done.exception)
    assert "shop-agent printers identify wok" in str(done.exception)


def test_an_alarm_is_shown_with_what_is_found_now(tmp_path: Path, journal: Journal) -> None:
    """One that was exchanged for a mute one: first it refused, now it says nothing, and what to write is said."""
    config = tmp_path / "shop.yaml"
    config.write_text(f"shop: s1\ndata_dir: {tmp_path}\nbroker: {{url: mqtt://localhost}}\n")
    journal.write(lambda tx: notes.raise_alarm(tx, "printer:wok:away", "Connection refused"))
    hand = Hand("away", reason="no answer to a status request")
    with door(tmp_path, Box(journal, hand).table):
        said = CliRunner().invoke(cli, ["printers", "list", "--config", str(config)]).output
        hand.state = {"state": "away", "reason": "Connection refused"}
        refused = CliRunner().invoke(cli, ["printers", "list", "--config", str(config)]).output
    assert "报警 alarm  away  it is away (no answer to a status request)" in said
    assert "confirm: none" in said
    assert "Connection refused" not in said
    assert "confirm: none" not in refused
