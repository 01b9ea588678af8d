"""A cook who reads every ticket of one order and does what it says: what lies before each, and what must not come."""

from typing import Literal

import msgspec

from agent.journal.file import Tx
from agent.journal.told import base
from agent.model.job import Job, JobKind
from agent.model.order import READ_UPSERT, Order
from agent.model.ticket import READ_SHARE, Portion
from agent.tickets.changes import changed_facts, compare


class Sheet(msgspec.Struct, frozen=True):
    """What a cook is to make: the order's facts, and the station's portions."""

    order: Order
    portions: tuple[Portion, ...]

    @property
    def dishes(self) -> list[str]:
        """Their names."""
        return [portion.item.name for portion in self.portions]


class Page(msgspec.Struct, frozen=True):
    """A ticket as it was rendered: a void, an order, the whole of an order that was revised, or what changed since
    `before`.
    """

    kind: Literal["void", "plain", "whole", "changes"]
    sheet: Sheet | None = None
    before: Sheet | None = None


def rendered(tx: Tx, job: Job) -> Page:
    """As the print room renders it now."""
    if job.kind is JobKind.CANCEL:
        return Page("void")
    sheet = read(job.payload, job.share)
    if job.kind is not JobKind.AMEND:
        return Page("plain", sheet)
    known, certain = base(tx, job)
    if not certain:
        return Page("whole", sheet)
    if known is None:
        return Page("plain", sheet)
    before = read(known.payload, known.share)
    return Page("whole", sheet) if are_alike(before, sheet) else Page("changes", sheet, before)


def read(payload: bytes, share: bytes) -> Sheet:
    """A ticket's order and portions, of their JSON."""
    return Sheet(READ_UPSERT.decode(payload).order, READ_SHARE.decode(share).portions)


def are_alike(one: Sheet | None, other: Sheet | None) -> bool:
    """Would a cook do the same with both?"""
    if one is None or other is None:
        return one is other
    return not changed_facts(one.order, other.order) and not compare(one.portions, other.portions)


class Cooks:
    """One for each station and copy. `trusting`: a printer that never answers was believed, so that a ticket may build
    on what is on no paper; it is mended once that printer speaks.
    """

    def __init__(self) -> None:
        self.trusting = False
        self.faults: list[str] = []
        self._sheets: dict[tuple[str, int], Sheet | None] = {}
        self._sent: dict[tuple[str, int], int] = {}
        self._told: dict[str, int] = {}

    def take(self, job: Job, page: Page) -> None:
        """A ticket comes out of a printer."""
        here = (job.station, job.copy)
        has = self._sheets.get(here)
        if page.kind == "void":  # it takes back every copy
            self._sheets.update({slip: None for slip in self._sheets if slip[0] == job.station})
            return
        if not self.trusting:
            self._judge(job, page, has)
        self._sheets[here], self._sent[here] = page.sheet, job.print_number

    def _judge(self, job: Job, page: Page, has: Sheet | None) -> None:
        if page.kind == "plain" and job.mark is None and has is not None:
            self.faults.append(f"ticket {job.id} is plain and unmarked, and the cook has paper")
        fits = are_alike(has, page.before) or (job.mark is not None and are_alike(has, page.sheet))
        if page.kind == "changes" and not fits:
            self.faults.append(f"ticket {job.id} changes what the cook has not")

    def tell(self, station: str, prints: int) -> None:
        """Whoever discards a void tells these cooks with his own mouth, of what was sent within so many prints."""
        self._told[station] = prints

    def look(self, station: str, copy: int, wanted: Sheet | None) -> None:
        """In the end each has what the order says."""
        has = self._sheets.get((station, copy))
        off = wanted is None and self._sent.get((station, copy), 0) <= self._told.get(station, -1)
        if not are_alike(has, wanted) and not off:
            said, made = (None if sheet is None else sheet.dishes for sheet in (wanted, has))
            self.faults.append(f"{station}/{copy}: the order says {said}, the cook makes {made}")
