"""What passes between the line and the rooms above it, besides deliveries."""

import msgspec


class Will(msgspec.Struct, frozen=True):
    """What the broker says, retained, when the line breaks."""

    topic: str
    payload: bytes


class Acknowledged(msgspec.Struct, frozen=True):
    """The broker's word on something published: `taken` is false when it refused it, for this `reason`; `denied` true
    when we may not write to that topic at all.
    """

    generation: int
    mid: int
    taken: bool
    reason: str = ""
    denied: bool = False


class Session(msgspec.Struct, frozen=True):
    """What the broker keeps for us while we are away: whether it still had it when we came, and for how many seconds
    it says that it does; None where it does not say, as on MQTT 3.1.1.
    """

    present: bool
    expiry_s: int | None
