"""A shop without a cloud: orders come from its own network, print, and nothing says that a line is down."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agent.control import ask as ask_agent
from agent.journal import notes
from agent.journal.file import Tx
from agent.journal.retention import KEEP_UNHEARD, forget_cloud
from agent.model.report import AlarmState
from agent.simulator.ports import serve_tcp
from agent.simulator.printer import VirtualPrinter
from agent.simulator.stage import AgentProcess, Mosquitto, free_port
from tests.kitchen import kitchen, read
from tests.till import STRUCTURED, TOKEN, Answer, answers, ask, event

WAIT_S = 20.0


class Alone:
    """A box with its port open, and one printer."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self.device = stack.enter_context(VirtualPrinter())
        self.link = stack.enter_context(serve_tcp(self.device)).link
        self.port = free_port()
        (folder / "token").write_text(f"{TOKEN}\n")
        (folder / "token").chmod(0o600)
        self.agent = AgentProcess(folder / "agent.yaml", folder / "agent.log")
        stack.callback(self.agent.kill)

    def start(self, more: str = "") -> None:
        """With what the test adds to the configuration."""
        self.agent.config.write_text(
            f"shop: s1\ndata_dir: {self.folder}/data\nintake: {{clock: trust}}\n"
            f"printers: [{{name: kitchen, link: '{self.link}'}}]\n"
            f"console: {{listen: '127.0.0.1:{self.port}', token_file: token}}\n{more}"
        )
        self.agent.start()
        self.wait(lambda: answers(self.port) and self.status()["printers"][0]["state"] == "ready")

    def wait(self, done: Any) -> None:
        """Until it is so."""
        deadline = time.monotonic() + WAIT_S
        while not done():
            assert time.monotonic() < deadline, self.agent.log.read_text()
            time.sleep(0.05)

    def ask(self, method: str, path: str, body: bytes = b"") -> Answer:
        """A till's request."""
        headers = {"authorization": f"Bearer {TOKEN}", "content-type": STRUCTURED}
        return ask(self.port, method, path, body, headers)

    def status(self) -> dict[str, Any]:
        """What the box says of itself."""
        return ask_agent(self.folder / "data", {"do": "status"}, 10.0)


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Alone]:
    """Not started yet."""
    with ExitStack() as stack:
        yield Alone(tmp_path, stack)


def test_a_shop_without_a_cloud_prints_what_its_till_sends(alone: Alone) -> None:
    """On paper; well; with a state of its own in the place of the line, and no alarm about it. It stops cleanly."""
    alone.start()
    sent = alone.ask("POST", "/v1/orders", msgspec.json.encode(event(42)))
    assert sent.status in (200, 201, 202), sent
    alone.wait(lambda: any(read(piece).whole for piece in alone.device.paper.pieces))
    assert [read(piece).number for piece in alone.device.paper.pieces] == ["42"]
    said = alone.status()
    assert (said["well"], said["line"]["state"], said["alarms"]) == ("well", "off", [])
    ready = alone.ask("GET", "/readyz")
    assert ready.status == 200
    assert ready.said == {"ready": True, "journal": True, "line": "no cloud configured"}
    figures = alone.ask("GET", "/metrics").body.decode()
    assert "shop_agent_printer_state" in figures
    assert "line_up" not in figures
    assert alone.agent.stop() == 0
    log = alone.agent.log.read_text()
    assert "broker: there is none: orders come from the shop's own network alone" in log
    assert "broker." not in log.replace("mqtts://broker.example", "")


def test_what_was_said_of_an_old_line_is_over_without_one(alone: Alone, tmp_path: Path) -> None:
    """The cloud is taken out of the configuration while its line was down: that alarm goes with it."""
    with Mosquitto(tmp_path / "broker") as broker:
        port = broker.port
    url = f"broker: {{url: 'mqtt://127.0.0.1:{port}'}}\n"
    alone.start(url)
    alone.wait(lambda: [alarm["key"] for alarm in alone.status()["alarms"]])
    assert alone.ask("GET", "/readyz").status == 503
    assert alone.agent.stop() == 0
    alone.start()
    assert alone.status()["alarms"] == []
    assert alone.ask("GET", "/readyz").status == 200


def test_reports_that_nobody_takes_do_not_grow_for_ever(tmp_path: Path) -> None:
    """The newest are kept, for a cloud that is found later; alarms about the line go without a word."""
    with kitchen(tmp_path) as here:

        def fill(tx: Tx) -> None:
            for number in range(KEEP_UNHEARD + 50):
                notes.add_report(tx, AlarmState(f"printer:p{number}:away", "raised", "x"))
            for key in ("broker:refused", "session", "printer:wok:paper"):
                notes.raise_alarm(tx, key, "x")

        here.journal.write(fill)
        here.journal.write(forget_cloud)
        kept = here.journal.write(lambda tx: notes.waiting_reports(tx, 0, 5000))
        assert len(kept) == KEEP_UNHEARD
        assert b"printer:wok:paper" in kept[-1].body
        assert list(here.journal.write(notes.alarms)) == ["printer:wok:paper"]
