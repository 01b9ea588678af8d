"""The pages on which a shop makes its own templates: seen as paper while typed, never saved wrong, taken back."""

import base64
import re
import struct
import time
import zlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from agent import templates
from agent.clock import SystemClock
from agent.config.changes import changes
from agent.errors import CommandRefused
from agent.simulator.piece import Piece
from agent.spool.drafts import MOST_SOURCE, start_of
from agent.spool.ownfiles import KEEP, OwnFiles, digest
from agent.spool.shelf import Shelf
from agent.tickets.engine import TemplateError
from tests.browser import PHONE, needs_chromium, phone
from tests.till import Answer
from tests.window import STATIONS, ShopWindow, text_of, window

RECEIPT = STATIONS + "  - {name: front, printer: bar, shows: all, template: receipt}\n"
FOOT = "{{% extends 'shipped/kitchen.j2' %}}\n{{% block foot %}}\n{{{{ super() -}}}}\n<C>{}</C>\n{{% endblock %}}\n"
HOSTILE = {
    "loops": "{% for a in range(1000) %}{% for b in range(1000) %}{% for c in range(1000) %}x{% endfor %}"
    + "{% endfor %}{% endfor %}",
    "output": "{% for a in range(1000) %}" + "永" * 500 + "{% endfor %}",
    "nested": "{{ " + "(" * 9000 + "1" + ")" * 9000 + " }}",
    "blocks": "{% if 1 %}" * 1500 + "{% endif %}" * 1500,
    "itself": "{% macro m(x) %}{{ m(x + 1) }}{{ m(x + 1) }}{% endmacro %}{{ m(1) }}",
    "includes": "{% include 'shipped/kitchen.j2' %}" * 500,
    "long": "a\n" * 9900,
    "codes": "<QR>hello</QR>\n" * 1200,
    "cuts": "<CUT>\n" * 3300,
    "python": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "files": "{% include '../../../../etc/passwd' %}",
    "power": "{{ 9 ** 9 ** 9 }}",
}
ELSEWHERE = ["../x", "..", "a/b", "/etc/passwd", "shipped/kitchen", "x" * 40, "", "é", "kitchen.j2", ".hidden", "a b"]


def foot(text: str) -> str:
    """A kitchen's ticket with a line of the shop's own at its foot."""
    return FOOT.format(text)


def was(page: Answer) -> str:
    """By what the page will know whether somebody else changed the template."""
    found = re.search(r'id="was" value="(\w*)"', page.body.decode())
    assert found
    return found[1]


def save(shop: ShopWindow, name: str, text: str) -> Answer:
    """Somebody opens the page, types, and saves."""
    page = shop.me.get(f"/templates/edit?name={name}")
    return shop.me.post("/templates/save", {"name": name, "text": text.replace("\n", "\r\n"), "was": was(page)})


def picture(answer: Answer) -> bytes:
    """The PNG within an answer."""
    found = re.search(rb"data:image/png;base64,([A-Za-z0-9+/=]+)", answer.body)
    assert found, text_of(answer)
    return base64.b64decode(found[1])


def receipt(shop: ShopWindow, number: int) -> Piece:
    """The customer's, as it hangs out of the printer."""
    shop.on_paper(number, "bar")
    found = [each for each in shop.devices["bar"].paper.pieces if f"#{number}" in each.text and "惠顾" in each.text]
    assert len(found) == 1
    return found[0]


def png(width: int, height: int, mode: str = "RGB") -> bytes:
    """A picture file, half of it black."""
    made = Image.new(mode, (width, height), "white")
    made.paste("black", (0, 0, width // 2, height))
    file = BytesIO()
    made.save(file, "PNG")
    return file.getvalue()


def send(shop: ShopWindow, name: str, data: bytes, kind: str = "image/png") -> Answer:
    """As a browser sends a file."""
    parts = [f'Content-Disposition: form-data; name="name"\r\n\r\n{name}'.encode()]
    head = f'Content-Disposition: form-data; name="file"; filename="C:\\x.png"\r\nContent-Type: {kind}\r\n\r\n'
    parts.append(head.encode() + data)
    body = b"".join(b"--xyz\r\n" + part + b"\r\n" for part in parts) + b"--xyz--\r\n"
    return shop.me.ask("POST", "/templates/picture", body, {"content-type": "multipart/form-data; boundary=xyz"})


@pytest.fixture(scope="module")
def looked_at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ShopWindow]:
    """A shop in which nothing is saved."""
    with window(tmp_path_factory.mktemp("looked"), more=RECEIPT) as shop:
        shop.order(42)
        shop.wait_ticket(42)
        yield shop


# -- looking ------------------------------------------------------------------------------------------------------


def test_the_list_has_each_with_who_prints_by_it(looked_at: ShopWindow) -> None:
    page = text_of(looked_at.me.get("/templates"))
    for name in templates.read():
        assert name.removesuffix(".j2") in page
    assert "档口：wok、drinks" in page
    assert "档口：front" in page
    assert "本店改过" not in page
    english = text_of(looked_at.me.get("/templates", accept_language="en"))
    assert "Stations: wok, drinks" in english
    assert "Customer's receipt" in english


@pytest.mark.parametrize("name", sorted(name for name in templates.read() if not name.startswith("_")))
def test_each_is_seen_as_paper(looked_at: ShopWindow, name: str) -> None:
    answer = looked_at.me.get(f"/templates/look?name={name.removesuffix('.j2')}")
    assert answer.headers["content-type"] == "image/png"
    assert Image.open(BytesIO(answer.body)).width > 48 * 12


@pytest.mark.parametrize("name", sorted(file.removesuffix(".j2") for file in templates.read()))
@pytest.mark.parametrize("copy", ["", "1"])
def test_what_one_begins_with_works(looked_at: ShopWindow, name: str, copy: str) -> None:
    """A copy of ours, or a few lines that build on it; also the parts that several share."""
    page = looked_at.me.get(f"/templates/edit?name={name}&like={name}&copy={copy}")
    assert page.status == 200
    tried = looked_at.me.post("/templates/try", {"name": name, "text": start_of(name, name, copy=bool(copy))})
    assert tried.status == 200, text_of(tried)
    assert picture(tried)


def test_what_is_typed_is_seen_on_either_paper_in_either_language(looked_at: ShopWindow) -> None:
    seen = {}
    for width in ("32", "48"):
        for language in ("zh", "en", "both"):
            sent = {"name": "kitchen", "text": foot("谢谢"), "width": width, "language": language}
            tried = looked_at.me.post("/templates/try", sent)
            seen[width, language] = picture(tried)
            assert Image.open(BytesIO(seen[width, language])).width == int(width) * 12 + 64
    assert len(set(seen.values())) == 6
    again = {"name": "kitchen", "text": foot("别的"), "width": "48", "language": "zh"}
    assert picture(looked_at.me.post("/templates/try", again)) != seen["48", "zh"]


def test_a_real_order_is_seen_as_it_was_printed(looked_at: ShopWindow) -> None:
    """With a copy of ours, the very picture of the ticket."""
    number = looked_at.wait_ticket(42)
    tickets = [each for each in looked_at.tickets(42) if each < number]
    page = looked_at.me.get("/templates/edit?name=kitchen").body.decode()
    for ticket in tickets:
        assert f'value="ticket-{ticket}"' in page
        sent = {"name": "kitchen", "text": templates.read()["kitchen.j2"], "on": f"ticket-{ticket}", "width": "48"}
        shown = picture(looked_at.me.post("/templates/try", sent))
        assert shown == looked_at.me.get(f"/tickets/{ticket}.png").body
    gone = {"name": "kitchen", "text": foot("x"), "on": "ticket-999999"}
    assert picture(looked_at.me.post("/templates/try", gone)), "an order that is forgotten meanwhile is no fault"


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("{% extends 'shipped/kitchen.j2' %}\n{% block foto %}\n{% endblock %}\n", 2, "没有这个 block 名字：foto"),
        ("<C>{{ number }}\n{{ dishs }}</C>\n", 2, "没有这个名字的内容：dishs"),
        ("{{ number }}\n\n{% for d in dishes %}\n", 3, "没写完"),
        (foot("{{ / }}"), 4, "里有多余的字符：/"),
        (foot("<BLINK>x</BLINK>"), 4, "BLINK"),
        ("{{ number }}\n", 1, "小票上少了必须有的内容"),
        (foot("<IMG src=nothing>"), 4, "nothing"),
    ],
)
def test_what_is_wrong_is_said_with_its_line_and_never_saved(
    looked_at: ShopWindow, text: str, line: int, said: str
) -> None:
    for what in ("try", "save"):
        answer = looked_at.me.post(f"/templates/{what}", {"name": "kitchen", "text": text, "was": ""})
        assert answer.status == 422
        assert f"第 {line} 行" in text_of(answer)
        assert said in text_of(answer)
        assert "docs/templates.md" not in text_of(answer), "a shopkeeper has none"
        assert f'data-line="{line}"' in answer.body.decode()
    assert not (looked_at.folder / "templates").exists()


@pytest.mark.parametrize("what", sorted(HOSTILE))
def test_a_hostile_template_costs_a_moment_and_nothing_else(looked_at: ShopWindow, what: str) -> None:
    """It is answered, by a fault or a picture; meanwhile the port answers, and after it an order prints."""
    began = time.monotonic()
    answer = looked_at.me.post("/templates/try", {"name": "label", "text": HOSTILE[what]})
    assert time.monotonic() - began < 15
    assert answer.status in (200, 422)
    assert "root:" not in answer.body.decode()
    assert "<class" not in text_of(answer)
    assert looked_at.me.get("/healthz").status == 200
    number = f"h-{sorted(HOSTILE).index(what)}"
    looked_at.order(number)
    looked_at.on_paper(number)


def test_too_much_is_refused_in_words(looked_at: ShopWindow) -> None:
    for text in ("a" * (MOST_SOURCE + 1), "永" * (4 * MOST_SOURCE)):
        for what in ("try", "save"):
            answer = looked_at.me.post(f"/templates/{what}", {"name": "label", "text": text, "was": ""})
            assert answer.status == 422
            assert str(MOST_SOURCE) in text_of(answer)


@pytest.mark.parametrize("name", ELSEWHERE)
def test_a_name_leads_nowhere_else(looked_at: ShopWindow, name: str) -> None:
    before = sorted(map(str, looked_at.folder.rglob("*")))
    text = templates.read()["label.j2"]
    assert looked_at.me.get(f"/templates/edit?name={quote(name)}").status == 422
    assert looked_at.me.get(f"/templates/look?name={quote(name)}").status == 404
    assert looked_at.me.get(f"/templates/picture?file={quote(name)}").status == 404
    assert looked_at.me.post("/templates/try", {"name": name, "text": text}).status == 404
    assert looked_at.me.post("/templates/save", {"name": name, "text": text, "was": ""}).status == 404
    assert looked_at.me.post("/templates/remove", {"name": name}).status == 409
    assert looked_at.me.post("/templates/picture/remove", {"file": name}).status == 409
    assert send(looked_at, name, png(8, 8)).status == 409
    assert sorted(map(str, looked_at.folder.rglob("*"))) == before


@pytest.mark.parametrize("path", ["/templates", "/templates/edit?name=kitchen", "/templates/look?name=kitchen"])
def test_nobody_looks_without_the_pin(looked_at: ShopWindow, path: str) -> None:
    assert looked_at.anybody.get(path).status == 401
    for action in ("try", "save", "remove", "picture", "picture/remove"):
        assert looked_at.anybody.post(f"/templates/{action}", {"name": "kitchen", "text": "x"}).status == 401


# -- saving -------------------------------------------------------------------------------------------------------


def test_what_is_saved_prints_at_once_and_is_taken_back(tmp_path: Path) -> None:
    """No folder at first, no restart; the last five are kept; removed, it is ours again."""
    with window(tmp_path) as shop:
        file = tmp_path / "templates" / "kitchen.j2"
        answer = save(shop, "kitchen", foot("慢走一号"))
        assert answer.status == 200
        assert "已保存" in text_of(answer)
        assert file.read_text() == foot("慢走一号"), "and not with a form's line ends"
        shop.order(1)
        (ticket,) = shop.on_paper(1)
        assert "慢走一号" in ticket.text
        assert "本店改过" in text_of(shop.me.get("/templates"))
        for again in range(2, KEEP + 3):
            assert save(shop, "kitchen", foot(f"第{again}次")).status == 200
        page = shop.me.get("/templates/edit?name=kitchen").body.decode()
        kept = [int(n) for n in re.findall(r"version=(\d+)", page)]
        assert kept == [6, 5, 4, 3, 2], "the newest first, and the first one is forgotten"
        before = shop.me.get("/templates/edit?name=kitchen&version=2").body.decode()
        assert "第2次" in before
        assert save(shop, "kitchen", foot("第2次")).status == 200
        shop.order(2)
        assert "第2次" in shop.on_paper(2)[0].text
        assert shop.me.post("/templates/remove", {"name": "kitchen"}).headers["hx-redirect"] == "/templates"
        assert not file.exists()
        shop.order(3)
        assert "第2次" not in shop.on_paper(3)[0].text
        assert "第2次" in shop.me.get("/templates/edit?name=kitchen&version=8").body.decode(), "also what was removed"
        assert shop.restarts == 0
        noted = changes(tmp_path / "data")
        assert {each.by for each in noted} == {"console 127.0.0.1"}
        assert {setting.field for each in noted for setting in each.settings} == {"templates.kitchen.j2"}
        assert len(noted) == KEEP + 4


def test_two_people_at_a_time(tmp_path: Path) -> None:
    """Who was slower is told, and loses nothing: the text is still on their screen."""
    with window(tmp_path) as shop:
        page = shop.me.get("/templates/edit?name=kitchen")
        mine = {"name": "kitchen", "text": foot("我的"), "was": was(page)}
        assert save(shop, "kitchen", foot("她的")).status == 200
        refused = shop.me.post("/templates/save", mine)
        assert refused.status == 409
        assert "别人刚改过" in text_of(refused)
        assert "她的" in (tmp_path / "templates" / "kitchen.j2").read_text()


def test_one_of_a_name_of_its_own(tmp_path: Path) -> None:
    """It builds on ours; a station may print by it, and then it stays; so does what another one builds on."""
    with window(tmp_path, more=STATIONS.replace("printer: wok,", "printer: wok, template: bill,")) as shop:
        page = shop.me.get("/templates/edit?name=bill&like=receipt")
        assert "shipped/receipt.j2" in page.body.decode()
        assert save(shop, "bill", start_of("bill", "receipt", copy=False)).status == 200
        shop.order(1)
        begun = shop.on_paper(1)[0].text
        assert "谢谢惠顾" in begun
        assert "谢谢光临" not in begun, "the example stands on no paper before somebody wants it there"
        refused = shop.me.post("/templates/remove", {"name": "bill"})
        assert refused.status == 409
        assert "wok" in text_of(refused)
        assert save(shop, "base", start_of("base", "label", copy=False)).status == 200
        assert save(shop, "cup", "{% extends 'base.j2' %}\n").status == 200
        refused = shop.me.post("/templates/remove", {"name": "base"})
        assert refused.status == 409
        assert "cup" in text_of(refused)
        wrong = save(shop, "base", "{% extends 'cup.j2' %}\n")
        assert wrong.status == 422, "nor is it changed so that the other one fails"
        assert shop.alarms() == {}


def test_a_file_that_a_person_broke_is_shown_and_mended(tmp_path: Path) -> None:
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "kitchen.j2").write_text("{% broken\n")
    with window(tmp_path) as shop:
        shop.until(lambda: "template:kitchen" in shop.alarms(), "the alarm")
        assert "templates/kitchen.j2:1" in text_of(shop.me.get("/templates"))
        assert "{% broken" in shop.me.get("/templates/edit?name=kitchen").body.decode()
        assert save(shop, "kitchen", foot("好了")).status == 200
        shop.until(lambda: not shop.alarms(), "the alarm to be over")
        shop.order(1)
        assert "好了" in shop.on_paper(1)[0].text


def test_a_folder_that_can_not_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "templates").write_text("a file, and no folder")
    with window(tmp_path) as shop:
        refused = save(shop, "kitchen", foot("x"))
        assert refused.status == 409
        assert str(tmp_path) in text_of(refused)
        shop.order(1)
        shop.on_paper(1)


@needs_chromium
@pytest.mark.timeout(120)
def test_a_person_types_sees_and_saves(tmp_path: Path) -> None:
    """The picture follows what is typed; a fault leads to its line; who leaves with something unsaved is asked."""
    with window(tmp_path) as shop, phone(shop.port, tmp_path, PHONE, session=shop.me.session) as there:
        page = there.go("/templates/edit?name=kitchen")
        page.wait_for_selector("#shown[src^='data:image/png']")
        first = page.get_attribute("#shown", "src")
        page.fill("#text", foot("{{ nobody }}"))
        page.click("#verdict [data-line='4']")
        assert page.evaluate(
            "getSelection().toString() || text.value.slice(text.selectionStart, text.selectionEnd)"
        ) == ("<C>{{ nobody }}</C>")
        assert page.get_attribute("#shown", "src") == first, "what was right is still to be seen"
        page.click("text=保存并使用")
        page.wait_for_selector("#said .bad")
        assert page.inner_text("#verdict") == "", "one word on it, not two"
        page.fill("#text", foot("慢走"))
        page.wait_for_selector("#verdict .good")
        assert page.inner_text("#said") == "", "what was refused was another text"
        second = page.get_attribute("#shown", "src")
        assert second != first
        page.select_option("[name=width]", "32")
        page.wait_for_function("before => shown.src !== before", arg=second)
        page.click("text=保存并使用")
        page.wait_for_selector("#said [data-saved]")
        page.fill("#text", foot("再来"))
        page.click("text=保存并使用")
        page.wait_for_selector("text=第 1 版")
        assert there.serious() == []
        page.click("text=第 1 版")
        page.wait_for_url("**version=1")
        assert "慢走" in page.input_value("#text")
        page.wait_for_selector("#verdict .good")
        shop.order(1)
        assert "再来" in shop.on_paper(1)[0].text


@needs_chromium
@pytest.mark.timeout(120)
def test_a_person_sends_a_logo_and_takes_it_away(tmp_path: Path) -> None:
    with window(tmp_path) as shop, phone(shop.port, tmp_path, PHONE, session=shop.me.session) as there:
        page = there.go("/templates")
        page.set_input_files("[name=file]", {"name": "店标.png", "mimeType": "image/png", "buffer": png(300, 100)})
        page.click("text=上传")
        page.wait_for_selector(".pictures img[alt='logo.png']")
        assert there.serious() == []
        page.on("dialog", lambda dialog: dialog.accept())
        page.click(".pictures button")
        page.wait_for_selector(".pictures img", state="detached")
        assert not (tmp_path / "templates" / "logo.png").exists()


# -- pictures -----------------------------------------------------------------------------------------------------


def test_a_logo_from_a_phone_is_on_the_receipt(tmp_path: Path) -> None:
    """Whatever it was, it is kept as dots that are no broader than the paper."""
    with window(tmp_path, more=RECEIPT) as shop:
        shop.order(1)
        assert receipt(shop, 1).bitmaps == []
        assert send(shop, "Logo", png(1600, 400)).status == 204, "a telephone begins with a capital letter"
        kept = Image.open(tmp_path / "templates" / "logo.png")
        assert (kept.mode, kept.size) == ("1", (576, 144))
        assert (kept.getpixel((100, 70)), kept.getpixel((500, 70))) == (0, 255)
        shop.order(2)
        assert receipt(shop, 2).bitmaps
        assert shop.me.get("/templates/picture?file=logo.png").headers["content-type"] == "image/png"
        assert "logo.png" in text_of(shop.me.get("/templates"))
        assert send(shop, "map", png(64, 64, "L")).status == 204
        assert save(shop, "kitchen", foot("<IMG src=map>")).status == 200
        refused = shop.me.post("/templates/picture/remove", {"file": "map.png"})
        assert refused.status == 409
        assert "kitchen.j2" in text_of(refused), "a template shows it"
        assert shop.me.post("/templates/picture/remove", {"file": "logo.png"}).status == 204
        assert not (tmp_path / "templates" / "logo.png").exists()
        fields = [setting.field for each in changes(tmp_path / "data") for setting in each.settings]
        assert fields == ["templates.logo.png", "templates.kitchen.j2", "templates.map.png", "templates.logo.png"]


def bomb() -> bytes:
    """A PNG of a hundred bytes that claims to be 60,000 dots square."""
    head = struct.pack(">IIBBBBB", 60_000, 60_000, 1, 0, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(b"\0" * 1000)), (b"IEND", b"")]
    made = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(made)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"", 422),
        (b"<svg onload=alert(1)>", 422),
        (png(8, 8)[:40], 422),
        (bomb(), 422),
        (png(2400, 10), 422),
        (b"\x89PNG" + bytes(1 << 20), 422),
        (bytes(5 << 20), 413),  # a photo
    ],
)
def test_what_is_no_picture_is_refused(looked_at: ShopWindow, data: bytes, status: int) -> None:
    answer = send(looked_at, "logo", data)
    assert answer.status == status
    assert "图片" in text_of(answer)
    assert not (looked_at.folder / "templates").exists()


# -- the files ----------------------------------------------------------------------------------------------------

PIECES = st.sampled_from(
    [
        *("{% extends 'shipped/kitchen.j2' %}\n", "{% block foot %}", "{{ super() -}}\n", "{% endblock %}"),
        *("{{ number }}", "{% for d in dishes %}", "{% endfor %}", "{{ d.name }}", "<CUT>", "<FOO>", "{{ x", "汉"),
    ]
)


@settings(max_examples=10, deadline=None)
@given(st.lists(st.lists(PIECES, max_size=7).map("".join), min_size=1, max_size=4))
def test_whatever_is_typed_what_is_there_can_be_printed(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str]
) -> None:
    """Each is either refused, and then nothing has changed, or it is the file to the letter. No alarm."""
    folder = tmp_path_factory.mktemp("files")
    alarms: list[str] = []
    shelf = Shelf(folder / "templates", SystemClock(), lambda _, problem: alarms.append(problem) if problem else None)
    files = OwnFiles(shelf, folder, dict)
    for text in texts:
        before = files.text("label")
        try:
            files.save("label", text, digest(before), "a test")
        except TemplateError:
            assert files.text("label") == before
        else:
            assert (folder / "templates" / "label.j2").read_text() == text
        with pytest.raises(CommandRefused):
            files.save("label", text + "x", "another", "a test")
    assert alarms == []
    assert shelf.problems() == {}
