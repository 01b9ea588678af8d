"""USB printers through the kernel's driver usblp: /dev/usb/lp0 and its like.

The driver lets one program in. Its blocking write returns when the printer took the bytes, be it tomorrow; written to
without blocking it queues, tells of no error, and forgets the queue at close. So a thread writes, and reading polls.
"""

import errno
import fcntl
import os
import select
import stat
import struct
import time
from collections.abc import Callable
from pathlib import Path

from agent.errors import LinkBroken, Unavailable
from agent.model.link import UsblpLink as UsblpSettings
from agent.model.printer import Identity, Need
from agent.printers import sysfs
from agent.printers.blockingwriter import BlockingWriter
from agent.printers.portstatus import PortStatus

LPGETSTATUS = 0x060B
_READ = 2 << 30
_DEVICE_ID_BYTES = 1024
LPIOC_GET_DEVICE_ID = _READ | _DEVICE_ID_BYTES << 16 | ord("P") << 8 | 1
LPIOC_GET_VID_PID = _READ | 8 << 16 | ord("P") << 8 | 6
"""Answered without asking the printer, and only while it is plugged in."""

EMPTY_READ_PAUSE_S = 0.02
USB_BYTES_PER_S = 1_000_000.0

Ioctl = Callable[[int, int, bytes], bytes]


class UsblpLink:
    """An open printer. Its descriptor belongs to the thread that writes."""

    def __init__(self, descriptor: int, identity: Identity, ioctl: Ioctl = fcntl.ioctl) -> None:
        self.identity = identity
        self._descriptor = descriptor
        self._ioctl = ioctl
        self._status: PortStatus | None = PortStatus()
        self._readable = select.poll()
        self._readable.register(descriptor, select.POLLIN)
        self._writer = BlockingWriter(descriptor, "usblp-writer")

    def write(self, data: bytes, timeout_s: float) -> int:
        """See `Link.write`."""
        return self._writer.put(data, timeout_s)

    def read(self, max_bytes: int, timeout_s: float) -> bytes:
        """See `Link.read`. A read of no bytes is what the printer's empty packet looks like, and not the end."""
        deadline = time.monotonic() + timeout_s
        left_s = timeout_s
        while True:
            data = self._read(max_bytes, left_s)
            left_s = deadline - time.monotonic()
            if data or left_s <= 0:
                break
            time.sleep(min(EMPTY_READ_PAUSE_S, left_s))
        if not data:
            self._check()
        return data

    def unsent(self) -> int:
        """What the thread holds and the printer has not taken."""
        self._writer.check()
        return self._writer.held()

    def needs(self) -> frozenset[Need]:
        """What the port status says. A printer that does not answer for it is not asked again: that takes 5 s."""
        if self._status is None:
            return frozenset()
        try:
            answer = self._ioctl(self._descriptor, LPGETSTATUS, bytes(4))
        except OSError as exc:
            if exc.errno == errno.ENODEV:
                raise LinkBroken(f"status: {exc}") from exc
            self._status = None
            return frozenset()
        return self._status.needs(struct.unpack("i", answer)[0])

    def hangs(self) -> bool:
        """Closed or not: does the device still wait for the end of a write?"""
        return self._writer.hangs()

    def close(self) -> None:
        """Let go; a write that hangs ends when the printer takes the bytes or is unplugged."""
        self._writer.close()

    def _read(self, max_bytes: int, timeout_s: float) -> bytes:
        events = self._readable.poll(max(0.0, timeout_s) * 1000)
        data = b""
        try:
            if events and events[0][1] & select.POLLIN:
                data = os.read(self._descriptor, max_bytes)
        except OSError as exc:
            raise LinkBroken(f"read: {exc}") from exc
        if events and not data and events[0][1] & (select.POLLHUP | select.POLLERR | select.POLLNVAL):
            raise LinkBroken("the printer was unplugged or switched off")
        return data

    def _check(self) -> None:
        """Notice an unplugged printer: some never answer, and then poll does not tell."""
        self._writer.check()
        if self._writer.held():
            return  # the write will tell, and a printer that is stuck may answer slowly
        try:
            self._ioctl(self._descriptor, LPIOC_GET_VID_PID, bytes(8))
        except OSError as exc:
            if exc.errno in (errno.ENODEV, errno.EIO):
                raise LinkBroken(f"the printer was unplugged or switched off: {exc}") from exc


class UsblpConnector:
    """Opens a printer of usblp by the name of its device or by the port that it is plugged into."""

    bytes_per_s = USB_BYTES_PER_S
    notices_power_cycle = True

    def __init__(
        self,
        settings: UsblpSettings,
        sys: Path = sysfs.SYSFS,
        dev: Path = sysfs.DEV,
        ioctl: Ioctl = fcntl.ioctl,
    ) -> None:
        self._place = settings.place
        self._sys = sys
        self._dev = dev
        self._ioctl = ioctl
        self._last: UsblpLink | None = None

    def forget(self) -> None:
        """See `Connector.forget`: nothing is remembered."""

    def open(self) -> UsblpLink:
        """Open it; refused as long as the write of a link that was closed still hangs."""
        if self._last is not None and self._last.hangs():
            raise Unavailable(
                "busy: it has not taken all that it was sent; see to its paper and cover, or switch it off and on"
            )
        path = self._path()
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)  # what is no printer may block
        except OSError as exc:
            raise Unavailable(self._advice(path, exc)) from exc
        try:
            identity = self._identify(descriptor, path)
        except BaseException:
            os.close(descriptor)
            raise
        self._last = UsblpLink(descriptor, identity, self._ioctl)
        return self._last

    def _path(self) -> Path:
        if self._place.startswith("by-path/"):
            return self._dev / "usb" / self._place
        if not self._place.startswith("port/"):
            return Path(self._place)
        wanted = self._place.removeprefix("port/")
        for node in self._printers():
            if sysfs.usb_port(node) == wanted:
                return self._dev / "usb" / node.name
        raise Unavailable(f"there is no printer at USB port {wanted}: check its cable and its switch; {self._seen()}")

    def _printers(self) -> list[Path]:
        return list(sysfs.nodes(self._sys, "usbmisc", "lp*"))

    def _seen(self) -> str:
        seen = [f"usblp:port/{sysfs.usb_port(node)}" for node in self._printers()]
        return f"there is {', '.join(seen)}" if seen else "no USB printer is seen"

    def _advice(self, path: Path, exc: OSError) -> str:
        match exc.errno:
            case errno.ENOENT | errno.ENODEV | errno.ENXIO:
                return f"there is no {path}: check the printer's cable and its switch; {self._seen()}"
            case errno.EBUSY:
                return f"another program holds {path}; stop it (systemctl disable --now cups, if it is CUPS)"
            case errno.EACCES | errno.EPERM:
                return f"this user may not open {path}: 60-shop-agent-printers.rules gives it: sudo udevadm trigger"
            case _:
                return f"open {path}: {exc}"

    def _identify(self, descriptor: int, path: Path) -> Identity:
        """What was opened; refused if it is no printer, or not the one that was meant: a file takes anything."""
        node = sysfs.node_of(self._sys, descriptor)
        if not stat.S_ISCHR(os.fstat(descriptor).st_mode) or (node is not None and node.parent.name != "usbmisc"):
            raise Unavailable(f"{path} is no printer of the driver usblp; {self._seen()}")
        port = sysfs.usb_port(node) if node is not None else ""
        wanted = self._place.removeprefix("port/")
        if wanted != self._place and port != wanted:
            raise Unavailable(f"the printer at USB port {wanted} went away just now")
        if node is None:
            return Identity()
        printer_id = sysfs.attribute(node / "device" / "ieee1284_id") or self._ask_printer_id(descriptor)
        return Identity(port, sysfs.describe_usb(sysfs.usb_device(node), printer_id))

    def _ask_printer_id(self, descriptor: int) -> str:
        try:
            answer = self._ioctl(descriptor, LPIOC_GET_DEVICE_ID, bytes(_DEVICE_ID_BYTES))
        except OSError:
            return ""
        length: int = struct.unpack(">H", answer[:2])[0]
        return answer[2:length].decode("ascii", "replace")
