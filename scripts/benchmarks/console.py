"""The window: how soon a page is there and shows what has happened, and what it takes with phones connected.

The agent is a process of its own; a phone is a stream that asks for the board at each change; one is a browser.
"""

import contextlib
import http.client
import json
import re
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from agent.console.access import Access
from agent.console.rights import COOKIE
from agent.simulator.ports import serve_tcp
from agent.simulator.printer import PrinterSpec, VirtualPrinter
from agent.simulator.stage import AgentProcess, free_port
from scripts.benchmarks.process import cpu_s, memory_mb
from scripts.benchmarks.table import median, percentile, spread
from tests.browser import CHROMIUM, phone

PIN, TOKEN = "274859", "a-token-of-the-bench-01"
PAGES = ("/", "/tickets", "/late", "/kitchen", "/printers", "/stations", "/templates", "/day", "/setup", "/log")
SETTLE_S, IDLE_S = 3.0, 10.0
SLOW = 4
"""How many times slower than this machine a cheap phone's processor is made."""
_WATCH = """() => { window.seen = 0; new MutationObserver(() => { window.seen = Date.now(); })
.observe(document.getElementById("board"),
{childList: true, subtree: true, characterData: true, attributes: true}); }"""


class Window(msgspec.Struct):
    """What was measured. Times in ms; memory in MB of 2^20 bytes; processor time in % of a core."""

    alone_mb: float = 0
    phones_mb: float = 0
    seen_mb: float = 0
    peak_mb: float = 0
    idle_percent: float = 0
    heard_ms: list[float] = []
    shown_ms: list[float] = []
    interactive_ms: dict[str, list[float]] = {}


def measure(phones: int, orders: int, rounds: int, under: Path) -> Window:
    """A shop with so many phones, and one more that is a browser."""
    found = Window()
    with tempfile.TemporaryDirectory(dir=under) as name, _shop(Path(name)) as (agent, port, session):
        time.sleep(SETTLE_S)
        found.alone_mb = memory_mb(agent.pid, "VmRSS")
        with contextlib.ExitStack() as stack:
            streams = [stack.enter_context(_listening(port, session)) for _ in range(phones)]
            time.sleep(SETTLE_S)
            before, began = cpu_s(agent.pid), time.monotonic()
            time.sleep(IDLE_S)
            found.idle_percent = (cpu_s(agent.pid) - before) / (time.monotonic() - began) * 100
            for number in range(orders):
                committed = _post(port, number)
                time.sleep(0.25)
                found.heard_ms += [
                    1000 * (at - committed) for stream in streams if (at := stream.first_after(committed))
                ]
            found.phones_mb = memory_mb(agent.pid, "VmRSS")
            lookers = [threading.Thread(target=_look_at_all, args=(port, session)) for _ in range(phones)]
            for looker in lookers:
                looker.start()
            for looker in lookers:
                looker.join()
            found.seen_mb, found.peak_mb = memory_mb(agent.pid, "VmRSS"), memory_mb(agent.pid, "VmHWM")
        if CHROMIUM:
            _browse(found, Path(name), port, session, orders, rounds)
    return found


def rows(found: Window, phones: int) -> list[list[str]]:
    """For a table: what, median, 99 %, spread."""
    timed = {"a change heard by a phone, after the commit, ms": found.heard_ms}
    timed |= {"a change on a browser's screen, after the commit, ms": found.shown_ms}
    timed |= {f"page {path} interactive, processor {SLOW}× slower, ms": ms for path, ms in found.interactive_ms.items()}
    lines = [
        [name, f"{median(ms):.0f}", f"{percentile(ms, 0.99):.0f}", spread(ms, 0)] for name, ms in timed.items() if ms
    ]
    for name, mb in (
        ("RSS with the port open, MB", found.alone_mb),
        (f"RSS with {phones} phones, after the orders, MB", found.phones_mb),
        (f"RSS once {phones} phones had seen every page and ticket's picture at once, MB", found.seen_mb),
        ("most RSS until then, MB", found.peak_mb),
    ):
        lines.append([name, f"{mb:.1f}", "", ""])
    return [*lines, [f"idle processor with {phones} phones, % of a core", f"{found.idle_percent:.2f}", "", ""]]


@contextlib.contextmanager
def _shop(folder: Path) -> Iterator[tuple[AgentProcess, int, str]]:
    port = free_port()
    (folder / "data").mkdir()
    (folder / "token").write_text(TOKEN + "\n")
    access = Access(folder / "data")
    access.choose_pin(access.issue_code(), PIN)
    with VirtualPrinter(PrinterSpec()) as printer, serve_tcp(printer) as line:
        config = (
            f'shop: s1\ndata_dir: {folder}/data\nconsole: {{listen: "127.0.0.1:{port}", token_file: token}}\n'
            f'printers: [{{name: kitchen, link: "{line.link}"}}]\n'
        )
        (folder / "shop-agent.yaml").write_text(config)
        agent = AgentProcess(folder / "shop-agent.yaml", folder / "log")
        agent.start()
        try:
            _until_open(port)
            yield agent, port, access.sign_in()
        finally:
            agent.stop()


def _until_open(port: int) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise RuntimeError(f"the port {port} did not open")


class _Stream:
    """A phone: hears of changes, and asks for the board at each."""

    def __init__(self, port: int, session: str) -> None:
        self.port, self.cookie = port, {"cookie": f"{COOKIE}={session}"}
        self.heard: list[float] = []
        self.line = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self.line.request("GET", "/live", headers=self.cookie)
        self.stream = self.line.getresponse()
        self.thread = threading.Thread(target=self._listen, daemon=True)
        self.thread.start()

    def _listen(self) -> None:
        board = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        with contextlib.suppress(OSError, ValueError, AttributeError):
            while line := self.stream.readline():
                if line.startswith(b"data:"):
                    self.heard.append(time.monotonic())
                    board.request("GET", "/now/board", headers=self.cookie)
                    board.getresponse().read()

    def first_after(self, moment: float) -> float:
        """When it first heard of a change after that; 0 when it did not."""
        return next((at for at in self.heard if at >= moment), 0.0)


@contextlib.contextmanager
def _listening(port: int, session: str) -> Iterator[_Stream]:
    stream = _Stream(port, session)
    try:
        yield stream
    finally:
        with contextlib.suppress(OSError):
            stream.line.sock.shutdown(2)
        stream.thread.join(5)


def _post(port: int, number: int) -> float:
    """Bring an order; when it was answered, which is after its commit."""
    order = {
        "id": f"{number}",
        "rev": 1,
        "channel": "bench",
        "no": f"{number}",
        "items": [{"name": "豆浆", "qty": "2"}],
    }
    event = {"specversion": "1.0", "id": f"e{number}", "source": "//bench", "type": "order.upsert"}
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    headers = {"authorization": f"Bearer {TOKEN}", "content-type": "application/cloudevents+json"}
    line.request("POST", "/v1/orders", json.dumps({**event, "data": {"order": order}}), headers)
    assert line.getresponse().status == 202
    return time.monotonic()


def _look_at_all(port: int, session: str) -> None:
    """Every page, and the picture of each ticket on it."""
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    pictures: set[str] = set()
    for path in PAGES:
        line.request("GET", path, headers={"cookie": f"{COOKIE}={session}"})
        pictures |= set(re.findall(r'src="(/tickets/[^"]+)"', line.getresponse().read().decode()))
    for picture in sorted(pictures):
        line.request("GET", picture, headers={"cookie": f"{COOKIE}={session}"})
        assert line.getresponse().read()[1:4] == b"PNG"


def _browse(found: Window, folder: Path, port: int, session: str, orders: int, rounds: int) -> None:
    with phone(port, folder, session=session) as there:
        page = there.go("/")
        page.evaluate(_WATCH)
        for number in range(orders):
            page.evaluate("window.seen = 0")
            _post(port, 10_000 + number)
            committed = time.time() * 1000
            time.sleep(0.4)
            if seen := page.evaluate("window.seen"):
                found.shown_ms.append(max(0.0, seen - committed))
        there.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": SLOW})
        for path in PAGES:
            for _ in range(rounds):
                there.go(path).wait_for_load_state("load")
                timing = page.evaluate("performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd")
                found.interactive_ms.setdefault(path, []).append(float(timing))
