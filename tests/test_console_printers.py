"""The printers' page: what a person reads there, what its buttons put on paper, and what it writes."""

import re
from contextlib import ExitStack
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from agent.answers import printers
from agent.config import load
from agent.config.changes import changes
from agent.console.twowords import parted
from agent.printers.discovery import Roots
from agent.printers.lan import Own
from agent.simulator.ports import serve_tcp
from agent.simulator.printer import PrinterSpec, VirtualPrinter
from agent.simulator.stage import free_port
from tests.browser import needs_chromium, phone
from tests.test_printer_pages import read_rulers, read_samples
from tests.window import ShopWindow, text_of, window

BACKUP = """\
stations:
  - {name: wok, printer: wok, default: true}  # 灶台
  - {name: drinks, printer: bar, backup: wok, match: {category: [热饮]}}
"""


def save(here: ShopWindow, path: str, fields: dict[str, Any]) -> str:
    """A form is sent, and what it wrote is in use: the agent started anew. Returns the page that is shown then."""
    before = here.restarts
    answer = here.me.post(path, fields)
    assert answer.status == 200, text_of(answer)
    assert "正在重启" in text_of(answer)
    poll = re.search(r'hx-get="([^"]+)"', answer.body.decode())
    assert poll is not None
    here.wait_restarted(before)
    return here.me.get(unescape(poll[1])).headers["hx-redirect"]


def text(here: ShopWindow) -> str:
    """The configuration's file."""
    return here.config_path.read_text("utf-8")


def differs(before: str, after: str) -> tuple[list[str], list[str]]:
    """The lines that are gone, and those that are new."""
    old, new = before.splitlines(), after.splitlines()
    return [line for line in old if line not in new], [line for line in new if line not in old]


# -- looking -----------------------------------------------------------------------------------------------------------


def test_nobody_looks_without_the_pin(tmp_path: Path) -> None:
    """Each page of the printers needs a session, and so does each change."""
    with window(tmp_path) as here:
        before = text(here)
        for path in ("", "/list", "/find", "/found", "/add", "/settings?printer=wok", "/paper?printer=wok"):
            assert here.anybody.get(f"/printers{path}").status == 401
        for path in ("do", "search", "add", "set", "rename", "remove", "paper"):
            assert here.anybody.post(f"/printers/{path}", {"printer": "wok", "what": "test"}).status == 401
        assert here.papers() == []
        assert text(here) == before


def test_it_says_in_plain_words_how_each_printer_is(tmp_path: Path) -> None:
    """State, what it can prove, for whom it prints, what it calls itself; a printer that is gone with what to do."""
    with window(tmp_path, more=BACKUP) as here:
        here.until(lambda: "能确认出纸" in text_of(here.me.get("/printers")), "a meeting")
        said = text_of(here.me.get("/printers"))
        assert "wok 正常" in said
        assert "SHOP-AGENT VIRTUAL-80" in said
        assert "固件 1.00 VP" in said
        assert "打印 wok · 备用：drinks" in said
        here.me.language = "en"
        assert "says of each ticket that it is on paper" in text_of(here.me.get("/printers"))


@pytest.mark.parametrize(("tier", "words"), [(2, "只报状态"), (3, "不应答")])
def test_what_a_printer_can_not_prove_is_said(tmp_path: Path, tier: int, words: str) -> None:
    """A weaker printer is called so."""
    with window(tmp_path, ("wok",), PrinterSpec(tier=tier), more="") as here:
        here.until(lambda: words in text_of(here.me.get("/printers")), words, 40)


def test_a_shop_without_printers_is_led_to_the_search(tmp_path: Path) -> None:
    """Nothing is there: the page says so, and where to go."""
    with window(tmp_path, (), more="") as here:
        page = here.me.get("/printers")
        assert "还没有打印机" in text_of(page)
        assert 'href="/printers/find"' in page.body.decode()


# -- a person's hands --------------------------------------------------------------------------------------------------


def test_its_buttons_are_on_paper(tmp_path: Path) -> None:
    """A test page, and the printer's name large; the answer says so once it is printed."""
    with window(tmp_path) as here:
        answer = here.me.post("/printers/do", {"what": "identify", "printer": "bar"})
        assert "bar：名字已打印" in text_of(answer)
        assert here.on_paper("THIS IS", "bar")
        assert here.papers("wok") == []
        assert "wok：测试页已打印" in text_of(here.me.post("/printers/do", {"what": "test", "printer": "wok"}))
        assert here.papers("wok")


def test_what_can_not_be_printed_now_is_not_said_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without paper the page waits, and the answer says why."""
    monkeypatch.setattr(printers, "TEST_S", 1.0)
    with window(tmp_path) as here:
        here.until(lambda: "能确认出纸" in text_of(here.me.get("/printers")), "a meeting")
        here.devices["wok"].run_out_of_paper()
        answer = here.me.post("/printers/do", {"what": "test", "printer": "wok"})
        assert 'role="alert"' in answer.body.decode()
        assert "还没打出来" in text_of(answer)
        here.until(lambda: "缺纸" in text_of(here.me.get("/printers/list")), "the list to say it")


def test_a_paused_printer_waits_for_the_person(tmp_path: Path) -> None:
    """Pause and go on: the list says what the journal says, and the paper agrees."""
    with window(tmp_path) as here:
        assert here.me.post("/printers/do", {"what": "pause", "printer": "wok"}).status == 200
        assert "wok 已暂停" in text_of(here.me.get("/printers/list"))
        here.order(707)
        here.until(lambda: "等待 1 张小票" in text_of(here.me.get("/printers/list")), "the ticket to wait")
        assert here.papers("wok") == []
        assert here.me.post("/printers/do", {"what": "resume", "printer": "wok"}).status == 200
        assert here.on_paper(707)


def test_asking_says_what_it_can_prove(tmp_path: Path) -> None:
    """Probe and accept answer in the page's words; a refusal is one."""
    with window(tmp_path) as here:
        here.until(lambda: "能确认出纸" in text_of(here.me.get("/printers")), "a meeting")
        for what in ("probe", "accept"):
            assert "bar：能确认出纸" in text_of(here.me.post("/printers/do", {"what": what, "printer": "bar"}))
        assert here.me.post("/printers/do", {"what": "probe", "printer": "nobody"}).status == 409
        assert here.me.post("/printers/do", {"what": "format", "printer": "bar"}).status == 404


def test_another_device_in_its_place_is_taken_by_a_tap(tmp_path: Path) -> None:
    """It gets nothing, the page says what to do, and who exchanged it says so there."""
    port = free_port()
    more = f"printers:\n  - {{name: wok, link: 'tcp://127.0.0.1:{port}'}}\n"
    with ExitStack() as stack:
        first = stack.enter_context(ExitStack())
        serve(first, PrinterSpec(), port)
        here = stack.enter_context(window(tmp_path, (), more=more))
        here.until(lambda: "wok 正常" in text_of(here.me.get("/printers/list")), "the first one")
        assert 'value="accept"' not in here.me.get("/printers/list").body.decode()
        first.close()
        other = serve(stack, PrinterSpec(serial="VP000003"), port)
        here.until(lambda: "wok 换了一台设备" in text_of(here.me.get("/printers/list")), "the other one", 40)
        assert 'value="accept"' in here.me.get("/printers/list").body.decode()
        here.order(709)
        assert other.paper.pieces == []
        assert "wok：能确认出纸" in text_of(here.me.post("/printers/do", {"what": "accept", "printer": "wok"}))
        assert other.wait_for(lambda it: any("709" in piece.text for piece in it.paper.pieces), 20)


def serve(stack: ExitStack, spec: PrinterSpec, port: int) -> VirtualPrinter:
    """A printer at this port, for as long as the stack lives."""
    device = stack.enter_context(VirtualPrinter(spec))
    stack.enter_context(serve_tcp(device, port=port))
    return device


def test_a_wrong_address_is_said_at_once_in_the_page_s_language(tmp_path: Path) -> None:
    with window(tmp_path) as here:
        page = text_of(here.me.get("/printers/add?link=192.168.1.555"))
        assert "地址不对：地址要写四个 0 到 255 的数字" in page
        assert "Octet" not in page
        assert "IPv4 address" in text_of(here.me.get("/printers/add?link=192.168.1.555", accept_language="en"))
        assert "地址不对" not in text_of(here.me.get("/printers/add?link=serial%3A%2F%2F%2Fdev%2FttyUSB0"))
        assert "地址不对" not in text_of(here.me.get("/printers/add?link=192.168.1.50"))


def test_a_printer_that_is_there_is_called_by_its_name(tmp_path: Path) -> None:
    """Before a name is chosen for it, and when the form is sent all the same."""
    with window(tmp_path) as here:
        before = text(here)
        link = str(load(here.config_path).printer("bar").link)
        for typed in (link, link.removeprefix("tcp://")):
            form = here.me.get(f"/printers/add?link={typed}")
            sent = here.me.post("/printers/add", {"pick": "前台", "link": typed})
            for answer in (form, sent):
                assert "✗ 这台打印机已经有了，叫 bar" in text_of(answer)
                assert "printers[" not in text_of(answer)
            assert sent.status == 422
        english = here.me.get(f"/printers/add?link={link}", accept_language="en")
        assert "✗ this printer is there already: bar" in text_of(english)
        assert text(here) == before


def test_a_network_printer_that_is_away_may_have_another_address(tmp_path: Path) -> None:
    """As doctor says; of one that is there nothing of the kind is said."""
    with window(tmp_path) as here:
        here.until(lambda: "bar 正常" in text_of(here.me.get("/printers/list")), "bar")
        assert "核对自检页上的 IP" not in text_of(here.me.get("/printers/list"))
        here.devices["bar"].power_off()
        here.until(lambda: "bar 连不上" in text_of(here.me.get("/printers/list")), "bar to be missed")
        assert "IP 可能变了：核对自检页上的 IP" in text_of(here.me.get("/printers/list"))
        assert "Its IP may have changed" in text_of(here.me.get("/printers/list", accept_language="en"))


@pytest.mark.parametrize(
    ("text", "zh", "en"),
    [
        (
            "没有局域网：请检查网线或 Wi-Fi this machine is in no private network: check",
            "没有局域网：请检查网线或 Wi-Fi",
            "this machine is in no private network: check",
        ),
        (
            "不是配对码：它以 SAP1. 开头 this is no pairing token: it begins with SAP1.",
            "不是配对码：它以 SAP1. 开头",
            "this is no pairing token: it begins with SAP1.",
        ),
        ("the host is missing; write a name", "缺少地址，例如 192.168.1.50", "the host is missing; write a name"),
        ("密码不对", "密码不对", "密码不对"),
    ],
)
def test_what_others_say_in_two_languages_is_parted(text: str, zh: str, en: str) -> None:
    assert parted(text) == (zh, en)


@needs_chromium
def test_the_search_goes_on_by_itself(tmp_path: Path) -> None:
    """One tap: how far it is, then what was found, without another one."""
    with ExitStack() as stack:
        device = stack.enter_context(VirtualPrinter(PrinterSpec()))
        link = stack.enter_context(serve_tcp(device, "127.0.5.9")).link
        here = stack.enter_context(window(tmp_path))
        port = int(link.rpartition(":")[2])
        here.agent.finder._roots = Roots(sys=tmp_path, dev=tmp_path, networks=(Own("127.0.5.0/24"),), port=port)
        there = stack.enter_context(phone(here.port, tmp_path, session=here.me.session))
        page = there.go("/printers/find")
        page.get_by_role("button", name="在局域网里找").click()
        page.locator("progress#progress").wait_for()
        page.locator(".found", has_text=link).wait_for()
        page.get_by_role("button", name="再找一遍局域网").wait_for()
        assert there.serious() == []
        assert not device.paper.pieces
        page.locator(".found").get_by_role("button", name="添加").click()
        page.get_by_role("heading", name="添加打印机").wait_for()


@needs_chromium
def test_the_open_page_follows_the_printer(tmp_path: Path) -> None:
    """Out of paper, and back: the page says so by itself, an answer stays, and nobody's focus is taken away."""
    with window(tmp_path) as here, phone(here.port, tmp_path, session=here.me.session) as there:
        page = there.go("/printers")
        page.locator("#printer-wok", has_text="能确认出纸").wait_for()
        page.locator("#do-identify-wok").click()
        page.get_by_text("wok：名字已打印").wait_for()
        assert here.on_paper("THIS IS", "wok")
        page.locator("#do-test-wok").focus()
        here.devices["wok"].run_out_of_paper()
        page.locator("#printer-wok .state", has_text="缺纸").wait_for()
        assert page.evaluate("document.activeElement.id") == "do-test-wok"
        assert page.get_by_text("wok：名字已打印").is_visible()
        here.devices["wok"].load_paper()
        page.locator("#printer-wok .state", has_text="正常").wait_for()
        assert there.serious() == []


# -- finding and adding ------------------------------------------------------------------------------------------------


def test_from_the_search_to_the_first_page_without_a_keyboard(tmp_path: Path) -> None:
    """Found on the network, told from others by its own paper, added by a tap: it prints, and the comments stay."""
    with ExitStack() as stack:
        device = stack.enter_context(VirtualPrinter(PrinterSpec(width_dots=384, model="XP-58")))
        link = stack.enter_context(serve_tcp(device)).link
        port = int(link.rpartition(":")[2])
        here = stack.enter_context(window(tmp_path))
        networks = (Own("127.0.0.1/32"),)
        here.agent.finder._roots = Roots(sys=tmp_path, dev=tmp_path, networks=networks, port=port)
        assert "没有找到插着的打印机" in text_of(here.me.get("/printers/find"))
        assert "正在找局域网" in text_of(here.me.post("/printers/search"))
        here.until(lambda: link in text_of(here.me.get("/printers/found")), "the search")
        add = re.search(r'href="(/printers/add[^"]+)"', here.me.get("/printers/found").body.decode())
        assert add is not None
        answer = here.me.post("/printers/do", {"what": "identify", "link": link})
        assert "名字已打印" in text_of(answer)
        assert device.paper.pieces
        before = text(here)
        form = here.me.get(unescape(add[1])).body.decode()
        assert 'value="后厨"' in form
        assert f'value="{link}"' in form
        to = save(here, "/printers/add", {"link": link, "pick": "后厨", "width": "32", "profile": "xprinter"})
        assert to == f"/printers/paper?{urlencode({'printer': '后厨'})}"
        gone, new = differs(before, text(here))
        assert gone == []
        assert new == [f'  - {{name: 后厨, link: "{link}", width: 32, profile: xprinter}}']
        here.me.post("/printers/do", {"what": "test", "printer": "后厨"})
        assert len([piece for piece in device.paper.pieces if piece.text.strip()]) >= 2
        here.me.get("/printers/find")
        here.agent.finder._roots = Roots(sys=tmp_path, dev=tmp_path, networks=networks, port=port)
        here.me.post("/printers/search")
        here.until(lambda: "已添加： 后厨" in text_of(here.me.get("/printers/found")), "it to be marked")
        assert [(each.by, each.settings[0].field) for each in changes(here.folder / "data")] == [
            ("console 127.0.0.1", "printers[后厨]")
        ]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"name": "后 厨"}, "不要空格"),
        ({"name": "a" * 33}, "最多 32 个"),
        ({"name": "../x"}, "只用汉字"),
        ({}, "请选一个名字"),
        ({"pick": "wok"}, "已经有一台叫 wok"),
        ({"name": "新", "link": "http://x"}, "地址不对"),
        ({"name": "新", "link": ""}, "地址不对"),
        ({"name": "新", "link": "tcp://127.0.0.1:1\nshop: x"}, "地址不对"),
        ({"name": "新", "link": "virtual://x", "width": "17"}, "填写有误"),
    ],
)
def test_what_can_not_be_a_printer_is_refused_in_words(tmp_path: Path, fields: dict[str, str], words: str) -> None:
    """Nothing is written, nothing starts anew."""
    with window(tmp_path) as here:
        before = text(here)
        answer = here.me.post("/printers/add", {"link": "tcp://127.0.0.1:1", **fields})
        assert answer.status in (409, 422)
        assert words in text_of(answer)
        assert text(here) == before
        assert here.restarts == 0


@pytest.mark.parametrize(
    ("fields", "link"),
    [
        ({"link": "192.0.2.7"}, "tcp://192.0.2.7:9100"),
        (
            {"link": "serial:///dev/ttyUSB7", "baud": "19200", "flow": "rtscts"},
            "serial:///dev/ttyUSB7?baud=19200&flow=rtscts",
        ),
        ({"link": "usb:port/1-1.2"}, "usb:port/1-1.2"),
    ],
)
def test_an_address_is_written_as_a_link(tmp_path: Path, fields: dict[str, str], link: str) -> None:
    """What is typed is a network address; a serial line has the settings of the printer's switches."""
    with window(tmp_path) as here:
        save(here, "/printers/add", {"pick": "前台", **fields})
        assert str(load(here.config_path).printer("前台").link) == link


# -- settings ----------------------------------------------------------------------------------------------------------


def test_settings_are_written_as_they_differ(tmp_path: Path) -> None:
    """One line changes, its comment stays; the buzzer and the drawer only where the family has them."""
    with window(tmp_path) as here:
        before = text(here)
        form = {"printer": "bar", "width": "42", "charset": "gb2312", "role": "counter", "profile": "generic"}
        assert "先选品牌" in text_of(here.me.post("/printers/set", {**form, "beep": "true"}))
        wrong = here.me.post("/printers/set", {**form, "role": "kitchen", "profile": "epson", "drawer": "true"})
        assert "只有收银台" in text_of(wrong)
        assert here.me.post("/printers/set", {**form, "width": "17"}).status == 422
        assert text(here) == before
        save(here, "/printers/set", {**form, "profile": "epson", "beep": "true", "drawer": "true"})
        gone, new = differs(before, text(here))
        assert len(gone) == len(new) == 1
        assert new[0].endswith("# 打印机 bar")
        bar = load(here.config_path).printer("bar")
        assert (bar.width, bar.dots, bar.charset, bar.profile, bar.role) == (42, 504, "gb2312", "epson", "counter")
        assert (bar.beep, bar.drawer) == (True, True)
        same = {**form, "profile": "epson", "beep": "true", "drawer": "true"}
        assert "没有变化" in text_of(here.me.post("/printers/set", same))
        save(here, "/printers/set", {**form, "profile": "epson"})
        assert not load(here.config_path).printer("bar").beep


def test_what_is_read_off_the_paper_is_the_width(tmp_path: Path) -> None:
    """A narrow printer that was taken for a wide one: the page, read as a person reads it, leads to its width."""
    with window(tmp_path, spec=PrinterSpec(width_dots=384)) as here:
        answer = here.me.post("/printers/do", {"what": "paper", "printer": "bar"})
        assert "bar：试纸已打印" in text_of(answer)
        (piece,) = [piece for piece in here.devices["bar"].paper.pieces if piece.text.strip()]
        asked = here.me.get("/printers/paper?printer=bar").body.decode()
        ruler = str(max(read_rulers(piece)))
        assert f'value="{ruler}"' in asked
        assert here.me.post("/printers/paper", {"printer": "bar"}).status == 422
        assert here.me.post("/printers/paper", {"printer": "bar", "ruler": ruler}).status == 422
        readable = sorted(read_samples(piece) | {"C"})
        save(here, "/printers/paper", {"printer": "bar", "ruler": ruler, "sample": readable})
        bar = load(here.config_path).printer("bar")
        assert (bar.width, bar.charset) == (32, "gbk")
        save(here, "/printers/paper", {"printer": "bar", "ruler": ruler, "sample": ["C"]})
        assert load(here.config_path).printer("bar").charset == "ascii"


def test_dots_of_another_width_do_not_stay(tmp_path: Path) -> None:
    """What was typed for the old paper goes with it."""
    with window(tmp_path) as here:
        here.config_path.write_text(text(here).replace("{name: bar,", "{name: bar, dots: 512, width: 42,"), "utf-8")
        here.restart()
        save(here, "/printers/paper", {"printer": "bar", "ruler": "32", "sample": ["B"]})
        bar = load(here.config_path).printer("bar")
        assert (bar.width, bar.dots, bar.charset) == (32, 384, "gbk")


# -- renaming and removing ---------------------------------------------------------------------------------------------


def test_a_new_name_goes_with_its_stations(tmp_path: Path) -> None:
    """The stations that print there know it, and tickets that wait come out there."""
    with window(tmp_path, more=BACKUP.replace(", backup: wok", "")) as here:
        here.devices["bar"].power_off()
        here.until(lambda: here.agent._prints.seen()["bar"]["state"] == "away", "bar to be missed")
        here.order(705, items=[{"name": "豆浆", "qty": 1, "category": "热饮"}])
        save(here, "/printers/rename", {"printer": "bar", "name": "吧台", "pick": "前台"})
        config = load(here.config_path)
        assert [each.name for each in config.printers] == ["wok", "吧台"]
        assert [each.printer for each in config.stations] == ["wok", "吧台"]
        assert "# 打印机 bar" in text(here)
        assert "# 灶台" in text(here)
        here.devices["bar"].power_on()
        assert here.on_paper(705, "bar")
        assert here.me.get("/printers/settings?printer=bar").status == 404
        assert here.me.post("/printers/rename", {"printer": "bar", "name": "x"}).status == 404


def test_a_paused_printer_keeps_its_name(tmp_path: Path) -> None:
    """A new name would let it go on, against a person's word."""
    with window(tmp_path) as here:
        here.me.post("/printers/do", {"what": "pause", "printer": "bar"})
        answer = here.me.post("/printers/rename", {"printer": "bar", "name": "吧台"})
        assert answer.status == 409
        assert "已暂停" in text_of(answer)
        assert here.restarts == 0


def test_nobody_is_renamed_or_removed_with_a_ticket_in_it(tmp_path: Path) -> None:
    """A ticket that may be on paper must be asked about under the name that it was sent to."""
    with window(tmp_path, more="printing: {unconfirmed: ask}\n" + BACKUP) as here:
        here.order(705)
        here.wait_ticket(705)
        device = here.devices["wok"]
        device.cut_link(after=200)
        here.order(706)
        here.until(lambda: list(here.tickets(706).values()) == ["unconfirmed"], "the doubt")
        for path, fields in (("rename", {"name": "灶台"}), ("remove", {"heir": "bar"})):
            answer = here.me.post(f"/printers/{path}", {"printer": "wok", **fields})
            assert answer.status == 409
            assert "不确定是否打出" in text_of(answer)
        assert here.me.do("settle", ticket=next(iter(here.tickets(706))), decision="printed").status == 200
        here.wait_ticket(706)
        save(here, "/printers/rename", {"printer": "wok", "name": "灶台"})
        assert load(here.config_path).stations[0].printer == "灶台"


def test_a_printer_goes_with_its_stations_and_tickets_to_another(tmp_path: Path) -> None:
    """While tickets wait somebody must take them; the confirmation names the stations; then they come out there."""
    with window(tmp_path, more=BACKUP) as here:
        here.me.post("/printers/do", {"what": "pause", "printer": "bar"})
        here.me.post("/printers/do", {"what": "pause", "printer": "wok"})
        here.order(705, items=[{"name": "豆浆", "qty": 1, "category": "热饮"}])
        page = here.me.get("/printers/settings?printer=bar").body.decode()
        confirm = re.search(r'hx-confirm="([^"]*)"', page[page.index("/printers/remove") :])
        assert confirm is not None
        assert "drinks" in confirm[1]
        before = text(here)
        refused = here.me.post("/printers/remove", {"printer": "bar"})
        assert refused.status == 409
        assert "还有 1 张小票在等它" in text_of(refused)
        assert here.me.post("/printers/remove", {"printer": "bar", "heir": "nobody"}).status == 404
        assert here.me.post("/printers/remove", {"printer": "bar", "heir": "bar"}).status == 404
        assert text(here) == before
        save(here, "/printers/remove", {"printer": "bar", "heir": "wok"})
        config = load(here.config_path)
        assert [each.name for each in config.printers] == ["wok"]
        assert [(each.printer, each.backup) for each in config.stations] == [("wok", None), ("wok", None)]
        here.me.post("/printers/do", {"what": "resume", "printer": "wok"})
        assert here.on_paper(705, "wok")
        assert here.papers("bar") == []


def test_the_station_that_nobody_wrote_keeps_its_tickets(tmp_path: Path) -> None:
    """Without stations there is one, on the first printer: whoever inherits, it prints there, and it stays."""
    with window(tmp_path, ("wok", "spare", "bar"), more="") as here:
        here.me.post("/printers/do", {"what": "pause", "printer": "wok"})
        here.order(708)
        save(here, "/printers/remove", {"printer": "wok", "heir": "bar"})
        (station,) = load(here.config_path).effective_stations()
        assert (station.name, station.printer) == ("kitchen", "bar")
        assert here.on_paper(708, "bar")
        assert here.papers("spare") == []


def test_the_last_printer_may_go_when_nothing_waits(tmp_path: Path) -> None:
    """Then the shop has none, and the page says so."""
    with window(tmp_path, ("wok",), more="") as here:
        here.me.post("/printers/do", {"what": "pause", "printer": "wok"})
        here.order(708)
        assert here.me.post("/printers/remove", {"printer": "wok"}).status == 409
        here.me.post("/printers/do", {"what": "resume", "printer": "wok"})
        here.wait_ticket(708)
        save(here, "/printers/remove", {"printer": "wok"})
        assert load(here.config_path).printers == []
        assert "还没有打印机" in text_of(here.me.get("/printers"))


def test_what_somebody_took_out_of_the_file_is_said(tmp_path: Path) -> None:
    """The file was changed by hand meanwhile: refused, with the name; nothing starts anew."""
    with window(tmp_path) as here:
        here.config_path.write_text("\n".join(line for line in text(here).splitlines() if "bar" not in line), "utf-8")
        answer = here.me.post("/printers/set", {"printer": "bar", "width": "32"})
        assert answer.status == 409
        assert "bar" in text_of(answer)
        assert here.restarts == 0


def test_the_answer_leads_only_to_pages_of_ours(tmp_path: Path) -> None:
    """Whoever makes somebody follow a link gets them nowhere else."""
    with window(tmp_path) as here:
        for to in ("//evil.example", "https://evil.example", "/\\evil.example", "/ok\nx: y", "", "/%E5"):
            answer = here.me.get(f"/restarted?{urlencode({'was': 'x', 'to': to})}")
            assert answer.headers["hx-redirect"] in ("/", "/%E5")
        assert here.me.get("/restarted?was=x&to=%2Fprinters").headers["hx-redirect"] == "/printers"
        assert here.anybody.get("/restarted?was=x").status == 401
