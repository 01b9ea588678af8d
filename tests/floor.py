"""A kitchen without printers: the real intake, commands and journal; tickets come out when the test says so."""

import json
from pathlib import Path
from typing import Any

import msgspec

from agent.intake.commands import Commands, Done
from agent.intake.consumer import Consumer
from agent.journal import jobs, kitchen
from agent.journal.file import Tx
from agent.journal.jobs import Settlement
from agent.journal.store import Journal
from agent.model.job import Expected, JobState
from agent.model.kitchen import Seen
from agent.model.readycode import ready_code
from agent.model.station import Station
from agent.model.wire import Delivery

STATIONS = [
    Station(name="wok", printer="kitchen", default=True),
    Station(name="bar", printer="kitchen"),
    Station(name="pass", printer="kitchen", template="expo", shows="all"),
]
CHANNEL = "test"


class Floor:
    """The real intake, commands and journal; tickets are printed when the test says so."""

    def __init__(self, folder: Path, stations: list[Station] = STATIONS) -> None:
        self.journal = Journal(folder / "journal.db")
        self.journal.start()
        self.commands = Commands(stations, ["kitchen"])
        self.consumer = Consumer(self.journal, stations, "replay", lambda _: None, lambda _: None, lambda: None)
        self._told = 0

    def close(self) -> None:
        """Close the journal."""
        self.journal.stop(5)

    def order(self, number: int, rev: int = 1, wok: int = 1, bar: int = 1, **fields: Any) -> None:
        """An order with so many dishes at each station; 0 is none."""
        items = [
            {"id": name, "name": f"菜{name}", "qty": str(qty), "station": name}
            for name, qty in (("wok", wok), ("bar", bar))
            if qty
        ]
        order = {"id": f"id-{number}", "rev": rev, "channel": CHANNEL, "no": str(number), "items": items, **fields}
        self._event("order.upsert", {"order": order}, f"{number}-{rev}")

    def cancel(self, number: int, rev: int) -> None:
        """The order is off."""
        data = {"order": {"id": f"id-{number}", "rev": rev, "channel": CHANNEL}}
        self._event("order.cancel", data, f"{number}-{rev}-off")

    def _event(self, kind: str, data: dict[str, Any], event_id: str) -> None:
        event = {"specversion": "1.0", "id": event_id, "source": "//test", "type": kind, "data": data}
        self.consumer.receive(Delivery(1, 1, "order", json.dumps(event).encode(), 1, False))
        self.journal.write(lambda _: None)

    def print_all(self) -> None:
        """Whatever waits comes out."""
        self.journal.write(print_all)

    def do(self, kind: str, **data: Any) -> Done:
        """A person's word."""
        return self.journal.write(lambda tx: self.commands.perform(tx, f"command.{kind}", {"by": "王", **data}))

    def ready(self, number: int, station: str = "") -> Done:
        """Something is finished."""
        return self.do("ready", order=f"id-{number}", station=station)

    def recall(self, number: int, station: str = "") -> Done:
        """It is not."""
        return self.do("recall", order=f"id-{number}", station=station)

    def see(self) -> Seen:
        """What the screen is made of."""
        return self.journal.write(kitchen.look)

    def shown(self) -> list[tuple[str, str]]:
        """Numbers and stations that are to be made, as on the screen."""
        return [
            (order.no, each.part.station)
            for order in self.see().orders
            for each in order.parts
            if not each.part.finished
        ]

    def ticket(self, number: int, station: str) -> int:
        """The number of the newest ticket there."""
        sql = "SELECT max(j.id) FROM jobs j JOIN orders o ON o.pk = j.order_pk WHERE o.number = ? AND j.station = ?"
        return int(self.journal.write(lambda tx: tx.execute(sql, (str(number), station)).fetchone()[0]))

    def state(self, number: int) -> str:
        """Where the order is."""
        sql = "SELECT state FROM orders WHERE number = ?"
        return str(self.journal.write(lambda tx: tx.execute(sql, (str(number),)).fetchone()[0]))

    def told(self) -> list[tuple[str, int, str]]:
        """What the cloud was told of orders since it was last asked: state, revision, reason."""
        rows = self.journal.write(
            lambda tx: tx.execute(
                "SELECT pk, body FROM outbox WHERE type = 'order.state' AND pk > ? ORDER BY pk", (self._told,)
            ).fetchall()
        )
        self._told = rows[-1][0] if rows else self._told
        reports = [json.loads(body) for _, body in rows]
        return [(report["state"], report["rev"], report.get("reason", "")) for report in reports]


def print_all(tx: Tx) -> None:
    """Every ticket that waits is printed, and its printer says so."""
    while (job := jobs.next_pending(tx, "kitchen")) is not None:
        number = jobs.running_number(tx, job, "day")
        job = msgspec.structs.replace(job, number=number)
        assert jobs.claim(tx, job, "kitchen", "day", Expected(1, 1, 1), None) is not None
        (sent,) = jobs.in_flight(tx, "kitchen")
        jobs.settle(tx, sent, Settlement(JobState.COMPLETED, "confirmed"))


def code(number: int, station: str, rev: int = 1) -> str:
    """What stands at the foot of a ticket."""
    return ready_code(CHANNEL, f"id-{number}", station, rev)
