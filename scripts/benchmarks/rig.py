"""One contender in one scene: a broker, a printer that can fail, the cloud that publishes, and the paper in the end."""

import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from agent.simulator.piece import Piece
from agent.simulator.ports import serve_pty, serve_tcp
from agent.simulator.printer import PrinterSpec, VirtualPrinter
from agent.simulator.reading import read_paper
from agent.simulator.stage import Mosquitto
from scripts.benchmarks.orders import order_event
from scripts.benchmarks.peers import SUBSCRIPTIONS, Contender, address
from scripts.benchmarks.publisher import Publisher
from scripts.benchmarks.score import Score, judge, whole_order

SHOP = "bench"
GRACE_S = 1.5
PATIENCE_S = {"agent": 12.0, "careful": 6.0, "node-red": 12.0, "receiptio": 14.0, "cups": 20.0}
"""So long without a new line on paper, and what is missing counts as lost; who never tries again is waited for less."""
IMPATIENCE_S = 4.0
LIMIT_S = 240.0


class Rig:
    """What a scene plays with. Everything runs in the scene's thread but the contender and the printer."""

    def __init__(
        self, name: str, device: VirtualPrinter, publisher: Publisher, contender: Contender, seed: str
    ) -> None:
        self.name = name
        self.device = device
        self.contender = contender
        self.chance = Random(seed)
        self.publisher = publisher
        self.start_s = 0.0
        self._events: dict[int, bytes] = {}
        self._false = -1

    def event(self, number: int) -> bytes:
        """The event of an order; the same each time."""
        return self._events.setdefault(number, order_event(SHOP, number))

    def publish(self, numbers: Iterable[int], per_s: float) -> None:
        """Publish orders at a pace."""
        for number in numbers:
            self.publisher.send(self.event(number))
            self.publisher.listen(1 / per_s)

    def watch_words(self) -> None:
        """Note what is said to be printed now and is not on paper now."""
        self._false = max(self._false, self._judge(self._pieces()).false)

    def finish(self) -> Score:
        """Wait until all is on paper, or nothing comes any more, and judge."""
        deadline = time.monotonic() + LIMIT_S
        lines, moved_at = -1, time.monotonic()
        while (now := time.monotonic()) < deadline:
            if self.device.paper.line_feeds != lines or self.device.buffered:
                lines, moved_at = self.device.paper.line_feeds, now
            quiet_s = now - moved_at
            if quiet_s > PATIENCE_S.get(self.name, IMPATIENCE_S) or (quiet_s > GRACE_S and self._all_printed()):
                break
            self.publisher.listen(0.1)
        self.contender.stop()
        score = self._judge(self._pieces())
        score.false = max(score.false, self._false)
        return score

    def _pieces(self) -> list[Piece]:
        hangs_out = self.device.paper.current
        return [*self.device.paper.pieces, *([] if hangs_out.is_blank else [hangs_out])]

    def _orders(self) -> dict[int, Any]:
        return {number: msgspec.json.decode(event)["data"]["order"] for number, event in self._events.items()}

    def _all_printed(self) -> bool:
        orders = self._orders()
        return orders.keys() == {whole_order(orders, ticket) for ticket in read_paper("", self._pieces())} - {None}

    def _judge(self, pieces: list[Piece]) -> Score:
        said: set[int] | None = self.contender.said("done")
        told = self.contender.said("held")
        if self.name == "agent":
            words = [msgspec.json.decode(report) for report in self.publisher.reports]
            tickets = [word["data"] for word in words if word["type"] == "ticket.state"]
            said = {int(ticket["order"]["no"]) for ticket in tickets if ticket.get("evidence") == "confirmed"}
            told = {int(ticket["order"]["no"]) for ticket in tickets if ticket["state"] in ("held", "unconfirmed")}
        elif self.name in ("node-red", "floor"):
            said = None
        return judge(self._orders(), pieces, said, len(told))


@contextmanager
def rigged(name: str, spec: PrinterSpec, serial: bool, seed: str, under: Path) -> Iterator[Rig]:
    """A rig with a contender that has subscribed; all of it is gone at the end."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=f"peers-{name}-", dir=under)))
        broker = stack.enter_context(Mosquitto(folder / "broker", settings=SUBSCRIPTIONS))
        device = stack.enter_context(VirtualPrinter(spec))
        where = ""
        if serial:
            where = stack.enter_context(serve_pty(device)).path
        else:
            port = stack.enter_context(serve_tcp(device, *address(name)))
            where = f"{port.host}:{port.port}"
        publisher = stack.enter_context(
            closing(Publisher(broker.port, SHOP, hears="report" if name == "agent" else ""))
        )
        contender = Contender(name, folder, SHOP, broker, where)
        stack.callback(contender.stop)
        rig = Rig(name, device, publisher, contender, seed)
        started = time.monotonic()
        contender.start()
        rig.start_s = time.monotonic() - started
        publisher.listen(1.0)  # what connects to its printer by itself has done so
        yield rig
