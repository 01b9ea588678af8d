"""The kitchen's page and the command line's words for it: what is to be made, touched, scanned and called back."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from click.testing import CliRunner

from agent.cli import cli
from agent.journal import kitchen
from agent.model.readycode import ready_code
from agent.model.ticket import Language
from agent.tickets.kitchenboard import Board, board, day_began
from tests.floor import Floor
from tests.scan import scan_piece
from tests.window import ShopWindow, text_of, window

TEA = {"name": "豆浆", "qty": "2", "unit": "杯", "category": "热饮", "note": "不要糖"}
NOODLES = {"name": "拌面", "name2": "Noodles", "qty": "1", "mods": [{"name": "加辣"}]}
SHANGHAI = timezone(timedelta(hours=8))


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ShopWindow]:
    """A shop with a wok and a bar; each test has orders of its own."""
    with window(tmp_path_factory.mktemp("kitchen")) as here:
        yield here


def state(shop: ShopWindow, number: int) -> str:
    """Where an order is."""
    sql = "SELECT state FROM orders WHERE number = ?"
    return str(shop.read(lambda tx: tx.execute(sql, (str(number),)).fetchone()[0]))


def part(shop: ShopWindow, query: str = "", language: str = "zh") -> str:
    """What the live part of the page says."""
    shop.me.language = language
    answer = shop.me.get(f"/kitchen/board{query}")
    shop.me.language = "zh"
    assert answer.status == 200
    return text_of(answer)


# -- the page --------------------------------------------------------------------------------------------------------


def test_a_touch_finishes_a_part_and_the_last_one_the_order(shop: ShopWindow) -> None:
    """The answer names it; the card goes when the journal has it, and not before; a recall brings it back."""
    shop.order(1, items=[NOODLES, TEA], fulfil="dine_in", table="7", allergies=["花生"], note="快一点")
    shop.on_paper(1)
    wok = shop.wait_ticket(1) - 1
    said = part(shop)
    for words in ("#1 堂食 桌7", "过敏: 花生", "备注: 快一点", "x1 拌面 Noodles +加辣", "x2杯 豆浆 ※不要糖"):
        assert words in said
    assert text_of(shop.me.post("/kitchen/ready", {"ticket": wok})) == "✓ #1 wok 做好了"
    assert ("拌面" in part(shop), "✓ wok 已做好" in part(shop), state(shop, 1)) == (False, True, "printed")
    assert text_of(shop.me.post("/kitchen/ready", {"ticket": wok + 1})) == "✓ #1 drinks 做好了"
    assert ("豆浆" in part(shop), state(shop, 1)) == (False, "ready")
    assert "↩ #1 drinks" in part(shop)
    assert text_of(shop.me.post("/kitchen/recall", {"ticket": wok + 1})) == "✓ #1 drinks 已撤回"
    assert ("豆浆" in part(shop), state(shop, 1)) == (True, "printed")
    shop.me.post("/kitchen/ready", {"ticket": wok + 1})


def test_a_scanner_finishes_what_is_on_its_paper(shop: ShopWindow) -> None:
    """A wrong barcode is refused with the reason, and one that was scanned before is no fault."""
    shop.order(2, items=[NOODLES])
    shop.wait_ticket(2)
    code = ready_code("test", "id-2", "wok", 1)
    refused = shop.me.post("/kitchen/ready", {"code": "6901234567892"})
    assert (refused.status, "不是厨房小票的条码" in text_of(refused)) == (409, True)
    for _ in range(2):
        assert text_of(shop.me.post("/kitchen/ready", {"code": code})) == "✓ #2 wok 做好了"
    assert state(shop, 2) == "ready"


def test_a_card_of_before_a_change_finishes_nothing(shop: ShopWindow) -> None:
    """Somebody touched while the change came in."""
    shop.order(3, items=[NOODLES])
    old = shop.wait_ticket(3)
    shop.order(3, rev=2, items=[{**NOODLES, "qty": "4"}])
    refused = shop.me.post("/kitchen/ready", {"ticket": old})
    assert (refused.status, "#3 的 wok 在这张小票之后改过" in text_of(refused)) == (409, True)
    assert "x4 拌面" in part(shop)
    shop.me.post("/kitchen/ready", {"ticket": shop.wait_ticket(3)})


def test_a_station_sees_its_own(shop: ShopWindow) -> None:
    """The filter stands in the address; of the others it says how far they are."""
    shop.order(4, items=[NOODLES, TEA])
    shop.wait_ticket(4)
    page = text_of(shop.me.get("/kitchen?station=drinks"))
    assert ("x2杯 豆浆" in page, "拌面" in page, "… wok 在做" in page) == (True, False, True)
    assert 'hx-get="/kitchen/board?station=drinks"' in shop.me.get("/kitchen?station=drinks").body.decode()
    shop.me.post("/kitchen/ready", {"order": "id-4", "station": "drinks"})
    assert "#4" not in part(shop, "?station=drinks").replace("↩ #4", "")
    shop.me.post("/kitchen/ready", {"order": "id-4"})


def test_what_customers_write_is_text(shop: ShopWindow) -> None:
    """And so is what stands in the address."""
    shop.order(5, items=[{"name": "<img src=x onerror=alert(1)>", "qty": "1", "note": "<script>"}], table='"><b>')
    page = shop.me.get('/kitchen?station="><script>alert(1)</script>').body.decode()
    page += shop.me.get("/kitchen").body.decode()
    assert ("<img src=x" in page, "<script>alert" in page, '"><b>' in page) == (False, False, False)
    assert "&lt;img src=x" in page
    shop.me.post("/kitchen/ready", {"order": "id-5"})


def test_it_reads_in_english_too(shop: ShopWindow) -> None:
    """By the browser."""
    shop.order(6, items=[NOODLES], rush=True)
    shop.wait_ticket(6)
    said = part(shop, language="en")
    assert ("RUSH" in said, "✓ Ready" in said, "做好了" in said) == (True, True, False)
    shop.me.post("/kitchen/ready", {"order": "id-6"})


@pytest.mark.parametrize("path", ["/kitchen", "/kitchen/board", "/kitchen/ready", "/kitchen/recall"])
def test_only_who_is_signed_in_sees_and_touches(shop: ShopWindow, path: str) -> None:
    """Orders are customers' business."""
    shop.order(7)
    for answer in (shop.anybody.get(path), shop.anybody.post(path, {"order": "id-7"})):
        assert answer.status in (303, 401, 405)
        assert b"#7" not in answer.body
    assert state(shop, 7) != "ready"


@pytest.mark.parametrize("sent", [{"ticket": "x"}, {"ticket": "-1"}, {"ticket": "99999"}, {}, {"code": "x" * 500}])
def test_nonsense_is_refused(shop: ShopWindow, sent: dict[str, str]) -> None:
    """With a word that says why."""
    answer = shop.me.post("/kitchen/ready", sent)
    assert (answer.status in (409, 422), text_of(answer)[:1]) == (True, "✗")


# -- the command line ------------------------------------------------------------------------------------------------


def test_the_command_line_says_the_same(shop: ShopWindow) -> None:
    """In plain lines, in JSON, and with the exit code of a refusal."""
    shop.order(8, items=[NOODLES], rush=True, table="3")
    ticket = shop.wait_ticket(8)

    def run(*args: str) -> tuple[int, str]:
        done = CliRunner().invoke(cli, ["queue", *args, "--config", str(shop.config_path)])
        return done.exit_code, done.output

    code, said = run("kitchen")
    assert code == 0
    (line,) = [line for line in said.splitlines() if "#8" in line]
    assert line.startswith(f"{ticket}  #8  桌3  wok  拌面 x1  加急 RUSH")
    assert run("ready", str(ticket)) == (0, "已做好  order id-8 (#8) at wok: finished; the order is ready\n")
    cards = json.loads(run("kitchen", "--json")[1])
    assert ("8" in [card["no"] for card in cards["cards"]], cards["done"][0]["ticket"]) == (False, ticket)
    assert run("recall", "--order", "8") == (0, "已撤回  order id-8 (#8) at wok: back on the screen\n")
    assert run("ready", "--code", ready_code("test", "id-8", "wok", 1))[0] == 0
    refused = CliRunner().invoke(cli, ["queue", "ready", "--config", str(shop.config_path)])
    assert (refused.exit_code, "name a ticket" in refused.output) == (2, True)


def test_a_shop_that_wants_barcodes_has_them_after_a_reload(shop: ShopWindow) -> None:
    """And what a scanner reads from that paper finishes it."""
    shop.order(9, items=[NOODLES])
    shop.wait_ticket(9)
    written = shop.config_path.read_text("utf-8")
    shop.config_path.write_text(written.replace("_s: 0.5", "_s: 0.5, ready_code: true"), "utf-8")
    assert text_of(shop.me.do("reload")).startswith("✓")
    shop.order(10, items=[NOODLES])
    shop.wait_ticket(10)
    before, after = shop.devices["wok"].paper.pieces[-2:]
    assert scan_piece(before) == []
    (said,) = scan_piece(after)
    assert text_of(shop.me.post("/kitchen/ready", {"code": said.text})) == "✓ #10 wok 做好了"


# -- ages ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def floor(tmp_path: Path) -> Iterator[Floor]:
    """A kitchen without printers."""
    here = Floor(tmp_path)
    yield here
    here.close()


def seen(floor: Floor, after: timedelta) -> Board:
    """The screen, so long from now."""
    return board(floor.see(), datetime.now(SHANGHAI) + after, Language.ZH)


def test_a_card_is_warm_and_hot_by_its_age_or_by_its_time(floor: Floor) -> None:
    """Five and ten minutes; an order with a time of its own at that time, and five minutes before."""
    floor.order(1)
    due = datetime.now(SHANGHAI) + timedelta(minutes=30)
    floor.order(2, due_at=due.isoformat())
    first, second = seen(floor, timedelta(minutes=3)).cards
    assert (first.age_s // 10, first.warm_s, first.hot_s, first.due) == (18, 300, 600, "")
    assert abs(second.hot_s - second.age_s - 27 * 60) <= 1
    assert (second.hot_s - second.warm_s, second.due[-5:]) == (300, f"{due:%H:%M}")


def test_an_amended_card_keeps_its_age_until_it_was_finished(floor: Floor) -> None:
    """A customer waits since the order; what is made anew, since the change."""
    floor.order(1, bar=0)
    floor.print_all()
    floor.order(1, rev=2, wok=2, bar=0)
    assert [each.part.since for each in floor.see().orders[0].parts] == [floor.ticket(1, "wok") - 2]
    floor.ready(1)
    floor.order(1, rev=3, wok=3, bar=0)
    assert [each.part.since for each in floor.see().orders[0].parts] == [floor.ticket(1, "wok")]


@pytest.mark.parametrize(
    ("now", "began"),
    [
        ("2026-11-22T12:00", "2026-11-22T04:00"),
        ("2026-11-22T05:00", "2026-11-21T23:00"),
        ("2026-11-22T03:59", "2026-11-21T04:00"),
    ],
)
def test_yesterdays_cards_are_gone_in_the_morning(now: str, began: str) -> None:
    """The day begins at four, and whoever works through the night keeps the last six hours."""
    at = datetime.fromisoformat(now).replace(tzinfo=SHANGHAI)
    assert day_began(at) == datetime.fromisoformat(began).replace(tzinfo=SHANGHAI)


def test_what_nobody_finished_yesterday_is_not_shown(floor: Floor) -> None:
    """But an order of before the clock was set is: nobody knows how old it is."""
    for number in (1, 2, 3):
        floor.order(number)
    sql = "UPDATE jobs SET created_at = ? WHERE order_pk = ?"
    entered = [("2026-01-01T08:00:00.000Z", 1), ("1970-01-01T00:00:09.000Z", 2)]
    floor.journal.write(lambda tx: tx.executemany(sql, entered))
    shown = floor.journal.write(lambda tx: kitchen.look(tx, datetime(2026, 1, 2, tzinfo=UTC)))
    assert [order.no for order in shown.orders] == ["2", "3"]
