"""Commands with a real agent as its own process: from the command line and from the cloud, over a kill -9; on paper."""

import json
import zipfile
from contextlib import ExitStack
from pathlib import Path

import pytest

from agent.simulator.printer import PrinterSpec
from agent.simulator.stage import Mosquitto
from tests.test_settle import TIMEOUT_S, Shop

SPEC = PrinterSpec(tier=1, line_time_s=0.002)


def send(shop: Shop, command_id: str, kind: str, data: dict[str, object]) -> None:
    """A command from the cloud, once the broker has it."""
    event = {"specversion": "1.0", "id": command_id, "source": "//staff", "type": f"command.{kind}", "data": data}
    shop._commands.publish(shop._topic, json.dumps(event), 1).wait_for_publish(10)


def test_a_day_at_the_box(tmp_path: Path, mosquitto: Mosquitto, stack: ExitStack) -> None:
    """Pause, test page, resume, reprint, reload, bundle: each says what it did, and the paper shows it."""
    shop = Shop(stack, tmp_path, mosquitto, "live1", SPEC)
    assert shop.cli("printers", "pause", "kitchen") == (0, "暂停  paused: kitchen\n")
    shop.order(1)
    shop.until(lambda: bool(shop.ticket(1)), "the ticket")
    code, said = shop.cli("queue", "list")
    assert (code, "已暂停 paused" in said) == (0, True), said
    code, said = shop.cli("printers", "test", "kitchen")
    assert (code, "测试页已打印" in said) == (0, True), said
    assert any("PRINT TEST" in piece.text for piece in shop.device.paper.pieces)
    assert shop.tickets() == []
    assert shop.cli("printers", "resume", "all") == (0, "继续  goes on: kitchen\n")
    shop.printed(1)
    shop.heard(1, "completed", "confirmed")
    code, said = shop.cli("queue", "reprint", "1")
    assert (code, "id-1 (#1) is printed again, marked" in said) == (0, True), said
    shop.printed(1, 2)
    assert [ticket.marked for ticket in shop.whole(1)] == [False, True]
    assert shop.cli("queue", "reprint", "99")[0] == 1
    shop.config.write_text(shop.config.read_text() + "language: en\n")
    code, said = shop.cli("reload")
    assert (code, "in use now: language" in said) == (0, True), said
    shop.order(2)
    shop.heard(2, "completed", "confirmed")
    assert "流水" not in shop.device.paper.pieces[-1].text
    code, said = shop.cli("support-bundle", "--json")
    assert code == 0
    path = Path(json.loads(said)["answer"].removeprefix("support bundle: "))
    assert path.parent == shop.data / "bundles"
    with zipfile.ZipFile(path) as archive:
        assert "intake.order_accepted order=id-1" in archive.read("log.txt").decode()
        assert json.loads(archive.read("journal.json"))["tickets_by_mark"] == {"asked": 1}
        assert json.loads(archive.read("printers.json"))["kitchen"]["tier"] == "process_id"


@pytest.mark.parametrize("point", ["intake.before_commit", "intake.after_commit", "intake.after_ack"])
def test_a_reprint_is_done_once_whenever_the_agent_is_killed(
    tmp_path: Path, mosquitto: Mosquitto, stack: ExitStack, point: str
) -> None:
    """The broker sends it again where it was not acknowledged: one copy, and each answer is the same."""
    shop = Shop(stack, tmp_path, mosquitto, f"kill{point[7:].replace('_', '')}", SPEC)
    shop.order(1)
    shop.printed(1)
    shop.heard(1, "completed", "confirmed")
    shop.agent.stop()
    shop.config.write_text(shop.config.read_text().replace("unconfirmed: ask", "reprint_after_s: 0.5"))
    shop.agent.start(crash=f"{point}:1")
    send(shop, "c-1", "reprint", {"order": "id-1"})
    assert shop.agent.wait(TIMEOUT_S) == -9
    shop.start()
    assert shop.cloud.wait_for(lambda _: bool(shop.answers("c-1")), TIMEOUT_S)
    shop.printed(1, 2)
    send(shop, "c-1", "reprint", {"order": "id-1"})
    shop.order(2)
    shop.printed(2)
    assert len(shop.whole(1)) == 2
    assert {answer["answer"] for answer in shop.answers("c-1")} == {
        "order id-1 (#1) is printed again, marked: ticket 2 at kitchen"
    }


def test_a_pause_from_the_cloud_outlives_a_kill(tmp_path: Path, mosquitto: Mosquitto, stack: ExitStack) -> None:
    """And nothing is lost: all is printed once, unmarked, when it is resumed."""
    shop = Shop(stack, tmp_path, mosquitto, "live2", SPEC)
    send(shop, "c-1", "pause", {"printer": "all", "by": "王店长"})
    assert shop.cloud.wait_for(lambda _: bool(shop.answers("c-1")), TIMEOUT_S)
    shop.order(1)
    shop.until(lambda: bool(shop.ticket(1)), "the ticket")
    shop.agent.kill()
    shop.start()
    shop.order(2)
    shop.until(lambda: bool(shop.ticket(2)), "the ticket")
    assert shop.tickets() == []
    assert "paused by 王店长" in shop.cloud.alarms["printer:kitchen:paused"]
    send(shop, "c-2", "resume", {"printer": "kitchen"})
    shop.printed(2)
    assert [(ticket.number, ticket.marked) for ticket in shop.tickets()] == [("1", False), ("2", False)]


def test_what_the_cloud_may_not_do_is_answered(tmp_path: Path, mosquitto: Mosquitto, stack: ExitStack) -> None:
    """A bundle, unless the shop allows it; reload may allow it without a restart."""
    shop = Shop(stack, tmp_path, mosquitto, "live3", SPEC)
    send(shop, "c-1", "bundle", {})
    assert shop.cloud.wait_for(lambda _: bool(shop.answers("c-1")), TIMEOUT_S)
    assert "commands.allow" in shop.answers("c-1")[0]["answer"]
    assert not (shop.data / "bundles").exists()
    shop.config.write_text(shop.config.read_text() + "commands: {allow: [bundle]}\n")
    send(shop, "c-2", "reload", {})
    assert shop.cloud.wait_for(lambda _: bool(shop.answers("c-2")), TIMEOUT_S)
    assert "in use now: commands" in shop.answers("c-2")[0]["answer"]
    send(shop, "c-3", "bundle", {})
    assert shop.cloud.wait_for(lambda _: bool(shop.answers("c-3")), TIMEOUT_S)
    (answer,) = shop.answers("c-3")
    assert answer["ok"]
    assert Path(answer["answer"].removeprefix("support bundle: ")).is_file()
