"""What the kernel tells of a device: where it is plugged in, and what it is. Only reads; what is missing is "".

The tree (Documentation/ABI/testing/sysfs-bus-usb): .../usb1/1-1/1-1.2/1-1.2:1.0/usbmisc/lp0 is an interface of the
device at port 1-1.2: bus 1, port 1, and port 2 of the hub there.
"""

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

SYSFS = Path("/sys")
DEV = Path("/dev")
_USB_DEVICE = re.compile(r"\d+-\d+(\.\d+)*")
_USB_INTERFACE = re.compile(r"\d+-\d+(\.\d+)*:\d+\.(\d+)")
_SHOWN = 80


def node_of(sysfs: Path, device: Path | int) -> Path | None:
    """The folder of a device, by its path or its open descriptor; None where there is none, as for a pty."""
    try:
        number = os.stat(device).st_rdev  # noqa: PTH116  # a Path has no descriptor
    except OSError:
        return None
    folder = sysfs / "dev" / "char" / f"{os.major(number)}:{os.minor(number)}"
    return folder.resolve() if folder.exists() else None


def nodes(sysfs: Path, kind: str, names: str) -> Iterator[Path]:
    """The folders of all devices of a class whose name fits the pattern `names`."""
    for folder in sorted((sysfs / "class" / kind).glob(names)):
        yield folder.resolve()


def usb_device(node: Path) -> Path | None:
    """The folder of the USB device that this is a part of, or None where it is no USB device's."""
    return next((folder for folder in (node, *node.parents) if _USB_DEVICE.fullmatch(folder.name)), None)


def usb_port(node: Path) -> str:
    """The port that it is plugged into, such as 1-1.2; "" for what is no USB device."""
    device = usb_device(node)
    return device.name if device is not None else ""


def tty_port(node: Path) -> str:
    """The place of a serial line: the USB port of its adapter, with a number where that has several lines; else the
    name of the chip that drives it.
    """
    chip = (node / "device").resolve()
    port = usb_port(chip)
    if not port:
        return f"{chip.name}/{node.name}" if chip.exists() else ""
    interface = next((found for part in chip.parts[::-1] if (found := _USB_INTERFACE.fullmatch(part))), None)
    line = (interface[2] if interface else "0", attribute(chip / "port_number") or "0")
    return port if line == ("0", "0") else f"{port}:{'.'.join(line)}"


def is_usb_port(port: str) -> bool:
    """Is this a place on the USB, as `usb_port` and `tty_port` write it?"""
    return _USB_DEVICE.fullmatch(port.partition(":")[0]) is not None


def describe_usb(device: Path | None, printer_id: str = "") -> str:
    """What a USB device is: its numbers, its serial number, maker, model and language.

    `printer_id` is the IEEE 1284 device ID, which printers have besides: `MFG:EPSON;MDL:TM-T20II;CMD:ESC/POS;`.
    """
    if device is None:
        return ""
    said = _said(printer_id)
    numbers = ":".join(filter(None, (attribute(device / "idVendor"), attribute(device / "idProduct"))))
    language = said.get("CMD") or said.get("COMMAND SET") or ""
    return join_words((numbers, attribute(device / "serial"), *_maker_and_model(device, said), language))


def name_usb(device: Path | None, printer_id: str = "") -> str:
    """What a USB device calls itself: its maker and model, from the same places."""
    return "" if device is None else join_words(_maker_and_model(device, _said(printer_id)))


def join_words(words: Iterable[str]) -> str:
    """The words that are not empty, each on one line and not too long."""
    return " ".join(" ".join(word.split())[:_SHOWN] for word in words if word.strip())


def _said(printer_id: str) -> dict[str, str]:
    words = (part.partition(":") for part in printer_id.split(";"))
    return {name.strip().upper(): value.strip() for name, _, value in words}


def _maker_and_model(device: Path, said: dict[str, str]) -> tuple[str, str]:
    maker = said.get("MFG") or said.get("MANUFACTURER") or attribute(device / "manufacturer")
    return maker, said.get("MDL") or said.get("MODEL") or attribute(device / "product")


def attribute(path: Path) -> str:
    """The text of one of sysfs' files, "" where there is none."""
    try:
        return path.read_text("utf-8", "replace").strip().strip("\0")
    except OSError:
        return ""
