"""What the kitchen reads: routing and the built-in ticket, read back from paper."""

from collections import Counter
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.encode.escpos import encode
from agent.encode.text import cells, clean
from agent.encode.typeset import typeset
from agent.model.job import JobKind, Mark
from agent.model.layout import Row
from agent.model.order import Customer, Item, Member, Modifier, Order, quantity
from agent.model.station import Match, Station
from agent.model.ticket import ChangeKind, Language, Portion, Ticket
from agent.simulator.paper import Paper
from agent.simulator.piece import Piece
from agent.simulator.reading import Banner, read_piece
from agent.tickets.changes import compare
from agent.tickets.routing import route
from agent.tickets.template import kitchen

SHOP_TIME = timezone(timedelta(hours=8))
NOON = datetime(2026, 11, 22, 12, 0, 9, tzinfo=SHOP_TIME)
WOK = Station("wok", "kitchen", default=True)
BAR = Station("bar", "bar", match=Match(sku=["C1"], category=["冷饮"], name=["奶茶"]))
GRILL = Station("grill", match=Match(name=["烤"]))
STATIONS = (WOK, BAR, GRILL)

WORDS = st.text(st.one_of(st.characters(), st.sampled_from("豆浆🌶。 \x1b\n<CUT>")), min_size=1, max_size=30)
QUANTITIES = st.one_of(st.integers(0, 999), st.decimals(0, 999, places=2).map(str), WORDS)
MODIFIERS = st.lists(st.builds(Modifier, WORDS, QUANTITIES), max_size=2)
NAMED = {"name": WORDS, "qty": QUANTITIES, "note": st.none() | WORDS, "name2": st.none() | WORDS, "unit": WORDS}
STATION = st.sampled_from([None, "", "wok", "bar", "nowhere"])
PARTS = st.lists(st.builds(Item, station=STATION, mods=MODIFIERS, **NAMED), max_size=2)
ITEMS = st.lists(st.builds(Item, station=STATION, mods=MODIFIERS, children=PARTS, **NAMED), max_size=4)


def order(*items: Item, **facts: Any) -> Order:
    known: dict[str, Any] = {"id": "8812", "rev": 1, "channel": "alipay", "no": "42", "items": list(items)}
    return Order(**known | facts)


def ticket(*items: Item, facts: dict[str, Any] | None = None, **rest: Any) -> Ticket:
    portions = tuple(Portion(item) for item in items)
    return Ticket(order(*items, **(facts or {})), portions, "wok", **{"printed_at": NOON} | rest)


def paper(printed: Ticket, width: int = 48) -> Piece:
    roll = Paper(width * 12)
    roll.feed(encode(typeset(kitchen(printed), width), width).data)
    assert (roll.stray, roll.events) == ([], [])
    return roll.pieces[0]


def inverted(piece: Piece) -> str:
    return "\n".join("".join(run.text for run in line.runs if run.inverted) for line in piece.lines)


def names(shares: dict[str, list[Portion]]) -> dict[str, list[str]]:
    return {station: [portion.item.name for portion in portions] for station, portions in shares.items()}


# --- routing ---


@pytest.mark.parametrize(
    ("item", "station", "unrouted"),
    [
        (Item("豆浆", 1), "wok", False),
        (Item("豆浆", 1, station=""), "wok", False),
        (Item("豆浆", 1, station="bar"), "bar", False),
        (Item("豆浆", 1, station="nowhere"), "wok", True),
        (Item("奶茶", 1, station="nowhere"), "bar", False),
        (Item("奶茶", 1, station="wok"), "wok", False),
        (Item("豆浆", 1, sku="C1"), "bar", False),
        (Item("豆浆", 1, category="冷饮"), "bar", False),
        (Item("珍珠奶茶", 1), "bar", False),
        (Item("烤鱼", 1, category="冷饮"), "bar", False),
        (Item("烤奶茶", 1), "bar", False),
        (Item("烤鱼", 1), "grill", False),
    ],
)
def test_where_an_item_goes(item: Item, station: str, unrouted: bool) -> None:
    """Its own station, else sku, category, name, in this order; else the default station."""
    ((name, (portion,)),) = route(order(item), STATIONS).items()
    assert (name, portion.unrouted, portion.wanted) == (station, unrouted, "nowhere" if unrouted else "")


@pytest.mark.parametrize("station", ["bar", ""], ids=["taken out", "kept"])
def test_a_set_meal_of_many_parts_is_kept_once(station: str) -> None:
    """Not whole with each of its parts: 250 KB of an order were 120 MB in the journal, and in memory."""
    meals = [
        Item("套餐", 1, children=[Item(f"包子{'x' * 300}{n}", 1, station=station) for n in range(m)]) for m in (20, 80)
    ]
    little, much = (len(msgspec.json.encode(route(order(meal), STATIONS))) for meal in meals)
    assert much < 6 * little


def test_without_a_default_station_the_first_takes_what_nobody_claims() -> None:
    """It is marked, and never dropped."""
    shares = route(order(Item("豆浆", 1)), (GRILL, BAR))
    assert names(shares) == {"grill": ["豆浆"]}
    assert shares["grill"][0].unrouted
    with pytest.raises(ValueError, match="stations"):
        route(order(), ())


def test_stations_come_in_the_configured_order_and_only_with_a_share() -> None:
    """Whoever has nothing to make gets no ticket."""
    assert list(route(order(Item("烤鱼", 1), Item("豆浆", 1)), STATIONS)) == ["wok", "grill"]


def test_a_set_meal_goes_whole_but_for_the_parts_that_others_claim() -> None:
    """Such a part is at its own station with the meal beside it, and the rest says where it is."""
    meal = Item("套餐", 2, children=[Item("豆浆", 1), Item("奶茶", 1), Item("油条", 1, station="nowhere")])
    shares = route(order(meal), STATIONS)
    assert names(shares) == {"wok": ["套餐"], "bar": ["奶茶"]}
    whole, part = shares["wok"][0], shares["bar"][0]
    assert [child.item.name for child in whole.parts] == ["豆浆", "油条"]
    assert [child.unrouted for child in whole.parts] == [False, True]
    assert whole.elsewhere == ("bar",)
    assert part.parents == (meal.alone,)


@given(ITEMS)
def test_no_item_is_ever_dropped_or_made_twice(items: list[Item]) -> None:
    """Every item and every part is at exactly one station."""

    def wanted(some: list[Item]) -> Counter[int]:
        return Counter(id(item) for item in some) + sum((wanted(item.children) for item in some), Counter())

    def routed(portions: tuple[Portion, ...]) -> Counter[int]:
        return Counter(id(p.item) for p in portions) + sum((routed(p.parts) for p in portions), Counter())

    shares = route(order(*items), STATIONS)
    assert sum((routed(tuple(share)) for share in shares.values()), Counter()) == wanted(items)


# --- the ticket ---


@settings(max_examples=150, deadline=None)
@given(ITEMS, st.sampled_from([32, 48]), st.sampled_from(Language), st.sampled_from(JobKind))
def test_everything_that_an_order_says_of_its_items_is_readable(
    items: list[Item], width: int, language: Language, kind: JobKind
) -> None:
    """Names, quantities, units, notes and modifiers are all there, and every row fits the paper."""
    share = route(order(*items), (WOK,)).get("wok", [])
    layout = kitchen(Ticket(order(*items), tuple(share), "wok", kind=kind, language=language))
    rows = [row for row in typeset(layout, width, drawable=lambda _: True) if isinstance(row, Row)]
    said = Counter("".join(run.text for row in rows for run in row.runs))
    said[" "] = 10**9
    for field in fields(items):
        assert Counter(clean(field)) <= said
    assert all(sum(cells(run.text) * run.style.width for run in row.runs) <= width for row in rows)


ANY = st.none() | WORDS
ORDERS = st.builds(
    Order,
    id=WORDS,
    rev=st.just(1),
    channel=WORDS,
    items=ITEMS,
    no=ANY,
    fulfil=ANY,
    table=ANY,
    pickup_code=ANY,
    cutlery=ANY,
    note=ANY,
    rush=st.booleans(),
    allergies=st.lists(WORDS, max_size=3),
    customer=st.builds(Customer, ANY, ANY, st.builds(Member, ANY)),
    due_at=st.none() | st.datetimes() | st.datetimes(timezones=st.just(UTC)),
)


@settings(max_examples=60, deadline=None)
@given(ORDERS, st.builds(dict, reason=WORDS, printed_for=WORDS, mark=st.sampled_from(Mark)), st.sampled_from([32, 48]))
def test_any_order_prints_and_is_only_printed(hostile: Order, facts: dict[str, Any], width: int) -> None:
    """Whatever its strings hold, a ticket comes out, and the printer is told nothing but to print."""
    for station, share in route(hostile, STATIONS).items():
        assert not paper(Ticket(hostile, tuple(share), station, kind=JobKind.CANCEL, **facts), width).is_blank


def fields(items: list[Item]) -> list[str]:
    """The texts of the items that must be on paper as they are; a part's quantity may be within a total."""
    found: list[str] = []
    for item in items:
        found += [item.name, item.name2 or "", item.note or "", str(item.qty), item.unit or ""]
        found += [mod.name for mod in item.mods]
        found += ["NO" if quantity(mod.qty) == 0 else str(mod.qty) for mod in item.mods if quantity(mod.qty) != 1]
        found += fields(item.children)
    return found


@pytest.mark.parametrize("width", [32, 48])
def test_the_order_number_is_large_and_contiguous(width: int) -> None:
    """A cook calls an order by its number: it is never wrapped."""
    data = encode(typeset(kitchen(ticket(Item("豆浆", 1), facts={"no": "A108-77"})), width), width).data
    assert b"#A108-77" in data
    (run,) = [run for line in paper(ticket(Item("豆浆", 1)), width).lines for run in line.runs if run.text == "#42"]
    assert (run.width, run.height) == (3, 3)


def test_the_head_says_what_the_order_is() -> None:
    """Channel, fulfilment, table, guests, pickup code, cutlery and due time."""
    facts = {"fulfil": "dine_in", "table": "7", "guests": 2, "pickup_code": "8823", "cutlery": 3}
    due = NOON.astimezone(UTC) + timedelta(minutes=30)
    text = paper(ticket(Item("豆浆", 1), facts=facts | {"due_at": due})).text
    for words in ("堂食 桌7", "Dine-in", "alipay", "2人 2 guests", "取餐码 pickup code 8823", "餐具 cutlery 3"):
        assert words in text
    assert "要求 due 12:30" in text


@pytest.mark.parametrize(
    ("fulfil", "words"),
    [("pickup", "自取"), ("delivery", "外卖"), ("dine_in", "堂食"), ("drive_through", "drive_through")],
)
def test_a_fulfilment_that_we_do_not_know_is_printed_as_it_came(fulfil: str, words: str) -> None:
    """Known ones are in Chinese, large."""
    assert words in paper(ticket(facts={"fulfil": fulfil})).text


def test_another_days_time_has_its_date() -> None:
    """A due time of tomorrow must not look like today's."""
    text = paper(ticket(facts={"due_at": NOON + timedelta(days=1)})).text
    assert "11-23 12:00" in text


def test_warnings_are_inverted_and_nothing_else_is() -> None:
    """Black is for what must not be missed."""
    black = inverted(paper(ticket(Item("豆浆", 1), facts={"allergies": ["花生", "虾"], "rush": True})))
    assert "过敏 ALLERGY: 花生、虾" in black
    assert "加急 RUSH" in black
    assert not inverted(paper(ticket(Item("豆浆", 1, note="少糖"), facts={"note": "少辣"}))).strip()


@pytest.mark.parametrize(
    ("mark", "words"),
    [
        (Mark.POSSIBLE_DUPLICATE, "(可能重复 possible duplicate)"),
        (Mark.DISCARD_PIECE_ABOVE, "(上面残单作废 discard the piece above)"),
        (Mark.JOURNAL_REBUILT, "(可能重复 possible duplicate)"),
    ],
)
@pytest.mark.parametrize("language", Language)
def test_a_marked_ticket_begins_with_the_inverted_banner(mark: Mark, words: str, language: Language) -> None:
    """补打 REPRINT, the number, the reason, the first time, the attempt: in both languages, always."""
    first = NOON.astimezone(UTC) - timedelta(minutes=14)
    marked = ticket(Item("豆浆", 1), mark=mark, language=language, attempt=2, original_at=first, copy=2, copies=2)
    piece = paper(marked)
    assert inverted(piece).splitlines()[0].strip() == "补打 REPRINT #42"
    assert words in inverted(piece)
    assert "11:46:09" in piece.text
    assert "第2次 attempt 2" in piece.text
    assert "2/2" in piece.text


def test_the_banner_is_whole_on_narrow_paper_too() -> None:
    """Its words are never broken."""
    black = inverted(paper(ticket(mark=Mark.DISCARD_PIECE_ABOVE, kind=JobKind.AMEND), 32))
    for words in ("补打 REPRINT #42", "上面残单作废", "discard the piece above", "改单 AMENDED 第1版 rev 1"):
        assert words in black


def test_an_amended_order_says_which_revision_counts() -> None:
    """改单 AMENDED, the revision, and that the earlier ticket is replaced."""
    black = inverted(paper(ticket(Item("豆浆", 1), facts={"rev": 2}, kind=JobKind.AMEND)))
    assert "改单 AMENDED 第2版 rev 2" in black
    assert "以此单为准 replaces the earlier ticket" in black


@pytest.mark.parametrize("language", [Language.ZH, Language.EN])
def test_a_ticket_in_one_language_bears_its_banners_in_that_one(language: Language) -> None:
    """But for a second copy and a void one, which nobody may miss; the judge reads either."""
    facts: Any = {"language": language, "old": 20, "late": True, "missing": ("41",)}
    piece = paper(ticket(Item("豆浆", 1), facts={"rev": 2}, kind=JobKind.AMEND, **facts))
    said = {Language.ZH: ("改单 第2版", "旧单 20 分钟", "迟到", "缺单 #41", "前面的单没到", "以此单为准")}
    said[Language.EN] = ("AMENDED rev 2", "OLD 20 min", "LATE", "MISSING #41", "not received", "replaces the earlier")
    black = inverted(piece)
    for each, words in said.items():
        assert [word in black for word in words] == [each is language] * len(words)
    (read,) = read_piece("wok", piece)
    assert (read.banner, read.rev, read.number) == (Banner.AMEND, 2, "42")


def test_a_cancelled_order_voids_each_item() -> None:
    """作废 CANCELLED large, the reason, and every line says that it is off."""
    piece = paper(ticket(Item("豆浆", 2), Item("油条", 1), kind=JobKind.CANCEL, reason="顾客取消"))
    assert "作废 CANCELLED" in inverted(piece)
    assert inverted(piece).count("作废") == 3
    assert "顾客取消" in piece.text
    assert "x2" in piece.text


def test_a_dish_has_everything_that_is_said_of_it_beside_it() -> None:
    """Quantity and unit at the right margin; modifiers, note, seat and course under the name."""
    mods = [Modifier("加热"), Modifier("加珍珠", 2)]
    dish = Item("豆浆", "2", name2="Soy milk", unit="杯", mods=mods, note="不要糖\n谢谢", seat=3, course="1")
    piece = paper(ticket(dish, Item("油条", "1.50")))
    said = [line.text for line in piece.lines]
    at = next(i for i, line in enumerate(said) if "豆浆 Soy milk" in line)
    assert said[at].endswith("x2杯")
    assert piece.lines[at].dots == 576
    assert said[at + 1 : at + 5] == ["  座 seat 3  道 course 1", "  +加热  +加珍珠 x2", "  ※不要糖", "    谢谢"]
    assert said[at + 5].split() == ["油条", "x1.50"]


@pytest.mark.parametrize(
    ("unit", "count"), [("2人份", "x2 2人份"), ("500g", "x2 500g"), (".5L", "x2 .5L"), ("①号", "x2 ①号")]
)
def test_a_unit_that_begins_with_a_number_does_not_run_into_the_quantity(unit: str, count: str) -> None:
    """Two of a dish for two are not twenty-two."""
    piece = paper(ticket(Item("牛肉", 2, unit=unit)))
    assert next(line.text for line in piece.lines if "牛肉" in line.text).endswith(f" {count}")


def test_a_part_of_several_sets_says_its_own_quantity_and_the_total() -> None:
    """Two sets with three buns each are six buns."""
    text = paper(ticket(Item("套餐", "2", children=[Item("包子", "3", unit="个")]))).text
    assert "x6个" in text
    assert "每套 each x3  套数 sets x2" in text


def test_quantities_that_are_no_numbers_are_not_multiplied() -> None:
    """They are printed side by side."""
    text = paper(ticket(Item("套餐", "2", children=[Item("包子", "半份")]))).text
    assert "x半份 x2" in text
    assert "数量未知" in paper(ticket(Item("包子", " "))).text


@pytest.mark.parametrize("number", ["1e999999", "9" * 40, "-1e-999999"])
def test_monstrous_quantities_cost_neither_time_nor_the_ticket(number: str) -> None:
    """They are printed as they came."""
    text = "".join(paper(ticket(Item("套餐", number, children=[Item("包子", number)]))).text.split())
    assert text.count(number) >= 2


def test_what_is_said_of_a_set_meal_reaches_who_makes_a_part_of_it() -> None:
    """No peanuts in the meal is no peanuts in its drink, and less sugar likewise; a change of it is news there too."""

    def at(station: str, wish: str) -> tuple[Portion, ...]:
        meal = Item("套餐", 1, mods=[Modifier("少糖")], note=wish, children=[Item("奶茶", 1), Item("包子", 1)])
        return tuple(route(order(meal), STATIONS)[station])

    before, after = at("bar", "不要花生"), at("bar", "花生过敏")
    text = paper(Ticket(order(), before, "bar")).text
    assert "套餐: +少糖  不要花生" in text
    (change,) = compare(before, after)
    assert change.kind is ChangeKind.ALTERED
    at_home = paper(Ticket(order(), at("wok", "不要花生"), "wok")).text
    assert at_home.count("不要花生") == 1, "it stands below the meal itself"


def test_a_part_made_elsewhere_names_its_set_meal() -> None:
    """The bar knows which meal its drink belongs to, and the wok that the bar makes a part."""
    shares = route(order(Item("套餐", "2", children=[Item("奶茶", 1), Item("包子", 1)])), STATIONS)
    text = paper(Ticket(order(), tuple(shares["bar"]), "bar")).text
    assert "属 part of: 套餐 x2" in text
    assert "x2" in text
    assert "部分另见 parts at: bar" in paper(Ticket(order(), tuple(shares["wok"]), "wok")).text


def test_an_unrouted_item_is_flagged() -> None:
    """It is printed at the default station, with the name that nobody knows."""
    shares = route(order(Item("豆浆", 1, station="nowhere")), STATIONS)
    assert "未分派 unrouted: nowhere" in inverted(paper(Ticket(order(), tuple(shares["wok"]), "wok")))


def test_the_foot_says_where_the_ticket_belongs() -> None:
    """Station, running number, part, other stations, times, the customer as far as the kitchen may know."""
    customer = Customer("张", "8888", Member("金卡", 12))
    facts = {"customer": customer, "placed_at": NOON.astimezone(UTC) - timedelta(minutes=1)}
    text = paper(ticket(facts=facts, number=17, part=2, parts=3, also_at=("bar", "grill"))).text
    for words in ("wok", "流水 No.017", "2/3", "另见 also at: bar, grill", "下单 ordered 11:59"):
        assert words in text
    assert "打印 printed 12:00:09" in text
    assert "张  8888  会员 member 金卡" in text


def test_a_ticket_on_another_stations_printer_says_whose_it_is() -> None:
    """After a failover the cook at the backup printer must not take it for theirs."""
    assert "代打 printed for: wok" in inverted(paper(ticket(printed_for="wok")))


def test_the_fixed_words_are_in_the_language_asked_for() -> None:
    """The order's own words stay as they came."""
    printed = ticket(Item("豆浆", 1), facts={"note": "少辣"}, language=Language.EN)
    text = paper(printed).text
    assert "note: 少辣" in text
    assert "备注" not in text
    assert "note" not in paper(ticket(facts={"note": "少辣"}, language=Language.ZH)).text


def test_an_endless_note_is_cut_short_and_says_so() -> None:
    """About 2,000 characters are printed; quantities are never shortened."""
    text = "".join(paper(ticket(Item("豆浆", "1" * 2500, note="辣" * 9000))).text.split())
    assert "…(截断cut,seeconsole)" in text
    assert text.count("辣") == 2000
    assert text.count("1" * 2500) == 1


def test_an_endless_unit_station_or_way_of_serving_is_cut_short_too() -> None:
    """Nothing but a quantity may fill the roll."""
    odd = Portion(Item("豆浆", 1, unit="杯" * 9000), unrouted=True, wanted="灶" * 9000)
    printed = msgspec.structs.replace(ticket(facts={"fulfil": "堂" * 9000}), portions=(odd,))
    text = paper(printed).text
    assert [text.count(char) for char in "杯灶堂"] == [2000, 2000, 2000]


def test_a_notes_own_lines_are_kept() -> None:
    """Line breaks part a note, whatever kind they are; empty lines are left out."""
    said = [line.text for line in paper(ticket(facts={"note": "少辣\r\n\n 放门口 \u2028谢谢\x0b"})).lines]
    at = said.index("备注 note: 少辣")
    assert said[at : at + 3] == ["备注 note: 少辣", "  放门口", "  谢谢"]


def test_a_dish_without_a_name_says_so() -> None:
    """An invisible name must not look like a modifier of the dish above."""
    assert "无名 no name" in paper(ticket(Item("\u200b ", 1))).text


def test_a_note_of_endless_lines_wastes_no_paper() -> None:
    """The lines beyond the thirtieth are run together, none is lost."""
    piece = paper(ticket(facts={"note": "\n".join(f"n{i}" for i in range(300))}))
    assert len(piece.lines) < 90
    assert "n299" in piece.text


def test_a_usual_ticket_is_short_on_the_wire() -> None:
    """A serial line at 19200 baud should carry it in a quarter of a second."""
    items = [Item("豆浆", 2, unit="杯", mods=[Modifier("加热")]), Item("油条", 3), Item("小笼包", 1, note="多醋")]
    printed = ticket(*items, facts={"fulfil": "dine_in", "table": "7", "note": "少辣"}, number=17)
    assert len(encode(typeset(kitchen(printed), 48), 48).data) <= 430
