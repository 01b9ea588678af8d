"""A pairing token: all that a box needs to know of its cloud, in one line that can be pasted, or scanned as a QR code.

It holds the broker's password: who has it can be the shop's box. It is not kept; its parts go where they belong.
"""

import base64
import binascii
from pathlib import Path
from typing import Any

import msgspec

from agent.config import load
from agent.config.words import Fault, faults
from agent.config.write import Wanted, fresh, secret
from agent.errors import ConfigError

PREFIX = "SAP1."
MOST_CHARACTERS = 4096
PASSWORD, CERTIFICATE = "broker.pass", "broker-ca.pem"
"""Each new one gets a `fresh` name of this kind."""


class Pairing(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A shop and its broker, named as in the configuration. `ca` is a PEM certificate, for a broker with a CA of its
    own.
    """

    shop: str
    url: str
    username: str = ""
    password: str = ""
    preset: str = ""
    prefix: str = ""
    agent: str = ""
    ca: str = ""


_READ = msgspec.json.Decoder(Pairing)


def make_token(pairing: Pairing) -> str:
    """One line of letters, digits, - and _."""
    return PREFIX + base64.urlsafe_b64encode(msgspec.json.encode(pairing)).decode().rstrip("=")


def read_token(text: str) -> Pairing:
    """What a token says; also where it stands behind an address (http://…#pair=SAP1.…), or with line ends in it.

    Raises:
        ConfigError: it is none; the text says what to do.
    """
    token = "".join(text.split())
    if PREFIX not in token or len(token) > MOST_CHARACTERS:
        raise ConfigError(
            f"不是配对码：它以 {PREFIX} 开头 this is no pairing token: it begins with {PREFIX}; copy all of it"
        )
    said = token[token.index(PREFIX) + len(PREFIX) :]
    try:
        return _READ.decode(base64.b64decode(said + "=" * (-len(said) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, msgspec.MsgspecError) as exc:
        raise ConfigError(
            f"配对码不完整，请重新复制 the pairing token is not whole or damaged, copy it again ({exc})"
        ) from exc


def faults_of(pairing: Pairing) -> list[Fault]:
    """What the configuration's own rules would say to it on a box: `shop`, `broker.url` and so on."""
    said = msgspec.structs.asdict(pairing)
    broker = {name: said[name] for name in ("url", "username", "preset") if said[name]}
    whole = {name: said[name] for name in ("shop", "prefix", "agent") if said[name]} | {"broker": broker}
    try:
        load(Path("-"), data=msgspec.json.encode(whole))
    except ConfigError as exc:
        return faults(str(exc))
    return []


def wanted(pairing: Pairing) -> Wanted:
    """How the configuration changes: the shop, and a broker section of its own; its secrets are files beside it.

    Raises:
        ConfigError: the password can't be one.
    """

    password, certificate = fresh(PASSWORD), fresh(CERTIFICATE)

    def change(tree: Any) -> None:
        tree["shop"] = pairing.shop
        for name in ("prefix", "agent"):
            if value := getattr(pairing, name):
                tree[name] = value
        broker = {"url": pairing.url, "username": pairing.username, "preset": pairing.preset}
        broker |= {"password_file": password if pairing.password else "", "ca_file": certificate if pairing.ca else ""}
        tree["broker"] = {name: value for name, value in broker.items() if value}

    beside = {password: secret(pairing.password)} if pairing.password else {}
    return Wanted(change, beside | ({certificate: pairing.ca.encode()} if pairing.ca else {}))
