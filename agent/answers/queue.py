"""The queue, the kitchen and the alarms, as the box tells them; and what a person decides about them."""

from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from agent import log
from agent.answers.printers import Hand
from agent.answers.word import Word
from agent.clock import Clock
from agent.control import Handler, Visit
from agent.journal import jobs, kitchen, waits
from agent.journal.queue import waiting_tickets
from agent.journal.store import Journal
from agent.model.ticket import Language
from agent.tickets.kitchenboard import board, day_began

MOST_TICKETS = 1000
_log = log.get("control")


class _Deed(NamedTuple):
    """A command that a person gives: how it is logged, with which of its fields, and who is woken by it."""

    event: str
    fields: tuple[str, ...] = ()
    wakes: str = ""


DEEDS = {
    "settle": _Deed("control.ticket_settled", ("decision", "ticket"), "printers"),
    "release": _Deed("control.orders_released", wakes="release"),
    "drop": _Deed("control.orders_dropped"),
    "reprint": _Deed("control.reprint_asked", ("order", "ticket"), "printers"),
    "move": _Deed("control.ticket_moved", ("ticket", "printer"), "printers"),
    "ready": _Deed("control.order_ready", ("order", "ticket")),
    "recall": _Deed("control.order_recall", ("order", "ticket")),
    "pause": _Deed("control.printer_paused", ("printer",)),
    "resume": _Deed("control.printer_resumed", ("printer",), "printers"),
    "dismiss": _Deed("control.alarm_dismissed", ("alarm",)),
}
ERRANDS = ("reload", "bundle")


class QueueAnswers:
    """The handlers for `Control`, by the request's word."""

    def __init__(
        self, journal: Journal, workers: Mapping[str, Hand], clock: Clock, word: Word, stir: Callable[[], None]
    ) -> None:
        self._journal = journal
        self._workers = workers
        self._clock = clock
        self._word = word
        self._stir = stir

    def table(self) -> dict[str, Handler]:
        """Each request with what answers it."""
        return {
            "queue": self._tell_queue,
            "waiting": self._tell_waiting,
            "kitchen": self._tell_kitchen,
            **{name: self._deed(name, deed) for name, deed in DEEDS.items()},
            **{name: self._errand(name) for name in ERRANDS},
        }

    def _tell_queue(self, _request: dict[str, Any], _visit: Visit) -> dict[str, Any]:
        now = self._clock.utc()
        with closing(self._journal.reader()) as reader:
            tickets = waiting_tickets(reader, MOST_TICKETS)
            count = sum(jobs.waiting(reader).values())
        told = [{**msgspec.to_builtins(each), "age_s": _age_s(each.created_at, now)} for each in tickets]
        return {"tickets": told, "count": max(count, len(told))}

    def _tell_waiting(self, _request: dict[str, Any], _visit: Visit) -> dict[str, Any]:
        """Orders that are accepted and no tickets yet, with what they wait for."""
        with closing(self._journal.reader()) as reader:
            listed = waits.listed(reader, MOST_TICKETS)
            return {"orders": [msgspec.to_builtins(each) for each in listed], "count": waits.count(reader)}

    def _tell_kitchen(self, request: dict[str, Any], _visit: Visit) -> dict[str, Any]:
        """What is to be made, and what was finished last; of one station where the request names it."""
        now = self._clock.utc().astimezone()
        with closing(self._journal.reader()) as reader:
            seen = kitchen.look(reader, day_began(now))
        told: dict[str, Any] = msgspec.to_builtins(board(seen, now, Language.BOTH, str(request.get("station") or "")))
        return told

    def _deed(self, name: str, deed: _Deed) -> Handler:
        def answer(request: dict[str, Any], visit: Visit) -> dict[str, Any]:
            said = self._word.perform(f"command.{name}", request, visit)
            _log.info(deed.event, by=visit.by, **{field: request.get(field) for field in deed.fields})
            self._wake(deed.wakes)
            return {"answer": said}

        return answer

    def _errand(self, name: str) -> Handler:
        def answer(request: dict[str, Any], visit: Visit) -> dict[str, Any]:
            said = self._word.run(f"command.{name}", request, visit)
            _log.info("control.errand_done", by=visit.by, what=name)
            return {"answer": said}

        return answer

    def _wake(self, who: str) -> None:
        if who == "release":
            self._stir()
        if who == "printers":
            for worker in self._workers.values():
                worker.wake()


def _age_s(created_at: str, now: datetime) -> int:
    """Seconds since then; 0 where the clock went back meanwhile."""
    return max(0, int((now - datetime.fromisoformat(created_at)).total_seconds()))
