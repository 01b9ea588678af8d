"""USB printers without the kernel's driver, through libusb: for those that usblp does not take, such as vendor-class
Epsons. Never a reset: it would destroy an answer that nobody has read yet.
"""

import errno
import time
from pathlib import Path
from typing import Any

from agent.errors import LinkBroken, Unavailable
from agent.model.link import UsbLink as UsbSettings
from agent.model.printer import Identity, Need
from agent.printers import libusb, sysfs
from agent.printers.portstatus import PortStatus

USB_BYTES_PER_S = 1_000_000.0
LEAST_READ_MS = 10
"""A printer has to be asked for what it wants to say; on a full-speed bus that takes some milliseconds."""

MOST_AT_ONCE = 4096
EMPTY_READ_PAUSE_S = 0.02


class UsbLink:
    """A claimed interface of a printer; `device` and `interface` are pyusb's."""

    def __init__(self, device: Any, interface: Any, identity: Identity, give_back: bool) -> None:
        self.identity = identity
        self._device = device
        self._interface = interface
        self._give_back = give_back
        self._out = libusb.bulk_endpoint(interface, reading=False)
        self._in = libusb.bulk_endpoint(interface, reading=True)
        self._heard = b""
        self._closed = False
        is_printer_class = interface.bInterfaceClass == libusb.PRINTER_CLASS
        self._status = PortStatus() if is_printer_class else None

    def write(self, data: bytes, timeout_s: float) -> int:
        """See `Link.write`. A write that ran out of time may have sent a part of it: that is what counts."""
        try:
            return int(self._endpoint(self._out).write(data[:MOST_AT_ONCE], max(1, round(timeout_s * 1000))))
        except OSError as exc:
            self._judge(self._out, "write", exc)
            return 0

    def read(self, max_bytes: int, timeout_s: float) -> bytes:
        """See `Link.read`. An empty packet is not the end."""
        deadline = time.monotonic() + timeout_s
        left_s = timeout_s
        while not self._heard:
            self._heard = self._ask(left_s)
            left_s = deadline - time.monotonic()
            if self._heard or left_s <= 0:
                break
            time.sleep(min(EMPTY_READ_PAUSE_S, left_s))
        data, self._heard = self._heard[:max_bytes], self._heard[max_bytes:]
        return data

    def unsent(self) -> int:
        """Nothing: what was taken is in the printer."""
        return 0

    def needs(self) -> frozenset[Need]:
        """What the port status says; a printer that refuses to answer for it is not asked again."""
        if self._status is None or self._closed:
            return frozenset()
        try:
            status = libusb.ask_port_status(self._device, self._interface)
        except OSError as exc:
            if exc.errno == errno.ENODEV:
                raise LinkBroken(f"status: {exc}") from exc
            if exc.errno != errno.ETIMEDOUT:
                self._status = None
            return frozenset()
        return self._status.needs(status) if status is not None else frozenset()

    def close(self) -> None:
        """Let go, and give the printer back to the kernel's driver if it was taken from there."""
        if not self._closed:
            self._closed = True
            libusb.release(self._device, self._interface, self._give_back)

    def _ask(self, timeout_s: float) -> bytes:
        if self._in is None:
            time.sleep(max(0.0, timeout_s))
            return b""
        packet = self._in.wMaxPacketSize
        whole_packets = max(1, MOST_AT_ONCE // packet) * packet  # one that does not fit would break the transfer
        try:
            return bytes(self._endpoint(self._in).read(whole_packets, max(LEAST_READ_MS, round(timeout_s * 1000))))
        except OSError as exc:
            self._judge(self._in, "read", exc)
            return b""

    def _endpoint(self, endpoint: Any) -> Any:
        if self._closed:  # pyusb would open it again
            raise LinkBroken("the link is closed")
        return endpoint

    def _judge(self, endpoint: Any, what: str, exc: OSError) -> None:
        """Time over, or the link is broken. A stalled endpoint is freed for the next link."""
        if exc.errno == errno.ETIMEDOUT:
            return
        if exc.errno == errno.EPIPE:
            libusb.clear_stall(self._device, endpoint)
        raise LinkBroken(f"{what}: {exc}") from exc


class UsbConnector:
    """Finds a printer by maker, model and serial number or by its port, and claims it."""

    bytes_per_s = USB_BYTES_PER_S
    notices_power_cycle = True

    def __init__(self, settings: UsbSettings, sys: Path = sysfs.SYSFS, backend: Any = None) -> None:
        self._settings = settings
        self._sys = sys
        self._backend = backend

    def forget(self) -> None:
        """See `Connector.forget`: nothing is remembered."""

    def open(self) -> UsbLink:
        """Claim the printer as it stands, without configuring what is configured."""
        device = self._find()
        try:
            interface = libusb.choose_interface(device)
            give_back = libusb.take(device, interface, self._settings.detach)
        except Unavailable:
            libusb.close(device)
            raise
        except (OSError, NotImplementedError) as exc:
            libusb.close(device)
            raise Unavailable(libusb.advice(libusb.port_of(device), exc)) from exc
        return UsbLink(device, interface, self._identity(device, interface), give_back)

    def _find(self) -> Any:
        if self._backend is None:
            self._backend = libusb.load_backend()
        s = self._settings
        try:
            devices = libusb.find(self._backend, self._matches)
        except OSError as exc:
            raise Unavailable(f"libusb: {exc}") from exc
        if len(devices) == 1:
            return devices[0]
        if not devices:
            raise Unavailable(f"there is no {s.device}: check the printer's cable and its switch")
        ports = ", ".join(f"usb:port/{libusb.port_of(device)}" for device in devices)
        raise Unavailable(f"{s.device} is {len(devices)} printers: write one of {ports}, or its serial number")

    def _matches(self, device: Any) -> bool:
        s = self._settings
        if s.port:
            return libusb.port_of(device) == s.port
        if f"{device.idVendor:04x}:{device.idProduct:04x}" != s.model:
            return False
        return not s.serial or sysfs.attribute(self._folder(device) / "serial") == s.serial

    def _folder(self, device: Any) -> Path:
        return self._sys / "bus" / "usb" / "devices" / (libusb.port_of(device) or "none")

    def _identity(self, device: Any, interface: Any) -> Identity:
        printer_id = ""
        if interface.bInterfaceClass == libusb.PRINTER_CLASS:
            printer_id = libusb.ask_printer_id(device, interface)
        return Identity(libusb.port_of(device), sysfs.describe_usb(self._folder(device), printer_id))
