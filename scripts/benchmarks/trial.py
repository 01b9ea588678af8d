"""One contender with a broker and a printer of its own, from its start to its end; and what came out of the printer."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import msgspec

from agent.simulator.stage import Mosquitto
from scripts.benchmarks.peers import SUBSCRIPTIONS, Contender, address
from scripts.benchmarks.printing import Cut, MeasuringPrinter
from scripts.benchmarks.publisher import Publisher

SHOP = "bench"
WARM_UP = 5
GRACE_S = 0.3


class Paper(msgspec.Struct, frozen=True):
    """How the tickets of some orders came out. A ticket after one of a later order is out of order."""

    cuts: dict[int, Cut]
    lost: int
    doubled: int
    out_of_order: int


class Trial:
    """A contender that runs and has printed its first tickets."""

    def __init__(self, publisher: Publisher, printer: MeasuringPrinter, pid: int, start_ms: float) -> None:
        self.publisher = publisher
        self.pid = pid
        self.start_ms = start_ms
        self._printer = printer
        self._next = 1

    def numbers(self, orders: int) -> range:
        """So many numbers that were not used yet."""
        self._next += orders
        return range(self._next - orders, self._next)

    def warm_up(self) -> None:
        """The first tickets count for nothing: connections are opened and modules loaded with them."""
        numbers = self.numbers(WARM_UP)
        self.publisher.publish_paced(numbers, 20)
        if self.paper(numbers, 20).lost:
            raise RuntimeError("the first tickets did not come out")

    def paper(self, numbers: range, timeout_s: float) -> Paper:
        """Wait until these orders were cut, or the time is over, and a moment for what comes twice."""
        deadline = time.monotonic() + timeout_s
        cuts = self._printer.drain()
        while (missing := len(set(numbers) - {cut.number for cut in cuts})) and time.monotonic() < deadline:
            self._printer.expect(len(cuts) + missing, deadline - time.monotonic())
            cuts = self._printer.drain()
        time.sleep(GRACE_S)
        return judge(numbers, self._printer.drain())


def judge(numbers: range, cuts: list[Cut]) -> Paper:
    """What the tickets of these orders say, in the order in which they came out."""
    first: dict[int, Cut] = {}
    doubled = out_of_order = newest = 0
    for cut in cuts:
        if cut.number not in numbers:
            continue
        doubled += cut.number in first
        out_of_order += cut.number < newest
        newest = max(newest, cut.number)
        first.setdefault(cut.number, cut)
    return Paper(first, len(set(numbers) - set(first)), doubled, out_of_order)


@contextmanager
def running(name: str, under: Path) -> Iterator[Trial]:
    """A trial of one contender; all of it is gone at the end."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=f"bench-{name}-", dir=under)))
        broker = stack.enter_context(Mosquitto(folder / "broker", keep_sessions=False, settings=SUBSCRIPTIONS))
        host, port = address(name)
        printer = stack.enter_context(closing(MeasuringPrinter(host, port)))
        publisher = stack.enter_context(closing(Publisher(broker.port, SHOP)))
        contender = Contender(name, folder, SHOP, broker, f"{host}:{printer.port}")
        stack.callback(contender.stop)
        started = time.monotonic()
        contender.start()
        yield Trial(publisher, printer, contender.pid, (time.monotonic() - started) * 1000)
