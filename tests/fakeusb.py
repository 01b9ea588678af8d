"""A USB for pyusb, with virtual printers on it: endpoints, stalls, short writes, drivers and plugs."""

import array
import errno
import threading
import time
from collections import deque
from types import SimpleNamespace
from typing import Any

import usb.backend  # type: ignore[import-untyped]  # pyusb has no types
import usb.core  # type: ignore[import-untyped]  # as above

from agent.simulator.printer import VirtualPrinter

PRINTER, VENDOR = 0x07, 0xFF
OUT, IN = 0x01, 0x82
PACKET = 64


class Interface(SimpleNamespace):
    """An interface descriptor: its class, and whether the printer talks on it."""

    def __init__(self, number: int, kind: int, protocol: int = 2, talks: bool = True, alternate: int = 0) -> None:
        super().__init__(number=number, kind=kind, protocol=protocol, talks=talks, alternate=alternate)


class Device:
    """A printer at a port. What it does is in its fields; `plug` and `unplug` are the user's."""

    def __init__(
        self, printer: VirtualPrinter, model: str = "04b8:0202", port: str = "1-1.2", *interfaces: Interface
    ) -> None:
        self.printer = printer
        self.vendor, self.product = (int(number, 16) for number in model.split(":"))
        self.bus = int(port.partition("-")[0])
        self.ports = tuple(int(number) for number in port.partition("-")[2].split("."))
        self.interfaces = interfaces or (Interface(0, PRINTER),)
        self.configured = True
        self.drivers: set[int] = set()
        self.claimed: set[int] = set()
        self.alternate = 0
        self.port_status: int | None = 0x18
        self.printer_id = b"MFG:EPSON;CMD:ESC/POS;MDL:TM-T20II;"
        self.most = 10_000
        self.stalled: set[int] = set()
        self.refused = 0
        self.taken = False
        self.there = True
        self.answers: deque[bytes] = deque()
        self._changed = threading.Condition()
        printer.attach(self)

    # -- the printer's side, as of any host ----------------------------------------------------------------------

    def send(self, data: bytes) -> bool:
        """An answer waits in the endpoint until the host asks."""
        with self._changed:
            self.answers.extend(data[at : at + PACKET] for at in range(0, len(data), PACKET))
            self._changed.notify_all()
        return True

    def drop(self, reset: bool) -> None:  # noqa: ARG002  # USB knows one way to go
        """Power is off: so is its side of the USB."""
        self.unplug()

    def unplug(self) -> None:
        """The cable is out."""
        with self._changed:
            self.there = False
            self._changed.notify_all()

    # -- the host's side -----------------------------------------------------------------------------------------

    def take(self, data: bytes, timeout_s: float) -> int:
        """Bulk out: as much as it takes in time, packet by packet."""
        taken = 0
        deadline = time.monotonic() + timeout_s
        while taken < len(data) and taken < self.most:
            self.check(OUT)
            room = min(self.printer.appetite(), PACKET, self.most - taken)
            if room:
                piece = data[taken : taken + room]
                self.printer.receive(piece)
                taken += len(piece)
            elif not self.printer.wait_for(lambda p: p.appetite() > 0 or not self.there, deadline - time.monotonic()):
                break
        if taken < len(data):
            time.sleep(max(0.0, deadline - time.monotonic()))
        if not taken:
            raise usb.core.USBTimeoutError("Operation timed out", -7, errno.ETIMEDOUT)
        return taken

    def give(self, room: int, timeout_s: float) -> bytes:
        """Bulk in: packets until one is short or the room is full."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while not self.answers:
                self.check(IN)
                if not self._changed.wait(max(0.0, deadline - time.monotonic())):
                    raise usb.core.USBTimeoutError("Operation timed out", -7, errno.ETIMEDOUT)
            self.check(IN)
            data = b""
            while self.answers:
                packet = self.answers.popleft()
                if len(packet) > room - len(data):
                    raise usb.core.USBError("Overflow", -8, errno.EOVERFLOW)
                data += packet
                if len(packet) < PACKET or len(data) == room:
                    break
            return data

    def check(self, endpoint: int = 0) -> None:
        """Raises what libusb would."""
        if not self.there:
            raise usb.core.USBError("No such device", -4, errno.ENODEV)
        if endpoint in self.stalled:
            raise usb.core.USBError("Pipe error", -9, errno.EPIPE)


class Bus(usb.backend.IBackend):  # type: ignore[misc]  # pyusb has no types
    """pyusb's way to the devices. `handles` are those that are open."""

    def __init__(self, *devices: Device) -> None:
        super().__init__()
        self.devices = list(devices)
        self.handles: list[Device] = []

    def enumerate_devices(self) -> Any:
        """Whatever is plugged in."""
        return [device for device in self.devices if device.there]

    def get_device_descriptor(self, dev: Device) -> Any:
        """Its numbers and its place."""
        return _Zeros(
            idVendor=dev.vendor,
            idProduct=dev.product,
            bNumConfigurations=1,
            bus=dev.bus,
            address=self.devices.index(dev) + 1,
            port_number=dev.ports[-1],
            port_numbers=dev.ports,
            speed=2,
        )

    def get_configuration_descriptor(self, dev: Device, config: int) -> Any:
        """There is one."""
        if config:
            raise IndexError(config)
        return _Zeros(bConfigurationValue=1, bNumInterfaces=len({i.number for i in dev.interfaces}))

    def get_interface_descriptor(self, dev: Device, intf: int, alt: int, config: int) -> Any:  # noqa: ARG002
        """An interface in one of its settings."""
        settings = [interface for interface in dev.interfaces if interface.number == intf]
        found = settings[alt]
        return _Zeros(
            bInterfaceNumber=intf,
            bAlternateSetting=found.alternate,
            bNumEndpoints=2 if found.talks else 1,
            bInterfaceClass=found.kind,
            bInterfaceSubClass=1,
            bInterfaceProtocol=found.protocol,
        )

    def get_endpoint_descriptor(self, dev: Device, ep: int, intf: int, alt: int, config: int) -> Any:
        """Bulk out, and bulk in where it talks."""
        if ep >= self.get_interface_descriptor(dev, intf, alt, config).bNumEndpoints:
            raise IndexError(ep)
        return _Zeros(bEndpointAddress=(OUT, IN)[ep] + intf, bmAttributes=2, wMaxPacketSize=PACKET)

    def open_device(self, dev: Device) -> Device:
        """Unless the user may not."""
        if dev.refused:
            raise usb.core.USBError("Access denied (insufficient permissions)", -3, dev.refused)
        dev.check()
        self.handles.append(dev)
        return dev

    def close_device(self, dev_handle: Device) -> None:
        """Lets go of all that was claimed."""
        self.handles.remove(dev_handle)
        dev_handle.claimed.clear()

    def get_configuration(self, dev_handle: Device) -> int:
        """0 while it has none."""
        return int(dev_handle.configured)

    def set_configuration(self, dev_handle: Device, config_value: int) -> None:
        """Configures it, and as the standard wants resets its endpoints: unread answers are lost."""
        dev_handle.configured = config_value == 1
        dev_handle.answers.clear()

    def reset_device(self, dev_handle: Device) -> None:
        """The same."""
        dev_handle.answers.clear()

    def set_interface_altsetting(self, dev_handle: Device, intf: int, altsetting: int) -> None:  # noqa: ARG002
        """Choose one of an interface's settings."""
        dev_handle.alternate = altsetting

    def claim_interface(self, dev_handle: Device, intf: int) -> None:
        """One program an interface, and the kernel is one."""
        dev_handle.check()
        if dev_handle.taken or intf in dev_handle.claimed | dev_handle.drivers:
            raise usb.core.USBError("Resource busy", -6, errno.EBUSY)
        dev_handle.claimed.add(intf)

    def release_interface(self, dev_handle: Device, intf: int) -> None:
        """Let go."""
        dev_handle.check()
        dev_handle.claimed.discard(intf)

    def bulk_write(self, dev_handle: Device, ep: int, intf: int, data: Any, timeout: int) -> int:
        """Bytes out."""
        assert timeout > 0, "0 is for ever"
        assert (ep, intf in dev_handle.claimed) == (OUT + intf, True)
        return dev_handle.take(data.tobytes(), timeout / 1000)

    def bulk_read(self, dev_handle: Device, ep: int, intf: int, buff: Any, timeout: int) -> int:
        """Bytes in."""
        assert timeout > 0, "0 is for ever"
        assert (ep, intf in dev_handle.claimed) == (IN + intf, True)
        data = dev_handle.give(len(buff), timeout / 1000)
        buff[: len(data)] = array.array("B", data)
        return len(data)

    def ctrl_transfer(
        self, dev_handle: Device, kind: int, request: int, value: int, index: int, data: Any, timeout: int
    ) -> int:
        """The printer class's two requests."""
        assert timeout > 0, "0 is for ever"
        dev_handle.check()
        answer: bytes | None = None
        if (
            (kind, request, value) == (0xA1, 1, 0)
            and index in dev_handle.claimed
            and dev_handle.port_status is not None
        ):
            answer = bytes([dev_handle.port_status])
        if (kind, request, value) == (0xA1, 0, 0) and index >> 8 in dev_handle.claimed:
            answer = (len(dev_handle.printer_id) + 2).to_bytes(2, "big") + dev_handle.printer_id
        if answer is None:
            raise usb.core.USBError("Pipe error", -9, errno.EPIPE)
        data[: len(answer)] = array.array("B", answer)
        return len(answer)

    def clear_halt(self, dev_handle: Device, ep: int) -> None:
        """The endpoint works again."""
        dev_handle.stalled.discard(ep)

    def is_kernel_driver_active(self, dev_handle: Device, intf: int) -> bool:
        """Is usblp bound?"""
        return intf in dev_handle.drivers

    def detach_kernel_driver(self, dev_handle: Device, intf: int) -> None:
        """Unbind it."""
        dev_handle.drivers.remove(intf)

    def attach_kernel_driver(self, dev_handle: Device, intf: int) -> None:
        """Bind it again; not while somebody holds the interface."""
        if intf in dev_handle.claimed:
            raise usb.core.USBError("Resource busy", -6, errno.EBUSY)
        dev_handle.drivers.add(intf)


class _Zeros(SimpleNamespace):
    """A descriptor whose other fields do not matter."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return b"" if name == "extra_descriptors" else 0
