"""A job is one ticket on its way to one printer. The words are IPP's (RFC 8011), and one is ours: unconfirmed.

pending ──▶ processing ──▶ completed          the law is TRANSITIONS; the journal refuses every other move
   ▲ ▲          │ │ └────▶ held ──▶ …         a person is needed (paper, cover, cutter)
   │ └──────────┘ └──────▶ unconfirmed ──▶ …  bytes went out and no answer came
"""

from enum import StrEnum

import msgspec


class JobState(StrEnum):
    """Where a job is."""

    PENDING = "pending"
    """Waiting for its printer. Entered from intake, or when *not printed* is certain, or for a marked reprint."""

    PROCESSING = "processing"
    """Its intent is on disk and bytes may have gone out. At most two a printer."""

    HELD = "held"
    """A person is needed. With an intent the printer still has the ticket; without one nothing was sent."""

    UNCONFIRMED = "unconfirmed"
    """Bytes went out, no answer came, and evidence could not settle it yet."""

    COMPLETED = "completed"
    """On paper, with the evidence named: confirmed, witnessed or presumed. Final."""

    ABORTED = "aborted"
    """It can't be printed as it is, and a person was told. Final."""

    CANCELED = "canceled"
    """The order was cancelled or replaced before it was printed. Final."""


_S = JobState
TRANSITIONS: dict[JobState, frozenset[JobState]] = {
    _S.PENDING: frozenset({_S.PROCESSING, _S.HELD, _S.ABORTED, _S.CANCELED}),
    _S.PROCESSING: frozenset({_S.COMPLETED, _S.PENDING, _S.HELD, _S.UNCONFIRMED}),
    _S.HELD: frozenset({_S.PENDING, _S.PROCESSING, _S.COMPLETED, _S.UNCONFIRMED, _S.CANCELED}),
    _S.UNCONFIRMED: frozenset({_S.COMPLETED, _S.PENDING, _S.HELD, _S.CANCELED}),
    _S.COMPLETED: frozenset(),
    _S.ABORTED: frozenset(),
    _S.CANCELED: frozenset(),
}
FINAL = frozenset(state for state, after in TRANSITIONS.items() if not after)


class JobKind(StrEnum):
    """What a ticket tells the kitchen."""

    ORDER = "order"
    AMEND = "amend"
    CANCEL = "cancel"
    RAW = "raw"
    """Content that came ready-made."""

    NOTICE = "notice"
    """For the staff and about no order: a printer needs a person."""

    SUMMARY = "summary"
    """For the staff: orders wait for a person."""


class Mark(StrEnum):
    """Why a ticket carries the inverted banner 补打 REPRINT."""

    POSSIBLE_DUPLICATE = "possible_duplicate"
    DISCARD_PIECE_ABOVE = "discard_piece_above"
    JOURNAL_REBUILT = "journal_rebuilt"
    ASKED = "asked"
    """A person wanted it once more."""


class Counters(msgspec.Struct, frozen=True):
    """A printer's own maintenance counters (GS g): cumulative cuts and line feeds."""

    cuts: int
    lines: int


class Expected(msgspec.Struct, frozen=True):
    """By how much a ticket moves a printer's counters. With some, feeds and pictures count as lines; `drawn`: it holds
    pictures.
    """

    lines: int
    most_lines: int
    cuts: int
    drawn: bool = False


HEAD = "}"
"""What the process IDs of heads begin with, and no ticket's."""


class Intent(msgspec.Struct, frozen=True):
    """What was known, and written to disk, before the first byte of a ticket went out.

    The printer's counters will have moved by `cuts` and by `lines` to `most_lines` when it is on paper. `baseline` is
    None where the printer has no sound counters or they were not fresh. `opened`: its cover was open meanwhile.
    `drawn`: counters say nothing of a part of it. `headless`: nobody heard that its head arrived, and they
    are too rough to tell.
    """

    token: str
    lines: int
    most_lines: int
    cuts: int
    baseline: Counters | None = None
    opened: bool = False
    drawn: bool = False
    headless: bool = False

    @property
    def head(self) -> str:
        """The process ID that is asked for before its head."""
        return HEAD + self.token[1:]

    def fits(self, now: Counters) -> bool:
        """Have the counters moved as by this ticket and nothing else?"""
        if self.baseline is None:
            return False
        lines = now.lines - self.baseline.lines
        return now.cuts - self.baseline.cuts == self.cuts and self.lines <= lines <= self.most_lines

    def misses(self, now: Counters) -> bool:
        """Do the counters say that a part of this ticket is not on paper?"""
        if self.baseline is None:
            return False
        return now.cuts - self.baseline.cuts < self.cuts or now.lines - self.baseline.lines < self.lines

    def is_cut_up(self, now: Counters) -> bool:
        """Did the printer cut more often than this ticket does?"""
        return self.baseline is not None and now.cuts - self.baseline.cuts > self.cuts


READ_INTENT = msgspec.json.Decoder(Intent)


class Job(msgspec.Struct, frozen=True):
    """One ticket for one printer. `number` is the station's running number of the day, 0 until the first byte.

    `home` is its station's printer, `printer` the one that has it or had it last. `print_number` counts all attempts
    at all tickets. `payload` is the event's data and `share` a `Share`, both as JSON. A notice has no order: its
    `share` is a `Notice`, and its `station` the printer that it speaks of.
    """

    id: int
    order_pk: int | None
    channel: str
    order_id: str
    rev: int
    kind: JobKind
    station: str
    home: str
    printer: str
    copy: int
    copies: int
    state: JobState
    attempt: int
    mark: Mark | None
    number: int
    print_number: int
    intent: Intent | None
    reason: str
    payload: bytes
    created_at: str
    share: bytes


_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def token(job_id: int) -> str:
    """The job's number in base 36, four characters: what the printer echoes (GS ( H, function 48)."""
    characters = ""
    for _ in range(4):
        job_id, digit = divmod(job_id, 36)
        characters = _DIGITS[digit] + characters
    return characters
