"""Inside the guest: a campaign's printers, each on a USB socket of its own, by the kernel's driver or by libusb."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from agent.simulator.gadget import serve_gadget
from agent.simulator.machine import Machine
from agent.simulator.pump import Port
from tests.campaign.fleet import Serve
from tests.vm.configfs import SOCKETS, Gadget, load_modules


@contextmanager
def sockets(cable: str) -> Iterator[Serve]:
    """Plugs printers in, one a socket, to be found there by `usblp` or `usb`. Every other one tells the USB its serial
    number; the rest are known by their socket. Ports are closed by their owners, before.
    """
    load_modules(usblp=cable == "usblp")
    with ExitStack() as stack:
        made: list[Gadget] = []

        def plug(on: str, printer: Machine) -> Port:
            at = len(made)
            serial = "" if at % 2 else printer.spec.serial
            made.append(Gadget(printer.name, SOCKETS[at], serial=serial))
            stack.callback(made[at].remove)
            return serve_gadget(printer, made[at], f"{on}:port/{at + 1}-1")

        yield plug
