"""A platform's own JSON as an event of ours, through a mapping. Pure: the same payload is the same event."""

import hashlib
import re
from typing import TYPE_CHECKING, Any

from agent.errors import DecodeError
from agent.intake.decode import Envelope, decode_envelope
from agent.intake.strictjson import decode_tree

if TYPE_CHECKING:  # a shop without mappings does not pay for them
    from agent.intake.expressions import Reader
    from agent.intake.mapping import Mapping

_MAPPED = "foreign:"
_MOST_ID = 500
_PROGRESS = re.compile(r"status|state|progress|stage|状态|进度", re.IGNORECASE)
"""Fields that say how far an order is: other words there are no news for a cook."""


class NotAnOrder(DecodeError):
    """An event that the mapping skips on purpose, such as "a courier was found": acknowledge it, and print nothing."""

    def __init__(self) -> None:
        super().__init__("$", "the mapping skips events of this kind")


def source_of(topic: str) -> str:
    """The source of what a mapping makes of a topic's payloads."""
    return f"{_MAPPED}{topic}"


def is_mapped(source: str) -> bool:
    """Is it one of these?"""
    return source.startswith(_MAPPED)


def is_event(payload: bytes) -> bool:
    """Is it an event of ours already?

    Raises:
        DecodeError: it is no JSON.
    """
    tree = decode_tree(payload)
    return type(tree) is dict and "specversion" in tree


def envelope(payload: bytes, mapping: "Mapping", topic: str) -> Envelope:
    """The event that a payload is, for `decode_data`. One that is a CloudEvent already is read as such.

    Its id is the platform's, else the digest of the payload; its source is the topic, which no event of ours has.

    Raises:
        NotAnOrder: acknowledge it.
        DecodeError: park it; the path is that in the order, or in the payload.
    """
    from agent.intake.expressions import Reader

    tree = decode_tree(payload)
    if type(tree) is dict and "specversion" in tree:
        return decode_envelope(payload)
    return read(tree, hashlib.sha256(payload).hexdigest(), mapping, topic, Reader(mapping.zone))


def read(tree: Any, digest: str, mapping: "Mapping", topic: str, reader: "Reader") -> Envelope:
    """The same for a payload that is parsed; `reader` is a fresh one and can be asked afterwards what was read.
    `tree` is changed where texts in it are unpacked.
    """
    from agent.intake.draft import map_payload
    from agent.intake.unread import few, unread_words

    mapped = map_payload(tree, mapping, reader)
    if mapped.kind == "skip":
        raise NotAnOrder
    data = mapped.data
    if mapped.kind == "upsert":
        order = data["order"]
        told = [
            *few(list(dict.fromkeys(mapped.faults))),
            *unread_words(tree, reader, order, mapped.items, mapping.ignore),
        ]
        progress = [text for text in told if _PROGRESS.search(text.partition(":")[0])]
        if progress:
            order["unread"] = progress
        if wishes := [text for text in told if text not in progress]:
            order["note"] = "; ".join([*filter(None, [order.get("note")]), *wishes])
    name = mapped.id if 0 < len(mapped.id) <= _MOST_ID else digest
    return Envelope("1.0", name, source_of(topic), f"order.{mapped.kind}", data, mapped.time)
