"""A person's word on a ticket in doubt, at the box and from the cloud: a real broker, a real agent, and paper."""

import json
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from click.testing import CliRunner, Result
from paho.mqtt.enums import CallbackAPIVersion

from agent.cli import cli
from agent.cli.queue import age
from agent.config import Printing
from agent.control import ask
from agent.datadir import unattended
from agent.errors import AgentNotRunning, CommandRefused, DataDirLocked, Unavailable
from agent.intake.commands import Commands
from agent.journal.queue import waiting_tickets
from agent.simulator.cloud import Cloud
from agent.simulator.ports import serve_tcp
from agent.simulator.printer import PrinterSpec, VirtualPrinter
from agent.simulator.stage import AgentProcess, Mosquitto, free_port
from tests.kitchen import Ticket, kitchen, read

TIMEOUT_S = 30.0


class Shop:
    """An agent as its own process, its cloud and its printer; a ticket in doubt waits for a person's word."""

    def __init__(self, stack: ExitStack, folder: Path, mosquitto: Mosquitto, shop: str, spec: PrinterSpec) -> None:
        self.device = stack.enter_context(VirtualPrinter(spec))
        self.port = stack.enter_context(serve_tcp(self.device))
        self.data = folder / "data"
        self.config = folder / "agent.yaml"
        confirm = "none" if spec.tier == 3 else "auto"  # a new mute printer is waited for
        self.config.write_text(
            f"shop: {shop}\ndata_dir: {self.data}\nbroker: {{url: 'mqtt://127.0.0.1:{mosquitto.port}'}}\n"
            f"printers: [{{name: kitchen, link: '{self.port.link}', confirm: {confirm}}}]\n"
            "printing: {unconfirmed: ask}\n"
        )
        self.cloud = stack.enter_context(Cloud("127.0.0.1", mosquitto.port, shop=shop))
        self._commands = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
        self._commands.connect("127.0.0.1", mosquitto.port)
        self._commands.loop_start()
        stack.callback(self._commands.loop_stop)
        stack.callback(self._commands.disconnect)
        self._topic = f"shops/{shop}/dn/cmd/box1"
        self.agent = AgentProcess(self.config, folder / "agent.log")
        stack.callback(self.agent.kill)
        self.start()

    def start(self) -> None:
        """Start the agent, and wait until its printer was met."""
        self.agent.start()
        self.until(lambda: self.seen().get("state") == "ready", "the printer")
        assert self.cloud.wait_for(lambda cloud: cloud.online, TIMEOUT_S)

    def cli(self, *words: str) -> tuple[int, str]:
        """A command of the shop's own: its exit code, and what it said."""
        line = [sys.executable, "-m", "agent", *words, "--config", str(self.config)]
        done = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, done.stdout + done.stderr

    def command(self, command_id: str, **data: Any) -> dict[str, Any]:
        """A command from the cloud; the newest answer to it."""
        event = {"specversion": "1.0", "id": command_id, "source": "//staff", "type": "command.settle", "data": data}
        before = len(self.answers(command_id))
        self._commands.publish(self._topic, json.dumps(event), 1).wait_for_publish(10)
        assert self.cloud.wait_for(lambda _: len(self.answers(command_id)) > before, TIMEOUT_S)
        return self.answers(command_id)[-1]

    def answers(self, command_id: str) -> list[dict[str, Any]]:
        """All answers to a command."""
        return self.cloud.reported("command.answer", command=command_id)

    def order(self, number: int) -> None:
        """An order comes in."""
        items = [{"name": "豆浆", "qty": "2"}, {"name": "鲜肉小笼包", "qty": "12"}]
        order = {"id": f"id-{number}", "rev": 1, "channel": "test", "no": str(number), "items": items}
        self.cloud.publish("order.upsert", {"order": order})

    def printed(self, number: int, times: int = 1) -> None:
        """Wait until an order is on paper so many times."""
        assert self.device.wait_for(lambda _: len(self.whole(number)) >= times, TIMEOUT_S)

    def doubt(self, number: int) -> int:
        """The cable breaks while this order is being printed; the ticket's number, once it waits for a person."""
        self.order(number)
        assert self.device.wait_for(
            lambda it: f"#{number}" in "".join(line.text for line in it.paper.current.lines), TIMEOUT_S
        )
        self.device.cut_link()
        self.until(lambda: "a person must say" in self.ticket(number).get("reason", ""), "a person's turn")
        return int(self.ticket(number)["ticket"])

    def ticket(self, number: int) -> dict[str, Any]:
        """The order's ticket in the queue; empty when it is not there."""
        tickets: list[dict[str, Any]] = self.ask("queue").get("tickets", [])
        return next((ticket for ticket in tickets if ticket["no"] == str(number)), {})

    def seen(self) -> dict[str, Any]:
        """How the printer is."""
        found: list[dict[str, Any]] = self.ask("printers").get("printers", [{}])
        return found[0]

    def ask(self, what: str) -> dict[str, Any]:
        """The agent's answer; empty while it does not run yet."""
        try:
            return ask(self.data, {"do": what}, 10)
        except AgentNotRunning:
            return {}

    def tickets(self) -> list[Ticket]:
        """The paper, but for notices."""
        return [ticket for piece in self.device.paper.pieces if (ticket := read(piece)).whole and ticket.number]

    def whole(self, number: int) -> list[Ticket]:
        """An order's whole tickets."""
        return [ticket for ticket in self.tickets() if ticket.number == str(number)]

    def told(self, number: int) -> list[tuple[str, str]]:
        """What the cloud heard of an order's ticket."""
        states = self.cloud.reported("ticket.state")
        return [(s["state"], s.get("evidence", "")) for s in states if s["order"]["no"] == str(number)]

    def heard(self, number: int, *word: str) -> None:
        """Wait until the cloud heard this as the last word on an order's ticket."""
        assert self.cloud.wait_for(lambda _: self.told(number)[-1:] == [word], TIMEOUT_S), self.told(number)

    def until(self, done: Any, what: str) -> None:
        """Wait for something that nobody signals."""
        deadline = time.monotonic() + TIMEOUT_S
        while not done():
            assert time.monotonic() < deadline, f"waited in vain for {what}:\n{self.agent.log.read_text()[-3000:]}"
            self.device.wait_for(lambda _: False, 0.05)


def test_at_the_box_a_person_settles_what_nobody_else_can(
    tmp_path: Path, mosquitto: Mosquitto, stack: ExitStack
) -> None:
    """The printer never answers and the cable broke: the ticket waits, others go on; then printed, again, discard."""
    shop = Shop(stack, tmp_path, mosquitto, "settle1", PrinterSpec(tier=3, line_time_s=0.02))
    first = shop.doubt(1)
    shop.order(2)
    shop.heard(2, "completed", "presumed")
    assert (shop.ticket(1)["state"], shop.ticket(1)["sent"]) == ("unconfirmed", True)
    code, said = shop.cli("queue", "list")
    assert code == 0
    line = next(line for line in said.splitlines() if line.startswith(f"{first}  "))
    assert line.startswith(f"{first}  order 1  kitchen  kitchen  待确认 unconfirmed  ")
    assert "shop-agent queue printed N" in said

    shop.agent.kill()  # nothing of this is lost, and the socket's file that is left is no hindrance
    assert shop.cli("queue", "list")[0] == 69
    shop.start()
    assert shop.cli("queue", "printed", str(first)) == (
        0,
        f"记为已打印  ticket {first} (order id-1): taken as printed\n",
    )
    shop.heard(1, "completed", "witnessed")
    code, said = shop.cli("queue", "again", str(first))
    assert (code, said.splitlines()) == (
        1,
        [
            f"小票 {first} 已经有结果，不用再处理",
            f"ticket {first} is settled: completed; nothing is left to decide",
        ],
    )

    again = shop.doubt(3)
    code, said = shop.cli("queue", "again", str(again), "--json")
    assert (code, json.loads(said)["answer"]) == (0, f"ticket {again} (order id-3): will be printed again, marked")
    shop.printed(3, times=2)
    shop.heard(3, "completed", "presumed")

    gone = shop.doubt(4)
    assert shop.cli("queue", "discard", str(gone))[0] == 0
    shop.heard(4, "canceled", "")
    shop.order(5)
    shop.printed(5)
    paper = {number: [ticket.marked for ticket in shop.whole(number)] for number in range(1, 6)}
    assert paper == {1: [False], 2: [False], 3: [False, True], 4: [False], 5: [False]}
    shop.until(lambda: shop.ask("queue")["count"] == 0, "an empty queue")
    assert not [alarm for alarm in shop.cloud.alarms if alarm.startswith("ticket:")]
    assert shop.agent.stop() == 0
    assert not (shop.data / "control").exists()


def test_from_the_cloud_the_same_and_each_command_once(tmp_path: Path, mosquitto: Mosquitto, stack: ExitStack) -> None:
    """The same command again gets the same answer and prints nothing; its id with another content is refused."""
    shop = Shop(stack, tmp_path, mosquitto, "settle2", PrinterSpec(tier=2, line_time_s=0.02))
    first = shop.doubt(1)
    shop.order(2)
    shop.printed(2)
    done = shop.command("c-1", decision="printed", ticket=first, by="店长")
    assert done == {"command": "c-1", "ok": True, "answer": f"ticket {first} (order id-1): taken as printed"}
    shop.heard(1, "completed", "witnessed")

    shop.doubt(3)
    done = shop.command("c-2", decision="again", order="id-3")
    assert done["ok"]
    shop.printed(3, times=2)
    shop.heard(3, "completed", "confirmed")
    assert shop.command("c-2", decision="again", order="id-3") == done
    refused = shop.command("c-2", decision="discard", order="id-3")
    assert (refused["ok"], "$.id" in refused["answer"]) == (False, True)

    gone = shop.doubt(4)
    assert shop.command("c-3", decision="burn", ticket=gone)["answer"].endswith("- at $.data.decision")
    assert shop.command("c-4", decision="discard", ticket=gone)["ok"]
    shop.heard(4, "canceled", "")
    shop.agent.kill()
    shop.start()
    assert shop.command("c-2", decision="again", order="id-3") == done  # remembered
    shop.order(5)
    shop.printed(5)
    paper = {number: [ticket.marked for ticket in shop.whole(number)] for number in range(1, 6)}
    assert paper == {1: [False], 2: [False], 3: [False, True], 4: [False], 5: [False]}


def test_an_exchanged_printer_is_taken_at_a_persons_word(
    tmp_path: Path, mosquitto: Mosquitto, stack: ExitStack
) -> None:
    """Until then nothing is printed on it, and nothing is printed by asking."""
    shop = Shop(stack, tmp_path, mosquitto, "settle3", PrinterSpec())
    shop.order(1)
    shop.printed(1)
    code, said = shop.cli("printers", "list")
    assert (code, "就绪 ready" in said, "一票一控" in said, "VIRTUAL-80" in said) == (0, True, True, True)
    shop.port.close()
    shop.device = stack.enter_context(VirtualPrinter(PrinterSpec(model="OTHER-58")))
    stack.enter_context(serve_tcp(shop.device, "127.0.0.1", shop.port.port))
    shop.order(2)
    shop.until(lambda: shop.seen()["state"] == "other", "the stranger")
    code, said = shop.cli("printers", "probe", "kitchen")
    assert (code, "printers accept" in said) == (1, True)
    assert shop.whole(2) == []
    code, said = shop.cli("printers", "accept", "kitchen")
    assert (code, "OTHER-58" in said) == (0, True)
    shop.printed(2)
    code, said = shop.cli("printers", "probe", "kitchen", "--json")
    assert (code, json.loads(said)["tier"]) == (0, "process_id")
    assert shop.device.paper.stray == []


def test_a_ticket_that_was_swallowed_is_printed_at_a_persons_word(tmp_path: Path) -> None:
    """The printer took it and never printed it, and has no counters to prove that: nobody guesses."""
    with kitchen(tmp_path, "tcp", PrinterSpec(counters=False)) as here:
        here.close()
        here.printing = Printing(unconfirmed="ask")
        here.open()
        here.order(1)
        here.wait_told(1)
        here.device.swallow()
        here.order(2)
        here.wait_told(2, states=("unconfirmed",))
        here.device.swallow(False)
        here.order(3)
        here.wait_told(3)
        waiting = here.journal.write(lambda tx: waiting_tickets(tx, 10))
        (ticket,) = [each for each in waiting if each.no == "2"]
        assert (ticket.state, ticket.reason) == ("unconfirmed", "perhaps printed: a person must say")
        data = {"decision": "again", "ticket": ticket.ticket}
        assert here.journal.write(lambda tx: Commands().perform(tx, "command.settle", data)).ok
        here.worker.wake()
        here.wait_told(2)
        assert [(ticket.number, ticket.marked) for ticket in here.tickets() if ticket.whole] == [
            ("1", False),
            ("3", False),
            ("2", True),
        ]


# -- without an agent ----------------------------------------------------------------------------------------------


def run(config: Path, *words: str) -> Result:
    """A command in this process."""
    return CliRunner().invoke(cli, [*words, "--config", str(config)])


def configured(folder: Path, link: str, more: str = "") -> Path:
    """A configuration of which no agent runs."""
    path = folder / "agent.yaml"
    path.write_text(
        f"shop: s1\ndata_dir: {folder}/data\nbroker: {{url: mqtt://127.0.0.1:1}}\n"
        f"printers: [{{name: wok, link: '{link}'{more}}}]\n"
    )
    return path


@pytest.mark.parametrize(
    ("tier", "words"),
    [(1, "一票一控 process ID"), (2, "流控 status"), (3, "只写 write only")],
)
def test_a_printer_is_probed_without_an_agent_and_prints_nothing(
    tmp_path: Path, stack: ExitStack, tier: int, words: str
) -> None:
    """Over a link of the command's own; nothing is made in the data directory, which root may not spoil."""
    device = stack.enter_context(VirtualPrinter(PrinterSpec(tier=tier, model="TM-T88V", maker="EPSON")))
    port = stack.enter_context(serve_tcp(device))
    result = run(configured(tmp_path, port.link), "printers", "probe", "wok")
    assert result.exit_code == 0
    assert words in result.output
    assert ("cuts 0, 行 lines 0" in result.output) == (tier == 1)
    assert ("try profile: epson" in result.output) == (tier < 3)
    assert not (tmp_path / "data").exists()
    assert (device.paper.pieces, device.paper.current.is_blank, device.paper.stray) == ([], True, [])


def test_a_printer_that_needs_a_person_says_so_to_the_probe(tmp_path: Path, stack: ExitStack) -> None:
    """Refused, and not guessed at."""
    device = stack.enter_context(VirtualPrinter())
    port = stack.enter_context(serve_tcp(device))
    device.run_out_of_paper()
    error = run(configured(tmp_path, port.link), "printers", "probe", "wok").exception
    assert isinstance(error, CommandRefused)
    assert "缺纸 paper" in str(error)


def test_what_the_configuration_says_of_a_printer_is_not_asked(tmp_path: Path, stack: ExitStack) -> None:
    """One that prints rubbish when it is asked for a process ID has `confirm: none`."""
    device = stack.enter_context(VirtualPrinter())
    port = stack.enter_context(serve_tcp(device))
    result = run(configured(tmp_path, port.link, ", confirm: none"), "printers", "probe", "wok", "--json")
    assert json.loads(result.output)["tier"] == "none"


def test_a_probe_keeps_its_hands_off_an_agents_printers(tmp_path: Path, stack: ExitStack) -> None:
    """The data directory's lock says that one is there, though it does not answer; and holds one off meanwhile."""
    device = stack.enter_context(VirtualPrinter())
    port = stack.enter_context(serve_tcp(device))
    config = configured(tmp_path, port.link)
    (tmp_path / "data").mkdir()
    (tmp_path / "data/lock").write_text("shop-agent, process 42\n")
    with unattended(tmp_path / "data"):
        error = run(config, "printers", "probe", "wok").exception
    assert isinstance(error, DataDirLocked)
    assert "process 42" in str(error)
    assert device.received == 0
    assert run(config, "printers", "probe", "wok").exit_code == 0


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("queue", "list"), AgentNotRunning),
        (("queue", "printed", "1"), AgentNotRunning),
        (("printers", "list"), AgentNotRunning),
        (("printers", "accept", "wok"), AgentNotRunning),
        (("printers", "probe", "wok"), Unavailable),
    ],
)
def test_without_an_agent_it_is_said_what_to_do(tmp_path: Path, words: tuple[str, ...], error: type[Exception]) -> None:
    """Exit 69, or 1 where the printer does not answer."""
    result = run(configured(tmp_path, f"tcp://127.0.0.1:{free_port()}"), *words)
    assert type(result.exception) is error


@pytest.mark.parametrize(
    "words",
    [
        ("queue", "printed"),
        ("queue", "printed", "x"),
        ("queue", "again", "0"),
        ("printers", "probe"),
        ("printers", "probe", "bar"),
        ("printers", "accept", "bar"),
    ],
)
def test_wrong_usage_is_2(tmp_path: Path, words: tuple[str, ...]) -> None:
    """As everywhere; a printer that is not configured is a slip of the pen too."""
    assert run(configured(tmp_path, "tcp://127.0.0.1:1"), *words).exit_code == 2


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (59, "59 s"), (60, "1 min"), (3599, "59 min"), (3660, "1 h 1 min"), (86_400, "1 d")],
)
def test_an_age_is_said_as_people_do(seconds: int, words: str) -> None:
    """Rounded down."""
    assert age(seconds) == words
