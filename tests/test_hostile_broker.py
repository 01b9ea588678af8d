"""A shop on a broker that is its enemy: the agent prints what it has, lives, does not grow, and takes the next order.

The agent is a process of its own, so that what it holds (memory, files, threads) can be read from outside; the paper
is the judge.
"""

import contextlib
import itertools
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from agent.broker.client import MOST_QOS_2, MOST_UNREAD
from agent.broker.mqtt import SUBSCRIBE_AGAIN_S
from agent.simulator.ports import serve_tcp
from agent.simulator.printer import PrinterSpec, VirtualPrinter
from tests.house import ORDER, order, until
from tests.kitchen import read
from tests.office import HandClock, listening, office
from tests.scripted_broker import Packet, ScriptedBroker, framed, variable

VERSIONS = ("5", "3.1.1")
MOST_GROWTH_KIB = 40 * 1024
"""Of a process of some 50 MiB, over everything that is done to it: Python's arenas, and one large packet at a time."""
QUICK = (
    "import random, sys\n"
    "from agent.broker.backoff import Backoff\n"
    "Backoff.__init__.__defaults__ = (random.random, 0.01)\n"
    "from agent.__main__ import main\n"
    "main()\n"
)
"""The agent with a back-off of hundredths of seconds."""


def _has(mid: int, packet: Packet) -> bool:
    return packet.mid == mid


class Siege:
    """The agent's process, its printer, and the enemy."""

    def __init__(self, folder: Path, protocol: str, stack: ExitStack) -> None:
        self.protocol = protocol
        self.broker = stack.enter_context(ScriptedBroker())
        self.device = stack.enter_context(VirtualPrinter(PrinterSpec(line_time_s=0.005)))
        port = stack.enter_context(serve_tcp(self.device))
        config = folder / "agent.yaml"
        config.write_text(
            f"shop: s1\ndata_dir: {folder}/data\n"
            f"broker: {{url: 'mqtt://127.0.0.1:{self.broker.port}', protocol: '{protocol}', keepalive_s: 5}}\n"
            f"printers: [{{name: kitchen, link: '{port.link}'}}]\n"
        )
        log = stack.enter_context((folder / "agent.log").open("wb"))
        command = [sys.executable, "-c", QUICK, "run", "--config", str(config)]
        self.process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        stack.callback(self.process.wait)
        stack.callback(self.process.kill)
        self._numbers = itertools.count(1)
        self.peer = self.broker.welcome()
        self.expected: list[int] = []
        self.at_first = (0, 0, 0)

    def order(self, count: int = 1) -> list[int]:
        """Publish so many, as an honest broker would, and see them acknowledged."""
        numbers = [next(self._numbers) for _ in range(count)]
        for number in numbers:
            self.peer.publish(ORDER, order(f"{number:05}"), number)
        for number in numbers:
            self.peer.expect("PUBACK", partial(_has, number))
        self.expected += numbers
        return numbers

    def anew(self) -> None:
        """An honest connection, in the place of the one that is."""
        self.peer.drop()
        self.peer = self.broker.welcome(session_present=True)

    def on_paper(self) -> list[int]:
        """The whole tickets' numbers, as they came out."""
        tickets = [read(piece) for piece in self.device.paper.pieces]
        return [int(ticket.number) for ticket in tickets if ticket.whole and ticket.number.isdigit()]

    def printed(self) -> None:
        """Everything that was acknowledged is on paper, once."""
        done = self.device.wait_for(lambda _: len(self.on_paper()) >= len(self.expected), 30)
        assert done, f"{len(self.on_paper())} of {len(self.expected)}"
        assert sorted(self.on_paper()) == self.expected

    def holds(self) -> tuple[int, int, int]:
        """Memory in KiB, open files, threads."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        facts = dict(line.split(":", 1) for line in status.splitlines())
        files = sum(1 for _ in Path(f"/proc/{self.process.pid}/fd").iterdir())
        return int(facts["VmRSS"].split()[0]), files, int(facts["Threads"])


@pytest.fixture(scope="module", params=VERSIONS)
def siege(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Siege]:
    """One agent for everything that is done to it: what leaks, adds up."""
    with ExitStack() as stack:
        here = Siege(tmp_path_factory.mktemp("siege"), request.param, stack)
        here.order(3)
        here.printed()
        here.at_first = here.holds()
        yield here


def properties(here: Siege, raw: bytes) -> bytes:
    """Raw properties, where the protocol has any."""
    return variable(len(raw)) + raw if here.protocol == "5" else b""


# -- what is done -----------------------------------------------------------------------------------------------------


def malformed_packets(here: Siege) -> None:
    """Each kind of packet: empty, cut off, with flags that it may not have, with an id that nobody used."""
    for kind in range(16):
        for flags, body in ((0, b""), (15, b"\xff"), (2, b"\0\x01"), (0, b"\xff\xff" + b"\x99" * 40)):
            here.peer.send(framed(kind << 4 | flags, body))
            here.anew()


def unknown_ids(here: Siege) -> None:
    """Answers to what was never asked; a line that lives through them is used on."""
    for kind in (0x40, 0x50, 0x62, 0x70, 0xB0):
        for mid in (0, 1, 7, 65535):
            here.peer.send(framed(kind, mid.to_bytes(2, "big")))
    here.peer.send(framed(0x90, b"\xff\xff" + properties(here, b"") + b"\x80\x80"))
    here.anew()


def qos_0_flood(here: Siege) -> None:
    """Five thousand orders' worth of noise that nobody may acknowledge."""
    packet = here.peer.publish_packet(ORDER, b"noise", qos=0)
    here.peer.send(packet * 5000)
    here.order()


def qos_1_flood(here: Siege) -> None:
    """One event, again and again, faster than a disk: all acknowledged, none printed twice."""
    event = order("00001")
    for mid in range(1, 3001):
        here.peer.publish(ORDER, event, 10_000 + mid, dup=bool(mid & 1))
    here.peer.expect("PUBACK", lambda packet: packet.mid == 13_000)


def qos_2_never_finished(here: Siege) -> None:
    """Deliveries at QoS 2 without end and without their second half: each would be kept for ever."""
    payload = b"x" * 200_000
    for mid in range(1, MOST_QOS_2 + 10):
        here.peer.publish(ORDER, payload, mid, qos=2)
    here.peer.expect_end()
    here.anew()


def retained_flood(here: Siege) -> None:
    """Retained messages are no orders, however many."""
    for mid in range(1, 501):
        here.peer.publish(ORDER, order(f"retained-{mid}"), 20_000 + mid, retain=True)
    here.peer.expect("PUBACK", lambda packet: packet.mid == 20_500)


def alien_topics(here: Siege) -> None:
    """Topics that nobody subscribed to."""
    for number in range(200):
        here.peer.publish(f"shops/other{number}/dn/order", order(f"alien-{number}"), 30_000 + number)
    here.peer.expect("PUBACK", lambda packet: packet.mid == 30_199)


def giant_packet(here: Siege) -> None:
    """A delivery of 200 MB, and one that only says that it is of 256."""
    size = 200_000_000
    head = (len(ORDER)).to_bytes(2, "big") + ORDER.encode() + b"\0\x09" + properties(here, b"")
    block = b"x" * 1_000_000
    with here.peer._sending:  # no word of its reader's may come between
        here.peer._connection.sendall(b"\x32" + variable(len(head) + size) + head)
        for _ in range(size // len(block)):
            here.peer._connection.sendall(block)
    here.peer.expect("PUBACK", lambda packet: packet.mid == 9)
    here.order()
    here.peer.send(b"\x32\xff\xff\xff\x7f" + block)
    here.anew()


def accept_and_hang_up(here: Siege) -> None:
    """Thirty connections, each taken and dropped."""
    for number in range(30):
        here.peer.drop()
        here.peer = here.broker.accept()
        here.peer.expect("CONNECT")
        if number % 3:
            here.peer.connack()
        if number % 3 == 2 and here.protocol == "5":
            here.peer.disconnect((0x8B, 0x8E, 0x97)[number % 9 // 3])
    here.anew()


def refusals(here: Siege) -> None:
    """Every word of refusal that there is, and some that there are not."""
    words = (0x80, 0x84, 0x85, 0x87, 0x8A, 0x9C, 0x9F, 0x77) if here.protocol == "5" else (1, 2, 3, 4, 5, 6, 255)
    for word in words:
        here.peer.drop()
        here.peer = here.broker.accept()
        here.peer.expect("CONNECT")
        here.peer.connack(reason=word)
    here.anew()


def version_refused_and_gone(here: Siege) -> None:
    """Refused for its version, paho connects again on its own; where nobody answers any more its thread dies."""
    if here.protocol == "5":
        pytest.skip("paho goes down only from 3.1.1")
    here.peer.drop()
    peer = here.broker.accept()
    peer.expect("CONNECT")
    here.broker._listener.close()
    peer.connack(reason=1)
    peer.expect_end()
    again = ScriptedBroker(port=here.broker.port)
    here.broker._listener = again._listener
    here.peer = here.broker.accept()
    while here.peer.expect("CONNECT").protocol != ("MQTT", 4):
        here.peer.drop()
        here.peer = here.broker.accept()
    here.peer.connack()
    here.peer.suback(here.peer.expect("SUBSCRIBE"))


def slow_connack(here: Siege) -> None:
    """A byte a second of a CONNACK that never ends: the keepalive counts from CONNECT."""
    here.peer.drop()
    peer = here.broker.accept()
    peer.expect("CONNECT")
    dripping = threading.Event()

    def drip() -> None:
        for byte in b"\x20\x7f" + bytes(60):
            peer.send(bytes((byte,)))
            if dripping.wait(1):
                return

    thread = threading.Thread(target=drip)
    thread.start()
    try:
        peer.expect_end()
    finally:
        dripping.set()
        thread.join()
    here.peer = here.broker.welcome()


def odd_properties(here: Siege) -> None:
    """MQTT 5: an alias that was not allowed, ids of subscriptions, a window of 0, user properties of 60 KB, twice
    what may stand once, lengths that lie.
    """
    if here.protocol != "5":
        pytest.skip("MQTT 5 only")
    topic = b"\0\x00" + b"\0\x05"
    large = b"\x26" + b"\xff\xf0" + b"k" * 0xFFF0 + b"\0\x01v"
    said = (b"\x23\0\x01", b"\x23\0\0", b"\x0b\x01" * 40, large, b"\x23\0\x01\x23\0\x02", b"\x7f", b"\x26\xff\xff")
    for raw in said:
        here.peer.send(framed(0x32, topic + variable(len(raw)) + raw + b"x"))
        here.anew()
    here.peer.send(framed(0x32, topic + b"\xff\xff\xff\x7f"))
    for granted in (b"\x21\0\0", b"\x27\0\0\0\0", b"\x24\0", b"\x13\0\0", b"\x11\xff\xff\xff\xff", b"\x22\xff\xff"):
        here.peer.drop()
        here.peer = here.broker.accept()
        here.peer.expect("CONNECT")
        here.peer.send(framed(0x20, b"\0\0" + variable(len(granted)) + granted))
    here.anew()


DONE = (
    malformed_packets,
    unknown_ids,
    qos_0_flood,
    qos_1_flood,
    qos_2_never_finished,
    retained_flood,
    alien_topics,
    giant_packet,
    accept_and_hang_up,
    refusals,
    version_refused_and_gone,
    slow_connack,
    odd_properties,
)


@pytest.mark.parametrize("act", DONE, ids=lambda act: act.__name__)
def test_agent_prints_lives_and_does_not_grow(siege: Siege, act: Callable[[Siege], None]) -> None:
    """What was acknowledged before is printed meanwhile; the next order is taken; nothing is held for ever."""
    siege.anew()
    before = siege.at_first
    siege.order(5)
    act(siege)
    siege.order(2)
    siege.printed()
    assert siege.process.poll() is None
    memory, files, threads = siege.holds()
    assert memory - before[0] < MOST_GROWTH_KIB, (before, memory)
    assert files <= before[1] + 3, (before, files)
    assert threads <= before[2] + 2, (before, threads)


# -- the line alone ---------------------------------------------------------------------------------------------------


def test_suback_that_never_comes_is_said_and_asked_for_again(broker: ScriptedBroker) -> None:
    """Without it no order comes, though the line is up: a person is told, and it is over once the broker answers."""
    clock = HandClock()
    with office(broker.port, clock=clock) as here:
        peer = broker.accept()
        peer.expect("CONNECT")
        peer.connack()
        here.up()
        peer.expect("SUBSCRIBE")
        here.line.tend()
        assert here.line.faults == {}
        clock.pass_s(SUBSCRIBE_AGAIN_S)
        here.line.tend()
        again = peer.expect("SUBSCRIBE")
        assert "has not answered" in here.line.faults["broker:topics"]
        peer.suback(again)
        until(lambda: here.line.faults == {}, "no fault")
        clock.pass_s(10 * SUBSCRIBE_AGAIN_S)
        here.line.tend()
        here.fence(peer)
        assert peer.count("SUBSCRIBE") == 2


def test_broker_that_asks_and_reads_nothing_is_left() -> None:
    """What it does not read must not fill the memory: pings are answered, and answers wait for the socket."""
    with listening() as said, socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        with office(listener.getsockname()[1], protocol="3.1.1") as here:
            enemy, _ = listener.accept()
            with enemy, contextlib.suppress(OSError):
                enemy.sendall(framed(0x20, b"\0\0"))
                here.up()
                enemy.settimeout(30)
                for _ in range(200):
                    enemy.sendall(b"\xc0\0" * 10_000)
            assert said.wait("broker.flooded")["unread"] > MOST_UNREAD
