"""What a socket and a serial port have in common: a descriptor that does not block, and a kernel that queues."""

import errno
import fcntl
import os
import select
import struct
import termios

from agent.errors import LinkBroken
from agent.model.printer import Identity, Need


class DescriptorLink:
    """A link over a descriptor. Whoever opened it closes it."""

    def __init__(self, descriptor: int, gone: str, identity: Identity) -> None:
        self.identity = identity
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor
        self._gone = gone
        self._readable = select.poll()
        self._readable.register(descriptor, select.POLLIN)
        self._writable = select.poll()
        self._writable.register(descriptor, select.POLLOUT)

    def write(self, data: bytes, timeout_s: float) -> int:
        """See `Link.write`."""
        try:
            try:
                return os.write(self._descriptor, data)
            except BlockingIOError:
                return os.write(self._descriptor, data) if self._writable.poll(timeout_s * 1000) else 0
        except BlockingIOError:
            return 0
        except OSError as exc:
            raise LinkBroken(f"write: {exc}") from exc

    def read(self, max_bytes: int, timeout_s: float) -> bytes:
        """See `Link.read`."""
        try:
            if not self._readable.poll(timeout_s * 1000):
                return b""
            data = os.read(self._descriptor, max_bytes)
        except BlockingIOError:
            return b""
        except OSError as exc:
            raise LinkBroken(f"read: {exc}") from exc
        if not data:
            raise LinkBroken(self._gone)
        return data

    def unsent(self) -> int:
        """Bytes that the kernel has queued, or that the other side has not acknowledged (SIOCOUTQ is TIOCOUTQ)."""
        try:
            answer = fcntl.ioctl(self._descriptor, termios.TIOCOUTQ, b"\0\0\0\0")
        except OSError as exc:
            if exc.errno == errno.ENOTTY:
                return 0
            raise LinkBroken(f"ioctl: {exc}") from exc
        count: int = struct.unpack("i", answer)[0]
        return count

    def needs(self) -> frozenset[Need]:
        """Nothing: these cables carry bytes and know no printer."""
        return frozenset()
