"""An open serial line: what is watched on it besides its bytes, and XON/XOFF. Whoever opened it hands it over."""

import fcntl
import math
import struct
import termios
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from agent.errors import LinkBroken
from agent.model.printer import Identity
from agent.printers.descriptor import DescriptorLink

if TYPE_CHECKING:
    import serial

XON, XOFF = 0x11, 0x13
ON_THE_WAY = 64
"""Bytes given to the kernel ahead of the wire. A printer says XOFF with as little as 128 bytes of room left."""

HELD = 4096
"""Bytes held back while the printer says stop; as many as the kernel's own queue would take."""

Ioctl = Callable[[int, int, bytes], bytes]


class SerialLink(DescriptorLink):
    """A line without flow control, or with RTS/CTS, which the kernel does."""

    def __init__(self, port: "serial.Serial", identity: Identity, watch_dsr: bool, ioctl: Ioctl = fcntl.ioctl) -> None:
        super().__init__(port.fileno(), "the serial port is gone: its cable was unplugged", identity)
        self._port = port
        self._ioctl = ioctl
        self._watches_dsr = False
        with suppress(OSError):  # a line without modem lines
            self._watches_dsr = watch_dsr and self._dsr()

    def write(self, data: bytes, timeout_s: float) -> int:
        """See `Link.write`."""
        self._look()
        return super().write(data, timeout_s)

    def read(self, max_bytes: int, timeout_s: float) -> bytes:
        """See `Link.read`."""
        self._look()
        return super().read(max_bytes, timeout_s)

    def close(self) -> None:
        """Close at once: throw away what is queued, or the kernel may wait 30 s for a dead printer."""
        with suppress(OSError, termios.error):
            termios.tcflush(self._port.fileno(), termios.TCIOFLUSH)
        with suppress(OSError, termios.error):
            self._port.close()

    def _look(self) -> None:
        """A printer that holds DSR up as long as it is on, and lets it drop, was switched off."""
        if not self._watches_dsr:
            return
        try:
            dsr = self._dsr()
        except OSError as exc:
            raise LinkBroken(f"modem lines: {exc}") from exc
        if not dsr:
            raise LinkBroken("the printer's DSR line dropped: it is switched off")

    def _dsr(self) -> bool:
        lines: int = struct.unpack("I", self._ioctl(self._descriptor, termios.TIOCMGET, bytes(4)))[0]
        return bool(lines & termios.TIOCM_DSR)


class XonXoffLink(SerialLink):
    """A line on which the printer says stop (XOFF) and go on (XON) among its answers.

    Done here and not by the kernel (IXON), because the kernel swallows both: nobody would see that a printer said XON
    unasked, which it does when it has just been switched on, with an empty memory. The kernel would stop sooner; so it
    never gets more than `ON_THE_WAY` ahead of the wire, and less than the printer has room for is under way at a stop.
    A lost XON shows as a link that takes nothing, and is forgotten with the link.
    """

    def __init__(
        self,
        port: "serial.Serial",
        identity: Identity,
        watch_dsr: bool,
        bytes_per_s: float,
        believe_xon: bool = True,
        ioctl: Ioctl = fcntl.ioctl,
    ) -> None:
        super().__init__(port, identity, watch_dsr, ioctl)
        self.power_cycled = False
        self._bytes_per_s = bytes_per_s
        self._believe_xon = believe_xon
        self._held = bytearray()
        self._heard = bytearray()
        self._stopped = False
        self._spoke = False
        self._on_wire = 0.0
        self._counted_at = time.monotonic()

    def write(self, data: bytes, timeout_s: float) -> int:
        """See `Link.write`."""
        self._look()
        deadline = time.monotonic() + timeout_s
        self._turn(0.0)
        while len(self._held) >= HELD and (left_s := deadline - time.monotonic()) > 0:
            self._turn(left_s)
        taken = data[: HELD - len(self._held)]
        self._held += taken
        self._give()
        return len(taken)

    def read(self, max_bytes: int, timeout_s: float) -> bytes:
        """See `Link.read`. XON and XOFF are acted upon and never returned."""
        self._look()
        deadline = time.monotonic() + timeout_s
        self._turn(0.0)
        while not self._heard and (left_s := deadline - time.monotonic()) > 0:
            self._turn(left_s)
        data = bytes(self._heard[:max_bytes])
        del self._heard[:max_bytes]
        return data

    def unsent(self) -> int:
        """What is held back here, and what the kernel has queued."""
        return len(self._held) + super().unsent()

    def close(self) -> None:
        """Close at once; what was stopped is thrown away and the line is left running."""
        with suppress(OSError, termios.error):
            termios.tcflush(self._descriptor, termios.TCIOFLUSH)
            termios.tcflow(self._descriptor, termios.TCOON)
        super().close()

    def _look(self) -> None:
        if self.power_cycled:
            raise LinkBroken("the printer was switched off and on: it said XON unasked")
        super()._look()

    def _turn(self, timeout_s: float) -> None:
        """Hear what came, give the line what it can take now, and wait for more, as long as there is nothing to do."""
        data = DescriptorLink.read(self, 4096, 0.0)
        self._sort(data)
        self._give()
        if self._held and not self._stopped:
            timeout_s = min(timeout_s, ON_THE_WAY / 2 / self._bytes_per_s)
        if not data and timeout_s > 0:
            self._sort(DescriptorLink.read(self, 4096, timeout_s))

    def _give(self) -> None:
        now = time.monotonic()
        self._on_wire = max(0.0, self._on_wire - (now - self._counted_at) * self._bytes_per_s)
        self._counted_at = now
        if self._stopped or not self._held:
            return
        # An adapter's own memory is in no count of the kernel: what can't have left yet is reckoned by the clock.
        room = ON_THE_WAY - max(math.ceil(self._on_wire), super().unsent())
        if room > 0:
            given = DescriptorLink.write(self, bytes(self._held[:room]), 0.0)
            del self._held[:given]
            self._on_wire += given
            self._spoke |= given > 0

    def _sort(self, data: bytes) -> None:
        for byte in data:
            if byte == XOFF:
                self._stop(True)
            elif byte == XON:
                self._hear_xon()
            elif len(self._heard) < HELD:
                self._heard.append(byte)

    def _hear_xon(self) -> None:
        if self._stopped:
            self._stop(False)
        elif self._spoke and self._believe_xon:  # before our first byte it may end a stop of the time before
            self.power_cycled = True
            self._look()

    def _stop(self, stopped: bool) -> None:
        self._stopped = stopped
        with suppress(OSError, termios.error):
            termios.tcflow(self._descriptor, termios.TCOOFF if stopped else termios.TCOON)
