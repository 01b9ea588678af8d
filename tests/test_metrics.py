"""What the port shows of the agent: health, readiness and figures, checked by Prometheus' own parser."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from agent.config.console import Console
from agent.console.open import open_console
from agent.console.tally import BUCKETS_S, Tally
from agent.journal import notes
from agent.journal.file import Tx
from agent.journal.store import Journal
from agent.model.report import OrderRef, OrderState
from agent.simulator.ports import serve_tcp
from agent.simulator.printer import VirtualPrinter
from agent.simulator.stage import AgentProcess, Mosquitto, free_port
from tests.till import TOKEN, Shop, answers, ask, event, shop

Figures = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Shop]:
    """A shop with its port open."""
    with shop(tmp_path) as there:
        yield there


def figures(port: int) -> Figures:
    """Every sample, by name and labels."""
    answer = ask(port, "GET", "/metrics")
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    families = list(text_string_to_metric_families(answer.body.decode()))
    assert len({family.name for family in families}) == len(families), "a family stands twice"
    samples = [sample for family in families for sample in family.samples]
    found = {(sample.name, frozenset(sample.labels.items())): sample.value for sample in samples}
    assert len(found) == len(samples), "a sample stands twice"
    return found


def figure(found: Figures, name: str, **labels: str) -> float:
    """One sample; 0 for a counter that nothing was counted under."""
    return found.get((f"shop_agent_{name}", frozenset(labels.items())), 0)


def test_orders_and_tickets_are_counted_once_by_what_became_of_them(here: Shop) -> None:
    for number in (1, 2):
        here.send(event(number))
    here.send(event(1))
    here.kitchen.order(3)
    for number in (1, 2, 3):
        here.kitchen.wait_told(number)
    here.kitchen.wait_told(3, kind="order.state", states=("printed",))
    found = figures(here.port)
    assert figure(found, "orders_total", result="accepted") == 3
    assert figure(found, "orders_total", result="duplicate") == 1
    assert figure(found, "orders_total", result="printed") == 3
    assert figure(found, "tickets_total", printer="wok", state="completed", evidence="confirmed") == 3
    assert figure(found, "tickets_waiting", printer="wok") == 0
    assert figure(found, "oldest_ticket_seconds") == 0
    assert figure(found, "http_requests_total", path="/v1/orders", status="202") == 2
    commits = figure(found, "journal_commit_seconds_count")
    assert commits >= 4
    assert figure(found, "journal_commit_seconds_bucket", le="+Inf") == commits
    assert 0 < figure(found, "journal_commit_seconds_sum") < 60


def test_a_printer_that_needs_somebody_is_in_the_figures(here: Shop) -> None:
    here.send(event(1))
    here.kitchen.wait_told(1)
    here.kitchen.device.run_out_of_paper()
    here.kitchen.wait_alarm("printer:wok:paper")
    here.send(event(2))
    here.kitchen.wait_told(2, states=("held",))
    time.sleep(0.05)
    found = figures(here.port)
    assert figure(found, "printer_alarm", printer="wok", alarm="paper") == 1
    assert figure(found, "printer_state", printer="wok", state="needs_human", need="paper") == 1
    assert figure(found, "alarms", kind="printer") == 1
    assert figure(found, "tickets_waiting", printer="wok") == 1
    assert figure(found, "oldest_ticket_seconds") > 0
    here.kitchen.device.load_paper()
    here.kitchen.wait_told(2)
    found = figures(here.port)
    assert figure(found, "printer_alarm", printer="wok", alarm="paper") == 0
    assert figure(found, "printer_state", printer="wok", state="ready", need="") == 1


def test_the_line_and_the_clock_are_in_the_figures(here: Shop) -> None:
    here.last_heard = "2026-11-22T07:31:05.000Z"
    found = figures(here.port)
    assert (figure(found, "line_up"), figure(found, "clock_synchronised")) == (1, 1)
    assert figure(found, "last_heard_timestamp_seconds") == 1795332665
    here.line_up = here.synchronised = False
    here.last_heard = ""
    found = figures(here.port)
    assert (figure(found, "line_up"), figure(found, "clock_synchronised")) == (0, 0)
    assert figure(found, "last_heard_timestamp_seconds") == 0
    assert any(name == "shop_agent_build_info" for name, _ in found)
    assert 1e6 < found["process_resident_memory_bytes", frozenset()] < 1e9


def test_figures_hold_no_customer_and_no_order(here: Shop) -> None:
    """Nor does an alarm's key, whatever a cloud or an order put into it, become a label."""
    here.send(event("GEHEIM-4711", customer={"name": "张三丰", "phone_tail": "8888"}, note="地址 中山路 1 号"))
    here.kitchen.wait_told("GEHEIM-4711")
    here.kitchen.journal.write(lambda tx: notes.raise_alarm(tx, "missing://GEHEIM/s1", "x"))
    here.kitchen.journal.write(lambda tx: notes.raise_alarm(tx, "ticket:4711", "x"))
    here.ask("GET", "/GEHEIM")
    text = ask(here.port, "GET", "/metrics").body.decode()
    for word in ("GEHEIM", "4711", "张三丰", "8888", "中山路", TOKEN, "till.lan"):
        assert word not in text, word
    assert figure(figures(here.port), "alarms", kind="ticket") == 1


def test_a_label_may_hold_anything(here: Shop) -> None:
    """A printer's name is a person's choice."""
    here.kitchen.journal.write(lambda tx: notes.raise_alarm(tx, 'printer:a"b\\c\nd:paper', "x"))
    assert figure(figures(here.port), "printer_alarm", printer='a"b\\c\nd', alarm="paper") == 1


def test_figures_may_be_off(tmp_path: Path) -> None:
    with shop(tmp_path) as here:
        port = free_port()
        settings = Console(listen=f"127.0.0.1:{port}", metrics=False)
        console = open_console(settings, here.rooms, lambda _: None)
        console.start()
        try:
            assert ask(port, "GET", "/metrics").status == 404
            assert ask(port, "GET", "/healthz").status == 200
        finally:
            console.stop(5)


def test_health_is_that_every_thread_comes_round(here: Shop) -> None:
    well = here.ask("GET", "/healthz")
    assert (well.status, well.said["ok"], well.said["stuck"]) == (200, True, [])
    here.stuck = ["printer-wok"]
    ill = here.ask("GET", "/healthz")
    assert (ill.status, ill.said["ok"], ill.said["stuck"]) == (503, False, ["printer-wok"])


def test_ready_is_journal_and_line(here: Shop) -> None:
    """A till may go by `journal`, a fleet by `ready`."""
    assert here.ask("GET", "/readyz").said == {"ready": True, "journal": True, "line": True}
    here.line_up = False
    away = here.ask("GET", "/readyz")
    assert (away.status, away.said) == (503, {"ready": False, "journal": True, "line": False})
    here.line_up = True
    here.kitchen.journal.write(lambda tx: notes.raise_alarm(tx, "broker:topics", "denied"))
    assert here.ask("GET", "/readyz").said["line"] is False


def test_a_journal_that_can_not_be_read_costs_its_figures_only(here: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> Tx:
        raise OSError("no more files")

    monkeypatch.setattr(here.kitchen.journal, "reader", broken)
    found = figures(here.port)
    assert figure(found, "journal_readable") == 0
    assert figure(found, "line_up") == 1
    assert here.ask("GET", "/readyz").said == {"ready": False, "journal": False, "line": True}


def _report(number: int) -> OrderState:
    return OrderState(OrderRef(f"id-{number}", "test", str(number)), 1, "accepted")


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[tuple[Journal, Tally]]:
    """A journal with an earlier run's reports, and a tally that rides along."""
    before = Journal(tmp_path / "journal.db")
    before.start()
    for number in range(5):
        before.write(lambda tx, number=number: notes.add_report(tx, _report(number)))  # type: ignore[misc]  # a default
    before.stop(5)
    journal = Journal(tmp_path / "journal.db")
    with closing(journal.reader()) as reader:
        tally = Tally(reader)
    journal.carry(tally)
    journal.start()
    yield journal, tally
    journal.stop(5)


ACCEPTED = ("orders", (("result", "accepted"),))


def test_what_is_rolled_back_does_not_count_and_what_is_tried_again_counts_once(
    journal: tuple[Journal, Tally],
) -> None:
    ledger, tally = journal

    def fails(tx: Tx) -> None:
        notes.add_report(tx, _report(1))
        raise ValueError("on purpose")

    with pytest.raises(ValueError, match="on purpose"):
        ledger.write(fails)
    assert tally.counts() == {}
    hold, failed = threading.Event(), threading.Event()
    ledger.submit(lambda _: hold.wait(10), lambda _: None)
    ledger.submit(fails, lambda _: None, lambda _: failed.set())
    ledger.submit(lambda tx: notes.add_report(tx, _report(2)), lambda _: None)  # one batch with what fails
    hold.set()
    assert failed.wait(10)
    ledger.write(lambda _: None)
    assert tally.counts() == {ACCEPTED: 1}


def test_reports_that_have_left_are_not_counted_again(journal: tuple[Journal, Tally]) -> None:
    ledger, tally = journal
    for number in range(3):
        ledger.write(lambda tx, number=number: notes.add_report(tx, _report(number)))  # type: ignore[misc]  # a default
        ledger.write(lambda tx: notes.delete_reports(tx, [row.pk for row in notes.waiting_reports(tx, 0, 100)]))
    assert tally.counts() == {ACCEPTED: 3}


def test_a_tally_that_fails_stops_no_commit(journal: tuple[Journal, Tally]) -> None:
    ledger, tally = journal
    ledger.write(lambda tx: tx.execute("INSERT INTO outbox (type, body, at) VALUES ('order.state', x'ff', '')"))
    ledger.write(lambda tx: notes.add_report(tx, _report(1)))
    assert ledger.failed is None
    counts, seconds = tally.commits()
    assert counts == sorted(counts)
    assert counts[-1] >= 2
    assert len(counts) == len(BUCKETS_S) + 1
    assert seconds > 0


def test_a_whole_agent_shows_itself(tmp_path: Path) -> None:
    """As a process: its line, its printer's paper, and the same figures after orders by the till and by the line."""
    (tmp_path / "token").write_text(TOKEN)
    port = free_port()
    with Mosquitto(tmp_path / "broker") as broker, VirtualPrinter() as device, serve_tcp(device) as cable:
        config = tmp_path / "agent.yaml"
        config.write_text(
            f"shop: s1\ndata_dir: data\nbroker: {{url: 'mqtt://127.0.0.1:{broker.port}'}}\n"
            f"console: {{listen: '127.0.0.1:{port}', token_file: token}}\n"
            f"printers: [{{name: kitchen, link: '{cable.link}'}}]\n"
        )
        agent = AgentProcess(config, tmp_path / "agent.log")
        agent.start()
        try:
            assert _until(lambda: answers(port, "/readyz")), agent.log.read_text()
            headers = {"authorization": f"Bearer {TOKEN}", "content-type": "application/cloudevents+json"}
            answer = ask(port, "POST", "/v1/orders", json.dumps(event(1)).encode(), headers)
            assert answer.said["state"] == "accepted"
            assert device.wait_for(lambda it: len(it.paper.pieces) == 1, 20)
            assert "#1" in device.paper.pieces[0].text
            where = {"printer": "kitchen", "state": "completed", "evidence": "confirmed"}
            assert _until(lambda: figure(figures(port), "tickets_total", **where) == 1)
            found = figures(port)
            assert figure(found, "line_up") == 1
            assert figure(found, "threads_stuck") == 0
            assert ask(port, "GET", "/healthz").status == 200
            began = time.monotonic()
            assert agent.stop() == 0
            assert time.monotonic() - began < 5
        finally:
            agent.kill()


def _until(done: Callable[[], bool], timeout_s: float = 20.0) -> bool:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if done():
            return True
        time.sleep(0.1)
    return False
