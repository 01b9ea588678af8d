"""The page of orders that wait for a person: what is chosen there comes out, or never does; and the page says so."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from agent.console.late import MOST_ITEMS, picks
from agent.console.rooms import Refusal
from agent.journal import notes
from tests.browser import needs_chromium, phone
from tests.till import Answer
from tests.window import STATIONS, ShopWindow, text_of, window

TRUST = STATIONS + "intake: {clock: trust, max_age_min: 15}\nprinting: {reprint_after_s: 0.5}\n"
PAST = timedelta(minutes=40)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[ShopWindow]:
    """A shop that knows the time."""
    with window(tmp_path, more=TRUST) as here:
        yield here


def late(shop: ShopWindow, number: int | str, **fields: Any) -> None:
    """An order comes that was placed long ago."""
    shop.order(number, placed_at=(datetime.now(UTC) - PAST).isoformat(), **fields)


def rows(page: Answer) -> dict[str, str]:
    """By the number what a row's box sends."""
    found = re.findall(
        r'name="pick" value="([^"]*)">\s*<span>\s*<strong class="no">#(.*?)</strong>', page.body.decode()
    )
    return {number: unescape(value) for value, number in found}


def decide(shop: ShopWindow, what: str, *numbers: int | str) -> Answer:
    """Somebody ticks these rows and taps the button."""
    there = rows(shop.me.get("/late"))
    return shop.me.post(f"/late/{what}", [("pick", there[str(number)]) for number in numbers])


def told(shop: ShopWindow, number: int | str) -> list[str]:
    """The states of an order that the cloud would be told."""
    reports = shop.read(lambda tx: notes.waiting_reports(tx, 0, 1000))
    said = [json.loads(report.body) for report in reports if report.type == "order.state"]
    return [each["state"] for each in said if each["order"]["no"] == str(number)]


def test_late_orders_are_listed_so_that_a_person_can_decide(shop: ShopWindow) -> None:
    """Number, channel, how old, what is in it; nothing of it on paper yet."""
    items = [{"name": f"菜{n}", "qty": "2", "unit": "500g" if n else "份"} for n in range(MOST_ITEMS + 2)]
    late(shop, 51, items=items, table="7", pickup_code="A12", note="少放辣", allergies=["花生"])
    page = text_of(shop.me.get("/late"))
    for said in (
        "#51 test",
        "40 分钟前",
        "来得太晚",
        "菜0 ×2份，菜1 ×2 500g",
        "还有 2 样",
        "桌 7 · 取餐 A12 · 花生 · 少放辣",
        "勾选的不打印",
        "全部打印（1 张）",
    ):
        assert said in page
    shop.me.language = "en"
    english = text_of(shop.me.get("/late"))
    assert "40 min ago · came too late" in english
    assert "table 7 · pickup A12 · 花生" in english
    assert "桌" not in english
    assert not [each for each in shop.papers() if each.number == "51"]


def test_an_order_that_does_not_say_when_it_was_placed_is_as_old_as_its_event(shop: ShopWindow) -> None:
    """Not as old as its arrival; and a newer revision makes it no younger."""
    told = datetime.now(UTC) - timedelta(minutes=50)
    shop.order(61, at=told)
    page = shop.me.get("/late").body.decode()
    (at,) = re.findall(r'<time data-at="([^"]*)">', page)
    assert abs(datetime.fromisoformat(at) - told) < timedelta(minutes=2)
    assert "50 分钟前 · 来得太晚" in re.sub(r"<[^>]*>", "", page)
    shop.order(61, rev=2, at=datetime.now(UTC) - timedelta(minutes=1))
    assert "50 分钟前 · 来得太晚" in text_of(shop.me.get("/late"))


def test_the_first_page_keeps_what_is_for_the_installer_folded_away(shop: ShopWindow) -> None:
    """The raw reason of an alarm is English and names a command: in Chinese it stands under a fold."""
    late(shop, 51)
    shop.until(shop.alarms, "the alarm")
    page = shop.me.get("/").body.decode()
    folded = "".join(re.findall(r"<details id=.*?</details>", page, re.DOTALL))
    assert "有订单来得太晚，没有打印" in page
    assert "shop-agent queue" in folded
    assert page.count("shop-agent queue") == folded.count("shop-agent queue")


def test_nothing_to_decide_is_said(shop: ShopWindow) -> None:
    """Also the search says that an order waits, and where."""
    assert "没有需要您决定的订单" in text_of(shop.me.get("/late"))
    late(shop, 51)
    assert "没有需要您决定的订单" not in text_of(shop.me.get("/late/board"))
    assert "还没有小票：这张订单在等。" in text_of(shop.me.get("/tickets?q=51"))


def test_what_is_chosen_is_printed_and_nothing_else(shop: ShopWindow) -> None:
    """The others wait on; what is decided is gone from the list."""
    for number in (51, 52, 53):
        late(shop, number)
    answer = decide(shop, "print", 51, 53)
    assert (answer.status, text_of(answer)) == (200, "✓ 2 张订单将打印")
    shop.on_paper(51)
    shop.on_paper(53)
    assert list(rows(shop.me.get("/late"))) == ["52"]
    assert not [each for each in shop.papers() if each.number == "52"]


def test_what_is_discarded_is_never_printed(shop: ShopWindow) -> None:
    """And the cloud is told."""
    for number in (51, 52):
        late(shop, number)
    page = shop.me.get("/late").body.decode()
    assert re.search(r'hx-post="/late/drop"[^>]*hx-confirm="勾选的订单不打印了', page)
    assert text_of(decide(shop, "drop", 51)) == "✓ 1 张订单不打印"
    assert told(shop, 51)[-1] == "rejected"
    assert shop.me.post("/late/print", {"all": "1"}).status == 200
    shop.on_paper(52)
    assert not [each for each in shop.papers() if each.number == "51"]
    assert rows(shop.me.get("/late")) == {}


def test_all_of_them_are_printed(shop: ShopWindow) -> None:
    """Those that wait for a person, and not what was ordered in advance."""
    for number in (51, 52, 53):
        late(shop, number)
    later = (datetime.now(UTC) + timedelta(hours=3)).isoformat()
    shop.order(60, release_at=later, due_at=later)
    assert text_of(shop.me.post("/late/print", {"all": "1"})) == "✓ 全部将打印"
    for number in (51, 52, 53):
        shop.on_paper(number)
    assert list(rows(shop.me.get("/late"))) == ["60"]
    assert not [each for each in shop.papers() if each.number == "60"]


def test_an_order_in_advance_can_be_printed_now(shop: ShopWindow) -> None:
    """It stands apart, with its time."""
    later = (datetime.now(UTC) + timedelta(hours=3)).isoformat()
    shop.order(60, release_at=later, due_at=later)
    page = text_of(shop.me.get("/late"))
    assert "没有需要您决定的订单" in page
    assert "预订单 到时间自动打印" in page
    assert decide(shop, "print", 60).status == 200
    shop.on_paper(60)


def test_orders_of_one_name_are_told_apart_by_their_channel(shop: ShopWindow) -> None:
    """Two platforms may use the same id."""
    at = (datetime.now(UTC) - PAST).isoformat()
    for channel in ("美团", "饿了么"):
        order = {"id": "7", "rev": 1, "channel": channel, "no": f"{channel}7", "placed_at": at}
        items = [{"name": "豆浆", "qty": "1"}]
        shop.event("order.upsert", {"order": {**order, "items": items}}, f"event-{channel}")
    assert decide(shop, "print", "饿了么7").status == 200
    shop.on_paper("饿了么7")
    assert list(rows(shop.me.get("/late"))) == ["美团7"]
    assert decide(shop, "drop", "美团7").status == 200
    assert not [each for each in shop.papers() if "美团7" in each.number]


def test_too_many_orders_at_once_wait_too(tmp_path: Path) -> None:
    """The page says why."""
    with window(tmp_path, more=STATIONS + "intake: {clock: trust, flood_total_min: 2}\n") as shop:
        for number in range(51, 55):
            shop.order(number)
        shop.on_paper(52)
        assert list(rows(shop.me.get("/late"))) == ["53", "54"]
        assert "一下来得太多" in text_of(shop.me.get("/late"))


def test_a_summary_ticket_has_a_picture(shop: ShopWindow) -> None:
    """What the staff was told on paper."""
    late(shop, 51)
    shop.on_paper("旧单待定", timeout_s=40)
    sql = "SELECT id FROM jobs WHERE kind = 'summary'"
    ((ticket,),) = shop.read(lambda tx: tx.execute(sql).fetchall())
    assert shop.me.get(f"/tickets/{ticket}.png").status == 200
    assert "迟到订单汇总" in text_of(shop.me.get("/tickets"))


def test_they_are_called_late_orders_on_every_page(shop: ShopWindow) -> None:
    """The menu, the heading, the tile, the tab and the setting: one thing, one name."""
    for language, name, menu in (("zh", "迟到订单", 1), ("en", "Late orders", 1)):
        for path in ("/", "/late", "/tickets", "/setup"):
            page = text_of(shop.me.get(path, accept_language=language))
            assert page.count(name) > menu, path
            assert "待决定的订单" not in page
            assert "Orders to decide" not in page


def test_who_comes_second_is_told_so(shop: ShopWindow) -> None:
    """What was decided meanwhile is not decided again, and nothing of the others is done either."""
    late(shop, 51)
    late(shop, 52)
    there = rows(shop.me.get("/late"))
    assert decide(shop, "drop", 51).status == 200
    both = [("pick", there["51"]), ("pick", there["52"])]
    answer = shop.me.post("/late/print", both)
    assert answer.status == 409
    assert text_of(answer) == "✗ 订单 id-51 不在等：可能刚被别人处理"
    shop.me.language = "en"
    assert "order id-51 does not wait" in text_of(shop.me.post("/late/print", both))
    assert list(rows(shop.me.get("/late"))) == ["52"]


def test_an_order_that_is_decided_is_not_mistaken_for_another_ones_number(shop: ShopWindow) -> None:
    """The slower of two phones still shows the order with the id 42; another is called 42."""
    at = (datetime.now(UTC) - PAST).isoformat()
    for order_id, number in (("42", "7"), ("9001", "42")):
        order = {"id": order_id, "rev": 1, "channel": "till", "no": number, "placed_at": at}
        shop.event("order.upsert", {"order": {**order, "items": [{"name": "豆浆", "qty": 1}]}}, f"event-{order_id}")
    pick = [("pick", rows(shop.me.get("/late"))["7"])]
    assert shop.me.post("/late/drop", pick).status == 200
    assert shop.me.post("/late/drop", pick).status == 409
    assert list(rows(shop.me.get("/late"))) == ["42"]


def test_of_two_channels_one_refuses_and_the_other_is_said_to_be_done(shop: ShopWindow) -> None:
    """What was done is told with what was not, in whatever order they are."""
    at = (datetime.now(UTC) - PAST).isoformat()
    for number, channel in enumerate(("美团", "饿了么", "到店")):
        order = {"id": str(number), "rev": 1, "channel": channel, "no": f"{number}{number}", "placed_at": at}
        items = [{"name": "豆浆", "qty": "1"}]
        shop.event("order.upsert", {"order": {**order, "items": items}}, f"event-{channel}")
    there = rows(shop.me.get("/late"))
    assert decide(shop, "drop", "11").status == 200
    answer = shop.me.post("/late/print", [("pick", there[number]) for number in ("00", "11", "22")])
    assert answer.status == 409
    assert text_of(answer) == "✗ 2 张订单将打印；订单 1 不在等：可能刚被别人处理"
    shop.on_paper("00")
    shop.on_paper("22")
    assert not [each for each in shop.papers() if each.number == "11"]


def test_nothing_chosen_is_nothing_done(shop: ShopWindow) -> None:
    """And said."""
    late(shop, 51)
    for what in ("print", "drop"):
        answer = shop.me.post(f"/late/{what}")
        assert (answer.status, text_of(answer)) == (422, "✗ 请先勾选订单")
    assert list(rows(shop.me.get("/late"))) == ["51"]


@pytest.mark.parametrize("value", ["", "51", "[]", '["a"]', '["a","b","c"]', '{"a":1}', "[1,2]", "\x00"])
def test_a_pick_that_is_none_is_refused(value: str) -> None:
    """What no page of ours sends."""
    with pytest.raises(Refusal) as refused:
        picks([("pick", value)])
    assert refused.value.status == 422


def test_picks_go_by_channel() -> None:
    """One command of each."""
    sent = [("pick", '["a","1"]'), ("pick", '["b","1"]'), ("pick", '["a","2"]'), ("other", "x")]
    assert picks(sent) == [
        {"orders": ["1", "2"], "exact": True, "channel": "a"},
        {"orders": ["1"], "exact": True, "channel": "b"},
    ]
    assert picks([]) == []


@needs_chromium
def test_a_choice_survives_what_comes_meanwhile(shop: ShopWindow, tmp_path: Path) -> None:
    """On a phone: two are ticked, a third comes in, the two are still ticked; they are printed and leave the page."""
    late(shop, 51)
    late(shop, 52)
    with phone(shop.port, tmp_path, session=shop.me.session) as hand:
        page = hand.go("/late")
        page.get_by_label("全选").check()
        assert "(2)" in page.get_by_role("button", name="打印勾选的").first.inner_text()
        late(shop, 53)
        page.get_by_text("#53").wait_for()
        assert page.locator("input[name=pick]:checked").count() == 2
        assert hand.serious() == []
        page.get_by_role("button", name="打印勾选的").first.click()
        page.get_by_text("2 张订单将打印").wait_for()
        shop.on_paper(51)
        shop.on_paper(52)
        page.get_by_text("#51").wait_for(state="detached")
        assert page.locator("input[name=pick]").count() == 1
        page.get_by_text("2 张订单将打印").wait_for()
