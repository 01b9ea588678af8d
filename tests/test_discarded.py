"""What a person did not want printed: it holds until the order says otherwise, and no longer. Judged by the journal."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from agent.journal import jobs, presumed
from agent.journal.file import Tx
from agent.journal.jobs import Settlement
from agent.model.job import Expected, Job, JobKind, JobState
from tests.floor import Floor

LAST = "SELECT id FROM jobs WHERE station = ? ORDER BY id DESC LIMIT 1"


@pytest.fixture
def floor(tmp_path: Path) -> Iterator[Floor]:
    """A wok and a bar at one printer."""
    one = Floor(tmp_path)
    yield one
    one.close()


def discard(floor: Floor, station: str) -> None:
    """The newest ticket there shall not be printed."""
    assert floor.do("settle", ticket=newest(floor, station).id, decision="discard").ok


def newest(floor: Floor, station: str) -> Job:
    """The newest ticket there."""

    def find(tx: Tx) -> Job | None:
        return jobs.find(tx, int(tx.execute(LAST, (station,)).fetchone()[0]))

    job = floor.journal.write(find)
    assert job is not None
    return job


def send(floor: Floor) -> Job:
    """The next ticket's bytes go out."""

    def work(tx: Tx) -> Job:
        job = jobs.next_pending(tx, "kitchen")
        assert job is not None
        job = msgspec.structs.replace(job, number=jobs.running_number(tx, job, "day"))
        assert jobs.claim(tx, job, "kitchen", "day", Expected(1, 1, 1), None) is not None
        (sent,) = jobs.in_flight(tx, "kitchen")
        return sent

    return floor.journal.write(work)


def settle(floor: Floor, job: Job, outcome: Settlement) -> JobState:
    """It becomes known what became of them."""
    return floor.journal.write(lambda tx: jobs.settle(tx, job, outcome))


def test_a_ticket_that_was_not_printed_does_not_come_after_a_discarded_void(floor: Floor) -> None:
    """Nothing is left for the wok; that somebody told the cook so does not bring the old dishes back."""
    floor.order(1, bar=0)
    job = send(floor)
    floor.order(1, 2, wok=0)
    discard(floor, "wok")
    assert settle(floor, job, Settlement(JobState.PENDING, reason="certainly not printed")) is JobState.CANCELED


def test_a_discarded_change_that_was_taken_back_is_not_printed_again(floor: Floor) -> None:
    """One, two, one again: the cook has the one, and a copy says one."""
    floor.order(1, wok=1, bar=0)
    floor.print_all()
    floor.order(1, 2, wok=2, bar=0)
    discard(floor, "wok")
    floor.order(1, 3, wok=1, bar=0)
    assert floor.state(1) == "printed"
    assert floor.do("reprint", order="id-1").ok
    assert newest(floor, "wok").rev == 1


def test_a_ticket_can_be_printed_again_after_a_discarded_void_of_it(floor: Floor) -> None:
    """On paper, taken off, which nobody printed, and on again: it is what holds."""
    floor.order(1)
    floor.print_all()
    floor.order(1, 2, wok=0)
    discard(floor, "wok")
    floor.order(1, 3)
    assert floor.state(1) == "printed"
    assert floor.do("reprint", order="id-1", station="wok").ok
    assert (newest(floor, "wok").kind, newest(floor, "wok").rev) == (JobKind.ORDER, 1)


@pytest.mark.parametrize("cancel", [False, True])
def test_a_discarded_dish_that_was_off_meanwhile_is_a_new_one(floor: Floor, cancel: bool) -> None:
    """Tea, refused; no tea; tea: somebody ordered it anew, and the order is not printed without it."""
    floor.order(1)
    discard(floor, "bar")
    floor.print_all()
    floor.order(1, 2)
    assert newest(floor, "bar").rev == 1
    if cancel:
        floor.cancel(1, 2)
        floor.print_all()
    else:
        floor.order(1, 3, bar=0)
    floor.order(1, 4)
    assert (newest(floor, "bar").rev, newest(floor, "bar").state) == (4, JobState.PENDING)


def test_a_discarded_dish_that_is_off_is_not_printed_again(floor: Floor) -> None:
    """A copy of the order has no tea either."""
    floor.order(1)
    discard(floor, "bar")
    floor.print_all()
    floor.order(1, 2, bar=0)
    floor.print_all()
    assert floor.state(1) == "printed"
    assert floor.do("reprint", order="id-1").ok
    assert newest(floor, "bar").rev == 1
    assert newest(floor, "bar").mark is None


def test_a_copy_of_a_discarded_ticket_that_was_never_sent_is_no_paper(floor: Floor) -> None:
    """Discarded, wanted after all, cancelled and on again: the cook has nothing yet, and no ticket is a copy."""
    floor.order(1, bar=0)
    discard(floor, "wok")
    assert floor.do("reprint", order="id-1").ok
    floor.cancel(1, 1)
    floor.order(1, 2, bar=0)
    job = newest(floor, "wok")
    assert (job.rev, job.kind, job.mark, job.state) == (2, JobKind.ORDER, None, JobState.PENDING)


def test_what_was_only_presumed_is_told_again_with_the_next_revision(floor: Floor) -> None:
    """Its printer answers after all, while the order was off and nobody wanted a void: then the order is on again."""
    floor.order(1, bar=0)
    settle(floor, send(floor), Settlement(JobState.COMPLETED, "presumed"))
    floor.cancel(1, 2)
    discard(floor, "wok")
    assert floor.journal.write(lambda tx: presumed.doubt(tx, "kitchen", [], lambda _: "kitchen", ask=False)) == []
    floor.order(1, 3, bar=0)
    assert (newest(floor, "wok").rev, newest(floor, "wok").state) == (3, JobState.PENDING)


def test_a_copy_of_an_older_ticket_does_not_hide_what_was_discarded_since(floor: Floor) -> None:
    """The bar's ticket, once more, knows of no wok; the order has one all the same, and its ticket is on no paper."""
    floor.order(1, wok=0)
    floor.print_all()
    floor.order(1, 2)
    assert floor.do("reprint", order="id-1", station="bar").ok
    discard(floor, "wok")
    floor.print_all()
    assert floor.state(1) == "partly_printed"


def test_a_discarded_copy_of_a_dish_that_was_discarded_is_off_with_it(floor: Floor) -> None:
    """Nobody wanted the tea, then somebody did, then not; the order has none any more, and neither has a copy of it."""
    floor.order(1)
    discard(floor, "bar")
    floor.print_all()
    assert floor.do("reprint", order="id-1", station="bar").ok
    discard(floor, "bar")
    floor.order(1, 2, bar=0)
    floor.print_all()
    before = newest(floor, "bar").id
    assert floor.do("reprint", order="id-1").ok
    assert newest(floor, "bar").id == before


def test_a_discarded_copy_of_what_was_only_presumed_leaves_the_order_in_part(floor: Floor) -> None:
    """Its printer answers after all, and the copy that was to come anyway is not wanted: who knows what is on paper."""
    floor.order(1, bar=0)
    settle(floor, send(floor), Settlement(JobState.COMPLETED, "presumed"))
    floor.print_all()
    assert floor.do("reprint", order="id-1", station="wok").ok
    floor.journal.write(lambda tx: presumed.doubt(tx, "kitchen", [], lambda _: "kitchen", ask=False))
    discard(floor, "wok")
    assert floor.state(1) == "partly_printed"
