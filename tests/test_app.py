"""The agent as its own process: starting, stopping, one at a time, and the shortest configuration."""

import random
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import msgspec
import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from agent.simulator.ports import serve_tcp
from agent.simulator.printer import PrinterSpec, VirtualPrinter
from agent.simulator.stage import AgentProcess, Mosquitto, free_port
from agent.simulator.verdict import judge_paper
from tests.crash import STATIONS, order_event


def agent(stack: ExitStack, folder: Path, port: int, more: str = "", shop: str = "s1") -> AgentProcess:
    """An agent with the shortest configuration, and what the test adds."""
    config = folder / "agent.yaml"
    config.write_text(f"shop: {shop}\ndata_dir: {folder}/data\nbroker: {{url: 'mqtt://127.0.0.1:{port}'}}\n{more}")
    process = AgentProcess(config, folder / "agent.log")
    stack.callback(process.kill)
    return process


def wait_log(process: AgentProcess, words: str, timeout_s: float = 20.0) -> str:
    """Wait until the agent's log says this; the log."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        text = process.log.read_text() if process.log.exists() else ""
        if words in text:
            return text
        process.wait(0.05)
    raise AssertionError(f"the log never said {words!r}:\n{process.log.read_text()}")


def publish(port: int, *numbers: int, shop: str = "s1") -> None:
    """Orders from a cloud."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
    client.connect("127.0.0.1", port)
    client.loop_start()
    for number in numbers:
        client.publish(f"shops/{shop}/dn/order", msgspec.json.encode(order_event(number)), 1).wait_for_publish(10)
    client.disconnect()
    client.loop_stop()


def test_shop_and_broker_are_enough_to_start_and_an_order_waits_for_its_printer(
    tmp_path: Path, mosquitto: Mosquitto, stack: ExitStack
) -> None:
    """Without a printer an order is kept with an alarm; with one in the configuration it prints."""
    first = agent(stack, tmp_path, mosquitto.port, shop="short")
    first.start()
    wait_log(first, "broker.subscribed")
    publish(mosquitto.port, 7, shop="short")
    wait_log(first, "intake.order_accepted")
    assert first.stop() == 0
    device = stack.enter_context(VirtualPrinter())
    port = stack.enter_context(serve_tcp(device))
    second = agent(
        stack, tmp_path, mosquitto.port, f"printers: [{{name: kitchen, link: '{port.link}'}}]\n", shop="short"
    )
    second.start()
    assert device.wait_for(lambda it: len(it.paper.pieces) == 1, 20)
    assert "#7" in device.paper.pieces[0].text
    assert second.stop() == 0


def test_a_virtual_printer_needs_no_hardware(tmp_path: Path, mosquitto: Mosquitto, stack: ExitStack) -> None:
    """virtual://NAME keeps each ticket as text and as a picture."""
    process = agent(stack, tmp_path, mosquitto.port, "printers: [{name: bar, link: 'virtual://bar'}]\n", shop="virtual")
    process.start()
    wait_log(process, "broker.subscribed")
    publish(mosquitto.port, 12, shop="virtual")
    wait_log(process, "evidence=confirmed")
    while not (tmp_path / "data/virtual/bar/0001.png").exists():
        assert process.wait(0.05) is None
    assert process.stop() == 0
    assert "# 1 2" in (tmp_path / "data/virtual/bar/0001.txt").read_text().replace("  ", " ")
    assert (tmp_path / "data/virtual/bar/0001.png").stat().st_size > 1000


def test_two_agents_never_share_a_data_directory(tmp_path: Path, mosquitto: Mosquitto, stack: ExitStack) -> None:
    """The second one says who holds it, and ends with 75."""
    first = agent(stack, tmp_path, mosquitto.port, shop="lock")
    first.start()
    wait_log(first, "app.started")
    second = subprocess.run(
        [sys.executable, "-m", "agent", "run", "--config", str(first.config)],
        capture_output=True,
        timeout=20,
        check=False,
    )
    assert second.returncode == 75
    assert str(first.pid) in second.stderr.decode()
    (tmp_path / "data/lock").unlink()
    assert (
        subprocess.run([sys.executable, "-m", "agent", "run", "--config", str(first.config)], check=False).returncode
        == 75
    )
    first.kill()
    third = AgentProcess(first.config, tmp_path / "third.log")
    stack.callback(third.kill)
    third.start()
    wait_log(third, "app.started")
    assert third.stop() == 0


def test_names_of_customers_are_for_the_agent_alone(tmp_path: Path, mosquitto: Mosquitto, stack: ExitStack) -> None:
    """Nobody else on the machine may read the journal, also where no service unit sets a umask."""
    process = agent(stack, tmp_path, mosquitto.port, "printers: [{name: bar, link: 'virtual://bar'}]\n", shop="umask")
    process.start()
    wait_log(process, "app.started")
    assert process.stop() == 0
    modes = {
        path.name: oct(path.stat().st_mode & 0o777) for path in (tmp_path / "data", *(tmp_path / "data").iterdir())
    }
    kept = {"virtual": "0o700", "lock": "0o600", "journal.db": "0o600", "last-good.yaml": "0o600"}
    assert modes == {"data": "0o700", **kept}


@pytest.mark.parametrize("trouble", ("none", "broker away", "printer away", "printer stalls within a ticket"))
def test_sigterm_ends_the_agent_in_time(tmp_path: Path, mosquitto: Mosquitto, stack: ExitStack, trouble: str) -> None:
    """Within 5 s, whoever does not answer."""
    shop = "term-" + str(["none", "broker away", "printer away", "printer stalls within a ticket"].index(trouble))
    device = stack.enter_context(VirtualPrinter(PrinterSpec(buffer_bytes=64, margin_bytes=64)))
    port = stack.enter_context(serve_tcp(device))
    link = f"tcp://127.0.0.1:{free_port()}" if trouble == "printer away" else port.link
    server = free_port() if trouble == "broker away" else mosquitto.port
    process = agent(stack, tmp_path, server, f"printers: [{{name: kitchen, link: '{link}'}}]\n", shop=shop)
    process.start()
    wait_log(process, "app.started")
    if trouble.startswith("printer stalls"):
        wait_log(process, "spool.printer_met")
        wait_log(process, "broker.subscribed")
        device.wait_for(lambda it: it.buffered == 0, 5)
        device.stall()
        publish(mosquitto.port, 3, shop=shop)
        wait_log(process, "intake.order_accepted")
    started = time.monotonic()
    assert process.stop(10) == 0
    assert time.monotonic() - started < 6, process.log.read_text()


def test_systemd_is_told_when_it_is_ready_alive_and_stopping(
    tmp_path: Path, mosquitto: Mosquitto, stack: ExitStack
) -> None:
    """READY=1 once everything runs, WATCHDOG=1 while it does, STOPPING=1 at the end."""
    path = tmp_path / "notify"
    listener = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
    listener.bind(str(path))
    listener.settimeout(20)
    process = agent(stack, tmp_path, mosquitto.port, shop="notify")
    process.start(NOTIFY_SOCKET=str(path), WATCHDOG_USEC="1000000", WATCHDOG_PID="")
    heard: list[str] = []
    while heard.count("WATCHDOG=1") < 3:
        heard.append(listener.recv(1024).decode())
    assert "READY=1" in heard
    assert process.stop() == 0
    while "STOPPING=1" not in heard:
        heard.append(listener.recv(1024).decode())


def test_an_order_for_a_printer_that_is_no_longer_configured_goes_to_the_stations_new_one(
    tmp_path: Path, mosquitto: Mosquitto, stack: ExitStack
) -> None:
    """A change of configuration strands no ticket."""
    away = f"printers: [{{name: old, link: 'tcp://127.0.0.1:{free_port()}'}}]\n"
    process = agent(stack, tmp_path, mosquitto.port, away, shop="moved")
    process.start()
    wait_log(process, "broker.subscribed")
    publish(mosquitto.port, 5, shop="moved")
    wait_log(process, "intake.order_accepted")
    process.stop()
    device = stack.enter_context(VirtualPrinter())
    port = stack.enter_context(serve_tcp(device))
    process = agent(stack, tmp_path, mosquitto.port, f"printers: [{{name: new, link: '{port.link}'}}]\n", shop="moved")
    process.start()
    assert device.wait_for(lambda it: len(it.paper.pieces) == 1, 20)
    assert process.stop() == 0


def test_shuffled_and_doubled_orders_are_on_paper_once(tmp_path: Path, mosquitto: Mosquitto, stack: ExitStack) -> None:
    """Through a real broker, each event twice and in any order: every order once, nothing marked, nothing lost."""
    device = stack.enter_context(VirtualPrinter())
    port = stack.enter_context(serve_tcp(device))
    process = agent(
        stack, tmp_path, mosquitto.port, f"printers: [{{name: kitchen, link: '{port.link}'}}]\n", shop="mixed"
    )
    process.start()
    wait_log(process, "broker.subscribed")
    numbers = [*range(1, 41)] * 2
    random.Random(7).shuffle(numbers)
    publish(mosquitto.port, *numbers, shop="mixed")
    assert device.wait_for(lambda it: len(it.paper.pieces) >= 40, 30)
    assert process.stop() == 0
    verdict = judge_paper([order_event(n) for n in range(1, 41)], {"kitchen": device.paper.pieces}, STATIONS)
    assert verdict.findings == []
    assert (verdict.owed, verdict.whole, verdict.reprints) == (40, 40, 0)
