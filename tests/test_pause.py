"""A paused printer: its tickets wait, the alarm says so, nothing is lost. And the test page."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from agent.intake.commands import Commands, Done
from agent.journal import jobs, notices
from agent.journal.file import Tx
from agent.journal.jobs import NewJob, Route
from agent.journal.store import Journal
from agent.model.job import Counters, Expected, JobKind
from agent.model.station import Station
from tests.kitchen import Kitchen, kitchen

DESK = Commands([Station(name="wok", printer="wok", default=True)], ["wok"])
EXPECTED, COUNTERS = Expected(1, 2, 1), Counters(0, 0)


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Kitchen]:
    """One station, one printer."""
    with kitchen(tmp_path) as one:
        yield one


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """A ledger without printers."""
    with ExitStack() as stack:
        one = Journal(tmp_path / "bare.db")
        one.start()
        stack.callback(one.stop, 5)
        yield one


def say(here: Kitchen | Journal, kind: str, **data: Any) -> Done:
    """A person's command."""
    journal = here if isinstance(here, Journal) else here.journal
    done = journal.write(lambda tx: DESK.perform(tx, f"command.{kind}", data))
    if isinstance(here, Kitchen):
        here.worker.wake()
    return done


def test_tickets_of_a_paused_printer_wait_and_then_come_in_order(here: Kitchen) -> None:
    """Also over a restart; the alarm is up all the while, and names who did it."""
    assert say(here, "pause", printer="wok", by="小王") == Done(True, "paused: wok")
    for number in (1, 2, 3):
        here.order(number)
    here.journal.write(lambda _: None)
    here.close()
    here.open()
    here.order(4)
    assert not here.wait_for(1, timeout_s=1.5)
    assert "paused by 小王" in here.alarms()["printer:wok:paused"]
    assert here.alarms()["printer:wok:paused"].endswith("shop-agent printers resume wok")
    assert here.journal.write(jobs.waiting) == {"wok": 4}
    assert say(here, "resume", printer="all") == Done(True, "goes on: wok")
    assert here.wait_for(4)
    assert [ticket.number for ticket in here.tickets()] == ["1", "2", "3", "4"]
    assert not any(ticket.marked for ticket in here.tickets())
    assert here.alarms() == {}


def test_the_cloud_hears_of_the_pause_and_of_its_end(here: Kitchen) -> None:
    """As of every alarm."""
    say(here, "pause", printer="wok")
    say(here, "resume", printer="wok")
    told = [(each["key"], each["state"]) for each in here.reports() if each["type"] == "alarm"]
    assert [each for each in told if each[0].endswith("paused")] == [
        ("printer:wok:paused", "raised"),
        ("printer:wok:paused", "cleared"),
    ]


def test_said_twice_is_no_fault(here: Kitchen) -> None:
    """And nothing is told twice."""
    assert say(here, "resume", printer="wok") == Done(True, "not paused")
    say(here, "pause", printer="wok", by="first")
    assert say(here, "pause", printer="wok", by="second") == Done(True, "paused already")
    assert "first" in here.alarms()["printer:wok:paused"]


@pytest.mark.parametrize(
    ("kind", "data", "path"),
    [
        ("pause", {"printer": "nowhere"}, "$.data.printer"),
        ("resume", {"printer": ""}, "$.data.printer"),
        ("pause", {}, "$.data.printer"),
        ("test", {"printer": "all"}, "$.data.printer"),
        ("test", {"printer": 7}, "$.data.printer"),
    ],
)
def test_a_printer_that_is_none_is_refused(here: Kitchen, kind: str, data: dict[str, Any], path: str) -> None:
    """With the field."""
    done = say(here, kind, **data)
    assert (done.ok, path in done.answer) == (False, True)
    assert here.alarms() == {}


def test_no_claim_gets_past_a_pause(journal: Journal) -> None:
    """A worker may have read its ticket just before; nor does a backup print for a paused printer."""

    def work(tx: Tx) -> None:
        jobs.add_jobs(tx, None, None, 0, [NewJob("wok", "wok", JobKind.SUMMARY, b"{}")])
        job = jobs.next_pending(tx, "wok")
        assert job is not None
        routes = (Route("wok", "wok"),)
        assert jobs.next_pending(tx, "bar", stands_in=routes) is not None
        DESK.perform(tx, "command.pause", {"printer": "wok"})
        assert jobs.next_pending(tx, "wok") is None
        assert jobs.next_pending(tx, "bar", stands_in=routes) is None
        assert jobs.claim(tx, job, "wok", "2026-11-22", EXPECTED, COUNTERS) is None
        assert jobs.claim(tx, job, "bar", "2026-11-22", EXPECTED, COUNTERS) is None
        DESK.perform(tx, "command.resume", {"printer": "wok"})
        assert jobs.claim(tx, job, "wok", "2026-11-22", EXPECTED, COUNTERS) is not None

    journal.write(work)


def test_a_pause_ends_with_its_printer(journal: Journal) -> None:
    """One that is no longer in the configuration can't be resumed by anybody."""
    say(journal, "pause", printer="wok")
    assert journal.write(lambda tx: notices.forget_missing(tx, {"bar"})) == {"wok"}
    assert say(journal, "resume", printer="wok") == Done(True, "not paused")


def test_a_test_page_shows_what_the_printer_can_do(here: Kitchen) -> None:
    """Also while it is paused: that is when somebody repairs it. It belongs to no order, and no report speaks of it."""
    say(here, "pause", printer="wok")
    here.order(1)
    done = say(here, "test", printer="wok")
    assert done.answer.endswith("wok prints a test page")
    assert here.device.wait_for(lambda it: any("PRINT TEST" in piece.text for piece in it.paper.pieces), 20)
    (page,) = here.tickets()
    for word in ("打印测试", "wok", "4x", "反白"):
        assert word in page.text
    assert not [each for each in here.reports() if each["type"] == "ticket.state"]


def test_one_test_page_at_a_time(journal: Journal) -> None:
    """A person who presses again and again at a printer that is off finds one page in the morning."""
    assert say(journal, "test", printer="wok").ok
    second = say(journal, "test", printer="wok")
    assert (second.ok, "already" in second.answer) == (False, True)
