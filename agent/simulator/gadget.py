"""A USB printer port: the printer's side of Linux's printer gadget (usb_f_printer), so the host sees a real USB device.

Who made the gadget (configfs) plugs it in and pulls it out. Its device file must be closed before it is plugged in
again: Linux 6.1 crashes otherwise.
"""

import contextlib
import fcntl
import os
import threading
from pathlib import Path
from typing import Protocol

from agent.simulator.machine import Machine
from agent.simulator.pump import Port, Wire
from agent.simulator.status import Sensors

PAPER_OUT, SELECTED, NO_ERROR = 0x20, 0x10, 0x08
"""The bits of the port status, as the host's LPGETSTATUS shows them (USB Printer Class 1.1, 4.2.2)."""

_SET_STATUS = 0xC0016722
"""GADGET_SET_PRINTER_STATUS, _IOWR('g', 0x22, unsigned char); the byte goes by value."""

_ENUMERATION_S = 0.02


class Plug(Protocol):
    """The gadget's cable. Both are called under a lock and repeating them does no harm."""

    def plug(self) -> Path:
        """Let the host see the printer; the device file of the printer's side."""

    def unplug(self) -> None:
        """Vanish from the host's bus."""


def port_status(sensors: Sensors) -> int:
    """The byte that tells of paper and errors beside the data: 18h is well, 38h paper out, 10h an error."""
    trouble = sensors.failed or sensors.cover_open or sensors.switched_offline
    return SELECTED | (PAPER_OUT if sensors.paper_out else 0) | (0 if trouble else NO_ERROR)


class GadgetWire:
    """The open device file as a Wire."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._told: int | None = None
        self._lock = threading.Lock()
        self.dropped = self.closed = False

    def fileno(self) -> int:
        """What to poll."""
        return self._descriptor

    def recv(self, size: int) -> bytes:
        """What came; nothing when the cable is out."""
        try:
            return os.read(self._descriptor, size)
        except OSError:
            return b""

    def send(self, data: bytes) -> bool:
        """An answer waits in the gadget until the host asks for it, also a later host."""
        try:
            return os.write(self._descriptor, data) == len(data)
        except OSError:
            return False

    def tell(self, status: int) -> None:
        """Set what the host's LPGETSTATUS says."""
        with self._lock, contextlib.suppress(OSError):
            if status != self._told and not self.closed:
                fcntl.ioctl(self._descriptor, _SET_STATUS, status)
                self._told = status

    def drop(self, reset: bool) -> None:  # noqa: ARG002  a cable is pulled in one way
        """Mark it; the port's thread pulls the cable."""
        self.dropped = True

    def close(self) -> None:
        """Let go of the device file."""
        with self._lock:
            self.closed = True
            os.close(self._descriptor)


class GadgetPort(Port):
    """A USB socket. A host is there once it has given the device an address; unplugging is power-off to it."""

    def __init__(self, printer: Machine, plug: Plug, link: str) -> None:
        super().__init__(printer)
        self._plug, self._link = plug, link
        self._opening = threading.Lock()
        self._wire: GadgetWire | None = None
        self._path: Path | None = None
        printer.on_change(self._tell)

    @property
    def link(self) -> str:
        """The address as a configuration says it; it depends on the host's driver: usblp:... or usb://..."""
        return self._link

    def listen(self) -> int | None:
        """Plug it in, once the wire of last time is closed; the bus does not tell when a host is there."""
        with self._opening:
            if self._path is None and (self._wire is None or self._wire.closed):
                self._path = self._plug.plug()
        return None

    def vanish(self) -> None:
        """Unplug it."""
        with self._opening:
            self._path = None
            self._plug.unplug()

    def accept(self) -> Wire | None:
        """The host, when it has set the device up; opening fails until then."""
        with self._opening, contextlib.suppress(OSError):
            if self._path is not None:
                wire = GadgetWire(os.open(self._path, os.O_RDWR | os.O_NONBLOCK))
                wire.tell(port_status(self.printer.sensors))
                self._wire = wire
                return wire
        self._sleep(None, 0, _ENUMERATION_S)
        return None

    def release(self) -> None:
        """Nothing is held while it is unplugged."""

    def _serve_host(self, wire: Wire) -> None:
        try:
            super()._serve_host(wire)
        finally:
            if wire.dropped:
                self.vanish()

    def _tell(self) -> None:
        if self._wire is not None:
            self._wire.tell(port_status(self.printer.sensors))


def serve_gadget(printer: Machine, plug: Plug, link: str = "usblp:/dev/usb/lp0") -> GadgetPort:
    """Plug a printer into a USB socket made by a gadget. The caller closes what it gets."""
    return GadgetPort(printer, plug, link).start()
