"""Three days without a line, and then all of it at once: a real agent, a real mosquitto that kept everything, paper."""

import re
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.simulator.cloud import Cloud
from agent.simulator.ports import serve_tcp
from agent.simulator.printer import VirtualPrinter
from agent.simulator.stage import AgentProcess, Mosquitto
from tests.kitchen import read

ORDERS, HOURS = 3000, 72
OLD_MIN, FRESH_MIN = 15, 13
"""Nothing is told between: the taking in takes its time, too."""
OF_ONE = 14
"""Orders of one customer in the last minutes; ten a minute are no flood."""
MOST_GROWTH_KIB = 64 * 1024
WAIT_S = 90.0


class Away:
    """The shop, whose agent comes and goes."""

    def __init__(self, folder: Path, protocol: str, stack: ExitStack) -> None:
        broker = stack.enter_context(Mosquitto(folder / "mosquitto"))
        self.device = stack.enter_context(VirtualPrinter())
        port = stack.enter_context(serve_tcp(self.device))
        config = folder / "agent.yaml"
        config.write_text(
            f"shop: s1\ndata_dir: {folder}/data\nintake: {{clock: trust}}\n"
            f"broker: {{url: 'mqtt://127.0.0.1:{broker.port}', protocol: '{protocol}'}}\n"
            f"printers: [{{name: kitchen, link: '{port.link}'}}]\n"
        )
        self.cloud = stack.enter_context(Cloud("127.0.0.1", broker.port, shop="s1", protocol=protocol))
        self.agent = AgentProcess(config, folder / "agent.log")
        stack.callback(self.agent.kill)

    def start(self) -> None:
        """The agent comes up."""
        births = len(self.cloud.states)
        self.agent.start()
        assert self.cloud.wait_for(lambda cloud: len(cloud.states) > births and cloud.online, WAIT_S)

    def memory(self, what: str) -> int:
        """The agent's VmRSS or VmHWM, in KiB."""
        status = Path(f"/proc/{self.agent.pid}/status").read_text()
        found = re.search(rf"{what}:\s+(\d+)", status)
        assert found
        return int(found[1])

    def order(self, number: int, told: datetime, **fields: Any) -> None:
        """The cloud takes an order at that time."""
        items = [{"name": "豆浆", "qty": "2"}]
        order = {"id": f"id-{number}", "rev": 1, "channel": "test", "no": str(number), "items": items, **fields}
        at = told.isoformat(timespec="milliseconds")
        self.cloud.publish("order.upsert", {"order": {**order, "placed_at": at}}, time=at)

    def numbers(self) -> list[int]:
        """The whole tickets on paper, in order."""
        tickets = [read(piece) for piece in self.device.paper.pieces]
        return [int(ticket.number) for ticket in tickets if ticket.whole and ticket.number.isdigit()]

    def summaries(self) -> list[str]:
        """Tickets for the staff that list orders that wait."""
        return [piece.text for piece in self.device.paper.pieces if " ORDERS" in piece.text]


@pytest.fixture(params=("5", "3.1.1"))
def away(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Away]:
    """A shop that was open once, and then lost its line."""
    with ExitStack() as stack:
        here = Away(tmp_path, request.param, stack)
        here.start()
        now = datetime.now(UTC)
        here.order(1, now)
        assert here.device.wait_for(lambda _: here.numbers() == [1], WAIT_S)
        here.agent.stop()
        yield here


def three_days(here: Away) -> dict[str, list[int]]:
    """What comes in meanwhile, and what should become of each: its number, by the reason to wait ("" is paper)."""
    now = datetime.now(UTC)
    expected: dict[str, list[int]] = {"": [], "old": [], "upcoming": [], "flood": []}
    for number in range(2, ORDERS + 2):
        ago = timedelta(hours=HOURS) * (1 - number / (ORDERS + 1))
        if timedelta(minutes=FRESH_MIN) < ago < timedelta(minutes=OLD_MIN):
            ago = timedelta(minutes=OLD_MIN)
        if number % 300 == 0:
            due = (now + timedelta(hours=5)).isoformat(timespec="seconds")
            here.order(number, now - ago, due_at=due)
            expected["upcoming"].append(number)
        else:
            here.order(number, now - ago)
            expected["" if ago < timedelta(minutes=FRESH_MIN) else "old"].append(number)
    for number in range(ORDERS + 2, ORDERS + 2 + OF_ONE):
        here.order(number, now, customer={"name": "张", "phone_tail": "8888"})
        expected["flood" if number >= ORDERS + 2 + 10 else ""].append(number)
    assert here.cloud.flush(WAIT_S)
    return expected


@pytest.mark.timeout(240)
def test_three_days_offline_lose_nothing_and_flood_nobody(away: Away, record_property: Any) -> None:
    """Each order is taken in once and in order; the old ones wait behind one summary; what is fresh is printed."""
    expected = three_days(away)
    every = sorted(number for numbers in expected.values() for number in numbers)
    away.start()
    before, began = away.memory("VmRSS"), time.monotonic()

    def taken() -> list[dict[str, Any]]:
        states = away.cloud.reported("order.state")
        return [each for each in states if each["state"] in ("accepted", "held") and each["order"]["id"] != "id-1"]

    assert away.cloud.wait_for(lambda _: len(taken()) >= len(every), WAIT_S), len(taken())
    record_property("took_s", round(time.monotonic() - began, 1))
    found: dict[str, list[int]] = {"": [], "old": [], "upcoming": [], "flood": []}
    for each in taken():
        found[each.get("reason", "")].append(int(each["order"]["no"]))
    assert [int(each["order"]["no"]) for each in taken()] == every, "the order of the events"
    assert found == expected
    assert away.device.wait_for(lambda _: len(away.numbers()) >= 1 + len(expected[""]), WAIT_S)
    assert away.numbers() == [1, *expected[""]]
    assert away.device.wait_for(lambda _: len(away.summaries()) >= 2, WAIT_S), "one of the old, one of the flood"
    assert len(away.summaries()) == 2
    assert set(away.cloud.alarms) == {"waiting:old", "waiting:flood"}
    record_property("growth_kib", away.memory("VmHWM") - before)
    print("offline:", round(time.monotonic() - began, 1), "s;", before, away.memory("VmHWM"), "KiB")
    assert away.memory("VmHWM") - before < MOST_GROWTH_KIB
