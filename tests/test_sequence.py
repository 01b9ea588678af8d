"""Events in any order, any number of times: what the kitchen ends up with is what the newest revision says."""

import contextlib
import json
import tempfile
from collections.abc import Iterator
from datetime import UTC
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.clock import SystemClock
from agent.config import Intake
from agent.intake.consumer import Consumer
from agent.intake.gate import Gate
from agent.intake.sequence import Numbers, Place, Verdict, judge_event, judge_place, judge_revision, note_number
from agent.intake.timekeeper import TimeKeeper
from agent.journal import dismissals, jobs, notes, orders, sequences
from agent.journal.file import Tx
from agent.journal.jobs import Settlement
from agent.journal.store import Journal
from agent.model.command import Dismiss
from agent.model.job import Expected, Job, JobKind, JobState, Mark
from agent.model.station import Match, Station
from agent.model.wire import Delivery

STATIONS = [
    Station(name="wok", printer="kitchen", default=True, copies=2),
    Station(name="drinks", printer="bar", match=Match(category=["热饮"])),
]
WOK, DRINK = {"name": "煎饼", "qty": "1"}, {"name": "豆浆", "qty": "2", "category": "热饮"}
SOURCE = "//orders.example/s421/e1"
A, D, S, C = Verdict.ACCEPT, Verdict.DUPLICATE, Verdict.STALE, Verdict.CONFLICT


@pytest.mark.parametrize(("known", "verdict"), [(None, A), ("same", D), ("other", C)])
def test_event_is_judged_by_its_identity(known: str | None, verdict: Verdict) -> None:
    """The same id with the same content is a duplicate; with other content somebody is wrong, and a person is told."""
    assert judge_event(known, "same") is verdict


REVISIONS = [
    # known (rev, canceled), rev, cancel, what this revision said before, verdict
    (None, 0, False, None, A),
    (None, 5, True, None, A),  # a tombstone
    ((1, False), 2, False, None, A),
    ((1, False), 2, True, None, A),
    ((1, False), 1, True, None, A),  # a cancel at a revision comes after the order at that revision
    ((1, True), 1, False, None, S),
    ((1, True), 2, False, None, A),  # reinstated
    ((3, False), 2, False, None, S),
    ((3, False), 2, True, None, S),
    ((3, True), 2, True, None, S),
    ((3, False), 3, False, "same", D),
    ((3, False), 3, False, "other", C),
    ((3, False), 2, False, "same", D),
    ((3, True), 3, False, "same", D),
    ((3, True), 3, True, "same", D),
    ((3, True), 3, True, "other", D),  # another reason for the same cancel changes nothing
]


@pytest.mark.parametrize(("known", "rev", "cancel", "said", "verdict"), REVISIONS)
def test_revision_is_judged_by_the_newest_one(
    known: tuple[int, bool] | None, rev: int, cancel: bool, said: str | None, verdict: Verdict
) -> None:
    """Revisions rule, not arrival."""
    assert judge_revision(known, rev, cancel, said, "same") is verdict


N, G, L = Place.NEXT, Place.BEHIND_GAP, Place.LATE
PLACES = [
    # sequence, let through up to, lowest that waits, place
    (None, None, None, N),  # nobody counts
    (None, 41, 43, N),
    (7, None, None, N),  # a new source
    (42, 41, None, N),
    (43, 41, None, G),
    (41, 41, None, L),
    (3, 41, 43, L),
    (42, 41, 43, N),  # the one that the others wait for
    (44, 43, 43, G),  # the gap is closed, but others stand before it
    (44, 43, 45, N),
]


@pytest.mark.parametrize(("sequence", "passed", "queued", "place"), PLACES)
def test_place_in_the_counting_is_judged(
    sequence: int | None, passed: int | None, queued: int | None, place: Place
) -> None:
    """What follows a gap waits, what comes after it was given up is late, and nobody overtakes who waits."""
    assert judge_place(sequence, passed, queued) is place


NUMBERS: list[tuple[list[tuple[int, str]], int, tuple[int, ...]]] = [
    # numbers seen, each with its day; the highest, and those that are missing
    ([(41, "a")], 41, ()),
    ([(41, "a"), (43, "a")], 43, (42,)),
    ([(41, "a"), (43, "a"), (42, "a")], 43, ()),
    ([(41, "a"), (45, "a"), (43, "a")], 45, (42, 44)),
    ([(41, "a"), (43, "a"), (43, "a")], 43, (42,)),
    ([(41, "a"), (43, "a"), (40, "a")], 43, (42,)),  # before our time
    ([(41, "a"), (43, "a"), (1, "a")], 1, ()),
    ([(41, "a"), (43, "a"), (2, "b")], 2, ()),
    ([(41, "a"), (43, "a"), (1, "a"), (3, "a")], 3, (2,)),
    ([(41, "a"), (80_000, "a")], 80_000, ()),
]


@pytest.mark.parametrize(("numbers", "last", "missing"), NUMBERS)
def test_daily_numbers_have_no_holes(numbers: list[tuple[int, str]], last: int, missing: tuple[int, ...]) -> None:
    """41, 43: 42 is missing until it comes, or until the counting begins anew."""
    seen: Numbers | None = None
    for number, day in numbers:
        seen = note_number(seen, number, day)
    assert seen == Numbers(numbers[-1][1], last, missing)


@given(st.lists(st.tuples(st.integers(0, 10**9), st.sampled_from("ab"))))
def test_daily_numbers_are_bounded(numbers: list[tuple[int, str]]) -> None:
    """Whatever a platform counts."""
    seen: Numbers | None = None
    for number, day in numbers:
        seen = note_number(seen, number, day)
        assert len(seen.missing) <= 20


# -- the front door over a real ledger ---------------------------------------------------------------------------


def nothing(_tx: Tx) -> None:
    """No work: whoever waits for it knows that everything before it is done."""


class Shop:
    """A consumer over a journal; it notes whom it told, and what the ledger showed to others at that moment."""

    def __init__(self, folder: Path, stations: list[Station]) -> None:
        self.journal = Journal(folder / "journal.db")
        self.reader = self.journal.reader()
        self.acknowledged: list[int] = []
        self.in_ledger: list[bool] = []
        self.woken: list[set[str]] = []
        self.gaps = 0
        self._mid = 0
        self._told = 0
        times = TimeKeeper(SystemClock(), UTC, lambda: False)  # these tests' events are of any year
        self.consumer = Consumer(
            self.journal, stations, "replay", self._acknowledge, self.woken.append, self._notice_gap, times=times
        )

    def send(self, event: dict[str, Any] | bytes, topic: str = "order", retain: bool = False) -> int:
        """Deliver an event, and wait until it is dealt with."""
        self._mid += 1
        payload = event if isinstance(event, bytes) else json.dumps(event).encode()
        self.consumer.receive(Delivery(1, self._mid, topic, payload, 1, retain))
        self.journal.write(nothing)
        self.journal.write(nothing)  # a parked one takes two turns
        return self._mid

    def _acknowledge(self, delivery: Delivery) -> None:
        self.acknowledged.append(delivery.mid)
        with contextlib.closing(self.journal.reader()) as reader:  # each delivery leaves a report, at least
            told = reader.execute("SELECT coalesce(max(pk), 0) FROM outbox").fetchone()[0]
        self.in_ledger.append(told > self._told)
        self._told = told

    def _notice_gap(self) -> None:
        self.gaps += 1

    def ask(self, query: str) -> list[Any]:
        return self.reader.execute(query).fetchall()

    def live(self) -> list[tuple[str, int, str, str | None]]:
        """The tickets that are still to be printed: station, revision, kind, mark."""
        return self.ask("SELECT station, rev, kind, mark FROM jobs WHERE state IN ('pending', 'held') ORDER BY id")

    def reports(self, kind: str = "order.state") -> list[dict[str, Any]]:
        rows = self.ask(f"SELECT body FROM outbox WHERE type = '{kind}' ORDER BY pk")
        return [json.loads(body) for (body,) in rows]


@contextlib.contextmanager
def open_shop(stations: list[Station] = STATIONS, folder: Path | None = None) -> Iterator[Shop]:
    with tempfile.TemporaryDirectory() as made:
        shop = Shop(folder or Path(made), stations)
        shop.journal.start()
        try:
            yield shop
        finally:
            shop.reader.close()
            shop.journal.stop(10)


@pytest.fixture
def shop() -> Iterator[Shop]:
    with open_shop() as shop:
        yield shop


def upsert(rev: int, items: list[Any] | None = None, event_id: str = "", **envelope: object) -> dict[str, Any]:
    order = {"id": "8812", "rev": rev, "channel": "alipay", "no": "42", "items": items or [WOK, DRINK]}
    event = {"specversion": "1.0", "id": event_id or f"u{rev}", "source": SOURCE, "type": "order.upsert"}
    return {**event, **envelope, "data": {"order": order}}


def cancel(rev: int, event_id: str = "", reason: str = "") -> dict[str, Any]:
    data = {"order": {"id": "8812", "rev": rev, "channel": "alipay"}, "reason": reason}
    event = {"specversion": "1.0", "id": event_id or f"c{rev}", "source": SOURCE, "type": "order.cancel"}
    return {**event, "data": data}


MORE = {**WOK, "qty": "3"}
SHARES = {0: [WOK, DRINK], 1: [WOK], 2: [DRINK], 3: [MORE, DRINK], 4: [MORE]}


def event_of(kind: bool, rev: int, again: int) -> dict[str, Any]:
    """Revision `rev`, always with the same content, under its first id or another one."""
    if kind:
        return cancel(rev, f"c{rev}.{again}")
    return upsert(rev, SHARES[rev], f"u{rev}.{again}")


def cooked(station: str, rev: int) -> list[Any]:
    """What this station makes of a revision."""
    return [dish for dish in SHARES[rev] if ("category" in dish) is (station == "drinks")]


EVENTS = st.tuples(st.booleans(), st.integers(0, 4), st.integers(0, 1))


@settings(max_examples=40, deadline=None)
@given(st.lists(EVENTS, min_size=1, max_size=10))
def test_newest_revision_wins_in_any_order(events: list[tuple[bool, int, int]]) -> None:
    """Shuffled, repeated, under new ids: the newest revision is known, nothing older waits to be printed, and there is
    one set of tickets. Each delivery is acknowledged once, when it is in the ledger.
    """
    with open_shop() as shop:
        newest = (-1, False)
        for kind, rev, again in events:
            shop.send(event_of(kind, rev, again))
            newest = max(newest, (rev, kind))
            stations = {0: ["wok", "wok", "drinks"], 1: ["wok", "wok"], 2: ["drinks"]}[newest[0] % 3]
            assert shop.ask("SELECT rev, canceled FROM orders") == [newest]
            expected = [] if newest[1] else [(station, newest[0], "order", None) for station in stations]
            assert shop.live() == expected
        assert shop.acknowledged == list(range(1, len(events) + 1))
        assert all(shop.in_ledger)


class Paper:
    """A kitchen with a printer for each station: what is on paper, by station, oldest first."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self.slips: dict[str, list[tuple[int, str, str | None]]] = {"wok": [], "drinks": []}

    def print_next(self, printer: str, outcome: str) -> bool:
        """One attempt. `lost` and `perhaps` both leave a doubt; only one of them left paper."""
        write = self._shop.journal.write
        job = write(lambda tx: jobs.next_pending(tx, printer))
        if job is None:
            return False
        number = write(lambda tx: jobs.running_number(tx, job, "day"))
        numbered = Job(**{**{name: getattr(job, name) for name in Job.__struct_fields__}, "number": number})
        assert write(lambda tx: jobs.claim(tx, numbered, printer, "day", Expected(10, 12, 1), None)) is not None
        if outcome in ("confirmed", "perhaps"):
            self.slips[job.station].append((job.rev, job.kind, job.mark))
        self.pending = (job.id, printer, outcome)
        return True

    def settle(self) -> None:
        """The word on the attempt under way, after whatever came in between."""
        _, printer, outcome = self.pending
        settlement = {
            "confirmed": Settlement(JobState.COMPLETED, "confirmed"),
            "not_printed": Settlement(JobState.PENDING, reason="certainly not printed"),
            "lost": Settlement(JobState.PENDING, mark=Mark.POSSIBLE_DUPLICATE),
            "perhaps": Settlement(JobState.PENDING, mark=Mark.POSSIBLE_DUPLICATE),
        }[outcome]

        def work(tx: Tx) -> None:
            (job,) = jobs.in_flight(tx, printer)
            jobs.settle(tx, job, settlement)

        self._shop.journal.write(work)


ATTEMPTS = st.tuples(
    st.sampled_from(["kitchen", "bar"]), st.sampled_from(["confirmed", "not_printed", "lost", "perhaps"]), EVENTS
)


@settings(max_examples=60, deadline=None)
@given(st.lists(EVENTS | ATTEMPTS, min_size=1, max_size=14))
def test_paper_ends_with_the_newest_revision(steps: list[Any]) -> None:
    """Whatever came before, between and during the printing: no station's paper goes back to an older revision, repeats
    are marked, and the last slip at each station is the newest revision, or says that it is off.
    """
    with open_shop() as shop:
        paper = Paper(shop)
        newest = (-1, False)
        for step in steps:
            printing = isinstance(step[0], str) and paper.print_next(step[0], step[1])
            kind, rev, again = step[2] if isinstance(step[0], str) else step
            shop.send(event_of(kind, rev, again))
            newest = max(newest, (rev, kind))
            if printing:
                paper.settle()
        for printer in ("kitchen", "bar"):
            while paper.print_next(printer, "confirmed"):
                paper.settle()
        wanted = set() if newest[1] else {0: {"wok", "drinks"}, 1: {"wok"}, 2: {"drinks"}}[newest[0] % 3]
        for station, slips in paper.slips.items():
            assert [rev for rev, _, _ in slips] == sorted(rev for rev, _, _ in slips)
            if station in wanted:
                assert cooked(station, slips[-1][0]) == cooked(station, newest[0])
                assert slips[-1][1] != JobKind.CANCEL
            elif slips:
                assert slips[-1][1] == JobKind.CANCEL
            copies = 2 if station == "wok" else 1
            for slip in slips:
                unmarked = [other for other in slips if other[:2] == slip[:2] and other[2] is None]
                assert len(unmarked) <= copies
        state = "canceled" if newest[1] else "printed"
        assert shop.ask("SELECT state FROM orders") == [(state,)]
        closing = [report for report in shop.reports() if report["state"] in ("printed", "canceled")]
        assert closing[-1]["rev"] == newest[0]
        assert not [pair for pair in pairwise(closing) if pair[0] == pair[1]]


# -- single rules ------------------------------------------------------------------------------------------------


def test_accepted_order_wakes_its_printers(shop: Shop) -> None:
    """The printers that have a ticket are woken, no others; then the cloud is told."""
    shop.send(upsert(1, [DRINK]))
    assert shop.woken == [{"bar"}]
    assert [report["state"] for report in shop.reports()] == ["accepted"]


def test_duplicate_is_answered_with_the_present_state(shop: Shop) -> None:
    """Who sends an order twice learns what became of it; nothing is printed for it."""
    for event_id in ("u1", "u1", "other"):
        shop.send(upsert(1, event_id=event_id))
    assert [(report["state"], report.get("current", "")) for report in shop.reports()] == [
        ("accepted", ""),
        ("duplicate", "accepted"),
        ("duplicate", "accepted"),
    ]
    assert len(shop.live()) == 3


def test_rubbish_leaves_no_more_reports_than_wait_already(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker sends what nobody can read, and takes no report: that fills no disk. Orders are told as ever."""
    monkeypatch.setattr(notes, "MOST_WITH_REMARKS", 5)
    for number in range(20):
        shop.send(b"rubbish %d" % number)
    shop.send(upsert(1, [DRINK]))
    assert len(shop.reports("event.rejected")) <= 6
    assert [report["state"] for report in shop.reports()] == ["accepted"]


def test_a_number_of_the_day_that_goes_on_and_on_is_told_short(shop: Shop) -> None:
    """It stands in each report, and a report that no broker takes would stand before all others."""
    event = upsert(1, [DRINK])
    event["data"]["order"]["no"] = "9" * 60_000
    shop.send(event)
    assert [len(report["order"]["no"]) for report in shop.reports()] == [200]


@pytest.mark.parametrize("source", ["", "x" * 501])
def test_the_end_of_a_replay_names_a_source_as_events_do(shop: Shop, source: str) -> None:
    """Else it would stand in each request and each beat."""
    end = {"source": source, "from": 1, "to": 2, "head": 2, "unavailable": [1]}
    shop.send(end, topic="replay")
    assert shop.ask("SELECT count(*) FROM cursors") == [(0,)]
    assert shop.ask("SELECT count(*) FROM parked") == [(1,)]


@pytest.mark.parametrize("event_id", ["u1", "another"])
def test_same_revision_with_other_content_is_parked(shop: Shop, event_id: str) -> None:
    """Two contents of one revision, or of one event id: nobody knows which is right, so that a person is asked."""
    shop.send(upsert(1))
    shop.send(upsert(1, [WOK], event_id=event_id))
    assert [(station, rev) for station, rev, _, _ in shop.live()] == [("wok", 1), ("wok", 1), ("drinks", 1)]
    assert shop.ask("SELECT path FROM parked") == [("$.id" if event_id == "u1" else "$.data.order.rev",)]
    assert "parked" in notes.alarms(shop.reader)
    assert shop.acknowledged == [1, 2]


def test_same_id_for_an_order_and_its_cancel_is_parked(shop: Shop) -> None:
    """An event id belongs to one content, whatever its type."""
    shop.send(upsert(1, event_id="x"))
    shop.send(cancel(2, event_id="x"))
    assert len(shop.live()) == 3
    assert len(shop.ask("SELECT * FROM parked")) == 1


def test_other_channel_is_another_order(shop: Shop) -> None:
    """Two platforms may use the same number."""
    shop.send(upsert(1, [DRINK]))
    other = upsert(1, [DRINK], event_id="m1")
    other["data"]["order"]["channel"] = "meituan"
    shop.send(other)
    assert len(shop.live()) == 2


@pytest.mark.parametrize("payload", [b"", b"{", b"\xff", b'{"a":"\\ud800"}', b"x" * 300_000])
def test_unreadable_event_is_parked_once(shop: Shop, payload: bytes) -> None:
    """Acknowledged, else the broker sends it for ever; kept with its bytes, reported each time, the alarm is up."""
    shop.send(payload)
    shop.send(payload)
    assert shop.acknowledged == [1, 2]
    assert shop.ask("SELECT payload FROM parked") == [(payload[: 256 * 1024],)]
    assert len(shop.reports("event.rejected")) == 2
    assert [report["state"] for report in shop.reports("alarm")] == ["raised"]


def test_flood_of_unreadable_events_does_not_fill_the_disk(shop: Shop) -> None:
    """A thousand are kept whole, of further ones the beginning."""
    add = "INSERT INTO parked (topic, payload, digest, path, reason, received_at) VALUES ('', '', ?, '', '', '')"
    shop.journal.write(lambda tx: tx.executemany(add, [(str(number),) for number in range(orders.KEEP_WHOLE)]))
    shop.send(b"x" * 5000)
    assert shop.ask("SELECT length(payload) FROM parked ORDER BY pk DESC LIMIT 1") == [(1024,)]


def test_fault_of_ours_parks_the_event(shop: Shop) -> None:
    """An order that our own code can't take in keeps nothing else from coming; a person is told."""
    broken = Consumer(shop.journal, [], "replay", shop._acknowledge, shop.woken.append, shop._notice_gap)
    broken.receive(Delivery(1, 7, "order", json.dumps(upsert(1)).encode(), 1, False))
    shop.journal.write(nothing)
    shop.journal.write(nothing)
    assert shop.acknowledged == [7]
    assert shop.ask("SELECT count(*) FROM events") == [(0,)]
    assert "ValueError" in notes.alarms(shop.reader)["parked"]
    shop.send(upsert(2))
    assert len(shop.live()) == 3


@pytest.mark.parametrize("topic", ["order", "replay"])
def test_retained_message_is_no_order(shop: Shop, topic: str) -> None:
    """A broker hands out a retained message at every connection, perhaps for years: reported, never printed."""
    shop.send(upsert(1), topic, retain=True)
    assert shop.live() == []
    assert len(shop.reports("event.rejected")) == 1
    assert shop.acknowledged == [1]


def test_ping_is_answered_and_not_printed(shop: Shop) -> None:
    """The canary goes through the ledger and back."""
    ping = {"specversion": "1.0", "id": "p1", "source": SOURCE, "type": "ping"}
    shop.send(ping)
    shop.send(ping)
    assert shop.reports("pong") == [{"event": "p1"}, {"event": "p1"}]
    assert shop.live() == []


def test_station_without_a_printer_raises_the_alarm() -> None:
    """Its ticket waits in the ledger; somebody must write a printer into the configuration."""
    with open_shop([Station(name="wok", default=True)]) as shop:
        shop.send(upsert(1))
        assert "no_printer" in notes.alarms(shop.reader)
        assert len(shop.live()) == 1


# -- the cloud's counting ----------------------------------------------------------------------------------------


def counted(sequence: int, source: str = SOURCE) -> dict[str, Any]:
    """A ping with a place in the sequence."""
    ping = {"specversion": "1.0", "id": f"p{sequence}", "source": source, "type": "ping"}
    return {**ping, "sequence": f"{sequence:020}"}


def replay_end(first: int, last: int, head: int, unavailable: list[int] | None = None) -> dict[str, Any]:
    return {"source": SOURCE, "from": first, "to": last, "head": head, "unavailable": unavailable or []}


@settings(max_examples=40, deadline=None)
@given(st.permutations(range(1, 9)), st.lists(st.integers(1, 8), max_size=4))
def test_counting_closes_up_in_any_order(order: list[int], again: list[int]) -> None:
    """The cursor stands before the first number that is missing, and nothing is left over when all have come."""
    with open_shop() as shop:
        shop.send(counted(0))
        come = {0}
        for sequence in [*order[:4], *again, *order[4:], *again]:
            shop.send(counted(sequence))
            come.add(sequence)
            last = next(number for number in range(10) if number not in come) - 1
            assert sequences.cursors(shop.reader) == {SOURCE: last}
        assert shop.ask("SELECT * FROM ahead") == []


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 12), st.sampled_from(["come", "come", "come", "give up"])), max_size=25),
    st.booleans(),
)
def test_what_was_let_through_never_goes_back(steps: list[tuple[int, str]], skip: bool) -> None:
    """However numbers come and gaps are given up: the cursor stands before the first that is missing, what was let
    through reaches at least as far, ends before one that is missing, and nothing is kept that is behind the cursor.
    """
    with open_shop() as shop:
        write = shop.journal.write
        write(lambda tx: sequences.note(tx, SOURCE, 0))
        come, given_up = {0}, 0
        for number, what in steps:
            if what == "come":
                write(partial(sequences.note, source=SOURCE, sequence=number))
                come.add(number)
            elif number in come:
                missing = write(partial(sequences.pass_over, source=SOURCE, sequence=number))
                assert bool(missing) == bool(set(range(given_up + 1, number)) - come)
            elif skip:
                write(partial(sequences.skip_to, source=SOURCE, sequence=number))
                come |= set(range(number + 1))
            passed = write(partial(sequences.passed, source=SOURCE))
            assert passed is not None
            last = next(number for number in range(20) if number not in come) - 1
            assert sequences.cursors(shop.reader) == {SOURCE: last}
            assert passed >= max(last, given_up)
            assert passed + 1 not in come
            assert {sequence for _, sequence in shop.ask("SELECT * FROM ahead")} == {n for n in come if n > last}
            given_up = passed


def test_gap_is_noticed(shop: Shop) -> None:
    """The first number ever seen starts the counting; a gap after it is asked for, a new source is none."""
    for sequence in (41, 42, 44):
        shop.send(counted(sequence))
    assert shop.gaps == 1
    shop.send(counted(7, SOURCE + "2"))
    assert shop.gaps == 1


def test_parked_event_is_no_gap(shop: Shop) -> None:
    """An event that can't be read came nevertheless: asking for it again would not mend it."""
    shop.send(counted(1))
    shop.send({**upsert(1, sequence=2), "data": {}})
    shop.send(counted(3))
    assert (shop.gaps, sequences.cursors(shop.reader)) == (0, {SOURCE: 3})


def test_what_the_cloud_no_longer_has_is_told(shop: Shop) -> None:
    """The counting goes on without it, and the alarm stays up."""
    for sequence in (1, 4):
        shop.send(counted(sequence))
    shop.send(replay_end(2, 4, 4, [2, 3]), "replay")
    assert sequences.cursors(shop.reader) == {SOURCE: 4}
    assert "[2, 3]" in notes.alarms(shop.reader)[f"missing:{SOURCE}"]
    assert shop.gaps == 1  # only the 4


def test_hole_that_a_replay_left_is_asked_for_once_more(shop: Shop) -> None:
    """Asked for twice and not come: a person is told and the counting goes on; when it comes after all it is taken."""
    for sequence in (1, 4):
        shop.send(counted(sequence))
    shop.send(replay_end(2, 4, 4), "replay")
    assert (shop.gaps, notes.alarms(shop.reader)) == (2, {})
    shop.send(replay_end(2, 4, 4), "replay")
    assert shop.gaps == 2
    assert "events 2 to 3" in notes.alarms(shop.reader)[f"missing:{SOURCE}"]
    assert sequences.cursors(shop.reader) == {SOURCE: 4}
    shop.send(upsert(1, sequence=3), "replay")
    assert len(shop.live()) == 3


def test_lost_tail_is_seen_at_the_end_of_a_replay(shop: Shop) -> None:
    """The cloud's newest number is past ours: ask again."""
    shop.send(counted(1))
    shop.send(replay_end(2, 1, 3), "replay")
    assert shop.gaps == 1
    shop.send(counted(2))
    shop.send(counted(3))
    shop.send(replay_end(4, 3, 3), "replay")
    assert (shop.gaps, notes.alarms(shop.reader)) == (1, {})


BAD_ENDS = [replay_end(1, 2**70, 1), replay_end(1, 1, 1, [2**64]), {**replay_end(1, 1, 1), "to": "x"}]


@pytest.mark.parametrize("end", [*BAD_ENDS, replay_end(-5, 1, 1)])
def test_senseless_end_of_a_replay_is_parked(shop: Shop, end: dict[str, Any]) -> None:
    """Numbers that no ledger holds do no harm."""
    shop.send(counted(1))
    shop.send(end, "replay")
    assert len(shop.ask("SELECT * FROM parked")) == 1
    assert sequences.cursors(shop.reader) == {SOURCE: 1}


def test_end_of_a_replay_of_an_unknown_source_is_ignored(shop: Shop) -> None:
    """Its counting has not begun for us: nothing is missing."""
    shop.send(replay_end(1, 900, 900), "replay")
    assert (shop.gaps, notes.alarms(shop.reader), sequences.cursors(shop.reader)) == (0, {}, {})


def test_thousands_behind_a_gap_cost_nothing_more(shop: Shop) -> None:
    """Filling a gap one by one looks only at the next number, not at all that wait behind it."""

    def work(tx: Tx) -> int:
        sequences.note(tx, SOURCE, 1)
        tx.executemany("INSERT INTO ahead VALUES (?, ?)", [(SOURCE, number) for number in range(5001, 25_001)])
        steps = [0]

        def count() -> int:
            steps[0] += 1
            return 0

        tx.set_progress_handler(count, 100)
        for sequence in range(2, 5000):
            sequences.note(tx, SOURCE, sequence)
        tx.set_progress_handler(None, 0)
        sequences.note(tx, SOURCE, 5000)
        return steps[0]

    assert shop.journal.write(work) < 10_000
    assert sequences.cursors(shop.reader) == {SOURCE: 25_000}


# -- after a journal was lost ------------------------------------------------------------------------------------


@pytest.fixture
def rebuilt_shop(tmp_path: Path) -> Iterator[Shop]:
    """Its journal was broken and is new."""
    (tmp_path / "journal.db").write_bytes(b"garbage" * 1000)
    with open_shop(folder=tmp_path) as shop:
        yield shop


TOLD = [
    ("2020-01-01T00:00:00Z", "order", True),
    ("2020-01-01T00:00:00", "order", True),
    ("2999-01-01T00:00:00Z", "order", False),
    ("2999-01-01T00:00:00Z", "replay", True),
    (None, "replay", True),
    (None, "order", True),  # nobody knows
]


@pytest.mark.parametrize(("told_at", "topic", "marked"), TOLD)
def test_order_from_before_the_rebuild_is_marked(rebuilt_shop: Shop, told_at: object, topic: str, marked: bool) -> None:
    """The journal that is gone may have printed it: it is printed, with the banner."""
    rebuilt_shop.send(upsert(1, [DRINK], time=told_at), topic)
    mark = "journal_rebuilt" if marked else None
    assert rebuilt_shop.live() == [("drinks", 1, "order", mark)]


def let_go(shop: Shop) -> None:
    """What need not wait any longer becomes tickets."""
    gate = Gate(shop.journal, STATIONS, Intake(), TimeKeeper(SystemClock(), UTC, lambda: False))
    shop.journal.write(lambda tx: gate.let_go(tx, None))


def ready_made(event_id: str, sequence: int, **more: Any) -> dict[str, Any]:
    raw = {"dialect": "feie", "content": "hello<BR>", "station": "drinks"}
    told = {"id": event_id, "type": "print.raw", "data": {"raw": raw}, "sequence": f"{sequence:020}"}
    return {**upsert(1), **told, **more}


@pytest.mark.parametrize(("told_at", "topic", "marked"), TOLD)
def test_ready_made_content_from_before_the_rebuild_is_marked(
    rebuilt_shop: Shop, told_at: object, topic: str, marked: bool
) -> None:
    """It may be on paper as well as any order."""
    rebuilt_shop.send(ready_made("r1", 1, time=told_at), topic)
    assert rebuilt_shop.live() == [("drinks", 0, "raw", "journal_rebuilt" if marked else None)]


def test_ready_made_content_that_waited_keeps_its_mark(rebuilt_shop: Shop) -> None:
    """Behind a gap it waits; when the gap is filled, it is still from before."""
    rebuilt_shop.send(ready_made("r2", 2, time=None), "replay")
    assert rebuilt_shop.live() == []
    rebuilt_shop.send(ready_made("r1", 1, time=None), "replay")
    let_go(rebuilt_shop)
    assert [mark for *_, mark in rebuilt_shop.live()] == ["journal_rebuilt", "journal_rebuilt"]


def test_what_waits_and_may_be_on_paper_is_taken_back(rebuilt_shop: Shop) -> None:
    """The journal that is gone may have printed it; here it waits behind a gap when its cancel comes."""
    rebuilt_shop.send({**upsert(1, [DRINK]), "sequence": f"{5:020}"}, "replay")
    assert rebuilt_shop.live() == []
    rebuilt_shop.send({**cancel(1), "sequence": f"{6:020}"}, "replay")
    live = [(station, kind, mark) for station, _, kind, mark in rebuilt_shop.live()]
    assert live == [("drinks", "cancel", "journal_rebuilt")], "it may be on paper already, too"


def test_what_waits_and_may_be_on_paper_is_taken_back_where_a_revision_drops_it(rebuilt_shop: Shop) -> None:
    """The station whose part is gone by the time it is let go."""
    rebuilt_shop.send({**upsert(1, [WOK, DRINK]), "sequence": f"{5:020}"}, "replay")
    rebuilt_shop.send({**upsert(2, [WOK]), "sequence": f"{6:020}"}, "replay")
    assert rebuilt_shop.live() == []
    rebuilt_shop.journal.write(lambda tx: tx.execute("UPDATE waits SET why = 'freed'").rowcount)
    let_go(rebuilt_shop)
    live = {(station, kind, mark) for station, _, kind, mark in rebuilt_shop.live()}
    assert live == {("wok", "order", "journal_rebuilt"), ("drinks", "cancel", "journal_rebuilt")}


def test_what_is_taken_back_unseen_has_its_number_and_is_not_off_yet(rebuilt_shop: Shop) -> None:
    """The journal that is gone may have printed it: it is off once its voids are on paper, and they bear its number."""
    rebuilt_shop.send(cancel(1), "replay")
    rebuilt_shop.send(upsert(1, [DRINK]), "replay")
    assert [kind for _, _, kind, _ in rebuilt_shop.live()] == ["cancel"]
    assert rebuilt_shop.ask("SELECT number, state, canceled FROM orders") == [("42", "accepted", 1)]


def replay_begin(first: int, had: int) -> dict[str, Any]:
    return {"source": SOURCE, "from": first, "had": had}


def test_what_the_disk_forgot_is_marked(shop: Shop) -> None:
    """The cloud was told of 9, and 8 is the newest here: what comes again up to 9 is marked; so is what waits, whose
    printing may be forgotten too; what is newer is news.
    """
    shop.send({**upsert(1, [DRINK]), "sequence": f"{8:020}"})
    shop.send(replay_begin(9, 9), "replay")
    assert shop.live() == [("drinks", 1, "order", "journal_rebuilt")]
    again = {"order": {**upsert(1, [DRINK])["data"]["order"], "id": "8813"}}
    shop.send({**upsert(1, event_id="u9"), "data": again, "sequence": f"{9:020}"}, "replay")
    news = {"order": {**upsert(1, [DRINK])["data"]["order"], "id": "8814"}}
    shop.send({**upsert(1, event_id="u10"), "data": news, "sequence": f"{10:020}"})
    assert [mark for *_, mark in shop.live()] == ["journal_rebuilt", "journal_rebuilt", None]
    assert "card" in shop.journal.write(notes.alarms)


def test_a_second_loss_is_found_out_after_the_first_was_dismissed(shop: Shop) -> None:
    """The cloud's number is the same, and everything had come again in between: the card forgot once more."""
    shop.send(counted(8))
    shop.send(replay_begin(9, 9), "replay")
    assert "card" in shop.journal.write(notes.alarms)
    shop.send(counted(9), "replay")
    shop.send({"source": SOURCE, "from": 9, "to": 9, "head": 9}, "replay")
    shop.journal.write(lambda tx: dismissals.dismiss(tx, Dismiss("card")))
    shop.send(replay_begin(9, 9), "replay")
    assert "card" not in shop.journal.write(notes.alarms)
    shop.journal.write(lambda tx: tx.execute("UPDATE cursors SET last = 8").rowcount)
    shop.send(replay_begin(9, 9), "replay")
    assert "card" in shop.journal.write(notes.alarms)


def test_a_disk_that_forgot_nothing_is_not_accused(shop: Shop) -> None:
    """What is here, though something before it is missing, was not forgotten."""
    for sequence in (6, 9):
        shop.send(counted(sequence))
    for had in (6, 9):
        shop.send(replay_begin(7, had), "replay")
    assert "card" not in shop.journal.write(notes.alarms)


def test_after_a_rebuild_everything_before_is_missing(rebuilt_shop: Shop) -> None:
    """The first number that is seen is not where the counting starts: the orders before it are asked for."""
    rebuilt_shop.send(counted(3))
    assert (rebuilt_shop.gaps, sequences.cursors(rebuilt_shop.reader)) == (1, {SOURCE: 0})
    for sequence in (1, 2):
        rebuilt_shop.send(counted(sequence), "replay")
    assert sequences.cursors(rebuilt_shop.reader) == {SOURCE: 3}
