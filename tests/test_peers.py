"""The comparison with others: its judge finds what is planted, its rig can fail, and its tables say what was found."""

import os
import select
import subprocess
import time
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest
from click.testing import CliRunner
from escpos.printer import Dummy  # type: ignore[import-untyped]  # it has no types

from agent.simulator.paper import Paper
from agent.simulator.piece import Piece
from agent.simulator.printer import PrinterSpec
from scripts.benchmarks import chart, peertables
from scripts.benchmarks.__main__ import main
from scripts.benchmarks.orders import order_event
from scripts.benchmarks.peers import HERE, missing
from scripts.benchmarks.peers.ticket import print_ticket
from scripts.benchmarks.process import kill_tree, tree
from scripts.benchmarks.rig import rigged
from scripts.benchmarks.score import Score, judge
from scripts.benchmarks.sidebyside import Entry, Notebook, Plan
from scripts.benchmarks.speeds import Speed
from scripts.benchmarks.table import between

ORDERS = {number: msgspec.json.decode(order_event("bench", number))["data"]["order"] for number in range(1, 6)}
MARK = b"\x1dB\x01" + "补打 REPRINT #%d".encode("gbk") + b"\n\x1dB\x00"
CUT = b"\n\x1dVA\x03"


def ticket(number: int) -> bytes:
    """A peer's ticket, as it goes to the printer."""
    dummy = Dummy()
    print_ticket(dummy, ORDERS[number])
    return bytes(dummy.output)


def printed(*parts: bytes) -> list[Piece]:
    """What these bytes are on paper."""
    paper = Paper(576)
    for part in parts:
        paper.feed(part)
    return paper.pieces


def test_judge_finds_nothing_on_good_paper() -> None:
    """Every order once, whole, in order, and said: all is zero."""
    score = judge(ORDERS, printed(*map(ticket, ORDERS)), ORDERS)
    assert score == Score(orders=5)


def test_judge_finds_what_is_planted() -> None:
    """An order that is missing, one that comes twice, one that is torn, one that is late, one that was a lie."""
    torn = ticket(4)[: len(ticket(4)) // 2] + CUT
    pieces = printed(ticket(1), ticket(3), ticket(2), ticket(3), torn)
    score = judge(ORDERS, pieces, {1, 2, 3, 5})
    assert (score.lost, score.doubled, score.partial, score.out_of_order, score.false) == (2, 1, 1, 1, 1)
    assert score.marked == 0


def test_a_mark_makes_a_second_ticket_honest_and_takes_back_a_part() -> None:
    """What says 补打 REPRINT is no double; a part before it is answered, a part of another order is not."""
    marks = {number: MARK.replace(b"%d", b"%d" % number) for number in (1, 2)}
    torn = {number: ticket(number)[: len(ticket(number)) // 2] + CUT for number in (2, 3)}
    pieces = printed(ticket(1), marks[1] + ticket(1), torn[2], torn[3], marks[2] + ticket(2))
    score = judge({number: ORDERS[number] for number in (1, 2, 3)}, pieces, None)
    assert (score.lost, score.doubled, score.partial, score.marked, score.false) == (1, 0, 1, 2, -1)


def test_a_head_behind_a_torn_line_is_read() -> None:
    """A peer that begins anew without clearing the line prints its next number onto the rest; it counts as there."""
    torn = ticket(1)[: ticket(1).index(b"x") + 4]
    score = judge({number: ORDERS[number] for number in (1, 2)}, printed(torn, ticket(2)), ())
    assert (score.lost, score.partial) == (1, 1)


def test_a_ticket_with_another_quantity_is_not_whole() -> None:
    """A quantity that a cook would read wrongly counts as a part, and its order as lost."""
    order = {**ORDERS[1], "items": [{**item, "qty": "77"} for item in ORDERS[1]["items"]]}
    score = judge({1: order}, printed(ticket(1)), ())
    assert (score.lost, score.partial) == (1, 1)


def test_rig_finds_what_a_swallowing_printer_costs_a_peer(tmp_path: Path) -> None:
    """The usual script calls three orders printed that no paper bears; the rest is on paper, whole."""
    with rigged("usual", PrinterSpec(), False, "1", tmp_path) as rig:
        rig.publish(range(1, 4), 50)
        assert rig.device.wait_for(lambda it: len(it.paper.pieces) == 3, 20)
        rig.device.swallow()
        rig.publish(range(4, 7), 50)
        deadline = time.monotonic() + 20
        while len(rig.contender.said("done")) < 6 and time.monotonic() < deadline:
            rig.publisher.listen(0.05)
        rig.watch_words()
        score = rig.finish()
    assert (score.orders, score.lost, score.doubled, score.partial, score.false) == (6, 3, 0, 0, 3)


def test_command_runs_a_peer_and_goes_on_where_it_was(tmp_path: Path) -> None:
    """A second run of the same plan plays nothing again and shows the same table."""
    plan = ["peers", "--no-install", "--rounds", "1", "--scale", "0.01", "--who", "usual", "--part", "cut"]
    cache = {"SHOP_AGENT_PEER_CACHE": str(tmp_path)}
    first, second = (CliRunner().invoke(main, [*plan, "--under", str(tmp_path)], env=cache) for _ in range(2))
    assert first.exit_code == second.exit_code == 0, first.output + second.output
    assert "1/1: round 1, cut, usual" in first.output
    assert "1/1" not in second.output
    row = next(line for line in first.output.splitlines() if line.startswith("| paho-mqtt + python-escpos"))
    assert row in second.output


def test_kill_reaches_every_child() -> None:
    """SIGKILL goes to a process and all that it started, so that no peer prints on after its end."""
    script = "(sleep 60 & sleep 60 & echo there; wait) & wait"
    with subprocess.Popen(["bash", "-c", script], start_new_session=True, stdout=subprocess.PIPE) as shell:
        assert shell.stdout is not None
        assert shell.stdout.readline() == b"there\n"
        family = tree(shell.pid)
        ends = [os.pidfd_open(pid) for pid in family]
        kill_tree(shell.pid)
        gone = [bool(select.select([end], [], [], 10)[0]) for end in ends]
    for end in ends:
        os.close(end)
    assert gone == [True] * 4


def test_notebook_keeps_what_came_to_an_end(tmp_path: Path) -> None:
    """An entry with an error is to be tried again; the others are there after a restart."""
    book = Notebook(tmp_path / "run.jsonl", fresh=False)
    book.add(Entry(1, "cut", "usual", Score(9, lost=2)))
    book.add(Entry(1, "cut", "careful", error="RuntimeError: no"))
    again = Notebook(tmp_path / "run.jsonl", fresh=False)
    assert again.has(1, "cut", "usual")
    assert not again.has(1, "cut", "careful")
    assert [entry.name for entry in again.errors] == ["careful"]
    assert not Notebook(tmp_path / "run.jsonl", fresh=True).has(1, "cut", "usual")


def test_tables_and_picture_are_of_the_medians(tmp_path: Path) -> None:
    """The middle round of three counts, in the table and in the picture; who has no round is left out."""
    plan = Plan(3, 1, 1, ("agent", "usual", "careful"), ("cut", "twice"))
    book = Notebook(tmp_path / "run.jsonl", fresh=False)
    for number, lost in enumerate((1, 50, 9), 1):
        book.add(Entry(number, "cut", "usual", Score(200, lost=lost, partial=5, false=-1)))
        book.add(Entry(number, "twice", "usual", Score(200, doubled=200, out_of_order=3)))
        book.add(Entry(number, "cut", "agent", Score(200, marked=5)))
        book.add(Entry(number, "twice", "agent", Score(200)))
    agent, usual = peertables.totals(plan, book)
    assert (agent.wrong, agent.marked, agent.orders) == (0, 5, 400)
    assert (usual.lost, usual.doubled, usual.partial, usual.false) == (9, 200, 5, -1)
    assert "| **9** / 0 / **5** | 0 / **200** / 0 (3 out of order) |" in peertables.faults(plan, book)
    assert peertables.faster(plan, book) == ""
    for name, ms in (("agent", 2.0), ("usual", 1.5), ("careful", 2.5)):
        book.add(Entry(1, "speed", name, speed=Speed([ms], 1, 1000 * ms, 0, 0, 40, 1, 400)))
    words = "Sooner on paper than shop-agent (2.0 ms): paho-mqtt + python-escpos as usually written (1.5 ms). "
    words += "Faster in a burst (2,000/s): paho-mqtt + python-escpos, made careful (2,500/s)."
    assert peertables.faster(plan, book) == words
    picture = ElementTree.fromstring(chart.draw([agent, usual], ["shop-agent", "a <script>"], "below"))
    said = ["".join(text.itertext()) for text in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert {"a <script>", "214", "0, 5 printed again, marked REPRINT", "below"} <= set(said)


def test_a_document_without_its_marks_is_left_alone() -> None:
    """Only what stands between the two marks is made anew; without them it is an error."""
    assert between("a<b>old<e>c", "<b>", "<e>", "new") == "a<b>\nnew\n<e>c"
    with pytest.raises(ValueError, match="there must be"):
        between("a<b>old", "<b>", "<e>", "new")


def test_peers_that_are_not_installed_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its programs a peer is left out with the reason; those of Python are always there."""
    monkeypatch.setenv("SHOP_AGENT_PEER_CACHE", str(tmp_path))
    assert missing("node-red")
    assert missing("cups")
    assert not missing("usual")
    assert (HERE / "install").stat().st_mode & 0o111
