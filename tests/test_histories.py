"""Random histories of one order; and whether they would find a fault."""

from itertools import islice
from typing import Any

import msgspec
import pytest

from agent.journal.file import Tx
from agent.journal.told import Told, told
from tests.histories import findings


def told_without_doubt(tx: Tx, order_pk: int) -> dict[tuple[str, int], Told]:
    """As if what was given up were on paper."""
    return {here: msgspec.structs.replace(each, given_up=False) for here, each in told(tx, order_pk).items()}


OLD_FAULTS: dict[str, tuple[str, Any]] = {
    "an older revision is repeated": ("agent.journal.jobs.is_overtaken", lambda *_: False),
    "what was given up is on paper": ("agent.intake.acceptance.told", told_without_doubt),
    "what was discarded never comes back": ("agent.intake.acceptance.end_refusals", lambda *_: None),
}


def test_whatever_happens_to_an_order_the_cooks_have_what_it_says() -> None:
    """Revised, cancelled, moved, copied, discarded, in doubt: no cook has what is off, nor lacks what is on."""
    assert list(findings(range(1, 151))) == []


@pytest.mark.parametrize("name", OLD_FAULTS)
def test_an_old_fault_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Histories that find nothing must be such that could have."""
    monkeypatch.setattr(*OLD_FAULTS[name])
    assert list(islice(findings(range(1, 301)), 1))
