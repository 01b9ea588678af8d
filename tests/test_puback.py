"""A recorder on the wire between agent and mosquitto: no PUBACK passes before its order is on disk.

At each PUBACK, before it goes on to the broker, another connection looks into the journal. In WAL mode with
`synchronous=FULL` another connection sees a transaction only once it is in the log and synced.
"""

import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from agent.app import Agent
from agent.clock import SystemClock
from agent.config import Broker, Config
from agent.intake.consumer import Consumer
from agent.model.wire import Delivery
from agent.simulator.cloud import Cloud
from agent.simulator.stage import Mosquitto
from tests.prove.relay import Relay

WAIT_S = 30.0
ORDERS = 500
VERSIONS = ("5", "3.1.1")


class Word(msgspec.Struct, frozen=True):
    """A PUBACK that passed: of which event, and was that in the journal then?"""

    event: str
    on_disk: bool


class Recorder(Relay):
    """`seen` are the agent's PUBACKs in their order."""

    def __init__(self, port: int, journal: Path) -> None:
        super().__init__(port)
        self._journal = journal
        self.seen: list[Word] = []
        self.on_puback = self._look

    def _look(self, event: str) -> None:
        with contextlib.closing(sqlite3.connect(f"file:{self._journal}?mode=ro", uri=True)) as other:
            found = other.execute("SELECT count(*) FROM events WHERE id = ?", (event,)).fetchone()
        self.seen.append(Word(event, found == (1,)))


@contextmanager
def shop(folder: Path, protocol: str) -> Iterator[tuple[Cloud, Recorder, list[str]]]:
    """A shop without a printer, its recorder, and its journal's commits."""
    (folder / "data").mkdir()
    with (
        Mosquitto(folder / "mosquitto") as broker,
        Recorder(broker.port, folder / "data/journal.db") as recorder,
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
        done = cloud.wait_for(lambda _: len(recorder.seen) >= ORDERS, WAIT_S)
        assert done
        taken_in = len(commits)
    assert [word for word in recorder.seen if not word.on_disk] == []
    assert [word.event for word in recorder.seen] == sent
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
    assert any(not word.on_disk for word in recorder.seen)
