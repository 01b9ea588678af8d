"""Whether an event was signed by somebody whose word counts here. Pure: keys are brought, the time is told.

What is signed is eight lines and then the data, byte for byte as it stands in the message:

    shop-agent-1 LF audience LF keyid LF id LF source LF type LF time LF sequence LF data

The audience is the shop for orders and replays, and shop/agent for commands: what was signed for one shop is worth
nothing in another. `time` and `sequence` are empty where the event has none. The signature stands beside it as the
attributes `keyid` and `signature` (Base64). Nothing in the message chooses the algorithm, the key's owner did.
"""

import base64
import binascii
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from agent.errors import DecodeError
from agent.intake.decode import Envelope

FORM = "shop-agent-1"
FOREIGN = "foreign:"
_BOM = b"\xef\xbb\xbf"


class Key(msgspec.Struct, frozen=True):
    """One key. `fits` is given what was signed and the signature."""

    fits: Callable[[bytes, bytes], bool]
    not_before: datetime | None = None
    not_after: datetime | None = None


class _Signed(msgspec.Struct, frozen=True):
    keyid: Any = None
    signature: Any = None
    data: msgspec.Raw = msgspec.Raw(b"")


class Keyring(msgspec.Struct, frozen=True):
    """The keys, and the audience of each topic on which a signature counts. `lax`: topics on which none is needed."""

    keys: Mapping[str, Key]
    audiences: Mapping[str, str]
    require: bool = True
    lax: frozenset[str] = frozenset()

    def wants(self, topic: str) -> bool:
        """Must what comes on this topic be signed?"""
        return self.require and topic in self.audiences and topic not in self.lax


NO_KEYS = Keyring({}, {})


def signed_bytes(audience: str, keyid: str, envelope: Envelope, data: bytes) -> bytes:
    """What is signed. Raises DecodeError where an attribute can't be in it."""
    said = (keyid, envelope.id, envelope.source, envelope.type, _text(envelope, "time"), _text(envelope, "sequence"))
    for name, value in zip(("keyid", "id", "source", "type", "time", "sequence"), said, strict=True):
        if any(char < " " or char == "\x7f" for char in value):
            raise DecodeError(f"$.{name}", "an attribute with a control character can't be signed")
    return "\n".join((FORM, audience, *said, "")).encode() + data


def check(
    keyring: Keyring,
    topic: str,
    payload: bytes,
    attributes: dict[str, str] | None,
    envelope: Envelope,
    now: datetime | None,
) -> None:
    """Say nothing when the event may be taken. `now` is None while nobody knows what time it is.

    Raises:
        DecodeError: it is not signed though it must be, or not as it should be; park it.
    """
    audience = keyring.audiences.get(topic)
    if audience is None or (envelope.source.startswith(FOREIGN) and not keyring.wants(topic)):
        return  # a platform's own JSON may have a signature that is none of ours
    signed = _read(payload, attributes)
    if signed.signature is None and signed.keyid is None:
        if keyring.wants(topic):
            raise DecodeError("$.signature", "it is not signed, and this box takes signed events only")
        return
    if type(signed.keyid) is not str or type(signed.signature) is not str:
        raise DecodeError("$.signature", "keyid and signature belong together, both as text")
    key = _key(keyring, signed.keyid, now)
    said = signed_bytes(audience, signed.keyid, envelope, bytes(signed.data))
    if not key.fits(said, _signature(signed.signature)):
        text = f"the signature does not fit the key {signed.keyid!r}: something was changed, or it is for another shop"
        raise DecodeError("$.signature", text)


def _read(payload: bytes, attributes: dict[str, str] | None) -> _Signed:
    """The signature, and the data as it stands in the message. The envelope was read before: it is sound JSON."""
    if attributes is not None:
        return _Signed(attributes.get("keyid"), attributes.get("signature"), msgspec.Raw(payload))
    try:
        return msgspec.json.decode(payload.removeprefix(_BOM), type=_Signed)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise DecodeError("$.signature", f"the signature can't be read: {exc}") from exc


def _key(keyring: Keyring, name: str, now: datetime | None) -> Key:
    key = keyring.keys.get(name)
    if key is None:
        known = ", ".join(keyring.keys)
        raise DecodeError("$.keyid", f"this box does not know the key {name[:64]!r}; it knows {known}")
    if now is not None and key.not_before is not None and now < key.not_before:
        raise DecodeError("$.keyid", f"the key {name!r} holds only from {key.not_before.isoformat()}")
    if now is not None and key.not_after is not None and now > key.not_after:
        raise DecodeError("$.keyid", f"the key {name!r} held until {key.not_after.isoformat()}; sign with a newer one")
    return key


def _signature(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as exc:
        raise DecodeError("$.signature", "it is not Base64 (the common alphabet, with = at the end)") from exc


def _text(envelope: Envelope, name: str) -> str:
    value = getattr(envelope, name)
    if value is None:
        return ""
    if type(value) is str or type(value) is int:
        return str(value)
    raise DecodeError(f"$.{name}", "it must be text, to be signed")
