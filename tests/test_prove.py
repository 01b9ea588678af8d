"""The proof: its judge can fail in every way, its table is the one in the docs, and some of its rows hold."""

import re
from collections.abc import Callable
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agent.model.job import JobKind
from agent.simulator.piece import Line, Look, Piece, Run
from agent.simulator.proof import Evidence, judge
from agent.simulator.verdict import Fault
from tests.prove.kills import kill_at
from tests.prove.row import Row, run
from tests.prove.stage import Needs
from tests.prove.table import LAST, ROWS, numbers, write_section
from tests.test_verdict import BUNS, SOY, STATIONS, print_ticket, torn, upsert

DOCS = Path(__file__).parents[1] / "docs/faults.md"
SAMPLE = ("torn sectors", "PUBACK lost", "paper out")
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
ORDERS = [upsert(BUNS, no="1"), upsert(BUNS, SOY, no="2"), upsert({**BUNS, "qty": "7"}, no="3")]


def confirmed(number: str, station: str, running: int, at: datetime) -> dict[str, Any]:
    """The agent's word that a ticket is on paper."""
    told = {"order": {"no": number}, "station": station, "number": running, "state": "completed"}
    return {"type": "ticket.state", "time": at.isoformat(), "data": {**told, "evidence": "confirmed"}}


def day() -> Evidence:
    """A day as it should be: three orders, two stations."""
    kitchen = [print_ticket(order, number=at + 1) for at, order in enumerate(ORDERS)]
    later = [NOON + timedelta(seconds=at) for at in range(3)]
    words = [confirmed(str(at + 1), "kitchen", at + 1, later[at]) for at in range(3)]
    return Evidence(
        events=deepcopy(ORDERS),
        acknowledged={order["id"] for order in ORDERS},
        paper={"kitchen": kitchen, "drinks": [print_ticket(ORDERS[1], "drinks")]},
        cut_times={"kitchen": later, "drinks": [NOON]},
        stray={"kitchen": [], "drinks": []},
        reports=[*words, confirmed("2", "drinks", 1, NOON)],
        stations=STATIONS,
        homes={"kitchen": "kitchen", "drinks": "drinks"},
    )


def faults(evidence: Evidence) -> set[str]:
    """The kinds of what is found."""
    return {finding.fault for finding in judge(evidence).findings}


def change(day: Evidence, kitchen: Callable[[list[Piece]], list[Piece]]) -> Evidence:
    """The day with another paper in the kitchen; nobody knows when it was cut."""
    paper = {**day.paper, "kitchen": kitchen(list(day.paper["kitchen"]))}
    return msgspec.structs.replace(day, paper=paper, cut_times=None)


def with_line(piece: Piece, text: str) -> Piece:
    """The ticket with another line among its dishes."""
    line = Line((Run(text, Look(), 0, 12 * len(text)),))
    return Piece(piece.width_dots, [*piece.items[:4], line, *piece.items[4:]])


def moved(day: Evidence) -> Evidence:
    """The drinks' ticket lies in the kitchen."""
    paper = {"kitchen": [*day.paper["kitchen"], *day.paper["drinks"]], "drinks": []}
    return msgspec.structs.replace(day, paper=paper, cut_times=None)


def earlier_word(day: Evidence) -> Evidence:
    """A ticket is called confirmed before it was cut off."""
    early = {**day.reports[2], "time": (NOON - timedelta(seconds=1)).isoformat()}
    return msgspec.structs.replace(day, reports=[*day.reports[:2], early, *day.reports[3:]])


def never_taken(day: Evidence) -> Evidence:
    """No PUBACK of it, no word of it."""
    return msgspec.structs.replace(day, acknowledged={ORDERS[0]["id"], ORDERS[1]["id"]})


def wrong_quantity(day: Evidence) -> Evidence:
    """A digit came out otherwise."""
    return change(day, lambda pieces: [*pieces[:2], print_ticket(upsert({**BUNS, "qty": "1"}, no="3"), number=3)])


def unsaid(**more: Any) -> Callable[[Evidence], Evidence]:
    """The first order, or its dish, said more than the ticket does."""

    def change(day: Evidence) -> Evidence:
        first = deepcopy(day.events[0])
        order = first["data"]["order"]
        (order if "order" in more else order["items"][0]).update(more.get("order", more))
        return msgspec.structs.replace(day, events=[first, *day.events[1:]])

    return change


def older_revision(day: Evidence) -> Evidence:
    """The kitchen gets the newest revision of an order, and then the one before."""
    second = upsert({**BUNS, "qty": "9"}, no="1", rev=2)
    events, newer = [*day.events, second], print_ticket(second, number=4, kind=JobKind.AMEND)
    ids = {event["id"] for event in events}
    told = msgspec.structs.replace(day, events=events, acknowledged=ids)
    return change(told, lambda pieces: [newer, *pieces])


PLANTED: dict[str, tuple[Callable[[Evidence], Evidence], Fault]] = {
    "lost": (lambda day: change(day, lambda pieces: pieces[:2]), Fault.LOST),
    "acknowledged early": (
        lambda day: msgspec.structs.replace(
            change(day, lambda pieces: pieces[:2]), reports=[r for r in day.reports if r["data"]["order"]["no"] != "3"]
        ),
        Fault.LOST,
    ),
    "doubled unmarked": (lambda day: change(day, lambda pieces: [*pieces, pieces[0]]), Fault.DOUBLED),
    "torn unmarked": (lambda day: change(day, lambda pieces: [torn(pieces[2]), *pieces]), Fault.PARTIAL),
    "false confirmed": (lambda day: change(day, lambda pieces: pieces[:2]), Fault.FALSE),
    "confirmed too early": (earlier_word, Fault.FALSE),
    "out of order": (lambda day: change(day, lambda pieces: [pieces[2], *pieces[:2]]), Fault.UNORDERED),
    "foreign line": (lambda day: change(day, lambda p: [with_line(p[0], "(H 06 2x 粥"), *p[1:]]), Fault.FOREIGN),
    "foreign dish": (lambda day: change(day, lambda p: [with_line(p[0], "油条   x2"), *p[1:]]), Fault.FOREIGN),
    "stray bytes": (lambda day: msgspec.structs.replace(day, stray={"kitchen": [b"\x1b\xff"]}), Fault.FOREIGN),
    "another's printer": (moved, Fault.STRANGER),
    "wrong quantity": (wrong_quantity, Fault.WRONG),
    "another's dish": (
        lambda day: change(day, lambda p: [p[0], with_line(p[1], f"{SOY['name']}   x1"), p[2]]),
        Fault.WRONG,
    ),
    "no word of a note": (unsaid(note="不要香菜"), Fault.WRONG),
    "no word of a choice": (unsaid(mods=[{"name": "重辣"}]), Fault.WRONG),
    "no word of an allergy": (unsaid(order={"allergies": ["花生"]}), Fault.WRONG),
    "no word of the order's note": (unsaid(order={"note": "放门口"}), Fault.WRONG),
    "older revision": (older_revision, Fault.OUTDATED),
    "never taken": (never_taken, Fault.UNTAKEN),
}


def test_a_day_as_it_should_be_is_fine() -> None:
    """Or the planted faults would prove nothing."""
    assert judge(day()).findings == []


@pytest.mark.parametrize("planted", PLANTED)
def test_a_planted_fault_is_found(planted: str) -> None:
    """On paper, on the wire and in the word of the agent."""
    plant, fault = PLANTED[planted]
    assert fault in faults(plant(day()))


def test_what_waits_is_excused_only_under_an_alarm() -> None:
    """A ticket that was told to be held, last, may be missing on paper while somebody is called."""
    short = change(day(), lambda pieces: pieces[:2])
    held = {"order": {"no": "3"}, "station": "kitchen", "number": 0, "state": "held"}
    told = [*short.reports[:2], {"type": "ticket.state", "time": NOON.isoformat(), "data": held}]
    alarm = {"type": "alarm", "time": NOON.isoformat(), "data": {"key": "printer:kitchen", "state": "raised"}}
    assert faults(msgspec.structs.replace(short, reports=[*told, alarm])) == set()
    assert faults(msgspec.structs.replace(short, reports=told)) == {Fault.LOST}


@pytest.mark.timeout(240)
def test_an_agent_that_acknowledges_on_arrival_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted into the process itself: killed before its commit it has promised what it does not have."""
    monkeypatch.setenv("PROVE_HASTY", "1")
    hasty = Row(
        1, "hasty", kill_at("intake.before_commit"), Needs(module="tests.prove.tamper", counts=False, quiet_s=3)
    )
    assert any(finding.startswith("lost") for finding in run(hasty, 1).findings)


def test_the_table_of_the_docs_is_the_tables_of_the_code() -> None:
    """38 rows, each with the names that it is played as, and files that are there."""
    told: dict[int, set[str]] = {}
    for number, guards in re.findall(r"^\| (\d+) \|.*\| ([^|]*) \|$", DOCS.read_text("utf-8"), re.MULTILINE):
        played, _, also = guards.partition(";")
        told[int(number)] = set(re.findall(r"`([^`]+)`", played))
        for path in re.findall(r"`([^`]+)`", also):
            assert (DOCS.parents[1] / path).exists(), path
    assert sorted(told) == list(range(1, LAST + 1))
    assert told == {number: {row.name for row in ROWS if row.number == number} for number in told}


def test_rows_are_chosen_by_numbers() -> None:
    """As a person types them."""
    assert numbers("1-3,27") == {1, 2, 3, 27}
    with pytest.raises(ValueError, match="no row 39"):
        numbers("39")
    with pytest.raises(ValueError, match="names no row"):
        numbers("3-1")
    with pytest.raises(ValueError, match="write them as 1-5,27"):
        numbers("killed")


def test_a_section_of_the_evidence_is_written_in_its_place(tmp_path: Path) -> None:
    """The others stay."""
    path = tmp_path / "proof.md"
    for title, text in (("One", "1"), ("Two", "2"), ("One", "3")):
        write_section(path, title, text)
    assert path.read_text() == "# The proof\n\n## One\n\n3\n\n## Two\n\n2\n"


@pytest.mark.timeout(240)
@pytest.mark.parametrize("name", SAMPLE)
def test_the_invariant_holds(name: str) -> None:
    """Some of the rows, each once; `scripts/prove` plays them all."""
    (row,) = (row for row in ROWS if row.name == name)
    outcome = run(row, 1)
    if outcome.skipped:
        pytest.skip(outcome.skipped)
    assert outcome.findings == [], outcome.words
