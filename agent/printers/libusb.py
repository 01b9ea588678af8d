"""What is asked of pyusb: to load libusb, find printers, choose an interface. Loaded when the first link is opened, so
that a shop without such a printer pays nothing for it.

`device`, `configuration`, `interface` and `endpoint` are pyusb's, which has no types.
"""

import errno
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from agent.errors import Unavailable

LIBRARY = "libusb-1.0.so.0"
PRINTER_CLASS, VENDOR_CLASS = 0x07, 0xFF
_BIDIRECTIONAL, _IPP_OVER_USB = 2, 4
_CLASS_REQUEST_IN = 0xA1
_DEVICE_ID_MS = 2000
_PORT_STATUS_MS = 500
_BULK, _DIRECTION_IN = 2, 0x80


def load_backend() -> Any:
    """libusb through pyusb.

    Raises:
        Unavailable: one of them is not installed; the message says which and how.
    """
    try:
        from usb.backend import libusb1  # type: ignore[import-untyped]  # pyusb has no types
    except ImportError as exc:
        raise Unavailable("pyusb is not installed: apt install python3-usb, or pip install pyusb") from exc
    library = _library()
    backend = libusb1.get_backend(find_library=lambda _name: library)
    if backend is None:
        raise Unavailable(f"{library} can't be used here: is /dev/bus/usb there, and may this user see it?")
    return backend


def _library() -> str:
    import ctypes

    for name in (LIBRARY, *map(str, Path(sys.prefix).glob(f"debian/usr/lib/*/{LIBRARY}"))):  # see scripts/setup
        with suppress(OSError):
            ctypes.CDLL(name)
            return name
    raise Unavailable("libusb is not installed: apt install libusb-1.0-0")


def find(backend: Any, matches: Callable[[Any], bool]) -> list[Any]:
    """The devices that match. May raise OSError."""
    import usb.core  # type: ignore[import-untyped]  # pyusb has no types

    return list(usb.core.find(find_all=True, backend=backend, custom_match=matches))


def port_of(device: Any) -> str:
    """Bus and port, as the kernel names them: 1-1.2; "" for what has none."""
    return f"{device.bus}-{'.'.join(map(str, device.port_numbers))}" if device.port_numbers else ""


def choose_interface(device: Any) -> Any:
    """The interface to print on: the printer class's, both ways if there is one; else a vendor's own with both ways.

    A device that is configured stays as it is: to configure it anew would reset it. May raise OSError.
    """
    found = [interface for interface in _configuration(device) if _prints(interface)]
    if not found:
        raise Unavailable("it has no interface to print on: compare its numbers with what lsusb shows")
    return min(found, key=_rank)


def bulk_endpoint(interface: Any, reading: bool) -> Any:
    """The endpoint for bytes in or out; None where there is none."""
    for endpoint in interface:
        is_in = bool(endpoint.bEndpointAddress & _DIRECTION_IN)
        if endpoint.bmAttributes & 3 == _BULK and is_in is reading:
            return endpoint
    return None


def take(device: Any, interface: Any, detach: bool) -> bool:
    """Claim the interface; true when it was the kernel's driver's, and is to be given back. May raise OSError.

    Raises:
        Unavailable: it is the kernel's, and `detach` is false.
    """
    import usb.util  # type: ignore[import-untyped]  # pyusb has no types

    number = interface.bInterfaceNumber
    given_back = False
    with suppress(NotImplementedError):
        given_back = bool(device.is_kernel_driver_active(number))
    if given_back and not detach:
        raise Unavailable(
            f"the kernel's driver has it: write usblp:port/{port_of(device)}, or ?detach=yes behind this link"
        )
    if given_back:
        device.detach_kernel_driver(number)
    try:
        usb.util.claim_interface(device, number)
        if interface.bAlternateSetting:
            device.set_interface_altsetting(number, interface.bAlternateSetting)
    except OSError:
        release(device, interface, given_back)
        raise
    return given_back


def release(device: Any, interface: Any, give_back: bool) -> None:
    """Let go of the interface, give it back to the kernel's driver, and close the device. Never raises."""
    import usb.util

    number = interface.bInterfaceNumber
    with suppress(OSError):
        usb.util.release_interface(device, number)
    with suppress(OSError, NotImplementedError):
        if give_back:
            device.attach_kernel_driver(number)
    close(device)


def close(device: Any) -> None:
    """Close the device. Never raises."""
    import usb.util

    with suppress(OSError):
        usb.util.dispose_resources(device)


def ask_port_status(device: Any, interface: Any) -> int | None:
    """GET_PORT_STATUS (USB Printer Class 1.1, 4.2.2); None where the answer is empty. May raise OSError."""
    answer = device.ctrl_transfer(_CLASS_REQUEST_IN, 1, 0, interface.bInterfaceNumber, 1, _PORT_STATUS_MS)
    return int(answer[0]) if len(answer) else None


def ask_printer_id(device: Any, interface: Any) -> str:
    """The IEEE 1284 device ID (GET_DEVICE_ID, 4.2.1) without the two bytes of its length; "" where it does not say."""
    number = interface.bInterfaceNumber
    if number != interface.bAlternateSetting:
        return ""  # the request has the number in its high byte, and pyusb would claim what the low byte says
    try:
        answer = device.ctrl_transfer(_CLASS_REQUEST_IN, 0, 0, number << 8 | number, 1024, _DEVICE_ID_MS)
    except OSError:
        return ""
    return bytes(answer[2:]).decode("ascii", "replace")


def clear_stall(device: Any, endpoint: Any) -> None:
    """Make a stalled endpoint usable again. Never raises."""
    with suppress(OSError, NotImplementedError):
        device.clear_halt(endpoint.bEndpointAddress)


def advice(port: str, exc: Exception) -> str:
    """What to do about a printer that can't be opened."""
    match getattr(exc, "errno", None):
        case errno.EACCES | errno.EPERM:
            return (
                f"this user may not open the printer at USB port {port}: 60-shop-agent-printers.rules needs a"
                " line for its maker and model, see docs/printers.md"
            )
        case errno.EBUSY:
            return f"another program holds the printer at USB port {port}; stop it"
        case errno.ENODEV | errno.ENOENT:
            return f"the printer at USB port {port} went away just now"
        case _:
            return f"the printer at USB port {port}: {exc}"


def _configuration(device: Any) -> Any:
    import usb.core

    try:
        return device.get_active_configuration()
    except usb.core.USBError as exc:
        if exc.errno is not None:  # pyusb's own "Configuration not set" has none
            raise
        device.set_configuration()
        return device.get_active_configuration()


def _prints(interface: Any) -> bool:
    if bulk_endpoint(interface, reading=False) is None:
        return False
    if interface.bInterfaceClass == PRINTER_CLASS:
        return bool(interface.bInterfaceProtocol != _IPP_OVER_USB)
    return interface.bInterfaceClass == VENDOR_CLASS and bulk_endpoint(interface, reading=True) is not None


def _rank(interface: Any) -> tuple[bool, bool, bool, int, int]:
    return (
        interface.bInterfaceClass != PRINTER_CLASS,
        bulk_endpoint(interface, reading=True) is None,
        interface.bInterfaceProtocol != _BIDIRECTIONAL,
        interface.bAlternateSetting,
        interface.bInterfaceNumber,
    )
