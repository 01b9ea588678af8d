"""A cloud that signs, as docs/security.md tells an integrator to; it shares no code with the agent."""

import base64
import hashlib
import hmac
import json
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

SECRET = b"a secret of the chain and its shops"


def sign(event: dict[str, Any], audience: str, keyid: str, secret: "bytes | Ed25519PrivateKey") -> bytes:
    """The event as JSON, with its signature."""
    data = json.dumps(event["data"], ensure_ascii=False) if "data" in event else ""
    said = [
        audience,
        keyid,
        event["id"],
        event["source"],
        event["type"],
        event.get("time", ""),
        event.get("sequence", ""),
    ]
    text = "\n".join(["shop-agent-1", *said, data]).encode()
    return json.dumps({**event, "keyid": keyid, "signature": signature(text, secret)}, ensure_ascii=False).encode()


def signature(text: bytes, secret: "bytes | Ed25519PrivateKey") -> str:
    """Base64."""
    if isinstance(secret, bytes):
        return base64.b64encode(hmac.new(secret, text, hashlib.sha256).digest()).decode()
    return base64.b64encode(secret.sign(text)).decode()


def public(key: Ed25519PrivateKey) -> str:
    """As the configuration wants it."""
    return base64.b64encode(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()
