"""Checks with a person at the printer, who disturbs a ticket while it is printed. Only what the session says counts:
it may hold, doubt or notice a broken link, and must never claim what is not on paper.
"""

from collections.abc import Callable

from agent.errors import LinkBroken, Unavailable
from agent.model.printer import Confirmed, Need, NeedsHuman, NotPrinted, Outcome, Presumed, Tier, Unknown
from agent.printers.conformance.bench import Bench, judge, say
from agent.printers.conformance.slip import Slip, text_slip
from agent.printers.conformance.verdict import Act, Answer, Failed, Passed, Skipped, Verdict, Words
from agent.printers.session import Session

LINES = 60
_ONCE = Words("小票 {0}：完整，只打了一张吗", "slip '{0}': whole, and printed once?")
_SEEN = frozenset({Need.COVER, Need.PAPER, Need.OFFLINE})
"""Many a printer knows only one of them."""

_LOOK_EACH_S = 0.2
_TRY_EACH_S = 0.5


def cover(bench: Bench) -> Verdict:
    """A cover that is opened within a ticket is seen; once it is closed, the ticket is printed to its end."""
    return _held(bench, "cover", Act.OPEN_COVER, Act.CLOSE_COVER)


def paper_out(bench: Bench) -> Verdict:
    """So is paper that ends."""
    return _held(bench, "paper-out", Act.TAKE_PAPER, Act.LOAD_PAPER)


def power(bench: Bench) -> Verdict:
    """A printer that loses its power within a ticket has not printed it, and works again afterwards."""
    if bench.connector.notices_power_cycle:
        return _lost(bench, "power", Act.POWER_OFF, Act.POWER_ON, _never_printed)
    return _lost(bench, "power", Act.POWER_CYCLE, None, _never_printed)


def cable(bench: Bench) -> Verdict:
    """A ticket whose cable is pulled is in doubt, unless it is whole, and the next link works."""
    return _lost(bench, "cable", Act.PULL_CABLE, Act.PLUG_CABLE, _whole_if_confirmed)


def _held(bench: Bench, name: str, act: Act, undo: Act) -> Verdict:
    slip = text_slip(name, LINES)
    with bench.session(bench.pace.hands_bytes_per_s) as (session, _):
        if need := session.preflight():
            return Failed(say(NeedsHuman(need)))
        bench.person.gets_ready(act)
        outcome = _send(bench, session, slip)
        first = say(outcome)
        verdict = _judge_held(bench, session, outcome)
        bench.person.does(undo)
        if not isinstance(verdict, Passed):
            return verdict
        outcome = _finish(bench, session, outcome)
    zh, en = _ONCE
    bench.look(zh.format(name), en.format(name))
    if isinstance(outcome, Confirmed):
        return Passed(f"first {first}, afterwards {say(outcome)}")
    if act is Act.OPEN_COVER and isinstance(outcome, Unknown):  # many cut when it is closed
        return Passed(f"first {first}, afterwards {say(outcome)}, which is right")
    return Failed(f"first {first}; after a person had seen to it {say(outcome)}")


def _judge_held(bench: Bench, session: Session, outcome: Outcome) -> Verdict:
    match outcome:
        case NeedsHuman(need) if need in _SEEN:
            return Passed("")
        case NeedsHuman(need):
            return Failed(f"it says that its {need} needs a person")
        case Presumed() if bench.capabilities.tier is Tier.NONE:
            return Skipped("it can't say how it is: the ticket was presumed printed")
        case Unknown() if not bench.capabilities.realtime:
            return Skipped(f"it can't say how it is: {say(outcome)}, which is right")
        case Confirmed() if session.look() is None:
            return Failed("the ticket was out and confirmed before anything was seen: if you were late, try again")
        case _:
            return Failed(f"{say(outcome)}, though a person is needed")


def _finish(bench: Bench, session: Session, outcome: Outcome) -> Outcome:
    """Wait until it is well, ask again, and hear the printer's word."""
    deadline = bench.clock.monotonic() + bench.pace.return_s
    while isinstance(outcome, NeedsHuman) and bench.clock.monotonic() < deadline and not bench.stopped:
        if session.look() is None:
            session.ask_again()
            outcome = session.settle()
        else:
            bench.wait(_LOOK_EACH_S)
    return outcome


def _lost(
    bench: Bench, name: str, act: Act, undo: Act | None, accept: Callable[[Bench, str, Outcome], Verdict]
) -> Verdict:
    slip = text_slip(name, LINES)
    with bench.session(bench.pace.hands_bytes_per_s) as (session, _):
        if need := session.preflight():
            return Failed(say(NeedsHuman(need)))
        bench.person.gets_ready(act)
        try:
            outcome = _send(bench, session, slip)
        except (LinkBroken, Unavailable) as exc:
            outcome = Unknown(f"link lost: {exc}")
    if undo is not None:
        bench.person.does(undo)
    verdict = accept(bench, name, outcome)
    if not isinstance(verdict, Passed):
        return verdict
    again = _comes_back(bench, name)
    return Passed(f"{verdict.detail}; the next ticket {again.detail}") if isinstance(again, Passed) else again


def _comes_back(bench: Bench, name: str) -> Verdict:
    """A ticket over a new link, once the printer is ready for it: connecting is not being ready."""
    problem = "nobody waited for it"
    deadline = bench.clock.monotonic() + bench.pace.return_s
    while bench.clock.monotonic() < deadline and not bench.stopped:
        try:
            with bench.session() as (session, _):
                if session.resync():
                    session.separate()
                    return judge(bench.print_slip(session, text_slip(f"{name}-after", 3)), "a ticket of 3 lines")
                problem = "it does not answer"
        except (LinkBroken, Unavailable) as exc:
            problem = str(exc)
        bench.wait(_TRY_EACH_S)
    return Failed(f"it did not come back: {problem}")


def _never_printed(bench: Bench, name: str, outcome: Outcome) -> Verdict:
    del name
    if isinstance(outcome, Confirmed):
        return Failed(f"{say(outcome)}, though the printer lost its power within it: if you were late, try again")
    return _doubted(bench, outcome)


def _whole_if_confirmed(bench: Bench, name: str, outcome: Outcome) -> Verdict:
    if not isinstance(outcome, Confirmed):
        return _doubted(bench, outcome)
    zh, en = _ONCE
    if bench.person.says(Words(zh.format(name), en.format(name))) is Answer.YES:
        return Passed(f"{say(outcome)}, and whole: the cable lost nothing")
    return Failed(f"{say(outcome)}, and not whole")


def _doubted(bench: Bench, outcome: Outcome) -> Verdict:
    if isinstance(outcome, Presumed):
        if bench.capabilities.tier is Tier.NONE and not bench.connector.notices_power_cycle:
            return Skipped("neither the printer nor its cable can tell: the ticket was presumed printed")
        return Failed("presumed printed, though it is not whole")
    return Passed(say(outcome))


def _send(bench: Bench, session: Session, slip: Slip) -> Outcome:
    bench.allow(slip)
    unsent: Unknown | NotPrinted | None
    unsent = session.send(slip.data, slip.intent(bench.token(), session.baseline), slip.most_lines, slip.breaks)
    return session.settle() if unsent is None else unsent
