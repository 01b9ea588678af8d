"""Printers on a serial line or a USB-serial cable. pyserial sets the line up; bytes go through the descriptor,
because pyserial's write timeout does not say how many bytes went out.
"""

import errno
import fcntl
import os
import select
import struct
import termios
from contextlib import suppress
from typing import TYPE_CHECKING

from agent.errors import LinkBroken, Unavailable
from agent.model.link import SerialLink as SerialSettings

if TYPE_CHECKING:
    import serial


class SerialLink:
    """An open line. With XON/XOFF the driver eats the flow bytes; a clone's stray ones do no harm."""

    def __init__(self, port: "serial.Serial") -> None:
        self._port = port
        self._fd: int = port.fileno()
        self._poll_in = select.poll()
        self._poll_in.register(self._fd, select.POLLIN)
        self._poll_out = select.poll()
        self._poll_out.register(self._fd, select.POLLOUT)

    def write(self, data: bytes, timeout_s: float) -> int:
        """Write; see `Link.write`."""
        try:
            events = self._poll_out.poll(timeout_s * 1000)
            if not events:
                return 0
            if events[0][1] & (select.POLLERR | select.POLLHUP | select.POLLNVAL):
                raise LinkBroken("the serial port is gone")
            return os.write(self._fd, data)
        except BlockingIOError:
            return 0
        except OSError as exc:
            raise LinkBroken(f"write: {exc}") from exc

    def read(self, max_bytes: int, timeout_s: float) -> bytes:
        """Read; see `Link.read`."""
        try:
            events = self._poll_in.poll(timeout_s * 1000)
            if not events:
                return b""
            data = os.read(self._fd, max_bytes)
        except BlockingIOError:
            return b""
        except OSError as exc:
            raise LinkBroken(f"read: {exc}") from exc
        if not data:
            raise LinkBroken("the serial port is gone")
        return data

    def unsent(self) -> int:
        """Bytes in the kernel's output queue."""
        try:
            answer = fcntl.ioctl(self._fd, termios.TIOCOUTQ, b"\0\0\0\0")
        except OSError as exc:
            if exc.errno == errno.ENOTTY:
                return 0
            raise LinkBroken(f"ioctl: {exc}") from exc
        count: int = struct.unpack("i", answer)[0]
        return count

    def close(self) -> None:
        """Close at once: throw away what is queued, or the kernel may wait 30 s for a dead printer."""
        with suppress(OSError, termios.error):
            termios.tcflush(self._fd, termios.TCIOFLUSH)
        with suppress(OSError, termios.error):
            self._port.close()


class SerialConnector:
    """Opens a serial line with its settings, exclusively."""

    notices_power_cycle = False

    def __init__(self, settings: SerialSettings) -> None:
        self._settings = settings
        self.bytes_per_s = settings.baud / 10

    def open(self) -> SerialLink:
        """Open and set up the line."""
        import serial

        s = self._settings
        try:
            port = serial.Serial(
                s.path,
                baudrate=s.baud,
                bytesize=s.bits,
                parity=s.parity[0].upper(),
                stopbits=s.stop,
                rtscts=s.flow == "rtscts",
                xonxoff=s.flow == "xonxoff",
                timeout=0,
                exclusive=True,
            )
        except (OSError, ValueError, termios.error) as exc:
            raise Unavailable(f"open {s.path}: {exc}") from exc
        os.set_blocking(port.fileno(), False)
        return SerialLink(port)
