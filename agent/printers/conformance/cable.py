"""Checks of the cable: what `Link` and `Connector` promise, whatever printer is at the other end. No paper is moved."""

from agent.errors import LinkBroken, PrinterError, Unavailable
from agent.model.printer import Identity, Tier
from agent.printers.conformance.bench import Bench
from agent.printers.conformance.talk import (
    RESET,
    Talk,
    token_answer,
    token_request,
    tokens_in,
)
from agent.printers.conformance.verdict import Failed, Passed, Skipped, Verdict
from agent.printers.dialogue import STATUS_FENCE

REOPENINGS = 20
WRITE_AT_ONCE = 32768
WRITE_LEAST = 2048
WRITE_TIMEOUT_S = 0.3
QUESTION_EACH = 512


def opens(bench: Bench) -> Verdict:
    """It opens in time, twice, and is the same printer both times."""
    seen: list[Identity] = []
    started = bench.clock.monotonic()
    try:
        for _ in range(2):
            link = bench.reconnect(bench.pace.reopen_s) if seen else bench.connect()
            seen.append(link.identity)
            link.close()
    except Unavailable as exc:
        bench.reachable = False
        return Failed(str(exc))
    took_s = bench.clock.monotonic() - started
    bench.identity = seen[0]
    if seen[0] != seen[1]:
        return Failed(f"first it was {seen[0].port} {seen[0].device}, then {seen[1].port} {seen[1].device}")
    who = " ".join(filter(None, (seen[0].port, seen[0].device))) or "the cable does not say who it is"
    return Passed(f"twice in {took_s:.2f} s: {who}")


def second_open(bench: Bench) -> Verdict:
    """Whoever opens it besides is refused or has to wait, and takes nothing from the first."""
    question, size = bench.question()
    with bench.talk() as first:
        try:
            second = bench.connect(bench.other)
        except Unavailable as exc:
            refused = str(exc)
            if len(first.ask(question, size, 2.0)) < size:
                return Failed("the second one was refused, and the first one hears nothing since")
            return Passed(f"refused: {refused}")
        try:
            if not size:
                return Skipped("a second one may connect; this printer never answers, so nothing can be seen of it")
            first.say(question)
            stolen = second.read(4096, bench.pace.quiet_s)
            heard = first.hear_bytes(size, 2.0)
        except LinkBroken as exc:
            return Failed(f"a second one may connect, and breaks a link: {exc}")
        finally:
            second.close()
        if stolen or len(heard) < size:
            return Failed(f"the second one took {len(stolen)} bytes of the first one's answer of {size}")
        if len(first.ask(question, size, 2.0)) < size:
            return Failed("after the second one had left, the first one heard nothing more")
        return Passed("a second one may connect and has to wait")


def silence(bench: Bench) -> Verdict:
    """A read returns when its time is over, neither later nor sooner, as long as the printer has nothing to say."""
    took = []
    with bench.talk() as talk:
        for timeout_s in (0.0, 0.05, bench.pace.silence_s):
            started = bench.clock.monotonic()
            said = talk.link.read(4096, timeout_s)
            took.append(bench.clock.monotonic() - started)
            if said:
                return Failed(f"it said {said.hex(' ')} unasked")
            if took[-1] > timeout_s + bench.pace.grace_s:
                return Failed(f"a read of {timeout_s:.2f} s took {took[-1]:.2f} s")
            if took[-1] < timeout_s / 2:
                return Failed(f"a read of {timeout_s:.2f} s returned nothing after {took[-1]:.2f} s")
    return Passed("waited " + ", ".join(f"{s:.2f}" for s in took) + " s")


def writes(bench: Bench) -> Verdict:
    """A write counts exactly what was taken and is over in time, however much it is given."""
    size = int(min(2 * WRITE_AT_ONCE, max(WRITE_LEAST, 2 * bench.connector.bytes_per_s)))
    stream, expected = _stream(bench, size)
    with bench.talk() as talk:
        heard = b""
        deadline = bench.clock.monotonic() + 20.0 + 3 * bench.wire_s(size)
        sent = 0
        while sent < size:
            sent += talk.link.write(stream[sent : sent + WRITE_AT_ONCE], WRITE_TIMEOUT_S)
            heard += talk.link.read(4096, 0.0)
            if bench.clock.monotonic() > deadline:
                return Failed(f"it took {sent} of {size} bytes and then no more")
        heard += talk.drain(bench.pace.drain_s + 3 * bench.wire_s(size))
        if left := talk.link.unsent():
            return Failed(f"{left} bytes never left this side of the cable")
        heard += talk.hear_bytes(
            len(expected) - len(heard), bench.pace.drain_s + bench.wire_s(size), bench.pace.quiet_s
        )
        if not expected:
            return Passed(f"{size} bytes in time; it answers nothing, so their count is not proved")
        return _compare(bench, heard, expected, size)


def port_status(bench: Bench) -> Verdict:
    """The cable's own status does not speak of trouble that the printer does not have."""
    with bench.talk() as talk:
        for _ in range(2):
            if needs := talk.link.needs():
                return Failed(f"it says that a person is needed ({', '.join(needs)}), and the printer does not")
    return Passed("it speaks of no trouble")


def reopens(bench: Bench) -> Verdict:
    """Closing and opening works again and again, and each link reaches the printer."""
    question, size = bench.question()
    slowest_s = 0.0
    for turn in range(REOPENINGS):
        started = bench.clock.monotonic()
        try:
            with bench.link() as link:
                slowest_s = max(slowest_s, bench.clock.monotonic() - started)
                talk = Talk(link, bench.clock)
                heard = talk.ask(RESET + question, size, 3.0)
                talk.drain(1.0)
        except PrinterError as exc:
            return Failed(f"at the {turn + 1}. time: {exc}")
        if len(heard) < size:
            return Failed(f"at the {turn + 1}. time it opened and did not answer")
    unproved = "" if size else "; it answers nothing, so only the opening is proved"
    return Passed(f"{REOPENINGS} times, the slowest in {slowest_s:.2f} s{unproved}")


def _stream(bench: Bench, size: int) -> tuple[bytes, bytes]:
    """So many bytes that print nothing, with a question at every 512, and what must be heard."""
    stream, expected = b"", b""
    for _ in range(size // QUESTION_EACH):
        match bench.capabilities.tier:
            case Tier.PROCESS_ID:
                token = bench.token()
                question, answer = token_request(token), token_answer(token)
            case Tier.STATUS:
                question, answer = STATUS_FENCE, b"\0"
            case Tier.NONE:
                question, answer = b"", b""
        stream += question.rjust(QUESTION_EACH, b"\0")
        expected += answer
    return stream.ljust(size, b"\0"), expected


def _compare(bench: Bench, heard: bytes, expected: bytes, size: int) -> Verdict:
    heard = heard.translate(None, b"\x11\x13")
    if bench.capabilities.tier is Tier.PROCESS_ID:
        wanted, found = tokens_in(expected), tokens_in(heard)
        if found != wanted:
            missing = len(set(wanted) - set(found))
            return Failed(f"of {len(wanted)} questions {missing} were lost, and {len(found)} answers came")
    if len(heard) != len(expected):
        return Failed(f"{len(expected)} bytes were to be answered and {len(heard)} came")
    return Passed(f"{size} bytes with {size // QUESTION_EACH} questions, each answered once")
