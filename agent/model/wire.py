"""What comes off the line, before anybody has read it."""

from typing import Annotated

import msgspec

Source = Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
"""Who counts, as an event names him."""


class Delivery(msgspec.Struct, frozen=True):
    """One PUBLISH from the broker. `generation` counts connections: an acknowledgement belongs to its own only.

    `attributes` are MQTT 5 user properties, None where the message has none.
    """

    generation: int
    mid: int
    topic: str
    payload: bytes
    qos: int
    retain: bool
    attributes: dict[str, str] | None = None


class ReplayBegin(msgspec.Struct, frozen=True, rename={"first": "from"}):
    """A replay from `first` on begins, to a box that has told of events up to `had` before: if it has not got that one,
    its disk has lost what was on it, and what follows may be on paper already.
    """

    source: Source
    first: int | str
    had: int | str


class ReplayEnd(msgspec.Struct, frozen=True, rename={"first": "from", "last": "to"}):
    """A replay is over: the cloud sent `first` to `last`, but for `unavailable`, and its newest is `head`. One marker a
    source; without a source it only says that all that was asked for has been sent, and its numbers mean nothing.
    """

    source: Source | None
    first: int | str
    last: int | str
    head: int | str
    unavailable: list[int | str] = []
