"""The whole proof of one shop's day, from outside alone: what was published, what was acknowledged on the wire, what
lies on paper, what was reported. Pure; it never sees a journal.

To what `verdict` asks of the paper it adds: whatever was acknowledged is on paper, or reported as waiting under an
alarm; first tickets of a station come out in the order of the orders; and no line of a ticket says anything that is
neither the order's nor a ticket's own words.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from agent.simulator.piece import Line, Piece
from agent.simulator.reading import Banner, Printed, read_paper, read_piece
from agent.simulator.share import Stations
from agent.simulator.verdict import Event, Fault, Finding, Verdict, judge_paper
from agent.simulator.word import judge_word

TICKET_WORDS = (
    *(
        "备注 note",
        "另见 also",
        "原打印 first printed",
        "过敏 allergies",
        "部分另见 parts at",
        "每套 each",
        "套数 sets",
        "流水 No.",
        "打印 printed",
    ),
    *(
        "联 copy",
        "第",
        "次",
        "attempt",
        "版",
        "revision",
        "rev",
        "加 ADD",
        "退 VOID",
        "改 CHANGE",
        "加",
        "退",
        "改",
        "只列变动 only what changed",
    ),
    *("作废 CANCELLED", "原单 was", "原因 reason", "客人取消", "现在 now", "原 was", "不变 unchanged"),
)
"""What a kitchen ticket may say of itself, beside its inverted banners."""

_WAITING = ("held", "unconfirmed", "pending")
_SIGNS = re.compile(r"[\d\s\-=:./+x×※└├·#()()%→,]+")


class Evidence(msgspec.Struct, kw_only=True):
    """What there is to judge by. `acknowledged` are ids of events; `paper` are pieces by printer, `cut_times` when each
    was cut off (None where the agent's clock is wrong), `stray` what a printer got that is no character; `reports` are
    the agent's CloudEvents in their order.
    """

    events: Sequence[Event]
    acknowledged: Collection[str]
    paper: Mapping[str, Sequence[Piece]]
    cut_times: Mapping[str, Sequence[datetime]] | None
    stray: Mapping[str, Sequence[bytes]]
    reports: Sequence[Event]
    stations: Stations
    homes: Mapping[str, str]


def judge(evidence: Evidence) -> Verdict:
    """All that is wrong."""
    verdict = judge_paper(evidence.events, evidence.paper, evidence.stations, evidence.homes)
    alarmed = _waits_under_an_alarm(evidence.reports)
    verdict.findings = [
        each for each in verdict.findings if each.fault is not Fault.LOST or (each.order, each.where) not in alarmed
    ]
    verdict.findings += judge_word(evidence.reports, evidence.paper, evidence.cut_times)
    for event in untaken(evidence.events, evidence.acknowledged, evidence.reports):
        words = f"{event['id']} was neither acknowledged nor spoken of"
        verdict.findings.append(Finding(Fault.UNTAKEN, event["data"]["order"]["id"], "the wire", words))
    verdict.findings += _unordered(evidence)
    verdict.findings += _foreign(evidence)
    return verdict


def _orders(events: Sequence[Event]) -> Iterator[tuple[Event, str, Mapping[str, Any]]]:
    """The events that are about orders, with the number on paper and the order."""
    about = [event for event in events if event["type"] in ("order.upsert", "order.cancel")]
    told = [(event, event["data"]["order"]) for event in about]
    numbers = {order["id"]: str(order["no"]) for _, order in told if order.get("no")}
    for event, order in told:
        yield event, numbers.get(order["id"], order["id"]), order


def _waits_under_an_alarm(reports: Sequence[Event]) -> set[tuple[str, str]]:
    """Orders and stations whose ticket was told, last, to wait or to be in doubt, while an alarm is up."""
    last: dict[tuple[str, str], str] = {}
    alarms: set[str] = set()
    for report in reports:
        told = report["data"]
        match report["type"]:
            case "ticket.state":
                last[told["order"]["no"], told["station"]] = told["state"]
            case "alarm":
                (alarms.add if told["state"] == "raised" else alarms.discard)(told["key"])
    return {where for where, state in last.items() if state in _WAITING} if alarms else set()


def untaken(events: Sequence[Event], acknowledged: Collection[str], reports: Sequence[Event]) -> Iterator[Event]:
    """The events that the agent neither acknowledged nor spoke of: what a broker forgot is not there to acknowledge."""
    told: dict[str, int] = {}
    for report in reports:
        if report["type"] == "order.state":
            about = report["data"]
            told[about["order"]["id"]] = max(about["rev"], told.get(about["order"]["id"], 0))
    for event, _, order in _orders(events):
        if event["id"] not in acknowledged and told.get(order["id"], 0) < order["rev"]:
            yield event


def _unordered(evidence: Evidence) -> Iterator[Finding]:
    """First tickets of orders that never changed, and that say nothing of being late, in another order than theirs."""
    told = [number for _, number, _ in _orders(evidence.events)]
    turn = {number: at for at, number in enumerate(told) if told.count(number) == 1}
    for printer, pieces in evidence.paper.items():
        latest: dict[str, tuple[int, str]] = {}
        seen: set[tuple[str, str]] = set()
        for ticket in read_paper(printer, pieces):
            place = (ticket.number, ticket.station)
            if _in_turn(ticket) and ticket.number in turn and place not in seen:
                before = latest.get(ticket.station, (-1, ""))
                if turn[ticket.number] < before[0]:
                    yield Finding(Fault.UNORDERED, *place, f"after #{before[1]}, which was ordered later")
                latest[ticket.station] = max(before, (turn[ticket.number], ticket.number))
            seen.add(place)


def _in_turn(ticket: Printed) -> bool:
    excused = ticket.marked or ticket.late or ticket.printed_for
    return ticket.whole and ticket.banner is Banner.ORDER and not excused


def _foreign(evidence: Evidence) -> Iterator[Finding]:
    """Bytes that are no characters, and lines of tickets made of anything but the order's words and a ticket's own."""
    for printer, stray in evidence.stray.items():
        if stray:
            yield Finding(Fault.FOREIGN, "", printer, f"it got {stray!r}")
    words: dict[str, str] = {}
    for _, number, order in _orders(evidence.events):
        words[number] = words.get(number, "") + str(order)
    for printer, pieces in evidence.paper.items():
        for piece in pieces:
            tickets = read_piece(printer, piece)
            if len(tickets) != 1 or not tickets[0].whole or tickets[0].number not in words:
                continue  # of several on one piece nobody knows which line is whose
            ticket = tickets[0]
            for line in piece.lines:
                if odd := _odd(line, words[ticket.number] + ticket.station):
                    yield Finding(Fault.FOREIGN, ticket.number, ticket.station, f"it says {odd!r}")


def _odd(line: Line, known: str) -> str:
    """What of a line nobody ordered; empty where all of it belongs there. White on black are the agent's own words."""
    text = "".join(run.text for run in line.runs if not run.inverted)
    for words in TICKET_WORDS:
        text = text.replace(words, " ")
    odd = [part for part in _SIGNS.split(text) if part and part not in known]
    return " ".join(odd)
