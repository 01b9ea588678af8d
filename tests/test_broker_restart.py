"""A real mosquitto goes down and comes back while a shop prints: the paper is the judge."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from agent.app import Agent
from agent.clock import SystemClock
from agent.config import Broker, Config, Printer
from agent.model.link import parse_link
from agent.simulator.cloud import Cloud
from agent.simulator.ports import TcpPort, serve_tcp
from agent.simulator.printer import VirtualPrinter
from agent.simulator.stage import Mosquitto
from tests.kitchen import read

WAIT_S = 30.0
VERSIONS = ("5", "3.1.1")


class Shop:
    """Broker, cloud, printer; the agent comes and goes."""

    def __init__(self, folder: Path, protocol: str, stack: ExitStack) -> None:
        self._folder = folder
        self._protocol = protocol
        self.broker = Mosquitto(folder / "mosquitto")
        self.broker.start()
        stack.callback(self.broker.stop)
        self.device = stack.enter_context(VirtualPrinter())
        self.port: TcpPort = stack.enter_context(serve_tcp(self.device))
        self.cloud = stack.enter_context(Cloud("127.0.0.1", self.broker.port, shop="s1", protocol=protocol))
        self._published = 0

    @contextmanager
    def agent(self) -> Iterator[None]:
        """The agent runs."""
        broker = Broker(url=f"mqtt://127.0.0.1:{self.broker.port}", protocol=self._protocol)  # type: ignore[arg-type]  # one of two words
        printer = Printer(name="wok", link=parse_link(self.port.link))
        config = Config(shop="s1", data_dir=self._folder / "data", broker=broker, printers=[printer])
        config.data_dir.mkdir(exist_ok=True)
        stop = threading.Event()
        thread = threading.Thread(target=Agent(config, SystemClock()).run, args=(stop,))
        births = len(self.cloud.states)
        thread.start()
        try:
            assert self.cloud.wait_for(lambda cloud: len(cloud.states) > births and cloud.online, WAIT_S)
            yield
        finally:
            stop.set()
            thread.join(WAIT_S)
            assert not thread.is_alive()

    def order(self, count: int, deliver: bool = True) -> None:
        """So many further orders; those that are not delivered get lost on the way."""
        for _ in range(count):
            self._published += 1
            number = str(self._published)
            items = [{"name": "豆浆", "qty": "2"}]
            data = {"order": {"id": number, "rev": 1, "channel": "test", "no": number, "items": items}}
            self.cloud.publish("order.upsert", data, deliver=deliver)

    def papers(self) -> list[int]:
        """The numbers on paper, in their order."""
        return [int(ticket.number) for piece in self.device.paper.pieces if (ticket := read(piece)).number]

    def wait_printed(self) -> None:
        """Wait until everything that was ordered is on paper, once."""
        wanted = list(range(1, self._published + 1))
        self.device.wait_for(lambda _: len(self.papers()) >= self._published, WAIT_S)
        assert sorted(self.papers()) == wanted


@pytest.fixture(params=VERSIONS)
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shop]:
    """A shop on MQTT 5, and one on 3.1.1."""
    with ExitStack() as stack:
        yield Shop(tmp_path, request.param, stack)


def test_broker_that_restarts_with_its_sessions_loses_nothing(shop: Shop) -> None:
    """Stopped and started while orders are under way, and while it keeps some for us: each is on paper once."""
    with shop.agent():
        shop.order(10)
        shop.broker.stop()
        shop.order(5)
        shop.broker.start()
        shop.order(5)
        shop.wait_printed()
    shop.order(10)
    assert shop.cloud.flush(WAIT_S)
    shop.broker.stop()
    shop.broker.start()
    with shop.agent():
        shop.wait_printed()
        assert shop.cloud.wait_for(lambda cloud: list(cloud.order_states.values()).count("printed") == 30, WAIT_S)


def test_broker_that_loses_its_sessions_is_made_up_for_by_a_replay(shop: Shop) -> None:
    """SIGKILL of mosquitto loses what it had queued for us; the cloud still has it, and a person is told meanwhile."""
    with shop.agent():
        shop.order(5)
        shop.wait_printed()
    shop.order(5)
    assert shop.cloud.flush(WAIT_S)
    shop.broker.kill()
    shop.broker.start()
    with shop.agent():
        shop.wait_printed()
        # Only what was raised is cleared; that it was, the cloud may have missed: it comes back later than the box.
        assert shop.cloud.wait_for(lambda cloud: bool(cloud.reported("alarm", key="session", state="cleared")), WAIT_S)


def test_broker_that_is_killed_in_the_rush_loses_nothing(shop: Shop) -> None:
    """Killed while orders fly: what it had taken and not delivered is replayed, what we had is not printed again."""
    with shop.agent():
        shop.order(1)
        shop.wait_printed()  # from here on the box counts
        shop.order(20)
        shop.broker.kill()
        shop.order(5, deliver=False)
        shop.broker.start()
        shop.wait_printed()


def test_agent_says_when_it_goes_and_the_broker_when_it_dies(shop: Shop) -> None:
    """Birth, a clean end, and the last will of a line that broke, all of their own boot."""
    with shop.agent():
        pass
    assert shop.cloud.wait_for(lambda cloud: not cloud.online, WAIT_S)
    assert [state["online"] for state in shop.cloud.states] == [True, False]
    assert len({state["boot"] for state in shop.cloud.states}) == 1
