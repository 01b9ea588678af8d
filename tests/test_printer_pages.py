"""Pages for whoever sets printers up, read off paper: which one is it, how wide is it, which characters has it."""

import json
import re
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.answers.finder import print_name, short_name
from agent.config import Printer
from agent.connectors import connector
from agent.encode.escpos import encode
from agent.encode.typeset import typeset
from agent.errors import CommandRefused, Unavailable
from agent.intake.commands import Commands
from agent.journal import jobs
from agent.model.layout import Row
from agent.model.link import parse_link
from agent.model.papertest import RULERS, SAMPLES, charset_of, width_of
from agent.simulator.paper import Paper
from agent.simulator.piece import Piece
from agent.simulator.ports import serve_tcp
from agent.simulator.printer import PrinterSpec, VirtualPrinter
from agent.spool.render import paper_test
from agent.tickets.pages import NARROW, identify_page, paper_page
from scripts.wire.schemas import schemas
from tests.kitchen import Kitchen, kitchen

WAIT_S = 20.0


def read_rulers(piece: Piece) -> set[int]:
    """The rulers that a person sees unbroken: the same number at both ends of one line."""
    found = (re.fullmatch(r"(\d+) -+ (\d+)", line.text) for line in piece.lines)
    return {int(match[1]) for match in found if match is not None and match[1] == match[2]}


def read_samples(piece: Piece) -> set[str]:
    """The samples that are right."""
    return {letter for letter, text in SAMPLES.items() if f"{letter}  {text}" in piece.text.splitlines()}


def on_paper(printer: Printer, dots: int) -> Piece:
    """The page on paper of so many dots."""
    paper = Paper(dots)
    paper.feed(b"\x1b@" + paper_test(printer).data)
    assert not paper.stray
    (piece,) = paper.pieces
    return piece


@pytest.mark.parametrize("width", [32, 48])
@pytest.mark.parametrize(("dots", "reads"), [(384, 32), (420, 32), (512, 42), (576, 48), (832, 64)])
def test_what_a_person_reads_is_the_width(dots: int, reads: int, width: int) -> None:
    """On 58 and 80 mm, and what lies between and beyond; whatever was configured before."""
    piece = on_paper(Printer(name="wok", link=parse_link("tcp://h"), width=width), dots)
    unbroken = read_rulers(piece)
    assert width_of(unbroken) == reads
    assert unbroken == {ruler for ruler in RULERS if ruler <= dots // 12}
    edges = {line.dots for line in piece.lines if line.text.endswith(f" {reads}")}
    assert edges == {12 * reads}


@pytest.mark.parametrize("dots", [384, 576])
def test_the_ruler_that_fits_ends_at_the_very_edge(dots: int) -> None:
    """And all but the rulers is narrow enough for the narrowest paper, the picture too."""
    piece = on_paper(Printer(name="wok", link=parse_link("tcp://h")), dots)
    assert max(line.dots for line in piece.lines) == dots
    assert all(line.dots <= 384 for line in piece.lines if not re.search(r"--", line.text))
    assert [bitmap.printed_width for bitmap in piece.bitmaps] != []
    assert all(bitmap.printed_width <= 384 and not bitmap.is_blank for bitmap in piece.bitmaps)


def test_the_samples_say_what_the_printer_has() -> None:
    """A is in GB2312, B in nothing less than GBK, and C is a picture: it is no text on the paper."""
    assert SAMPLES["A"].encode("gb2312")
    for char in SAMPLES["B"].replace(" ", ""):
        assert char.encode("gbk")
        with pytest.raises(UnicodeEncodeError):
            char.encode("gb2312")
    assert read_samples(on_paper(Printer(name="wok", link=parse_link("tcp://h")), 384)) == {"A", "B"}
    assert charset_of({"A", "B", "C"}) == charset_of({"B"}) == "gbk"
    assert charset_of({"A", "C"}) == "gb2312"
    assert charset_of({"C"}) == charset_of(set()) == "ascii"


def test_a_printer_without_chinese_shows_only_the_picture() -> None:
    """Its bytes come out as other letters."""
    paper = Paper(384, kanji=False)
    paper.feed(b"\x1b@" + paper_test(Printer(name="wok", link=parse_link("tcp://h"))).data.replace(b"\x1c&", b""))
    (piece,) = paper.pieces
    assert read_samples(piece) == set()
    assert width_of(read_rulers(piece)) == 32
    assert piece.bitmaps


def test_with_charset_ascii_chinese_is_drawn() -> None:
    """No byte of it goes out as text, and no dish is lost."""
    printer = Printer(name="wok", link=parse_link("tcp://h"), charset="ascii", width=32)
    rows = typeset(identify_page("热饮"), printer.width, charset=printer.charset)
    paper = Paper(384, kanji=False)
    paper.feed(encode(rows, printer.width).data)
    (piece,) = paper.pieces
    assert piece.text.isascii()
    assert len(piece.bitmaps) >= 2
    assert not paper.stray


@pytest.mark.parametrize("cells", [32, 48])
@pytest.mark.parametrize(("name", "times"), [("wok", 8), ("kitchen", 4), ("热饮", 8), ("a-name-of-twenty-let", 1)])
def test_a_name_is_as_large_as_the_paper_bears(name: str, cells: int, times: int) -> None:
    """On one line, and never broken."""
    paper = Paper(12 * cells)
    paper.feed(encode(typeset(identify_page(name), cells), cells).data)
    (run,) = [run for line in paper.pieces[0].lines for run in line.runs if run.text.strip() == name]
    assert run.width >= times
    breadth = len(name.encode("gbk"))
    assert run.width == min(8, cells // breadth)


@given(st.text(max_size=60))
def test_any_name_fits(name: str) -> None:
    """Names come from files and from devices."""
    for row in (*typeset(identify_page(name), NARROW), *paper_page(name)):
        if isinstance(row, Row) and not re.fullmatch(r"\d+ -+ \d+", row.runs[0].text if row.runs else ""):
            assert (
                sum(len(run.text.encode("gbk", "replace")) * run.style.width for run in row.runs) <= NARROW or row.drawn
            )


# -- through the agent -------------------------------------------------------------------------------------------------


def ask_for(here: Kitchen, page: str) -> None:
    """As the command line, the console and the cloud do."""
    data = {"printer": "wok", "page": page, "by": "me"}
    done = here.journal.write(lambda tx: Commands(printers=["wok"]).perform(tx, "command.test", data))
    assert done.ok, done.answer
    here.worker.wake()


@pytest.mark.parametrize(("page", "words"), [("test", "PRINT TEST"), ("identify", "THIS IS"), ("paper", "PAPER TEST")])
def test_each_page_is_printed_once_and_confirmed(tmp_path: Path, page: str, words: str) -> None:
    """A job like others: its end is in the journal."""
    with kitchen(tmp_path, spec=PrinterSpec(width_dots=384 if page == "paper" else 576)) as here:
        ask_for(here, page)
        assert here.device.wait_for(lambda it: any(words in piece.text for piece in it.paper.pieces), WAIT_S)
        here._wait(lambda: here.journal.write(lambda tx: jobs.unsettled(tx) == []), WAIT_S, "its end")
        assert len(here.tickets()) == 1
        if page == "paper":
            assert width_of(read_rulers(here.device.paper.pieces[0])) == 32
        assert not here.device.paper.stray
        assert here.alarms() == {}


def test_of_each_page_one_waits_at_a_time(tmp_path: Path) -> None:
    """Who taps again gets no second one; another page may be wanted besides."""
    with kitchen(tmp_path) as here:
        here.device.refuse()
        ask_for(here, "identify")
        data = {"printer": "wok", "page": "identify"}
        done = here.journal.write(lambda tx: Commands(printers=["wok"]).perform(tx, "command.test", data))
        assert (done.ok, "waits for wok already" in done.answer) == (False, True)
        ask_for(here, "paper")


def test_a_page_that_there_is_not_is_refused(tmp_path: Path) -> None:
    """With the field."""
    with kitchen(tmp_path) as here:
        data = {"printer": "wok", "page": "poster"}
        done = here.journal.write(lambda tx: Commands(printers=["wok"]).perform(tx, "command.test", data))
        assert not done.ok
        assert "$.data.page" in done.answer


def test_a_name_sounds_the_buzzer_where_there_is_one(tmp_path: Path) -> None:
    """By the profile: an unknown one would print the command."""
    for profile, beeps in (("xprinter", 1), ("generic", 0)):
        with VirtualPrinter(PrinterSpec()) as device, serve_tcp(device) as port:
            printer = Printer(name="wok", link=parse_link(port.link), profile=profile)  # type: ignore[arg-type]  # one of its words
            answer = print_name(printer, connector(printer, tmp_path), threading.Event())
            assert (answer["state"], answer["tier"]) == ("completed", "process_id")
            assert (answer["model"], answer["firmware"]) == ("SHOP-AGENT VIRTUAL-80", "1.00 VP")
            assert answer["width"] == 48
            assert device.wait_for(lambda it: len(it.paper.pieces) == 1, WAIT_S)
            assert device.paper.beeps == beeps
            assert not device.paper.stray


# -- on a printer that is not configured -------------------------------------------------------------------------------


def found(link: str) -> Printer:
    """As a search names it."""
    return Printer(name=short_name(parse_link(link)), link=parse_link(link), width=NARROW)


@pytest.mark.parametrize("spec", [PrinterSpec(tier=2), PrinterSpec(tier=3), PrinterSpec(tier=3, realtime=False)])
def test_a_found_printer_says_where_it_is(tmp_path: Path, spec: PrinterSpec) -> None:
    """Whatever it can answer, on the paper stands its address, and nothing of the questions."""
    with VirtualPrinter(spec) as device, serve_tcp(device) as port:
        printer = found(port.link)
        answer = print_name(printer, connector(printer, tmp_path), threading.Event())
        assert answer["state"] == "completed"
        assert device.wait_for(lambda it: len(it.paper.pieces) == 1, WAIT_S)
        assert "127.0.0.1" in device.paper.pieces[0].text
        assert port.link in device.paper.text
        assert not device.paper.stray


def test_one_without_paper_gets_nothing_and_is_named(tmp_path: Path) -> None:
    """The page would come out later, when nobody looks."""
    with VirtualPrinter(PrinterSpec()) as device, serve_tcp(device) as port:
        device.run_out_of_paper()
        printer = found(port.link)
        with pytest.raises(CommandRefused, match="needs a person first: paper"):
            print_name(printer, connector(printer, tmp_path), threading.Event())
        assert not device.paper.text
        device.refuse()
        with pytest.raises(Unavailable):
            print_name(printer, connector(printer, tmp_path), threading.Event())


@pytest.mark.parametrize("after", [5, 60, 150])
def test_one_that_is_unplugged_meanwhile_is_not_said_to_have_printed(tmp_path: Path, after: int) -> None:
    """Nothing was sent, or: look at the printer."""
    with VirtualPrinter(PrinterSpec()) as device, serve_tcp(device) as port:
        printer = found(port.link)
        device.cut_link(after=after)
        try:
            state = print_name(printer, connector(printer, tmp_path), threading.Event())["state"]
        except Unavailable:
            state = "nothing was sent"
        assert state in ("nothing was sent", "unconfirmed")
        assert not device.paper.pieces


def test_the_names_of_links_are_short() -> None:
    """They are to be read from two metres."""
    links = (
        "tcp://192.168.1.50",
        "usblp:port/1-1.2",
        "serial:///dev/serial/by-id/x",
        "usb://04b8:0202",
        "usb:port/1-2",
    )
    assert [short_name(parse_link(link)) for link in links] == ["192.168.1.50", "1-1.2", "x", "04b8:0202", "1-2"]


def test_the_wire_s_command_names_the_pages() -> None:
    """The cloud's people read it in the schema."""
    assert '"paper"' in json.dumps(schemas()["command.test"])
