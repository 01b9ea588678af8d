"""The settings of the cloud's signatures, and what must hold of them: no key by which nobody could sign."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from agent.yaml.marks import Reading

_KeyId = msgspec.Meta(
    pattern="^[A-Za-z0-9._-]+$",
    max_length=64,
    examples=["2026-a"],
    extra={"write": "use letters a-z, digits, ., - and _"},
)


class SignatureKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key by which the cloud signs. For `ed25519` the public one: in a PEM file, or here, its 32 bytes as Base64; for
    `hmac-sha256` the file of the shared secret. Events are taken from `not_before` until `not_after`, where written.
    """

    id: Annotated[str, _KeyId]
    algorithm: Literal["ed25519", "hmac-sha256"]
    key_file: Path | None = None
    public_key: str = ""
    not_before: str = ""
    not_after: str = ""


class Signatures(msgspec.Struct, frozen=True, kw_only=True):
    """Whose word counts on the line. `require: false` takes what is not signed, but never what is wrongly signed."""

    keys: list[SignatureKey]
    require: bool = True


def check(reading: Reading) -> None:
    """Add every broken rule to the reading's problems."""
    entries = sorted({path.rpartition(".")[0] for path, _ in reading.column("signatures.keys[].algorithm")})
    for entry in entries:
        algorithm = reading.values[f"{entry}.algorithm"]
        file, here = f"{entry}.key_file" in reading.values, f"{entry}.public_key" in reading.values
        if algorithm == "hmac-sha256" and here:
            reading.add(
                f"{entry}.public_key", "no secret in this file; write it into its own and name that as key_file"
            )
        elif file and here:
            reading.add(f"{entry}.public_key", "the key is in key_file already; keep one of them")
        elif not file and not here:
            what = "key_file: its PEM file, or public_key" if algorithm == "ed25519" else "key_file: the secret's file"
            reading.add(entry, f"the key itself is missing; write {what}")
        _times_are_such(reading, entry)
    if "signatures.keys" in reading.values and not reading.values["signatures.keys"]:
        reading.add("signatures.keys", "there is no key; write one, or leave signatures out")
    seen: set[str] = set()
    for path, name in reading.column("signatures.keys[].id"):
        if name in seen:
            reading.add(path, "another key has this id; give each its own")
        seen.add(name)


def time_of(text: str) -> datetime | None:
    """A time as it may be written for a key: with a zone. None when it is none."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None


def _times_are_such(reading: Reading, entry: str) -> None:
    moments: list[Any] = []
    for name in ("not_before", "not_after"):
        text = reading.values.get(f"{entry}.{name}")
        moments.append(time_of(text) if text else None)
        if text and moments[-1] is None:
            reading.add(
                f"{entry}.{name}", f"'{text}' is no time with a zone; write for example 2026-12-01T00:00:00+08:00"
            )
    if all(moments) and moments[0] >= moments[1]:
        reading.add(f"{entry}.not_after", "it lies before not_before; swap them")
