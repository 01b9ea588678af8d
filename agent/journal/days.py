"""What came within a time, and what became of it: read by the index of when events came, and nothing else is looked at,
however many orders there ever were.
"""

from collections.abc import Iterator

import msgspec

from agent.journal.file import Tx
from agent.model.job import JobKind, JobState, Mark

DEMO = "demo"
"""The channel of orders that nobody placed: the day knows nothing of them."""
_CAME = (
    "FROM events e INDEXED BY events_received JOIN orders o ON o.pk = e.order_pk {join} "
    "WHERE e.order_pk IS NOT NULL AND e.received_at >= ? AND e.received_at < ? AND e.kind IN ('upsert', 'raw') "
    f"AND o.channel <> '{DEMO}' AND NOT EXISTS (SELECT 1 FROM events f WHERE f.order_pk = e.order_pk AND f.pk < e.pk)"
)
"""An order's first event: later ones are its revisions."""
_ORDERS = (
    "SELECT o.pk, e.received_at, o.channel, o.order_id, o.number, o.state, o.canceled, (SELECT u.payload FROM events u "
    "WHERE u.order_pk = o.pk AND u.kind = 'upsert' ORDER BY u.rev DESC LIMIT 1) " + _CAME.format(join="")
)
_TICKETS = (
    "SELECT j.order_pk, j.kind, j.station, j.printer, j.state, j.mark, j.evidence, j.created_at, "
    "(SELECT min(m.at) FROM moves m WHERE m.job_id = j.id AND m.new = 'completed'), "
    "EXISTS (SELECT 1 FROM moves m WHERE m.job_id = j.id AND m.new = 'unconfirmed') "
    + _CAME.format(join="JOIN jobs j INDEXED BY jobs_of_order ON j.order_pk = o.pk")
)
_RAISED = (
    "SELECT key, reason, raised_at, cleared_at FROM alarm_log "
    "WHERE raised_at < ? AND (cleared_at = '' OR cleared_at >= ?) ORDER BY pk DESC"
)


class Came(msgspec.Struct, frozen=True):
    """An order. `at` is when it came, `payload` its newest revision as JSON, None for ready-made content."""

    pk: int
    at: str
    channel: str
    order: str
    no: str
    state: str
    canceled: bool
    payload: bytes | None


class Made(msgspec.Struct, frozen=True):
    """A ticket of one of these orders. `made` is when it was due to be printed, `printed` when it was, "" where it was
    not; `doubted`: nobody knew for a while whether it was.
    """

    order_pk: int
    kind: JobKind
    station: str
    printer: str
    state: JobState
    mark: Mark | None
    evidence: str
    made: str
    printed: str
    doubted: bool


class Raised(msgspec.Struct, frozen=True):
    """What needed a person; `until` is "" while it still does."""

    key: str
    reason: str
    since: str
    until: str


def orders(tx: Tx, since: str, until: str) -> Iterator[Came]:
    """The orders that came from `since` on and before `until` (UTC, as stored), one after the other as they came."""
    for pk, at, channel, order, no, state, canceled, payload in tx.execute(f"{_ORDERS} ORDER BY e.pk", (since, until)):
        yield Came(pk, at, channel, order, no, state, bool(canceled), payload)


def tickets(tx: Tx, since: str, until: str) -> Iterator[Made]:
    """The tickets of these orders, also those that were made later."""
    for pk, kind, station, printer, state, mark, evidence, made, at, doubt in tx.execute(_TICKETS, (since, until)):
        known = None if mark is None else Mark(mark)
        yield Made(pk, JobKind(kind), station, printer, JobState(state), known, evidence, made, at or "", bool(doubt))


def alarms(tx: Tx, since: str, until: str) -> list[Raised]:
    """What needed a person within this time, the newest first. The newest thousand are kept."""
    return [Raised(*row) for row in tx.execute(_RAISED, (until, since))]
