"""The judge of the agent's word: was it true when it told the cloud *confirmed*?"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from agent.simulator.piece import Piece
from agent.simulator.reading import Printed, read_piece
from agent.simulator.verdict import Event, Fault, Finding

ROUNDING = timedelta(milliseconds=1)
"""Reports tell the time in whole milliseconds."""
_EVER, _NEVER = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


def judge_word(
    reports: Iterable[Event],
    paper: Mapping[str, Sequence[Piece]],
    cut_times: Mapping[str, Sequence[datetime]] | None = None,
) -> list[Finding]:
    """Whatever the cloud was told is confirmed must stand on paper whole, at whatever printer.

    `reports` are the CloudEvents of the agent. With `cut_times`, when each of a printer's `pieces` was cut off, it must
    have stood there before that was said; a piece without a time still hangs out of its printer. A word on a ticket
    without a running number can't be judged, and counts as false.
    """
    stood: dict[tuple[str, str, int], datetime] = {}
    for printer, pieces in paper.items():
        for at, ticket in _tickets_with_times(printer, pieces, None if cut_times is None else cut_times[printer]):
            key = (ticket.number, ticket.station, ticket.running)
            if ticket.whole:
                stood[key] = min(at, stood.get(key, at))
    findings = []
    for report in reports:
        told = report["data"]
        if report["type"] != "ticket.state" or told.get("evidence") != "confirmed":
            continue
        number, station, running = told["order"]["no"], told["station"], told.get("number", 0)
        whole_at = stood.get((number, station, running))
        late = whole_at is not None and whole_at > datetime.fromisoformat(report["time"]) + ROUNDING
        if whole_at is None or late:
            words = f"No.{running} was confirmed at {report['time']}, and "
            words += "is not whole on paper" if whole_at is None or whole_at == _NEVER else f"was there at {whole_at}"
            findings.append(Finding(Fault.FALSE, number, station, words))
    return findings


def _tickets_with_times(
    printer: str, pieces: Sequence[Piece], times: Sequence[datetime] | None
) -> Iterator[tuple[datetime, Printed]]:
    for at, piece in enumerate(pieces):
        time = _EVER if times is None else times[at] if at < len(times) else _NEVER
        for ticket in read_piece(printer, piece):
            yield time, ticket
