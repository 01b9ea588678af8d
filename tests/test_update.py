"""A box that brings itself up to date: when, with what proof, and what is left wherever the power goes."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import time
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from agent import __version__
from agent.checkpoint import UPDATING
from agent.cli import cli
from agent.clock import SystemClock
from agent.doctor.after import Before, before, missing, wait_until_well
from agent.intake.consumer import Consumer
from agent.journal import dismissals, notes
from agent.journal.store import Journal
from agent.model.command import Dismiss
from agent.model.station import Station
from agent.model.wire import Delivery
from agent.overview.state import LineNow, OrdersNow, Overview, PrinterNow, TicketsNow
from agent.service import running
from agent.update import back, packages
from agent.update.back import Last, State, Trial
from agent.update.rules import CALM_S, ROOM_BYTES, Moment, Offer, Verdict, in_hours, may_now, worth
from agent.update.tell import follow
from tests import fakedpkg
from tests.crash import order_event

PROJECT = Path(__file__).parents[1]
OLD, NEW = "1.0", "2.0"


def seen(**change: Any) -> Overview:
    """A box that is well."""
    printers = [PrinterNow("kitchen", "virtual://kitchen", "ready"), PrinterNow("bar", "tcp://bar", "away")]
    told: dict[str, Any] = {
        "well": "well", "version": OLD, "shop": "s", "agent": "box1", "at": "", "started": "", "up_s": 60,
        "line": LineNow("up"), "printers": printers, "tickets": TicketsNow(), "orders": OrdersNow(), "last_order": "",
        "alarms": [], "clock_synchronised": True, "disk_free": None, "journal_ok": True,
    }  # fmt: skip
    return Overview(**{**told, **change})


# -- when ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hours", "local", "within"),
    [
        ("03:00-05:00", time(3, 0), True),
        ("03:00-05:00", time(4, 59, 59), True),
        ("03:00-05:00", time(5, 0), False),
        ("03:00-05:00", time(2, 59), False),
        ("23:00-04:00", time(23, 30), True),
        ("23:00-04:00", time(3, 59), True),
        ("23:00-04:00", time(4, 0), False),
        ("23:00-04:00", time(12, 0), False),
        ("00:00-00:00", time(12, 0), True),
    ],
)
def test_hours_are_the_shops_own(hours: str, local: time, within: bool) -> None:
    """Over midnight too; the end is not in them."""
    assert in_hours(hours, local) is within


QUIET = Moment(
    automatic=True, hours="03:00-05:00", asked=False, local=time(4, 0), seen=seen(), silent=False, idle_s=None,
    free_bytes=ROOM_BYTES,
)  # fmt: skip


@pytest.mark.parametrize(
    ("change", "verdict", "why"),
    [
        ({}, "go", ""),
        ({"automatic": False}, "no", "updates.automatic"),
        ({"local": None}, "later", "clock"),
        ({"local": time(12, 0)}, "later", "03:00-05:00"),
        ({"silent": True, "seen": None}, "later", "gives no answer"),
        ({"seen": None}, "go", ""),
        ({"seen": seen(tickets=TicketsNow(waiting=1))}, "later", "1 tickets are not settled"),
        ({"idle_s": CALM_S - 1}, "later", "an order came"),
        ({"idle_s": CALM_S}, "go", ""),
        ({"idle_s": -3600.0}, "go", ""),  # the clock was set back since: the order is no news
        ({"free_bytes": ROOM_BYTES - 1}, "later", "free on the disk"),
        ({"asked": True, "automatic": False, "local": None, "idle_s": 1.0}, "go", ""),
        ({"asked": True, "seen": seen(tickets=TicketsNow(waiting=1))}, "later", "not settled"),
        ({"asked": True, "silent": True}, "later", "gives no answer"),
        ({"seen": None, "left": 2}, "later", "the agent is down, and 2 tickets are not settled: start it"),
        ({"seen": None, "left": None}, "later", "the agent is down, and its journal can't be read: start it"),
        ({"seen": None, "left": 2, "asked": True}, "go", ""),
        ({"seen": None, "left": None, "asked": True}, "go", ""),
    ],
)
def test_an_update_waits_for_a_quiet_moment(change: dict[str, Any], verdict: str, why: str) -> None:
    """Never with tickets waiting for an agent that runs, whoever asks; by itself only in the hours, when nobody orders,
    and with none waiting for one that is down.
    """
    found = may_now(msgspec.structs.replace(QUIET, **change))
    assert found.verdict == verdict
    assert why in found.why.en


@pytest.mark.parametrize(
    ("settings", "trial", "code", "says"),
    [
        ('updates: {hours: "00:00-00:00"}', None, 0, "this is a moment for it"),
        ('updates: {hours: "00:00-00:00", automatic: false}', None, 1, "updates.automatic is off"),
        ("updates: {automatic: false}", Trial(OLD, NEW, "2026-11-23T03:00:00Z"), 0, ""),
    ],
)
def test_the_timer_does_not_begin_in_vain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: str, trial: Trial | None, code: int, says: str
) -> None:
    """It asks first, without the network and without writing; what was cut off is undone at any hour."""
    monkeypatch.setattr(packages, "require", lambda: None)
    config = tmp_path / "shop-agent.yaml"
    config.write_text(f"shop: s421\ndata_dir: {tmp_path}\nintake: {{clock: trust}}\n{settings}\n")
    if trial is not None:
        back.write(tmp_path, State(trial))
    told = CliRunner().invoke(cli, ["update", "--due", "--config", str(config), "--folder", str(tmp_path)])
    assert told.exit_code == code
    assert says in told.output


def test_an_agent_that_is_down_has_its_tickets_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are in its journal: an update waits for them, and says what to do."""
    monkeypatch.setattr(packages, "require", lambda: None)
    config = tmp_path / "shop-agent.yaml"
    config.write_text(f"shop: s421\ndata_dir: {tmp_path}\nintake: {{clock: trust}}\nupdates: {{hours: 00:00-00:00}}\n")
    journal = Journal(tmp_path / "journal.db")
    with running([journal], 1.0, SystemClock()):
        stations = [Station("wok", "p1", default=True)]
        consumer = Consumer(journal, stations, "replay", lambda _: None, lambda _: None, lambda: None)
        consumer.receive(Delivery(1, 1, "order", msgspec.json.encode(order_event(1)), 1, False))
        journal.write(lambda _: None)
    due = ["update", "--due", "--config", str(config), "--folder", str(tmp_path)]
    told = CliRunner().invoke(cli, due)
    assert (told.exit_code, "the agent is down, and 1 tickets are not settled" in told.output) == (1, True)
    (tmp_path / "journal.db").write_bytes(b"garbage" * 1000)
    told = CliRunner().invoke(cli, due)
    assert (told.exit_code, "its journal can't be read" in told.output) == (1, True)


@pytest.mark.parametrize("how", [["--check"], ["--json"], []])
def test_without_a_repository_nothing_can_be_brought_up_to_date(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: list[str]
) -> None:
    """Looking or doing, a person reads so, with exit 1; the timer is not troubled."""
    monkeypatch.setattr(packages, "present", lambda: OLD)
    monkeypatch.setattr(packages, "SOURCE", tmp_path / "none.sources")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    args = ["update", *how, "--config", str(tmp_path / "none.yaml"), "--folder", str(tmp_path)]
    told = CliRunner().invoke(cli, args)
    assert told.exit_code == 1
    assert (
        f"没有软件源 there is no repository: {tmp_path}/none.sources; /usr/share/doc/shop-agent/docs/install.md"
        in told.output
    )
    assert CliRunner().invoke(cli, [*args, "--due"]).exit_code == 1


OFFER = Offer(present=OLD, version=NEW, newer=True, oldest=7, schema=7)


@pytest.mark.parametrize(
    ("change", "asked", "verdict", "why"),
    [
        ({}, False, "go", ""),
        ({"newer": False}, True, "no", "newest"),
        ({"version": ""}, True, "no", "lists have no shop-agent"),
        ({"refused": "its agent fell over"}, False, "no", "its agent fell over"),
        ({"refused": "its agent fell over"}, True, "go", ""),
        ({"oldest": 8}, False, "no", "by hand"),
        ({"oldest": 8}, True, "no", "by hand"),
        ({"oldest": 6}, False, "go", ""),
        ({"oldest": None}, True, "no", "by hand"),
    ],
)
def test_only_what_can_be_undone_is_installed(change: dict[str, Any], asked: bool, verdict: str, why: str) -> None:
    """A version after which the present one could not go on with the journal waits for a person and apt."""
    found = worth(msgspec.structs.replace(OFFER, **change), asked=asked)
    assert found.verdict == Verdict(verdict)
    assert why in found.why.en


POLICY = """shop-agent:
  Installed: 1.0
  Candidate: 1.0
  Version table:
 *** 1.0 {pin}
"""


@pytest.mark.parametrize(
    ("listed", "offers"),
    [
        ("500\n        500 https://apt.example stable/main amd64 Packages\n        100 /var/lib/dpkg/status", "1.0"),
        ("100\n        100 /var/lib/dpkg/status", ""),
    ],
)
def test_what_is_installed_is_no_offer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listed: str, offers: str
) -> None:
    """Without a list of the repository's apt names the version that is here: that says nothing of newer ones."""
    (tmp_path / "policy").write_text(POLICY.format(pin=listed))
    program = tmp_path / "apt-cache"
    program.write_text(f"#!/bin/sh\n[ $1 = show ] || exec cat {tmp_path}/policy\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert packages.offered() == (offers, None)


# -- the proof ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("after", "lacks"),
    [
        (None, "no agent answers"),
        (seen(version=NEW), ""),
        (seen(), "1.0 runs, and not 2.0"),
        (seen(version=NEW, up_s=14), "up for 14 s only"),
        (seen(version=NEW, journal_ok=False), "journal"),
        (seen(version=NEW, line=LineNow("connecting")), "line"),
        (seen(version=NEW, printers=[PrinterNow("kitchen", "", "away")]), "printer kitchen"),
        (seen(version=NEW, printers=[]), "printer kitchen"),
        (seen(version=NEW, printers=[PrinterNow("kitchen", "", "needs_human", need="paper")]), ""),
    ],
)
def test_the_new_version_must_be_as_well_as_the_old_one_was(after: Overview | None, lacks: str) -> None:
    """It runs and stays, the journal opens, line and printers are there again; a printer that was away may be away."""
    said = "; ".join(words.en for words in missing(before(seen(), NEW), after))
    assert (lacks in said) if lacks else said == ""


class Ticking:
    """A clock that goes on by what is slept."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now

    def utc(self) -> Any:
        raise AssertionError("durations only")

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.mark.parametrize(("well_at_s", "well"), [(0, True), (40, True), (70, False)])
def test_the_proof_ends_within_a_minute(well_at_s: float, well: bool) -> None:
    """A slow start is waited for; a version that does not come is given up before the updater's own limit."""
    clock = Ticking()

    def look() -> Overview | None:
        return seen(version=NEW) if clock.now >= well_at_s else None

    assert (not wait_until_well(before(seen(), NEW), look, lambda: 0, clock, clock.sleep)) is well
    assert clock.now < 60


@pytest.mark.parametrize(
    ("counts", "given_up_at_s"),
    [([0, 0, 1, 2, 3], 4), ([5], 0), ([0, 1, 2], None), ([0, 1, 2, 0, 1, 2], None), ([0], None)],
)
def test_a_version_that_falls_over_three_times_is_given_up_at_once(
    counts: list[int], given_up_at_s: int | None
) -> None:
    """By what systemd counts, each second; with once or twice, also before and after a person's restart, it has its
    time.
    """
    clock = Ticking()

    def look() -> Overview | None:
        return seen(version=NEW) if clock.now >= 40 else None

    def falls() -> int:
        return counts[min(int(clock.now), len(counts) - 1)]

    found = wait_until_well(before(seen(), NEW), look, falls, clock, clock.sleep)
    given_up = given_up_at_s is not None
    assert [words.en for words in found] == (["no agent answers", "it fell over 3 times"] if given_up else [])
    assert clock.now == (given_up_at_s if given_up else 40)


@pytest.mark.parametrize(
    ("systemctl", "wait_s", "says"),
    [
        (
            "echo >>asked; [ \"$*\" = 'show -P NRestarts shop-agent.service' ] && wc -l <asked",
            50.0,
            "fell over 3 times",
        ),
        ("echo not known here; exit 1", 0.5, "no agent answers"),
    ],
)
def test_systemd_is_asked_how_often_the_new_version_fell_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, systemctl: str, wait_s: float, says: str
) -> None:
    """Where it can't be asked, the new version is waited for to the end."""
    (tmp_path / "systemctl").write_text(f"#!/bin/sh\ncd {tmp_path}\n{systemctl}\n")
    (tmp_path / "systemctl").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr("agent.doctor.after.WAIT_S", wait_s)
    monkeypatch.setattr("agent.doctor.after.EACH_S", 0.01)
    config, was = tmp_path / "shop-agent.yaml", tmp_path / "before.json"
    config.write_text(f"shop: s421\ndata_dir: {tmp_path}\n")
    was.write_bytes(msgspec.json.encode(Before(version=__version__, ran=True)))
    told = CliRunner().invoke(cli, ["doctor", "--post-update", str(was), "--config", str(config)])
    assert told.exit_code == 1
    assert says in told.output.splitlines()[-1]


def test_where_nothing_ran_before_nothing_must_run() -> None:
    """A box whose agent is stopped, or can't start, is brought up to date too: that may be what mends it."""
    clock = Ticking()
    assert wait_until_well(before(None, NEW), lambda: None, lambda: 9, clock, clock.sleep) == []
    assert before(None, NEW) == Before(version=NEW)


# -- a box, and the power ----------------------------------------------------------------------------------------


class Box:
    """Its files, its dpkg, and the folder of its updates."""

    def __init__(self, folder: Path, *, broken: bool) -> None:
        self.folder = folder
        self.updates = folder / "updates"
        self.updates.mkdir()
        self.home = folder / "usr/lib/shop-agent"
        self._env = {**os.environ, "FAKE_BOX": str(folder), "PYTHONPATH": str(PROJECT)}
        self._env["PATH"] = f"{folder / 'bin'}:{os.environ['PATH']}"
        (folder / "bin").mkdir()
        program = f"#!{sys.executable} -IS\n{Path(fakedpkg.__file__).read_text()}"
        for name in fakedpkg.PROGRAMS:
            (folder / "bin" / name).write_text(program)
            (folder / "bin" / name).chmod(0o755)
        self._python("from tests import fakedpkg; fakedpkg.install_first('1.0')", {})
        fakedpkg.lay_out(folder / "offered", NEW, broken=broken)

    def update(self, **cut: str) -> int:
        """Until its end, or until the power goes: everything of it dies at once."""
        was = 'Before(version="2.0", ran=True)'
        call = f"procedure.update(Path({str(self.updates)!r}), '1.0', '2.0', {was}, lambda: '')"
        return self._python(
            "from pathlib import Path; from agent.doctor.after import Before; from agent.update import procedure; "
            + call,
            cut,
        )

    def boot(self, **cut: str) -> int:
        """What systemd does at a start: the agent as it is, and the rescue where there is one."""
        rescue = self.updates / back.RESCUE
        return self._run([sys.executable, "-IS", str(rescue)], cut) if rescue.exists() else 0

    def runs(self) -> str:
        """The version that would run now, all of whose files are there."""
        version = (self.home / "version").read_text()
        for part in fakedpkg.PARTS:
            text = (self.home / version / part).read_text()
            assert text == f"{part} {version}" or (part, text) == ("doctor", "no")
        return version

    def installed(self) -> str:
        return (self.folder / "status").read_text()

    def state(self) -> State:
        return back.read(self.updates)

    def _python(self, code: str, cut: dict[str, str]) -> int:
        return self._run([sys.executable, "-c", code], cut)

    def _run(self, command: list[str], cut: dict[str, str]) -> int:
        done = subprocess.run(
            command, env={**self._env, **cut}, start_new_session=True, capture_output=True, text=True, timeout=100
        )
        assert done.returncode in (0, -signal.SIGKILL), done.stderr
        return done.returncode


@pytest.fixture
def box(tmp_path: Path) -> Box:
    """Its next version is a good one."""
    return Box(tmp_path, broken=False)


@pytest.fixture
def sick(tmp_path: Path) -> Box:
    """Its next version has a doctor that says no."""
    return Box(tmp_path, broken=True)


def test_a_good_version_stays(box: Box) -> None:
    """It runs, and at the next start nothing is undone."""
    box.update()
    assert (box.runs(), box.installed()) == (NEW, "ii 2.0")
    box.boot()
    assert (box.runs(), box.installed()) == (NEW, "ii 2.0")
    assert (box.state().trial, box.state().refused) == (None, {})


def test_a_version_that_is_not_well_is_undone(sick: Box) -> None:
    """The previous one comes back from its own files, and the other is not tried again by itself."""
    sick.update()
    assert (sick.runs(), sick.installed()) == (OLD, "ii 1.0")
    assert sick.state().trial is None
    assert sick.state().refused == {NEW: "✗ no agent answers"}, "and nothing of a file that only root may read"


CUTS = [{"SHOP_AGENT_CRASH": name} for name in UPDATING if "back" not in name and "refuse" not in name]
CUTS += [{"FAKE_CUT": name} for name in fakedpkg.MOMENTS]
BACK_CUTS = [{"SHOP_AGENT_CRASH": name} for name in UPDATING if "back" in name or "refuse" in name]
BACK_CUTS += [{"FAKE_CUT": f"{name}:2"} for name in fakedpkg.MOMENTS if name != "apt.fetch"]


def name(cut: dict[str, str]) -> str:
    return next(iter(cut.values()))


@pytest.mark.parametrize("cut", CUTS, ids=name)
def test_an_update_cut_anywhere_leaves_a_box_that_runs(box: Box, cut: dict[str, str]) -> None:
    """At the very next start a whole version is there, and soon it is a settled one: the old, or the new if proved."""
    assert box.update(**cut) == -signal.SIGKILL
    assert box.runs() in (OLD, NEW)
    proved = name(cut) == "update.after_commit"
    box.boot()
    assert (box.runs(), box.installed()) == ((NEW, "ii 2.0") if proved else (OLD, "ii 1.0"))
    assert box.state().trial is None
    assert box.state().refused == {}  # the power is no fault of the version's


def test_what_was_cut_off_is_tried_again(box: Box) -> None:
    """The next night, from the beginning, and with nothing left of the first time."""
    box.update(FAKE_CUT="dpkg.remove")
    box.boot()
    box.update()
    assert (box.runs(), box.installed()) == (NEW, "ii 2.0")
    assert (box.state().trial, box.state().cuts) == (None, {})


@pytest.mark.parametrize("cut", BACK_CUTS, ids=name)
def test_a_way_back_cut_anywhere_is_gone_on_with(sick: Box, cut: dict[str, str]) -> None:
    """A version that is not well never stays, and is known to be refused, also where the power goes meanwhile."""
    assert sick.update(**cut) == -signal.SIGKILL
    assert sick.runs() in (OLD, NEW)
    sick.boot()
    assert (sick.runs(), sick.installed()) == (OLD, "ii 1.0")
    assert sick.state().trial is None
    assert list(sick.state().refused) == [NEW]


@pytest.mark.parametrize("cut", BACK_CUTS, ids=name)
def test_a_start_cut_while_it_goes_back_is_followed_by_another(box: Box, cut: dict[str, str]) -> None:
    """The power goes within the update, and again within the start that undoes it."""
    assert box.update(FAKE_CUT="dpkg.pointer") == -signal.SIGKILL
    moment = {key: value.removesuffix(":2") for key, value in cut.items()}
    for passed in box.folder.glob("passed-*"):
        passed.unlink()
    assert box.boot(**moment) == -signal.SIGKILL
    assert box.runs() in (OLD, NEW)
    box.boot()
    assert (box.runs(), box.installed()) == (OLD, "ii 1.0")
    assert box.state().trial is None


def test_a_version_that_takes_the_box_down_is_not_tried_for_ever(box: Box) -> None:
    """Cut off twice after it was begun, it is given up."""
    for times in (1, 2):
        for passed in box.folder.glob("passed-*"):
            passed.unlink()
        assert box.update(FAKE_CUT="dpkg.configure") == -signal.SIGKILL
        box.boot()
        assert box.state().cuts == {NEW: times}
    assert box.state().refused == {NEW: back.CUT_OFF}


def test_the_rescue_needs_nothing_of_any_version(box: Box) -> None:
    """It runs with the system's Python alone, from its own folder, whatever became of the installed files."""
    assert box.update(SHOP_AGENT_CRASH="update.after_install") == -signal.SIGKILL
    assert box.runs() == NEW
    (box.home / NEW / "agent").write_text("nothing that works")
    box.boot()
    assert box.runs() == OLD


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: os.truncate(path, 300)])
def test_where_the_copy_of_the_old_version_is_damaged_the_new_one_stays(
    box: Box, damage: Callable[[Path], object]
) -> None:
    """And runs on: it is not stopped in vain at each start. A person is told, by the alarm of what was refused."""
    assert box.update(SHOP_AGENT_CRASH="update.after_install") == -signal.SIGKILL
    damage(box.updates / back.PREVIOUS)
    box.boot()
    assert (box.runs(), box.installed()) == (NEW, "ii 2.0")
    last = box.state().last
    assert (box.state().trial, last and last.result) == (None, back.STAYS)
    assert "1.0 can't come back, its copy is damaged" in box.state().refused[NEW]


def test_what_a_person_installed_meanwhile_stays(box: Box) -> None:
    """A trial that is pending is of another version."""
    assert box.update(SHOP_AGENT_CRASH="update.after_install") == -signal.SIGKILL
    (box.home / NEW).rename(box.home / "3.0")
    for part in fakedpkg.PARTS:
        (box.home / "3.0" / part).write_text(f"{part} 3.0")
    (box.home / "version").write_text("3.0")
    (box.folder / "status").write_text("ii 3.0")
    box.boot()
    assert (box.runs(), box.installed()) == ("3.0", "ii 3.0")
    assert (box.state().trial, box.state().refused) == (None, {})


def test_an_update_that_is_under_way_is_left_alone(box: Box) -> None:
    """Whoever looks for what was cut off takes no living one for it."""
    assert box.update(SHOP_AGENT_CRASH="update.after_install") == -signal.SIGKILL
    with back.alone(box.updates):
        box.boot()
        assert (box.runs(), box.state().trial is None) == (NEW, False)
        with pytest.raises(back.Busy), back.alone(box.updates):
            pass
    box.boot()
    assert (box.runs(), box.state().trial is None) == (OLD, True)


def test_nobody_but_root_can_hold_an_update_up(tmp_path: Path) -> None:
    """The agent's user may look into the folder; who can open the lock could keep the box from going back."""
    with back.alone(tmp_path):
        assert (tmp_path / back.LOCK).stat().st_mode & 0o777 == 0o600


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    """And a file that says nothing is a box that was never updated."""
    told = State(Trial(OLD, NEW, "2026-11-23T03:00:00Z"), Last("0.9", OLD, "2026-10-01T03:00:00Z", "done"), {NEW: 1})
    back.write(tmp_path, told)
    assert back.read(tmp_path) == told
    assert json.loads((tmp_path / back.STATE).read_text())["trial"]["new"] == NEW
    (tmp_path / back.STATE).write_text("[]")
    assert back.read(tmp_path) == State()


def test_an_update_that_was_undone_is_an_alarm_until_a_person_has_seen_it(tmp_path: Path) -> None:
    """Raised once, also over restarts; ended by a person, or by the next update that goes well."""
    why = "no agent answers"
    cut_off = State(None, Last(OLD, NEW, "2026-11-22T03:00:00Z", "back", back.CUT_OFF), {NEW: 1}, {})
    undone = State(None, Last(OLD, NEW, "2026-11-23T03:00:00Z", "back", why), {}, {NEW: why})
    again = State(None, Last(OLD, "2.1", "2026-11-24T03:00:00Z", "back", why), {}, {NEW: why, "2.1": why})
    done = State(None, Last(OLD, "2.2", "2026-11-25T03:00:00Z", "done"), {}, {NEW: why, "2.1": why})
    journal = Journal(tmp_path / "journal.db")

    def up(*states: State) -> dict[str, str]:
        for state in states:
            journal.write(partial(follow, state=state))
        return journal.write(notes.alarms)

    with running([journal], 1.0, SystemClock()):
        assert up(State(), cut_off) == {}
        assert up(undone) == {"update:2.0": why}
        journal.write(lambda tx: dismissals.dismiss(tx, Dismiss(alarm="update:2.0")))
        assert up(undone, undone) == {}
        assert up(again) == {"update:2.1": why}
        assert up(done) == {}


def test_where_no_package_is_installed_a_person_reads_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a checkout: not only what dpkg says of it."""
    (tmp_path / "dpkg-query").write_text("#!/bin/sh\necho 'no packages found' >&2; exit 1\n")
    (tmp_path / "dpkg-query").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    done = CliRunner().invoke(cli, ["update", "--check", "--config", str(tmp_path / "none.yaml")])
    assert done.exit_code == 1
    assert "不是用软件包安装的 is not installed as a package: docs/install.md" in done.output
    assert "no packages found" in done.output


@pytest.mark.parametrize(
    ("ends", "says"),
    [
        (subprocess.CalledProcessError(1, "dpkg"), "tried again at the next start"),
        (State(last=Last(OLD, NEW, "", back.STAYS, "a damaged copy")), "what is installed stays  a damaged copy"),
    ],
)
def test_whoever_asks_for_an_update_hears_that_the_last_one_is_not_undone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ends: Exception | State, says: str
) -> None:
    """In words, with exit 1."""

    def go_back(_: Path) -> State:
        if isinstance(ends, State):
            return ends
        raise ends

    back.write(tmp_path, State(Trial(OLD, NEW, "2026-11-23T03:00:00Z")))
    monkeypatch.setattr(back, "go_back", go_back)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    told = ["update", "--now", "--config", str(tmp_path / "none.yaml"), "--folder", str(tmp_path)]
    done = CliRunner().invoke(cli, told)
    assert (done.exit_code, says in done.output) == (1, True), done.output


@pytest.mark.parametrize(
    ("status", "repository", "advice"),
    [
        ("iHR", True, "sudo apt install --reinstall shop-agent"),
        ("iHR", False, "sudo apt install --reinstall ./shop-agent_….deb"),
        ("iF ", True, "sudo dpkg --configure -a"),
    ],
)
def test_what_was_left_half_way_is_told_with_what_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: str, repository: bool, advice: str
) -> None:
    """dpkg goes on by itself with a package whose files it has all written, and with no other."""
    (tmp_path / "dpkg-query").write_text(f"#!/bin/sh\necho '{status} 1.0'\n")
    (tmp_path / "dpkg-query").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(packages, "SOURCE", tmp_path if repository else tmp_path / "none")
    with pytest.raises(packages.PackageError, match=re.escape(f"({status.strip()}): {advice}")):
        packages.present()


def test_a_package_that_is_fetched_is_no_older_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """apt believes what lies there with the right length, also what a power cut left torn."""
    archives = tmp_path / "archives"
    archives.mkdir()
    for name in ("shop-agent_2.0_amd64.deb", "less_590_amd64.deb"):
        (archives / name).write_text("torn")
    (tmp_path / "apt-get").write_text(f"#!/bin/sh\nls {archives} >{tmp_path}/seen\n")
    (tmp_path / "apt-get").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(packages, "ARCHIVES", archives)
    packages.fetch("2.0")
    assert (tmp_path / "seen").read_text().split() == ["less_590_amd64.deb"]


def test_lists_that_a_power_cut_left_empty_are_fetched_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """apt finds none of them when it is asked, and its lock and what is sound where they were."""
    lists = tmp_path / "lists"
    (lists / "partial").mkdir(parents=True)
    for name, text in {"shop_InRelease": "", "shop_Packages": "", "debian_InRelease": "signed", "lock": ""}.items():
        (lists / name).write_text(text)
    (tmp_path / "apt-get").write_text(f"#!/bin/sh\nls {lists} >{tmp_path}/seen\n")
    (tmp_path / "apt-get").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(packages, "LISTS", lists)
    packages.refresh()
    assert (tmp_path / "seen").read_text().split() == ["debian_InRelease", "lock", "partial"]
