"""The benchmarks run and count right. No test here looks at a time: that is what scripts/bench is for."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from scripts.benchmarks.__main__ import main
from scripts.benchmarks.orders import order_event
from scripts.benchmarks.peers import CONTENDERS, REAL
from scripts.benchmarks.printing import Cut
from scripts.benchmarks.sink import Tickets
from scripts.benchmarks.trial import judge

Bench = Callable[..., tuple[list[str], Any]]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """Runs scripts/bench; gives the first cell of every row of its table, and its numbers."""

    def run(name: str, *options: str) -> tuple[list[str], Any]:
        file = tmp_path / "numbers.json"
        result = CliRunner().invoke(main, [name, *options, "--json", str(file), "--under", str(tmp_path)])
        assert result.exit_code == 0, result.output
        assert "cores" in result.output
        rows = [line for line in result.output.splitlines() if line.startswith("| ")][1:]
        numbers = msgspec.json.decode(file.read_bytes())
        return [row.split("|")[1].strip().split(":")[0] for row in rows], next(
            found for key, found in numbers.items() if key.startswith(name)
        )

    return run


def test_latency_stamps_every_ticket_of_every_contender(bench: Bench) -> None:
    """Each order published has a ticket and a time; none is lost."""
    rows, found = bench("latency", "--orders", "4", "--rate", "50", "--rounds", "1")
    assert rows == [*CONTENDERS]
    assert [(len(one["rounds"][0]), one["lost"]) for one in found] == [(4, 0)] * len(CONTENDERS)


def test_burst_counts_lost_doubled_and_out_of_order(bench: Bench) -> None:
    """A healthy printer and broker: all of it is zero."""
    rows, found = bench("burst", "--orders", "10", "--rounds", "1")
    assert rows == [*REAL]
    assert {(one["lost"], one["doubled"], one["out_of_order"]) for one in found} == {(0, 0, 0)}


def test_backlog_waits_for_paper_after_the_kill(bench: Bench) -> None:
    """The killed agent's tickets come out of the next one, and each moment has a time."""
    rows, found = bench("backlog", "--pending", "20", "--rounds", "1")
    assert rows == ["20"]
    assert all(len(found[0][name]) == 1 for name in ("ready_ms", "first_ms", "subscribed_ms"))
    assert found[0]["ready_ms"] < found[0]["first_ms"]


def test_memory_has_a_row_for_every_contender(bench: Bench) -> None:
    """Memory, processor and bytes are all found."""
    rows, found = bench("memory", "--orders", "5", "--idle", "0.1", "--rounds", "1", "--who", "agent")
    assert rows == ["agent"]
    assert found[0]["lost"] == 0
    assert all(found[0][name][0] > 0 for name in ("start_ms", "idle_mb", "peak_mb", "bytes_per_ticket"))


def test_growth_measures_a_window_at_each_point(bench: Bench) -> None:
    """The journal really holds as many orders as the row says."""
    rows, found = bench("growth", "--most", "120", "--window", "5")
    assert rows == ["100", "120"]
    assert [(one["orders"], len(one["total_ms"])) for one in found] == [(100, 5), (120, 5)]


def test_orders_are_of_the_promised_size() -> None:
    """1 to 3 KB, and the same number gives the same order."""
    events = [order_event("bench", number) for number in range(1, 100)]
    assert all(1000 < len(event) < 3000 for event in events)
    one, other = (msgspec.json.decode(event)["data"]["order"] for event in (events[41], order_event("bench", 42)))
    assert {**one, "placed_at": ""} == {**other, "placed_at": ""}


@pytest.mark.parametrize("size", (1, 2, 7, 1000))
def test_sink_reads_tickets_in_whatever_pieces_they_come(size: int) -> None:
    """Numbers, cuts and questions are found across reads; what a picture holds is no command."""
    picture = b"\x1dv0\x00\x02\x00\x04\x00" + b"\x1dVB\x00\x1dV\x00#"
    data = b"\x1b@\x10\x04\x01#17 \xa1\xa1\n\x1d!\x11" + picture + b"\x1dVB\x00\x1d(H\x06\x0000~001" + b"x#3\n\x1dV\x00"
    heard: list[bytes] = []
    tickets = Tickets(heard.append, lambda: 5)
    for start in range(0, len(data), size):
        tickets.feed(data[start : start + size])
    assert [(at, number) for at, number, _ in tickets.cut] == [(5, 17), (5, 3)]
    assert sum(count for *_, count in tickets.cut) == len(data)
    assert heard == [b"\x12", b"\x37\x22~001\x00"]


def test_sink_answers_counters() -> None:
    """GS g 2 is told how many cuts and lines there were."""
    heard: list[bytes] = []
    tickets = Tickets(heard.append)
    tickets.feed(b"a\nb\n\x1dVB\x00\x1dg2\x00\xb2\x00\x1dg2\x00\x94\x00")
    assert heard == [b"\x5f1\x00", b"\x5f2\x00"]


def test_judge_can_find_fault() -> None:
    """A missing ticket, one that comes twice, and one that comes late are each counted."""
    paper = judge(range(2, 6), [Cut(at, number, 9) for at, number in enumerate((1, 2, 4, 3, 4))])
    assert (paper.lost, paper.doubled, paper.out_of_order) == (1, 1, 1)
    assert paper.cuts[4].at == 2
