"""The shipped templates: what each of them prints of any order, read back from paper."""

import re
from datetime import UTC

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.encode.escpos import encode
from agent.encode.picture import draw
from agent.encode.typeset import typeset
from agent.intake.functions import cents
from agent.model.job import JobKind, Mark
from agent.model.order import Charge, Customer, Footer, Item, Member, Modifier, Order
from agent.model.profile import PROFILES
from agent.model.ticket import Language, Notice, Portion, Summary, Ticket, Upcoming
from agent.simulator.paper import Paper
from agent.simulator.reading import read_piece
from agent.spool.shelf import trial
from agent.tickets.filters import money, pad
from agent.tickets.routing import route
from agent.tickets.sample import samples
from agent.tickets.subject import Alarm, Expo, Subject, Welcome
from agent.tickets.template import shipped
from tests.menu import MEAL, MILK, NAMES, NOON, STATIONS, inverted, large, of, order, own, pieces, printed, said

# --- every word of any order is on the paper of its station ---

WORD = st.text(st.sampled_from("豆浆辣油条Soy<&>\"'%{}|x7"), min_size=1, max_size=3)
COUNT = st.one_of(st.integers(1, 99), st.sampled_from(["1.5", "12", "0"]))
MODS = st.lists(st.builds(Modifier, WORD, COUNT), max_size=3)
NOTE = st.none() | WORD | st.tuples(WORD, WORD).map("\n".join)
CATEGORY = st.sampled_from(["冷饮", "面"])
PARTS = st.lists(st.builds(Item, name=WORD, qty=COUNT, mods=MODS, note=NOTE, category=CATEGORY), max_size=2)
ITEM = st.builds(Item, name=WORD, qty=COUNT, mods=MODS, note=NOTE, category=CATEGORY, children=PARTS)
ITEMS = st.lists(ITEM, min_size=1, max_size=3)


def numbered(items: list[Item]) -> list[Item]:
    """The same with names that can be told apart."""
    return [
        msgspec.structs.replace(
            item,
            name=f"{place}号{item.name}",
            children=[
                msgspec.structs.replace(child, name=f"{place}之{at}{child.name}")
                for at, child in enumerate(item.children)
            ],
        )
        for place, item in enumerate(items)
    ]


def flat(portions: tuple[Portion, ...]) -> list[Portion]:
    return [each for portion in portions for each in (portion, *flat(portion.parts))]


def chosen(mod: Modifier) -> str:
    """A modifier as it is written, without spaces."""
    return f"不要NO{mod.name}" if mod.qty == "0" else f"+{mod.name}" + ("" if mod.qty == 1 else f"x{mod.qty}")


def assert_all_said(text: str, portions: tuple[Portion, ...]) -> None:
    """Dish by dish, in order: the name with its quantity beside it, then its modifiers and its note."""
    names = [portion.item.name for portion in flat(portions)]
    lines = text.splitlines()
    places = [next(at for at, line in enumerate(lines) if name in line) for name in names]
    assert places == sorted(places)
    for portion, start, end in zip(flat(portions), places, [*places[1:], len(lines)], strict=True):
        item, below = portion.item, "".join("".join(lines[start + 1 : end]).split())
        both = lines[start] + below
        assert f"x{item.qty}" in both or portion.parents
        assert str(item.qty) in both or any(parent.qty not in (1, "1") for parent in portion.parents)
        for mod in item.mods:
            assert chosen(mod) in below
        for line in (item.note or "").splitlines():
            assert line in below


@settings(max_examples=60, deadline=None)
@given(ITEMS.map(numbered), st.sampled_from([32, 48]), st.sampled_from(Language))
def test_each_station_reads_all_of_its_dishes(items: list[Item], width: int, language: Language) -> None:
    """Every item, quantity, modifier and note is on the paper of the station that makes it."""
    whole = order(*items)
    for station, share in route(whole, STATIONS).items():
        subject = Ticket(whole, tuple(share), station, language=language, printed_at=NOON)
        assert_all_said(printed("kitchen", subject, width).text, tuple(share))


@settings(max_examples=60, deadline=None)
@given(ITEMS.map(numbered), st.sampled_from([32, 48]), st.sampled_from(Language))
def test_the_pass_reads_the_whole_order_station_by_station(items: list[Item], width: int, language: Language) -> None:
    """Below each station's name stands all that it makes."""
    whole = order(*items)
    shares = tuple((name, tuple(share)) for name, share in route(whole, STATIONS).items())
    subject = Expo(Ticket(whole, (), "pass", language=language, printed_at=NOON), shares)
    parts = re.split(r"^\[(wok|bar)\]\s*$", printed("expo", subject, width).text, flags=re.MULTILINE)[1:]
    assert parts[::2] == [name for name, _ in shares]
    for text, (_, share) in zip(parts[1::2], shares, strict=True):
        assert_all_said(text, share)


@settings(max_examples=60, deadline=None)
@given(ITEMS.map(numbered), st.sampled_from([32, 48]), st.sampled_from(["{{ nobody }}", "{% for", "<B>too little</B>"]))
def test_the_plain_ticket_says_everything_too(items: list[Item], width: int, template: str) -> None:
    """Whatever is wrong with a template: every dish, its quantity, its modifiers and notes are on paper, marked."""
    whole = order(*items, note="少辣", allergies=["花生"])
    for station, share in route(whole, STATIONS).items():
        subject = Ticket(whole, tuple(share), station, printed_at=NOON, mark=Mark.POSSIBLE_DUPLICATE)
        layout, error = own(template).layout("kitchen", subject, width)
        assert error is not None
        assert (error.file, error.line) == ("templates/kitchen.j2", 1)
        (piece,) = pieces(layout, width)
        assert_all_said(piece.text, tuple(share))
        black = inverted(piece)
        for words in ("模板出错 TEMPLATE ERROR", "templates/kitchen.j2:1", "补打 REPRINT #42", "过敏 ALLERGY: 花生"):
            assert words in black
        assert "※少辣" in piece.text


ANYTHING = st.text(st.one_of(st.characters(), st.sampled_from("<CUT>&lt;{{%豆\n\x1b")), max_size=20)


@settings(max_examples=80, deadline=None)
@given(
    st.builds(
        Order,
        id=ANYTHING.filter(bool),
        rev=st.integers(0, 9),
        channel=ANYTHING,
        items=st.lists(
            st.builds(Item, ANYTHING, ANYTHING, note=ANYTHING, price=st.integers(-(2**63), 2**63)), max_size=3
        ),
        no=ANYTHING,
        table=ANYTHING,
        pickup_code=ANYTHING,
        total=st.none() | st.integers(),
        currency=st.none() | ANYTHING,
        due_at=st.none() | st.datetimes() | st.datetimes(timezones=st.just(UTC)),
        fees=st.lists(st.builds(Charge, ANYTHING, st.integers()), max_size=2),
        customer=st.builds(Customer, ANYTHING, ANYTHING, st.builds(Member, ANYTHING, st.integers())),
        footer=st.builds(Footer, ANYTHING, ANYTHING),
        courier=st.none() | ANYTHING | st.dictionaries(ANYTHING, st.integers()),
    ),
    st.sampled_from(NAMES),
    st.sampled_from([16, 32, 48]),
)
def test_no_order_makes_a_shipped_template_fail(hostile: Order, name: str, width: int) -> None:
    """Nor does anything that it says become a tag: with letters for its words the ticket has the same blocks."""
    subject: Subject = of(hostile)
    if name in ("summary", "alarm", "welcome"):
        others: dict[str, Subject] = {
            "summary": Summary(hostile.channel, (Upcoming(hostile.id, hostile.channel, hostile.due_at, ("x",)),)),
            "alarm": Alarm(Notice(hostile.id, hostile.channel), (hostile.id,)),
            "welcome": Welcome(hostile.id, hostile.channel, "http://x"),
        }
        subject = others[name]
    assert shipped().layout(name, subject, width)[1] is None
    shipped().proof(name, subject, width)


# --- the shipped templates ---


def test_every_shipped_template_says_its_words_in_known_tags() -> None:
    """Nothing is printed as text because a tag is misspelt, on any sample, at both widths."""
    assert trial(shipped()) is None
    assert {"kitchen", "expo", "receipt", "label", "changes", "cancel", "summary", "alarm", "welcome"} == set(NAMES)


def test_amounts_stand_one_below_the_other() -> None:
    """Items, extras, fees, discounts and the total, their decimals aligned at the right margin."""
    facts = {"fees": [Charge("打包费", 100)], "discounts": [Charge("新人减", 300)], "total": 4100, "paid": True}
    bought = order(MILK, MEAL, **facts, currency="CNY", footer=Footer("收藏有礼\n下次九折", "https://x.example/1"))
    for width in (32, 48):
        piece = printed("receipt", of(bought, language=Language.ZH), width)
        lines = [line.grid() for line in piece.lines]
        amounts = [line.split()[-1] for line in lines if re.search(r"\.\d\d$", line)]
        assert amounts == ["6.00", "8.00", "37.00", "1.00", "-3.00", "￥41.00"]
        edges = {line.dots for line in piece.lines if re.search(r"\d\.\d\d$", line.text)}
        assert edges == {width * 12}
        for words in ("豆浆 x2杯 @3.00", "+加珍珠 x2", "已付款", "收藏有礼", "下次九折"):
            assert words in piece.text
    assert "未付款 NOT PAID" in inverted(printed("receipt", of(order(MILK, paid=False))))


@pytest.mark.parametrize(
    ("currency", "price", "shown"),
    [("KWD", "1.250", "1.250"), ("bhd", "0.500", "0.500"), ("PYG", "25000", "25000"), ("jpy", "850", "850")],
)
def test_a_receipt_says_the_price_that_the_platform_said(currency: str, price: str, shown: str) -> None:
    """What reads money and what writes it know the same currencies, in whatever letters their codes come."""
    minor = cents(price, currency)
    piece = printed("receipt", of(order(Item("Falafel", 1, price=minor), currency=currency, total=minor)))
    assert [line.text.split()[-1] for line in piece.lines if "Falafel" in line.text] == [shown]
    assert f"{currency.upper()} {shown}" in piece.text or f"￥{shown}" in piece.text


def test_what_belongs_to_a_part_of_several_sets_costs_as_often() -> None:
    """Two sets, each with a tea with pearls for 2.00: pearls are 4.00. So it is where the part is taken out of them."""
    tea = Item("奶茶", 1, mods=[Modifier("珍珠", 1, 200)], price=900)
    meal = Item("套餐", 2, price=2000, children=[tea])
    bought = order(meal, currency="CNY", total=4400)
    till = Ticket(bought, (Portion(tea, parents=(meal,)),), "till", printed_at=NOON)
    for subject in (of(bought), till):
        lines = [line.text.split() for line in printed("receipt", subject).lines]
        assert next(words[-1] for words in lines if "+珍珠" in words) == "4.00"
    assert next(words[-2:] for words in lines if "奶茶" in words) == ["@9.00", "18.00"]


def test_a_receipt_has_its_date_both_names_and_nothing_for_the_staff() -> None:
    """The customer is not told how often they came."""
    milk = msgspec.structs.replace(MILK, name2="Soy milk")
    meal = Item("套餐", 1, children=[Item("包子", 1, name2="Bun")])
    bought = order(milk, meal, customer=Customer("张", "8888", Member("金卡", 12)))
    piece = printed("receipt", of(bought, language=Language.EN))
    for words in ("2026-11-22", "豆浆 Soy milk x2杯", "└包子 Bun x1", "张  8888  member 金卡"):
        assert words in piece.text
    assert "visits" not in piece.text
    assert "visits 12" in printed("kitchen", of(bought, language=Language.EN)).text


def test_a_unit_that_begins_with_a_number_stands_apart_from_the_quantity() -> None:
    """On receipts, labels and the plain ticket: two of 500g are no 2500g."""
    beef = Item("牛肉", 20, unit="500g", price=1200)
    assert "牛肉 x20 500g @12.00" in printed("receipt", of(order(beef))).text
    lots = of(order(msgspec.structs.replace(beef, qty=21)))
    assert "x21 500g" in printed("label", lots, 32).text
    assert "x21 500g" in pieces(own("{{ nobody }}").layout("kitchen", lots, 48)[0])[0].text


def test_the_barcode_has_no_caption_that_is_not_its_own() -> None:
    """Between it and the platform's words stands a line."""
    piece = printed("receipt", of(order(MILK, pickup_code="A123", footer=Footer("收藏有礼", "https://x.example"))))
    lines = [line.text for line in piece.lines]
    assert re.fullmatch("-+", lines[lines.index(next(line for line in lines if "收藏有礼" in line)) - 1].strip())


def test_the_line_of_a_cut_stands_clear_of_the_next_piece() -> None:
    """In a picture: no dot of the next label's text is on it, nor near it."""
    rows = typeset(shipped().layout("label", of(order(MILK)), 32)[0], 32)
    drawn = draw(rows, 32)
    ink = [sum(not drawn.getpixel((x, y)) for x in range(drawn.width)) for y in range(drawn.height)]
    dashes = [
        y for y in range(drawn.height) if ink[y] == drawn.width // 2 and not (ink[y - 1] or any(ink[y + 1 : y + 9]))
    ]
    assert len(dashes) == 2


def test_the_receipt_has_the_platforms_code_and_the_pickup_barcode() -> None:
    """Scanned, they say what the order says."""
    bought = order(MILK, pickup_code="A123", footer=Footer("收藏有礼", "https://x.example/1?a=1&b=<2>"))
    layout, _ = shipped().layout("receipt", of(bought), 48)
    roll = Paper(576)
    roll.feed(encode(typeset(layout, 48), 48, profile=PROFILES["epson"]).data)
    codes = [code.data.decode() for code in roll.pieces[0].codes]
    assert [text.removeprefix("{B") for text in codes] == ["A123", "https://x.example/1?a=1&b=<2>"]


def test_money_is_written_as_people_do() -> None:
    """Minor units; some currencies have none."""
    assert [money(amount) for amount in (0, 5, 1250, -300, 10**9)] == ["0.00", "0.05", "12.50", "-3.00", "10000000.00"]
    assert [money(1250, code) for code in ("JPY", "jpy", "XOF", "KWD", "HUF", "", None)] == [
        *("1250", "1250", "1250", "1.250", "12.50", "12.50", "12.50")
    ]
    assert (pad("豆浆", 6), pad("豆浆", 6, "right"), pad("豆浆", 3)) == ("豆浆  ", "  豆浆", "豆浆")


def test_each_cup_has_its_label() -> None:
    """One label a piece, and 1/3 on it; parts of a set have theirs, a weighed dish has one."""
    bought = order(msgspec.structs.replace(MILK, qty=3), MEAL, Item("酱牛肉", "1.5", unit="斤"), Item("糖", 500))
    layout, error = shipped().layout("label", of(bought), 32)
    assert error is None
    labels = pieces(layout, 32)
    heads = [re.sub(r"#42\s+", "", piece.lines[0].text) for piece in labels]
    assert heads == [f"{n}/13" for n in range(1, 14)]
    counts = [[*piece.lines[1].text.split(), ""][1] for piece in labels]
    assert counts == ["1/3", "2/3", "3/3", *(f"{n}/6" for n in range(1, 7)), "1/2", "2/2", "x1.5斤", "x500"]
    assert ["豆浆" in said(piece) and "+加热+加珍珠x2" in said(piece) for piece in labels] == [True] * 3 + [False] * 10
    assert all("包子" in piece.text for piece in labels[3:9])
    assert ["属 part of: 套餐" in piece.text for piece in labels] == [3 <= at < 11 for at in range(13)]


def test_a_label_tells_whose_cup_it_is() -> None:
    """The pickup code; the set that a part was taken out of; modifiers as large as the name."""
    tea = Item("奶茶", 1, mods=[Modifier("少冰")])
    meal = Item("套餐", 2, children=[tea])
    subject = Ticket(order(meal, pickup_code="A123"), (Portion(tea, parents=(meal,)),), "bar", printed_at=NOON)
    for label in pieces(shipped().layout("label", subject, 32)[0], 32):
        assert "取餐码 pickup code A123" in label.text
        assert "属 part of: 套餐 x2" in label.text
        assert "+少冰" in large(label)


@pytest.mark.parametrize("width", [16, 32])
def test_what_is_said_of_a_set_meal_is_on_the_label_of_each_part(width: int) -> None:
    """As large as what is said of the part itself; also of a set within a set, and of no dish beside it."""
    inner = Item("早点", 1, note="打包", children=[Item("粥", 1)])
    tea = Item("奶茶", 1, mods=[Modifier("半糖")], note="热一点")
    meal = Item("双人套餐", 1, note="少冰", mods=[Modifier("换燕麦奶")], children=[tea, inner])
    layout, error = shipped().layout("label", of(order(meal, MILK)), width)
    assert error is None
    labels = ["".join(large(piece).replace("|", "").split()) for piece in pieces(layout, width)]
    for label, name in zip(labels, ("奶茶", "粥"), strict=False):
        assert name in label
        assert "※双人套餐:+换燕麦奶少冰" in label or "※热一点双人套餐:+换燕麦奶少冰" in label
    assert ["早点:打包" in label for label in labels] == [False, True, False, False]
    assert ["少冰" in label for label in labels] == [True, True, False, False]


@pytest.mark.parametrize("width", [16, 32])
def test_the_orders_note_is_on_each_label_in_short(width: int) -> None:
    """Words of the platform's too; a long one is cut, visibly, for there are many labels."""
    bought = order(Item("奶茶", 2), note="都不要吸管\n少冰", unread=["到付"])
    found = pieces(shipped().layout("label", of(bought), width)[0], width)
    assert ["备注note:都不要吸管/少冰/到付" in said(piece) for piece in found] == [True, True]
    (label, _) = pieces(shipped().layout("label", of(order(MILK, note="辣" * 300)), width)[0], width)
    assert said(label).count("辣") == 100
    assert "辣…(截断cut,seeconsole)" in said(label)
    assert "备注" not in pieces(shipped().layout("label", of(order(MILK)), width)[0], width)[0].text


def test_many_labels_with_long_wishes_print() -> None:
    """All of a banquet's, whatever is said of it."""
    cups = [Item(f"奶茶{n}", 20, mods=[Modifier("半糖")]) for n in range(12)]
    layout, error = shipped().layout(
        "label", of(order(Item("宴席", 1, note="冰" * 500, children=cups), note="少冰")), 32
    )
    assert error is None
    labels = pieces(layout, 32)
    assert [said(label).count("冰") for label in labels] == [301] * 202


def test_a_second_copy_of_labels_is_marked_on_each() -> None:
    """They part when they are cut."""
    layout, _ = shipped().layout("label", of(order(MILK), mark=Mark.POSSIBLE_DUPLICATE), 32)
    assert ["补打 REPRINT" in inverted(piece) for piece in pieces(layout, 32)] == [True, True]


def test_a_cook_reads_modifiers_as_large_as_notes() -> None:
    """At the station and at the pass; what they cost is one more height of paper."""
    for name, subject in (("kitchen", of(order(MILK))), ("expo", Expo(of(order(MILK)), (("wok", (Portion(MILK),)),)))):
        assert "+加热  +加珍珠 x2" in large(printed(name, subject))


def test_a_cancelled_order_is_void_line_by_line() -> None:
    """作废 with the reason, and on each dish."""
    subject = of(order(MILK, MEAL), kind=JobKind.CANCEL, reason="售完")
    piece = printed("cancel", subject, 32)
    assert "作废 CANCELLED" in inverted(piece)
    assert inverted(piece).count("作废") == 1 + 4
    assert "原因 reason: 售完" in piece.text
    english = printed("cancel", msgspec.structs.replace(subject, language=Language.EN), 32)
    assert inverted(english).count("VOID") == 4
    assert "作废 CANCELLED" in inverted(english)
    assert inverted(english).count("作废") == 1


@pytest.mark.parametrize("language", Language)
def test_the_running_number_is_read_in_any_language(language: Language) -> None:
    """流水 is Chinese; an English ticket has No.017. The judge reads both."""
    piece = printed("kitchen", of(order(MILK), number=17, language=language, part=1, parts=2))
    assert ("流水 No.017" in piece.text) == (language is not Language.EN)
    (ticket,) = read_piece("wok", piece)
    assert (ticket.station, ticket.running, ticket.whole) == ("wok", 17, True)


def test_a_summary_lists_what_waits_and_what_to_do() -> None:
    """Each order with its time and its dishes, and how many there are in all."""
    waiting = (Upcoming("41", "alipay", NOON, ("豆浆 x2", "油条 x1")), Upcoming("43", "eleme", None, ()))
    piece = printed("summary", Summary("flood", waiting, more=7, printed_at=NOON), 32)
    assert "订单太多 TOO MANY ORDERS" in inverted(piece)
    assert "9" in large(piece).split("|")
    for words in (
        "请先看是否真单",
        "迟到订单",
        "云端",
        "#41 alipay",
        "豆浆 x2",
        "#43 eleme",
        "还有 and more: 7",
    ):
        assert "".join(words.split()) in said(piece)


def test_late_orders_ask_whether_to_print_them() -> None:
    """作废 would take an order back: here it is only not printed. What comes by itself asks for nothing."""
    text = printed("summary", Summary("old", (), printed_at=NOON), 32).text
    assert "打印，还是不打印" in "".join(text.split())
    assert "作废" not in text
    assert "shop-agent queue" not in printed("summary", Summary("upcoming", (), printed_at=NOON)).text


def test_an_alarm_says_what_to_do() -> None:
    """What is wrong, where, the remedy, the orders in that printer and how many wait."""
    alarm = Alarm(Notice("kitchen", "paper"), ("41", "42"), 3, printed_at=NOON)
    piece = printed("alarm", alarm, 32)
    assert "报警 ALARM" in inverted(piece)
    for words in ("kitchen", "缺纸 out of paper", "请装纸", "#41 #42", "tickets waiting: 3", "12:00:09"):
        assert words in piece.text
    assert "#44" in printed("alarm", Notice("kitchen", "away", "44")).text
    for language, words in ((Language.ZH, "报警"), (Language.EN, "ALARM")):
        one = printed("alarm", Alarm(Notice("kitchen", "paper"), language=language, printed_at=NOON), 32)
        assert inverted(one).split() == [words]
        assert [read.notice for read in read_piece("bar", one)] == [True]
    for language, words in ((Language.ZH, "打印测试"), (Language.EN, "PRINT TEST")):
        assert inverted(printed("welcome", Welcome("s1", "bar", language=language))).strip().startswith(words)
        assert ("PRINT TEST" in printed("welcome", Welcome("s1", "bar", language=language)).text) == (
            language is Language.EN
        )


@pytest.mark.parametrize("width", [16, 32, 48])
def test_the_first_page_shows_widths_sizes_and_codes(width: int) -> None:
    """A ruler as wide as the paper, sizes one to four, Chinese, and the date."""
    piece = printed("welcome", Welcome("s421", "kitchen", "http://shop.local", printed_at=NOON), width)
    ruler = next(line for line in piece.lines if ".......10..." in line.text)
    assert ruler.dots == width * 12
    sizes = {
        (run.width, run.height) for line in piece.lines for run in line.runs if re.fullmatch(r"[1-4]x豆", run.text)
    }
    assert sizes == {(1, 1), (2, 2), (3, 3), (4, 4)}
    for words in (
        "s421",
        "kitchen",
        "2026-11-22 12:00:09",
        f"每行字宽 cells a line {width}",
        "￥12.50",
        "printer is fine",
    ):
        assert "".join(words.split()) in said(piece)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("language", [Language.ZH, Language.EN])
def test_fixed_words_are_in_one_language(name: str, language: Language) -> None:
    """Chinese tickets have no English words, and the other way round, but for what must never be missed."""
    subject = samples(name)[0]
    if isinstance(subject, Expo | Notice):
        pytest.skip("its language is another's")
    plain = msgspec.structs.replace(subject, language=language, **({"kind": JobKind.ORDER} if name == "cancel" else {}))
    if isinstance(plain, Ticket) and plain.before is not None:
        plain = msgspec.structs.replace(plain, kind=JobKind.ORDER)
    text = "\n".join(piece.text for piece in pieces(shipped().layout(name, plain, 48)[0]))
    text = re.sub(r"shop-agent\s+queue\s+waiting", "", text)
    forbidden = {
        Language.ZH: ("note", "ALLERGY", "printed", "due", "seat", "total", "member", "was", "waiting", "guests"),
        Language.EN: ("备注", "过敏", "打印 ", "要求", "座 ", "合计", "会员", "原:", "等待", "人 ", "流水"),
    }[language]
    assert [word for word in forbidden if re.search(rf"\b{word}" if word.isascii() else word, text)] == []
