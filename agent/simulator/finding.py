"""What can be wrong with the paper, and one such fault in words."""

from enum import StrEnum

import msgspec


class Fault(StrEnum):
    """What can be wrong with the paper."""

    LOST = "lost"
    """An order, its newest revision, or the word that it is off, is not on paper where it should be."""

    DOUBLED = "doubled"
    """The same ticket twice, and the second one does not say so."""

    PARTIAL = "partial"
    """A piece of a ticket that nothing on a later piece takes back."""

    STRANGER = "stranger"
    """A ticket that nobody ordered, at a station that the order does not concern, or on another station's printer
    without the word 代打."""

    OUTDATED = "outdated"
    """An older revision after a newer one, or an order after it was taken back."""

    WRONG = "wrong"
    """A ticket that says something else than the order."""

    FALSE = "false"
    """The cloud was told *confirmed* of a ticket that was not whole on paper by then."""

    UNTAKEN = "untaken"
    """An event that was never taken, though nothing stood in its way any more."""

    UNORDERED = "unordered"
    """An order's first ticket after that of an order that came later, and it does not say that it is late."""

    FOREIGN = "foreign"
    """Something on a ticket that neither the order says nor a ticket says of itself."""


class Finding(msgspec.Struct, frozen=True):
    """One fault, where, and in words."""

    fault: Fault
    order: str
    where: str
    words: str

    def __str__(self) -> str:
        return f"{self.fault}: order #{self.order or '?'} at {self.where}: {self.words}"
