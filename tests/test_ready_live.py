"""`ready` with a real agent, a real broker and a kill -9: what the kitchen has finished the cloud hears."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from agent.simulator.printer import PrinterSpec
from agent.simulator.stage import Mosquitto
from tests.test_commands_live import send
from tests.test_settle import TIMEOUT_S, Shop

SPEC = PrinterSpec(tier=1, line_time_s=0.002)


def heard(shop: Shop) -> list[tuple[str, str]]:
    """What the cloud heard of orders' readiness, and for what reason."""
    states = [(said["state"], said.get("reason", "")) for said in shop.cloud.reported("order.state")]
    return [(state, reason) for state, reason in states if state == "ready" or reason]


@pytest.mark.parametrize("point", ["report.before_publish", "report.after_publish"])
def test_ready_is_heard_whenever_the_agent_is_killed(
    tmp_path: Path, mosquitto: Mosquitto, stack: ExitStack, point: str
) -> None:
    """The bump was answered, and then the power went: the report is on disk with it, and leaves at the next start."""
    shop = Shop(stack, tmp_path, mosquitto, f"ready{point[7:].replace('_', '')}", SPEC)
    shop.order(1)
    shop.heard(1, "completed", "confirmed")
    assert shop.cloud.wait_for(lambda cloud: "printed" in cloud.order_states.values(), TIMEOUT_S)
    shop.agent.stop()
    shop.agent.start(crash=f"{point}:1")
    shop.until(lambda: bool(shop.ask("kitchen").get("cards")), "the agent")
    shop.cli("queue", "ready", "--order", "1")
    assert shop.agent.wait(TIMEOUT_S) == -9
    shop.start()
    assert shop.cloud.wait_for(lambda cloud: list(cloud.order_states.values()) == ["ready"], TIMEOUT_S)
    assert set(heard(shop)) == {("ready", "")}
    assert shop.cli("queue", "ready", "--order", "1")[1].endswith("was finished already\n")


def test_the_cloud_may_say_so_only_where_the_shop_allows_it(
    tmp_path: Path, mosquitto: Mosquitto, stack: ExitStack
) -> None:
    """Who says that a dish is cooked stands in the kitchen, unless `commands.allow` has it. A recall is heard, too."""
    shop = Shop(stack, tmp_path, mosquitto, "readycloud", SPEC)
    shop.order(1)
    shop.heard(1, "completed", "confirmed")
    send(shop, "c-1", "ready", {"order": "id-1"})
    assert shop.cloud.wait_for(lambda _: bool(shop.answers("c-1")), TIMEOUT_S)
    assert "commands.allow" in shop.answers("c-1")[0]["answer"]
    shop.config.write_text(shop.config.read_text() + "commands: {allow: [ready, recall]}\n")
    assert shop.cli("reload")[0] == 0
    for command, kind in (("c-2", "ready"), ("c-3", "recall"), ("c-4", "ready")):
        send(shop, command, kind, {"order": "id-1", "by": "平台"})
        assert shop.cloud.wait_for(lambda _, command=command: bool(shop.answers(command)), TIMEOUT_S)  # type: ignore[misc]  # bound now
        assert shop.answers(command)[0]["ok"]
    assert shop.cloud.wait_for(lambda _: len(heard(shop)) == 3, TIMEOUT_S)
    assert heard(shop) == [("ready", ""), ("printed", "recalled"), ("ready", "again")]
