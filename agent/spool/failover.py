"""Who stands in for a printer that is down. Every worker says how its own printer is, and asks whom it stands in for.

Nothing is moved: a ticket that no printer has is taken by whoever may print it first, so that the station's own printer
goes on by itself once it is well.
"""

import threading
from collections.abc import Callable, Sequence

from agent.clock import Clock
from agent.journal.jobs import Route
from agent.model.station import Station


class Roster:
    """Which printers are well and which are down, and since when. Any thread."""

    def __init__(self, stations: Sequence[Station], printers: Sequence[str], after_s: float, clock: Clock) -> None:
        self._stations = stations
        self._printers = printers
        self._after_s = after_s
        self._clock = clock
        self._lock = threading.Lock()
        self._down: dict[str, tuple[float, str]] = {}
        self._reasons: dict[str, str] = {}
        self._well: set[str] = set()
        self._wake: dict[str, Callable[[], None]] = {}

    def enlist(self, printer: str, wake: Callable[[], None]) -> None:
        """A worker is there."""
        self._wake[printer] = wake

    def well(self, printer: str) -> None:
        """It can print."""
        with self._lock:
            self._down.pop(printer, None)
            self._well.add(printer)

    def down(self, printer: str, reason: str) -> None:
        """It is away or needs a person."""
        with self._lock:
            self._well.discard(printer)
            since = self._down.get(printer, (self._clock.monotonic(), ""))[0]
            self._down[printer] = (since, reason)
            self._reasons[printer] = reason

    def reason(self, printer: str) -> str:
        """Why it is down, or last was: a ticket taken over a moment ago still says why. Empty when it never was."""
        return self._reasons.get(printer, "")

    def give_up_after(self, seconds: float) -> None:
        """From now on another one stands in after so long."""
        self._after_s = seconds

    def is_given_up(self, printer: str) -> bool:
        """Is it down for so long that another one should stand in?"""
        since = self._down.get(printer)
        return since is not None and self._clock.monotonic() - since[0] >= self._after_s

    def stands_in(self, printer: str) -> tuple[Route, ...]:
        """The stations that this printer prints for now, besides its own."""
        if not self._down:
            return ()
        return tuple(
            Route(station.name, station.printer)
            for station in self._stations
            if station.backup == printer and station.printer is not None and self.is_given_up(station.printer)
        )

    def home(self, job_station: str) -> str | None:
        """The printer of this station; None where it has none, or is no more."""
        return next((station.printer for station in self._stations if station.name == job_station), None)

    def is_well(self, printer: str) -> bool:
        """Can it print?"""
        return printer in self._well

    def has_stand_in(self, job_station: str) -> bool:
        """Is the backup of this station well?"""
        return any(station.name == job_station and station.backup in self._well for station in self._stations)

    def neighbour(self, printer: str) -> str | None:
        """A well printer that can tell the staff that this one needs them: its backup, else any other."""
        backups = [station.backup for station in self._stations if station.printer == printer and station.backup]
        well = self._well - {printer}
        return next((name for name in (*backups, *self._printers) if name in well), None)

    def wake(self, printer: str) -> None:
        """There is something for this printer."""
        if (wake := self._wake.get(printer)) is not None:
            wake()
