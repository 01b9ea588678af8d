"""The stream that tells pages of changes: what it says, to whom, and that it stands in nobody's way."""

import contextlib
import http.client
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.console.live import MOST_STRANGERS, news_of
from agent.console.rights import COOKIE
from tests.window import WAIT_S, ShopWindow, text_of, window


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[ShopWindow]:
    """A shop with a wok and a bar."""
    with window(tmp_path) as here:
        yield here


class Stream:
    """Somebody who listens."""

    def __init__(self, shop: ShopWindow, session: str = "", phone: int = 1) -> None:
        address = f"127.0.0.{phone}"
        self._line = http.client.HTTPConnection("127.0.0.1", shop.port, timeout=WAIT_S, source_address=(address, 0))
        self._line.request("GET", "/live", headers={"cookie": f"{COOKIE}={session}"} if session else {})
        self._answer = self._line.getresponse()
        assert self._answer.status == 200
        self.next()

    def next(self) -> list[dict[str, str]]:
        """The news of the next change; EOFError at the stream's end."""
        while line := self._answer.readline():
            if line.startswith(b"data:"):
                return list(json.loads(line[5:]).get("news", []))
        raise EOFError

    def until_news(self, kind: str) -> dict[str, str]:
        """The next news of this kind."""
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            for news in self.next():
                if news["kind"] == kind:
                    return news
        raise AssertionError(kind)

    def close(self) -> None:
        """Go away."""
        with contextlib.suppress(OSError, AttributeError):
            self._line.sock.shutdown(2)
        self._answer.close()
        self._line.close()


def test_who_is_signed_in_hears_the_number_and_others_that_there_is_one(shop: ShopWindow) -> None:
    staff, anybody = Stream(shop, shop.me.session), Stream(shop)
    shop.order("A73")
    assert staff.until_news("order") == {"kind": "order", "what": "A73"}
    assert anybody.until_news("order") == {"kind": "order", "what": ""}
    staff.close()
    anybody.close()


def test_an_alarm_is_heard_at_once(shop: ShopWindow) -> None:
    staff = Stream(shop, shop.me.session)
    shop.devices["wok"].open_cover()
    shop.order(1)
    assert "wok" in staff.until_news("alarm")["what"]
    shop.devices["wok"].close_cover()
    staff.close()


def test_what_is_in_no_journal_is_told_too(shop: ShopWindow) -> None:
    """How a printer is, is looked at."""
    staff = Stream(shop, shop.me.session)
    shop.devices["bar"].power_off()
    assert staff.next() == []
    staff.close()


def test_strangers_take_no_page_from_the_staff(shop: ShopWindow) -> None:
    strangers = [Stream(shop, phone=2 + at % 9) for at in range(MOST_STRANGERS)]
    one_more = Stream(shop, phone=11)
    with pytest.raises(EOFError):
        one_more.next()
    staff = Stream(shop, shop.me.session)
    shop.order(5)
    assert staff.until_news("order")["what"] == "5"
    for each in [*strangers, one_more, staff]:
        each.close()


def test_a_new_start_ends_the_streams_at_once(shop: ShopWindow) -> None:
    staff = Stream(shop, shop.me.session)
    began = time.monotonic()
    shop.restart()
    with contextlib.suppress(EOFError, OSError):
        while time.monotonic() - began < WAIT_S:
            staff.next()
    assert time.monotonic() - began < 5
    staff.close()
    again = Stream(shop, shop.me.session)
    shop.order(6)
    assert again.until_news("order")["what"] == "6"
    again.close()


def test_of_reports_only_new_orders_and_alarms_are_news() -> None:
    order = json.dumps({"order": {"id": "8812", "channel": "x", "no": ""}, "state": "accepted", "rev": 1}).encode()
    found = news_of("order.state", order)
    assert found is not None
    assert found.what == "8812"
    assert news_of("order.state", order.replace(b"accepted", b"duplicate")) is None
    assert news_of("ticket.state", order) is None
    assert news_of("alarm", b'{"key":"disk","state":"cleared"}') is None


def test_an_alarm_about_what_is_over_ends_with_a_tap(shop: ShopWindow) -> None:
    """A message that nobody can read: a person has seen it, and the page is calm again."""
    shop.event("order.upsert", {"order": {"id": "x"}}, "broken")
    page = shop.me.get("/").body.decode()
    assert 'value="parked"' in page
    assert "✓" in text_of(shop.me.do("dismiss", alarm="parked"))
    assert "parked" not in shop.alarms()
    assert "✗" in text_of(shop.me.do("dismiss", alarm="parked")), "the second one is told"
    assert 'value="parked"' not in shop.anybody.get("/").body.decode()
