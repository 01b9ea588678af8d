"""The keys of the configuration, read once at the start. Only who has an Ed25519 key pays for the library."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from agent.broker.topics import Topics
from agent.config import Config, SignatureKey
from agent.config.signatures import time_of
from agent.errors import ConfigError
from agent.intake.signature import NO_KEYS, Key, Keyring

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

LEAST_SECRET = 16
"""Bytes; what openssl rand -base64 32 makes has 44."""


def load_keyring(config: Config, topics: Topics) -> Keyring:
    """The keyring for what comes over the line; one that asks for nothing where no key is written.

    Raises:
        ConfigError: a key can't be read; with every fault, one a line.
    """
    if config.signatures is None:
        return NO_KEYS
    audiences = dict.fromkeys((topics.order, topics.replay, *(m.topic for m in config.mappings)), config.shop)
    audiences[topics.command] = f"{config.shop}/{config.agent}"
    keys, faults = {}, []
    for key in config.signatures.keys:
        try:
            keys[key.id] = Key(_fits(key), _moment(key.not_before), _moment(key.not_after))
        except ConfigError as exc:
            faults.append(f"signatures.keys: {key.id}: {exc}")
    if faults:
        raise ConfigError("\n".join(faults))
    lax = frozenset(mapped.topic for mapped in config.mappings if mapped.unsigned)
    return Keyring(keys, audiences, config.signatures.require, lax)


def read_secret(path: Path) -> bytes:
    """The secret of hmac-sha256: the file's text without line ends behind it. Raises ConfigError."""
    try:
        secret = path.read_bytes().rstrip(b"\r\n")
    except OSError as exc:
        raise ConfigError(f"{path} can't be read ({exc.strerror}); check its path and owner") from exc
    if len(secret) < LEAST_SECRET:
        raise ConfigError(f"{path} is too short for a secret; make one with: openssl rand -base64 32")
    return secret


def read_private(path: Path) -> "Ed25519PrivateKey | None":
    """The private key of a PEM file, None when it is no such file. Raises ConfigError for another kind of key."""
    try:
        pem = path.read_bytes()
    except OSError as exc:
        raise ConfigError(f"{path} can't be read ({exc.strerror}); check its path and owner") from exc
    if b"-----BEGIN" not in pem:
        return None
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError) as exc:
        raise ConfigError(f"{path} holds no private key without a passphrase; {_MAKE_ONE}") from exc
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(f"{path} holds no Ed25519 key; {_MAKE_ONE}")
    return key


_MAKE_ONE = "make one with: openssl genpkey -algorithm ed25519"


def _fits(key: SignatureKey) -> Callable[[bytes, bytes], bool]:
    if key.algorithm == "ed25519":
        return _fits_public(_public(key))
    assert key.key_file is not None
    secret = read_secret(key.key_file)
    return lambda said, signature: hmac.compare_digest(hmac.new(secret, said, hashlib.sha256).digest(), signature)


def _fits_public(public: "Ed25519PublicKey") -> Callable[[bytes, bytes], bool]:
    from cryptography.exceptions import InvalidSignature

    def fits(said: bytes, signature: bytes) -> bool:
        try:
            public.verify(signature, said)
        except InvalidSignature:
            return False
        return True

    return fits


def _public(key: SignatureKey) -> "Ed25519PublicKey":
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    if key.key_file is None:
        try:
            return Ed25519PublicKey.from_public_bytes(base64.b64decode(key.public_key, validate=True))
        except (binascii.Error, ValueError) as exc:
            raise ConfigError("public_key is not 32 bytes as Base64; or write key_file with its PEM file") from exc
    try:
        found = load_pem_public_key(key.key_file.read_bytes())
    except OSError as exc:
        raise ConfigError(f"{key.key_file} can't be read ({exc.strerror}); check its path and owner") from exc
    except ValueError as exc:
        advice = "write it with: openssl pkey -in KEY -pubout"
        raise ConfigError(f"{key.key_file} holds no public key as PEM; {advice}") from exc
    if not isinstance(found, Ed25519PublicKey):
        raise ConfigError(f"{key.key_file} holds no Ed25519 key; {_MAKE_ONE}")
    return found


def _moment(text: str) -> datetime | None:
    return time_of(text) if text else None
