"""Is it the printer that was here before? Another one's paper never bears this one's orders."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.model.acquaintance import Facts, Likeness, compare
from agent.printers import dialogue
from agent.simulator.ports import serve_tcp
from agent.simulator.printer import PrinterSpec, Reply, Trouble, VirtualPrinter
from agent.spool import acquaintance
from tests.brigade import brigade
from tests.kitchen import IMPATIENT, Kitchen, read

EPSON = Facts("1-1.2", "04b8:0202 A1 EPSON TM-T20II", "EPSON TM-T20II X1", "1.20")


@pytest.mark.parametrize(
    ("seen", "twin", "likeness"),
    [
        (EPSON, False, Likeness.SAME),
        (Facts("1-1.3", EPSON.device, EPSON.model, EPSON.firmware), False, Likeness.SAME),
        (Facts("1-1.3", EPSON.device, EPSON.model, EPSON.firmware), True, Likeness.STRANGER),
        (Facts("1-1.2", "0416:5011 POS58", "", ""), False, Likeness.STRANGER),
        (Facts("1-1.2", EPSON.device, "EPSON TM-T20II X2", "1.20"), False, Likeness.STRANGER),
        (Facts("1-1.2", EPSON.device, EPSON.model, "1.30"), False, Likeness.RENEWED),
        (Facts("1-1.2", EPSON.device), True, Likeness.SAME),
        (Facts(), True, Likeness.SAME),
    ],
)
def test_what_is_seen_is_compared_with_what_is_known(seen: Facts, twin: bool, likeness: Likeness) -> None:
    """An unlike answer tells; an answer that is missing does not."""
    assert compare(EPSON, seen, twin) is likeness


FACTS = st.builds(Facts, *[st.sampled_from(["", "a", "b"])] * 4)


@given(FACTS, FACTS, st.booleans())
def test_no_other_device_is_taken_for_the_same(known: Facts, seen: Facts, twin: bool) -> None:
    """Whatever else agrees."""
    if compare(known, seen, twin) is not Likeness.STRANGER:
        assert not (known.device and seen.device and known.device != seen.device)
        assert not (known.model and seen.model and known.model != seen.model)


def test_nothing_is_printed_on_another_printer_in_its_place(tmp_path: Path) -> None:
    """The address was given to another device: the alarm and a neighbour's paper say so, and the ticket waits until the
    right one is back.
    """
    with brigade(tmp_path, {"wok": PrinterSpec(), "bar": PrinterSpec(serial="VP000002")}) as here:
        here.order_at(1, "wok")
        here.wait_told(1)
        here.idle()
        port = here.workers["wok"]._post.connector._address[1]  # type: ignore[attr-defined]  # a TCP connector's
        here.device.refuse()
        with VirtualPrinter(PrinterSpec(serial="VP000003")) as other, serve_tcp(other, port=port):
            here.order_at(2, "wok")
            here.wait_alarm("printer:wok:other")
            here.wait_text("bar", "another device is in its place")
            assert other.wait_for(lambda device: device.received > 0, 5)
            assert [read(piece).text for piece in other.paper.pieces if not piece.is_blank] == []
        here.device.heal()
        assert here.wait_for(2)
        here.wait_no_alarm("printer:wok:other")
        assert [ticket.marked for ticket in here.whole(2)] == [False]


def test_a_printer_that_was_exchanged_is_accepted_by_a_person(tmp_path: Path) -> None:
    """Without a restart; what it can prove is found anew."""
    with brigade(tmp_path, {"wok": PrinterSpec()}) as here:
        here.order_at(1, "wok")
        here.wait_told(1)
        here.idle()
        port = here.workers["wok"]._post.connector._address[1]  # type: ignore[attr-defined]  # a TCP connector's
        here.device.refuse()
        with VirtualPrinter(PrinterSpec(serial="VP000003", tier=2)) as other, serve_tcp(other, port=port):
            here.order_at(2, "wok")
            here.wait_alarm("printer:wok:other")
            here.workers["wok"].accept()
            here.wait_told(2)
            assert [read(piece).number for piece in other.paper.pieces] == ["2"]
            assert here.ticket_states(2)[-1] == ("completed", "confirmed")
            here.wait_no_alarm("printer:wok:other")


@pytest.mark.parametrize("tier", [1, 2])
def test_an_answer_that_is_lost_at_the_first_meeting_makes_no_stranger_of_the_printer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tier: int
) -> None:
    """It says who it is twice before it is kept: half of its name is not."""
    monkeypatch.setattr(dialogue, "FACT_TIMEOUT_S", 0.3)
    spec = PrinterSpec(tier=tier)
    with VirtualPrinter(spec) as device, serve_tcp(device) as port:

        def lose_the_third(lost: list[bool]) -> None:
            if not lost and sum(kind is Reply.IDENTITY for kind, _ in device.said) == 2:
                lost.append(True)
                device.trouble_replies(Trouble.LOSE, Reply.IDENTITY, count=1)

        device.on_change(partial(lose_the_third, []))
        here = Kitchen(tmp_path, device, port.link, "auto")
        try:
            here.order(1)
            here.wait_told(1)
            device.cut_link()
            here.order(2)
            here.wait_told(2)
            assert [(read(piece).number, read(piece).marked) for piece in device.paper.pieces] == [
                ("1", False),
                ("2", False),
            ]
            assert "printer:wok:other" not in here.alarms()
        finally:
            here.close()


@pytest.mark.parametrize("tier", [1, 2])
def test_another_firmware_is_asked_again_what_it_can_prove(tmp_path: Path, tier: int) -> None:
    """An update may take a printer's voice away: the ticket is not presumed on the old one's word."""
    with brigade(tmp_path, {"wok": PrinterSpec()}) as here:
        here.order_at(1, "wok")
        here.wait_told(1)
        here.idle()
        port = here.workers["wok"]._post.connector._address[1]  # type: ignore[attr-defined]  # a TCP connector's
        here.device.refuse()
        with VirtualPrinter(PrinterSpec(firmware="2.00 VP", tier=tier)) as renewed, serve_tcp(renewed, port=port):
            here.order_at(2, "wok")
            here.wait_told(2)
            assert [read(piece).number for piece in renewed.paper.pieces] == ["2"]
            assert "printer:wok:other" not in here.alarms()


@contextmanager
def stuck(folder: Path) -> Iterator[Kitchen]:
    """A printer that has no status in real time, and whose FEED is held since before it was met: taken for mute."""
    with VirtualPrinter(PrinterSpec(realtime=False)) as device, serve_tcp(device) as port:
        device.press_feed()
        here = Kitchen(folder, device, port.link, "auto")
        try:
            here.wait_alarm("printer:wok:mute")
            yield here
        finally:
            here.close()


def prints_confirmed(here: Kitchen) -> None:
    """It was asked again: the next ticket is proved."""
    here.wait_no_alarm("printer:wok:mute")
    here.order(1)
    here.wait_told(1)
    assert here.ticket_states(1)[-1] == ("completed", "confirmed")


def test_a_printer_that_was_stuck_when_it_was_met_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has no status in real time and its FEED was held: taken for mute, but not for ever."""
    monkeypatch.setattr(acquaintance, "PROBE_AGAIN_S", 1.0)
    with stuck(tmp_path) as here:
        here.device.press_feed(False)
        prints_confirmed(here)


def test_a_printer_that_was_stuck_for_long_is_asked_anew_after_each_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was given up as mute; then it was switched off and on."""
    monkeypatch.setattr(acquaintance, "PROBE_AGAIN_S", 0.3)
    monkeypatch.setattr(acquaintance, "PROBES", 1)
    with stuck(tmp_path) as here:
        room = here.worker._curiosity
        deadline = time.monotonic() + 30
        while room._left and time.monotonic() < deadline:
            time.sleep(0.1)
        assert room._left == 0
        here.device.press_feed(False)
        here.device.power_off()
        here.device.power_on()
        prints_confirmed(here)


def test_a_new_printer_that_is_stuck_is_waited_for(tmp_path: Path) -> None:
    """Nothing is presumed on a printer that was never heard, as long as it may be about to speak."""
    patience = msgspec.structs.replace(IMPATIENT, first_meeting_s=20.0)
    with VirtualPrinter(PrinterSpec(realtime=False)) as device, serve_tcp(device) as port:
        device.press_feed()
        here = Kitchen(tmp_path, device, port.link, "auto", patience)
        try:
            here.order(1)
            here.wait_alarm("printer:wok:unheard")
            assert here.ticket_states(1) == []
            device.press_feed(False)
            here.wait_told(1)
            assert here.ticket_states(1)[-1] == ("completed", "confirmed")
            here.wait_no_alarm("printer:wok:unheard")
        finally:
            here.close()
