"""Checks of what the printer says: the same each time, in the right form, in order, each once. No paper is moved."""

from agent.model.printer import Tier
from agent.printers.conformance.bench import Bench
from agent.printers.conformance.talk import (
    Talk,
    realtime,
    token_answer,
    token_request,
    tokens_in,
)
from agent.printers.conformance.verdict import Failed, Passed, Skipped, Verdict
from agent.printers.dialogue import REALTIME_TIMEOUT_S

ROUNDS = 50
TOKENS = ("000A", "ZZZZ", "7K2P", "7K2P", "~001", "0000", "Q9XV", "AB12", "~002", "00ZZ", "M3M3", "9999")
"""Of the kinds that the agent uses; one of them twice, as it must be echoed twice."""


def probes(bench: Bench) -> Verdict:
    """Asked twice what it can prove, it answers the same."""
    found = []
    for _ in range(2):
        with bench.link() as link:
            session = bench.session_over(link)
            Talk(link, bench.clock).calm(min(bench.pace.quiet_s, 0.1))
            known = session.probe()
        if known is None:
            return Failed(f"it waits for a person ({session.status.need}): see to that, and start again")
        bench.known = bench.known or known
        found.append(f"tier {int(known.tier)}, DLE EOT {' '.join(map(str, known.realtime)) or 'none'}")
    if found[0] != found[1]:
        return Failed(f"first {found[0]}; then {found[1]}")
    return Passed(f"twice {found[0]}")


def facts(bench: Bench) -> Verdict:
    """What it says of itself (GS I) is the same when it is asked again."""
    if bench.capabilities.tier is Tier.NONE:
        return Skipped("a printer that proves nothing is not asked who it is")
    with bench.session() as (session, _):
        first = session.facts()
        second = session.facts()
    bench.facts = first or ()
    if first != second:
        return Failed(f"first {_listed(first)}; then {_listed(second)}")
    return Passed(_listed(first))


def realtime_forms(bench: Bench) -> Verdict:
    """Real-time status (DLE EOT) comes in its own form, one byte a question, in the order asked."""
    asked = bench.capabilities.realtime
    with bench.talk() as talk:
        if not asked:
            if heard := talk.ask(realtime(1), 1, REALTIME_TIMEOUT_S, bench.pace.quiet_s):
                return Failed(f"DLE EOT 1 is answered with {heard.hex(' ')}, which is no form of an answer")
            return Skipped("it answers no DLE EOT")
        single = b""
        for n in asked:
            heard = talk.ask(realtime(n), 1, REALTIME_TIMEOUT_S, 0.02)
            if len(heard) != 1 or heard[0] & 0x93 != 0x12:
                return Failed(f"DLE EOT {n} is answered with {heard.hex(' ') or 'nothing'}")
            single += heard
        together = talk.ask(b"".join(map(realtime, asked)), len(asked), REALTIME_TIMEOUT_S, bench.pace.quiet_s)
    said = f"DLE EOT {' '.join(map(str, asked))}: {single.hex(' ')}"
    if together != single:
        return Failed(f"{said} one by one, but {together.hex(' ') or 'nothing'} together")
    order = "" if len(set(single)) > 1 else " (all alike, so their order can't be seen)"
    return Passed(said + order)


def stays_in_step(bench: Bench) -> Verdict:
    """After 50 quick rounds of questions no answer is missing, and none is left that could be taken for a later one."""
    question, size = bench.question(every=True)
    if not size:
        return Skipped("it answers nothing")
    counted = slow = 0
    with bench.talk() as talk:
        started = bench.clock.monotonic()
        for _ in range(ROUNDS):
            heard = talk.ask(question, size, REALTIME_TIMEOUT_S)
            counted += len(heard)
            slow += len(heard) < size
        took_s = bench.clock.monotonic() - started
        counted += len(talk.calm(bench.pace.quiet_s))
        if counted != ROUNDS * size:
            return Failed(f"{ROUNDS} rounds were to be answered with {ROUNDS * size} bytes, and {counted} came")
        if slow:
            return Failed(f"{slow} of {ROUNDS} rounds were not answered within {REALTIME_TIMEOUT_S} s")
        if len(talk.ask(question, size, REALTIME_TIMEOUT_S, bench.pace.quiet_s)) != size:
            return Failed(f"the question after {ROUNDS} rounds was not answered once")
    return Passed(f"{ROUNDS} rounds in {took_s:.2f} s, and nothing is left over")


def echoes_tokens(bench: Bench) -> Verdict:
    """Process IDs are echoed exactly, in order, each once."""
    if bench.capabilities.tier is not Tier.PROCESS_ID:
        return Skipped("it echoes no process IDs")
    expected = b"".join(map(token_answer, TOKENS))
    with bench.talk() as talk:
        heard = talk.ask(b"".join(map(token_request, TOKENS)), len(expected), 3.0, bench.pace.quiet_s)
    if heard == expected:
        return Passed(f"{len(TOKENS)} of {len(TOKENS)}")
    found = tokens_in(heard)
    if sorted(found) == sorted(TOKENS) and len(heard) == len(expected):
        return Failed(f"they came in another order: {' '.join(found)}")
    wrong = [token for token in TOKENS if token not in found]
    more = len(heard) - len(expected)
    return Failed(
        f"not echoed: {' '.join(wrong) or 'none'}; {abs(more)} bytes {'less' if more < 0 else 'more'} than due"
    )


def _listed(found: tuple[str, ...] | None) -> str:
    if found is None:
        return "it says nothing of itself"
    names = ("firmware", "maker", "model", "serial")
    return ", ".join(f"{name} {fact}" for name, fact in zip(names, found, strict=False) if fact) or "empty answers"
