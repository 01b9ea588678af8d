"""A card that says that all is written, and after a power cut has an older state: the cloud knows better."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent.simulator.cloud import Cloud
from agent.simulator.share import Stations
from agent.simulator.verdict import Fault, judge_paper
from tests.crash import order_event
from tests.shopfront import Shopfront, brokered

WAIT_S = 20.0


class Scene:
    """A shop, its cloud and its card."""

    def __init__(self, shop: Shopfront, cloud: Cloud) -> None:
        self.shop, self.cloud = shop, cloud
        self._told = 0

    def orders(self, count: int) -> None:
        """So many orders come, are printed, and the cloud hears so."""
        for _ in range(count):
            self._told += 1
            event = {k: v for k, v in order_event(self._told).items() if k not in ("source", "sequence")}
            self.cloud.send(event)
        wanted = [("test", f"id-{number}") for number in range(1, self._told + 1)]
        assert self.cloud.wait_for(lambda it: all(it.order_states.get(each) == "printed" for each in wanted), WAIT_S)

    def forget(self, kept: Path) -> None:
        """The power is cut, and the card has what was on it when `kept` was copied."""
        self.shop.process.kill()
        shutil.rmtree(self.shop.folder / "data")
        shutil.copytree(kept, self.shop.folder / "data")

    def faults(self) -> list[Fault]:
        """What is wrong with the paper."""
        pieces = {"kitchen": list(self.shop.device.paper.pieces)}
        return [finding.fault for finding in judge_paper(self.cloud.events, pieces, Stations("kitchen")).findings]

    def reprints(self) -> int:
        """Marked tickets on paper."""
        pieces = {"kitchen": list(self.shop.device.paper.pieces)}
        return judge_paper(self.cloud.events, pieces, Stations("kitchen")).reprints


@contextmanager
def scene(folder: Path) -> Iterator[Scene]:
    with brokered(folder, start=False) as (shop, broker), Cloud("127.0.0.1", broker.port, shop="s1") as cloud:
        yield Scene(shop, cloud)


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Scene]:
    with scene(tmp_path) as here:
        yield here


def test_what_a_card_forgot_comes_again_marked(at: Scene, tmp_path: Path) -> None:
    """The orders that were acknowledged and are gone are asked for, print with 补打, and the alarm names the card."""
    at.shop.start()
    at.orders(2)
    assert at.shop.process.stop() == 0
    shutil.copytree(tmp_path / "data", tmp_path / "kept")
    at.shop.start()
    at.orders(3)
    at.forget(tmp_path / "kept")
    at.shop.start()
    assert at.cloud.wait_for(lambda it: "card" in it.alarms, WAIT_S), "nobody found out"
    at.shop.until(lambda: at.reprints() == 3, "the three orders, marked")
    at.orders(1)
    assert at.faults() == []
    assert at.reprints() == 3
    assert at.shop.run("alarms", "dismiss", "card").exit_code == 0


def test_a_card_that_keeps_its_word_is_not_accused(at: Scene) -> None:
    """kill -9 and a start: all is there, and nothing is marked."""
    at.shop.start()
    at.orders(3)
    at.shop.process.kill()
    at.shop.start()
    at.orders(1)
    assert "card" not in at.cloud.alarms
    assert (at.faults(), at.reprints()) == ([], 0)
