"""Printers on a serial line or a USB-serial cable. pyserial sets the line up; bytes go through the descriptor,
because pyserial's write timeout does not say how many bytes went out.
"""

import errno
import fcntl
import os
import termios
import time
from pathlib import Path
from typing import TYPE_CHECKING

from agent.errors import Unavailable
from agent.model.link import SerialLink as SerialSettings
from agent.model.printer import Identity
from agent.printers import sysfs
from agent.printers.serialline import Ioctl, SerialLink, XonXoffLink

if TYPE_CHECKING:
    import serial

STRIKES = 3
STRIKE_S = 60.0


class SerialConnector:
    """Opens a serial line with its settings, exclusively.

    A cable that is unplugged and back may be ttyUSB1, and ttyUSB0 another printer's: from the first link on, or from
    the start if `port` tells it, only the line at that USB port is opened, whatever it is called. An only printer
    (`alone`) may move to another port: the one adapter of its kind is followed.
    """

    notices_power_cycle = False

    def __init__(
        self,
        settings: SerialSettings,
        port: str = "",
        *,
        alone: bool = False,
        sys: Path = sysfs.SYSFS,
        dev: Path = sysfs.DEV,
        ioctl: Ioctl = fcntl.ioctl,
    ) -> None:
        self._settings = settings
        self._port = ""
        self._device = ""
        self._alone = alone
        self._sys = sys
        self._dev = dev
        self._by_path = dev / "serial" / "by-path"
        self._ioctl = ioctl
        self._last: XonXoffLink | None = None
        self._opened_at = 0.0
        self._strikes = 0
        self.bytes_per_s = settings.bytes_per_s
        self._remember(port)

    def open(self) -> SerialLink:
        """Open and set up the line."""
        path = self._path()
        port = self._open(path)
        identity = self._identity(port.fileno())
        if self._port and identity.port != self._port and not self._alone:
            port.close()
            raise Unavailable(f"{path} went away just now")
        self._remember(identity.port)
        self._device = identity.device
        watch_dsr = self._settings.flow != "rtscts"  # there the same wire often says busy
        if self._settings.flow != "xonxoff":
            return SerialLink(port, identity, watch_dsr, self._ioctl)
        believe = self._believes_xon()
        self._last = XonXoffLink(port, identity, watch_dsr, self.bytes_per_s, believe, self._ioctl)
        return self._last

    def forget(self) -> None:
        """See `Connector.forget`."""
        self._port = self._device = ""

    def _remember(self, port: str) -> None:
        names_its_port = Path(self._settings.path).is_relative_to(self._by_path)
        if sysfs.is_usb_port(port) and not names_its_port:
            self._port = port

    def _believes_xon(self) -> bool:
        """A clone that says XON at every reset would never print: three short links in a row, and it is ignored."""
        now = time.monotonic()
        if self._last is not None and self._strikes < STRIKES:
            struck = self._last.power_cycled and now - self._opened_at < STRIKE_S
            self._strikes = self._strikes + 1 if struck else 0
        self._opened_at = now
        return self._strikes < STRIKES

    def _path(self) -> Path:
        path = Path(self._settings.path)
        if not self._port or self._port_of(path) == self._port:
            return path
        lines = list(sysfs.nodes(self._sys, "tty", "tty[A-Z]*"))
        for node in lines:
            if sysfs.tty_port(node) == self._port:
                return self._dev / node.name
        alike = [node for node in lines if sysfs.describe_usb(sysfs.usb_device(node)) == self._device != ""]
        if self._alone and len(alike) == 1:
            return self._dev / alike[0].name
        if path.exists():
            raise Unavailable(
                f"{path} is at USB port {self._port_of(path)} now, and this printer was at {self._port}: plug its cable"
                f" in there again, or if it shall stay, write its name in {self._by_path} as the link"
            )
        raise Unavailable(f"there is no {path}: plug the printer's cable into USB port {self._port} again")

    def _port_of(self, device: Path | int) -> str:
        node = sysfs.node_of(self._sys, device)
        return sysfs.tty_port(node) if node is not None else ""

    def _identity(self, descriptor: int) -> Identity:
        node = sysfs.node_of(self._sys, descriptor)
        device = sysfs.usb_device(node) if node is not None else None
        return Identity(self._port_of(descriptor), sysfs.describe_usb(device))

    def _open(self, path: Path) -> "serial.Serial":
        import serial

        s = self._settings
        try:
            port = serial.Serial(
                str(path),
                baudrate=s.baud,
                bytesize=s.bits,
                parity=s.parity[0].upper(),
                stopbits=s.stop,
                rtscts=s.flow == "rtscts",
                timeout=0,
                exclusive=True,
            )
            _ignore_breaks(port.fileno())
        except (OSError, ValueError, termios.error) as exc:
            raise Unavailable(_advice(path, exc)) from exc
        return port


def _ignore_breaks(descriptor: int) -> None:
    """A printer that is switched off or on says a break, which would be read as a NUL: as a status byte."""
    settings = termios.tcgetattr(descriptor)
    settings[0] |= termios.IGNBRK
    termios.tcsetattr(descriptor, termios.TCSANOW, settings)


def _advice(path: Path, exc: Exception) -> str:
    if not os.path.exists(path):  # noqa: PTH110  # a device, not a file
        return f"there is no {path}: plug the printer's cable in"
    match getattr(exc, "errno", None):
        case errno.EACCES | errno.EPERM:
            return f"this user may not open {path}: add it to the device's group (dialout on Debian)"
        case errno.EAGAIN | errno.EBUSY:
            return f"another program holds {path}; stop it (ModemManager and gpsd are known for it)"
        case _:
            return f"open {path}: {exc}"
