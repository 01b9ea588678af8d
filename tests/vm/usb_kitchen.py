"""Inside the guest: kitchens whose printers hang on a real USB."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from agent.simulator.gadget import serve_gadget
from agent.simulator.printer import PrinterSpec, VirtualPrinter
from tests.kitchen import IMPATIENT, Kitchen
from tests.vm.configfs import Gadget, load_modules

PATIENCE = replace(IMPATIENT, fence_s=3.0, probe_s=1.5, late_answer_s=0.5, silence_said_s=4.0, answer_s=8.0)
"""An emulated machine is slow."""

LINKS = {"usblp": "usblp:/dev/usb/lp0", "usb": "usb://04b8:0202"}
LP0, LP1 = Path("/dev/usb/lp0"), Path("/dev/usb/lp1")
PLUGGED_S = 20.0


class UsbKitchen(Kitchen):
    """A kitchen with its printer's gadget; `device.refuse()` pulls its cable, `device.refuse(False)` plugs it in."""

    pace_s = 0.2

    def __init__(self, folder: Path, gadget: Gadget, device: VirtualPrinter, link: str) -> None:
        self.gadget = gadget
        super().__init__(folder, device, link, "auto", PATIENCE)

    def unplug(self) -> None:
        """Pull the cable, and wait until the printer felt it."""
        self.device.refuse()
        assert self.device.wait_for(lambda it: not it.connected, PLUGGED_S)

    def plug(self, socket: str = "") -> None:
        """Put the cable in, perhaps into another socket, and wait until the host has set the printer up."""
        self.gadget.socket = socket or self.gadget.socket
        self.device.refuse(False)
        assert self.device.wait_for(lambda it: it.connected, PLUGGED_S)


@contextmanager
def usb_kitchen(
    folder: Path, cable: str = "usblp", spec: PrinterSpec | None = None, link: str = "", **gadget: Any
) -> Iterator[UsbKitchen]:
    """A kitchen with its printer on the kernel's driver (`usblp`) or on libusb (`usb`); see Gadget for the rest."""
    load_modules(usblp=cable == "usblp")
    folder.mkdir(exist_ok=True)
    with ExitStack() as stack:
        made = Gadget(**gadget)
        stack.callback(made.remove)
        device = stack.enter_context(VirtualPrinter(spec or PrinterSpec()))
        port = stack.enter_context(serve_gadget(device, made, link or LINKS[cable]))
        assert device.wait_for(lambda it: it.connected, PLUGGED_S), "the host never set the printer up"
        here = UsbKitchen(folder, made, device, port.link)
        stack.callback(here.close)
        yield here


def wait_until(done: Callable[[], bool], timeout_s: float, what: str) -> None:
    """Wait for something that nobody tells of, such as the kernel's files."""
    deadline = time.monotonic() + timeout_s
    while not done():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.02)
