"""Events in any order, twice, with cancels, while time passes and the box restarts: what waits comes out in the end."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.config import Intake
from agent.intake.consumer import Consumer
from agent.intake.release import Release
from agent.intake.timekeeper import TimeKeeper
from agent.journal.store import Journal
from agent.model.station import Station
from agent.model.ticket import READ_SHARE
from agent.model.wire import Delivery
from tests.office import HandClock
from tests.queueing import SOURCE

STATIONS = [Station(name="wok", printer="wok", default=True)]
RULES = Intake(gap_hold_s=2, flood_per_customer_min=0)
FIRST = 100
ORDERS = 6


class Desk:
    """The front door and whoever lets go what waits, turned by hand."""

    def __init__(self, folder: Path) -> None:
        self.journal = Journal(folder / "journal.db")
        self.journal.start()
        self.clock = HandClock()
        self.reader = self.journal.reader()
        self.restart()

    def restart(self) -> None:
        """Whatever is not in the journal is forgotten."""
        times = TimeKeeper(self.clock, UTC, lambda: True)
        self.release = Release(self.journal, STATIONS, RULES, times, self.clock, lambda _: None)
        self.consumer = Consumer(
            *(self.journal, STATIONS, "replay", lambda _: None, lambda _: None, lambda: None, "", RULES, times)
        )

    def take(self, event: dict[str, Any]) -> None:
        """An event comes."""
        self.consumer.receive(Delivery(1, 1, "order", json.dumps(event).encode(), 1, False))
        self.journal.write(lambda _: None)

    def pass_s(self, seconds: float) -> None:
        """Time passes; whoever lets go is awake at every moment that matters."""
        self.release.turn(self.reader)
        for _ in range(int(seconds)):
            self.clock.pass_s(1)
            self.release.turn(self.reader)

    def ask(self, query: str) -> list[Any]:
        """Rows."""
        return self.reader.execute(query).fetchall()


@contextmanager
def desk() -> Iterator[Desk]:
    """With a journal of its own. What is numbered before the orders is known."""
    with tempfile.TemporaryDirectory() as folder:
        here = Desk(Path(folder))
        here.take(event(FIRST, "ping", None))
        try:
            yield here
        finally:
            here.reader.close()
            here.journal.stop(10)


def event(sequence: int, kind: str, data: Any) -> dict[str, Any]:
    """With a place in the counting."""
    told = {"specversion": "1.0", "id": f"e{sequence}", "source": SOURCE, "type": kind, "data": data}
    return {**told, "sequence": f"{sequence:020}"}


def story(canceled: set[int], amended: set[int]) -> list[dict[str, Any]]:
    """What the cloud told, in its order: all orders, then what became of some."""
    steps: list[tuple[str, int, int]] = [("order.upsert", number, 1) for number in range(1, ORDERS + 1)]
    steps += [("order.upsert", number, 2) for number in sorted(amended)]
    steps += [("order.cancel", number, 3) for number in sorted(canceled)]
    told = []
    for at, (kind, number, rev) in enumerate(steps, FIRST + 1):
        order: dict[str, Any] = {"id": f"{number}", "rev": rev, "channel": "test"}
        if kind == "order.upsert":
            order |= {"items": [{"name": "豆浆", "qty": rev}], "no": str(number)}
        told.append(event(at, kind, {"order": order}))
    return told


@settings(max_examples=80, deadline=None)
@given(
    st.sets(st.integers(1, ORDERS), max_size=3),
    st.sets(st.integers(1, ORDERS), max_size=3),
    st.randoms(use_true_random=False),
    st.lists(st.sampled_from([0, 0, 1, 3, -1]), min_size=3 * ORDERS, max_size=3 * ORDERS),
)
def test_nothing_is_lost_doubled_or_out_of_order(
    canceled: set[int], amended: set[int], chance: Any, pauses: list[int]
) -> None:
    """In the end nothing waits; each order that holds has a ticket that says its newest revision, a cancelled one has
    none that is not taken back, and first tickets come in the cloud's order but for those that say that they are late.
    """
    told = story(canceled, amended)
    coming = [*told, *chance.sample(told, 3)]
    chance.shuffle(coming)
    with desk() as here:
        for each, pause in zip(coming, pauses, strict=False):
            here.take(each)
            if pause < 0:
                here.restart()
            if pause > 0:  # else nobody has looked yet when the next one comes
                here.pass_s(pause)
        here.pass_s(3)
        assert here.ask("SELECT * FROM waits") == []
        for number in range(1, ORDERS + 1):
            live = here.ask(
                "SELECT j.rev, j.kind FROM jobs j JOIN orders o ON o.pk = j.order_pk "
                f"WHERE o.order_id = '{number}' AND j.state = 'pending'"
            )
            newest = 2 if number in amended else 1
            assert live == ([] if number in canceled else [(newest, "order")])
        firsts = here.ask(
            "SELECT e.id, j.share FROM jobs j JOIN events e ON e.pk = j.event_pk WHERE j.rev = 1 ORDER BY j.id"
        )
        in_time = [int(name[1:]) for name, share in firsts if not READ_SHARE.decode(share).arrival.late]
        assert in_time == sorted(in_time)
        alarms = here.ask("SELECT key FROM alarms")
        assert alarms == [], "all came in the end"
