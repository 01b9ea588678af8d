"""The box's own port: what a till or an integrator sends over HTTP, and what comes out on paper."""

import contextlib
import http.client
import json
import os
import pwd
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.config import load
from agent.config.console import Console, Feie, FeiePrinter
from agent.config.warnings import warnings
from agent.console.feie import MOST_LARGE, SMALL_BYTES
from agent.console.guard import MOST_CONNECTIONS, MOST_OF_ONE
from agent.errors import ConfigError
from agent.intake.strictjson import MAX_BYTES
from agent.journal import orders, sequences
from agent.simulator.ports import serve_tcp
from agent.simulator.printer import VirtualPrinter
from agent.simulator.stage import AgentProcess, free_port
from agent.simulator.verdict import judge_paper
from tests.crash import STATIONS
from tests.kitchen import ENDS, Kitchen, kitchen
from tests.office import listening
from tests.till import STRUCTURED, TOKEN, Answer, Shop, ask, event, shop, signed

BATCH = "application/cloudevents-batch+json"
FEIE = {"sn": "922599200", "content": "<CB>测试店</CB><BR>番茄炒蛋 x1<BR>", "times": "1"}


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Shop]:
    """A shop with its port open."""
    with shop(tmp_path) as there:
        yield there


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """One shop for many requests."""
    with shop(tmp_path_factory.mktemp("busy")) as there:
        yield there


# -- orders ------------------------------------------------------------------------------------------------------------


def test_an_order_of_a_till_is_on_disk_when_it_is_answered_and_then_on_paper(here: Shop) -> None:
    answer = here.send(event(7))
    assert (answer.status, answer.said) == (202, {"state": "accepted", "order": "id-7"})
    with here.kitchen.journal.reader() as reader:
        assert orders.find_event(reader, "//till.lan/1", "till-7-1") is not None
    assert here.kitchen.wait_for(7)


def test_the_same_order_again_prints_nothing_and_is_told_where_it_is(here: Shop) -> None:
    here.send(event(7))
    here.kitchen.wait_told(7)
    again = here.send(event(7))
    assert (again.status, again.said) == (200, {"state": "duplicate", "order": "id-7", "current": "printed"})
    here.kitchen.idle()
    assert len(here.kitchen.tickets()) == 1


def test_the_same_order_by_the_cloud_and_by_the_till_is_one_ticket(here: Shop) -> None:
    """Same channel, id, revision and content: whoever is second is a duplicate."""
    here.send(event(7))
    here.kitchen.event("order.upsert", event(7)["data"], "of-the-cloud")
    here.kitchen.wait_told(7, kind="order.state", states=("duplicate",))
    here.kitchen.wait_told(7)
    assert len(here.kitchen.tickets()) == 1


def test_an_older_revision_is_late(here: Shop) -> None:
    here.send(event(7, rev=3))
    late = here.send(event(7, rev=2))
    assert (late.status, late.said["state"]) == (200, "stale")


def test_binary_mode(here: Shop) -> None:
    """Attributes in headers, percent-encoded where they are not plain; the data alone in the body."""
    whole = event(8)
    attributes = {
        "ce-specversion": "1.0",
        "ce-id": "%E5%8F%B7-8",
        "ce-source": "//till.lan/1",
        "ce-type": whole["type"],
    }
    answer = here.send(whole["data"], "application/json", **attributes)
    assert (answer.status, answer.said["state"]) == (202, "accepted")
    with here.kitchen.journal.reader() as reader:
        assert orders.find_event(reader, "//till.lan/1", "号-8") is not None
    assert here.kitchen.wait_for(8)
    ping = here.send(b"", "application/json", **{**attributes, "ce-id": "p", "ce-type": "ping"})
    assert (ping.status, ping.said) == (202, {"state": "pong"})


def test_a_batch_answers_each_event_in_its_order(here: Shop) -> None:
    """One that can't be read spoils no other."""
    bad = event(3, items=[{"name": "红茶", "qty": "viel"}])
    answer = here.send([event(1), event(2), bad, event(1)], BATCH)
    assert answer.status == 207
    assert [each["status"] for each in answer.said] == [202, 202, 400, 200]
    assert answer.said[2]["path"] == "$.data.order.items[0].qty"
    assert here.kitchen.wait_for(2)
    assert here.send([event(4)], BATCH).status == 202
    assert here.send([], BATCH).said == []


def test_what_can_not_be_read_names_its_path_and_is_not_parked(here: Shop) -> None:
    """Whoever sent it is there, and is told; no alarm, nothing kept."""
    for sent, path in (
        ({**event(1), "data": {"order": {"id": "1"}}}, "$.data.order.rev"),
        ({**event(1), "type": "order.eat"}, "$.type"),
        (b"{", "$"),
        (b'{"id":1,"id":2}', "$"),
        ([event(1)], "$"),
    ):
        answer = here.send(sent)
        assert answer.status == 400
        assert answer.said["path"].startswith(path)
    assert here.kitchen.journal.write(lambda tx: tx.execute("SELECT count(*) FROM parked").fetchone()) == (0,)
    assert here.kitchen.alarms() == {}
    assert here.kitchen.reports() == []


def test_the_same_identity_with_other_content_is_a_conflict(here: Shop) -> None:
    here.send(event(7))
    other = here.send(event(7, items=[{"name": "红茶", "qty": "1"}]))
    assert (other.status, other.said["path"]) == (409, "$.id")
    revision = here.send(event(7, event_id="new", items=[{"name": "红茶", "qty": "1"}]))
    assert (revision.status, revision.said["path"]) == (409, "$.data.order.rev")


def test_a_till_may_cancel(here: Shop) -> None:
    here.send(event(7))
    here.kitchen.wait_told(7)
    taken_back = {"order": {"id": "id-7", "rev": 2, "channel": "till"}}
    answer = here.send({**event(7, event_id="c"), "type": "order.cancel", "data": taken_back})
    assert (answer.status, answer.said["state"]) == (202, "canceled")
    here.kitchen.wait_told(7, kind="order.state", states=("canceled",))


def test_a_tills_counting_makes_no_gap_and_its_clock_is_not_believed(here: Shop) -> None:
    """Nobody could be asked for what is missing, and a till may believe in any year."""
    for number, sequence in ((1, 1), (2, 9)):
        sent = {**event(number), "sequence": f"{sequence:020}", "time": "2099-01-01T00:00:00Z"}
        assert here.send(sent).said["state"] == "accepted"
    with here.kitchen.journal.reader() as reader:
        assert sequences.cursors(reader) == {}
    here.kitchen.order(5, placed_at="2026-01-01T00:00:00Z")  # the cloud's
    here.kitchen.wait_told(5, kind="order.state", states=("accepted", "held"))
    assert here.kitchen.consumer._times._latest_s is None


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        (f"Bearer {TOKEN}", 202),
        (f"bearer  {TOKEN} ", 202),
        ("Bearer another-token-of-0002", 202),
        ("", 401),
        (TOKEN, 401),
        ("Bearer", 401),
        ("Bearer # tills", 401),
        (f"Bearer {TOKEN}x", 401),
        (f"Basic {TOKEN}", 401),
        ("Bearer tök\xe9n", 401),
    ],
)
def test_only_who_has_a_token_is_let_in(here: Shop, authorization: str, status: int) -> None:
    body = json.dumps(event(1)).encode()
    headers = {"content-type": STRUCTURED, **({"authorization": authorization} if authorization else {})}
    answer = here.ask("POST", "/v1/orders", body, headers)
    assert answer.status == status
    assert TOKEN.encode() not in answer.body
    assert ("www-authenticate" in answer.headers) is (status == 401)


@pytest.mark.parametrize(
    ("authorization", "advice"),
    [
        (f"Bearer {TOKEN}x", "no token of this box"),
        (f"Basic {TOKEN}", "send the header"),
        ("Bearer", "send the header"),
    ],
)
def test_who_is_turned_away_is_told_what_was_wrong(here: Shop, authorization: str, advice: str) -> None:
    """A token that was sent and is wrong is not asked to be sent."""
    answer = here.ask("POST", "/v1/orders", b"{}", {"content-type": STRUCTURED, "authorization": authorization})
    assert advice in answer.said["error"]


@pytest.mark.parametrize("kind", ["application/json", STRUCTURED])
def test_a_list_that_is_sent_as_one_event_is_told_of_batches(here: Shop, kind: str) -> None:
    """400, and nothing of it is taken."""
    headers = {"content-type": kind, "authorization": f"Bearer {TOKEN}"}
    answer = here.ask("POST", "/v1/orders", b" [" + json.dumps(event(1)).encode() + b"]", headers)
    assert (answer.status, "application/cloudevents-batch+json" in answer.said["error"]) == (400, True)
    assert here.send(event(1)).said["state"] == "accepted"


def test_another_path_and_another_method_are_said(here: Shop) -> None:
    """404 and 405, in JSON."""
    assert [here.ask(*what).status for what in (("POST", "/v1/order"), ("GET", "/v1/orders"))] == [404, 405]


def test_a_changed_token_holds_at_once_and_an_unreadable_one_lets_nobody_in(here: Shop, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("the-new-token-of-the-till")
    assert here.send(event(1)).status == 401
    assert here.send(event(1), token="the-new-token-of-the-till").status == 202
    for text in ("", "short"):
        (tmp_path / "token").write_text(text)
        assert here.send(event(1), token=text).status == 503
        with pytest.raises(ConfigError, match="openssl rand"):
            here.settings.tokens()
    (tmp_path / "token").unlink()
    answer = here.send(event(1))
    assert answer.status == 503
    assert str(tmp_path) not in answer.body.decode()


def test_guessing_is_slow(here: Shop) -> None:
    """Ten failures, then a minute of nothing from that address; but for who has the right token."""
    statuses = [here.send(event(1), token=f"guess-{number:020}").status for number in range(12)]
    assert statuses == [401] * 10 + [429] * 2
    assert here.send(event(1)).status == 202
    late = here.send(event(2), token="guess-again-guess-again")
    assert late.status == 429
    assert 1 <= int(late.headers["retry-after"]) <= 61


def test_local_intake_is_off_without_a_token_file(tmp_path: Path) -> None:
    with shop(tmp_path, feie=False, tokens=False) as here:
        assert here.send(event(1)).status == 403
        assert here.ask("POST", "/Api/Open/").status == 404
        assert here.ask("GET", "/healthz").status == 200


def test_too_large_and_the_wrong_kind(here: Shop) -> None:
    assert here.send(b"x" * (MAX_BYTES + 1)).status == 413
    assert here.send([event(n) for n in range(101)], BATCH).status == 413
    assert here.send(event(1), "text/plain").status == 415
    assert here.send(event(1), STRUCTURED + "; charset=gbk").status == 415
    assert here.send(event(1), STRUCTURED + '; charset="UTF-8"').status == 202
    assert here.ask("GET", "/v1/orders").status == 405
    assert here.ask("GET", "/nothing").status == 404


def test_a_body_without_a_length_is_bounded_too(here: Shop) -> None:
    """Chunks may go on for ever."""
    with socket.create_connection(("127.0.0.1", here.port), 20) as line:
        head = f"POST /v1/orders HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n"
        line.sendall(f"{head}Content-Type: {STRUCTURED}\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        said = b""
        with contextlib.suppress(OSError):  # it hangs up
            for _ in range(100):
                line.sendall(b"4000\r\n" + b" " * 0x4000 + b"\r\n")
        with contextlib.suppress(OSError):
            said = line.recv(4096)
        assert said == b"" or b" 413 " in said
    assert here.send(event(1)).status == 202


def test_while_the_disk_is_full_the_till_is_told_and_nothing_piles_up(
    here: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """503 at once; nothing is promised that is not kept, and it goes on by itself."""
    monkeypatch.setattr("agent.journal.store.RETRY_FULL_S", 0.05)
    monkeypatch.setattr("agent.console.porter.PATIENCE_S", 0.5)
    journal = here.kitchen.journal
    pages = journal.write(lambda tx: tx.execute("PRAGMA page_count").fetchone()[0])
    journal.write(lambda tx: tx.execute(f"PRAGMA max_page_count = {pages}").fetchone())
    number = 0
    while here.send(event(number, note="很长的备注" * 200)).status == 202:
        number += 1
    began = time.monotonic()
    answer = here.send(event("late"))
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")
    assert here.feie(**FEIE)["ret"] == -1
    assert time.monotonic() - began < 0.4
    assert here.ask("GET", "/readyz").said["journal"] is False
    journal._connection.execute("PRAGMA max_page_count = 100000").fetchone()
    deadline = time.monotonic() + 10
    while journal.full and time.monotonic() < deadline:
        time.sleep(0.02)
    assert here.send(event("late")).status == 202
    assert here.kitchen.wait_for("late")


def test_what_the_disk_does_not_take_in_time_is_answered_and_may_be_sent_again(
    here: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """503, and the same again is a duplicate or accepted: never twice on paper."""
    monkeypatch.setattr("agent.console.porter.PATIENCE_S", 0.3)
    held, release = threading.Event(), threading.Event()

    def hold(_tx: object) -> None:
        held.set()
        release.wait(20)

    here.kitchen.journal.submit(hold, lambda _: None)
    assert held.wait(10)
    assert here.send(event(1)).status == 503
    release.set()
    here.kitchen.wait_told(1)
    assert here.send(event(1)).said["state"] == "duplicate"
    assert len(here.kitchen.tickets()) == 1


# -- manners -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200),
        ("192.168.1.20:8480", 200),
        ("[fe80::1]:8480", 200),
        ("localhost:1", 200),
        ("printbox.lan", 200),
        ("PRINTBOX.LAN.:8480", 200),
        (socket.gethostname(), 200),
        ("evil.example", 421),
        ("printbox.lan.evil.example", 421),
        ("127.0.0.1.evil.example", 421),
    ],
)
def test_a_page_from_elsewhere_does_not_reach_us_by_a_name_of_its_own(busy: Shop, host: str, status: int) -> None:
    """DNS rebinding: the browser sends the name that it was told."""
    assert busy.ask("GET", "/healthz", headers={"host": host}).status == status


def test_who_says_nothing_or_drips_is_cut_off_and_others_are_served(
    here: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slow loris: silent, half a head, half a body, and dripping after an answer."""
    monkeypatch.setattr("agent.console.guard.HEAD_S", 0.6)
    monkeypatch.setattr("agent.console.app.READ_S", 0.6)
    whole = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    token = f"Authorization: Bearer {TOKEN}\r\nContent-Type: {STRUCTURED}\r\n".encode()
    half_body = b"POST /v1/orders HTTP/1.1\r\nHost: localhost\r\n" + token + b"Content-Length: 500\r\n\r\n{"
    lines = [socket.create_connection(("127.0.0.1", here.port), 20) for _ in range(4)]
    for line, said in zip(lines, (b"", whole[:20], half_body, whole + b"GET /heal"), strict=True):
        line.sendall(said)
    began = time.monotonic()
    assert here.ask("GET", "/healthz").status == 200
    ended = []
    for line in lines:
        heard = b""
        try:
            while data := line.recv(4096):
                heard += data
        except ConnectionResetError:
            pass
        ended.append(heard)
        line.close()
    assert time.monotonic() - began < 8
    assert ended[0] == ended[1] == b""
    assert b" 408 " in ended[2]
    assert b" 200 " in ended[3]


def test_one_address_takes_no_room_from_others(here: Shop) -> None:
    """Who takes all that he can get is sent away, others are not; when one leaves there is room again."""
    lines = [socket.create_connection(("127.0.0.1", here.port), 20) for _ in range(MOST_CONNECTIONS)]
    time.sleep(0.2)
    with pytest.raises(OSError):  # noqa: PT011  reset, or ended without an answer
        here.ask("GET", "/healthz")
    other = socket.create_connection(("127.0.0.1", here.port), 20, ("127.0.0.2", 0))
    other.sendall(b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
    assert other.recv(100).startswith(b"HTTP/1.1 200")
    for line in [*lines, other]:
        line.close()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            assert here.ask("GET", "/healthz").status == 200
            break
        except OSError:
            time.sleep(0.05)
    else:
        raise AssertionError("there never was room again")


def test_one_address_gets_twenty_lines(here: Shop) -> None:
    """As docs/local.md says, however much room there is."""
    lines = [socket.create_connection(("127.0.0.1", here.port), 20) for _ in range(50)]
    deadline = time.monotonic() + 10
    while (alive := sum(map(_lives, lines))) > MOST_OF_ONE and time.monotonic() < deadline:
        time.sleep(0.05)
    assert alive == MOST_OF_ONE
    for line in lines:
        line.close()


def test_a_till_gets_in_though_many_addresses_hold_all_that_there_is(here: Shop) -> None:
    """Who has asked nothing for longest makes room; who is in the middle of his question does not."""
    asking = socket.create_connection(("127.0.0.1", here.port), 20, ("127.0.1.1", 0))
    head = f"Host: localhost\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: {STRUCTURED}\r\nContent-Length: 1"
    asking.sendall(f"POST /v1/orders HTTP/1.1\r\n{head}\r\n\r\n".encode())
    time.sleep(0.2)
    lines = [
        socket.create_connection(("127.0.0.1", here.port), 20, (f"127.0.1.{number}", 0))
        for number in range(2, 30)
        for _ in range(4)
    ]
    time.sleep(0.2)
    assert sum(map(_lives, lines)) == MOST_CONNECTIONS - 1
    for number in range(5):
        assert here.send(event(number)).status == 202
    asking.sendall(b"{")
    assert b" 400 " in asking.recv(1000)
    for line in [asking, *lines]:
        line.close()


def _lives(line: socket.socket) -> bool:
    line.settimeout(0.01)
    try:
        return line.recv(1) != b""
    except TimeoutError:
        return True
    except OSError:
        return False


def test_a_port_that_is_taken_is_said_and_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Printing goes on meanwhile."""
    monkeypatch.setattr("agent.console.server.OPEN_AGAIN_S", 0.1)
    with shop(tmp_path) as here:
        here.console.stop(5)
        with socket.create_server(("127.0.0.1", here.port)):
            again = Shop(here.kitchen, tmp_path)
            again.console._port = here.port
            again.console.start()
            try:
                assert again.trouble[0].startswith(f"port {here.port} of 127.0.0.1 can't be opened")
                here.kitchen.order(1)
                assert here.kitchen.wait_for(1)
                assert again.console.alive()
            except BaseException:
                again.console.stop(5)
                raise
        deadline = time.monotonic() + 10
        while len(again.trouble) < 2 and time.monotonic() < deadline:
            time.sleep(0.02)
        assert again.trouble[1:] == [""]
        assert ask(here.port, "GET", "/healthz").status == 200
        again.console.stop(5)
        assert not again.console.alive()


def test_stopping_does_not_wait_for_those_who_do_not_go(here: Shop) -> None:
    lines = [socket.create_connection(("127.0.0.1", here.port), 20) for _ in range(5)]
    lines[0].sendall(b"POST /v1/orders HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n")
    assert here.ask("GET", "/healthz").status == 200
    began = time.monotonic()
    here.console.stop(4)
    assert not here.console.alive()
    assert time.monotonic() - began < 3.5
    for line in lines:
        line.close()


def test_a_connection_that_stays_is_not_slow(here: Shop) -> None:
    """Nagle's algorithm and a delayed acknowledgement would make 44 ms of each answer."""
    line = http.client.HTTPConnection("127.0.0.1", here.port, timeout=20)
    spent = []
    for _ in range(11):
        began = time.monotonic()
        line.request("GET", "/healthz")
        assert line.getresponse().read()
        spent.append(time.monotonic() - began)
    line.close()
    assert sorted(spent)[5] < 0.03


# -- Feieyun -----------------------------------------------------------------------------------------------------------


def test_a_feieyun_integration_prints_here(here: Shop) -> None:
    """The documented form, the documented answer, and its content on the paper of the SN's station."""
    said = here.feie(**{**FEIE, "times": "2"})
    assert (said["ret"], said["msg"]) == (0, "ok")
    sn, moment, number = said["data"].split("_")
    assert (sn, len(moment), number.isdigit()) == ("922599200", 14, True)
    here.kitchen.wait_told(said["data"], times=2)
    texts = [ticket.text for ticket in here.kitchen.tickets()]
    assert len(texts) == 2
    assert all("番茄炒蛋 x1" in text and ENDS not in text for text in texts)
    assert here.feie("Open_queryOrderState", orderid=said["data"])["data"] is True


def test_the_same_request_again_is_the_same_print(here: Shop) -> None:
    """A client that got no answer sends it again: same order id, one ticket. A new stime is a new print."""
    stime = str(int(time.time()))
    first, again = (here.feie(stime=stime, **FEIE)["data"] for _ in range(2))
    assert first == again
    other = here.feie(stime=str(int(stime) - 1), **FEIE)["data"]
    assert other != first
    here.kitchen.wait_told(first)
    here.kitchen.wait_told(other)
    assert len(here.kitchen.tickets()) == 2


def test_a_print_that_came_before_is_not_dropped_in_silence(here: Shop) -> None:
    """Feieyun would print two equal ones of one second: who looks at the answer, the log or the figures sees it."""
    stime = str(int(time.time()))
    with listening() as said:
        first, again, third = (here.feie(stime=stime, **FEIE) for _ in range(3))
    assert (first["msg"], first["ret"]) == ("ok", 0)
    assert again["msg"].startswith("ok，重复的请求")
    assert (again["ret"], again["data"]) == (0, first["data"]) == (third["ret"], third["data"])
    assert said.events.count("console.print_repeated") == 2
    figures = here.ask("GET", "/metrics").body.decode()
    assert 'shop_agent_repeated_prints_total{station="wok"} 2.0' in figures
    here.kitchen.wait_told(first["data"])
    assert len(here.kitchen.tickets()) == 1


def test_the_call_may_be_in_the_path_and_the_form_may_be_multipart(here: Shop) -> None:
    """As newer clients, and PHP's curl with an array, send it."""
    here.feie("", "/Api/Open/printMsg", **FEIE)
    parts = "".join(
        f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in signed("Open_printMsg", **{**FEIE, "content": "红茶<BR>\n二行"}).items()
    )
    answer = here.ask(
        "POST", "/Api/Open/", f"{parts}--x--\r\n".encode(), {"content-type": "multipart/form-data; boundary=x"}
    )
    assert answer.said["ret"] == 0, answer
    here.kitchen.wait_told(answer.said["data"])
    assert any("红茶" in ticket.text and "二行" in ticket.text for ticket in here.kitchen.tickets())


@pytest.mark.parametrize(
    ("fields", "ret", "msg"),
    [
        ({"user": "somebody@example.com"}, -2, "参数错误 : 该帐号未注册."),
        ({"sig": "0" * 40}, -3, "验证失败 : 签名错误."),
        ({"sig": ""}, -3, "验证失败 : 签名错误."),
        ({"stime": "1700000000"}, -2, "请校准时间"),
        ({"stime": "١٧٠٠٠٠٠٠٠٠"}, -2, "10 位"),
        ({"sn": "1"}, 1002, "验证失败 : 打印机编号和用户不匹配."),
        ({"sn": ""}, -2, "参数值不能传空字符"),
        ({"content": "undefined"}, -2, "参数值不能传空字符"),
        ({"times": "0"}, -2, "times"),
        ({"times": "51"}, -2, "times"),
        ({"expired": "1700000000"}, -2, "失效时间"),
        ({"apiname": "Open_printLabelMsg"}, -2, "没有接口"),
    ],
)
def test_feieyuns_errors(here: Shop, fields: dict[str, str], ret: int, msg: str) -> None:
    said = here.feie(**{**FEIE, **fields})
    assert (said["ret"], said["data"]) == (ret, None)
    assert msg in said["msg"]
    here.kitchen.idle()
    assert here.kitchen.tickets() == []


@pytest.mark.parametrize("length", [f"Content-Length: {SMALL_BYTES + 1}", "Transfer-Encoding: chunked"])
def test_large_requests_that_nobody_signed_are_read_a_few_at_once(here: Shop, length: str) -> None:
    """What is large may be asked for again; what is small always gets in."""
    head = f"POST /Api/Open/ HTTP/1.1\r\nHost: localhost\r\n{length}\r\n\r\n".encode()
    lines = [socket.create_connection(("127.0.0.1", here.port), 20) for _ in range(MOST_LARGE)]
    for line in lines:
        line.sendall(head)
    time.sleep(0.2)
    large = {**FEIE, "content": "番" * SMALL_BYTES}
    refused = here.feie(**large)
    assert refused["ret"] == -1
    assert "稍后重试" in refused["msg"]
    assert here.feie(**FEIE)["ret"] == 0
    for line in lines:
        line.close()
    deadline = time.monotonic() + 10
    while here.feie(**large)["ret"] == -1 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert here.feie(**large)["ret"] == 0


def test_a_box_that_does_not_know_the_time_does_not_judge_by_it(here: Shop) -> None:
    here.synchronised = False
    assert here.feie(stime="1700000000", **FEIE)["ret"] == 0


def test_a_printers_state_in_feieyuns_words(here: Shop) -> None:
    here.send(event(1))
    here.kitchen.wait_told(1)
    assert here.feie("Open_queryPrinterStatus", sn="922599200")["data"] == "在线，工作状态正常"
    here.kitchen.device.run_out_of_paper()
    here.kitchen.wait_alarm("printer:wok:paper")
    assert here.feie("Open_queryPrinterStatus", sn="922599200")["data"] == "在线，工作状态不正常"
    here.kitchen.device.load_paper()


def test_clearing_the_queue_takes_back_what_feieyuns_door_brought_and_nothing_else(here: Shop) -> None:
    """Orders of the cloud stay: they are not the integrator's to drop."""
    here.send(event(0))
    here.kitchen.wait_told(0)
    here.kitchen.device.run_out_of_paper()
    here.kitchen.wait_alarm("printer:wok:paper")
    print_id = here.feie(**FEIE)["data"]
    here.send(event(1))
    assert here.feie("Open_queryOrderState", orderid=print_id)["data"] is False
    assert here.feie("Open_delPrinterSqs", sn="922599200")["data"] is True
    here.kitchen.device.load_paper()
    here.kitchen.wait_told(1)
    here.kitchen.idle()
    assert not any("测试店" in ticket.text for ticket in here.kitchen.tickets())
    assert here.feie("Open_queryOrderState", orderid=print_id)["data"] is False
    assert here.feie("Open_queryOrderState", orderid="nothing")["ret"] == -2


# -- anything at all ---------------------------------------------------------------------------------------------------

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
_SPOILT = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("specversion", "id", "source", "time", "sequence", "data"), _JSON),
        "type": st.sampled_from(["order.upsert", "order.cancel", "print.raw", "ping"]) | _JSON,
    },
)
_HEADER = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30).map(str.strip)


def _sound(answer: Answer) -> None:
    """An answer that a till can read, and no fault of ours."""
    assert answer.status != 500, answer
    assert answer.headers["content-type"] == "application/json"
    assert isinstance(answer.said, dict | list)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.binary(max_size=300) | _JSON | _SPOILT.map(lambda spoilt: {**event(1), **spoilt}) | st.lists(_SPOILT),
    kind=st.sampled_from([STRUCTURED, BATCH, "application/json", "", "text/plain"]) | _HEADER,
    attributes=st.dictionaries(
        st.sampled_from(["ce-specversion", "ce-id", "ce-source", "ce-type", "ce-time"]), _HEADER
    ),
)
def test_whatever_a_till_sends_is_answered(busy: Shop, body: Any, kind: str, attributes: dict[str, str]) -> None:
    _sound(busy.send(body, kind, **attributes))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    fields=st.dictionaries(
        st.sampled_from(["sn", "content", "times", "expired", "orderid", "backurl"]),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.just("922599200"),
    ),
    apiname=st.sampled_from(["Open_printMsg", "Open_queryOrderState", "Open_queryPrinterStatus", "Open_delPrinterSqs"]),
)
def test_whatever_an_integrator_sends_is_answered(busy: Shop, fields: dict[str, str], apiname: str) -> None:
    busy.feie(apiname, **fields)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.binary(max_size=200), kind=st.sampled_from(["", "multipart/form-data; boundary=x", "multipart/form-data"])
)
def test_a_form_that_is_none_is_answered(busy: Shop, body: bytes, kind: str) -> None:
    _sound(busy.ask("POST", "/Api/Open/", body, {"content-type": kind}))


# -- configuration -----------------------------------------------------------------------------------------------------

START = "shop: s1\nbroker: {url: mqtt://localhost}\n"
PORT = "console: {listen: '127.0.0.1:8480'"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("console: {listen: 'a:b'}", "3:19: console.listen: the port 'b' is not a number"),
        ("console: {metrics: yes}", "3:10: console.listen: it is missing"),
        (PORT + ", token: x}", "console.token: there is no such setting; did you mean 'token_file'?"),
        (PORT + ", feie: {user: u, ukey_file: k}}", "console.feie.printers: it is missing"),
        (
            PORT + ", feie: {user: u, ukey_file: k, printers: [{sn: '1', station: wok}]}}",
            "console.feie.printers[0].station: there is no station 'wok'; there are: kitchen",
        ),
        (
            PORT
            + ", feie: {user: u, ukey_file: k, printers: [{sn: '1', station: kitchen}, {sn: '1', station: kitchen}]}}",
            "console.feie.printers[1].sn: line 3 has this SN too",
        ),
    ],
)
def test_a_fault_in_the_settings_is_named_with_its_place(tmp_path: Path, text: str, fault: str) -> None:
    (tmp_path / "a.yaml").write_text(START + text)
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "a.yaml")
    assert fault in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_secrets_that_are_none_or_for_everybody_are_a_warning(tmp_path: Path) -> None:
    feie = "feie: {user: u, ukey_file: ukey, printers: [{sn: '1', station: kitchen}]}"
    (tmp_path / "a.yaml").write_text(f"{START}{PORT}, token_file: token, {feie}}}")
    config = load(tmp_path / "a.yaml")
    (said,) = [text for text in warnings(config) if str(tmp_path / "token") in text]
    assert "can't be looked at" in said
    for name, text in (("token", "short"), ("ukey", "")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o644)
    found = "\n".join(warnings(config))
    for words in (
        "openssl rand",
        "there is no UKEY",
        f"chmod 600 {tmp_path / 'token'}",
        f"chmod 600 {tmp_path / 'ukey'}",
    ):
        assert words in found, words
    for name in ("token", "ukey"):
        (tmp_path / name).write_text("long-enough-to-be-a-secret")
        (tmp_path / name).chmod(0o600)
    assert not any(str(tmp_path / "token") in text or "console" in text for text in warnings(config))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("console: on\n", 'write off, or for example console: {listen: "0.0.0.0:8480"}'),
        ('console: {listen: "28493"}\n', 'write "0.0.0.0:28493" for every network'),
    ],
)
def test_what_is_not_enough_is_told_what_to_write(tmp_path: Path, text: str, fault: str) -> None:
    """With the whole of it, as it stands in a file."""
    (tmp_path / "a.yaml").write_text(START + text)
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "a.yaml")
    assert fault in str(caught.value)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root looks at what others may read")
def test_a_secret_that_the_services_user_can_not_read_is_a_warning(tmp_path: Path) -> None:
    """Made by root, as by sudo tee: the box would answer 503 to each till. Whose the data directory is, is the user."""
    feie = "feie: {user: u, ukey_file: ukey, printers: [{sn: '1', station: kitchen}]}"
    keys = "signatures: {keys: [{id: a, algorithm: hmac-sha256, key_file: key}]}"
    (tmp_path / "a.yaml").write_text(f"{START}data_dir: data\n{PORT}, token_file: token, {feie}}}\n{keys}\n")
    config = load(tmp_path / "a.yaml")
    config.data_dir.mkdir(exist_ok=True)
    os.chown(config.data_dir, 12345, 12345)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pwd, "getpwuid", lambda uid: pwd.struct_passwd(("agent", "x", uid, 12345, "", "/", "/bin/sh")))
        for name in ("token", "ukey", "key"):
            (tmp_path / name).write_text("long-enough-to-be-a-secret")
            (tmp_path / name).chmod(0o600)
            assert f"chown -h agent {tmp_path / name} && chmod 600" in "\n".join(warnings(config))
            os.chown(tmp_path / name, 12345, 12345)
            assert f"chown -h agent {tmp_path / name}" not in "\n".join(warnings(config))


def test_the_example_shows_every_setting() -> None:
    text = (Path(__file__).parent.parent / "config/shop-agent.example.yaml").read_text("utf-8")
    for struct in (Console, Feie, FeiePrinter):
        for field in struct.__struct_fields__:
            assert f"{field}:" in text, field


# -- kill -9 -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("point", ["intake.before_commit", "intake.after_commit", "intake.after_ack"])
def test_a_kill_loses_nothing_that_was_answered(tmp_path: Path, point: str) -> None:
    """The line to the cloud is away all the time. A till that got no answer sends it again; every order that got its
    202 is on paper, and none twice without the banner.
    """
    (tmp_path / "token").write_text(TOKEN)
    port = free_port()
    with VirtualPrinter() as device, serve_tcp(device) as cable:
        config = tmp_path / "agent.yaml"
        config.write_text(
            f"shop: s1\ndata_dir: data\nbroker: {{url: 'mqtt://127.0.0.1:{free_port()}'}}\n"
            f"console: {{listen: '127.0.0.1:{port}', token_file: token}}\n"
            f"printers: [{{name: kitchen, link: '{cable.link}'}}]\nprinting: {{reprint_after_s: 1}}\n"
        )
        agent = AgentProcess(config, tmp_path / "agent.log")
        try:
            kills = 0
            agent.start(crash=f"{point}:3")
            for number in range(1, 9):
                status = 0
                deadline = time.monotonic() + 40
                while status not in (200, 202):
                    assert time.monotonic() < deadline, agent.log.read_text()
                    if not agent.running():
                        kills += 1
                        agent.start(crash=f"{point}:3" if kills < 3 else "")
                    status = _try(port, number)
            deadline = time.monotonic() + 40
            while not device.wait_for(lambda it: _whole(it) >= set(range(1, 9)), 1):
                assert time.monotonic() < deadline, agent.log.read_text()
                if not agent.running():  # right after its last answer
                    kills += 1
                    agent.start()
            assert agent.stop() == 0
        finally:
            agent.kill()
        assert kills >= 1, "the agent never came to this point"
        pieces = [*device.paper.pieces, *([] if device.paper.current.is_blank else [device.paper.current])]
        verdict = judge_paper([event(number) for number in range(1, 9)], {"kitchen": pieces}, STATIONS)
        assert verdict.findings == []
        assert verdict.owed == 8


def _try(port: int, number: int) -> int:
    headers = {"authorization": f"Bearer {TOKEN}", "content-type": STRUCTURED}
    try:
        return ask(port, "POST", "/v1/orders", json.dumps(event(number)).encode(), headers, 5.0).status
    except (OSError, http.client.HTTPException):  # half an answer is none
        time.sleep(0.05)
        return 0


def _whole(device: VirtualPrinter) -> set[int]:
    text = "\n".join(piece.text for piece in device.paper.pieces if ENDS in piece.text)
    return {number for number in range(1, 9) if f"#{number}" in text.split()}


def test_what_a_till_sends_again_after_the_journal_was_lost_is_marked(tmp_path: Path) -> None:
    """It has no date, and nobody knows any more that it was printed; after an hour it is a new one."""
    with kitchen(tmp_path) as here:
        once(here, tmp_path, event(42))
        here.close()
        for file in tmp_path.glob("journal.db-*"):
            file.unlink()
        (tmp_path / "journal.db").write_bytes(b"garbage" * 5000)
        here.open()
        once(here, tmp_path, event(42))
        assert [ticket.marked for ticket in here.whole(42)] == [False, True]
        long_ago = "2001-01-01T00:00:00+00:00"
        here.journal.write(lambda tx: tx.execute("UPDATE meta SET value = ? WHERE key = 'rebuilt_at'", (long_ago,)))
        here.close()
        here.open()
        once(here, tmp_path, event(43))
        assert [ticket.marked for ticket in here.whole(43)] == [False]


def once(here: Kitchen, folder: Path, order: dict[str, Any]) -> None:
    """A till sends it, and waits until it is on paper."""
    there = Shop(here, folder)
    there.console.start()
    try:
        assert there.send(order).status in (200, 202)
        here.wait_told(order["data"]["order"]["no"])
        here.idle()
    finally:
        there.console.stop(5)
