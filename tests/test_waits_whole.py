"""Orders that wait in a whole agent: a broker that forgot us, kill -9 while they are let go, the staff's words."""

from contextlib import ExitStack
from pathlib import Path

import msgspec
import paho.mqtt.client as mqtt
import pytest
from click.testing import CliRunner
from paho.mqtt.enums import CallbackAPIVersion

from agent.checkpoint import RELEASING
from agent.cli import cli
from agent.simulator.ports import serve_tcp
from agent.simulator.printer import PrinterSpec, VirtualPrinter
from agent.simulator.stage import AgentProcess, Mosquitto
from agent.simulator.verdict import judge_paper
from tests.crash import STATIONS, order_event
from tests.house import ORDER, REPLAY, SOURCE, house, order, replay_end, told, until
from tests.kitchen import read
from tests.office import HandClock
from tests.scripted_broker import Packet, ScriptedBroker
from tests.test_broker_rules import is_request

WAIT_S = 30.0


def test_cursors_survive_a_session_that_the_broker_forgot(tmp_path: Path) -> None:
    """What comes first on the new session lies behind a gap and waits; the request says from where; the replay brings
    it, and all come out as they were told.
    """
    with ScriptedBroker() as broker, house(tmp_path, broker.port, clock=HandClock()) as here:
        peer = broker.welcome()
        peer.publish(ORDER, order(1, 1), 1)
        peer.expect("PUBACK")
        peer.drop()
        again = broker.welcome(session_present=False)
        again.publish(ORDER, order(5, 5), 1)
        again.expect("PUBACK")
        asked = told(again.expect("PUBLISH", is_request))
        assert (asked["source"], asked["from"]) == (SOURCE, 2)
        assert here.count("waits") == 1
        for number in (2, 3, 4):
            again.publish(REPLAY, order(number, number), number)
        again.publish(REPLAY, replay_end(5, 2), 6)
        until(lambda: here.count("jobs") == 5, "all tickets")
        rows = here.journal.write(
            lambda tx: tx.execute(
                "SELECT o.number FROM orders o JOIN jobs j ON j.order_pk = o.pk ORDER BY j.id"
            ).fetchall()
        )
        assert [number for (number,) in rows] == ["1", "2", "3", "4", "5"]
        assert here.alarms().keys() == {"no_printer"}


def test_gap_right_after_the_routine_request_is_asked_for_at_once(tmp_path: Path) -> None:
    """What was asked on connecting and answered holds up no request for what is missing now."""
    with ScriptedBroker() as broker, house(tmp_path, broker.port, clock=HandClock()) as here:
        peer = broker.welcome()
        peer.publish(ORDER, order(1, 1), 1)
        peer.expect("PUBACK")
        peer.drop()
        again = broker.welcome()
        again.expect("PUBLISH", is_request)
        again.publish(REPLAY, replay_end(1, 2), 1)
        again.expect("PUBACK")
        again.publish(ORDER, order(3, 3), 2)
        assert told(again.expect("PUBLISH", is_request))["from"] == 2

        def requests() -> list[Packet]:
            return [packet for packet in again.seen if is_request(packet)]

        again.publish(REPLAY, order(2, 2), 3)
        until(lambda: here.count("jobs") == 3, "all tickets")
        again.publish(ORDER, order(5, 5), 4)
        here.turns()
        here.fence(again)
        assert len(requests()) == 2, "then at the usual pace"


class Cloud:
    """Publishes, and nothing else."""

    def __init__(self, port: int) -> None:
        self.events: list[dict[str, object]] = []
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def tell(self, *numbers: int, **attributes: object) -> None:
        """Orders; each one's sequence is its number."""
        for number in numbers:
            event = {**order_event(number), **attributes}
            self.events.append(event)
            self._client.publish("shops/s1/dn/order", msgspec.json.encode(event), 1).wait_for_publish(10)

    def close(self) -> None:
        """Hang up."""
        self._client.disconnect()
        self._client.loop_stop()


def start(stack: ExitStack, folder: Path, intake: str) -> tuple[Cloud, VirtualPrinter, AgentProcess]:
    """A cloud, a printer, and an agent that does not run yet."""
    broker = stack.enter_context(Mosquitto(folder / "broker"))
    device = stack.enter_context(VirtualPrinter(PrinterSpec(line_time_s=0.001)))
    port = stack.enter_context(serve_tcp(device))
    config = folder / "agent.yaml"
    config.write_text(
        f"shop: s1\ndata_dir: {folder}/data\nbroker: {{url: 'mqtt://127.0.0.1:{broker.port}'}}\n"
        f"printers: [{{name: kitchen, link: '{port.link}'}}]\nintake: {intake}\n"
    )
    agent = AgentProcess(config, folder / "agent.log")
    stack.callback(agent.kill)
    cloud = Cloud(broker.port)
    stack.callback(cloud.close)
    return cloud, device, agent


def wait_log(agent: AgentProcess, words: str, times: int = 1) -> None:
    """Wait until the log says this so many times."""
    until(lambda: agent.log.exists() and agent.log.read_text().count(words) >= times, words)


@pytest.mark.parametrize("point", [*RELEASING, "intake.after_commit"])
def test_kill_while_orders_wait_or_are_let_go_loses_and_doubles_nothing(
    tmp_path: Path, stack: ExitStack, point: str
) -> None:
    """Each order is on paper once: as a ticket after the wait, or at the start after the kill."""
    cloud, device, agent = start(stack, tmp_path, "{gap_hold_s: 0.2}")
    agent.start()
    wait_log(agent, "broker.subscribed")
    cloud.tell(1)
    wait_log(agent, "intake.order_accepted")
    agent.stop()
    for count in (1, 2):
        agent.start(crash=f"{point}:1")
        cloud.tell(*range(10 * count, 10 * count + 4))
        assert agent.wait(WAIT_S) == -9, agent.log.read_text()
    agent.start()
    cloud.tell(2)
    wanted = {str(event["data"]["order"]["no"]) for event in cloud.events}  # type: ignore[index]  # as they were made

    def numbers() -> list[str]:
        return [ticket.number for piece in device.paper.pieces if (ticket := read(piece)).whole]

    assert device.wait_for(lambda _: wanted <= set(numbers()), WAIT_S), numbers()
    assert agent.stop() == 0
    verdict = judge_paper(cloud.events, {"kitchen": device.paper.pieces}, STATIONS)
    assert (verdict.findings, verdict.owed) == ([], len(wanted))
    texts = {ticket.number: ticket.text for piece in device.paper.pieces if (ticket := read(piece)).whole}
    assert "MISSING #2-9" in texts["10"]
    assert "LATE" in texts["2"]


def test_staff_sees_what_waits_and_decides(tmp_path: Path, stack: ExitStack) -> None:
    """`shop-agent queue waiting`, `release`, `drop`."""
    cloud, device, agent = start(stack, tmp_path, "{clock: trust}")
    agent.start()
    wait_log(agent, "broker.subscribed")
    cloud.tell(7, 8, 9, time="2020-01-01T00:00:00Z")
    wait_log(agent, "intake.order_held", 3)

    def say(*words: str) -> str:
        result = CliRunner().invoke(cli, ["queue", *words, "--config", str(agent.config)])
        assert result.exit_code == 0, result
        return result.output

    listed = say("waiting")
    assert "#7  test  旧单 too old  id-7" in listed
    assert "shop-agent queue release N" in listed
    assert "1 order will be printed: #8" in say("release", "8")
    assert "1 order dropped: #9" in say("drop", "id-9")
    assert "1 order will be printed: #7" in say("release", "all")
    assert device.wait_for(lambda it: len(it.paper.pieces) == 2, WAIT_S)
    assert [read(piece).number for piece in device.paper.pieces] == ["8", "7"]
    assert "没有等待的订单 no order waits" in say("waiting")
    assert say("waiting", "--json").strip() == '{"orders":[],"count":0}'
    nobody = CliRunner().invoke(cli, ["queue", "release", "7", "--config", str(agent.config)])
    assert "order 7 does not wait" in str(nobody.exception)
    assert agent.stop() == 0
