"""Printers on a serial line or a USB-serial cable. pyserial sets the line up; bytes go through the descriptor,
because pyserial's write timeout does not say how many bytes went out.
"""

import os
import termios
from contextlib import suppress
from typing import TYPE_CHECKING

from agent.errors import Unavailable
from agent.model.link import SerialLink as SerialSettings
from agent.printers.descriptor import DescriptorLink

if TYPE_CHECKING:
    import serial


class SerialLink(DescriptorLink):
    """An open line. With XON/XOFF the driver eats the flow bytes; a clone's stray ones do no harm."""

    def __init__(self, port: "serial.Serial") -> None:
        super().__init__(port.fileno(), "the serial port is gone")
        self._port = port

    def close(self) -> None:
        """Close at once: throw away what is queued, or the kernel may wait 30 s for a dead printer."""
        with suppress(OSError, termios.error):
            termios.tcflush(self._port.fileno(), termios.TCIOFLUSH)
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
            plugged = os.path.exists(s.path)  # noqa: PTH110  # a device, not a file
            raise Unavailable(
                f"open {s.path}: {exc}" if plugged else f"there is no {s.path}: plug the cable in"
            ) from exc
        return SerialLink(port)
