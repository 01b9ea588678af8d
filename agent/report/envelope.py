"""Who speaks, and a report as the CloudEvent that goes up. Pure, but for a new boot's random id."""

import uuid

import msgspec

from agent import __version__
from agent.journal.notes import OutboxRow
from agent.report.presence import State


class Identity(msgspec.Struct, frozen=True):
    """Who speaks: `source` of everything that goes up, and which boot this is."""

    source: str
    boot: str


def new_identity(shop: str, agent: str) -> Identity:
    """An identity for this run of the process."""
    return Identity(f"//shop-agent/{shop}/{agent}", uuid.uuid4().hex)


def state_payload(identity: Identity, online: bool, at: str = "") -> bytes:
    """The retained status: birth, or death (also as the last will). A death counts only for its own boot."""
    return msgspec.json.encode(State(online, identity.boot, __version__, at))


def envelope_of(journal_id: str, identity: Identity, row: OutboxRow) -> bytes:
    """A report as a CloudEvent; its id is the same each time that it is sent."""
    return msgspec.json.encode(
        {
            "specversion": "1.0",
            "id": f"{journal_id}-{row.pk}",
            "source": identity.source,
            "type": row.type,
            "time": row.at,
            "datacontenttype": "application/json",
            "data": msgspec.Raw(row.body),
        }
    )
