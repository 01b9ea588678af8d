"""What the box answers to whoever only looks: how all is, and what happens just now."""

import threading
from collections.abc import Callable
from typing import Annotated, Any

import msgspec

from agent.control import Handler, Visit
from agent.errors import CommandRefused
from agent.lastlines import LastLines, Line
from agent.overview.state import Overview

MOST_LINES = 2000
LOOK_S = 0.5
MOST_WATCHERS = 3
"""So many may wait here for the next line at a time: each holds one of the door's few seats meanwhile."""


class _Tail(msgspec.Struct, frozen=True):
    """Either the `last` so many lines, or what came `after` a line, waited for."""

    last: Annotated[int, msgspec.Meta(ge=0, le=MOST_LINES)] | None = None
    after: Annotated[int, msgspec.Meta(ge=0)] = 0
    wait_s: Annotated[float, msgspec.Meta(ge=0, le=10)] = 0.0


class Standing:
    """The handlers for `Control`, by the request's word."""

    def __init__(self, overview: Callable[[], Overview], lines: LastLines) -> None:
        self._overview = overview
        self._lines = lines
        self._watchers = threading.BoundedSemaphore(MOST_WATCHERS)

    def table(self) -> dict[str, Handler]:
        """Each request with what answers it."""
        return {"status": self._tell_status, "tail": self._tell_lines, "alarms": self._tell_alarms}

    def _tell_status(self, _request: dict[str, Any], _visit: Visit) -> dict[str, Any]:
        told: dict[str, Any] = msgspec.to_builtins(self._overview())
        return told

    def _tell_alarms(self, _request: dict[str, Any], _visit: Visit) -> dict[str, Any]:
        """What needs a person, gravest first, and which of it a person may end."""
        up = self._overview().alarms
        fields = ("key", "reason", "since", "dismissable")
        return {"alarms": [{field: getattr(alarm, field) for field in fields} for alarm in up]}

    def _tell_lines(self, request: dict[str, Any], visit: Visit) -> dict[str, Any]:
        """The lines, and the number of the newest, to be asked for what comes after it."""
        try:
            wanted = msgspec.convert(request, _Tail)
        except msgspec.ValidationError as exc:
            raise CommandRefused(f"say how many lines, or after which: {exc}", "请说明要多少行，或从哪一行起") from exc
        found = self._wait(wanted, visit) if wanted.last is None else self._lines.last(wanted.last)
        newest = found[-1].n if found else self._newest(wanted)
        return {"lines": msgspec.to_builtins(found[-MOST_LINES:]), "newest": newest}

    def _newest(self, wanted: _Tail) -> int:
        newest = self._lines.last(1)
        return newest[0].n if newest and wanted.last is not None else wanted.after

    def _wait(self, wanted: _Tail, visit: Visit) -> list[Line]:
        if not self._watchers.acquire(blocking=False):
            return self._lines.after(wanted.after, 0.0)
        try:
            left_s = wanted.wait_s
            while not (found := self._lines.after(wanted.after, min(LOOK_S, left_s))):
                left_s -= LOOK_S
                if left_s <= 0 or visit.stopping.is_set():
                    break
            return found
        finally:
            self._watchers.release()
