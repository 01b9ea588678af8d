"""The printer class's port status: one byte that a USB printer tells beside its data (USB Printer Class 1.1, 4.2.2)."""

from agent.model.printer import Need

PAPER_OUT, SELECTED, NO_ERROR = 0x20, 0x10, 0x08
_BITS = PAPER_OUT | SELECTED | NO_ERROR
WELL = SELECTED | NO_ERROR


class PortStatus:
    """Reads the bytes of one open link. Many clones say 18h for ever and some say nonsense for ever: trouble is
    believed only of a printer that was heard to be well on this very link.
    """

    def __init__(self) -> None:
        self._was_well = False

    def needs(self, status: int) -> frozenset[Need]:
        """What a person must see to by this byte."""
        if status & _BITS == WELL:
            self._was_well = True
        elif self._was_well:
            return frozenset({Need.PAPER if status & PAPER_OUT else Need.OFFLINE})
        return frozenset()
