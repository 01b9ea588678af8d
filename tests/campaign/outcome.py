"""What a campaign came to: the verdict, the tables, and for whatever is wrong the whole story of that ticket."""

import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from agent.simulator.reading import Printed, read_paper
from agent.simulator.share import Stations
from agent.simulator.verdict import Event, Fault, Finding, Verdict, judge_paper
from agent.simulator.word import judge_word
from tests.campaign.chronicle import Chronicle, Incident, Standstill
from tests.campaign.fleet import Member
from tests.campaign.mishaps import KINDS
from tests.paper import all_pieces

ALARM_WITHIN_S = 10.0
AROUND_S = 15.0


class Outcome(msgspec.Struct):
    """Everything found. `presumed` are losses and pieces that nobody could have noticed: at a printer that never
    answers, of a ticket that the cloud was told is only presumed.
    """

    seed: int
    seconds: float
    verdict: Verdict
    findings: list[Finding]
    presumed: list[Finding]
    unalarmed: list[Standstill]
    untold: list[tuple[str, str]]

    @property
    def fine(self) -> bool:
        """Nothing lost, doubled, torn or said falsely, and every standstill was alarmed in time."""
        return not (self.findings or self.unalarmed or self.untold)


def judge(
    seed: int, chronicle: Chronicle, members: list[Member], events: Sequence[Event], stations: Stations, seconds: float
) -> Outcome:
    """Judge the paper and the agent's word."""
    devices = [device for member in members for device in (member.device, *member.guests)]
    paper = {device.name: all_pieces(device) for device in devices}
    homes = {member.name: member.name for member in members}
    verdict = judge_paper(events, paper, stations, homes)
    times = {device.name: device.cut_times for device in devices}
    reports = [report for _, report in chronicle.told]
    findings = verdict.findings + judge_word(reports, paper, times) + _from_the_mute(reports, members)
    hidden = _undetectable(findings, reports, members)
    late = [
        still
        for still in chronicle.standstills
        if still.until - still.since > ALARM_WITHIN_S and (chronicle.alarm_s(still) or 0.0) > ALARM_WITHIN_S
    ]
    never = [
        still
        for still in chronicle.standstills
        if still.until - still.since > ALARM_WITHIN_S and chronicle.alarm_s(still) is None
    ]
    return Outcome(
        seed,
        seconds,
        verdict,
        [finding for finding in findings if finding not in hidden],
        hidden,
        never + late,
        sorted(chronicle.untold()),
    )


def _undetectable(findings: Iterable[Finding], reports: Iterable[Event], members: list[Member]) -> list[Finding]:
    """What happened at a printer that never answers, to tickets that the cloud was told are only presumed."""
    blind = {member.name for member in members if member.tier == 3}
    presumed: set[tuple[str, str]] = set()
    for report in reports:
        data = report["data"]
        if report["type"] == "ticket.state" and data.get("evidence") == "presumed" and data["printer"] in blind:
            presumed |= {(data["order"]["no"], data["station"]), (data["order"]["no"], data["printer"])}
    return [
        finding
        for finding in findings
        if finding.fault in (Fault.LOST, Fault.PARTIAL, Fault.WRONG)
        and ((finding.order, finding.where) in presumed or (not finding.order and finding.where in blind))
    ]


def _from_the_mute(reports: Iterable[Event], members: list[Member]) -> list[Finding]:
    """A printer that never says a word confirms nothing."""
    mute = {member.name for member in members if member.tier == 3}
    return [
        Finding(Fault.FALSE, report["data"]["order"]["no"], report["data"]["station"], "by a printer that can't speak")
        for report in reports
        if report["type"] == "ticket.state"
        and report["data"].get("evidence") == "confirmed"
        and report["data"]["printer"] in mute
    ]


# -- tables ------------------------------------------------------------------------------------------------------------


def table(outcome: Outcome, chronicle: Chronicle, members: list[Member]) -> str:
    """Both tables, as Markdown."""
    kinds = sorted({member.kind for member in members})
    rows = [_row(kind, [m for m in members if m.kind == kind], outcome, chronicle) for kind in kinds]
    printers = (
        "printers|tickets|mishaps|marked reprints|pieces|lost|lost, only presumed|doubled unmarked|torn unmarked|"
        "stranger, outdated, wrong|falsely confirmed|alarm s: median, p95, worst|recovery s: median, p95, worst"
    )
    mishaps = "mishap|row|played|recovered alone|alarm s: median, p95, worst|recovery s: median, p95, worst"
    return "\n".join(
        [
            *_markdown(printers.split("|"), [*rows, _row("**all**", members, outcome, chronicle)]),
            "",
            *_markdown(mishaps.split("|"), [_mishap_row(k.name, k.row, k.hands, chronicle) for k in KINDS]),
        ]
    )


def _row(kind: str, members: list[Member], outcome: Outcome, chronicle: Chronicle) -> list[object]:
    names = {member.name for member in members}
    count = Counter(finding.fault for finding in outcome.findings if _place(finding) in names)
    printed = [ticket for member in members for ticket in read_paper(member.name, all_pieces(member.device))]
    stills = [still for still in chronicle.standstills if still.printer in names]
    incidents = [incident for incident in chronicle.incidents if incident.printer in names]
    return [
        kind,
        sum(chronicle.desks[name].ordered for name in names),
        sum(len(incident.kinds) for incident in incidents),
        sum(ticket.whole and ticket.marked for ticket in printed),
        sum(not ticket.whole and not ticket.notice for ticket in printed),
        count[Fault.LOST],
        sum(finding.where in names for finding in outcome.presumed),
        count[Fault.DOUBLED],
        count[Fault.PARTIAL],
        count[Fault.STRANGER] + count[Fault.OUTDATED] + count[Fault.WRONG],
        count[Fault.FALSE],
        _spread(_alarms(stills, chronicle)),
        _spread(incident.recovery_s for incident in incidents),
    ]


def _mishap_row(name: str, row: int, hands: bool, chronicle: Chronicle) -> list[object]:
    mine = [incident for incident in chronicle.incidents if name in incident.kinds]
    alone = "" if hands else sum(incident.paper_at is not None for incident in mine)
    stills = [s for s in chronicle.standstills if any(_during(incident, s) for incident in mine)]
    return [
        name,
        row,
        len(mine),
        alone,
        _spread(_alarms(stills, chronicle)),
        _spread(incident.recovery_s for incident in mine),
    ]


def _place(finding: Finding) -> str:
    """The printer whose matter it is: a guest at its address is its matter too."""
    return finding.where.partition("-")[0]


def _during(incident: Incident, still: Standstill) -> bool:
    over = incident.right_at if incident.right_at is not None else float("inf")
    return incident.printer == still.printer and incident.armed <= still.until and over >= still.since


def _alarms(stills: Iterable[Standstill], chronicle: Chronicle) -> list[float]:
    """Seconds to the alarm, for the standstills that had one begin; one that was up before is none."""
    seconds = [chronicle.alarm_s(still) for still in stills]
    return [second for second in seconds if second]


def _spread(seconds: Iterable[float | None]) -> str:
    known = sorted(second for second in seconds if second is not None)
    if not known:
        return ""
    p95 = known[min(len(known) - 1, int(len(known) * 0.95))]
    return f"{statistics.median(known):.1f}, {p95:.1f}, {known[-1]:.1f} ({len(known)})"


def _markdown(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    lines = [
        "| " + " | ".join(head) + " |",
        "|" + "|".join("---" if at == 0 else "---:" for at in range(len(head))) + "|",
    ]
    return lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]


# -- the story of what went wrong --------------------------------------------------------------------------------------


def stories(outcome: Outcome, chronicle: Chronicle, members: list[Member], log: Path, most: int = 10) -> str:
    """For each thing that is wrong: the printer and what befell it, the ticket's history, paper, the agent's log."""
    by_name = {member.name: member for member in members}
    lines: list[str] = []
    for finding in outcome.findings[:most]:
        lines += ["", f"=== {finding}"]
        member = by_name.get(_place(finding))
        if member is not None:
            lines += _story(finding.order, member, outcome.seed, chronicle, log)
    for still in outcome.unalarmed[:most]:
        alarm = chronicle.alarm_s(still)
        said = "no alarm at all" if alarm is None else f"the alarm after {alarm:.1f} s"
        lines += ["", f"=== standstill of {still.printer} from {still.since:.2f} to {still.until:.2f}: {said}"]
        lines += _events(by_name[still.printer], outcome.seed, still.since - 15, still.until + 3, chronicle, log)
    for order, station in outcome.untold[:most]:
        lines += ["", f"=== never settled: order #{order} at {station}"]
        lines += _story(order, by_name[station], outcome.seed, chronicle, log)
    return "\n".join(lines)


def _story(order: str, member: Member, seed: int, chronicle: Chronicle, log: Path) -> list[str]:
    moments = [
        at
        for at, report in chronicle.told
        if report["type"] == "ticket.state" and _is_about(report, order, member.name, chronicle)
    ]
    moments += [at for at, ticket in chronicle.desks[member.name].tickets if ticket.number == order]
    if (order, member.name) in chronicle.published:
        moments.append(chronicle.published[order, member.name])
    if not moments:
        return [f"    {member}"]
    return _events(member, seed, min(moments) - AROUND_S, max(moments) + AROUND_S / 3, chronicle, log, order)


def _events(
    member: Member, seed: int, since: float, until: float, chronicle: Chronicle, log: Path, order: str = ""
) -> list[str]:
    """All that is known of a printer in this time, in order of time."""
    found: list[tuple[float, str]] = []
    for incident in chronicle.incidents:
        if incident.printer == member.name:
            found += [(float(words.split(" ", 1)[0]), f"MISHAP {words.split(' ', 1)[1]}") for words in incident.words]
    for (number, station), at in chronicle.published.items():
        if station == member.name:
            found.append((at, f"order #{number} published"))
    for desk in chronicle.desks.values():
        here = "" if desk.member is member else f"at {desk.member.name} "
        found += [
            (at, f"PAPER  {here}{_paper(ticket)}")
            for at, ticket in desk.tickets
            if not here or ticket.station == member.name
        ]
    found += [
        (at, f"told   {_told(report)}")
        for at, report in chronicle.told
        if _is_about(report, order, member.name, chronicle)
    ]
    found += _log_lines(log, member.name, chronicle.began)
    lines = [f"    seed {seed}, {member}"]
    return lines + [f"    {at:8.2f}  {words}" for at, words in sorted(found) if since <= at <= until]


def _is_about(report: Event, order: str, printer: str, chronicle: Chronicle) -> bool:
    data = report["data"]
    if report["type"] == "alarm":
        what, _, rest = data["key"].partition(":")
        return rest.split(":")[0] == printer or (what == "ticket" and chronicle.printer_of.get(int(rest)) == printer)
    if report["type"] != "ticket.state" or printer not in (data["printer"], data["station"]):
        return False
    return not order or data["order"]["no"] == order


def _told(report: Event) -> str:
    data: dict[str, Any] = report["data"]
    if report["type"] == "alarm":
        return f"alarm {data['key']} {data['state']} {data.get('reason', '')}"
    facts = ("attempt", "number", "evidence", "marked", "reason")
    said = " ".join(f"{name}={data[name]}" for name in facts if name in data)
    return f"ticket {data['ticket']} of #{data['order']['no']} {data['state']} {said}"


def _paper(ticket: Printed) -> str:
    what = "whole" if ticket.whole else "notice" if ticket.notice else "a PIECE"
    marked = ", marked" if ticket.marked else ""
    return f"{what} #{ticket.number or '?'} No.{ticket.running} {ticket.banner}{marked}: {ticket.words[-60:]}"


def _log_lines(log: Path, printer: str, began: float) -> list[tuple[float, str]]:
    """The agent's own lines about this printer. Its log tells the time at the start of a line."""
    found: list[tuple[float, str]] = []
    for line in log.read_text(errors="replace").splitlines():
        if f"printer={printer}" in line.split() or "    | " in line:
            time, _, rest = line.partition(" ")
            try:
                at = datetime.fromisoformat(time).timestamp() - began
            except ValueError:
                at = found[-1][0] if found else 0.0
            found.append((at, f"log    {rest}"))
    return found
