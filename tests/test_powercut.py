"""Power cuts at the block device, under the live agent. 10,000 of them: `python -m tests.powercut --states 10000`."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.powercut.__main__ import after_cuts, began, migrated, planted
from tests.powercut.device import missing
from tests.powercut.shop import workplace

pytestmark = [pytest.mark.skipif(bool(missing()), reason=missing()), pytest.mark.timeout(400)]


@pytest.fixture
def work() -> Iterator[Path]:
    with workplace() as work:
        yield work


def test_every_acknowledged_order_survives_every_cut(work: Path) -> None:
    """After any legal cut each order whose PUBACK went out is in the journal; and the paper comes out right."""
    assert after_cuts(work, 300, 3, random.Random(1)) == []


def test_a_journal_that_is_not_synced_is_found_out(work: Path) -> None:
    """With synchronous=NORMAL acknowledged orders are lost: a harness that sees none proves nothing."""
    assert planted(work, random.Random(1))


def test_a_cut_within_a_migration_leaves_old_or_new(work: Path) -> None:
    """Every step of the schema is there or is not, with all rows; a copy that has its name is whole."""
    assert migrated(work, 60, random.Random(1)) == []


def test_a_cut_within_a_first_start_leaves_none_or_a_whole_one(work: Path) -> None:
    """No empty file that would be taken for a broken journal, and no doubt about the orders that come then."""
    assert began(work, 60, random.Random(1)) == []
