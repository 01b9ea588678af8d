"""Where a ticket goes, by what became of it: one table for an attempt's outcome, one for a doubt's verdict. Pure."""

from agent.journal.jobs import Settlement
from agent.model.job import JobState, Mark
from agent.model.printer import Confirmed, NeedsHuman, NotPrinted, Outcome, Presumed, Unknown
from agent.spool.recovery import Verdict

VERDICTS = {
    Verdict.DONE: Settlement(JobState.COMPLETED, "confirmed", "settled by its late answer or its counters"),
    Verdict.SEND_AGAIN: Settlement(JobState.PENDING, reason="certainly not printed"),
    Verdict.REPRINT: Settlement(
        JobState.PENDING, reason="perhaps printed: printed again, marked", mark=Mark.POSSIBLE_DUPLICATE
    ),
    Verdict.REPRINT_PARTIAL: Settlement(
        JobState.PENDING, reason="a piece was printed: printed again, marked", mark=Mark.DISCARD_PIECE_ABOVE
    ),
}
ASK = Settlement(JobState.UNCONFIRMED, reason="perhaps printed: a person must say", keep_intent=True, leaves=True)


def settlement_of(outcome: Outcome) -> Settlement:
    """Where an attempt's outcome takes its ticket."""
    match outcome:
        case Confirmed(evidence):
            return Settlement(JobState.COMPLETED, "confirmed", evidence)
        case Presumed():
            return Settlement(JobState.COMPLETED, "presumed", "it took every byte and can't answer")
        case NotPrinted(reason):
            return Settlement(JobState.PENDING, reason=reason)
        case Unknown(evidence, headless):
            return Settlement(JobState.UNCONFIRMED, reason=evidence, keep_intent=True, headless=headless)
        case NeedsHuman(need):
            return Settlement(JobState.HELD, reason=str(need), keep_intent=True)
