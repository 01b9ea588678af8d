"""How many bytes a ticket takes: on a serial line a byte is half a millisecond, and a drawn line half a second."""

from itertools import groupby

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.encode.escpos import encode
from agent.encode.text import sayable
from agent.encode.typeset import typeset
from agent.model.layout import Align, Block, Cut, Gap, Layout, Line, Rule, Run, Style
from agent.simulator.paper import Paper
from agent.simulator.piece import Feed, Piece
from agent.simulator.piece import Line as Printed

TALL, BIG, HUGE = Style(1, 2, True), Style(2, 2, True), Style(3, 3, True)
BAR = Style(2, 2, inverted=True)


def dish(name: str, quantity: str) -> Line:
    return Line((Run(name, TALL),), (Run(quantity, BIG),), indent=2)


USUAL: tuple[Block, ...] = (
    Line((Run("#A017", HUGE),), (Run("堂食 桌12", BIG),), fit=True),
    Line((Run("美团  3人  餐具 3"),)),
    Line((Run("过敏: 花生", BAR),), align=Align.CENTER, fit=True),
    Rule(),
    Gap(10),
    dish("宫保鸡丁 Kung Pao Chicken", "x2"),
    Line((Run("  +少辣 +加饭"),), indent=4),
    Gap(10),
    dish("豆浆", "x1"),
    Gap(10),
    dish("油条", "x12"),
    Line((Run("  ※现炸，装纸袋", Style(1, 2)),), indent=4),
    Gap(10),
    Rule(),
    Line((Run("热菜", TALL), Run("  流水 No.042", TALL)), (Run("1/2", TALL),)),
    Line((Run("下单 11:58  打印 12:00:09"),)),
    Cut(),
)
LETTERS = st.text(st.sampled_from("豆浆油条，。（）【】①×°%#a1 "), max_size=60)
LINES = st.builds(
    Line,
    st.lists(st.builds(Run, LETTERS, st.sampled_from([Style(), TALL, BIG, BAR, HUGE])), max_size=3).map(tuple),
    st.lists(st.builds(Run, st.sampled_from(["x2", "12份", ""]), st.just(BIG)), max_size=1).map(tuple),
    st.sampled_from(Align),
)


def needed(piece: Piece, knife_feed: int = 4) -> int:
    """The bytes that this paper needs, told from the paper alone: its text and line feeds, Chinese switched on once,
    three bytes for each change of size, weight, colour or place, and back at the end, three for each feed, the cut.
    """
    count = 2 + 4
    looks, sides = [(1, 1, False, False)], [0]
    for item in piece.items:
        if isinstance(item, Feed):
            count += 3
        if isinstance(item, Printed):
            count += len(item.text.encode("gbk")) + 1
            looks += [(run.width, run.height, run.bold, run.inverted) for run in item.runs if run.text.strip()]
            sides += [item.align] if item.runs else []
    assert len(piece.lines) > knife_feed
    for old, new in zip(looks, [*looks[1:], looks[0]], strict=True):
        count += 3 * (old[:2] != new[:2]) + 3 * (old[2] != new[2]) + 3 * (old[3] != new[3])
    return count + 3 * (len(list(groupby([*sides, 0]))) - 1)


@pytest.mark.parametrize("width", [32, 48])
def test_the_usual_ticket_takes_no_more_bytes_than_it_needs(width: int) -> None:
    """Within 5 % of what its text and its changes of size need."""
    ticket = encode(typeset(Layout(USUAL), width), width)
    paper = Paper(12 * width)
    paper.feed(ticket.data)
    (piece,) = paper.pieces
    assert (piece.bitmaps, paper.stray) == ([], [])
    assert needed(piece) <= len(ticket.data) <= 1.05 * needed(piece)


@settings(max_examples=200, deadline=None)
@given(st.lists(LINES, max_size=8), st.sampled_from([32, 48]))
def test_a_ticket_that_gbk_can_say_has_no_drawn_line(lines: list[Line], width: int) -> None:
    """A picture costs a hundred times the bytes: only a character that the printer lacks makes one."""
    ticket = encode(typeset(Layout(tuple(lines)), width), width)
    assert all(sayable(run.text) for line in lines for run in (*line.left, *line.right))
    assert b"\x1dv0" not in ticket.data
    paper = Paper(12 * width)
    paper.feed(ticket.data)
    assert paper.pieces[0].bitmaps == []


def test_only_the_line_that_needs_it_is_drawn() -> None:
    """One emoji in a note costs that line, not the ticket."""
    plain = encode(typeset(Layout(USUAL), 48), 48)
    note = Line((Run("  ※谢谢老板🌶"),))
    drawn = encode(typeset(Layout((*USUAL[:-1], note, Cut())), 48), 48)
    assert drawn.data.count(b"\x1dv0") == 1
    assert len(drawn.data) - len(plain.data) < 24 * 24
