"""The kitchen's screen in a browser: live, touched, scanned, growing older; on a tablet and on a phone."""

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from agent.model.readycode import ready_code
from tests.browser import DESK, PHONE, TABLET, needs_chromium, phone
from tests.window import ShopWindow, window

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = needs_chromium
TEA = {"name": "豆浆", "qty": "2", "unit": "杯", "category": "热饮", "note": "不要糖"}
NOODLES = {"name": "拌面", "name2": "Noodles", "qty": "1", "mods": [{"name": "加辣"}]}
_LINES = "it => { const r = document.createRange(); r.selectNodeContents(it); return r.getClientRects().length; }"
SCANNER_KEYS_MS, FINGERS_MS = 5, 150


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[ShopWindow]:
    """A shop with a wok and a bar."""
    with window(tmp_path) as here:
        yield here


def state(shop: ShopWindow, number: int) -> str:
    """Where an order is."""
    sql = "SELECT state FROM orders WHERE number = ?"
    return str(shop.read(lambda tx: tx.execute(sql, (str(number),)).fetchone()[0]))


def keys(page: "Page", text: str, each_ms: int) -> None:
    """Somebody types it, so fast by the page's own clock, and Enter: however busy this machine is."""
    page.clock.pause_at(page.evaluate("Date.now()") / 1000 + 2)
    for key in (*text, "Enter"):
        page.keyboard.press(key)
        page.clock.run_for(each_ms)
    page.clock.resume()


def test_an_order_comes_is_touched_and_goes_on_every_screen(shop: ShopWindow, tmp_path: Path) -> None:
    """Nobody reloads. The tablet on the wall shows what a phone has finished, a moment later."""
    with phone(shop.port, tmp_path, TABLET, session=shop.me.session) as tablet:
        page, other = tablet.go("/kitchen"), tablet._open()
        other.goto(f"http://127.0.0.1:{shop.port}/kitchen?station=wok")
        page.get_by_text("没有要做的单").wait_for()
        shop.order(42, items=[NOODLES, TEA], fulfil="dine_in", table="7", allergies=["花生"], rush=True)
        began = time.monotonic()
        page.get_by_role("heading", name="#42").wait_for()
        other.get_by_role("heading", name="#42").wait_for()
        assert time.monotonic() - began < 3
        assert other.get_by_text("豆浆").count() == 0
        page.get_by_role("button", name="#42 wok 做好了").click()
        page.get_by_text("✓ #42 wok 做好了").wait_for()
        page.get_by_role("button", name="#42 wok 做好了").wait_for(state="detached")
        other.get_by_text("没有要做的单").wait_for()
        page.get_by_role("button", name="#42 drinks 做好了").click()
        page.get_by_text("没有要做的单").wait_for()
        assert state(shop, 42) == "ready"
        page.get_by_role("button", name="撤回 #42 drinks").click()
        page.get_by_role("button", name="#42 drinks 做好了").wait_for()
        assert "station=wok" in other.url


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
def test_a_quantity_stands_on_one_line(shop: ShopWindow, tmp_path: Path, size: tuple[int, int]) -> None:
    """However long the dish's second name is; only a unit that would fill the card is broken."""
    buns = {"name": "鲜肉小笼包", "name2": "Xiaolongbao, steamed", "qty": 12, "unit": "份"}
    for number in range(1, 5):
        shop.order(number, items=[buns, {**buns, "qty": "2", "unit": "笼" * 20}])
    with phone(shop.port, tmp_path, size, session=shop.me.session) as there:
        page = there.go("/kitchen")
        card = page.get_by_label("#1 wok", exact=True)
        short, long, name = card.locator(".qty").nth(0), card.locator(".qty").nth(1), card.locator(".what").nth(1)
        assert short.evaluate(_LINES) == 1
        assert long.evaluate(_LINES) > 1
        assert long.evaluate("it => it.scrollWidth <= it.clientWidth")
        assert (name.bounding_box() or {"width": 0})["width"] > 80


@pytest.mark.parametrize("size", [PHONE, TABLET], ids=["phone", "tablet"])
def test_what_was_done_is_read_whole_and_covers_no_recall(
    shop: ShopWindow, tmp_path: Path, size: tuple[int, int]
) -> None:
    """In the middle of the screen, above the row to call back by, wherever the page is scrolled to."""
    for number in range(1, 4):
        shop.order(number, items=[NOODLES, TEA])
    with phone(shop.port, tmp_path, size, session=shop.me.session) as there:
        page = there.go("/kitchen")
        for number, scrolled in ((1, 0), (2, 5000)):
            page.mouse.wheel(0, scrolled)
            page.get_by_role("button", name=f"#{number} wok 做好了").click()
            page.get_by_text(f"✓ #{number} wok 做好了").wait_for()
            page.get_by_role("button", name=f"撤回 #{number} wok").wait_for()
            box, said, recalls = (
                page.locator(each).bounding_box() for each in ("#kitchen-said", "#kitchen-said .said", ".recalls")
            )
            assert box is not None
            assert said is not None
            assert recalls is not None
            for each in (box, said):
                assert each["x"] >= 0
                assert each["y"] >= 0
                assert each["x"] + each["width"] <= size[0]
                assert each["y"] + each["height"] <= recalls["y"] < size[1]
            assert abs(said["x"] + said["width"] / 2 - size[0] / 2) < 2


def test_a_scanner_types_anywhere_and_fingers_do_not(shop: ShopWindow, tmp_path: Path) -> None:
    """A burst with Enter behind it is a barcode, also while a button has the focus, which Enter would press. What a
    person types slowly is none.
    """
    for number in (1, 2):
        shop.order(number, items=[NOODLES])
    codes = [ready_code("test", f"id-{number}", "wok", 1) for number in (1, 2)]
    with phone(shop.port, tmp_path, TABLET, session=shop.me.session) as tablet:
        tablet.page.clock.install()
        page = tablet.go("/kitchen")
        page.get_by_role("button", name="#1 wok 做好了").focus()
        keys(page, codes[1], SCANNER_KEYS_MS)
        page.get_by_text("✓ #2 wok 做好了").wait_for()
        page.get_by_role("heading", name="#2").wait_for(state="detached")
        assert (state(shop, 1) == "ready", state(shop, 2)) == (False, "ready")
        page.locator("main").click(position={"x": 2, "y": 2})
        keys(page, codes[0][:8], FINGERS_MS)
        keys(page, "6901234567892", SCANNER_KEYS_MS)
        page.get_by_text(re.compile("6901234567892")).wait_for()
        assert state(shop, 1) != "ready"


def test_cards_grow_old_by_themselves(shop: ShopWindow, tmp_path: Path) -> None:
    """Ten minutes on, without a word from the box, the card is red and says so."""
    shop.order(1, items=[NOODLES])
    shop.wait_ticket(1)
    with phone(shop.port, tmp_path, TABLET, session=shop.me.session) as tablet:
        tablet.page.clock.install()
        tablet.page.route("**/live", lambda route: route.abort())
        page = tablet.go("/kitchen")
        card = page.locator(".dish-card")
        card.get_by_text("0 分").wait_for()
        for minutes, kind in ((6, "warm"), (5, "hot")):
            page.clock.fast_forward(minutes * 60_000)
            page.locator(f".dish-card.{kind}").wait_for()
        card.get_by_text("11 分").wait_for()


@pytest.mark.parametrize(("size", "language"), [(PHONE, "zh-CN"), (TABLET, "en-GB")], ids=["phone-zh", "tablet-en"])
def test_it_fits_the_screen_and_everybody_can_use_it(
    shop: ShopWindow, tmp_path: Path, size: tuple[int, int], language: str
) -> None:
    """No sideways scrolling with whatever a customer writes, buttons for thumbs, nothing serious for axe."""
    shop.order("超长单号" * 10, items=[{**NOODLES, "name": "很长的菜名" * 20, "note": "x" * 200}, TEA], table="A" * 60)
    shop.order(2, items=[TEA], rush=True, note="少辣", allergies=["花生"])
    shop.order(3, items=[NOODLES])
    with phone(shop.port, tmp_path, size, language, shop.me.session) as there:
        page = there.go("/kitchen")
        page.get_by_role("button", name=re.compile("#3 wok")).click()
        page.get_by_role("heading", name="#3").wait_for(state="detached")
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
        boxes = [button.bounding_box() for button in page.locator("main button").all()]
        assert all(box is not None and box["height"] >= 44 for box in boxes)
        assert there.serious() == []
