"""What is found of printers: by the kernel's files and on the network, without a byte to what is in use."""

import os
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import Unavailable
from agent.model.link import Link, parse_link
from agent.model.profile import suggest_width
from agent.printers import lan
from agent.printers.discovery import Found, Roots, discover, owner_of
from agent.printers.lan import Own
from agent.simulator.ports import serve_tcp
from agent.simulator.printer import PrinterSpec, VirtualPrinter
from tests.plugged import Machine

EPSON_ID = "MFG:EPSON;CMD:ESC/POS;MDL:TM-T20II;CLS:PRINTER;"
WAIT_S = 10.0


class Shop(Machine):
    """A machine with its devices; `ptys` stand in for them, and tell whether somebody opened one."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._open: list[int] = []

    def pty(self) -> str:
        """A device of its own."""
        ours, theirs = os.openpty()
        self._open += [ours, theirs]
        return os.ttyname(theirs)

    def close(self) -> None:
        """Give the ptys back."""
        for descriptor in self._open:
            os.close(descriptor)

    def interface(self, port: str, kind: str, protocol: str = "02", driver: str = "", number: int = 0) -> None:
        """What the kernel tells of an interface of the device at this port."""
        folder = self.sys / "bus" / "usb" / "devices" / port / f"{port}:1.{number}"
        folder.mkdir(exist_ok=True)
        (folder / "bInterfaceClass").write_text(f"{kind}\n")
        (folder / "bInterfaceProtocol").write_text(f"{protocol}\n")
        if driver:
            (folder / "driver").mkdir()

    def named(self, how: str, name: str, device: str) -> None:
        """A link in /dev/serial, as udev makes it."""
        link = self.dev / "serial" / how / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(self.dev / device)

    def find(self, known: dict[str, str] | None = None, **roots: Any) -> list[Found]:
        """What is found of it, with these configured printers."""
        links = {name: parse_link(link) for name, link in (known or {}).items()}
        return discover(links, roots=Roots(sys=self.sys, dev=self.dev, **{"load_libusb": lambda: None, **roots}))


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    """Nothing is plugged in yet."""
    here = Shop(tmp_path)
    yield here
    here.close()


# -- the USB -----------------------------------------------------------------------------------------------------------


def test_a_printer_of_usblp_is_named_by_its_port_and_says_what_it_is(shop: Shop) -> None:
    """lp0 is whoever was switched on first; the port stays."""
    shop.usb("1-1.2", "04b8:0e15", "X1", "EPSON", "TM-T20II")
    shop.printer("1-1.2", "lp0", shop.pty(), EPSON_ID)
    (found,) = shop.find()
    assert found == Found(link="usblp:port/1-1.2", kind="usblp", name="EPSON TM-T20II", place="1-1.2", profile="epson")


@pytest.mark.parametrize(
    ("product", "width", "profile"),
    [("POS-58", 32, "generic"), ("XP-80C", 48, "xprinter"), ("GP-80160", 48, "gprinter"), ("TM-T88", 0, "epson")],
)
def test_a_name_suggests_paper_and_family(shop: Shop, product: str, width: int, profile: str) -> None:
    """Nothing where it tells nothing."""
    shop.usb("1-1", "0416:5011", product=product)
    shop.printer("1-1", "lp0", shop.pty())
    (found,) = shop.find()
    assert (found.width, found.profile, found.name) == (width, profile, product)


def test_the_vendor_suggests_a_family_where_the_name_is_silent(shop: Shop) -> None:
    """Epson's own number."""
    shop.usb("1-1", "04b8:0e15")
    shop.printer("1-1", "lp0", shop.pty())
    assert [each.profile for each in shop.find()] == ["epson"]


@given(st.text(max_size=40))
def test_any_name_suggests_a_width_or_none(name: str) -> None:
    """Devices call themselves anything."""
    assert suggest_width(name) in (0, 32, 48)


SPELLINGS = [
    "usblp:port/1-1.2",
    "usblp:{dev}/usb/lp0",
    "usblp:by-path/here",
    "usb:port/1-1.2?detach=yes",
    "usb://04b8:0e15?detach=yes",
    "usb://04b8:0e15/X1?detach=yes",
]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_configured_printer_is_marked_however_it_is_written(shop: Shop, spelling: str) -> None:
    """And nobody is told to mend what works."""
    shop.usb("1-1.2", "04b8:0e15", "X1", "EPSON", "TM-T20II")
    shop.usb("1-1.3", "04b8:0e15", "X2", "EPSON", "TM-T20II")
    shop.printer("1-1.2", "lp0", shop.pty())
    shop.printer("1-1.3", "lp1", shop.pty())
    (shop.dev / "usb" / "by-path").mkdir()
    (shop.dev / "usb" / "by-path" / "here").symlink_to(shop.dev / "usb" / "lp0")
    known = {"wok": spelling.replace("{dev}", str(shop.dev))}
    marks = {each.place: (each.in_use, each.note) for each in shop.find(known, may_open=lambda _: False)}
    assert marks["1-1.2"] == ("wok", "")
    both_fit = spelling == "usb://04b8:0e15?detach=yes"
    assert marks["1-1.3"][0] == ("wok" if both_fit else "")


def test_who_may_not_open_it_is_told_what_to_install(shop: Shop) -> None:
    """And where udev made no device file, that."""
    shop.usb("1-1.2", "0416:5011")
    device = shop.printer("1-1.2", "lp0", shop.pty())
    (found,) = shop.find(may_open=lambda _: False)
    assert "没有权限" in found.note
    assert "60-shop-agent-printers.rules" in found.note
    device.unlink()
    (found,) = shop.find(may_open=lambda _: False)
    assert "udevadm trigger" in found.note


def test_what_usblp_does_not_hold_is_found_for_libusb(shop: Shop) -> None:
    """The printer class without a driver, and the Epsons of the vendor's class; nothing else of that class."""
    shop.usb("1-1", "0416:5011", product="POS-80")
    shop.interface("1-1", "07")
    shop.usb("1-2", "04b8:0202", maker="EPSON", product="TM-T88IV")
    shop.interface("1-2", "ff", "ff")
    shop.usb("1-3", "04b8:013a", maker="EPSON", product="Perfection V33")
    shop.interface("1-3", "ff", "ff")
    shop.usb("1-4", "0bda:8179", product="802.11n WLAN")
    shop.interface("1-4", "ff", "ff", driver="rtl8xxxu")
    shop.usb("1-5", "04b8:0e15", product="TM-T20")
    shop.interface("1-5", "07")
    shop.printer("1-5", "lp0", shop.pty())
    shop.usb("1-6", "03f0:1111", product="Office printer")
    shop.interface("1-6", "07", "04")
    found = shop.find()
    assert [(each.link, each.width, each.profile) for each in found] == [
        ("usblp:port/1-5", 0, "epson"),
        ("usb:port/1-1", 48, "generic"),
        ("usb:port/1-2", 0, "epson"),
    ]


def test_without_libusb_or_permission_its_note_says_so(shop: Shop) -> None:
    """The rule first: without it the library is no use."""
    shop.usb("1-1", "0416:5011")
    shop.interface("1-1", "07")

    def missing() -> None:
        raise Unavailable("libusb is not installed: apt install libusb-1.0-0")

    (found,) = shop.find(may_open=lambda _: True, load_libusb=missing)
    assert found.note == "libusb is not installed: apt install libusb-1.0-0"
    (found,) = shop.find(may_open=lambda _: False, load_libusb=missing)
    assert "60-shop-agent-printers.rules" in found.note


def test_no_libusb_is_loaded_where_nothing_needs_it(shop: Shop) -> None:
    """It costs memory for ever."""
    shop.usb("1-1", "0416:5011")
    shop.printer("1-1", "lp0", shop.pty())
    loaded: list[int] = []
    shop.find(load_libusb=lambda: loaded.append(1))
    assert not loaded


# -- serial lines ------------------------------------------------------------------------------------------------------


def test_a_serial_adapter_is_named_by_what_it_is(shop: Shop) -> None:
    """By-id, where that tells it apart; it is said that it may be something else."""
    shop.usb("1-1.1", "0403:6001", "A9", "FTDI", "FT232R USB UART")
    shop.tty("1-1.1", "ttyUSB0", shop.pty())
    shop.named("by-id", "usb-FTDI_A9-if00-port0", "ttyUSB0")
    (found,) = shop.find()
    assert found.link == f"serial://{shop.dev}/serial/by-id/usb-FTDI_A9-if00-port0"
    assert (found.kind, found.name, found.place, found.in_use) == ("serial", "FTDI FT232R USB UART", "1-1.1", "")
    assert "自检页" in found.note
    assert parse_link(found.link)


@pytest.mark.parametrize("linked", [True, False])
def test_twins_are_named_by_their_ports(shop: Shop, linked: bool) -> None:
    """Two CH340 have one by-id name between them, and it is whose turn it was."""
    for place, name in (("1-1.1", "ttyUSB0"), ("1-1.2", "ttyUSB1")):
        shop.usb(place, "1a86:7523", product="USB Serial")
        shop.tty(place, name, shop.pty())
        if linked:
            shop.named("by-path", f"usb-{place}", name)
    shop.named("by-id", "usb-1a86_USB_Serial-if00-port0", "ttyUSB1")
    folder = "serial/by-path/usb-1-1.1" if linked else "ttyUSB0"
    assert next(each.link for each in shop.find()) == f"serial://{shop.dev}/{folder}"
    assert not any("by-id" in each.link for each in shop.find())


def test_a_configured_serial_printer_is_marked_by_any_of_its_names(shop: Shop) -> None:
    """Its own device, its by-id name."""
    shop.usb("1-1.1", "0403:6001", "A9", "FTDI")
    shop.tty("1-1.1", "ttyUSB0", shop.pty())
    shop.named("by-id", "usb-FTDI", "ttyUSB0")
    for place in ("ttyUSB0", "serial/by-id/usb-FTDI"):
        (found,) = shop.find({"bar": f"serial://{shop.dev}/{place}?baud=19200&flow=rtscts"})
        assert (found.in_use, found.note) == ("bar", "")
    (found,) = shop.find(may_open=lambda _: False)
    assert "dialout" in found.note


def test_nothing_is_opened(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel's files are read, and nothing else."""
    shop.usb("1-1.1", "0403:6001")
    shop.tty("1-1.1", "ttyUSB0", shop.pty())
    shop.usb("1-1.2", "0416:5011")
    shop.printer("1-1.2", "lp0", shop.pty())
    opened: list[str] = []
    real_open = os.open

    def watched(path: Any, *more: Any, **how: Any) -> int:
        opened.append(os.path.realpath(path))
        return real_open(path, *more, **how)

    monkeypatch.setattr(os, "open", watched)
    assert len(shop.find()) == 2
    assert not [path for path in opened if path.startswith("/dev/pts")]


def test_a_machine_without_any_of_it_has_nothing(tmp_path: Path) -> None:
    """A container, say."""
    assert discover({}, roots=Roots(sys=tmp_path, dev=tmp_path)) == []


# -- the network -------------------------------------------------------------------------------------------------------


@contextmanager
def neighbourhood(*hosts: str, spec: PrinterSpec | None = None) -> Iterator[tuple[int, dict[str, VirtualPrinter]]]:
    """Printers at these addresses, all at one free port."""
    with ExitStack() as stack:
        devices: dict[str, VirtualPrinter] = {}
        port = 0
        for host in hosts:
            devices[host] = stack.enter_context(VirtualPrinter(spec or PrinterSpec()))
            port = stack.enter_context(serve_tcp(devices[host], host, port)).port
        yield port, devices


def look(port: int, network: str, known: dict[str, Link] | None = None, **more: Any) -> list[Found]:
    """What is found in this network alone."""
    nowhere = Path("/nonexistent")
    roots = Roots(sys=nowhere, dev=nowhere, networks=(Own(network),), port=port)
    return discover(known or {}, on_network=True, roots=roots, **more)


def test_printers_of_the_network_are_found_and_nothing_is_printed() -> None:
    """Those that answer and those that do not; how far it is is told; not a byte is on paper."""
    steps: list[tuple[int, int]] = []
    with neighbourhood("127.0.5.3", "127.0.5.200") as (port, devices):
        with serve_tcp(mute := VirtualPrinter(PrinterSpec(tier=3, realtime=False)), "127.0.5.9", port):
            found = look(port, "127.0.5.0/24", progress=lambda done, total: steps.append((done, total)))
        mute.close()
        assert [each.link for each in found] == [f"tcp://127.0.5.{n}:{port}" for n in (3, 9, 200)]
        assert [("没有应答" in each.note) for each in found] == [False, True, False]
        assert {each.in_use for each in found} == {""}
        for device in (*devices.values(), mute):
            assert not device.paper.pieces
            assert device.paper.current.is_blank
            assert not device.paper.unprinted
            assert not device.paper.stray
            assert device.received <= len(lan.STATUS_REQUEST)
    assert steps[-1] == (254, 254)
    assert [done for done, _ in steps] == list(range(1, 255))


def test_a_configured_printer_is_marked_and_never_spoken_to() -> None:
    """It may print right now; its one connection is the agent's. Also where it is written by name."""
    known: dict[str, Link] = {"wok": parse_link("tcp://127.0.5.3:1"), "bar": parse_link("tcp://localhost:1")}
    with neighbourhood("127.0.5.3", "127.0.0.1") as (port, devices):
        known = {name: parse_link(str(link).replace(":1", f":{port}")) for name, link in known.items()}
        assert [(each.link, each.in_use) for each in look(port, "127.0.5.0/29", known)] == [
            (f"tcp://127.0.5.3:{port}", "wok")
        ]
        assert [each.in_use for each in look(port, "127.0.0.1/32", known)] == ["bar"]
        assert [device.received for device in devices.values()] == [0, 0]


def test_a_printer_that_another_program_has_is_found_and_goes_on() -> None:
    """A second connection waits at its port 9100; what the first one prints is not touched."""
    with neighbourhood("127.0.5.3") as (port, devices), socket.create_connection(("127.0.5.3", port)) as till:
        device = devices["127.0.5.3"]
        till.sendall(b"\x1b@half a tick")
        assert device.wait_for(lambda it: it.received == 13, WAIT_S)
        (found,) = look(port, "127.0.5.0/29")
        assert "没有应答" in found.note
        till.sendall(b"et\n\x1dVB\0")
        assert device.wait_for(lambda it: len(it.paper.pieces) == 1, WAIT_S)
        assert device.paper.pieces[0].text == "half a ticket"


def test_what_listens_and_hangs_up_or_talks_nonsense_is_only_perhaps_a_printer() -> None:
    """Something else may be at that port."""

    def chatter(listener: socket.socket) -> None:
        for said in (b"220 hello\r\n", b""):
            line, _ = listener.accept()
            with line:
                line.sendall(said)
                time.sleep(0.05)

    with socket.create_server(("127.0.5.3", 0)) as listener:
        thread = threading.Thread(target=chatter, args=(listener,))
        thread.start()
        port = listener.getsockname()[1]
        for _ in range(2):
            (found,) = look(port, "127.0.5.0/29")
            assert "没有应答" in found.note
        thread.join()


def test_a_search_can_be_ended() -> None:
    """The agent stops meanwhile."""
    with neighbourhood("127.0.5.1") as (port, _):
        done: list[int] = []
        look(port, "127.0.5.0/24", progress=lambda n, _: done.append(n), stopping=lambda: len(done) > 20)
        assert len(done) < 254


def test_a_maker_is_known_by_its_hardware_address(tmp_path: Path) -> None:
    """No question is needed for that."""
    arp = tmp_path / "arp"
    arp.write_text("IP HW flags\n127.0.5.3 0x1 0x2 00:11:62:01:02:03 * eth0\n")
    with neighbourhood("127.0.5.3") as (port, _):
        roots = Roots(sys=tmp_path, dev=tmp_path, networks=(Own("127.0.5.0/29"),), port=port, neighbours=arp)
        (found,) = discover({}, on_network=True, roots=roots)
    assert (found.name, found.profile, found.place) == ("Star", "star", "00:11:62:01:02:03")


ROUTES = """Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
eth0	00000000	0100A8C0	0003	0	0	100	00000000	0	0	0
eth0	0000A8C0	00000000	0001	0	0	100	00FFFFFF	0	0	0
eth0	007BA8C0	00000000	0001	0	0	100	00FFFFFF	0	0	0
wlan0	0000000A	00000000	0001	0	0	600	0000FFFF	0	0	0
docker0	000011AC	00000000	0001	0	0	0	0000FFFF	0	0	0
tun0	0000080A	00000000	0001	0	0	0	00FFFFFF	0	0	0
eth1	00007108	00000000	0001	0	0	0	00FFFFFF	0	0	0
"""


def test_only_the_shop_s_own_private_networks_are_searched(tmp_path: Path) -> None:
    """Not what lies behind a router, containers, tunnels or public addresses."""
    table = tmp_path / "route"
    table.write_text(ROUTES)
    assert [each.network for each in lan.own_networks(table)] == ["192.168.0.0/24", "192.168.123.0/24", "10.0.0.0/16"]
    assert lan.own_networks(tmp_path / "nothing") == []
    shutil.copy("/proc/self/net/route", table)
    assert lan.own_networks(table) == lan.own_networks()


def test_a_large_network_is_searched_around_the_box_only() -> None:
    """At most 1,022 addresses of one and 1,024 of all; what was left out is said, and the box does not ask itself."""
    hosts, said = lan.addresses([Own("10.0.0.0/8", "10.4.9.7"), Own("192.168.1.0/24", "192.168.1.10")])
    assert (hosts[0], hosts[1020], len(hosts)) == ("10.4.8.1", "10.4.11.254", 1024)
    assert "10.4.9.7" not in hosts
    assert hosts[1021:] == ["192.168.1.1", "192.168.1.2", "192.168.1.3"]
    assert len(said) == 2
    assert "10.4.8.0/22" in said[0]
    assert "192.168.1.0/24" in said[1]
    assert lan.addresses([Own("192.168.1.8/30", "192.168.1.9")]) == (["192.168.1.10"], [])
    twice = [Own("192.168.1.0/24", "192.168.1.2"), Own("192.168.1.0/24", "192.168.1.3")]
    assert len(lan.addresses(twice)[0]) == 252


def test_without_a_network_it_is_said(tmp_path: Path) -> None:
    """The cable is out, perhaps."""
    said: list[str] = []
    roots = Roots(sys=tmp_path, dev=tmp_path, networks=())
    assert discover({}, on_network=True, tell=said.append, roots=roots) == []
    assert "网线" in said[0]


def test_an_owner_is_found_for_any_link(shop: Shop) -> None:
    """So that nobody opens what the agent holds."""
    roots = Roots(sys=shop.sys, dev=shop.dev)
    known = {"wok": parse_link("tcp://127.0.0.1:9100"), "sim": parse_link("virtual://sim")}
    assert owner_of(parse_link("tcp://localhost"), known, roots) == "wok"
    assert owner_of(parse_link("tcp://localhost:9101"), known, roots) == ""
    assert owner_of(parse_link("virtual://sim"), known, roots) == "sim"
    assert owner_of(parse_link("tcp://no-such-host.invalid"), known, roots) == ""
