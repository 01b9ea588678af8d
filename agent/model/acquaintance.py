"""Is this the printer that was here before? What it is was seen at the first meeting and is kept. Pure.

A name proves nothing: an unlike answer tells that another device is there, a like one only that it may be the same.
"""

from enum import Enum

import msgspec

from agent.model.printer import Capabilities


class Facts(msgspec.Struct, frozen=True):
    """Where a printer is plugged in, what the cable says that it is, and what it says of itself."""

    port: str = ""
    device: str = ""
    model: str = ""
    firmware: str = ""

    @property
    def words(self) -> str:
        """A printer as a person can recognise it."""
        return " ".join(filter(None, (self.device, self.model, self.port and f"at {self.port}"))) or "unknown"


class Known(msgspec.Struct, frozen=True):
    """A printer as it was met before."""

    capabilities: Capabilities
    facts: Facts


class Likeness(Enum):
    """What a comparison says."""

    SAME = "same"
    RENEWED = "renewed"
    """The same printer with another firmware: what it can prove is asked again."""

    STRANGER = "stranger"
    """Another device: nothing is printed on it until a person says that it shall be."""


def compare(known: Facts, seen: Facts, has_twin: bool = False) -> Likeness:
    """Compare what both know; what one does not know says nothing.

    `has_twin`: another printer of the shop looks just like this one, so that only the port tells them apart.
    """
    if has_twin and known.port and seen.port and known.port != seen.port:
        return Likeness.STRANGER
    for before, now in ((known.device, seen.device), (known.model, seen.model)):
        if before and now and before != now:
            return Likeness.STRANGER
    if known.firmware and seen.firmware and known.firmware != seen.firmware:
        return Likeness.RENEWED
    return Likeness.SAME
