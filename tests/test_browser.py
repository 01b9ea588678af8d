"""The window as a person in the shop uses it, on a phone: from the claim to bumped, and over outages."""

import json
import os
import re
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from agent.config.pairing import Pairing, make_token
from agent.console.access import Access
from agent.simulator.ports import serve_tcp
from agent.simulator.printer import PrinterSpec, VirtualPrinter
from agent.simulator.stage import Mosquitto, free_port
from tests.browser import DESK, PHONE, needs_chromium, phone
from tests.scan import scan_piece
from tests.test_access import code_on
from tests.test_firstrun import agent, until_up, welcome
from tests.window import PIN, STATIONS, ShopWindow, text_of, window

if TYPE_CHECKING:
    from playwright.sync_api import Route

pytestmark = [needs_chromium, pytest.mark.timeout(300)]
PAGES = ("/", "/tickets", "/late", "/kitchen", "/printers", "/stations", "/templates", "/day", "/setup", "/log")
TRUST = STATIONS + "intake: {clock: trust, max_age_min: 15}\n"
SHOTS = os.environ.get("SHOP_AGENT_SCREENSHOTS", "")


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ShopWindow]:
    """A shop in which something has happened."""
    with window(tmp_path_factory.mktemp("busy"), more=TRUST) as shop:
        for number in range(1, 6):
            drink = {"name": "豆浆", "qty": "2", "category": "热饮", "note": "不要糖"}
            shop.order(number, items=[{"name": "鲜肉小笼包", "qty": 12}, drink])
        shop.wait_ticket(5)
        shop.order(6, placed_at=(datetime.now(UTC) - timedelta(minutes=40)).isoformat(), table="7")
        shop.until(shop.alarms, "the alarm")
        yield shop


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("language", ["zh-CN", "en-GB"])
def test_a_page_keeps_nobody_out(busy: ShopWindow, tmp_path: Path, path: str, language: str) -> None:
    """axe finds nothing serious; nothing is wider than the phone; no page says anything on its console."""
    with phone(busy.port, tmp_path, PHONE, language, busy.me.session) as there:
        page = there.go(path)
        page.wait_for_load_state("load")
        if SHOTS:
            page.screenshot(path=f"{SHOTS}/{path.strip('/') or 'now'}-{language[:2]}.png", full_page=True)
        assert there.serious() == []
        too_wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert too_wide <= 0, f"{path} is {too_wide} px too wide"


@pytest.mark.parametrize("path", [*PAGES, "/stations/add"])
def test_the_menu_looks_like_one_on_every_page(busy: ShopWindow, path: str) -> None:
    assert "☰ 菜单" in text_of(busy.me.get(path))
    assert "☰ Menu" in text_of(busy.me.get(path, accept_language="en"))


_CROSSING = """() => [...document.querySelectorAll("main article *, main li *, main section *")].filter((it) => {
  const box = it.closest("article, li, section").getBoundingClientRect(), words = document.createRange();
  words.selectNodeContents(it);
  if (!it.checkVisibility() || it.closest(".wide") || it.querySelector(".wide")) return false;  // that scrolls
  return words.getBoundingClientRect().right > box.right + 1;
}).map((it) => it.outerHTML)"""
_BROKEN = """() => [...document.querySelectorAll(".tile strong")].filter((it) => {
  const words = document.createRange();
  words.selectNodeContents(it);
  return words.getClientRects().length > it.textContent.trim().split(" ").length;
}).map((it) => it.textContent)"""


@pytest.mark.parametrize("path", ["/", "/late", "/stations", "/templates", "/setup", "/day"])
def test_an_english_page_fits_its_cards_and_has_no_chinese_marks(busy: ShopWindow, tmp_path: Path, path: str) -> None:
    """On a phone no line runs over its card, and no word of a tile is broken."""
    with phone(busy.port, tmp_path, PHONE, "en-GB", busy.me.session) as there:
        page = there.go(path)
        if path == "/":
            page.evaluate("document.querySelector('.tile strong').textContent = 'connected'")
        assert page.evaluate(_CROSSING) == []
        assert page.evaluate(_BROKEN) == []
        assert not re.search("[、，：（）。；]", page.inner_text("main"))


@pytest.mark.parametrize("path", ["/", "/sign-in", "/claim"])
def test_so_do_those_before_the_door(busy: ShopWindow, tmp_path: Path, path: str) -> None:
    with phone(busy.port, tmp_path) as there:
        there.go(path)
        assert there.serious() == []


@pytest.mark.parametrize("known", ["Asia/Shanghai", "Mars/Olympus"])
def test_times_are_the_shops_wherever_the_phone_is(busy: ShopWindow, tmp_path: Path, known: str) -> None:
    """As paper has them; the phone's own, here UTC, where its browser does not know the shop's zone."""

    def serve(route: "Route") -> None:
        found = route.fetch()
        assert 'data-zone="Asia/Shanghai"' in found.text()
        route.fulfill(response=found, body=found.text().replace("Asia/Shanghai", known))

    with phone(busy.port, tmp_path, DESK, "en-GB", busy.me.session, zone="UTC") as there:
        there.page.route("**/tickets", serve)
        page = there.go("/tickets")
        at = datetime.fromisoformat(page.get_attribute(".slip time", "data-at") or "")
        shown = at.astimezone(ZoneInfo(known) if known != "Mars/Olympus" else UTC)
        assert page.inner_text(".slip time")[-5:] == f"{shown:%H:%M}"


def test_a_forgotten_pin(tmp_path: Path) -> None:
    """What somebody does who has lost the PIN, without a laptop."""
    with window(tmp_path) as shop, phone(shop.port, tmp_path) as there:
        page = there.go("/setup")
        page.click("text=忘了密码")
        page.click("text=打印代码")
        page.wait_for_selector("text=代码正在 wok 上打印")
        shop.on_paper("WELCOME")
        page.fill("#code", code_on(shop.devices["wok"]))
        page.fill("input[name=pin]", "998877")
        page.fill("input[name=again]", "998877")
        page.click("text=完成")
        page.wait_for_selector("text=一切正常")
        assert shop.access.is_pin("998877")
        assert not shop.access.is_pin(PIN)


def test_what_happens_is_on_the_screen_without_a_tap(tmp_path: Path) -> None:
    """The page hears of a commit; how long that takes is `scripts/bench console`'s to say."""
    with window(tmp_path) as shop, phone(shop.port, tmp_path, session=shop.me.session) as there:
        page = there.go("/")
        page.wait_for_selector("text=一切正常")
        shop.devices["wok"].open_cover()
        shop.order(7)
        page.wait_for_selector(".well.trouble")
        assert "wok" in page.inner_text("#board")
        shop.devices["wok"].close_cover()
        page.wait_for_selector(".well.well")
        shop.on_paper(7)


def test_a_page_says_when_the_box_is_gone_and_when_it_is_back(tmp_path: Path) -> None:
    with window(tmp_path) as shop, phone(shop.port, tmp_path, DESK, session=shop.me.session) as there:
        page = there.go("/")
        page.wait_for_selector("text=一切正常")
        port = shop.port
        shop.stop()
        page.wait_for_selector("#lost:not([hidden])")
        again = ShopWindow(shop.folder, shop.devices, shop.config_path.read_text(), port)
        again.start()
        try:
            page.wait_for_selector("#lost", state="hidden")
        finally:
            again.stop()
        shop.stop = lambda: None  # type: ignore[method-assign]


@pytest.mark.parametrize("path", ["/kitchen", "/stations/add"])
def test_a_tap_that_the_box_does_not_answer_is_said_to_be_lost(busy: ShopWindow, tmp_path: Path, path: str) -> None:
    """At once, above whatever is looked at, with what to do; on a page that hears the box and on one that does not. A
    tap that is answered takes it away.
    """
    with phone(busy.port, tmp_path, PHONE, session=busy.me.session) as there:
        page = there.go(path)
        page.route("**/*", lambda route: route.abort() if route.request.method == "POST" else route.continue_())
        page.locator("main form button[type=submit]").last.click()
        page.wait_for_selector("#lost:has-text('请看盒子电源和手机 Wi-Fi')")
        assert page.evaluate("document.getElementById('lost').getBoundingClientRect().top") >= 0
        page.unroute_all()
        page.locator("main form button[type=submit]").last.click()
        page.wait_for_selector("#lost", state="hidden")


def test_the_words_are_the_readers(tmp_path: Path) -> None:
    with window(tmp_path) as shop, phone(shop.port, tmp_path, DESK, "en-GB", shop.me.session) as there:
        page = there.go("/")
        page.wait_for_selector("text=All is well")
        page.click("button:has-text('中文')")
        page.wait_for_selector("text=一切正常")
        page.reload()
        page.wait_for_selector("text=一切正常")


def test_the_whole_first_run_with_a_phone_and_no_keyboard_at_the_box(tmp_path: Path) -> None:
    """Switch it on; scan the ticket; a PIN; the shop's code; a demo order; the cloud's token."""
    port = free_port()
    with (
        Mosquitto(tmp_path / "broker") as cloud,
        VirtualPrinter(PrinterSpec()) as paper,
        serve_tcp(paper) as line,
        agent(tmp_path, "--printer", str(line.link), "--listen", f"127.0.0.1:{port}"),
    ):
        assert paper.wait_for(lambda _: bool(welcome(paper)), 20)
        (link,) = [each.text for each in scan_piece(welcome(paper)[0]) if "/claim" in each.text]
        with phone(port, tmp_path) as there:
            page = there.go(link[link.index("/claim") :])
            page.fill("input[name=pin]", PIN)
            page.fill("input[name=again]", PIN)
            page.click("text=完成")
            page.wait_for_selector("#steps")
            page.fill("input[name=shop]", "s421")
            page.click("#step-shop button")
            page.wait_for_selector("#steps li.done:has-text('给店铺一个编号')")
            page.click("text=打印示例订单")
            page.wait_for_selector("#steps li.done:has-text('试打一单')")
            assert paper.wait_for(lambda _: any("豆浆" in piece.text for piece in paper.paper.pieces), 20)
            token = make_token(Pairing("s421", f"mqtt://127.0.0.1:{cloud.port}"))
            page = there.go(f"/setup?again=1#pair={token}")
            assert page.input_value("#token") == token
            assert token not in page.url
            page.click("#step-cloud button[type=submit]")
            page.wait_for_selector("#steps li.done:has-text('连上云端')")
            page = there.go("/")
            page.wait_for_selector(".tile.good:has-text('云端')")
        assert len(welcome(paper)) == 1


def test_no_paper_is_seen_told_and_over(tmp_path: Path) -> None:
    """From the red page with what to do, to the ticket on paper, without a tap."""
    with window(tmp_path) as shop, phone(shop.port, tmp_path, session=shop.me.session) as there:
        page = there.go("/")
        page.wait_for_selector("text=一切正常")
        shop.devices["wok"].run_out_of_paper()
        shop.order(11)
        page.wait_for_selector(".well.trouble")
        page.wait_for_selector(".tile.bad:has-text('缺纸')")
        assert "纸" in page.inner_text(".alarm.grave")
        assert "#11" in there.go("/tickets?only=open").inner_text("#board")
        page = there.go("/")
        shop.devices["wok"].load_paper()
        page.wait_for_selector(".well.well")
        shop.on_paper(11)


def test_an_outage_of_a_printer_and_its_recovery(tmp_path: Path) -> None:
    with window(tmp_path) as shop, phone(shop.port, tmp_path, session=shop.me.session) as there:
        page = there.go("/")
        page.wait_for_selector("text=一切正常")
        shop.devices["bar"].power_off()
        shop.order(12, items=[{"name": "豆浆", "qty": 1, "category": "热饮"}])
        page.wait_for_selector(".tile.bad:has-text('bar')")
        shop.devices["bar"].power_on()
        page.wait_for_selector(".well.well", timeout=40_000)
        shop.on_paper(12, "bar")


def test_a_box_that_hangs_is_not_green(tmp_path: Path) -> None:
    """Nothing is refused, nothing is said: after a while the page says that it is old."""
    port = free_port()
    (tmp_path / "data").mkdir()
    access = Access(tmp_path / "data")
    access.choose_pin(access.issue_code(), PIN)
    with agent(tmp_path, "--printer", "virtual://front", "--listen", f"127.0.0.1:{port}") as box:
        until_up(port)
        with phone(port, tmp_path, session=access.sign_in()) as there:
            page = there.go("/")
            page.wait_for_selector(".well")
            box.send_signal(signal.SIGSTOP)
            try:
                page.wait_for_selector("#lost:not([hidden])", timeout=40_000)
            finally:
                box.send_signal(signal.SIGCONT)
            page.wait_for_selector("#lost", state="hidden", timeout=40_000)


def test_a_new_owner_is_led_on_and_a_box_without_printers_is_not_green(tmp_path: Path) -> None:
    port = free_port()
    with agent(tmp_path, "--listen", f"127.0.0.1:{port}"), phone(port, tmp_path) as there:
        until_up(port)
        code = Access(tmp_path / "data").tell_code()
        page = there.go("/")
        page.wait_for_selector(".well.trouble")
        assert "没有打印机" in page.inner_text("#board")
        page = there.go(f"/claim?code={code}")
        page.fill("input[name=pin]", PIN)
        page.fill("input[name=again]", PIN)
        page.click("text=完成")
        page.wait_for_selector("#steps")
        assert page.url.endswith("/setup")


_HEARD = """() => {
  window.said = []; window.tones = 0; window.locks = 0;
  speechSynthesis.speak = (what) => window.said.push([what.lang, what.text]);
  window.AudioContext = class { constructor() { this.currentTime = 0; this.destination = {}; }
    createOscillator() { window.tones++; return {frequency: {}, connect: (to) => to, start() {}, stop() {}}; }
    createGain() { return {gain: {}, connect: (to) => to}; } };
  Object.defineProperty(navigator, "wakeLock", {value: {request: async () => {
    window.locks++; return {addEventListener() {}, release: async () => { window.locks--; }}; }}});
}"""


@pytest.mark.parametrize(("language", "words"), [("zh-CN", "您有新订单，A7号"), ("en-GB", "New order, number A7")])
def test_an_order_is_spoken_where_somebody_wants_it(tmp_path: Path, language: str, words: str) -> None:
    """A tap turns it on for this phone, and it stays on; an alarm is told with three tones; the screen is kept on."""
    with window(tmp_path) as shop, phone(shop.port, tmp_path, DESK, language, shop.me.session) as there:
        there.page.add_init_script(f"({_HEARD})()")
        page = there.go("/")
        page.wait_for_selector(".well.well")
        shop.order("A6")
        shop.until(lambda: "A6" in (page.text_content("#spoken") or ""), "the news")
        assert page.evaluate("window.said") == [], "nobody asked for it"
        page.check("#voice")
        page.check("#awake")
        page.reload()
        page.wait_for_selector(".well.well")
        shop.until(lambda: page.evaluate("window.locks") == 1, "the screen to be kept on")
        shop.order("A7")
        shop.until(lambda: len(page.evaluate("window.said")) == 1, "the voice")
        assert page.evaluate("window.said") == [[language, words]]
        before = page.evaluate("window.tones")
        shop.devices["wok"].open_cover()
        shop.order("A8")
        shop.until(lambda: len(page.evaluate("window.said")) >= 3, "the alarm's voice")
        assert page.evaluate("window.tones") >= before + 4
        shop.devices["wok"].close_cover()
        page.uncheck("#awake")
        shop.until(lambda: page.evaluate("window.locks") == 0, "the screen to be let go")


def test_it_can_be_put_on_the_home_screen(tmp_path: Path) -> None:
    """Chromium finds the manifest whole: name, icons, where it starts."""
    with window(tmp_path) as shop, phone(shop.port, tmp_path, session=shop.me.session) as there:
        page = there.go("/")
        told = there.context.new_cdp_session(page).send("Page.getAppManifest")
        assert told["errors"] == []
        manifest = json.loads(told["data"])
        assert (manifest["start_url"], manifest["display"]) == ("/", "standalone")
        for icon in manifest["icons"]:
            assert shop.anybody.get(icon["src"]).status == 200
