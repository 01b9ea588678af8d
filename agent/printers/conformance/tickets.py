"""Checks that print: what the agent does with a ticket, what it counts, and what becomes of a line that breaks.

What is on paper no code can see: each check says what a person must look for.
"""

from msgspec.structs import replace

from agent.model.job import Counters
from agent.model.printer import Confirmed, NeedsHuman, Presumed, Tier
from agent.printers.conformance.bench import Bench, judge, say
from agent.printers.conformance.slip import Slip, chinese_slip, half_picture, picture_slip, short_slip, text_slip
from agent.printers.conformance.talk import TOKEN_ANSWER_BYTES, Talk, token_request, tokens_in
from agent.printers.conformance.verdict import Failed, Passed, Skipped, Verdict
from agent.printers.dialogue import COUNTER_TIMEOUT_S, CUTS, LINES, STATUS_FENCE
from agent.printers.status import Block, ReplyParser, counter

TICKET_LINES = 12
FENCE_LINES = 40
FENCE_LEAST_S = 0.1
"""Forty lines are 150 mm of paper: the fastest head needs a third of a second for them."""

LONG_LEAST = 20_000
WORDS = (
    "豆浆 x2  不要糖",
    "鲜肉小笼包 x12",
    "宫保鸡丁（微辣） x1",
    "合计：￥128.50",
    "喆堃镕龘 GBK",
)
HALVES = ("half a picture", "half a Chinese character", "half a feed")


def ticket(bench: Bench) -> Verdict:
    """A ticket of some lines is handed over, and the printer's word is waited for."""
    zh = f"标题和001到{TICKET_LINES:03}行都在吗"
    return _print(bench, text_slip("ticket", TICKET_LINES), zh, f"its title and lines 001 to {TICKET_LINES:03}?")


def chinese(bench: Bench) -> Verdict:
    """The same in Chinese."""
    zh = f"{len(WORDS)}行中文都正确、没有乱码吗？若只有最后一行不对，请设 charset: gb2312"
    en = f"{len(WORDS)} lines of Chinese, none garbled? (If only the last is, write charset: gb2312.)"
    return _print(bench, chinese_slip("chinese", WORDS), zh, en)


def long_ticket(bench: Bench) -> Verdict:
    """A ticket larger than the printer's buffer: it says stop and go on, and no byte is lost."""
    size = int(min(bench.pace.long_bytes, max(LONG_LEAST, bench.pace.long_s * bench.connector.bytes_per_s)))
    zh = "斜线没有断开，最后一行是 end of long 吗"
    en = "slanted lines without a break, and 'end of long' below?"
    mark = bench.token if bench.capabilities.tier is Tier.PROCESS_ID else None
    return _print(bench, picture_slip("long", size, bench.dots, mark), zh, en)


def fence(bench: Bench) -> Verdict:
    """The answer to a question behind a ticket comes when the ticket is printed, not when it is received."""
    if bench.capabilities.tier is Tier.NONE:
        return Skipped("it answers no fence")
    slip = short_slip("fence", FENCE_LINES)
    with bench.talk() as talk:
        plain = sorted(_time_fence(bench, talk, b"") for _ in range(3))
        if plain[-1] == float("inf"):
            return Failed("a question behind nothing was not answered")
        took_s = _time_fence(bench, talk, slip.data)
    if took_s == float("inf"):
        return Failed(f"a question behind {FENCE_LINES} lines was not answered")
    paper_s = took_s - plain[1] - bench.wire_s(len(slip.data))
    said = f"{took_s:.2f} s behind {FENCE_LINES} lines, {plain[1]:.2f} s behind nothing"
    if paper_s < FENCE_LEAST_S:
        return Failed(f"the answer came {said}: so it proves that they were received, not that they are printed")
    return Passed(said)


def counts(bench: Bench) -> Verdict:
    """Its counters (GS g) move by a ticket's lines and one cut, no more and no less."""
    if bench.capabilities.tier is not Tier.PROCESS_ID:
        return Skipped("counters are asked only of printers that echo process IDs")
    slip = text_slip("counters", TICKET_LINES)
    with bench.session() as (session, link):
        talk = Talk(link, bench.clock)
        before = _counters(talk)
        if before is None:
            return Skipped("it has no counters (GS g 2)")
        outcome = bench.print_slip(session, slip)
        if not isinstance(outcome, Confirmed):
            return judge(outcome, "the ticket between two looks at the counters")
        after = _counters(talk)
    if after is None:
        return Failed("it told its counters before a ticket and not after it")
    cuts, lines = after.cuts - before.cuts, after.lines - before.lines
    said = f"{cuts} cuts and {lines} lines; due were 1 cut and {slip.lines} to {slip.most_lines} lines"
    if (cuts, lines) == (0, 0):
        return Failed(f"they stand still, so they are no evidence: {said}")
    if cuts != 1 or not slip.lines <= lines <= slip.most_lines:
        return Failed(said)
    bench.known = replace(bench.capabilities, counters=True)
    return Passed(said)


def resyncs(bench: Bench) -> Verdict:
    """Half a command, as a broken line leaves it, is flushed, and what follows is printed as it should be."""
    slip = text_slip("resync", 3)
    halves = (half_picture(bench.dots), b"\x1c&\xb6", b"\x1bJ")
    with bench.session() as (session, link):
        if need := session.preflight():
            return Failed(say(NeedsHuman(need)))
        for what, half in zip(HALVES, halves, strict=True):
            bench.allow(slip)
            Talk(link, bench.clock).say(half)
            if not session.resync():
                return Failed(f"after {what} it did not answer any more")
        outcome = bench.print_slip(session, slip)
    zh = "小票 resync：只有标题和001到003行，没有其它字符吗"
    bench.look(zh, "slip 'resync': only its title and lines 001 to 003, no other characters?")
    return judge(outcome, f"after {', '.join(HALVES)}")


def late_answer(bench: Bench) -> Verdict:
    """A link that is lost right behind the last byte costs no certainty: the answer is kept, or the counters tell."""
    if bench.capabilities.tier is not Tier.PROCESS_ID:
        return Skipped("it echoes no process IDs")
    slip, token = text_slip("late-answer", 2 * TICKET_LINES), bench.token()
    with bench.session() as (session, link):
        if need := session.preflight():
            return Failed(say(NeedsHuman(need)))
        intent = slip.intent(token, session.counters)
        bench.allow(slip)
        if (unsent := session.send(slip.data, intent, slip.most_lines, slip.breaks)) is not None:
            return Failed(say(unsent))
        heard = Talk(link, bench.clock).drain(bench.pace.drain_s + 3 * bench.wire_s(len(slip.data)))
    bench.wait(bench.pace.away_s)
    bench.look("小票 late-answer：完整，只打了一张吗", "slip 'late-answer': whole, and printed once?")
    with bench.link() as link:
        talk = Talk(link, bench.clock)
        heard += talk.hear(lambda so_far: token in tokens_in(so_far), bench.patience.answer_s, bench.pace.quiet_s)
        fence_token = bench.token()
        talk.say(token_request(fence_token))
        heard += talk.hear(lambda so_far: fence_token in tokens_in(so_far), bench.patience.answer_s)
        now = _counters(talk)
    said = tokens_in(heard)
    if fence_token not in said:
        return Failed("the next link is not answered")
    if said.count(token) == 1:
        return Passed("the answer was kept for the next link")
    if said.count(token) > 1:
        return Failed(f"the answer came {said.count(token)} times")
    if intent.baseline is not None and now is not None and intent.fits(now):
        return Passed("the answer was lost, but the counters tell that it is printed")
    return Failed("the answer was lost: such a ticket is printed again, marked as a possible duplicate")


def _print(bench: Bench, slip: Slip, zh: str, en: str) -> Verdict:
    name = slip.rows[0].decode().split()[-1]
    with bench.session() as (session, link):
        started = bench.clock.monotonic()
        outcome = bench.print_slip(session, slip)
        took_s = bench.clock.monotonic() - started
        stop_s = link.longest_stop_s
    heard = tokens_in(link.heard)
    if lost := [mark for mark in slip.marks if heard.count(mark) != 1]:
        return Failed(f"{say(outcome)}, but {len(lost)} of {len(slip.marks)} marks within it were not answered once")
    if isinstance(outcome, Confirmed | Presumed):
        bench.look(f"小票 {name}：{zh}", f"slip '{name}': {en}")
    return judge(outcome, f"{len(slip.data)} bytes in {took_s:.2f} s, held back for {stop_s:.2f} s at most")


def _time_fence(bench: Bench, talk: Talk, before: bytes) -> float:
    """Seconds from the first byte to the answer."""
    token = bench.token()
    question, size = token_request(token), TOKEN_ANSWER_BYTES
    if bench.capabilities.tier is Tier.STATUS:
        question, size = STATUS_FENCE, 1
    started = bench.clock.monotonic()
    heard = talk.ask(before + question, size, bench.patience.answer_s)
    return bench.clock.monotonic() - started if len(heard) >= size else float("inf")


def _counters(talk: Talk) -> Counters | None:
    """GS g 2, asked without a session, so that nothing is remembered."""
    found = []
    for which in (CUTS, LINES):
        talk.say(bytes((0x1D, 0x67, 0x32, 0, which, 0)))
        values = _numbers(talk.hear(lambda heard: bool(_numbers(heard)), COUNTER_TIMEOUT_S))
        if len(values) != 1:
            return None
        found += values
    return Counters(*found)


def _numbers(heard: bytes) -> list[int]:
    """The counters in what was heard."""
    found = (counter(reply) for reply in ReplyParser().feed(heard) if isinstance(reply, Block))
    return [value for value in found if value is not None]
