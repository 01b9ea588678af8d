"""The page that says how a day went: counted from the journal, by indexes, and checked against what happened."""

import csv
import re
import statistics
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.clock import stamp
from agent.console.chart import HEIGHT, WIDTH, bars
from agent.console.daybook import MOST_TOP, Day, Daybook, count, limits, waits
from agent.journal import days, notes
from agent.journal.days import Came, Made
from agent.journal.file import MIGRATIONS, Tx, open_journal
from agent.model.job import JobKind, JobState, Mark
from tests.browser import needs_chromium, phone
from tests.till import TOKEN
from tests.window import ShopWindow, text_of, window

SHANGHAI = ZoneInfo("Asia/Shanghai")
DAY = date(2026, 11, 22)
NOON = datetime(2026, 11, 22, 4, tzinfo=UTC)
"""In Shanghai."""


def came(pk: int, at: datetime = NOON, items: str = '[{"name":"豆浆","qty":"2","unit":"杯"}]', **more: Any) -> Came:
    """An order."""
    payload = f'{{"order":{{"id":"{pk}","rev":1,"channel":"c","items":{items}}}}}'.encode()
    order = Came(pk, stamp(at), "c", str(pk), str(pk), "printed", False, payload)
    return msgspec.structs.replace(order, **more)


def made(took_s: float | None, **more: Any) -> Made:
    """A ticket that was on paper so soon; None: it is not."""
    at = "" if took_s is None else stamp(NOON + timedelta(seconds=took_s))
    known = Made(1, JobKind.ORDER, "wok", "wok", JobState.COMPLETED, None, "confirmed", stamp(NOON), at, False)
    return msgspec.structs.replace(known, **more)


# -- the numbers ---------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 100_000), min_size=1, max_size=60))
def test_the_median_and_the_time_within_which_19_of_20_are_printed(took_ms: list[int]) -> None:
    found = waits(made(ms / 1000) for ms in took_ms)
    assert found.median == pytest.approx(statistics.median(took_ms) / 1000, abs=1e-6)
    assert found.most is not None
    within = sum(ms / 1000 <= found.most + 1e-9 for ms in took_ms)
    assert within >= 0.95 * len(took_ms)
    sooner = sum(ms / 1000 < found.most - 1e-9 for ms in took_ms)
    assert sooner < 0.95 * len(took_ms)


def test_what_is_no_time_to_paper() -> None:
    """A copy that somebody asked for, what only a person saw, what waits, and a clock that was set back meanwhile."""
    odd = [made(900, mark=Mark.ASKED), made(900, evidence="witnessed"), made(None), made(-30)]
    assert waits(odd) == waits([])
    assert waits([*odd, made(2), made(4)]).median == 3
    assert waits([made(80, mark=Mark.POSSIBLE_DUPLICATE)]).median == 80, "a ticket in doubt took as long as it took"


def test_a_day_is_counted() -> None:
    milk, beef = '{"name":"豆浆","qty":%d,"unit":"杯"}', '{"name":"酱牛肉","qty":"1.5","unit":"斤"}'
    drinks = f"[{milk % 2},{beef},{milk % 1}]"
    orders = [
        came(1, NOON - timedelta(hours=4)),
        came(2, items=drinks),
        came(3, canceled=True),
        came(4, NOON + timedelta(hours=15), payload=None),
        came(5, state="rejected"),
        came(6, NOON + timedelta(hours=15), state="held"),
    ]
    tickets = [
        made(1),
        made(3, station="bar", printer="bar"),
        made(9, mark=Mark.ASKED),
        made(70, mark=Mark.POSSIBLE_DUPLICATE, doubted=True),
        made(None, state=JobState.HELD, doubted=True),
        made(None, state=JobState.CANCELED),
        made(None, state=JobState.ABORTED),
    ]
    since, _ = limits(DAY, SHANGHAI)
    up = [days.Raised("printer:wok:paper", "no paper", stamp(NOON), ""), days.Raised("old", "", "2026-11-01T", since)]
    found = count(DAY, SHANGHAI, orders, tickets, up)
    assert (found.orders, found.canceled, found.items, found.tickets) == (5, 1, 6, 4)
    assert found.rejected == 1, "what nobody wanted printed was not sold, nor is yet what waits for a person"
    assert (found.asked, found.again, found.doubts, found.unprinted, found.faults) == (1, 1, 2, 2, 1)
    assert {hour: number for hour, number in enumerate(found.hours, 4) if number} == {8: 1, 12: 2, 27: 2}
    assert [(dish.name, str(dish.qty), dish.unit, dish.orders) for dish in found.dishes] == [
        ("豆浆", "5", "杯", 2),
        ("酱牛肉", "1.5", "斤", 1),
    ]
    assert [(place.station, place.tickets, place.reprints, place.doubts) for place in found.places] == [
        ("bar", 1, 0, 0),
        ("wok", 3, 2, 2),
    ]


def test_a_day_without_anything() -> None:
    found = count(DAY, None, [], [], [])
    assert (found.orders, found.waits.median, found.dishes, found.places) == (0, None, [], [])
    assert bars(found.hours, 4) == []


def test_only_the_best_are_listed() -> None:
    orders = [came(n, items=f'[{{"name":"菜{n}","qty":{n}}}]') for n in range(1, 60)]
    top = count(DAY, None, orders, [], []).dishes
    assert [int(dish.qty) for dish in top] == list(range(59, 59 - MOST_TOP, -1))


@pytest.mark.parametrize(
    ("zone", "day", "since", "until"),
    [
        ("Asia/Shanghai", "2026-11-22", "2026-11-21T20:00", "2026-11-22T20:00"),
        ("Europe/Berlin", "2026-03-28", "2026-03-28T03:00", "2026-03-29T02:00"),  # summer time begins in it
        ("Europe/Berlin", "2026-10-24", "2026-10-24T02:00", "2026-10-25T03:00"),
    ],
)
def test_a_day_ends_at_four_in_the_morning(zone: str, day: str, since: str, until: str) -> None:
    found = limits(date.fromisoformat(day), ZoneInfo(zone))
    assert found == (f"{since}:00.000Z", f"{until}:00.000Z")


@given(st.lists(st.integers(0, 5000), min_size=24, max_size=24))
def test_every_bar_is_within_the_chart(hours: list[int]) -> None:
    found = bars(hours, 4)
    assert sum(bar.orders for bar in found) == sum(hours)
    assert all(bar.x >= 0 and bar.x + bar.width <= WIDTH + 0.2 for bar in found)
    assert all(bar.y >= 0 and bar.y + bar.height <= HEIGHT for bar in found)
    assert all(bar.height > 0 for bar in found if bar.orders)
    assert not found or max(found, key=lambda bar: bar.orders).y == min(bar.y for bar in found)


# -- the journal ---------------------------------------------------------------------------------------------------


@pytest.fixture
def tx(tmp_path: Path) -> Iterator[Tx]:
    """A journal."""
    connection = open_journal(tmp_path / "journal.db").connection
    yield connection
    connection.close()


_COLUMNS = "order_pk, rev, kind, station, home, printer, copy, copies, state, share, created_at"


def enter(tx: Tx, pk: int, at: datetime, rev: int = 1, kind: str = "upsert") -> None:
    """An order's event, and with the first its order and a ticket that was printed a second later."""
    tx.execute("INSERT OR IGNORE INTO orders VALUES (?, 'c', ?, ?, 1, 0, 'printed')", (pk, f"id-{pk}", str(pk)))
    sql = (
        "INSERT INTO events (source, id, digest, order_pk, rev, kind, payload, received_at) VALUES ('s',?,'',?,?,?,?,?)"
    )
    payload = b'{"order":{"id":"1","rev":%d,"channel":"c","items":[{"name":"d","qty":%d}]}}' % (rev, rev)
    tx.execute(sql, (f"{pk}-{rev}-{kind}", pk, rev, kind, payload, stamp(at)))
    if rev > 1:
        return
    job = tx.execute(
        f"INSERT INTO jobs ({_COLUMNS}) VALUES (?, 1, 'order', 'wok', 'wok', 'wok', 1, 1, 'processing', '{{}}', ?)",
        (pk, stamp(at)),
    ).lastrowid
    tx.execute("UPDATE jobs SET state = 'completed', evidence = 'confirmed' WHERE id = ?", (job,))
    tx.execute("UPDATE moves SET at = ? WHERE job_id = ?", (stamp(at + timedelta(seconds=1)), job))


def test_an_order_belongs_to_the_day_in_which_it_came_first(tx: Tx) -> None:
    """A revision of the next day is not another order; the newest says what was ordered."""
    enter(tx, 1, NOON)
    enter(tx, 1, NOON + timedelta(days=1), rev=2)
    enter(tx, 2, NOON + timedelta(days=1))
    tx.execute(
        "INSERT INTO events (source, id, digest, kind, payload, received_at) VALUES ('s', 'ping', '', 'ping', '{}', ?)",
        (stamp(NOON),),
    )
    first = list(days.orders(tx, *limits(DAY, SHANGHAI)))
    assert [order.pk for order in first] == [1]
    assert b'"rev":2' in (first[0].payload or b"")
    assert [order.pk for order in days.orders(tx, *limits(DAY + timedelta(days=1), SHANGHAI))] == [2]
    (ticket,) = days.tickets(tx, *limits(DAY, SHANGHAI))
    assert waits([ticket]).median == 1


MANY, A_DAY = 100_000, 300


def a_day_after(before: int, path: Path) -> Tx:
    """A journal with so many orders of long ago, and a day's."""
    tx = open_journal(path).connection
    last, old = 1000 + before, stamp(NOON - timedelta(days=30))
    fill = "WITH RECURSIVE n (n) AS (SELECT 1000 UNION ALL SELECT n + 1 FROM n WHERE n < ?) "
    tx.execute("BEGIN")
    tx.execute(f"{fill} INSERT INTO orders SELECT n, 'c', 'o' || n, n, 1, 0, 'printed' FROM n", (last,))
    tx.execute(
        f"{fill} INSERT INTO events (source, id, digest, order_pk, rev, kind, payload, received_at) "
        "SELECT 's', n, '', n, 1, 'upsert', '{}', ? FROM n",
        (last, old),
    )
    tx.execute(
        f"{fill} INSERT INTO jobs ({_COLUMNS}) "
        "SELECT n, 1, 'order', 'wok', 'wok', 'wok', 1, 1, 'processing', '{}', ? FROM n",
        (last, old),
    )
    tx.execute("UPDATE jobs SET state = 'completed'")
    for pk in range(1, A_DAY + 1):
        enter(tx, 200_000 + pk, NOON + timedelta(seconds=pk))
    tx.execute("COMMIT")
    tx.execute("ANALYZE")
    return tx


def counted(tx: Tx) -> tuple[Day, int]:
    """The day's numbers, and the steps that they took."""
    steps = 0

    def step() -> int:
        nonlocal steps
        steps += 100
        return 0

    begins_and_ends = limits(DAY, SHANGHAI)
    tx.set_progress_handler(step, 100)
    orders, tickets = days.orders(tx, *begins_and_ends), days.tickets(tx, *begins_and_ends)
    found = count(DAY, SHANGHAI, orders, tickets, days.alarms(tx, *begins_and_ends))
    tx.set_progress_handler(None, 0)
    return found, steps


def test_a_day_among_100_000_orders_costs_what_that_day_costs(tmp_path: Path) -> None:
    """Counted in steps of SQLite's machine, which no other load on this computer changes."""
    steps: dict[str, int] = {}
    for name, before in (("few", 1), ("many", MANY)):
        tx = a_day_after(before, tmp_path / f"{name}.db")
        found, steps[name] = counted(tx)
        assert (found.orders, found.tickets) == (A_DAY, A_DAY)
        plan = [
            row[3] for sql in (days._ORDERS, days._TICKETS) for row in tx.execute(f"EXPLAIN QUERY PLAN {sql}", ("", ""))
        ]
        assert not [line for line in plan if line.startswith("SCAN")], plan
        tx.close()
    assert steps["many"] <= 1.5 * steps["few"]
    assert steps["many"] < 150 * A_DAY


def test_alarms_have_a_history(tx: Tx) -> None:
    """One line from up to down, whatever its reason becomes meanwhile; also where it goes without a word."""
    notes.raise_alarm(tx, "printer:wok:paper", "no paper")
    notes.raise_alarm(tx, "printer:wok:paper", "no paper, really")
    notes.raise_alarm(tx, "session", "forgotten")
    now = datetime.now(UTC)
    window_ = stamp(now - timedelta(hours=1)), stamp(now + timedelta(hours=1))
    assert [(each.key, each.reason, each.until) for each in days.alarms(tx, *window_)] == [
        ("session", "forgotten", ""),
        ("printer:wok:paper", "no paper", ""),
    ]
    notes.clear_alarm(tx, "printer:wok:paper")
    tx.execute("DELETE FROM alarms")
    notes.raise_alarm(tx, "printer:wok:paper", "no paper")
    found = days.alarms(tx, *window_)
    assert [each.key for each in found] == ["printer:wok:paper", "session", "printer:wok:paper"]
    assert [bool(each.until) for each in found] == [False, True, True]
    assert all(each.until >= each.since for each in found if each.until)
    assert days.alarms(tx, "2020-01-01T", "2020-01-02T") == []


def test_the_history_of_alarms_has_an_end(tx: Tx) -> None:
    tx.execute("BEGIN")
    for n in range(1500):
        notes.raise_alarm(tx, f"ticket:{n}", "doubt")
        notes.clear_alarm(tx, f"ticket:{n}")
    tx.execute("COMMIT")
    assert tx.execute("SELECT count(*), min(key) FROM alarm_log WHERE key = 'ticket:1499'").fetchone()[0] == 1
    assert tx.execute("SELECT count(*) FROM alarm_log").fetchone()[0] == 1000


def test_what_was_up_before_the_update_is_in_the_history(tmp_path: Path) -> None:
    older = tmp_path / "older"
    older.mkdir()
    for step in sorted(MIGRATIONS.glob("*.sql")):
        if step.name < "0007":
            (older / step.name).write_bytes(step.read_bytes())
    tx = open_journal(tmp_path / "journal.db", older).connection
    notes.raise_alarm(tx, "parked", "an event")
    tx.close()
    tx = open_journal(tmp_path / "journal.db").connection
    assert tx.execute("SELECT key, reason, cleared_at FROM alarm_log").fetchall() == [("parked", "an event", "")]
    notes.clear_alarm(tx, "parked")
    assert tx.execute("SELECT cleared_at > raised_at FROM alarm_log").fetchone()[0] == 1
    tx.close()


class Hand:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now, self.at = 0.0, NOON

    def monotonic(self) -> float:
        return self.now

    def utc(self) -> datetime:
        return self.at


def test_a_day_is_counted_once_for_all_who_look(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    tx = open_journal(path).connection
    enter(tx, 1, NOON)
    enter(tx, 2, NOON - timedelta(days=3))
    looks = 0

    def reader() -> Tx:
        nonlocal looks
        looks += 1
        return open_journal(path).connection

    clock = Hand()
    book = Daybook(reader, clock)
    assert book.today(SHANGHAI) == DAY
    for _ in range(10):
        assert book.look(DAY, SHANGHAI).orders == 1
        assert book.look(DAY - timedelta(days=3), SHANGHAI).orders == 1
    assert looks == 2
    enter(tx, 3, NOON)
    clock.now += 6
    assert book.look(DAY, SHANGHAI).orders == 2
    assert book.look(DAY - timedelta(days=3), SHANGHAI).orders == 1
    assert looks == 3, "a day that is over is good for longer"
    clock.at += timedelta(hours=17)
    assert book.today(SHANGHAI) == DAY + timedelta(days=1)
    tx.close()


# -- the page ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ShopWindow]:
    """A shop in which something has happened today: four orders, a reprint, an open cover."""
    with window(tmp_path_factory.mktemp("day")) as shop:
        for number in range(1, 4):
            shop.order(
                number, items=[{"name": "小笼包", "qty": number}, {"name": "豆浆", "qty": "2", "category": "热饮"}]
            )
        shop.order("=1+1", channel="=cmd()", items=[{"name": "<b>粥</b>", "qty": "0.5", "unit": "斤"}])
        shop.wait_ticket("=1+1")
        shop.cancel(3, 2)
        shop.wait_ticket(3)
        assert shop.me.do("reprint", order="1").status == 200
        shop.on_paper(1, times=2)
        shop.wait_ticket(1)  # said by the printer too: a cover that opens before leaves it in doubt
        shop.devices["wok"].open_cover()
        shop.order(4, items=[{"name": "小笼包", "qty": 1}])
        shop.until(lambda: "printer:wok:cover" in shop.alarms(), "the alarm")
        shop.devices["wok"].close_cover()
        shop.wait_ticket(4)
        shop.until(lambda: not shop.alarms(), "the alarm to be over")
        assert shop.me.post("/setup/demo").status == 200  # nobody placed it
        shop.on_paper("DEMO")
        shop.me.do("pause", printer="wok")
        shop.order(5, items=[{"name": "小笼包", "qty": 100}])
        ticket = shop.read(lambda tx: tx.execute("SELECT max(id) FROM jobs").fetchone()[0])
        assert shop.me.do("settle", ticket=ticket, decision="discard").status == 200
        shop.me.do("resume", printer="wok")
        yield shop


def test_the_page_says_how_it_went(shop: ShopWindow) -> None:
    shop.until(lambda: "订单 5" in text_of(shop.me.get("/day")), "the newest numbers")
    page = text_of(shop.me.get("/day"))
    assert "取消 1 · 另有不打的 1" in page
    assert "菜品 9" in page  # 1+2, 2+2, half a 斤 is one, and 1; the cancelled order is none
    assert "要求 2，自动 0" in page
    assert "还没打出 0" in page
    assert "小笼包 4 3" in page
    assert "盖子没关" in page
    assert re.search(r"95 % 在 [\d.]+ 秒内", page)
    body = shop.me.get("/day").body.decode()
    assert "<b>粥</b>" not in body
    assert "&lt;b&gt;粥&lt;/b&gt;" in body
    english = text_of(shop.me.get("/day", accept_language="en"))
    assert "Orders 5" in english
    assert re.search(r"95 % within [\d.]+ s\b", english)
    assert "cover open" in english


def test_the_chart_is_drawn_without_styles_and_can_be_heard(shop: ShopWindow) -> None:
    body = shop.me.get("/day").body.decode()
    chart = body[body.index("<svg") : body.index("</svg>")]
    assert "style=" not in body
    assert re.findall(r'<rect [^>]*height="([\d.]+)"', chart)
    assert 'role="img"' in chart
    assert re.search(r"<title[^>]*>\d\d:00 \d+单", chart)


def test_the_14_days_before_lead_to_each(shop: ShopWindow) -> None:
    part = shop.me.get("/day/before").body.decode()
    found = re.findall(r"/day\?day=([\d-]+)", part)
    assert len(found) == 14
    assert found == sorted(found, reverse=True)
    past = shop.me.get(f"/day?day={found[0]}")
    assert "这一天没有订单" in text_of(past)
    assert 'hx-get="/day/board"' not in past.body.decode(), "a day that is over does not change"
    assert "hx-get" in shop.me.get("/day").body.decode()


@pytest.mark.parametrize(
    "asked", ["x", "2999-01-01", "0001-01-01", "9999-12-31", "2026-02-30", "", "-1", "2026-11-22T"]
)
def test_a_day_that_is_none_is_today(shop: ShopWindow, asked: str) -> None:
    for path in ("/day", "/day/board", "/day/orders.csv"):
        assert shop.me.get(f"{path}?day={asked}").status == 200
    assert "今天" in text_of(shop.me.get(f"/day/board?day={asked}"))


def test_the_orders_as_a_table(shop: ShopWindow) -> None:
    """A spreadsheet opens it; what a customer wrote is no formula there."""
    answer = shop.me.get("/day/orders.csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert "attachment" in answer.headers["content-disposition"]
    assert answer.body.startswith("\ufeff".encode())
    rows = list(csv.reader(StringIO(answer.body.decode("utf-8-sig"))))
    assert rows[0][:4] == ["来单时间", "渠道", "单号", "订单编号"]
    by_number = {row[2]: row for row in rows[1:]}
    assert set(by_number) == {"1", "2", "3", "4", "5", "'=1+1"}
    assert by_number["5"][4] == "没有打印"
    assert by_number["'=1+1"][1] == "'=cmd()"
    assert by_number["1"][4] == "全部打印"
    assert by_number["3"][4] == "已取消"
    assert by_number["1"][5:7] == ["4", "2"], "two tickets, and a copy of each"
    assert 0 <= float(by_number["4"][7]) < 60
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@"))]
    english = shop.me.get("/day/orders.csv", accept_language="en").body.decode("utf-8-sig")
    assert english.startswith("received,channel,number,order id,state,tickets,reprints,seconds to paper")


def test_the_days_as_a_table(shop: ShopWindow) -> None:
    rows = list(csv.DictReader(StringIO(shop.me.get("/day/days.csv", accept_language="en").body.decode("utf-8-sig"))))
    assert len(rows) == 15
    assert (rows[0]["orders"], rows[0]["cancelled"], rows[0]["items"]) == ("5", "1", "9")
    assert int(rows[0]["alarms"]) >= 1
    assert rows[1]["orders"] == "0"


def test_nobody_looks_without_the_pin(shop: ShopWindow) -> None:
    for path in ("/day", "/day/board", "/day/before", "/day/orders.csv", "/day/days.csv"):
        assert shop.anybody.get(path).status == 401
        assert shop.anybody.get(path, authorization=f"Bearer {TOKEN}").status == 401


@needs_chromium
@pytest.mark.timeout(120)
def test_the_numbers_follow_what_happens(tmp_path: Path) -> None:
    with window(tmp_path) as shop, phone(shop.port, tmp_path, session=shop.me.session) as there:
        page = there.go("/day")
        page.wait_for_selector("text=这一天没有订单")
        page.wait_for_selector("text=下载 15 天的表")
        shop.order(1)
        page.wait_for_selector("svg .bar")
        assert there.serious() == []
