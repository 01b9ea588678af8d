"""Tickets on their way: what may follow on what, what is reported, and what a repeated ticket keeps."""

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.errors import IllegalTransition
from agent.journal import closing, forgotten, jobs, notes, routes, sequences
from agent.journal.file import Tx
from agent.journal.jobs import NewJob, Settlement
from agent.journal.store import Journal
from agent.journal.told import told
from agent.model.job import TRANSITIONS, Expected, Intent, Job, JobKind, JobState, Mark, token

S = JobState
DAY = "2026-11-22"


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journal]:
    """One file for all; each test works in a transaction that is undone."""
    journal = Journal(tmp_path_factory.mktemp("jobs") / "journal.db")
    yield journal
    journal.stop(5)


@pytest.fixture
def tx(journal: Journal) -> Iterator[Tx]:
    connection = journal._connection
    connection.execute("BEGIN IMMEDIATE")
    yield connection
    connection.execute("ROLLBACK")


def enter_order(tx: Tx, rev: int = 1, order_id: str = "8812") -> int:
    """An order, or its next revision; returns its key."""
    known = tx.execute("SELECT pk FROM orders WHERE order_id = ?", (order_id,)).fetchone()
    if known is None:
        sql = "INSERT INTO orders VALUES (NULL, 'alipay', ?, '42', ?, 0, 'accepted')"
        return tx.execute(sql, (order_id, rev)).lastrowid or 0
    tx.execute("UPDATE orders SET rev = ? WHERE pk = ?", (rev, known[0]))
    return int(known[0])


def enter(tx: Tx, *new: NewJob, rev: int = 1, order_id: str = "8812") -> int:
    """Tickets of a revision; returns the order's key."""
    order = enter_order(tx, rev, order_id)
    event_id = tx.execute("SELECT count(*) FROM events").fetchone()[0]
    sql = "INSERT INTO events VALUES (NULL, 's', ?, '', ?, ?, 'upsert', x'7b7d', '')"
    event = tx.execute(sql, (str(event_id), order, rev)).lastrowid or 0
    jobs.add_jobs(tx, order, event, rev, list(new or [ticket()]))
    return order


def ticket(station: str = "wok", printer: str = "kitchen", kind: JobKind = JobKind.ORDER, copy: int = 1) -> NewJob:
    return NewJob(station, printer, kind, b"{}", copy)


def pending(tx: Tx, printer: str = "kitchen", day: str = DAY) -> Job:
    """The next ticket, with its running number, as a worker prepares it."""
    job = jobs.next_pending(tx, printer)
    assert job is not None
    return msgspec.structs.replace(job, number=jobs.running_number(tx, job, day))


CONFIGURED = {"new", "bar", "kitchen"}


def claim(tx: Tx, job: Job, day: str = DAY) -> Intent | None:
    claimed = jobs.claim(tx, job, job.home, day, Expected(10, 12, 1), None)
    return None if claimed is None else claimed[1]


def one_in_flight(tx: Tx, printer: str) -> Job | None:
    """The only ticket that this printer has."""
    found = jobs.in_flight(tx, printer)
    assert len(found) < 2
    return found[0] if found else None


def under_way(tx: Tx, printer: str = "kitchen") -> Job:
    assert claim(tx, pending(tx, printer)) is not None
    job = one_in_flight(tx, printer)
    assert job is not None
    return job


def states(tx: Tx) -> list[str]:
    return [state for (state,) in tx.execute("SELECT state FROM jobs ORDER BY id")]


def reports(tx: Tx, kind: str) -> list[dict[str, Any]]:
    rows = tx.execute("SELECT body FROM outbox WHERE type = ? ORDER BY pk", (kind,))
    return [json.loads(body) for (body,) in rows]


def in_state(tx: Tx, state: JobState) -> Job:
    """A ticket in a state, brought there by legal moves."""
    enter(tx)
    job = pending(tx)
    if state in (S.ABORTED, S.HELD):
        jobs.settle(tx, job, Settlement(state))
    elif state is S.CANCELED:
        jobs.withdraw(tx, job.order_pk or 0, "")
    elif state is not S.PENDING:
        job = under_way(tx)
        if state is not S.PROCESSING:
            jobs.settle(tx, job, Settlement(state, keep_intent=state is S.UNCONFIRMED))
    return msgspec.structs.replace(job, state=state)


COMPLETED = Settlement(S.COMPLETED, "confirmed", "its token came back")
DOUBT = Settlement(S.UNCONFIRMED, reason="silent", keep_intent=True)
AGAIN = Settlement(S.PENDING, reason="certainly not printed")
REPRINT = Settlement(S.PENDING, reason="perhaps printed", mark=Mark.POSSIBLE_DUPLICATE)


@pytest.mark.parametrize("new", S)
@pytest.mark.parametrize("old", S)
def test_settling_obeys_the_table_of_transitions(tx: Tx, old: JobState, new: JobState) -> None:
    """Every pair of states: a move that the table knows is made, any other raises. To stay held or in doubt is none."""
    job = in_state(tx, old)
    if new in TRANSITIONS[old] or old is new in (S.HELD, S.UNCONFIRMED):
        assert jobs.settle(tx, job, Settlement(new)) is new
        assert states(tx) == [new]
    else:
        with pytest.raises(IllegalTransition):
            jobs.settle(tx, job, Settlement(new))


@pytest.mark.parametrize("outcome", [S.HELD, S.ABORTED])
def test_ticket_withdrawn_meanwhile_is_left_alone(tx: Tx, outcome: JobState) -> None:
    """A worker that read a ticket just before an amendment withdrew it has nothing to settle, and goes on."""
    order = enter(tx)
    job = pending(tx)
    jobs.withdraw(tx, order, "replaced")
    assert jobs.settle(tx, job, Settlement(outcome)) is S.CANCELED
    jobs.hold(tx, job, "paper_out")
    assert states(tx) == ["canceled"]
    assert claim(tx, job) is None


def test_oldest_ticket_of_the_printer_is_next(tx: Tx) -> None:
    """One station's tickets come out in order; held ones wait, other printers' are not seen."""
    enter(tx, ticket(printer="bar"), ticket("a"), ticket("b"))
    assert pending(tx).station == "a"
    jobs.hold(tx, pending(tx), "paper_out")
    assert pending(tx).station == "b"
    jobs.release(tx, "kitchen")
    assert pending(tx).station == "a"


def test_intent_is_kept_until_the_doubt_is_settled(tx: Tx) -> None:
    """The printer's one ticket in doubt is found again after a crash, with all that was known before its first byte."""
    enter(tx)
    job = under_way(tx)
    assert (job.state, job.attempt, job.number) == (S.PROCESSING, 1, 1)
    assert job.intent is not None
    assert job.intent == Intent(job.intent.token, 10, 12, 1, None)
    assert len(job.intent.token) == 4
    jobs.settle(tx, job, DOUBT)
    assert one_in_flight(tx, "kitchen") is not None
    jobs.settle(tx, job, COMPLETED)
    assert one_in_flight(tx, "kitchen") is None


def test_held_ticket_in_the_printer_is_not_released(tx: Tx) -> None:
    """What the printer has in its buffer goes on when it is well; only what was never sent goes back into the queue."""
    enter(tx, ticket("a"), ticket("b"))
    jobs.settle(tx, under_way(tx), Settlement(S.HELD, keep_intent=True))
    jobs.hold(tx, pending(tx), "paper_out")
    jobs.release(tx, "kitchen")
    assert states(tx) == ["held", "pending"]


# -- numbers -----------------------------------------------------------------------------------------------------


def test_every_attempt_has_a_token_of_its_own(tx: Tx) -> None:
    """An answer that comes late belongs to its own attempt: no two share a token, on any printer."""
    enter(tx, ticket("a"), ticket("b", "bar"))
    tokens = []
    for printer in ("kitchen", "bar", "kitchen", "kitchen"):
        job = under_way(tx, printer)
        assert job.intent is not None
        tokens.append(job.intent.token)
        jobs.settle(tx, job, AGAIN)
    assert len(set(tokens)) == 4


def test_running_numbers_have_no_gap(tx: Tx) -> None:
    """Each station counts its own; a ticket has its number from its first byte and keeps it when it is repeated."""
    for number in range(3):
        enter(tx, order_id=str(number))
    enter(tx, ticket("drinks"), order_id="d")
    numbers = []
    for outcome in (AGAIN, COMPLETED, REPRINT, COMPLETED, COMPLETED, COMPLETED):
        job = under_way(tx)
        numbers.append((job.station, job.number))
        jobs.settle(tx, job, outcome)
    assert numbers == [("wok", 1), ("wok", 1), ("wok", 2), ("wok", 2), ("wok", 3), ("drinks", 1)]


def test_repeat_on_another_day_disturbs_no_number(tx: Tx) -> None:
    """Yesterday's ticket keeps yesterday's number, and today's counting starts with 1."""
    for number in range(3):
        enter(tx, order_id=str(number))
    for _ in range(2):
        jobs.settle(tx, under_way(tx), COMPLETED)
    jobs.settle(tx, under_way(tx), REPRINT)
    enter(tx, order_id="today")
    again = pending(tx, day="2026-11-23")
    assert again.number == 3
    assert claim(tx, again, "2026-11-23") is not None
    jobs.settle(tx, again_under_way(tx), COMPLETED)
    assert pending(tx, day="2026-11-23").number == 1


def again_under_way(tx: Tx) -> Job:
    job = one_in_flight(tx, "kitchen")
    assert job is not None
    return job


def test_number_that_was_given_meanwhile_is_not_given_twice(tx: Tx) -> None:
    """Two printers may have a ticket of one station for a while: whoever rendered an old number renders again."""
    enter(tx, ticket("wok", "kitchen"), ticket("wok", "bar"))
    first, second = pending(tx, "kitchen"), pending(tx, "bar")
    assert claim(tx, first) is not None
    assert claim(tx, second) is None
    assert claim(tx, pending(tx, "bar")) is not None
    assert tx.execute("SELECT number FROM jobs ORDER BY id").fetchall() == [(1,), (2,)]


# -- amendments and cancels --------------------------------------------------------------------------------------

REACHED = [
    # what became of the order's ticket, is it at the station then?
    ([], False),
    (["hold"], False),
    (["claim"], True),
    (["claim", AGAIN], False),
    (["claim", DOUBT], True),
    (["claim", DOUBT, AGAIN], False),
    (["claim", REPRINT], True),
    (["claim", COMPLETED], True),
    (["claim", Settlement(S.HELD, keep_intent=True)], True),
    ([Settlement(S.ABORTED)], False),
    (["withdraw"], False),
    (["claim", REPRINT, "withdraw"], True),
]


@pytest.mark.parametrize(("steps", "reached"), REACHED)
def test_station_is_reached_where_something_may_be_on_paper(tx: Tx, steps: list[Any], reached: bool) -> None:
    """A cancel voids there and nowhere else; certainly not printed is certain."""
    order = enter(tx)
    job = pending(tx)
    for step in steps:
        match step:
            case "hold":
                jobs.hold(tx, job, "paper_out")
            case "claim":
                job = under_way(tx)
            case "withdraw":
                jobs.withdraw(tx, order, "")
            case _:
                jobs.settle(tx, job, step)
    assert [station for station, _ in told(tx, order)] == (["wok"] if reached else [])


@pytest.mark.parametrize(("outcome", "reached"), [(COMPLETED, []), (DOUBT, []), (None, []), ("withdraw", ["wok"])])
def test_voided_station_is_not_reached(tx: Tx, outcome: Any, reached: list[str]) -> None:
    """A void on its way takes the paper back; one that was withdrawn does not."""
    order = enter(tx)
    jobs.settle(tx, under_way(tx), COMPLETED)
    enter(tx, ticket(kind=JobKind.CANCEL), rev=2)
    if outcome == "withdraw":
        jobs.withdraw(tx, order, "")
    elif outcome is not None:
        jobs.settle(tx, under_way(tx), outcome)
    assert [station for station, _ in told(tx, order)] == reached


def test_withdrawn_tickets_are_reported_with_their_marks(tx: Tx) -> None:
    """The cloud was told of a held ticket: it is told that it is off; a mark is handed on to its own station only."""
    order = enter(tx, ticket("a"), ticket("b"))
    jobs.settle(tx, under_way(tx), REPRINT)
    assert jobs.withdraw(tx, order, "replaced") == {("a", 1): Mark.POSSIBLE_DUPLICATE}
    told = [(report["station"], report["state"]) for report in reports(tx, "ticket.state")]
    assert told == [("a", "pending"), ("a", "canceled"), ("b", "canceled")]


def test_ticket_under_way_is_not_withdrawn(tx: Tx) -> None:
    """What is in the printer can't be taken back; it is settled first."""
    order = enter(tx)
    job = under_way(tx)
    assert jobs.withdraw(tx, order, "replaced") == {}
    jobs.settle(tx, job, DOUBT)
    jobs.withdraw(tx, order, "replaced")
    assert states(tx) == ["unconfirmed"]


@pytest.mark.parametrize("before", ["claim", DOUBT, Settlement(S.HELD, keep_intent=True)])
@pytest.mark.parametrize("outcome", [AGAIN, REPRINT])
@pytest.mark.parametrize("canceled", [False, True])
def test_overtaken_ticket_is_canceled_and_not_repeated(
    tx: Tx, before: Any, outcome: Settlement, canceled: bool
) -> None:
    """Its order has moved on while it was under way: an older revision is never printed after a newer one. What may be
    on paper of it is said by the ticket that takes its place.
    """
    order = enter(tx)
    job = under_way(tx)
    if before != "claim":
        jobs.settle(tx, job, before)
    enter(tx, ticket(kind=JobKind.CANCEL if canceled else JobKind.AMEND), rev=2)
    tx.execute("UPDATE orders SET canceled = ? WHERE pk = ?", (canceled, order))
    assert jobs.settle(tx, job, outcome) is S.CANCELED
    if canceled and outcome is AGAIN:  # nothing is on paper: there is nothing to take back
        assert states(tx) == ["canceled", "canceled"]
    else:
        assert states(tx) == ["canceled", "pending"]
        assert pending(tx).mark == (None if canceled else outcome.mark)
    assert reports(tx, "ticket.state")[-1]["state"] == "canceled"


def test_void_is_repeated_whatever_came_since(tx: Tx) -> None:
    """A void that was not printed is printed: the paper that it takes back is still there."""
    order = enter(tx)
    jobs.settle(tx, under_way(tx), COMPLETED)
    enter(tx, ticket(kind=JobKind.CANCEL), rev=2)
    job = under_way(tx)
    enter(tx, ticket(), rev=3)
    assert jobs.settle(tx, job, AGAIN) is S.PENDING
    assert (pending(tx).kind, order) == (JobKind.CANCEL, job.order_pk)


# -- what the cloud is told --------------------------------------------------------------------------------------

CLOSINGS = [
    (["completed", "completed"], False, "printed"),
    (["completed", "aborted"], False, "partly_printed"),
    (["aborted", "aborted"], False, "rejected"),
    (["canceled", "completed"], False, "printed"),
    (["aborted"], True, "canceled"),
    (["canceled"], True, "canceled"),
    ([], True, "canceled"),
]


@pytest.mark.parametrize(("ended", "canceled", "state"), CLOSINGS)
def test_closed_order_says_what_became_of_it(tx: Tx, ended: list[str], canceled: bool, state: str) -> None:
    """Printed only when all of it was; a cancelled order is cancelled."""
    order = enter(tx, *(ticket(f"s{number}") for number in range(len(ended)))) if ended else enter_order(tx)
    tx.execute("UPDATE orders SET canceled = ? WHERE pk = ?", (canceled, order))
    for number, end in enumerate(ended):
        tx.execute("UPDATE jobs SET state = ? WHERE station = ?", (end, f"s{number}"))
    closing.close_order(tx, order)
    assert [report["state"] for report in reports(tx, "order.state")] == [state]


def test_order_is_closed_once_by_its_last_ticket(tx: Tx) -> None:
    """Not before all its tickets are settled, and not again."""
    enter(tx, ticket("a"), ticket("b"))
    for _ in range(2):
        assert reports(tx, "order.state") == []
        jobs.settle(tx, under_way(tx), COMPLETED)
    assert [(report["state"], report["rev"]) for report in reports(tx, "order.state")] == [("printed", 1)]


def test_amendment_that_was_printed_mends_an_aborted_ticket(tx: Tx) -> None:
    """The last word at a station counts: an older revision's failure is past."""
    enter(tx)
    jobs.settle(tx, pending(tx), Settlement(S.ABORTED))
    enter(tx, rev=2)
    jobs.settle(tx, under_way(tx), COMPLETED)
    assert [report["state"] for report in reports(tx, "order.state")] == ["rejected", "printed"]


def test_ticket_is_reported_in_order_with_its_evidence(tx: Tx) -> None:
    """Each step leaves a report: state, evidence, attempt, number, reason, mark."""
    enter(tx)
    for outcome in (DOUBT, REPRINT, COMPLETED):
        job = one_in_flight(tx, "kitchen") or under_way(tx)
        jobs.settle(tx, job, outcome)
    told = [
        (report["state"], report.get("evidence", ""), report["attempt"], report.get("marked"), report["number"])
        for report in reports(tx, "ticket.state")
    ]
    assert told == [
        ("unconfirmed", "unconfirmed", 1, None, 1),
        ("pending", "", 1, "possible_duplicate", 1),
        ("completed", "confirmed", 2, "possible_duplicate", 1),
    ]


# -- another configuration ---------------------------------------------------------------------------------------


def test_waiting_tickets_follow_their_station(tx: Tx) -> None:
    """After a change of configuration a ticket goes where its station prints now, else to the default; one that was
    held for the old printer's sake waits no longer.
    """
    enter(tx, ticket("wok"), ticket("gone"), ticket("drinks", "bar"), ticket("none", ""))
    jobs.hold(tx, pending(tx), "paper_out")
    assert routes.reroute(tx, {"wok": "new", "drinks": "bar", "none": ""}, "new", CONFIGURED) == 2
    assert tx.execute("SELECT printer, state FROM jobs ORDER BY id").fetchall() == [
        ("new", "pending"),
        ("new", "pending"),
        ("bar", "pending"),
        ("", "pending"),
    ]
    assert jobs.waiting(tx) == {"new": 2, "bar": 1, "": 1}


@pytest.mark.parametrize("before", ["claim", DOUBT, Settlement(S.HELD, keep_intent=True)])
def test_ticket_in_doubt_stays_with_a_printer_that_can_be_asked(tx: Tx, before: Any) -> None:
    """Only the printer that has it knows what became of it."""
    enter(tx)
    job = under_way(tx)
    if before != "claim":
        jobs.settle(tx, job, before)
    assert routes.reroute(tx, {"wok": "new", "drinks": "kitchen"}, "new", CONFIGURED) == 1
    stays = one_in_flight(tx, "kitchen")
    assert stays is not None
    assert (stays.printer, stays.home) == ("kitchen", "new")
    assert jobs.settle(tx, stays, AGAIN) is S.PENDING
    assert pending(tx, "new").printer == "new"


@pytest.mark.parametrize("before", ["claim", DOUBT, Settlement(S.HELD, keep_intent=True)])
@pytest.mark.parametrize("overtaken", [False, True])
def test_ticket_in_doubt_at_a_printer_that_is_gone_is_printed_again_marked(
    tx: Tx, before: Any, overtaken: bool
) -> None:
    """Nobody can be asked: it may be on paper. If the order has moved on, the newer ticket says so."""
    enter(tx)
    job = under_way(tx)
    if before != "claim":
        jobs.settle(tx, job, before)
    if overtaken:
        enter(tx, ticket(kind=JobKind.AMEND), rev=2)
    routes.reroute(tx, {"wok": "new"}, "new", {"new"})
    assert one_in_flight(tx, "kitchen") is None
    job = pending(tx, "new")
    assert (job.rev, job.mark) == (2 if overtaken else 1, Mark.POSSIBLE_DUPLICATE)


def test_oldest_waiting_ticket(tx: Tx) -> None:
    """For the beat: since when the oldest unsettled ticket waits, on any printer."""
    assert jobs.oldest_waiting(tx) is None
    enter(tx, ticket("b", "zzz"), ticket("a", "aaa"))
    tx.execute("UPDATE jobs SET created_at = station")
    assert jobs.oldest_waiting(tx) == "b"


# -- notes -------------------------------------------------------------------------------------------------------


def test_alarm_is_news_once(tx: Tx) -> None:
    """Raised and cleared are reported once each; another reason is news."""
    key = "printer:kitchen:paper_out"
    assert [notes.raise_alarm(tx, key, reason) for reason in ("a", "a", "b")] == [True, False, True]
    assert [notes.clear_alarm(tx, key) for _ in range(2)] == [True, False]
    assert [report["state"] for report in reports(tx, "alarm")] == ["raised", "raised", "cleared"]


@settings(deadline=None)
@given(st.integers(0, 36**4 * 3))
def test_token_is_four_characters(number: int) -> None:
    """What a printer echoes has four characters, and comes again only after 1,679,616 attempts."""
    assert len(token(number)) == 4
    assert token(number) == token(number + 36**4) != token(number + 1)


def test_a_ticket_that_was_marked_since_it_was_rendered_is_rendered_anew(tx: Tx) -> None:
    """The one that is at hand would come out without its 补打."""
    enter(tx)
    rendered = pending(tx)
    sequences.note(tx, "s", 8)
    assert forgotten.found_out(tx, "s", 9)
    assert claim(tx, rendered) is None
    assert claim(tx, pending(tx)) is not None


def test_a_ticket_that_was_moved_since_it_was_rendered_is_not_printed_at_its_old_place(tx: Tx) -> None:
    """A person sent it to another printer while this one still had the ticket before."""
    enter(tx)
    rendered = pending(tx)
    jobs.move_home(tx, rendered, "bar")
    assert claim(tx, rendered) is None
    assert claim(tx, pending(tx, "bar")) is not None


def test_what_was_held_for_its_printer_is_marked_too_once_a_card_forgot(tx: Tx) -> None:
    """That it was printed after all may be forgotten as well."""
    in_state(tx, S.HELD)
    sequences.note(tx, "s", 8)
    assert forgotten.found_out(tx, "s", 9)
    assert tx.execute("SELECT mark FROM jobs").fetchall() == [("journal_rebuilt",)]
