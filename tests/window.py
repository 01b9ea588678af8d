"""A shop's window: the whole agent in the test's own process, on virtual printers, and real HTTP to its pages.

`window(folder)` opens it; `.me` is signed in, `.anybody` is not. What is written into its configuration counts after
`restart()`, and so does what a page writes.
"""

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from html import unescape
from pathlib import Path
from string import punctuation
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

from agent.app import AGAIN, Agent
from agent.clock import SystemClock
from agent.config import load
from agent.console.access import Access
from agent.console.rights import COOKIE
from agent.journal import notes
from agent.journal.file import Tx
from agent.model.wire import Delivery
from agent.simulator.ports import serve_tcp
from agent.simulator.printer import PrinterSpec, VirtualPrinter
from agent.simulator.stage import free_port
from tests.kitchen import IMPATIENT, Ticket, read
from tests.till import TOKEN, Answer, answers, ask

PIN = "274859"
WAIT_S = 20.0
FORM = {"content-type": "application/x-www-form-urlencoded"}
STATIONS = """\
stations:
  - {name: wok, printer: wok, default: true}  # 灶台
  - {name: drinks, printer: bar, match: {category: [热饮, 冷饮]}}
"""
T = TypeVar("T")


class Client:
    """Somebody with a browser, and the cookies that they have."""

    def __init__(self, port: Callable[[], int], language: str = "zh", session: str = "") -> None:
        self._port = port
        self.language, self.session = language, session

    def get(self, path: str, **headers: str) -> Answer:
        """A page, or a part of one."""
        return self.ask("GET", path, b"", headers)

    def post(self, path: str, fields: dict[str, Any] | list[tuple[str, str]] | None = None, **headers: str) -> Answer:
        """A form; a list among the fields is a name that stands more than once."""
        body = urlencode(fields or {}, doseq=True).encode()
        return self.ask("POST", path, body, {**FORM, **headers})

    def do(self, what: str, **fields: Any) -> Answer:
        """An action's button."""
        return self.post(f"/do/{what}", fields)

    def ask(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        """Any request; `_` in a header's name stands for `-`."""
        said = {name.replace("_", "-"): value for name, value in headers.items()}
        cookie = {"cookie": f"{COOKIE}={self.session}"} if self.session else {}
        return ask(
            self._port(),
            method,
            quote(path, safe=punctuation),
            body,
            {"accept-language": self.language, **cookie, **said},
        )


class ShopWindow:
    """The agent with its port open, what it prints on, and who looks at it."""

    def __init__(self, folder: Path, devices: dict[str, VirtualPrinter], config: str, port: int) -> None:
        self.folder, self.devices, self.port = folder, devices, port
        self.config_path = folder / "shop-agent.yaml"
        self.config_path.write_text(config, "utf-8")
        self.agent = self._make()
        self.restarts = 0
        self._mid = 0
        self._stop = threading.Event()
        self._up = threading.Event()
        self._thread = threading.Thread(target=self._run, name="shop-window")

    # -- the agent -----------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start it, and let the shop's owner sign in."""
        self._thread.start()
        self.until(lambda: answers(self.port), "the port")
        self.access = Access(self.folder / "data")
        if not self.access.claimed:
            assert self.access.choose_pin(self.access.issue_code(), PIN)
        self.me = Client(lambda: self.port, session=self.access.sign_in())
        self.anybody = Client(lambda: self.port)

    def restart(self) -> None:
        """Start anew, with the configuration as it is now."""
        before = self.restarts
        self.agent._again.set()
        self.wait_restarted(before)

    def wait_restarted(self, before: int) -> None:
        """Wait until it was started anew more often than `before`, and answers."""
        self.until(lambda: self.restarts > before and answers(self.port), "a restart")

    def stop(self) -> None:
        """Stop it."""
        self._stop.set()
        self._thread.join(WAIT_S)
        assert not self._thread.is_alive()

    def _make(self) -> Agent:
        agent = Agent(load(self.config_path), SystemClock(), lambda: load(self.config_path), self.config_path)
        agent._prints.shop.patience = IMPATIENT
        return agent

    def _run(self) -> None:
        while True:
            with self.agent.lines.listening():
                code = self.agent.run(self._stop)
            if code != AGAIN:
                return
            self.agent = self._make()
            self.restarts += 1

    # -- what comes in -------------------------------------------------------------------------------------------

    def order(self, number: int | str, rev: int = 1, **fields: Any) -> None:
        """An order comes in, told `at` a time where that is given, and is on disk."""
        items = fields.pop("items", [{"name": "豆浆", "qty": "2", "note": "不要糖"}, {"name": "鲜肉小笼包", "qty": 12}])
        at = fields.pop("at", None)
        order = {"id": f"id-{number}", "rev": rev, "channel": "test", "no": str(number), "items": items, **fields}
        self.event("order.upsert", {"order": order}, f"{number}-{rev}", at)

    def cancel(self, number: int | str, rev: int = 1) -> None:
        """An order is taken back."""
        data = {"order": {"id": f"id-{number}", "rev": rev, "channel": "test"}, "reason": "客人取消"}
        self.event("order.cancel", data, f"{number}-{rev}-cancel")

    def event(self, kind: str, data: dict[str, Any], event_id: str, at: datetime | None = None) -> None:
        """Any event comes in from the cloud, told `at` this time, and is on disk."""
        self._mid += 1
        event = {"specversion": "1.0", "id": event_id, "source": "//test", "type": kind, "data": data}
        event |= {} if at is None else {"time": at.isoformat()}
        topic = self.agent._cloud.topics.order
        self.agent._consumer.receive(Delivery(1, self._mid, topic, json.dumps(event).encode(), 1, False))
        self.write(lambda _: None)

    # -- what can be seen ----------------------------------------------------------------------------------------

    def papers(self, printer: str = "wok") -> list[Ticket]:
        """A printer's paper, piece by piece, but for blank ones."""
        pieces = [read(piece) for piece in self.devices[printer].paper.pieces]
        return [ticket for ticket in pieces if ticket.text.strip()]

    def on_paper(
        self, text: int | str, printer: str = "wok", times: int = 1, timeout_s: float = WAIT_S
    ) -> list[Ticket]:
        """Wait for pieces of paper that are of the order with this number, or say this text; these, oldest first."""

        def is_meant(each: Ticket) -> bool:
            return each.number == str(text) or (isinstance(text, str) and text in each.text)

        def found() -> list[Ticket]:
            return [each for each in self.papers(printer) if is_meant(each)]

        came = self.devices[printer].wait_for(lambda _: len(found()) >= times, timeout_s)
        assert came, f"{printer} has no {text}: {[each.text for each in self.papers(printer)]}"
        return found()

    def read(self, look: Callable[[Tx], T]) -> T:
        """What the journal says."""
        return self.agent._journal.write(look)

    write = read
    """What is done in the journal, once it is on disk."""

    def tickets(self, number: int | str) -> dict[int, str]:
        """An order's tickets by their ids, with their states."""
        sql = "SELECT j.id, j.state FROM jobs j JOIN orders o ON o.pk = j.order_pk WHERE o.number = ? ORDER BY j.id"
        return dict(self.read(lambda tx: tx.execute(sql, (str(number),)).fetchall()))

    def wait_ticket(self, number: int | str, state: str = "completed") -> int:
        """Wait until the newest ticket of an order is in this state; its id."""
        self.until(lambda: list(self.tickets(number).values())[-1:] == [state], f"ticket of {number} to be {state}")
        return list(self.tickets(number))[-1]

    def alarms(self) -> dict[str, str]:
        """What needs a person."""
        return self.read(notes.alarms)

    def until(self, done: Callable[[], object], what: str, timeout_s: float = WAIT_S) -> None:
        """Wait for something that nobody signals."""
        deadline, pause = time.monotonic() + timeout_s, threading.Event()
        while not done():
            assert time.monotonic() < deadline, f"waited in vain for {what}"
            pause.wait(0.02)


def text_of(answer: Answer) -> str:
    """What a page says to who reads it: no tags, single spaces."""
    page = re.sub(r"<(script|style)\b.*?</\1>", " ", answer.body.decode(), flags=re.DOTALL)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", page))).strip()


@contextmanager
def window(
    folder: Path, printers: tuple[str, ...] = ("wok", "bar"), spec: PrinterSpec | None = None, more: str = STATIONS
) -> Iterator[ShopWindow]:
    """A shop with a virtual printer of each name, its stations and whatever else is in `more`, as YAML. There is no
    cloud; orders come by `order`, or by HTTP with `TOKEN`.
    """
    with ExitStack() as stack:
        devices = {name: stack.enter_context(VirtualPrinter(spec or PrinterSpec())) for name in printers}
        links = {name: stack.enter_context(serve_tcp(device)).link for name, device in devices.items()}
        port = free_port()
        (folder / "data").mkdir(exist_ok=True)
        (folder / "token").write_text(TOKEN + "\n")
        lines = ["# 早餐店 the shop", "shop: s1", "data_dir: ./data", "timezone: Asia/Shanghai"]
        lines += [f'console: {{listen: "127.0.0.1:{port}", token_file: token}}']
        lines += ["" if "printing:" in more else "printing: {reprint_after_s: 0.5}"]
        lines += ["printers:" if links else ""]
        lines += [f'  - {{name: {name}, link: "{link}"}}  # 打印机 {name}' for name, link in links.items()]
        here = ShopWindow(folder, devices, "\n".join(lines) + "\n" + more, port)
        stack.callback(here.stop)
        here.start()
        yield here
