"""A station or a printer gets another name, or goes, while orders are under way: the paper is as if nothing was."""

import signal
import subprocess
import sys
import time
from contextlib import ExitStack, closing, suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.cli import cli
from agent.config import load
from agent.console.access import Access
from agent.intake.consumer import Consumer
from agent.journal import jobs, renames, routes
from agent.journal.file import Tx
from agent.journal.jobs import Settlement
from agent.journal.store import Journal, reader_of
from agent.model.job import Expected, JobState
from agent.model.station import Match, Station
from agent.model.wire import Delivery
from agent.simulator.ports import serve_tcp
from agent.simulator.printer import PrinterSpec, VirtualPrinter
from agent.simulator.stage import free_port
from tests.house import until
from tests.kitchen import Ticket, read
from tests.scan import scan_piece
from tests.test_console_printers import save
from tests.till import TOKEN, answers, ask
from tests.window import PIN, STATIONS, Client, ShopWindow, window

SOY = {"id": "a", "name": "豆浆", "qty": 2, "category": "热饮"}
BUN = {"id": "b", "name": "小笼包", "qty": 1}
TWO_BUNS = {**BUN, "qty": 2}


def ready(here: ShopWindow, *printers: str) -> None:
    """All of them are well."""
    for name in printers:
        here.until(lambda name=name: here.agent._prints.workers[name].seen()["state"] == "ready", name)  # type: ignore[misc]


def printed(here: ShopWindow, *numbers: int) -> None:
    """Both stations have these orders on paper."""
    for number in numbers:
        here.order(number, items=[SOY, BUN])
        here.on_paper(number, "wok")
        here.on_paper(number, "bar")
        here.wait_ticket(number)


def since(here: ShopWindow, printer: str, count: int) -> list[Ticket]:
    """What came out of a printer after its first so many pieces."""
    return here.papers(printer)[count:]


# -- stations ----------------------------------------------------------------------------------------------------------


def test_a_renamed_station_gets_its_voids_and_copies_and_nothing_twice(tmp_path: Path) -> None:
    """What it has on paper is its own still: a change of another's dish is nothing to it."""
    with window(tmp_path) as here:
        ready(here, "wok", "bar")
        printed(here, 1, 2, 3)
        count = len(here.papers("bar"))
        save(here, "/stations/rename", {"station": "drinks", "name": "吧台"})
        ready(here, "wok", "bar")
        here.order(1, rev=2, items=[SOY, TWO_BUNS])
        here.on_paper(1, "wok", 2)
        here.cancel(2, rev=2)
        here.on_paper(2, "bar", 2)
        here.on_paper(2, "wok", 2)
        assert here.me.do("reprint", order="id-3").status == 200
        here.on_paper(3, "bar", 2)
        here.on_paper(3, "wok", 2)
        void, copy = since(here, "bar", count)
        assert ("作废" in void.text, void.number, "豆浆" in void.text) == (True, "2", True)
        assert (copy.marked, copy.number, "吧台" in copy.text) == (True, "3", True)
        assert "No.004" in void.text  # the running number goes on
        wok = [each for each in here.papers("wok") if "drinks" not in each.text and "豆浆" in each.text]
        assert wok == []


def test_a_renamed_station_s_waiting_tickets_and_those_of_that_moment_are_its_own(tmp_path: Path) -> None:
    """Orders that come before the agent has started anew bear the old name."""
    with window(tmp_path) as here:
        ready(here, "wok", "bar")
        here.devices["bar"].run_out_of_paper()
        here.order(1, items=[SOY])
        before = here.restarts
        assert here.me.post("/stations/rename", {"station": "drinks", "name": "吧台"}).status == 200
        for number in (2, 3):
            here.order(number, items=[SOY])
        here.wait_restarted(before)
        here.devices["bar"].load_paper()
        for number in (1, 2, 3):
            (ticket,) = here.on_paper(number, "bar")
            assert not ticket.marked
        assert not [each for each in here.papers("wok") if each.number]


def test_a_removed_station_s_paper_is_taken_back_where_it_is(tmp_path: Path) -> None:
    """Nothing is left for it to make; its voids and copies come out of the printer that has its tickets."""
    with window(tmp_path) as here:
        ready(here, "wok", "bar")
        printed(here, 1, 2, 3)
        count = len(here.papers("bar"))
        save(here, "/stations/remove", {"station": "drinks"})
        ready(here, "wok", "bar")
        assert here.me.do("reprint", order="id-3").status == 200
        here.on_paper(3, "bar", 2)
        here.cancel(2, rev=2)
        here.on_paper(2, "bar", 2)
        here.order(1, rev=2, items=[SOY, BUN])
        here.on_paper(1, "bar", 2)
        copy, off, moved = since(here, "bar", count)
        assert (copy.marked, copy.number) == (True, "3")
        assert ["作废" in each.text for each in (off, moved)] == [True, True]
        assert "豆浆" in here.on_paper(1, "wok", 2)[-1].text  # the default station makes it from now on


def test_a_removed_station_s_void_that_waits_goes_to_its_paper(tmp_path: Path) -> None:
    """Entered before it was removed, held by an empty printer."""
    with window(tmp_path) as here:
        ready(here, "wok", "bar")
        printed(here, 1)
        here.devices["bar"].run_out_of_paper()
        here.cancel(1, rev=2)
        here.on_paper(1, "wok", 2)
        save(here, "/stations/remove", {"station": "drinks"})
        here.devices["bar"].load_paper()
        assert "作废" in here.on_paper(1, "bar", 2)[-1].text
        assert not [each for each in here.papers("wok") if "豆浆" in each.text]


def test_the_barcode_on_older_paper_is_known_under_the_new_name(tmp_path: Path) -> None:
    """The kitchen scans what it has in its hands."""
    with window(tmp_path, more="printing: {reprint_after_s: 0.5, ready_code: true}\n" + STATIONS) as here:
        ready(here, "wok", "bar")
        printed(here, 1)
        (code,) = [code for piece in here.devices["bar"].paper.pieces for code in scan_piece(piece)]
        save(here, "/stations/rename", {"station": "drinks", "name": "吧台"})
        assert here.me.do("ready", code=code.data.decode()).status == 200


# -- printers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["renamed", "gone"])
def test_what_a_person_moved_stays_with_who_stands_in(tmp_path: Path, how: str) -> None:
    """Under its new name, or with its heir: never back on the printer that it was taken from."""
    with window(tmp_path, printers=("wok", "bar", "hall")) as here:
        ready(here, "wok", "bar", "hall")
        for name in ("wok", "bar"):
            here.devices[name].run_out_of_paper()
            here.until(lambda name=name: here.agent._prints.workers[name].seen()["state"] != "ready", name)  # type: ignore[misc]
        here.order(7, items=[BUN])
        ticket = here.wait_ticket(7, "held")
        assert here.me.do("move", ticket=ticket, printer="bar").status == 200
        if how == "renamed":
            save(here, "/printers/rename", {"printer": "bar", "name": "吧台"})
            here.devices["bar"].load_paper()
        else:
            save(here, "/printers/remove", {"printer": "bar", "heir": "hall"})
        assert here.on_paper(7, "bar" if how == "renamed" else "hall")
        here.devices["wok"].load_paper()
        here.wait_ticket(7)
        assert not [each for each in here.papers("wok") if each.number]


def test_a_renamed_printer_is_known_and_has_its_paper(tmp_path: Path) -> None:
    """Its station goes; what it printed under its old name is taken back there. Another device is not taken for it."""
    with window(tmp_path) as here:
        ready(here, "wok", "bar")
        printed(here, 1)
        facts = "SELECT link, tier, realtime, port, device, model, firmware FROM printers WHERE name = ?"
        known = here.read(lambda tx: tx.execute(facts, ("bar",)).fetchone())  # its counters are still being watched
        save(here, "/printers/rename", {"printer": "bar", "name": "吧台"})
        assert here.read(lambda tx: tx.execute(facts, ("吧台",)).fetchone()) == known
        save(here, "/stations/remove", {"station": "drinks"})
        here.cancel(1, rev=2)
        assert "作废" in here.on_paper(1, "bar", 2)[-1].text


# -- kill -9 -----------------------------------------------------------------------------------------------------------

KILL = """
import os, signal, sys
from agent.journal import renames
from agent.config import write
import agent.app
def die(*_, **__): os.kill(os.getpid(), signal.SIGKILL)
def after(real):
    def both(*a, **k):
        real(*a, **k)
        die()
    return both
where = {where!r}
if where == "noted": write._put = die
if where == "written": write._put = after(write._put)
if where == "carried":
    real = renames._CARRY["station"]
    renames._CARRY["station"] = after(real)
if where == "started": agent.app.sd_notify = lambda said: die() if said == "READY=1" and armed() else None
def armed(): return "吧台" in open(sys.argv[-1], encoding="utf-8").read()
from agent.__main__ import main
main()
"""


class Process:
    """The agent as its own process, which can be killed at a step of a rename."""

    def __init__(self, folder: Path, links: dict[str, str]) -> None:
        self.port, self.folder, self.config = free_port(), folder, folder / "shop-agent.yaml"
        (folder / "token").write_text(TOKEN + "\n")
        printers = "".join(f'  - {{name: {name}, link: "{link}"}}\n' for name, link in links.items())
        console = f'console: {{listen: "127.0.0.1:{self.port}", token_file: token}}'
        self.config.write_text(f"shop: s1\ndata_dir: ./data\n{console}\nprinters:\n{printers}{STATIONS}", "utf-8")

    def start(self, where: str = "") -> None:
        """Start it; to be killed at `where`."""
        args = ["-c", KILL.format(where=where), "run", "--config", str(self.config)]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen([sys.executable, *args], stderr=log, stdout=log)

    def wait(self) -> None:
        """Until it answers."""
        deadline = time.monotonic() + 20
        while not answers(self.port):
            assert time.monotonic() < deadline, (self.folder / "log").read_text()[-3000:]
            time.sleep(0.05)

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait(20)

    def settled(self, tickets: int) -> bool:
        """Is the printers' word on so many tickets on disk?"""
        with closing(reader_of(self.folder / "data/journal.db")) as reader:
            done = reader.execute("SELECT count(*) FROM jobs WHERE state = 'completed'").fetchone()[0]
        return bool(done == tickets)

    def me(self) -> Client:
        """The shop's owner."""
        access = Access(self.folder / "data")
        if not access.claimed:
            assert access.choose_pin(access.issue_code(), PIN)
        return Client(lambda: self.port, session=access.sign_in())

    def tell(self, event_id: str, kind: str, **order: Any) -> None:
        """An event by HTTP, which is on disk with the answer."""
        data = {"order": {"id": "id-1", "no": "1", "channel": "test", **order}}
        event = {"specversion": "1.0", "id": event_id, "source": "//test", "type": kind, "data": data}
        headers = {"authorization": f"Bearer {TOKEN}", "content-type": "application/cloudevents+json"}
        assert ask(self.port, "POST", "/v1/orders", msgspec.json.encode(event), headers).status in (200, 202)


def papers(device: VirtualPrinter) -> list[Ticket]:
    """The pieces that are of an order."""
    return [ticket for piece in device.paper.pieces if (ticket := read(piece)).number]


@pytest.mark.parametrize("where", ["noted", "written", "carried", "started"])
def test_a_rename_that_is_killed_is_whole_or_was_not(tmp_path: Path, where: str) -> None:
    """Whichever of both names it has then: its void comes out where its paper is, and nothing twice."""
    with ExitStack() as stack:
        devices = {name: stack.enter_context(VirtualPrinter(PrinterSpec())) for name in ("wok", "bar")}
        links = {name: stack.enter_context(serve_tcp(device)).link for name, device in devices.items()}
        here = Process(tmp_path, links)
        here.start(where)
        stack.callback(here.kill)
        here.wait()
        here.tell("1", "order.upsert", rev=1, items=[SOY, BUN])
        for device in devices.values():
            assert device.wait_for(lambda device: len(papers(device)) == 1, 20)
        until(lambda: here.settled(2), "both outcomes")
        with suppress(OSError, HTTPException):  # it is killed before its answer
            here.me().post("/stations/rename", {"station": "drinks", "name": "吧台"})
        assert here.process.wait(20) == -signal.SIGKILL
        is_new = "吧台" in here.config.read_text("utf-8")
        assert is_new == (where != "noted")
        here.start()
        here.wait()
        here.tell("2", "order.upsert", rev=2, items=[SOY, TWO_BUNS])
        assert devices["wok"].wait_for(lambda device: len(papers(device)) == 2, 20)
        here.tell("3", "order.cancel", rev=3)
        assert devices["bar"].wait_for(lambda device: len(papers(device)) == 2, 20)
        assert devices["wok"].wait_for(lambda device: len(papers(device)) == 3, 20)
        first, void = papers(devices["bar"])
        assert ("作废" in void.text, first.marked, void.marked) == (True, False, False)
        assert ("吧台" if is_new else "drinks") in void.text
        assert not any("豆浆" in each.text for each in papers(devices["wok"]))
        assert [each.name for each in load(here.config).stations][1] == ("吧台" if is_new else "drinks")


def test_a_rename_waits_for_a_file_that_was_spoilt_before_the_start(tmp_path: Path) -> None:
    """The new name is written, and somebody spoils the file before the agent read it: the shop goes on under the old
    names, is told where the mistake is, and once it is mended the station has its paper under its new name.
    """
    with ExitStack() as stack:
        devices = {name: stack.enter_context(VirtualPrinter(PrinterSpec())) for name in ("wok", "bar")}
        links = {name: stack.enter_context(serve_tcp(device)).link for name, device in devices.items()}
        here = Process(tmp_path, links)
        here.start("written")
        stack.callback(here.kill)
        here.wait()
        here.tell("1", "order.upsert", rev=1, items=[SOY, BUN])
        for device in devices.values():
            assert device.wait_for(lambda device: len(papers(device)) == 1, 20)
        until(lambda: (tmp_path / "data/last-good.yaml").exists() and here.settled(2), "a good start")
        with suppress(OSError, HTTPException):  # it is killed before its answer
            here.me().post("/stations/rename", {"station": "drinks", "name": "吧台"})
        assert here.process.wait(20) == -signal.SIGKILL
        right = here.config.read_text("utf-8")
        here.config.write_text(f"{right}printerz: []\n", "utf-8")
        here.start()
        here.wait()
        assert "printerz" in CliRunner().invoke(cli, ["status", "--config", str(here.config)]).output
        here.tell("2", "order.upsert", rev=2, items=[{**SOY, "qty": 3}, BUN])
        assert devices["bar"].wait_for(lambda device: len(papers(device)) == 2, 20)
        until(lambda: here.settled(3), "its outcome")
        here.kill()
        here.config.write_text(right, "utf-8")
        here.start()
        here.wait()
        here.tell("3", "order.upsert", rev=3, items=[{**SOY, "qty": 3}, TWO_BUNS])
        assert devices["wok"].wait_for(lambda device: len(papers(device)) == 2, 20)
        here.tell("4", "order.cancel", rev=4)
        assert devices["bar"].wait_for(lambda device: len(papers(device)) == 3, 20)
        assert devices["wok"].wait_for(lambda device: len(papers(device)) == 3, 20)
        _, changed, void = papers(devices["bar"])
        assert ("drinks" in changed.text, "吧台" in void.text, "作废" in void.text) == (True, True, True)
        assert not any(each.marked for device in devices.values() for each in papers(device))
        assert not any("豆浆" in each.text for each in papers(devices["wok"]))


# -- the journal -------------------------------------------------------------------------------------------------------


class Books:
    """A journal with the intake before it: what prints is settled by hand."""

    def __init__(self, folder: Path) -> None:
        self.journal = Journal(folder / "journal.db")
        self.journal.start()
        self.names = ["wok", "drinks"]
        self.began = 0
        self.start()

    def start(self) -> None:
        """As at a start of the agent."""
        wok, drinks = self.names
        stations = [
            Station(name=wok, printer="p1", default=True),
            Station(name=drinks, printer="p2", match=Match(category=["热饮"])),
        ]
        homes = {station.name: station.printer or "" for station in stations}
        self.journal.write(lambda tx: renames.follow(tx, homes, ["p1", "p2"]))
        self.journal.write(lambda tx: routes.reroute(tx, homes, "p1", {"p1", "p2"}))
        self.consumer = Consumer(self.journal, stations, "replay", lambda _: None, lambda _: None, lambda: None)

    def rename(self, which: int, new: str) -> None:
        """One of the two stations; nothing where the name is taken."""
        if new not in self.names:
            old, self.names[which] = self.names[which], new
            self.journal.write(lambda tx: renames.note(tx, "station", old, new))
            self.start()

    def tell(self, number: int, rev: int, soy: int, buns: int) -> None:
        """A revision of an order; of nothing at all: its cancel."""
        self.began += 1
        dishes = [{**SOY, "qty": soy}] * (soy > 0) + [{**BUN, "qty": buns}] * (buns > 0)
        kind = "order.upsert" if dishes else "order.cancel"
        data = {"order": {"id": f"id-{number}", "rev": rev, "channel": "test", **({"items": dishes} if dishes else {})}}
        event = {"specversion": "1.0", "id": str(self.began), "source": "//test", "type": kind, "data": data}
        self.consumer.receive(Delivery(1, self.began, "order", msgspec.json.encode(event), 1, False))
        self.journal.write(lambda _: None)

    def print(self, printer: str) -> None:
        """Its oldest ticket is on paper."""

        def do(tx: Tx) -> None:
            job = jobs.next_pending(tx, printer)
            if job is not None:
                job = msgspec.structs.replace(job, number=jobs.running_number(tx, job, "2026-01-01"))
                assert jobs.claim(tx, job, printer, "2026-01-01", Expected(1, 1, 1), None) is not None
                jobs.settle(tx, jobs.in_flight(tx, printer)[0], Settlement(JobState.COMPLETED, "confirmed"))

        self.journal.write(do)

    def tickets(self) -> list[Any]:
        """All that they say, but for the time."""
        sql = "SELECT id, order_pk, rev, kind, station, home, printer, copy, state, number, share FROM jobs ORDER BY id"
        return self.journal.write(lambda tx: tx.execute(sql).fetchall())


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("tell"), st.integers(1, 2), st.integers(0, 2), st.integers(0, 2)),
        st.tuples(st.just("print"), st.sampled_from(["p1", "p2"])),
        st.tuples(
            st.just("rename"), st.integers(0, 1), st.sampled_from(["wok", "drinks", "吧台", 'a "b" c', "x*", "prints"])
        ),
    ),
    max_size=14,
)


@settings(deadline=None, max_examples=40)
@given(STEPS)
def test_names_change_nothing_else(tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[Any, ...]]) -> None:
    """Whatever comes, is printed and is renamed, in whatever order: the tickets are those of a shop without renames."""
    books = [Books(tmp_path_factory.mktemp(name)) for name in ("renamed", "plain")]
    try:
        for rev, (what, *how) in enumerate(steps, 1):
            for each in books if what != "rename" else books[:1]:
                if what == "tell":
                    each.tell(how[0], rev, how[1], how[2])
                elif what == "print":
                    each.print(how[0])
                else:
                    each.rename(how[0], how[1])
        for which, name in ((0, "one"), (1, "two"), (0, "wok"), (1, "drinks")):
            books[0].rename(which, name)
        assert books[0].tickets() == books[1].tickets()
    finally:
        for each in books:
            each.journal.stop(5)


def test_what_was_noted_and_not_written_is_forgotten(tmp_path: Path) -> None:
    """It does not come true at some later time, when the configuration has these names for another reason."""
    books = Books(tmp_path)
    books.tell(1, 1, 1, 1)
    books.journal.write(lambda tx: renames.note(tx, "station", "drinks", "吧台"))
    books.start()
    books.names[1] = "吧台"
    books.start()
    assert [row[4] for row in books.tickets()] == ["wok", "drinks"]
    books.journal.stop(5)


def test_two_renames_before_a_start_lead_to_the_newest_name(tmp_path: Path) -> None:
    """And one to a name that was another station's once does not mix the two."""
    books = Books(tmp_path)
    books.tell(1, 1, 1, 1)
    books.print("p2")
    for old, new in (("drinks", "x"), ("x", "吧台")):
        books.journal.write(lambda tx, old=old, new=new: renames.note(tx, "station", old, new))  # type: ignore[misc]
    books.names[1] = "吧台"
    books.start()
    assert [row[4] for row in books.tickets()] == ["wok", "吧台"]
    books.names = ["wok", "other"]  # by hand: 吧台 is gone, and what it made is another's
    books.start()
    books.tell(1, 2, 2, 1)
    books.rename(1, "吧台")
    assert [(row[3], row[4], row[5]) for row in books.tickets()] == [
        ("order", "wok", "p1"),
        ("order", "吧台 (旧 former)", "p2"),
        ("order", "wok", "p1"),
        ("order", "吧台", "p2"),
        ("cancel", "吧台 (旧 former)", "p2"),
    ]
    books.journal.stop(5)


def test_a_station_called_prints_takes_no_token_twice(tmp_path: Path) -> None:
    """The prints of all stations are counted under that name: each must have another number."""
    books = Books(tmp_path)
    books.rename(1, "prints")
    for number in (1, 2, 3):
        books.tell(number, 1, 1, 1)
        books.print("p1")
        books.print("p2")
    sql = "SELECT print_number, number FROM jobs ORDER BY print_number"
    found = books.journal.write(lambda tx: tx.execute(sql).fetchall())
    first = found[0][0]
    assert [(prints - first, number) for prints, number in found] == [(0, 1), (1, 1), (2, 2), (3, 2), (4, 3), (5, 3)]
    books.journal.stop(5)
