"""The judge of the paper: it must be able to fail. Real tickets on real paper, then doctored."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from agent.encode.escpos import encode
from agent.encode.typeset import typeset
from agent.model.job import JobKind, Mark
from agent.model.order import Order, Upsert
from agent.model.station import Match, Station
from agent.model.ticket import Language, Notice, Summary, Ticket, Upcoming
from agent.simulator.paper import Paper
from agent.simulator.piece import Item, Line, Piece
from agent.simulator.reading import Banner, read_piece
from agent.simulator.share import Stations
from agent.simulator.verdict import Fault, Finding, Verdict, judge_paper
from agent.simulator.word import judge_word
from agent.tickets.changes import compare
from agent.tickets.notice import alarm
from agent.tickets.routing import route
from agent.tickets.subject import Welcome
from agent.tickets.template import kitchen, shipped
from tests.menu import printed
from tests.test_tickets import NOON

STATIONS = Stations("kitchen", category={"热饮": "drinks"})
ROUTES = (Station("kitchen", default=True), Station("drinks", match=Match(category=["热饮"])))
WIDTHS = {"kitchen": 48, "drinks": 32}
BUNS: dict[str, Any] = {"name": "鲜肉小笼包", "qty": "2", "unit": "笼", "note": "少放姜"}
SOY: dict[str, Any] = {"name": "现磨豆浆", "qty": "1", "unit": "杯", "category": "热饮", "mods": [{"name": "加热"}]}
MEAL: dict[str, Any] = {
    "name": "双人早餐套餐",
    "qty": "2",
    "children": [{"name": "油条", "qty": "2"}, {**SOY, "qty": "1.5"}],
}


def upsert(*items: dict[str, Any], no: str = "42", rev: int = 1, **facts: Any) -> dict[str, Any]:
    order = {"id": f"id-{no}", "rev": rev, "channel": "alipay", "no": no, "items": list(items), **facts}
    return {"id": f"{no}-{rev}", "type": "order.upsert", "data": {"order": order}}


def cancel(no: str = "42", rev: int = 1) -> dict[str, Any]:
    order = {"id": f"id-{no}", "rev": rev, "channel": "alipay"}
    return {"id": f"{no}-{rev}-off", "type": "order.cancel", "data": {"order": order}}


def print_ticket(event: dict[str, Any], station: str = "kitchen", number: int = 1, **facts: Any) -> Piece:
    """A ticket for one station as the real template and encoder put it on paper."""
    order: Order = msgspec.convert(event["data"], Upsert).order
    facts = {"number": number, "printed_at": NOON, **facts}
    ticket = Ticket(order, tuple(route(order, ROUTES)[station]), station, **facts)
    width = WIDTHS[station]
    roll = Paper(width * 12)
    roll.feed(encode(typeset(kitchen(ticket), width), width).data)
    return roll.pieces[0]


def torn(piece: Piece, lines: int = 4) -> Piece:
    lines_only: list[Item] = list(piece.lines[:lines])
    return Piece(piece.width_dots, lines_only)


def judge(events: list[dict[str, Any]], kitchen: list[Piece], drinks: list[Piece] | None = None) -> Verdict:
    return judge_paper(events, {"kitchen": kitchen, "drinks": drinks or []}, STATIONS)


def faults(verdict: Verdict) -> list[str]:
    return [finding.fault for finding in verdict.findings]


ORDER = upsert(BUNS, SOY)
BOTH = {"kitchen": [print_ticket(ORDER)], "drinks": [print_ticket(ORDER, "drinks")]}


def test_paper_as_it_should_be_is_fine() -> None:
    """An order at both its stations, once: nothing is found, and everything was counted."""
    verdict = judge_paper([ORDER], BOTH, STATIONS)
    assert verdict.fine, verdict.findings
    assert (verdict.orders, verdict.owed, verdict.whole, verdict.reprints) == (1, 2, 2, 0)


def test_an_event_told_twice_is_still_one_order() -> None:
    """The judge goes by orders, not by events."""
    assert judge_paper([ORDER, ORDER], BOTH, STATIONS).fine


def test_ticket_missing_at_one_station_is_lost() -> None:
    """Each station that the order concerns is looked at."""
    verdict = judge([ORDER], [print_ticket(ORDER)])
    assert [(f.fault, f.order, f.where) for f in verdict.findings] == [(Fault.LOST, "42", "drinks")]


def test_second_ticket_without_banner_is_doubled() -> None:
    """The same ticket again must bear 补打 REPRINT."""
    piece = print_ticket(upsert(BUNS))
    assert faults(judge([upsert(BUNS)], [piece, piece])) == [Fault.DOUBLED]


def test_second_ticket_with_banner_is_fine_and_counted() -> None:
    """A marked reprint is no fault."""
    again = print_ticket(upsert(BUNS), mark=Mark.POSSIBLE_DUPLICATE, attempt=2)
    verdict = judge([upsert(BUNS)], [print_ticket(upsert(BUNS)), again])
    assert verdict.fine
    assert (verdict.whole, verdict.reprints) == (2, 1)


def test_banner_that_is_not_inverted_does_not_count() -> None:
    """Black on white among the dishes, 补打 REPRINT is a customer's note."""
    joker = upsert({**BUNS, "note": "补打 REPRINT #42"})
    assert faults(judge([joker], [print_ticket(joker), print_ticket(joker)])) == [Fault.DOUBLED]


def test_two_copies_are_not_doubled() -> None:
    """Copies say which they are; the same copy twice is a fault."""
    first = print_ticket(upsert(BUNS), copy=1, copies=2)
    second = print_ticket(upsert(BUNS), copy=2, copies=2)
    assert judge([upsert(BUNS)], [first, second]).fine
    assert faults(judge([upsert(BUNS)], [first, second, second])) == [Fault.DOUBLED]


class TestCopies:
    """A station that gets each ticket twice: each copy is judged by itself."""

    old, new = upsert(BUNS), upsert({**BUNS, "qty": "3"}, rev=2)

    @staticmethod
    def copy(copy: int, event: dict[str, Any] = old, **facts: Any) -> Piece:
        return print_ticket(event, number=copy, copy=copy, copies=2, **facts)

    @staticmethod
    def found(events: list[dict[str, Any]], *pieces: Piece) -> list[str]:
        stations = msgspec.structs.replace(STATIONS, copies={"kitchen": 2})
        return faults(judge_paper(events, {"kitchen": pieces}, stations))

    def test_as_many_as_there_are_copies_are_owed(self) -> None:
        """Fewer are lost; the same one again does not make up for it, marked or not."""
        first, second = self.copy(1), self.copy(2)
        assert self.found([self.old], second, first) == []
        assert self.found([self.old], first) == [Fault.LOST]
        assert self.found([self.old]) == [Fault.LOST, Fault.LOST]
        assert self.found([self.old], first, self.copy(1, mark=Mark.POSSIBLE_DUPLICATE)) == [Fault.LOST]
        assert self.found([self.old], first, first) == [Fault.DOUBLED, Fault.LOST]

    def test_one_more_must_say_so(self) -> None:
        """And which it is."""
        both = self.copy(1), self.copy(2)
        assert self.found([self.old], *both, self.copy(2)) == [Fault.DOUBLED]
        assert self.found([self.old], *both, self.copy(2, mark=Mark.POSSIBLE_DUPLICATE)) == []
        for unknown in (print_ticket(self.old), print_ticket(self.old, copy=3, copies=3)):
            assert self.found([self.old], *both, unknown) == [Fault.PARTIAL]
            assert set(self.found([self.old], both[0], unknown)) == {Fault.LOST, Fault.PARTIAL}

    def test_each_copy_is_amended(self) -> None:
        """One that came out as it was needs the news; one that did not comes as it is."""
        events = [self.old, self.new]
        amended = [self.copy(copy, self.new, kind=JobKind.AMEND) for copy in (1, 2)]
        assert self.found(events, self.copy(1), self.copy(2), *amended) == []
        assert self.found(events, self.copy(1), self.copy(2), amended[0]) == [Fault.LOST]
        assert self.found(events, self.copy(1), amended[0], self.copy(2, self.new)) == []
        assert self.found(events, self.copy(1), amended[0], self.copy(2)) == [Fault.LOST]

    def test_one_void_takes_back_all(self) -> None:
        """And nothing of the order comes after it."""
        void, both = print_ticket(self.old, kind=JobKind.CANCEL, number=3), (self.copy(1), self.copy(2))
        events = [self.old, cancel()]
        assert self.found(events, *both, void) == []
        assert self.found(events, both[0], void) == []
        assert self.found(events, *both) == [Fault.LOST, Fault.LOST]
        assert set(self.found(events, both[0], void, both[1])) == {Fault.OUTDATED, Fault.LOST}

    def test_a_torn_copy_is_excused_by_its_own_whole_one(self) -> None:
        """The other copy came after that one; once both are off, by none."""
        whole = self.copy(1), self.copy(2)
        part = torn(self.copy(1, mark=Mark.POSSIBLE_DUPLICATE), 10)
        assert self.found([self.old], *whole, part) == []
        assert set(self.found([self.old], whole[1], part)) == {Fault.LOST, Fault.PARTIAL}
        void = print_ticket(self.old, kind=JobKind.CANCEL, number=3)
        assert self.found([self.old, cancel()], *whole, void, part) == [Fault.PARTIAL]


@pytest.mark.parametrize("lines", range(1, 8))
def test_torn_ticket_alone_is_lost_and_partial(lines: int) -> None:
    """Whatever is on the piece: the order is lost, and the piece misleads the cook."""
    piece = torn(print_ticket(upsert(BUNS)), lines)
    assert set(faults(judge([upsert(BUNS)], [piece]))) == {Fault.LOST, Fault.PARTIAL}


@pytest.mark.parametrize("lines", [1, 4, 7])
def test_torn_ticket_followed_by_an_unmarked_one_is_a_fault(lines: int) -> None:
    """The whole ticket must say that the piece above is to be thrown away."""
    whole = print_ticket(upsert(BUNS))
    assert faults(judge([upsert(BUNS)], [torn(whole, lines), whole])) == [Fault.PARTIAL]


@pytest.mark.parametrize("lines", [1, 4, 7])
def test_torn_ticket_followed_by_a_marked_one_is_fine(lines: int) -> None:
    """So it does; cut apart, or on the same piece of paper."""
    whole = print_ticket(upsert(BUNS))
    marked = print_ticket(upsert(BUNS), mark=Mark.DISCARD_PIECE_ABOVE, attempt=2)
    part = torn(whole, lines)
    assert judge([upsert(BUNS)], [part, marked]).fine
    uncut = Piece(part.width_dots, [*part.items, *marked.items])
    assert judge([upsert(BUNS)], [uncut]).fine


@pytest.mark.parametrize("lines", [1, 2, 5])
def test_a_torn_copy_that_says_so_misleads_nobody_who_has_the_ticket(lines: int) -> None:
    """Somebody looked, saw the ticket, and wanted no other; not so where it bears no banner, or copies another one."""
    whole, copy = print_ticket(upsert(BUNS)), print_ticket(upsert(BUNS), mark=Mark.POSSIBLE_DUPLICATE, attempt=2)
    assert judge([upsert(BUNS)], [whole, torn(copy, lines)]).fine
    assert faults(judge([upsert(BUNS)], [whole, torn(whole, lines)])) == [Fault.PARTIAL]
    assert set(faults(judge([upsert(BUNS)], [torn(copy, lines)]))) == {Fault.LOST, Fault.PARTIAL}
    amended = print_ticket(upsert(BUNS, rev=2), kind=JobKind.AMEND, mark=Mark.POSSIBLE_DUPLICATE)
    assert faults(judge([upsert(BUNS)], [whole, torn(amended, 8)])) == [Fault.PARTIAL]


def test_the_rest_of_a_torn_ticket_is_taken_back_with_its_head() -> None:
    """A cover that is closed cuts a ticket in two; the printer stood in for another, where the whole one came out."""
    order = upsert(BUNS)
    guest = print_ticket(order, printed_for="kitchen")
    head, rest = torn(guest), Piece(guest.width_dots, list(guest.items[4:-8]))
    marked = print_ticket(order, mark=Mark.POSSIBLE_DUPLICATE, attempt=2)
    assert judge([order], [marked], [head, rest]).fine
    assert faults(judge([order], [print_ticket(order)], [head, rest])) == [Fault.PARTIAL, Fault.PARTIAL]
    assert faults(judge([order], [marked], [rest])) == [Fault.PARTIAL]


def test_a_ticket_whose_banner_lost_its_colour_is_not_whole() -> None:
    """A printer that missed the command for white on black prints the words all the same; nobody sees them."""
    order = upsert(BUNS)
    void = print_ticket(order, kind=JobKind.CANCEL)
    pale = Piece(void.width_dots, [plain(void.lines[0]), *void.items[1:]])
    again = print_ticket(order, kind=JobKind.CANCEL, mark=Mark.POSSIBLE_DUPLICATE, attempt=2)
    assert judge([order, cancel()], [print_ticket(order), pale, again]).fine
    assert faults(judge([order, cancel()], [print_ticket(order), pale])) == [Fault.PARTIAL, Fault.LOST]


def plain(line: Line) -> Line:
    """The line, black on white."""
    runs = tuple(replace(run, look=replace(run.look, inverted=False)) for run in line.runs)
    return replace(line, runs=runs)


def test_a_notices_rest_takes_nothing_from_anybody() -> None:
    """Its whole copy follows at once; the rest of a ticket is none."""
    order, said = upsert(BUNS), notice()
    assert judge([order], [rest(said, 3), said, print_ticket(order)]).fine
    assert faults(judge([order], [rest(said, 3), print_ticket(order)])) == [Fault.PARTIAL]
    assert faults(judge([order], [rest(print_ticket(order), 3), said, print_ticket(order)])) == [Fault.PARTIAL]


def rest(piece: Piece, lines: int = 2) -> Piece:
    """What comes out where a printer missed the beginning."""
    return Piece(piece.width_dots, list(piece.items[lines:]))


class TestWhatIsNoRestAndNoCopy:
    """A part is taken for another's rest, or for a copy, only where it says nothing else."""

    first, second = upsert(BUNS), upsert({"name": "葱油饼", "qty": "3"}, no="43")
    whole, other = print_ticket(first), print_ticket(second, number=2)
    marked = print_ticket(first, mark=Mark.POSSIBLE_DUPLICATE, attempt=2)

    def test_another_orders_end_behind_a_torn_copy(self) -> None:
        """A cook would make it again. The copy's own rest is none."""
        torn_copy = torn(self.marked, 5)
        events = [self.first, self.second]
        assert faults(judge(events, [self.whole, torn_copy, rest(self.other), self.other])) == [Fault.PARTIAL]
        assert judge(events, [self.whole, torn_copy, rest(self.marked, 5), self.other]).fine

    def test_words_of_nobody_behind_a_torn_copy(self) -> None:
        """No ticket says them."""
        roll = Paper(576)
        roll.feed("锟斤拷锟斤拷\n".encode("gbk") + b"\x1dV\x00")
        assert faults(judge([self.first], [self.whole, torn(self.marked, 5), *roll.pieces])) == [Fault.PARTIAL]

    def test_another_orders_end_behind_a_torn_ticket(self) -> None:
        """What takes back the one above does not take back this one, which names its number; its own copy does."""
        paper = [torn(self.whole), rest(self.other)]
        events = [self.first, self.second]
        assert faults(judge(events, [*paper, self.other, self.marked])) == [Fault.PARTIAL]
        again = print_ticket(self.second, number=2, mark=Mark.POSSIBLE_DUPLICATE, attempt=2)
        assert judge(events, [*paper, again, self.marked]).fine

    def test_an_end_and_the_next_ticket_without_a_cut(self) -> None:
        """The end is no beginning of that ticket."""
        uncut = Piece(576, [*rest(self.other).items, *self.whole.items])
        assert faults(judge([self.first, self.second], [self.other, uncut])) == [Fault.PARTIAL]

    def test_a_torn_copy_of_what_no_longer_holds(self) -> None:
        """After it was taken back or amended, the copy tells a cook to make it again."""
        void = print_ticket(self.first, kind=JobKind.CANCEL, number=2)
        late = torn(self.marked, 8)
        assert faults(judge([self.first, cancel()], [self.whole, void, late])) == [Fault.PARTIAL]
        new = upsert({**BUNS, "qty": "3"}, rev=2)
        amended = print_ticket(new, kind=JobKind.AMEND, number=2)
        assert faults(judge([self.first, new], [self.whole, amended, late])) == [Fault.PARTIAL]

    def test_a_torn_copy_of_another_stations_ticket(self) -> None:
        """Two stations at one printer: the order's other ticket does not say what is on the part."""
        order = upsert(BUNS, SOY)
        copy = print_ticket(order, "drinks", mark=Mark.POSSIBLE_DUPLICATE, attempt=2)
        part, guest = torn(copy, 9), print_ticket(order, "drinks", printed_for="drinks")
        assert "现磨豆浆" in part.text
        papers = {"one": [print_ticket(order), part], "two": [guest]}
        found = judge_paper([order], papers, STATIONS, {"kitchen": "one", "drinks": "one"})
        assert faults(found) == [Fault.PARTIAL]


def test_mark_on_another_stations_ticket_answers_for_nothing() -> None:
    """Two stations at one printer: drinks' copy says nothing to the kitchen's cook, whose ticket came out again."""
    order = upsert(BUNS, SOY)
    kitchen, drinks = print_ticket(order), print_ticket(order, "drinks")
    copy = print_ticket(order, "drinks", mark=Mark.POSSIBLE_DUPLICATE, attempt=2)
    assert faults(judge([order], [torn(kitchen, 6), drinks, copy, kitchen])) == [Fault.PARTIAL]
    marked = print_ticket(order, mark=Mark.POSSIBLE_DUPLICATE, attempt=2)
    assert judge([order], [torn(kitchen, 6), drinks, copy, marked]).fine


def test_a_head_may_be_any_stations() -> None:
    """Of an order that was taken back, only the other station's ticket came out whole."""
    order = upsert(BUNS, SOY)
    void = print_ticket(order, kind=JobKind.CANCEL, number=2)
    away = [print_ticket(order, "drinks"), print_ticket(order, "drinks", kind=JobKind.CANCEL, number=2)]
    assert judge([order, cancel()], [torn(print_ticket(order), 2), void], away).fine


def test_mark_on_another_order_answers_for_nothing() -> None:
    """The marked ticket must be the same order's."""
    other = upsert(SOY, BUNS, no="43")
    marked = print_ticket(other, mark=Mark.DISCARD_PIECE_ABOVE, attempt=2)
    pieces = [torn(print_ticket(upsert(BUNS))), marked, print_ticket(upsert(BUNS))]
    verdict = judge([upsert(BUNS), other], pieces, [print_ticket(other, "drinks")])
    assert [(f.fault, f.order) for f in verdict.findings] == [(Fault.PARTIAL, "42")]


def test_torn_ticket_and_the_next_without_a_cut_are_told_apart() -> None:
    """Two heads on one piece are two tickets, and the first one lacks its end."""
    first, second = upsert(BUNS), upsert(BUNS, no="43")
    part, whole = torn(print_ticket(first), 5), print_ticket(second)
    verdict = judge([first, second], [Piece(part.width_dots, [*part.items, *whole.items])])
    assert {(f.fault, f.order) for f in verdict.findings} == {(Fault.PARTIAL, "42"), (Fault.LOST, "42")}


def test_ticket_that_nobody_ordered_is_a_stranger() -> None:
    """No such order, or no such order at this station."""
    assert faults(judge([], [print_ticket(upsert(BUNS))])) == [Fault.STRANGER]
    soy_only = upsert(SOY)
    drinks = [print_ticket(soy_only, "drinks")]
    assert faults(judge([soy_only], [print_ticket(ORDER)], drinks)) == [Fault.STRANGER]


def test_words_that_are_no_ticket_are_a_fault() -> None:
    """Garbage on the paper is a part of who knows what."""
    roll = Paper(576)
    roll.feed("锟斤拷锟斤拷\n".encode("gbk") + b"\x1dV\x00")
    assert faults(judge([], roll.pieces)) == [Fault.PARTIAL]
    blank = Paper(576)
    blank.feed(b"\n\n\x1dV\x00")
    assert judge([], blank.pieces).fine


def test_misprinted_quantity_or_name_is_wrong() -> None:
    """The ticket says what the order says, to the last digit."""
    printed = [print_ticket(upsert(BUNS))]
    for other in ({**BUNS, "qty": "20"}, {**BUNS, "qty": "0.2"}, {**BUNS, "name": "鲜肉小馄饨"}):
        assert faults(judge([upsert(other)], printed)) == [Fault.WRONG]
    assert faults(judge([upsert({**BUNS, "qty": "2"})], [print_ticket(upsert({**BUNS, "qty": "2.5"}))])) == ["wrong"]


def test_number_of_another_dish_counts_for_none() -> None:
    """Each dish has its own, and a dish that is ordered twice stands there twice."""
    bread, pie = {"name": "油条", "qty": "3"}, {"name": "葱油饼", "qty": "2"}
    swapped = print_ticket(upsert({**bread, "qty": "2"}, {**pie, "qty": "3"}))
    assert faults(judge([upsert(bread, pie)], [swapped])) == [Fault.WRONG]
    assert faults(judge([upsert(bread, bread)], [print_ticket(upsert(bread))])) == [Fault.WRONG]
    assert judge([upsert(bread, bread, pie)], [print_ticket(upsert(bread, bread, pie))]).fine


def test_set_meal_is_read_with_its_totals_at_both_stations() -> None:
    """2 sets with 1.5 each are 3; the part that drinks claims is looked for there."""
    order = upsert(MEAL)
    pieces = {station: [print_ticket(order, station)] for station in WIDTHS}
    verdict = judge_paper([order], pieces, STATIONS)
    assert verdict.fine, verdict.findings
    assert "x3" in pieces["drinks"][0].text


def test_long_name_broken_over_lines_and_emoji_are_read() -> None:
    """A name that needs two lines on 58 mm, and one with a sign that GBK lacks."""
    order = upsert({**SOY, "name": "特浓原味现磨有机黑豆豆浆配红枣枸杞🌶超级大杯", "qty": "12"})
    assert judge([order], [], [print_ticket(order, "drinks")]).fine


@pytest.mark.parametrize(
    ("first", "drawn", "fine"),
    [
        ("特浓原味现磨有机黑豆豆  x12杯", True, True),
        ("特浓原味现磨有机黑豆豆  x11杯", True, False),
        ("特浓原味现磨有机黑豆豆  x12杯", False, False),
        ("咸豆浆  x12杯", True, False),
    ],
)
def test_a_picture_is_taken_for_the_sign_that_gbk_lacks_and_its_line(first: str, drawn: bool, fine: bool) -> None:
    """Nobody can read it: the name must stand before and behind it, but for one line, and the quantity be text."""
    order = upsert({**SOY, "name": "特浓原味现磨有机黑豆豆浆配红枣枸杞🌶桂圆莲子百合银耳超级大杯", "qty": "12"})
    roll = Paper(384)
    roll.feed(f"#42\n{first}\n".encode("gbk"))
    if drawn:
        roll.feed(b"\x1dv0\x00\x21\x00\x18\x00" + b"\xff" * 33 * 24)
    roll.feed("级大杯\n  +加热\ndrinks  流水 No.001\n打印 printed 12:00:09\n\x1dV\0".encode("gbk"))
    assert judge([order], [], roll.pieces).fine is fine


class TestRevisions:
    """改单 and 作废."""

    old, new = upsert(BUNS), upsert({**BUNS, "qty": "3"}, rev=2)

    def test_amendment_on_paper_is_fine(self) -> None:
        """The older ticket, then the newer one that says so."""
        amended = print_ticket(self.new, kind=JobKind.AMEND)
        assert read_piece("kitchen", amended)[0].rev == 2
        assert judge([self.old, self.new], [print_ticket(self.old), amended]).fine

    def test_amendment_before_the_first_print_is_one_plain_ticket(self) -> None:
        """What is printed first is already the newest."""
        assert judge([self.old, self.new], [print_ticket(self.new)]).fine

    def test_missing_amendment_is_lost(self) -> None:
        """Only the older revision is on paper."""
        assert faults(judge([self.old, self.new], [print_ticket(self.old)])) == [Fault.LOST]

    def test_station_that_the_amendment_does_not_touch_needs_no_ticket(self) -> None:
        """What drinks make is what it was."""
        events = [upsert(BUNS, SOY), upsert({**BUNS, "qty": "3"}, SOY, rev=2)]
        kitchen_paper = [print_ticket(events[0]), print_ticket(events[1], kind=JobKind.AMEND)]
        assert judge(events, kitchen_paper, [print_ticket(events[0], "drinks")]).fine

    def test_older_revision_after_a_newer_is_outdated(self) -> None:
        """Never, at one station."""
        amended = print_ticket(self.new, kind=JobKind.AMEND)
        found = faults(judge([self.old, self.new], [amended, print_ticket(self.old)]))
        assert found == [Fault.OUTDATED, Fault.LOST]

    def test_a_copy_that_was_asked_for_is_of_the_newest_revision(self) -> None:
        """It is the whole order as it holds, and names no revision: what it says shows which it is."""
        bun, soup = {**BUNS, "qty": "3"}, {"name": "小馄饨", "qty": "1"}
        new = upsert(bun, soup, rev=2)
        paper = [print_ticket(self.old), print_ticket(new, kind=JobKind.AMEND, number=2)]
        assert judge([self.old, new], [*paper, print_ticket(new, mark=Mark.ASKED, number=2)]).fine
        late = faults(judge([self.old, new], [*paper, print_ticket(self.old, mark=Mark.ASKED)]))
        assert late == [Fault.OUTDATED, Fault.LOST]
        fewer = upsert(bun, rev=3)
        paper.append(print_ticket(fewer, kind=JobKind.AMEND, number=3))
        assert Fault.OUTDATED in faults(judge([self.old, new, fewer], [*paper, print_ticket(new, mark=Mark.ASKED)]))

    def test_a_copy_that_was_asked_for_and_comes_again_in_doubt_is_known_by_its_number(self) -> None:
        """Then it says that it may be a duplicate, not that it was asked for: its number is the newest ticket's."""
        paper = [print_ticket(self.old), print_ticket(self.new, kind=JobKind.AMEND, number=2)]
        asked = print_ticket(self.new, mark=Mark.ASKED, number=2)
        again = print_ticket(self.new, mark=Mark.POSSIBLE_DUPLICATE, number=2)
        assert not read_piece("kitchen", again)[0].asked
        for copies in ([asked, again], [again], [torn(asked), again]):
            assert judge([self.old, self.new], [*paper, *copies]).fine
        for doubtful in (
            print_ticket(self.old, mark=Mark.POSSIBLE_DUPLICATE, number=2),
            print_ticket(self.new, mark=Mark.POSSIBLE_DUPLICATE),
            print_ticket(self.new, number=2),
        ):
            assert Fault.OUTDATED in faults(judge([self.old, self.new], [*paper, doubtful]))
        void = print_ticket(self.new, kind=JobKind.CANCEL, number=3)
        off = judge([self.old, self.new, cancel(rev=2)], [*paper, void, again])
        assert Fault.OUTDATED in faults(off)

    def test_cancel_needs_its_void_where_the_order_was_printed(self) -> None:
        """作废 after the ticket; nothing at all where nothing was printed."""
        void = print_ticket(self.old, kind=JobKind.CANCEL, reason="客人取消")
        assert read_piece("kitchen", void)[0].banner is Banner.VOID
        assert judge([self.old, cancel()], []).fine
        assert judge([self.old, cancel()], [print_ticket(self.old), void]).fine
        assert faults(judge([self.old, cancel()], [print_ticket(self.old)])) == [Fault.LOST]
        assert Fault.OUTDATED in faults(judge([self.old, cancel()], [void, print_ticket(self.old)]))
        assert faults(judge([self.old, cancel()], [print_ticket(self.old), void, void])) == [Fault.DOUBLED]

    def test_station_that_a_revision_drops_needs_a_void(self) -> None:
        """Drinks had made a part of it; now they have nothing."""
        events = [upsert(BUNS, SOY), upsert(BUNS, rev=2)]
        drinks = [print_ticket(events[0], "drinks")]
        void = print_ticket(events[0], "drinks", kind=JobKind.CANCEL)
        assert faults(judge(events, [print_ticket(events[0])], drinks)) == [Fault.LOST]
        assert judge(events, [print_ticket(events[0])], [*drinks, void]).fine

    def test_amendment_or_void_takes_back_a_torn_ticket(self) -> None:
        """The cook is told in other words to forget the piece."""
        part = torn(print_ticket(self.old))
        assert judge([self.old, self.new], [part, print_ticket(self.new, kind=JobKind.AMEND)]).fine
        assert judge([self.old, cancel()], [part, print_ticket(self.old, kind=JobKind.CANCEL)]).fine


class TestOnlyChanges:
    """改单 that says only what changed: it needs the paper before it."""

    bun, youtiao = {**BUNS, "qty": "2"}, {"name": "油条", "qty": "1"}
    old, new = upsert(bun, youtiao), upsert({**bun, "qty": "5"}, {"name": "葱油饼", "qty": "1.5"}, rev=2)
    events = (old, new)
    full = print_ticket(old)

    @staticmethod
    def changes(*lines: str, rev: int = 2, banner: str = "改单 AMENDED 第{}版") -> Piece:
        """A ticket of changes, typed by hand."""
        roll = Paper(576)
        roll.feed(b"\x1dB\x01" + banner.format(rev).encode("gbk") + b"\x1dB\x00\n")
        words = ("只列变动 only what changed", "#42", *lines, "kitchen  流水 No.002", "打印 printed 12:00:30")
        roll.feed("\n".join(words).encode("gbk") + b"\n\x1dV\0")
        return roll.pieces[0]

    told = ("加 +3笼", "鲜肉小笼包 x2笼 → x5笼", "退 -1", "油条", "加 +1.5", "葱油饼")

    def test_the_shipped_template_is_understood(self) -> None:
        """With the ticket before it, the kitchen knows everything."""
        before, after = (msgspec.convert(event["data"], Upsert).order for event in self.events)
        was, now = (tuple(route(order, ROUTES)["kitchen"]) for order in (before, after))
        facts: dict[str, Any] = {"before": before, "changes": compare(was, now), "printed_at": NOON}
        ticket = Ticket(after, now, "kitchen", kind=JobKind.AMEND, number=2, **facts)
        roll = Paper(576)
        roll.feed(encode(typeset(shipped().layout("changes", ticket, 48)[0], 48), 48).data)
        assert read_piece("kitchen", roll.pieces[0])[0].only_changes
        assert judge(list(self.events), [self.full, *roll.pieces]).fine

    def test_changes_after_the_ticket_are_fine(self) -> None:
        """The new number, or by how many, is enough."""
        assert judge(list(self.events), [self.full, self.changes(*self.told)]).fine
        assert judge(list(self.events), [self.full, self.changes("鲜肉小笼包 x5", "油条 -1", "葱油饼 x1.5")]).fine

    @pytest.mark.parametrize("left_out", (0, 2, 4))
    def test_a_change_that_is_left_out_or_miscounted_is_wrong(self, left_out: int) -> None:
        """Each dish that is other than it was."""
        fewer = [*self.told[:left_out], *self.told[left_out + 2 :]]
        assert faults(judge(list(self.events), [self.full, self.changes(*fewer)])) == [Fault.WRONG]
        wrong = [*self.told[:left_out], "+9", self.told[left_out + 1].split()[0], *self.told[left_out + 2 :]]
        assert faults(judge(list(self.events), [self.full, self.changes(*wrong)])) == [Fault.WRONG]

    def test_a_dish_that_stands_alone_and_in_a_set_meal_is_amended_in_both(self) -> None:
        """Each by its own number, and no line says the sum."""
        old = upsert({"name": "套餐", "qty": "1", "children": [{"name": "油条", "qty": "2"}]})
        more = {"name": "套餐", "qty": "2", "children": [{"name": "油条", "qty": "2"}]}
        new = upsert(more, {"name": "油条", "qty": "2"}, rev=2)
        told = ("加 +1", "套餐 x1 → x2", "└油条 +2", "加 +2", "油条")
        assert judge([old, new], [print_ticket(old), self.changes(*told)]).fine
        assert faults(judge([old, new], [print_ticket(old), self.changes(*told[:2])])) == [Fault.WRONG]

    def test_changes_to_a_ticket_that_is_not_on_paper_are_wrong(self) -> None:
        """Nobody knows the rest of the order; nor does a torn ticket tell it."""
        assert faults(judge(list(self.events), [self.changes(*self.told)])) == [Fault.WRONG]
        found = faults(judge(list(self.events), [torn(self.full), self.changes(*self.told)]))
        assert set(found) == {Fault.WRONG, Fault.PARTIAL}

    def test_changes_of_an_older_revision_leave_the_newest_lost(self) -> None:
        """Each revision adds its own changes to the paper before."""
        third = upsert({**self.bun, "qty": "6"}, {"name": "葱油饼", "qty": "1.5"}, rev=3)
        second = self.changes(*self.told)
        assert faults(judge([*self.events, third], [self.full, second])) == [Fault.LOST]
        assert judge([*self.events, third], [self.full, second, self.changes("鲜肉小笼包 +1", rev=3)]).fine
        assert faults(judge([*self.events, third], [self.full, self.changes("鲜肉小笼包 +1", rev=3)])) == [Fault.WRONG]

    def test_the_end_of_a_ticket_of_changes_counts_for_nothing_once_it_came_again(self) -> None:
        """Without its banner, which lies on the piece before, it would be a whole order."""
        told = self.changes(*self.told)
        banner, end = torn(told, 2), Piece(576, list(told.items[2:]))
        again = Piece(576, [*self.marked().items, *told.items])
        assert judge(list(self.events), [self.full, banner, end, again]).fine
        assert Fault.WRONG in faults(judge(list(self.events), [self.full, end, again]))

    def test_a_number_that_another_day_had_too_makes_no_ticket_the_end_of_another(self) -> None:
        """Running numbers begin anew each day, and a clock may have been wrong."""
        first, again = (
            print_ticket(self.old, number=2),
            Piece(576, [*self.marked().items, *self.changes(*self.told).items]),
        )
        assert judge(list(self.events), [first, again]).fine

    @staticmethod
    def marked() -> Piece:
        """The banner of a reprint."""
        roll = Paper(576)
        roll.feed(b"\x1dB\x01" + "补打 REPRINT #42".encode("gbk") + b"\x1dB\x00\n")
        return roll.current

    def test_a_reprint_of_the_changes_is_judged_by_the_same_paper(self) -> None:
        """Marked, and not by itself."""
        again = self.changes(*self.told)
        reprint = Piece(576, [*self.marked().items, *again.items])
        assert judge(list(self.events), [self.full, again, reprint]).fine
        assert faults(judge(list(self.events), [self.full, again, again])) == [Fault.DOUBLED]


def test_orders_that_paper_cannot_tell_apart_are_refused() -> None:
    """Two orders with one number are the test's own mistake."""
    twin = upsert(BUNS)
    twin["data"]["order"]["channel"] = "eleme"
    with pytest.raises(ValueError, match="share a number"):
        judge([upsert(BUNS), twin], [])


class TestStandingIn:
    """代打: a ticket at another printer than its station's."""

    order = upsert(BUNS)
    guest = print_ticket(order, printed_for="kitchen", printed_for_why="paper")

    def judge(self, kitchen: list[Piece], drinks: list[Piece]) -> Verdict:
        return judge_paper(
            [self.order], {"drinks": drinks, "kitchen": kitchen}, STATIONS, {name: name for name in WIDTHS}
        )

    def test_ticket_that_says_whom_it_is_for_may_lie_elsewhere(self) -> None:
        """It is its station's ticket, wherever it was printed."""
        verdict = self.judge([], [self.guest])
        assert verdict.fine, verdict.findings
        assert verdict.stood_in == 1
        assert read_piece("drinks", self.guest)[0].printed_for == "kitchen"

    def test_ticket_at_another_printer_without_a_word_is_a_stranger(self) -> None:
        """Nobody would look for it there."""
        assert faults(self.judge([], [print_ticket(self.order)])) == [Fault.STRANGER]

    def test_ticket_at_both_printers_must_be_marked_at_the_later_one(self) -> None:
        """Two cooks would make it."""
        marked = self._later(mark=Mark.POSSIBLE_DUPLICATE, printed_for="kitchen")
        assert self.judge([print_ticket(self.order)], [marked]).fine
        assert faults(self.judge([print_ticket(self.order)], [self._later(printed_for="kitchen")])) == [Fault.DOUBLED]

    def test_torn_ticket_is_answered_by_the_printer_that_stands_in(self) -> None:
        """And one that was torn there, by the station's own; but by nothing that is not marked."""
        marked = self._later(mark=Mark.POSSIBLE_DUPLICATE, printed_for="kitchen")
        assert self.judge([torn(print_ticket(self.order))], [marked]).fine
        at_home = self._later(mark=Mark.POSSIBLE_DUPLICATE)
        assert self.judge([at_home], [torn(self.guest)]).fine
        assert faults(self.judge([torn(print_ticket(self.order))], [self.guest])) == [Fault.PARTIAL]

    def test_ticket_torn_before_it_says_whom_it_is_for_is_answered_at_home(self) -> None:
        """The order has nothing for the printer's own station, so that it can't be that one's."""
        at_home = self._later(mark=Mark.POSSIBLE_DUPLICATE)
        part = torn(self._later(mark=Mark.POSSIBLE_DUPLICATE, printed_for="kitchen"), 2)
        assert read_piece("drinks", part)[0].printed_for == ""
        assert self.judge([at_home], [part]).fine
        assert faults(self.judge([print_ticket(self.order)], [part])) == [Fault.PARTIAL]

    def test_tickets_of_the_same_second_are_told_apart_by_their_numbers(self) -> None:
        """The order at the printer that stands in, its amendment at home."""
        events = [self.order, upsert({**BUNS, "qty": "3"}, rev=2)]
        amended = print_ticket(events[1], kind=JobKind.AMEND, number=2)
        papers = {"kitchen": [amended], "drinks": [self.guest]}
        assert judge_paper(events, papers, STATIONS, {name: name for name in WIDTHS}).fine

    def _later(self, **facts: Any) -> Piece:
        return print_ticket(self.order, **{"printed_at": NOON + timedelta(minutes=1), "attempt": 2, **facts})


def notice(trouble: str = "paper") -> Piece:
    """An alarm to the staff, as it comes out of another printer."""
    roll = Paper(576)
    roll.feed(
        encode(typeset(alarm(Notice("drinks", trouble, "42"), Language.BOTH, ("42", "43"), 3, NOON), 48), 48).data
    )
    return roll.pieces[0]


@pytest.mark.parametrize("trouble", ("paper", "away", "doubt"))
def test_notice_to_the_staff_is_no_ticket(trouble: str) -> None:
    """Neither a stranger nor a torn ticket; it is counted."""
    verdict = judge([upsert(BUNS)], [notice(trouble), print_ticket(upsert(BUNS))])
    assert verdict.fine, verdict.findings
    assert (verdict.notices, verdict.whole, verdict.partials) == (1, 1, 0)


@pytest.mark.parametrize("why", ("old", "flood"))
def test_a_list_of_orders_that_wait_is_no_ticket(why: str) -> None:
    """It names them as large as a ticket does, and belongs to none."""
    listed = Upcoming("42", "alipay", NOON, ("鲜肉小笼包 x2",))
    verdict = judge(
        [upsert(BUNS)], [printed("summary", Summary(why, (listed,), printed_at=NOON)), print_ticket(upsert(BUNS))]
    )
    assert verdict.fine, verdict.findings
    assert (verdict.notices, verdict.whole, verdict.partials) == (1, 1, 0)


@pytest.mark.parametrize("code", ("AB2CD3EF", ""))
def test_a_page_that_welcomes_or_tests_is_no_ticket(code: str) -> None:
    """A new box says it before its first order; it names none."""
    page = printed("welcome", Welcome("s421", "kitchen", "http://shop-agent.local", code, printed_at=NOON))
    verdict = judge([upsert(BUNS)], [page, print_ticket(upsert(BUNS))])
    assert verdict.fine, verdict.findings
    assert (verdict.notices, verdict.whole, verdict.partials) == (1, 1, 0)


def test_notice_hides_no_torn_ticket_before_or_after_it() -> None:
    """On one piece of paper: each is read for itself."""
    whole, said = print_ticket(upsert(BUNS)), notice()
    part = torn(whole)
    before = Piece(576, [*part.items, *said.items])
    assert faults(judge([upsert(BUNS)], [before, whole])) == [Fault.PARTIAL]
    after = Piece(576, [*torn(said).items, *whole.items])
    assert judge([upsert(BUNS)], [after]).fine


def test_torn_banner_is_no_part_of_the_ticket_behind_it() -> None:
    """A ticket that was torn within its banner, and the next one without a cut."""
    marked = print_ticket(upsert(BUNS), mark=Mark.POSSIBLE_DUPLICATE, attempt=2)
    again = Piece(576, [*torn(marked, 1).items, *marked.items])
    verdict = judge([upsert(BUNS)], [print_ticket(upsert(BUNS)), again])
    assert verdict.fine
    assert (verdict.partials, verdict.reprints) == (1, 1)


class TestWord:
    """Was it true when the agent said confirmed?"""

    piece = print_ticket(upsert(BUNS), number=7)

    def judge(self, paper: list[Piece], cut: list[float] | None = None, **facts: Any) -> list[Finding]:
        """The word was said at noon; `cut` is when each piece was cut, in seconds from then."""
        data = {"order": {"no": "42"}, "station": "kitchen", "number": 7, "evidence": "confirmed", **facts}
        reports = [{"type": "ticket.state", "time": NOON.astimezone(UTC).isoformat(), "data": data}]
        times: dict[str, list[datetime]] | None = None
        if cut is not None:
            times = {"kitchen": [NOON + timedelta(seconds=second) for second in cut]}
        return judge_word(reports, {"kitchen": paper}, times)

    def test_whole_ticket_is_well_confirmed(self) -> None:
        """By its order, station and running number; before the word was said."""
        assert self.judge([self.piece]) == []
        assert self.judge([self.piece], [-0.01]) == []

    @pytest.mark.parametrize("paper", ([], [torn(piece)], [torn(piece), torn(piece, 6)]))
    def test_ticket_that_is_not_whole_is_falsely_confirmed(self, paper: list[Piece]) -> None:
        """Nothing, or parts."""
        assert [finding.fault for finding in self.judge(paper)] == [Fault.FALSE]

    @pytest.mark.parametrize("facts", ({"number": 8}, {"order": {"no": "43"}}, {"station": "drinks"}, {"number": 0}))
    def test_another_ticket_is_no_paper_for_this_one(self, facts: dict[str, Any]) -> None:
        """Another order, another station, or another ticket of the same order."""
        assert [finding.fault for finding in self.judge([self.piece], **facts)] == [Fault.FALSE]

    def test_paper_that_came_after_the_word_does_not_make_it_true(self) -> None:
        """Nor paper that still hangs out of the printer."""
        assert [finding.fault for finding in self.judge([self.piece], [0.5])] == [Fault.FALSE]
        assert [finding.fault for finding in self.judge([self.piece], [])] == [Fault.FALSE]
        assert self.judge([self.piece, self.piece], [-1, 5]) == []

    @pytest.mark.parametrize("evidence", ("presumed", "unconfirmed", "held", "witnessed", ""))
    def test_other_words_are_not_judged(self, evidence: str) -> None:
        """Whoever says presumed has said that nobody knows."""
        assert self.judge([], evidence=evidence) == []
