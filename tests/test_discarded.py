"""What a person did not want printed: it holds until the order says otherwise, and no longer. Judged by the journal."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from agent.journal import jobs
from agent.journal.file import Tx
from agent.journal.jobs import Settlement
from agent.model.job import Expected, Job, JobState
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
