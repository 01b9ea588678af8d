"""A kitchen where orders may have to wait: the clock, and whether it may be trusted, are the test's."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from agent.clock import SystemClock, stamp
from agent.config import Intake
from agent.intake.commands import Commands, Done
from agent.intake.consumer import Consumer
from agent.intake.release import Release
from agent.intake.timekeeper import TimeKeeper
from agent.journal import waits
from agent.model.wire import Delivery
from agent.simulator.ports import serve_tcp
from agent.simulator.printer import PrinterSpec, VirtualPrinter
from tests.kitchen import IMPATIENT, Kitchen, Ticket

SOURCE = "//orders.example/s1/e1"
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
RULES = Intake(gap_hold_s=0.4)


class WallClock(SystemClock):
    """The wall clock jumps as the test likes; what never jumps is real, and may be pushed on."""

    def __init__(self) -> None:
        self.noon_is = super().monotonic()
        self.ahead_s = 0.0
        self.pushed_s = 0.0

    def monotonic(self) -> float:
        """Seconds."""
        return super().monotonic() + self.pushed_s

    def utc(self) -> datetime:
        """Noon when the test began."""
        return NOON + timedelta(seconds=self.monotonic() - self.noon_is + self.ahead_s)


class Queueing(Kitchen):
    """`rules` and `synchronised` may be changed while it is closed; `gaps` counts what was asked for again."""

    def __init__(self, folder: Path, device: VirtualPrinter, link: str, rules: Intake) -> None:
        self.wall = WallClock()
        self.rules = rules
        self.synchronised = True
        self.boot = "boot"
        self.gaps = 0
        super().__init__(folder, device, link, "auto", IMPATIENT)

    def open(self) -> None:
        """As the agent does when it starts."""
        super().open()
        self.times = TimeKeeper(self.wall, UTC, lambda: self.synchronised, self.boot)
        self.journal.write(self.times.load)
        self.release = Release(
            self.journal, self._stations, self.rules, self.times, self.wall, lambda _printers: self.worker.wake()
        )
        self.consumer = Consumer(
            self.journal,
            self._stations,
            "replay",
            lambda delivery: self.acknowledged.append(delivery.mid),
            lambda _printers: self.worker.wake(),
            self._ask,
            "cmd",
            self.rules,
            self.times,
            self.release.ring,
        )
        self.release.start()

    def close(self) -> None:
        """Stop in order."""
        self.release.stop(5)
        super().close()

    def _ask(self) -> None:
        self.gaps += 1

    def tell(
        self,
        number: int,
        sequence: int | None = None,
        rev: int = 1,
        topic: str = "order",
        told: float | None = 0,
        source: str = SOURCE,
        **fields: Any,
    ) -> None:
        """An order, told so many minutes after noon, and kept when this returns."""
        items = [{"name": "豆浆", "qty": "2"}]
        order = {"id": f"id-{number}", "rev": rev, "channel": "test", "no": str(number), "items": items, **fields}
        self._send("order.upsert", {"order": order}, f"{number}-{rev}", sequence, topic, told, source)

    def take_back(self, number: int, sequence: int | None = None, rev: int = 1) -> None:
        """A cancel."""
        data = {"order": {"id": f"id-{number}", "rev": rev, "channel": "test"}, "reason": "客人取消"}
        self._send("order.cancel", data, f"{number}-{rev}-cancel", sequence, "order", 0, SOURCE)

    def _send(
        self,
        kind: str,
        data: dict[str, Any],
        name: str,
        sequence: int | None,
        topic: str,
        told: float | None,
        source: str,
    ) -> None:
        event: dict[str, Any] = {"specversion": "1.0", "id": name, "source": source, "type": kind, "data": data}
        if sequence is not None:
            event["sequence"] = f"{sequence:020}"
        if told is not None:
            event["time"] = stamp(minutes(told))
        self.deliver(event, topic)

    def deliver(self, event: dict[str, Any], topic: str = "order") -> None:
        """Whatever comes over the line, and kept when this returns."""
        self._mid += 1
        self.consumer.receive(Delivery(1, self._mid, topic, json.dumps(event).encode(), 1, False))
        self.settled()

    def settled(self) -> None:
        """All that came in is on disk."""
        self.journal.write(lambda _: None)

    def say(self, kind: str, **data: Any) -> Done:
        """A person's word, at the box."""
        done = self.journal.write(lambda tx: Commands().perform(tx, kind, data))
        self.release.ring()
        return done

    def pass_s(self, seconds: float) -> None:
        """Time passes for everybody who asks."""
        self.wall.pushed_s += seconds
        self.release.ring()

    # -- what can be seen ----------------------------------------------------------------------------------------

    def waiting(self) -> list[tuple[str, str]]:
        """Orders that wait, and what for."""
        return [(each.no, str(each.why)) for each in self.journal.write(lambda tx: waits.listed(tx, 1000))]

    def numbers(self) -> list[str]:
        """The whole tickets on paper, in order, by their orders' numbers."""
        return [ticket.number for ticket in self.tickets() if ticket.whole and ticket.number]

    def one(self, number: int) -> Ticket:
        """The one ticket of this order, once it is there."""
        assert self.wait_for(number), f"order {number} never came; there is {self.numbers()}, {self.waiting()}"
        (ticket,) = self.whole(number)
        return ticket

    def summaries(self) -> list[str]:
        """Tickets for the staff that list orders."""
        return [ticket.text for ticket in self.tickets() if " ORDERS" in ticket.text]

    def order_states(self, number: int) -> list[tuple[str, str]]:
        """What the cloud was told of an order, with the reason."""
        told = [each for each in self.reports() if each["type"] == "order.state"]
        return [(each["state"], each.get("reason", "")) for each in told if each["order"]["id"] == f"id-{number}"]


def minutes(after_noon: float) -> datetime:
    """A moment of the test's day."""
    return NOON + timedelta(minutes=after_noon)


def iso(after_noon: float) -> str:
    """The same, as orders have it."""
    return minutes(after_noon).isoformat()


@contextmanager
def queueing(folder: Path, rules: Intake = RULES, **changes: Any) -> Iterator[Queueing]:
    """A kitchen with one printer."""
    with ExitStack() as stack:
        device = stack.enter_context(VirtualPrinter(PrinterSpec(line_time_s=0.001)))
        port = stack.enter_context(serve_tcp(device))
        here = Queueing(folder, device, port.link, msgspec.structs.replace(rules, **changes))
        stack.callback(here.close)
        yield here
