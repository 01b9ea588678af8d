"""What the journal forgets, and what it never does."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from agent.journal import jobs, notes, notices, sequences
from agent.journal.decisions import decide
from agent.journal.file import Tx
from agent.journal.retention import forget_cloud, prune
from agent.journal.store import Journal
from agent.model.command import Settle
from agent.model.job import JobState
from agent.model.report import Pong
from agent.model.ticket import Notice
from tests.kitchen import kitchen
from tests.queueing import SOURCE, Queueing, iso, queueing


def count(tx: Tx, table: str) -> int:
    """How many rows there are."""
    return int(tx.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def test_the_oldest_settled_orders_go_and_open_ones_stay(tmp_path: Path) -> None:
    """Counted from the newest; an order with a ticket that is not settled stays, however old."""
    with kitchen(tmp_path) as here:
        here.order(0)
        here.wait_told(0)
        here.device.open_cover()
        here.wait_alarm("printer:wok:cover")
        here.order("open")
        here.wait_told("open", states=("held",))
        here.worker.stop(5)
        for number in range(1, 8):
            here.order(number)
        here.wait_told(7, kind="order.state", states=("accepted",))
        here.journal.write(lambda tx: tx.execute("UPDATE jobs SET state = 'completed' WHERE order_pk > 2"))
        assert here.journal.write(lambda tx: prune(tx, keep_orders=3)) == 5
        left = here.journal.write(lambda tx: [row[0] for row in tx.execute("SELECT number FROM orders ORDER BY pk")])
        assert left == ["open", "5", "6", "7"]
        for table in ("jobs", "events"):
            assert here.journal.write(partial(count, table=table)) == 4
        assert here.journal.write(lambda tx: prune(tx, keep_orders=3)) == 0


def printed_and_pruned(here: Queueing) -> None:
    """#7 was placed a day ahead and is on paper; more orders than are kept have come since it was placed."""
    here.tell(7, 1, due_at=iso(24 * 60))
    assert here.waiting() == [("7", "upcoming")]
    for number in range(100, 106):
        here.tell(number, number - 98)
    assert here.wait_for(105)
    here.wall.ahead_s += 23.6 * 3600
    here.release.ring()
    assert here.wait_for(7)
    here.wait_told(7)
    here.journal.write(lambda tx: prune(tx, keep_orders=5))


def test_an_order_placed_far_ahead_can_be_taken_back_after_it_is_printed(tmp_path: Path) -> None:
    """What counts is when it came to the kitchen, not when it was placed."""
    with queueing(tmp_path) as here:
        printed_and_pruned(here)
        here.take_back(7, 8, rev=2)
        here.wait_told(7, kind="order.state", states=("canceled",))
        assert any("作废" in ticket.text for ticket in here.tickets())


def test_an_order_placed_far_ahead_is_not_printed_twice_for_being_paid(tmp_path: Path) -> None:
    with queueing(tmp_path) as here:
        printed_and_pruned(here)
        here.tell(7, 8, rev=2, told=23.7 * 60, due_at=iso(24 * 60), paid=True)
        here.wait_told(7, kind="order.state", states=("printed",), times=2)
        assert len(here.whole(7)) == 1


def forget_the_oldest(here: Queueing, sequence: Callable[[int], int | None]) -> None:
    """Orders 1 to 5 of 8 are on paper and forgotten."""
    for number in range(1, 9):
        here.tell(number, sequence(number), told=None)
        here.one(number)
        here.wait_told(number)
    assert here.journal.write(lambda tx: prune(tx, keep_orders=3)) == 5


def test_a_forgotten_order_that_comes_again_is_marked_though_something_before_it_is_missing(tmp_path: Path) -> None:
    """The counting stands before the hole for ever."""
    with queueing(tmp_path) as here:
        forget_the_oldest(here, lambda number: number + (number > 1))
        here.tell(3, 4, told=None, topic="replay")
        assert here.wait_for(3, times=2)
        here.tell(9, 10, told=None)
        assert here.wait_for(9)
        assert [[ticket.marked for ticket in here.whole(number)] for number in (3, 9)] == [[False, True], [False]]


def test_a_forgotten_order_that_is_changed_is_marked(tmp_path: Path) -> None:
    """Its sequence is news; what tells is that it was told before."""
    with queueing(tmp_path) as here:
        forget_the_oldest(here, lambda number: number)
        here.tell(3, 9, rev=2, told=None)
        assert here.wait_for(3, times=2)
        here.tell(4, rev=2, told=None, source="//till")
        assert here.wait_for(4, times=2)
        here.tell(9, told=None, source="//till")
        assert here.wait_for(9)
        marked = [[ticket.marked for ticket in here.whole(number)] for number in (3, 4, 9)]
        assert marked == [[False, True], [False, True], [False]]


def test_where_revisions_are_times_a_new_order_is_not_taken_for_a_forgotten_one(tmp_path: Path) -> None:
    """Its first revision is a high number; when it was placed tells which one may be forgotten."""
    with queueing(tmp_path) as here:
        forget_the_oldest(here, lambda _: None)
        rev, now = 1795318141000, datetime.now(UTC)
        for number, placed in ((9, now + timedelta(minutes=1)), (3, now - timedelta(hours=1))):
            here.tell(number, rev=rev, told=None, placed_at=placed.isoformat())
        assert here.wait_for(9)
        assert here.wait_for(3, times=2)
        assert [[ticket.marked for ticket in here.whole(number)] for number in (9, 3)] == [[False], [False, True]]


def test_an_order_with_an_alarm_that_a_person_must_end_stays(tmp_path: Path) -> None:
    """A ticket that could not be made is settled, and nobody has looked yet."""
    with kitchen(tmp_path) as here:
        for number in range(1, 8):
            here.order(number)
        here.wait_told(7)
        here.journal.write(lambda tx: tx.execute("UPDATE jobs SET state = 'aborted' WHERE id = 1"))
        here.journal.write(lambda tx: notes.raise_alarm(tx, "ticket:1", "it can't be made"))
        assert here.journal.write(lambda tx: prune(tx, keep_orders=3)) == 3
        here.journal.write(lambda tx: decide(tx, Settle("discard", ticket=1)))
        assert here.alarms() == {}
        assert here.journal.write(lambda tx: prune(tx, keep_orders=3)) == 1


def test_remarks_and_unheard_reports_are_counted_over_a_restart(tmp_path: Path) -> None:
    """Each start skips numbers; that is not as if as many reports waited."""
    path = tmp_path / "journal.db"
    for _ in range(2):
        journal = Journal(path)
        journal.start()
        journal.write(lambda tx: notes.add_report(tx, Pong("told")))
        journal.stop(5)
    journal = Journal(path)
    journal.start()
    try:
        journal.write(lambda tx: notes.add_remark(tx, Pong("remarked")))
        journal.write(lambda tx: forget_cloud(tx, keep=3))
        assert journal.write(partial(count, table="outbox")) == 3
        journal.write(lambda tx: forget_cloud(tx, keep=2))
        assert journal.write(partial(count, table="outbox")) == 2
    finally:
        journal.stop(5)


def test_settled_tickets_of_no_order_go_with_their_moves(tmp_path: Path) -> None:
    """The newest so many stay, and one that waits, however old."""
    journal = Journal(tmp_path / "journal.db")
    journal.start()

    def post(tx: Tx) -> None:
        for number in range(12):
            notices.post(tx, Notice("wok", "paper"), "cold")
            job = jobs.find(tx, number + 1)
            assert job is not None
            if number:
                jobs.settle(tx, job, jobs.Settlement(JobState.CANCELED, reason="the trouble is over"))

    try:
        journal.write(post)
        journal.write(lambda tx: prune(tx, keep_orders=5))
        left = journal.write(lambda tx: tx.execute("SELECT id FROM jobs ORDER BY id").fetchall())
        assert [row[0] for row in left] == [1, 8, 9, 10, 11, 12]
        assert journal.write(partial(count, table="moves")) == 5
    finally:
        journal.stop(5)


def test_a_hole_that_is_never_closed_is_given_up_at_last(tmp_path: Path) -> None:
    """What came ahead of it is not kept for ever; the alarm stays, and what comes after all is taken."""
    with queueing(tmp_path) as here:
        for sequence in (1, *range(3, 13)):
            here.tell(sequence, sequence, told=None)
            here.one(sequence)
        key = f"missing:{SOURCE}"
        here.journal.write(lambda tx: prune(tx, keep_orders=20))
        assert here.journal.write(partial(count, table="ahead")) == 10
        here.journal.write(lambda tx: prune(tx, keep_orders=4))
        assert here.journal.write(partial(count, table="ahead")) == 0
        assert here.journal.write(sequences.cursors) == {SOURCE: 12}
        assert "2 to 2" in here.alarms()[key]
        here.tell(12, 12, told=None)
        assert key in here.alarms()
        here.tell(2, 2, told=None)
        assert here.wait_for(2)
        assert key not in here.alarms()


def test_a_newer_hole_is_still_asked_for_when_an_old_one_is_given_up(tmp_path: Path) -> None:
    """What came ahead of the newer one stays; so does what still waits behind one."""
    with queueing(tmp_path, gap_hold_s=30) as here:
        here.journal.write(lambda tx: [sequences.note(tx, SOURCE, each) for each in (1, 3, 4, 6, 7, 9)])
        here.journal.write(lambda tx: prune(tx, keep_orders=2))
        assert here.journal.write(sequences.cursors) == {SOURCE: 1}, "none was waited for in vain"
        here.journal.write(lambda tx: sequences.pass_over(tx, SOURCE, 9))
        here.journal.write(lambda tx: prune(tx, keep_orders=2))
        assert here.journal.write(sequences.cursors) == {SOURCE: 7}
        assert here.journal.write(lambda tx: sequences.not_here(tx, SOURCE, range(10))) == [8]
