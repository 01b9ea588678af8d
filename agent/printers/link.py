"""The seam: what every cable can do, and nothing more. A driver is about a hundred lines behind it.

A link moves bytes. It knows nothing of ESC/POS, tickets or retries, and raises only `PrinterError`s.
"""

from typing import Protocol, runtime_checkable

from agent.model.printer import Identity, Need


class Link(Protocol):
    """An open way to one printer. Used by one thread; every call returns within its timeout."""

    def write(self, data: bytes, timeout_s: float) -> int:
        """Give bytes to the printer; returns how many were taken, 0 when it takes none within the timeout.

        Raises:
            LinkBroken: the link is gone. Bytes taken earlier may or may not be printed.
        """

    def read(self, max_bytes: int, timeout_s: float) -> bytes:
        """What the printer says, at least one byte, or b"" when it says nothing within the timeout.

        Raises:
            LinkBroken: the link is gone.
        """

    def unsent(self) -> int:
        """Bytes that were taken but are still on this side of the cable; 0 where nobody can tell.

        Raises:
            LinkBroken: the link is gone.
        """

    def needs(self) -> frozenset[Need]:
        """What the cable itself says that a person must see to; empty where it says nothing that can be believed.

        Raises:
            LinkBroken: the link is gone.
        """

    @property
    def identity(self) -> Identity:
        """Where the printer is plugged in and what it is, as it was when the link was opened."""

    def close(self) -> None:
        """Let go, at once and without raising. What is still unsent may be lost."""


@runtime_checkable
class Prompt(Protocol):
    """A link that also takes bytes without ever waiting for the cable or the printer, as a socket can."""

    def write_now(self, data: bytes) -> int:
        """Give as many bytes as are taken at once; returns their number.

        Raises:
            LinkBroken: the link is gone. Bytes taken earlier may or may not be printed.
        """


class Connector(Protocol):
    """Knows how to reach one printer."""

    bytes_per_s: float
    """What the cable carries at best, for judging how long a ticket may take."""

    notices_power_cycle: bool
    """Does a link over this cable break when the printer loses its power?"""

    def forget(self) -> None:
        """Whatever is found at the next open is the printer: a person says so."""

    def open(self) -> Link:
        """Open the link, within a few seconds.

        Raises:
            Unavailable: nobody is there, or it is taken; nothing was sent, try again later.
        """
