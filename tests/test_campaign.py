"""Printers that fail while orders come in, for half a minute; the long campaign is `python -m tests.campaign`."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.simulator.piece import Piece
from agent.simulator.printer import PrinterSpec, VirtualPrinter
from agent.simulator.verdict import Fault
from tests.campaign.chronicle import Chronicle
from tests.campaign.fleet import Member, fleet, serve, stations
from tests.campaign.mishaps import KINDS, Kind, Scene, put_right
from tests.campaign.outcome import Outcome, judge, stories, table
from tests.campaign.run import Plan, campaign
from tests.test_verdict import BUNS, print_ticket, torn, upsert

QUICK = ("power off", "unplugged", "link cut, FIN", "link cut, RST", "line cut", "paper out", "cutter jam", "FEED held")
HASTE = "printing: {reprint_after_s: 1, failover_after_s: 5}\n"
ORDER = upsert({**BUNS, "category": "kitchen"})


def test_printers_that_fail_lose_nothing_and_double_nothing_unmarked(tmp_path: Path) -> None:
    """Judged by the paper and by what the cloud was told; every standstill has its alarm in time."""
    plan = Plan(
        tickets=70, printers=10, calm=1, per_s=8, seed=7, only=QUICK, patience_s=45, backups=True, settings=HASTE
    )
    finished = campaign(plan, tmp_path, lambda _: None)
    outcome, chronicle, members = finished.outcome, finished.chronicle, finished.members
    assert outcome.fine, stories(outcome, chronicle, members, finished.log)
    assert chronicle.incidents
    assert "T3 pty" in table(outcome, chronicle, members)


@pytest.mark.parametrize("cable", ("tcp", "pty"))
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_mishap_is_put_right(kind: Kind, cable: str) -> None:
    """Whatever befell a printer, afterwards it prints what it gets; and the same dice tell the same story."""
    words = []
    for _ in range(2):
        with fleet(1, cable, (1,), seed=3) as (member,):
            mishap = kind.play(Scene(member, random.Random(5), 0.1))
            words.append(next(mishap))
            next(mishap, None)
            put_right(member.device)
            assert member.device.reachable
            pieces = len(member.device.paper.pieces)
            member.device.receive(b"\x1b@good\n\x1dVB\0")
            assert member.device.wait_for(lambda it, n=pieces: len(it.paper.pieces) > n, 5)  # type: ignore[misc]
            assert "good" in member.device.paper.pieces[-1].text
    assert words[0] == words[1]


class Cloud:
    """Reports come in as a test says them."""

    def __init__(self) -> None:
        self.reports: list[dict[str, Any]] = []
        self._listeners: list[Callable[[], None]] = []

    def on_change(self, listener: Callable[[], None]) -> None:
        self._listeners.append(listener)

    def hear(self, kind: str, **data: Any) -> None:
        self.reports.append({"type": kind, "time": "2126-01-01T00:00:00Z", "data": data})
        for listener in self._listeners:
            listener()

    def ticket(self, state: str, evidence: str = "", number: int = 1) -> None:
        order = {"id": "id-42", "channel": "alipay", "no": "42"}
        facts = {"ticket": 7, "station": "kitchen", "printer": "kitchen", "number": number}
        self.hear("ticket.state", order=order, state=state, evidence=evidence, **facts)


class Shop:
    """One printer, one order, and what the agent says."""

    def __init__(self, member: Member) -> None:
        self.member, self.cloud = member, Cloud()
        self.chronicle = Chronicle([member], self.cloud)
        self.chronicle.order(("42", "kitchen"))

    def print(self, piece: Piece) -> None:
        """A piece comes out."""
        self.member.device.paper.current = piece
        self.member.device.receive(b"\x1dV\0")

    def outcome(self) -> Outcome:
        """What the campaign would come to now."""
        self.chronicle.close()
        return judge(1, self.chronicle, [self.member], [ORDER], stations([self.member]), 0.0)

    def faults(self) -> list[str]:
        return [finding.fault for finding in self.outcome().findings]


@pytest.fixture(params=(1, 3), ids=("T1", "T3"))
def shop(request: pytest.FixtureRequest) -> Iterator[Shop]:
    with VirtualPrinter(PrinterSpec(tier=request.param), "kitchen") as device, serve("tcp", device) as port:
        yield Shop(Member("kitchen", "tcp", device, port))


def test_a_ticket_on_paper_that_was_told_is_fine(shop: Shop) -> None:
    """Nothing is owed, nothing is found."""
    shop.print(print_ticket(ORDER))
    assert shop.chronicle.owed() == 0
    shop.cloud.ticket("completed", "presumed" if shop.member.tier == 3 else "confirmed")
    assert shop.outcome().fine, shop.outcome()


def test_a_ticket_that_is_never_settled_is_not_fine(shop: Shop) -> None:
    """On paper, but the cloud never hears its end."""
    shop.print(print_ticket(ORDER))
    assert shop.outcome().untold == [("42", "kitchen")]
    assert not shop.outcome().fine


def test_a_loss_is_hidden_by_the_word_presumed_only_where_nobody_could_know(shop: Shop) -> None:
    """At a printer that never answers; at any other it is a loss whatever was said."""
    shop.cloud.ticket("completed", "presumed")
    assert shop.faults() == ([] if shop.member.tier == 3 else [Fault.LOST])
    assert len(shop.outcome().presumed) == (shop.member.tier == 3)


def test_a_loss_without_a_word_is_a_loss_anywhere(shop: Shop) -> None:
    """Nobody said presumed."""
    assert shop.faults() == [Fault.LOST]


def test_confirmed_without_paper_is_false_and_lost(shop: Shop) -> None:
    """The worst that there is; and a printer that never speaks can't have confirmed."""
    shop.print(torn(print_ticket(ORDER)))
    shop.cloud.ticket("completed", "confirmed")
    assert set(shop.faults()) == {Fault.LOST, Fault.PARTIAL, Fault.FALSE}


def test_a_mute_printer_confirms_nothing(shop: Shop) -> None:
    """Even if the ticket is there."""
    shop.print(print_ticket(ORDER))
    shop.cloud.ticket("completed", "confirmed")
    assert shop.faults() == ([Fault.FALSE] if shop.member.tier == 3 else [])


class Timed(Chronicle):
    """A chronicle whose clock a test turns."""

    at = 0.0

    def now(self) -> float:
        return self.at


@pytest.fixture
def timed(shop: Shop) -> Timed:
    chronicle = Timed([shop.member], shop.cloud)
    chronicle.order(("42", "kitchen"))
    return chronicle


def alarm_after(timed: Timed, shop: Shop, key: str, at: float) -> list[float | None]:
    """An alarm at this time, paper after 20 s: the seconds to the alarm of each standstill."""
    timed.at = at
    shop.cloud.hear("alarm", key=key, state="raised", reason="")
    timed.at = 20.0
    shop.print(print_ticket(ORDER))
    return [timed.alarm_s(still) for still in timed.standstills]


def test_a_standstill_is_timed_to_its_alarm(timed: Timed, shop: Shop) -> None:
    """From when a ticket was owed, to what the cloud heard."""
    assert alarm_after(timed, shop, "printer:kitchen:paper", 9.0) == [9.0]


def test_an_alarm_of_another_printer_or_of_muteness_is_none(timed: Timed, shop: Shop) -> None:
    """It must concern this printer, and say that it stands still."""
    for key in ("printer:bar:paper", "printer:kitchen:mute", "broker:refused", "ticket:8"):
        shop.cloud.hear("alarm", key=key, state="raised")
    assert alarm_after(timed, shop, "printer:kitchen:mute", 9.0) == [None]


def test_an_alarm_about_a_ticket_concerns_the_printer_that_has_it(timed: Timed, shop: Shop) -> None:
    """As the reports on that ticket say."""
    shop.cloud.ticket("unconfirmed", "unconfirmed")
    assert alarm_after(timed, shop, "ticket:7", 3.0) == [3.0]


def test_an_alarm_that_was_cleared_before_does_not_count(timed: Timed, shop: Shop) -> None:
    """What was said of an earlier trouble says nothing of this one."""
    shop.cloud.hear("alarm", key="printer:kitchen:paper", state="raised")
    timed.at = 1.0
    shop.cloud.hear("alarm", key="printer:kitchen:paper", state="cleared")
    timed.at = 2.0
    shop.print(torn(print_ticket(ORDER)))
    assert alarm_after(timed, shop, "broker:refused", 9.0) == [0.0, None]


def test_a_recovery_is_timed_from_when_all_was_put_right(timed: Timed, shop: Shop) -> None:
    """To the next whole ticket on paper."""
    incident = timed.befall("kitchen", ("paper out",))
    timed.at = 4.0
    timed.put_right(incident)
    timed.at = 6.5
    shop.print(print_ticket(ORDER))
    assert incident.recovery_s == 2.5


def test_a_ticket_that_another_printer_has_is_owed_by_that_one() -> None:
    """And the station's own stands still no longer for it."""
    with fleet(2, "tcp", (1,), seed=1) as members:
        cloud, (home, other) = Cloud(), members
        chronicle = Timed(members, cloud)
        chronicle.order(("42", home.name))
        chronicle.at = 20.0
        order = {"id": "id-42", "channel": "alipay", "no": "42"}
        facts = {"ticket": 7, "station": home.name, "number": 1, "order": order}
        cloud.hear("ticket.state", state="unconfirmed", printer=other.name, **facts)
        assert (chronicle.owed_at(home.name), chronicle.owed_at(other.name)) == (0, 1)
        chronicle.at = 40.0
        cloud.hear("ticket.state", state="completed", printer=home.name, **facts)
        assert chronicle.owed() == 0
        assert [(still.printer, still.since, still.until) for still in chronicle.standstills] == [
            (home.name, 0.0, 20.0),
            (other.name, 20.0, 40.0),
        ]


@pytest.mark.parametrize(
    ("state", "older", "alarm"),
    [("unconfirmed", False, 3.0), ("completed", False, 3.0), ("pending", False, None), ("unconfirmed", True, None)],
)
def test_an_alarm_of_the_stand_in_counts_where_the_oldest_ticket_lay_there(
    state: str, older: bool, alarm: float | None
) -> None:
    """Not where that one only gets it now, nor where an older ticket is still owed at home."""
    with fleet(2, "tcp", (1,), seed=1) as members:
        cloud, (home, other) = Cloud(), members
        chronicle = Timed(members, cloud)
        if older:
            chronicle.order(("41", home.name))
            chronicle.at = 0.5
        chronicle.order(("42", home.name))
        chronicle.at = 3.0
        cloud.hear("alarm", key=f"printer:{other.name}:silent", state="raised")
        chronicle.at = 12.0
        order = {"id": "id-42", "channel": "alipay", "no": "42"}
        facts = {"ticket": 7, "station": home.name, "number": 1, "order": order}
        cloud.hear("ticket.state", state=state, printer=other.name, **facts)
        assert [still.printer for still in chronicle.standstills] == [home.name]
        assert chronicle.alarm_s(chronicle.standstills[0]) == alarm


def test_an_alarm_of_the_stand_in_counts_where_the_ticket_came_out_there(shop: Shop) -> None:
    """The paper tells it before any report does."""
    with VirtualPrinter(PrinterSpec(), "bar") as device, serve("tcp", device) as port:
        chronicle = Timed([shop.member, Member("bar", "tcp", device, port)], shop.cloud)
        chronicle.order(("42", "kitchen"))
        chronicle.at = 4.0
        shop.cloud.hear("alarm", key="printer:bar:silent", state="raised")
        chronicle.at = 12.0
        device.paper.current = print_ticket(ORDER, printed_for="kitchen")
        device.receive(b"\x1dV\0")
        (still,) = chronicle.standstills
        assert (still.printer, still.stand_in, chronicle.alarm_s(still)) == ("kitchen", "bar", 4.0)
