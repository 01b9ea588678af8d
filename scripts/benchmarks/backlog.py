"""kill -9 with thousands of tickets pending: how soon after the start is the agent ready, subscribed, and printing?

The backlog is real: orders over the broker, taken in by an agent whose printer is not there, which is then killed. The
printer of the second start says who it is, as printers do.
"""

import socket
import tempfile
import time
from contextlib import ExitStack, closing
from pathlib import Path

import msgspec

from agent.journal.store import reader_of
from agent.simulator.stage import AgentProcess, Mosquitto, free_port
from scripts.benchmarks.peers import CONFIG
from scripts.benchmarks.printing import MeasuringPrinter
from scripts.benchmarks.publisher import Publisher
from scripts.benchmarks.table import markdown, median, spread
from scripts.benchmarks.trial import SHOP, WARM_UP

AT_ONCE = 500
TIMEOUT_S = 60.0
COLUMNS = ("pending", "ready, ms", "first ticket, ms", "of the rounds", "subscribed, ms", "journal, MB")


class Recovery(msgspec.Struct):
    """Milliseconds from the start of the process to each, round by round, with `pending` tickets in the journal."""

    pending: int
    ready_ms: list[float] = []
    first_ms: list[float] = []
    subscribed_ms: list[float] = []
    journal_mb: list[float] = []


def measure(points: list[int], rounds: int, under: Path) -> list[Recovery]:
    """Each backlog anew in each round."""
    found = [Recovery(point) for point in points]
    for _ in range(rounds):
        for recovery in found:
            _one_round(recovery, under)
    return found


def _one_round(recovery: Recovery, under: Path) -> None:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-backlog-", dir=under)))
        broker = stack.enter_context(Mosquitto(folder / "broker"))
        publisher = stack.enter_context(closing(Publisher(broker.port, SHOP, hears="state")))
        agent = AgentProcess(folder / "agent.yaml", folder / "agent.log")
        stack.callback(agent.kill)
        _configure(agent.config, broker.port, free_port())
        agent.start()
        _wait_online(publisher)
        _fill(publisher, recovery.pending, folder / "data/journal.db")
        agent.kill()
        recovery.journal_mb.append(sum(file.stat().st_size for file in folder.glob("data/journal.db*")) / 2**20)
        printer = stack.enter_context(closing(MeasuringPrinter()))
        _configure(agent.config, broker.port, printer.port)
        publisher.listen(0.1)  # what was said before has come
        publisher.reports.clear()
        _start(recovery, agent, publisher, printer, folder / "ready")


def _configure(file: Path, broker: int, printer: int) -> None:
    file.write_text(CONFIG.format(shop=SHOP, folder=file.parent, broker=broker, link=f"tcp://127.0.0.1:{printer}"))


def _wait_online(publisher: Publisher) -> None:
    """Its birth is published after its subscription, over the same line."""
    said = publisher.reports
    publisher.until(
        lambda: any(msgspec.json.decode(each)["online"] for each in said), "the agent did not announce itself"
    )


def _fill(publisher: Publisher, orders: int, journal: Path) -> None:
    """Publish orders and wait until the journal has a ticket of each."""
    deadline = time.monotonic() + TIMEOUT_S
    with closing(reader_of(journal)) as reader:
        for first in range(1, orders + 1, AT_ONCE):
            numbers = range(first, min(first + AT_ONCE, orders + 1))
            publisher.publish_at_once(numbers)
            while reader.execute("SELECT count(*) FROM jobs").fetchone()[0] < numbers[-1]:
                if time.monotonic() > deadline:
                    raise RuntimeError(f"{orders} orders were not taken in within {TIMEOUT_S:.0f} s")
                time.sleep(0.02)


def _start(
    recovery: Recovery, agent: AgentProcess, publisher: Publisher, printer: MeasuringPrinter, notify: Path
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(notify))
        systemd.settimeout(TIMEOUT_S)
        started = time.monotonic()
        agent.start(NOTIFY_SOCKET=str(notify))
        while systemd.recv(4096) != b"READY=1":
            pass
        recovery.ready_ms.append((time.monotonic() - started) * 1000)
    _wait_online(publisher)
    recovery.subscribed_ms.append((time.monotonic() - started) * 1000)
    if not printer.expect(min(WARM_UP, recovery.pending), TIMEOUT_S):
        raise RuntimeError(f"nothing was printed; see {agent.log}")
    recovery.first_ms.append(printer.drain()[0].at / 1e6 - started * 1000)


def table(results: list[Recovery]) -> str:
    """The results as Markdown."""
    rows = [
        (
            f"{result.pending:,}",
            f"{median(result.ready_ms):.0f}",
            f"{median(result.first_ms):.0f}",
            spread(result.first_ms, 0),
            f"{median(result.subscribed_ms):.0f}",
            f"{median(result.journal_mb):.1f}",
        )
        for result in results
    ]
    return markdown(COLUMNS, rows)
