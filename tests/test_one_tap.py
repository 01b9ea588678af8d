"""What one tap, one printer or one key can't do: stop the shop."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent import app
from agent.console.act import AT_ONCE
from agent.console.rights import local
from tests.till import TOKEN
from tests.window import STATIONS, WAIT_S, ShopWindow, text_of, window

KEYS = "signatures:\n  keys:\n    - {id: 2026-h, algorithm: hmac-sha256, key_file: signing.key}\n"
CLOUD = "broker: {url: 'mqtt://127.0.0.1:9'}\n"
ORDER = b'{"specversion":"1.0","id":"%d","source":"//till","type":"order.upsert","data":{"order":{"id":"%d","rev":1,\
"channel":"till","no":"%d","items":[{"name":"x","qty":"1"}]}}}'


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[ShopWindow]:
    """A shop whose cloud, which does not answer, signs what it sends."""
    (tmp_path / "signing.key").write_text("s3cr3t-s3cr3t-s3cr3t-s3cr3t\n")
    with window(tmp_path, more=STATIONS + KEYS + CLOUD) as here:
        here.me.language = "en"
        yield here


def sell(shop: ShopWindow, number: int) -> int:
    """An order comes from the shop's own till; the answer's status."""
    headers = {"authorization": f"Bearer {TOKEN}", "content-type": "application/cloudevents+json"}
    return shop.anybody.ask("POST", "/v1/orders", ORDER % (number, number, number), headers).status


def line_runs(shop: ShopWindow) -> bool:
    """Does it try to reach the broker?"""
    assert shop.agent._cloud.line is not None
    return shop.agent._cloud.line.alive()


# -- what a start needs ------------------------------------------------------------------------------------------------


def test_a_change_that_would_start_into_a_missing_key_is_refused(shop: ShopWindow) -> None:
    """The agent that runs has the key still. What needs no start is changed all the same."""
    before = shop.config_path.read_bytes()
    (shop.folder / "signing.key").unlink()
    answer = shop.me.post("/printers/rename", {"printer": "wok", "name": "hot"})
    assert answer.status == 409
    assert "signatures.keys: 2026-h" in text_of(answer)
    assert "signing.key" in text_of(answer)
    assert shop.config_path.read_bytes() == before
    assert shop.me.post("/setup/switch", {"printing.unconfirmed": "ask"}).status == 200
    assert shop.restarts == 0
    (shop.folder / "signing.key").write_text("s3cr3t-s3cr3t-s3cr3t-s3cr3t\n")
    assert shop.me.post("/printers/rename", {"printer": "wok", "name": "hot"}).status == 200
    shop.wait_restarted(0)


def test_a_mapping_that_can_not_be_read_is_refused_before_the_start(shop: ShopWindow) -> None:
    """Typed into the file by hand, and not in use yet."""
    (shop.folder / "own.yaml").write_text("nonsense: 1\n")
    typed = shop.config_path.read_text() + "mappings:\n  - {topic: shops/s1/dn/x, file: own.yaml}\n"
    shop.config_path.write_text(typed)
    answer = shop.me.post("/printers/rename", {"printer": "wok", "name": "hot"})
    assert answer.status == 409
    assert "own.yaml" in text_of(answer)
    assert shop.config_path.read_text() == typed


def test_without_a_key_the_till_prints_and_orders_wait_at_the_broker(
    shop: ShopWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line stays shut, an alarm says why, and it opens by itself when the key is there again."""
    assert line_runs(shop)
    (shop.folder / "signing.key").unlink()
    shop.restart()
    assert not line_runs(shop)
    assert "signing.key" in shop.alarms()["broker:keys"]
    assert sell(shop, 7) == 202
    shop.on_paper(7)
    monkeypatch.setattr(app, "TIDY_EACH_S", 0.05)
    before = shop.restarts
    (shop.folder / "signing.key").write_text("s3cr3t-s3cr3t-s3cr3t-s3cr3t\n")
    shop.wait_restarted(before)
    assert line_runs(shop)
    assert "broker:keys" not in shop.alarms()


# -- one printer -------------------------------------------------------------------------------------------------------


def test_a_virtual_printer_with_too_long_a_name_is_refused(shop: ShopWindow) -> None:
    before = shop.config_path.read_bytes()
    for name in ("x" * 300, "厨" * 100):
        answer = shop.me.post("/printers/add", {"name": "u", "link": f"virtual://{name}"})
        assert answer.status in (409, 422)
        assert "too long" in text_of(answer)
    assert shop.config_path.read_bytes() == before


def test_a_virtual_printer_that_can_not_live_is_away_and_the_others_print(shop: ShopWindow) -> None:
    """Until its folder can be made; nothing is started anew for that."""
    (shop.folder / "data/virtual").write_text("in the way")
    assert shop.me.post("/printers/add", {"name": "paperless", "link": "virtual://paperless"}).status == 200
    shop.wait_restarted(0)
    sell(shop, 1)
    shop.on_paper(1)
    shop.until(lambda: "printer:paperless:away" in shop.alarms(), "the alarm")
    assert "can't live there" in shop.alarms()["printer:paperless:away"]
    (shop.folder / "data/virtual").unlink()
    shop.until(lambda: shop.agent._prints.workers["paperless"].seen()["state"] == "ready", "the printer")


# -- one tap -----------------------------------------------------------------------------------------------------------


def test_many_that_wait_for_a_printer_hold_up_nobody_else(shop: ShopWindow, monkeypatch: pytest.MonkeyPatch) -> None:
    """More phones than there are seats try a dead printer; a kitchen's tap is answered at once."""
    sell(shop, 1)
    ticket = shop.wait_ticket(1)
    over, waiting = threading.Event(), threading.Semaphore(0)

    def wait(*_: object) -> dict[str, str]:
        waiting.release()
        over.wait(WAIT_S)
        return {"state": "pending", "why": "away"}

    for name in ("test", "identify", "retry", "probe", "accept"):
        monkeypatch.setitem(shop.agent._handlers, name, wait)
    names = ["retry", "test", "probe", "accept", "identify"] * 2 + ["retry"] * AT_ONCE
    phones = [threading.Thread(target=shop.me.do, args=(name,), kwargs={"printer": "wok"}) for name in names]
    for phone in phones:
        phone.start()
    try:
        assert all(waiting.acquire(timeout=WAIT_S) for _ in range(AT_ONCE))
        began = time.monotonic()
        assert shop.me.post("/kitchen/ready", {"ticket": ticket}).status == 200
        assert shop.me.do("pause", printer="bar").status == 200
        assert time.monotonic() - began < WAIT_S / 4
        assert not over.is_set()
    finally:
        over.set()
        for phone in phones:
            phone.join(WAIT_S)


@pytest.mark.parametrize("where", ["//[", "tcp://[", "http://[x", "/\\[", "//evil.example", "/a\nb", ""])
def test_an_address_that_is_none_leads_to_the_first_page(where: str) -> None:
    assert local(where) == "/"


def test_numbers_and_addresses_that_are_none_are_answered(shop: ShopWindow) -> None:
    """Also where a person types them who is not signed in."""
    assert shop.anybody.get("/sign-in?next=//[").status == 200
    assert shop.anybody.get("/claim?next=tcp://[").status == 200
    assert shop.anybody.post("/sign-in", {"pin": "274859", "next": "//["}).headers["location"] == "/"
    assert shop.me.get("/templates/edit?name=kitchen&version=²").status == 200
    assert shop.me.get("/templates/edit?name=kitchen&version=٣").status == 200
