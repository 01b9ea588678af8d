"""Who may do what in the window: the code on paper, the PIN, sessions; and that nothing opens without them."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.routing import Route

from agent.config import Printer
from agent.config.pairing import Pairing, make_token
from agent.console.access import LONGEST_PIN, MOST_CODES, MOST_SESSIONS, MOST_TRIES, Access, pin_problem
from agent.console.claimticket import choose
from agent.console.door import MANY_WRONG, MOST_WRONG
from agent.console.rights import COOKIE
from agent.model.link import parse_link
from agent.simulator.printer import VirtualPrinter
from tests.scan import scan_piece
from tests.till import SN, UKEY, USER, Answer, signed
from tests.window import PIN, Client, ShopWindow, text_of, window

FREE = {"/", "/now/board", "/live", "/sign-in", "/claim", "/claim/code", "/language", "/manifest.webmanifest"}
FREE |= {"/favicon.ico", "/static/{name}"}
MACHINES = {"/healthz", "/readyz", "/metrics", "/v1/orders"}
CODE = re.compile(r"\b([A-Z2-9]{4}-[A-Z2-9]{4})\b")


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ShopWindow]:
    """One shop for many requests."""
    with window(tmp_path_factory.mktemp("window")) as shop:
        yield shop


def routes(shop: ShopWindow) -> list[tuple[str, str]]:
    """Every path of the port with each of its methods."""
    console: Any = shop.agent.console
    assert console is not None
    found = [route for route in console._app.routes if isinstance(route, Route)]
    return [(route.path, method) for route in found for method in sorted(route.methods or {"GET"}) if method != "HEAD"]


def filled(path: str) -> str:
    """With something in the place of each parameter."""
    return re.sub(r"\{[^}]*\}", "1", path)


def code_on(paper: VirtualPrinter) -> str:
    """The code on the newest piece; large letters stand apart in the text."""
    text = re.sub(r"(?<=\S)  (?=\S)", "", paper.paper.pieces[-1].text)
    found = CODE.search(text)
    assert found, text
    return found[1]


# -- the file ----------------------------------------------------------------------------------------------------------


def test_a_code_makes_its_reader_the_owner_once(tmp_path: Path) -> None:
    access = Access(tmp_path)
    code = access.issue_code()
    assert not access.claimed
    assert access.choose_pin(f" {code[:4].lower()}-{code[4:]} ", PIN)
    assert access.claimed
    assert access.is_pin(PIN)
    assert not access.is_pin("274858")
    assert not access.choose_pin(code, "999000")
    assert access.is_pin(PIN)


def test_the_last_few_codes_count_until_one_is_used(tmp_path: Path) -> None:
    """Somebody who has one printed voids nobody's paper; ten of them do."""
    access = Access(tmp_path)
    codes = [access.issue_code() for _ in range(MOST_CODES + 1)]
    assert not access.choose_pin(codes[0], PIN)
    assert access.choose_pin(codes[1], PIN)
    assert not access.choose_pin(codes[-1], "998877")


def test_a_code_that_root_was_told_is_voided_by_no_paper(tmp_path: Path) -> None:
    access = Access(tmp_path)
    told = access.tell_code()
    for _ in range(MOST_CODES + 1):
        access.issue_code()
    assert access.choose_pin(told, PIN)


def test_a_code_that_is_guessed_at_is_void_also_after_a_restart(tmp_path: Path) -> None:
    code = Access(tmp_path).issue_code()
    for _ in range(MOST_TRIES):
        assert not Access(tmp_path).choose_pin("AAAAAAAA", PIN)
    assert not Access(tmp_path).choose_pin(code, PIN)


def test_there_is_no_code_before_one_was_issued(tmp_path: Path) -> None:
    assert not Access(tmp_path).choose_pin("", PIN)
    assert not Access(tmp_path).is_pin("")


def test_a_new_pin_signs_everybody_out(tmp_path: Path) -> None:
    access = Access(tmp_path)
    access.choose_pin(access.issue_code(), PIN)
    phone = access.sign_in()
    assert access.is_session(phone)
    access.choose_pin(access.issue_code(), "998877")
    assert not access.is_session(phone)
    assert not access.is_pin(PIN)


def test_sessions_are_counted(tmp_path: Path) -> None:
    access = Access(tmp_path)
    phones = [access.sign_in() for _ in range(MOST_SESSIONS + 1)]
    assert not access.is_session(phones[0])
    assert all(access.is_session(phone) for phone in phones[1:])
    access.sign_out(phones[-1])
    assert not access.is_session(phones[-1])
    assert not access.is_session("")


def test_what_the_command_line_writes_counts_at_once(tmp_path: Path) -> None:
    running, command_line = Access(tmp_path), Access(tmp_path)
    running.choose_pin(running.issue_code(), PIN)
    phone = running.sign_in()
    code = command_line.issue_code()
    assert running.is_session(phone)
    assert running.choose_pin(code, "998877")
    assert not command_line.is_session(phone)


def test_nothing_secret_stands_in_the_file(tmp_path: Path) -> None:
    access = Access(tmp_path)
    code = access.issue_code()
    before = (tmp_path / "access.json").read_text()
    access.choose_pin(code, PIN)
    phone = access.sign_in()
    after = (tmp_path / "access.json").read_text()
    assert code not in before
    assert PIN not in after
    assert phone not in after
    assert (tmp_path / "access.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", [b"", b"{", b'{"pin": 3}', b"\xff\xfe", b'{"sessions": ["' + b"x" * 100 + b'"]}'])
def test_a_broken_file_opens_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "access.json").write_bytes(content)
    access = Access(tmp_path)
    assert not access.claimed
    assert not access.is_pin(PIN)
    assert not access.choose_pin("", PIN)
    assert access.choose_pin(access.issue_code(), PIN)


@pytest.mark.parametrize(
    "pin", ["", "12345", "1" * (LONGEST_PIN + 1), "000000", "123456", "987654", "12345a", "１２３４５７"]
)
def test_a_pin_that_can_be_guessed_is_none(pin: str) -> None:
    assert all(pin_problem(pin))


@pytest.mark.parametrize("pin", [PIN, "112358", "900900"])
def test_others_are(pin: str) -> None:
    assert pin_problem(pin) == ("", "")


# -- every route -------------------------------------------------------------------------------------------------------


def test_no_route_answers_without_its_right(here: ShopWindow) -> None:
    swept = 0
    for path, method in routes(here):
        if path in MACHINES | FREE:
            continue
        answer = here.anybody.ask(method, filled(path), b"", {})
        assert answer.status == 401, (method, path, answer.status, answer.body[:200])
        answer = here.anybody.ask(method, filled(path), b"", {"cookie": f"{COOKIE}=guessed"})
        assert answer.status == 401, (method, path)
        swept += 1
    assert swept > 20
    assert here.anybody.get("/there-is-no-such-page").status == 401


@pytest.mark.parametrize("path", ["/Api/Open/", "/Api/Open", "/Api/Open/Open_printMsg"])
def test_a_machines_path_is_free_in_each_of_its_forms(tmp_path: Path, path: str) -> None:
    """Feieyun's newer clients write the call's name behind the path; the signature guards it."""
    (tmp_path / "ukey").write_text(UKEY + "\n")
    with window(tmp_path) as here:
        account = f"feie: {{user: {USER}, ukey_file: ukey, printers: [{{sn: '{SN}', station: wok}}]}}"
        text = here.config_path.read_text()
        here.config_path.write_text(text.replace("token_file: token}", f"token_file: token, {account}}}"))
        here.restart()
        answer = here.anybody.post(path, signed("Open_printMsg", sn=SN, content="番茄炒蛋<BR>"))
        assert (answer.status, answer.said["ret"]) == (200, 0)
        assert here.anybody.post(path, {"user": USER, "stime": "1", "sig": "x"}).said["ret"] == -3
        assert here.anybody.post("/Api/Open/a/b", {}).status == 401


def test_a_person_who_is_not_signed_in_is_led_to_the_door_and_back(here: ShopWindow) -> None:
    answer = here.anybody.get("/setup?x=1", accept="text/html")
    assert (answer.status, answer.headers["location"]) == (303, "/sign-in?next=%2Fsetup%3Fx%3D1")


def test_the_free_page_names_no_order(here: ShopWindow) -> None:
    here.order("A7319", note="张三的秘密")
    here.wait_ticket("A7319")
    page = here.anybody.get("/").body.decode()
    assert "A7319" not in page
    assert "张三" not in page


def test_another_name_for_the_box_is_refused_everywhere(here: ShopWindow) -> None:
    """DNS rebinding: a page of elsewhere reaches the box by a name of its own."""
    for path, method in routes(here):
        if method != "OPTIONS":
            answer = here.me.ask(method, filled(path), b"", {"host": "evil.example"})
            assert answer.status == 421, (method, path, answer.status)


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:1"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"origin": "http://[::1"},
    ],
)
def test_a_page_of_another_site_can_do_nothing(here: ShopWindow, headers: dict[str, str]) -> None:
    before = here.config_path.read_bytes()
    for path, method in routes(here):
        if method not in ("GET", "OPTIONS") and path not in MACHINES:
            answer = here.me.ask(method, filled(path), b"", {**headers, "content-type": "text/plain"})
            assert answer.status == 403, (method, path, answer.status, answer.body[:100])
    assert here.config_path.read_bytes() == before
    assert here.me.get("/setup").status == 200


def test_a_page_of_our_own_may(here: ShopWindow) -> None:
    own = f"http://127.0.0.1:{here.port}"
    answer = here.me.post("/setup/switch", {"printing.unconfirmed": "x"}, origin=own, sec_fetch_site="same-origin")
    assert answer.status == 422


def test_every_answer_says_what_a_browser_must_not_do(here: ShopWindow) -> None:
    for path in ("/", "/sign-in", "/claim", "/setup", "/nothing", "/static/app.js"):
        headers = here.me.get(path).headers
        assert "script-src 'self'" in headers["content-security-policy"], path
        assert "frame-ancestors 'none'" in headers["content-security-policy"], path
        assert headers["x-content-type-options"] == "nosniff", path


def test_pages_hold_no_script_or_style_of_their_own(here: ShopWindow) -> None:
    """What the policy forbids would not work."""
    for path, method in routes(here):
        if method == "GET" and "{" not in path and path not in MACHINES | {"/live"}:
            page = here.me.get(path).body.decode("utf-8", "replace")
            assert not re.search(r"<script(?![^>]*\ssrc=)", page), path
            assert not re.search(r"\sstyle=|\son[a-z]+=|<style", page), path


def test_an_address_that_there_is_not_is_a_page_with_a_way_back(here: ShopWindow) -> None:
    """For a browser, in its language; a program gets JSON, and who is not signed in is led to the door."""
    for language, words in (("zh", "没有这一页 回到“现在”"), ("en", "There is no such page Back to “Now”")):
        answer = here.me.get("/nothing", accept="text/html,*/*;q=0.8", accept_language=language)
        assert answer.status == 404
        assert words in text_of(answer)
        assert 'href="/" role="button"' in answer.body.decode()
    program = here.me.get("/nothing")
    assert (program.status, program.body) == (404, b'{"error":"Not Found"}')
    assert here.anybody.get("/nothing", accept="text/html").status == 303


def test_files_are_those_of_the_folder_and_no_other(here: ShopWindow) -> None:
    assert here.anybody.get("/static/app.css").status == 200
    for name in ("../pages.py", "..%2fpages.py", "%2e%2e/pages.py", "nothing.js", "__init__.py"):
        assert here.anybody.get(f"/static/{name}").status in (401, 404), name


# -- the door ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def new(tmp_path: Path) -> Iterator[ShopWindow]:
    """A shop of its own, whose people may be shut out."""
    with window(tmp_path) as shop:
        yield shop


def signed_in(shop: ShopWindow, answer: Answer) -> bool:
    """Does the cookie of this answer open a page?"""
    found = re.search(rf"{COOKIE}=([^;]+)", answer.headers.get("set-cookie", ""))
    return bool(found) and Client(lambda: shop.port, session=found[1] if found else "").get("/setup").status == 200


def test_the_pin_opens_and_the_cookie_is_kept_close(new: ShopWindow) -> None:
    answer = new.anybody.post("/sign-in", {"pin": PIN, "next": "/setup"})
    assert (answer.status, answer.headers["location"]) == (303, "/setup")
    assert signed_in(new, answer)
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie


@pytest.mark.parametrize("where", ["//evil.example", "http://evil.example", "/\\evil.example", "javascript:1", "", "x"])
def test_nobody_is_led_to_another_site(new: ShopWindow, where: str) -> None:
    assert new.anybody.post("/sign-in", {"pin": PIN, "next": where}).headers["location"] == "/"


def test_who_guesses_is_shut_out_though_he_guesses_right_at_last(new: ShopWindow) -> None:
    for _ in range(MOST_WRONG):
        assert new.anybody.post("/sign-in", {"pin": "135791"}).status == 403
    answer = new.anybody.post("/sign-in", {"pin": PIN})
    assert answer.status == 429
    assert "15" in text_of(answer)
    assert not signed_in(new, answer)
    assert new.me.get("/setup").status == 200


def test_many_at_once_are_many(new: ShopWindow) -> None:
    """Of guesses that are all under way at once no more are looked at than of those one after another."""
    with ThreadPoolExecutor(16) as pool:
        said = list(pool.map(lambda n: new.anybody.post("/sign-in", {"pin": f"13579{n:02}"}).status, range(16)))
    assert said.count(403) == MOST_WRONG
    assert said.count(429) == 16 - MOST_WRONG


def test_many_addresses_are_slowed_down_together(new: ShopWindow) -> None:
    """And a person is told; the paper is a way in all the same."""
    console: Any = new.agent.console
    door = next(route.endpoint.__self__ for route in console._app.routes if getattr(route, "path", "") == "/sign-out")
    door._pins.check = door._pins.failed = lambda _: None  # each guess from an address of its own
    said = [new.anybody.post("/sign-in", {"pin": "135791"}).status for _ in range(MANY_WRONG + 10)]
    assert said == [403] * MANY_WRONG + [429] * 10
    new.until(lambda: "console:guessed" in new.alarms(), "the alarm")
    assert new.anybody.post("/sign-in", {"pin": PIN}).status == 429
    new.anybody.post("/claim/code")
    new.on_paper("WELCOME")
    told = {"code": code_on(new.devices["wok"]), "pin": "998877", "again": "998877"}
    assert new.anybody.post("/claim", told).status == 303


def test_the_way_by_paper_is_open_to_who_is_shut_out(new: ShopWindow) -> None:
    for _ in range(MOST_WRONG + 1):
        new.anybody.post("/sign-in", {"pin": "135791"})
    new.anybody.post("/claim/code")
    new.on_paper("WELCOME")
    told = {"code": code_on(new.devices["wok"]), "pin": "998877", "again": "998877"}
    assert new.anybody.post("/claim", told).status == 303


def test_a_code_that_can_not_be_printed_voids_none(tmp_path: Path) -> None:
    with window(tmp_path, printers=(), more="") as shop:
        code = shop.access.tell_code()
        assert shop.anybody.post("/claim/code").status == 409
        assert shop.anybody.post("/claim", {"code": code, "pin": "998877", "again": "998877"}).status == 303


def test_who_taps_again_gets_the_same_code(new: ShopWindow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.console.door.CODE_EACH_S", 0.0)
    new.anybody.post("/claim/code")
    new.on_paper("WELCOME")
    first = code_on(new.devices["wok"])
    new.anybody.post("/claim/code")
    new.on_paper("WELCOME", times=2)
    assert code_on(new.devices["wok"]) == first


def test_a_printer_that_was_just_added_does_not_see_the_code() -> None:
    """Who knows the PIN for a moment does not become the owner by a printer of his own."""
    ready = {"state": "ready"}
    printers = [
        Printer(name="lan", link=parse_link("tcp://192.0.2.7:9100")),
        Printer(name="usb", link=parse_link("usblp:/dev/usb/lp0")),
        Printer(name="his", link=parse_link("tcp://192.0.2.66:9100"), role="counter"),
    ]
    seen = {printer.name: ready for printer in printers}
    assert [choose(printers, seen), choose(printers[::2], seen)] == [printers[1], printers[0]]
    assert choose(printers, {**seen, "usb": {"state": "away"}}) == printers[0]
    assert choose([], {}) is None


@pytest.mark.parametrize("url", ["mqtt://127.0.0.1:18999", "mqtts://127.0.0.2:18999", "mqtt://127.0.0.2:1"])
def test_a_password_goes_to_no_other_broker(tmp_path: Path, url: str) -> None:
    """Somebody who is signed in points the line at himself, and would be told the password."""
    (tmp_path / "secret").write_text("hush\n")
    broker = 'broker: {url: "mqtt://127.0.0.2:18999", username: s1, password_file: secret}\n'
    with window(tmp_path, more=broker) as shop:
        before = shop.config_path.read_text()
        said = shop.me.post("/setup/cloud", {"url": url, "username": "s1"})
        assert (said.status, shop.config_path.read_text()) == (422, before)
        assert "密码" in text_of(said)
        assert shop.me.post("/setup/cloud", {"url": url, "username": "s1", "password": "new"}).status == 200
        shop.wait_restarted(0)
        assert "hush" not in shop.config_path.read_text()
        broker_now = shop.agent._config.broker
        assert broker_now is not None
        assert broker_now.password() == "new"


def test_a_password_of_the_environment_stays_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_AGENT_BROKER_PASSWORD", "hush")
    with window(tmp_path, more='broker: {url: "mqtt://127.0.0.2:18999", username: s1}\n') as shop:
        token = make_token(Pairing("s1", "mqtt://127.0.0.1:18999", password="x"))
        for sent in ({"token": token}, {"url": "mqtt://127.0.0.1:18999", "password": "x"}):
            said = shop.me.post("/setup/cloud", sent)
            assert said.status == 422
            assert "SHOP_AGENT_BROKER_PASSWORD" in text_of(said)


@pytest.mark.parametrize("host", ["127.0.0.1:8480/static/?", "localhost:x", "127.0.0.1:8480/", "[::1]/static/", "a b"])
def test_a_host_that_is_none_is_refused(here: ShopWindow, host: str) -> None:
    """An address that is made of it would be another than the one that is routed."""
    assert here.anybody.get("/setup", host=host).status in (400, 421)


def test_a_forgotten_pin_is_chosen_anew_with_a_code_on_paper(new: ShopWindow) -> None:
    said = new.anybody.post("/claim/code")
    assert "wok" in text_of(said)
    assert "✓" in text_of(said)
    new.on_paper("WELCOME")
    code = code_on(new.devices["wok"])
    assert code.replace("-", "") not in said.body.decode()
    two = {"code": code, "pin": "998877", "again": "998876"}
    assert new.anybody.post("/claim", two).status == 422
    assert new.anybody.post("/claim", {**two, "code": "AAAA-AAAA", "again": "998877"}).status == 403
    answer = new.anybody.post("/claim", {**two, "again": "998877"})
    assert answer.status == 303
    assert signed_in(new, answer)
    assert new.me.get("/setup").status == 401, "everybody else signs in anew"
    assert new.anybody.post("/claim", {**two, "again": "998877"}).status == 403, "a code works once"


def test_paper_is_for_orders(new: ShopWindow) -> None:
    """Somebody who taps and taps gets one code."""
    assert new.anybody.post("/claim/code").status == 200
    assert [new.anybody.post("/claim/code").status for _ in range(5)] == [429] * 5
    new.on_paper("WELCOME")


def test_the_qr_on_the_ticket_leads_to_the_page_with_the_code(new: ShopWindow) -> None:
    new.anybody.post("/claim/code")
    new.on_paper("WELCOME")
    found = [each.text for each in scan_piece(new.devices["wok"].paper.pieces[-1])]
    (link,) = [text for text in found if "/claim" in text]
    assert link.endswith(f":{new.port}/claim?code={code_on(new.devices['wok']).replace('-', '')}")


def test_signing_out_is_for_this_phone(new: ShopWindow) -> None:
    other = Client(lambda: new.port, session=new.access.sign_in())
    assert new.me.post("/sign-out").status == 204
    assert new.me.get("/setup").status == 401
    assert other.get("/setup").status == 200


def test_the_state_page_can_be_closed(new: ShopWindow) -> None:
    assert new.anybody.get("/").status == 200
    said = new.me.post("/setup/switch", {"console.public": "nothing"})
    assert "✓" in text_of(said)
    new.wait_restarted(0)
    assert new.anybody.get("/now/board").status == 401
    assert new.anybody.get("/live").status == 401


# -- anything ----------------------------------------------------------------------------------------------------------

_TEXT = st.text(max_size=40) | st.sampled_from(
    ["1", "0", "all", "-1", "9" * 30, "../../etc/passwd", "{{7*7}}", "<b>", "\0"]
)
_WORDS = """pin code again next ticket order orders channel station decision printer all shop language timezone token
url name link width to q page lan from template source"""
_NAMES = st.sampled_from(_WORDS.split())


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_is_sent_the_box_does_not_stumble(here: ShopWindow, data: st.DataObject) -> None:
    """No answer is a fault of ours (5xx but 503), whoever asks, whatever stands in the fields."""
    paths = [pair for pair in routes(here) if pair[0] not in ("/live", "/setup/shop", "/sign-out", "/setup/cloud")]
    path, method = data.draw(st.sampled_from(paths))
    safe = st.text(alphabet="abcXYZ019.-_~", min_size=1, max_size=12)
    path = re.sub(r"\{[^}]*\}", lambda _: data.draw(safe), path)
    asked = data.draw(st.dictionaries(_NAMES, _TEXT, max_size=4))
    who = data.draw(st.sampled_from([here.me, here.anybody]))
    answer = who.post(path, asked) if method == "POST" else who.get(path)
    assert answer.status < 500 or answer.status == 503, (method, path, asked, answer.status, answer.body[:300])
