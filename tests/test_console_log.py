"""The page of the log: the last lines, who did what, and the support bundle."""

import io
import logging
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from agent import log
from agent.cli import cli
from agent.config.changes import Setting
from agent.console.logbook import WORDS, matching
from agent.console.settingwords import EVENTS, said
from agent.lastlines import LastLines, Line
from agent.model.job import JobState
from agent.people import FILE, People, deeds
from agent.spool.ownfiles import digest
from tests.browser import needs_chromium, phone
from tests.window import PIN, ShopWindow, text_of, window

_log = log.get("test")


@pytest.fixture(autouse=True, scope="module")
def told() -> Iterator[None]:
    """As the agent is run: from `info` on."""
    logger = logging.getLogger("agent")
    before = logger.level
    logger.setLevel(logging.INFO)
    yield
    logger.setLevel(before)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ShopWindow]:
    """A shop."""
    with window(tmp_path_factory.mktemp("log")) as shop:
        yield shop


# -- the lines -----------------------------------------------------------------------------------------------------


def test_the_newest_line_stands_first(shop: ShopWindow) -> None:
    _log.info("test.first", n=1)
    _log.error("test.second", n=2)
    page = text_of(shop.me.get("/log?show=lines"))
    assert page.index("test.second n=2") < page.index("test.first n=1") < page.index("app.started")
    assert "✗ 错误 test.second" in page
    assert "✗ error test.second" in text_of(shop.me.get("/log?show=lines", accept_language="en"))


def test_lines_by_level_and_word(shop: ShopWindow) -> None:
    _log.info("test.plain", printer="wok")
    _log.warning("test.doubtful", printer="wok")
    _log.error("test.wrong", printer="Bar 二")
    for path in ("/log", "/log/board"):
        warnings = text_of(shop.me.get(f"{path}?level=warning"))
        assert "test.doubtful" in warnings
        assert "test.wrong" in warnings
        assert "test.plain" not in warnings
        assert "test.doubtful" not in text_of(shop.me.get(f"{path}?level=error"))
        named = text_of(shop.me.get(f"{path}?show=lines&word=bar%20%E4%BA%8C"))
        assert "test.wrong" in named
        assert "test.plain" not in named
    assert "没有这样的行" in text_of(shop.me.get("/log?word=nobody-ever-said-this&level=error"))
    page = shop.me.get("/log?level=error&word=a%26b%22").body.decode()
    assert 'hx-get="/log/board?show=lines&amp;level=error&amp;word=a%26b%22"' in page, "the part asks for the same"
    assert 'value="a&amp;b&#34;"' in page


def test_no_secret_and_no_markup_gets_out(shop: ShopWindow) -> None:
    _log.warning("test.secret", password="hunter2", url="mqtts://me:hunter2@broker", token="hunter2")
    _log.warning("test.script", note="<script>alert(1)</script>")
    try:
        raise ValueError("<i>mqtt://you:hunter2@h</i>")
    except ValueError:
        _log.exception("test.broken")
    page = shop.me.get("/log?show=lines").body.decode()
    assert "hunter2" not in page
    assert "test.secret" in page
    assert "<script>alert" not in page
    assert "<i>" not in page
    assert "详情" in page
    assert "raise ValueError" in page


@needs_chromium
@pytest.mark.timeout(120)
def test_new_lines_come_by_themselves(shop: ShopWindow, tmp_path: Path) -> None:
    """Those that the filter lets through; a traceback that somebody opened stays open."""
    with phone(shop.port, tmp_path, session=shop.me.session) as there:
        try:
            raise ValueError("to be looked at")
        except ValueError:
            _log.exception("test.opened")
        page = there.go("/log?show=lines&level=warning")
        page.click("li:has-text('test.opened') summary")
        _log.info("test.quiet")
        _log.warning("test.loud")
        page.wait_for_selector("text=test.loud")
        assert "test.quiet" not in page.inner_text("#log-board")
        assert "to be looked at" in page.inner_text("li:has-text('test.opened') pre")
        assert there.serious() == []


def test_odd_filters_are_none(shop: ShopWindow) -> None:
    for query in ("level=nonsense", "show=nonsense", "word=" + "x" * 5000, "level=%00", "word=%FF"):
        assert shop.me.get(f"/log?{query}").status == 200


def test_a_level_and_what_is_above_it() -> None:
    lines = [Line(n, "", level, "e", {}, level) for n, level in enumerate(("info", "warning", "error", "critical"), 1)]
    assert [line.n for line in matching(lines, "warning", "")] == [4, 3, 2]
    assert [line.n for line in matching(lines, "", "")] == [4, 3, 2, 1]
    assert [line.n for line in matching(lines, "", "WARN")] == [2]


# -- who did what --------------------------------------------------------------------------------------------------


def test_who_did_what_and_when_outlives_a_new_start(tmp_path: Path) -> None:
    with window(tmp_path) as shop:
        assert shop.anybody.post("/sign-in", {"pin": "000000"}).status == 403
        assert shop.anybody.post("/sign-in", {"pin": PIN}).status == 303
        shop.order(7)
        shop.wait_ticket(7)
        assert shop.me.do("reprint", order="7").status == 200
        assert shop.me.post("/setup/shop", {"language": "zh"}).status == 200
        assert shop.me.do("ready", order="7").status in (200, 409), "the kitchen's page shows these"
        for _ in range(2):
            page = text_of(shop.me.get("/log"))
            for words in ("console.pin_wrong", "console.signed_in", "control.reprint_asked", "config.changed"):
                assert f"{WORDS[words][0]} " in page, page
            assert "console 127.0.0.1" in page
            assert "order=7" in page
            assert "小票语言" in page
            assert "中文和英文" not in page.partition("小票语言")[0]
            assert page.index(WORDS["config.changed"][0]) < page.index(WORDS["control.reprint_asked"][0])
            assert PIN not in page
            assert "000000" not in page
            shop.restart()
        english = text_of(shop.me.get("/log?show=people", accept_language="en"))
        assert "asked for a reprint" in english
        assert "changed settings" in english
        assert "补打" not in english
        only = text_of(shop.me.get("/log/board?show=people&word=Order%3D7"))
        assert WORDS["control.reprint_asked"][0] in only
        assert WORDS["console.signed_in"][0] not in only
        assert "control.order_ready" not in (tmp_path / "data" / FILE).read_text()


def test_an_order_that_somebody_brought_is_told_by_what_became_of_it(tmp_path: Path) -> None:
    """Printed, there before, or refused and where it is wrong; no numbers of the agent's own."""
    with window(tmp_path) as shop:
        good, wrong = '{"no":"6","items":[{"name":"豆浆","qty":"1"}]}', '{"no":"7","items":[{"nam":"豆浆","qty":"1"}]}'
        command = ["print", "-", "--config", str(shop.config_path)]
        for order in (good, wrong):
            CliRunner().invoke(cli, command, input=order)
        page = text_of(shop.me.get("/log"))
        refused, printed = (
            page.index("送来一张单，被拒绝：$.data.order.items[0].name"),
            page.index("打印了一张自己的单"),
        )
        assert refused < printed
        for raw in ("event=", "verdict=", "path=", "event_refused"):
            assert raw not in page
        english = text_of(shop.me.get("/log", accept_language="en"))
        assert "brought an order, which was refused: $.data.order.items[0].name" in english


def test_a_template_that_was_changed_is_among_it(shop: ShopWindow) -> None:
    text = "{% extends 'shipped/label.j2' %}\n"
    assert shop.me.post("/templates/save", {"name": "cup", "text": text, "was": ""}).status == 200
    assert shop.me.post("/templates/save", {"name": "cup", "text": text + " ", "was": digest(text)}).status == 200
    assert shop.me.post("/templates/remove", {"name": "cup"}).status == 204
    page = text_of(shop.me.get("/log?show=people"))
    told = [f"{WORDS[f'template.{what}'][0]} console 127.0.0.1 file=cup.j2" for what in ("removed", "changed", "made")]
    assert [page.index(each) for each in told] == sorted(page.index(each) for each in told)


def test_settings_are_told_in_words() -> None:
    """No YAML, for what a page can change; what has no word stands as it is."""
    told = {
        Setting(field="printers[吧台].width", was="48", now="32"): ("打印机 吧台：纸宽（字）", "48", "32"),
        Setting(field="printers[bar]", now="{name: bar, link: 'tcp://10.0.0.9'}"): ("打印机 bar", "", "新增"),
        Setting(field="stations[凉菜]", was="{name: 凉菜}"): ("档口 凉菜", "", "删去"),
        Setting(field="stations[bar].match.category", now="[冷饮, 热饮]"): ("档口 bar：做这些分类", "", "冷饮、热饮"),
        Setting(field="printers[a].name", was="kitchen", now="all"): ("打印机 a：名字", "kitchen", "all"),
        Setting(field="intake.old", was="ask", now="print"): ("迟到订单", "问人", "直接打印"),
        Setting(field="data_dir", now="./data"): ("数据文件夹", "", "./data"),
        Setting(field="console", now='{listen: "0.0.0.0:8480"}'): ("手机页面", "", "新增"),
        Setting(field="intake.lead_min", now="30"): ("intake.lead_min", "", "30"),
    }
    found = {each: said(each) for each in told}
    assert {each: (it.field[0], it.was[0], it.now[0]) for each, it in found.items()} == told


def test_the_commonest_lines_have_words(shop: ShopWindow) -> None:
    """Each is an event that the agent logs; the log's own word stands beside it."""
    shop.order(3)
    shop.wait_ticket(3)
    assert "小票已打出 spool.ticket_completed" in text_of(shop.me.get("/log?show=lines"))
    source = "".join(file.read_text() for file in Path("agent").rglob("*.py") if file.name != "settingwords.py")
    states = {f"spool.ticket_{state}" for state in JobState} | {"intake.duplicate_dropped", "intake.stale_dropped"}
    for event in EVENTS:
        word = event.removeprefix("intake.")  # those are verdicts
        assert event in states or f'"{word}"' in source, event


def test_other_lines_never_wait_for_the_file(tmp_path: Path) -> None:
    """A printer's thread writes nothing there, and is not held up while somebody's deed is written."""
    people = People(tmp_path)
    lines = LastLines(people)
    with lines.listening():
        people.acquire()  # somebody's deed is being written, on a slow disk
        try:
            _log.info("spool.ticket_completed", printer="wok", by="nobody")
            _log.info("console.opened", address="1.2.3.4")
        finally:
            people.release()
        assert [line.event for line in lines.last(2)] == ["spool.ticket_completed", "console.opened"]
        _log.info("control.printer_paused", by="console 10.0.0.2", printer="wok", password="hunter2", reason=None)
        _log.info("console.signed_in", address="10.0.0.3")
    _log.info("control.printer_paused", by="after the end")
    found = deeds(tmp_path)
    assert [(each.what, each.by, each.fields) for each in found] == [
        ("console.signed_in", "10.0.0.3", {}),
        ("control.printer_paused", "console 10.0.0.2", {"printer": "wok", "password": "***"}),
    ]


def test_half_a_line_and_a_full_disk_cost_nothing(tmp_path: Path) -> None:
    with LastLines(People(tmp_path)).listening():
        _log.info("console.signed_in", address="10.0.0.3")
        with (tmp_path / FILE).open("ab") as file:
            file.write(b'{"at":"2026')
    assert [each.by for each in deeds(tmp_path)] == ["10.0.0.3"]
    for gone in (tmp_path / "nowhere", tmp_path / FILE):
        with LastLines(People(gone)).listening():
            _log.info("console.signed_in", address="10.0.0.4")
        assert deeds(gone) == []


def test_the_file_does_not_grow_for_ever(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b'{"at":"2026-11-22T00:00:00Z","by":"x","what":"console.signed_in"}\n' * 5000)
    with LastLines(People(tmp_path)).listening():
        _log.info("console.signed_in", address="10.0.0.3")
    assert (tmp_path / FILE).stat().st_size < 256 * 1024
    assert deeds(tmp_path, 1)[0].by == "10.0.0.3"
    assert len(deeds(tmp_path, 50)) == 50


# -- the support bundle --------------------------------------------------------------------------------------------


def test_the_bundle_is_made_and_taken_away(tmp_path: Path) -> None:
    with window(tmp_path) as shop:
        assert shop.me.get("/log/bundle.zip").status == 404
        (tmp_path / "data" / "bundles").mkdir()
        (tmp_path / "data" / "bundles" / "secret.txt").write_text("not a bundle")
        assert shop.me.get("/log/bundle.zip").status == 404
        made = shop.me.post("/log/bundle")
        assert made.status == 200
        assert 'href="/log/bundle.zip"' in made.body.decode()
        answer = shop.me.get("/log/bundle.zip?name=../secret.txt")
        assert answer.headers["content-type"] == "application/zip"
        assert "s1-box1-" in answer.headers["content-disposition"]
        with zipfile.ZipFile(io.BytesIO(answer.body)) as archive:
            assert {"about.json", "config.json", "journal.json", "log.txt"} <= set(archive.namelist())
        assert shop.anybody.get("/log/bundle.zip").status == 401
        assert shop.anybody.post("/log/bundle").status == 401


def test_nobody_looks_without_the_pin(shop: ShopWindow) -> None:
    for path in ("/log", "/log/board", "/log?show=people"):
        assert shop.anybody.get(path).status == 401
