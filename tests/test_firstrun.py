"""A new box: it makes its own configuration, says welcome once, and a person with the ticket owns it."""

import errno
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent import firstrun
from agent.clock import SystemClock
from agent.config import load
from agent.console import claimticket
from agent.console.access import Access
from agent.errors import ConfigError
from agent.firstrun import FirstRun, begin
from agent.model.link import parse_link
from agent.printers.discovery import Found
from agent.printers.lan import Own
from agent.simulator.piece import Piece
from agent.simulator.ports import serve_tcp
from agent.simulator.printer import PrinterSpec, VirtualPrinter
from agent.simulator.stage import free_port
from tests.house import until
from tests.scan import scan_piece
from tests.till import answers
from tests.window import PIN, WAIT_S, Client, text_of, window


@contextmanager
def agent(folder: Path, *more: str) -> Iterator["subprocess.Popen[bytes]"]:
    """The real thing, as a service would start it."""
    command = [sys.executable, "-m", "agent", "run", "--first-run", "--config", str(folder / "shop-agent.yaml"), *more]
    with (folder / "log").open("ab") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            yield process
        finally:
            process.terminate()
            process.wait(WAIT_S)


def until_up(port: int) -> None:
    """Wait until the port answers."""
    until(lambda: answers(port), "the port")


def test_from_nothing_to_the_first_order_on_paper(tmp_path: Path) -> None:
    """What a person does with a phone, and nothing else: the code off the ticket, a PIN, a demo order."""
    port = free_port()
    with VirtualPrinter(PrinterSpec()) as paper, serve_tcp(paper) as line:
        more = ("--printer", str(line.link), "--listen", f"127.0.0.1:{port}")
        with agent(tmp_path, *more):
            assert paper.wait_for(lambda _: any("WELCOME" in piece.text for piece in welcome(paper)), WAIT_S)
            (ticket,) = welcome(paper)
            (link,) = [each.text for each in scan_piece(ticket) if "/claim" in each.text]
            until_up(port)
            phone = Client(lambda: port)
            code = link.partition("code=")[2]
            assert code in phone.get(f"/claim?code={code}").body.decode(), "the field is filled in"
            answer = phone.post("/claim", {"code": code, "pin": PIN, "again": PIN, "next": "/setup"})
            assert (answer.status, answer.headers["location"]) == (303, "/setup")
            phone.session = answer.headers["set-cookie"].partition("=")[2].partition(";")[0]
            assert "✓" in text_of(phone.post("/setup/demo"))
            assert paper.wait_for(lambda _: any("DEMO" in piece.text for piece in paper.paper.pieces), WAIT_S)
        with agent(tmp_path, *more):  # the power comes back
            until_up(port)
            assert phone.get("/setup").status == 200
        assert len(welcome(paper)) == 1


def test_the_step_of_the_shop_says_what_is_missing(tmp_path: Path) -> None:
    """As long as the code is the one that every new box has, whatever else is saved; then no more."""
    with window(tmp_path, ("wok",), more="") as here:
        here.config_path.write_text(here.config_path.read_text("utf-8").replace("shop: s1", "shop: new"), "utf-8")
        here.restart()
        for fields in ({}, {"shop": "new", "language": "zh"}):
            assert here.me.post("/setup/shop", fields).status == 200
            assert "请把 new 改成您的店铺编号（平台给的）" in text_of(here.me.get("/setup"))
        english = text_of(here.me.get("/setup", accept_language="en"))
        assert "Put your shop’s code (from the platform) in place of new" in english
        before = here.restarts
        assert here.me.post("/setup/shop", {"shop": "s421"}).status == 200
        here.wait_restarted(before)
        page = text_of(here.me.get("/setup"))
        assert "给店铺一个编号 完成" in page
        assert "请把" not in page


def note(printed: list[str]) -> Callable[[Callable[[], str]], str]:
    """In the place of what prints a code."""

    def print_code(issue: Callable[[], str]) -> str:
        printed.append(issue())
        return "front"

    return print_code


def welcome(printer: VirtualPrinter) -> list[Piece]:
    """The welcome tickets so far."""
    return [piece for piece in printer.paper.pieces if "W E L C O M E" in piece.text or "WELCOME" in piece.text]


def test_a_shop_without_a_way_out_still_gets_an_address_to_scan(monkeypatch: pytest.MonkeyPatch) -> None:
    """A switch and no router, or a router that is off: the phone reaches the box, so the ticket says where it is."""

    def nowhere(_self: socket.socket, _address: object) -> None:
        raise OSError(errno.ENETUNREACH, "Network is unreachable")

    monkeypatch.setattr(claimticket, "own_networks", lambda: [Own("10.0.2.0/24", "10.0.2.15")])
    monkeypatch.setattr(socket, "socket", type("Cut", (socket.socket,), {"connect": nowhere}))
    assert claimticket.own_address() == "10.0.2.15"


def test_a_configuration_that_is_there_is_not_touched(tmp_path: Path) -> None:
    file = tmp_path / "shop-agent.yaml"
    file.write_text(f"shop: s1  # ours\nconsole: {{listen: '127.0.0.1:{(port := free_port())}'}}\ndata_dir: data\n")
    before = file.read_bytes()
    with agent(tmp_path):
        until_up(port)
    assert file.read_bytes() == before
    assert not Access(tmp_path / "data").welcome_due


def test_what_is_plugged_in_is_configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [
        Found(link="usblp:/dev/usb/lp0", kind="usblp", width=48, profile="epson"),
        Found(link="usblp:/dev/usb/lp1", kind="usblp", note="no permission"),
        Found(link="serial:///dev/ttyUSB0?baud=9600", kind="serial"),
    ]
    monkeypatch.setattr(firstrun, "discover", lambda _: found)
    config = begin(tmp_path / "shop-agent.yaml")
    assert [(each.name, str(each.link), each.profile) for each in config.printers] == [
        ("printer1", "usblp:/dev/usb/lp0", "epson")
    ]
    assert config.data_dir == tmp_path / "data"
    assert load(tmp_path / "shop-agent.yaml", closely=True).shop == "new"
    assert Access(config.data_dir).welcome_due


def test_a_printer_that_is_plugged_in_later_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No printer yet: the box looks for one, writes it down and starts anew, and prints nothing before."""
    found: list[Found] = []
    monkeypatch.setattr(firstrun, "discover", lambda _: found)
    monkeypatch.setattr(firstrun, "LOOK_S", 0.02)
    path = tmp_path / "shop-agent.yaml"
    config = begin(path)
    restarted: list[bool] = []
    printed: list[str] = []
    access = Access(config.data_dir)
    service = FirstRun(config, path, access, SystemClock(), note(printed), lambda: restarted.append(True))
    service.start()
    found.append(Found(link="usb://04b8:0202", kind="usb"))
    service._thread.join(WAIT_S)
    assert restarted == [True]
    assert printed == []
    assert [each.link for each in load(path).printers] == [parse_link("usb://04b8:0202")]
    assert service.alive(), "its work is done, and nobody misses it"
    service.stop(1)
    assert not service.alive()
    assert access.welcome_due


def test_printers_that_were_typed_meanwhile_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installer wrote his own into the file: the agent starts anew with these, whatever is plugged in."""
    monkeypatch.setattr(firstrun, "discover", lambda _: [])
    path = tmp_path / "shop-agent.yaml"
    config = begin(path)
    path.write_text(path.read_text() + "printers:\n  - {name: kitchen, link: 'tcp://10.0.0.9'}  # 灶台\n")
    typed = path.read_bytes()
    monkeypatch.setattr(firstrun, "discover", lambda _: [Found(link="usb://04b8:0202", kind="usb")])
    restarted: list[bool] = []
    access = Access(config.data_dir)
    service = FirstRun(config, path, access, SystemClock(), note([]), lambda: restarted.append(True))
    assert service._add_printer()
    assert restarted == [True]
    assert path.read_bytes() == typed


def test_a_configuration_that_somebody_makes_meanwhile_is_theirs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "shop-agent.yaml"

    def typing(_: object) -> list[Found]:
        path.write_text("shop: s421\ndata_dir: data\n")
        return [Found(link="usb://04b8:0202", kind="usb")]

    monkeypatch.setattr(firstrun, "discover", typing)
    assert begin(path).shop == "s421"
    assert path.read_text() == "shop: s421\ndata_dir: data\n"


_KILLED = """
import os, signal, sys
from pathlib import Path
from agent import firstrun
write = firstrun.write.edit
def edit(*asked, **how):
    write(*asked, **how)
    os.kill(os.getpid(), signal.SIGKILL)
firstrun.write.edit = edit
firstrun.begin(Path(sys.argv[1]), ["virtual://kitchen"])
"""


def test_cut_as_soon_as_the_configuration_is_there_it_is_still_a_new_box(tmp_path: Path) -> None:
    """No later start would know that nobody was welcomed."""
    path = tmp_path / "shop-agent.yaml"
    killed = subprocess.run([sys.executable, "-c", _KILLED, str(path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    with agent(tmp_path, "--listen", f"127.0.0.1:{free_port()}"):
        papers, deadline = tmp_path / "data/virtual/kitchen", time.monotonic() + WAIT_S
        while not [text for file in papers.glob("*.txt") if "WELCOME" in (text := file.read_text()).replace(" ", "")]:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_a_box_that_was_claimed_meanwhile_prints_no_code(tmp_path: Path) -> None:
    config = begin(tmp_path / "shop-agent.yaml", ["virtual://a"])
    access = Access(config.data_dir)
    access.choose_pin(access.issue_code(), PIN)
    printed: list[str] = []
    service = FirstRun(config, None, access, SystemClock(), note(printed), lambda: None)
    service.start()
    service._thread.join(WAIT_S)
    assert printed == []


def test_where_nothing_can_be_written_it_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="file"):
        begin(tmp_path / "file" / "shop-agent.yaml")
