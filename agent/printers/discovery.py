"""Finds printers: on the USB, at serial adapters, and where it is wanted on the network. Prints nothing, and touches
nothing that is in use: what is plugged in is read from the kernel's files, and no device is opened.
"""

import os
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import msgspec

from agent.errors import Unavailable
from agent.model.link import TCP_PORT, Link, SerialLink, TcpLink, UsbLink, UsblpLink, parse_link
from agent.model.profile import suggest, suggest_width
from agent.printers import lan, libusb, sysfs
from agent.printers.lan import Own, Progress
from agent.printers.tcp import NEIGHBOURS, hardware_address

_IPP_OVER_USB = "04"
_VENDOR_CLASS_PRINTERS = {"04b8": ("0202", "tm-", "ub-", "receipt"), "0519": ("",)}
"""Epson makes scanners, too; Star does not."""

_MAKERS = {
    "00:00:48": "EPSON",
    "00:26:ab": "EPSON",
    "44:d2:44": "EPSON",
    "64:eb:8c": "EPSON",
    "00:11:62": "Star",
}
"""How the hardware addresses of those begin that have their own."""

_NO_RULE = (
    "没有权限：请加 sudo；服务的权限由 60-shop-agent-printers.rules 给：sudo udevadm trigger "
    "this user may not open it: use sudo; the service has it by 60-shop-agent-printers.rules: sudo udevadm trigger"
)
_NO_DIALOUT = (
    "没有权限：请把用户加入 dialout 组 this user may not open it: add the user to the device's group (dialout)"
)
_NO_NODE = "驱动没有设备文件 the kernel has it, but there is no device file: sudo udevadm trigger"
_ANY_SERIAL = (
    "也可能是秤或扫码枪；波特率要和打印机自检页上的一致 "
    "perhaps a scale or a scanner; the baud rate must be that of the printer's self-test page"
)
_MUTE = (
    "没有应答：可能不是小票机，或正被别的程序占用 it did not answer: another kind of device, or another program has it"
)


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A printer, or what may be one. `link` is what the configuration writes; `place` the USB port or the hardware
    address; `name` what it calls itself, a hint only. `width` is 0 where nothing tells it. `in_use`: the name of the
    configured printer that it is. `note`: what stands in the way and what to do, in Chinese and English.
    """

    link: str
    kind: Literal["usblp", "usb", "serial", "lan"]
    name: str = ""
    place: str = ""
    width: int = 0
    profile: str = "generic"
    in_use: str = ""
    note: str = ""


def _may_open(path: Path) -> bool:
    return os.access(path, os.R_OK | os.W_OK)


class Roots(msgspec.Struct, frozen=True):
    """Where a machine's devices are, for tests: another's. `networks` None: those that this machine is in."""

    sys: Path = sysfs.SYSFS
    dev: Path = sysfs.DEV
    networks: tuple[Own, ...] | None = None
    port: int = TCP_PORT
    neighbours: Path = NEIGHBOURS
    may_open: Callable[[Path], bool] = _may_open
    load_libusb: Callable[[], Any] = libusb.load_backend


def discover(
    known: Mapping[str, Link],
    *,
    on_network: bool = False,
    progress: Progress = lan.quiet,
    tell: Callable[[str], None] = lambda _: None,
    stopping: Callable[[], bool] = lambda: False,
    roots: Roots = Roots(),  # noqa: B008  frozen
) -> list[Found]:
    """What is there, local devices first. `known` are the configured printers' links by name: they are not touched.

    `tell` gets, in words, which part of the network was not searched. At once without the network, else some seconds.
    """
    owners = {key: name for name, link in known.items() for key in keys_of(link, roots)}
    found = [*_usblp(roots), *_usb(roots), *_serial(roots)]
    found = [_marked(each, owners, roots) for each in found]
    return found + (_on_network(owners, progress, tell, stopping, roots) if on_network else [])


def owner_of(link: Link, known: Mapping[str, Link], roots: Roots = Roots()) -> str:  # noqa: B008  frozen
    """The name of the configured printer that this link leads to, however either is spelled; "" for none."""
    keys = keys_of(link, roots)
    return next((name for name, other in known.items() if keys & keys_of(other, roots)), "")


def keys_of(link: Link, roots: Roots) -> frozenset[str]:
    """What is the same for all ways to write the way to one device. Looks a host name up; opens nothing."""
    match link:
        case TcpLink(host, port):
            with suppress(OSError, UnicodeError):
                told = socket.getaddrinfo(host, port, socket.AF_INET, socket.SOCK_STREAM)
                return frozenset(f"tcp:{address[0]}:{port}" for *_, address in told)
        case SerialLink(path):
            return frozenset({f"tty:{os.path.realpath(path)}"})
        case UsblpLink(place):
            return frozenset({_usblp_key(place, roots)})
        case UsbLink(port=port) if port:
            return frozenset({f"usb:{port}"})
        case UsbLink(model, serial):
            return frozenset(f"usb:{folder.name}" for folder in _usb_devices(roots) if _is_model(folder, model, serial))
    return frozenset({str(link)})


def _usblp_key(place: str, roots: Roots) -> str:
    if place.startswith("port/"):
        return f"usb:{place.removeprefix('port/')}"
    path = roots.dev / "usb" / place if place.startswith("by-path/") else Path(place)
    node = sysfs.node_of(roots.sys, path)
    port = sysfs.usb_port(node) if node is not None else ""
    return f"usb:{port}" if port else f"lp:{os.path.realpath(path)}"


def _usb_devices(roots: Roots) -> Iterator[Path]:
    for folder in sorted((roots.sys / "bus" / "usb" / "devices").glob("*-*")):
        if ":" not in folder.name:
            yield folder


def _is_model(folder: Path, model: str, serial: str) -> bool:
    numbers = f"{sysfs.attribute(folder / 'idVendor')}:{sysfs.attribute(folder / 'idProduct')}"
    return numbers == model and serial in ("", sysfs.attribute(folder / "serial"))


def _marked(found: Found, owners: Mapping[str, str], roots: Roots) -> Found:
    keys = keys_of(parse_link(found.link), roots)
    owner = next((owners[key] for key in keys if key in owners), "")
    note = "" if owner else found.note
    return msgspec.structs.replace(found, in_use=owner, note=note)


def _suggested(found: Found, vendor: str = "") -> Found:
    profile = suggest("", found.name, int(vendor, 16) if vendor else None)
    return msgspec.structs.replace(found, profile=profile, width=suggest_width(found.name))


# -- what is plugged in ------------------------------------------------------------------------------------------------


def _usblp(roots: Roots) -> Iterator[Found]:
    for node in sysfs.nodes(roots.sys, "usbmisc", "lp*"):
        device, port = sysfs.usb_device(node), sysfs.usb_port(node)
        if device is None:
            continue  # it is just being unplugged
        path = roots.dev / "usb" / node.name
        note = "" if roots.may_open(path) else _NO_RULE if path.exists() else _NO_NODE
        found = Found(
            link=f"usblp:port/{port}" if port else f"usblp:{path}",
            kind="usblp",
            name=sysfs.name_usb(device, sysfs.attribute(node / "device" / "ieee1284_id")),
            place=port,
            note=note,
        )
        yield _suggested(found, sysfs.attribute(device / "idVendor"))


def _usb(roots: Roots) -> Iterator[Found]:
    """Printers that no driver has: those of the printer class, and the vendor class's that are known to be some."""
    for device in _usb_devices(roots):
        folder = device.resolve()
        interfaces = [each for each in sorted(folder.glob(f"{folder.name}:*")) if each.is_dir()]
        if any((each / "usbmisc").is_dir() for each in interfaces) or not any(map(_prints, interfaces)):
            continue
        bus, number = (sysfs.attribute(folder / name).zfill(3) for name in ("busnum", "devnum"))
        note = "" if roots.may_open(roots.dev / "bus" / "usb" / bus / number) else _NO_RULE
        if not note:
            try:
                roots.load_libusb()
            except Unavailable as exc:
                note = str(exc)
        name = sysfs.name_usb(folder)
        found = Found(link=f"usb:port/{folder.name}", kind="usb", name=name, place=folder.name, note=note)
        yield _suggested(found, sysfs.attribute(folder / "idVendor"))


def _prints(interface: Path) -> bool:
    kind, protocol = (sysfs.attribute(interface / name) for name in ("bInterfaceClass", "bInterfaceProtocol"))
    if kind == "07":
        return protocol != _IPP_OVER_USB
    device = interface.parent
    words = _VENDOR_CLASS_PRINTERS.get(sysfs.attribute(device / "idVendor"), ())
    said = f"{sysfs.attribute(device / 'idProduct')} {sysfs.attribute(device / 'product')}".casefold()
    return kind == "ff" and not (interface / "driver").exists() and any(word in said for word in words)


def _serial(roots: Roots) -> Iterator[Found]:
    """USB adapters and printers that are one. A name that tells twins apart is by their port."""
    lines = sorted(path for pattern in ("ttyUSB*", "ttyACM*") for path in roots.dev.glob(pattern))
    by_id, by_path = (_names(roots.dev / "serial" / how) for how in ("by-id", "by-path"))
    nodes = {path: sysfs.node_of(roots.sys, path) for path in lines}
    devices = {path: sysfs.usb_device(node) if node is not None else None for path, node in nodes.items()}
    looks = [sysfs.describe_usb(device) for device in devices.values()]
    for path in lines:
        real, node, device = os.path.realpath(path), nodes[path], devices[path]
        alone = looks.count(sysfs.describe_usb(device)) == 1
        named = (by_id.get(real) if alone else None) or by_path.get(real) or path
        note = _ANY_SERIAL if roots.may_open(path) else _NO_DIALOUT
        yield Found(
            link=f"serial://{named}",
            kind="serial",
            name=sysfs.name_usb(device),
            place=sysfs.tty_port(node) if node is not None else "",
            note=note,
        )


def _names(folder: Path) -> dict[str, Path]:
    """The links of a folder, by what they lead to."""
    return {os.path.realpath(link): link for link in sorted(folder.glob("*"))}


# -- the network -------------------------------------------------------------------------------------------------------


def _on_network(
    owners: Mapping[str, str],
    progress: Progress,
    tell: Callable[[str], None],
    stopping: Callable[[], bool],
    roots: Roots,
) -> list[Found]:
    networks: Sequence[Own] = lan.own_networks() if roots.networks is None else roots.networks
    if not networks:
        tell("没有局域网：请检查网线或 Wi-Fi this machine is in no private network: check its cable or Wi-Fi")
    hosts, left_out = lan.addresses(networks)
    for words in left_out:
        tell(words)
    taken = {host: owners[key] for host in hosts if (key := f"tcp:{host}:{roots.port}") in owners}
    heard = lan.sweep([host for host in hosts if host not in taken], progress, stopping, roots.port)
    own = [Found(link=str(TcpLink(host, roots.port)), kind="lan", in_use=name) for host, name in taken.items()]
    return own + [_listening(each, roots) for each in heard]


def _listening(heard: lan.Heard, roots: Roots) -> Found:
    place = hardware_address(heard.host, roots.neighbours)
    return _suggested(
        Found(
            link=str(TcpLink(heard.host, roots.port)),
            kind="lan",
            name=_MAKERS.get(place[:8], ""),
            place=place,
            note="" if heard.answers else _MUTE,
        )
    )
