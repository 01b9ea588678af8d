"""The demo, headless: it plays a morning with accidents and judges the paper."""

import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from agent.simulator.demopage import PAGE
from agent.simulator.play import Play
from agent.simulator.scene import Scene
from agent.simulator.stage import free_port
from agent.simulator.verdict import Fault
from tests.browser import PHONE, needs_chromium, phone

DEMO = [sys.executable, "-m", "agent.simulator.demo"]


@pytest.mark.timeout(180)
def test_headless_demo_ends_with_every_order_on_paper() -> None:
    """Eight seconds with paper out, a cut cable, a kill -9: exit 0, and the summary says what was played."""
    done = subprocess.run(
        [*DEMO, "--headless", "--seconds", "8", "--seed", "2", "--rate", "2"],
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    counts = {name.strip(): int(count) for name, count in re.findall(r"^(.+?)\s+(\d+)$", done.stdout, re.MULTILINE)}
    assert counts["orders published"] >= 5
    assert counts["tickets on paper"] >= counts["tickets expected"] - counts["taken back 作废"]
    assert counts["agent restarts"] == 1
    assert counts["faults played"] >= 5
    assert (counts["lost"], counts["unmarked duplicates"], counts["unmarked partials"]) == (0, 0, 0)


@pytest.mark.timeout(60)
def test_verdict_of_the_demo_can_fail(tmp_path: Path) -> None:
    """A ticket that vanishes after it was printed and reported is missed: the judge reads paper, not reports."""
    scene = Scene(tmp_path)
    try:
        scene.start()
        Play(scene, seed=3, rate=1, every_s=1, mend_s=1).order(busy=True)
        assert scene.wait_until_quiet(20, calm_s=0.5)
        scene.printers["kitchen"].paper.pieces.clear()
        assert not scene.unsettled()
        assert [finding.fault for finding in scene.verdict().findings] == [Fault.LOST]
    finally:
        scene.close()


@pytest.mark.timeout(60)
def test_page_shows_paper_and_ends_on_ctrl_c() -> None:
    """The address comes first; events, pictures and buttons answer; SIGINT ends everything, with exit 0."""
    pytest.importorskip("uvicorn")
    with subprocess.Popen([*DEMO, "--rate", "5"], stdout=subprocess.PIPE, text=True) as demo:
        try:
            assert demo.stdout is not None
            url = demo.stdout.readline().strip()
            assert url.startswith("http://127.0.0.1:")
            assert b"EventSource" in urlopen(url, timeout=20).read()
            assert urlopen(Request(f"{url}do/order", method="POST"), timeout=20).status == 204
            with urlopen(f"{url}events", timeout=20) as stream:
                assert any(b'"kind":"piece"' in line for line in stream)
            assert urlopen(f"{url}paper/kitchen/0.png", timeout=20).read(4) == b"\x89PNG"
        finally:
            demo.send_signal(signal.SIGINT)
        assert demo.wait(20) == 0


@needs_chromium
@pytest.mark.parametrize("runs", [True, False])
def test_the_page_fits_a_phone(tmp_path: Path, *, runs: bool) -> None:
    """Nothing runs off the edge, whatever the chip says; the second printer stands below the first one's paper."""
    ready = {"state": "ready", "paper_out": False, "cover_open": False}
    status = {"kind": "status", "printers": {"kitchen": ready, "drinks": ready}, "agent": runs, "alarms": []}
    told = f"retry: 60000\ndata: {json.dumps({**status, 'counts': {}})}\n\n"
    with phone(free_port(), tmp_path) as there:
        there.page.route("**/*", lambda route: route.fulfill(body=PAGE.read_text("utf-8"), content_type="text/html"))
        there.page.route("**/events", lambda route: route.fulfill(body=told, content_type="text/event-stream"))
        page = there.go("/")
        page.wait_for_selector("#drinks .state.ready:has-text('Ready')")
        boxes = [page.locator(each).bounding_box() for each in ("#agent", "#kitchen", "#drinks")]
        chip, kitchen, drinks = [box for box in boxes if box is not None]
        assert all(box["x"] >= 0 and box["x"] + box["width"] <= PHONE[0] for box in (chip, kitchen, drinks)), boxes
        assert drinks["y"] >= kitchen["y"] + kitchen["height"]
