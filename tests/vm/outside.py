"""What stands around a whole box: the broker, the cloud's orders, and the printer, which keeps its paper through cuts.

The box reaches them over its network card (10.0.2.2 is this host's loopback) and its USB; its own port is `web` here.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from agent.simulator.piece import Piece
from agent.simulator.ports import serve_tcp
from agent.simulator.printer import PrinterSpec, VirtualPrinter
from agent.simulator.share import Stations
from agent.simulator.stage import Mosquitto, free_port
from agent.simulator.verdict import Verdict, judge_paper
from tests.crash import order_event
from tests.kitchen import Ticket, read
from tests.vm.box import ROOT, Box
from tests.vm.image import Image, ext4
from tests.vm.qemu import Hardware
from tests.vm.system import tools, user_of

PATIENCE_S = 600.0
"""For whatever an emulated box does on a busy machine."""
ORDERS, STATE = "shops/s1/dn/order", "shops/s1/up/box1/state"
MEMORY_MB = 640
PLAIN = "rw fstab=no systemd.unit=multi-user.target"
"""Words for the kernel: all is on one disk, as Debian's installer leaves it."""


class Outside:
    """Everything but the box."""

    def __init__(self, folder: Path, broker: Mosquitto, device: VirtualPrinter, printer_port: int) -> None:
        self.folder, self.broker, self.device = folder, broker, device
        self.web = free_port()
        self.station, self.link = "kitchen", "usblp:/dev/usb/lp0"
        self.settings = "printing: {reprint_after_s: 2}\n"
        self.events: list[dict[str, object]] = []
        self.states: list[bytes] = []
        self.printer_port = printer_port
        self._tickets: list[Ticket] = []
        self._changed = threading.Condition()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="outside", protocol=mqtt.MQTTv5)
        self._client.on_message = lambda _client, _data, message: self._hear(bytes(message.payload))
        self._client.connect("127.0.0.1", broker.port)
        self._client.subscribe(STATE, 1)
        self._client.loop_start()

    @property
    def url(self) -> str:
        """The broker, as the box knows it."""
        return f"mqtt://10.0.2.2:{self.broker.port}"

    @property
    def config(self) -> str:
        """A box that was set up long ago."""
        return (
            f'shop: s1\nagent: box1\nbroker: {{url: "{self.url}"}}\nconsole: {{listen: "0.0.0.0:8480"}}\n'
            f'printers:\n  - {{name: kitchen, link: "{self.link}"}}\n{self.settings}'
        )

    def hardware(self, *drives: Path, words: str, packages: tuple[Path, ...] = (), **more: object) -> Hardware:
        """A box with its network card and its printer's cable."""
        brought = self.folder / "tools.img"
        if not brought.exists():
            tools(brought, ROOT, *packages)
        whole = Hardware(
            memory_mb=MEMORY_MB, drives=(brought, *drives), words=words, ports={"printer": self.printer_port}
        )
        return msgspec.structs.replace(whole, **{"extra": self.network(), **more})

    def network(self) -> tuple[str, ...]:
        """Its network card."""
        forward = f"hostfwd=tcp:127.0.0.1:{self.web}-:8480"
        return ("-netdev", f"user,id=net,{forward}", "-device", "virtio-net-pci,netdev=net")

    def data_disk(self, image: Image, name: str = "data.img", size_mb: int = 96) -> Path:
        """The disk for what changes, of a box with our configuration."""
        content = self.folder / "data"
        for part, mode in (("state", 0o700), ("etc", 0o755)):
            (content / part).mkdir(parents=True, exist_ok=True)
            (content / part).chmod(mode)
        (content / "etc/shop-agent.yaml").write_text(self.config)
        for path in content.rglob("*"):
            _give(path, *user_of(image))
        return ext4(self.folder / name, size_mb, "data", content)

    def configure(self, box: Box) -> None:
        """Our configuration into a box that has another, or none yet."""
        own = "install -o shop-agent -g shop-agent -m 600 /dev/stdin /etc/shop-agent/shop-agent.yaml"
        assert box.channel.run(["sh", "-c", own], stdin=self.config.encode()) == (0, "")
        shell(box, "systemctl restart shop-agent")

    # -- orders ------------------------------------------------------------------------------------------------------

    def order(self) -> int:
        """One more order; returns its number, once the broker has it."""
        event = order_event(len(self.events) + 1)
        self._client.publish(ORDERS, msgspec.json.encode(event), 1).wait_for_publish(PATIENCE_S)
        self.events.append(event)
        return len(self.events)

    @contextmanager
    def orders_flow(self, every_s: float) -> Iterator[None]:
        """Orders come at this pace meanwhile."""
        stop = threading.Event()

        def flow() -> None:
            while not stop.wait(every_s):
                self.order()

        thread = threading.Thread(target=flow, name="orders", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(PATIENCE_S)

    def wait_online(self, version: str = "", timeout_s: float = PATIENCE_S) -> None:
        """Wait until the box is at the broker, with this version, and so its orders are kept there from now on."""
        wanted = (b'"online":true', f'"version":"{version}"'.encode() if version else b"")

        def there() -> bool:
            return bool(self.states) and all(each in self.states[-1] for each in wanted)

        with self._changed:
            assert self._changed.wait_for(there, timeout_s), self.states

    # -- paper -------------------------------------------------------------------------------------------------------

    @property
    def pieces(self) -> list[Piece]:
        """Every piece of paper, also the one that still hangs out."""
        current = self.device.paper.current
        return [*self.device.paper.pieces, *([] if current.is_blank else [current])]

    def tickets(self, number: int) -> list[Ticket]:
        """What is on paper of an order."""
        return [ticket for piece in self.pieces if (ticket := read(piece)).number == str(number)]

    def wait_paper(self, wanted: Callable[[Ticket], bool], what: str, timeout_s: float = PATIENCE_S) -> Ticket:
        """Wait for a piece of paper; the newest such one."""

        def found() -> list[Ticket]:
            pieces = self.device.paper.pieces
            self._tickets += [read(piece) for piece in pieces[len(self._tickets) :]]
            return [ticket for ticket in self._tickets if wanted(ticket)]

        assert self.device.wait_for(lambda _: bool(found()), timeout_s), f"waited in vain for {what}"
        return found()[-1]

    def wait_printed(self, number: int, timeout_s: float = PATIENCE_S) -> Ticket:
        """Wait for an order's whole ticket."""
        return self.wait_paper(lambda each: each.number == str(number) and each.whole, f"order {number}", timeout_s)

    def wait_all_printed(self, timeout_s: float = 2 * PATIENCE_S) -> None:
        """Wait until every order that came is on paper, whole."""
        deadline = time.monotonic() + timeout_s
        for number in range(1, len(self.events) + 1):
            self.wait_printed(number, max(0.0, deadline - time.monotonic()))

    def verdict(self) -> Verdict:
        """The paper, judged by what was ordered."""
        return judge_paper(self.events, {self.station: self.pieces}, Stations(self.station))

    def close(self) -> None:
        """Hang up."""
        self._client.disconnect()
        self._client.loop_stop()

    def _hear(self, said: bytes) -> None:
        with self._changed:
            self.states.append(said)
            self._changed.notify_all()


@contextmanager
def outside(folder: Path, spec: PrinterSpec | None = None) -> Iterator[Outside]:
    """A broker, a printer and a cloud, without a box yet."""
    with ExitStack() as stack:
        broker = stack.enter_context(Mosquitto(folder / "broker"))
        device = stack.enter_context(VirtualPrinter(spec or PrinterSpec(line_time_s=0.03)))
        port = stack.enter_context(serve_tcp(device))
        here = Outside(folder, broker, device, port.port)
        stack.callback(here.close)
        yield here


def plug_in(box: Box) -> None:
    """The printer's cable."""
    box.start(["python", "-m", "tests.vm.relay"])
    until(box, "test -e /dev/usb/lp0")


def shell(box: Box, script: str, timeout_s: float = PATIENCE_S) -> str:
    """What a shell script in the box says; it must end well."""
    code, said = box.run(["sh", "-ec", script], timeout_s)
    assert code == 0, f"{script}: exit {code}\n{said}"
    return said.strip()


def until(box: Box, test: str, timeout_s: float = PATIENCE_S) -> None:
    """Wait until a shell's test holds in the box."""
    try:
        shell(box, f"until {test}; do sleep 1; done", timeout_s)
    except TimeoutError:
        said = shell(box, "journalctl -b -o short-monotonic --no-hostname | tail -n 40")
        raise AssertionError(f"waited in vain for {test}\n{said}") from None


def _give(path: Path, uid: int, gid: int) -> None:
    os.chown(path, uid, gid)
