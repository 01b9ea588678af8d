"""The stations' page: dishes of real orders, tapped to another station, and what that writes and prints."""

import json
import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from agent.config import load
from agent.config.changes import changes
from agent.journal.dishes import MOST_ORDERS, recent_dishes
from agent.journal.store import Journal
from agent.model.station import Match
from tests.browser import DESK, PHONE, TABLET, needs_chromium, phone
from tests.test_console_printers import differs, save, text
from tests.window import ShopWindow, text_of, window

SOY = {"name": "豆浆", "qty": 2, "category": "热饮", "sku": "0421"}
TEA = {"name": "奶茶", "qty": 1, "category": "热饮", "sku": "DJ01"}
BUN = {"name": "小笼包", "qty": 3, "category": "点心"}
ROLL = {"name": "花卷", "qty": 1, "category": "点心"}
STICK = {"name": "油条", "qty": 1}


def keys(here: ShopWindow) -> dict[str, str]:
    """The dishes on the board by their names."""
    page = here.me.get("/stations").body.decode()
    found = re.findall(r'name="dish" value="(\w+)"[^>]*>\s*<span class="grow">([^<]+)', page)
    return {unescape(name).strip(): key for key, name in found}


def group(page: str, station: str) -> str:
    """What stands in a station's column; "" is that of what nobody claims."""
    found = re.search(rf'data-station="{station}"(.*?)</section>', page, re.DOTALL)
    return unescape(found[1]) if found else ""


def moves(page: str) -> list[str]:
    """What the page carries along to be saved."""
    form = page[page.index('<form id="save"') : page.index("</form>")]
    return re.findall(r'name="move" value="([^"]+)"', form)


def test_nobody_sorts_without_the_pin(tmp_path: Path) -> None:
    """Each page of the stations needs a session, and so does each change."""
    with window(tmp_path) as here:
        before = text(here)
        for path in ("", "/add", "/edit?station=wok"):
            assert here.anybody.get(f"/stations{path}").status == 401
        for path in ("plan", "save", "add", "set", "rename", "remove"):
            assert here.anybody.post(f"/stations/{path}", {"station": "wok", "name": "x"}).status == 401
        assert text(here) == before


def test_dishes_stand_where_they_go_now(tmp_path: Path) -> None:
    """By station and category, those that no rule claims first, with how many orders had them."""
    with window(tmp_path) as here:
        assert "还没有订单" in text_of(here.me.get("/stations"))
        here.order(701, items=[SOY, BUN, STICK])
        here.order(702, items=[SOY, {**BUN, "station": "drinks"}])
        here.order(702, 2, items=[SOY, TEA])
        page = here.me.get("/stations").body.decode()
        assert page.index('data-station=""') < page.index('data-station="wok"') < page.index('data-station="drinks"')
        assert "小笼包" in group(page, "")
        assert "油条" in group(page, "")
        assert "这些菜由默认档口打印： wok （打印机 wok）" in text_of(here.me.get("/stations"))
        assert "没有另外分的菜都在这里打印" in group(page, "wok")
        drinks = group(page, "drinks")
        assert drinks.index("豆浆") < drinks.index("奶茶")
        assert "×2" in drinks
        assert "小笼包" not in drinks  # the revision that had it there is an older one


def test_a_dish_stands_there_once_with_and_without_its_second_name(tmp_path: Path) -> None:
    """As often as it was ordered; and it moves as one."""
    with window(tmp_path) as here:
        here.order(701, items=[{**BUN, "name2": "Xiaolongbao"}, ROLL])
        here.order(702, items=[BUN])
        page = here.me.get("/stations").body.decode()
        assert page.count("小笼包") == 1
        assert "×2" in group(page, "")
        planned = here.me.post("/stations/plan", {"dish": keys(here)["小笼包"], "to": "drinks"})
        assert "这 1 道菜以后由 drinks 做" in text_of(planned)
        assert "跟着一起移的" not in text_of(planned)


def test_what_the_platform_names_is_shown_and_can_not_be_tapped(tmp_path: Path) -> None:
    """No rule would move it."""
    with window(tmp_path) as here:
        here.order(701, items=[{**BUN, "station": "drinks"}, {**ROLL, "station": "nowhere"}])
        page = here.me.get("/stations").body.decode()
        assert "平台指定" in group(page, "drinks")
        assert "disabled" in group(page, "drinks")
        assert "disabled" not in group(page, "")
        answer = here.me.post("/stations/plan", {"dish": keys(here)["小笼包"], "to": "wok"})
        assert "不能单独移" in text_of(answer)
        assert moves(answer.body.decode()) == []


def test_a_tap_is_a_plan_a_save_is_written_and_the_paper_follows(tmp_path: Path) -> None:
    """Two taps, a preview, one save: one line changes, the comments stay, and the next order prints elsewhere."""
    with window(tmp_path) as here:
        here.order(701, items=[SOY, BUN, ROLL, STICK])
        before, found = text(here), keys(here)
        first = here.me.post("/stations/plan", {"category": "/点心", "to": "drinks"})
        assert "这 2 道菜以后由 drinks 做" in text_of(first)
        assert "以后凡是“点心”类的菜，新上的也算，都由 drinks 做" in text_of(first)
        planned = moves(first.body.decode())
        assert sorted(planned) == sorted(f"{found[name]}:drinks" for name in ("小笼包", "花卷"))
        second = here.me.post("/stations/plan", {"move": planned, "dish": found["豆浆"], "to": "wok"}).body.decode()
        assert "豆浆" in group(second, "wok")
        assert "小笼包" in group(second, "drinks")
        assert "待保存" in group(second, "wok")
        assert text(here) == before
        assert here.restarts == 0
        assert save(here, "/stations/save", {"move": moves(second)}) == "/stations"
        assert here.restarts == 1
        gone, new = differs(before, text(here))
        assert len(gone) == len(new) == 2
        assert new[0].endswith("# 灶台")
        wok, drinks = load(here.config_path).stations
        assert drinks.match == Match(category=["冷饮", "点心"])
        assert wok.match == Match(category=["热饮"])
        here.order(709, items=[SOY, BUN])
        assert "小笼包" in here.on_paper(709, "bar")[0].text
        assert "豆浆" in here.on_paper(709, "wok")[0].text
        (change,) = changes(here.folder / "data")
        assert change.by == "console 127.0.0.1"
        assert {each.field.partition("]")[0] for each in change.settings} == {"stations[wok", "stations[drinks"}


def test_one_of_a_category_goes_by_its_number(tmp_path: Path) -> None:
    """As typed, with its nought: 0421."""
    with window(tmp_path) as here:
        here.order(701, items=[SOY, TEA])
        planned = here.me.post("/stations/plan", {"dish": keys(here)["豆浆"], "to": "wok"}).body.decode()
        save(here, "/stations/save", {"move": moves(planned)})
        wok, drinks = load(here.config_path).stations
        assert wok.match == Match(sku=["0421"])
        assert drinks.match == Match(category=["热饮", "冷饮"])
        here.order(702, items=[SOY, TEA])
        assert "豆浆" in here.on_paper(702, "wok")[0].text
        assert "豆浆" not in here.on_paper(702, "bar")[0].text


def test_a_save_of_nothing_writes_nothing(tmp_path: Path) -> None:
    """A dish that is not there any more, a station that is not, no move at all."""
    with window(tmp_path) as here:
        here.order(701, items=[STICK])
        before, key = text(here), keys(here)["油条"]
        for move in ([], ["0123456789abcdef:drinks"], [f"{key}:nowhere"], ["nonsense"], [f"{key}:"]):
            assert here.me.post("/stations/save", {"move": move}).status == 422
        assert text(here) == before
        assert here.restarts == 0


# -- a station's own settings ------------------------------------------------------------------------------------------


def test_a_station_is_added_and_the_unwritten_one_stays(tmp_path: Path) -> None:
    """Without any in the file there is one all the same: it must not vanish with the first that is added."""
    with window(tmp_path, more="") as here:
        assert "wok" in text_of(here.me.get("/stations/add"))
        fields = {"pick": "吧台", "printer": "bar", "copies": "2", "template": "kitchen", "shows": "own"}
        assert save(here, "/stations/add", fields) == "/stations"
        first, second = load(here.config_path).stations
        assert (first.name, first.printer, first.default) == ("kitchen", "wok", True)
        assert (second.name, second.printer, second.copies, second.default) == ("吧台", "bar", 2, False)
        assert "template" not in text(here)
        here.order(701, items=[STICK])
        here.on_paper(701, "wok")
        planned = here.me.post("/stations/plan", {"dish": keys(here)["油条"], "to": "吧台"}).body.decode()
        save(here, "/stations/save", {"move": moves(planned)})
        here.order(702, items=[STICK])
        assert len(here.on_paper(702, "bar", times=2)) == 2


def test_a_template_is_called_the_same_where_it_is_made_and_where_it_is_chosen(tmp_path: Path) -> None:
    """In both languages."""
    with window(tmp_path) as here:
        for language, names in (
            ("zh", ("后厨小票", "传菜单：整张订单", "顾客小票", "杯贴、盒贴")),
            ("en", ("Kitchen ticket", "Pass: the whole order", "Customer's receipt", "A label for each cup or box")),
        ):
            for path in ("/templates", "/stations/add", "/stations/edit?station=wok"):
                page = text_of(here.me.get(path, accept_language=language))
                assert [name for name in names if name not in page] == [], path


def test_a_printer_that_is_away_can_be_chosen(tmp_path: Path) -> None:
    """It is said, and nothing more."""
    with window(tmp_path) as here:
        here.devices["bar"].power_off()
        here.until(lambda: "bar （现在连不上）" in text_of(here.me.get("/stations/add")), "it to be away")
        save(here, "/stations/add", {"name": "凉菜", "printer": "bar"})
        assert load(here.config_path).stations[-1].printer == "bar"


def test_settings_are_written_as_they_differ(tmp_path: Path) -> None:
    """Printer, backup, template, copies, whole orders; a rule that is unticked is gone; the rest stays as typed."""
    with window(tmp_path) as here:
        before = text(here)
        form: dict[str, Any] = {"station": "drinks", "printer": "bar", "template": "kitchen", "copies": "1"}
        page = here.me.get("/stations/edit?station=drinks").body.decode()
        shown = re.findall(r'name="rule_was" value="([^"]+)"', page)
        assert shown == ["category:热饮", "category:冷饮"]
        same = here.me.post("/stations/set", {**form, "shows": "own", "rule_was": shown, "rule": shown})
        assert "没有变化" in text_of(same)
        assert "选另一台" in text_of(here.me.post("/stations/set", {**form, "backup": "bar"}))
        assert "还有做菜的规则" in text_of(here.me.post("/stations/set", {**form, "shows": "all"}))
        assert text(here) == before
        wanted = {**form, "backup": "wok", "copies": "3", "rule_was": shown, "rule": shown[:1]}
        save(here, "/stations/set", wanted)
        gone, new = differs(before, text(here))
        assert len(gone) == len(new) == 1
        drinks = load(here.config_path).stations[1]
        assert (drinks.backup, drinks.copies, drinks.match) == ("wok", 3, Match(category=["热饮"]))
        save(here, "/stations/set", {**form, "shows": "all", "template": "expo", "rule_was": shown[:1]})
        drinks = load(here.config_path).stations[1]
        assert (drinks.shows, drinks.template, drinks.match, drinks.copies) == ("all", "expo", Match(), 1)
        assert "印整张单" in text_of(here.me.get("/stations"))


@pytest.mark.parametrize(
    "fields",
    [
        {"printer": "nobody"},
        {"backup": "nobody"},
        {"copies": "0"},
        {"copies": "many"},
        {"template": "nothing"},
        {"template": "alarm"},
        {"template": "../kitchen"},
    ],
)
def test_what_no_form_offers_is_refused(tmp_path: Path, fields: dict[str, str]) -> None:
    """A forged form: the configuration's own rules have the last word, and nothing is written."""
    with window(tmp_path) as here:
        before = text(here)
        answer = here.me.post("/stations/set", {"station": "drinks", "printer": "bar", **fields})
        assert answer.status == 409
        assert "没有保存" in text_of(answer)
        assert text(here) == before
        assert here.restarts == 0


def test_another_one_becomes_the_default(tmp_path: Path) -> None:
    """Only one is, and it can neither go nor print whole orders."""
    with window(tmp_path) as here:
        form = {"station": "drinks", "printer": "bar"}
        save(here, "/stations/set", {**form, "default": "true"})
        assert [each.default for each in load(here.config_path).stations] == [False, True]
        refused = here.me.post("/stations/remove", {"station": "drinks"})
        assert refused.status == 409
        assert "默认档口不能删" in text_of(refused)
        assert "不能印整单" in text_of(here.me.post("/stations/set", {**form, "shows": "all"}))
        save(here, "/stations/remove", {"station": "wok"})
        here.order(703, items=[STICK])
        assert here.on_paper(703, "bar")


def test_a_new_name_keeps_the_rules_and_the_tickets(tmp_path: Path) -> None:
    """A ticket that waits comes out where it would have, under the new name."""
    with window(tmp_path) as here:
        here.me.post("/printers/do", {"what": "pause", "printer": "bar"})
        here.order(701, items=[SOY])
        for name in ("", "吧 台", "wok"):
            assert here.me.post("/stations/rename", {"station": "drinks", "name": name}).status == 409
        save(here, "/stations/rename", {"station": "drinks", "pick": "吧台"})
        assert load(here.config_path).stations[1].name == "吧台"
        assert load(here.config_path).stations[1].match == Match(category=["热饮", "冷饮"])
        assert here.me.get("/stations/edit?station=drinks").status == 404
        here.me.post("/printers/do", {"what": "resume", "printer": "bar"})
        (ticket,) = here.on_paper(701, "bar")
        assert "吧台" in ticket.text


def test_the_tickets_of_one_that_goes_are_printed_all_the_same(tmp_path: Path) -> None:
    """Its dishes go to the default station, and so does what waits: nothing is lost."""
    with window(tmp_path) as here:
        here.me.post("/printers/do", {"what": "pause", "printer": "bar"})
        here.order(701, items=[SOY])
        page = here.me.get("/stations/edit?station=drinks").body.decode()
        confirm = re.search(r'hx-confirm="([^"]*)"', page)
        assert confirm is not None
        assert "wok" in confirm[1]
        save(here, "/stations/remove", {"station": "drinks"})
        assert here.on_paper(701, "wok")


def test_feieyun_s_printers_keep_their_station(tmp_path: Path) -> None:
    """An integration that prints there: it follows a new name, and holds a station that should go."""
    with window(tmp_path) as here:
        (here.folder / "ukey").write_text("a-ukey-of-the-shop")
        feie = "feie: {user: a, ukey_file: ukey, printers: [{sn: '9225', station: drinks}]}"
        here.config_path.write_text(text(here).replace("token_file: token}", f"token_file: token, {feie}}}"), "utf-8")
        here.restart()
        refused = here.me.post("/stations/remove", {"station": "drinks"})
        assert refused.status == 409
        assert "9225" in text_of(refused)
        save(here, "/stations/rename", {"station": "drinks", "name": "吧台"})
        console = load(here.config_path).console
        assert not isinstance(console, str)
        assert console.feie is not None
        assert console.feie.printers[0].station == "吧台"


# -- the journal -------------------------------------------------------------------------------------------------------


def _enter(journal: Journal, count: int, names: int) -> None:
    """So many orders of two dishes each, and a ping between them."""

    def work(tx: Any) -> None:
        for n in range(count):
            tx.execute(
                "INSERT INTO orders (pk, channel, order_id, number, rev, state) VALUES (?,'t',?,?,1,'printed')",
                (n + 1, f"o{n}", str(n)),
            )
            items = [{"name": f"菜{(n + i) % names}", "qty": 1, "children": [{"name": "蛋", "qty": 1}]} for i in (0, 1)]
            order = {"id": f"o{n}", "rev": 1, "channel": "t", "items": items}
            tx.execute(
                "INSERT INTO events (source, id, digest, order_pk, rev, kind, payload, received_at) "
                "VALUES ('s',?,'d',?,1,'upsert',?,'t')",
                (f"e{n}", n + 1, json.dumps({"order": order}).encode()),
            )
            tx.execute(
                "INSERT INTO events (source, id, digest, kind, payload, received_at) "
                "VALUES ('s',?,'d','ping','{}','t')",
                (f"p{n}",),
            )

    journal.write(work)


@pytest.mark.parametrize(("names", "found"), [(7, 8), (100_000, 300)])
def test_only_the_newest_orders_are_looked_at(tmp_path: Path, names: int, found: int) -> None:
    """However many there ever were: by the events' key, and no more than is shown."""
    journal = Journal(tmp_path / "journal.db")
    journal.start()
    try:
        _enter(journal, 4000, names)
        plan = journal.write(
            lambda tx: tx.execute(
                "EXPLAIN QUERY PLAN SELECT order_pk, payload FROM events "
                "WHERE pk > (SELECT max(pk) FROM events) - 3000 AND kind = 'upsert' ORDER BY pk DESC"
            ).fetchall()
        )
        assert any("INTEGER PRIMARY KEY" in row[3] for row in plan)
        assert not any("SCAN events" in row[3] or "TEMP B-TREE" in row[3] for row in plan)
        dishes = journal.write(recent_dishes)
        assert len(dishes) == found
        assert max(dish.orders for dish in dishes) <= MOST_ORDERS
        assert next(dish for dish in dishes if dish.name == "蛋").within is not None
    finally:
        journal.stop(5)


# -- in a browser ------------------------------------------------------------------------------------------------------


@needs_chromium
def test_dragged_by_touch_or_mouse_and_saved_on_a_phone(tmp_path: Path) -> None:
    """A dish is dragged to a station's button, a category ticked and tapped there; saved, the page comes back by
    itself, and the paper follows. Whoever can't drag finds nothing missing.
    """
    with window(tmp_path) as here:
        here.order(7001, items=[SOY, BUN, ROLL, STICK])
        with phone(here.port, tmp_path, session=here.me.session) as there:
            page = there.go("/stations")
            grip = page.locator(".dish", has_text="油条").locator(".grip")
            grip.scroll_into_view_if_needed()
            start, end = grip.bounding_box(), page.locator("button[name=to][value=drinks]").bounding_box()
            assert start is not None
            assert end is not None
            page.mouse.move(start["x"] + 10, start["y"] + 10)
            page.mouse.down()
            page.mouse.move(end["x"] + 20, end["y"] + 10, steps=4)
            assert page.locator("button.over").inner_text() == "drinks"
            page.mouse.up()
            page.get_by_text("这 1 道菜以后由 drinks 做：油条").wait_for()
            page.locator("legend", has_text="点心").get_by_role("checkbox").check()
            assert page.locator("#chosen").inner_text() == "选中 2 项，移到："
            page.locator("button[name=to][value=drinks]").press("Enter")
            page.get_by_text("这 3 道菜以后由 drinks 做").wait_for()
            assert page.evaluate("document.activeElement.id") == "plan"
            assert there.serious() == []
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            assert here.restarts == 0
            page.locator("#save-plan").click()
            page.get_by_text("正在重启").wait_for()
            here.until(lambda: here.restarts == 1, "the new start")
            page.locator("section[data-station=drinks]", has_text="小笼包").wait_for()
            page.locator("#save-plan").wait_for(state="detached")
        assert load(here.config_path).stations[1].match == Match(category=["热饮", "冷饮", "点心"], name=["油条"])
        here.order(7002, items=[STICK])
        assert here.on_paper(7002, "bar")


@needs_chromium
@pytest.mark.parametrize("size", [PHONE, TABLET], ids=["phone", "tablet"])
def test_a_station_without_a_printer_is_red_and_named_above_the_bar(tmp_path: Path, size: tuple[int, int]) -> None:
    """Its card says so, and the line at the top does where the card is below the screen's edge."""
    more = """\
stations:
  - {name: wok, printer: wok, default: true}
  - {name: drinks, printer: bar, match: {category: [热饮]}}
  - {name: cold, match: {category: [点心]}}
  - {name: pass, shows: all}
"""
    with window(tmp_path, more=more) as here, phone(here.port, tmp_path, size, session=here.me.session) as there:
        here.order(7001, items=[SOY, BUN, STICK])
        page = there.go("/stations")
        said = page.locator(".said.bad", has_text="没有打印机，小票会等着：cold、pass")
        top, bar = said.bounding_box(), page.locator(".dock").bounding_box()
        assert top is not None
        assert bar is not None
        assert top["y"] + top["height"] <= bar["y"]
        red = "rgb(198, 40, 40)"
        for station, colour in (("cold", True), ("pass", True), ("drinks", False)):
            card = page.get_by_role("region", name=station, exact=True)
            assert (card.evaluate("it => getComputedStyle(it).borderLeftColor") == red) == colour
            assert (card.get_by_text("✗ 没有打印机").count() == 1) == colour
        assert there.serious() == []
        said.get_by_role("link", name="cold").click()
        page.get_by_role("heading", name="cold").wait_for()


@needs_chromium
@pytest.mark.parametrize(("size", "language"), [(PHONE, "zh-CN"), (DESK, "en-GB")])
def test_everybody_can_use_each_page(tmp_path: Path, size: tuple[int, int], language: str) -> None:
    """Axe finds nothing serious, nothing is wider than the screen, and what is touched is large enough for a finger."""
    small = (
        "[...document.querySelectorAll('main a[role=button], main button, main .dish, main .chips label')]"
        ".filter((it) => it.offsetParent && it.getBoundingClientRect().height < 43).map((it) => it.outerHTML)"
    )
    with window(tmp_path) as here:
        here.order(7001, items=[SOY, BUN, STICK])
        here.me.post("/printers/do", {"what": "pause", "printer": "bar"})
        with phone(here.port, tmp_path, size, language, here.me.session) as there:
            for path in (
                *("/stations", "/stations/add", "/stations/edit?station=drinks", "/printers", "/printers/find"),
                *(
                    "/printers/add?link=serial:///dev/ttyUSB0",
                    "/printers/settings?printer=wok",
                    "/printers/paper?printer=wok",
                ),
            ):
                page = there.go(path)
                assert there.serious() == [], path
                assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
                assert page.evaluate(small) == [], path
