"""Which printer is it? Unplugged and back, the other way round, as another device; nobody's tickets come out elsewhere.

Runs inside the guest, on its two USB sockets.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from agent.config import Printer, Printing
from agent.model.link import parse_link
from agent.model.station import Station
from agent.simulator.gadget import serve_gadget
from agent.simulator.printer import PrinterSpec, VirtualPrinter
from tests.brigade import Brigade
from tests.vm.configfs import SOCKETS, Gadget, load_modules
from tests.vm.usb_kitchen import LP0, LP1, PATIENCE, UsbKitchen, usb_kitchen, wait_until

pytestmark = pytest.mark.in_guest
every_cable = pytest.mark.parametrize("cable", ("usblp", "usb"))
BY_PORT = {"usblp": ("usblp:port/1-1", "usblp:port/2-1"), "usb": ("usb:port/1-1", "usb:port/2-1")}
DONE_S = 60.0
Pair = tuple[UsbKitchen, UsbKitchen]


@contextmanager
def pair(
    folder: Path,
    cable: str,
    links: tuple[str, str],
    serials: tuple[str, str] = ("", ""),
    inner: tuple[str, str] = ("", ""),
) -> Iterator[Pair]:
    """Two kitchens with printers of one model. `serials` are on the USB, `inner` is what they say themselves."""
    left = usb_kitchen(folder / "a", cable, PrinterSpec(serial=inner[0] or "1"), links[0], name="a", serial=serials[0])
    with left as a:
        right = usb_kitchen(
            folder / "b",
            cable,
            PrinterSpec(serial=inner[1] or "1"),
            links[1],
            name="b",
            socket=SOCKETS[1],
            serial=serials[1],
        )
        with right as b:
            yield a, b


def print_on(kitchens: Pair, first: int) -> None:
    """An order in each kitchen, told to be done; one after the other."""
    for number, here in enumerate(kitchens, first):
        here.order(number)
        here.wait_told(number, DONE_S)


def numbers(here: UsbKitchen) -> list[str]:
    """The orders on this printer's paper."""
    return [ticket.number for ticket in here.tickets()]


def swap(a: UsbKitchen, b: UsbKitchen) -> None:
    """Each printer's cable into the other's socket."""
    a.unplug()
    b.unplug()
    there = a.gadget.socket
    a.plug(b.gadget.socket)
    b.plug(there)


@every_cable
def test_like_printers_that_come_back_in_another_order_keep_their_tickets(tmp_path: Path, cable: str) -> None:
    """Same model, no serial numbers: known by their ports, whatever the kernel calls them now."""
    with pair(tmp_path, cable, BY_PORT[cable]) as (a, b):
        print_on((a, b), 1)
        a.unplug()
        b.unplug()
        b.plug()
        if cable == "usblp":
            wait_until(LP0.exists, 20, "the first printer's device")
        a.plug()
        if cable == "usblp":
            wait_until(LP1.exists, 20, "the second printer's device")
            assert Path("/sys/class/usbmisc/lp0/device").resolve().parent.name == "2-1", "they did not change names"
        print_on((a, b), 11)
        assert (numbers(a), numbers(b)) == (["1", "11"], ["2", "12"])


@every_cable
@pytest.mark.parametrize("known_by", ("usb", "itself"))
def test_printers_that_changed_places_print_nothing_until_they_are_back(
    tmp_path: Path, cable: str, known_by: str
) -> None:
    """A printer with another serial number, on the USB or in its own words, is a stranger: an alarm, and no paper."""
    names = ("one", "two")
    told = {"serials": names} if known_by == "usb" else {"inner": names}
    with pair(tmp_path, cable, BY_PORT[cable], **told) as (a, b):
        print_on((a, b), 1)
        swap(a, b)
        a.order(11)
        b.order(12)
        a.wait_alarm("printer:wok:other", DONE_S)
        b.wait_alarm("printer:wok:other", DONE_S)
        assert (numbers(a), numbers(b)) == (["1"], ["2"])
        swap(a, b)
        a.wait_told(11, DONE_S)
        b.wait_told(12, DONE_S)
        assert (numbers(a), numbers(b)) == (["1", "11"], ["2", "12"])


def test_like_printers_known_by_the_kernels_names_are_not_mixed_up(tmp_path: Path) -> None:
    """With /dev/usb/lp0 in the configuration a printer without serial number at another port is not taken for it where
    the shop has two of the kind: nothing is printed until they are back, or a person accepts them.
    """
    load_modules(usblp=True)
    names, paths = ("a", "b"), (LP0, LP1)
    with ExitStack() as stack:
        devices, gadgets, printers = {}, {}, []
        for name, path, socket in zip(names, paths, SOCKETS, strict=False):
            gadget = gadgets[name] = Gadget(name=name, socket=socket)
            stack.callback(gadget.remove)
            device = devices[name] = stack.enter_context(VirtualPrinter(PrinterSpec(serial="1"), name))
            stack.enter_context(serve_gadget(device, gadget, f"usblp:{path}"))
            assert device.wait_for(lambda it: it.connected, DONE_S)
            printers.append(Printer(name=name, link=parse_link(f"usblp:{path}")))
        stations = [Station(name=name, printer=name, default=name == "a") for name in names]
        here = Brigade(tmp_path, devices, printers, stations, Printing(failover_after_s=60), PATIENCE)
        stack.callback(here.close)
        for number, name in enumerate(names, 1):
            here.order_at(number, name)
            here.wait_told(number, DONE_S)
        for name in names:
            devices[name].refuse()
            assert devices[name].wait_for(lambda it: not it.connected, DONE_S)
        for name, path in (("b", LP0), ("a", LP1)):
            devices[name].refuse(False)
            wait_until(path.exists, 20, f"{path}")
        here.order_at(11, "a")
        here.order_at(12, "b")
        for name in names:
            here.wait_alarm(f"printer:{name}:other", DONE_S)
        assert [ticket.number for ticket in here.at("a") if ticket.whole] == ["1"]
        assert [ticket.number for ticket in here.at("b") if ticket.whole] == ["2"]


@every_cable
def test_another_product_in_the_socket_gets_nothing(tmp_path: Path, cable: str) -> None:
    """The port is the same and a printer answers well: yet it is not the one that was met there."""
    (link, _) = BY_PORT[cable]
    with usb_kitchen(tmp_path / "a", cable, link=link, name="a") as here:
        here.order(1)
        here.wait_told(1, DONE_S)
        here.unplug()
        label = "MFG:XPRINTER;CMD:ESC/POS;MDL:XP-58;CLS:PRINTER;"
        other = usb_kitchen(
            tmp_path / "b",
            cable,
            link="tcp://127.0.0.1:9",
            name="b",
            vendor=0x0483,
            product=0x5743,
            serial="",
            device_id=label,
        )
        with other as stranger:
            here.order(2)
            here.wait_alarm("printer:wok:other", DONE_S)
            assert stranger.tickets() == []
            assert stranger.device.received == 0 or not stranger.device.paper.current.lines
        here.plug()
        here.wait_told(2, DONE_S)
        assert numbers(here) == ["1", "2"]
