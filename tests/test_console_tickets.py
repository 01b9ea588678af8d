"""The page of tickets: what became of each, in words, with its picture; and what a person does about it, on paper."""

import ast
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from html import unescape
from io import BytesIO
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

import agent
from agent.__main__ import main
from agent.console.tickets import A_PAGE, asked_for
from agent.journal import jobs, notices, tickets
from agent.journal.file import MIGRATIONS, Tx
from agent.journal.store import Journal
from agent.model.ticket import WELCOME, Notice
from agent.simulator.printer import PrinterSpec
from agent.spool.likeness import likeness
from tests.browser import needs_chromium, phone
from tests.scan import scan, scan_piece
from tests.till import Answer
from tests.window import STATIONS, ShopWindow, text_of, window

AGENT = Path(agent.__file__).parent
ASK = STATIONS + "printing: {unconfirmed: ask, reprint_after_s: 0.5, ready_code: true}\n"
COFFEE = {"name": "美式咖啡", "qty": "1", "category": "热饮"}
BREAD = {"name": "煎饼果子", "qty": "2"}


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[ShopWindow]:
    """A shop where a person decides what is in doubt."""
    with window(tmp_path, more=ASK) as here:
        yield here


def card(page: Answer, ticket: int) -> str:
    """What a page shows of a ticket, as HTML."""
    found = re.search(rf'<article class="slip \w+" id="ticket-{ticket}">.*?</article>', page.body.decode(), re.DOTALL)
    assert found, text_of(page)
    return found[0]


def words(page: Answer, ticket: int) -> str:
    """The same, as it is read."""
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", card(page, ticket))))


def press(shop: ShopWindow, page: Answer, ticket: int, label: str) -> Answer:
    """Somebody taps this button of a ticket's card: its form goes out as it stands in the page."""
    for form in re.findall(r"<form[^>]*>.*?</form>", card(page, ticket), re.DOTALL):
        if re.search(rf"<button[^>]*>{label}</button>", form):
            where = re.search(r'hx-post="([^"]*)"', form)
            assert where
            sent = [(name, unescape(value)) for name, value in re.findall(r'name="(\w+)" value="([^"]*)"', form)]
            return shop.me.post(where[1], sent)
    raise AssertionError(f"no button {label}: {words(page, ticket)}")


def doubt(shop: ShopWindow, number: int) -> int:
    """An order's printer loses its power before it has printed or answered anything; its ticket."""
    device = shop.devices["wok"]
    shop.until(
        lambda: device.buffered == 0 and shop.agent._prints.workers["wok"].seen()["state"] == "ready", "a printer"
    )
    device.swallow()
    before = device.received
    shop.order(number)
    ticket = list(shop.tickets(number))[-1]
    shop.until(lambda: device.received > before + 200, "the ticket to be on its way")
    device.power_off()
    device.heal()
    device.power_on()
    shop.until(lambda: f"ticket:{ticket}" in shop.alarms(), "a person's turn")
    return ticket


def picture(shop: ShopWindow, ticket: int) -> Image.Image:
    """A ticket's picture."""
    answer = shop.me.get(f"/tickets/{ticket}.png")
    assert (answer.status, answer.headers["content-type"]) == (200, "image/png")
    return Image.open(BytesIO(answer.body))


def drawn(shop: ShopWindow, ticket: int, tx: Tx) -> bytes:
    """A ticket's picture, as if it had been printed at a certain time."""
    job = jobs.find(tx, ticket)
    assert job is not None
    return likeness(
        shop.agent._prints.press, tx, job, shop.agent._config.printer(job.printer), datetime(2026, 1, 1, tzinfo=UTC)
    )


# -- what is shown -------------------------------------------------------------------------------------------------


def test_newest_ticket_stands_first_with_its_evidence(shop: ShopWindow) -> None:
    """What the printer confirmed is said to be confirmed, in the reader's language."""
    for number in (41, 42):
        shop.order(number)
        shop.wait_ticket(number)
    page = shop.me.get("/tickets")
    assert re.findall(r'id="ticket-(\d+)"', page.body.decode()) == ["2", "1"]
    assert "#42" in words(page, 2)
    assert "已打印 · 打印机已确认" in words(page, 2)
    shop.me.language = "en"
    assert "Printed · the printer confirmed it" in words(shop.me.get("/tickets"), 2)


def test_a_printer_that_never_answers_is_not_said_to_have_printed(tmp_path: Path) -> None:
    """Presumed is another word than printed."""
    with window(tmp_path, ("wok",), PrinterSpec(tier=3, realtime=False, asb=False), "") as shop:
        config = shop.config_path.read_text("utf-8").replace("}  # 打印机 wok", ", confirm: none}")
        shop.config_path.write_text(config, "utf-8")
        shop.restart()
        shop.order(42)
        ticket = shop.wait_ticket(42)
        assert "按已打算 · 这台打印机不会应答" in words(shop.me.get("/tickets"), ticket)
        assert "已打印" not in words(shop.me.get("/tickets"), ticket)


def test_a_ticket_tells_when_it_was_printed(shop: ShopWindow) -> None:
    """As its paper does, though it had to wait; one that still waits tells when it was made."""
    shop.me.do("pause", printer="wok")
    shop.order(42, items=[BREAD])
    shop.until(lambda: shop.tickets(42), "the ticket")
    (ticket,) = shop.tickets(42)
    made = shop.read(lambda tx: jobs.find(tx, ticket))
    assert made is not None
    assert f'<time data-at="{made.created_at}">' in card(shop.me.get("/tickets"), ticket)
    shop.me.do("resume", printer="wok")
    shop.wait_ticket(42)
    printed = shop.read(lambda tx: tickets.printed_at(tx, ticket))
    assert printed > made.created_at
    assert f'<time data-at="{printed}">' in card(shop.me.get("/tickets"), ticket)


def test_picture_bears_the_barcode_that_is_on_paper(shop: ShopWindow) -> None:
    """The picture is the ticket: a scanner reads from it what it reads from the paper."""
    shop.order(42)
    ticket = shop.wait_ticket(42)
    (on_paper,) = [read.text for piece in shop.devices["wok"].paper.pieces for read in scan_piece(piece)]
    assert [read.text for read in scan(picture(shop, ticket))] == [on_paper]


def test_picture_is_asked_for_again_only_when_it_is_another(shop: ShopWindow) -> None:
    """Its name in the page, and its ETag, change with what it shows; another ticket has another one."""
    shop.order(41)
    shop.order(42)
    first, second = shop.wait_ticket(41), shop.wait_ticket(42)
    tags = [shop.me.get(f"/tickets/{each}.png").headers["etag"] for each in (first, second)]
    assert tags[0] != tags[1]
    assert tags[0].strip('"') in card(shop.me.get("/tickets"), first)
    assert shop.me.get(f"/tickets/{first}.png", if_none_match=tags[0]).status == 304
    assert shop.me.get(f"/tickets/{first}.png", if_none_match=tags[1]).status == 200
    shop.me.do("pause", printer="wok")
    shop.order(43)
    third = shop.wait_ticket(43, "pending")
    before = shop.me.get(f"/tickets/{third}.png").headers["etag"]
    shop.me.do("resume", printer="wok")
    shop.wait_ticket(43)
    assert shop.me.get(f"/tickets/{third}.png", if_none_match=before).status == 200


def test_tickets_of_every_kind_have_a_picture(shop: ShopWindow) -> None:
    """Amendments, voids, pages for a printer, ready-made content."""
    shop.order(42, items=[BREAD, COFFEE])
    shop.wait_ticket(42)
    shop.order(42, rev=2, items=[{**BREAD, "qty": "3"}])
    for page in ("test", "identify", "paper"):
        shop.me.do("test", printer="wok", page=page)
    shop.event("print.raw", {"raw": {"dialect": "feie", "content": "<CB>外卖</CB><BR>豆浆 x2"}}, "raw-1")
    shop.until(lambda: not shop.read(lambda tx: tickets.waiting(tx, None, 1)), "all to be printed")
    seen = shop.read(lambda tx: tickets.newest(tx, None, 50))
    assert {str(each.kind) for each in seen} == {"order", "amend", "cancel", "notice", "raw"}
    for each in seen:
        paper = picture(shop, each.id)
        assert paper.width > 400
        assert paper.convert("1").getextrema() == (0, 255)
    assert shop.me.get("/tickets").status == 200


def test_code_of_a_claim_ticket_is_on_no_picture(shop: ShopWindow) -> None:
    """It stands on the paper alone: the pictures of two codes are the same, and no QR code leads in."""
    pictures = []
    for code in ("ABCD2345", "WXYZ6789"):
        link = f"http://192.0.2.7:8480/claim?code={code}"
        notice = Notice("wok", WELCOME, code=code, link=link, checks=("✓ 打印机 printer: wok",))
        shop.write(partial(notices.post_welcome, notice=notice, printer="bar"))
        shop.agent._prints.workers["bar"].wake()
        shop.on_paper(f"{code[:4]}-{code[4:]}", "bar")
        shop.until(lambda: not shop.read(lambda tx: tickets.waiting(tx, None, 1)), "it to be printed")
        (ticket,) = [each.id for each in shop.read(lambda tx: tickets.newest(tx, None, 1))]
        assert not [read for read in scan(picture(shop, ticket)) if "code" in read.text or code in read.text]
        pictures.append(shop.read(partial(drawn, shop, ticket)))
        page = shop.me.get("/tickets")
        assert code not in page.body.decode()
        assert code not in shop.me.get(f"/tickets/{ticket}").body.decode()
    assert pictures[0] == pictures[1]
    on_paper = [read.text for piece in shop.devices["bar"].paper.pieces for read in scan_piece(piece)]
    assert any("code=WXYZ6789" in text for text in on_paper)  # the scanner would have seen it


def test_what_a_customer_wrote_is_text(shop: ShopWindow) -> None:
    """No word of an order is a tag."""
    shop.order("<script>alert(1)</script>", channel="<b>", items=[{"name": "<img src=x>", "qty": "1"}])
    shop.until(lambda: not shop.read(lambda tx: tickets.waiting(tx, None, 1)), "it to be printed")
    for path in ("/tickets", "/tickets/order/1", "/tickets?q=<script>", '/tickets?q="><script>'):
        page = shop.me.get(path).body.decode()
        assert "<script>alert" not in page
        assert "<b>" not in page
        assert '"><script>' not in page
    assert "<script>alert(1)</script>" in text_of(shop.me.get("/tickets")).replace("&lt;", "<")


def test_older_tickets_are_a_page_further(shop: ShopWindow) -> None:
    """Each ticket stands on one page."""
    share = b'{"portions":[],"stations":["wok"]}'
    shop.me.do("pause", printer="wok")

    def fill(tx: Tx) -> None:
        for number in range(1, A_PAGE + 6):
            tx.execute("INSERT INTO orders VALUES (?, 'c', ?, ?, 1, 0, 'printed')", (number, f"o{number}", str(number)))
            tx.execute(
                "INSERT INTO jobs (order_pk, rev, kind, station, home, printer, copy, copies, state, share, "
                "created_at) VALUES (?, 1, 'order', 'wok', 'wok', 'wok', 1, 1, 'completed', ?, '2026-01-01T00:00:00Z')",
                (number, share),
            )

    shop.write(fill)
    first = shop.me.get("/tickets")
    older = re.search(r'href="(/tickets\?before=\d+)"', first.body.decode())
    assert older
    second = shop.me.get(older[1])
    shown = [re.findall(r'id="ticket-(\d+)"', page.body.decode()) for page in (first, second)]
    assert [len(each) for each in shown] == [A_PAGE, 5]
    assert sorted(map(int, shown[0] + shown[1])) == list(range(1, A_PAGE + 6))
    assert "更早的" not in text_of(second)


def test_only_who_is_signed_in_sees_tickets(shop: ShopWindow) -> None:
    """Neither list nor picture, nor what is decided."""
    shop.order(42)
    ticket = shop.wait_ticket(42)
    for path in (
        "/tickets",
        "/tickets/board",
        f"/tickets/{ticket}.png",
        f"/tickets/{ticket}",
        "/tickets/order/1",
        "/late",
    ):
        assert shop.anybody.get(path).status == 401
    assert shop.anybody.do("reprint", ticket=ticket).status == 401
    assert shop.anybody.post("/late/print", {"all": "1"}).status == 401


@pytest.mark.parametrize(
    "path",
    [
        "/tickets/999",
        "/tickets/order/999",
        f"/tickets/{10**30}",
        "/tickets/999.png",
        "/tickets/" + "9" * 5000,
        "/tickets/" + "9" * 5000 + ".png",
        "/tickets/order/" + "9" * 5000 + "/board",
    ],
    ids=lambda path: path[:24],
)
def test_a_ticket_that_is_not_there_is_said_to_be_gone(shop: ShopWindow, path: str) -> None:
    """Whatever the number is."""
    answer = shop.me.get(path)
    assert answer.status == 404
    assert "没有这张小票" in text_of(answer)
    assert shop.me.get("/tickets?before=999999999999999999999&q=").status == 200


# -- looking for one -----------------------------------------------------------------------------------------------


def test_an_order_is_found_by_what_people_call_it(shop: ShopWindow) -> None:
    """By its number, its id, its pickup number; what fits exactly before what begins so."""
    shop.order(4, pickup_code="A17")
    shop.order(42)
    shop.order(421)
    shop.wait_ticket(421)

    def found(said: str) -> list[str]:
        page = shop.me.get(f"/tickets?q={said}").body.decode()
        return re.findall(r'<h2 class="order"><a [^>]*>#(\d+)</a>', page)

    assert found("4") == ["4", "421", "42"]
    assert found("42") == ["42", "421"]
    assert found("＃４２１") == ["421"]
    assert found(" #421 ") == ["421"]
    assert found("id-42") == ["42", "421"]
    assert found("A17") == ["4"]
    assert found("77") == []
    assert "没有叫“77”的订单" in text_of(shop.me.get("/tickets?q=77"))


@pytest.mark.parametrize(("said", "asked"), [("＃４２", "42"), (" # 42 ", "42"), ("", ""), ("x" * 500, "x" * 200)])
def test_a_number_is_read_as_a_telephone_writes_it(said: str, asked: str) -> None:
    """Full-width digits and the sign that stands on paper."""
    assert asked_for(said) == asked


def test_an_orders_page_tells_its_story(shop: ShopWindow) -> None:
    """Each revision and each move of each ticket, in words, in order."""
    shop.order(42, items=[BREAD])
    shop.wait_ticket(42)
    shop.order(42, rev=2, items=[{**BREAD, "qty": "3"}])
    shop.until(lambda: list(shop.tickets(42).values()) == ["completed", "completed"], "the change to be printed")
    redirect = shop.me.get("/tickets/2")
    assert redirect.status == 303
    page = shop.me.get(redirect.headers["location"].partition("#")[0])
    story = text_of(page).partition("经过")[2]
    steps = [
        "来单 第 1 版",
        "小票排队",
        "正在打印",
        "打印机已确认",
        "来单 第 2 版",
        "小票排队",
        "正在打印",
        "打印机已确认",
    ]
    places = [0]
    for step in steps:
        places.append(story.find(step, places[-1] + 1))
    assert -1 not in places, story
    assert "改单" in words(page, 2)


# -- what is done --------------------------------------------------------------------------------------------------


def test_reprint_comes_out_marked(shop: ShopWindow) -> None:
    """Of one ticket, or of the whole order."""
    shop.order(42, items=[BREAD, COFFEE])
    shop.until(lambda: list(shop.tickets(42).values()) == ["completed"] * 2, "both tickets")
    page = shop.me.get("/tickets")
    answer = press(shop, page, 1, "补打")
    assert (answer.status, text_of(answer)) == (200, "✓ 将补打")
    assert [each.marked for each in shop.on_paper(42, "wok", times=2)] == [False, True]
    assert len(shop.on_paper(42, "bar")) == 1
    shop.until(lambda: list(shop.tickets(42).values()) == ["completed"] * 3, "the printer's word")
    order = shop.me.get("/tickets/order/1")
    whole = re.search(
        r'name="order" value="([^"]*)"><input type="hidden" name="channel" value="([^"]*)"', order.body.decode()
    )
    assert whole
    assert shop.me.do("reprint", order=whole[1], channel=whole[2]).status == 200
    assert [each.marked for each in shop.on_paper(42, "bar", times=2)] == [False, True]
    assert [each.marked for each in shop.on_paper(42, "wok", times=3)] == [False, True, True]


def test_a_ticket_in_doubt_stands_first_and_a_person_has_seen_it(shop: ShopWindow) -> None:
    """It is settled as seen by a person, and nothing more is printed."""
    shop.order(41)
    shop.wait_ticket(41)
    ticket = doubt(shop, 42)
    shop.order(43)
    shop.wait_ticket(43)
    page = shop.me.get("/tickets")
    assert re.findall(r'id="ticket-(\d+)"', page.body.decode())[0] == str(ticket)
    assert "不确定是否打出：请看纸" in words(page, ticket)
    assert text_of(press(shop, page, ticket, "整张都在纸上")) == "✓ 已记下"
    assert "已打印 · 有人在纸上看到" in words(shop.me.get("/tickets"), ticket)
    assert shop.tickets(42) == {ticket: "completed"}
    assert not [each for each in shop.papers() if each.number == "42"]


def test_a_ticket_in_doubt_is_printed_again_marked(shop: ShopWindow) -> None:
    """What may be on paper twice says so."""
    ticket = doubt(shop, 42)
    assert press(shop, shop.me.get("/tickets"), ticket, "重打（注明补打）").status == 200
    assert [each.marked for each in shop.on_paper(42)] == [True]
    shop.wait_ticket(42)
    assert "补打：可能重复" in words(shop.me.get("/tickets"), ticket)


def test_a_ticket_that_is_not_wanted_is_not_printed(shop: ShopWindow) -> None:
    """A person's word, with a question before it."""
    shop.me.do("pause", printer="wok")
    shop.order(42)
    ticket = shop.wait_ticket(42, "pending")
    page = shop.me.get("/tickets?only=open")
    assert 'hx-confirm="这张票不打了？"' in card(page, ticket)
    assert press(shop, page, ticket, "不打").status == 200
    shop.me.do("resume", printer="wok")
    shop.order(43)
    shop.on_paper(43)
    assert not [each for each in shop.papers() if each.number == "42"]
    assert "不打了：有人决定" in words(shop.me.get("/tickets"), ticket)


def test_what_waits_for_a_paused_printer_is_printed_at_a_touch(shop: ShopWindow) -> None:
    """The page says what they wait for, and has the button."""
    shop.me.do("pause", printer="wok")
    shop.order(42)
    shop.order(43)
    shop.wait_ticket(43, "pending")
    page = shop.me.get("/tickets")
    assert "wok ：已暂停，2 张小票在等" in text_of(page)
    assert re.search(r'hx-post="/do/resume".*?name="printer" value="wok".*?继续打印', page.body.decode(), re.DOTALL)
    shop.me.do("resume", printer="wok")
    shop.on_paper(42)
    shop.on_paper(43)
    assert "已暂停" not in text_of(shop.me.get("/tickets"))


def test_trying_again_says_what_is_still_wrong(shop: ShopWindow) -> None:
    """Nobody is told that it prints while the printer has no paper; once it has, it does."""
    shop.devices["wok"].run_out_of_paper()
    shop.until(lambda: "printer:wok:paper" in shop.alarms(), "the alarm")
    shop.order(42)
    ticket = shop.wait_ticket(42, "held")
    answer = press(shop, shop.me.get("/tickets"), ticket, "再试")
    assert text_of(answer) == "✗ 还没有打出来：缺纸"
    shop.devices["wok"].load_paper()
    shop.until(lambda: "printer:wok:paper" not in shop.alarms(), "no alarm")
    shop.on_paper(42)
    shop.wait_ticket(42)
    assert text_of(shop.me.do("retry", ticket=ticket)).startswith(f"✗ 小票 {ticket} 已经有结果")


def test_a_ticket_is_moved_to_another_printer(shop: ShopWindow) -> None:
    """It comes out there, for its station."""
    shop.devices["wok"].run_out_of_paper()
    shop.until(lambda: "printer:wok:paper" in shop.alarms(), "the alarm")
    shop.order(42)
    ticket = shop.wait_ticket(42, "held")
    page = shop.me.get("/tickets")
    assert "缺纸：修好后自动打印" in words(page, ticket)
    assert "<option>bar</option>" in card(page, ticket)
    answer = shop.me.do("move", ticket=ticket, printer="bar")
    assert (answer.status, text_of(answer)) == (200, "✓ 已换打印机")
    assert "代打" in shop.on_paper(42, "bar")[0].text


def test_refusals_are_in_the_readers_language(shop: ShopWindow) -> None:
    """What is refused says why and what to do, to whoever reads Chinese or English."""
    shop.order(42)
    ticket = shop.wait_ticket(42)
    late = shop.me.do("settle", ticket=ticket, decision="printed")
    assert late.status == 409
    assert text_of(late) == f"✗ 小票 {ticket} 已经有结果，不用再处理"
    other = shop.me.do("settle", ticket=ticket, decision="printed", order="id-41")
    assert "是另一张订单的" in text_of(other)
    assert text_of(shop.me.do("pause", printer="nobody")) == "✗ 没有打印机 nobody：现有 wok, bar"
    shop.me.language = "en"
    assert "is settled" in text_of(shop.me.do("settle", ticket=ticket, decision="printed"))
    assert "there is no printer" in text_of(shop.me.do("pause", printer="nobody"))


def refusals() -> Iterator[tuple[str, ast.Call]]:
    """Each place of the running agent that refuses what a person asked, and where it is."""
    for path in sorted(AGENT.rglob("*.py")):
        if path.parent.name in ("cli", "control") or path.name == "control.py":  # of a terminal, or between programs
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "CommandRefused":
                yield f"{path.relative_to(AGENT)}:{node.lineno}", node


def test_every_refusal_is_in_chinese_too() -> None:
    """Whoever reads no English is told what to do as well."""
    found = dict(refusals())
    only_english = [
        where
        for where, call in found.items()
        if len(call.args) < 2 and not any(isinstance(arg, ast.Starred) for arg in call.args)
    ]
    assert len(found) > 30
    assert only_english == []


def test_command_line_is_refused_in_both_languages(
    shop: ShopWindow, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Chinese above, and English below it as ever."""
    config = str(shop.config_path)
    monkeypatch.setattr(sys, "argv", ["shop-agent", "queue", "printed", "999", "--config", config])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 1
    zh, en = capsys.readouterr().err.splitlines()
    assert (zh, en) == ("没有小票 999：请看小票页", "there is no ticket 999; see: shop-agent queue list")


@needs_chromium
def test_on_a_phone_a_doubt_is_settled(shop: ShopWindow, tmp_path: Path) -> None:
    """An order that comes in shows up by itself; what one has opened stays open; a tap settles, and the page says so
    once the journal does.
    """
    with phone(shop.port, tmp_path, session=shop.me.session) as hand:
        page = hand.go("/tickets")
        page.get_by_text("还没有小票。").wait_for()
        ticket = doubt(shop, 42)
        card = page.locator(f"#ticket-{ticket}")
        card.get_by_text("不确定是否打出：请看纸").wait_for()
        card.get_by_text("换打印机").click()
        shop.order(43)
        page.get_by_role("link", name="#43", exact=True).wait_for()
        assert card.get_by_role("combobox", name="打印机").is_visible()
        card.locator("img").scroll_into_view_if_needed()
        page.wait_for_function("document.querySelector('img.paper').naturalWidth > 400")
        assert hand.serious() == []
        page.on("dialog", lambda dialog: dialog.dismiss())
        card.get_by_role("button", name="不打").click()
        assert shop.tickets(42) == {ticket: "unconfirmed"}
        card.get_by_role("button", name="整张都在纸上").click()
        page.get_by_text("已记下").wait_for()
        card.get_by_text("有人在纸上看到").wait_for()
        assert shop.tickets(42) == {ticket: "completed"}
        page.get_by_role("searchbox").fill("43")
        page.get_by_role("button", name="查找").click()
        page.get_by_role("heading", name="#43 test").wait_for()
        assert page.locator("article.slip").count() == 1


# -- with many orders ----------------------------------------------------------------------------------------------

MANY = 100_000


@pytest.fixture(scope="module")
def much(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tx]:
    """A journal with years of orders."""
    journal = Journal(tmp_path_factory.mktemp("much") / "journal.db")
    journal.start()
    journal.write(_fill)
    reader = journal.reader()
    yield reader
    reader.close()
    journal.stop(5)


def _fill(tx: Tx) -> None:
    at = "2026-01-01T00:00:00.000Z"
    every = range(1, MANY + 1)
    tx.executemany(
        "INSERT INTO orders VALUES (?, ?, ?, ?, 1, 0, 'printed')",
        ((n, f"channel{n % 3}", f"id-{n:06}", str(n % 300)) for n in every),
    )
    payload = msgspec.json.encode(
        {"order": {"id": "x", "pickup_code": "P7", "items": [{"name": "豆浆", "qty": 2}] * 5}}
    )
    tx.executemany(
        "INSERT INTO events VALUES (?, 's', ?, 'd', ?, 1, 'upsert', ?, ?)", ((n, str(n), n, payload, at) for n in every)
    )
    tx.executemany(
        "INSERT INTO jobs (order_pk, event_pk, rev, kind, station, home, printer, copy, copies, state, share, "
        "created_at) VALUES (?, ?, 1, 'order', 'wok', 'wok', 'wok', 1, 1, 'completed', x'7b7d', ?)",
        ((n, n, at) for n in every),
    )
    tx.executemany(
        "INSERT INTO moves (job_id, old, new, reason) VALUES (?, 'pending', 'processing', '')", ((n,) for n in every)
    )


LOOKS: dict[str, Callable[[Tx], Any]] = {
    "newest": lambda tx: tickets.newest(tx, None, A_PAGE),
    "older": lambda tx: tickets.newest(tx, MANY // 2, A_PAGE),
    "waiting": lambda tx: tickets.waiting(tx, None, A_PAGE),
    "doubted": lambda tx: tickets.doubted(tx, 50),
    "of an order": lambda tx: tickets.of_order(tx, MANY // 2),
    "an order's revisions": lambda tx: tickets.told(tx, MANY // 2),
    "moves": lambda tx: tickets.moves(tx, [MANY // 2, 3]),
    "printed at": lambda tx: tickets.printed_at(tx, MANY // 2),
    "by number": lambda tx: tickets.search(tx, "42", 12),
    "by id": lambda tx: tickets.search(tx, f"id-{MANY // 2:06}", 12),
    "by the beginning of an id": lambda tx: tickets.search(tx, "id-0500", 12),
    "in vain": lambda tx: tickets.search(tx, "nothing", 12),
}


@pytest.mark.parametrize("what", LOOKS)
def test_looking_takes_no_time_however_many_there_are(much: Tx, what: str) -> None:
    """No table is read from end to end."""
    asked: list[str] = []
    much.set_trace_callback(asked.append)
    began = time.monotonic()
    LOOKS[what](much)
    spent_s = time.monotonic() - began
    much.set_trace_callback(None)
    plans = [row[3] for sql in asked for row in much.execute(f"EXPLAIN QUERY PLAN {sql}")]
    read = [plan for plan in plans if re.match(r"SCAN (j|o|e|n|jobs|orders|events|moves)\b", plan)]
    assert plans
    assert not [plan for plan in read if "jobs_open" not in plan], plans
    assert spent_s < 1.0


def test_search_finds_among_many(much: Tx) -> None:
    """The newest of those who are called so."""
    found = tickets.search(much, "42", 12)
    assert [order.no for order in found] == ["42"] * 12
    assert found[0].pk == max(pk for pk in range(1, MANY + 1) if pk % 300 == 42)
    (one,) = tickets.search(much, f"id-{MANY // 2:06}", 12)
    assert one.pk == MANY // 2
    assert len(tickets.search(much, "P7", 12)) == 12


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(said=st.text(max_size=30) | st.from_regex(r"(id-0|P|[0-9])[0-9]{0,4}", fullmatch=True))
def test_whatever_is_looked_for_what_is_found_is_called_so(much: Tx, said: str) -> None:
    """No word of a person is a pattern, and none fails."""
    found = tickets.search(much, asked_for(said), 12)
    for order in found:
        assert (
            asked_for(said) == "P7" or order.no.startswith(asked_for(said)) or order.order.startswith(asked_for(said))
        )


def test_evidence_of_an_older_journal_is_kept(tmp_path: Path) -> None:
    """What stood in words of the last move is told from then on as evidence."""
    older = tmp_path / "older"
    older.mkdir()
    for step in sorted(MIGRATIONS.glob("*.sql")):
        if step.name < "0006":
            shutil.copy(step, older)
    journal = Journal(tmp_path / "journal.db", older)
    journal.start()
    reasons = ("process_id", "it took every byte and can't answer", "seen on paper by 王", "")
    sql = (
        "INSERT INTO jobs (order_pk, rev, kind, station, home, printer, copy, copies, state, share, created_at, "
        "reason) VALUES (NULL, 0, 'notice', 'wok', 'wok', 'wok', 1, 1, ?, x'7b7d', '2026-01-01T00:00:00Z', ?)"
    )
    states = ("completed", "completed", "completed", "pending")
    journal.write(lambda tx: tx.executemany(sql, list(zip(states, reasons, strict=True))))
    journal.stop(5)
    journal = Journal(tmp_path / "journal.db")
    journal.start()
    found = journal.write(lambda tx: tickets.newest(tx, None, 9))
    journal.stop(5)
    assert [each.evidence for each in reversed(found)] == ["confirmed", "presumed", "witnessed", ""]
