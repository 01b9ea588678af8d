"""The fleet: what a box says becomes a row, as a truth table; and two real agents on a real broker, seen from afar."""

import asyncio
import os
import pty
import select
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import paho.mqtt.client as mqtt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paho.mqtt.enums import CallbackAPIVersion
from prometheus_client.parser import text_string_to_metric_families

from agent.clock import SystemClock, stamp
from agent.config import Broker
from agent.fleet.beat import Beat, PrinterSeen, Status, read_beat, read_status
from agent.fleet.changes import Changes
from agent.fleet.exporter import Exporter, text
from agent.fleet.look import Line, Look, summary
from agent.fleet.table import Language, age, cells, frame, snapshot
from agent.fleet.trouble import PRINTER_NEEDS, Trouble
from agent.fleet.view import BoxId, Fleet, Row
from agent.fleet.watch import Watch
from agent.report import presence
from agent.simulator.ports import serve_tcp
from agent.simulator.printer import VirtualPrinter
from agent.simulator.stage import AgentProcess, Mosquitto, free_port
from scripts.benchmarks import fleet as bench
from scripts.benchmarks import fleet_view
from scripts.benchmarks.fleet_cloud import Cloud

UTC_NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
BOX = BoxId("s1", "box1")
READY = {"state": "ready", "tier": "process_id"}


def beat(now: datetime = UTC_NOW, **said: Any) -> bytes:
    """A beat of a box that is well, but for what is said; `now` is by its own clock."""
    well = {
        "at": stamp(now),
        "boot": "b1",
        "version": "1.0",
        "printers": {"kitchen": READY},
        "waiting": {},
        "orders_held": 0,
        "oldest_ticket": None,
        "last_order_heard": stamp(now - timedelta(seconds=30)),
        "clock_synchronised": True,
        "alarms": {},
    }
    return msgspec.json.encode({**well, **said})


def status(online: bool, boot: str = "b1") -> bytes:
    """A birth or a death."""
    return msgspec.json.encode({"online": online, "boot": boot, "version": "1.0"})


def fleet(*said: tuple[float, bytes | None, bytes | None], **settings: Any) -> Fleet:
    """What was said, and when: a status, a beat, or None."""
    here = Fleet(0.0, **settings)
    for at, state, pulse in said:
        if state is not None:
            here.heard_status(BOX, state, False, at)
        if pulse is not None:
            here.heard_beat(BOX, pulse, False, at, UTC_NOW)
    return here


def row(here: Fleet, now: float) -> Row:
    """The only box."""
    (found,) = here.rows(now)
    return found


def seen(state: str, **more: str) -> dict[str, Any]:
    """The beat's part about one printer."""
    return {"printers": {"kitchen": {"state": state, **more}}}


OLD = stamp(UTC_NOW - timedelta(seconds=400))
YOUNG = stamp(UTC_NOW - timedelta(seconds=20))
TRUTH: dict[str, tuple[dict[str, Any], Trouble, str]] = {
    "well": ({}, Trouble.WELL, ""),
    "still meeting its printer": (seen("connecting"), Trouble.WELL, ""),
    "paper": (seen("needs_human", need="paper"), Trouble.PRINTER, "paper"),
    "cover": (seen("needs_human", need="cover"), Trouble.PRINTER, "cover"),
    "cutter": (seen("needs_human", need="cutter"), Trouble.PRINTER, "cutter"),
    "a need that it does not name": (seen("needs_human"), Trouble.PRINTER, "error"),
    "away": (seen("away", reason="timeout"), Trouble.PRINTER, "away"),
    "another printer": (seen("other", reason="TM-T20"), Trouble.PRINTER, "other"),
    "silent says its alarm": ({"alarms": {"printer:kitchen:silent": "r"}}, Trouble.PRINTER, "silent"),
    "a printer with a colon's name": ({"alarms": {"printer:a:b:paper": "r"}}, Trouble.PRINTER, "paper"),
    "mute is nobody's business": ({"alarms": {"printer:kitchen:mute": "r"}}, Trouble.NOTE, "mute"),
    "an old ticket": ({"oldest_ticket": OLD, "waiting": {"kitchen": 1}}, Trouble.SLOW, ""),
    "a young ticket": ({"oldest_ticket": YOUNG, "waiting": {"kitchen": 1}}, Trouble.WELL, ""),
    "orders wait for a decision": ({"alarms": {"waiting:old": "3"}}, Trouble.ALARM, "waiting:old"),
    "an unknown alarm": ({"alarms": {"printer:kitchen:fire": "r"}}, Trouble.ALARM, "printer:kitchen:fire"),
    "clock not set": ({"clock_synchronised": False}, Trouble.NOTE, "clock"),
    "the printer is worse than the alarm": (
        {**seen("needs_human", need="paper"), "alarms": {"waiting:old": "3"}},
        Trouble.PRINTER,
        "paper",
    ),
}


@pytest.mark.parametrize("name", TRUTH)
def test_a_beat_is_judged(name: str) -> None:
    """The worst that a beat says is the box's trouble."""
    said, trouble, what = TRUTH[name]
    found = row(fleet((1.0, status(True), beat(**said))), 2.0)
    assert found.trouble is trouble
    assert [need.what for need in found.needs][:1] == ([] if trouble is Trouble.WELL else [what])


def test_what_the_agent_writes_is_what_the_fleet_reads() -> None:
    """Every field that is shown is found in what today's agent says, and means the same."""
    written = presence.Beat(
        at="2026-11-22T12:00:00Z",
        boot="b1",
        version="9",
        sequences={"s": 4},
        printers={"kitchen": presence.PrinterSeen("needs_human", "status", "paper", "r")},
        waiting={"kitchen": 2, "bar": 3},
        orders_held=7,
        oldest_ticket="2026-11-22T11:00:00Z",
        last_order_heard="2026-11-22T11:30:00Z",
        clock_synchronised=True,
        session=None,
        alarms={"waiting:old": "7 orders"},
    )
    read, fault = read_beat(msgspec.json.encode(written))
    assert (read, fault) == (
        Beat(
            at=written.at,
            boot="b1",
            version="9",
            printers={"kitchen": PrinterSeen("needs_human", "paper", "r")},
            waiting=5,
            orders_held=7,
            oldest_ticket="2026-11-22T11:00:00Z",
            last_order_heard="2026-11-22T11:30:00Z",
            clock_synchronised=True,
            alarms={"waiting:old": "7 orders"},
        ),
        "",
    )
    death = msgspec.json.encode(presence.State(online=False, boot="b1", version="9"))
    assert read_status(death) == (Status(online=False, boot="b1", version="9"), "")


@pytest.mark.parametrize(
    ("said", "now", "trouble"),
    (
        ([(1.0, status(True), None)], 2.0, Trouble.UNKNOWN),
        ([(1.0, status(True), beat()), (5.0, status(False), None)], 6.0, Trouble.OFFLINE),
        (
            [(1.0, status(True, "b1"), None), (2.0, status(True, "b2"), None), (3.0, status(False, "b1"), None)],
            4,
            "unknown",
        ),
        ([(1.0, status(False, "b0"), None), (2.0, None, beat())], 3.0, Trouble.WELL),
        ([(1.0, status(True), beat()), (2.0, status(False), None), (2.1, None, beat())], 3.0, Trouble.OFFLINE),
        ([(1.0, status(False), None), (2.0, status(True), None)], 3.0, Trouble.UNKNOWN),
        ([(1.0, status(True), beat())], 180.0, Trouble.WELL),
        ([(1.0, status(True), beat())], 182.0, Trouble.DOUBTFUL),
        ([(1.0, status(True), None)], 182.0, Trouble.DOUBTFUL),
        ([(1.0, None, beat())], 2.0, Trouble.WELL),
        ([(1.0, None, beat())], 182.0, Trouble.DOUBTFUL),
        ([(1.0, status(False), None)], 9999.0, Trouble.OFFLINE),
        ([(1.0, status(True), b"{")], 2.0, Trouble.UNKNOWN),
        ([(1.0, status(True), beat()), (2.0, None, b"{")], 3.0, Trouble.NOTE),
        ([(1.0, status(True), b"\xff"), (2.0, None, beat())], 3.0, Trouble.WELL),
        ([(1.0, b'{"online":"yes"}', None)], 2.0, Trouble.UNKNOWN),
        ([(1.0, b'{"online":"yes"}', None), (2.0, None, beat())], 3.0, Trouble.WELL),
    ),
    ids=(
        *(
            "born",
            "died",
            "a death after the next birth",
            "the last death came late",
            "its own beat overtaken by its death",
        ),
        *("back", "not yet stale", "stale", "never a beat", "no status but beats", "no status, beats end", "long dead"),
        *("garbage", "well, then garbage", "garbage, then well", "a status that is none", "such a status, then a beat"),
    ),
)
def test_a_box_is_there_or_not(said: list[tuple[float, Any, Any]], now: float, trouble: str) -> None:
    """A death counts only for its own boot; three beats missing are a doubt; before the first beat nobody knows."""
    assert row(fleet(*said), now).trouble == trouble


def test_ages_are_by_arrival_and_a_wrong_clock_shifts_none() -> None:
    """A box that believes in 2001: the ticket is as old as it says, and older by what has passed here since."""
    its = datetime(2001, 1, 1, tzinfo=UTC)
    said = beat(its, oldest_ticket=stamp(its - timedelta(seconds=50)), waiting={"kitchen": 2, "bar": 1})
    found = row(fleet((100.0, status(True), said)), 110.0)
    assert (found.oldest_s, found.last_order_s, found.waiting, found.beat_s) == (60.0, 40.0, 3, 10.0)
    assert found.clock_off_s == (its - UTC_NOW).total_seconds()
    assert found.trouble is Trouble.NOTE
    jumped = beat(oldest_ticket=stamp(its), waiting={"kitchen": 1})
    assert row(fleet((1.0, status(True), jumped)), 2.0).oldest_s is None


def test_since_when_it_is_so() -> None:
    """From when it was first heard to be so; more than that where it was so before we listened."""
    paper = beat(**seen("needs_human", need="paper"))
    here = fleet((10.0, status(True), beat()), (20.0, None, paper), (80.0, None, paper))
    assert (row(here, 100.0).since_s, row(here, 100.0).at_least) == (80.0, False)
    early = Fleet(0.0)
    early.heard_status(BOX, status(False), True, 5.0)
    assert (row(early, 65.0).since_s, row(early, 65.0).at_least) == (60.0, True)
    stale = fleet((10.0, status(True), beat()))
    assert row(stale, 300.0).since_s == 290.0


def test_a_deaf_watcher_finds_nobody_silent() -> None:
    """After its own line was away it waits three periods before it doubts."""
    here = fleet((1.0, status(True), beat()))
    here.hearing(1000.0)
    assert row(here, 1170.0).trouble is Trouble.WELL
    assert row(here, 1181.0).trouble is Trouble.DOUBTFUL


def test_a_retained_beat_says_nothing_and_an_empty_status_forgets_the_box() -> None:
    """Somebody's mistake is not taken for life; a shop that is no more goes from the table."""
    here = Fleet(0.0)
    here.heard_beat(BOX, beat(), True, 1.0, UTC_NOW)
    assert here.rows(2.0) == []
    here.heard_status(BOX, status(True), False, 3.0)
    here.heard_status(BOX, b"", False, 4.0)
    assert here.rows(5.0) == []


def test_an_expected_shop_that_was_never_heard_is_a_row() -> None:
    """Also when the broker swallowed its status."""
    here = fleet((1.0, status(True), beat()), expected=("s1", "s2"))
    (never,) = (each for each in here.rows(9.0) if each.shop == "s2")
    assert never.trouble is Trouble.NEVER
    assert [(each.shop, each.trouble) for each in here.rows(9.0)] == [("s2", Trouble.NEVER), ("s1", Trouble.WELL)]
    assert not here.settled(9.0)


def test_where_nothing_is_retained_a_check_listens_for_a_whole_beats_time() -> None:
    """Of a shop that has not beaten yet nothing is known there, not even that it is."""
    said = (1.0, None, beat())
    assert fleet(said).settled(3.0)
    assert not fleet(said, retained=False).settled(61.0)
    assert fleet(said, retained=False).settled(62.0)


def test_a_log_has_a_line_for_each_change_and_none_for_what_is_not_known() -> None:
    """Well from the beginning: no line. A shop that was missed and comes is not "removed"; a removed one is."""
    here, changes = Fleet(0.0, expected=("s1", "s2")), Changes("en")
    well, paper = beat(), beat(**seen("needs_human", need="paper"))
    two = BoxId("s2", "box1")
    here.heard_status(BOX, status(True), True, 1.0)
    assert changes.turn(here.rows(1.5)) == ["s2  never heard"]
    here.heard_beat(BOX, well, False, 2.0, UTC_NOW)
    assert changes.turn(here.rows(2.5)) == []
    here.heard_status(two, status(True), False, 3.0)
    assert changes.turn(here.rows(3.5)) == []
    here.heard_beat(two, well, False, 4.0, UTC_NOW)
    assert changes.turn(here.rows(4.5)) == ["s2 box1  well"]
    here.heard_beat(two, paper, False, 5.0, UTC_NOW)
    assert changes.turn(here.rows(5.5)) == ["s2 box1  paper: kitchen"]
    here.heard_status(BOX, b"", True, 6.0)
    assert changes.turn(here.rows(6.5)) == ["s1  never heard", "s1 box1  removed"]


def test_a_box_that_was_gone_and_comes_is_mentioned_once_it_is_known_to_be_well() -> None:
    """Offline, then born, then its first beat: one line at the end."""
    here, changes = Fleet(0.0), Changes("en")
    here.heard_status(BOX, status(False), True, 1.0)
    assert changes.turn(here.rows(1.5)) == ["s1 box1  offline"]
    here.heard_status(BOX, status(True, "b2"), False, 2.0)
    assert changes.turn(here.rows(2.5)) == []
    here.heard_beat(BOX, beat(boot="b2"), False, 3.0, UTC_NOW)
    assert changes.turn(here.rows(3.5)) == ["s1 box1  well"]


def test_the_worst_comes_first_and_the_longest_of_these() -> None:
    """Sorted by trouble, then by how long."""
    here = Fleet(0.0)
    order: tuple[tuple[str, dict[str, Any]], ...] = (
        ("a", {}),
        ("b", {"alarms": {"x": "y"}}),
        ("c", seen("away")),
        ("d", seen("away")),
        ("e", {}),
    )
    for number, (shop, said) in enumerate(order):
        here.heard_beat(BoxId(shop, "box1"), beat(**said), False, float(number), UTC_NOW)
    here.heard_status(BoxId("e", "box1"), status(False), False, 9.0)
    assert [each.shop for each in here.rows(10.0)] == ["e", "c", "d", "b", "a"]


def test_names_that_no_box_has_are_counted_and_not_kept() -> None:
    """A stranger's topics can't fill the table."""
    here = Fleet(0.0)
    for name in ("", "S1", "a/b", "x" * 65, "\x1b[2J", "店"):
        here.heard_beat(BoxId(name, "box1"), beat(), False, 1.0, UTC_NOW)
    assert (here.rows(1.0), here.refused) == ([], 6)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=12,
)
FIELDS = st.sampled_from(sorted(msgspec.json.decode(beat())))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200) | st.dictionaries(FIELDS, JSON).map(msgspec.json.encode), st.binary(max_size=60))
def test_whatever_a_box_says_there_is_a_row_and_a_line_for_it(pulse: bytes, state: bytes) -> None:
    """Hostile or of another version: no crash, no control character, no line wider than the window."""
    here = Fleet(0.0)
    here.heard_beat(BOX, pulse, False, 1.0, UTC_NOW)
    here.heard_status(BOX, state or b"{}", False, 1.0)
    look = looked(here, 2.0)
    lines = frame(look, 100, 24, "both")
    assert all(each.text.isprintable() and cells(each.text) <= 100 for each in lines)
    assert len(metrics(text(look, 5))) > 10


def looked(here: Fleet, now: float, up: bool = True, why: str = "") -> Look:
    """As a watcher sees it."""
    rows = here.rows(now)
    return Look(stamp(UTC_NOW), Line("broker:1883", up, 1.0, why), summary(rows), rows, 7, here.refused)


def test_the_table_fits_its_window_and_counts_the_rest() -> None:
    """The worst are shown."""
    here = Fleet(0.0)
    for number in range(50):
        said = seen("needs_human", need="paper") if number == 33 else {}
        here.heard_beat(BoxId(f"s{number:02}", "box1"), beat(**said), False, 1.0, UTC_NOW)
    look = looked(here, 2.0, up=False, why="refused")
    lines = [each.text for each in frame(look, 120, 20, "both")]
    assert len(lines) <= 20
    assert lines[0].startswith("听不到 not connected to broker:1883: refused")
    assert "1 需要人 need a person" in lines[1]
    assert lines[4].split()[:5] == ["s33", "box1", "缺纸", "paper:", "kitchen"]
    shown = sum(line.startswith("s") for line in lines) - (lines[3].startswith("s"))
    assert lines[-1] == f"… 还有 and {50 - shown} 台 more"
    assert [each.text.split()[0] for each in snapshot(look, "en", False)][-1] == "s33"
    assert len(snapshot(look, "zh", True)) == 50 + 3


def test_words_are_chinese_english_or_both() -> None:
    """As asked for."""
    look = looked(fleet((1.0, status(True), beat()), (5.0, status(False), None)), 6.0)
    languages: tuple[Language, ...] = ("zh", "en", "both")
    last = {language: snapshot(look, language, False)[-1].text.split()[2] for language in languages}
    assert last == {"zh": "离线", "en": "offline", "both": "离线"}
    assert [age(s) for s in (None, 0, 59.9, 60, 3660, 90_000)] == ["", "0s", "59s", "1m", "1h01", "1d"]


# -- the exporter ------------------------------------------------------------------------------------------------


def metrics(exposition: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Every sample by name and labels, as Prometheus reads them; one that comes twice fails."""
    found: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
    for family in text_string_to_metric_families(exposition):
        assert family.type in ("gauge", "counter"), family
        assert family.documentation
        for sample in family.samples:
            key = sample.name, frozenset(sample.labels.items())
            assert key not in found, f"{key} twice"
            found[key] = sample.value
    return found


def metric(found: dict[tuple[str, frozenset[tuple[str, str]]], float], name: str, **labels: str) -> float:
    """One sample."""
    return found[f"shop_agent_fleet_{name}", frozenset(labels.items())]


def test_metrics_are_sums_and_single_boxes_only_when_asked_for() -> None:
    """Every trouble and need has a series from the beginning; of the boxes at most as many as asked for."""
    here = Fleet(0.0)
    for number in range(5):
        said = {**seen("needs_human", need="paper"), "waiting": {"kitchen": number}, "version": 'a"\\\n'}
        here.heard_beat(BoxId(f"s{number}", "box1"), beat(**said), False, float(number), UTC_NOW)
    here.heard_beat(BoxId("well", "box1"), beat(), False, 1.0, UTC_NOW)
    found = metrics(text(looked(here, 10.0)))
    assert metric(found, "boxes", trouble="printer") == 5
    assert metric(found, "boxes", trouble="offline") == 0
    assert [metric(found, "printers", need=need) for need in PRINTER_NEEDS] == [5, 0, 0, 0, 0, 0, 0, 0]
    assert metric(found, "tickets_waiting") == 10
    assert metric(found, "line_up") == 1
    assert metric(found, "boxes_by_version", version='a"\\\n') == 5
    assert not any("shop" in dict(labels) for _, labels in found)
    asked = metrics(text(looked(here, 10.0), 2))
    assert {dict(labels)["shop"] for _, labels in asked if "shop" in dict(labels)} == {"s0", "s1"}
    assert metric(asked, "box_trouble_seconds", shop="s0", agent="box1") == 10
    assert metric(asked, "boxes_left_out") == 3


def test_the_exporter_says_when_its_line_is_down() -> None:
    """200 for metrics all the same: that the line is down is one of them."""
    look = looked(Fleet(0.0), 1.0, up=False, why="refused")
    with Exporter("127.0.0.1", 0, lambda: look) as exporter:
        url = f"http://127.0.0.1:{exporter.port}"
        with urllib.request.urlopen(f"{url}/metrics?x=1", timeout=5) as answer:
            assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
            assert metric(metrics(answer.read().decode()), "line_up") == 0
        for path, status_code in (("healthz", 503), ("other", 404)):
            with pytest.raises(urllib.error.HTTPError) as caught:
                urllib.request.urlopen(f"{url}/{path}", timeout=5)
            assert caught.value.code == status_code
            caught.value.close()


# -- live --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    """A real broker with the queue limit that mosquitto has by default."""
    with Mosquitto(tmp_path_factory.mktemp("broker"), settings="max_queued_messages 1000") as mosquitto:
        yield mosquitto


def agent(stack: ExitStack, folder: Path, port: int, prefix: str, shop: str, printer: str) -> AgentProcess:
    """A real agent with one printer that beats every 5 s."""
    config = folder / f"{shop}.yaml"
    config.write_text(
        f"shop: {shop}\nprefix: {prefix}\ndata_dir: {folder}/{shop}\nbroker: {{url: 'mqtt://127.0.0.1:{port}'}}\n"
        f"report: {{beat_s: 5}}\nprinters: [{{name: kitchen, link: '{printer}'}}]\n"
    )
    process = AgentProcess(config, folder / f"{shop}.log")
    stack.callback(process.kill)
    process.start()
    return process


def watching(stack: ExitStack, port: int, prefix: str, **settings: Any) -> Watch:
    """A watcher of this prefix."""
    watch = Watch(Broker(url=f"mqtt://127.0.0.1:{port}"), SystemClock(), prefix, beat_s=5, **settings)
    return stack.enter_context(watch)


def until(watch: Watch, wanted: dict[str, str], timeout_s: float = 30.0) -> dict[str, Row]:
    """Wait until the shops' troubles are these."""
    deadline, pause = time.monotonic() + timeout_s, threading.Event()
    while True:
        rows = {each.shop: each for each in watch.look().boxes}
        if {shop: str(each.trouble) for shop, each in rows.items()} == wanted:
            return rows
        assert time.monotonic() < deadline, rows
        pause.wait(0.05)


def shop_agent(port: int, prefix: str, *options: str, **more: Any) -> subprocess.CompletedProcess[str]:
    """`shop-agent fleet`."""
    words = [sys.executable, "-m", "agent", "fleet", "--broker", f"mqtt://127.0.0.1:{port}", "--prefix", prefix]
    return subprocess.run(
        [*words, "--beat-s", "5", *options], capture_output=True, text=True, timeout=60, check=False, **more
    )


def test_two_agents_seen_from_afar(tmp_path: Path, broker: Mosquitto, stack: ExitStack) -> None:
    """One is killed: its last will makes it offline. The other runs out of paper, and gets some. Table, check, JSON and
    metrics say the same.
    """
    device = stack.enter_context(VirtualPrinter())
    printer = stack.enter_context(serve_tcp(device)).link
    other = stack.enter_context(serve_tcp(stack.enter_context(VirtualPrinter()))).link
    agent(stack, tmp_path, broker.port, "live", "s1", printer)
    doomed = agent(stack, tmp_path, broker.port, "live", "s2", other)
    watch = watching(stack, broker.port, "live")
    exporter = stack.enter_context(Exporter("127.0.0.1", 0, watch.look, 10))
    quiet = {"well", "note"}  # nothing sets this machine's clock, perhaps
    deadline = time.monotonic() + 30
    while [str(each.trouble) in quiet and each.beat_s is not None for each in watch.look().boxes] != [True, True]:
        assert time.monotonic() < deadline, watch.look()
        threading.Event().wait(0.05)
    well = str(watch.look().boxes[0].trouble)
    assert shop_agent(broker.port, "live", "--check").returncode == 0

    doomed.kill()
    rows = until(watch, {"s1": well, "s2": "offline"})
    assert not rows["s2"].at_least
    device.run_out_of_paper()
    rows = until(watch, {"s1": "printer", "s2": "offline"})
    assert next((need.what, need.where) for need in rows["s1"].needs) == ("paper", "kitchen")

    with ThreadPoolExecutor() as pool:
        checked = pool.submit(shop_agent, broker.port, "live", "--check", "--expect", "/dev/null")
        snapped = pool.submit(shop_agent, broker.port, "live", "--json")
    check, snap = checked.result(), msgspec.json.decode(snapped.result().stdout)
    assert check.returncode == 1
    assert [line.split()[:4] for line in check.stdout.splitlines()[2:]] == [
        ["s2", "box1", "离线", "offline"],
        ["s1", "box1", "缺纸", "paper:"],
    ]
    assert snap["line"]["up"] is True
    assert [(each["shop"], each["trouble"]) for each in snap["boxes"]] == [("s2", "offline"), ("s1", "printer")]
    with urllib.request.urlopen(f"http://127.0.0.1:{exporter.port}/metrics", timeout=5) as answer:
        found = metrics(answer.read().decode())
    assert metric(found, "boxes", trouble="offline") == metric(found, "printers", need="paper") == 1
    assert metric(found, "box_trouble", shop="s2", agent="box1", trouble="offline") == 1

    device.load_paper()
    until(watch, {"s1": well, "s2": "offline"})


def publisher(stack: ExitStack, port: int, username: str = "") -> mqtt.Client:
    """Somebody who publishes as boxes would."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.username_pw_set(username or None)
    client.max_inflight_messages_set(0)
    client.connect("127.0.0.1", port)
    client.loop_start()
    stack.callback(client.loop_stop)
    stack.callback(client.disconnect)
    return client


def test_thousands_of_retained_statuses_all_come(broker: Mosquitto, stack: ExitStack) -> None:
    """More than a broker's queue holds: at QoS 1 mosquitto would send 1,020 of them, and say nothing."""
    client = publisher(stack, broker.port)
    sent = [client.publish(f"many/s{n}/up/box1/state", status(n % 2 == 0), 1, retain=True) for n in range(3000)]
    for each in sent:
        each.wait_for_publish(20)
    watch = watching(stack, broker.port, "many")
    deadline = time.monotonic() + 20
    while len(watch.look().boxes) < 3000:
        assert time.monotonic() < deadline, len(watch.look().boxes)
        threading.Event().wait(0.1)
    assert watch.look().summary.boxes[Trouble.OFFLINE] == 1500


def test_a_box_whose_beat_was_not_heard_is_not_well(broker: Mosquitto, stack: ExitStack) -> None:
    """Exit 3, the box in the list, "unknown" for programs and Prometheus; whatever its beat would have said."""
    client = publisher(stack, broker.port)
    client.publish("mum/s1/up/box1/state", status(True), 1, retain=True).wait_for_publish(10)
    check = shop_agent(broker.port, "mum", "--check", "--for", "2.5")
    assert check.returncode == 3
    assert check.stdout.splitlines()[-1].split()[:3] == ["s1", "box1", "还没听到"]
    assert "正常 well" not in check.stdout
    (box,) = msgspec.json.decode(shop_agent(broker.port, "mum", "--json", "--for", "2.5").stdout)["boxes"]
    assert (box["trouble"], box["beat_s"]) == ("unknown", None)
    watch = watching(stack, broker.port, "mum")
    until(watch, {"s1": "unknown"})
    found = metrics(text(watch.look(), 5))
    assert (metric(found, "boxes", trouble="unknown"), metric(found, "boxes", trouble="well")) == (1, 0)
    client.publish("mum/s1/up/box1/beat", beat(datetime.now(UTC), alarms={"broker:tls": "r", "journal": "r"}), 1)
    until(watch, {"s1": "alarm"})


def test_two_that_kick_each_other_out_are_told_why(tmp_path: Path, stack: ExitStack) -> None:
    """A broker that makes the user name the client id takes one connection of a user: the second watcher hears it."""
    rules = "use_username_as_clientid true"
    mosquitto = stack.enter_context(Mosquitto(tmp_path / "broker", settings=rules))
    url = f"mqtt://127.0.0.1:{mosquitto.port}"
    watches = [
        stack.enter_context(Watch(Broker(url=url, username="fleet", protocol=protocol), SystemClock()))
        for protocol in ("5", "3.1.1")
    ]
    deadline = time.monotonic() + 60
    while not any("user name the client id" in watch.look().line.why for watch in watches):
        assert time.monotonic() < deadline, [watch.look().line for watch in watches]
        threading.Event().wait(0.05)


def test_a_broker_that_is_not_there_is_said(broker: Mosquitto) -> None:
    """Exit 69, and why; also when nobody was heard under the prefix, which is most likely a mistake: exit 1."""
    away = shop_agent(free_port(), "live", "--check", "--for", "1")
    assert away.returncode == 69
    assert "Connection refused" in away.stdout
    nobody = shop_agent(broker.port, "nobody", "--check", "--for", "1")
    assert nobody.returncode == 1
    assert "--prefix" in nobody.stderr


def test_a_watcher_survives_its_broker(tmp_path: Path, stack: ExitStack) -> None:
    """The line is down, says so, and comes back by itself with the statuses."""
    mosquitto = Mosquitto(tmp_path / "broker")
    mosquitto.start()
    stack.callback(mosquitto.stop)
    client = publisher(stack, mosquitto.port)
    client.publish("again/s1/up/box1/state", status(True), 1, retain=True).wait_for_publish(10)
    watch = watching(stack, mosquitto.port, "again")
    until(watch, {"s1": "unknown"})
    client.publish("again/s1/up/box1/beat", beat(datetime.now(UTC)), 1)
    until(watch, {"s1": "well"})
    mosquitto.stop()
    wait_line(watch, False)
    assert watch.look().line.why
    mosquitto.start()
    wait_line(watch, True)
    client.publish("again/s1/up/box1/state", status(False), 1, retain=True)
    until(watch, {"s1": "offline"})


def wait_line(watch: Watch, up: bool) -> None:
    """Wait until it is so."""
    deadline = time.monotonic() + 30
    while watch.look().line.up is not up:
        assert time.monotonic() < deadline
        threading.Event().wait(0.05)


def test_the_table_lives_on_a_terminal_and_a_pipe_gets_the_changes(broker: Mosquitto, stack: ExitStack) -> None:
    """Redrawn in place, the screen given back at the end; without a terminal a line when something happens."""
    client = publisher(stack, broker.port)
    client.publish("tty/s1/up/box1/state", status(True), 1, retain=True).wait_for_publish(10)
    words = [sys.executable, "-m", "agent", "fleet", "--broker", f"mqtt://127.0.0.1:{broker.port}", "--prefix", "tty"]
    ours, theirs = pty.openpty()
    stack.callback(os.close, ours)
    piped = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"})
    live = subprocess.Popen(words, stdout=theirs, env={**os.environ, "COLUMNS": "100", "LINES": "20"})
    os.close(theirs)
    for process in (piped, live):
        stack.callback(process.wait)
        stack.callback(process.kill)
    assert piped.stdout is not None
    stack.enter_context(piped.stdout)
    shown = read_until(ours, "还没听到 not heard yet 1")
    assert piped.stdout.readline().split()[1:] == [f"127.0.0.1:{broker.port}", "ok"]
    client.publish("tty/s1/up/box1/state", status(False), 1, retain=True)
    shown += read_until(ours, "离线 offline 1")
    assert "offline" in piped.stdout.readline()
    live.send_signal(signal.SIGINT)
    shown += read_until(ours, "\x1b[?1049l", at_end=True)
    assert "s1" in shown.partition("\x1b[?1049l")[2]
    assert live.wait(10) == 0
    piped.terminate()
    assert piped.wait(10) == 0
    assert shown.count("\x1b[?1049h") == shown.count("\x1b[?1049l") == 1
    assert shown.count("\x1b[H") >= 2


def read_until(terminal: int, words: str, at_end: bool = False) -> str:
    """What the terminal shows, until these words, or to its end."""
    shown, deadline = b"", time.monotonic() + 30
    while at_end or words.encode() not in shown:
        ready, _, _ = select.select([terminal], [], [], max(0.0, deadline - time.monotonic()))
        assert ready, shown.decode(errors="replace")
        try:
            shown += os.read(terminal, 65536)
        except OSError:  # nobody holds the other end any more
            break
    assert words.encode() in shown, shown.decode(errors="replace")
    return shown.decode(errors="replace")


# -- who may look ------------------------------------------------------------------------------------------------


def test_the_fleets_user_reads_statuses_and_beats_and_nothing_else(tmp_path: Path, stack: ExitStack) -> None:
    """The ACL of docs/fleet.md, on a real broker: orders and reports, with customers in them, are not for this user."""
    acl = tmp_path / "acl"
    acl.write_text("user boxes\ntopic readwrite shops/#\nuser fleet\n" + acl_of_the_docs())
    mosquitto = stack.enter_context(Mosquitto(tmp_path / "broker", settings=f"acl_file {acl}"))
    client = publisher(stack, mosquitto.port, "boxes")
    spy = publisher(stack, mosquitto.port, "fleet")
    heard: list[str] = []
    spy.on_message = lambda _client, _data, message: heard.append(message.topic)
    subscribed = threading.Event()
    spy.on_subscribe = lambda *_: subscribed.set()
    spy.subscribe("#", 1)
    assert subscribed.wait(10)
    for kind in ("report", "request", "beat"):
        client.publish(f"shops/s1/up/box1/{kind}", beat(), 1).wait_for_publish(10)
    spy.publish("shops/s1/up/box1/state", status(False), 1, retain=True).wait_for_publish(10)
    client.publish("shops/s1/up/box1/state", status(True), 1, retain=True).wait_for_publish(10)
    deadline = time.monotonic() + 10
    while "shops/s1/up/box1/state" not in heard:
        assert time.monotonic() < deadline
        threading.Event().wait(0.02)
    assert heard == ["shops/s1/up/box1/beat", "shops/s1/up/box1/state"]
    allowed = shop_agent(mosquitto.port, "shops", "--check", "--all", "--for", "3", "--username", "fleet")
    assert allowed.returncode == 3, "the status is read; no beat came"
    assert "s1" in allowed.stdout
    assert shop_agent(mosquitto.port, "shops", "--check", "--for", "1", "--username", "other").returncode == 1


def acl_of_the_docs() -> str:
    """The lines that an operator copies."""
    lines = Path(__file__).parents[1].joinpath("docs/fleet.md").read_text("utf-8").splitlines()
    return "\n".join(line.strip() for line in lines if line.strip().startswith("topic read "))


def test_an_encrypted_broker_is_believed_only_by_its_ca(tmp_path: Path, stack: ExitStack) -> None:
    """With its CA's file the fleet is seen; without, exit 69 and what to do."""
    new = "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -x509 -keyout key.pem -out ca.pem"
    words = f"openssl {new} -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    subprocess.run(words.split(), cwd=tmp_path, check=True, capture_output=True)
    tls = f"cafile {tmp_path}/ca.pem\ncertfile {tmp_path}/ca.pem\nkeyfile {tmp_path}/key.pem"
    mosquitto = stack.enter_context(Mosquitto(tmp_path / "broker", settings=tls))
    url = ("--broker", f"mqtts://localhost:{mosquitto.port}", "--check", "--for", "2")
    trusted = shop_agent(mosquitto.port, "shops", *url, "--ca-file", str(tmp_path / "ca.pem"))
    assert (trusted.returncode, "no shop was heard" in trusted.stderr) == (1, True)
    stranger = shop_agent(mosquitto.port, "shops", *url)
    assert stranger.returncode == 69
    assert "ca_file" in stranger.stdout


# -- the benchmark -----------------------------------------------------------------------------------------------


def test_the_benchmark_counts_every_shop_and_order(tmp_path: Path) -> None:
    """Light shops and a real agent on a broker that is restarted twice: nothing lost, all back, the watcher knows."""
    found = bench.measure(bench.Plan(shops=12, agents=1, seconds=2, orders_per_s=10, down_s=0.5, beat_s=1), tmp_path)
    assert (found.orders > 10, found.lost) == (True, 0)
    assert found.watcher_sees == 12
    assert sum(map(len, found.accepted_ms.values())) == found.orders
    assert len(found.paper_ms) == len(found.accepted_ms["real"]) > 0
    assert found.beats >= 11
    for storm in (found.storm, found.lockstep):
        assert storm is not None
        assert (storm.lost, storm.back_s["100%"] >= storm.back_s["50%"]) == (0, True)
        assert storm.agents_back_s > 0
    assert bench.table(found).count("\n| ") > 10


def test_the_view_of_many_boxes_is_measured() -> None:
    """Every box is in the table."""
    found = fleet_view.measure(2000)
    assert "| 2,000 |" in fleet_view.table(found)
    assert min(found.status_us, found.beat_us, found.look_s) > 0


def test_the_benchmark_can_find_fault(broker: Mosquitto) -> None:
    """An order to a shop that is not there is missing, and the busiest second is found."""

    async def run() -> int:
        cloud = Cloud(broker.port)
        await cloud.start()
        missing = await cloud.printed([cloud.order("nobody")], 0.3)
        cloud.stop()
        return missing

    assert asyncio.run(run()) == 1
    assert bench._busiest([5.0, 0.0, 0.9, 1.0, 1.5, 1.89]) == 4
