"""What a session makes of printers that answer only some questions, late, or wrongly."""

import re
from collections.abc import Callable
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from agent.clock import SystemClock
from agent.errors import LinkBroken, Unavailable
from agent.model.job import Intent
from agent.model.printer import (
    Capabilities,
    Confirmed,
    Identity,
    Need,
    NeedsHuman,
    NotPrinted,
    Presumed,
    Tier,
    Unknown,
)
from agent.printers.fences import Fences, Noise
from agent.printers.meeting import Patience
from agent.printers.session import Session
from agent.printers.star import StarDialogue
from agent.printers.status import Asb, Block, Fence, RealTime, Reply, ReplyParser, status_from_asb, status_from_realtime

QUICK = Patience(fence_s=0.1, probe_s=0.05, late_answer_s=0.05, silence_said_s=0.1, answer_s=0.4, listen_s=0.05)


class Answering:
    """A link to a printer that answers as told: a rule takes what was written and says what comes back."""

    def __init__(self, rule: Callable[[bytes], bytes]) -> None:
        self.written = b""
        self._rule = rule
        self._waiting = b""

    def write(self, data: bytes, timeout_s: float) -> int:
        """Takes everything."""
        assert timeout_s > 0
        self.written += data
        self._waiting += self._rule(data)
        return len(data)

    def read(self, max_bytes: int, timeout_s: float) -> bytes:
        """Says what the rule said."""
        assert timeout_s >= 0
        data, self._waiting = self._waiting[:max_bytes], self._waiting[max_bytes:]
        return data

    def unsent(self) -> int:
        """Nothing waits."""
        return 0

    identity = Identity()

    def needs(self) -> frozenset[Need]:
        """The cable says nothing."""
        return frozenset()

    def close(self) -> None:
        """Nothing to do."""


class Socket(Answering):
    """The same over a link that never waits: it takes `room` bytes at once, and is gone when there is none."""

    def __init__(self, rule: Callable[[bytes], bytes], room: int) -> None:
        super().__init__(rule)
        self._room = room

    def write_now(self, data: bytes) -> int:
        """Takes what there is room for."""
        if not self._room:
            raise LinkBroken("gone")
        return self.write(data[: self._room], 1.0)


class Cable:
    """What a session asks of a connector."""

    def __init__(self, bytes_per_s: float = 5000.0, notices_power_cycle: bool = True) -> None:
        self.bytes_per_s = bytes_per_s
        self.notices_power_cycle = notices_power_cycle

    def forget(self) -> None:
        """Nothing is remembered."""

    def open(self) -> Answering:
        """Never called here."""
        raise NotImplementedError


TICKET = Intent("000A", 1, 4, 1)


def printer(
    *,
    realtime: dict[int, int] | None = None,
    fence: bool = False,
    echo: bool = False,
    counters: bool = False,
    forgetful: bool = False,
) -> Callable[[bytes], bytes]:
    """The rule of a printer that knows these questions; `realtime` has its answer to each n. A `forgetful` one knows
    only the last process ID that it was asked for.
    """

    def answer(data: bytes) -> bytes:
        said = b""
        position = 0
        while position < len(data):
            rest = data[position:]
            if rest[:2] == b"\x10\x04":
                said += bytes([(realtime or {})[rest[2]]]) if rest[2] in (realtime or {}) else b""
                position += 3
            elif rest[:2] == b"\x1dr":
                said += b"\x00" if fence else b""
                position += 3
            elif rest[:3] == b"\x1d(H":
                said = b"" if forgetful else said
                said += b"\x37\x22" + rest[7:11] + b"\0" if echo else b""
                position += 11
            elif rest[:3] == b"\x1dg2":
                said += b"\x5f123\0" if counters else b""
                position += 6
            else:
                position += 1
        return said

    return answer


def session(rule: Callable[[bytes], bytes], cable: Cable | None = None) -> tuple[Session, Answering]:
    """A session over such a link."""
    link = Answering(rule)
    return over(link, cable), link


def over(link: Answering, cable: Cable | None = None) -> Session:
    """A session over a link that is there."""
    return Session(link, SystemClock(), cable or Cable(), lambda: False, lambda _: None, QUICK)


ALL = (1, 2, 3, 4)
WELL = dict.fromkeys(ALL, 0x12)


@pytest.mark.parametrize(
    ("rule", "found"),
    [
        (
            printer(realtime=WELL, echo=True, fence=True, counters=True),
            Capabilities(Tier.PROCESS_ID, ALL, False),
        ),
        (printer(realtime=WELL, echo=True), Capabilities(Tier.PROCESS_ID, ALL, False)),
        (printer(echo=True), Capabilities(Tier.PROCESS_ID, (), False)),
        (printer(realtime=WELL, fence=True), Capabilities(Tier.STATUS, ALL, False)),
        (printer(realtime={1: 0x12, 4: 0x12}, fence=True), Capabilities(Tier.STATUS, (1, 4), False)),
        (printer(fence=True), Capabilities(Tier.STATUS, (), False)),
        (printer(realtime=WELL), Capabilities(Tier.NONE, ALL, False)),
        (printer(), Capabilities(Tier.NONE, (), False)),
    ],
)
def test_what_a_printer_can_prove_is_found_by_asking(rule: Callable[[bytes], bytes], found: Capabilities) -> None:
    """Whatever it answers and whatever it does not."""
    assert session(rule)[0].probe() == found


def test_a_printer_that_knows_only_two_questions_still_tells_that_it_has_no_paper() -> None:
    """Some clones answer DLE EOT 1 and 4 only."""
    here, _ = session(printer(realtime={1: 0x1A, 4: 0x72}, fence=True))
    assert here.probe() is None
    assert here.status.need is Need.PAPER


def test_nothing_can_be_said_of_a_printer_that_waits_for_a_person() -> None:
    """It answers no fence then: to probe it now would find less than it can."""
    here, link = session(printer(realtime={**WELL, 1: 0x1A, 2: 0x16}))
    assert here.probe() is None
    assert here.status.need is Need.COVER
    assert b"\x1d(H" not in link.written


def test_no_ticket_byte_goes_to_a_printer_that_answers_no_fence() -> None:
    """Silence before the first byte: it can be tried again, freely."""
    here, _ = session(printer(realtime=WELL))
    here.capabilities = Capabilities(Tier.PROCESS_ID, ALL, False)
    with pytest.raises(Unavailable):
        here.preflight()


def test_a_stale_status_byte_is_no_answer_to_the_fence_of_a_ticket() -> None:
    """GS r answers carry no name: what came before is thrown away, and only one question is open."""
    late = iter([b"\x00"])
    here, _ = session(lambda data: next(late, b"") if b"stale" in data else b"")
    here.capabilities = Capabilities(Tier.STATUS)
    here._link.write(b"stale", 1)
    assert here.send(b"ticket", TICKET, 1) is None
    assert isinstance(here.settle(), Unknown)


@pytest.mark.parametrize("room", (1, 6, 100))
def test_what_a_socket_takes_at_once_needs_no_second_thread(room: int) -> None:
    """The first half of sending waits for nothing; the second gives the rest, each byte once, and then the word."""
    link = Socket(printer(echo=True), room)
    here = over(link)
    here.capabilities = Capabilities(Tier.PROCESS_ID)
    here.start(b"ticket", TICKET, 1)
    assert len(link.written) == min(room, len(b"ticket") + 11)
    assert here.send_rest() is None
    assert link.written == b"ticket\x1d(H\x06\x0000000A"


def test_a_socket_that_is_gone_is_told_by_the_second_half() -> None:
    """The first half runs where nobody could do anything about it: it raises nothing, and nothing was sent."""
    here = over(Socket(printer(echo=True), 0))
    here.capabilities = Capabilities(Tier.PROCESS_ID)
    here.start(b"ticket", TICKET, 1)
    assert isinstance(here.send_rest(), NotPrinted)


def test_what_a_serial_line_carries_between_two_questions_is_shorter_than_any_start() -> None:
    """0.8 s of it at most, or one row: a printer that lost its power misses one of the questions."""
    here, link = session(printer(echo=True), Cable(1000.0, notices_power_cycle=False))
    here.capabilities = Capabilities(Tier.PROCESS_ID)
    rows = (100, 600, 900, 10, 700, 90, 10, 900)
    assert here.send(b"t" * sum(rows), TICKET, 8, tuple(accumulate(rows))[:-1]) is None
    between = [len(part) for part in re.split(rb"\x1d\(H.{8}", link.written)]
    assert sum(between) == sum(rows)
    assert max(between) == max(rows)


@pytest.mark.parametrize("forgetful", (False, True))
def test_a_head_is_asked_for_where_two_questions_at_once_are_answered(forgetful: bool) -> None:
    """One that knows only the last process ID prints its tickets all the same."""
    here, link = session(printer(echo=True, forgetful=forgetful))
    here.capabilities = Capabilities(Tier.PROCESS_ID)
    assert here.preflight() is None
    assert here.send(b"ticket", TICKET, 1) is None
    assert here.settle() == Confirmed("process_id")
    head = b"\x1d(H\x06\x0000}00A"
    assert link.written.endswith((b"" if forgetful else head) + b"ticket\x1d(H\x06\x0000000A")
    assert (head in link.written) is not forgetful


@pytest.mark.parametrize("tier", [Tier.PROCESS_ID, Tier.STATUS])
def test_a_busy_evening_over_one_link_leaves_no_ticket_in_doubt(tier: Tier) -> None:
    """Thousands of answers over one link: none is forgotten between a ticket's head and its end."""
    here, _ = session(printer(echo=True, fence=True))
    here.capabilities = Capabilities(tier)
    assert here.preflight() is None
    for number in range(3000):
        assert here.send(b"ticket", replace(TICKET, token=f"{number:04}"), 1) is None
        assert here.settle() == Confirmed(tier.name.lower()), number


def test_a_fence_that_came_too_late_answers_for_no_other() -> None:
    """Two at once, and neither in time: what comes afterwards is theirs, and the next has to be answered as well."""
    asked: list[bytes] = []

    def late(data: bytes) -> bytes:
        asked.extend(re.findall(rb"\x1dr", data))
        return b"\x00" * 2 if len(asked) == 4 and data.startswith(b"\x1dr") else b""

    here, _ = session(late)
    here.capabilities = Capabilities(Tier.STATUS)
    for _ in range(2):
        with pytest.raises(Unavailable):
            here.preflight()


def test_a_clone_whose_status_byte_always_says_no_paper_prints_all_the_same() -> None:
    """Its sensors, asked in real time, say that there is some."""
    asked = printer(realtime=WELL, fence=True)
    here, _ = session(lambda data: asked(data).replace(b"\0", b"\x0c"))
    here.capabilities = Capabilities(Tier.STATUS, ALL)
    for _ in range(2):
        assert here.preflight() is None
        assert here.send(b"ticket", TICKET, 1) is None
        assert here.settle() == Confirmed("status")


def test_an_answer_that_was_given_up_excuses_a_crackle_for_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """After that it is lost, and a byte that nobody asked for is one."""
    clock, now = SystemClock(), [1000.0]
    monkeypatch.setattr(clock, "monotonic", lambda: now[0])
    fences = Fences(Noise(clock))
    fences.owed = 30
    assert fences.give_up() == 30
    for at in (1001.0, 1002.0, 1003.0):
        now[0] = at
        fences.came(0)
    assert not fences.noise.crackles
    for at in (4600.0, 4602.0):
        now[0] = at
        fences.came(0)
    assert fences.noise.crackles


def test_each_mark_of_a_long_star_ticket_has_a_name_of_its_own() -> None:
    """Two bytes, and none is a ticket's or a head's."""
    here = StarDialogue(Answering(lambda _: b""), SystemClock(), 1.0)
    marks = [here.question(here.name_mark()) for _ in range(1000)]
    assert len(set(marks)) == 1000
    assert not {mark[-2:] for mark in marks} & {here.question(f"}}{token:03}")[-2:] for token in range(999)}
    assert not [mark for mark in marks if mark[-2:].isalnum() and mark[-2:].upper() == mark[-2:]]


def test_another_tickets_token_is_no_answer() -> None:
    """Only its own token confirms a ticket."""
    here, _ = session(lambda data: b"\x37\x220009\0" if b"ticket" in data else b"")
    here.capabilities = Capabilities(Tier.PROCESS_ID)
    assert here.send(b"ticket", TICKET, 1) is None
    assert isinstance(here.settle(), Unknown)


@pytest.mark.parametrize(
    ("rule", "capabilities", "outcome"),
    [
        (printer(echo=True), Capabilities(Tier.PROCESS_ID), Confirmed("process_id")),
        (printer(fence=True), Capabilities(Tier.STATUS), Confirmed("status")),
        (
            printer(fence=True, realtime={**WELL, 4: 0x72}),
            Capabilities(Tier.STATUS, ALL),
            NeedsHuman(Need.PAPER),
        ),
        (printer(), Capabilities(Tier.NONE), Presumed()),
    ],
)
def test_each_tier_has_its_word(
    rule: Callable[[bytes], bytes], capabilities: Capabilities, outcome: Confirmed | NeedsHuman | Presumed
) -> None:
    """A status fence is only as good as the sensors right after it."""
    here, _ = session(rule)
    here.capabilities = capabilities
    assert here.send(b"ticket", TICKET, 1) is None
    assert here.settle() == outcome


def test_an_answer_that_is_never_ended_is_none() -> None:
    """A printer that begins one and says XOFF for ever: nothing piles up, and what it says next is heard."""
    parser = ReplyParser()
    assert parser.feed(b"\x35" + b"\x13" * 300 + b"A\0") == [Block(b"\x35A")]
    assert parser.feed(b"\x35" + b"\x13" * 500) == []
    assert parser.feed(b"A\0") == [Fence(0)]


@given(
    st.binary(max_size=200)
    | st.lists(st.sampled_from([b"\x35", b"\x13" * 150, b"A", b"\0"]), max_size=20).map(b"".join),
    st.lists(st.integers(1, 20) | st.integers(100, 500), max_size=20),
)
def test_replies_are_the_same_in_whatever_pieces_they_come(data: bytes, cuts: list[int]) -> None:
    """The parser holds no opinion on packets, and no byte makes it fail."""
    whole = ReplyParser().feed(data)
    parser = ReplyParser()
    pieces: list[Reply] = []
    rest = data
    for size in [*cuts, len(data)]:
        pieces += parser.feed(rest[:size])
        rest = rest[size:]
    assert pieces == whole


def test_the_classes_of_replies_are_told_apart() -> None:
    """By their low bits, with a flow control byte within a block."""
    stream = b"\x12\x00\x14\x00\x0c\x0f\x37\x22" + b"00\x130A\0" + b"\x5f42\0\x16"
    assert ReplyParser().feed(stream) == [
        RealTime(0x12),
        Fence(0x00),
        Asb(b"\x14\x00\x0c\x0f"),
        Block(b"\x37\x22000A"),
        Block(b"\x5f42"),
        RealTime(0x16),
    ]


@given(st.integers(0, 255), st.integers(0, 255), st.integers(0, 255), st.integers(0, 255))
def test_a_printer_that_is_offline_always_needs_someone(one: int, two: int, three: int, four: int) -> None:
    """Whatever the other sensors say, offline is never well."""
    if one & 0x08:
        assert status_from_realtime(one, two, three, four).need is not None
        assert status_from_asb(bytes((one, two, three, four))).need is not None


def test_an_answer_that_was_not_believed_is_not_believed_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cover was open while the ticket was printed: its own answer, heard again in the doubt, settles nothing."""
    opened = iter([b"\x3c\x00\x00\x00"])  # automatic status: cover open, offline

    def rule(data: bytes) -> bytes:
        said = printer(realtime=WELL, echo=True)(data)
        return next(opened, b"") + said if b"ticket" in data else said

    monkeypatch.setattr("agent.printers.sending.SLOW_BYTES_PER_S", 0)
    here, _ = session(rule)
    here.capabilities = Capabilities(Tier.PROCESS_ID, ALL)
    assert here.send(b"ticket", TICKET, 1) is None
    outcome = here.settle()
    while isinstance(outcome, NeedsHuman):
        assert here.look() is None
        here.ask_again()
        outcome = here.settle()
    assert isinstance(outcome, Unknown)
    assert not here.heard(TICKET.token)
    assert not here.listen({TICKET.token})


class Stuck(Answering):
    """A link to a printer that knows GS r and nothing else. It is stuck at first; then, once it is asked again, each
    look at the link finds one answer more, the oldest question's first.
    """

    def __init__(self, *, throws_away: bool) -> None:
        super().__init__(self._hear)
        self.stuck, self.owed, self._throws_away, self._speaks = True, 0, throws_away, False

    def _hear(self, data: bytes) -> bytes:
        asked = data.count(b"\x1dr\x01")
        self._speaks = not self.stuck and (self._speaks or asked > 0)
        if not (self.stuck and self._throws_away):
            self.owed += asked
        return b""

    def read(self, max_bytes: int, timeout_s: float) -> bytes:
        """One answer."""
        assert max_bytes > 0
        if not self._speaks or not self.owed or not timeout_s:
            return b""
        self.owed -= 1
        return b"\x00"


@pytest.mark.parametrize("throws_away", [True, False])
def test_who_was_stuck_when_it_was_met_is_believed_once_its_old_answers_are_through(throws_away: bool) -> None:
    """Whether they come late or never: an old one is not taken for a new one's."""
    link = Stuck(throws_away=throws_away)
    session = over(link)
    for _ in range(4):
        found = session.probe()
        assert found is not None
        assert found.tier is Tier.NONE
    link.stuck = False
    found = session.probe()
    assert found is not None
    assert found.tier is Tier.STATUS
    assert link.owed == 0
