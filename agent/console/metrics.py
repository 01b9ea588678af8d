"""`/metrics`: the agent in figures, in Prometheus' text format 0.0.4. No customer's data, and no order's id."""

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from agent import __version__
from agent.console.rooms import Rooms
from agent.console.tally import BUCKETS_S, Labels, Tally
from agent.journal import jobs, notes, waits

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_COUNTERS = {
    "orders": ("shop_agent_orders_total", "Orders by what became of them, as reported; parked: could not be read."),
    "tickets": ("shop_agent_tickets_total", "Reports of tickets, by printer, state and evidence."),
    "marked": ("shop_agent_marked_tickets_total", "Tickets on paper that bear 补打 REPRINT."),
    "repeated": ("shop_agent_repeated_prints_total", "Open_printMsg that came before: printed once, by station."),
    "http": ("shop_agent_http_requests_total", "Answers of this port, by path and status."),
}
Sample = tuple[str, Labels, float]


class Metrics:
    """Gathered at each request, on a thread."""

    def __init__(self, rooms: Rooms, tally: Tally) -> None:
        self._rooms = rooms
        self._tally = tally
        self._started = rooms.clock.utc().timestamp()

    def routes(self) -> list[BaseRoute]:
        """For the application."""
        return [Route("/metrics", self._get)]

    def _get(self, _request: Request) -> Response:
        return Response("".join(self._lines()), headers={"content-type": CONTENT_TYPE, "cache-control": "no-store"})

    def _lines(self) -> Iterator[str]:
        yield from _family("shop_agent_build_info", "gauge", "What runs here.", [("", _build(), 1)])
        counts = self._tally.counts()
        for name, (family, text) in _COUNTERS.items():
            samples = [("", labels, count) for (key, labels), count in sorted(counts.items()) if key == name]
            yield from _family(family, "counter", text, samples)
        yield from self._commits()
        yield from self._around()
        try:
            yield from self._stored()
        except Exception:  # noqa: BLE001  the other figures say what is wrong with the journal
            yield from _family("shop_agent_journal_readable", "gauge", "Can the journal be read?", [("", (), 0)])

    def _commits(self) -> Iterator[str]:
        buckets, seconds = self._tally.commits()
        names = [*map(repr, BUCKETS_S), "+Inf"]
        samples: list[Sample] = [
            ("_bucket", (("le", name),), count) for name, count in zip(names, buckets, strict=True)
        ]
        samples += [("_sum", (), seconds), ("_count", (), buckets[-1])]
        text = "How long the journal took to be on disk."
        yield from _family("shop_agent_journal_commit_seconds", "histogram", text, samples)

    def _around(self) -> Iterator[str]:
        """What the rooms know by heart."""
        rooms = self._rooms
        heard = rooms.last_heard()
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
        states = [(name, worker.seen()) for name, worker in rooms.workers.items()]
        if rooms.cloud:
            yield from _gauge("shop_agent_line_up", "Is the line to the cloud up?", rooms.line_up())
        at = datetime.fromisoformat(heard).timestamp() if heard else 0
        yield from _gauge("shop_agent_last_heard_timestamp_seconds", "The cloud's last message; 0: none yet.", at)
        yield from _gauge("shop_agent_clock_synchronised", "Does something set the clock?", rooms.synchronised())
        yield from _gauge(
            "shop_agent_clock_seconds", "What time this box believes it is.", rooms.clock.utc().timestamp()
        )
        yield from _gauge("shop_agent_journal_full", "Is there no room on the disk?", rooms.journal.full)
        yield from _gauge("shop_agent_threads_stuck", "Threads that do not come round.", len(rooms.stuck()))
        printers: list[Sample] = [
            ("", (("printer", name), ("state", str(seen["state"])), ("need", str(seen.get("need") or ""))), 1)
            for name, seen in states
        ]
        yield from _family("shop_agent_printer_state", "gauge", "How each printer is, and what it needs.", printers)
        yield from _gauge("process_start_time_seconds", "When this process started.", self._started)
        yield from _gauge("process_resident_memory_bytes", "Its memory.", pages * _PAGE_BYTES)

    def _stored(self) -> Iterator[str]:
        """What is in the journal, read by indexes: a box is small."""
        with closing(self._rooms.journal.reader()) as reader:
            waiting, alarms = jobs.waiting(reader), notes.alarms(reader)
            oldest, held = jobs.oldest_waiting(reader), waits.count(reader)
        yield from _gauge("shop_agent_journal_readable", "Can the journal be read?", 1)
        names = {*self._rooms.workers, *waiting}
        queues: list[Sample] = [("", (("printer", name),), waiting.get(name, 0)) for name in sorted(names)]
        yield from _family("shop_agent_tickets_waiting", "gauge", "Tickets that are not settled.", queues)
        age_s = self._rooms.clock.utc().timestamp() - datetime.fromisoformat(oldest).timestamp() if oldest else 0
        yield from _gauge("shop_agent_oldest_ticket_seconds", "Age of the oldest one.", max(0, age_s))
        yield from _gauge("shop_agent_orders_waiting", "Orders that wait before they become tickets.", held)
        kinds = [key.split(":") for key in alarms]
        by_kind: list[Sample] = [
            ("", (("kind", kind),), sum(key[0] == kind for key in kinds)) for kind in _first(kinds)
        ]
        yield from _family("shop_agent_alarms", "gauge", "Alarms that are up, by kind.", by_kind)
        own: list[Sample] = [
            ("", (("printer", ":".join(key[1:-1])), ("alarm", key[-1])), 1) for key in kinds if key[0] == "printer"
        ]
        yield from _family("shop_agent_printer_alarm", "gauge", "Alarms of a printer that are up.", own)


def _first(keys: Iterable[list[str]]) -> list[str]:
    return sorted({key[0] for key in keys})


def _build() -> Labels:
    return (("version", __version__), ("python", ".".join(map(str, sys.version_info[:3]))))


def _gauge(name: str, text: str, value: float) -> Iterator[str]:
    return _family(name, "gauge", text, [("", (), value)])


def _family(name: str, kind: str, text: str, samples: Iterable[Sample]) -> Iterator[str]:
    yield f"# HELP {name} {text}\n# TYPE {name} {kind}\n"
    for suffix, labels, value in samples:
        said = ",".join(f'{key}="{_escaped(word)}"' for key, word in labels)
        yield f"{name}{suffix}{{{said}}} {float(value)!r}\n" if said else f"{name}{suffix} {float(value)!r}\n"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
