"""Does an order cost more when the journal is full of them? The real journal on disk and the real front door; the
worker's transactions without a printer: claim, settle, and the reports off the outbox.
"""

import itertools
import tempfile
import threading
import time
from pathlib import Path

import msgspec

from agent.intake.consumer import Consumer
from agent.journal import jobs, notes
from agent.journal.file import Tx
from agent.journal.jobs import Settlement
from agent.journal.store import Journal
from agent.model.job import Expected, Intent, Job, JobState
from agent.model.station import Station
from agent.model.wire import Delivery
from scripts.benchmarks.orders import order_event, order_topic
from scripts.benchmarks.table import markdown, median, percentile, ratio

SHOP = "bench"
PRINTER = "kitchen"
DAY = "2026-11-22"
WINDOW = 200
FILL = 200
DELETE_EACH = 100
"""So many reports leave the outbox in one transaction, as the publisher has it."""
TIMEOUT_S = 60.0
DONE = Settlement(JobState.COMPLETED, "confirmed", "process_id")
COLUMNS = (
    "orders in the journal",
    "ms/order, median",
    "p99",
    "to the first",
    "taken in",
    "claimed",
    "settled",
    "journal, MB",
    "bytes/order",
)


class Window(msgspec.Struct):
    """The orders after the first `orders`, one after another: milliseconds of each, whole and by its parts."""

    orders: int
    journal_bytes: int
    total_ms: list[float] = []
    taken_in_ms: list[float] = []
    claimed_ms: list[float] = []
    settled_ms: list[float] = []


class Ledger:
    """A journal with its front door, and the spool's and the publisher's transactions by hand."""

    def __init__(self, folder: Path) -> None:
        self.taken = 0
        self._journal = Journal(folder / "journal.db")
        self._acknowledged = threading.Semaphore(0)
        station = Station(PRINTER, printer=PRINTER, default=True)
        self._consumer = Consumer(
            self._journal,
            [station],
            f"shops/{SHOP}/dn/replay/box1",
            lambda _: self._acknowledged.release(),
            lambda _: None,
            lambda: None,
        )
        self._reports: list[int] = []
        self._journal.start()
        self._reader = self._journal.reader()

    def fill(self, orders: int) -> None:
        """Print so many orders, many to a commit."""
        while orders > 0:
            size = min(FILL, orders)
            self._take_in(size)
            self._journal.write(_print_all)
            orders -= size

    def step(self, window: Window) -> None:
        """One order from its delivery to its last report, with every commit on disk."""
        times = [time.perf_counter()]
        self._take_in(1)
        times.append(time.perf_counter())
        job = self._next_job()
        claim = self._journal.write(lambda tx: jobs.claim(tx, job, PRINTER, DAY, Expected(20, 24, 1), None))
        times.append(time.perf_counter())
        claimed = _under_way(job, claim)
        self._journal.write(lambda tx: jobs.settle(tx, claimed, DONE))
        self._forget_reports()
        times.append(time.perf_counter())
        taken_in, claimed_ms, settled_ms = ((after - before) * 1000 for before, after in itertools.pairwise(times))
        window.taken_in_ms.append(taken_in)
        window.claimed_ms.append(claimed_ms)
        window.settled_ms.append(settled_ms)
        window.total_ms.append(taken_in + claimed_ms + settled_ms)

    def size(self) -> int:
        """The journal's bytes, without the free pages of its write-ahead log."""
        pages, page = (self._reader.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
        return int(pages) * int(page)

    def close(self) -> None:
        """Stop the writer and close the file."""
        self._reader.close()
        self._journal.stop(TIMEOUT_S)

    def _take_in(self, orders: int) -> None:
        for _ in range(orders):
            self.taken += 1
            payload = order_event(SHOP, self.taken)
            self._consumer.receive(Delivery(1, self.taken % 65535 + 1, order_topic(SHOP), payload, 1, False))
        for _ in range(orders):
            if not self._acknowledged.acquire(timeout=TIMEOUT_S):
                raise RuntimeError("an order was not taken in")

    def _next_job(self) -> Job:
        job = jobs.next_pending(self._reader, PRINTER)
        if job is None:
            raise RuntimeError("an order was taken in, but made no ticket")
        return msgspec.structs.replace(job, number=jobs.running_number(self._reader, job, DAY))

    def _forget_reports(self) -> None:
        after = self._reports[-1] if self._reports else 0
        self._reports += [row.pk for row in notes.waiting_reports(self._reader, after, DELETE_EACH)]
        if len(self._reports) >= DELETE_EACH:
            pks, self._reports = self._reports, []
            self._journal.write(lambda tx: notes.delete_reports(tx, pks))


def _under_way(job: Job, claim: tuple[int, Intent] | None) -> Job:
    assert claim is not None, "somebody else printed it"
    number, intent = claim
    return msgspec.structs.replace(job, intent=intent, print_number=number, state=JobState.PROCESSING)


def _print_all(tx: Tx) -> None:
    while (job := jobs.next_pending(tx, PRINTER)) is not None:
        job = msgspec.structs.replace(job, number=jobs.running_number(tx, job, DAY))
        claim = jobs.claim(tx, job, PRINTER, DAY, Expected(20, 24, 1), None)
        jobs.settle(tx, _under_way(job, claim), DONE)
    notes.delete_reports(tx, [row.pk for row in notes.waiting_reports(tx, 0, 1_000_000)])


def measure(points: list[int], window: int, under: Path) -> list[Window]:
    """Fill one journal to each point, and measure the orders that come then."""
    with tempfile.TemporaryDirectory(prefix="bench-growth-", dir=under) as folder:
        ledger = Ledger(Path(folder))
        try:
            return [_one_point(ledger, point, window) for point in points]
        finally:
            ledger.close()


def _one_point(ledger: Ledger, point: int, window: int) -> Window:
    ledger.fill(max(0, point - ledger.taken))
    found = Window(ledger.taken, ledger.size())
    for _ in range(window):
        ledger.step(found)
    return found


def table(windows: list[Window]) -> str:
    """The results as Markdown."""
    first = median(windows[0].total_ms) if windows else None
    rows = [
        (
            f"{window.orders:,}",
            f"{median(window.total_ms):.2f}",
            f"{percentile(window.total_ms, 0.99):.2f}",
            ratio(median(window.total_ms), first),
            f"{median(window.taken_in_ms):.2f}",
            f"{median(window.claimed_ms):.2f}",
            f"{median(window.settled_ms):.2f}",
            f"{window.journal_bytes / 2**20:.1f}",
            f"{window.journal_bytes / window.orders:,.0f}",
        )
        for window in windows
    ]
    return markdown(COLUMNS, rows)
