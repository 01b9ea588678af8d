"""kill -9 at every named point, with a real broker; the long campaign is `python -m tests.crash`."""

from pathlib import Path

import pytest

from agent.checkpoint import NAMES
from agent.simulator.printer import PrinterSpec
from tests.crash import campaign


@pytest.mark.parametrize("point", NAMES)
def test_a_kill_loses_nothing_and_doubles_nothing_unmarked(tmp_path: Path, point: str) -> None:
    """Every order on paper; again only under the banner; no piece of paper that is not answered."""
    outcome = campaign(point, 3, 15, 1, tmp_path, PrinterSpec(line_time_s=0.002), "tcp")
    assert outcome.kills == 3, "the agent never came to this point"
    assert outcome.verdict.owed == outcome.orders >= 15
    assert outcome.verdict.findings == []


@pytest.mark.parametrize("tier", (2, 3))
@pytest.mark.parametrize("cable", ("tcp", "pty"))
@pytest.mark.parametrize("point", ("print.mid_ticket", "print.after_write"))
def test_a_kill_within_a_ticket_is_survived_with_less_evidence_too(
    tmp_path: Path, tier: int, cable: str, point: str
) -> None:
    """Tiers 2 and 3 can prove less: their doubtful tickets come again, marked."""
    outcome = campaign(point, 2, 10, 2, tmp_path, PrinterSpec(tier=tier, line_time_s=0.002), cable)
    assert outcome.kills == 2
    assert outcome.verdict.findings == []
