"""Every file operation of the journal fails once, through a small day of a whole shop: a spread of them.

All of them, for a release, in some 75 minutes: `python -m tests.disk.day`.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.disk.day import Cloud, cloud, play
from tests.disk.disk import Fault
from tests.disk.sqlitevfs import reachable

pytestmark = pytest.mark.skipif(not reachable(), reason="SQLite is linked into this Python: nothing fits below it")


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with cloud(tmp_path_factory.mktemp("broker")) as here:
        yield here


@pytest.mark.parametrize("lasting", (False, True), ids=("once", "lasting"))
@pytest.mark.parametrize("fault", Fault, ids=lambda fault: fault.value)
@pytest.mark.parametrize("number", (45, 300))
def test_a_disk_that_fails_costs_no_order(
    tmp_path: Path, here: Cloud, number: int, fault: Fault, lasting: bool
) -> None:
    """Whatever the disk refuses while the journal is made or is at work: every order is on paper, none twice unmarked,
    and somebody is told, but where only the moving of the WAL into the file must wait, or there is room the next time.
    """
    outcome = play(tmp_path / f"{fault.value}-{number}-{lasting}", here, fault, number, lasting=lasting)
    assert outcome.failed, "the day was too short for this one"
    assert outcome.verdict.findings == [], str(outcome)
    once_full = fault is Fault.FULL and not lasting
    assert outcome.noticed or once_full or outcome.failed[0].endswith(" journal.db"), str(outcome)
