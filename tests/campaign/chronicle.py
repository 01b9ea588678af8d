"""What happened and when, seen from outside: orders told, paper that moved, tickets that came out, words of the agent.

A printer *stands still* while it owes a ticket and its paper does not move. Times are seconds since the campaign began.
"""

import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from agent.simulator.reading import Printed, read_piece
from tests.campaign.fleet import Member
from tests.paper import without_receipts

Ticket = tuple[str, str]
"""An order's number and a station."""

FINAL = ("completed", "canceled", "aborted")
NO_STANDSTILL = ("mute",)
"""Alarms that do not say that a printer stands still."""

STILL_QUEUED = "pending"
"""The state of a ticket that no printer has been sent yet."""

SHORT_S = 1.0


class Told(Protocol):
    """Where the agent's reports come in."""

    reports: list[dict[str, Any]]

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call `listener` after each."""


class Incident(msgspec.Struct):
    """One mishap, or two at once, at one printer."""

    printer: str
    kinds: tuple[str, ...]
    armed: float
    words: list[str] = []
    right_at: float | None = None
    owed_at: float | None = None
    paper_at: float | None = None

    @property
    def recovery_s(self) -> float | None:
        """From when it was put right, and a ticket was owed, to the next ticket on paper."""
        return None if self.paper_at is None or self.owed_at is None else self.paper_at - self.owed_at


class Standstill(msgspec.Struct, frozen=True):
    """A printer that owed a ticket and did not move from `since` to `until`.

    `stand_in` is the other printer that turned out to have the oldest of its tickets when it ended: it was that one
    which stood still.
    """

    printer: str
    since: float
    until: float
    stand_in: str = ""


class Alarm(msgspec.Struct):
    """Something concerning one printer that was said to need a person."""

    printer: str
    key: str
    reason: str
    raised: float
    cleared: float = float("inf")


class Desk:
    """What is known of one printer."""

    def __init__(self, member: Member) -> None:
        self.member = member
        self.owed: dict[Ticket, float] = {}
        self.ordered = 0
        self.tickets: list[tuple[float, Printed]] = []
        self.still_since: float | None = None
        self.lines = self.pieces = self.whole = 0

    @property
    def oldest(self) -> Ticket | None:
        """What it has owed for the longest time."""
        return min(self.owed, key=self.owed.__getitem__, default=None)


class Chronicle:
    """Writes down; may be asked at any time. The campaign's threads wake it, and it wakes whoever waits."""

    def __init__(self, members: list[Member], cloud: Told) -> None:
        self.began = time.time()
        self._zero = time.monotonic()
        self._changed = threading.Condition()
        self._cloud = cloud
        self._heard = 0
        self.desks = {member.name: Desk(member) for member in members}
        self.told: list[tuple[float, dict[str, Any]]] = []
        self.published: dict[Ticket, float] = {}
        self.incidents: list[Incident] = []
        self.standstills: list[Standstill] = []
        self.alarms: list[Alarm] = []
        self.printer_of: dict[int, str] = {}
        self._holder: dict[Ticket, str] = {}
        self._settled: set[Ticket] = set()
        for member in members:
            member.device.on_change(lambda name=member.name: self._look(name))  # type: ignore[misc]  # bound at once
        cloud.on_change(self._hear)

    def now(self) -> float:
        """Seconds since the campaign began."""
        return time.monotonic() - self._zero

    def wait_for(self, done: Callable[[], bool], timeout_s: float) -> bool:
        """Block until `done`, looking again at each change; false when the time is over."""
        with self._changed:
            return self._changed.wait_for(done, timeout_s)

    # -- what is written down --------------------------------------------------------------------------------------

    def order(self, ticket: Ticket) -> None:
        """An order is about to be published; call before, so that no answer comes first."""
        with self._changed:
            now = self.now()
            desk = self.desks[self._holder.setdefault(ticket, ticket[1])]
            self.published.setdefault(ticket, now)
            self._settled.discard(ticket)
            desk.ordered += 1
            desk.owed[ticket] = now
            if desk.still_since is None:
                desk.still_since = now
            for incident in self._unfinished(desk):
                incident.owed_at = incident.owed_at or now

    def befall(self, printer: str, kinds: tuple[str, ...]) -> Incident:
        """Something goes wrong."""
        with self._changed:
            incident = Incident(printer, kinds, self.now())
            self.incidents.append(incident)
            return incident

    def say(self, incident: Incident, words: str) -> None:
        """One more thing of an incident."""
        with self._changed:
            incident.words.append(f"{self.now():.2f} {words}")

    def put_right(self, incident: Incident) -> None:
        """It is over, but for the recovery."""
        with self._changed:
            incident.right_at = now = self.now()
            incident.words.append(f"{now:.2f} put right")
            if self.desks[incident.printer].owed:
                incident.owed_at = now

    def close(self) -> None:
        """Nothing is owed any more, or nobody waits for it."""
        with self._changed:
            for desk in self.desks.values():
                self._moved(desk, self.now())

    # -- what can be asked -------------------------------------------------------------------------------------------

    def owed(self) -> int:
        """Tickets that are neither on paper nor settled by the agent's word."""
        return sum(len(desk.owed) for desk in self.desks.values())

    def owed_at(self, printer: str) -> int:
        """The same, at one printer."""
        return len(self.desks[printer].owed)

    def whole_at(self, printer: str) -> int:
        """How many whole tickets this printer has printed."""
        return self.desks[printer].whole

    def untold(self) -> set[Ticket]:
        """Tickets whose end the cloud was not told."""
        return set(self.published) - self._settled

    def alarm_s(self, still: Standstill) -> float | None:
        """How long it stood still before an alarm told of it, or of what had its ticket; None when none did."""
        concerned = {still.printer, still.stand_in} - {""}
        raised = [
            max(0.0, alarm.raised - still.since)
            for alarm in self.alarms
            if alarm.printer in concerned and alarm.raised <= still.until and alarm.cleared > still.since
        ]
        return min(raised, default=None)

    # -- what wakes it -----------------------------------------------------------------------------------------------

    def _look(self, name: str) -> None:
        desk = self.desks[name]
        paper = desk.member.device.paper
        if paper.line_feeds == desk.lines and len(paper.pieces) == desk.pieces:
            return
        with self._changed:
            now = self.now()
            desk.lines = paper.line_feeds
            self._moved(desk, now)
            while desk.pieces < len(paper.pieces):
                for ticket in read_piece(name, without_receipts(paper.pieces[desk.pieces])):
                    desk.tickets.append((now, ticket))
                    if ticket.whole:
                        desk.whole += 1
                        self._done((ticket.number, ticket.station), name, now)
                        for incident in self._unfinished(desk):
                            incident.paper_at = now if incident.owed_at is not None else None
                desk.pieces += 1
            self._changed.notify_all()

    def _hear(self) -> None:
        with self._changed:
            reports, now = self._cloud.reports, self.now()
            while self._heard < len(reports):
                report = reports[self._heard]
                self._heard += 1
                self.told.append((now, report))
                if report["type"] == "ticket.state":
                    self._hear_ticket(report["data"], now)
                elif report["type"] == "alarm":
                    self._hear_alarm(report["data"], now)
            self._changed.notify_all()

    def _hear_ticket(self, data: dict[str, Any], now: float) -> None:
        self.printer_of[data["ticket"]] = data["printer"]
        ticket = data["order"]["no"], data["station"]
        if ticket not in self.published:
            return
        if data["state"] in FINAL:
            self._settled.add(ticket)
            self._done(ticket, data["printer"], now)
        else:
            self._hand_over(ticket, data["printer"], data["state"] != STILL_QUEUED, now)

    def _hand_over(self, ticket: Ticket, printer: str, lay_there: bool, now: float) -> None:
        """What another printer has is owed by that one; `lay_there`: it had it before this was said."""
        last, desk = self.desks[self._holder[ticket]], self.desks.get(printer)
        if desk is None or desk is last or ticket not in last.owed:
            return
        self._holder[ticket] = printer
        stand_in = printer if lay_there and ticket == last.oldest else ""
        desk.owed[ticket] = last.owed.pop(ticket)
        self._moved(last, now, stand_in)
        if desk.still_since is None:
            desk.still_since = now

    def _hear_alarm(self, data: dict[str, Any], now: float) -> None:
        key = data["key"]
        what, _, rest = key.partition(":")
        printer, _, about = rest.partition(":")
        if what == "ticket":
            printer = self.printer_of.get(int(rest), "")
        elif what != "printer" or about in NO_STANDSTILL:
            return
        for alarm in self.alarms:
            if alarm.key == key:
                alarm.cleared = min(alarm.cleared, now)
        if data["state"] == "raised":
            self.alarms.append(Alarm(printer, key, data.get("reason", ""), now))

    def _done(self, ticket: Ticket, printer: str, now: float) -> None:
        desk = self.desks.get(self._holder.get(ticket, ""))
        if desk is not None and ticket in desk.owed:
            stand_in = printer if printer != desk.member.name and ticket == desk.oldest else ""
            del desk.owed[ticket]
            self._moved(desk, now, stand_in)

    def _moved(self, desk: Desk, now: float, stand_in: str = "") -> None:
        if desk.still_since is not None and now - desk.still_since >= SHORT_S:
            self.standstills.append(Standstill(desk.member.name, desk.still_since, now, stand_in))
        desk.still_since = now if desk.owed else None

    def _unfinished(self, desk: Desk) -> list[Incident]:
        """The last incident, while nothing was printed since it was put right."""
        mine = next((i for i in reversed(self.incidents) if i.printer == desk.member.name), None)
        return [mine] if mine is not None and mine.right_at is not None and mine.paper_at is None else []
