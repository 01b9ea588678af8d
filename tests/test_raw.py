"""Ready-made content in a vendor's markup, from the wire to paper."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from agent.errors import DecodeError
from agent.intake.decode import decode_event
from agent.simulator.printer import PrinterSpec
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
        assert "<BLINK>" in accepted["reason"]


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
