"""A live agent whose data directory is on a recorded disk; and what becomes of its orders after a power cut."""

import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import msgspec

from agent.journal.file import open_journal
from agent.simulator.faults import Reply, Trouble
from agent.simulator.piece import Piece
from agent.simulator.ports import serve_tcp
from agent.simulator.printer import PrinterSpec, VirtualPrinter
from agent.simulator.stage import AgentProcess, Mosquitto
from agent.simulator.verdict import Verdict, judge_paper
from tests.crash import STATIONS, Publisher, order_event
from tests.powercut.device import recorded
from tests.powercut.relay import Relay
from tests.powercut.states import Entry, Sectors, read_log, sectors_of

PAPER_S = 30.0
SAID_AFTER_S = 0.03
"""The printer's word comes a little after the cut of the paper: so the log's position at the cut is surely before."""


@contextmanager
def workplace() -> Iterator[Path]:
    """A folder in memory for one run."""
    work = Path(tempfile.mkdtemp(prefix="powercut-", dir="/dev/shm"))
    try:
        yield work
    finally:
        shutil.rmtree(work)


class Run(msgspec.Struct):
    """What happened: the disk before, all that was done to it, and at which entry each order was acknowledged and each
    piece of paper cut off.
    """

    before: Sectors
    entries: list[Entry]
    acknowledged: dict[int, int]
    pieces: list[tuple[int, Piece]]
    orders: int

    def acknowledged_by(self, position: int) -> set[int]:
        """The orders that the box had answered for when the log was so long."""
        return {number for number, at in self.acknowledged.items() if at <= position}


def live(work: Path, orders: int, per_s: float, module: str = "agent") -> Run:
    """A morning: half of the orders, a clean stop and start, the other half; the paper is complete before it ends."""
    with ExitStack() as stack:
        disk = stack.enter_context(recorded(work))
        broker = stack.enter_context(Mosquitto(work / "broker"))
        acknowledged: dict[int, int] = {}

        def heard(number: int) -> None:
            acknowledged.setdefault(number, disk.position())

        relay = stack.enter_context(Relay(broker.port, heard))
        device = stack.enter_context(VirtualPrinter(PrinterSpec(line_time_s=0.001)))
        device.trouble_replies(Trouble.DELAY, Reply.PROCESS_ID, None, SAID_AFTER_S)
        pieces: list[tuple[int, Piece]] = []

        def look() -> None:
            for piece in device.paper.pieces[len(pieces) :]:
                pieces.append((disk.position(), piece))

        device.on_change(look)
        port = stack.enter_context(serve_tcp(device))
        config = configured(work, disk.folder / "data", relay.port, port.link)
        agent = AgentProcess(config, work / "agent.log", module)
        stack.callback(agent.kill)
        half = orders // 2
        for numbers in (range(1, half + 1), range(half + 1, orders + 1)):
            agent.start()
            published(broker.port, numbers, per_s)
            on_paper(device, numbers.stop - 1)
            agent.stop()
        before, count = sectors_of(disk.before), disk.position()
    return Run(before, read_log(disk.log, count), acknowledged, pieces, orders)


def lost_orders(data: Path, wanted: set[int]) -> str:
    """What is wrong with a box's data after a power cut, in words, by the agent's own opening; or nothing."""
    path = data / "journal.db"
    if not path.exists():
        return f"no journal, and {len(wanted)} orders were acknowledged" if wanted else ""
    opened = open_journal(path)
    with closing(opened.connection) as connection:
        known = {int(event.removeprefix("event-")) for (event,) in connection.execute("SELECT id FROM events")}
    if wanted and opened.rebuilt:
        return "the journal was broken"
    missing = sorted(wanted - known)
    return f"orders {missing} were acknowledged and are not there" if missing else ""


def paper_after(work: Path, data: Path, run: Run, position: int) -> Verdict:
    """The power comes back to the box and its printer; the broker sends what was not acknowledged. All paper judged."""
    with ExitStack() as stack:
        broker = stack.enter_context(Mosquitto(work / "broker"))
        device = stack.enter_context(VirtualPrinter(PrinterSpec(line_time_s=0.0005)))
        port = stack.enter_context(serve_tcp(device))
        agent = AgentProcess(configured(work, data, broker.port, port.link), work / "agent.log")
        stack.callback(agent.kill)
        agent.start()
        kept = run.acknowledged_by(position)
        events = [order_event(number) for number in range(1, run.orders + 1)]
        published(broker.port, (number for number in range(1, run.orders + 1) if number not in kept), 500.0)
        before = [piece for at, piece in run.pieces if at <= position]

        def judged() -> Verdict:
            return judge_paper(events, {"kitchen": [*before, *device.paper.pieces]}, STATIONS)

        device.wait_for(lambda _: judged().fine, PAPER_S)
        agent.stop()
        return judged()


def on_paper(device: VirtualPrinter, pieces: int) -> None:
    """Wait until so many pieces were cut off."""
    device.wait_for(lambda it: len(it.paper.pieces) >= pieces, PAPER_S)


def published(port: int, numbers: Iterable[int], per_s: float) -> None:
    """The orders of these numbers, at a pace."""
    publisher = Publisher(port, numbers, per_s)
    publisher.start()
    publisher.finish()


def configured(work: Path, data: Path, broker: int, link: str) -> Path:
    """The box's configuration."""
    config = work / "agent.yaml"
    config.write_text(
        f"shop: s1\ndata_dir: {data}\nbroker: {{url: 'mqtt://127.0.0.1:{broker}'}}\n"
        f"printers: [{{name: kitchen, link: '{link}'}}]\nprinting: {{reprint_after_s: 1}}\n"
    )
    return config
