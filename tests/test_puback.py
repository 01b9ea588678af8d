"""A recorder on the wire between agent and mosquitto: no PUBACK passes before its order is on disk.

At each PUBACK, before it goes on to the broker, another connection looks into the journal. In WAL mode with
`synchronous=FULL` another connection sees a transaction only once it is in the log and synced.
"""

import contextlib
import json
import socket
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Self

import msgspec
import pytest

from agent.app import Agent
from agent.clock import SystemClock
from agent.config import Broker, Config
from agent.intake.consumer import Consumer
from agent.model.wire import Delivery
from agent.simulator.cloud import Cloud
from agent.simulator.stage import Mosquitto
from tests.scripted_broker import Packet, parse

WAIT_S = 30.0
ORDERS = 500
VERSIONS = ("5", "3.1.1")


class Word(msgspec.Struct, frozen=True):
    """A PUBACK that passed: of which event, and was that in the journal then?"""

    event: str
    on_disk: bool


class Recorder:
    """A TCP proxy that understands MQTT. `words` are the agent's PUBACKs in their order."""

    def __init__(self, port: int, protocol: str, journal: Path) -> None:
        self._broker = port
        self._v5 = protocol == "5"
        self._journal = journal
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._events: dict[int, str] = {}
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self.port: int = self._listener.getsockname()[1]
        self.words: list[Word] = []
        self._threads[0].start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                agent, _ = self._listener.accept()
                broker = socket.create_connection(("127.0.0.1", self._broker))
                self._sockets += [agent, broker]
                for source, sink, look in ((agent, broker, self._up), (broker, agent, self._down)):
                    source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    self._threads.append(threading.Thread(target=self._pump, args=(source, sink, look)))
                    self._threads[-1].start()

    def _pump(self, source: socket.socket, sink: socket.socket, look: Callable[[Packet], None]) -> None:
        with contextlib.suppress(OSError, IndexError), source.makefile("rb") as stream:
            while True:
                head, body = _read(stream)
                if head[0] >> 4 in (3, 4):
                    look(parse(head[0], body, self._v5))
                sink.sendall(head + body)

    def _down(self, packet: Packet) -> None:
        if packet.kind == "PUBLISH" and packet.qos:
            self._events[packet.mid] = json.loads(packet.payload).get("id", "")

    def _up(self, packet: Packet) -> None:
        if packet.kind == "PUBACK":
            event = self._events[packet.mid]
            with contextlib.closing(sqlite3.connect(f"file:{self._journal}?mode=ro", uri=True)) as other:
                found = other.execute("SELECT count(*) FROM events WHERE id = ?", (event,)).fetchone()
            self.words.append(Word(event, found == (1,)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for each in (self._listener, *self._sockets):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        for thread in self._threads:
            thread.join(WAIT_S)


def _read(stream: IO[bytes]) -> tuple[bytes, bytes]:
    """One packet; IndexError at the end of the stream."""
    head = bytearray((stream.read(1)[0],))
    length = shift = 0
    while True:
        head.append(stream.read(1)[0])
        length |= (head[-1] & 127) << shift
        shift += 7
        if head[-1] < 128:
            return bytes(head), stream.read(length)


@contextmanager
def shop(folder: Path, protocol: str) -> Iterator[tuple[Cloud, Recorder, list[str]]]:
    """A shop without a printer, its recorder, and its journal's commits."""
    (folder / "data").mkdir()
    with (
        Mosquitto(folder / "mosquitto") as broker,
        Recorder(broker.port, protocol, folder / "data/journal.db") as recorder,
        Cloud("127.0.0.1", broker.port, shop="s1", protocol=protocol) as cloud,
    ):
        line = Broker(url=f"mqtt://127.0.0.1:{recorder.port}", protocol=protocol)  # type: ignore[arg-type]  # one of two words
        agent = Agent(Config(shop="s1", data_dir=folder / "data", broker=line), SystemClock())
        commits: list[str] = []
        agent._journal._connection.set_trace_callback(lambda said: commits.append(said) if said == "COMMIT" else None)
        stop = threading.Event()
        thread = threading.Thread(target=agent.run, args=(stop,))
        thread.start()
        try:
            assert cloud.wait_for(lambda cloud: cloud.online, WAIT_S)
            yield cloud, recorder, commits
        finally:
            stop.set()
            thread.join(WAIT_S)
            assert not thread.is_alive()


def publish(cloud: Cloud, count: int) -> list[str]:
    """So many orders, in bursts of all sizes; their events' ids."""
    found = []
    for number in range(1, count + 1):
        items = [{"name": "豆浆", "qty": "2"}]
        order = {"id": f"id-{number}", "rev": 1, "channel": "test", "no": str(number), "items": items}
        found.append(cloud.publish("order.upsert", {"order": order})["id"])
        if number in (1, 2, 5, 20, 100):
            assert cloud.wait_for(lambda cloud, sent=number: len(cloud.order_states) >= sent, WAIT_S)  # type: ignore[misc]  # mypy can't tell
    assert cloud.wait_for(lambda cloud: len(cloud.order_states) == count, WAIT_S)
    return found


@pytest.mark.parametrize("protocol", VERSIONS)
def test_no_puback_passes_before_its_order_is_on_disk(tmp_path: Path, protocol: str) -> None:
    """Five hundred orders, one by one and in bursts that share a commit: each PUBACK, in the order of the events."""
    with shop(tmp_path, protocol) as (cloud, recorder, commits):
        sent = publish(cloud, ORDERS)
        done = cloud.wait_for(lambda _: len(recorder.words) >= ORDERS, WAIT_S)
        assert done
        taken_in = len(commits)
    assert [word for word in recorder.words if not word.on_disk] == []
    assert [word.event for word in recorder.words] == sent
    assert taken_in < 2 * ORDERS, "nothing shared a commit"


def test_recorder_catches_an_early_puback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The proof of the proof: an intake that acknowledges on arrival is found out."""
    real = Consumer.receive

    def hasty(self: Consumer, delivery: Delivery) -> None:
        self._acknowledge(delivery)
        threading.Event().wait(0.02)
        real(self, delivery)

    monkeypatch.setattr(Consumer, "receive", hasty)
    with shop(tmp_path, "5") as (cloud, recorder, _):
        publish(cloud, 3)
    assert any(not word.on_disk for word in recorder.words)
