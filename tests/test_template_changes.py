"""What a revision looks like: the ticket that says only what changed, at a station and at the pass, read from paper."""

import re
from datetime import timedelta

import msgspec
import pytest

from agent.model.job import JobKind
from agent.model.order import Item, Modifier, Order
from agent.model.station import Station
from agent.model.ticket import Language, Portion
from agent.simulator.piece import Piece
from agent.spool.render import Press
from agent.tickets.changes import changed_facts, compare
from agent.tickets.routing import route
from agent.tickets.subject import Expo
from tests.menu import MEAL, MILK, NOON, STATIONS, STICK, inverted, large, of, order, own, pieces, printed


def changed(before: Order, after: Order, language: Language = Language.BOTH, width: int = 48) -> Piece:
    was, now = (tuple(Portion(item) for item in each.items) for each in (before, after))
    facts = changed_facts(before, after)
    subject = of(
        after, kind=JobKind.AMEND, before=before, changes=compare(was, now), changed_facts=facts, language=language
    )
    return printed("changes", subject, width)


@pytest.mark.parametrize("width", [32, 48])
def test_a_revision_says_only_what_changed_with_large_numbers(width: int) -> None:
    """加 退 改, the difference large, and from how many to how many."""
    after = order(
        msgspec.structs.replace(MILK, qty="3"), msgspec.structs.replace(STICK, note=None), Item("粥", 1, id="9"), rev=2
    )
    piece = changed(order(MILK, MEAL, STICK), after, width=width)
    text = piece.text
    for words in ("改单 AMENDED 第2版 rev 2", "只列变动 only what changed"):
        assert words in inverted(piece)
    assert "退 VOID" in inverted(piece)
    huge = [run.text.strip() for line in piece.lines for run in line.runs if run.width == 3]
    assert huge == ["#42", "-2", "+1", "+1"]
    assert ["".join(each.split()) for each in below(piece, "套餐", 4)][::2] == ["└退VOID包子-6个", "└退VOID奶茶-2"]
    assert "x2杯 → x3杯" in text
    assert text.index("退 VOID") < text.index("改 CHANGE") < text.index("加 ADD")
    assert "※无 none" in large(piece)
    assert "原 was: 脆" in text


def below(piece: Piece, words: str, count: int = 1) -> list[str]:
    """The lines that follow the one with these words."""
    lines = [line.text.strip() for line in piece.lines]
    at = next(at for at, line in enumerate(lines) if words in line)
    return lines[at + 1 : at + 1 + count]


@pytest.mark.parametrize("width", [32, 48])
def test_what_changed_within_a_set_meal_says_how_many_there_were(width: int) -> None:
    """Of an altered set only the parts that are other: from how many to how many, what is new, what is off."""
    before = Item("双人套餐", 1, id="1", children=[Item("酸辣汤", 1), Item("米饭", "2"), Item("豆干", 1, note="脆")])
    after = Item("双人套餐", 1, id="1", children=[Item("酸辣汤", 1), Item("米饭", "1"), Item("奶茶", 3)])
    piece = changed(order(before), order(after, rev=2), width=width)
    lines = ["".join(line.text.split()) for line in piece.lines]
    assert "双人套餐x1" in lines
    assert "└米饭x2→x1" in lines
    assert "└奶茶+3" in lines
    assert "└退VOID豆干-1" in lines
    assert "退 VOID" in inverted(piece)
    assert "酸辣汤" not in piece.text
    deep = Item("宴席", 2, id="9", children=[Item("套餐", 1, children=[Item("米饭", 2)]), Item("茶", 1)])
    less = Item("宴席", 2, id="9", children=[Item("套餐", 1, children=[Item("米饭", 3)]), Item("茶", 1)])
    text = "".join(changed(order(deep), order(less, rev=2), width=width).text.split())
    assert "米饭x4→x6" in text
    assert "茶" not in text


def test_a_unit_that_begins_with_a_number_stands_apart_from_what_changed() -> None:
    """+2 of a dish for two is not +22; nor are the parts of a set, of which there are more."""
    duck = Item("烤鸭", 1, id="1", unit="2人份", children=[Item("饼", 3, unit="10张")])
    piece = changed(order(duck), order(msgspec.structs.replace(duck, qty=3), rev=2))
    assert [words for words in ("+2 2人份", "x1 2人份 → x3 2人份", "+6 10张") if words not in piece.text] == []


def test_more_sets_say_how_many_more_of_each_part() -> None:
    """One set more of three baskets is +3, not x3; a new set says so too."""
    meal = Item("双人套餐", "2", id="2", children=[Item("小笼包", "3", unit="笼"), Item("奶茶", 2)])
    piece = changed(order(msgspec.structs.replace(meal, qty=1)), order(meal, rev=2))
    assert [words.split() for words in below(piece, "x1 → x2", 2)] == [["└小笼包", "+3笼"], ["└奶茶", "+2"]]
    fewer = changed(order(meal), order(msgspec.structs.replace(meal, qty=1), rev=2))
    assert "".join(below(fewer, "x2 → x1")[0].split()) == "└退VOID小笼包-3笼"
    added = changed(order(), order(meal, rev=2))
    assert "".join(below(added, "双人套餐")[0].split()) == "└小笼包+6笼"


@pytest.mark.parametrize("width", [32, 48])
def test_a_changed_modifier_stands_tall_above_what_it_was(width: int) -> None:
    """First the new one, large; what it was below, small."""
    beef = Item("牛肉面", 1, id="1", mods=[Modifier("辣")], seat=1)
    piece = changed(
        order(beef), order(msgspec.structs.replace(beef, mods=[Modifier("不辣")], seat=None), rev=2), width=width
    )
    assert below(piece, "+不辣") == ["原 was: +辣"]
    assert "+不辣" in large(piece).split("|")
    assert "+辣" not in large(piece)
    assert below(piece, "无座 no seat") == ["原 was: 座 seat 1"]
    off = changed(order(beef), order(msgspec.structs.replace(beef, mods=[]), rev=2), width=width)
    assert below(off, "不加料 no extras") == ["原 was: +辣"]
    new = changed(order(STICK), order(msgspec.structs.replace(STICK, mods=[Modifier("切")]), rev=2), width=width)
    assert below(new, "+切") == ["原 was: 无 none"]
    renamed = changed(order(beef), order(msgspec.structs.replace(beef, name="炸酱面"), rev=2), width=width)
    assert below(renamed, "炸酱面") == ["原 was: 牛肉面"]


@pytest.mark.parametrize("before", [True, False])
def test_a_rushed_order_is_rushed_on_its_revision_too(before: bool) -> None:
    """Whether rush itself changed or not, once."""
    piece = changed(order(MILK, rush=before), order(STICK, rush=True, rev=2))
    assert inverted(piece).count("加急 RUSH") == 1
    assert "加急" not in changed(order(MILK), order(STICK, rev=2)).text


def test_an_endless_way_of_serving_is_cut_short() -> None:
    """What it was and what it is: about 2,000 characters each."""
    text = changed(order(MILK, fulfil="外" * 9000), order(MILK, rev=2, fulfil="堂" * 9000)).text
    assert text.count("外") == 2000
    assert 2000 <= text.count("堂") <= 4000


def passed(before: Order, after: Order, name: str = "changes", language: Language = Language.BOTH) -> Piece:
    """A revision at the pass."""
    was, now = (
        tuple((station, tuple(share)) for station, share in route(each, STATIONS).items()) for each in (before, after)
    )
    changes = compare(tuple(map(Portion, before.items)), tuple(map(Portion, after.items)))
    facts = changed_facts(before, after)
    subject = of(
        after,
        station="pass",
        kind=JobKind.AMEND,
        before=before,
        changes=changes,
        changed_facts=facts,
        language=language,
    )
    return printed(name, Expo(subject, now, was))


def test_the_pass_reads_a_revision_station_by_station() -> None:
    """Each change below the station that makes it; one that has none is not named."""
    tea = Item("冰茶", 1, id="7", category="冷饮")
    meal = Item("套餐", 1, id="8", children=[Item("包子", 2), Item("可乐", 1, category="冷饮")])
    cola = Item("套餐", 1, id="8", children=[Item("包子", 2), Item("雪碧", 1, category="冷饮")])
    text = passed(order(MILK, tea, meal), order(msgspec.structs.replace(MILK, qty=3), cola, rev=2)).text
    wok, bar = re.split(r"^\[(?:wok|bar)\]\s*$", text, flags=re.MULTILINE)[1:]
    assert "豆浆" in wok
    assert "+1" in wok
    for words in ("退 VOID", "冰茶", "可乐", "雪碧", "属 part of: 套餐"):
        assert words in bar
    assert "包子" not in text
    only = passed(order(MILK, tea), order(MILK, rev=2)).text
    assert "[bar]" in only
    assert "[wok]" not in only
    gone = passed(order(MILK, table="7"), order(MILK, table="9", rev=2)).text
    assert "7 → 9" in gone
    assert "[" not in gone


def test_a_dish_that_moved_says_where() -> None:
    """Both stations know of each other."""
    gone = compare((Portion(STICK),), ())[0]
    moved = msgspec.structs.replace(gone, elsewhere="bar")
    subject = of(order(), kind=JobKind.AMEND, before=order(STICK), changes=(moved,))
    assert "转到 moved to bar" in inverted(printed("changes", subject))


def test_a_changed_fact_is_said_as_it_was_and_is() -> None:
    """Table, rush, hold, note, allergies, due time; an allergy that stays is said again."""
    before = order(MILK, table="7", note="少辣", allergies=["花生"])
    after = order(MILK, rev=2, table="9", rush=True, note="不要葱", allergies=["虾"], due_at=NOON + timedelta(hours=1))
    piece = changed(before, after)
    assert "桌 table 7 → 9" in piece.text
    assert "7 → 9" in large(piece)
    assert "要求 due 13:00" in piece.text
    assert below(piece, "备注 note: 不要葱") == ["原 was: 少辣"]
    assert below(piece, "过敏 ALLERGY: 虾") == ["原 was: 花生"]
    assert "原 was" not in large(piece)
    assert {line.text.index("原") for line in piece.lines if "原 was" in line.text} == {2}
    english = changed(before, msgspec.structs.replace(after, allergies=["虾", "nuts"]), Language.EN)
    assert "ALLERGY: nuts, 虾" in inverted(english) or "ALLERGY: 虾, nuts" in inverted(english)
    for words in ("加急 RUSH", "过敏 ALLERGY: 虾"):
        assert words in inverted(piece)
    later = NOON + timedelta(hours=1)
    held = changed(order(MILK, allergies=["虾"]), order(MILK, allergies=["虾"], release_at=later))
    assert "暂缓至 hold until 13:00" in inverted(held)
    assert "过敏 ALLERGY: 虾" in inverted(held)
    assert "起菜 FIRE" in inverted(changed(order(MILK, release_at=later), order(MILK)))
    assert "过敏 ALLERGY: 无 none" in inverted(changed(order(MILK, allergies=["虾"]), order(MILK)))


def test_words_that_no_field_has_are_said_again_with_a_changed_note() -> None:
    """As they are where the note stays: who takes this ticket for the whole note misses nothing."""
    before, after = order(MILK, note="少辣", unread=["到付"]), order(MILK, note="不辣", unread=["到付"], rev=2)
    assert "备注 note: 不辣 / 到付" in large(changed(before, after))
    gone = changed(before, msgspec.structs.replace(after, note=None))
    assert "备注 note: 到付" in large(gone)
    assert below(gone, "备注 note: 到付") == ["原 was: 少辣 / 到付"]


@pytest.mark.parametrize("ago", [timedelta(0), timedelta(minutes=1)])
def test_an_order_that_is_released_at_once_is_fired_not_held(ago: timedelta) -> None:
    """The cloud fires it by a release_at that is past when the ticket prints; but who does not know the time holds."""
    before, after = order(MILK, release_at=NOON + timedelta(hours=1)), order(MILK, release_at=NOON - ago, rev=2)
    fired = changed(before, after)
    assert "起菜 FIRE" in inverted(fired)
    assert "暂缓" not in fired.text
    subject = of(after, kind=JobKind.AMEND, before=before, changed_facts=("release_at",), timeless=True)
    assert f"暂缓至 hold until {NOON - ago:%H:%M}" in inverted(printed("changes", subject))


def test_a_bill_of_the_shops_own_is_another_whole_one() -> None:
    """It is built on the receipt: whoever holds the newest one holds all that counts. So are its own labels."""
    before, after = order(MILK, STICK, total=850), order(MILK, STICK, MEAL, total=2700, rev=2)
    changes = compare(tuple(map(Portion, before.items)), tuple(map(Portion, after.items)))
    book = own("{% extends 'shipped/receipt.j2' %}", "bill.j2", cup="{% extends 'shipped/label.j2' %}")
    stations = [Station("wok", default=True), Station("till", template="bill"), Station("bags", template="cup")]
    press = Press("both", NOON.tzinfo, stations=stations, book=lambda: book)  # type: ignore[arg-type]  # it has a zone
    ticket = of(after, kind=JobKind.AMEND, before=before, changes=changes)
    (bill,) = pieces(press.page(msgspec.structs.replace(ticket, station="till"), 48).layout)
    assert "以此单为准" in inverted(bill)
    assert "27.00" in bill.text
    assert "油条" in bill.text
    said, *labels = pieces(press.page(msgspec.structs.replace(ticket, station="bags"), 32).layout, 32)
    assert "只列变动" in inverted(said)
    assert [label.lines[1].text.split() for label in labels][::6] == [["包子", "1/6"], ["奶茶", "1/2"]]
    assert all(re.fullmatch(r"#42\s*", label.lines[0].text) for label in labels)


def test_the_pass_reads_its_revision_by_the_shops_stations() -> None:
    """The agent routes both sides: a dish that is off is below the station that made it."""
    tea = Item("冰茶", 1, id="7", category="冷饮")
    before, after = order(MILK, tea), order(MILK, rev=2)
    changes = compare(tuple(map(Portion, before.items)), tuple(map(Portion, after.items)))
    stations = [*STATIONS, Station("pass", template="expo", shows="all")]
    press = Press("both", NOON.tzinfo, stations=stations)  # type: ignore[arg-type]  # it has a zone
    ticket = of(after, station="pass", kind=JobKind.AMEND, before=before, changes=changes)
    (piece,) = pieces(press.page(ticket, 48).layout)
    assert "".join(piece.text.split()).index("[bar]") < "".join(piece.text.split()).index("冰茶")
    assert "[wok]" not in piece.text


@pytest.mark.parametrize("deep", [False, True])
def test_a_part_that_is_off_new_or_other_is_said(deep: bool) -> None:
    """Of several sets too, and in a set within a set: nobody goes on making what is off."""

    def meal(*parts: Item) -> Item:
        inner = Item("早点", 2, children=list(parts))
        return Item("套餐", 2, id="S", children=[Item("粥", 1), inner] if deep else [Item("粥", 1), *parts])

    bun, pickle, egg = Item("包子", 3), Item("咸菜", 1), Item("茶叶蛋", 1)
    times = 4 if deep else 2

    def lines(before: Item, after: Item) -> list[str]:
        return ["".join(line.text.split()) for line in changed(order(before), order(after, rev=2)).lines]

    assert f"└退VOID咸菜-{times}" in lines(meal(bun, pickle), meal(bun))
    assert f"└茶叶蛋+{times}" in lines(meal(bun), meal(bun, egg))
    assert f"└包子x{3 * times}→x{2 * times}" in lines(meal(bun), meal(Item("包子", 2)))
    other = lines(meal(bun), meal(msgspec.structs.replace(bun, note="素")))
    assert "※素" in other
    assert not [line for line in other if "粥" in line]
