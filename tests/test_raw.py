"""Ready-made content in a vendor's markup, from the wire to paper."""

import threading
import tracemalloc
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from io import BytesIO
from pathlib import Path
from typing import Any

import msgspec
import pytest
from PIL import Image as PillowImage

from agent.encode import svg
from agent.encode.escpos import Encoded, encode
from agent.encode.picture import png
from agent.encode.typeset import typeset
from agent.errors import DecodeError, TooLong
from agent.intake.decode import decode_event
from agent.model.layout import Printed
from agent.simulator.printer import PrinterSpec
from agent.spool.render import NotQuick, quick_rows
from agent.tickets.markup import Marked, parse
from tests.brigade import brigade
from tests.kitchen import Kitchen, kitchen

FEIE = "<CB>测试店</CB><BR>番茄炒蛋     x1   12.0<BR>备注：不要糖<BR>"
SAME = {
    "feie": FEIE,
    "xpyun": "<CB>测试店<BR></CB>番茄炒蛋     x1   12.0<BR>备注：不要糖<BR>",
    "yilian": "<FS2><center>测试店</center></FS2>\n番茄炒蛋     x1   12.0\n备注：不要糖\n",
    "receiptline": "^^^测试店\n|番茄炒蛋     x1   12.0\n|备注：不要糖\n",
}


def raw(here: Kitchen, event_id: str, **rest: Any) -> None:
    here.event("print.raw", {"raw": {"dialect": "feie", "content": FEIE, **rest}}, event_id)


@pytest.mark.parametrize("dialect", SAME)
def test_content_prints_in_its_own_dialect(tmp_path: Path, dialect: str) -> None:
    """The integrator keeps his content and changes only the transport: nothing is added to it, nothing lost."""
    with kitchen(tmp_path) as here:
        raw(here, "r1", dialect=dialect, content=SAME[dialect])
        here.wait_told("r1")
        (piece,) = [piece for piece in here.device.paper.pieces if piece.text.strip()]
        assert [line.text.split() for line in piece.lines if line.text.strip()] == [
            ["测试店"],
            ["番茄炒蛋", "x1", "12.0"],
            ["备注：不要糖"],
        ]
        (title,) = [run for line in piece.lines for run in line.runs if "测试店" in run.text]
        assert (title.width, title.height) == (2, 2)
        assert here.ticket_states("r1")[-1] == ("completed", "confirmed")


def test_each_piece_that_comes_again_is_marked(tmp_path: Path) -> None:
    """One slip for each dish, as integrators cut them: whoever takes a middle one sees that it is a second one."""
    content = "".join(f"<CB>#42 {dish}</CB><BR>桌7<BR><BR><BR><CUT>" for dish in ("炒饭", "牛肉面", "奶茶", "油条"))
    with kitchen(tmp_path, spec=PrinterSpec(line_time_s=0.05)) as here:
        here.event("print.raw", {"raw": {"dialect": "feie", "content": content}}, "r1")
        here.device.wait_for(lambda it: sum(not piece.is_blank for piece in it.paper.pieces) >= 3, 20)
        here.device.power_off(keep_line=True)
        here.device.wait_for(lambda _: False, 1.0)
        here.device.power_on()
        here.wait_told("r1")
        texts = [piece.text for piece in here.device.paper.pieces]
        for dish in ("炒饭", "牛肉面", "奶茶", "油条"):
            *before, again = (text for text in texts if dish in text)
            assert not any("补打" in text for text in before)
            assert "补打" in again


def test_the_same_event_again_is_a_duplicate(tmp_path: Path) -> None:
    with kitchen(tmp_path) as here:
        for _ in range(3):
            raw(here, "r1")
        here.wait_told("r1")
        here.idle()
        assert [report["state"] for report in here.reports() if report["type"] == "order.state"].count("duplicate") == 2
        assert len(here.tickets()) == 1


@pytest.mark.parametrize(
    ("dialect", "content", "copies", "printed"),
    [("feie", FEIE, 3, 3), ("yilian", "<MN>2</MN>红茶 x1\n", 1, 2), ("feie", FEIE, 50, 50)],
)
def test_copies(tmp_path: Path, dialect: str, content: str, copies: int, printed: int) -> None:
    with kitchen(tmp_path) as here:
        raw(here, "r1", dialect=dialect, content=content, copies=copies)
        here.wait_told("r1", times=printed)
        assert len(here.tickets()) == printed


def test_what_is_no_tag_is_printed_and_reported(tmp_path: Path) -> None:
    with kitchen(tmp_path) as here:
        raw(here, "r1", content="<BLINK>红茶</BLINK><BR>")
        here.wait_told("r1")
        assert "<BLINK>红茶</BLINK>" in here.tickets()[0].text
        (accepted,) = [r for r in here.reports() if r["type"] == "order.state" and r["state"] == "accepted"]
        assert accepted["reason"] == "feie, not printed as meant: line 1: <BLINK>, line 1: </BLINK>"


def test_content_is_read_once_while_the_journal_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No other order is entered meanwhile."""
    read = []

    def noted(content: str, dialect: str) -> Marked:
        read.append(content)
        return parse(content, dialect)

    monkeypatch.setattr("agent.intake.acceptance.parse", noted)
    with kitchen(tmp_path) as here:
        raw(here, "r1", content="<BLINK>" + FEIE)
        here.wait_told("r1")
    assert read == ["<BLINK>" + FEIE]


def test_a_station_that_there_is_not(tmp_path: Path) -> None:
    """It prints at the default one and says so."""
    with brigade(tmp_path, {"wok": PrinterSpec(), "bar": PrinterSpec(serial="VP000002")}) as here:
        raw(here, "r1", station="bar")
        raw(here, "r2", station="grill")
        here.wait_told("r1")
        here.wait_told("r2")
        assert "未分派" not in here.at("bar")[0].text
        assert "未分派 unrouted: grill" in here.at("wok")[0].text


def test_a_doubt_is_printed_again_marked(tmp_path: Path) -> None:
    """Ready-made content obeys the promise as an order does."""
    with kitchen(tmp_path) as here:
        raw(here, "r0")
        here.wait_told("r0")
        here.idle()
        here.device.mute()
        raw(here, "r1")
        here.wait_told("r1", states=("unconfirmed",))
        here.device.heal()
        here.wait_told("r1", states=("completed",))
        marked = [ticket.marked for ticket in here.tickets()]
        assert marked in ([False, False], [False, False, True])
        assert here.ticket_states("r1")[-1] == ("completed", "confirmed")


@pytest.mark.parametrize(
    ("data", "path"),
    [
        ({"raw": {"dialect": "esc", "content": "x"}}, "$.data.raw.dialect"),
        ({"raw": {"dialect": "feie"}}, "$.data.raw.content"),
        ({"raw": {"dialect": "feie", "content": ""}}, "$.data.raw.content"),
        ({"raw": {"dialect": "feie", "content": "x", "copies": 0}}, "$.data.raw.copies"),
        ({}, "$.data.raw"),
    ],
)
def test_what_can_not_be_read_names_its_path(data: dict[str, Any], path: str) -> None:
    event = {"specversion": "1.0", "id": "r", "source": "//t", "type": "print.raw", "data": data}
    with pytest.raises(DecodeError) as caught:
        decode_event(msgspec.json.encode(event))
    assert caught.value.path == path


def test_content_that_no_paper_holds_is_set_aside_and_the_next_one_prints(tmp_path: Path) -> None:
    """A quarter of a megabyte of codes makes 200 MB for the printer: nothing of it is sent, a person is told."""
    with kitchen(tmp_path) as here:
        raw(here, "r1", content=CODES)
        raw(here, "r2")
        here.wait_told("r2")
        (ticket,) = here.tickets()
        assert "番茄炒蛋" in ticket.text
        assert here.ticket_states("r1")[-1][0] == "aborted"
        (alarm,) = here.alarms().values()
        assert "more than 8 MiB for the printer: send less" in alarm


CODES = "<QR>x</QR>" * 25_000


@pytest.mark.parametrize(
    ("content", "dialect"),
    [(CODES, "feie"), ("x\n" * 120_000, "native"), ("<LOGO>\n<IMG src=b>\n" * 10_000, "native")],
    ids=["codes", "lines", "pictures"],
)
def test_what_is_too_long_takes_no_memory(content: str, dialect: str) -> None:
    """It is refused while it is made, for printers and for previews: each of several printers may make one at once."""
    picture = BytesIO()
    PillowImage.new("1", (570, 3000)).save(picture, "PNG")
    images = {"logo": picture.getvalue(), "b": picture.getvalue() + b" "}
    makers: list[Callable[[Sequence[Printed]], object]] = [
        lambda rows: encode(rows, 48),
        lambda rows: png(rows, 48),
        lambda rows: svg.render(rows, 48),
    ]
    layout = parse(content, dialect, width=48, images=images).layout
    for make in makers:
        tracemalloc.start()
        try:
            with pytest.raises(TooLong):
                make(typeset(layout, 48))
            assert tracemalloc.get_traced_memory()[1] < 20_000_000
        finally:
            tracemalloc.stop()


@pytest.mark.parametrize(
    ("template", "quick"), [("{{ number }}", True), ("<QR>x</QR>", False), ("<LOGO>", False), ("\u0e01", False)]
)
def test_the_journal_waits_for_no_picture(template: str, quick: bool) -> None:
    """What is drawn is rendered where only its own printer waits for it."""
    picture = BytesIO()
    PillowImage.new("1", (8, 8)).save(picture, "PNG")
    layout = parse(template, "native", width=48, images={"logo": picture.getvalue()}).layout
    with nullcontext() if quick else pytest.raises(NotQuick):
        assert quick_rows(layout, 48, charset="gbk")


def test_ready_made_content_is_rendered_by_the_printers_own_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside an idle printer the journal renders an order at once: no content of a stranger's keeps it so."""
    threads: list[str] = []

    def recorded(*args: Any, **kwargs: Any) -> Encoded:
        threads.append(threading.current_thread().name)
        return encode(*args, **kwargs)

    monkeypatch.setattr("agent.spool.render.encode", recorded)
    with kitchen(tmp_path) as here:
        for number in (1, 2):
            here.order(number)
            here.wait_told(number)
            here.idle()
        raw(here, "r1")
        here.wait_told("r1")
    assert threads[1] == "journal"
    assert threads[2:] == ["printer-wok"]
