"""A whole agent in the test's own process, without a printer, on a scripted broker."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from agent.app import Agent
from agent.broker.backoff import Backoff
from agent.clock import Clock, SystemClock
from agent.config import Broker, Config, Report
from agent.journal import notes
from agent.journal.file import Tx
from tests.scripted_broker import TIMEOUT_S, Packet, Peer

UP = "shops/s1/up/box1"
ORDER, REPLAY = "shops/s1/dn/order", "shops/s1/dn/replay/box1"
SOURCE = "//orders.example/shops/s1/e1"


def order(number: int | str, sequence: int | None = None, source: str = SOURCE) -> bytes:
    """An order event; its id goes with its number."""
    items = [{"name": "豆浆", "qty": "2"}]
    data = {"order": {"id": f"id-{number}", "rev": 1, "channel": "test", "no": str(number), "items": items}}
    event = {"specversion": "1.0", "id": f"event-{number}", "source": source, "type": "order.upsert", "data": data}
    return json.dumps(event if sequence is None else {**event, "sequence": f"{sequence:020}"}).encode()


def replay_end(last: int, first: int = 1, source: str = SOURCE) -> bytes:
    """The end marker of a replay that brought everything."""
    return json.dumps({"source": source, "from": first, "to": last, "head": last, "unavailable": []}).encode()


def told(packet: Packet) -> Any:
    """What a packet of the agent says."""
    return json.loads(packet.payload)


class House:
    """The agent, and what a test does to it."""

    def __init__(self, folder: Path, port: int, clock: Clock | None = None, **settings: Any) -> None:
        broker = Broker(url=f"mqtt://127.0.0.1:{port}", **settings)
        config = Config(shop="s1", data_dir=folder, broker=broker, report=Report(beat_s=60))
        self.agent = Agent(config, clock or SystemClock())
        assert self.agent._cloud.line is not None
        self.agent._cloud.line._backoff = Backoff(pace=0.001)
        self.journal = self.agent._journal
        self.line = self.agent._cloud.line
        self.publisher = self.agent._cloud.publisher
        self._turned, self._real_turn = 0, self.publisher._turn
        self.publisher._turn = self._turn  # type: ignore[method-assign]  # counted
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="house")
        self.exit_code: int | None = None
        self._fences = 0

    def _run(self) -> None:
        self.exit_code = self.agent.run(self._stop)

    def start(self) -> None:
        """Start the agent."""
        self._thread.start()

    def stop(self, timeout_s: float = 20.0) -> bool:
        """Stop the agent; True when it ended in time."""
        self._stop.set()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    @contextmanager
    def writer_held(self) -> Iterator[None]:
        """The journal's writer is busy: nothing is committed meanwhile."""
        held, release = threading.Event(), threading.Event()

        def hold(_tx: Tx) -> None:
            held.set()
            release.wait(TIMEOUT_S)

        self.journal.submit(hold, lambda _: None)
        assert held.wait(TIMEOUT_S)
        try:
            yield
        finally:
            release.set()

    def waiting(self, count: int) -> None:
        """Wait until so many deliveries wait for the journal."""
        until(lambda: self.line._hold.count == count, f"{count} deliveries")

    def settled(self) -> None:
        """All that came in is on disk, acknowledged, and those concerned were told."""
        self.journal.write(lambda _: None)

    def turns(self, count: int = 2) -> None:
        """Let the publisher's loop turn so many whole times."""
        until_turn = self._turned + count + 1
        while self._turned < until_turn:
            self.line.acknowledged.put(None)
            until(self.line.acknowledged.empty, "a turn")

    def _turn(self, reader: Tx) -> None:
        self._real_turn(reader)
        self._turned += 1

    def fence(self, peer: Peer) -> None:
        """All that the line had to send before this has arrived."""
        self._fences += 1
        mark = str(self._fences).encode()
        assert self.line.publish("fence", mark) is not None
        peer.expect("PUBLISH", lambda packet: packet.topic == "fence" and packet.payload == mark)

    def pubacks(self, peer: Peer) -> list[int]:
        """The deliveries that were acknowledged until now."""
        self.fence(peer)
        return [packet.mid for packet in peer.seen if packet.kind == "PUBACK"]

    def count(self, table: str) -> int:
        """Rows of a table, after all that was committed."""
        return int(self.journal.write(lambda tx: tx.execute(f"SELECT count(*) FROM {table}").fetchone()[0]))

    def alarms(self) -> dict[str, str]:
        """What needs a person."""
        return self.journal.write(notes.alarms)


def until(done: Callable[[], bool], what: str) -> None:
    """Wait for something that nobody signals."""
    deadline, pause = time.monotonic() + TIMEOUT_S, threading.Event()
    while not done():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        pause.wait(0.005)


@contextmanager
def house(folder: Path, port: int, **settings: Any) -> Iterator[House]:
    """An agent that runs."""
    here = House(folder, port, **settings)
    here.start()
    try:
        yield here
    finally:
        assert here.stop()
