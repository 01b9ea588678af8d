"""What to do with a ticket in doubt: every row of the table, and what must never happen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.model.job import Counters, Intent
from agent.model.printer import Tier
from agent.spool.recovery import Epoch, Evidence, Verdict, judge
from agent.spool.retry import FIRST_S, LONGEST_S, backoff_s

BEFORE = Counters(cuts=100, lines=5000)


def evidence(
    tier: Tier = Tier.PROCESS_ID,
    *,
    late: bool = False,
    answers: bool = True,
    cuts: int | None = None,
    lines: int = 0,
    baseline: Counters | None = BEFORE,
    epoch: Epoch = Epoch.UNKNOWN,
    sent: bool = True,
    offline: bool = False,
    alone: bool = True,
    stays: bool = False,
    drawn: bool = False,
    headless: bool = False,
) -> Evidence:
    """A ticket of 12 lines and one cut, and what the counters moved by."""
    now = None if cuts is None else Counters(BEFORE.cuts + cuts, BEFORE.lines + lines)
    return Evidence(
        tier,
        Intent("000A", 12, 18, 1, baseline, drawn=drawn, headless=headless),
        sent=sent,
        late_answer=late,
        offline=offline,
        answers=answers,
        counters=now,
        epoch=epoch,
        alone=alone,
        line_stays=stays,
    )


@pytest.mark.parametrize(
    ("case", "verdict"),
    [
        pytest.param(evidence(sent=False, answers=False), Verdict.SEND_AGAIN, id="nothing of it was sent"),
        pytest.param(evidence(Tier.NONE, sent=False), Verdict.SEND_AGAIN, id="nor to a mute printer"),
        pytest.param(evidence(offline=True), Verdict.WAIT, id="offline: after recovery its buffer prints"),
        pytest.param(evidence(offline=True, cuts=0, lines=0, epoch=Epoch.SAME), Verdict.WAIT, id="so look again then"),
        pytest.param(evidence(offline=True, late=True), Verdict.DONE, id="printed before it went offline"),
        pytest.param(evidence(cuts=1, lines=12, alone=False), Verdict.REPRINT, id="two in flight: whose lines?"),
        pytest.param(evidence(cuts=0, lines=3, alone=False), Verdict.REPRINT, id="two in flight: whose slip?"),
        pytest.param(
            evidence(cuts=0, lines=0, alone=False, epoch=Epoch.SAME), Verdict.SEND_AGAIN, id="two in flight, none moved"
        ),
        pytest.param(evidence(late=True, answers=False), Verdict.DONE, id="its late answer settles it"),
        pytest.param(evidence(Tier.STATUS, late=True), Verdict.DONE, id="whatever else is known"),
        pytest.param(evidence(answers=False), Verdict.WAIT, id="a silent printer may print yet"),
        pytest.param(evidence(Tier.STATUS, answers=False), Verdict.WAIT, id="so may one of tier 2"),
        pytest.param(evidence(cuts=1, lines=12, epoch=Epoch.SAME), Verdict.DONE, id="cut and all lines: on paper"),
        pytest.param(evidence(cuts=1, lines=15, epoch=Epoch.SAME), Verdict.DONE, id="more lines than counted on"),
        pytest.param(evidence(cuts=1, lines=19), Verdict.REPRINT, id="too many lines: somebody else printed"),
        pytest.param(evidence(cuts=2, lines=15), Verdict.REPRINT, id="too many cuts: somebody else printed"),
        pytest.param(evidence(cuts=900, lines=40000), Verdict.REPRINT, id="another printer altogether"),
        pytest.param(evidence(cuts=1, lines=12), Verdict.REPRINT, id="a self-test may have been counted, or a till"),
        pytest.param(evidence(cuts=1, lines=11), Verdict.REPRINT, id="cut but too few lines: a cover-close cut"),
        pytest.param(evidence(cuts=0, lines=3), Verdict.REPRINT_PARTIAL, id="lines and no cut: a torn slip"),
        pytest.param(evidence(cuts=0, lines=3, epoch=Epoch.SAME), Verdict.REPRINT_PARTIAL, id="torn in the same epoch"),
        pytest.param(evidence(cuts=0, lines=0, epoch=Epoch.SAME), Verdict.SEND_AGAIN, id="nothing moved: not printed"),
        pytest.param(evidence(cuts=0, lines=0), Verdict.REPRINT, id="a power cut may have lost the count"),
        pytest.param(evidence(cuts=-2, lines=-90), Verdict.REPRINT, id="counters went back: another epoch"),
        pytest.param(evidence(cuts=0, lines=-1, epoch=Epoch.SAME), Verdict.REPRINT, id="they never go back soundly"),
        pytest.param(evidence(cuts=1, lines=12, baseline=None), Verdict.REPRINT, id="no baseline, no evidence"),
        pytest.param(evidence(), Verdict.REPRINT, id="counters that stay silent"),
        pytest.param(
            evidence(cuts=1, lines=12, drawn=True, epoch=Epoch.SAME),
            Verdict.DONE,
            id="a picture, and the line would have broken",
        ),
        pytest.param(evidence(cuts=1, lines=12, drawn=True, stays=True), Verdict.REPRINT, id="its dots are no lines"),
        pytest.param(
            evidence(late=True, cuts=1, lines=12, drawn=True, stays=True),
            Verdict.REPRINT,
            id="nor is its late answer enough",
        ),
        pytest.param(
            evidence(cuts=0, lines=0, drawn=True, epoch=Epoch.SAME),
            Verdict.REPRINT,
            id="a piece of a picture may hang there",
        ),
        pytest.param(evidence(cuts=1, lines=12, headless=True), Verdict.REPRINT, id="a line more or less is no head"),
        pytest.param(evidence(cuts=0, lines=3, headless=True), Verdict.REPRINT_PARTIAL, id="a torn slip all the same"),
        pytest.param(evidence(late=True, headless=True), Verdict.DONE, id="its answers came late, both"),
        pytest.param(evidence(Tier.STATUS, cuts=1, lines=12), Verdict.REPRINT, id="tier 2: any doubt is marked"),
        pytest.param(evidence(Tier.NONE), Verdict.REPRINT, id="tier 3: any doubt is marked"),
    ],
)
def test_evidence_leads_to_its_verdict(case: Evidence, verdict: Verdict) -> None:
    """The table of recovery, row by row."""
    assert judge(case) is verdict


@given(
    st.builds(
        evidence,
        st.sampled_from(Tier),
        answers=st.booleans(),
        cuts=st.none() | st.integers(-3, 3),
        lines=st.integers(-30, 30),
        baseline=st.none() | st.just(BEFORE),
        epoch=st.sampled_from(Epoch),
        sent=st.booleans(),
        offline=st.booleans(),
        alone=st.booleans(),
    )
)
def test_a_ticket_is_sent_again_unmarked_only_when_nothing_moved_and_the_power_stayed(case: Evidence) -> None:
    """Unmarked twice is the one thing that must never happen."""
    if judge(case) is Verdict.SEND_AGAIN and case.sent:
        assert case.tier is Tier.PROCESS_ID
        assert case.epoch is Epoch.SAME
        assert case.counters == case.intent.baseline


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_backoff_grows_to_half_a_minute_and_no_further(failures: int, chance: float) -> None:
    """A printer that is away is tried for ever, at most each 30 s."""
    assert FIRST_S / 2 <= backoff_s(failures, chance) <= LONGEST_S
    assert backoff_s(failures, 1.0) <= backoff_s(failures + 1, 1.0)
